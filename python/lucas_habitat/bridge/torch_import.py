"""How torch comes into a process that R has brought a BLAS into."""

from __future__ import annotations

import importlib.abc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["bind_deeply"]


def bind_deeply() -> None:
    """Let torch keep its own matrix products, whoever imports it first.

    On Linux R brings a BLAS into the process whose symbols would win over torch's own: with the
    reference BLAS of Debian's R that made a dense layer 35 times slower.
    """
    if hasattr(os, "RTLD_DEEPBIND") and "torch" not in sys.modules:
        sys.meta_path.insert(0, _Torch())


class _Torch(importlib.abc.MetaPathFinder):
    """Finds torch where it lies; its libraries then look for symbols in themselves first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_deeply(module: ModuleType) -> None:
            flags = sys.getdlopenflags()
            sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
            try:
                load(module)
            finally:
                sys.setdlopenflags(flags)

        spec.loader.exec_module = load_deeply  # type: ignore[method-assign]
        return spec
