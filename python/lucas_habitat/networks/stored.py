"""Backbones as a saved model holds them; torch is imported when a network is needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from .._base.cards import BackboneSpec
from ..errors import LucasError
from .arrays import Arrays, arrays_sha256, part_of

if TYPE_CHECKING:
    from .backbones import Backbone

__all__ = ["StoredBackbone"]


class StoredBackbone:
    """The backbone of a saved model; its network is made when it is first needed.

    Making it takes seconds, and OpenVINO usually needs only its own copy, which is in the cache.

    Parameters
    ----------
    spec : dict
        As in `Backbone`.
    state : dict
        The network's weights by name.
    quantised : dict, optional
        How it is rounded to eight bits; see `engines.int8`.

    Raises
    ------
    LucasError
        If the spec describes no network, or the weights are not those of the spec.
    """

    def __init__(self, spec: BackboneSpec, state: Arrays, quantised: Arrays | None = None) -> None:
        _check_spec(spec)
        #: The networks side by side that it consists of; itself where it is one network.
        self.parts = [
            StoredBackbone(
                one, part_of(state, i), None if quantised is None else part_of(quantised, i)
            )
            for i, one in enumerate(spec.get("parts", ()))
        ] or [self]
        if "parts" not in spec and arrays_sha256(state) != spec["weights_sha256"]:
            raise LucasError("The weights are not those that the card describes.")
        self.spec = spec
        self.state = state
        self.quantised = quantised
        #: A fingerprint of how it is rounded; None where it is not.
        self.quantised_sha256 = None if quantised is None else arrays_sha256(quantised)
        self._made: Backbone | None = None
        self._lock = threading.Lock()

    def load(self) -> Backbone:
        """Make the network, once."""
        import torch

        from .backbones import backbone_from

        # Tensors that are made in inference mode take no gradients, and the first to ask may be in it.
        with self._lock, torch.inference_mode(False):
            if self._made is None:
                self._made = backbone_from(self.spec, self.state)
        return self._made


def _check_spec(spec: BackboneSpec) -> None:
    """Raise unless a card's spec is of one network, or of several single ones side by side."""
    numbers = [*spec["mean"], *spec["std"], spec["size"], spec["num_features"]]
    if len(spec["mean"]) != 3 or len(spec["std"]) != 3 or not np.isfinite(numbers).all():
        raise LucasError("The card does not say how the network takes photos.")
    if "parts" not in spec:
        return
    parts = spec["parts"]
    is_sound = len(parts) > 1 and not any("parts" in part for part in parts)
    if not is_sound or any(part["size"] != spec["size"] for part in parts):
        raise LucasError("The card does not describe single networks side by side.")
    if sum(part["num_features"] for part in parts) != spec["num_features"]:
        raise LucasError("The card's networks do not have the features that it says.")
