"""Photos sorted into class folders, moved about by people, and read back as corrections."""

import hashlib
import json
import os
import shutil
import tarfile
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, colour_photo, peak_memory, write_photos, write_run

from lucas_habitat import classify, list_photos, read_sorted, sort_photos, train
from lucas_habitat._base import files
from lucas_habitat.cli import main
from lucas_habitat.corrections import apply_corrections
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, OutputError
from lucas_habitat.sorting.manifest import MANIFEST
from lucas_habitat.sorting.names import REVIEW, folder_names, long_path, name_key, safe_name

CLASSES = sorted(COLOURS)


def predictions_of(photos, predicted=None, confidence=0.9, classes=CLASSES):
    """Photos as classify() returns them, each of its own label where nothing is said."""
    table = list_photos(photos)
    named = table["habitat"] if predicted is None else [predicted] * len(table)
    return table.assign(
        predicted=pd.Categorical(named, classes), confidence=confidence, status="ok", error=""
    )


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "fotos på ø", n_points=3)


@pytest.fixture
def predictions(photos):
    return predictions_of(photos)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sorteret æøå"


def sort(predictions, folder, **options):
    return sort_photos(predictions, folder, progress=False, **options)


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != MANIFEST
    }


def entries_of(folder):
    lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if "path" in line]


# ---- there --------------------------------------------------------------------------------------


def test_each_photo_is_copied_into_the_folder_of_its_class(predictions, folder):
    before = {path: Path(path).read_bytes() for path in predictions["path"]}
    table = sort(predictions, folder)
    assert table.columns.tolist() == ["path", "file", "predicted", "confidence", "status", "error"]
    assert (table["status"] == "sorted").all()
    assert {p.name for p in folder.iterdir() if p.is_dir()} == {*CLASSES, REVIEW}
    for row in table.itertuples():
        assert row.file == f"{row.predicted}/{Path(row.path).name}"
        assert (folder / row.file).read_bytes() == before[row.path]
        assert (folder / row.file).stat().st_mtime_ns == os.stat(row.path).st_mtime_ns
    assert {path: Path(path).read_bytes() for path in predictions["path"]} == before


def test_unsure_photos_go_to_the_folder_for_review(predictions, folder):
    confidence = np.linspace(0, 1, len(predictions))
    confidence[3] = np.nan
    table = sort(predictions.assign(confidence=confidence), folder, min_confidence=0.6)
    is_sure = confidence >= 0.6
    assert (table["status"] == np.where(is_sure, "sorted", "unsure")).all()
    assert (table["file"].str.startswith(f"{REVIEW}/") == ~is_sure).all()


def test_refused_photos_are_told_with_their_reason(predictions, folder):
    predictions.loc[0, ["predicted", "status", "error"]] = [None, "damaged", "it ends early"]
    os.unlink(predictions["path"][1])
    Path(predictions["path"][2]).write_bytes(b"")
    table = sort(predictions, folder)
    assert table["status"].tolist()[:4] == ["refused"] * 3 + ["sorted"]
    assert table["error"][0] == "it ends early"
    assert "there is no file" in table["error"][1]
    assert "0 bytes" in table["error"][2]
    assert table["file"][:3].isna().all()
    assert len(files_in(folder)) == len(table) - 3


def test_links_are_the_photos_themselves(predictions, folder):
    table = sort(predictions, folder, how="link")
    for row in table.itertuples():
        assert os.path.samefile(folder / row.file, row.path)


