"""Geotagged photos: what is read from EXIF, which photos make a point, and that ids stay."""

import json
import math
import os
import shutil
import struct
import zlib
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, colour_photo, growth
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import IFDRational
from pyproj import Geod, Transformer

import lucas_habitat as lh
from lucas_habitat import geotags
from lucas_habitat._base.places import geocentric
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.images.decode import STATUSES, decode_photo
from lucas_habitat.photos import COLUMNS, as_photos

pytestmark = pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
CASES = json.loads((Path(__file__).parents[1] / "cases" / "locate.json").read_text("utf-8"))
NOON = "2023:06:01 12:00:00"
GEOD = Geod(ellps="WGS84")


def position(lat, lon):
    """Degrees as most cameras write them."""

    def dms(v):
        v = abs(v)
        return int(v), int(v * 60 % 60), v * 3600 % 60

    return {1: "NS"[lat < 0], 2: dms(lat), 3: "EW"[lon < 0], 4: dms(lon)}


def write_photo(path, gps=None, taken=NOON, image=None, exif=None, **options):
    """A photo with these GPS tags (by number) and this DateTimeOriginal."""
    made = Image.Exif()
    tags = {0x8769: ({} if taken is None else {0x9003: taken}) | (exif or {}), 0x8825: gps or {}}
    for directory, found in tags.items():
        made.get_ifd(directory).update(found)
        made[directory] = made.get_ifd(directory)  # TIFF is written from both
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new("RGB", (32, 24), (90, 140, 60))).save(path, exif=made, **options)
    return path


def locate(*args, **kwargs):
    return lh.locate_photos(*args, progress=False, **kwargs)


def locate_one(path, **options):
    table = locate(path, **options)
    assert len(table) == 1
    return {k: None if pd.isna(v) else v for k, v in table.iloc[0].items()}


def of_one(tmp_path, gps, **options):
    return locate_one(write_photo(tmp_path / "IMG_1.jpg", gps, **options))


@pytest.fixture
def nobody_located():
    """For photos without a position, which a warning is about."""
    with pytest.warns(LucasWarning, match="None of 1 photos has a position"):
        yield


# The numbers both languages must give


@pytest.fixture(scope="module")
def case_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine fotos på ø")
    for p in CASES["photos"]:
        gps = {}
        if p["lat"] is not None:
            gps = {1: "NS"[p["lat"] < 0], 2: abs(p["lat"]), 3: "EW"[p["lon"] < 0], 4: abs(p["lon"])}
        if p["heading"] is not None:
            gps |= {16: "T", 17: p["heading"]}
        taken = p["time"] and p["time"].replace("-", ":").replace("T", " ")
        write_photo(folder / p["name"], gps, taken)
    return folder


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: str(c["arguments"]))
def test_both_languages_find_the_same_points(case_folder, case):
    table = locate(case_folder, **case["arguments"])
    for name, wanted in case["columns"].items():
        found = [None if pd.isna(v) else v for v in table[name]]
        if name in ("lat", "lon"):
            assert found == pytest.approx(wanted, abs=CASES["tolerance"])
        else:
            assert found == wanted, name


# The table


def test_it_is_a_photo_table_with_these_columns(tmp_path):
    write_photo(tmp_path / "woody" / "IMG_1.jpg", position(55.1, 12.1))
    write_photo(tmp_path / "cropland" / "IMG_2.jpg")
    table = locate(tmp_path)
    assert list(table.columns) == [*COLUMNS, "lon", "lat", "datetime", "visit", "gps_error",
                                   "heading", "status", "error"]  # fmt: skip
    assert list(table["habitat"]) == ["cropland", "woody"]
    assert list(table["status"]) == ["no position", "ok"]
    assert list(table["error"]) == ["no latitude", ""]
    assert table["year"].dtype == "Int64"
    pd.testing.assert_frame_equal(as_photos(table), table)
    assert locate(tmp_path, labels=False)["habitat"].isna().all()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_it_comes_back_from_disk_as_it_was(case_folder, tmp_path, ending):
    table = locate(case_folder)
    path = write_table(table, tmp_path / f"photos.{ending}")
    found = as_photos(read_table(path))
    pd.testing.assert_frame_equal(found.fillna({"error": ""}), table)


def test_nothing_of_the_exif_but_place_and_time_is_in_the_table(tmp_path):
    exif = {0x927C: b"secret maker note", 0xA430: "secret owner"}
    write_photo(tmp_path / "a.jpg", position(55.1, 12.1), exif=exif)
    assert b"secret" in (tmp_path / "a.jpg").read_bytes()
    assert "secret" not in locate(tmp_path).to_csv()


# Positions


