"""ODMAP rows: what covariates know of themselves, in the words of biomod2's table."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucas_habitat import covariates, odmap
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage

CASES = Path(__file__).parents[1] / "cases"
PREDICTORS = ("Data", "Predictor variables")

pytestmark = pytest.mark.filterwarnings("ignore:.*does not say which model:UserWarning")


def points(**columns):
    table = pd.DataFrame(
        {
            "point_id": ["43203210", "43223210", "43203212", "43223212"],
            "year": [2012, 2018, 2018, 2018],
            "n_photos": 5,
            "predicted": ["crop land", "woody", "woody", "grassland"],
            "p_crop_land": [0.7, 0.2, 0.1, 0.3],
            "p_grassland": [0.1, 0.2, 0.2, 0.6],
            "p_woody": [0.2, 0.6, 0.7, 0.1],
            "calibrated": True,
        }
    ).assign(**columns)
    table.attrs["method"] = "mean"
    return table


def made(sites=True, **arguments):
    place = pd.DataFrame({"x": [4321000, 4322000, 4400000], "y": [3211000] * 3}, index=list("abc"))
    if sites:
        arguments = {"sites": place, "crs": "EPSG:3035", "radius": 5000, **arguments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return covariates(points(), **{"drop": "woody", **arguments})


def said(table, element):
    of_predictors = table[table["section"].eq("Data") & table["subsection"].eq(PREDICTORS[1])]
    return of_predictors.set_index("element")["value"][element]


def test_every_row_is_one_of_odmap_in_its_order():
    elements = json.loads((CASES / "odmap_elements.json").read_text(encoding="utf-8"))["elements"]
    rows = odmap(made())
    keys = rows[["section", "subsection", "element"]].to_numpy().tolist()
    places = [elements.index(key) for key in keys]
    assert places == sorted(places)
    assert rows.columns.tolist() == ["section", "subsection", "element", "value"]
    assert rows["value"].str.len().gt(0).all()


def test_what_is_said_follows_from_the_call():
    rows = odmap(made(k=2, year="<=2018", max_distance=4000))
    assert said(rows, "Predictor variables").startswith("p_crop_land, p_grassland: shares (0 to 1)")
    assert "the classes are crop land, grassland, woody" in said(rows, "Predictor variables")
    assert said(rows, "Spatial resolution") == (
        "sites: each value is of the 2 nearest points within 5000 m; no value beyond 4000 m from the "
        "nearest point"
    )
    assert said(rows, "Coordinate reference system") == "EPSG:3035"
    assert said(rows, "Temporal extent") == "2012 to 2018"
    assert said(rows, "Temporal resolution") == "the latest visit of each point up to 2018"
    assert "the largest mean probability over the point's photos" in said(rows, "Data processing")
    assert "weighted by 1 / distance^2" in said(rows, "Data processing")
    assert "1 of 3 rows have no value" in said(rows, "Errors and biases")
    assert "Probabilities were calibrated." in said(rows, "Errors and biases")
    assert said(rows, "Dimension reduction") == "p_woody is left out, because shares sum to one"


def test_the_extent_is_around_the_sites_and_tells_none():
    west, east, south, north = map(
        float, said(odmap(made()), "Spatial extent").split(" (")[0].split(",")
    )
    # 10.0 east is the grid's 4321000, 52.0 north its 3210000.
    assert [west, south] == [10.0, 52.0]
    assert [east, north] == [11.2, 52.1]


def test_points_log_ratios_and_all_classes_are_told_apart():
    at_points = odmap(made(sites=False))
    assert (
        said(at_points, "Spatial resolution") == "points: each row is a point of the survey itself"
    )
    assert "Coordinate reference system" not in set(at_points["element"])
    assert "At sites" not in said(at_points, "Data processing")
    ratios = odmap(made(drop="last", transform="ilr"))
    assert said(ratios, "Predictor variables").startswith("ilr_1, ilr_2: isometric log-ratios")
    assert said(ratios, "Dimension reduction") == "3 shares became 2 log-ratios"
    everything = odmap(made(drop="none"))
    assert said(everything, "Dimension reduction") == "none: all classes are kept"
    assert "cannot use all of them" in everything.iloc[-1]["value"]


def test_only_the_surveys_photos_get_the_surveys_credit():
    assert "LUCAS 2012, 2018, Eurostat" in said(odmap(made()), "Data sources")
    mine = covariates(points(point_id=list("abcd")), drop="woody")
    assert "LUCAS" not in said(odmap(mine), "Data sources")


def test_model_and_accuracy_are_named(model):
    judged = {
        "unit": "point", "n": 40, "n_points": 40, "level": 0.95, "overall_accuracy": 0.8,
        "overall_accuracy_interval": [0.7, 0.9], "kappa": 0.7, "kappa_interval": [None, None],
    }  # fmt: skip
    rows = odmap(made(), model=model, evaluation=judged)
    assert "efficientnet_lite0" in said(rows, "Data sources")
    assert said(rows, "Errors and biases").startswith(
        "Compared with reference classes, overall accuracy 0.800 (95 % interval 0.700 to 0.900) and kappa "
        "0.700, on 40 points."
    )
    with pytest.warns(LucasMessage, match="does not say which model"):
        odmap(made())


def test_a_table_is_filled_in_and_keeps_what_it_says():
    elements = json.loads((CASES / "odmap_elements.json").read_text(encoding="utf-8"))["elements"]
    theirs = pd.DataFrame(elements, columns=["section", "subsection", "element"]).assign(
        value=np.nan
    )
    theirs["value"] = theirs["value"].astype("object")
    is_software = theirs["element"] == "Software"
    theirs.loc[is_software, "value"] = "biomod2 v4.3"
    theirs.loc[theirs["element"] == "Focal Taxon", "value"] = "Bufo bufo"
    filled = odmap(made(), theirs)
    pd.testing.assert_frame_equal(filled.iloc[:, :3], theirs.iloc[:, :3], check_dtype=False)
    assert filled.loc[is_software, "value"].item().startswith("biomod2 v4.3; lucas-habitat ")
    assert filled["value"].notna().sum() == len(odmap(made())) + 1
    # Of biodiversity data, which have a row of the same name, nothing is said.
    biodiversity = filled[filled["subsection"].eq("Biodiversity data")]
    assert biodiversity["value"].isna().all()


def test_rows_that_a_table_lacks_stand_below():
    some = odmap(made()).iloc[:2].assign(value=None)
    assert len(odmap(made(), some)) == len(odmap(made()))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (pd.DataFrame({"element": ["a"]}), "table needs the column section, subsection, value"),
        (
            pd.DataFrame({"section": ["a", "a"], "subsection": "b", "element": "c", "value": "d"}),
            "twice",
        ),
    ],
)
def test_other_tables_are_refused(table, why):
    with pytest.raises(InputError, match=why):
        odmap(made(), table)


@pytest.mark.parametrize(
    "lose",
    [
        lambda table: table.assign(other=1.0),
        lambda table: pd.DataFrame(table.to_dict("list")),
        lambda table: table[[]],
    ],
)
def test_tables_that_are_not_from_covariates_are_refused(lose):
    with pytest.raises(InputError, match=r"not known to come from covariates\(\): a merge"):
        odmap(lose(made()))


def test_a_note_that_is_none_is_refused():
    for note in ("", "[]", "{}", '{"k": 1}', "3"):
        table = made()
        table.attrs["lucas_covariates"] = note
        with pytest.raises(InputError, match="not known to come from"):
            odmap(table)


def test_parquet_and_fewer_columns_keep_what_was_noted(tmp_path):
    table = made()
    table.to_parquet(tmp_path / "c.parquet")
    pd.testing.assert_frame_equal(odmap(tmp_path / "c.parquet"), odmap(table))
    assert said(odmap(table[["p_grassland"]]), "Predictor variables").startswith("p_grassland: ")


def test_the_command_writes_the_rows(tmp_path):
    made().to_parquet(tmp_path / "c.parquet")
    out = tmp_path / "odmap.csv"
    assert main(["odmap", str(tmp_path / "c.parquet"), "--out", str(out)]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(out, dtype="str"), odmap(made()))
    made().to_csv(tmp_path / "c.csv")
    assert main(["odmap", str(tmp_path / "c.csv"), "--out", str(out)]) == 1
