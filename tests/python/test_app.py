"""The page's server: what it takes, what it says, what it serves, what it keeps."""

import base64
import http.client
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pandas as pd
import pillow_heif
import pytest
from conftest import colour_photo
from PIL import Image
from test_images import png_claiming

from lucas_habitat import run_app, save_model
from lucas_habitat._base.choices import LANGUAGES
from lucas_habitat.app import desk as desk_module
from lucas_habitat.app import guard
from lucas_habitat.app import page as app_page
from lucas_habitat.app import server as app_module
from lucas_habitat.app import uploads as app_uploads
from lucas_habitat.app.desk import Desk
from lucas_habitat.app.texts import TEXTS
from lucas_habitat.app.uploads import Refused, safe_name, take_uploads
from lucas_habitat.errors import DependencyError, InputError, ModelError
from lucas_habitat.images.decode import STATUSES, Preprocessing

ENGLISH = app_page.Words("en")
DIRECTIONS = ("P", "N", "E", "S", "W")


def jpeg(habitat="woody", seed=1, size=(96, 72)):
    buffer = io.BytesIO()
    colour_photo(habitat, seed, size).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def point(number="48003900", habitat="woody"):
    return {f"{number}{d}.jpg": jpeg(habitat, 50 + i) for i, d in enumerate(DIRECTIONS)}


def uploaded(folder, files):
    """Files as Gradio leaves them: each in a folder of its own, under its own name."""
    paths = []
    for name, data in files.items():
        place = folder / f"up{len(list(folder.glob('up*')))}"
        place.mkdir(parents=True)
        (place / name).write_bytes(data)
        paths.append(str(place / name))
    return paths


