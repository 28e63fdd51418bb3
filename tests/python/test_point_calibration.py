"""Calibrated photos do not make calibrated points: what held-out points tell of votes."""

import numpy as np
import pandas as pd
import pytest

from lucas_habitat import vote
from lucas_habitat._base.choices import VOTE_METHODS
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.calibration import fit_with_points
from lucas_habitat.errors import InputError, LucasMessage
from lucas_habitat.model import probabilities_of
from lucas_habitat.point_calibration import (
    POOLS,
    Correction,
    PointCalibration,
    fit_point_calibration,
    from_card,
    from_text,
    pooled,
    put_right,
    to_text,
)

CLASSES = ["artificial", "cropland", "grassland", "woody"]
SHARES = np.full(4, 0.25)


def visits(n, n_photos, shared, rng, gap=1.5, shares=SHARES):
    """Logits of photos whose noise is shared within points, and the points' classes."""
    truth = rng.choice(4, n, p=shares)
    noise = np.sqrt(shared) * rng.standard_normal((n, 1, 4))
    noise = noise + np.sqrt(1 - shared) * rng.standard_normal((n, n_photos, 4))
    # The logarithms of the true probabilities of one photo, said 1.7 times too surely.
    logits = 1.7 * (gap * (gap * np.eye(4)[truth][:, None] + noise) + np.log(shares))
    return logits.reshape(-1, 4), truth


def photo_table(truth, n_photos, **columns):
    number = np.repeat(np.arange(len(truth)), n_photos)
    return pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(len(number))],
            "point_id": [f"plot {i}" for i in number],
            "year": 2018,
            "direction": None,
            "habitat": np.array(CLASSES)[truth][number],
            **columns,
        }
    )


def predictions(logits, truth, n_photos, card):
    p = probabilities_of(logits, card["temperature"])
    return photo_table(
        truth,
        n_photos,
        predicted=pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
        **{f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)},
        calibrated=True,
        vote_calibration=to_text(from_card(card["points"])),
    )


def calibration_error(points, truth):
    p = points[[f"p_{c}" for c in CLASSES]].to_numpy()
    codes = points["predicted"].cat.codes.to_numpy()
    sure, right = p[np.arange(len(p)), codes], codes == truth
    bins = np.minimum((sure * 10).astype(int), 9)
    sums = [np.bincount(bins, v, minlength=10) for v in (sure, right)]
    return np.abs(sums[0] - sums[1]).sum() / len(p)


@pytest.mark.parametrize("method", [m for m in VOTE_METHODS if m != "learned"])
@pytest.mark.parametrize("shared", [0, 0.3, 0.6])
def test_points_mean_what_they_say(method, shared):
    rng = np.random.default_rng(3)
    logits, truth = visits(400, 5, shared, rng)
    labels = np.repeat(truth, 5)
    card = fit_with_points(logits, labels, photo_table(truth, 5))
    logits, truth = visits(4000, 5, shared, rng)
    table = predictions(logits, truth, 5, card)
    points = vote(table, method)
    assert points["calibrated"].all()
    assert calibration_error(points, truth) < 0.03
    with pytest.warns(LucasMessage, match="points are not"):
        before = vote(table.drop(columns="vote_calibration"), method)
    assert not before["calibrated"].any()
    assert (points["predicted"] == before["predicted"]).all()
    if (method, shared) != ("product", 0):  # independent photos' product is right as it is
        assert calibration_error(before, truth) > 0.05


def test_every_vote_has_its_pool():
    assert set(POOLS) == set(VOTE_METHODS)


def test_rows_sum_to_one_and_single_photos_keep_their_probabilities():
    rng = np.random.default_rng(4)
    logits, truth = visits(200, 3, 0.3, rng)
    card = fit_with_points(logits, np.repeat(truth, 3), photo_table(truth, 3))
    logits, truth = visits(50, 1, 0.3, rng)
    table = predictions(logits, truth, 1, card)
    points = vote(table)
    columns = [f"p_{c}" for c in CLASSES]
    np.testing.assert_allclose(points[columns], table[columns], atol=1e-4)
    assert points["calibrated"].all()
    logits, truth = visits(50, 4, 0.3, rng)
    points = vote(predictions(logits, truth, 4, card))
    np.testing.assert_allclose(points[columns].sum(axis=1), 1, atol=1e-12)


