"""Training: the pilot's head on frozen features, or the whole network end to end."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.metrics import cohen_kappa_score
from torch import nn

from ._base import words
from ._base.cards import TrainingSummary
from ._base.checks import check_choice, check_number, check_seed
from ._base.choices import RECIPES
from ._base.progress import Progress, report
from ._base.types import Photos
from .calibration import fit_with_points
from .corrections import apply_corrections
from .engines import Target, choose_target
from .errors import CalibrationError, InputError, inform, some, warn
from .features import Features, extract_features
from .images.decode import Preprocessing, decode_photo, read_bytes
from .images.heic import warn_of_heic
from .model import HabitatModel, logits_of
from .networks.arrays import arrays_sha256
from .networks.backbones import Backbone, HabitatNet, arrays_of, load_backbone, make_head
from .photos import as_photos, groups_of, leave_out_closeups
from .splits import check_classes, draw_test_points, tell_without_point

__all__ = ["RECIPES", "train"]

Array = npt.NDArray[np.float32]

#: In fine-tuning the backbone takes steps this much smaller than the head's.
BACKBONE_STEP = 0.02
# Keras' epsilon; torch's own (1e-8) takes visibly other steps at first.
_ADAM_EPSILON = 1e-7
_KEPT_FEATURES = 20_000

#: Takes the rows of a batch, trains on them, and gives their mean loss and how many were right.
Step = Callable[[torch.Tensor], tuple[float, int]]


def train(
    photos: Photos,
    *,
    validation: Photos | None = None,
    validation_split: float = 0.0,
    corrections: str | os.PathLike[str] | None = None,
    recipe: str = "pilot",
    arch: str = "xception",
    dropout: float | None = None,
    freeze_backbone: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    target_size: int | Sequence[int] = 224,
    weights: str | os.PathLike[str] | None = "imagenet",
    scaling: str | None = None,
    resize: str = "antialias",
    decoder: str = "simplejpeg",
    credit: str = "mask",
    closeups: bool = False,
    seed: int = 1,
    device: str = "auto",
    precision: str = "auto",
    cache: bool = True,
    progress: Progress = True,
) -> HabitatModel:
    """Train a habitat classifier.

    The pilot's recipe: a frozen ImageNet backbone, global average pooling, dense 1024 with ReLU,
    dropout, dense softmax; categorical cross-entropy, Adam 0.001, batches of 32, 10 epochs of
    ``floor(n / batch_size)`` steps each. Photos are shuffled anew every epoch, so none is always
    left out. A frozen backbone runs once per photo; its features are cached on disk.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        Labelled photos: a photo table, or anything `list_photos` takes. Rows whose ``split`` is
        ``"test"`` are never trained on.
    validation : like ``photos``, optional
        Photos of other points: history then holds their loss, accuracy and kappa, and the model
        is calibrated on them.
    validation_split : float, default 0
        Instead, the share of points to hold out of ``photos``, drawn within each class.
    corrections : path, optional
        A review table that `run_app` wrote: labels of photos in ``photos`` are replaced, by the
        photos' content, other photos are added; ``model.training["corrections"]`` counts both.
        Nothing is taken from corrected photos of points whose ``split`` is ``"test"`` or that
        ``validation`` holds. To know them, give the whole split table as ``photos``.
    recipe : {"pilot", "finetune"}, default "pilot"
        Defaults of the next five; see ``lucas_habitat.training.RECIPES``.
    dropout, freeze_backbone, epochs, batch_size, learning_rate : optional
        As in the pilot. ``freeze_backbone=False`` trains end to end with augmentation (flips,
        random crops, light), with backbone steps of 0.02 times ``learning_rate``; BatchNorm
        statistics stay as they were.
    arch, weights, scaling, target_size : see `build_model`
        ``target_size`` may be a pair of equal numbers, as in Keras.
    resize, decoder, credit : see `lucas_habitat.images.Preprocessing`
        ``resize="nearest", credit="keep"`` is the pilot to the letter.
    closeups : bool, default False
        Whether close-ups (direction C) are trained on.
    seed : int, default 1
        The same seed on the same machine gives the same model.
    device, precision : see `lucas_habitat.engines.choose_target`
    cache : bool, default True
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    HabitatModel

    Warns
    -----
    LucasWarning
        If photos were refused; they are counted by reason in ``model.training["refused"]``.

    Raises
    ------
    InputError
        If an argument is out of range, there are fewer than two classes, a point stands in
        training and validation, or no photo could be read.
    WeightsError
        If the backbone's weights cannot be had.

    Examples
    --------
    >>> model = train("photos/train", arch="efficientnet_lite0")      # doctest: +SKIP
    """
    settings = _settings(recipe, dropout, freeze_backbone, epochs, batch_size, learning_rate)
    size, seed = square_side(target_size), check_seed(seed)
    how = Preprocessing(size=size, resize=resize, decoder=decoder, credit=credit)
    table, held_out, corrected = _photos_to_train_on(
        photos, validation, validation_split, corrections, closeups, seed
    )
    classes = check_classes(table)
    strange = set(held_out["habitat"]) - set(classes)
    if strange:
        raise InputError(
            f"The validation photos have classes that training lacks: {some(strange)}."
        )
    target = choose_target(device, precision)
    backbone = load_backbone(arch, weights=weights, scaling=scaling, size=size)

    both = pd.concat([table, held_out], ignore_index=True)
    labels = both["habitat"].map({c: i for i, c in enumerate(classes)}).to_numpy().astype(np.int64)
    is_val = np.arange(len(both)) >= len(table)
    # Fine-tuning needs this pass too, to find what cannot be read before hours are spent.
    found = extract_features(
        both["path"].tolist(), backbone, how, target, cache=cache, progress=progress
    )
    fit, val = _readable(both, found, labels, is_val, classes)
    if settings["freeze_backbone"]:
        head, history = _fit_head(
            found.values, labels, fit, val, len(classes), settings, seed, progress
        )
    else:
        backbone, head, history = _finetune(
            both, labels, fit, val, classes, backbone, how, target, settings, seed, progress
        )
        # No other model will ever use these features, so the cache is spared them.
        found = extract_features(
            both["path"].tolist(), backbone, how, target, cache=False, progress=progress
        )
    training_photos, training_features = _kept(both, found.values, fit, seed)
    summary = _summary(both, found, fit, val, classes, recipe, settings, seed)
    model = HabitatModel(
        classes=classes,
        backbone=backbone,
        head_weights=arrays_of(head),
        preprocessing=how,
        target=target,
        history=history,
        training={**summary, "corrections": corrected},
        training_photos=training_photos,
        training_features=training_features,
    )
    if len(val):
        try:
            model.calibration = fit_with_points(
                logits_of(model, found.values[val]), labels[val], both.iloc[val]
            )
        except CalibrationError as error:  # training is done; it must not be lost for this
            warn(f"The model is not calibrated: {words.marked(error)}")
    return model


def describe_training(model: HabitatModel) -> list[str]:
    """How a training went, epoch by epoch, and what became of corrections, as lines for a summary."""
    lines = model.history.to_string(index=False, float_format=lambda v: f"{v:.4f}").split("\n")
    if model.training["corrections"]:
        counts = model.training["corrections"].items()
        lines.append("corrections: " + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts))
    return lines


def _settings(
    recipe: str,
    dropout: float | None,
    freeze_backbone: bool | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
) -> dict[str, Any]:
    check_choice("recipe", recipe, tuple(RECIPES))
    given = {
        "dropout": dropout,
        "freeze_backbone": freeze_backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    settings = RECIPES[recipe] | {k: v for k, v in given.items() if v is not None}
    check_number("dropout", settings["dropout"], 0, 1, open_high=True)
    check_number("epochs", settings["epochs"], 1, whole=True)
    check_number("batch_size", settings["batch_size"], 1, whole=True)
    check_number("learning_rate", settings["learning_rate"], 0, open_low=True)
    return settings | {"epochs": int(settings["epochs"]), "batch_size": int(settings["batch_size"])}


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


def _photos_to_train_on(
    photos: Photos,
    validation: Photos | None,
    validation_split: float,
    corrections: str | os.PathLike[str] | None,
    closeups: bool,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int] | None]:
    check_number("validation_split", validation_split, 0, 1, open_high=True)
    if validation is not None and validation_split:
        raise InputError("Give validation photos or a validation_split, not both.")
    table = as_photos(photos)
    held_out = None if validation is None else as_photos(validation)
    corrected = None
    if corrections is not None:
        table, corrected = apply_corrections(table, corrections, held_out)
    tests = table["split"] == "test"
    if tests.any():
        if tests.all():
            raise InputError("All photos have the split 'test'; there is nothing to train on.")
        inform(f"{int(tests.sum())} photos have the split 'test' and are not trained on.")
    table = _labelled(leave_out_closeups(table[~tests], closeups), "training")
    if held_out is not None:
        held_out = _labelled(leave_out_closeups(held_out, closeups), "validation")
        both = set(groups_of(table)) & set(groups_of(held_out))
        if both:
            raise InputError(
                f"{len(both)} points stand in training and validation: {some(sorted(both))}. Split "
                f"by point with {words.call('split_photos')}, or use {words.option('validation_split')}."
            )
        return table, held_out, corrected
    if validation_split:
        check_classes(table)
        tell_without_point(table)
        drawn = draw_test_points(table, validation_split, seed, "validation_split")
        return table[~drawn], table[drawn], corrected
    return table, table.iloc[:0], corrected


def _labelled(table: pd.DataFrame, what: str) -> pd.DataFrame:
    labelled = table["habitat"].notna()
    if not labelled.any():
        raise InputError(
            f"No {what} photo has a class. Classes are the folders photos stand in, or the column "
            f"habitat of their table ({words.call('assign_habitat')} makes it from LC1 codes)."
        )
    if not labelled.all():
        warn(
            f"{int((~labelled).sum())} of {len(table)} {what} photos have no class and are left out."
        )
    return table[labelled]


def _readable(
    photos: pd.DataFrame,
    found: Features,
    labels: npt.NDArray[np.int64],
    is_val: npt.NDArray[np.bool_],
    classes: list[str],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows to fit and to validate on: those that could be read."""
    warn_of_heic(found.error)
    ok = found.ok
    refused = [
        f"{os.path.basename(photos['path'].iloc[i])} ({found.status[i]})"
        for i in np.flatnonzero(~ok)
    ]
    fit, val = np.flatnonzero(ok & ~is_val), np.flatnonzero(ok & is_val)
    if not len(fit):
        raise InputError(f"None of {len(photos)} photos could be read: {some(refused)}.")
    gone = [c for i, c in enumerate(classes) if i not in set(labels[fit])]
    if gone:
        raise InputError(f"No photo of the class {some(gone)} could be read: {some(refused)}.")
    if refused:
        warn(f"{len(refused)} of {len(photos)} photos were refused: {some(refused)}.")
    return fit, val


