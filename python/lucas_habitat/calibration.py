"""Calibrated probabilities: temperature scaling on held-out points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV

from ._base.cards import CalibrationCard, PointCalibrationCard
from ._base.progress import Progress
from ._base.signatures import checked
from ._base.types import Floats, Photos
from .errors import CalibrationError, some, warn
from .features import extract_features
from .images.heic import count_without_heic, warn_of_heic
from .learned_votes import fit_learned_vote
from .model import (
    HabitatModel,
    Model,
    has_equal_shares,
    logits_of,
    probabilities_of,
    trained_on,
)
from .photos import as_photos, groups_of, landscape, leave_out_closeups
from .point_calibration import fit_point_calibration, to_card
from .predicting import target_for
from .saved_models import as_model
from .sources import base_name
from .voting import commonest, point_numbers

__all__ = ["calibrate"]


@checked
def calibrate(
    model: Model,
    photos: Photos,
    *,
    closeups: bool = False,
    device: str = "auto",
    cache: bool = True,
    progress: Progress = True,
) -> HabitatModel:
    """Put probabilities of photos, and of points after the vote, right by held-out points.

    One number, the temperature, divides all logits, so that a class given 0.8 is right in about
    80 % of photos. Predicted classes do not change. Photos of one point err together, so what their
    vote says needs a correction of its own: an exponent between "the same said again" and "each photo
    is news", and a favour a class, fitted to the points' votes (`vote` tells how they are used).
    How to see the five views as one is learned, too, for ``vote(method="learned")``: by the mean of
    probabilities or of their logarithms, either with a weight a direction, or by stacking (a multinomial
    logistic regression on all five views, tried from 100 points on). Folds of points decide by log loss,
    and the simplest within a standard error of the best is taken; with fewer than 50 points it is the mean.
    The photos must be of points the model was not trained on, and should have the class shares of
    the land the model will be used in. For a model that was trained with ``class_balance`` they are
    weighted so that all classes count alike: its probabilities are then right where all classes are
    equally common, and `adjust_shares` puts them right elsewhere.

    Parameters
    ----------
    model : HabitatModel, path or address
    photos : pandas.DataFrame, path or list of paths
        Labelled photos.
    closeups : bool, default False
    device, cache, progress : see `classify`

    Returns
    -------
    HabitatModel
        The model with ``calibration`` filled in; the one given is left as it is. ``points`` of it is
        None where no point has several photos; ``rough`` of ``points`` is true below 30 such points,
        or without a point of some class. ``learned`` of ``points`` holds the ``method`` chosen and, for each
        that was tried (``candidates``), the log loss on points that it was not fitted to and how far that
        is from the mean's.

    Raises
    ------
    CalibrationError
        If photos are of points trained on, fewer than two classes are there, or none is readable.

    References
    ----------
    Breiman et al. 1984, Classification and regression trees (the rule of one standard error).
    Guo et al. 2017, On Calibration of Modern Neural Networks, ICML.
    Platt 1999, Probabilistic outputs for support vector machines (what n cases can show).
    """
    model = as_model(model, progress)
    table = leave_out_closeups(as_photos(photos), closeups)
    is_usable = table["habitat"].isin(model.classes)
    if is_usable.any() and not is_usable.all():
        warn(
            f"{int((~is_usable).sum())} of {len(table)} photos carry no class of the model "
            f"({', '.join(model.classes)}) and play no part in the calibration."
        )
    table = table[is_usable]
    if table.empty:
        raise CalibrationError(
            f"No photo carries a class of the model ({', '.join(model.classes)}); calibration needs "
            "labelled photos."
        )
    trained = table[trained_on(model, table)]
    points = set(trained["point_id"].fillna(trained["path"].map(base_name)))
    if points:
        raise CalibrationError(
            f"{len(points)} points were trained on: {some(sorted(points))}. Calibrate on other points, "
            "or probabilities come out too sure."
        )
    features = extract_features(
        table["path"].tolist(),
        model.backbone,
        model.preprocessing,
        target_for(model, device, None),
        cache=cache,
        progress=progress,
    )
    warn_of_heic(count_without_heic(features.error))
    is_read = features.ok
    if not is_read.all():
        warn(
            f"{int((~is_read).sum())} of {len(table)} photos were refused and play no part in "
            "the calibration."
        )
    labels = (
        table["habitat"]
        .map({c: i for i, c in enumerate(model.classes)})
        .to_numpy()
        .astype(np.int64)
    )
    logits = logits_of(model, features.values[is_read])
    card = fit_with_points(
        logits, labels[is_read], table[is_read], at_equal_shares=has_equal_shares(model)
    )
    return replace(model, calibration=card)


def fit_calibration(
    logits: Floats,
    labels: npt.NDArray[np.int64],
    photos: pd.DataFrame,
    *,
    at_equal_shares: bool = False,
) -> CalibrationCard:
    """The temperature that minimises the log loss of held-out logits, for a model's card."""
    n_classes = len(np.unique(labels))
    if n_classes < 2:
        raise CalibrationError(
            f"calibration needs readable photos of at least two classes; {len(labels)} photos of "
            f"{n_classes} were given."
        )
    if (logits.argmax(axis=1) == labels).all():
        raise CalibrationError(
            f"all {len(labels)} photos are classified right, so nothing says how sure is too sure. "
            "Give more or harder photos."
        )
    # The log loss would then fall for ever as all probabilities become equal.
    weights = _weights(labels, at_equal_shares)
    ahead = logits[np.arange(len(labels)), labels] - logits.mean(axis=1)
    if (weights * ahead).sum() <= 0:
        raise CalibrationError(
            f"the classes that the {len(labels)} photos are labelled with score no higher than the "
            "others, so no temperature fits. Check the labels."
        )
    classes = np.arange(logits.shape[1])
    # Scikit-learn leaves out classes without a label, but these take their share of probability, too.
    # So every class gets one more row, of equal logits: no temperature changes its loss.
    rows = np.arange(len(labels) + len(classes))
    calibrated = CalibratedClassifierCV(
        _Head(classes),
        method="temperature",
        ensemble=False,
        cv=[(rows, rows)],  # nothing is refitted, so nothing needs folds
    ).fit(
        np.concatenate([logits, np.zeros((len(classes), len(classes)))]),
        np.concatenate([labels, classes]),
        sample_weight=np.concatenate([weights, np.ones(len(classes))]),
    )
    beta = float(calibrated.calibrated_classifiers_[0].calibrators[0].beta_)
    return {
        "temperature": 1 / beta,
        "n_photos": len(labels),
        "n_points": int(groups_of(photos).nunique()),
        "n_without_point": int(photos["point_id"].isna().sum()),
        "method": "temperature scaling",
    }


