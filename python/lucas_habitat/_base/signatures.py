"""Arguments of public functions, checked by what their signatures say that they take.

What an argument means, and which numbers and words it may be, its function says; that it is a number or a
word at all is told here, in one sentence and before any work, whatever was given.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple, ParamSpec, TypeVar

from ..errors import InputError
from . import words

__all__ = ["checked"]

P = ParamSpec("P")
R = TypeVar("R")

# What the names in signatures stand for, and how they are called where their parts do not say it; parts
# that stand nowhere here take anything.
_STANDS_FOR = {
    "ClassShares": (
        "Mapping | pd.Series | Table | Model | None",
        "shares by class, a table, a model or a path",
    ),
    "Column": (
        "str | pd.Series | pd.DataFrame | Sequence[Any]",
        "the name of a column, or a column",
    ),
    "Confusion": ("Evaluation | Table | Mapping", ""),
    "Judged": ("Evaluation | Path | Mapping", ""),
    "Legend": ("Table | Mapping", ""),
    "Levels": ("Table | HasLevels", "'lc1', a table, its path, or a model"),
    "Model": ("HabitatModel | Path", f"a model from {words.call('train')}, or its folder"),
    "Path": ("str | os.PathLike[str]", ""),
    "Photos": (
        "Table | Sequence[os.PathLike[str]]",
        "a table of photos, a folder, or the names of photos",
    ),
    "Progress": ("bool | Callable", ""),
    "Recipes": ("Mapping | Sequence[str] | Path", ""),
    "Scheme": (
        "Table | Mapping",
        "a scheme's name such as 'pilot', a table, its path, or classes by code",
    ),
    "Table": ("pd.DataFrame | Path", ""),
    "Width": ("str | float", ""),
}

# No longer name can stand in a folder, on any system.
_LONGEST_NAME = 255

# Beyond this, neighbouring whole numbers are one number where they are floats, as in R.
_LARGEST = 2**53


class Kind(NamedTuple):
    """What an argument may be: how it is called, and what tells it."""

    words: str
    fits: Callable[[Any], bool]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Make a public function refuse arguments that are not what its signature says.

    Whole numbers arrive as int (R sends 8.0) and iterators as lists.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # whose own error names the function
        for name, value in bound.arguments.items():
            annotation = str(signature.parameters[name].annotation)
            bound.arguments[name] = _checked(name, value, annotation)
        return function(*bound.args, **bound.kwargs)

    return call


def _checked(name: str, value: Any, annotation: str) -> Any:
    """An argument as its function takes it; refused where it is of no kind that the signature names."""
    kinds, parts = _kinds(annotation)
    if isinstance(value, Iterator):
        value = list(value)
    if isinstance(value, str | os.PathLike):
        _check_text(name, value, "os.PathLike[str]" in parts)
    # One number or text where several may stand: R has no other form of one.
    if kinds is not None and isinstance(value, str | Real) and "Sequence[Any]" not in parts:
        value = [value] if not _is_any(kinds, value) and _is_any(kinds, [value]) else value
    # Where only numbers may stand, the function says which ones.
    is_left = parts <= {"int", "float", "None"} and (value is None or isinstance(value, str | Real))
    if kinds is not None and not is_left and not _is_any(kinds, value):
        wanted = [kind.words for kind in kinds]
        listed = " or ".join([", ".join(wanted[:-1]), wanted[-1]] if wanted[1:] else wanted)
        raise InputError(f"{words.arg(name)} must be {listed}; got {_described(value)} instead.")
    if "int" in parts and _is_whole(value):
        return int(value)
    if "float" in parts and isinstance(value, int) and abs(value) > _LARGEST:
        return float(value)
    return bool(value) if type(value).__name__ == "bool_" else value


def _check_text(name: str, value: str | os.PathLike[str], may_be_path: bool) -> None:
    """Refuse text that no system takes for a name."""
    text = os.fspath(value)
    if not isinstance(text, str):
        raise InputError(f"{words.arg(name)} must be text; got {_described(text)} instead.")
    if not may_be_path:
        return
    if "\0" in text:
        raise InputError(
            f"{words.arg(name)} must not hold the character of number 0; got {_described(text)}."
        )
    if text == "":
        raise InputError(f"{words.arg(name)} must not be empty text.")
    longest = max(re.split(r"[/\\]", text), key=len)
    if len(longest.encode(errors="surrogateescape")) > _LONGEST_NAME and "://" not in text:
        raise InputError(
            f"{words.arg(name)} must be shorter: no file can have the name {_described(longest)} of "
            f"{len(longest):,} letters."
        )


@functools.cache
def _kinds(annotation: str) -> tuple[list[Kind] | None, frozenset[str]]:
    """What may stand for an annotation, or None for anything; and the annotation's parts."""
    kinds: list[Kind | None] = []
    parts: set[str] = set()
    for part in _split(annotation):
        if part not in _STANDS_FOR:
            kinds.append(_kind(part))
            parts.add(part)
            continue
        stands_for, called = _STANDS_FOR[part]
        inner, inner_parts = _kinds(stands_for)
        parts |= inner_parts
        if inner is not None and called:
            inner = [Kind(called, functools.partial(_is_any, inner))]
        kinds += [None] if inner is None else inner
    if "os.PathLike[str]" in parts:
        kinds = [kind for kind in kinds if kind != _PLAIN["str"]]  # text is a path, too
    known = [kind for kind in kinds if kind is not None]
    known.sort(key=lambda kind: kind == _PLAIN["None"])  # nothing is named last
    return (known if len(known) == len(kinds) else None), frozenset(parts)


