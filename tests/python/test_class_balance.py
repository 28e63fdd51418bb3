"""Rare classes count as much as frequent ones where it is asked for, and all that follows says so."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_photos
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from lucas_habitat import (
    adjust_shares,
    calibrate,
    classify,
    list_photos,
    load_model,
    report,
    save_model,
    train,
    vote,
)
from lucas_habitat._base.choices import CLASS_BALANCES
from lucas_habitat.calibration import fit_calibration, fit_with_points
from lucas_habitat.class_shares import read_class_shares
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError
from lucas_habitat.model import probabilities_of
from lucas_habitat.networks import fitting
from lucas_habitat.networks.arrays import head_logits
from lucas_habitat.networks.fitting import LabelledRows, TrainingSettings

LITE0 = {"arch": "efficientnet_lite0", "progress": False}


def settings(balance, epochs=3, batch_size=50, dropout=0.0):
    return TrainingSettings("pilot", True, dropout, epochs, batch_size, 1e-3, balance, 1)


def overlapping(n, rare, seed):
    """Two classes that overlap, of which the second is rare."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < rare).astype(np.int64)
    x = rng.normal(size=(n, 8)).astype(np.float32)
    x[:, 0] += 1.5 * labels
    return x, labels


def fitted(balance, n=4000, rare=0.05):
    x, labels = overlapping(n, rare, seed=1)
    rows = LabelledRows(np.arange(n), np.arange(0), labels, np.arange(n), ["frequent", "rare"])
    return fitting.fit_head(x, rows, None, settings(balance), False).head


def p_of_rare(head, x):
    return probabilities_of(head_logits(head, x))[:, 1]


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_probabilities_are_for_equal_shares_and_go_back_to_those_of_the_land(balance):
    head = fitted(balance)
    x, labels = overlapping(20_000, 0.5, seed=2)
    p = p_of_rare(head, x)
    assert p.mean() == pytest.approx(0.5, abs=0.04)
    assert (p[labels == 1] > 0.5).mean() > 0.7
    # Where the class is rare, its probabilities are far too high until the shares are put right.
    x, labels = overlapping(20_000, 0.05, seed=3)
    p = p_of_rare(head, x)
    assert p.mean() > 0.2
    points = pd.DataFrame(
        {
            "point_id": np.arange(len(p)).astype(str),
            "predicted": "frequent",
            "p_frequent": 1 - p,
            "p_rare": p,
            "confidence": np.maximum(p, 1 - p),
        }
    )
    right = adjust_shares(
        points, {"frequent": 0.95, "rare": 0.05}, class_shares={"frequent": 1, "rare": 1}
    )
    assert right["p_rare"].mean() == pytest.approx(labels.mean(), abs=0.01)


def test_without_balance_a_rare_class_is_hardly_ever_predicted():
    head = fitted("none")
    x, labels = overlapping(20_000, 0.05, seed=3)
    p = p_of_rare(head, x)
    assert p.mean() == pytest.approx(0.05, abs=0.01)
    assert (p[labels == 1] > 0.5).mean() < 0.2


def test_an_epoch_by_sampling_takes_each_class_equally_often_and_in_whole_rounds():
    labels = np.repeat([0, 1, 2], [70, 3, 27]).astype(np.int64)
    fit = np.arange(10, 110)  # rows of a longer table
    rows = LabelledRows(
        fit,
        np.arange(10),
        np.r_[np.zeros(10, np.int64), labels],
        np.arange(10 + len(labels)),
        ["a", "b", "c"],
    )
    for seed in range(10):
        torch.manual_seed(seed)
        order = fitting._order(rows, settings("sampling")).numpy()
        assert len(order) == 100
        per_class = np.bincount(labels[order])
        assert sorted(per_class) == [33, 33, 34]
        times = np.bincount(order, minlength=100)
        for number in range(3):
            of_class = times[labels == number]
            assert of_class.max() - of_class.min() <= 1
        # In random order: not class by class.
        assert (np.diff(labels[order]) != 0).sum() > 40


def test_weights_are_one_in_the_mean_and_make_classes_equal():
    labels = np.repeat([0, 1, 2], [70, 3, 27]).astype(np.int64)
    rows = LabelledRows(np.arange(100), np.arange(0), labels, np.arange(100), ["a", "b", "c"])
    weights = fitting._weights(rows, settings("weights")).numpy()
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(np.bincount(labels, weights=weights), 100 / 3, rtol=1e-6)
    assert fitting._weights(rows, settings("sampling")) is None


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    photos = list_photos(write_photos(tmp_path_factory.mktemp("uneven"), n_points=8))
    is_rare = photos["habitat"] == "woody"
    return photos.drop(photos.index[is_rare][6:]).reset_index(drop=True)


@pytest.fixture(scope="module")
def balanced(uneven):
    return train(uneven, class_balance="weights", epochs=3, **LITE0)


def test_card_print_folder_and_report_tell_it(balanced, uneven, tmp_path):
    assert balanced.training["class_balance"] == "weights"
    assert balanced.training["photos_per_class"]["woody"] == 6
    line = "balanced (weights): probabilities are for equal class shares; see adjust_shares()"
    assert line in repr(balanced)
    again = load_model(save_model(balanced, tmp_path / "model"))
    assert again.training["class_balance"] == "weights"
    classify(uneven, balanced, progress=False).to_csv(tmp_path / "predictions.csv", index=False)
    page = report(tmp_path).read_text(encoding="utf-8")
    assert "by weights: probabilities are for equal class shares" in page


def test_a_model_without_balance_says_nothing(model):
    assert model.training["class_balance"] == "none"
    assert "balanced" not in repr(model)


