"""Accuracy by distance to what was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_number
from ._base.intervals import inverse_numbers, ratio_of, wilson_interval, worth_of
from ._base.places import kilometres_to_nearest
from ._base.signatures import checked
from ._base.tables import as_table
from ._base.types import Floats, Photos, Table
from .agreement.compared import compared_rows, points_of
from .blocks import place_of_points
from .errors import InputError, inform
from .photos import as_photos

__all__ = ["COLUMN", "distance_table", "error_by_distance"]

#: Kilometres to the nearest point trained on, as cross_validate() writes them.
COLUMN = "km_to_training"
_BREAKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@checked
def error_by_distance(
    predictions: Table,
    training: Photos | None = None,
    *,
    breaks: Sequence[float] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Accuracy by the distance of points to the nearest point trained on.

    Where accuracy falls with distance, a test among the training points says nothing of land farther
    off. The distance from which it no longer falls is how large blocks should be.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        Labelled photos or points that were not trained on: what `cross_validate` returned, or `vote`
        made of it; or what `classify` or `vote` returned, with positions.
    training : pandas.DataFrame, path or list of paths, optional
        The photos trained on, with positions. Not needed where predictions have ``km_to_training``.
    breaks : sequence of float, optional
        Kilometres at which bins begin; the last has no end. Default: 0, 1, 2, 5, 10, 20, 50, 100, 200, 500.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row a bin: ``low``, ``high`` (kilometres), ``n`` (rows), ``n_points``, ``distance`` (their mean,
        in kilometres), ``accuracy`` with ``accuracy_low`` and ``accuracy_high`` (Wilson's interval on as
        many independent rows as the points are worth). Empty bins have ``n`` 0 and missing values.
        ``attrs["accuracy"]`` is that of all.

    Raises
    ------
    InputError
        If there are no labels, no distances, or breaks do not rise.

    Notes
    -----
    Intervals take points for independent. Neighbouring points are not where errors cluster, and bins
    differ in their land and classes, not only in distance.
    """
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    edges = _edges(breaks)
    what = words.call("error_by_distance")
    table = as_table(predictions).reset_index(drop=True)
    compared = compared_rows(table, "habitat", what)
    kilometres = _kilometres(compared.rows, training, what)
    is_known = np.isfinite(kilometres)
    if not is_known.any():
        raise InputError(f"{what} needs distances, but of no row the position is known.")
    if not is_known.all():
        inform(f"{int((~is_known).sum())} of {len(is_known)} rows without a distance are left out.")
    is_right = (compared.truth == compared.guess)[is_known]
    point = pd.factorize(points_of(compared.rows)[is_known])[0]
    return _binned(kilometres[is_known], is_right, point, edges, level)


def _edges(breaks: Sequence[float] | None) -> Floats:
    """Where bins begin, checked."""
    edges = np.atleast_1d(np.asarray(_BREAKS if breaks is None else breaks, dtype=np.float64))
    if not (
        len(edges) and np.isfinite(edges).all() and edges[0] >= 0 and (np.diff(edges) > 0).all()
    ):
        raise InputError(
            f"{words.arg('breaks')} must be kilometres of at least 0, each more than the one before."
        )
    return edges


def _kilometres(rows: pd.DataFrame, training: Photos | None, what: str) -> Floats:
    """The distance of each row to the nearest point trained on."""
    if training is not None:
        # Votes have no paths: a point without an id would be its path.
        with_paths = rows if "path" in rows else rows.assign(path=rows["point_id"])
        return kilometres_to_nearest(
            place_of_points(with_paths), place_of_points(as_photos(training))
        )
    if COLUMN not in rows:
        raise InputError(
            f"{what} needs the photos trained on as {words.arg('training')}, or the column {COLUMN} that "
            f"{words.call('cross_validate')} makes."
        )
    return pd.to_numeric(rows[COLUMN], errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _binned(
    kilometres: Floats,
    is_right: npt.NDArray[np.bool_],
    point: npt.NDArray[np.intp],
    edges: Floats,
    level: float,
) -> pd.DataFrame:
    """The table, of rows that are right or not, so many kilometres from training."""
    bins = np.searchsorted(edges, kilometres, side="right") - 1
    is_inside = bins >= 0
    bins, kilometres = bins[is_inside], kilometres[is_inside]
    is_right, point = is_right[is_inside], pd.factorize(point[is_inside])[0]
    if not len(bins):
        raise InputError(f"No row is as far from training as {words.arg('breaks')} begin.")
    k, n_points = len(edges), int(point.max()) + 1
    of, right = np.zeros((n_points, k)), np.zeros((n_points, k))
    np.add.at(of, (point, bins), 1.0)
    np.add.at(right, (point, bins), is_right.astype(np.float64))
    whole = ratio_of(right.sum(axis=1)[:, None], of.sum(axis=1)[:, None])
    each = ratio_of(right, of)
    inverse = inverse_numbers(each, worth_of(whole, n_points, level), level)
    interval = wilson_interval(each.value, inverse, level)
    n = of.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(bins, kilometres, minlength=k) / n
    table = pd.DataFrame(
        {
            "low": edges,
            "high": np.append(edges[1:], np.inf),
            "n": n.astype(np.int64),
            "n_points": (of > 0).sum(axis=0),
            "distance": mean,
            "accuracy": each.value,
            "accuracy_low": interval.low,
            "accuracy_high": interval.high,
        }
    )
    table.attrs["accuracy"] = float(is_right.mean())
    return table


def distance_table(table: Table) -> pd.DataFrame:
    """What `error_by_distance` returned, as it is; or made of predictions with its defaults."""
    given = as_table(table)
    if {"low", "high", "accuracy_low", "accuracy_high"} <= set(given.columns):
        if "accuracy" not in given.attrs:  # lost on the way through a file
            right = (given["accuracy"].fillna(0) * given["n"]).sum()
            given.attrs["accuracy"] = float(right / given["n"].sum())
        return given
    return error_by_distance(given)
