"""Two models on the same points: differences, their intervals, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import peak_memory
from sklearn import metrics

from lucas_habitat import compare, evaluate
from lucas_habitat._base.files import write_json
from lucas_habitat._base.tables import write_table
from lucas_habitat.errors import InputError

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "comparison.json").read_text(encoding="utf-8")
)


def points(accuracy, seed, n=100, years=1):
    """Points classified by a model that is right so often; the same points whatever the seed."""
    truth = np.random.default_rng(0).choice(list("abc"), n * years)
    rng = np.random.default_rng(seed)
    guess = np.where(rng.random(n * years) < accuracy, truth, rng.choice(list("abc"), n * years))
    return pd.DataFrame(
        {
            "point_id": np.repeat([f"p{i}" for i in range(n)], years),
            "year": np.tile(2015 + np.arange(years), n),
            "n_photos": 5,
            "habitat": truth,
            "predicted": pd.Categorical(guess, categories=list("abc")),
        }
    )


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: c["name"])
def test_cases(case):
    times = case["times"]
    a, b = (
        pd.DataFrame(
            {
                "point_id": [f"p{i}" for i in range(sum(times))],
                "habitat": np.repeat(np.array(case["reference"], dtype=object), times),
                "predicted": np.repeat(np.array(case[model], dtype=object), times),
            }
        )
        for model in "ab"
    )
    result = compare(a, b, n_boot=0)
    assert result.table["measure"].tolist() == ["overall_accuracy", "kappa", "macro_f1"]
    for name in ("n_both", "n_only_a", "n_only_b", "n_neither"):
        assert getattr(result, name) == case[name]
    near = {"rel": 0, "abs": CASES["tolerance"]}
    assert result.p_value == pytest.approx(case["p_value"], **near)
    assert result.table["difference"].to_numpy() == pytest.approx(case["difference"], **near)
    assert result.table[["low", "high"]].isna().all(axis=None)
    assert "interval" not in repr(result)


def test_values_are_those_of_evaluate_and_of_scikit_learn():
    a, b = points(0.7, 1), points(0.9, 2)
    table = compare(a, b, n_boot=100).table.set_index("measure")
    for name, given in (("a", a), ("b", b)):
        result = evaluate(given, n_boot=0)
        assert table.loc["kappa", name] == pytest.approx(result.kappa)
        assert table.loc["overall_accuracy", name] == pytest.approx(result.overall_accuracy)
        f1 = metrics.f1_score(given["habitat"], given["predicted"].astype(str), average="macro")
        assert table.loc["macro_f1", name] == pytest.approx(f1)
    assert (table["low"] < table["difference"]).all()
    assert (table["difference"] < table["high"]).all()
    assert (table["low"] > 0).all()


def test_the_order_of_rows_does_not_matter():
    a, b = points(0.7, 1, years=2), points(0.8, 2, years=2)
    shuffled = b.sample(frac=1, random_state=1)
    assert compare(a, shuffled).as_dict() == compare(a, b).as_dict()


def test_exchanging_the_models_turns_the_signs():
    a, b = points(0.7, 1), points(0.8, 2)
    one, other = compare(a, b), compare(b, a)
    assert one.p_value == other.p_value
    assert one.table["difference"].tolist() == (-other.table["difference"]).tolist()
    assert one.table["low"].to_numpy() == pytest.approx(-other.table["high"].to_numpy(), abs=0.02)


def test_a_difference_is_surer_than_its_parts():
    # b is a with five errors put right.
    a = points(0.7, 1)
    b = a.copy()
    wrong = a.index[a["habitat"] != a["predicted"]][:5]
    b.loc[wrong, "predicted"] = b.loc[wrong, "habitat"]
    result = compare(a, b)
    low, high = evaluate(a).overall_accuracy_interval
    accuracy = result.table.loc[0]
    assert accuracy["high"] - accuracy["low"] < 0.8 * (high - low)
    # Five of five discordant rows: 2 / 2^5.
    assert result.p_value == pytest.approx(2**-4)


def test_models_alike_leave_doubt():
    for accuracy in (0.7, 1.0):
        a = points(accuracy, 1)
        result = compare(a, a)
        assert (result.table["difference"] == 0).all()
        assert (result.table["low"] < 0).all()
        assert (result.table["high"] > 0).all()
        assert result.p_value == 1


def test_photos_of_a_point_are_drawn_together():
    def photos(seed, copies):
        rows = points(0.7, seed).drop(columns=["n_photos"])
        rows = rows.loc[rows.index.repeat(5)].reset_index(drop=True)
        guess = rows["predicted"].astype(str)
        rows["predicted"] = guess if copies else guess.sample(frac=1, random_state=seed).to_numpy()
        return rows.assign(path=[f"{i}.jpg" for i in range(500)])

    def width(copies):
        row = compare(photos(1, copies), photos(2, copies)).table.loc[0]
        return row["high"] - row["low"]

    one = compare(points(0.7, 1), points(0.7, 2)).table.loc[0]
    assert width(True) == pytest.approx(one["high"] - one["low"], rel=0.05)
    assert width(False) < 0.7 * width(True)
    signs = compare(photos(1, True), photos(2, True)).p_value
    assert signs == pytest.approx(compare(points(0.7, 1), points(0.7, 2)).p_value, abs=0.03)


def test_paths_of_another_machine_do_not_matter():
    a = points(0.7, 1).assign(path=lambda t: "/here/" + t["point_id"])
    b = points(0.8, 2).assign(path=lambda t: "/there/" + t["point_id"])
    assert compare(a, b).n == 100


def test_other_points_are_refused():
    a = points(0.7, 1)
    with pytest.raises(
        InputError, match=r"10 of 100 rows \(p90, 2015, p91, 2015 and 8 more\) of a are not in b"
    ):
        compare(a, points(0.7, 1).head(90))
    with pytest.raises(InputError, match=r"differs in 1 of 100 rows, such as p3, 2015: . and d"):
        compare(a, a.assign(habitat=a["habitat"].where(a["point_id"] != "p3", "d")))
    with pytest.raises(InputError, match="a has points, b photos"):
        compare(a, a.drop(columns="n_photos"))
    with pytest.raises(InputError, match="needs what tells rows apart"):
        compare(a.drop(columns="point_id"), a.drop(columns="point_id"))
    with pytest.raises(InputError, match="needs what tells rows apart"):
        compare(pd.concat([a, a]), pd.concat([a, a]))
    half = a["point_id"] < "p5"
    first, second = (a.assign(predicted=a["predicted"].where(is_read)) for is_read in (half, ~half))
    with pytest.raises(InputError, match="No row has a reference class and a prediction in both"):
        compare(first, second)


def test_what_one_model_could_not_read_is_left_out_for_both():
    a, b = points(0.7, 1), points(0.8, 2)
    b.loc[3, "predicted"] = np.nan
    a.loc[4, "habitat"] = b.loc[4, "habitat"] = np.nan
    result = compare(a, b)
    assert (result.n, result.n_left_out) == (98, 2)
    assert "left out for both: 0 of a, 1 of b" in result.notes[0]


def test_notes_of_few_points_other_classes_and_training_rows():
    a, b = points(0.7, 1, n=12), points(0.7, 2, n=12)
    b["predicted"] = b["predicted"].cat.add_categories("d")
    notes = " ".join(compare(a.assign(split="train"), b).notes)
    assert "other classes: a, b, c and a, b, c, d" in notes
    assert "only 12 points" in notes
    assert "training split" in notes


def test_it_is_written_and_read(tmp_path):
    files = [write_table(points(p, i), tmp_path / f"{i}.csv") for i, p in enumerate((0.7, 0.8))]
    result = compare(*files)
    values = result.as_dict()
    assert json.loads(write_json(values, tmp_path / "c.json").read_text(encoding="utf-8")) == values
    assert values["measures"][1]["measure"] == "kappa"
    text = repr(result)
    assert text.startswith("Comparison of two models on 100 points\n")
    assert "95% interval of b - a" in text


def test_memory_does_not_grow_with_the_square_of_the_classes():
    # Dense confusions of 10,000 points, 2 models and 76 classes would be 0.9 GB.
    rng = np.random.default_rng(1)
    labels = np.array([f"c{i:02d}" for i in range(76)])
    table = pd.DataFrame({"path": [f"{i}.jpg" for i in range(10_000)]})
    table["habitat"] = labels[rng.integers(0, 76, 10_000)]
    a, b = (
        table.assign(predicted=np.where(rng.random(10_000) < share, table["habitat"], labels[0]))
        for share in (0.6, 0.8)
    )
    result, peak = peak_memory(lambda: compare(a, b, n_boot=20))
    assert result.table["difference"][0] == pytest.approx(0.2, abs=0.02)
    assert peak < 150e6


def test_votes_of_photos_without_points_or_years_are_compared():
    classes = ["crop", "wood"] * 10
    voted = pd.DataFrame({"point_id": [f"/f/IMG{i}.jpg" for i in range(20)], "habitat": classes})
    voted = voted.assign(predicted=classes, n_photos=1, year=pd.array([pd.NA] * 20, dtype="Int64"))
    comparison = compare(voted, voted, n_boot=50)
    assert "Comparison of two models on 20 photos\n" in repr(comparison)
    assert comparison.as_dict()["n_without_point"] == 20
    years = voted.assign(point_id=["a", "b"] * 10, year=list(range(2000, 2020)))
    assert "on 2 points in 20 point-years\n" in repr(compare(years, years, n_boot=50))
