"""Whether a table says that its probabilities are calibrated is asked in one way, everywhere."""

import warnings

import pandas as pd
import pytest

from lucas_habitat import changes, covariates, report, transitions, vote
from lucas_habitat._base.classes import is_calibrated
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.errors import LucasMessage, LucasWarning

TRUE = [True, "True", "TRUE", "true"]
NOT = [False, "False", "FALSE", "", None, pd.NA, float("nan"), "no", 1.5]


def points(value):
    n = 24
    return pd.DataFrame(
        {
            "point_id": [str(31003100 + 2 * (i // 2)) for i in range(n)],
            "year": [2015, 2018] * (n // 2),
            "path": [f"{i}.jpg" for i in range(n)],
            "n_photos": 1,
            "predicted": ["grass", "woods"] * (n // 2),
            "p_grass": 0.75,
            "p_woods": 0.25,
            "calibrated": pd.Series([True] * (n - 1) + [value], dtype="object"),
        }
    )


def notes(function, *given, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*given, **options)
    return " ".join(
        str(w.message) for w in caught if issubclass(w.category, LucasWarning | LucasMessage)
    )


@pytest.mark.parametrize("value", TRUE, ids=repr)
def test_truth_in_any_spelling(value):
    table = points(value)
    assert is_calibrated(table)
    assert "not calibrated" not in notes(covariates, table, year="latest")
    assert vote(table)["calibrated"].all()


@pytest.mark.parametrize("value", NOT, ids=repr)
def test_anything_else_is_not_calibrated_anywhere(value, tmp_path):
    table = points(value)
    assert not is_calibrated(table)
    assert "was not calibrated" in notes(covariates, table, year="latest")
    for function in (changes, transitions):
        assert "not known to be, calibrated" in notes(function, table)
    assert not vote(table)["calibrated"].all()
    report(vote(table).assign(path=table["path"]), tmp_path / "r.html")
    assert "not calibrated" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_table_without_the_column_does_not_say_so():
    table = points(True).drop(columns="calibrated")
    assert not is_calibrated(table)
    assert "not known whether the model was calibrated" in notes(covariates, table, year="latest")
    assert "calibrated" not in vote(table)


@pytest.mark.parametrize("value", [True, False, None])
def test_csv_and_parquet_change_nothing(value, tmp_path):
    table = points(value).astype({"calibrated": "boolean"})
    for ending in ("csv", "parquet"):
        path = write_table(table, tmp_path / f"t.{ending}")
        assert is_calibrated(read_table(path)) == is_calibrated(table) == (value is True)
