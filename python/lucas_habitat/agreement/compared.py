"""What is compared: rows with both classes, in points, with the weights that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.checks import check_number
from .._base.classes import column_names, labels_of, probability_columns
from .._base.sums import runs_of
from .._base.tables import as_frame, positive_weights, require_columns
from .._base.types import Floats, Table
from ..errors import InputError, some
from .cells import Cells, cells_of

__all__ = [
    "ClassShares",
    "Compared",
    "Pairs",
    "Sample",
    "compared_rows",
    "land_shares",
    "named_shares",
    "points_of",
    "sample_of",
    "weights_of",
]

#: The classes' shares of the land, in any unit.
ClassShares = Mapping[str, float] | pd.Series | Table

# Different values that a column of classes may have; above the first, at most half as many as points.
_MANY_CLASSES, _MOST_CLASSES = 100, 1000


class Compared(NamedTuple):
    """The rows that have both classes, and what was left out."""

    rows: pd.DataFrame
    #: Where rows stood in the table.
    place: npt.NDArray[np.intp]
    #: The numbers of the classes of rows.
    truth: npt.NDArray[np.intp]
    guess: npt.NDArray[np.intp]
    #: The model's classes, then labels that it does not know.
    classes: list[str]
    unknown: list[str]
    n_unlabelled: int
    n_unread: int

    @property
    def labels(self) -> pd.Series:
        """The reference classes of rows, by name."""
        return pd.Series(np.array(self.classes, dtype=object)[self.truth], index=self.rows.index)


def compared_rows(
    table: pd.DataFrame, reference: str, what: str, columns: list[str] | None = None
) -> Compared:
    """Find the rows that can be compared, and all classes that occur.

    ``columns`` are those of the probabilities, where the table itself has them no more.
    """
    require_columns(
        table,
        ["predicted", reference],
        what,
        f"predicted comes from {words.call('classify')} or {words.call('vote')}; "
        f"name the true class with {words.option('reference')}.",
    )
    if "predicted_level" in table:
        raise InputError(
            "These are predictions at several levels (predicted_level), of which only "
            f"{words.call('evaluate')} with {words.option('levels')} can tell what is right."
        )
    is_labelled, is_read = table[reference].notna(), table["predicted"].notna()
    has_both = is_labelled & is_read
    if not has_both.any():
        raise InputError(
            f"No row of {len(table)} has both a predicted and a reference class: "
            f"{int(is_labelled.sum())} have {reference}, {int(is_read.sum())} have predicted."
        )
    check_n_classes(table, reference)
    # Labels that a CSV has turned into column names are looked up in the reference, too.
    columns = probability_columns(table) if columns is None else columns
    classes = labels_of(columns, table["predicted"], table[reference])
    rows = table if has_both.all() else table[has_both]
    coded = [_coded(rows[column]) for column in (reference, "predicted")]
    unknown = sorted({label for each in coded for label in each.labels} - set(classes))
    if columns and not set(coded[0].labels) & set(classes):
        raise InputError(
            f"No value of {reference} is a class of the predictions: there are "
            f"{some(coded[0].labels)}, and the model knows {some(classes)}. Name the column of the true "
            f"class with {words.option('reference')}, or give both the same names."
        )
    truth, guess = (each.numbers(classes + unknown) for each in coded)
    return Compared(
        rows=rows,
        place=np.flatnonzero(has_both),
        truth=truth,
        guess=guess,
        classes=classes + unknown,
        unknown=unknown,
        n_unlabelled=int((~is_labelled).sum()),
        n_unread=int((is_labelled & ~is_read).sum()),
    )


def check_n_classes(table: pd.DataFrame, reference: str) -> None:
    """Refuse a column that has as many values as ids or numbers have, not as classes.

    Confusion matrices of more than a thousand classes nobody reads, and so many take the memory of a
    whole table.
    """
    for column, option in ((reference, words.option("reference")), ("predicted", None)):
        n_values = table[column].nunique()
        if n_values <= _MANY_CLASSES:
            continue
        points, n_rows = _n_points(table), int(table[column].notna().sum())
        if n_values <= _MOST_CLASSES and n_values <= points / 2:
            continue
        hint = f" Name the column of the true class with {option}." if option else ""
        raise InputError(
            f"The column {column} has {n_values} different values in {n_rows} rows of {points} points, "
            f"such as {some(table[column].dropna().unique()[:2].tolist())}: these are hardly classes, of "
            f"which there may be {_MOST_CLASSES}, and {_MANY_CLASSES} or half as many as points.{hint}"
        )


def _n_points(table: pd.DataFrame) -> int:
    """How many points a table is of; a row without a point is one of its own."""
    if "point_id" not in table:
        return len(table)
    return int(table["point_id"].nunique() + table["point_id"].isna().sum())


class _Coded(NamedTuple):
    """A column's labels, and the number of each row's."""

    codes: npt.NDArray[np.intp]
    labels: list[str]

    def numbers(self, classes: list[str]) -> npt.NDArray[np.intp]:
        """The numbers that rows have among some classes."""
        number = {label: i for i, label in enumerate(classes)}
        return np.array([number[label] for label in self.labels], dtype=np.intp)[self.codes]


def _coded(column: pd.Series) -> _Coded:
    codes, values = pd.factorize(column)
    return _Coded(np.asarray(codes, dtype=np.intp), [str(value) for value in values])


def points_of(rows: pd.DataFrame) -> npt.NDArray[np.intp]:
    """The number of each row's point; a row without a point is one of its own."""
    if "point_id" not in rows:
        return np.arange(len(rows))
    codes, names = pd.factorize(rows["point_id"])
    number = np.asarray(codes, dtype=np.intp)
    is_alone = number < 0
    if not is_alone.any():
        return number
    number[is_alone] = len(names) + np.arange(is_alone.sum())
    return np.asarray(pd.factorize(number)[0], dtype=np.intp)


