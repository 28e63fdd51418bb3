"""Ground truth for maps: the accuracy of a land-cover map by classified points."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.classes import classes_of, column_names
from .._base.signatures import checked
from .._base.types import Column, Floats, Table
from ..errors import InputError, inform, some, warn
from .arguments import Confusion, Legend, Task, class_areas, make_task
from .estimators import (
    Measures,
    Sample,
    Uncertainty,
    bootstrap,
    make_estimate,
    measures,
    normal_uncertainty,
    shares_by_map_class,
    square_confusion,
)
from .labelled import judge_by_labels
from .raster import read_map
from .results import MapAccuracy, MapEstimate, counted_reasons

__all__ = ["judge_map", "validate_map"]

_FEW = 10  # test points of a class


@checked
def validate_map(
    raster: str | os.PathLike[str],
    points: Table,
    legend: Legend,
    *,
    reference: Column = "predicted",
    confusion: Confusion | None = None,
    labelled: Table | None = None,
    weights: Column | None = None,
    areas: Table | None = None,
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
    reference : str or column, default "predicted"
        The column that holds the points' class, by name or as many values as there are points;
        ``"habitat"`` where it was seen in the field.
    confusion : Evaluation, mapping, pandas.DataFrame or path, optional
        How the classifier errs: what `evaluate` returned for test points (or its JSON), or the
        table of test points that `vote` returned. Its errors are then taken out of the map's, which is
        right only if classifier and map err independently.
    labelled : pandas.DataFrame or path, optional
        Points whose class was seen (``habitat``), with ``point_id``, their place and, where they were
        classified, ``predicted`` and ``p_<class>``: drawn at random within map classes, or with
        ``weights``. Default: those of ``points`` that have a ``habitat``. The accuracy that they tell is
        the one to quote.
    weights : str or column, optional
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

    It is assumed there that, given what is there, the classifier errs independently of the map. Where
    both err on the same land, the map is worse than the corrected numbers say: in a simulation
    (benchmarks/trust/maps.py) in which a quarter of the land is hard for both, a map that is right on
    85 % came out as 95 %. `independence` of the result tests that on labelled points: within true
    classes, does the classifier err more often where the map is wrong (exact, one-sided)?

    Labelled points need no such assumption. ``from_labels`` is the stratified estimate from the labels;
    ``prediction_powered`` adds, in each map class, ``power`` times the difference between the mean
    prediction of the points without a label and of those with one (Angelopoulos et al. 2023), the same
    power everywhere, chosen so that variances are least. Their intervals are Wilson's at the effective number
    of labelled points. A point seen in several years counts once, by its latest year; of a confusion,
    the rows of a point count as one.

    References
    ----------
    Angelopoulos, A. N., Duchi, J. C. & Zrnic, T. (2023). PPI++: efficient prediction-powered inference.
    arXiv:2311.01453.

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
    task = make_task(points, legend, reference, confusion, labelled, weights, n_boot, level, seed)
    at_points, counted = read_map(raster, task.table, areas is None)
    at_labelled = at_points
    if task.is_labelled_apart and task.labelled is not None:
        read, _ = read_map(raster, task.labelled, False)
        at_labelled = read.set_axis(task.labelled.index)
    return _judge(task, at_points, at_labelled, counted if areas is None else areas)


def judge_map(
    points: Table,
    at_points: pd.DataFrame,
    legend: Legend,
    areas: Table,
    *,
    reference: Column,
    confusion: Confusion | None,
    weights: Column | None,
    n_boot: int,
    level: float,
    seed: int,
    labelled: Table | None = None,
    at_labelled: pd.DataFrame | None = None,
) -> MapAccuracy:
    """`validate_map` for a map that somebody else has read, which is how R calls it.

    ``at_points`` has a row a row of ``points``: ``located``, ``inside`` (bool) and ``value``; so has
    ``at_labelled`` of ``labelled``.
    """
    task = make_task(points, legend, reference, confusion, labelled, weights, n_boot, level, seed)
    return _judge(task, at_points, at_points if at_labelled is None else at_labelled, areas)


# ---- the judgement -----------------------------------------------------------------------------
def _judge(
    task: Task, at_points: pd.DataFrame, at_labelled: pd.DataFrame, areas: Table
) -> MapAccuracy:
    """Compare the points with the map at them."""
    labels = task.table[task.reference].astype("str")
    point_classes = _point_classes(task, labels)
    on_map = at_points["value"].map(task.legend)
    is_used, left_out = _usable(task.table, labels, at_points, on_map, point_classes)
    area, lacking = class_areas(areas, task.legend)
    n_map = on_map[is_used].value_counts()
    without_area = sorted(set(n_map.index) - set(area[area > 0].index))
    if without_area:
        raise InputError(f"areas has none for {some(without_area)}, on which points lie.")
    no_points = area[area > 0].drop(n_map.index)
    unknown = [c for c in no_points.index if c not in point_classes]
    total = float(area.sum() + lacking.sum())
    notes = _not_judged(no_points, unknown, lacking, total, point_classes)
    for note in notes:
        warn(f"Not all of the map is judged: {note}.")

    classes = [c for c in point_classes if c in area.index or c in set(labels[is_used])]
    trusted = None if task.counts is None else _trusted(task.counts, classes)
    if trusted is not None:
        classes = trusted.counts.index.tolist()
    code = {c: i for i, c in enumerate(classes)}
    sample = Sample(
        on_map[is_used].map(code).to_numpy(dtype=np.int_),
        labels[is_used].map(code).to_numpy(dtype=np.int_),
        task.weights[is_used],
    )
    k = len(classes)
    cells = np.bincount(sample.on_map * k + sample.label, minlength=k * k).reshape(k, k)
    n = cells.sum(axis=1)
    share = np.array([area.get(c, 0.0) for c in classes]) * (n > 0)
    share /= share.sum()
    # Area mapped as a class on which no point lies is not judged.
    mapped = np.where([c in no_points.index for c in classes], np.nan, share)
    # With a single point on a map class there is no variance to estimate.
    is_lonely = bool((n == 1).any())
    undefined = Measures(is_lonely, n == 1, is_lonely, is_lonely)

    shares, variance = shares_by_map_class(sample, k)
    as_if_true = make_estimate(
        classes,
        cells,
        mapped,
        shares * share[:, None],
        measures(shares, share),
        normal_uncertainty(shares, variance, share, task.level).without(undefined),
    )
    corrected, correction_notes = None, []
    if trusted is not None:
        tested = trusted.counts.to_numpy()
        true = shares @ np.linalg.inv(tested / tested.sum(axis=0)).T
        values = measures(true, share)
        corrected = make_estimate(
            classes,
            cells,
            mapped,
            true * share[:, None],
            values,
            _corrected_uncertainty(task, sample, tested, share, values).without(undefined),
        )
        correction_notes = [*trusted.notes, *_notes_on_correction(values, corrected), *task.notes]
    by_labels = judge_by_labels(task, at_labelled, at_points, area)
    if by_labels is None and corrected is not None:
        correction_notes.append(
            "test points that lie on the map tell its accuracy without that assumption: give them, with "
            "their habitat, as labelled"
        )
    return MapAccuracy(
        confusion=square_confusion(cells, classes),
        as_if_true=as_if_true,
        corrected=corrected,
        left_out=left_out,
        n=int(is_used.sum()),
        judged=float(area[n_map.index].sum() / total),
        level=task.level,
        n_boot=task.n_boot,
        seed=task.seed,
        notes=[
            *notes,
            *_notes(classes, cells, area),
            *correction_notes,
            *_notes_on_training(task, is_used),
            *(by_labels.notes if by_labels else []),
        ],
        from_labels=by_labels.from_labels if by_labels else None,
        prediction_powered=by_labels.prediction_powered if by_labels else None,
        independence=by_labels.independence if by_labels else None,
    )


def _point_classes(task: Task, labels: pd.Series[str]) -> list[str]:
    """The classes that points can have, by their labels."""
    classes = classes_of(
        task.table.assign(predicted=task.table[task.reference]).drop(
            columns="habitat", errors="ignore"
        )
    )
    classes += sorted(set(labels.dropna()) - set(classes))
    # In a table that was read from CSV, a class that no point has is called by its column.
    for label in sorted(set(task.legend.values()) - set(classes)):
        column = column_names([label])[0].removeprefix("p_")
        classes = [label if c == column else c for c in classes]
    return classes


def _corrected_uncertainty(
    task: Task, sample: Sample, tested: Floats, share: Floats, values: Measures
) -> Uncertainty:
    """The uncertainty of the corrected numbers, by bootstrap; NaN without samples."""
    if task.n_boot:
        return bootstrap(
            sample,
            tested,
            share,
            worth=task.worth,
            n_boot=task.n_boot,
            level=task.level,
            seed=task.seed,
        )
    nothing = Measures(*[np.full(np.shape(v), np.nan) for v in values])
    return Uncertainty(nothing, nothing, nothing)


def _notes_on_correction(values: Measures, corrected: MapEstimate) -> list[str]:
    """Signs that the classifier's errors on the map's points are other than on its test points."""
    notes = []
    if values.overall > 1 + 1e-9:
        notes.append(
            "the points agree with the map more often than the classifier was right on its test "
            f"points (corrected {values.overall:.2f} before it was cut at 1): by chance, or because "
            "the test points are harder, or both err on the same land"
        )
    per_class = corrected.per_class
    vanished = per_class.loc[per_class["area_estimated"] <= 0, "class"].tolist()
    if vanished:
        notes.append(
            f"with the errors taken out nothing is left of {some(vanished)}, so producer's accuracy "
            "is undefined"
        )
    return notes


def _notes_on_training(task: Task, is_used: npt.NDArray[np.bool_]) -> list[str]:
    """Say where the classifier has seen the points it judges by."""
    if task.reference != "predicted" or "split" not in task.table:
        return []
    trained = int((task.table.loc[is_used, "split"] == "train").sum())
    if not trained:
        return []
    return [
        f"{trained} points are of the training split, where the classifier errs less than elsewhere"
    ]


def _usable(
    table: pd.DataFrame,
    labels: pd.Series[str],
    at_points: pd.DataFrame,
    on_map: pd.Series[str],
    point_classes: list[str],
) -> tuple[npt.NDArray[np.bool_], pd.DataFrame]:
    """Mark the rows that can be compared, and count the others by reason."""
    year = table["year"] if "year" in table else pd.Series(pd.NA, index=table.index, dtype="Int64")
    order = pd.DataFrame({"point": table["point_id"], "class": labels.notna(), "year": year})
    is_repeated = order.duplicated(["point", "year"])
    if is_repeated.any():
        raise InputError(
            f"Points occur more than once in a year ({some(order.loc[is_repeated, 'point'].unique())}). "
            f"Give one row of each, as {words.call('vote')} does."
        )
    order = order.sort_values(["class", "year"], kind="stable", na_position="first")
    is_older = order.duplicated("point", keep="last").sort_index()
    if is_older.any():
        inform(
            f"{int(is_older.sum())} rows are other years of points; each point counts once, by its latest "
            "year that has a class."
        )
    reasons = {
        "another year of the point counts": is_older,
        "no class": labels.isna(),
        "no coordinates": ~at_points["located"],
        "outside the map": ~at_points["inside"],
        "no data on the map": at_points["value"].isna(),
        "map value that the legend lacks": on_map.isna(),
        "map class that the points do not know": ~on_map.isin(point_classes),
    }
    reason = pd.Series("", index=table.index, dtype="str")
    for text, is_so in reasons.items():
        reason[is_so & (reason == "")] = text
    counts = reason.value_counts().reindex(list(reasons)).dropna().astype(int)
    left_out = pd.DataFrame({"reason": counts.index.astype("str"), "n": counts.to_numpy()})
    is_used = (reason == "").to_numpy()
    if not is_used.any():
        raise InputError(
            f"None of {len(table)} points can be compared with the map: {counted_reasons(left_out)}. The "
            f"points know the classes {some(point_classes)}."
        )
    return is_used, left_out


def _not_judged(
    no_points: pd.Series[float],
    unknown: list[str],
    lacking: pd.Series[float],
    total: float,
    point_classes: list[str],
) -> list[str]:
    """The parts of the map that are not judged, with their shares of its area."""

    def part(area: pd.Series[float]) -> str:
        return f"{100 * area.sum() / total:.2g}% of the map's area"

    notes = []
    if len(lacking):
        values = some([f"{v:g}" for v in lacking.index])
        notes.append(f"{part(lacking)} has values that the legend lacks ({values})")
    if unknown:
        notes.append(
            f"{part(no_points[unknown])} is {some(unknown)}, but the points only know "
            f"{some(point_classes, 12)}"
        )
    others = no_points.drop(unknown)
    if len(others):
        notes.append(f"{part(others)} is {some(list(others.index))}, where no point lies")
    return notes


class _Trusted(NamedTuple):
    """The classifier's confusion, of the classes that matter, and what to know of it."""

    counts: pd.DataFrame
    notes: list[str]


