"""Paths and files: made absolute, hashed, tried before the work, and written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_dir

from ..errors import LucasError, OutputError
from . import words

#: Seconds after which nobody writes a temporary file any more: all are written in one go.
ABANDONED = 3600.0
#: The temporary files of `write_atomically`, and no file of a user's.
_UNFINISHED = re.compile(r"\..*-[0-9a-f]{8}\.unfinished(\.[^.]*)?")
#: What a trial writes: a disk that is full still takes the names of empty files.
_TRIAL_BYTES = 4096
#: Folders that this process has rid of leftovers.
_swept: set[Path] = set()

_QUOTA = getattr(errno, "EDQUOT", -1)  # Windows knows none
_FULL = (errno.ENOSPC, _QUOTA)


def full_path(path: str | os.PathLike[str]) -> Path:
    """An absolute path, with ``~`` expanded; links stay as they are."""
    return Path(os.path.abspath(os.path.expanduser(path)))


def is_occupied(folder: Path) -> bool:
    """Whether something is there already: a file, or a folder that is not empty."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(values: object, path: str | os.PathLike[str]) -> Path:
    """Write plain values as JSON; a number that JSON does not know is an error, not `NaN`."""
    return write_text(
        json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path
    )


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a text file that appears whole or not at all."""
    return write_atomically(Path(path), lambda tmp: tmp.write_text(text, encoding="utf-8"))


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place.

    What was written is on the disk before it gets its name, so that a power cut leaves the old file or
    the new one. What killed programs left of this in the folder is removed.

    Raises
    ------
    OutputError
        If it cannot be written; the old file is as it was.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp = _unfinished(path)
        try:
            _make_empty(tmp)
            _sweep(path.parent, tmp.stat().st_mtime)
            write(tmp)
            flush_file(tmp)
            os.replace(tmp, path)
            flush_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                tmp.unlink(missing_ok=True)
            raise
    return path


def write_new(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then give it its name, if nothing has it.

    Raises
    ------
    FileExistsError
        If something has that name; it is as it was.
    OutputError
        If it cannot be written.
    """
    tmp = _unfinished(path)
    with writing(path):
        _make_empty(tmp)
        try:
            _sweep(path.parent, tmp.stat().st_mtime)
            write(tmp)
            is_new = rename_new(tmp, path)
        finally:
            with suppress(OSError):
                tmp.unlink(missing_ok=True)
    if not is_new:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def rename_new(old: Path, new: Path) -> bool:
    """Rename a file if nothing has the new name; whether it was renamed."""
    try:
        if os.name == "nt":
            os.rename(old, new)  # which replaces nothing there
        else:
            os.link(old, new, follow_symlinks=False)
            os.unlink(old)
    except FileExistsError:
        return False
    except OSError:
        # Memory sticks know no links.
        if os.path.lexists(new):
            return False
        os.rename(old, new)
    return True


def _unfinished(path: Path) -> Path:
    """A name for what is to become a file, in its folder."""
    return path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.unfinished{path.suffix}")


def _make_empty(path: Path) -> int:
    """Make a file that must not be there yet, and give the mode that the system gave it."""
    number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(number).st_mode)
    finally:
        os.close(number)


def _sweep(folder: Path, now: float) -> None:
    """Remove temporary files that nobody writes any more, once in each process.

    ``now`` is by the clock of what holds the folder, which may be another computer.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if (
                    _UNFINISHED.fullmatch(entry.name)
                    and entry.is_file(follow_symlinks=False)
                    and now - entry.stat(follow_symlinks=False).st_mtime > ABANDONED
                ):
                    os.unlink(entry)


def flush_file(path: Path) -> None:
    """Have the system bring a file's content to the disk."""
    number = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        # Some file systems know no such call; what is told of the disk itself counts.
        if error.errno in (*_FULL, errno.EIO):
            raise
    finally:
        os.close(number)


def flush_folder(path: Path) -> None:
    """Have the system bring the names in a folder to the disk, where it can."""
    if os.name != "nt":
        with suppress(OSError):
            flush_file(path)


