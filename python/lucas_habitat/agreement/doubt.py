"""How sure measures are: standard errors and intervals that respect points, weights and shares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._base.bootstrap import Interval, draws
from .._base.intervals import (
    Ratio,
    Worth,
    inverse_numbers,
    joined,
    mixed_with_copies,
    ratio_interval,
    ratio_of_pairs,
    sum_interval,
    wilson_interval,
    worth_of,
)
from .._base.sums import summed_by
from .._base.types import Floats
from .compared import Pairs, Sample
from .measures import Measures, influences, measures

__all__ = ["Intervals", "intervals", "standard_errors"]

# Rows that a class is given, half of them right, before variances at the land's shares are taken (Jeffreys).
_ADDED = 1.0
# Kinds of points times bootstrap samples: so many numbers are drawn in ten seconds.
_MOST_DRAWS = 200_000_000


def standard_errors(sample: Sample) -> Measures:
    """Standard errors of measures, by linearisation over points.

    Without weights and shares that of kappa is the one of Fleiss, Cohen & Everitt (1969). With weights,
    points are drawn with replacement as survey designs take them, n - 1 of n; with shares, within
    classes.
    """
    change, scales = influences(sample.total), _scales(sample)
    of_classes = _errors_of_classes if sample.shares is None else _errors_at_shares
    producers, users, f1 = of_classes(sample, scales)
    return Measures(
        overall_accuracy=np.asarray(_error(sample, scales, change.overall_accuracy)),
        kappa=np.asarray(_error(sample, scales, change.kappa)),
        producers_accuracy=producers,
        users_accuracy=users,
        f1=f1,
    )


def _scales(sample: Sample) -> Floats:
    """What rows of each reference class count in standard errors, for their share and the mean they lack."""
    shares, n_points = sample.shares, sample.n_points
    if shares is not None:
        n, totals = sample.n_points_of, sample.counts.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # One point of a class does not tell how its points vary.
            freedom = np.sqrt(np.where(n > 1, n / (n - 1.0), np.nan))
            return np.where(shares > 0, shares / totals * freedom, 0.0)
    if sample.cells.square is not None:
        of_all = np.sqrt(n_points / (n_points - 1.0)) if n_points > 1 else np.nan
        return np.full(sample.k, of_all)
    return np.ones(sample.k)


def _error(sample: Sample, scales: Floats, change: Floats) -> float:
    """The standard error of a measure on which the rows of cells have these influences."""
    cells = sample.cells
    if sample.shares is not None:
        # The classes' shares are given, so only what differs within a class is in doubt.
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (sample.total * change).sum(axis=0) / sample.shares
            change = change - np.where(sample.shares > 0, mean, 0)
    by_kind = cells.by_kind((change * scales).ravel()[cells.cell] * cells.value)
    return float(np.sqrt((by_kind**2 * cells.times).sum()))


def _errors_of_classes(sample: Sample, scales: Floats) -> tuple[Floats, Floats, Floats]:
    """Standard errors of producer's and user's accuracies and F1, of the rows as they are."""
    values = measures(sample.total)
    truth, predicted = sample.total.sum(axis=0), sample.total.sum(axis=1)

    def errors(pairs: Pairs, value: Floats, of: Floats, size: Floats, times: int = 1) -> Floats:
        left = times * pairs.right - value[pairs.label] * of
        squares = np.bincount(pairs.label, left**2 * pairs.times, minlength=sample.k)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(squares) / size * scales

    either = sample.either
    return (
        errors(sample.by_truth, values.producers_accuracy, sample.by_truth.value, truth),
        errors(sample.by_predicted, values.users_accuracy, sample.by_predicted.value, predicted),
        # F1 counts a right row twice: among those of the class, and among those called it.
        errors(either, values.f1, either.value + either.right, truth + predicted, 2),
    )


def _errors_at_shares(sample: Sample, scales: Floats) -> tuple[Floats, Floats, Floats]:
    """The same at the land's shares, which all rows of a reference class tell of."""
    values, k = measures(sample.total), sample.k
    truth, predicted = sample.total.sum(axis=0), sample.total.sum(axis=1)
    errors = np.full((3, k), np.nan)
    for c in range(k):
        hit, is_truth, is_predicted = (np.zeros((k, k)) for _ in range(3))
        hit[c, c], is_truth[:, c], is_predicted[c] = 1, 1, 1
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = (
                (hit - values.producers_accuracy[c] * is_truth) / truth[c],
                (hit - values.users_accuracy[c] * is_predicted) / predicted[c],
                (2 * hit - values.f1[c] * (is_truth + is_predicted)) / (truth[c] + predicted[c]),
            )
        errors[:, c] = [_error(sample, scales, change) for change in changes]
    return errors[0], errors[1], errors[2]


