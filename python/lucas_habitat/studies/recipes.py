"""Which recipe of training pays: several of them on the same photos, in the same folds."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import MOST_DRAWS, check_number, check_seed
from .._base.classes import column_names, in_order
from .._base.files import check_out_folder, write_json
from .._base.progress import Progress, report
from .._base.signatures import checked
from .._base.tables import write_table
from .._base.types import Photos
from .._base.version import __version__
from ..blocks import Apart, check_apart
from ..classifier import classify
from ..cross_validation import (
    Fold,
    classify_fold,
    folds_to_test,
    photos_to_fold,
    refusals_untold,
    tell_refused,
    train_without,
)
from ..engines import choose_target, cores
from ..errors import InputError, LucasMessage, LucasWarning, inform, some, warn
from ..model import HabitatModel
from ..photos import groups_of, landscape
from ..pictures.recipes import plot_recipes
from ..recipe_comparison import Recipe, RecipeComparison, Trial, compared_recipes
from ..saved_models import save_model
from .recipe_arguments import Recipes, check_recipes, recorded_recipe
from .recipe_folder import FoldResult, Results

__all__ = ["compare_recipes"]

#: Photos that classifying is timed with.
_TIMED = 48
#: What the comparison writes into its folder when it is done.
TABLE, NUMBERS, PICTURE = "recipes.csv", "comparison.json", "recipes.png"
#: What tells where photos are from, beside their content.
_KNOWN = ("habitat", "point_id", "year", "direction", "nuts0", "x", "y", "lon", "lat")


@checked
def compare_recipes(
    photos: Photos,
    recipes: Recipes | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    folds: int = 5,
    repeats: int = 3,
    by: str = "point",
    block: float | None = None,
    buffer: float | None = None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
    device: str = "auto",
    progress: Progress = True,
) -> RecipeComparison:
    """Compare recipes of training on your photos: what is right more often, and what it costs.

    Every photo is classified by models that never saw its point, once with each recipe and in each
    repeat; folds are the same for all recipes. Features of a photo are computed once for each backbone
    and way of reading photos, however many recipes and folds use them, so recipes of a frozen backbone
    cost seconds; one that trains the whole network does so ``folds`` times ``repeats`` times.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        Labelled photos: a photo table, or anything `list_photos` takes. A ``split`` they have is not
        used: to keep a test set aside, give the training photos only. Close-ups are not tested on.
    recipes : list of str, mapping or path, optional
        At least two; the first is what the others are compared with. Names of
        ``lucas_habitat.training.RECIPES``; or names of your own with arguments of `train`,
        ``{"pilot": {}, "Lite0, kept": {"arch": "efficientnet_lite0", "credit": "keep"}}``; or text,
        ``"Lite0, kept:arch=efficientnet_lite0,credit=keep"``; or a ``.toml`` or ``.json`` file of such
        tables. By default those of ours that keep the backbone frozen, and the pilot's with Lite0.
    out : path, optional
        A folder that keeps what was finished: a comparison that was broken off, even killed, goes on
        where it was when it is started again. The same folder may be asked for more recipes or
        repeats; other photos, folds, seeds or arguments are refused. It will hold ``recipes.csv`` (the
        table), ``recipes.png``, ``comparison.json``, ``recipes.json`` (settings) and ``results/`` (the
        predictions of every fold).
    folds : int, default 5
        At least 2; fewer where there are fewer blocks, countries or years.
    repeats : int, default 3
        How often folds are drawn anew, each time with another seed of folds and training.
    by, block, buffer : see `split_photos`
        What stands in one fold whole; what is trained on keeps ``buffer`` kilometres away.
    n_boot : int, default 2000
        Bootstrap samples; 0 gives no intervals.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1
        Of the first repeat; the others count up from it.
    device : str, default "auto"
        See `lucas_habitat.engines.choose_target`.
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    RecipeComparison
        Print it for what can be quoted; ``table`` has one row a recipe. A recipe that fails, because its
        weights cannot be had or its network takes no such photos, is a row with its reason.

    Warns
    -----
    LucasWarning
        If a recipe fails, photos are refused or have no class, or a fold's model was trained without a
        class.

    Raises
    ------
    InputError
        If an argument is out of range, recipes are fewer than two, a recipe has what is no argument of
        `train`, the folder holds something else, or all recipes fail.
    SplitError
        If there is only one block, country or year, or a fold has nothing to train on.

    See Also
    --------
    plot_recipes, cross_validate, compare

    Notes
    -----
    Measures are of the predictions of all repeats together. Their intervals are those of `evaluate`, those
    of differences that of `compare`, for log loss a percentile bootstrap: whole points are drawn, with the
    predictions of both recipes and all repeats, so repeats do not count as more points. Intervals tell how
    the numbers could differ with other points of such land, for these trained models. They do not hold how
    models differ from one set of training photos to another; of this the spread over repeats shows a part,
    that of other folds and seeds on the same photos.

    ``train_seconds`` is the median of all trainings but the first, which computes features, too:
    expect ``milliseconds`` for each photo more where photos are new. ``milliseconds`` is measured once, with
    48 photos at most after a first pass that is not counted, on a machine that does what else it does.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40, 913-929, doi 10.1111/ecog.02881.

    Examples
    --------
    >>> compare_recipes("photos.csv", out="recipes/")                        # doctest: +SKIP
    >>> compare_recipes("photos.csv", ["pilot", "finetune"], by="block")     # doctest: +SKIP
    """
    check_number("folds", folds, 2, whole=True)
    check_number("repeats", repeats, 1, 1_000, whole=True)
    check_number("n_boot", n_boot, 0, MOST_DRAWS, whole=True)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    seed, apart = check_seed(seed), check_apart(by, block, buffer)
    named = check_recipes(recipes)
    computer = _computer(device)
    folder = None if out is None else check_out_folder(out)
    table = _tested_photos(photos, apart)
    recorded = {name: recorded_recipe(arguments) for name, arguments in named.items()}
    settings = {
        "lucas_habitat": __version__,
        "computer": computer,
        "folds": int(folds),
        "seed": seed,
        **apart._asdict(),
        **({} if folder is None else _fingerprints(table)),
    }
    results = Results(folder, settings, recorded)
    study = _Study(table, apart, int(folds), int(repeats), seed, device, progress)
    tested = _tested_recipes(study, named, results)
    if all(recipe.error for recipe in tested.values()):
        reasons = [f"{name}: {recipe.error}" for name, recipe in tested.items()]
        raise InputError(f"No recipe could be tested: {some(reasons)}")
    comparison = compared_recipes(
        tested,
        Trial(apart.by, apart.block, apart.buffer, study.n_folds, int(repeats), seed, computer),
        classes=study.classes,
        n_without_point=int(table.loc[landscape(table), "point_id"].isna().sum()),
        n_boot=int(n_boot),
        level=level,
    )
    if folder is not None:
        write_table(comparison.table, folder / TABLE)
        write_json(comparison.as_dict(), folder / NUMBERS)
        plot_recipes(comparison, out=folder / PICTURE)
    return comparison


class _Study(NamedTuple):
    """The photos that recipes are tested on, and how."""

    photos: pd.DataFrame
    apart: Apart
    folds: int
    repeats: int
    seed: int
    device: str
    progress: Progress

    @property
    def classes(self) -> list[str]:
        """All classes of the photos."""
        return in_order(self.photos["habitat"].unique(), self.photos)

    def folds_of(self, repeat: int) -> list[Fold]:
        """The folds of one repeat."""
        return list(folds_to_test(self.photos, self.apart, self.folds, self.seed + repeat - 1))

    @property
    def n_folds(self) -> int:
        """How many folds there are, which may be fewer than were asked for."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LucasMessage)  # told when they were tested
            return len(self.folds_of(1))


