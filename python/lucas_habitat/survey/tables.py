"""LUCAS survey tables of every release as tidy rows, and points chosen from them.

The readers follow the tables' own documents and real rows of 2006 to 2018; the tables of 2018
and 2022 as Eurostat publishes them were never at hand whole, so their columns are found by name.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .._base import words
from .._base.places import grid_positions, to_degrees
from ..errors import InputError, inform, some
from .campaigns import CAMPAIGNS, PHOTO_COLUMNS, check_countries, check_years
from .columns import CODES, NUMBERS, UNSIGNED, find_columns, plain_name
from .values import (
    IN_SITU,
    read_code,
    read_column,
    read_country,
    read_date,
    read_distance,
    read_each,
    read_number,
    read_obs_type,
    read_percent,
    read_point_id,
    read_side,
    read_taken,
    read_text,
    read_year,
    year_of_table,
)

__all__ = ["read_survey"]

_OFF_GRID_KM, _WRONG_KM = 0.1, 5.0
_PROBLEMS = words.either("attrs['problems']", 'attr(, "problems")', "--problems")

_REPAIRS = {
    "not_relevant": "sentinels set to missing",
    "unreadable": "values not understood, set to missing",
    "ids_padded": "ids brought to 8 digits",
    "codes_tidied": "codes stripped or upper-cased",
    "swapped_metres": "positions in swapped metres",
    "unsigned_longitudes": "longitudes given their sign",
    "moved": "positions 0.1 to 5 km off, moved to the id's",
    "unlikely_dates": "dates not of the campaign, set to missing",
    "repeated_rows": "rows standing twice, kept once",
}


def read_survey(
    source: str | os.PathLike[str],
    *,
    years: int | Iterable[int] | None = None,
    countries: str | Iterable[str] | None = None,
    columns: str | Iterable[str] = (),
) -> pd.DataFrame:
    """Read a LUCAS survey table as tidy rows, one a point and year.

    Takes the harmonised table of 2006 to 2018, whole or one year's, and Eurostat's own tables
    of 2018 and 2022: columns are found by name, whatever their order and case. Where a point
    lies follows from its id alone, which is its place on the 1 km grid of EPSG:3035; the
    table's own coordinates serve to check it.

    Parameters
    ----------
    source : path
        A ``.csv`` (commas, semicolons or tabs) or ``.parquet`` file, also as ``.gz``, or a
        ``.zip`` with one of them.
    years : int or iterable of int, optional
        Campaigns to keep: 2006, 2009, 2012, 2015, 2018, 2022. A table without a column of
        years, as Eurostat's, is of the one year given; otherwise of that in its file name, or
        of 2022 if its columns are named so.
    countries : str or iterable of str, optional
        Countries to keep, as in the survey: EL for Greece, UK for the United Kingdom.
    columns : str or iterable of str, optional
        Further columns of the table to keep. They stay text, stripped; positions, distances
        and precisions become numbers, and ``gps_long`` and ``car_longitude``, which are
        unsigned in the table, are given their sign.

    Returns
    -------
    pandas.DataFrame
        In the table's order: ``point_id`` (8 digits, text), ``year`` (Int64), ``nuts0``,
        ``lc1``, ``lc2`` (a second cover), ``lu1`` (codes, upper case), ``lc1_perc_low`` and
        ``lc1_perc_high`` (the share of the first cover, percent, 0 to 100: the ends of its
        class, or twice the same where the table has a number), ``x``, ``y`` (EPSG:3035,
        metres) and ``lon``, ``lat`` (WGS84, degrees, west negative), all four from the id;
        ``obs_type`` (the harmonised table's words), ``obs_dist`` (metres from observer to
        point), ``photo_point``, ``photo_north``, ``photo_east``, ``photo_south``,
        ``photo_west`` (boolean; missing where the table does not say whether it was taken),
        ``date`` (of the visit, ISO text), then ``columns``.

        ``attrs["repairs"]`` counts the values put right, by kind, in all rows of the years and
        countries asked for. ``attrs["problems"]`` holds the
        rows that cannot be right and were left out, as a dict of equally long lists ``row``
        (its place in the table, from 1; None for a row that could not be split into fields),
        ``point_id``, ``year``, ``problem``; ``pandas.DataFrame(table.attrs["problems"])`` shows
        them. Such rows have an id that names no place in Europe, a year without a campaign,
        coordinates more than 5 km from the id's place, or share point and year with a
        different row (then all of them are left out).

    Warns
    -----
    LucasMessage
        Sums up repairs and problems.

    Raises
    ------
    InputError
        If the file cannot be read as a table, lacks ``point_id``, ``nuts0``, ``lc1`` or a column
        asked for, or no row is left.

    References
    ----------
    d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for field
    surveys from 2006 to 2018 in the European Union. Scientific Data 7:352.
    doi:10.1038/s41597-020-00675-z

    Examples
    --------
    >>> survey = read_survey("lucas_harmo_uf.csv", countries="DK")     # doctest: +SKIP
    """
    path = Path(source)
    only_years, only_countries = check_years(years), check_countries(countries)
    extra = list(dict.fromkeys([columns] if isinstance(columns, str) else columns))
    raw, broken, prefixed = _read_text(path, extra)
    n_rows = raw.num_rows
    repairs: Counter[str] = Counter()
    if only_countries is not None:
        code = read_each(raw["nuts0"], read_country, "str", Counter())
        raw = raw.filter(pa.array(code.isin(only_countries)))
    row = raw["_row"].to_numpy()
    if "year" in raw.column_names:
        year = read_each(raw["year"], read_year, "Int64", Counter())
    else:
        year = pd.Series([year_of_table(path, only_years, prefixed)] * raw.num_rows, dtype="Int64")
    of_ids: Counter[str] = Counter()
    ids = read_each(raw["point_id"], read_point_id, "str", of_ids, tidied="ids_padded")
    repairs["ids_padded"] = of_ids["ids_padded"]  # what is no id is a problem, no repair
    problem = pd.Series("", index=ids.index, dtype="object")
    problem[year.isna()] = f"the year is no campaign's ({', '.join(map(str, CAMPAIGNS))})"
    problem[ids.isna()] = "the id names no place in Europe (8 digits: km east, km north)"
    if only_years is not None:
        # A row whose year cannot be right may belong to any campaign, so it is told.
        kept = (year.isin(only_years) | year.isna()).to_numpy()
        raw, row = raw.filter(pa.array(kept)), row[kept]
        year, ids, problem = (s[kept].reset_index(drop=True) for s in (year, ids, problem))
    table = pd.DataFrame({"point_id": ids, "year": year})
    table["nuts0"] = read_each(raw["nuts0"], read_country, "str", repairs, tidied="codes_tidied")
    for name in ("lc1", "lc2", "lu1"):
        table[name] = read_column(raw, name, read_code, "str", repairs, tidied="codes_tidied")
    table["lc1_perc_low"] = read_column(
        raw, "lc1_perc", lambda v: read_percent(v)[0], "float64", repairs
    )
    table["lc1_perc_high"] = read_column(
        raw, "lc1_perc", lambda v: read_percent(v)[1], "float64", Counter()
    )
    off = _locate(table, raw, repairs)
    far = pd.Series(off > _WRONG_KM) & (problem == "")
    for i, km in zip(far.index[far], off[far], strict=True):
        problem.loc[i] = f"its coordinates lie {km:,.0f} km from the place its id names"
    _add_visit(table, raw, repairs)
    for name in extra:
        if name not in table:
            table[name] = _extra(raw, name, table["lon"], repairs)
    fine = problem == ""
    same = fine & table.duplicated()
    repairs["repeated_rows"] += int(same.sum())
    unlike = fine & ~same
    unlike[unlike] = table.loc[unlike, ["point_id", "year"]].duplicated(keep=False)
    problem[unlike] = "a different row has the same point and year"
    wrong = (problem != "").to_numpy()
    problems = {
        "row": [*map(int, row[wrong]), *[None] * len(broken)],
        "point_id": [*raw["point_id"].filter(pa.array(wrong)).to_pylist(), *[None] * len(broken)],
        "year": [*_plain(year[wrong]), *[None] * len(broken)],
        "problem": [*problem[wrong], *broken],
    }
    table = table[~wrong & ~same].reset_index(drop=True)
    if table.empty:
        raise InputError(_nothing_left(path, n_rows, only_years, only_countries, problems))
    table.attrs = {
        "source": path.name,
        "repairs": {k: int(repairs[k]) for k in _REPAIRS if repairs[k]},
        "problems": problems,
    }
    _tell(table, n_rows)
    return table


# Reading: any file to a table of text columns under the names used here.
def _read_text(path: Path, extra: list[str]) -> tuple[pa.Table, list[str], bool]:
    """The columns of interest as text, the rows that are no rows, and whether the table is 2022's."""
    broken: list[str] = []
    for encoding in ("utf8", "latin-1"):
        broken.clear()
        try:
            with ExitStack() as stack:
                file, name = _open(path, stack)
                if name.endswith(".parquet"):
                    table, header = _parquet(file, extra, path)
                else:
                    table, header = _csv(file, extra, path, encoding, broken)
            break
        except InputError:
            raise
        except UnicodeDecodeError:  # latin-1 takes every byte
            continue
        except (EOFError, OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
                csv.Error, pa.ArrowException) as error:  # fmt: skip
            raise InputError(
                f"Cannot read the table {path}: {error or type(error).__name__}"
            ) from error
    rows = pa.array(np.arange(1, table.num_rows + 1))
    return table.append_column("_row", rows), broken, "survey_lc1" in header


