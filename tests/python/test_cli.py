"""The command line, as scripts use it."""

import argparse
import functools
import http.server
import inspect
import json
import re
import subprocess
import sys
import threading
import warnings

import pandas as pd
import pytest
import rasterio

import lucas_habitat
from lucas_habitat._base import words
from lucas_habitat.cli import main
from lucas_habitat.cli.main import COMMANDS, make_parser
from lucas_habitat.cli.options import given
from lucas_habitat.errors import LucasWarning

NAMES = (
    "survey",
    "select",
    "download",
    "list",
    "locate",
    "near-duplicates",
    "split",
    "check-split",
    "train",
    "classify",
    "cross-validate",
    "compare-recipes",
    "calibrate",
    "quantize",
    "in-training",
    "share-model",
    "vote",
    "evaluate",
    "levels",
    "at-level",
    "compare",
    "error-by-distance",
    "validate-map",
    "shares",
    "covariates",
    "transitions",
    "sets",
    "abstain",
    "predict-level",
    "review",
    "doubted-labels",
    "sort-photos",
    "read-sorted",
    "write-xmp",
    "dwca",
    "odmap",
    "croissant",
    "cache",
    "report",
    "app",
    "pilot",
    "demo",
)


def run(*arguments):
    return main([str(a) for a in arguments])


@pytest.fixture(autouse=True)
def keep_warning_filters():
    """main() sets its own, for a process of its own."""
    with warnings.catch_warnings():
        yield


@pytest.fixture(scope="module")
def trained(photo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kør")
    assert run("split", photo_folder, "--out", folder / "photos.csv", "--test-size", 0.34) == 0
    assert run("train", folder / "photos.csv", "--out", folder / "model", "--arch",
               "efficientnet_lite0", "--epochs", 3) == 0  # fmt: skip
    return folder


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_from_photos_to_covariates(trained, capsys, ending):
    f = trained
    predictions, points = f / f"predictions.{ending}", f / f"points.{ending}"
    assert run("classify", f / "photos.csv", "--split", "test", "--model", f / "model",
               "--out", predictions) == 0  # fmt: skip
    assert run("vote", predictions, "--out", points) == 0
    assert run("evaluate", points, "--out", f / "evaluation.json") == 0
    assert run("compare", points, points, "--out", f / "comparison.json") == 0
    assert json.loads((f / "comparison.json").read_text())["p_value"] == 1
    shares = f / "shares.csv"
    classes = ["artificial", "cropland", "grassland", "woody"]
    pd.DataFrame({"class": classes, "share": [1, 4, 2, 3]}).to_csv(shares, index=False)
    assert run("evaluate", points, "--class-shares", shares, "--out", f / "land.json") == 0
    assert json.loads((f / "land.json").read_text())["class_shares"]["woody"] == 0.3
    assert run("covariates", points, "--out", f / f"covariates.{ending}") == 0
    output = capsys.readouterr()
    assert "16 photos classified (openvino" in output.out
    assert "overall accuracy" in output.out
    assert "warning: The model was not calibrated" in output.err
    assert "note:" in output.err
    found = json.loads((f / "evaluation.json").read_text())
    assert found["n"] == 8
    assert found["overall_accuracy"] > 0.9
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    support = read(f / f"covariates_support.{ending}")
    assert support["n_photos"].tolist() == [2] * 8
    table = read(f / f"covariates.{ending}")
    assert [c for c in table.columns if c != "point_id"] == [
        "p_artificial",
        "p_cropland",
        "p_grassland",
    ]


def test_covariates_at_sites_far_from_all_points(tmp_path, capsys):
    points = pd.DataFrame({"point_id": ["43203210", "43223210"], "year": 2018, "n_photos": 5})
    points = points.assign(p_cropland=[0.7, 0.1], p_grassland=[0.3, 0.9], calibrated=True)
    points.to_csv(tmp_path / "points.csv", index=False)
    sites = pd.DataFrame({"plot": ["in", "out"], "x": [4321000, 4621000], "y": 3210000})
    sites.to_csv(tmp_path / "sites.csv", index=False)
    command = ("covariates", tmp_path / "points.csv", "--sites", tmp_path / "sites.csv",
               "--crs", "EPSG:3035", "--id", "plot", "--k", 2, "--out", tmp_path / "env.csv")  # fmt: skip
    assert run(*command) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "1 are more than 2.0 km from every point (out)" in said
    assert "--max-distance sets another limit in metres" in said
    assert pd.read_csv(tmp_path / "env.csv")["p_cropland"].isna().tolist() == [False, True]
    assert pd.read_csv(tmp_path / "env_support.csv")["nearest_distance"][1] > 290_000
    assert run(*command, "--max-distance", "inf") == 0
    assert "every point" not in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "env.csv")["p_cropland"].notna().all()


