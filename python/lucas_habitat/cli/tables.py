"""The tables that commands read and write."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import lucas_habitat as lh

from .options import given

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_out", "check_out_json", "print_lines", "read_photos", "write", "write_numbers"]


def read_photos(options: Namespace, source: str | None = None) -> pd.DataFrame:
    """The photos of the options of `add_photos`, or others read in the same way."""
    photos = lh.list_photos(source or options.photos, **given(options, lh.list_photos))
    return lh.assign_habitat(photos, options.scheme) if options.scheme else photos


def check_out(out: str | None) -> None:
    """Refuse a bad ending, and a file that cannot be written, before the work is done, not after."""
    from .._base.files import check_out_file
    from .._base.tables import TABLE_ENDINGS
    from ..errors import InputError

    if out is not None:
        if not out.lower().endswith(TABLE_ENDINGS):
            raise InputError(f"--out {out} must end in .csv or .parquet.")
        check_out_file(out)


def check_out_json(out: str | None) -> None:
    """Refuse a file of numbers that cannot be written before they are computed."""
    from .._base.files import check_out_file

    if out is not None:
        check_out_file(out)


def write(table: pd.DataFrame, out: str) -> None:
    """Write a table, and say so; where that fails now, it is written to a folder that is named."""
    from .._base.files import write_or_rescue
    from .._base.tables import write_for_people

    path = write_or_rescue(out, partial(write_for_people, table))
    print(f"{len(table)} rows written to {path}")


def write_numbers(numbers: dict[str, Any], out: str) -> None:
    """Write what a result tells as numbers, and say so; see `write`."""
    from .._base.files import write_json, write_or_rescue

    print(f"written to {write_or_rescue(out, partial(write_json, numbers))}")


def print_lines(lines: Iterable[str]) -> None:
    """Print what a result tells of itself."""
    for line in lines:
        print(line)
