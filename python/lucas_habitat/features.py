"""Features of photos by a frozen backbone: looked up in the cache, or computed on all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import compress, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ._base.progress import Progress, report
from ._base.version import library_versions
from .cache import FeatureCache, content_key, file_key
from .engines import Target, cores, make_runner
from .errors import PhotoError
from .images.decode import Preprocessing, decode_photo
from .images.heic import is_heic, named_heic
from .sources import Fetch, ReadAhead, name_of, read_bytes

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
        One of `lucas_habitat.images.STATUSES`, and the reason in full.
    content : list of bytes or None
        The `content_key` of each file; None where it could not be read, or nobody asked for it.
    """

    values: Array
    status: list[str]
    error: list[str]
    content: list[bytes | None]

    @classmethod
    def none(cls, n: int, num_features: int) -> Features:
        """Features of n photos that are still to be filled in."""
        values = np.full((n, num_features), np.nan, np.float32)
        return cls(values, ["ok"] * n, [""] * n, [None] * n)

    def rows(self, is_chosen: npt.NDArray[np.bool_]) -> Features:
        """Those of some of the photos."""
        if is_chosen.all():
            return self
        return Features(
            self.values[is_chosen],
            list(compress(self.status, is_chosen)),
            list(compress(self.error, is_chosen)),
            list(compress(self.content, is_chosen)),
        )

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Which photos were read."""
        return np.array([s == "ok" for s in self.status], dtype=bool)


class _Entry(NamedTuple):
    """What the cache is to keep of a file that was read."""

    content: bytes  # the key of its content
    values: Array | None  # None where the cache has them
    file: bytes | None  # the key of the file; None where its features are found by content only


@dataclass
class _Part:
    """Features of some rows, and what the cache is to keep of them."""

    rows: npt.NDArray[np.intp]
    features: Features
    entries: list[_Entry] = field(default_factory=list)


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
    features = Features.none(len(paths), backbone.spec["num_features"])
    for rows, part in iter_features(
        paths,
        backbone,
        preprocessing,
        target,
        total=len(paths),
        batch_size=batch_size,
        cache=cache,
        contents=True,
        progress=progress,
    ):
        features.values[rows] = part.values
        for i, status, error, content in zip(
            rows, part.status, part.error, part.content, strict=True
        ):
            features.status[i], features.error[i], features.content[i] = status, error, content
    return features


def iter_features(
    paths: Iterable[str],
    backbone: Backbone | StoredBackbone,
    preprocessing: Preprocessing,
    target: Target,
    *,
    total: int,
    batch_size: int | None = None,
    cache: bool = True,
    contents: bool = False,
    progress: Progress = True,
) -> Iterator[tuple[npt.NDArray[np.intp], Features]]:
    """Run photos through a frozen backbone, some at a time.

    Each core takes a few photos, decodes them and runs them through the network by itself, so
    that none waits for another. Memory does not grow with the number of photos, whose paths are
    asked for as they are needed. A photo that cannot be used is a row with its reason. Whatever
    ends the run, features computed so far are in the cache. Photos that lie elsewhere are fetched
    before it is their turn, some dozens at a time.

    Parameters
    ----------
    paths : iterable of str
    backbone : Backbone
    preprocessing : Preprocessing
    target : Target
    total : int
        How many paths there are.
    batch_size : int, optional
        Photos computed at once; default: what suits the device.
    cache : bool, default True
    contents : bool, default False
        Whether the content of files is hashed without the cache too.
    progress : bool or callable, default True

    Yields
    ------
    rows : numpy.ndarray
        Places in ``paths``; each comes once, all of some hundreds before any of those after them.
    features : Features
        Of these rows.
    """
    store = (
        FeatureCache(_spec(backbone, preprocessing, target), _width(backbone)) if cache else None
    )
    if store:
        store.expect(total)
    work = partial(_compute, backbone, preprocessing, target, store, contents)
    # A handful of photos is shared among the cores too.
    most = batch_size or min(target.batch_size, max(1, -(-total // cores())))
    ahead = ReadAhead()
    jobs = _jobs(paths, store, ahead, work, most)

    def keep(part: _Part) -> None:
        if store:
            for entry in part.entries:
                store.add(entry.content, entry.values, entry.file)

    pool = ThreadPoolExecutor(cores(), thread_name_prefix="photos")
    waiting = deque[Future[_Part]]()

    def submit() -> None:
        # More jobs than cores, so that no core waits for its next one.
        while len(waiting) < max(2 * cores(), ahead.photos // most):
            job = next(jobs, None)
            if job is None:
                return
            waiting.append(pool.submit(job))

    try:
        submit()
        with report(progress, total, "photos") as advance:
            while waiting:
                part = waiting[0].result()
                waiting.popleft()
                submit()
                keep(part)
                yield part.rows, part.features
                advance(len(part.rows))
    finally:
        ahead.close()
        pool.shutdown(cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                keep(future.result())
        if store:
            store.close()


def _spec(
    backbone: Backbone | StoredBackbone, preprocessing: Preprocessing, target: Target
) -> dict[str, object]:
    """Everything that changes features, for the cache's key."""
    # Libraries round differently from version to version.
    computing = ("numpy", "pillow", "simplejpeg", "timm", target.engine)
    versions = {k: v for k, v in library_versions().items() if k in computing}
    return {
        "backbone": backbone.spec,
        "preprocessing": preprocessing.as_dict(),
        **asdict(target),
        **({"int8": backbone.quantised_sha256} if target.precision == "int8" else {}),
        "versions": versions,
        "revision": _REVISION,
    }


