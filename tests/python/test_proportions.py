"""Covariates: the order kept, sums of exactly one, the right neighbours, and what is refused."""

import copy
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import growth

from lucas_habitat import interpolation
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.proportions import covariates, support

CASES = json.loads(
    (Path(__file__).parents[1] / "cases" / "covariates.json").read_text(encoding="utf-8")
)
TOLERANCE = CASES["tolerance"]
P = ["p_cropland", "p_grassland", "p_woody"]


def case_points(calibrated=True):
    points = pd.DataFrame(CASES["points"])
    points["year"] = points["year"].astype("Int64")
    points["calibrated"] = calibrated
    return points


def make_points(**columns):
    """Two points a kilometre either side of (4321000, 3210000), unless told otherwise."""
    table = {
        "point_id": ["a", "b"],
        "year": [2018, 2018],
        "n_photos": [5, 4],
        "x": [4320000.0, 4322000.0],
        "y": [3210000.0, 3210000.0],
        "p_cropland": [0.7, 0.1],
        "p_grassland": [0.3, 0.9],
    } | columns
    points = pd.DataFrame(table).astype({"year": "Int64"})
    points["calibrated"] = True
    return points


def make_sites(x=(4321000.0,), y=(3210000.0,), index=None):
    return pd.DataFrame({"x": x, "y": y}, index=index)


def lonlat_points(lon, lat, **columns):
    """Points known by longitude and latitude, the first all cropland, the others grassland."""
    n = len(lon)
    crop = [1.0] + [0.0] * (n - 1)
    return make_points(
        **{
            "point_id": [f"q{i}" for i in range(n)],
            "year": [2018] * n,
            "n_photos": [5] * n,
            "x": [np.nan] * n,
            "y": [np.nan] * n,
            "lon": lon,
            "lat": lat,
            "p_cropland": crop,
            "p_grassland": [1 - c for c in crop],
        }
        | columns
    )


# --- numbers both languages share -------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["at_points"], ids=lambda c: str(c["arguments"]))
@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_cases_at_points(case):
    result = covariates(case_points(), **case["arguments"])
    assert list(result) == list(case["columns"])
    assert list(result.index) == CASES["points"]["point_id"]
    for column, expected in case["columns"].items():
        np.testing.assert_allclose(result[column], expected, rtol=0, atol=TOLERANCE["log_ratios"])


@pytest.mark.parametrize("crs", CASES["sites"])
@pytest.mark.parametrize("case", CASES["at_sites"], ids=lambda c: str(c["arguments"]))
def test_cases_at_sites(case, crs):
    sites = pd.DataFrame(CASES["sites"][crs])
    arguments = {"crs": crs, "id": "site", "drop": "none"} | case["arguments"]
    if "warning" in case:
        with pytest.warns(LucasWarning, match=case["warning"]):
            result = covariates(case_points(), sites, **arguments)
    else:
        result = covariates(case_points(), sites, **arguments)

    assert list(result) == P
    assert list(result.index) == list(sites["site"])
    for column, expected in case["columns"].items():
        wanted = np.array(expected, dtype=float)
        np.testing.assert_allclose(result[column], wanted, rtol=0, atol=TOLERANCE["shares"])
    behind = support(result)
    assert list(behind) == list(case["support"])
    for column, expected in case["support"].items():
        wanted = np.array(expected, dtype=float)
        got = behind[column].to_numpy(dtype=float, na_value=np.nan)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE["metres"])


# --- without sites ----------------------------------------------------------------------------


def test_points_keep_their_order_and_only_modelling_columns():
    points = make_points(
        point_id=["z", "a"],
        predicted=["cropland", "grassland"],
        agreement=[1.0, 0.8],
        v_cropland=[1.0, 0.2],
        v_grassland=[0.0, 0.8],
    )
    result = covariates(points, drop="none")
    assert type(result) is pd.DataFrame
    assert list(result.index) == ["z", "a"]
    assert result.index.name == "point_id"
    assert list(result) == ["p_cropland", "p_grassland"]
    assert (result.dtypes == "float64").all()


def test_points_without_photos_stay_as_nan_rows_and_are_counted():
    points = make_points(n_photos=[5, 0], p_cropland=[0.7, np.nan], p_grassland=[0.3, np.nan])
    with pytest.warns(LucasWarning, match=r"1 of 2 points have no usable photo.* NaN: b\."):
        result = covariates(points, drop="none")
    assert result.loc["b"].isna().all()
    assert result.loc["a"].tolist() == pytest.approx([0.7, 0.3])
    behind = support(result)
    assert behind["n_points"].tolist() == [1, 0]
    assert behind["n_photos"].tolist() == [5, 0]
    assert behind["mean_distance"].tolist() == pytest.approx([0.0, np.nan], nan_ok=True)
    assert behind["last_year"].tolist() == [2018, pd.NA]


@pytest.mark.parametrize(
    "options", [{"crs": "EPSG:4326"}, {"id": "site"}, {"k": 3}, {"radius": 1000}]
)
def test_options_for_sites_are_refused_without_sites(options):
    with pytest.raises(InputError, match=f"{next(iter(options))} cannot be given without sites"):
        covariates(make_points(), **options)


def test_a_path_is_read_like_the_table(tmp_path):
    case_points().to_csv(tmp_path / "points.csv", index=False)
    pd.DataFrame(CASES["sites"]["EPSG:4326"]).to_csv(tmp_path / "sites.csv", index=False)
    result = covariates(
        tmp_path / "points.csv",
        str(tmp_path / "sites.csv"),
        crs="EPSG:4326",
        id="site",
        k=2,
        max_distance=5000,
        drop="none",
    )
    # The nearest two of "mid": (0.7 + 0.1) / 2, (0.2 + 0.6) / 2, (0.1 + 0.3) / 2
    assert result.loc["mid"].tolist() == pytest.approx([0.4, 0.4, 0.2], abs=1e-6)


