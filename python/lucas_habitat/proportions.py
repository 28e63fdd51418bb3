"""Class proportions as covariates for species distribution models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import helmert

from ._base import words
from ._base.checks import check_choice, check_number
from ._base.choices import TRANSFORMS
from ._base.classes import classes_of, is_calibrated, probability_columns
from ._base.places import is_lucas_id
from ._base.signatures import checked
from ._base.tables import as_frame, as_table, require_columns, with_column
from ._base.types import Column, Floats, Table
from .errors import InputError, inform, some, warn
from .interpolation import SUPPORT, Shares, at_sites, close_shares, index_labels

if TYPE_CHECKING:
    from pyproj import CRS

__all__ = ["HOW", "covariates", "support"]

_DELTA = 1e-6  # what a smaller share becomes before its logarithm is taken

_ROUNDED = 1e-6  # float32 misses a sum of 1 by about 1e-7, six decimals by about 1e-6

_WRONG = 0.01  # three decimals miss it by 2e-3 at most; values that miss it by more are no shares

_KEY = "lucas_support"
#: Where a table of covariates notes how it was made; see `_noted`.
HOW = "lucas_covariates"

_HINT = f"Give the table that {words.call('vote')} returns."


class _Shared(dict[str, list[Any]]):
    """A dict that is shared by a frame and its copies, although pandas deep-copies ``attrs``.

    Pandas does so whenever a column is taken, which with 100,000 sites takes half a second.
    """

    def __deepcopy__(self, memo: object) -> _Shared:
        return self


@checked
def covariates(
    points: Table,
    sites: Table | npt.NDArray[Any] | None = None,
    *,
    crs: str | int | Mapping[str, Any] | CRS | None = None,
    id: Column | None = None,
    year: int | str | None = None,
    k: int | None = None,
    radius: float | None = None,
    max_distance: float | None = None,
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
    sites : DataFrame, path or array of shape (n, 2), optional
        One row per site, with columns ``x`` and ``y`` or ``easting`` and ``northing``, or for
        a geographic ``crs`` ``lon`` and ``lat`` or ``longitude`` and ``latitude`` (failing
        those, ``x`` is the longitude). Upper and lower case are the same. An array holds x and y.
    crs : anything `pyproj.CRS.from_user_input` takes
        The coordinate reference system of the sites, such as ``"EPSG:25832"``. Columns are
        always easting then northing, longitude then latitude, whatever order the
        CRS has.
    id : str or column, optional
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
    max_distance : float, optional
        Metres from its nearest point beyond which a site has no value; ``inf`` gives every site
        one. By default the ``radius`` alone decides, and without one the points' own spacing:
        see Notes.
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

    Without ``radius`` and ``max_distance`` a site has a value up to the distance from its nearest
    point within which 99 % of the points have as many others as the square root of their number
    (5 to 50; all, of 6 points or fewer). The limit is of the points' own making, as the
    threshold of the area of applicability is (Meyer & Pebesma 2021), but in metres. So many
    neighbours are counted because the nearest alone would take plots side by side for the spacing;
    1 % are left out because points may be misplaced. On a grid, and for points at random, it is one
    and a half to six times the mean spacing: sites between points keep their values, and so do sites as far
    outside the border of the sampled area. Between dense groups of points, each of more
    than the square root of all, sites have none (``benchmarks/reach.py``). Points at one place
    have no spacing; sites up to 1,000 km away then take their values, with a warning.

    References
    ----------
    Shepard, D. (1968). A two-dimensional interpolation function for irregularly-spaced data.
    Proceedings of the 23rd ACM National Conference, 517-524. doi:10.1145/800186.810616

    Egozcue, J. J., Pawlowsky-Glahn, V., Mateu-Figueras, G. & Barcelo-Vidal, C. (2003). Isometric
    logratio transformations for compositional data analysis. Mathematical Geology 35, 279-300.
    doi:10.1023/A:1023818214614

    Meyer, H. & Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
    applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.
    doi:10.1111/2041-210X.13650

    Martin-Fernandez, J. A., Barcelo-Vidal, C. & Pawlowsky-Glahn, V. (2003). Dealing with zeros
    and missing values in compositional data sets using nonparametric imputation. Mathematical
    Geology 35, 253-278. doi:10.1023/A:1023866030544

    Examples
    --------
    >>> sites = pd.DataFrame({"site": ["a", "b"], "lon": [10.0, 9.5], "lat": [56.1, 56.3]})
    >>> cov = covariates(
    ...     points, sites, crs="EPSG:4326", id="site", year="latest", k=5, radius=10_000
    ... )  # doctest: +SKIP
    >>> support(cov)[["n_points", "nearest_distance"]]  # doctest: +SKIP
    """
    _check_arguments(sites, crs, id, k, radius, max_distance, drop, transform)
    table = as_table(points)
    require_columns(table, ["point_id", "n_photos"], "points", _HINT)
    columns = probability_columns(table)
    if len(columns) < 2:
        raise InputError(
            f"points needs the probabilities of two or more classes, in columns p_<class>; "
            f"got {', '.join(columns) or 'none'}. {_HINT}"
        )
    left_out = None if transform else _left_out(columns, classes_of(table), drop)
    _warn_unless_calibrated(table)

    table[columns] = table[columns].apply(pd.to_numeric, errors="coerce").astype("float64")
    table = _of_year(table, columns, year)
    shares = _shares(table, columns)
    if isinstance(sites, np.ndarray):
        sites = _array_sites(sites)
    if sites is None:
        at = _at_points(table, shares)
    else:
        places, id = with_column(sites, id, "id")
        at = at_sites(table, shares, as_frame(places), crs, id, k, radius, max_distance)
    if transform:
        result = _log_ratio_columns(at)
    else:
        result = _share_columns(at, columns, left_out, is_default=drop == "last")
    result.attrs[_KEY] = _as_lists(at.support)
    how = {
        "drop": left_out,
        "transform": transform,
        "year": None if year is None else str(year),
        "k": None if k is None else int(k),
        "radius": None if radius is None else float(radius),
    }
    result.attrs[HOW] = _noted(result, table, at, classes_of(table), how)
    return result


