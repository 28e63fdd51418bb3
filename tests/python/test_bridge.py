"""What R is handed: plain values only, and errors as values."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from lucas_habitat import bridge, save_model
from lucas_habitat.bridge import calls, installed, models
from lucas_habitat.bridge.for_r import FOR_R
from lucas_habitat.bridge.from_r import table_from_r, value_from_r
from lucas_habitat.bridge.to_r import value_to_r

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


def columns_of_r(**columns):
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
    sent = value_to_r(table)
    assert_plain(sent)
    kinds = [column["kind"] for column in sent["columns"]]
    assert kinds == ["text", "number", "number", "whole", "flag", "factor", "date", "time"]
    back = table_from_r(sent)
    pd.testing.assert_frame_equal(
        back.drop(columns="time"),
        table.drop(columns="time").astype({"float32": "float64"}),
        check_dtype=False,
    )
    assert back["time"].iloc[0] == table["time"].iloc[0]


def test_missing_text_is_missing_and_na_text_is_text():
    found = table_from_r(columns_of_r(a=text("NA", None, "")))
    assert found["a"].isna().tolist() == [False, True, False]
    assert found["a"].tolist()[0] == "NA"


def test_an_index_becomes_row_names_and_attributes_cross():
    table = pd.DataFrame({"p_a": [0.1]}, index=pd.Index(["x"], name="point_id"))
    table.attrs = {"engine": "torch", "calibrated": True, "deep": {"no": 1}}
    sent = value_to_r(table)
    assert sent["row_names"] == ["x"]
    assert sent["attrs"] == {"engine": "torch", "calibrated": True}
    assert "row_names" not in value_to_r(pd.DataFrame({"a": [1]}))


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
    found = value_from_r(given)
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

    monkeypatch.setitem(FOR_R, "stop", stop)
    with pytest.raises(KeyboardInterrupt):
        bridge.call("stop", {})


@pytest.mark.parametrize("text", ["(Unknown exception occurred)", "tracing: stopped"])
def test_an_interruption_that_openvino_renamed_is_raised(monkeypatch, text):
    def fail(**_):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            time.sleep(1)
        raise RuntimeError(text)

    monkeypatch.setitem(FOR_R, "fail", fail)
    with pytest.raises(KeyboardInterrupt):
        bridge.call("fail", {})


def test_an_interruption_behind_an_error_is_raised(monkeypatch):
    def fail(**_):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("the converter failed") from error

    monkeypatch.setitem(FOR_R, "fail", fail)
    with pytest.raises(KeyboardInterrupt):
        bridge.call("fail", {})


@pytest.mark.parametrize("text", ["(Unknown exception occurred)", "KeyboardInterrupt"])
def test_an_error_that_only_reads_like_an_interruption_is_none(monkeypatch, tmp_path, text):
    def fail(**_):
        raise RuntimeError(text)

    monkeypatch.setitem(FOR_R, "fail", fail)
    assert bridge.call("fail", {})["message"] == text
    answer = bridge.call("list_photos", {"source": str(tmp_path / text)})
    assert answer["message"].startswith(f"There is no {tmp_path / text}.")


def test_signals_are_watched_during_calls_only():
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    handler = signal.getsignal(signal.SIGINT)
    bridge.call("list_photos", {"source": "/no/such/folder"})
    assert signal.set_wakeup_fd(before) == before
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_can_call():
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bridge.call, "list_photos", {"source": "/no/such/folder"}).result()
    assert answer["kinds"][0] == "InputError"


def test_an_interruption_while_r_draws_its_bar_is_raised(monkeypatch):
    monkeypatch.setattr(calls, "_FIRST", 0)
    progress = calls.Seldom(lambda *seen: "interrupted")
    with pytest.raises(KeyboardInterrupt):
        progress(1, 2, "photos")


def test_warnings_and_messages_are_notes_also_of_a_failure():
    table = columns_of_r(lc1=text("A11", "Q99"))
    answer = bridge.call("assign_habitat", {"table": table})
    assert [note["kind"] for note in answer["notes"]] == ["warning"]
    photos = columns_of_r(
        path=text("a.jpg", "b.jpg"), point_id=text("1", "2"), habitat=text("woody", None)
    )
    answer = bridge.call("split_photos", {"photos": photos})
    assert not answer["ok"]
    assert "1 of 2 photos have no class" in answer["notes"][0]["text"]


def test_an_evaluation_is_plain():
    table = columns_of_r(predicted=text("a", "a", "b"), habitat=text("a", "b", "b"))
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
    points = columns_of_r(point_id=text("43203210"), **numbers)
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
    table = table_from_r(value["table"])
    assert table["point_id"].tolist() == ["42503580", "42563580"]
    assert table["photo_west"].tolist() == [True, pd.NA]
    problems = table_from_r(value["problems"])
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
    monkeypatch.setattr(calls.time, "monotonic", lambda: clock[0])
    progress = calls.Seldom(lambda *seen: told.append(seen))
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
    for i in range(models.MOST + 2):
        models.remember(object(), str(i))
    assert not bridge.has_model("0")
    assert bridge.has_model(str(models.MOST + 1))
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


def test_status_is_plain_and_finds_nothing_missing():
    found = bridge.status()
    assert_plain(found)
    assert found["missing"] == found["unfit"] == found["unfit_extras"] == []


def declared():
    """What the project says that it needs, with the markers of its metadata."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + [
        f'{text} and extra == "{extra}"' if ";" in text else f'{text}; extra == "{extra}"'
        for extra, texts in project["optional-dependencies"].items()
        for text in texts
    ]


