"""Map classes read from a raster at points."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyproj import CRS, Proj
from pyproj.exceptions import ProjError

from .._base import words
from .._base.places import DEGREES, point_positions, transformer
from .._base.types import Table
from ..errors import DependencyError, InputError, inform, warn
from .arguments import map_points

__all__ = ["map_positions"]

_PIXELS = 4_000_000  # read at once

_UNEQUAL = 1.02  # a factor that areas of pixels in UTM stay below


def map_positions(points: Table, crs: Any, bounds: Sequence[float] | None) -> pd.DataFrame:
    """Where points are in a map's coordinates: ``x`` and ``y``, NaN where that is not known.

    With bounds (left, bottom, right, top) a warning tells if pixels within differ in area.
    """
    try:
        system = CRS.from_user_input(crs)
        to_map = transformer(DEGREES, system)
    except ProjError as error:
        raise InputError(
            f"The map's coordinate reference system cannot be used: {error}"
        ) from error
    if bounds is not None and system.is_projected:
        _check_areas(system, bounds)
    lon, lat = point_positions(map_points(points))
    is_known = np.isfinite(lon)
    place = np.full((len(lon), 2), np.nan)
    # LUCAS points lie exactly where pixels of a kilometre meet; PROJ's rounding, of up to 1 mm, would
    # put them into one pixel or the other.
    place[is_known] = np.round(
        np.column_stack(to_map.transform(lon[is_known], lat[is_known])),
        11 if system.is_geographic else 2,
    )
    place[~np.isfinite(place).all(axis=1)] = np.nan
    return pd.DataFrame(place, columns=["x", "y"])


# ---- the map -----------------------------------------------------------------------------------
def read_map(
    raster: str | os.PathLike[str], table: pd.DataFrame, count: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The map's values at points, and their areas if they are to be counted."""
    try:
        import rasterio
    except ImportError as error:
        raise DependencyError(
            f"{words.call('validate_map')} reads maps with rasterio, which is not installed "
            '(extra geo): pip install "rasterio>=1.3".'
        ) from error
    if not Path(raster).is_file():
        raise InputError(f"There is no map {raster}.")
    try:
        with rasterio.open(raster) as source:
            if source.crs is None:
                raise InputError(
                    f"The map {raster} has no coordinate reference system. Give it the right one, "
                    "for instance by gdal_edit.py -a_srs EPSG:3035."
                )
            if source.count > 1:
                inform(f"The map has {source.count} bands; the first is taken.")
            bounds = source.bounds if count else None
            positions = map_positions(table, source.crs.to_wkt(), bounds)
            return _read_pixels(source, positions, count)
    except rasterio.errors.RasterioError as error:
        raise InputError(f"Cannot read the map {raster}: {error}") from error


def _read_pixels(
    source: Any, positions: pd.DataFrame, count: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The map's values at positions, and the area of each value if they are to be counted."""
    to_pixel = ~source.transform
    x, y = positions["x"].to_numpy(), positions["y"].to_numpy()
    column = to_pixel.a * x + to_pixel.b * y + to_pixel.c
    row = to_pixel.d * x + to_pixel.e * y + to_pixel.f
    is_inside = (column >= 0) & (column <= source.width) & (row >= 0) & (row <= source.height)
    # Points on the outer border belong to the last pixels.
    column = np.minimum(np.floor(np.where(is_inside, column, 0)), source.width - 1).astype(int)
    row = np.minimum(np.floor(np.where(is_inside, row, 0)), source.height - 1).astype(int)
    values = np.full(len(positions), np.nan)
    areas: pd.Series[float] = pd.Series(dtype="float64")
    for window in _windows(source):
        (top, bottom), (left, right) = window.toranges()
        is_here = is_inside & (row >= top) & (row < bottom) & (column >= left) & (column < right)
        if not (count or is_here.any()):
            continue
        pixels = source.read(1, window=window, masked=True)
        values[is_here] = (
            pixels[row[is_here] - top, column[is_here] - left].astype("float64").filled(np.nan)
        )
        if count:
            weight = np.ones(bottom - top)
            if source.crs.is_geographic:
                middle = source.transform.f + source.transform.e * (np.arange(top, bottom) + 0.5)
                weight = np.cos(np.radians(middle))
            is_valid = ~np.ma.getmaskarray(pixels)
            codes, labels = pd.factorize(pixels.data[is_valid])
            weight = np.broadcast_to(weight[:, None], is_valid.shape)[is_valid]
            sums = np.bincount(codes[codes >= 0], weight[codes >= 0], minlength=len(labels))
            areas = areas.add(pd.Series(sums, index=labels.astype("float64")), fill_value=0)
    at_points = {"located": np.isfinite(x), "inside": is_inside, "value": values}
    return pd.DataFrame(at_points), pd.DataFrame({"value": areas.index, "area": areas.to_numpy()})


def _windows(source: Any) -> Iterator[Any]:
    """Cut a map into windows of whole blocks, some millions of pixels each."""
    from rasterio.windows import Window

    high, wide = source.block_shapes[0]
    wide = min(source.width, wide * max(1, 2048 // wide))
    high = min(source.height, high * max(1, _PIXELS // (wide * high)))
    for top in range(0, source.height, high):
        for left in range(0, source.width, wide):
            yield Window(left, top, min(wide, source.width - left), min(high, source.height - top))


def _check_areas(system: CRS, bounds: Sequence[float]) -> None:
    """Warn if the map's system distorts areas within the bounds."""
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, 5), np.linspace(bottom, top, 5))
    to_degrees = transformer(system, system.geodetic_crs or DEGREES)
    lon, lat = to_degrees.transform(x.ravel(), y.ravel())
    is_known = np.isfinite(lon) & np.isfinite(lat)
    scale = np.asarray(Proj(system).get_factors(lon[is_known], lat[is_known]).areal_scale)
    scale = scale[np.isfinite(scale)]
    if len(scale) and scale.max() > _UNEQUAL * scale.min():
        warn(
            f"Pixels of the map differ in area by a factor of up to {scale.max() / scale.min():.2g} "
            f"({system.name}), so counting them misjudges areas. Bring the map to an equal-area "
            "system such as EPSG:3035, or give areas."
        )
