"""What people made of photos that were sorted into class folders."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from .._base import words
from .._base.files import file_sha256, full_path
from .._base.signatures import checked
from ..corrections import REVIEW_COLUMNS
from ..errors import inform, some
from ..photos import PHOTO_ENDINGS, list_photos
from ..sources import on_disk, readable, walk
from .manifest import MANIFEST, Entry, is_litter, read_manifest
from .names import REVIEW, long_path, name_key

__all__ = ["SortedPhotos", "read_sorted"]

#: In the order in which they are listed.
CHANGES = (
    "two classes",
    "unknown folder",
    "unreadable",
    "moved",
    "new",
    "changed content",
    "copied",
    "renamed",
    "deleted",
)


@dataclass(frozen=True, eq=False, repr=False)
class SortedPhotos:
    """What `read_sorted` read of a folder.

    Attributes
    ----------
    corrections : pandas.DataFrame
        Photos with the class that a person gave them, as `train` takes them.
    changes : pandas.DataFrame
        What is not as it was put there.
    """

    corrections: pd.DataFrame
    changes: pd.DataFrame

    def __repr__(self) -> str:
        return "\n".join(describe_changes(self))


def describe_changes(result: SortedPhotos) -> list[str]:
    """What was read, as lines for a summary."""
    counts = result.changes["change"].value_counts()
    lines = [f"{len(result.corrections)} corrections; {len(result.changes)} changes"]
    return lines + [f"  {counts[kind]} {kind}" for kind in CHANGES if kind in counts]


@checked
def read_sorted(
    folder: str | os.PathLike[str], *, confirmed: bool = False, new_classes: bool = False
) -> SortedPhotos:
    """Read what a person made of photos that `sort_photos` put into class folders.

    A photo in another class's folder than it was put into is a correction, and so is one that was
    moved out of ``_unsure`` or that a person added. Photos are recognised by name, size and time, else by
    content, so that they may be renamed, and moved into subfolders of a class.

    Parameters
    ----------
    folder : path
        What `sort_photos` sorted into.
    confirmed : bool, default False
        Whether photos that nobody moved were looked at and are right: they are corrections, too, save
        those in ``_unsure``.
    new_classes : bool, default False
        Whether folders that a person made are classes of their names. Otherwise their photos are listed
        and no corrections.

    Returns
    -------
    SortedPhotos
        ``corrections``, a review table: ``path`` (of the photo itself, not of its copy; of a photo that a
        person added, the added file), ``point_id``, ``year``, ``direction``, ``habitat`` (the class by its
        folder), ``split``, ``predicted``, ``confidence``, ``sha256`` and ``time``. `train` takes it as
        ``corrections``, also from a CSV file.

        ``changes``, a table of what is not as it was put there: ``change``, ``file`` (where it is now,
        missing where it is gone), ``was``, ``habitat`` (missing where its folder is of no class),
        ``predicted``, ``confidence``, ``point_id``, ``year``, ``path`` and ``sha256``. The change is
        ``moved``, ``new``, ``deleted``, ``renamed``, ``copied`` (twice in the same class), ``two classes``
        (the same content in the folders of several, which corrects nothing), ``changed content``,
        ``unknown folder`` or ``unreadable``.

    Raises
    ------
    InputError
        If `sort_photos` did not sort into the folder, or its list of what was put where is damaged.

    Notes
    -----
    Deleted photos correct nothing. Photos whose ``split`` is ``"test"`` stay in the corrections, and
    `train` leaves them out.

    Examples
    --------
    >>> read = read_sorted("sorted/")                                # doctest: +SKIP
    >>> train("photos/", corrections=read.corrections)               # doctest: +SKIP
    """
    folder = full_path(folder)
    written = read_manifest(folder)
    entries, place = written.entries, Path(long_path(str(folder)))
    files = _files(place, entries)
    _find_owners(place, files, entries)
    classes = {name_key(name): label for label, name in written.folders.items()}
    _name_classes(files, classes, new_classes)
    _tell_of_unknown(files)
    torn = _torn(files, entries)
    return SortedPhotos(
        _corrections(folder, files, entries, classes, torn, confirmed),
        _changes(files, entries, torn),
    )


@dataclass
class _File:
    """A photo that is in the folder now."""

    name: str  # in the folder, with /
    size: int
    mtime: int
    owner: int = -1  # the number of the entry that it is the photo of
    sha256: str | None = None  # where it had to be read
    is_changed: bool = False  # it has the place or name of its entry, and other content
    label: str | None = None
    is_unknown: bool = False  # its folder is of no class

    @property
    def top(self) -> str:
        """The folder that says what class it is of; empty where it is in none."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    def is_as_put(self, entry: Entry) -> bool:
        """Whether nothing speaks for another content than was put there."""
        return (self.size, self.mtime) == (entry.size, entry.mtime)


