"""Checks of arguments that every function shares."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from numbers import Real

from ..errors import InputError
from . import words

#: More draws of a bootstrap change no digit that is shown, and a thousand times as many never end.
MOST_DRAWS = 100_000


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        options = ", ".join(repr(c) for c in choices)
        raise InputError(
            f"{words.arg(name)} must be one of {options}; got {words.value(value)} instead."
        )


def check_text(name: str, value: object) -> None:
    """Refuse anything but text that says something."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{words.arg(name)} must be text; got {words.value(value)} instead.")


def check_ending(name: str, path: str | os.PathLike[str], endings: Sequence[str]) -> None:
    """Refuse the name of a file with another ending."""
    text = os.fspath(path)
    if not text.lower().endswith(tuple(endings)):
        raise InputError(
            f"{words.arg(name)} must end in {' or '.join(endings)}; got {words.value(text)} instead."
        )


def check_seed(seed: object) -> int:
    """Refuse what is no seed; R sends whole numbers as 1.0."""
    check_number("seed", seed, 0, 2**32 - 1, whole=True)
    return int(seed)  # type: ignore[call-overload, no-any-return]


def check_number(
    name: str,
    value: object,
    low: float,
    high: float = math.inf,
    *,
    whole: bool = False,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Refuse anything but a number (or whole number) in the given range."""
    kind = "a whole number" if whole else "a number"
    fits = isinstance(value, Real) and not isinstance(value, bool)
    if fits and whole:
        fits = float(value).is_integer()  # type: ignore[arg-type]
    if fits:
        fits = (value > low if open_low else value >= low) and (  # type: ignore[operator]
            value < high if open_high else value <= high  # type: ignore[operator]
        )
    if not fits:
        span = f"{'more than' if open_low else 'at least'} {low:g}"
        if not math.isinf(high):
            span += f" and {'less than' if open_high else 'at most'} {high:g}"
        raise InputError(
            f"{words.arg(name)} must be {kind}, {span}; got {words.value(value)} instead."
        )
