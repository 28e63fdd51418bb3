"""Photos and tables from the survey's server: polite, resumable, checked before they count.

Written to the survey's known addresses and tested against a local server that has them and many
faults besides; it was never run against the real server.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import random
import re
import shutil
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import pandas as pd

from ._progress import Progress, report
from ._tables import read_table, require_columns, tidy_types, write_table
from ._version import __version__
from .errors import DownloadError, InputError, LucasError, PhotoError, check_number, inform, some
from .images import decode_photo
from .photos import DIRECTIONS, list_photos
from .survey import CAMPAIGNS, PHOTO_COLUMNS, check_directions

__all__ = ["credit", "download_photos", "download_table", "photo_url"]

BASE = "https://gisco-services.ec.europa.eu"
MANIFEST, JOURNAL = "downloads.parquet", "downloads.jsonl"

#: The ``status`` of a photo that was asked for, and what each means.
DOWNLOAD_STATUSES = {
    "ok": "in its place, whole and readable",
    "missing": "the server does not have it",
    "empty": "the file has no bytes",
    "too small": "the file or image is too small to show anything",
    "too large": "the file or image is larger than any photo of the survey",
    "damaged": "it came whole and cannot be decoded",
    "not a photo": "the server sent something else, such as a web page",
    "incomplete": "the connection broke or was too slow, each time",
    "refused": "the server does not give it",
    "server error": "the server had a fault or was too busy, each time",
    "redirected": "the server pointed to another host, or away from https",
    "unreachable": "the server did not answer",
}
# What asking again would not change.
_FINAL = ("ok", "missing", "empty", "too small", "too large", "damaged")

_ID, _NUTS0 = re.compile("[0-9]{8}"), re.compile("[A-Z]{2}")
_NAMES_2022 = {
    "P": "Point",
    "N": "North",
    "E": "East",
    "S": "South",
    "W": "West",
    "C": "CropLC1",
}
_LOCAL = ("localhost", "127.0.0.1", "::1")
# The survey's photos have 0.2 to 1.6 MB; a server's "no photo" picture is a few hundred bytes.
_MIN_BYTES, _MAX_BYTES = 1_000, 50_000_000
_BACKOFF, _LONGEST_BACKOFF, _LONGEST_WAIT = 1.0, 60.0, 300.0  # seconds
_UNREACHABLE_IN_A_ROW = 5
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_USER_AGENT = f"lucas-habitat/{__version__} (R and Python package; habitats from LUCAS photos)"

T = TypeVar("T")


class _FaultError(Exception):
    """One request did not bring what was asked for."""

    def __init__(
        self, status: str, message: str, *, again: bool = False, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.again = again
        self.after = after


class _StoppedError(Exception):
    """Another thread met something that ends the run."""


def credit(years: int | Iterable[int]) -> str:
    """The licence line and citation that LUCAS photos must be shown with.

    Parameters
    ----------
    years : int or iterable of int
        Campaigns the photos are from, such as ``photos["year"]``.

    Returns
    -------
    str
        Three lines: the credit, the licence with a note on changes, the citation.

    Raises
    ------
    InputError
        If there is no year, or one without a campaign.

    References
    ----------
    d'Andrimont, R. et al. (2020). Scientific Data 7:352. doi:10.1038/s41597-020-00675-z

    Examples
    --------
    >>> print(credit([2015, 2018]))
    (c) European Union, LUCAS 2015, 2018, Eurostat
    Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/. Photos were changed: \
resized, and their burnt-in credit line masked, for classification.
    d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for field \
