"""The photos of a run classified by Ray Data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig
from ray.exceptions import RayError
from ray.util.annotations import RayDeprecationWarning

from .._base import words
from .._base.progress import report
from .._base.runs import part_files
from ..engines import Target
from ..errors import LucasError
from ..images.heic import count_without_heic, warn_of_heic
from ..model import HabitatModel
from ..predicting import Block, target_for
from ..runs.jobs import Job, begin_job, close_job, first_of_open_job
from ..runs.listing import LISTING, PART_ROWS, Listing, arrow_table, conformed, hashes
from ..runs.parts import fitted, part_number, part_table
from ..runs.plan import Finished, new_photos, plan_run
from .connection import Cluster
from .dataset import ID, Parts, PhotoBlocks
from .packed import Packed, pack, unpack
from .waiting import working
from .worker import Classifier

__all__ = ["classify_new", "target_on"]

#: Blocks for each worker at least, so that all end at about one time.
_BLOCKS_EACH = 8
#: Photos in a block at least, so that starting on it does not count.
_FEWEST = 64
#: So often a block is tried again whose worker was lost: a photo that kills workers must not do so for ever.
_TRIES = 5


class _Workers(NamedTuple):
    """How many classify at a time, and what each has of its machine."""

    n: int
    cpus: int
    gpus: int


def target_on(cluster: Cluster, model: HabitatModel, device: str, precision: str | None) -> Target:
    """Where the workers run a model: what `target_for` says on one of them."""
    has_gpus = cluster.gpus > 0 and device not in ("cpu", "torch")
    if cluster.is_local and not has_gpus:
        return target_for(model, device, precision)
    asked = ray.remote(num_gpus=1 if has_gpus else 0, num_cpus=1)(_target)
    try:
        target: Target = ray.get(asked.remote(pack(model), device, precision))
    except RayError as error:
        _raise_plainly(error)
    return target


def _target(model: Packed, device: str, precision: str | None) -> Target:
    return target_for(unpack(model), device, precision)


def classify_new(
    folder: Path,
    listing: Listing,
    model: HabitatModel,
    target: Target,
    cluster: Cluster,
    settings: dict[str, Any],
) -> None:
    """Classify the photos that no part has; when this returns, they are in parts and no job is open.

    Where a job is open, Ray leaves out by its checkpoint what that has written.
    """
    finished = Finished.read(folder, before=first_of_open_job(folder))
    is_new = plan_run(listing, finished, retry=False).is_new
    n_new = int(is_new.sum())
    if n_new:
        rows = _rows_in_block(n_new, max(1, cluster.gpus or cluster.cpus))
        files = _write_blocks(folder, listing, is_new, rows)
        job = begin_job(folder, len(files))
        schema = _part_schema(folder, listing, model, target, settings["flag_unlike"])
        workers = _workers(cluster, target, job.goes_on)
        constructor = {
            "model": ray.put(pack(model)),
            "target": target,
            "threads": workers.cpus,
            "listed": listing.schema,
            "schema": schema,
            "flag_unlike": settings["flag_unlike"],
            "computing": {name: settings[name] for name in ("batch_size", "cache")},
        }
        sink = Parts(folder, job.number, len(files), schema)
        with _quietly(_context(job)), report(settings["progress"], n_new, "photos") as advance:
            photos = ray.data.read_datasource(
                PhotoBlocks(files),
                override_num_blocks=len(files),
                num_cpus=0,
                concurrency=_at_a_time(workers),
            )
            predictions = photos.map_batches(
                Classifier,
                batch_size=None,
                batch_format="pyarrow",
                fn_constructor_kwargs=constructor,
                compute=ActorPoolStrategy(size=min(workers.n, len(files))),
                num_cpus=workers.cpus,
                num_gpus=workers.gpus,
                max_task_retries=_TRIES,
            )
            write = partial(
                predictions.write_datasink,
                sink,
                ray_remote_args={"num_cpus": 0},
                concurrency=_at_a_time(workers),
            )
            for n in _rows_written(write, folder, job):
                advance(n)
        close_job(folder)
        _warn_of_heic(folder, job)
    close_job(folder)


def _rows_in_block(n_photos: int, n_workers: int) -> int:
    """Photos in a block: as many as a part has, or fewer so that all workers have some to do."""
    return min(PART_ROWS, max(_FEWEST, -(-n_photos // (n_workers * _BLOCKS_EACH))))


def _write_blocks(
    folder: Path, listing: Listing, is_new: npt.NDArray[np.bool_], rows: int
) -> list[Path]:
    """Write the photos to be classified to disk, block by block, each with its number for Ray."""
    files = list[Path]()
    for photos in new_photos(listing, is_new, rows):
        # Ray compares them as they are, and numpy has no text of fixed size.
        number = hashes(photos["path"]).astype(np.int64)
        table = conformed(arrow_table(photos), listing.schema).append_column(ID, pa.array(number))
        files.append(folder / LISTING / f"new-{len(files):06d}.parquet")
        pq.write_table(table, files[-1])
    return files


def _part_schema(
    folder: Path, listing: Listing, model: HabitatModel, target: Target, flag_unlike: bool
) -> pa.Schema:
    """The columns of the run's parts, those there and those to come."""
    sample = part_table(Block(listing.block(0).head(1), model, target, flag_unlike), listing.schema)
    files = part_files(folder)
    if not files:
        return sample.schema
    return fitted(sample, pq.read_schema(files[0])).schema


