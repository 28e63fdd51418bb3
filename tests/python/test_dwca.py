"""Darwin Core archives: what stands in them, that it fits the published terms, and that blurring blurs."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyproj import Geod

from lucas_habitat import evaluate, list_photos, write_dwca
from lucas_habitat._base.places import LonLat
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning
from lucas_habitat.exchange.blurring import cells_of

CASES = Path(__file__).parents[1] / "cases"
TEXT = "{http://rs.tdwg.org/dwc/text/}"
SAID = {
    "title": "Habitats",
    "authors": "Ada Lovelace <ada@example.org>",
    "licence": "CC-BY-4.0",
}

pytestmark = pytest.mark.filterwarnings("ignore:.*does not say which model:UserWarning")


def points(**columns):
    table = pd.DataFrame(
        {
            "point_id": ["38023110", "31603628", "32362878"],
            "year": [2006, 2018, 2015],
            "n_photos": [5, 5, 0],
            "predicted": ["cropland", "woody", None],
            "agreement": [0.6, 1.0, np.nan],
            "p_cropland": [0.638759, 0.001, np.nan],
            "p_woody": [0.361241, 0.999, np.nan],
            "calibrated": [True, True, True],
            "nuts0": ["BE", "UK", "EL"],
        }
    )
    return table.assign(**columns)


def photos_of(table, folder="/home/ada/lucas/photos"):
    """The survey's photos of points, as they are downloaded."""
    rows = [
        {
            "path": f"{folder}/{year}/{nuts0}/{id[:3]}/{id[3:6]}/{id}{direction}.jpg",
            "point_id": id,
            "year": year,
            "direction": direction,
            "nuts0": nuts0,
        }
        for id, year, nuts0 in zip(table["point_id"], table["year"], table["nuts0"], strict=True)
        for direction in "WPN"
    ]
    return pd.DataFrame(rows)


def read(path):
    """The tables of an archive by row type, and its metadata."""
    with zipfile.ZipFile(path) as archive:
        meta = ET.fromstring(archive.read("meta.xml"))
        tables = {}
        for part in meta:
            file = archive.read(part.findtext(f"{TEXT}files/{TEXT}location")).decode("utf-8")
            rows = list(csv.reader(io.StringIO(file, newline="")))[
                int(part.get("ignoreHeaderLines")) :
            ]
            names = {int(f.get("index")): f.get("term") for f in part.iter(f"{TEXT}field")}
            table = pd.DataFrame(
                [[row[i] for i in sorted(names)] for row in rows],
                columns=[re.split("[/#]", names[i])[-1] for i in sorted(names)],
                dtype="str",
            )
            tables[part.get("rowType").rsplit("/", 1)[-1]] = table.assign(
                _id=[row[0] for row in rows]
            )
        return tables, ET.fromstring(archive.read(meta.get("metadata")))


def whole_text(path):
    with zipfile.ZipFile(path) as archive:
        return "\n".join(archive.read(name).decode("utf-8") for name in archive.namelist())


def test_an_event_is_a_point_in_a_year(tmp_path):
    tables, _ = read(write_dwca(points(), tmp_path / "a.zip", **SAID))
    event = tables["Event"].set_index("eventID")
    assert event.index.tolist() == ["38023110-2006", "31603628-2018", "32362878-2015"]
    assert event["locationID"].tolist() == ["38023110", "31603628", "32362878"]
    assert event["habitat"].tolist() == ["cropland", "woody", ""]
    assert event["countryCode"].tolist() == ["BE", "GB", "GR"]
    assert event["sampleSizeValue"].tolist() == ["5", "5", "0"]
    assert event["eventDate"].tolist() == ["2006", "2018", "2015"]
    assert float(event.loc["38023110-2006", "decimalLatitude"]) == pytest.approx(
        50.865420, abs=1e-6
    )
    assert set(event["coordinateUncertaintyInMeters"]) == {"30"}
    assert set(event["dataGeneralizations"]) == set(event["informationWithheld"]) == {""}
    assert set(event["geodeticDatum"]) == {"EPSG:4326"}


