"""Everything lucas-habitat can complain about, and the few checks every function shares."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection

from ._base import words

__all__ = [
    "CalibrationError",
    "DependencyError",
    "DeviceError",
    "DownloadError",
    "InputError",
    "LucasError",
    "LucasMessage",
    "LucasWarning",
    "ModelError",
    "OutputError",
    "PhotoError",
    "RefusedWarning",
    "SplitError",
    "WeightsError",
]


class _InWords(Exception):  # noqa: N818
    """What is said in the words of one language: `str()` has Python's, ``marked`` those of all."""

    def __init__(self, text: str = "") -> None:
        super().__init__(words.in_python(text))
        self.marked = text


class LucasError(_InWords):
    """Root of every error raised on purpose by this package."""


class DownloadError(LucasError, OSError):
    """Downloading cannot go on; what was finished is kept and a new run goes on from there."""


class InputError(LucasError, ValueError):
    """An argument, a table or a folder is not what the function can work with."""


class SplitError(InputError):
    """Training and test photos cannot be told apart as asked."""


class CalibrationError(InputError):
    """A model cannot be calibrated with the photos given."""


class DependencyError(LucasError, ImportError):
    """An optional package is needed that is not installed."""


class DeviceError(LucasError, ValueError):
    """A device or precision was asked for that this machine does not have."""


class ModelError(LucasError, ValueError):
    """A model folder is damaged, foreign, or written by a newer version."""


class OutputError(LucasError, OSError):
    """A file or folder cannot be written: the disk is full, or nothing may be written there."""


class WeightsError(LucasError, OSError):
    """Pretrained weights cannot be had; the message names the ways to get them."""


class PhotoError(LucasError, OSError):
    """A photo cannot be used.

    Parameters
    ----------
    status : str
        The short reason from `lucas_habitat.images.STATUSES`, as it stands in the
        ``status`` column of predictions.
    message : str
        What exactly was found, for the ``error`` column.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class LucasWarning(_InWords, UserWarning):
    """Something a user should know before trusting the numbers."""


class RefusedWarning(LucasWarning):
    """Photos that could not be read; what runs over the same photos several times tells of them once."""


class LucasMessage(_InWords, UserWarning):
    """What was done by default and could be done otherwise; nothing is wrong."""


def _outside() -> int:
    """The stack level of the first frame outside this package, as `warnings.warn` counts."""
    frame, level = sys._getframe(2), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(__package__):
        frame, level = frame.f_back, level + 1
    return level


def warn(message: str, kind: type[LucasWarning] = LucasWarning) -> None:
    """Issue a `LucasWarning` that points at the caller of the public function."""
    warnings.warn(kind(message), stacklevel=_outside())


def inform(message: str) -> None:
    """Issue a `LucasMessage` that points at the caller of the public function."""
    warnings.warn(LucasMessage(message), stacklevel=_outside())


def some(values: Collection[object], most: int = 5) -> str:
    """Name the first few values and count the rest: ``a, b, c and 12 more``."""
    shown = ", ".join(str(v) for v in list(values)[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
