"""Folders, globs, lists and tables of ground photos, read into one photo table."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ._base import words
from ._base.cells import check_cells
from ._base.classes import note_order, with_given_order
from ._base.files import full_path
from ._base.places import grid_positions, is_lucas_id
from ._base.runs import is_run
from ._base.signatures import checked
from ._base.tables import TABLE_ENDINGS, iter_table, read_table, require_columns, tidy_types
from ._base.texts import by_value, stripped
from ._base.types import Photos
from .errors import InputError, inform, some, warn
from .images.heic import ENDINGS as HEIC_ENDINGS
from .images.names import DIRECTION_WORDS, SPLIT_WORDS, from_folders, from_name
from .sources import (
    Listed,
    base_name,
    is_remote,
    is_shards,
    joined,
    list_s3,
    list_shards,
    local_copy,
    member_address,
    name_of,
    readable,
    shards_of,
    shown,
    split_member,
    walk,
)

__all__ = ["DIRECTIONS", "list_photos"]

#: The five landscape photos of a LUCAS point (the point, north, east, south, west) and the
#: close-up of its cover.
DIRECTIONS = ("P", "N", "E", "S", "W", "C")
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", *HEIC_ENDINGS)
COLUMNS = ("path", "point_id", "year", "direction", "habitat", "split")

_SOURCES = (
    "Photos can be a folder, a photo, a glob such as 'photos/*/*.jpg', a list of photos, a .csv or "
    ".parquet table with a column path, or .tar shards; here, in S3 (s3://bucket/...) or on a web server "
    "(https://...)."
)


@checked
def list_photos(
    source: Photos,
    *,
    root: str | os.PathLike[str] | None = None,
    labels: bool = True,
) -> pd.DataFrame:
    """List ground photos as a photo table.

    Point, direction and year are read from file names: ``31603628N.jpg`` (the survey's),
    ``201831603628LCLU_North.jpg`` (since 2022), ``31062100_east_2018.jpg`` (the pilot's, with
    the direction as word or letter, and any text as point). The survey server's folders
    ``{year}/{nuts0}/{3 digits}/{3 digits}/`` give year and country. Of other folders, the first
    below the source names the class, after an optional ``train`` or ``test``. Photos are JPEG, PNG,
    TIFF, BMP, WebP, or HEIC as iPhones write it (read with the extra ``heic``).

    Parameters
    ----------
    source : path, sequence of paths, or pandas.DataFrame
        A folder (searched with its subfolders), a photo, a glob such as ``"photos/*/*.jpg"``, a
        list of photos, a table (CSV, Parquet or DataFrame) with a column ``path``, or tar shards
        (``"shards/*.tar"``), in which ``key.cls`` (a class) and ``key.json`` (columns) tell of
        ``key.jpg``. Columns that a table or shard has win over what the file names say. Tables, photos
        and shards can lie on web servers (``"https://..."``), and these and folders in S3
        (``"s3://bucket/photos/"``; extra ``remote``). A photo in a shard is ``shard.tar::name.jpg``.
    root : path, optional
        What relative paths of a table are relative to: by default the folder of the table
        file, or the working directory for a DataFrame. They must not leave it; absolute
        paths and addresses are taken as they are.
    labels : bool, default True
        Whether folder names are classes. ``False`` leaves ``habitat`` missing, for folders
        that mean something else.

    Returns
    -------
    pandas.DataFrame
        One row a photo, in order of path (a table's, list's or shard's own order is kept):
        ``path`` (absolute, or an address), ``point_id`` (text, missing where no point is known), ``year``
        (Int64), ``direction`` (``P N E S W``, ``C`` close-up, or missing), ``habitat`` (text, or
        categorical where the table's is: its order is that of the classes a model then has),
        ``split`` (``train``, ``test`` or missing), then ``nuts0``, ``x`` and ``y`` (EPSG:3035,
        metres, from 8-digit LUCAS ids) where known, then a table's other columns.

    Warns
    -----
    LucasWarning
        If photos of one point and year carry different labels, rows stand twice in a table, or
        directions are not understood.

    Raises
    ------
    InputError
        If nothing is there, a table has no column ``path``, a relative path leaves the
        root, or a photo stands in a table twice with different labels.

    Examples
    --------
    >>> photos = list_photos("photos/")                     # doctest: +SKIP
    >>> photos.groupby("habitat").point_id.nunique()        # doctest: +SKIP
    """
    if isinstance(source, pd.DataFrame):
        photos = with_given_order(_from_table(source, root or ".", "the table"))
    elif not isinstance(source, str | os.PathLike):
        photos = _from_list([os.fspath(p) for p in source], labels)
    elif _is_table(text := os.fspath(source)):
        with _table_at(text) as table:
            photos = _from_table(read_table(table.file), root or table.folder, table.name)
    elif (listed := _list(text)) is not None:
        photos = _from_listed(list(listed), labels)
        if photos.empty:
            raise InputError(_no_photos(text))
    elif glob.has_magic(text) and not is_remote(text) and not full_path(text).is_file():
        photos = _from_glob(str(full_path(text)), labels)
    else:
        photos = _from_one(text)
    _warn_of_labels(photos)
    return photos


def as_photos(photos: Photos) -> pd.DataFrame:
    """Take whatever a public function was given as photos, as a photo table.

    A table keeps its rows, because predictions must have a row for each. Its columns get their
    types again, because it may have been through a CSV file or R since it was made.
    """
    if not isinstance(photos, pd.DataFrame) or "path" not in photos:
        return list_photos(photos)
    check_cells(photos)
    return _complete(photos)


def iter_photos(source: Photos, *, rows: int) -> Iterator[pd.DataFrame]:
    """The photo table of whatever a public function was given as photos, some rows at a time.

    The same rows as `as_photos` gives, in its order, but neither a folder's files nor a file's
    rows are all in memory. What can only be seen in the whole table is for the caller to check: photos
    that stand in it twice, and labels that differ within a point.
    """
    if isinstance(source, pd.DataFrame):
        # A table without paths is refused as a whole.
        table = source if "path" in source else list_photos(source)
        for start in range(0, len(table), rows):
            yield as_photos(table.iloc[start : start + rows].reset_index(drop=True))
        return
    text = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    if text is not None and _is_table(text):
        number = 0
        with _table_at(text) as place:
            for block in iter_table(place.file, rows):
                yield _block_of_table(block, place, number)
                number += len(block)
    elif text is not None and (listed := _list(text)) is not None:
        n = 0
        while few := list(islice(listed, rows)):
            n += len(few)
            yield _from_listed(few, labels=True)
        if not n:
            raise InputError(_no_photos(text))
    else:
        yield from iter_photos(list_photos(source), rows=rows)


def _block_of_table(rows: pd.DataFrame, table: _TableFile, before: int) -> pd.DataFrame:
    """Some rows of a user's table as photos; ``before`` is how many rows come before them."""
    require_columns(
        rows,
        ["path"],
        f"A photo table ({table.name})",
        "One row is one photo; path is its file, relative to the table.",
    )
    _check_named(rows, table.name, before)
    return _complete(within(rows, table.folder))


def within(table: pd.DataFrame, folder: str | os.PathLike[str]) -> pd.DataFrame:
    """A table with its relative paths within a folder made absolute; they must not leave it."""
    place = _place(folder)
    paths = [_inside(p, place) if isinstance(p, str) else p for p in table["path"]]
    return table.assign(path=pd.Series(paths, index=table.index, dtype="str"))


def groups_of(photos: pd.DataFrame) -> pd.Series:
    """What must stay together in a split or resample: the point, or the photo without one."""
    return photos["point_id"].where(photos["point_id"].notna(), photos["path"]).astype("str")


def landscape(photos: pd.DataFrame) -> pd.Series:
    """Mark the photos that are no close-ups."""
    return photos["direction"].isna() | (photos["direction"] != "C")


class _TableFile(NamedTuple):
    """The file of a photo table."""

    file: Path
    #: What its relative paths are relative to.
    folder: str
    name: str


def _is_table(source: str) -> bool:
    name = name_of(source)
    return os.path.splitext(name)[1].lower() in TABLE_ENDINGS or (
        not is_remote(source) and is_run(full_path(source))
    )


@contextmanager
def _table_at(source: str) -> Iterator[_TableFile]:
    """The file of a table, which is here for as long as it is read."""
    if not is_remote(source):
        path = full_path(source)
        yield _TableFile(path, str(path.parent), path.name)
        return
    with local_copy(source) as copy:
        yield _TableFile(copy, shown(source).rpartition("/")[0], copy.name)


def _list(source: str) -> Iterator[Listed] | None:
    """The photos of a folder, of tar shards or in S3, as a stream; None for what else a source can be."""
    if is_remote(source):
        if is_shards(source):
            return list_shards(shards_of(source), PHOTO_ENDINGS)
        is_photo = name_of(source).lower().endswith(PHOTO_ENDINGS) and not glob.has_magic(source)
        if source.lower().startswith("s3:") and not split_member(source) and not is_photo:
            return list_s3(source, PHOTO_ENDINGS)
        return None
    if split_member(source):
        return None
    path = full_path(source)
    if path.is_dir():
        return _walk(path)
    return list_shards(shards_of(str(path)), PHOTO_ENDINGS) if is_shards(source) else None


def _walk(folder: Path) -> Iterator[Listed]:
    top = readable(str(folder))
    paths = walk(folder, PHOTO_ENDINGS)
    for place, inside in groupby(paths, os.path.dirname):
        relative = os.path.relpath(place, top)
        yield from (Listed(path, relative, {}) for path in inside)


def _no_photos(source: str) -> str:
    where = "" if is_shards(source) else " there and in its subfolders"
    return f"There is no photo in {readable(shown(source))}. Looked for {', '.join(PHOTO_ENDINGS)}{where}."


def _from_listed(listed: Sequence[Listed], labels: bool) -> pd.DataFrame:
    return _from_paths(
        [photo.path for photo in listed],
        [photo.folder for photo in listed],
        labels,
        [photo.columns for photo in listed],
    )


def _from_list(paths: Sequence[str], labels: bool) -> pd.DataFrame:
    """Photos that a user listed, or shards."""
    if not paths:
        raise InputError("The list of photos is empty.")
    places = [_place(path) for path in paths]
    if all(map(is_shards, places)):
        photos = _from_listed(list(list_shards(places, PHOTO_ENDINGS)), labels)
        if photos.empty:
            raise InputError(_no_photos(places[0]))
        return photos
    return _from_paths(places, [""] * len(places), labels=False)


def _from_one(source: str) -> pd.DataFrame:
    """A photo by itself."""
    place = _place(source)
    if not is_remote(source) and not split_member(source):
        path = full_path(source)
        if not path.is_file():
            raise InputError(f"There is no {source}. {_SOURCES}")
        if path.suffix.lower() not in PHOTO_ENDINGS:
            raise InputError(f"{path.name} is neither a photo nor a table. {_SOURCES}")
    elif not name_of(source).lower().endswith(PHOTO_ENDINGS):
        raise InputError(
            f"{shown(source)} is neither a photo, a table nor a shard, and what a web server has cannot be "
            f"listed. {_SOURCES}"
        )
    return _from_paths([place], [""], labels=False)


def _place(path: str | os.PathLike[str]) -> str:
    """A path made absolute; an address stays as it is."""
    text = os.fspath(path)
    if is_remote(text):
        return text
    member = split_member(text)
    if member:
        return member_address(_place(member.tar), member.name)
    return readable(str(full_path(text)))


def _from_glob(pattern: str, labels: bool) -> pd.DataFrame:
    paths = [
        p for p in sorted(glob.glob(pattern, recursive=True)) if p.lower().endswith(PHOTO_ENDINGS)
    ]
    if not paths:
        raise InputError(f"No photo matches {pattern}.")
    # Where a link leads back to a folder above, ** finds a photo several times. The shortest of its
    # paths is taken: dict() keeps the last value of a key.
    real = [(os.path.realpath(os.path.dirname(p)), os.path.basename(p)) for p in paths]
    by_length = sorted(zip(real, paths, strict=True), key=lambda pair: len(pair[1]), reverse=True)
    paths = sorted(dict(by_length).values())
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    folders = [readable(os.path.relpath(os.path.dirname(p), fixed)) for p in paths]
    return _from_paths([readable(p) for p in paths], folders, labels)


def _from_paths(
    paths: Sequence[str],
    folders: Sequence[str],
    labels: bool,
    columns: Sequence[dict[str, Any]] | None = None,
) -> pd.DataFrame:
    """A photo table of paths; ``columns`` are what stands beside each photo, and win over its name."""
    names = [name_of(path) for path in paths]
    places = list(zip(map(os.path.dirname, names), folders, strict=True))
    # A folder tells the same of all its photos.
    told = {place: from_folders(f"/{place[0]}/photo", place[1], labels) for place in set(places)}
    # Where both tell the year, a photo's own name wins over its folder.
    rows = [
        {"path": path, **told[place], **from_name(name), **more}
        for path, place, name, more in zip(
            paths, places, names, columns or ({} for _ in paths), strict=True
        )
    ]
    # What names do not tell is missing, and need not be looked for again.
    table = pd.DataFrame(rows, columns=_told(rows))
    if columns and any(columns):
        # Text in some rows, numbers in others.
        mixed: list[str] = table.select_dtypes("object", exclude="str").columns.tolist()
        for column in mixed:
            table[column] = table[column].astype("str")
    return _complete(tidy_types(table)) if rows else table


def _told(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of a photo table, and others that rows have."""
    return list(dict.fromkeys([*COLUMNS, *chain.from_iterable(rows)]))


def _from_table(table: pd.DataFrame, root: str | os.PathLike[str], name: str) -> pd.DataFrame:
    """A photo table of a table that a user gave; ``name`` is what errors call it."""
    require_columns(
        table,
        ["path"],
        f"A photo table ({name})",
        "One row is one photo; path is its file, relative to the table.",
    )
    if table.empty:
        raise InputError(f"The photo table ({name}) has no rows.")
    table = tidy_types(table)
    _check_named(table, name)
    folder = _place(root)
    table["path"] = [_inside(str(p), folder) for p in table["path"]]
    is_repeated = table.duplicated()
    if is_repeated.any():
        warn(
            f"{int(is_repeated.sum())} rows of {name} stand twice and were left out: "
            f"{some(table.loc[is_repeated, 'path'].map(base_name).tolist())}."
        )
        table = table[~is_repeated].reset_index(drop=True)
    ambiguous = table.loc[table["path"].duplicated(), "path"].unique()
    if len(ambiguous):
        raise InputError(
            f"{len(ambiguous)} photos stand in {name} twice, with different labels or other values: "
            f"{some([shown(path) for path in ambiguous])}. Keep one row a photo."
        )
    return _complete(table)


def _check_named(table: pd.DataFrame, name: str, before: int = 0) -> None:
    """Refuse rows without a path; ``before`` is how many rows come before these."""
    is_nameless = table["path"].isna() | (table["path"].astype("str").str.strip() == "")
    if is_nameless.any():
        raise InputError(
            f"{int(is_nameless.sum())} of {len(table)} rows of {name} have no path, the first is row "
            f"{before + int(np.argmax(is_nameless)) + 1}."
        )


def _inside(path: str, folder: str) -> str:
    """A table's path made absolute; a relative one must not leave the folder."""
    member = split_member(path)
    if member:
        return member_address(_inside(member.tar, folder), member.name)
    if is_remote(path):
        return path
    if is_remote(folder):
        return joined(folder, path)
    # Backslashes are separators in tables written on Windows, save where a file is called so.
    if os.sep == "/" and "\\" in path and not os.path.lexists(path):
        path = path.replace("\\", "/")
    path = os.path.expanduser(path)
    if os.path.isabs(path) or re.match(r"[A-Za-z]:[/\\]", path):
        return os.path.normpath(path)
    full = os.path.normpath(os.path.join(folder, path))
    if not full.startswith(os.path.join(folder, "")):
        raise InputError(
            f"The path {path} leaves the folder of its table, {folder}. Give the folder that "
            f"paths are relative to as {words.option('root')}, or write absolute paths."
        )
    return full


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns every photo table has, and bring directions to one letter."""
    table = table.copy(deep=False)
    if "habitat" in table:
        note_order(table, table["habitat"])
    if not {"point_id", "year", "direction"} <= set(table.columns):
        from_names = pd.DataFrame(
            [from_name(name_of(str(p))) for p in table["path"]], index=table.index
        )
        for column in ("point_id", "year", "direction"):
            if column not in table and column in from_names:
                table[column] = from_names[column]
    for column in COLUMNS:
        if column not in table:
            table[column] = pd.Series(None, index=table.index, dtype="str")
    for column in ("path", "direction", "habitat", "split"):
        table[column] = stripped(table[column])
    table["split"] = _normalised(table["split"], SPLIT_WORDS, "split", "train or test")
    table["direction"] = _normalised(
        table["direction"], DIRECTION_WORDS, "direction", "P, N, E, S, W, C or their words"
    )
    table = tidy_types(table)
    table["year"] = table["year"].astype("Int64")
    if "x" not in table and "lon" not in table and is_lucas_id(table["point_id"]).any():
        table["x"], table["y"] = grid_positions(table["point_id"])
    first = [
        c for c in (*COLUMNS, "lc1", "nuts0", "obs_dist", "x", "y", "lon", "lat") if c in table
    ]
    return table[first + [c for c in table.columns if c not in first]]


def _normalised(
    column: pd.Series, spellings: dict[str, str], name: str, expected: str
) -> pd.Series:
    """A column's values in their standard spelling; a warning tells of those that have none."""
    values = by_value(column, lambda value: spellings.get(value.lower()))
    unknown = column[column.notna() & values.isna()]
    if len(unknown):
        warn(
            f"{len(unknown)} photos have a {name} other than {expected}, taken as missing: "
            f"{some(unknown.unique())}."
        )
    return values


def _warn_of_labels(photos: pd.DataFrame) -> None:
    """Name points whose photos carry different labels in a year."""
    labelled = photos[photos["point_id"].notna() & photos["habitat"].notna()]
    if labelled.empty:
        return
    by_point = labelled.groupby(["point_id", "year"], dropna=False, sort=False)["habitat"]
    is_torn = by_point.transform("nunique") > 1
    if is_torn.any():
        points = labelled[is_torn].groupby(["point_id", "year"], dropna=False, sort=False)
        labels = points["habitat"].unique()
        warn(
            f"{len(labels)} points carry different labels in one year: "
            + some(
                [
                    f"{point} ({'/'.join(sorted(classes))})"
                    for (point, _), classes in zip(labels.index, labels, strict=True)
                ]
            )
            + "."
        )


def describe_photos(photos: pd.DataFrame) -> list[str]:
    """What a photo table holds, as lines for a summary."""
    points = photos["point_id"].dropna()
    n_points = points.nunique()
    lines = [f"{len(photos)} photos" + (f" of {n_points} points" if n_points else "")]
    if points.size < len(photos):
        lines.append(f"{len(photos) - points.size} photos without a point: each is one of its own")
    closeups = int((~landscape(photos)).sum())
    if closeups:
        lines.append(f"{closeups} close-ups (C): listed, left out of training and votes")
    years = sorted(photos["year"].dropna().unique())
    if years:
        lines.append("years " + ", ".join(map(str, years)))
    for name, column in (("classes", photos["habitat"]), ("split", photos["split"])):
        if column.notna().any():
            counts = column.value_counts(sort=False).sort_index()
            lines.append(f"{name}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))
    if photos["habitat"].isna().any():
        lines.append(f"{int(photos['habitat'].isna().sum())} photos without a class")
    return lines


def leave_out_closeups(photos: pd.DataFrame, closeups: bool) -> pd.DataFrame:
    """Drop close-ups unless they are asked for, and say how many."""
    is_landscape = landscape(photos)
    if closeups or is_landscape.all():
        return photos
    inform(
        f"{int((~is_landscape).sum())} close-ups (C) are left out; "
        f"{words.arg('closeups', True)} keeps them."
    )
    return photos[is_landscape]


def check_labels(photos: pd.DataFrame, classes: Iterable[str]) -> None:
    """Warn where photos carry labels that a model cannot predict."""
    unknown = sorted(set(photos["habitat"].dropna()) - set(classes))
    if unknown:
        warn(
            f"The photos are labelled {some(unknown)}, which this model does not know; it knows "
            f"{', '.join(classes)}. Such photos can only count as errors."
        )
