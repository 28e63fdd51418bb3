"""Files on web servers, over https."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._base.version import __version__
from ..errors import PhotoError
from .addresses import LOCAL, refusal, shown
from .requests import READERS, BusyError, Facts, again

if TYPE_CHECKING:
    import httpx2

__all__ = ["facts", "fetch"]

_TIMEOUT = 30.0
#: Seconds that one file may take: a server that sends a byte a second would never end.
_LONGEST = 300.0
_REDIRECTS = 5
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_TOTAL = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")

# By process: connections of one must not be used in another that was forked from it.
_clients: dict[int, httpx2.Client] = {}
_lock = threading.Lock()


def fetch(address: str, start: int, length: int | None, most: int) -> bytes:
    """A file's bytes, or ``length`` of them from ``start``; not more than ``most``."""
    headers = {}
    if length is not None:
        headers["range"] = f"bytes={start}-{start + length - 1}"

    def attempt() -> bytes:
        with _response(address, headers) as response:
            if length is not None and response.status_code == 416:
                return b""
            if length is not None and response.status_code != 206:
                raise PhotoError(
                    "unreadable", f"{shown(address)}: the server gives no parts of files"
                )
            stated = _length(response)
            if stated is not None and stated > most:
                raise PhotoError("too large", f"the file has {stated:,} bytes")
            data = _body(response, most)
            if stated is not None and len(data) != stated:
                raise BusyError(f"{len(data):,} of {stated:,} bytes came")
            return data

    return again(attempt)


def facts(address: str) -> Facts:
    """A file's size and stamp, asked by its first byte: links signed for reading refuse other questions."""

    def attempt() -> Facts:
        with _response(address, {"range": "bytes=0-0"}) as response:
            size = _length(response)
            if response.status_code in (206, 416):
                total = _TOTAL.fullmatch(response.headers.get("content-range", ""))
                size = int(total[1]) if total else None
            mark = response.headers.get("etag") or response.headers.get("last-modified")
            return Facts(size, None if size is None or not mark else f"{size}-{mark}")

    return again(attempt)


def _client() -> httpx2.Client:
    """Connections of this process, with the proxy and certificates that the environment names."""
    import httpx2

    with _lock:
        client = _clients.get(os.getpid())
        if client is None:
            try:
                client = httpx2.Client(
                    headers={
                        "user-agent": f"lucas-habitat/{__version__}",
                        "accept-encoding": "identity",
                    },
                    timeout=httpx2.Timeout(_TIMEOUT, pool=None),
                    limits=httpx2.Limits(max_connections=READERS),
                    # A proxy leads to the internet, not to this computer.
                    mounts={f"all://{'[::1]' if host == '::1' else host}": None for host in LOCAL},
                )
            except (ValueError, ImportError, OSError) as error:
                raise PhotoError(
                    "unreadable",
                    f"the proxy or certificates set in the environment cannot be used: {error}",
                ) from error
            _clients[os.getpid()] = client
        return client


@contextmanager
def _response(address: str, headers: dict[str, str]) -> Iterator[httpx2.Response]:
    """Open an answer that is no error, following redirects that stay with https."""
    import httpx2

    url = address
    try:
        for _ in range(_REDIRECTS):
            reason = refusal(url)
            if reason:
                raise PhotoError("unreadable", reason)
            with _client().stream("GET", url, headers=headers) as response:
                if not response.has_redirect_location:
                    _check_status(response, address)
                    yield response
                    return
                here = httpx2.URL(url)
                there = here.join(response.headers["location"])
                if there.host in LOCAL and here.host not in LOCAL:
                    raise PhotoError(
                        "unreadable", f"{shown(address)}: the server points to this computer"
                    )
                url = str(there)
        raise PhotoError("unreadable", f"{shown(address)}: the server points on and on")
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise PhotoError("unreadable", f"{shown(address)} is no address: {error}") from error
    except httpx2.RequestError as error:
        text = str(error).replace(address, shown(address)) or type(error).__name__
        raise BusyError(f"{shown(address)}: {text}") from error


def _check_status(response: httpx2.Response, address: str) -> None:
    code = response.status_code
    if code < 400 or code == 416:
        return
    what = f"{shown(address)}: the server answered {code} {response.reason_phrase}".rstrip()
    if code in (404, 410):
        raise PhotoError("missing", what)
    if code in _BUSY:
        after = response.headers.get("retry-after", "").strip()
        raise BusyError(what, float(after) if after.isascii() and after.isdigit() else None)
    raise PhotoError("unreadable", what)


def _length(response: httpx2.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _body(response: httpx2.Response, most: int) -> bytes:
    """An answer's bytes; refused where they are too many, or take too long."""
    data, begun = bytearray(), time.monotonic()
    for piece in response.iter_raw():
        data += piece
        if len(data) > most:
            raise PhotoError("too large", f"the file has more than {most:,} bytes")
        if time.monotonic() - begun > _LONGEST:
            raise PhotoError("unreadable", f"the server sent for more than {_LONGEST:.0f} s")
    return bytes(data)
