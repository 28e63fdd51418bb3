"""A file of the survey as a table of texts, whatever its packing, form and encoding."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .._base.zips import opened_zip
from ..errors import InputError, some
from .columns import find_columns, plain_name

#: Bytes that a packed table may unpack to: what all may, how many times its own, and at most. Tables of
#: the survey are packed to a tenth; the largest has 1.4 GB.
_LEAST_UNPACKED, _TIMES_PACKED, _MOST_UNPACKED = 200_000_000, 200, 16_000_000_000


class RawTable(NamedTuple):
    """The columns of interest as text, under the names used here."""

    text: pa.Table
    #: The names of all columns of the file, in lower case with underscores.
    header: list[str]
    #: What is wrong with the rows that could not be split into fields.
    broken: list[str]


def read_raw_table(path: Path, extra: list[str]) -> RawTable:
    """Read the survey's columns and those asked for.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or lacks one of the columns.
    """
    try:
        try:
            return _read(path, extra, "utf8")
        except UnicodeDecodeError:
            return _read(path, extra, "latin-1")  # takes every byte
    except InputError:
        raise
    except Exception as error:  # whatever unpacks, splits or decodes it has errors of its own
        raise InputError(
            f"Cannot read the table {path}: {error or type(error).__name__}"
        ) from error


def _read(path: Path, extra: list[str], encoding: str) -> RawTable:
    with ExitStack() as stack:
        opened = _open(path, stack)
        if opened.name.endswith(".parquet"):
            return _read_parquet(opened.file, extra, path)
        return _read_csv(opened.file, extra, path, encoding)


class _Opened(NamedTuple):
    """A table's file, unpacked, and its name in lower case."""

    file: BinaryIO
    name: str


def _open(path: Path, stack: ExitStack) -> _Opened:
    """Open a table as it is, from a .zip or from a .gz; the stack closes what was opened."""
    if not path.is_file():
        raise InputError(f"There is no table {path}.")
    name = path.name.lower()
    file: Any
    if name.endswith(".zip"):
        archive = stack.enter_context(opened_zip(path))
        member = _table_in(archive, path)
        name = member.lower()
        file = _Bounded(stack.enter_context(archive.open(member)), path)
    elif name.endswith(".gz"):
        name = name.removesuffix(".gz")
        file = _Bounded(stack.enter_context(gzip.GzipFile(path)), path)
    else:
        file = stack.enter_context(path.open("rb"))
    if not name.endswith((".csv", ".parquet")):
        raise InputError(
            f"Cannot read the table {path}: it must be .csv or .parquet, as it is, as .gz or in a "
            ".zip."
        )
    if name.endswith(".parquet") and name != path.name.lower():
        # Parquet is read from its end, to which a packed file cannot jump.
        unpacked = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(file, unpacked, 1 << 20)
        unpacked.seek(0)
        file = unpacked
    return _Opened(file, name)


class _Bounded(io.RawIOBase):
    """What a packed file holds, up to many times as much as tables are packed."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self._path = path
        self._left = self._most = min(
            max(_LEAST_UNPACKED, _TIMES_PACKED * path.stat().st_size), _MOST_UNPACKED
        )

    def readable(self) -> bool:
        return True

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                f"{self._path} unpacks to more than {self._most:,} bytes, {_TIMES_PACKED} times its own or "
                "more. If it is a table, unpack it and name the table."
            )
        return data

    def read(self, size: int = -1) -> bytes:
        return self._counted(self._file.read(min(size, 1 << 24) if size >= 0 else 1 << 24))

    def readline(self, size: int | None = -1) -> bytes:
        return self._counted(self._file.readline(-1 if size is None else size))


def _table_in(archive: zipfile.ZipFile, path: Path) -> str:
    """The name of the only table in an archive."""
    tables = [
        name
        for name in archive.namelist()
        if name.lower().endswith((".csv", ".parquet"))
        and not name.startswith("__MACOSX")
        and not os.path.basename(name).startswith(".")
    ]
    if len(tables) != 1:
        raise InputError(
            f"{path} must hold one .csv or .parquet table; it holds {some(tables) or 'none'}. "
            "Unpack it and name the table."
        )
    return tables[0]


def _read_parquet(file: BinaryIO, extra: list[str], path: Path) -> RawTable:
    parquet = pq.ParquetFile(file)
    header = parquet.schema_arrow.names
    places = find_columns(header, extra, path)
    stored = list(dict.fromkeys(header[i] for i in places.values()))
    batches, n_bytes = [], 0
    # Few rows at a time: a Parquet file of a kilobyte may hold one text a million times.
    for batch in parquet.iter_batches(8192, columns=stored):
        batch.validate(full=True)
        n_bytes += batch.nbytes
        if n_bytes > _MOST_UNPACKED:
            raise InputError(f"{path} unpacks to more than {_MOST_UNPACKED:,} bytes.")
        columns = [_as_text(batch.column(header[i])) for i in places.values()]
        batches.append(pa.record_batch(columns, names=list(places)))
    schema = pa.schema([(name, pa.string()) for name in places])
    table = pa.Table.from_batches(batches, schema)
    return RawTable(table, [plain_name(name) for name in header], [])


class _Utf8Only(io.RawIOBase):
    """Hands bytes on, and stops at the first that is no UTF-8.

    pyarrow checks only the columns it is asked for, and loses rows it cannot split where they
    hold such a byte.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._decoder.decode(data, final=not data)
        return data


def _read_csv(file: BinaryIO, extra: list[str], path: Path, encoding: str) -> RawTable:
    """Read a file of commas, semicolons or tabs, and leave out the rows that fit no header."""
    line = file.readline(1 << 20).decode("utf-8-sig" if encoding == "utf8" else encoding, "replace")
    delimiter = max(",;\t", key=line.count)
    header = next(csv.reader([line], delimiter=delimiter), [])
    places = find_columns(header, extra, path)
    # By place: a header may repeat names, quote them or hold letters of any encoding.
    names = [f"f{i}" for i in range(len(header))]
    columns = [names[i] for i in places.values()]
    broken: list[str] = []

    def skip(row: Any) -> str:
        broken.append(
            f"the row has {row.actual_columns} fields instead of {row.expected_columns}: "
            f"{row.text[:60]}"
        )
        return "skip"

    batches = pa_csv.open_csv(
        _Utf8Only(file) if encoding == "utf8" else file,
        read_options=pa_csv.ReadOptions(column_names=names, block_size=1 << 23, encoding=encoding),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(dict.fromkeys(columns)),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=False,
        ),
    )
    table = pa.Table.from_batches(list(batches), batches.schema)
    table = table.select(columns).rename_columns(list(places))
    return RawTable(table, [plain_name(name) for name in header], broken)


def _as_text(column: pa.Array) -> pa.Array:
    """Values of any type as the text that a CSV would have."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        # Ids and codes that were once numbers with gaps: 31603628.0
        column = pc.if_else(pc.is_nan(column), None, column)
        whole = pc.equal(column, pc.round(column))
        if pc.all(whole).as_py() is not False:
            column = column.cast(pa.int64())
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.date32(), safe=False)
    return column.cast(pa.string())