def test_worked_out_by_hand():
    # Two photos, equal shares: mean .75 and .25, exponent 1: odds 3 ** 2.
    p = np.array([[0.9, 0.1], [0.6, 0.4]])
    shares = np.array([0.5, 0.5])
    evidence = pooled(p, np.zeros(2, dtype=int), 1, shares, "mean")
    np.testing.assert_allclose(np.exp(evidence), [[0.75, 0.25]])
    right = put_right(evidence, np.array([2]), shares, Correction(1.0, np.zeros(2)))
    np.testing.assert_allclose(right, [[0.9, 0.1]])
    # A favour of log 2 each way, half of it with two photos: odds 9 * 2.
    favour = np.log(2) * np.array([1, -1])
    right = put_right(evidence, np.array([2]), shares, Correction(1.0, favour))
    np.testing.assert_allclose(right, [[18 / 19, 1 / 19]])
    # Rare class: .3 at a share of .1 is evidence for it, odds (.3 / .7) / (.1 / .9) each time.
    shares = np.array([0.1, 0.9])
    p = np.array([[0.3, 0.7], [0.3, 0.7]])
    evidence = pooled(p, np.zeros(2, dtype=int), 1, shares, "product")
    right = put_right(evidence, np.array([2]), shares, Correction(1.0, np.zeros(2)))
    odds = (0.3 / 0.7 * 9) ** 2 / 9
    np.testing.assert_allclose(right, [[odds / (1 + odds), 1 / (1 + odds)]])


def test_few_or_separable_points_are_bounded_and_flagged():
    for n in (2, 6, 40):
        truth = np.arange(n) % 2
        p = np.repeat(np.where(truth[:, None] == [0, 1], 0.9, 0.1), 2, axis=0)
        labels, photos = np.repeat(truth, 2), photo_table(truth, 2)
        calibration = fit_point_calibration(
            p, np.repeat(np.arange(n), 2), truth, np.array([0.5, 0.5])
        )
        evidence = pooled(p, np.repeat(np.arange(n), 2), n, calibration.shares, "mean")
        right = put_right(
            evidence, np.full(n, 2), calibration.shares, calibration.corrections["mean"]
        )
        # No surer than n of n cases can show.
        assert right.max() <= (n + 1) / (n + 2) + 0.05
        logits = np.log(p)
        logits[0] = logits[0][::-1]  # an error, without which photos cannot be calibrated
        card = fit_with_points(logits, labels, photos)
        assert card["points"]["n_points"] == n
        assert card["points"]["rough"] == (n < 30)


def test_photos_of_their_own_tell_nothing_of_votes():
    rng = np.random.default_rng(5)
    logits, truth = visits(100, 1, 0, rng)
    card = fit_with_points(logits, truth, photo_table(truth, 1))
    assert card["points"] is None


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_it_goes_through_files(ending, tmp_path):
    rng = np.random.default_rng(6)
    logits, truth = visits(200, 5, 0.3, rng)
    card = fit_with_points(logits, np.repeat(truth, 5), photo_table(truth, 5))
    table = predictions(logits, truth, 5, card)
    path = write_table(table, tmp_path / f"predictions.{ending}")
    columns = [f"p_{c}" for c in CLASSES]
    np.testing.assert_allclose(vote(path)[columns], vote(table)[columns], atol=1e-12)
    assert vote(read_table(path))["calibrated"].all()


def test_text_there_and_back():
    calibration = PointCalibration(
        np.array([0.2, 0.8]),
        {
            "mean": Correction(0.5, np.array([0.25, -0.25])),
            "product": Correction(-0.125, np.array([0.0, 0.0])),
        },
    )
    text = to_text(calibration)
    assert text == (
        "shares 0.2000/0.8000, mean 0.5000/0.2500/-0.2500, product -0.1250/0.0000/0.0000"
    )
    again = from_text(text, 2)
    np.testing.assert_allclose(again.shares, calibration.shares)
    assert again.corrections["product"].exponent == -0.125


@pytest.mark.parametrize("text", ["", "shares 1", "shares 0.5/0.5, mean 1.0, product 1.0", "nan"])
def test_a_strange_text_is_refused(text):
    with pytest.raises(InputError, match="vote_calibration must be as classification wrote it"):
        from_text(text, 2)


def test_a_point_of_two_models_is_not_calibrated():
    rng = np.random.default_rng(7)
    logits, truth = visits(200, 2, 0.3, rng)
    card = fit_with_points(logits, np.repeat(truth, 2), photo_table(truth, 2))
    table = predictions(logits, truth, 2, card)
    table.loc[0, "vote_calibration"] = table["vote_calibration"].iloc[0].replace("mean 0", "mean 1")
    with pytest.warns(LucasMessage, match="The photos of 1 points are calibrated"):
        points = vote(table)
    assert points["calibrated"].tolist() == [False] + [True] * 199


def test_a_point_with_two_labels_equally_often_tells_nothing():
    rng = np.random.default_rng(8)
    logits, truth = visits(60, 2, 0.3, rng)
    labels, photos = np.repeat(truth, 2), photo_table(truth, 2)
    labels[1] = (labels[0] + 1) % 4
    card = fit_with_points(logits, labels, photos)
    assert card["points"]["n_points"] == 59
