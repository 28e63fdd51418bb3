"""Sets that hold the true class, points that are sure enough, and how much labelling that saves."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lucas_habitat import abstain, labelling_saved, plot_labelling, prediction_sets
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.certainty import describe_sets, describe_sure
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "certainty.json").read_text(encoding="utf-8")
)
CLASSES = ["cropland", "grassland", "woody"]
FLAGS = [f"s_{c}" for c in CLASSES]


def drawn(n, rng, sharpness=2.0, shares=(0.6, 0.3, 0.1), first=0):
    """Points whose probabilities are too sure, their true classes and ids."""
    truth = rng.choice(3, n, p=shares)
    logits = 2 * sharpness * np.eye(3)[truth] + 2 * rng.standard_normal((n, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(
        {
            "point_id": [f"plot {i}" for i in range(first, first + n)],
            "year": 2018,
            "n_photos": 5,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            **{f"p_{c}": p[:, k] for k, c in enumerate(CLASSES)},
            "habitat": np.array(CLASSES)[truth],
        }
    )
    return table


def sure_points(wrong):
    p = np.round(0.999 - np.arange(200) / 1000, 3)
    return pd.DataFrame(
        {
            "predicted": "woody",
            "p_woody": p,
            "p_cropland": 1 - p,
            "habitat": ["woody"] * (200 - wrong) + ["cropland"] * wrong,
        }
    )


@pytest.mark.parametrize("case", CASES["sets"], ids=lambda c: f"{c['coverage']} {c['per_class']}")
def test_sets_are_those_of_mapie(case):
    points, labelled = (pd.DataFrame(CASES[name]) for name in ("points", "labelled"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasMessage)
        found = prediction_sets(
            points, labelled, coverage=case["coverage"], per_class=case["per_class"]
        )
    theirs = np.array(case["sets"])
    is_empty = theirs.sum(axis=1) == 0
    ours = found[FLAGS].to_numpy(dtype=int)
    assert (ours[~is_empty] == theirs[~is_empty]).all()
    likeliest = points[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1)
    assert (ours[is_empty] == np.eye(3, dtype=int)[likeliest[is_empty]]).all()
    assert found["n_classes"].tolist() == ours.sum(axis=1).tolist()
    assert [set(text.split("|")) for text in found["set"]] == [
        {c for c, has in zip(CLASSES, row, strict=True) if has} for row in ours
    ]


@pytest.mark.parametrize("case", CASES["sure"], ids=lambda c: f"{c['wrong']} {c['accuracy']}")
def test_sure_points_are_those_worked_out_by_hand(case):
    table = sure_points(case["wrong"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasWarning)
        found = abstain(table, table, accuracy=case["accuracy"])
    saved = labelling_saved(table, table, [case["accuracy"]]).iloc[0]
    missing = np.nan if case["threshold"] is None else None
    assert found["is_sure"].sum() == saved["n_sure"] == case["n_sure"] == found.attrs["n_sure"]
    assert saved["n_by_hand"] == 200 - case["n_sure"]
    for value in (found["threshold"].iloc[0], saved["threshold"]):
        assert value == pytest.approx(case["threshold"] or missing, nan_ok=True)
    for value in (found["accuracy_low"].iloc[0], saved["accuracy_low"]):
        assert value == pytest.approx(case["low"] or missing, abs=1e-9, nan_ok=True)


def test_sets_hold_the_truth_as_often_as_asked():
    rng = np.random.default_rng(3)
    test = drawn(4000, rng, sharpness=1.0, first=10_000)
    shares, by_class = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(40):
            labelled = drawn(99, rng, sharpness=1.0)
            for per_class, kept in ((False, shares), (True, by_class)):
                sets = prediction_sets(test, labelled, 0.8, per_class=per_class)
                is_held = sets[FLAGS].to_numpy(dtype=bool)[
                    np.arange(len(test)), test["habitat"].map(CLASSES.index)
                ]
                kept.append(is_held.mean())
                if per_class:
                    kept[-1] = [is_held[test["habitat"] == c].mean() for c in CLASSES]
    # 40 means of a share that lies between .72 and .87.
    assert 0.78 < np.mean(shares) < 0.82
    assert (np.mean(by_class, axis=0) > 0.78).all()
    low, high = stats.beta.ppf([0.025, 0.975], 80, 20)
    assert np.mean([(low <= s <= high) for s in shares]) > 0.85


def test_sets_say_what_they_rest_on():
    rng = np.random.default_rng(1)
    sets = prediction_sets(drawn(50, rng, first=900), drawn(99, rng), 0.9)
    assert sets.attrs["coverage"] == 0.9
    assert sets.attrs["n_labelled"] == 99
    assert sets.attrs["coverage_low"] == pytest.approx(stats.beta.ppf(0.025, 90, 10))
    assert describe_sets(sets)[0] == (
        "50 points, sets that hold the true class of 90% (from 99 labelled points)"
    )


def test_too_few_labelled_points_rule_nothing_out():
    rng = np.random.default_rng(1)
    points = drawn(20, rng, first=900)
    with pytest.warns(
        LucasWarning, match=r"labelled points are too few.* coverage of 0\.9: at least 9"
    ):
        sets = prediction_sets(points, drawn(8, rng))
    assert (sets["n_classes"] == 3).all()
    with pytest.warns(LucasWarning, match="labelled points of woody are too few"):
        sets = prediction_sets(points, drawn(100, rng, shares=(0.5, 0.5, 0.0)), per_class=True)
    assert sets["s_woody"].all()


def test_classes_that_the_model_does_not_know_are_missed_ones():
    labelled = drawn(99, np.random.default_rng(1))
    labelled.loc[:4, "habitat"] = "lava"
    with pytest.warns(LucasWarning, match=r"5 labelled points have classes .* \(lava\)"):
        sets = prediction_sets(labelled, labelled, 0.9)
    assert (sets["n_classes"] <= 3).all()
    with (
        pytest.warns(LucasWarning, match="classes that the model does not know"),
        pytest.warns(LucasWarning, match="too many of them of classes"),
    ):
        sets = prediction_sets(labelled, labelled, 0.95)
    assert (sets["n_classes"] == 3).all()


def test_points_without_probabilities_are_rows_without_a_set():
    rng = np.random.default_rng(1)
    points, labelled = drawn(5, rng, first=900), drawn(100, rng)
    points.loc[2, ["predicted", "p_cropland", "p_grassland", "p_woody"]] = np.nan
    sets = prediction_sets(points, labelled)
    assert sets["set"].isna().tolist() == [False, False, True, False, False]
    assert sets["n_classes"].isna()[2]
    assert sets[FLAGS].isna().all(axis=1).tolist() == [False, False, True, False, False]
    sure = abstain(points, labelled, accuracy=0.5)
    assert not sure["is_sure"][2]
    assert np.isnan(sure["threshold"][2])
    assert sure["is_sure"][[0, 1, 3, 4]].any()


def test_labelled_points_that_were_trained_on_do_not_count():
    rng = np.random.default_rng(1)
    points, labelled = drawn(5, rng, first=900), drawn(100, rng)
    labelled["split"] = ["train"] * 60 + ["test"] * 40
    with pytest.warns(LucasMessage, match="60 labelled points .* left out"):
        sets = prediction_sets(points, labelled)
    assert sets.attrs["n_labelled"] == 40
    labelled["split"] = "train"
    with (
        pytest.raises(InputError, match="not trained on"),
        pytest.warns(LucasMessage, match="100 labelled"),
    ):
        abstain(points, labelled)


def test_a_point_seen_in_several_years_counts_once():
    rng = np.random.default_rng(1)
    labelled = drawn(60, rng)
    again = pd.concat([labelled, labelled.assign(year=2022)], ignore_index=True)
    assert prediction_sets(labelled, again).attrs["n_labelled"] == 60


@pytest.mark.parametrize("function", [prediction_sets, abstain, labelling_saved])
def test_what_cannot_be_judged_is_refused(function):
    rng = np.random.default_rng(1)
    points, labelled = drawn(20, rng, first=900), drawn(100, rng)
    photos = pd.concat([labelled, labelled], ignore_index=True)
    with pytest.raises(InputError, match=r"one row a point and year.*vote\(\)"):
        function(points, photos)
    with pytest.raises(InputError, match="of one model"):
        function(points.rename(columns={"p_woody": "p_heath"}).drop(columns="predicted")
                 .assign(predicted="cropland"), labelled)  # fmt: skip
    with pytest.raises(InputError, match="habitat"):
        function(points, labelled.drop(columns="habitat"))
    with pytest.raises(InputError, match=r"level|coverage"):
        function(points, labelled, **{"coverage" if function is prediction_sets else "level": 1})


def test_the_accuracy_of_sure_points_is_reached_as_often_as_said():
    """Each of 200 labelled samples; a threshold that promises too much may come in 1 of 20."""
    rng = np.random.default_rng(8)
    land = drawn(20_000, rng, sharpness=1.8)
    confidence = land[[f"p_{c}" for c in CLASSES]].max(axis=1).to_numpy()
    is_right = (land["predicted"].astype("str") == land["habitat"]).to_numpy()
    assert 0.75 < is_right.mean() < 0.9
    n_false, n_reached = 0, 0
    for _ in range(200):
        labelled = drawn(300, rng, sharpness=1.8)
        row = labelling_saved(labelled, labelled, [0.9]).iloc[0]
        if np.isfinite(row["threshold"]):
            n_reached += 1
            n_false += is_right[confidence >= row["threshold"]].mean() < row["accuracy_low"]
    assert n_reached > 100
    assert n_false <= 20  # 10 expected at most; 21 or more come by chance in 1 of 1,000


def test_thresholds_of_classes():
    table = sure_points(0)
    other = table.assign(
        predicted="cropland", p_woody=table["p_cropland"], p_cropland=table["p_woody"]
    )
    other["habitat"] = ["cropland", "woody"] * 100
    both = pd.concat([table, other], ignore_index=True)
    with pytest.warns(LucasWarning, match="No confidence of cropland"):
        found = abstain(both, both, per_class=True)
    assert found["is_sure"].tolist() == [True] * 200 + [False] * 200
    with pytest.warns(
        LucasMessage, match="No confidence of cropland is shown to be right in 0.9 of"
    ):
        saved = labelling_saved(both, both, per_class=True)
    assert saved["accuracy"].tolist() == [0.9, 0.95, 0.99]
    assert saved["share_saved"].tolist() == [0.5, 0.5, 0.0]
    assert saved["accuracy_labelled"].tolist()[:2] == [1.0, 1.0]
    assert describe_sure(found)[1] == "200 points are for a person"


def test_why_nothing_is_saved_is_told():
    table = sure_points(0).head(40)
    with pytest.warns(LucasMessage) as caught:
        saved = labelling_saved(table, table, [0.8, 0.95, 0.99])
    assert (saved["share_saved"] == 0).tolist() == [False, True, True]
    told = [str(w.message) for w in caught]
    assert len(told) == 2
    assert (
        "right in 0.95 of cases, so no such point is sure. It takes 59 labelled points" in told[0]
    )
    assert "right in 0.99 of cases" in told[1]
    assert "It takes 299 labelled points" in told[1]
    assert told[1].endswith("there are 40, of any confidence.")


def test_from_files_and_the_shell(tmp_path, capsys):
    rng = np.random.default_rng(1)
    points, labelled = drawn(40, rng, first=900), drawn(300, rng)
    paths = [tmp_path / "points.csv", tmp_path / "labelled.csv"]
    for table, path in zip((points, labelled), paths, strict=True):
        write_table(table, path)
    given = [str(paths[0]), "--labelled", str(paths[1])]
    out = str(tmp_path / "out.csv")
    with warnings.catch_warnings():
        assert main(["sets", *given, "--out", out, "--coverage", "0.8", "--per-class"]) == 0
        sets = read_table(out)
        expected = prediction_sets(points, labelled, 0.8, per_class=True)
        assert sets["set"].tolist() == expected["set"].tolist()
        assert main(["review", out, "--out", str(tmp_path / "review.csv"), "--n", "1"]) == 0
        assert len(read_table(tmp_path / "review.csv")) == 1
        saved = str(tmp_path / "saved.csv")
        assert main(["abstain", *given, "--out", out, "--accuracy", "0.9", "--saved", saved,
                     "--accuracies", "0.8", "0.9"]) == 0  # fmt: skip
    assert read_table(out)["is_sure"].tolist() == abstain(points, labelled, 0.9)["is_sure"].tolist()
    assert read_table(saved)["accuracy"].tolist() == [0.8, 0.9]
    assert "points are sure: right in at least 90% of cases" in capsys.readouterr().out


# Its picture


@pytest.mark.parametrize("width", ["single", "double"])
def test_what_is_saved_is_drawn_from_the_table_or_its_file(tmp_path, width):
    table = pd.DataFrame(
        {
            "accuracy": [0.99, 0.9, 0.95],
            "n_sure": [0, 180, 120],
            "n_by_hand": [200, 20, 80],
            "share_saved": [0.0, 0.9, 0.6],
        }
    )
    for given in (table, write_table(table, tmp_path / "saved.csv")):
        figure = plot_labelling(given, width=width, out=tmp_path / "saved.png")
        (ax,) = figure.axes
        line, reached, lacking = ax.lines
        assert list(line.get_ydata()) == [0.9, 0.6, 0.0]
        assert list(reached.get_xdata()) == [0.9, 0.95]
        assert list(lacking.get_xdata()) == [0.99]
        texts = [t.get_text() for t in ax.texts]
        assert texts == ["90 %\n20 left", "60 %\n80 left", "0 %\n200 left"]
        assert [t.get_text() for t in ax.get_xticklabels()] == ["90 %", "95 %", "99 %"]
    assert (tmp_path / "saved.png").stat().st_size > 1000
    with pytest.raises(InputError, match=r"needs the column .*share_saved"):
        plot_labelling(table.drop(columns="share_saved"))
    with pytest.raises(InputError, match="without rows"):
        plot_labelling(table[:0])


def test_the_shell_draws_it(tmp_path):
    p = np.linspace(0.5, 1, 200)
    points = pd.DataFrame(
        {
            "point_id": [f"plot {i}" for i in range(200)],
            "predicted": "woody",
            "p_woody": p,
            "p_cropland": 1 - p,
            "habitat": np.where((p < 0.7) & (np.arange(200) % 3 == 0), "cropland", "woody"),
        }
    )
    file = str(write_table(points, tmp_path / "points.csv"))
    out, plot = str(tmp_path / "sure.csv"), tmp_path / "saved.svg"
    assert main(["abstain", file, "--labelled", file, "--out", out, "--plot", str(plot)]) == 0
    assert "without a person" in plot.read_text(encoding="utf-8")
