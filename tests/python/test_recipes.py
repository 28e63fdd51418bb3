"""Recipes compared on the same photos: the same folds for all, honest intervals, kept results."""

import functools
import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import write_photos
from pictures_support import HARD, cut_off, made

import lucas_habitat as lh
from lucas_habitat._base import words
from lucas_habitat._base.choices import RECIPES
from lucas_habitat.bridge.to_r import value_to_r
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.recipe_comparison import Recipe, Trial, compared_recipes, mean_interval
from lucas_habitat.studies import recipes as study
from lucas_habitat.studies.recipe_arguments import check_recipes, recorded_recipe

LITE = {"arch": "efficientnet_lite0", "epochs": 2}
TWO = {"two epochs": LITE, "four": LITE | {"epochs": 4}}
QUICK = {"folds": 2, "repeats": 1, "n_boot": 100, "progress": False}
SECONDS = ["train_seconds", "milliseconds"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = write_photos(tmp_path_factory.mktemp("recipes"), n_points=4)
    return lh.list_photos(folder)


@pytest.fixture
def trained(monkeypatch):
    """The fold, its photos and arguments of every training; training itself is real."""
    calls = []

    @functools.wraps(study.train_without)
    def spy(fold, photos, arguments):
        calls.append((fold, photos, arguments))
        return real(fold, photos, arguments)

    real = study.train_without
    monkeypatch.setattr(study, "train_without", spy)
    return calls


@pytest.fixture(scope="module")
def comparison(photos):
    return lh.compare_recipes(photos, TWO, **QUICK)


def test_numbers_are_those_of_cross_validation_evaluate_and_compare(photos, comparison):
    found = comparison.table.set_index("recipe")
    predictions = {
        name: lh.cross_validate(
            photos,
            folds=2,
            arch=LITE["arch"],
            training={"epochs": arguments["epochs"]},
            progress=False,
        )
        for name, arguments in TWO.items()
    }
    for name, table in predictions.items():
        evaluation = lh.evaluate(table, n_boot=100)
        for measure in ("overall_accuracy", "kappa", "log_loss"):
            assert found.loc[name, measure] == pytest.approx(getattr(evaluation, measure))
        assert found.loc[name, "kappa_low"] == pytest.approx(evaluation.kappa_interval[0])
    pair = lh.compare(*predictions.values(), n_boot=100).table.set_index("measure")
    for measure in ("overall_accuracy", "kappa"):
        for end, column in (("", "difference"), ("_low", "low"), ("_high", "high")):
            assert found.loc["four", f"{measure}_difference{end}"] == pytest.approx(
                pair.loc[measure, column]
            )
    row = found.loc["four"]
    assert row["log_loss_difference"] == pytest.approx(
        row["log_loss"] - found.loc["two epochs", "log_loss"]
    )
    assert row["log_loss_difference_low"] < row["log_loss_difference_high"]
    assert found.loc["two epochs"].filter(like="difference").isna().all()
    assert found.filter(like="spread").isna().all(axis=None)
    assert (found[SECONDS] > 0).all(axis=None)
    # 3.4 million weights of the backbone, and the head's.
    assert found["megabytes"].between(18, 25).all()
    assert (found["error"] == "").all()


def test_folds_are_the_same_for_all_recipes_and_new_in_each_repeat(photos, trained):
    found = lh.compare_recipes(photos, TWO, **QUICK | {"repeats": 2})
    assert len(trained) == 8
    tested = [tuple(photos["path"][fold.is_test]) for fold, photos, _ in trained]
    assert tested[:2] == tested[2:4]
    assert tested[4:6] == tested[6:8]
    assert tested[:2] != tested[4:6]
    assert [arguments["seed"] for *_, arguments in trained] == [1] * 4 + [2] * 4
    assert (found.n, found.n_points, found.repeats) == (32, 16, 2)
    assert found.table.filter(like="spread").notna().loc[1].all()


def test_what_was_finished_is_not_done_again(photos, comparison, trained, tmp_path, monkeypatch):
    spy = study.train_without

    def broken_off(*arguments):
        if len(trained) == 3:
            raise KeyboardInterrupt
        return spy(*arguments)

    monkeypatch.setattr(study, "train_without", broken_off)
    with pytest.raises(KeyboardInterrupt):
        lh.compare_recipes(photos, TWO, out=tmp_path / "out", **QUICK)
    assert not (tmp_path / "out" / "recipes.csv").exists()
    monkeypatch.setattr(study, "train_without", spy)
    # The folder may have been moved meanwhile.
    (tmp_path / "out").rename(tmp_path / "moved")
    again = lh.compare_recipes(photos, TWO, out=tmp_path / "moved", **QUICK)
    assert len(trained) == 4
    kept = comparison.table.drop(columns=SECONDS)
    pd.testing.assert_frame_equal(again.table.drop(columns=SECONDS), kept)
    table = pd.read_csv(tmp_path / "moved" / "recipes.csv", keep_default_na=False, na_values=[""])
    assert list(table) == list(again.table)
    numbers = json.loads((tmp_path / "moved" / "comparison.json").read_text())
    assert numbers["sentences"] == again.sentences
    assert (tmp_path / "moved" / "recipes.png").stat().st_size > 1000

    # More recipes and repeats are added to what is there; nothing is trained for what is.
    three = TWO | {"grey": LITE | {"credit": "keep"}}
    lh.compare_recipes(photos, three, out=tmp_path / "moved", **QUICK | {"repeats": 2})
    assert len(trained) == 4 + 2 + 6
    once_more = lh.compare_recipes(photos, TWO, out=tmp_path / "moved", **QUICK)
    assert len(trained) == 12
    pd.testing.assert_frame_equal(once_more.table, again.table)


@pytest.mark.parametrize("damage", ["{", "[1]", '{"milliseconds": "x"}', '{"milliseconds": 1}'])
def test_damaged_costs_are_named_and_measured_again(photos, trained, tmp_path, damage):
    out = tmp_path / "out"
    lh.compare_recipes(photos, TWO, out=out, **QUICK)
    file = sorted(out.rglob("costs.json"))[0]
    file.write_text(damage)
    with pytest.warns(LucasWarning, match=rf"{re.escape(str(file))} .*measured again"):
        again = lh.compare_recipes(photos, TWO, out=out, **QUICK)
    assert again.table["error"].isna().all() | (again.table["error"] == "").all()
    assert again.table[["milliseconds", "megabytes"]].notna().all(axis=None)
    assert len(trained) == 5
    assert set(json.loads(file.read_text())) == {"milliseconds", "megabytes"}


def test_a_folder_of_other_settings_is_refused_and_says_what_differs(photos, trained, tmp_path):
    out = tmp_path / "out"
    lh.compare_recipes(photos, TWO, out=out, **QUICK)
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*")}
    done = len(trained)

    def refused(match, table=photos, recipes=TWO, **settings):
        with pytest.raises(InputError, match=match):
            lh.compare_recipes(table, recipes, out=out, **QUICK | settings)

    refused("other settings: folds was 2, is 3", folds=3)
    refused("seed was 1, is 7", seed=7)
    refused(r"by was \"point\", is \"block\"", by="block")
    refused("photos was 32, is 30", table=photos.iloc[:30])
    labels = photos["habitat"].replace({"woody": "trees"})
    refused("labels and places was", table=photos.assign(habitat=labels))
    refused("the recipe four: epochs was 4, is 6", recipes=TWO | {"four": LITE | {"epochs": 6}})
    swapped = photos.assign(path=photos["path"].to_numpy()[::-1])
    refused("content of photos was", table=swapped)
    assert len(trained) == done
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*")} == before

    (out / "recipes.json").write_text("{")
    refused("recipes.json is damaged")
    with pytest.raises(InputError, match=r"holds no run of compare_recipes\(\)"):
        lh.compare_recipes(photos, TWO, out=write_photos(tmp_path / "full", 1), **QUICK)


def test_a_recipe_that_fails_is_a_row_with_its_reason(photos):
    recipes = {"nonsense": {"arch": "no_such_network"}, **TWO}
    with pytest.warns(LucasWarning, match="The recipe nonsense could not be tested"):
        found = lh.compare_recipes(photos, recipes, **QUICK)
    row = found.table.iloc[0]
    assert "no_such_network" in row["error"]
    assert row.drop(["recipe", "error"]).isna().all()
    # With nothing to compare with, the others are still told by themselves.
    assert found.table["kappa"].notna().tolist() == [False, True, True]
    assert found.table["kappa_difference"].isna().all()
    assert found.sentences == []
    assert "note: nonsense could not be tested: " in repr(found)
    assert "note: without nonsense there is nothing to tell differences from: name another" in repr(
        found
    )
    assert lh.plot_recipes(found)
    with (
        pytest.warns(LucasWarning),
        pytest.raises(InputError, match=r"No recipe could be tested: a: .*no_such_network"),
    ):
        lh.compare_recipes(photos, {n: {"arch": "no_such_network"} for n in "ab"}, **QUICK)


def test_what_all_folds_have_to_tell_is_told_once(photos):
    nameless = photos.assign(point_id=pd.NA, split="train")
    nameless.loc[0, "habitat"] = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = lh.compare_recipes(nameless, TWO, **QUICK)
    told = [str(w.message) for w in caught if issubclass(w.category, LucasMessage | LucasWarning)]
    assert len(told) == len(set(told)) == 3
    assert any("31 photos have no point" in note for note in found.notes)
    assert repr(found).startswith("Comparison of 2 recipes\n31 photos, 4 classes; each tested by")


def test_that_classes_are_rare_is_told_once(photos):
    is_rare = photos["habitat"] == photos["habitat"].iloc[0]
    points = photos.loc[is_rare, "point_id"].unique()[:2]
    rare = photos[~is_rare | photos["point_id"].isin(points)]
    with pytest.warns(LucasMessage) as caught:
        lh.compare_recipes(rare, TWO, **{**QUICK, "folds": 3})
    told = [str(w.message) for w in caught if "fewer points than there are folds" in str(w.message)]
    assert len(told) == 1


def test_closeups_are_not_tested_on(photos):
    closeup = photos["direction"] == "S"
    table = photos.assign(direction=photos["direction"].where(~closeup, "C"))
    with pytest.warns(LucasMessage, match="16 close-ups"):
        found = lh.compare_recipes(table, TWO, **QUICK)
    assert (found.n, found.n_points) == (16, 16)


def test_photos_that_cannot_be_read_are_left_out_for_all(photos, tmp_path):
    table = photos.copy()
    table.loc[3, "path"] = str(tmp_path / "gone.jpg")
    with pytest.warns(LucasWarning, match="1 of 32 photos were refused"):
        found = lh.compare_recipes(table, TWO, **QUICK)
    assert found.n == 31
    assert "1 photos that could not be read are left out for all" in found.notes


# ---- what recipes may be given as ---------------------------------------------------------------
def test_recipes_are_given_by_name_as_text_as_tables_or_in_a_file(tmp_path):
    small = {"arch": "efficientnet_lite0", "epochs": 20, "learning_rate": 0.01, "weights": None}
    pilot = {"recipe": "pilot"}
    text = "small:arch=efficientnet_lite0,epochs=20,learning-rate=0.01,weights=none"
    toml = tmp_path / "recipes.toml"
    toml.write_text(
        '[pilot]\n[small]\narch = "efficientnet_lite0"\nepochs = 20\nlearning_rate = 0.01\n'
        'weights = "none"\n'
    )
    (tmp_path / "recipes.json").write_text(json.dumps({"pilot": {}, "small": small}))
    as_tables = {"pilot": {}, "small": {**small, "epochs": 20.0}}  # as R's numbers come
    for given in (as_tables, ["pilot", text], toml, str(tmp_path / "recipes.json")):
        assert check_recipes(given) == {"pilot": pilot, "small": small}
    assert check_recipes({"a": "finetune", "finetune": {"epochs": 1}}) == {
        "a": {"recipe": "finetune"},
        "finetune": {"recipe": "finetune", "epochs": 1},
    }
    assert check_recipes(["pilot", "x:closeups=true"])["x"] == {"closeups": True}
    assert next(iter(check_recipes(None))) == "pilot"
    assert "pilot, Lite0" in check_recipes(None)


@pytest.mark.parametrize(
    ("recipes", "match"),
    [
        (["pilot"], "at least two, the first of which"),
        ("pilot", "at least two"),
        ({}, "got none"),
        (["pilot", "best"], r"There is no recipe 'best'; there are pilot, .*NAME:arch="),
        (["pilot", "pilot"], "pilot stands twice"),
        (["pilot", "x:arch"], "not understood at 'arch'"),
        ({"a": {}, "b": {"seed": 2}}, "The recipe b has seed; it takes these arguments of train"),
        ({"a": {}, "b": 3}, "The recipe b must be named arguments of train"),
        ({"a": {}, "b": {"weights": "gone.pth"}}, "needs the weights gone.pth"),
        (
            {"a": {}, "b": "best"},
            "There is no recipe 'best', which b is to be a variant of; there are",
        ),
        ("gone.toml", "There is no file"),
        (3, "recipes cannot be 3"),
    ],
)
def test_recipes_that_cannot_be_are_refused(recipes, match):
    with pytest.raises(InputError, match=match):
        check_recipes(recipes)


def test_a_misspelt_recipe_is_refused_in_the_shell_before_photos_are_looked_for():
    # In a process of its own: here torch is loaded.
    script = (
        "import sys; from lucas_habitat.cli import main; "
        "code = main(['compare-recipes', 'nowhere', '--recipes', 'pilot', 'recomended']); "
        "sys.exit('torch loaded' if 'torch' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert "no recipe 'recomended'; is 'recommended' meant?" in done.stderr
    assert "NAME:arch=efficientnet_lite0,credit=keep" in done.stderr
    assert "torch loaded" not in done.stderr


def test_what_stands_for_a_recipe_is_whole_where_dense_layers_are_put_on_the_recommended_one():
    recorded = recorded_recipe({"recipe": "recommended", "head": "dense"})
    pilots = {k: v for k, v in RECIPES["pilot"].items() if k != "arch"}
    assert {k: recorded[k] for k in pilots} == pilots
    assert recorded["arch"] == RECIPES["recommended"]["arch"]
    assert recorded_recipe({"recipe": "recommended"})["epochs"] is None


def test_photos_that_cannot_be_read_are_told_once(photos, tmp_path):
    broken = [tmp_path / name for name in ("one.jpg", "two.jpg")]
    for file in broken:
        file.write_bytes(b"no photo")
    # One of each fold: a fold's model trains without the one, and the next without the other.
    places = [photos.index[photos["habitat"] == h][0] for h in ("woody", "cropland")]
    holding = photos.copy()
    holding.loc[places, "path"] = [str(file) for file in broken]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lh.compare_recipes(holding, TWO, **QUICK | {"repeats": 2})
    told = [str(w.message) for w in caught if "refused" in str(w.message)]
    assert len(told) == 1
    assert "2 of 32 photos were refused, for training and tests: " in told[0]
    assert "one.jpg (not a photo)" in told[0]


def test_reasons_are_told_in_the_words_of_each_language(photos):
    recipes = {"broken": {"dropout": 2.0}, **TWO}
    with pytest.warns(LucasWarning, match="The recipe broken could not be tested"):
        found = lh.compare_recipes(photos, recipes, **QUICK)
    marked = f"{words.call('train')} and {words.arg('cache', True)}"
    found = replace(
        found,
        _reasons={"broken": marked},
        notes=[words.in_python(f"broken could not be tested: {marked}"), "another"],
    )
    in_r = found.in_words(words.in_r)
    assert in_r.table["error"].iloc[0] == "lucas_train() and cache = TRUE"
    assert in_r.notes == ["broken could not be tested: lucas_train() and cache = TRUE", "another"]
    assert value_to_r(found)["notes"] == in_r.notes


def test_arguments_out_of_range_are_refused_before_anything_is_trained(photos, trained):
    for wrong in (
        {"folds": 1},
        {"repeats": 0},
        {"level": 1},
        {"n_boot": -1},
        {"by": "year", "block": 3},
    ):
        with pytest.raises(InputError, match=next(iter(wrong))):
            lh.compare_recipes(photos, TWO, **QUICK | wrong)
    assert not trained


# ---- the statistics, on made predictions -------------------------------------------------------
def made_comparison(skills, n_points=100, repeats=1, noise=1.0, seed=1, n_boot=500):
    """Recipes of different skill on the same points, which are hard for all or for none."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n_points)
    truth = rng.integers(2, size=n_points)
    recipes = {}
    for name, skill in skills.items():
        tables = []
        for _ in range(repeats):
            score = skill + 2 * hard + noise * rng.normal(size=n_points)
            p = 1 / (1 + np.exp(-score))  # of the true class
            codes = np.where(p > 0.5, truth, 1 - truth)
            p_b = np.where(truth == 1, p, 1 - p)
            tables.append(
                pd.DataFrame(
                    {
                        "path": [f"{i}.jpg" for i in range(n_points)],
                        "point_id": [f"p{i}" for i in range(n_points)],
                        "habitat": np.array(["a", "b"])[truth],
                        "row": np.arange(n_points),
                        "predicted": pd.Categorical.from_codes(codes, categories=["a", "b"]),
                        "p_a": 1 - p_b,
                        "p_b": p_b,
                    }
                )
            )
        recipes[name] = Recipe(tables, {}, "")
    trial = Trial("point", 50.0, 0.0, 5, repeats, 1, "nothing")
    return compared_recipes(
        recipes, trial, classes=["a", "b"], n_without_point=0, n_boot=n_boot, level=0.95
    )


def test_repeats_are_not_taken_for_more_points():
    one = made_comparison({"x": 1.0, "y": 1.5}, noise=0)
    ten = made_comparison({"x": 1.0, "y": 1.5}, noise=0, repeats=10)
    for measure in ("overall_accuracy", "kappa", "log_loss"):
        for table in (one.table, ten.table):
            table[f"{measure}_width"] = table[f"{measure}_high"] - table[f"{measure}_low"]
        assert ten.table[f"{measure}_width"].to_numpy() == pytest.approx(
            one.table[f"{measure}_width"].to_numpy(), rel=0.1
        )
        name = f"{measure}_difference"
        widths = [t[f"{name}_high"] - t[f"{name}_low"] for t in (one.table, ten.table)]
        assert widths[1][1] == pytest.approx(widths[0][1], rel=0.1)
    assert ten.table["kappa_spread"].tolist() == [0, 0]


def test_intervals_of_log_loss_hold_the_truth():
    rng = np.random.default_rng(1)
    point = np.repeat(np.arange(60), 3)
    holds = []
    for seed in range(300):
        losses = np.repeat(rng.gamma(2, size=60), 3) + rng.gamma(1, size=180)  # 3 in the mean
        low, high = mean_interval(losses, point, 400, 0.9, seed)
        holds.append(low < 3 < high)
    assert np.mean(holds) == pytest.approx(0.89, abs=0.05)


def test_the_sentence_says_what_the_interval_allows():
    better = made_comparison({"x": 0.0, "y": 3.0}, repeats=3)
    (sentence,) = better.sentences
    assert "y is better" in sentence
    assert "95 % interval +" in sentence
    assert "standard deviation over repeats 0.0" in sentence
    assert "x is worse" not in sentence
    assert "y is worse" in made_comparison({"x": 3.0, "y": 0.0}).sentences[0]
    assert "do not tell them apart" in made_comparison({"x": 1.0, "y": 1.0}).sentences[0]
    plain = made_comparison({"x": 0.0, "y": 3.0}, n_boot=0)
    assert "interval" not in repr(plain)
    assert plain.table.filter(regex="low|high").isna().all(axis=None)
    text = repr(better)
    assert (
        "100 photos, 2 classes; each tested by a model that never saw its point (5-fold, 3 times)."
        in text
    )
    assert "Difference from x, on the same photos" in text
    assert sentence[0].upper() + sentence[1:] in text
    assert better.as_dict()["reference"] == "x"
    json.dumps(better.as_dict(), allow_nan=False)
    many = made_comparison(dict.fromkeys("abcd", 1.0), n_points=20)
    assert any("of 3 recipes compared with the first one may look better" in n for n in many.notes)
    assert "only 20 points: intervals are rough" in many.notes


# ---- the picture and the shell ------------------------------------------------------------------
@pytest.mark.parametrize("width", ["single", "double", 120])
def test_the_picture_shows_each_recipe_and_its_cost(comparison, tmp_path, width):
    figure = lh.plot_recipes(comparison, width=width, out=tmp_path / "r.png")
    *panels, costs = figure.axes
    assert len(panels) == (1 if width == "single" else 3)
    assert [t.get_text() for t in panels[0].get_yticklabels()] == list(TWO)
    texts = [t.get_text() for t in costs.texts]
    assert f"{comparison.table['megabytes'][1]:.3g}" in texts
    assert not cut_off(figure)


def test_the_picture_takes_any_names_and_marks_what_differs():
    names = dict(zip(HARD[:4], (0.0, 3.0, 0.2, 0.0), strict=True))
    comparison = made_comparison(names)
    figure = lh.plot_recipes(comparison)
    assert not cut_off(figure)
    kappa = figure.axes[1]
    dots = [line for line in kappa.lines if line.get_marker() == "o"]
    assert [dot.get_color() == "#1F5FA8" for dot in dots] == [False, True, False, False]
    assert dots[1].get_xdata()[0] == pytest.approx(comparison.table["kappa_difference"][1])
    with pytest.raises(
        InputError, match=r"comparison must be what compare_recipes\(\) gave; got a table"
    ):
        lh.plot_recipes(made())


def test_the_shell_compares_recipes(photos, tmp_path, capsys):
    from lucas_habitat.cli import main

    photos.to_csv(tmp_path / "photos.csv", index=False)
    with warnings.catch_warnings():
        code = main(
            ["compare-recipes", str(tmp_path / "photos.csv"), "--out", str(tmp_path / "out"),
             "--recipe", "few:arch=efficientnet_lite0,epochs=2",
             "--recipe", "more:arch=efficientnet_lite0,epochs=4",
             "--folds", "2", "--repeats", "1", "--n-boot", "100", "--plot", str(tmp_path / "a.svg")]
        )  # fmt: skip
    assert code == 0
    text = capsys.readouterr().out
    assert "Kappa " in text
    assert "with more and" in text
    assert "picture written to" in text
    assert "<svg" in (tmp_path / "a.svg").read_text()
    table = pd.read_csv(tmp_path / "out" / "recipes.csv")
    assert table["recipe"].tolist() == ["few", "more"]
