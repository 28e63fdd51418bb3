"""Probabilities of points, put right after the vote: calibrated photos do not make calibrated points.

The mean of five photos is less sure than the five are together, and their product is surer than it
should be, because photos of one point err together. How much, and in whose favour, held-out points
tell. With n photos of a point, ``e`` their pooled probabilities at equal class shares (the mean, or
for the vote "product" the geometric mean), and ``s`` the class shares of the held-out photos, the
point's probabilities are proportional to

    s * e ** (n ** g) * exp(b * (1 - 1 / n)).

The exponent g is 0 where photos say the same again and 1 where each is news; b favours classes. A
point with one photo keeps that photo's probabilities.

What held-out points taught about voting itself (`learned_votes`) goes with it, on the card and in the
column that predictions carry.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._base.cards import CalibrationCard, CandidateCard, LearnedVoteCard, PointCalibrationCard
from ._base.sums import rows_summed_by
from ._base.types import Floats
from .errors import InputError, LucasError

__all__ = [
    "COLUMN",
    "VIEWS",
    "WAYS",
    "LearnedVote",
    "PointCalibration",
    "check_calibration",
    "evened",
    "fit_point_calibration",
    "from_card",
    "from_text",
    "learned_to_card",
    "pooled",
    "put_right",
    "scores",
    "soft_target",
    "to_card",
    "to_text",
]

#: The column of predictions that carries a model's correction to the vote, through files and R alike.
COLUMN = "vote_calibration"
#: Votes pool photos in two ways; the majority's probabilities are those of the mean, and so are those of
#: a learned vote where nothing better was shown.
POOLS = {"majority": "mean", "mean": "mean", "product": "product", "learned": "mean"}
#: How a learned vote may pool views, the simplest first: the mean of their probabilities or of their
#: logarithms, either with a weight a direction, or stacking.
WAYS = ("mean", "log_mean", "weighted_mean", "weighted_log_mean", "stacking")
#: Directions that a learned vote weighs.
VIEWS = ("P", "N", "E", "S", "W")
#: Points below which a correction is rough.
FEW_POINTS = 30
_LEAST = 1e-9  # what a smaller probability is taken for
_EXPONENTS = (-1.0, 2.0)


class Correction(NamedTuple):
    """What is put right of one way to pool photos."""

    exponent: float
    favour: Floats  # (classes,), in units of log-odds, summing to 0


class LearnedVote(NamedTuple):
    """What held-out points taught about voting; `learned_votes` says how it is used."""

    way: str  # one of WAYS
    n_points: int
    exponent: float
    sharpness: float
    favour: Floats  # (classes,)
    weights: Floats  # (5,), by direction, 1 on the mean
    stack: Floats  # (6, classes, classes) of the way "stacking", else (0, classes, classes)


class PointCalibration(NamedTuple):
    """A model's corrections, and the class shares that its photos' probabilities go with."""

    shares: Floats  # (classes,), summing to 1
    corrections: dict[str, Correction]  # by pool
    learned: LearnedVote | None = None  # None of models of before votes were learned


def pooled(
    p: Floats, point: npt.NDArray[np.intp], n_points: int, shares: Floats, pool: str
) -> Floats:
    """Photos' probabilities at equal class shares, pooled by point.

    Parameters
    ----------
    p : array of shape (photos, classes)
    point : array of shape (photos,)
        The number of each photo's point.
    n_points : int
    shares : array of shape (classes,)
    pool : {"mean", "product"}

    Returns
    -------
    array of shape (points, classes)
        Logarithms; rows of points without a photo are NaN.
    """
    even = evened(p, shares)
    sums = rows_summed_by(point, np.log(even) if pool == "product" else even, n_points)
    n = np.bincount(point, minlength=n_points)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / n if pool == "product" else np.log(sums / n)


def evened(p: Floats, shares: Floats) -> Floats:
    """Probabilities as they would be at equal class shares, none of them 0."""
    even = np.maximum(p, _LEAST) / shares
    even /= even.sum(axis=1, keepdims=True)
    return even


def put_right(
    evidence: Floats, n: npt.NDArray[np.intp], shares: Floats, correction: Correction
) -> Floats:
    """Probabilities of points, (points, classes), rows summing to 1.

    Parameters
    ----------
    evidence : array of shape (points, classes)
        What `pooled` gave.
    n : array of shape (points,)
        How many photos each point has.
    shares, correction : see `PointCalibration`
    """
    from scipy.special import softmax  # only whoever votes needs it

    right: Floats = softmax(scores(evidence, n, shares, *correction), axis=1)
    return right


def scores(
    evidence: Floats,
    n: npt.NDArray[np.intp] | Floats,
    shares: Floats,
    exponent: float,
    favour: Floats,
) -> Floats:
    """Logarithms of the probabilities up to a constant a row."""
    # A point without a photo has no evidence; its rows stay NaN.
    times = np.maximum(n, 1).astype(np.float64)[:, None]
    logs: Floats = np.log(shares) + evidence * times**exponent + favour * (1 - 1 / times)
    return logs


def fit_point_calibration(
    p: Floats,
    point: npt.NDArray[np.intp],
    truth: npt.NDArray[np.intp],
    shares: Floats,
    weights: Floats | None = None,
) -> PointCalibration | None:
    """The corrections under which held-out points' true classes are likeliest.

    The target of a point is not certainty but what so many points can show, (n + 1) / (n + 2) as
    Platt (1999) has it, and favours are drawn towards none, so that few points, or points that are all
    right, give a bounded correction.

    Parameters
    ----------
    p : array of shape (photos, classes)
        Calibrated probabilities of held-out photos.
    point : array of shape (photos,)
        The number of each photo's point.
    truth : array of shape (points,)
        The number of each point's class.
    shares : array of shape (classes,)
        At which the photos' probabilities are right.
    weights : array of shape (points,), optional
        What each point counts; default: 1.

    Returns
    -------
    PointCalibration or None
        None where no point has several photos: nothing is then known of votes.
    """
    n = np.bincount(point, minlength=len(truth))
    has_several = n > 1
    if not has_several.any():
        return None
    counted = np.ones(len(truth)) if weights is None else weights
    corrections = {}
    for pool in sorted(set(POOLS.values())):
        evidence = pooled(p, point, len(truth), shares, pool)
        corrections[pool] = _fit(
            evidence[has_several],
            n[has_several],
            truth[has_several],
            shares,
            counted[has_several],
        )
    return PointCalibration(shares, corrections)


def _fit(
    evidence: Floats,
    n: npt.NDArray[np.intp],
    truth: npt.NDArray[np.intp],
    shares: Floats,
    weights: Floats,
) -> Correction:
    """One correction, by penalised likelihood."""
    # Classifying asks this module for a text only, and scipy takes longer than all its other imports.
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    n_points, k = evidence.shape
    target = soft_target(truth, k) * weights[:, None]

    def loss(parameters: Floats) -> float:
        favour = parameters[1:] - parameters[1:].mean()
        logs = log_softmax(scores(evidence, n, shares, parameters[0], favour), axis=1)
        # A standard normal prior of each favour.
        penalty = (parameters[1:] ** 2).sum() / 2
        return float((penalty - (target * logs).sum()) / n_points)

    best = minimize(
        loss, np.zeros(k + 1), method="L-BFGS-B", bounds=[_EXPONENTS, *[(-5.0, 5.0)] * k]
    )
    favour = best.x[1:] - best.x[1:].mean()
    return Correction(float(best.x[0]), favour)


def soft_target(truth: npt.NDArray[np.intp], k: int) -> Floats:
    """As much certainty of each point's class as so many points can show, (points, classes)."""
    n = len(truth)
    target = np.full((n, k), 1 / ((n + 2) * (k - 1)))
    target[np.arange(n), truth] = (n + 1) / (n + 2)
    return target