def test_what_was_found_is_measurements_with_the_model_as_method(tmp_path, model):
    tables, _ = read(write_dwca(points(), tmp_path / "a.zip", model=model, **SAID))
    found = tables["ExtendedMeasurementOrFact"]
    assert found["measurementID"].is_unique
    of_first = found[found["_id"] == "38023110-2006"].set_index("measurementType")
    assert of_first["measurementValue"].to_dict() == {
        "habitat class": "cropland",
        "probability of the habitat class": "0.638759",
        "share of photos whose own class is the habitat class": "0.6",
        "probability of the habitat class cropland": "0.638759",
        "probability of the habitat class woody": "0.361241",
    }
    assert found["measurementMethod"].str.contains("efficientnet_lite0 .*sha256 [0-9a-f]{12}").all()
    assert "calibrated" in set(of_first["measurementRemarks"])
    # Nothing is said of a point whose photos could not be read.
    assert "32362878-2015" not in set(found["_id"])


def test_a_reference_class_stands_beside_the_predicted_one(tmp_path):
    table = points(habitat=["grassland", "woody", None])
    tables, _ = read(write_dwca(table, tmp_path / "a.zip", **SAID))
    found = tables["ExtendedMeasurementOrFact"]
    reference = found[found["measurementType"] == "reference habitat class"]
    assert reference["measurementValue"].tolist() == ["grassland", "woody"]


def test_every_term_is_published_for_its_row_type(tmp_path):
    published = json.loads((CASES / "dwca_terms.json").read_text(encoding="utf-8"))["row_types"]
    table = points()
    path = write_dwca(table, tmp_path / "a.zip", photos=photos_of(table), **SAID)
    with zipfile.ZipFile(path) as archive:
        meta = ET.fromstring(archive.read("meta.xml"))
    parts = {part.get("rowType"): part for part in meta}
    assert set(parts) == set(published)
    for kind, part in parts.items():
        used = [field.get("term") for field in part.iter(f"{TEXT}field")]
        assert set(used) <= set(published[kind]["terms"])
        assert set(published[kind]["required"]) <= set(used)
        assert len(used) == len(set(used))


def test_metadata_name_authors_licence_model_accuracy_and_credit(tmp_path, model):
    labelled = points(habitat=["cropland", "cropland", None])
    judged = evaluate(labelled[:2], n_boot=0)
    said = {
        **SAID,
        "authors": ["Ada Lovelace <ada@example.org> 0000-0002-1825-0097", "Hopper, Grace M."],
    }
    path = write_dwca(
        points(),
        tmp_path / "a.zip",
        model=model,
        evaluation=judged,
        abstract="One.\n\nTwo.",
        **said,
    )
    _, eml = read(path)
    text = " ".join("".join(eml.itertext()).split())
    people = [(a.findtext("individualName/givenName"), a.findtext("individualName/surName"))
              for a in eml.iter("creator")]  # fmt: skip
    assert people == [("Ada", "Lovelace"), ("Grace M.", "Hopper")]
    assert eml.findtext("dataset/contact/electronicMailAddress") == "ada@example.org"
    assert eml.findtext("dataset/creator/userId") == "0000-0002-1825-0097"
    assert [p.text for p in eml.findall("dataset/abstract/para")] == ["One.", "Two."]
    assert (
        eml.find("dataset/intellectualRights/para/ulink").get("url").endswith("/by/4.0/legalcode")
    )
    assert eml.findtext("dataset/licensed/identifier") == "CC-BY-4.0"
    assert "overall accuracy 0.500" in eml.findtext(
        "dataset/methods/qualityControl/description/para"
    )
    assert "efficientnet_lite0" in text
    assert "It was trained on" in text
    assert "(c) European Union, LUCAS 2006, 2015, 2018, Eurostat" in text


def test_an_evaluation_may_be_its_numbers_or_their_file(tmp_path):
    judged = evaluate(points(habitat=["cropland", "cropland", None])[:2], n_boot=50, seed=1)
    file = tmp_path / "evaluation.json"
    file.write_text(json.dumps(judged.as_dict()), encoding="utf-8")
    told = [
        read(write_dwca(points(), tmp_path / "a.zip", evaluation=given, **SAID))[0]
        ["ExtendedMeasurementOrFact"]["measurementAccuracy"][0]
        for given in (judged, judged.as_dict(), file)
    ]  # fmt: skip
    assert told[0] == told[1] == told[2]
    assert re.search(r"overall accuracy 0\.500 \(95 % interval 0\.\d{3} to ", told[0])


