"""Zips from elsewhere: their lists are measured before they are read."""

from __future__ import annotations

import os
import zipfile

from ..errors import InputError

__all__ = ["opened_zip"]

#: Bytes of a zip's list of files, a hundred each; Python holds ten times as many of them at once.
MAX_LIST = 20_000_000

_END, _END64, _PLACE64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


def opened_zip(path: str | os.PathLike[str]) -> zipfile.ZipFile:
    """A zip, open to be read.

    Raises
    ------
    InputError
        If its list of files is longer than that of any zip of photos or tables, or is none.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 65_557))  # a comment has 65,535 bytes at most
        tail = file.read()
        at = tail.rfind(_END)
        n_bytes = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
        if at >= 20 and tail[at - 20 : at - 16] == _PLACE64:
            file.seek(min(int.from_bytes(tail[at - 12 : at - 4], "little"), size))
            end64 = file.read(56)
            n_bytes = int.from_bytes(end64[40:48], "little") if end64[:4] == _END64 else n_bytes
    if n_bytes > MAX_LIST:
        raise InputError(f"{path} claims a list of files of {n_bytes:,} bytes.")
    try:
        return zipfile.ZipFile(path)
    except (ValueError, IndexError) as error:  # names that are not in the letters they claim
        raise InputError(f"{path} has a list of files that cannot be read: {error}") from error
