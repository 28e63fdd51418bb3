"""Whether the user pressed Ctrl-C, also where a library made another error of it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["watched"]


@contextmanager
def watched() -> Iterator[Callable[[], bool]]:
    """Watch for Ctrl-C: gives what tells whether it came.

    Python writes the number of every signal that it takes to a socket. The handlers stay as they
    are: R has its own, which Python could not put back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

        def has_come() -> bool:
            try:
                return signal.SIGINT in reader.recv(4096, socket.MSG_PEEK)
            except BlockingIOError:
                return False

        try:
            yield has_come
        finally:
            signal.set_wakeup_fd(before)
