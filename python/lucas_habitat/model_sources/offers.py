"""What services have at an address of a model: files, with their sizes and checksums."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple
from urllib.parse import quote

from .._base.model_files import MODEL_FILES
from ..downloads.files import fetch_json
from ..downloads.server import check_url, may_lead
from ..errors import DownloadError, InputError, ModelError, some
from .addresses import ModelAddress

__all__ = ["Offer", "OfferedFile", "offer_of"]

#: Environment variables that name other servers of the same kind: Zenodo's sandbox, a mirror of the hub.
ZENODO, HUB = "LUCAS_HABITAT_ZENODO", "HF_ENDPOINT"

_SERVERS = {ZENODO: "https://zenodo.org", HUB: "https://huggingface.co"}


class OfferedFile(NamedTuple):
    """A file that a service has."""

    name: str
    url: str
    size: int | None
    #: ``sha256:``, ``md5:`` or ``git:`` and hexadecimal digits; None where the service names none.
    checksum: str | None


class Offer(NamedTuple):
    """What is fetched: one zip, or the files of a model's folder."""

    files: list[OfferedFile]
    #: What stays the same for ever: the record, the commit; None for a plain address.
    version: str | None

    @property
    def is_zip(self) -> bool:
        """Whether it is one zip."""
        return self.files[0].name not in MODEL_FILES


def offer_of(address: ModelAddress) -> Offer:
    """What is at an address; services are asked.

    Raises
    ------
    DownloadError
        If the service cannot be reached, or answers in a form that is not read.
    ModelError
        If there is no model.
    """
    if address.kind == "zip":
        pin = address.sha256 and f"sha256:{address.sha256}"
        return Offer([OfferedFile("model.zip", address.name, None, pin)], None)
    files, version = (_in_record if address.kind == "zenodo" else _in_repository)(address)
    files = _chosen(files, address)
    if address.sha256:
        if files[0].name in MODEL_FILES:
            raise InputError(
                f"{address.shown} holds a model's files one by one; a checksum of one zip says nothing of "
                "them. Name a commit instead (@<commit>), or leave the checksum out."
            )
        files = [files[0]._replace(checksum=f"sha256:{address.sha256}")]
    return Offer(files, version)


def server_of(variable: str) -> str:
    """The https address of a service."""
    server = os.environ.get(variable) or _SERVERS[variable]
    check_url(server, variable)
    return server.rstrip("/")


def _in_record(address: ModelAddress) -> tuple[list[OfferedFile], str]:
    """The files of a record of Zenodo's. A DOI of all versions leads to the latest."""
    url = f"{server_of(ZENODO)}/api/records/{address.name}"
    answer = fetch_json(url)
    try:
        number = str(answer["id"])
        files = [_of_record(entry, url) for entry in answer["files"]]
        if not re.fullmatch("[0-9]+", number):
            raise ValueError("the id is no number")
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(url, error, "Is the record public, and are its files?") from error
    return files, f"10.5281/zenodo.{number}"


def _of_record(entry: Any, url: str) -> OfferedFile:
    links = entry["links"]
    return OfferedFile(
        _text(entry["key"]),
        _link(links.get("content") or links["self"], url),
        _size(entry["size"]),
        _checksum(entry.get("checksum")),
    )


def _in_repository(address: ModelAddress) -> tuple[list[OfferedFile], str]:
    """The files of a repository of the hub, at the commit that its revision is now."""
    server = server_of(HUB)
    revision = f"/revision/{quote(address.part, safe='')}" if address.part else ""
    url = f"{server}/api/models/{address.name}{revision}?blobs=true"
    try:
        answer = fetch_json(url)
    except DownloadError as error:
        if "answered 401" in str(error) or "answered 403" in str(error):
            raise DownloadError(
                f"{address.shown} cannot be had: the hub answers so where there is no repository of this "
                "name, or it is not public. Ask its owner, or fetch it with the hub's own program and give "
                "the folder."
            ) from error
        raise
    try:
        commit = _text(answer["sha"])
        if not re.fullmatch("[0-9a-f]{40,64}", commit):
            raise ValueError("the commit is none")
        files = [
            _of_repository(entry, f"{server}/{address.name}/resolve/{commit}")
            for entry in answer["siblings"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(url, error, "Is it the repository of a model?") from error
    return files, commit


def _of_repository(entry: Any, folder: str) -> OfferedFile:
    name, large = _text(entry["rfilename"]), entry.get("lfs")
    size = entry.get("size")
    if large:
        checksum = f"sha256:{_text(large['sha256'])}"
    else:
        checksum = f"git:{_text(entry['blobId'])}" if entry.get("blobId") else ""
    return OfferedFile(
        name,
        f"{folder}/{quote(name)}",
        None if size is None else _size(size),
        _checksum(checksum or None),
    )


def _chosen(files: list[OfferedFile], address: ModelAddress) -> list[OfferedFile]:
    """The zip that an address names, else the files of a model's folder, else the only zip."""
    wanted = address.part if address.kind == "zenodo" else None
    by_name = {file.name: file for file in files}
    if wanted is None and all(name in by_name for name in MODEL_FILES):
        return [by_name[name] for name in MODEL_FILES]
    zips = [
        f for f in files if f.name == wanted or (not wanted and f.name.lower().endswith(".zip"))
    ]
    if len(zips) == 1:
        return [zips[0]._replace(name="model.zip")]
    names = some(sorted(by_name)) or "no files"
    if len(zips) > 1 and address.kind == "zenodo":
        raise ModelError(
            f"{address.shown} has several zips: {some([z.name for z in zips])}. Name one of them: "
            f"{address.shown}/{zips[0].name}"
        )
    raise ModelError(f"{address.shown} holds no model: it has {names}.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r:.60} is no size")
    return value


def _checksum(value: Any) -> str | None:
    """A checksum of a kind that is checked; Zenodo may name others one day."""
    if value is None:
        return None
    text = _text(value).lower()
    return (
        text
        if re.fullmatch("(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|git:[0-9a-f]{40})", text)
        else None
    )


def _link(value: Any, url: str) -> str:
    link = _text(value)
    if not may_lead(url, link):
        raise ValueError(f"it points to {link:.100}")
    return link


def _unreadable(url: str, error: Exception, hint: str) -> DownloadError:
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return DownloadError(f"{url} answered in a form that is not read here: {reason}. {hint}")
