"""Photos that lie far away, fetched before it is their turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial

from ..errors import PhotoError
from .addresses import is_remote
from .reading import read_bytes
from .requests import READERS

__all__ = ["Fetch", "ReadAhead"]

#: Waits for a photo's bytes, or raises the `PhotoError` that says why there are none.
Fetch = Callable[[], bytes]

#: Larger files are not fetched ahead: those that wait for their turn are all in memory.
_MOST_BYTES = 16_000_000
#: Seconds after which it is looked whether the run has ended, while a photo is waited for.
_PATIENCE = 0.5


class ReadAhead:
    """Fetches remote photos with many threads, because fetching takes waiting and no core."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._is_closed = threading.Event()

    @property
    def photos(self) -> int:
        """How many photos are best under way at a time; 0 while all are on this computer."""
        return 2 * READERS if self._pool else 0

    def begin(self, path: str) -> Fetch | None:
        """Begin to fetch a photo; what is given waits for it. None for one on this computer."""
        if not (isinstance(path, str) and is_remote(path)):
            return None
        if self._pool is None:
            self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="fetch")
        return partial(self._wait, path, self._pool.submit(_fetch, path))

    def close(self) -> None:
        """Begin no further fetch, and let nobody wait for one."""
        self._is_closed.set()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self, path: str, fetched: Future[bytes | None]) -> bytes:
        while True:
            try:
                data = fetched.result(_PATIENCE)
            except TimeoutError:
                if self._is_closed.is_set():
                    raise CancelledError from None
            else:
                return read_bytes(path) if data is None else data


def _fetch(path: str) -> bytes | None:
    """A photo's bytes; None where there are too many to keep them waiting."""
    try:
        return read_bytes(path, _MOST_BYTES)
    except PhotoError as error:
        if error.status == "too large":
            return None
        raise
