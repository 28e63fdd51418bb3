"""Backbones on CPUs through OpenVINO, several times faster than torch there."""

from __future__ import annotations

import sys
import threading
import warnings
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..backbones import Backbone

# OpenVINO's converter reports its use over the network where this package is importable;
# without it OpenVINO uses the silent stand-in it ships.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

__all__ = ["OpenVinoRunner", "cpu_has_bfloat16"]

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


@cache
def _core() -> Any:
    return openvino.Core()


def cpu_has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 natively."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class _FromPixels(nn.Module):
    """Takes photos as they are decoded: uint8, channels last."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.backbone(photos.permute(0, 3, 1, 2))
        return features


class OpenVinoRunner:
    """A compiled backbone; see `Runner`."""

    def __init__(self, backbone: Backbone, precision: str) -> None:
        self._lock = threading.Lock()
        size = backbone.spec["size"]
        example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces that tracing will be replaced
            model = openvino.convert_model(_FromPixels(backbone).eval(), example_input=example)
        model.reshape([-1, size, size, 3])
        self._compiled = _core().compile_model(
            model,
            "CPU",
            {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"},
        )

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the backbone over one batch."""
        with self._lock:  # one request at a time: all cores work on it
            return np.array(self._compiled(photos)[0], dtype=np.float32)