def test_the_given_tables_are_left_alone():
    points, sites = make_points(), make_sites()
    before = points.copy(), sites.copy()
    covariates(points, sites, crs="EPSG:3035", k=2, drop="none")
    pd.testing.assert_frame_equal(points, before[0])
    pd.testing.assert_frame_equal(sites, before[1])


# --- calibration ------------------------------------------------------------------------------


def test_an_uncalibrated_model_is_warned_of():
    with pytest.warns(LucasWarning, match="was not calibrated, so .* not proportions"):
        covariates(case_points(calibrated=False), drop="none")


def test_unknown_calibration_is_warned_of():
    points = make_points()
    del points["calibrated"]
    with pytest.warns(LucasWarning, match="not known whether the model was calibrated"):
        covariates(points, drop="none")


def test_warnings_point_at_the_caller():
    with pytest.warns(LucasWarning) as caught:
        covariates(case_points(calibrated=False), drop="none")
    assert caught[0].filename == __file__


# --- shares that sum to one -------------------------------------------------------------------


def softmax_points(n=300, k=4, kind="float32", seed=1):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(k), n).astype(kind)
    points = pd.DataFrame(shares, columns=[f"p_c{i}" for i in range(k)])
    points.insert(0, "point_id", [str(i) for i in range(n)])
    points.insert(1, "n_photos", 5)
    points["x"] = rng.uniform(4.0e6, 4.1e6, n)
    points["y"] = rng.uniform(3.0e6, 3.1e6, n)
    points["calibrated"] = True
    return points


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_rows_sum_to_one_and_leave_a_glm_exactly_singular(kind):
    # As float32, the sums miss 1 by up to 1e-7; a GLM on [1, p_1 ... p_K] then takes the noise
    # for a K-th dimension and finds coefficients of millions. Closed in float64 the matrix has
    # no such dimension, and a GLM drops a column as it should.
    k = 4
    points = softmax_points(k=k, kind=kind)
    for result in (
        covariates(points, drop="none"),
        covariates(
            points,
            make_sites([4.05e6, 4.02e6], [3.05e6, 3.03e6]),
            crs="EPSG:3035",
            k=7,
            drop="none",
        ),
    ):
        assert (result.sum(axis=1) - 1).abs().max() <= 1e-15 * k
    shares = covariates(points, drop="none").to_numpy()
    singular = np.linalg.svd(np.column_stack([np.ones(len(shares)), shares]), compute_uv=False)
    assert singular[-1] < 1e-14 * singular[0]
    if kind == "float32":  # the trap is real: untreated, the last dimension is there
        raw = points.filter(regex="^p_").to_numpy(dtype="float64")
        raw = np.linalg.svd(np.column_stack([np.ones(len(raw)), raw]), compute_uv=False)
        assert raw[-1] > 1e-9 * raw[0]


def test_rounded_tables_are_closed_with_a_warning():
    # 0.333 x 3 = 0.999, so each becomes exactly a third
    points = make_points(p_cropland=[0.333, 0.5], p_grassland=[0.333, 0.25], p_woody=[0.333, 0.25])
    with pytest.warns(LucasWarning, match=r"rounded: .* by up to 0\.001, .* 15 digits"):
        result = covariates(points, drop="none")
    assert result.loc["a"].tolist() == pytest.approx([1 / 3] * 3, abs=1e-15)


@pytest.mark.parametrize(
    ("crop", "grass", "message"),
    [
        ([0.7, -0.1], [0.3, 1.1], "of 1 points are negative: b"),
        ([0.7, np.inf], [0.3, 0.0], "of 1 points are infinite: b"),
        ([0.7, 0.0], [0.3, 0.0], "of 1 points do not sum to 1 .*: b"),
        ([0.7, 0.6], [0.3, 0.42], "of 1 points do not sum to 1 .*: b"),
        ([70.0, 10.0], [30.0, 90.0], "of 2 points do not sum to 1 .*: a, b"),
        ([0.7, np.nan], [0.3, 0.9], "of 1 points are missing for some classes only: b"),
    ],
)
def test_what_is_no_share_is_refused(crop, grass, message):
    with pytest.raises(InputError, match=message):
        covariates(make_points(p_cropland=crop, p_grassland=grass))


# --- classes left out, log-ratios -------------------------------------------------------------


def test_the_last_class_is_left_out_with_a_message():
    with pytest.warns(LucasMessage, match=r"last class is left out \(p_woody\)"):
        result = covariates(case_points())
    assert list(result) == ["p_cropland", "p_grassland"]  # k - 1


