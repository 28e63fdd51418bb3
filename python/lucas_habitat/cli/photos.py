"""Photo tables: ``list``, ``locate``, ``near-duplicates``, ``split``, ``check-split``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import lucas_habitat as lh

from .options import (
    PHOTOS,
    TABLE,
    Command,
    add_apart,
    add_cache,
    add_device,
    add_labels,
    add_photos,
    add_root,
    add_seed,
    given,
)
from .tables import (
    check_out,
    check_out_json,
    print_lines,
    read_photos,
    write,
    write_numbers,
)

__all__ = ["COMMANDS"]


def _list_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    parser.add_argument("--out", metavar="FILE", default=None, help=f"{TABLE} to write")
    add_labels(parser)


def _list(options: Namespace) -> int:
    from ..photos import describe_photos

    check_out(options.out)
    photos = read_photos(options)
    print_lines(describe_photos(photos))
    if options.out:
        write(photos, options.out)
    return 0


def _locate_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("photos", metavar="PHOTOS", help=PHOTOS)
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add("--radius", type=float, help="metres around a point's first photo")
    add("--minutes", type=float, help="after a visit's first photo")
    add_root(parser)
    add_labels(parser)


def _locate(options: Namespace) -> int:
    from .._base.tables import count_lines

    check_out(options.out)
    photos = lh.locate_photos(options.photos, **given(options, lh.locate_photos))
    print_lines(count_lines(photos["status"].value_counts()))
    write(photos, options.out)
    return 0 if photos["lat"].notna().any() else 1


def _near_duplicates_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add("--out", metavar="FILE", required=True, help=f"{TABLE} with the column near_duplicates")
    add("--arch", help="backbone whose features are compared")
    add_device(parser)
    add_cache(parser)


def _near_duplicates(options: Namespace) -> int:
    check_out(options.out)
    photos = lh.near_duplicates(read_photos(options), **given(options, lh.near_duplicates))
    write(photos, options.out)
    return 0


def _split_options(parser: ArgumentParser) -> None:
    add_photos(parser)
    add = parser.add_argument
    add("--out", metavar="FILE", required=True, help=f"{TABLE} with the column split")
    add("--test-size", type=float, help="share of points to test on (0.2)")
    add("--n-per-class", type=int, help="balanced sample of so many photos a class")
    add("--regroup", action="store_true", help="split anew, whatever the folders say")
    add_seed(parser)
    add_apart(parser)


def _split(options: Namespace) -> int:
    import pandas as pd

    check_out(options.out)
    train, test = lh.split_photos(read_photos(options), **given(options, lh.split_photos))
    print(f"{len(train)} training photos, {len(test)} test photos")
    write(pd.concat([train, test], ignore_index=True), options.out)
    return 0


def _check_split_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("train", metavar="TRAIN", help=f"{PHOTOS}; alone, its column split tells the sides")
    add("--test", metavar="TEST", help="the photos of the other side, likewise")
    add("--near", type=float, help="kilometres within which points are neighbours")
    add(
        "--arch",
        help="backbone by whose features near-duplicates are looked for; else they are not",
    )
    add_device(parser)
    add_cache(parser)
    add("--out", metavar="FILE.json", default=None, help="where to write the findings")


def _check_split(options: Namespace) -> int:
    check_out_json(options.out)
    check = lh.check_split(options.train, **given(options, lh.check_split))
    print(check)
    if options.out:
        write_numbers(check.as_dict(), options.out)
    return 0


COMMANDS = (
    Command("list", "list photos as a photo table", _list_options, _list, ("list_photos",)),
    Command(
        "locate",
        "find the points of geotagged photos by position and time",
        _locate_options,
        _locate,
        ("locate_photos",),
    ),
    Command(
        "near-duplicates",
        "find photos of different points that show the same",
        _near_duplicates_options,
        _near_duplicates,
        ("near_duplicates",),
    ),
    Command(
        "split",
        "split photos into training and test photos, by point or more widely",
        _split_options,
        _split,
        ("split_photos",),
    ),
    Command(
        "check-split",
        "tell what leaks from training into the test",
        _check_split_options,
        _check_split,
        ("check_split",),
    ),
)
