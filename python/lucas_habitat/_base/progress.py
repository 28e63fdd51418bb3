"""Progress that a terminal, a notebook or R can show."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

#: What functions with a ``progress`` argument accept: True shows a bar on anything longer than
#: two seconds (a line in a log file), False shows nothing, a callable is called as
#: ``progress(done, total, what)``.
Progress = bool | Callable[[int, int, str], object]

_DELAY = 2  # seconds that a step takes before anything shows


@contextmanager
def report(progress: Progress, total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Open a progress display; the yielded function takes how many more are done."""
    if callable(progress):
        done = 0

        def forward(n: int) -> None:
            nonlocal done
            done += n
            progress(done, total, what)

        progress(0, total, what)
        yield forward
        return
    if progress and not _is_watched():
        yield _line(total, what)
        return
    with tqdm(total=total, desc=what, delay=_DELAY, disable=not progress, leave=False) as bar:

        def update(n: int) -> None:
            bar.update(n)

        yield update


def _is_watched() -> bool:
    """Whether a bar can be drawn anew in its place: in a terminal or a notebook, not in a log file."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal or "ipykernel" in sys.modules


def _line(total: int, what: str) -> Callable[[int], None]:
    """What says once in a log file that a step takes longer."""
    start = time.monotonic()
    is_told = False

    def update(n: int) -> None:
        nonlocal is_told
        if not is_told and time.monotonic() - start > _DELAY:
            is_told = True
            print(f"{what} ({total})", file=sys.stderr, flush=True)

    return update
