"""Pages to look at: ``report``, ``app``."""

from __future__ import annotations

import argparse
import inspect
from argparse import ArgumentParser, Namespace

import lucas_habitat as lh

from .._base.choices import LANGUAGES
from .options import MODEL, Command, given

__all__ = ["COMMANDS"]


def _report_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "predictions",
        metavar="RUN",
        help="folder with predictions.csv, points.csv, model/; or predictions",
    )
    add("--out", metavar="FILE.html", help="the page")
    add("--model", metavar="DIR", help="folder of the model")
    add("--points", metavar="FILE", help="what vote wrote; else photos vote anew")
    add("--title", help="of the page")
    add(
        "--class-shares",
        metavar="FILE",
        help="shares of the land: a table with the columns class and share",
    )


def _report(options: Namespace) -> int:
    from ..pages.page import data_folder

    page = lh.report(options.predictions, **given(options, lh.report))
    print(f"written to {page}, its numbers to {data_folder(page)}")
    return 0


def _app_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", metavar="MODEL", help=f"{MODEL}; else a demo model")
    add("--corrections", metavar="FILE.csv", help="to keep")
    add("--photos", metavar="PHOTOS", help="training photos, to show similar ones")
    add("--port", type=int, help="of 127.0.0.1; else the first free one from 7860")
    add("--language", choices=tuple(LANGUAGES), help="at first")
    add("--no-browser", dest="open_browser", action="store_false", help="only print the address")
    # R's: the address goes in there, and the app ends when the file is gone.
    add("--session", default=None, help=argparse.SUPPRESS)


def _app(options: Namespace) -> int:
    from ..app.server import serve

    call = inspect.signature(lh.run_app).bind(**given(options, lh.run_app))
    call.apply_defaults()
    serve(**call.arguments, session=options.session)
    return 0


COMMANDS = (
    Command("report", "write one page on a finished run", _report_options, _report, ("report",)),
    Command("app", "try a model in the browser, and correct it", _app_options, _app, ("run_app",)),
)