def test_photos_have_their_public_addresses_and_rights(tmp_path):
    table = points()
    photos = photos_of(table)
    photos.loc[0, "path"] = "https://example.org/a.jpg"
    photos.loc[1, "path"] = "https://example.org/b.jpg?token=secret"
    photos.loc[2, "path"] = "s3://bucket/c.png"
    media = read(write_dwca(table, tmp_path / "a.zip", photos=photos, **SAID))[0]["Multimedia"]
    assert media["accessURI"].tolist()[:4] == [
        "",
        "",
        "https://example.org/a.jpg",
        "https://gisco-services.ec.europa.eu/lucas/photos/2018/UK/316/036/31603628P.jpg",
    ]
    assert media["identifier"].tolist()[:3] == ["b.jpg", "c.png", "https://example.org/a.jpg"]
    assert media["format"].tolist()[:3] == ["image/jpeg", "image/png", "image/jpeg"]
    assert set(media["Owner"]) == {"European Union"}
    assert media["Credit"][0] == "(c) European Union, LUCAS 2006, Eurostat"
    assert "secret" not in whole_text(tmp_path / "a.zip")
    assert "/home/ada" not in whole_text(tmp_path / "a.zip")


def test_photos_of_ones_own_are_not_the_surveys(tmp_path):
    table = points()
    said = {**SAID, "licence": "CC0-1.0"}
    path = write_dwca(
        table, tmp_path / "a.zip", photos=photos_of(table), rights_holder="Grace Hopper", **said
    )
    media = read(path)[0]["Multimedia"]
    assert set(media["Owner"]) == {"Grace Hopper"}
    assert media["rights"].str.contains("publicdomain/zero").all()
    assert "LUCAS" not in "".join(read(path)[1].itertext())


def test_days_come_from_the_table_or_its_photos(tmp_path):
    table = points()
    photos = photos_of(table)
    photos["datetime"] = ["2006-06-06T09:00:00", None, "2006-06-07", *["2018-06-19T12:30:00+02:00"] * 3,
                          *[""] * 3]  # fmt: skip
    event = read(write_dwca(table, tmp_path / "a.zip", photos=photos, **SAID))[0]["Event"]
    assert event["eventDate"].tolist() == ["2006-06-06/2006-06-07", "2018-06-19", "2015"]
    table["date"] = ["2006-06-08", None, "2015-02-30"]
    with pytest.warns(LucasWarning, match="1 values of date are no dates.*2015-02-30"):
        path = write_dwca(table, tmp_path / "a.zip", photos=photos, **SAID)
    assert read(path)[0]["Event"]["eventDate"].tolist() == ["2006-06-08", "2018-06-19", "2015"]
    table["date"] = pd.to_datetime(pd.Series(["2006-06-08", None, "2015-03-01"]))
    event = read(write_dwca(table, tmp_path / "a.zip", **SAID))[0]["Event"]
    assert event["eventDate"].tolist() == ["2006-06-08", "2018", "2015-03-01"]


# ---- blurring ------------------------------------------------------------------------------------


def test_a_true_place_is_never_farther_off_than_is_told():
    rng = np.random.default_rng(1)
    places = LonLat(rng.uniform(-30, 45, 3000), rng.uniform(27, 81, 3000))
    for grid in (100, 1000, 10_000, 250_000):
        cells = cells_of(places, grid)
        off = Geod(ellps="WGS84").inv(cells.centre.lon, cells.centre.lat, places.lon, places.lat)[2]
        assert (np.asarray(off) <= cells.radius).all()
        # In the middle of the grid it is half the diagonal, and nowhere much more.
        assert (cells.radius >= grid * 0.70).all()
        assert (cells.radius <= grid * 1.0 + 2).all()


