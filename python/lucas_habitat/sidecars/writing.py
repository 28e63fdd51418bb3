"""XMP files written beside photos, with the class of each as keywords."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from .._base import words
from .._base.checks import check_choice, check_number
from .._base.choices import SIDECARS
from .._base.classified import classified_photos
from .._base.files import write_atomically, writing
from .._base.progress import Progress, report
from .._base.signatures import checked
from .._base.tables import describe_statuses
from .._base.types import Table
from ..errors import InputError, OutputError
from ..photos import within
from ..sources import is_remote, on_disk, split_member
from .xmp import Keywords, XmpError, edited, keywords_of

__all__ = ["write_xmp"]

#: Bytes of a sidecar; editing programs write some hundred thousand at most.
_MOST_BYTES = 50_000_000
#: What is wrong with one folder; what is wrong with the disk ends the work.
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@checked
def write_xmp(
    predictions: Table,
    *,
    min_confidence: float = 0.5,
    naming: str = "digikam",
    keyword: str = "Habitat",
    remove: bool = False,
    progress: Progress = True,
) -> pd.DataFrame:
    """Write classes as keywords into XMP sidecars, for digiKam, Lightroom and their like.

    Each photo whose class is sure enough gets the keywords ``Habitat > woody`` and
    ``Habitat > confidence > confidence 0.9`` (0.9 to 1) in a file beside it. Photos are never touched, and
    in sidecars that are there only our keywords are added, replaced or taken out. Run again, a photo that is
    not sure enough any more loses them.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        Photos as `classify` returned them, or the folder of a run, which is read a part at a time.
    min_confidence : float, default 0.5
        The least probability with which a photo gets its class.
    naming : {"digikam", "lightroom"}, default "digikam"
        ``photo.jpg.xmp``, as digiKam, darktable and others have it, or ``photo.xmp``, as Adobe's programs do:
        there, two photos of the same name and other endings share a sidecar, and the second is refused.
    keyword : str, default "Habitat"
        The keyword that ours stand under.
    remove : bool, default False
        Take our keywords out. Sidecars that hold nothing else are deleted.
    progress : bool or callable, default True

    Returns
    -------
    pandas.DataFrame
        One row a photo: ``path``, ``sidecar``, ``predicted``, ``confidence``, ``status`` and ``error``. The
        status is ``written``, ``unchanged``, ``removed`` (our keywords were taken out), ``unsure`` or
        ``refused``, with the reason in ``error``: photos in shards or far away have no place for a sidecar,
        and a sidecar that is damaged, or is more than plain XML, is left as it is.

    Raises
    ------
    InputError
        If these are no predictions of photos, or an argument is out of range.
    OutputError
        If the disk is full; what was written is kept.

    Notes
    -----
    Keywords are in ``dc:subject``, ``lr:hierarchicalSubject`` and ``digiKam:TagsList``; ``|`` and ``/`` in
    the name of a class, which separate levels there, become ``-``. Under ``urn:lucas-habitat:1.0/`` stand the
    class and its probability as they are, and which keywords are ours: those that a person had before stay
    when ours go.

    Examples
    --------
    >>> write_xmp(classify("photos/", model), min_confidence=0.8)  # doctest: +SKIP
    """
    check_number("min_confidence", min_confidence, 0, 1)
    check_choice("naming", naming, SIDECARS)
    if not isinstance(keyword, str) or not keyword.strip():
        raise InputError(f"{words.arg('keyword')} must be a word; got {words.value(keyword)}.")
    photos = classified_photos(predictions, words.call("write_xmp"))
    writer = _Writer(min_confidence, naming, keyword.strip(), remove)
    tables = []
    with report(progress, photos.n, "photos") as advance:
        for block in photos.blocks:
            tables.append(writer.write(within(block, ".")))
            advance(len(block))
    return pd.concat(tables, ignore_index=True)


def describe_sidecars(table: pd.DataFrame) -> list[str]:
    """What became of sidecars, as lines for a summary."""
    texts = {
        "written": "sidecars were written",
        "unchanged": "are as they were",
        "removed": "lost our keywords",
        "unsure": "photos are not sure enough",
        "refused": "were refused",
    }
    return describe_statuses(table, texts)


class _Outcome(NamedTuple):
    """What became of a photo's sidecar."""

    sidecar: str | None
    status: str
    error: str = ""


