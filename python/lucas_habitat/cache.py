"""What is kept on disk so that it is computed once: features of photos, compiled networks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from platformdirs import user_cache_dir
from safetensors import SafetensorError, safe_open

from ._base.files import ABANDONED, existing, flush_folder, megabytes, save_tensors
from ._base.signatures import checked
from .errors import InputError, inform, warn
from .images.heic import heic_version, is_heic, named_heic
from .sources import is_remote, known_stamp, name_of, on_disk, shown, split_member

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FeatureCache", "cache_folder", "cache_info", "clear_cache"]

Array = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint8]

#: Environment variables that name the cache folder, and its largest size in GB (10^9 bytes).
CACHE_FOLDER = "LUCAS_HABITAT_CACHE"
CACHE_SIZE = "LUCAS_HABITAT_CACHE_GB"
_DEFAULT_GB = 20.0
_FORMAT = 2
#: Rows are written this often, so that an interrupted run loses little.
_SEGMENT = 512
#: Segments are merged once so many are of about one size, which differ by this factor: so few files
#: stay, and a row is written again only as often as the logarithm of all rows.
_FAN = 8
#: Bytes that one call merges at most, and above which a segment stays as it is.
_MERGED_BYTES = 64_000_000
#: The entry of a file's metadata that names the files its rows were merged from.
_MERGED = "merged"
#: So often a folder is listed anew if files go while they are read.
_TRIES = 3
#: Rows are written so often, and files of a folder looked for, where another process computes the same.
_SHARED_SEGMENT = 32
#: Files written after which small ones are merged, so that a long run leaves few.
_MERGE_EVERY = 64
#: How the names of files end by which a process tells that it uses a folder.
_IN_USE = ".run"
#: Seconds after which a process that told nothing of itself computes no more.
_SILENT = 600
#: Seconds after which rows of the same network that no run used may make room for others.
_UNUSED = 7 * 86_400
#: Bytes of the disk that stay free for what else is written, and at most this share of it.
_RESERVE, _RESERVE_SHARE = 1e9, 0.05
# A file younger than this may change again within the resolution of its own times.
_SETTLED_NS = 3_000_000_000


def cache_folder() -> Path:
    """Where things are kept: LUCAS_HABITAT_CACHE, else the user's cache folder."""
    return Path(os.environ.get(CACHE_FOLDER) or user_cache_dir("lucas-habitat", appauthor=False))


def content_key(data: bytes) -> bytes:
    """A photo's key: a hash of the file's content, 16 bytes; of HEIC, also of what decodes it.

    In the spec of all features, a package that only HEIC needs would cost every JPEG's too.
    """
    decoder = heic_version() if is_heic(data) else ""
    return hashlib.blake2b(data, digest_size=16, person=decoder.encode()[:16]).digest()


class _Lookup(NamedTuple):
    """Rows that were asked for by their keys."""

    #: bool, shape (n,).
    is_stored: npt.NDArray[np.bool_]
    #: Shape (n, width); zeros where nothing is stored.
    rows: npt.NDArray[Any]


class _Found(NamedTuple):
    """What is kept of files that were read before."""

    #: bool, shape (n,): whether the features of a file are kept.
    is_stored: npt.NDArray[np.bool_]
    #: Shape (n, num_features); zeros where nothing is stored.
    rows: Array
    #: Shape (n, 16), the `content_key` of each file whose features are kept.
    contents: Keys


class _Index(NamedTuple):
    """Where the rows of a folder stand."""

    files: list[Path]
    #: Number of rows in all files before each file.
    starts: npt.NDArray[np.intp]
    #: Keys as two numbers each, sorted by the first, and the place of each among all rows.
    keys: npt.NDArray[np.uint64]
    places: npt.NDArray[np.intp]
    #: Names of files whose rows were merged into others, and that could not be deleted then.
    merged: set[str]


