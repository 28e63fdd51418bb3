"""Photos classified by a trained model."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ._base import words
from ._base.checks import check_choice, check_number
from ._base.choices import PRECISIONS
from ._base.classes import column_names
from ._base.progress import Progress
from ._base.tables import count_lines
from ._base.types import Floats, Photos
from .engines import Target, choose_target
from .errors import DeviceError, InputError, inform
from .features import iter_features
from .images.heic import warn_of_heic
from .likeness import unlike_training
from .model import HabitatModel, Model, p_of, trained_on
from .photos import as_photos, check_labels
from .point_calibration import COLUMN as VOTE_CALIBRATION
from .point_calibration import from_card, to_text
from .saved_models import as_model

__all__ = ["classify"]


def classify(
    photos: Photos,
    model: Model,
    *,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: bool = True,
    flag_unlike: bool = False,
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
    flag_unlike : bool, default False
        Whether to mark photos that are unlike all that the model was trained on, by their
        features: do not trust their class. About 1 in 100 photos of land like the training's is
        marked too.
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    pandas.DataFrame
        The photo table's rows in their order, with ``predicted`` (categorical with all
        classes), ``confidence`` (the largest probability), ``p_<class>`` (float64, rows sum to
        1), ``calibrated`` (whether the model was), ``vote_calibration`` (how `vote` puts points'
        probabilities right; only where the model knows), ``status`` (``"ok"`` or a reason from
        `lucas_habitat.images.STATUSES`) and ``error``; with ``flag_unlike`` also ``unlike``. A
        photo that cannot be read has missing values and its reason. ``attrs`` says
        ``engine`` and ``precision``.

    Warns
    -----
    LucasWarning
        If HEIC photos cannot be read for want of pillow-heif, or labels are none of the model's.

    Raises
    ------
    InputError
        If there are no photos, or the model keeps no training photos to compare with.
    ModelError
        If the folder holds no usable model.
    DeviceError
        If the device or precision is not there.
    """
    if batch_size is not None:
        check_number("batch_size", batch_size, 1, whole=True)
        batch_size = int(batch_size)  # R's numbers come as 8.0
    model = as_model(model)
    table = as_photos(photos)
    if table.empty:
        raise InputError("There are no photos: the table has no rows.")
    if flag_unlike and not len(model.training_features):
        raise InputError(
            "The model keeps no features of its training photos to compare with; leave "
            f"{words.arg('flag_unlike')} out."
        )
    check_labels(table, model.classes)
    is_trained_on = trained_on(model, table) & table["split"].isna()
    if is_trained_on.any():
        # evaluate() notes accuracy on such rows as overstated, by their split.
        table = table.assign(split=table["split"].where(~is_trained_on, "train"))
        inform(
            f"{int(is_trained_on.sum())} of {len(table)} photos are of points the model was trained on: "
            "their split is set to 'train'. Accuracy on them says nothing of other points."
        )
    target = target_for(model, device, precision)
    # Each part's features are dropped at once, so that millions of photos need no more memory.
    p = np.full((len(table), len(model.classes)), np.nan)
    status, error = np.full(len(table), "", object), np.full(len(table), "", object)
    unlike = pd.array([pd.NA] * len(table), dtype="boolean") if flag_unlike else None
    with _one_blas_thread():
        for rows, part in iter_features(
            table["path"].tolist(),
            model.backbone,
            model.preprocessing,
            target,
            total=len(table),
            batch_size=batch_size,
            cache=cache,
            progress=progress,
        ):
            p[rows], status[rows], error[rows] = p_of(model, part), part.status, part.error
            if unlike is not None and part.ok.any():
                is_read = part.ok
                unlike[np.asarray(rows)[is_read]] = unlike_training(part.values[is_read], model)
    warn_of_heic(error)
    predictions = predictions_of(table, model, p, status, error, target)
    if unlike is not None:
        predictions["unlike"] = unlike
    return predictions


def describe_predictions(predictions: pd.DataFrame) -> list[str]:
    """What `classify` could read and with what it did, as lines for a summary."""
    is_read = predictions["status"] == "ok"
    return [
        f"{is_read.sum()} photos classified ({predictions.attrs['engine']}, "
        f"{predictions.attrs['precision']}), {(~is_read).sum()} refused",
        *count_lines(predictions.loc[~is_read, "status"].value_counts()),
        *(
            [f"{int(predictions['unlike'].sum())} photos are unlike the training photos"]
            if "unlike" in predictions
            else []
        ),
    ]


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let numpy multiply on one thread, because all cores are busy with computing photos.

    BLAS threads wait for each other at full load. The setting is the whole process's: of several
    calls at a time the first one makes it, and the last one to end undoes it.
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


def target_for(model: HabitatModel, device: str, precision: str | None) -> Target:
    """Where to run a model: in the precision asked for, or else its own where the device has it."""
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
    p: Floats,
    status: Sequence[str] | npt.NDArray[np.object_],
    error: Sequence[str] | npt.NDArray[np.object_],
    target: Target,
) -> pd.DataFrame:
    """The table that `classify` returns."""
    columns = column_names(model.classes)
    codes = np.where(
        np.asarray(status, object) == "ok", np.nan_to_num(p, nan=-1.0).argmax(axis=1), -1
    )
    # Columns of an earlier classification are replaced.
    replaced = [
        c
        for c in photos.columns
        if str(c).startswith(("p_", "v_"))
        or c
        in (
            "predicted",
            "confidence",
            "calibrated",
            VOTE_CALIBRATION,
            "status",
            "error",
            "unlike",
        )
    ]
    table = photos.drop(columns=replaced).reset_index(drop=True)
    table["predicted"] = pd.Categorical.from_codes(codes, categories=pd.Index(model.classes))
    table["confidence"] = p.max(axis=1)
    for name, values in zip(columns, p.T, strict=True):
        table[name] = values
    table["calibrated"] = model.calibration is not None
    corrections = model.calibration.get("points") if model.calibration else None
    if corrections:
        text = to_text(from_card(corrections))
        # One text for all rows, which memory and Parquet hold once.
        table[VOTE_CALIBRATION] = pd.Categorical.from_codes(
            np.zeros(len(table), dtype=np.intp), categories=pd.Index([text])
        )
    table["status"] = pd.Series(status, dtype="str")
    table["error"] = pd.Series(error, dtype="str")
    table.attrs = {"engine": target.engine, "precision": target.precision}
    return table