class Intervals(NamedTuple):
    """The interval of each measure, and of the reference classes' shares."""

    overall_accuracy: Interval
    kappa: Interval
    producers_accuracy: Interval
    users_accuracy: Interval
    f1: Interval
    share: Interval


def intervals(sample: Sample, n_boot: int, level: float, seed: int) -> Intervals:
    """Intervals of all measures; NaN without samples."""
    if n_boot == 0:
        values = measures(sample.total)
        return Intervals(*[Interval(v * np.nan, v * np.nan) for v in (*values, values.f1)])
    of_points = sample.of_points
    all_right = _ratio(of_points, of_points.right, 1)
    worth = worth_of(all_right, sample.n_points, level)
    truth, predicted, either = sample.by_truth, sample.by_predicted, sample.either
    producers = _ratio(truth, truth.right, sample.k)
    if sample.shares is not None:
        return _intervals_at_shares(sample, sample.shares, producers, worth, level)
    overall = wilson_interval(all_right.value, np.array([worth.inverse]), level)
    # F1 is 2 J / (1 + J) of the share J that is right of all rows that are or are called the class.
    jaccard = _class_interval(_ratio(either, either.right, sample.k), worth, level)
    # The rows of a point are of one class.
    alike_rows = worth._replace(correlation=1.0)
    return Intervals(
        overall_accuracy=Interval(overall.low[0], overall.high[0]),
        kappa=_kappa_interval(sample, all_right, worth, n_boot, level, seed),
        producers_accuracy=_class_interval(producers, worth, level),
        users_accuracy=_class_interval(_ratio(predicted, predicted.right, sample.k), worth, level),
        f1=Interval(*(2 * j / (1 + j) for j in jaccard)),
        share=_class_interval(_shares_of_all(sample), alike_rows, level),
    )


def _ratio(pairs: Pairs, rows: Floats, k: int) -> Ratio:
    """The shares that some rows have of those of each label."""
    return ratio_of_pairs(pairs.label, rows, pairs.value, pairs.square, pairs.times, k)


def _shares_of_all(sample: Sample) -> Ratio:
    """The shares that the rows of each reference class have of all: one class after another."""
    of, pairs = sample.of_points, sample.by_truth
    by_class = []
    for c in range(sample.k):
        is_of_class = pairs.label == c
        kind, value = pairs.kind[is_of_class], pairs.value[is_of_class]
        by_class.append(_ratio(of, summed_by(kind, value, len(of.value)), 1))
    return joined(by_class)


def _class_interval(ratio: Ratio, worth: Worth, level: float) -> Interval:
    return wilson_interval(ratio.value, inverse_numbers(ratio, worth, level), level)


def _kappa_interval(
    sample: Sample, right: Ratio, worth: Worth, n_boot: int, level: float, seed: int
) -> Interval:
    """The interval of kappa, from its variance by bootstrap over points.

    Kappa is 1 - D / E of the shares of rows that disagree, D, and that would by chance, E. Its variance
    times E squared is that of a share D of a certain effective number of rows, at which Wilson's
    interval of D is an interval of kappa.
    """
    kappa, accuracy = measures(sample.total).kappa, right.value[0]
    if np.isnan(kappa):
        return Interval(kappa, kappa)
    variance = _variance_of_kappa(sample, n_boot, seed)
    predicted, truth = (sample.total.sum(axis=axis) / sample.total.sum() for axis in (1, 0))
    by_chance = 1 - predicted @ truth
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = variance * by_chance**2 / (accuracy * (1 - accuracy))
    mixed = mixed_with_copies(right._replace(shown=np.array([shown])))
    low, high = wilson_interval(1 - right.value, mixed * worth.inflation, level)
    return Interval(1 - high[0] / by_chance, 1 - low[0] / by_chance)


def _variance_of_kappa(sample: Sample, n_boot: int, seed: int) -> float:
    """By bootstrap over points; of so many kinds of points that this takes minutes, by linearisation."""
    cells = sample.cells.by_value()
    if len(cells.times) * n_boot > _MOST_DRAWS:
        return float(standard_errors(sample).kappa ** 2)
    kinds, shape = cells.matrix(), (-1, sample.k, sample.k)
    drawn = draws(cells.times, n_boot, np.random.default_rng(seed))
    samples = [measures((kinds.T @ weights.T).T.reshape(shape)).kappa for weights in drawn]
    return float(np.nanvar(np.concatenate(samples)))


