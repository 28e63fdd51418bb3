"""A trained habitat model: what it holds, how it predicts, how it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ._progress import Progress
from ._tables import EXACT, column_names, write_json
from ._version import __version__, library_versions
from .engines import PRECISIONS, Target, choose_target
from .errors import (
    DeviceError,
    InputError,
    LucasError,
    ModelError,
    check_choice,
    check_number,
    inform,
)
from .features import Features, iter_features
from .heic import warn_of_heic
from .images import Preprocessing, preprocessing_from
from .photos import as_photos, check_labels
from .stored import Arrays, StoredBackbone, check_head, head_logits

if TYPE_CHECKING:
    from torch import nn

    from .backbones import Backbone

__all__ = ["HabitatModel", "classify", "load_model", "save_model"]

_FORMAT = "lucas-habitat model"
_FORMAT_VERSION = 1
_WEIGHTS = "model.safetensors"
_FEATURES = "training_features.npy"
_PHOTOS = "training_photos.csv"
_HISTORY = "history.csv"
_FILES = (_WEIGHTS, _FEATURES, _PHOTOS, _HISTORY)


@dataclass
class HabitatModel:
    """A trained model. Print it to see its card.

    Attributes
    ----------
    classes : list of str
        In the order of the probabilities.
    backbone : Backbone or StoredBackbone
        ``backbone.load()`` is the torch module, ``backbone.spec`` describes it.
    head_weights : dict of str to numpy.ndarray
        float32: ``0.weight`` (1024, features), ``0.bias`` (1024,), ``3.weight`` (classes, 1024)
        and ``3.bias`` (classes,). As a torch module it is ``head``.
    preprocessing : Preprocessing
        How photos must be read.
    target : Target
        The engine and precision the training features were computed with.
    history : pandas.DataFrame
        One row an epoch: ``epoch``, ``loss``, ``accuracy`` and, with validation points,
        ``val_loss``, ``val_accuracy``, ``val_kappa``.
    training : dict
        Recipe, settings, counts of photos, points and classes, and what was refused.
    calibration : dict or None
        ``temperature`` and how it was found; None if the model was not calibrated.
    training_photos : pandas.DataFrame
        ``photo`` (file name), ``point_id``, ``year``, ``direction``, ``habitat`` of all photos
        trained on, and ``has_features``, which marks those behind ``training_features``.
    training_features : numpy.ndarray
        float16; at most 20,000 rows, drawn at random from the training photos.
    created : str
        ISO date and time, UTC.
    versions : dict
        Of what it was trained with.
    """

    classes: list[str]
    backbone: Backbone | StoredBackbone
    head_weights: Arrays
    preprocessing: Preprocessing
    target: Target
    history: pd.DataFrame
    training: dict[str, Any]
    training_photos: pd.DataFrame
    training_features: npt.NDArray[np.float16]
    calibration: dict[str, Any] | None = None
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=lambda: library_versions())

    @property
    def temperature(self) -> float:
        """What logits are divided by; 1 without calibration."""
        return float(self.calibration["temperature"]) if self.calibration else 1.0

    @cached_property
    def head(self) -> nn.Sequential:
        """The head as a torch module: dense 1024, ReLU, dropout, dense."""
        import torch

        from .backbones import make_head

        features, dropout = self.backbone.spec["num_features"], self.training["dropout"]
        with torch.inference_mode(False):  # whoever asks first: gradients are for all
            head = make_head(features, len(self.classes), dropout, seed=0)
            head.load_state_dict({k: torch.tensor(v) for k, v in self.head_weights.items()})
        return head.eval()

    @cached_property
    def exact_head(self) -> Arrays:
        """The head's weights in float64."""
        return {name: value.astype(np.float64) for name, value in self.head_weights.items()}

    def card(self) -> dict[str, Any]:
        """Everything needed to trust and repeat the model, as plain values."""
        last = self.history.iloc[-1].to_dict() if len(self.history) else {}
        return {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "lucas_habitat": __version__,
            "created": self.created,
            "classes": list(self.classes),
            "backbone": self.backbone.spec,
            "preprocessing": self.preprocessing.as_dict(),
            "engine": self.target.engine,
            "device": self.target.device,
            "precision": self.target.precision,
            "training": self.training,
            "calibration": self.calibration,
            "metrics": {k: None if pd.isna(v) else float(v) for k, v in last.items()},
            "versions": self.versions,
        }

    def __repr__(self) -> str:
        t = self.training
        spec = self.backbone.spec
        lines = [
            f"<lucas-habitat model> {', '.join(self.classes)}",
            f"  backbone     {spec['arch']} ({'frozen' if t['freeze_backbone'] else 'fine-tuned'}), "
            f"weights {spec['weights']}, {spec['size']} x {spec['size']}",
            f"  trained on   {t['n_photos']} photos of {t['n_points']} points"
            + (f", {t['n_refused']} refused" if t["n_refused"] else "")
            + f"; recipe {t['recipe']}, "
            f"{t['epochs']} epochs, seed {t['seed']}",
            f"  computed by  {self.target.engine} on {self.target.device}, {self.target.precision}",
        ]
        if len(self.history):
            last = self.history.iloc[-1]
            shown = [
                f"{k} {last[k]:.3f}"
                for k in self.history.columns
                if k != "epoch" and not pd.isna(last[k])
            ]
            lines.append(f"  last epoch   {', '.join(shown)}")
        lines.append(
            f"  calibrated   temperature {self.temperature:.3f} on {self.calibration['n_points']} points"
            + (" (few: a rough number)" if self.calibration["n_points"] < 30 else "")
            if self.calibration
            else "  calibrated   no: probabilities are scores, not proportions; see calibrate()"
        )
        return "\n".join(lines)


