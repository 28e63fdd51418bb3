"""Croissant metadata: what it says is so, and nothing of a blurred table tells a point."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import write_run

from lucas_habitat import write_croissant
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning

SAID = {
    "title": "Habitats",
    "authors": ["Ada Lovelace <ada@example.org> 0000-0002-1825-0097", "Plato"],
    "licence": "CC-BY-4.0",
    "url": "https://example.org/habitats",
}
#: Of datasets, by http://mlcommons.org/croissant/1.1.
REQUIRED = ("conformsTo", "description", "license", "name", "url", "creator", "datePublished")
#: Of datasets, by http://mlcommons.org/croissant/geo/1.0.
GEO = {
    "coordinateReferenceSystem",
    "spatialResolution",
    "spatialIndex",
    "recordEndpoint",
    "spatialBias",
    "samplingStrategy",
    "temporalResolution",
}

pytestmark = pytest.mark.filterwarnings("ignore:.*does not say which model:UserWarning")


def photos(folder="/home/ada/lucas/photos"):
    """Predictions of the survey's photos, as they are downloaded."""
    rows = [
        {
            "path": f"{folder}/{year}/{nuts0}/{id[:3]}/{id[3:6]}/{id}{direction}.jpg",
            "point_id": id,
            "year": year,
            "direction": direction,
            "habitat": "crop land",
            "nuts0": nuts0,
            "x": int(id[:4]) * 1000.0,
            "y": int(id[4:]) * 1000.0,
            "predicted": "crop land",
            "p_crop_land": 0.638759,
            "p_woody": 0.361241,
            "calibrated": True,
            "datetime": f"{year}-06-19T12:30:00",
            "secret": "Ada's garden",
        }
        for id, year, nuts0 in (("38023110", 2006, "BE"), ("31603628", 2018, "UK"))
        for direction in "WPN"
    ]
    table = pd.DataFrame(rows)
    return table.assign(predicted=pd.Categorical(table["predicted"], ["crop land", "woody"]))


def points():
    table = photos().groupby(["point_id", "year"], as_index=False, observed=True).first()
    return table.drop(columns=["path", "direction"]).assign(n_photos=3)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def fields(document):
    return {field["name"]: field for field in document["recordSet"][0]["field"]}


def check(path):
    """A document all of whose references are to what is there."""
    document = read(path)
    assert all(document[name] for name in REQUIRED)
    geo = {name.removeprefix("geocr:") for name in document if name.startswith("geocr:")}
    assert geo <= GEO
    files = {part["@id"]: part for part in document["distribution"]}
    for part in files.values():
        if part["@type"] == "cr:FileObject":
            content = (path.parent / part["contentUrl"]).read_bytes()
            assert part["sha256"] == hashlib.sha256(content).hexdigest()
            assert part["contentSize"] == f"{len(content)} B"
        else:
            assert list(path.parent.glob(part["includes"]))
    (records,) = document["recordSet"]
    ids = [field["@id"] for field in records["field"]]
    assert len(set(ids)) == len(ids)
    assert {key["@id"] for key in records["key"]} <= set(ids)
    for field in records["field"]:
        (kind,) = set(field["source"]) - {"extract"}
        assert field["source"][kind]["@id"] in files
        assert field["source"]["extract"]["column"] == field["name"]
    return document


def test_a_table_in_memory_is_written_beside(tmp_path):
    document = check(write_croissant(photos(), tmp_path / "lucas.json", **SAID))
    table = pd.read_parquet(tmp_path / "lucas.parquet")
    assert list(fields(document)) == table.columns.tolist()
    assert table["path"][0].startswith(
        "https://gisco-services.ec.europa.eu/lucas/photos/2006/BE/380/"
    )
    assert "/home/ada" not in table.to_csv()
    assert document["conformsTo"] == [
        "http://mlcommons.org/croissant/1.1",
        "http://mlcommons.org/croissant/geo/1.0",
    ]
    assert document["creator"][0] == {
        "@type": "sc:Person",
        "name": "Ada Lovelace",
        "givenName": "Ada",
        "familyName": "Lovelace",
        "email": "ada@example.org",
        "@id": "https://orcid.org/0000-0002-1825-0097",
    }
    assert document["creditText"].startswith("(c) European Union, LUCAS 2006, 2018, Eurostat")
    assert document["temporalCoverage"] == "2006/2018"
    assert document["geocr:coordinateReferenceSystem"] == "EPSG:3035"
    assert document["geocr:spatialBias"] == "Points by country: BE 1, UK 1"
    south, west, north, east = map(float, document["spatialCoverage"]["geo"]["box"].split())
    assert [south, west] == pytest.approx([50.86542, -8.10842], abs=1e-5)
    assert [north, east] == pytest.approx([54.43857, 2.61364], abs=1e-5)


