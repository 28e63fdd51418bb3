"""What of a run is done, and what is to be done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .._base.runs import STAMP, part_files
from ..errors import warn
from .listing import PART_ROWS, Hashes, Listing, hashes
from .parts import part_number

__all__ = ["Finished", "Plan", "by_part", "listed_rows", "new_photos", "plan_run"]


class Finished(NamedTuple):
    """What a run's parts hold already, sorted by the hash of the path."""

    path: Hashes
    stamp: Hashes
    is_ok: npt.NDArray[np.bool_]
    part: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]

    @classmethod
    def read(cls, folder: Path, before: int | None = None) -> Finished:
        """That of the parts in a folder, or those before a number; one that cannot be read is set aside."""
        columns: list[tuple[Any, ...]] = []
        for file in part_files(folder):
            if before is not None and part_number(file) >= before:
                continue
            try:
                table = pq.read_table(file, columns=["path", STAMP, "status"]).to_pandas()
            except (pa.ArrowInvalid, OSError) as error:
                if getattr(error, "errno", None) is not None:  # the disk's fault, not the file's
                    raise
                os.replace(file, file.with_name(f"_damaged-{file.name}"))
                warn(
                    f"{file.name} of the run is damaged ({error}): it is set aside and computed again."
                )
                continue
            n = len(table)
            columns.append(
                (
                    hashes(table["path"]),
                    hashes(table[STAMP]),
                    (table["status"] == "ok").to_numpy(),
                    np.full(n, part_number(file), np.int32),
                    np.arange(n, dtype=np.int32),
                )
            )
        if not columns:
            nothing = np.empty(0, np.uint64)
            whole = np.empty(0, np.int32)
            return cls(nothing, nothing, np.empty(0, bool), whole, whole)
        joined = [np.concatenate(values) for values in zip(*columns, strict=True)]
        order = np.argsort(joined[0], kind="stable")
        return cls(*(values[order] for values in joined))

    def places(self, paths: Hashes) -> npt.NDArray[np.intp]:
        """Where the rows of paths stand here; -1 where they do not."""
        if not len(self.path):
            return np.full(len(paths), -1)
        at = np.searchsorted(self.path, paths).clip(max=len(self.path) - 1)
        return np.where(self.path[at] == paths, at, -1)


class Plan(NamedTuple):
    """What is to be done with the photos of a listing."""

    is_new: npt.NDArray[np.bool_]  # (listed,)
    #: Rows that are looked at again: their places in the listing, sorted by part, and where they stand.
    again: pd.DataFrame  # listed, part, row, is_failed
    n_photos: int  # listed, each once
    n_gone: int  # rows of photos that are not listed

    @property
    def n_to_do(self) -> int:
        """Photos that are new or looked at again."""
        return int(self.is_new.sum()) + len(self.again)


def plan_run(listing: Listing, finished: Finished, retry: bool) -> Plan:
    """Compare the listing with what is done: by path and stamp, without reading photos."""
    is_new, again, n_hits, start = np.zeros(len(listing.is_repeated), dtype=bool), [], 0, 0
    for file in listing.files:
        table = pq.read_table(file, columns=["path", STAMP]).to_pandas()
        places = finished.places(hashes(table["path"]))
        is_first = ~listing.is_repeated[start : start + len(table)]
        is_there = (places >= 0) & is_first
        n_hits += int(is_there.sum())
        is_new[start : start + len(table)] = ~is_there & is_first
        at = places[is_there]
        is_changed = finished.stamp[at] != hashes(table[STAMP])[is_there]
        is_failed = ~finished.is_ok[at] & retry
        is_again = is_changed | is_failed
        again.append(
            pd.DataFrame(
                {
                    "listed": start + np.flatnonzero(is_there)[is_again],
                    "part": finished.part[at][is_again],
                    "row": finished.row[at][is_again],
                    "is_failed": ~finished.is_ok[at][is_again],
                }
            )
        )
        start += len(table)
    rows = pd.concat(again, ignore_index=True).sort_values(["part", "listed"], kind="stable")
    n_gone = len(finished.path) - n_hits
    return Plan(is_new, rows.reset_index(drop=True), int((~listing.is_repeated).sum()), n_gone)


def new_photos(
    listing: Listing, is_new: npt.NDArray[np.bool_], rows_each: int | None = None
) -> Iterator[pd.DataFrame]:
    """The photos that no part has, so many at a time (those of a part), however often the run stops."""
    rows_each = rows_each or PART_ROWS
    waiting, n, start = list[pd.DataFrame](), 0, 0
    for number in range(len(listing.files)):
        length = pq.read_metadata(listing.files[number]).num_rows
        chosen = is_new[start : start + length]
        start += length
        if not chosen.any():
            continue
        waiting.append(listing.block(number)[chosen])
        n += len(waiting[-1])
        while n >= rows_each:
            rows = pd.concat(waiting, ignore_index=True)
            yield rows.iloc[:rows_each].reset_index(drop=True)
            waiting, n = [rows.iloc[rows_each:]], n - rows_each
    if n:
        yield pd.concat(waiting, ignore_index=True)


def by_part(again: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows to be looked at again, part by part."""
    for _, rows in again.groupby("part", sort=True):
        yield rows


def listed_rows(listing: Listing, places: pd.Series) -> pd.DataFrame:
    """Some rows of the listing, by their places in it."""
    block = lru_cache(maxsize=2)(listing.block)
    numbers, rows = np.divmod(places.to_numpy(), PART_ROWS)
    return pd.concat(
        [block(int(number)).iloc[[row]] for number, row in zip(numbers, rows, strict=True)],
        ignore_index=True,
    )
