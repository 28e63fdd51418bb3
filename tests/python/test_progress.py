"""Progress: a bar where it can be drawn anew, a line a step in a log file, numbers to a callable."""

import io
import sys

import pytest

from lucas_habitat._base import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """What is shown of a step of 500 that takes a second each."""

    def of(stream, asked=True):
        clock = iter(range(10_000))
        monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
        monkeypatch.setattr(progress, "_DELAY", 0 if stream.isatty() else 2)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
        with progress.report(asked, 500, "reading photos") as advance:
            for _ in range(500):
                advance(1)
        return stream.getvalue()

    return of


def test_a_log_file_gets_a_line_a_step(shown):
    assert shown(io.StringIO()) == "reading photos (500)\n"


def test_a_terminal_gets_a_bar(shown):
    assert "reading photos" in shown(Terminal())


def test_nothing_is_shown_unasked(shown):
    assert shown(io.StringIO(), asked=False) == ""


def test_a_short_step_says_nothing(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.report(True, 5, "reading photos") as advance:
        advance(5)
    assert stream.getvalue() == ""
