"""Backbones through torch: GPUs, and CPUs without OpenVINO."""

from __future__ import annotations

import contextlib
import copy
import queue
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from .._base import words
from ..errors import DeviceError
from ..networks.backbones import Backbone
from ..networks.memory import free_memory, is_out_of_memory
from ..networks.stored import StoredBackbone

__all__ = ["TorchRunner"]

# On CUDA one batch is copied while another is computed. More at a time would each hold memory of its own,
# and be no quicker. On CPUs torch spreads each batch over the cores by itself; Metal takes one at a time.
_LANES = {"cuda": 2}


class TorchRunner:
    """A backbone on one torch device; see `Runner`."""

    def __init__(self, backbone: Backbone | StoredBackbone, device: str, precision: str) -> None:
        self._device = torch.device(device)
        self._precision = precision
        #: Photos that fit the device's memory at once; None before it was ever too small.
        self._most: int | None = None
        # A copy, so that a model that is in use elsewhere stays where it is.
        self._backbone = copy.deepcopy(backbone.load()).eval().to(self._device)
        self._backbone.to(memory_format=torch.channels_last)
        #: Streams that no thread is using; of CPUs and Metal, which have none, a stand-in.
        self._lanes: queue.SimpleQueue[torch.cuda.Stream | None] = queue.SimpleQueue()
        for _ in range(_LANES.get(self._device.type, 1)):
            is_cuda = self._device.type == "cuda"
            self._lanes.put(torch.cuda.Stream(self._device) if is_cuda else None)  # type: ignore[no-untyped-call]
        # Two threads that each held one and waited for the other's would wait for ever.
        self._collecting = threading.Lock()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # the lanes' streams do not wait for copies
            if precision == "float32":
                # Torch's default rounds convolutions to ten bits. It knows only one setting a
                # process, so this cannot be undone after each batch while other threads run.
                torch.backends.cudnn.allow_tf32 = False
                torch.backends.cuda.matmul.allow_tf32 = False

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the backbone over one batch; a batch too large for the GPU is run in parts."""
        most = min(self._most or len(photos), len(photos))
        with self._lane() as stream:
            try:
                return self._in_parts(photos, most, stream)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
        # Outside of except, where the error would still hold the failed batch's memory.
        with self._alone() as stream:
            return self._in_halves(photos, most, stream)

    def _in_halves(
        self, photos: npt.NDArray[np.uint8], most: int, stream: torch.cuda.Stream | None
    ) -> npt.NDArray[np.float32]:
        """Run a batch that was too large in ever smaller parts, until they fit."""
        while True:
            most = self._most = min(max(most // 2, 1), self._most or most)
            free_memory(self._device)
            try:
                return self._in_parts(photos, most, stream)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if most == 1:
                    raise DeviceError(
                        f"{self._device} has too little memory free for a single photo. Close other "
                        f"programs that use it, or use {words.arg('device', 'cpu')}."
                    ) from error

    def _in_parts(
        self, photos: npt.NDArray[np.uint8], most: int, stream: torch.cuda.Stream | None
    ) -> npt.NDArray[np.float32]:
        parts = range(0, len(photos), most)
        return np.concatenate([self._run(photos[i : i + most], stream) for i in parts])

    def _run(
        self, photos: npt.NDArray[np.uint8], stream: torch.cuda.Stream | None
    ) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(photos)
        with torch.cuda.stream(stream), torch.inference_mode(), self._autocast():
            if stream is not None:
                batch = batch.pin_memory()
            # Channels stay last in memory, as decoders give them and convolutions are fastest. Metal may
            # read memory that is not pinned after it was given back: its copies are waited for.
            batch = batch.to(self._device, non_blocking=stream is not None).permute(0, 3, 1, 2)
            values: npt.NDArray[np.float32] = self._backbone(batch).float().cpu().numpy()
        return values

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        # Not even an idle one in float32: not every torch has autocast for Metal.
        if self._precision != "bfloat16":
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)

    @contextlib.contextmanager
    def _lane(self) -> Iterator[torch.cuda.Stream | None]:
        """A stream for this thread alone, as soon as one is free."""
        stream = self._lanes.get()
        try:
            yield stream
        finally:
            self._lanes.put(stream)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[torch.cuda.Stream | None]:
        """All streams, once no other thread is using one: its batch takes memory, too."""
        n_lanes = _LANES.get(self._device.type, 1)
        with self._collecting:
            streams = [self._lanes.get() for _ in range(n_lanes)]
        try:
            yield streams[0]
        finally:
            for stream in streams:
                self._lanes.put(stream)
