"""The report: complete, self-contained, safe with hostile names, and written whole or not at all."""

import base64
import hashlib
import html.parser
import json
import re
import shutil
import sys
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import peak_memory, write_run
from pictures_support import HARD, learned, made
from test_over_years import simulated

from lucas_habitat import (
    diagnostics,
    evaluate,
    evaluation,
    over_years,
    report,
    save_model,
    vote,
    voting,
)
from lucas_habitat._base import classes
from lucas_habitat._base.classes import Predictions, column_names
from lucas_habitat._base.tables import write_table
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, ModelError
from lucas_habitat.pages import results, sections
from lucas_habitat.pages.html import escape, paragraph
from lucas_habitat.pages.page import Section, write_page
from lucas_habitat.pages.sections import _telling_point
from lucas_habitat.photos import as_photos
from lucas_habitat.pictures import tables
from lucas_habitat.pictures.colours import PILOT

EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def run(predictions, model, tmp_path_factory):
    """A run's folder, one of its photos not readable."""
    folder = tmp_path_factory.mktemp("kør") / "run"
    broken = predictions.iloc[:1].assign(
        path=str(folder / "broken.jpg"),
        predicted=None,
        status="empty",
        error="the file has 0 bytes",
    )
    broken[["confidence", *[c for c in broken if c.startswith("p_")]]] = float("nan")
    table = pd.concat([predictions, broken], ignore_index=True)
    write_table(table, folder / "predictions.csv")
    write_table(vote(table), folder / "points.csv")
    save_model(model, folder / "model")
    return folder


class Page(html.parser.HTMLParser):
    """What a browser would see: elements, their attributes, and the text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        self.text = " ".join(self.words)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data.strip())

    def all(self, tag):
        return [a for t, a in self.elements if t == tag]


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    return Page(report(run, tmp_path_factory.mktemp("page") / "report.html"))


def contents(page):
    """A page without its minute and its drawings, whose ids are random, and the tables of these."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r'data:image/svg[^"]*|Made on [0-9: -]* UTC', "", text)
    tables = page.with_name(f"{page.stem}_data").iterdir()
    return {page.name: text} | {file.name: file.read_bytes() for file in sorted(tables)}


@pytest.mark.parametrize("of", ["photos", "many points", "a learned vote"])
def test_a_run_has_the_page_of_its_table(of, predictions, model, tmp_path):
    table = predictions if of == "photos" else made(skill=1.0)
    if of == "a learned vote":
        table = as_photos(learned(table))
    elif of == "many points":
        # As classify() writes it, with all columns of photos.
        table = as_photos(table)
        table["split"] = np.where(np.arange(len(table)) % 9, "test", "train")
        table.loc[::11, "habitat"] = None
        table.loc[3, [c for c in table if c.startswith("p_")] + ["confidence"]] = np.nan
        table.loc[3, ["predicted", "status", "error"]] = None, "truncated", "cut off"
    given = {"model": model} if of == "photos" else {}
    folder = write_run(tmp_path / "run", table)
    pages = [
        report(rows, tmp_path / name / "r.html", **given)
        for name, rows in (("a", folder), ("b", table))
    ]
    assert contents(pages[0]) == contents(pages[1])
    assert ("vote_methods.csv" in contents(pages[0])) == (of == "a learned vote")


def test_a_run_is_not_held_whole(tmp_path, monkeypatch):
    many = [f"c{i:02d}" for i in range(76)]
    # Few labels are doubted: the page lists them all, with their probabilities.
    table = as_photos(made(many, n_points=20_000, photos=1, skill=9.0))
    run = write_run(tmp_path / "run", table, rows=1_000)
    points = made(many, n_points=8)[["point_id", "predicted"]]
    # Draws and the picture of 76 x 76 classes take their memory whatever number of rows there is.
    monkeypatch.setattr(results, "evaluate", lambda rows: evaluate(rows, n_boot=10))
    monkeypatch.setattr(sections, "accuracy", lambda run: None)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    # The table's page comes first, so that what is imported for a page counts for neither.
    wanted = report(table, tmp_path / "b" / "r.html", points=points)
    page, peak = peak_memory(lambda: report(run, tmp_path / "a" / "r.html", points=points))
    assert contents(page) == contents(wanted)
    # The probabilities alone are 12 MB.
    assert peak < 12e6


