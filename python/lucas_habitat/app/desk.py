"""The desk behind the page: what is done with dropped photos, tab by tab; no server, no Gradio."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.files import full_path
from .._base.types import Photos
from ..corrections import add_corrections
from ..errors import InputError, LucasError
from ..features import Features, extract_features
from ..likeness import similar_photos, unlike_training
from ..model import HabitatModel, p_of, trained_on
from ..photos import DIRECTIONS, landscape, list_photos
from ..predicting import predictions_of, target_for
from ..voting import vote
from . import page
from .explain import activation_map
from .uploads import Refused, take_uploads

__all__ = ["Desk"]

#: So many photos of a point are looked at closer; a point has six at most, close-up included.
_MOST_LOOKED_AT = 6

_SIMILAR = 3

#: Drops that are classified at the same time; others wait.
_AT_ONCE = 2


@dataclass
class _Drop:
    """What one tab has dropped last, and what the model says of it."""

    folder: Path
    predictions: pd.DataFrame
    points: pd.DataFrame
    features: npt.NDArray[np.float32]
    unlike: npt.NDArray[np.bool_]
    refused: list[Refused] = field(default_factory=list)


class Desk:
    """Takes photos, says what the model says, shows why, keeps corrections.

    Parameters
    ----------
    model : HabitatModel
    folder : path
        Where uploads are kept while their tab is open.
    corrections : path
        The review table, ``.csv``; it is made with the first correction.
    photos : DataFrame, path or list of paths, optional
        The training photos, to show similar ones and to know test points.

    Raises
    ------
    InputError
        If the review table is no .csv, or the training photos cannot be listed.
    """

    def __init__(
        self,
        model: HabitatModel,
        folder: Path,
        corrections: str | os.PathLike[str],
        photos: Photos | None = None,
    ) -> None:
        self.model = model
        self.corrections = full_path(corrections)
        if self.corrections.suffix.lower() != ".csv":
            raise InputError(
                f"{words.arg('corrections')} must name a .csv file; got {corrections}."
            )
        self._folder = folder
        self._target = target_for(model, "auto", None)
        self._training = _training_photos(photos)
        self._drops: dict[str, _Drop] = {}
        # The last drop of each tab, and tabs that are closed: an answer that comes too late is thrown away.
        self._turns: dict[str, object] = {}
        self._closed: set[str] = set()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    # ---- what the page asks for ----

    def take(self, tab: str, files: Sequence[str]) -> None:
        """Classify what was dropped; it takes the place of what the tab dropped before.

        If the tab is closed, or drops again, before the answer is there, nothing of this drop stays.
        """
        folder = self._folder / "tabs" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        turn = object()
        with self._lock:
            self._turns[tab] = turn
        is_kept = False
        try:
            refused = _taken(files, folder)
            with self._places:
                if self._is_awaited(tab, turn):
                    is_kept = self._put(tab, turn, self._classified(folder, refused))
        finally:
            if not is_kept:
                shutil.rmtree(folder, ignore_errors=True)

    def leave(self, tab: str) -> None:
        """Delete what a tab dropped, now that it is closed; what is on its way is thrown away.

        A closed tab does not come back: a page that is loaded again is a tab of another name.
        """
        with self._lock:
            self._closed.add(tab)
            self._turns.pop(tab, None)
            drop = self._drops.pop(tab, None)
        if drop is not None:
            shutil.rmtree(drop.folder, ignore_errors=True)

    def close(self) -> None:
        """Let all tabs leave."""
        with self._lock:
            tabs = {*self._drops, *self._turns}
        for tab in tabs:
            self.leave(tab)

    def answer(self, tab: str, say: page.Words) -> str:
        """Say what the model says."""
        drop = self._drops.get(tab)
        if drop is None:
            return ""
        return page.answer(
            say,
            self.model.classes,
            drop.predictions,
            drop.points,
            drop.unlike,
            drop.refused,
        )

    def choices(self, tab: str, say: page.Words) -> list[tuple[str, str]]:
        """List what can be looked at closer or corrected: whole points first, then single photos."""
        drop = self._drops.get(tab)
        if drop is None:
            return []
        points, photos = [], []
        sizes = drop.predictions["group"].value_counts()
        for i, point in enumerate(drop.points.itertuples()):
            if sizes.get(i, 0) > 1:
                points.append((page.group_name(say, point.point_id, point.year, "all_of"), f"g{i}"))
        for i, row in enumerate(drop.predictions.itertuples()):
            if row.status == "ok":
                photos.append((os.path.basename(str(row.path)), f"p{i}"))
        return points + photos

    def look(self, tab: str, choice: str | None, say: page.Words) -> str:
        """Show where the model looked in the chosen photos, and what they are like."""
        drop, rows = self._chosen(tab, choice)
        if drop is None:
            return page.message("bad", say("gone"))
        shown = rows[:_MOST_LOOKED_AT]
        near = similar_photos(drop.features[shown], self.model, k=_SIMILAR)
        near["path"] = self._training.paths_of(near)
        photos = []
        for i, row in enumerate(drop.predictions.iloc[shown].itertuples()):
            path, habitat = str(row.path), str(row.predicted)
            try:
                values = activation_map(path, self.model, habitat)
                lit = page.spotlight(path, values, self.model.preprocessing, 260)
            except InputError:  # a vision transformer, for example
                lit = None
            like = near[near["row"] == i]
            photos.append(page.Closer(os.path.basename(path), habitat, lit, like))
        return page.closer(say, photos, len(rows) > len(shown))

    def correct(self, tab: str, choice: str | None, habitat: str | None, say: page.Words) -> str:
        """Keep the chosen photos with their right class."""
        drop, rows = self._chosen(tab, choice)
        if drop is None or choice is None:
            return page.message("bad", say("gone"))
        if habitat not in self.model.classes:
            return page.message("bad", say("choose_class"))
        photos = drop.predictions.iloc[rows]
        try:
            add_corrections(self.corrections, photos, habitat)
        except (LucasError, OSError) as error:
            return page.message("bad", say("failed", reason=error))
        if choice.startswith("p"):
            name = os.path.basename(photos["path"].iloc[0])
            return page.message("good", say("saved_one", name=name, habitat=habitat))
        name = photos["point_id"].iloc[0]
        return page.message("good", say("saved", n=len(photos), name=name, habitat=habitat))

    # ---- how it is done ----

    def _is_awaited(self, tab: str, turn: object) -> bool:
        """Whether a drop is still its tab's last one, and the tab open."""
        return self._turns.get(tab) is turn and tab not in self._closed

    def _put(self, tab: str, turn: object, drop: _Drop) -> bool:
        """Let a drop take the place of the tab's one before, if it is still awaited; say whether."""
        with self._lock:
            if not self._is_awaited(tab, turn):
                return False
            before = self._drops.pop(tab, None)
            self._drops[tab] = drop
        if before is not None:
            shutil.rmtree(before.folder, ignore_errors=True)
        return True

    def _chosen(self, tab: str, choice: str | None) -> tuple[_Drop | None, list[int]]:
        """A tab's drop and the rows of what was chosen of it; None if the choice is not of it."""
        drop = self._drops.get(tab)
        if drop is None or choice is None:
            return None, []
        if choice not in {key for _, key in self.choices(tab, page.Words("en"))}:
            return None, []
        if choice.startswith("p"):
            return drop, [int(choice[1:])]
        table = drop.predictions
        is_chosen = (table["group"] == int(choice[1:])) & (table["status"] == "ok")
        return drop, np.flatnonzero(is_chosen).tolist()

    def _classified(self, folder: Path, refused: list[Refused]) -> _Drop:
        """What the model says of the photos in a folder and of their points."""
        if not _any_photo(folder):
            empty = pd.DataFrame(columns=["path", "status", "error", "group"])
            return _Drop(
                folder, empty, empty, np.empty((0, 0), np.float32), np.empty(0, bool), refused
            )
        photos = _by_direction(list_photos(folder, labels=False))
        features = self._features(photos["path"].tolist())
        table = predictions_of(
            photos,
            self.model,
            p_of(self.model, features),
            features.status,
            features.error,
            self._target,
        )
        table["split"] = table["split"].mask(trained_on(self.model, photos), "train")
        table["split"] = table["split"].mask(table["point_id"].isin(self._training.test), "test")
        points = _votes(table)
        table["group"] = _rows_in(points, table)
        unlike = np.zeros(len(table), dtype=bool)
        unlike[features.ok] = unlike_training(features.values[features.ok], self.model)
        return _Drop(folder, table, points, features.values, unlike, refused)

    def _features(self, paths: list[str]) -> Features:
        # Nothing of an upload may stay, so its features are not cached either.
        return extract_features(
            paths,
            self.model.backbone,
            self.model.preprocessing,
            self._target,
            cache=False,
            progress=False,
        )

    def warm_up(self) -> None:
        """Compile the network and prepare the training features before the first photo comes."""
        self._folder.mkdir(exist_ok=True)
        grey = self._folder / "grey.png"
        page.grey_photo(grey)
        features = self._features([str(grey)])
        unlike_training(features.values, self.model)
        with suppress(InputError):  # no map; looking closer says so
            activation_map(grey, self.model)
        grey.unlink()


