"""Pictures: right numbers, colours that everyone can tell apart, and no text cut off."""

import os
import threading
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import lucas_habitat
from lucas_habitat import class_colours, classify, evaluate, reliability, vote, vote_gain
from lucas_habitat._base.classes import column_names
from lucas_habitat._base.tables import write_table
from lucas_habitat.errors import InputError, LucasMessage
from lucas_habitat.images.decode import thumbnail
from lucas_habitat.pictures import charts, maps, photos
from lucas_habitat.pictures.canvas import as_png
from lucas_habitat.pictures.colours import COLOURS, PILOT, class_styles
from lucas_habitat.pictures.tables import (
    coastline,
    confusion_table,
    examples_table,
    extent,
    map_table,
    point_table,
)

HARD = [
    "woody vegetation", "$cost_{x}$", "_hidden", "græs & <b>hø</b>", "artificial", "A00",
    "wetlands of all kinds",
    "bare rock", "Moorland-and-heathland-mosaic", "water", "snow", "woody",
]  # fmt: skip


def made(classes=PILOT, n_points=40, photos=5, seed=1, skill=3.0):
    """Predictions for points in Denmark, right more often than not."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(len(classes), size=n_points), photos)
    logits = rng.normal(size=(len(truth), len(classes)))
    logits[np.arange(len(truth)), truth] += skill
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    point = np.repeat(np.arange(n_points), photos)
    x, y = 4230 + 2 * (point % 8), 3540 + 2 * (point // 8)
    table = pd.DataFrame(
        {
            "path": [f"nowhere/{i}_{'PNESW'[i % photos]}.jpg" for i in range(len(truth))],
            "point_id": [f"{a}{b}" for a, b in zip(x, y, strict=True)],
            "year": pd.array([2018] * len(truth), dtype="Int64"),
            "direction": [*"PNESW"[:photos]] * n_points,
            "habitat": np.array(classes, dtype=object)[truth],
            "x": x * 1000.0,
            "y": y * 1000.0,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), categories=list(classes)),
            "confidence": p.max(axis=1),
        }
    )
    for name, values in zip(column_names(list(classes)), p.T, strict=True):
        table[name] = values
    return table.assign(calibrated=True, status="ok", error="")


@pytest.fixture(scope="module")
def predictions(parts, model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasMessage)
        return classify(parts[1], model, progress=False)


# --- colours ------------------------------------------------------------------------------------

# Machado et al. 2009, severity 1, for linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
          [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip


def cielab(colours, sight="normal"):
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    xyz = linear @ np.array(TO_XYZ).T / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(lab):
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)
    return apart[~np.eye(len(lab), dtype=bool)].min()


def test_cielab_is_the_textbooks():
    # sRGB red, by hand from its XYZ of (0.4125, 0.2127, 0.0193)
    assert cielab(["#FF0000", "#FFFFFF"])[0] == pytest.approx([53.24, 80.09, 67.20], abs=0.02)


@pytest.mark.parametrize("sight", SIGHT)
def test_everyone_can_tell_the_colours_apart(sight):
    assert nearest(cielab(class_colours(PILOT).values(), sight)) > 20
    assert nearest(cielab([*COLOURS, "#FFFFFF"], sight)) > 18


def test_the_pilots_classes_differ_in_grey():
    lightness = np.sort(cielab(class_colours(PILOT).values())[:, 0])
    assert np.diff(lightness).min() > 15


def test_same_class_same_colour():
    pilot = class_colours(PILOT)
    assert class_colours(["woody", "artificial"]) == {c: pilot[c] for c in ("woody", "artificial")}
    assert class_colours(["heath", *PILOT])["woody"] == pilot["woody"]
    assert class_colours(["a", "b", "c"]) == dict(zip("abc", COLOURS, strict=False))
    # An unknown reference class comes last and changes nothing.
    assert list(class_colours(["a", "b", "aa"]).items())[:2] == list(
        class_colours(["a", "b"]).items()
    )
    assert len(set(class_colours(HARD).values())) == 12


def test_shapes_tell_apart_what_colours_cannot():
    styles = class_styles([f"class {i}" for i in range(60)])
    assert not styles.duplicated(["colour", "marker"]).any()
    assert not styles.duplicated(["colour", "pch"]).any()


@pytest.mark.parametrize(
    ("classes", "said"), [([], "at least one"), (["a", "a"], "stand twice: a")]
)
def test_no_colours_for_nonsense(classes, said):
    with pytest.raises(InputError, match=said):
        class_colours(classes)


# --- numbers ------------------------------------------------------------------------------------


def test_confusion_table_by_hand():
    found = evaluate(pd.DataFrame({"predicted": list("aabb"), "habitat": list("abbb")}), n_boot=0)
    table = confusion_table(found).set_index(["predicted", "reference"])
    assert table["n"].tolist() == [1, 1, 0, 2]
    assert table["share_of_reference"].tolist() == pytest.approx([1, 1 / 3, 0, 2 / 3])
    assert table["share_of_predicted"].tolist() == pytest.approx([0.5, 0.5, 0, 1])


def test_reliability_by_hand():
    table = pd.DataFrame(
        {
            "point_id": ["1", "1", "2", "3"],
            "habitat": ["a", "a", "a", "b"],
            "predicted": ["a", "a", "b", "b"],
            "p_a": [0.72, 0.78, 0.2, 0.0],
            "p_b": [0.28, 0.22, 0.8, 1.0],
        }
    )
    found = reliability(table)
    assert found["n"].tolist() == [0, 0, 0, 0, 0, 0, 0, 2, 1, 1]
    assert found["n_points"].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert found["confidence"].tolist()[7:] == pytest.approx([0.75, 0.8, 1.0])
    assert found["accuracy"].tolist()[7:] == [1, 0, 1]
    assert found.attrs["ece"] == pytest.approx((2 * 0.25 + 0.8 + 0) / 4)
    # Wilson for 1 of 1: from 1 / (1 + z^2)
    assert found["accuracy_low"].iloc[9] == pytest.approx(1 / (1 + 1.959964**2))
    assert found["accuracy_high"].iloc[9] == pytest.approx(1)


def test_vote_gain_ends_at_what_all_votes_give():
    table = made(skill=1.2)
    found = vote_gain(table, n_draws=100)
    everyone = evaluate(vote(table), n_boot=0)
    assert found["accuracy"].iloc[-1] == pytest.approx(everyone.overall_accuracy, abs=1e-12)
    assert found["kappa"].iloc[-1] == pytest.approx(everyone.kappa, abs=1e-12)
    # One photo drawn of five: on the mean, the accuracy of photos.
    by_photo = evaluate(table, n_boot=0).overall_accuracy
    assert found["accuracy"].iloc[0] == pytest.approx(by_photo, abs=0.02)
    assert found["kappa_gain"].iloc[1:].tolist() == pytest.approx(np.diff(found["kappa"]).tolist())
    assert (found["kappa_low"] < found["kappa"]).all()
    assert (found["kappa"] < found["kappa_high"]).all()
    assert found["n_photos"].tolist() == [1, 2, 3, 4, 5]
    pd.testing.assert_frame_equal(found, vote_gain(table, n_draws=100))
    assert not found.equals(vote_gain(table, n_draws=100, seed=2))


def test_vote_gain_leaves_out_points_with_fewer_photos():
    table = made()
    with pytest.warns(LucasMessage, match="1 of 40 points have fewer than 5"):
        found = vote_gain(table.drop(index=3), n_draws=20)
    assert (found["n_points"] == 39).all()


def test_vote_gain_needs_several_photos_and_labels():
    with pytest.raises(InputError, match="most have 1"):
        vote_gain(made(photos=1))
    with pytest.raises(InputError, match="none of the 200 rows has both"):
        vote_gain(made().drop(columns="habitat"))


def test_a_map_takes_degrees_and_the_latest_year():
    points = vote(made())
    table = map_table(points)
    assert len(table) == 40
    degrees = points.drop(columns=["x", "y"]).assign(lon=10.0, lat=52.0)
    # The projection's own origin.
    assert map_table(degrees)[["x", "y"]].to_numpy() == pytest.approx(
        np.tile([4321000.0, 3210000.0], (40, 1)), abs=1e-3
    )
    older = points.assign(year=2012, predicted="woody")
    both = map_table(pd.concat([points, older], ignore_index=True))
    assert len(both) == 40
    assert (both["year"] == 2018).all()
    with pytest.raises(InputError, match="0 have coordinates"):
        map_table(points.drop(columns=["x", "y"]))


def test_the_coast_is_europes():
    coast = coastline()
    assert coast["x"].between(900_000, 7_400_000).all()
    assert coast["y"].between(900_000, 5_600_000).all()
    # Skagen, Denmark's tip (57.74 N 10.65 E), within the 1.5 km that the line is thinned to.
    away = np.hypot(coast["x"] - 4358400, coast["y"] - 3848600)
    assert away.min() < 6000
    folder = os.path.join(os.path.dirname(lucas_habitat.__file__), "data")
    assert os.path.getsize(os.path.join(folder, "coast.csv")) < 150_000


def test_a_points_photos_come_in_order_and_of_its_latest_year():
    table = pd.concat([made().sample(frac=1, random_state=1), made().assign(year=2012)])
    found = point_table(table, "42303540")
    assert found["direction"].tolist() == list("PNESW")
    assert found.attrs == {"point_id": "42303540", "year": 2018}
    assert point_table(table, 42303540, 2012)["year"].tolist() == [2012] * 5
    with pytest.raises(InputError, match=r"no photo of 2009; it has 2012, 2018"):
        point_table(table, "42303540", 2009)
    with pytest.raises(InputError, match="There is no point 'x'"):
        point_table(table, "x")


@pytest.mark.parametrize("year", [pd.NA, np.nan, None])
def test_a_missing_year_is_the_latest(year):
    table = pd.concat([made(), made().assign(year=2012)])
    assert point_table(table, "42303540", year).attrs["year"] == 2018


@pytest.mark.parametrize(("away", "shape"), [((9000, 1), 9 / 5), ((1, 9000), 4 / 5)])
def test_a_map_is_neither_slim_nor_flat(away, shape):
    ends = pd.DataFrame(
        {"x": [4.3e6, 4.3e6 + 1000 * away[0]], "y": [3.5e6, 3.5e6 + 1000 * away[1]]}
    )
    west, east, south, north = extent(ends)
    assert (east - west) / (north - south) == pytest.approx(shape)


def test_examples_are_right_or_wrong_and_there(predictions):
    table = predictions.copy()
    table.loc[table.index[:3], "habitat"] = "woody"
    table.loc[table.index[:3], "predicted"] = "cropland"
    wrong = examples_table(table, right=False)
    assert wrong["path"].tolist() == sorted(table["path"][:3])
    assert (wrong["confidence"] == wrong["p_cropland"]).all()
    assert (wrong["reference_probability"] == wrong["p_woody"]).all()
    right = examples_table(table, n=4)
    assert len(right) == 4
    assert (right["habitat"] == right["predicted"].astype(str)).all()
    pd.testing.assert_frame_equal(right, examples_table(table, n=4))
    with pytest.raises(InputError, match="is there any more"):
        examples_table(made())
    with pytest.raises(InputError, match="None of 16 photos was classified wrong"):
        examples_table(predictions.assign(predicted=predictions["habitat"]), right=False)


# --- pictures -----------------------------------------------------------------------------------

PICTURES = {
    "confusion": lambda t, **k: charts.plot_confusion(evaluate(vote(t), n_boot=0), **k),
    "votes": charts.plot_votes,
    "reliability": charts.plot_reliability,
    "map": lambda t, **k: maps.plot_map(vote(t), **k),
    "point": lambda t, **k: photos.plot_point(t, "42303540", **k),
}


def cut_off(figure):
    """Texts that leave the figure."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    page = figure.bbox.padded(1)
    # Ticks beyond the limits, or of axes that are off, have a text that is not drawn.
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (ax.axison and low <= tick.get_loc() <= high):
                    hidden |= {tick.label1, tick.label2}
    out = []
    for text in set(figure.findobj(matplotlib.text.Text)) - hidden:
        if not text.get_visible() or not text.get_text().strip():
            continue
        box = text.get_window_extent(renderer)
        if box.x0 < page.x0 or box.y0 < page.y0 or box.x1 > page.x1 or box.y1 > page.y1:
            out.append((text.get_text(), box.bounds))
    return out


