"""Photos through a frozen backbone, once: features and their cache on disk."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_dir

from ._progress import Progress, report
from .backbones import Backbone
from .engines import Target, make_runner
from .errors import PhotoError, warn
from .images import Preprocessing, decode_photo, read_bytes

__all__ = ["FeatureCache", "Features", "cache_folder", "extract_features"]

Array = npt.NDArray[np.float32]

#: Environment variable that names the cache folder.
CACHE_FOLDER = "LUCAS_HABITAT_CACHE"
_FORMAT = 1
#: Features are written this often, so that an interrupted run loses little.
_SEGMENT = 512


@dataclass
class Features:
    """Features of photos, in their order.

    Attributes
    ----------
    values : numpy.ndarray
        float32, shape (n, num_features); NaN where a photo could not be read.
    status, error : list of str
        One of `lucas_habitat.images.STATUSES`, and what exactly was found.
    """

    values: Array
    status: list[str]
    error: list[str]

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Which photos were read."""
        return np.array([s == "ok" for s in self.status], dtype=bool)


def cache_folder() -> Path:
    """Where features are cached: LUCAS_HABITAT_CACHE, else the user's cache folder."""
    return Path(os.environ.get(CACHE_FOLDER) or user_cache_dir("lucas-habitat", appauthor=False))


class FeatureCache:
    """Features on disk, found by a photo's content.

    One folder holds the features of one way to compute them: its name is a hash of everything
    that changes them. Files are only ever added, each under a new name and complete when it
    appears, so two processes can share the folder and a reader never sees half a file.

    Parameters
    ----------
    spec : dict
        Everything that changes the features, save the photo itself.
    num_features : int
    """

    def __init__(self, spec: dict[str, Any], num_features: int) -> None:
        text = json.dumps({"format": _FORMAT, **spec}, sort_keys=True)
        self.folder = cache_folder() / "features" / hashlib.sha256(text.encode()).hexdigest()[:24]
        self._spec = text
        self._dtype = np.dtype([("photo", "V16"), ("features", "<f4", (num_features,))])
        # Where features are: in memory, or a file and the place in it. Files are not kept open: a
        # long-lived process would run out of handles, and Windows locks what is mapped.
        self._rows: dict[bytes, Array | tuple[Path, int]] = {}
        self._new: dict[bytes, Array] = {}
        self._writable = True
        for file in sorted(self.folder.glob("*.npy")):
            try:
                segment = np.load(file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                continue  # a damaged file only costs the time to compute its features again
            if segment.dtype == self._dtype:
                start, step = segment.offset + 16, self._dtype.itemsize
                for i, key in enumerate(segment["photo"]):
                    self._rows[key.tobytes()] = (file, start + i * step)

    @staticmethod
    def key(data: bytes) -> bytes:
        """A photo's key: a hash of the file's content."""
        return hashlib.blake2b(data, digest_size=16).digest()

    def get(self, key: bytes) -> Array | None:
        """The features of a photo, or None."""
        found = self._rows.get(key)
        if not isinstance(found, tuple):
            return found
        try:
            with found[0].open("rb") as file:
                file.seek(found[1])
                return np.frombuffer(file.read(self._dtype.itemsize - 16), "<f4").astype(np.float32)
        except OSError:
            return None  # cleared by someone in the meantime

    def add(self, key: bytes, features: Array) -> None:
        """Remember the features of a photo; `flush` writes them."""
        if key not in self._rows:
            self._rows[key] = self._new[key] = features
            if len(self._new) >= _SEGMENT:
                self.flush()

    def flush(self) -> None:
        """Write what is new. A full or read-only disk costs the cache, never the run."""
        if not self._new or not self._writable:
            return
        segment = np.empty(len(self._new), dtype=self._dtype)
        for i, (key, features) in enumerate(self._new.items()):
            segment[i] = (np.void(key), features)
        name = uuid.uuid4().hex
        tmp = self.folder / f".{name}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "spec.json").write_text(self._spec, encoding="utf-8")
            with tmp.open("wb") as file:
                np.save(file, segment, allow_pickle=False)
            os.replace(tmp, self.folder / f"{name}.npy")
        except OSError as error:
            self._writable = False
            with suppress(OSError):
                tmp.unlink()
            warn(
                f"Features cannot be cached in {self.folder} ({error}); the next run computes them "
                f"again. {CACHE_FOLDER} names another folder."
            )
        self._new = {}


def extract_features(
    paths: Sequence[str],
    backbone: Backbone,
    preprocessing: Preprocessing,
    target: Target,
    *,
    batch_size: int = 32,
    cache: bool = True,
    progress: Progress = True,
) -> Features:
    """Run photos through a frozen backbone.

    Photos are read and decoded by threads while the backbone runs; memory does not grow with
    the number of photos, save for the features. A photo that cannot be used is a row with its
    reason. Whatever ends the run, features computed so far are in the cache.
    """
    d = backbone.spec["num_features"]
    found = Features(
        np.full((len(paths), d), np.nan, np.float32), ["ok"] * len(paths), [""] * len(paths)
    )
    spec = {"backbone": backbone.spec, "preprocessing": preprocessing.as_dict(), **asdict(target)}
    store = FeatureCache(spec, d) if cache else None
    runner = None
    batch: list[tuple[int, bytes, npt.NDArray[np.uint8]]] = []

    def read(path: str) -> tuple[bytes, npt.NDArray[np.uint8] | Array]:
        data = read_bytes(path)
        key = FeatureCache.key(data) if store else b""
        known = store.get(key) if store else None
        return key, decode_photo(data, preprocessing) if known is None else known

    def run_batch(advance: Any) -> None:
        nonlocal runner
        runner = runner or make_runner(backbone, target)
        values = runner(np.stack([photo for _, _, photo in batch]))
        for (i, key, _), row in zip(batch, values, strict=True):
            found.values[i] = row
            if store:
                store.add(key, row)
        advance(len(batch))
        batch.clear()

    try:
        with report(progress, len(paths), "photos") as advance, _pool() as pool:
            for i, future in enumerate(_ahead(pool, read, paths, 4 * batch_size)):
                try:
                    key, value = future.result()
                except PhotoError as error:
                    found.status[i], found.error[i] = error.status, str(error)
                    advance(1)
                    continue
                if value.ndim == 1:
                    found.values[i] = value
                    advance(1)
                    continue
                batch.append((i, key, value))
                if len(batch) == batch_size:
                    run_batch(advance)
            if batch:
                run_batch(advance)
    finally:
        if store:
            store.flush()
    return found


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="photos")


def _ahead(
    pool: ThreadPoolExecutor, task: Any, items: Sequence[str], most: int
) -> Iterator[Future[Any]]:
    """Results in order, with at most so many photos read ahead of the backbone."""
    rest = iter(items)
    waiting = deque(pool.submit(task, item) for item in islice(rest, most))
    try:
        while waiting:
            yield waiting.popleft()
            waiting.extend(pool.submit(task, item) for item in islice(rest, 1))
    finally:
        for future in waiting:
            future.cancel()
