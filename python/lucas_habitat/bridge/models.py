"""The models of this session, which R knows by their ids."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

__all__ = ["forget_models", "has_model", "model_bytes", "model_of", "remember", "restore_model"]

MOST = 8  # R's objects carry their bytes, so a model let go of is only read again
_models: OrderedDict[str, Any] = OrderedDict()


def has_model(id: str) -> bool:
    """Whether a model is still in memory."""
    return id in _models


def forget_models() -> None:
    """Let go of all models, as a new session has."""
    _models.clear()


def restore_model(id: str, data: bytearray) -> bool:
    """Take a model back from the bytes its R object carries."""
    from ..errors import ModelError
    from ..saved_models import load_model

    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as folder:
        try:
            with tarfile.open(fileobj=io.BytesIO(bytes(data))) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise ModelError(f"The model's bytes are damaged: {error}") from error
        remember(load_model(folder), id)
    return True


def model_of(id: str) -> Any:
    """The model that R means."""
    return _models[id]


def remember(model: Any, id: str) -> None:
    """Keep a model for R, and let go of the one that was kept longest."""
    _models[id] = model
    _models.move_to_end(id)
    while len(_models) > MOST:
        _models.popitem(last=False)


def model_bytes(model: Any) -> bytearray:
    """A model's folder in one piece, for R's object to carry."""
    from ..saved_models import save_model

    with tempfile.TemporaryDirectory(prefix="lucas-habitat-") as parent:
        folder = save_model(model, Path(parent) / "model")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for file in sorted(folder.iterdir()):
                tar.add(file, arcname=file.name)
    return bytearray(packed.getbuffer())
