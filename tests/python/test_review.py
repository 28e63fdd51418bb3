"""What a person should look at first, and why."""

import numpy as np
import pandas as pd
import pytest
from conftest import peak_memory, write_run

from lucas_habitat import review_list, vote
from lucas_habitat.errors import InputError, LucasMessage


def photos():
    rows = [
        # path, point, predicted, p_cropland, p_woody, unlike
        ("a.jpg", "1", "cropland", 0.95, 0.05, False),
        ("b.jpg", "1", "cropland", 0.90, 0.10, False),
        ("c.jpg", "1", "woody", 0.10, 0.90, False),
        ("d.jpg", "2", "cropland", 0.60, 0.40, False),
        ("e.jpg", "2", "cropland", 0.55, 0.45, True),
        ("f.jpg", "2", "cropland", 0.99, 0.01, False),
        ("g.jpg", "3", "cropland", 0.97, 0.03, True),
        ("h.jpg", "3", None, None, None, None),
    ]
    table = pd.DataFrame(
        rows, columns=["path", "point_id", "predicted", "p_cropland", "p_woody", "unlike"]
    )
    return table.assign(year=2018)


def test_photos_are_listed_with_their_reasons():
    with pytest.warns(LucasMessage, match="4 of 8 rows have a reason .* 1 have no class"):
        found = review_list(photos())
    assert dict(zip(found["path"], found["why"], strict=True)) == {
        "e.jpg": "unsure: cropland (0.55) or woody (0.45); unlike the training photos",
        "d.jpg": "unsure: cropland (0.60) or woody (0.40)",
        "c.jpg": "most photos of its point show cropland",
        "g.jpg": "unlike the training photos",
    }
    assert found["path"].tolist() == ["e.jpg", "d.jpg", "c.jpg", "g.jpg"]
    assert found["priority"].tolist() == [1, 2, 3, 4]
    assert found["n_reasons"].tolist() == [2, 1, 1, 1]
    with pytest.warns(LucasMessage, match="of which 2 are listed"):
        assert review_list(photos(), n=2)["path"].tolist() == ["e.jpg", "d.jpg"]


def test_points_are_listed_with_their_reasons():
    points = vote(photos())
    assert points["n_unlike"].tolist() == [0, 1, 1]
    found = review_list(points)
    assert dict(zip(found["point_id"], found["why"], strict=True)) == {
        "1": "unsure: cropland (0.65) or woody (0.35); 1 of 3 photos say otherwise",
        "2": "1 photos unlike the training photos",
        "3": "1 photos unlike the training photos",
    }


def test_sets_and_rare_classes_are_reasons():
    table = pd.DataFrame(
        {
            "predicted": ["cropland"] * 30 + ["woody"],
            "p_cropland": [0.9] * 30 + [0.2],
            "p_woody": [0.1] * 30 + [0.8],
            "n_photos": 1,
            "set": ["cropland"] * 29 + ["cropland|woody", "woody"],
            "n_classes": [1] * 29 + [2, 1],
        }
    )
    assert review_list(table)["why"].tolist() == [
        "woody is rare (3.2% of the rows)",
        "may be any of cropland, woody",
    ]


def test_photos_torn_between_classes_are_said_to_be():
    table = photos().iloc[[0, 2]]
    assert (
        review_list(table)["why"].tolist() == ["photos of its point are torn between classes"] * 2
    )


def test_bad_arguments():
    with pytest.raises(InputError, match="n must be a whole number, at least 1"):
        review_list(photos(), n=0)
    with pytest.raises(InputError, match="predicted"):
        review_list(photos().drop(columns="predicted"))
    with pytest.raises(InputError, match="column path"):
        review_list(photos().drop(columns="path"))


def predictions_of_many(n, k):
    """Labelled photos of k classes, of points that lie apart in the table; some could not be read."""
    rng = np.random.default_rng(1)
    classes = [f"c{i:02d}" for i in range(k)]
    p = rng.dirichlet(np.full(k, 0.1), n)
    p[::9] = np.nan
    codes = np.where(np.isnan(p[:, 0]), -1, np.nan_to_num(p).argmax(axis=1))
    is_kept = rng.random(n) < 0.7
    labels = np.where(is_kept & (codes >= 0), codes, rng.integers(0, k, n))
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "point_id": [f"{i % (n // 4):08d}" for i in range(n)],
            "year": pd.array([2018] * n, dtype="Int64"),
            "predicted": pd.Categorical.from_codes(codes, categories=classes),
            "habitat": pd.array(np.array(classes)[labels], dtype="str"),
            "split": pd.array(np.where(np.arange(n) % 5, "test", "train"), dtype="str"),
            "unlike": pd.Series(rng.random(n) < 0.1, dtype=object).where(codes >= 0, None),
            "obs_dist": np.where(codes >= 0, 3, np.nan),
            "n_people": pd.Series(np.where(codes >= 0, 2, None)).astype("float64"),
        }
    )
    return pd.concat([table, pd.DataFrame(p, columns=[f"p_{c}" for c in classes])], axis=1)


@pytest.mark.parametrize("n", [1, 20, 300])
def test_a_run_is_listed_as_its_table_is(tmp_path, n):
    table = predictions_of_many(300, 3)
    run = write_run(tmp_path / "run", table)
    with pytest.warns(LucasMessage, match="of 300 rows have a reason") as of_table:
        wanted = review_list(table, n)
    with pytest.warns(LucasMessage, match="of 300 rows have a reason") as of_run:
        listed = review_list(run, n)
    pd.testing.assert_frame_equal(listed, wanted, check_exact=True)
    assert [str(w.message) for w in of_run] == [str(w.message) for w in of_table]


def test_a_run_is_not_held_whole(tmp_path):
    table = predictions_of_many(20_000, 76)
    run = write_run(tmp_path / "run", table, rows=1_000)
    listed, peak = peak_memory(lambda: review_list(run))
    pd.testing.assert_frame_equal(listed, review_list(table), check_exact=True)
    # The probabilities alone are 12 MB.
    assert peak < 10e6