def _computer(device: str) -> str:
    target = choose_target(device)
    where = f"{target.device}, {cores()} cores" if target.device == "cpu" else target.device
    return f"{target.engine} on {where}, {target.precision}"


def _tested_photos(photos: Photos, apart: Apart) -> pd.DataFrame:
    """The photos to divide into folds; those without a point are points of their own."""
    table = photos_to_fold(photos, apart)
    if not landscape(table).any():
        raise InputError("All photos are close-ups (direction C), which are not tested on.")
    n_closeups = int((~landscape(table)).sum())
    if n_closeups:
        inform(f"{n_closeups} close-ups (C) are not tested on.")
    return table


def _fingerprints(photos: pd.DataFrame) -> dict[str, object]:
    """What tells whether photos are the same, wherever they lie: their content, and what is known of them."""
    content = hashlib.sha256()
    for path in photos["path"]:
        try:
            with open(path, "rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
        except OSError:
            content.update(b"missing")
    columns = [c for c in _KNOWN if c in photos]
    known = photos[columns].to_csv(index=False).encode()
    return {
        "photos": len(photos),
        "labels and places": hashlib.sha256(known).hexdigest(),
        "content of photos": content.hexdigest(),
    }


def _tested_recipes(
    study: _Study, recipes: dict[str, dict[str, Any]], results: Results
) -> dict[str, Recipe]:
    """What all recipes' models said: repeat by repeat, so that all recipes get equally far."""
    predictions: dict[str, list[pd.DataFrame]] = {name: [] for name in recipes}
    seconds: dict[str, list[float]] = {name: [] for name in recipes}
    errors = dict.fromkeys(recipes, "")
    told: set[str] = set()
    for repeat in range(1, study.repeats + 1):
        with _told_once(told):
            folds = study.folds_of(repeat)
        for name, arguments in recipes.items():
            if errors[name]:
                continue
            work = _Work(study, name, arguments, repeat, results)
            try:
                with (
                    _told_once(told),
                    report(study.progress, len(folds), work.title) as advance,
                ):
                    done = []
                    with refusals_untold():
                        for fold in folds:
                            done.append(_result_of(work, fold))
                            advance(1)
                    tested = _predictions(study, done)
                    tell_refused(tested)
            except Exception as error:  # of a network that is the user's choice, it may be any
                errors[name] = words.marked(error) or type(error).__name__
                warn(f"The recipe {name} could not be tested: {errors[name]}")
                continue
            predictions[name].append(tested[landscape(study.photos)].reset_index(drop=True))
            # The very first computes features, too.
            seconds[name] += [result.seconds for result in done][repeat == 1 :]
    return {
        name: _failed(error)
        if error
        else Recipe(
            predictions[name],
            {"train_seconds": float(np.median(seconds[name])), **(results.costs(name) or {})},
            "",
        )
        for name, error in errors.items()
    }


def _failed(reason: str) -> Recipe:
    return Recipe([], {}, reason)


class _Work(NamedTuple):
    """A recipe in one repeat."""

    study: _Study
    name: str
    arguments: dict[str, Any]
    repeat: int
    results: Results

    @property
    def title(self) -> str:
        """What a progress bar calls it."""
        return f"folds of {self.name}, repeat {self.repeat} of {self.study.repeats}"


def _result_of(work: _Work, fold: Fold) -> FoldResult:
    """The result of one fold: that which is kept, or made now and kept."""
    study, results = work.study, work.results
    is_first = work.repeat == 1 and fold.number == 1
    rows = np.flatnonzero(fold.is_test)
    former = results.fold(work.name, work.repeat, fold.number, rows)
    if former is not None and not (is_first and results.costs(work.name) is None):
        return former
    # Only the first has much to compute; the others are counted by their recipe's own bar.
    progress = study.progress if is_first else False
    arguments = {
        **work.arguments,
        "seed": study.seed + work.repeat - 1,
        "device": study.device,
        "progress": progress,
    }
    start = time.perf_counter()
    model = train_without(fold, study.photos, arguments)
    seconds = time.perf_counter() - start
    part = classify_fold(
        fold, study.photos, model, device=study.device, cache=True, progress=progress
    )
    if is_first:  # before the fold is kept, so that a run that goes on lacks neither
        results.add_costs(work.name, _costs(model, part, study.device))
    result = FoldResult(_compact(part, study.classes), seconds)
    results.add_fold(work.name, work.repeat, fold.number, result)
    return result


def _costs(model: HabitatModel, photos: pd.DataFrame, device: str) -> dict[str, float]:
    """What classifying a photo takes without the cache, and how large the model is on disk."""
    readable = photos[photos["status"] == "ok"]
    chosen = np.linspace(0, len(readable) - 1, min(_TIMED, len(readable))).astype(np.intp)
    sample = readable.iloc[np.unique(chosen)]
    milliseconds = np.nan
    if len(sample):
        for _ in range(2):  # the first pass compiles the network
            start = time.perf_counter()
            classify(sample, model, device=device, cache=False, progress=False)
            milliseconds = 1000 * (time.perf_counter() - start) / len(sample)
    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as parent:
        saved = save_model(model, Path(parent) / "model")
        size = sum(file.stat().st_size for file in saved.iterdir())
    return {"milliseconds": milliseconds, "megabytes": size / 1e6}


def _compact(part: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """What a fold's predictions are kept as: rows, classes, and the probabilities of all classes."""
    table = pd.DataFrame(
        {
            "row": part.index,
            "predicted": part["predicted"].astype("str").array,
            "status": part["status"].array,
            "error": part["error"].array,
        }
    )
    is_read = part["predicted"].notna().to_numpy()
    for column in column_names(classes):
        # A class that the fold's model does not know is impossible to it.
        table[column] = part[column].array if column in part else np.where(is_read, 0.0, np.nan)
    return table


def _predictions(study: _Study, results: list[FoldResult]) -> pd.DataFrame:
    """The predictions of one repeat in the photos' order."""
    table = pd.concat([result.predictions for result in results]).sort_values("row")
    table = table.set_index("row", drop=False)
    table["predicted"] = pd.Categorical(table["predicted"], categories=study.classes)
    photos = study.photos
    known = pd.DataFrame(
        {
            "path": photos["path"],
            "point_id": groups_of(photos),
            "habitat": photos["habitat"],
        }
    )
    return known.join(table)


@contextmanager
def _told_once(told: set[str]) -> Iterator[None]:
    """Let warnings through that were not told before: folds and recipes give the same ones."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            for kind in (LucasMessage, LucasWarning):
                warnings.simplefilter("always", kind)
            yield
    finally:
        for each in caught:
            text = words.marked(each.message)
            if text not in told:
                told.add(text)
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
