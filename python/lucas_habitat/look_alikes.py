"""Photos of different points that show the same: copies, and the same scene taken again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base.progress import Progress
from ._base.signatures import checked
from ._base.types import Photos
from .blocks import NEAR_DUPLICATES
from .engines import choose_target
from .errors import inform, some, warn
from .features import extract_features
from .images.decode import Preprocessing
from .images.heic import count_without_heic, warn_of_heic
from .networks.backbones import load_backbone
from .photos import as_photos, groups_of
from .sources import base_name

__all__ = ["near_duplicates", "near_training"]

Array = npt.NDArray[np.float32]

#: Two photos are near-duplicates when their distance is at most this share of the distance to their so
#: manyth nearest photo of another point; so the same holds for every backbone, and for land where all
#: photos are alike. Of few photos that neighbour would be of another class: it is at most one in twenty,
#: but the third at least. benchmarks/near_duplicates.py has what it finds and what it takes for some.
_SHARE, _NEIGHBOUR, _ONE_IN, _LEAST = 0.4, 10, 20, 3
#: More copies than these neighbours have only one another near them. This near, photos are the same.
_SAME = 0.02
# Rows compared with all others at a time.
_BLOCK = 500


@checked
def near_duplicates(
    photos: Photos,
    *,
    arch: str = "xception",
    device: str = "auto",
    cache: bool = True,
    progress: Progress = True,
) -> pd.DataFrame:
    """Find photos of different points that show the same: copies, and the same scene taken again.

    A copy that was compressed, made smaller or cropped, or a photo of a burst under another point's
    name, tells a test what it was trained on. Photos are compared by the features of a backbone,
    which are those that training needs, and cached. Photos of one point are not compared: splits keep
    them together anyway.

    Where a table has the column this makes, `split_photos`, `cross_validate` and the
    ``validation_split`` of `train` keep near-duplicates on one side, with all photos of their points.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        A photo table, or anything `list_photos` takes: training and test photos together.
    arch : str, default "xception"
        The backbone; see `build_model`.
    device : str, default "auto"
        See `lucas_habitat.engines.choose_target`.
    cache : bool, default True
    progress : bool or callable, default True

    Returns
    -------
    pandas.DataFrame
        The photo table with ``near_duplicates``, the path of the first photo of the group that the
        photo belongs to, missing where it has none; and ``duplicate_distance``, the cosine distance to
        the nearest of its near-duplicates. What is joined by a third photo is one group.

    Warns
    -----
    LucasWarning
        If photos could not be read; they have no near-duplicates.

    Raises
    ------
    WeightsError
        If the backbone's weights cannot be had.

    Notes
    -----
    Photos are near-duplicates where their distance is at most 0.4 of what is usual around them: of the
    distance to their tenth nearest photo of another point (among n photos fewer than 200 the n/20th, the
    third at least), the geometric mean of both photos; or at most 0.02. Larger groups than these ten, or
    fewer, are complete only where they are as near as that. A photo taken from another spot is not found.
    """
    table = as_photos(photos).reset_index(drop=True)
    features = extract_features(
        table["path"].tolist(),
        load_backbone(arch),
        Preprocessing(),
        choose_target(device),
        cache=cache,
        progress=progress,
    )
    warn_of_heic(count_without_heic(features.error))
    if not features.ok.all():
        names = table.loc[~features.ok, "path"].map(base_name)
        warn(f"{len(names)} of {len(table)} photos could not be compared: {some(names)}.")
    rows = np.flatnonzero(features.ok)
    points = pd.factorize(groups_of(table))[0]
    pairs = _pairs(features.values[rows], points[rows])
    result = _with_groups(table, rows, pairs)
    n = int(result[NEAR_DUPLICATES].notna().sum())
    n_groups = result[NEAR_DUPLICATES].nunique()
    inform(
        f"{n} of {len(table)} photos have near-duplicates at other points, in {n_groups} groups."
    )
    return result


class _Pairs(NamedTuple):
    """Rows that are near-duplicates, and how far apart they are."""

    one: npt.NDArray[np.intp]
    other: npt.NDArray[np.intp]
    distance: Array


def _pairs(features: Array, points: npt.NDArray[np.intp]) -> _Pairs:
    """The near-duplicates among rows of features, each row with at most its ten nearest."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.maximum(length, 1e-12)
    n = len(points)
    nearest, usual = _nearest(directions, points, np.arange(n))
    k = nearest.other.shape[1]
    one = np.repeat(np.arange(n), k)
    other, distance = nearest.other.ravel(), nearest.distance.ravel()
    is_near = distance <= _limit(usual[one], usual[other])
    return _Pairs(one[is_near], other[is_near], np.maximum(distance[is_near], 0))


