"""The survey's tables with each of their traps, and points chosen from them."""

import gzip
import importlib.util
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lucas_habitat import assign_habitat, evaluate, split_photos, vote
from lucas_habitat.errors import InputError, LucasWarning
from lucas_habitat.survey.selection import select_points
from lucas_habitat.survey.tables import read_survey

ROOT = Path(__file__).parents[2]
SELECTION = json.loads((ROOT / "tests" / "cases" / "selection.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")

ROW = {
    "point_id": "31603628",
    "year": "2018",
    "nuts0": "UK",
    "th_lat": "54.43857",
    "th_long": "-8.108423",
    "survey_date": "18/09/18",
    "gps_lat": "54.43836",
    "gps_ew": "West",
    "gps_long": "8.108829",
    "obs_dist": "35.0",
    "obs_type": "In situ < 100 m",
    "lc1": "D10",
    "lc1_perc": "> 75 %",
    "lc2": "8",
    "lu1": "U420",
    "photo_point": "Photo taken",
    "photo_north": "Photo taken",
    "photo_south": "Photo taken",
    "photo_east": "Photo taken",
    "photo_west": "Photo not taken",
}
COLUMNS = [
    "point_id", "year", "nuts0", "lc1", "lc2", "lu1", "lc1_perc_low", "lc1_perc_high", "x", "y",
    "lon", "lat", "obs_type", "obs_dist", "photo_point", "photo_north", "photo_east",
    "photo_south", "photo_west", "date",
]  # fmt: skip


def ids(n):
    return [f"{3160 + 2 * i:04d}3628" for i in range(n)]


def table_of(*changes, base=ROW):
    """Rows like ROW, at points of their own and without coordinates where only others change."""
    rows = []
    for point, change in zip(ids(len(changes)), changes, strict=True):
        place = {"point_id": point, "th_lat": "", "th_long": ""} if len(changes) > 1 else {}
        rows.append(base | place | change)
    return pd.DataFrame(rows, dtype="str")


def read(tmp_path, *changes, name="lucas_harmo.csv", base=ROW, **options):
    table_of(*changes, base=base).to_csv(tmp_path / name, index=False)
    return read_survey(tmp_path / name, **options)


def problems(table):
    return pd.DataFrame(table.attrs["problems"])


# What comes out


def test_the_four_real_rows(shared):
    survey = read_survey(shared / "data" / "lucas" / "lucas_harmo_uf_sample.csv")
    assert list(survey) == COLUMNS
    row = survey.set_index("point_id").loc["38023110"]
    assert row["year"] == 2006
    assert row["nuts0"] == "BE"
    assert row["lc1"] == "B13"
    assert pd.isna(row["lc2"])  # '0' in 2006
    assert pd.isna(row["lc1_perc_low"])  # absent in 2006
    assert (row["x"], row["y"]) == (3_802_000, 3_110_000)
    assert row["lon"] == pytest.approx(2.613637, abs=1e-5)
    assert row["lat"] == pytest.approx(50.86542, abs=1e-5)
    assert row["obs_type"] == "In situ > 100 m"
    assert row["obs_dist"] == 169.0933
    assert row["date"] == "2006-05-22"
    assert list(survey["date"]) == ["2009-07-02", "2015-06-09", "2018-09-18", "2006-05-22"]
    assert list(survey["lc1_perc_low"])[:3] == [0, 75, 75]
    assert list(survey["lc1_perc_high"])[:3] == [10, 100, 100]
    assert survey[[c for c in COLUMNS if c.startswith("photo_")]].all(axis=None)
    # The ids' places are the table's own to half a metre.
    assert problems(survey).empty
    assert "moved" not in survey.attrs["repairs"]


def test_types_and_attrs(tmp_path):
    survey = read(tmp_path, {})
    kinds = survey.dtypes.astype(str).to_dict()
    assert {kinds[c] for c in ("point_id", "nuts0", "lc1", "lu1", "obs_type", "date")} == {"str"}
    assert kinds["year"] == "Int64"
    assert {kinds[c] for c in ("x", "y", "lon", "lat", "obs_dist", "lc1_perc_low")} == {"float64"}
    assert kinds["photo_west"] == "boolean"
    assert list(survey.iloc[0][["photo_point", "photo_west"]]) == [True, False]
    assert survey.attrs["source"] == "lucas_harmo.csv"
    json.dumps(survey.attrs)  # plain values: Parquet keeps attrs only then
    survey.to_parquet(tmp_path / "tidy.parquet")


# Each trap of the tables


@pytest.mark.parametrize(
    ("given", "point"),
    [("31603628", "31603628"), (" 31603628 ", "31603628"), ("31603628.0", "31603628"),
     ("9412768", "09412768")],
)  # fmt: skip
def test_ids_are_8_digits_of_text(tmp_path, given, point):
    survey = read(tmp_path, {"point_id": given, "th_lat": "", "th_long": ""})
    assert survey["point_id"].tolist() == [point]
    assert survey["x"].tolist() == [int(point[:4]) * 1000]
    assert survey.attrs["repairs"].get("ids_padded", 0) == (given != point)


def test_repairs_are_those_of_the_years_asked_for(tmp_path):
    rows = [{"point_id": f"941{i}768", "year": year} for i, year in [(1, "2015"), (2, "2018")]]
    survey = read(tmp_path, *rows, years=2018)
    assert survey["point_id"].tolist() == ["09412768"]
    assert survey.attrs["repairs"]["ids_padded"] == 1


@pytest.mark.parametrize(
    "given",
    ["", "NA", "3160362", "316036281", "abcdefgh", "00000000", "99993628", "3.16E+07", "-3160362"],
)
def test_an_id_that_names_no_place_is_a_problem(tmp_path, given):
    survey = read(tmp_path, {}, {"point_id": given})
    assert len(survey) == 1
    assert problems(survey).to_dict("records") == [
        {"row": 2, "point_id": given, "year": 2018,
         "problem": "the id names no place in Europe (8 digits: km east, km north)"}
    ]  # fmt: skip


@pytest.mark.parametrize("given", ["2017", "", "18", "2018.5", "x", "nan"])
def test_a_year_without_campaign_is_a_problem(tmp_path, given):
    survey = read(tmp_path, {}, {"year": given})
    assert len(survey) == 1
    assert problems(survey)["problem"].str.startswith("the year is no campaign's").all()
    assert read(tmp_path, {"year": "2018.0"})["year"].tolist() == [2018]


def test_longitudes_are_signed_by_their_letter(tmp_path):
    # Point 35262736: gps_long 0.52995, gps_ew West, th_long -0.529947878
    real = {"point_id": "35262736", "th_lat": "47.1", "th_long": "-0.529947878"}
    changes = [
        {"gps_long": "0.52995", "gps_ew": "West"},
        {"gps_long": "0.52995", "gps_ew": "2"},
        {"gps_long": "0.52995", "gps_ew": "East"},
        {"gps_long": "0.52995", "gps_ew": "8"},  # not said: the side nearer to the point
        {"gps_long": "-0.52995", "gps_ew": "West"},
        {"gps_long": "88.888888", "gps_ew": "8"},
    ]
    years = ["2006", "2009", "2012", "2015", "2018", "2022"]
    changes = [
        real | {"th_lat": "", "th_long": "", "year": y} | c
        for c, y in zip(changes, years, strict=True)
    ]
    survey = read(tmp_path, *changes, columns="gps_long")
    assert survey["gps_long"].round(5).tolist()[:5] == [
        -0.52995,
        -0.52995,
        0.52995,
        -0.52995,
        -0.52995,
    ]
    assert pd.isna(survey["gps_long"].iloc[5])
    assert survey.attrs["repairs"]["unsigned_longitudes"] == 3
    assert survey["lon"].iloc[0] == pytest.approx(-0.529947878, abs=1e-5)


def test_an_unsigned_theoretical_longitude_is_no_problem(tmp_path):
    survey = read(tmp_path, {"th_long": "8.108423"})
    assert survey["lon"].iloc[0] == pytest.approx(-8.108423, abs=1e-5)
    assert survey.attrs["repairs"]["unsigned_longitudes"] == 1


def test_swapped_metres_are_mended(tmp_path):
    # As about 12 rows of 2006: th_lat holds the easting.
    survey = read(tmp_path, {"th_lat": "3160000.0", "th_long": "3628000.0"})
    assert survey.attrs["repairs"] == {"not_relevant": 1, "swapped_metres": 1}
    assert survey["lat"].iloc[0] == pytest.approx(54.43857, abs=1e-5)


def test_coordinates_are_checked_against_the_id(tmp_path):
    changes = [
        {"th_lat": "54.43857", "th_long": "-8.108423"},
        {"point_id": "31603628", "year": "2015", "th_lat": "54.4586", "th_long": "-8.108423"},
        {"point_id": "31603628", "year": "2012", "th_lat": "54.7", "th_long": "-8.1"},
        {"point_id": "31603628", "year": "2009", "th_lat": "3628000", "th_long": "3160000"},
    ]
    survey = read(tmp_path, *changes)
    assert survey["year"].tolist() == [2018, 2015]
    assert survey.attrs["repairs"]["moved"] == 1  # 2.2 km off
    assert survey["lat"].nunique() == 1
    text = problems(survey)["problem"].tolist()
    assert text[0] == "its coordinates lie 29 km from the place its id names"
    assert text[1].startswith("its coordinates lie 66")


SENTINELS = {
    "obs_dist": ["88.888888", "8888", "888", "Not relevant", "NA", ""],
    "lc1": ["8", "0", "", "Not relevant", "NA"],
    "lc2": ["8", "0", "8.0", "88", "Not relevant"],
    "lu1": ["8", "0", " ", "888"],
    "lc1_perc": ["888", "8888", "Not relevant", "88.888888", ""],
    "survey_date": ["88/88/2006", "88/88/06", "8", "NA"],
    "obs_type": ["8", "Not relevant", ""],
    "photo_north": ["8", "Not relevant", ""],
}


@pytest.mark.parametrize("column", SENTINELS)
def test_sentinels_become_missing(tmp_path, column):
    changes = [{column: value, "lc2": "B11"} | {column: value} for value in SENTINELS[column]]
    survey = read(tmp_path, *changes)
    name = {"lc1_perc": "lc1_perc_low", "survey_date": "date"}.get(column, column)
    assert survey[name].isna().all()
    blank = sum(value.strip() in ("", "NA") for value in SENTINELS[column])
    assert survey.attrs["repairs"]["not_relevant"] == len(changes) - blank


def test_8_and_88_metres_are_distances_in_the_field_only(tmp_path):
    desk = {"obs_type": "In office PI"}
    survey = read(tmp_path, {"obs_dist": "8"}, {"obs_dist": "88"}, {"obs_dist": "8"} | desk,
                 {"obs_dist": "88"} | desk)  # fmt: skip
    assert survey["obs_dist"].tolist()[:2] == [8, 88]
    assert survey["obs_dist"].isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("given", "iso"),
    [("02/07/2006", "2006-07-02"), ("02/07/06", "2006-07-02"), ("2006-07-02", "2006-07-02"),
     ("2006-07-02 00:00:00", "2006-07-02"), ("2/7/06", "2006-07-02"), ("02.07.2006", "2006-07-02")],
)  # fmt: skip
def test_dates_are_iso(tmp_path, given, iso):
    assert read(tmp_path, {"year": "2006", "survey_date": given})["date"].tolist() == [iso]


