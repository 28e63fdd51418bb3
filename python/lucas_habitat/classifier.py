"""Photos classified by a trained model."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, overload

import pandas as pd

from ._base import words
from ._base.checks import check_choice, check_number
from ._base.choices import ENGINES
from ._base.files import check_out_file, check_out_folder, write_or_rescue
from ._base.progress import Progress
from ._base.runs import Run
from ._base.signatures import checked
from ._base.tables import TABLE_ENDINGS, write_for_people
from ._base.types import Photos
from .cluster.classifying import classify_on_ray
from .errors import InputError
from .model import Model, inform_of_training, marked_as_trained
from .photos import as_photos, check_labels
from .predicting import iter_predictions, target_for
from .runs.writing import classify_into
from .saved_models import as_model

__all__ = ["classify"]


@overload
def classify(
    photos: Photos,
    model: Model,
    *,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: bool = True,
    flag_unlike: bool = False,
    out: None = None,
    retry: bool = False,
    engine: str = "local",
    address: str | None = None,
    progress: Progress = True,
) -> pd.DataFrame: ...


@overload
def classify(
    photos: Photos,
    model: Model,
    *,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: bool = True,
    flag_unlike: bool = False,
    out: str | os.PathLike[str],
    retry: bool = False,
    engine: str = "local",
    address: str | None = None,
    progress: Progress = True,
) -> pd.DataFrame | Run: ...


@checked
def classify(
    photos: Photos,
    model: Model,
    *,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: bool = True,
    flag_unlike: bool = False,
    out: str | os.PathLike[str] | None = None,
    retry: bool = False,
    engine: str = "local",
    address: str | None = None,
    progress: Progress = True,
) -> pd.DataFrame | Run:
    """Predict class probabilities for photos.

    Photos are read as the model's card says, and computed in its precision where the device
    has it. For more photos than a table in memory can hold, or a run that must not begin anew
    when it is broken off, give a folder as ``out``.

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        A photo table, or anything `list_photos` takes.
    model : HabitatModel, path or address
        A model, or a folder, zip or address that `load_model` takes.
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
    out : path, optional
        A file ending in ``.csv`` or ``.parquet``, to which the table is written too; or the
        folder of a run (see Notes).
    retry : bool, default False
        Whether a run that goes on tries photos again that could not be read before.
    engine : {"local", "ray"}, default "local"
        Where a run is computed: ``"local"``, on this machine; ``"ray"``, by Ray on the processes or
        machines of a cluster (extra ``cluster``). Photos and ``out``, which must be the
        folder of a run, must then lie where all machines see them under the same path.
    address : str, optional
        Of the Ray cluster, such as ``"auto"`` on one of its machines. Default: Ray is started on
        this machine's cores for as long as the run takes.
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    pandas.DataFrame or Run
        With a folder as ``out`` a `Run`, which every function takes where it takes a table, and
        which is the path of its folder. Else the photo table's rows in their order, with
        ``predicted`` (categorical with all classes), ``confidence`` (the largest probability),
        ``p_<class>`` (float64, rows sum to 1), ``calibrated`` (whether the model was),
        ``vote_calibration`` (how `vote` puts points' probabilities right; only where the model
        knows), ``status`` (``"ok"`` or a reason from `lucas_habitat.images.STATUSES`) and
        ``error``; with ``flag_unlike`` also ``unlike``. A photo that cannot be read has missing
        values and its reason. ``attrs`` says ``engine`` and ``precision``.

    Notes
    -----
    A run is a folder of Parquet files, ``part-*.parquet``, of at most 4,096 photos each, that
    appear as photos are classified, and ``_run.json``, which says by what. Photos are listed and
    classified as a stream: memory does not grow with their number, but for some 60 bytes each.
    Called again with the same folder it goes on: a photo with the path, size and time of one that
    is done is done; where only size or time differ, its content decides. Broken off, at most the
    photos of the part in hand (and, with the cache, the features of at most 512 of them) are
    computed again. Another model or other settings are refused. New photos are added as further
    parts; rows of photos that are not listed any more are kept, and counted in a message. Beside
    its predictions a row has ``stamp`` (size and time of the file) and ``content`` (a hash of it).

    Warns
    -----
    LucasWarning
        If HEIC photos cannot be read for want of pillow-heif, or labels are none of the model's.

    Raises
    ------
    InputError
        If there are no photos, or the model keeps no training photos to compare with; or if
        ``out`` is the folder of a run by another model or with other settings, of a run that
        another program is writing, or holds something else.
    ModelError
        If the folder holds no usable model.
    DeviceError
        If the device or precision is not there.
    OutputError
        If ``out`` cannot be written, which is tried before photos are read. A table that cannot be
        written after them is written to a temporary folder that the message names.
    """
    if batch_size is not None:
        check_number("batch_size", batch_size, 1, whole=True)
        batch_size = int(batch_size)  # R's numbers come as 8.0
    check_choice("engine", engine, ENGINES)
    _check_run_only(engine, address, out, retry)
    if out is not None:
        check_predictions_out(out)
    model = as_model(model, progress)
    if flag_unlike and not len(model.training_features):
        raise InputError(
            "The model keeps no features of its training photos to compare with; leave "
            f"{words.arg('flag_unlike')} out."
        )
    if out is not None and not is_table_file(out):
        settings: dict[str, Any] = {
            "batch_size": batch_size,
            "cache": cache,
            "flag_unlike": flag_unlike,
            "retry": retry,
            "progress": progress,
        }
        if engine == "ray":
            return classify_on_ray(out, photos, model, device, precision, address, settings)
        return classify_into(out, photos, model, target_for(model, device, precision), **settings)
    target = target_for(model, device, precision)
    table = as_photos(photos)
    if table.empty:
        raise InputError("There are no photos: the table has no rows.")
    check_labels(table, model.classes)
    table, n_trained_on = marked_as_trained(model, table)
    inform_of_training(n_trained_on, len(table))
    (block,) = iter_predictions(
        [table],
        len(table),
        model,
        target,
        batch_size=batch_size,
        cache=cache,
        flag_unlike=flag_unlike,
        progress=progress,
    )
    predictions = block.predictions()
    if out is not None:
        write_or_rescue(out, partial(write_for_people, predictions))
    return predictions


def check_predictions_out(out: str | os.PathLike[str]) -> None:
    """Refuse a file or a run's folder that cannot be written, before photos are read."""
    if is_table_file(out):
        check_out_file(out)
    else:
        check_out_folder(out)


