"""What the names of photos and of their folders tell: point, direction, year, split and class."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["DIRECTION_WORDS", "SPLIT_WORDS", "from_folders", "from_name"]

#: Ways to write a direction in a name or a table, in lower case.
DIRECTION_WORDS = {
    "p": "P",
    "point": "P",
    "n": "N",
    "north": "N",
    "e": "E",
    "east": "E",
    "s": "S",
    "south": "S",
    "w": "W",
    "west": "W",
    "c": "C",
    "cover": "C",
    "crop": "C",
    "closeup": "C",
    "close-up": "C",
    "croplc1": "C",
    "croplc2": "C",
}
_WORD = "point|north|east|south|west|cover|crop|closeup|close-up"
_NAMES = [
    # 31603628N.jpg, the survey's own
    re.compile(r"(?P<point>\d{8})(?P<dir>[pneswc])", re.I),
    # 201831603628LCLU_North.jpg, the survey's since 2022
    re.compile(
        r"(?P<year>\d{4})(?P<point>\d{8})LCLU_(?P<dir>point|north|east|south|west|croplc[12])", re.I
    ),
    # 31062100_east_2018.jpg, the pilot's; other plots bring any id
    re.compile(rf"(?P<point>.+)_(?P<dir>{_WORD}|[pneswc])_(?P<year>(?:19|20)\d\d)", re.I),
    # Without a year a lone letter is too often a serial (photo_c), so only words count, save
    # for 8-digit ids.
    re.compile(rf"(?P<point>.+)_(?P<dir>{_WORD})", re.I),
    re.compile(r"(?P<point>\d{8})_(?P<dir>[pneswc])", re.I),
]
#: Ways to write the side of a split, in lower case.
SPLIT_WORDS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_YEAR = re.compile(r"(19|20)\d\d")
_SERVER = re.compile(r"/(?P<year>(19|20)\d\d)/(?P<nuts0>[A-Za-z]{2})/\d{3}/\d{3}$")


def from_name(path: str) -> dict[str, str | int]:
    """Point, direction and year, as far as a photo's name tells them."""
    stem = os.path.splitext(os.path.basename(path))[0]
    for pattern in _NAMES:
        match = pattern.fullmatch(stem)
        if match:
            parts = match.groupdict()
            row: dict[str, str | int] = {
                "point_id": parts["point"],
                "direction": DIRECTION_WORDS[parts["dir"].lower()],
            }
            if parts.get("year"):
                row["year"] = int(parts["year"])
            return row
    return {}


def from_folders(path: str, folder: str, labels: bool) -> dict[str, str | int]:
    """Split, year, country and class, as far as a photo's folders tell them.

    ``folder`` is the photo's own, relative to the source that was listed; ``labels`` says whether
    folders name classes.
    """
    parts = [p for p in Path(folder).parts if p != "."]
    row: dict[str, str | int] = {}
    # Asked of the whole path: the source may be a folder within the server's, such as 2018/UK.
    server = _SERVER.search(os.path.dirname(path).replace(os.sep, "/"))
    if server:
        row = {"year": int(server["year"]), "nuts0": server["nuts0"].upper()}
        parts = parts[:-4]
    if parts and parts[0].lower() in SPLIT_WORDS:
        row["split"] = SPLIT_WORDS[parts.pop(0).lower()]
    years = [p for p in parts if _YEAR.fullmatch(p)]
    if years and "year" not in row:
        row["year"] = int(years[-1])
    classes = [p for p in parts if not _YEAR.fullmatch(p)]
    if labels and classes and "nuts0" not in row:
        row["habitat"] = classes[0]
    return row