def test_it_says_what_was_done_and_how_good_it_is(page, predictions, model):
    for heading in (
        "In short",
        "Before you quote these numbers",
        "What was trained on what",
        "Accuracy by class",
        "What votes gain",
        "Can probabilities be taken at their word?",
        "Where the points are",
        "Photos classified right",
        "Photos refused",
        "Versions, citation, licence",
    ):
        assert heading in page.text
    for e in (evaluate(predictions), evaluate(vote(predictions))):
        assert f"{e.overall_accuracy:.3f}" in page.text
        assert f"{e.kappa:.3f}" in page.text
    assert (
        f"{model.training['n_photos']} photos of {model.training['n_points']} points" in page.text
    )
    assert "efficientnet_lite0" in page.text
    assert "broken.jpg: the file has 0 bytes" in page.text
    assert "(c) European Union, LUCAS 2018, Eurostat" in page.text


def test_it_warns_honestly(page):
    assert "not calibrated" in page.text
    assert "only 8 points: intervals are rough" in page.text
    assert "Training classes are about equally common" in page.text


def test_calibration_stands_beside_one_another_for_photos_and_points(page, predictions, tmp_path):
    assert "How far probabilities are off" in page.text
    report(predictions, tmp_path / "r.html")
    numbers = pd.read_csv(tmp_path / "r_data" / "calibration.csv")
    assert numbers["per"].tolist() == ["photo", "point"]
    of_points = evaluate(vote(predictions))
    assert numbers["calibration error"][1] == pytest.approx(of_points.calibration_error)
    assert numbers["if perfect"][1] == pytest.approx(of_points.calibration_error_if_perfect)
    assert pd.read_csv(tmp_path / "r_data" / "reliability_points.csv")["n"].sum() == of_points.n


def test_it_says_on_what_points_were_calibrated(predictions, model, tmp_path):
    points = {"class_shares": [0.25] * 4, "n_points": 17, "rough": True, "corrections": {}}
    card = {"temperature": 1.5, "n_photos": 200, "n_points": 40, "method": "", "points": points}
    given = predictions.assign(calibrated=True)
    voted = vote(given).assign(calibrated=True)

    def text(points, card):
        calibrated = replace(model, calibration=card)
        return Page(report(given, tmp_path / "r.html", model=calibrated, points=points)).text

    rough = text(voted, card)
    assert "calibrated on 17 held-out points with several photos: few, or none" in rough
    assert "probabilities of points are rough proportions" in rough
    fine = text(voted, card | {"points": points | {"rough": False}})
    assert "calibrated on 17 held-out points with several photos." in fine
    assert "rough proportions" not in fine
    none = text(voted.assign(calibrated=False), card | {"points": None})
    assert "points are not, or nothing says so" in none
    assert "no point with several photos was held out" in none


def test_ways_to_vote_are_compared_where_the_model_learned_one(predictions, tmp_path):
    report(predictions, tmp_path / "r.html")
    assert not (tmp_path / "r_data" / "vote_methods.csv").exists()
    shares, zeros = "/".join(["0.2500"] * 4), "/".join(["0.0000"] * 5)
    text = (
        f"shares {shares}, mean {zeros}, product {zeros}, learned weighted_mean 60 0.0000/1.0000/"
        "1.0000/2.0000/0.5000/1.0000/0.5000/0.0000/0.0000/0.0000/0.0000"
    )
    learned = predictions.assign(calibrated=True, vote_calibration=text)
    page = Page(report(learned, tmp_path / "learned.html"))
    assert "by each way to vote" in page.text
    numbers = pd.read_csv(tmp_path / "learned_data" / "vote_methods.csv")
    assert numbers["method"].tolist() == ["one photo", "majority", "mean", "product", "learned"]


