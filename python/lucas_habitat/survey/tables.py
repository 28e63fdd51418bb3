"""LUCAS survey tables of every release as tidy rows.

The readers follow the tables' own documents and real rows of 2006 to 2018; the tables of 2018
and 2022 as Eurostat publishes them were never at hand whole, so their columns are found by name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .._base import words
from .._base.places import grid_positions, to_degrees
from .._base.signatures import checked
from ..errors import InputError, inform, some
from .campaigns import CAMPAIGNS, PHOTO_COLUMNS, check_countries, check_years
from .columns import CODES, NUMBERS, UNSIGNED, plain_name
from .raw_table import RawTable, read_raw_table
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
    read_weight,
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


@checked
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
        ``date`` (of the visit, ISO text), ``survey_weight`` (the survey's own design weight, where the
        table has one, such as ``WGT_LUCAS``; the harmonised table has none), then ``columns``.

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
    raw = read_raw_table(path, extra)
    repairs: Counter[str] = Counter()
    rows = _rows_asked_for(raw, path, only_years, only_countries)
    table = pd.DataFrame({"point_id": _read_ids(rows.text, repairs), "year": rows.year})
    _add_cover(table, rows.text, repairs)
    km_off = _add_position(table, rows.text, repairs)
    _add_visit(table, rows.text, repairs)
    if "survey_weight" in rows.text.column_names:
        table["survey_weight"] = read_column(
            rows.text, "survey_weight", read_weight, "float64", repairs
        )
    for name in extra:
        if name not in table:
            table[name] = _read_extra(rows.text, name, table["lon"], repairs)
    checked = _check_rows(table, km_off)
    repairs["repeated_rows"] += int(checked.is_repeated.sum())
    problems = _list_problems(rows, checked.problem, raw.broken)
    table = table[(checked.problem == "") & ~checked.is_repeated].reset_index(drop=True)
    n_rows = raw.text.num_rows
    if table.empty:
        raise InputError(_nothing_left(path, n_rows, only_years, only_countries, problems))
    table.attrs = {
        "source": path.name,
        "repairs": {k: int(repairs[k]) for k in _REPAIRS if repairs[k]},
        "problems": problems,
    }
    _tell(table, n_rows)
    return table


class _Rows(NamedTuple):
    """Rows of a table as text, where each stands in it (from 1), and their years."""

    text: pa.Table
    place: npt.NDArray[np.int64]
    year: pd.Series


def _rows_asked_for(
    raw: RawTable, path: Path, only_years: set[int] | None, only_countries: set[str] | None
) -> _Rows:
    """The rows of some years and countries, and those whose year cannot be right."""
    text, place = raw.text, np.arange(1, raw.text.num_rows + 1)
    if only_countries is not None:
        country = read_each(text["nuts0"], read_country, "str", Counter())
        is_wanted = country.isin(only_countries).to_numpy(dtype=bool)
        text, place = text.filter(pa.array(is_wanted)), place[is_wanted]
    if "year" in text.column_names:
        year = read_each(text["year"], read_year, "Int64", Counter())
    else:
        is_of_2022 = "survey_lc1" in raw.header
        campaign = year_of_table(path, only_years, is_of_2022)
        year = pd.Series([campaign] * text.num_rows, dtype="Int64")
    if only_years is not None:
        # A row whose year cannot be right may belong to any campaign, so it is told.
        is_wanted = (year.isin(only_years) | year.isna()).to_numpy(dtype=bool)
        text, place = text.filter(pa.array(is_wanted)), place[is_wanted]
        year = year[is_wanted].reset_index(drop=True)
    return _Rows(text, place, year)


class _Checked(NamedTuple):
    """What is wrong with each row, empty where nothing is, and which rows say what another said."""

    problem: pd.Series
    is_repeated: pd.Series


def _check_rows(table: pd.DataFrame, km_off: npt.NDArray[np.float64]) -> _Checked:
    """Tell rows that cannot be right, and rows that stand twice, from the others."""
    problem = pd.Series("", index=table.index, dtype="object")
    problem[table["year"].isna()] = f"the year is no campaign's ({', '.join(map(str, CAMPAIGNS))})"
    problem[table["point_id"].isna()] = (
        "the id names no place in Europe (8 digits: km east, km north)"
    )
    is_far = pd.Series(km_off > _WRONG_KM) & (problem == "")
    problem[is_far] = np.array(
        [
            f"its coordinates lie {km:,.0f} km from the place its id names"
            for km in km_off[is_far.to_numpy()]
        ],
        dtype=object,
    )
    is_repeated = (problem == "") & table.duplicated()
    visits = table.loc[(problem == "") & ~is_repeated, ["point_id", "year"]]
    is_contradicted = visits.duplicated(keep=False)
    problem[visits.index[is_contradicted]] = "a different row has the same point and year"
    return _Checked(problem, is_repeated)


def _list_problems(rows: _Rows, problem: pd.Series, broken: list[str]) -> dict[str, list[Any]]:
    """The rows that are left out and why; those that are no rows at the end."""
    is_wrong = (problem != "").to_numpy()
    of_broken = [None] * len(broken)
    return {
        "row": [*map(int, rows.place[is_wrong]), *of_broken],
        "point_id": [*rows.text["point_id"].filter(pa.array(is_wrong)).to_pylist(), *of_broken],
        "year": [*(None if pd.isna(y) else int(y) for y in rows.year[is_wrong]), *of_broken],
        "problem": [*problem[is_wrong], *broken],
    }


def _read_ids(text: pa.Table, repairs: Counter[str]) -> pd.Series:
    of_ids: Counter[str] = Counter()
    ids = read_each(text["point_id"], read_point_id, "str", of_ids, tidied="ids_padded")
    repairs["ids_padded"] = of_ids["ids_padded"]  # what is no id is a problem, no repair
    return ids


def _add_cover(table: pd.DataFrame, text: pa.Table, repairs: Counter[str]) -> None:
    """Add the country, the codes of cover and use, and the share of the first cover."""
    table["nuts0"] = read_each(text["nuts0"], read_country, "str", repairs, tidied="codes_tidied")
    for name in ("lc1", "lc2", "lu1"):
        table[name] = read_column(text, name, read_code, "str", repairs, tidied="codes_tidied")
    table["lc1_perc_low"] = read_column(
        text, "lc1_perc", lambda v: read_percent(v)[0], "float64", repairs
    )
    table["lc1_perc_high"] = read_column(
        text, "lc1_perc", lambda v: read_percent(v)[1], "float64", Counter()
    )


def _add_position(
    table: pd.DataFrame, text: pa.Table, repairs: Counter[str]
) -> npt.NDArray[np.float64]:
    """Add x, y, lon, lat from the ids; give how far the table's own coordinates are off, in km."""
    table["x"], table["y"] = grid_positions(table["point_id"])
    lon, lat = to_degrees(table["x"].to_numpy(), table["y"].to_numpy())
    table["lon"], table["lat"] = lon, lat
    th_lat = read_column(text, "th_lat", read_number, "float64", repairs).to_numpy()
    th_long = read_column(text, "th_long", read_number, "float64", repairs).to_numpy()
    is_metres = np.abs(th_lat) > 1000
    km_off = np.where(
        is_metres,
        np.hypot(th_lat - table["x"], th_long - table["y"]) / 1000,
        _apart(th_long, th_lat, lon, lat),
    )
    repairs["swapped_metres"] += int((is_metres & (km_off <= _WRONG_KM)).sum())
    other_side = _apart(-th_long, th_lat, lon, lat)
    is_unsigned = ~is_metres & (km_off > _WRONG_KM) & (other_side <= _WRONG_KM)
    repairs["unsigned_longitudes"] += int(is_unsigned.sum())
    km_off = np.where(is_unsigned, other_side, km_off)
    repairs["moved"] += int(((km_off > _OFF_GRID_KM) & (km_off <= _WRONG_KM)).sum())
    return km_off