def _intervals_at_shares(
    sample: Sample, shares: Floats, producers: Ratio, worth: Worth, level: float
) -> Intervals:
    """Wilson's intervals at the land's shares.

    Those of overall accuracy and kappa have effective numbers of their variances by linearisation, where
    each class is given a row more, half of it right: so what was not seen among few rows is not ruled out,
    the less the more land the class has. Those of user's accuracies and F1 are put together from
    Wilson's of single cells, because one error of a class of much land outweighs all rows of a rare
    one, which no linearisation tells.
    """
    inverse = inverse_numbers(producers, worth, level)
    values, k = measures(sample.total), len(shares)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(shares > 0, sample.total / shares, 0.0)
        rows = np.where(shares > 0, 1 / inverse, 0.0)
    added = np.full((k, k), _ADDED / 2 / max(k - 1, 1))
    np.fill_diagonal(added, _ADDED / 2)
    smooth = (within * rows + added) / (rows + added.sum(axis=0))
    land = smooth * shares
    at_land, change = measures(land), influences(land)

    def interval(value: Floats, at_land: Floats, change: Floats, scale: float = 1.0) -> Interval:
        spread = (smooth * change**2).sum(axis=0) - (smooth * change).sum(axis=0) ** 2
        variance = np.where(shares > 0, shares**2 * inverse * spread, 0.0).sum() * scale**2
        with np.errstate(divide="ignore", invalid="ignore"):
            return wilson_interval(value, variance / (at_land * (1 - at_land)), level)

    by_chance, chance_at_land = (1 - t.sum(axis=0) @ t.sum(axis=1) for t in (sample.total, land))
    disagreement = interval(
        1 - values.overall_accuracy, 1 - at_land.overall_accuracy, change.kappa, chance_at_land
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (1 - end / by_chance for end in reversed(disagreement))
    users, f1 = _class_intervals_at_shares(sample.total, shares, inverse, level)
    return Intervals(
        overall_accuracy=interval(
            values.overall_accuracy, at_land.overall_accuracy, change.overall_accuracy
        ),
        kappa=Interval(*(np.where(np.isnan(values.kappa), np.nan, end) for end in (low, high))),
        producers_accuracy=wilson_interval(values.producers_accuracy, inverse, level),
        users_accuracy=users,
        f1=f1,
        # They are given.
        share=Interval(values.f1 * np.nan, values.f1 * np.nan),
    )


def _class_intervals_at_shares(
    total: Floats, shares: Floats, inverse: Floats, level: float
) -> tuple[Interval, Interval]:
    """Intervals of user's accuracies and F1, from those of the cells of reference classes.

    The rows that are right of a class, and the wrong ones of the others called it, are of different
    reference classes, so they are independent. User's accuracy is R / (1 + R) of the quotient R of
    the two.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(shares > 0, total / shares, 0.0)
    low, high = wilson_interval(within, np.where(shares > 0, inverse, 0.0), level)
    low, high = low * shares, high * shares
    right = np.diagonal(total)
    of_right = Interval(np.diagonal(low), np.diagonal(high))
    is_wrong = ~np.eye(len(shares), dtype=bool)
    cells, ends = total * is_wrong, Interval(low * is_wrong, high * is_wrong)
    wrong, of_wrong = cells.sum(axis=1), sum_interval(cells, ends)
    odds = ratio_interval(right, of_right, wrong, of_wrong)
    # As without shares, F1 by the share that is right of all that is or is called the class.
    jaccard = ratio_interval(
        right, of_right, wrong + shares, Interval(*(end + shares for end in of_wrong))
    )
    values = measures(total)
    users = [1 - 1 / (1 + end) for end in odds]
    f1 = [2 * end / (1 + end) for end in jaccard]
    return _around(values.users_accuracy, *users), _around(values.f1, *f1)


def _around(value: Floats, low: Floats, high: Floats) -> Interval:
    """An interval of shares, NaN where the value is, that holds it in spite of rounding."""
    return Interval(
        np.where(np.isnan(value), np.nan, np.clip(low, 0, value)),
        np.where(np.isnan(value), np.nan, np.clip(high, value, 1)),
    )
