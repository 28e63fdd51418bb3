"""A model as Ray's object store holds it: the bytes of its files, once a machine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from ..model import HabitatModel
from ..saved_models import load_model, save_model

__all__ = ["Packed", "pack", "unpack"]

#: The files of a model's folder by their names.
Packed = dict[str, npt.NDArray[np.uint8]]


def pack(model: HabitatModel) -> Packed:
    """The files of a model; as arrays, because workers share those of their machine."""
    with TemporaryDirectory() as folder:
        saved = Path(save_model(model, Path(folder) / "model"))
        return {file.name: np.fromfile(file, np.uint8) for file in sorted(saved.iterdir())}


def unpack(packed: Packed) -> HabitatModel:
    """The model of its files."""
    with TemporaryDirectory() as folder:
        for name, content in packed.items():
            content.tofile(Path(folder) / name)
        return load_model(folder)
