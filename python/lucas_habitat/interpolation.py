"""Class proportions at sites between points."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyproj import CRS
from pyproj.exceptions import ProjError
from scipy.spatial import cKDTree

from ._base import words
from ._base.places import LonLat, geocentric, lonlat_of, point_positions
from ._base.tables import require_columns
from ._base.types import Floats
from .errors import InputError, some, warn

_ON_TOP = 1.0  # metres

_FAR = 1e6  # metres; no site of a sound call is this far from every point

_NEARLY_ALL = 0.99  # of the points tell how far apart points are; what is left may be misplaced

_NEIGHBOURS = (5, 50)  # the fewest and the most neighbours whose distance tells it

_MEASURED = 10_000  # points whose neighbours are measured, evenly chosen where there are more

_PAIRS = 2_000_000  # site-point pairs held in memory at once, about 50 bytes each

_DEGREES = (("lon", "lat"), ("longitude", "latitude"))

_METRES = (("x", "y"), ("easting", "northing"))

SUPPORT = {
    "n_points": "int64",
    "n_photos": "int64",
    "nearest_distance": "float64",
    "mean_distance": "float64",
    "max_distance": "float64",
    "first_year": "Int64",
    "last_year": "Int64",
}


def close_shares(values: Floats) -> Floats:
    """Shares divided by their sum."""
    closed: Floats = values / values.sum(axis=1, keepdims=True)
    return closed


class Reach(NamedTuple):
    """Where sites lie, and how far points reach."""

    crs: str  # of the sites' coordinates
    bounds: list[float] | None  # around the sites: west, east, south, north, in degrees
    limit: float  # metres from the nearest point beyond which sites have no value


class Shares(NamedTuple):
    """Class shares of rows, and the support of each row (columns as in `SUPPORT`)."""

    shares: Floats  # (rows, classes), NaN where nothing is known
    support: pd.DataFrame
    reach: Reach | None = None  # None where rows are the points themselves


def at_sites(
    table: pd.DataFrame,
    shares: Floats,
    sites: pd.DataFrame,
    crs: Any,
    id: str | None,
    k: int | None,
    radius: float | None,
    max_distance: float | None,
) -> Shares:
    """Mean shares at sites; points and sites without a place are told of and left out."""
    index = _site_index(sites, id)
    position, system = _site_positions(sites, crs)
    points = _placed(table, shares)
    is_placed = ~np.isnan(position.lon)
    here = LonLat(position.lon[is_placed], position.lat[is_placed])
    nearest = np.full(len(sites), np.inf)
    is_limited = radius is not None or max_distance is not None
    nearest[is_placed] = _nearest(points.tree, here, system, is_limited=is_limited)
    limit = _limit(points.tree, radius, max_distance, nearest[is_placed])
    values = np.full((len(sites), shares.shape[1]), np.nan)
    near = _interpolate(points, geocentric(*here), None if k is None else int(k), radius)
    values[is_placed] = near.shares
    support = near.support.set_axis(np.flatnonzero(is_placed)).reindex(range(len(sites)))
    support = support.fillna({"n_points": 0, "n_photos": 0}).set_axis(index)

    is_lost = is_placed & (nearest > limit)
    values[is_lost] = np.nan
    support.loc[is_lost, ["n_points", "n_photos"]] = 0
    support.loc[is_lost, ["mean_distance", "max_distance"]] = np.nan
    support.loc[is_lost, ["first_year", "last_year"]] = pd.NA
    support["nearest_distance"] = np.where(is_placed, nearest, np.nan)
    is_alone = is_placed & np.isnan(values[:, 0]) & ~is_lost
    gaps = _Gaps(nearest, ~is_placed, is_alone, is_lost)
    is_own = max_distance is None  # a limit of the points' own
    _warn_of_sites(index, system, radius, gaps, limit, is_own=is_own)
    return Shares(values, support, Reach(system.to_string(), _bounds(here), limit))


def _bounds(places: LonLat) -> list[float] | None:
    """West, east, south and north of places, if there are any; to a tenth of a degree outside them.

    Bounds go into files, where those of one site would tell where it is.
    """
    if not len(places.lon):
        return None
    return [
        float(side) / 10
        for degrees in places
        for side in (np.floor(10 * degrees.min()), np.ceil(10 * degrees.max()))
    ]


def spacing(places: Floats) -> float:
    """Metres within which nearly all points (n x 3, geocentric) have about √n other points.

    Infinite for points at one place. The neighbours are so many that a few plots side by side do
    not pass for how far apart points are. Few points count all others, so that of 6 points or fewer
    no site between them is farther from the nearest than this.
    """
    places = np.unique(np.round(places), axis=0)
    n = len(places)
    if n == 1:
        return np.inf
    neighbours = min(n - 1, int(np.clip(np.ceil(np.sqrt(n)), *_NEIGHBOURS)))
    measured = places[:: -(-n // _MEASURED)]
    distance = cKDTree(places).query(measured, k=[neighbours + 1])[
        0
    ]  # the first is the point itself
    return float(np.quantile(distance, _NEARLY_ALL, method="lower"))


def _limit(
    tree: cKDTree, radius: float | None, max_distance: float | None, nearest: Floats
) -> float:
    """Metres from the nearest point beyond which a site has no value."""
    if max_distance is not None:
        return max_distance
    if radius is not None:
        return np.inf  # the radius does it
    limit = spacing(np.asarray(tree.data))
    if np.isfinite(limit):
        return limit
    if (nearest > _ON_TOP).any():
        warn(
            "All points lie at one place, which tells nothing of how far from it their values hold; "
            f"sites up to {nearest.max() / 1000:,.1f} km away took them. "
            f"{words.option('max_distance')} sets a limit."
        )
    return _FAR


class _Placed(NamedTuple):
    """The points that have shares and a place."""

    tree: cKDTree  # of geocentric positions
    shares: Floats
    table: pd.DataFrame


def _placed(table: pd.DataFrame, shares: Floats) -> _Placed:
    """The points that can be searched, and a word on the others."""
    position = point_positions(table)
    names = table["point_id"].to_numpy()
    is_empty = np.isnan(shares[:, 0])
    is_nowhere = np.isnan(position.lon) & ~is_empty
    usable = ~(is_empty | is_nowhere)
    if not usable.any():
        raise InputError(
            "No point has both probabilities and coordinates (columns x and y in EPSG:3035 "
            "metres, lon and lat in WGS84 degrees, or an 8-digit LUCAS point_id)."
        )
    for is_out, what in ((is_empty, "photo"), (is_nowhere, "coordinates")):
        if is_out.any():
            warn(
                f"{is_out.sum()} of {len(table)} points have no usable {what} and are left out: "
                f"{some(names[is_out])}."
            )
    tree = cKDTree(geocentric(position.lon[usable], position.lat[usable]))
    return _Placed(tree, shares[usable], table[usable])


class _Gaps(NamedTuple):
    """How far sites are from the nearest point, and which have no value, by reason."""

    nearest: Floats  # metres
    is_nowhere: npt.NDArray[np.bool_]
    is_alone: npt.NDArray[np.bool_]  # no point within the radius
    is_lost: npt.NDArray[np.bool_]  # every point beyond the limit


def _warn_of_sites(
    index: pd.Index, system: CRS, radius: float | None, gaps: _Gaps, limit: float, *, is_own: bool
) -> None:
    """Name the sites whose rows are NaN, by reason."""
    reasons = []
    if gaps.is_nowhere.any():
        reasons.append(
            f"{gaps.is_nowhere.sum()} have coordinates that are missing, infinite or outside "
            f"{system.name} ({some(index[gaps.is_nowhere])})"
        )
    if gaps.is_alone.any():
        reasons.append(
            f"{gaps.is_alone.sum()} have no point within {radius:g} m ({some(index[gaps.is_alone])}), the "
            f"nearest being {gaps.nearest[gaps.is_alone].min() / 1000:,.1f} km away"
        )
    if gaps.is_lost.any():
        far = gaps.nearest[gaps.is_lost] / 1000
        reasons.append(
            f"{gaps.is_lost.sum()} are more than {limit / 1000:,.1f} km from every point "
            f"({some(index[gaps.is_lost])}): typically {np.median(far):,.1f} km, at most {far.max():,.1f} km"
        )
    if not reasons:
        return
    text = (
        f"Of {len(index)} sites these rows are {words.either('NaN', 'NA')}: {'; '.join(reasons)}."
    )
    if gaps.is_lost.any() and is_own:
        text += (
            " The points' own spacing says how far their values hold; "
            f"{words.option('max_distance')} sets another limit in metres."
        )
    is_far = gaps.is_lost | gaps.is_alone
    if is_far.any() and (is_far | gaps.is_nowhere).all():
        text += (
            f" All sites are far from every point: is crs ({system.name}) that of their "
            "coordinates, are columns swapped, is a zone wrong?"
        )
    elif (gaps.nearest[is_far] > _FAR).any():
        text += f" Those more than {_FAR / 1000:,.0f} km away may have their coordinates swapped."
    warn(text)


def _site_index(sites: pd.DataFrame, id: str | None) -> pd.Index:
    """The sites' ids, each once."""
    if id is not None:
        require_columns(sites, [id], words.arg("sites"), "id names the column with the sites' ids.")
    index = sites.index if id is None else pd.Index(sites[id], name=id)
    where = words.either("The index", "The row names") if id is None else f"The column {id}"
    if isinstance(index, pd.MultiIndex):
        raise InputError(
            f"{where} of sites has several levels. Give {words.arg('id')}, the column of the sites' ids."
        )
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


