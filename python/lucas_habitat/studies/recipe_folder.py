"""What was tested of recipes already: kept in a folder, so that a comparison goes on where it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.files import is_occupied, write_json
from .._base.tables import write_table
from ..errors import InputError, some, warn
from .run_folder import difference, digest

__all__ = ["FoldResult", "Results"]

_MANIFEST, _RESULTS, _COSTS = "recipes.json", "results", "costs.json"
#: What is measured of classifying with a recipe.
MEASURED = ("milliseconds", "megabytes")


class FoldResult(NamedTuple):
    """What a model said of the photos of its fold, and how long it was trained."""

    #: ``row`` (of the photo among all), ``predicted``, ``status``, ``error`` and ``p_<class>``.
    predictions: pd.DataFrame
    seconds: float


class Results:
    """Results by recipe, repeat and fold; without a folder in memory only."""

    def __init__(
        self,
        folder: Path | None,
        settings: Mapping[str, Any],
        recipes: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._folder = folder
        self._places = {
            name: f"{re.sub('[^A-Za-z0-9]+', '-', name).strip('-')[:40]}-{digest([name, r])[:8]}"
            for name, r in recipes.items()
        }
        self._folds: dict[tuple[str, int, int], FoldResult] = {}
        self._costs: dict[str, dict[str, float]] = {}
        if folder is not None:
            _write_manifest(folder, settings, recipes)

    def fold(
        self, recipe: str, repeat: int, fold: int, rows: npt.NDArray[np.intp]
    ) -> FoldResult | None:
        """The result of one fold, which must be of these photos; None if there is none yet."""
        key = (recipe, repeat, fold)
        file = self._file(*key)
        if key not in self._folds and file is not None and file.is_file():
            self._folds[key] = _read_fold(file)
        result = self._folds.get(key)
        if result is not None and not np.array_equal(result.predictions["row"], rows):
            raise InputError(
                f"{file} is of other photos than fold {fold} of repeat {repeat}. Delete it, or give "
                "another folder."
            )
        return result

    def add_fold(self, recipe: str, repeat: int, fold: int, result: FoldResult) -> None:
        """Keep the result of one fold."""
        self._folds[recipe, repeat, fold] = result
        file = self._file(recipe, repeat, fold)
        if file is not None:
            write_table(result.predictions.assign(train_seconds=result.seconds), file)

    def costs(self, recipe: str) -> dict[str, float] | None:
        """What classifying with a recipe costs; None if that is still to be measured."""
        if recipe not in self._costs and self._folder is not None:
            file = self._place(recipe) / _COSTS
            if file.is_file() and (costs := _read_costs(file)):
                self._costs[recipe] = costs
        return self._costs.get(recipe)

    def add_costs(self, recipe: str, costs: dict[str, float]) -> None:
        """Keep what classifying with a recipe costs."""
        self._costs[recipe] = costs
        if self._folder is not None:
            write_json(costs, self._place(recipe) / _COSTS)

    def _place(self, recipe: str) -> Path:
        assert self._folder is not None
        return self._folder / _RESULTS / self._places[recipe]

    def _file(self, recipe: str, repeat: int, fold: int) -> Path | None:
        if self._folder is None:
            return None
        return self._place(recipe) / f"repeat-{repeat}-fold-{fold}.parquet"


def _read_fold(file: Path) -> FoldResult:
    """A fold's result from its file."""
    try:
        table = pd.read_parquet(file)
        return FoldResult(
            table.drop(columns="train_seconds"), float(table["train_seconds"].iloc[0])
        )
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(
            f"Cannot read {file}: {error}. Delete it to have it made again."
        ) from error


def _read_costs(file: Path) -> dict[str, float] | None:
    """What was measured, which is soon measured again where its file is damaged."""
    try:
        costs = {str(name): float(v) for name, v in json.loads(file.read_bytes()).items()}
        missing = [name for name in MEASURED if name not in costs]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        warn(f"{file} is damaged ({error}); the costs are measured again.")
        return None
    if missing:
        warn(f"{file} lacks {some(missing)}; the costs are measured again.")
        return None
    return costs


def _write_manifest(
    folder: Path, settings: Mapping[str, Any], recipes: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write down what the results rest on; refuse a folder of results that rest on something else."""
    file = folder / _MANIFEST
    now: dict[str, Any] = json.loads(json.dumps({"settings": settings, "recipes": recipes}))
    if file.is_file():
        former = _read_manifest(file)
        _check_same(folder, former, now)
        now["recipes"] = {**former["recipes"], **now["recipes"]}
        if now == former:
            return
    elif is_occupied(folder):
        raise InputError(
            f"{folder} exists and holds no run of {words.call('compare_recipes')}; it is left as it is. "
            "Give another folder."
        )
    write_json(now, file)


def _read_manifest(file: Path) -> dict[str, Any]:
    """What the results in a folder rest on."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        return {"settings": dict(manifest["settings"]), "recipes": dict(manifest["recipes"])}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is damaged ({error}), so it is not known what the results beside it rest on. Give "
            "another folder."
        ) from error


def _check_same(folder: Path, former: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with results of other photos, folds or recipes."""
    differences = [
        difference(name, former["settings"].get(name), value)
        for name, value in now["settings"].items()
        if former["settings"].get(name) != value
    ]
    differences += [
        f"the recipe {name}: " + difference(name, former["recipes"][name], recipe)
        for name, recipe in now["recipes"].items()
        if former["recipes"].get(name, recipe) != recipe
    ]
    if differences:
        raise InputError(
            f"{folder} holds a comparison with other settings: {some(differences)}. Give another folder."
        )
