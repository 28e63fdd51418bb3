"""Every photo classified by a model that never saw its point, or anything near it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_number, check_seed
from ._base.classes import column_names
from ._base.progress import Progress
from ._base.types import Photos
from .blocks import Apart, Training, check_apart, folds_of, place_of_points, placed, training_of
from .classifier import classify
from .errors import InputError, SplitError, inform, some, warn
from .photos import as_photos, leave_out_closeups
from .point_calibration import COLUMN as VOTE_CALIBRATION
from .splits import check_classes, tell_without_point
from .training import train

__all__ = ["cross_validate"]

#: Arguments of train() that cross_validate() has itself, or decides.
_NOT_FURTHER = ("photos", "validation", "corrections", "progress", "seed", "device", "cache",
                "arch", "recipe", "validation_split")  # fmt: skip


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
        What stands in one fold whole; what is trained on keeps ``buffer`` kilometres away.
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
        or a fold's model was trained without a class.

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
    table = placed(_labelled(as_photos(photos).reset_index(drop=True)), apart)
    table = table.reset_index(drop=True)
    check_classes(table)
    tell_without_point(table)
    fold = folds_of(table, apart, int(folds), seed)
    is_trainable = table.index.isin(
        leave_out_closeups(table, bool(arguments.get("closeups", False))).index
    )
    parts = []
    left_out = []
    for number, chosen in _folds(table, fold, apart):
        is_test = fold == number
        left_out.append(chosen.n_near + chosen.n_same_point)
        model = train(table[chosen.is_training & is_trainable].assign(split="train"), **arguments)
        held_out = table[is_test].assign(split="test", fold=number, km_to_training=chosen.distance)
        lacking = sorted(set(held_out["habitat"]) - set(model.classes))
        if lacking:
            warn(
                f"The model of fold {number} was trained without {some(lacking)}; photos of it can only "
                "be errors."
            )
        known = held_out.assign(
            habitat=held_out["habitat"].where(~held_out["habitat"].isin(lacking))
        )
        part = classify(known, model, device=device, cache=cache, progress=progress)
        parts.append(part.assign(habitat=held_out["habitat"].array).set_axis(held_out.index))
    if any(left_out):
        inform(
            f"On the average of folds {np.mean(left_out):.0f} of {len(table)} photos are neither tested "
            "nor trained on, because they are near test points or of the same."
        )
    return _together(parts)


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


def _folds(
    photos: pd.DataFrame, fold: npt.NDArray[np.intp], apart: Apart
) -> Iterator[tuple[int, Training]]:
    """The number of each fold, and what is trained on for it."""
    places = place_of_points(photos)
    for number in range(1, int(fold.max()) + 1):
        chosen = training_of(photos, fold == number, apart.buffer, places)
        if not chosen.is_training.any():
            raise SplitError(
                f"Nothing is left to train on for fold {number}. Give a smaller {words.arg('buffer')} "
                "or smaller blocks, or divide by something else."
            )
        yield number, chosen


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The predictions of all folds in the photos' order, with all models' classes."""
    classes = sorted({c for part in parts for c in part["predicted"].cat.categories})
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
