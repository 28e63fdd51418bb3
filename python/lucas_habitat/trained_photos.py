"""Whether photos, or their points, were trained on: told by the photos' content and their point's id."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from ._base import words
from ._base.progress import Progress, report
from ._base.signatures import checked
from ._base.types import Photos
from .cache import content_key
from .errors import PhotoError, inform, some, warn
from .images.heic import is_heic, named_heic
from .model import CONTENT, HabitatModel, Model
from .photos import as_photos
from .saved_models import as_model
from .sources import READERS, base_name, name_of, read_bytes

__all__ = ["content_codes", "in_training"]

#: So that the codes are of no use beside hashes that others made of the same photos.
_KEY = b"lucas-habitat training photo"
_CODE_LETTERS = 32


@checked
def in_training(photos: Photos, model: Model, *, progress: Progress = True) -> pd.DataFrame:
    """Tell of photos whether a model was trained on them, or on others of their points.

    A photo is known by its content, whatever it is called and wherever it lies; one that was compressed
    anew, cropped, or whose metadata were changed is another (`near_duplicates` finds such).

    Parameters
    ----------
    photos : pandas.DataFrame, path or list of paths
        A photo table, or anything `list_photos` takes. The files are read.
    model : HabitatModel, path or address
        A model, or a folder, zip or address that `load_model` takes.
    progress : bool or callable, default True

    Returns
    -------
    pandas.DataFrame
        The photo table with ``in_training``: ``photo`` (the photo was trained on), ``point`` (others of its
        point were), ``no``, ``not recorded`` (neither was found, and the model was made before contents were
        kept, or was shared without its points) or ``unread``. ``photo_in_training`` and
        ``point_in_training`` have the two answers by themselves, missing where they cannot be told: of a
        photo without a point, of a file that cannot be read, or where nothing was recorded.

    Warns
    -----
    LucasWarning
        If photos could not be read.

    Raises
    ------
    ModelError
        If the folder holds no usable model.

    Notes
    -----
    Photos that the model was only validated or calibrated on were not trained on.

    A model that was shared keeps the ids of its points only where its authors said so (`share_model`).

    A model keeps of each training photo its file name, point, year, direction and class, and a code of
    its content (of 128 bits, by a keyed SHA-256). A code does not tell what is in the photo. Who has the
    same file, byte for byte, can tell that it was trained on.

    Examples
    --------
    >>> in_training("new/", "model/")["in_training"].value_counts()  # doctest: +SKIP
    """
    table, trained = as_photos(photos).reset_index(drop=True), as_model(model)
    memory = _memory_of(trained)
    _tell_what_is_lacking(memory)
    paths = table["path"].tolist()
    unread, is_photo = list[str](), list[bool | None]()
    with report(progress, len(paths), "photos") as advance:
        for path, codes in zip(paths, _codes(paths), strict=True):
            if codes is None:
                unread.append(path)
            is_photo.append(memory.has(codes))
            advance(1)
    if unread:
        names = [base_name(path) if isinstance(path, str) else "" for path in unread]
        warn(f"{len(names)} of {len(table)} photos could not be read: {some(names)}.")
    is_point = table["point_id"].isin(memory.points or ()).astype("boolean")
    is_unknown = table["point_id"].isna() | (memory.points is None)
    answers = pd.DataFrame(
        {
            "photo_in_training": pd.array(is_photo, dtype="boolean"),
            "point_in_training": is_point.mask(is_unknown),
        }
    )
    is_unread = table["path"].isin(unread) | table["path"].isna()
    # A photo that names no point has none that could have been trained on.
    is_lacking = answers["photo_in_training"].isna() | (is_unknown & table["point_id"].notna())
    words_of_both = _in_words(answers, is_unread, is_lacking)
    table = table.drop(columns=["in_training", *answers], errors="ignore")
    return table.assign(in_training=words_of_both, **answers)


def content_codes(paths: Sequence[str], contents: Sequence[bytes | None]) -> list[str | None]:
    """Codes of training photos, for a model to keep.

    Parameters
    ----------
    paths : sequence of str
    contents : sequence of bytes or None
        Their `content_key`, as features have it. That of HEIC hangs on what decodes it, so that such files
        are read again.
    """
    codes = list[str | None]()
    for path, content in zip(paths, contents, strict=True):
        key = content
        if content is not None and named_heic(name_of(path)):
            try:
                key = _plain_key(read_bytes(path))
            except PhotoError:
                key = None
        codes.append(None if key is None else _code(key))
    return codes


class _Memory(NamedTuple):
    """What a model keeps of its training photos."""

    points: set[str] | None  # None where it was shared without them
    codes: set[str]
    is_complete: bool  # whether the content of each was recorded

    def has(self, codes: Sequence[str] | None) -> bool | None:
        """Whether a photo was trained on; None where that cannot be told."""
        if codes is None:
            return None
        if not self.codes.isdisjoint(codes):
            return True
        return False if self.is_complete else None


def _memory_of(model: HabitatModel) -> _Memory:
    photos = model.training_photos
    codes = photos[CONTENT] if CONTENT in photos else pd.Series([None] * len(photos), dtype="str")
    is_nameless = model.shared is not None and not model.shared["names_points"]
    points = None if is_nameless else {str(point) for point in photos["point_id"].dropna()}
    return _Memory(points, set(codes.dropna()), bool(codes.notna().all()))


def _tell_what_is_lacking(memory: _Memory) -> None:
    """Say what a model does not keep."""
    if not memory.is_complete:
        inform(
            "The model was made before contents of training photos were recorded: its photos are told by "
            f"their points alone. A model that {words.call('train')} makes now records them."
        )
    if memory.points is None:
        inform(
            "The model was shared without the ids of its points: photos are told by their content alone."
        )


def _codes(paths: Sequence[str]) -> Iterator[list[str] | None]:
    """The codes by which each photo may be kept, in their order; None where it cannot be read."""
    waiting = deque[Future[list[str] | None]]()
    with ThreadPoolExecutor(READERS, thread_name_prefix="photos") as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(_codes_of, path))
                if len(waiting) > 2 * READERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _codes_of(path: str) -> list[str] | None:
    try:
        data = read_bytes(path)
    except PhotoError:
        return None
    # HEIC under another name is kept by what decoded it.
    keys = {_plain_key(data), content_key(data)} if is_heic(data) else {_plain_key(data)}
    return [_code(key) for key in keys]


def _plain_key(data: bytes) -> bytes:
    """As `content_key` is of all but HEIC."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _code(key: bytes) -> str:
    return hmac.new(_KEY, key, "sha256").hexdigest()[:_CODE_LETTERS]


def _in_words(
    answers: pd.DataFrame, is_unread: pd.Series[bool], is_lacking: pd.Series[bool]
) -> pd.Series:
    """Both answers in one; ``is_lacking`` marks photos of which the model may say no wrongly."""
    is_photo, is_point = answers["photo_in_training"], answers["point_in_training"]
    values = np.select(
        [
            is_photo.fillna(False).to_numpy(dtype=bool),
            is_point.fillna(False).to_numpy(dtype=bool),
            is_unread.to_numpy(dtype=bool),
            is_lacking.to_numpy(dtype=bool),
        ],
        ["photo", "point", "unread", "not recorded"],
        "no",
    )
    return pd.Series(values, index=answers.index, dtype="str")
