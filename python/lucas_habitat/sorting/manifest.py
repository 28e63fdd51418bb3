"""What was put where: one line of JSON a photo, in the folder of sorted photos.

Lines are appended as photos are put in their place. A line that was not written to its end is cut off,
and its photo is recognised by its content, so that sorting goes on wherever it ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from filelock import FileLock, Timeout

from .._base import words
from .._base.files import check_out_folder, full_path, writing
from ..errors import InputError, some
from .names import REVIEW, folder_names, name_key

__all__ = [
    "MANIFEST",
    "Entry",
    "Manifest",
    "check_sorted_folder",
    "is_litter",
    "manifest_of",
    "read_manifest",
]

MANIFEST = "_sorted.jsonl"
_FORMAT, _VERSION = "lucas-habitat sorted photos", 1
_LOCK = ".sorted.lock"
_WAIT = 20  # seconds; a second program is told so instead of waiting for thousands of photos
#: Bytes of a line; a longer one was not written by us.
_LONGEST = 1_000_000
# What file managers leave in folders.
_LITTER = ("thumbs.db", "ehthumbs.db", "desktop.ini")


class Entry(NamedTuple):
    """A photo that was put in a class folder."""

    file: str  # in the folder of sorted photos, with /
    path: str  # of the photo itself
    sha256: str
    size: int
    mtime: int  # of the file, nanoseconds
    point_id: str | None = None
    year: int | None = None
    direction: str | None = None
    habitat: str | None = None  # the label that the photo had
    split: str | None = None
    predicted: str | None = None
    confidence: float | None = None


class _Place(NamedTuple):
    """Where a photo was put last, and what tells that the file is as it was."""

    file: str
    sha256: str
    size: int
    mtime: int


def is_litter(name: str) -> bool:
    """Whether a file is what file managers leave behind, or hidden."""
    return name.startswith(".") or name.lower() in _LITTER


class Manifest:
    """What was put where, while photos are being sorted."""

    def __init__(self, folder: Path, file: BinaryIO) -> None:
        self.folder = folder
        self.folders: dict[str, str] = {}
        self.places: dict[str, _Place] = {}
        self.names: set[str] = set()
        self._file = file

    def remember(self, entry: Entry) -> None:
        """Take in a line that was read."""
        self.places[entry.path] = _Place(entry.file, entry.sha256, entry.size, entry.mtime)
        self.names.add(name_key(os.path.basename(entry.file)))

    def record(self, entry: Entry) -> None:
        """Write a photo down."""
        self._write(entry._asdict())
        self.remember(entry)

    def add_classes(self, classes: Iterable[str]) -> None:
        """Make folders for classes that have none yet, and write their names down."""
        new = folder_names((c for c in classes if c not in self.folders), self.folders.values())
        if new:
            self.folders |= new
            self._write({"folders": new})
        for name in (REVIEW, *new.values()):
            with writing(self.folder / name):
                (self.folder / name).mkdir(exist_ok=True)

    def flush(self) -> None:
        """Have what was written on the disk."""
        with writing(self.folder / MANIFEST):
            self._file.flush()
            os.fsync(self._file.fileno())

    def begin(self) -> None:
        """Write the first line."""
        self._write({"format": _FORMAT, "format_version": _VERSION, "review": REVIEW})

    def _write(self, values: dict[str, Any]) -> None:
        line = json.dumps(values, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with writing(self.folder / MANIFEST, len(line)):
            self._file.write(line)
            self._file.flush()


@contextmanager
def manifest_of(folder: Path, classes: Iterable[str]) -> Iterator[Manifest]:
    """The manifest of a folder, held for this program alone; made where the folder is new.

    Raises
    ------
    InputError
        If another program sorts photos into it.
    OutputError
        If nothing can be written there.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=_WAIT)
    except Timeout:
        raise InputError(f"Another program is sorting photos into {folder}.") from None
    try:
        with writing(folder / MANIFEST):
            file = (folder / MANIFEST).open("ab+")
        with file:
            manifest = Manifest(folder, file)
            _read_into(manifest, file)
            manifest.add_classes(classes)
            yield manifest
            manifest.flush()
    finally:
        lock.release()


