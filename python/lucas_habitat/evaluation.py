"""Evaluation of predictions: overall accuracy, kappa and accuracies per class, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ._base import words
from ._base.bootstrap import Interval, alike, draws
from ._base.checks import check_number, check_seed
from ._base.classes import classes_of
from ._base.intervals import (
    Ratio,
    Worth,
    inverse_numbers,
    mixed_with_copies,
    ratio_of,
    wilson_interval,
    worth_of,
)
from ._base.tables import as_table, require_columns
from ._base.types import Floats, Table
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
        At ``level``; see `evaluate`.
    confusion : pandas.DataFrame
        Counts, **rows predicted, columns reference**.
    per_class : pandas.DataFrame
        One row a class: ``class``, ``n_reference``, ``n_predicted``, ``producers_accuracy``
        (recall: of the reference's, how many were found), ``users_accuracy`` (precision: of the
        predicted, how many are right), ``f1``, ``share`` (of the rows, by reference), each with
        ``*_low`` and ``*_high`` (``producers_low``, ``users_low``).
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
    predictions: Table,
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
        Bootstrap samples behind the interval of kappa; 0 gives no intervals. Whole points are drawn,
        because photos of one point, and a point's years, are not independent.
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

    Notes
    -----
    Intervals are Wilson's (1927), with what Brown, Cai and DasGupta (2001) changed of it close to 0 and
    1, on the effective number of rows (Korn & Graubard 1998; Dean & Pagano 2015 compare such
    intervals). A percentile bootstrap, used here before, has no width where all rows are right, and
    held the truth in 19 to 54 % instead of 95 % of samples in small classes.

    The effective number is the number of rows over the design effect: how much more a share varies between
    points than it would if their rows were independent. It is estimated by the jackknife over
    points, with a t quantile for the doubt in it, and lies between the number of points (weighted by
    their rows, if these differ in number) and the number of rows. It is told by points with errors; where a
    class has few of those, its rows are taken to be as correlated as those of all classes, and where all
    have few, as copies of one: the doubt is then that of as many rows as there are points.

    F1 is a function of the share of right rows among all that are or are called the class, and its interval
    that of this share. Kappa is 1 less a ratio of disagreement to that by chance; its variance is that of
    the bootstrap over points, and its interval Wilson's for the disagreement of the same relative variance.

    In simulations (benchmarks/trust/intervals.py) of 30 to 300 points with one row or five correlated photos
    and accuracies of 0.7 to 0.99, 93 to 97 % of 95 % intervals held the truth, and more where few
    errors are expected: numbers of errors are whole, so that no interval can hold 97 % at most.

    Points are taken as drawn at random. Points nearby that err together are worth less.

    References
    ----------
    Brown, L. D., Cai, T. T. & DasGupta, A. (2001). Interval estimation for a binomial proportion. Statistical
    Science 16, 101-133, doi 10.1214/ss/1009213286.
    Cohen 1960, A coefficient of agreement for nominal scales, doi 10.1177/001316446002000104.
    Congalton 1991, A review of assessing the accuracy of classifications of remotely sensed data,
    doi 10.1016/0034-4257(91)90048-B.
    Dean, N. & Pagano, M. (2015). Evaluating confidence interval methods for binomial proportions in clustered
    surveys. Journal of Survey Statistics and Methodology 3, 484-503, doi 10.1093/jssam/smv024.
    Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data. Survey Methodology 24, 193-201.
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal
    of the American Statistical Association 22, 209-212, doi 10.2307/2276774.
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
        notes=_notes(compared, per_class, values, len(per_point), int(n_boot)),
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
    """The rows that can be compared, and all classes that occur."""
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

    A row without a point is one of its own. Points come sorted by their counts, so that the order of rows
    does not reach into the last digits of sums.
    """
    rows, k = compared.rows, len(compared.classes)
    point = np.arange(len(rows))
    if "point_id" in rows:
        row_ids = pd.Series([f"\0{i}" for i in range(len(rows))], index=rows.index)
        point, _ = pd.factorize(rows["point_id"].where(rows["point_id"].notna(), row_ids))
    code = {c: i for i, c in enumerate(compared.classes)}
    counts = np.zeros((point.max() + 1, k, k))
    guess, truth = (labels.map(code).to_numpy() for labels in (compared.guess, compared.truth))
    np.add.at(counts, (point, guess, truth), 1.0)
    return counts[np.lexsort(counts.reshape(len(counts), -1).T)]


class Measures(NamedTuple):
    """Measures of confusion matrices: the first two one number each, the others one a class."""

    overall_accuracy: Floats
    kappa: Floats
    producers_accuracy: Floats
    users_accuracy: Floats
    f1: Floats


