"""Models that others share: at an address, in a zip; fetched once, kept, and read from a folder."""

from .addresses import ModelAddress, local_zip, model_address
from .kept import KeptModel, forget, kept_model
from .unpacking import unpack

__all__ = [
    "KeptModel",
    "ModelAddress",
    "forget",
    "kept_model",
    "local_zip",
    "model_address",
    "unpack",
]
