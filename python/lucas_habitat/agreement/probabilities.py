"""Are probabilities proportions: log loss, Brier score and calibration error of labelled rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._base.classes import column_names
from .._base.probabilities import Probabilities
from .._base.sums import runs_of, summed_by, total_of
from .._base.types import Floats
from .compared import Compared, points_of

__all__ = ["N_BINS", "Certainty", "certainty"]

#: Bins of equal width of the probability of the predicted class.
N_BINS = 10


class Certainty(NamedTuple):
    """Scores of probabilities; NaN where a table has none."""

    log_loss: float
    brier_score: float
    calibration_error: float
    #: The mean calibration error of rows as many, as sure and as alike if probabilities were proportions.
    calibration_error_if_perfect: float


class _Scores(NamedTuple):
    """What the probabilities of each row say, and which rows have any."""

    has_all: npt.NDArray[np.bool_]  # (rows,); the others are of these only
    sure: Floats  # of the predicted class
    loss: Floats
    square: Floats


def certainty(
    compared: Compared, probabilities: Probabilities, weights: Floats | None
) -> Certainty:
    """Scores of the probabilities of the rows that have them."""
    columns = probabilities.columns
    # The model's classes come first, in the order of their columns.
    if not columns or column_names(compared.classes[: len(columns)]) != columns:
        return Certainty(np.nan, np.nan, np.nan, np.nan)
    scores = _scores(compared, probabilities)
    has_all = scores.has_all
    if not has_all.any():
        return Certainty(np.nan, np.nan, np.nan, np.nan)
    weight = np.ones(len(scores.sure)) if weights is None else weights[has_all]
    is_right = (compared.truth == compared.guess)[has_all]
    gap, expected = _calibration(
        scores.sure, is_right.astype(np.float64), weight, points_of(compared.rows)[has_all]
    )
    if len(compared.classes) == 1:
        return Certainty(0.0, 0.0, gap, expected)
    return Certainty(
        log_loss=total_of(scores.loss * weight) / total_of(weight),
        brier_score=total_of(scores.square * weight) / total_of(weight),
        calibration_error=gap,
        calibration_error_if_perfect=expected,
    )


def _scores(compared: Compared, probabilities: Probabilities) -> _Scores:
    """Scores of rows, so many at a time that the probabilities of all are never held."""
    has_all = np.zeros(len(compared.rows), dtype=np.bool_)
    parts, first = [], 0
    for p in probabilities.in_order(compared.place):
        rows = slice(first, first + len(p))
        total = p.sum(axis=1)
        has_all[rows] = is_there = np.isfinite(p).all(axis=1) & (total > 0)
        p = p[is_there] / total[is_there, None]
        truth, guess = compared.truth[rows][is_there], compared.guess[rows][is_there]
        parts.append((_of(p, guess), *_losses(p, truth)))
        first = rows.stop
    return _Scores(has_all, *(np.concatenate(values) for values in zip(*parts, strict=True)))


def _of(p: Floats, label: npt.NDArray[np.intp]) -> Floats:
    """The probability of a class of each row; 0 for classes that the model does not know."""
    is_there = label < p.shape[1]
    return np.where(is_there, p[np.arange(len(p)), np.where(is_there, label, 0)], 0.0)


def _losses(p: Floats, truth: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Log losses and Brier scores of rows, as scikit-learn has them."""
    of_truth, least = _of(p, truth), np.finfo(np.float64).eps
    others = p.copy()
    is_there = truth < p.shape[1]
    others[is_there, truth[is_there]] = 0
    squares = (others**2).sum(axis=1) + (1 - of_truth) ** 2
    return -np.log(np.clip(of_truth, least, 1 - least)), squares


def _calibration(
    sure: Floats, right: Floats, weight: Floats, point: npt.NDArray[np.intp]
) -> tuple[float, float]:
    """The expected calibration error in bins of equal width, and what it would be if there were none.

    Few rows are right more or less often than they should by chance alone, so the error of the best
    probabilities is above 0. The gap of a bin is then about normal, with the variance of its rows and of the
    correlation of those of one point, which is estimated from what the bins leave over.
    """
    order = _order(sure, right, weight)
    sure, right, weight, point = sure[order], right[order], weight[order], point[order]
    bins = np.minimum((sure * N_BINS).astype(np.intp), N_BINS - 1)
    size = np.bincount(bins, weight, minlength=N_BINS)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = np.bincount(bins, weight * right, minlength=N_BINS) / size
        confidence = np.bincount(bins, weight * sure, minlength=N_BINS) / size
    gap = np.nansum(np.abs(accuracy - confidence) * size) / size.sum()

    spread = np.sqrt(sure * (1 - sure))
    left = right - accuracy[bins]
    correlation = _within(left, spread, point)
    seat = point * N_BINS + bins
    order = np.argsort(seat, kind="stable")
    starts = runs_of(seat[order])
    together = np.add.reduceat((weight * spread)[order], starts)
    of_points = np.bincount(seat[order][starts] % N_BINS, together**2, minlength=N_BINS)
    alone = np.bincount(bins, (weight * spread) ** 2, minlength=N_BINS)
    variance = (1 - correlation) * alone + correlation * of_points
    expected = np.sqrt(2 / np.pi * variance).sum() / size.sum()
    return float(gap), float(expected)


def _order(sure: Floats, right: Floats, weight: Floats) -> npt.NDArray[np.intp]:
    """An order of rows that is the same however they stood, so that sums are to the last digit."""
    # Numbers from 0 sort as their bits do.
    key = 2 * sure.view(np.int64) + right.astype(np.int64)
    if (weight == weight[0]).all():
        return np.argsort(key)
    return np.lexsort((weight, key))


def _within(left: Floats, spread: Floats, point: npt.NDArray[np.intp]) -> float:
    """The correlation of what is left over between the rows of a point, 0 to 1."""
    n = int(point.max()) + 1

    def pairs(values: Floats) -> float:
        return total_of(summed_by(point, values, n) ** 2) - total_of(values**2)

    possible = pairs(spread)
    return float(np.clip(pairs(left) / possible, 0, 1)) if possible > 1e-12 else 0.0
