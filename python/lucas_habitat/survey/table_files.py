"""Whole files of the survey, such as its zipped tables."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from .._base import words
from .._base.checks import check_number
from .._base.files import full_path
from .._base.progress import Progress
from .._base.signatures import checked
from ..downloads.files import Wanted, fetch_file
from ..downloads.places import one_run, writing
from ..downloads.server import check_url
from ..errors import DownloadError, InputError, inform

__all__ = ["download_table"]

# What files of these endings begin with; a CSV with any text.
_BEGINNINGS = {".csv": b"", ".parquet": b"PAR1", ".zip": b"PK", ".gz": b"\x1f\x8b"}


@checked
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
    check_number("timeout", timeout, 0, 86_400, open_low=True)
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
            fetch_file(
                Wanted(url, "table", int(max_bytes)),
                path,
                partial(_check_beginning, path),
                retries=int(retries),
                timeout=timeout,
                progress=progress,
            )
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
