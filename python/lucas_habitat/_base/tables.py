"""Tables on disk, and the types of the columns that all tables share."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from packaging.version import Version

from ..errors import InputError, LucasError, some, warn
from . import words
from .cells import as_floats, check_cells
from .files import write_atomically
from .places import point_ids
from .runs import is_run, iter_run, read_run
from .types import Column, Floats, Table

#: Options of pandas.read_csv that bring the same float64 back; its default does since 3.1.
EXACT: dict[str, Any] = (
    {} if Version(pd.__version__) >= Version("3.1") else {"float_precision": "round_trip"}
)

#: Columns of a sample of points: how likely a row was drawn, and what it stands for.
INCLUSION, WEIGHT = "inclusion_probability", "weight"

TABLE_ENDINGS = (".csv", ".parquet")

# Read as text whatever they look like: leading zeros and 8-digit ids must survive.
_TEXT = (
    "path",
    "point_id",
    "direction",
    "habitat",
    "split",
    "near_duplicates",
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

_NUMBERS = ("obs_dist", "x", "y", "lon", "lat", "confidence", "agreement", "km_to_training")


def require_columns(table: pd.DataFrame, columns: Iterable[str], what: str, hint: str) -> None:
    """Refuse a table that lacks columns, saying which it has and where they come from."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        columns_there = some([str(c) for c in table.columns], 40) or "none"
        by_lower = {c.lower(): c for c in table.columns if isinstance(c, str)}
        candidates = [by_lower[m.lower()] for m in missing if m.lower() in by_lower]
        question = f" Did you mean {', '.join(candidates)}?" if candidates else ""
        raise InputError(
            f"{what} needs the column {', '.join(missing)}; got {columns_there}.{question} {hint}"
        )


@overload
def with_column(table: Table, column: Column, name: str) -> tuple[Table, str]: ...
@overload
def with_column(table: Table, column: Column | None, name: str) -> tuple[Table, str | None]: ...
def with_column(table: Table, column: Column | None, name: str) -> tuple[Table, str | None]:
    """A table that has the column which an argument names or gives, and that column's name.

    Raises
    ------
    InputError
        If the argument gives more or fewer values than the table has rows.
    """
    if column is None or isinstance(column, str):
        return table, column
    frame = as_frame(table)
    if isinstance(column, pd.DataFrame) and column.shape[1] == 1:
        column = column.iloc[:, 0]
    values: Any = column if isinstance(column, pd.Series) else np.asarray(column)
    if values.ndim != 1 or len(values) != len(frame):
        raise InputError(
            f"{words.arg(name)} must be the name of a column, or as many values as the table has rows, "
            f"which is {len(frame)}; got {' x '.join(map(str, values.shape))} values."
        )
    label = getattr(values, "name", None)
    label = label if isinstance(label, str) else name
    return frame.assign(**{label: getattr(values, "array", values)}), label


def positive_weights(column: pd.Series[Any], name: str) -> Floats:
    """Design weights as numbers; refuses any that is not more than 0."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    is_bad = ~(np.isfinite(numbers) & (numbers > 0))
    if is_bad.any():
        raise InputError(
            f"The weights {name} must be numbers of more than 0; {is_bad.sum()} of {len(is_bad)} are "
            f"not, such as {words.value(column[is_bad].iloc[0])}."
        )
    return numbers


def count_lines(counts: pd.Series) -> list[str]:
    """What `value_counts` gave, a line each, for a summary."""
    return [f"  {n} {value}" for value, n in counts.items()]


def describe_statuses(table: pd.DataFrame, texts: dict[str, str]) -> list[str]:
    """How many rows have each status, in these words, and why rows were refused, for a summary."""
    counts = table["status"].value_counts()
    lines = [f"{counts[status]} {text}" for status, text in texts.items() if status in counts]
    reasons = table.loc[table["status"] == "refused", "error"].value_counts()
    return lines + count_lines(reasons.head(5))


def as_frame(table: Table) -> pd.DataFrame:
    """A table as it is given, or read from its file.

    Raises
    ------
    InputError
        If it is neither a table nor the path of one, or the file cannot be read.
    """
    if isinstance(table, pd.DataFrame):
        check_cells(table)
        return table
    if isinstance(table, str | os.PathLike):
        return read_table(table)
    raise InputError(
        f"A table must be a {words.either('pandas DataFrame', 'data.frame')} or the path of a .csv "
        f"or .parquet file; got a {type(table).__name__}."
    )


def as_table(table: Table) -> pd.DataFrame:
    """A table of photos or points, whose shared columns have their types; see `as_frame`."""
    return tidy_types(table) if isinstance(table, pd.DataFrame) else as_frame(table)


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV or Parquet file, by its ending, or a run.

    CSV is taken as UTF-8 (with or without a byte order mark), separated by commas or by
    semicolons (then with decimal commas, as Excel writes it in much of Europe). Ids, codes
    and labels stay text; ``year`` becomes a nullable whole number.

    Raises
    ------
    InputError
        If the file is missing, has another ending or cannot be read.
    """
    path = Path(path)
    if is_run(path):
        return tidy_types(read_run(path))
    with _reading(path):
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
            _check_letters(table)
        else:
            table = _with_plain_index(pd.read_csv(path, **_csv_options(path)))
    return tidy_types(table)


