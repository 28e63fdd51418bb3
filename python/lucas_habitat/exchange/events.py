"""Points as events: which, where, when and how exactly each is told."""

from __future__ import annotations

import os
import re
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import check_number
from .._base.classes import Predictions, read_predictions
from .._base.places import EUROPE, LonLat, point_positions
from .._base.tables import require_columns
from .._base.types import Floats, Table
from ..errors import InputError, some, warn
from .blurring import cells_of, new_ids, warn_of_small_cells

__all__ = ["Events", "days_of", "days_told", "locations_of", "places_of", "read_events", "told_ids"]

#: The survey's codes of countries that are not those of ISO 3166.
_ISO = {"EL": "GR", "UK": "GB"}
_DAY = re.compile(r"((?:19|20)\d\d)-(\d\d)-(\d\d)(?:[T ].*)?")

_HINT = f"Give the table that {words.call('vote')} returns."


class Places(NamedTuple):
    """Where points are told to be."""

    lonlat: LonLat
    uncertainty: Floats  # metres, whole; NaN without a position
    generalised: list[str]  # what was done to each place; empty where nothing was


class Events(NamedTuple):
    """Points of a year as they are handed on, a row each."""

    predictions: Predictions
    id: list[str]
    location: list[str]
    places: Places
    country: list[str]  # ISO 3166
    dates: list[str]  # ISO 8601: a day, an interval, or a year
    is_blurred: bool

    @property
    def years(self) -> list[int]:
        """The years of the points, each once."""
        return sorted({int(y) for y in self.predictions.table["year"].dropna()})


def read_events(
    points: Table,
    days: pd.DataFrame | None,
    uncertainty: float | str,
    grid: float | None,
    key: str | os.PathLike[str] | None,
    what: str,
) -> Events:
    """Points as events, blurred where a grid is given.

    Parameters
    ----------
    points : table or path
    days : pandas.DataFrame or None
        What `days_of` gave of the photos.
    uncertainty, grid, key
        As users give them.
    what : str
        The function that asks, for its errors.
    """
    read = read_predictions(points, what)
    table = read.table.reset_index(drop=True)
    require_columns(table, ["point_id", "n_photos"], what, _HINT)
    if "year" not in table:
        table["year"] = pd.array([pd.NA] * len(table), dtype="Int64")
    _check_once(table, what)
    location = locations_of(table["point_id"].astype("str"), grid, key)
    p = read.p
    if grid is not None:
        # In the table's order, rows of blurred points could be told by their neighbours.
        order = np.lexsort((table["year"].fillna(0).to_numpy(np.int64), np.array(location)))
        table, p = table.iloc[order].reset_index(drop=True), p[order]
        location = [location[i] for i in order]
    return Events(
        Predictions(table, read.classes, read.columns, p),
        _event_ids(location, table["year"]),
        location,
        places_of(table, uncertainty, grid),
        _countries(table),
        _dates(table, days) if grid is None else _years(table["year"]),
        grid is not None,
    )


def locations_of(
    ids: pd.Series, grid: float | None, key: str | os.PathLike[str] | None
) -> list[str]:
    """The ids by which points are handed on."""
    if grid is None:
        return told_ids(ids).tolist()
    warn_of_small_cells(ids, grid)
    new = new_ids(ids, key)
    return [new[id] for id in ids]


def _check_once(table: pd.DataFrame, what: str) -> None:
    """Refuse points without an id, and those that stand twice in a year."""
    if table["point_id"].isna().any():
        raise InputError(
            f"{what} got {int(table['point_id'].isna().sum())} rows without a point_id."
        )
    is_twice = table.duplicated(["point_id", "year"])
    if is_twice.any():
        raise InputError(
            f"{what} got points more than once in a year: {some(table['point_id'][is_twice].tolist())}. "
            "Keep one row of each."
        )


def told_ids(ids: pd.Series) -> pd.Series:
    """Ids; those that are the paths of photos without a point as file names, told apart by numbers."""
    originals = pd.Series(ids.dropna().astype("str").unique(), dtype="str")
    names = originals.map(lambda text: re.split(r"[/\\]", text)[-1])
    number = names.groupby(names).cumcount() + 1
    names = names.where(number == 1, names + " (" + number.astype("str") + ")")
    return ids.map(dict(zip(originals, names, strict=True)))


