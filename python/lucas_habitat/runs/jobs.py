"""What a job on a cluster wrote of a run, and which of it counts.

Ray notes in a checkpoint which part it is about to write, and renames the note when the part is written. A
part without its note renamed is by a worker that was killed at just that moment, and is written
again under another name: it must not stay beside that one.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from .._base.files import write_json
from .._base.runs import part_files
from .parts import part_number

__all__ = ["Job", "begin_job", "close_job", "first_of_open_job"]

_FOLDER, _STATE, _CHECKPOINT = ".job", "job.json", "checkpoint"
_PENDING = ".pending.parquet"


class Job(NamedTuple):
    """A job on a cluster that writes parts of a run."""

    #: Ray's own folder.
    checkpoint: Path
    #: The job's first part, and the first of those that this start of it may write.
    first: int
    number: int
    #: Whether a start before this one wrote parts.
    goes_on: bool


def first_of_open_job(folder: Path) -> int | None:
    """The number of the first part of the job that has not come to its end; None where all have."""
    state = _state(folder)
    return state["first"] if state else None


def begin_job(folder: Path, n_parts: int) -> Job:
    """Begin the job that writes at most so many parts, or go on with the one that is open.

    Each start has numbers of its own: a worker that outlives its start for a moment cannot write over
    the parts of the next.
    """
    number = max((part_number(file) for file in part_files(folder)), default=-1) + 1
    first = number
    if state := _state(folder):
        first, number = state["first"], max(number, state["next"])
        _drop_unfinished(folder, first)
    else:
        shutil.rmtree(folder / _FOLDER, ignore_errors=True)
        (folder / _FOLDER).mkdir()  # Ray makes that of its checkpoint
    write_json({"first": first, "next": number + n_parts}, folder / _FOLDER / _STATE)
    checkpoint = folder / _FOLDER / _CHECKPOINT
    return Job(checkpoint, first, number, goes_on=any(checkpoint.glob("*")))


def close_job(folder: Path) -> None:
    """End the job that is open, if one is: of its parts those stay that it finished."""
    if state := _state(folder):
        _drop_unfinished(folder, state["first"])
        (folder / _FOLDER / _STATE).unlink()
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


def _state(folder: Path) -> dict[str, int] | None:
    """What a job keeps of itself; its file makes it one that is open."""
    file = folder / _FOLDER / _STATE
    if not file.is_file():
        return None
    state: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    return state


def _drop_unfinished(folder: Path, first: int) -> None:
    """Delete the job's parts that its checkpoint does not have as finished, and the notes of them."""
    checkpoint = folder / _FOLDER / _CHECKPOINT
    finished = {file.name for file in checkpoint.glob("part-*.parquet")}
    for file in part_files(folder):
        if part_number(file) >= first and file.name not in finished:
            file.unlink()
    for file in checkpoint.glob(f"*{_PENDING}"):
        file.unlink()
