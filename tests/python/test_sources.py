"""Where photos lie: folders of any size and with any names, and the bytes behind an address."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import colour_photo

import lucas_habitat as lh
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, PhotoError
from lucas_habitat.photos import PHOTO_ENDINGS
from lucas_habitat.sources import on_disk, read_bytes, readable, walk


def photo(path, seed=0, habitat="woody"):
    path.parent.mkdir(parents=True, exist_ok=True)
    colour_photo(habitat, seed).save(path, "JPEG", quality=90)
    return path


# Folders


def test_a_walk_is_in_order_of_path_without_sorting_it_all(tmp_path):
    names = [
        "b/x.jpg",
        "a.b/x.jpg",
        "a/x.jpg",
        "a-b/x.jpg",
        "a/b/c.jpg",
        "a.jpg",
        "a/b.jpg",
        "é/ø.png",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = list(walk(tmp_path, PHOTO_ENDINGS))
    assert paths == sorted(str(tmp_path / name) for name in names)


def test_a_walk_begins_before_it_has_read_all_folders(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        photo(tmp_path / name / "x.jpg")
    listed, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scandir(path))
    assert next(walk(tmp_path, PHOTO_ENDINGS)) == str(tmp_path / "a" / "x.jpg")
    assert len(listed) == 2


def test_what_is_hidden_is_left_out_and_links_do_not_lead_in_circles(tmp_path):
    photo(tmp_path / "a" / "x.jpg")
    for name in (".x.jpg", ".hidden/x.jpg", "__MACOSX/x.jpg"):
        photo(tmp_path / name)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert list(walk(tmp_path, PHOTO_ENDINGS)) == [str(tmp_path / "a" / "x.jpg")]


def test_folders_that_may_not_be_listed_are_counted(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        photo(tmp_path / name / "x.jpg")
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(str(path).rstrip(os.sep)) in ("a", "c"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(
        LucasWarning, match=r"2 folders in .* cannot be listed.*a/ \(Permission denied\)"
    ):
        assert len(lh.list_photos(tmp_path)) == 1
    with pytest.raises(InputError, match="cannot be listed: Permission denied"):
        lh.list_photos(tmp_path / "a")


def make_deep(folder, levels):
    """A photo so deep down that its path is longer than the system takes."""
    here = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(levels):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        Path("x.jpg").touch()
    finally:
        os.chdir(here)


@pytest.mark.skipif(sys.platform != "linux", reason="how long a path may be is the system's")
def test_folders_whose_path_is_too_long_are_counted(tmp_path):
    photo(tmp_path / "good" / "x.jpg")
    make_deep(tmp_path, 25)
    try:
        with pytest.warns(
            LucasWarning, match=r"1 folders in .* cannot be listed.*File name too long"
        ):
            assert len(lh.list_photos(tmp_path)) == 1
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / ("d" * 200))], check=True)


def test_folders_a_thousand_deep_do_not_exhaust_python(tmp_path):
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        Path("x.jpg").touch()
    finally:
        os.chdir(here)
    assert len(list(walk(tmp_path, PHOTO_ENDINGS))) == 1
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


# Names


needs_bytes = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")


@pytest.fixture
def latin(tmp_path):
    """Photos whose names and folder were written in Latin-1, and one in UTF-8."""
    source = photo(tmp_path / "source" / "x.jpg")
    folder = tmp_path / "fotos"
    for name in (b"gr\xe6s/31603628N.jpg", b"gr\xe6s/caf\xe9.jpg", "græs/ø.jpg".encode()):
        place = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copyfile(source, place)
    return folder


@needs_bytes
def test_names_that_are_not_utf8_are_rows_that_can_be_read(latin, model, tmp_path):
    with pytest.warns(LucasMessage, match=r"2 names .* are not UTF-8.*gr%E6s"):
        table = lh.list_photos(latin)
    assert [os.path.relpath(p, latin) for p in table["path"]] == [
        "gr%E6s/31603628N.jpg",
        "gr%E6s/caf%E9.jpg",
        "græs/ø.jpg",
    ]
    assert list(table["habitat"]) == ["gr%E6s", "gr%E6s", "græs"]
    assert table["point_id"].tolist()[0] == "31603628"
    predictions = lh.classify(table.drop(columns="habitat"), model, progress=False)
    assert (predictions["status"] == "ok").all()
    for file in (tmp_path / "p.csv", tmp_path / "p.parquet"):
        write_table(predictions, file)
        again = read_table(file)
        assert list(again["path"]) == list(table["path"])
        assert (lh.classify(again, model, progress=False)["status"] == "ok").all()


@needs_bytes
def test_a_folder_or_photo_given_by_a_name_that_is_not_utf8(latin):
    inner = os.path.join(latin, os.fsdecode(b"gr\xe6s"))
    with pytest.warns(LucasMessage, match="not UTF-8"):
        assert len(lh.list_photos(inner)) == 2
    one = os.path.join(inner, os.fsdecode(b"caf\xe9.jpg"))
    for source in (one, [one], os.path.join(inner, "c*.jpg")):
        path = lh.list_photos(source)["path"].item()
        assert path.endswith("gr%E6s/caf%E9.jpg")
        assert read_bytes(path)


@needs_bytes
def test_a_name_that_has_a_percent_sign_is_itself(tmp_path):
    photo(tmp_path / "caf%E9.jpg", seed=1)
    shutil.copyfile(
        photo(tmp_path / "b.jpg", seed=2), os.path.join(tmp_path, os.fsdecode(b"caf\xe9.jpg"))
    )
    (tmp_path / "100%").mkdir()
    photo(tmp_path / "100%" / "50%20.jpg")
    with (
        pytest.warns(LucasWarning, match="1 files or folders are left out.*Rename"),
        pytest.warns(LucasMessage),
    ):
        paths = list(walk(tmp_path, PHOTO_ENDINGS))
    assert [os.path.relpath(p, tmp_path) for p in paths] == [
        "100%/50%20.jpg",
        "b.jpg",
        "caf%E9.jpg",
    ]
    assert read_bytes(paths[2]) == (tmp_path / "caf%E9.jpg").read_bytes()
    mixed = tmp_path / "100%E9"
    mixed.mkdir()
    raw = os.path.join(mixed, os.fsdecode(b"\xe9.jpg"))
    shutil.copyfile(paths[1], raw)
    assert readable(raw) == str(mixed / "%E9.jpg")
    assert on_disk(str(mixed / "%E9.jpg")) == raw
    with pytest.raises(PhotoError, match="there is no file"):
        read_bytes(str(tmp_path / "gone%E9.jpg"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(
    "name", ["a\rb.jpg", "a\nb.jpg", 'a"b.jpg', "a\\b.jpg", "a,b;c.jpg", "\r\n.jpg"]
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_odd_names_come_back_from_tables(tmp_path, name, ending):
    photo(tmp_path / "photos" / name)
    table = lh.list_photos(tmp_path / "photos").assign(note=["x"], p=[0.1], good=[True])
    file = write_table(table, tmp_path / f"table{ending}")
    again = lh.list_photos(file)
    assert list(again["path"]) == [str(tmp_path / "photos" / name)]
    assert read_bytes(again["path"].item())
    pd.testing.assert_frame_equal(again, table)


def test_a_table_without_carriage_returns_is_written_as_ever(tmp_path):
    table = pd.DataFrame({"path": ["a b.jpg", "c,d.jpg"], "p": [0.1, 1.0]})
    assert (
        write_table(table, tmp_path / "t.csv").read_text() == 'path,p\na b.jpg,0.1\n"c,d.jpg",1.0\n'
    )
