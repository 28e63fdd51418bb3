"""How alike photos are to those that a model was trained on, by the features of its backbone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base.checks import check_number
from .errors import InputError
from .model import CONTENT, HabitatModel
from .photos import groups_of

__all__ = ["distance_to_training", "similar_photos", "unlike_training"]

Array = npt.NDArray[np.float32]

#: A photo is compared with its so many nearest training photos...
NEIGHBOURS = 5

#: ...and called unlike training when they are farther off than those of this share of the
#: training photos are from one another. So about 1 in 100 photos of the same land is flagged.
USUAL = 0.99

# A threshold from more photos than these costs seconds and moves it by less than its own error.
_SAMPLE = 2_000

_BLOCK = 500


@dataclass(frozen=True)
class _Training:
    """The training photos' features, ready to be compared with."""

    features: npt.NDArray[np.float16]
    directions: Array
    photos: pd.DataFrame
    threshold: float


_last: _Training | None = None


def _training_of(model: HabitatModel) -> _Training:
    """Prepare a model's training features; the last model's are kept."""
    global _last
    if _last is None or _last.features is not model.training_features:
        directions = _directions(model.training_features)
        photos = model.training_photos
        photos = photos[photos["has_features"]].reset_index(drop=True)
        _last = _Training(
            model.training_features, directions, photos, _threshold(directions, photos)
        )
    return _last


def _directions(features: npt.NDArray[np.floating]) -> Array:
    """Rows of length 1.

    Cosine distances of features as they are were the best of five tried on 674 real scenes and
    on drawn nonsense: the classes of neighbours agreed as often as with the others, 0.8 % of
    held-out scenes were flagged where 1 % should be, and all nonsense was. Euclidean distances
    missed plain colours and noise, standardised ones flagged twice as many scenes as they should.
    """
    values = np.asarray(features, dtype=np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    result: Array = values / np.maximum(length, 1e-12)
    return result


def _threshold(directions: Array, photos: pd.DataFrame) -> float:
    """The distance that the usual training photo keeps from those of other points."""
    points = pd.factorize(groups_of(photos.rename(columns={"photo": "path"})))[0]
    sample = np.arange(len(points))
    if len(sample) > _SAMPLE:
        sample = np.random.default_rng(0).choice(len(points), _SAMPLE, replace=False)
    k = min(NEIGHBOURS, len(points))
    distances = []
    for start in range(0, len(sample), _BLOCK):
        rows = sample[start : start + _BLOCK]
        nearness = directions[rows] @ directions.T
        # Photos of one point show one place: they would make every stranger look odd.
        nearness[points[rows][:, None] == points[None]] = -np.inf
        distances.append(1 - np.partition(nearness, -k, axis=1)[:, -k])
    found = np.concatenate(distances) if distances else np.array([])
    found = found[np.isfinite(found)]
    return float(np.quantile(found, USUAL)) if len(found) else float("inf")


def _nearness(features: npt.NDArray[np.floating], training: _Training) -> Array:
    features = np.asarray(features, dtype=np.float32)
    width = training.directions.shape[1]
    if features.ndim != 2 or features.shape[1] != width:
        raise InputError(
            f"The model's features have the shape (n, {width}); got {features.shape}. Take them "
            "from the model's own backbone."
        )
    result: Array = _directions(features) @ training.directions.T
    return result


def similar_photos(
    features: npt.NDArray[np.floating], model: HabitatModel, k: int = 5
) -> pd.DataFrame:
    """Find the training photos that look most like given ones to the model's backbone.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n, num_features), from the model's backbone.
    model : HabitatModel
    k : int, default 5
        How many for each photo; fewer where the model keeps fewer.

    Returns
    -------
    pandas.DataFrame
        ``row`` (of ``features``, from 0), ``rank`` (from 1), ``distance`` (cosine distance, 0
        the same to 2 opposite), then ``photo`` (file name), ``point_id``, ``year``,
        ``direction``, ``habitat`` of the training photo.

    Raises
    ------
    InputError
        If the features are of another width, or ``k`` is no whole number from 1.
    """
    check_number("k", k, 1, whole=True)
    training = _training_of(model)
    nearness = _nearness(features, training)
    k = min(int(k), nearness.shape[1])
    nearest = np.argpartition(-nearness, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(nearness, nearest, axis=1), axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, order, axis=1)
    found = (
        training.photos.drop(columns=["has_features", CONTENT], errors="ignore")
        .iloc[nearest.ravel()]
        .reset_index(drop=True)
    )
    rows = np.repeat(np.arange(len(nearness)), k)
    found.insert(0, "row", rows)
    found.insert(1, "rank", np.tile(np.arange(1, k + 1), len(nearness)))
    found.insert(2, "distance", np.maximum(0, 1 - nearness[rows, nearest.ravel()]))
    return found


def distance_to_training(
    features: npt.NDArray[np.floating], model: HabitatModel
) -> npt.NDArray[np.float64]:
    """Tell how far photos are from training: the distance to the fifth nearest training photo.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n, num_features), from the model's backbone.
    model : HabitatModel

    Returns
    -------
    numpy.ndarray
        Shape (n,), cosine distances, 0 to 2.

    Raises
    ------
    InputError
        If the features are of another width.
    """
    training = _training_of(model)
    k = min(NEIGHBOURS, len(training.directions))
    distances = [np.zeros(0)]
    # Many photos against many training photos at once would need gigabytes.
    for start in range(0, max(len(features), 1), _BLOCK):
        nearness = _nearness(features[start : start + _BLOCK], training)
        distances.append(1 - np.partition(nearness, -k, axis=1)[:, -k].astype(np.float64))
    return np.concatenate(distances)


def unlike_training(
    features: npt.NDArray[np.floating], model: HabitatModel
) -> npt.NDArray[np.bool_]:
    """Mark photos that are unlike anything the model was trained on; do not trust their class.

    A photo is marked when its fifth nearest training photo is farther off than that of 99 % of
    the training photos is, photos of the same point left out. So about 1 in 100 photos of land
    like the training's is marked too. With few training photos (below some 100) the threshold
    is that of the oddest of them, and rough.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n, num_features), from the model's backbone.
    model : HabitatModel

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.

    Raises
    ------
    InputError
        If the features are of another width.
    """
    return distance_to_training(features, model) > _training_of(model).threshold
