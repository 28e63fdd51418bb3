"""Measures of confusion matrices, rows predicted and columns reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._base.types import Floats

__all__ = ["Influences", "Measures", "Summary", "influences", "measures", "summary"]


class Measures(NamedTuple):
    """Measures of confusion matrices: the first two one number each, the others one a class."""

    overall_accuracy: Floats
    kappa: Floats
    producers_accuracy: Floats
    users_accuracy: Floats
    f1: Floats


def measures(counts: Floats) -> Measures:
    """Measures of confusion matrices of shape (..., classes, classes), rows predicted."""
    total = counts.sum(axis=(-2, -1))
    predicted, truth = counts.sum(axis=-1), counts.sum(axis=-2)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = hits.sum(axis=-1) / total
        chance = (predicted * truth).sum(axis=-1) / total**2
        # With one class on both sides agreement by chance is certain, and kappa is undefined.
        kappa = np.where(chance < 1, (accuracy - chance) / (1 - chance), np.nan)
        producers, users = hits / truth, hits / predicted
        f1 = 2 * hits / (truth + predicted)
    return Measures(accuracy, kappa, producers, users, f1)


class Influences(NamedTuple):
    """What one more row in each cell adds to a measure: its derivatives by the cells, (classes, classes)."""

    overall_accuracy: Floats
    kappa: Floats


def influences(counts: Floats) -> Influences:
    """The influences of rows on the measures of all classes; those of kappa are of Fleiss et al. (1969)."""
    total = counts.sum()
    values = measures(counts)
    predicted, truth = counts.sum(axis=1), counts.sum(axis=0)
    same = np.eye(len(counts))
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = predicted / total, truth / total
        chance = p @ q
        accuracy = (same - values.overall_accuracy) / total
        by_chance = (q[:, None] + p[None, :] - 2 * chance) / total
        kappa = accuracy / (1 - chance) - (
            (1 - values.overall_accuracy) / (1 - chance) ** 2 * by_chance
        )
        return Influences(overall_accuracy=accuracy, kappa=kappa)


class Summary(NamedTuple):
    """Further measures of a confusion matrix, one number each."""

    balanced_accuracy: float
    macro_f1: float
    matthews: float
    quantity_disagreement: float
    allocation_disagreement: float


def summary(counts: Floats) -> Summary:
    """Further measures of one confusion matrix, rows predicted."""
    from sklearn import metrics

    guess, truth = np.nonzero(counts)
    weight = counts[guess, truth]
    total = counts.sum()
    recalls = measures(counts).producers_accuracy
    is_one_class = len(set(guess) | set(truth)) == 1
    quantity = np.abs(counts.sum(axis=1) - counts.sum(axis=0)).sum() / (2 * total)
    return Summary(
        balanced_accuracy=float(recalls[~np.isnan(recalls)].mean()),
        macro_f1=float(
            metrics.f1_score(truth, guess, sample_weight=weight, average="macro", zero_division=0)
        ),
        # As kappa, without meaning where there is but one class.
        matthews=np.nan
        if is_one_class
        else float(metrics.matthews_corrcoef(truth, guess, sample_weight=weight)),
        quantity_disagreement=float(quantity),
        # Rounding can leave a little less than nothing.
        allocation_disagreement=max(float(1 - np.trace(counts) / total - quantity), 0.0),
    )
