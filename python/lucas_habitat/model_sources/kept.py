"""Models from elsewhere as they are kept in the cache: fetched once, then read without the network."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from .._base.files import file_sha256, write_json
from .._base.model_files import MODEL_FILES, MOST_BYTES
from .._base.progress import Progress
from ..cache import cache_folder
from ..downloads.files import Wanted, fetch_file
from ..downloads.places import writing
from ..errors import DownloadError, ModelError
from .addresses import ModelAddress
from .offers import HUB, ZENODO, Offer, OfferedFile, offer_of, server_of
from .unpacking import MOST_MODEL, unpack

__all__ = ["KeptModel", "forget", "kept_model"]

_NOTE, _ZIP, _FOLDER = "source.json", "model.zip", "model"


class KeptModel(NamedTuple):
    """A model in the cache."""

    folder: Path
    #: The record or commit that was fetched; None of a plain address.
    version: str | None
    #: Of the zip that was fetched; None where files came one by one.
    sha256: str | None
    is_new: bool


def kept_model(address: ModelAddress, progress: Progress = True) -> KeptModel:
    """A model's folder in the cache, fetched if it is not there, or is not what the checksum says.

    Raises
    ------
    DownloadError
        If it cannot be had. What came is kept, and the next call goes on from there.
    ModelError
        If what is there is no model.
    """
    place = _place(address)
    kept = _there(place, address)
    if kept is not None:
        return kept
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
    # Another process that fetches the same is waited for: then it is there.
    with FileLock(place / ".lock"):
        kept = _there(place, address)
        return kept or _fetched(place, address, progress)


def forget(kept: KeptModel) -> None:
    """Remove a model from the cache that turned out to be none; the next call fetches it again."""
    (kept.folder.parent / _NOTE).unlink(missing_ok=True)
    shutil.rmtree(kept.folder, ignore_errors=True)


def _place(address: ModelAddress) -> Path:
    """The folder of the cache that is an address's own."""
    server = {"zip": "", "zenodo": ZENODO, "hub": HUB}[address.kind]
    what = (address.kind, server and server_of(server), address.name, address.part)
    return cache_folder() / "models" / hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def _there(place: Path, address: ModelAddress) -> KeptModel | None:
    """What is kept of an address; None if nothing, or another file than its checksum names."""
    try:
        note = json.loads((place / _NOTE).read_text(encoding="utf-8"))
        kept = KeptModel(place / _FOLDER, note["version"], note["sha256"], False)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_meant = address.sha256 in (None, kept.sha256)
    is_whole = all((kept.folder / name).is_file() for name in MODEL_FILES)
    return kept if is_meant and is_whole else None


def _fetched(place: Path, address: ModelAddress, progress: Progress) -> KeptModel:
    """Fetch a model into its place, and note where it came from."""
    offer = offer_of(address)
    _check_offer(offer, address)
    new = place / f"new-{uuid.uuid4().hex[:8]}"
    try:
        if offer.is_zip:
            sha256: str | None = _unpacked(place, new, offer.files[0], address, progress)
        else:
            sha256 = None
            _fetch_one_by_one(place, new, offer, progress)
        with writing(place):
            (place / _NOTE).unlink(missing_ok=True)
            shutil.rmtree(place / _FOLDER, ignore_errors=True)
            os.replace(new, place / _FOLDER)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    note = {
        "address": address.shown,
        "version": offer.version,
        "sha256": sha256,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(note, place / _NOTE)
    return KeptModel(place / _FOLDER, offer.version, sha256, True)


def _unpacked(
    place: Path, new: Path, file: OfferedFile, address: ModelAddress, progress: Progress
) -> str:
    """Fetch a zip and unpack it; give its checksum."""
    path = place / _ZIP
    fetch_file(
        Wanted(file.url, "model", MOST_MODEL, elsewhere=True),
        path,
        partial(_check_file, file, address, True),
        progress=progress,
    )
    try:
        sha256 = file_sha256(path)
        unpack(path, new, address.shown)
    finally:
        path.unlink(missing_ok=True)
    return sha256


def _fetch_one_by_one(place: Path, new: Path, offer: Offer, progress: Progress) -> None:
    """Fetch the files of a model's folder; those of a former attempt at the same version stay."""
    assert offer.version is not None
    coming = place / f"coming-{offer.version.rpartition('/')[2]}"
    with writing(place):
        coming.mkdir(exist_ok=True)
    for file in offer.files:
        if not (coming / file.name).is_file():
            fetch_file(
                Wanted(file.url, "model", MOST_BYTES[file.name], elsewhere=True),
                coming / file.name,
                partial(_check_file, file, None, False),
                progress=progress,
            )
    with writing(place):
        os.replace(coming, new)
    for other in place.glob("coming-*"):
        shutil.rmtree(other, ignore_errors=True)


def _check_offer(offer: Offer, address: ModelAddress) -> None:
    """Refuse what is larger than a model, before anything is fetched."""
    total = sum(file.size or 0 for file in offer.files)
    if total > MOST_MODEL:
        raise ModelError(
            f"{address.shown} has {total:,} bytes; at most {MOST_MODEL:,} are fetched as a model."
        )


def _check_file(file: OfferedFile, address: ModelAddress | None, is_zip: bool, part: Path) -> None:
    """Raise DownloadError of a file that is not what the service, or the checksum, says."""
    size = part.stat().st_size
    with part.open("rb") as opened:
        start = opened.read(64)
    if is_zip and not start.startswith(b"PK"):
        raise DownloadError(
            f"What the server sent is no zip; it begins with {start[:16]!r}. Is the address a web page's?"
        )
    if file.size is not None and size != file.size:
        raise DownloadError(f"{file.name} came with {size:,} bytes instead of {file.size:,}.")
    if file.checksum is None:
        return
    kind, _, expected = file.checksum.partition(":")
    actual = _digest(part, kind, size)
    if actual != expected:
        who = "the checksum given says" if address and address.sha256 else "the service says"
        raise DownloadError(
            f"{file.name} is not what {who}: its {_KINDS[kind]} is {actual}, not {expected}. It was removed. "
            "Where it differs again, ask whoever gave the address: the file was changed, or the checksum is "
            "another file's."
        )


_KINDS = {"sha256": "sha256", "md5": "md5", "git": "git blob"}


def _digest(path: Path, kind: str, size: int) -> str:
    """A checksum of a kind; git's is a SHA-1 of a head and the content."""
    if kind == "sha256":
        return file_sha256(path)
    # They tell of accidents, and are the only ones that the services name.
    digest = hashlib.new("md5" if kind == "md5" else "sha1", usedforsecurity=False)
    if kind == "git":
        digest.update(b"blob %d\0" % size)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
