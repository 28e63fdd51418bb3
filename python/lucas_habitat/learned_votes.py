"""Five views seen as one: how the photos of a point come to one class, as held-out points taught it.

Some directions tell more of a point than others, and photos of one point err together. With ``e_i`` the
probabilities of photo i at equal class shares, ``a_i`` the weight of its direction, shared by the photos
that a point has of it, ``s`` the class shares of the held-out photos and ``m = sum(a)^2 / sum(a^2)`` (over
directions; the number of views where weights are equal), a point's probabilities are proportional to

    s * E ** (m ** g * t ** (1 - 1 / m)) * exp(b * (1 - 1 / m)),

with ``E`` the weighted mean of ``e_i`` or of their logarithms. Photos of no known direction count as a view
each, of weight 1. "stacking" puts a multinomial logistic regression in place of the power of ``E``, on
``log(E)`` and on how far each direction's logarithms are from it, which are 0 where a view is missing. A
point with one view keeps its probabilities.

Which way is taken, held-out points tell that it was not fitted to: the simplest whose log loss is within
one standard error of the best (Breiman et al. 1984). The sharpness ``t`` is fitted to the same predictions,
so that what was chosen is as sure as it should be.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base.cards import CandidateCard, LearnedVoteCard
from ._base.types import Floats
from .point_calibration import (
    VIEWS,
    WAYS,
    LearnedVote,
    evened,
    learned_to_card,
    scores,
    soft_target,
)

__all__ = ["FEWEST", "fit_learned_vote", "learned_probabilities"]

#: Held-out points with several photos below which nothing is chosen: the vote is then the mean.
FEWEST = 50

# Stacking has 6 k^2 numbers: so many points, also of each class, and so few classes it is tried with.
_FEWEST_TO_STACK = 100
_FEWEST_OF_CLASS = 10
_MOST_CLASSES = 8
_STACK_C = (0.1, 0.3, 1.0)  # scikit-learn's inverse strength of the penalty
_FOLDS = 5
_LOG_WEIGHT_SD = 0.5  # of the normal prior of weights' logarithms
_FAVOUR_SD = 0.5
_LOG_SHARPNESS_SD = 0.3
_EXPONENTS = (-1.0, 2.0)


class _Views(NamedTuple):
    """The photos of points, sorted by point."""

    even: Floats  # (photos, classes), probabilities at equal class shares
    logs: Floats  # (photos, classes), their logarithms, 0 on the mean of a row
    direction: npt.NDArray[np.intp]  # (photos,), numbers of VIEWS, len(VIEWS) for all else
    part: Floats  # (photos,), 1 divided by the photos that the point has of the direction
    starts: npt.NDArray[np.intp]  # (points,), the first photo of each

    def of(self, points: npt.NDArray[np.intp]) -> _Views:
        """Those of some points, in their order."""
        ends = np.append(self.starts[1:], len(self.part))
        sizes = (ends - self.starts)[points]
        starts = np.append(0, sizes.cumsum()[:-1])
        rows = np.repeat(self.starts[points] - starts, sizes) + np.arange(sizes.sum())
        return _Views(
            self.even[rows], self.logs[rows], self.direction[rows], self.part[rows], starts
        )

    def summed(self, values: Floats) -> Floats:
        """Sums over the photos of each point."""
        sums: Floats = np.add.reduceat(values, self.starts, axis=0)
        return sums


def learned_probabilities(
    p: Floats,
    point: npt.NDArray[np.intp],
    n_points: int,
    direction: pd.Series,
    shares: Floats,
    learned: LearnedVote,
) -> Floats:
    """Probabilities of points by a learned vote, (points, classes); NaN without a photo.

    Parameters
    ----------
    p : array of shape (photos, classes)
        Calibrated probabilities.
    point : array of shape (photos,)
        The number of each photo's point.
    n_points : int
    direction : pandas.Series of shape (photos,)
        Letters; missing where not known.
    shares : array of shape (classes,)
        See `PointCalibration`.
    learned : LearnedVote
    """
    from scipy.special import softmax  # only whoever votes needs it

    right = np.full((n_points, p.shape[1]), np.nan)
    if len(p):
        has_photo = np.bincount(point, minlength=n_points) > 0
        views = _views(p, point, direction, shares)
        right[has_photo] = softmax(_scores(views, shares, learned), axis=1)
    return right


def _views(p: Floats, point: npt.NDArray[np.intp], direction: pd.Series, shares: Floats) -> _Views:
    """Photos sorted by point, with what each counts within its direction."""
    codes = pd.Categorical(direction, categories=VIEWS).codes.astype(np.intp)
    codes[codes < 0] = len(VIEWS)
    seat = point * (len(VIEWS) + 1) + codes
    # Two photos to the north are one view; two of no known direction are two.
    part = np.where(codes < len(VIEWS), 1 / np.bincount(seat)[seat], 1.0)
    order = np.argsort(point, kind="stable")
    starts = np.flatnonzero(np.diff(point[order], prepend=-1))
    even = evened(p, shares)[order]
    logs = np.log(even)
    logs -= logs.mean(axis=1, keepdims=True)
    return _Views(even, logs, codes[order], part[order], starts)


# ---- how views are pooled ------------------------------------------------------------------------


def _pooled(views: _Views, weights: Floats, in_logs: bool) -> tuple[Floats, Floats]:
    """Logarithms of each point's pooled probabilities up to a constant, and how many views they are worth."""
    weight = np.append(weights, 1.0)[views.direction] * views.part
    total = views.summed(weight)
    values = views.logs if in_logs else views.even
    sums = views.summed(weight[:, None] * values) / total[:, None]
    n = total**2 / views.summed(weight**2 / views.part)
    n[n < 1 + 1e-9] = 1  # one view is one view to the last bit
    return (sums if in_logs else np.log(sums)), n