@pytest.mark.parametrize(("lat", "lon"), [(55.5, 12.25), (-33.9, 18.4), (40.25, -8.5), (-54.8, -68.3),
                                          (0.0, 32.5), (51.5, 0.0), (90.0, 0.0), (-16.8, 180.0)])  # fmt: skip
def test_south_and_west_have_their_signs(tmp_path, lat, lon):
    row = of_one(tmp_path, position(lat, lon))
    assert (row["lat"], row["lon"]) == pytest.approx((lat, lon), abs=1e-8)


@pytest.mark.parametrize(
    ("gps", "lat", "lon"),
    [
        ({1: "n", 2: (55, 30, 0), 3: "w", 4: (8, 0, 36)}, 55.5, -8.01),
        ({1: b"S", 2: (55, 30, 0), 3: " E ", 4: (8, 0, 36)}, -55.5, 8.01),
        ({1: "North", 2: (55, 30, 0), 3: "West", 4: (8, 0, 36)}, 55.5, -8.01),
        ({1: "N", 2: 55.5, 3: "W", 4: 8.01}, 55.5, -8.01),
        ({1: "N", 2: (55, 30.6), 3: "E", 4: (8, 0.6)}, 55.51, 8.01),
        ({1: "N", 2: (55, 59, 60), 3: "E", 4: (8, 60, 0)}, 56, 9),
    ],
)
def test_other_spellings_of_degrees(tmp_path, gps, lat, lon):
    row = of_one(tmp_path, gps)
    assert (row["lat"], row["lon"]) == pytest.approx((lat, lon), abs=1e-8)


NOWHERE = IFDRational(1, 0)


@pytest.mark.usefixtures("nobody_located")
@pytest.mark.parametrize(
    ("gps", "reason"),
    [
        ({}, "no latitude"),
        ({1: "N", 2: (55, 30, 0)}, "no longitude"),
        ({3: "E", 4: (12, 30, 0)}, "no latitude"),
        ({1: "N", 2: (0, 0, 0), 3: "E", 4: (0, 0, 0)}, "0, 0, as cameras without a fix"),
        ({2: (55, 30, 0), 3: "E", 4: (12, 0, 0)}, "latitude does not say whether it is N or S"),
        ({1: "N", 2: (55, 30, 0), 4: (12, 0, 0)}, "longitude does not say whether it is E or W"),
        ({1: "E", 2: (55, 30, 0), 3: "E", 4: (12, 0, 0)}, "latitude does not say"),
        ({1: "N", 2: (55, 30, 0), 3: "", 4: (12, 0, 0)}, "longitude does not say"),
        ({1: "N", 2: (55, 30, NOWHERE), 3: "E", 4: (12, 0, 0)}, "latitude is 55, 30, nan, which"),
        ({1: "N", 2: (NOWHERE,) * 3, 3: "E", 4: (NOWHERE,) * 3}, "latitude is nan, nan, nan"),
        ({1: "N", 2: (91, 0, 0), 3: "E", 4: (12, 0, 0)}, "latitude is 91, 0, 0, which is none"),
        ({1: "N", 2: (90, 0, 1), 3: "E", 4: (12, 0, 0)}, "latitude is 90, 0, 1"),
        ({1: "N", 2: (55, 0, 0), 3: "E", 4: (180, 1, 0)}, "longitude is 180, 1, 0"),
        ({1: "N", 2: (55, 75, 0), 3: "E", 4: (12, 0, 0)}, "latitude is 55, 75, 0"),
        ({1: "N", 2: (55, 0, 4012), 3: "E", 4: (12, 0, 0)}, "latitude is 55, 0, 4012"),
        ({1: "N", 2: (5, 5, 5, 5), 3: "E", 4: (12, 0, 0)}, "latitude is 5, 5, 5, 5"),
    ],
)
def test_what_is_no_position(tmp_path, gps, reason):
    row = of_one(tmp_path, gps)
    assert row["status"] == "no position"
    assert reason in row["error"]
    assert (row["lat"], row["lon"], row["point_id"], row["visit"]) == (None,) * 4
    assert (row["year"], row["datetime"]) == (2023, "2023-06-01T12:00:00")


@pytest.mark.parametrize("written", ["nan", "text", b"\0\0", float("inf")])
def test_degrees_that_are_no_numbers(monkeypatch, tmp_path, written):
    """Pillow will not write them, other programs may."""
    gps = position(55.5, 12.5) | {2: written}
    monkeypatch.setattr(geotags, "_tags", lambda path: ({}, gps))
    with pytest.warns(LucasWarning, match="None of 1"):
        row = of_one(tmp_path, None)
    assert (row["status"], row["lat"]) == ("no position", None)


