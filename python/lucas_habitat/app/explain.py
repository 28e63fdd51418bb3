"""Why a model says what it says: where it looked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .._base.checks import check_choice
from ..errors import InputError
from ..images.decode import decode_photo
from ..model import HabitatModel
from ..networks.backbones import Backbone
from ..sources import read_bytes

__all__ = ["activation_map"]

Array = npt.NDArray[np.float32]


def activation_map(
    photo: str | os.PathLike[str], model: HabitatModel, habitat: str | None = None
) -> Array:
    """Show where the model looked when it decided on a class: Grad-CAM.

    The backbone's last feature map A and the class' score before the softmax, y, come from one
    forward pass; each channel k is weighted with the mean gradient of y over the map, and what
    speaks against the class is cut off: ``max(0, sum_k mean_ij(dy/dA_kij) A_k)``. Nothing is
    approximated: gradients go back through pooling and head only, which is all that is between
    the map and the score. Of networks side by side the maps are added before the cut.

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
    pixels = torch.from_numpy(decode_photo(read_bytes(os.fspath(photo)), model.preprocessing))
    batch = pixels.permute(2, 0, 1)[None].float()
    maps = [_feature_map(part, batch) for part in backbone.parts]
    with torch.enable_grad():
        features = [
            part.network.forward_head(one)  # type: ignore[operator]
            for part, one in zip(backbone.parts, maps, strict=True)
        ]
        scores = model.head.eval()(torch.cat(features, dim=1))[0]
        chosen = model.classes.index(habitat) if habitat else int(scores.argmax())
        gradients = torch.autograd.grad(scores[chosen], maps)
    # Networks side by side add up in the score, so their maps do too, at the size of the first.
    shape = maps[0].shape[2:]
    looked = torch.zeros(shape)
    for one, gradient in zip(maps, gradients, strict=True):
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        part = (weights * one.detach()).sum(dim=1, keepdim=True)
        looked += torch.nn.functional.interpolate(part, shape, mode="bilinear")[0, 0]
    looked = looked.clamp(min=0)
    values: Array = (looked / looked.max().clamp(min=1e-12)).numpy()
    return values


def _feature_map(backbone: Backbone, batch: torch.Tensor) -> torch.Tensor:
    """The last feature map of one network, shape (1, channels, height, width), to take gradients at."""
    network: Any = backbone.network
    arch = backbone.spec["arch"]
    if not (hasattr(network, "forward_features") and hasattr(network, "forward_head")):
        raise InputError(f"The backbone {arch} does not give its feature map.")
    with torch.no_grad():
        maps: torch.Tensor = network.forward_features((batch / 255 - backbone.mean) / backbone.std)
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3]:
        raise InputError(
            f"The last layer of {arch} has the shape {tuple(maps.shape)}; an activation map "
            "needs one of (1, channels, height, width), which convolutional networks give and vision "
            "transformers do not."
        )
    return maps.requires_grad_()
