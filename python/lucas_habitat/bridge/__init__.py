"""What R calls: plain columns in, plain columns out, and no exception with a traceback.

Everything that crosses is a dict, list, text, float, bool or bytearray, because those are what every
version of reticulate converts alike. A table is a dict with the key ``lucas_table`` and a list of
columns. Numbers and the codes of factors are float64 in a bytearray, which is fastest; everything else
is a list, where missing text is an empty text and its row number (from 1) stands in ``missing``.
"""

from __future__ import annotations

from . import torch_import
from .calls import call
from .commands import run_command
from .environment import hand_over
from .installed import lacking, status, version
from .models import forget_models, has_model
from .tried import print_try_out, try_out

__all__ = [
    "call",
    "forget_models",
    "hand_over",
    "has_model",
    "lacking",
    "print_try_out",
    "run_command",
    "status",
    "try_out",
    "version",
]

torch_import.bind_deeply()
