"""All pictures: no text cut off, files, threads, and what cannot be drawn."""

import threading

import matplotlib
import pandas as pd
import pytest
from pictures_support import HARD, cut_off, made, overlapping
from PIL import Image

from lucas_habitat import evaluate, vote
from lucas_habitat._base.tables import write_table
from lucas_habitat.errors import InputError
from lucas_habitat.pictures import charts, maps, photos
from lucas_habitat.pictures.canvas import as_png
from lucas_habitat.pictures.colours import PILOT

PICTURES = {
    "confusion": lambda t, **k: charts.plot_confusion(evaluate(vote(t), n_boot=0), **k),
    "votes": charts.plot_votes,
    "reliability": charts.plot_reliability,
    "map": lambda t, **k: maps.plot_map(vote(t), **k),
    "point": lambda t, **k: photos.plot_point(t, "42303540", **k),
}


@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("classes", [PILOT, HARD], ids=["pilot", "twelve hard names"])
@pytest.mark.parametrize("name", PICTURES)
def test_no_text_is_cut_off(name, classes, width):
    figure = PICTURES[name](made(classes, n_points=60, skill=2), width=width)
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(85 if width == "single" else 170)
    assert cut_off(figure) == []
    assert {t.get_fontsize() for t in figure.findobj(matplotlib.text.Text) if t.get_text()} <= {8.0}
    for ax in figure.axes:
        labels = [*ax.get_xticklabels(), *ax.get_yticklabels()] if name == "confusion" else ax.texts
        assert overlapping(labels, figure.canvas.get_renderer()) == []


def test_tables_from_files_draw_the_same(tmp_path):
    table = made(HARD)
    file = write_table(table, tmp_path / "p.csv")
    a, b = charts.plot_reliability(table), charts.plot_reliability(file)
    assert as_png(a, 72) == as_png(b, 72)


def test_png_and_svg(tmp_path):
    table = made(["woody vegetation", "x < y & $z$"])
    charts.plot_reliability(table, out=tmp_path / "r.png")
    with Image.open(tmp_path / "r.png") as image:
        assert image.width == pytest.approx(85 / 25.4 * 300, abs=1)
        assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
    maps.plot_map(vote(table), out=tmp_path / "m.svg")
    svg = (tmp_path / "m.svg").read_text(encoding="utf-8")
    for text in ("woody vegetation", "x &lt; y &amp; $z$"):
        assert text in svg
    assert "<text" in svg
    assert 'width="481.889764pt"' in svg
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.svg", "r.png"]


def test_matplotlibs_state_is_left_alone(tmp_path):
    import sys

    before = dict(matplotlib.rcParams)
    maps.plot_map(vote(made()), out=tmp_path / "m.svg")
    assert dict(matplotlib.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_threads_draw_what_one_alone_draws():
    table = made()
    alone = as_png(charts.plot_reliability(table), 72)
    drawn = []
    threads = [
        threading.Thread(target=lambda: drawn.append(as_png(charts.plot_reliability(table), 72)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [alone] * 4


def test_a_notebook_shows_a_figure():
    assert charts.plot_reliability(made())._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": "wide"}, "must be 'single'"),
        ({"width": 20}, "at least 60"),
        ({"out": "figure.pdf"}, "must end in .png or .svg"),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        charts.plot_votes(made(), **options)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: charts.plot_confusion("no"), "must be what evaluate"),
        (lambda: charts.plot_reliability(made().drop(columns="habitat")), "add the column habitat"),
        (lambda: charts.plot_reliability(made().iloc[:0]), "without rows"),
        (lambda: charts.plot_reliability(pd.DataFrame({"a": [1]})), r"^plot_reliability\(\) needs"),
        (lambda: charts.plot_votes(pd.DataFrame({"a": [1]})), r"^plot_votes\(\) needs the columns"),
        (lambda: charts.plot_votes(made(photos=1)), r"^plot_votes\(\) needs points with several"),
        (
            lambda: charts.plot_reliability(made().assign(habitat=None)),
            r"^plot_reliability\(\) compares with reference classes",
        ),
        (lambda: maps.plot_map(made().drop(columns="point_id")), "needs the column point_id"),
        (lambda: photos.plot_photos(made(), right="yes"), "right must be True or False"),
        (lambda: photos.plot_photos(made(), n=0), "n must be a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, said):
    with pytest.raises(InputError, match=said):
        draw()
