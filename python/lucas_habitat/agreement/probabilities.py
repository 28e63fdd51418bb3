"""Are probabilities proportions: log loss, Brier score and calibration error of labelled rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._base.classes import column_names, probability_columns
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


def certainty(compared: Compared, weights: Floats | None) -> Certainty:
    """Scores of the probabilities of the rows that have them."""
    p = _probabilities(compared)
    has_all = np.isfinite(p).all(axis=1) & (p.sum(axis=1) > 0)
    if not has_all.any():
        return Certainty(np.nan, np.nan, np.nan, np.nan)
    from sklearn import metrics

    p = p[has_all] / p[has_all].sum(axis=1, keepdims=True)
    truth, guess = (compared.codes(labels)[has_all] for labels in (compared.truth, compared.guess))
    weight = np.ones(len(p)) if weights is None else weights[has_all]
    gap, expected = _calibration(
        p[np.arange(len(p)), guess],
        (truth == guess).astype(np.float64),
        weight,
        points_of(compared.rows[has_all]),
    )
    if p.shape[1] == 1:
        return Certainty(0.0, 0.0, gap, expected)
    scored = {"labels": np.arange(p.shape[1]), "sample_weight": weight}
    return Certainty(
        log_loss=float(metrics.log_loss(truth, p, **scored)),
        brier_score=float(metrics.brier_score_loss(truth, p, scale_by_half=False, **scored)),
        calibration_error=gap,
        calibration_error_if_perfect=expected,
    )


def _probabilities(compared: Compared) -> Floats:
    """Probabilities of all classes, 0 for those that the model does not know; NaN without columns."""
    shape = (len(compared.rows), len(compared.classes))
    columns = probability_columns(compared.rows)
    # The model's classes come first, in the order of their columns.
    named = column_names(compared.classes[: len(columns)])
    if not columns or named != columns:
        return np.full(shape, np.nan)
    p = np.zeros(shape)
    p[:, : len(columns)] = compared.rows[columns].to_numpy(dtype=np.float64, na_value=np.nan)
    return p


def _calibration(
    sure: Floats, right: Floats, weight: Floats, point: npt.NDArray[np.intp]
) -> tuple[float, float]:
    """The expected calibration error in bins of equal width, and what it would be if there were none.

    Few rows are right more or less often than they should by chance alone, so the error of the best
    probabilities is above 0. The gap of a bin is then about normal, with the variance of its rows and of the
    correlation of those of one point, which is estimated from what the bins leave over.
    """
    bins = np.minimum((sure * N_BINS).astype(np.intp), N_BINS - 1)
    size = np.bincount(bins, weight, minlength=N_BINS)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = np.bincount(bins, weight * right, minlength=N_BINS) / size
        confidence = np.bincount(bins, weight * sure, minlength=N_BINS) / size
    gap = np.nansum(np.abs(accuracy - confidence) * size) / size.sum()

    spread = np.sqrt(sure * (1 - sure))
    left = right - accuracy[bins]
    correlation = _within(left, spread, point)
    together = np.zeros((point.max() + 1, N_BINS))
    np.add.at(together, (point, bins), weight * spread)
    alone = np.bincount(bins, (weight * spread) ** 2, minlength=N_BINS)
    variance = (1 - correlation) * alone + correlation * (together**2).sum(axis=0)
    expected = np.sqrt(2 / np.pi * variance).sum() / size.sum()
    return float(gap), float(expected)


def _within(left: Floats, spread: Floats, point: npt.NDArray[np.intp]) -> float:
    """The correlation of what is left over between the rows of a point, 0 to 1."""

    def pairs(values: Floats) -> float:
        return float((np.bincount(point, values) ** 2).sum() - (values**2).sum())

    possible = pairs(spread)
    return float(np.clip(pairs(left) / possible, 0, 1)) if possible > 1e-12 else 0.0