def test_dates_that_cannot_be(tmp_path):
    survey = read(
        tmp_path, {"survey_date": "31/02/18"}, {"survey_date": "May"}, {"survey_date": "01/05/28"}
    )
    assert survey["date"].isna().all()
    assert survey.attrs["repairs"]["unreadable"] == 2
    assert survey.attrs["repairs"]["unlikely_dates"] == 1


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [("< 10 %", 0, 10), ("10 - 25 %", 10, 25), ("25 - 50 %", 25, 50), ("> 75 %", 75, 100),
     ("<5%", 0, 5), ("100", 100, 100), ("8", 8, 8), ("88.0", 88, 88), ("33.5", 33.5, 33.5), ("0", 0, 0)],
)  # fmt: skip
def test_cover_is_a_range_in_percent(tmp_path, given, low, high):
    survey = read(tmp_path, {"lc1_perc": given})
    assert (survey["lc1_perc_low"].item(), survey["lc1_perc_high"].item()) == (low, high)


def test_values_not_understood_are_counted(tmp_path):
    survey = read(tmp_path, {"lc1_perc": "most", "obs_dist": "-3", "photo_north": "perhaps"},
                 {"lc1_perc": "120", "obs_dist": "inf"})  # fmt: skip
    assert survey.attrs["repairs"]["unreadable"] == 5
    assert survey[["lc1_perc_low", "obs_dist"]].isna().all(axis=None)


