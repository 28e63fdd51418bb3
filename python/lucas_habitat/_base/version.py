"""The version, the same in pyproject.toml and DESCRIPTION."""

from __future__ import annotations

__version__ = "0.1.0"


def library_versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries whose versions change results."""
    import platform
    from importlib import metadata

    versions = {"python": platform.python_version(), "lucas-habitat": __version__}
    for name in ("numpy", "openvino", "pillow", "pillow-heif", "simplejpeg", "timm", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