def _apart(lon1: Any, lat1: Any, lon2: Any, lat2: Any) -> npt.NDArray[np.float64]:
    """Kilometres between places near each other, to half a percent."""
    east = (lon1 - lon2) * np.cos(np.radians(lat2))
    return np.asarray(111.2 * np.hypot(east, lat1 - lat2), np.float64)


def _add_visit(table: pd.DataFrame, text: pa.Table, repairs: Counter[str]) -> None:
    """Add how and when the point was seen, and which photos were taken."""
    table["obs_type"] = read_column(text, "obs_type", read_obs_type, "str", repairs)
    table["obs_dist"] = read_column(text, "obs_dist", read_distance, "float64", repairs)
    # 8 and 88 m are distances in the field, and stand for 'not relevant' at a desk.
    is_sentinel = table["obs_dist"].isin([8, 88]) & ~table["obs_type"].isin(IN_SITU)
    repairs["not_relevant"] += int(is_sentinel.sum())
    table.loc[is_sentinel, "obs_dist"] = np.nan
    for name in PHOTO_COLUMNS.values():
        table[name] = read_column(text, name, read_taken, "boolean", repairs)
    table["date"] = read_column(text, "survey_date", read_date, "str", repairs)
    is_apart = (pd.to_numeric(table["date"].str[:4]).astype("Int64") - table["year"]).abs() > 1
    is_apart = is_apart.fillna(False).astype(bool)
    repairs["unlikely_dates"] += int(is_apart.sum())
    table["date"] = table["date"].mask(is_apart)


def _read_extra(text: pa.Table, name: str, lon: pd.Series, repairs: Counter[str]) -> pd.Series:
    """A column asked for: a code, a number with its sign, or text."""
    plain = plain_name(name)
    if plain in CODES:
        return read_each(text[name], read_code, "str", repairs, tidied="codes_tidied")
    if plain not in NUMBERS:
        return read_each(text[name], read_text, "str", repairs)
    values = read_each(text[name], read_number, "float64", repairs)
    if plain in UNSIGNED:
        side = read_column(text, UNSIGNED[plain], read_side, "float64", Counter())
        # Where the table does not say east or west, the side nearer to the point.
        nearer = np.where((values - lon).abs() <= (-values - lon).abs(), values, -values)
        signed = (side * values.abs()).fillna(pd.Series(nearer, index=values.index))
        repairs["unsigned_longitudes"] += int((signed != values)[values.notna()].sum())
        return signed
    return values


def _nothing_left(
    path: Path,
    n_rows: int,
    only_years: set[int] | None,
    only_countries: set[str] | None,
    problems: dict[str, list[Any]],
) -> str:
    """What to say where no row is left: what was asked for, and what was left out for which reason."""
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
    """Sum up what was put right and what was left out."""
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