def _trusted(counts: pd.DataFrame, classes: list[str]) -> _Trusted:
    """The confusion of the classes that matter, if it can tell them apart."""
    n_tested, n_right = counts.sum(), pd.Series(np.diag(counts), index=counts.index)
    others = [str(c) for c in counts if c not in classes]
    chosen = classes + [c for c in others if n_tested[c] > 1 and n_right[c] > 0]
    confusion = counts.reindex(index=chosen, columns=chosen, fill_value=0.0)
    advice = "Test more points, or merge it with another class in legend, points and test points."
    few = confusion.columns[confusion.sum() < 2].tolist()
    if few:
        raise InputError(
            f"confusion has fewer than two test points that are {some(few)}, so the classifier's "
            f"errors there are not known. {advice}"
        )
    unrecognised = confusion.columns[np.diag(confusion) == 0].tolist()
    if unrecognised:
        raise InputError(
            f"The classifier got none of the test points right that are {some(unrecognised)}, so its "
            f"errors there cannot be taken out. {advice}"
        )
    if np.linalg.matrix_rank(confusion.to_numpy()) < len(confusion):
        raise InputError(
            f"The confusion of {some(confusion.columns, 12)} cannot be inverted: the classifier does not "
            "tell these classes apart, so its errors cannot be taken out."
        )
    notes = [
        "it is assumed that classifier and map err independently; where both err on the same land, "
        "the map is worse than the corrected numbers say"
    ]
    few_tested = confusion.columns[confusion.sum() < _FEW].tolist()
    if few_tested:
        notes.append(f"fewer than {_FEW} test points are {some(few_tested)}: corrections are rough")
    unused = int(counts.to_numpy().sum() - confusion.to_numpy().sum())
    if unused:
        notes.append(f"{unused} test points of classes that do not occur here are not used")
    return _Trusted(confusion, notes)


