"""Whether a photo, or its point, was trained on: by content, and never a wrong no."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import colour_photo, write_photos

from lucas_habitat import (
    in_training,
    list_photos,
    load_model,
    reliability,
    save_model,
    share_model,
    train,
    vote,
    vote_gain,
)
from lucas_habitat._base.files import file_sha256
from lucas_habitat.cli import main
from lucas_habitat.errors import LucasMessage, LucasWarning
from lucas_habitat.likeness import similar_photos

COLUMNS = ["in_training", "photo_in_training", "point_in_training"]


def answers(photos, model):
    return in_training(photos, model, progress=False)[COLUMNS]


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return save_model(model, tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def older(saved, tmp_path):
    """The same model as it was saved before contents were recorded."""
    folder = tmp_path / "older"
    shutil.copytree(saved, folder)
    photos = folder / "training_photos.csv"
    pd.read_csv(photos, dtype={"point_id": "str"}).drop(columns="content").to_csv(
        photos, index=False
    )
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"][photos.name] = file_sha256(photos)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def test_training_photos_are_known_and_test_photos_are_not(parts, model, saved):
    for one in (model, saved):
        known, others = answers(parts[0], one), answers(parts[1], one)
        assert (known["in_training"] == "photo").all()
        assert known["photo_in_training"].all()
        assert known["point_in_training"].all()
        assert (others["in_training"] == "no").all()
        assert not others["photo_in_training"].any()
        assert not others["point_in_training"].any()


def test_a_photo_is_known_under_any_name_and_a_point_by_other_photos(parts, model, tmp_path):
    shutil.copy(parts[0]["path"][0], tmp_path / "holiday.jpg")
    point = parts[0]["point_id"][0]
    colour_photo("woody", 999).save(tmp_path / f"{point}_west_2021.jpg")
    colour_photo("woody", 998).save(tmp_path / "nobody knows.jpg")
    found = answers(tmp_path, model).astype("object").where(lambda t: t.notna(), None)
    assert found.to_numpy().tolist() == [
        ["point", False, True],
        ["photo", True, None],
        ["no", False, None],
    ]


def test_photos_that_cannot_be_read_are_told_by_their_point(parts, model, tmp_path):
    point = parts[0]["point_id"][0]
    for name in (f"{point}_west_2021.jpg", "99990000_west_2021.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(LucasWarning, match="2 of 2 photos could not be read"):
        found = answers(tmp_path, model)
    assert found["in_training"].tolist() == ["point", "unread"]
    assert found["photo_in_training"].isna().all()


def test_models_of_before_never_say_no(parts, older, tmp_path):
    with pytest.warns(LucasMessage, match="made before contents of training photos were recorded"):
        found = answers(parts[1], older)
    assert (found["in_training"] == "not recorded").all()
    assert found["photo_in_training"].isna().all()
    with pytest.warns(LucasMessage):
        assert (answers(parts[0], older)["in_training"] == "point").all()
    # They are read and written as before.
    again = load_model(save_model(load_model(older), tmp_path / "again"))
    assert "content" not in again.training_photos


def test_a_model_that_was_shared_without_its_points_never_says_no_of_a_point(
    parts, model, tmp_path
):
    share_model(model, tmp_path / "m.zip", licence="CC-BY-4.0", authors="A. Lovelace", lucas=False)
    colour_photo("woody", 998).save(tmp_path / "nobody knows.jpg")
    with pytest.warns(LucasMessage, match="shared without the ids of its points"):
        assert (answers(parts[0], tmp_path / "m.zip")["in_training"] == "photo").all()
    with pytest.warns(LucasMessage):
        found = answers(parts[1], tmp_path / "m.zip")
    assert (found["in_training"] == "not recorded").all()
    assert not found["photo_in_training"].any()
    assert found["point_in_training"].isna().all()
    with pytest.warns(LucasMessage):
        assert answers(tmp_path / "nobody knows.jpg", tmp_path / "m.zip")["in_training"][0] == "no"


def test_a_fine_tuned_network_and_one_without_cache_record_contents_too(tmp_path):
    photos = list_photos(write_photos(tmp_path / "photos", n_points=2))
    model = train(photos, arch="efficientnet_lite0", epochs=1, cache=False, progress=False)
    assert (answers(photos, model)["in_training"] == "photo").all()
    tuned = train(
        photos, recipe="finetune", arch="efficientnet_lite0", epochs=1, batch_size=4, progress=False
    )
    assert tuned.training_photos["content"].tolist() == model.training_photos["content"].tolist()


def test_heic_is_known_whatever_decodes_it(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    from lucas_habitat import cache

    folder = write_photos(tmp_path / "photos", n_points=2)
    for path in folder.rglob("*north*.jpg"):
        image = colour_photo(path.parent.name, 5)
        pillow_heif.from_pillow(image).save(path.with_suffix(".heic"))
        path.unlink()
    photos = list_photos(folder)
    model = train(photos, arch="efficientnet_lite0", epochs=1, progress=False)
    monkeypatch.setattr(cache, "heic_version", lambda: "another")
    assert (answers(photos, model)["in_training"] == "photo").all()


def test_codes_are_keyed_and_names_do_not_matter(parts, saved):
    text = (saved / "training_photos.csv").read_text(encoding="utf-8")
    codes = pd.read_csv(saved / "training_photos.csv")["content"]
    assert codes.str.fullmatch("[0-9a-f]{32}").all()
    for path in parts[0]["path"][:3]:
        data = Path(path).read_bytes()
        for name in ("sha256", "md5", "blake2b"):
            assert hashlib.new(name, data).hexdigest()[:32] not in text
        assert hashlib.blake2b(data, digest_size=16).hexdigest() not in text


def test_similar_photos_show_what_they_showed(model, parts):
    found = similar_photos(model.training_features[:1], model, k=1)
    assert found.columns.tolist() == [
        "row", "rank", "distance", "photo", "point_id", "year", "direction", "habitat",
    ]  # fmt: skip


def test_a_table_of_predictions_keeps_its_columns(predictions, model):
    found = in_training(predictions.assign(in_training="old"), model, progress=False)
    assert set(predictions.columns) <= set(found.columns)
    assert set(found["in_training"]) == {"no"}


def test_from_the_shell(parts, saved, tmp_path, capsys):
    photos = pd.concat(parts)
    photos.to_csv(tmp_path / "photos.csv", index=False)
    command = ["in-training", str(tmp_path / "photos.csv"), "--model", str(saved)]
    assert main([*command, "--out", str(tmp_path / "answers.csv")]) == 0
    text = capsys.readouterr().out
    assert re.search(r"32 photo\n\s+16 no", text)
    assert (pd.read_csv(tmp_path / "answers.csv")["in_training"] == "photo").sum() == 32


@pytest.mark.parametrize(
    "of", [reliability, vote_gain, lambda table: vote_gain(table, by="method")]
)
def test_rows_of_training_points_are_told(predictions, of):
    table = predictions.assign(split=pd.Series(["train"] * 4 + ["test"] * 12, dtype="str"))
    with pytest.warns(LucasMessage, match="4 of 16 labelled rows are of the training split"):
        of(table)


def test_rows_of_other_points_are_no_news(predictions, recwarn):
    reliability(predictions)
    reliability(vote(predictions))
    assert not [w for w in recwarn if "training split" in str(w.message)]
