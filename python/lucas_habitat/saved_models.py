"""Models as folders: written whole or not at all, checked when read, never unpickled."""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.cards import Card, check_card, one_line, read_card
from ._base.checks import check_choice
from ._base.choices import PRECISIONS
from ._base.classes import column_names
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
from ._base.model_files import CARD, FEATURES, FILES, HISTORY, MOST_BYTES, PHOTOS, WEIGHTS
from ._base.progress import Progress
from ._base.signatures import checked
from ._base.tables import EXACT, require_columns
from ._base.tree import FINEST, levels_of
from ._base.version import __version__
from .engines import Target
from .errors import InputError, LucasError, ModelError, inform
from .images.decode import preprocessing_from
from .model import FORMAT, FORMAT_VERSION, HabitatModel, Model, describe_model
from .model_sources import (
    KeptModel,
    ModelAddress,
    forget,
    kept_model,
    local_zip,
    model_address,
    unpack,
)
from .networks.arrays import Arrays, check_head
from .networks.files import check_finite, read_rows, read_tensors
from .networks.stored import StoredBackbone
from .point_calibration import check_calibration

__all__ = ["load_model", "save_model"]


@checked
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
            is_ours = all(f.name in (*FILES, CARD) or f.name.startswith(".") for f in files)
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
        if (new / CARD).is_file():
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
        if not (folder / CARD).is_file():
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


#: Before the names of what says how networks are rounded to eight bits, among the weights.
_INT8 = "int8"


def _write_folder(model: HabitatModel, folder: Path) -> None:
    """Write the files of a model, the card last, and have them on the disk."""
    parts = {"head": model.head_weights, "backbone": model.backbone.state}
    if model.backbone.quantised is not None:
        parts[_INT8] = model.backbone.quantised
    tensors = {
        f"{part}.{name}": value
        for part, weights in parts.items()
        for name, value in weights.items()
    }
    save_tensors(tensors, folder / WEIGHTS, {"classes": json.dumps(list(model.classes))})
    np.save(folder / FEATURES, model.training_features, allow_pickle=False)
    model.training_photos.to_csv(folder / PHOTOS, index=False, encoding="utf-8")
    model.history.to_csv(folder / HISTORY, index=False)
    for name in (FEATURES, PHOTOS, HISTORY):
        flush_file(folder / name)
    card = model.card()
    card["files"] = {name: file_sha256(folder / name) for name in FILES}
    write_json(card, folder / CARD)


@checked
def load_model(
    folder: str | os.PathLike[str], *, sha256: str | None = None, progress: Progress = True
) -> HabitatModel:
    """Load a saved model, or one that somebody shared.

    Every function that takes a model takes what this takes as ``folder``.

    Parameters
    ----------
    folder : path or address
        The folder of a saved model; a zip that `share_model` wrote; or where one lies:
        ``https://....zip``, a record of Zenodo's ``doi:10.5281/zenodo.<number>`` (with several zips,
        ``doi:10.5281/zenodo.<number>/<name>.zip``), or a repository of Hugging Face's hub,
        ``hf://<owner>/<name>``, ``hf://<owner>/<name>@<revision>``. Every form may end in
        ``#sha256=<checksum>``. What was fetched is kept in the cache and never asked for again:
        `clear_cache` lets go of it.
    sha256 : str, optional
        The checksum of the zip. Another file is refused, and a web page's change is noticed.
    progress : bool or callable, default True
        Whether to show a bar while a model is fetched, or what to call with megabytes done and in all.

    Returns
    -------
    HabitatModel

    Raises
    ------
    ModelError
        If the folder is missing, holds no model, was written by a newer version, or is damaged;
        every file is checked against the card. If a zip is none of a model.
    InputError
        If an address is of no form that is read, or not https.
    DownloadError
        If the model cannot be had, or is not what its checksum says. What came is kept.

    Notes
    -----
    Nothing in a model is ever executed: it is JSON, tables, and arrays of numbers. A service's own
    checksums are checked too. A repository is fetched at the commit that its revision is then, a DOI of
    all versions of a record at the latest; a message names it, and it is that which is kept.

    Examples
    --------
    >>> model = load_model("dk.zip")                           # doctest: +SKIP
    >>> model = load_model("doi:10.5281/zenodo.1234567")       # doctest: +SKIP
    >>> predictions = classify("photos", "hf://lab/dk-model")  # doctest: +SKIP
    """
    if not isinstance(folder, str | os.PathLike):
        raise InputError(
            f"{words.arg('folder')} must be a path or an address; got {words.value(folder)}."
        )
    zipped = local_zip(folder, sha256)
    if zipped is not None:
        with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as parent:
            unpacked = Path(parent) / "model"
            unpack(zipped.path, unpacked, str(zipped.path))
            return _load_folder(unpacked)
    address = model_address(folder, sha256)
    if address is not None:
        return _load_address(address, progress)
    if sha256 is not None:
        raise InputError(
            f"{words.arg('sha256')} is the checksum of a zip, and {folder} is none on this computer."
        )
    return _load_folder(_recovered(Path(folder).expanduser()))


