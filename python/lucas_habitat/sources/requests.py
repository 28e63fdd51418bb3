"""What all requests share: what they tell, and that they are made again where that may help."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from ..errors import PhotoError

__all__ = ["READERS", "BusyError", "Facts", "again"]

#: Requests at a time: they wait for the network, not for this computer's cores.
READERS = 32
#: So often a request is made again, after pauses that begin with so many seconds and double.
RETRIES, PAUSE = 3, 0.5
#: A server that asks for a longer pause is not waited for.
_LONGEST = 30.0

T = TypeVar("T")


class Facts(NamedTuple):
    """What a server tells of a file without sending it; None where it does not."""

    size: int | None
    stamp: str | None


class BusyError(Exception):
    """A request failed in a way that may be over in a moment."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


def again(attempt: Callable[[], T]) -> T:
    """What an attempt gives; it is made anew while it fails with a `BusyError`.

    Raises
    ------
    PhotoError
        "unreadable", if it never worked.
    """
    for number in range(RETRIES + 1):
        try:
            return attempt()
        except BusyError as error:
            if number == RETRIES or (error.after or 0) > _LONGEST:
                tries = "1 try" if number == 0 else f"{number + 1} tries"
                raise PhotoError("unreadable", f"{error}, at the last of {tries}") from error
            pause = PAUSE * 2**number * random.uniform(0.5, 1.5)
            time.sleep(max(pause, error.after or 0))
    raise AssertionError("unreachable")
