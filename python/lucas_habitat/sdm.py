"""Class proportions as covariates for species distribution models."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from scipy.linalg import helmert
from scipy.spatial import cKDTree

from ._tables import (
    classes_of,
    probability_columns,
    read_table,
    require_columns,
    tidy_types,
)
from .errors import InputError, check_choice, check_number, inform, some, warn

__all__ = ["covariates", "support"]

_Floats = npt.NDArray[np.float64]

_DELTA = 1e-6  # what a smaller share becomes before its logarithm is taken
_ROUNDED = 1e-6  # float32 misses a sum of 1 by about 1e-7, six decimals by about 1e-6
_WRONG = 0.01  # three decimals miss it by 2e-3 at most; beyond this it is no share
_ON_TOP = 1.0  # metres
_FAR = 1e6  # metres; no site of a sound call is this far from every point
_PAIRS = 2_000_000  # site-point pairs held in memory at once, about 50 bytes each

_WGS84 = CRS.from_epsg(4326)
_LAEA = CRS.from_epsg(3035)
_DEGREES = (("lon", "lat"), ("longitude", "latitude"))
_METRES = (("x", "y"), ("easting", "northing"))

_KEY = "lucas_support"
_SUPPORT = {
    "n_points": "int64",
    "n_photos": "int64",
    "mean_distance": "float64",
    "max_distance": "float64",
    "first_year": "Int64",
    "last_year": "Int64",
}
_HINT = "Give the table that vote() returns."


class _Shared(dict[str, list[Any]]):
    """A dict that copies of a frame share: pandas deep-copies attrs with every column it gives.

    With 100,000 sites that would take half a second each time.
    """

    def __deepcopy__(self, memo: object) -> _Shared:
        return self


def covariates(
    points: pd.DataFrame | str | os.PathLike[str],
    sites: pd.DataFrame | str | os.PathLike[str] | None = None,
    *,
    crs: Any = None,
    id: str | None = None,
    year: int | str | None = None,
    k: int | None = None,
    radius: float | None = None,
    drop: str = "last",
    transform: str | None = None,
) -> pd.DataFrame:
    r"""Turn class probabilities of points into columns for a species distribution model.

    Without ``sites`` every point becomes a row. With ``sites`` every site becomes a row: the
    mean of the points around it, each weighted by 1 / distance² (Shepard 1968). A site
    less than 1 m from a point takes that point, or the mean of all points that close.

    Parameters
    ----------
    points : DataFrame or path
        What `vote` returns, or such a table as CSV or Parquet. Used are ``point_id``,
        ``year``, ``n_photos`` and the probabilities ``p_<class>`` (0 to 1, summing to 1). With
        sites, also the coordinates: ``x`` and ``y`` (EPSG:3035, metres), else ``lon`` and
        ``lat`` (WGS84, degrees), else those that an 8-digit LUCAS id spells.
    sites : DataFrame or path, optional
        One row per site, with columns ``x`` and ``y`` or ``easting`` and ``northing``, or for
        a geographic ``crs`` ``lon`` and ``lat`` or ``longitude`` and ``latitude`` (failing
        those, ``x`` is the longitude). Upper and lower case are the same.
    crs : anything `pyproj.CRS.from_user_input` takes
        The coordinate reference system of the sites, such as ``"EPSG:25832"``. Columns are
        always easting then northing, longitude then latitude, whatever order the
        CRS has.
    id : str, optional
        The column of ``sites`` that names them; the frame's index by default.
    year : int or str, optional
        Which campaign counts, needed as soon as a point comes in more than one: ``2018``,
        ``"latest"`` (each point's latest) or ``"<=2018"`` (each point's latest up to then).
        A year without usable photos only counts where the point has no other.
    k : int, optional
        Use the ``k`` nearest points (all, if there are fewer). Which of several points at the
        very same distance is the k-th is left open.
    radius : float, optional
        Use only points within this distance in metres, at least 1. With sites, ``k``,
        ``radius`` or both must be given.
    drop : str
        Shares sum to one, so a linear model with an intercept cannot use all of them.
        ``"last"`` leaves out the last class, a class or its column leaves out that one,
        ``"none"`` keeps all.
    transform : {None, "ilr"}
        ``"ilr"`` gives isometric log-ratios (Egozcue et al. 2003) instead of shares, K - 1
        columns for K classes. With the shares :math:`p_1 \dots p_K` in column order,
        :math:`\mathrm{ilr}_i = \sqrt{i / (i + 1)} \,
        \ln \left( (p_1 \cdots p_i)^{1/i} / p_{i+1} \right)`: positive where the earlier classes
        outweigh the next one (the Helmert basis as `scipy.linalg.helmert` signs it). Shares below
        1e-6 become 1e-6 before, and the other shares of their row shrunk by as much in
        proportion (multiplicative replacement, Martin-Fernandez et al. 2003).

    Returns
    -------
    DataFrame, n x (K - 1), or n x K with ``drop="none"``
        Only columns to model with, ``p_<class>`` or ``ilr_<i>``, as float64. Without sites a row
        per point, in the order of the table, the index ``point_id``; with sites a row per
        site, in the order given, the index their ids. Rows without a value are NaN,
        never left out. `support` tells how many points stand behind each row.

    Raises
    ------
    InputError
        If a table, a column, a year, a class or an argument cannot be used, if probabilities
        are no shares, if ids occur twice, or if coordinates do not fit their CRS.

    Warns
    -----
    LucasWarning
        If the model was not, or is not known to be, calibrated (the column ``calibrated``);
        if points are left out or rows stay NaN; if the table was rounded.
    LucasMessage
        Which class was left out by default, and how many zeros were replaced.

    Notes
    -----
    Shares are divided by their sum in float64 after every step, so a row sums to one to 1e-15
    times K. Shares that do so only to float32's 1e-7 make GLM and GAM fail without a word. Write
    the table with at least 15 digits, rasters as FLT8S.

    Distances are straight lines between positions on the WGS84 ellipsoid (EPSG:4978), so they
    are right at the poles and the date line. They are shorter than the way over ground by less
    than 1e-4 of it below 100 km.

    References
    ----------
    Shepard, D. (1968). A two-dimensional interpolation function for irregularly-spaced data.
    Proceedings of the 23rd ACM National Conference, 517-524. doi:10.1145/800186.810616

    Egozcue, J. J., Pawlowsky-Glahn, V., Mateu-Figueras, G. & Barcelo-Vidal, C. (2003). Isometric
    logratio transformations for compositional data analysis. Mathematical Geology 35, 279-300.
    doi:10.1023/A:1023818214614

    Martin-Fernandez, J. A., Barcelo-Vidal, C. & Pawlowsky-Glahn, V. (2003). Dealing with zeros
    and missing values in compositional data sets using nonparametric imputation. Mathematical
    Geology 35, 253-278. doi:10.1023/A:1023866030544

    Examples
    --------
    >>> sites = pd.DataFrame({"site": ["a", "b"], "lon": [10.0, 9.5], "lat": [56.1, 56.3]})
    >>> cov = covariates(
    ...     points, sites, crs="EPSG:4326", id="site", year="latest", k=5, radius=10_000
    ... )  # doctest: +SKIP
    >>> support(cov)[["n_points", "mean_distance"]]  # doctest: +SKIP
    """
    if transform is not None:
        check_choice("transform", transform, ["ilr"])
        if drop != "last":
            raise InputError(
                f"drop={drop!r} does not go with transform='ilr': log-ratios have one column "
                f"fewer than there are classes already. Leave drop out."
            )
    if sites is None:
        options = {"crs": crs, "id": id, "k": k, "radius": radius}
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise InputError(
                f"{', '.join(given)} cannot be given without sites: every point is then a row of "
                f"its own, and nothing is searched for."
            )
    else:
        if k is None and radius is None:
            raise InputError(
                "With sites, give k (use the k nearest points, e.g. k=5), radius (use all points "
                "within so many metres, e.g. radius=5000), or both (the k nearest within radius)."
            )
        if k is not None:
            check_number("k", k, 1, whole=True)
        if radius is not None:
            check_number("radius", radius, 1, 2e7)

    table = tidy_types(points) if isinstance(points, pd.DataFrame) else read_table(points)
    require_columns(table, ["point_id", "n_photos"], "points", _HINT)
    columns = probability_columns(table)
    if len(columns) < 2:
        raise InputError(
            f"points needs the probabilities of two or more classes, in columns p_<class>; "
            f"got {', '.join(columns) or 'none'}. {_HINT}"
        )
    left_out = None if transform else _left_out(columns, classes_of(table), drop)

    calibrated = bool(table["calibrated"].all()) if "calibrated" in table else None
    if calibrated is None:
        warn(
            "It is not known whether the model was calibrated; if not, its probabilities are "
            "not proportions until calibrate() was used."
        )
    elif not calibrated:
        warn(
            "The model was not calibrated, so its probabilities are not proportions until "
            "calibrate() was used."
        )

    table[columns] = table[columns].apply(pd.to_numeric, errors="coerce").astype("float64")
    table, without_year = _of_year(table, columns, year)
    if without_year:
        warn(f"{without_year} rows of points have no year and are left out, as year={year!r}.")

    shares, deviation = _shares(table, columns)
    if deviation > _ROUNDED:
        warn(
            f"The probabilities of points were rounded: they miss a sum of 1 by up to "
            f"{deviation:.1g}, and were divided by their sum. Write such tables with at least 15 "
            f"digits."
        )

    if sites is None:
        behind, notes = _at_points(table, shares)
    else:
        frame = sites if isinstance(sites, pd.DataFrame) else read_table(sites)
        shares, behind, notes = _at_sites(table, shares, frame, crs, id, k, radius)
    for note in notes:
        warn(note)

    if transform:
        zeros = int((shares < _DELTA).sum())
        if zeros:
            inform(
                f"{zeros} of {(~np.isnan(shares)).sum()} shares below {_DELTA:g} became {_DELTA:g} "
                f"before logarithms were taken."
            )
        result = pd.DataFrame(
            _log_ratios(shares),
            index=behind.index,
            columns=[f"ilr_{i}" for i in range(1, len(columns))],
        )
    else:
        result = pd.DataFrame(shares, index=behind.index, columns=columns)
        if left_out is not None:
            result = result.drop(columns=left_out)
            if drop == "last":
                inform(
                    f"The last class is left out ({left_out}), because shares sum to one; "
                    f"drop='none' keeps it, drop=<class> leaves out another."
                )
    result.attrs[_KEY] = _as_lists(behind)
    return result


def support(covariates: pd.DataFrame) -> pd.DataFrame:
    """Tell how many points and photos stand behind each row of covariates, and how far away.

    Parameters
    ----------
    covariates : DataFrame
        What `covariates` returned, or a selection of its rows or columns. Rows are found by
        their index labels, so the index must not have been reset.

    Returns
    -------
    DataFrame, one row per row of ``covariates``, with the same index
        ``n_points`` and ``n_photos`` (whole numbers, 0 where nothing was found);
        ``mean_distance`` and ``max_distance`` of the points used, in metres, not weighted
        (0 where the row is a point itself, NaN without points); ``first_year`` and
        ``last_year`` of the points used (missing where unknown).

    Raises
    ------
    InputError
        If the table does not know: a merge, a concatenation and CSV can lose what `covariates`
        noted, and other labels than it saw cannot be looked up.

    Examples
    --------
    >>> cov = covariates(points, sites, crs="EPSG:3035", radius=5000)  # doctest: +SKIP
    >>> well_known = cov[support(cov)["n_points"] >= 3]  # doctest: +SKIP
    """
    noted = covariates.attrs.get(_KEY) if isinstance(covariates, pd.DataFrame) else None
    if noted is None:
        raise InputError(
            "This is not known to come from covariates(). Ask for the support of the very object "
            "that covariates() returned: a merge, a concatenation and CSV can lose it."
        )
    rows = pd.Index(noted["index"]).get_indexer(pd.Index(_labels(covariates.index)))
    if (rows < 0).any():
        unknown = covariates.index[rows < 0]
        raise InputError(
            f"covariates() made no row named {some(unknown)}. Ask for the support before the "
            f"index is changed."
        )
    whole = pd.DataFrame({c: pd.Series(noted[c], dtype=kind) for c, kind in _SUPPORT.items()})
    chosen: pd.DataFrame = whole.iloc[rows].set_axis(covariates.index)
    return chosen


def _left_out(columns: list[str], classes: list[str], drop: str) -> str | None:
    """Find the column that `drop` means."""
    if drop == "none":
        return None
    if drop == "last":
        return columns[-1]
    if drop in columns:
        return drop
    check_choice("drop", drop, ["last", "none", *classes])
    return columns[classes.index(drop)]


def _of_year(
    table: pd.DataFrame, columns: list[str], year: int | str | None
) -> tuple[pd.DataFrame, int]:
    """Keep one row per point; also count the rows that had no year to go by."""
    if table.empty:
        raise InputError(f"points has no rows. {_HINT}")
    if table["point_id"].isna().any():
        raise InputError(f"points has {table['point_id'].isna().sum()} rows without a point_id.")
    if "year" not in table:
        table["year"] = pd.array([pd.NA] * len(table), dtype="Int64")
    table = table.reset_index(drop=True)
    if year is None:
        if table["point_id"].duplicated().any():
            raise InputError(
                f"Points occur more than once ({_repeated(table, ['point_id'])}). Say which year "
                f"counts: year=2018 (that campaign), year='latest' (each point's latest) or "
                f"year='<=2018' (each point's latest up to then)."
            )
        return table, 0

    # R's 2018 arrives as 2018.0
    asked = re.fullmatch(r"latest|(<=)?\s*(\d{4})(?:\.0)?", str(year))
    if asked is None:
        raise InputError(
            f"year must be a year such as 2018, 'latest' or '<=2018'; got {year!r} instead."
        )
    if str(year) == "latest" and table["year"].isna().all():
        return _of_year(table, columns, None)  # plots without years: nothing to choose from
    dated = table[table["year"].notna()]
    chosen = dated
    if asked[2]:
        limit = int(asked[2])
        chosen = dated[dated["year"] <= limit if asked[1] else dated["year"] == limit]
    if chosen.empty:
        years = ", ".join(map(str, sorted(dated["year"].unique()))) or "none"
        raise InputError(f"points has no row of year={year!r}; its years are: {years}.")
    if chosen.duplicated(["point_id", "year"]).any():
        raise InputError(
            f"Points occur more than once in a year ({_repeated(chosen, ['point_id', 'year'])}). "
            f"Keep one row of each."
        )
    # A campaign without a usable photo must not hide an earlier one that has some.
    order = chosen.assign(_usable=chosen[columns].notna().all(axis=1))
    latest = order.sort_values(["_usable", "year"]).drop_duplicates("point_id", keep="last").index
    return chosen.loc[latest.sort_values()], len(table) - len(dated)


def _repeated(table: pd.DataFrame, by: list[str]) -> str:
    twice = table[table.duplicated(by, keep=False)]
    return some(
        [
            f"{point}: {', '.join('no year' if pd.isna(y) else str(y) for y in years)}"
            for point, years in twice.groupby("point_id", sort=False)["year"]
        ],
        most=3,
    )


def _shares(table: pd.DataFrame, columns: list[str]) -> tuple[_Floats, float]:
    """Close the probabilities; also tell how far off one their sums were."""
    values = table[columns].to_numpy(dtype="float64")
    names = table["point_id"].to_numpy()

    def refuse(bad: Any, what: str) -> None:
        if bad.any():
            raise InputError(
                f"The probabilities of {bad.sum()} points {what}: {some(names[bad])}. {_HINT}"
            )

    missing = np.isnan(values)
    refuse(missing.any(axis=1) & ~missing.all(axis=1), "are missing for some classes only")
    refuse(np.isinf(values).any(axis=1), "are infinite")
    refuse((values < 0).any(axis=1), "are negative")
    deviation = np.abs(values.sum(axis=1) - 1)
    refuse(deviation > _WRONG, f"do not sum to 1 (within {_WRONG:g})")
    return _close(values), float(np.nanmax(deviation)) if not missing.all() else 0.0


def _close(values: _Floats) -> _Floats:
    closed: _Floats = values / values.sum(axis=1, keepdims=True)
    return closed


def _log_ratios(shares: _Floats) -> _Floats:
    tiny = shares < _DELTA
    filled = np.where(tiny, _DELTA, shares * (1 - _DELTA * tiny.sum(axis=1, keepdims=True)))
    ratios: _Floats = np.log(_close(filled)) @ helmert(shares.shape[1]).T
    return ratios


def _at_points(table: pd.DataFrame, shares: _Floats) -> tuple[pd.DataFrame, list[str]]:
    """The support of points taken as they are, and what to warn of."""
    empty = np.isnan(shares[:, 0])
    index = pd.Index(table["point_id"], name="point_id")
    distance = np.where(empty, np.nan, 0.0)
    year = table["year"].mask(empty).array
    behind = pd.DataFrame(
        {
            "n_points": np.where(empty, 0, 1),
            "n_photos": table["n_photos"].fillna(0).array,
            "mean_distance": distance,
            "max_distance": distance,
            "first_year": year,
            "last_year": year,
        },
        index=index,
    )
    notes = []
    if empty.any():
        notes.append(
            f"{empty.sum()} of {len(table)} points have no usable photo; their rows are NaN: "
            f"{some(index[empty])}."
        )
    return behind, notes


def _at_sites(
    table: pd.DataFrame,
    shares: _Floats,
    sites: pd.DataFrame,
    crs: Any,
    id: str | None,
    k: int | None,
    radius: float | None,
) -> tuple[_Floats, pd.DataFrame, list[str]]:
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


def point_positions(table: pd.DataFrame) -> tuple[_Floats, _Floats]:
    """Longitude and latitude from the best source each point has; NaN where it has none."""
    lon = np.full(len(table), np.nan)
    lat = np.full(len(table), np.nan)

    def fill(x: _Floats, y: _Floats, crs: CRS, names: tuple[str, str]) -> None:
        todo = np.isnan(lon)
        lon[todo], lat[todo] = _lonlat(x[todo], y[todo], crs, names, "points")

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


def _site_index(sites: pd.DataFrame, id: str | None) -> pd.Index:
    if id is not None:
        require_columns(sites, [id], "sites", "id names the column with the sites' ids.")
    index = sites.index if id is None else pd.Index(sites[id], name=id)
    where = "The index" if id is None else f"The column {id}"
    missing = np.asarray(index.isna()).sum()
    if missing:
        raise InputError(f"{where} of sites has {missing} missing ids.")
    labels = pd.Index(_labels(index))
    twice = labels[labels.duplicated()].unique()
    if len(twice):
        raise InputError(
            f"{where} of sites has ids that occur more than once: {some(twice)}. Give each site "
            f"one row and an id of its own."
        )
    return index


def _site_positions(sites: pd.DataFrame, crs: Any) -> tuple[_Floats, _Floats, CRS]:
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
    lon, lat = _lonlat(x, y, system, names, "sites")
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


def _numbers(column: pd.Series[Any], name: str) -> _Floats:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        raise InputError(
            f"The column {name} of sites must hold numbers; {bad.sum()} rows do not, such as "
            f"{column[bad].iloc[0]!r}."
        )
    return numbers.to_numpy(dtype="float64", na_value=np.nan)


def _lonlat(
    x: _Floats, y: _Floats, crs: CRS, names: tuple[str, str], what: str
) -> tuple[_Floats, _Floats]:
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


def geocentric(lon: _Floats, lat: _Floats) -> _Floats:
    """Metres from the Earth's centre, n x 3, of positions on the ellipsoid."""
    to_xyz = Transformer.from_crs(CRS.from_epsg(4979), CRS.from_epsg(4978), always_xy=True)
    return np.column_stack(to_xyz.transform(lon, lat, np.zeros(len(lon))))


