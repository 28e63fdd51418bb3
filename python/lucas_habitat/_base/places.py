"""Where points lie: from ids, grid and degrees to one position each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from ..errors import InputError
from .types import Floats

_WGS84 = CRS.from_epsg(4326)

_LAEA = CRS.from_epsg(3035)


def point_positions(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """Longitude and latitude from the best source each point has; NaN where it has none."""
    lon = np.full(len(table), np.nan)
    lat = np.full(len(table), np.nan)

    def fill(x: Floats, y: Floats, crs: CRS, names: tuple[str, str]) -> None:
        todo = np.isnan(lon)
        lon[todo], lat[todo] = lonlat_of(x[todo], y[todo], crs, names, "points")

    for names, crs in ((("x", "y"), _LAEA), (("lon", "lat"), _WGS84)):
        if set(names) <= set(table.columns):
            x, y = (table[name].to_numpy(dtype="float64") for name in names)
            fill(x, y, crs, names)

    # An id's first four digits are the easting, the last four the northing, in km. A plot that
    # just happens to have 8 digits is told by lying outside the area EPSG:3035 is made for.
    lucas = table["point_id"].str.fullmatch(r"\d{8}").to_numpy(dtype=bool) & np.isnan(lon)
    if lucas.any():
        digits = table["point_id"][lucas].astype("int64").to_numpy()
        to_lonlat = Transformer.from_crs(_LAEA, _WGS84, always_xy=True)
        x, y = to_lonlat.transform(digits // 10_000 * 1000.0, digits % 10_000 * 1000.0)
        area = _LAEA.area_of_use
        assert area is not None
        inside = (x >= area.west) & (x <= area.east) & (y >= area.south) & (y <= area.north)
        lon[lucas] = np.where(inside, x, np.nan)
        lat[lucas] = np.where(inside, y, np.nan)
    return lon, lat


def lonlat_of(
    x: Floats, y: Floats, crs: CRS, names: tuple[str, str], what: str
) -> tuple[Floats, Floats]:
    """Bring coordinates to WGS84 degrees, NaN where they are unusable.

    Heights play no part: going through two dimensions puts everything on one ellipsoid.
    """
    usable = np.isfinite(x) & np.isfinite(y)
    columns = f"The columns {names[0]} and {names[1]} of {what}"
    if crs.is_geographic:
        swapped = usable & (np.abs(y) > 90) & (np.abs(y) <= 360) & (np.abs(x) <= 90)
        if swapped.any():
            raise InputError(
                f"{columns} look swapped: {names[1]} is {y[swapped][0]:g} where a latitude is "
                f"between -90 and 90. Exchange their names."
            )
        outside = (np.abs(x) > 360) | (np.abs(y) > 90)
        if usable.any() and outside[usable].all():
            raise InputError(
                f"{columns} hold no degrees (such as {x[usable][0]:g}, {y[usable][0]:g}), but "
                f"{crs.name} is geographic. Give the projected crs they are in."
            )
        usable &= ~outside
    elif usable.any() and crs.axis_info[0].unit_name == "metre":
        degrees = (np.abs(x[usable]) <= 180) & (np.abs(y[usable]) <= 90)
        if degrees.all():
            raise InputError(
                f"{columns} look like degrees (such as {x[usable][0]:g}, {y[usable][0]:g}), but "
                f"{crs.name} is in metres. Longitudes and latitudes need crs='EPSG:4326' and, in "
                f"points, the columns lon and lat."
            )
    try:
        to_lonlat = Transformer.from_crs(crs, _WGS84, always_xy=True)
    except ProjError as error:
        raise InputError(f"{crs.name} cannot be brought to WGS84: {error}") from error
    lon = np.full(len(x), np.nan)
    lat = np.full(len(x), np.nan)
    lon[usable], lat[usable] = to_lonlat.transform(x[usable], y[usable])
    lost = ~(np.isfinite(lon) & np.isfinite(lat))
    lon[lost] = lat[lost] = np.nan
    return lon, lat


def geocentric(lon: Floats, lat: Floats) -> Floats:
    """Metres from the Earth's centre, n x 3, of positions on the ellipsoid."""
    to_xyz = Transformer.from_crs(CRS.from_epsg(4979), CRS.from_epsg(4978), always_xy=True)
    return np.column_stack(to_xyz.transform(lon, lat, np.zeros(len(lon))))