def iter_table(path: str | os.PathLike[str], rows: int) -> Iterator[pd.DataFrame]:
    """Read a table as `read_table` does, some rows at a time.

    Types of a CSV file's other columns are told block by block: a column may have whole numbers in
    one and fractions in the next.
    """
    path = Path(path)
    if is_run(path):
        yield from (tidy_types(part) for part in iter_run(path))
        return
    with _reading(path):
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=rows):
                    batch.validate(full=True)
                    yield tidy_types(batch.to_pandas())
        else:
            with pd.read_csv(path, **_csv_options(path), chunksize=rows) as blocks:
                for block in blocks:
                    yield tidy_types(_with_plain_index(block).reset_index(drop=True))


def _check_letters(table: pd.DataFrame) -> None:
    """Refuse text that is not UTF-8: Parquet files say that theirs is, and are believed."""
    import pyarrow as pa

    texts: list[str] = table.select_dtypes("str").columns.tolist()
    for name in texts:
        array = pa.array(table[name])
        for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            chunk.validate(full=True)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Refuse what is no table file, and say why one cannot be read."""
    if path.suffix.lower() not in TABLE_ENDINGS:
        raise InputError(
            f"Cannot read the table {path}: its ending must be .csv or .parquet, or it must be the "
            f"folder of a run, as {words.arg('out')} of {words.call('classify')} makes it."
        )
    if not path.is_file():
        raise InputError(f"There is no table {path}.")
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(
            f"Cannot read the table {path}: it is not UTF-8 ({error.reason} at byte {error.start}). "
            "Save it as 'CSV UTF-8', or as Parquet."
        ) from error
    except LucasError:
        raise
    except Exception as error:
        raise InputError(f"Cannot read the table {path}: {error}") from error


def _csv_options(path: Path) -> dict[str, Any]:
    """How to read a CSV file; separator and decimal sign are told by its header."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    has_semicolons = header.count(";") > header.count(",")
    return {
        "encoding": "utf-8-sig",
        "sep": ";" if has_semicolons else ",",
        "decimal": "," if has_semicolons else ".",
        **EXACT,
        "dtype": dict.fromkeys(_TEXT, "str"),
    }


def _with_plain_index(table: pd.DataFrame) -> pd.DataFrame:
    """A CSV file's table; refused where pandas took a column for row names, and shifted the others."""
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("its rows have more fields than its header; is a comma unquoted?")
    return table


def tidy_types(table: pd.DataFrame) -> pd.DataFrame:
    """Give the columns every table shares their types; other columns are left alone."""
    check_cells(table)
    table = table.copy(deep=False)
    if "n_photos" in table and not pd.api.types.is_integer_dtype(table["n_photos"]):
        table["n_photos"] = _counts(table["n_photos"], "n_photos")
    if "year" in table:
        table["year"] = _years(table["year"])
    for column in _NUMBERS:
        if column in table:
            table[column] = _numbers(table[column], column)
    if "point_id" in table:
        table["point_id"] = point_ids(table["point_id"])
    return table