surveys from 2006 to 2018 in the European Union. Scientific Data 7:352. \
doi:10.1038/s41597-020-00675-z
    """
    given = list(years) if isinstance(years, Iterable) else [years]
    found = sorted({int(y) for y in given if not pd.isna(y)})
    if not found or set(found) - set(CAMPAIGNS):
        raise InputError(
            f"years must be campaigns ({', '.join(map(str, CAMPAIGNS))}); got "
            f"{some(found) or 'none'} instead."
        )
    return (
        f"{_credit_line(found)}\n"
        "Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/. Photos were changed: "
        "resized, and their burnt-in credit line masked, for classification.\n"
        "d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for "
        "field surveys from 2006 to 2018 in the European Union. Scientific Data 7:352. "
        "doi:10.1038/s41597-020-00675-z"
    )


def _credit_line(years: Iterable[int]) -> str:
    return f"(c) European Union, LUCAS {', '.join(map(str, years))}, Eurostat"


def photo_url(point_id: str, year: int, nuts0: str, direction: str, *, base: str = BASE) -> str:
    """The address of a photo on the survey's server.

    Parameters
    ----------
    point_id : str
        8 digits.
    year : int
        The campaign. 2022 has names of its own.
    nuts0 : str
        The country, as in the survey's table of that year.
    direction : {"P", "N", "E", "S", "W", "C"}
    base : str, optional
        The server; its photos stand under ``/lucas/photos/``.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a part is not of its form, or the server is not reached by https.

    Examples
    --------
    >>> photo_url("31603628", 2018, "UK", "N")
    'https://gisco-services.ec.europa.eu/lucas/photos/2018/UK/316/036/31603628N.jpg'
    >>> photo_url("31603628", 2022, "UK", "N")
    'https://gisco-services.ec.europa.eu/lucas/photos/2022/UK/316/036/202231603628LCLU_North.jpg'
    """
    _check_url(base, "base")
    return f"{base.rstrip('/')}/lucas/photos/{_photo_path(point_id, year, nuts0, direction)}"


def _photo_path(point_id: object, year: Any, nuts0: object, direction: object) -> str:
    # These come from tables: nothing that is more than digits and letters may
    # become part of a path.
    point, country = str(point_id), str(nuts0)
    if not _ID.fullmatch(point):
        raise InputError(f"A LUCAS point has 8 digits; got {point_id!r} instead.")
    if pd.isna(year) or year not in CAMPAIGNS:
        raise InputError(
            f"year must be a campaign ({', '.join(map(str, CAMPAIGNS))}); got {year!r} instead."
        )
    if not _NUTS0.fullmatch(country):
        raise InputError(f"nuts0 must be two capital letters; got {nuts0!r} instead.")
    if direction not in DIRECTIONS:
        raise InputError(
            f"direction must be one of {', '.join(DIRECTIONS)}; got {direction!r} instead."
        )
    name = (
        f"2022{point}LCLU_{_NAMES_2022[str(direction)]}.jpg"
        if year == 2022
        else f"{point}{direction}.jpg"
    )
    return f"{year:.0f}/{country}/{point[:3]}/{point[3:6]}/{name}"


def _check_url(url: str, name: str, query: bool = False) -> None:
    try:
        parts = urlsplit(url)
        local = parts.hostname in _LOCAL
        fits = bool(parts.hostname) and not (parts.username or parts.fragment)
        fits = fits and (query or not parts.query)
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{name} must be an https address; got {url!r} instead.") from None
    if not fits or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise InputError(
            f"{name} must be an https address without user{'' if query else ', query'} or fragment "
            f"(http only to this computer); got {url!r} instead."
        )


def download_photos(
    points: pd.DataFrame | str | os.PathLike[str],
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
        for a long pause, or the disk is full. Finished work is kept.

    Examples
    --------
    >>> photos = download_photos(points, "photos")          # doctest: +SKIP
    >>> model = train(photos[photos.status == "ok"])        # doctest: +SKIP
    """
    _check_url(base, "base")
    check_number("connections", connections, 1, 16, whole=True)
    fastest = math.inf if urlsplit(base).hostname in _LOCAL else 50
    check_number("per_second", per_second, 0, fastest, open_low=True)
    check_number("retries", retries, 0, 20, whole=True)
    check_number("timeout", timeout, 0, open_low=True)
    wanted = _wanted(points, check_directions(directions))
    root = Path(os.path.abspath(os.path.expanduser(folder)))
    with _writing(root):
        root.mkdir(parents=True, exist_ok=True)
    records = _records(root)
    address = f"{base.rstrip('/')}/lucas/photos/"
    todo = []
    pace = _Pace(per_second)
    try:
        with _Journal(root) as journal, _client(int(connections), min(30.0, timeout)) as client:
            for photo in wanted["photo"]:
                settled = _settled(root, photo, records.get(photo), address + photo, again)
                if settled is None:
                    todo.append(photo)
                elif settled is not records.get(photo):
                    journal.write(settled)
                    records[photo] = settled

            def fetch(photo: str) -> dict[str, Any]:
                return _fetch_photo(
                    client, address + photo, photo, root, journal, pace, int(retries), timeout
                )

            with (
                report(progress, len(todo), "Fetching photos") as forward,
                closing(_in_threads(fetch, todo, int(connections), pace)) as fetched,
            ):
                for record in fetched:
                    records[record["photo"]] = record
                    forward(1)
    finally:
        # Also after an error or Ctrl-C; a killed run leaves its journal, which _records() reads.
        _write_manifest(root)
    return _photo_table(wanted, records, root, len(todo))


