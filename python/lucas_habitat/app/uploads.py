"""What people drop into the page: single photos and zips, taken into a folder of their session."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .._base.zips import opened_zip
from ..photos import PHOTO_ENDINGS

__all__ = ["Refused", "take_uploads"]

#: Photos in one drop.
MAX_PHOTOS = 200

MAX_PHOTO_BYTES = 50_000_000

#: What a zip may hold in all, unpacked; also the largest file that may be uploaded.
MAX_ZIP_BYTES = 500_000_000

_CHUNK = 1 << 20

# A broken zip breaks where it likes: in its list, its checksums, or in what unpacks it.
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, OSError, EOFError,
           ValueError, RuntimeError, struct.error, zlib.error, lzma.LZMAError)  # fmt: skip

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


@dataclass(frozen=True)
class Refused:
    """A file that was not taken.

    Attributes
    ----------
    name : str
        As the user knows it.
    why : str
        A key of `texts.TEXTS`, or a status of `lucas_habitat.images.STATUSES`.
    """

    name: str
    why: str


def take_uploads(files: Sequence[str | os.PathLike[str]], folder: Path) -> list[Refused]:
    """Move uploaded photos, and the photos in uploaded zips, into a folder.

    Nothing in a zip is trusted: names that lead out of it, links, encrypted files and zips in
    zips are refused, and bytes are counted as they are unpacked, whatever the zip says.

    Parameters
    ----------
    files : sequence of path
        They are gone afterwards, taken or not.
    folder : path
        Empty; each upload gets a folder of its own in it, which keeps names apart.

    Returns
    -------
    list of Refused
    """
    refused: list[Refused] = []
    room = MAX_PHOTOS
    for i, file in enumerate(map(Path, files)):
        place = folder / f"u{i:04d}"
        place.mkdir(parents=True)
        ending = file.suffix.lower()
        if ending == ".zip":
            room -= _unpack(file, place, room, refused)
            file.unlink()
        elif ending not in PHOTO_ENDINGS:
            refused.append(Refused(file.name, "not a photo"))
            file.unlink()
        elif file.name.startswith("."):  # list_photos() passes over these without a word
            refused.append(Refused(file.name, "hidden"))
            file.unlink()
        elif room < 1:
            refused.append(Refused(file.name, "too many"))
            file.unlink()
        elif file.stat().st_size > MAX_PHOTO_BYTES:
            refused.append(Refused(file.name, "file too large"))
            file.unlink()
        else:
            shutil.move(file, place / safe_name(file.name))
            room -= 1
    return refused


def _unpack(file: Path, place: Path, room: int, refused: list[Refused]) -> int:
    """Unpack a zip's photos; say how many."""
    taken, budget, any_photo = 0, MAX_ZIP_BYTES, False
    try:
        with opened_zip(file) as archive:
            for entry in _photos_in(archive, refused):
                any_photo = True
                if taken == room:
                    refused.append(Refused(entry.filename, "too many"))
                    break
                target = place.joinpath(*map(safe_name, _parts(entry.filename)))
                if target.exists():
                    refused.append(Refused(entry.filename, "twice"))
                    continue
                most = min(budget, MAX_PHOTO_BYTES)
                budget -= _copy(archive, entry, target, most)
                if target.exists():
                    taken += 1
                elif most < MAX_PHOTO_BYTES:  # what is left of the zip's share, not the photo's own
                    refused.append(Refused(entry.filename, "zip too large"))
                    break
                else:
                    refused.append(Refused(entry.filename, "file too large"))
    except _BROKEN:
        refused.append(Refused(file.name, "broken zip"))
    if not any_photo and not any(r.name == file.name for r in refused):
        refused.append(Refused(file.name, "zip without photos"))
    return taken


def _photos_in(archive: zipfile.ZipFile, refused: list[Refused]) -> Iterator[zipfile.ZipInfo]:
    """The photos of an archive; what else it holds goes to the refused, with the reason."""
    for entry in archive.infolist():
        name = entry.filename
        parts = _parts(name)
        if not parts:
            refused.append(Refused(name, "unsafe name"))
            continue
        if entry.is_dir() or any(p.startswith("__MACOSX") for p in parts):
            continue
        if (
            ".." in parts
            or name.startswith(("/", "\\"))
            or re.match(r"[A-Za-z]:", name)
            or stat.S_ISLNK(entry.external_attr >> 16)
        ):
            refused.append(Refused(name, "unsafe name"))
        elif entry.flag_bits & 1:
            refused.append(Refused(name, "encrypted"))
        elif any(p.startswith(".") for p in parts):
            if name.lower().endswith(PHOTO_ENDINGS):  # nobody misses a .DS_Store
                refused.append(Refused(name, "hidden"))
        elif not name.lower().endswith(PHOTO_ENDINGS):
            refused.append(Refused(name, "not a photo"))
        else:
            yield entry


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> int:
    """Unpack one file, or nothing if it is longer than allowed; say how many bytes were read."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size, whole = 0, False
    try:
        with archive.open(entry) as source, target.open("wb") as out:
            while size <= most and (chunk := source.read(_CHUNK)):
                size += len(chunk)
                out.write(chunk)
        whole = size <= most
    finally:
        if not whole:
            target.unlink(missing_ok=True)
    return size


def safe_name(name: str) -> str:
    """A name that every file system takes as one plain file's."""
    name = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name).rstrip(". ")
    stem, ending = os.path.splitext(name)
    # File systems count bytes, 255 at most, and a letter has up to four.
    name = stem[:100].encode()[:240].decode(errors="ignore") + ending[:10]
    return f"_{name}" if not name or _RESERVED.fullmatch(name) else name
