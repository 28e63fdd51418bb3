"""Runs: folders of predictions in parts, as `classify` writes them; how they are known and read."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, warn
from . import words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "MANIFEST",
    "Run",
    "count_statuses",
    "describe_run",
    "is_run",
    "iter_arrow",
    "iter_run",
    "open_run",
    "part_files",
    "read_manifest",
    "read_rows",
    "read_run",
    "run_columns",
]

#: Names that begin with an underscore or a dot are left out by what reads folders of Parquet files.
MANIFEST = "_run.json"
FORMAT, FORMAT_VERSION = "lucas-habitat run", 1
#: What a run keeps of each photo so that it can go on; no concern of who reads it.
STAMP, CONTENT = "stamp", "content"


@dataclass(frozen=True)
class Run(os.PathLike[str]):
    """A folder of predictions that `classify` wrote in parts; wherever a table goes, it goes too.

    Attributes
    ----------
    folder : pathlib.Path
        Holds ``part-*.parquet``, which any reader of Parquet takes together, and ``_run.json``.
    classes : list of str
        In the order of the probabilities.
    photos : int
        Rows, one a photo.
    statuses : dict of str to int
        How many photos have which ``status``.
    finished : str or None
        ISO date and time, UTC; None while photos remain.
    engine, precision : str
        What photos were computed by.
    """

    folder: Path
    classes: list[str]
    photos: int
    statuses: dict[str, int]
    finished: str | None
    engine: str
    precision: str

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        return "\n".join(describe_run(self))


def describe_run(run: Run) -> list[str]:
    """What a run holds, as lines for a summary."""
    n_ok = run.statuses.get("ok", 0)
    state = f"finished {run.finished}" if run.finished else "not finished"
    return [
        f"<lucas-habitat run> {run.folder}",
        f"  {n_ok} photos classified ({run.engine}, {run.precision}), {run.photos - n_ok} refused; {state}",
        *(f"  {n} {status}" for status, n in sorted(run.statuses.items()) if status != "ok"),
    ]


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a run."""
    return (Path(path) / MANIFEST).is_file()


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a run's folder says of itself, checked to be one that this version reads."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged: {error}. The predictions beside it are whole; take them as Parquet "
            "files, or classify into another folder."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} does not describe a lucas-habitat run.")
    version = manifest.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(
            f"{folder} was written by a newer lucas-habitat, in format {version}; this version reads up "
            f"to format {FORMAT_VERSION}. Update lucas-habitat."
        )
    missing = {"model", "settings", "versions", "finished", "statuses"} - set(manifest)
    if missing:
        raise InputError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}.")
    return manifest