def _workers(cluster: Cluster, target: Target, goes_on: bool) -> _Workers:
    """One on each core, or one on each GPU with its share of the cores."""
    # What leaves out the finished photos takes one core of Ray's count; a cluster of ours has one more.
    cpus = max(1, cluster.cpus - (1 if goes_on and not cluster.is_local else 0))
    if target.device == "cpu":
        return _Workers(cpus, 1, 0)
    return _Workers(max(1, cluster.gpus), max(1, cpus // max(1, cluster.gpus)), 1)


def _at_a_time(workers: _Workers) -> int:
    """How many processes read blocks, and as many write parts: few, as each takes seconds to start."""
    return 1 + workers.n // 16


def _context(job: Job) -> DataContext:
    """Ray Data's settings for a job: quiet, and with its checkpoint."""
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # The notes of which parts count must stay until unfinished parts are gone.
    context.checkpoint_config = CheckpointConfig(
        ID, str(job.checkpoint), delete_checkpoint_on_success=False
    )
    return context


@contextmanager
def _quietly(context: DataContext) -> Iterator[None]:
    """Use Ray Data with these settings, and without a line of its own for each step."""
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with DataContext.current(context), warnings.catch_warnings():
            # Ray has no other way to say how often a lost worker's task is tried again.
            warnings.simplefilter("ignore", RayDeprecationWarning)
            yield
    finally:
        logger.setLevel(level)


def _rows_written(write: Callable[[], None], folder: Path, job: Job) -> Iterator[int]:
    """Have Ray write the parts, and give how many rows more are written, from time to time."""
    counted = set[Path]()
    try:
        for _ in working(write):
            new = [
                f for f in part_files(folder) if part_number(f) >= job.first and f not in counted
            ]
            counted.update(new)
            if new:
                yield sum(pq.read_metadata(file).num_rows for file in new)
    except Exception as error:
        _raise_plainly(error)


def _raise_plainly(error: BaseException) -> NoReturn:
    """Raise what went wrong on a worker as if it had been here."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LucasError) and not isinstance(cause, RayError):
            # Anew, because marks of words are of the process that made them.
            raise type(cause)(str(cause)) from None
        cause = getattr(cause, "cause", None) or cause.__cause__
    if not isinstance(error, RayError):
        raise error
    lines = [line for line in str(error).splitlines() if line.strip()]
    raise LucasError(
        f"The job on the cluster failed: {lines[-1].strip() if lines else type(error).__name__} "
        f"What is finished is kept; {words.call('classify')} with the same arguments goes on."
    ) from error


def _warn_of_heic(folder: Path, job: Job) -> None:
    """Warn of photos that workers could not read for want of a package."""
    n = 0
    for file in part_files(folder):
        if part_number(file) >= job.number:
            n += count_without_heic(pq.read_table(file, columns=["error"]).column(0).to_pylist())
    warn_of_heic(n)