def test_each_balance_trains_another_model_and_the_same_again(balanced, uneven):
    bias = {"weights": balanced.head_weights["3.bias"]}
    for balance in ("none", "sampling"):
        bias[balance] = train(uneven, class_balance=balance, epochs=3, **LITE0).head_weights[
            "3.bias"
        ]
    again = train(uneven, class_balance="sampling", epochs=3, **LITE0).head_weights["3.bias"]
    np.testing.assert_array_equal(again, bias["sampling"])
    # The rare class is the last.
    assert bias["weights"][3] > bias["none"][3]
    assert bias["sampling"][3] > bias["none"][3]
    assert (bias["sampling"] != bias["weights"]).any()


def test_fine_tuning_balances_too(uneven):
    few = uneven.groupby("habitat").head(4)
    few = few[(few["habitat"] != "woody") | ~few["habitat"].duplicated()]
    how = {"recipe": "finetune", "epochs": 1, "batch_size": 4, "target_size": 64, **LITE0}
    tuned = {balance: train(few, class_balance=balance, **how) for balance in CLASS_BALANCES}
    assert [m.training["class_balance"] for m in tuned.values()] == list(CLASS_BALANCES)
    assert len({m.backbone.spec["weights_sha256"] for m in tuned.values()}) == 3


def test_an_unknown_balance_is_refused(uneven):
    with pytest.raises(InputError, match="class_balance must be one of 'none', 'weights', 'samp"):
        train(uneven, class_balance="balanced", **LITE0)


def test_the_shell_has_it(uneven, tmp_path):
    uneven.to_csv(tmp_path / "photos.csv", index=False)
    options = ["--arch", "efficientnet_lite0", "--epochs", "1", "--class-balance", "sampling"]
    assert (
        main(["train", str(tmp_path / "photos.csv"), "--out", str(tmp_path / "m"), *options]) == 0
    )
    assert load_model(tmp_path / "m").training["class_balance"] == "sampling"


# ---- calibration ---------------------------------------------------------------------------------


def uneven_points(n, per_point=1, seed=1):
    """Logits that are right at equal shares, of photos with unequal ones, and the photos' labels.

    A class' score is N(distance, 1) in its own photos and N(0, 1) in others.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.choice(3, n, p=[0.75, 0.2, 0.05]), per_point).astype(np.int64)
    distance = np.array([1.5, 1.0, 0.5])
    scores = rng.normal(size=(len(labels), 3))
    scores[np.arange(len(labels)), labels] += distance[labels]
    return distance * scores - distance**2 / 2, labels


def photo_table(n, per_point=1):
    return pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "point_id": [f"p{i // per_point}" for i in range(n)],
            "year": 2018,
            "direction": "north",
        }
    )


def test_the_temperature_at_equal_shares_is_that_of_the_weighted_loss():
    logits, labels = uneven_points(600)
    weights = (1 / np.bincount(labels))[labels]

    def loss(log_t):
        logs = log_softmax(logits / np.exp(log_t), axis=1)[np.arange(600), labels]
        return -(weights * logs).sum()

    searched = np.exp(minimize_scalar(loss, bounds=(-5, 5), options={"xatol": 1e-9}).x)
    found = fit_calibration(logits, labels, photo_table(600), at_equal_shares=True)["temperature"]
    assert found == pytest.approx(searched, rel=1e-5)


def test_the_temperature_of_a_balanced_model_is_found_where_shares_are_unequal():
    logits, labels = uneven_points(40_000)
    logits *= 2  # twice too sure
    table = photo_table(len(labels))
    found = fit_calibration(logits, labels, table, at_equal_shares=True)["temperature"]
    assert found == pytest.approx(2, rel=0.04)
    # As if the shares were those of training, the temperature makes up for what is missing of them.
    assert abs(fit_calibration(logits, labels, table)["temperature"] - 2) > 0.1


def test_points_are_calibrated_at_equal_shares_and_carry_them():
    logits, labels = uneven_points(10_000, per_point=3)
    card = fit_with_points(logits, labels, photo_table(len(labels), 3), at_equal_shares=True)
    assert card["points"]["class_shares"] == pytest.approx([1 / 3] * 3)
    product = card["points"]["corrections"]["product"]
    # Each photo is news, and no class is favoured, because only shares were unequal.
    assert product["exponent"] == pytest.approx(1, abs=0.05)
    assert np.abs(product["favour"]).max() < 0.2
    # Without weights the correction would try to make up for the missing shares.
    plain = fit_with_points(logits, labels, photo_table(len(labels), 3))["points"]
    assert np.abs(plain["corrections"]["product"]["favour"]).max() > 2


def test_a_balanced_model_gives_its_equal_shares_to_whoever_asks(balanced, uneven, tmp_path):
    equal = pytest.approx([1 / 4] * 4)
    assert read_class_shares(balanced, balanced.classes) == equal
    held_out = list_photos(write_photos(tmp_path, n_points=8, year=2015))
    held_out["point_id"] = "h" + held_out["point_id"]
    held_out["habitat"] = np.roll(held_out["habitat"], 3)  # or nothing is left to calibrate
    calibrated = calibrate(balanced, held_out[:-8], progress=False)
    assert calibrated.calibration["points"]["class_shares"] == equal
    assert read_class_shares(calibrated, calibrated.classes) == equal
    points = vote(classify(held_out.assign(habitat=None), calibrated, progress=False))
    assert "shares 0.2500/0.2500/0.2500/0.2500" in points["vote_calibration"].iloc[0]
    # So the shares need not be said again.
    shares = {"artificial": 0.1, "cropland": 0.2, "grassland": 0.3, "woody": 0.4}
    by_default = adjust_shares(points, shares)
    said = adjust_shares(points, shares, class_shares=dict.fromkeys(shares, 1))
    pd.testing.assert_frame_equal(by_default, said)
