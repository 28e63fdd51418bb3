"""Photos through a frozen backbone: read, decoded and computed on all cores, known ones not again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._base.progress import Progress, report
from ._base.version import library_versions
from .cache import FeatureCache, content_key, file_key
from .engines import Target, cores, make_runner
from .errors import PhotoError
from .images.decode import Preprocessing, decode_photo, read_bytes
from .images.heic import is_heic, named_heic

if TYPE_CHECKING:
    from .networks.backbones import Backbone
    from .networks.stored import StoredBackbone

__all__ = ["Features", "extract_features", "iter_features"]

Array = npt.NDArray[np.float32]

#: Photos looked up in the cache at a time.
_BLOCK = 512
#: Counts up when the same settings come to give other features.
_REVISION = 2


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

    @classmethod
    def none(cls, n: int, num_features: int) -> Features:
        """Make room for n photos, none of them read yet."""
        return cls(np.full((n, num_features), np.nan, np.float32), ["ok"] * n, [""] * n)

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Which photos were read."""
        return np.array([s == "ok" for s in self.status], dtype=bool)


@dataclass
class _Part:
    """Features of some rows, and what the cache is to keep of files that were read."""

    rows: npt.NDArray[np.intp]
    found: Features
    #: The content's key, its features if they are new, the file's key.
    read: list[tuple[bytes, Array | None, bytes | None]] = field(default_factory=list)


def extract_features(
    paths: Sequence[str],
    backbone: Backbone | StoredBackbone,
    preprocessing: Preprocessing,
    target: Target,
    *,
    batch_size: int | None = None,
    cache: bool = True,
    progress: Progress = True,
) -> Features:
    """Run photos through a frozen backbone; see `iter_features`."""
    whole = Features.none(len(paths), backbone.spec["num_features"])
    for rows, part in iter_features(
        paths,
        backbone,
        preprocessing,
        target,
        batch_size=batch_size,
        cache=cache,
        progress=progress,
    ):
        whole.values[rows] = part.values
        for i, status, error in zip(rows, part.status, part.error, strict=True):
            whole.status[i], whole.error[i] = status, error
    return whole


def iter_features(
    paths: Sequence[str],
    backbone: Backbone | StoredBackbone,
    preprocessing: Preprocessing,
    target: Target,
    *,
    batch_size: int | None = None,
    cache: bool = True,
    progress: Progress = True,
) -> Iterator[tuple[npt.NDArray[np.intp], Features]]:
    """Run photos through a frozen backbone, some at a time.

    Each core takes a few photos, decodes them and runs them through the network by itself, so
    that none waits for another. Memory does not grow with the number of photos. A photo that
    cannot be used is a row with its reason. Whatever ends the run, features computed so far are
    in the cache.

    Parameters
    ----------
    paths : sequence of str
    backbone : Backbone
    preprocessing : Preprocessing
    target : Target
    batch_size : int, optional
        Photos computed at once; default: what suits the device.
    cache : bool, default True
    progress : bool or callable, default True

    Yields
    ------
    rows : numpy.ndarray
        Places in ``paths``; each comes once.
    features : Features
        Of these rows.
    """
    store = (
        FeatureCache(_spec(backbone, preprocessing, target), _width(backbone)) if cache else None
    )
    work = partial(_compute, paths, backbone, preprocessing, target, store)
    jobs = _jobs(paths, target, store, work, batch_size)

    def keep(part: _Part) -> None:
        if store:
            for key, values, file in part.read:
                store.add(key, values, file)

    pool = ThreadPoolExecutor(cores(), thread_name_prefix="photos")
    # A few jobs wait, so that no core does.
    waiting = deque(pool.submit(job) for job in islice(jobs, 2 * cores()))
    try:
        with report(progress, len(paths), "photos") as advance:
            while waiting:
                part = waiting[0].result()
                waiting.popleft()
                waiting.extend(pool.submit(job) for job in islice(jobs, 1))
                keep(part)
                yield part.rows, part.found
                advance(len(part.rows))
    finally:
        pool.shutdown(cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                keep(future.result())
        if store:
            store.close()


def _spec(
    backbone: Backbone | StoredBackbone, preprocessing: Preprocessing, target: Target
) -> dict[str, object]:
    """Everything that changes features: libraries round differently from version to version."""
    computing = ("numpy", "pillow", "simplejpeg", "timm", target.engine)
    versions = {k: v for k, v in library_versions().items() if k in computing}
    how = {"backbone": backbone.spec, "preprocessing": preprocessing.as_dict()}
    return {**how, **asdict(target), "versions": versions, "revision": _REVISION}


def _width(backbone: Backbone | StoredBackbone) -> int:
    return int(backbone.spec["num_features"])


def _jobs(
    paths: Sequence[str],
    target: Target,
    store: FeatureCache | None,
    work: Callable[[npt.NDArray[np.intp]], _Part],
    batch_size: int | None,
) -> Iterator[Callable[[], _Part]]:
    """What is to be done: blocks of known photos, and few unknown ones at a time."""
    # A handful of photos is shared among the cores too.
    most = batch_size or min(target.batch_size, -(-len(paths) // cores()))
    for start in range(0, len(paths), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(paths)))
        if store:
            known, values = store.find([paths[i] for i in rows.tolist()])
            if known.any():
                n = int(known.sum())
                part = _Part(rows[known], Features(values[known], ["ok"] * n, [""] * n))
                yield partial(_done, part)
            rows = rows[~known]
        for first in range(0, len(rows), most):
            yield partial(work, rows[first : first + most])


def _done(part: _Part) -> _Part:
    return part


def _compute(
    paths: Sequence[str],
    backbone: Backbone | StoredBackbone,
    preprocessing: Preprocessing,
    target: Target,
    store: FeatureCache | None,
    rows: npt.NDArray[np.intp],
) -> _Part:
    """Read, decode and compute some photos, in one of the pool's threads."""
    part = _Part(rows, Features.none(len(rows), _width(backbone)))
    photos, places, keys = [], [], []
    for place, i in enumerate(rows.tolist()):
        file = file_key(paths[i]) if store else None  # before it is read: it may change meanwhile
        try:
            data = read_bytes(paths[i])
            key = content_key(data) if store else b""
            if is_heic(data) and not named_heic(paths[i]):
                file = None  # its name does not tell that its features hang on what decodes HEIC
            known = store.get(key) if store else None
            if known is None:
                photos.append(decode_photo(data, preprocessing))
                places.append(place)
                keys.append((key, file))
            else:
                part.found.values[place] = known
                part.read.append((key, None, file))
        except PhotoError as error:
            part.found.status[place], part.found.error[place] = error.status, str(error)
    if photos:
        values = make_runner(backbone, target)(np.stack(photos))
        part.found.values[places] = values
        part.read += [(key, row, file) for (key, file), row in zip(keys, values, strict=True)]
    return part