def fit_with_points(
    logits: Floats,
    labels: npt.NDArray[np.int64],
    photos: pd.DataFrame,
    *,
    at_equal_shares: bool = False,
) -> CalibrationCard:
    """The temperature of photos, and the correction of their points' votes, for a model's card."""
    card = fit_calibration(logits, labels, photos, at_equal_shares=at_equal_shares)
    p = probabilities_of(logits, card["temperature"])
    return {**card, "points": _fit_points(p, labels, photos, at_equal_shares)}


def _weights(labels: npt.NDArray[Any], at_equal_shares: bool) -> Floats:
    """The weight of each label, 1 in the mean; at equal shares all classes that there are weigh alike."""
    if not at_equal_shares:
        return np.ones(len(labels))
    number, counts = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    weights: Floats = len(labels) / (len(counts) * counts[number])
    return weights


def _fit_points(
    p: Floats, labels: npt.NDArray[np.int64], photos: pd.DataFrame, at_equal_shares: bool
) -> PointCalibrationCard | None:
    """The correction of points' votes, for the card; None where no point has several photos."""
    is_voting = landscape(photos).to_numpy()
    number = point_numbers(photos[is_voting].reset_index(drop=True)).to_numpy(dtype=np.intp)
    p, labels = p[is_voting], labels[is_voting]
    label = commonest(pd.Series(labels).astype("str"), number, int(number.max(initial=-1)) + 1)
    # A point whose photos carry two labels equally often has no class to be judged by.
    is_clear = label.notna().to_numpy()[number]
    number, p = pd.factorize(number[is_clear])[0], p[is_clear]
    photos = photos[is_voting][is_clear].reset_index(drop=True)
    truth = label.dropna().astype("int64").to_numpy().astype(np.intp)
    counts = np.bincount(truth, minlength=p.shape[1])
    shares = np.ones(p.shape[1]) if at_equal_shares else counts + 1.0
    shares /= shares.sum()
    weights = _weights(truth, at_equal_shares)
    calibration = fit_point_calibration(p, number, truth, shares, weights)
    if calibration is None:
        return None
    has_several = np.bincount(number, minlength=len(truth)) > 1
    card = to_card(calibration, np.bincount(truth[has_several], minlength=p.shape[1]).tolist())
    group = pd.factorize(groups_of(photos))[0]
    of_points = np.zeros(len(truth), dtype=np.intp)
    of_points[number] = group
    learned = fit_learned_vote(p, number, photos["direction"], truth, of_points, weights, shares)
    return {**card, "learned": learned}


class _Head(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier, as scikit-learn needs one to calibrate, whose input is logits already."""

    def __init__(self, classes: npt.NDArray[np.int64]) -> None:
        self.classes = classes
        self.classes_ = classes

    def fit(self, x: Any, y: Any, sample_weight: Any = None) -> _Head:
        """Nothing is left to fit."""
        return self

    def predict(self, logits: Floats) -> npt.NDArray[np.int64]:
        """The likeliest class."""
        predicted: npt.NDArray[np.int64] = self.classes[logits.argmax(axis=1)]
        return predicted

    def decision_function(self, logits: Floats) -> Floats:
        """The logits, in the form scikit-learn expects: one column for two classes."""
        if logits.shape[1] == 2:
            half: Floats = (logits[:, 1] - logits[:, 0]) / 2
            return half
        centred: Floats = logits - logits.mean(axis=1, keepdims=True)
        return centred