def _noted(
    covariates: pd.DataFrame,
    points: pd.DataFrame,
    at: Shares,
    classes: list[str],
    how: dict[str, Any],
) -> str:
    """How covariates were made, as JSON: a text goes through Parquet and R as it is."""
    has_value = covariates.notna().all(axis=1).to_numpy()
    used = at.support[has_value]
    nearest = used["nearest_distance"].dropna()
    years = points["year"].dropna()
    noted = {
        **how,
        "columns": covariates.columns.tolist(),
        "classes": classes,
        "calibrated": is_calibrated(points) if "calibrated" in points else None,
        "vote": points.attrs.get("method"),
        "n_points": len(points),
        "is_lucas": bool(is_lucas_id(points["point_id"].astype("str")).all()),
        "years": sorted({int(year) for year in years}),
        "n_rows": len(covariates),
        "n_missing": int((~has_value).sum()),
        "used_points": None if used.empty else float(used["n_points"].median()),
        "nearest": None if nearest.empty else [float(nearest.median()), float(nearest.max())],
    }
    if at.reach is not None:
        limit = at.reach.limit
        noted |= {"crs": at.reach.crs, "bounds": at.reach.bounds}
        noted["limit"] = limit if np.isfinite(limit) else None
    return json.dumps(noted)


def _array_sites(sites: npt.NDArray[Any]) -> pd.DataFrame:
    """Sites given as an array of coordinates."""
    if sites.ndim != 2 or sites.shape[1] != 2:
        raise InputError(
            f"An array of sites must have two columns, x and y; got the shape {sites.shape}."
        )
    return pd.DataFrame(sites, columns=["x", "y"])


def _check_arguments(
    sites: Table | npt.NDArray[Any] | None,
    crs: object,
    id: Column | None,
    k: int | None,
    radius: float | None,
    max_distance: float | None,
    drop: str,
    transform: str | None,
) -> None:
    """Refuse arguments that do not go together."""
    if transform is not None:
        check_choice("transform", transform, TRANSFORMS)
        if drop != "last":
            raise InputError(
                f"{words.arg('drop', drop)} does not go with {words.arg('transform', 'ilr')}: "
                f"log-ratios have one column fewer than there are classes already. Leave drop out."
            )
    if sites is None:
        options = {"crs": crs, "id": id, "k": k, "radius": radius, "max_distance": max_distance}
        needless = [name for name, value in options.items() if value is not None]
        if needless:
            raise InputError(
                f"{', '.join(needless)} cannot be given without sites: every point is then a row of "
                f"its own, and nothing is searched for."
            )
        return
    if k is None and radius is None:
        raise InputError(
            f"With sites, give k (use the k nearest points, e.g. {words.arg('k', 5)}), radius (use all "
            f"points within so many metres, e.g. {words.arg('radius', 5000)}), or both (the k nearest "
            "within radius)."
        )
    if k is not None:
        check_number("k", k, 1, whole=True)
    if radius is not None:
        check_number("radius", radius, 1, 2e7)
    if max_distance is not None:
        check_number("max_distance", max_distance, 1)


