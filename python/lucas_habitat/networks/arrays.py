"""Weights as arrays: what can be checked and computed without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LucasError

__all__ = [
    "AT_A_TIME",
    "HIDDEN",
    "Arrays",
    "arrays_sha256",
    "check_head",
    "evened",
    "head_logits",
    "part_of",
]

#: Weights by the names that torch gives them.
Arrays = dict[str, npt.NDArray[Any]]

#: Units of the head's hidden layer.
HIDDEN = 1024
#: Photos whose features are computed with at a time, so that few are held several times.
AT_A_TIME = 2_000


def arrays_sha256(state: Arrays) -> str:
    """A fingerprint of all weights, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        if not name.endswith("num_batches_tracked"):
            # Types are named as torch names them, because fingerprints were once made by torch.
            digest.update(f"{name} {value.shape} torch.{value.dtype}".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def part_of(state: Arrays, part: int) -> Arrays:
    """The weights of one of several networks side by side."""
    prefix = f"{part}."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def check_head(head: Arrays, num_features: Sequence[int], num_classes: int) -> None:
    """Raise LucasError unless these are the weights of a head, dense or logistic, on such networks."""
    n = sum(num_features)
    shapes = {name: value.shape for name, value in head.items()}
    if "widths" in head:
        widths = head["widths"]
        expected = {
            "widths": (len(num_features),),
            "weight": (num_classes, n),
            "bias": (num_classes,),
        }
        is_whole = np.issubdtype(widths.dtype, np.integer)
        if not is_whole or widths.tolist() != list(num_features):
            raise LucasError(
                f"The head is for networks of {widths.tolist()} features, not of {list(num_features)}."
            )
    else:
        expected = {
            "0.weight": (HIDDEN, n),
            "0.bias": (HIDDEN,),
            "3.weight": (num_classes, HIDDEN),
            "3.bias": (num_classes,),
        }
    if shapes != expected:
        raise LucasError(f"The head's weights are {shapes}, not {expected}.")


def head_logits(head: Arrays, features: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """The head's output for features; dropout is for training only.

    It is computed in float64 and rounded, so that a photo's values are the same whatever photos are
    computed beside it.
    """
    blocks = np.array_split(features, len(features) // AT_A_TIME + 1)
    return np.concatenate([_logits_of_some(head, block) for block in blocks]).round(9)


def _logits_of_some(
    head: Arrays, features: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    values = features.astype(np.float64)
    logits: npt.NDArray[np.float64]
    if "widths" in head:
        logits = evened(values, head["widths"].tolist()) @ head["weight"].T + head["bias"]
    else:
        hidden = values @ head["0.weight"].T
        hidden += head["0.bias"]
        logits = np.maximum(hidden, 0, out=hidden) @ head["3.weight"].T + head["3.bias"]
    return logits


def evened(features: npt.NDArray[Any], widths: Sequence[int]) -> npt.NDArray[Any]:
    """Features for a logistic head: signed square roots, then each network's to length 1.

    The root keeps few strong features from drowning the many weak ones, and the length takes away
    how much contrast a photo has (power and L2 normalisation: Perronnin, Sanchez and Mensink 2010,
    Improving the Fisher Kernel for Large-Scale Image Classification, ECCV).
    """
    roots: npt.NDArray[Any] = np.sign(features) * np.sqrt(np.abs(features))
    for part in np.split(roots, np.cumsum(widths)[:-1], axis=1):
        part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
    return roots