def _fit_head(
    features: Array,
    labels: npt.NDArray[np.int64],
    fit: npt.NDArray[np.intp],
    val: npt.NDArray[np.intp],
    num_classes: int,
    settings: dict[str, Any],
    seed: int,
    progress: Progress,
) -> tuple[nn.Sequential, pd.DataFrame]:
    head = make_head(features.shape[1], num_classes, settings["dropout"], seed)
    step = _head_step(head, torch.from_numpy(features[fit]), labels[fit], settings)

    def evaluate() -> torch.Tensor:
        with torch.inference_mode():
            out: torch.Tensor = head.eval()(torch.from_numpy(features[val]))
        return out

    with _small_steps():
        check = (evaluate, labels[val]) if len(val) else None
        history = _epochs(step, len(fit), settings, seed, progress, check)
    return head.eval(), history


def _head_step(
    head: nn.Sequential, x: torch.Tensor, labels: npt.NDArray[np.int64], settings: dict[str, Any]
) -> Step:
    """One step of training the head, with its four gradients written out.

    Autograd comes to the same numbers, but takes fresh memory for every gradient, of which the
    first layer's has 8 MB: that costs a quarter of the time.
    """
    hidden, output = cast(nn.Linear, head[0]), cast(nn.Linear, head[3])
    y, keep = torch.from_numpy(labels), 1 - settings["dropout"]
    parameters = list(head.parameters())
    gradients = [torch.empty_like(p) for p in parameters]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer = torch.optim.Adam(
        parameters, lr=settings["learning_rate"], eps=_ADAM_EPSILON, fused=True
    )

    @torch.no_grad()
    def step(chosen: torch.Tensor) -> tuple[float, int]:
        rows, truth = x[chosen], y[chosen]
        active = torch.addmm(hidden.bias, rows, hidden.weight.t()).clamp_min_(0)
        kept = torch.empty_like(active).bernoulli_(keep).div_(keep)
        active *= kept
        out = torch.addmm(output.bias, active, output.weight.t())
        chances = out.log_softmax(1)
        loss = float(nn.functional.nll_loss(chances, truth))
        error = chances.exp_()
        error[torch.arange(len(truth)), truth] -= 1
        error /= len(truth)
        back = (error @ output.weight).mul_(kept).mul_(active > 0)
        for delta, below, weight, bias in (
            (back, rows, *gradients[:2]),
            (error, active, *gradients[2:]),
        ):
            torch.mm(delta.t(), below, out=weight)
            torch.sum(delta, 0, out=bias)
        optimizer.step()
        return loss, int((out.argmax(1) == truth).sum())

    return step


