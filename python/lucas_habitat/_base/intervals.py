"""Intervals of shares: Wilson's, on as many independent rows as the points are worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from .bootstrap import Interval
from .sums import summed_by
from .types import Floats

__all__ = [
    "Ratio",
    "Worth",
    "inverse_numbers",
    "joined",
    "mixed_with_copies",
    "ratio_interval",
    "ratio_of",
    "ratio_of_pairs",
    "sum_interval",
    "wilson_interval",
    "worth_of",
]

# Points with an error that a class needs to tell its own design effect as loudly as all classes do,
# and that all classes need against the assumption that the rows of a point are copies of one.
_CLASS, _ALL = 3.0, 1.0


class Ratio(NamedTuple):
    """Shares of rows that lie in points; every field has a number a share.

    An inverse effective number is the variance of a share p over p (1 - p): 1 / n for n independent rows.
    """

    value: Floats
    #: Inverse effective numbers: as the points show it, NaN where all rows are in the share or none is;
    #: if rows were independent; and if the rows of a point were copies of one.
    shown: Floats
    independent: Floats
    copies: Floats
    #: Points that tell of the variance: with a row outside the share, or with one in it, whichever are
    #: fewer.
    telling: Floats
    is_weighted: bool


class Worth(NamedTuple):
    """What the rows of all classes together are worth."""

    #: Inverse effective number of all rows, and how much of it is for the doubt in its own estimate.
    inverse: float
    inflation: float
    #: Correlation within points of being right, 0 to 1.
    correlation: float
    n_points: int


def ratio_of(
    rows: Floats, of: Floats, squares: Floats | None = None, times: Floats | None = None
) -> Ratio:
    """Shares of rows.

    Parameters
    ----------
    rows, of : array of shape (points, shares)
        Sums of the weights of a point's rows: of those in the share, and of all that count.
    squares : array of shape (points, shares), optional
        Sums of the squared weights of all that count; default: every row weighs 1.
    times : array of shape (points,), optional
        How many points are like each; default: one.
    """
    n_points, n_shares = rows.shape
    share = np.tile(np.arange(n_shares), n_points)
    times = np.ones(n_points) if times is None else times
    return ratio_of_pairs(
        share,
        rows.ravel(),
        of.ravel(),
        None if squares is None else squares.ravel(),
        np.repeat(times, n_shares),
        n_shares,
    )


def ratio_of_pairs(
    share: npt.NDArray[np.intp],
    rows: Floats,
    of: Floats,
    squares: Floats | None,
    times: Floats,
    n_shares: int,
) -> Ratio:
    """Shares of rows, of pairs of a point and the number of a share; see `ratio_of`.

    Pairs without any row that counts may be left out.
    """

    def summed(values: Floats) -> Floats:
        return summed_by(share, values * times, n_shares)

    total, n = summed(of), summed((of > 0).astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = summed(rows) / total
        # Sums of weights that are no whole numbers may differ in their last digit.
        value = np.where(np.abs(value - 1) < 1e-12, 1.0, value)
        # The jackknife: what the share changes by where a point is left out.
        is_only = of >= total[share]
        change = (rows - value[share] * of) / np.where(is_only, np.nan, total[share] - of)
        return Ratio(
            value=value,
            shown=summed(change**2) * (n - 1) / n / (value * (1 - value)),
            independent=summed(of if squares is None else squares) / total**2,
            copies=summed(of**2) / total**2,
            telling=np.minimum(
                summed(((of - rows) > 1e-12 * of).astype(np.float64)),
                summed((rows > 0).astype(np.float64)),
            ),
            is_weighted=squares is not None,
        )


def joined(ratios: list[Ratio]) -> Ratio:
    """The shares of several ratios, one after another."""
    value, shown, independent, copies, telling = (
        np.concatenate(numbers) for numbers in zip(*(ratio[:-1] for ratio in ratios), strict=True)
    )
    is_weighted = ratios[0].is_weighted
    return Ratio(value, shown, independent, copies, telling, is_weighted)


def worth_of(right: Ratio, n_points: int, level: float) -> Worth:
    """What all rows together are worth, from the share that is right."""
    (mixed,) = mixed_with_copies(right)
    (inverse,) = _bounded(right, np.array([mixed]) * _doubt(n_points, level))
    between = right.copies[0] - right.independent[0]
    correlation = 0.0
    if between > 1e-12 * right.copies[0]:
        correlation = float(np.clip((mixed - right.independent[0]) / between, 0, 1))
    return Worth(float(inverse), float(inverse / mixed), correlation, n_points)


def inverse_numbers(ratio: Ratio, worth: Worth, level: float) -> Floats:
    """Inverse effective numbers of the rows behind shares of single classes.

    Where a class has few points with an error, its rows are as correlated as those of all classes.
    """
    pooled = ratio.independent + worth.correlation * (ratio.copies - ratio.independent)
    return _bounded(ratio, _mixed(ratio, pooled, _CLASS) * _doubt(worth.n_points, level))


def mixed_with_copies(ratio: Ratio) -> Floats:
    """Inverse effective numbers between what the points show and what if their rows were copies."""
    return _mixed(ratio, ratio.copies, _ALL)


def _mixed(ratio: Ratio, prior: Floats, weight: float) -> Floats:
    """Inverse effective numbers between what the points show and what is taken for granted."""
    is_shown = np.isfinite(ratio.shown)
    telling = np.where(is_shown, ratio.telling, 0.0)
    mixed: Floats = (telling * np.where(is_shown, ratio.shown, 0.0) + weight * prior) / (
        telling + weight
    )
    return mixed


def _doubt(n_points: int, level: float) -> float:
    """What a variance is enlarged by because it is estimated from so many points."""
    tail = (1 + level) / 2
    return float((stats.t.ppf(tail, max(n_points - 1, 1)) / stats.norm.ppf(tail)) ** 2)


def _bounded(ratio: Ratio, inverse: Floats) -> Floats:
    """Rows that weigh alike are worth no more than as many points, and no less than their points."""
    if ratio.is_weighted:
        return inverse
    bounded: Floats = np.clip(inverse, ratio.independent, ratio.copies)
    return bounded


def wilson_interval(share: Floats, inverse: Floats, level: float) -> Interval:
    """Wilson's interval of shares at inverse effective numbers of rows; NaN where a share is.

    Close to 0 and 1 Wilson's interval is too short on the outer side for shares that are closer still
    (Brown, Cai & DasGupta 2001). Where up to two rows, three of more than 50, are missing from all or
    none, it reaches to the one-sided Poisson limit, as they propose.
    """
    share, inverse = np.asarray(share, dtype=np.float64), np.asarray(inverse, dtype=np.float64)
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2 * inverse
    middle = (share + z2 / 2) / (1 + z2)
    # Rounding may leave a little less than 0.
    half = np.sqrt(np.maximum(z2 * share * (1 - share) + z2**2 / 4, 0)) / (1 + z2)
    low = np.minimum(middle - half, _poisson_limit(share, inverse, level))
    high = np.maximum(middle + half, 1 - _poisson_limit(1 - share, inverse, level))
    return Interval(
        np.where(share <= 0, 0.0, np.clip(low, 0, share)),
        np.where(share >= 1, 1.0, np.clip(high, share, 1)),
    )


def sum_interval(values: Floats, ends: Interval) -> Interval:
    """Intervals of sums along the last axis of independent values that have intervals.

    What lies between a value and its end is its variance there, and variances are added (MOVER; Zou &
    Donner 2008), so that an interval that reaches further to one side gives a sum that does.
    """
    total = values.sum(axis=-1)
    return Interval(
        total - np.sqrt(((values - ends.low) ** 2).sum(axis=-1)),
        total + np.sqrt(((ends.high - values) ** 2).sum(axis=-1)),
    )


def ratio_interval(part: Floats, of_part: Interval, rest: Floats, of_rest: Interval) -> Interval:
    """Intervals of part / rest, independent and not negative, that have intervals (MOVER).

    Infinite where rest may be 0; NaN where both are.
    """

    def difference(low: Floats, high: Floats) -> Floats:
        # Rounding may leave a little less than 0.
        root: Floats = np.sqrt(
            np.maximum((part * rest) ** 2 - low * (2 * part - low) * high * (2 * rest - high), 0)
        )
        return root

    with np.errstate(divide="ignore", invalid="ignore"):
        low = of_part.low * (2 * part - of_part.low)
        low = low / (part * rest + difference(of_part.low, of_rest.high))
        high = part * rest + difference(of_part.high, of_rest.low)
        high = high / (of_rest.low * (2 * rest - of_rest.low))
    return Interval(low, np.where((rest > 0) | (part == 0), high, np.inf))


def _poisson_limit(share: Floats, inverse: Floats, level: float) -> Floats:
    """The lower Poisson limit of a share of few rows; 1, which bounds nothing, elsewhere."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = share / inverse
        is_few = (rows > 0) & (rows <= np.where(inverse >= 1 / 50, 2, 3) + 1e-9)
        limit = special.gammaincinv(np.where(is_few, rows, 1.0), 1 - level) * inverse
    return np.where(is_few | np.isnan(share), limit, 1.0)
