"""Corrected labels: kept whole, taken into training, never into a test."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, colour_photo, write_photos

from lucas_habitat import classify, corrections, list_photos, split_photos, train
from lucas_habitat.cli import main
from lucas_habitat.corrections import add_corrections, apply_corrections, read_corrections
from lucas_habitat.errors import InputError, LucasWarning

HOW = {"arch": "efficientnet_lite0", "progress": False}


def predictions_of(paths, predicted="cropland", **more):
    table = list_photos([str(p) for p in paths])
    return table.assign(
        predicted=pd.Categorical([predicted] * len(table), sorted(COLOURS)), confidence=0.5, **more
    )


@pytest.fixture
def new_photos(tmp_path):
    """Two photos that no table has."""
    folder = tmp_path / "nye på ø"
    folder.mkdir()
    for i, name in enumerate(("44003700N", "44023700S")):
        colour_photo("woody", 900 + i).save(folder / f"{name}.jpg")
    return sorted(folder.iterdir())


@pytest.fixture
def table(tmp_path):
    """A split table of twelve photos, two a point."""
    photos = list_photos(write_photos(tmp_path / "photos", n_points=3))
    photos = photos[photos["habitat"].isin(["woody", "cropland"])].reset_index(drop=True)
    points = sorted(photos["point_id"].unique())
    test = photos["point_id"].isin([points[0], points[-1]])
    return photos.assign(split=pd.Series(np.where(test, "test", "train"), dtype="str"))


def test_a_review_table_is_a_photo_table_with_its_photos_beside(tmp_path, new_photos):
    reviews = tmp_path / "review" / "rettet.csv"
    rows = add_corrections(reviews, predictions_of(new_photos), "woody")
    for photo in new_photos:
        photo.unlink()  # as the app does at the end of the session
    plain = pd.read_csv(reviews, dtype="str")
    assert plain.columns.tolist() == [
        "path", "point_id", "year", "direction", "habitat", "split", "predicted", "confidence",
        "sha256", "time",
    ]  # fmt: skip
    assert plain["path"].tolist() == [f"rettet_photos/{h}.jpg" for h in rows["sha256"]]
    found = list_photos(reviews)  # any function that takes photos takes it
    assert found["habitat"].tolist() == ["woody", "woody"]
    assert found["point_id"].tolist() == ["44003700", "44023700"]
    assert found["direction"].tolist() == ["N", "S"]
    assert found["predicted"].tolist() == ["cropland", "cropland"]
    for path, digest in zip(found["path"], found["sha256"], strict=True):
        with open(path, "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest


def test_the_last_word_counts_and_an_emptied_label_counts_no_more(tmp_path, new_photos):
    reviews = tmp_path / "r.csv"
    add_corrections(reviews, predictions_of(new_photos), "woody")
    add_corrections(reviews, predictions_of(new_photos[:1]), "grassland")
    assert len(pd.read_csv(reviews)) == 3
    found = read_corrections(reviews)
    assert sorted(found["habitat"]) == ["grassland", "woody"]
    # As a spreadsheet of half of Europe saves it, with one label emptied.
    table = pd.read_csv(reviews)
    table.loc[2, "habitat"] = None
    table.to_csv(reviews, index=False, sep=";", decimal=",")
    found = read_corrections(reviews)
    assert found["habitat"].tolist() == ["woody"]
    assert found["confidence"].tolist() == [0.5]


def test_threads_and_processes_append_at_once_and_lose_nothing(tmp_path, new_photos):
    reviews = tmp_path / "r.csv"
    rows = predictions_of(new_photos)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    code = (
        "import sys; from lucas_habitat.corrections import add_corrections;"
        "from lucas_habitat._base.tables import read_table; rows = read_table(sys.argv[2]);"
        "[add_corrections(sys.argv[1], rows, f'{sys.argv[3]}-{i}') for i in range(10)]"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, reviews, tmp_path / "rows.csv", str(n)])
        for n in range(2)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: add_corrections(reviews, rows, f"own-{i}"), range(20)))
    assert [other.wait(300) for other in others] == [0, 0]
    labels = pd.read_csv(reviews)["habitat"].value_counts()
    expected = [f"{n}-{i}" for n in range(2) for i in range(10)] + [f"own-{i}" for i in range(20)]
    assert labels.to_dict() == dict.fromkeys(expected, 2)
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(list((tmp_path / "r_photos").iterdir())) == 2


def test_known_photos_are_relabelled_by_content_and_new_ones_added(tmp_path, table, new_photos):
    reviews = tmp_path / "r.csv"
    training = table[table["split"] == "train"]
    wrong = training[training["habitat"] == "cropland"]["path"].iloc[0]
    right = training[training["habitat"] == "woody"]["path"].iloc[0]
    # Under another name, as it comes out of a zip.
    (tmp_path / "other.jpg").write_bytes(Path(wrong).read_bytes())
    add_corrections(reviews, predictions_of([tmp_path / "other.jpg"]), "grassland")
    add_corrections(reviews, predictions_of([right]), "woody")
    add_corrections(reviews, predictions_of(new_photos), "artificial")
    found, counts = apply_corrections(table, reviews)
    assert counts == {"replaced": 1, "confirmed": 1, "added": 2, "left_out": 0, "unedited": 0}
    assert len(found) == len(table) + 2
    changed = found["habitat"].iloc[: len(table)] != table["habitat"]
    assert found.loc[changed[changed].index, "path"].tolist() == [wrong]
    assert found.loc[changed[changed].index, "habitat"].tolist() == ["grassland"]
    assert found["habitat"].tail(2).tolist() == ["artificial", "artificial"]
    assert found["point_id"].tail(2).tolist() == ["44003700", "44023700"]


def test_what_is_kept_for_testing_stays_out(tmp_path, table, new_photos):
    tests = table[table["split"] == "test"]
    reviews = tmp_path / "r.csv"
    # The test photo itself, under a name without a point...
    (tmp_path / "a.jpg").write_bytes(Path(tests["path"].iloc[0]).read_bytes())
    add_corrections(reviews, predictions_of([tmp_path / "a.jpg"]), "grassland")
    # ...another photo of a test point, and one that was a test photo where it was corrected.
    (tmp_path / f"{tests['point_id'].iloc[-1]}E.jpg").write_bytes(new_photos[0].read_bytes())
    add_corrections(
        reviews, predictions_of([tmp_path / f"{tests['point_id'].iloc[-1]}E.jpg"]), "grassland"
    )
    add_corrections(reviews, predictions_of(new_photos[1:], split="test"), "grassland")
    found, counts = apply_corrections(table, reviews)
    assert counts == {"replaced": 0, "confirmed": 0, "added": 0, "left_out": 3, "unedited": 0}
    pd.testing.assert_frame_equal(found, table)
    # Validation photos given apart are as safe.
    training = table[table["split"] == "train"].assign(split=None)
    found, counts = apply_corrections(training, reviews, tests.assign(split=None))
    assert counts["left_out"] == 3
    assert found["habitat"].tolist() == training["habitat"].tolist()


def test_a_photo_that_cannot_be_read_is_a_row_with_its_reason(
    tmp_path, table, new_photos, monkeypatch
):
    """A folder in a photo's place, as long as a corrected photo is, cannot be opened."""
    for path in (table["path"].iloc[0], table["path"].iloc[4]):  # one to test with, one to train on
        Path(path).unlink()
        Path(path).mkdir()
    assert table["split"].iloc[[0, 4]].tolist() == ["test", "train"]
    monkeypatch.setattr(corrections, "_size", lambda path: 1)
    reviews = tmp_path / "r.csv"
    add_corrections(reviews, predictions_of(new_photos), "woody")
    gone = pd.read_csv(reviews)["path"].iloc[0]
    (tmp_path / gone).unlink()
    with pytest.warns(LucasWarning, match=r"2 of \d+ photos were refused") as told:
        model = train(table, corrections=reviews, epochs=1, **HOW)
    assert Path(table["path"].iloc[4]).name in str(told[-1].message)
    assert Path(gone).name in str(told[-1].message)
    assert model.training["corrections"]["added"] == 2


