"""Ground truth for maps: the accuracy of a land-cover map by classified points."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import ProjError

from ._tables import classes_of, column_names, read_table, require_columns, tidy_types
from .errors import DependencyError, InputError, check_number, check_seed, inform, some, warn
from .evaluation import Evaluation, evaluate, plain
from .map_estimators import (
    bootstrap,
    measures,
    normal_interval,
    shares_by_map_class,
    standard_errors,
)
from .sdm import point_positions

__all__ = ["MapAccuracy", "MapEstimate", "judge_map", "map_positions", "validate_map"]

_Floats = npt.NDArray[np.float64]
_Table = pd.DataFrame | str | os.PathLike[str]
_Legend = _Table | Mapping[Any, str]
_Confusion = Evaluation | _Table | Mapping[str, Any]

_PIXELS = 4_000_000  # read at once
_UNEQUAL = 1.02  # UTM's pixels differ by less
_FEW = 10  # test points of a class
_TITLES = {
    "as_if_true": "as if the points' classes were true",
    "corrected": "with the classifier's own errors taken out",
}


@dataclass(frozen=True)
class MapEstimate:
    """Accuracy and areas, each with its standard error and interval.

    Attributes
    ----------
    overall_accuracy, overall_accuracy_se : float
    overall_accuracy_interval : tuple of float
    per_class : pandas.DataFrame
        One row a class: ``class``, ``n_map``, ``n_reference`` (points), ``users_accuracy`` (of the
        area mapped as the class, how much is it), ``producers_accuracy`` (of the class' area, how
        much is mapped so), ``area_mapped`` and ``area_estimated`` (shares of the judged area); but
        for the first, each with ``*_se``, ``*_low`` and ``*_high`` (of the area, ``area_se`` ...).
    proportions : pandas.DataFrame
        The error matrix in shares of the judged area, rows map, columns reference.
    """

    overall_accuracy: float
    overall_accuracy_se: float
    overall_accuracy_interval: tuple[float, float]
    per_class: pd.DataFrame
    proportions: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Plain values; undefined numbers are None."""
        return {
            "overall_accuracy": plain(self.overall_accuracy),
            "overall_accuracy_se": plain(self.overall_accuracy_se),
            "overall_accuracy_interval": [plain(v) for v in self.overall_accuracy_interval],
            "per_class": [
                {k: plain(v) for k, v in row.items()} for row in self.per_class.to_dict("records")
            ],
            "proportions": self.proportions.to_numpy().tolist(),
        }