def test_columns_are_told_with_type_and_meaning(tmp_path):
    told = fields(read(write_croissant(photos(), tmp_path / "a.json", **SAID)))
    assert told["year"]["dataType"] == "sc:Integer"
    assert told["p_woody"]["dataType"] == "sc:Float"
    assert told["calibrated"]["dataType"] == "sc:Boolean"
    assert told["point_id"]["dataType"] == "sc:Text"
    assert told["habitat"]["dataType"] == ["sc:Text", "cr:Label"]
    assert told["p_crop_land"]["description"] == "The probability of the class crop land."
    assert told["secret"]["description"] == "The column secret."


def test_a_file_is_described_where_it_lies(tmp_path):
    (tmp_path / "data").mkdir()
    table = photos("photos")
    for ending in ("csv", "parquet"):
        file = tmp_path / "data" / f"photos.{ending}"
        getattr(table, f"to_{ending}")(file, index=False)
        document = check(write_croissant(file, tmp_path / "a.json", **SAID))
        assert [part["@id"] for part in document["distribution"]] == [f"data/photos.{ending}"]
        assert list(fields(document)) == table.columns.tolist()
    with pytest.raises(InputError, match="does not lie in the folder of out"):
        write_croissant(file, tmp_path / "other" / "a.json", **SAID)


def test_a_file_that_tells_of_this_computer_is_warned_of(tmp_path):
    photos(str(tmp_path)).to_csv(tmp_path / "photos.csv", index=False)
    with pytest.warns(LucasWarning, match="The column path tells of this computer"):
        write_croissant(tmp_path / "photos.csv", tmp_path / "a.json", **SAID)


def test_a_run_is_its_parts(tmp_path):
    run = write_run(tmp_path / "run", photos("photos"), rows=4)
    document = check(write_croissant(run, tmp_path / "a.json", **SAID))
    parts = [part["@id"] for part in document["distribution"]]
    assert parts == ["run/part-000000.parquet", "run/part-000001.parquet", "photos-files"]
    assert document["distribution"][-1]["includes"] == "run/part-*.parquet"
    assert {"stamp", "content"}.isdisjoint(fields(document))
    assert "6 photos of 2 points" in document["description"]
    one = write_run(tmp_path / "one", photos("photos"), rows=10)
    document = check(write_croissant(one, one / "a.json", **SAID))
    assert [part["@id"] for part in document["distribution"]] == ["part-000000.parquet"]


def test_points_are_records_by_point_and_year(tmp_path, model):
    judged = {
        "unit": "point", "n": 40, "n_points": 40, "level": 0.95, "overall_accuracy": 0.8,
        "overall_accuracy_interval": [0.7, 0.9], "kappa": 0.7, "kappa_interval": [0.6, 0.8],
    }  # fmt: skip
    path = write_croissant(points(), tmp_path / "a.json", model=model, evaluation=judged, **SAID)
    document = check(path)
    assert [key["@id"] for key in document["recordSet"][0]["key"]] == [
        "points/point_id",
        "points/year",
    ]
    assert "efficientnet_lite0" in document["description"]
    assert "overall accuracy 0.800 (95 % interval 0.700 to 0.900)" in document["description"]


@pytest.mark.parametrize("make", [photos, points])
def test_nothing_of_a_blurred_table_tells_the_point(tmp_path, make):
    table = make().assign(lon=2.61364, lat=50.86542)
    table.attrs = {"problems": [{"point_id": "38023110"}]}
    key = tmp_path / "key.csv"
    path = write_croissant(table, tmp_path / "a.json", grid=20_000, key=key, **SAID)
    document = check(path)
    told = pd.read_parquet(tmp_path / "a.parquet")
    schema = str(pq.read_schema(tmp_path / "a.parquet").metadata)
    text = told.to_csv() + path.read_text(encoding="utf-8") + schema
    hidden = ("38023110", "31603628", "06-19", ".jpg", "/home", "garden", "0.638759", "50.86542")
    for secret in hidden:
        assert secret not in text, secret
    assert set(told["point_id"]) == set(pd.read_csv(key, dtype=str)["id"])
    assert told["point_id"].is_monotonic_increasing
    assert (told["coordinate_uncertainty"] > 14_000).all()
    assert told["cell"].str.startswith("20kmE").all()
    assert document["geocr:spatialResolution"]["value"] == 20_000
    assert document["geocr:coordinateReferenceSystem"] == "EPSG:4326"
    if make is photos:
        assert told["photo"].is_unique
        assert told["direction"].tolist() == ["P", "N", "W"] * 2


