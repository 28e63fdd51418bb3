"""Sums by number, and sums that the order of what is added does not reach into."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .types import Floats

__all__ = ["rows_summed_by", "runs_of", "summed_by", "total_of"]


def summed_by(number: npt.NDArray[np.intp], values: Floats, n: int) -> Floats:
    """Sums of the values that have each of n numbers, added in their order."""
    return np.asarray(np.bincount(number, values, minlength=n), dtype=np.float64)


def rows_summed_by(number: npt.NDArray[np.intp], rows: Floats, n: int) -> Floats:
    """Sums of the rows that have each of n numbers, (n, columns), added in their order."""
    sums = np.empty((n, rows.shape[1]))
    for total, values in zip(sums.T, rows.T, strict=True):
        total[:] = summed_by(number, values, n)
    return sums


def total_of(values: Floats) -> float:
    """The sum of values, the same to the last digit in whatever order they come."""
    return float(np.sort(values).sum())


def runs_of(sorted_keys: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.diff(sorted_keys, prepend=sorted_keys[:1] - 1))
