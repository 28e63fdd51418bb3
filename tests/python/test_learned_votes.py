"""Five views as one: what held-out points teach about voting, and where they teach nothing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucas_habitat import load_model, save_model, vote
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.calibration import fit_with_points
from lucas_habitat.errors import InputError, LucasMessage, ModelError
from lucas_habitat.learned_votes import fit_learned_vote, learned_probabilities
from lucas_habitat.model import probabilities_of
from lucas_habitat.point_calibration import (
    VIEWS,
    LearnedVote,
    from_card,
    from_text,
    to_text,
)

CLASSES = ["artificial", "cropland", "grassland", "woody"]
EQUAL = (1.2,) * 5
UNEQUAL = (2.0, 1.2, 1.2, 0.8, 0.3)


def made(n, rng, gaps=EQUAL, shared=0.3, lacking=0.1, classes=4, years=(2018,)):
    """Logits and photos of n points whose directions show so much of the class."""
    truth = rng.integers(0, classes, n)
    n_rows = n * len(years)
    noise = np.sqrt(shared) * rng.standard_normal((n_rows, 1, classes))
    noise = noise + np.sqrt(1 - shared) * rng.standard_normal((n_rows, 5, classes))
    truth_of_rows = np.tile(truth, len(years))
    shown = np.array(gaps)[None, :, None] * np.eye(classes)[truth_of_rows][:, None]
    has = rng.random((n_rows, 5)) >= lacking
    has[:, 0] |= ~has.any(axis=1)
    point = np.repeat(np.arange(n_rows), 5)[has.ravel()]
    names = CLASSES if classes == 4 else [f"c{i}" for i in range(classes)]
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(len(point))],
            "point_id": [f"plot {i % n}" for i in point],
            "year": np.repeat(years, n)[point],
            "direction": np.tile(VIEWS, n_rows)[has.ravel()],
            "habitat": np.array(names)[truth_of_rows[point]],
        }
    )
    logits = (np.mean(gaps) * (shown + noise)).reshape(-1, classes)[has.ravel()]
    return logits, truth_of_rows[point], table


def fitted(n, seed=1, **conditions):
    """The calibration card of so many held-out points."""
    return fit_with_points(*made(n, np.random.default_rng(seed), **conditions))


def predicted(card, n, seed=2, **conditions):
    """Predictions for other points, as classify() makes them."""
    logits, _, table = made(n, np.random.default_rng(seed), **conditions)
    p = probabilities_of(logits, card["temperature"])
    classes = CLASSES if p.shape[1] == 4 else [f"c{i}" for i in range(p.shape[1])]
    return table.assign(
        predicted=pd.Categorical.from_codes(p.argmax(axis=1), classes),
        **{f"p_{c}": p[:, i] for i, c in enumerate(classes)},
        calibrated=True,
        vote_calibration=to_text(from_card(card["points"])),
    )


def accuracy(points):
    return float((points["predicted"].astype("str") == points["habitat"]).mean())


def calibration_error(points):
    p = points[[c for c in points if c.startswith("p_")]].to_numpy().max(axis=1)
    right = (points["predicted"].astype("str") == points["habitat"]).to_numpy()
    bins = np.minimum((p * 10).astype(int), 9)
    sums = [np.bincount(bins, v, minlength=10) for v in (p, right)]
    return np.abs(sums[0] - sums[1]).sum() / len(p)


# ---- what is learned ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unequal():
    return fitted(200, gaps=UNEQUAL)


def test_directions_that_tell_more_weigh_more_and_gain(unequal):
    learned = unequal["points"]["learned"]
    assert learned["method"] in ("weighted_mean", "weighted_log_mean", "stacking")
    weights = learned["weights"]
    assert weights["P"] > weights["N"] > weights["W"]
    assert np.mean(list(weights.values())) == pytest.approx(1)
    table = predicted(unequal, 3000, gaps=UNEQUAL)
    points = vote(table, "learned")
    assert accuracy(points) > accuracy(vote(table, "mean")) + 0.02
    assert accuracy(points) > accuracy(vote(table, "majority")) + 0.02
    one_photo = (table["predicted"].astype("str") == table["habitat"]).mean()
    assert accuracy(points) > one_photo + 0.1


@pytest.mark.parametrize("n", [60, 200])
@pytest.mark.parametrize("gaps", [EQUAL, UNEQUAL])
def test_learned_points_mean_what_they_say(n, gaps):
    errors = []
    for seed in range(3):
        card = fitted(n, seed=seed, gaps=gaps)
        points = vote(predicted(card, 3000, seed=9, gaps=gaps), "learned")
        assert points["calibrated"].all()
        errors.append(calibration_error(points))
    # The mean vote's, put right by as few points, are as large.
    assert np.mean(errors) < (0.05 if n == 60 else 0.035)


def test_equal_directions_get_no_weights():
    card = fitted(300)
    learned = card["points"]["learned"]
    assert learned["method"] in ("mean", "log_mean")
    assert set(learned["weights"].values()) == {1.0}
    table = predicted(card, 3000)
    assert accuracy(vote(table, "learned")) == pytest.approx(
        accuracy(vote(table, "mean")), abs=0.02
    )


def test_stacking_is_taken_where_it_pays():
    # Two classes look alike to the model: its logits of one are too high by as much in all views.
    def spoilt(n, seed):
        logits, truth, table = made(n, np.random.default_rng(seed), gaps=(1.5,) * 5)
        logits[:, 2] = 0.2 * logits[:, 2] + 0.8 * logits[:, 1] + 0.7
        return logits, truth, table

    card = fit_with_points(*spoilt(300, 1))
    learned = card["points"]["learned"]
    assert learned["method"] == "stacking"
    assert np.shape(learned["stack"]) == (6, 4, 4)
    assert learned["candidates"]["stacking"]["difference"] < 0
    logits, _, table = spoilt(2000, 2)
    p = probabilities_of(logits, card["temperature"])
    table = table.assign(
        predicted=pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
        **{f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)},
        calibrated=True,
        vote_calibration=to_text(from_card(card["points"])),
    )
    points = vote(table, "learned")
    assert accuracy(points) > accuracy(vote(table, "mean")) + 0.05
    assert calibration_error(points) < 0.05
    np.testing.assert_allclose(points[[f"p_{c}" for c in CLASSES]].sum(axis=1), 1, atol=1e-12)


def test_fewer_than_fifty_points_choose_nothing_and_say_so():
    card = fitted(49, gaps=UNEQUAL)
    learned = card["points"]["learned"]
    assert (learned["method"], learned["n_points"], learned["candidates"]) == ("mean", 49, {})
    table = predicted(card, 100, gaps=UNEQUAL)
    with pytest.warns(
        LucasMessage, match="The learned vote is the mean: .* 49 points .* fewer than 50"
    ):
        points = vote(table, "learned")
    pd.testing.assert_frame_equal(points, vote(table, "mean"))
    assert fitted(50, gaps=UNEQUAL)["points"]["learned"]["candidates"]


def test_the_mean_is_kept_and_named_where_nothing_beats_it():
    card = fitted(60, shared=0.9)
    assert card["points"]["learned"]["method"] == "mean"
    assert card["points"]["learned"]["candidates"]["mean"]["difference"] == 0
    with pytest.warns(LucasMessage, match="60 points with several photos, where nothing beat it"):
        vote(predicted(card, 50), "learned")


def test_a_point_counts_once_whatever_its_years():
    # 30 points of two years are 30 that can be drawn again, too few to choose by.
    card = fitted(30, years=(2015, 2018))
    assert card["points"]["n_points"] == 60
    assert card["points"]["learned"]["n_points"] == 30
    assert card["points"]["learned"]["method"] == "mean"


def test_years_of_a_point_stay_in_one_fold(monkeypatch):
    import sklearn.model_selection as selection

    folds = []

    class Watched(selection.GroupKFold):
        def split(self, x, y=None, groups=None):
            for fit, test in super().split(x, y, groups):
                folds.append((set(groups[fit]), set(groups[test])))
                yield fit, test

    monkeypatch.setattr(selection, "GroupKFold", Watched)
    fitted(60, years=(2015, 2018))
    assert len(folds) == 5
    assert all(fit.isdisjoint(test) for fit, test in folds)


@pytest.mark.parametrize("classes", [2, 12])
def test_any_number_of_classes(classes):
    card = fitted(150, classes=classes, gaps=tuple(2 * g for g in UNEQUAL))
    learned = card["points"]["learned"]
    assert ("stacking" in learned["candidates"]) == (classes == 2)
    points = vote(
        predicted(card, 400, classes=classes, gaps=tuple(2 * g for g in UNEQUAL)), "learned"
    )
    assert points["calibrated"].all()
    assert accuracy(points) > 1.5 / classes


def test_stacking_of_two_classes_and_of_classes_that_a_fold_lacks():
    # Stacking alone, because it is rarely chosen for two classes.
    from lucas_habitat import learned_votes

    logits, labels, table = made(120, np.random.default_rng(1), classes=2, lacking=0)
    p = probabilities_of(logits, 1.0)
    number = np.repeat(np.arange(120), 5)
    points = learned_votes._several(
        p, number, table["direction"], labels[::5], np.arange(120), np.ones(120), np.full(2, 0.5)
    )
    learned = learned_votes._fit(learned_votes._Candidate("stacking", 1.0), points)
    q = learned_probabilities(p, number, 120, table["direction"], np.full(2, 0.5), learned)
    np.testing.assert_allclose(q.sum(axis=1), 1)
    assert (q.argmax(axis=1) == labels[::5]).mean() > (p.argmax(axis=1) == labels).mean()
    one_class = points.of(np.flatnonzero(points.truth == 1))
    learned = learned_votes._fit(learned_votes._Candidate("stacking", 1.0), one_class)
    assert np.isfinite(learned.stack).all()


def test_without_directions_there_are_no_weights_to_learn():
    logits, labels, table = made(120, np.random.default_rng(1), gaps=UNEQUAL)
    card = fit_with_points(logits, labels, table.assign(direction=None))
    assert set(card["points"]["learned"]["candidates"]) == {"mean", "log_mean"}


# ---- views that are missing, double, or of no direction --------------------------------------------

SHARES = np.full(3, 1 / 3)
WEIGHTS = np.array([2.0, 1.0, 1.0, 0.75, 0.25])
STACK = np.random.default_rng(0).normal(0, 0.3, (6, 3, 3)) + np.eye(3)
LEARNED = {
    way: LearnedVote(way, 200, 0.4, 1.2, np.array([0.3, -0.2, -0.1]), WEIGHTS, stack)
    for way, stack in (
        ("weighted_mean", np.zeros((0, 3, 3))),
        ("weighted_log_mean", np.zeros((0, 3, 3))),
        ("stacking", STACK),
    )
}


def one_point(way, p, directions):
    p = np.array(p, dtype=float)
    point = np.zeros(len(p), dtype=np.intp)
    directions = pd.Series(directions, dtype="str")
    return learned_probabilities(p, point, 1, directions, SHARES, LEARNED[way])[0]


A, B, C = [0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6]


@pytest.mark.parametrize("way", LEARNED)
@pytest.mark.parametrize("direction", [*VIEWS, "C", None])
def test_one_view_keeps_its_probabilities(way, direction):
    assert one_point(way, [A], [direction]) == pytest.approx(A)


@pytest.mark.parametrize("way", LEARNED)
def test_doubles_of_a_direction_are_one_view(way):
    once = one_point(way, [A, B, C], ["P", "N", "W"])
    assert one_point(way, [A, B, C, B, B], ["P", "N", "W", "N", "N"]) == pytest.approx(once)
    assert one_point(way, [A, A], ["N", "N"]) == pytest.approx(A)
    # Without a direction nothing tells that they are the same view.
    assert one_point(way, [A, A], [None, None]) != pytest.approx(A, abs=0.01)


@pytest.mark.parametrize("way", LEARNED)
def test_the_order_of_photos_does_not_matter(way):
    given = one_point(way, [A, B, C], ["P", None, "W"])
    assert one_point(way, [C, A, B], ["W", "P", None]) == pytest.approx(given, abs=1e-12)


def test_views_without_direction_weigh_as_the_mean_direction():
    p = one_point("weighted_log_mean", [A, C], [None, None])
    n = 2
    odds = np.sqrt(np.array(A) * C) ** (n**0.4 * 1.2**0.5) * np.exp([0.15, -0.1, -0.05])
    assert p == pytest.approx(odds / odds.sum())


def test_worked_out_by_hand():
    # P weighs 2, W 0.25: (2 + .25)^2 / (4 + .0625) views' worth.
    n = 2.25**2 / 4.0625
    power = n**0.4 * 1.2 ** (1 - 1 / n)
    favour = np.exp(np.array([0.3, -0.2, -0.1]) * (1 - 1 / n))
    pooled = {
        "weighted_mean": (2 * np.array(A) + 0.25 * np.array(C)) / 2.25,
        "weighted_log_mean": np.array(A) ** (2 / 2.25) * np.array(C) ** (0.25 / 2.25),
    }
    for way, mean in pooled.items():
        odds = (mean / mean.sum()) ** power * favour
        assert one_point(way, [A, C], ["P", "W"]) == pytest.approx(odds / odds.sum())


def test_stacking_by_hand():
    n = 2.25**2 / 4.0625
    log_a, log_c = (np.log(v) - np.mean(np.log(v)) for v in (A, C))
    mean = (2 * log_a + 0.25 * log_c) / 2.25
    score = STACK[0] @ mean + STACK[1] @ (log_a - mean) / 5 + STACK[5] @ (log_c - mean) / 5
    score = score * n**0.4 * 1.2 ** (1 - 1 / n) + [0.3, -0.2, -0.1]
    odds = np.exp(score)
    assert one_point("stacking", [A, C], ["P", "W"]) == pytest.approx(odds / odds.sum())


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasWarning")
def test_failed_photos_are_missing_views(unequal):
    table = predicted(unequal, 60, gaps=UNEQUAL, lacking=0)
    is_lost = np.random.default_rng(1).random(len(table)) < 0.3
    is_lost[:5] = True  # a whole point
    columns = [f"p_{c}" for c in CLASSES]
    failed = table.copy()
    failed.loc[is_lost, [*columns, "predicted"]] = np.nan
    points = vote(failed, "learned")
    assert points["n_photos"].iloc[0] == 0
    assert points.loc[0, [*columns, "predicted"]].isna().all()
    without = vote(table[~is_lost], "learned")
    np.testing.assert_allclose(
        points.loc[points["n_photos"] > 0, columns].to_numpy(), without[columns].to_numpy()
    )


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_close_ups_are_left_out_or_a_view_of_no_direction(unequal):
    table = predicted(unequal, 30, gaps=UNEQUAL, lacking=0)
    closeup = table.iloc[::5].assign(direction="C", path=lambda t: "c" + t["path"])
    both = pd.concat([table, closeup], ignore_index=True)
    columns = [f"p_{c}" for c in CLASSES]
    np.testing.assert_allclose(vote(both, "learned")[columns], vote(table, "learned")[columns])
    nameless = both.assign(direction=both["direction"].where(both["direction"] != "C"))
    np.testing.assert_allclose(
        vote(both, "learned", closeups=True)[columns], vote(nameless, "learned")[columns]
    )


def test_photos_of_no_point_are_points_of_their_own(unequal):
    table = predicted(unequal, 20, gaps=UNEQUAL).assign(point_id=None, direction=None)
    points = vote(table, "learned")
    columns = [f"p_{c}" for c in CLASSES]
    np.testing.assert_allclose(points[columns], table[columns], atol=1e-9)


# ---- how it gets from the model to the vote ---------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_it_goes_through_files(unequal, ending, tmp_path):
    table = predicted(unequal, 40, gaps=UNEQUAL)
    path = write_table(table, tmp_path / f"predictions.{ending}")
    columns = [f"p_{c}" for c in CLASSES]
    points = vote(path, "learned")
    np.testing.assert_allclose(points[columns], vote(table, "learned")[columns], atol=1e-12)
    assert points["predicted"].tolist() == vote(table, "learned")["predicted"].tolist()
    assert vote(read_table(path), "learned")["calibrated"].all()


@pytest.mark.parametrize("way", LEARNED)
def test_text_there_and_back(unequal, way):
    plain = from_card(unequal["points"])
    k3 = plain._replace(
        shares=SHARES,
        corrections={p: c._replace(favour=np.zeros(3)) for p, c in plain.corrections.items()},
        learned=LEARNED[way],
    )
    text = to_text(k3)
    again = from_text(text, 3).learned
    assert (again.way, again.n_points, again.exponent) == (way, 200, 0.4)
    np.testing.assert_allclose(again.weights, WEIGHTS)
    np.testing.assert_allclose(again.favour, [0.3, -0.2, -0.1])
    np.testing.assert_allclose(again.stack, LEARNED[way].stack, atol=5e-5)
    for strange in (
        text + "/1.0000",
        text.replace("learned", "loudest"),
        text.replace(way, "oracle"),
        text.replace(way, "mean" if way == "stacking" else "stacking"),
        text.replace(f"{way} 200", f"{way} {'9' * 5000}"),
        text.replace(f"{way} 200 0.4000", f"{way} 200 {'9' * 400}.0"),
        text.replace(f"{way} 200 0.4000/", f"{way} 200 0.4000/-"),
    ):
        with pytest.raises(InputError, match="vote_calibration must be as classification wrote it"):
            from_text(strange, 3)


def test_cards_are_plain_json_and_old_ones_are_read(unequal):
    card = json.loads(json.dumps(unequal))["points"]
    assert to_text(from_card(card)) == to_text(from_card(unequal["points"]))
    del card["learned"]
    assert from_card(card).learned is None
    assert "learned" not in to_text(from_card(card))


def test_a_saved_model_keeps_it(unequal, model, tmp_path):
    from dataclasses import replace

    again = load_model(save_model(replace(model, calibration=unequal), tmp_path / "model"))
    assert again.calibration == unequal
    method = unequal["points"]["learned"]["method"].replace("_", " ")
    assert f"vote learned {method}" in repr(again)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("", {"temperature": "warm"}),
        ("", {"temperature": 0.0}),
        ("", {"temperature": float("nan")}),
        ("", {"points": ["corrections"]}),
        ("points", {"class_shares": [1.0]}),
        ("points", {"corrections": {}}),
        ("learned", {"method": "oracle"}),
        ("learned", {"method": "stacking", "stack": None}),
        ("learned", {"method": "stacking", "stack": [[[1.0]]]}),
        ("learned", {"exponent": float("nan")}),
        ("learned", {"favour": [0.0]}),
        ("learned", {"favour": "abcd"}),
        ("learned", {"weights": {}}),
        ("learned", {"weights": dict.fromkeys(VIEWS, 0.0)}),
        ("learned", {"candidates": {"mean": {}}}),
    ],
)
def test_a_card_of_no_calibration_is_refused(unequal, model, tmp_path, part, change):
    from dataclasses import replace

    folder = save_model(replace(model, calibration=unequal), tmp_path / "model")
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    calibration = card["calibration"]
    points = calibration["points"]
    {"": calibration, "points": points, "learned": points["learned"]}[part].update(change)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(folder)


@pytest.mark.parametrize("lack", ["column", "learned", "calibrated"])
def test_predictions_of_a_model_that_learned_none_are_refused(unequal, lack):
    table = predicted(unequal, 10, gaps=UNEQUAL)
    if lack == "column":
        table = table.drop(columns="vote_calibration")
    elif lack == "learned":
        table["vote_calibration"] = table["vote_calibration"].str.replace(
            ", learned .*", "", regex=True
        )
    else:
        table["calibrated"] = False
    with pytest.raises(
        InputError, match=r"photos of 10 of 10 points carry no learned vote\. Calibrate their model"
    ):
        vote(table, "learned")
    if lack == "learned":
        assert vote(table)["calibrated"].all()  # what older models wrote is read as it was


def test_photos_of_two_models_at_a_point_are_refused(unequal):
    table = predicted(unequal, 10, gaps=UNEQUAL)
    text = table["vote_calibration"].iloc[0]
    table.loc[0, "vote_calibration"] = text.replace("mean 0", "mean 1")
    with pytest.raises(InputError, match="photos of 1 of 10 points carry no learned vote"):
        vote(table, "learned")


def test_no_photo_gives_no_point(unequal):
    assert len(vote(predicted(unequal, 5, gaps=UNEQUAL).head(0), "learned")) == 0


def test_voting_loads_no_optimiser():
    code = (
        "import sys, numpy as np, pandas as pd\n"
        "from lucas_habitat import vote\n"
        "text = 'shares 0.5000/0.5000, mean 0.0000/0.0000/0.0000, product 0.0000/0.0000/0.0000, "
        "learned log_mean 60 0.5000/1.0000/1.0000/1.0000/1.0000/1.0000/1.0000/0.0000/0.0000'\n"
        "vote(pd.DataFrame({'path': ['a', 'b'], 'point_id': 'x', 'predicted': 'm', 'p_m': 0.8,"
        " 'p_n': 0.2, 'calibrated': True, 'vote_calibration': text}), 'learned')\n"
        "print([m for m in ('torch', 'scipy.optimize', 'sklearn') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_of_a_balanced_model_all_classes_count_alike():
    rng = np.random.default_rng(1)
    logits, labels, table = made(400, rng, gaps=UNEQUAL)
    # A class of which few points are there, as on land where it is rare.
    is_there = (labels != 3) | (table["point_id"].str[-1] == "0").to_numpy()
    logits, labels, table = logits[is_there], labels[is_there], table[is_there]
    card = fit_with_points(logits, labels, table, at_equal_shares=True)
    assert card["points"]["class_shares"] == [0.25] * 4
    assert card["points"]["learned"]["method"] != "mean"
    points = vote(predicted(card, 3000, gaps=UNEQUAL), "learned")  # classes are equally common
    assert (points["predicted"] == "woody").mean() == pytest.approx(0.25, abs=0.05)


def test_the_same_points_teach_the_same():
    logits, labels, table = made(60, np.random.default_rng(1), gaps=UNEQUAL, lacking=0)
    p, number = probabilities_of(logits), np.repeat(np.arange(60), 5)
    truth, group = labels[::5], np.arange(60)
    weights, shares = np.ones(60), np.full(4, 0.25)
    cards = [
        fit_learned_vote(p, number, table["direction"], truth, group, weights, shares)
        for _ in range(2)
    ]
    assert cards[0] == cards[1]


@pytest.mark.slow
def test_a_small_cut_of_the_benchmark_runs():
    script = Path(__file__).parents[2] / "benchmarks" / "views.py"
    page = script.parents[1] / "docs" / "recipes" / "views.md"
    before = page.read_bytes()
    done = subprocess.run(
        [sys.executable, str(script), "--quick"], capture_output=True, text=True, check=True
    )
    assert page.read_bytes() == before
    made, drawn = (
        [row.strip("| ").split(" | ") for row in part.splitlines() if row.startswith("|")]
        for part in done.stdout.split("drawn\n\n")
    )
    assert len(made) == 2 + 9
    assert len(drawn) == 2 + 1
    head = made[0]
    for row in made[2:]:
        numbers = dict(zip(head, row, strict=True))
        gain = float(numbers["learned"]) - float(numbers["mean"])
        assert gain > -0.01
        # Without shared errors 50 points of unlike directions may choose the mean.
        if numbers["directions"] == "unlike" and numbers["errors shared"] != "0%":
            assert gain > 0.03
        elif numbers["directions"] == "alike":
            assert gain < 0.03