@dataclass(frozen=True)
class MapAccuracy:
    """Accuracy of a map. Print it to read it.

    Attributes
    ----------
    confusion : pandas.DataFrame
        Points, **rows map, columns reference**.
    as_if_true : MapEstimate
        Accuracy and areas as if the points' classes were true.
    corrected : MapEstimate or None
        The same with the classifier's own errors taken out, where they were given.
    left_out : pandas.DataFrame
        ``reason`` and ``n`` of rows that were not used.
    n : int
        Points compared.
    judged : float
        Share of the map's area that all numbers are about.
    level : float
    n_boot, seed : int
    notes : list of str
        What to know before quoting the numbers.
    """

    confusion: pd.DataFrame
    as_if_true: MapEstimate
    corrected: MapEstimate | None
    left_out: pd.DataFrame
    n: int
    judged: float
    level: float
    n_boot: int
    seed: int
    notes: list[str] = field(default_factory=list)

    @property
    def per_class(self) -> pd.DataFrame:
        """The tables of both estimates, told apart by ``reference`` (as_if_true, corrected)."""
        tables = {name: found.per_class for name, found in self._estimates().items()}
        return (
            pd.concat(tables, names=["reference"]).reset_index("reference").reset_index(drop=True)
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        return {
            "n": self.n,
            "left_out": self.left_out.to_dict("records"),
            "judged": self.judged,
            "classes": self.confusion.columns.tolist(),
            "confusion_rows": "map",
            "confusion": self.confusion.to_numpy().tolist(),
            "as_if_true": self.as_if_true.as_dict(),
            "corrected": None if self.corrected is None else self.corrected.as_dict(),
            "level": self.level,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "notes": list(self.notes),
        }

    def _estimates(self) -> dict[str, MapEstimate]:
        found = {"as_if_true": self.as_if_true}
        return found if self.corrected is None else found | {"corrected": self.corrected}

    def __repr__(self) -> str:
        shown = ["class", "users_accuracy", "users_se", "producers_accuracy", "producers_se",
                 "area_mapped", "area_estimated", "area_se"]  # fmt: skip
        lines = [f"Accuracy of {100 * self.judged:.4g}% of a map's area at {self.n} points", ""]
        for name, found in self._estimates().items():
            low, high = found.overall_accuracy_interval
            lines += [
                f"{_TITLES[name]}:",
                f"overall accuracy {_shown(found.overall_accuracy)}   standard error "
                f"{_shown(found.overall_accuracy_se)}   {100 * self.level:g}% interval "
                f"{_shown(low)} to {_shown(high)}",
                found.per_class[shown].to_string(
                    index=False, na_rep="undefined", float_format=_shown
                ),
                "",
            ]
        lines += ["points (rows map, columns reference)", self.confusion.to_string()]
        if len(self.left_out):
            lines.append(f"left out: {_reasons(self.left_out)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def validate_map(
    raster: str | os.PathLike[str],
    points: _Table,
    legend: _Legend,
    *,
    reference: str = "predicted",
    confusion: _Confusion | None = None,
    weights: str | None = None,
    areas: _Table | None = None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> MapAccuracy:
    r"""Tell how accurate a land-cover map is, by points whose photos were classified.

    Parameters
    ----------
    raster : path
        A GeoTIFF, or what else rasterio reads, in any coordinate reference system. It is read in
        pieces, so a map may be larger than the memory.
    points : pandas.DataFrame or path
        What `vote` returned: ``point_id``, the class, and where points are: ``x`` and ``y``
        (EPSG:3035, metres), else ``lon`` and ``lat`` (WGS84, degrees), else an 8-digit LUCAS id. Of
        a point with several years, the latest that has a class counts. A point on the border of
        pixels belongs to the one on its right and below.
    legend : mapping, pandas.DataFrame or path
        The class of each value of the map: ``{1: "cropland", 2: "woody"}`` or the columns ``value``
        and ``class``. Several values may have one class.
    reference : str, default "predicted"
        The column that holds the points' class; ``"habitat"`` where it was seen in the field.
    confusion : Evaluation, mapping, pandas.DataFrame or path, optional
        How the classifier errs: what `evaluate` returned for test points (or its JSON), or the
        table of test points that `vote` returned. Its errors are then taken out of the map's.
    weights : str, optional
        The column of design weights, 1 / inclusion probability (more than 0), for samples that favour
        some points over others, such as balanced ones. Default: all points of a map class count alike.
    areas : pandas.DataFrame or path, optional
        The areas of the map's values, as ``value`` (or ``class``) and ``area`` in any unit. Default:
        pixels are counted, in a geographic system times the cosine of their latitude.
    n_boot : int, default 2000
        Bootstrap samples behind the corrected numbers; 0 gives them without errors.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1

    Returns
    -------
    MapAccuracy
        Accuracies and areas are shares, 0 to 1. What is undefined is NaN with a note: the user's
        accuracy of a class that is not on the map, or standard errors where a map class has one point.

    Raises
    ------
    DependencyError
        If rasterio is not installed (extra ``geo``).
    InputError
        If the map, a table or a column cannot be used, if no point is left, or if the confusion
        cannot tell the classes apart: a class never predicted right, or with fewer than two test
        points.

    Warns
    -----
    LucasWarning
        If a part of the map cannot be judged: values that the legend lacks, classes that the
        points do not know, classes on which no point lies. All numbers are of the rest. If pixels
        differ in area.
    LucasMessage
        If points come in several years, or the map has several bands.

    Notes
    -----
    With the map's area shares :math:`W_i` and the share :math:`q_{ij}` of class :math:`j` among the
    points on map class :math:`i`, the error matrix is :math:`p_{ij} = W_i q_{ij}`; accuracies,
    areas and their standard errors are those of Olofsson et al. (2014), equations 1 to 10. With
    weights :math:`w`, :math:`q_{ij}` is the ratio of the weights' sums (Hajek), and its variance
    :math:`\frac{n_i}{n_i - 1} \sum w^2 (y_j - q_{ij})^2 / (\sum w)^2`, which is theirs when all
    weights are alike. Intervals are normal, cut at 0 and 1.

    The classifier's errors: with the probability :math:`C_{jk}` that it calls a point :math:`j`
    that is :math:`k`, as the test points show it, :math:`q_i = C t_i`, so the true shares of map class
    :math:`i` are :math:`t_i = C^{-1} q_i` (Rogan and Gladen 1978, for several classes). Sums over
    them are reported cut at 0 and 1, but the cells of ``proportions`` are left as they are, some a
    little below 0: making each cell positive would lower the accuracy of a good map (a perfect one
    to about 0.95), that is, charge our errors to it. Both uncertainties are carried: each bootstrap
    sample draws the points of every map class and the test points of every true class anew, of
    n points n - 1, so that variances are right (Rao and Wu 1988). Intervals are percentiles; a standard
    error is half the width of the middle 68.3 %, because a draw whose confusion can hardly be
    inverted may lie anywhere.

    Confusions are used, not the points' p_<class>: how often a class is taken for another stays
    the same where there is more or less of it, but probabilities are right only for the class
    shares they were calibrated at, and within a map class these are others.

    It is assumed that, given what is there, the classifier errs independently of the map. Where
    both err on the same land, the map is worse than the corrected numbers say.

    References
    ----------
    Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land
    change. Remote Sensing of Environment 148, 42-57. doi:10.1016/j.rse.2014.02.015

    Rao, J. N. K. & Wu, C. F. J. (1988). Resampling inference with complex survey data. Journal of
    the American Statistical Association 83, 231-241. doi:10.1080/01621459.1988.10478591

    Rogan, W. J. & Gladen, B. (1978). Estimating prevalence from the results of a screening test.
    American Journal of Epidemiology 107, 71-76. doi:10.1093/oxfordjournals.aje.a112510

    Examples
    --------
    >>> legend = {1: "artificial", 2: "cropland", 3: "grassland", 4: "woody", 5: "woody"}
    >>> validate_map("map.tif", points, legend, confusion=evaluate(tested))  # doctest: +SKIP
    """
    task = _task(points, legend, reference, confusion, weights, n_boot, level, seed)
    at_points, counted = _read_map(raster, task.table, areas is None)
    return _judge(task, at_points, counted if areas is None else areas)


def judge_map(
    points: _Table,
    at_points: pd.DataFrame,
    legend: _Legend,
    areas: _Table,
    *,
    reference: str,
    confusion: _Confusion | None,
    weights: str | None,
    n_boot: int,
    level: float,
    seed: int,
) -> MapAccuracy:
    """`validate_map` for a map that somebody else has read, which is how R calls it.

    ``at_points`` has a row a row of ``points``: ``located``, ``inside`` (bool) and ``value``.
    """
    task = _task(points, legend, reference, confusion, weights, n_boot, level, seed)
    return _judge(task, at_points, areas)


def map_positions(points: _Table, crs: Any, bounds: Sequence[float] | None) -> pd.DataFrame:
    """Where points are in a map's coordinates: ``x`` and ``y``, NaN where that is not known.

    With bounds (left, bottom, right, top) a warning tells if pixels within differ in area.
    """
    try:
        system = CRS.from_user_input(crs)
        to_map = Transformer.from_crs("EPSG:4326", system, always_xy=True)
    except ProjError as error:
        raise InputError(
            f"The map's coordinate reference system cannot be used: {error}"
        ) from error
    if bounds is not None and system.is_projected:
        _check_areas(system, bounds)
    lon, lat = point_positions(_points(points))
    known = np.isfinite(lon)
    place = np.full((len(lon), 2), np.nan)
    # LUCAS points lie where kilometre pixels meet, which PROJ's way there and back misses by 1 mm.
    place[known] = np.round(
        np.column_stack(to_map.transform(lon[known], lat[known])), 11 if system.is_geographic else 2
    )
    place[~np.isfinite(place).all(axis=1)] = np.nan
    return pd.DataFrame(place, columns=["x", "y"])


# ---- what is asked -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """Arguments, read and checked before a large map is."""

    table: pd.DataFrame
    legend: dict[float, str]
    reference: str
    counts: pd.DataFrame | None  # of the classifier: rows predicted, columns reference
    weights: _Floats
    n_boot: int
    level: float
    seed: int
    notes: list[str]


def _task(
    points: _Table,
    legend: _Legend,
    reference: str,
    confusion: _Confusion | None,
    weights: str | None,
    n_boot: int,
    level: float,
    seed: int,
) -> _Task:
    check_number("n_boot", n_boot, 0, whole=True)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    table = _points(points, reference, *([weights] if weights else []))
    if confusion is not None and reference == "habitat":
        raise InputError(
            "confusion holds the classifier's errors, but reference='habitat' is not what it said. "
            "Leave one of them out."
        )
    counts, notes = (None, []) if confusion is None else _confusion(confusion)
    return _Task(
        table=table,
        legend=_legend(legend),
        reference=reference,
        counts=counts,
        weights=np.ones(len(table)) if weights is None else _positive(table[weights], weights),
        n_boot=int(n_boot),
        level=float(level),
        seed=check_seed(seed),
        notes=notes,
    )


def _read(table: _Table) -> pd.DataFrame:
    read = tidy_types(table) if isinstance(table, pd.DataFrame) else read_table(table)
    return read.reset_index(drop=True)


def _points(points: _Table, *columns: str) -> pd.DataFrame:
    table = _read(points)
    require_columns(
        table,
        ["point_id", *columns],
        "validate_map()",
        "Give the table that vote() returns; reference= and weights= name columns of it.",
    )
    if table["point_id"].isna().any():
        raise InputError(f"points has {table['point_id'].isna().sum()} rows without a point_id.")
    return table


def _positive(column: pd.Series[Any], name: str) -> _Floats:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~(np.isfinite(numbers) & (numbers > 0))
    if bad.any():
        raise InputError(
            f"The weights {name} must be numbers of more than 0; {bad.sum()} of {len(bad)} are not, "
            f"such as {column[bad].iloc[0]!r}."
        )
    return numbers


def _legend(legend: _Legend) -> dict[float, str]:
    if isinstance(legend, Mapping):
        table = pd.DataFrame({"value": list(legend), "class": list(legend.values())})
    else:
        table = _read(legend)
    require_columns(table, ["value", "class"], "legend", "One row gives one value its class.")
    classes = table["class"].map(lambda c: None if pd.isna(c) else str(c).strip() or None)
    table = table.assign(**{"class": classes}).dropna(subset="class")
    values = pd.to_numeric(table["value"], errors="coerce")
    if values.isna().any():
        wrong = some(table.loc[values.isna(), "value"].tolist())
        raise InputError(f"The values of the legend must be the map's numbers; got {wrong}.")
    pairs = table.assign(value=values.astype("float64")).drop_duplicates(["value", "class"])
    twice = pairs.loc[pairs["value"].duplicated(), "value"]
    if len(twice):
        raise InputError(
            f"The legend gives several classes to the values {some([f'{v:g}' for v in twice])}."
        )
    return dict(zip(pairs["value"], pairs["class"], strict=True))


def _confusion(confusion: _Confusion) -> tuple[pd.DataFrame, list[str]]:
    """Counts of test points, rows predicted, and what to know of them."""
    found: Any = confusion
    if isinstance(confusion, str | os.PathLike) and Path(confusion).suffix.lower() == ".json":
        try:
            found = json.loads(Path(confusion).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"Cannot read the confusion {confusion}: {error}") from error
    elif not isinstance(confusion, Mapping):
        known = confusion if isinstance(confusion, Evaluation) else evaluate(confusion, n_boot=0)
        found = known.as_dict()
    try:
        rows, classes = found["confusion_rows"], [str(c) for c in found["classes"]]
        counts = pd.DataFrame(found["confusion"], index=classes, columns=classes, dtype="float64")
        n, n_points, unit = found["n"], found["n_points"], found["unit"]
        notes = [f"the classifier's confusion: {note}" for note in found["notes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "confusion must be what evaluate() returned for test points, the JSON it writes, or "
            f"the table of test points that vote() returned; this lacks {error}."
        ) from error
    if rows != "predicted":
        raise InputError(f"confusion must have rows predicted; its rows are {rows}.")
    if unit == "photo" and n != n_points:
        raise InputError(
            f"confusion is of {n} photos of {n_points} points, but it is points that err here: "
            "evaluate what vote() returned."
        )
    return counts, notes


# ---- the map -----------------------------------------------------------------------------------


def _read_map(
    raster: str | os.PathLike[str], table: pd.DataFrame, count: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The map's values at points, and their areas if they are to be counted."""
    try:
        import rasterio
    except ImportError as error:
        raise DependencyError(
            "validate_map() reads maps with rasterio, which is not installed (extra geo): "
            'pip install "rasterio>=1.3".'
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
            where = map_positions(table, source.crs.to_wkt(), source.bounds if count else None)
            return _read_pixels(source, where, count)
    except rasterio.errors.RasterioError as error:
        raise InputError(f"Cannot read the map {raster}: {error}") from error


def _read_pixels(
    source: Any, where: pd.DataFrame, count: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    to_pixel = ~source.transform
    x, y = where["x"].to_numpy(), where["y"].to_numpy()
    column = to_pixel.a * x + to_pixel.b * y + to_pixel.c
    row = to_pixel.d * x + to_pixel.e * y + to_pixel.f
    inside = (column >= 0) & (column <= source.width) & (row >= 0) & (row <= source.height)
    # The last pixels have all of their border.
    column = np.minimum(np.floor(np.where(inside, column, 0)), source.width - 1).astype(int)
    row = np.minimum(np.floor(np.where(inside, row, 0)), source.height - 1).astype(int)
    values = np.full(len(where), np.nan)
    areas: pd.Series[float] = pd.Series(dtype="float64")
    for window in _windows(source):
        (top, bottom), (left, right) = window.toranges()
        here = inside & (row >= top) & (row < bottom) & (column >= left) & (column < right)
        if not (count or here.any()):
            continue
        pixels = source.read(1, window=window, masked=True)
        values[here] = pixels[row[here] - top, column[here] - left].astype("float64").filled(np.nan)
        if count:
            weight = np.ones(bottom - top)
            if source.crs.is_geographic:
                middle = source.transform.f + source.transform.e * (np.arange(top, bottom) + 0.5)
                weight = np.cos(np.radians(middle))
            valid = ~np.ma.getmaskarray(pixels)
            codes, found = pd.factorize(pixels.data[valid])
            weight = np.broadcast_to(weight[:, None], valid.shape)[valid]
            sums = np.bincount(codes[codes >= 0], weight[codes >= 0], minlength=len(found))
            areas = areas.add(pd.Series(sums, index=found.astype("float64")), fill_value=0)
    at_points = {"located": np.isfinite(x), "inside": inside, "value": values}
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
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, 5), np.linspace(bottom, top, 5))
    to_degrees = Transformer.from_crs(system, system.geodetic_crs, always_xy=True)
    lon, lat = to_degrees.transform(x.ravel(), y.ravel())
    known = np.isfinite(lon) & np.isfinite(lat)
    scale = np.asarray(Proj(system).get_factors(lon[known], lat[known]).areal_scale)
    scale = scale[np.isfinite(scale)]
    if len(scale) and scale.max() > _UNEQUAL * scale.min():
        warn(
            f"Pixels of the map differ in area by a factor of up to {scale.max() / scale.min():.2g} "
            f"({system.name}), so counting them misjudges areas. Bring the map to an equal-area "
            "system such as EPSG:3035, or give areas."
        )


# ---- the answer --------------------------------------------------------------------------------


def _judge(task: _Task, at_points: pd.DataFrame, areas: _Table) -> MapAccuracy:
    labels = task.table[task.reference].astype("str")
    known = classes_of(
        task.table.assign(predicted=task.table[task.reference]).drop(
            columns="habitat", errors="ignore"
        )
    )
    known += sorted(set(labels.dropna()) - set(known))
    # A class that no point got has lost its label where the table went through CSV.
    for label in sorted(set(task.legend.values()) - set(known)):
        column = column_names([label])[0].removeprefix("p_")
        known = [label if c == column else c for c in known]
    on_map = at_points["value"].map(task.legend)
    used, left_out = _used(task.table, labels, at_points, on_map, known)
    area, lacking = _areas(areas, task.legend)
    n_map = on_map[used].value_counts()
    nowhere = sorted(set(n_map.index) - set(area[area > 0].index))
    if nowhere:
        raise InputError(f"areas has none for {some(nowhere)}, on which points lie.")
    blank = area[area > 0].drop(n_map.index)
    strange = [c for c in blank.index if c not in known]
    judged = float(area[n_map.index].sum() / (area.sum() + lacking.sum()))
    notes = _not_judged(blank, strange, lacking, area.sum() + lacking.sum(), known)
    for note in notes:
        warn(f"Not all of the map is judged: {note}.")

    classes = [c for c in known if c in area.index or c in set(labels[used])]
    counts, more = (None, []) if task.counts is None else _trusted(task.counts, classes)
    if counts is not None:
        classes = counts.index.tolist()
    code = {c: i for i, c in enumerate(classes)}
    sample = (
        on_map[used].map(code).to_numpy(dtype=np.int_),
        labels[used].map(code).to_numpy(dtype=np.int_),
        task.weights[used],
    )
    k = len(classes)
    cells = np.bincount(sample[0] * k + sample[1], minlength=k * k).reshape(k, k)
    n = cells.sum(axis=1)
    share = np.array([area.get(c, 0.0) for c in classes]) * (n > 0)
    share /= share.sum()
    lonely = bool((n == 1).any())
    undefined = np.concatenate([[lonely], n == 1, np.repeat(lonely, 2 * k)])
    # Where no point lies, the mapped area is no part of what is judged.
    mapped = np.where([c in blank.index for c in classes], np.nan, share)

    q, variance = shares_by_map_class(*sample, k)
    values = measures(q, share)
    se = np.where(undefined, np.nan, standard_errors(q, variance, share))
    ends = normal_interval(values, se, task.level)
    as_if_true = _estimate(classes, cells, mapped, q * share[:, None], (values, se, *ends))
    corrected = None
    if counts is not None:
        tested = counts.to_numpy()
        true = q @ np.linalg.inv(tested / tested.sum(axis=0)).T
        errors = np.full((3, len(values)), np.nan)
        if task.n_boot:
            errors[:] = bootstrap(
                *sample, tested, share, n_boot=task.n_boot, level=task.level, seed=task.seed
            )
        errors[:, undefined] = np.nan
        numbers = (measures(true, share), *errors)
        corrected = _estimate(classes, cells, mapped, true * share[:, None], numbers)
        if numbers[0][0] > 1 + 1e-9:
            more.append(
                "the points agree with the map more often than the classifier was right on its test "
                f"points (corrected {numbers[0][0]:.2f} before it was cut at 1): by chance, or because "
                "the test points are harder, or both err on the same land"
            )
        gone = corrected.per_class.loc[corrected.per_class["area_estimated"] <= 0, "class"].tolist()
        if gone:
            more.append(
                f"with the errors taken out nothing is left of {some(gone)}, so producer's accuracy "
                "is undefined"
            )
        more += task.notes
    if task.reference == "predicted" and "split" in task.table:
        trained = int((task.table.loc[used, "split"] == "train").sum())
        if trained:
            more.append(
                f"{trained} points are of the training split, where the classifier errs less than "
                "elsewhere"
            )
    return MapAccuracy(
        confusion=_square(cells, classes),
        as_if_true=as_if_true,
        corrected=corrected,
        left_out=left_out,
        n=int(used.sum()),
        judged=judged,
        level=task.level,
        n_boot=task.n_boot,
        seed=task.seed,
        notes=[*notes, *_notes(classes, cells, area), *more],
    )


def _used(
    table: pd.DataFrame,
    labels: pd.Series[str],
    at_points: pd.DataFrame,
    on_map: pd.Series[str],
    known: list[str],
) -> tuple[npt.NDArray[np.bool_], pd.DataFrame]:
    """Mark the rows that can be compared, and count the others by reason."""
    year = table["year"] if "year" in table else pd.Series(pd.NA, index=table.index, dtype="Int64")
    order = pd.DataFrame({"point": table["point_id"], "class": labels.notna(), "year": year})
    twice = order.duplicated(["point", "year"])
    if twice.any():
        raise InputError(
            f"Points occur more than once in a year ({some(order.loc[twice, 'point'].unique())}). "
            "Give one row of each, as vote() does."
        )
    order = order.sort_values(["class", "year"], kind="stable", na_position="first")
    older = order.duplicated("point", keep="last").sort_index()
    if older.any():
        inform(
            f"{int(older.sum())} rows are other years of points; each point counts once, by its latest "
            "year that has a class."
        )
    reasons = {
        "another year of the point counts": older,
        "no class": labels.isna(),
        "no coordinates": ~at_points["located"],
        "outside the map": ~at_points["inside"],
        "no data on the map": at_points["value"].isna(),
        "map value that the legend lacks": on_map.isna(),
        "map class that the points do not know": ~on_map.isin(known),
    }
    why = pd.Series("", index=table.index, dtype="str")
    for reason, rows in reasons.items():
        why[rows & (why == "")] = reason
    counts = why.value_counts().reindex(list(reasons)).dropna().astype(int)
    left_out = pd.DataFrame({"reason": counts.index.astype("str"), "n": counts.to_numpy()})
    used = (why == "").to_numpy()
    if not used.any():
        raise InputError(
            f"None of {len(table)} points can be compared with the map: {_reasons(left_out)}. The "
            f"points know the classes {some(known)}."
        )
    return used, left_out


def _reasons(left_out: pd.DataFrame) -> str:
    return "; ".join(f"{n} {reason}" for reason, n in left_out.itertuples(index=False))


def _areas(areas: _Table, legend: dict[float, str]) -> tuple[pd.Series[float], pd.Series[float]]:
    """Areas by class, and by value where the legend lacks it."""
    table = _read(areas)
    key = "value" if "value" in table else "class"
    require_columns(table, [key, "area"], "areas", "One row gives one value or class its area.")
    size = pd.to_numeric(table["area"], errors="coerce").astype("float64")
    if not (np.isfinite(size) & (size >= 0)).all():
        raise InputError("The column area of areas must hold numbers of 0 or more.")
    classes = table["value"].map(legend) if key == "value" else table["class"].astype("str")
    lacking = classes.isna() & (size > 0)
    return size.groupby(classes).sum(), size[lacking].set_axis(table.loc[lacking, key])


def _not_judged(
    blank: pd.Series[float],
    strange: list[str],
    lacking: pd.Series[float],
    whole: float,
    known: list[str],
) -> list[str]:
    def part(area: pd.Series[float]) -> str:
        return f"{100 * area.sum() / whole:.2g}% of the map's area"

    notes = []
    if len(lacking):
        values = some([f"{v:g}" for v in lacking.index])
        notes.append(f"{part(lacking)} has values that the legend lacks ({values})")
    if strange:
        notes.append(
            f"{part(blank[strange])} is {some(strange)}, but the points only know {some(known, 12)}"
        )
    empty = blank.drop(strange)
    if len(empty):
        notes.append(f"{part(empty)} is {some(list(empty.index))}, where no point lies")
    return notes


def _trusted(counts: pd.DataFrame, classes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The confusion of the classes that matter, if it can tell them apart, and what to know of it."""
    tested, right = counts.sum(), pd.Series(np.diag(counts), index=counts.index)
    others = [str(c) for c in counts if c not in classes]
    used = classes + [c for c in others if tested[c] > 1 and right[c] > 0]
    kept = counts.reindex(index=used, columns=used, fill_value=0.0)
    advice = "Test more points, or merge it with another class in legend, points and test points."
    few = kept.columns[kept.sum() < 2].tolist()
    if few:
        raise InputError(
            f"confusion has fewer than two test points that are {some(few)}, so the classifier's "
            f"errors there are not known. {advice}"
        )
    never = kept.columns[np.diag(kept) == 0].tolist()
    if never:
        raise InputError(
            f"The classifier got none of the test points right that are {some(never)}, so its "
            f"errors there cannot be taken out. {advice}"
        )
    if np.linalg.matrix_rank(kept.to_numpy()) < len(kept):
        raise InputError(
            f"The confusion of {some(kept.columns, 12)} cannot be inverted: the classifier does not "
            "tell these classes apart, so its errors cannot be taken out."
        )
    notes = [
        "it is assumed that classifier and map err independently; where both err on the same land, "
        "the map is worse than the corrected numbers say"
    ]
    rough = kept.columns[kept.sum() < _FEW].tolist()
    if rough:
        notes.append(f"fewer than {_FEW} test points are {some(rough)}: corrections are rough")
    unused = int(counts.to_numpy().sum() - kept.to_numpy().sum())
    if unused:
        notes.append(f"{unused} test points of classes that do not occur here are not used")
    return kept, notes


def _estimate(
    classes: list[str],
    cells: npt.NDArray[np.int_],
    mapped: _Floats,
    proportions: _Floats,
    numbers: tuple[_Floats, _Floats, _Floats, _Floats],
) -> MapEstimate:
    """Put `measures`, their standard errors, low and high ends into tables."""
    values, se, low, high = numbers
    values, low, high = (np.clip(v, 0, 1) for v in (values, low, high))
    k = len(classes)
    columns: dict[str, Any] = {
        "class": classes,
        "n_map": cells.sum(axis=1),
        "n_reference": cells.sum(axis=0),
    }
    for i, (name, short) in enumerate(
        [
            ("users_accuracy", "users"),
            ("producers_accuracy", "producers"),
            ("area_estimated", "area"),
        ]
    ):
        these = slice(1 + i * k, 1 + (i + 1) * k)
        if short == "area":
            columns["area_mapped"] = mapped
        columns[name] = values[these]
        for what, found in (("se", se), ("low", low), ("high", high)):
            columns[f"{short}_{what}"] = found[these]
    return MapEstimate(
        overall_accuracy=float(values[0]),
        overall_accuracy_se=float(se[0]),
        overall_accuracy_interval=(float(low[0]), float(high[0])),
        per_class=pd.DataFrame(columns),
        proportions=_square(proportions, classes),
    )


def _square(cells: npt.NDArray[Any], classes: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        cells,
        index=pd.Index(classes, name="map"),
        columns=pd.Index(classes, name="reference"),
    )


def _notes(classes: list[str], cells: npt.NDArray[np.int_], area: pd.Series[float]) -> list[str]:
    def named(which: npt.NDArray[np.bool_]) -> str:
        return some([c for c, yes in zip(classes, which, strict=True) if yes], 12)

    n, n_reference = cells.sum(axis=1), cells.sum(axis=0)
    mapped = np.array([area.get(c, 0.0) > 0 for c in classes])
    notes = []
    if (n == 1).any():
        notes.append(
            f"only one point lies on map class {named(n == 1)}, so standard errors that need it are "
            "undefined; merge classes in the legend, or give more points"
        )
    alike = (n > 1) & (cells.max(axis=1) == n)
    if alike.any():
        notes.append(
            f"all points on map class {named(alike)} are of one class, so a standard error of 0 "
            "there tells nothing"
        )
    if (~mapped & (n_reference > 0)).any():
        notes.append(
            f"the map has no {named(~mapped & (n_reference > 0))}; points of it can only be errors"
        )
    if (n_reference == 0).any():
        notes.append(
            f"no point is {named(n_reference == 0)}, so as if that were true, producer's accuracy is "
            "undefined"
        )
    return notes


def _shown(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.3f}"
