"""Logistic heads: one regression a network on its evened features, their logits averaged."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from .._base.cards import FittingCard, RegularisationCard
from .._base.progress import Progress, report
from .arrays import AT_A_TIME, Arrays, evened, head_logits
from .backbones import Backbone
from .fitting import Fitted, LabelledRows

__all__ = ["LogisticSettings", "fit_regressions"]

#: Strengths to choose from, scikit-learn's C: features have length 1, so they suit every network.
STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_INNER_FOLDS = 5
# More photos than these choose hardly another strength, and cost minutes.
_MOST_TO_CHOOSE_BY = 4_000
_MOST_STEPS = 300

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class LogisticSettings:
    """What a recipe with logistic regression says."""

    recipe: str
    class_balance: str
    seed: int

    def card(self, regularisation: RegularisationCard) -> FittingCard:
        """As the model's card has them."""
        return {
            "recipe": self.recipe,
            "head": "logistic",
            "freeze_backbone": True,
            "dropout": None,
            "epochs": None,
            "batch_size": None,
            "learning_rate": None,
            "class_balance": self.class_balance,
            "regularisation": regularisation,
            "seed": self.seed,
        }


def fit_regressions(
    features: npt.NDArray[np.float32],
    rows: LabelledRows,
    backbone: Backbone,
    settings: LogisticSettings,
    progress: Progress,
) -> Fitted:
    """Fit a multinomial logistic regression on each network's features, and average their logits.

    Averaged logits of several regressions are those of one regression on all features, so the head
    is one matrix. One strength of the penalty serves all networks; it is chosen by the log loss of
    their averaged logits in inner folds that keep points whole.
    """
    widths = [part.spec["num_features"] for part in backbone.parts]
    n_classes, seed = len(rows.classes), settings.seed
    is_balanced = settings.class_balance != "none"
    y, points = rows.labels, rows.points
    drawn = rows.fit[_to_choose_by(y[rows.fit], points[rows.fit], seed)]
    folds = _inner_folds(y[drawn], points[drawn], n_classes, seed)
    # As steps of other heads: several threads are hardly quicker, and far slower beside other work.
    with threadpool_limits(1), report(progress, len(folds) + 1, "regressions") as advance:
        held_out = []
        for inner, outer in folds:
            fit, test = drawn[inner], drawn[outer]
            held_out.append((test, _path(features, fit, test, y, widths, is_balanced)))
            advance(1)
        chosen = _choose(held_out, y, points, is_balanced) if held_out else _USUAL
        head = _head_of(features, rows.fit, y, widths, chosen, is_balanced)
        advance(1)
    card: RegularisationCard = {
        "C": chosen.strength,
        "scale": chosen.scale,
        "n_folds": len(folds),
        "log_loss": chosen.losses,
    }
    scores = {"epoch": 1.0, **_scores(head, features, y, rows.fit)}
    del scores["kappa"]  # as in the history of other heads
    if len(rows.validate):
        of_validation = _scores(head, features, y, rows.validate)
        scores |= {f"val_{name}": value for name, value in of_validation.items()}
    history = pd.DataFrame([scores]).astype({"epoch": "int64"})
    return Fitted(backbone, head, history, settings.card(card))


def _to_choose_by(y: npt.NDArray[np.int64], points: npt.NDArray[np.intp], seed: int) -> Rows:
    """Rows to choose the strength by: all, or those of points drawn until there are enough.

    Some points of every class come first, so that folds can be made where a class is rare.
    """
    rows = np.arange(len(points))
    if len(rows) <= _MOST_TO_CHOOSE_BY:
        return rows
    order = np.random.default_rng(seed).permutation(np.unique(points))
    pairs = pd.DataFrame({"y": y, "point": points}).drop_duplicates().set_index("point")
    is_needed = (pairs.loc[order].groupby("y").cumcount() < _INNER_FOLDS).groupby(level=0).any()
    order = order[np.argsort(~is_needed.loc[order].to_numpy(), kind="stable")]
    n_so_far = np.cumsum(np.bincount(points, minlength=int(order.max()) + 1)[order])
    chosen = order[: np.searchsorted(n_so_far, _MOST_TO_CHOOSE_BY) + 1]
    return rows[np.isin(points, chosen)]