def _scores(views: _Views, shares: Floats, learned: LearnedVote) -> Floats:
    """Logarithms of points' probabilities up to a constant a row, (points, classes)."""
    if learned.way == "mean":  # each photo counts, as in the mean vote
        views = views._replace(part=np.ones_like(views.part))
    in_logs = learned.way not in ("mean", "weighted_mean")
    evidence, n = _pooled(views, learned.weights, in_logs)
    sharpness = learned.sharpness ** (1 - 1 / n)[:, None]
    if learned.way != "stacking":
        return scores(evidence * sharpness, n, shares, learned.exponent, learned.favour)
    features = _features(views, evidence, n, learned.exponent)
    matrix = np.concatenate(list(learned.stack), axis=1)
    stacked = np.log(shares) + features @ matrix.T * sharpness + learned.favour
    return np.where(n[:, None] > 1, stacked, np.log(shares) + evidence)


def _features(views: _Views, evidence: Floats, n: Floats, exponent: float) -> Floats:
    """What stacking sees: pooled logarithms, and how far each direction's are from them.

    Of shape (points, 6 classes). A view that is missing is not far from the others.
    """
    point = np.zeros(len(views.part), dtype=np.intp)
    point[views.starts[1:]] = 1
    point = point.cumsum()
    apart = np.zeros((len(evidence), len(VIEWS) + 1, evidence.shape[1]))
    np.add.at(apart, (point, views.direction), (views.logs - evidence[point]) * views.part[:, None])
    # Divided by their number, as the parts of a mean are.
    apart = apart[:, : len(VIEWS)].reshape(len(evidence), -1) / len(VIEWS)
    times = n[:, None] ** exponent
    features: Floats = np.concatenate([evidence, apart], axis=1) * times
    return features


# ---- how they are fitted, and which is chosen ------------------------------------------------------


class _Points(NamedTuple):
    """Held-out points with several photos."""

    views: _Views
    truth: npt.NDArray[np.intp]  # (points,), numbers of classes
    group: npt.NDArray[np.intp]  # (points,), the same for a point in all years
    weights: Floats  # (points,), what each counts, 1 in the mean
    shares: Floats

    def of(self, points: npt.NDArray[np.intp]) -> _Points:
        """Some of them."""
        parts = (self.truth[points], self.group[points], self.weights[points])
        return _Points(self.views.of(points), *parts, self.shares)


class _Candidate(NamedTuple):
    """A way to vote, and how strongly stacking is held back."""

    way: str
    c: float = 0.0

    @property
    def rank(self) -> int:
        """The less, the simpler."""
        return WAYS.index(self.way)


class _Tested(NamedTuple):
    """What a candidate was in each fold, and the points of that fold."""

    folds: list[tuple[LearnedVote, _Points]]
    losses: Floats  # (points,), in the order of all points


