"""The survey's campaigns: years, countries, directions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._base import words
from ..errors import InputError, some
from ..photos import DIRECTIONS

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

SAME_COUNTRY = {"GR": "EL", "GB": "UK"}


def check_directions(directions: str | Iterable[str]) -> list[str]:
    """Directions as letters, each once and in the survey's order."""
    given = [d for d in directions]
    strange = [d for d in given if d not in DIRECTIONS]
    if strange or not given:
        raise InputError(
            f"{words.arg('directions')} must be some of {', '.join(DIRECTIONS)}; got {given!r} instead."
        )
    return [d for d in DIRECTIONS if d in given]


def check_years(years: int | Iterable[int] | None) -> set[int] | None:
    """Campaigns as a set; refuse what is none."""
    if years is None:
        return None
    given = list(years) if isinstance(years, Iterable) and not isinstance(years, str) else [years]
    strange = [y for y in given if y not in CAMPAIGNS]
    if strange or not given:
        raise InputError(
            f"{words.arg('years')} must be campaigns ({', '.join(map(str, CAMPAIGNS))}); got "
            f"{some(strange)!r} instead."
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
            f"{words.arg('countries')} must be two letters each, such as 'DK' or 'EL'; got "
            f"{some(given)!r} instead."
        )
    return {SAME_COUNTRY.get(c, c) for c in codes}