def test_csv_and_parquet_hold_the_same_numbers(trained):
    for ending in ("csv", "parquet"):
        run("classify", trained / "photos.csv", "--model", trained / "model", "--out",
            trained / f"same.{ending}")  # fmt: skip
    a, b = pd.read_csv(trained / "same.csv"), pd.read_parquet(trained / "same.parquet")
    for column in ("p_artificial", "p_woody", "confidence"):
        assert (a[column] == b[column]).all()


def test_list_says_what_is_there(photo_folder, capsys, tmp_path):
    assert run("list", photo_folder, "--out", tmp_path / "photos.parquet") == 0
    output = capsys.readouterr().out
    assert "48 photos of 24 points" in output
    assert "classes: artificial 12, cropland 12, grassland 12, woody 12" in output
    assert len(pd.read_parquet(tmp_path / "photos.parquet")) == 48


def test_a_scheme_gives_codes_their_class(photo_folder, tmp_path, capsys):
    paths = sorted(photo_folder.glob("*/*.jpg"))[:3]
    pd.DataFrame({"path": paths, "lc1": ["A11", "B11", "G11"]}).to_csv(tmp_path / "t.csv")
    assert run("list", tmp_path / "t.csv", "--scheme", "pilot", "--out", tmp_path / "o.csv") == 0
    assert pd.read_csv(tmp_path / "o.csv")["habitat"].fillna("-").tolist() == [
        "artificial", "cropland", "-"]  # fmt: skip
    assert "note: 1 rows have codes without a class: G11 (1)." in capsys.readouterr().err


def test_refused_photos_do_not_end_a_run(trained, photo_folder, tmp_path, capsys):
    (tmp_path / "empty.jpg").write_bytes(b"")
    good = next(photo_folder.glob("woody/*.jpg"))
    (tmp_path / "good.jpg").write_bytes(good.read_bytes())
    assert run("classify", tmp_path, "--model", trained / "model", "--out", tmp_path / "p.csv") == 0
    assert "1 photos classified" in (text := capsys.readouterr().out)
    assert "1 refused" in text
    assert "1 empty" in text
    (tmp_path / "good.jpg").unlink()
    assert run("classify", tmp_path, "--model", trained / "model", "--out", tmp_path / "q.csv") == 1
    assert len(pd.read_csv(tmp_path / "q.csv")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "no-such-folder"], "There is no no-such-folder"),
        (["vote", "no.csv", "--out", "o.csv"], "There is no table"),
        (["vote", "no.csv", "--out", "o.xlsx"], "--out o.xlsx must end in .csv or .parquet"),
        (["classify", "x", "--model", "nowhere", "--out", "o.csv"], "There is no x"),
        (["train", "x", "--out", "."], "exists and holds no model"),
    ],
)
def test_what_cannot_be_done_is_1_with_one_line(
    arguments, message, capsys, photo_folder, monkeypatch
):
    monkeypatch.chdir(photo_folder)
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith(f"lucas-habitat {arguments[0]}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["train", "x"], ["classify", "x", "--out", "o.csv"], ["vote", "x", "--method", "best"],
     ["train", "x", "--out", "m", "--epochs", "ten"]],
)  # fmt: skip
def test_bad_usage_is_2(arguments):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def help_of(capsys, *command):
    with pytest.raises(SystemExit) as caught:
        run(*command, "--help")
    assert caught.value.code == 0
    return re.sub(r"\s+", " ", capsys.readouterr().out)


def test_the_help_lists_the_commands(capsys):
    assert tuple(c.name for c in COMMANDS) == NAMES
    text = help_of(capsys)
    for command in COMMANDS:
        assert f"{command.name} {command.text}" in text


def defaults(function):
    arguments = inspect.signature(getattr(lucas_habitat, function)).parameters.values()
    return {a.name: a.default for a in arguments if a.default is not a.empty}


