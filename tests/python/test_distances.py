"""Accuracy by distance to what was trained on: by hand, from tables and files, drawn."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lucas_habitat as lh
from lucas_habitat._base.tables import write_table
from lucas_habitat.errors import InputError, LucasMessage


def rows(km, right, points=None, **columns):
    n = len(km)
    return pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "point_id": points or [f"p{i}" for i in range(n)],
            "habitat": "a",
            "predicted": ["a" if r else "b" for r in right],
            "km_to_training": km,
        }
    ).assign(**columns)


CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "splits.json").read_text(encoding="utf-8")
)


def test_the_case_of_distance():
    case = CASES["distance"]
    table = lh.error_by_distance(rows(case["km_to_training"], case["right"]), breaks=case["breaks"])
    for name in ("n", "accuracy", "distance"):
        assert table[name].tolist() == pytest.approx(case[name])


def test_the_case_of_a_buffer():
    case = CASES["buffer"]
    photos = pd.DataFrame({k: case[k] for k in ("habitat", "split")}).assign(
        path=[f"{x}.jpg" for x in case["x"]],
        point_id=[f"p{x}" for x in case["x"]],
        x=[4_300_000 + 1000 * x for x in case["x"]],
        y=3_300_000,
    )
    with pytest.warns(LucasMessage, match="2 photos within 10 km"):
        train, _ = lh.split_photos(photos, buffer=case["buffer"])
    assert ((train["x"] - 4_300_000) / 1000).tolist() == case["trained_on"]


def test_bins_by_hand():
    table = lh.error_by_distance(
        rows([0, 0.5, 1, 3, 4, 900], [1, 0, 1, 1, 1, 0]), breaks=[0, 1, 5, 100]
    )
    assert table["n"].tolist() == [2, 3, 0, 1]
    assert table["accuracy"].tolist()[:2] == [0.5, 1.0]
    assert np.isnan(table["accuracy"][2])
    assert table["distance"].tolist()[:2] == pytest.approx([0.25, 8 / 3])
    assert table["high"].tolist() == [1, 5, 100, np.inf]
    assert table.attrs["accuracy"] == pytest.approx(4 / 6)
    filled = table[table["n"] > 0]
    assert (filled["accuracy_high"] > filled["accuracy_low"]).all()


def test_photos_of_a_point_count_once_for_the_interval():
    right = [1, 1, 0, 1, 0, 1, 1, 1, 0, 1]
    once = rows([3.0] * 10, right)
    copies = rows([3.0] * 50, np.repeat(right, 5), [f"p{i}" for i in np.repeat(range(10), 5)])
    a, b = (lh.error_by_distance(t, breaks=[0]).loc[0] for t in (once, copies))
    assert (b["n"], b["n_points"]) == (50, 10)
    assert b["accuracy_low"] == pytest.approx(a["accuracy_low"], abs=0.02)


def test_distances_are_taken_from_the_training_photos():
    place = {"y": 3_300_000, "habitat": "a", "year": 2018}
    training = pd.DataFrame({"path": ["t.jpg"], "point_id": ["t"], "x": [4_300_000], **place})
    test = rows([np.nan] * 2, [1, 0]).assign(x=[4_303_000, 4_360_000], y=3_300_000)
    table = lh.error_by_distance(test, training).query("n > 0")
    assert table["low"].tolist() == [2, 50]
    assert table["distance"].tolist() == pytest.approx([3, 60], rel=0.01)


def test_what_lacks_a_distance():
    with pytest.warns(LucasMessage, match="1 of 3 rows without a distance"):
        assert lh.error_by_distance(rows([1, np.nan, 2], [1, 1, 0]))["n"].sum() == 2
    with pytest.raises(InputError, match="of no row the position is known"):
        lh.error_by_distance(rows([np.nan], [1]))
    with pytest.raises(InputError, match=r"as training, or the column km_to_training"):
        lh.error_by_distance(rows([1], [1]).drop(columns="km_to_training"))
    for breaks in ([], [1, 1], [-1, 2]):
        with pytest.raises(InputError, match="breaks must be kilometres"):
            lh.error_by_distance(rows([1], [1]), breaks=breaks)


@pytest.mark.parametrize("width", ["single", "double"])
def test_it_is_drawn_from_the_table_its_file_or_predictions(tmp_path, width):
    predictions = rows(list(range(40)), [1, 0] * 20)
    table = lh.error_by_distance(predictions)
    file = write_table(table, tmp_path / "t.csv")
    for given in (table, file, predictions):
        figure = lh.plot_distance(given, width=width, out=tmp_path / "d.png")
        top, bottom = figure.axes
        assert [t.get_text() for t in bottom.get_xticklabels()][:3] == ["0–1", "1–2", "2–5"]
        assert top.lines[0].get_ydata()[0] == pytest.approx(0.5)