def test_status_looks_for_every_package_that_the_core_was_declared_to_need(monkeypatch):
    monkeypatch.setattr(installed, "_requirements", declared)
    needed = {Requirement(text).name for text in declared() if "extra ==" not in text}
    assert len(needed) > 20
    monkeypatch.setattr(installed, "_version_of", lambda name: "")
    assert set(installed._packages().missing) == needed
    assert installed._packages()[1:] == ([], [])


def test_status_compares_versions(monkeypatch):
    monkeypatch.setattr(installed, "_requirements", declared)
    versions = {
        "pandas": "2.3.3",
        "httpx2": "2.1",
        "gradio": "5.0",
        "torch": "2.9.0+cpu",
        "tensorflow-cpu": "1.0",
    }
    monkeypatch.setattr(installed, "_version_of", lambda name: versions.get(name, "9999"))
    packages = installed._packages()
    assert packages.missing == []
    assert packages.unfit == ["pandas 2.3.3 instead of >=3.0"]
    # An extra's package may be lacking, but what is there must fit; bench and dev are not for users.
    assert any(text.startswith("gradio 5.0 instead of") for text in packages.unfit_extras)
    assert not any(text.startswith("tensorflow") for text in packages.unfit_extras)


def test_status_without_metadata_or_packaging_is_no_error(monkeypatch):
    def lacking(_):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(installed.metadata, "requires", lacking)
    assert installed._packages() == ([], [], [])
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert installed._packages() == (["packaging"], [], [])


def run_python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="only glibc has it")
def test_only_torch_is_bound_deeply_and_the_flags_come_back():
    code = """
import importlib.machinery, importlib.util, os, sys
kept = importlib.machinery.SourceFileLoader.exec_module
def exec_module(self, module):
    if module.__name__ in ("torch", "colorsys"):
        print(module.__name__, bool(sys.getdlopenflags() & os.RTLD_DEEPBIND))
    if module.__name__ != "torch":
        kept(self, module)
importlib.machinery.SourceFileLoader.exec_module = exec_module
flags = sys.getdlopenflags()
import lucas_habitat.bridge
importlib.util.find_spec("torch")  # as libraries do that can do without it
import colorsys, torch
print(sys.getdlopenflags() == flags, torch.__spec__.name)
"""
    assert run_python(code) == ["colorsys", "False", "torch", "True", "True", "torch"]


def test_a_saved_model_classifies_without_torch(tmp_path, photo_folder, model):
    folder = save_model(model, tmp_path / "model")
    code = """
import sys
from lucas_habitat import bridge
model, photos = sys.argv[1:]
value = bridge.call("load_model", {"folder": model})["value"]
bridge.forget_models()
assert bridge.call("restore_model", {"id": value["id"], "data": value["bytes"]})["ok"]
answer = bridge.call("classify", {"photos": photos, "model": {"lucas_model": value["id"]}})
assert answer["ok"], answer
print(answer["value"]["attrs"]["engine"], "torch" in sys.modules)
"""
    assert run_python(code, str(folder), str(photo_folder)) == ["openvino", "False"]
