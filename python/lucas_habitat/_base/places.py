"""Where points lie: their ids, the survey's grid, degrees and metres.

pyproj is imported only where it is needed, because reading a table needs no more than ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ..errors import InputError
from . import words
from .texts import by_value, bytes_of
from .types import Floats

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

__all__ = [
    "DEGREES",
    "EUROPE",
    "GRID_EAST",
    "GRID_NORTH",
    "LonLat",
    "Metres",
    "count_alone",
    "geocentric",
    "grid_positions",
    "is_grid_place",
    "is_lucas_id",
    "kilometres_to_nearest",
    "lonlat_of",
    "photos_in_words",
    "point_ids",
    "point_positions",
    "points_in_words",
    "rows_in_words",
    "to_degrees",
    "to_metres",
    "transformer",
]

#: The grid's reference system: metres east and north, LAEA Europe.
EUROPE = "EPSG:3035"
#: Longitude and latitude on WGS84.
DEGREES = "EPSG:4326"
#: Where points of the survey can lie, in kilometres of the grid: from the Azores to Cyprus, and from
#: the Canary Islands to Lapland.
GRID_EAST, GRID_NORTH = (800, 7500), (800, 5600)


class LonLat(NamedTuple):
    """Longitudes and latitudes in degrees on WGS84, NaN where unknown."""

    lon: Floats
    lat: Floats


class Metres(NamedTuple):
    """Eastings and northings in metres of EPSG:3035, NaN where unknown."""

    x: Floats
    y: Floats


def point_ids(column: pd.Series) -> pd.Series:
    """Point ids as text; numbers become whole numbers, LUCAS ids get their 8 digits back."""
    if _has_eight_digits(column):
        return column
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        column = by_value(column, lambda v: f"{v:.0f}" if v % 1 == 0 else str(v))
    text = by_value(column, lambda v: str(v).strip() or None)
    different = text.drop_duplicates()
    # Tables that were opened in a spreadsheet have lost the zero of points west of 1000 km.
    if different.str.fullmatch("[0-9]{7,8}").all() and is_lucas_id(different.str.zfill(8)).all():
        return text.str.zfill(8)
    return text


def photos_in_words(n: int, n_points: int, n_alone: int) -> str:
    """Photos and their points; ``n_points`` counts each of the photos without a point (n_alone) as one."""
    if n_alone >= n:
        return f"{n} photos"
    alone = f", {n_alone} of them without a point" if n_alone else ""
    return f"{n} photos of {n_points - n_alone} points{alone}"


def points_in_words(n: int, n_points: int, n_alone: int = 0) -> str:
    """Points and their years, which rows are; those that stand for one photo each are photos."""
    if n_alone >= n:
        return f"{n} photos"
    years = f" in {n} point-years" if n != n_points else ""
    alone = f", {n_alone} of them photos without a point" if n_alone else ""
    return f"{n_points} points{years}{alone}"


def rows_in_words(unit: str, n: int, n_points: int, n_alone: int) -> str:
    """What rows of a table are."""
    in_words = photos_in_words if unit == "photo" else points_in_words
    return in_words(n, n_points, n_alone)


def count_alone(table: pd.DataFrame) -> int:
    """How many rows are photos without a point, or such a photo's vote, which is named by its path."""
    if "point_id" not in table:
        return len(table) if "path" in table else 0
    ids = table["point_id"]
    n_missing = int(ids.isna().sum())
    if "n_photos" not in table:
        return n_missing
    of_one = ids[(table["n_photos"] == 1).fillna(False)].dropna().astype("str")
    return n_missing + int(of_one.str.contains(r"[/\\].*\.[A-Za-z0-9]{2,5}$", regex=True).sum())


def _has_eight_digits(column: pd.Series) -> bool:
    """Whether every value is text of 8 digits: nothing is then to be put right."""
    parts = bytes_of(column)
    if parts is None or any((part.lengths != 8).any() for part in parts):
        return False
    for part in parts:
        digits = part.data[part.starts[0] : part.starts[-1] + 8]
        if not ((digits >= ord("0")) & (digits <= ord("9"))).all():
            return False
    return True


def is_grid_place(east: float, north: float) -> bool:
    """Whether a place of the grid, in kilometres, can be one of the survey's."""
    return GRID_EAST[0] <= east <= GRID_EAST[1] and GRID_NORTH[0] <= north <= GRID_NORTH[1]


def is_lucas_id(ids: pd.Series) -> pd.Series:
    """Mark the ids that can be the survey's: 8 digits that name a place of the grid.

    An id of 8 digits that someone else gave to a plot is told apart where it names no such place.
    """
    digits = ids.where(ids.str.fullmatch("[0-9]{8}").fillna(False))
    east, north = pd.to_numeric(digits.str[:4]), pd.to_numeric(digits.str[4:])
    return east.between(*GRID_EAST) & north.between(*GRID_NORTH)


def grid_positions(ids: pd.Series) -> Metres:
    """The places that LUCAS ids spell: four digits of easting, four of northing, in km."""
    digits = ids.where(is_lucas_id(ids))
    east, north = (
        pd.to_numeric(part).to_numpy(dtype=np.float64, na_value=np.nan) * 1000
        for part in (digits.str[:4], digits.str[4:])
    )
    return Metres(east, north)


