"""Whether training and test are as independent as a test needs, in words."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from scipy import stats

from ._base import words
from ._base.checks import check_number
from ._base.places import LonLat, kilometres_to_nearest
from ._base.progress import Progress
from ._base.signatures import checked
from ._base.types import Photos
from .blocks import NEAR_DUPLICATES, place_of_points, rows_of_points
from .errors import InputError, some
from .look_alikes import near_duplicates
from .photos import as_photos, groups_of
from .sources import base_name

__all__ = ["SplitCheck", "check_split"]

# Class shares differ where the largest difference is at least this, and chance would seldom make it.
_SHARES, _CHANCE = 0.05, 0.05
# Of photos of other places so few, at most, are taken for near-duplicates.
_TAKEN_FOR = 0.02


@dataclass(frozen=True, eq=False)
class SplitCheck:
    """What was found of a split. Print it to read it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a question: ``question`` (``points``, ``content``, ``near-duplicates``, ``distance``,
        ``years``, ``countries``, ``classes``), ``verdict``, ``n_test`` (test photos concerned) and
        ``finding``, a sentence. Verdicts are ``leak`` (accuracy is overstated), ``limit`` (accuracy
        holds, but for less than one may think), ``fine`` and ``unknown``.
    n_train, n_test : int
        Photos on either side.
    """

    table: pd.DataFrame
    n_train: int
    n_test: int

    @property
    def leaks(self) -> bool:
        """Whether anything leaks from training into the test."""
        return bool((self.table["verdict"] == "leak").any())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON."""
        return {
            "n_train": self.n_train,
            "n_test": self.n_test,
            "leaks": self.leaks,
            "findings": self.table.to_dict("records"),
        }

    def __repr__(self) -> str:
        rows = self.table.itertuples()
        return "\n".join(
            [
                f"Check of a split: {self.n_train} training photos, {self.n_test} test photos",
                *(f"{row.verdict:<8} {row.question}: {row.finding}" for row in rows),
            ]
        )


class _Finding(NamedTuple):
    """A row of the table of findings."""

    question: str
    verdict: str
    n_test: int
    finding: str


class _Sides(NamedTuple):
    """Both sides, and the point of each photo."""

    train: pd.DataFrame
    test: pd.DataFrame
    train_points: pd.Series
    test_points: pd.Series


@checked
def check_split(
    train: Photos,
    test: Photos | None = None,
    *,
    near: float = 10.0,
    arch: str | None = None,
    device: str = "auto",
    cache: bool = True,
    progress: Progress = True,
) -> SplitCheck:
    """Tell in words what leaks from training into the test, and what the test cannot tell.

    Parameters
    ----------
    train, test : pandas.DataFrame, path or list of paths
        The photos of either side: photo tables, or anything `list_photos` takes. Without ``test``, the
        column ``split`` of ``train`` says which is which, as in what `split_photos` wrote.
    near : float, default 10
        Kilometres within which points are neighbours.
    arch : str, optional
        The backbone by whose features near-duplicates are looked for, such as that which is trained: see
        `near_duplicates`. Without it, the column ``near_duplicates`` of both sides tells, where there is
        one.
    device, cache, progress : see `near_duplicates`

    Returns
    -------
    SplitCheck
        Same points on both sides; same photos, by the content of their files; near-duplicates: a ``leak``
        from 2 % of the test photos on, because of photos of other places fewer are taken for some; test
        points near training points; years and countries that training has, too; class shares that
        differ by more than chance (a chi-squared test on points) and at least 5 percentage points.

    Raises
    ------
    InputError
        If a side has no photos.
    """
    check_number("near", near, 0)
    sides = _sides(train, test)
    findings = [
        _points(sides),
        _content(sides),
        _near_duplicates(sides, arch, device, cache, progress),
        _distance(sides, float(near)),
        _times_and_countries(sides, "year", "years"),
        _times_and_countries(sides, "nuts0", "countries"),
        _classes(sides),
    ]
    return SplitCheck(pd.DataFrame(findings), len(sides.train), len(sides.test))


