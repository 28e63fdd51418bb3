"""Shares from few labels and many predictions: prediction-powered estimation.

The labels say what is there, the predictions where the labelled rows are unlike the others. With the
prediction f, the label Y and a power between 0 and 1, the share is

    power * mean of f over the other rows + mean of (Y - power * f) over the labelled rows

(Angelopoulos, Duchi & Zrnic 2023, PPI++). It is right whatever the predictions are worth; good
predictions make it surer. The power that makes the variances of all shares together least is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from .bootstrap import Interval
from .cells import as_floats
from .classes import classes_of, probability_columns
from .intervals import wilson_interval
from .types import Floats

__all__ = [
    "Few",
    "Many",
    "Powered",
    "Scores",
    "doubt",
    "labelled_interval",
    "one_hot",
    "power_of",
    "powered_shares",
    "read_scores",
]

Codes = npt.NDArray[np.integer[Any]]
# Points that tell of the variance of a share weigh as many as this one that knows the labels only.
_LABELS_ONLY = 1.0


class Many(NamedTuple):
    """Rows with a prediction only."""

    predictions: Floats  # (rows, classes)
    point: Codes  # numbers of the points; the same number in both sets of rows is the same point
    weight: Floats


class Few(NamedTuple):
    """Rows with a label and a prediction."""

    labels: Floats  # (rows, classes), 1 for the row's class and 0 elsewhere
    predictions: Floats
    point: Codes
    weight: Floats


class Powered(NamedTuple):
    """Shares with their variances, one a class; the points, not the rows, are independent."""

    share: Floats
    variance: Floats  # NaN with one labelled point
    power: float
    by_labels: Floats  # the shares of the labels alone
    inverse: Floats  # inverse effective numbers of the labelled rows, for Wilson's interval


class Scores(NamedTuple):
    """Labels and predictions of a table with labels and one without, as numbers."""

    classes: list[str]
    labels: Floats  # (labelled rows, classes)
    own: Floats  # (labelled rows, classes)
    other: Floats  # (other rows, classes)
    is_probability: bool  # else predictions are 1 for the predicted class


def read_scores(checked: pd.DataFrame, others: pd.DataFrame, reference: str) -> Scores:
    """Labels and predictions of classified rows: probabilities where both tables have them."""
    parts = (checked, others)
    model = others if len(others) else checked
    known = classes_of(model.drop(columns=reference, errors="ignore"))
    labels = checked[reference] if reference in checked else pd.Series(dtype="str")
    texts = [labels.astype("str"), *(part["predicted"].astype("str") for part in parts)]
    classes = [*known, *sorted(set().union(*texts) - set(known))]
    columns = probability_columns(model)
    is_probability = bool(columns) and all(set(columns) <= set(part) for part in parts)
    own, other = (
        np.pad(as_floats(part[columns]), ((0, 0), (0, len(classes) - len(columns))))
        if is_probability
        else one_hot(part["predicted"], classes)
        for part in parts
    )
    return Scores(classes, one_hot(labels, classes), own, other, is_probability)


def one_hot(labels: pd.Series[str], classes: list[str]) -> Floats:
    """1 in the column of each row's class."""
    codes = pd.Categorical(labels.astype("str"), categories=classes).codes
    ones: Floats = np.eye(len(classes))[codes]
    return ones


def power_of(strata: Sequence[tuple[Few, Many, float]]) -> float:
    """The power that makes the sum of the variances of all shares, weighted by area, least.

    Parameters
    ----------
    strata : sequence of (Few, Many, float)
        The rows of each stratum, and its share of the area.
    """
    together = spread = 0.0
    for few, many, share in strata:
        label, own, other = _means(few, many)
        if len(label.numbers) > 1 and len(other.numbers):
            parts = _power_parts(label, own, other)
            together += share**2 * parts[0]
            spread += share**2 * parts[1]
    return float(np.clip(together / spread, 0, 1)) if spread > 0 else 0.0