@pytest.mark.parametrize("datum", ["WGS-84", "wgs84", "WGS 84", "WGS_1984", "", "   "])
def test_wgs84_by_any_name_is_no_news(tmp_path, datum):
    row = of_one(tmp_path, position(55.5, 12.5) | {18: datum})
    assert (row["status"], row["error"]) == ("ok", "")


def test_another_datum_is_said(tmp_path):
    path = write_photo(tmp_path / "IMG_1.jpg", position(35.5, 139.5) | {18: "TOKYO"})
    with pytest.warns(LucasWarning, match=r"1 photos have positions in another datum.*IMG_1\.jpg"):
        row = locate_one(path)
    assert row["status"] == "ok"
    assert row["error"] == "the position is in the datum TOKYO, taken as WGS84"


@pytest.mark.parametrize(("written", "metres"), [(4.5, 4.5), (0, 0), (None, None), (NOWHERE, None)])
def test_the_error_of_a_position(tmp_path, written, metres):
    row = of_one(tmp_path, position(55.5, 12.5) | ({} if written is None else {31: written}))
    assert row["gps_error"] == metres


# Directions


@pytest.mark.parametrize(
    ("heading", "kept", "direction"),
    [(0, 0, "N"), (44.9, 44.9, "N"), (45, 45, "E"), (134, 134, "E"), (180, 180, "S"),
     (226, 226, "W"), (314, 314, "W"), (316, 316, "N"), (360, 0, "N"), (361, None, None),
     (NOWHERE, None, None), (None, None, None)],
)  # fmt: skip
@pytest.mark.parametrize("reference", ["T", "M", None])
def test_the_heading_gives_the_direction(tmp_path, heading, kept, direction, reference):
    tags = {17: heading} if heading is not None else {}
    tags |= {16: reference} if reference else {}
    row = of_one(tmp_path, position(55.5, 12.5) | tags)
    assert row["heading"] == (None if kept is None else pytest.approx(kept))
    assert row["direction"] == direction


def test_a_name_knows_the_direction_better(tmp_path):
    path = write_photo(tmp_path / "plot7_point_2023.jpg", position(55.5, 12.5) | {17: 90})
    row = locate_one(path)
    assert (row["direction"], row["heading"]) == ("P", 90)


# Dates


@pytest.mark.usefixtures("nobody_located")
@pytest.mark.parametrize(
    "taken",
    [
        None,
        "",
        "    :  :     :  :  ",
        "0000:00:00 00:00:00",
        "2023:13:01 12:00:00",
        "2023:02:30 12:00:00",
        "9999:12:31 23:59:59",
        "1.6.2023",
    ],
)
def test_what_is_no_date(tmp_path, taken):
    path = write_photo(tmp_path / "IMG_20230601_120000.jpg", taken=taken)
    os.utime(path, (1.6e9, 1.6e9))
    row = locate_one(path)
    assert (row["status"], row["error"]) == ("no position", "no latitude; no date")
    assert (row["year"], row["datetime"]) == (None, None)  # and not those of the file


def test_a_position_without_a_date_makes_a_point_without_a_year(tmp_path):
    row = of_one(tmp_path, position(55.5, 12.5), taken=None)
    assert (row["status"], row["error"]) == ("no date", "no date")
    assert (row["point_id"], row["year"], row["visit"]) == ("N55.50000E012.50000", None, None)


@pytest.mark.parametrize(
    ("exif", "text"),
    [
        ({}, "2023-06-01T12:00:00"),
        ({0x9291: "805"}, "2023-06-01T12:00:00.805"),
        ({0x9291: "5 \0"}, "2023-06-01T12:00:00.500"),
        ({0x9291: "   "}, "2023-06-01T12:00:00"),
        ({0x9011: "+02:00"}, "2023-06-01T12:00:00+02:00"),
        ({0x9291: "25", 0x9011: "-03:30"}, "2023-06-01T12:00:00.250-03:30"),
        ({0x9011: "   :  "}, "2023-06-01T12:00:00"),
        ({0x9011: "+99:00"}, "2023-06-01T12:00:00"),
    ],
)
def test_dates_are_the_cameras_with_its_offset(tmp_path, exif, text):
    row = of_one(tmp_path, position(55.5, 12.5), exif=exif)
    assert row["datetime"] == row["visit"] == text
    datetime.fromisoformat(text)


def test_without_a_camera_clock_the_satellites_time_counts(tmp_path):
    gps = position(55.5, 12.5) | {7: (23, 59, 30.5), 29: "2022:12:31"}
    row = of_one(tmp_path, gps, taken="0000:00:00 00:00:00")
    assert (row["datetime"], row["year"]) == ("2022-12-31T23:59:30.500+00:00", 2022)
    assert row["status"] == "ok"


