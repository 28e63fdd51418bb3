"""Photos put into the folders of their classes, each once, and never in another file's place."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from .._base import words
from .._base.checks import check_choice, check_number
from .._base.choices import HOW_SORTED
from .._base.classified import classified_photos
from .._base.files import rename_new, write_new, writing
from .._base.progress import Progress, report
from .._base.signatures import checked
from .._base.tables import describe_statuses
from .._base.types import Table
from ..errors import PhotoError, inform
from ..photos import as_photos, within
from ..sources import Fetch, ReadAhead, base_name, is_remote, on_disk, read_bytes, split_member
from .manifest import Entry, Manifest, check_sorted_folder, manifest_of
from .names import REVIEW, long_path, name_key, numbered, safe_name

__all__ = ["sort_photos"]


@checked
def sort_photos(
    predictions: Table,
    folder: str | os.PathLike[str],
    *,
    min_confidence: float = 0.5,
    how: str = "copy",
    progress: Progress = True,
) -> pd.DataFrame:
    """Put photos into class folders, to be looked through and put right in a file manager.

    Photos whose class is sure enough go to the folder of their class, others to ``_unsure``. Move
    those that are wrong to the right folder; `read_sorted` then tells what was changed, as corrections
    that `train` takes. ``docs/handing-on.md`` goes through it.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        Photos as `classify` returned them, or the folder of a run, which is read a part at a time.
    folder : path
        A new folder, or one that was sorted into before, outside the folder of the photos. Run again, sorting
        goes on where it ended: what a person moved, changed or deleted stays as it is, and what nobody
        touched goes to the folder of its class by these predictions.
    min_confidence : float, default 0.5
        The least probability with which a photo goes to its class.
    how : {"copy", "link"}, default "copy"
        Hard links take no room on the disk, but are the photos themselves: a program that rotates or tags
        them changes the originals. Where links cannot be made, photos are copied.
    progress : bool or callable, default True

    Returns
    -------
    pandas.DataFrame
        One row a photo: ``path``, ``file`` (in the folder), ``predicted``, ``confidence``, ``status`` and
        ``error``. The status is ``sorted``, ``unsure``, ``there`` (it was put there before), ``left`` (a
        person moved, changed or deleted it) or ``refused``, with the reason in ``error``.

    Raises
    ------
    InputError
        If these are no predictions of photos, ``min_confidence`` is out of range, or the folder holds
        other files.
    OutputError
        If the disk is full or nothing may be written there; what was sorted is kept.

    Notes
    -----
    No file is ever replaced. Folders and files get names that Windows, macOS and Linux all take:
    ``woody/shrub`` becomes ``woody_shrub``, and a name that another photo has gets a mark. What was put
    where, with the hash of each content, is in ``_sorted.jsonl``, which must stay in the folder.

    Examples
    --------
    >>> sort_photos(classify("photos/", model), "sorted/", min_confidence=0.8)  # doctest: +SKIP
    """
    check_number("min_confidence", min_confidence, 0, 1)
    check_choice("how", how, HOW_SORTED)
    photos = classified_photos(predictions, words.call("sort_photos"))
    folder = check_sorted_folder(folder)
    tables = []
    with (
        manifest_of(Path(long_path(str(folder))), photos.classes) as manifest,
        report(progress, photos.n, "photos") as advance,
    ):
        sorter = _Sorter(manifest, min_confidence, how == "link")
        for block in photos.blocks:
            tables.append(sorter.sort(_as_photos(block)))
            manifest.flush()
            advance(len(block))
    if sorter.n_copied:
        inform(
            f"{sorter.n_copied} photos were copied, because links to them cannot be made in {folder}."
        )
    return pd.concat(tables, ignore_index=True)


def describe_sorted(table: pd.DataFrame) -> list[str]:
    """What became of photos, as lines for a summary."""
    texts = {
        "sorted": "photos are in the folder of their class",
        "unsure": f"are in {REVIEW}",
        "there": "were there before",
        "left": "were moved, changed or deleted by a person, and stay so",
        "refused": "were refused",
    }
    return describe_statuses(table, texts)


def _as_photos(block: pd.DataFrame) -> pd.DataFrame:
    """Rows of predictions as photos, whose paths are whole."""
    photos = as_photos(within(block, ".")).reset_index(drop=True)
    if "fold" in photos:
        # These are training photos, each of which was a test photo once.
        photos["split"] = pd.Series(None, index=photos.index, dtype="str")
    return photos


class _Outcome(NamedTuple):
    """What became of a photo."""

    file: str | None
    status: str
    error: str = ""


class _Sorter:
    """Puts photos where they belong, block by block."""

    def __init__(self, manifest: Manifest, min_confidence: float, links: bool) -> None:
        self.n_copied = 0
        self._manifest, self._least, self._links = manifest, min_confidence, links

    def sort(self, photos: pd.DataFrame) -> pd.DataFrame:
        """Put the photos of a table in their place."""
        # A person may have put another class into the table than the model knows.
        self._manifest.add_classes(photos["predicted"].dropna().unique().tolist())
        rows: list[Any] = list(photos.drop_duplicates("path").itertuples())
        new = [r.path for r in rows if not _reason(r) and r.path not in self._manifest.places]
        contents = _contents(new)
        outcomes = {row.path: self._outcome(row, contents) for row in rows}
        of_rows = [outcomes[path] for path in photos["path"]]
        table = photos[["path", "predicted", "confidence"]].copy()
        for name in _Outcome._fields:
            table[name] = pd.array([getattr(outcome, name) for outcome in of_rows], dtype="str")
        return table[["path", "file", "predicted", "confidence", "status", "error"]]

    def _outcome(self, photo: Any, contents: Iterator[_Content]) -> _Outcome:
        reason = _reason(photo)
        if reason:
            return _Outcome(None, "refused", reason)
        if photo.path in self._manifest.places:
            return self._again(photo)
        content = next(contents)
        if content.data is None:
            return _Outcome(None, "refused", content.error)
        return self._put(photo, content.data)

    def _folder_of(self, photo: Any) -> str:
        is_sure = photo.confidence >= self._least
        return self._manifest.folders[photo.predicted] if is_sure else REVIEW

    def _put(self, photo: Any, data: bytes) -> _Outcome:
        """Give a photo its place."""
        manifest, digest = self._manifest, hashlib.sha256(data).hexdigest()
        folder, taken = self._folder_of(photo), set[str]()
        while True:
            name = numbered(safe_name(base_name(photo.path)), manifest.names | taken, digest[:8])
            place = manifest.folder / folder / name
            try:
                self._write(photo.path, data, place)
            except FileExistsError:
                if not _holds(place, data):
                    taken.add(name_key(name))
                    continue
            break
        file = f"{folder}/{name}"
        manifest.record(_entry(photo, file, digest, place))
        return _Outcome(file, _status(folder))

    def _write(self, path: str, data: bytes, place: Path) -> None:
        """Link or copy a photo to a new name."""
        with writing(place.parent):
            place.parent.mkdir(exist_ok=True)
        is_here = not is_remote(path) and not split_member(path)
        if self._links:
            if is_here and _linked(path, place):
                return
            self.n_copied += 1
        write_new(place, lambda tmp: _copy(path if is_here else None, data, tmp))

    def _again(self, photo: Any) -> _Outcome:
        """What becomes of a photo that was put somewhere before."""
        manifest = self._manifest
        before = manifest.places[photo.path]
        place = manifest.folder / before.file
        try:
            stat = place.stat()
        except OSError:
            return _Outcome(before.file, "left")
        if (stat.st_size, stat.st_mtime_ns) != (before.size, before.mtime):
            return _Outcome(before.file, "left")
        folder = self._folder_of(photo)
        if before.file.startswith(f"{folder}/"):
            return _Outcome(before.file, "there")
        file = f"{folder}/{place.name}"
        new = manifest.folder / file
        with writing(new):
            new.parent.mkdir(exist_ok=True)
            if not rename_new(place, new):
                return _Outcome(before.file, "there")
        manifest.record(_entry(photo, file, before.sha256, new))
        return _Outcome(file, _status(folder))


class _Content(NamedTuple):
    """A photo's bytes, or why there are none."""

    data: bytes | None
    error: str = ""