def overlapping(texts, renderer):
    boxes = [t.get_window_extent(renderer).padded(-0.5) for t in texts if t.get_text().strip()]
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]


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


@pytest.mark.parametrize("width", ["single", "double", 100])
@pytest.mark.parametrize("right", [True, False])
def test_sheets_of_photos(predictions, right, width):
    hard = dict(zip(PILOT, HARD, strict=False))
    table = predictions.rename(
        columns=dict(zip(column_names(PILOT), column_names(HARD[:4]), strict=True))
    )
    table["predicted"] = pd.Categorical(
        predictions["predicted"].astype(str).map(hard), categories=HARD[:4]
    )
    table["habitat"] = table["habitat"].map(hard) if right else HARD[0]
    figure = photos.plot_photos(table, right=right, width=width)
    assert cut_off(figure) == []
    assert overlapping(figure.axes[0].texts, figure.canvas.get_renderer()) == []
    assert len(figure.axes[0].images) == (12 if len(table) > 12 else len(table)) or not right


def test_history(model):
    figure = charts.plot_history(model, width="single")
    assert cut_off(figure) == []
    drawn = figure.axes[0].lines[0]
    assert drawn.get_ydata().tolist() == model.history["loss"].tolist()


def test_a_points_photos_are_shown_where_they_are(predictions, tmp_path):
    point = predictions["point_id"].iloc[0]
    figure = photos.plot_point(predictions, point)
    assert len(figure.axes[0].images) == 2
    gone = photos.plot_point(predictions.assign(path=str(tmp_path / "gone.jpg")), point)
    assert len(gone.axes[0].images) == 0
    assert "missing" in [t.get_text() for t in gone.axes[0].texts]