def _nearest(tree: cKDTree, lon: _Floats, lat: _Floats, crs: CRS, radius: float | None) -> _Floats:
    """Metres to the nearest point; refuse sites that all lie where only a wrong crs puts them.

    Without this, the k nearest points would be found from another continent all the same.
    """
    distance: _Floats
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
    shares: _Floats,
    table: pd.DataFrame,
    sites: _Floats,
    k: int | None,
    radius: float | None,
) -> tuple[_Floats, pd.DataFrame]:
    """Mean shares at sites (n x 3, geocentric), and the support of each."""
    photos = table["n_photos"].to_numpy(dtype="float64", na_value=0)
    years = table["year"].to_numpy(dtype="float64", na_value=np.nan)
    n = len(sites)
    total = np.zeros((n, shares.shape[1]))
    behind = {c: np.full(n, np.nan if c.endswith("year") else 0.0) for c in _SUPPORT}
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
    return _close(total), pd.DataFrame(behind)


def _chunks(
    tree: cKDTree, sites: _Floats, k: int | None, radius: float | None
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
    tree: cKDTree, sites: _Floats, k: int | None, radius: float | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], _Floats]:
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


def _labels(index: pd.Index) -> list[str]:
    return [str(label) for label in index]


def _as_lists(behind: pd.DataFrame) -> _Shared:
    """Plain lists with None for missing: pandas compares attrs, and Parquet keeps them as JSON."""
    lists = _Shared(index=_labels(behind.index))
    for name, values in behind.astype(_SUPPORT).items():
        lists[str(name)] = values.astype(object).where(values.notna(), None).tolist()
    return lists
