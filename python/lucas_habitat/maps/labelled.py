"""A map judged by points whose class was seen: from their labels, and with the predictions of others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from .._base.classes import classes_of
from .._base.powered import Few, Many, one_hot, power_of, powered_shares, read_scores
from .._base.tables import positive_weights
from .._base.types import Floats
from ..errors import some
from .arguments import Task
from .estimators import (
    Measures,
    make_estimate,
    measures,
    standard_errors,
    wilson_uncertainty,
)
from .results import Independence, MapEstimate

__all__ = ["ByLabels", "judge_by_labels"]

_FEW = 30  # labelled points below which numbers are rough
_SURE = 0.05  # the p-value below which an assumption is called doubtful


class ByLabels(NamedTuple):
    """What labelled points say of a map."""

    from_labels: MapEstimate
    prediction_powered: MapEstimate | None  # where there are classified points without a label
    independence: Independence | None  # where labelled points were classified
    notes: list[str]


def judge_by_labels(
    task: Task, at_labelled: pd.DataFrame, at_points: pd.DataFrame, area: pd.Series[float]
) -> ByLabels | None:
    """Accuracy and areas by labelled points; None where none of them lies on the map."""
    if task.labelled is None:
        return None
    checked = _on_map(task, task.labelled, at_labelled, area)
    if checked.empty:
        return None
    notes = _notes_on_labels(checked, area)
    from_labels = _estimate(task, checked, None, area)
    classified = _classified(checked)
    others = _on_map(task, _classified(task.table), at_points, area)
    others = others[~others["point_id"].isin(set(checked["point_id"]))]
    powered = None
    if len(classified) > 1 and len(others):
        # Every map class that labels judge, so that both estimates are of the same area.
        if set(classified["_map"]) == set(checked["_map"]):
            powered = _estimate(
                task, classified, others[others["_map"].isin(checked["_map"])], area
            )
        else:
            notes.append("labelled points without a prediction keep predictions from being used")
    independence = _test_independence(classified)
    if independence is not None:
        notes.append(independence.note)
    return ByLabels(from_labels, powered, independence, notes)


def _on_map(
    task: Task, rows: pd.DataFrame, at: pd.DataFrame, area: pd.Series[float]
) -> pd.DataFrame:
    """The rows on classes of the map, each point once, by its latest year; the class as ``_map``."""
    here = at.loc[rows.index]
    on_map = here["value"].map(task.legend)
    is_there = here["located"] & here["inside"] & on_map.isin(area.index[area > 0])
    weight = (
        np.ones(len(rows))
        if task.weights_column is None
        else positive_weights(rows[task.weights_column], task.weights_column)
    )
    there = rows.assign(_map=on_map, _weight=weight)[is_there.to_numpy()]
    if "year" in there:
        there = there.sort_values("year", kind="stable", na_position="first")
    return there.drop_duplicates("point_id", keep="last").sort_index()


def _classified(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that were classified and not trained on."""
    if "predicted" not in rows:
        return rows[:0]
    is_trained_on = rows["split"] == "train" if "split" in rows else False
    return rows[rows["predicted"].notna() & ~np.asarray(is_trained_on, dtype=bool)]


def _estimate(
    task: Task, checked: pd.DataFrame, others: pd.DataFrame | None, area: pd.Series[float]
) -> MapEstimate:
    """Accuracy and areas from the labels, and from the predictions of others where there are some."""
    if others is None:
        labels = checked["habitat"].astype("str")
        known = classes_of(checked.assign(predicted=checked["habitat"])[["predicted"]])
        classes = [*known, *sorted(set(checked["_map"]) - set(known))]
        label = own = one_hot(labels, classes)
        other, others = own[:0], checked[:0]
    else:
        scores = read_scores(checked, others, "habitat")
        classes = [*scores.classes, *sorted(set(checked["_map"]) - set(scores.classes))]
        more = ((0, 0), (0, len(classes) - len(scores.classes)))
        label, own, other = (
            np.pad(part, more) for part in (scores.labels, scores.own, scores.other)
        )
    k = len(classes)
    at, at_others = (
        pd.Categorical(rows["_map"], categories=classes).codes for rows in (checked, others)
    )
    weight, weight_others = (
        rows["_weight"].to_numpy(dtype=np.float64) for rows in (checked, others)
    )
    strata = {}
    for i in np.unique(at):
        few, many = at == i, at_others == i
        numbers = np.arange(few.sum() + many.sum())
        strata[i] = (
            Few(label[few], own[few], numbers[: few.sum()], weight[few]),
            Many(other[many], numbers[few.sum() :], weight_others[many]),
        )
    share = np.array([area.get(c, 0.0) if i in strata else 0.0 for i, c in enumerate(classes)])
    mapped = share / share.sum()
    power = power_of([(few, many, mapped[i]) for i, (few, many) in strata.items()])
    shares, variance, by_labels = np.zeros((3, k, k))
    alone = np.zeros(k)
    for i, (few, many) in strata.items():
        result = powered_shares(few, many, power if len(few.point) > 1 else 0.0)
        shares[i], by_labels[i] = result.share, result.by_labels
        # Of a single point no variance is known: the largest that there is.
        variance[i] = np.where(np.isfinite(result.variance), result.variance, 0.25)
        alone[i] = (few.weight**2).sum() / few.weight.sum() ** 2
    cells = np.zeros((k, k), dtype=np.int_)
    np.add.at(cells, (at, label.argmax(axis=1)), 1)
    values, errors = measures(shares, mapped), standard_errors(shares, variance, mapped)
    uncertainty = wilson_uncertainty(
        measures(by_labels, mapped),
        errors,
        _alone(cells, mapped, alone),
        values,
        _telling(cells),
        len(checked),
        task.level,
    )
    return make_estimate(classes, cells, mapped, shares * mapped[:, None], values, uncertainty)


