"""Tables on disk, and how class names become column names."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anyascii import anyascii
from packaging.version import Version

from .errors import InputError, some, warn

#: Options of pandas.read_csv that bring the same float64 back; its default does since 3.1.
EXACT: dict[str, Any] = (
    {} if Version(pd.__version__) >= Version("3.1") else {"float_precision": "round_trip"}
)
TABLE_ENDINGS = (".csv", ".parquet")
# Read as text whatever they look like: leading zeros and 8-digit ids must survive.
_TEXT = (
    "path",
    "point_id",
    "direction",
    "habitat",
    "split",
    "lc1",
    "nuts0",
    "predicted",
    "status",
    "error",
    "site",
    "id",
    "code",
    "class",
)
_NUMBERS = ("obs_dist", "x", "y", "lon", "lat", "confidence", "agreement")


def column_names(classes: Sequence[str], prefix: str = "p_") -> list[str]:
    """Turn class labels into column names that R, formulas and rasters accept.

    Letters of any script become ASCII, everything else an underscore:
    ``"woody vegetation"`` gives ``p_woody_vegetation``, ``"græs"`` gives ``p_graes``.

    Raises
    ------
    InputError
        If two labels would get the same column.
    """
    names = [prefix + re.sub(r"[^0-9A-Za-z]+", "_", anyascii(str(c))).strip("_") for c in classes]
    seen: dict[str, str] = {}
    for label, name in zip(classes, names, strict=True):
        if name == prefix:
            raise InputError(
                f"The class name {label!r} has no letter or digit to name a column by."
            )
        if name.lower() in seen:
            raise InputError(
                f"The classes {seen[name.lower()]!r} and {label!r} would both get the column "
                f"{name}. Rename one of them."
            )
        seen[name.lower()] = label
    return names


def probability_columns(table: pd.DataFrame, prefix: str = "p_") -> list[str]:
    """The columns that hold class probabilities (or, with ``v_``, shares of votes).

    Those of the classes where ``predicted`` knows them; a table that went through CSV is
    searched for names with the prefix.
    """
    predicted = table.get("predicted")
    if isinstance(predicted, pd.Series) and isinstance(predicted.dtype, pd.CategoricalDtype):
        known = column_names([str(c) for c in predicted.cat.categories], prefix)
        if known and set(known) <= set(table.columns):
            return known
    return [c for c in table.columns if isinstance(c, str) and c.startswith(prefix)]


def classes_of(table: pd.DataFrame) -> list[str]:
    """Class labels in the order of the probability columns.

    A categorical ``predicted`` knows them all. A table that went through CSV does not: there
    a label is found among those that occur in ``predicted`` and ``habitat`` by the column it
    would get, and a class that occurs nowhere keeps its column's name.
    """
    columns = probability_columns(table)
    predicted = table.get("predicted")
    if isinstance(predicted, pd.Series) and isinstance(predicted.dtype, pd.CategoricalDtype):
        labels = [str(c) for c in predicted.cat.categories]
        if not columns or column_names(labels) == columns:
            return labels
    seen = {str(v) for c in ("predicted", "habitat") if c in table for v in table[c].dropna()}
    if not columns:
        return sorted(seen)
    by_column = {column_names([label])[0]: label for label in sorted(seen)}
    return [by_column.get(c, c.removeprefix("p_")) for c in columns]


def require_columns(table: pd.DataFrame, columns: Iterable[str], what: str, hint: str) -> None:
    """Refuse a table that lacks columns, saying which it has and where they come from."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        have = some([str(c) for c in table.columns], 40) or "none"
        alike = {c.lower(): c for c in table.columns if isinstance(c, str)}
        near = [alike[m.lower()] for m in missing if m.lower() in alike]
        meant = f" Did you mean {', '.join(near)}?" if near else ""
        raise InputError(f"{what} needs the column {', '.join(missing)}; got {have}.{meant} {hint}")


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV or Parquet file, by its ending.

    CSV is taken as UTF-8 (with or without a byte order mark), separated by commas or by
    semicolons (then with decimal commas, as Excel writes it in much of Europe). Ids, codes
    and labels stay text; ``year`` becomes a nullable whole number.

    Raises
    ------
    InputError
        If the file is missing, has another ending or cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() not in TABLE_ENDINGS:
        raise InputError(f"Cannot read the table {path}: its ending must be .csv or .parquet.")
    if not path.is_file():
        raise InputError(f"There is no table {path}.")
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"Cannot read the table {path}: it is not UTF-8 ({error.reason} at byte {error.start}). "
            "Save it as 'CSV UTF-8', or as Parquet."
        ) from error
    except Exception as error:
        raise InputError(f"Cannot read the table {path}: {error}") from error
    return tidy_types(table)


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    european = header.count(";") > header.count(",")
    table: pd.DataFrame = pd.read_csv(
        path,
        encoding="utf-8-sig",
        sep=";" if european else ",",
        decimal="," if european else ".",
        **EXACT,
        dtype=dict.fromkeys(_TEXT, "str"),
    )
    if not isinstance(table.index, pd.RangeIndex):
        # pandas would take the first column for row names, and shift the others silently
        raise InputError("its rows have more fields than its header; is a comma unquoted?")
    return table


