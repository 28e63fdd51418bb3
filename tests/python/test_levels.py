"""The tree: levels above the classes, and predictions summed up it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import peak_memory, write_run

import lucas_habitat as lh
from lucas_habitat._base import probabilities
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, ModelError

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "levels.json").read_text(encoding="utf-8")
)
LEVELS = pd.DataFrame(CASES["levels"])
SCHEME = pd.DataFrame(
    {
        "code": ["B", "C10", "C20", "E"],
        "class": ["fields", "beech", "spruce", "meadow"],
        "level1": ["open", "wood", "wood", "open"],
        "level2": ["farmed", "", "needles", "farmed"],
        "note": "mine",
    }
)


def points(name="points"):
    table = pd.DataFrame(CASES[name])
    return table.assign(predicted=pd.Categorical(table["predicted"], CASES["levels"]["class"]))


# What stands above a class


def test_codes_have_their_levels_in_them():
    found = lh.class_levels(LEVELS["class"].tolist())
    pd.testing.assert_frame_equal(found, LEVELS[found.columns], check_dtype=False)
    assert list(found.columns) == ["class", "level1", "level2"]


def test_every_code_of_the_nomenclature_stands_where_its_table_says():
    codes = lh.lc1_codes()
    found = lh.class_levels(codes["code"].tolist())
    assert found["level1"].tolist() == codes["level1"].tolist()
    assert found["level2"].tolist() == codes["level2"].fillna(codes["code"]).tolist()


def test_a_level_that_says_no_more_than_the_classes_is_left_out():
    assert list(lh.class_levels(["B10", "B20", "C10"]).columns) == ["class", "level1"]
    assert list(lh.class_levels(["B10", "C10"]).columns) == ["class"]
    assert list(lh.class_levels(["A", "B"]).columns) == ["class"]


def test_codes_of_any_spelling_have_a_place():
    assert lh.class_levels(["b16", "B11 ", "C22"])["level2"].tolist() == ["B10", "B10", "C20"]


def test_a_scheme_may_have_levels_and_where_one_is_missing_the_tree_ends():
    found = lh.class_levels(SCHEME)
    assert found.to_dict("list") == {
        "class": ["fields", "beech", "spruce", "meadow"],
        "level1": ["open", "wood", "wood", "open"],
        "level2": ["farmed", "wood", "needles", "farmed"],
    }


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"class": ["a"], "parent": ["x"]}, "level1 is the coarsest"),
        ({"class": ["a", "a"], "level1": ["x", "y"]}, "gives a several places"),
        ({"class": ["a", "b"], "level1": ["x", None]}, "gives b no level1"),
        (
            {"class": ["a", "b"], "level1": ["x", "y"], "level2": ["z", "z"]},
            "z of level2 stand under several labels of level1",
        ),
    ],
)
def test_what_is_no_tree_is_refused(levels, message):
    table = pd.DataFrame({"predicted": ["a"], "p_a": [0.6], "p_b": [0.4]})
    with pytest.raises(InputError, match=message):
        lh.at_level(table, "level1", levels=pd.DataFrame(levels))


def test_classes_that_are_no_codes_need_a_table_or_the_model():
    table = pd.DataFrame({"predicted": ["woody"], "p_woody": [0.6], "p_C10": [0.4]})
    with pytest.raises(InputError, match="levels of woody: these are no LC1 codes"):
        lh.at_level(table, "level1")
    with pytest.raises(InputError, match="no row of the class woody"):
        lh.at_level(table, "level1", levels=LEVELS)


def test_a_scheme_with_levels_gives_photos_their_columns():
    table = pd.DataFrame({"lc1": ["B16", "C10", "C21", "E20", "G11"]})
    with pytest.warns(LucasMessage, match="without a class: G11"):
        found = lh.assign_habitat(table, SCHEME)
    assert list(found.columns) == ["lc1", "habitat", "habitat_level1", "habitat_level2"]
    assert found["habitat_level2"].fillna("-").tolist() == [
        "farmed",
        "wood",
        "needles",
        "farmed",
        "-",
    ]
    assert list(lh.assign_habitat(found, "level3").columns) == ["lc1", "habitat"]


def test_level3_is_the_code_itself():
    table = pd.DataFrame({"lc1": ["b16", "E20 ", "Bx1", "C11"]})
    assert lh.assign_habitat(table, "level3")["habitat"].tolist() == ["B16", "E20", "BX1", "C11"]


# Sums


@pytest.mark.parametrize("level", CASES["at_level"])
@pytest.mark.parametrize("levels", ["lc1", LEVELS], ids=["lc1", "table"])
def test_sums_are_those_worked_out_by_hand(level, levels):
    found = lh.at_level(points(), level, levels=levels)
    for column, expected in CASES["at_level"][level].items():
        if column.startswith("p_"):
            assert found[column].to_numpy() == pytest.approx(expected, abs=CASES["tolerance"])
        else:
            assert found[column].tolist() == expected
    sums = found.filter(like="p_").drop(columns="point_id", errors="ignore").sum(axis=1)
    assert sums.to_numpy() == pytest.approx(1, abs=1e-12)


def test_the_classes_are_a_level_too():
    pd.testing.assert_frame_equal(lh.at_level(points(), "class"), points())
    with pytest.raises(InputError, match="one of 'level1', 'level2', 'class'"):
        lh.at_level(points(), "level3")


def test_levels_add_up_whether_taken_in_one_step_or_two():
    by_step = lh.at_level(lh.at_level(points(), "level2"), "level1")
    at_once = lh.at_level(points(), "level1")
    pd.testing.assert_frame_equal(by_step, at_once)


def test_photos_that_could_not_be_read_stay_so_and_what_held_of_classes_goes():
    table = points().assign(
        confidence=0.5, vote_calibration="x", s_B11=True, n_classes=2, set="B11|B16", path="a.jpg"
    )
    table.loc[0, ["p_B11", "p_B16", "p_B21", "p_C10", "p_C22", "confidence"]] = np.nan
    table.loc[0, "predicted"] = np.nan
    found = lh.at_level(table, "level1")
    assert found.iloc[0][["predicted", "p_B", "p_C", "confidence"]].isna().all()
    assert found["confidence"][1] == max(found["p_B"][1], found["p_C"][1])
    assert list(found.columns) == [
        "point_id", "predicted", "p_B", "p_C", "habitat", "confidence", "path",
    ]  # fmt: skip


def test_votes_are_summed_as_probabilities_are():
    p = pd.DataFrame({"p_B11": [0.5, 0.1, 0.2], "p_B16": [0.3, 0.5, 0.2], "p_C10": [0.2, 0.4, 0.6]})
    photos = p.assign(path=["a", "b", "c"], point_id="1", year=2018)
    voted = lh.vote(photos)
    found = lh.at_level(voted, "level1", levels="lc1")
    assert found.loc[0, ["v_B", "v_C"]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found["agreement"][0] == pytest.approx(2 / 3)
    assert found["p_B"][0] == pytest.approx(1.8 / 3)
    assert found["predicted"].tolist() == ["B"]


def test_files_work_as_tables_do(tmp_path):
    write_table(points(), tmp_path / "points.csv")
    write_table(LEVELS, tmp_path / "levels.csv")
    by_file = lh.at_level(tmp_path / "points.csv", "level2", levels=tmp_path / "levels.csv")
    by_table = lh.at_level(points(), "level2")
    assert by_file["predicted"].tolist() == by_table["predicted"].tolist()
    assert lh.class_levels(tmp_path / "points.csv").equals(lh.class_levels(LEVELS))


def test_a_label_that_csv_turned_into_a_column_name_is_known_by_the_table(tmp_path):
    levels = pd.DataFrame(
        {"class": ["dry heath", "wet heath", "bog"], "level1": ["heath", "heath", "mire"]}
    )
    table = pd.DataFrame(
        {"predicted": ["bog"], "p_dry_heath": [0.3], "p_wet_heath": [0.3], "p_bog": [0.4]}
    )
    write_table(table, tmp_path / "points.csv")
    found = lh.at_level(tmp_path / "points.csv", "level1", levels=levels)
    assert found["predicted"].tolist() == ["heath"]


# Models


@pytest.fixture(scope="module")
def photos_by_level(photo_folder):
    table = lh.list_photos(photo_folder)
    codes = dict(zip(sorted(table["habitat"].unique()), ["B11", "B21", "C10", "C22"], strict=False))
    return table.assign(lc1=table["habitat"].map(codes))


def small_model(photos):
    return lh.train(
        photos, arch="efficientnet_lite0", weights=None, target_size=32, epochs=1, progress=False
    )


def test_a_model_of_codes_keeps_its_levels_in_its_folder(photos_by_level, tmp_path):
    model = small_model(lh.assign_habitat(photos_by_level, "level3"))
    expected = lh.class_levels(model.classes)
    pd.testing.assert_frame_equal(model.levels, expected)
    lh.save_model(model, tmp_path / "model")
    again = lh.load_model(tmp_path / "model")
    pd.testing.assert_frame_equal(again.levels, expected)
    for source in (again, tmp_path / "model", str(tmp_path / "model")):
        pd.testing.assert_frame_equal(lh.class_levels(source), expected)
    assert "at level1" in repr(again)


def test_a_model_of_a_scheme_keeps_the_schemes_levels(photos_by_level, tmp_path):
    scheme = pd.DataFrame(
        {
            "code": ["B11", "B21", "C10", "C22"],
            "class": ["corn", "roots", "beech", "pine"],
            "level1": ["field", "field", "wood", "wood"],
        }
    )
    table = lh.assign_habitat(photos_by_level, scheme)
    write_table(table, tmp_path / "photos.csv")
    model = small_model(tmp_path / "photos.csv")
    predictions = lh.classify(table, model, progress=False)
    found = lh.at_level(predictions, "level1", levels=model)
    assert found["p_field"].to_numpy() == pytest.approx(
        predictions.filter(regex="p_(corn|roots)").sum(axis=1).to_numpy(), abs=1e-12
    )
    lh.save_model(model, tmp_path / "model")
    pd.testing.assert_frame_equal(
        lh.at_level(predictions, "level1", levels=tmp_path / "model"), found
    )


def test_a_model_without_levels_says_so(photos_by_level, tmp_path):
    model = small_model(photos_by_level)
    assert model.levels is None
    assert model.card()["levels"] is None
    with pytest.raises(InputError, match="the model has none"):
        lh.class_levels(model)
    lh.save_model(model, tmp_path / "model")
    card = json.loads((tmp_path / "model" / "card.json").read_text(encoding="utf-8"))
    del card["levels"]  # as models of before were written
    (tmp_path / "model" / "card.json").write_text(json.dumps(card), encoding="utf-8")
    assert lh.load_model(tmp_path / "model").levels is None
    for damage in ("{", "[" * 200_000, json.dumps(card | {"levels": ["level1"]})):
        (tmp_path / "model" / "card.json").write_text(damage, encoding="utf-8")
        with pytest.raises(ModelError, match="damaged"):
            lh.class_levels(tmp_path / "model")


# The command line


def test_the_command_line_sums_up_the_tree(tmp_path, capsys):
    write_table(points(), tmp_path / "points.csv")
    out = tmp_path / "level1.csv"
    assert (
        main(["at-level", str(tmp_path / "points.csv"), "--level", "level1", "--out", str(out)])
        == 0
    )
    expected = lh.at_level(points(), "level1")
    assert read_table(out)["p_B"].to_numpy() == pytest.approx(expected["p_B"].to_numpy(), abs=0)
    levels = tmp_path / "levels.csv"
    assert main(["levels", str(tmp_path / "points.csv"), "--out", str(levels)]) == 0
    assert "B16      B    B10" in capsys.readouterr().out
    assert lh.class_levels(levels).equals(lh.class_levels(LEVELS))
    assert (
        main(["at-level", str(tmp_path / "points.csv"), "--level", "level9", "--out", str(out)])
        == 1
    )
    assert "--level must be one of" in capsys.readouterr().err


# Evaluation


def test_evaluation_by_level_is_that_worked_out_by_hand():
    found = lh.evaluate(points("labelled"), levels="lc1", n_boot=0)
    expected = CASES["evaluation"]
    for (_, row), by_hand in zip(found.by_level.iterrows(), expected["by_level"], strict=True):
        for name, value in by_hand.items():
            assert row[name] == (
                value if isinstance(value, str) else pytest.approx(value, abs=1e-9)
            )
    assert found.mean_distance == pytest.approx(expected["mean_distance"], abs=1e-9)
    assert found.error_distance == pytest.approx(expected["error_distance"], abs=1e-9)
    assert "levels up to what is right: 0.31 on average, 1.52 for errors" in repr(found)
    assert json.loads(json.dumps(found.as_dict()))["by_level"][0]["level"] == "level1"


def test_levels_leave_the_other_numbers_as_they_are():
    plain, with_levels = (
        lh.evaluate(points("labelled"), levels=levels).as_dict() for levels in (None, LEVELS)
    )
    assert plain["by_level"] is None
    new = {"by_level", "mean_distance", "error_distance"}
    assert {k: v for k, v in plain.items() if k not in new} == {
        k: v for k, v in with_levels.items() if k not in new
    }


def test_each_level_is_what_evaluating_that_level_gives():
    table = points("labelled").assign(weight=np.tile([1.0, 3.0], 150))
    shares = {"B11": 0.4, "B16": 0.1, "B21": 0.1, "C10": 0.3, "C22": 0.1}
    found = lh.evaluate(table, levels="lc1", weights="weight", class_shares=shares, n_boot=50)
    alone = lh.evaluate(
        lh.at_level(table, "level1"), weights="weight", class_shares={"B": 0.6, "C": 0.4}, n_boot=50
    )
    row = found.by_level.iloc[0]
    assert row["overall_accuracy"] == pytest.approx(alone.overall_accuracy)
    assert (row["kappa_low"], row["kappa_high"]) == pytest.approx(alone.kappa_interval)


@pytest.mark.parametrize("cells", [2_000_000, 100])
def test_a_run_is_evaluated_at_levels_as_its_table_is(tmp_path, monkeypatch, cells):
    monkeypatch.setattr(probabilities, "CELLS", cells)
    table = many(300, np.random.default_rng(1)).assign(path="a.jpg", w=np.tile([1.0, 3.0], 150))
    table.loc[table["habitat"] == "B16", "habitat"] = "B19"
    table.loc[::17, [c for c in table if c.startswith("p_")]] = np.nan
    table.loc[::34, "predicted"] = None
    run = write_run(tmp_path / "run", table)
    for arguments in ({}, {"weights": "w"}):
        given = {"levels": "lc1", "n_boot": 50, **arguments}
        assert lh.evaluate(run, **given).as_dict() == lh.evaluate(table, **given).as_dict()


def test_a_run_is_not_held_whole_for_its_levels(tmp_path):
    n, labels = 20_000, [f"{a}{b}{c}" for a in "ABCDEFG" for b in "12345" for c in "12"]
    levels = pd.DataFrame(
        {"class": labels, "level1": [c[0] for c in labels], "level2": [c[:2] for c in labels]}
    )
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(len(labels), 0.2), n)
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "habitat": np.array(labels)[rng.integers(0, len(labels), n)],
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), labels),
            **{f"p_{c}": p[:, k] for k, c in enumerate(labels)},
        }
    )
    run = write_run(tmp_path / "run", table, rows=1_000)
    wanted = lh.evaluate(table, levels=levels, n_boot=10).as_dict()
    del p, table
    result, peak = peak_memory(lambda: lh.evaluate(run, levels=levels, n_boot=10))
    assert result.as_dict() == wanted
    # The probabilities alone are 11 MB.
    assert peak < 8e6


def test_row_names_do_not_matter_at_levels():
    table = points("labelled")
    wanted = lh.evaluate(table, levels="lc1", n_boot=0).as_dict()
    named = table.set_axis([0] * len(table))
    assert lh.evaluate(named, levels="lc1", n_boot=0).as_dict() == wanted


def test_without_probabilities_the_label_above_the_predicted_class_counts():
    table = pd.DataFrame({"predicted": ["B11", "B11", "C10"], "habitat": ["B16", "C22", "B19"]})
    found = lh.evaluate(table, levels="lc1", n_boot=0)
    assert found.by_level["overall_accuracy"].tolist() == pytest.approx([1 / 3, 1 / 3, 0])
    assert found.by_level["level"].tolist() == ["level1", "level2", "class"]
    assert (found.mean_distance, found.error_distance) == pytest.approx((7 / 3, 7 / 3))


def test_a_label_that_the_model_does_not_know_is_right_at_its_group():
    table = points("labelled")
    table.loc[table["habitat"] == "B16", "habitat"] = "B19"
    found = lh.evaluate(table, levels="lc1", n_boot=0).by_level.set_index("level")
    before = lh.evaluate(points("labelled"), levels="lc1", n_boot=0).by_level.set_index("level")
    assert found.loc["level2", "overall_accuracy"] == before.loc["level2", "overall_accuracy"]
    assert found.loc["class", "overall_accuracy"] < before.loc["class", "overall_accuracy"]


# Answers at the level that a point is sure enough for


@pytest.mark.parametrize("case", CASES["answers"], ids=lambda c: str(c["arguments"]["accuracy"]))
def test_answers_are_those_worked_out_by_hand(case):
    found = lh.predict_level(points("others"), points("labelled"), **case["arguments"])
    for column, expected in case["columns"].items():
        values = [None if pd.isna(v) else v for v in found[column]]
        if column in ("predicted", "predicted_level"):
            assert values == expected
        else:
            assert [v is None for v in values] == [v is None for v in expected]
            assert [v or 0 for v in values] == pytest.approx([v or 0 for v in expected], abs=1e-9)
    assert found.attrs["n_answered"] == case["n_answered"]
    assert found["predicted_class"].tolist() == points("others")["predicted"].tolist()
    judged = lh.evaluate(found, levels="lc1", n_boot=0)
    assert judged.n == case["n_answered"]
    assert judged.overall_accuracy == pytest.approx(case["overall_accuracy"])
    assert judged.mean_distance == pytest.approx(case["mean_distance"])
    assert "each answer is judged at the level it was given at" in judged.notes
    assert np.isnan(judged.log_loss)


def many(n, rng, first=0):
    """Points whose probabilities are too sure, and mixed up within groups more than between them."""
    levels = lh.class_levels(CASES["levels"]["class"])
    near = [[(a == b).sum() for _, b in levels.iterrows()] for _, a in levels.iterrows()]
    truth = rng.integers(0, 5, n)
    logits = 1.5 * (rng.normal(0, 1.3, (n, 5)) + 1.2 * np.array(near)[truth])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = levels["class"].tolist()
    return pd.DataFrame(
        {
            "point_id": [f"plot {first + i}" for i in range(n)],
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), labels),
            **{f"p_{c}": p[:, k] for k, c in enumerate(labels)},
            "habitat": np.array(labels)[truth],
        }
    )


def test_answers_at_each_level_are_right_as_often_as_promised():
    rng = np.random.default_rng(1)
    land = many(4000, rng, first=10**6)
    n, n_broken, answered = 40, 0, []
    for _ in range(n):
        found = lh.predict_level(land, many(400, rng), accuracy=0.85)
        answered.append(found["predicted_level"].value_counts(normalize=True))
        right = [
            (rows["predicted"].astype("str") == lh.at_level(rows, level)["habitat"]).mean()
            for level, rows in found.groupby("predicted_level")
        ]
        n_broken += min(right) < 0.85
    # With 40 draws of a promise broken in 5 %, more than 6 are broken in 1 of 300 cases.
    assert n_broken <= 6
    assert {"class", "level2", "level1"} <= set(pd.concat(answered).index)


def test_no_level_may_be_sure_enough():
    with pytest.warns(
        lh.errors.LucasWarning, match="No level is shown to be right in 0.9 of cases.*39"
    ):
        found = lh.predict_level(points("others"), points("labelled").head(20))
    assert found["predicted"].isna().all()
    assert found["predicted_level"].isna().all()


def test_answers_of_which_there_are_none_cannot_be_evaluated(tmp_path):
    with pytest.warns(lh.errors.LucasWarning, match="No level is shown"):
        answers = lh.predict_level(points("others"), points("labelled").head(20))
    write_table(answers, tmp_path / "answers.csv")
    for table in (answers, tmp_path / "answers.csv"):
        with pytest.raises(
            InputError, match=r"predict_level\(\) answered none of these .*lower accuracy="
        ):
            lh.evaluate(table, levels="lc1")


def test_unread_points_get_no_answer():
    table = points("others")
    table.loc[0, [f"p_{c}" for c in CASES["levels"]["class"]]] = np.nan
    table.loc[0, "predicted"] = np.nan
    found = lh.predict_level(table, points("labelled"), accuracy=0.6)
    assert found.loc[0, ["predicted", "predicted_level", "confidence", "threshold"]].isna().all()
    assert found.loc[1:, "predicted"].notna().any()


def test_answers_at_several_levels_are_not_taken_for_classes(tmp_path):
    found = lh.predict_level(points("others"), points("labelled"), accuracy=0.8)
    with pytest.raises(InputError, match=r"several levels.*evaluate\(\) with levels="):
        lh.evaluate(found)
    pd.testing.assert_frame_equal(
        lh.at_level(found, "level1")[["predicted", "p_B"]],
        lh.at_level(points("others"), "level1")[["predicted", "p_B"]],
    )
    write_table(found, tmp_path / "answers.csv")
    by_file = lh.evaluate(tmp_path / "answers.csv", levels="lc1", n_boot=0).as_dict()
    assert by_file == lh.evaluate(found, levels="lc1", n_boot=0).as_dict()
    unanswered = int(found["predicted"].isna().sum())
    assert unanswered
    assert by_file["notes"][-2:] == [
        f"{unanswered} labelled rows have no answer (not sure enough of any level, or unreadable photos) "
        "and are left out",
        "each answer is judged at the level it was given at",
    ]
    again = lh.predict_level(found, points("labelled"), accuracy=0.8)
    assert again["predicted"].tolist() == found["predicted"].tolist()


def test_a_tree_of_one_level_is_abstaining():
    table = points("labelled")
    levels = pd.DataFrame({"class": CASES["levels"]["class"], "level1": CASES["levels"]["class"]})
    found = lh.predict_level(table, table, accuracy=0.8, levels=levels)
    sure = lh.abstain(table, table, accuracy=0.8)
    assert found["predicted"].notna().tolist() == sure["is_sure"].tolist()


def test_the_command_line_answers_at_levels(tmp_path, capsys):
    for name in ("others", "labelled"):
        write_table(points(name), tmp_path / f"{name}.csv")
    out = tmp_path / "answers.csv"
    code = main(
        ["predict-level", str(tmp_path / "others.csv"), "--labelled", str(tmp_path / "labelled.csv"),
         "--accuracy", "0.8", "--out", str(out)]
    )  # fmt: skip
    assert code == 0
    said = capsys.readouterr().out
    expected = CASES["answers"][1]
    assert f"{expected['n_answered']} of 60 points are answered" in said
    assert read_table(out)["predicted_level"].fillna("").tolist() == [
        level or "" for level in expected["columns"]["predicted_level"]
    ]
    assert main(["evaluate", str(out), "--levels", "lc1"]) == 0
    assert "each answer is judged" in capsys.readouterr().out
