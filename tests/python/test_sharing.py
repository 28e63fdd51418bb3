"""Models shared: one zip that others can use, a page that says what is known, and nothing private."""

import hashlib
import json
import re
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from model_server import ModelServer

import lucas_habitat as lh
from lucas_habitat import classify, evaluate, load_model, save_model, share_model, train, vote
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, ModelError, OutputError
from lucas_habitat.likeness import similar_photos, unlike_training

pytestmark = pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")

WORDS = {"licence": "CC-BY-4.0", "authors": ["A. Author", "B. Østergård"]}


@pytest.fixture(scope="module")
def calibrated(parts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(parts[0], arch="efficientnet_lite0", validation_split=0.3, progress=False)


@pytest.fixture(scope="module")
def evaluations(predictions):
    return [evaluate(predictions), evaluate(vote(predictions))]


def page_of(shared):
    with zipfile.ZipFile(shared.file) as archive:
        return archive.read("README.md").decode()


def card_of(shared):
    with zipfile.ZipFile(shared.file) as archive:
        return json.loads(archive.read("card.json"))


# The file


def test_a_model_becomes_one_zip_that_gives_the_same_predictions(
    model, parts, predictions, tmp_path
):
    shared = share_model(model, tmp_path / "dk.zip", **WORDS)
    with zipfile.ZipFile(shared.file) as archive:
        assert archive.namelist() == [
            "README.md", "card.json", "model.safetensors", "training_features.npy",
            "training_photos.csv", "history.csv",
        ]  # fmt: skip
    assert shared.file == tmp_path / "dk.zip"
    assert shared.sha256 == hashlib.sha256(shared.file.read_bytes()).hexdigest()
    assert shared.size == shared.file.stat().st_size
    assert (tmp_path / "dk.zip.sha256").read_text() == f"{shared.sha256}  dk.zip\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dk.zip", "dk.zip.sha256"]
    columns = [c for c in predictions if c.startswith("p_")]
    again = classify(parts[1], shared.file, progress=False)
    assert again[columns].equals(predictions[columns])


def test_an_unpacked_zip_is_a_model_folder(model, tmp_path):
    shared = share_model(model, tmp_path / "dk.zip", **WORDS)
    with zipfile.ZipFile(shared.file) as archive:
        archive.extractall(tmp_path / "dk")
    assert load_model(tmp_path / "dk").shared["authors"] == WORDS["authors"]


def test_the_same_words_give_the_same_bytes(model, tmp_path):
    save_model(model, tmp_path / "model")
    one = share_model(model, tmp_path / "dk.zip", **WORDS)
    (tmp_path / "other").mkdir()
    other = share_model(tmp_path / "model", tmp_path / "other" / "dk.zip", **WORDS)
    assert one.sha256 == other.sha256
    assert share_model(model, tmp_path / "dk.zip", **WORDS, title="X").sha256 != one.sha256


def test_it_says_what_to_do_next_in_three_languages(model, tmp_path, capsys):
    shared = share_model(model, tmp_path / "dk.zip", **WORDS)
    assert f"classify(photos, 'https://<where it lies>/dk.zip#sha256={shared.sha256}')" in repr(
        shared
    )
    save_model(model, tmp_path / "model")
    assert main(["share-model", str(tmp_path / "model"), str(tmp_path / "dk.zip"), "--licence",
                 "CC-BY-4.0", "--authors", *WORDS["authors"]]) == 0  # fmt: skip
    printed = capsys.readouterr()
    assert f"--model 'https://<where it lies>/dk.zip#sha256={shared.sha256}'" in printed.out
    assert "note: No evaluation was given" in printed.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": ""}, "licence must be text; got ''"),
        ({"licence": None}, "licence must be text; got None"),
        ({"licence": "\n\x1b"}, "licence must be text"),
        ({"authors": []}, "authors must name somebody"),
        ({"authors": 5}, "authors must be text or several texts"),
        ({"authors": ["A", ""]}, "authors must be text"),
        ({"title": " "}, "title must be text"),
        ({"evaluation": 5}, r"evaluation must be what evaluate\(\) gave"),
        ({"evaluation": [5]}, r"evaluation must be what evaluate\(\) gave"),
        ({"evaluation": {}}, "is no evaluation: 'unit' is missing"),
        ({"evaluation": "no.json"}, "cannot be read"),
        ({"evaluation": True}, r"evaluation must be what evaluate\(\) gave"),
        ({"description": 5}, "description must be text"),
        ({"lucas": "yes"}, "lucas must be True or False or None"),
        ({"lucas": True}, "records no year"),
        ({"name_points": None}, "name_points must be True or False"),
    ],
)
def test_what_cannot_be_shared_is_refused(model, tmp_path, change, message):
    without_years = replace(model, training={**model.training, "years": []})
    with pytest.raises(InputError, match=message):
        share_model(without_years, tmp_path / "dk.zip", **(WORDS | change))
    assert list(tmp_path.iterdir()) == []