class _Rows:
    """Rows looked up by a key of 16 bytes, in files that appear whole and never change.

    Each file appears under a new name and complete, so processes can share the folder and none
    sees half a file; none is kept open, because Windows locks what is mapped. Small files are merged
    into larger ones, which name them. Where one then stays, because a process is killed or Windows
    keeps a file that is mapped, its rows stand twice; it is not merged again, only deleted once it can be.
    """

    def __init__(self, folder: Path, width: int, dtype: str, room: _Room) -> None:
        self._folder, self.width, self._dtype = folder, width, np.dtype(dtype)
        self._room, self._segment = room, _SEGMENT
        self._new: dict[bytes, npt.NDArray[Any]] = {}
        self._used: set[Path] = set()
        self._writable = True
        self._n_written = 0
        self._listed: int | None = None
        self._indexes = self._read_all()

    def find(self, keys: Keys) -> _Lookup:
        """Rows for keys of shape (n, 16)."""
        lookup = _Lookup(
            np.zeros(len(keys), dtype=bool), np.zeros((len(keys), self.width), self._dtype)
        )
        if not all([self._look_up(keys, lookup, index) for index in self._indexes]):
            # Another process merged or deleted files; where merged, the rows are in a new one.
            self._indexes = self._read_all()
            for index in self._indexes:
                self._look_up(keys, lookup, index)
        for i in np.flatnonzero(~lookup.is_stored):
            new = self._new.get(keys[i].tobytes())
            if new is not None:
                lookup.rows[i], lookup.is_stored[i] = new, True
        return lookup

    def touch(self) -> None:
        """Mark what was used, so that the limit takes away others first."""
        for file in self._used:
            with contextlib.suppress(OSError):
                os.utime(file)

    def add(self, key: bytes, row: npt.NDArray[Any]) -> None:
        """Remember a row; `flush` writes it."""
        self._new[key] = row
        if len(self._new) >= self._segment:
            self.flush()

    def share(self, is_shared: bool) -> None:
        """Write more often while another process computes the same."""
        self._segment = _SHARED_SEGMENT if is_shared else _SEGMENT

    def refresh(self) -> None:
        """Take in the files that came since, of other processes and of this one."""
        try:
            listed = self._folder.stat().st_mtime_ns
        except OSError:
            return
        if listed == self._listed:
            return
        names = {file for index in self._indexes for file in index.files}
        new = [file for file in sorted(self._folder.glob("*.safetensors")) if file not in names]
        index, is_complete = self._read(new)
        self._listed = listed
        self._indexes = _few((*self._indexes, index)) if is_complete else self._read_all()

    def flush(self) -> None:
        """Write what is new. A full or read-only disk costs the cache, never the run."""
        if not self._new:
            return
        if not self._writable or not self._room.take(len(self._new) * self.row_bytes):
            self._new = {}
            return
        keys = np.frombuffer(b"".join(self._new), np.uint8).reshape(-1, 16)
        rows = np.stack(list(self._new.values())).astype(self._dtype, copy=False)
        try:
            self._used.add(self._write(keys, rows))
            self._n_written += 1
        except (OSError, SafetensorError) as error:
            self._writable = False
            warn(
                f"Features cannot be cached in {self._folder} ({error}); the next run computes them "
                f"again. {CACHE_FOLDER} names another folder."
            )
        self._new = {}
        if self._n_written % _MERGE_EVERY == 0:
            self.merge()

    @property
    def wrote(self) -> bool:
        """Whether a file was added."""
        return self._n_written > 0

    @property
    def row_bytes(self) -> int:
        """What a row and its key take."""
        return 16 + self.width * self._dtype.itemsize

    def merge(self) -> None:
        """Put small files together, a bounded number of bytes; another process that does so goes first."""
        # filelock raises NotImplementedError where a file system has no locks.
        with (
            contextlib.suppress(OSError, SafetensorError, Timeout, NotImplementedError),
            FileLock(self._folder / ".merge.lock", timeout=0),
        ):
            self._delete_leftovers()
            done = {name for index in self._indexes for name in index.merged}
            budget = _MERGED_BYTES
            while files := self._alike(budget, done):
                budget -= sum(file.stat().st_size for file in files)
                self._merge(files)
                # Some may not be deleted; merging them again would never end.
                done.update(file.stem for file in files)

    def _read_all(self) -> tuple[_Index, ...]:
        """The index of the files that are there now."""
        for _ in range(_TRIES):
            with contextlib.suppress(OSError):
                self._listed = self._folder.stat().st_mtime_ns
            index, is_complete = self._read(sorted(self._folder.glob("*.safetensors")))
            if is_complete:
                break
        return (index,)

    def _read(self, chosen: Iterable[Path]) -> tuple[_Index, bool]:
        """The index of some files, and whether all of them were there still."""
        files, keys, merged, is_complete = [], [], set[str](), True
        for file in chosen:
            try:
                with safe_open(file, "np") as segment:
                    if segment.get_slice("rows").get_shape()[1:] == [self.width]:
                        keys.append(segment.get_tensor("keys").view("<u8"))
                        files.append(file)
                        merged.update(_merged_into(segment))
            except FileNotFoundError:  # merged meanwhile, into a file that is not in this list
                is_complete = False
            except (OSError, SafetensorError):
                pass  # a damaged file only costs the time to compute its rows again
        stored = np.concatenate(keys) if keys else np.empty((0, 2), "<u8")
        # Sorted by the first half; the second tells whether it is really the one.
        order = np.argsort(stored[:, 0], kind="stable")
        starts = np.cumsum([0, *map(len, keys)])
        merged &= {file.stem for file in files}
        return _Index(files, starts, stored[order], order, merged), is_complete

    def _look_up(self, keys: Keys, lookup: _Lookup, index: _Index) -> bool:
        """Fill in rows that files hold; False if a file of the index could not be read."""
        if not len(index.keys):
            return True
        is_complete = True
        wanted = np.ascontiguousarray(keys).view("<u8")
        at = np.searchsorted(index.keys[:, 0], wanted[:, 0]).clip(max=len(index.keys) - 1)
        hits = np.flatnonzero((index.keys[at] == wanted).all(axis=1) & ~lookup.is_stored)
        places = index.places[at[hits]]
        numbers = np.searchsorted(index.starts, places, side="right") - 1
        for number in np.unique(numbers):
            is_here = numbers == number
            try:
                with safe_open(index.files[number], "np") as segment:
                    rows = _rows_of(segment, places[is_here] - index.starts[number])
            except (OSError, SafetensorError):
                is_complete = False
            else:
                lookup.rows[hits[is_here]] = rows
                lookup.is_stored[hits[is_here]] = True
                self._used.add(index.files[number])
        return is_complete

    def _delete_leftovers(self) -> None:
        """Delete files that were merged into others, and what killed processes were writing."""
        for index in self._indexes:
            for name in index.merged:
                with contextlib.suppress(OSError):
                    (self._folder / f"{name}.safetensors").unlink()
        for file in (*self._folder.glob(".*.tmp"), *self._folder.glob(f".*{_IN_USE}")):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()

    def _alike(self, budget: int, done: set[str]) -> list[Path]:
        """Files of about one size, enough of them to be merged; the smallest such size first."""
        sizes: dict[int, list[tuple[int, Path]]] = {}
        for file in self._folder.glob("*.safetensors"):
            size = file.stat().st_size
            if size < _MERGED_BYTES and file.stem not in done:
                sizes.setdefault(int(math.log(max(size / self.row_bytes, 1), _FAN)), []).append(
                    (size, file)
                )
        for _, files in sorted(sizes.items()):
            chosen, total = [], 0
            for size, file in sorted(files):
                if total + size <= budget:
                    chosen.append(file)
                    total += size
            if len(chosen) >= _FAN:
                return chosen
        return []

    def _merge(self, files: list[Path]) -> None:
        """Write the rows of some files into one that names them, then delete them."""
        keys, rows, read, merged = [], [], [], set()
        for file in files:
            try:
                with safe_open(file, "np") as segment:
                    if segment.get_slice("rows").get_shape()[1:] == [self.width]:
                        keys.append(segment.get_tensor("keys"))
                        rows.append(segment.get_tensor("rows"))
                        merged.update(_merged_into(segment))
            except OSError:
                continue  # it may be readable for others, or later
            except SafetensorError:
                pass  # a damaged file has nothing to be kept
            read.append(file)
        # What an earlier merge could not delete is named on; the rest need not be.
        merged = {name for name in merged if (self._folder / f"{name}.safetensors").exists()}
        if keys:
            stored = np.concatenate(keys)
            _, first = np.unique(stored.view("<u8"), axis=0, return_index=True)
            names = merged.union(file.stem for file in read)
            new = self._write(stored[first], np.concatenate(rows)[first], names)
            if not self._used.isdisjoint(read):
                self._used.add(new)
        for file in read:
            with contextlib.suppress(OSError):  # mapped by another process on Windows
                file.unlink()

    def _write(self, keys: Keys, rows: npt.NDArray[Any], merged: Iterable[str] = ()) -> Path:
        """Add a file, whole or not at all; it tells which files its rows were merged from.

        It is on the disk before it has its name: half a file with its names in order would be rows of zeros.
        """
        name = uuid.uuid4().hex
        tmp = self._folder / f".{name}.tmp"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            tensors = {"keys": keys, "rows": np.ascontiguousarray(rows)}
            save_tensors(tensors, tmp, {_MERGED: " ".join(sorted(merged))})
            file = self._folder / f"{name}.safetensors"
            os.replace(tmp, file)
            flush_folder(self._folder)
            return file
        except BaseException:
            with contextlib.suppress(OSError):
                tmp.unlink()
            raise