# ---- on a card, and in a table ------------------------------------------------------------------


def to_card(calibration: PointCalibration, truth_counts: list[int]) -> PointCalibrationCard:
    """A correction as plain values, for a model's card."""
    return {
        "class_shares": [float(s) for s in calibration.shares],
        "n_points": int(sum(truth_counts)),
        "rough": sum(truth_counts) < FEW_POINTS or min(truth_counts) == 0,
        "corrections": {
            pool: {"exponent": c.exponent, "favour": [float(f) for f in c.favour]}
            for pool, c in calibration.corrections.items()
        },
    }


def learned_to_card(learned: LearnedVote, candidates: dict[str, CandidateCard]) -> LearnedVoteCard:
    """A learned vote, and how each way did, as plain values, for a model's card."""
    return {
        "method": learned.way,
        "n_points": learned.n_points,
        "exponent": learned.exponent,
        "sharpness": learned.sharpness,
        "favour": [float(f) for f in learned.favour],
        "weights": dict(zip(VIEWS, map(float, learned.weights), strict=True)),
        "stack": learned.stack.tolist() if len(learned.stack) else None,
        "candidates": candidates,
    }


def from_card(card: PointCalibrationCard) -> PointCalibration:
    """The correction that a model's card holds."""
    learned = card.get("learned")
    return PointCalibration(
        np.array(card["class_shares"], dtype=np.float64),
        {
            pool: Correction(float(c["exponent"]), np.array(c["favour"], dtype=np.float64))
            for pool, c in card["corrections"].items()
        },
        _learned_from_card(learned) if learned else None,
    )


