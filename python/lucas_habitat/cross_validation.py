"""Every photo classified by a model that never saw its point, or anything near it."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_number, check_seed
from ._base.classes import column_names, in_order
from ._base.progress import Progress
from ._base.signatures import checked
from ._base.types import Floats, Photos
from .blocks import Apart, check_apart, folds_of, place_of_points, placed, training_of
from .classifier import classify
from .errors import InputError, RefusedWarning, SplitError, inform, some, warn
from .images.heic import count_without_heic, warn_of_heic
from .model import HabitatModel
from .photos import as_photos, landscape, leave_out_closeups
from .point_calibration import COLUMN as VOTE_CALIBRATION
from .splits import check_classes, tell_without_point
from .training import train

__all__ = [
    "Fold",
    "classify_fold",
    "cross_validate",
    "folds_to_test",
    "photos_to_fold",
    "refusals_untold",
    "tell_refused",
    "together",
    "train_without",
]

#: Arguments of train() that cross_validate() has itself, or decides.
_NOT_FURTHER = ("photos", "validation", "corrections", "progress", "seed", "device", "cache",
                "arch", "recipe", "validation_split")  # fmt: skip


@checked
def cross_validate(
    photos: Photos,
    *,
    folds: int = 5,
    by: str = "point",
    block: float | None = None,
    buffer: float | None = None,
    arch: str | None = None,
    recipe: str = "pilot",
    validation_split: float = 0.0,
    training: Mapping[str, Any] | None = None,
    seed: int = 1,
    device: str = "auto",
    cache: bool = True,
    progress: Progress = True,
) -> pd.DataFrame:
    """Classify every photo by a model that never saw its point.

    Photos are divided into folds, and one model a fold is trained on all others. With a frozen
    backbone features are computed once and cached, so a fold costs the training of a head.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        Labelled photos: a photo table, or anything `list_photos` takes. A ``split`` they have is not
        used: to keep a test set aside, give the training photos only.
    folds : int, default 5
        At least 2; fewer where there are fewer blocks, countries or years.
    by, block, buffer : see `split_photos`
        What stands in one fold whole; what is trained on keeps ``buffer`` kilometres away. Points that
        the column ``near_duplicates`` ties together count as one.
    arch, recipe, validation_split : see `train`
        With a ``validation_split`` each model is calibrated, on points drawn from those it may train
        on: for land like the training's.
    training : mapping, optional
        Further arguments of `train`, such as ``{"epochs": 20}``.
    seed : int, default 1
        Of the folds and of training.
    device, cache, progress : see `train`

    Returns
    -------
    pandas.DataFrame
        What `classify` returns, for all photos that have a class, in their order, with ``fold`` (from
        1), ``km_to_training`` (kilometres from the photo's point to the nearest one its model was
        trained on; missing without positions) and ``split``, which says ``test`` throughout. It goes
        into `vote`, `evaluate` and `error_by_distance` as it is.

    Warns
    -----
    LucasWarning
        If photos have no class, or not the position, country or year that is needed, and are left out;
        photos were refused, told once for all folds; or a fold's model was trained without a class.

    Raises
    ------
    InputError
        If an argument is out of range, or there are fewer than two classes.
    SplitError
        If there is only one block, country or year, or a fold has nothing to train on.
    """
    check_number("folds", folds, 2, whole=True)
    seed, apart = check_seed(seed), check_apart(by, block, buffer)
    arguments = {
        **_further_arguments(training),
        "arch": arch,
        "recipe": recipe,
        "validation_split": validation_split,
        "seed": seed,
        "device": device,
        "cache": cache,
        "progress": progress,
    }
    table = photos_to_fold(photos, apart)
    leave_out_closeups(table, bool(arguments.get("closeups", False)))  # tells of them, once
    parts = []
    left_out = []
    with refusals_untold():
        for fold in folds_to_test(table, apart, int(folds), seed):
            left_out.append(fold.n_left_out)
            model = train_without(fold, table, arguments)
            parts.append(
                classify_fold(fold, table, model, device=device, cache=cache, progress=progress)
            )
    if any(left_out):
        inform(
            f"On the average of folds {np.mean(left_out):.0f} of {len(table)} photos are neither tested "
            "nor trained on, because they are near test points, of the same, or tied to one by "
            "near-duplicates."
        )
    predictions = together(parts, table)
    tell_refused(predictions)
    return predictions


class Fold(NamedTuple):
    """Photos that are tested on, and what may be trained on for them."""

    number: int
    is_test: npt.NDArray[np.bool_]
    is_training: npt.NDArray[np.bool_]
    #: Kilometres from each test photo's point to the nearest one trained on; NaN where unknown.
    distance: Floats
    #: Photos on neither side: near test points, of the same in another year, or tied by near-duplicates.
    n_left_out: int


def photos_to_fold(photos: Photos, apart: Apart) -> pd.DataFrame:
    """The labelled photos of which is known what they are kept apart by, told of once."""
    table = placed(_labelled(as_photos(photos).reset_index(drop=True)), apart)
    table = table.reset_index(drop=True)
    check_classes(table)
    tell_without_point(table)
    return table


def folds_to_test(photos: pd.DataFrame, apart: Apart, n: int, seed: int) -> Iterator[Fold]:
    """Each fold of the photos of `photos_to_fold`, with what is trained on for it."""
    places = place_of_points(photos)
    fold = folds_of(photos, apart, n, seed)
    for number in range(1, int(fold.max()) + 1):
        is_test = fold == number
        chosen = training_of(photos, is_test, apart.buffer, places)
        if not chosen.is_training.any():
            raise SplitError(
                f"Nothing is left to train on for fold {number}. Give a smaller {words.arg('buffer')} "
                "or smaller blocks, or divide by something else."
            )
        n_left_out = chosen.n_near + chosen.n_same_point + chosen.n_tied
        yield Fold(number, is_test, chosen.is_training, chosen.distance, n_left_out)


def train_without(fold: Fold, photos: pd.DataFrame, arguments: Mapping[str, Any]) -> HabitatModel:
    """A model that never saw a fold, trained with these arguments of `train`."""
    is_trainable = landscape(photos) | bool(arguments.get("closeups", False))
    return train(photos[fold.is_training & is_trainable].assign(split="train"), **arguments)


def classify_fold(
    fold: Fold,
    photos: pd.DataFrame,
    model: HabitatModel,
    *,
    device: str,
    cache: bool,
    progress: Progress,
) -> pd.DataFrame:
    """A fold's photos classified, under their numbers among all photos."""
    held_out = photos[fold.is_test].assign(
        split="test", fold=fold.number, km_to_training=fold.distance
    )
    lacking = sorted(set(held_out["habitat"]) - set(model.classes))
    if lacking:
        warn(
            f"The model of fold {fold.number} was trained without {some(lacking)}; photos of it can "
            "only be errors."
        )
    labels = held_out["habitat"]
    part = classify(
        held_out.assign(habitat=labels.where(~labels.isin(lacking))),
        model,
        device=device,
        # No other model has the features of a network that was trained itself.
        cache=cache and model.training["freeze_backbone"],
        progress=progress,
    )
    return part.assign(habitat=labels.array).set_axis(held_out.index)


