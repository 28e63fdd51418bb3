"""The main job on drawn photos: the whole way, offline, hard enough to mean something."""

import json

import pandas as pd
import pytest

from lucas_habitat import classify, load_model, run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "run"
    with pytest.warns() as caught:
        text = run_demo(folder, progress=False)
    return folder, text, [str(w.message) for w in caught]


def test_it_is_hard_but_not_too_hard_and_votes_help(demo):
    folder, _, _ = demo
    photos, points = (
        json.loads((folder / f"evaluation_{n}.json").read_text()) for n in ("photos", "points")
    )
    assert 0.75 <= photos["overall_accuracy"] <= 0.95
    assert points["kappa"] > photos["kappa"]
    assert points["n_points"] >= 70
    low, high = points["kappa_interval"]
    assert low < points["kappa"] < high


def test_broken_photos_are_counted_not_fatal(demo):
    folder, text, warnings = demo
    assert "3 refused" in text
    for reason in ("damaged", "empty", "not a photo"):
        assert f"1 {reason}" in text
    predictions = pd.read_csv(folder / "predictions.csv")
    model = load_model(folder / "model")
    refused = (predictions["status"] != "ok").sum() + model.training["n_refused"]
    assert refused == 3
    assert any("were refused" in w for w in warnings) == bool(model.training["n_refused"])


def test_everything_is_kept_and_usable(demo):
    folder, text, _ = demo
    assert (folder / "summary.txt").read_text(encoding="utf-8").strip() == text.strip()
    for name in ("train.csv", "predictions.csv", "points.csv", "covariates.csv"):
        assert len(pd.read_csv(folder / name)) > 70
    train, test = (
        set(pd.read_csv(folder / f"{n}.csv")["point_id"]) for n in ("train", "predictions")
    )
    assert not train & test
    model = load_model(folder / "model")
    assert model.calibration is not None
    predictions = pd.read_csv(folder / "predictions.csv").head(5)
    again = classify(predictions[["path"]], model, progress=False)
    for column in ("p_artificial", "p_cropland", "p_grassland", "p_woody"):
        assert (again[column] - predictions[column]).abs().max() < 1e-6


def test_the_report_is_written_and_named(demo):
    folder, text, _ = demo
    assert str(folder / "report.html") in text
    page = (folder / "report.html").read_text(encoding="utf-8")
    points = json.loads((folder / "evaluation_points.json").read_text())
    assert f"<td>{points['kappa']:.3f}</td>" in page
    assert "photos are drawn by the program" in page
    assert len(pd.read_csv(folder / "report_data" / "vote_gain.csv")) == 5


def test_the_summary_says_what_drawn_photos_are_worth(demo):
    assert "say nothing about real land" in demo[1]