def test_cells_are_those_of_the_european_grid():
    # 4321000 east, 3210000 north is the lower left corner of 10kmE432N321.
    from lucas_habitat._base.places import to_degrees

    corner = to_degrees(np.array([4321000.0, 4329999.0]), np.array([3210000.0, 3219999.0]))
    assert cells_of(corner, 10_000).name.tolist() == ["10kmE432N321"] * 2
    assert cells_of(corner, 1_000).name.tolist() == ["1kmE4321N3210", "1kmE4329N3219"]
    middle = to_degrees(np.array([4325000.0]), np.array([3215000.0]))
    assert cells_of(corner, 10_000).centre.lon[0] == pytest.approx(middle.lon[0], abs=1e-5)


def test_blurred_points_have_the_uncertainty_of_their_cell(tmp_path):
    table = points(own=[5.0, 100.0, 7.0])
    path = write_dwca(table, tmp_path / "a.zip", grid=10_000, uncertainty="own", key=tmp_path / "k.csv",
                      **SAID)  # fmt: skip
    event = read(path)[0]["Event"].set_index("locationID")
    key = pd.read_csv(tmp_path / "k.csv", dtype=str).set_index("point_id")["id"]
    exact = read(write_dwca(table, tmp_path / "exact.zip", **SAID))[0]["Event"].set_index(
        "locationID"
    )
    for id, own in zip(table["point_id"], table["own"], strict=True):
        told, true = (e[["decimalLongitude", "decimalLatitude"]].astype(float)
                      for e in (event.loc[key[id]], exact.loc[id]))  # fmt: skip
        off = Geod(ellps="WGS84").inv(*told, *true)[2]
        uncertainty = int(event.loc[key[id], "coordinateUncertaintyInMeters"])
        assert off + own <= uncertainty
        assert 7000 < uncertainty - own < 7300
    assert event["dataGeneralizations"].str.contains("10000 m of the grid EPSG:3035: 10kmE").all()
    assert event["informationWithheld"].str.contains("original id").all()


def test_nothing_of_a_blurred_archive_tells_the_point(tmp_path):
    table = points(date=["2006-06-06", "2018-06-19", "2015-07-02"], lc1="B11", x=np.nan, y=np.nan,
                   lon=[2.61364, -8.10842, -4.6537], lat=[50.86542, 54.43857, 48.0421])  # fmt: skip
    photos = photos_of(table).assign(datetime="2018-06-19T12:30:00")
    path = write_dwca(table, tmp_path / "a.zip", photos=photos, grid=20_000, **SAID)
    text = whole_text(path)
    for id in table["point_id"]:
        assert id not in text
    for secret in (
        "06-19",
        "06-06",
        ".jpg",
        "gisco",
        "2.61364",
        "50.8654",
        "0.638759",
        "B11",
        "/home",
    ):
        assert secret not in text, secret
    tables, _ = read(path)
    assert sorted(tables["Event"]["eventDate"]) == ["2006", "2015", "2018"]
    assert tables["Event"]["eventID"].tolist() == sorted(tables["Event"]["eventID"])
    assert set(tables["Multimedia"]["accessURI"]) == set(tables["Multimedia"]["CreateDate"]) == {""}
    assert tables["Multimedia"]["identifier"].is_unique
    p = tables["ExtendedMeasurementOrFact"].query("measurementUnit == 'proportion'")
    assert p["measurementValue"].str.fullmatch(r"[01]\.\d{1,2}").all()


def test_ids_are_drawn_anew_unless_the_key_is_kept(tmp_path):
    def locations(**arguments):
        path = write_dwca(points(), tmp_path / "a.zip", grid=10_000, **arguments, **SAID)
        return set(read(path)[0]["Event"]["locationID"])

    first = locations(key=tmp_path / "key.csv")
    assert locations(key=tmp_path / "key.csv") == first
    assert not locations() & first
    assert not locations(key=tmp_path / "other.csv") & first
    more = pd.concat([points(), points(point_id=["40003000", "40023000", "40043000"])])
    path = write_dwca(more, tmp_path / "a.zip", grid=10_000, key=tmp_path / "key.csv", **SAID)
    assert first < set(read(path)[0]["Event"]["locationID"])
    key = pd.read_csv(tmp_path / "key.csv", dtype=str)
    assert len(key) == 6
    assert key["id"].is_unique


