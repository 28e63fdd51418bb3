"""Files in other places than this computer's disks: one way to them, whatever serves them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from types import ModuleType

from ..errors import PhotoError
from . import s3, web
from .addresses import refusal, shown
from .requests import Facts

__all__ = ["RangeFile", "facts", "fetch", "recall", "remember"]

#: Bytes that are fetched at a time of a file that is read from its beginning to its end.
_CHUNK = 8_000_000
#: Stamps of files that were listed lately, so that they need not be asked for one by one.
_REMEMBERED = 100_000

_stamps: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()


def fetch(address: str, most: int, start: int = 0, length: int | None = None) -> bytes:
    """A remote file's bytes, or ``length`` of them from ``start``.

    Raises
    ------
    PhotoError
        "missing", "unreadable", or "too large" where they are more than ``most``.
    """
    data: bytes = _server(address).fetch(address, start, length, most)
    return data


def facts(address: str) -> Facts:
    """A remote file's size and stamp."""
    answer: Facts = _server(address).facts(address)
    return answer


def _server(address: str) -> ModuleType:
    """What speaks with the server that an address names."""
    reason = refusal(address)
    if reason:
        raise PhotoError("unreadable", reason)
    return s3 if address.lower().startswith("s3:") else web


def remember(address: str, stamp: str) -> None:
    """Keep a stamp that a listing told."""
    with _lock:
        _stamps[address] = stamp
        if len(_stamps) > _REMEMBERED:
            _stamps.popitem(last=False)


def recall(address: str) -> str | None:
    """A stamp that a listing told lately, without asking anybody."""
    return _stamps.get(address)


class RangeFile(io.RawIOBase):
    """A remote file that is read as if it lay here, some megabytes at a time."""

    def __init__(self, address: str) -> None:
        size = facts(address).size
        if size is None:
            raise PhotoError("unreadable", f"{shown(address)}: the server does not tell its size")
        self.size = size
        self._address, self._at = address, 0
        self._start, self._data = 0, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is: what is passed over is not fetched."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where it is read next."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer at the end of the file only."""
        wanted = max(0, self.size - self._at)
        if size >= 0:
            wanted = min(wanted, size)
        pieces = list[bytes]()
        while wanted:
            inside = self._at - self._start
            if not 0 <= inside < len(self._data):
                length = min(_CHUNK, self.size - self._at)
                self._start, inside = self._at, 0
                self._data = fetch(self._address, _CHUNK, self._at, length)
                if not self._data:
                    break
            piece = self._data[inside : inside + wanted]
            pieces.append(piece)
            self._at += len(piece)
            wanted -= len(piece)
        return b"".join(pieces)
