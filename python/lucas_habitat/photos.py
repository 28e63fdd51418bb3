"""Folders, globs, lists and tables of ground photos, read into one photo table."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ._base import words
from ._base.places import grid_positions, is_lucas_id
from ._base.tables import TABLE_ENDINGS, read_table, require_columns, tidy_types
from ._base.types import Photos
from .errors import InputError, inform, some, warn
from .images.heic import ENDINGS as HEIC_ENDINGS

__all__ = ["DIRECTIONS", "list_photos"]

#: The five landscape photos of a LUCAS point (the point, north, east, south, west) and the
#: close-up of its cover.
DIRECTIONS = ("P", "N", "E", "S", "W", "C")
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", *HEIC_ENDINGS)
COLUMNS = ("path", "point_id", "year", "direction", "habitat", "split")

_SOURCES = (
    "Photos can be a folder, a photo, a glob such as 'photos/*/*.jpg', a list of photos, or a "
    ".csv or .parquet table with a column path."
)
_WORDS = {
    "p": "P",
    "point": "P",
    "n": "N",
    "north": "N",
    "e": "E",
    "east": "E",
    "s": "S",
    "south": "S",
    "w": "W",
    "west": "W",
    "c": "C",
    "cover": "C",
    "crop": "C",
    "closeup": "C",
    "close-up": "C",
    "croplc1": "C",
    "croplc2": "C",
}
_WORD = "point|north|east|south|west|cover|crop|closeup|close-up"
_NAMES = [
    # 31603628N.jpg, the survey's own
    re.compile(r"(?P<point>\d{8})(?P<dir>[pneswc])", re.I),
    # 201831603628LCLU_North.jpg, the survey's since 2022
    re.compile(
        r"(?P<year>\d{4})(?P<point>\d{8})LCLU_(?P<dir>point|north|east|south|west|croplc[12])", re.I
    ),
    # 31062100_east_2018.jpg, the pilot's; other plots bring any id
    re.compile(rf"(?P<point>.+)_(?P<dir>{_WORD}|[pneswc])_(?P<year>(?:19|20)\d\d)", re.I),
    # Without a year a lone letter is too often a serial (photo_c), so only words count, save
    # for 8-digit ids.
    re.compile(rf"(?P<point>.+)_(?P<dir>{_WORD})", re.I),
    re.compile(r"(?P<point>\d{8})_(?P<dir>[pneswc])", re.I),
]
_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_YEAR = re.compile(r"(19|20)\d\d")
_SERVER = re.compile(r"/(?P<year>(19|20)\d\d)/(?P<nuts0>[A-Za-z]{2})/\d{3}/\d{3}$")


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
        list of photos, or a table (CSV, Parquet or DataFrame) with a column ``path``.
        Columns that a table has win over what the file names say.
    root : path, optional
        What relative paths of a table are relative to: by default the folder of the table
        file, or the working directory for a DataFrame. They must not leave it; absolute
        paths are taken as they are.
    labels : bool, default True
        Whether folder names are classes. ``False`` leaves ``habitat`` missing, for folders
        that mean something else.

    Returns
    -------
    pandas.DataFrame
        One row a photo, in order of path (a table's or list's own order is kept):
        ``path`` (absolute), ``point_id`` (text, missing where no point is known), ``year``
        (Int64), ``direction`` (``P N E S W``, ``C`` close-up, or missing), ``habitat``,
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
        photos = _from_table(source, Path(root or "."), "the table")
    elif not isinstance(source, str | os.PathLike):
        if not isinstance(source, Iterable):
            raise InputError(f"Photos cannot be read from {words.value(source)}. {_SOURCES}")
        paths = [os.path.abspath(os.path.expanduser(p)) for p in source]
        if not paths:
            raise InputError("The list of photos is empty.")
        photos = _from_paths(paths, [""] * len(paths), labels=False)
    else:
        path = Path(os.path.abspath(os.path.expanduser(source)))
        if path.suffix.lower() in TABLE_ENDINGS:
            photos = _from_table(read_table(path), Path(root or path.parent), path.name)
        elif path.is_dir():
            photos = _from_folder(path, labels)
        elif path.is_file():
            if path.suffix.lower() not in PHOTO_ENDINGS:
                raise InputError(f"{path.name} is neither a photo nor a table. {_SOURCES}")
            photos = _from_paths([str(path)], [""], labels=False)
        elif glob.has_magic(str(source)):
            photos = _from_glob(str(path), labels)
        else:
            raise InputError(f"There is no {source}. {_SOURCES}")
    _report_disagreeing_labels(photos)
    return photos


def as_photos(photos: Photos) -> pd.DataFrame:
    """Take whatever a public function was given as photos, as a photo table.

    A table's rows are kept as they are: predictions must come back one for one. Its columns are
    read anew, because it may have been through a CSV file or R since it was made.
    """
    if not isinstance(photos, pd.DataFrame) or "path" not in photos:
        return list_photos(photos)
    return _complete(tidy_types(photos))


def within(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """A table with its relative paths within a folder made absolute; they must not leave it."""
    paths = [
        _inside(p, os.path.abspath(folder)) if isinstance(p, str) else p for p in table["path"]
    ]
    return table.assign(path=pd.Series(paths, index=table.index, dtype="str"))


def groups_of(photos: pd.DataFrame) -> pd.Series:
    """What must stay together in a split or resample: the point, or the photo without one."""
    return photos["point_id"].where(photos["point_id"].notna(), photos["path"]).astype("str")


def landscape(photos: pd.DataFrame) -> pd.Series:
    """Mark the photos that are no close-ups."""
    return photos["direction"].isna() | (photos["direction"] != "C")


def _from_folder(folder: Path, labels: bool) -> pd.DataFrame:
    paths = sorted(_walk(folder))
    if not paths:
        raise InputError(
            f"There is no photo in {folder}. Looked for {', '.join(PHOTO_ENDINGS)} there and in "
            "its subfolders."
        )
    return _from_paths(paths, [os.path.relpath(os.path.dirname(p), folder) for p in paths], labels)


def _walk(folder: Path) -> Iterator[str]:
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link back to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        for name in files:
            if name.lower().endswith(PHOTO_ENDINGS) and not name.startswith("."):
                yield os.path.join(parent, name)


def _from_glob(pattern: str, labels: bool) -> pd.DataFrame:
    paths = [
        p for p in sorted(glob.glob(pattern, recursive=True)) if p.lower().endswith(PHOTO_ENDINGS)
    ]
    if not paths:
        raise InputError(f"No photo matches {pattern}.")
    # Through a link back to a folder above, ** finds a photo again and again.
    real = [(os.path.realpath(os.path.dirname(p)), os.path.basename(p)) for p in paths]
    shortest = dict(sorted(zip(real, paths, strict=True), key=lambda found: -len(found[1])))
    paths = sorted(shortest.values())
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return _from_paths(paths, [os.path.relpath(os.path.dirname(p), fixed) for p in paths], labels)


def _from_paths(paths: Sequence[str], folders: Sequence[str], labels: bool) -> pd.DataFrame:
    # A photo's own name knows its year better than a folder.
    rows = [
        {"path": path, **_from_folders(path, folder, labels), **_from_name(path)}
        for path, folder in zip(paths, folders, strict=True)
    ]
    return _complete(tidy_types(pd.DataFrame(rows)))


def _from_name(path: str) -> dict[str, Any]:
    stem = os.path.splitext(os.path.basename(path))[0]
    for pattern in _NAMES:
        match = pattern.fullmatch(stem)
        if match:
            found = match.groupdict()
            row: dict[str, Any] = {
                "point_id": found["point"],
                "direction": _WORDS[found["dir"].lower()],
            }
            if found.get("year"):
                row["year"] = int(found["year"])
            return row
    return {}


def _from_folders(path: str, folder: str, labels: bool) -> dict[str, Any]:
    parts = [p for p in Path(folder).parts if p != "."]
    row: dict[str, Any] = {}
    # Asked of the whole path: the source may be a folder within the server's, such as 2018/UK.
    server = _SERVER.search(os.path.dirname(path).replace(os.sep, "/"))
    if server:
        row = {"year": int(server["year"]), "nuts0": server["nuts0"].upper()}
        parts = parts[:-4]
    if parts and parts[0].lower() in _SPLITS:
        row["split"] = _SPLITS[parts.pop(0).lower()]
    years = [p for p in parts if _YEAR.fullmatch(p)]
    if years and "year" not in row:
        row["year"] = int(years[-1])
    classes = [p for p in parts if not _YEAR.fullmatch(p)]
    if labels and classes and "nuts0" not in row:
        row["habitat"] = classes[0]
    return row


def _from_table(table: pd.DataFrame, root: Path, name: str) -> pd.DataFrame:
    require_columns(
        table,
        ["path"],
        f"A photo table ({name})",
        "One row is one photo; path is its file, relative to the table.",
    )
    if table.empty:
        raise InputError(f"The photo table ({name}) has no rows.")
    table = tidy_types(table)
    nameless = table["path"].isna() | (table["path"].astype("str").str.strip() == "")
    if nameless.any():
        raise InputError(
            f"{int(nameless.sum())} of {len(table)} rows of {name} have no path, the first is row "
            f"{int(np.argmax(nameless)) + 1}."
        )
    folder = os.path.abspath(root)
    table["path"] = [_inside(str(p), folder) for p in table["path"]]
    repeated = table.duplicated()
    if repeated.any():
        warn(
            f"{int(repeated.sum())} rows of {name} stand twice and were left out: "
            f"{some(table.loc[repeated, 'path'].map(os.path.basename).tolist())}."
        )
        table = table[~repeated].reset_index(drop=True)
    twice = table.loc[table["path"].duplicated(), "path"].unique()
    if len(twice):
        raise InputError(
            f"{len(twice)} photos stand in {name} twice, with different labels or other values: "
            f"{some(twice)}. Keep one row a photo."
        )
    return _complete(table)


def _inside(path: str, folder: str) -> str:
    # Backslashes are separators in tables written on Windows.
    path = os.path.expanduser(path.replace("\\", "/") if os.sep == "/" else path)
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
    table = table.copy()
    if not {"point_id", "year", "direction"} <= set(table.columns):
        named = pd.DataFrame([_from_name(str(p)) for p in table["path"]], index=table.index)
        for column in ("point_id", "year", "direction"):
            if column not in table and column in named:
                table[column] = named[column]
    for column in COLUMNS:
        if column not in table:
            table[column] = pd.Series(None, index=table.index, dtype="str")
    for column in ("path", "direction", "habitat", "split"):
        text = table[column].astype("str").str.strip()
        table[column] = text.where(table[column].notna() & (text != "")).astype("str")
    table["split"] = _words(table["split"], _SPLITS, "split", "train or test")
    table["direction"] = _words(
        table["direction"],
        _WORDS,
        "direction",
        "P, N, E, S, W, C or their words",
    )
    table = tidy_types(table)
    table["year"] = table["year"].astype("Int64")
    if "x" not in table and "lon" not in table and is_lucas_id(table["point_id"]).any():
        table["x"], table["y"] = grid_positions(table["point_id"])
    first = [
        c for c in (*COLUMNS, "lc1", "nuts0", "obs_dist", "x", "y", "lon", "lat") if c in table
    ]
    return table[first + [c for c in table.columns if c not in first]]


def _words(column: pd.Series, words: dict[str, str], name: str, expected: str) -> pd.Series:
    found = column.str.lower().map(words).astype("str")
    strange = column[column.notna() & found.isna()]
    if len(strange):
        warn(
            f"{len(strange)} photos have a {name} other than {expected}, taken as missing: "
            f"{some(strange.unique())}."
        )
    return found


def _report_disagreeing_labels(photos: pd.DataFrame) -> None:
    labelled = photos[photos["point_id"].notna() & photos["habitat"].notna()]
    if labelled.empty:
        return
    by_point = labelled.groupby(["point_id", "year"], dropna=False, sort=False)["habitat"]
    several = by_point.transform("nunique") > 1
    if several.any():
        points = labelled[several].groupby(["point_id", "year"], dropna=False, sort=False)
        unlike = points["habitat"].unique()
        warn(
            f"{len(unlike)} points carry different labels in one year: "
            + some(
                [
                    f"{key[0]} ({'/'.join(sorted(found))})"
                    for key, found in zip(unlike.index, unlike, strict=True)
                ]
            )
            + "."
        )


def describe_photos(photos: pd.DataFrame) -> list[str]:
    """What a photo table holds, as lines for a summary."""
    points = photos["point_id"].dropna()
    lines = [f"{len(photos)} photos of {points.nunique()} points"]
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
    kept = landscape(photos)
    if closeups or kept.all():
        return photos
    inform(
        f"{int((~kept).sum())} close-ups (C) are left out; {words.arg('closeups', True)} keeps them."
    )
    return photos[kept]


def check_labels(photos: pd.DataFrame, classes: Iterable[str]) -> None:
    """Warn where photos carry labels that a model cannot predict."""
    strange = sorted(set(photos["habitat"].dropna()) - set(classes))
    if strange:
        warn(
            f"The photos are labelled {some(strange)}, which this model does not know; it knows "
            f"{', '.join(classes)}. Such photos can only count as errors."
        )