def _taken(files: Sequence[str], folder: Path) -> list[Refused]:
    """Take uploads into a folder; where that fails, none of them stays where it was either."""
    try:
        return take_uploads(files, folder)
    except BaseException:
        for file in files:
            with suppress(OSError):
                os.unlink(file)
        raise


def _by_direction(photos: pd.DataFrame) -> pd.DataFrame:
    return photos.sort_values(
        "direction",
        key=lambda d: d.map({name: i for i, name in enumerate(DIRECTIONS)}),
        kind="stable",
    ).reset_index(drop=True)


def _any_photo(folder: Path) -> bool:
    return any(p.is_file() for p in folder.rglob("*"))


def _votes(table: pd.DataFrame) -> pd.DataFrame:
    """The votes of the points in a table of predictions."""
    votes = (table["status"] == "ok") & landscape(table) & table["point_id"].notna()
    return vote(table[votes]) if votes.any() else pd.DataFrame(columns=["point_id", "year"])


def _rows_in(points: pd.DataFrame, table: pd.DataFrame) -> list[int]:
    """For each photo the row of its point and year, -1 if it has none."""

    def keys(of: pd.DataFrame) -> Iterator[tuple[object, object]]:
        return zip(of["point_id"], of["year"].fillna(-1), strict=True)

    rows = {key: row for row, key in enumerate(keys(points))}
    return [rows.get(key, -1) for key in keys(table)]