def test_where_links_cannot_be_made_photos_are_copied(predictions, folder, monkeypatch):
    def refuse(*args, **options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.warns(LucasMessage, match="24 photos were copied"):
        table = sort(predictions, folder, how="link")
    assert len(files_in(folder)) == len(table) == 24
    assert not os.path.samefile(folder / table["file"][0], table["path"][0])


def test_photos_of_the_same_name_keep_apart(tmp_path, folder):
    paths = []
    for i in range(3):
        path = tmp_path / str(i) / ("A.jpg" if i else "a.JPG")
        path.parent.mkdir()
        colour_photo("woody", i).save(path)
        paths.append(str(path))
    rows = predictions_of(paths, "woody")
    rows["predicted"] = pd.Categorical(["woody", "woody", "cropland"], CLASSES)
    table = sort(rows, folder)
    # Also in another folder: people move photos, and nothing may be in their way.
    assert len({name_key(Path(file).name) for file in table["file"]}) == 3
    for row in table.itertuples():
        assert (folder / row.file).read_bytes() == Path(row.path).read_bytes()
    assert not len(read_sorted(folder).changes)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("woody/shrub", "woody_shrub"),
        ("CON", "CON_"),
        ("com1.old", "com1_.old"),
        ("aux .", "aux_"),
        ("heath...", "heath"),
        (" dry grass ", "dry grass"),
        (".hidden", "hidden"),
        ("grøn/æble: 5 %?", "grøn_æble_ 5 %_"),
        ("..", "unnamed"),
        ("a\x00b\nc", "a_b_c"),
        ("E1.2", "E1.2"),
        ("x" * 300, "x" * 80),
        ("ø" * 300, "ø" * 40),
        ("森林", "森林"),
    ],
)
def test_names_are_such_as_every_system_takes(label, name):
    assert safe_name(label) == name
    assert safe_name(name) == name
    assert not name.endswith((".", " "))


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("C:\\sorted", "C:\\sorted"),
        ("C:\\" + "a" * 90, "\\\\?\\C:\\" + "a" * 90),
        ("\\\\server\\share\\" + "a" * 90, "\\\\?\\UNC\\server\\share\\" + "a" * 90),
        ("\\\\?\\C:\\" + "a" * 90, "\\\\?\\C:\\" + "a" * 90),
    ],
)
def test_long_folders_on_windows_are_named_so_that_it_takes_them(folder, path):
    assert long_path(folder, is_windows=True) == path
    assert long_path(folder, is_windows=False) == folder


def test_the_ending_of_a_long_name_stays():
    name = safe_name("y" * 300 + ".jpeg")
    assert name.endswith(".jpeg")
    assert len(name.encode()) == 80


def test_classes_that_differ_by_case_alone_have_folders_of_their_own():
    accents = unicodedata.normalize("NFD", "Grøn é"), "Grøn é"
    labels = ["woody", "Woody", "WOODY.", "_unsure", "a/b", "a?b", *accents]
    folders = folder_names(labels)
    assert list(folders) == labels
    keys = [name_key(name) for name in folders.values()]
    assert len(set(keys)) == len(labels)
    assert name_key(REVIEW) not in keys
    assert folders["woody"] == "woody"
    assert folders["Woody"] == "Woody-2"


def test_odd_class_names_come_back_as_they_were(tmp_path, photos, folder):
    labels = ["woody/shrub", "CON", "grøn.", "E1.2: dry | open?"]
    names = dict(zip(CLASSES, labels, strict=True))
    table = predictions_of(photos)
    table["predicted"] = pd.Categorical(table["habitat"].map(names), labels)
    placed = sort(table, folder)
    sources = [folder / placed["file"][placed["predicted"] == label].iloc[0] for label in labels]
    folders = [path.parent for path in sources]
    for path, target in zip(sources, folders[1:] + folders[:1], strict=True):
        shutil.move(path, target)
    corrections = read_sorted(folder).corrections
    assert sorted(zip(corrections["predicted"], corrections["habitat"], strict=True)) == sorted(
        zip(labels, labels[1:] + labels[:1], strict=True)
    )


def test_a_file_that_is_there_is_never_overwritten(predictions, folder):
    sort(predictions[:1], folder)
    mine = folder / "cropland" / Path(predictions["path"][8]).name
    mine.write_bytes(b"mine")
    table = sort(predictions, folder)
    assert mine.read_bytes() == b"mine"
    assert table["file"][8] != f"cropland/{mine.name}"
    assert (folder / table["file"][8]).read_bytes() == Path(table["path"][8]).read_bytes()


def test_a_folder_with_other_files_is_refused(predictions, folder, photos):
    folder.mkdir()
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "Thumbs.db").write_bytes(b"")
    sort(predictions[:1], folder)
    with pytest.raises(InputError, match=r"holds other files \(artificial, .*Give a new folder"):
        sort(predictions, photos)
    with pytest.raises(InputError, match="is no folder"):
        sort(predictions, predictions["path"][0])


def test_what_is_no_prediction_of_photos_is_refused(predictions, folder):
    with pytest.raises(InputError, match=r"sort_photos\(\) needs the column predicted"):
        sort(predictions.drop(columns="predicted"), folder)
    with pytest.raises(InputError, match=r"needs the column path"):
        sort(predictions.drop(columns="path"), folder)
    with pytest.raises(InputError, match="min_confidence must be a number"):
        sort(predictions, folder, min_confidence=80)
    with pytest.raises(InputError, match="how must be one of 'copy', 'link'"):
        sort(predictions, folder, how="move")
    assert not folder.exists()


