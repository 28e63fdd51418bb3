"""Paths and files: made absolute, hashed, and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path


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
    """Let ``write`` fill a temporary file beside ``path``, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        write(tmp)
        os.replace(tmp, path)
    except BaseException:
        tmp.unlink(missing_ok=True)
        raise
    return path
