"""The demo photos: where they lie, what they say about themselves, and which of them are broken."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from pyproj import Transformer

import lucas_habitat
from lucas_habitat.errors import InputError
from lucas_habitat.images import drawn as demo_photos
from lucas_habitat.images.drawn import draw_demo_photos

SIZE = (400, 300)
NAME = re.compile(r"(\d{4})(\d{4})_(point|north|east|south|west)_(2009|2012|2015|2018)\.jpg")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    calls = []
    folder = draw_demo_photos(
        tmp_path_factory.mktemp("demo") / "new folder",
        n_points=8,
        size=SIZE,
        progress=lambda done, total, what: calls.append((done, total, what)),
    )
    return folder, calls


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def readable(folder: Path) -> list[Path]:
    def opens(path: Path) -> bool:
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            return False
        return True

    return [p for p in files(folder) if opens(p)]


def test_files_are_named_and_filed_as_the_survey_does(drawn):
    folder, _ = drawn
    points = {}
    for path in files(folder):
        match = NAME.fullmatch(path.name)
        assert match, path.name
        x, y = int(match[1]), int(match[2])
        assert 4200 <= x <= 4500
        assert 3520 <= y <= 3840
        assert x % 2 == 0
        assert y % 2 == 0
        points.setdefault(match[1] + match[2], set()).add(path.parent.name)
    assert len(points) == 8
    labels = [label for found in points.values() for label in found]
    assert sorted(labels) == sorted(["artificial", "cropland", "grassland", "woody"] * 2)


def test_larger_sets_have_second_visits_and_missing_directions():
    photos = demo_photos._plan(200, 1)
    visits = {}
    for photo in photos:
        visits.setdefault((photo.point_id, photo.time.year), []).append(photo.direction)
    points = {point_id for point_id, _ in visits}
    assert len(points) == 200
    assert 2 <= len(visits) - len(points) <= 20
    counts = np.bincount([len(found) for found in visits.values()], minlength=6)
    assert counts[:3].sum() == 0
    assert counts[3] > 0
    assert counts[4] > 0
    assert counts[5] > 170
    assert sorted(p.fault for p in photos if p.fault) == ["empty", "text", "truncated"]


def test_same_seed_same_bytes_whatever_the_threads_and_other_seed_other_pictures(
    drawn, tmp_path, monkeypatch
):
    folder, _ = drawn
    monkeypatch.setattr(demo_photos.os, "cpu_count", lambda: 1)
    again = draw_demo_photos(tmp_path / "again", n_points=8, size=SIZE, progress=False)
    first, second = (
        {p.relative_to(f).as_posix(): p.read_bytes() for p in files(f)} for f in (folder, again)
    )
    assert first == second
    assert len(set(first.values())) == len(first)
    as_from_r = {"n_points": 4.0, "size": [160.0, 120.0], "seed": 2.0}
    other = draw_demo_photos(tmp_path / "other", **as_from_r, progress=False)
    assert {p.name for p in files(other)}.isdisjoint(p.name for p in files(folder))


def test_three_files_are_broken_each_in_its_own_way(drawn):
    folder, _ = drawn
    good = set(readable(folder))
    broken = [p for p in files(folder) if p not in good]
    empty, text, short = sorted((p.read_bytes() for p in broken), key=len)
    assert empty == b""
    assert text.decode() == "This is not a photo.\n"
    assert short[:2] == b"\xff\xd8"
    assert b"\xff\xda" in short  # the picture had begun
    assert not short.endswith(b"\xff\xd9")
    assert len({p.name[:8] for p in broken}) == 3


def test_exif_tells_camera_date_and_from_2015_the_place(drawn, tmp_path):
    small = draw_demo_photos(tmp_path / "small", n_points=16, size=(160, 120), progress=False)
    to_laea = Transformer.from_crs(4326, 3035, always_xy=True)
    upright, located = 0, 0
    for path in readable(drawn[0]) + readable(small):
        x, y, _, year = NAME.fullmatch(path.name).groups()
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert image.mode == "RGB"
            assert image.size == ((160, 120) if small in path.parents else SIZE)
            exif = image.getexif()
            standing = ImageOps.exif_transpose(image)
        assert exif[0x010F] == "lucas-habitat demo"
        assert exif[0x0132].startswith(f"{year}:")
        assert exif.get_ifd(0x8769)[0x9003] == exif[0x0132]
        assert (standing.height > standing.width) == (exif[0x0112] == 6)
        upright += exif[0x0112] == 6
        gps = exif.get_ifd(0x8825)
        assert bool(gps) == (int(year) >= 2015)
        if gps:
            located += 1
            lat, lon = (float(d) + float(m) / 60 + float(s) / 3600 for d, m, s in (gps[2], gps[4]))
            assert (gps[1], gps[3]) == ("N", "E")
            assert (
                np.hypot(*np.subtract(to_laea.transform(lon, lat), (int(x) * 1000, int(y) * 1000)))
                < 30
            )
    assert upright > 0
    assert located > 0


def test_year_is_burnt_into_the_lowest_8_percent_and_nowhere_else(tmp_path):
    photo = demo_photos._plan(4, 1)[0]
    films = [Image.new("RGB", SIZE, (128, 128, 128))]
    pictures = []
    for text in (2009, 2018):
        folder = tmp_path / str(text)
        lines = {(photo.time.year, SIZE[1]): demo_photos._credit(text, SIZE[1])}
        demo_photos._draw(photo, folder, 1, SIZE, lines, films)
        with Image.open(files(folder)[0]) as image:
            pictures.append(np.asarray(image, int))
    # Below what JPEG spreads into the neighbouring pixels.
    rows, cols = np.nonzero(np.abs(pictures[0] - pictures[1]).max(axis=2) > 40)
    assert rows.size > 0
    assert rows.min() >= 0.92 * SIZE[1]
    assert cols.max() < SIZE[0] / 2
    band = pictures[0][round(0.92 * SIZE[1]) :, : SIZE[0] // 3]
    assert band.max() > 200
    assert band.min() < 90


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="is not empty"):
        draw_demo_photos(tmp_path, n_points=4, size=SIZE)
    with pytest.raises(InputError, match="is not empty"):
        draw_demo_photos(tmp_path / "mine.txt", n_points=4, size=SIZE)
    assert [p.name for p in files(tmp_path)] == ["mine.txt"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_points": 3}, "n_points must be"),
        ({"n_points": 100_000}, "n_points must be .* at most"),
        ({"seed": -1}, "seed must be"),
        ({"size": (100, 300)}, r"size\[0\] must be"),
        ({"size": (300,)}, "size must be a width and a height"),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        draw_demo_photos(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_progress_counts_every_file_once(drawn):
    folder, calls = drawn
    total = len(files(folder))
    assert [done for done, _, _ in calls] == list(range(total + 1))
    assert {(n, what) for _, n, what in calls} == {(total, "photos drawn")}


def test_codes_are_drawn_instead_of_classes_and_look_different(tmp_path):
    folder = draw_demo_photos(
        tmp_path / "codes", n_points=22, size=(160, 120), codes=True, progress=False
    )
    codes = sorted(p.name for p in folder.iterdir())
    assert len(codes) == 11
    habitats = pd.DataFrame({"lc1": codes})
    habitats = lucas_habitat.assign_habitat(habitats)["habitat"].value_counts()
    assert (habitats >= 2).all()
    assert len(habitats) == 4
    levels = lucas_habitat.class_levels(codes)
    assert levels["level1"].nunique() < levels["level2"].nunique() < len(codes)
    mean = {}
    for code in ("B11", "B16", "B32", "C10", "D20"):
        photos = []
        for file in (folder / code).glob("*_north_*.jpg"):
            try:
                photos.append(np.asarray(Image.open(file).convert("RGB"), float).mean(axis=(0, 1)))
            except OSError:
                continue  # one of the broken ones
        mean[code] = np.mean(photos, axis=0)
    assert mean["B32"][0] > mean["B16"][0] + 20  # rape is yellow, maize green


def test_a_crop_is_seen_in_its_months_only():
    photos = demo_photos._plan(330, 1, True)
    months = {code: {p.time.month for p in photos if p.code == code} for code in ("B16", "B32")}
    assert months == {"B16": {6, 7, 8, 9, 10}, "B32": {5}}


def test_each_code_needs_a_point(tmp_path):
    with pytest.raises(InputError, match="n_points must be a whole number, at least 11"):
        draw_demo_photos(tmp_path / "new", n_points=10, codes=True)