def test_the_lands_figure_stands_beside_that_of_the_points(predictions, tmp_path):
    weight = predictions["habitat"].map(
        {c: 1 + 3 * i for i, c in enumerate(sorted(set(predictions["habitat"].dropna())))}
    )
    given = predictions.assign(weight=weight.fillna(1))
    text = Page(report(given, tmp_path / "r.html")).text
    assert "What would it be on the land?" in text
    points = vote(given)
    numbers = pd.read_csv(tmp_path / "r_data" / "land.csv").set_index("measure")
    for name, weights in (("points", None), ("land", "weight")):
        e = evaluate(points, weights=weights)
        assert numbers.loc["kappa", name] == pytest.approx(e.kappa)
        assert numbers.loc["kappa", f"{name}_low"] == pytest.approx(e.kappa_interval[0])
    assert "on the land?" not in Page(report(given.assign(weight=2), tmp_path / "r.html")).text
    lacking = given.assign(weight=given["weight"].where(given["point_id"] != given["point_id"][0]))
    text = Page(report(lacking, tmp_path / "r.html")).text
    assert "The weights weight must be numbers of more than 0" in text


def test_the_lands_figure_by_class_shares_stands_beside_that_of_the_points(predictions, tmp_path):
    points = vote(predictions)
    labels = sorted(set(points["habitat"].dropna()))
    shares = {label: 1 + 4 * i for i, label in enumerate(labels)}
    page = Page(report(predictions, tmp_path / "r.html", class_shares=shares)).text
    assert "What would it be on the land?" in page
    assert f"{labels[-1]} {shares[labels[-1]] / sum(shares.values()):.1%}" in page
    assert "each stands for as many as its weight says" not in page
    numbers = pd.read_csv(tmp_path / "r_data" / "land.csv").set_index("measure")
    for name, given in (("points", None), ("land", shares)):
        e = evaluate(points, class_shares=given)
        assert numbers.loc["overall_accuracy", name] == pytest.approx(e.overall_accuracy)
        assert numbers.loc["kappa", f"{name}_high"] == pytest.approx(e.kappa_interval[1])
    # By both, where points have weights, too.
    weight = np.where(predictions["point_id"].str[-1] < "4", 1.0, 3.0)
    both = predictions.assign(weight=weight)
    page = Page(report(both, tmp_path / "r.html", class_shares=shares)).text
    assert "each stands for as many as its weight says" in page
    numbers = pd.read_csv(tmp_path / "r_data" / "land.csv").set_index("measure")
    e = evaluate(vote(both), weights="weight", class_shares=shares)
    assert numbers.loc["kappa", "land"] == pytest.approx(e.kappa)
    with pytest.raises(InputError, match="must give a share to each class of the reference"):
        report(predictions, tmp_path / "r.html", class_shares={labels[0]: 1})


def test_it_warns_of_training_points(predictions, model, tmp_path):
    seen = predictions.assign(split="train", point_id=None, calibrated=True)
    text = Page(report(seen, tmp_path / "r.html", model=model)).text
    assert "are of points the model was trained on: accuracy is overstated" in text
    assert "photos have no point" in text
    assert "not calibrated" not in text
    assert "needs points with several" in text


def test_it_loads_and_runs_nothing(page):
    assert not page.all("script") + page.all("link") + page.all("iframe")
    for attributes in (a for _, a in page.elements):
        assert not [k for k in attributes if k.startswith("on") or k == "style"]
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_the_policy_admits_the_pages_own_style(tmp_path):
    file = write_page([Section("A")], tmp_path / "r.html", "t")
    text = file.read_text(encoding="utf-8")
    css = re.search("<style>(.*?)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = next(m["content"] for m in Page(file).all("meta") if "http-equiv" in m)
    assert f"style-src 'sha256-{digest}';" in policy


def test_it_can_be_read_without_seeing_it(page):
    assert page.all("html") == [{"lang": "en"}]
    assert all(len(i["alt"]) > 20 for i in page.all("img"))
    assert len(page.all("h1")) == 1
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.all("a")} == set(ids)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in a for a in page.all("th"))