def test_a_photo_without_probabilities_says_why():
    table = made()
    table.loc[1, ["predicted", "status", *column_names(list(PILOT))]] = [None, "damaged"] + 4 * [
        np.nan
    ]
    texts = [t.get_text() for t in photos.plot_point(table, "42303540").axes[0].texts]
    assert "not classified: damaged" in texts
    assert any("of 4 photos" in t for t in texts)


def test_closeups_are_shown_but_do_not_count():
    table = made(n_points=1)
    closeup = table.iloc[:1].assign(path="nowhere/c.jpg", direction="C", predicted="artificial")
    closeup[column_names(list(PILOT))] = [1.0, 0.0, 0.0, 0.0]
    table = pd.concat([table, closeup], ignore_index=True)
    for width in ("single", "double"):
        figure = photos.plot_point(table, "42303540", width=width)
        ax = figure.axes[0]
        texts = [t.get_text() for t in ax.texts]
        assert "close-up" in texts
        assert "mean, no close-ups" in texts
        assert cut_off(figure) == []
        assert overlapping(ax.texts, figure.canvas.get_renderer()) == []
        # The last bar; the keys, squares of 3 mm, come after it.
        bar = [r.get_width() for r in ax.patches if r.get_height() == 6][-len(PILOT) :]
        voted = vote(table.iloc[:5])[column_names(list(PILOT))].to_numpy()[0]
        assert np.array(bar) / sum(bar) == pytest.approx(voted)
    alone = photos.plot_point(table.iloc[4:], "42303540")  # one vote has no mean
    assert not [t for t in alone.axes[0].texts if t.get_text().startswith("mean")]