class _Nearest(NamedTuple):
    """The nearest photos of other points, a row each, and how far they are."""

    other: npt.NDArray[np.intp]
    distance: Array


def _nearest(
    directions: Array, points: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]
) -> tuple[_Nearest, Array]:
    """The nearest photos of some rows, and how far the last of them usually is from each."""
    n = len(points)
    k = max(0, min(_NEIGHBOUR, max(n // _ONE_IN, _LEAST), n - 1))
    other = np.zeros((len(rows), k), dtype=np.intp)
    distances = np.zeros((len(rows), k), dtype=np.float32)
    for start in range(0, len(rows) if k else 0, _BLOCK):
        block = slice(start, start + _BLOCK)
        distance = 1 - directions[rows[block]] @ directions.T
        # Left out here, because a point may have any number of photos: also each photo itself.
        distance[points[rows[block], None] == points[None]] = np.inf
        other[block] = np.argpartition(distance, k - 1, axis=1)[:, :k]
        distances[block] = np.take_along_axis(distance, other[block], axis=1)
    usual = np.where(np.isfinite(distances), distances, 0).max(axis=1, initial=0)
    return _Nearest(other, distances), usual


def _limit(one: Array, other: Array) -> Array:
    """How near photos must be to be near-duplicates, by what is usual around both."""
    limit: Array = np.maximum(_SHARE * np.sqrt(one * other), _SAME)
    return limit


def near_training(
    features: Array,
    points: npt.NDArray[np.intp],
    training: npt.NDArray[np.intp],
    held_out: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    """Which held-out rows of features are near-duplicates of a row that is trained on.

    As `near_duplicates` has it, among the nearest of each held-out photo: only these, and what is near
    enough to them, are compared with all others.
    """
    rows = np.concatenate([training, held_out])
    directions, points = features[rows], points[rows]
    # In place: of many photos a copy of all features is a lot of memory.
    directions /= np.maximum(np.sqrt(np.einsum("ij,ij->i", directions, directions)), 1e-12)[:, None]
    nearest, usual = _nearest(directions, points, np.arange(len(training), len(rows)))
    is_training = np.arange(len(rows)) < len(training)
    # What is usual around a training photo is seldom twice, and hardly ever six times, what it is here.
    is_candidate = is_training[nearest.other] & (
        nearest.distance <= np.maximum(_SHARE * 2.5 * usual[:, None], _SAME)
    )
    candidates, places = np.unique(nearest.other[is_candidate], return_inverse=True)
    around = _nearest(directions, points, candidates)[1]
    mine = np.nonzero(is_candidate)[0]
    is_near = nearest.distance[is_candidate] <= _limit(usual[mine], around[places])
    has_any = np.zeros(len(held_out), dtype=bool)
    has_any[mine[is_near]] = True
    return has_any


def _with_groups(table: pd.DataFrame, rows: npt.NDArray[np.intp], pairs: _Pairs) -> pd.DataFrame:
    """The table with each photo's group of near-duplicates, and the distance to the nearest of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table)
    one, other = rows[pairs.one], rows[pairs.other]
    links = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(n, n))
    group = connected_components(links, directed=False)[1]
    nearest = np.full(n, np.inf)
    for ends in (one, other):
        np.minimum.at(nearest, ends, pairs.distance)
    has_any = np.isfinite(nearest)
    first = table["path"].groupby(group).transform("first")
    return table.assign(
        near_duplicates=first.where(has_any).astype("str"),
        duplicate_distance=np.where(has_any, nearest, np.nan),
    )