@pytest.mark.parametrize("drop", ["woody vegetation", "p_woody_vegetation"])
def test_a_class_is_left_out_by_label_or_column(drop):
    points = make_points(predicted=["cropland", "woody vegetation"])
    points["predicted"] = pd.Categorical(
        points["predicted"], ["woody vegetation", "cropland", "grassland"]
    )
    points.insert(5, "p_woody_vegetation", 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # asked for, so nothing to say
        assert list(covariates(points, drop=drop)) == ["p_cropland", "p_grassland"]


def test_drop_none_keeps_all_classes():
    assert list(covariates(case_points(), drop="none")) == P


def test_an_unknown_class_to_drop_is_refused():
    with pytest.raises(InputError, match="drop must be one of 'last', 'none', 'cropland', "):
        covariates(case_points(), drop="forest")


def test_log_ratios_count_the_zeros_they_replace():
    with pytest.warns(LucasMessage, match=r"1 of 12 shares below 1e-06 became 1e-06"):
        result = covariates(case_points(), transform="ilr")
    assert list(result) == ["ilr_1", "ilr_2"]
    assert support(result)["n_points"].tolist() == [1, 1, 1, 1]


def test_log_ratios_keep_nan_rows():
    points = make_points(n_photos=[5, 0], p_cropland=[0.5, np.nan], p_grassland=[0.5, np.nan])
    with pytest.warns(LucasWarning, match="no usable photo"):
        result = covariates(points, transform="ilr")
    assert result["ilr_1"].tolist() == pytest.approx([0.0, np.nan], nan_ok=True)  # ln(1) / sqrt(2)


def test_log_ratios_do_not_go_with_drop():
    with pytest.raises(InputError, match="drop='none' does not go with transform='ilr'"):
        covariates(case_points(), transform="ilr", drop="none")


def test_an_unknown_transform_is_refused():
    with pytest.raises(InputError, match="transform must be one of 'ilr'; got 'clr'"):
        covariates(case_points(), transform="clr")


# --- years ------------------------------------------------------------------------------------


def revisited():
    """Point a in 2015 and 2018, b in 2015 only, c without a year."""
    return make_points(
        point_id=["a", "b", "a", "c"],
        year=[2015, 2015, 2018, pd.NA],
        n_photos=[5, 4, 3, 2],
        x=[4320000.0, 4322000.0, 4320000.0, 4321000.0],
        y=[3210000.0] * 4,
        p_cropland=[0.6, 0.5, 0.2, 0.0],
        p_grassland=[0.4, 0.5, 0.8, 1.0],
    )


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2018, {"a": 0.2}),
        (2018.0, {"a": 0.2}),
        (np.int64(2015), {"a": 0.6, "b": 0.5}),
        ("latest", {"b": 0.5, "a": 0.2}),  # rows keep the table's order
        ("<=2016", {"a": 0.6, "b": 0.5}),
        ("<= 2018", {"b": 0.5, "a": 0.2}),
    ],
)
def test_a_revisited_point_counts_once(year, expected):
    with pytest.warns(LucasWarning, match="1 rows of points have no year and are left out"):
        result = covariates(revisited(), year=year, drop="none")
    assert list(result.index) == list(expected)
    assert result["p_cropland"].tolist() == pytest.approx(list(expected.values()))


def test_the_latest_of_each_point_keep_the_order_of_the_table():
    result = covariates(make_points(year=[2018, 2015]), year="latest", drop="none")
    assert list(result.index) == ["a", "b"]


def test_a_revisited_point_counts_once_at_a_site():
    # Halfway between a (2018: 0.2) and b (2015: 0.5): 0.35. With a twice it would be 1.3 / 3.
    with pytest.warns(LucasWarning, match="no year"):
        result = covariates(
            revisited(), make_sites(), crs="EPSG:3035", k=9, year="latest", drop="none"
        )
    assert result["p_cropland"].tolist() == pytest.approx([0.35])
    behind = support(result).filter(regex="^n_|_year$")
    assert behind.iloc[0].tolist() == [2, 7, 2015, 2018]


def test_the_latest_year_with_photos_counts():
    points = make_points(
        point_id=["a", "a"],
        year=[2018, 2015],
        n_photos=[0, 5],
        p_cropland=[np.nan, 0.6],
        p_grassland=[np.nan, 0.4],
    )
    result = covariates(points, year="latest", drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.6])
    assert support(result)["last_year"].tolist() == [2015]


def test_a_missing_year_is_no_trouble_where_points_are_unique():
    result = covariates(make_points(year=[pd.NA, 2018]), drop="none")
    assert support(result)["first_year"].tolist() == [pd.NA, 2018]


def test_a_table_without_the_column_year_is_no_trouble():
    assert len(covariates(make_points().drop(columns="year"), drop="none")) == 2


def test_several_years_need_a_choice():
    with pytest.raises(InputError, match=r"a: 2015, 2018\).*year=2018 .*'latest' .*'<=2018'"):
        covariates(revisited())


def test_a_year_that_does_not_occur_is_refused():
    with pytest.raises(InputError, match=r"no row of year=2012; its years are: 2015, 2018\."):
        covariates(revisited(), year=2012)


def test_a_year_without_any_year_in_the_table_is_refused():
    with pytest.raises(InputError, match=r"no row of year=2018; its years are: none"):
        covariates(make_points(year=[pd.NA, pd.NA]), year=2018)


def test_of_plots_without_years_all_are_the_latest():
    with pytest.warns(LucasMessage, match="last class"):
        covariates(make_points(year=[pd.NA, pd.NA]), year="latest")


@pytest.mark.parametrize("year", ["last", ">=2018", 18])
def test_a_year_of_another_form_is_refused(year):
    with pytest.raises(InputError, match="year must be a year such as 2018, 'latest' or '<=2018'"):
        covariates(revisited(), year=year)


def test_the_same_point_and_year_twice_is_refused():
    with pytest.raises(InputError, match=r"more than once in a year \(a: 2018, 2018\)"):
        covariates(make_points(point_id=["a", "a"]), year=2018)


# --- the points table -------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["point_id", "n_photos"])
def test_a_missing_column_is_refused(column):
    with pytest.raises(InputError, match=f"points needs the column {column}"):
        covariates(make_points().drop(columns=column))


def test_fewer_than_two_classes_are_refused():
    with pytest.raises(InputError, match=r"two or more classes.*got p_cropland"):
        covariates(make_points().drop(columns="p_grassland"))


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="points has no rows"):
        covariates(make_points().iloc[:0])


def test_a_missing_point_id_is_refused():
    with pytest.raises(InputError, match="1 rows without a point_id"):
        covariates(make_points(point_id=["a", None]))


# --- sites: arguments -------------------------------------------------------------------------