def _load_address(address: ModelAddress, progress: Progress) -> HabitatModel:
    """The model at an address, from the cache or fetched; it is told where it came from."""
    kept = kept_model(address, progress)
    try:
        model = _load_folder(kept.folder)
    except ModelError as error:
        forget(kept)
        raise ModelError(
            f"What is at {address.shown} cannot be used, and was removed from the cache: "
            f"{words.marked(error)}"
        ) from error
    if kept.folder not in _told:
        _told.add(kept.folder)
        inform(_origin(address, kept, model))
    return model


#: Models in the cache of which this process has told where they came from.
_told: set[Path] = set()


def _origin(address: ModelAddress, kept: KeptModel, model: HabitatModel) -> str:
    """Where a model came from, whose it is, and under what licence."""
    shared = model.shared
    version = f" ({kept.version})" if kept.version else ""
    whose = (
        f"{one_line(shared['title'])}, by {one_line(', '.join(shared['authors']))}, licence "
        f"{one_line(shared['licence'])}"
        if shared
        else "its card names neither authors nor licence: ask where it is offered"
    )
    how = "was fetched and is kept" if kept.is_new else "was fetched before and lies"
    return f"The model {address.shown}{version} {how} in {kept.folder}: {whose}."


def _load_folder(folder: Path) -> HabitatModel:
    """The model in a folder, after every file was checked against the card."""
    card = _read_card(folder)
    for name, sha256 in card["files"].items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"The model {folder} is incomplete: {name} is missing.")
        if path.stat().st_size > MOST_BYTES[name]:
            raise ModelError(
                f"The model {folder} cannot be used: {name} has {path.stat().st_size:,} bytes; at most "
                f"{MOST_BYTES[name]:,} are read."
            )
        with _reading(path):
            is_whole = file_sha256(path) == sha256
        if not is_whole:
            raise ModelError(
                f"The model {folder} is damaged: {name} is not what the card describes. Copy the "
                "whole folder again from where it came."
            )
    return _read_folder(folder, card)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of what goes wrong with a model's file which one it is.

    Anything can: libraries raise errors of their own, and Python's for numbers that are too large.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        reason = words.marked(error) or type(error).__name__
        raise ModelError(
            f"The model {path.parent} cannot be used: {reason} ({path.name})"
        ) from error


def as_model(model: Model, progress: Progress = True) -> HabitatModel:
    """A model as it is given, or loaded from where it lies, as `load_model` takes it.

    Raises
    ------
    ModelError
        If it is neither, or the folder holds no usable model.
    """
    if isinstance(model, HabitatModel):
        return model
    if isinstance(model, str | os.PathLike):
        return load_model(model, progress=progress)
    raise ModelError(
        f"A model must be what {words.call('train')} or {words.call('load_model')} returned, or "
        f"the folder, zip or address of one; got a {type(model).__name__}."
    )


def _read_card(folder: Path) -> Card:
    """A model's card, checked to be one that this version reads."""
    path = folder / CARD
    if not path.is_file():
        reason = "does not exist" if not folder.exists() else "holds no model (no card.json)"
        raise ModelError(
            f"{folder} {reason}. Models are made by {words.call('train')} and {words.call('save_model')}, "
            f"zips of them by {words.call('share_model')}."
        )
    try:
        card = read_card(path)
    except (ValueError, OSError, MemoryError) as error:
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
    if not isinstance(files, dict) or set(files) != set(FILES):
        raise ModelError(f"The card {path} does not list the model's files.")
    with _reading(path):
        check_card(card)
    return cast(Card, card)