class _Writer:
    """Writes sidecars, block by block."""

    def __init__(self, min_confidence: float, naming: str, keyword: str, remove: bool) -> None:
        self._least, self._naming, self._keyword, self._remove = (
            min_confidence,
            naming,
            keyword,
            remove,
        )
        self._done = set[str]()

    def write(self, photos: pd.DataFrame) -> pd.DataFrame:
        """Write the sidecars of a table's photos."""
        rows: list[Any] = list(photos.itertuples())
        outcomes = [self._outcome(photo) for photo in rows]
        table = photos[["path", "predicted", "confidence"]].copy()
        for name in _Outcome._fields:
            table[name] = pd.array([getattr(outcome, name) for outcome in outcomes], dtype="str")
        return table[["path", "sidecar", "predicted", "confidence", "status", "error"]]

    def _outcome(self, photo: Any) -> _Outcome:
        reason = _reason(photo)
        if reason:
            return _Outcome(None, "refused", reason)
        sidecar = _sidecar_of(photo.path, self._naming)
        if sidecar in self._done:
            return _Outcome(sidecar, "refused", "another photo has the same sidecar")
        self._done.add(sidecar)
        is_sure = not self._remove and photo.confidence >= self._least
        keywords = (
            keywords_of(photo.predicted, photo.confidence, self._keyword) if is_sure else None
        )
        try:
            status = _put(Path(os.path.realpath(on_disk(sidecar))), keywords)
        except XmpError as error:
            return _Outcome(sidecar, "refused", f"its sidecar stays as it is: {error}")
        except OutputError as error:
            if error.errno not in _FORBIDDEN:
                raise
            return _Outcome(sidecar, "refused", str(error))
        if status == "unchanged" and not is_sure and not self._remove:
            status = "unsure"
        return _Outcome(sidecar, status)


def _reason(photo: Any) -> str:
    """Why a photo can have no sidecar; empty where it can."""
    if not isinstance(photo.path, str):
        return "the row names no file"
    if is_remote(photo.path):
        return "it lies far away, where no sidecar can be written"
    if split_member(photo.path):
        return "it lies in a shard, where no sidecar can be written"
    if not isinstance(photo.predicted, str):
        told = [getattr(photo, name, None) for name in ("error", "status")]
        return next((text for text in told if isinstance(text, str) and text), "it has no class")
    if not os.path.isfile(on_disk(photo.path)):
        return f"there is no file {photo.path}"
    return ""


def _sidecar_of(path: str, naming: str) -> str:
    """Where a photo's sidecar is, or is to be."""
    stem = path if naming == "digikam" else os.path.splitext(path)[0]
    names = [f"{stem}.xmp", f"{stem}.XMP"]
    return next((name for name in names if os.path.lexists(on_disk(name))), names[0])


def _put(sidecar: Path, keywords: Keywords | None) -> str:
    """Bring a sidecar to hold these keywords of ours; what became of it."""
    data = _read(sidecar)
    new = edited(data, keywords)
    if new is None:
        return "unchanged"
    if not new:
        with writing(sidecar):
            sidecar.unlink()
        return "removed"
    write_atomically(sidecar, lambda tmp: _write(tmp, new, None if data is None else sidecar))
    return "written" if keywords else "removed"


def _read(sidecar: Path) -> bytes | None:
    """What a sidecar holds; None where there is none."""
    try:
        if sidecar.stat().st_size > _MOST_BYTES:
            raise XmpError(f"it has more than {_MOST_BYTES:,} bytes")
        return sidecar.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise XmpError(f"it cannot be read: {error.strerror}") from error


def _write(tmp: Path, data: bytes, like: Path | None) -> None:
    """Write a file, with the mode of the one that it replaces."""
    tmp.write_bytes(data)
    if like is not None:
        shutil.copymode(like, tmp)
