"""Zips of models: looked through before anything is written, and only a model's files are taken."""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from .._base.files import megabytes
from .._base.model_files import CARD, MODEL_FILES, MOST_BYTES
from .._base.zips import opened_zip
from ..downloads.places import writing
from ..errors import ModelError, some

__all__ = ["MOST_MODEL", "unpack"]

#: Bytes of all files of a model that comes from elsewhere: a network of two thousand million weights.
MOST_MODEL = 8_000_000_000

#: Files of a zip; a shared model has six.
_MOST_FILES = 1_000

#: How many times as large files may be as their zip, and bytes that they may be in any case. Weights and
#: features hardly shrink, tables do so to a thirtieth.
_MOST_RATIO, _ALWAYS = 100, 10_000_000


def unpack(path: Path, folder: Path, what: str) -> None:
    """Write the files of a model that a zip holds into a new folder.

    They lie at the zip's top, or in the one folder there. ``what`` is what messages call the zip.

    Raises
    ------
    ModelError
        If it is no zip of a model, or one that was made to do harm.
    """
    try:
        with opened_zip(path) as archive:
            members = _members(what, archive)
            _check_sizes(path, members, what)
            with writing(folder):
                folder.mkdir(parents=True)
            for name, member in members.items():
                with (
                    archive.open(member) as packed,
                    writing(folder),
                    open(folder / name, "xb") as file,
                ):
                    shutil.copyfileobj(packed, file, 1 << 20)
    except ModelError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError) as error:
        reason = str(error).replace(str(path), what)
        raise ModelError(f"{what} is no zip of a model, or is damaged: {reason}") from error
    except NotImplementedError as error:  # of versions of the format that nothing here writes
        raise ModelError(f"{what} cannot be read: {error}") from error


def _members(what: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of the model by their names; everything in the zip is looked at."""
    entries = archive.infolist()
    if len(entries) > _MOST_FILES:
        raise ModelError(
            f"{what} is no zip of a model: it holds {len(entries):,} files; at most {_MOST_FILES:,} are read."
        )
    for entry in entries:
        reason = _refusal(entry)
        if reason:
            raise ModelError(f"{what} is refused: {entry.filename!r:.80} {reason}.")
    twice = [name for name, n in Counter(e.filename.lower() for e in entries).items() if n > 1]
    if twice:
        raise ModelError(f"{what} is refused: it holds {some(twice)} more than once.")
    by_name = {entry.filename: entry for entry in entries}
    cards = [name for name in by_name if name.rpartition("/")[2] == CARD and name.count("/") <= 1]
    if len(cards) != 1:
        holds = "several models" if cards else f"no model (no {CARD})"
        raise ModelError(f"{what} holds {holds}.")
    prefix = cards[0].removesuffix(CARD)
    missing = [name for name in MODEL_FILES if prefix + name not in by_name]
    if missing:
        raise ModelError(f"{what} holds a model that is incomplete: {some(missing)} is missing.")
    return {name: by_name[prefix + name] for name in MODEL_FILES}


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    """Why a zip with such an entry is not read."""
    # zipfile cuts a name at its first zero byte; the whole name is what other programs may see.
    name, mode = entry.orig_filename, entry.external_attr >> 16
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        return "leads out of the folder"
    if "\\" in name:
        return "has a name that means different files on different systems"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is no file but a link or a device"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that models are not"
    return None


def _check_sizes(path: Path, members: dict[str, zipfile.ZipInfo], what: str) -> None:
    """Refuse files that are larger than a model's, or that grow beyond measure."""
    for name, member in members.items():
        if member.file_size > MOST_BYTES[name]:
            raise ModelError(
                f"{what} is refused: {name} would have {member.file_size:,} bytes; at most "
                f"{MOST_BYTES[name]:,} are read."
            )
    total, packed = sum(m.file_size for m in members.values()), path.stat().st_size
    most = min(MOST_MODEL, max(_MOST_RATIO * packed, _ALWAYS))
    if total > most:
        raise ModelError(
            f"{what} is refused: its {megabytes(packed)} would become {megabytes(total)}, more than a model "
            "has or shrinks by."
        )