def _alone(cells: npt.NDArray[np.int_], mapped: Floats, alone: Floats) -> Measures:
    """Inverse effective numbers of points of labels alone."""
    whole = float((mapped**2 * alone).sum())
    in_class = np.maximum(cells.sum(axis=0), 1)
    # As many points as lie in the class, each worth what a point is worth on the whole map.
    return Measures(
        whole,
        np.where(alone > 0, alone, 1.0),
        np.minimum(cells.sum() * whole / in_class, 1.0),
        np.full(len(mapped), whole),
    )


def _telling(cells: npt.NDArray[np.int_]) -> Measures:
    """Points that differ from the others, of each measure."""
    n, right = cells.sum(), np.diag(cells)
    on_map, in_class = cells.sum(axis=1), cells.sum(axis=0)
    return Measures(
        min(right.sum(), n - right.sum()),
        np.minimum(right, on_map - right),
        np.minimum(right, in_class - right),
        np.minimum(in_class, n - in_class),
    )


def _test_independence(classified: pd.DataFrame) -> Independence | None:
    """Whether the classifier errs more often where the map is wrong, among points of one true class.

    Given what is there, and how often each errs there, the number of points at which both err has a
    hypergeometric distribution in each class if they err independently; the p-value is that of as many or
    more over all classes.
    """
    if classified.empty:
        return None
    truth = classified["habitat"].astype("str")
    is_wrong = (classified["predicted"].astype("str") != truth).to_numpy()
    is_map_wrong = (classified["_map"].astype("str") != truth).to_numpy()
    if is_wrong.all() or not is_wrong.any() or is_map_wrong.all() or not is_map_wrong.any():
        return None
    chance, both = np.ones(1), 0
    for label in truth.unique():
        here = (truth == label).to_numpy()
        n, wrong, map_wrong = here.sum(), is_wrong[here].sum(), is_map_wrong[here].sum()
        chance = np.convolve(chance, stats.hypergeom(n, wrong, map_wrong).pmf(np.arange(n + 1)))
        both += int((is_wrong & is_map_wrong & here).sum())
    p_value = float(np.clip(chance[both:].sum(), 0, 1))
    return Independence(
        n=len(classified),
        errors_where_map_is_right=float(is_wrong[~is_map_wrong].mean()),
        errors_where_map_is_wrong=float(is_wrong[is_map_wrong].mean()),
        p_value=p_value,
        is_doubtful=p_value < _SURE,
    )


def _notes_on_labels(checked: pd.DataFrame, area: pd.Series[float]) -> list[str]:
    """What to know of the labels."""
    n = checked["_map"].value_counts()
    notes = [
        f"the estimates from {len(checked)} labelled points take for granted that these were drawn at "
        "random within map classes, or with weights"
    ]
    if len(checked) < _FEW:
        notes.append(f"fewer than {_FEW} points have a label: their intervals are rough")
    lacking = area[area > 0].drop(n.index)
    if len(lacking):
        part = 100 * lacking.sum() / area.sum()
        notes.append(
            f"no labelled point lies on map class {some(list(lacking.index))}, {part:.2g}% of the area: "
            "estimates from labels are of the rest"
        )
    lonely = n.index[n == 1].tolist()
    if lonely:
        notes.append(
            f"only one labelled point lies on map class {some(sorted(lonely))}; its variance is taken as "
            "large as it can be"
        )
    return notes
