"""What leaks from training into the test, in words."""

import json

import numpy as np
import pandas as pd
import pytest

import lucas_habitat as lh
from lucas_habitat._base.files import write_json
from lucas_habitat.errors import InputError


def side(places, habitats, year=2018, nuts0="DK", name="p"):
    """A point a place, in kilometres of the map, each with one photo."""
    n = len(places)
    return lh.list_photos(
        pd.DataFrame(
            {
                "path": [f"{name}{i}.jpg" for i in range(n)],
                "point_id": [f"{name}{i}" for i in range(n)],
                "year": year,
                "habitat": habitats,
                "nuts0": nuts0,
                "x": [4_300_000 + 1000 * x for x in places],
                "y": 3_300_000,
            }
        )
    )


def findings(train, test=None, **options):
    return lh.check_split(train, test, **options).table.set_index("question")


def test_a_split_that_is_fine_says_so():
    train = side(range(20), ["a", "b"] * 10, year=2012, nuts0="DK", name="train")
    test = side(range(100, 110), ["a", "b"] * 5, year=2018, nuts0="SE", name="test")
    table = findings(train, test)
    assert table["verdict"].to_dict() == {
        "points": "fine",
        "content": "unknown",  # there are no such files
        "near-duplicates": "unknown",  # nor were they asked for
        "distance": "fine",
        "years": "fine",
        "countries": "fine",
        "classes": "fine",
    }
    assert "nearest 81 km" in table.loc["distance", "finding"]
    assert "years that training lacks (2018)" in table.loc["years", "finding"]


def test_points_on_both_sides_leak():
    photos = side(range(20), ["a", "b"] * 10)
    check = lh.check_split(photos[:15], photos[12:])
    row = check.table.set_index("question").loc["points"]
    assert check.leaks
    assert (row["verdict"], row["n_test"]) == ("leak", 3)
    assert "3 points stand on both sides (p12, p13, p14): of 3 of 8 test photos" in row["finding"]


def test_photos_without_a_point_are_unknown():
    photos = side(range(20), ["a", "b"] * 10)
    photos.loc[photos["point_id"] == "p3", "point_id"] = None
    row = findings(photos[:10], photos[10:]).loc["points"]
    assert (row["verdict"], row["n_test"]) == ("unknown", 0)


def test_the_same_content_leaks_under_another_name(tmp_path):
    for i in range(6):
        (tmp_path / f"{i}.jpg").write_bytes(bytes([i]) * 50)  # alike in size
    (tmp_path / "copy.jpg").write_bytes(bytes([2]) * 50)
    train = pd.DataFrame(
        {"path": [tmp_path / f"{i}.jpg" for i in range(3)], "habitat": list("aba")}
    )
    test = pd.DataFrame(
        {"path": [tmp_path / n for n in ("3.jpg", "copy.jpg")], "habitat": list("ab")}
    )
    row = findings(train.astype("str"), test.astype("str")).loc["content"]
    assert (row["verdict"], row["n_test"]) == ("leak", 1)
    assert "(copy.jpg is 2.jpg)" in row["finding"]
    (tmp_path / "copy.jpg").write_bytes(bytes([9]) * 50)
    assert findings(train.astype("str"), test.astype("str")).loc["content", "verdict"] == "fine"


def test_neighbours_limit_what_a_test_tells():
    train = side([0, 50], list("ab"), name="train")
    test = side([3, 53, 70, 90], list("abab"), name="test")
    row = findings(train, test).loc["distance"]
    assert (row["verdict"], row["n_test"]) == ("limit", 2)
    assert "2 of 4 test points lie within 10 km" in row["finding"]
    assert "nearest 3 km, median 11.5 km" in row["finding"]
    assert findings(train, test, near=1).loc["distance", "verdict"] == "fine"
    # A point on both sides is no neighbour of itself.
    both = pd.concat([test[2:], train[:1]])
    assert findings(train, both).loc["distance", "n_test"] == 0
    unknown = findings(train.assign(x=np.nan), test).loc["distance"]
    assert unknown["verdict"] == "unknown"


def test_years_and_countries_that_training_has_limit_it():
    train = side(range(4), list("abab"), year=[2012, 2015, 2012, 2015], name="train")
    test = side(range(4), list("abab"), year=[2015, 2018, 2018, 2018], name="test")
    table = findings(train, test)
    assert table.loc["years", "n_test"] == 1
    assert (
        "1 of 4 test photos are of years that training has (2015)" in table.loc["years", "finding"]
    )
    assert table.loc["countries", "verdict"] == "limit"
    assert "all countries of the test (DK)" in table.loc["countries", "finding"]
    assert findings(train, test.drop(columns="nuts0")).loc["countries", "verdict"] == "unknown"


def test_class_shares_that_differ_by_more_than_chance():
    train = side(range(100), ["a"] * 50 + ["b"] * 50, name="train")
    far = findings(train, side(range(100), ["a"] * 90 + ["b"] * 10, name="test")).loc["classes"]
    assert far["verdict"] == "limit"
    assert "50% of the points in training, 90% in the test" in far["finding"]
    # 6 of 10 and 5 of 10 are what chance makes.
    few = findings(train, side(range(10), ["a"] * 6 + ["b"] * 4, name="test")).loc["classes"]
    assert few["verdict"] == "fine"
    lacking = findings(train, side(range(10), ["a"] * 6 + ["c"] * 4, name="test")).loc["classes"]
    assert (lacking["verdict"], lacking["n_test"]) == ("limit", 4)
    assert "training has no c" in lacking["finding"]


def test_one_table_with_its_column_split(tmp_path):
    photos = side(range(20), ["a", "b"] * 10)
    train, test = lh.split_photos(photos)
    check = lh.check_split(pd.concat([train, test]))
    assert (check.n_train, check.n_test) == (16, 4)
    assert check.table.equals(lh.check_split(train, test).table)
    assert not check.leaks
    assert repr(check).startswith(
        "Check of a split: 16 training photos, 4 test photos\nfine     points"
    )
    values = check.as_dict()
    assert json.loads(write_json(values, tmp_path / "c.json").read_text(encoding="utf-8")) == values
    with pytest.raises(InputError, match="needs training and test photos; got 0 and 0"):
        lh.check_split(photos)
