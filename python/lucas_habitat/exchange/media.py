"""Photos of events: where they are to be had, what they show, whose they are."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from .._base.places import is_lucas_id
from ..errors import inform
from ..sources import base_name, is_remote, shown, split_member
from ..survey.campaigns import CAMPAIGNS
from ..survey.credit import credit_line
from ..survey.server import BASE, photo_path
from .events import Events, days_told
from .licences import Licence, licence_of

__all__ = ["Holder", "Medium", "address_of", "media_of", "media_type", "rights_of", "survey_years"]

_VIEWS = {
    "P": "View of the point",
    "N": "View to the north",
    "E": "View to the east",
    "S": "View to the south",
    "W": "View to the west",
    "C": "Close-up of the land cover",
}
_HEIC = {".heic": "image/heic", ".heif": "image/heif"}


class Rights(NamedTuple):
    """Who holds the rights of a photo, and under which licence it goes."""

    owner: str
    credit: str
    licence: Licence


class Holder(NamedTuple):
    """Whose photos are that are not the survey's."""

    name: str
    licence: Licence
    may_be_survey: bool  # whether photos of the survey's points and years are the survey's


class Medium(NamedTuple):
    """A photo as it is handed on; what is unknown or withheld is empty."""

    event: str
    identifier: str
    address: str  # where anybody can have it
    format: str
    view: str
    created: str
    rights: Rights


def media_of(photos: pd.DataFrame, events: Events, holder: Holder) -> Iterator[Medium]:
    """The photos of events, in the order of the events."""
    rows = _of_events(photos, events.predictions.table)
    is_surveys = _can_be_surveys(rows) & holder.may_be_survey
    number = rows.groupby("event").cumcount() + 1
    row: Any
    for row, i, is_the_surveys in zip(rows.itertuples(), number, is_surveys, strict=True):
        event, path = events.id[row.event], str(row.path)
        address = "" if events.is_blurred else address_of(path, row)
        yield Medium(
            event,
            f"{event}-{i}" if events.is_blurred else address or base_name(path),
            address,
            media_type(path),
            _VIEWS.get(str(row.direction), "View"),
            "" if events.is_blurred or pd.isna(row.day) else str(row.day),
            rights_of(row.year, holder, bool(is_the_surveys)),
        )


def survey_years(table: pd.DataFrame) -> list[int]:
    """The campaigns whose photos points of a table can be known by."""
    return sorted({int(year) for year in table["year"][_can_be_surveys(table)]})


def _of_events(photos: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The photos of a table's points, with the number of the row that each belongs to."""
    rows = table[["point_id", "year"]].assign(event=range(len(table)))
    points = photos["point_id"].where(photos["point_id"].notna(), photos["path"]).astype("str")
    joined = photos.assign(point_id=points).merge(rows, how="left", on=["point_id", "year"])
    n_without = int(joined["event"].isna().sum())
    if n_without:
        inform(
            f"{n_without} of {len(joined)} photos are of no point of the table and are left out."
        )
    joined = joined[joined["event"].notna()]
    joined["event"] = joined["event"].astype("int64")
    # By direction within an event: the order of files says something of their names.
    order = pd.Categorical(joined["direction"], categories=list(_VIEWS)).codes
    joined = joined.assign(view=order, day=days_told(joined))
    return joined.sort_values(["event", "view"], kind="stable").reset_index(drop=True)


def _can_be_surveys(rows: pd.DataFrame) -> pd.Series:
    """Mark the points, or their photos, that can be the survey's, by id and year."""
    is_ours = is_lucas_id(rows["point_id"].astype("str")) & rows["year"].isin(CAMPAIGNS)
    return is_ours.fillna(False).astype(bool)


def rights_of(year: object, holder: Holder, is_surveys: bool) -> Rights:
    """Whose a photo is."""
    if is_surveys:
        line = credit_line([int(str(year))])
        return Rights("European Union", line, licence_of("CC-BY-4.0"))
    return Rights(holder.name, f"(c) {holder.name}", holder.licence)


def address_of(path: str, row: object) -> str:
    """Where anybody can have a photo: its own address on the web, or that on the survey's server.

    A file is the survey's where it lies as on its server, in the folders that photos are downloaded into.
    """
    if is_remote(path):
        is_open = path.lower().startswith(("http://", "https://")) and shown(path) == path
        return path if is_open and not split_member(path) else ""
    parts = [getattr(row, name, None) for name in ("point_id", "year", "nuts0", "direction")]
    if any(part is None or pd.isna(part) for part in parts):
        return ""
    try:
        place = photo_path(*parts)
    except ValueError:
        return ""
    is_there = path.replace("\\", "/").endswith(f"/{place}")
    return f"{BASE}/lucas/photos/{place}" if is_there else ""


def media_type(path: str) -> str:
    """The media type of a photo, by the ending of its name."""
    name = base_name(path).lower()
    ending = name[name.rfind(".") :]
    return _HEIC.get(ending) or mimetypes.guess_type(name)[0] or "image/jpeg"
