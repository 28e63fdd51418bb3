"""The tables that pictures are drawn from."""

import os

import numpy as np
import pandas as pd
import pytest
from pictures_support import made

import lucas_habitat
from lucas_habitat import evaluate, vote
from lucas_habitat.errors import InputError
from lucas_habitat.pictures.tables import (
    coastline,
    confusion_table,
    examples_table,
    extent,
    map_table,
    point_table,
)


def test_confusion_table_by_hand():
    found = evaluate(pd.DataFrame({"predicted": list("aabb"), "habitat": list("abbb")}), n_boot=0)
    table = confusion_table(found).set_index(["predicted", "reference"])
    assert table["n"].tolist() == [1, 1, 0, 2]
    assert table["share_of_reference"].tolist() == pytest.approx([1, 1 / 3, 0, 2 / 3])
    assert table["share_of_predicted"].tolist() == pytest.approx([0.5, 0.5, 0, 1])


def test_a_map_takes_degrees_and_the_latest_year():
    points = vote(made())
    table = map_table(points)
    assert len(table) == 40
    degrees = points.drop(columns=["x", "y"]).assign(lon=10.0, lat=52.0)
    # The projection's own origin.
    assert map_table(degrees)[["x", "y"]].to_numpy() == pytest.approx(
        np.tile([4321000.0, 3210000.0], (40, 1)), abs=1e-3
    )
    older = points.assign(year=2012, predicted="woody")
    both = map_table(pd.concat([points, older], ignore_index=True))
    assert len(both) == 40
    assert (both["year"] == 2018).all()
    with pytest.raises(InputError, match="0 have coordinates"):
        map_table(points.drop(columns=["x", "y"]))


def test_the_coast_is_europes():
    coast = coastline()
    assert coast["x"].between(900_000, 7_400_000).all()
    assert coast["y"].between(900_000, 5_600_000).all()
    # Skagen, Denmark's tip (57.74 N 10.65 E), within the 1.5 km that the line is thinned to.
    away = np.hypot(coast["x"] - 4358400, coast["y"] - 3848600)
    assert away.min() < 6000
    folder = os.path.join(os.path.dirname(lucas_habitat.__file__), "data")
    assert os.path.getsize(os.path.join(folder, "coast.csv")) < 150_000


def test_a_points_photos_come_in_order_and_of_its_latest_year():
    table = pd.concat([made().sample(frac=1, random_state=1), made().assign(year=2012)])
    found = point_table(table, "42303540")
    assert found["direction"].tolist() == list("PNESW")
    assert found.attrs == {"point_id": "42303540", "year": 2018}
    assert point_table(table, 42303540, 2012)["year"].tolist() == [2012] * 5
    with pytest.raises(InputError, match=r"no photo of 2009; it has 2012, 2018"):
        point_table(table, "42303540", 2009)
    with pytest.raises(InputError, match="There is no point 'x'"):
        point_table(table, "x")


@pytest.mark.parametrize("year", [pd.NA, np.nan, None])
def test_a_missing_year_is_the_latest(year):
    table = pd.concat([made(), made().assign(year=2012)])
    assert point_table(table, "42303540", year).attrs["year"] == 2018


@pytest.mark.parametrize(("away", "shape"), [((9000, 1), 9 / 5), ((1, 9000), 4 / 5)])
def test_a_map_is_neither_slim_nor_flat(away, shape):
    ends = pd.DataFrame(
        {"x": [4.3e6, 4.3e6 + 1000 * away[0]], "y": [3.5e6, 3.5e6 + 1000 * away[1]]}
    )
    west, east, south, north = extent(ends)
    assert (east - west) / (north - south) == pytest.approx(shape)


def test_examples_are_right_or_wrong_and_there(predictions):
    table = predictions.copy()
    table.loc[table.index[:3], "habitat"] = "woody"
    table.loc[table.index[:3], "predicted"] = "cropland"
    wrong = examples_table(table, right=False)
    assert wrong["path"].tolist() == sorted(table["path"][:3])
    assert (wrong["confidence"] == wrong["p_cropland"]).all()
    assert (wrong["reference_probability"] == wrong["p_woody"]).all()
    right = examples_table(table, n=4)
    assert len(right) == 4
    assert (right["habitat"] == right["predicted"].astype(str)).all()
    pd.testing.assert_frame_equal(right, examples_table(table, n=4))
    with pytest.raises(InputError, match="is there any more"):
        examples_table(made())
    with pytest.raises(InputError, match="None of 16 photos was classified wrong"):
        examples_table(predictions.assign(predicted=predictions["habitat"]), right=False)
