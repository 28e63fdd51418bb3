"""Why a model says what it says: where it looked, what it remembers, and what it has never seen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from .._base.checks import check_choice, check_number
from ..errors import InputError
from ..images.decode import decode_photo, read_bytes
from ..model import HabitatModel
from ..photos import groups_of

__all__ = ["activation_map", "distance_to_training", "similar_photos", "unlike_training"]

Array = npt.NDArray[np.float32]


#: A photo is compared with its so many nearest training photos...
NEIGHBOURS = 5

#: ...and called unlike training when they are farther off than those of this share of the
#: training photos are from one another. So about 1 in 100 photos of the same land is flagged.
USUAL = 0.99

# A threshold from more photos than these costs seconds and moves it by less than its own error.
_SAMPLE = 2_000

_BLOCK = 500


def activation_map(
    photo: str | os.PathLike[str], model: HabitatModel, habitat: str | None = None
) -> Array:
    """Show where the model looked when it decided on a class: Grad-CAM.

    The backbone's last feature map A and the class' score before the softmax, y, come from one
    forward pass; each channel k is weighted with the mean gradient of y over the map, and what
    speaks against the class is cut off: ``max(0, sum_k mean_ij(dy/dA_kij) A_k)``. Nothing is
    approximated: gradients go back through pooling and head only, which is all that is between
    the map and the score.

    Parameters
    ----------
    photo : path
    model : HabitatModel
    habitat : str, optional
        The class asked about; default: the one the model predicts.

    Returns
    -------
    numpy.ndarray
        float32 of the map's own shape, such as (7, 7) for 224 x 224 pixels, rows from top to
        bottom; 0 to 1, where 1 is the largest value. All 0 if nothing speaks for the class.

    Raises
    ------
    PhotoError
        If the photo cannot be read.
    InputError
        If the model does not know the class, or its backbone has no feature map (vision
        transformers, for example).

    References
    ----------
    Selvaraju, R. R. et al. (2017). Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization. ICCV, 618-626. doi:10.1109/ICCV.2017.74
    """
    if habitat is not None:
        check_choice("habitat", habitat, model.classes)
    backbone = model.backbone.load()
    network: Any = backbone.network
    spec = model.backbone.spec
    if not (hasattr(network, "forward_features") and hasattr(network, "forward_head")):
        raise InputError(f"The backbone {spec['arch']} does not give its feature map.")
    pixels = torch.from_numpy(decode_photo(read_bytes(os.fspath(photo)), model.preprocessing))
    with torch.no_grad():
        batch = pixels.permute(2, 0, 1)[None].float() / 255
        maps = network.forward_features((batch - backbone.mean) / backbone.std)
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3]:
        raise InputError(
            f"The last layer of {spec['arch']} has the shape {tuple(maps.shape)}; an activation map "
            "needs one of (1, channels, height, width)."
        )
    maps = maps.requires_grad_()
    with torch.enable_grad():
        scores = model.head.eval()(network.forward_head(maps))[0]
        chosen = model.classes.index(habitat) if habitat else int(scores.argmax())
        (gradient,) = torch.autograd.grad(scores[chosen], maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    found = (weights * maps.detach()).sum(dim=1)[0].clamp(min=0)
    values: Array = (found / found.max().clamp(min=1e-12)).numpy()
    return values


@dataclass(frozen=True)
class _Seen:
    """The training photos' features, ready to be compared with."""

    features: npt.NDArray[np.float16]
    directions: Array
    photos: pd.DataFrame
    threshold: float


_last: _Seen | None = None


def _seen(model: HabitatModel) -> _Seen:
    """Prepare a model's training features; the last model's are kept."""
    global _last
    if _last is None or _last.features is not model.training_features:
        directions = _directions(model.training_features)
        photos = model.training_photos
        photos = photos[photos["has_features"]].reset_index(drop=True)
        _last = _Seen(model.training_features, directions, photos, _threshold(directions, photos))
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


def _nearness(features: npt.NDArray[np.floating], seen: _Seen) -> Array:
    features = np.asarray(features, dtype=np.float32)
    width = seen.directions.shape[1]
    if features.ndim != 2 or features.shape[1] != width:
        raise InputError(
            f"The model's features have the shape (n, {width}); got {features.shape}. Take them "
            "from the model's own backbone."
        )
    result: Array = _directions(features) @ seen.directions.T
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
    seen = _seen(model)
    nearness = _nearness(features, seen)
    k = min(int(k), nearness.shape[1])
    nearest = np.argpartition(-nearness, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(nearness, nearest, axis=1), axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, order, axis=1)
    found = seen.photos.drop(columns="has_features").iloc[nearest.ravel()].reset_index(drop=True)
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
    nearness = _nearness(features, _seen(model))
    k = min(NEIGHBOURS, nearness.shape[1])
    return 1 - np.partition(nearness, -k, axis=1)[:, -k].astype(np.float64)


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
    return distance_to_training(features, model) > _seen(model).threshold