def _contents(paths: Iterable[str]) -> Iterator[_Content]:
    """The bytes of photos in their order; what lies elsewhere is fetched before its turn."""
    ahead, remaining = ReadAhead(), iter(paths)
    waiting = deque[tuple[str, Fetch | None]]()
    try:
        while True:
            while len(waiting) < max(1, ahead.photos):
                path = next(remaining, None)
                if path is None:
                    break
                waiting.append((path, ahead.begin(path)))
            if not waiting:
                return
            path, fetch = waiting.popleft()
            try:
                content = _Content(fetch() if fetch else read_bytes(path))
            except PhotoError as error:
                content = _Content(None, str(error))
            yield content
    finally:
        ahead.close()


def _reason(photo: Any) -> str:
    """Why a photo has no class; empty where it has one."""
    if not isinstance(photo.path, str):
        return "the row names no file"
    if isinstance(photo.predicted, str):
        return ""
    told = [getattr(photo, name, None) for name in ("error", "status")]
    return next((text for text in told if isinstance(text, str) and text), "it has no class")


def _status(folder: str) -> str:
    return "unsure" if folder == REVIEW else "sorted"


def _linked(path: str, place: Path) -> bool:
    """Link a photo to a new name, if that can be done.

    Raises
    ------
    FileExistsError
        If something has that name.
    """
    try:
        os.link(os.path.realpath(on_disk(path)), place)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links; where it is full, copying says so
        return False
    return True


def _copy(path: str | None, data: bytes, place: Path) -> None:
    """Write a photo, with the time of the file it is a copy of."""
    place.write_bytes(data)
    if path is not None:
        stat = os.stat(on_disk(path))
        os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _holds(place: Path, data: bytes) -> bool:
    """Whether a file is this photo, which was put there before it could be written down."""
    try:
        return place.stat().st_size == len(data) and place.read_bytes() == data
    except OSError:
        return False


def _entry(photo: Any, file: str, digest: str, place: Path) -> Entry:
    """What is written down of a photo."""
    stat = place.stat()
    texts = {
        name: None if pd.isna(value := getattr(photo, name)) else str(value)
        for name in ("point_id", "direction", "habitat", "split", "predicted")
    }
    return Entry(
        file=file,
        path=photo.path,
        sha256=digest,
        size=stat.st_size,
        mtime=stat.st_mtime_ns,
        year=None if pd.isna(photo.year) else int(photo.year),
        confidence=None if pd.isna(photo.confidence) else float(photo.confidence),
        **texts,
    )
