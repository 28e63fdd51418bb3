"""LUCAS survey tables of every release as tidy rows, and points chosen from them.

The readers follow the tables' own documents and real rows of 2006 to 2018; the tables of 2018
and 2022 as Eurostat publishes them were never at hand whole, so their columns are found by name.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import io
import math
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyproj import Transformer

from ._tables import require_columns
from .errors import InputError, check_number, inform, some
from .nomenclature import assign_habitat
from .photos import DIRECTIONS

__all__ = ["read_survey", "select_points"]

#: The years of the survey's campaigns.
CAMPAIGNS = (2006, 2009, 2012, 2015, 2018, 2022)
#: The column that says whether the photo of a direction was taken; close-ups have none.
PHOTO_COLUMNS = {
    "P": "photo_point",
    "N": "photo_north",
    "E": "photo_east",
    "S": "photo_south",
    "W": "photo_west",
}

# The tables' names of what is read; survey_ and point_ before a name are tried too (2022).
_ALIASES = {
    "th_lat": ("th_lat", "point_lat", "point_latitude"),
    "th_long": ("th_long", "th_lon", "point_long", "point_lon", "point_longitude"),
}
_READ = (
    "point_id",
    "year",
    "nuts0",
    "lc1",
    "lc2",
    "lu1",
    "lc1_perc",
    "th_lat",
    "th_long",
    "obs_type",
    "obs_dist",
    "survey_date",
    *PHOTO_COLUMNS.values(),
)
_NEEDED = ("point_id", "nuts0", "lc1")
_OBS_TYPES = {
    "1": "In situ < 100 m",
    "2": "In situ > 100 m",
    "3": "In situ PI",
    "4": "In situ PI not possible",
    "5": "Out of national territory",
    "6": "Out of EU",
    "7": "In office PI",
}
_IN_SITU = ("In situ < 100 m", "In situ > 100 m")
# What a column asked for is read as; all others stay text.
_NUMBERS = (
    "th_lat",
    "th_long",
    "gps_lat",
    "gps_long",
    "gps_altitude",
    "gps_prec",
    "car_latitude",
    "car_longitude",
    "obs_radius",
    "th_gps_dist",
)
_CODES = ("lc1_spec", "lc2_spec", "lu2", "lu1_type", "lu2_type")
_UNSIGNED = {"gps_long": "gps_ew", "car_longitude": "car_ew"}

_BLANK = frozenset(["", "na", "n/a", "nan", "null", "none"])
_NO_CODE = frozenset(["0", "8", "88", "888", "8888", "not relevant"])
# LUCAS countries (from the Azores to Cyprus, from the Canaries to Lapland) in EPSG:3035, km.
_EAST, _NORTH = (800, 7500), (800, 5600)
_OFF_GRID_KM, _WRONG_KM = 0.1, 5.0
_SAME_COUNTRY = {"GR": "EL", "GB": "UK"}

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


class _NotRelevantError(Exception):
    """A value that stands for 'not relevant'."""


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
        code = _each(raw["nuts0"], _country, "str", Counter())
        raw = raw.filter(pa.array(code.isin(only_countries)))
    row = raw["_row"].to_numpy()
    if "year" in raw.column_names:
        year = _each(raw["year"], _year, "Int64", Counter())
    else:
        year = pd.Series([_year_of_table(path, only_years, prefixed)] * raw.num_rows, dtype="Int64")
    of_ids: Counter[str] = Counter()
    ids = _each(raw["point_id"], _point_id, "str", of_ids, tidied="ids_padded")
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
    table["nuts0"] = _each(raw["nuts0"], _country, "str", repairs, tidied="codes_tidied")
    for name in ("lc1", "lc2", "lu1"):
        table[name] = _column(raw, name, _code, "str", repairs, tidied="codes_tidied")
    table["lc1_perc_low"] = _column(raw, "lc1_perc", lambda v: _percent(v)[0], "float64", repairs)
    table["lc1_perc_high"] = _column(
        raw, "lc1_perc", lambda v: _percent(v)[1], "float64", Counter()
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


def select_points(
    survey: pd.DataFrame,
    *,
    scheme: str | os.PathLike[str] | pd.DataFrame | Mapping[str, str | None] = "pilot",
    countries: str | Iterable[str] | None = None,
    years: int | Iterable[int] | None = None,
    classes: str | Iterable[str] | None = None,
    field_only: bool = True,
    max_distance: float | None = 100,
    directions: str | Iterable[str] = ("P", "N", "E", "S", "W"),
    min_cover: float | None = None,
    n_per_class: int | None = None,
    n: int | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Choose points of the survey to train on, test on or map.

    Parameters
    ----------
    survey : pandas.DataFrame
        What `read_survey` gives.
    scheme : optional
        What turns land cover codes into classes, as in `assign_habitat`. Points whose code has
        no class are left out.
    countries : str or iterable of str, optional
        Countries to choose from.
    years : int or iterable of int, optional
        Campaigns to choose from. A point then comes once for each of them. Without, it comes
        once: as in its latest campaign that meets the other conditions.
    classes : str or iterable of str, optional
        Classes of the scheme to keep.
    field_only : bool, default True
        Only points observed in the field, not those interpreted from aerial photos.
    max_distance : float or None, default 100
        The farthest that the observer may have stood from the point, in metres; beyond 100 m
        the photos do not show it. A field observation without a distance counts by its type
        (``In situ < 100 m``). None: any distance.
    directions : str or iterable of str, default P, N, E, S, W
        Photos that must have been taken. A photo counts as missing only where the table says
        that it was not taken: the tables of 2022 may say nothing, nor do any of close-ups.
    min_cover : float, optional
        Pure cover: points whose first cover takes at least this share (percent, 0 to 100) by the
        lower end of its class, and that have no second. Rows without a share, such as all of
        2006, are left out.
    n_per_class : int, optional
        Draw a balanced sample: so many rows of each class. Class shares then differ from the
        land's, as in `split_photos`.
    n : int, optional
        Draw a sample of so many rows, the classes in proportion to their numbers.
    seed : int, default 1
        The same seed and rows, in any order, give the same sample.

    Returns
    -------
    pandas.DataFrame
        The chosen rows in order of point and year, with ``habitat``: what `download_photos`
        takes. ``attrs["selection"]`` counts the rows left after each step.

    Warns
    -----
    LucasMessage
        How many rows each condition left.

    Raises
    ------
    InputError
        If an argument cannot be, no row is left, or there are too few for the sample.

    See Also
    --------
    split_photos : keeps all years of a point on one side.

    Examples
    --------
    >>> points = select_points(survey, countries="DK", n_per_class=60)   # doctest: +SKIP
    """
    require_columns(
        survey, ["point_id", "year", "nuts0", "lc1"], "select_points()", "read_survey() gives it."
    )
    if n is not None and n_per_class is not None:
        raise InputError("Give n (proportional) or n_per_class (balanced), not both.")
    for name, number in (("n", n), ("n_per_class", n_per_class)):
        if number is not None:
            check_number(name, number, 1, whole=True)
    steps = {"rows of the survey": len(survey)}
    table = survey.copy()
    table.attrs = {}

    def keep(fits: pd.Series, what: str) -> None:
        nonlocal table
        table = table[fits.fillna(False).astype(bool)]
        steps[what] = len(table)
        if table.empty:
            raise InputError(f"No row is left: {_counts(steps)}.")

    only_years, only_countries = check_years(years), check_countries(countries)
    if table["nuts0"].isna().any():  # their photos have no address
        keep(table["nuts0"].notna(), "with a country")
    if only_countries is not None:
        keep(table["nuts0"].isin(only_countries), f"in {', '.join(sorted(only_countries))}")
    if only_years is not None:
        keep(table["year"].isin(only_years), f"of {', '.join(map(str, sorted(only_years)))}")
    if field_only:
        _need(table, ["obs_type"], "field_only=True")
        keep(table["obs_type"].isin(_IN_SITU), "seen in the field")
    if max_distance is not None:
        check_number("max_distance", max_distance, 0)
        _need(table, ["obs_dist", "obs_type"], "max_distance")
        near = table["obs_dist"] <= max_distance
        if max_distance >= 100:
            near |= table["obs_dist"].isna() & (table["obs_type"] == _IN_SITU[0])
        keep(near, f"from at most {max_distance:g} m")
    taken = [PHOTO_COLUMNS[d] for d in check_directions(directions) if d in PHOTO_COLUMNS]
    if taken:
        _need(table, taken, "directions")
        keep(~(table[taken] == False).any(axis=1), "with their photos")  # noqa: E712
    if min_cover is not None:
        check_number("min_cover", min_cover, 0, 100)
        _need(table, ["lc1_perc_low", "lc2"], "min_cover")
        keep(
            (table["lc1_perc_low"] >= min_cover) & table["lc2"].isna(),
            f"of one cover on at least {min_cover:g} %",
        )
    table = assign_habitat(table, scheme)
    keep(table["habitat"].notna(), "with a class")
    if classes is not None:
        wanted = {classes} if isinstance(classes, str) else set(classes)
        strange = sorted(wanted - set(table["habitat"]))
        if strange:
            raise InputError(
                f"No row has the class {some(strange)}; there are "
                f"{', '.join(sorted(table['habitat'].unique()))}."
            )
        keep(table["habitat"].isin(wanted), f"of the class {', '.join(sorted(wanted))}")
    table = table.sort_values(["point_id", "year"]).reset_index(drop=True)
    if only_years is None:
        keep(~table["point_id"].duplicated(keep="last"), "one year a point")
    if n_per_class is not None or n is not None:
        table = draw_rows(table, n_per_class, n, seed)
        steps["drawn"] = len(table)
    table = table.reset_index(drop=True)
    table.attrs = {"selection": steps}
    found = table["habitat"].value_counts().sort_index()
    inform(f"{_counts(steps)}: " + ", ".join(f"{k} {v}" for k, v in found.items()) + ".")
    return table


