"""What all simulations of `make trust` share: the form of their tables, and what chance does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Table:
    """One table of docs/trust.md."""

    title: str
    #: What was simulated, how often, and how to read it: one or two sentences.
    conditions: str
    frame: pd.DataFrame

    def markdown(self) -> str:
        """The table as Markdown, numbers as they are rounded in the frame."""
        header = [str(c) for c in self.frame.columns]
        rows = [[str(v) for v in row] for row in self.frame.itertuples(index=False)]
        lines = [header, ["---"] * len(header), *rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{self.conditions}\n\n{body}\n"


def chance_of_coverage(n_runs: int) -> str:
    """How sure the coverage of 95 % intervals is after so many runs, in words."""
    error = 100 * np.sqrt(0.95 * 0.05 / n_runs)
    return f"{n_runs} runs a row: the Monte-Carlo standard error of a coverage of 95 % is {error:.1f} points."


def error_of_mean(values: Sequence[float]) -> float:
    """The Monte-Carlo standard error of the mean of independent runs; NaN of one."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
