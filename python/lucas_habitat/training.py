"""Training: the pilot's head on frozen features, or the whole network end to end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.cards import CalibrationCard, FittingCard, TrainingSummary
from ._base.checks import check_choice, check_number, check_seed
from ._base.choices import CLASS_BALANCES, ENGINES, HEADS, RECIPES
from ._base.lc1 import known_codes
from ._base.progress import Progress
from ._base.signatures import checked
from ._base.tree import FINEST, Levels, level_columns, tree_of
from ._base.types import Photos, Table
from .calibration import fit_with_points
from .cluster.fine_tuning import FitNetwork, check_checkpoints, fitting_on_ray
from .corrections import apply_corrections
from .eight_bits import N_PHOTOS, check_can_quantise, in_eight_bits
from .engines import Target, choose_target, cores
from .errors import CalibrationError, InputError, RefusedWarning, inform, some, warn
from .features import Features, extract_features
from .images.decode import Preprocessing, read_photos
from .images.heic import count_without_heic, warn_of_heic
from .look_alikes import near_training
from .model import CONTENT, HabitatModel, has_equal_shares, logits_of
from .networks.backbones import Backbone, load_backbone
from .networks.fitting import Fitted, LabelledRows, TrainingSettings, fit_head, fit_network
from .networks.logistic import LogisticSettings, fit_regressions
from .photos import as_photos, groups_of, leave_out_closeups
from .sources import base_name
from .splits import check_classes, draw_test_points, tell_without_point
from .trained_photos import content_codes

__all__ = ["RECIPES", "train"]

# Features of so many training photos, at most, stay in the model.
_KEPT_FEATURES = 20_000


@checked
def train(
    photos: Photos,
    *,
    validation: Photos | None = None,
    validation_split: float = 0.0,
    corrections: Table | None = None,
    recipe: str = "pilot",
    arch: str | None = None,
    head: str | None = None,
    dropout: float | None = None,
    freeze_backbone: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    class_balance: str = "none",
    target_size: int | Sequence[int] = 224,
    weights: str | os.PathLike[str] | None = "imagenet",
    scaling: str | None = None,
    resize: str = "antialias",
    decoder: str = "simplejpeg",
    credit: str = "hide",
    closeups: bool = False,
    seed: int = 1,
    device: str = "auto",
    precision: str = "auto",
    cache: bool = True,
    engine: str = "local",
    address: str | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    progress: Progress = True,
) -> HabitatModel:
    """Train a habitat classifier.

    The recipe ``"pilot"``: a frozen ImageNet Xception, global average pooling, dense 1024 with
    ReLU, dropout, dense softmax; categorical cross-entropy, Adam 0.001, batches of 32, 10 epochs of
    ``floor(n / batch_size)`` steps each. Photos are shuffled anew every epoch, so none is always
    left out.

    The recipe ``"recommended"``: three frozen small networks side by side (EfficientNet-Lite0, 1
    and 2), whose features are evened (signed square roots, then length 1) and go into one
    multinomial logistic regression a network; their logits are averaged. The penalty is chosen by
    inner folds that keep points whole. ``docs/recipes.md`` has what it gains, and on what.

    A frozen backbone runs once per photo; its features are cached on disk.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        Labelled photos: a photo table, or anything `list_photos` takes. Rows whose ``split`` is
        ``"test"`` are never trained on. Where classes are LC1 codes, or there are columns
        ``habitat_level1``, ... as `assign_habitat` makes of a scheme with levels, the model keeps what
        stands above its classes. Of a categorical ``habitat`` the classes have the order of its
        categories, else that of the alphabet.
    validation : like ``photos``, optional
        Photos of other points: history then holds their loss, accuracy and kappa, and the model
        is calibrated on them.
    validation_split : float, default 0
        Instead, the share of points to hold out of ``photos``, drawn within each class.
    corrections : path or pandas.DataFrame, optional
        A review table that `run_app` wrote, or `read_sorted` gave: labels of photos in ``photos`` are
        replaced, by the photos' content or else by their path, and other photos are added;
        ``model.training["corrections"]`` counts both. A list of
        `doubted_labels` does, too: rows that a person changed, or filled in the ``time`` of, count.
        Nothing is taken from corrected photos of points whose ``split`` is ``"test"`` or that
        ``validation`` holds. To know them, give the whole split table as ``photos``.
    recipe : {"pilot", "recommended", "finetune"}, default "pilot"
        Defaults of the next seven; see ``lucas_habitat.training.RECIPES``.
    arch : str, optional
        See `build_model`; ``docs/recipes/backbones.md`` has strong ones and what they cost.
    head : {"dense", "logistic"}, optional
        The pilot's dense layers, or logistic regression, which takes none of the next five.
    dropout, freeze_backbone, epochs, batch_size, learning_rate : optional
        As in the pilot. ``freeze_backbone=False`` trains end to end with augmentation (flips,
        random crops, light), with backbone steps of 0.02 times ``learning_rate``; BatchNorm
        statistics stay as they were.
    class_balance : {"none", "weights", "sampling"}, default "none"
        Whether rare classes count as much as frequent ones: by the weight of their photos in the
        loss, or because an epoch takes as many photos of each class (of a rare one some several
        times, of a frequent one not all; to a logistic head both are weights). More photos of rare
        classes are then recognised, and more of frequent ones are taken for them. Probabilities no
        longer hold at the training photos' class shares but at equal ones, and calibration on
        held-out points is weighted to equal shares, too: `adjust_shares` puts them right for the
        shares of some land. `evaluate` and means of probabilities take them as they are.
    weights, scaling, target_size : see `build_model`
        ``target_size`` may be a pair of equal numbers, as in Keras.
    resize, decoder, credit : see `lucas_habitat.images.Preprocessing`
        ``resize="nearest", credit="keep"`` is the pilot to the letter.
    closeups : bool, default False
        Whether close-ups (direction C) are trained on.
    seed : int, default 1
        The same seed on the same machine gives the same model.
    device, precision : see `lucas_habitat.engines.choose_target`
        ``"int8"`` gives the model eight bits, found with 300 of the training photos (at most half, without
        validation photos), as `quantize` does: it is trained on float32's features.
    cache : bool, default True
    engine : {"local", "ray"}, default "local"
        What trains a whole network (``freeze_backbone=False``): this machine, or Ray on the cores or GPUs
        of a cluster (extra ``cluster``), whose workers share each batch. One worker comes to the same
        model as this machine, to rounding; several draw other augmentation. Photos must lie where all
        machines see them under the same path. ``docs/scale/cluster.md`` has more.
    address : str, optional
        Of the Ray cluster, such as ``"auto"`` on one of its machines. Default: Ray is started on
        this machine, and ends with the training.
    checkpoints : path, optional
        Folder that all machines of the cluster see, for what is kept of the training after each epoch. The
        same training, begun again after a fault, goes on from the last one; it is removed at the end.
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    HabitatModel

    Warns
    -----
    LucasWarning
        If photos were refused; they are counted by reason in ``model.training["refused"]``. If photos
        of ``validation`` are near-duplicates of training photos (see `near_duplicates`).

    Raises
    ------
    InputError
        If an argument is out of range, there are fewer than two classes, a point stands in
        training and validation, or no photo could be read.
    WeightsError
        If the backbone's weights cannot be had.
    DependencyError
        If ``engine="ray"`` and Ray is not installed.

    Examples
    --------
    >>> model = train("photos/train", recipe="recommended")           # doctest: +SKIP
    """
    settings = _check_settings(
        recipe,
        head,
        dropout,
        freeze_backbone,
        epochs,
        batch_size,
        learning_rate,
        class_balance,
        seed,
    )
    kept_in = _check_engine(engine, address, checkpoints, settings)
    arch = arch_of(recipe, arch)
    size = square_side(target_size)
    how = Preprocessing(size=size, resize=resize, decoder=decoder, credit=credit)
    sides = _photos_to_train_on(
        photos, validation, validation_split, corrections, closeups, settings.seed
    )
    classes = _check_classes(sides)
    levels = _levels(sides.training, classes)
    target = _training_target(device, precision)
    backbone = load_backbone(arch, weights=weights, scaling=scaling, size=size)

    table = pd.concat([sides.training, sides.validation], ignore_index=True)
    paths = table["path"].tolist()
    with _fitting(engine, address, kept_in) as fit_photos:
        # Fine-tuning needs this pass too, to find what cannot be read before hours are spent.
        features = extract_features(paths, backbone, how, target, cache=cache, progress=progress)
        rows = _readable_rows(table, len(sides.training), features, classes)
        if validation is not None:
            _warn_of_look_alikes(table, features.values, rows)
        if isinstance(settings, LogisticSettings):
            fitted = fit_regressions(features.values, rows, backbone, settings, progress)
        elif settings.freeze_backbone:
            fitted = fit_head(features.values, rows, backbone, settings, progress)
        else:
            fitted = fit_photos(paths, how, rows, backbone, target.device, settings, progress)
            # No other model will ever use these features, so the cache is spared them.
            features = extract_features(
                paths, fitted.backbone, how, target, cache=False, progress=progress
            )
    memory = _memory_of(table, features, rows.fit, settings.seed)
    model = HabitatModel(
        classes=classes,
        backbone=fitted.backbone,
        head_weights=fitted.head,
        preprocessing=how,
        target=target,
        history=fitted.history,
        training=_summary(table, features, rows, fitted.card, sides.corrections),
        training_photos=memory.photos,
        training_features=memory.features,
        levels=levels,
    )
    model.calibration = _calibration(model, table, features.values, rows)
    if precision == "int8":
        model = _in_eight_bits(model, table, rows, settings.seed, cache, progress)
    return model


def _check_engine(
    engine: str,
    address: str | None,
    checkpoints: str | os.PathLike[str] | None,
    settings: TrainingSettings | LogisticSettings,
) -> Path | None:
    """Refuse what a cluster cannot do, or only a cluster can; gives the folder of checkpoints."""
    check_choice("engine", engine, ENGINES)
    if engine == "local":
        given = {"address": address, "checkpoints": checkpoints}
        strange = [words.option(name) for name, value in given.items() if value is not None]
        if strange:
            raise InputError(
                f"{some(strange)} are for a Ray cluster; give {words.arg('engine', 'ray')} too."
            )
        return None
    if isinstance(settings, LogisticSettings) or settings.freeze_backbone:
        raise InputError(
            f"{words.arg('engine', 'ray')} trains whole networks, and here the backbone is frozen: what "
            f"stands on its features is fitted in seconds on one machine. Leave {words.option('engine')} "
            f"out, or train the backbone, too: {words.arg('recipe', 'finetune')}."
        )
    return check_checkpoints(address, checkpoints)


def _fitting(
    engine: str, address: str | None, checkpoints: Path | None
) -> AbstractContextManager[FitNetwork]:
    """What trains whole networks: this machine, or a cluster."""
    if engine == "ray":
        return fitting_on_ray(address, checkpoints)
    return nullcontext(_fit_here)


def _fit_here(
    paths: list[str],
    how: Preprocessing,
    rows: LabelledRows,
    backbone: Backbone,
    device: str,
    settings: TrainingSettings,
    progress: Progress,
) -> Fitted:
    """Train a whole network on this machine."""
    load = partial(read_photos, paths, how, cores())
    return fit_network(load, rows, backbone, how.size, device, settings, progress)


def _training_target(device: str, precision: str) -> Target:
    """What features for training are computed by: float32 where the model gets eight bits afterwards."""
    if precision == "int8":
        choose_target(device, precision)  # refused before photos are read
        check_can_quantise()
        return choose_target(device, "float32")
    return choose_target(device, precision)


def _in_eight_bits(
    model: HabitatModel,
    photos: pd.DataFrame,
    rows: LabelledRows,
    seed: int,
    cache: bool,
    progress: Progress,
) -> HabitatModel:
    """A model with eight bits found with training photos, compared with float32 on others."""
    training, validation = photos.iloc[rows.fit], photos.iloc[rows.validate]
    n = N_PHOTOS if len(validation) else min(N_PHOTOS, len(training) // 2)
    return in_eight_bits(
        model,
        training,
        max(n, 1),
        seed,
        validation if len(validation) else None,
        # No other model has the features of a network that was trained itself.
        cache and model.training["freeze_backbone"],
        progress,
    )


def describe_training(model: HabitatModel) -> list[str]:
    """How a training went, epoch by epoch, and what became of corrections, as lines for a summary."""
    lines = model.history.to_string(index=False, float_format=lambda v: f"{v:.4f}").split("\n")
    if model.training["corrections"]:
        counts = model.training["corrections"].items()
        lines.append("corrections: " + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts))
    cluster = model.training.get("cluster")
    if cluster:
        lines.append(
            f"trained by {cluster['workers']} workers of Ray {cluster['ray']}, who shared batches of "
            f"{model.training['batch_size']}; {cluster['restarts']} restarts, "
            f"{cluster['steps_repeated']} steps repeated"
        )
    return lines


def arch_of(recipe: str, arch: str | None) -> str:
    """The networks asked for, or the recipe's own."""
    check_choice("recipe", recipe, tuple(RECIPES))
    return str(RECIPES[recipe]["arch"]) if arch is None else arch


