"""Where photos lie: folders of any size and with any names, and the bytes behind an address."""

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path

import pandas as pd
import pytest
from conftest import colour_photo, peak_memory

import lucas_habitat as lh
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, PhotoError
from lucas_habitat.photos import PHOTO_ENDINGS, iter_photos
from lucas_habitat.sources import on_disk, read_bytes, readable, stamps, walk


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


# Shards


def add(tar, name, data, **how):
    """An entry of a tar file, with whatever its head says."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for key, value in how.items():
        setattr(entry, key, value)
    tar.addfile(entry, io.BytesIO(data))


def make_shard(path, files, format=tarfile.PAX_FORMAT):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for name, data in files.items():
            add(tar, name, data)
    return path


@pytest.fixture(scope="module")
def jpegs():
    """Photos of two points, and what is none."""
    photos = {}
    for i, habitat in enumerate(("woody", "cropland", "grassland")):
        for direction in ("north", "east"):
            data = io.BytesIO()
            colour_photo(habitat, i).save(data, "JPEG", quality=90)
            photos[f"{habitat}/{43003600 + i}_{direction}_2018.jpg"] = data.getvalue()
    whole = photos["woody/43003600_north_2018.jpg"]
    photos["woody/cut.jpg"] = whole[: len(whole) // 2]
    photos["woody/empty.jpg"] = b""
    photos["woody/text.jpg"] = b"no photo at all"
    return photos


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_the_photos_in_a_shard_are_those_in_a_folder(tmp_path, jpegs, format):
    shard = make_shard(tmp_path / "a.tar", jpegs, format)
    for name, data in jpegs.items():
        (tmp_path / "fotos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fotos" / name).write_bytes(data)
    folder, table = lh.list_photos(tmp_path / "fotos"), lh.list_photos(shard)
    assert list(table["path"]) == [f"{shard}::{name}" for name in jpegs]
    assert read_bytes(table["path"][0]) == jpegs["woody/43003600_north_2018.jpg"]
    rest = folder.columns.drop("path")
    pd.testing.assert_frame_equal(table.sort_values("path", ignore_index=True)[rest], folder[rest])


def test_long_and_odd_names_are_found_in_a_shard(tmp_path, jpegs):
    data = jpegs["woody/43003600_north_2018.jpg"]
    names = ["d/" * 150 + "x.jpg", "ø æ.jpg", "a::b.jpg", "a.tar::b.jpg", "a\nb.jpg"]
    shard = make_shard(tmp_path / "a.tar", dict.fromkeys(names, data))
    table = lh.list_photos(shard)
    assert [read_bytes(path) == data for path in table["path"]] == [True] * 5
    again = lh.list_photos(write_table(table, tmp_path / "t.csv"))
    assert list(again["path"]) == list(table["path"])


def test_what_stands_beside_a_photo_in_a_shard_becomes_columns(tmp_path, jpegs):
    data = jpegs["woody/43003600_north_2018.jpg"]
    about = {"point_id": 31062100, "year": 2018, "direction": "N", "obs_dist": 1.5, "note": "ø"}
    shard = make_shard(
        tmp_path / "0001.tar",
        {
            "000.jpg": data,
            "000.cls": b"woody\n",
            "000.json": json.dumps(about | {"nested": {"a": 1}, "path": "/etc/passwd"}).encode(),
            "001.json": b'{"habitat": "cropland", "note": 7}',
            "001.cls": b"woody",
            "001.jpg": data,
            "002.jpg": data,
            "002.json": b"[1, 2]",
            "003.jpg": data,
            "003.json": b'{"a":' * 3000,
            "003.txt": b"a caption",
            "004.jpg": data,
            "004.json": b" " * 100_000,
        },
    )
    with pytest.warns(LucasWarning, match=r"3 files beside photos are not understood.*002\.json"):
        table = lh.list_photos(shard)
    assert list(table["path"]) == [f"{shard}::00{i}.jpg" for i in range(5)]
    assert table["habitat"].tolist()[:2] == ["woody", "cropland"]
    assert table["habitat"].isna().tolist() == [False, False, True, True, True]
    first = table.iloc[0]
    assert (first["point_id"], first["year"], first["direction"]) == ("31062100", 2018, "N")
    assert (first["obs_dist"], first["note"], first["x"]) == (1.5, "ø", 3106000)
    assert table["note"].tolist()[1] == "7"
    assert "nested" not in table
    write_table(table, tmp_path / "t.parquet")


def test_shards_are_taken_by_pattern_by_list_and_one_by_one(tmp_path, jpegs):
    names = list(jpegs)
    for i in range(3):
        make_shard(tmp_path / "s" / f"{i}.tar", {n: jpegs[n] for n in names[2 * i : 2 * i + 2]})
    paths = [f"{tmp_path}/s/{i}.tar::{names[2 * i + j]}" for i in range(3) for j in range(2)]
    assert list(lh.list_photos(str(tmp_path / "s" / "*.tar"))["path"]) == paths
    assert list(lh.list_photos(sorted((tmp_path / "s").iterdir()))["path"]) == paths
    assert list(lh.list_photos(tmp_path / "s" / "1.tar")["path"]) == paths[2:4]
    assert list(lh.list_photos(paths[3])["path"]) == [paths[3]]
    assert list(lh.list_photos(paths[1:])["path"]) == paths[1:]
    blocks = list(iter_photos(str(tmp_path / "s" / "*.tar"), rows=4))
    assert [len(block) for block in blocks] == [4, 2]
    assert [p for block in blocks for p in block["path"]] == paths
    with pytest.raises(InputError, match=r"no photo in .*nothing\*\.tar"):
        lh.list_photos(str(tmp_path / "nothing*.tar"))


def test_a_table_names_photos_in_shards_relative_to_itself(tmp_path, jpegs):
    shard = make_shard(tmp_path / "shards" / "a.tar", jpegs)
    name = next(iter(jpegs))
    (tmp_path / "t.csv").write_text(f"path\nshards/a.tar::{name}\n")
    assert list(lh.list_photos(tmp_path / "t.csv")["path"]) == [f"{shard}::{name}"]
    (tmp_path / "t.csv").write_text(f"path\n../shards/a.tar::{name}\n")
    with pytest.raises(InputError, match="leaves the folder"):
        lh.list_photos(tmp_path / "t.csv")


def status_of(path):
    with pytest.raises(PhotoError) as caught:
        read_bytes(str(path))
    return caught.value.status


def test_photos_in_shards_have_the_statuses_of_files(tmp_path, jpegs):
    shard = make_shard(tmp_path / "a.tar", jpegs)
    assert status_of(f"{shard}::gone.jpg") == "missing"
    assert status_of(f"{tmp_path}/gone.tar::x.jpg") == "missing"
    assert status_of(f"{shard}::woody/empty.jpg") == "empty"
    assert status_of(f"{tmp_path}::x.jpg") == "missing"
    (tmp_path / "folder.tar").mkdir()
    assert status_of(f"{tmp_path}/folder.tar::x.jpg") == "unreadable"
    entry = tarfile.TarInfo("big.jpg")
    entry.size = 500_000_001
    with open(tmp_path / "big.tar", "wb") as file:  # a hole, which takes no room
        file.write(entry.tobuf())
        file.truncate(500_010_240)
    assert status_of(f"{tmp_path}/big.tar::big.jpg") == "too large"


def test_a_shard_that_changed_is_read_anew(tmp_path, jpegs):
    one, other = (jpegs[n] for n in list(jpegs)[:3:2])
    shard = make_shard(tmp_path / "a.tar", {"x.jpg": one})
    assert read_bytes(f"{shard}::x.jpg") == one
    before = stamps([f"{shard}::x.jpg", f"{shard}::y.jpg"])
    assert before[0]
    assert before[1] is None
    make_shard(shard, {"y.jpg": one, "x.jpg": other})
    os.utime(shard, (1, 1))
    assert read_bytes(f"{shard}::x.jpg") == other
    after = stamps([f"{shard}::x.jpg"])
    assert after[0]
    assert after != before[:1]


def hostile_shards(folder, data):
    """Tar files that say what is not so, by name."""
    with tarfile.open(folder / "links.tar", "w") as tar:
        add(tar, "a.jpg", data)
        add(tar, "link.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(tar, "hard.jpg", b"", type=tarfile.LNKTYPE, linkname="../../etc/passwd")
        add(tar, "pipe.jpg", b"", type=tarfile.FIFOTYPE)
        add(tar, "zero.jpg", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
        add(tar, "folder.jpg", b"", type=tarfile.DIRTYPE)
        add(tar, "/etc/absolute.jpg", data)
        add(tar, "../../above.jpg", data)
    whole = (folder / "links.tar").read_bytes()
    (folder / "cut.tar").write_bytes(whole[: 512 + len(data) // 2])
    (folder / "noise.tar").write_bytes(bytes(range(256)) * 40)
    (folder / "nothing.tar").write_bytes(b"")
    with gzip.open(folder / "zipped.tar", "wb") as file:
        file.write(whole)
    head = bytearray(tarfile.TarInfo("a.jpg").tobuf())
    for name, size in (("negative", -512), ("endless", 1 << 60), ("backwards", -1024)):
        for kind in (b"0", b"x", b"L"):
            head[124:136] = (size % 256**12).to_bytes(12, "big")
            head[124] = 0xFF if size < 0 else 0x80
            head[156:157] = kind
            head[148:156] = b"        "
            head[148:156] = b"%06o\0 " % sum(head)
            (folder / f"{name}{kind.decode()}.tar").write_bytes(whole[:1024] + bytes(head) * 3)
    head = bytearray(tarfile.TarInfo("././@PaxHeader").tobuf())
    head[156:157] = b"x"
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    (folder / "nested.tar").write_bytes(bytes(head) * 5000)


def test_hostile_shards_neither_escape_nor_hang(tmp_path, jpegs):
    data = jpegs["woody/43003600_north_2018.jpg"]
    hostile_shards(tmp_path, data)
    table = lh.list_photos(tmp_path / "links.tar")
    assert list(table["path"].str.partition("::")[2]) == [
        "a.jpg",
        "/etc/absolute.jpg",
        "../../above.jpg",
    ]
    assert all(read_bytes(path) == data for path in table["path"])
    assert status_of(f"{tmp_path}/links.tar::link.jpg") == "missing"
    with pytest.warns(LucasWarning, match="1 of 1 shards could not be read, or not to their end"):
        cut = lh.list_photos(tmp_path / "cut.tar")
    assert status_of(cut["path"].item()) == "damaged"
    for file in sorted(tmp_path.glob("*.tar")):
        if file.stem in ("links", "cut"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LucasWarning)
            try:
                for path in lh.list_photos(file)["path"]:
                    with contextlib.suppress(PhotoError):
                        read_bytes(path)
            except InputError as error:
                assert "There is no photo in" in str(error)  # noqa: PT017
        assert status_of(f"{file}::gone.jpg") == "missing"
    with pytest.warns(LucasWarning, match="is compressed, .* gunzip"), pytest.raises(InputError):
        lh.list_photos(tmp_path / "zipped.tar")
    assert sorted(os.listdir(tmp_path)) == sorted(p.name for p in tmp_path.glob("*.tar"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_shard_cannot_fill_the_memory_with_a_name(tmp_path):
    """The head of a long name says that it has a gigabyte, and the file has it, as a hole."""
    head = bytearray(tarfile.TarInfo("././@LongLink").tobuf())
    head[124:136] = b"\x80" + (1_000_000_000).to_bytes(11, "big")
    head[156:157] = b"L"
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    with open(tmp_path / "a.tar", "wb") as file:
        file.write(head)
        file.truncate(1_000_002_048)
    status, peak = peak_memory(lambda: status_of(f"{tmp_path}/a.tar::x.jpg"))
    assert status == "missing"
    assert peak < 20_000_000
