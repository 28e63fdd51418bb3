"""Work that Ray does, waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

__all__ = ["working"]

_SECONDS = 0.5


def working(work: Callable[[], object]) -> Iterator[None]:
    """Have Ray work in a thread, and give control from time to time and when it is done.

    So this thread can be interrupted, and tells the progress. What went wrong is raised at the end.
    """
    failed = list[BaseException]()

    def try_to_work() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=try_to_work, name="ray", daemon=True)
    thread.start()
    while thread.is_alive():
        yield
        thread.join(_SECONDS)
    yield
    for error in failed:
        raise error
