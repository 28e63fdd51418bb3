"""How sure measures are: standard errors and intervals that respect points, weights and shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._base.bootstrap import Interval, alike, draws
from .._base.intervals import (
    Ratio,
    Worth,
    inverse_numbers,
    mixed_with_copies,
    ratio_interval,
    ratio_of,
    sum_interval,
    wilson_interval,
    worth_of,
)
from .._base.types import Floats
from .compared import Sample
from .measures import Measures, influences, measures

__all__ = ["Intervals", "intervals", "standard_errors"]

# Rows that a class is given, half of them right, before variances at the land's shares are taken (Jeffreys).
_ADDED = 1.0


def standard_errors(sample: Sample) -> Measures:
    """Standard errors of measures, by linearisation over points.

    Without weights and shares that of kappa is the one of Fleiss, Cohen & Everitt (1969). With weights,
    points are drawn with replacement as survey designs take them, n - 1 of n; with shares, within
    classes.
    """
    counts, shares = sample.counts, sample.shares
    by_class = np.ones(counts.shape[-1])
    scale = np.ones(counts.shape[-1])
    if shares is not None:
        totals = counts.sum(axis=(0, 1))
        n = (counts.sum(axis=1) > 0).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(shares > 0, shares / totals, 0.0)
            # One point of a class does not tell how its points vary.
            by_class = np.where(shares > 0, np.sqrt(np.where(n > 1, n / (n - 1.0), np.nan)), 0.0)
    elif sample.squares is not None:
        by_class *= np.sqrt(len(counts) / (len(counts) - 1.0)) if len(counts) > 1 else np.nan

    def error(change: Floats) -> float:
        if shares is not None:
            # The classes' shares are given, so only what differs within a class is in doubt.
            with np.errstate(invalid="ignore"):
                change = change - np.where(
                    shares > 0, (sample.total * change).sum(axis=0) / shares, 0
                )
        by_point = np.einsum("pij,ij->pj", counts, change) * scale @ by_class
        return float(np.sqrt((by_point**2).sum()))

    def errors(changes: Floats) -> Floats:
        return np.array([error(change) for change in changes])

    change = influences(sample.total)
    return Measures(
        overall_accuracy=np.asarray(error(change.overall_accuracy)),
        kappa=np.asarray(error(change.kappa)),
        producers_accuracy=errors(change.producers_accuracy),
        users_accuracy=errors(change.users_accuracy),
        f1=errors(change.f1),
    )


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
    all_right = _ratio(sample, _all_right, _all)
    worth = worth_of(all_right, len(sample.counts), level)
    if sample.shares is not None:
        return _intervals_at_shares(sample, sample.shares, worth, level)
    overall = wilson_interval(all_right.value, np.array([worth.inverse]), level)
    # F1 is 2 J / (1 + J) of the share J that is right of all rows that are or are called the class.
    jaccard = _class_interval(_ratio(sample, _right, _either), worth, level)
    # The rows of a point are of one class.
    alike_rows = worth._replace(correlation=1.0)
    return Intervals(
        overall_accuracy=Interval(overall.low[0], overall.high[0]),
        kappa=_kappa_interval(sample, all_right, worth, n_boot, level, seed),
        producers_accuracy=_class_interval(_ratio(sample, _right, _truth), worth, level),
        users_accuracy=_class_interval(_ratio(sample, _right, _predicted), worth, level),
        f1=Interval(*(2 * j / (1 + j) for j in jaccard)),
        share=_class_interval(_ratio(sample, _truth, _all), alike_rows, level),
    )


# ---- shares of rows, from cells of shape (points, predicted, reference) ------------------------
def _right(cells: Floats) -> Floats:
    rows: Floats = np.einsum("pcc->pc", cells)
    return rows


def _all_right(cells: Floats) -> Floats:
    rows: Floats = _right(cells).sum(axis=1, keepdims=True)
    return rows


def _predicted(cells: Floats) -> Floats:
    rows: Floats = cells.sum(axis=2)
    return rows


def _truth(cells: Floats) -> Floats:
    rows: Floats = cells.sum(axis=1)
    return rows


def _either(cells: Floats) -> Floats:
    return _truth(cells) + _predicted(cells) - _right(cells)


def _all(cells: Floats) -> Floats:
    rows: Floats = cells.sum(axis=(1, 2))[:, None]
    return rows


def _ratio(
    sample: Sample, rows: Callable[[Floats], Floats], of: Callable[[Floats], Floats]
) -> Ratio:
    """The share that some rows have of others, or those that classes have."""
    part, whole = rows(sample.counts), of(sample.counts)
    squares = None if sample.squares is None else of(sample.squares)
    if whole.shape != part.shape:
        whole = np.broadcast_to(whole, part.shape)
        squares = None if squares is None else np.broadcast_to(squares, part.shape)
    return ratio_of(part, whole, squares)


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
    kinds, times = alike(sample.counts.reshape(len(sample.counts), -1))
    shape = (-1, *sample.total.shape)
    samples = np.concatenate(
        [
            measures((weights @ kinds).reshape(shape)).kappa
            for weights in draws(times, n_boot, np.random.default_rng(seed))
        ]
    )
    predicted, truth = (sample.total.sum(axis=axis) / sample.total.sum() for axis in (1, 0))
    by_chance = 1 - predicted @ truth
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.nanvar(samples) * by_chance**2 / (accuracy * (1 - accuracy))
    mixed = mixed_with_copies(right._replace(shown=np.array([shown])))
    low, high = wilson_interval(1 - right.value, mixed * worth.inflation, level)
    return Interval(1 - high[0] / by_chance, 1 - low[0] / by_chance)


def _intervals_at_shares(sample: Sample, shares: Floats, worth: Worth, level: float) -> Intervals:
    """Wilson's intervals at the land's shares.

    Those of overall accuracy and kappa have effective numbers of their variances by linearisation, where
    each class is given a row more, half of it right: so what was not seen among few rows is not ruled out,
    the less the more land the class has. Those of user's accuracies and F1 are put together from
    Wilson's of single cells, because one error of a class of much land outweighs all rows of a rare
    one, which no linearisation tells.
    """
    inverse = inverse_numbers(_ratio(sample, _right, _truth), worth, level)
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
