"""Where and when photos were taken, by their EXIF, and which of them are of one point."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import ExifTags, Image

from ._base.checks import check_number
from ._base.places import geocentric
from ._base.progress import Progress, report
from ._base.signatures import checked
from ._base.types import Floats, Photos
from .errors import PhotoError, inform, some, warn
from .images.decode import open_image
from .images.heic import count_without_heic, warn_of_heic
from .photos import as_photos, list_photos
from .sources import READERS, base_name, is_remote, opened

__all__ = ["locate_photos"]

_Tags = Mapping[int, Any]

_GPS, _EXIF = ExifTags.GPS, ExifTags.Base
_EPOCH = datetime(1970, 1, 1)
_CLOCK = re.compile(r"((?:19|20)\d\d)[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_DAY = re.compile(r"((?:19|20)\d\d)[:/-](\d\d)[:/-](\d\d)")
_WGS84 = re.compile(r"WGS[ _-]?(19)?84", re.I)
_LEAST_RADIUS = 2.0  # metres; ids have five decimals, so nearer points could get the same one


@checked
def locate_photos(
    photos: Photos,
    *,
    radius: float = 25.0,
    minutes: float = 60.0,
    root: str | os.PathLike[str] | None = None,
    labels: bool = True,
    progress: Progress = True,
) -> pd.DataFrame:
    """Make a photo table of geotagged photos, with points found by position and time.

    For photos whose names say nothing, such as those of phones and GPS cameras. Where and when each
    was taken is read from its EXIF; photos of one stop are a visit, visits of one place
    a point. The dates of files are never used: copying changes them.

    Parameters
    ----------
    photos : path, sequence of paths, or pandas.DataFrame
        Anything `list_photos` takes.
    radius : float, default 25
        Metres, at least 2. How far a photo may lie from the first of its visit, and that one from
        the first of its point. Receivers are right to 5 or 10 m in the open, less so in woods.
    minutes : float, default 60
        How long after the first photo of a visit others still belong to it.
    root, labels
        As in `list_photos`.
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    pandas.DataFrame
        The photo table that `list_photos` gives, a row a photo in its order. What file names,
        folders or a table say is kept; what is missing is filled in:

        ``point_id``
            Such as ``N55.68123E012.57123``, the position of the point's first photo. Photos without
            a position are given none.
        ``year``
            Of the date.
        ``direction``
            The nearest of ``N E S W`` to ``heading``. That a photo looks at the ground
            (``P``, ``C``) no tag tells, only its name.
        ``lon``, ``lat``
            Of the photo, WGS84 degrees. ``x`` and ``y`` stay those of the point, of its LUCAS id or
            the table; other functions prefer them.

        New are ``datetime`` (ISO text, the camera's local time, with its offset from UTC where the
        photo tells it; UTC where only the satellites' time is known), ``visit`` (the
        ``datetime`` of the visit's first photo), ``gps_error`` (metres), ``heading`` (degrees from
        north, magnetic ones as they are), ``status`` and ``error``. Status: ``"ok"`` (position
        and date), ``"no position"``, ``"no date"``, or why the file could not be read, from
        `lucas_habitat.images.STATUSES`. Error says what exactly was wrong, also for
        an ``"ok"`` photo. Columns of these names that a table had are made anew.

    Warns
    -----
    LucasMessage
        Counts photos, points, photos without position or date, and points visited several times in
        a year.
    LucasWarning
        If HEIC photos cannot be read for want of pillow-heif, no photo has a position, positions
        are in another datum than WGS84 (they are taken as they are), a camera's clock is more
        than a day off the satellites' time, or the year of a name, folder or table is not that of
        the date (it is kept).

    Raises
    ------
    InputError
        If ``radius`` or ``minutes`` is out of range, and as `list_photos`.

    Notes
    -----
    Photos are taken in order of time, those without a date last, by name. Each joins the nearest
    visit whose first photo lies within ``radius`` and ``minutes``, else it begins one. Visits, in
    the same order, join the nearest point whose first photo lies within ``radius`` of theirs, else
    they begin one. That is the leader algorithm (Hartigan 1975, chapter 3), with its anchor in
    space and time as stay points have it (Li et al. 2008). Everything is measured from a first
    photo, so photos along a track do not chain into one point, as they would with single linkage or
    DBSCAN; and, unlike with complete linkage, photos taken later change no point found earlier:
    located again with next year's photos, a folder keeps its ids. (Those of photos without a
    date may change.) Distances are straight lines on the WGS84 ellipsoid, right anywhere on Earth.

    A photo that has a point already, by name or table, keeps it, and visits that begin within
    ``radius`` of the first photo of such a point join it. So ids that were handed out hold for
    certain if the earlier table goes in with the new photos' rows below it.

    A point visited twice in a year stays one point with one ``point_id`` and ``year``, so `vote`
    pools both visits and `split_photos` never parts them. To vote by visit, split first, then give
    ``photos.assign(point_id=photos.point_id + " " + photos.visit)``.

    No position is what has none in EXIF's terms: degrees out of range or not finite,
    a reference (N, S, E, W) that is missing, or 0, 0, which cameras write without a
    fix. Of a PNG only EXIF that stands before the pixels is read.

    The table holds positions, and an id spells one: whoever gets the table, or what is made of it
    (maps, reports, a model's list of its training photos), learns where photos were taken.
    Their other EXIF goes nowhere.

    References
    ----------
    Hartigan, J. A. (1975). Clustering Algorithms. Wiley.
    Li, Q. et al. (2008). Mining user similarity based on location history. Proceedings of the 16th
    ACM SIGSPATIAL conference, article 34. doi 10.1145/1463434.1463477.

    Examples
    --------
    >>> photos = locate_photos("field 2024/")                    # doctest: +SKIP
    >>> photos[photos.status != "ok"][["path", "status", "error"]]    # doctest: +SKIP
    """
    check_number("radius", radius, _LEAST_RADIUS)
    check_number("minutes", minutes, 0)
    table = list_photos(photos, root=root, labels=labels).reset_index(drop=True)
    tags = _read_all(table["path"].tolist(), progress)

    lon, lat = (
        table[c].to_numpy(dtype="float64", copy=True) if c in table else np.full(len(table), np.nan)
        for c in ("lon", "lat")
    )
    is_open = ~((np.abs(lon) <= 180) & (np.abs(lat) <= 90))
    lon[is_open], lat[is_open] = tags["lon"][is_open], tags["lat"][is_open]
    table["lon"], table["lat"] = lon, lat
    is_located, is_dated = ~np.isnan(lat), tags["taken"].notna()

    groups = _group(table, tags["taken"], radius, minutes)
    table["point_id"] = table["point_id"].where(table["point_id"].notna(), groups.point_id)
    heading = tags["heading"]
    compass = (heading / 90 + 0.5).map(lambda q: None if math.isnan(q) else "NESW"[int(q) % 4])
    table["direction"] = table["direction"].where(table["direction"].notna(), compass)
    years = tags["taken"].dt.year.astype("Int64")
    has_other_year = (table["year"] != years).fillna(False)
    table["year"] = table["year"].fillna(years)

    table["datetime"] = tags["datetime"]
    table["visit"] = tags["datetime"].reindex(groups.first).array
    table["gps_error"], table["heading"] = tags["gps_error"], heading
    is_read = tags["status"] == "ok"
    table["status"] = tags["status"].mask(is_read & ~is_dated, "no date")
    table["status"] = table["status"].mask(is_read & ~is_located, "no position")
    # What is wrong with a photo's position does not matter where the table has one.
    no_position = tags["no_position"].where(~is_located, "")
    table["error"] = (no_position + "; " + tags["error"]).str.strip("; ")
    table = as_photos(table)
    _summarise(table, is_read, has_other_year, tags)
    return table


def _read_all(paths: Sequence[str], progress: Progress) -> pd.DataFrame:
    """What `_read` gives of each photo, as a table."""
    rows = []
    # Threads, because what takes long is waiting for disks and networks.
    with (
        report(progress, len(paths), "photos located") as advance,
        ThreadPoolExecutor(_readers(paths)) as pool,
    ):
        try:
            for row in pool.map(_read, paths):
                rows.append(row)
                advance(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    tags = pd.DataFrame(rows)
    tags["taken"] = pd.to_datetime(tags["taken"]).astype("datetime64[us]")
    for column in ("datetime", "status", "error", "no_position"):
        tags[column] = tags[column].astype("str")
    return tags


def _readers(paths: Sequence[str]) -> int:
    is_far = any(isinstance(path, str) and is_remote(path) for path in paths)
    return READERS if is_far else min(8, 4 * (os.cpu_count() or 1))


def _read(path: str) -> dict[str, Any]:
    """What a photo's EXIF tells of place and time."""
    row: dict[str, Any] = {
        **dict.fromkeys(("lon", "lat", "gps_error", "heading"), math.nan),
        **dict.fromkeys(("taken", "datetime")),
        **dict.fromkeys(("no_position", "error"), ""),
        **dict.fromkeys(("datum", "clock"), False),
        "status": "ok",
    }
    remarks = []
    try:
        exif, gps = _tags(path)
    except PhotoError as error:
        return {**row, "status": error.status, "error": str(error)}
    except ValueError as error:
        exif, gps = {}, {}
        remarks.append(str(error))
    try:
        row["lon"], row["lat"] = _position(gps)
    except ValueError as error:
        row["no_position"] = str(error)
    else:
        accuracy = _numbers(gps.get(_GPS.GPSHPositioningError))[0]
        row["gps_error"] = accuracy if accuracy >= 0 else math.nan
        datum = _text(gps.get(_GPS.GPSMapDatum))
        if datum and not _WGS84.fullmatch(datum):
            row["datum"] = True
            remarks.append(f"the position is in the datum {datum}, taken as WGS84")
    heading = _numbers(gps.get(_GPS.GPSImgDirection))[0]
    row["heading"] = heading % 360 if 0 <= heading <= 360 else math.nan

    row["taken"], row["datetime"], utc = _time(exif, gps)
    if row["taken"] is None:
        remarks.append("no date")
    # Time zones lie within 14 hours, and a receiver may repeat the time of its last fix.
    elif utc is not None and abs(utc - row["taken"]) > timedelta(days=1):
        row["clock"] = True
        remarks.append(
            f"the camera's clock says {_iso(row['taken'])}, the satellites' time {_iso(utc)}"
        )
    row["error"] = "; ".join(remarks)
    return row


def _tags(path: str) -> tuple[_Tags, _Tags]:
    """The tags of a photo's Exif and GPS directories; a ValueError if they are damaged."""
    with opened(path) as file:
        image = open_image(file)
        try:
            # Not image.getexif(): of a PNG it decodes the pixels, to read what follows them.
            tags = Image.Image.getexif(image)
            return tags.get_ifd(ExifTags.IFD.Exif), tags.get_ifd(ExifTags.IFD.GPSInfo)
        except Exception as error:  # Pillow raises nearly anything on broken EXIF
            damage = f"the EXIF is damaged ({type(error).__name__}: {error})"
    raise ValueError(damage)


def _position(gps: _Tags) -> tuple[float, float]:
    """Longitude and latitude; a ValueError says why there are none."""
    lat = _degrees(gps, "latitude", _GPS.GPSLatitude, "NS", 90)
    lon = _degrees(gps, "longitude", _GPS.GPSLongitude, "EW", 180)
    if lat == lon == 0:
        raise ValueError("the position is 0, 0, as cameras without a fix write it")
    return lon, lat


def _degrees(gps: _Tags, name: str, tag: int, refs: str, most: float) -> float:
    if tag not in gps:
        raise ValueError(f"no {name}")
    # Degrees, minutes and seconds; or fewer, the last with its fraction.
    parts = _numbers(gps[tag])
    value = float(sum(part / 60**i for i, part in enumerate(parts)))
    if len(parts) > 3 or not all(0 <= p <= 60 for p in parts[1:]) or not 0 <= value <= most:
        raise ValueError(f"the {name} is {some([f'{p:g}' for p in parts])}, which is none")
    ref = _text(gps.get(tag - 1)).upper()[:1]
    if not ref or ref not in refs:
        raise ValueError(f"the {name} does not say whether it is {refs[0]} or {refs[1]}")
    return value if ref == refs[0] else -value


def _time(exif: _Tags, gps: _Tags) -> tuple[datetime | None, str | None, datetime | None]:
    """When a photo was taken: by the camera's clock or failing that in UTC, as text, and in UTC."""
    taken = _moment(_CLOCK.match(_text(exif.get(_EXIF.DateTimeOriginal))))
    utc = _moment(_DAY.match(_text(gps.get(_GPS.GPSDateStamp))))
    hours = sum(n / 60**i for i, n in enumerate(_numbers(gps.get(_GPS.GPSTimeStamp))))
    utc = utc + timedelta(hours=hours) if utc is not None and 0 <= hours < 25 else None
    if taken is None:
        return utc, f"{_iso(utc)}+00:00" if utc is not None else None, utc
    fraction = _text(exif.get(_EXIF.SubsecTimeOriginal))
    if fraction.isdecimal():
        taken += timedelta(seconds=float(f"0.{fraction}"))
    offset = _text(exif.get(_EXIF.OffsetTimeOriginal))
    is_offset = re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", offset)
    return taken, _iso(taken) + (offset if is_offset else ""), utc


def _moment(match: re.Match[str] | None) -> datetime | None:
    try:
        return datetime(*map(int, match.groups())) if match else None  # type: ignore[arg-type]
    except ValueError:  # 2000:00:00, as a clock that was never set may write it
        return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def _numbers(value: Any) -> list[float]:
    """A tag's numbers; NaN for what is none, as a fraction of 0 is."""
    values = value if isinstance(value, tuple) and value else (value,)
    try:
        return [float(v) for v in values]
    except (TypeError, ValueError, ArithmeticError):
        return [math.nan]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.strip(" \0\t\r\n") if isinstance(value, str) else ""


class _Groups(NamedTuple):
    """The visit and the point of each photo."""

    first: Floats  # the row of the visit's first photo; NaN for a photo without a date
    point_id: npt.NDArray[np.object_]


def _group(table: pd.DataFrame, taken: pd.Series, radius: float, minutes: float) -> _Groups:
    """Find visits and points by the algorithm in the notes of `locate_photos`."""
    given_ids = table["point_id"]
    lon, lat = (table[c].to_numpy(dtype="float64") for c in ("lon", "lat"))
    time = np.asarray((taken - _EPOCH) / pd.Timedelta(minutes=1), dtype=np.float64)
    # Photos without a date come last.
    rows = np.lexsort((table["path"].rank(), time))
    rows = rows[~np.isnan(lat[rows])]
    xyz = geocentric(lon, lat)
    # NaN is within reach of nothing: a photo without a date leads itself.
    leader = rows[_leaders(xyz[rows], time[rows], radius, minutes)]

    has_id = given_ids.notna().to_numpy()
    anchors = rows[has_id[rows]]
    anchors = anchors[~given_ids.iloc[anchors].duplicated().to_numpy()]
    new_starts = rows[(leader == rows) & ~has_id[rows]]
    starts = np.concatenate([anchors, new_starts])
    nearest = starts[
        _leaders(xyz[starts], np.zeros(len(starts)), radius, math.inf, fixed=len(anchors))
    ]
    ids = given_ids.to_numpy(dtype=object, copy=True)
    for row, start in zip(starts[len(anchors) :], nearest[len(anchors) :], strict=True):
        ids[row] = ids[start] if start != row else _position_id(lon[row], lat[row])
    ids[rows] = ids[leader]
    first = np.full(len(given_ids), np.nan)
    first[rows] = np.where(np.isnan(time[rows]), np.nan, leader)
    return _Groups(first, ids)


def _position_id(lon: float, lat: float) -> str:
    north, east = "S" if lat < 0 else "N", "W" if lon < 0 else "E"
    return f"{north}{abs(lat):08.5f}{east}{abs(lon):09.5f}"


def _leaders(
    xyz: Floats, time: Floats, radius: float, minutes: float, fixed: int = 0
) -> npt.NDArray[np.intp]:
    """The nearest leader within reach of each row, in the order given; itself if there is none.

    ``xyz`` are metres (n x 3), ``time`` minutes in rising order. The first ``fixed`` rows are always
    their own leaders.
    """
    # Space is cut into cubes whose sides are one radius long, and each leader noted by its cube: all
    # within reach of a row are in its own cube and the 26 around it.
    cubes: dict[tuple[int, ...], list[int]] = {}
    places = xyz.tolist()
    leader = np.arange(len(xyz))
    for i, cube in enumerate(np.floor(xyz / radius).astype(np.int64).tolist()):
        if i >= fixed:
            around = product(*((c - 1, c, c + 1) for c in cube))
            candidates = [
                (distance, j)
                for c in around
                for j in cubes.get(c, ())
                if time[i] - time[j] <= minutes
                and (distance := math.dist(places[i], places[j])) <= radius
            ]
            if candidates:
                _, leader[i] = min(candidates)
                continue
        # Leaders too old for any later row are dropped: a camera that stays in one place would
        # otherwise fill its cube with them.
        leaders = cubes.get(tuple(cube), [])
        cubes[tuple(cube)] = [j for j in leaders if time[i] - time[j] <= minutes] + [i]
    return leader


def _summarise(
    table: pd.DataFrame, is_read: pd.Series, has_other_year: pd.Series, tags: pd.DataFrame
) -> None:
    """Count what was found in a message, and warn of what looks wrong."""
    ids = table["point_id"].dropna()
    counts = [f"{len(table)} photos, {ids.nunique()} points"]
    if len(ids):
        counts.append(f"{ids.value_counts().median():g} photos a point (median)")
    read = table[is_read]
    visits = table.groupby(["point_id", "year"])["visit"].nunique()
    for n, what in (
        (read["lat"].isna().sum(), "photos without a position"),
        (read["datetime"].isna().sum(), "photos without a date"),
        ((~is_read).sum(), "photos that cannot be read"),
        ((visits > 1).sum(), "points with several visits in a year, which vote as one"),
    ):
        if n:
            counts.append(f"{n} {what}")
    inform("; ".join(counts) + ".")
    warn_of_heic(count_without_heic(table["error"]))
    if len(read) and table["lat"].isna().all():
        warn(
            f"None of {len(table)} photos has a position. Many programs remove it when they send, "
            "edit or shrink photos: take them from the camera. The column error says more."
        )
    for rows, what in (
        (tags["datum"], "have positions in another datum than WGS84, taken as if they were in it"),
        (tags["clock"], "have a camera's clock and a satellites' time more than a day apart"),
        (
            has_other_year,
            "were taken in another year than their name, folder or table says, which is kept",
        ),
    ):
        if rows.any():
            names = table.loc[rows, "path"].map(base_name).tolist()
            warn(f"{int(rows.sum())} photos {what}: {some(names)}.")