def options_of(command):
    """The command's options by the argument they are for, without those of its own."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    command.add_options(parser)
    actions = [a for a in parser._actions if a.option_strings]
    return {a.dest: a for a in actions if a.default is argparse.SUPPRESS}


NO_OPTION = {
    "progress": "a terminal shows bars, a log file seldom lines",
    "download retries": "for programs; a person runs the command again",
    "download timeout": "for programs; a person runs the command again",
    "train freeze_backbone": "--recipe tells it",
    "calibrate closeups": "a table without them can be given",
    "calibrate cache": "the features of its few photos fill no disk",
    "transitions sure": "of changes(); the table has the probability behind its verdict",
    "cross-validate freeze_backbone": "--recipe tells it",
    "cross-validate training": "its entries are options of their own",
    "cross-validate validation": "folds hold out, and --validation-split",
    "cross-validate corrections": "held-out labels would not be corrected",
    **{
        f"{command} {name}": "training= has it, in Python"
        for command in ("cross-validate", "pilot")
        for name in ("engine", "address", "checkpoints")
    },
    "pilot freeze_backbone": "--recipe tells it",
    "pilot training": "its entries are options of their own",
    "pilot validation": "pilot() draws it",
    "pilot corrections": "pilot() trains on the survey's own labels",
    "pilot closeups": "training= has it, in Python",
    "demo n_points": "the demo shows that the way works, with few points or many",
}


def test_every_argument_has_an_option():
    """Arguments without a default need no test: without them a command could not run at all."""
    without = set()
    for command in COMMANDS:
        arguments = set().union(*(defaults(f) for f in command.functions))
        for name in arguments - set(options_of(command)):
            without.add(name if name == "progress" else f"{command.name} {name}")
    assert without == set(NO_OPTION)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_every_option_is_an_argument(command):
    """One that is not would be passed to nothing, without a word."""
    photos = defaults("list_photos")
    arguments = set().union(photos, *(defaults(f) for f in command.functions))
    required = {name for name, action in options_of(command).items() if action.required}
    assert set(options_of(command)) - required <= arguments


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_the_help_tells_the_defaults_of_the_functions(command, capsys):
    text = help_of(capsys, command.name)
    assert f"usage: lucas-habitat {command.name} " in text
    for name, action in options_of(command).items():
        told = [defaults(f)[name] for f in command.functions if name in defaults(f)]
        if action.help == argparse.SUPPRESS or not told or name == "base":
            continue  # base is an address, of which the help says enough
        shown = "".join(told[0]) if isinstance(told[0], tuple) else told[0]
        has_default = not (told[0] is None or told[0] == () or isinstance(told[0], bool))
        assert (f"{action.help} (default: {shown})" in text) == has_default, name
    assert "==SUPPRESS==" not in text


def test_what_is_not_given_is_not_passed():
    train = lucas_habitat.train
    photos = ["train", "photos.csv", "--out", "model"]
    assert given(make_parser().parse_args(photos), train) == {}
    options = make_parser().parse_args(
        [*photos, "--epochs", "3", "--weights", "none", "--no-cache", "--closeups", "--root", "x"]
    )
    assert given(options, train) == {
        "epochs": 3, "weights": None, "cache": False, "closeups": True}  # fmt: skip
    assert given(options, lucas_habitat.list_photos) == {"root": "x"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_messages_name_the_options_that_there_are(command):
    """Messages are made where no option is known; each must still be called as the command calls it."""
    for name, action in options_of(command).items():
        is_off = isinstance(action, argparse._StoreFalseAction)
        message = words.arg(name, False) if is_off else words.arg(name)
        assert words.in_shell(message, action.option_strings) == action.option_strings[0]


def test_errors_are_told_in_the_words_of_the_shell(trained, capsys):
    assert run("train", trained / "photos.csv", "--out", trained / "model") == 1
    assert capsys.readouterr().err.endswith("or overwrite it explicitly (--overwrite).\n")


def test_help_waits_for_nothing_heavy():
    code = (
        "import contextlib, sys\n"
        "from lucas_habitat.cli import main\n"
        f"for command in {NAMES}:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main([command, '--help'])\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main(['--version'])\n"
        "heavy = 'pandas', 'numpy', 'torch', 'sklearn', 'openvino', 'matplotlib'\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.endswith("\n[]\n")


def test_the_program_says_its_version():
    found = subprocess.run(
        [sys.executable, "-m", "lucas_habitat.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("lucas-habitat 0.")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def survey_server(shared):
    """The real photos under the survey server's real paths, on this computer."""
    handler = functools.partial(_Quiet, directory=shared / "data")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_from_the_surveys_table_to_classified_points(
    shared, survey_server, trained, tmp_path, capsys
):
    f = tmp_path
    table = shared / "data" / "lucas" / "lucas_harmo_uf_sample.csv"
    assert run("survey", table, "--out", f / "survey.csv", "--problems", f / "problems.csv") == 0
    assert run("select", f / "survey.csv", "--out", f / "points.csv") == 0
    assert run("download", f / "points.csv", "--out", f / "photos", "--base", survey_server) == 0
    output = capsys.readouterr().out
    assert "CC BY 4.0" in output
    photos = pd.read_csv(f / "photos" / "photos.csv", dtype={"point_id": str})
    # 38023110 was seen from 169 m; of 47282098 the server has one photo, of the others five.
    assert photos["point_id"].value_counts().to_dict() == {
        "31603628": 5, "32362878": 5, "47282098": 1}  # fmt: skip
    assert photos.groupby("point_id")["habitat"].first().to_dict() == {
        "31603628": "woody", "32362878": "grassland", "47282098": "cropland"}  # fmt: skip
    assert run("classify", f / "photos" / "photos.csv", "--model", trained / "model",
               "--out", f / "p.csv") == 0  # fmt: skip
    assert run("vote", f / "p.csv", "--out", f / "v.csv") == 0
    assert sorted(pd.read_csv(f / "v.csv")["n_photos"]) == [1, 5, 5]


