"""Labels that people have corrected, kept with their photos, and used by the next training.

A review table is a photo table in CSV: what `classify` said of a photo, the class a person gave
it, and the photo's own bytes beside the table, under their hash. It can be opened, sorted and
edited in a spreadsheet; a row whose ``habitat`` is emptied counts no more.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock, Timeout

from ._base import words
from ._base.files import file_sha256, full_path, write_atomically
from ._base.tables import read_table, require_columns, write_table
from ._base.tree import level_columns
from ._base.types import Table
from .errors import InputError, inform, warn
from .photos import COLUMNS, list_photos
from .sources import is_remote, split_member

__all__ = [
    "LISTED",
    "REVIEW_COLUMNS",
    "add_corrections",
    "apply_corrections",
    "content_hashes",
    "read_corrections",
]

#: Of a review table.
REVIEW_COLUMNS = (*COLUMNS, "predicted", "confidence", "sha256", "time")
#: The label that a row was listed with, where people were asked to look at it.
LISTED = "label"
_WAIT = 20  # seconds; a writer needs milliseconds


def add_corrections(
    path: str | os.PathLike[str], predictions: pd.DataFrame, habitat: str
) -> pd.DataFrame:
    """Append photos with the class a person gave them to a review table.

    The photos' bytes are copied into ``<table>_photos/<sha256>.<ending>``. The table is written
    anew under a lock and appears whole or not at all, so several programs may append at once.

    Parameters
    ----------
    path : path
        The review table, ``.csv``; it is made if it is not there.
    predictions : pandas.DataFrame
        Rows that `classify` made, of photos that could be read.
    habitat : str
        Their right class.

    Returns
    -------
    pandas.DataFrame
        The rows appended.

    Raises
    ------
    InputError
        If the path does not end in .csv, the table is no review table, no photo is given, or
        another program holds the table for long.
    """
    path = _checked(path)
    if predictions.empty:
        raise InputError("There is no photo to correct.")
    photos = path.with_name(f"{path.stem}_photos")
    paths, hashes = [], []
    for photo in map(Path, predictions["path"]):
        data = photo.read_bytes()
        hashes.append(hashlib.sha256(data).hexdigest())
        copy = photos / (hashes[-1] + photo.suffix.lower())
        paths.append(f"{photos.name}/{copy.name}")
        if not copy.is_file():
            write_atomically(copy, lambda tmp, data=data: tmp.write_bytes(data))  # type: ignore[misc]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = predictions.assign(path=paths, habitat=habitat, sha256=hashes, time=now)
    rows = rows.reindex(columns=list(REVIEW_COLUMNS)).astype({"predicted": "str"})
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The system lets go of this lock when a process dies, however it dies.
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT):
            before = [_read(path)] if path.is_file() else []
            write_table(pd.concat([*before, rows], ignore_index=True), path)
    except Timeout:
        raise InputError(f"Another program has held {path} for {_WAIT} s; try again.") from None
    return rows.reset_index(drop=True)


def read_corrections(corrections: Table) -> pd.DataFrame:
    """Read a review table: the latest class that was given to each photo.

    Parameters
    ----------
    corrections : path or pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        A photo table, one row a photo, whose ``habitat`` is the class a person gave, with
        ``predicted``, ``confidence``, ``sha256`` and ``time``.

    Raises
    ------
    InputError
        If there is no such table, or it is no review table.
    """
    if isinstance(corrections, pd.DataFrame):
        root, table = Path(), _as_review_table(corrections, "A review table")
    else:
        path = _checked(corrections)
        root, table = path.parent, _read(path)
    # A person may have emptied the hash; rows without one would all count as the same photo.
    has_no_hash = table["sha256"].isna()
    table.loc[has_no_hash, "sha256"] = [_sha256(root / str(p)) for p in table["path"][has_no_hash]]
    table = table[~table["sha256"].duplicated(keep="last") | table["sha256"].isna()]
    table = table[table["habitat"].notna() & (table["habitat"].str.strip() != "")]
    if table.empty:
        return table.reset_index(drop=True)
    return list_photos(table.reset_index(drop=True), root=root)


def apply_corrections(
    photos: pd.DataFrame, corrections: Table, held_out: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put a review table's labels into a photo table.

    A corrected photo that is in the table, by its content or else by its path, gets its new label; any
    other is added. Photos and points that the table's ``split`` or ``held_out`` keeps for testing take
    nothing from a correction, nor is anything added to training from them.

    Parameters
    ----------
    photos : pandas.DataFrame
        A photo table.
    corrections : path or pandas.DataFrame
        A review table.
    held_out : pandas.DataFrame, optional
        A photo table of validation photos.

    Returns
    -------
    photos : pandas.DataFrame
        With labels replaced and rows added; what stands above them (``habitat_level1``, ...) is what
        does for other photos of the class.
    counts : dict
        ``replaced`` (another label than before), ``confirmed`` (the same), ``added``,
        ``left_out`` (of test or validation points), and ``unedited``: rows of `doubted_labels` that
        nobody changed or confirmed, and that count for nothing.

    Raises
    ------
    InputError
        If there is no such review table.
    """
    corrected = read_corrections(corrections)
    is_unedited = _is_unedited(corrected)
    n_unedited, corrected = int(is_unedited.sum()), corrected[~is_unedited]
    if n_unedited:
        named = "the corrections" if isinstance(corrections, pd.DataFrame) else corrections
        inform(
            f"{n_unedited} of {len(is_unedited)} rows of {named} are as they were listed, and "
            "count for nothing. To confirm a label, fill in its time."
        )
    tests = photos[photos["split"] == "test"]
    if held_out is not None:
        tests = pd.concat([tests, held_out])
    test_hashes = {_sha256(p) for p in tests["path"][_may_be_among(tests, corrected)]} - {None}
    test_points = set(tests["point_id"].dropna())
    is_test = (
        corrected["sha256"].isin(test_hashes)
        | corrected["path"].isin(tests["path"])
        | corrected["point_id"].isin(test_points)
        | (corrected["split"] == "test")
    )
    _warn_of_old_labels(photos, corrected[is_test])
    left_out, corrected = int(is_test.sum()), corrected[~is_test]

    labels = corrected.dropna(subset="sha256").set_index("sha256")["habitat"]
    is_candidate = (photos["split"] != "test").to_numpy() & _may_be_among(photos, corrected)
    hashes = pd.Series(None, index=photos.index, dtype="str")
    hashes[is_candidate] = [_sha256(p) for p in photos.loc[is_candidate, "path"]]
    # What lies in a shard or far away is known by its path, and so is a file that was edited since.
    by_path = photos["path"].map(corrected.set_index("path")["habitat"]).astype("str")
    new = hashes.map(labels).fillna(by_path)
    is_corrected = new.notna()
    confirmed = int((new[is_corrected] == photos.loc[is_corrected, "habitat"]).sum())
    above = photos.drop_duplicates("habitat").set_index("habitat")
    photos = photos.assign(habitat=photos["habitat"].where(~is_corrected, new).astype("str"))
    is_there = corrected["sha256"].isin(hashes.dropna()) | corrected["path"].isin(photos["path"])
    added = corrected[~is_there]
    # Only the columns that the photo table has are added to it.
    photos = pd.concat([photos, added[[c for c in added if c in photos]]], ignore_index=True)
    photos = _under_their_labels(photos, np.append(is_corrected, [True] * len(added)), above)
    return photos, {
        "replaced": int(is_corrected.sum()) - confirmed,
        "confirmed": confirmed,
        "added": len(added),
        "left_out": left_out,
        "unedited": n_unedited,
    }