def powered_shares(few: Few, many: Many | None = None, power: float | None = None) -> Powered:
    """Shares from labelled rows and, where there are any, from others with predictions.

    Parameters
    ----------
    few : Few
    many : Many, optional
        Default: the labels alone are used.
    power : float, optional
        Default: the one that these rows are estimated best with.
    """
    if many is None or not len(many.point):
        many, power = Many(few.predictions[:0], few.point[:0], few.weight[:0]), 0.0
    if power is None:
        power = power_of([(few, many, 1.0)])
    label, own, other = _means(few, many)
    change = label.influence - power * own.influence + power * other.influence
    variance = (
        (change**2).sum(axis=0) if len(label.numbers) > 1 else np.full(len(label.mean), np.nan)
    )
    share = label.mean - power * own.mean + (power * other.mean if power else 0.0)
    return Powered(share, variance, power, label.mean, _inverse(few, label, variance))


def labelled_interval(result: Powered, n_labelled: int, level: float) -> Interval:
    """Wilson's interval of shares, at as many rows as labels and predictions are worth together."""
    return wilson_interval(
        np.clip(result.share, 0, 1), result.inverse * doubt(n_labelled, level), level
    )


def doubt(n: int, level: float) -> float:
    """What a variance is enlarged by because it is estimated from so many points."""
    tail = (1 + level) / 2
    return float((stats.t.ppf(tail, max(n - 1, 1)) / stats.norm.ppf(tail)) ** 2)


class _Means(NamedTuple):
    """Weighted means over rows that lie in points."""

    mean: Floats
    numbers: Codes  # of the points with rows
    #: (all points, classes): what a point adds to the error of the mean, scaled so that squares sum up to its
    #: variance.
    influence: Floats
    #: (points with rows, classes): what each point holds; their mean is the mean.
    held: Floats


def _by_point(values: Floats, weight: Floats, point: Codes, n: int) -> _Means:
    """Means of rows, with what each of n points has to do with it."""
    k = values.shape[1]
    whole = weight.sum()
    if not whole:
        return _Means(np.zeros(k), point, np.zeros((n, k)), np.zeros((0, k)))
    mean = weight @ values / whole
    change = np.zeros((n, k))
    np.add.at(change, point, weight[:, None] * (values - mean) / whole)
    numbers = np.unique(point)
    m = len(numbers)
    return _Means(mean, numbers, change * np.sqrt(m / max(m - 1, 1)), mean + m * change[numbers])


def _means(few: Few, many: Many) -> tuple[_Means, _Means, _Means]:
    """Those of the labels, of the labelled rows' predictions, and of the others'."""
    codes = np.unique(np.concatenate([few.point, many.point]), return_inverse=True)[1]
    at_few, at_many = codes[: len(few.point)], codes[len(few.point) :]
    n = int(codes.max()) + 1
    return (
        _by_point(few.labels, few.weight, at_few, n),
        _by_point(few.predictions, few.weight, at_few, n),
        _by_point(many.predictions, many.weight, at_many, n),
    )


def _power_parts(label: _Means, own: _Means, other: _Means) -> tuple[float, float]:
    """Covariance of labels with predictions and variance of predictions, whose quotient the power is."""
    n, n_other = len(label.numbers), len(other.numbers)
    together = ((label.held - label.mean) * (own.held - own.mean)).sum() / n
    spread = np.concatenate([own.held, other.held]).var(axis=0, ddof=1).sum()
    return float(together / n), float(spread * (1 / n + 1 / n_other))


def _inverse(few: Few, label: _Means, variance: Floats) -> Floats:
    """Inverse effective numbers: what the points show, and a little of what the labels alone are worth.

    The little is for classes with few labels, whose variance the points do not show.
    """
    weights = np.bincount(few.point, few.weight)
    alone = float((weights**2).sum() / weights.sum() ** 2)
    in_class = np.zeros((int(few.point.max()) + 1, few.labels.shape[1]))
    np.add.at(in_class, few.point, few.labels)
    rows = np.bincount(few.point)[:, None]
    telling = np.minimum((in_class > 0).sum(axis=0), (in_class < rows).sum(axis=0))
    spread = label.mean * (1 - label.mean)
    is_shown = (spread > 1e-12) & np.isfinite(variance) & (telling > 0)
    shown = np.where(is_shown, variance, 0.0) / np.where(is_shown, spread, 1.0)
    telling = np.where(is_shown, telling, 0)
    inverse: Floats = (telling * shown + _LABELS_ONLY * alone) / (telling + _LABELS_ONLY)
    return inverse