def _wanted(points: pd.DataFrame | str | os.PathLike[str], directions: list[str]) -> pd.DataFrame:
    """One row a photo, with its path on the server."""
    if not isinstance(points, pd.DataFrame):
        points = read_table(points)
    require_columns(
        points,
        ["point_id", "year", "nuts0"],
        "download_photos()",
        "select_points() gives such a table.",
    )
    if points.empty:
        raise InputError("The table of points has no rows.")
    points = tidy_types(points.reset_index(drop=True))
    points.attrs = {}
    twice = points.duplicated(["point_id", "year"])
    if twice.any():
        raise InputError(
            f"{int(twice.sum())} rows have a point and year that another row has, the first is "
            f"{points.loc[twice, 'point_id'].iloc[0]}. Keep one row a point and year."
        )
    parts = []
    for order, direction in enumerate(directions):
        part = points.assign(direction=direction, _order=order)
        column = PHOTO_COLUMNS.get(direction, "")
        if column in points:
            part = part[~(points[column] == False).fillna(False).astype(bool)]  # noqa: E712
        parts.append(part)
    wanted = pd.concat(parts).rename_axis("_point").sort_values(["_point", "_order"])
    wanted["photo"] = [
        _photo_path(*row)
        for row in zip(
            wanted["point_id"], wanted["year"], wanted["nuts0"], wanted["direction"], strict=True
        )
    ]
    if wanted.empty:
        raise InputError(
            f"None of the photos {', '.join(directions)} of these points was taken, by the table."
        )
    left = ["_order", "path", "status", "error", *PHOTO_COLUMNS.values()]
    return wanted.drop(columns=left, errors="ignore").reset_index(drop=True)


def _photo_table(
    wanted: pd.DataFrame, records: dict[str, dict[str, Any]], root: Path, n_asked: int
) -> pd.DataFrame:
    found = [records[photo] for photo in wanted["photo"]]
    table = wanted.drop(columns="photo")
    table.insert(0, "path", [str(_place(root, photo)) for photo in wanted["photo"]])
    table["status"] = pd.Series([r["status"] for r in found], dtype="str")
    table["error"] = pd.Series([r["error"] for r in found], dtype="str")
    counts = Counter(table["status"])
    inform(
        f"{counts['ok']:,} of {len(table):,} photos are in {root}, {n_asked:,} were asked for now"
        + "".join(f"; {k}: {n:,}" for k, n in counts.most_common() if k != "ok")
        + f". {_credit_line(sorted(set(table['year'])))}, CC BY 4.0; credit() gives the citation."
    )
    return list_photos(table)


# One photo