def _warn_unless_calibrated(table: pd.DataFrame) -> None:
    """Warn that probabilities are no proportions unless the table says that they are calibrated."""
    if is_calibrated(table):
        return
    if "calibrated" in table:
        warn(
            "The model was not calibrated, so its probabilities are not proportions until "
            f"{words.call('calibrate')} was used."
        )
    else:
        warn(
            "It is not known whether the model was calibrated; if not, its probabilities are "
            f"not proportions until {words.call('calibrate')} was used."
        )


def _log_ratio_columns(at: Shares) -> pd.DataFrame:
    """Covariates as isometric log-ratios."""
    zeros = int((at.shares < _DELTA).sum())
    if zeros:
        inform(
            f"{zeros} of {(~np.isnan(at.shares)).sum()} shares below {_DELTA:g} became {_DELTA:g} "
            f"before logarithms were taken."
        )
    ratios = _log_ratios(at.shares)
    names = [f"ilr_{i}" for i in range(1, ratios.shape[1] + 1)]
    return pd.DataFrame(ratios, index=at.support.index, columns=names)


def _share_columns(
    at: Shares, columns: list[str], left_out: str | None, *, is_default: bool
) -> pd.DataFrame:
    """Covariates as shares, without the column that is left out."""
    result = pd.DataFrame(at.shares, index=at.support.index, columns=columns)
    if left_out is None:
        return result
    if is_default:
        inform(
            f"The last class is left out ({left_out}), because shares sum to one; "
            f"{words.arg('drop', 'none')} keeps it, {words.option('drop')} with a class leaves out that "
            "one."
        )
    return result.drop(columns=left_out)


@checked
def support(covariates: pd.DataFrame) -> pd.DataFrame:
    """Tell how many points and photos stand behind each row of covariates, and how far away.

    Shares are the probabilities ``p_<class>`` of points, whose largest need not be that of the class a
    point was ``predicted`` as: by majority, the photos' votes decide.

    Parameters
    ----------
    covariates : DataFrame
        What `covariates` returned, or a selection of its rows or columns. Rows are found by
        their index labels, so the index must not have been reset.

    Returns
    -------
    DataFrame, one row per row of ``covariates``, with the same index
        ``n_points`` and ``n_photos`` (whole numbers, 0 where nothing was found);
        ``nearest_distance``, metres to the nearest point, also where it is too far to be used;
        ``mean_distance`` and ``max_distance`` of the points used, in metres, not weighted
        (0 where the row is a point itself, NaN without points); ``first_year`` and
        ``last_year`` of the points used (missing where unknown).

    Raises
    ------
    InputError
        If the table does not know: a merge, a concatenation and CSV can lose what `covariates`
        noted, and rows with other labels than it gave cannot be looked up.

    Examples
    --------
    >>> cov = covariates(points, sites, crs="EPSG:3035", radius=5000)  # doctest: +SKIP
    >>> well_known = cov[support(cov)["n_points"] >= 3]  # doctest: +SKIP
    """
    lists = covariates.attrs.get(_KEY) if isinstance(covariates, pd.DataFrame) else None
    if lists is None:
        raise InputError(
            f"This is not known to come from {words.call('covariates')}. Ask for the support of "
            f"the very object that {words.call('covariates')} returned: "
            "a merge, a concatenation and CSV can lose it."
        )
    rows = pd.Index(lists["index"]).get_indexer(pd.Index(index_labels(covariates.index)))
    if (rows < 0).any():
        unknown = covariates.index[rows < 0]
        raise InputError(
            f"{words.call('covariates')} made no row named {some(unknown)}. Ask for the support "
            f"before the {words.either('index is', 'row names are')} changed."
        )
    columns = {c: kind for c, kind in SUPPORT.items() if c in lists}  # older files lack some
    table = pd.DataFrame({c: pd.Series(lists[c], dtype=kind) for c, kind in columns.items()})
    chosen: pd.DataFrame = table.iloc[rows].set_axis(covariates.index)
    return chosen


def _left_out(columns: list[str], classes: list[str], drop: str) -> str | None:
    """The column that `drop` names."""
    if drop == "none":
        return None
    if drop == "last":
        return columns[-1]
    if drop in columns:
        return drop
    check_choice("drop", drop, ["last", "none", *classes])
    return columns[classes.index(drop)]


