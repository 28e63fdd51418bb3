"""Calls of the core: arguments from R, values, errors and warnings to R."""

from __future__ import annotations

import inspect
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import lucas_habitat

from .._base import words
from ..errors import LucasError, LucasMessage, LucasWarning
from .for_r import FOR_R
from .interrupts import watched

__all__ = ["Seldom", "call"]

_FIRST, _EVERY = 0.5, 0.2  # seconds until a bar shows, and between two looks at it


def call(
    name: str, arguments: dict[str, Any], progress: Callable[..., object] | None = None
) -> dict[str, Any]:
    """Call a public function, or one of this module's own, with R's arguments.

    Parameters
    ----------
    name : str
        A public name of `lucas_habitat`, or a key of ``FOR_R``.
    arguments : dict
        Tables and models as R writes them, everything else plain.
    progress : callable, optional
        Called as ``progress(done, total, what)`` at most five times a second.

    Returns
    -------
    dict
        ``ok``, ``notes`` (each with ``kind``, warning or message, and ``text``), and ``value``; or,
        when the function failed, ``kinds`` (the error's classes, its own first), ``message`` and
        ``traceback``. Only an interruption is raised.
    """
    with warnings.catch_warnings(record=True) as caught, watched() as has_come:
        warnings.simplefilter("ignore")
        for kind in (LucasWarning, LucasMessage):
            warnings.simplefilter("always", kind)
        try:
            answer = {"ok": True, "value": _value(name, arguments, progress)}
        except Exception as error:
            if has_come() or _is_interrupt(error):
                raise KeyboardInterrupt from error
            answer = {"ok": False, **_failure(error)}
    return {**answer, "notes": [_note(warning) for warning in caught]}


def _value(name: str, arguments: dict[str, Any], progress: Callable[..., object] | None) -> Any:
    """What the function returns, in R's form."""
    from .from_r import value_from_r
    from .to_r import value_to_r

    function = FOR_R.get(name) or getattr(lucas_habitat, name)
    given = {k: value_from_r(v) for k, v in dict(arguments or {}).items()}
    if "progress" in inspect.signature(function).parameters:
        given["progress"] = Seldom(progress) if progress is not None else _nothing
    return value_to_r(function(**given))


def _failure(error: Exception) -> dict[str, Any]:
    """What R is told of an error."""
    kinds = [c.__name__ for c in type(error).__mro__ if issubclass(c, LucasError)]
    return {
        "kinds": kinds or [type(error).__name__],
        "known": isinstance(error, LucasError),
        "message": words.in_r(words.marked(error)) or type(error).__name__,
        "traceback": traceback.format_exc(),
    }


def _note(warning: warnings.WarningMessage) -> dict[str, str]:
    kind = "message" if issubclass(warning.category, LucasMessage) else "warning"
    return {"kind": kind, "text": words.in_r(words.marked(warning.message))}


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an error was raised because of Ctrl-C."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


class Seldom:
    """Passes progress on to R when there is something to see; a call into R is not free."""

    def __init__(self, tell: Callable[..., object]) -> None:
        self._tell = tell
        self._start: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def __call__(self, done: int, total: int, what: str) -> None:
        """Tell R, if it is time to."""
        now = time.monotonic()
        start = self._start.setdefault(what, now)
        shown = what in self._last
        due = now - self._last.get(what, start) >= (_EVERY if shown else _FIRST)
        if due or (shown and done >= total):
            self._last[what] = now
            if self._tell(float(done), float(total), str(what)) == "interrupted":
                raise KeyboardInterrupt  # Ctrl-C while R drew its bar


def _nothing(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""
