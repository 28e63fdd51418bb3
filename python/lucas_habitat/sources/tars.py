"""Files in tar shards, read where they stand; nothing is ever unpacked."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple, cast

from ..errors import PhotoError
from .addresses import is_remote, shown
from .names import on_disk, readable
from .remote import RangeFile, fetch, recall

__all__ = ["TarFileEntry", "entries", "member_stamp", "read_member", "remember_entries"]

#: What the head of an entry may take, with its long names; more is an attempt to fill the memory.
_LONGEST_HEAD = 1_000_000
#: Bytes of a file that stands beside a photo and tells of it.
_LONGEST_TEXT = 65_536
#: Shards whose contents are remembered.
_REMEMBERED = 16


class TarFileEntry(NamedTuple):
    """A plain file in a shard."""

    name: str
    offset: int
    size: int
    #: What is in it, where it was asked for.
    text: bytes | None = None


class _Index:
    """What is in a shard, made by the first who asks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[str, TarFileEntry] | None = None
        self.fault: PhotoError | None = None


_indexes: OrderedDict[tuple[str, str | None], _Index] = OrderedDict()
_lock = threading.Lock()


def entries(tar: str, texts: tuple[str, ...] = ()) -> Iterator[TarFileEntry]:
    """The plain files in a shard, in its order; links, devices and sparse files are passed over.

    A file's name is only what it is asked for by: a name that is absolute or has ``..`` leads nowhere.
    Small files whose names end in one of ``texts`` come with what is in them.

    Raises
    ------
    PhotoError
        If it cannot be opened; after what could be read, if it is damaged.
    """
    n = 0
    with _opened(tar) as file:
        end = -1
        try:
            with tarfile.open(
                fileobj=cast(IO[bytes], _Heads(file)),
                mode="r:",
                encoding="utf-8",
                errors="surrogateescape",
            ) as archive:
                while True:
                    entry = archive.next()
                    if entry is None:
                        return
                    # tarfile keeps all it has seen.
                    archive.members.clear()  # type: ignore[attr-defined]
                    if entry.offset_data <= end or entry.size < 0:
                        raise tarfile.ReadError("an entry says that it ends before it begins")
                    end = entry.offset_data
                    if entry.isreg() and not entry.issparse():
                        text = None
                        if entry.name.lower().endswith(texts) and entry.size <= _LONGEST_TEXT:
                            file.seek(entry.offset_data)
                            text = file.read(entry.size)
                        yield TarFileEntry(
                            readable(entry.name), entry.offset_data, entry.size, text
                        )
                        n += 1
        except PhotoError:
            raise
        except (tarfile.TarError, ValueError, OverflowError, RecursionError, KeyError) as error:
            raise PhotoError("damaged", _damage(tar, file, n, error)) from error


def _damage(tar: str, file: IO[bytes], n: int, error: Exception) -> str:
    """What is wrong with a shard."""
    file.seek(0)
    if not n and file.read(2) == b"\x1f\x8b":
        return (
            f"the shard {shown(tar)} is compressed, so that no photo in it can be read by itself; unpack "
            "it with gunzip (photos are compressed themselves)"
        )
    if not n:
        return f"{shown(tar)} is no tar file: {error}"
    return f"the shard {shown(tar)} is damaged after {n} files: {error}"


def read_member(tar: str, name: str, most: int) -> bytes:
    """A file in a shard, or why it cannot be read in a `PhotoError`."""
    entry = _find(tar, name)
    if entry.size == 0:
        raise PhotoError("empty", "the file has 0 bytes")
    if entry.size > most:
        raise PhotoError("too large", f"the file has {entry.size:,} bytes")
    if is_remote(tar):
        data = fetch(tar, most, entry.offset, entry.size)
    else:
        with _opened(tar) as file:
            file.seek(entry.offset)
            data = file.read(entry.size)
    if len(data) < entry.size:
        raise PhotoError(
            "damaged", f"the shard ends within it: {len(data):,} of {entry.size:,} bytes are there"
        )
    return data


def member_stamp(tar: str, name: str) -> str | None:
    """What tells without reading it that a file in a shard is as it was: its shard's stamp, its place."""
    state = recall(tar) if is_remote(tar) else _state(tar)
    if state is None:
        return None
    try:
        entry = _find(tar, name)
    except PhotoError:
        return None
    return f"{entry.size}-{entry.offset}-{state}"


def _find(tar: str, name: str) -> TarFileEntry:
    index = _index(tar)
    with index.lock:
        if index.entries is None:
            index.entries = {}
            try:
                for entry in entries(tar):
                    index.entries[entry.name] = entry
            except PhotoError as error:
                if error.status != "damaged":  # the next who asks may fare better
                    index.entries = None
                    raise
                index.fault = error
    if name in index.entries:
        return index.entries[name]
    if index.fault:
        raise PhotoError("missing", f"there is no {name} in it: {index.fault}")
    raise PhotoError("missing", f"there is no {name} in {shown(tar)}")


def remember_entries(tar: str, listed: dict[str, TarFileEntry], fault: PhotoError | None) -> None:
    """Keep what a listing read, so that photos are read without listing their shard again."""
    index = _index(tar)
    with index.lock:
        index.entries, index.fault = listed, fault


def _index(tar: str) -> _Index:
    """What is remembered of a shard as it is now."""
    key = (tar, recall(tar) if is_remote(tar) else _state(tar))
    with _lock:
        index = _indexes.setdefault(key, _Index())
        _indexes.move_to_end(key)
        if len(_indexes) > _REMEMBERED:
            _indexes.popitem(last=False)
        return index


def _state(tar: str) -> str | None:
    try:
        stat = os.stat(on_disk(tar))
    except (OSError, ValueError):
        return None
    return f"{stat.st_size}-{stat.st_mtime_ns}"


@contextmanager
def _opened(tar: str) -> Iterator[IO[bytes]]:
    """A shard to read from any place of it."""
    if is_remote(tar):
        yield cast(IO[bytes], RangeFile(tar))
        return
    try:
        path = on_disk(tar)
        if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe would wait for ever
            raise PhotoError("unreadable", f"the shard {tar} is no file")
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise PhotoError("missing", f"there is no shard {tar}") from None
    except PhotoError:
        raise
    except (OSError, ValueError) as error:
        raise PhotoError("unreadable", f"the shard {tar}: {error}") from error


class _Heads(io.RawIOBase):
    """What tarfile sees of a shard: heads of entries, which are short."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where it is read next."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """The next bytes; refused where they are more than a head has."""
        if not 0 <= size <= _LONGEST_HEAD:
            raise tarfile.ReadError(f"the head of an entry says that it has {size:,} bytes")
        return self._file.read(size)
