"""Whole files, fetched in as many attempts as it takes."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import httpx2

from .._base.progress import Progress, report
from ..errors import DownloadError
from .places import part_path, writing
from .server import FaultError, Pace, open_client, open_response, persist, stated_length

__all__ = ["Wanted", "fetch_file", "fetch_json"]


class Wanted(NamedTuple):
    """What is fetched, and what of it is taken."""

    url: str
    #: What it is called where it is refused: ``table``, ``model``.
    what: str
    max_bytes: int
    #: Whether the server may point to other hosts, as those do that keep files elsewhere.
    elsewhere: bool = False


def fetch_file(
    wanted: Wanted,
    path: Path,
    check: Callable[[Path], object],
    *,
    retries: int = 4,
    timeout: float = 60.0,
    progress: Progress = True,
) -> None:
    """Fetch a file in as many attempts as it takes, and give it its name once it is whole.

    ``check`` raises DownloadError of a file that came whole and is not what was wanted; it is removed.
    """
    part, notes = part_path(path), path.with_name(f".{path.name}.part.json")
    pace = Pace(5)
    with open_client(1, timeout) as client:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                persist(lambda: _fetch_rest(client, wanted, part, notes, progress), pace, retries)
                break
            except FaultError as fault:
                if not fault.again or not part.exists() or part.stat().st_size <= before:
                    raise _not_had(wanted.url, fault, part.exists()) from fault
    try:
        check(part)
    except DownloadError:
        part.unlink()
        notes.unlink(missing_ok=True)
        raise
    with writing(path.parent):
        os.replace(part, path)
        notes.unlink(missing_ok=True)


def fetch_json(url: str, *, retries: int = 4, timeout: float = 60.0) -> Any:
    """What a service answers, as plain values; redirects are followed on the same host only."""

    def attempt() -> bytes:
        data = bytearray()
        with open_response(client, url, {"accept": "application/json"}) as response:
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > _MOST_JSON:
                    raise FaultError("too large", f"more than {_MOST_JSON:,} bytes")
        return bytes(data)

    with open_client(1, timeout) as client:
        try:
            data, _ = persist(attempt, Pace(5), retries)
        except FaultError as fault:
            raise _not_had(url, fault, False) from fault
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DownloadError(
            f"{url} answered something else than JSON; it begins with {data[:40]!r}. Is there a page to "
            "log in, or a proxy, between this computer and the server?"
        ) from error


#: Bytes of an answer in JSON; the list of all files of a large repository has some hundred thousand.
_MOST_JSON = 20_000_000


def _not_had(url: str, fault: FaultError, is_part_there: bool) -> DownloadError:
    return DownloadError(
        f"{url} cannot be had ({fault.status}): {fault}. Is this computer online, is a "
        "proxy needed (HTTPS_PROXY), is the address right? A file that a browser "
        "fetched does as well."
        + (" What came is kept: run again to go on." if is_part_there else "")
    )


def _fetch_rest(
    client: httpx2.Client, wanted: Wanted, part: Path, notes: Path, progress: Progress
) -> None:
    """Append what is missing of a file, or begin it anew if it has changed."""
    former = _former_part(wanted.url, part, notes)
    if former.size and former.size == former.total:
        return
    headers = {}
    if former.size and former.version:
        headers = {"range": f"bytes={former.size}-", "if-range": former.version}
    try:
        with open_response(client, wanted.url, headers, elsewhere=wanted.elsewhere) as response:
            coming = _coming_part(response, former.size)
            _check_room(response, part, coming, wanted)
            with writing(part.parent):
                file = part.open("ab" if coming.size else "wb")
                note = {"url": wanted.url, "version": coming.version, "total": coming.total}
                notes.write_text(json.dumps(note))
            with file:
                size = _append(response, file, part.parent, coming, wanted.max_bytes, progress)
    except FaultError as fault:
        if fault.status == "refused" and "416" in str(fault):
            part.unlink(missing_ok=True)  # longer than the server's: begin anew
            raise FaultError("incomplete", str(fault), again=True) from fault
        raise
    if coming.total is not None and size != coming.total:
        raise FaultError("incomplete", f"{size:,} of {coming.total:,} bytes came", again=True)


class _Part(NamedTuple):
    """The beginning of a file that is there, and what the server says of the whole."""

    size: int
    total: int | None
    #: Tells whether the server's file is still the same.
    version: str | None


def _former_part(url: str, part: Path, notes: Path) -> _Part:
    """What a former attempt at this address left; an empty beginning if nothing."""
    try:
        note = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        note = {}
    is_same = part.exists() and note.get("url") == url
    return _Part(part.stat().st_size if is_same else 0, note.get("total"), note.get("version"))


def _coming_part(response: httpx2.Response, size: int) -> _Part:
    """Where the server's answer begins in the file: behind what is there, or at its start."""
    # Only a strong version says that the rest fits the beginning byte by byte.
    etag = response.headers.get("etag", "")
    version = etag if etag.startswith('"') else response.headers.get("last-modified")
    span = re.fullmatch(
        r"bytes ([0-9]+)-[0-9]+/([0-9]+)", response.headers.get("content-range", "")
    )
    if response.status_code == 206 and span and int(span[1]) == size:
        return _Part(size, int(span[2]), version)
    if response.status_code == 200:
        return _Part(0, stated_length(response), version)
    raise FaultError("refused", f"the server answered {response.status_code}")


def _append(
    response: httpx2.Response,
    file: BinaryIO,
    folder: Path,
    coming: _Part,
    max_bytes: int,
    progress: Progress,
) -> int:
    """Write what comes, piece by piece; give the bytes that are there then."""
    size, n_shown = coming.size, 0
    with report(progress, round((coming.total or 0) / 1e6), "Fetching MB") as forward:
        for chunk in response.iter_raw():
            with writing(folder):
                file.write(chunk)
                file.flush()
            size += len(chunk)
            if size > max_bytes:
                raise FaultError("too large", f"more than {max_bytes:,} bytes")
            forward(round(size / 1e6) - n_shown)
            n_shown = round(size / 1e6)
    return size


def _check_room(response: httpx2.Response, part: Path, coming: _Part, wanted: Wanted) -> None:
    """Refuse a web page, a file that is larger than allowed, or one that the disk cannot hold."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise FaultError(f"not a {wanted.what}", "the server sent a web page")
    if coming.total is None:
        return
    if coming.total > wanted.max_bytes:
        raise FaultError(
            "too large", f"{coming.total:,} bytes, and at most {wanted.max_bytes:,} are taken"
        )
    free = shutil.disk_usage(part.parent).free
    if coming.total - coming.size > free:
        raise DownloadError(
            f"{coming.total - coming.size:,} bytes are to come, and the disk of {part.parent} has "
            f"{free:,} left."
        )