def weights_of(rows: pd.DataFrame, column: str | None) -> Floats | None:
    """The design weights of rows; None where none are asked for.

    Raises
    ------
    InputError
        If there is no such column, or a weight is missing or not more than 0.
    """
    if column is None:
        return None
    require_columns(rows, [column], words.arg("weights"), "Name a column of the table.")
    return positive_weights(rows[column], column)


def land_shares(given: ClassShares | None, compared: Compared) -> Floats | None:
    """The classes' shares of the land, in the order of the classes; None where none are given.

    Raises
    ------
    InputError
        If a class of the reference has no share, a class with a share has no rows, or a share is no
        number of 0 or more.
    """
    if given is None:
        return None
    named = named_shares(given)
    for label, share in named.items():
        check_number(f"class_shares[{label!r}]", share, 0)
    # By columns, because a table that went through CSV may not know the labels of all classes.
    by_column = dict(zip(column_names(list(named)), named.values(), strict=True))
    columns = column_names(compared.classes)
    shares: Floats = np.array([by_column.get(c, 0) for c in columns], dtype=np.float64)
    is_there = np.bincount(compared.truth, minlength=len(columns)) > 0
    is_given = np.isin(columns, list(by_column))
    lacking = [c for c, bad in zip(compared.classes, is_there & ~is_given, strict=True) if bad]
    if lacking:
        raise InputError(
            f"{words.arg('class_shares')} must give a share to each class of the reference; "
            f"{some(lacking)} {'has' if len(lacking) == 1 else 'have'} none."
        )
    unseen = [c for c, bad in zip(compared.classes, ~is_there & (shares > 0), strict=True) if bad]
    unseen += [c for c in named if column_names([c])[0] not in columns and named[c] > 0]
    if unseen:
        raise InputError(
            f"{words.arg('class_shares')} gives a share to {some(unseen)}, but no row has that "
            "reference class, so it is not known how that land is classified. Label some, or leave the "
            "class out: numbers are then of the other land."
        )
    if not shares.sum() > 0:
        raise InputError(f"The {words.arg('class_shares')} must not all be 0.")
    shares /= shares.sum()
    return shares


def named_shares(given: ClassShares) -> dict[str, float]:
    """Shares by class, as they are given."""
    if isinstance(given, Mapping | pd.Series):
        return {str(label): share for label, share in given.items()}
    table = as_frame(given)
    require_columns(
        table, ["class", "share"], words.arg("class_shares"), "Give each class one row."
    )
    labels = table["class"].astype("str")
    if labels.duplicated().any():
        twice = some(sorted(set(labels[labels.duplicated()])))
        raise InputError(f"{words.arg('class_shares')} has several rows of {twice}.")
    return dict(zip(labels, table["share"], strict=True))


