"""The pilot in one call, against a local server with the survey's addresses."""

import html
import inspect
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, colour_photo, write_photos
from survey_server import Server

import lucas_habitat
from lucas_habitat import list_photos, load_model, pilot
from lucas_habitat.cli import main
from lucas_habitat.errors import DownloadError, InputError, LucasError, LucasMessage, LucasWarning
from lucas_habitat.studies import pilot_steps
from lucas_habitat.studies.pilot_settings import check_sample
from lucas_habitat.survey.campaigns import PHOTO_COLUMNS

pytestmark = pytest.mark.filterwarnings(
    "ignore::lucas_habitat.errors.LucasMessage", "ignore::lucas_habitat.errors.LucasWarning"
)
CODES = {"artificial": "A11", "cropland": "B11", "grassland": "E20", "woody": "C10"}
N = 10  # points of each class and year
LITE = {"arch": "efficientnet_lite0", "training": {"epochs": 4, "precision": "float32"}}


def survey_table(year, first=0):
    """Rows in the form of the harmonised table; the coordinates agree with the ids."""
    rows = []
    for c, habitat in enumerate(COLOURS):
        for i in range(N):
            rows.append(
                {
                    "point_id": f"{4300 + 10 * c:04d}{3600 + 2 * (i + first):04d}",
                    "year": year,
                    "nuts0": "DK",
                    "survey_date": f"0{i % 9 + 1}/06/{year - 2000:02d}",
                    "obs_dist": "3.0",
                    "obs_type": "In situ < 100 m",
                    "lc1": CODES[habitat],
                    "lc1_perc": "> 75 %",
                    "lc2": "8",
                    "lu1": "U111",
                    **dict.fromkeys(PHOTO_COLUMNS.values(), "Photo taken"),
                }
            )
    return pd.DataFrame(rows)


def as_jpeg(habitat, seed):
    data = io.BytesIO()
    colour_photo(habitat, seed).save(data, "JPEG", quality=90)
    return data.getvalue()


@pytest.fixture(scope="module")
def server():
    """The table (zipped) and photos, some of which it lacks or holds broken."""
    running = Server()
    running.table = pd.concat([survey_table(2015), survey_table(2018)], ignore_index=True)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("lucas_harmo_uf.csv", running.table.to_csv(index=False))
    running.files["/tables/lucas_harmo_uf.zip"] = zipped.getvalue()
    habitats = {code: habitat for habitat, code in CODES.items()}
    seed = 0
    for row in running.table.itertuples():
        for letter in "PNESW":
            seed += 1
            name = f"{row.point_id[:3]}/{row.point_id[3:6]}/{row.point_id}{letter}.jpg"
            path = f"/lucas/photos/{row.year}/DK/{name}"
            running.files[path] = as_jpeg(habitats[row.lc1], seed)
    paths = [p for p in running.files if p.startswith("/lucas/photos/2018")]
    for path, fault in zip(paths[::23], cycle(["404", "damaged", "html", "empty"])):
        running.faults[path] = [fault]
    yield running
    running.stop()


@pytest.fixture
def quick(monkeypatch, server):
    monkeypatch.setattr(pilot_steps, "TABLES", f"{server.base}/tables")
    server.asked.clear()


def run(out, server, **options):
    options = LITE | {"base": server.base, "per_second": 5000, "progress": False} | options
    return pilot(out, **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory, server):
    before, pilot_steps.TABLES = pilot_steps.TABLES, f"{server.base}/tables"
    folder = tmp_path_factory.mktemp("kør på ø") / "dk 1"
    comparison = run(folder, server, sample="all", test_size=0.4)
    pilot_steps.TABLES = before
    return folder, comparison