def test_sites_need_k_or_radius():
    with pytest.raises(InputError, match=r"give k .* radius .* or both"):
        covariates(make_points(), make_sites(), crs="EPSG:3035")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be a whole number, at least 1; got 0"),
        ({"k": 1.5}, "k must be a whole number"),
        ({"radius": 0.01}, "radius must be a number, at least 1 "),
        ({"radius": float("inf")}, "radius must be a number"),
    ],
)
def test_k_and_radius_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        covariates(make_points(), make_sites(), crs="EPSG:3035", **options)


def test_sites_need_a_crs():
    with pytest.raises(InputError, match="crs is needed with sites"):
        covariates(make_points(), make_sites(), k=1)


@pytest.mark.parametrize("crs", ["EPSG:999999", "Denmark"])
def test_an_unknown_crs_is_refused(crs):
    with pytest.raises(InputError, match=f"crs='{crs}' is not understood"):
        covariates(make_points(), make_sites(), crs=crs, k=1)


def test_a_geocentric_crs_is_refused():
    with pytest.raises(InputError, match="must be geographic or projected"):
        covariates(make_points(), make_sites(), crs="EPSG:4978", k=1)


@pytest.mark.parametrize("crs", [3035, 3035.0, "EPSG:3035"])
def test_a_crs_may_be_a_number_also_as_r_hands_it_over(crs):
    result = covariates(make_points(), make_sites(), crs=crs, k=2.0, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.4])  # (0.7 + 0.1) / 2


# --- sites: ids and order ---------------------------------------------------------------------


def test_sites_keep_their_order_and_index():
    # From east to west: at b, between, at a
    sites = make_sites([4322000.0, 4321000.0, 4320000.0], [3210000.0] * 3, index=[30, 10, 20])
    result = covariates(make_points(), sites, crs="EPSG:3035", k=2, drop="none")
    assert result.index.tolist() == [30, 10, 20]
    assert result["p_cropland"].tolist() == pytest.approx([0.1, 0.4, 0.7])


def test_the_id_becomes_the_index():
    sites = make_sites().assign(plot="north field")
    result = covariates(make_points(), sites, crs="EPSG:3035", id="plot", k=1, drop="none")
    assert result.index.tolist() == ["north field"]
    assert result.index.name == "plot"


def test_an_unknown_id_column_is_refused():
    with pytest.raises(InputError, match="sites needs the column plot; got x, y"):
        covariates(make_points(), make_sites(), crs="EPSG:3035", id="plot", k=1)


@pytest.mark.parametrize("use_column", [True, False])
def test_ids_that_occur_twice_are_refused(use_column):
    sites = make_sites([4321000.0] * 4, [3210000.0] * 4, index=["A", "B", "A", "B"])
    sites["plot"] = sites.index
    options = {"id": "plot"} if use_column else {}
    where = "The column plot" if use_column else "The index"
    with pytest.raises(InputError, match=f"{where} of sites has ids that occur .*: A, B"):
        covariates(make_points(), sites, crs="EPSG:3035", k=1, **options)


def test_missing_ids_are_refused():
    sites = make_sites().assign(plot=[None])
    with pytest.raises(InputError, match="The column plot of sites has 1 missing ids"):
        covariates(make_points(), sites, crs="EPSG:3035", id="plot", k=1)


def test_no_sites_give_no_rows():
    result = covariates(make_points(), make_sites().iloc[:0], crs="EPSG:3035", k=1, drop="none")
    assert result.shape == (0, 2)
    assert support(result).shape == (0, 7)


# --- sites: coordinate columns ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "crs"),
    [
        (("X", "Y"), "EPSG:3035"),
        (("Easting", "Northing"), "EPSG:3035"),
        (("LON", "Lat"), "EPSG:4326"),
        (("longitude", "latitude"), "EPSG:4326"),
        (("x", "y"), "EPSG:4326"),
    ],
)
def test_coordinate_columns_are_found(columns, crs):
    values = (10.0, 52.0) if crs == "EPSG:4326" else (4321000.0, 3210000.0)
    sites = pd.DataFrame([values], columns=list(columns))
    result = covariates(make_points(), sites, crs=crs, k=2, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.4])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035"])
def test_the_crs_tells_which_of_two_kinds_of_columns_is_meant(crs):
    sites = make_sites().assign(lon=10.0, lat=52.0)
    result = covariates(make_points(), sites, crs=crs, k=2, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.4])


@pytest.mark.parametrize(
    ("columns", "crs", "message"),
    [
        (["x", "Y", "y"], "EPSG:3035", "found several among x, Y, y"),
        (["x", "y", "easting", "northing"], "EPSG:3035", "found several among"),
        (["lon", "lat", "longitude", "latitude"], "EPSG:4326", "lon and lat for WGS 84; found sev"),
        (["lon", "lat"], "EPSG:3035", "x and y for .* found none among lon, lat"),
        (["easting", "northing"], "EPSG:4326", "found none among easting, northing"),
        (["x"], "EPSG:3035", "found none among x"),
    ],
)
def test_unclear_coordinate_columns_are_refused(columns, crs, message):
    sites = pd.DataFrame([[10.0] * len(columns)], columns=columns)
    with pytest.raises(InputError, match=message):
        covariates(make_points(), sites, crs=crs, k=1)


def test_coordinates_that_are_text_are_refused():
    sites = make_sites(["4321000", "4321000,5"], ["3210000", "3210000"])
    with pytest.raises(InputError, match=r"column x of sites must hold numbers; 1 rows .*000,5"):
        covariates(make_points(), sites, crs="EPSG:3035", k=1)