def open_run(folder: str | os.PathLike[str]) -> Run:
    """A run, by its folder.

    Raises
    ------
    InputError
        If the folder holds no run, or one that cannot be read.
    """
    folder = Path(folder)
    if not is_run(folder):
        raise InputError(f"{folder} holds no run: it has no {MANIFEST}.")
    manifest = read_manifest(folder)
    try:
        statuses = manifest["statuses"] if manifest["finished"] else count_statuses(folder)
        statuses = {str(k): int(v) for k, v in statuses.items()}
        return Run(
            folder,
            [str(c) for c in manifest["model"]["classes"]],
            sum(statuses.values()),
            statuses,
            manifest["finished"],
            str(manifest["settings"]["engine"]),
            str(manifest["settings"]["precision"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / MANIFEST} is damaged: it lacks {error}.") from error


def count_statuses(folder: Path) -> dict[str, int]:
    """How many photos of a run's parts have which status."""
    counts: dict[str, int] = {}
    for file in part_files(folder):
        for count in _read(file, ["status"]).column(0).value_counts().to_pylist():
            counts[count["values"]] = counts.get(count["values"], 0) + count["counts"]
    return dict(sorted(counts.items()))


def part_files(folder: Path) -> list[Path]:
    """The parts of a run, in their order."""
    return sorted(folder.glob("part-*.parquet"))


def run_columns(run: str | os.PathLike[str]) -> list[str]:
    """The columns of a run's table."""
    return _chosen(_names(_parts(run)[0]), None)


def read_run(
    run: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    *,
    categories: Sequence[str] = (),
) -> pd.DataFrame:
    """The table of a run.

    Parameters
    ----------
    run : Run or path
    columns : sequence of str, optional
        Those to read, where the run has them; default: all.
    categories : sequence of str
        Columns of text with few different values, to be read as categories.

    Warns
    -----
    LucasWarning
        If the run is not finished.
    """
    import pyarrow as pa

    files = _parts(run)
    _warn_unfinished(run)
    names = _chosen(_names(files[0]), columns)
    parts = [_read(file, names, [c for c in categories if c in names]) for file in files]
    table = pa.concat_tables(parts, promote_options="default").unify_dictionaries()
    del parts
    frame = _as_frame(table, run)
    with _memory_given_back():
        pa.default_memory_pool().release_unused()
    return frame


def iter_run(
    run: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """The tables of a run's parts, in their order, a few thousand rows each; see `read_run`."""
    _warn_unfinished(run)
    for part in iter_arrow(run, columns):
        yield _as_frame(part, run)


def iter_arrow(
    run: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The same as Arrow has them, of a run that was read before and warned of if it is not finished."""
    files = _parts(run)
    names = _chosen(_names(files[0]), columns)
    for file in files:
        yield _read(file, names)


def read_rows(run: str | os.PathLike[str], rows: npt.NDArray[np.intp]) -> pd.DataFrame:
    """Some rows of a run's table, by their numbers and in their order, as `read_run` has them.

    A run that was read before, and warned of if it is not finished.
    """
    import numpy as np
    import pyarrow as pa

    ascending, chosen, lacking, first = np.sort(rows), [], {}, 0
    for part in iter_arrow(run):
        inside = ascending[(ascending >= first) & (ascending < first + len(part))] - first
        chosen.append(part.take(pa.array(inside)))
        for name in part.column_names:
            if part.column(name).null_count and name not in lacking:
                lacking[name] = part.filter(part.column(name).is_null()).slice(0, 1)
        first += len(part)
    if len(rows) and ascending[-1] >= first:
        raise InputError(f"The run {Path(run)} was changed while it was read. Try again.")
    # What is missing anywhere in a column decides on its type in pandas.
    table = pa.concat_tables([*chosen, *lacking.values()], promote_options="default")
    frame = _as_frame(table.unify_dictionaries(), run)
    return frame.iloc[np.searchsorted(ascending, rows)].reset_index(drop=True)


def _parts(run: str | os.PathLike[str]) -> list[Path]:
    """The parts of a run that has some."""
    files = part_files(Path(run))
    if not files:
        raise InputError(
            f"The run {Path(run)} holds no predictions yet; {words.call('classify')} goes on with it."
        )
    return files


def _warn_unfinished(run: str | os.PathLike[str]) -> None:
    if not read_manifest(Path(run))["finished"]:
        warn(
            f"The run {Path(run)} is not finished: what is there is of a part of its photos. "
            f"{words.call('classify')} with the same arguments goes on."
        )


def _names(file: Path) -> list[str]:
    """The columns of a part."""
    import pyarrow.parquet as pq

    with _reading(file):
        names: list[str] = pq.read_schema(file).names
    return names


def _chosen(there: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """The columns to read, in the run's order."""
    if columns is None:
        return [name for name in there if name not in (STAMP, CONTENT)]
    return [name for name in there if name in set(columns)]


def _read(file: Path, names: list[str], categories: list[str] | None = None) -> pa.Table:
    import pyarrow.parquet as pq

    with (
        _reading(file),
        _memory_given_back(),
        pq.ParquetFile(file, read_dictionary=categories, page_checksum_verification=True) as part,
    ):
        return part.read(columns=names)


# Arrow has one pool for the whole program.
_POOL = threading.Lock()


@contextmanager
def _memory_given_back() -> Iterator[None]:
    """Have Arrow take memory from the system; its own pools keep as much again as is read."""
    import pyarrow as pa

    with _POOL:
        before = pa.default_memory_pool()
        pa.set_memory_pool(pa.system_memory_pool())
        try:
            yield
        finally:
            pa.set_memory_pool(before)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Say of a damaged part what to do."""
    try:
        yield
    except Exception as error:  # pyarrow's own errors
        raise InputError(
            f"Cannot read {file}: {error}. Delete it; {words.call('classify')} with the same arguments "
            "computes its photos again."
        ) from error


def _as_frame(table: pa.Table, run: str | os.PathLike[str]) -> pd.DataFrame:
    # Each column is let go when it has become one of pandas', so that none is held twice.
    with _memory_given_back():
        frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    settings = read_manifest(Path(run))["settings"]
    frame.attrs = {"engine": settings["engine"], "precision": settings["precision"]}
    return frame