def _sides(train: Photos, test: Photos | None) -> _Sides:
    """Both sides as photo tables."""
    first = as_photos(train).reset_index(drop=True)
    if test is None:
        second = first[first["split"] == "test"].reset_index(drop=True)
        first = first[first["split"] == "train"].reset_index(drop=True)
    else:
        second = as_photos(test).reset_index(drop=True)
    if first.empty or second.empty:
        raise InputError(
            f"{words.call('check_split')} needs training and test photos; got {len(first)} and "
            f"{len(second)}. Give both, or one table whose column split says train and test."
        )
    return _Sides(first, second, groups_of(first), groups_of(second))


def _points(sides: _Sides) -> _Finding:
    """Whether points stand on both sides."""
    is_shared = sides.test_points.isin(sides.train_points)
    if is_shared.any():
        points = sides.test_points[is_shared].unique()
        return _Finding(
            "points",
            "leak",
            int(is_shared.sum()),
            f"{len(points)} points stand on both sides ({some(points)}): of {is_shared.sum()} of "
            f"{len(is_shared)} test photos the place was trained on.",
        )
    n = int(sides.train["point_id"].isna().sum() + sides.test["point_id"].isna().sum())
    if n:
        return _Finding(
            "points",
            "unknown",
            int(sides.test["point_id"].isna().sum()),
            f"{n} photos have no point, so photos of one place may stand on both sides.",
        )
    return _Finding("points", "fine", 0, "no point stands on both sides.")


def _content(sides: _Sides) -> _Finding:
    """Whether the same photo, under whatever name, stands on both sides."""
    train, test = (dict(_sizes(side["path"])) for side in (sides.train, sides.test))
    # Files of unlike size are not alike, and need not be read.
    both = set(train.values()) & set(test.values())
    twins = {_digest(path): path for path, size in train.items() if size in both}
    digests = {path: _digest(path) for path, size in test.items() if size in both}
    same = [path for path, digest in digests.items() if digest in twins]
    n_unread = len(set(sides.train["path"]) | set(sides.test["path"])) - len(set(train) | set(test))
    if same:
        pairs = [f"{base_name(path)} is {base_name(twins[digests[path]])}" for path in same]
        text = f"{len(same)} test photos have the content of a training photo ({some(pairs, 3)})."
        return _Finding("content", "leak", len(same), text)
    if n_unread:
        text = f"{n_unread} files are not there, so whether they are the same was not looked at."
        return _Finding("content", "unknown", len(sides.test) - len(test), text)
    return _Finding("content", "fine", 0, "no photo has the same content as one of the other side.")


def _near_duplicates(
    sides: _Sides, arch: str | None, device: str, cache: bool, progress: Progress
) -> _Finding:
    """Whether test photos of other points show what a training photo shows."""
    question = "near-duplicates"
    columns = ["path", "point_id", NEAR_DUPLICATES]
    both = [sides.train, sides.test]
    if arch is not None:
        table = near_duplicates(
            pd.concat(both, ignore_index=True),
            arch=arch,
            device=device,
            cache=cache,
            progress=progress,
        )
        both = [table[: len(sides.train)], table[len(sides.train) :]]
    elif not all(NEAR_DUPLICATES in side for side in both):
        text = "were not looked for; to compare photos, name the network that is trained as arch."
        return _Finding(question, "unknown", len(sides.test), text)
    train, test = (side[columns].dropna(subset=[NEAR_DUPLICATES]) for side in both)
    alike = train.drop_duplicates(NEAR_DUPLICATES).set_index(NEAR_DUPLICATES)["path"]
    straddling = test[test[NEAR_DUPLICATES].isin(alike.index)]
    n, n_test = len(straddling), len(sides.test)
    if not n:
        return _Finding(
            question, "fine", 0, "no test photo is a near-duplicate of a training photo."
        )
    partners = straddling[NEAR_DUPLICATES].map(alike)
    pairs = [
        f"{base_name(mine)} is like {base_name(other)}"
        for mine, other in zip(straddling["path"], partners, strict=True)
    ]
    text = f"{n} of {n_test} test photos are near-duplicates of training photos ({some(pairs, 3)})"
    if n < _TAKEN_FOR * n_test:
        return _Finding(
            question, "limit", n, f"{text}: so few that they may be other places; look at them."
        )
    return _Finding(question, "leak", n, f"{text}: mark near-duplicates before the split.")