def test_the_name_and_the_place_are_checked_first(model, tmp_path):
    with pytest.raises(InputError, match=r"out must end in \.zip"):
        share_model(model, tmp_path / "dk.tar", **WORDS)
    with pytest.raises(InputError, match="out must be a path; got 5"):
        share_model(model, 5, **WORDS)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        share_model("no/such/model", tmp_path / "file" / "dk.zip", **WORDS)
    with pytest.raises(ModelError):
        share_model("no/such/model", tmp_path / "dk.zip", **WORDS)


# What is left out


def test_nothing_private_is_in_it(parts, photo_folder, tmp_path):
    weights = tmp_path / "annas_secret_weights.safetensors"
    from safetensors.torch import save_file

    from lucas_habitat.networks.backbones import build_model

    save_file(build_model(4, "efficientnet_lite0").backbone.load().network.state_dict(), weights)
    own = train(parts[0], arch="efficientnet_lite0", weights=weights, epochs=1, progress=False)
    shared = share_model(own, tmp_path / "dk.zip", **WORDS)
    ids = set(own.training_photos["point_id"])
    names = set(own.training_photos["photo"])
    assert len(ids) == 16
    with zipfile.ZipFile(shared.file) as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    for private in (
        *ids,
        *names,
        "annas_secret",
        str(photo_folder),
        photo_folder.name,
        str(tmp_path),
    ):
        assert private.encode() not in held, private
    assert load_model(shared.file).backbone.spec["weights"].startswith("a file (sha256 ")


def test_rows_are_in_no_order_of_the_authors_and_features_stay_with_their_photos(model, tmp_path):
    loaded = load_model(share_model(model, tmp_path / "dk.zip", **WORDS).file)
    before, after = model.training_photos, loaded.training_photos
    assert after["content"].is_monotonic_increasing
    order = [before["content"].tolist().index(code) for code in after["content"]]
    assert order != sorted(order)
    assert np.array_equal(loaded.training_features, model.training_features[order])
    assert after["habitat"].tolist() == before["habitat"].iloc[order].tolist()
    # Photos of a point are still together, under another name.
    pairs = pd.DataFrame({"id": before["point_id"].iloc[order].tolist(), "name": after["point_id"]})
    assert len(pairs.drop_duplicates()) == pairs["id"].nunique() == pairs["name"].nunique()


def test_what_is_unlike_is_told_as_before(model, tmp_path):
    loaded = load_model(share_model(model, tmp_path / "dk.zip", **WORDS).file)
    rows = model.training_features[:5].astype(np.float32)
    rows[0] = -rows[0]
    assert unlike_training(rows, loaded).tolist() == unlike_training(rows, model).tolist()
    one, other = similar_photos(rows, loaded), similar_photos(rows, model)
    assert np.allclose(one["distance"], other["distance"])


def test_photos_trained_on_are_told_by_content_only(model, parts, tmp_path):
    loaded = load_model(share_model(model, tmp_path / "dk.zip", **WORDS).file)
    train_photos = parts[0].drop(columns="split")
    assert (classify(train_photos, model, progress=False)["split"] == "train").all()
    assert classify(train_photos, loaded, progress=False)["split"].isna().all()
    assert "does not name those that it was trained on" in repr(loaded)
    with pytest.warns(LucasMessage, match="shared without the ids of its points"):
        answers = lh.in_training(parts[0], loaded, progress=False)
    assert (answers["in_training"] == "photo").all()
    others = lh.in_training(parts[1], loaded, progress=False)
    assert (others["in_training"] == "not recorded").all()
    assert others["point_in_training"].isna().all()


def test_points_are_named_where_that_is_asked_for(model, parts, tmp_path):
    loaded = load_model(share_model(model, tmp_path / "dk.zip", **WORDS, name_points=True).file)
    assert set(loaded.training_photos["point_id"]) == set(model.training_photos["point_id"])
    assert not set(loaded.training_photos["photo"]) & set(model.training_photos["photo"])
    train_photos = parts[0].drop(columns="split")
    assert (classify(train_photos, loaded, progress=False)["split"] == "train").all()
    assert "are named in it" in page_of(
        share_model(loaded, tmp_path / "b.zip", **WORDS, name_points=True)
    )


def test_a_model_of_before_contents_were_kept(model, tmp_path):
    old = replace(model, training_photos=model.training_photos.drop(columns="content"))
    loaded = load_model(share_model(old, tmp_path / "dk.zip", **WORDS).file)
    assert len(loaded.training_features) == len(model.training_features)
    assert "content" not in loaded.training_photos


# The page


