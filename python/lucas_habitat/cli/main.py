"""The program: finds the command, runs it, and tells how it ended."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from .._base import words
from .._base.version import __version__
from . import (
    cache,
    certainty,
    exchange,
    handing,
    models,
    pages,
    photos,
    points,
    studies,
    survey,
)
from .options import Help, words_of

__all__ = ["main"]

#: As `_base.tables` calls it, which takes too long to import for a help text.
SAFE_CELLS = "LUCAS_HABITAT_SAFE_CELLS"

#: In the order in which the help lists them.
COMMANDS = (
    *survey.COMMANDS,
    *photos.COMMANDS,
    *models.COMMANDS,
    *points.COMMANDS,
    *certainty.COMMANDS,
    *handing.COMMANDS,
    *exchange.COMMANDS,
    *cache.COMMANDS,
    *pages.COMMANDS,
    *studies.COMMANDS,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the shell.

    Returns
    -------
    int
        0 done; 1 it could not be done, with the reason on standard error; 2 bad usage;
        130 interrupted; 143 terminated.
    """
    options = make_parser().parse_args(arguments)
    in_its_words = words_of(options)
    warnings.showwarning = partial(_show_warning, in_its_words)
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    from ..errors import LucasError, LucasMessage, LucasWarning

    warnings.simplefilter("always", LucasMessage)
    warnings.simplefilter("always", LucasWarning)
    if options.safe_cells:
        os.environ[SAFE_CELLS] = "true"
    try:
        with _stopped_by_sigterm():
            code: int = options.run(options)
        return code
    except KeyboardInterrupt as interrupt:
        is_terminated = isinstance(interrupt, _Terminated)
        print(
            f"\nlucas-habitat {options.command}: {'terminated' if is_terminated else 'interrupted'}; "
            "what was finished is kept.",
            file=sys.stderr,
        )
        return 143 if is_terminated else 130
    except (LucasError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        message = in_its_words(words.marked(error))
        print(f"lucas-habitat {options.command}: {message}", file=sys.stderr)
        return 1


class _Terminated(KeyboardInterrupt):
    """What a cluster or a service sends first when it wants a program to end."""


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C: what is finished is kept, and nothing half done is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_warning(
    in_its_words: Callable[[str], str],
    message: Warning | str,
    category: type[Warning],
    *_: Any,
    **__: Any,
) -> None:
    from ..errors import LucasMessage, LucasWarning

    kind = category.__name__
    if issubclass(category, LucasWarning):
        kind = "warning"
    elif issubclass(category, LucasMessage):
        kind = "note"
    print(f"{kind}: {in_its_words(words.marked(message))}", file=sys.stderr)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands. An option that is not given is not in what it returns."""
    parser = argparse.ArgumentParser(
        prog="lucas-habitat",
        description="Habitats from ground photos.",
        epilog="Tables are read and written as CSV or Parquet, by their ending.",
    )
    parser.add_argument("--version", action="version", version=f"lucas-habitat {__version__}")
    parser.add_argument(
        "--safe-cells",
        action="store_true",
        help="in CSV files that are written for people, put an apostrophe before text that a spreadsheet "
        f"would run as a formula (also: {SAFE_CELLS}=true)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.text,
            description=command.text[0].upper() + command.text[1:] + ".",
            formatter_class=partial(Help, functions=command.functions),
            argument_default=argparse.SUPPRESS,
        )
        sub.set_defaults(run=command.run, parser=sub)
        command.add_options(sub)
    return parser
