"""What a run of the pilot is asked for, checked, and what of it is written down."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import pandas as pd

from .._base import words
from .._base.checks import check_number
from .._base.files import full_path
from .._base.progress import Progress
from .._base.tables import TABLE_ENDINGS, read_table
from .._base.types import Photos, Scheme
from ..errors import InputError, some
from ..model import HabitatModel
from ..networks.backbones import load_backbone
from ..photos import as_photos
from ..survey.campaigns import check_directions
from ..survey.nomenclature import assign_habitat
from ..training import arch_of, square_side, train
from .run_folder import digest

#: Arguments of train() that pilot() has itself, or decides.
_NOT_FURTHER = ("photos", "validation", "corrections", "progress", "seed", "device",
                "arch", "recipe", "validation_split")  # fmt: skip


class Sample(NamedTuple):
    """How many photos of which points, and how many of them to test on."""

    #: As it was asked for.
    name: str | int
    #: About so many; None for all there are.
    n_photos: int | None
    #: Whether each class gets as many points.
    is_balanced: bool
    #: Share of points to test on.
    test_size: float


#: The samples that have a name: the two of the pilot, and all there is.
SAMPLES = {
    "small": Sample("small", 1_093, True, 0.2),
    "large": Sample("large", 15_676 + 4_297, False, 4_297 / 19_973),
    "all": Sample("all", None, False, 0.2),
}


#: What points must have been seen like, as usual. Only what is otherwise is written down, so that runs of
#: earlier versions go on.
SEEN = {"field_only": True, "max_distance": 100, "min_cover": None}


@dataclass(frozen=True)
class PilotSettings:
    """What a run was asked for; see `pilot`."""

    countries: set[str] | None
    #: Paths or addresses; None for the harmonised table's.
    tables: list[str] | None
    years: set[int] | None
    scheme: Scheme
    classes: list[str] | None
    sample: Sample
    directions: list[str]
    field_only: bool
    max_distance: float | None
    min_cover: float | None
    #: Arguments of train(), all but its photos, seed, device, cache and progress.
    training: dict[str, Any]
    #: A trained model to test instead.
    model: HabitatModel | None
    #: A photo table of the user's own, in place of the survey's.
    photos: pd.DataFrame | None
    base: str
    per_second: float
    seed: int
    device: str
    cache: bool
    overwrite: bool
    progress: Progress

    @property
    def voting_directions(self) -> list[str]:
        """The directions whose photos vote: all but close-ups."""
        return [d for d in self.directions if d != "C"]

    @property
    def n_visits(self) -> int:
        """How many campaigns a point comes from."""
        return len(self.years or [0])

    def recorded(self) -> dict[str, Any]:
        """What the results depend on, in plain values by the names of pilot()'s arguments."""
        trains = self.model is None
        return {
            "country": sorted(self.countries or ()),
            "table": None if self.tables is None else [_fingerprint(t) for t in self.tables],
            "years": None if self.years is None else sorted(self.years),
            "scheme": _plain_scheme(self.scheme),
            "classes": None if self.classes is None else sorted(self.classes),
            "sample": self.sample.name,
            "balanced": self.sample.is_balanced,
            "directions": self.directions,
            "test_size": self.sample.test_size if trains else None,
            "training": self.training if trains else None,
            "model": None if self.model is None else digest(self.model.card()),
            "photos": None if self.photos is None else digest(self.photos.to_csv(index=False)),
            "base": self.base,
            "seed": self.seed,
            **{
                name: given
                for name, usual in SEEN.items()
                if (given := getattr(self, name)) != usual
            },
        }


def check_sample(sample: object, balanced: bool | None, test_size: float | None) -> Sample:
    """The sample asked for, with what is said of it otherwise."""
    if isinstance(sample, str):
        if sample not in SAMPLES:
            raise InputError(
                f"{words.arg('sample')} must be 'small', 'large', 'all' or a number of photos; "
                f"got {words.value(sample)} instead."
            )
        asked = SAMPLES[sample]
    else:
        check_number("sample", sample, 1, whole=True)
        n_photos = int(cast(int, sample))
        asked = Sample(n_photos, n_photos, True, 0.2)
    if balanced is not None:
        asked = asked._replace(is_balanced=bool(balanced))
    if test_size is not None:
        check_number("test_size", test_size, 0, 1, open_low=True, open_high=True)
        asked = asked._replace(test_size=float(test_size))
    if asked.n_photos is None and asked.is_balanced:
        raise InputError(
            f"{words.arg('sample', 'all')} cannot be balanced; give a number of photos instead."
        )
    return asked


def check_own(**choices: object) -> None:
    """Refuse what chooses among the survey's points where photos of one's own are given."""
    strange = [name for name, choice in choices.items() if choice is not None]
    if strange:
        raise InputError(
            f"{some([words.option(name) for name in strange])} choose photos of the survey; with "
            f"{words.option('photos')} of your own they mean nothing. Leave them out."
        )


def own_table(photos: Photos, scheme: Scheme) -> pd.DataFrame:
    """A photo table of one's own, its classes made of land cover codes where it has only these."""
    table = as_photos(photos).reset_index(drop=True)
    if table["habitat"].isna().all() and "lc1" in table:
        table = assign_habitat(table, scheme)
    return table


def check_views(directions: str | Iterable[str]) -> list[str]:
    """Directions in the survey's order, with one at least that votes."""
    letters = check_directions(directions)
    if letters == ["C"]:
        raise InputError(
            f"{words.arg('directions')} must have one of P, N, E, S, W; close-ups do not vote."
        )
    return letters


def further_arguments(training: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments of train() that pilot() does not have, with their defaults where none are given."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(train).parameters.items()
        if name not in _NOT_FURTHER
    }
    given = dict(training or {})
    strange = sorted(set(given) - set(defaults))
    if strange:
        raise InputError(
            f"{words.arg('training')} has {some(strange)}; it takes further arguments of "
            f"{words.call('train')}: {', '.join(sorted(defaults))}."
        )
    # R's numbers come as 20.0.
    whole = {k: int(v) for k, v in given.items() if isinstance(v, float) and v.is_integer()}
    return defaults | given | whole


def check_network(training: Mapping[str, Any]) -> None:
    """Refuse a recipe, a network or weights that cannot be had, before anything is fetched for them."""
    load_backbone(
        arch_of(training["recipe"], training["arch"]),
        weights=training["weights"],
        scaling=training["scaling"],
        size=square_side(training["target_size"]),
    )


def as_list(values: Any) -> list[Any]:
    """One or several values as a list."""
    is_one = isinstance(values, str | os.PathLike) or not isinstance(values, Iterable)
    return [values] if is_one else list(values)


def _plain_scheme(scheme: object) -> object:
    if str(scheme).lower().endswith(TABLE_ENDINGS):
        scheme = read_table(str(scheme))
    if isinstance(scheme, pd.DataFrame):
        scheme = scheme.astype("object").where(scheme.notna(), None).to_dict("list")
    return dict(scheme) if isinstance(scheme, Mapping) else str(scheme)


def _fingerprint(table: str) -> str:
    """An address, or a file by its place, size and time."""
    if "://" in table:
        return table
    path = full_path(table)
    if not path.is_file():
        raise InputError(f"There is no table {path}.")
    return f"{path} ({path.stat().st_size} bytes, {path.stat().st_mtime:.0f})"
