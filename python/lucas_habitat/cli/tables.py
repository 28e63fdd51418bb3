"""The tables that commands read and write."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

import lucas_habitat as lh

from .options import given

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_out", "print_lines", "read_photos", "write"]


def read_photos(options: Namespace, source: str | None = None) -> pd.DataFrame:
    """The photos of the options of `add_photos`, or others read in the same way."""
    photos = lh.list_photos(source or options.photos, **given(options, lh.list_photos))
    return lh.assign_habitat(photos, options.scheme) if options.scheme else photos


def check_out(out: str | None) -> None:
    """Refuse a bad ending before the work is done, not after."""
    from .._base.tables import TABLE_ENDINGS
    from ..errors import InputError

    if out is not None and not out.lower().endswith(TABLE_ENDINGS):
        raise InputError(f"--out {out} must end in .csv or .parquet.")


def write(table: pd.DataFrame, out: str) -> None:
    """Write a table, and say so."""
    from .._base.tables import write_table

    path = write_table(table, out)
    print(f"{len(table)} rows written to {path}")


def print_lines(lines: Iterable[str]) -> None:
    """Print what a result tells of itself."""
    for line in lines:
        print(line)
