"""What votes gain, and reliability: against numbers by hand and against vote() and evaluate()."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from conftest import peak_memory, write_run
from pictures_support import learned, made

from lucas_habitat import evaluate, reliability, vote, vote_gain
from lucas_habitat._base import probabilities
from lucas_habitat.errors import InputError, LucasMessage


def test_reliability_by_hand():
    table = pd.DataFrame(
        {
            "point_id": ["1", "1", "2", "3"],
            "habitat": ["a", "a", "a", "b"],
            "predicted": ["a", "a", "b", "b"],
            "p_a": [0.72, 0.78, 0.2, 0.0],
            "p_b": [0.28, 0.22, 0.8, 1.0],
        }
    )
    found = reliability(table)
    assert found["n"].tolist() == [0, 0, 0, 0, 0, 0, 0, 2, 1, 1]
    assert found["n_points"].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert found["confidence"].tolist()[7:] == pytest.approx([0.75, 0.8, 1.0])
    assert found["accuracy"].tolist()[7:] == [1, 0, 1]
    assert found.attrs["ece"] == pytest.approx((2 * 0.25 + 0.8 + 0) / 4)
    # For 1 of 1 from the share whose Poisson number of rows is more than 0 in 5 %, as evaluate() says.
    assert found["accuracy_low"].iloc[9] == pytest.approx(-np.log(0.95))
    assert found["accuracy_high"].iloc[9] == pytest.approx(1)


def test_reliability_has_the_intervals_of_evaluate():
    rows = pd.DataFrame(
        {
            "point_id": [str(i) for i in range(40)],
            "habitat": list("a" * 33 + "b" * 7),
            "predicted": "a",
            "p_a": 0.85,
            "p_b": 0.15,
        }
    )
    bin_of_all = reliability(rows).iloc[8]
    assert bin_of_all["n"] == 40
    wanted = evaluate(rows).overall_accuracy_interval
    assert tuple(bin_of_all[["accuracy_low", "accuracy_high"]]) == pytest.approx(wanted)


def predictions_of_many(n, k, n_lost):
    """Labelled photos of k classes, five a point, which lie apart; so many could not be read."""
    rng = np.random.default_rng(1)
    classes = [f"c{i:02d}" for i in range(k)]
    truth = np.tile(rng.integers(0, k, n // 5), 5)
    p = rng.dirichlet(np.full(k, 0.2), n) * 0.7
    p[np.arange(n), truth] += 0.3
    p[rng.choice(n, n_lost, replace=False)] = np.nan
    codes = np.where(np.isnan(p[:, 0]), -1, np.nan_to_num(p).argmax(axis=1))
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "point_id": [f"{i % (n // 5):08d}" for i in range(n)],
            "year": pd.array([2018] * n, dtype="Int64"),
            "direction": pd.array(np.repeat(list("PNESW"), n // 5), dtype="str"),
            "predicted": pd.Categorical.from_codes(codes, categories=classes),
            "habitat": pd.array(np.array(classes)[truth], dtype="str"),
            "split": pd.array(np.where(np.arange(n) % 7, "test", "train"), dtype="str"),
            "obs_dist": 3.0,
        }
    )
    return pd.concat([table, pd.DataFrame(p, columns=[f"p_{c}" for c in classes])], axis=1)


def messages_of(work):
    """What ``work()`` gives, and what it says."""
    with pytest.warns(LucasMessage) as said:
        return work(), [str(w.message) for w in said]


def test_reliability_of_a_run_is_that_of_its_table(tmp_path):
    table = predictions_of_many(300, 3, 30)
    table["point_id"] = table["point_id"].where(np.arange(300) % 11 > 0)
    table.loc[::13, "habitat"] = None
    run = write_run(tmp_path / "run", table)
    bins, said = messages_of(lambda: reliability(run))
    wanted, also_said = messages_of(lambda: reliability(table))
    pd.testing.assert_frame_equal(bins, wanted, check_exact=True)
    assert bins.attrs == wanted.attrs
    assert said == also_said
    with pytest.raises(InputError, match="none of the 7 rows has both"):
        reliability(write_run(tmp_path / "bare", table.head(7).drop(columns="habitat")))


def test_a_run_is_not_held_whole_for_reliability(tmp_path):
    table = predictions_of_many(20_000, 76, 2_000)
    run = write_run(tmp_path / "run", table, rows=1_000)
    (bins, peak), _ = messages_of(lambda: peak_memory(lambda: reliability(run)))
    pd.testing.assert_frame_equal(
        bins, messages_of(lambda: reliability(table))[0], check_exact=True
    )
    # The probabilities alone are 12 MB.
    assert peak < 8e6


def test_vote_gain_ends_at_what_all_votes_give():
    table = made(skill=1.2)
    found = vote_gain(table, n_draws=100)
    everyone = evaluate(vote(table), n_boot=0)
    assert found["accuracy"].iloc[-1] == pytest.approx(everyone.overall_accuracy, abs=1e-12)
    assert found["kappa"].iloc[-1] == pytest.approx(everyone.kappa, abs=1e-12)
    # One photo drawn of five: on the mean, the accuracy of photos.
    by_photo = evaluate(table, n_boot=0).overall_accuracy
    assert found["accuracy"].iloc[0] == pytest.approx(by_photo, abs=0.02)
    assert found["kappa_gain"].iloc[1:].tolist() == pytest.approx(np.diff(found["kappa"]).tolist())
    assert (found["kappa_low"] < found["kappa"]).all()
    assert (found["kappa"] < found["kappa_high"]).all()
    assert found["n_photos"].tolist() == [1, 2, 3, 4, 5]
    pd.testing.assert_frame_equal(found, vote_gain(table, n_draws=100))
    assert not found.equals(vote_gain(table, n_draws=100, seed=2))


@pytest.mark.parametrize("in_file", [False, True])
def test_vote_gain_of_a_run_is_that_of_its_table(tmp_path, monkeypatch, in_file):
    table = predictions_of_many(300, 3, 30)
    # Some points have six photos, and one close-ups.
    table.loc[5, "direction"], table.loc[[7, 9], "point_id"] = "C", table["point_id"][8]
    table.loc[::13, "habitat"] = "c09"
    run = write_run(tmp_path / "run", table)
    wanted, said = messages_of(lambda: vote_gain(table, n_draws=50))
    if in_file:
        monkeypatch.setattr(probabilities, "_IN_MEMORY", 0)
    for cells in (2_000_000, 100):
        monkeypatch.setattr(probabilities, "CELLS", cells)
        gains, also_said = messages_of(lambda: vote_gain(run, n_draws=50))
        pd.testing.assert_frame_equal(gains, wanted, check_exact=True)
        assert also_said == said


def test_a_run_is_not_held_whole_for_vote_gain(tmp_path, monkeypatch):
    table = predictions_of_many(20_000, 76, 100)
    run = write_run(tmp_path / "run", table, rows=1_000)
    wanted, _ = messages_of(lambda: vote_gain(table, n_draws=20))
    monkeypatch.setattr(probabilities, "_IN_MEMORY", 0)
    monkeypatch.setattr(probabilities, "CELLS", 100_000)
    (gains, peak), _ = messages_of(lambda: peak_memory(lambda: vote_gain(run, n_draws=20)))
    pd.testing.assert_frame_equal(gains, wanted, check_exact=True)
    # The probabilities alone are 12 MB.
    assert peak < 10e6


@pytest.mark.parametrize("in_file", [False, True])
def test_gain_by_method_of_a_run_is_that_of_its_table(tmp_path, monkeypatch, in_file):
    table = learned_of_three(predictions_of_many(300, 3, 30)).assign(calibrated=True)
    table.loc[5, "direction"], table.loc[[7, 9], "point_id"] = "C", table["point_id"][8]
    table.loc[::13, "habitat"] = "c09"
    run = write_run(tmp_path / "run", table)
    if in_file:
        monkeypatch.setattr(probabilities, "_IN_MEMORY", 0)
    wanted, said = messages_of(lambda: vote_gain(table, n_draws=50, by="method"))
    assert "learned" in wanted["method"].tolist()
    for cells in (2_000_000, 100):
        monkeypatch.setattr(probabilities, "CELLS", cells)
        gains, also_said = messages_of(lambda: vote_gain(run, n_draws=50, by="method"))
        pd.testing.assert_frame_equal(gains, wanted, check_exact=True)
        assert also_said == said


def test_a_run_is_not_held_whole_for_the_gain_by_method(tmp_path, monkeypatch):
    table = predictions_of_many(20_000, 40, 100)
    run = write_run(tmp_path / "run", table, rows=1_000)
    wanted, _ = messages_of(lambda: vote_gain(table, n_draws=20, by="method"))
    monkeypatch.setattr(probabilities, "_IN_MEMORY", 0)
    monkeypatch.setattr(probabilities, "CELLS", 50_000)
    work = partial(vote_gain, run, n_draws=20, by="method")
    (gains, peak), _ = messages_of(lambda: peak_memory(work))
    pd.testing.assert_frame_equal(gains, wanted, check_exact=True)
    # The probabilities alone are 6.4 MB.
    assert peak < 6e6


def learned_of_three(table):
    """The same of a model of three classes."""
    return learned(table).assign(
        vote_calibration=lambda t: (
            t["vote_calibration"]
            .str.replace("0.2500/0.2500/0.2500/0.2500", "0.3000/0.3000/0.4000")
            .str.replace("0.0000/0.0000/0.0000/0.0000,", "0.0000/0.0000/0.0000,")
            .str.replace("/0.0000$", "", regex=True)
        )
    )


def test_vote_gain_leaves_out_points_with_fewer_photos():
    table = made()
    with pytest.warns(LucasMessage, match="1 of 40 points have fewer than 5"):
        found = vote_gain(table.drop(index=3), n_draws=20)
    assert (found["n_points"] == 39).all()


def test_vote_gain_needs_several_photos_and_labels():
    with pytest.raises(InputError, match="most have 1"):
        vote_gain(made(photos=1))
    with pytest.raises(InputError, match="none of the 200 rows has both"):
        vote_gain(made().drop(columns="habitat"))


def test_vote_gain_needs_points_with_a_clear_label():
    # Two photos a point, and each of them labelled differently.
    table = made(photos=2).assign(habitat=["woody", "cropland"] * 40)
    with pytest.raises(
        InputError, match=r"none of 40 points with 2 or more photos has a clear one"
    ):
        vote_gain(table)


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_vote_gain_counts_each_photo_once_and_no_closeups():
    table = made()
    closeups = table[table["direction"] == "P"].assign(direction="C", habitat="woody")
    closeups["path"] = "close/" + closeups["path"]
    more = pd.concat([table, table.iloc[:7], closeups], ignore_index=True)
    pd.testing.assert_frame_equal(vote_gain(more, n_draws=20), vote_gain(table, n_draws=20))


def test_vote_gain_takes_votes_for_labels_that_the_model_does_not_know():
    table = made(n_points=10, skill=9.0)
    table.loc[:4, "habitat"] = "glacier"  # a whole point
    gain = vote_gain(table, n_draws=20)
    assert gain["accuracy"].tolist() == pytest.approx([0.9] * 5)


def test_gain_by_method_is_what_each_vote_is_right_in():
    table = learned(made(skill=1.2))
    gain = vote_gain(table, by="method", n_draws=100).set_index("method")
    assert gain.index.tolist() == ["one photo", "majority", "mean", "product", "learned"]
    for method in gain.index[1:]:
        points = vote(table, method)
        result = evaluate(points, n_boot=0)
        row = gain.loc[method]
        assert row["accuracy"] == pytest.approx(result.overall_accuracy, abs=1e-12)
        assert row["kappa"] == pytest.approx(result.kappa, abs=1e-12)
        assert row["log_loss"] == pytest.approx(result.log_loss, abs=1e-6)
        assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    one_photo = evaluate(table, n_boot=0)
    assert gain.loc["one photo", "accuracy"] == pytest.approx(one_photo.overall_accuracy)
    assert gain.loc["one photo", "log_loss"] == pytest.approx(one_photo.log_loss, abs=1e-6)
    accuracy = gain["accuracy"]
    np.testing.assert_allclose(gain["gain_photo"], accuracy - accuracy["one photo"])
    np.testing.assert_allclose(gain["gain_majority"], accuracy - accuracy["majority"])
    # A difference from itself is none in every draw, because draws are of the same points.
    assert gain.loc["majority", ["gain_majority_low", "gain_majority_high"]].tolist() == [0, 0]
    assert gain.loc["mean", "gain_photo_low"] > 0
    assert (gain["n_points"] == 40).all()
    again = vote_gain(table, by="method", n_draws=100).set_index("method")
    pd.testing.assert_frame_equal(gain, again)


def test_gain_by_method_lists_the_learned_vote_where_there_is_one():
    table = made()
    assert "learned" not in vote_gain(table, by="method", n_draws=20)["method"].tolist()
    some = learned(table)
    some.loc[0, "vote_calibration"] = None
    assert "learned" not in vote_gain(some, by="method", n_draws=20)["method"].tolist()


def test_gain_by_method_draws_points_not_visits():
    # Every point twice: as many points, so intervals as wide.
    table = made(skill=1.2)
    twice = pd.concat(
        [table, table.assign(year=2022, path="again/" + table["path"])], ignore_index=True
    )
    once, both = (vote_gain(t, by="method", n_draws=400).iloc[1] for t in (table, twice))
    assert both["n_points"] == 80
    assert both["accuracy"] == pytest.approx(once["accuracy"])
    assert both["accuracy_low"] == pytest.approx(once["accuracy_low"], abs=0.01)
    assert both["accuracy_high"] == pytest.approx(once["accuracy_high"], abs=0.01)


def test_gain_by_method_counts_points_of_two_photos_and_labels_the_model_does_not_know():
    table = made(n_points=10, photos=2, skill=9.0)
    table.loc[:1, "habitat"] = "glacier"
    gain = vote_gain(table, by="method", n_draws=20)
    assert gain["accuracy"].tolist() == pytest.approx([0.9] * 4)
    with pytest.raises(InputError, match="none of 40 points is one"):
        vote_gain(made(photos=1), by="method")
    with pytest.raises(InputError, match="by must be one of 'photos', 'method'"):
        vote_gain(table, by="colour")