@contextmanager
def _small_steps() -> Iterator[None]:
    """Compute on one thread, and take denormal numbers for zero.

    Steps this small are hardly quicker on several threads, far slower where these wait for other
    work, and one thread adds up in the same order on every machine. Adam's mean gradient of a
    hidden unit that died halves until it is denormal, which tripled the time of its steps.
    """
    threads = torch.get_num_threads()
    flushed = float(torch.tensor(1e-38) * 0.1) == 0
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)


def _epochs(
    step: Step,
    n: int,
    settings: dict[str, Any],
    seed: int,
    progress: Progress,
    validation: tuple[Callable[[], torch.Tensor], npt.NDArray[np.int64]] | None,
) -> pd.DataFrame:
    """The training loop both recipes share, over ``n`` photos."""
    batch = min(settings["batch_size"], n)
    steps = n // batch
    loss_of = nn.CrossEntropyLoss()
    rows = []
    with (
        torch.random.fork_rng(),
        report(progress, settings["epochs"] * steps, "training") as advance,
    ):
        torch.manual_seed(seed)  # dropout and augmentation draw from the global generator
        for epoch in range(1, settings["epochs"] + 1):
            order = torch.randperm(n)
            total_loss, right = 0.0, 0
            for chosen in torch.split(order[: steps * batch], batch):
                loss, found = step(chosen)
                total_loss += loss
                right += found
                advance(1)
            if not np.isfinite(total_loss):
                raise InputError(
                    f"Training diverged in epoch {epoch}: the loss is {total_loss}. Lower "
                    f"learning_rate, which is {settings['learning_rate']:g}."
                )
            row = {"epoch": epoch, "loss": total_loss / steps, "accuracy": right / (steps * batch)}
            if validation is not None:
                out, truth = validation[0]().cpu(), torch.from_numpy(validation[1])
                guess = out.argmax(1).numpy()
                row |= {
                    "val_loss": float(loss_of(out, truth)),
                    "val_accuracy": float((guess == validation[1]).mean()),
                    "val_kappa": float(cohen_kappa_score(validation[1], guess)),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def _finetune(
    photos: pd.DataFrame,
    labels: npt.NDArray[np.int64],
    fit: npt.NDArray[np.intp],
    val: npt.NDArray[np.intp],
    classes: list[str],
    backbone: Backbone,
    how: Preprocessing,
    target: Target,
    settings: dict[str, Any],
    seed: int,
    progress: Progress,
) -> tuple[Backbone, nn.Sequential, pd.DataFrame]:
    from torchvision.transforms import v2

    device = torch.device(target.device)
    paths = photos["path"].tolist()
    network = HabitatNet(
        copy.deepcopy(backbone),
        make_head(backbone.spec["num_features"], len(classes), settings["dropout"], seed),
        frozen=False,
    ).to(device)
    rate = settings["learning_rate"]
    optimizer = torch.optim.Adam(
        [
            {"params": network.head.parameters()},
            {"params": network.backbone.parameters(), "lr": rate * BACKBONE_STEP},
        ],
        lr=rate,
        eps=_ADAM_EPSILON,
    )
    augment = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomResizedCrop(how.size, scale=(0.7, 1.0), ratio=(0.9, 1.1), antialias=True),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        ]
    )

    def load(rows: Any) -> torch.Tensor:
        photos_ = np.stack([decode_photo(read_bytes(paths[i]), how) for i in rows])
        return torch.from_numpy(photos_).permute(0, 3, 1, 2)

    loss_of = nn.CrossEntropyLoss()
    y = torch.from_numpy(labels[fit])

    def step(chosen: torch.Tensor) -> tuple[float, int]:
        network.train()
        # BatchNorm keeps ImageNet's statistics: batches of 32 are too few to find better ones.
        network.backbone.eval()
        batch = torch.stack([augment(photo) for photo in load(fit[chosen.numpy()])])
        out = network(batch.to(device))
        truth = y[chosen].to(device)
        loss = loss_of(out, truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.detach()), int((out.argmax(1) == truth).sum())

    def evaluate() -> torch.Tensor:
        network.eval()
        with torch.inference_mode():
            return torch.cat(
                [network(load(val[i : i + 32]).to(device)).cpu() for i in range(0, len(val), 32)]
            )

    check = (evaluate, labels[val]) if len(val) else None
    history = _epochs(step, len(fit), settings, seed, progress, check)
    tuned = network.cpu().eval().backbone
    tuned.requires_grad_(False)
    tuned.spec = {
        **backbone.spec,
        "weights": f"{backbone.spec['weights']}, fine-tuned",
        "weights_sha256": arrays_sha256(arrays_of(tuned.network)),
    }
    return tuned, network.head, history


