"""What training and test are kept apart by: points, blocks of land, countries or years, and distance."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_choice, check_number
from ._base.choices import SPLITS_BY
from ._base.places import (
    LonLat,
    kilometres_to_nearest,
    point_positions,
    to_metres,
)
from ._base.types import Floats
from .errors import InputError, SplitError, inform, some, warn
from .photos import groups_of

__all__ = [
    "NEAR_DUPLICATES",
    "Apart",
    "Training",
    "check_apart",
    "draw_groups",
    "folds_of",
    "place_of_points",
    "placed",
    "rows_of_points",
    "tell_left_out",
    "tied_points",
    "training_of",
    "what_stays_together",
]

#: The column in which near_duplicates() writes the group of each photo that has any.
NEAR_DUPLICATES = "near_duplicates"
#: Kilometres of a block's side where nothing is said.
BLOCK = 50.0
# Random orders of groups, of which the one is taken whose classes are closest to the shares asked for.
_ORDERS = 100
_CELLS = 20_000_000
# Pairs of groups tried at a time to bring classes closer, and tries in vain after which that ends.
_PAIRS, _VAIN = 500, 6

#: What is split by, as messages call it.
PLURALS = {"point": "points", "block": "blocks", "country": "countries", "year": "years"}


class Apart(NamedTuple):
    """What training and test are kept apart by."""

    by: str
    #: Kilometres of a block's side.
    block: float
    #: Kilometres around test points within which nothing is trained on; 0 for none.
    buffer: float

    @property
    def needs_places(self) -> bool:
        """Whether a photo without a position cannot be put on a side."""
        return self.by == "block" or self.buffer > 0


def check_apart(by: str, block: float | None, buffer: float | None) -> Apart:
    """The arguments that say what is kept apart, checked."""
    check_choice("by", by, SPLITS_BY)
    if block is not None:
        check_number("block", block, 0, open_low=True)
        if by != "block":
            raise InputError(
                f"{words.arg('block', block)} is the side of blocks, but {words.arg('by', by)} has "
                f"none; say {words.arg('by', 'block')}."
            )
    if buffer is not None:
        check_number("buffer", buffer, 0)
    return Apart(by, float(block or BLOCK), float(buffer or 0))


def placed(photos: pd.DataFrame, apart: Apart) -> pd.DataFrame:
    """The photos of which is known what they are kept apart by; the others are counted in a warning.

    Raises
    ------
    InputError
        If it is known of none.
    """
    is_known = pd.Series(True, index=photos.index)
    if apart.needs_places:
        is_known &= np.isfinite(place_of_points(photos).lon)
        what, hint = "position", "x and y, lon and lat, or ids of the survey"
    elif apart.by == "country":
        has_countries = "nuts0" in photos
        is_known &= photos["nuts0"].notna() if has_countries else False
        what, hint = "country", "the column nuts0"
    elif apart.by == "year":
        is_known &= photos["year"].notna()
        what, hint = "year", "the column year"
    if is_known.all():
        return photos
    if not is_known.any():
        asked = (
            words.arg("by", apart.by) if apart.by != "point" else words.arg("buffer", apart.buffer)
        )
        raise InputError(f"{asked} needs to know each photo's {what}: {hint}. No photo has one.")
    warn(
        f"{int((~is_known).sum())} of {len(photos)} photos have no {what} and are on neither side "
        "of the split."
    )
    return photos[is_known]


def place_of_points(photos: pd.DataFrame) -> LonLat:
    """Where each photo's point is: the middle of its photos' positions, because they may differ."""
    places = pd.DataFrame(point_positions(photos)._asdict(), index=photos.index)
    middle = places.groupby(groups_of(photos)).transform("median")
    return LonLat(middle["lon"].to_numpy(np.float64), middle["lat"].to_numpy(np.float64))


def tied_points(photos: pd.DataFrame) -> pd.Series:
    """Each photo's point; points that near-duplicates tie together go by the name of the first of them."""
    point = groups_of(photos)
    if NEAR_DUPLICATES not in photos or photos[NEAR_DUPLICATES].isna().all():
        return point
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    has_any = photos[NEAR_DUPLICATES].notna().to_numpy()
    points, names = pd.factorize(point, sort=True)
    groups, labels = pd.factorize(photos[NEAR_DUPLICATES][has_any])
    ends = (points[has_any], len(names) + groups)
    n = len(names) + len(labels)
    links = coo_array((np.ones(len(groups), dtype=np.int8), ends), shape=(n, n))
    of_points = connected_components(links, directed=False)[1][: len(names)]
    tied = pd.Series(names).groupby(of_points).transform("first").to_numpy()
    return pd.Series(tied[points], index=photos.index, dtype="str")


