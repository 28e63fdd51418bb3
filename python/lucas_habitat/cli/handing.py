"""Photos handed on to other programs and taken back: ``sort-photos``, ``read-sorted``, ``write-xmp``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import lucas_habitat as lh

from .._base.choices import HOW_SORTED, SIDECARS
from .options import TABLE, Command, given
from .tables import check_out, print_lines, write

__all__ = ["COMMANDS"]


def _sort_photos_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what classify wrote, a table or a run")
    add("folder", metavar="DIR", help="folder to sort into; run again, it goes on")
    add("--min-confidence", type=float, help="probability with which a photo goes to its class")
    add("--how", choices=HOW_SORTED, help="whether files are copied or linked")
    add("--out", metavar="FILE", default=None, help=f"{TABLE} of what became of each photo")


def _sort_photos(options: Namespace) -> int:
    from ..sorting.placing import describe_sorted

    check_out(options.out)
    table = lh.sort_photos(options.predictions, options.folder, **given(options, lh.sort_photos))
    print_lines(describe_sorted(table))
    if options.out:
        write(table, options.out)
    return 0 if (table["status"] != "refused").any() else 1


def _read_sorted_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", metavar="DIR", help="what sort-photos sorted into")
    add("--out", metavar="FILE.csv", required=True, help="review table to write; train takes it")
    add("--changes", metavar="FILE", default=None, help=f"{TABLE} of what was changed")
    add("--confirmed", action="store_true", help="photos that nobody moved were looked at, too")
    add("--new-classes", action="store_true", help="other folders are classes of their names")


def _read_sorted(options: Namespace) -> int:
    from ..sorting.reading import describe_changes

    check_out(options.out)
    check_out(options.changes)
    result = lh.read_sorted(options.folder, **given(options, lh.read_sorted))
    print_lines(describe_changes(result))
    write(result.corrections, options.out)
    if options.changes:
        write(result.changes, options.changes)
    return 0


def _write_xmp_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("predictions", metavar="FILE", help="what classify wrote, a table or a run")
    add("--min-confidence", type=float, help="probability with which a photo gets its class")
    add("--naming", choices=SIDECARS, help="photo.jpg.xmp, or photo.xmp")
    add("--keyword", help="what classes stand under")
    add("--remove", action="store_true", help="take our keywords out")
    add("--out", metavar="FILE", default=None, help=f"{TABLE} of what became of each sidecar")


def _write_xmp(options: Namespace) -> int:
    from ..sidecars.writing import describe_sidecars

    check_out(options.out)
    table = lh.write_xmp(options.predictions, **given(options, lh.write_xmp))
    print_lines(describe_sidecars(table))
    if options.out:
        write(table, options.out)
    return 0 if (table["status"] != "refused").any() else 1


COMMANDS = (
    Command(
        "sort-photos",
        "put photos into class folders, to be put right in a file manager",
        _sort_photos_options,
        _sort_photos,
        ("sort_photos",),
    ),
    Command(
        "read-sorted",
        "read what was put right in class folders, as corrections for train",
        _read_sorted_options,
        _read_sorted,
        ("read_sorted",),
    ),
    Command(
        "write-xmp",
        "write classes as keywords into XMP files beside photos",
        _write_xmp_options,
        _write_xmp,
        ("write_xmp",),
    ),
)