def test_a_blurred_file_is_copied_blurred(tmp_path):
    file = tmp_path / "points.csv"
    points().to_csv(file, index=False)
    document = check(write_croissant(file, tmp_path / "a.json", grid=10_000, **SAID))
    assert [part["@id"] for part in document["distribution"]] == ["a.parquet"]


def test_photos_without_points_stand_for_themselves(tmp_path):
    paths = ["/home/ada/secret/a.jpg", "/home/ada/secret/b.jpg"]
    table = pd.DataFrame({"path": paths, "habitat": "woody"})
    document = check(write_croissant(table, tmp_path / "a.json", **SAID))
    told = pd.read_parquet(tmp_path / "a.parquet")
    assert told["path"].tolist() == told["point_id"].tolist() == ["a.jpg", "b.jpg"]
    assert "spatialCoverage" not in document
    assert "creditText" not in document
    check(write_croissant(table, tmp_path / "b.json", grid=10_000, **SAID))
    assert "secret" not in pd.read_parquet(tmp_path / "b.parquet").to_csv()


def test_text_that_cannot_be_written_is_left_out(tmp_path):
    said = {**SAID, "title": "a\ud800\x00 b", "abstract": "One.\n\nTwo \ud800."}
    document = check(write_croissant(points(), tmp_path / "a.json", **said))
    assert document["name"] == "a b"
    assert document["description"].startswith("One.\n\nTwo .")


def test_without_a_page_a_note_says_so(tmp_path):
    said = {name: value for name, value in SAID.items() if name != "url"}
    with pytest.warns(LucasMessage, match="asks for the data set's page on the web; url= gives it"):
        assert "url" not in read(write_croissant(points(), tmp_path / "a.json", **said))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"title": ""}, "title must be text"),
        ({"version": 1}, "version must be text"),
        ({"url": "example.org"}, "url must be an address such as"),
        ({"licence": "MIT"}, "licence must be one of"),
        ({"grid": np.inf}, "grid must be a number"),
        ({"key": "k.csv"}, "key is for ids that are replaced"),
    ],
)
def test_arguments_are_checked(tmp_path, given, why):
    with pytest.raises(InputError, match=why):
        write_croissant(points(), tmp_path / "a.json", **{**SAID, **given})
    assert list(tmp_path.iterdir()) == []


def test_ids_that_are_paths_tell_nothing_of_this_computer(tmp_path):
    photos = [
        "/home/ada/cropland/IMG_1.jpg",
        "/home/ada/woody/IMG_1.jpg",
        "C:\\ada\\IMG_2.jpg",
        "42",
    ]
    four = pd.concat([points(), points()], ignore_index=True).assign(point_id=photos)
    write_croissant(four, tmp_path / "a.json", **SAID)
    ids = pd.read_parquet(tmp_path / "a.parquet")["point_id"].tolist()
    assert ids == ["IMG_1.jpg", "IMG_1.jpg (2)", "IMG_2.jpg", "42"]


def test_other_tables_and_endings_are_refused(tmp_path):
    with pytest.raises(InputError, match="needs a table of photos"):
        write_croissant(pd.DataFrame({"a": [1]}), tmp_path / "a.json", **SAID)
    for table in (None, 3, ["a.csv"], b"a"):
        with pytest.raises(InputError, match="table must be a table or a path"):
            write_croissant(table, tmp_path / "a.json", **SAID)
    with pytest.raises(InputError, match=r"out must end in \.json"):
        write_croissant(points(), tmp_path / "a.zip", **SAID)


def test_the_command_writes_the_same(tmp_path):
    points().to_csv(tmp_path / "points.csv", index=False)
    command = ["croissant", tmp_path / "points.csv", "--out", tmp_path / "a.json", "--title", "Habitats",
               "--authors", *SAID["authors"], "--licence", "CC-BY-4.0", "--url", SAID["url"],
               "--version", "2.0.0"]  # fmt: skip
    assert main([str(c) for c in command]) == 0
    ours = write_croissant(tmp_path / "points.csv", tmp_path / "b.json", version="2.0.0", **SAID)
    assert read(tmp_path / "a.json") == read(ours)
