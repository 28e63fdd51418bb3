"""Progress that a terminal, a notebook or R can show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

#: What functions with a ``progress`` argument accept: True shows a bar on anything longer than
#: two seconds, False shows nothing, a callable is called as ``progress(done, total, what)``.
Progress = bool | Callable[[int, int, str], object]


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
    # In a log file every refresh is a line of its own, so there it comes seldom.
    every = 0.2 if sys.stderr is not None and sys.stderr.isatty() else 10
    with tqdm(
        total=total, desc=what, delay=2, mininterval=every, disable=not progress, leave=False
    ) as bar:

        def update(n: int) -> None:
            bar.update(n)

        yield update
