"""The journal of a download, which lets a stopped one go on."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pandas as pd

from .._base.tables import read_table, require_columns, write_table
from ..downloads.places import writing

MANIFEST, JOURNAL = "downloads.parquet", "downloads.jsonl"

LOCK = ".downloads.lock"


#: The ``status`` of a photo that was asked for, and what each means.
DOWNLOAD_STATUSES = {
    "ok": "in its place, whole and readable",
    "missing": "the server does not have it",
    "empty": "the file has no bytes",
    "too small": "the file or image is too small to show anything",
    "too large": "the file or image is larger than any photo of the survey",
    "damaged": "it came whole and cannot be decoded",
    "not a photo": "the server sent something else, such as a web page",
    "incomplete": "the connection broke or was too slow, each time",
    "refused": "the server does not give it",
    "server error": "the server had a fault or was too busy, each time",
    "redirected": "the server pointed to another host, or away from https",
    "unreachable": "the server did not answer",
}

# What asking again would not change.
FINAL = ("ok", "missing", "empty", "too small", "too large", "damaged")


# What is written down of each photo.
COLUMNS = {
    "photo": "str",
    "url": "str",
    "status": "str",
    "error": "str",
    "bytes": "Int64",
    "sha256": "str",
    "etag": "str",
    "last_modified": "str",
    "fetched": "str",
    "attempts": "Int64",
}


class Journal:
    """What happened to each photo, a line each, appended at once."""

    def __init__(self, root: Path) -> None:
        self._path = root / JOURNAL
        self._lock = threading.Lock()

    def __enter__(self) -> Journal:
        with writing(self._path.parent):
            self._file = self._path.open("ab", buffering=0)
            if self._file.tell():
                self._file.write(b"\n")  # ends a line that a kill or full disk cut off
        return self

    def write(self, record: dict[str, Any]) -> None:
        """Append a record as one line."""
        line = json.dumps(record).encode() + b"\n"
        with self._lock, writing(self._path.parent):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_records(root: Path) -> dict[str, dict[str, Any]]:
    """What former runs wrote down, the latest of each photo."""
    records: dict[str, dict[str, Any]] = {}
    if (root / MANIFEST).exists():
        table = read_table(root / MANIFEST)
        require_columns(table, COLUMNS, str(root / MANIFEST), "Move it away to start anew.")
        for row in table[list(COLUMNS)].astype("object").to_dict("records"):
            record = {str(k): None if pd.isna(v) else v for k, v in row.items()}
            records[str(record["photo"])] = record
    if (root / JOURNAL).exists():
        for line in (root / JOURNAL).read_bytes().splitlines():
            try:
                record = json.loads(line)
                records[record["photo"]] = record
            except (ValueError, TypeError, KeyError):
                continue  # cut off by a kill: its photo is looked for in the folder, or fetched again
    return records


def write_manifest(root: Path) -> None:
    """Fold the journal into the manifest; without disk space it stays as it is."""
    records = read_records(root)
    if not records or not (root / JOURNAL).exists():
        return
    table = pd.DataFrame(
        {c: pd.Series([r.get(c) for r in records.values()], dtype=t) for c, t in COLUMNS.items()}
    )
    try:
        write_table(table.sort_values("photo", ignore_index=True), root / MANIFEST)
        (root / JOURNAL).unlink()
    except OSError:
        return


def photo_place(root: Path, photo: str) -> Path:
    """Where a photo lies in the folder."""
    return root.joinpath(*photo.split("/"))