def test_an_array_of_coordinates_is_sites():
    sites = make_sites([4320000.0, 4321000.0], [3210000.0] * 2)
    options = {"crs": 3035, "k": 2, "drop": "none"}
    pd.testing.assert_frame_equal(
        covariates(make_points(), sites.to_numpy(), **options),
        covariates(make_points(), sites, **options),
    )
    with pytest.raises(InputError, match=r"two columns, x and y; got the shape \(2, 3\)"):
        covariates(make_points(), np.zeros((2, 3)), **options)


# --- sites: unusable coordinates --------------------------------------------------------------


def test_sites_without_usable_coordinates_are_nan_rows_told_apart_from_lonely_ones():
    # Missing, infinite, outside what EPSG:3035 can be turned back from; then one 100 km off
    sites = make_sites(
        [4321000.0, np.nan, np.inf, 1e9, 4421000.0],
        [3210000.0, 3210000.0, 0.0, 1e9, 3210000.0],
        index=list("vwxyz"),
    )
    with pytest.warns(
        LucasWarning,
        match=r"Of 5 sites these rows are NaN: 3 have coordinates that are missing, infinite or outside "
        r"ETRS89.* \(w, x, y\); 1 have no point within 5000 m \(z\)",
    ):
        result = covariates(make_points(), sites, crs="EPSG:3035", radius=5000, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.4] + [np.nan] * 4, nan_ok=True)
    assert support(result)["n_points"].tolist() == [2, 0, 0, 0, 0]


def test_a_sentinel_among_degrees_is_a_nan_row():
    sites = pd.DataFrame({"lon": [10.0, -9999.0], "lat": [52.0, -9999.0]})
    with pytest.warns(LucasWarning, match=r"1 have coordinates .* outside WGS 84 \(1\)"):
        result = covariates(make_points(), sites, crs="EPSG:4326", k=2, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.4, np.nan], nan_ok=True)


def test_sites_all_without_coordinates_are_all_nan():
    with pytest.warns(LucasWarning, match="1 have coordinates that are missing"):
        result = covariates(make_points(), make_sites([np.nan]), crs="EPSG:3035", k=2, drop="none")
    assert result.isna().all(axis=None)


def test_a_latitude_beyond_90_is_taken_for_a_longitude():
    sites = pd.DataFrame({"lon": [52.0], "lat": [110.0]})
    with pytest.raises(InputError, match=r"lon and lat of sites look swapped: lat is 110 .*Exchan"):
        covariates(make_points(), sites, crs="EPSG:4326", k=1)


def test_swapped_degrees_are_noticed_by_their_distance():
    # 52 E, 10 N lies in the Gulf of Aden; 10 E, 52 N between the points
    sites = pd.DataFrame({"lon": [52.0, 52.1], "lat": [10.0, 10.1]})
    for options in ({"k": 1}, {"radius": 5000}):
        with pytest.raises(InputError, match="Longitude and latitude of sites look swapped"):
            covariates(make_points(), sites, crs="EPSG:4326", **options)


def test_metres_given_as_degrees_are_refused():
    sites = pd.DataFrame({"lon": [4321000.0], "lat": [3210000.0]})
    with pytest.raises(InputError, match=r"hold no degrees .* WGS 84 is geographic"):
        covariates(make_points(), sites, crs="EPSG:4326", k=1)


def test_degrees_given_as_metres_are_refused():
    with pytest.raises(InputError, match=r"x and y of sites look like degrees \(such as 10, 52\)"):
        covariates(make_points(), make_sites([10.0], [52.0]), crs="EPSG:25832", k=1)


def test_a_wrong_crs_is_noticed_by_the_distance():
    # EPSG:3035 metres taken for UTM 32 lie in Arabia
    with pytest.raises(InputError, match=r"Every site is [\d,]+ km or more from the nearest point"):
        covariates(make_points(), make_sites(), crs="EPSG:25832", k=1)


def test_far_sites_are_nan_rows_where_a_radius_says_so():
    sites = pd.DataFrame({"lon": [150.0], "lat": [-30.0]})
    with pytest.warns(LucasWarning, match=r"1 have no point within 5000 m \(0\)"):
        result = covariates(make_points(), sites, crs="EPSG:4326", k=1, radius=5000, drop="none")
    assert result.isna().all(axis=None)


# --- where points are -------------------------------------------------------------------------


def test_points_are_located_by_xy_then_lonlat_then_lucas_id():
    # 43203210 is 4320 km E, 3210 km N. All three lie 1 km from the site, so the shares are the
    # plain mean (1 + 0 + 0) / 3, unless one of them is misplaced.
    points = make_points(
        point_id=["a", "b", "43203210"],
        year=[2018] * 3,
        n_photos=[5] * 3,
        x=[4322000.0, np.nan, np.nan],
        y=[3210000.0, np.nan, np.nan],
        lon=[0.0, 10.0, np.nan],
        lat=[0.0, 52.0 + 1000 / 111270.0, np.nan],
        p_cropland=[1.0, 0.0, 0.0],
        p_grassland=[0.0, 1.0, 1.0],
    )
    result = covariates(points, make_sites(), crs="EPSG:3035", radius=1500, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([1 / 3], abs=1e-3)
    assert support(result)["mean_distance"].tolist() == pytest.approx([1000], abs=1)


def test_points_without_coordinates_are_left_out_and_counted():
    # "00010002" is a plot number: 1 km E, 2 km N would lie in the tropics
    points = make_points(point_id=["00010002", "b"], x=[np.nan, 4322000.0], y=[np.nan, 3210000.0])
    with pytest.warns(LucasWarning, match="1 of 2 points have no usable coordinates .*: 00010002"):
        result = covariates(points, make_sites(), crs=3035, k=2, max_distance=5000, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.1])


def test_points_without_photos_are_left_out_and_counted():
    points = make_points(n_photos=[0, 4], p_cropland=[np.nan, 0.1], p_grassland=[np.nan, 0.9])
    with pytest.warns(LucasWarning, match="1 of 2 points have no usable photo .* left out: a"):
        result = covariates(points, make_sites(), crs=3035, k=2, max_distance=5000, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.1])


