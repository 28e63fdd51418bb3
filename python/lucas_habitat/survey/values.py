"""The values of the survey's tables, read one column at a time."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._base import words
from .._base.places import is_grid_place
from ..errors import InputError
from .campaigns import CAMPAIGNS, SAME_COUNTRY

_OBS_TYPES = {
    "1": "In situ < 100 m",
    "2": "In situ > 100 m",
    "3": "In situ PI",
    "4": "In situ PI not possible",
    "5": "Out of national territory",
    "6": "Out of EU",
    "7": "In office PI",
}

IN_SITU = ("In situ < 100 m", "In situ > 100 m")

_BLANK = frozenset(["", "na", "n/a", "nan", "null", "none"])

_NO_CODE = frozenset(["0", "8", "88", "888", "8888", "not relevant"])


class NotRelevantError(Exception):
    """A value that stands for 'not relevant'."""


def read_each(
    column: pa.ChunkedArray,
    read: Callable[[str], Any],
    dtype: Any,
    repairs: Counter[str],
    tidied: str = "",
) -> pd.Series:
    """Each different text of a column read once; what cannot be read is missing and counted."""
    # large_string: all texts of a column together may pass 2 GB.
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    texts = encoded.dictionary.to_pylist()
    times = np.bincount(places + 1, minlength=len(texts) + 1)[1:]
    values: list[Any] = []
    for text, n in zip(texts, times, strict=True):
        value, stripped = None, text.strip()
        if stripped.lower() not in _BLANK:
            try:
                value = read(stripped)
                if tidied and value != text:
                    repairs[tidied] += int(n)
            except NotRelevantError:
                repairs["not_relevant"] += int(n)
            except ValueError:
                repairs["unreadable"] += int(n)
        values.append(value)
    # Place -1, a missing value, is the last.
    array = pd.array([*values, None], dtype=dtype)
    return pd.Series(array.take(np.where(places < 0, len(texts), places)))


def read_column(
    raw: pa.Table,
    name: str,
    read: Callable[[str], Any],
    dtype: Any,
    repairs: Counter[str],
    tidied: str = "",
) -> pd.Series:
    """A column of the table read by a reader of single texts."""
    if name not in raw.column_names:
        return pd.Series(pd.array([None] * raw.num_rows, dtype=dtype))
    return read_each(raw[name], read, dtype, repairs, tidied)


def read_point_id(text: str) -> str:
    """A point id of 8 digits."""
    digits = re.fullmatch(r"([0-9]{7,8})(\.0*)?", text)
    if not digits:
        raise ValueError
    point = digits[1].zfill(8)  # a spreadsheet drops the zero of points west of 1000 km
    if not is_grid_place(int(point[:4]), int(point[4:])):
        raise ValueError
    return point


def read_year(text: str) -> int:
    """A campaign's year."""
    year = float(text)
    if year not in CAMPAIGNS:
        raise ValueError
    return int(year)


def read_country(text: str) -> str:
    """A country's code of two letters."""
    code = text.upper()
    if not re.fullmatch("[A-Z]{2}", code):
        raise ValueError
    return SAME_COUNTRY.get(code, code)


def read_code(text: str) -> str:
    """A code of land cover or use in capitals."""
    if text.lower().removesuffix(".0") in _NO_CODE:
        raise NotRelevantError
    return text.upper()


def read_text(text: str) -> str:
    """A text."""
    if text.lower() == "not relevant":
        raise NotRelevantError
    return text


def read_number(text: str) -> float:
    """A finite number."""
    if text.lower() == "not relevant":
        raise NotRelevantError
    value = float(text.replace(",", "."))
    if value in (88.888888, 888, 8888):
        raise NotRelevantError
    if not math.isfinite(value):
        raise ValueError
    return value


def read_distance(text: str) -> float:
    """A distance in metres, not negative."""
    value = read_number(text)
    if value < 0:
        raise ValueError
    return value


def read_weight(text: str) -> float:
    """A design weight, more than 0; no number is a sentinel."""
    value = float(text.replace(",", "."))
    if not (math.isfinite(value) and value > 0):
        raise ValueError
    return value


def read_percent(text: str) -> tuple[float, float]:
    """The least and the most of a percentage or class of percentages."""
    bare = text.replace(" ", "").replace("%", "").lower()
    if bare == "notrelevant":
        raise NotRelevantError
    if match := re.fullmatch(r"[<≤]=?([0-9]+)", bare):
        low, high = 0.0, float(match[1])
    elif match := re.fullmatch(r"[>≥]=?([0-9]+)", bare):
        low, high = float(match[1]), 100.0
    elif match := re.fullmatch(r"([0-9]+)[-–]([0-9]+)", bare):
        low, high = float(match[1]), float(match[2])
    else:
        low = high = read_number(bare)
    if not 0 <= low <= high <= 100:
        raise ValueError
    return low, high


def read_obs_type(text: str) -> str:
    """How a point was observed, in the words of the harmonised table."""
    if text.lower() in ("not relevant", "8"):
        raise NotRelevantError
    by_words = {v.lower(): v for v in _OBS_TYPES.values()}
    return _OBS_TYPES.get(text.removesuffix(".0")) or by_words.get(text.lower(), text)


def read_taken(text: str) -> bool:
    """Whether a photo was taken."""
    bare = text.lower().removesuffix(".0")
    if bare in ("8", "not relevant"):
        raise NotRelevantError
    # Some releases of 2022 hold the photo's address here.
    if bare in ("photo taken", "1", "yes", "true") or bare.startswith("http"):
        return True
    if bare in ("photo not taken", "2", "0", "no", "false"):
        return False
    raise ValueError


def read_side(text: str) -> float | None:
    """The sign of a longitude: east 1, west -1."""
    return {"east": 1.0, "1": 1.0, "e": 1.0, "west": -1.0, "2": -1.0, "w": -1.0}.get(text.lower())


def read_date(text: str) -> str:
    """A date as ISO text."""
    if text.startswith("88") or text == "8" or text.lower() == "not relevant":
        raise NotRelevantError
    if match := re.match(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?![0-9])", text):
        year, month, day = map(int, match.groups())
    elif match := re.match(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})(?![0-9])", text):
        day, month, year = map(int, match.groups())
    else:
        raise ValueError
    return date(year if year > 99 else 2000 + year, month, day).isoformat()


def year_of_table(path: Path, only_years: set[int] | None, prefixed: bool) -> int:
    """The year of a table that has no column of it."""
    if only_years is not None and len(only_years) == 1:
        return next(iter(only_years))
    named = {int(y) for y in re.findall("20[0-9]{2}", path.name)} & set(CAMPAIGNS)
    if len(named) == 1:
        return named.pop()
    if prefixed:
        return 2022
    raise InputError(
        f"{path.name} has no column year, and its name does not tell the campaign. Say it with "
        f"{words.option('years')}, such as {words.arg('years', 2018)}."
    )