def _files(folder: Path, entries: Sequence[Entry]) -> list[_File]:
    """The photos in a folder, and whatever has the name of one that was put there."""
    names = {name_key(os.path.basename(entry.file)) for entry in entries}
    top = readable(str(folder))
    files = []
    for path in walk(folder, ("",)):
        name, base = path[len(top) :].lstrip(os.sep).replace(os.sep, "/"), os.path.basename(path)
        is_photo = base.lower().endswith(PHOTO_ENDINGS) or name_key(base) in names
        if is_photo and not is_litter(base) and name != MANIFEST:
            try:
                stat = os.stat(on_disk(path))
            except OSError:  # a link that leads nowhere
                continue
            files.append(_File(name, stat.st_size, stat.st_mtime_ns))
    return files


def _find_owners(folder: Path, files: Sequence[_File], entries: Sequence[Entry]) -> None:
    """Tell of each file which photo it is: by its place, else by its name, else by its content.

    Only what is not as it was put there is read.
    """
    at_place = {name_key(entry.file): i for i, entry in enumerate(entries)}
    by_name, by_content = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for i, entry in enumerate(entries):
        by_name[name_key(os.path.basename(entry.file))].append(i)
        by_content[entry.sha256].append(i)
    for file in files:
        i = at_place.get(name_key(file.name), -1)
        if i >= 0 and file.is_as_put(entries[i]):
            file.owner = i
    others = [file for file in files if file.owner < 0]
    owned = {file.owner for file in files}
    for file in others:
        named = by_name[name_key(os.path.basename(file.name))]
        same = [i for i in named if file.is_as_put(entries[i])]
        if not same:
            file.sha256 = _sha256(folder, file)
            # Of photos with the same content, the one of this name, else one that is missing.
            same = sorted(
                by_content[file.sha256] if file.sha256 else [],
                key=lambda i: (i not in named, i in owned),
            )
        if same:
            file.owner = same[0]
            owned.add(same[0])
    for file in others:
        if file.owner < 0:
            named = by_name[name_key(os.path.basename(file.name))]
            missing = [i for i in named if i not in owned]
            if missing:
                file.owner, file.is_changed = missing[0], True
                owned.add(missing[0])


def _sha256(folder: Path, file: _File) -> str | None:
    """The hash of a file; None if it cannot be read."""
    try:
        return file_sha256(on_disk(readable(str(folder / file.name))))
    except OSError:
        return None


def _name_classes(files: Sequence[_File], classes: dict[str, str], new_classes: bool) -> None:
    """Tell of each file which class its folder is of."""
    for file in files:
        key = name_key(file.top)
        file.label = classes.get(key)
        if file.label is None and key not in ("", name_key(REVIEW)):
            file.label = file.top if new_classes else None
            file.is_unknown = not new_classes


def _tell_of_unknown(files: Sequence[_File]) -> None:
    unknown = sorted({file.top for file in files if file.is_unknown})
    if unknown:
        inform(
            f"{len(unknown)} folders are of no class, and their photos correct nothing: {some(unknown)}. "
            f"{words.arg('new_classes', True)} takes their names for classes."
        )


def _content(file: _File, entries: Sequence[Entry]) -> str | None:
    """What files with the same photo have in common."""
    return entries[file.owner].sha256 if file.owner >= 0 else file.sha256


