"""The bytes of photos, or the reason why there are none; and what tells that they changed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import LucasError, PhotoError
from .addresses import is_remote, split_member
from .names import on_disk
from .remote import facts, fetch, recall, remember
from .requests import READERS
from .tars import member_stamp, read_member

__all__ = ["MAX_FILE_BYTES", "known_stamp", "opened", "read_bytes", "stamps"]

MAX_FILE_BYTES = 500_000_000


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a photo to read, wherever it lies, or say in a `PhotoError` why it cannot be."""
    if isinstance(path, str) and (is_remote(path) or split_member(path)):
        yield io.BytesIO(read_bytes(path))
        return
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


def read_bytes(path: str, most: int = MAX_FILE_BYTES) -> bytes:
    """Read a photo, wherever it lies, or say in a `PhotoError` why it cannot be.

    ``most`` bounds what comes over a network or from a shard.
    """
    member = split_member(path) if isinstance(path, str) else None
    if member:
        return read_member(member.tar, member.name, most)
    if isinstance(path, str) and is_remote(path):
        data = fetch(path, most)
        if not data:
            raise PhotoError("empty", "the file has 0 bytes")
        return data
    with opened(path) as file:
        return file.read()


def stamps(paths: Sequence[str]) -> list[str | None]:
    """What tells of photos, without reading them, that they are as they were; None where nothing does.

    Of a file its size and time; of an object in S3 its size and hash; of what a web server gives its size
    and entity tag, or its time; of a file in a shard its place and the shard's stamp.
    """
    remote = [i for i, path in enumerate(paths) if isinstance(path, str) and is_remote(path)]
    answers: list[str | None] = [None] * len(paths)
    if remote:
        with ThreadPoolExecutor(min(READERS, len(remote)), "stamps") as pool:
            asked = pool.map(_remote_stamp, [paths[i] for i in remote])
            for i, stamp in zip(remote, asked, strict=True):
                answers[i] = stamp
    is_asked = set(remote)
    for i, path in enumerate(paths):
        if i not in is_asked:
            answers[i] = _local_stamp(path)
    return answers


def known_stamp(address: str) -> str | None:
    """What a listing told lately of a remote photo, or of its shard, without asking anybody."""
    member = split_member(address)
    return recall(member.tar if member else address)


def _remote_stamp(address: str) -> str | None:
    member = split_member(address)
    try:
        if member:
            if recall(member.tar) is None:
                stamp = facts(member.tar).stamp
                if stamp is None:
                    return None
                remember(member.tar, stamp)
            return member_stamp(member.tar, member.name)
        return recall(address) or facts(address).stamp
    except LucasError:  # it will be said where the photo is read
        return None


def _local_stamp(path: str) -> str | None:
    try:
        member = split_member(path)
        if member:
            return member_stamp(member.tar, member.name)
        stat = os.stat(on_disk(path))
    except (OSError, ValueError, TypeError):
        return None
    return f"{stat.st_size}-{stat.st_mtime_ns}"