def to_degrees(x: Floats, y: Floats) -> LonLat:
    """EPSG:3035 metres as degrees; NaN where there are none."""
    return LonLat(*_finite(*transformer(EUROPE, DEGREES).transform(x, y)))


def to_metres(lon: Floats, lat: Floats) -> Metres:
    """Degrees as EPSG:3035 metres; NaN where there are none."""
    return Metres(*_finite(*transformer(DEGREES, EUROPE).transform(lon, lat)))


def geocentric(lon: Floats, lat: Floats) -> Floats:
    """Metres from the Earth's centre, n x 3, of positions on the ellipsoid."""
    to_xyz = transformer("EPSG:4979", "EPSG:4978")
    return np.column_stack(to_xyz.transform(lon, lat, np.zeros(len(lon))))


def kilometres_to_nearest(places: LonLat, others: LonLat) -> Floats:
    """Kilometres from each place to the nearest of the others; NaN where nothing is known."""
    from scipy.spatial import cKDTree

    distance = np.full(len(places.lon), np.nan)
    is_known, is_there = np.isfinite(places.lon), np.isfinite(others.lon)
    if is_known.any() and is_there.any():
        tree = cKDTree(geocentric(others.lon[is_there], others.lat[is_there]))
        straight = tree.query(geocentric(places.lon[is_known], places.lat[is_known]))[0]
        # Over the ground, on a sphere: at 1,000 km the straight line is 1 km shorter.
        radius = 6_371_000
        distance[is_known] = 2 * radius * np.arcsin(np.minimum(straight / (2 * radius), 1)) / 1000
    return distance


def point_positions(table: pd.DataFrame) -> LonLat:
    """The best position each point has: ``x`` and ``y``, else ``lon`` and ``lat``, else its LUCAS id."""
    lon = np.full(len(table), np.nan)
    lat = np.full(len(table), np.nan)
    for names, crs in ((("x", "y"), EUROPE), (("lon", "lat"), DEGREES)):
        if set(names) <= set(table.columns):
            is_open = np.isnan(lon)
            x, y = (table[name].to_numpy(dtype="float64")[is_open] for name in names)
            lon[is_open], lat[is_open] = lonlat_of(x, y, crs, names, "points")
    is_open = np.isnan(lon)
    if is_open.any():
        x, y = grid_positions(table["point_id"].astype("str")[is_open])
        if np.isfinite(x).any():
            lon[is_open], lat[is_open] = to_degrees(x, y)
    return LonLat(lon, lat)


def lonlat_of(x: Floats, y: Floats, crs: CRS | str, names: tuple[str, str], what: str) -> LonLat:
    """Bring a user's coordinates to WGS84 degrees, NaN where they are unusable.

    Heights play no part: going through two dimensions puts everything on one ellipsoid.

    Raises
    ------
    InputError
        If columns look swapped, or metres are given for degrees or degrees for metres.
    """
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    system = CRS.from_user_input(crs)
    is_usable = np.isfinite(x) & np.isfinite(y)
    columns = f"The columns {names[0]} and {names[1]} of {what}"
    if system.is_geographic:
        is_swapped = is_usable & (np.abs(y) > 90) & (np.abs(y) <= 360) & (np.abs(x) <= 90)
        if is_swapped.any():
            raise InputError(
                f"{columns} look swapped: {names[1]} is {y[is_swapped][0]:g} where a latitude is "
                f"between -90 and 90. Exchange their names."
            )
        is_outside = (np.abs(x) > 360) | (np.abs(y) > 90)
        if is_usable.any() and is_outside[is_usable].all():
            raise InputError(
                f"{columns} hold no degrees (such as {x[is_usable][0]:g}, {y[is_usable][0]:g}), but "
                f"{system.name} is geographic. Give the projected crs they are in."
            )
        is_usable &= ~is_outside
    elif is_usable.any() and system.axis_info[0].unit_name == "metre":
        is_degrees = (np.abs(x[is_usable]) <= 180) & (np.abs(y[is_usable]) <= 90)
        if is_degrees.all():
            raise InputError(
                f"{columns} look like degrees (such as {x[is_usable][0]:g}, {y[is_usable][0]:g}), but "
                f"{system.name} is in metres. Longitudes and latitudes need "
                f"{words.arg('crs', 'EPSG:4326')} and, in points, the columns lon and lat."
            )
    try:
        to_lonlat = transformer(system, DEGREES)
    except ProjError as error:
        raise InputError(f"{system.name} cannot be brought to WGS84: {error}") from error
    lon = np.full(len(x), np.nan)
    lat = np.full(len(x), np.nan)
    lon[is_usable], lat[is_usable] = to_lonlat.transform(x[is_usable], y[is_usable])
    return LonLat(*_finite(lon, lat))


def transformer(source: CRS | str, target: CRS | str) -> Transformer:
    """What turns coordinates of one system into another's, always east or longitude first."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _finite(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Both coordinates, NaN where either is not a number (pyproj says infinite)."""
    is_known = np.isfinite(first) & np.isfinite(second)
    return np.where(is_known, first, np.nan), np.where(is_known, second, np.nan)