def test_numbers_lie_beside_it(run, predictions, tmp_path):
    report(run, tmp_path / "my report.html")
    folder = tmp_path / "my report_data"
    files = {f.name for f in folder.iterdir()}
    assert {
        "accuracy.csv", "confusion_photos.csv", "confusion_points.csv", "history.csv", "map.csv",
        "per_class_points.csv", "photos_right.csv", "point.csv", "refused.csv", "reliability.csv",
        "vote_gain.csv", "training_classes.csv",
    } <= files  # fmt: skip
    assert pd.read_csv(folder / "confusion_photos.csv")["n"].sum() == len(predictions)
    text = (tmp_path / "my report.html").read_text(encoding="utf-8")
    for name in re.findall(r"Numbers: (\S+\.csv)", text):
        assert name in files
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my report.html", "my report_data"]


def test_each_table_is_made_once(monkeypatch, tmp_path):
    """What a section needs is asked for once, however many sections need it."""
    calls = Counter()

    def count_calls(home, name):
        make = getattr(home, name)

        def counted(*given, **options):
            # Predictions that are prepared already are not read again.
            calls[name] += not (name == "read_predictions" and isinstance(given[0], Predictions))
            return make(*given, **options)

        # Each module has the function under a name of its own.
        for path, module in list(sys.modules.items()):
            if path.startswith("lucas_habitat") and vars(module).get(name) is make:
                monkeypatch.setattr(module, name, counted)

    count_calls(classes, "read_predictions")
    count_calls(voting, "vote")
    for name in ("_visits", "_shares"):
        count_calls(over_years, name)
    for name in ("votes_table", "reliability_table"):
        count_calls(diagnostics, name)
    for name in ("map_table", "confusion_table"):
        count_calls(tables, name)
    count_calls(evaluation, "evaluate")
    points, _ = simulated(60)
    # Photos of both campaigns: the points are voted here.
    photos = points.assign(
        path=[f"{i}.jpg" for i in range(len(points))], habitat=points["predicted"].astype("str")
    )
    page = Page(report(photos, tmp_path / "r.html"))
    assert "Points whose class changed" in page.text
    assert calls == {
        # of photos and of points
        "read_predictions": 2,
        "evaluate": 2,
        "confusion_table": 2,
        "vote": 1,
        "_visits": 1,
        "_shares": 1,
        "votes_table": 1,
        "reliability_table": 2,  # of photos and of points
        "map_table": 1,
    }


def test_the_telling_point_is_chosen_by_photos_that_vote():
    table = pd.DataFrame(
        {
            "point_id": [*"aaa", *"bb", *"cc", "d", None],
            "year": pd.array([2018] * 7 + [pd.NA] * 2, dtype="Int64"),
            # Point a has most photos and kinds, b and c more that vote.
            "direction": [*"PCC", *"PN", "P", None, "P", "P"],
            "predicted": ["x", "y", "z", "x", "x", "x", "y", "x", "x"],
        }
    )
    assert _telling_point(table) == ("c", 2018)
    assert _telling_point(table[table["point_id"] == "d"]) == ("d", None)
    assert _telling_point(table[table["direction"] == "C"]) is None


HOSTILE = [EVIL, '" onload="x', "a&b", "</section><b>"]


