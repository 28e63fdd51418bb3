"""The bytes of photos, or the reason why there are none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import PhotoError
from .names import on_disk

__all__ = ["MAX_FILE_BYTES", "opened", "read_bytes"]

MAX_FILE_BYTES = 500_000_000


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a photo file to read, or say in a `PhotoError` why it cannot be."""
    try:
        file_path = on_disk(path)
        size = os.path.getsize(file_path)
        if os.path.isdir(file_path):
            raise PhotoError("unreadable", "is a folder")
        if size == 0:
            raise PhotoError("empty", "the file has 0 bytes")
        if size > MAX_FILE_BYTES:
            raise PhotoError("too large", f"the file has {size:,} bytes")
        with open(file_path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise PhotoError("missing", f"there is no file {path}") from None
    except PhotoError:
        raise
    except TypeError:  # a missing value
        raise PhotoError("missing", "the row names no file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise PhotoError("unreadable", str(error)) from error


def read_bytes(path: str) -> bytes:
    """Read a photo file, or say in a `PhotoError` why it cannot be."""
    with opened(path) as file:
        return file.read()
