"""What all simulations of `make trust` share: the form of their tables."""

from __future__ import annotations

from dataclasses import dataclass

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