@pytest.mark.parametrize(
    "gps", [{29: "2022:12:31"}, {7: (12, 0, 0)}, {7: (12, 0, NOWHERE), 29: "2022:12:31"},
            {7: (12, 0, 0), 29: "0000:00:00"}, {7: (77, 0, 0), 29: "2022:12:31"}]
)  # fmt: skip
def test_half_a_satellites_time_is_none(tmp_path, gps):
    assert of_one(tmp_path, position(55.5, 12.5) | gps, taken=None)["status"] == "no date"


def test_a_clock_that_cannot_be_right_is_told(tmp_path):
    gps = position(55.5, 12.5) | {7: (10, 0, 0), 29: "2023:06:01"}
    path = write_photo(tmp_path / "IMG_1.jpg", gps, "2000:01:01 00:03:00")
    with pytest.warns(LucasWarning, match=r"1 photos have a camera's clock and a satellites' time"):
        row = locate_one(path)
    assert (row["status"], row["year"]) == ("ok", 2000)
    assert row["error"] == (
        "the camera's clock says 2000-01-01T00:03:00, the satellites' time 2023-06-01T10:00:00"
    )


def test_the_year_of_a_name_or_folder_is_kept_and_doubted(tmp_path):
    write_photo(tmp_path / "2022" / "IMG_1.jpg", position(55.5, 12.5))
    write_photo(tmp_path / "2023" / "IMG_2.jpg", position(55.5, 12.5))
    with pytest.warns(LucasWarning, match=r"^1 photos were taken in another year .*: IMG_1\.jpg"):
        table = locate(tmp_path)
    assert list(table["year"]) == [2022, 2023]
    assert table["datetime"].str[:4].tolist() == ["2023", "2023"]


# Files


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.jpg", {}), ("a.tif", {}), ("a.png", {}), ("a.webp", {}), ("a.jpg", {"progressive": True})],
)
def test_every_format_is_read_without_its_pixels(tmp_path, monkeypatch, name, options):
    path = write_photo(tmp_path / name, position(55.5, -2.5) | {17: 90}, **options)

    def load(self):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Image.Image, "load", load)
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    row = locate_one(path)
    assert (row["status"], row["datetime"]) == ("ok", "2023-06-01T12:00:00")
    assert (row["lat"], row["lon"], row["heading"]) == pytest.approx((55.5, -2.5, 90))


def test_which_way_is_up_does_not_matter(tmp_path):
    made = Image.Exif()
    made[0x0112], made[0x8825], made[0x8769] = 6, position(55.5, 12.5), {0x9003: NOON}
    Image.new("RGB", (32, 24)).save(tmp_path / "a.jpg", exif=made)
    assert locate_one(tmp_path / "a.jpg")["status"] == "ok"


