"""The probabilities of many rows, some at a time: of a table in memory, or of a run in its folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError
from .cells import as_floats
from .classes import (
    Predictions,
    Rows,
    check_predictions,
    labels_of,
    of_classes,
    probability_columns,
    with_categories,
    with_likeliest,
)
from .runs import is_run, iter_arrow, read_rows, read_run, run_columns
from .tables import as_table, tidy_types
from .types import Floats, Table

__all__ = ["Apart", "Probabilities", "Split", "edges_of", "read_apart", "split_off"]

_Rows = npt.NDArray[np.intp]

#: Probabilities held at a time.
CELLS = 2_000_000
# Bytes above which the sorted probabilities of a run are kept in a file.
_IN_MEMORY = 256 * 2**20
# Columns of text with few different values: each of them is read once.
_PREDICTED = ("predicted", "predicted_class")
_REPEATED = ("direction", "habitat", "split", "lc1", "nuts0", "vote_calibration", "status")


class Split(NamedTuple):
    """A table of predictions without its probabilities, and these."""

    table: pd.DataFrame
    #: Of the whole table.
    columns: list[str]
    p: Probabilities

    @property
    def classes(self) -> list[str]:
        """The labels of the classes, in the order of their columns."""
        return labels_of(self.p.columns, self.table.get("predicted"), self.table.get("habitat"))


class Probabilities:
    """The columns p_<class> of a table's rows."""

    def __init__(self, source: pd.DataFrame | Path, columns: list[str], n: int) -> None:
        """Of a table or the folder of a run, these columns, which have n rows."""
        self.source = source
        self.columns = columns
        self.n = n

    def blocks(self, order: _Rows, edges: _Rows) -> Iterator[Floats]:
        """The probabilities of rows in some order, those from one edge to the next at a time."""
        with self.sorted_by(order) as rows:
            for first, last in pairwise(edges):
                yield rows(int(first), int(last))

    def without_columns(self) -> Probabilities:
        """The same rows without any probabilities."""
        return Probabilities(self.source, [], self.n)

    @contextmanager
    def sorted_by(self, order: _Rows) -> Iterator[Callable[[int, int], Floats]]:
        """What gives the probabilities of rows in some order, from one place to another, time and again."""
        if isinstance(self.source, pd.DataFrame):
            table = self.source[self.columns]
            yield lambda first, last: _numbers(table.iloc[order[first:last]])
        else:
            with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as folder:
                yield self._sorted(order, Path(folder) / "probabilities")

    def may_be_held(self, n: int) -> bool:
        """Whether so many rows may be held at once: those of a table are, in the table."""
        return isinstance(self.source, pd.DataFrame) or 8 * n * len(self.columns) <= _IN_MEMORY

    def in_order(self, rows: _Rows) -> Iterator[Floats]:
        """The probabilities of rows in their own order, as many at a time as come together."""
        if isinstance(self.source, pd.DataFrame):
            step = max(CELLS // max(len(self.columns), 1), 1)
            yield from self.blocks(rows, np.append(np.arange(0, len(rows), step), len(rows)))
            return
        is_asked = np.zeros(self.n, dtype=bool)
        is_asked[rows] = True
        for first, p in self._parts():
            yield p[is_asked[first : first + len(p)]]

    def _sorted(self, order: _Rows, file: Path) -> Callable[[int, int], Floats]:
        """The same of a run, whose rows are first put in that order, in a file if they are many."""
        k = len(self.columns)
        shape = (len(order), k)
        values = np.empty(shape) if self.may_be_held(len(order)) else None
        if values is None:
            with file.open("wb") as empty:
                empty.truncate(8 * shape[0] * k)
        place = np.full(self.n, -1, dtype=np.intp)
        place[order] = np.arange(len(order))
        for first, p in self._parts():
            places = place[first : first + len(p)]
            # Mapped anew for each part, because what is mapped counts as memory until it is let go.
            target = np.memmap(file, np.float64, "r+", shape=shape) if values is None else values
            target[places[places >= 0]] = p[places >= 0]
            del target

        def rows(first: int, last: int) -> Floats:
            if values is not None:
                return values[first:last]
            cells = np.fromfile(file, np.float64, (last - first) * k, offset=8 * first * k)
            return cells.reshape(last - first, k)

        return rows

    def _parts(self) -> Iterator[tuple[int, Floats]]:
        """The probabilities of a run's parts, and the number of each one's first row."""
        assert isinstance(self.source, Path)
        first = 0
        for part in iter_arrow(self.source, self.columns):
            if first >= self.n:
                # Written since the run's other columns were read.
                break
            values = [part.column(name).to_numpy() for name in self.columns]
            yield first, np.stack(values, axis=1).astype(np.float64)[: self.n - first]
            first += len(part)
        if first < self.n:
            raise InputError(f"The run {self.source} was changed while it was read. Try again.")


def _numbers(columns: pd.DataFrame) -> Floats:
    """Columns as an array whose rows lie together, so that they are added up in the same order always."""
    return np.ascontiguousarray(as_floats(columns))


def split_off(given: Table, columns: Sequence[str] | None = None) -> Split:
    """A table's rows without probabilities; a run's are read when they are asked for.

    Parameters
    ----------
    given : pandas.DataFrame or path
    columns : sequence of str, optional
        Those that are needed, where the table has them; default: all.
    """
    if isinstance(given, str | os.PathLike) and is_run(given):
        return _split_run(Path(given), columns)
    return _split_table(as_table(given), columns)


def _split_table(table: pd.DataFrame, columns: Sequence[str] | None) -> Split:
    p_columns = probability_columns(_of_classes(table))
    others = [c for c in table if (columns is None or c in columns) and c not in p_columns]
    p = Probabilities(table, p_columns, len(table))
    return Split(table[others], list(table.columns), p)


def _split_run(run: Path, columns: Sequence[str] | None) -> Split:
    names = run_columns(run)
    wanted = [c for c in names if not c.startswith("p_") and (columns is None or c in columns)]
    table = tidy_types(read_run(run, wanted, categories=_REPEATED))
    head = pd.DataFrame(columns=names)
    head = head.assign(**{c: table[c].head(0) for c in _PREDICTED if c in table})
    p = Probabilities(run, probability_columns(_of_classes(head)), len(table))
    return Split(table, names, p)


def _of_classes(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose ``predicted`` says which columns are probabilities, also of answers at several levels."""
    return table.assign(predicted=table["predicted_class"]) if "predicted_class" in table else table


@dataclass(frozen=True, eq=False)
class Apart(Rows):
    """Predictions whose probabilities are read when they are asked for.

    Attributes
    ----------
    names : list of str
        All columns of the table that was given, also those that were not read.
    probabilities : Probabilities
        Of all rows of that table.
    place : array of int
        Where rows stood in it, ascending.
    """

    names: list[str]
    probabilities: Probabilities
    place: _Rows

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """The probabilities of the rows, some at a time, and which these are."""
        first = 0
        for p in self.probabilities.in_order(self.place):
            yield slice(first, first + len(p)), p
            first += len(p)

    @cached_property
    def has_all(self) -> npt.NDArray[np.bool_]:
        """Mark the rows that have a probability of each class."""
        has_all = np.zeros(len(self.table), dtype=np.bool_)
        for rows, p in self.blocks():
            has_all[rows] = np.isfinite(p).all(axis=1)
        return has_all

    @cached_property
    def confidence(self) -> Floats:
        """The probability of each row's predicted class; NaN where there is none."""
        return np.concatenate([of_classes(p, self.codes[rows]) for rows, p in self.blocks()])

    def chosen(self, rows: npt.NDArray[np.bool_]) -> Self:
        """Some of the rows, numbered anew; the classes stay."""
        return replace(self, table=self.table[rows].reset_index(drop=True), place=self.place[rows])

    def whole(self, rows: _Rows) -> pd.DataFrame:
        """Some rows, by their numbers and in their order, with all columns of the table."""
        source = self.probabilities.source
        if isinstance(source, pd.DataFrame):
            table = source.iloc[self.place[rows]].reset_index(drop=True)
        else:
            table = tidy_types(read_rows(source, self.place[rows]))
        return with_categories(table, self.classes)


def read_apart(given: Table | Predictions | Apart, columns: Sequence[str], what: str) -> Apart:
    """What `read_predictions` gives, with probabilities apart, and these columns besides ``predicted``.

    Raises
    ------
    InputError
        If there are no rows, or no columns ``predicted`` and ``p_<class>``.
    """
    if isinstance(given, Apart):
        return given
    if isinstance(given, Predictions):
        p = Probabilities(given.table, given.columns, len(given.table))
        read = Split(given.table, list(given.table.columns), p)
        classes = given.classes
    else:
        read = _split_predictions(given, ["predicted", *columns])
        check_predictions(read.table, read.p.columns, read.columns, what)
        classes = read.classes
        read = read._replace(table=with_categories(read.table, classes))
    place = np.arange(len(read.table))
    return Apart(read.table, classes, read.p.columns, read.columns, read.p, place)


def _split_predictions(given: Table, columns: Sequence[str]) -> Split:
    """A table or a run of predictions, at several levels taken as their likeliest classes."""
    if isinstance(given, str | os.PathLike) and is_run(given):
        run = Path(given)
        if "predicted_class" not in run_columns(run):
            return _split_run(run, columns)
    return _split_table(with_likeliest(as_table(given)), columns)


def edges_of(starts: _Rows, n: int, width: int) -> _Rows:
    """Where blocks of whole runs of rows begin, and the end: about as many rows as are held at a time.

    Parameters
    ----------
    starts : array
        Where each run of rows that belong together begins.
    n : int
        Rows in all.
    width : int
        Columns of a row.
    """
    step = max(CELLS // max(width, 1), 1)
    wanted = np.arange(0, n, step)
    edges = np.unique(starts[np.searchsorted(starts, wanted, side="right") - 1]) if n else starts
    return np.append(edges, n).astype(np.intp)