def test_the_page_is_in_the_form_that_hubs_read(model, evaluations, tmp_path):
    shared = share_model(
        model, tmp_path / "dk.zip", **WORDS, evaluation=evaluations, title='DK: "four" #1'
    )
    page = page_of(shared)
    data = ModelCard(page).data
    assert (data.license, data.library_name) == ("cc-by-4.0", "lucas-habitat")
    assert data.pipeline_tag == "image-classification"
    assert {"lucas-habitat", "habitat", "lucas"} <= set(data.tags)
    assert data.model_name == 'DK: "four" #1'
    found = {(r.metric_type, r.dataset_name): r for r in data.eval_results}
    photos, points = evaluations
    for e, name in (
        (photos, "16 photos of 8 points"),
        (points, "8 points by the vote of their photos"),
    ):
        accuracy = found["accuracy", f"LUCAS photos: {name}"]
        low, high = e.overall_accuracy_interval
        assert accuracy.metric_value == pytest.approx(e.overall_accuracy, abs=1e-4)
        assert accuracy.metric_name == f"Overall accuracy (95 % interval {low:.3f} to {high:.3f})"
        assert found["cohen_kappa", f"LUCAS photos: {name}"].metric_value == pytest.approx(
            e.kappa, abs=1e-4
        )


@pytest.mark.parametrize(
    ("licence", "facts"),
    [
        ("cc0-1.0", {"license": "cc0-1.0"}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("LAB: 2, https://lab.example/licence", {
            "license": "other", "license_name": "lab-2-https-lab.example-licence",
            "license_link": "https://lab.example/licence",
        }),
    ],
)  # fmt: skip
def test_licences_have_the_names_of_the_hub(model, tmp_path, licence, facts):
    shared = share_model(model, tmp_path / "dk.zip", licence=licence, authors="A")
    data = ModelCard(page_of(shared)).data.to_dict()
    assert {k: data[k] for k in facts} == facts
    assert load_model(shared.file).shared["licence"] == licence


def test_the_page_tells_numbers_with_their_intervals(model, evaluations, tmp_path):
    page = page_of(share_model(model, tmp_path / "dk.zip", **WORDS, evaluation=evaluations))
    for e in evaluations:
        for value, (low, high) in (
            (e.overall_accuracy, e.overall_accuracy_interval),
            (e.kappa, e.kappa_interval),
        ):
            assert f"| {value:.3f} (95 % interval {low:.3f} to {high:.3f}) |" in page
    row = evaluations[0].per_class.set_index("class").loc["woody"]
    n = model.training["photos_per_class"]["woody"]
    assert re.search(
        rf"\| woody \| {n} \| {row['n_reference']:.0f} \| {row['producers_accuracy']:.3f} \|", page
    )
    assert "Not calibrated: probabilities are scores" in page


def test_evaluations_come_from_files_too(model, evaluations, tmp_path, capsys):
    files = []
    for e in evaluations:
        files.append(tmp_path / f"{e.unit}.json")
        files[-1].write_text(json.dumps(e.as_dict()))
    one = share_model(model, tmp_path / "dk.zip", **WORDS, evaluation=evaluations)
    assert share_model(model, tmp_path / "dk.zip", **WORDS, evaluation=files).sha256 == one.sha256
    save_model(model, tmp_path / "model")
    assert main(["share-model", str(tmp_path / "model"), str(tmp_path / "dk.zip"), "--licence", "CC-BY-4.0",
                 "--authors", *WORDS["authors"], "--evaluation", *map(str, files)]) == 0  # fmt: skip
    assert one.sha256 in capsys.readouterr().out


def test_an_evaluation_of_other_classes_is_refused(model, predictions, tmp_path):
    other = predictions.rename(columns={"p_woody": "p_forest"})
    other["predicted"] = other["predicted"].cat.rename_categories({"woody": "forest"})
    other["habitat"] = other["habitat"].replace("woody", "forest")
    with pytest.raises(InputError, match="is of another model: it says nothing of the class woody"):
        share_model(model, tmp_path / "dk.zip", **WORDS, evaluation=evaluate(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overall_accuracy": 94}, "overall_accuracy is 94"),
        ({"overall_accuracy": None}, "no overall accuracy"),
        ({"kappa": "0.9"}, "kappa is '0.9'"),
        ({"unit": "<script>"}, "its unit is"),
        ({"per_class": [{"class": "woody"}]}, "not in index"),
        ({"n": "many"}, "is no evaluation"),
    ],
)
def test_numbers_that_cannot_be_are_refused(model, evaluations, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        share_model(
            model, tmp_path / "dk.zip", **WORDS, evaluation=evaluations[0].as_dict() | change
        )


def test_no_interval_is_made_up(model, predictions, tmp_path):
    e = evaluate(predictions, n_boot=0)
    page = page_of(share_model(model, tmp_path / "dk.zip", **WORDS, evaluation=e))
    assert f"| {e.overall_accuracy:.3f} (no interval was computed) |" in page


def test_without_an_evaluation_the_page_has_what_the_card_has(calibrated, tmp_path):
    with pytest.warns(LucasMessage, match="No evaluation was given"):
        shared = share_model(calibrated, tmp_path / "dk.zip", **WORDS)
    page, metrics = page_of(shared), calibrated.card()["metrics"]
    t = calibrated.training
    assert (
        f"On {t['n_validation_photos']} held-out photos of {t['n_validation_points']} points, each photo by "
        f"itself: overall accuracy {metrics['val_accuracy']:.3f} and kappa {metrics['val_kappa']:.3f}. No "
        "interval was computed"
    ) in page
    results = {r.metric_type: r.metric_value for r in ModelCard(page).data.eval_results}
    assert results["accuracy"] == pytest.approx(metrics["val_accuracy"], abs=1e-4)
    assert "Not calibrated" in page
    assert "No evaluation on photos that took no part in training was given" in page


def test_the_page_tells_how_far_probabilities_are_proportions(model, tmp_path):
    card = {"temperature": 1.25, "n_photos": 40, "n_points": 20, "method": "x", "points": None}
    page = page_of(share_model(replace(model, calibration=card), tmp_path / "dk.zip", **WORDS))
    assert "a temperature of 1.250, fitted on 40 held-out photos of 20 points. They are few" in page
    assert "Votes of points: not calibrated" in page


def test_what_nobody_measured_is_said_not_to_be_known(model, tmp_path):
    page = page_of(share_model(model, tmp_path / "dk.zip", **WORDS))
    assert "## Accuracy\n\nNot known: no evaluation was given, and no photos were held out" in page
    assert ModelCard(page).data.eval_results is None
    assert not re.search(r"\b0\.\d+", page.split("## Calibration")[0].split("## Accuracy")[1])


def test_the_survey_is_credited_where_its_photos_were_used(model, tmp_path):
    shared = share_model(model, tmp_path / "dk.zip", **WORDS)
    assert "> (c) European Union, LUCAS 2018, Eurostat" in page_of(shared)
    assert load_model(shared.file).shared["credit"] == lh.credit(2018)
    assert "  credit       (c) European Union, LUCAS 2018, Eurostat\n" in repr(
        load_model(shared.file)
    )
    assert "European Union" not in page_of(
        share_model(model, tmp_path / "b.zip", **WORDS, lucas=False)
    )
    own = replace(model, training_photos=model.training_photos.assign(point_id="plot 1"))
    assert "European Union" not in page_of(share_model(own, tmp_path / "c.zip", **WORDS))
    assert "European Union" in page_of(share_model(own, tmp_path / "d.zip", **WORDS, lucas=True))


def test_words_of_authors_stay_words(model, tmp_path):
    shared = share_model(
        model, tmp_path / "dk.zip", licence="CC0-1.0", authors=["<b>A</b>\nB: `x`"],
        title="---\nlicense: mit\n---", description="**Fine**\n\n<script>alert(1)</script>\x1b[2J",
    )  # fmt: skip
    page = page_of(shared)
    card = ModelCard(page)
    assert card.data.license == "cc0-1.0"
    assert "**Fine**\n\n&lt;script>" in page
    assert "<script" not in page
    assert "<b>" not in card.text
    assert "\x1b" not in page


def test_what_is_shared_again_says_where_it_is_from(model, tmp_path):
    first = share_model(model, tmp_path / "dk.zip", **WORDS, title="DK")
    save_model(load_model(first.file), tmp_path / "model")
    again = share_model(
        tmp_path / "model", tmp_path / "b.zip", licence="CC0-1.0", authors="C", name_points=True
    )
    page = page_of(again)
    assert "Based on DK, by A. Author, B. Østergård, licence CC-BY-4.0." in page
    assert "European Union" in page  # the credit stays, though ids are gone
    assert "It does not name the points" in page
    assert card_of(again)["shared"]["based_on"].startswith("DK, by A. Author")


def test_from_sharing_to_using(model, parts, predictions, tmp_path, monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_CACHE", str(tmp_path / "cache"))
    server = ModelServer()
    try:
        shared = share_model(model, tmp_path / "dk.zip", **WORDS, title="DK")
        address = server.put("/dk.zip", shared.file.read_bytes())
        with pytest.warns(LucasMessage, match="DK, by A. Author, B. Østergård, licence CC-BY-4.0"):
            found = classify(parts[1], f"{address}#sha256={shared.sha256}", progress=False)
        columns = [c for c in predictions if c.startswith("p_")]
        assert found[columns].equals(predictions[columns])
    finally:
        server.stop()
