"""Backbones as a saved model holds them; torch is imported when a network is needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

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

    Raises
    ------
    LucasError
        If the weights are not those of the spec.
    """

    def __init__(self, spec: BackboneSpec, state: Arrays) -> None:
        #: The networks side by side that it consists of; itself where it is one network.
        self.parts = [
            StoredBackbone(one, part_of(state, i)) for i, one in enumerate(spec.get("parts", ()))
        ] or [self]
        if "parts" not in spec and arrays_sha256(state) != spec["weights_sha256"]:
            raise LucasError("The weights are not those that the card describes.")
        self.spec = spec
        self.state = state
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