def defaults_of(recipe: str, head: str | None) -> dict[str, Any]:
    """What a recipe sets; the pilot's where dense layers stand in for its logistic regression."""
    values = RECIPES[recipe]
    return RECIPES["pilot"] | values | {"head": head} if head == "dense" else dict(values)


def _check_settings(
    recipe: str,
    head: str | None,
    dropout: float | None,
    freeze_backbone: bool | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    class_balance: str,
    seed: int,
) -> TrainingSettings | LogisticSettings:
    """A recipe's settings, with those given instead."""
    check_choice("recipe", recipe, tuple(RECIPES))
    check_choice("class_balance", class_balance, CLASS_BALANCES)
    given = {
        "head": head,
        "dropout": dropout,
        "freeze_backbone": freeze_backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    given = {name: value for name, value in given.items() if value is not None}
    values: dict[str, Any] = defaults_of(recipe, head) | given
    check_choice("head", values["head"], HEADS)
    if values["head"] == "logistic":
        _check_logistic(given)
        return LogisticSettings(recipe, class_balance, check_seed(seed))
    del values["arch"], values["head"]
    check_number("dropout", values["dropout"], 0, 1, open_high=True)
    check_number("epochs", values["epochs"], 1, 100_000, whole=True)
    check_number("batch_size", values["batch_size"], 1, whole=True)
    check_number("learning_rate", values["learning_rate"], 0, 1e38, open_low=True)
    values |= {"epochs": int(values["epochs"]), "batch_size": int(values["batch_size"])}
    return TrainingSettings(
        recipe=recipe, seed=check_seed(seed), class_balance=class_balance, **values
    )


def _check_logistic(given: dict[str, Any]) -> None:
    """Refuse what was asked of a logistic head that it cannot do."""
    if given.get("freeze_backbone") is False:
        raise InputError(
            f"A logistic head stands on frozen networks. Use {words.arg('head', 'dense')} to train "
            "the backbone too."
        )
    strange = sorted(set(given) - {"head", "freeze_backbone"})
    if strange:
        raise InputError(
            f"{some([words.option(name) for name in strange])} mean nothing to a logistic head, which "
            f"is fitted to its end. Leave them out, or use {words.arg('head', 'dense')}."
        )


def square_side(target_size: int | Sequence[int]) -> int:
    """The side of photos' squares, given as one number or as Keras' pair."""
    sides = list(np.atleast_1d(np.asarray(target_size)).tolist())
    if len(set(sides)) != 1 or len(sides) > 2:
        raise InputError(
            f"{words.arg('target_size')} must be one number or two equal ones; "
            f"got {words.value(target_size)}."
        )
    check_number("target_size", sides[0], 32, 1024, whole=True)
    return int(sides[0])


class _Sides(NamedTuple):
    """Photos to train on and to validate on, and what became of corrections."""

    training: pd.DataFrame
    validation: pd.DataFrame
    corrections: dict[str, int] | None


def _photos_to_train_on(
    photos: Photos,
    validation: Photos | None,
    validation_split: float,
    corrections: Table | None,
    closeups: bool,
    seed: int,
) -> _Sides:
    """Labelled photos, corrected, without those to test on, and split as asked for."""
    check_number("validation_split", validation_split, 0, 1, open_high=True)
    if validation is not None and validation_split:
        raise InputError("Give validation photos or a validation_split, not both.")
    table = as_photos(photos)
    held_out = None if validation is None else as_photos(validation)
    counts = None
    if corrections is not None:
        table, counts = apply_corrections(table, corrections, held_out)
    table = _labelled(leave_out_closeups(_without_tests(table), closeups), "training")
    if held_out is not None:
        held_out = _labelled(leave_out_closeups(held_out, closeups), "validation")
        _check_no_shared_points(table, held_out)
        return _Sides(table, held_out, counts)
    if validation_split:
        check_classes(table)
        tell_without_point(table)
        is_drawn = draw_test_points(table, validation_split, seed, "validation_split")
        return _Sides(table[~is_drawn], table[is_drawn], counts)
    return _Sides(table, table.iloc[:0], counts)


def _without_tests(photos: pd.DataFrame) -> pd.DataFrame:
    is_test = photos["split"] == "test"
    if is_test.all() and len(photos):
        raise InputError("All photos have the split 'test'; there is nothing to train on.")
    if is_test.any():
        inform(f"{int(is_test.sum())} photos have the split 'test' and are not trained on.")
    return photos[~is_test]


def _check_no_shared_points(training: pd.DataFrame, validation: pd.DataFrame) -> None:
    shared = set(groups_of(training)) & set(groups_of(validation))
    if shared:
        raise InputError(
            f"{len(shared)} points stand in training and validation: {some(sorted(shared))}. Split "
            f"by point with {words.call('split_photos')}, or use {words.option('validation_split')}."
        )


def _labelled(table: pd.DataFrame, what: str) -> pd.DataFrame:
    is_labelled = table["habitat"].notna()
    if not is_labelled.any():
        raise InputError(
            f"No {what} photo has a class. Classes are the folders photos stand in, or the column "
            f"habitat of their table ({words.call('assign_habitat')} makes it from LC1 codes)."
        )
    if not is_labelled.all():
        warn(
            f"{int((~is_labelled).sum())} of {len(table)} {what} photos have no class and are left "
            "out."
        )
    return table[is_labelled]


def _check_classes(sides: _Sides) -> list[str]:
    """The classes to train, which must be those of the validation photos too."""
    classes = check_classes(sides.training)
    strange = set(sides.validation["habitat"]) - set(classes)
    if strange:
        raise InputError(
            f"The validation photos have classes that training lacks: {some(strange)}."
        )
    return classes


def _levels(photos: pd.DataFrame, classes: list[str]) -> pd.DataFrame | None:
    """What stands above the classes: as the photos say, else as LC1 codes do; None if nothing does."""
    named = level_columns(photos, "habitat_")
    levels: Levels = "lc1"
    if named:
        levels = photos[["habitat", *named]].rename(columns=lambda c: c.removeprefix("habitat_"))
        levels = levels.rename(columns={"habitat": FINEST})
    elif not all(label.strip().upper() in known_codes() for label in classes):
        return None
    tree = tree_of(classes, levels, words.call("train"))
    return tree.above() if len(tree.names) > 1 else None


def _readable_rows(
    photos: pd.DataFrame, n_training: int, features: Features, classes: list[str]
) -> LabelledRows:
    """The rows that could be read, the first of them to fit and the others to validate on."""
    warn_of_heic(count_without_heic(features.error))
    labels = (
        photos["habitat"].map({c: i for i, c in enumerate(classes)}).to_numpy().astype(np.int64)
    )
    is_readable = features.ok
    is_training = np.arange(len(photos)) < n_training
    refused = [
        f"{base_name(photos['path'].iloc[i])} ({features.status[i]})"
        for i in np.flatnonzero(~is_readable)
    ]
    rows = LabelledRows(
        fit=np.flatnonzero(is_readable & is_training),
        validate=np.flatnonzero(is_readable & ~is_training),
        labels=labels,
        points=pd.factorize(groups_of(photos))[0],
        classes=classes,
    )
    if not len(rows.fit):
        raise InputError(f"None of {len(photos)} photos could be read: {some(refused)}.")
    unread = [c for i, c in enumerate(classes) if i not in set(labels[rows.fit])]
    if unread:
        raise InputError(f"No photo of the class {some(unread)} could be read: {some(refused)}.")
    if refused:
        warn(
            f"{len(refused)} of {len(photos)} photos were refused: {some(refused)}.", RefusedWarning
        )
    return rows


def _warn_of_look_alikes(
    photos: pd.DataFrame, features: npt.NDArray[np.float32], rows: LabelledRows
) -> None:
    """Warn of validation photos that show what training photos of other points show."""
    is_near = near_training(features, rows.points, rows.fit, rows.validate)
    if is_near.any():
        names = photos["path"].iloc[rows.validate[is_near]].map(os.path.basename)
        warn(
            f"{len(names)} of {len(is_near)} validation photos are near-duplicates of training photos of "
            f"other points: {some(names)}. Validation and calibration take the model for better than it is; "
            f"{words.call('near_duplicates')} lists them, and {words.call('split_photos')} keeps them on "
            "one side."
        )


def _calibration(
    model: HabitatModel,
    photos: pd.DataFrame,
    features: npt.NDArray[np.float32],
    rows: LabelledRows,
) -> CalibrationCard | None:
    """What puts the probabilities right by the validation photos, if there are any that can."""
    if not len(rows.validate):
        return None
    # A few at a time: the features of all of them would be held twice.
    parts = np.array_split(rows.validate, -(-len(rows.validate) // 1000))
    logits = np.concatenate([logits_of(model, features[part]) for part in parts])
    try:
        return fit_with_points(
            logits,
            rows.labels[rows.validate],
            photos.iloc[rows.validate],
            at_equal_shares=has_equal_shares(model),
        )
    except CalibrationError as error:  # training is done; it must not be lost for this
        warn(f"The model is not calibrated: {words.marked(error)}")
        return None


def _summary(
    photos: pd.DataFrame,
    features: Features,
    rows: LabelledRows,
    fitting: FittingCard,
    corrections: dict[str, int] | None,
) -> TrainingSummary:
    """How the model was trained, and on what, for its card."""
    used = photos.iloc[rows.fit]
    refused = pd.Series([s for s in features.status if s != "ok"], dtype="str").value_counts()
    return {
        **fitting,
        "n_photos": len(rows.fit),
        "n_points": int(groups_of(used).nunique()),
        "n_without_point": int(used["point_id"].isna().sum()),
        "n_validation_photos": len(rows.validate),
        "n_validation_points": int(groups_of(photos.iloc[rows.validate]).nunique()),
        "n_validation_without_point": int(photos.iloc[rows.validate]["point_id"].isna().sum()),
        "photos_per_class": {c: int((used["habitat"] == c).sum()) for c in rows.classes},
        "years": sorted(int(y) for y in used["year"].dropna().unique()),
        "n_refused": int(refused.sum()),
        "refused": {str(k): int(v) for k, v in refused.items()},
        "corrections": corrections,
    }


class _Memory(NamedTuple):
    """The photos trained on, and features of some to tell later what is unlike all of them."""

    photos: pd.DataFrame
    features: npt.NDArray[np.float16]


def _memory_of(
    photos: pd.DataFrame,
    features: Features,
    fit: npt.NDArray[np.intp],
    seed: int,
) -> _Memory:
    """What a model remembers of its training photos; above a number, features of a random draw."""
    drawn = np.arange(len(fit))
    if len(fit) > _KEPT_FEATURES:
        drawn = np.sort(np.random.default_rng(seed).choice(len(fit), _KEPT_FEATURES, replace=False))
    table = photos.iloc[fit][["path", "point_id", "year", "direction", "habitat"]]
    # File names only: a shared model must not tell where its maker keeps photos.
    table = table.assign(path=table["path"].map(base_name)).rename(columns={"path": "photo"})
    table["has_features"] = np.isin(np.arange(len(fit)), drawn)
    contents = [features.content[i] for i in fit]
    table[CONTENT] = pd.array(
        content_codes(photos["path"].iloc[fit].tolist(), contents), dtype="str"
    )
    values = np.empty((len(drawn), features.values.shape[1]), np.float16)
    # A few at a time: taken at once they would be copied as float32 first.
    for rows in np.array_split(np.arange(len(drawn)), -(-len(drawn) // 1000)):
        values[rows] = features.values[fit[drawn[rows]]]
    return _Memory(table.reset_index(drop=True), values)