class Pairs(NamedTuple):
    """Sums over the rows of a kind of point that have a label in common."""

    kind: npt.NDArray[np.intp]
    label: npt.NDArray[np.intp]
    value: Floats  # of weights
    right: Floats  # of the weights of rows that are right
    square: Floats | None  # of squared weights; None where every row weighs 1
    times: Floats  # how many points are of the kind


@dataclass(frozen=True, eq=False)
class Sample:
    """Confusion matrices of points, and what they stand for.

    Attributes
    ----------
    cells : Cells
        Sums of the weights of points' rows by cell; ``predicted * k + reference`` is the number of a cell.
    k : int
        Classes.
    shares : array of shape (classes,), optional
        The reference classes' shares of the land.
    """

    cells: Cells
    k: int
    shares: Floats | None = None

    @cached_property
    def counts(self) -> Floats:
        """Sums of the weights of all rows, (classes, classes), rows predicted."""
        return self.cells.summed(self.cells.value).reshape(self.k, self.k)

    @cached_property
    def total(self) -> Floats:
        """The same at the land's shares, where these are given."""
        return at_shares(self.counts, self.shares)

    @cached_property
    def predicted(self) -> npt.NDArray[np.intp]:
        """The predicted class of each filled cell."""
        return self.cells.cell // self.k

    @cached_property
    def truth(self) -> npt.NDArray[np.intp]:
        """The reference class of each filled cell."""
        return self.cells.cell % self.k

    @property
    def n_points(self) -> int:
        """How many points there are."""
        return self.cells.n_points

    @property
    def is_weighted(self) -> bool:
        """Whether rows stand for unlike amounts of land."""
        return self.cells.square is not None or self.shares is not None

    @cached_property
    def by_truth(self) -> Pairs:
        """Rows by reference class."""
        return self._pairs(self.cells.kind, self.truth, slice(None))

    @cached_property
    def by_predicted(self) -> Pairs:
        """Rows by predicted class."""
        return self._pairs(self.cells.kind, self.predicted, slice(None))

    @cached_property
    def either(self) -> Pairs:
        """Rows by each class that they are of or are called; a row that is right counts once."""
        wrong = np.flatnonzero(self.truth != self.predicted)
        rows = np.append(np.arange(len(self.truth)), wrong)
        labels = np.append(self.truth, self.predicted[wrong])
        return self._pairs(self.cells.kind[rows], labels, rows)

    @cached_property
    def of_points(self) -> Pairs:
        """All rows of points, by one label."""
        return self._pairs(self.cells.kind, np.zeros_like(self.cells.kind), slice(None))

    @property
    def n_points_of(self) -> npt.NDArray[np.intp]:
        """How many points have rows of each reference class."""
        pairs = self.by_truth
        return np.bincount(pairs.label, pairs.times, minlength=self.k).astype(np.intp)

    def _pairs(
        self,
        kind: npt.NDArray[np.intp],
        label: npt.NDArray[np.intp],
        filled: npt.NDArray[np.intp] | slice,
    ) -> Pairs:
        """Sums over filled cells by kind and label."""
        key = kind * self.k + label
        order = np.argsort(key)
        starts = runs_of(key[order])
        is_right = self.truth == self.predicted

        def summed(values: Floats) -> Floats:
            sums: Floats = np.add.reduceat(values[filled][order], starts)
            return sums

        kind, label = kind[order][starts], label[order][starts]
        square = self.cells.square
        return Pairs(
            kind=kind,
            label=label,
            value=summed(self.cells.value),
            right=summed(self.cells.value * is_right),
            square=None if square is None else summed(square),
            times=self.cells.times[kind],
        )


def at_shares(counts: Floats, shares: Floats | None) -> Floats:
    """Confusion matrices (..., classes, classes) whose reference classes have the given shares."""
    if shares is None:
        return counts
    totals = counts.sum(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled: Floats = np.where(shares > 0, counts / totals * shares, 0.0)
    return scaled


def sample_of(
    compared: Compared, weights: Floats | None = None, shares: Floats | None = None
) -> Sample:
    """The points of the rows compared."""
    k = len(compared.classes)
    cell = compared.guess * k + compared.truth
    return Sample(cells_of(points_of(compared.rows), cell, k * k, weights), k, shares)
