"""What is handed on to portals and catalogues: ``dwca``, ``odmap``, ``croissant``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import lucas_habitat as lh

from .._base.choices import LICENCES
from .options import PHOTOS, TABLE, Command, given
from .tables import check_out, write

__all__ = ["COMMANDS"]


def _add_said(parser: ArgumentParser) -> None:
    """What only a person can say of a data set."""
    add = parser.add_argument
    add("--title", required=True, help="of the data set")
    add(
        "--authors",
        metavar="NAME",
        nargs="+",
        required=True,
        help='such as "Ada Lovelace <ada@example.org> 0000-0002-1825-0097"',
    )
    add("--licence", choices=tuple(LICENCES), required=True, help="of the data")


def _add_places(parser: ArgumentParser) -> None:
    """Whose photos are, and how exactly places are told."""
    add = parser.add_argument
    add("--rights-holder", help="of the photos, where they are not the survey's")
    add(
        "--uncertainty",
        type=_number_or_column,
        help="metres that positions may be off, or a column",
    )
    add("--grid", type=float, help="blurs: metres of a cell's side, whose centre is told")
    add("--key", metavar="FILE", help="with --grid, table of the ids that were replaced; keep it")


def _add_made_by(parser: ArgumentParser) -> None:
    """What made the predictions, and how good they are."""
    add = parser.add_argument
    add("--model", metavar="DIR", help="that classified")
    add("--evaluation", metavar="FILE.json", help="what evaluate wrote for the model")


def _dwca_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("points", metavar="FILE", help="what vote wrote")
    add("--out", metavar="FILE.zip", required=True, help="archive to write")
    _add_said(parser)
    add("--abstract", help="of the data set")
    add("--photos", metavar="PHOTOS", help=f"of the points: {PHOTOS}")
    _add_made_by(parser)
    _add_places(parser)


def _dwca(options: Namespace) -> int:
    return _written(options.points, options, lh.write_dwca)


def _odmap_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("covariates", metavar="FILE.parquet", help="what covariates wrote")
    add("--out", metavar="FILE", required=True, help=f"{TABLE} to write")
    add("--table", metavar="FILE", help="ODMAP table that is to be filled in")
    _add_made_by(parser)


def _odmap(options: Namespace) -> int:
    check_out(options.out)
    write(lh.odmap(options.covariates, **given(options, lh.odmap)), options.out)
    return 0


def _croissant_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("table", metavar="TABLE", help="photos, predictions or points, or a run")
    add(
        "--out", metavar="FILE.json", required=True, help="document to write, in the table's folder"
    )
    _add_said(parser)
    add("--abstract", help="of the data set")
    add("--url", help="the data set's page on the web")
    add("--version", help="of the data set")
    _add_made_by(parser)
    _add_places(parser)


def _croissant(options: Namespace) -> int:
    return _written(options.table, options, lh.write_croissant)


def _written(table: str, options: Namespace, write_data: Callable[..., Path]) -> int:
    """Write a data set with what was said of it."""
    path = write_data(
        table,
        options.out,
        title=options.title,
        authors=options.authors,
        licence=options.licence,
        **given(options, write_data),
    )
    print(f"written to {path}")
    return 0


def _number_or_column(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


COMMANDS = (
    Command("dwca", "write points as a Darwin Core archive", _dwca_options, _dwca, ("write_dwca",)),
    Command("odmap", "report covariates as rows of ODMAP", _odmap_options, _odmap, ("odmap",)),
    Command(
        "croissant",
        "write Croissant metadata beside a table or run",
        _croissant_options,
        _croissant,
        ("write_croissant",),
    ),
)