def test_points_of_several_years_keep_one_place(tmp_path):
    table = points(point_id="38023110", year=[2006, 2018, 2015])
    event = read(write_dwca(table, tmp_path / "a.zip", grid=10_000, **SAID))[0]["Event"]
    assert event["locationID"].nunique() == 1
    assert sorted(event["year"]) == ["2006", "2015", "2018"]


def test_small_cells_on_the_surveys_grid_are_warned_of(tmp_path):
    with pytest.warns(LucasWarning, match="holds about one point, so it hides little"):
        write_dwca(points(), tmp_path / "a.zip", grid=2000, **SAID)


# ---- form ----------------------------------------------------------------------------------------


def test_what_users_write_cannot_break_a_file(tmp_path):
    odd = 'a,"b"\n<c>&\x00\x0b;\ufffe "'
    table = points(predicted=["=1+1", odd, None], nuts0=[odd, "uk", None])
    table = table.rename(columns={"p_cropland": "p_1_1", "p_woody": "p_a_b_c"})
    said = {**SAID, "title": f"T \ud800{odd}", "abstract": odd}
    tables, eml = read(write_dwca(table, tmp_path / "a.zip", **said))
    event = tables["Event"]
    assert event["habitat"].tolist() == ["=1+1", 'a,"b" <c>& ; "', ""]
    assert event["countryCode"].tolist() == ["", "GB", ""]
    assert eml.findtext("dataset/title") == 'T a,"b" <c>& ; "'
    assert len(event) == 3


def test_the_same_content_gives_the_same_bytes(tmp_path):
    table = points()
    arguments = {"photos": photos_of(table), **SAID}
    one, two = (write_dwca(table, tmp_path / f"{n}.zip", **arguments).read_bytes() for n in "ab")
    assert one == two
    assert write_dwca(table[:2], tmp_path / "c.zip", **arguments).read_bytes() != one


def test_points_without_a_place_or_a_year_are_events_too(tmp_path):
    table = points(point_id=["a", "b", "c"], year=pd.array([None, 2018, 2018], dtype="Int64"))
    for grid in (None, 10_000):
        event = read(write_dwca(table, tmp_path / "a.zip", grid=grid, **SAID))[0]["Event"]
        assert set(event["decimalLatitude"]) == set(event["coordinateUncertaintyInMeters"]) == {""}
        assert sorted(event["eventDate"]) == ["", "2018", "2018"]


def test_a_photo_without_a_point_is_not_called_by_its_folders(tmp_path):
    photos = pd.DataFrame({"path": ["/home/ada/secret/a.jpg"], "p_a": [0.3], "p_b": [0.7],
                           "predicted": ["b"]})  # fmt: skip
    from lucas_habitat import vote

    path = write_dwca(vote(photos), tmp_path / "a.zip", photos=photos, **SAID)
    tables, _ = read(path)
    assert tables["Event"]["eventID"].tolist() == ["a.jpg"]
    assert tables["Multimedia"]["identifier"].tolist() == ["a.jpg"]
    assert "secret" not in whole_text(path)