def _open(path: Path, stack: ExitStack) -> tuple[BinaryIO, str]:
    """Open a table, unpacked, and say its name."""
    if not path.is_file():
        raise InputError(f"There is no table {path}.")
    name = path.name.lower()
    file: BinaryIO
    if name.endswith(".zip"):
        archive = stack.enter_context(zipfile.ZipFile(path))
        tables = [
            m
            for m in archive.namelist()
            if m.lower().endswith((".csv", ".parquet"))
            and not m.startswith("__MACOSX")
            and not os.path.basename(m).startswith(".")
        ]
        if len(tables) != 1:
            raise InputError(
                f"{path} must hold one .csv or .parquet table; it holds "
                f"{some(tables) or 'none'}. Unpack it and name the table."
            )
        name = tables[0].lower()
        file = stack.enter_context(archive.open(tables[0]))  # type: ignore[assignment]
    elif name.endswith(".gz"):
        name = name[:-3]
        file = stack.enter_context(gzip.GzipFile(path))  # type: ignore[assignment]
    else:
        return _known(path, name, stack.enter_context(path.open("rb")))
    if name.endswith(".parquet"):  # is read from its end
        plain = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(file, plain, 1 << 20)
        plain.seek(0)
        return _known(path, name, plain)
    return _known(path, name, file)