def _width(backbone: Backbone | StoredBackbone) -> int:
    return int(backbone.spec["num_features"])


def _jobs(
    paths: Iterable[str],
    store: FeatureCache | None,
    ahead: ReadAhead,
    work: Callable[[npt.NDArray[np.intp], list[Fetch | None], list[str]], _Part],
    most: int,
) -> Iterator[Callable[[], _Part]]:
    """What is to be done: a block's photos that the cache has, then the others, a few at a time."""
    remaining, start = iter(paths), 0
    while block := list(islice(remaining, _BLOCK)):
        places = np.arange(len(block))
        if store:
            store.refresh()
            stored = store.find(block)
            is_cached = stored.is_stored
            if is_cached.any():
                n = int(is_cached.sum())
                contents: list[bytes | None] = [row.tobytes() for row in stored.contents[is_cached]]
                features = Features(stored.rows[is_cached], ["ok"] * n, [""] * n, contents)
                yield partial(_done, _Part(start + places[is_cached], features))
            places = places[~is_cached]
        is_shuffled = False
        while len(places):
            if store and store.refresh() and not is_shuffled:
                # Each process goes its own way, and takes from the cache what another did meanwhile.
                places, is_shuffled = np.random.default_rng().permutation(places), True
            few, places = places[:most], places[most:]
            photos = [block[i] for i in few.tolist()]
            yield partial(work, start + few, [ahead.begin(path) for path in photos], photos)
        start += len(block)


def _done(part: _Part) -> _Part:
    return part


def _compute(
    backbone: Backbone | StoredBackbone,
    preprocessing: Preprocessing,
    target: Target,
    store: FeatureCache | None,
    contents: bool,
    rows: npt.NDArray[np.intp],
    fetches: list[Fetch | None],
    paths: list[str],
) -> _Part:
    """Read, decode and compute some photos, in one of the pool's threads."""
    features, entries = Features.none(len(rows), _width(backbone)), list[_Entry]()
    photos, places, keys = [], [], []
    for place, (path, fetch) in enumerate(zip(paths, fetches, strict=True)):
        # Before the file is read, because it may change meanwhile.
        file = file_key(path) if store else None
        try:
            data = fetch() if fetch else read_bytes(path)
            key = content_key(data) if store or contents else b""
            features.content[place] = key or None
            if is_heic(data) and not named_heic(name_of(path)):
                # The file's key would not change with the version of what decodes HEIC.
                file = None
            cached = store.get(key) if store else None
            if cached is None:
                photos.append(decode_photo(data, preprocessing))
                places.append(place)
                keys.append((key, file))
            else:
                features.values[place] = cached
                entries.append(_Entry(key, None, file))
        except PhotoError as error:
            features.status[place], features.error[place] = error.status, str(error)
    if photos:
        values = make_runner(backbone, target)(np.stack(photos))
        features.values[places] = values
        entries += [_Entry(key, row, file) for (key, file), row in zip(keys, values, strict=True)]
    return _Part(rows, features, entries)