def _fetch_photo(
    client: httpx2.Client,
    url: str,
    photo: str,
    root: Path,
    journal: _Journal,
    pace: _Pace,
    retries: int,
    timeout: float,
) -> dict[str, Any]:
    record: dict[str, Any] = dict.fromkeys(_COLUMNS)
    record |= {"photo": photo, "url": url, "status": "ok"}
    data = b""

    def attempt() -> tuple[bytes, httpx2.Headers]:
        until = time.monotonic() + timeout
        with _response(client, url) as response:
            return _photo_bytes(response, until, pace), response.headers

    try:
        (data, headers), record["attempts"] = _persist(attempt, pace, retries)
        record |= {"etag": headers.get("etag"), "last_modified": headers.get("last-modified")}
        record |= _described(data)
    except _FaultError as fault:
        record |= {"status": fault.status, "error": str(fault)}
    record["fetched"] = datetime.now(UTC).isoformat(timespec="seconds")
    with _writing(root):
        if record["status"] == "ok":
            place = _place(root, photo)
            place.parent.mkdir(parents=True, exist_ok=True)
            with _part(place).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # Written down before it gets its name: a run killed between the two finds the
            # part and its hash, and has nothing to fetch again.
            journal.write(record)
            os.replace(_part(place), place)
        else:
            journal.write(record)
    return record


def _photo_bytes(response: httpx2.Response, until: float, pace: _Pace) -> bytes:
    if response.status_code != 200:
        raise _FaultError("refused", f"the server answered {response.status_code}")
    kind = response.headers.get("content-type", "image/jpeg").split(";")[0].strip().lower()
    if not kind.startswith("image/") and kind != "application/octet-stream":
        raise _FaultError("not a photo", f"the server sent {kind}")
    length = _length(response)
    if (length or 0) > _MAX_BYTES:
        raise _FaultError("too large", f"the file has {length:,} bytes")
    data = bytearray()
    for chunk in response.iter_raw():
        pace.sleep(0)  # ends here if the run was stopped
        data += chunk
        if len(data) > _MAX_BYTES:
            raise _FaultError("too large", f"the file has more than {_MAX_BYTES:,} bytes")
        if time.monotonic() > until:
            raise _FaultError("incomplete", f"{len(data):,} bytes came in time", again=True)
    if length is not None and len(data) != length:
        raise _FaultError("incomplete", f"{len(data):,} of {length:,} bytes came", again=True)
    return bytes(data)


def _described(data: bytes) -> dict[str, Any]:
    """Size and hash of a photo that can be used; a fault for one that cannot."""
    if not data:
        raise _FaultError("empty", "the file has 0 bytes")
    if len(data) < _MIN_BYTES:
        raise _FaultError("too small", f"the file has {len(data):,} bytes")
    if not data.startswith(b"\xff\xd8\xff"):
        raise _FaultError("not a photo", f"no JPEG; begins with {data[:8]!r}")
    try:
        decode_photo(data)
    except PhotoError as error:
        raise _FaultError(error.status, str(error)) from error
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


# Asking