def check_sorted_folder(folder: str | os.PathLike[str]) -> Path:
    """The full path of a folder that photos can be sorted into, asked before any is read.

    Raises
    ------
    InputError
        If it holds anything but what was sorted into it.
    OutputError
        If nothing can be written there.
    """
    folder = full_path(folder)
    if not folder.exists() or (folder / MANIFEST).is_file():
        return check_out_folder(folder)
    names = [] if not folder.is_dir() else sorted(os.listdir(folder))
    others = [name for name in names if not is_litter(name)]
    if others or not folder.is_dir():
        held = f"holds other files ({some(others)})" if others else "is no folder"
        raise InputError(
            f"{folder} {held}, and no photos that {words.call('sort_photos')} put there. Give a new folder."
        )
    return check_out_folder(folder)


def _read_into(manifest: Manifest, file: BinaryIO) -> None:
    """Take in what a manifest holds, and cut off a line that was not written to its end."""
    end = _whole_lines(file)
    if end < file.seek(0, os.SEEK_END):
        with writing(manifest.folder / MANIFEST):
            file.truncate(end)
    if not end:
        manifest.begin()
        return
    file.seek(0)
    for values in _lines(file, manifest.folder):
        if "folders" in values:
            manifest.folders |= values["folders"]
        else:
            manifest.remember(Entry(**values))


def _whole_lines(file: BinaryIO) -> int:
    """Where the last whole line of a file ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(end - 65_536, 0)
        file.seek(start)
        last = file.read(end - start).rfind(b"\n")
        if last >= 0:
            return start + last + 1
        end = start
    return 0


class _Written(NamedTuple):
    """What a manifest holds."""

    folders: dict[str, str]
    entries: list[Entry]


def read_manifest(folder: Path) -> _Written:
    """What was put into a folder: of each photo where it was put last.

    Raises
    ------
    InputError
        If there is no manifest, or it is damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder} holds no sorted photos: it has no {MANIFEST}. {words.call('sort_photos')} makes such "
            "folders."
        )
    folders: dict[str, str] = {}
    entries: dict[str, Entry] = {}
    with (folder / MANIFEST).open("rb") as file:
        end = _whole_lines(file)
        file.seek(0)
        for values in _lines(file, folder, end):
            if "folders" in values:
                folders |= values["folders"]
            else:
                entry = Entry(**values)
                entries[entry.path] = entry
    return _Written(folders, list(entries.values()))


def _lines(file: BinaryIO, folder: Path, end: int | None = None) -> Iterator[dict[str, Any]]:
    """The lines of a manifest after its first, each checked to be one of ours.

    ``end`` is where its last whole line ends.
    """
    number = 0
    while end is None or file.tell() < end:
        line = file.readline(_LONGEST)
        if not line:
            return
        number += 1
        try:
            values = json.loads(line)
            _check_line(values, number == 1)
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(
                f"Line {number} of {folder / MANIFEST} is damaged: {error}. Delete the line: its photo then "
                "counts as a new one."
            ) from error
        if number == 1:
            _check_version(values, folder)
        else:
            yield values


#: What each value of a line may be.
_KINDS: dict[str, tuple[type, ...]] = {
    "file": (str,),
    "path": (str,),
    "sha256": (str,),
    "size": (int,),
    "mtime": (int,),
    "year": (int, type(None)),
    "confidence": (int, float, type(None)),
}
_TEXT = (str, type(None))


def _check_line(values: object, is_first: bool) -> None:
    """Raise a ValueError that says why a line is none of a manifest."""
    if not isinstance(values, dict):
        raise ValueError("it is no group of names and values")
    if is_first:
        return
    if "folders" in values:
        folders = values["folders"]
        if not isinstance(folders, dict) or not all(
            isinstance(name, str)
            and name
            and not set(name) & {"/", "\\"}
            and name not in (".", "..")
            for name in folders.values()
        ):
            raise ValueError("its folders are no names")
        return
    entry = Entry(**values)
    for name, value in entry._asdict().items():
        if not isinstance(value, _KINDS.get(name, _TEXT)):
            raise ValueError(f"{name} cannot be {value!r:.60}")
    parts = entry.file.split("/")
    if len(parts) != 2 or "\\" in entry.file or set(parts) & {"", ".", ".."}:
        raise ValueError("file is not within a class folder")


def _check_version(first: dict[str, Any], folder: Path) -> None:
    if first.get("format") != _FORMAT:
        raise InputError(f"{folder / MANIFEST} is not what {words.call('sort_photos')} writes.")
    version = first.get("format_version")
    if not isinstance(version, int) or version > _VERSION:
        raise InputError(
            f"{folder} was sorted by a newer lucas-habitat, in format {version}; this version reads up to "
            f"format {_VERSION}. Update lucas-habitat."
        )