def check_calibration(card: CalibrationCard, k: int) -> None:
    """Raise unless a card's calibration is one of k classes that can be computed with."""
    temperature = float(card["temperature"])
    if not 0 < temperature < np.inf:
        raise LucasError(f"The card's temperature is {temperature}.")
    points = card.get("points")
    if not points:
        return
    try:
        from_text(to_text(from_card(points)), k)
    except InputError as error:
        raise LucasError(
            f"The card's correction of points is none that can be of {k} classes."
        ) from error


def _learned_from_card(card: LearnedVoteCard) -> LearnedVote:
    """The learned vote that a model's card holds."""
    k = len(card["favour"])
    return LearnedVote(
        card["method"],
        int(card["n_points"]),
        float(card["exponent"]),
        float(card["sharpness"]),
        np.array(card["favour"], dtype=np.float64),
        np.array([card["weights"][d] for d in VIEWS], dtype=np.float64),
        np.array(card["stack"] or [], dtype=np.float64).reshape(-1, k, k),
    )


def to_text(calibration: PointCalibration) -> str:
    """A correction as a short text that a column of a table can carry."""

    def numbers(*values: Floats | list[float]) -> str:
        return "/".join(f"{v:.4f}" for part in values for v in np.ravel(part))

    parts = [f"shares {numbers(calibration.shares)}"]
    for pool, correction in sorted(calibration.corrections.items()):
        parts.append(f"{pool} {numbers([correction.exponent], correction.favour)}")
    if calibration.learned:
        way, n_points, exponent, sharpness, favour, weights, stack = calibration.learned
        learnt = numbers([exponent, sharpness], weights, favour, stack)
        parts.append(f"learned {way} {n_points} {learnt}")
    return ", ".join(parts)


_NUMBERS = r"-?\d+\.\d+(?:/-?\d+\.\d+)*"
_TEXT = re.compile(
    rf"shares ({_NUMBERS}), mean ({_NUMBERS}), product ({_NUMBERS})"
    rf"(?:, learned ({'|'.join(WAYS)}) (\d{{1,9}}) ({_NUMBERS}))?"
)


def from_text(text: str, k: int) -> PointCalibration:
    """Read what `to_text` wrote, for k classes.

    Raises
    ------
    InputError
        If the text is another, or is of other classes.
    """
    match = _TEXT.fullmatch(text)
    shares, mean, product, way, n_points, learnt = match.groups("") if match else [""] * 6
    lists = [np.array(v.split("/") if v else [], np.float64) for v in (shares, mean, product)]
    learned = _learned_from_text(way, n_points, learnt, k) if way else None
    if [len(v) for v in lists] != [k, k + 1, k + 1] or (way and learned is None):
        raise InputError(
            f"The column {COLUMN} must be as classification wrote it, for {k} classes; got {text!r}. "
            "Classify the photos again, or leave the column out: points are then not calibrated."
        )
    floored = np.maximum(lists[0], 1e-4)  # what four digits leave of a rare class
    return PointCalibration(
        floored / floored.sum(),
        {
            pool: Correction(float(values[0]), values[1:])
            for pool, values in (("mean", lists[1]), ("product", lists[2]))
        },
        learned,
    )


def _learned_from_text(way: str, n_points: str, learnt: str, k: int) -> LearnedVote | None:
    """A learned vote as `to_text` wrote it; None if its numbers are none that k classes can have."""
    values = np.array(learnt.split("/"), dtype=np.float64)
    heads, stack = np.split(values, [2 + len(VIEWS) + k])
    n_stack = (1 + len(VIEWS)) * k * k if way == "stacking" else 0
    if (len(heads), len(stack)) != (2 + len(VIEWS) + k, n_stack) or not np.isfinite(values).all():
        return None
    weights, favour = np.split(heads[2:], [len(VIEWS)])
    exponent, sharpness = map(float, heads[:2])
    if min(sharpness, *weights) <= 0:
        return None
    return LearnedVote(
        way, int(n_points), exponent, sharpness, favour, weights, stack.reshape(-1, k, k)
    )