def _site_positions(sites: pd.DataFrame, crs: Any) -> tuple[LonLat, CRS]:
    """Where sites lie, and the system their coordinates are in."""
    if crs is None:
        raise InputError(
            f"{words.arg('crs')} is needed with {words.arg('sites')}: the coordinate reference "
            "system of their coordinates, such as 'EPSG:4326' (longitude, latitude), "
            "'EPSG:3035' or 'EPSG:25832'."
        )
    if isinstance(crs, float) and crs.is_integer():  # R's 3035 arrives as 3035.0
        crs = int(crs)
    try:
        system = CRS.from_user_input(crs)
    except (ProjError, TypeError, ValueError) as error:
        raise InputError(f"{words.arg('crs', crs)} is not understood: {error}") from error
    if not (system.is_geographic or system.is_projected):
        raise InputError(
            f"{words.arg('crs', crs)} must be geographic or projected; {system.name} is neither."
        )
    names = _coordinate_columns(sites, system)
    x, y = (_numbers(sites[name], name) for name in names)
    return lonlat_of(x, y, system, names, "sites"), system


def _coordinate_columns(sites: pd.DataFrame, crs: CRS) -> tuple[str, str]:
    """The one pair of columns that can hold coordinates of such a system."""
    columns: dict[str, list[str]] = {}
    for column in sites.columns:
        columns.setdefault(str(column).lower(), []).append(column)

    def find(names: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [(a, b) for x, y in names for a in columns.get(x, []) for b in columns.get(y, [])]

    pairs = (find(_DEGREES) or find(_METRES[:1])) if crs.is_geographic else find(_METRES)
    if len(pairs) == 1:
        return pairs[0]
    wanted = "lon and lat" if crs.is_geographic else "x and y"
    number = "several" if pairs else "none"
    raise InputError(
        f"sites needs one pair of coordinate columns, {wanted} for {crs.name}; found {number} "
        f"among {', '.join(map(str, sites.columns)) or 'no columns'}."
    )


def _numbers(column: pd.Series[Any], name: str) -> Floats:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        raise InputError(
            f"The column {name} of sites must hold numbers; {bad.sum()} rows do not, such as "
            f"{words.value(column[bad].iloc[0])}."
        )
    return numbers.to_numpy(dtype="float64", na_value=np.nan)


def _nearest(tree: cKDTree, sites: LonLat, crs: CRS, *, is_limited: bool) -> Floats:
    """Metres to the nearest point; refuse sites that all lie where only a wrong crs puts them.

    Without this, the k nearest points would be found from another continent all the same.
    """
    if not len(sites.lon):
        return np.empty(0)
    distance: Floats = tree.query(geocentric(*sites))[0]
    if distance.min() <= _FAR:
        return distance
    if crs.is_geographic and (np.abs(sites.lon) <= 90).all():
        exchanged = tree.query(geocentric(sites.lat, sites.lon))[0]
        if np.median(exchanged) <= _FAR:
            raise InputError(
                f"Longitude and latitude of sites look swapped: as given, the nearest point is "
                f"{distance.min() / 1000:,.0f} km away. Exchange the names of their columns."
            )
    if not is_limited:
        raise InputError(
            f"Every site is {distance.min() / 1000:,.0f} km or more from the nearest point, so crs "
            f"({crs.name}) does not seem to be that of the sites' coordinates. If it is, give "
            f"{words.arg('radius')} or {words.arg('max_distance')}."
        )
    return distance


def _interpolate(points: _Placed, sites: Floats, k: int | None, radius: float | None) -> Shares:
    """Mean shares at sites (n x 3, geocentric), and the support of each."""
    shares, tree = points.shares, points.tree
    photos = points.table["n_photos"].to_numpy(dtype="float64", na_value=0)
    years = points.table["year"].to_numpy(dtype="float64", na_value=np.nan)
    n = len(sites)
    total = np.zeros((n, shares.shape[1]))
    behind = {c: np.full(n, np.nan if c.endswith("year") else 0.0) for c in SUPPORT}
    for start, stop in _chunks(tree, sites, k, radius):
        pairs = _neighbours(tree, sites[start:stop], k, radius)
        is_on_top = pairs.distance < _ON_TOP
        has_on_top = np.zeros(stop - start, dtype=bool)
        has_on_top[pairs.site[is_on_top]] = True
        is_used = is_on_top | ~has_on_top[pairs.site]
        site, point = pairs.site[is_used] + start, pairs.point[is_used]
        distance = pairs.distance[is_used]

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
    return Shares(close_shares(total), pd.DataFrame(behind))


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


class _Pairs(NamedTuple):
    """Pairs of a site and a point near it, by their rows."""

    site: npt.NDArray[np.intp]
    point: npt.NDArray[np.intp]
    distance: Floats  # metres


def _neighbours(tree: cKDTree, sites: Floats, k: int | None, radius: float | None) -> _Pairs:
    """Pair sites with the points around them."""
    if k is None:
        near = cKDTree(sites).sparse_distance_matrix(tree, radius, output_type="ndarray")
        return _Pairs(near["i"], near["j"], near["v"])
    # The bound itself is out for query(), and in for whoever says "within".
    bound = np.inf if radius is None else np.nextafter(radius, np.inf)
    distance, point = tree.query(sites, k=range(1, min(k, tree.n) + 1), distance_upper_bound=bound)
    is_near = np.isfinite(distance)
    # All points on top count, also where they are more than k.
    on_top = np.flatnonzero(distance[:, 0] < _ON_TOP)
    is_near[on_top] = False
    site, rank = np.nonzero(is_near)
    top = _neighbours(tree, sites[on_top], None, _ON_TOP)
    return _Pairs(
        np.concatenate([site, on_top[top.site]]),
        np.concatenate([point[site, rank], top.point]),
        np.concatenate([distance[site, rank], top.distance]),
    )


def index_labels(index: pd.Index) -> list[str]:
    """The labels of an index as text."""
    return [str(label) for label in index]
