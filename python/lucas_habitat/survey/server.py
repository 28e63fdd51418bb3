"""The survey's server: addresses of photos, and fetching many of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from .._base import words
from .._base.signatures import checked
from ..downloads.server import Pace, StoppedError, check_url
from ..errors import DownloadError, InputError
from ..photos import DIRECTIONS
from .campaigns import CAMPAIGNS

__all__ = ["photo_url"]

BASE = "https://gisco-services.ec.europa.eu"

_ID, _NUTS0 = re.compile("[0-9]{8}"), re.compile("[A-Z]{2}")

_NAMES_2022 = {
    "P": "Point",
    "N": "North",
    "E": "East",
    "S": "South",
    "W": "West",
    "C": "CropLC1",
}

_UNREACHABLE_IN_A_ROW = 5


@checked
def photo_url(point_id: str, year: int, nuts0: str, direction: str, *, base: str = BASE) -> str:
    """The address of a photo on the survey's server.

    Parameters
    ----------
    point_id : str
        8 digits.
    year : int
        The campaign. 2022 has names of its own.
    nuts0 : str
        The country, as in the survey's table of that year.
    direction : {"P", "N", "E", "S", "W", "C"}
    base : str, optional
        The server; its photos stand under ``/lucas/photos/``.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a part is not of its form, or the server is not reached by https.

    Examples
    --------
    >>> photo_url("31603628", 2018, "UK", "N")
    'https://gisco-services.ec.europa.eu/lucas/photos/2018/UK/316/036/31603628N.jpg'
    >>> photo_url("31603628", 2022, "UK", "N")
    'https://gisco-services.ec.europa.eu/lucas/photos/2022/UK/316/036/202231603628LCLU_North.jpg'
    """
    check_url(base, "base")
    return f"{base.rstrip('/')}/lucas/photos/{photo_path(point_id, year, nuts0, direction)}"


def photo_path(point_id: object, year: Any, nuts0: object, direction: object) -> str:
    """A photo's path below the photos' folder of the server.

    Its parts come from tables: nothing but digits and letters may become part of a path.
    """
    point, country = str(point_id), str(nuts0)
    if not _ID.fullmatch(point):
        raise InputError(f"A LUCAS point has 8 digits; got {words.value(point_id)} instead.")
    if pd.isna(year) or year not in CAMPAIGNS:
        raise InputError(
            f"{words.arg('year')} must be a campaign ({', '.join(map(str, CAMPAIGNS))}); "
            f"got {words.value(year)} instead."
        )
    if not _NUTS0.fullmatch(country):
        raise InputError(
            f"{words.arg('nuts0')} must be two capital letters; got {words.value(nuts0)} instead."
        )
    if direction not in DIRECTIONS:
        raise InputError(
            f"{words.arg('direction')} must be one of {', '.join(DIRECTIONS)}; "
            f"got {words.value(direction)} instead."
        )
    name = (
        f"2022{point}LCLU_{_NAMES_2022[str(direction)]}.jpg"
        if year == 2022
        else f"{point}{direction}.jpg"
    )
    return f"{year:.0f}/{country}/{point[:3]}/{point[3:6]}/{name}"


def in_threads(
    fetch: Callable[[str], dict[str, Any]], photos: list[str], connections: int, pace: Pace
) -> Generator[dict[str, Any], None, None]:
    """Fetch photos over some connections, and give the record of each as it comes.

    Stops all of them at an error that ends the run, or when the server cannot be reached.
    """

    def run(photo: str) -> dict[str, Any]:
        try:
            return fetch(photo)
        except BaseException:
            pace.stop()  # at once: the other threads must not go on asking
            raise

    answered, in_a_row = False, 0
    pool = ThreadPoolExecutor(connections, thread_name_prefix="lucas-photo")
    try:
        for future in as_completed([pool.submit(run, photo) for photo in photos]):
            try:
                record = future.result()
            except StoppedError:
                continue  # the error that stopped it comes with another photo
            yield record
            silent = record["status"] == "unreachable"
            answered, in_a_row = answered or not silent, in_a_row + 1 if silent else 0
            if silent and (not answered or in_a_row >= _UNREACHABLE_IN_A_ROW):
                raise DownloadError(
                    f"{urlsplit(record['url']).hostname} cannot be reached: {record['error']}. Is "
                    "this computer online, is a proxy needed (HTTPS_PROXY), is the address right? "
                    "What was fetched is kept: run again to go on."
                )
    finally:
        # An error, Ctrl-C or a caller that wants no more: photos not begun are left.
        pace.stop()
        pool.shutdown(wait=True, cancel_futures=True)
