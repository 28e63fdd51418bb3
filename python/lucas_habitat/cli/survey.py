"""From the survey's table to photos: ``survey``, ``select``, ``download``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import lucas_habitat as lh

from .options import SCHEMES, TABLE, Command, add_seed, given, number_or_text
from .tables import check_out, print_lines, write

__all__ = ["COMMANDS"]


def _survey_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("table", metavar="TABLE", help="harmonised 2006-2018, or raw 2018 or 2022")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add("--years", type=int, nargs="+", help="campaigns to keep")
    add("--countries", nargs="+", help="two-letter codes to keep")
    add("--columns", nargs="+", help="further columns to keep")
    add("--problems", metavar="FILE", default=None, help=f"{TABLE} of rows that cannot be right")


def _survey(options: Namespace) -> int:
    import pandas as pd

    check_out(options.out)
    check_out(options.problems)
    table = lh.read_survey(options.table, **given(options, lh.read_survey))
    write(table, options.out)
    if options.problems:
        write(pd.DataFrame(table.attrs["problems"]), options.problems)
    return 0


def _select_options(parser: ArgumentParser) -> None:
    """Add the options of `select`."""
    add = parser.add_argument
    add("survey", metavar="FILE", help="what survey wrote")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add("--scheme", help=SCHEMES)
    add("--countries", nargs="+", help="two-letter codes")
    add("--years", type=int, nargs="+", help="campaigns; else each point's latest")
    add("--classes", nargs="+", help="only these classes")
    add(
        "--any-observation",
        dest="field_only",
        action="store_false",
        help="not only those in the field",
    )
    add("--max-distance", type=float, help="metres it was seen from")
    add("--directions", help="photos that must have been taken")
    add("--min-cover", type=float, help="percent of the point its class must cover")
    add(
        "--n-per-class",
        type=number_or_text,
        help="so many points of each class, or up to so many: '<=270'; weight tells of the land",
    )
    add("--n", type=int, help="so many points, in proportion")
    add_seed(parser)


def _select(options: Namespace) -> int:
    from .._base.tables import count_lines, read_table

    check_out(options.out)
    points = lh.select_points(read_table(options.survey), **given(options, lh.select_points))
    print_lines(count_lines(points["habitat"].value_counts().sort_index()))
    write(points, options.out)
    return 0


def _download_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("points", metavar="FILE", help="what select wrote")
    add("--out", metavar="DIR", required=True, help="folder for photos; run again to go on")
    add(
        "--table",
        metavar="FILE",
        default=None,
        help=f"{TABLE} of the photos; default DIR/photos.csv",
    )
    add("--directions", help="which photos, C for close-ups")
    add("--base", help="address of another server")
    add("--connections", type=int, help="at once")
    add("--per-second", type=float, help="requests at most")
    add("--again", action="store_true", help="ask again for what the server lacked")


def _download(options: Namespace) -> int:
    from .._base.files import check_out_folder
    from .._base.tables import count_lines

    check_out_folder(options.out)
    table = options.table or str(Path(options.out) / "photos.csv")
    check_out(table)
    photos = lh.download_photos(options.points, options.out, **given(options, lh.download_photos))
    print_lines(count_lines(photos["status"].value_counts()))
    is_there = photos["status"] == "ok"
    # Only photos that are there, so that the table can be trained on as it is.
    write(photos[is_there].drop(columns=["status", "error"]), table)
    print(lh.credit(photos["year"]))
    return 0 if is_there.any() else 1


COMMANDS = (
    Command(
        "survey",
        "read a table of the LUCAS survey and tidy it",
        _survey_options,
        _survey,
        ("read_survey",),
    ),
    Command(
        "select",
        "choose points of a tidied survey table",
        _select_options,
        _select,
        ("select_points",),
    ),
    Command(
        "download",
        "fetch the photos of points from the survey's server",
        _download_options,
        _download,
        ("download_photos",),
    ),
)