class _Identity(NamedTuple):
    """What a photo is told from others by: with its label, and, if it has a point, without it."""

    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...] | None


def _identities(names: pd.Series, photos: pd.DataFrame) -> list[_Identity]:
    """What each photo is told from others by.

    A model keeps no paths, and file names alone come again: in each year of the survey, and as a
    camera's IMG_1.jpg in each class. With a point and a year the label may have been corrected
    since, or not be known where the photos are.
    """
    identities = []
    columns = [photos[c].astype("object") for c in ("point_id", "year", "habitat")]
    for name, *facts in zip(names, *columns, strict=True):
        point, year, habitat = ("" if pd.isna(value) else str(value) for value in facts)
        identities.append(
            _Identity((name, point, year, habitat), (name, point, year) if point else None)
        )
    return identities


class _TrainingPhotos(NamedTuple):
    """Where training photos are, by what they are told by, and which points are for testing."""

    paths: dict[tuple[str, ...] | None, str | None]
    test: set[str]

    def paths_of(self, photos: pd.DataFrame) -> list[str | None]:
        """Where photos of the model are; None where they are not here, or cannot be told apart."""
        return [
            self.paths.get(labelled, self.paths.get(unlabelled))
            for labelled, unlabelled in _identities(photos["photo"], photos)
        ]


def _training_photos(photos: Photos | None) -> _TrainingPhotos:
    """List the training photos, if it was said where they are."""
    training = _TrainingPhotos({}, set())
    if photos is not None:
        table = list_photos(photos)
        names = table["path"].map(os.path.basename)
        for path, identity in zip(table["path"], _identities(names, table), strict=True):
            for key in filter(None, identity):  # no picture rather than perhaps the wrong one
                training.paths[key] = None if key in training.paths else path
        training.test.update(table.loc[table["split"] == "test", "point_id"].dropna())
    return training