def _split(annotation: str) -> list[str]:
    """The parts of a union, whatever stands in their brackets."""
    parts, depth = [""], 0
    for character in annotation:
        depth += (character == "[") - (character == "]")
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [re.sub(r"^(Mapping|Callable)\[.*\]$", r"\1", part.strip()) for part in parts]


def _kind(part: str) -> Kind | None:
    """What one part of an annotation means; None where it says nothing that could be checked."""
    if part in _PLAIN:
        return _PLAIN[part]
    several = re.fullmatch(r"(Iterable|Sequence|list|tuple)\[(.+?)(?:, .+)?\]", part)
    if several:
        items, _ = _kinds(several[2])
        single = items[0].words.removeprefix("a ") if items and len(items) == 1 else "value"
        return Kind(f"several {single}s", functools.partial(_are, items))
    if part in _OF_CLASS:
        return Kind(_OF_CLASS[part], functools.partial(_is_of_class, part))
    return None


def _is_any(kinds: list[Kind], value: object) -> bool:
    return any(kind.fits(value) for kind in kinds)


def _are(kinds: list[Kind] | None, value: object) -> bool:
    """Whether a value is several of some kinds."""
    if isinstance(value, str | bytes | Mapping) or _is_of_class("DataFrame", value):
        return False
    if _is_of_class("Series", value):
        value = value.dropna()  # type: ignore[attr-defined]  # a column may have gaps
    return isinstance(value, Iterable) and (kinds is None or all(_is_any(kinds, v) for v in value))


def _is_of_class(name: str, value: object) -> bool:
    """Whether a value is of a class, which need not be imported for that."""
    return any(c.__name__ == name for c in type(value).__mro__)


def _is_number(value: object) -> bool:
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and not math.isnan(value)  # type: ignore[arg-type]


def _is_whole(value: Any) -> bool:
    return _is_number(value) and abs(value) <= _LARGEST and float(value).is_integer()


_OF_CLASS = {
    "HabitatModel": f"a model from {words.call('train')}",
    "Evaluation": f"what {words.call('evaluate')} gave",
    "RecipeComparison": f"what {words.call('compare_recipes')} gave",
}

_PLAIN = {
    "None": Kind(words.value(None), lambda value: value is None),
    "bool": Kind(
        words.either("True or False", "TRUE or FALSE"),
        lambda value: isinstance(value, bool) or type(value).__name__ == "bool_",
    ),
    "int": Kind("a whole number", _is_whole),
    "float": Kind("a number", _is_number),
    "str": Kind("text", lambda value: isinstance(value, str)),
    "os.PathLike[str]": Kind("a path", lambda value: isinstance(value, str | os.PathLike)),
    "pd.DataFrame": Kind("a table", functools.partial(_is_of_class, "DataFrame")),
    "npt.NDArray[Any]": Kind("an array", functools.partial(_is_of_class, "ndarray")),
    "pd.Series": Kind("a column", functools.partial(_is_of_class, "Series")),
    "Mapping": Kind(
        words.either("a mapping", "a named vector"), lambda value: isinstance(value, Mapping)
    ),
    "Callable": Kind("a function", callable),
    "CRS": Kind("a coordinate reference system", lambda value: hasattr(value, "to_wkt")),
    "HasLevels": Kind("a model", lambda value: hasattr(value, "levels")),
}


def _described(value: object) -> str:
    """What was given, in a few words."""
    if value is None or isinstance(value, bool | Real):
        return words.value(value)
    if isinstance(value, str):
        return words.value(value if len(value) <= 40 else f"{value[:40]}...")
    if _is_of_class("DataFrame", value):
        return "a table"
    kind = words.either(type(value).__name__, _IN_R.get(type(value).__name__, type(value).__name__))
    if isinstance(value, Collection) and not isinstance(value, bytes):
        return f"{len(value)} values ({kind})"
    return f"a value of type {kind}"


_IN_R = {"list": "vector", "dict": "list"}
