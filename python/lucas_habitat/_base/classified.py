"""Photos with their predicted class, some at a time: of a table in memory, or of a run in its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from ..errors import InputError
from . import words
from .classes import classes_of, probability_columns, read_predictions
from .runs import is_run, iter_run, open_run
from .tables import as_table, require_columns, tidy_types
from .types import Table

__all__ = ["Classified", "classified_photos"]

#: Rows of a table in memory that are handed out together.
_ROWS = 4096
_COLUMNS = (
    "path",
    "point_id",
    "year",
    "direction",
    "habitat",
    "split",
    "fold",
    "predicted",
    "confidence",
    "status",
    "error",
)


class Classified(NamedTuple):
    """Photos that were classified."""

    #: How many there are.
    n: int
    #: The labels of the classes, in the order of their probabilities.
    classes: list[str]
    #: Their rows without probabilities; ``predicted`` is text, missing where a photo was refused.
    blocks: Iterator[pd.DataFrame]


def classified_photos(given: Table, what: str) -> Classified:
    """The photos of a table of predictions; of a run a part at a time is in memory.

    Parameters
    ----------
    given : pandas.DataFrame or path
    what : str
        The function that needs them, for its errors.

    Raises
    ------
    InputError
        If the table has no photos, or no predictions.
    """
    if isinstance(given, str | os.PathLike) and is_run(given):
        run = open_run(given)
        return Classified(run.photos, run.classes, _of_run(given))
    table = as_table(given)
    hint = f"Give the photos that {words.call('classify')} returned."
    require_columns(table, ["path", "predicted"], what, hint)
    if table.empty:
        raise InputError(f"{what} got a table without rows.")
    if "confidence" not in table:
        if not probability_columns(table):
            require_columns(table, ["confidence"], what, hint)
        table = table.assign(confidence=read_predictions(table, what).confidence)
    return Classified(len(table), classes_of(table), _of_table(table))


def _of_run(run: str | os.PathLike[str]) -> Iterator[pd.DataFrame]:
    for part in iter_run(run, _COLUMNS):
        yield _plain(tidy_types(part))


def _of_table(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    table = table[[c for c in _COLUMNS if c in table]]
    for first in range(0, len(table), _ROWS):
        yield _plain(table.iloc[first : first + _ROWS].reset_index(drop=True))


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(predicted=rows["predicted"].astype("object").astype("str"))