def _summary(
    photos: pd.DataFrame,
    found: Features,
    fit: npt.NDArray[np.intp],
    val: npt.NDArray[np.intp],
    classes: list[str],
    recipe: str,
    settings: dict[str, Any],
    seed: int,
) -> TrainingSummary:
    """How the model was trained, and on what, for its card."""
    used = photos.iloc[fit]
    refused = pd.Series([s for s in found.status if s != "ok"], dtype="str").value_counts()
    return {
        "recipe": recipe,
        "freeze_backbone": settings["freeze_backbone"],
        "dropout": settings["dropout"],
        "epochs": settings["epochs"],
        "batch_size": settings["batch_size"],
        "learning_rate": settings["learning_rate"],
        "seed": seed,
        "n_photos": len(fit),
        "n_points": int(groups_of(used).nunique()),
        "n_without_point": int(used["point_id"].isna().sum()),
        "n_validation_photos": len(val),
        "n_validation_points": int(groups_of(photos.iloc[val]).nunique()),
        "photos_per_class": {c: int((used["habitat"] == c).sum()) for c in classes},
        "years": sorted(int(y) for y in used["year"].dropna().unique()),
        "n_refused": int(refused.sum()),
        "refused": {str(k): int(v) for k, v in refused.items()},
    }


def _kept(
    photos: pd.DataFrame, features: Array, fit: npt.NDArray[np.intp], seed: int
) -> tuple[pd.DataFrame, npt.NDArray[np.float16]]:
    """The photos trained on, and features of some to tell later what is unlike all of them."""
    kept = np.arange(len(fit))
    if len(fit) > _KEPT_FEATURES:
        kept = np.sort(np.random.default_rng(seed).choice(len(fit), _KEPT_FEATURES, replace=False))
    table = photos.iloc[fit][["path", "point_id", "year", "direction", "habitat"]]
    # File names only: a shared model must not tell where its maker keeps photos.
    table = table.assign(path=table["path"].map(os.path.basename)).rename(columns={"path": "photo"})
    table["has_features"] = np.isin(np.arange(len(fit)), kept)
    return table.reset_index(drop=True), features[fit[kept]].astype(np.float16)