def test_a_row_without_its_hash_stands_for_its_own_photo_only(tmp_path, table, new_photos):
    reviews = tmp_path / "r.csv"
    training = table[table["split"] == "train"]
    wrong = training["path"].iloc[0]
    add_corrections(reviews, predictions_of([wrong, *new_photos]), "grassland")
    rows = pd.read_csv(reviews)
    (tmp_path / rows["path"].iloc[2]).unlink()
    rows.assign(sha256=None).to_csv(reviews, index=False)
    found, counts = apply_corrections(table, reviews)
    assert counts == {"replaced": 1, "confirmed": 0, "added": 2, "left_out": 0, "unedited": 0}
    changed = found["habitat"].iloc[: len(table)] != table["habitat"]
    assert found.loc[changed[changed].index, "path"].tolist() == [wrong]


def test_a_table_that_is_none(tmp_path, new_photos):
    with pytest.raises(InputError, match=r"must end in \.csv; got r\.parquet"):
        add_corrections(tmp_path / "r.parquet", predictions_of(new_photos), "woody")
    with pytest.raises(InputError, match="There is no table"):
        read_corrections(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("path,habitat\na.jpg,woody\n")
    with pytest.raises(InputError, match=r"needs the column point_id.*made by run_app"):
        read_corrections(tmp_path / "r.csv")
    with pytest.raises(InputError, match="made by run_app"):
        add_corrections(tmp_path / "r.csv", predictions_of(new_photos), "woody")
    assert (tmp_path / "r.csv").read_text() == "path,habitat\na.jpg,woody\n"
    with pytest.raises(InputError, match="no photo to correct"):
        add_corrections(tmp_path / "s.csv", predictions_of(new_photos).iloc[:0], "woody")


def spoiled(photos, share, seed):
    """Give a share of the photos another class."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(photos))[: round(share * len(photos))]
    labels, classes = photos["habitat"].to_numpy(dtype=object), sorted(COLOURS)
    for row in rows:
        labels[row] = rng.choice([c for c in classes if c != labels[row]])
    return photos.assign(habitat=pd.Series(labels, index=photos.index, dtype="str"))


def _mean_truth(predictions):
    """The mean probability that predictions give to the true class."""
    return np.mean([row[f"p_{row['habitat']}"] for _, row in predictions.iterrows()])


def test_corrections_make_the_next_model_better(tmp_path):
    photos = list_photos(write_photos(tmp_path / "photos", n_points=16))
    truth = photos.set_index("path")["habitat"]
    training, test = split_photos(photos, test_size=0.5, seed=1)
    told = spoiled(training, 0.45, seed=1)
    first = train(told, **HOW)
    # A person goes through the photos where the model says something else than the table.
    seen = classify(told, first, progress=False)
    doubted = seen[seen["predicted"].astype(str) != seen["habitat"]]
    assert len(doubted) > 10
    for habitat, rows in doubted.groupby(doubted["path"].map(truth)):
        add_corrections(tmp_path / "r.csv", rows, habitat)
    second = train(told, corrections=tmp_path / "r.csv", **HOW)
    counts = second.training["corrections"]
    assert counts["replaced"] + counts["confirmed"] == len(doubted)
    assert second.card()["training"]["corrections"] == counts
    assert first.training["corrections"] is None
    # The probability of the true class tells more than accuracy, of which each may reach the same.
    before, after = (_mean_truth(classify(test, m, progress=False)) for m in (first, second))
    assert after > before


def test_on_the_command_line(photo_folder, tmp_path, new_photos, capsys):
    add_corrections(tmp_path / "r.csv", predictions_of(new_photos), "woody")
    assert main(["train", str(photo_folder), "--out", str(tmp_path / "model"), "--arch",
                 "efficientnet_lite0", "--epochs", "1",
                 "--corrections", str(tmp_path / "r.csv")]) == 0  # fmt: skip
    assert "corrections: 0 replaced, 0 confirmed, 2 added, 0 left out" in capsys.readouterr().out


def test_corrected_photos_stand_under_the_levels_of_their_new_class(tmp_path, new_photos, table):
    levels = {"woody": ("land", "trees"), "cropland": ("land", "fields")}
    for i, name in enumerate(("habitat_level1", "habitat_level2")):
        table[name] = table["habitat"].map({label: above[i] for label, above in levels.items()})
    mine = table[(table["split"] == "train") & (table["habitat"] == "cropland")].head(1)
    reviews = tmp_path / "rettet.csv"
    add_corrections(reviews, predictions_of([*mine["path"], *new_photos]), "woody")
    photos, counts = apply_corrections(table, reviews)
    assert (counts["replaced"], counts["added"]) == (1, 2)
    assert photos.loc[mine.index[0], "habitat"] == "woody"
    above = photos[["habitat_level1", "habitat_level2"]].itertuples(index=False, name=None)
    assert list(above) == [levels[label] for label in photos["habitat"]]
    model = train(table, corrections=reviews, weights=None, target_size=64, epochs=1, **HOW)
    assert model.levels.columns.tolist() == ["class", "level1"]


def test_test_photos_that_are_trained_on_with_their_old_label_are_warned_of(table):
    wrong = table[table["split"] == "test"].assign(
        habitat="woody", predicted="woody", confidence=1.0, sha256=None, time="now"
    )
    _, counts = apply_corrections(table, wrong)
    assert counts["left_out"] == len(wrong) == 4
    with pytest.warns(LucasWarning, match="4 corrections are of test points and count for nothing"):
        apply_corrections(table.assign(split=None), wrong)
