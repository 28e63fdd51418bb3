"""Remote tables, copied here for as long as they are read."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._base import words
from ..errors import InputError, PhotoError
from .addresses import name_of
from .remote import fetch

__all__ = ["local_copy"]

_MOST_BYTES = 2_000_000_000


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """A copy of a remote file under its own name, gone at the end.

    Raises
    ------
    InputError
        If it cannot be fetched, or is larger than a table of photos can be.
    """
    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as folder:
        copy = Path(folder) / (Path(posixpath.basename(name_of(address))).name or "table")
        try:
            copy.write_bytes(fetch(address, _MOST_BYTES))
        except PhotoError as error:
            raise InputError(f"The table cannot be read: {words.marked(error)}") from error
        yield copy
