"""Training and test photos, split so that no point, or nothing near one, stands on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_number, check_seed
from ._base.classes import column_names, in_order, with_given_order
from ._base.places import LonLat
from ._base.signatures import checked
from ._base.types import Photos
from .blocks import (
    Apart,
    check_apart,
    draw_groups,
    place_of_points,
    placed,
    tell_left_out,
    tied_points,
    training_of,
)
from .errors import InputError, SplitError, inform, some, warn
from .photos import as_photos, groups_of, landscape

__all__ = ["split_photos"]


@checked
def split_photos(
    photos: Photos,
    *,
    test_size: float | None = None,
    n_per_class: int | None = None,
    regroup: bool = False,
    seed: int = 1,
    by: str = "point",
    block: float | None = None,
    buffer: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split photos into training and test photos by point, block of land, country or year.

    All photos of a point, of all its years, fall on one side: views of one place are so alike
    that a split by photo overstates accuracy. A photo without a point is a point of its own.
    Points are drawn at random within each class, so both sides have the same class shares.
    A table whose column ``near_duplicates`` is filled, by `near_duplicates`, keeps all points that they
    tie together on one side; by block, country or year training leaves out what is tied to a test point.
    A table whose ``split`` column is filled, as from the folders ``train/`` and ``test/``, keeps
    its split after a check.

    Points that lie near one another are alike, too. Accuracy by point holds for points among those
    trained on; for land elsewhere split by block or country, for years to come by year.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        A photo table, or anything `list_photos` takes.
    test_size : float, optional
        Share of points to test on, between 0 and 1; 0.2 where nothing is said.
    n_per_class : int, optional
        Draw a balanced sample of this many photos of each class first, point by point, as the
        pilot did, close-ups left out. Class shares then differ from the land's: proportions
        predicted for a region need them back (prior shift).
    regroup : bool, default False
        Ignore a split that the photos came with.
    seed : int, default 1
        The same seed and the same photos, in any order, give the same split.
    by : {"point", "block", "country", "year"}, default "point"
        What is drawn whole: points; squares of land that points lie in (EPSG:3035, by ``x`` and
        ``y``, ``lon`` and ``lat`` or the survey's ids); countries (``nuts0``); or years. Of many random
        draws the one is taken whose classes are closest to ``test_size``, and groups are exchanged as
        long as that brings them closer; with few or large groups it may be far off, which is told. By
        year, training leaves out points that are tested on.
    block : float, optional
        Kilometres of a block's side; 50 where nothing is said. Blocks should be larger than the
        distance over which points are alike; see `error_by_distance`.
    buffer : float, optional
        Leave out of training what lies within so many kilometres of a test point; counted in a
        message. Without it, points on both sides of a block's edge are neighbours.

    Returns
    -------
    train, test : pandas.DataFrame
        The photos of either side in their order, with ``split`` filled in. Photos without a
        class, or without the position, country or year that is needed, are on neither side and counted
        in a warning.

    Warns
    -----
    LucasWarning
        If a class is not on both sides.

    Raises
    ------
    SplitError
        If a point stands in both ``train`` and ``test``, the split is filled for only some, there is
        only one block, country or year, or nothing is left to train on.
    InputError
        If a class has a single point or fewer photos than ``n_per_class``, or there is only one
        class.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40, 913-929, doi 10.1111/ecog.02881.
    """
    if test_size is not None:
        check_number("test_size", test_size, 0, 1, open_low=True, open_high=True)
    seed = check_seed(seed)
    apart = check_apart(by, block, buffer)
    table = as_photos(photos).reset_index(drop=True)
    is_labelled = table["habitat"].notna()
    if not is_labelled.all():
        warn(
            f"{int((~is_labelled).sum())} of {len(table)} photos have no class and are on neither "
            "side of the split."
        )
        table = table[is_labelled]
    check_classes(table)
    tell_without_point(table)
    is_filled = table["split"].notna()
    is_split = bool(is_filled.any()) and not regroup
    if is_split:
        _check_split(table, is_filled)
        _tell_not_used(test_size is not None, apart.by != "point")
        apart = apart._replace(by="point")
    table = placed(table, apart)
    if n_per_class is not None:
        check_number("n_per_class", n_per_class, 1, whole=True)
        table = _balanced(table, int(n_per_class), seed)
    share = 0.2 if test_size is None else test_size
    if is_split:
        is_test = table["split"] == "test"
    elif apart.by == "point":
        is_test = draw_test_points(table, share, seed)
    else:
        is_test = draw_groups(table, apart, share, seed)
    train, test = _sides(table, is_test.to_numpy(dtype=bool), apart)
    return (
        with_given_order(train.assign(split="train").reset_index(drop=True)),
        with_given_order(test.assign(split="test").reset_index(drop=True)),
    )


def _tell_not_used(has_size: bool, has_groups: bool) -> None:
    """Tell which arguments play no part where photos came split."""
    names = [words.arg(name) for name, has in (("test_size", has_size), ("by", has_groups)) if has]
    if names:
        inform(
            f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not used: the photos came "
            f"split into train and test. {words.arg('regroup', True)} splits them anew."
        )


