"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path


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
