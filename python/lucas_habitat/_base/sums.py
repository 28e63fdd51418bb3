"""Sums by number, and sums that the order of what is added does not reach into."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .types import Floats

__all__ = ["runs_of", "summed_by", "total_of"]


def summed_by(number: npt.NDArray[np.intp], values: Floats, n: int) -> Floats:
    """Sums of the values that have each of n numbers, added in their order."""
    return np.asarray(np.bincount(number, values, minlength=n), dtype=np.float64)


def total_of(values: Floats) -> float:
    """The sum of values, the same to the last digit in whatever order they come."""
    return float(np.sort(values).sum())


def runs_of(sorted_keys: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.diff(sorted_keys, prepend=sorted_keys[:1] - 1))