def test_confidence_is_taken_from_probabilities_where_no_column_has_it(predictions, folder):
    p = {f"p_{c}": np.where(predictions["predicted"] == c, 0.4, 0.2) for c in CLASSES}
    table = sort(predictions.drop(columns="confidence").assign(**p), folder)
    assert (table["status"] == "unsure").all()
    assert table["confidence"].eq(0.4).all()


# ---- going on -----------------------------------------------------------------------------------


def test_sorting_goes_on_where_it_was_interrupted(predictions, folder, monkeypatch):
    sort(predictions, folder.with_name("whole"))
    calls = []
    write = files.rename_new

    def stop(old, new):
        calls.append(new)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return write(old, new)

    monkeypatch.setattr(files, "rename_new", stop)
    with pytest.raises(KeyboardInterrupt):
        sort(predictions, folder)
    monkeypatch.undo()
    assert not list(folder.rglob("*.unfinished*"))
    # As a kill leaves it: half a line, and a photo that is in its place but not written down.
    lines = (folder / MANIFEST).read_bytes().splitlines(keepends=True)
    (folder / MANIFEST).write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    table = sort(predictions, folder)
    assert (table["status"] == "there").sum() == 8
    assert files_in(folder) == files_in(folder.with_name("whole"))
    assert len(entries_of(folder)) == len(predictions)
    assert not len(read_sorted(folder).changes)


def test_a_full_disk_is_told_and_what_was_sorted_is_kept(predictions, folder, monkeypatch):
    whole = Path.write_bytes

    def full(path, data):
        if len(files_in(folder)) == 5:
            raise OSError(28, "No space left on device")
        return whole(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        sort(predictions, folder)
    monkeypatch.undo()
    assert len(files_in(folder)) == 5
    assert not list(folder.rglob("*.unfinished*"))
    assert sort(predictions, folder)["status"].value_counts().to_dict() == {
        "sorted": 19,
        "there": 5,
    }


def test_what_a_person_did_stays_when_photos_are_sorted_again(predictions, folder):
    files = sort(predictions, folder)["file"]
    shutil.move(folder / files[0], folder / "woody")
    os.unlink(folder / files[1])
    (folder / files[2]).write_bytes(b"cropped")
    (folder / files[3]).rename(folder / "artificial" / "renamed.jpg")
    before = files_in(folder)
    table = sort(predictions, folder)
    assert table["status"].tolist()[:5] == ["left"] * 4 + ["there"]
    assert files_in(folder) == before
    # By other predictions, only what nobody touched goes to another folder.
    table = sort(predictions.assign(predicted=pd.Categorical(["woody"] * 24, CLASSES)), folder)
    assert table["status"].tolist()[:5] == ["left"] * 4 + ["sorted"]
    assert set(table["file"][4:]) == {f"woody/{Path(p).name}" for p in predictions["path"][4:]}
    assert len(files_in(folder)) == len(before)
    corrections = read_sorted(folder).corrections
    assert corrections[["path", "habitat"]].to_numpy().tolist() == [
        [predictions["path"][0], "woody"]
    ]


def test_further_photos_and_classes_are_taken_in(predictions, folder):
    sort(predictions[:4], folder)
    more = predictions[4:].assign(predicted=pd.Categorical(["heath"] * 20, ["heath"]))
    table = sort(more, folder)
    assert (table["status"] == "sorted").all()
    assert {p.name for p in folder.iterdir() if p.is_dir()} == {*CLASSES, "heath", REVIEW}
    assert not len(read_sorted(folder).changes)


def test_photos_in_shards_are_copied_and_found_again_by_train(tmp_path, photos, folder):
    shard = tmp_path / "fotos.tar"
    with tarfile.open(shard, "w") as tar:
        for path in sorted(photos.rglob("*.jpg")):
            tar.add(path, f"{path.parent.name}/{path.name}")
    listed = list_photos(str(shard))
    listed["habitat"] = [Path(p.split("::")[1]).parent.name for p in listed["path"]]
    with pytest.warns(LucasMessage, match="24 photos were copied"):
        table = sort(predictions_of(listed), folder, how="link")
    assert (table["status"] == "sorted").all()
    shutil.move(folder / table["file"][0], folder / "woody")
    corrections = read_sorted(folder).corrections
    assert corrections["path"].tolist() == [f"{shard}::{table['path'][0].split('::')[1]}"]
    corrected, counts = apply_corrections(listed, corrections)
    assert counts["replaced"] == 1
    assert counts["added"] == 0
    assert corrected["habitat"][0] == "woody"


def test_a_run_is_sorted_as_its_table_is(tmp_path, predictions, folder):
    p = {f"p_{c}": 0.25 for c in CLASSES}
    run = write_run(tmp_path / "run", predictions.assign(**p))
    table = sort(run, folder)
    other = sort(predictions, folder.with_name("other"))
    pd.testing.assert_frame_equal(table, other)
    assert files_in(folder) == files_in(folder.with_name("other"))


def test_memory_hardly_grows_with_the_number_of_photos(tmp_path):
    photo = tmp_path / "p.jpg"
    colour_photo("woody", 1).save(photo)
    bytes_of = {}
    for n in (300, 3000):
        paths = [tmp_path / f"{n}-{i:05d}.jpg" for i in range(n)]
        for path in paths:
            os.link(photo, path)
        table = predictions_of([str(p) for p in paths], "woody")
        run = write_run(tmp_path / f"run{n}", table.assign(p_woody=1.0), rows=100)
        bytes_of[n] = peak_memory(lambda n=n, run=run: sort(run, tmp_path / f"s{n}", how="link"))[1]
    # Some hundred bytes a photo, for its place and its row of the answer.
    assert (bytes_of[3000] - bytes_of[300]) / 2700 < 2000


# ---- and back -----------------------------------------------------------------------------------


def test_nothing_changed_is_no_correction(predictions, folder):
    sort(predictions, folder)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "woody/.DS_Store", "woody/Thumbs.db"):
        (folder / name).write_bytes(b"litter")
    (folder / "woody" / "notes.txt").write_text("not a photo")
    (folder / "._woody").write_bytes(b"litter")
    read = read_sorted(folder)
    assert len(read.corrections) == len(read.changes) == 0
    assert repr(read) == "0 corrections; 0 changes"
    assert read.corrections["path"].dtype == "str"