def test_codes_are_stripped_and_upper_case(tmp_path):
    survey = read(
        tmp_path, {"lc1": "E20 "}, {"lc1": "Bx1", "nuts0": "uk"}, {"nuts0": "GB"}, {"nuts0": "GR"}
    )
    assert survey["lc1"].tolist() == ["E20", "BX1", "D10", "D10"]
    assert survey["nuts0"].tolist() == ["UK", "UK", "UK", "EL"]
    assert survey.attrs["repairs"]["codes_tidied"] == 5


@pytest.mark.parametrize(
    ("given", "text"),
    [("1", "In situ < 100 m"), ("2", "In situ > 100 m"), ("3", "In situ PI"),
     ("4", "In situ PI not possible"), ("5", "Out of national territory"), ("6", "Out of EU"),
     ("7", "In office PI"), ("7.0", "In office PI"), ("in office pi", "In office PI"),
     ("Marine Sea", "Marine Sea")],
)  # fmt: skip
def test_obs_type_is_the_harmonised_tables_words(tmp_path, given, text):
    assert read(tmp_path, {"obs_type": given})["obs_type"].tolist() == [text]


def test_photos_taken_in_every_spelling(tmp_path):
    spellings = ["Photo taken", "1", "1.0", "https://x/N.jpg", "Photo not taken", "2", "2.0", "8"]
    survey = read(tmp_path, *[{"photo_north": s} for s in spellings])["photo_north"]
    assert survey[:4].all()
    assert not survey[4:7].any()
    assert survey.isna().tolist() == [False] * 7 + [True]


def test_rows_standing_twice(tmp_path):
    same = {"point_id": "31603628"}
    other = {"point_id": "31623628"}
    unlike = [other | {"lc1": "E20"}, other | {"lc1": "B11"}, other | {"year": "2015"}]
    survey = read(tmp_path, {}, same, same | {"year": "2015"}, *unlike)
    # One of the identical rows is kept, none of those that differ.
    assert list(zip(survey["point_id"], survey["year"], strict=True)) == [
        ("31603628", 2018), ("31603628", 2015), ("31623628", 2015)
    ]  # fmt: skip
    assert survey.attrs["repairs"]["repeated_rows"] == 1
    assert problems(survey)["row"].tolist() == [4, 5]
    assert (problems(survey)["problem"] == "a different row has the same point and year").all()


