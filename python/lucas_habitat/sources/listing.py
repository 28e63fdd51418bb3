"""Photos in tar shards and in S3, as a stream; folders are in `folders`."""

from __future__ import annotations

import glob
import json
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .._base import words
from ..errors import InputError, PhotoError, warn
from .addresses import TAR_ENDING, is_remote, member_address, refusal, shown, split_member
from .names import readable
from .remarks import Remarks
from .remote import remember
from .s3 import Object, list_objects
from .tars import TarFileEntry, entries, remember_entries

__all__ = ["Listed", "is_shards", "list_s3", "list_shards", "shards_of"]

#: Files that stand beside a photo of a shard: what they end in.
_LABEL, _COLUMNS = ".cls", ".json"
#: Columns that a file beside a photo may bring; more is no description of a photo.
_MOST_COLUMNS = 100
_MAGIC = re.compile(r"[*?\[]")


class Listed(NamedTuple):
    """A photo that a listing names."""

    path: str
    #: Its folder, relative to the source that was listed.
    folder: str
    #: What stands beside it.
    columns: dict[str, Any]


def is_shards(source: str) -> bool:
    """Whether a source is a tar shard, or a pattern of shards."""
    return split_member(source) is None and shown(source).lower().endswith(TAR_ENDING)


def shards_of(source: str) -> list[str]:
    """The shards that a path, an address or a pattern names, in order."""
    if not _MAGIC.search(source) or source.lower().startswith("http"):
        return [source]
    if is_remote(source):
        return [found.address for found in _matching(source)]
    if os.path.lexists(source):
        return [source]
    return sorted(readable(path) for path in glob.glob(source, recursive=True))


def list_shards(shards: Sequence[str], endings: tuple[str, ...]) -> Iterator[Listed]:
    """The photos in tar shards, in the order of shards and of the files in each.

    As webdataset has it, ``key.cls`` and ``key.json`` tell of the photo ``key.jpg``: the one names its class,
    the other is an object whose texts, numbers and truth values are columns. In memory is what one
    shard lists.

    Warns
    -----
    LucasWarning
        At the end, if shards could not be read or only in part, if names stand twice in one, or if what
        stands beside photos is not understood.
    """
    unread, doubled, odd = Remarks(), Remarks(), Remarks()
    for tar in shards:
        listed, fault = dict[str, TarFileEntry](), None
        beside = dict[str, dict[str, Any]]()
        try:
            for entry in entries(tar, (_LABEL, _COLUMNS)):
                if entry.name in listed:
                    doubled.add(member_address(shown(tar), entry.name))
                listed[entry.name] = entry._replace(text=None)
                if entry.name.lower().endswith((_LABEL, _COLUMNS)):
                    columns = _columns_of(entry)
                    if columns is None:
                        odd.add(member_address(shown(tar), entry.name))
                    else:
                        # A class of its own file gives way to one among other columns.
                        key, is_label = _key(entry.name), entry.name.lower().endswith(_LABEL)
                        given = beside.get(key, {})
                        beside[key] = columns | given if is_label else given | columns
        except PhotoError as error:
            fault = error
            unread.add(str(error))
        if fault is None or fault.status == "damaged":
            remember_entries(tar, listed, fault)
        for name in listed:
            if _is_photo(name, endings):
                yield Listed(
                    member_address(tar, name), posixpath.dirname(name), beside.get(_key(name), {})
                )
    _tell(len(shards), unread, doubled, odd)


def _tell(n: int, unread: Remarks, doubled: Remarks, odd: Remarks) -> None:
    """Say what was left out of shards."""
    if unread.n:
        warn(f"{unread.n} of {n} shards could not be read, or not to their end: {unread}.")
    if doubled.n:
        warn(
            f"{doubled.n} files have the name of an earlier one in their shard; the last one counts: "
            f"{doubled}."
        )
    if odd.n:
        warn(
            f"{odd.n} files beside photos are not understood and count for nothing: {odd}. A .cls file "
            "holds a class, a .json file an object with columns, both in UTF-8."
        )


def _key(name: str) -> str:
    """What a photo and the files beside it share: all before the first dot of the name."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.split(".", 1)[0])


def _columns_of(entry: TarFileEntry) -> dict[str, Any] | None:
    """The columns that a file beside a photo brings; None where it is not understood."""
    if entry.text is None or len(entry.text) < entry.size:
        return None
    try:
        text = entry.text.decode("utf-8-sig").strip()
        if entry.name.lower().endswith(_LABEL):
            return {"habitat": text} if text and "\n" not in text else None
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or len(values) > _MOST_COLUMNS:
        return None
    return {
        key: value
        for key, value in values.items()
        if key and key != "path" and isinstance(value, str | int | float)
    }


def _is_photo(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a name in a shard or bucket is a photo's, and nothing on the way to it is hidden."""
    parts = name.split("/")
    is_hidden = parts[-1].startswith(".") or any(
        part.startswith("__MACOSX") or (part.startswith(".") and part not in (".", ".."))
        for part in parts[:-1]
    )
    return name.lower().endswith(endings) and not is_hidden


def list_s3(source: str, endings: tuple[str, ...]) -> Iterator[Listed]:
    """The photos below an address in S3, or those that fit a pattern, in order of key.

    Raises
    ------
    InputError
        If it cannot be listed.
    """
    if _MAGIC.search(source):
        top = source[: source.rindex("/", 0, _MAGIC.search(source).start()) + 1]  # type: ignore[union-attr]
        found = _matching(source)
    else:
        top = source.rstrip("/") + "/"
        found = _objects(top)
    for object_ in found:
        inner = object_.address[len(top) :]
        if _is_photo(inner, endings):
            remember(object_.address, object_.stamp)
            yield Listed(object_.address, posixpath.dirname(inner), {})


def _matching(pattern: str) -> Iterator[Object]:
    """The objects in S3 that fit a pattern such as ``s3://bucket/*/x*.tar``."""
    from fsspec.utils import glob_translate

    match = _MAGIC.search(pattern)
    start = pattern[: match.start()] if match else pattern
    if start.count("/") < 3:
        raise InputError(f"The bucket must be named in full; got {shown(pattern)} instead.")
    fits = re.compile(glob_translate(pattern.split("://", 1)[1]))
    for object_ in _objects(start):
        if fits.match(object_.address.split("://", 1)[1]):
            yield object_


def _objects(start: str) -> Iterator[Object]:
    reason = refusal(start)
    if reason:
        raise InputError(f"Photos cannot be listed: {reason}.")
    try:
        yield from list_objects(start)
    except PhotoError as error:
        raise InputError(f"{shown(start)} cannot be listed: {words.marked(error)}") from error