def test_no_point_with_coordinates_is_refused():
    points = make_points().drop(columns=["x", "y"])
    with pytest.raises(InputError, match="No point has both probabilities and coordinates"):
        covariates(points, make_sites(), crs="EPSG:3035", k=1)


def test_degrees_in_the_points_x_and_y_are_refused():
    points = make_points(x=[9.9, 10.1], y=[52.0, 52.0])
    with pytest.raises(InputError, match="x and y of points look like degrees"):
        covariates(points, make_sites(), crs="EPSG:3035", k=1)


# --- neighbours and weights -------------------------------------------------------------------


def test_a_site_on_top_of_points_takes_all_of_them_even_beyond_k():
    # Two plots on one spot, a third 500 m away: (1 + 0) / 2, the third not at all
    points = make_points(
        point_id=["a", "b", "c"],
        year=[2018] * 3,
        n_photos=[5, 4, 3],
        x=[4321000.0, 4321000.5, 4321500.0],
        y=[3210000.0] * 3,
        p_cropland=[1.0, 0.0, 0.0],
        p_grassland=[0.0, 1.0, 1.0],
    )
    for options in ({"k": 1}, {"k": 3}, {"radius": 1000}, {"k": 2, "radius": 1}):
        result = covariates(points, make_sites(), crs="EPSG:3035", drop="none", **options)
        assert result["p_cropland"].tolist() == [0.5]
        assert support(result)["n_photos"].tolist() == [9]


def test_k_may_exceed_the_number_of_points():
    result = covariates(make_points(), make_sites(), crs="EPSG:3035", k=50, drop="none")
    assert support(result)["n_points"].tolist() == [2]


@pytest.mark.parametrize("options", [{"k": 2}, {"radius": 50_000}])
def test_distances_are_right_across_the_date_line(options):
    # The site at 180 E lies midway between 179.9 E and 179.9 W: 11 km each on the equator
    points = lonlat_points([179.9, -179.9], [0.0, 0.0])
    sites = pd.DataFrame({"lon": [180.0], "lat": [0.0]})
    result = covariates(points, sites, crs="EPSG:4326", drop="none", **options)
    assert result["p_cropland"].tolist() == pytest.approx([0.5])
    # 0.1 degrees of the equator: 6378137 m x pi / 1800 = 11131.95 m
    assert support(result)["mean_distance"].tolist() == pytest.approx([11131.95], abs=0.01)


def test_distances_are_right_at_the_pole():
    # Two points on opposite meridians, 0.1 and 0.2 degrees from the pole: weights 4 : 1, so 4 / 5
    points = lonlat_points([0.0, 180.0], [89.9, 89.8])
    sites = pd.DataFrame({"lon": [77.0], "lat": [90.0]})
    result = covariates(points, sites, crs="EPSG:4326", k=2, drop="none")
    assert result["p_cropland"].tolist() == pytest.approx([0.8], abs=1e-5)


def test_distances_are_right_far_from_europe_in_another_datum():
    # New Zealand: a point with a site on it, in NZGD2000 / NZTM and in degrees up to 360
    points = lonlat_points([173.0, 173.1], [-41.0, -41.0])
    # 173 E is NZTM's central meridian: x is its false easting; y from PROJ
    nztm = pd.DataFrame({"easting": [1600000.0], "northing": [5461242.938]})
    degrees = pd.DataFrame({"lon": [173.0 - 360], "lat": [-41.0]})
    for sites, crs in ((nztm, "EPSG:2193"), (degrees, "EPSG:4326")):
        result = covariates(points, sites, crs=crs, k=2, drop="none")
        assert result["p_cropland"].tolist() == [1.0]


def test_a_datum_with_other_heights_moves_nothing_up_or_down():
    # DHDN (Bessel's ellipsoid) lies tens of metres off WGS84 in height. The site is a point's
    # position in Gauss-Krueger zone 3, from PROJ; were its height taken along, it would not be
    # on top of the point.
    points = lonlat_points([8.99896057, 9.1], [49.99633993, 50.0])
    result = covariates(
        points, make_sites([3500000.0], [5540000.0]), crs="EPSG:31467", k=2, drop="none"
    )
    assert support(result)["mean_distance"].tolist() == pytest.approx([0], abs=1)


def random_sites(n, seed=2):
    rng = np.random.default_rng(seed)
    return make_sites(rng.uniform(4.0e6, 4.1e6, n), rng.uniform(3.0e6, 3.1e6, n))


@pytest.mark.parametrize("options", [{"k": 4}, {"radius": 20_000}, {"k": 4, "radius": 6000}])
@pytest.mark.filterwarnings("ignore:Of .* sites these rows are NaN")
def test_chunks_and_the_formula_written_out_agree(options, monkeypatch):
    points, sites = softmax_points(), random_sites(50)
    whole = covariates(points, sites, crs="EPSG:3035", drop="none", **options)
    monkeypatch.setattr(interpolation, "_PAIRS", 10)
    cut = covariates(points, sites, crs="EPSG:3035", drop="none", **options)
    pd.testing.assert_frame_equal(whole, cut, check_exact=True)

    # Plane distances: they differ from those on the ground by less than 0.5 % here
    p = points.filter(regex="^p_").to_numpy(dtype="float64")
    for i in range(len(sites)):
        d = np.hypot(points["x"] - sites["x"][i], points["y"] - sites["y"][i]).to_numpy()
        use = np.argsort(d)[: options.get("k", len(d))]
        use = use[d[use] <= options.get("radius", np.inf)]
        if len(use):
            expected = (p[use] / d[use, None] ** 2).sum(axis=0) / (1 / d[use] ** 2).sum()
            np.testing.assert_allclose(whole.iloc[i], expected, atol=0.005)


