"""Votes: who votes, who wins, how ties and zeros fall, and what is said when nobody can vote."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import growth, peak_memory, write_run

from lucas_habitat._base import probabilities
from lucas_habitat._base.choices import VOTE_METHODS
from lucas_habitat._base.tables import write_table
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.voting import vote

CASES = json.loads((Path(__file__).parents[1] / "cases" / "votes.json").read_text(encoding="utf-8"))


def photos(p, classes=("cropland", "grassland"), **columns):
    """Photos of point 43203210 in 2018, one a row of probabilities, unless told otherwise."""
    p = np.array(p, dtype=float)
    n = len(p)
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "point_id": ["43203210"] * n,
            "year": pd.array([2018] * n, dtype="Int64"),
            "direction": list(("PNESW" * n)[:n]),
            "habitat": pd.Series([None] * n, dtype="str"),
            "split": pd.Series([None] * n, dtype="str"),
        }
        | columns
    )
    codes = np.where(np.isnan(p).any(axis=1), -1, np.nan_to_num(p).argmax(axis=1))
    table["predicted"] = pd.Categorical.from_codes(codes, categories=list(classes))
    for name, values in zip(classes, p.T, strict=True):
        table[f"p_{name}"] = values
    return table


def random_photos(n, classes, seed):
    """Photos in any order: a few points, years and photos without either, some unread."""
    rng = np.random.default_rng(seed)
    # Few different values, so that ties are common.
    p = rng.integers(1, 5, size=(n, len(classes))).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    p[rng.random(n) < 0.15] = np.nan
    return photos(
        p,
        classes,
        point_id=pd.Series(rng.choice(["b", "a", "d", None], n), dtype="str"),
        year=pd.array(rng.choice([2015, 2018, pd.NA], n), dtype="Int64"),
        direction=pd.Series(rng.choice(["P", "N", "E", None], n), dtype="str"),
    )


#: What a model's held-out points taught, in the numbers of its text.
EXPONENT, SHARPNESS, WEIGHTS = 0.5, 1.25, {"P": 2.0, "N": 1.0, "E": 1.0, "S": 0.75, "W": 0.25}


def learned_text(k):
    """The column of predictions of a model that learned weights, with favours 0.2, -0.2, 0, ..."""
    numbers = [EXPONENT, SHARPNESS, *WEIGHTS.values(), 0.2, -0.2, *[0] * (k - 2)]
    shares = "/".join([str(1 / k + 1e-9)[:8]] * k)
    plain = "/".join(["0.0000"] * (k + 1))
    learned = "/".join(f"{v:.4f}" for v in numbers)
    return f"shares {shares}, mean {plain}, product {plain}, learned weighted_log_mean 99 {learned}"


def learned_by_hand(p, directions):
    """Weighted means of logarithms, where classes are equally common, view by view."""
    views = {}
    for i, direction in enumerate(directions):
        views.setdefault(i if pd.isna(direction) else direction, []).append(i)
    weights = {d: WEIGHTS.get(d, 1.0) for d in views}
    k, total = len(p[0]), sum(weights.values())
    logs = [
        sum(weights[d] * np.mean([np.log(p[i][c]) for i in views[d]]) for d in views) / total
        for c in range(k)
    ]
    n = total**2 / sum(w**2 for w in weights.values())
    favour = [0.2, -0.2, *[0] * (k - 2)]
    odds = [
        np.exp(logs[c] * n**EXPONENT * SHARPNESS ** (1 - 1 / n) + favour[c] * (1 - 1 / n))
        for c in range(k)
    ]
    return [float(v / sum(odds)) for v in odds]


def by_hand(table, classes, method):
    """The votes again, photo by photo, as one would count them on paper."""
    groups = {}
    for row in table.to_dict("records"):
        point = row["path"] if pd.isna(row["point_id"]) else row["point_id"]
        year = None if pd.isna(row["year"]) else row["year"]
        p = [row[f"p_{c}"] for c in classes]
        groups.setdefault((point, year), []).append((p, row["direction"]))
    points = []
    for (point, year), all_p in groups.items():
        p = [row for row, _ in all_p if not any(np.isnan(row))]
        directions = [direction for row, direction in all_p if not any(np.isnan(row))]
        if not p:
            points.append((point, year, 0, None, None, None, None))
            continue
        votes = [sum(row.index(max(row)) == k for row in p) for k in range(len(classes))]
        mean = [sum(row[k] for row in p) / len(p) for k in range(len(classes))]
        product = [float(np.prod([row[k] for row in p])) for k in range(len(classes))]
        product = [v / sum(product) for v in product]
        learned = learned_by_hand(p, directions) if method == "learned" else mean
        score = {
            "majority": [(v, round(m, 12)) for v, m in zip(votes, mean, strict=True)],
            "mean": [round(m, 12) for m in mean],
            "product": [round(v, 12) for v in product],
            "learned": [round(v, 12) for v in learned],
        }[method]
        best = score.index(max(score))
        points.append(
            (
                point,
                year,
                len(p),
                classes[best],
                votes[best] / len(p),
                {"product": product, "learned": learned}.get(method, mean),
                [v / len(p) for v in votes],
            )
        )
    return points


# --- numbers both languages share -------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: str(c["arguments"]))
@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_cases(case):
    table = pd.DataFrame(CASES["predictions"]).assign(**case.get("carried", {}))
    with pytest.warns(LucasWarning, match=CASES["warning"]):
        points = vote(table, **case["arguments"])
    assert list(points)[: len(case["columns"])] == list(case["columns"])
    for column, expected in case["columns"].items():
        if column in ("point_id", "predicted"):
            assert [None if pd.isna(v) else v for v in points[column]] == expected
        else:
            got = points[column].to_numpy(dtype=float, na_value=np.nan)
            wanted = np.array(expected, dtype=float)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=CASES["tolerance"])


# --- against counting photo by photo ----------------------------------------------------------


@pytest.mark.parametrize("method", VOTE_METHODS)
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore:.*no readable photo:lucas_habitat.errors.LucasWarning")
def test_random_photos_vote_as_counted_by_hand(method, k, seed):
    classes = [f"c{i}" for i in range(k)]
    table = random_photos(60, classes, seed)
    if method == "learned":
        table = table.assign(calibrated=True, vote_calibration=learned_text(k))
    points = vote(table, method)
    expected = by_hand(table, classes, method)
    assert len(points) == len(expected)
    found = points.to_dict("records")
    for row, (point, year, n, predicted, agreement, p, v) in zip(found, expected, strict=True):
        assert row["point_id"] == point
        assert (None if pd.isna(row["year"]) else row["year"]) == year
        assert row["n_photos"] == n
        if n == 0:
            assert pd.isna([row["predicted"], row["agreement"], row["p_c0"], row["v_c0"]]).all()
            continue
        assert row["predicted"] == predicted
        assert row["agreement"] == pytest.approx(agreement, abs=1e-12)
        assert [row[f"p_{c}"] for c in classes] == pytest.approx(p, abs=1e-12)
        assert [row[f"v_{c}"] for c in classes] == pytest.approx(v, abs=1e-12)


@pytest.mark.parametrize("method", VOTE_METHODS)
def test_rows_sum_to_one(method):
    p = np.random.default_rng(1).dirichlet(np.full(7, 0.05), 3000)
    table = photos(p, [f"c{i}" for i in range(7)], point_id=[str(i // 5) for i in range(3000)])
    if method == "learned":
        table = table.assign(calibrated=True, vote_calibration=learned_text(7))
    points = vote(table, method)
    for prefix in ("p_c", "v_c"):
        values = points.filter(like=prefix)
        assert (values.dtypes == "float64").all()
        assert np.abs(values.sum(axis=1) - 1).max() < 1e-12


def test_shares_rounded_in_a_file_sum_to_one_again():
    # 0.333 three times: each a third.
    points = vote(photos([[0.333] * 3], ["a", "b", "c"]))
    assert points[["p_a", "p_b", "p_c"]].to_numpy() == pytest.approx(1 / 3, abs=1e-15)


def test_points_come_in_order_of_first_appearance():
    table = photos(
        [[0.9, 0.1]] * 5,
        point_id=["z", "a", "z", None, "a"],
        year=pd.array([2018, 2022, pd.NA, 2018, 2015], dtype="Int64"),
    )
    points = vote(table)
    assert points["point_id"].tolist() == ["z", "a", "z", "3.jpg", "a"]
    assert points["year"].tolist() == [2018, 2022, pd.NA, 2018, 2015]


# --- ties, zeros, many photos -----------------------------------------------------------------


@pytest.mark.parametrize("method", VOTE_METHODS)
def test_a_complete_tie_goes_to_the_first_class_whatever_the_order_of_photos(method):
    # Every class gets the same five numbers, whose sum depends on their order in the last bit.
    numbers = [0.1, 0.2, 0.3, 0.15, 0.25]
    p = np.array([numbers[i:] + numbers[:i] for i in range(5)])
    rng = np.random.default_rng(1)
    table = photos(p, list("abcde"))
    if method == "learned":
        text = learned_text(5).replace("0.2000/-0.2000", "0.0000/0.0000")
        table = table.assign(direction=None, calibrated=True, vote_calibration=text)
    winners = {vote(table.iloc[rng.permutation(5)], method)["predicted"][0] for _ in range(30)}
    assert winners == {"a"}


def test_product_with_a_zero_is_zero_however_many_photos():
    # The first class is ruled out by one photo; the second gets 0.1 ** 1999, far below float64.
    points = vote(photos([[0.9, 0.1]] * 1999 + [[0.0, 1.0]]), "product")
    assert points["predicted"].tolist() == ["grassland"]
    assert points[["p_cropland", "p_grassland"]].to_numpy().tolist() == [[0.0, 1.0]]
    assert points["agreement"].tolist() == [1 / 2000]


def test_product_of_2000_photos_does_not_underflow():
    # 0.6 / 0.4 to the power of the difference: 1001 photos against 999, so 1.5 ** 2 = 2.25 : 1.
    points = vote(photos([[0.6, 0.4]] * 1001 + [[0.4, 0.6]] * 999), "product")
    assert points["p_cropland"][0] == pytest.approx(2.25 / 3.25, abs=1e-9)


def test_product_where_every_class_is_ruled_out_keeps_those_ruled_out_least():
    # Zeros: 3, 1, 1. The last two by what is left: 0.7 x 1 against 0.3 x 1.
    p = [[0.0, 0.7, 0.3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    points = vote(photos(p, ["a", "b", "c"]), "product")
    assert points[["p_a", "p_b", "p_c"]].to_numpy()[0] == pytest.approx([0, 0.7, 0.3])
    assert points["predicted"].tolist() == ["b"]


def test_time_grows_with_the_predictions_and_no_faster():
    p = np.random.default_rng(1).dirichlet(np.ones(4), 200_000)
    ids = [f"{i // 5:08d}" for i in range(200_000)]
    table = photos(p, list("abcd"), point_id=ids, habitat=["a"] * 200_000)
    assert growth(vote, table.head(25_000), table) < 16
    assert len(vote(table)) == 40_000


# --- the order of rows, and runs ---------------------------------------------------------------


def carrying(table, seed=1):
    """The same photos with labels, places and a correction, as predictions have them."""
    rng, n = np.random.default_rng(seed), len(table)
    k = len(table["predicted"].cat.categories)
    return table.assign(
        habitat=pd.Series(rng.choice(["c0", "c1", None], n), dtype="str"),
        nuts0=pd.Series(rng.choice(["FR", "DE"], n), dtype="str"),
        x=rng.uniform(4e6, 5e6, n),
        obs_dist=np.where(rng.random(n) < 0.2, np.nan, rng.random(n)),
        unlike=rng.random(n) < 0.3,
        calibrated=rng.random(n) < 0.9,
        vote_calibration=pd.Series([learned_text(k)] * n, dtype="str"),
    )


def voted(predictions, method="majority"):
    """Points, and what was said of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        points = vote(predictions, method)
    return points, [str(w.message) for w in caught]