def _known(path: Path, name: str, file: BinaryIO) -> tuple[BinaryIO, str]:
    if not name.endswith((".csv", ".parquet")):
        raise InputError(
            f"Cannot read the table {path}: it must be .csv or .parquet, as it is, as .gz or in a "
            ".zip."
        )
    return file, name


def _parquet(file: BinaryIO, extra: list[str], path: Path) -> tuple[pa.Table, list[str]]:
    parquet = pq.ParquetFile(file)
    header = parquet.schema_arrow.names
    places = find_columns(header, extra, path)
    kept = list(dict.fromkeys(header[i] for i in places.values()))
    batches = []
    for batch in parquet.iter_batches(columns=kept):
        columns = [_as_text(batch.column(header[i])) for i in places.values()]
        batches.append(pa.record_batch(columns, names=list(places)))
    schema = pa.schema([(name, pa.string()) for name in places])
    return pa.Table.from_batches(batches, schema), [plain_name(h) for h in header]


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


def _csv(
    file: BinaryIO, extra: list[str], path: Path, encoding: str, broken: list[str]
) -> tuple[pa.Table, list[str]]:
    line = file.readline(1 << 20).decode("utf-8-sig" if encoding == "utf8" else encoding, "replace")
    delimiter = max(",;\t", key=line.count)
    header = next(csv.reader([line], delimiter=delimiter), [])
    places = find_columns(header, extra, path)
    # By place: a header may repeat names, quote them or hold letters of any encoding.
    names = [f"f{i}" for i in range(len(header))]
    kept = [names[i] for i in places.values()]

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
            include_columns=list(dict.fromkeys(kept)),
            column_types=dict.fromkeys(kept, pa.string()),
            strings_can_be_null=False,
        ),
    )
    table = pa.Table.from_batches(list(batches), batches.schema)
    table = table.select(kept).rename_columns(list(places))
    return table, [plain_name(h) for h in header]


def _as_text(column: pa.Array) -> pa.Array:
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


def _extra(raw: pa.Table, name: str, lon: pd.Series, repairs: Counter[str]) -> pd.Series:
    plain = plain_name(name)
    if plain in CODES:
        return read_each(raw[name], read_code, "str", repairs, tidied="codes_tidied")
    if plain not in NUMBERS:
        return read_each(raw[name], read_text, "str", repairs)
    values = read_each(raw[name], read_number, "float64", repairs)
    if plain in UNSIGNED:
        side = read_column(raw, UNSIGNED[plain], read_side, "float64", Counter())
        # Where the table does not say east or west, the side nearer to the point.
        nearer = np.where((values - lon).abs() <= (-values - lon).abs(), values, -values)
        signed = (side * values.abs()).fillna(pd.Series(nearer, index=values.index))
        repairs["unsigned_longitudes"] += int((signed != values)[values.notna()].sum())
        return signed
    return values


