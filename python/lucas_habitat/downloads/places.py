"""Where what is fetched lies until it is whole, and who may write there."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import DownloadError, LucasError

__all__ = ["one_run", "part_path", "writing"]


def part_path(place: Path) -> Path:
    """The unfinished file beside a finished one."""
    return place.with_name(f".{place.name}.part")


@contextmanager
def one_run(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file while a run writes, and refuse a second run at once.

    The system lets go of the lock when a process dies, however it dies.
    """
    file_lock = FileLock(lock)
    with writing(lock.parent):
        try:
            file_lock.acquire(timeout=0)
        except Timeout:
            raise DownloadError(
                f"Another run is fetching {what}. One run at a time: wait until it has ended, or "
                "fetch to another place."
            ) from None
    try:
        yield
    finally:
        file_lock.release()


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn an OSError while writing into a DownloadError that tells what is full or forbidden."""
    try:
        yield
    except OSError as error:
        if isinstance(error, LucasError):
            raise
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        raise DownloadError(
            f"The disk of {root} is full. What was fetched is kept: free some space and run again."
            if full
            else f"Cannot write to {root}: {error}. What was fetched is kept."
        ) from error
