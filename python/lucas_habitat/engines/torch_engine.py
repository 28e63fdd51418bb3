"""Backbones through torch: GPUs, and CPUs without OpenVINO."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch

from ..backbones import Backbone

__all__ = ["TorchRunner"]


class TorchRunner:
    """A backbone on one torch device; see `Runner`."""

    def __init__(self, backbone: Backbone, device: str, precision: str) -> None:
        self._device = torch.device(device)
        self._precision = precision
        # A copy, so that a model that is in use elsewhere stays where it is.
        self._backbone = copy.deepcopy(backbone).eval().to(self._device)
        self._backbone.to(memory_format=torch.channels_last)

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the backbone over one batch; a batch too large for the GPU is run in halves."""
        try:
            return self._run(photos)
        except torch.OutOfMemoryError:
            if len(photos) == 1:
                raise
            torch.cuda.empty_cache()
            half = len(photos) // 2
            return np.concatenate([self(photos[:half]), self(photos[half:])])

    def _run(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(photos)
        if self._device.type == "cuda":
            batch = batch.pin_memory()
        # Channels stay last in memory, which is how decoders deliver and convolutions like it.
        batch = batch.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        with (
            torch.inference_mode(),
            torch.autocast(
                self._device.type, torch.bfloat16, enabled=self._precision == "bfloat16"
            ),
        ):
            features = self._backbone(batch)
        values: npt.NDArray[np.float32] = features.float().cpu().numpy()
        return values
