"""What validate_map() returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..evaluation import plain

__all__ = ["Independence", "MapAccuracy", "MapEstimate"]

_TITLES = {
    "as_if_true": "as if the points' classes were true",
    "corrected": "with the classifier's own errors taken out",
    "from_labels": "from the labelled points alone",
    "prediction_powered": "from the labelled points, with the predictions of the others",
}


@dataclass(frozen=True)
class Independence:
    """Whether classifier and map err independently, as labelled points show it.

    Attributes
    ----------
    n : int
        Labelled points that were classified.
    errors_where_map_is_right, errors_where_map_is_wrong : float
        The classifier's share of errors there.
    p_value : float
        Of as many common errors or more by chance, given the true classes (exact, one-sided).
    is_doubtful : bool
        Whether the p-value is below 0.05.
    """

    n: int
    errors_where_map_is_right: float
    errors_where_map_is_wrong: float
    p_value: float
    is_doubtful: bool

    @property
    def note(self) -> str:
        """What that means for the corrected numbers."""
        rates = (
            f"the classifier errs at {100 * self.errors_where_map_is_wrong:.2g}% of {self.n} labelled points "
            f"where the map is wrong, and at {100 * self.errors_where_map_is_right:.2g}% where it is right "
            f"(p = {self.p_value:.2g}, within true classes)"
        )
        if self.is_doubtful:
            return f"{rates}: both err on the same land, so corrected numbers are too good; do not quote them"
        return f"{rates}: that shows no common errors, but few points can overlook them"


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
    from_labels : MapEstimate or None
        Accuracy and areas by the points that carry a label (``habitat``), where some do.
    prediction_powered : MapEstimate or None
        The same, with the predictions of the points without a label: surer, and right whatever the
        classifier is worth.
    independence : Independence or None
        Whether classifier and map err independently, as ``corrected`` assumes.
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
    from_labels: MapEstimate | None = None
    prediction_powered: MapEstimate | None = None
    independence: Independence | None = None

    @property
    def to_quote(self) -> str:
        """The name of the estimate to quote: the surest of those that assume least."""
        for name in ("prediction_powered", "from_labels", "corrected"):
            if getattr(self, name) is not None:
                return name
        return "as_if_true"

    @property
    def per_class(self) -> pd.DataFrame:
        """The tables of all estimates, told apart by ``reference`` (as_if_true, corrected, ...)."""
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
            "from_labels": None if self.from_labels is None else self.from_labels.as_dict(),
            "prediction_powered": (
                None if self.prediction_powered is None else self.prediction_powered.as_dict()
            ),
            "independence": None if self.independence is None else asdict(self.independence),
            "to_quote": self.to_quote,
        }

    def _estimates(self) -> dict[str, MapEstimate]:
        estimates = {name: getattr(self, name) for name in _TITLES}
        return {name: part for name, part in estimates.items() if part is not None}

    def __repr__(self) -> str:
        columns = ["class", "users_accuracy", "users_se", "producers_accuracy", "producers_se",
                 "area_mapped", "area_estimated", "area_se"]  # fmt: skip
        lines = [f"Accuracy of {100 * self.judged:.4g}% of a map's area at {self.n} points", ""]
        if len(self._estimates()) > 1:
            lines += [f"to quote: {self.to_quote}, {_TITLES[self.to_quote]}", ""]
        for name, estimate in self._estimates().items():
            low, high = estimate.overall_accuracy_interval
            lines += [
                f"{_TITLES[name]}:",
                *(
                    ["(assumes that classifier and map err independently)"]
                    if name == "corrected"
                    else []
                ),
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
