"""The bootstrap over points, and percentile intervals: one way for every estimate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .types import Floats

__all__ = ["Interval", "alike", "draws", "percentile_interval"]

# Points (or kinds of points) times bootstrap samples held in memory at once.
_CELLS = 2_000_000


class Interval(NamedTuple):
    """The lower and upper ends of intervals, NaN where nothing is known."""

    low: Floats
    high: Floats


def alike(rows: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The different rows, and how often each stands.

    Points alike are drawn together: that is fast, and the order of rows makes no difference.
    """
    kinds, times = np.unique(rows, axis=0, return_counts=True)
    return kinds, times


def draws(
    times: npt.NDArray[np.intp] | Floats,
    n_boot: int,
    rng: np.random.Generator,
    *,
    n: int | None = None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Draw points with replacement, part by part, so that memory is bounded.

    Parameters
    ----------
    times : array of shape (kinds,)
        How often each kind of point stands in the data; may be parts of a point where n is given.
    n_boot : int
        Samples to draw in all.
    rng : numpy.random.Generator
    n : int, optional
        Points in a sample; default: as many as there are.

    Yields
    ------
    array of shape (samples, kinds)
        How often each kind is drawn.
    """
    total = times.sum()
    step = max(1, _CELLS // len(times))
    for start in range(0, n_boot, step):
        size = min(step, n_boot - start)
        yield rng.multinomial(int(total) if n is None else n, times / total, size=size)


def percentile_interval(samples: Floats, level: float) -> Interval:
    """The percentile interval of samples along the first axis; NaN where no sample is defined."""
    tail = (1 - level) / 2
    is_undefined = np.isnan(samples).all(axis=0)
    # nanquantile would warn of columns without a number.
    low, high = np.nanquantile(np.where(is_undefined, 0.0, samples), [tail, 1 - tail], axis=0)
    return Interval(np.where(is_undefined, np.nan, low), np.where(is_undefined, np.nan, high))