def _torn(files: Sequence[_File], entries: Sequence[Entry]) -> set[str]:
    """Contents that are in the folders of several classes."""
    labels = defaultdict[str, set[str]](set)
    for file in files:
        content = _content(file, entries)
        if content and file.label is not None:
            labels[content].add(file.label)
    return {content for content, of_content in labels.items() if len(of_content) > 1}


def _corrections(
    folder: Path,
    files: Sequence[_File],
    entries: Sequence[Entry],
    classes: dict[str, str],
    torn: set[str],
    confirmed: bool,
) -> pd.DataFrame:
    """The review table of what a person decided."""
    rows, added, done = list[dict[str, object]](), dict[str, _File](), set[object]()
    for file in files:
        content = _content(file, entries)
        photo = file.owner if file.owner >= 0 else content
        if file.label is None or content is None or content in torn or photo in done:
            continue
        done.add(photo)
        if file.owner < 0:
            added[readable(str(folder / file.name))] = file
            continue
        entry = entries[file.owner]
        if confirmed or classes.get(name_key(entry.file.partition("/")[0])) != file.label:
            rows.append(entry._asdict() | {"habitat": file.label})
    if added:
        told = list_photos(list(added), labels=False)
        for row, file in zip(told.to_dict("records"), added.values(), strict=True):
            rows.append(
                {str(k): v for k, v in row.items()} | {"habitat": file.label, "sha256": file.sha256}
            )
    table = pd.DataFrame(rows).reindex(columns=list(REVIEW_COLUMNS))
    table["time"] = datetime.now(UTC).isoformat(timespec="seconds")
    return _with_types(table)


def _changes(files: Sequence[_File], entries: Sequence[Entry], torn: set[str]) -> pd.DataFrame:
    """What is not as it was put there, a row a finding."""
    places = {(file.owner, name_key(file.name)) for file in files}
    rows = []
    for file in files:
        entry = entries[file.owner] if file.owner >= 0 else None
        found = [_change(file, entry, _content(file, entries) in torn, places)]
        if file.is_changed:
            found.append("changed content")
        rows += [_change_row(change, file, entry) for change in found if change]
    present = {file.owner for file in files}
    rows += [
        _change_row("deleted", None, entry) for i, entry in enumerate(entries) if i not in present
    ]
    table = pd.DataFrame(rows, columns=list(_CHANGE_COLUMNS))
    order = table["change"].map({change: i for i, change in enumerate(CHANGES)})
    table = table.assign(order=order).sort_values(["order", "file", "was"]).drop(columns="order")
    return _with_types(table.reset_index(drop=True))


_CHANGE_COLUMNS = (
    "change",
    "file",
    "was",
    "habitat",
    "predicted",
    "confidence",
    "point_id",
    "year",
    "path",
    "sha256",
)


def _change(
    file: _File, entry: Entry | None, is_torn: bool, places: set[tuple[int, str]]
) -> str | None:
    """What is to be said of a file's place, if anything is."""
    if file.owner < 0 and file.sha256 is None:
        return "unreadable"
    if is_torn:
        return "two classes"
    if file.is_unknown:
        return "unknown folder"
    if entry is None:
        return "new"
    if name_key(file.top) != name_key(entry.file.partition("/")[0]):
        return "moved"
    if name_key(file.name) == name_key(entry.file):
        return None
    return "copied" if (file.owner, name_key(entry.file)) in places else "renamed"


def _change_row(change: str, file: _File | None, entry: Entry | None) -> dict[str, object]:
    """A row of the table of changes."""
    row: dict[str, object] = {"change": change}
    if entry is not None:
        row |= {name: getattr(entry, name) for name in _CHANGE_COLUMNS if hasattr(entry, name)}
        row["was"] = entry.file
    row["file"] = None if file is None else file.name
    row["habitat"] = None if file is None else file.label
    if file is not None and file.sha256 is not None:
        row["sha256"] = file.sha256
    return row


def _with_types(table: pd.DataFrame) -> pd.DataFrame:
    """Text as text, the year as a whole number, whether there are rows or not."""
    types = {"year": "Int64", "confidence": "float64"}
    return table.astype({name: types.get(str(name), "str") for name in table.columns})