@pytest.mark.parametrize("method", VOTE_METHODS)
def test_the_order_of_photos_does_not_reach_into_the_last_digit(method):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), 400)
    table = photos(p, [f"c{i}" for i in range(4)], point_id=[str(i // 8) for i in range(400)])
    table["direction"] = rng.choice(["P", "N", "E", None], 400)
    table = carrying(table).assign(calibrated=True)
    wanted = voted(table, method)[0].set_index("point_id").sort_index()
    for _ in range(5):
        points = voted(table.iloc[rng.permutation(400)], method)[0]
        points = points.set_index("point_id").sort_index()
        pd.testing.assert_frame_equal(points, wanted, check_exact=True)


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize("method", ["majority", "product"])
def test_a_run_votes_as_its_table_does(method, in_file, tmp_path, monkeypatch):
    table = carrying(random_photos(200, ["c0", "c1", "c2"], 1))
    # Photos of a point lie far apart.
    table = table.sample(frac=1, random_state=1, ignore_index=True)
    run = write_run(tmp_path / "run", table)
    if in_file:
        monkeypatch.setattr(probabilities, "_IN_MEMORY", 0)
    wanted, said = voted(table, method)
    for cells in (4_000_000, 30):
        monkeypatch.setattr(probabilities, "CELLS", cells)
        points, also_said = voted(run, method)
        pd.testing.assert_frame_equal(points, wanted, check_exact=True)
        assert also_said == said
    assert any("no readable photo" in text for text in said)


def test_a_run_is_not_held_whole(tmp_path, monkeypatch):
    n, classes = 20_000, [f"c{i:02d}" for i in range(76)]
    p = np.random.default_rng(1).dirichlet(np.ones(76), n)
    table = photos(p, classes, path=[f"{i}.jpg" for i in range(n)])
    table = table.assign(point_id=[f"{i // 200:08d}" for i in range(n)])
    wanted, run = vote(table), write_run(tmp_path / "run", table, rows=1_000)
    del p, table
    monkeypatch.setattr(probabilities, "_IN_MEMORY", 0)
    monkeypatch.setattr(probabilities, "CELLS", 100_000)
    points, peak = peak_memory(lambda: vote(run))
    pd.testing.assert_frame_equal(points, wanted, check_exact=True)
    # The probabilities alone are 12 MB.
    assert peak < 8e6


def test_impossible_probabilities_are_named_in_the_order_of_the_table(monkeypatch):
    table = photos([[0.5, 0.5]] * 40, point_id=[str(39 - i) for i in range(40)])
    table.loc[[7, 30], "p_cropland"] = -0.1
    monkeypatch.setattr(probabilities, "CELLS", 4)
    with pytest.raises(InputError, match=r"for 7\.jpg, 30\.jpg"):
        vote(table)


# --- who votes --------------------------------------------------------------------------------


def test_missing_directions_vote():
    points = vote(photos([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], direction=[None, None, "N"]))
    assert points["n_photos"].tolist() == [3]
    assert points["predicted"].tolist() == ["grassland"]


def test_a_photo_with_some_probabilities_missing_does_not_vote():
    points = vote(photos([[0.9, 0.1], [np.nan, 1.0], [np.inf, 0.0]]))
    assert points["n_photos"].tolist() == [1]
    assert points["p_cropland"].tolist() == [0.9]


def test_points_without_readable_photos_are_rows_and_named():
    table = photos([[np.nan] * 2, [0.9, 0.1]], point_id=["lost", "kept"], habitat=["cropland"] * 2)
    with pytest.warns(LucasWarning, match=r"1 of 2 points have no readable photo.*: lost\."):
        points = vote(table)
    assert points["point_id"].tolist() == ["lost", "kept"]
    assert points["n_photos"].tolist() == [0, 1]
    assert points["habitat"].tolist() == ["cropland", "cropland"]
    assert points.filter(regex="^[pv]_|agreement|predicted").iloc[0].isna().all()


def test_no_readable_photo_at_all_keeps_all_rows():
    with pytest.warns(LucasWarning, match="2 of 2 points have no readable photo"):
        points = vote(photos([[np.nan] * 2] * 2, point_id=["a", "b"]))
    assert points["n_photos"].tolist() == [0, 0]
    assert points["predicted"].cat.categories.tolist() == ["cropland", "grassland"]


def test_no_photo_gives_no_point():
    points = vote(photos([[0.9, 0.1]]).head(0))
    assert len(points) == 0
    assert {"point_id", "n_photos", "p_cropland", "v_grassland"} <= set(points)


def test_close_ups_are_left_out_and_counted():
    table = photos([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]], direction=["P", "C", "C"])
    with pytest.warns(LucasMessage, match=r"2 close-ups \(C\) are left out"):
        points = vote(table)
    assert points["predicted"].tolist() == ["cropland"]
    assert vote(table, closeups=True)["predicted"].tolist() == ["grassland"]


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_points_with_close_ups_only_are_named():
    table = photos([[0.9, 0.1]] * 3, point_id=["a", "b", "a"], direction=["P", "C", "C"])
    with pytest.warns(LucasWarning, match=r"1 points have close-ups only and are left out: b\."):
        points = vote(table)
    assert points["point_id"].tolist() == ["a"]


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_nothing_but_close_ups_is_refused():
    with pytest.raises(InputError, match=r"All 2 photos are close-ups \(C\); closeups=True"):
        vote(photos([[0.9, 0.1]] * 2, direction=["C", "C"]))


# --- what points carry ------------------------------------------------------------------------


def test_predicted_keeps_classes_that_never_win():
    points = vote(photos([[0.9, 0.1, 0.0]], ["woody", "cropland", "artificial"]))
    assert points["predicted"].cat.categories.tolist() == ["woody", "cropland", "artificial"]


def test_labels_that_disagree_are_reported_and_the_commonest_kept():
    table = photos(
        [[0.9, 0.1]] * 5,
        point_id=["a", "a", "a", "b", "b"],
        habitat=["cropland", "grassland", "grassland", "cropland", "cropland"],
    )
    with pytest.warns(LucasWarning, match=r"1 points carry different labels in one year: a\."):
        points = vote(table)
    assert points["habitat"].tolist() == ["grassland", "cropland"]


def test_labels_that_disagree_evenly_are_left_missing():
    table = photos([[0.9, 0.1]] * 2, habitat=["cropland", "grassland"], nuts0=["DK", "DK"])
    with pytest.warns(LucasWarning, match="carry different labels"):
        points = vote(table)
    assert points["habitat"].isna().tolist() == [True]
    assert points["nuts0"].tolist() == ["DK"]


def test_a_label_counts_where_other_photos_have_none():
    points = vote(photos([[0.9, 0.1]] * 3, habitat=[None, "grassland", None]))
    assert points["habitat"].tolist() == ["grassland"]


def test_labels_of_different_years_may_differ():
    table = photos(
        [[0.9, 0.1]] * 2,
        habitat=["cropland", "grassland"],
        year=pd.array([2015, 2018], dtype="Int64"),
    )
    assert vote(table)["habitat"].tolist() == ["cropland", "grassland"]


def test_coordinates_are_means_of_the_known_ones():
    table = photos([[0.9, 0.1]] * 3, x=[4320000.0, 4320010.0, np.nan], y=[np.nan] * 3)
    points = vote(table)
    assert points["x"].tolist() == [4320005.0]
    assert points["y"].isna().all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([True, True], True), ([True, False], False), ([True, np.nan], False)],
)
def test_points_are_calibrated_if_all_their_photos_are_and_tell_how(values, expected):
    text = "shares 0.5000/0.5000, mean 0.5000/0.0000/0.0000, product 0.5000/0.0000/0.0000"
    points = vote(photos([[0.9, 0.1]] * 2, calibrated=values, vote_calibration=text))
    assert points["calibrated"].tolist() == [expected]
    assert points["calibrated"].dtype == bool


