"""Places told less exactly than they are known: cells of a grid, and ids that tell nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.checks import check_ending, check_number
from .._base.files import check_out_file
from .._base.places import EUROPE, LonLat, is_lucas_id, to_degrees, to_metres
from .._base.tables import TABLE_ENDINGS, read_table, require_columns, write_table
from .._base.types import Floats
from ..errors import InputError, warn

__all__ = ["Cells", "cells_of", "check_blurring", "new_ids", "warn_of_small_cells"]

#: Decimals of a centre's degrees: a metre, which the radius takes in.
DECIMALS = 5
#: Points of a cell's side from which its centre is measured; sides are not straight on the ground.
_PER_SIDE = 16
#: Metres between points of the survey.
_LUCAS_STEP = 2000


class Cells(NamedTuple):
    """Cells of the grid in which points lie; NaN and empty text where a position is unknown."""

    centre: LonLat
    radius: Floats  # metres from the centre to the farthest place of the cell, rounded up
    name: npt.NDArray[np.object_]  # as the European reference grid names its cells


def check_blurring(grid: float | None, key: str | os.PathLike[str] | None) -> None:
    """Refuse what is no side of a cell, and a key that cannot be written or where nothing is replaced."""
    if key is not None and grid is None:
        raise InputError(
            f"{words.arg('key')} is for ids that are replaced, which they are with {words.option('grid')} "
            "only."
        )
    if grid is not None:
        check_number("grid", grid, 100, 1_000_000)
    if key is not None:
        check_ending("key", key, TABLE_ENDINGS)
        check_out_file(key)


def cells_of(places: LonLat, grid: float) -> Cells:
    """The cells of the European reference grid (EPSG:3035) with sides of so many metres.

    Raises
    ------
    InputError
        If a point lies where the grid does not reach.
    """
    n = len(places.lon)
    lon, lat, radius = (np.full(n, np.nan) for _ in range(3))
    name = np.full(n, "", dtype=object)
    is_known = np.isfinite(places.lon) & np.isfinite(places.lat)
    metres = to_metres(places.lon[is_known], places.lat[is_known])
    # Rounded, so that points of whole kilometres do not fall to either side by chance.
    corners = np.floor(np.column_stack([metres.x, metres.y]).round(2) / grid)
    if not np.isfinite(corners).all():
        raise InputError(f"Some points lie beyond the grid of {EUROPE}, and cannot be blurred.")
    cells, number = np.unique(corners, axis=0, return_inverse=True)
    number = number.reshape(-1)
    centres = to_degrees(*((cells + 0.5) * grid).T)
    told = LonLat(centres.lon.round(DECIMALS), centres.lat.round(DECIMALS))
    lon[is_known], lat[is_known] = told.lon[number], told.lat[number]
    radius[is_known] = _radii(cells * grid, grid, told)[number]
    side = f"{grid / 1000:g}km" if grid >= 1000 else f"{grid:g}m"
    names = [f"{side}E{int(east)}N{int(north)}" for east, north in cells]
    name[is_known] = np.array(names, dtype=object)[number]
    return Cells(LonLat(lon, lat), radius, name)


def _radii(corners: Floats, grid: float, centres: LonLat) -> Floats:
    """Metres over the ellipsoid from the centre of each cell to the farthest place of its outline."""
    from pyproj import Geod

    along = np.linspace(0, grid, _PER_SIDE + 1)
    zero, full = np.zeros_like(along), np.full_like(along, grid)
    x = corners[:, :1] + np.concatenate([along, along, zero, full])
    y = corners[:, 1:] + np.concatenate([zero, full, along, along])
    outline = to_degrees(x.ravel(), y.ravel())
    if not np.isfinite(outline.lon).all():
        raise InputError(
            f"Some points lie at the edge of the grid of {EUROPE}, and cannot be blurred."
        )
    times = x.shape[1]
    _, _, distance = Geod(ellps="WGS84").inv(
        np.repeat(centres.lon, times), np.repeat(centres.lat, times), outline.lon, outline.lat
    )
    radius: Floats = np.ceil(np.asarray(distance).reshape(-1, times).max(axis=1))
    return radius


def warn_of_small_cells(ids: pd.Series, grid: float) -> None:
    """Warn where the survey has so few points in a cell that the cell tells the point."""
    if grid < 2 * _LUCAS_STEP and len(ids) and is_lucas_id(ids).any():
        candidates = max(1, int((grid / _LUCAS_STEP) ** 2))
        many = "one point" if candidates == 1 else f"{candidates} points"
        warn(
            f"Places of the survey's points are public, {_LUCAS_STEP:,} m apart: a cell of {grid:g} m "
            f"holds about {many}, so it hides little. {words.arg('grid', 10000)} holds 25."
        )


def new_ids(ids: Iterable[str], key: str | os.PathLike[str] | None) -> dict[str, str]:
    """An id drawn at random for each point, kept in the file ``key`` if there is one.

    Ids that the file has already are used again, so that points keep theirs from one archive to the next.

    Raises
    ------
    InputError
        If the file holds something else, or two points of one id.
    """
    known = _read_key(key) if key is not None and Path(key).exists() else {}
    drawn = set(known.values())
    given = dict(known)
    for id in ids:
        if id not in given:
            while (new := f"p{secrets.token_hex(8)}") in drawn:
                pass
            drawn.add(new)
            given[id] = new
    if key is not None and given != known:
        table = pd.DataFrame({"point_id": list(given), "id": list(given.values())}, dtype="str")
        write_table(table, key)
    return given


def _read_key(key: str | os.PathLike[str]) -> dict[str, str]:
    """The ids that a key file holds, by point."""
    table = read_table(key)
    require_columns(
        table, ["point_id", "id"], f"The key {key}", "Name a new file to have one made."
    )
    if table[["point_id", "id"]].isna().any(axis=None):
        raise InputError(f"The key {key} has rows without a point_id or an id.")
    for column in ("point_id", "id"):
        if table[column].duplicated().any():
            raise InputError(f"The key {key} has the same {column} twice.")
    return dict(zip(table["point_id"].astype(str), table["id"].astype(str), strict=True))
