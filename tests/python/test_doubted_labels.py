"""Labels that speak against what all other points teach: counted by hand, put right, used again."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write_photos, write_run

from lucas_habitat import (
    cross_validate,
    doubted_labels,
    list_photos,
    report,
    review_list,
    train,
    vote,
)
from lucas_habitat.cli import main
from lucas_habitat.corrections import add_corrections, apply_corrections, read_corrections
from lucas_habitat.errors import InputError, LucasMessage

CASE = json.loads((Path(__file__).parents[1] / "cases" / "doubted_labels.json").read_text("utf-8"))
LITE0 = {"arch": "efficientnet_lite0", "progress": False}


def by_hand():
    return pd.DataFrame(CASE["predictions"])


@pytest.mark.parametrize("case", CASE["cases"], ids=lambda case: case["how"][:20])
def test_worked_out_by_hand(case):
    with pytest.warns(LucasMessage, match=CASE["message"]):
        doubted = doubted_labels(by_hand(), **case["arguments"])
    for name, column in case["columns"].items():
        assert doubted[name].tolist() == column, name
    assert doubted.columns[:5].tolist() == [
        "priority", "is_doubted", "label_probability", "why", "path",
    ]  # fmt: skip


def test_the_review_list_gives_the_same_reason():
    listed = review_list(by_hand()).set_index("path")["why"]
    for row in doubted_labels(by_hand()).itertuples():
        assert row.why in listed[row.path]
    assert not listed.drop(["3.jpg", "6.jpg"]).str.contains("labelled").any()


def test_labels_of_a_run_are_doubted_as_those_of_its_table(tmp_path):
    table = by_hand().astype({"predicted": "category"})
    run = write_run(tmp_path / "run", table, rows=3)
    for n in (None, 4):
        pd.testing.assert_frame_equal(
            doubted_labels(run, n), doubted_labels(table, n), check_exact=True
        )


def test_a_label_that_the_model_lacks_is_no_doubt():
    table = by_hand()
    table.loc[4, "habitat"] = "c"
    with pytest.warns(LucasMessage, match="2 of 6 labels are doubted; 4 rows"):
        assert doubted_labels(table)["path"].tolist() == ["3.jpg", "6.jpg"]


def test_a_class_that_nothing_is_labelled_as_is_never_doubted_for():
    table = by_hand().head(3)
    assert doubted_labels(table).empty
    assert doubted_labels(table, n=1)["path"].tolist() == ["3.jpg"]


@pytest.mark.parametrize(
    "change", [{"split": "train"}, {"habitat": None}, {"p_a": np.nan, "p_b": np.nan}]
)
def test_without_held_out_labels_nothing_can_be_doubted(change):
    with pytest.raises(InputError, match=r"none of 10 is\. Give what cross_validate\(\) returns"):
        doubted_labels(by_hand().assign(**change))


def test_bad_arguments():
    with pytest.raises(InputError, match="n must be a whole number, at least 1"):
        doubted_labels(by_hand(), n=0)
    with pytest.raises(InputError, match="predicted"):
        doubted_labels(by_hand().drop(columns="predicted"))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """Photos of which one point bears a wrong label."""
    photos = list_photos(write_photos(tmp_path_factory.mktemp("spoiled")))
    wrong = photos["point_id"] == photos.loc[photos["habitat"] == "woody", "point_id"].iloc[0]
    photos.loc[wrong, "habitat"] = "artificial"
    return photos, set(photos.loc[wrong, "path"])


@pytest.fixture(scope="module")
def predictions(spoiled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasMessage)
        return cross_validate(spoiled[0].assign(split="train"), folds=3, **LITE0)


def test_a_point_that_was_spoiled_is_at_the_head_of_the_list(spoiled, predictions):
    doubted = doubted_labels(predictions)
    assert set(doubted["path"].head(2)) == spoiled[1]
    assert doubted["why"].str.contains("labelled artificial").head(2).all()
    assert doubted["split"].isna().all()
    points = doubted_labels(vote(predictions))
    assert points["point_id"].iloc[0] == doubted["point_id"].iloc[0]
    assert "sha256" not in points


def test_the_list_is_a_review_table_that_training_takes(spoiled, predictions, tmp_path):
    reviews = tmp_path / "doubted.csv"
    doubted = doubted_labels(predictions, n=5)
    doubted.loc[:1, "habitat"] = "woody"  # what a person sees
    left_open = predictions["path"] == doubted["path"][2]
    doubted.loc[2, "habitat"] = ""  # and leaves open
    doubted.to_csv(reviews, index=False)
    assert len(read_corrections(reviews)) == 4
    with pytest.warns(LucasMessage, match="2 of 4 rows of .*doubted.csv are as they were listed"):
        model = train(spoiled[0], corrections=reviews, epochs=1, **LITE0)
    assert model.training["corrections"] == {
        "replaced": 2, "confirmed": 0, "added": 0, "left_out": 0, "unedited": 2,
    }  # fmt: skip
    assert model.training["photos_per_class"]["woody"] == 12
    # The page adds to the same table.
    add_corrections(reviews, doubted.iloc[[2]], predictions.loc[left_open, "habitat"].iloc[0])
    again = train(spoiled[0], corrections=reviews, epochs=1, **LITE0).training["corrections"]
    assert (again["replaced"], again["confirmed"], again["unedited"]) == (2, 1, 2)
    # What a person looked at and found right is confirmed by its time, and is no more unedited.
    doubted.loc[3, "time"] = "looked at"
    doubted.to_csv(reviews, index=False)
    _, counts = apply_corrections(spoiled[0], reviews)
    assert (counts["replaced"], counts["confirmed"], counts["unedited"]) == (2, 1, 1)


def test_a_list_that_nobody_edited_adds_nothing_to_other_photos(spoiled, predictions, tmp_path):
    reviews = tmp_path / "doubted.csv"
    doubted_labels(predictions, n=5).to_csv(reviews, index=False)
    others = spoiled[0][~spoiled[0]["path"].isin(pd.read_csv(reviews)["path"])]
    photos, counts = apply_corrections(others.reset_index(drop=True), reviews)
    assert len(photos) == len(others)
    assert counts == {"replaced": 0, "confirmed": 0, "added": 0, "left_out": 0, "unedited": 5}


def test_printed_the_list_shows_the_reasons(predictions):
    doubted = doubted_labels(predictions, n=5)
    assert isinstance(doubted, pd.DataFrame)
    for text in (
        repr(doubted),
        repr(doubted.head(2)),
        doubted._repr_html_(),
        repr(review_list(by_hand())),
    ):
        assert "why" in text
    assert len(doubted.columns) > 15
    lines = repr(doubted).splitlines()
    assert lines[0].split() == ["priority", "why", "path"]
    for row, line in zip(doubted.itertuples(), lines[1:6], strict=True):
        assert row.why in line
        assert Path(row.path).name in line
    assert lines[-1].startswith("[5 rows, ")
    assert "confidence" in lines[-1]
    # What a user chose is shown as it is, and points by their name.
    assert "label_probability" in repr(doubted[["priority", "label_probability", "why"]])
    points = doubted_labels(vote(predictions), n=2)
    assert repr(points).splitlines()[0].split()[:3] == ["priority", "why", "point_id"]


def test_photos_of_a_test_set_stay_test_photos():
    assert set(doubted_labels(by_hand())["split"]) == {"test"}


def test_the_report_shows_them(spoiled, predictions, tmp_path):
    page = report(predictions, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Labels to look at" in page
    table = pd.read_csv(tmp_path / "page_data" / "doubted_labels.csv")
    assert set(table["path"].head(2)) == spoiled[1]
    clean = predictions.assign(habitat=predictions["predicted"].astype("str"))
    page = report(clean, tmp_path / "clean.html").read_text(encoding="utf-8")
    assert "Labels to look at" not in page


def test_in_the_shell(predictions, tmp_path):
    predictions.to_csv(tmp_path / "cv.csv", index=False)
    out = tmp_path / "doubted.csv"
    assert main(["doubted-labels", str(tmp_path / "cv.csv"), "--out", str(out), "--n", "3"]) == 0
    assert pd.read_csv(out)["path"].tolist() == doubted_labels(predictions, n=3)["path"].tolist()