def check_directions(directions: str | Iterable[str]) -> list[str]:
    """Directions as letters, each once and in the survey's order."""
    given = [d for d in directions]
    strange = [d for d in given if d not in DIRECTIONS]
    if strange or not given:
        raise InputError(
            f"directions must be some of {', '.join(DIRECTIONS)}; got {given!r} instead."
        )
    return [d for d in DIRECTIONS if d in given]


def _need(table: pd.DataFrame, columns: list[str], what: str) -> None:
    require_columns(table, columns, what, "read_survey() gives it.")


def _counts(steps: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in steps.items())


def draw_rows(
    table: pd.DataFrame, n_per_class: int | None, n: int | None, seed: int
) -> pd.DataFrame:
    """Draw so many rows of each class, or so many in all with the classes in proportion."""
    counts = table["habitat"].value_counts().sort_index()
    if n_per_class is not None:
        if counts.min() < n_per_class:
            raise InputError(
                f"n_per_class={n_per_class} rows were asked for, but the classes have "
                + ", ".join(f"{k} {v}" for k, v in counts.items())
                + ". Ask for fewer, or relax the conditions that rows were chosen by."
            )
        draw = np.full(len(counts), int(n_per_class))
    else:
        wanted = int(n or 0)
        if wanted > len(table):
            raise InputError(f"n={wanted} rows were asked for, but only {len(table)} are left.")
        exact = counts.to_numpy() * (wanted / len(table))
        draw = np.floor(exact + 1e-9).astype(int)
        # What rounding down left over goes to the classes that lost most by it.
        draw[np.argsort(draw - exact, kind="stable")[: wanted - draw.sum()]] += 1
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for label, number in zip(counts.index, draw, strict=True):
        rows = np.flatnonzero(table["habitat"] == label)
        chosen.extend(rng.choice(rows, number, replace=False))
    return table.iloc[sorted(chosen)]


