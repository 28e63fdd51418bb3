"""The columns of the survey's tables, by any of their names."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from ..errors import InputError, some
from .campaigns import PHOTO_COLUMNS

# Names of a design weight. The harmonised table has none; Eurostat gives WGT_LUCAS in files of its own, to be
# joined by point.
WEIGHTS = (
    "survey_weight",
    "wgt_lucas",
    "lucas_wgt",
    "survey_wgt_lucas",
    "point_wgt_lucas",
    "survey_wgt",
    "point_wgt",
    "wgt",
    "design_weight",
    "sampling_weight",
    "weight",
)

# The tables' names of what is read; survey_ and point_ before a name are tried too (2022).
_ALIASES = {
    "survey_weight": WEIGHTS,
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
    "survey_weight",
    *PHOTO_COLUMNS.values(),
)

_NEEDED = ("point_id", "nuts0", "lc1")

# What a column asked for is read as; all others stay text.
NUMBERS = (
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

CODES = ("lc1_spec", "lc2_spec", "lu2", "lu1_type", "lu2_type")

UNSIGNED = {"gps_long": "gps_ew", "car_longitude": "car_ew"}


def plain_name(name: str) -> str:
    """A column's name in lower case with underscores."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def find_columns(header: list[str], extra: list[str], path: Path) -> dict[str, int]:
    """Where the columns stand, by the names used here and those asked for."""
    places: dict[str, int] = {}
    plain = {plain_name(name): i for i, name in reversed(list(enumerate(header)))}
    signs = [UNSIGNED[plain_name(n)] for n in extra if plain_name(n) in UNSIGNED]
    for name in dict.fromkeys([*_READ, *extra, *signs]):
        asked = plain_name(name)
        for candidate in _ALIASES.get(asked, (asked, f"survey_{asked}", f"point_{asked}")):
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
        near = difflib.get_close_matches(plain_name(strange[0]), list(plain), 5, 0.5)
        raise InputError(
            f"{path.name} has no column {some(strange)}"
            + (f"; did you mean {' or '.join(near)}?" if near else ".")
        )
    return places