def logits_of(model: HabitatModel, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The head's output, shape (n, classes), before calibration."""
    return head_logits(model.exact_head, features)


def probabilities_of(
    logits: npt.NDArray[np.float64], temperature: float = 1.0
) -> npt.NDArray[np.float64]:
    """Softmax in float64; rows sum to 1 within rounding."""
    scores = logits / temperature
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = scores / scores.sum(axis=1, keepdims=True)
    return result


def classify(
    photos: Any,
    model: HabitatModel | str | os.PathLike[str],
    *,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: bool = True,
    progress: Progress = True,
) -> pd.DataFrame:
    """Predict class probabilities for photos.

    Photos are read as the model's card says, and computed in its precision where the device
    has it.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        A photo table, or anything `list_photos` takes.
    model : HabitatModel or path
        A model, or the folder of a saved one.
    batch_size : int, optional
        Photos computed at a time, at least 1; default: what suits the device.
    device : str, default "auto"
        See `lucas_habitat.engines.choose_target`.
    precision : {"auto", "float32", "bfloat16"}, optional
        Default: the model's own. ``"float32"`` gives the same answer
        on every machine, to within rounding.
    cache : bool, default True
        Whether features are looked up and kept on disk.
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    pandas.DataFrame
        The photo table's rows in their order, with ``predicted`` (categorical with all
        classes), ``confidence`` (the largest probability), ``p_<class>`` (float64, rows sum to
        1), ``calibrated`` (whether the model was), ``status`` (``"ok"`` or a reason from
        `lucas_habitat.images.STATUSES`) and ``error``. A photo that cannot be read has missing
        values and its reason. ``attrs`` says ``engine`` and ``precision``.

    Warns
    -----
    LucasWarning
        If HEIC photos cannot be read for want of pillow-heif, or labels are none of the model's.

    Raises
    ------
    InputError
        If there are no photos.
    ModelError
        If the folder holds no usable model.
    DeviceError
        If the device or precision is not there.
    """
    if batch_size is not None:
        check_number("batch_size", batch_size, 1, whole=True)
        batch_size = int(batch_size)  # R's numbers come as 8.0
    if not isinstance(model, HabitatModel):
        model = load_model(model)
    photos = as_photos(photos)
    if photos.empty:
        raise InputError("There are no photos: the table has no rows.")
    check_labels(photos, model.classes)
    seen = trained_on(model, photos) & photos["split"].isna()
    if seen.any():
        # evaluate() tells from the split that such rows prove nothing.
        photos = photos.assign(split=photos["split"].where(~seen, "train"))
        inform(
            f"{int(seen.sum())} of {len(photos)} photos are of points the model was trained on: their "
            "split is set to 'train'. Accuracy on them says nothing of other points."
        )
    target = _target_for(model, device, precision)
    # Features are let go of part by part, so that millions of photos need no more memory.
    p = np.full((len(photos), len(model.classes)), np.nan)
    status, error = np.full(len(photos), "", object), np.full(len(photos), "", object)
    with _one_blas_thread():
        for rows, part in iter_features(
            photos["path"].tolist(),
            model.backbone,
            model.preprocessing,
            target,
            batch_size=batch_size,
            cache=cache,
            progress=progress,
        ):
            p[rows], status[rows], error[rows] = p_of(model, part), part.status, part.error
    warn_of_heic(error)
    return predictions_of(photos, model, p, status, error, target)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let numpy multiply on one thread: others would wait at full load for cores that compute photos.

    The setting is the whole process's, so the first call in sets it and the last one out undoes it.
    """
    global _blas_limit, _blas_users
    with _blas_lock:
        if not _blas_users:
            _blas_limit = threadpool_limits(1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if not _blas_users and _blas_limit:
                _blas_limit.restore_original_limits()


_blas_lock = threading.Lock()
_blas_limit: threadpool_limits | None = None
_blas_users = 0


def p_of(model: HabitatModel, features: Features) -> npt.NDArray[np.float64]:
    """Class probabilities, shape (n, classes); NaN where a photo could not be read."""
    p = np.full((len(features.status), len(model.classes)), np.nan)
    ok = features.ok
    p[ok] = probabilities_of(logits_of(model, features.values[ok]), model.temperature)
    return p


def trained_on(model: HabitatModel, photos: pd.DataFrame) -> pd.Series:
    """Mark photos of points that the model was trained on."""
    known = model.training_photos
    seen = photos["point_id"].isin(known["point_id"].dropna())
    # A photo without a point is known again by its name and label.
    names = set(zip(known["photo"], known["habitat"], strict=True))
    alike = [
        isinstance(path, str) and (os.path.basename(path), label) in names
        for path, label in zip(photos["path"], photos["habitat"], strict=True)
    ]
    return seen | (photos["point_id"].isna() & np.array(alike, dtype=bool))


def _target_for(model: HabitatModel, device: str, precision: str | None) -> Target:
    if precision is not None:
        check_choice("precision", precision, PRECISIONS)
        return choose_target(device, precision)
    try:
        return choose_target(device, model.target.precision)
    except DeviceError:
        target = choose_target(device, "float32")
        inform(
            f"The model was trained in {model.target.precision}, which {target.device} does not "
            "compute in; float32 is used. Borderline photos may change class."
        )
        return target


def predictions_of(
    photos: pd.DataFrame,
    model: HabitatModel,
    p: npt.NDArray[np.float64],
    status: Sequence[str] | npt.NDArray[np.object_],
    error: Sequence[str] | npt.NDArray[np.object_],
    target: Target,
) -> pd.DataFrame:
    """The table that `classify` returns."""
    columns = column_names(model.classes)
    codes = np.where(
        np.asarray(status, object) == "ok", np.nan_to_num(p, nan=-1.0).argmax(axis=1), -1
    )
    # What an earlier classification left in the table gives way.
    stale = [
        c
        for c in photos.columns
        if str(c).startswith(("p_", "v_"))
        or c in ("predicted", "confidence", "calibrated", "status", "error")
    ]
    table = photos.drop(columns=stale).reset_index(drop=True)
    table["predicted"] = pd.Categorical.from_codes(codes, categories=pd.Index(model.classes))
    table["confidence"] = p.max(axis=1)
    for name, values in zip(columns, p.T, strict=True):
        table[name] = values
    table["calibrated"] = model.calibration is not None
    table["status"] = pd.Series(status, dtype="str")
    table["error"] = pd.Series(error, dtype="str")
    table.attrs = {"engine": target.engine, "precision": target.precision}
    return table


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


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    if not path.is_file():
        what = "is no folder" if not folder.is_dir() else "holds no model (no card.json)"
        raise ModelError(f"{folder} {what}. Models are made by train() and save_model().")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"The card {path} is damaged: {error}") from error
    if not isinstance(card, dict) or card.get("format") != _FORMAT:
        raise ModelError(f"{path} is not the card of a lucas-habitat model.")
    if not isinstance(card.get("format_version"), int) or card["format_version"] > _FORMAT_VERSION:
        raise ModelError(
            f"The model {folder} was written by lucas-habitat {card.get('lucas_habitat')} in format "
            f"{card.get('format_version')}; this is {__version__}, which reads up to format "
            f"{_FORMAT_VERSION}. Update lucas-habitat."
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
