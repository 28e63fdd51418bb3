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
from .._base.classes import classes_of, column_names
from .._base.tables import as_frame, positive_weights, require_columns
from .._base.types import Floats, Table
from ..errors import InputError, some

__all__ = [
    "ClassShares",
    "Compared",
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


class Compared(NamedTuple):
    """The rows that have both classes, and what was left out."""

    rows: pd.DataFrame
    truth: pd.Series
    guess: pd.Series
    #: The model's classes, then labels that it does not know.
    classes: list[str]
    unknown: list[str]
    n_unlabelled: int
    n_unread: int

    def codes(self, labels: pd.Series) -> npt.NDArray[np.intp]:
        """The numbers of the classes of `truth` or `guess`."""
        code = {c: i for i, c in enumerate(self.classes)}
        return np.asarray(labels.map(code), dtype=np.intp)


def compared_rows(table: pd.DataFrame, reference: str, what: str) -> Compared:
    """Find the rows that can be compared, and all classes that occur."""
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
    return Compared(
        rows=rows,
        truth=truth,
        guess=guess,
        classes=classes + unknown,
        unknown=unknown,
        n_unlabelled=int((~is_labelled).sum()),
        n_unread=int((is_labelled & ~is_read).sum()),
    )


def points_of(rows: pd.DataFrame) -> npt.NDArray[np.intp]:
    """The number of each row's point; a row without a point is one of its own."""
    if "point_id" not in rows:
        return np.arange(len(rows))
    row_ids = pd.Series([f"\0{i}" for i in range(len(rows))], index=rows.index)
    return np.asarray(
        pd.factorize(rows["point_id"].where(rows["point_id"].notna(), row_ids))[0], dtype=np.intp
    )


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
    is_there = np.isin(compared.classes, compared.truth)
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


@dataclass(frozen=True, eq=False)
class Sample:
    """Confusion matrices of points, and what they stand for.

    Attributes
    ----------
    counts : array of shape (points, classes, classes)
        Sums of the weights of a point's rows, **rows predicted, columns reference**.
    squares : array of the same shape, optional
        Sums of the squared weights; None where every row weighs 1.
    shares : array of shape (classes,), optional
        The reference classes' shares of the land.
    """

    counts: Floats
    squares: Floats | None = None
    shares: Floats | None = None

    @cached_property
    def total(self) -> Floats:
        """Sums of the weights of all rows, at the land's shares where these are given."""
        return at_shares(self.counts.sum(axis=0), self.shares)

    @property
    def is_weighted(self) -> bool:
        """Whether rows stand for unlike amounts of land."""
        return self.squares is not None or self.shares is not None


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
    """The points of the rows compared.

    They come sorted by their counts, so that the order of rows does not reach into the last digits of
    sums.
    """
    point, k = points_of(compared.rows), len(compared.classes)
    cells = (point, compared.codes(compared.guess), compared.codes(compared.truth))

    def summed(numbers: Floats | float) -> Floats:
        sums = np.zeros((point.max() + 1, k, k))
        np.add.at(sums, cells, numbers)
        return sums

    counts = summed(1.0 if weights is None else weights)
    squares = None if weights is None else summed(weights**2)
    keys = counts.reshape(len(counts), -1)
    if squares is not None:
        keys = np.column_stack([keys, squares.reshape(len(counts), -1)])
    order = np.lexsort(keys.T)
    return Sample(counts[order], None if squares is None else squares[order], shares)
