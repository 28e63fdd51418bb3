"""Backbones on CPUs through OpenVINO, which is several times faster there than torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import uuid
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import openvino

from ..cache import cache_folder
from ..errors import LucasError
from .bfloat16 import ready_for_bfloat16
from .int8 import computes_int8, in_int8

if TYPE_CHECKING:
    from ..networks.backbones import Backbone
    from ..networks.stored import StoredBackbone

__all__ = ["OpenVinoRunner", "core", "cpu_has_bfloat16", "cpu_has_int8", "float32_network"]

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


@cache
def core() -> Any:
    """OpenVINO's, of which a program should have one."""
    return openvino.Core()


def cpu_has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 natively."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def cpu_has_int8() -> bool:
    """Whether this CPU computes in eight bits natively."""
    return computes_int8(core())


def _convert(backbone: Backbone | StoredBackbone) -> Any:
    """The backbone as an openvino.Model that takes photos as they are decoded."""
    import torch

    class FromPixels(torch.nn.Module):
        """Takes photos as they are decoded: uint8, channels last."""

        def __init__(self, backbone: Backbone) -> None:
            super().__init__()
            self.backbone = backbone

        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.backbone(photos.permute(0, 3, 1, 2))
            return features

    size = backbone.spec["size"]
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that tracing will be replaced
        network = openvino.convert_model(FromPixels(backbone.load()).eval(), example_input=example)
    network.reshape([-1, size, size, 3])
    return network


def float32_network(backbone: Backbone | StoredBackbone) -> Any:
    """The backbone in OpenVINO's form, kept on disk because converting takes seconds."""
    text = json.dumps([openvino.__version__, backbone.spec], sort_keys=True)
    folder = cache_folder() / "networks" / hashlib.sha256(text.encode()).hexdigest()[:24]
    network = _read(folder / "network.xml")
    if network is not None:
        return network
    network = _convert(backbone)
    # If the folder cannot be written, the network is converted again next time; the cache of features,
    # which lies beside it, warns of that.
    with contextlib.suppress(OSError, RuntimeError):
        _keep(network, folder)
    # Writing rounds a few constants. The first run, too, uses what was written, so that all give the
    # same features.
    return _read(folder / "network.xml") or network


def _read(file: Path) -> Any:
    """A network that was kept, or None."""
    if not file.is_file():
        return None
    with contextlib.suppress(RuntimeError):  # damaged, or half of it deleted
        network = core().read_model(file)
        for part in (file, file.with_suffix(".bin")):
            with contextlib.suppress(OSError):
                os.utime(part)  # the cache drops what was not used for longest
        return network
    shutil.rmtree(file.parent, ignore_errors=True)
    return None


def _keep(network: Any, folder: Path) -> None:
    """Write the network whole or not at all."""
    tmp = folder.with_name(f".{uuid.uuid4().hex}")
    try:
        tmp.mkdir(parents=True)
        openvino.save_model(network, tmp / "network.xml", compress_to_fp16=False)
        os.replace(tmp, folder)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


class OpenVinoRunner:
    """A compiled backbone; see `Runner`.

    Each call runs on one core, and as many calls at once as there are cores: nothing waits for
    a slower core, whatever else the machine is doing.
    """

    def __init__(self, backbone: Backbone | StoredBackbone, precision: str, cores: int) -> None:
        network = float32_network(backbone)
        parts = [(network, "float32")]
        if precision == "bfloat16":
            parts = ready_for_bfloat16(network)
        elif precision == "int8":
            if backbone.quantised is None:
                raise LucasError("The network was not quantised to eight bits.")
            parts = [(in_int8(network, backbone.quantised), "float32")]
        #: What runs one after the other.
        self._compiled = [
            core().compile_model(
                part,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": _HINTS[exactness],
                    "NUM_STREAMS": cores,
                    "INFERENCE_NUM_THREADS": cores,
                    # The threads that decode must be free to run on any core.
                    "ENABLE_CPU_PINNING": False,
                },
            )
            for part, exactness in parts
        ]
        self._own = threading.local()
        # OpenVINO prepares its use of numpy at the first array, and two threads that do so at once
        # block each other for ever. Here there is one thread only, as make_runner() holds a lock.
        size = backbone.spec["size"]
        self(np.zeros((1, size, size, 3), np.uint8))

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the backbone over one batch."""
        if not hasattr(self._own, "requests"):
            self._own.requests = [part.create_infer_request() for part in self._compiled]
        batch: Any = photos
        for request in self._own.requests:
            request.infer([batch], share_outputs=True)
            batch = request.get_output_tensor(0)
        return np.array(batch.data, dtype=np.float32)