def check_years(years: int | Iterable[int] | None) -> set[int] | None:
    """Campaigns as a set; refuse what is none."""
    if years is None:
        return None
    given = list(years) if isinstance(years, Iterable) and not isinstance(years, str) else [years]
    strange = [y for y in given if y not in CAMPAIGNS]
    if strange or not given:
        raise InputError(
            f"years must be campaigns ({', '.join(map(str, CAMPAIGNS))}); got {some(strange)!r} "
            "instead."
        )
    return {int(y) for y in given}


def check_countries(countries: str | Iterable[str] | None) -> set[str] | None:
    """Countries as a set of the survey's codes; refuse what is none."""
    if countries is None:
        return None
    given = [countries] if isinstance(countries, str) else list(countries)
    codes = [c.strip().upper() if isinstance(c, str) else "" for c in given]
    if not codes or not all(re.fullmatch("[A-Z]{2}", c) for c in codes):
        raise InputError(
            f"countries must be two letters each, such as 'DK' or 'EL'; got {some(given)!r} instead."
        )
    return {_SAME_COUNTRY.get(c, c) for c in codes}


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
    places = _find(header, extra, path)
    kept = list(dict.fromkeys(header[i] for i in places.values()))
    batches = []
    for batch in parquet.iter_batches(columns=kept):
        columns = [_as_text(batch.column(header[i])) for i in places.values()]
        batches.append(pa.record_batch(columns, names=list(places)))
    schema = pa.schema([(name, pa.string()) for name in places])
    return pa.Table.from_batches(batches, schema), [_plain_name(h) for h in header]


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
    places = _find(header, extra, path)
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
    return table, [_plain_name(h) for h in header]