def test_ids_are_text_and_years_whole_numbers_from_any_table():
    # As pandas.read_csv() gives them: a leading zero lost, years as floats.
    table = photos([[0.9, 0.1]] * 2, point_id=[9603628] * 2, year=[2018.0, np.nan])
    points = vote(table)
    assert points["point_id"].tolist() == ["09603628"] * 2
    assert points["year"].dtype == "Int64"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_file_votes_like_its_table(tmp_path, ending):
    p = np.random.default_rng(1).dirichlet(np.ones(3), 20)
    classes = ["artificial", "cropland", "woody vegetation"]
    table = photos(p, classes, point_id=[f"0960362{i // 5}" for i in range(20)])
    table = table.rename(columns={"p_woody vegetation": "p_woody_vegetation"})
    path = write_table(table, tmp_path / f"predictions{ending}")
    points = vote(table)
    read = vote(path)
    assert read["predicted"].cat.categories.tolist() == classes
    pd.testing.assert_frame_equal(read, points, check_exact=True, check_dtype=False)


def test_the_table_given_stays_as_it_is():
    table = photos([[0.9, 0.1], [np.nan] * 2])
    before = table.copy(deep=True)
    vote(table, "product")
    pd.testing.assert_frame_equal(table, before)


def test_row_names_do_not_matter():
    table = photos([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], point_id=["a", "b", "a"])
    renamed = table.set_axis([7, 7, 0])
    pd.testing.assert_frame_equal(vote(renamed), vote(table))


def test_the_method_is_kept():
    assert vote(photos([[0.9, 0.1]]), "mean").attrs["method"] == "mean"


# --- refused ----------------------------------------------------------------------------------


def test_an_unknown_method_is_refused():
    with pytest.raises(
        InputError, match="method must be one of 'majority', 'mean', 'product', 'learned'"
    ):
        vote(photos([[0.9, 0.1]]), "loudest")


def test_a_table_without_probabilities_is_refused():
    with pytest.raises(InputError, match=r"vote\(\) needs the columns p_<class>"):
        vote(photos([[0.9, 0.1]]).drop(columns=["p_cropland", "p_grassland"]))


def test_a_table_without_paths_is_refused():
    with pytest.raises(InputError, match=r"vote\(\) needs the column path"):
        vote(photos([[0.9, 0.1]]).drop(columns="path"))


@pytest.mark.parametrize("bad", [[-0.1, 1.1], [0.0, 0.0]])
def test_impossible_probabilities_are_refused(bad):
    with pytest.raises(InputError, match=r"must not be negative, and not all be 0.*1\.jpg"):
        vote(photos([[0.9, 0.1], bad]))