def test_photos_of_the_same_name_in_several_folders_are_told_apart(tmp_path):
    table = points(
        point_id=["/home/ada/wood/a.jpg", "/home/ada/field/a.jpg", "b"],
        year=pd.array([None] * 3, dtype="Int64"),
    )
    path = write_dwca(table, tmp_path / "a.zip", **SAID)
    assert read(path)[0]["Event"]["eventID"].tolist() == ["a.jpg", "a.jpg (2)", "b"]
    assert "wood/" not in whole_text(path)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"title": " "}, "title must be text"),
        ({"authors": []}, "authors must name at least one"),
        ({"authors": [", "]}, "authors must be names such as"),
        ({"authors": ["Ada <no mail>"]}, "authors must be names such as"),
        ({"authors": 3}, "authors must be text or several texts"),
        ({"authors": [None]}, "authors must be text or several texts"),
        ({"licence": None}, "licence must be text"),
        ({"abstract": 1}, "abstract must be text"),
        ({"rights_holder": ""}, "rights_holder must be text"),
        ({"grid": 10_000, "key": "k.txt"}, "key must end in .csv or .parquet"),
        ({"grid": 10_000, "key": 3}, "key must be a path or None"),
        ({"licence": "GPL"}, "licence must be one of 'CC0-1.0', 'CC-BY-4.0', 'CC-BY-NC-4.0'"),
        ({"grid": 5}, "grid must be a number, at least 100"),
        ({"uncertainty": 0}, "uncertainty must be a number, more than 0"),
        ({"uncertainty": "none"}, "uncertainty='none' needs the column none"),
        ({"key": "k.csv"}, "key is for ids that are replaced"),
        ({"evaluation": {"n": 3}}, "evaluation must be what evaluate.. returned"),
        ({"evaluation": "no.json"}, "evaluation must be what evaluate.. returned"),
    ],
)
def test_arguments_are_checked(tmp_path, given, why):
    with pytest.raises(InputError, match=why):
        write_dwca(points(), tmp_path / "a.zip", **{**SAID, **given})
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (points(point_id="a", year=2018), "more than once in a year"),
        (points(point_id=["a", None, "b"]), "1 rows without a point_id"),
        (points().drop(columns="n_photos"), "needs the column n_photos"),
        (
            points().drop(columns=["p_cropland", "p_woody"]),
            "needs the columns predicted and p_<class>",
        ),
    ],
)
def test_tables_are_checked(tmp_path, table, why):
    with pytest.raises(InputError, match=why):
        write_dwca(table, tmp_path / "a.zip", **SAID)


def test_an_archive_ends_in_zip(tmp_path):
    with pytest.raises(InputError, match=r"out must end in \.zip"):
        write_dwca(points(), tmp_path / "a.csv", **SAID)
    for name in (None, 3, "", ["a.zip"], "a\0.zip", b"a.zip"):
        with pytest.raises(InputError, match="out must "):
            write_dwca(points(), name, **SAID)


def test_a_key_that_holds_something_else_is_refused(tmp_path):
    key = tmp_path / "key.csv"
    key.write_text("point_id,id\na,1\na,2\n")
    with pytest.raises(InputError, match="the same point_id twice"):
        write_dwca(points(), tmp_path / "a.zip", grid=10_000, key=key, **SAID)
    key.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="needs the column point_id, id"):
        write_dwca(points(), tmp_path / "a.zip", grid=10_000, key=key, **SAID)


def test_photos_of_other_points_are_left_out_and_counted(tmp_path):
    table = points()
    with pytest.warns(LucasMessage, match="3 of 9 photos are of no point"):
        path = write_dwca(table[:2], tmp_path / "a.zip", photos=photos_of(table), **SAID)
    assert len(read(path)[0]["Multimedia"]) == 6


def test_without_a_model_a_note_says_so(tmp_path):
    with pytest.warns(
        LucasMessage, match="does not say which model classified the photos; model= names"
    ):
        write_dwca(points(), tmp_path / "a.zip", **SAID)


def test_the_command_writes_the_same(tmp_path):
    table = points()
    table.to_csv(tmp_path / "points.csv", index=False)
    (tmp_path / "a").mkdir()
    command = ["dwca", tmp_path / "points.csv", "--out", tmp_path / "a" / "a.zip", "--title", "Habitats",
               "--authors", "Ada Lovelace <ada@example.org>", "--licence", "CC-BY-4.0"]  # fmt: skip
    assert main([str(c) for c in command]) == 0
    ours = write_dwca(table, tmp_path / "b.zip", **SAID)
    assert (tmp_path / "a" / "a.zip").read_bytes() == ours.read_bytes()


def test_real_photos_of_the_survey(shared, tmp_path):
    photos = list_photos(shared / "data" / "lucas" / "photos", labels=False)
    table = photos.groupby(["point_id", "year"], as_index=False).agg(
        n_photos=("path", "size"), nuts0=("nuts0", "first")
    )
    table = table.assign(predicted="woody", p_woody=0.9, p_cropland=0.1)
    tables, _ = read(write_dwca(table, tmp_path / "a.zip", photos=photos, **SAID))
    media = tables["Multimedia"]
    assert len(tables["Event"]) == 4
    assert len(media) == 19
    assert (
        media["accessURI"].str.startswith("https://gisco-services.ec.europa.eu/lucas/photos/").all()
    )
