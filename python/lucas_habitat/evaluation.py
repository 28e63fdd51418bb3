"""How good is it: overall accuracy, kappa, per class, with intervals that respect points."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ._base import words
from ._base.bootstrap import Interval, alike, draws, percentile_interval
from ._base.checks import check_number, check_seed
from ._base.classes import classes_of
from ._base.tables import as_table, require_columns
from ._base.types import Floats
from .errors import InputError, some

__all__ = ["Evaluation", "evaluate"]

Counts = Floats


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy of predictions. Print it to read it.

    An evaluation is equal to itself only; to compare the numbers of two, compare their `as_dict()`.

    Attributes
    ----------
    overall_accuracy, kappa : float
    overall_accuracy_interval, kappa_interval : tuple of float
        Percentile bootstrap over points, at ``level``.
    confusion : pandas.DataFrame
        Counts, **rows predicted, columns reference**.
    per_class : pandas.DataFrame
        One row a class: ``class``, ``n_reference``, ``n_predicted``, ``producers_accuracy``
        (recall: of the reference's, how many were found), ``users_accuracy`` (precision: of the
        predicted, how many are right), ``f1``, and ``*_low``/``*_high`` of the first two.
    unit : str
        ``"photo"`` or ``"point"``: what a row of the table was.
    n, n_points : int
        Rows compared, and points behind them.
    n_unlabelled, n_unread : int
        Rows left out: without a reference class, without a prediction.
    level : float
    notes : list of str
        What to know before quoting the numbers.
    """

    overall_accuracy: float
    overall_accuracy_interval: tuple[float, float]
    kappa: float
    kappa_interval: tuple[float, float]
    confusion: pd.DataFrame
    per_class: pd.DataFrame
    unit: str
    n: int
    n_points: int
    n_unlabelled: int
    n_unread: int
    level: float
    n_boot: int
    seed: int
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        return {
            "unit": self.unit,
            "n": self.n,
            "n_points": self.n_points,
            "n_unlabelled": self.n_unlabelled,
            "n_unread": self.n_unread,
            "overall_accuracy": plain(self.overall_accuracy),
            "overall_accuracy_interval": [plain(v) for v in self.overall_accuracy_interval],
            "kappa": plain(self.kappa),
            "kappa_interval": [plain(v) for v in self.kappa_interval],
            "level": self.level,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "classes": self.confusion.columns.tolist(),
            "confusion_rows": "predicted",
            "confusion": self.confusion.to_numpy().tolist(),
            "per_class": [
                {k: plain(v) for k, v in row.items()} for row in self.per_class.to_dict("records")
            ],
            "notes": list(self.notes),
        }

    def _rows(self) -> str:
        if self.unit == "photo":
            return f"{self.n} photos of {self.n_points} points"
        # vote() gives a point a row for each of its years.
        years = f" in {self.n} point-years" if self.n != self.n_points else ""
        return f"{self.n_points} points{years}"

    def __repr__(self) -> str:
        def line(name: str, value: float, interval: tuple[float, float]) -> str:
            return f"{name:<17} {value:.3f}" + (
                f"   {100 * self.level:g}% interval {interval[0]:.3f} to {interval[1]:.3f}"
                if self.n_boot
                else ""
            )

        table = self.per_class[
            ["class", "producers_accuracy", "users_accuracy", "f1", "n_reference"]
        ]
        return "\n".join(
            [
                f"Evaluation of {self._rows()}",
                line("overall accuracy", self.overall_accuracy, self.overall_accuracy_interval),
                line("kappa", self.kappa, self.kappa_interval),
                "",
                "confusion (rows predicted, columns reference)",
                self.confusion.to_string(),
                "",
                table.to_string(index=False, float_format=lambda v: f"{v:.3f}"),
                *(f"note: {note}" for note in self.notes),
            ]
        )


