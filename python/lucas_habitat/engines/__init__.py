"""Running a frozen backbone over photos: OpenVINO on CPUs, torch on GPUs."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from .._base import words
from .._base.checks import check_choice
from .._base.choices import PRECISIONS
from ..errors import DeviceError

if TYPE_CHECKING:
    from ..networks.backbones import Backbone
    from ..networks.stored import StoredBackbone

# OpenVINO's converter reports its use over the network if this package can be imported. Made
# unimportable, before openvino itself is imported, it leaves OpenVINO with a stand-in that sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__all__ = ["Runner", "Target", "choose_target", "cores", "make_runner", "use_cores"]


class Runner(Protocol):
    """Turns photos, uint8 of shape (n, size, size, 3), into float32 features (n, d).

    Threads may call it at the same time.
    """

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the backbone over one batch."""


@dataclass(frozen=True)
class Target:
    """Where and how exactly a backbone runs; recorded with every result."""

    engine: str
    device: str
    precision: str

    @property
    def batch_size(self) -> int:
        """Photos to compute at a time: few on a core, whose cache is small, many on a GPU."""
        if self.engine == "openvino":
            return 8 if self.precision == "bfloat16" else 2
        return 32 if self.device == "cpu" else 64


def choose_target(
    device: str = "auto", precision: str = "auto", *, has_int8: bool = False
) -> Target:
    """Decide engine, device and precision.

    Parameters
    ----------
    device : str, default "auto"
        ``"auto"`` takes a GPU that torch sees, else the CPU. ``"cpu"`` runs OpenVINO (torch
        where OpenVINO is not installed), ``"torch"`` runs torch on the CPU; ``"cuda"``,
        ``"cuda:1"`` and ``"mps"`` run torch there.
    precision : {"auto", "float32", "bfloat16", "int8"}, default "auto"
        ``"auto"`` is bfloat16 where the device computes in it natively, else float32. It is
        always set explicitly, because OpenVINO's own default depends on the CPU. bfloat16 may
        change the class of photos that stand between two; ``benchmarks/README.md`` has how many.
        ``"int8"``, eight bits, is for CPUs that multiply them natively (VNNI, AVX-VNNI, i8mm).
    has_int8 : bool, default False
        Whether ``"auto"`` may be int8, on CPUs without bfloat16: if the model was quantised and
        agrees with float32.

    Raises
    ------
    DeviceError
        If the device or the precision is not there; says what torch sees.
    """
    check_choice("precision", precision, PRECISIONS)
    if device == "auto" and not _may_have_gpu():
        device = "cpu"
    if device not in ("cpu", "torch"):
        device = _gpu(device)
    engine = "torch"
    if device == "cpu" and importlib.util.find_spec("openvino") is not None:
        engine = "openvino"
    if precision == "int8" and not _computes_int8(engine):
        raise DeviceError(
            f"{_lacks_int8(engine, device)}; use {words.arg('precision', 'float32')} or 'auto'."
        )
    is_native = _computes_bfloat16(engine, device)
    if precision == "bfloat16" and not is_native:
        raise DeviceError(
            f"{device} does not compute in bfloat16; use {words.arg('precision', 'float32')} or 'auto'."
        )
    if precision == "auto" and is_native:
        precision = "bfloat16"
    elif precision == "auto":
        precision = "int8" if has_int8 and _computes_int8(engine) else "float32"
    return Target(engine, "cpu" if device == "torch" else device, precision)


def _may_have_gpu() -> bool:
    """Whether there are signs of a GPU; if not, torch need not be asked, which takes seconds to import."""
    if "torch" in sys.modules:
        return True
    if sys.platform == "linux":  # NVIDIA's driver, Jetson's, AMD's, Windows' for WSL
        devices = ("nvidiactl", "nvidia0", "nvmap", "kfd", "dxg")
        return any(Path("/dev", name).exists() for name in devices)
    if sys.platform == "win32":
        system = Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32")
        return (system / "nvcuda.dll").exists() or any(system.glob("amdhip64*.dll"))
    return True


def _gpu(device: str) -> str:
    """The full name of a GPU; of ``"auto"`` that of the first, or the CPU where there is none."""
    import torch

    devices = (
        [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    if torch.backends.mps.is_available():
        devices.append("mps")
    if device == "auto":
        return devices[0] if devices else "cpu"
    if device == "cuda" and devices and devices[0] == "cuda:0":
        return "cuda:0"
    if device not in devices:
        raise DeviceError(
            f"There is no device {device!r}: torch {torch.__version__} sees "
            f"{', '.join(devices) if devices else 'no GPU'}. Use {words.arg('device', 'cpu')} or 'auto', or "
            + words.either(
                "install a build of torch for your GPU (pytorch.org/get-started)",
                "run lucas_install(gpu = TRUE, force = TRUE)",
            )
            + "."
        )
    return device


def _computes_bfloat16(engine: str, device: str) -> bool:
    """Whether a device computes in bfloat16 natively."""
    if engine == "openvino":
        from .openvino_engine import cpu_has_bfloat16

        return cpu_has_bfloat16()
    if not device.startswith("cuda"):
        return False
    import torch

    # Of this device, not of torch's current one. ROCm, AMD's, passes for CUDA and has bfloat16.
    is_native: bool = torch.cuda.get_device_capability(device) >= (8, 0)
    return is_native or torch.version.hip is not None


def _computes_int8(engine: str) -> bool:
    """Whether a device computes in eight bits natively."""
    if engine != "openvino":
        return False
    from .openvino_engine import cpu_has_int8

    return cpu_has_int8()


def _lacks_int8(engine: str, device: str) -> str:
    """Why a device does not compute in eight bits."""
    if engine != "openvino":
        return f"torch on {device} does not compute in int8, which OpenVINO does on a CPU"
    return "This CPU has no instructions for int8 (VNNI, AVX-VNNI or i8mm)"


def use_cores(n: int) -> None:
    """Have this process use so many cores, because others on this machine use the rest."""
    global _share
    _share = n


def cores() -> int:
    """Cores this process may use: fewer than the machine has, on a cluster."""
    if _share is not None:
        return _share
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Windows, macOS
        return os.cpu_count() or 1


def make_runner(backbone: Backbone | StoredBackbone, target: Target) -> Runner:
    """Prepare a backbone for a target.

    The last one is kept: training, calibrating and classifying mostly use the same, and
    compiling it takes longer than a hundred photos.
    """
    global _last
    quantised = backbone.quantised_sha256 if target.precision == "int8" else None
    key = (json.dumps([backbone.spec, quantised], sort_keys=True), target)
    with _lock:
        if _last is None or _last[0] != key:
            _last = (key, _new_runner(backbone, target))
        return _last[1]


class _Beside:
    """Networks side by side, one after the other over each batch; see `Runner`."""

    def __init__(self, runners: list[Runner]) -> None:
        self._runners = runners

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run all networks over one batch."""
        return np.concatenate([run(photos) for run in self._runners], axis=1)


_share: int | None = None
_lock = threading.Lock()
_last: tuple[tuple[str, Target], Runner] | None = None


def _new_runner(backbone: Backbone | StoredBackbone, target: Target) -> Runner:
    if len(backbone.parts) > 1:
        return _Beside([_new_runner(part, target) for part in backbone.parts])
    if target.engine == "openvino":
        from .openvino_engine import OpenVinoRunner

        return OpenVinoRunner(backbone, target.precision, cores())
    from .torch_engine import TorchRunner

    return TorchRunner(backbone, target.device, target.precision)
