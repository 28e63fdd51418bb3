"""Defaults of public functions, read from their source: no help has to wait for torch."""

from __future__ import annotations

import ast
from contextlib import suppress
from functools import cache
from pathlib import Path

import lucas_habitat as lh

__all__ = ["defaults_of"]


@cache
def defaults_of(function: str) -> dict[str, object]:
    """The defaults of a public function's arguments, except those that are not written out there."""
    arguments = _definition(function).args
    by_place = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(by_place), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    defaults = {}
    for argument, default in pairs:
        with suppress(ValueError):  # a name of something else
            if default is not None:
                defaults[argument.arg] = ast.literal_eval(default)
    return defaults


def _definition(function: str) -> ast.FunctionDef:
    package = Path(lh.__file__).parent
    home = next(
        line.module or ""
        for line in _lines(package / "__init__.pyi")
        if isinstance(line, ast.ImportFrom) and function in {name.name for name in line.names}
    )
    return next(
        line
        for line in _lines(package / f"{home.replace('.', '/')}.py")
        if isinstance(line, ast.FunctionDef) and line.name == function
    )


def _lines(source: Path) -> list[ast.stmt]:
    return ast.parse(source.read_text(encoding="utf-8")).body
