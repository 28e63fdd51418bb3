"""Shares of a region: outside programs' numbers, intervals that hold, and conditions that are said."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucas_habitat import adjust_shares, estimate_shares
from lucas_habitat._base.tables import write_table
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning

CASE = json.loads((Path(__file__).parents[1] / "cases" / "shares.json").read_text(encoding="utf-8"))
CLASSES = ["artificial", "cropland", "grassland", "woody"]
EQUAL = dict.fromkeys(CLASSES, 1)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        for kind in (LucasMessage, LucasWarning):
            warnings.simplefilter("ignore", kind)
        yield


def case_points(**more):
    table = pd.DataFrame(CASE["points"]).assign(n_photos=5, calibrated=True, **more)
    table["predicted"] = pd.Categorical(table["predicted"], categories=CASE["classes"])
    return table


def region(n, shares, n_labelled, seed, skill=2.0, years=1):
    """Points whose probabilities are right at equal shares, some of them labelled at random."""
    rng = np.random.default_rng(seed)
    k = len(shares)
    truth = np.repeat(rng.choice(k, n, p=shares), years)
    own = np.repeat(rng.standard_normal((n, k)), years, axis=0)
    noise = own if years == 1 else 0.8 * own + 0.6 * rng.standard_normal(own.shape)
    p = np.exp(skill * (skill * np.eye(k)[truth] + noise))
    p /= p.sum(axis=1, keepdims=True)
    point = np.repeat(np.arange(n), years)
    table = pd.DataFrame(
        {
            "point_id": [f"p{i}" for i in point],
            "year": 2018 - 3 * np.tile(np.arange(years), n),
            "n_photos": 5,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            "calibrated": True,
        }
    )
    table[[f"p_{c}" for c in CLASSES]] = p
    table["habitat"] = np.where(point < n_labelled, np.array(CLASSES)[truth], None)
    return table


# --- numbers both languages share -----------------------------------------------------------------


def test_labels_and_probabilities_are_those_of_ppi_python():
    found = estimate_shares(case_points())
    wanted = CASE["with_probabilities"]
    assert found["share"].tolist() == pytest.approx(wanted["share"], abs=CASE["tolerance"])
    assert found["se"].tolist() == pytest.approx(wanted["se"], abs=CASE["tolerance"])
    assert found.attrs["power"] == pytest.approx(wanted["power"], abs=CASE["tolerance"])
    assert found.attrs["method"] == "prediction-powered"
    assert found["n_labelled"].sum() == 15


def test_labels_and_predicted_classes_are_those_of_ppi_python():
    found = estimate_shares(case_points().filter(regex="^(?!p_)"))
    wanted = CASE["with_predicted_classes"]
    assert found["share"].tolist() == pytest.approx(wanted["share"], abs=CASE["tolerance"])
    assert found["se"].tolist() == pytest.approx(wanted["se"], abs=CASE["tolerance"])


def test_without_labels_shares_are_those_of_quapy():
    wanted = CASE["without_labels"]
    found = estimate_shares(
        case_points().drop(columns="habitat"), class_shares=wanted["class_shares"]
    )
    assert found["share"].tolist() == pytest.approx(wanted["share"], abs=CASE["tolerance"])
    assert found.attrs["method"] == "expectation maximisation"
    assert (found["low"] < found["share"]).all()
    assert (found["share"] < found["high"]).all()


def test_probabilities_are_put_right_for_new_shares():
    wanted = CASE["adjusted"]
    old = CASE["without_labels"]["class_shares"]
    found = adjust_shares(case_points(), wanted["new_shares"], class_shares=old)
    p = found[[f"p_{c}" for c in CASE["classes"]]].to_numpy()
    assert p[:4] == pytest.approx(np.array(wanted["p"]), abs=CASE["tolerance"])
    assert found["predicted"][:4].tolist() == wanted["predicted"]
    back = adjust_shares(found, old, class_shares=wanted["new_shares"])
    assert back["p_crop"].to_numpy() == pytest.approx(case_points()["p_crop"], abs=1e-6)


# --- bias and coverage ----------------------------------------------------------------------------


def coverage(make, truth, runs):
    found = [make(seed) for seed in range(runs)]
    hits = [(f["low"] <= truth + 1e-12) & (truth <= f["high"] + 1e-12) for f in found]
    return np.mean([f["share"] for f in found], axis=0), np.mean(hits)


@pytest.mark.parametrize("n_labelled", [30, 100])
def test_labelled_shares_hold_the_truth_whatever_the_classifier_is(n_labelled):
    truth = np.array([0.05, 0.55, 0.3, 0.1])

    def too_sure_and_biased(seed):
        table = region(600, truth, n_labelled, seed, skill=1.5)
        p = table.filter(like="p_a").join(table.filter(regex="^p_[cgw]"))
        p = p.to_numpy() ** 2 * [4, 1, 1, 1]
        table[[f"p_{c}" for c in CLASSES]] = p / p.sum(axis=1, keepdims=True)
        return estimate_shares(table)

    mean, hit = coverage(too_sure_and_biased, truth, 100)
    assert mean == pytest.approx(truth, abs=0.02)
    # 400 intervals, four of a run together
    assert hit >= 0.93


def test_shares_without_labels_hold_the_truth_where_only_shares_differ():
    truth = np.array([0.05, 0.55, 0.3, 0.1])
    mean, hit = coverage(
        lambda seed: estimate_shares(region(400, truth, 0, seed), class_shares=EQUAL), truth, 100
    )
    assert mean == pytest.approx(truth, abs=0.015)
    assert hit >= 0.93
    counted = estimate_shares(region(4000, truth, 0, 1), class_shares=EQUAL)["share_predicted"]
    assert counted[0] > 0.07  # as far off as that


def test_a_class_that_is_not_there_has_an_upper_end_only():
    truth = np.array([0, 0.3, 0.3, 0.4])
    runs = [
        estimate_shares(region(300, truth, 0, seed, skill=3.0), class_shares=EQUAL)
        for seed in range(20)
    ]
    for found in runs:
        assert found["low"][0] == 0
        assert 0.005 < found["high"][0] < 0.08
        assert np.isfinite(found[["se", "low", "high"]]).all(axis=None)


def test_years_of_a_point_are_one_observation():
    truth = np.array([0.1, 0.4, 0.3, 0.2])
    once = estimate_shares(region(400, truth, 60, 3))
    again = region(400, truth, 60, 3)
    twice = estimate_shares(pd.concat([again, again.assign(year=2015)]))
    assert twice["share"].tolist() == pytest.approx(once["share"].tolist())
    assert twice["se"].tolist() == pytest.approx(once["se"].tolist())
    assert twice["high"].tolist() == pytest.approx(once["high"].tolist())
    assert twice["n_labelled"].tolist() == once["n_labelled"].tolist()
    unlabelled = again.drop(columns="habitat")
    first = estimate_shares(unlabelled, class_shares=EQUAL)
    both = pd.concat([unlabelled, unlabelled.assign(year=2015)])
    second = estimate_shares(both, class_shares=EQUAL)
    for column in ("share", "se", "low", "high"):
        assert second[column].tolist() == pytest.approx(first[column].tolist(), abs=1e-6)


def test_years_in_the_table_are_told_of():
    table = region(50, [0.25] * 4, 40, 1, years=2)
    with pytest.warns(LucasMessage, match=r"Points are of 2015, 2018: shares are means"):
        estimate_shares(table)


def test_weights_undo_an_unequal_sample():
    truth = np.array([0.1, 0.4, 0.3, 0.2])
    table = region(20_000, truth, 20_000, 5)
    rng = np.random.default_rng(1)
    chance = np.where(table["habitat"] == "cropland", 0.1, 0.02)
    drawn = table[rng.random(len(table)) < chance].assign(w=lambda t: 1 / chance[t.index])
    kept = rng.random(len(drawn)) < 0.3
    drawn["habitat"] = drawn["habitat"].where(kept)
    fair = estimate_shares(drawn, weights="w")
    assert (fair["share"] - truth).abs().max() < 4 * fair["se"].max()
    assert estimate_shares(drawn)["share"][1] > 0.6
    equal = estimate_shares(drawn.assign(w=3.0), weights="w")
    assert equal["high"].tolist() == pytest.approx(estimate_shares(drawn)["high"].tolist())


def test_labels_of_one_class_leave_doubt():
    found = estimate_shares(region(50, [0, 1, 0, 0], 20, 1, skill=4.0))
    assert found["share"][1] == pytest.approx(1, abs=0.01)
    assert (found["high"] - found["low"] > 0.05).all()


# --- what is said, and what is refused ------------------------------------------------------------


def test_conditions_are_said_at_run_time():
    table = region(100, [0.25] * 4, 40, 1)
    with pytest.warns(
        LucasMessage, match="Shares from 40 labelled points and the predictions of 60"
    ):
        estimate_shares(table)
    with pytest.warns(LucasWarning, match="Only 20 points have a label"):
        estimate_shares(region(100, [0.25] * 4, 20, 1))
    bare = table.drop(columns="habitat").assign(calibrated=False)
    with (
        pytest.warns(LucasMessage, match="differs from there in its class shares alone"),
        pytest.warns(LucasWarning, match="not said to be calibrated"),
    ):
        estimate_shares(bare, class_shares=EQUAL)


def test_points_trained_on_are_left_out():
    table = region(100, [0.25] * 4, 40, 1).assign(split=["train"] * 10 + ["test"] * 90)
    with pytest.warns(LucasMessage, match="0 rows without a class or a point, and 10 of the train"):
        found = estimate_shares(table)
    assert found["n_labelled"].sum() == 30


def test_labelled_points_may_be_a_table_of_their_own(tmp_path):
    table = region(300, [0.25] * 4, 50, 1)
    labelled = table[table["habitat"].notna()]
    apart = table[table["habitat"].isna()]
    want = estimate_shares(table)
    for points in (apart, table, table.drop(columns="habitat")):  # rows labelled count once
        found = estimate_shares(points, labelled=labelled)
        assert found["share"].tolist() == pytest.approx(want["share"].tolist())
        assert found["se"].tolist() == pytest.approx(want["se"].tolist())
    files = [write_table(t, tmp_path / f"{i}.csv") for i, t in enumerate((apart, labelled))]
    found = estimate_shares(files[0], labelled=files[1])
    assert found["share"].tolist() == pytest.approx(want["share"].tolist())


def test_a_class_that_the_classifier_does_not_know_is_estimated_from_labels():
    table = region(300, [0.25] * 4, 60, 1)
    table.loc[:5, "habitat"] = "bog"
    found = estimate_shares(table).set_index("class")
    assert found.loc["bog", "n_labelled"] == 6
    assert found.loc["bog", "low"] < 0.1 < found.loc["bog", "high"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {}, r"class_shares is needed: the shares of the classes at which"),
        ({}, {"class_shares": {"woody": 1}}, r"must give a share to each class of the points"),
        ({}, {"class_shares": EQUAL | {"woody": 0}}, r"class_shares\['woody'\] must be a number"),
        ({}, {"class_shares": EQUAL, "level": 1}, "level must be a number"),
        (
            {"w": 0},
            {"class_shares": EQUAL, "weights": "w"},
            "The weights w must be numbers of more",
        ),
        ({"predicted": None}, {"class_shares": EQUAL}, "got no point with a class"),
    ],
)
def test_what_cannot_be_used_is_refused(change, options, message):
    with pytest.raises(InputError, match=message):
        estimate_shares(region(30, [0.25] * 4, 0, 1).assign(**change), **options)


def test_classes_without_probabilities_need_labels():
    table = region(30, [0.25] * 4, 0, 1).filter(regex="^(?!p_)")
    with pytest.raises(InputError, match=r"Without labels .* needs probabilities"):
        estimate_shares(table, class_shares=EQUAL)


def test_adjusting_takes_points_and_whole_shares():
    table = region(20, [0.25] * 4, 0, 1)
    same = adjust_shares(table, EQUAL, class_shares=EQUAL)
    assert same["p_woody"].to_numpy() == pytest.approx(table["p_woody"].to_numpy())
    none = adjust_shares(table, EQUAL | {"woody": 0}, class_shares=EQUAL)
    assert (none["p_woody"] == 0).all()
    assert (none.filter(regex="^p_").sum(axis=1) - 1).abs().max() < 1e-12
    with pytest.raises(InputError, match="new_shares are all 0"):
        adjust_shares(table, dict.fromkeys(CLASSES, 0), class_shares=EQUAL)
    photos = table.drop(columns="n_photos").assign(vote_calibration="")
    with pytest.raises(InputError, match="photos that have not voted"):
        adjust_shares(photos, EQUAL, class_shares=EQUAL)


def test_calibrated_points_carry_their_class_shares():
    text = (
        "shares 0.1000/0.4000/0.3000/0.2000, mean 0.0000/0.0000/0.0000/0.0000/0.0000, "
        "product 0.0000/0.0000/0.0000/0.0000/0.0000"
    )
    old = dict(zip(CLASSES, [0.1, 0.4, 0.3, 0.2], strict=True))
    bare = region(200, [0.25] * 4, 0, 1)
    carrying = bare.assign(vote_calibration=text)
    want = estimate_shares(bare, class_shares=old)
    assert estimate_shares(carrying)["share"].tolist() == pytest.approx(want["share"].tolist())
    adjusted = adjust_shares(carrying, EQUAL)
    by_hand = adjust_shares(bare, EQUAL, class_shares=old)
    assert adjusted["p_woody"].tolist() == pytest.approx(by_hand["p_woody"].tolist())
    assert "vote_calibration" not in adjusted  # it told the old shares


def test_adjusted_probabilities_are_proportions():
    truth = np.array([0.02, 0.6, 0.3, 0.08])
    table = region(20_000, truth, 20_000, 1, skill=1.0)
    found = adjust_shares(table, dict(zip(CLASSES, truth, strict=True)), class_shares=EQUAL)
    for label in CLASSES:
        is_class = table["habitat"] == label
        assert found[f"p_{label}"].mean() == pytest.approx(is_class.mean(), abs=0.01)
    assert table["p_cropland"].mean() < 0.5  # as far off as that


def test_the_command_writes_shares_and_adjusted_points(tmp_path, capsys):
    table = region(200, [0.1, 0.4, 0.3, 0.2], 50, 1)
    points = write_table(table, tmp_path / "points.csv")
    shares = pd.DataFrame({"class": CLASSES, "share": 1})
    old = write_table(shares, tmp_path / "old.csv")
    code = main(["shares", str(points), "--out", str(tmp_path / "shares.csv"), "--class-shares",
                 str(old), "--adjusted", str(tmp_path / "adjusted.csv")])  # fmt: skip
    assert code == 0
    assert "share_predicted" in capsys.readouterr().out
    want = estimate_shares(table)
    found = pd.read_csv(tmp_path / "shares.csv")
    assert found["share"].tolist() == pytest.approx(want["share"].tolist())
    adjusted = pd.read_csv(tmp_path / "adjusted.csv")
    by_hand = adjust_shares(table, want, class_shares=EQUAL)
    assert adjusted["p_woody"].to_numpy() == pytest.approx(by_hand["p_woody"].to_numpy())