def _plain_name(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _find(header: list[str], extra: list[str], path: Path) -> dict[str, int]:
    """Where the columns stand, by the names used here and those asked for."""
    places: dict[str, int] = {}
    plain = {_plain_name(name): i for i, name in reversed(list(enumerate(header)))}
    signs = [_UNSIGNED[_plain_name(n)] for n in extra if _plain_name(n) in _UNSIGNED]
    for name in dict.fromkeys([*_READ, *extra, *signs]):
        known = _plain_name(name)
        for candidate in _ALIASES.get(known, (known, f"survey_{known}", f"point_{known}")):
            if candidate in plain:
                places.setdefault(name, plain[candidate])
    missing = [n for n in _NEEDED if n not in places]
    if missing:
        raise InputError(
            f"{path.name} is no LUCAS survey table: it has no column {', '.join(missing)}. Its "
            f"columns are {some(header, 8) or 'none'}."
        )
    strange = [n for n in extra if n not in places]
    if strange:
        near = difflib.get_close_matches(_plain_name(strange[0]), list(plain), 5, 0.5)
        raise InputError(
            f"{path.name} has no column {some(strange)}"
            + (f"; did you mean {' or '.join(near)}?" if near else ".")
        )
    return places


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


# Converting: each distinct value of a column is read once.


def _each(
    column: pa.ChunkedArray,
    read: Callable[[str], Any],
    dtype: Any,
    repairs: Counter[str],
    tidied: str = "",
) -> pd.Series:
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
            except _NotRelevantError:
                repairs["not_relevant"] += int(n)
            except ValueError:
                repairs["unreadable"] += int(n)
        values.append(value)
    # Place -1, a missing value, is the last.
    array = pd.array([*values, None], dtype=dtype)
    return pd.Series(array.take(np.where(places < 0, len(texts), places)))


def _column(
    raw: pa.Table,
    name: str,
    read: Callable[[str], Any],
    dtype: Any,
    repairs: Counter[str],
    tidied: str = "",
) -> pd.Series:
    if name not in raw.column_names:
        return pd.Series(pd.array([None] * raw.num_rows, dtype=dtype))
    return _each(raw[name], read, dtype, repairs, tidied)


def _extra(raw: pa.Table, name: str, lon: pd.Series, repairs: Counter[str]) -> pd.Series:
    plain = _plain_name(name)
    if plain in _CODES:
        return _each(raw[name], _code, "str", repairs, tidied="codes_tidied")
    if plain not in _NUMBERS:
        return _each(raw[name], _text, "str", repairs)
    values = _each(raw[name], _number, "float64", repairs)
    if plain in _UNSIGNED:
        side = _column(raw, _UNSIGNED[plain], _side, "float64", Counter())
        # Where the table does not say east or west, the side nearer to the point.
        nearer = np.where((values - lon).abs() <= (-values - lon).abs(), values, -values)
        signed = (side * values.abs()).fillna(pd.Series(nearer, index=values.index))
        repairs["unsigned_longitudes"] += int((signed != values)[values.notna()].sum())
        return signed
    return values


def _add_visit(table: pd.DataFrame, raw: pa.Table, repairs: Counter[str]) -> None:
    """Add how and when the point was seen, and which photos were taken."""
    table["obs_type"] = _column(raw, "obs_type", _obs_type, "str", repairs)
    table["obs_dist"] = _column(raw, "obs_dist", _distance, "float64", repairs)
    # 8 and 88 m are distances in the field, and stand for 'not relevant' at a desk.
    desk = table["obs_dist"].isin([8, 88]) & ~table["obs_type"].isin(_IN_SITU)
    repairs["not_relevant"] += int(desk.sum())
    table.loc[desk, "obs_dist"] = np.nan
    for name in PHOTO_COLUMNS.values():
        table[name] = _column(raw, name, _taken, "boolean", repairs)
    table["date"] = _column(raw, "survey_date", _date, "str", repairs)
    apart = (pd.to_numeric(table["date"].str[:4]).astype("Int64") - table["year"]).abs() > 1
    apart = apart.fillna(False).astype(bool)
    repairs["unlikely_dates"] += int(apart.sum())
    table["date"] = table["date"].mask(apart)


def _locate(table: pd.DataFrame, raw: pa.Table, repairs: Counter[str]) -> npt.NDArray[np.float64]:
    """Add x, y, lon, lat from the ids; give how far the table's own coordinates are off, in km."""
    km = pd.to_numeric(table["point_id"]).astype("float64")
    table["x"] = np.floor(km / 10_000) * 1000.0
    table["y"] = km % 10_000 * 1000.0
    to_wgs84 = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    lon, lat = to_wgs84.transform(table["x"].to_numpy(), table["y"].to_numpy())
    table["lon"], table["lat"] = np.where(np.isfinite(lon), [lon, lat], np.nan)
    th_lat = _column(raw, "th_lat", _number, "float64", repairs).to_numpy()
    th_long = _column(raw, "th_long", _number, "float64", repairs).to_numpy()
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


def _point_id(text: str) -> str:
    digits = re.fullmatch(r"([0-9]{7,8})(\.0*)?", text)
    if not digits:
        raise ValueError
    point = digits[1].zfill(8)  # a spreadsheet drops the zero of points west of 1000 km
    if not (_EAST[0] <= int(point[:4]) <= _EAST[1] and _NORTH[0] <= int(point[4:]) <= _NORTH[1]):
        raise ValueError
    return point


def _year(text: str) -> int:
    year = float(text)
    if year not in CAMPAIGNS:
        raise ValueError
    return int(year)


def _country(text: str) -> str:
    code = text.upper()
    if not re.fullmatch("[A-Z]{2}", code):
        raise ValueError
    return _SAME_COUNTRY.get(code, code)


def _code(text: str) -> str:
    if text.lower().removesuffix(".0") in _NO_CODE:
        raise _NotRelevantError
    return text.upper()


def _text(text: str) -> str:
    if text.lower() == "not relevant":
        raise _NotRelevantError
    return text


def _number(text: str) -> float:
    if text.lower() == "not relevant":
        raise _NotRelevantError
    value = float(text.replace(",", "."))
    if value in (88.888888, 888, 8888):
        raise _NotRelevantError
    if not math.isfinite(value):
        raise ValueError
    return value


def _distance(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise ValueError
    return value


def _percent(text: str) -> tuple[float, float]:
    bare = text.replace(" ", "").replace("%", "").lower()
    if bare == "notrelevant":
        raise _NotRelevantError
    if match := re.fullmatch(r"[<≤]=?([0-9]+)", bare):
        low, high = 0.0, float(match[1])
    elif match := re.fullmatch(r"[>≥]=?([0-9]+)", bare):
        low, high = float(match[1]), 100.0
    elif match := re.fullmatch(r"([0-9]+)[-–]([0-9]+)", bare):
        low, high = float(match[1]), float(match[2])
    else:
        low = high = _number(bare)
    if not 0 <= low <= high <= 100:
        raise ValueError
    return low, high


def _obs_type(text: str) -> str:
    if text.lower() in ("not relevant", "8"):
        raise _NotRelevantError
    known = {v.lower(): v for v in _OBS_TYPES.values()}
    return _OBS_TYPES.get(text.removesuffix(".0")) or known.get(text.lower(), text)


def _taken(text: str) -> bool:
    bare = text.lower().removesuffix(".0")
    if bare in ("8", "not relevant"):
        raise _NotRelevantError
    # Some releases of 2022 hold the photo's address here.
    if bare in ("photo taken", "1", "yes", "true") or bare.startswith("http"):
        return True
    if bare in ("photo not taken", "2", "0", "no", "false"):
        return False
    raise ValueError


def _side(text: str) -> float | None:
    return {"east": 1.0, "1": 1.0, "e": 1.0, "west": -1.0, "2": -1.0, "w": -1.0}.get(text.lower())


def _date(text: str) -> str:
    if text.startswith("88") or text == "8" or text.lower() == "not relevant":
        raise _NotRelevantError
    if match := re.match(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?![0-9])", text):
        year, month, day = map(int, match.groups())
    elif match := re.match(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})(?![0-9])", text):
        day, month, year = map(int, match.groups())
    else:
        raise ValueError
    return date(year if year > 99 else 2000 + year, month, day).isoformat()


def _year_of_table(path: Path, only_years: set[int] | None, prefixed: bool) -> int:
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
        "years=, such as years=2018."
    )


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
            f" {len(problems):,} rows that cannot be right are left out; "
            "attrs['problems'] lists them."
        )
    inform(text)