def fit_learned_vote(
    p: Floats,
    point: npt.NDArray[np.intp],
    direction: pd.Series,
    truth: npt.NDArray[np.intp],
    group: npt.NDArray[np.intp],
    weights: Floats,
    shares: Floats,
) -> LearnedVoteCard:
    """Learn from held-out points how to vote.

    Parameters
    ----------
    p : array of shape (photos, classes)
        Calibrated probabilities of held-out photos.
    point : array of shape (photos,)
        The number of each photo's point and year.
    direction : pandas.Series of shape (photos,)
    truth, group : arrays of shape (points,)
        The number of each point's class, and of the point, whatever its year.
    weights : array of shape (points,)
        What each point counts, 1 in the mean.
    shares : array of shape (classes,)

    Returns
    -------
    LearnedVoteCard
    """
    k = p.shape[1]
    points = _several(p, point, direction, truth, group, weights, shares)
    n_groups = len(np.unique(points.group))
    plain = LearnedVote("mean", n_groups, 0.0, 1.0, *_neutral(k))
    if n_groups < FEWEST:
        return learned_to_card(plain, {})
    tested = _cross_fitted(points)
    chosen = _simplest(tested, points.group)
    cards = _cards(tested, points.group)
    if chosen.way == "mean":  # the correction of the mean vote says the rest
        return learned_to_card(plain, cards)
    learned = _fit(chosen, points)._replace(n_points=n_groups)
    sharpness = _likeliest_sharpness(tested[chosen])
    return learned_to_card(learned._replace(sharpness=sharpness), cards)


def _neutral(k: int) -> tuple[Floats, Floats, Floats]:
    """No favour, equal weights, no stack."""
    return np.zeros(k), np.ones(len(VIEWS)), np.zeros((0, k, k))


def _several(
    p: Floats,
    point: npt.NDArray[np.intp],
    direction: pd.Series,
    truth: npt.NDArray[np.intp],
    group: npt.NDArray[np.intp],
    weights: Floats,
    shares: Floats,
) -> _Points:
    """The points with several photos."""
    has_several = np.bincount(point, minlength=len(truth)) > 1
    rows = has_several[point]
    views = _views(p[rows], point[rows], direction[rows].reset_index(drop=True), shares)
    return _Points(
        views, truth[has_several], pd.factorize(group[has_several])[0], weights[has_several], shares
    )


def _candidates(points: _Points) -> list[_Candidate]:
    """The ways that so many points can tell apart, the simplest first."""
    candidates = [_Candidate("mean"), _Candidate("log_mean")]
    if len(np.unique(points.views.direction)) < 2:  # nothing tells directions apart
        return candidates
    candidates += [_Candidate("weighted_mean"), _Candidate("weighted_log_mean")]
    k = len(points.shares)
    counts = np.bincount(points.truth, minlength=k)
    is_enough = len(np.unique(points.group)) >= _FEWEST_TO_STACK
    if is_enough and counts.min() >= _FEWEST_OF_CLASS and k <= _MOST_CLASSES:
        candidates += [_Candidate("stacking", c) for c in _STACK_C]
    return candidates


def _cross_fitted(points: _Points) -> dict[_Candidate, _Tested]:
    """How each candidate does on points that it was not fitted to, none of them in two folds."""
    from sklearn.model_selection import GroupKFold

    n = len(points.truth)
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=1)
    candidates = _candidates(points)
    tested = {candidate: _Tested([], np.empty(n)) for candidate in candidates}
    for fit, test in folds.split(np.zeros(n), groups=points.group):
        fitted, held_out = points.of(fit), points.of(test)
        pools = {c.way: _fit_pool(c.way, fitted) for c in candidates if c.way != "stacking"}
        for candidate, result in tested.items():
            learned = pools.get(candidate.way) or _fit_stack(
                pools["weighted_log_mean"], candidate.c, fitted
            )
            result.folds.append((learned, held_out))
            result.losses[test] = _losses(learned, held_out)
    return tested


def _losses(learned: LearnedVote, points: _Points) -> Floats:
    """The log loss of each point, times what it counts."""
    from scipy.special import log_softmax

    logs = log_softmax(_scores(points.views, points.shares, learned), axis=1)
    losses: Floats = -logs[np.arange(len(points.truth)), points.truth] * points.weights
    return losses


def _simplest(tested: dict[_Candidate, _Tested], group: npt.NDArray[np.intp]) -> _Candidate:
    """The simplest candidate whose loss is within one standard error of the least."""
    best = min(tested, key=lambda c: tested[c].losses.mean())
    near = []
    for candidate, result in tested.items():
        difference, se = _difference(result.losses - tested[best].losses, group)
        if difference <= se:
            near.append(candidate)
    simplest = min(c.rank for c in near)
    return min(
        (c for c in near if c.rank == simplest), key=lambda c: float(tested[c].losses.mean())
    )