def save_tensors(
    tensors: Mapping[str, npt.NDArray[Any]], path: Path, metadata: Mapping[str, str]
) -> None:
    """Write a new safetensors file, with the mode that new files have for this user.

    safetensors itself makes files that only their owner may read.

    Raises
    ------
    OSError
        If it cannot be written, with its number, which the writer keeps in its text only.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    mode = _make_empty(path)
    try:
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, dict(metadata))
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    os.chmod(path, mode)
    flush_file(path)


@contextmanager
def writing(path: Path, needed: int | None = None) -> Iterator[None]:
    """Say of what cannot be written why, and what to do.

    Parameters
    ----------
    path : pathlib.Path
        What is written.
    needed : int, optional
        How many bytes that takes.

    Raises
    ------
    OutputError
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, LucasError):
            raise
        told = OutputError(f"Cannot write {path}: {_reason(error, path, needed)}")
        told.errno = error.errno
        raise told from error


def _reason(error: OSError, path: Path, needed: int | None) -> str:
    """Why something cannot be written, and what to do."""
    free = _free(path)
    # numpy tells that not all was written, but not why.
    if error.errno in _FULL or (error.errno is None and free is not None and free < 1_000_000):
        what = "your quota there is used up" if error.errno == _QUOTA else "the disk is full"
        sizes = [f"{megabytes(needed)} are needed"] if needed is not None else []
        sizes += [f"{megabytes(free)} are free"] if free is not None else []
        told = f" ({', '.join(sizes)})" if sizes else ""
        return f"{what}{told}. Make room there, or write to another place."
    reasons = {
        errno.EROFS: "nothing may be written to this disk",
        errno.EACCES: "you may not write there, or another program has it open",
        errno.EPERM: "you may not write there, or another program has it open",
        errno.EISDIR: "a folder has this name",
        errno.ENOTDIR: "a file stands where a folder would have to be",
        errno.EEXIST: "a file stands where a folder would have to be",
        errno.ENAMETOOLONG: "the name is too long",
        errno.EFBIG: "the file would be larger than it may be there",
        errno.EIO: "the disk does not work as it should",
    }
    what = reasons.get(error.errno or 0, str(error))
    return f"{what}. Write to another place."


def megabytes(size: float) -> str:
    """A number of bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def existing(path: Path) -> Path:
    """A path, or the nearest folder above it that is there."""
    return next((p for p in (path, *path.parents) if p.exists()), path)


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(existing(path)).free
    except OSError:
        return None


def check_out_file(path: str | os.PathLike[str]) -> Path:
    """The full path of a file that can be written, by a trial; asked before its content is computed.

    Raises
    ------
    OutputError
        If it cannot.
    """
    path = full_path(path)
    with writing(path):
        if path.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        _try_to_write(existing(path.parent) / path.name)
    return path


def check_out_folder(folder: str | os.PathLike[str]) -> Path:
    """The full path of a folder in which files can be written; see `check_out_file`."""
    folder = full_path(folder)
    with writing(folder):
        _try_to_write(existing(folder) / "trial")
    return folder


def _try_to_write(path: Path) -> None:
    """Write a little beside a file, and remove it."""
    trial = _unfinished(path)
    try:
        with open(trial, "xb") as file:
            file.write(bytes(_TRIAL_BYTES))
        flush_file(trial)
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)


def write_or_rescue(path: str | os.PathLike[str], write: Callable[[Path], Path]) -> Path:
    """Write what took long to compute: where that fails, into a folder that the error names.

    Parameters
    ----------
    path : path
    write : callable
        Writes to the path that it is given.

    Raises
    ------
    OutputError
        If it could not be written to ``path``.
    """
    path = Path(path)
    try:
        return write(path)
    except OutputError as error:
        place = _rescued(path.name, write)
        if place is None:
            raise
        raise OutputError(
            f"{words.marked(error)} What was computed is not lost: it is in {place}."
        ) from error


def _rescued(name: str, write: Callable[[Path], Path]) -> Path | None:
    """What was written into a new temporary folder, or into one in the user's cache folder."""
    for parent in (Path(tempfile.gettempdir()), Path(user_cache_dir("lucas-habitat", False))):
        with suppress(OSError):
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="lucas-habitat-rescued-", dir=parent))
            try:
                return write(folder / name)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    return None