def _check_run_only(
    engine: str, address: str | None, out: str | os.PathLike[str] | None, retry: bool
) -> None:
    """Refuse what only a run can do where none is asked for, and a cluster's address without a cluster."""
    is_run = out is not None and not is_table_file(out)
    if engine == "local" and address is not None:
        raise InputError(
            f"{words.arg('address')} is that of a Ray cluster; give {words.arg('engine', 'ray')} too."
        )
    if engine == "ray" and not is_run:
        raise InputError(
            f"{words.arg('engine', 'ray')} writes runs: give {words.arg('out')} the folder of one, on a file "
            "system that all machines of the cluster see."
        )
    if retry and not is_run:
        raise InputError(
            f"{words.arg('retry', True)} is for a run that goes on: give {words.arg('out')} its folder."
        )


def is_table_file(out: str | os.PathLike[str]) -> bool:
    """Whether predictions go into one file, and not into the folder of a run."""
    name = str(os.fspath(out)).lower()
    if name.endswith(_OTHER_FILES):
        raise InputError(
            f"{words.arg('out')} must be a file that ends in .csv or .parquet, or the folder of a run; "
            f"got {words.value(str(out))}."
        )
    return name.endswith(TABLE_ENDINGS)


#: Names of files that tables are not written to, and that nobody means as a folder's.
_OTHER_FILES = (
    ".xlsx",
    ".xls",
    ".ods",
    ".tsv",
    ".txt",
    ".json",
    ".feather",
    ".arrow",
    ".rds",
    ".gz",
)