def _difference(losses: Floats, group: npt.NDArray[np.intp]) -> tuple[float, float]:
    """The mean of paired differences, and its standard error, clustered by point."""
    mean = losses.mean()
    sums = np.bincount(group, losses - mean)
    return float(mean), float(np.sqrt((sums**2).sum()) / len(losses))


def _cards(
    tested: dict[_Candidate, _Tested], group: npt.NDArray[np.intp]
) -> dict[str, CandidateCard]:
    """How each way did, by its best candidate, beside the mean."""
    mean = tested[_Candidate("mean")].losses
    cards: dict[str, CandidateCard] = {}
    for candidate, result in tested.items():
        loss = float(result.losses.mean())
        if candidate.way in cards and cards[candidate.way]["log_loss"] <= loss:
            continue
        difference, se = _difference(result.losses - mean, group)
        cards[candidate.way] = {"log_loss": loss, "difference": difference, "se": se}
    return cards


def _fit(candidate: _Candidate, points: _Points) -> LearnedVote:
    """A way to vote, by penalised likelihood."""
    if candidate.way == "stacking":
        return _fit_stack(_fit_pool("weighted_log_mean", points), candidate.c, points)
    return _fit_pool(candidate.way, points)


def _fit_pool(way: str, points: _Points) -> LearnedVote:
    """Exponent, favours and weights, as `point_calibration` fits them: the target is soft, priors normal."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    k, n = len(points.shares), len(points.truth)
    target = soft_target(points.truth, k) * points.weights[:, None]
    n_weights = len(VIEWS) if way.startswith("weighted") else 0
    # The mean is the vote that `point_calibration` puts right. Elsewhere favours also choose the class.
    favour_sd = 1.0 if way == "mean" else _FAVOUR_SD

    def learned_of(x: Floats) -> LearnedVote:
        favour = x[1 : k + 1] - x[1 : k + 1].mean()
        weights = np.exp(x[k + 1 :]) if n_weights else np.ones(len(VIEWS))
        return LearnedVote(
            way, n, float(x[0]), 1.0, favour, weights / weights.mean(), np.zeros((0, k, k))
        )

    def loss(x: Floats) -> float:
        logs = log_softmax(_scores(points.views, points.shares, learned_of(x)), axis=1)
        penalty = (x[1 : k + 1] ** 2).sum() / favour_sd**2
        penalty += (x[k + 1 :] ** 2).sum() / _LOG_WEIGHT_SD**2
        return float((penalty / 2 - (target * logs).sum()) / n)

    bounds = [_EXPONENTS, *[(-5.0, 5.0)] * k, *[(-3.0, 3.0)] * n_weights]
    best = minimize(
        loss, np.zeros(len(bounds)), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-7}
    )
    return learned_of(best.x)


def _fit_stack(base: LearnedVote, c: float, points: _Points) -> LearnedVote:
    """Stacking on top of weighted logarithms."""
    from sklearn.linear_model import LogisticRegression

    k = len(points.shares)
    evidence, n = _pooled(points.views, base.weights, in_logs=True)
    features = _features(points.views, evidence, n, base.exponent)
    # One view says all that is to be said, so such points teach nothing; and each class has a row that
    # says nothing, because scikit-learn leaves out classes that a fold lacks.
    is_used = n > 1
    model = LogisticRegression(C=c, max_iter=1000).fit(
        np.concatenate([features[is_used], np.zeros((k, features.shape[1]))]),
        np.concatenate([points.truth[is_used], np.arange(k)]),
        sample_weight=np.concatenate([points.weights[is_used], np.ones(k)]),
    )
    matrix, intercept = model.coef_, model.intercept_
    if k == 2:
        matrix, intercept = (np.concatenate([-v / 2, v / 2]) for v in (matrix, intercept))
    stack = np.stack(np.split(matrix, 1 + len(VIEWS), axis=1))
    return base._replace(way="stacking", favour=intercept - np.log(points.shares), stack=stack)


def _likeliest_sharpness(tested: _Tested) -> float:
    """The power of the evidence under which points are likeliest that it was not fitted to."""
    from scipy.optimize import minimize_scalar

    def loss(log_sharpness: float) -> float:
        sharpness = float(np.exp(log_sharpness))
        losses = sum(
            _losses(learned._replace(sharpness=sharpness), points).sum()
            for learned, points in tested.folds
        )
        return float(losses + (log_sharpness / _LOG_SHARPNESS_SD) ** 2 / 2)

    best = minimize_scalar(loss, bounds=(-0.7, 0.7), method="bounded")
    return float(np.exp(best.x))
