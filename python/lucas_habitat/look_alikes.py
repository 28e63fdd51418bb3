"""Photos of different points that show the same: copies, and the same scene taken again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base.progress import Progress
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

__all__ = ["near_duplicates"]

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
    k = min(_NEIGHBOUR, max(n // _ONE_IN, _LEAST), n - 1)
    if k < 1:
        nothing = np.zeros(0, dtype=np.intp)
        return _Pairs(nothing, nothing, np.zeros(0, dtype=np.float32))
    nearest, distances = [], []
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance = 1 - directions[rows] @ directions.T
        # Left out here, because a point may have any number of photos: also each photo itself.
        distance[points[rows, None] == points[None]] = np.inf
        chosen = np.argpartition(distance, k - 1, axis=1)[:, :k]
        nearest.append(chosen.copy())  # a view would keep all columns
        distances.append(np.take_along_axis(distance, chosen, axis=1))
    of_rows = np.concatenate(distances)
    usual = np.where(np.isfinite(of_rows), of_rows, 0).max(axis=1)
    one = np.repeat(np.arange(n), k)
    other, distance = np.concatenate(nearest).ravel(), of_rows.ravel()
    limit = np.maximum(_SHARE * np.sqrt(usual[one] * usual[other]), _SAME)
    is_near = distance <= limit
    return _Pairs(one[is_near], other[is_near], np.maximum(distance[is_near], 0))


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