def _warn_of_old_labels(photos: pd.DataFrame, left_out: pd.DataFrame) -> None:
    """Say where a test photo's correction is left out, but the photo is among those trained on."""
    is_there = left_out["path"].isin(photos.loc[photos["split"] != "test", "path"])
    if is_there.any():
        warn(
            f"{int(is_there.sum())} corrections are of test points and count for nothing, but their photos "
            f"are among those to train on, with the label from before. Give {words.call('train')} the whole "
            f"table that {words.call('split_photos')} split, whose column split keeps them out."
        )


def _may_be_among(photos: pd.DataFrame, corrected: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the photos that may be corrected ones by their length, so that no other is read.

    Where the file of a corrected photo is gone, as on another computer, its length is not known.
    """
    sizes = [_size(p) for p in corrected["path"]]
    is_gone = [
        size == 0 and isinstance(sha256, str) and not is_remote(path) and not split_member(path)
        for size, sha256, path in zip(sizes, corrected["sha256"], corrected["path"], strict=True)
    ]
    if any(is_gone):
        return np.array([_size(p) > 0 for p in photos["path"]], dtype=bool)
    lengths = {size for size in sizes if size}
    return np.array([_size(p) in lengths for p in photos["path"]], dtype=bool)


def _is_unedited(corrected: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of a review table are as `doubted_labels` listed them."""
    if LISTED not in corrected:
        return pd.Series(False, index=corrected.index)
    has_time = corrected["time"].fillna("").str.strip() != ""
    return (corrected["habitat"] == corrected[LISTED].astype("str")).fillna(False) & ~has_time


def _under_their_labels(
    photos: pd.DataFrame, is_corrected: npt.NDArray[np.bool_], above: pd.DataFrame
) -> pd.DataFrame:
    """Corrected photos with the levels that other photos of their new class have."""
    columns = level_columns(photos, "habitat_")
    labels = photos.loc[is_corrected, "habitat"]
    photos.loc[is_corrected, columns] = above[columns].reindex(labels).to_numpy()
    return photos


def content_hashes(paths: pd.Series) -> pd.Series:
    """The SHA-256 of photos' contents, as a review table has it; missing where one cannot be read."""
    return pd.Series([_sha256(path) for path in paths], index=paths.index, dtype="str")


def _checked(path: str | os.PathLike[str]) -> Path:
    path = full_path(path)
    if path.suffix.lower() != ".csv":
        raise InputError(f"A review table must end in .csv; got {path.name}.")
    return path


def _read(path: Path) -> pd.DataFrame:
    return _as_review_table(read_table(path), f"The review table {path}")


def _as_review_table(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """A table with the columns of a review table, as text where they are; ``what`` is for errors."""
    require_columns(
        table,
        REVIEW_COLUMNS,
        what,
        f"Such tables are made by {words.call('run_app')} and {words.call('read_sorted')}.",
    )
    text = {c: "str" for c in ("habitat", "sha256", "time", "predicted")}
    return table.astype(text)


def _size(path: object) -> int:
    """A file's length; 0 if it cannot be had, which training tells of with the reason."""
    try:
        return os.path.getsize(str(path))
    except (OSError, ValueError):
        return 0


def _sha256(path: object) -> str | None:
    """A file's hash; None if it cannot be read, which training tells of with the reason."""
    try:
        return file_sha256(str(path))
    except OSError:
        return None