def _event_ids(location: list[str], year: pd.Series) -> list[str]:
    """Ids of points in a year, each once."""
    ids = [
        place if pd.isna(of) else f"{place}-{int(of)}"
        for place, of in zip(location, year, strict=True)
    ]
    if len(set(ids)) < len(ids):
        twice = pd.Series(ids)[pd.Series(ids).duplicated()].tolist()
        raise InputError(f"Several points would get the same event id: {some(twice)}. Rename them.")
    return ids


def places_of(table: pd.DataFrame, uncertainty: float | str, grid: float | None) -> Places:
    """Where points are told to be, in degrees, and how far off that may be."""
    exact = point_positions(table)
    doubt = np.where(np.isfinite(exact.lon), _uncertainties(table, uncertainty), np.nan)
    if grid is None:
        told = LonLat(exact.lon.round(6), exact.lat.round(6))
        return Places(told, np.ceil(doubt), [""] * len(table))
    cells = cells_of(exact, grid)
    what = f"Coordinates are those of the centre of a cell of {grid:g} m of the grid {EUROPE}"
    generalised = [f"{what}: {name}" if name else "" for name in cells.name]
    return Places(cells.centre, np.ceil(cells.radius + doubt), generalised)


def _uncertainties(table: pd.DataFrame, uncertainty: float | str) -> Floats:
    """Metres that positions may be off, of each point."""
    if not isinstance(uncertainty, str):
        check_number("uncertainty", uncertainty, 0, 1e7, open_low=True)
        return np.full(len(table), float(uncertainty))
    require_columns(
        table, [uncertainty], words.arg("uncertainty", uncertainty), "Or give a number of metres."
    )
    numbers = pd.to_numeric(table[uncertainty], errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    is_bad = ~(np.isfinite(numbers) & (numbers > 0))
    if is_bad.any():
        raise InputError(
            f"The column {uncertainty} must hold metres, more than 0; {int(is_bad.sum())} of {len(is_bad)} "
            "rows do not."
        )
    return numbers


def _countries(table: pd.DataFrame) -> list[str]:
    """The countries that points lie in, by ISO 3166; empty where unknown."""
    if "nuts0" not in table:
        return [""] * len(table)
    codes = table["nuts0"].astype("str").str.strip().str.upper()
    codes = codes.where(table["nuts0"].notna() & codes.str.fullmatch("[A-Z]{2}"), "")
    return codes.replace(_ISO).tolist()


# ---- dates ---------------------------------------------------------------------------------------


def days_of(photos: pd.DataFrame) -> pd.DataFrame | None:
    """The first and last day that photos of a point and year were taken; None where none is told."""
    days = photos[["point_id", "year"]].assign(day=days_told(photos))
    days = days.dropna(subset=["point_id", "day"])
    if days.empty:
        return None
    grouped = days.groupby(["point_id", "year"], dropna=False, sort=False)["day"]
    return grouped.agg(first="min", last="max").reset_index()


def days_told(table: pd.DataFrame) -> pd.Series:
    """The days that a table tells, as ISO text; missing where it tells none."""
    name = next((c for c in ("datetime", "date") if c in table), None)
    if name is None:
        return pd.Series([None] * len(table), index=table.index, dtype="str")
    return _days(table[name], name)


def _days(column: pd.Series, name: str) -> pd.Series:
    """Days as ISO text, of dates or of text that begins with one; missing where there is none."""
    if column.dtype.kind == "M":
        dates: pd.Series = column.dt.strftime("%Y-%m-%d").astype("str")
        return dates
    texts = column.where(column.notna(), "").astype("str").str.strip()
    days = texts.map({text: _day(text) for text in texts.unique()})
    is_bad = days.isna() & (texts != "")
    if is_bad.any():
        warn(
            f"{int(is_bad.sum())} values of {name} are no dates such as 2018-06-19 and are left out: "
            f"{some(texts[is_bad].unique())}."
        )
    return days.astype("str")


def _day(text: str) -> str | None:
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    try:
        return date(*map(int, match.groups())).isoformat()
    except ValueError:
        return None


def _dates(table: pd.DataFrame, days: pd.DataFrame | None) -> list[str]:
    """When points were seen: by the table's own dates, else its photos', else the year."""
    dates = pd.Series(_years(table["year"]), dtype="str")
    if days is not None:
        of_points = table[["point_id", "year"]].merge(days, how="left", on=["point_id", "year"])
        span = of_points["first"].where(
            of_points["first"] == of_points["last"], of_points["first"] + "/" + of_points["last"]
        )
        dates = dates.mask(span.notna(), span)
    own = days_told(table)
    return dates.mask(own.notna(), own).tolist()


def _years(year: pd.Series) -> list[str]:
    return ["" if pd.isna(y) else str(int(y)) for y in year]