def _notes(classes: list[str], cells: npt.NDArray[np.int_], area: pd.Series[float]) -> list[str]:
    """What to know of the points on each map class before quoting the numbers."""

    def named(is_meant: npt.NDArray[np.bool_]) -> str:
        return some([c for c, is_it in zip(classes, is_meant, strict=True) if is_it], 12)

    n, n_reference = cells.sum(axis=1), cells.sum(axis=0)
    is_mapped = np.array([area.get(c, 0.0) > 0 for c in classes])
    notes = []
    if (n == 1).any():
        notes.append(
            f"only one point lies on map class {named(n == 1)}, so standard errors that need it are "
            "undefined; merge classes in the legend, or give more points"
        )
    is_uniform = (n > 1) & (cells.max(axis=1) == n)
    if is_uniform.any():
        notes.append(
            f"all points on map class {named(is_uniform)} are of one class, so a standard error of 0 "
            "there tells nothing"
        )
    if (~is_mapped & (n_reference > 0)).any():
        notes.append(
            f"the map has no {named(~is_mapped & (n_reference > 0))}; points of it can only be errors"
        )
    if (n_reference == 0).any():
        notes.append(
            f"no point is {named(n_reference == 0)}, so as if that were true, producer's accuracy is "
            "undefined"
        )
    return notes