def _inner_folds(
    y: npt.NDArray[np.int64], points: npt.NDArray[np.intp], n_classes: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Folds that keep points whole, as many as the rarest class has points; none where it has one."""
    pairs = pd.DataFrame({"y": y, "point": points}).drop_duplicates()
    n_points = np.bincount(pairs["y"], minlength=n_classes)
    n_folds = min(_INNER_FOLDS, int(n_points.min()))
    if n_folds < 2:
        return []
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class has fewer photos than folds
        folds = list(splitter.split(y, y, points))
    return [(a, b) for a, b in folds if len(np.unique(y[a])) == n_classes and len(b)]


def _path(
    features: npt.NDArray[np.float32],
    fit: Rows,
    test: Rows,
    y: npt.NDArray[np.int64],
    widths: list[int],
    is_balanced: bool,
) -> npt.NDArray[np.float64]:
    """Logits of some rows by regressions on others, shape (strengths, n, classes)."""
    logits = np.zeros((len(STRENGTHS), len(test), int(y.max()) + 1))
    for part in _parts(widths):
        regression = _regression(is_balanced)
        centred, held_out = _centred(features, fit, part), _evened_of(features, test, part)
        for i, strength in enumerate(STRENGTHS):  # each starts where the last one ended
            weight, bias = _fitted(regression, centred, y[fit], strength)
            logits[i] += (held_out @ weight.T + bias) / len(widths)
    return logits


class _Choice(NamedTuple):
    """A strength, what its logits are multiplied by, and the log losses it was chosen by."""

    strength: float
    scale: float
    losses: dict[str, float]


_USUAL = _Choice(30.0, 1.0, {})


def _choose(
    held_out: list[tuple[Rows, npt.NDArray[np.float64]]],
    y: npt.NDArray[np.int64],
    points: npt.NDArray[np.intp],
    is_balanced: bool,
) -> _Choice:
    """The strongest penalty that is within one standard error of the best (Breiman et al. 1984).

    A strong penalty also makes probabilities unsure, so each is judged after its logits were
    multiplied by the number that gives them the least log loss.
    """
    rows = np.concatenate([test for test, _ in held_out])
    logits = np.concatenate([part for _, part in held_out], axis=1)
    truth, n_points = y[rows], len(np.unique(points[rows]))
    counts = np.bincount(truth)
    weights = (counts.mean() / np.maximum(counts, 1))[truth] if is_balanced else np.ones(len(rows))
    scales = [_best_scale(z, truth, weights, n_points) for z in logits]
    losses = weights * [_losses(z * scale, truth) for z, scale in zip(logits, scales, strict=True)]
    means = losses.mean(axis=1)
    best = int(means.argmin())
    # Photos of one point err together, so their differences count once.
    differences = pd.DataFrame((losses - losses[best]).T).groupby(points[rows]).mean()
    is_as_good = means <= means[best] + differences.sem().fillna(0).to_numpy()
    chosen = int(np.flatnonzero(is_as_good)[0])
    named = {f"{c:g}": float(v) for c, v in zip(STRENGTHS, means, strict=True)}
    return _Choice(STRENGTHS[chosen], scales[chosen], named)


def _best_scale(
    logits: npt.NDArray[np.float64],
    y: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    n_points: int,
) -> float:
    """What logits must be multiplied by for the least log loss; between an eighth and eight.

    Where all rows are right no number would be large enough, so one point more is reckoned with, of
    which nothing is known (Platt 1999).
    """
    doubt = 1 / (n_points + 2)

    def loss(log_scale: float) -> float:
        z = logits * np.exp(log_scale)
        of_any = logsumexp(z, axis=1) - z.mean(axis=1)
        return float((weights * ((1 - doubt) * _losses(z, y) + doubt * of_any)).mean())

    bound = np.log(8)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def _losses(logits: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The log loss of every row."""
    losses: npt.NDArray[np.float64] = logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]
    return losses


def _head_of(
    features: npt.NDArray[np.float32],
    fit: Rows,
    y: npt.NDArray[np.int64],
    widths: list[int],
    chosen: _Choice,
    is_balanced: bool,
) -> Arrays:
    """The head: regressions on each network's features, averaged."""
    weights, total = [], np.zeros(int(y.max()) + 1)
    for part in _parts(widths):
        centred = _centred(features, fit, part)
        weight, bias = _fitted(_regression(is_balanced), centred, y[fit], chosen.strength)
        weights.append(weight * chosen.scale / len(widths))
        total += bias * chosen.scale / len(widths)
    return {
        "widths": np.array(widths, np.int64),
        "weight": np.concatenate(weights, axis=1).astype(np.float32),
        "bias": total.astype(np.float32),
    }


class _Centred(NamedTuple):
    """Evened features less their mean, and the mean."""

    values: npt.NDArray[np.float32]
    centre: npt.NDArray[np.float32]


def _centred(features: npt.NDArray[np.float32], rows: Rows, part: slice) -> _Centred:
    """Features of one network for a regression; its bias is free, and so far fewer steps are needed."""
    values = _evened_of(features, rows, part)
    centre = values.mean(axis=0)
    values -= centre
    return _Centred(values, centre)


def _evened_of(
    features: npt.NDArray[np.float32], rows: Rows, part: slice
) -> npt.NDArray[np.float32]:
    """Features of one network, evened: at most one network's are held twice."""
    width = part.stop - part.start
    values = np.empty((len(rows), width), np.float32)
    for start in range(0, len(rows), AT_A_TIME):
        some = slice(start, start + AT_A_TIME)
        values[some] = evened(features[rows[some], part], [width])
    return values


def _parts(widths: list[int]) -> list[slice]:
    ends = np.cumsum(widths).tolist()
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _regression(is_balanced: bool) -> LogisticRegression:
    return LogisticRegression(
        class_weight="balanced" if is_balanced else None, max_iter=_MOST_STEPS, warm_start=True
    )


def _fitted(
    regression: LogisticRegression,
    centred: _Centred,
    y: npt.NDArray[np.int64],
    strength: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights and biases of a regression, one row a class."""
    with warnings.catch_warnings():
        # The last steps of 300 change no probability by more than its own doubt.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.set_params(C=strength).fit(centred.values, y)
    weight, bias = regression.coef_.astype(np.float64), regression.intercept_.astype(np.float64)
    if len(weight) == 1:  # of two classes scikit-learn keeps the second one's only
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias - weight @ centred.centre.astype(np.float64)


def _scores(
    head: Arrays, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], rows: Rows
) -> dict[str, float]:
    """Loss, accuracy and kappa of some photos."""
    blocks = np.array_split(rows, len(rows) // AT_A_TIME + 1)
    logits = np.concatenate([head_logits(head, features[block]) for block in blocks])
    y, predicted = labels[rows], logits.argmax(axis=1)
    return {
        "loss": float(_losses(logits, y).mean()),
        "accuracy": float((predicted == y).mean()),
        "kappa": float(cohen_kappa_score(y, predicted)),
    }