def evaluate(
    predictions: pd.DataFrame | str | os.PathLike[str],
    *,
    reference: str = "habitat",
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> Evaluation:
    """Compare predicted with reference classes.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` or `vote` returned: ``predicted`` and the reference column, with
        ``point_id`` where photos have points.
    reference : str, default "habitat"
        The column that holds the true class.
    n_boot : int, default 2000
        Bootstrap samples; 0 gives no intervals. Whole points are drawn, because photos of one
        point, and a point's years, are not independent.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1

    Returns
    -------
    Evaluation
        Accuracies are shares, 0 to 1; kappa is at most 1. A value that is undefined, such as the
        user's accuracy of a class never predicted, is NaN with a note.

    Raises
    ------
    InputError
        If columns are missing, or no row has both classes.

    References
    ----------
    Cohen 1960, A coefficient of agreement for nominal scales, doi 10.1177/001316446002000104.
    Congalton 1991, A review of assessing the accuracy of classifications of remotely sensed data,
    doi 10.1016/0034-4257(91)90048-B.
    """
    check_number("n_boot", n_boot, 0, whole=True)
    seed = check_seed(seed)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    table = as_table(predictions)
    compared = _compared(table, reference)
    per_point = _per_point(compared)
    counts = per_point.sum(axis=0)
    values = measures(counts)
    intervals = _intervals(per_point, int(n_boot), level, seed)
    per_class = _per_class(compared.classes, counts, values, intervals)
    return Evaluation(
        overall_accuracy=float(values.overall_accuracy),
        overall_accuracy_interval=_ends(intervals.overall_accuracy),
        kappa=float(values.kappa),
        kappa_interval=_ends(intervals.kappa),
        confusion=pd.DataFrame(
            counts.astype(int),
            index=pd.Index(compared.classes, name="predicted"),
            columns=pd.Index(compared.classes, name="reference"),
        ),
        per_class=per_class,
        unit="point" if "n_photos" in table else "photo",
        n=len(compared.rows),
        n_points=len(per_point),
        n_unlabelled=compared.n_unlabelled,
        n_unread=compared.n_unread,
        level=float(level),
        n_boot=int(n_boot),
        seed=int(seed),
        notes=_notes(compared, per_class, values, len(per_point), int(n_boot), level),
    )


class _Compared(NamedTuple):
    """The rows that have both classes, and what was left out."""

    rows: pd.DataFrame
    truth: pd.Series
    guess: pd.Series
    #: The model's classes, then labels that it does not know.
    classes: list[str]
    unknown: list[str]
    n_unlabelled: int
    n_unread: int


def _compared(table: pd.DataFrame, reference: str) -> _Compared:
    """Find the rows that can be compared, and all classes that occur."""
    require_columns(
        table,
        ["predicted", reference],
        words.call("evaluate"),
        f"predicted comes from {words.call('classify')} or {words.call('vote')}; "
        f"name the true class with {words.option('reference')}.",
    )
    is_labelled, is_read = table[reference].notna(), table["predicted"].notna()
    rows = table[is_labelled & is_read]
    if rows.empty:
        raise InputError(
            f"No row of {len(table)} has both a predicted and a reference class: "
            f"{int(is_labelled.sum())} have {reference}, {int(is_read.sum())} have predicted."
        )
    # Labels that a CSV has turned into column names are looked up in the reference, too.
    classes = classes_of(table.assign(habitat=table[reference]))
    truth, guess = rows[reference].astype("str"), rows["predicted"].astype("str")
    unknown = sorted((set(truth) | set(guess)) - set(classes))
    return _Compared(
        rows=rows,
        truth=truth,
        guess=guess,
        classes=classes + unknown,
        unknown=unknown,
        n_unlabelled=int((~is_labelled).sum()),
        n_unread=int((is_labelled & ~is_read).sum()),
    )


def _per_point(compared: _Compared) -> Counts:
    """Confusion matrices of the points, shape (points, classes, classes), rows predicted.

    A row without a point is one of its own.
    """
    rows, k = compared.rows, len(compared.classes)
    point = np.arange(len(rows))
    if "point_id" in rows:
        own = pd.Series([f"\0{i}" for i in range(len(rows))], index=rows.index)
        point = pd.factorize(rows["point_id"].where(rows["point_id"].notna(), own))[0]
    code = {c: i for i, c in enumerate(compared.classes)}
    counts = np.zeros((point.max() + 1, k, k))
    guess, truth = (labels.map(code).to_numpy() for labels in (compared.guess, compared.truth))
    np.add.at(counts, (point, guess, truth), 1.0)
    return counts


class Measures(NamedTuple):
    """Measures of confusion matrices: the first two one number each, the others one a class."""

    overall_accuracy: Any
    kappa: Any
    producers_accuracy: Any
    users_accuracy: Any
    f1: Any


def measures(counts: Counts) -> Measures:
    """Measures of confusion matrices of shape (..., classes, classes), rows predicted."""
    total = counts.sum(axis=(-2, -1))
    predicted, truth = counts.sum(axis=-1), counts.sum(axis=-2)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = right.sum(axis=-1) / total
        chance = (predicted * truth).sum(axis=-1) / total**2
        # Only one class on both sides: agreement by chance is certain and kappa has no meaning.
        kappa = np.where(chance < 1, (accuracy - chance) / (1 - chance), np.nan)
        producers, users = right / truth, right / predicted
        f1 = 2 * right / (truth + predicted)
    return Measures(accuracy, kappa, producers, users, f1)


def _intervals(per_point: Counts, n_boot: int, level: float, seed: int) -> Measures:
    """The percentile interval of each measure, by bootstrap over points; NaN without samples."""
    if n_boot == 0:
        return Measures(
            *[Interval(v * np.nan, v * np.nan) for v in measures(per_point.sum(axis=0))]
        )
    kinds, times = alike(per_point.reshape(len(per_point), -1))
    shape = (-1, *per_point.shape[1:])
    samples = [
        measures((weights @ kinds).reshape(shape))
        for weights in draws(times, n_boot, np.random.default_rng(seed))
    ]
    return Measures(
        *[percentile_interval(np.concatenate(part), level) for part in zip(*samples, strict=True)]
    )


def _ends(interval: Interval) -> tuple[float, float]:
    """One interval as two numbers."""
    return float(interval.low), float(interval.high)


def _per_class(
    classes: list[str], counts: Counts, values: Measures, intervals: Measures
) -> pd.DataFrame:
    """The table of per-class accuracies."""
    return pd.DataFrame(
        {
            "class": classes,
            "n_reference": counts.sum(axis=0).astype(int),
            "n_predicted": counts.sum(axis=1).astype(int),
            "producers_accuracy": values.producers_accuracy,
            "producers_low": intervals.producers_accuracy.low,
            "producers_high": intervals.producers_accuracy.high,
            "users_accuracy": values.users_accuracy,
            "users_low": intervals.users_accuracy.low,
            "users_high": intervals.users_accuracy.high,
            "f1": values.f1,
        }
    )


def _notes(
    compared: _Compared,
    per_class: pd.DataFrame,
    values: Measures,
    n_points: int,
    n_boot: int,
    level: float,
) -> list[str]:
    """What to know before quoting the numbers."""
    notes = []
    never = per_class.loc[per_class["n_predicted"] == 0, "class"].tolist()
    absent = per_class.loc[per_class["n_reference"] == 0, "class"].tolist()
    if never:
        notes.append(f"never predicted, so user's accuracy is undefined: {some(never)}")
    if absent:
        notes.append(
            f"absent from the reference, so producer's accuracy is undefined: {some(absent)}"
        )
    nowhere = [c for c in never if c in absent]
    if nowhere:
        notes.append(f"neither predicted nor in the reference, so F1 is undefined: {some(nowhere)}")
    if np.isnan(values.kappa):
        notes.append("kappa is undefined: all predictions and references are of one class")
    if compared.unknown:
        notes.append(
            f"the model does not know {some(compared.unknown)}; these rows can only be errors"
        )
    if compared.n_unread:
        notes.append(
            f"{compared.n_unread} labelled rows have no prediction (unreadable photos) and are left out"
        )
    if compared.n_unlabelled:
        notes.append(f"{compared.n_unlabelled} rows have no reference class and are left out")
    accuracy = float(values.overall_accuracy)
    if n_boot and accuracy in (0.0, 1.0):
        # Clopper and Pearson's bound for n of n.
        bound = ((1 - level) / 2) ** (1 / n_points)
        notes.append(
            f"all are {'right, so resampling shows no doubt; with' if accuracy else 'wrong; with'} "
            f"{n_points} points overall accuracy may be "
            + (f"as low as {bound:.2f}" if accuracy else f"as high as {1 - bound:.2f}")
        )
    if n_boot and n_points < 30:
        notes.append(f"only {n_points} points: intervals are rough")
    if "split" in compared.rows and (compared.rows["split"] == "train").any():
        notes.append("rows of the training split are among these: accuracy is overstated")
    return notes


def plain(value: Any) -> Any:
    """A number as JSON has it: None for NaN."""
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else value
