"""Class proportions at sites between points."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyproj import CRS
from pyproj.exceptions import ProjError
from scipy.spatial import cKDTree

from ._base.places import geocentric, lonlat_of, point_positions
from ._base.tables import require_columns
from ._base.types import Floats
from .errors import InputError, some

_ON_TOP = 1.0  # metres

_FAR = 1e6  # metres; no site of a sound call is this far from every point

_PAIRS = 2_000_000  # site-point pairs held in memory at once, about 50 bytes each

_DEGREES = (("lon", "lat"), ("longitude", "latitude"))

_METRES = (("x", "y"), ("easting", "northing"))

SUPPORT = {
    "n_points": "int64",
    "n_photos": "int64",
    "mean_distance": "float64",
    "max_distance": "float64",
    "first_year": "Int64",
    "last_year": "Int64",
}


def close_shares(values: Floats) -> Floats:
    """Shares divided by their sum."""
    closed: Floats = values / values.sum(axis=1, keepdims=True)
    return closed


def at_sites(
    table: pd.DataFrame,
    shares: Floats,
    sites: pd.DataFrame,
    crs: Any,
    id: str | None,
    k: int | None,
    radius: float | None,
) -> tuple[Floats, pd.DataFrame, list[str]]:
    """Mean shares at sites, the support of each, and what to warn of."""
    index = _site_index(sites, id)
    lon, lat, system = _site_positions(sites, crs)
    point_lon, point_lat = point_positions(table)

    names = table["point_id"].to_numpy()
    empty = np.isnan(shares[:, 0])
    nowhere = np.isnan(point_lon) & ~empty
    notes = [
        f"{lost.sum()} of {len(table)} points have no usable {what} and are left out: "
        f"{some(names[lost])}."
        for lost, what in ((empty, "photo"), (nowhere, "coordinates"))
        if lost.any()
    ]
    use = ~(empty | nowhere)
    if not use.any():
        raise InputError(
            "No point has both probabilities and coordinates (columns x and y in EPSG:3035 "
            "metres, lon and lat in WGS84 degrees, or an 8-digit LUCAS point_id)."
        )

    tree = cKDTree(geocentric(point_lon[use], point_lat[use]))
    here = ~np.isnan(lon)
    nearest = np.full(len(sites), np.inf)
    nearest[here] = _nearest(tree, lon[here], lat[here], system, radius)
    values = np.full((len(sites), shares.shape[1]), np.nan)
    values[here], found = _interpolate(
        tree,
        shares[use],
        table[use],
        geocentric(lon[here], lat[here]),
        None if k is None else int(k),
        radius,
    )
    behind = found.set_axis(np.flatnonzero(here)).reindex(range(len(sites)))
    behind = behind.fillna({"n_points": 0, "n_photos": 0}).set_axis(index)

    lost = here & (nearest > _FAR) & (radius is None)
    values[lost] = np.nan
    behind.loc[index[lost], ["n_points", "n_photos"]] = 0
    behind.loc[index[lost], ["mean_distance", "max_distance"]] = np.nan
    behind.loc[index[lost], ["first_year", "last_year"]] = pd.NA
    alone = here & np.isnan(values[:, 0]) & ~lost
    troubles = []
    if not here.all():
        troubles.append(
            f"{(~here).sum()} have coordinates that are missing, infinite or outside "
            f"{system.name} ({some(index[~here])})"
        )
    if alone.any():
        troubles.append(
            f"{alone.sum()} have no point within {radius:g} m ({some(index[alone])}), the nearest "
            f"being {nearest[alone].min() / 1000:,.1f} km away"
        )
    if lost.any():
        troubles.append(
            f"{lost.sum()} are more than {_FAR / 1000:,.0f} km from every point "
            f"({some(index[lost])}): are their coordinates swapped, or of another crs?"
        )
    if troubles:
        notes.append(f"Rows of {len(sites)} sites that are NaN: {'; '.join(troubles)}.")
    return values, behind, notes


def _site_index(sites: pd.DataFrame, id: str | None) -> pd.Index:
    if id is not None:
        require_columns(sites, [id], "sites", "id names the column with the sites' ids.")
    index = sites.index if id is None else pd.Index(sites[id], name=id)
    where = "The index" if id is None else f"The column {id}"
    missing = np.asarray(index.isna()).sum()
    if missing:
        raise InputError(f"{where} of sites has {missing} missing ids.")
    labels = pd.Index(index_labels(index))
    twice = labels[labels.duplicated()].unique()
    if len(twice):
        raise InputError(
            f"{where} of sites has ids that occur more than once: {some(twice)}. Give each site "
            f"one row and an id of its own."
        )
    return index


def _site_positions(sites: pd.DataFrame, crs: Any) -> tuple[Floats, Floats, CRS]:
    if crs is None:
        raise InputError(
            "crs is needed with sites: the coordinate reference system of their coordinates, "
            "such as 'EPSG:4326' (longitude, latitude), 'EPSG:3035' or 'EPSG:25832'."
        )
    if isinstance(crs, float) and crs.is_integer():  # R's 3035 arrives as 3035.0
        crs = int(crs)
    try:
        system = CRS.from_user_input(crs)
    except ProjError as error:
        raise InputError(f"crs={crs!r} is not understood: {error}") from error
    if not (system.is_geographic or system.is_projected):
        raise InputError(f"crs={crs!r} must be geographic or projected; {system.name} is neither.")
    names = _coordinate_columns(sites, system)
    x, y = (_numbers(sites[name], name) for name in names)
    lon, lat = lonlat_of(x, y, system, names, "sites")
    return lon, lat, system


def _coordinate_columns(sites: pd.DataFrame, crs: CRS) -> tuple[str, str]:
    columns: dict[str, list[str]] = {}
    for column in sites.columns:
        columns.setdefault(str(column).lower(), []).append(column)

    def find(names: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [(a, b) for x, y in names for a in columns.get(x, []) for b in columns.get(y, [])]

    pairs = (find(_DEGREES) or find(_METRES[:1])) if crs.is_geographic else find(_METRES)
    if len(pairs) == 1:
        return pairs[0]
    wanted = "lon and lat" if crs.is_geographic else "x and y"
    found = "several" if pairs else "none"
    raise InputError(
        f"sites needs one pair of coordinate columns, {wanted} for {crs.name}; found {found} "
        f"among {', '.join(map(str, sites.columns)) or 'no columns'}."
    )


def _numbers(column: pd.Series[Any], name: str) -> Floats:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        raise InputError(
            f"The column {name} of sites must hold numbers; {bad.sum()} rows do not, such as "
            f"{column[bad].iloc[0]!r}."
        )
    return numbers.to_numpy(dtype="float64", na_value=np.nan)


def _nearest(tree: cKDTree, lon: Floats, lat: Floats, crs: CRS, radius: float | None) -> Floats:
    """Metres to the nearest point; refuse sites that all lie where only a wrong crs puts them.

    Without this, the k nearest points would be found from another continent all the same.
    """
    distance: Floats
    distance, _ = tree.query(geocentric(lon, lat)) if len(lon) else (np.empty(0), None)
    if not len(lon) or distance.min() <= _FAR:
        return distance
    if crs.is_geographic and (np.abs(lon) <= 90).all():
        exchanged, _ = tree.query(geocentric(lat, lon))
        if np.median(exchanged) <= _FAR:
            raise InputError(
                f"Longitude and latitude of sites look swapped: as given, the nearest point is "
                f"{distance.min() / 1000:,.0f} km away. Exchange the names of their columns."
            )
    if radius is None:
        raise InputError(
            f"Every site is {distance.min() / 1000:,.0f} km or more from the nearest point, so crs "
            f"({crs.name}) does not seem to be that of the sites' coordinates. If it is, give a "
            f"radius."
        )
    return distance


def _interpolate(
    tree: cKDTree,
    shares: Floats,
    table: pd.DataFrame,
    sites: Floats,
    k: int | None,
    radius: float | None,
) -> tuple[Floats, pd.DataFrame]:
    """Mean shares at sites (n x 3, geocentric), and the support of each."""
    photos = table["n_photos"].to_numpy(dtype="float64", na_value=0)
    years = table["year"].to_numpy(dtype="float64", na_value=np.nan)
    n = len(sites)
    total = np.zeros((n, shares.shape[1]))
    behind = {c: np.full(n, np.nan if c.endswith("year") else 0.0) for c in SUPPORT}
    for start, stop in _chunks(tree, sites, k, radius):
        site, point, distance = _neighbours(tree, sites[start:stop], k, radius)
        on_top = np.zeros(stop - start, dtype=bool)
        on_top[site[distance < _ON_TOP]] = True
        used = (distance < _ON_TOP) | ~on_top[site]
        site, point, distance = site[used] + start, point[used], distance[used]

        weight = 1 / np.maximum(distance, _ON_TOP) ** 2  # alike for all points on top
        for j in range(shares.shape[1]):
            np.add.at(total[:, j], site, weight * shares[point, j])
        np.add.at(behind["n_points"], site, 1)
        np.add.at(behind["n_photos"], site, photos[point])
        np.add.at(behind["mean_distance"], site, distance)
        np.maximum.at(behind["max_distance"], site, distance)
        np.fmin.at(behind["first_year"], site, years[point])
        np.fmax.at(behind["last_year"], site, years[point])

    nothing = behind["n_points"] == 0
    total[nothing] = np.nan
    behind["mean_distance"] /= np.where(nothing, np.nan, behind["n_points"])
    behind["max_distance"][nothing] = np.nan
    # A mean's weights sum to one, so closing is all the dividing it takes.
    return close_shares(total), pd.DataFrame(behind)


def _chunks(
    tree: cKDTree, sites: Floats, k: int | None, radius: float | None
) -> Iterator[tuple[int, int]]:
    """Cut the sites where their pairs with points would outgrow memory."""
    if k is None:
        pairs = tree.query_ball_point(sites, radius, return_length=True)
    else:
        pairs = np.full(len(sites), min(k, tree.n))
    cuts = np.flatnonzero(np.diff(np.cumsum(pairs) // _PAIRS)) + 1
    bounds = [0, *cuts.tolist(), len(sites)]
    yield from pairwise(bounds)


def _neighbours(
    tree: cKDTree, sites: Floats, k: int | None, radius: float | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Pair sites with points: the site's row, the point's row and the distance of each pair."""
    if k is None:
        found = cKDTree(sites).sparse_distance_matrix(tree, radius, output_type="ndarray")
        return found["i"], found["j"], found["v"]
    # The bound itself is out for query(), and in for whoever says "within".
    bound = np.inf if radius is None else np.nextafter(radius, np.inf)
    distance, point = tree.query(sites, k=range(1, min(k, tree.n) + 1), distance_upper_bound=bound)
    near = np.isfinite(distance)
    # All points on top count, also where they are more than k.
    on_top = np.flatnonzero(distance[:, 0] < _ON_TOP)
    near[on_top] = False
    site, rank = np.nonzero(near)
    top_site, top_point, top_distance = _neighbours(tree, sites[on_top], None, _ON_TOP)
    return (
        np.concatenate([site, on_top[top_site]]),
        np.concatenate([point[site, rank], top_point]),
        np.concatenate([distance[site, rank], top_distance]),
    )


def index_labels(index: pd.Index) -> list[str]:
    """The labels of an index as text."""
    return [str(label) for label in index]