@pytest.mark.parametrize("options", [{"k": 5}, {"radius": 5000}])
def test_time_grows_with_the_sites_and_no_faster(options):
    points, sites = softmax_points(n=5000), random_sites(20_000)
    options = {"crs": "EPSG:3035", "drop": "none", **options}
    assert growth(lambda s: covariates(points, s, **options), sites.head(2_500), sites) < 16


def test_not_every_site_is_held_against_every_point():
    points, sites = softmax_points(n=10_000), random_sites(5_000)
    options = {"crs": "EPSG:3035", "drop": "none", "k": 5}
    assert growth(lambda p: covariates(p, sites, **options), points.head(1_250), points) < 6


# --- support ----------------------------------------------------------------------------------


def three_sites():
    sites = make_sites([4320000.0, 4321000.0, 4322000.0], [3210000.0] * 3, index=["a", "ab", "b"])
    return covariates(make_points(), sites, crs="EPSG:3035", k=2, drop="none")


def test_support_follows_a_selection_of_rows():
    result = three_sites()
    assert support(result)["n_points"].tolist() == [1, 2, 1]
    chosen = result.loc[["b", "ab"], ["p_grassland"]]
    assert support(chosen)["n_photos"].tolist() == [4, 9]
    assert list(support(chosen).index) == ["b", "ab"]
    assert support(result.sample(n=9, replace=True, random_state=1)).shape == (9, 7)


def test_support_has_its_types():
    kinds = support(three_sites()).dtypes.astype(str).to_dict()
    assert kinds == {
        "n_points": "int64",
        "n_photos": "int64",
        "nearest_distance": "float64",
        "mean_distance": "float64",
        "max_distance": "float64",
        "first_year": "Int64",
        "last_year": "Int64",
    }


def test_support_survives_parquet_and_json(tmp_path):
    with pytest.warns(LucasWarning, match="no point within"):
        result = covariates(
            make_points(),
            make_sites([4321000.0, 4421000.0], [3210000.0] * 2, index=[7, 8]),
            crs="EPSG:3035",
            radius=5000,
            drop="none",
        )
    json.dumps(result.attrs, allow_nan=False)
    result.to_parquet(tmp_path / "c.parquet")
    again = pd.read_parquet(tmp_path / "c.parquet")
    pd.testing.assert_frame_equal(support(again), support(result))
    assert support(again)["first_year"].tolist() == [2018, pd.NA]


def test_columns_share_what_was_noted():
    result = three_sites()  # a deep copy for each would take half a second with 100,000 sites
    assert result["p_grassland"].attrs["lucas_support"] is result.attrs["lucas_support"]


def test_covariates_can_be_concatenated():
    result = three_sites()
    both = pd.concat([result.iloc[:1], result.iloc[1:]])
    assert support(both)["n_points"].tolist() == [1, 2, 1]
    other = three_sites()
    other.attrs = copy.deepcopy(other.attrs) | {"lucas_support": {}}
    pd.concat([result, other])  # unlike attrs are compared and given up, without an error


def test_support_of_something_else_is_refused():
    with pytest.raises(InputError, match=r"object that covariates\(\) returned"):
        support(pd.DataFrame({"p_a": [1.0]}))
    with pytest.raises(InputError, match=r"covariates must be a table; got 'c.csv' instead"):
        support("c.csv")


def test_support_after_a_new_index_is_refused():
    with pytest.raises(InputError, match="made no row named 0, 1, 2"):
        support(three_sites().reset_index(drop=True))


def test_single_sites_far_from_all_points_are_nan_and_named():
    """One of two sites has its coordinates swapped; the other is sound."""
    sites = pd.DataFrame({"x": [4320000.0, 3210000.0 - 2e6], "y": [3210000.0, 4320000.0]})
    with pytest.warns(
        LucasWarning,
        match=r"1 are more than 2.0 km from every point \(1\): .*"
        r"more than 1,000 km away may have their coordinates swapped",
    ):
        result = covariates(make_points(), sites, crs=3035, k=1, drop="none")
    assert result.isna().all(axis=1).tolist() == [False, True]
    assert support(result)["n_points"].tolist() == [1, 0]
    assert support(result)["nearest_distance"].tolist() == pytest.approx([0, 3.302e6], rel=1e-3)


# --- sites outside the sampled area -----------------------------------------------------------