def test_repairs_and_problems_are_told(tmp_path):
    message = (
        r"lucas_harmo\.csv: 1 of 2 rows kept\. sentinels set to missing: 2\. "
        r"1 rows that cannot be right are left out; attrs\['problems'\] lists them"
    )
    with pytest.warns(UserWarning, match=message):
        read(tmp_path, {}, {"year": "1999"})


# Which table


RAW_2018 = {
    "POINT_ID": "38863102", "NUTS0": "BE", "TH_LAT": "50.863822271", "TH_LONG": "3.812952713",
    "SURVEY_DATE": "12/07/18", "GPS_EW": "1", "GPS_LONG": "3.813208", "OBS_DIST": "22", "OBS_TYPE": "1",
    "LC1": "A11", "LC1_PERC": "100", "LC2": "8", "LU1": "U370", "PHOTO_POINT": "1", "PHOTO_NORTH": "1",
    "PHOTO_EAST": "1", "PHOTO_SOUTH": "2", "PHOTO_WEST": "1",
}  # fmt: skip
RAW_2022 = {
    "POINT_ID": "31603628", "POINT_NUTS0": "IE", "POINT_LAT": "54.43857", "POINT_LONG": "-8.108423",
    "SURVEY_DATE": "2022-07-12", "SURVEY_OBS_TYPE": "7", "SURVEY_OBS_DIST": "", "SURVEY_LC1": "Bx1",
    "SURVEY_LC1_PERC": "90", "SURVEY_LC2": "8", "SURVEY_LU1": "U111", "SURVEY_GPS_LAT": "54.4",
    "SURVEY_GPS_LONG": "-8.1",
}  # fmt: skip


def test_the_raw_table_of_2018(tmp_path):
    pd.DataFrame([RAW_2018]).to_csv(tmp_path / "EU_2018_20200213.csv", index=False, quoting=1)
    survey = read_survey(tmp_path / "EU_2018_20200213.csv", columns="gps_long").iloc[0]
    assert survey["year"] == 2018
    assert survey["obs_type"] == "In situ < 100 m"
    assert survey["lc1_perc_low"] == survey["lc1_perc_high"] == 100
    assert list(survey[["photo_south", "photo_west"]]) == [False, True]
    assert survey["gps_long"] == 3.813208
    assert pd.isna(survey["lc2"])


@pytest.mark.parametrize("lon", ["POINT_LONG", "POINT_LON", "point_longitude", "Th_Long"])
def test_the_raw_table_of_2022(tmp_path, lon):
    row = {lon if k == "POINT_LONG" else k: v for k, v in RAW_2022.items()}
    pd.DataFrame([row]).to_csv(tmp_path / "table.csv", index=False)
    survey = read_survey(tmp_path / "table.csv", columns="SURVEY_GPS_LONG").iloc[0]
    assert survey["year"] == 2022  # by its columns' names
    assert survey["obs_type"] == "In office PI"
    assert survey["lc1"] == "BX1"
    assert survey["SURVEY_GPS_LONG"] == "-8.1"
    assert pd.isna(survey["photo_north"])
    assert survey["date"] == "2022-07-12"
    pd.DataFrame([row | {lon: "9.5"}]).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(InputError, match="1, as its coordinates lie"):
        read_survey(tmp_path / "table.csv")


def test_a_table_whose_year_is_nowhere(tmp_path):
    pd.DataFrame([RAW_2018]).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(InputError, match="years=2018"):
        read_survey(tmp_path / "table.csv")
    assert read_survey(tmp_path / "table.csv", years=2018)["year"].tolist() == [2018]


def test_columns_are_found_in_any_order_and_case(tmp_path):
    table = table_of({})[list(reversed(ROW))].rename(columns=lambda c: f" {c.title()} ")
    table.to_csv(tmp_path / "a.csv", index=False)
    expected = read(tmp_path, {})
    pd.testing.assert_frame_equal(read_survey(tmp_path / "a.csv"), expected)


def test_columns_asked_for_are_kept(tmp_path):
    base = ROW | {
        "lc1_spec": "b11a",
        "grazing": " Signs of grazing ",
        "Wm": "Not relevant",
        "gps_prec": "2.0",
    }
    survey = read(tmp_path, {}, base=base, columns=["lc1_spec", "GRAZING", "wm", "gps_prec", "lc1"])
    assert list(survey) == [*COLUMNS, "lc1_spec", "GRAZING", "wm", "gps_prec"]
    assert survey.iloc[0]["lc1_spec"] == "B11A"
    assert survey.iloc[0]["GRAZING"] == "Signs of grazing"
    assert pd.isna(survey.iloc[0]["wm"])
    assert survey["gps_prec"].tolist() == [2.0]
    with pytest.raises(InputError, match="no column grasing; did you mean grazing"):
        read(tmp_path, {}, base=base, columns="grasing")