def measures(counts: Counts) -> Measures:
    """Measures of confusion matrices of shape (..., classes, classes), rows predicted."""
    total = counts.sum(axis=(-2, -1))
    predicted, truth = counts.sum(axis=-1), counts.sum(axis=-2)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = hits.sum(axis=-1) / total
        chance = (predicted * truth).sum(axis=-1) / total**2
        # With one class on both sides agreement by chance is certain, and kappa is undefined.
        kappa = np.where(chance < 1, (accuracy - chance) / (1 - chance), np.nan)
        producers, users = hits / truth, hits / predicted
        f1 = 2 * hits / (truth + predicted)
    return Measures(accuracy, kappa, producers, users, f1)


class _Intervals(NamedTuple):
    """The interval of each measure, and of the classes' shares of the reference."""

    overall_accuracy: Interval
    kappa: Interval
    producers_accuracy: Interval
    users_accuracy: Interval
    f1: Interval
    share: Interval


def _intervals(per_point: Counts, n_boot: int, level: float, seed: int) -> _Intervals:
    """Wilson's interval of each measure on as many independent rows as the points are worth."""
    if n_boot == 0:
        values = measures(per_point.sum(axis=0))
        shares = values.f1
        return _Intervals(*[Interval(v * np.nan, v * np.nan) for v in (*values, shares)])
    right = np.einsum("pcc->pc", per_point)
    size, predicted, truth = (per_point.sum(axis=axes) for axes in ((1, 2), 2, 1))
    all_right = ratio_of(right.sum(axis=1, keepdims=True), size[:, None])
    worth = worth_of(all_right, len(per_point), level)
    overall = wilson_interval(all_right.value, np.array([worth.inverse]), level)

    def interval(rows: Counts, of: Counts, worth: Worth = worth) -> Interval:
        ratio = ratio_of(rows, of)
        return wilson_interval(ratio.value, inverse_numbers(ratio, worth, level), level)

    # F1 is 2 J / (1 + J) of the share J that is right of all rows that are or are called the class.
    jaccard = interval(right, truth + predicted - right)
    return _Intervals(
        overall_accuracy=Interval(overall.low[0], overall.high[0]),
        kappa=_kappa_interval(per_point, all_right, worth, n_boot, level, seed),
        producers_accuracy=interval(right, truth),
        users_accuracy=interval(right, predicted),
        f1=Interval(*(2 * j / (1 + j) for j in jaccard)),
        # The rows of a point are of one class.
        share=interval(truth, size[:, None] * np.ones_like(truth), worth._replace(correlation=1.0)),
    )


def _kappa_interval(
    per_point: Counts, right: Ratio, worth: Worth, n_boot: int, level: float, seed: int
) -> Interval:
    """The interval of kappa, from its variance by bootstrap over points.

    Kappa is 1 - D / E of the shares of rows that disagree, D, and that would by chance, E. Its variance
    times E squared is that of a share D of a certain effective number of rows, at which Wilson's
    interval of D is an interval of kappa.
    """
    counts = per_point.sum(axis=0)
    kappa, accuracy = measures(counts).kappa, right.value[0]
    if np.isnan(kappa):
        return Interval(kappa, kappa)
    kinds, times = alike(per_point.reshape(len(per_point), -1))
    shape = (-1, *per_point.shape[1:])
    samples = np.concatenate(
        [
            measures((weights @ kinds).reshape(shape)).kappa
            for weights in draws(times, n_boot, np.random.default_rng(seed))
        ]
    )
    predicted, truth = (counts.sum(axis=axis) / counts.sum() for axis in (1, 0))
    by_chance = 1 - (predicted * truth).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.nanvar(samples, ddof=1) * by_chance**2 / (accuracy * (1 - accuracy))
    mixed = mixed_with_copies(right._replace(shown=np.array([shown])))
    low, high = wilson_interval(1 - right.value, mixed * worth.inflation, level)
    return Interval(1 - high[0] / by_chance, 1 - low[0] / by_chance)


def _ends(interval: Interval) -> tuple[float, float]:
    """One interval as two numbers."""
    return float(interval.low), float(interval.high)


def _per_class(
    classes: list[str], counts: Counts, values: Measures, intervals: _Intervals
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
            "f1_low": intervals.f1.low,
            "f1_high": intervals.f1.high,
            "share": counts.sum(axis=0) / counts.sum(),
            "share_low": intervals.share.low,
            "share_high": intervals.share.high,
        }
    )


def _notes(
    compared: _Compared,
    per_class: pd.DataFrame,
    values: Measures,
    n_points: int,
    n_boot: int,
) -> list[str]:
    """What to know before quoting the numbers."""
    notes = []
    unpredicted = per_class.loc[per_class["n_predicted"] == 0, "class"].tolist()
    absent = per_class.loc[per_class["n_reference"] == 0, "class"].tolist()
    if unpredicted:
        notes.append(f"never predicted, so user's accuracy is undefined: {some(unpredicted)}")
    if absent:
        notes.append(
            f"absent from the reference, so producer's accuracy is undefined: {some(absent)}"
        )
    neither = [c for c in unpredicted if c in absent]
    if neither:
        notes.append(f"neither predicted nor in the reference, so F1 is undefined: {some(neither)}")
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