@contextmanager
def _client(connections: int, timeout: float) -> Iterator[httpx2.Client]:
    try:
        client = httpx2.Client(
            headers={"user-agent": _USER_AGENT, "accept-encoding": "identity"},
            timeout=httpx2.Timeout(timeout, pool=None),
            limits=httpx2.Limits(max_connections=connections),
            # A proxy leads to the internet, not to this computer.
            mounts={f"all://{'[::1]' if host == '::1' else host}": None for host in _LOCAL},
        )
    except (ValueError, ImportError, OSError) as error:
        raise DownloadError(
            f"The proxy or certificates set in the environment cannot be used: {error}. Look at "
            "HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from error
    with client:
        yield client


@contextmanager
def _response(
    client: httpx2.Client, url: str, headers: dict[str, str] | None = None
) -> Iterator[httpx2.Response]:
    """Open an answer that is no error, following redirects on the same host only."""
    answered = False
    try:
        for _ in range(4):
            with client.stream("GET", url, headers=headers) as response:
                answered = True
                if not response.has_redirect_location:
                    _check_status(response)
                    yield response
                    return
                here, there = httpx2.URL(url), httpx2.URL(url).join(response.headers["location"])
                same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
                if not same:
                    raise _FaultError("redirected", f"the server points to {there}")
                url = str(there)
        raise _FaultError("redirected", f"the server points on and on, at last to {url}")
    except httpx2.ProxyError as error:
        raise DownloadError(
            f"The proxy refused: {error}. Look at HTTPS_PROXY and ALL_PROXY, or put the server "
            f"into NO_PROXY. What was fetched is kept."
        ) from error
    except httpx2.InvalidURL as error:
        raise _FaultError("redirected", f"the server points to no address: {error}") from error
    except httpx2.RequestError as error:
        if _certificate(error):
            raise DownloadError(
                f"The certificate of {urlsplit(url).hostname} is not trusted: {error}. Behind an "
                "institution's proxy, install its certificate on this computer or name its file "
                "in SSL_CERT_FILE; also see whether the computer's clock is right."
            ) from error
        status = (
            "incomplete"
            if answered
            else "server error"
            if isinstance(error, httpx2.ProtocolError)
            else "unreachable"
        )
        raise _FaultError(status, str(error) or type(error).__name__, again=True) from error


def _certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_status(response: httpx2.Response) -> None:
    code = response.status_code
    if code < 400:
        return
    what = f"the server answered {code} {response.reason_phrase}".rstrip()
    if code in (404, 410):
        raise _FaultError("missing", what)
    if code in _BUSY:
        raise _FaultError("server error", what, again=True, after=_retry_after(response))
    raise _FaultError("refused", what)


def _retry_after(response: httpx2.Response) -> float | None:
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _length(response: httpx2.Response) -> int | None:
    value = response.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _persist(attempt: Callable[[], T], pace: _Pace, retries: int) -> tuple[T, int]:
    """Try until it works or will not; give what came and the number of attempts."""
    for done in range(retries + 1):
        pace.wait()
        try:
            return attempt(), done + 1
        except _FaultError as fault:
            if (fault.after or 0) > _LONGEST_WAIT:
                raise DownloadError(
                    f"The server asks to come back in {fault.after:,.0f} seconds. What was fetched "
                    "is kept: run again then."
                ) from fault
            if not fault.again or done == retries:
                raise
            if fault.after is not None:
                pace.hold(fault.after)  # all connections: it is the server that is busy
            else:
                pause = min(_BACKOFF * 2**done, _LONGEST_BACKOFF)
                pace.sleep(pause * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


class _Pace:
    """The rate all connections share, and the way to stop them."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next)
            self._next = slot + self._gap
        self.sleep(slot - now)

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(max(seconds, 0)):
            raise _StoppedError

    def stop(self) -> None:
        self._stop.set()


def _in_threads(
    fetch: Callable[[str], dict[str, Any]], photos: list[str], connections: int, pace: _Pace
) -> Generator[dict[str, Any], None, None]:
    def run(photo: str) -> dict[str, Any]:
        try:
            return fetch(photo)
        except BaseException:
            pace.stop()  # at once: the other threads must not go on asking
            raise

    answered, in_a_row = False, 0
    pool = ThreadPoolExecutor(connections, thread_name_prefix="lucas-photo")
    try:
        for future in as_completed([pool.submit(run, photo) for photo in photos]):
            try:
                record = future.result()
            except _StoppedError:
                continue  # the error that stopped it comes with another photo
            yield record
            silent = record["status"] == "unreachable"
            answered, in_a_row = answered or not silent, in_a_row + 1 if silent else 0
            if silent and (not answered or in_a_row >= _UNREACHABLE_IN_A_ROW):
                raise DownloadError(
                    f"{urlsplit(record['url']).hostname} cannot be reached: {record['error']}. Is "
                    "this computer online, is a proxy needed (HTTPS_PROXY), is the address right? "
                    "What was fetched is kept: run again to go on."
                )
    finally:
        # An error, Ctrl-C or a caller that wants no more: photos not begun are left.
        pace.stop()
        pool.shutdown(wait=True, cancel_futures=True)


# What is kept

_COLUMNS = {
    "photo": "str",
    "url": "str",
    "status": "str",
    "error": "str",
    "bytes": "Int64",
    "sha256": "str",
    "etag": "str",
    "last_modified": "str",
    "fetched": "str",
    "attempts": "Int64",
}


class _Journal:
    """What happened to each photo, a line each, appended at once."""

    def __init__(self, root: Path) -> None:
        self._path = root / JOURNAL
        self._lock = threading.Lock()

    def __enter__(self) -> _Journal:
        with _writing(self._path.parent):
            self._file = self._path.open("ab", buffering=0)
            if self._file.tell():
                self._file.write(b"\n")  # ends a line that a kill or full disk cut off
        return self

    def write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        with self._lock, _writing(self._path.parent):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _records(root: Path) -> dict[str, dict[str, Any]]:
    """What former runs wrote down, the latest of each photo."""
    records: dict[str, dict[str, Any]] = {}
    if (root / MANIFEST).exists():
        table = read_table(root / MANIFEST)
        require_columns(table, _COLUMNS, str(root / MANIFEST), "Move it away to start anew.")
        for row in table[list(_COLUMNS)].astype("object").to_dict("records"):
            record = {str(k): None if pd.isna(v) else v for k, v in row.items()}
            records[str(record["photo"])] = record
    if (root / JOURNAL).exists():
        for line in (root / JOURNAL).read_bytes().splitlines():
            try:
                record = json.loads(line)
                records[record["photo"]] = record
            except (ValueError, TypeError, KeyError):
                continue  # cut off by a kill: its photo is found, or fetched again
    return records


def _write_manifest(root: Path) -> None:
    """Fold the journal into the manifest; without disk space it stays as it is."""
    records = _records(root)
    if not records or not (root / JOURNAL).exists():
        return
    table = pd.DataFrame(
        {c: pd.Series([r.get(c) for r in records.values()], dtype=t) for c, t in _COLUMNS.items()}
    )
    try:
        write_table(table.sort_values("photo", ignore_index=True), root / MANIFEST)
        (root / JOURNAL).unlink()
    except OSError:
        return


def _settled(
    root: Path, photo: str, record: dict[str, Any] | None, url: str, again: bool
) -> dict[str, Any] | None:
    """The record of a photo that need not be asked for; None for one that must."""
    place = _place(root, photo)
    if record is not None and record["status"] == "ok":
        if place.is_file() and place.stat().st_size == record["bytes"]:
            return record
        part = _part(place)
        if part.is_file() and hashlib.sha256(part.read_bytes()).hexdigest() == record["sha256"]:
            with _writing(root):
                os.replace(part, place)
            return record
    elif place.is_file():
        # Brought by another program, or by hand.
        try:
            return {**dict.fromkeys(_COLUMNS), "photo": photo, "status": "ok"} | _described(
                place.read_bytes()
            )
        except (_FaultError, OSError):
            return None
    elif record is not None and record["status"] in _FINAL and record["url"] == url and not again:
        return record  # of this server: another may have it
    return None


def _place(root: Path, photo: str) -> Path:
    return root.joinpath(*photo.split("/"))


def _part(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, LucasError):
            raise
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        raise DownloadError(
            f"The disk of {root} is full. What was fetched is kept: free some space and run again."
            if full
            else f"Cannot write to {root}: {error}. What was fetched is kept."
        ) from error


# Tables


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
        If the file cannot be had, is not what its ending says, or does not fit the disk.
    """
    _check_url(url, "url", query=True)
    check_number("retries", retries, 0, 20, whole=True)
    check_number("timeout", timeout, 0, open_low=True)
    check_number("max_bytes", max_bytes, 1, whole=True)
    path = Path(os.path.abspath(os.path.expanduser(out)))
    if path.is_dir():
        path = path / (re.sub(r"[^0-9A-Za-z._-]", "_", urlsplit(url).path.split("/")[-1]) or "_")
    if path.suffix.lower() not in _BEGINNINGS:
        raise InputError(
            f"A table ends in {', '.join(_BEGINNINGS)}; got {path.name} instead. Name the file to "
            "write with out=."
        )
    if path.exists():
        inform(f"{path} is there already and was left as it is.")
        return path
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    part, notes = _part(path), path.with_name(f".{path.name}.part.json")
    pace = _Pace(5)
    with _client(1, timeout) as client:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                _persist(
                    lambda: _fetch_rest(client, url, part, notes, int(max_bytes), progress),
                    pace,
                    int(retries),
                )
                break
            except _FaultError as fault:
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
    with _writing(path.parent):
        os.replace(part, path)
        notes.unlink(missing_ok=True)
    return path


_BEGINNINGS = {".csv": b"", ".parquet": b"PAR1", ".zip": b"PK", ".gz": b"\x1f\x8b"}


def _check_beginning(path: Path, part: Path) -> None:
    with part.open("rb") as file:
        start = file.read(512)
    wanted = _BEGINNINGS[path.suffix.lower()]
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(wanted) or (not wanted and (text[:1] in (b"", b"<") or b"\0" in text)):
        raise DownloadError(
            f"What the server sent is no {path.suffix} file; it begins with {start[:16]!r}. Is the "
            "address a web page's?"
        )


def _fetch_rest(
    client: httpx2.Client, url: str, part: Path, notes: Path, max_bytes: int, progress: Progress
) -> None:
    """Append what is missing of a file, or begin it anew if it has changed."""
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    have = part.stat().st_size if part.exists() and known.get("url") == url else 0
    if have and have == known.get("total"):
        return
    headers = {}
    if have and known.get("version"):
        headers = {"range": f"bytes={have}-", "if-range": known["version"]}
    try:
        with _response(client, url, headers) as response:
            span = re.fullmatch(
                r"bytes ([0-9]+)-[0-9]+/([0-9]+)", response.headers.get("content-range", "")
            )
            if response.status_code == 206 and span and int(span[1]) == have:
                total: int | None = int(span[2])
            elif response.status_code == 200:
                have, total = 0, _length(response)
            else:
                raise _FaultError("refused", f"the server answered {response.status_code}")
            _check_room(response, part, have, total, max_bytes)
            # Only a strong version says that the rest fits the beginning byte by byte.
            etag = response.headers.get("etag", "")
            version = etag if etag.startswith('"') else response.headers.get("last-modified")
            with _writing(part.parent):
                file = part.open("ab" if have else "wb")
                notes.write_text(json.dumps({"url": url, "version": version, "total": total}))
            with file, report(progress, round((total or 0) / 1e6), "Fetching MB") as forward:
                shown = 0
                for chunk in response.iter_raw():
                    with _writing(part.parent):
                        file.write(chunk)
                        file.flush()
                    have += len(chunk)
                    if have > max_bytes:
                        raise _FaultError("too large", f"more than {max_bytes:,} bytes")
                    forward(round(have / 1e6) - shown)
                    shown = round(have / 1e6)
    except _FaultError as fault:
        if fault.status == "refused" and "416" in str(fault):
            part.unlink(missing_ok=True)  # longer than the server's: begin anew
            raise _FaultError("incomplete", str(fault), again=True) from fault
        raise
    if total is not None and have != total:
        raise _FaultError("incomplete", f"{have:,} of {total:,} bytes came", again=True)


def _check_room(
    response: httpx2.Response, part: Path, have: int, total: int | None, max_bytes: int
) -> None:
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise _FaultError("not a table", "the server sent a web page")
    if total is None:
        return
    if total > max_bytes:
        raise _FaultError("too large", f"{total:,} bytes, and max_bytes is {max_bytes:,}")
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise DownloadError(
            f"{total - have:,} bytes are to come, and the disk of {part.parent} has {free:,} left."
        )