def tidy_types(table: pd.DataFrame) -> pd.DataFrame:
    """Give the columns every table shares their types; other columns are left alone."""
    table = table.copy()
    if "year" in table:
        table["year"] = _years(table["year"])
    for column in _NUMBERS:
        if column in table:
            table[column] = _numbers(table[column], column)
    if "point_id" in table:
        table["point_id"] = point_ids(table["point_id"])
    return table


def _numbers(column: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    lost = column[numbers.isna() & column.notna()].astype("str").str.strip()
    lost = lost[lost != ""]
    if len(lost):
        warn(
            f"{len(lost)} values of {name} are no numbers and taken as missing: {some(lost.unique())}."
        )
    return numbers


def _years(column: pd.Series) -> pd.Series:
    years = pd.to_numeric(column, errors="coerce")
    bad = years.isna() & column.notna() & (column.astype("str").str.strip() != "")
    bad |= years.notna() & ((years != years.round()) | (years.abs() > 9999))
    if bad.any():
        raise InputError(
            f"The column year must hold whole numbers such as 2018; row {int(np.argmax(bad)) + 1} "
            f"has {column[bad].iloc[0]}."
        )
    return years.astype("Int64")


def point_ids(column: pd.Series) -> pd.Series:
    """Point ids as text; numbers become whole numbers, LUCAS ids get their 8 digits back."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        column = column.map(lambda v: None if pd.isna(v) else f"{v:.0f}" if v % 1 == 0 else str(v))
    text = column.map(lambda v: None if pd.isna(v) or not str(v).strip() else str(v).strip())
    text = text.astype("str")
    # Tables that were opened in a spreadsheet have lost the zero of points west of 1000 km.
    padded = text.str.zfill(8)
    if text.str.fullmatch("[0-9]{7,8}").all() and on_lucas_grid(padded).all():
        return padded
    return text


def on_lucas_grid(ids: pd.Series) -> pd.Series:
    """Mark the ids that can be LUCAS': 8 digits that name a place in Europe, in km of EPSG:3035."""
    digits = ids.where(ids.str.fullmatch("[0-9]{8}").fillna(False))
    x, y = pd.to_numeric(digits.str[:4]), pd.to_numeric(digits.str[4:])
    # From the Canary Islands to Cyprus and the North Cape.
    return x.between(900, 7400) & y.between(800, 5500)


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a CSV or Parquet file, by its ending; the file appears whole or not at all.

    Numbers are written with as many digits as bring the same float64 back.
    """
    path = Path(path)
    if path.suffix.lower() not in TABLE_ENDINGS:
        raise InputError(f"Cannot write the table {path}: its ending must be .csv or .parquet.")
    keep_index = table.index.name is not None
    if path.suffix.lower() == ".parquet":
        return write_atomically(path, lambda tmp: table.to_parquet(tmp, index=keep_index))
    return write_atomically(
        path, lambda tmp: table.to_csv(tmp, index=keep_index, encoding="utf-8", lineterminator="\n")
    )


def write_json(values: object, path: str | os.PathLike[str]) -> Path:
    """Write plain values as JSON; a number that JSON does not know is an error, not `NaN`."""
    return write_text(
        json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path
    )


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a text file that appears whole or not at all."""
    return write_atomically(Path(path), lambda tmp: tmp.write_text(text, encoding="utf-8"))


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        write(tmp)
        os.replace(tmp, path)
    except BaseException:
        tmp.unlink(missing_ok=True)
        raise
    return path
