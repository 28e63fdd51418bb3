"""Names of files that are not UTF-8, written so that every table and language can hold them."""

from __future__ import annotations

import os
import re

__all__ = ["on_disk", "readable"]

_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(rb"%([89A-F][0-9A-F])")


def readable(path: str) -> str:
    """A path as text: bytes that are not UTF-8 are written as in addresses, such as ``%E9``.

    Python has such bytes as lone surrogates, which neither CSV nor Parquet nor R can hold.
    """
    if path.isascii() or not _SURROGATES.search(path):
        return path
    return _SURROGATES.sub(lambda m: "".join(f"%{b:02X}" for b in os.fsencode(m[0])), path)


def on_disk(path: str) -> str:
    """The path of a file as the system has it, where `readable` rewrote it.

    A file or folder that is really called so comes first. Nothing but bytes of 128 and more is put
    back, so no separator or dot can appear.
    """
    if "%" not in path or os.path.lexists(path):
        return path
    parts = path.split(os.sep)
    for i, part in enumerate(parts):
        if "%" in part and not os.path.lexists(os.sep.join(parts[: i + 1])):
            raw = _ESCAPED.sub(lambda m: bytes.fromhex(m[1].decode("ascii")), os.fsencode(part))
            parts[i] = os.fsdecode(raw)
    return os.sep.join(parts)