def hostile_run(model):
    """Photos, points and a model whose every text of somebody else's is hostile."""
    points = simulated(60)[0].assign(habitat=lambda t: t["predicted"].astype("str"))
    points = points.assign(x=4.3e6, y=3.5e6 + 1000 * np.arange(len(points)))
    table = pd.concat([points, made(PILOT)], ignore_index=True)
    names = dict(zip(PILOT, HOSTILE, strict=True))
    columns = dict(zip(column_names(PILOT), column_names(HOSTILE), strict=True))

    def renamed(rows):
        rows = rows.rename(columns=columns)
        for name in ("predicted", "habitat"):
            rows[name] = rows[name].astype("str").map(names)
        return rows.assign(predicted=pd.Categorical(rows["predicted"], categories=HOSTILE))

    table = renamed(table)
    table["path"] = [f"{EVIL.replace('/', '')}{i}.jpg" for i in range(len(table))]
    table["point_id"] = EVIL + table["point_id"]
    table.loc[0, ["predicted", "status", "error"]] = [None, EVIL, EVIL]
    table.loc[0, list(columns.values())] = float("nan")
    training = {
        **model.training,
        "photos_per_class": dict.fromkeys(HOSTILE, 9),
        "refused": {EVIL: 1},
        "recipe": EVIL,
        "years": [EVIL],
    }
    hostile = replace(model, classes=HOSTILE, training=training, versions={EVIL: EVIL})
    return table, renamed(points.assign(point_id=EVIL + points["point_id"])), hostile


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
def test_hostile_names_are_only_text_in_every_section(predictions, model, tmp_path):
    table, points, hostile = hostile_run(model)
    # Photos that are there are shown with their names.
    there = tmp_path / "<img src=x onerror=a>.jpg"
    shutil.copy(predictions["path"].iloc[0], there)
    table.loc[[5, 6], "path"] = str(there)
    table.loc[6, "predicted"] = next(c for c in HOSTILE if c != table.loc[6, "habitat"])
    file = report(
        table, tmp_path / "r.html", model=hostile, points=points, title=f"{EVIL}\x00</title>"
    )
    page = Page(file)
    assert not page.all("script") + page.all("b")
    assert not [a for _, a in page.elements if {"onload", "onerror"} & set(a)]
    assert len(page.all("section")) == 13
    assert "\x00" not in file.read_text(encoding="utf-8")
    for text in (*HOSTILE, "<img src=x onerror=a>.jpg", f"{EVIL}\ufffd</title>"):
        assert text in page.text
    parts = re.findall(
        r"<h2[^>]*>(.*?)</h2>(.*?)</section>", file.read_text(encoding="utf-8"), re.S
    )
    bodies = dict(parts)
    for heading in HEADINGS_WITH_NAMES:
        assert any(escape(text) in bodies[heading] for text in HOSTILE), heading


#: Sections that show texts of somebody else's.
HEADINGS_WITH_NAMES = (
    "What was trained on what",
    "Accuracy by class",
    "Where the points are",
    "Photos classified right",
    "Photos classified wrong",
    "The photos of one point",
    "Photos refused",
    "Versions, citation, licence",
)


def test_twelve_classes(tmp_path):
    page = Page(report(made(HARD), tmp_path / "r.html"))
    assert "Moorland-and-heathland-mosaic" in page.text


def test_without_labels_it_says_so(predictions, tmp_path):
    page = Page(report(predictions.drop(columns=["habitat"]), tmp_path / "r.html"))
    assert "nothing can be said of accuracy" in page.text
    assert "kappa" not in page.text
    assert "Where the points are" in page.text
    assert "What was trained on what" not in page.text


