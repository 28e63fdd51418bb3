"""Sums of the rows of points by cells of a confusion matrix, without the cells that are empty.

A table of 76 classes has 5,776 cells, of which the five photos of a point fill five at most. Points whose
cells are alike are one kind, which stands as often as there are such points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .._base.sums import runs_of, summed_by
from .._base.types import Floats

__all__ = ["Cells", "cells_of"]

_Numbers = npt.NDArray[np.intp]


class Cells(NamedTuple):
    """The filled cells of kinds of points, sorted by kind and cell.

    Kinds come in the order of their rows of all cells, as numpy.unique sorts rows, so that what is drawn
    of them does not depend on the order of rows of a table.
    """

    kind: _Numbers  # (filled,), the number of the kind
    cell: _Numbers  # (filled,)
    value: Floats  # (filled,), sums of the weights of a point's rows
    square: Floats | None  # (filled,), sums of the squared weights; None where every row weighs 1
    times: Floats  # (kinds,), how many points are of the kind
    n_cells: int

    @property
    def n_points(self) -> int:
        """How many points there are."""
        return int(self.times.sum())

    def summed(self, values: Floats) -> Floats:
        """Sums over all points of what each filled cell holds, (cells,)."""
        return summed_by(self.cell, values * self.times[self.kind], self.n_cells)

    def by_kind(self, values: Floats) -> Floats:
        """Sums of what filled cells hold over each kind's cells, (kinds,)."""
        return summed_by(self.kind, values, len(self.times))

    def by_value(self) -> Cells:
        """Kinds by the sums of weights alone, whatever the squares are."""
        if self.square is None:
            return self
        return _kinds(self.kind, self.cell, self.value, None, self.times, self.n_cells)

    def matrix(self) -> sparse.csr_array:
        """The sums of weights, (kinds, cells)."""
        shape = (len(self.times), self.n_cells)
        return sparse.csr_array((self.value, (self.kind, self.cell)), shape=shape)


def cells_of(point: _Numbers, cell: _Numbers, n_cells: int, weights: Floats | None = None) -> Cells:
    """The cells that rows fill.

    Parameters
    ----------
    point, cell : array of shape (rows,)
        The numbers of each row's point and cell.
    n_cells : int
    weights : array of shape (rows,), optional
        Default: every row weighs 1.
    """
    key = point.astype(np.int64) * n_cells + cell
    squares = None
    if weights is None:
        key.sort()
        starts = runs_of(key)
        values = np.diff(starts, append=len(key)).astype(np.float64)
    else:
        # Sorted by weight too, so that the order of rows does not reach into the last digits of sums.
        order = np.lexsort((weights, key))
        key, weights = key[order], weights[order]
        starts = runs_of(key)
        values = np.add.reduceat(weights, starts)
        squares = np.add.reduceat(weights**2, starts)
    number, filled = np.divmod(key[starts], n_cells)
    first = runs_of(number)
    number = np.repeat(np.arange(len(first)), np.diff(first, append=len(number)))
    return _kinds(number, filled, values, squares, np.ones(len(first)), n_cells)


def _kinds(
    point: _Numbers,
    cell: _Numbers,
    value: Floats,
    square: Floats | None,
    times: Floats,
    n_cells: int,
) -> Cells:
    """Cells of points, sorted by point and cell, with points alike put together."""
    starts = runs_of(point)
    sizes = np.diff(starts, append=len(point))
    rank = _ranks(starts, sizes, _words(cell, value, square, n_cells))
    times = summed_by(rank, times, len(starts))
    one_of = np.zeros(len(starts), dtype=np.intp)
    one_of[rank] = np.arange(len(starts))
    one_of = one_of[times > 0]
    kind = np.repeat(np.arange(len(one_of)), sizes[one_of])
    of_kind = np.append(0, sizes[one_of].cumsum()[:-1])
    rows = np.arange(len(kind)) - of_kind[kind] + starts[one_of][kind]
    return Cells(
        kind=kind,
        cell=cell[rows],
        value=value[rows],
        square=None if square is None else square[rows],
        times=times[times > 0],
        n_cells=n_cells,
    )


def _words(cell: _Numbers, value: Floats, square: Floats | None, n_cells: int) -> _Numbers:
    """Filled cells as numbers that sort as rows of all cells do: an empty cell is less than a filled one."""
    words = n_cells - 1 - cell
    for numbers in (value, square):
        if numbers is not None:
            different, number = np.unique(numbers, return_inverse=True)
            words = words * len(different) + number
            if words.max() > 2**31:
                words = np.unique(words, return_inverse=True)[1]
    return words


def _ranks(starts: _Numbers, sizes: _Numbers, words: _Numbers) -> _Numbers:
    """The rank of each point among all, sorted by their words one after another; the same for equal ones.

    Each round sorts by one word more, those points only that words so far leave equal.
    """
    rank = np.zeros(len(starts), dtype=np.int64)
    equal = np.arange(len(starts))
    n_words = 2 * (int(words.max()) + 1)
    place = 0
    while len(equal):
        has_more = sizes[equal] > place + 1
        # A point that ends here has empty cells only, which comes before any that goes on.
        key = rank[equal] * n_words + 2 * words[starts[equal] + place] + has_more
        order = np.argsort(key)
        equal, key, has_more, before = equal[order], key[order], has_more[order], rank[equal[order]]
        runs = runs_of(key)
        length = np.diff(runs, append=len(key))
        old = runs_of(before)
        begin = np.repeat(old, np.diff(old, append=len(key)))
        rank[equal] = before + np.repeat(runs, length) - begin
        equal = equal[has_more & np.repeat(length > 1, length)]
        place += 1
    return rank
