"""Files in a folder and its subfolders, as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import InputError, inform, warn
from .names import on_disk, readable
from .remarks import Remarks

__all__ = ["walk"]


def walk(folder: str | os.PathLike[str], endings: tuple[str, ...]) -> Iterator[str]:
    """The files in a folder and its subfolders that have one of the endings, in order of path.

    Links are followed; what is hidden is left out. In memory are the names in one folder at a
    time, and those still to come of the folders above it.

    Parameters
    ----------
    folder : path
    endings : tuple of str
        In lower case, such as ``(".jpg", ".png")``.

    Yields
    ------
    str
        The folder's path and what is below it, as `readable` writes it.

    Warns
    -----
    LucasWarning
        At the end, if subfolders could not be listed, or two files have one name once names are readable.
    LucasMessage
        At the end, if names are not UTF-8.

    Raises
    ------
    InputError
        If the folder itself cannot be listed.
    """
    top = readable(os.fspath(folder))
    unlisted, rewritten, same = Remarks(), Remarks(), Remarks()
    visited = {os.path.realpath(on_disk(top))}
    try:
        # What is still to come of each folder on the way down.
        waiting = [_entries(top, endings, rewritten, same)]
    except OSError as error:
        raise InputError(f"The folder {top} cannot be listed: {error.strerror}.") from error
    while waiting:
        path = next(waiting[-1], None)
        if path is None:
            waiting.pop()
        elif not path.endswith(os.sep):
            yield path
        else:
            try:
                real = os.path.realpath(on_disk(path))
                if real not in visited:  # no link back to a folder above
                    visited.add(real)
                    waiting.append(_entries(path, endings, rewritten, same))
            except OSError as error:
                unlisted.add(f"{_shortened(path)} ({error.strerror})")
    _tell(top, unlisted, rewritten, same)


def _entries(
    folder: str, endings: tuple[str, ...], rewritten: Remarks, same: Remarks
) -> Iterator[str]:
    """The paths of a folder's files and, with a separator at their end, subfolders, sorted."""
    names = list[str]()
    with os.scandir(on_disk(folder)) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if _is_folder(entry):
                if name.startswith("__MACOSX"):
                    continue
                # So subfolders stand where their files' paths do among the other paths.
                name += os.sep
            elif not name.lower().endswith(endings):
                continue
            text = readable(name)
            if text != name:
                rewritten.add(os.path.join(folder, text))
            names.append(text)
    names.sort(reverse=True)

    def paths() -> Iterator[str]:
        before = None
        while names:  # taken off, so that memory shrinks
            name = names.pop()
            if name == before:
                same.add(os.path.join(folder, name))
            else:
                yield os.path.join(folder, name)
            before = name

    return paths()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere, or in a circle
        return False


def _shortened(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:100]}...{path[-80:]}"


def _tell(folder: str, unlisted: Remarks, rewritten: Remarks, same: Remarks) -> None:
    """Say what a walk left out or wrote in another way."""
    if unlisted.n:
        warn(
            f"{unlisted.n} folders in {folder} cannot be listed, and their photos are missing: "
            f"{unlisted}."
        )
    if same.n:
        warn(
            f"{same.n} files or folders are left out, because another has the same name once bytes that "
            f"are not UTF-8 are written with %: {same}. Rename them."
        )
    if rewritten.n:
        inform(
            f"{rewritten.n} names of files or folders are not UTF-8; in path, bytes that are not are "
            f"written with %: {rewritten}."
        )
