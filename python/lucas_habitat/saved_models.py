"""Models as folders: written whole or not at all, checked when read, never unpickled."""

from __future__ import annotations

import glob
import json
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from ._base import words
from ._base.cards import Card
from ._base.files import (
    ABANDONED,
    check_out_folder,
    file_sha256,
    flush_file,
    flush_folder,
    full_path,
    is_occupied,
    save_tensors,
    write_json,
    writing,
)
from ._base.tables import EXACT
from ._base.tree import FINEST, levels_of
from ._base.version import __version__
from .engines import Target
from .errors import InputError, LucasError, ModelError, inform
from .images.decode import preprocessing_from
from .model import FORMAT, FORMAT_VERSION, HabitatModel, Model, describe_model
from .networks.arrays import Arrays, check_head
from .networks.stored import StoredBackbone
from .point_calibration import check_calibration

__all__ = ["load_model", "save_model"]

_CARD = "card.json"

_WEIGHTS = "model.safetensors"

_FEATURES = "training_features.npy"

_PHOTOS = "training_photos.csv"

_HISTORY = "history.csv"

_FILES = (_WEIGHTS, _FEATURES, _PHOTOS, _HISTORY)


def save_model(
    model: HabitatModel, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Save a model as a folder that needs nothing else to classify.

    Weights of backbone and head are in ``model.safetensors``, everything else in a JSON card and
    plain tables; nothing is pickled. The folder appears whole or not at all. Where a program is
    killed while it replaces a model, the old or the new one is what `load_model` gives.

    Parameters
    ----------
    model : HabitatModel
    folder : path
    overwrite : bool, default False
        Replace a model that is there. Anything else is never replaced.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder holds something already.
    OutputError
        If the disk is full or nothing may be written there; a model that was there is as it was.
    """
    folder = check_model_folder(folder, overwrite)
    new = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    with writing(folder, _bytes_of(model)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        try:
            _remove_leftovers(folder, new.stat().st_mtime)
            _write_folder(model, new)
            _put_in_place(new, folder)
        except BaseException:
            if not _old_beside(new).exists():
                shutil.rmtree(new, ignore_errors=True)
            raise
    return folder


def _bytes_of(model: HabitatModel) -> int:
    """About how large a saved model is; the tables of a card and photos come on top."""
    arrays = [*model.head_weights.values(), *model.backbone.state.values(), model.training_features]
    return sum(array.nbytes for array in arrays)


def _remove_leftovers(folder: Path, now: float) -> None:
    """Remove what killed programs left beside a model's folder when they wrote it.

    ``now`` is by the clock of what holds the folder.
    """
    for new in folder.parent.glob(f".{glob.escape(folder.name)}-????????"):
        with suppress(OSError):
            files = list(new.iterdir())
            is_ours = all(f.name in (*_FILES, _CARD) or f.name.startswith(".") for f in files)
            last = max(path.stat().st_mtime for path in (new, *files))
            if is_ours and now - last > ABANDONED and not _old_beside(new).exists():
                shutil.rmtree(new, ignore_errors=True)


def _put_in_place(new: Path, folder: Path) -> None:
    """Rename a model that is written whole to its folder, and remove the one that was there.

    These are two renamings. A program that is killed between them leaves the old and the new model
    beside the folder, and `_recovered` does the second.
    """
    old = _old_beside(new)
    try:
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
        flush_folder(folder.parent)
    except BaseException:
        # Nothing failed if another program's load_model() did the second renaming meanwhile.
        if new.exists() or not folder.exists():
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            raise
    for old in _olds_of(folder):
        if not _new_beside(old).exists():
            shutil.rmtree(old, ignore_errors=True)


def _recovered(folder: Path) -> Path:
    """Where a model is: its folder, after a replacement that was broken off is completed."""
    if folder.exists():
        return folder
    for new in map(_new_beside, _olds_of(folder)):
        if (new / _CARD).is_file():
            try:
                os.replace(new, folder)
            except OSError:  # another program was first, or here nothing may be written
                return folder if folder.exists() else new
            shutil.rmtree(_old_beside(new), ignore_errors=True)
            inform(f"Replacing the model {folder} was broken off; the new model is there now.")
            break
    return folder


def _olds_of(folder: Path) -> list[Path]:
    """Models that stood in the folder before, as replacements that were broken off left them."""
    return sorted(folder.parent.glob(f".{glob.escape(folder.name)}-????????-old"))


def _old_beside(new: Path) -> Path:
    return new.with_name(f"{new.name}-old")


def _new_beside(old: Path) -> Path:
    return old.with_name(old.name.removesuffix("-old"))


def check_model_folder(folder: str | os.PathLike[str], overwrite: bool) -> Path:
    """The full path of a folder that a model may be saved in; refused before a model is trained."""
    folder = full_path(folder)
    _recovered(folder)
    if is_occupied(folder):
        if not (folder / _CARD).is_file():
            raise InputError(
                f"{folder} exists and holds no model; it is left as it is. Give another folder."
            )
        if not overwrite:
            raise InputError(
                f"{folder} holds a model already. Give another folder, or overwrite it explicitly "
                f"({words.arg('overwrite', True)})."
            )
    check_out_folder(folder.parent)
    return folder


def _write_folder(model: HabitatModel, folder: Path) -> None:
    """Write the files of a model, the card last, and have them on the disk."""
    parts = {"head": model.head_weights, "backbone": model.backbone.state}
    tensors = {
        f"{part}.{name}": value
        for part, weights in parts.items()
        for name, value in weights.items()
    }
    save_tensors(tensors, folder / _WEIGHTS, {"classes": json.dumps(list(model.classes))})
    np.save(folder / _FEATURES, model.training_features, allow_pickle=False)
    model.training_photos.to_csv(folder / _PHOTOS, index=False, encoding="utf-8")
    model.history.to_csv(folder / _HISTORY, index=False)
    for name in (_FEATURES, _PHOTOS, _HISTORY):
        flush_file(folder / name)
    card = model.card()
    card["files"] = {name: file_sha256(folder / name) for name in _FILES}
    write_json(card, folder / _CARD)


def load_model(folder: str | os.PathLike[str]) -> HabitatModel:
    """Load a saved model.

    Parameters
    ----------
    folder : path

    Returns
    -------
    HabitatModel

    Raises
    ------
    ModelError
        If the folder is missing, holds no model, was written by a newer version, or is damaged;
        every file is checked against the card.
    """
    folder = _recovered(Path(folder).expanduser())
    card = _read_card(folder)
    for name, sha256 in card["files"].items():
        if name not in _FILES:
            raise ModelError(f"The model {folder} lists an unknown file {name!r}.")
        if not (folder / name).is_file():
            raise ModelError(f"The model {folder} is incomplete: {name} is missing.")
        if file_sha256(folder / name) != sha256:
            raise ModelError(
                f"The model {folder} is damaged: {name} is not what the card describes. Copy the "
                "whole folder again from where it came."
            )
    try:
        return _read_folder(folder, card)
    except ModelError:
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        RuntimeError,
        LucasError,
    ) as error:
        raise ModelError(f"The model {folder} cannot be used: {words.marked(error)}") from error


def as_model(model: Model) -> HabitatModel:
    """A model as it is given, or loaded from its folder.

    Raises
    ------
    ModelError
        If it is neither, or the folder holds no usable model.
    """
    if isinstance(model, HabitatModel):
        return model
    if isinstance(model, str | os.PathLike):
        return load_model(model)
    raise ModelError(
        f"A model must be what {words.call('train')} or {words.call('load_model')} returned, or "
        f"the folder of a saved one; got a {type(model).__name__}."
    )


def _read_card(folder: Path) -> Card:
    """A model's card, checked to be one that this version reads."""
    path = folder / _CARD
    if not path.is_file():
        reason = "is no folder" if not folder.is_dir() else "holds no model (no card.json)"
        raise ModelError(
            f"{folder} {reason}. Models are made by {words.call('train')} and {words.call('save_model')}."
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"The card {path} is damaged: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{path} is not the card of a lucas-habitat model.")
    if not isinstance(card.get("format_version"), int) or card["format_version"] > FORMAT_VERSION:
        raise ModelError(
            f"The model {folder} was written by lucas-habitat {card.get('lucas_habitat')} in format "
            f"{card.get('format_version')}; this is {__version__}, which reads up to format "
            f"{FORMAT_VERSION}. Update lucas-habitat."
        )
    files = card.get("files")
    if not isinstance(files, dict) or set(files) != set(_FILES):
        raise ModelError(f"The card {path} does not list the model's files.")
    return cast(Card, card)


def _read_folder(folder: Path, card: Card) -> HabitatModel:
    """The model in a folder, by its card."""
    from safetensors import safe_open

    with safe_open(folder / _WEIGHTS, framework="numpy") as file:
        classes = json.loads(file.metadata()["classes"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if classes != card["classes"]:
        raise ModelError(
            f"The model {folder} was trained for the classes {', '.join(classes)}, but its card "
            f"lists {', '.join(map(str, card['classes']))}. Restore the card."
        )
    parts: dict[str, Arrays] = {"head": {}, "backbone": {}}
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        parts[part][key] = tensor
    backbone = StoredBackbone(card["backbone"], parts["backbone"])
    widths = [part.spec["num_features"] for part in backbone.parts]
    check_head(parts["head"], widths, len(classes))
    if card["calibration"]:
        check_calibration(card["calibration"], len(classes))
    levels = card.get("levels")
    photos = pd.read_csv(
        folder / _PHOTOS,
        dtype={"photo": "str", "point_id": "str", "direction": "str", "habitat": "str"},
    )
    photos["year"] = photos["year"].astype("Int64")
    model = HabitatModel(
        classes=classes,
        backbone=backbone,
        head_weights=parts["head"],
        preprocessing=preprocessing_from(card["preprocessing"]),
        target=Target(card["engine"], card["device"], card["precision"]),
        history=pd.read_csv(folder / _HISTORY, **EXACT),
        training=card["training"],
        calibration=card["calibration"],
        training_photos=photos,
        training_features=np.load(folder / _FEATURES, allow_pickle=False),
        created=card["created"],
        versions=card["versions"],
        # Models of before levels were kept have none on their card.
        levels=levels_of(pd.DataFrame({**levels, FINEST: classes}), words.call("load_model"))
        if levels
        else None,
    )
    describe_model(model)  # a card that cannot be described is damaged, and that is said here
    return model
