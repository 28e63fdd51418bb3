"""What validate_map() returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..evaluation import plain

__all__ = ["MapAccuracy", "MapEstimate"]

_TITLES = {
    "as_if_true": "as if the points' classes were true",
    "corrected": "with the classifier's own errors taken out",
}


@dataclass(frozen=True, eq=False)
class MapEstimate:
    """Accuracy and areas, each with its standard error and interval.

    Attributes
    ----------
    overall_accuracy, overall_accuracy_se : float
    overall_accuracy_interval : tuple of float
    per_class : pandas.DataFrame
        One row a class: ``class``, ``n_map``, ``n_reference`` (points), ``users_accuracy`` (of the
        area mapped as the class, how much is it), ``producers_accuracy`` (of the class' area, how
        much is mapped so), ``area_mapped`` and ``area_estimated`` (shares of the judged area); but
        for the first, each with ``*_se``, ``*_low`` and ``*_high`` (of the area, ``area_se`` ...).
    proportions : pandas.DataFrame
        The error matrix in shares of the judged area, rows map, columns reference.
    """

    overall_accuracy: float
    overall_accuracy_se: float
    overall_accuracy_interval: tuple[float, float]
    per_class: pd.DataFrame
    proportions: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Plain values; undefined numbers are None."""
        return {
            "overall_accuracy": plain(self.overall_accuracy),
            "overall_accuracy_se": plain(self.overall_accuracy_se),
            "overall_accuracy_interval": [plain(v) for v in self.overall_accuracy_interval],
            "per_class": [
                {k: plain(v) for k, v in row.items()} for row in self.per_class.to_dict("records")
            ],
            "proportions": self.proportions.to_numpy().tolist(),
        }


@dataclass(frozen=True, eq=False)
class MapAccuracy:
    """Accuracy of a map. Print it to read it.

    It is equal to itself only; to compare the numbers of two, compare their `as_dict()`.

    Attributes
    ----------
    confusion : pandas.DataFrame
        Points, **rows map, columns reference**.
    as_if_true : MapEstimate
        Accuracy and areas as if the points' classes were true.
    corrected : MapEstimate or None
        The same with the classifier's own errors taken out, where they were given.
    left_out : pandas.DataFrame
        ``reason`` and ``n`` of rows that were not used.
    n : int
        Points compared.
    judged : float
        Share of the map's area that all numbers are about.
    level : float
    n_boot, seed : int
    notes : list of str
        What to know before quoting the numbers.
    """

    confusion: pd.DataFrame
    as_if_true: MapEstimate
    corrected: MapEstimate | None
    left_out: pd.DataFrame
    n: int
    judged: float
    level: float
    n_boot: int
    seed: int
    notes: list[str] = field(default_factory=list)

    @property
    def per_class(self) -> pd.DataFrame:
        """The tables of both estimates, told apart by ``reference`` (as_if_true, corrected)."""
        tables = {name: estimate.per_class for name, estimate in self._estimates().items()}
        return (
            pd.concat(tables, names=["reference"]).reset_index("reference").reset_index(drop=True)
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        return {
            "n": self.n,
            "left_out": self.left_out.to_dict("records"),
            "judged": self.judged,
            "classes": self.confusion.columns.tolist(),
            "confusion_rows": "map",
            "confusion": self.confusion.to_numpy().tolist(),
            "as_if_true": self.as_if_true.as_dict(),
            "corrected": None if self.corrected is None else self.corrected.as_dict(),
            "level": self.level,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "notes": list(self.notes),
        }

    def _estimates(self) -> dict[str, MapEstimate]:
        estimates = {"as_if_true": self.as_if_true}
        if self.corrected is not None:
            estimates["corrected"] = self.corrected
        return estimates

    def __repr__(self) -> str:
        columns = ["class", "users_accuracy", "users_se", "producers_accuracy", "producers_se",
                 "area_mapped", "area_estimated", "area_se"]  # fmt: skip
        lines = [f"Accuracy of {100 * self.judged:.4g}% of a map's area at {self.n} points", ""]
        for name, estimate in self._estimates().items():
            low, high = estimate.overall_accuracy_interval
            lines += [
                f"{_TITLES[name]}:",
                f"overall accuracy {_shown(estimate.overall_accuracy)}   standard error "
                f"{_shown(estimate.overall_accuracy_se)}   {100 * self.level:g}% interval "
                f"{_shown(low)} to {_shown(high)}",
                estimate.per_class[columns].to_string(
                    index=False, na_rep="undefined", float_format=_shown
                ),
                "",
            ]
        lines += ["points (rows map, columns reference)", self.confusion.to_string()]
        if len(self.left_out):
            lines.append(f"left out: {counted_reasons(self.left_out)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def counted_reasons(left_out: pd.DataFrame) -> str:
    """Reasons for rows left out, each with its count, as one text."""
    return "; ".join(f"{n} {reason}" for reason, n in left_out.itertuples(index=False))


def _shown(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.3f}"