def test_a_moved_photo_is_a_correction_that_names_the_photo_itself(predictions, folder):
    files = sort(predictions, folder)["file"]
    shutil.move(folder / files[0], folder / "woody" / "another name.jpg")
    read = read_sorted(folder)
    first = predictions.iloc[0]
    (row,) = read.corrections.to_dict("records")
    assert row["path"] == first["path"]
    assert row["point_id"] == first["point_id"]
    assert (row["year"], row["direction"]) == (first["year"], first["direction"])
    assert (row["habitat"], row["predicted"]) == ("woody", "artificial")
    assert row["sha256"] == hashlib.sha256(Path(first["path"]).read_bytes()).hexdigest()
    (change,) = read.changes.to_dict("records")
    assert (change["change"], change["was"]) == ("moved", files[0])
    assert change["file"] == "woody/another name.jpg"


def test_every_kind_of_change_is_told(predictions, folder):
    confidence = np.where(np.arange(24) == 9, 0.1, 0.9)
    files = sort(predictions.assign(confidence=confidence), folder)["file"]
    at = [folder / file for file in files]
    shutil.move(at[0], folder / "woody")  # moved
    os.unlink(at[1])  # deleted
    at[2].rename(at[2].with_name("renamed.jpg"))
    shutil.copy(at[3], folder / "artificial" / "copy.jpg")  # copied within its class
    shutil.copy(at[4], folder / "grassland" / "twice.jpg")  # in two classes
    colour_photo("woody", 77).save(at[5])  # changed where it is
    (folder / "heath").mkdir()
    shutil.move(at[6], folder / "heath")  # a folder of no class
    colour_photo("woody", 78).save(folder / "woody" / "44003700N.jpg")  # new
    shutil.move(at[7], folder)  # into no folder
    (folder / "cropland" / "done").mkdir()
    shutil.move(at[8], folder / "cropland" / "done")  # a subfolder of its class
    shutil.move(at[9], folder / "woody")  # decided
    colour_photo("woody", 79).save(at[10])
    shutil.move(at[10], folder / "woody")  # moved and changed
    with pytest.warns(LucasMessage, match="1 folders are of no class, .*: heath. new_classes=True"):
        read = read_sorted(folder)
    found = read.changes.sort_values(["was", "file"])[["change", "was", "file", "habitat"]]
    found = {tuple(None if pd.isna(v) else v for v in row) for row in found.to_numpy().tolist()}
    name = [Path(file).name for file in files]
    assert found == {
        ("moved", files[0], f"woody/{name[0]}", "woody"),
        ("deleted", files[1], None, None),
        ("renamed", files[2], "artificial/renamed.jpg", "artificial"),
        ("copied", files[3], "artificial/copy.jpg", "artificial"),
        ("two classes", files[4], files[4], "artificial"),
        ("two classes", files[4], "grassland/twice.jpg", "grassland"),
        ("changed content", files[5], files[5], "artificial"),
        ("unknown folder", files[6], f"heath/{name[6]}", None),
        ("new", None, "woody/44003700N.jpg", "woody"),
        ("moved", files[7], name[7], None),
        ("renamed", files[8], f"cropland/done/{name[8]}", "cropland"),
        ("moved", files[9], f"woody/{name[9]}", "woody"),
        ("moved", files[10], f"woody/{name[10]}", "woody"),
        ("changed content", files[10], f"woody/{name[10]}", "woody"),
    }
    added = str(folder / "woody" / "44003700N.jpg")
    paths = [predictions["path"][i] for i in (0, 9, 10)]
    assert sorted(read.corrections["path"]) == sorted([*paths, added])
    assert (read.corrections["habitat"] == "woody").all()
    new = read.corrections.set_index("path").loc[added]
    assert (new["point_id"], new["direction"]) == ("44003700", "N")
    assert "2 changed content" in repr(read)
    assert repr(read).startswith("4 corrections; 14 changes")