def test_years_and_countries(tmp_path):
    changes = [
        {"year": y, "nuts0": c, "point_id": "31603628"}
        for y in ("2009", "2018", "1999")
        for c in ("UK", "EL")
    ]
    unique = [c | {"point_id": p} for c, p in zip(changes, ids(6), strict=True)]
    survey = read(tmp_path, *unique, years=[2018], countries=["gb", "DK"])
    assert survey[["year", "nuts0"]].to_numpy().tolist() == [[2018, "UK"]]
    # A row whose year cannot be right may be of any campaign, so it is told.
    assert problems(survey)["row"].tolist() == [5]
    assert read(tmp_path, *unique, countries="GR")["nuts0"].tolist() == ["EL", "EL"]
    with pytest.raises(InputError, match=r"None of the 6 rows of .* is left of 2006 and in DK"):
        read(tmp_path, *unique, years=2006, countries="DK")
    for wrong in (2017, [], [2018, 1]):
        with pytest.raises(InputError, match="years must be campaigns"):
            read(tmp_path, {}, years=wrong)
    with pytest.raises(InputError, match="years must be a whole number, several whole numbers or"):
        read(tmp_path, {}, years="2018")
    for wrong in ("Denmark", []):
        with pytest.raises(InputError, match="countries must be two letters"):
            read(tmp_path, {}, countries=wrong)
    with pytest.raises(InputError, match="countries must be text, several texts or None"):
        read(tmp_path, {}, countries=[1])


# Which file


def test_csv_parquet_and_packed_are_the_same(tmp_path):
    table = table_of({}, {"lc1": "E20 "}, {"year": "2015"})
    plain = tmp_path / "lucas.csv"
    table.to_csv(plain, index=False)
    expected = read_survey(plain)
    typed = table.assign(
        point_id=table["point_id"].astype("int64"),
        year=table["year"].astype("float64"),
        obs_dist=table["obs_dist"].astype("float32"),
        obs_type=table["obs_type"].astype("category"),
        survey_date=pd.to_datetime(table["survey_date"], format="%d/%m/%y"),
        th_lat=np.nan,
    )
    typed.to_parquet(tmp_path / "lucas.parquet")
    table.to_csv(
        tmp_path / "semicolon.csv",
        index=False,
        sep=";",
        encoding="utf-8-sig",
        lineterminator="\r\n",
    )
    table.to_csv(tmp_path / "tab.csv", index=False, sep="\t")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "a.parquet.gz").write_bytes(
        gzip.compress((tmp_path / "lucas.parquet").read_bytes())
    )
    for name, member in (("b.zip", "lucas.csv"), ("c.zip", "lucas.parquet")):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / member, f"folder/{member}")
            archive.writestr("readme.txt", "read me")
            archive.writestr(f"__MACOSX/._{member}", "x")
    for name in (
        "lucas.parquet",
        "semicolon.csv",
        "tab.csv",
        "a.csv.gz",
        "a.parquet.gz",
        "b.zip",
        "c.zip",
    ):
        pd.testing.assert_frame_equal(read_survey(tmp_path / name), expected, obj=name)


def test_decimal_commas(tmp_path):
    table = table_of({"th_lat": "54,43857", "th_long": "-8,108423", "obs_dist": "35,5"})
    table.to_csv(tmp_path / "a.csv", sep=";", index=False)
    survey = read_survey(tmp_path / "a.csv")
    assert survey["obs_dist"].tolist() == [35.5]
    assert "moved" not in survey.attrs["repairs"]


