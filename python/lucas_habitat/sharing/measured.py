"""Evaluations that a model is shared with, read from what `evaluate` returned or from its file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from .._base.classes import column_names
from ..errors import InputError, some
from ..evaluation import FURTHER, Evaluation, Judged, numbers_of

__all__ = ["Measured", "measured"]


class Measured(NamedTuple):
    """The numbers of an evaluation that stand on a model's page."""

    unit: str
    n: int
    n_points: int
    overall_accuracy: float
    overall_accuracy_interval: tuple[float, float] | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    level: float
    further: dict[str, float]
    #: ``class``, ``n_reference``, ``producers_accuracy``, ``users_accuracy``.
    per_class: pd.DataFrame
    weights: str | None
    class_shares: dict[str, float] | None
    notes: list[str]

    @property
    def rows(self) -> str:
        """What the numbers are of, in words."""
        if self.unit == "photo":
            return f"{self.n:,} photos of {self.n_points:,} points"
        years = f" ({self.n:,} with their years)" if self.n != self.n_points else ""
        return f"{self.n_points:,} points by the vote of their photos{years}"


def measured(
    evaluation: Judged | Sequence[Judged] | None, classes: Sequence[str]
) -> list[Measured]:
    """The evaluations of a model with these classes.

    Raises
    ------
    InputError
        If one is none, or of other classes.
    """
    if evaluation is None:
        return []
    is_one = isinstance(evaluation, Evaluation | Mapping | str | os.PathLike)
    given: Sequence[Judged] = [evaluation] if is_one else evaluation  # type: ignore[list-item, assignment]
    return [_one(each, classes) for each in given]


def _one(given: Judged, classes: Sequence[str]) -> Measured:
    name, plain = numbers_of(given)
    try:
        if plain["unit"] not in ("photo", "point"):
            raise ValueError(f"its unit is {plain['unit']!r:.60}")
        accuracy = _number(plain, "overall_accuracy", 0, 1)
        if accuracy is None:
            raise ValueError("it has no overall accuracy")
        per_class = pd.DataFrame(plain["per_class"])
        table = per_class[["class", "n_reference", "producers_accuracy", "users_accuracy"]]
        shares = plain.get("class_shares")
        found = Measured(
            unit=plain["unit"],
            n=int(plain["n"]),
            n_points=int(plain["n_points"]),
            overall_accuracy=accuracy,
            overall_accuracy_interval=_interval(plain, "overall_accuracy_interval"),
            kappa=_number(plain, "kappa", -1, 1),
            kappa_interval=_interval(plain, "kappa_interval"),
            level=_number(plain, "level", 0, 1) or 0.95,
            further={k: v for k in FURTHER if (v := _number(plain, k, -math.inf)) is not None},
            per_class=table.reset_index(drop=True),
            weights=None if plain.get("weights") is None else str(plain["weights"]),
            class_shares=None if not shares else {str(k): float(v) for k, v in shares.items()},
            notes=[str(note) for note in plain.get("notes") or []],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{name} is no evaluation: {reason}.") from error
    # A table from CSV calls a class that no row shows by its column.
    there = set(column_names([str(c) for c in table["class"]]))
    missing = [c for c in classes if column_names([c])[0] not in there]
    if missing:
        raise InputError(
            f"{name} is of another model: it says nothing of the class {some(missing)}. Its classes are "
            f"{some(table['class'].tolist(), 8)}."
        )
    return found


def _number(
    plain: Mapping[str, Any], name: str, low: float, high: float = math.inf
) -> float | None:
    """A number of an evaluation; None where it is undefined."""
    value = plain.get(name)
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r:.60}")
    return float(value)


def _interval(plain: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """An interval; None where none was computed."""
    ends = plain.get(name) or (None, None)
    low, high = (_number({name: end}, name, -1, 1) for end in ends)
    return None if low is None or high is None else (low, high)