def test_a_folder_that_a_person_made_becomes_a_class_on_request(predictions, folder):
    files = sort(predictions, folder)["file"]
    (folder / "Høj hede").mkdir()
    shutil.move(folder / files[0], folder / "Høj hede")
    read = read_sorted(folder, new_classes=True)
    assert read.corrections["habitat"].tolist() == ["Høj hede"]
    assert read.changes["change"].tolist() == ["moved"]


def test_what_nobody_moved_is_confirmed_on_request(predictions, folder):
    confidence = np.where(np.arange(24) < 4, 0.1, 0.9)
    files = sort(predictions.assign(confidence=confidence), folder)["file"]
    shutil.move(folder / files[10], folder / "woody")
    corrections = read_sorted(folder, confirmed=True).corrections.set_index("path")["habitat"]
    expected = predictions.set_index("path")["habitat"].iloc[4:]
    expected.loc[predictions["path"][10]] = "woody"
    assert corrections.sort_index().to_dict() == expected.sort_index().to_dict()


def test_copies_among_the_photos_correct_nothing_where_they_are_torn(photos, folder):
    first = sorted((photos / "artificial").iterdir())[0]
    shutil.copy(first, photos / "artificial" / "43003699_north_2018.jpg")
    predictions = predictions_of(photos)
    files = sort(predictions, folder)["file"]
    assert not len(read_sorted(folder).changes)
    shutil.move(folder / files[0], folder / "woody")
    read = read_sorted(folder)
    assert read.changes["change"].tolist() == ["two classes"] * 2
    assert not len(read.corrections)
    copied = predictions["path"].str.contains("43003699").to_numpy()
    shutil.move(folder / files[copied].iloc[0], folder / "woody")
    assert read_sorted(folder).corrections["habitat"].tolist() == ["woody"] * 2


def test_only_what_changed_its_place_or_time_is_read(predictions, folder, monkeypatch):
    files = sort(predictions, folder)["file"]
    shutil.move(folder / files[0], folder / "woody")
    os.utime(folder / files[1])
    hashed = []
    from lucas_habitat.sorting import reading

    def counted(path, of=reading.file_sha256):
        hashed.append(str(path))
        return of(path)

    monkeypatch.setattr(reading, "file_sha256", counted)
    read = read_sorted(folder)
    assert hashed == [str(folder / files[1])]
    assert read.changes["change"].tolist() == ["moved"]


def test_case_and_accents_of_another_disk_change_nothing(predictions, folder):
    sort(predictions, folder)
    (folder / "woody").rename(folder / "Woody")
    assert not len(read_sorted(folder).changes)


