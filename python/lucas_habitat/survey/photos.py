"""Photos downloaded from the survey's server."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pandas as pd

from .._base import words
from .._base.checks import check_number
from .._base.files import file_sha256, full_path
from .._base.progress import Progress, report
from .._base.signatures import checked
from .._base.tables import as_frame, require_columns, tidy_types
from .._base.types import Table
from ..downloads.places import one_run, part_path, writing
from ..downloads.server import (
    LOCAL,
    FaultError,
    Pace,
    check_url,
    open_client,
    open_response,
    persist,
    stated_length,
)
from ..errors import InputError, PhotoError, inform
from ..images.decode import decode_photo
from ..photos import list_photos
from .campaigns import PHOTO_COLUMNS, check_directions
from .credit import credit_line
from .journal import (
    COLUMNS,
    FINAL,
    LOCK,
    Journal,
    photo_place,
    read_records,
    write_manifest,
)
from .server import BASE, in_threads, photo_path

__all__ = ["download_photos"]

# The survey's photos have 0.2 to 1.6 MB; a server's "no photo" picture is a few hundred bytes.
_MIN_BYTES, _MAX_BYTES = 1_000, 50_000_000


@checked
def download_photos(
    points: Table,
    folder: str | os.PathLike[str],
    *,
    directions: str | Iterable[str] = ("P", "N", "E", "S", "W"),
    base: str = BASE,
    connections: int = 4,
    per_second: float = 5.0,
    retries: int = 4,
    timeout: float = 120.0,
    again: bool = False,
    progress: Progress = True,
) -> pd.DataFrame:
    """Fetch the photos of LUCAS points.

    Photos are stored as on the survey's server, ``{year}/{country}/{3 digits}/{3 digits}/``, and
    get their names only when they came whole and can be decoded. What was asked for is written
    down at once (``downloads.jsonl``, at the end of a run ``downloads.parquet``): a run that was
    interrupted, even killed, goes on where it was when it is started again, and asks for
    nothing twice that it has or that the server does not have. One run at a time in a folder.

    Never run against the real server; tested against a local one with its addresses and with
    faults of all kinds.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `select_points` gives, or any table with ``point_id``, ``year`` and ``nuts0``, one
        row a point and year. Where ``photo_north`` and so on say that a photo was not taken it
        is not asked for. Other columns are carried over.
    folder : path
        Where to. About 0.2 to 1.6 MB a photo.
    directions : str or iterable of str, default P, N, E, S, W
        ``C`` is the close-up of the cover, which only some points have.
    base : str, optional
        Another server with the same addresses: https, or http on this computer.
    connections : int, default 4
        Photos fetched at once, 1 to 16.
    per_second : float, default 5
        Requests a second, at most, over all connections; at most 50. The survey's server is
        shared by all: 5,000 photos take a quarter of an hour.
    retries : int, default 4
        How often a request is repeated after a fault that may pass, each time after a longer
        pause or the one the server asks for.
    timeout : float, default 120
        Seconds that one attempt at a photo may take.
    again : bool, default False
        Ask again for photos that the server did not have or that were broken.
    progress : bool or callable, default True
        Whether to show a bar, or what to call with photos done and in all.

    Returns
    -------
    pandas.DataFrame
        A photo table as `list_photos` gives it, one row a photo, in the order of ``points`` and
        P, N, E, S, W, C, with the points' columns (``habitat``, ``lc1``, ``nuts0``, ``x``,
        ``y`` ...), ``status`` (``ok`` or a reason: `DOWNLOAD_STATUSES`) and ``error`` (what
        exactly). Rows without a file keep the path where it would be:
        ``photos[photos.status == "ok"]`` are those to train on.

    Warns
    -----
    LucasMessage
        Counts photos by status, with the credit line.

    Raises
    ------
    InputError
        If ``points`` lacks a column or a row cannot name a photo.
    DownloadError
        If the server cannot be reached at all, its certificate or the proxy is refused, it asks
        for a long pause, the disk is full, or another run fetches into the folder. Finished work
        is kept.

    Examples
    --------
    >>> photos = download_photos(points, "photos")          # doctest: +SKIP
    >>> model = train(photos[photos.status == "ok"])        # doctest: +SKIP
    """
    check_url(base, "base")
    check_number("connections", connections, 1, 16, whole=True)
    fastest = math.inf if urlsplit(base).hostname in LOCAL else 50
    check_number("per_second", per_second, 0, fastest, open_low=True)
    check_number("retries", retries, 0, 20, whole=True)
    check_number("timeout", timeout, 0, 86_400, open_low=True)
    wanted = _wanted(points, check_directions(directions))
    root = full_path(folder)
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
    with one_run(root / LOCK, f"photos into {root}"):
        records = read_records(root)
        try:
            with (
                Journal(root) as journal,
                open_client(int(connections), min(30.0, timeout)) as client,
            ):
                fetcher = _Fetcher(
                    client=client,
                    address=f"{base.rstrip('/')}/lucas/photos/",
                    root=root,
                    journal=journal,
                    pace=Pace(per_second),
                    retries=int(retries),
                    timeout=timeout,
                )
                asked = _photos_to_ask_for(list(wanted["photo"]), records, fetcher, again)
                _fetch_all(asked, records, fetcher, int(connections), progress)
        finally:
            # Also after an error or Ctrl-C; a killed run leaves its journal, which read_records() reads.
            write_manifest(root)
    return _photo_table(wanted, records, root, len(asked))


def _photos_to_ask_for(
    photos: list[str], records: dict[str, dict[str, Any]], fetcher: _Fetcher, again: bool
) -> list[str]:
    """The photos that are neither there nor known not to be had; those that are get a record."""
    asked = []
    for photo in photos:
        record = records.get(photo)
        settled = settled_record(fetcher.root, photo, record, fetcher.address + photo, again)
        if settled is None:
            asked.append(photo)
        elif settled is not record:
            fetcher.journal.write(settled)
            records[photo] = settled
    return asked


def _fetch_all(
    photos: list[str],
    records: dict[str, dict[str, Any]],
    fetcher: _Fetcher,
    connections: int,
    progress: Progress,
) -> None:
    """Fetch photos over some connections, and add what became of each to the records."""
    with (
        report(progress, len(photos), "Fetching photos") as forward,
        closing(in_threads(fetcher.fetch, photos, connections, fetcher.pace)) as fetched,
    ):
        for record in fetched:
            records[record["photo"]] = record
            forward(1)


def _wanted(points: Table, directions: list[str]) -> pd.DataFrame:
    """One row a photo, with its path on the server as ``photo``."""
    visits = _visits(as_frame(points))
    parts = []
    for order, direction in enumerate(directions):
        part = visits.assign(direction=direction, _order=order)
        column = PHOTO_COLUMNS.get(direction, "")
        if column in visits:
            is_lacking = (visits[column] == False).fillna(False).astype(bool)  # noqa: E712
            part = part[~is_lacking]
        parts.append(part)
    wanted = pd.concat(parts).rename_axis("_visit").sort_values(["_visit", "_order"])
    if wanted.empty:
        raise InputError(
            f"None of the photos {', '.join(directions)} of these points was taken, by the table."
        )
    places = wanted[["point_id", "year", "nuts0", "direction"]]
    wanted["photo"] = [photo_path(*place) for place in places.itertuples(index=False)]
    replaced = ["_order", "path", "status", "error", *PHOTO_COLUMNS.values()]
    return wanted.drop(columns=replaced, errors="ignore").reset_index(drop=True)


def _visits(points: pd.DataFrame) -> pd.DataFrame:
    """Rows that can name photos, each point and year once."""
    require_columns(
        points,
        ["point_id", "year", "nuts0"],
        words.call("download_photos"),
        f"{words.call('select_points')} gives such a table.",
    )
    if points.empty:
        raise InputError("The table of points has no rows.")
    visits = tidy_types(points.reset_index(drop=True))
    visits.attrs = {}
    is_repeated = visits.duplicated(["point_id", "year"])
    if is_repeated.any():
        raise InputError(
            f"{int(is_repeated.sum())} rows have a point and year that another row has, the first is "
            f"{visits.loc[is_repeated, 'point_id'].iloc[0]}. Keep one row a point and year."
        )
    return visits


def _photo_table(
    wanted: pd.DataFrame, records: dict[str, dict[str, Any]], root: Path, n_asked: int
) -> pd.DataFrame:
    """The photo table of what was wanted, with what became of each photo; tells the numbers."""
    of_photos = [records[photo] for photo in wanted["photo"]]
    table = wanted.drop(columns="photo")
    table.insert(0, "path", [str(photo_place(root, photo)) for photo in wanted["photo"]])
    table["status"] = pd.Series([r["status"] for r in of_photos], dtype="str")
    table["error"] = pd.Series([r["error"] for r in of_photos], dtype="str")
    counts = Counter(table["status"])
    inform(
        f"{counts['ok']:,} of {len(table):,} photos are in {root}, {n_asked:,} were asked for now"
        + "".join(f"; {k}: {n:,}" for k, n in counts.most_common() if k != "ok")
        + f". {credit_line(sorted(set(table['year'])))}, CC BY 4.0; {words.call('credit')} gives "
        "the citation."
    )
    return list_photos(table)


@dataclass(frozen=True)
class _Fetcher:
    """Brings photos from a server into a folder, and writes down what became of each."""

    client: httpx2.Client
    #: What a photo's path on the server is added to.
    address: str
    root: Path
    journal: Journal
    pace: Pace
    retries: int
    timeout: float

    def fetch(self, photo: str) -> dict[str, Any]:
        """Ask for a photo until it comes or will not; give its record."""
        url = self.address + photo
        record: dict[str, Any] = dict.fromkeys(COLUMNS)
        record |= {"photo": photo, "url": url, "status": "ok"}
        data = b""
        try:
            (data, headers), record["attempts"] = persist(
                lambda: self._ask(url), self.pace, self.retries
            )
            record |= {"etag": headers.get("etag"), "last_modified": headers.get("last-modified")}
            record |= _described(data)
        except FaultError as fault:
            record |= {"status": fault.status, "error": str(fault)}
        record["fetched"] = datetime.now(UTC).isoformat(timespec="seconds")
        with writing(self.root):
            if record["status"] == "ok":
                self._store(record, data)
            else:
                self.journal.write(record)
        return record

    def _ask(self, url: str) -> tuple[bytes, httpx2.Headers]:
        until = time.monotonic() + self.timeout
        with open_response(self.client, url) as response:
            return _photo_bytes(response, until, self.pace), response.headers

    def _store(self, record: dict[str, Any], data: bytes) -> None:
        """Write a photo whole before its record, and its record before it gets its name.

        A run killed between the two finds the part and its hash, and has nothing to fetch again.
        """
        place = photo_place(self.root, record["photo"])
        place.parent.mkdir(parents=True, exist_ok=True)
        part = part_path(place)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.journal.write(record)
        os.replace(part, place)


def _photo_bytes(response: httpx2.Response, until: float, pace: Pace) -> bytes:
    """What a server sends, if it is a photo, comes whole and in time."""
    if response.status_code != 200:
        raise FaultError("refused", f"the server answered {response.status_code}")
    kind = response.headers.get("content-type", "image/jpeg").split(";")[0].strip().lower()
    if not kind.startswith("image/") and kind != "application/octet-stream":
        raise FaultError("not a photo", f"the server sent {kind}")
    length = stated_length(response)
    if (length or 0) > _MAX_BYTES:
        raise FaultError("too large", f"the file has {length:,} bytes")
    data = bytearray()
    for chunk in response.iter_raw():
        pace.sleep(0)  # ends here if the run was stopped
        data += chunk
        if len(data) > _MAX_BYTES:
            raise FaultError("too large", f"the file has more than {_MAX_BYTES:,} bytes")
        if time.monotonic() > until:
            raise FaultError("incomplete", f"{len(data):,} bytes came in time", again=True)
    if length is not None and len(data) != length:
        raise FaultError("incomplete", f"{len(data):,} of {length:,} bytes came", again=True)
    return bytes(data)


def _described(data: bytes) -> dict[str, Any]:
    """Size and hash of a photo that can be used; a fault for one that cannot."""
    if not data:
        raise FaultError("empty", "the file has 0 bytes")
    if len(data) < _MIN_BYTES:
        raise FaultError("too small", f"the file has {len(data):,} bytes")
    if not data.startswith(b"\xff\xd8\xff"):
        raise FaultError("not a photo", f"no JPEG; begins with {data[:8]!r}")
    try:
        decode_photo(data)
    except PhotoError as error:
        raise FaultError(error.status, str(error)) from error
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def settled_record(
    root: Path, photo: str, record: dict[str, Any] | None, url: str, again: bool
) -> dict[str, Any] | None:
    """The record of a photo that need not be asked for; None for one that must."""
    place = photo_place(root, photo)
    if record is not None and record["status"] == "ok":
        if place.is_file() and place.stat().st_size == record["bytes"]:
            return record
        part = part_path(place)
        if part.is_file() and file_sha256(part) == record["sha256"]:
            with writing(root):
                os.replace(part, place)
            return record
    elif place.is_file():
        # Brought by another program, or by hand.
        try:
            return {**dict.fromkeys(COLUMNS), "photo": photo, "status": "ok"} | _described(
                place.read_bytes()
            )
        except (FaultError, OSError):
            return None
    elif record is not None and record["status"] in FINAL and record["url"] == url and not again:
        return record  # of this server: another may have it
    return None