def test_everything_is_in_the_folder(done):
    folder, comparison = done
    assert comparison.attrs == {"report": str(folder / "report.html"), "folder": str(folder)}
    assert comparison["unit"].tolist() == ["photos", "points", "pilot"]
    for name in (
        "survey.parquet", "selection.csv", "photos.csv", "model/card.json", "predictions.csv",
        "points.csv", "evaluation_photos.json", "evaluation_points.json", "comparison.csv",
        "report.html", "report_data/comparison.csv", "run.json",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    photos = list_photos(folder / "photos.csv")
    assert all(Path(p).is_file() for p in photos["path"])
    # Of each point the latest campaign only, all its five photos that could be had.
    assert photos["year"].unique().tolist() == [2018]
    assert len(photos) == 4 * N * 5 - 9
    assert photos.groupby("point_id")["split"].nunique().max() == 1
    assert len(pd.read_csv(folder / "points.csv")) == 16


def test_the_numbers_are_those_of_the_steps(done):
    folder, comparison = done
    points = json.loads((folder / "evaluation_points.json").read_text(encoding="utf-8"))
    row = comparison.set_index("unit").loc["points"]
    assert row["overall_accuracy"] == points["overall_accuracy"]
    assert [row["kappa_low"], row["kappa_high"]] == points["kappa_interval"]
    assert row["n"] == points["n"] == 16
    pilots = comparison.set_index("unit").loc["pilot"]
    assert (pilots["overall_accuracy"], pilots["kappa"]) == (0.734, 0.650)
    assert pilots.drop(["overall_accuracy", "kappa"]).isna().all()
    predictions = pd.read_csv(folder / "predictions.csv", dtype={"point_id": "str"})
    again = lucas_habitat.evaluate(predictions)
    assert again.kappa == comparison.set_index("unit").loc["photos", "kappa"]


def test_the_page_says_it_all(done):
    folder, _ = done
    page = (folder / "report.html").read_text(encoding="utf-8")
    for text in (
        "Beside the pilot", "0.734", "0.650", "How it was made", "Points left after each condition",
        "the server does not have it", "(c) European Union, LUCAS 2018, Eurostat", "CC BY 4.0",
        "Where the points are", "Photos classified right", "Time taken",
    ):  # fmt: skip
        assert text in page, text
    numbers = pd.read_csv(folder / "report_data" / "photos_fetched.csv").set_index("status")
    assert numbers["photos"].to_dict() == {
        "ok": 191, "missing": 3, "damaged": 2, "not a photo": 2, "empty": 2}  # fmt: skip
    steps = pd.read_csv(folder / "report_data" / "steps.csv")
    assert steps["step"].tolist()[:3] == [
        "Reading the survey's table", "Choosing points", "Fetching photos"]  # fmt: skip
    assert (steps["seconds"] >= 0).all()


def test_the_page_offers_to_hand_the_model_on(done, tmp_path, monkeypatch):
    """What the page says is run as it stands there."""
    folder = shutil.copytree(done[0], tmp_path / "dk 1")
    page = html.unescape((folder / "report.html").read_text(encoding="utf-8"))
    (command,) = re.findall("<code>(lucas-habitat share-model [^<]+)</code>", page)
    assert "<code>lucas_share_model(" in page
    assert str(done[0]) not in page
    monkeypatch.chdir(folder)
    program, *arguments = shlex.split(command)
    assert program == "lucas-habitat"
    assert main(arguments) == 0
    (python,) = re.findall("<code>(share_model[^<]+)</code>", page)
    shared = eval(f"lucas_habitat.{python}", {"lucas_habitat": lucas_habitat})
    assert shared.file == folder / "dk 1.zip"
    loaded = load_model(shared.file)
    assert loaded.shared["credit"].startswith("(c) European Union, LUCAS 2018")
    assert loaded.shared["names_points"]
    comparison = done[1].set_index("unit")
    with zipfile.ZipFile(shared.file) as archive:
        readme = archive.read("README.md").decode()
    assert f"| {comparison.loc['points', 'kappa']:.3f} (95 % interval" in readme


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Photos of one's own, split, with a run over them, and where their table lies."""
    folder = tmp_path_factory.mktemp("egne på ø")
    photos = list_photos(write_photos(folder / "photos", n_points=8))
    sides = lucas_habitat.split_photos(photos, test_size=0.25, seed=3)
    table = folder / "photos.csv"
    pd.concat(sides).to_csv(table, index=False)
    out = folder / "run"
    return table, out, pilot(out, photos=table, validation_split=0, progress=False, **LITE)


def test_points_are_chosen_by_how_they_were_seen(tmp_path, server, quick, monkeypatch):
    asked = {}

    def spy(survey, **arguments):
        asked.update(arguments)
        raise InputError("enough")

    monkeypatch.setattr(pilot_steps, "select_points", spy)
    with pytest.raises(InputError, match="enough"):
        run(tmp_path / "dk", server, field_only=False, max_distance=50, min_cover=75)
    assert (asked["field_only"], asked["max_distance"], asked["min_cover"]) == (False, 50, 75)
    noted = json.loads((tmp_path / "dk" / "run.json").read_text())["settings"]
    assert noted["max_distance"] == 50
    with pytest.raises(InputError, match="max_distance must be a number, at least 0"):
        run(tmp_path / "se", server, max_distance=-1)
    code = main(["pilot", "--out", str(tmp_path / "no"), "--base", server.base, "--max-distance", "30",
                 "--arch", "efficientnet_lite0",
                 "--min-cover", "50", "--any-observation"])  # fmt: skip
    assert code != 0
    assert (asked["field_only"], asked["max_distance"], asked["min_cover"]) == (False, 30, 50)


def test_a_run_of_an_earlier_version_is_the_same_run(done):
    noted = json.loads((done[0] / "run.json").read_text())["settings"]
    assert not {"field_only", "max_distance", "min_cover"} & set(noted)  # they had none of these


def test_photos_of_ones_own_are_trained_and_tested_on_as_their_split_says(own):
    table, out, comparison = own
    photos = list_photos(table)
    training, test = (photos[photos["split"] == side] for side in ("train", "test"))
    model = lucas_habitat.train(training, arch=LITE["arch"], progress=False, **LITE["training"])
    predictions = lucas_habitat.classify(test, model, progress=False)
    evaluation = lucas_habitat.evaluate(predictions)
    row = comparison.set_index("unit").loc["photos"]
    assert row["kappa"] == evaluation.kappa
    assert (row["kappa_low"], row["kappa_high"]) == pytest.approx(evaluation.kappa_interval)
    assert row["n"] == len(test)
    for name in ("photos.csv", "model/card.json", "predictions.csv", "points.csv", "report.html"):
        assert (out / name).is_file(), name
    assert not (out / "survey.parquet").exists()
    assert not (out / "photos").exists()
    written = pd.read_csv(out / "predictions.csv")
    assert written["path"].tolist() == test["path"].tolist()  # where they lie
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Photos of your own" in page
    assert "Photos to train on" in page


def test_a_run_over_ones_own_photos_goes_on_and_knows_others(own, tmp_path, capsys):
    table, out, comparison = own
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    again = pilot(out, photos=table, validation_split=0, progress=False, **LITE)
    pd.testing.assert_frame_equal(again, comparison)
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    fewer = list_photos(table).iloc[1:]
    with pytest.raises(InputError, match="finished run with other settings: photos was"):
        pilot(out, photos=fewer, validation_split=0, progress=False, **LITE)
    assert main(["pilot", "--photos", str(table), "--out", str(tmp_path / "shell"), "--arch",
                 LITE["arch"], "--epochs", "4", "--precision", "float32",
                 "--validation-split", "0"]) == 0  # fmt: skip
    row = comparison.set_index("unit").loc["photos"]
    assert f"kappa {row['kappa']:.3f}" in capsys.readouterr().out


def test_it_ends_by_offering_to_hand_the_model_on(own, tmp_path):
    table, out, _ = own
    with pytest.warns(LucasMessage, match="Others can start from this model") as told:
        pilot(tmp_path / "run", photos=table, validation_split=0, progress=False, **LITE)
    (offer,) = (str(w.message) for w in told if "Others can" in str(w.message))
    shared = eval(f"lucas_habitat.{offer.partition(': ')[2]}", {"lucas_habitat": lucas_habitat})
    assert shared.file == tmp_path / "run.zip"
    assert not load_model(shared.file).shared["names_points"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pilot(tmp_path / "again", photos=table, model=out / "model", progress=False)
    assert not [w for w in told if "Others can" in str(w.message)]
    assert "Hand it on" not in (tmp_path / "again" / "report.html").read_text(encoding="utf-8")


def test_photos_of_ones_own_are_split_where_they_are_not(own, tmp_path):
    photos = list_photos(own[0]).assign(split=None)
    pilot(
        tmp_path / "run", photos=photos, test_size=0.5, validation_split=0, progress=False, **LITE
    )
    written = list_photos(tmp_path / "run" / "photos.csv")
    assert written.groupby("point_id")["split"].nunique().max() == 1
    assert written["split"].value_counts().to_dict() == {"train": 32, "test": 32}
    elsewhere = pilot(tmp_path / "tested", photos=own[0], model=own[1] / "model", progress=False)
    assert elsewhere["n"][0] == (list_photos(own[0])["split"] == "test").sum()


def test_classes_of_ones_own_photos_may_be_codes(own, tmp_path):
    photos = list_photos(own[0])
    coded = photos.assign(lc1=photos["habitat"].map(CODES), habitat=None)
    pilot(tmp_path / "run", photos=coded, validation_split=0, progress=False, **LITE)
    assert load_model(tmp_path / "run" / "model").classes == sorted(CODES)


def test_what_photos_of_ones_own_cannot_be(own, tmp_path):
    photos = list_photos(own[0])
    is_first = photos["point_id"] == photos["point_id"].iloc[0]
    torn = photos.assign(split=photos["split"].mask(is_first, ["test", "train"] * 32))
    for match, given in (
        ("years=, balanced= choose photos of the survey", {"years": 2018, "balanced": True}),
        ("nothing to test on", {"photos": photos.assign(split="train")}),
        ("1 points stand in training and test", {"photos": torn}),
    ):
        with pytest.raises(InputError, match=match):
            pilot(tmp_path / "run", **{"photos": photos, "progress": False, **LITE, **given})


def test_a_finished_run_is_not_done_again(done, server, quick):
    folder, comparison = done
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    again = run(folder, server, sample="all", test_size=0.4)
    pd.testing.assert_frame_equal(again, comparison)
    assert again.attrs == comparison.attrs
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    assert not server.asked


def test_other_settings_do_not_replace_a_finished_run(done, server):
    folder, _ = done
    with pytest.raises(InputError, match=r"other settings: .*test_size was 0.4, is 0.3.*overwrite"):
        run(folder, server, sample="all", test_size=0.3)
    assert load_model(folder / "model").training["epochs"] == 4


def test_a_run_that_broke_off_goes_on(tmp_path, server, quick, done, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError("a plug was pulled")

    monkeypatch.setattr(pilot_steps, "train", broken)
    broken.__signature__ = inspect.signature(lucas_habitat.train)
    options = {"sample": "all", "test_size": 0.4}
    with pytest.raises(OSError, match="plug"):
        run(tmp_path / "dk", server, **options)
    asked = sum(server.asked.values())
    assert asked > 100
    monkeypatch.undo()
    assert pilot(tmp_path / "dk", base=server.base, progress=False, **options, **LITE)["n"][0] > 50
    assert sum(server.asked.values()) == asked  # neither table nor photos again
    # One in a single go gives the same.
    folder, whole = done
    for name in ("photos.csv", "points.csv"):
        assert (tmp_path / "dk" / name).read_bytes() == (folder / name).read_bytes()
    pd.testing.assert_frame_equal(whole, run(tmp_path / "dk", server, **options))


def test_training_is_told_of_the_cache(tmp_path, server, quick, monkeypatch):
    given = {}

    def train(photos, **options):
        given.update(options)
        raise OSError("enough")

    monkeypatch.setattr(pilot_steps, "train", train)
    with pytest.raises(OSError, match="enough"):
        run(tmp_path / "dk", server, sample=100, training={**LITE["training"], "cache": False})
    assert given["cache"] is False
    assert given["epochs"] == 4


def test_a_run_killed_while_fetching_goes_on(tmp_path, server, done):
    arguments = [
        "--table", f"{server.base}/tables/lucas_harmo_uf.zip", "--base", server.base, "--sample", "all",
        "--test-size", "0.4", "--arch", "efficientnet_lite0", "--epochs", "4", "--precision", "float32",
    ]  # fmt: skip
    command = [sys.executable, "-m", "lucas_habitat.cli", "pilot", "--out", str(tmp_path / "dk")]
    server.asked.clear()
    server.going_on.clear()
    server.held_after = 100
    slow = subprocess.Popen([*command, *arguments, "--per-second", "40"], stderr=subprocess.DEVNULL)
    try:
        while sum(server.asked.values()) < 40:
            assert slow.poll() is None
            time.sleep(0.05)
    finally:
        slow.kill()
        slow.wait()
        server.held_after = None
        server.going_on.set()
    assert 40 <= sum(server.asked.values()) < 190
    assert not (tmp_path / "dk" / "photos.csv").exists()
    assert main([*command[3:], *arguments, "--per-second", "5000"]) == 0
    twice = [p for p, n in server.asked.items() if n > 1 and p.startswith("/lucas")]
    assert len(twice) <= 8  # at most what was under way on its connections
    folder, _ = done
    assert (tmp_path / "dk" / "points.csv").read_bytes() == (folder / "points.csv").read_bytes()


def test_only_what_other_settings_change_is_done_anew(tmp_path, server, quick):
    options = {"sample": 160, "test_size": 0.4}
    first = run(tmp_path / "dk", server, **options)
    selection = pd.read_csv(tmp_path / "dk" / "selection.csv")
    assert len(selection) == 32
    # Points drawn stand for those that were not.
    assert (selection["inclusion_probability"] < 1).any()
    np.testing.assert_allclose(selection["weight"] * selection["inclusion_probability"], 1)
    selected = (tmp_path / "dk" / "selection.csv").stat().st_mtime_ns
    server.asked.clear()
    again = run(tmp_path / "dk", server, **options, overwrite=True, training={"epochs": 2})
    assert (tmp_path / "dk" / "selection.csv").stat().st_mtime_ns == selected
    assert load_model(tmp_path / "dk" / "model").training["epochs"] == 2
    # Photos that could not be had were asked for again, the others were not.
    assert 0 < len(server.asked) < 10
    assert again["n"].tolist()[:2] == first["n"].tolist()[:2]


def test_two_campaigns_with_a_table_at_hand(tmp_path, server, quick):
    table = tmp_path / "mine tabeller.csv"
    server.table.to_csv(table, index=False)
    run(tmp_path / "dk", server, table=table, years=[2015, 2018], sample="all", test_size=0.5)
    points = pd.read_csv(tmp_path / "dk" / "points.csv", dtype={"point_id": "str"})
    assert points.groupby("point_id")["year"].nunique().eq(2).all()
    assert "Over the years" in (tmp_path / "dk" / "report.html").read_text(encoding="utf-8")
    assert len(pd.read_csv(tmp_path / "dk" / "report_data" / "transitions.csv")) == 16
    assert not any(p.startswith("/tables") for p in server.asked)


def test_each_campaign_is_given_once(tmp_path, server):
    table = tmp_path / "t.csv"
    server.table.to_csv(table, index=False)
    with pytest.raises(InputError, match="80 points and years stand in more than one"):
        run(tmp_path / "dk", server, table=[table, table])


def test_the_table_of_one_campaign_is_enough_for_2018(monkeypatch, tmp_path, server):
    asked = []

    def told(url, out, **options):
        asked.append(url)
        raise DownloadError("enough")

    monkeypatch.setattr(pilot_steps, "download_table", told)
    for years in (2018, [2018], None, [2015, 2018]):
        with pytest.raises(DownloadError):
            run(tmp_path / "dk", server, years=years)
    base = "https://jeodpp.jrc.ec.europa.eu/ftp/jrc-opendata/LUCAS/LUCAS_harmonised/1_table"
    names = ["lucas_harmo_uf_2018.zip"] * 2 + ["lucas_harmo_uf.zip"] * 2
    assert asked == [f"{base}/{name}" for name in names]


def test_the_pilots_samples():
    assert check_sample("small", None, None) == ("small", 1093, True, 0.2)
    large = check_sample("large", None, None)
    assert (large.n_photos, large.is_balanced) == (15_676 + 4_297, False)
    assert round(large.test_size * large.n_photos) == 4_297
    assert check_sample("all", None, 0.3) == ("all", None, False, 0.3)
    assert check_sample(500, False, None) == (500, 500, False, 0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample": "tiny"}, "'small', 'large', 'all' or a number of photos; got 'tiny'"),
        ({"sample": 0}, "sample must be a whole number, at least 1; got 0"),
        ({"sample": "all", "balanced": True}, "'all' cannot be balanced"),
        ({"test_size": 1}, "test_size must be a number"),
        ({"directions": "C"}, "close-ups do not vote"),
        ({"directions": "X"}, "directions must be some of"),
        ({"training": {"epoch": 3}}, "training has epoch; it takes further arguments of train()"),
        ({"training": {"seed": 3}}, "training has seed"),
        ({"training": {"arch": "x"}}, "training has arch"),
        ({"arch": "resnet99"}, "resnet99"),
        ({"country": "Denmark"}, "countries must be two letters each"),
        ({"years": 2017}, "years must be campaigns"),
        ({"recipe": "cake"}, "recipe must be one of"),
        ({"training": {"target_size": 16}}, "target_size must be a whole number, at least 32"),
        ({"training": {"target_size": [224, 192]}}, "one number or two equal ones"),
        (
            {"arch": "cait_xxs24_384", "training": {"weights": None}},
            "made for 384 x 384. Pass target_size=384",
        ),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_asked(tmp_path, server, quick, change, message):
    with pytest.raises(LucasError, match=re.escape(message)):
        run(tmp_path / "dk", server, **change)
    assert not server.asked
    assert not (tmp_path / "dk").exists()


@pytest.mark.parametrize("size", [384, [384, 384]])
def test_a_network_of_another_size_is_taken_when_photos_are_read_at_it(tmp_path, server, size):
    options = {"arch": "cait_xxs24_384", "training": {"weights": None, "target_size": size}}
    with pytest.raises(DownloadError, match="cannot be had"):  # the network was not refused
        run(tmp_path / "dk", server, table=f"{server.base}/tables/none.csv", **options)


def test_too_few_points_say_how_many_there_are(tmp_path, server, quick):
    with pytest.raises(
        InputError, match=r"1093 photos are those of 55 points of each.*artificial 10.*sample='all'"
    ):
        run(tmp_path / "dk", server)
    # Nothing is lost: another sample goes on from there.
    asked = sum(server.asked.values())
    run(tmp_path / "dk", server, sample=100, test_size=0.4, validation_split=0.4)
    assert "/tables/lucas_harmo_uf.zip" in server.asked
    assert server.asked["/tables/lucas_harmo_uf.zip"] == asked == 1


def test_a_folder_of_something_else_is_left_alone(tmp_path, server):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="holds no run of pilot"):
        run(tmp_path, server)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_note_costs_no_photo(tmp_path, server, quick):
    options = {"sample": 160, "test_size": 0.4}
    first = run(tmp_path / "dk", server, **options)
    (tmp_path / "dk" / "run.json").write_text("{")
    server.asked.clear()
    with pytest.warns(LucasWarning, match=r"run\.json is damaged"):
        again = run(tmp_path / "dk", server, **options)
    pd.testing.assert_frame_equal(again, first)
    assert sum(p.startswith("/lucas") for p in server.asked) < 5  # those that were no photos


def test_a_step_that_was_broken_off_is_undone(tmp_path, server, quick, monkeypatch):
    options = {"sample": 160, "test_size": 0.4}
    run(tmp_path / "dk", server, **options)
    selected = (tmp_path / "dk" / "selection.csv").read_bytes()

    def broken(table, path):
        write(table, path)
        if path.name == "selection.csv":
            raise OSError("killed between a file and its note")

    write = pilot_steps.write_table
    monkeypatch.setattr(pilot_steps, "write_table", broken)
    with pytest.raises(OSError, match="killed"):
        run(tmp_path / "dk", server, **options, seed=2, overwrite=True)
    assert (tmp_path / "dk" / "selection.csv").read_bytes() != selected
    monkeypatch.setattr(pilot_steps, "write_table", write)
    run(tmp_path / "dk", server, **options)
    assert (tmp_path / "dk" / "selection.csv").read_bytes() == selected


def test_a_moved_folder_keeps_its_photos(done, tmp_path, server):
    folder, _ = done
    shutil.copytree(folder, tmp_path / "moved")
    assert str(folder) not in (tmp_path / "moved" / "predictions.csv").read_text(encoding="utf-8")
    shutil.rmtree(tmp_path / "moved" / "report_data")
    page = lucas_habitat.report(tmp_path / "moved", tmp_path / "moved" / "report.html")
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") >= 8


def test_the_shell_goes_on_with_the_same_run(done, server):
    """Defaults spelt out, the cache and a number written as R does are no other settings."""
    folder, comparison = done
    spelled = {"epochs": 4.0, "precision": "float32", "dropout": None, "cache": False}
    again = run(folder, server, sample="all", test_size=0.4, training=spelled)
    pd.testing.assert_frame_equal(again, comparison)
    with pytest.raises(InputError, match=r"epochs was 4, is 5\."):
        run(folder, server, sample="all", test_size=0.4, training={**spelled, "epochs": 5})


def test_tables_of_one_name_are_told_apart(tmp_path, server):
    for year in (2015, 2018):
        rows = server.table[server.table["year"] == year]
        server.files[f"/{year}/data.csv"] = rows.to_csv(index=False).encode()
    tables = [f"{server.base}/{year}/data.csv" for year in (2015, 2018)]
    run(
        tmp_path / "dk",
        server,
        table=tables,
        years=[2015, 2018],
        sample=160,
        test_size=0.5,
        validation_split=0.5,
    )
    survey = pd.read_parquet(tmp_path / "dk" / "survey.parquet")
    assert survey["year"].value_counts().to_dict() == {2015: 4 * N, 2018: 4 * N}
    # Whole points: 16 of them in both years.
    selection = pd.read_csv(tmp_path / "dk" / "selection.csv")
    assert selection.groupby("point_id")["year"].nunique().to_list() == [2] * 16


def test_photos_that_cannot_be_had_at_all(tmp_path, server, quick, monkeypatch):
    lacking = {p: ["404"] for p in server.files if p.startswith("/lucas/photos")}
    monkeypatch.setattr(server, "faults", lacking)
    with pytest.raises(InputError, match=r"None of 100 photos could be had: \{'missing': 100\}"):
        run(tmp_path / "dk", server, sample=100)


def test_from_the_shell(tmp_path, server, quick, capsys):
    arguments = [
        "--sample", "100", "--test-size", "0.4", "--validation-split", "0.4", "--epochs", "3",
        "--arch", "efficientnet_lite0", "--base", server.base, "--per-second", "5000",
        "--out", str(tmp_path / "dk"),
    ]  # fmt: skip
    assert main(["pilot", *arguments]) == 0
    output = capsys.readouterr().out
    assert "pilot" in output
    assert "0.734" in output
    assert f"Look at all of it in {tmp_path / 'dk' / 'report.html'}" in output
    assert main(["pilot", *arguments, "--country", "SE"]) == 1
    assert 'country was ["DK"], is ["SE"]' in capsys.readouterr().err


def test_a_model_of_elsewhere_is_tested_on_all_photos(done, tmp_path, server):
    folder, _ = done
    table = tmp_path / "t.csv"
    server.table.assign(nuts0="SE").to_csv(table, index=False)
    moved = {p.replace("/DK/", "/SE/"): data for p, data in server.files.items()}
    server.files |= moved
    options = {"country": "SE", "table": table, "years": 2018, "sample": "all"}
    comparison = run(tmp_path / "se", server, model=folder / "model", **options)
    predictions = pd.read_csv(tmp_path / "se" / "predictions.csv")
    assert len(predictions) == 200
    assert predictions["split"].value_counts().to_dict() == {"train": 19 * 5}
    # Points the model was trained on do not count as tested.
    assert comparison["n"].tolist()[:2] == [200 - 19 * 5, 40 - 19]
    card = json.loads((tmp_path / "se" / "model" / "card.json").read_text(encoding="utf-8"))
    assert card["training"] == load_model(folder / "model").training


def test_the_real_rows_and_photos(shared, tmp_path, model):
    """Four real points, 19 real photos: from the table to the page, by the server's paths."""
    root = shared / "data"
    running = Server()
    running.files = {
        "/" + p.relative_to(root).as_posix(): p.read_bytes()
        for p in root.glob("lucas/photos/**/*.jpg")
    }
    table = root / "lucas" / "lucas_harmo_uf_sample.csv"
    countries = pd.read_csv(table, dtype="str")["nuts0"].tolist()
    options = {"table": table, "base": running.base, "per_second": 1000, "progress": False}
    comparison = pilot(tmp_path / "eu", country=countries, model=model, sample="all", **options)
    running.stop()
    # One was seen from 169 m, of another the server has one photo.
    points = pd.read_csv(tmp_path / "eu" / "points.csv", dtype={"point_id": "str"})
    assert points.set_index("point_id")["n_photos"].to_dict() == {
        "31603628": 5, "32362878": 5, "47282098": 1}  # fmt: skip
    assert comparison["n"].tolist()[:2] == [11, 3]
    page = (tmp_path / "eu" / "report.html").read_text(encoding="utf-8")
    assert "(c) European Union, LUCAS 2009, 2015, 2018, Eurostat" in page
    assert page.count("data:image/jpeg") >= 3