def test_its_errors_speak_of_it(predictions, tmp_path):
    points = vote(predictions)
    points = points.drop(columns=[c for c in points if c.startswith("p_")])
    text = Page(report(predictions, tmp_path / "r.html", points=points)).text
    assert "report() needs the columns predicted and p_<class>" in text
    assert "plot_" not in text


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
@pytest.mark.parametrize("where", ["vote", "transitions_and_changes"])
def test_warnings_of_other_libraries_are_not_hidden(where, tmp_path, monkeypatch):
    points, _ = simulated(60)
    table = made()

    def warned(*given, **options):
        warnings.warn("a library is out of date", FutureWarning, stacklevel=1)
        return ours(*given, **options)

    module = results if where == "vote" else sections
    ours = getattr(module, where)
    monkeypatch.setattr(module, where, warned)
    with pytest.warns(FutureWarning, match="a library is out of date"):
        page = report(table, tmp_path / "r.html", points=None if where == "vote" else points)
    assert "out of date" not in Page(page).text


def test_one_photo_without_a_point(tmp_path):
    table = made(n_points=1, photos=1)[["path", "predicted", "p_artificial", "p_cropland",
                                        "p_grassland", "p_woody"]]  # fmt: skip
    table["path"] = "somewhere.jpg"
    assert "None of 1 points can be drawn" in Page(report(table, tmp_path / "r.html")).text


def test_a_file_of_predictions_and_points_of_ones_own(run, tmp_path):
    points = pd.read_csv(run / "points.csv", dtype={"point_id": "str"}).assign(predicted="woody")
    text = Page(report(run / "predictions.csv", tmp_path / "r.html", points=points)).text
    assert "kappa" in text
    assert "What was trained on what" not in text
    assert pd.read_csv(tmp_path / "r_data" / "accuracy.csv")["overall_accuracy"][1] == 0.25


def test_another_report_is_replaced_but_nothing_else(predictions, tmp_path):
    page = tmp_path / "r.html"
    report(predictions, page)
    (tmp_path / "r_data" / "point.csv").unlink()
    report(predictions, page, title="second")
    assert "second" in page.read_text(encoding="utf-8")
    (tmp_path / "r_data" / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match=r"holds mine\.txt; it would be replaced"):
        report(predictions, page, title="third")
    assert "second" in page.read_text(encoding="utf-8")
    (tmp_path / "s_data").mkdir()
    with pytest.raises(InputError, match="no numbers of a report"):
        report(predictions, tmp_path / "s.html")


def test_a_failure_leaves_nothing_behind(tmp_path):
    bad = Section("A", [paragraph("a")], {"no/such": pd.DataFrame({"a": [1]}), "x": None})
    with pytest.raises(AttributeError):
        write_page([bad], tmp_path / "r.html", "t")
    assert list(tmp_path.iterdir()) == []


def test_further_sections_are_simply_added(tmp_path):
    more = Section(
        "Beside the pilot", [paragraph("0.8 < 0.9")], {"pilot": pd.DataFrame({"k": [1]})}
    )
    page = Page(write_page([more], tmp_path / "r.html", "t"))
    assert "0.8 < 0.9" in page.text
    assert json.loads((tmp_path / "r_data" / "about.json").read_text())["files"] == ["pilot"]


@pytest.mark.parametrize(
    ("given", "options", "error", "said"),
    [
        ("empty", {}, InputError, r"holds no predictions\.csv"),
        ("table", {"out": "r.pdf"}, InputError, r"must end in \.html"),
        ("columns", {}, InputError, "p_<class>"),
        ("table", {"model": "nowhere"}, ModelError, "nowhere"),
        ("table", {"points": "nowhere.csv"}, InputError, "no table"),
    ],
)
def test_what_cannot_be_reported_is_said(given, options, error, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    what = {"empty": tmp_path / "empty", "table": made(), "columns": pd.DataFrame({"a": [1]})}
    with pytest.raises(error, match=said):
        report(what[given], **options)
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_from_the_shell(run, tmp_path, capsys):
    out = tmp_path / "r.html"
    with warnings.catch_warnings():
        assert main(["report", str(run), "--out", str(out), "--title", "Møn"]) == 0
        assert f"written to {out}" in capsys.readouterr().out
        assert main(["report", str(tmp_path / "none"), "--out", str(out)]) == 1
    assert "<h1>Møn</h1>" in out.read_text(encoding="utf-8")
