"""What this machine computes on, told without importing torch, which takes seconds to come."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Build", "Computing", "build_of", "computing"]

_OLDEST_FOR_CUDA_13 = (7, 5)  # Turing; what is older is left to builds for CUDA 12
_CUDA_12 = '"cu126"'  # the last of these builds, up to torch 2.14


class Build(NamedTuple):
    """A build of torch or torchvision, as the package itself tells it."""

    version: str  # such as "2.14.1+cu130", also where the wheel was named 2.14.1
    cuda: str  # such as "13.0"
    is_for_amd: bool

    @property
    def label(self) -> str:
        """What tells builds of one version apart: "cpu", "cu130" or nothing."""
        return self.version.partition("+")[2]


class Computing(NamedTuple):
    """What computes here, and what keeps a card from it."""

    gpu: str  # its name, or nothing
    device: str  # in words
    problem: str


class _Card(NamedTuple):
    name: str
    capability: tuple[int, int]
    cuda: int  # the newest major version that its driver runs


def build_of(package: str) -> Build | None:
    """What a package says of its own build, in its file version.py; None without such a file."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # damaged, or made unimportable
        return None
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    return Build(_told(text, "__version__"), _told(text, "cuda"), _told(text, "hip") != "")


def _told(text: str, name: str) -> str:
    match = re.search(rf"^{name}(?::[^=\n]+)? = '([^']*)'", text, re.MULTILINE)
    return match[1] if match else ""


def computing(build: Build | None, has_openvino: bool) -> Computing:
    """What this machine computes on with this build of torch."""
    cpu = "the CPU, through " + (
        "OpenVINO" if has_openvino else "torch, which is slower than OpenVINO"
    )
    if build is None:
        return Computing("", cpu, "")
    has_asked = "torch" in sys.modules or build.is_for_amd
    gpu = _as_torch_tells() if has_asked else _apple()
    if gpu:
        return Computing(gpu, _on(gpu, build), "")
    card = _nvidia()
    if card is None:
        return Computing("", cpu, "")
    problem = _why_unused(card, build)
    if has_asked and not problem:
        problem = (
            f"torch does not see {card.name}: restart the machine, or update the card's driver"
        )
    return (
        Computing("", cpu, problem) if problem else Computing(card.name, _on(card.name, build), "")
    )


def _apple() -> str:
    is_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return "Apple (mps)" if is_apple else ""


def _on(gpu: str, build: Build) -> str:
    return f"{gpu}, through torch" + (f" for CUDA {build.cuda}" if build.cuda else "")


def _as_torch_tells() -> str:
    """The GPU's name, where torch is imported already, or must be asked."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    return "Apple (mps)" if torch.backends.mps.is_available() else ""


def _why_unused(card: _Card, build: Build) -> str:
    """Why torch would not compute on the card, and what mends it; nothing if it would."""
    if not build.cuda:
        return (
            f"{card.name} is not used, because this torch is built for the CPU: "
            f"{_mend(card)} (several GB)"
        )
    major = int(build.cuda.partition(".")[0])
    if major >= 13 and card.capability < _OLDEST_FOR_CUDA_13:
        return f"{card.name} is too old for this torch, which is built for CUDA {build.cuda}: {_mend(card)}"
    if major > card.cuda:
        return (
            f"The driver of {card.name} runs CUDA {card.cuda}, and this torch is built for CUDA "
            f"{build.cuda}: update the driver, or {_mend(card)}"
        )
    return ""


def _mend(card: _Card) -> str:
    is_old = card.capability < _OLDEST_FOR_CUDA_13 or card.cuda < 13
    return f"lucas_install(gpu = {_CUDA_12 if is_old else 'TRUE'}, force = TRUE)"


def _nvidia() -> _Card | None:
    """The first NVIDIA card, as its driver tells; None where there is none or it is hidden."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return None
    try:
        return _first_card(_driver())
    except (OSError, AttributeError):  # no driver; one from before all this could be asked
        return None


def _driver() -> Any:
    return ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")


def _first_card(driver: Any) -> _Card | None:
    """Ask the driver's management library, which starts nothing on the card, unlike CUDA."""
    if driver.nvmlInit_v2():
        return None
    try:
        handle, cuda = ctypes.c_void_p(), ctypes.c_int()
        name = ctypes.create_string_buffer(96)
        major, minor = ctypes.c_int(), ctypes.c_int()
        has_failed = (
            driver.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle))
            or driver.nvmlDeviceGetName(handle, name, len(name))
            or driver.nvmlDeviceGetCudaComputeCapability(
                handle, ctypes.byref(major), ctypes.byref(minor)
            )
            or driver.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda))
        )
        if has_failed:
            return None
        text = name.value.decode("utf-8", "replace")
        return _Card(text, (major.value, minor.value), cuda.value // 1000)
    finally:
        driver.nvmlShutdown()
