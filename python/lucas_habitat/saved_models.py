"""Model folders: written whole, checked when read, never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ._base.files import write_json
from ._base.tables import EXACT
from ._base.version import __version__
from .engines import Target
from .errors import InputError, LucasError, ModelError
from .images.decode import preprocessing_from
from .model import FORMAT, FORMAT_VERSION, HabitatModel
from .networks.arrays import Arrays, check_head
from .networks.stored import StoredBackbone

__all__ = ["load_model", "save_model"]

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
    plain tables; nothing is pickled. The folder appears whole or not at all.

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
    """
    folder = check_model_folder(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    tmp = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    tmp.mkdir()
    try:
        _write_folder(model, tmp)
        if folder.exists():
            old = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}-old")
            os.replace(folder, old)
            os.replace(tmp, folder)
            shutil.rmtree(old)
        else:
            os.replace(tmp, folder)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    return folder


def check_model_folder(folder: str | os.PathLike[str], overwrite: bool) -> Path:
    """Whether a model may be saved here, asked before it is trained."""
    folder = Path(os.path.abspath(os.path.expanduser(folder)))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / "card.json").is_file():
            raise InputError(
                f"{folder} exists and holds no model; it is left as it is. Give another folder."
            )
        if not overwrite:
            raise InputError(
                f"{folder} holds a model already. Give another folder, or overwrite it explicitly "
                "(overwrite=True, --overwrite)."
            )
    return folder


def _write_folder(model: HabitatModel, folder: Path) -> None:
    from safetensors.numpy import save_file

    parts = {"head": model.head_weights, "backbone": model.backbone.state}
    tensors = {
        f"{part}.{name}": np.ascontiguousarray(value)
        for part, weights in parts.items()
        for name, value in weights.items()
    }
    save_file(tensors, folder / _WEIGHTS, metadata={"classes": json.dumps(list(model.classes))})
    np.save(folder / _FEATURES, model.training_features, allow_pickle=False)
    model.training_photos.to_csv(folder / _PHOTOS, index=False, encoding="utf-8")
    model.history.to_csv(folder / _HISTORY, index=False)
    card = model.card()
    card["files"] = {name: _sha256(folder / name) for name in _FILES}
    write_json(card, folder / "card.json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    folder = Path(folder).expanduser()
    card = _read_card(folder)
    for name, wanted in card["files"].items():
        if name not in _FILES:
            raise ModelError(f"The model {folder} lists an unknown file {name!r}.")
        if not (folder / name).is_file():
            raise ModelError(f"The model {folder} is incomplete: {name} is missing.")
        if _sha256(folder / name) != wanted:
            raise ModelError(
                f"The model {folder} is damaged: {name} is not what the card describes. Copy the "
                "whole folder again from where it came."
            )
    try:
        return _read_folder(folder, card)
    except ModelError:
        raise
    except (KeyError, TypeError, ValueError, OSError, RuntimeError, LucasError) as error:
        raise ModelError(f"The model {folder} cannot be used: {error}") from error


def as_model(model: HabitatModel | str | os.PathLike[str]) -> HabitatModel:
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
        "A model must be what train() or load_model() returned, or the folder of a saved one; got "
        f"a {type(model).__name__}."
    )


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    if not path.is_file():
        what = "is no folder" if not folder.is_dir() else "holds no model (no card.json)"
        raise ModelError(f"{folder} {what}. Models are made by train() and save_model().")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
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
    return card


def _read_folder(folder: Path, card: dict[str, Any]) -> HabitatModel:
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
    check_head(parts["head"], backbone.spec["num_features"], len(classes))
    photos = pd.read_csv(
        folder / _PHOTOS,
        dtype={"photo": "str", "point_id": "str", "direction": "str", "habitat": "str"},
    )
    photos["year"] = photos["year"].astype("Int64")
    return HabitatModel(
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
    )
