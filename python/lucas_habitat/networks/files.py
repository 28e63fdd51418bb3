"""Files of arrays, whose heads are checked before memory is taken for what they claim to hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LucasError
from .arrays import Arrays

__all__ = ["check_finite", "read_rows", "read_tensors"]

#: Bytes of a safetensors file's head. A tensor takes a hundred of them; the library reads heads of 100 MB,
#: and takes ten times as much memory for them.
MAX_HEAD = 10_000_000


def read_tensors(path: str | os.PathLike[str]) -> tuple[Mapping[str, str], Arrays]:
    """The texts and the tensors of a safetensors file.

    Raises
    ------
    LucasError
        If its head is longer than that of any network.
    """
    from safetensors import safe_open

    with open(path, "rb") as opened:
        n_bytes = int.from_bytes(opened.read(8), "little")
    if n_bytes > MAX_HEAD:
        raise LucasError(f"Its head claims {n_bytes:,} bytes; at most {MAX_HEAD:,} are read.")
    with safe_open(path, framework="numpy") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_rows(path: str | os.PathLike[str], columns: int) -> npt.NDArray[Any]:
    """A table of floats with so many columns, from a .npy file.

    Raises
    ------
    LucasError
        If it holds another array, or less than it claims.
    """
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read_head = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_head(file)
        n_bytes = os.fstat(file.fileno()).st_size - file.tell()
    if dtype.hasobject:
        raise LucasError("It holds Python objects, which are never loaded.")
    if len(shape) != 2 or shape[1] != columns or not np.issubdtype(dtype, np.floating):
        raise LucasError(f"It holds {dtype} of shape {shape}, not rows of {columns} features.")
    if n_bytes != shape[0] * shape[1] * dtype.itemsize:
        raise LucasError(f"It claims {shape[0]:,} rows, and holds {n_bytes:,} bytes.")
    rows: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    return rows


def check_finite(arrays: Arrays, what: str) -> None:
    """Raise LucasError if weights hold what is no number: everything computed with them would be none."""
    for name, value in arrays.items():
        with np.errstate(all="ignore"):
            is_finite = (
                np.isfinite(value.sum(dtype=np.float64)) if value.dtype.kind == "f" else True
            )
        if not is_finite:
            raise LucasError(f"{what} {name} holds what is no number.")