def what_stays_together(photos: pd.DataFrame, apart: Apart) -> pd.Series:
    """The name of each photo's tied points, block, country or year, whichever is split by."""
    point = groups_of(photos)
    if apart.by == "block":
        metres = to_metres(*place_of_points(photos))
        # The survey's points lie on whole kilometres, and so on edges; degrees bring them back to 1e-4 m.
        cells = [np.floor(side.round(1) / (1000 * apart.block)) for side in metres]
        names = [f"{east:.0f} {north:.0f}" for east, north in zip(*cells, strict=True)]
        return pd.Series(names, index=photos.index, dtype="str")
    if apart.by == "country":
        return photos["nuts0"].groupby(point).transform("first").astype("str")
    return photos["year"].astype("str") if apart.by == "year" else tied_points(photos)


def rows_of_points(photos: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """One row a point (or tied ones) and group, with its commonest class: what is drawn and counted."""
    rows = pd.DataFrame(
        {"group": group, "point": tied_points(photos), "habitat": photos["habitat"]}
    )
    counts = rows.groupby(["group", "point", "habitat"]).size().rename("n").reset_index()
    commonest = counts.sort_values(["n", "habitat"], ascending=[False, True])
    first = commonest.drop_duplicates(["group", "point"])
    return first.sort_values(["group", "point"]).reset_index(drop=True)


def draw_groups(photos: pd.DataFrame, apart: Apart, test_size: float, seed: int) -> pd.Series:
    """Draw whole groups to test on; True where a photo's was drawn.

    Of many random draws the one is taken that comes closest to the share asked for in all classes, and
    groups are exchanged as long as that brings it closer.
    """
    group = what_stays_together(photos, apart)
    rows = rows_of_points(photos, group)
    counts = pd.crosstab(rows["group"], rows["habitat"])
    if len(counts) < 2:
        raise SplitError(
            f"All photos are of one {apart.by} ({counts.index[0]}), so nothing is left to test on. "
            f"Split by another of {', '.join(SPLITS_BY)}, or by smaller blocks."
        )
    drawn = counts.index[_best_draw(counts.to_numpy(np.float64), test_size, seed)]
    share = counts.loc[drawn].to_numpy().sum() / counts.to_numpy().sum()
    if abs(share - test_size) > 0.05:
        inform(
            f"The test has {share:.0%} of the points, not {test_size:.0%}: whole "
            f"{PLURALS[apart.by]} are drawn."
        )
    if apart.by in ("country", "year"):
        inform(f"Tested on the {PLURALS[apart.by]} {some(list(drawn), 10)}.")
    return group.isin(drawn)


def _best_draw(counts: Floats, test_size: float, seed: int) -> npt.NDArray[np.intp]:
    """Of counts (groups, classes), the groups whose share of every class is closest to the one asked for."""
    rng = np.random.default_rng(seed)
    totals = counts.sum(axis=0)
    best, least = np.zeros(1, dtype=np.intp), np.inf
    for _ in range(int(np.clip(_CELLS // counts.size, 10, _ORDERS))):
        order = rng.permutation(len(counts))
        off = _how_far_off(counts[order].cumsum(axis=0)[:-1], totals, test_size)
        at = int(off.argmin())
        if off[at] < least:
            best, least = order[: at + 1], off[at]
    return _exchanged(counts, best, test_size, rng)


def _how_far_off(taken: Floats, totals: Floats, test_size: float) -> Floats:
    """How far counts (rows, classes) are from the share asked for; far more where a side lacks a class."""
    is_lacking = (taken == 0) | (taken == totals)
    of_classes = np.abs(taken / totals - test_size).mean(axis=1) + is_lacking.sum(axis=1)
    off: Floats = of_classes + np.abs(taken.sum(axis=1) / totals.sum() - test_size)
    return off


def _exchanged(
    counts: Floats, drawn: npt.NDArray[np.intp], test_size: float, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """The groups drawn, with one or two at a time taken in or out as long as that brings classes closer."""
    is_drawn = np.isin(np.arange(len(counts)), drawn)
    totals, taken = counts.sum(axis=0), counts[is_drawn].sum(axis=0)
    least = _how_far_off(taken[None], totals, test_size)[0]
    n_vain = 0
    while n_vain < _VAIN:
        # The last number is none, so that single groups are tried, too.
        pairs = rng.integers(0, [len(counts), len(counts) + 1], (_PAIRS, 2))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        steps = np.vstack([np.where(is_drawn[:, None], -counts, counts), np.zeros_like(totals)])
        off = _how_far_off(taken + steps[pairs].sum(axis=1), totals, test_size)
        at = int(off.argmin())
        n_vain += 1
        if off[at] < least - 1e-9:
            chosen = pairs[at][pairs[at] < len(counts)]
            taken, least, n_vain = taken + steps[chosen].sum(axis=0), off[at], 0
            is_drawn[chosen] = ~is_drawn[chosen]
    return np.flatnonzero(is_drawn)


def folds_of(photos: pd.DataFrame, apart: Apart, n: int, seed: int) -> npt.NDArray[np.intp]:
    """The fold of each photo, from 1; classes have like shares of all folds, as far as groups allow."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    group = what_stays_together(photos, apart)
    rows = rows_of_points(photos, group)
    n_groups = rows["group"].nunique()
    if n_groups < 2:
        raise SplitError(
            f"All photos are of one {apart.by} ({rows['group'].iloc[0]}), so there are no folds by "
            f"{apart.by}."
        )
    if n_groups < n:
        inform(f"There are {n_groups} {PLURALS[apart.by]}, so there are as many folds, not {n}.")
        n = n_groups
    rare = rows["habitat"].value_counts()
    rare = rare[rare < n]
    if len(rare):
        inform(f"The classes {some(list(rare.index))} have fewer points than there are folds.")
    # Points, tied ones too, are groups of one row, for which the plain splitter does the same, and fast.
    kind = StratifiedKFold if apart.by == "point" else StratifiedGroupKFold
    splitter = kind(n, shuffle=True, random_state=seed)
    fold = np.zeros(len(rows), dtype=np.intp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rare classes, told above
        try:
            parts = list(splitter.split(rows, rows["habitat"], rows["group"]))
        except ValueError:  # every class has fewer points than there are folds
            raise InputError(
                f"{words.arg('folds', n)} are more than the points of any class; ask for fewer."
            ) from None
    for number, (_, held_out) in enumerate(parts, 1):
        fold[held_out] = number
    of_groups = dict(zip(rows["group"], fold, strict=True))
    return group.map(of_groups).to_numpy(np.intp)


class Training(NamedTuple):
    """What may be trained on for a test."""

    is_training: npt.NDArray[np.bool_]
    #: Photos left out because their point is tested on in another year, and because it is too near.
    n_same_point: int
    #: Those left out because near-duplicates tie them to a point tested on.
    n_tied: int
    n_near: int
    #: Kilometres from each test photo's point to the nearest one trained on; NaN where unknown.
    distance: Floats


def training_of(
    photos: pd.DataFrame, is_test: npt.NDArray[np.bool_], buffer: float, places: LonLat
) -> Training:
    """The photos of no test point, nor tied to one, and not within so many kilometres of one."""
    is_same_point, is_tied = (
        ~is_test & np.isin(point, np.unique(point[is_test]))
        for point in (groups_of(photos).to_numpy(), tied_points(photos).to_numpy())
    )
    is_training = ~is_test & ~is_tied
    n_near = 0
    if buffer > 0:
        away = kilometres_to_nearest(_chosen(places, is_training), _chosen(places, is_test))
        is_near = away < buffer
        n_near = int(is_near.sum())
        is_training[is_training] = ~is_near
    distance = kilometres_to_nearest(_chosen(places, is_test), _chosen(places, is_training))
    n_same, n_tied = int(is_same_point.sum()), int((is_tied & ~is_same_point).sum())
    return Training(is_training, n_same, n_tied, n_near, distance)


def _chosen(places: LonLat, is_chosen: npt.NDArray[np.bool_]) -> LonLat:
    return LonLat(places.lon[is_chosen], places.lat[is_chosen])


def tell_left_out(training: Training, buffer: float) -> None:
    """Tell how many photos are left out of training, so that nothing near a test point is in it."""
    if training.n_same_point:
        inform(
            f"{training.n_same_point} photos of other years are left out of training, because their "
            "points are tested on."
        )
    if training.n_tied:
        inform(
            f"{training.n_tied} photos are left out of training, because photos of their points have "
            "near-duplicates in the test."
        )
    if buffer > 0:
        inform(
            f"{training.n_near} photos within {buffer:g} km of a test point are left out of training."
        )