def test_a_folder_without_its_manifest_is_refused(photos):
    with pytest.raises(InputError, match=r"holds no sorted photos: it has no _sorted\.jsonl"):
        read_sorted(photos)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "is damaged"),
        ("[1]", "no group of names"),
        ('{"path": "a"}', "is damaged"),
        ('{"folders": {"a": "../b"}}', "folders are no names"),
        ('{"folders": ["a"]}', "folders are no names"),
        ('{"file": "../x", "path": "a", "sha256": "0", "size": 1, "mtime": 1}', "not within"),
        ('{"file": "/etc/x", "path": "a", "sha256": "0", "size": 1, "mtime": 1}', "not within"),
        ('{"file": "a/b", "path": 5, "sha256": "0", "size": 1, "mtime": 1}', "path cannot be 5"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_a_damaged_manifest_is_told(predictions, folder, line, message):
    sort(predictions, folder)
    with (folder / MANIFEST).open("a") as file:
        file.write(line + "\n")
    for read in (read_sorted, lambda folder: sort(predictions, folder)):
        with pytest.raises(InputError, match=message):
            read(folder)


def test_a_manifest_of_a_later_version_is_refused(predictions, folder):
    sort(predictions, folder)
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(InputError, match="newer lucas-habitat"):
        read_sorted(folder)


def test_train_takes_what_was_read(predictions, folder):
    files = sort(predictions, folder)["file"]
    for file in files[:2]:
        shutil.move(folder / file, folder / "woody")
    corrections = read_sorted(folder).corrections
    photos = list_photos(Path(predictions["path"][0]).parents[1])
    trained = train(
        photos, corrections=corrections, arch="efficientnet_lite0", epochs=1, progress=False
    )
    assert trained.training["corrections"]["replaced"] == 2
    assert trained.training["photos_per_class"] == {
        "artificial": 4,
        "cropland": 6,
        "grassland": 6,
        "woody": 8,
    }


def test_corrections_are_of_use_where_the_photos_lie_elsewhere(predictions, folder, photos):
    files = sort(predictions, folder)["file"]
    shutil.move(folder / files[0], folder / "woody")
    corrections = read_sorted(folder).corrections
    photos.rename(photos.with_name("moved"))
    moved, counts = apply_corrections(list_photos(photos.with_name("moved")), corrections)
    assert (counts["replaced"], counts["added"]) == (1, 0)
    assert moved["habitat"][0] == "woody"


def test_a_class_that_a_person_wrote_into_the_table_gets_a_folder(predictions, folder):
    p = {f"p_{c}": 0.25 for c in CLASSES}
    edited = predictions.assign(predicted=predictions["predicted"].astype("str"), **p)
    edited.loc[0, "predicted"] = "heath"
    assert sort(edited, folder)["file"][0].startswith("heath/")


def test_corrections_of_test_photos_are_left_out_and_cross_validated_ones_are_not(
    predictions, folder
):
    table = predictions.assign(split="test")
    files = sort(table, folder)["file"]
    shutil.move(folder / files[0], folder / "woody")
    with pytest.warns(LucasWarning, match="1 corrections are of test points and count for nothing"):
        counts = apply_corrections(predictions, read_sorted(folder).corrections)[1]
    assert counts["left_out"] == 1
    again = folder.with_name("again")
    files = sort(table.assign(fold=1), again)["file"]
    shutil.move(again / files[0], again / "woody")
    assert apply_corrections(predictions, read_sorted(again).corrections)[1]["replaced"] == 1


def test_there_and_back_from_the_shell(parts, model, tmp_path, capsys):
    from lucas_habitat import save_model

    run, folder = tmp_path / "run", tmp_path / "sorted"
    photos = parts[1].assign(split=pd.Series(None, index=parts[1].index, dtype="str"))
    classify(photos, save_model(model, tmp_path / "model"), out=run, progress=False)
    assert main(["sort-photos", str(run), str(folder), "--min-confidence", "0"]) == 0
    assert "photos are in the folder of their class" in capsys.readouterr().out
    first = next(iter(sorted((folder / "woody").iterdir())))
    shutil.move(first, folder / "cropland")
    out, changes = tmp_path / "corrections.csv", tmp_path / "changes.csv"
    assert main(["read-sorted", str(folder), "--out", str(out), "--changes", str(changes)]) == 0
    assert "1 corrections; 1 changes" in capsys.readouterr().out
    assert pd.read_csv(changes)["change"].tolist() == ["moved"]
    counts = apply_corrections(photos, out)[1]
    assert (counts["replaced"], counts["added"]) == (1, 0)