@contextmanager
def refusals_untold() -> Iterator[None]:
    """Let no fold tell of photos that could not be read: every other would do so again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RefusedWarning)
        yield


def tell_refused(predictions: pd.DataFrame) -> None:
    """Warn of photos that could not be read, once for all folds."""
    refused = predictions[predictions["status"] != "ok"]
    warn_of_heic(count_without_heic(refused["error"]))
    if len(refused):
        names = refused["path"].map(os.path.basename) + " (" + refused["status"] + ")"
        warn(
            f"{len(refused)} of {len(predictions)} photos were refused, for training and tests: "
            f"{some(names)}.",
            RefusedWarning,
        )


def _labelled(photos: pd.DataFrame) -> pd.DataFrame:
    """The photos with a class; a split that they have is told not to count."""
    if photos["split"].notna().any():
        inform("The split that photos came with is not used: all of them are tested on in turn.")
    is_labelled = photos["habitat"].notna()
    if not is_labelled.all():
        warn(f"{int((~is_labelled).sum())} of {len(photos)} photos have no class and are left out.")
    return photos[is_labelled]


def _further_arguments(training: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments of train() that cross_validate() does not have, as they are given."""
    names = [n for n in inspect.signature(train).parameters if n not in _NOT_FURTHER]
    given = dict(training or {})
    strange = sorted(set(given) - set(names))
    if strange:
        raise InputError(
            f"{words.arg('training')} has {some(strange)}; it takes further arguments of "
            f"{words.call('train')}: {', '.join(sorted(names))}."
        )
    # R's numbers come as 20.0.
    return {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in given.items()}


def together(parts: list[pd.DataFrame], photos: pd.DataFrame) -> pd.DataFrame:
    """The predictions of all folds in the photos' order, with all models' classes."""
    classes = in_order({c for part in parts for c in part["predicted"].cat.categories}, photos)
    columns = column_names(classes)
    whole = []
    for part in parts:
        is_read = part["predicted"].notna()
        part["predicted"] = part["predicted"].cat.set_categories(classes)
        for column in columns:
            if column not in part:  # a class that the fold's model does not know
                part[column] = np.where(is_read, 0.0, np.nan)
        whole.append(part)
    table = pd.concat(whole).sort_index().reset_index(drop=True)
    if VOTE_CALIBRATION in table:
        table[VOTE_CALIBRATION] = table[VOTE_CALIBRATION].astype("category")
    before = [c for c in table if c not in columns]
    at = before.index("confidence") + 1
    table = table[before[:at] + columns + before[at:]]
    table.attrs = parts[0].attrs
    return table