def zipped(files, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def taken(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# Uploads


def test_photos_are_moved_and_keep_their_names(tmp_path):
    files = uploaded(tmp_path, {"31603628N.jpg": b"x", "å b.JPG": b"y", "notes.txt": b"z"})
    assert take_uploads(files, tmp_path / "in") == [Refused("notes.txt", "not a photo")]
    assert taken(tmp_path / "in") == ["u0000/31603628N.jpg", "u0001/å b.JPG"]
    assert not any(os.path.exists(f) for f in files)


def test_a_zip_keeps_folders_that_tell_year_and_country(tmp_path):
    data = zipped({
        "2018/UK/316/036/31603628N.jpg": b"x",
        "__MACOSX/2018/._31603628N.jpg": b"y",
        "2018/.DS_Store": b"y",
        "leaflet.pdf": b"y",
        "inner.zip": b"y",
    })  # fmt: skip
    refused = take_uploads(uploaded(tmp_path, {"points.zip": data}), tmp_path / "in")
    assert taken(tmp_path / "in") == ["u0000/2018/UK/316/036/31603628N.jpg"]
    assert refused == [Refused("leaflet.pdf", "not a photo"), Refused("inner.zip", "not a photo")]


def test_a_photo_that_would_not_be_listed_is_refused_with_a_reason(tmp_path):
    data = zipped({"._b.jpg": b"x", ".thumbs/c.jpg": b"x"})
    files = uploaded(tmp_path, {"._IMG_1.jpg": b"x", "a.zip": data})
    refused = take_uploads(files, tmp_path / "in")
    assert [(r.name, r.why) for r in refused] == [
        ("._IMG_1.jpg", "hidden"),
        ("._b.jpg", "hidden"),
        (".thumbs/c.jpg", "hidden"),
        ("a.zip", "zip without photos"),
    ]
    assert taken(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../out.jpg", "a/../../out.jpg", "/out.jpg", "C:/out.jpg", "..\\out.jpg", "C:out.jpg"]
)
def test_no_name_leads_out_of_a_zip(tmp_path, name):
    files = uploaded(tmp_path, {"a.zip": zipped({name: b"x", "good.jpg": b"y"})})
    assert [r.why for r in take_uploads(files, tmp_path / "in")] == ["unsafe name"]
    assert taken(tmp_path) == ["in/u0000/good.jpg"]


def test_links_and_locked_files_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    data = zipped({link: b"/etc/passwd"})
    assert [r.why for r in take_uploads(uploaded(tmp_path, {"a.zip": data}), tmp_path / "in")] == [
        "unsafe name",
        "zip without photos",
    ]
    data = bytearray(zipped({"a.jpg": b"x"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    found = take_uploads(uploaded(tmp_path, {"b.zip": bytes(data)}), tmp_path / "in2")
    assert [r.why for r in found] == ["encrypted", "zip without photos"]


def test_a_bomb_is_counted_as_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(app_uploads, "MAX_PHOTO_BYTES", 1000)
    monkeypatch.setattr(app_uploads, "MAX_ZIP_BYTES", 2500)
    more = {f"{i}.jpg": bytes(900) for i in range(3)}
    data = bytearray(zipped({"a.jpg": bytes(900), "bomb.jpg": bytes(5_000_000), **more}))
    refused = take_uploads(uploaded(tmp_path, {"a.zip": data}), tmp_path / "in")
    assert refused == [Refused("bomb.jpg", "file too large"), Refused("0.jpg", "zip too large")]
    assert taken(tmp_path / "in") == ["u0000/a.jpg"]
    # Its list says that the bomb is small.
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1) + 24
    assert struct.unpack_from("<I", data, at)[0] == 5_000_000
    struct.pack_into("<I", data, at, 10)
    refused = take_uploads(uploaded(tmp_path, {"a.zip": data}), tmp_path / "in2")
    assert [(r.name, r.why) for r in refused] == [("a.zip", "broken zip")]
    assert taken(tmp_path / "in2") == ["u0000/a.jpg"]


def test_a_photo_that_meets_the_end_of_the_zips_share_is_not_called_too_large(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(app_uploads, "MAX_PHOTO_BYTES", 1000)
    monkeypatch.setattr(app_uploads, "MAX_ZIP_BYTES", 2500)
    data = zipped({f"{i}.jpg": bytes(900) for i in range(5)})
    refused = take_uploads(uploaded(tmp_path, {"a.zip": data}), tmp_path / "in")
    assert refused == [Refused("2.jpg", "zip too large")]
    assert taken(tmp_path / "in") == ["u0000/0.jpg", "u0000/1.jpg"]
    # What it may hold to the byte, and then one photo more.
    data = zipped({"a.jpg": bytes(1000), "b.jpg": bytes(1000), "c.jpg": bytes(500), "d.jpg": b"x"})
    refused = take_uploads(uploaded(tmp_path, {"b.zip": data}), tmp_path / "in2")
    assert refused == [Refused("d.jpg", "zip too large")]


def test_a_good_zip_that_comes_too_late_is_not_said_to_be_without_photos(tmp_path, monkeypatch):
    monkeypatch.setattr(app_uploads, "MAX_PHOTOS", 1)
    files = {"a.jpg": b"x", "b.zip": zipped({"1.jpg": b"x", "2.jpg": b"x"})}
    refused = take_uploads(uploaded(tmp_path, files), tmp_path / "in")
    assert refused == [Refused("1.jpg", "too many")]


def test_single_files_that_are_too_large_or_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(app_uploads, "MAX_PHOTO_BYTES", 1000)
    monkeypatch.setattr(app_uploads, "MAX_PHOTOS", 3)
    files = {"large.jpg": bytes(1001), "a.jpg": b"x", "b.zip": zipped({f"{i}.jpg": b"x" for i in "123"}),
             "c.jpg": b"x"}  # fmt: skip
    refused = take_uploads(uploaded(tmp_path, files), tmp_path / "in")
    assert [(r.name, r.why) for r in refused] == [
        ("large.jpg", "file too large"), ("3.jpg", "too many"), ("c.jpg", "too many")
    ]  # fmt: skip
    assert taken(tmp_path / "in") == ["u0001/a.jpg", "u0002/1.jpg", "u0002/2.jpg"]


@pytest.mark.parametrize("cut", [0, 30, 100, 300])
def test_a_broken_zip_is_a_message(tmp_path, cut):
    data = zipped({"a.jpg": jpeg(), "b.jpg": jpeg(seed=2)})
    refused = take_uploads(uploaded(tmp_path, {"a.zip": data[:cut]}), tmp_path / "in")
    assert refused == [Refused("a.zip", "broken zip")]


def test_bytes_that_no_longer_match_their_checksum(tmp_path):
    data = bytearray(zipped({"a.jpg": jpeg()}))
    data[200] ^= 255
    refused = take_uploads(uploaded(tmp_path, {"a.zip": bytes(data)}), tmp_path / "in")
    assert [r.why for r in refused] == ["broken zip"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a:b?.jpg", "a_b_.jpg"), ("CON.jpg", "_CON.jpg"), ("nul", "_nul"), ("x. ", "x"), ("..", "_"),
     ("ø" * 300 + ".jpg", "ø" * 100 + ".jpg")],
)  # fmt: skip
def test_names_that_windows_takes_too(name, safe):
    assert safe_name(name) == safe


# Texts


def test_every_language_says_everything_with_the_same_blanks():
    assert set(TEXTS) == set(LANGUAGES)
    for language in TEXTS:
        assert set(TEXTS[language]) == set(TEXTS["en"])
        for key, text in TEXTS[language].items():
            assert set(re.findall(r"\{\w+\}", text)) == set(
                re.findall(r"\{\w+\}", TEXTS["en"][key])
            )
            assert text.strip()
    assert set(STATUSES) - {"ok"} <= set(TEXTS["en"])
    whys = re.findall(r'Refused\([\w.]+, "([^"]+)"\)', Path(app_uploads.__file__).read_text())
    assert len(whys) > 8
    assert set(whys) <= set(TEXTS["en"])


def test_a_spotlight_leaves_light_what_counted(tmp_path):
    Image.new("RGB", (140, 70), (200, 200, 200)).save(tmp_path / "a.png")
    values = np.zeros((7, 7), np.float32)
    values[:, :3] = 1

    def seen(how):
        return shown(app_page.spotlight(str(tmp_path / "a.png"), values, how, 140))

    found = seen(Preprocessing())
    assert found.shape == (70, 140)
    assert found[:, :40].min() > 180
    assert found[:, 90:].max() < 75
    # A model that never saw the bottom cannot have looked there.
    assert seen(Preprocessing(credit="crop"))[-3:].max() < 75


def shown(source):
    data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def test_pictures_of_odd_photos_are_what_the_model_sees(tmp_path):
    grey = np.full((60, 80), 30_000, np.uint16)
    Image.fromarray(grey).save(tmp_path / "16.png")
    Image.fromarray(np.tile(np.linspace(0, 1, 80, dtype=np.float32), (60, 1))).save(
        tmp_path / "float.tif"
    )
    Image.new("RGBA", (80, 60), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    found = shown(app_page.picture(str(tmp_path / "16.png"), 80))
    assert found.shape == (60, 80)
    assert abs(found.mean() - 30_000 / 257) < 3
    found = shown(app_page.picture(str(tmp_path / "float.tif"), 80))
    assert found[:, :5].mean() < 30
    assert found[:, -5:].mean() > 225
    assert shown(app_page.picture(str(tmp_path / "clear.png"), 80)).min() > 250
    light = np.ones((7, 7), np.float32)
    found = shown(app_page.spotlight(str(tmp_path / "16.png"), light, Preprocessing(), 80))
    assert abs(found.mean() - 30_000 / 257) < 3
    (tmp_path / "text.jpg").write_text("Dear Sir or Madam")
    for name in ("text.jpg", "none.jpg"):
        assert app_page.picture(str(tmp_path / name), 80) == ""
        assert app_page.spotlight(str(tmp_path / name), light, Preprocessing(), 80) == ""


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_message_is_text_whatever_it_says():
    told = app_page.message("bad", ENGLISH("failed", reason="<b>no & \x00</b>"))
    assert told == (
        '<div class="lh"><p class="bad" role="alert">That did not work: '
        "&lt;b&gt;no &amp; \ufffd&lt;/b&gt;</p></div>"
    )


# The desk: what is done with photos, without a server


@pytest.fixture(scope="module")
def desk(model, photo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    desk = Desk(model, folder, tmp_path_factory.mktemp("review") / "rettet.csv", photo_folder)
    desk.warm_up()
    yield desk
    desk.close()
    assert taken(folder) == []


@pytest.fixture
def tab(desk, request):
    """A tab's name; it is closed after the test."""
    yield request.node.name
    desk.leave(request.node.name)


def test_a_point_is_voted_on_and_each_photo_has_its_own_say(desk, tab, tmp_path):
    desk.take(tab, uploaded(tmp_path, point()))
    html = desk.answer(tab, ENGLISH)
    assert "Point 48003900: woody" in html
    assert re.search(r"[345] of 5 photos say so", html)
    assert html.count("<figure") == 5
    assert html.count("This photo alone:") == 5
    assert html.count("data:image/jpeg;base64,") == 5
    shares = [int(s) for s in re.findall(r'class="share">(\d+) %', html)]
    assert len(shares) == 6 * 4
    assert all(97 <= sum(shares[i : i + 4]) <= 103 for i in range(0, 24, 4))
    labels = [label for label, _ in desk.choices(tab, ENGLISH)]
    assert labels == ["All photos of point 48003900", *point()]
    assert 'lang="da"' in desk.answer(tab, app_page.Words("da"))
    assert "Punkt 48003900" in desk.answer(tab, app_page.Words("da"))


def test_looking_closer_shows_maps_and_similar_training_photos(desk, tab, tmp_path):
    desk.take(tab, uploaded(tmp_path, point()))
    html = desk.look(tab, "g0", ENGLISH)
    assert html.count("Where the model looked for") == 10  # in alt and in caption
    assert html.count("data:image/jpeg;base64,") == 5 * (1 + 3)
    assert "The training photos are not here" not in html
    one = desk.look(tab, "p2", ENGLISH)
    assert one.count("data:image/jpeg;base64,") == 1 + 3
    assert "<h3>48003900E.jpg</h3>" in one
    for choice in ("p99", "g7", "x", None, "p-1"):
        assert "no longer here" in desk.look(tab, choice, ENGLISH)
    assert "no longer here" in desk.look("nobody", "p0", ENGLISH)


def table_of(folder, rows):
    """Training photos' table, one file a row."""
    for row in rows:
        (folder / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / row["path"]).write_bytes(jpeg())
    pd.DataFrame(rows).to_csv(folder / "photos.csv", index=False)
    return folder / "photos.csv"


def test_similar_training_photos_are_the_right_ones_or_none(desk, tab, tmp_path, monkeypatch):
    rows = [
        # One point in two years, under one name.
        ("2015/31603628N.jpg", "31603628", 2015, "woody"),
        ("2018/31603628N.jpg", "31603628", 2018, "woody"),
        # A camera's name in two classes.
        ("cropland/IMG_1.jpg", None, None, "cropland"),
        ("woody/IMG_1.jpg", None, None, "woody"),
        # Two that nothing tells apart.
        ("a/IMG_2.jpg", None, None, "woody"),
        ("b/IMG_2.jpg", None, None, "woody"),
        # One whose label has been corrected since.
        ("48003900N.jpg", "48003900", 2018, "cropland"),
        ("corrected/IMG_3.jpg", None, None, "cropland"),
    ]
    columns = ["path", "point_id", "year", "habitat"]
    table = table_of(tmp_path, [dict(zip(columns, row, strict=True)) for row in rows])
    asked = [
        ("31603628N.jpg", "31603628", 2015, "woody", "2015/31603628N.jpg"),
        ("31603628N.jpg", "31603628", 2018, "woody", "2018/31603628N.jpg"),
        ("31603628N.jpg", "31603628", 2022, "woody", None),
        ("IMG_1.jpg", None, None, "cropland", "cropland/IMG_1.jpg"),
        ("IMG_1.jpg", None, None, "woody", "woody/IMG_1.jpg"),
        ("IMG_1.jpg", None, None, "grassland", None),
        ("IMG_2.jpg", None, None, "woody", None),
        ("48003900N.jpg", "48003900", 2018, "woody", "48003900N.jpg"),
        ("IMG_3.jpg", None, None, "woody", None),
    ]
    near = pd.DataFrame(asked, columns=["photo", "point_id", "year", "habitat", "right"])
    near["year"] = near["year"].astype("Int64")
    near["row"], near["distance"] = 0, 0.1
    looked = []
    monkeypatch.setattr(desk_module, "similar_photos", lambda *args, **kwargs: near)
    monkeypatch.setattr(app_page, "closer", lambda words, photos, is_cut: looked.extend(photos))
    monkeypatch.setattr(desk, "_training", desk_module._training_photos(table))
    desk.take(tab, uploaded(tmp_path, {"a.jpg": jpeg()}))
    desk.look(tab, "p0", ENGLISH)
    desk.leave(tab)
    paths = [None if pd.isna(p) else p for p in looked[0].similar["path"]]
    assert paths == [None if pd.isna(r) else str(tmp_path / r) for r in near["right"]]


def test_choices_are_plain_text_and_the_answer_is_html(desk, tab, tmp_path):
    name = "Bob's & plot"
    desk.take(tab, uploaded(tmp_path, {f"{name}_{d}_2018.jpg": jpeg() for d in ("north", "east")}))
    assert desk.choices(tab, ENGLISH)[0][0] == f"All photos of point {name}, 2018"
    assert "Point Bob&#39;s &amp; plot, 2018" in desk.answer(tab, ENGLISH)


def test_nothing_stays_when_a_drop_fails(desk, tab, tmp_path, monkeypatch):
    def fail(*args):
        raise MemoryError

    files = uploaded(tmp_path, {"a.jpg": jpeg(), "b.zip": zipped({"c.jpg": jpeg()}), "d.jpg": b"x"})
    monkeypatch.setattr(app_uploads, "_unpack", fail)
    before = taken(desk._folder)
    with pytest.raises(MemoryError):
        desk.take(tab, files)
    assert taken(tmp_path) == []
    assert taken(desk._folder) == before


def test_every_bad_photo_is_answered(desk, tab, tmp_path):
    empty_png = b"\x89PNG\r\n\x1a\n" + bytes(20)
    files = {
        "empty.jpg": b"",
        "text.jpg": b"Dear Sir or Madam",
        "cut.jpg": jpeg(size=(400, 300))[:2000],
        "tiny.png": _png(Image.new("RGB", (5, 5))),
        "head.png": empty_png,
        "bomb.png": png_claiming(30_000, 30_000),
        "list.xlsx": b"PK\x03\x04",
        "zip.zip": b"PK\x03\x04",
        "<img src=x onerror=alert(1)>.jpg".replace("/", ""): b"",
        "${alert(2)}.jpg": b"",
        "good.jpg": jpeg(),
    }
    desk.take(tab, uploaded(tmp_path, files))
    html = desk.answer(tab, ENGLISH)
    for name, words in [
        ("empty.jpg", "The file is empty."),
        ("text.jpg", "This is no photo that can be read"),
        ("cut.jpg", "The photo is damaged or cut off."),
        ("tiny.png", "The photo is too small"),
        ("bomb.png", "The photo has more pixels than are safe to read."),
        ("head.png", "This is no photo that can be read"),
        ("list.xlsx", "This is no photo that can be read"),
        ("zip.zip", "The zip is damaged."),
    ]:
        assert f"<li>{name}: {words}" in html
    assert "<img src=x" not in html
    assert html.count("<figure") == 1
    assert [label for label, _ in desk.choices(tab, ENGLISH)] == ["good.jpg"]
    desk.take(tab, uploaded(tmp_path, {"a.txt": b"x"}))
    html = desk.answer(tab, ENGLISH)
    assert "None of these files could be used." in html
    assert desk.choices(tab, ENGLISH) == []
    desk.take(tab, uploaded(tmp_path, {"._IMG_1.jpg": jpeg()}))
    assert "<li>._IMG_1.jpg: Its name, or its folder&#39;s" in desk.answer(tab, ENGLISH)


def test_a_heic_photo_is_taken_and_shown_or_the_way_to_it_is_named(
    desk, tab, tmp_path, monkeypatch
):
    buffer = io.BytesIO()
    pillow_heif.from_pillow(colour_photo("woody", 1)).save(buffer, quality=90)
    desk.take(tab, uploaded(tmp_path, {"IMG_1.HEIC": buffer.getvalue()}))
    html = desk.answer(tab, ENGLISH)
    assert html.count("<figure") == html.count('src="data:image/jpeg') == 1
    assert desk.look(tab, "p0", ENGLISH).count("data:image/jpeg") > 1
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    desk.take(tab, uploaded(tmp_path, {"IMG_1.HEIC": buffer.getvalue()}))
    html = desk.answer(tab, ENGLISH)
    assert (
        "IMG_1.HEIC: HEIC photos need one more package: pip install &#34;lucas-habitat[heic]&#34;"
        in html
    )
    assert "<figure" not in html


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_strangers_and_known_points_are_named(desk, tab, tmp_path, parts):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    desk.take(tab, uploaded(tmp_path, {"noise.png": _png(Image.fromarray(noise))}))
    assert "unlike anything in training" in desk.answer(tab, ENGLISH)
    known = parts[0].iloc[0]
    data = Path(known["path"]).read_bytes()
    desk.take(tab, uploaded(tmp_path, {os.path.basename(known["path"]): data}))
    html = desk.answer(tab, ENGLISH)
    assert "trained on this point" in html
    assert "unlike anything" not in html


def test_closeups_do_not_vote(desk, tab, tmp_path):
    files = {**point(), "48003900C.jpg": jpeg("artificial")}
    desk.take(tab, uploaded(tmp_path, files))
    html = desk.answer(tab, ENGLISH)
    assert "of 5 photos say so" in html
    assert html.count("A close-up: it does not vote.") == 1


def test_corrections_are_kept_and_nothing_else_is(desk, tab, tmp_path):
    desk.take(tab, uploaded(tmp_path, point("48103900")))
    folder = desk._drops[tab].folder
    assert "Choose the right class" in desk.correct(tab, "g0", None, ENGLISH)
    assert "Choose the right class" in desk.correct(tab, "g0", "heath", ENGLISH)
    said = desk.correct(tab, "p1", "grassland", ENGLISH)
    assert "Saved: 48103900N.jpg is grassland." in said
    assert "Saved: 5 photos of 48103900 are cropland." in desk.correct(
        tab, "g0", "cropland", ENGLISH
    )
    table = pd.read_csv(desk.corrections, dtype="str")
    assert table["habitat"].tolist() == ["grassland"] + ["cropland"] * 5
    assert table["point_id"].unique().tolist() == ["48103900"]
    kept = desk.corrections.with_name("rettet_photos")
    assert {p.read_bytes() for p in kept.iterdir()} == set(point().values())
    desk.leave(tab)
    assert not folder.exists()
    assert "no longer here" in desk.correct(tab, "g0", "cropland", ENGLISH)
    assert len(list(kept.iterdir())) == 5
    assert taken(desk._folder) == []


def test_a_new_drop_deletes_the_one_before(desk, tab, tmp_path):
    desk.take(tab, uploaded(tmp_path, {"a.jpg": jpeg()}))
    desk.take("other", uploaded(tmp_path, {"b.jpg": jpeg()}))
    desk.take(tab, uploaded(tmp_path, {"c.jpg": jpeg()}))
    names = [p.rpartition("/")[2] for p in taken(desk._folder)]
    assert sorted(names) == ["b.jpg", "c.jpg"]
    assert "a.jpg" not in desk.answer(tab, ENGLISH)
    desk.leave("other")


def test_training_photos_may_be_a_table(photo_folder, parts):
    table = pd.concat(parts, ignore_index=True)
    given = desk_module._training_photos(table)
    assert given.paths == desk_module._training_photos(photo_folder).paths
    assert given.test == set(parts[1]["point_id"])


def test_corrections_of_test_points_are_marked_as_such(model, photo_folder, parts, tmp_path):
    table = pd.concat(
        [part.assign(split=name) for part, name in zip(parts, ("train", "test"), strict=True)]
    )
    table.to_csv(tmp_path / "photos.csv", index=False)
    desk = Desk(model, tmp_path / "desk", tmp_path / "r.csv", tmp_path / "photos.csv")
    path = parts[1]["path"].iloc[0]
    desk.take("tab", uploaded(tmp_path, {os.path.basename(path): Path(path).read_bytes()}))
    desk.correct("tab", "p0", "woody", ENGLISH)
    assert pd.read_csv(tmp_path / "r.csv")["split"].tolist() == ["test"]


def test_a_tab_that_closes_while_its_photos_are_classified_leaves_nothing(
    desk, tab, tmp_path, monkeypatch
):
    whole = desk_module.extract_features

    def slow(*given, **options):
        desk.leave(tab)  # the tab is closed meanwhile
        return whole(*given, **options)

    before = taken(desk._folder)
    with monkeypatch.context() as patch:
        patch.setattr(desk_module, "extract_features", slow)
        desk.take(tab, uploaded(tmp_path, {"a.jpg": jpeg()}))
    assert taken(desk._folder) == before
    assert desk.answer(tab, ENGLISH) == ""


def test_a_tab_that_closed_before_its_photos_were_taken_leaves_nothing(desk, tmp_path):
    desk.leave("closed tab")
    before = taken(desk._folder)
    desk.take("closed tab", uploaded(tmp_path, {"a.jpg": jpeg()}))
    assert taken(desk._folder) == before
    assert taken(tmp_path) == []
    assert desk.answer("closed tab", ENGLISH) == ""


def test_a_tab_that_closes_while_its_drop_waits_for_others_is_not_classified(
    desk, tab, tmp_path, monkeypatch
):
    names = []
    go, busy = threading.Event(), threading.Barrier(desk_module._AT_ONCE + 1)
    whole = desk_module.extract_features

    def waiting(paths, *given, **options):
        names.extend(map(os.path.basename, paths))
        busy.wait(120)
        go.wait(120)
        return whole(paths, *given, **options)

    monkeypatch.setattr(desk_module, "extract_features", waiting)
    others = [f"other {i}" for i in range(desk_module._AT_ONCE)]
    with ThreadPoolExecutor() as threads:
        drops = [
            threads.submit(desk.take, other, uploaded(tmp_path / other, {f"{other}.jpg": jpeg()}))
            for other in others
        ]
        busy.wait(120)  # every place is taken
        files = uploaded(tmp_path / "late", {"late.jpg": jpeg()})
        drops.append(threads.submit(desk.take, tab, files))
        wait_for(lambda: any(p.endswith("late.jpg") for p in taken(desk._folder)))
        desk.leave(tab)
        go.set()
    for drop in drops:
        drop.result()
    assert sorted(names) == [f"{other}.jpg" for other in others]
    assert sorted(p.rpartition("/")[2] for p in taken(desk._folder)) == sorted(names)
    for other in others:
        desk.leave(other)


def test_a_drop_during_a_drop_wins_and_the_first_leaves_nothing(desk, tab, tmp_path, monkeypatch):
    whole = desk_module.extract_features
    meanwhile = [uploaded(tmp_path / "second", {"b.jpg": jpeg()})]

    def slow(*given, **options):
        if meanwhile:
            desk.take(tab, meanwhile.pop())
        return whole(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(desk_module, "extract_features", slow)
        desk.take(tab, uploaded(tmp_path / "first", {"a.jpg": jpeg()}))
    assert [p.rpartition("/")[2] for p in taken(desk._folder)] == ["b.jpg"]
    assert "b.jpg" in desk.answer(tab, ENGLISH)
    desk.leave(tab)
    assert taken(desk._folder) == []


# The server

if importlib.util.find_spec("gradio") is None:
    if os.environ.get("LUCAS_FORCE_TESTS") == "true":
        raise ImportError("LUCAS_FORCE_TESTS is set, but Gradio is not installed")
    pytest.skip("Gradio is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def app(model, photo_folder, tmp_path_factory):
    table = tmp_path_factory.mktemp("review") / "rettet.csv"
    with app_module.served_page(model, None, table, photo_folder, "en") as served:
        yield served
    assert not served.folder.exists()


def get(app, path, method="GET", host=None, body=None, token=None, **headers):
    """The answer to what is asked under the page's address, or under another token."""
    parts = urlsplit(app.url)
    path = (parts.path.rstrip("/") if token is None else token) + path
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or parts.netloc)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_is_served_to_this_computer_only(app):
    assert urlsplit(app.url).hostname == "127.0.0.1"
    status, _, headers = get(app, "/")
    assert status == 200
    headers = {k.lower(): v for k, v in headers.items()}
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert app.blocks.server_name == "127.0.0.1"
    assert app.blocks.allowed_paths == []
    assert app.blocks.share is False
    assert app.blocks.analytics_enabled is False
    # A name of somebody else's that resolves to 127.0.0.1
    assert get(app, "/", host="evil.example:7860")[0] == 421
    assert get(app, "/config", host="evil.example")[0] == 421
    # A page from elsewhere that sends files here
    assert get(app, "/gradio_api/upload", "POST", body=b"", Origin="http://evil.example")[0] == 403
    own = f"http://{urlsplit(app.url).netloc}"
    assert get(app, "/gradio_api/upload", "POST", body=b"", Origin=own)[0] not in (403, 404, 421)


def test_who_does_not_know_the_token_is_served_nothing(app):
    """Other accounts of this computer can ask 127.0.0.1 too."""
    assert re.fullmatch(r"/[\w-]{22}/", urlsplit(app.url).path)
    for token in ("", "/x", "/" + "A" * 22, urlsplit(app.url).path[:-2]):
        for path in ("/", "/config", "/theme.css", "/gradio_api/heartbeat/x", "/assets/x.js"):
            assert get(app, path, token=token)[0] == 401, (token, path)
        assert get(app, "/gradio_api/upload", "POST", body=b"x", token=token)[0] == 401


ADDRESS = "http://secret.example/a.jpg"


def joined(app, path):
    """What the page would send of a drop, with another file's name in it."""
    file = {"path": path, "orig_name": "a.jpg", "meta": {"_type": "gradio.FileData"}}
    answers = [d["id"] for d in app.blocks.config["dependencies"] if len(d["inputs"]) == 2]
    body = {"data": [[file], "en"], "fn_index": answers[0], "session_hash": "abc", "trigger_id": 1}
    return get(
        app, "/gradio_api/queue/join", "POST", body=json.dumps(body).encode(),
        **{"Content-Type": "application/json"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "path", [ADDRESS, "https://1.2.3.4/", "//a/b", "/etc/passwd", "x/../../../etc/passwd", 7, ["a"]]
)
def test_an_address_in_the_place_of_a_file_is_refused_unasked(app, path, monkeypatch):
    asked, whole = [], socket.getaddrinfo

    def noted(host, *given, **options):
        asked.append(host)
        return whole(host, *given, **options)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    status, text, _ = joined(app, path)
    assert status == 400
    assert b"No such photo" in text
    time.sleep(0.5)
    assert set(asked) <= {"127.0.0.1"}


def test_a_file_that_was_dropped_is_let_through(app):
    assert joined(app, str(app.folder / "uploads" / "a" / "a.jpg"))[0] == 200


def test_what_is_sent_is_bounded(app):
    long = json.dumps({"data": ["x" * 2_000_000]}).encode()
    assert get(app, "/gradio_api/queue/join", "POST", body=long)[0] == 413
    assert get(app, "/gradio_api/queue/join", "POST", body=b"[" * 100_000)[0] == 400


def test_uploads_have_a_quota_of_bytes_and_files(app, monkeypatch):
    boundary = "xyz"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    body = part.encode() + jpeg() + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    def sent():
        return get(app, "/gradio_api/upload", "POST", body=body, **kind)[0]

    assert sent() == 200
    (upload,) = [p for p in (app.folder / "uploads").rglob("*") if p.is_file()]
    monkeypatch.setattr(guard, "QUOTA_BYTES", len(body) + upload.stat().st_size - 1)
    assert sent() == 413
    monkeypatch.undo()
    monkeypatch.setattr(guard, "QUOTA_FILES", len(list(app.folder.rglob("*.jpg"))))
    assert sent() == 413
    monkeypatch.undo()
    assert get(app, "/gradio_api/upload", "POST", **kind)[0] == 411
    shutil.rmtree(upload.parent)


def test_no_file_is_served_whatever_the_path(app, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("do not tell")
    module = Path(app_page.__file__)
    paths = []
    for target in (secret, module, Path("/etc/passwd")):
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/gradio_api/proxy=",
                      "/assets/", "/static/", "/svelte/", "/assets/../", "/static/img/..%2f..%2f",
                      "/assets/%2e%2e/%2e%2e/", "/assets/..%5c..%5c", "/custom_component/x/",
                      "/gradio_api/stream/", "/gradio_api/queue/../file="):  # fmt: skip
            paths.append(route + quote(str(target)))
            paths.append(route + "../" * 12 + quote(str(target)).lstrip("/"))
    for path in paths:
        status, body, _ = get(app, path)
        assert status in (403, 404, 405, 422), path
        assert b"do not tell" not in body
        assert b"root:" not in body
        assert b"def answer" not in body


def test_what_the_page_does_not_need_is_not_there(app):
    for path in ("/docs", "/openapi.json", "/gradio_api/info", "/gradio_api/openapi.json",
                 "/gradio_api/runs", "/monitoring", "/gradio_api/mcp/", "/login", "/gradio_api/user",
                 "/gradio_api/call/dropped", "/gradio_api/run/dropped", "/gradio_api/deep_link",
                 "/gradio_api/component_server", "/gradio_api/vibe-edit/"):  # fmt: skip
        for method in ("GET", "POST"):
            assert get(app, path, method, body=b"{}")[0] in (404, 405), (path, method)


def test_arguments_are_checked_before_anything_is_served(model, app, tmp_path):
    with pytest.raises(InputError, match="language must be one of 'en', 'da'"):
        run_app(model, language="se", open_browser=False)
    with pytest.raises(InputError, match="port must be a whole number"):
        run_app(model, port=80, open_browser=False)
    with pytest.raises(InputError, match=r"corrections must name a \.csv file"):
        run_app(model, corrections=tmp_path / "r.xlsx", open_browser=False)
    with pytest.raises(ModelError, match=r"does not exist"):
        run_app(tmp_path / "none", open_browser=False)
    with pytest.raises(InputError, match="cannot be served"):
        run_app(model, port=urlsplit(app.url).port, open_browser=False)


def test_without_gradio_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(DependencyError, match=r"needs Gradio.*pip install 'lucas-habitat\[app\]'"):
        run_app(open_browser=False)


@pytest.fixture
def command(model, tmp_path):
    """The command line, told to keep its temporary files where a test can see them."""
    save_model(model, tmp_path / "model")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "session").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "lucas_habitat.cli", "app", "--model", tmp_path / "model",
         "--no-browser", "--session", tmp_path / "session"],
        cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: (tmp_path / "address").exists() or process.poll() is not None)
    yield process
    process.kill()
    process.stdout.close()
    process.stdin.close()


@pytest.mark.parametrize("how", ["its file is gone", "terminated", "hung up", "its pipe closes"])
def test_the_command_serves_until_it_is_told_to_end(command, tmp_path, how):
    told = json.loads((tmp_path / "address").read_text())
    assert told["pid"] == command.pid
    assert (tmp_path / "session").stat().st_size == 0  # R may be reading it
    connection = http.client.HTTPConnection(urlsplit(told["url"]).netloc, timeout=120)
    connection.request("GET", urlsplit(told["url"]).path)
    assert connection.getresponse().status == 200
    connection.close()
    if how in ("terminated", "hung up"):
        command.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGHUP)
    elif how == "its pipe closes":
        command.stdin.close()
    else:
        (tmp_path / "session").unlink()
    assert command.wait(120) == 0
    assert not list((tmp_path / "tmp").glob("lucas-habitat-app-*"))


PARENT = """
import json, subprocess, sys, time
page = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE, start_new_session=True)
print(page.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("is_ready", [True, False])
def test_the_page_ends_with_the_process_that_started_it(model, tmp_path, number, is_ready):
    save_model(model, tmp_path / "model")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "session").touch()
    page = [sys.executable, "-m", "lucas_habitat.cli", "app", "--model", tmp_path / "model",
            "--no-browser", "--session", tmp_path / "session"]  # fmt: skip
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, json.dumps([str(word) for word in page])],
        cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, stdout=subprocess.PIPE,
    )  # fmt: skip
    number_of_page = int(parent.stdout.readline())
    if is_ready:
        wait_for(lambda: (tmp_path / "address").exists())
    parent.send_signal(number)
    parent.wait(120)
    parent.stdout.close()
    wait_for(lambda: not is_running(number_of_page))
    assert (tmp_path / "session").exists()  # it was not this that ended it
    assert not list((tmp_path / "tmp").glob("lucas-habitat-app-*"))


def is_running(number):
    """Whether a process runs, which is not ours to wait for; a dead one may lack a parent to bury it."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_next_start_deletes_what_a_killed_one_left(command, tmp_path, monkeypatch):
    tmp = tmp_path / "tmp"
    (folder,) = tmp.glob("lucas-habitat-app-*")
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / "uploads" / "a.jpg").write_bytes(b"x")
    other = tmp / "lucas-habitat-app-of-somebody"  # without a lock: not known to be a page's
    other.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp))
    for path in (folder, other):
        os.utime(path, (0, 0))
    app_module._delete_leftovers()
    assert (folder / "uploads" / "a.jpg").exists()  # it runs
    command.kill()
    command.wait(120)
    os.utime(folder)
    app_module._delete_leftovers()
    assert folder.exists()  # it may just be starting
    os.utime(folder, (0, 0))
    app_module._delete_leftovers()
    assert not folder.exists()
    assert other.exists()


@pytest.fixture
def leftover(tmp_path, monkeypatch):
    """A folder as a page that was killed long ago leaves it."""
    tmp = tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp))
    folder = tmp / "lucas-habitat-app-x"
    (folder / "uploads").mkdir(parents=True)
    (folder / "lock").touch()
    os.utime(folder, (0, 0))
    return folder


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no numbers of users")
def test_what_another_users_page_left_is_not_touched(leftover, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: -1)
        app_module._delete_leftovers()
    assert (leftover / "uploads").is_dir()
    app_module._delete_leftovers()
    assert not leftover.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_that_look_like_a_leftover_are_not_followed(leftover, tmp_path):
    """Others may put a link into the common temporary folder, to what belongs to this user."""
    kept = leftover.rename(tmp_path / "mine")
    (kept / "lock").write_text("mine")
    leftover.symlink_to(kept)
    os.utime(leftover, (0, 0), follow_symlinks=False)
    linked = leftover.with_name("lucas-habitat-app-y")
    linked.mkdir()
    (linked / "lock").symlink_to(kept / "lock")
    os.utime(linked, (0, 0))
    for folder in (kept, linked):
        os.utime(folder, (0, 0))
    app_module._delete_leftovers()
    assert (kept / "lock").read_text() == "mine"
    assert (kept / "uploads").is_dir()
    assert linked.is_dir()


@pytest.mark.filterwarnings(
    "ignore::lucas_habitat.errors.LucasWarning"
)  # some are broken on purpose
def test_without_a_model_the_demo_model_is_trained_once(monkeypatch, tmp_path):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path))
    monkeypatch.setattr(app_module, "_DEMO_POINTS", 40)
    calls = []
    whole = app_module._demo_model.__globals__["load_model"]
    monkeypatch.setattr(
        app_module, "load_model", lambda folder: calls.append(folder) or whole(folder)
    )
    model, photos = app_module._demo_model(None)
    assert len(calls) == 2  # looked, trained, loaded
    assert model.training["n_points"] > 0
    assert (photos / "woody").is_dir()
    again, _ = app_module._demo_model(None)
    assert len(calls) == 3
    assert again.created == model.created
