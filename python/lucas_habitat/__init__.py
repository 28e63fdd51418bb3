"""Habitats from ground photos: train, classify, vote, evaluate, and model species with them.

Everything public is listed in ``__init__.pyi`` and loaded on first use, so importing the package
costs nothing.
"""

from __future__ import annotations

import lazy_loader

from ._base.version import __version__

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *_names]
