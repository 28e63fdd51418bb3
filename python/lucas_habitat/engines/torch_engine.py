"""Backbones through torch: GPUs, and CPUs without OpenVINO."""

from __future__ import annotations

import contextlib
import copy
import threading

import numpy as np
import numpy.typing as npt
import torch

from ..networks.backbones import Backbone
from ..networks.stored import StoredBackbone

__all__ = ["TorchRunner"]


class TorchRunner:
    """A backbone on one torch device; see `Runner`."""

    def __init__(self, backbone: Backbone | StoredBackbone, device: str, precision: str) -> None:
        self._device = torch.device(device)
        self._precision = precision
        #: Photos that fit the device's memory at once; None before it was ever too small.
        self._most: int | None = None
        # On a CPU torch spreads each call over the cores by itself.
        self._turn = threading.Lock() if self._device.type == "cpu" else contextlib.nullcontext()
        self._own = threading.local()
        # A copy, so that a model that is in use elsewhere stays where it is.
        self._backbone = copy.deepcopy(backbone.load()).eval().to(self._device)
        self._backbone.to(memory_format=torch.channels_last)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # other threads' streams do not wait for copies
            if precision == "float32":
                # Torch's default rounds convolutions to ten bits. It knows only one setting a
                # process, so this cannot be undone after each batch while other threads run.
                torch.backends.cudnn.allow_tf32 = False

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the backbone over one batch; a batch too large for the GPU is run in parts."""
        most = min(self._most or len(photos), len(photos))
        while True:
            try:
                with self._turn:
                    parts = [self._run(photos[i : i + most]) for i in range(0, len(photos), most)]
                return np.concatenate(parts)
            except RuntimeError as error:  # CUDA has a class of its own for it, MPS has none
                if most == 1 or "out of memory" not in str(error).lower():
                    raise
            # Outside of except, where the error would still hold the failed batch's memory.
            most = self._most = min(most // 2, self._most or most)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _run(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(photos)
        # Each thread has a stream of its own, so that one copies while another computes.
        with self._stream(), torch.inference_mode():
            if self._device.type == "cuda":
                batch = batch.pin_memory()
            # Channels stay last in memory, as decoders give them and convolutions are fastest.
            batch = batch.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
            with torch.autocast(
                self._device.type, torch.bfloat16, enabled=self._precision == "bfloat16"
            ):
                features = self._backbone(batch)
            values: npt.NDArray[np.float32] = features.float().cpu().numpy()
        return values

    def _stream(self) -> contextlib.AbstractContextManager[object]:
        if self._device.type != "cuda":
            return contextlib.nullcontext()
        if not hasattr(self._own, "stream"):
            self._own.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._own.stream)
