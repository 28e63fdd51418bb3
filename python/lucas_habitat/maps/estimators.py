"""Ground truth for maps: the accuracy of a land-cover map by classified points."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base.types import Floats
from .results import MapEstimate

__all__ = ["bootstrap", "measures", "normal_interval", "shares_by_map_class", "standard_errors"]


def make_estimate(
    classes: list[str],
    cells: npt.NDArray[np.int_],
    mapped: Floats,
    proportions: Floats,
    numbers: tuple[Floats, Floats, Floats, Floats],
) -> MapEstimate:
    """Put `measures`, their standard errors, low and high ends into tables."""
    values, se, low, high = numbers
    values, low, high = (np.clip(v, 0, 1) for v in (values, low, high))
    k = len(classes)
    columns: dict[str, Any] = {
        "class": classes,
        "n_map": cells.sum(axis=1),
        "n_reference": cells.sum(axis=0),
    }
    for i, (name, short) in enumerate(
        [
            ("users_accuracy", "users"),
            ("producers_accuracy", "producers"),
            ("area_estimated", "area"),
        ]
    ):
        these = slice(1 + i * k, 1 + (i + 1) * k)
        if short == "area":
            columns["area_mapped"] = mapped
        columns[name] = values[these]
        for what, found in (("se", se), ("low", low), ("high", high)):
            columns[f"{short}_{what}"] = found[these]
    return MapEstimate(
        overall_accuracy=float(values[0]),
        overall_accuracy_se=float(se[0]),
        overall_accuracy_interval=(float(low[0]), float(high[0])),
        per_class=pd.DataFrame(columns),
        proportions=square_confusion(proportions, classes),
    )


def square_confusion(cells: npt.NDArray[Any], classes: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        cells,
        index=pd.Index(classes, name="map"),
        columns=pd.Index(classes, name="reference"),
    )


Codes = npt.NDArray[np.integer[Any]]

_NUMBERS = 2_000_000  # of a bootstrap, held in memory at once


def shares_by_map_class(
    on_map: Codes, label: Codes, weight: Floats, k: int
) -> tuple[Floats, Floats]:
    """Shares of the reference classes among the points on each map class, and their variances.

    Both are k x k, rows map. Rows without points are 0; the variance of a single point is 0 here,
    though nothing is known of it.
    """

    def cells(values: Floats) -> Floats:
        sums = np.bincount(on_map * k + label, values, minlength=k * k)
        return sums.astype(np.float64).reshape(k, k)

    sums, squares = cells(weight), cells(weight**2)
    n = np.bincount(on_map, minlength=k)[:, None]
    whole = np.where(n > 0, sums.sum(axis=1, keepdims=True), 1.0)
    shares = sums / whole
    others = squares.sum(axis=1, keepdims=True) - squares
    spread = squares * (1 - shares) ** 2 + others * shares**2
    return shares, spread / whole**2 * n / np.maximum(n - 1, 1)


def measures(shares: Floats, area: Floats) -> Floats:
    """Overall accuracy, user's and producer's accuracies, and areas, from (..., k, k) shares.

    User's accuracies are NaN where the map has no area, producer's where nothing is estimated.
    """
    users = np.diagonal(shares, axis1=-2, axis2=-1)
    found = (area[:, None] * shares).sum(axis=-2)
    overall = (area * users).sum(axis=-1, keepdims=True)
    producers = area * users / np.where(found > 0, found, np.nan)
    return np.concatenate([overall, np.where(area > 0, users, np.nan), producers, found], axis=-1)


def standard_errors(shares: Floats, variance: Floats, area: Floats) -> Floats:
    """Those of `measures`: equations 5, 6, 7 and 10 of Olofsson et al. (2014)."""
    parts = area[:, None] ** 2 * variance
    own = np.diag(parts)
    found = (area[:, None] * shares).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        producers = area * np.diag(shares) / found
        missed = producers**2 * (parts.sum(axis=0) - own)
        of_producers = ((1 - producers) ** 2 * own + missed) / found**2
    of_users = np.where(area > 0, np.diag(variance), np.nan)
    squares = np.concatenate([[own.sum()], of_users, of_producers, parts.sum(axis=0)])
    return np.sqrt(squares.astype(np.float64))


def normal_interval(values: Floats, se: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of normal intervals."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    return values - z * se, values + z * se


def bootstrap(
    on_map: Codes,
    label: Codes,
    weight: Floats,
    counts: Floats,
    area: Floats,
    *,
    n_boot: int,
    level: float,
    seed: int,
) -> tuple[Floats, Floats, Floats]:
    """Standard errors and percentile intervals of the `measures` without the classifier's errors.

    ``counts`` are the classifier's test points, k x k, rows predicted. Points are drawn within map
    classes, test points within true classes; of n points n - 1, so that variances are right.
    """
    rng = np.random.default_rng(seed)
    k = len(area)
    shares, confusion = np.zeros((2, n_boot, k, k))
    for i in np.unique(on_map):
        here = np.column_stack([label, weight])[on_map == i]
        # Points alike are drawn together: fast, and the order of rows makes no difference.
        kinds, times = np.unique(here, axis=0, return_counts=True)
        sums = np.eye(k)[kinds[:, 0].astype(int)] * kinds[:, 1:]
        step = max(1, _NUMBERS // len(kinds))
        for start in range(0, n_boot, step):
            size = min(step, n_boot - start)
            drawn = rng.multinomial(max(len(here) - 1, 1), times / len(here), size) @ sums
            shares[start : start + size, i] = drawn / drawn.sum(axis=1, keepdims=True)
    for j, n in enumerate(counts.sum(axis=0).astype(int)):
        confusion[:, :, j] = rng.multinomial(n - 1, counts[:, j] / n, n_boot) / (n - 1)
    # A draw may be singular, which the pseudo-inverse survives.
    drawn = measures(shares @ np.swapaxes(np.linalg.pinv(confusion), 1, 2), area)
    nothing = np.isnan(drawn).all(axis=0)
    drawn[:, nothing] = 0.0  # spares nanquantile's warning; put back below
    tail, sigma = (1 - level) / 2, NormalDist().cdf(-1)
    low, less, more, high = np.nanquantile(drawn, [tail, sigma, 1 - sigma, 1 - tail], axis=0)
    for ends in (low, less, high):
        ends[nothing] = np.nan
    return (more - less) / 2, low, high