def _of_year(table: pd.DataFrame, columns: list[str], year: int | str | None) -> pd.DataFrame:
    """Keep one row per point, that of the year asked for."""
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
                f"counts: {words.arg('year', 2018)} (that campaign), "
                f"{words.arg('year', 'latest')} (each point's latest) or"
                f"  {words.arg('year', '<=2018')} (each point's latest up to then)."
            )
        return table

    # R's 2018 arrives as 2018.0
    match = re.fullmatch(r"latest|(<=)?\s*(\d{4})(?:\.0)?", str(year))
    if match is None:
        raise InputError(
            f"{words.arg('year')} must be a year such as 2018, 'latest' or '<=2018'; "
            f"got {words.value(year)} instead."
        )
    if str(year) == "latest" and table["year"].isna().all():
        return _of_year(table, columns, None)  # plots without years: nothing to choose from
    dated = table[table["year"].notna()]
    chosen = dated
    if match[2]:
        limit = int(match[2])
        chosen = dated[dated["year"] <= limit if match[1] else dated["year"] == limit]
    if chosen.empty:
        years = ", ".join(map(str, sorted(dated["year"].unique()))) or "none"
        raise InputError(f"points has no row of {words.arg('year', year)}; its years are: {years}.")
    if chosen.duplicated(["point_id", "year"]).any():
        raise InputError(
            f"Points occur more than once in a year ({_repeated(chosen, ['point_id', 'year'])}). "
            f"Keep one row of each."
        )
    # A campaign without a usable photo must not hide an earlier one that has some.
    order = chosen.assign(_usable=chosen[columns].notna().all(axis=1))
    latest = order.sort_values(["_usable", "year"]).drop_duplicates("point_id", keep="last").index
    if len(dated) < len(table):
        warn(
            f"{len(table) - len(dated)} rows of points have no year and are left out, as "
            f"{words.arg('year', year)}."
        )
    return chosen.loc[latest.sort_values()]


def _repeated(table: pd.DataFrame, by: list[str]) -> str:
    repeated = table[table.duplicated(by, keep=False)]
    return some(
        [
            f"{point}: {', '.join('no year' if pd.isna(y) else str(y) for y in years)}"
            for point, years in repeated.groupby("point_id", sort=False)["year"]
        ],
        most=3,
    )


def _shares(table: pd.DataFrame, columns: list[str]) -> Floats:
    """The probabilities as shares that sum to one in float64; NaN for points without any."""
    values = table[columns].to_numpy(dtype="float64")
    names = table["point_id"].to_numpy()

    def refuse(is_bad: np.bool_ | npt.NDArray[np.bool_], reason: str) -> None:
        if is_bad.any():
            raise InputError(
                f"The probabilities of {is_bad.sum()} points {reason}: {some(names[is_bad])}. {_HINT}"
            )

    is_missing = np.isnan(values)
    refuse(is_missing.any(axis=1) & ~is_missing.all(axis=1), "are missing for some classes only")
    refuse(np.isinf(values).any(axis=1), "are infinite")
    refuse((values < 0).any(axis=1), "are negative")
    deviation = np.abs(values.sum(axis=1) - 1)
    refuse(deviation > _WRONG, f"do not sum to 1 (within {_WRONG:g})")
    if (deviation > _ROUNDED).any():
        warn(
            f"The probabilities of points were rounded: they miss a sum of 1 by up to "
            f"{np.nanmax(deviation):.1g}, and were divided by their sum. Write such tables with at "
            f"least 15 digits."
        )
    return close_shares(values)


def _log_ratios(shares: Floats) -> Floats:
    """Isometric log-ratios of shares, those below `_DELTA` replaced."""
    is_tiny = shares < _DELTA
    replaced = np.where(is_tiny, _DELTA, shares * (1 - _DELTA * is_tiny.sum(axis=1, keepdims=True)))
    ratios: Floats = np.log(close_shares(replaced)) @ helmert(shares.shape[1]).T
    return ratios


def _at_points(table: pd.DataFrame, shares: Floats) -> Shares:
    """Points taken as they are: their shares, and themselves as support."""
    is_empty = np.isnan(shares[:, 0])
    index = pd.Index(table["point_id"], name="point_id")
    distance = np.where(is_empty, np.nan, 0.0)
    year = table["year"].mask(is_empty).array
    if is_empty.any():
        warn(
            f"{is_empty.sum()} of {len(table)} points have no usable photo; their rows are "
            f"{words.either('NaN', 'NA')}: {some(index[is_empty])}."
        )
    support_of_points = pd.DataFrame(
        {
            "n_points": np.where(is_empty, 0, 1),
            "n_photos": table["n_photos"].fillna(0).array,
            "nearest_distance": distance,
            "mean_distance": distance,
            "max_distance": distance,
            "first_year": year,
            "last_year": year,
        },
        index=index,
    )
    return Shares(shares, support_of_points)


def _as_lists(table: pd.DataFrame) -> _Shared:
    """A support table as plain lists, because pandas compares attrs and Parquet keeps them as JSON."""
    lists = _Shared(index=index_labels(table.index))
    for name, values in table.astype(SUPPORT).items():
        lists[str(name)] = values.astype(object).where(values.notna(), None).tolist()
    return lists
