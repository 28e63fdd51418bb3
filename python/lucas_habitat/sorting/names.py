"""Names of folders and files that Windows, macOS, Linux and the disks they share all take."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Set

__all__ = ["REVIEW", "folder_names", "long_path", "name_key", "numbered", "safe_name"]

#: Where photos go that no class is sure enough for. No class has this folder.
REVIEW = "_unsure"

# What Windows allows in no name, and what no system shows.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]+')
# Devices, whatever stands behind a dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])$", re.I)
#: Bytes of a name, so that a class and a photo stay within the 260 characters that Windows takes...
_MOST_BYTES = 80
#: ...in folders whose own path is shorter than this.
_LONG = 80


def name_key(name: str) -> str:
    """By what a disk tells names apart, in the worst case: not by case, nor by how accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def long_path(folder: str, is_windows: bool = os.name == "nt") -> str:
    """A folder's path as Windows takes it however long the paths of its files are."""
    if not is_windows or len(folder) < _LONG or folder.startswith("\\\\?\\"):
        return folder
    if folder.startswith("\\\\"):
        return f"\\\\?\\UNC\\{folder[2:]}"
    return f"\\\\?\\{folder}"


def safe_name(text: str) -> str:
    """A text as the name of a folder or file; its ending stays, and letters of any script do."""
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).strip(" .") or "unnamed"
    stem, ending = os.path.splitext(name)
    if len(ending.encode()) > _MOST_BYTES // 4:  # a class with a dot in it
        stem, ending = name, ""
    room = _MOST_BYTES - len(ending.encode())
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    first, dot, rest = stem.partition(".")
    if _DEVICE.match(first.rstrip()):
        stem = f"{first.rstrip()}_{dot}{rest}"
    return stem + ending


def numbered(name: str, taken: Set[str], mark: str) -> str:
    """A name that is not taken: with a mark before its ending where it must be, then with a number.

    Parameters
    ----------
    name : str
    taken : set of str
        As `name_key` has them.
    mark : str
    """
    stem, ending = os.path.splitext(name)
    candidate, number = name, 1
    while name_key(candidate) in taken:
        candidate = f"{stem}-{mark}{ending}" if number == 1 else f"{stem}-{mark}-{number}{ending}"
        number += 1
    return candidate


def folder_names(classes: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The folder of each class, none of which differ by case alone.

    Parameters
    ----------
    classes : iterable of str
    taken : iterable of str
        Folders of other classes.
    """
    keys = {name_key(REVIEW), *map(name_key, taken)}
    folders = {}
    for label in classes:
        name = safe_name(label)
        candidate, number = name, 2
        while name_key(candidate) in keys:
            candidate, number = f"{name}-{number}", number + 1
        keys.add(name_key(candidate))
        folders[label] = candidate
    return folders
