"""Tables, surveys and zips made to do harm: errors that name the column, bounded memory."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lucas_habitat import (
    assign_habitat,
    class_levels,
    covariates,
    evaluate,
    list_photos,
    read_survey,
    split_photos,
    vote,
)
from lucas_habitat._base import zips
from lucas_habitat._base.tables import iter_table, read_table
from lucas_habitat.app.uploads import Refused, safe_name, take_uploads
from lucas_habitat.errors import InputError
from lucas_habitat.survey import raw_table


def photos(n=6):
    return pd.DataFrame(
        {
            "path": [f"/p/4300360{i % 3}{d}.jpg" for i, d in zip(range(n), "PNESPN", strict=True)],
            "point_id": [f"4300360{i % 3}" for i in range(n)],
            "year": pd.array([2018] * n, dtype="Int64"),
            "direction": list("PNESPN"),
            "habitat": ["woody", "cropland", "woody"] * 2,
            "split": None,
        }
    )


def predicted():
    p = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]] * 2)
    labels = pd.Categorical(np.where(p[:, 0] > 0.5, "woody", "cropland"), ["woody", "cropland"])
    return photos().assign(predicted=labels, p_woody=p[:, 0], p_cropland=p[:, 1], calibrated=True)


def with_cell(table, column, value):
    cells = table[column].astype("object").tolist()
    cells[1] = value
    return table.assign(**{column: pd.Series(cells, dtype="object")})


# Cells

TAKERS = {
    "vote": (vote, predicted),
    "evaluate": (lambda table: evaluate(table, n_boot=0), predicted),
    "split_photos": (lambda table: split_photos(table, test_size=0.4), photos),
    "list_photos": (list_photos, photos),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, {1}, b"\xff", 1 + 2j, 10**30, "\ud800", object()],
    ids=["list", "dict", "set", "bytes", "complex", "endless", "half a character", "object"],
)
@pytest.mark.parametrize("column", ["habitat", "point_id", "path"])
def test_a_cell_that_is_no_value_is_named(taker, column, value):
    take, table = TAKERS[taker]
    with pytest.raises(
        InputError, match=f"The column {column} holds what is no text, number or date"
    ):
        take(with_cell(table(), column, value))


@pytest.mark.parametrize("taker", ["vote", "evaluate"])
@pytest.mark.parametrize("value", ["high", "0,5", "", pd.Timestamp("2018-01-01")])
def test_text_among_probabilities_is_named(taker, value):
    take, table = TAKERS[taker]
    with pytest.raises(InputError, match="column p_woody must hold numbers; it holds"):
        take(with_cell(table(), "p_woody", value))


def test_numbers_that_are_text_are_numbers():
    table = predicted()
    table["p_woody"] = table["p_woody"].astype("str")
    pd.testing.assert_frame_equal(vote(table), vote(predicted()))


def test_dates_among_probabilities_are_refused():
    table = predicted().assign(p_woody=pd.Timestamp("2018-01-01"))
    with pytest.raises(InputError, match="column p_woody must hold numbers; it holds '2018"):
        vote(table)


@pytest.mark.parametrize("kind", ["complex128", "timedelta64[ns]"])
def test_kinds_of_numbers_that_cannot_be_compared(kind):
    with pytest.raises(InputError, match=f"column year holds {kind.split('[')[0]}"):
        list_photos(photos().assign(year=np.zeros(6, kind)))


def test_a_date_is_no_year():
    with pytest.raises(InputError, match="year must hold whole numbers"):
        list_photos(photos().assign(year=pd.Timestamp("2018-01-01")))


@pytest.mark.parametrize("taker", TAKERS)
def test_a_column_that_stands_twice_is_named(taker):
    take, table = TAKERS[taker]
    for column in ("habitat", "path", "year"):
        twice = pd.concat([table(), table()[[column]]], axis=1)
        with pytest.raises(InputError, match=f"has the column {column} more than once"):
            take(twice)


@pytest.mark.parametrize("name", [None, float("nan"), pd.NaT, "\ud800", {"a": 1}])
def test_a_column_without_a_name(name):
    table = predicted()
    table.columns = pd.Index([*table.columns[:-1], name], dtype="object")
    with pytest.raises(InputError, match="has no name that is text"):
        evaluate(table)


def test_what_stands_in_other_columns_is_their_owners():
    table = photos().assign(shape=[{"a": i} for i in range(6)], notes=[[i] for i in range(6)])
    voted = vote(predicted().assign(shape=table["shape"], notes=table["notes"]))
    assert voted["n_photos"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("value", ["=1+1", "many", float("inf"), -1, 1.5])
def test_numbers_of_photos_are_whole(value):
    points = with_cell(vote(predicted()), "n_photos", value)
    with pytest.raises(InputError, match="column n_photos must hold"):
        covariates(points)


def test_sites_whose_rows_have_several_names():
    sites = pd.DataFrame({"x": [4.3e6], "y": [3.6e6]})
    sites.index = pd.MultiIndex.from_tuples([("a", 1)])
    points = vote(predicted().assign(x=4.3e6, y=3.6e6)).assign(calibrated=True)
    with pytest.raises(InputError, match=r"of sites has several levels\. Give id"):
        covariates(points, sites, k=1)


@pytest.mark.parametrize(
    "scheme",
    [
        {"A": "\ud800"},
        {"A": b"\xff"},
        {"A": ["x"]},
        pd.DataFrame([["A", "x", "y"]], columns=["code", "class", "class"]),
        pd.DataFrame({"code": [["A"]], "class": ["x"]}),
    ],
)
def test_nomenclatures_that_are_none(scheme):
    with pytest.raises(InputError, match=r"column c(ode|lass)"):
        assign_habitat(photos().assign(lc1="B16"), scheme)


@pytest.mark.parametrize(
    "take", [class_levels, lambda t: assign_habitat(photos().assign(lc1="B16"), t)]
)
def test_levels_that_stand_twice(take):
    rows = [["B", "b", "x", "y"], ["C", "c", "x", "y"]]
    with pytest.raises(InputError, match="has the column level1 more than once"):
        take(pd.DataFrame(rows, columns=["code", "class", "level1", "level1"]))


def test_parquet_whose_text_is_not_utf8(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"path": ["/p/43003600N.jpg"]}), path, compression="none", use_dictionary=False
    )
    path.write_bytes(path.read_bytes().replace(b"43003600N", b"4300360\xffN"))
    for read in (read_table, list_photos, lambda p: list(iter_table(p, 5))):
        with pytest.raises(InputError, match=r"Cannot read the table.*(?i:utf-?8)"):
            read(path)


# The survey's tables


def survey_rows(n=1):
    rows = "".join(f"{43003600 + 2 * i},2018,DK,B16\n" for i in range(n))
    return f"point_id,year,nuts0,lc1\n{rows}".encode()


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", [".zip", ".csv.gz"])
def test_a_packed_table_that_unpacks_to_far_more_than_any_table(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(raw_table, "_LEAST_UNPACKED", 1_000_000)
    data = survey_rows(50)
    path = tmp_path / f"survey{ending}"
    pack = (lambda d: zipped({"a.csv": d})) if ending == ".zip" else gzip.compress
    path.write_bytes(pack(data))
    assert len(read_survey(path)) == 50
    path.write_bytes(pack(data + b"\n" * 10_000_000))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_survey(path)


def test_a_parquet_of_a_few_kilobytes_that_holds_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_table, "_MOST_UNPACKED", 10_000_000)
    n = 30_000
    table = pa.table({"point_id": ["x" * 2000] * n, "nuts0": ["DK"] * n, "lc1": ["B16"] * n})
    pq.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 50_000
    with pytest.raises(InputError, match="unpacks to more than 10,000,000 bytes"):
        read_survey(tmp_path / "a.parquet")


@pytest.mark.parametrize("kind", ["parquet", "zip", "gz"])
def test_a_damaged_survey_is_an_input_error(tmp_path, kind):
    buffer = io.BytesIO()
    frame = pd.read_csv(io.BytesIO(survey_rows(40)), dtype="str")
    frame.to_parquet(buffer, compression=None)
    whole = {"parquet": buffer.getvalue(), "zip": zipped({"ø.csv": survey_rows(40)}),
             "gz": gzip.compress(survey_rows(40))}[kind]  # fmt: skip
    path = tmp_path / {"parquet": "a.parquet", "zip": "a.zip", "gz": "a.csv.gz"}[kind]
    rng = np.random.default_rng(3)
    n_refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 4):
            data[at] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            read_survey(path, years=2018)
        except InputError:  # anything else fails the test
            n_refused += 1
    assert n_refused > 50


# Zips


def claiming_utf8(name):
    """A zip whose only photo's name says that it is UTF-8, and is not."""
    data = zipped({name: b"x"})
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark) + flags
        data = data[:at] + struct.pack("<H", 0x800) + data[at + 2 :]
    return data.replace(name.encode(), b"\xff" * len(name.encode()))


