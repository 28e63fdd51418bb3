"""The whole way in one go: ``pilot``, ``demo``."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace

import lucas_habitat as lh

from .options import (
    MODEL,
    SCHEMES,
    Command,
    add_computing,
    add_seed,
    add_training,
    given,
    number_or_text,
)
from .tables import print_lines

__all__ = ["COMMANDS"]


def _pilot_options(parser: ArgumentParser) -> None:
    """Add the options of `pilot`."""
    add = parser.add_argument
    add("--out", metavar="DIR", required=True, help="folder for everything; run again to go on")
    add("--country", nargs="+", help="two-letter codes")
    add(
        "--table",
        metavar="TABLE",
        nargs="+",
        help="the survey's tables, files or https addresses; else the harmonised one is fetched",
    )
    add("--years", type=int, nargs="+", help="campaigns; else each point's latest")
    add("--scheme", help=SCHEMES)
    add("--classes", nargs="+", help="only these classes")
    add(
        "--sample",
        type=number_or_text,
        help="small (the pilot's 1,093 photos, balanced), large (its 15,676 and 4,297), all, or a "
        "number of photos",
    )
    add(
        "--balanced",
        action=argparse.BooleanOptionalAction,
        help="as many points of each class",
    )
    add("--directions", help="photos of a point")
    add(
        "--any-observation",
        dest="field_only",
        action="store_false",
        help="also points not seen in the field",
    )
    add("--max-distance", type=float, help="metres a point was seen from")
    add("--min-cover", type=float, help="percent of the point its class must cover")
    add("--test-size", type=float, help="share of points to test on (0.2)")
    add("--validation-split", type=float, help="share of the others to calibrate on")
    add_training(parser)
    add("--model", metavar="MODEL", help=f"test this one on all photos, train none: {MODEL}")
    add(
        "--photos",
        metavar="PHOTOS",
        help="labelled photos of your own instead of the survey's; a split that they have is taken",
    )
    add("--base", help="address of another server of photos")
    add("--per-second", type=float, help="requests at most")
    add("--overwrite", action="store_true", help="do a finished run again")
    add_seed(parser)
    add_computing(parser)


def _pilot(options: Namespace) -> int:
    from ..studies.pilot_page import describe_comparison

    own = given(options, lh.pilot)
    training = {name: value for name, value in given(options, lh.train).items() if name not in own}
    comparison = lh.pilot(options.out, **own, training=training)
    print_lines(describe_comparison(comparison))
    print(f"Look at all of it in {comparison.attrs['report']}")
    return 0


def _demo_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", metavar="DIR", help="folder for everything")
    add("--photos", metavar="FOLDER", help="real labelled photos instead")
    add("--arch", help="see train")
    add("--codes", action="store_true", help="draw 11 land cover codes, to try levels")
    add_seed(parser)


def _demo(options: Namespace) -> int:
    print(lh.run_demo(**given(options, lh.run_demo)))
    return 0


COMMANDS = (
    Command(
        "pilot",
        "the whole way with the survey's photos of a country or your own, in one go",
        _pilot_options,
        _pilot,
        ("pilot", "train"),
    ),
    Command(
        "demo",
        "run the whole way on photos the program draws itself",
        _demo_options,
        _demo,
        ("run_demo",),
    ),
)
