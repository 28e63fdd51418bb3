"""What R is handed: plain values only, and errors as values."""

import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from lucas_habitat import bridge

PLAIN = (dict, list, str, float, int, bool, bytearray, type(None))


def assert_plain(value):
    """Only exact plain types: a subclass of str or a numpy number would arrive as an object."""
    assert type(value) in PLAIN, type(value)
    if isinstance(value, dict):
        assert all(type(k) is str for k in value)
        for item in value.values():
            assert_plain(item)
    elif isinstance(value, list):
        for item in value:
            assert_plain(item)
    elif type(value) is int:
        assert abs(value) < 2**31


def table_from_r(**columns):
    return {
        "lucas_table": True,
        "n": 1.0,
        "names": list(columns),
        "columns": list(columns.values()),
    }


def text(*values):
    missing = [float(i) for i, v in enumerate(values, 1) if v is None]
    return {"kind": "text", "values": [v or "" for v in values], "missing": missing}


def test_every_kind_of_column_is_plain_and_comes_back():
    table = pd.DataFrame(
        {
            "text": pd.Series(["a", None], dtype="str"),
            "number": [1.5, np.nan],
            "float32": np.array([0.5, 2], dtype="float32"),
            "whole": pd.array([2**40, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "predicted": pd.Categorical(["b", None], categories=["a", "b"]),
            "day": pd.to_datetime(["2018-05-01", None]),
            "time": pd.to_datetime(["2018-05-01T12:30:00Z", None]),
        }
    )
    sent = bridge._to_r(table)
    assert_plain(sent)
    kinds = [column["kind"] for column in sent["columns"]]
    assert kinds == ["text", "number", "number", "whole", "flag", "factor", "date", "time"]
    back = bridge._table_from_r(sent)
    pd.testing.assert_frame_equal(
        back.drop(columns="time"),
        table.drop(columns="time").astype({"float32": "float64"}),
        check_dtype=False,
    )
    assert back["time"].iloc[0] == table["time"].iloc[0]


def test_missing_text_is_missing_and_na_text_is_text():
    found = bridge._table_from_r(table_from_r(a=text("NA", None, "")))
    assert found["a"].isna().tolist() == [False, True, False]
    assert found["a"].tolist()[0] == "NA"


def test_an_index_becomes_row_names_and_attributes_cross():
    table = pd.DataFrame({"p_a": [0.1]}, index=pd.Index(["x"], name="point_id"))
    table.attrs = {"engine": "torch", "calibrated": True, "deep": {"no": 1}}
    sent = bridge._to_r(table)
    assert sent["row_names"] == ["x"]
    assert sent["attrs"] == {"engine": "torch", "calibrated": True}
    assert "row_names" not in bridge._to_r(pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (5.0, 5),
        (0.5, 0.5),
        ([224.0, 224.0], [224, 224]),
        (True, True),
        (None, None),
    ],
)
def test_whole_numbers_from_r_are_whole(given, expected):
    found = bridge._from_r(given)
    assert found == expected
    assert type(found) is type(expected)


def test_errors_are_values_with_their_classes():
    answer = bridge.call("list_photos", {"source": "/no/such/folder"})
    assert_plain(answer)
    assert not answer["ok"]
    assert answer["known"]
    assert answer["kinds"] == ["InputError", "LucasError"]
    assert "There is no /no/such/folder" in answer["message"]


def test_unforeseen_errors_are_values_too():
    answer = bridge.call("list_photos", {"nonsense": 1.0})
    assert not answer["ok"]
    assert not answer["known"]
    assert answer["kinds"] == ["TypeError"]
    assert "Traceback" in answer["traceback"]


def test_interruptions_are_raised(monkeypatch):
    def stop(**_):
        raise KeyboardInterrupt

    monkeypatch.setitem(bridge._OWN, "stop", stop)
    with pytest.raises(KeyboardInterrupt):
        bridge.call("stop", {})


@pytest.mark.parametrize("text", ["(Unknown exception occurred)", "tracing: KeyboardInterrupt"])
def test_an_interruption_that_openvino_renamed_is_raised(monkeypatch, text):
    def fail(**_):
        raise RuntimeError(text)

    monkeypatch.setitem(bridge._OWN, "fail", fail)
    with pytest.raises(KeyboardInterrupt):
        bridge.call("fail", {})


def test_an_interruption_while_r_draws_its_bar_is_raised(monkeypatch):
    monkeypatch.setattr(bridge, "_FIRST", 0)
    progress = bridge._Seldom(lambda *seen: "interrupted")
    with pytest.raises(KeyboardInterrupt):
        progress(1, 2, "photos")


def test_warnings_and_messages_are_notes_also_of_a_failure():
    table = table_from_r(lc1=text("A11", "Q99"))
    answer = bridge.call("assign_habitat", {"table": table})
    assert [note["kind"] for note in answer["notes"]] == ["warning"]
    photos = table_from_r(
        path=text("a.jpg", "b.jpg"), point_id=text("1", "2"), habitat=text("woody", None)
    )
    answer = bridge.call("split_photos", {"photos": photos})
    assert not answer["ok"]
    assert "1 of 2 photos have no class" in answer["notes"][0]["text"]


def test_an_evaluation_is_plain():
    table = table_from_r(predicted=text("a", "a", "b"), habitat=text("a", "b", "b"))
    answer = bridge.call("evaluate", {"predictions": table, "n_boot": 0.0})
    assert_plain(answer)
    value = answer["value"]
    assert value["lucas_kind"] == "evaluation"
    # By columns (reference), as R fills a matrix: a: 1 right; b: one taken for a, one right.
    assert value["confusion"] == [1.0, 0.0, 1.0, 1.0]


def test_a_network_is_plain():
    answer = bridge.call(
        "build_model", {"num_classes": 3.0, "arch": "efficientnet_lite0", "weights": None}
    )
    assert_plain(answer)
    assert answer["value"]["classes"] == 3
    assert answer["value"]["trained"] == 1280 * 1024 + 1024 + 1024 * 3 + 3


def test_covariates_come_with_their_support():
    numbers = {
        name: {"kind": "number", "values": bytearray(np.array(v, "<f8").tobytes())}
        for name, v in {"n_photos": [5.0], "p_a": [0.7], "p_b": [0.3]}.items()
    }
    points = table_from_r(point_id=text("43203210"), **numbers)
    answer = bridge.call("covariates", {"points": points, "drop": "none"})
    assert_plain(answer)
    assert answer["value"]["covariates"]["row_names"] == ["43203210"]
    assert answer["value"]["support"]["names"][0] == "n_points"


def test_a_survey_comes_with_its_repairs_and_problems(tmp_path):
    (tmp_path / "survey.csv").write_text(
        "point_id,year,nuts0,lc1,photo_west\n"
        "42503580,2012,DK,a11,Photo taken\n"
        "42563580,2012,DK,B11,\n"
        "42563590,2017,DK,B11,Photo not taken\n"
        "42563600,2018,DK\n"
    )
    answer = bridge.call("read_survey", {"source": str(tmp_path / "survey.csv"), "columns": []})
    assert_plain(answer)
    value = answer["value"]
    assert value["repairs"] == {"codes_tidied": 1}
    table = bridge._table_from_r(value["table"])
    assert table["point_id"].tolist() == ["42503580", "42563580"]
    assert table["photo_west"].tolist() == [True, pd.NA]
    problems = bridge._table_from_r(value["problems"])
    assert problems["row"].tolist() == [3, pd.NA]
    assert problems["point_id"][0] == "42563590"
    assert problems["point_id"].isna().tolist() == [False, True]
    assert problems["problem"].str.contains("no campaign|3 fields").all()


def test_a_survey_without_problems_has_the_same_columns_of_them(tmp_path):
    (tmp_path / "survey.csv").write_text("point_id,year,nuts0,lc1\n42503580,2012,DK,A11\n")
    value = bridge.call("read_survey", {"source": str(tmp_path / "survey.csv")})["value"]
    assert_plain(value)
    assert value["repairs"] == {}
    assert value["problems"]["names"] == ["row", "point_id", "year", "problem"]
    assert [c["kind"] for c in value["problems"]["columns"]] == ["whole", "text", "whole", "text"]


def test_progress_is_seldom(monkeypatch):
    told, clock = [], [0.0]
    monkeypatch.setattr(bridge.time, "monotonic", lambda: clock[0])
    progress = bridge._Seldom(lambda *seen: told.append(seen))
    for done in range(1, 101):
        clock[0] = done * 0.02  # two seconds in all
        progress(done, 100, "photos")
    assert 5 <= len(told) <= 10
    assert told[-1] == (100.0, 100.0, "photos")
    told.clear()
    progress(1, 1, "quick")
    assert told == []


def test_models_are_let_go_of_and_damaged_bytes_refused():
    bridge.forget_models()
    for i in range(bridge._MOST_MODELS + 2):
        bridge._remember(object(), str(i))
    assert not bridge.has_model("0")
    assert bridge.has_model(str(bridge._MOST_MODELS + 1))
    bridge.forget_models()
    answer = bridge.call("restore_model", {"id": "x", "data": bytearray(b"no tar")})
    assert answer["kinds"][0] == "ModelError"


def test_bytes_that_would_leave_their_folder_are_refused():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("../outside.txt")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    answer = bridge.call("restore_model", {"id": "x", "data": bytearray(packed.getvalue())})
    assert not answer["ok"]
    assert answer["kinds"][0] == "ModelError"


def test_status_is_plain_and_names_what_is_missing(monkeypatch):
    found = bridge.status()
    assert_plain(found)
    assert found["missing"] == []
    monkeypatch.setattr(bridge, "_version_of", lambda name: "" if name == "timm" else "1")
    assert bridge.status()["missing"] == ["timm"]