def _sides(
    photos: pd.DataFrame, is_test: npt.NDArray[np.bool_], apart: Apart
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test photos, without what is too near to test points to be trained on."""
    if apart.by == "point" and not apart.buffer:
        return photos[~is_test], photos[is_test]
    nowhere = np.full(len(photos), np.nan)
    places = place_of_points(photos) if apart.buffer else LonLat(nowhere, nowhere)
    training = training_of(photos, is_test, apart.buffer, places)
    tell_left_out(training, apart.buffer)
    train, test = photos[training.is_training], photos[is_test]
    if train.empty or test.empty:
        side = "train" if train.empty else "test"
        raise SplitError(
            f"Nothing is left to {side} on. Give a smaller {words.arg('buffer')} or smaller blocks, "
            "or split by something else."
        )
    for one, other, where in ((train, test, "training"), (test, train, "test")):
        lacking = sorted(set(other["habitat"]) - set(one["habitat"]))
        if lacking:
            warn(f"The {where} photos lack the classes {some(lacking)}, which the others have.")
    return train, test


def tell_without_point(photos: pd.DataFrame) -> None:
    """Tell how many photos have no point, because photos of one place may then be parted."""
    n = int(photos["point_id"].isna().sum())
    if n:
        inform(
            f"{n} photos have no point: each is split as a point of its own, so photos of one "
            "place may stand on both sides."
        )


def check_classes(photos: pd.DataFrame) -> list[str]:
    """The classes of labelled photos in their user's order, else sorted; refuse fewer than two."""
    classes = in_order(photos["habitat"].dropna().unique(), photos)
    if len(classes) < 2:
        got = f"only {classes[0]!r}" if classes else "none"
        raise InputError(
            f"At least two classes are needed; got {got} in {len(photos)} photos. Classes are "
            "the folders photos stand in, or the column habitat of their table, which "
            f"{words.call('assign_habitat')} makes from LC1 codes."
        )
    column_names(classes)  # refuses two classes whose columns could not be told apart
    return classes


def draw_test_points(
    photos: pd.DataFrame, test_size: float, seed: int, name: str = "test_size"
) -> pd.Series:
    """Draw test points within each class; True where a photo's point was drawn."""
    groups = tied_points(photos)
    # A point's class may change over the years: it counts for its commonest.
    counts = photos.groupby([groups.rename("_point"), "habitat"]).size().rename("_n").reset_index()
    commonest = counts.sort_values(["_n", "habitat"], ascending=[False, True])
    classes = commonest.drop_duplicates("_point").set_index("_point")["habitat"].sort_index()
    points = classes.value_counts().sort_index()
    if (points < 2).any():
        raise InputError(
            f"The class {points.idxmin()!r} has a single point; it cannot be in training and test. "
            "Add points, merge the class into another, or leave it out."
        )
    n_test = round(test_size * len(classes))
    if min(n_test, len(classes) - n_test) < len(points):
        raise InputError(
            f"{words.arg(name, test_size)} of {len(classes)} points leaves {n_test} to test and "
            f"{len(classes) - n_test} to train on; both sides need at least one point for each "
            f"of the {len(points)} classes."
        )
    rng = np.random.default_rng(seed)
    test: list[str] = []
    for label, n in zip(points.index, _shares(points.to_numpy(), n_test), strict=True):
        test.extend(rng.choice(classes.index[classes == label].to_numpy(), n, replace=False))
    return groups.isin(test)


def _shares(points: npt.NDArray[np.integer[Any]], n_test: int) -> npt.NDArray[np.int64]:
    """Test points of each class: its share rounded so that they sum up, one at least on each side."""
    exact = points * (n_test / points.sum())
    n: npt.NDArray[np.int64] = np.clip(np.rint(exact).astype(np.int64), 1, points - 1)
    while n.sum() != n_test:
        step = 1 if n.sum() < n_test else -1
        is_possible = (n + step >= 1) & (n + step <= points - 1)
        n[np.argmax(np.where(is_possible, (exact - n) * step, -np.inf))] += step
    return n


def _check_split(photos: pd.DataFrame, is_filled: pd.Series) -> None:
    """Refuse a split that is not filled for all photos, divides a point, or has one side only."""
    if not is_filled.all():
        raise SplitError(
            f"{int((~is_filled).sum())} of {len(photos)} photos say neither train nor test. Fill the "
            f"column split for all, or pass {words.arg('regroup', True)} to split anew by point."
        )
    sides = photos.groupby(groups_of(photos), sort=False)["split"].nunique()
    divided = list(sides.index[sides > 1])
    if divided:
        raise SplitError(
            f"{len(divided)} points stand in both train and test: {some(divided)}. Accuracy on such a "
            f"test is overstated. Pass {words.arg('regroup', True)} to split anew by point."
        )
    if photos["split"].nunique() < 2:
        raise SplitError(
            f"All photos say {photos['split'].iloc[0]!r}. Pass "
            f"{words.arg('regroup', True)} to split them by point."
        )
    is_tied = photos.groupby(tied_points(photos), sort=False)["split"].transform("nunique") > 1
    if is_tied.any():
        warn(
            f"{int((is_tied & (photos['split'] == 'test')).sum())} test photos are of points that have "
            "near-duplicates in training, so accuracy on the test is overstated. Pass "
            f"{words.arg('regroup', True)} to split anew."
        )


def _balanced(photos: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """``n`` photos of each class, drawn point by point, without close-ups."""
    classes = sorted(photos["habitat"].unique())
    photos = photos[landscape(photos)]
    counts = photos["habitat"].value_counts().reindex(classes, fill_value=0)
    if counts.min() < n:
        raise InputError(
            f"{words.arg('n_per_class', n)} photos were asked for, but the classes have "
            + ", ".join(f"{k} {v}" for k, v in counts.items())
            + "."
        )
    groups = groups_of(photos)
    points = np.sort(groups.unique())
    order = pd.Series(np.random.default_rng(seed).permutation(len(points)), index=points)
    # Whole points in random order; only the last one of a class may give fewer of its photos.
    ranked = photos.assign(_rank=groups.map(order)).sort_values(["_rank", "path"], kind="stable")
    chosen = ranked.groupby("habitat", sort=False).head(n).index
    return photos.loc[photos.index.isin(chosen)]