def test_files_that_are_no_photos_are_rows_with_their_reason(tmp_path):
    write_photo(tmp_path / "good.jpg", position(55.5, 12.5))
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "text.jpg").write_text("not a photo, though its name says so")
    Image.new("RGB", (4, 4)).save(tmp_path / "tiny.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "bare.bmp")
    names = ["empty.jpg", "folder.jpg", "gone.jpg", "text.jpg", "tiny.png", "bare.bmp", "good.jpg"]
    with pytest.warns(LucasMessage, match="7 photos, 1 points; .*; 1 photos without a position; "
                      "1 photos without a date; 5 photos that cannot be read"):  # fmt: skip
        table = locate([tmp_path / name for name in names])
    assert list(table["status"]) == [
        "empty", "unreadable", "missing", "not a photo", "too small", "no position", "ok"
    ]  # fmt: skip
    assert set(table["status"][:5]) <= set(STATUSES)
    assert (table["error"][:6] != "").all()
    assert table["point_id"].notna().tolist() == [False] * 6 + [True]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_exif_cut_off_or_garbled_anywhere_is_never_an_exception(tmp_path):
    data = write_photo(tmp_path / "whole.jpg", position(55.5, 12.5) | {31: 5.0}).read_bytes()
    end = data.index(b"\xff\xdb")  # where the tables of the pixels begin
    paths = []
    for n in range(20, end, 3):  # the file goes on, but the segment's end is zeros
        paths.append(tmp_path / f"cut{n}.jpg")
        paths[-1].write_bytes(data[:n] + bytes(end - n) + data[end:])
    rng = np.random.default_rng(1)
    for n in range(300):
        garbled = bytearray(data)
        for i in rng.integers(20, end, 4):
            garbled[i] = rng.integers(256)
        paths.append(tmp_path / f"garbled{n}.jpg")
        paths[-1].write_bytes(garbled)
    paths.append(tmp_path / "whole.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geotags, "warn", lambda text: None)  # of whatever clocks and datums come out
        table = locate(paths)
    assert len(table) == len(paths)
    assert table["status"].iloc[-1] == "ok"
    assert {"ok", "no position", "no date"} <= set(table["status"])
    assert (table["lat"].dropna().abs() <= 90).all()
    assert (table["lon"].dropna().abs() <= 180).all()
    assert (table["error"][table["status"] != "ok"] != "").all()


def test_damaged_exif_is_told_and_the_photo_stays_usable(tmp_path):
    path = write_photo(tmp_path / "a.png", position(55.5, 12.5))
    data = path.read_bytes()
    begin = data.index(b"eXIf")
    chunk = b"eXIf" + b"XX" + data[begin + 6 : data.index(b"IDAT") - 8]
    path.write_bytes(
        data[:begin] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[begin + len(chunk) + 4 :]
    )
    with pytest.warns(LucasWarning, match="None of 1"):
        row = locate_one(path)
    assert row["status"] == "no position"
    assert "the EXIF is damaged (SyntaxError: not a TIFF file" in row["error"]
    assert decode_photo(path.read_bytes()).shape == (224, 224, 3)


def test_nothing_located_is_a_warning(tmp_path):
    write_photo(tmp_path / "IMG_1.jpg")
    with pytest.warns(LucasWarning, match="None of 1 photos has a position. Many programs remove"):
        table = locate(tmp_path)
    assert table["point_id"].isna().all()


# Visits and points


def shot(folder, name, lat, lon, minutes=0.0, taken=datetime(2023, 6, 1, 12)):
    when = taken + timedelta(minutes=minutes)
    return write_photo(folder / name, position(lat, lon), when.strftime("%Y:%m:%d %H:%M:%S"))


def east_of(lat, lon, metres):
    lon, lat, _ = GEOD.fwd(lon, lat, 90, metres)
    return lat, lon


@pytest.mark.parametrize(("lat", "lon"), [(55.5, 12.5), (-16.8, 179.99995), (89.999, 20), (0, -78)])
@pytest.mark.parametrize(("metres", "same"), [(24.9, True), (25.1, False)])
def test_metres_are_metres_anywhere_on_earth(tmp_path, lat, lon, metres, same):
    shot(tmp_path, "a.jpg", lat, lon)
    shot(tmp_path, "b.jpg", *east_of(lat, lon, metres), 1)
    assert (locate(tmp_path)["point_id"].nunique() == 1) == same


@pytest.mark.parametrize(("minutes", "visits"), [(60, 1), (61, 2)])
def test_a_visit_ends_so_many_minutes_after_its_first_photo(tmp_path, minutes, visits):
    for i, after in enumerate((0, 30, minutes)):
        shot(tmp_path, f"{i}.jpg", 55.5, 12.5, after)
    with pytest.warns(LucasMessage) as told:
        table = locate(tmp_path)
    assert table["visit"].nunique() == visits
    assert table["point_id"].nunique() == 1
    several = "1 points with several visits in a year, which vote as one" in str(told[0].message)
    assert several == (visits == 2)


def test_photos_along_a_track_do_not_chain(tmp_path):
    for i in range(40):
        shot(tmp_path, f"{i:02d}.jpg", *east_of(55.5, 12.5, 10 * i), i / 10)
    table = locate(tmp_path, radius=25)
    assert table.groupby("point_id").size().max() == 3  # at 0, 10 and 20 m of their first
    assert table["point_id"].nunique() == 14


def test_two_cameras_at_two_points_at_once(tmp_path):
    for i in range(6):
        shot(tmp_path, f"{i}.jpg", *east_of(55.5, 12.5, 200 * (i % 2)), i)
    table = locate(tmp_path)
    assert table["point_id"].nunique() == 2
    assert table.groupby("point_id")["visit"].nunique().tolist() == [1, 1]


def test_a_visit_is_not_torn_when_its_photos_straddle_the_radius(tmp_path):
    shot(tmp_path, "a.jpg", 55.5, 12.5)
    for i, metres in enumerate((20, 30)):  # the next year, either side of 25 m
        shot(tmp_path, f"b{i}.jpg", *east_of(55.5, 12.5, metres), i, datetime(2024, 6, 1))
    assert locate(tmp_path)["point_id"].nunique() == 1


def random_points(rng, n, places=30):
    """Times, positions within a few hundred metres, and some photos without a date."""
    lon = 12.5 + rng.uniform(0, 0.004, places)[rng.integers(places, size=n)]
    lat = 55.5 + rng.uniform(0, 0.002, places)[rng.integers(places, size=n)]
    taken = pd.Timestamp("2023-05-01") + pd.to_timedelta(rng.uniform(0, 600, n) // 1, unit="min")
    return pd.DataFrame(
        {
            "path": [f"/{i:06d}.jpg" for i in rng.permutation(n)],
            "point_id": pd.Series([None] * n, dtype="str"),
            "lon": lon + rng.normal(0, 5e-5, n),
            "lat": lat + rng.normal(0, 5e-5, n),
            "taken": pd.Series(taken).mask(rng.random(n) < 0.1).astype("datetime64[us]"),
        }
    )


def points_of(table, radius=25.0, minutes=60.0):
    first, ids = geotags._group(table, table["taken"], radius, minutes)
    return pd.DataFrame({"path": table["path"], "first": table["path"].reindex(first).array,
                         "point_id": ids}).set_index("path")  # fmt: skip


def by_hand(table, radius, minutes):
    """The same, comparing every photo with every leader."""
    xyz = geocentric(table["lon"].to_numpy(), table["lat"].to_numpy())
    taken, paths = table["taken"].tolist(), table["path"].tolist()
    order = sorted(
        range(len(table)), key=lambda i: (pd.isna(taken[i]), taken[i].timestamp()
                                          if pd.notna(taken[i]) else 0, paths[i])
    )  # fmt: skip

    def nearest(i, leaders, in_time):
        far = [(np.linalg.norm(xyz[i] - xyz[j]), k) for k, j in enumerate(leaders) if in_time(j)]
        found = [f for f in far if f[0] <= radius]
        return leaders[min(found)[1]] if found else None

    visits, points, visit_of, point_of = [], [], {}, {}
    for i in order:
        leader = nearest(
            i, visits, lambda j, i=i: (taken[i] - taken[j]) / pd.Timedelta(minutes=1) <= minutes
        )
        if leader is None:
            visits.append(leader := i)
            place = nearest(i, points, lambda j: True)
            if place is None:
                points.append(place := i)
            point_of[i] = place
        visit_of[i] = leader
    return {paths[i]: (paths[visit_of[i]], paths[point_of[visit_of[i]]]) for i in range(len(table))}


@pytest.mark.parametrize("seed", range(5))
def test_the_grid_finds_what_comparing_all_with_all_does(seed):
    table = random_points(np.random.default_rng(seed), 400)
    found, wanted = points_of(table), by_hand(table, 25.0, 60.0)
    first_of = table.set_index("path")
    for path, (visit, point) in wanted.items():
        row = first_of.loc[point]
        assert found.loc[path, "point_id"] == geotags._position_id(row["lon"], row["lat"])
        if pd.isna(first_of.loc[path, "taken"]):
            assert pd.isna(found.loc[path, "first"])
        else:
            assert found.loc[path, "first"] == visit


@pytest.mark.parametrize("seed", range(5))
def test_ids_do_not_depend_on_the_order_of_files(seed):
    rng = np.random.default_rng(seed)
    table = random_points(rng, 300)
    shuffled = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
    pd.testing.assert_frame_equal(points_of(shuffled).sort_index(), points_of(table).sort_index())


@pytest.mark.parametrize("seed", range(5))
def test_photos_taken_later_change_no_point_found_before(seed):
    table = random_points(np.random.default_rng(seed), 600)
    table = table[table["taken"].notna()]
    early = table[table["taken"] <= table["taken"].quantile(0.4)].reset_index(drop=True)
    before, after = points_of(early), points_of(table.reset_index(drop=True))
    pd.testing.assert_frame_equal(after.loc[before.index], before)


def test_ids_that_photos_have_are_kept_and_spread(tmp_path):
    shot(tmp_path, "plot7_north_2023.jpg", 55.5, 12.5)
    shot(tmp_path, "plot7_south_2023.jpg", *east_of(55.5, 12.5, 400), 1)  # wherever it was taken
    shot(tmp_path, "43203210E.jpg", 56.5, 12.5)
    shot(tmp_path, "IMG_1.jpg", *east_of(55.5, 12.5, 15), -5)  # earlier than what names the point
    shot(tmp_path, "IMG_2.jpg", *east_of(56.5, 12.5, 15), 0, datetime(2024, 6, 1))
    shot(tmp_path, "IMG_3.jpg", 57.5, 12.5)
    table = locate(tmp_path)
    ids = dict(zip(table["path"].map(os.path.basename), table["point_id"], strict=True))
    assert ids == {
        "plot7_north_2023.jpg": "plot7",
        "plot7_south_2023.jpg": "plot7",
        "43203210E.jpg": "43203210",
        "IMG_1.jpg": "plot7",
        "IMG_2.jpg": "43203210",
        "IMG_3.jpg": "N57.50000E012.50000",
    }
    lucas = table[table["point_id"] == "43203210"].iloc[0]
    assert (lucas["x"], lucas["y"]) == (4320000.0, 3210000.0)
    assert (lucas["lon"], lucas["lat"]) == pytest.approx((12.5, 56.5))
    assert table["x"].notna().sum() == 1


def test_locating_a_located_table_again_changes_nothing(case_folder):
    once = locate(case_folder)
    pd.testing.assert_frame_equal(locate(once), once)


def test_an_earlier_table_with_new_rows_below_keeps_its_ids(tmp_path):
    for i in range(3):
        shot(tmp_path, f"IMG_{i}.jpg", *east_of(55.5, 12.5, 100 * i), i)
    before = locate(tmp_path)
    new = shot(tmp_path, "NEW.jpg", *east_of(55.5, 12.5, 3), -60)  # a forgotten, earlier photo
    both = pd.concat([before, pd.DataFrame({"path": [str(new)]})], ignore_index=True)
    after = locate(both)
    assert after["point_id"].tolist() == [*before["point_id"], before["point_id"][0]]
    assert after["year"].tolist() == [2023] * 4


def test_a_tables_position_wins_and_fills_in(tmp_path):
    a = write_photo(tmp_path / "a.jpg", position(55.5, 12.5))
    b, c = write_photo(tmp_path / "b.jpg"), write_photo(tmp_path / "c.jpg", position(56.5, 12.5))
    given = pd.DataFrame({"path": [str(a), str(b), str(c)], "lon": [10.0, 10.0, np.nan],
                          "lat": [50.0, 50.0, 99.0], "observer": ["x", "y", "z"]})  # fmt: skip
    table = locate(given)
    assert table["lat"].tolist() == [50, 50, 56.5]
    assert table["status"].tolist() == ["ok"] * 3
    assert table["error"].tolist() == [""] * 3
    assert table["point_id"].tolist() == ["N50.00000E010.00000"] * 2 + ["N56.50000E012.50000"]
    assert table["observer"].tolist() == ["x", "y", "z"]


def test_relative_paths_of_a_table_are_found(tmp_path):
    shot(tmp_path / "fotos", "a.jpg", 55.5, 12.5)
    write_table(pd.DataFrame({"path": ["fotos/a.jpg"]}), tmp_path / "photos.csv")
    assert locate(tmp_path / "photos.csv")["status"].tolist() == ["ok"]
    given = pd.DataFrame({"path": ["a.jpg"]})
    assert locate(given, root=tmp_path / "fotos")["status"].tolist() == ["ok"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 1}, "radius must be a number, at least 2; got 1 instead"),
        ({"radius": math.nan}, "radius must be a number"),
        ({"radius": "25 m"}, "radius must be a number"),
        ({"minutes": -1}, "minutes must be a number, at least 0; got -1"),
    ],
)
def test_arguments_that_cannot_be(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        locate(tmp_path, **options)


@pytest.mark.parametrize("kind", ["points", "one place", "one place, undated", "track"])
def test_time_grows_with_the_photos_and_no_faster(kind):
    def made(n):
        rng = np.random.default_rng(1)
        lon, lat = 12.5 + rng.normal(0, 5e-5, n), 55.5 + rng.normal(0, 5e-5, n)
        minutes = 20.0 * np.arange(n)
        if kind == "points":
            lon, minutes = lon + np.arange(n) // 5 * 0.01 % 20, minutes / 100
        if kind == "track":
            lon, minutes = 12.5 + np.arange(n) * 8e-5, np.arange(n) / 12
        taken = pd.Timestamp("2020-01-01") + pd.to_timedelta(minutes, unit="min")
        table = pd.DataFrame(
            {
                "path": [f"{i:05d}" for i in range(n)],
                "point_id": pd.Series([None] * n, dtype="str"),
                "lon": lon,
                "lat": lat,
                "taken": pd.Series(taken).astype("datetime64[us]"),
            }
        )
        return table.assign(taken=pd.NaT) if kind.endswith("undated") else table

    assert growth(points_of, made(1_250), made(10_000)) < 16


def test_progress_is_told(case_folder):
    told = []
    lh.locate_photos(case_folder, progress=lambda *args: told.append(args))
    assert told[0] == (0, 9, "photos located")
    assert told[-1] == (9, 9, "photos located")


# The whole way


@pytest.fixture(scope="module")
def field_folder(tmp_path_factory):
    """Photos as a phone writes them, in folders of their classes: 6 points each, 2 photos a point."""
    folder = tmp_path_factory.mktemp("felt 2023")
    n = 0
    for c, habitat in enumerate(COLOURS):
        for i in range(6):
            lat, lon = 55.5 + 0.01 * c, 9.5 + 0.01 * i
            for heading in (2.0, 178.0):
                n += 1
                write_photo(
                    folder / habitat / f"IMG_{n:04d}.jpg",
                    position(*east_of(lat, lon, n % 5)) | {16: "M", 17: heading},
                    f"2023:06:{c + 1:02d} {8 + i:02d}:0{n % 5}:00",
                    colour_photo(habitat, n),
                )
    shutil.copy(folder / "woody" / f"IMG_{n:04d}.jpg", folder / "woody" / "IMG_9999.jpg")
    Image.open(folder / "woody" / "IMG_9999.jpg").save(folder / "woody" / "shared.jpg")
    return folder


def test_from_phone_photos_to_covariates_map_and_report(field_folder, tmp_path):
    photos = locate(field_folder)
    assert (photos["status"] == "ok").sum() == 49
    assert photos["point_id"].nunique() == 24
    assert photos["direction"].value_counts().to_dict() == {"N": 24, "S": 25}
    train, test = lh.split_photos(photos, test_size=0.34, seed=1)
    assert not set(train["point_id"].dropna()) & set(test["point_id"].dropna())
    model = lh.train(train, arch="efficientnet_lite0", progress=False)
    pred = lh.classify(test, model, progress=False)
    assert pred["status"].eq("ok").all()
    assert pred["visit"].notna().sum() == test["visit"].notna().sum()
    points = lh.vote(pred)
    located = points[points["point_id"].str.startswith("N55")]
    assert len(located) == test["point_id"].nunique()
    row = located.iloc[0]
    mine = test[test["point_id"] == row["point_id"]]
    assert (row["lon"], row["lat"]) == pytest.approx((mine["lon"].mean(), mine["lat"].mean()))
    assert lh.evaluate(located, n_boot=200).overall_accuracy > 0.7
    sites = pd.DataFrame({"lon": [located["lon"].iloc[0]], "lat": [located["lat"].iloc[0]]})
    with pytest.warns(LucasWarning, match="not calibrated"):
        env = lh.covariates(located, sites, crs="EPSG:4326", radius=100)
    assert lh.support(env)["n_photos"].tolist() == [row["n_photos"]]
    assert lh.support(env)["mean_distance"].iloc[0] < 1
    lh.plot_map(located, out=tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 10_000
    lh.report(pred, tmp_path / "report.html", model=model, points=located)
    drawn = read_table(tmp_path / "report_data" / "map.csv")
    assert set(drawn["point_id"]) == set(located["point_id"])


def test_the_command_line_locates_splits_and_trains(field_folder, tmp_path, capsys):
    table = tmp_path / "photos.csv"
    assert main(["locate", str(field_folder), "--out", str(table), "--radius", "30",
                 "--minutes", "45"]) == 0  # fmt: skip
    said = capsys.readouterr()
    assert "  49 ok" in said.out
    assert "  1 no position" in said.out
    assert "50 photos, 24 points" in said.err
    assert main(["split", str(table), "--out", str(tmp_path / "split.csv")]) == 0
    found = as_photos(read_table(tmp_path / "split.csv"))
    sides = found.dropna(subset="point_id").groupby("point_id")["split"].nunique()
    assert len(sides) == 24
    assert (sides == 1).all()


def test_the_command_line_says_when_nothing_was_located(tmp_path, capsys):
    write_photo(tmp_path / "woody" / "IMG_1.jpg")
    out = tmp_path / "photos.csv"
    assert main(["locate", str(tmp_path), "--out", str(out), "--no-labels"]) == 1
    assert "None of 1 photos has a position" in capsys.readouterr().err
    assert read_table(out)["habitat"].isna().all()
    assert main(["locate", str(tmp_path), "--out", "photos.xlsx"]) == 1


# The survey's own photos


def test_the_surveys_photos_lie_where_their_ids_say(shared):
    table = locate(shared / "data" / "lucas" / "photos")
    assert table["status"].value_counts().to_dict() == {"ok": 12, "no position": 7}
    assert set(table.loc[table["status"] == "ok", "year"]) == {2015, 2018}
    ok = table[table["status"] == "ok"]
    assert sorted(ok["point_id"].unique()) == ["31603628", "32362878"]
    assert ok.groupby("point_id")["visit"].nunique().tolist() == [1, 1]
    x, y = Transformer.from_crs(4326, 3035, always_xy=True).transform(ok["lon"], ok["lat"])
    away = np.hypot(x - ok["x"], y - ok["y"])
    assert away.max() < 100  # 35 m measured
    assert (table["datetime"].str[:4].astype(int) == table["year"]).all()


def test_the_surveys_photos_are_found_by_position_alone(shared, tmp_path):
    for i, path in enumerate(sorted((shared / "data" / "lucas" / "photos").rglob("*.jpg"))):
        shutil.copy(path, tmp_path / f"IMG_{i:02d}.jpg")
    table = locate(tmp_path)
    found = table.groupby("point_id").agg(n=("path", "size"), year=("year", "first"))
    assert found["n"].tolist() == [6, 6]
    assert found["year"].tolist() == [2015, 2018]
    assert found.index.str.fullmatch(r"N\d\d\.\d{5}W\d{3}\.\d{5}").all()