def spread(n, kind, seed=3, side=100_000.0):
    """Places of points on a square of 100 km, in metres from its corner."""
    rng = np.random.default_rng(seed)
    if kind == "grid":
        steps = np.arange(round(n**0.5)) + 0.5
        return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) / len(steps) * side
    if kind == "plots of 5":  # five plots within some 100 m, at places at random
        middles = rng.uniform(0, side, (n // 5, 2)).repeat(5, axis=0)
        return middles + rng.normal(0, 50, middles.shape)
    if kind == "mostly west":  # 95 % of the points in a fifth of the area
        places = rng.uniform(0, side, (n, 2))
        is_west = rng.uniform(size=n) < 0.95
        places[:, 0] = np.where(is_west, places[:, 0] / 5, side / 5 + places[:, 0] * 0.8)
        return places
    return rng.uniform(0, side, (n, 2))


def points_at(places):
    n = len(places)
    return make_points(
        point_id=[f"q{i}" for i in range(n)],
        year=[2018] * n,
        n_photos=[5] * n,
        x=4.3e6 + places[:, 0],
        y=3.2e6 + places[:, 1],
        p_cropland=[0.5] * n,
        p_grassland=[0.5] * n,
    )


@pytest.mark.parametrize("n", [5, 10, 30, 100, 900])
@pytest.mark.parametrize("kind", ["grid", "random", "plots of 5", "mostly west"])
def test_sites_between_points_keep_their_values(kind, n):
    places = spread(n, kind)
    rng = np.random.default_rng(4)
    # Mixtures of three points are places between them.
    corners = rng.integers(0, len(places), (2000, 3))
    mixed = np.einsum("sc,scd->sd", rng.dirichlet(np.ones(3), 2000), places[corners])
    sites = make_sites(4.3e6 + mixed[:, 0], 3.2e6 + mixed[:, 1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Of 2000 sites these rows are NaN")
        result = covariates(points_at(places), sites, crs=3035, k=5, drop="none")
    assert result["p_cropland"].isna().mean() <= 0.005


@pytest.mark.parametrize("n", [10, 30, 100, 900])
@pytest.mark.parametrize("kind", ["grid", "random", "plots of 5"])
def test_sites_far_outside_have_no_values(kind, n):
    places = spread(n, kind)
    sites = make_sites(4.3e6 + np.array([50_000.0, 500_000.0]), [3.25e6] * 2)
    with pytest.warns(
        LucasWarning, match=r"1 are more than \d+\.\d km from every point \(1\)"
    ) as said:
        result = covariates(points_at(places), sites, crs=3035, k=5, drop="none")
    assert result["p_cropland"].isna().tolist() == [False, True]
    assert "max_distance= sets another limit" in str(said[0].message)
    behind = support(result)
    assert behind["n_points"].tolist()[1] == 0
    assert behind["nearest_distance"][1] > 390_000  # the square's east side is 400 km away
    limit = float(re.search(r"than ([\d.]+) km", str(said[0].message))[1]) * 1000
    assert limit <= 6 * 100_000 / n**0.5  # the mean spacing


def test_misplaced_points_do_not_move_the_limit():
    places = spread(200, "random")
    limit = interpolation.spacing(np.column_stack([places, np.zeros(200)]))
    places[0] = [5e6, 5e6]
    assert interpolation.spacing(np.column_stack([places, np.zeros(200)])) <= 1.05 * limit


def test_plots_on_one_spot_are_one_place():
    places = np.column_stack([spread(30, "random"), np.zeros(30)])
    assert interpolation.spacing(places.repeat(60, axis=0)) == interpolation.spacing(places)


def test_the_limit_of_many_points_is_that_of_all_of_them(monkeypatch):
    places = np.column_stack([spread(5000, "random"), np.zeros(5000)])
    whole = interpolation.spacing(places)
    monkeypatch.setattr(interpolation, "_MEASURED", 1000)
    assert interpolation.spacing(places) == pytest.approx(whole, rel=0.1)


def test_a_wrong_zone_is_named_as_the_likely_cause():
    # Points in 100 km around 10 E, 52 N; their sites in UTM 32, said to be of UTM 33: 400 km east.
    points = points_at(spread(100, "random"))
    sites = make_sites([560_000.0, 600_000.0, 640_000.0], [5_770_000.0] * 3)
    assert covariates(points, sites, crs=25832, k=5, drop="none").notna().all(axis=None)
    with pytest.warns(
        LucasWarning, match=r"3 are more than .* All sites are far .* is crs .*33N"
    ) as said:
        result = covariates(points, sites, crs=25833, k=5, drop="none")
    assert result.isna().all(axis=None)
    assert "a zone wrong" in str(said[0].message)


@pytest.mark.parametrize(
    ("options", "is_missing"),
    [
        ({"k": 2, "max_distance": 9_000}, True),
        ({"k": 2, "max_distance": 11_000}, False),
        ({"k": 2, "max_distance": float("inf")}, False),
        ({"radius": 20_000}, False),
        ({"radius": 20_000, "max_distance": 9_000}, True),
    ],
)
def test_max_distance_and_radius_say_otherwise(options, is_missing):
    sites = make_sites([4321000.0, 4332000.0], [3210000.0] * 2)  # the second 10 km from the nearest
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = covariates(make_points(), sites, crs=3035, drop="none", **options)
    assert result["p_cropland"].isna().tolist() == [False, is_missing]
    assert len(said) == is_missing
    if is_missing:
        assert "1 are more than 9.0 km from every point (1)" in str(said[0].message)
        assert "spacing" not in str(said[0].message)


def test_points_at_one_place_have_no_spacing():
    points = make_points(x=[4321000.0] * 2)
    sites = make_sites([4321000.0, 4621000.0], [3210000.0] * 2)
    with pytest.warns(
        LucasWarning, match=r"at one place, .* up to 300.0 km away .*max_distance= sets"
    ):
        result = covariates(points, sites, crs=3035, k=2, drop="none")
    assert result.notna().all(axis=None)


@pytest.mark.parametrize("value", [0, -5, float("nan"), "5 km", True])
def test_max_distance_is_checked(value):
    with pytest.raises(InputError, match="max_distance must be a number, at least 1"):
        covariates(make_points(), make_sites(), crs=3035, k=1, max_distance=value)


def test_max_distance_needs_sites():
    with pytest.raises(InputError, match="max_distance cannot be given without sites"):
        covariates(make_points(), max_distance=1000)


def test_support_of_a_file_of_an_earlier_version_has_what_it_noted():
    result = three_sites()
    del result.attrs["lucas_support"]["nearest_distance"]
    assert list(support(result))[:3] == ["n_points", "n_photos", "mean_distance"]


def test_sites_without_a_point_hear_how_far_the_nearest_is():
    sites = pd.DataFrame({"x": [4320000.0, 4330000.0], "y": [3210000.0, 3210000.0]})
    with pytest.warns(
        LucasWarning, match=r"1 have no point within 500 m \(1\), the nearest .* 8.0 km"
    ):
        covariates(make_points(), sites, crs=3035, radius=500, drop="none")
