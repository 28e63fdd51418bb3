"""Temperature: found again where it is known, equal to a direct search, or refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from lucas_habitat.calibration import fit_calibration
from lucas_habitat.errors import CalibrationError
from lucas_habitat.model import probabilities_of


def simulate(n, k, temperature, seed=1):
    """Logits that are `temperature` times too sure, and labels drawn from the true ones."""
    rng = np.random.default_rng(seed)
    true = 2 * rng.normal(size=(n, k)) + 3  # a constant in all logits means nothing
    labels = (true + rng.gumbel(size=(n, k))).argmax(axis=1)  # drawn with softmax(true)
    return temperature * true, labels


def photos(n, photos_per_point=1):
    ids = [f"p{i // photos_per_point}" for i in range(n)]
    return pd.DataFrame({"path": [f"{i}.jpg" for i in range(n)], "point_id": ids})


def log_loss(logits, labels, temperature):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()


def searched(logits, labels):
    found = minimize_scalar(
        lambda t: log_loss(logits, labels, np.exp(t)), bounds=(-5, 5), options={"xatol": 1e-9}
    )
    return np.exp(found.x)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("k", [2, 4])
def test_a_known_temperature_is_found_again(k, temperature):
    logits, labels = simulate(20_000, k, temperature)
    found = fit_calibration(logits, labels, photos(20_000))["temperature"]
    # Over ten seeds its standard deviation is near 1 %.
    assert found == pytest.approx(temperature, rel=0.04)


@pytest.mark.parametrize("k", [2, 3, 4, 12])
def test_equal_to_a_direct_search(k):
    logits, labels = simulate(300, k, 3.0)
    found = fit_calibration(logits, labels, photos(300))["temperature"]
    assert found == pytest.approx(searched(logits, labels), rel=1e-5)


def test_worked_out_by_hand():
    # Three photos of four are right, each with the odds exp(2) : 1. The best odds are 3 : 1, so
    # 2 / T = ln 3.
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    found = fit_calibration(logits, np.array([0, 0, 1, 0]), photos(4))["temperature"]
    assert found == pytest.approx(2 / np.log(3), rel=1e-6)


@pytest.mark.parametrize("present", [[0, 2], [1, 3], [0, 1, 3]])
def test_classes_without_a_photo_keep_their_share_of_probability(present):
    logits, labels = simulate(2000, 4, 2.0)
    some = np.isin(labels, present)
    logits, labels = logits[some], labels[some]
    found = fit_calibration(logits, labels, photos(len(labels)))["temperature"]
    assert found == pytest.approx(searched(logits, labels), rel=1e-5)


def test_errors_towards_a_class_without_a_photo_count():
    # Right among classes 0 and 1; one photo of four is taken for class 2, which has no photo.
    # The true class has p = 1 / (1 + 2 / e), with e = exp(3 / T), where right, and the wrong
    # photo's p is that of one of two others: d/de of 3 ln p + ln((1 - p) / 2) is 0 at p = 3/4,
    # so e / (e + 2) = 3/4, e = 6 and T = 3 / ln 6.
    logits = np.array([[3.0, 0, 0], [3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]])
    found = fit_calibration(logits, np.array([0, 0, 1, 1]), photos(4))["temperature"]
    assert found == pytest.approx(3 / np.log(6), rel=1e-6)


@pytest.mark.parametrize("k", [2, 4])
def test_probabilities_mean_what_they_say_and_classes_stay(k):
    logits, labels = simulate(20_000, k, 3.0)
    found = fit_calibration(logits, labels, photos(20_000))["temperature"]
    before, after = probabilities_of(logits), probabilities_of(logits, found)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    # On photos of the same kind that it has not seen.
    logits, labels = simulate(20_000, k, 3.0, seed=2)
    p = probabilities_of(logits, found)
    right = p.argmax(axis=1) == labels
    sure = (p.max(axis=1) > 0.75) & (p.max(axis=1) < 0.85)
    assert right[sure].mean() == pytest.approx(0.8, abs=0.03)
    assert log_loss(logits, labels, found) < log_loss(logits, labels, 1.0)


def test_the_card_counts_photos_and_points():
    logits, labels = simulate(100, 3, 2.0)
    table = photos(100, photos_per_point=5)
    table.loc[:9, "point_id"] = None  # two points become ten photos without one
    found = fit_calibration(logits, labels, table)
    assert found["n_photos"] == 100
    assert found["n_points"] == 18 + 10
    assert found["method"] == "temperature scaling"


def test_photos_of_one_class_are_refused():
    logits, _ = simulate(20, 3, 2.0)
    with pytest.raises(CalibrationError, match="at least two classes; 20 photos of 1 were given"):
        fit_calibration(logits, np.zeros(20, dtype=np.int64), photos(20))


def test_no_photo_is_refused():
    with pytest.raises(CalibrationError, match="at least two classes; 0 photos of 0 were given"):
        fit_calibration(np.empty((0, 3)), np.empty(0, dtype=np.int64), photos(0))


def test_photos_that_are_all_right_are_refused():
    logits, _ = simulate(20, 3, 2.0)
    with pytest.raises(CalibrationError, match="all 20 photos are classified right"):
        fit_calibration(logits, logits.argmax(axis=1), photos(20))


def test_labels_that_have_nothing_to_do_with_the_logits_are_refused():
    logits, _ = simulate(20, 3, 2.0)
    with pytest.raises(
        CalibrationError, match=r"score no higher than the others.*Check the labels"
    ):
        fit_calibration(logits, logits.argmin(axis=1), photos(20))
