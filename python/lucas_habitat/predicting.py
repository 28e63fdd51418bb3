"""Predictions of photo tables, computed as they come: what `classify` and runs have in common."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ._base import words
from ._base.checks import check_choice
from ._base.choices import PRECISIONS
from ._base.classes import column_names
from ._base.progress import Progress
from ._base.tables import count_lines
from ._base.types import Floats
from .engines import Target, choose_target
from .errors import DeviceError, InputError, inform
from .features import Features, iter_features
from .images.heic import count_without_heic, warn_of_heic
from .likeness import unlike_training
from .model import HabitatModel, agrees_with_float32, p_of
from .point_calibration import COLUMN as VOTE_CALIBRATION
from .point_calibration import from_card, to_text

__all__ = [
    "Block",
    "describe_predictions",
    "is_result",
    "iter_predictions",
    "predictions_of",
    "target_for",
]


@dataclass
class Block:
    """Photos that are classified together, and what came out so far."""

    photos: pd.DataFrame
    model: HabitatModel
    target: Target
    flag_unlike: bool = False
    content: npt.NDArray[np.uint8] = field(init=False)  # (n, 16), a hash of each file
    has_content: npt.NDArray[np.bool_] = field(init=False)  # where the file could be read

    def __post_init__(self) -> None:
        n = len(self.photos)
        self._p = np.full((n, len(self.model.classes)), np.nan)
        self._status, self._error = np.full(n, "", object), np.full(n, "", object)
        self._unlike = pd.array([pd.NA] * n, dtype="boolean")
        self.content, self.has_content = np.zeros((n, 16), np.uint8), np.zeros(n, dtype=bool)
        self._remaining = n

    @property
    def is_complete(self) -> bool:
        """Whether all photos are classified."""
        return self._remaining == 0

    def take(self, rows: npt.NDArray[np.intp], features: Features) -> None:
        """Classify some of the photos by their features, which are then let go."""
        self._p[rows] = p_of(self.model, features)
        self._status[rows], self._error[rows] = features.status, features.error
        for row, content in zip(rows.tolist(), features.content, strict=True):
            if content is not None:
                self.content[row] = np.frombuffer(content, np.uint8)
                self.has_content[row] = True
        is_read = features.ok
        if self.flag_unlike and is_read.any():
            self._unlike[rows[is_read]] = unlike_training(features.values[is_read], self.model)
        self._remaining -= len(rows)

    @property
    def n_without_heic(self) -> int:
        """Photos that only the missing package for HEIC kept from being read."""
        return count_without_heic(self._error)

    def predictions(self) -> pd.DataFrame:
        """The table that `classify` returns."""
        table = predictions_of(
            self.photos, self.model, self._p, self._status, self._error, self.target
        )
        if self.flag_unlike:
            table["unlike"] = self._unlike
        return table


def iter_predictions(
    tables: Iterable[pd.DataFrame],
    total: int,
    model: HabitatModel,
    target: Target,
    *,
    batch_size: int | None = None,
    cache: bool = True,
    contents: bool = False,
    flag_unlike: bool = False,
    progress: Progress = True,
) -> Iterator[Block]:
    """Classify tables of photos, ``total`` in all; each is yielded when complete, in their order.

    Tables are asked for as photos are needed, so that a few are in memory at a time.
    """
    waiting: deque[tuple[int, Block]] = deque()

    def paths() -> Iterator[str]:
        start = 0
        for photos in tables:
            waiting.append((start, Block(photos, model, target, flag_unlike)))
            start += len(photos)
            yield from photos["path"].tolist()

    n_without_heic = 0
    with _one_blas_thread():
        for rows, features in iter_features(
            paths(),
            model.backbone,
            model.preprocessing,
            target,
            total=total,
            batch_size=batch_size,
            cache=cache,
            contents=contents,
            progress=progress,
        ):
            for start, block in waiting:
                is_mine = (rows >= start) & (rows < start + len(block.photos))
                if is_mine.any():
                    block.take(rows[is_mine] - start, features.rows(is_mine))
            while waiting and waiting[0][1].is_complete:
                _, block = waiting.popleft()
                n_without_heic += block.n_without_heic
                yield block
    warn_of_heic(n_without_heic)


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
        if precision == "int8" and model.quantisation is None:
            raise InputError(
                f"The model has no eight bits: {words.call('quantize')} finds them, with some photos such "
                f"as are to be classified, or {words.call('train')} with {words.arg('precision', 'int8')}."
            )
        return choose_target(device, precision, has_int8=agrees_with_float32(model))
    try:
        return choose_target(device, model.target.precision)
    except DeviceError:
        target = choose_target(device, "float32")
        inform(
            f"The model was trained in {model.target.precision}, which {target.device} does not "
            "compute in; float32 is used. Borderline photos may change class."
        )
        return target


def is_result(column: object) -> bool:
    """Whether a column is of an earlier classification, and replaced by another one."""
    return str(column).startswith(("p_", "v_")) or column in _RESULTS


_RESULTS = (
    "predicted",
    "confidence",
    "calibrated",
    VOTE_CALIBRATION,
    "status",
    "error",
    "unlike",
)


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
    table = photos.drop(columns=[c for c in photos.columns if is_result(c)]).reset_index(drop=True)
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