def test_validate_map_prints_and_writes(tmp_path, capsys):
    f = tmp_path
    with rasterio.open(f / "map.tif", "w", driver="GTiff", height=1, width=2, count=1,
                       dtype="uint8", crs="EPSG:3035",
                       transform=rasterio.transform.from_origin(4e6, 3e6, 1000, 1000)) as file:  # fmt: skip
        file.write(pd.DataFrame([[1, 2]]).to_numpy("uint8"), 1)
    classes = ["cropland", "woody"]
    pd.DataFrame({"value": [1, 2], "class": classes}).to_csv(f / "legend.csv", index=False)
    points = pd.DataFrame({"point_id": [f"p{i}" for i in range(100)], "n_photos": 5})
    points["habitat"] = classes * 50
    points["predicted"] = [*classes * 40, *classes[::-1] * 10]
    points["x"], points["y"] = [4_000_500, 4_001_500] * 50, 2_999_500
    points.to_csv(f / "points.csv", index=False)
    assert run("evaluate", f / "points.csv", "--out", f / "evaluation.json") == 0
    capsys.readouterr()
    assert run("validate-map", f / "map.tif", f / "points.csv", "--legend", f / "legend.csv",
               "--confusion", f / "evaluation.json", "--out", f / "map_accuracy.json") == 0  # fmt: skip
    assert "with the classifier's own errors taken out:" in capsys.readouterr().out
    found = json.loads((f / "map_accuracy.json").read_text())
    assert found["as_if_true"]["overall_accuracy"] == pytest.approx(0.8)
    assert found["corrected"]["overall_accuracy"] == pytest.approx(1.0)
    assert run("validate-map", f / "map.tif", f / "points.csv", "--legend", f / "no.csv") == 1


def test_changes_repeats_no_warning_and_hides_none(tmp_path, monkeypatch, capsys):
    """What transitions() told of the points is not told again; what another library warns of is."""

    def changes(points, **options):
        warnings.warn("said before", LucasWarning, stacklevel=2)
        warnings.warn("a library is unhappy", RuntimeWarning, stacklevel=2)
        return pd.DataFrame({"point_id": ["a"]})

    monkeypatch.setattr(lucas_habitat, "changes", changes, raising=False)
    rows = [
        {"point_id": f"p{i}", "year": year, "n_photos": 5, "predicted": "woody", "calibrated": True,
         "p_cropland": 0.2, "p_woody": 0.8}
        for i in range(20) for year in (2015, 2018)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "points.csv", index=False)
    assert run("transitions", tmp_path / "points.csv", "--out", tmp_path / "t.csv",
               "--changes", tmp_path / "c.csv", "--n-boot", 0) == 0  # fmt: skip
    output = capsys.readouterr()
    assert "RuntimeWarning: a library is unhappy" in output.err
    assert "said before" not in output.err
    assert "  2015 to 2018: " in output.out