def test_parquet_of_all_missing_and_of_texts(tmp_path):
    table = pa.table({
        "POINT_ID": pa.array(["31603628"], pa.large_string()), "year": pa.array([2018], pa.int16()),
        "nuts0": ["UK"], "lc1": pa.array(["D10"]).dictionary_encode(), "obs_dist": pa.nulls(1),
        "photo_north": [True], "photo_south": [False],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    survey = read_survey(tmp_path / "a.parquet").iloc[0]
    assert survey["point_id"] == "31603628"
    assert survey["lc1"] == "D10"
    assert list(survey[["photo_north", "photo_south"]]) == [True, False]


def test_quoted_commas_line_breaks_and_other_letters(tmp_path):
    base = ROW | {"remark": 'a, "b"\nc', "place": "Ærø"}
    table = table_of({}, {}, base=base)
    for encoding in ("utf-8", "latin-1"):
        table.to_csv(tmp_path / "a.csv", index=False, encoding=encoding)
        survey = read_survey(tmp_path / "a.csv", columns=["remark", "place"])
        assert survey["remark"].tolist() == ['a, "b"\nc'] * 2
        assert survey["place"].tolist() == ["Ærø"] * 2


def test_a_row_with_too_many_fields_is_a_problem(tmp_path):
    path = tmp_path / "a.csv"
    table_of({}, {}).to_csv(path, index=False)
    path.write_text(path.read_text() + "31683628,2018,UK\n")
    survey = read_survey(path)
    assert len(survey) == 2
    (problem,) = problems(survey).to_dict("records")
    assert problem["problem"] == "the row has 3 fields instead of 20: 31683628,2018,UK"
    assert pd.isna(problem["row"])


def test_a_broken_row_in_another_encoding_is_not_lost(tmp_path):
    path = tmp_path / "a.csv"
    table_of({}, {}).to_csv(path, index=False)
    path.write_bytes(path.read_bytes() + "31683628,2018,Ærø\n".encode("latin-1"))
    survey = read_survey(path)
    assert problems(survey)["problem"].tolist() == [
        "the row has 3 fields instead of 20: 31683628,2018,Ærø"
    ]


def test_files_that_are_no_survey_table(tmp_path):
    with pytest.raises(InputError, match="There is no table"):
        read_survey(tmp_path / "none.csv")
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"must be \.csv or \.parquet"):
        read_survey(tmp_path / "a.xlsx")
    for name, content, message in (
        ("a.csv", b"a,b\n1,2\n", "no column point_id, nuts0, lc1. Its columns are a, b"),
        ("b.csv", b"", "Its columns are none"),
        ("c.zip", b"not a zip", "Cannot read the table"),
        ("d.csv.gz", b"not gz", "Cannot read the table"),
        ("e.csv.gz", gzip.compress(b"point_id,nuts0,lc1\n" * 9999)[:60], "Cannot read the table"),
        ("f.parquet", b"PAR1 no", "Cannot read the table"),
        ("g.csv", b"point_id,year,nuts0,lc1\n", "Empty CSV file"),
        ("i.csv", b"point_id,year,nuts0,lc1\r31603628,2018,UK,D10\r", "Cannot read the table"),
        ("h.csv", b"<!DOCTYPE html>\n<p>", "no LUCAS survey table"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_survey(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(InputError, match=r"one \.csv or \.parquet table; it holds a\.csv, b\.csv"):
        read_survey(tmp_path / "two.zip")


def test_many_rows_in_little_time(tmp_path):
    # benchmarks/survey_table.py takes 1.35 million rows; here is a thirtieth of it.
    spec = importlib.util.spec_from_file_location("made", ROOT / "benchmarks" / "survey_table.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.write_table(tmp_path / "lucas.csv", 45_000)
    survey = read_survey(tmp_path / "lucas.csv")
    assert len(survey) == 45_000
    assert len((tmp_path / "lucas.csv").open().readline().split(",")) == 117
    assert problems(survey).empty
    assert survey["point_id"].nunique() == 9_000


# Choosing points


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Made rows: 3 campaigns of 300 points in two countries, with every reason to leave one out."""
    rng = np.random.default_rng(4)
    changes = []
    for i, point in enumerate(ids(300)):
        for year in ("2012", "2015", "2018"):
            far = rng.random() < 0.1
            desk = rng.random() < 0.1
            changes.append({
                "point_id": point, "year": year, "nuts0": ("DK", "EL")[i % 2], "survey_date": "",
                "lc1": rng.choice(["A11", "B11", "E20", "E20", "C10", "D10", "G10", ""]),
                "lc2": rng.choice(["8", "8", "8", "E30"]),
                "lc1_perc": rng.choice(["< 10 %", "50 - 75 %", "> 75 %", ""]),
                "obs_type": "In office PI" if desk else "In situ > 100 m" if far else "In situ < 100 m",
                "obs_dist": "" if desk else "250" if far else str(rng.integers(0, 60)),
                "photo_west": rng.choice(["Photo taken"] * 9 + ["Photo not taken"]),
                "th_lat": "", "th_long": "",
            })  # fmt: skip
    path = tmp_path_factory.mktemp("survey") / "lucas.csv"
    pd.DataFrame([ROW | c for c in changes]).to_csv(path, index=False)
    return read_survey(path)


def test_points_are_seen_in_the_field_near_and_with_photos(survey):
    chosen = select_points(survey)
    assert chosen["obs_type"].eq("In situ < 100 m").all()
    assert chosen["obs_dist"].le(100).all()
    assert chosen["photo_west"].all()
    assert set(chosen["habitat"]) == {"artificial", "cropland", "grassland", "woody"}
    assert list(chosen) == [*survey.columns, "habitat", "inclusion_probability", "weight"]
    assert (chosen[["inclusion_probability", "weight"]] == 1).all(axis=None)
    steps = chosen.attrs["selection"]
    assert list(steps.values()) == sorted(steps.values(), reverse=True)
    assert steps["rows of the survey"] == 900
    assert steps["one year a point"] == len(chosen)


def test_the_four_real_points(shared):
    survey = read_survey(shared / "data" / "lucas" / "lucas_harmo_uf_sample.csv")
    chosen = select_points(survey)
    assert chosen["point_id"].tolist() == ["31603628", "32362878", "47282098"]  # 38023110: 169 m
    assert chosen["habitat"].tolist() == ["woody", "grassland", "cropland"]
    assert len(select_points(survey, max_distance=None)) == 4
    assert select_points(survey, max_distance=10)["obs_dist"].tolist() == [2, 0]


def test_a_point_comes_once_as_in_its_latest_year(survey):
    chosen = select_points(survey)
    assert not chosen["point_id"].duplicated().any()
    all_years = select_points(survey, years=[2012, 2015, 2018])
    latest = all_years.groupby("point_id")["year"].max()
    assert chosen.set_index("point_id")["year"].equals(latest)
    assert all_years["point_id"].duplicated().any()
    assert select_points(survey, years=2012)["year"].unique().tolist() == [2012]


def test_years_of_a_point_stay_on_one_side(survey):
    chosen = select_points(survey, years=[2012, 2015, 2018])
    paths = chosen["point_id"] + "_" + chosen["year"].astype("str") + ".jpg"
    photos = chosen.assign(path=paths, direction="P")
    train, test = split_photos(photos)
    assert set(train["point_id"]).isdisjoint(test["point_id"])


def test_countries_and_classes(survey):
    assert set(select_points(survey, countries="GR")["nuts0"]) == {"EL"}
    chosen = select_points(survey, countries=["DK"], classes=["grassland", "woody"])
    assert set(chosen["habitat"]) == {"grassland", "woody"}
    assert set(chosen["nuts0"]) == {"DK"}
    scheme = {"E": "open", "C": "closed", "D": "closed"}
    assert set(select_points(survey, scheme=scheme)["habitat"]) == {"open", "closed"}
    with pytest.raises(InputError, match="No row has the class meadow; there are artificial"):
        select_points(survey, classes="meadow")
    with pytest.raises(InputError, match=r"No row is left: 900 rows of the survey, 0 in SE"):
        select_points(survey, countries="SE")


def test_pure_cover(survey):
    chosen = select_points(survey, min_cover=75)
    assert chosen["lc1_perc_low"].ge(75).all()
    assert chosen["lc2"].isna().all()
    assert select_points(survey, min_cover=50)["lc1_perc_low"].min() == 50


def test_distance_missing_counts_by_type(tmp_path):
    rows = read(tmp_path, {"obs_dist": ""}, {"obs_dist": "", "obs_type": "2"}, {"obs_dist": "40"})
    assert len(select_points(rows, directions="P")) == 2
    assert len(select_points(rows, directions="P", max_distance=50)) == 1
    assert len(select_points(rows, directions="P", max_distance=None)) == 3


def test_photos_that_the_table_does_not_tell_are_hoped_for(tmp_path):
    row = RAW_2022 | {"SURVEY_OBS_TYPE": "1", "SURVEY_OBS_DIST": "5", "SURVEY_LC1": "E20"}
    pd.DataFrame([row]).to_csv(tmp_path / "EU_LUCAS_2022.csv", index=False)
    assert len(select_points(read_survey(tmp_path / "EU_LUCAS_2022.csv"))) == 1
    rows = read(tmp_path, {}, {"photo_west": "1"})
    assert len(select_points(rows)) == 1
    assert len(select_points(rows, directions="PNESC")) == 2


def test_rows_without_a_country_are_not_chosen(tmp_path):
    rows = read(tmp_path, {"nuts0": ""}, {"nuts0": "XKX"}, {})
    assert rows["nuts0"].isna().tolist() == [True, True, False]
    assert select_points(rows, directions="P").attrs["selection"]["with a country"] == 1


def test_balanced_samples(survey):
    chosen = select_points(survey, n_per_class=12)
    assert chosen["habitat"].value_counts().to_dict() == dict.fromkeys(
        ["artificial", "cropland", "grassland", "woody"], 12
    )
    with pytest.raises(
        InputError, match="n_per_class=900 rows were asked for, but the classes have art"
    ):
        select_points(survey, n_per_class=900)


def test_a_balanced_sample_may_take_up_to_a_number(survey):
    candidates = select_points(survey)["habitat"].value_counts()
    most = int(candidates.median())
    chosen = select_points(survey, n_per_class=f"<={most}")
    drawn = chosen["habitat"].value_counts()
    assert drawn.to_dict() == candidates.clip(upper=most).to_dict()
    assert drawn.nunique() > 1  # some have fewer
    # Weights stand for the candidates all the same.
    stood_for = chosen.groupby("habitat")["weight"].sum()
    np.testing.assert_allclose(stood_for, candidates[stood_for.index])
    for asked in ("<=0", "270", ">=270", "<=2.5"):
        with pytest.raises(InputError, match="must be a whole number, or such as '<=270'"):
            select_points(survey, n_per_class=asked)


@pytest.mark.parametrize("n", [1, 10, 101])
def test_proportional_samples(survey, n):
    whole = select_points(survey)["habitat"].value_counts()
    drawn = select_points(survey, n=n)["habitat"].value_counts().reindex(whole.index, fill_value=0)
    assert drawn.sum() == n
    assert ((drawn - whole * n / whole.sum()).abs() < 1).all()
    assert len(select_points(survey, n=int(whole.sum()))) == whole.sum()
    with pytest.raises(InputError, match="but only"):
        select_points(survey, n=901)


def test_a_seed_and_any_order_give_the_same_sample(survey):
    first = select_points(survey, n_per_class=10, seed=7)
    shuffled = survey.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(select_points(shuffled, n_per_class=10, seed=7), first)
    assert not select_points(survey, n_per_class=10, seed=8)["point_id"].equals(first["point_id"])


def test_select_points_says_what_it_left(survey):
    with pytest.warns(
        UserWarning, match=r"900 rows of the survey, \d+ seen in the field, .* woody \d+\."
    ):
        select_points(survey)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 5, "n_per_class": 5}, "not both"),
        ({"n": 0}, "n must be a whole number"),
        ({"n_per_class": 1.5}, "n_per_class must be a whole number"),
        ({"max_distance": -1}, "max_distance must be"),
        ({"min_cover": 101}, "min_cover must be"),
        ({"directions": "PQ"}, "directions must be some of P, N, E, S, W, C"),
        ({"directions": ()}, "directions must be"),
        ({"years": 2010}, "years must be campaigns"),
    ],
)
def test_arguments_that_cannot_be(survey, options, message):
    with pytest.raises(InputError, match=message):
        select_points(survey, **options)


def test_tables_that_are_no_survey(survey):
    with pytest.raises(InputError, match="needs the column lc1"):
        select_points(survey.drop(columns="lc1"))
    with pytest.raises(InputError, match="field_only=True needs the column obs_type"):
        select_points(survey.drop(columns="obs_type"))


# --- what points stand for --------------------------------------------------------------------


@pytest.mark.parametrize("case", SELECTION["cases"], ids=lambda c: c["how"])
def test_inclusion_probabilities_and_weights(case):
    survey = pd.DataFrame(SELECTION["survey"])
    if not case["survey_weights"]:
        survey = survey.drop(columns="WGT_LUCAS")
    points = survey
    for arguments in (case["arguments"], case.get("again")):
        if arguments is not None:
            points = select_points(points, max_distance=None, **SELECTION["always"], **arguments)
    assert points["habitat"].value_counts().to_dict() == case["n"]
    for column in ("inclusion_probability", "weight"):
        expected = points["habitat"].map(case[column]).to_numpy(dtype=float)
        np.testing.assert_allclose(points[column], expected, rtol=SELECTION["tolerance"])
    if not case["survey_weights"]:
        assert points["weight"].sum() == pytest.approx(11)  # the candidates


def test_weights_travel_to_the_evaluation(tmp_path):
    case = SELECTION["evaluation"]
    points = pd.DataFrame({k: case[k] for k in ("habitat", "predicted", "weight")})
    points["point_id"] = [f"plot {i}" for i in range(len(points))]
    points["inclusion_probability"] = 1 / points["weight"]
    photos = pd.concat([points.assign(path=points["point_id"] + f"_{d}.jpg") for d in "NE"])
    for label in sorted(set(case["habitat"])):
        photos[f"p_{label}"] = np.where(photos["predicted"] == label, 0.8, 0.1)
    photos = photos.assign(year=2018, direction="N", calibrated=True)
    photos.to_csv(tmp_path / "predictions.csv", index=False)
    for table in (photos, tmp_path / "predictions.csv"):
        voted = vote(table)
        assert voted["weight"].tolist() == case["weight"]
        assert voted["inclusion_probability"].tolist() == points["inclusion_probability"].tolist()
        weighted = evaluate(voted, weights="weight", n_boot=0)
        assert weighted.overall_accuracy == pytest.approx(case["weighted"])
        assert evaluate(voted, n_boot=0).overall_accuracy == pytest.approx(case["plain"])


def test_photos_of_a_point_that_differ_in_weight_give_it_none():
    photos = pd.DataFrame(
        {
            "path": ["a_N.jpg", "a_E.jpg", "b_N.jpg"],
            "point_id": ["a", "a", "b"],
            "weight": [1.0, 2.0, 3.0],
            "p_grass": 0.5,
            "p_woods": 0.5,
        }
    )
    with pytest.warns(LucasWarning, match="1 points carry different values of weight"):
        assert vote(photos)["weight"].isna().tolist() == [True, False]


@pytest.mark.parametrize("name", ["WGT_LUCAS", "survey_weight", "Design weight", "SURVEY_WGT"])
def test_the_surveys_own_weight_is_read_by_any_name(tmp_path, name):
    rows = read(tmp_path, {name: "888"}, {name: "12,5"}, {name: "-1"}, {name: ""})
    np.testing.assert_array_equal(rows["survey_weight"], [888, 12.5, np.nan, np.nan])
    assert rows.attrs["repairs"]["unreadable"] == 1
    with pytest.warns(LucasWarning, match="2 of 4 rows have no survey_weight of more than 0"):
        chosen = select_points(rows, directions="P")
    np.testing.assert_array_equal(chosen["weight"], [888, 12.5, np.nan, np.nan])
    assert "survey_weight" not in read(tmp_path, {}, {})


def test_years_of_a_point_are_drawn_by_themselves(survey):
    candidates = select_points(survey, years=[2012, 2015, 2018])
    chosen = select_points(survey, years=[2012, 2015, 2018], n_per_class=12)
    n = candidates["habitat"].value_counts()
    np.testing.assert_allclose(chosen["weight"], chosen["habitat"].map(n) / 12)
    assert chosen["weight"].sum() == pytest.approx(len(candidates))


def test_the_made_sample_for_examples():
    rows = read_survey(ROOT / "inst" / "extdata" / "survey.csv")
    assert len(problems(rows)) == 1
    assert set(rows.attrs["repairs"]) == {"not_relevant", "codes_tidied", "swapped_metres"}
    chosen = select_points(rows, n_per_class=2)
    assert chosen["habitat"].value_counts().eq(2).all()
    assert assign_habitat(rows)["habitat"].nunique() == 4
    text = (ROOT / "inst" / "extdata" / "survey.csv").read_text()
    assert re.fullmatch(r"[ -~\n]+", text)