def _sizes(paths: pd.Series) -> Iterator[tuple[str, int]]:
    """The files that are there, with their size."""
    for path in paths:
        if os.path.isfile(path):
            yield path, os.path.getsize(path)


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _distance(sides: _Sides, near: float) -> _Finding:
    """How far test points lie from training points, those on both sides left out."""
    is_own = ~sides.test_points.isin(sides.train_points) & ~sides.test_points.duplicated()
    places = place_of_points(sides.test)
    mine = LonLat(places.lon[is_own], places.lat[is_own])
    kilometres = kilometres_to_nearest(mine, place_of_points(sides.train))
    km = pd.Series(kilometres, index=sides.test_points[is_own]).dropna()
    if km.empty:
        text = "no positions are known, so neighbours may stand on both sides."
        return _Finding("distance", "unknown", len(sides.test), text)
    is_near = km < near
    spread = f"nearest {km.min():.3g} km, median {km.median():.3g} km"
    n_unknown = int(is_own.sum()) - len(km)
    lacking = f" Of {n_unknown} test points no position is known." if n_unknown else ""
    if not is_near.any():
        text = f"no test point lies within {near:g} km of a training point ({spread}).{lacking}"
        return _Finding("distance", "unknown" if n_unknown else "fine", 0, text)
    n_test = int(sides.test_points.isin(km.index[is_near]).sum())
    text = (
        f"{is_near.sum()} of {len(km)} test points lie within {near:g} km of a training point ({spread}): "
        f"accuracy holds among the training points, not for land elsewhere.{lacking}"
    )
    return _Finding("distance", "limit", n_test, text)


def _times_and_countries(sides: _Sides, column: str, question: str) -> _Finding:
    """Whether test photos are of years or countries that training does not have."""
    train, test = (
        side[column].dropna().astype("str") if column in side else pd.Series(dtype="str")
        for side in (sides.train, sides.test)
    )
    if train.empty or test.empty:
        text = f"the {question} of one side or both are not known."
        return _Finding(question, "unknown", len(sides.test), text)
    is_shared = test.isin(train)
    names = some(sorted(test[is_shared].unique()), 8)
    if is_shared.all():
        text = f"training has all {question} of the test ({names}), so the test tells nothing of others."
        return _Finding(question, "limit", len(test), text)
    others = some(sorted(test[~is_shared].unique()), 8)
    if is_shared.any():
        text = (
            f"{is_shared.sum()} of {len(test)} test photos are of {question} that training has ({names}), "
            f"the others of {others}: evaluate them apart."
        )
        return _Finding(question, "limit", int(is_shared.sum()), text)
    return _Finding(
        question, "fine", 0, f"the test is of {question} that training lacks ({others})."
    )


def _classes(sides: _Sides) -> _Finding:
    """Whether classes have like shares of the points of both sides."""
    counts = pd.DataFrame(
        {
            name: rows_of_points(side, groups_of(side))["habitat"].value_counts()
            for name, side in (("train", sides.train), ("test", sides.test))
        }
    )
    counts = counts.reindex(sorted(counts.index)).fillna(0)
    if counts.empty or not counts.sum().all():
        return _Finding("classes", "unknown", len(sides.test), "one side or both have no classes.")
    for one, other, n_test in (("train", "test", True), ("test", "train", False)):
        lacking = counts.index[(counts[one] == 0) & (counts[other] > 0)]
        if len(lacking):
            where = "training" if one == "train" else "the test"
            n = int(sides.test["habitat"].isin(lacking).sum()) if n_test else 0
            text = f"{where} has no {some(list(lacking))}" + (
                ": its photos can only be errors." if n_test else ": nothing is told of it."
            )
            return _Finding("classes", "limit", n, text)
    shares = counts / counts.sum()
    off = (shares["test"] - shares["train"]).abs()
    widest = int(off.argmax())
    spread = (
        f"{shares.index[widest]} {shares['train'].iloc[widest]:.0%} of the points in training, "
        f"{shares['test'].iloc[widest]:.0%} in the test"
    )
    is_chance = len(counts) < 2 or stats.chi2_contingency(counts).pvalue >= _CHANCE
    if off.max() < _SHARES or is_chance:
        return _Finding("classes", "fine", 0, f"class shares are alike (at most: {spread}).")
    text = f"class shares differ ({spread}): probabilities and accuracy go with those of each side."
    return _Finding("classes", "limit", len(sides.test), text)