def _numbers(column: pd.Series, name: str) -> pd.Series:
    if column.dtype == np.float64:
        return column
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    texts = column[numbers.isna() & column.notna()].astype("str").str.strip()
    texts = texts[texts != ""]
    if len(texts):
        warn(
            f"{len(texts)} values of {name} are no numbers and taken as missing: "
            f"{some(texts.unique())}."
        )
    return numbers


def _counts(column: pd.Series, name: str) -> pd.Series:
    counts = pd.Series(as_floats(column.to_frame(name))[:, 0], index=column.index)
    is_bad = counts.notna() & ((counts != counts.round()) | (counts < 0) | (counts > 2**53))
    if is_bad.any():
        raise InputError(
            f"The column {name} must hold whole numbers; row {int(np.argmax(is_bad)) + 1} has "
            f"{words.value(str(column[is_bad.to_numpy()].iloc[0]))}."
        )
    return counts.astype("Int64")


def _years(column: pd.Series) -> pd.Series:
    is_date = column.dtype.kind in "mM"
    years = pd.to_numeric(column.astype("object") if is_date else column, errors="coerce")
    is_bad = years.isna() & column.notna()
    if is_bad.any():
        is_bad &= column.astype("str").str.strip() != ""
    is_bad |= years.notna() & ((years != years.round()) | (years.abs() > 9999))
    if is_bad.any():
        raise InputError(
            f"The column year must hold whole numbers such as 2018; row {int(np.argmax(is_bad)) + 1} "
            f"has {column[is_bad].iloc[0]}."
        )
    return years.astype("Int64")


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a CSV or Parquet file, by its ending; the file appears whole or not at all.

    Numbers are written with as many digits as bring the same float64 back.

    Raises
    ------
    InputError
        If its ending is another.
    OutputError
        If it cannot be written; a file that was there is as it was.
    """
    path = Path(path)
    if path.suffix.lower() not in TABLE_ENDINGS:
        raise InputError(f"Cannot write the table {path}: its ending must be .csv or .parquet.")
    keep_index = table.index.name is not None
    if path.suffix.lower() == ".parquet":
        return write_atomically(path, lambda tmp: table.to_parquet(tmp, index=keep_index))
    return write_atomically(
        path,
        lambda tmp: table.to_csv(
            tmp, index=keep_index, encoding="utf-8", lineterminator="\n", quoting=_quoting(table)
        ),
    )


#: Environment variable that asks for CSV files which no spreadsheet runs: ``true``.
SAFE_CELLS = "LUCAS_HABITAT_SAFE_CELLS"

# What a spreadsheet takes for the beginning of a formula; it passes over the last two.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_for_people(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table that was asked for, as `write_table` does; its cells safe where that is asked for."""
    is_safe = os.environ.get(SAFE_CELLS, "").lower() in ("true", "1")
    is_csv = Path(path).suffix.lower() == ".csv"
    return write_table(with_safe_cells(table) if is_safe and is_csv else table, path)


def with_safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table in which no text begins as a formula does: such cells get an apostrophe before them.

    A file name or a label can be ``=HYPERLINK(...)``, and spreadsheets run it when they open a CSV file.
    """

    def safe(value: object) -> object:
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

    table = table.rename(columns=safe).rename_axis(index=safe)
    for name, column in table.items():
        texts = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
        if texts.dtype == object or isinstance(texts.dtype, pd.StringDtype):
            table[name] = texts.map(safe, na_action="ignore")
    if table.index.name is not None:
        table.index = table.index.map(safe)
    return table


def _quoting(table: pd.DataFrame) -> Literal[0, 2]:
    """What a CSV file quotes: what must be, or all text where some has a carriage return.

    Python's writer does not quote a carriage return where lines end otherwise, and readers take it for
    the end of a line.
    """
    texts = table.select_dtypes(["str", "object", "category"])
    has_return = any(
        texts[column].astype("str").str.contains("\r", regex=False).any() for column in texts
    )
    return csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL
