"""Weights as arrays: what can be checked and computed without torch."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LucasError

__all__ = ["HIDDEN", "Arrays", "arrays_sha256", "check_head", "head_logits"]

#: Weights by the names that torch gives them.
Arrays = dict[str, npt.NDArray[Any]]

#: Units of the head's hidden layer.
HIDDEN = 1024


def arrays_sha256(state: Arrays) -> str:
    """A fingerprint of all weights, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        if not name.endswith("num_batches_tracked"):
            # Types are named as torch names them, because fingerprints were once made by torch.
            digest.update(f"{name} {value.shape} torch.{value.dtype}".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def check_head(head: Arrays, num_features: int, num_classes: int) -> None:
    """Raise LucasError unless these are the weights of such a head."""
    expected = {
        "0.weight": (HIDDEN, num_features),
        "0.bias": (HIDDEN,),
        "3.weight": (num_classes, HIDDEN),
        "3.bias": (num_classes,),
    }
    shapes = {name: value.shape for name, value in head.items()}
    if shapes != expected:
        raise LucasError(f"The head's weights are {shapes}, not {expected}.")


def head_logits(head: Arrays, features: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """The head's output for features: dense, ReLU, dense; dropout is for training only.

    It is computed in float64 and rounded, so that a photo's values are the same whatever photos are
    computed beside it.
    """
    hidden = features.astype(np.float64) @ head["0.weight"].T + head["0.bias"]
    logits: npt.NDArray[np.float64] = (
        np.maximum(hidden, 0, out=hidden) @ head["3.weight"].T + head["3.bias"]
    )
    return logits.round(9)