def test_no_sign_on_the_map_covers_a_smaller_one():
    points = vote(made(skill=1.0))
    signs = maps.plot_map(points).axes[0].collections
    sizes = np.concatenate([s.get_sizes() for s in signs])
    assert len(sizes) == 40
    assert (np.diff(sizes) <= 0).all()
    # Each keeps its place, colour and shape.
    table = map_table(points).sort_values("confidence", ascending=False)
    places = np.concatenate([np.asarray(s.get_offsets()) for s in signs])
    assert places == pytest.approx(table[["x", "y"]].to_numpy())
    styles = class_styles(PILOT).set_index("class").loc[table["predicted"].astype(str)]
    (signs,) = signs
    colours = [matplotlib.colors.to_hex(c).upper() for c in signs.get_facecolors()]
    assert colours == styles["colour"].tolist()
    corners = [len(path.vertices) for path in signs.get_paths()]
    alone = {m: matplotlib.markers.MarkerStyle(m).get_path() for m in styles["marker"]}
    assert corners == [len(alone[m].vertices) for m in styles["marker"]]


def test_the_shade_is_the_share_and_the_number_the_count():
    table = pd.DataFrame({"predicted": list("aabb"), "habitat": list("abbb")})
    ax = charts.plot_confusion(evaluate(table, n_boot=0)).axes[0]
    assert ax.images[0].get_array().tolist() == [
        [1, pytest.approx(1 / 3)],
        [0, pytest.approx(2 / 3)],
    ]
    assert [t.get_text() for t in ax.texts] == ["1\n100 %", "1\n33 %", "·", "2\n67 %"]
    assert ax.get_xlabel() == "reference"
    assert ax.get_ylabel() == "predicted"


def test_tables_from_files_draw_the_same(tmp_path):
    table = made(HARD)
    file = write_table(table, tmp_path / "p.csv")
    a, b = charts.plot_reliability(table), charts.plot_reliability(file)
    assert as_png(a, 72) == as_png(b, 72)


# --- files --------------------------------------------------------------------------------------


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
        (lambda: charts.plot_votes(pd.DataFrame({"a": [1]})), "needs the columns predicted"),
        (lambda: maps.plot_map(made().drop(columns="point_id")), "needs the column point_id"),
        (lambda: photos.plot_photos(made(), right="yes"), "right must be True or False"),
        (lambda: photos.plot_photos(made(), n=0), "n must be a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, said):
    with pytest.raises(InputError, match=said):
        draw()


# --- thumbnails ---------------------------------------------------------------------------------


def test_a_thumbnail_is_upright_and_keeps_its_shape(tmp_path):
    pixels = np.zeros((60, 120, 3), dtype=np.uint8)
    pixels[:, :60] = (255, 0, 0)  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: red comes on top
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    small = thumbnail(str(tmp_path / "a.jpg"), 80)
    assert small.shape == (80, 40, 3)
    assert small[10, 20, 0] > 200
    assert small[70, 20, 0] < 50
