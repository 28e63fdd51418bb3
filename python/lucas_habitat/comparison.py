"""Is one model better than another: differences on the same points, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse, stats

from ._base import words
from ._base.bootstrap import Interval, draws, percentile_interval
from ._base.checks import MOST_DRAWS, check_number, check_seed
from ._base.intervals import ratio_of, worth_of
from ._base.places import count_alone, rows_in_words
from ._base.signatures import checked
from ._base.tables import as_table, with_column
from ._base.types import Column, Floats, Table
from .agreement.cells import Cells, cells_of
from .agreement.compared import Compared, compared_rows, points_of
from .agreement.measures import measures
from .errors import InputError, some
from .evaluation import plain

__all__ = ["Comparison", "compare"]

#: Draws of signs behind p-values of points with several rows.
_SIGNS = 10_000

#: The measures compared.
MEASURES = ("overall_accuracy", "kappa", "macro_f1")

# What tells rows apart, the surest first; paths may differ between machines.
_KEYS = (["path"], ["point_id", "year", "direction"], ["point_id", "year"], ["point_id"])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the same points. Print it to read it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a measure (``overall_accuracy``, ``kappa``, ``macro_f1``): ``measure``, its values ``a`` and
        ``b``, ``difference`` (b - a: more than 0 where b is better), ``low`` and ``high``.
    n_both, n_only_a, n_only_b, n_neither : int
        Rows that both, one or neither of the models classified right.
    p_value : float
        Of no difference in overall accuracy: McNemar's exact test; where points have several rows, the
        signs of the points' differences are drawn at random instead.
    unit : str
        ``"photo"`` or ``"point"``: what a row of the tables was.
    n, n_points : int
        Rows compared, and points behind them.
    n_left_out : int
        Rows without a reference class, or without a prediction of one of the models.
    level : float
    notes : list of str
        What to know before quoting the numbers.
    n_without_point : int
        Rows that are photos without a point (or the vote of one), each counted as a point of its own.
    """

    table: pd.DataFrame
    n_both: int
    n_only_a: int
    n_only_b: int
    n_neither: int
    p_value: float
    unit: str
    n: int
    n_points: int
    n_left_out: int
    level: float
    n_boot: int
    seed: int
    notes: list[str] = field(default_factory=list)
    n_without_point: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        return {
            "unit": self.unit,
            "n": self.n,
            "n_points": self.n_points,
            "n_without_point": self.n_without_point,
            "n_left_out": self.n_left_out,
            "n_both": self.n_both,
            "n_only_a": self.n_only_a,
            "n_only_b": self.n_only_b,
            "n_neither": self.n_neither,
            "p_value": plain(self.p_value),
            "level": self.level,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "measures": [
                {k: plain(v) for k, v in row.items()} for row in self.table.to_dict("records")
            ],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        rows = rows_in_words(self.unit, self.n, self.n_points, self.n_without_point)
        shown = self.table if self.n_boot else self.table.drop(columns=["low", "high"])
        return "\n".join(
            [
                f"Comparison of two models on {rows}",
                shown.to_string(index=False, float_format=lambda v: f"{v:.3f}"),
                *([f"low, high: {100 * self.level:g}% interval of b - a"] if self.n_boot else []),
                f"right: both {self.n_both}, only a {self.n_only_a}, only b {self.n_only_b}, "
                f"neither {self.n_neither}; p-value of no difference in accuracy {self.p_value:.3g}",
                *(f"note: {note}" for note in self.notes),
            ]
        )


@checked
def compare(
    a: Table,
    b: Table,
    *,
    reference: Column = "habitat",
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> Comparison:
    """Compare two models on the same points.

    Parameters
    ----------
    a, b : pandas.DataFrame or path
        What `classify` or `vote` returned for the same photos or points with two models: ``predicted``,
        the reference column, and what tells rows apart, ``path`` or ``point_id`` with ``year`` (and
        ``direction``). Their order does not matter.
    reference : str or column, default "habitat"
        The column that holds the true class: its name, or as many values as each table has rows.
    n_boot : int, default 2000
        Bootstrap samples; 0 gives no intervals.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the tables are not of the same photos or points, do not agree on the reference, lack columns, or
        no row has a reference and both predictions.

    Notes
    -----
    Two models err on the same hard points, so the difference is surer than the intervals of each suggest.
    Whole points are drawn, with both models' predictions. Where the models hardly differ, resampling
    would show no doubt; so two made points are drawn along with the others, on which only one of the models
    is right (Bonett & Price 2012 do this for proportions; ours have as many rows as count for one
    independent row, of reference classes as common as they are).

    References
    ----------
    Bonett, D. G. & Price, R. M. (2012). Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data. Journal of Educational and Behavioral Statistics 37, 479-488,
    doi 10.3102/1076998611411915.
    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or
    percentages. Psychometrika 12, 153-157, doi 10.1007/BF02295996.
    """
    check_number("n_boot", n_boot, 0, MOST_DRAWS, whole=True)
    seed = check_seed(seed)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    (a, name), (b, _) = (with_column(table, reference, "reference") for table in (a, b))
    pair = _pair(as_table(a), as_table(b), name, int(n_boot))
    counts = _counts(pair)
    right = np.stack([guess == pair.truth for guess in pair.guesses])
    k = len(pair.classes)
    values = _values(counts.summed(counts.value).reshape(2, k, k))
    interval = _interval(counts, k, int(n_boot), level, seed)
    return Comparison(
        table=pd.DataFrame(
            {
                "measure": MEASURES,
                "a": values[0],
                "b": values[1],
                "difference": values[1] - values[0],
                "low": interval.low,
                "high": interval.high,
            }
        ),
        n_both=int(right.all(axis=0).sum()),
        n_only_a=int((right[0] & ~right[1]).sum()),
        n_only_b=int((right[1] & ~right[0]).sum()),
        n_neither=int((~right).all(axis=0).sum()),
        p_value=_p_value(right, pair.point, seed),
        unit=pair.unit,
        n=len(pair.truth),
        n_points=counts.n_points,
        n_left_out=pair.n_left_out,
        n_without_point=pair.n_without_point,
        level=float(level),
        n_boot=int(n_boot),
        seed=int(seed),
        notes=pair.notes,
    )


class _Pair(NamedTuple):
    """What both tables say of the same rows, with classes by number."""

    classes: list[str]
    truth: npt.NDArray[np.intp]
    #: As a and as b predicted them.
    guesses: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
    point: npt.NDArray[np.intp]
    unit: str
    n_left_out: int
    n_without_point: int
    notes: list[str]


def _pair(a: pd.DataFrame, b: pd.DataFrame, reference: str, n_boot: int) -> _Pair:
    """Bring the rows of both tables together."""
    what = words.call("compare")
    units = ["point" if "n_photos" in table else "photo" for table in (a, b)]
    if units[0] != units[1]:
        raise InputError(
            f"{what} needs two tables of photos or two of points; a has {units[0]}s, b {units[1]}s."
        )
    keys = _keys(a, b)
    a, b = (table.set_axis(key, axis=0) for table, key in zip((a, b), keys, strict=True))
    judged = [compared_rows(table, reference, what) for table in (a, b)]
    shared = judged[0].rows.index[judged[0].rows.index.isin(judged[1].rows.index)]
    if not len(shared):
        raise InputError(f"No row has a reference class and a prediction in both tables of {what}.")
    truth, other = (each.labels.loc[shared] for each in judged)
    is_unlike = (truth != other).to_numpy()
    if is_unlike.any():
        row = shared[is_unlike][0]
        raise InputError(
            f"The column {reference} of a and b differs in {is_unlike.sum()} of {len(shared)} rows, "
            f"such as {row}: {truth[row]} and {other[row]}."
        )
    classes = list(dict.fromkeys(judged[0].classes + judged[1].classes))
    places = [pd.Index(each.rows.index).get_indexer(shared) for each in judged]
    numbers = [np.array([classes.index(c) for c in each.classes]) for each in judged]
    rows = judged[0].rows.loc[shared]
    return _Pair(
        classes=classes,
        truth=numbers[0][judged[0].truth[places[0]]],
        guesses=(
            numbers[0][judged[0].guess[places[0]]],
            numbers[1][judged[1].guess[places[1]]],
        ),
        point=points_of(rows.reset_index(drop=True)),
        unit=units[0],
        n_left_out=len(a) - len(shared),
        n_without_point=count_alone(rows),
        notes=_notes(judged, rows, n_boot),
    )


def _keys(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.Index, pd.Index]:
    """What tells the rows of each table apart, the same in both.

    Raises
    ------
    InputError
        If nothing does, or rows are not of the same photos or points.
    """
    what = words.call("compare")
    usable = []
    for columns in _KEYS:
        if all(set(columns) <= set(table.columns) for table in (a, b)):
            keys = (_key(a[columns]), _key(b[columns]))
            if not keys[0].has_duplicates and not keys[1].has_duplicates:
                if set(keys[0]) == set(keys[1]):
                    return keys
                usable.append(keys)
    if not usable:
        raise InputError(
            f"{what} needs what tells rows apart in both tables: path, or point_id with year and direction; "
            f"got {some(list(a.columns), 12)} and {some(list(b.columns), 12)}."
        )
    # Of different points, those that most rows agree on.
    keys = max(usable, key=lambda pair: len(pair[0].intersection(pair[1])))
    lacking = [f"{_missing(keys[0], keys[1])} of a", f"{_missing(keys[1], keys[0])} of b"]
    raise InputError(
        f"{what} needs the same rows in both tables: {lacking[0]} are not in b, {lacking[1]} not in a. "
        "Classify the same photos with both models, or keep the rows that both tables have."
    )


def _key(columns: pd.DataFrame) -> pd.Index:
    keys: list[str] = columns.astype("str").fillna("").agg(", ".join, axis=1).tolist()
    return pd.Index(keys)


def _missing(keys: pd.Index, others: pd.Index) -> str:
    """How many keys are not among others, with examples."""
    gone = keys[~keys.isin(others)]
    return f"{len(gone)} of {len(keys)} rows" + (f" ({some(list(gone), 2)})" if len(gone) else "")


def _counts(pair: _Pair) -> Cells:
    """Confusions of points: the cells of model a, rows predicted, then those of model b."""
    k = len(pair.classes)
    cells = [(i * k + guess) * k + pair.truth for i, guess in enumerate(pair.guesses)]
    return cells_of(np.tile(pair.point, 2), np.concatenate(cells), 2 * k * k)


def _values(counts: Floats) -> Floats:
    """The measures of confusion matrices, shape (..., measures)."""
    each = measures(counts)
    is_there = ~np.isnan(each.f1)
    macro_f1 = np.where(is_there, each.f1, 0).sum(axis=-1) / is_there.sum(axis=-1)
    return np.stack([each.overall_accuracy, each.kappa, macro_f1], axis=-1)


def _interval(counts: Cells, k: int, n_boot: int, level: float, seed: int) -> Interval:
    """The interval of each measure's difference, b - a, by bootstrap over points; NaN without samples."""
    both = _values(counts.summed(counts.value).reshape(2, k, k))
    difference = both[1] - both[0]
    if n_boot == 0 or k == 1:
        return Interval(difference * np.nan, difference * np.nan)
    made, shares = _made_points(counts, k, level)
    kinds = sparse.vstack([counts.matrix(), sparse.csr_array(made.reshape(len(made), -1))])
    samples = []
    for weights in draws(
        np.concatenate([counts.times, shares]),
        n_boot,
        np.random.default_rng(seed),
        n=counts.n_points + 2,
    ):
        drawn = _values((kinds.T @ weights.T).T.reshape(-1, 2, k, k))
        samples.append(drawn[:, 1] - drawn[:, 0])
    low, high = percentile_interval(np.concatenate(samples), level)
    return Interval(np.fmin(low, difference), np.fmax(high, difference))


def _made_points(counts: Cells, k: int, level: float) -> tuple[Floats, Floats]:
    """Points on which only one of the models is right, and how many of them: together two.

    One for each class of the reference and model, as common as the class is; where a model is wrong, in all
    ways alike. They have as many rows as count for one independent row of either model.
    """
    model, cell = np.divmod(counts.cell, k * k)
    size = counts.by_kind(counts.value * (model == 0))
    right = [
        ratio_of(
            counts.by_kind(counts.value * ((model == i) & (cell % k == cell // k)))[:, None],
            size[:, None],
            times=counts.times,
        )
        for i in range(2)
    ]
    inverses = [worth_of(ratio, counts.n_points, level).inverse for ratio in right]
    rows = (size * counts.times).sum() * np.mean(inverses)
    shares = counts.summed(counts.value).reshape(2, k, k)[0].sum(axis=0)
    made = np.zeros((2, k, 2, k, k))
    for c in range(k):
        hit, miss = np.zeros((k, k)), np.zeros((k, k))
        hit[c, c] = rows
        miss[:, c] = rows / (k - 1)
        miss[c, c] = 0
        made[0, c] = hit, miss
        made[1, c] = miss, hit
    return made.reshape(-1, 2, k, k), np.tile(shares / shares.sum(), 2)


def _p_value(right: npt.NDArray[np.bool_], point: npt.NDArray[np.intp], seed: int) -> float:
    """The probability of a difference in accuracy as large, if the models differed by chance."""
    better = np.bincount(point, right[1].astype(np.int64) - right[0].astype(np.int64))
    better = better[better != 0]
    if not len(better):
        return 1.0
    if (np.abs(better) == 1).all():
        return float(stats.binomtest(int((better > 0).sum()), len(better)).pvalue)
    total = np.abs(better.sum())
    # The signs of points' differences, many at a time, so that memory is bounded.
    rng = np.random.default_rng(seed)
    extreme = sum(
        int((np.abs(rng.choice([-1, 1], (_SIGNS // 10, len(better))) @ better) >= total).sum())
        for _ in range(10)
    )
    return (extreme + 1) / (_SIGNS + 1)


def _notes(judged: list[Compared], rows: pd.DataFrame, n_boot: int) -> list[str]:
    """What to know before quoting the numbers."""
    notes = []
    if set(judged[0].classes) != set(judged[1].classes):
        notes.append(
            f"the models know other classes: {some(judged[0].classes)} and {some(judged[1].classes)}"
        )
    n_unread = [each.n_unread for each in judged]
    if any(n_unread):
        notes.append(
            f"rows without a prediction are left out for both: {n_unread[0]} of a, {n_unread[1]} of b"
        )
    n_points = points_of(rows.reset_index(drop=True)).max() + 1
    if n_boot and n_points < 30:
        are_photos = count_alone(rows) == len(rows)
        notes.append(f"only {n_points} {'photos' if are_photos else 'points'}: intervals are rough")
    if "split" in rows and (rows["split"] == "train").any():
        notes.append("rows of the training split are among these: accuracy is overstated")
    return notes
