"""Whole files of the survey, such as its zipped tables."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

import httpx2

from .._base import words
from .._base.checks import check_number
from .._base.files import full_path
from .._base.progress import Progress, report
from ..errors import DownloadError, InputError, inform
from .journal import one_run, part_path, writing
from .server import FaultError, Pace, check_url, open_client, open_response, persist, stated_length

__all__ = ["download_table"]

# What files of these endings begin with; a CSV with any text.
_BEGINNINGS = {".csv": b"", ".parquet": b"PAR1", ".zip": b"PK", ".gz": b"\x1f\x8b"}


def download_table(
    url: str,
    out: str | os.PathLike[str],
    *,
    retries: int = 4,
    timeout: float = 60.0,
    max_bytes: int = 10_000_000_000,
    progress: Progress = True,
) -> Path:
    """Fetch a table of the survey, going on where a former attempt broke off.

    The addresses of the survey's tables change with its releases, so none is built in: take
    them from the survey's pages. Never run against the real servers.

    Parameters
    ----------
    url : str
        An https address (http only on this computer).
    out : path
        The file to write, ``.csv``, ``.parquet``, ``.zip`` or ``.gz``, or a folder: then the name
        is the address's. A file that is there is left as it is.
    retries : int, default 4
        How often a request is repeated that brought nothing.
    timeout : float, default 60
        Seconds without any byte after which an attempt is given up.
    max_bytes : int, default 10,000,000,000
        The largest file to take.
    progress : bool or callable, default True
        Whether to show a bar, or what to call with megabytes done and in all.

    Returns
    -------
    pathlib.Path
        The file, for `read_survey`.

    Raises
    ------
    InputError
        If the address is not https, or the name's ending is no table's.
    DownloadError
        If the file cannot be had, is not what its ending says, does not fit the disk, or another
        run is fetching it.
    """
    check_url(url, "url", query=True)
    check_number("retries", retries, 0, 20, whole=True)
    check_number("timeout", timeout, 0, open_low=True)
    check_number("max_bytes", max_bytes, 1, whole=True)
    path = _place(url, out)
    if path.exists():
        inform(f"{path} is there already and was left as it is.")
        return path
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with one_run(lock, str(path)):
        try:
            _fetch_whole(url, path, int(retries), timeout, int(max_bytes), progress)
        finally:
            # Nothing is left beside the table. Windows deletes no file that is open; filelock does it.
            with suppress(OSError):
                lock.unlink()
    return path


def _place(url: str, out: str | os.PathLike[str]) -> Path:
    """The file to write: the one named, or one of the address's name in the folder named."""
    path = full_path(out)
    if path.is_dir():
        path = path / (re.sub(r"[^0-9A-Za-z._-]", "_", urlsplit(url).path.split("/")[-1]) or "_")
    if path.suffix.lower() not in _BEGINNINGS:
        raise InputError(
            f"A table ends in {', '.join(_BEGINNINGS)}; got {path.name} instead. Name the file to "
            f"write with {words.option('out')}."
        )
    return path


def _fetch_whole(
    url: str, path: Path, retries: int, timeout: float, max_bytes: int, progress: Progress
) -> None:
    """Fetch a file in as many attempts as it takes, and give it its name once it is whole."""
    part, notes = part_path(path), path.with_name(f".{path.name}.part.json")
    pace = Pace(5)
    with open_client(1, timeout) as client:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                persist(
                    lambda: _fetch_rest(client, url, part, notes, max_bytes, progress),
                    pace,
                    retries,
                )
                break
            except FaultError as fault:
                if not fault.again or not part.exists() or part.stat().st_size <= before:
                    raise DownloadError(
                        f"{url} cannot be had ({fault.status}): {fault}. Is this computer online, is a "
                        "proxy needed (HTTPS_PROXY), is the address right? A file that a browser "
                        "fetched does as well."
                        + (" What came is kept: run again to go on." if part.exists() else "")
                    ) from fault
    try:
        _check_beginning(path, part)
    except DownloadError:
        part.unlink()
        notes.unlink(missing_ok=True)
        raise
    with writing(path.parent):
        os.replace(part, path)
        notes.unlink(missing_ok=True)


def _check_beginning(path: Path, part: Path) -> None:
    """Refuse what cannot be a file of its name's ending, such as a web page."""
    with part.open("rb") as file:
        start = file.read(512)
    beginning = _BEGINNINGS[path.suffix.lower()]
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(beginning) or (
        not beginning and (text[:1] in (b"", b"<") or b"\0" in text)
    ):
        raise DownloadError(
            f"What the server sent is no {path.suffix} file; it begins with {start[:16]!r}. Is the "
            "address a web page's?"
        )


def _fetch_rest(
    client: httpx2.Client, url: str, part: Path, notes: Path, max_bytes: int, progress: Progress
) -> None:
    """Append what is missing of a file, or begin it anew if it has changed."""
    former = _former_part(url, part, notes)
    if former.size and former.size == former.total:
        return
    headers = {}
    if former.size and former.version:
        headers = {"range": f"bytes={former.size}-", "if-range": former.version}
    try:
        with open_response(client, url, headers) as response:
            coming = _coming_part(response, former.size)
            _check_room(response, part, coming.size, coming.total, max_bytes)
            with writing(part.parent):
                file = part.open("ab" if coming.size else "wb")
                note = {"url": url, "version": coming.version, "total": coming.total}
                notes.write_text(json.dumps(note))
            with file:
                size = _append(response, file, part.parent, coming, max_bytes, progress)
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


def _check_room(
    response: httpx2.Response, part: Path, size: int, total: int | None, max_bytes: int
) -> None:
    """Refuse a web page, a file that is larger than allowed, or one that the disk cannot hold."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise FaultError("not a table", "the server sent a web page")
    if total is None:
        return
    if total > max_bytes:
        raise FaultError("too large", f"{total:,} bytes, and max_bytes is {max_bytes:,}")
    free = shutil.disk_usage(part.parent).free
    if total - size > free:
        raise DownloadError(
            f"{total - size:,} bytes are to come, and the disk of {part.parent} has {free:,} left."
        )
