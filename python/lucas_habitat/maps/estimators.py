"""Accuracy and areas of a map from points: estimates, standard errors, intervals."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base.bootstrap import alike, draws, percentile_interval
from .._base.intervals import wilson_interval
from .._base.powered import doubt
from .._base.types import Floats
from .results import MapEstimate

__all__ = [
    "Measures",
    "Sample",
    "Uncertainty",
    "bootstrap",
    "make_estimate",
    "measures",
    "normal_uncertainty",
    "shares_by_map_class",
    "square_confusion",
    "standard_errors",
    "wilson_uncertainty",
]

Codes = npt.NDArray[np.integer[Any]]


class Sample(NamedTuple):
    """Points on the map: the map's class, the point's class (numbers) and the weight of each."""

    on_map: Codes
    label: Codes
    weight: Floats


class Measures(NamedTuple):
    """Numbers about a map: the first one number, the others one a class."""

    overall: Any
    users: Any
    producers: Any
    areas: Any


class Uncertainty(NamedTuple):
    """Standard errors of measures, and the ends of their intervals; NaN where unknown."""

    se: Measures
    low: Measures
    high: Measures

    def without(self, undefined: Measures) -> Uncertainty:
        """The same with NaN for the measures that are marked."""
        return Uncertainty(
            *[
                Measures(*[np.where(no, np.nan, v) for no, v in zip(undefined, part, strict=True)])
                for part in self
            ]
        )


def make_estimate(
    classes: list[str],
    cells: npt.NDArray[np.int_],
    mapped: Floats,
    proportions: Floats,
    values: Measures,
    uncertainty: Uncertainty,
) -> MapEstimate:
    """Put measures and their uncertainty into tables."""
    se = uncertainty.se
    values, low, high = (
        Measures(*[np.clip(v, 0, 1) for v in part])
        for part in (values, uncertainty.low, uncertainty.high)
    )
    return MapEstimate(
        overall_accuracy=float(values.overall),
        overall_accuracy_se=float(se.overall),
        overall_accuracy_interval=(float(low.overall), float(high.overall)),
        per_class=pd.DataFrame(
            {
                "class": classes,
                "n_map": cells.sum(axis=1),
                "n_reference": cells.sum(axis=0),
                "users_accuracy": values.users,
                "users_se": se.users,
                "users_low": low.users,
                "users_high": high.users,
                "producers_accuracy": values.producers,
                "producers_se": se.producers,
                "producers_low": low.producers,
                "producers_high": high.producers,
                "area_mapped": mapped,
                "area_estimated": values.areas,
                "area_se": se.areas,
                "area_low": low.areas,
                "area_high": high.areas,
            }
        ),
        proportions=square_confusion(proportions, classes),
    )


def square_confusion(cells: npt.NDArray[Any], classes: list[str]) -> pd.DataFrame:
    """A table with a row a class on the map, and a column a class of the reference."""
    return pd.DataFrame(
        cells,
        index=pd.Index(classes, name="map"),
        columns=pd.Index(classes, name="reference"),
    )


def shares_by_map_class(sample: Sample, k: int) -> tuple[Floats, Floats]:
    """Shares of the reference classes among the points on each map class, and their variances.

    Both are k x k, rows map. Rows without points are 0; the variance of a single point is 0 here,
    though nothing is known of it.
    """

    def cells(values: Floats) -> Floats:
        sums = np.bincount(sample.on_map * k + sample.label, values, minlength=k * k)
        return sums.astype(np.float64).reshape(k, k)

    sums, squares = cells(sample.weight), cells(sample.weight**2)
    n = np.bincount(sample.on_map, minlength=k)[:, None]
    total = np.where(n > 0, sums.sum(axis=1, keepdims=True), 1.0)
    shares = sums / total
    other_squares = squares.sum(axis=1, keepdims=True) - squares
    spread = squares * (1 - shares) ** 2 + other_squares * shares**2
    return shares, spread / total**2 * n / np.maximum(n - 1, 1)


def measures(shares: Floats, area: Floats) -> Measures:
    """Measures of (..., k, k) shares of the reference classes within map classes.

    User's accuracies are NaN where the map has no area, producer's where nothing is estimated.
    """
    users = np.diagonal(shares, axis1=-2, axis2=-1)
    areas = (area[:, None] * shares).sum(axis=-2)
    producers = area * users / np.where(areas > 0, areas, np.nan)
    return Measures(
        (area * users).sum(axis=-1), np.where(area > 0, users, np.nan), producers, areas
    )


def wilson_uncertainty(
    by: Measures,
    errors: Measures,
    alone: Measures,
    values: Measures,
    telling: Measures,
    n: int,
    level: float,
) -> Uncertainty:
    """Wilson's intervals at the effective numbers of points that standard errors are worth.

    Where few points tell of an error, a little of what labels alone are worth is mixed in.

    Parameters
    ----------
    by : Measures
        What the labels alone say, to which the errors belong.
    errors : Measures
        Standard errors.
    alone : Measures
        Inverse effective numbers of points of labels alone.
    values : Measures
        What the intervals are of.
    telling : Measures
        Points that differ from the others.
    n : int
        Points with a label.
    """
    low, high = [], []
    for mean, se, prior, value, count in zip(by, errors, alone, values, telling, strict=True):
        spread = np.nan_to_num(mean * (1 - mean))
        is_shown = (spread > 1e-9) & (count > 0) & np.isfinite(se)
        shown = np.where(is_shown, se, 0.0) ** 2 / np.where(is_shown, spread, 1.0)
        points = np.where(is_shown, count, 0)
        inverse = (points * shown + prior) / (points + 1) * doubt(n, level)
        interval = wilson_interval(np.clip(value, 0, 1), inverse, level)
        low.append(interval.low)
        high.append(interval.high)
    return Uncertainty(errors, Measures(*low), Measures(*high))


def normal_uncertainty(shares: Floats, variance: Floats, area: Floats, level: float) -> Uncertainty:
    """Standard errors by equations 5, 6, 7 and 10 of Olofsson et al. (2014), and normal intervals."""
    values, se = measures(shares, area), standard_errors(shares, variance, area)
    z = NormalDist().inv_cdf((1 + level) / 2)
    return Uncertainty(
        se,
        Measures(*[v - z * e for v, e in zip(values, se, strict=True)]),
        Measures(*[v + z * e for v, e in zip(values, se, strict=True)]),
    )


def standard_errors(shares: Floats, variance: Floats, area: Floats) -> Measures:
    """Standard errors of `measures`."""
    parts = area[:, None] ** 2 * variance
    diagonal = np.diag(parts)
    areas = (area[:, None] * shares).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        producers = area * np.diag(shares) / areas
        omitted = producers**2 * (parts.sum(axis=0) - diagonal)
        of_producers = ((1 - producers) ** 2 * diagonal + omitted) / areas**2
    of_users = np.where(area > 0, np.diag(variance), np.nan)
    variances = Measures(diagonal.sum(), of_users, of_producers, parts.sum(axis=0))
    return Measures(*[np.sqrt(v) for v in variances])


def bootstrap(
    sample: Sample,
    counts: Floats,
    area: Floats,
    *,
    worth: float = 1.0,
    n_boot: int,
    level: float,
    seed: int,
) -> Uncertainty:
    """Standard errors and percentile intervals of the measures without the classifier's errors.

    ``counts`` are the classifier's test points, k x k, rows predicted. Points are drawn within map
    classes, test points within true classes; of n points n - 1, so that variances are right.
    """
    rng = np.random.default_rng(seed)
    k = len(area)
    shares, confusion = np.zeros((2, n_boot, k, k))
    for i in np.unique(sample.on_map):
        kinds, times = alike(np.column_stack([sample.label, sample.weight])[sample.on_map == i])
        sums = np.eye(k)[kinds[:, 0].astype(int)] * kinds[:, 1:]
        weights = draws(times, n_boot, rng, n=max(int(times.sum()) - 1, 1))
        drawn = np.concatenate([part @ sums for part in weights])
        shares[:, i] = drawn / drawn.sum(axis=1, keepdims=True)
    for j, n in enumerate(counts.sum(axis=0).astype(int)):
        # Rows of a point seen in several years may be copies of one.
        drawn_points = max(round(n * worth) - 1, 1)
        confusion[:, :, j] = rng.multinomial(drawn_points, counts[:, j] / n, n_boot) / drawn_points
    # A sample's confusion may be singular; the pseudo-inverse is defined all the same.
    samples = measures(shares @ np.swapaxes(np.linalg.pinv(confusion), 1, 2), area)
    # Half the width of the interval that a normal distribution has within one standard deviation of
    # its mean: unlike the standard deviation, it does not hang on the samples' long tails.
    sigma = 1 - 2 * NormalDist().cdf(-1)
    inner = [percentile_interval(part, sigma) for part in samples]
    outer = [percentile_interval(part, level) for part in samples]
    return Uncertainty(
        Measures(*[(i.high - i.low) / 2 for i in inner]),
        Measures(*[o.low for o in outer]),
        Measures(*[o.high for o in outer]),
    )