def _few(indexes: tuple[_Index, ...]) -> tuple[_Index, ...]:
    """The same rows in few indexes, each sorted anew as often as the logarithm of all rows."""
    while len(indexes) > 1 and 2 * len(indexes[-1].keys) >= len(indexes[-2].keys):
        a, b = indexes[-2:]
        n = a.starts[-1]
        keys, places = np.concatenate([a.keys, b.keys]), np.concatenate([a.places, b.places + n])
        order = np.argsort(keys[:, 0], kind="stable")
        starts = np.concatenate([a.starts[:-1], b.starts + n])
        both = _Index(a.files + b.files, starts, keys[order], places[order], a.merged | b.merged)
        indexes = (*indexes[:-2], both)
    return indexes


def _merged_into(segment: Any) -> list[str]:
    """Names of the files that were merged into an open one; files of before name none."""
    metadata: dict[str, str] = segment.metadata() or {}
    return metadata.get(_MERGED, "").split()


def _rows_of(segment: Any, places: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Some of a file's rows; the file is mapped, so others are not read where these are few."""
    stored, first, last = segment.get_slice("rows"), int(places.min()), int(places.max())
    if last - first < 8 * len(places):
        rows: npt.NDArray[Any] = stored[first : last + 1][places - first]
        return rows
    return np.concatenate([stored[i : i + 1] for i in places.tolist()])


class FeatureCache:
    """Features on disk, found by a photo's content.

    One folder holds the features of one way to compute them: its name is a hash of everything
    that changes them. Photos whose path, size, times and inode are those of a file read before
    are not read again; a file that changed has other times, and is.

    Parameters
    ----------
    spec : dict
        Everything that changes the features, save the photo itself.
    num_features : int
    """

    def __init__(self, spec: dict[str, Any], num_features: int) -> None:
        text = json.dumps({"format": _FORMAT, **spec}, sort_keys=True)
        root = cache_folder()
        folder = root / "features" / hashlib.sha256(text.encode()).hexdigest()[:24]
        self._room = _Room(_limit(), folder)
        self._features = _Rows(folder, num_features, "<f4", self._room)
        self._files = _Rows(root / "files", 16, "u1", self._room)
        self._spec, self._folder = spec, folder
        self._mark = folder / f".{uuid.uuid4().hex}{_IN_USE}"

    def expect(self, total: int) -> None:
        """Say before a run of so many photos where the cache cannot keep them all."""
        self._room.expect(total, self._features.row_bytes + self._files.row_bytes)

    def refresh(self) -> bool:
        """Take in what others wrote meanwhile; whether another process computes the same now."""
        self._mark_as_used()
        others = [m for m in self._folder.glob(f".*{_IN_USE}") if m != self._mark]
        is_shared = any(_age(mark) < _SILENT for mark in others)
        for rows in (self._features, self._files):
            rows.share(is_shared)
            rows.refresh()
        return is_shared

    def _mark_as_used(self) -> None:
        """Tell other processes that this one computes, so that they take nothing away."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._mark.touch()

    def find(self, paths: Sequence[str]) -> _Found:
        """Features of files that were read before and have not changed since.

        Parameters
        ----------
        paths : sequence of str

        Returns
        -------
        is_stored : numpy.ndarray
            bool, shape (n,).
        rows : numpy.ndarray
            float32, shape (n, num_features); zeros where nothing is stored.
        contents : numpy.ndarray
            uint8, shape (n, 16), the `content_key` of each file; zeros where nothing is stored.
        """
        stats = [file_key(path) for path in paths]
        is_stored = np.zeros(len(stats), dtype=bool)
        keys_of_content = np.zeros((len(stats), 16), np.uint8)
        features = np.zeros((len(stats), self._features.width), np.float32)
        settled = [(i, key) for i, key in enumerate(stats) if key is not None]
        asked = np.array([i for i, _ in settled], dtype=np.intp)
        keys = np.frombuffer(b"".join(key for _, key in settled), np.uint8).reshape(-1, 16)
        contents = self._files.find(keys)
        asked = asked[contents.is_stored]
        stored = self._features.find(contents.rows[contents.is_stored])
        is_stored[asked], features[asked] = stored.is_stored, stored.rows
        keys_of_content[asked] = contents.rows[contents.is_stored]
        return _Found(is_stored, features, keys_of_content)

    def get(self, key: bytes) -> Array | None:
        """The features of a photo with this content, or None."""
        lookup = self._features.find(np.frombuffer(key, np.uint8).reshape(1, 16))
        return lookup.rows[0] if lookup.is_stored[0] else None

    def add(self, key: bytes, features: Array | None, file: bytes | None = None) -> None:
        """Remember a photo.

        Parameters
        ----------
        key : bytes
            Its `content_key`.
        features : numpy.ndarray or None
            None where they are kept already.
        file : bytes, optional
            Its `file_key`, asked for before the file was read.
        """
        if features is not None:
            self._features.add(key, features)
        if file is not None:
            self._files.add(file, np.frombuffer(key, np.uint8))

    def close(self) -> None:
        """Write what is new, and keep the whole cache below its limit."""
        for rows in (self._features, self._files):
            rows.flush()
            if rows.wrote:
                rows.merge()
            rows.touch()
        with contextlib.suppress(OSError):
            self._mark.unlink(missing_ok=True)
        if self._features.wrote:
            with contextlib.suppress(OSError):
                text = json.dumps(self._spec, sort_keys=True, indent=1)
                (self._folder / "spec.json").write_text(text, encoding="utf-8")


def file_key(path: str) -> bytes | None:
    """A file's key without reading it: path, size, times, inode; None if it is gone or just made.

    Where its name says HEIC, the version of what decodes that is in the key, as in `content_key`.

    The times of a file that changed differ, but for one that changes twice within their
    resolution: so young a file has no key yet. On Windows, where a file's own times can all be
    set, another photo of the same size to the byte, written over it with the old times, goes unnoticed.
    A photo in a shard is as its shard is. One that lies elsewhere has a key where a listing told its stamp.
    """
    if isinstance(path, str) and is_remote(path):
        stamp = known_stamp(path)
        return None if stamp is None else _hashed((shown(path), stamp), path)
    member = split_member(path) if isinstance(path, str) else None
    file = member.tar if member else path
    try:
        s = os.stat(on_disk(file))
    except (OSError, ValueError, TypeError):
        return None
    if time.time_ns() - max(s.st_mtime_ns, s.st_ctime_ns) < _SETTLED_NS:
        return None
    what = (os.path.abspath(file), s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev)
    return _hashed((*what, member.name) if member else what, path)


def _hashed(what: tuple[object, ...], path: str) -> bytes:
    decoder = heic_version() if named_heic(name_of(path)) else ""
    return hashlib.blake2b(
        repr(what).encode("utf-8", "surrogatepass"), digest_size=16, person=decoder.encode()[:16]
    ).digest()


def _limit() -> float:
    """Bytes that the cache may take."""
    text = os.environ.get(CACHE_SIZE)
    if not text:
        return _DEFAULT_GB * 1e9
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise InputError(f"{CACHE_SIZE} must be a number of GB, at least 0; got {text!r} instead.")
    return value * 1e9


#: What the limit may delete file by file; and all that is kept, such as models that others shared.
_LIMITED = ("features", "files", "networks")
_ALL = (*_LIMITED, "app-demo", "models")


class _File(NamedTuple):
    """A file that is kept; sorted, the one not used for longest comes first."""

    used: float
    size: int
    path: Path


def _files(parts: Sequence[str] = _ALL) -> list[_File]:
    """All files that are kept."""
    files = []
    for part in parts:
        for path in (cache_folder() / part).rglob("*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                if path.is_file():
                    files.append(_File(stat.st_mtime, stat.st_size, path))
    return files


def _age(file: Path) -> float:
    """Seconds since a file was changed; endless for one that is gone."""
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return math.inf


class _Room:
    """What the cache may still take, asked for before anything is written.

    Where it is full, files make room that were not used for longest. Never those of this run's network,
    as long as a run of the last week used them, nor those of a network that another process runs now:
    a cache that is smaller than a run keeps what the run computed first.
    """

    def __init__(self, limit: float, own: Path) -> None:
        self._limit, self._own = limit, own
        self._left = -math.inf
        self._is_told = not limit  # who wants no cache need not hear that it is full

    def expect(self, total: int, row_bytes: int) -> None:
        """Say where so many rows are more than the cache may ever hold, or the disk."""
        needed = total * row_bytes
        own = sum(file.size for file in _files() if file.path.parent == self._own)
        free = own + self._free()
        most = min(self._limit, free)
        if needed <= most or self._is_told:
            return
        self._is_told = True
        reason = (
            f"the {megabytes(self._limit)} that it may take"
            if self._limit <= free
            else f"the {megabytes(max(free, 0))} that are free on its disk"
        )
        least = math.ceil(1.1 * needed / 1e8) / 10
        inform(
            f"The features of {total} photos take {megabytes(needed)} in the cache, more than {reason}: "
            f"at most {int(max(most, 0) // row_bytes)} photos' are kept, and a further run computes the "
            f"others again. {CACHE_SIZE}={least:g} allows all, {CACHE_FOLDER} names another disk."
        )

    def take(self, size: int) -> bool:
        """Whether so many bytes may be written."""
        if size > self._left:
            self._left = self._make_room(size)
        if size > self._left or size > self._free():
            if not self._is_told:
                self._is_told = True
                inform(
                    f"The cache in {cache_folder()} is full: features of further photos are not kept, and "
                    f"the next run computes them again. It may take {megabytes(self._limit)}; "
                    f"{CACHE_SIZE} sets it in GB, {CACHE_FOLDER} names another disk."
                )
            return False
        self._left -= size
        return True

    def _free(self) -> float:
        """Bytes of the disk that the cache may take."""
        try:
            disk = shutil.disk_usage(existing(self._own))
        except OSError:
            return math.inf
        return disk.free - min(_RESERVE, _RESERVE_SHARE * disk.total)

    def _make_room(self, size: int) -> float:
        """Delete what was not used for longest, if there is need to; give the bytes that are left."""
        files = sorted(_files(_LIMITED))
        total = sum(file.size for file in files)
        if total + size > self._limit:
            in_use = {file.path.parent for file in files if self._is_mark(file)}
            for file in files:
                if total + size <= 0.9 * self._limit:  # or every write would delete a little
                    break
                if self._may_go(file, in_use):
                    with contextlib.suppress(OSError):  # in use by another process on Windows
                        file.path.unlink()
                        total -= file.size
        # Counted anew now and then, because other processes write too.
        return min(self._limit - total, max(size, 0.05 * self._limit))

    @staticmethod
    def _is_mark(file: _File) -> bool:
        return file.path.suffix == _IN_USE and time.time() - file.used < ABANDONED

    def _may_go(self, file: _File, in_use: set[Path]) -> bool:
        age = time.time() - file.used
        folder = file.path.parent
        if folder == self._own or folder == cache_folder() / "files":
            return age > _UNUSED
        return folder not in in_use and (age > ABANDONED or folder.parent.name == "features")


@checked
def cache_info() -> pd.DataFrame:
    """What the cache holds.

    Returns
    -------
    pandas.DataFrame
        One row a way in which features were computed: ``arch``, ``weights``, ``engine``,
        ``precision``, ``size`` (pixels), ``photos``, ``megabytes`` (10^6 bytes), ``last_used``
        (ISO, UTC), ``folder``. ``attrs``: ``folder`` (of the whole cache), ``megabytes`` and ``limit``
        (of the whole cache, in 10^6 bytes; LUCAS_HABITAT_CACHE_GB sets it in 10^9 bytes).
    """
    import pandas as pd

    files = _files()
    rows = []
    for folder in sorted((cache_folder() / "features").glob("*")):
        mine = [file for file in files if file.path.parent == folder]
        segments = [file for file in mine if file.path.suffix == ".safetensors"]
        if not segments:
            continue
        try:
            spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            spec = {}
        backbone = spec.get("backbone", {})
        photos = 0
        for file in segments:
            with (
                contextlib.suppress(OSError, SafetensorError),
                safe_open(file.path, "np") as segment,
            ):
                photos += segment.get_slice("keys").get_shape()[0]
        rows.append(
            {
                "arch": backbone.get("arch"),
                "weights": backbone.get("weights"),
                "engine": spec.get("engine"),
                "precision": spec.get("precision"),
                "size": backbone.get("size"),
                "photos": photos,
                "megabytes": sum(file.size for file in mine) / 1e6,
                "last_used": datetime.fromtimestamp(
                    max(file.used for file in segments), UTC
                ).isoformat(timespec="seconds"),
                "folder": str(folder),
            }
        )
    columns = ["arch", "weights", "engine", "precision", "size", "photos", "megabytes"]
    table = pd.DataFrame(rows, columns=[*columns, "last_used", "folder"])
    table.attrs = {
        "folder": str(cache_folder()),
        "megabytes": sum(file.size for file in files) / 1e6,
        "limit": _limit() / 1e6,
    }
    return table


def describe_cache(table: pd.DataFrame) -> list[str]:
    """What `cache_info` gave, as lines for a summary."""
    rows = table.drop(columns="folder").to_string(index=False, float_format="%.1f")
    whole = table.attrs
    return [
        *(rows.split("\n") if len(table) else []),
        f"{whole['megabytes']:.1f} MB of at most {whole['limit']:.0f} MB in {whole['folder']}",
    ]


@checked
def clear_cache() -> float:
    """Delete everything that is kept; the next run computes it again.

    Returns
    -------
    float
        Megabytes (10^6 bytes) that were freed. What another process uses may stay on Windows.
    """
    before = sum(file.size for file in _files())
    for part in _ALL:
        shutil.rmtree(cache_folder() / part, ignore_errors=True)
    return (before - sum(file.size for file in _files())) / 1e6