def dropped(tmp_path, data):
    tmp_path.joinpath("up").mkdir(exist_ok=True)
    path = tmp_path / "up" / "a.zip"
    path.write_bytes(data)
    return take_uploads([path], tmp_path / "in")


def test_names_that_are_not_the_utf8_they_say(tmp_path):
    assert dropped(tmp_path, claiming_utf8("b.jpg")) == [Refused("a.zip", "broken zip")]
    (tmp_path / "a.zip").write_bytes(claiming_utf8("b.csv"))
    with pytest.raises(InputError, match="list of files that cannot be read"):
        read_survey(tmp_path / "a.zip")


def test_a_zip_with_a_file_without_a_name(tmp_path):
    data = zipped({"b.jpg": b"x", "c.jpg": b"y"})
    listed = data.rindex(b"c.jpg")
    data = data[:listed] + b"\0" + data[listed + 1 :]  # zipfile ends names at a NUL
    assert dropped(tmp_path, data)[0] == Refused("", "unsafe name")


@pytest.mark.parametrize("is_64", [False, True])
def test_a_zip_of_endless_files_is_refused_before_its_list_is_read(tmp_path, monkeypatch, is_64):
    data = zipped({"a.jpg": b"x"})
    end = data.index(b"PK\x05\x06")
    if is_64:
        end64 = b"PK\x06\x06" + bytes(36) + struct.pack("<QQ", 30_000_000, 0)
        place = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
        data = data[:end] + end64 + place + data[end : end + 12] + b"\xff" * 8 + b"\0\0"
    else:
        data = data[: end + 12] + struct.pack("<I", 30_000_000) + data[end + 16 :]
    monkeypatch.setattr(zips.zipfile, "ZipFile", None)
    assert dropped(tmp_path, data) == [Refused("a.zip", "broken zip")]


def test_long_names_of_many_bytes_have_room_on_every_file_system():
    assert len(safe_name("\U0001f332" * 200 + ".jpg").encode()) <= 255