def _read_folder(folder: Path, card: Card) -> HabitatModel:
    """The model in a folder, by its card."""
    with _reading(folder / WEIGHTS):
        texts, tensors = read_tensors(folder / WEIGHTS)
        classes = json.loads(texts["classes"])
        if classes != card["classes"]:
            raise ModelError(
                f"The model {folder} was trained for the classes {', '.join(classes)}, but its card "
                f"lists {', '.join(map(str, card['classes']))}. Restore the card."
            )
        parts = _parts(tensors)
        backbone = StoredBackbone(card["backbone"], parts["backbone"], parts.get(_INT8))
        quantisation = card.get("quantisation")
        if backbone.quantised_sha256 != (quantisation["sha256"] if quantisation else None):
            raise LucasError(
                "The eight bits of its networks are not those that the card describes."
            )
        widths = [part.spec["num_features"] for part in backbone.parts]
        check_head(parts["head"], widths, len(classes))
        check_finite(tensors, "The weight")
    with _reading(folder / PHOTOS):
        photos = _read_photos(folder / PHOTOS)
    with _reading(folder / FEATURES):
        features = read_rows(folder / FEATURES, card["backbone"]["num_features"])
        if len(features) != photos["has_features"].sum():
            raise LucasError(f"It has {len(features)} rows, and {PHOTOS} names others.")
    with _reading(folder / HISTORY):
        history = pd.read_csv(folder / HISTORY, **EXACT)
    with _reading(folder / CARD):
        return _model(card, backbone, parts["head"], photos, features, history)


def _parts(tensors: Arrays) -> dict[str, Arrays]:
    """The weights of head and backbone, and how the backbone is rounded to eight bits if it is."""
    parts: dict[str, Arrays] = {"head": {}, "backbone": {}}
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        if part == _INT8:
            parts.setdefault(part, {})
        parts[part][key] = tensor
    return parts


def _read_photos(path: Path) -> pd.DataFrame:
    """The table of training photos."""
    photos = pd.read_csv(
        path,
        dtype=dict.fromkeys(("photo", "point_id", "direction", "habitat", "content"), "str"),
    )
    require_columns(
        photos,
        ["photo", "point_id", "year", "direction", "habitat", "has_features"],
        path.name,
        words.call("save_model"),
    )
    photos["year"] = photos["year"].astype("Int64")
    if photos["has_features"].dtype != bool:
        raise LucasError(
            "The column has_features holds other values than whether a photo has features."
        )
    return photos


def _model(
    card: Card,
    backbone: StoredBackbone,
    head: Arrays,
    photos: pd.DataFrame,
    features: npt.NDArray[np.float16],
    history: pd.DataFrame,
) -> HabitatModel:
    """The model that a card describes, of what its files hold."""
    classes, levels = card["classes"], card.get("levels")
    column_names(classes)
    if card["calibration"]:
        check_calibration(card["calibration"], len(classes))
    check_choice("engine", card["engine"], ("openvino", "torch"))
    check_choice("precision", card["precision"], PRECISIONS)
    if card["precision"] == "int8" and backbone.quantised is None:
        raise LucasError("The card says int8, and the model has no eight bits.")
    model = HabitatModel(
        classes=classes,
        backbone=backbone,
        head_weights=head,
        preprocessing=preprocessing_from(card["preprocessing"]),
        target=Target(card["engine"], card["device"], card["precision"]),
        history=history,
        training=card["training"],
        calibration=card["calibration"],
        training_photos=photos,
        training_features=features,
        created=card["created"],
        versions=card["versions"],
        shared=card.get("shared"),
        quantisation=card.get("quantisation"),
        # Models of before levels were kept have none on their card.
        levels=levels_of(pd.DataFrame({**levels, FINEST: classes}), words.call("load_model"))
        if levels
        else None,
    )
    describe_model(model)  # a card that cannot be described is damaged, and that is said here
    return model