def _add_visit(table: pd.DataFrame, raw: pa.Table, repairs: Counter[str]) -> None:
    """Add how and when the point was seen, and which photos were taken."""
    table["obs_type"] = read_column(raw, "obs_type", read_obs_type, "str", repairs)
    table["obs_dist"] = read_column(raw, "obs_dist", read_distance, "float64", repairs)
    # 8 and 88 m are distances in the field, and stand for 'not relevant' at a desk.
    desk = table["obs_dist"].isin([8, 88]) & ~table["obs_type"].isin(IN_SITU)
    repairs["not_relevant"] += int(desk.sum())
    table.loc[desk, "obs_dist"] = np.nan
    for name in PHOTO_COLUMNS.values():
        table[name] = read_column(raw, name, read_taken, "boolean", repairs)
    table["date"] = read_column(raw, "survey_date", read_date, "str", repairs)
    apart = (pd.to_numeric(table["date"].str[:4]).astype("Int64") - table["year"]).abs() > 1
    apart = apart.fillna(False).astype(bool)
    repairs["unlikely_dates"] += int(apart.sum())
    table["date"] = table["date"].mask(apart)


def _locate(table: pd.DataFrame, raw: pa.Table, repairs: Counter[str]) -> npt.NDArray[np.float64]:
    """Add x, y, lon, lat from the ids; give how far the table's own coordinates are off, in km."""
    table["x"], table["y"] = grid_positions(table["point_id"])
    lon, lat = to_degrees(table["x"].to_numpy(), table["y"].to_numpy())
    table["lon"], table["lat"] = lon, lat
    th_lat = read_column(raw, "th_lat", read_number, "float64", repairs).to_numpy()
    th_long = read_column(raw, "th_long", read_number, "float64", repairs).to_numpy()
    metres = np.abs(th_lat) > 1000
    off = np.where(
        metres,
        np.hypot(th_lat - table["x"], th_long - table["y"]) / 1000,
        _apart(th_long, th_lat, lon, lat),
    )
    repairs["swapped_metres"] += int((metres & (off <= _WRONG_KM)).sum())
    other_side = _apart(-th_long, th_lat, lon, lat)
    unsigned = ~metres & (off > _WRONG_KM) & (other_side <= _WRONG_KM)
    repairs["unsigned_longitudes"] += int(unsigned.sum())
    off = np.where(unsigned, other_side, off)
    repairs["moved"] += int(((off > _OFF_GRID_KM) & (off <= _WRONG_KM)).sum())
    return off


def _apart(lon1: Any, lat1: Any, lon2: Any, lat2: Any) -> npt.NDArray[np.float64]:
    """Kilometres between places near each other, to half a percent."""
    east = (lon1 - lon2) * np.cos(np.radians(lat2))
    return np.asarray(111.2 * np.hypot(east, lat1 - lat2), np.float64)


def _plain(years: pd.Series) -> list[int | None]:
    return [None if pd.isna(y) else int(y) for y in years]


def _nothing_left(
    path: Path,
    n_rows: int,
    only_years: set[int] | None,
    only_countries: set[str] | None,
    problems: dict[str, list[Any]],
) -> str:
    asked = [
        *([f"of {', '.join(map(str, sorted(only_years)))}"] if only_years else []),
        *([f"in {', '.join(sorted(only_countries))}"] if only_countries else []),
    ]
    text = (
        f"None of the {n_rows:,} rows of {path.name} is left {' and '.join(asked)}".rstrip() + "."
    )
    kinds = Counter(str(what).split(":")[0] for what in problems["problem"])
    if kinds:
        left_out = [f"{n:,}, as {what}" for what, n in kinds.most_common()]
        text += f" Left out: {some(left_out, 3)}."
    elif only_countries == {"DK"} and only_years == {2006}:
        text += " Denmark was not surveyed in 2006."
    return text


def _tell(table: pd.DataFrame, n_rows: int) -> None:
    repairs, problems = table.attrs["repairs"], table.attrs["problems"]["problem"]
    if not repairs and not problems:
        return
    text = f"{table.attrs['source']}: {len(table):,} of {n_rows:,} rows kept."
    if repairs:
        text += " " + ", ".join(f"{_REPAIRS[k]}: {n:,}" for k, n in repairs.items()) + "."
    if problems:
        text += (
            f" {len(problems):,} rows that cannot be right are left out; {_PROBLEMS} lists them."
        )
    inform(text)
