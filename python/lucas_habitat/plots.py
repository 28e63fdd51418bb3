"""Pictures as journals print them: 85 or 170 mm wide, 8 pt text, one colour a class everywhere.

Every function draws from a table that can be had without the picture, and leaves matplotlib's state and
settings as they are, so it works in threads and without a screen.
"""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from ._tables import probability_columns, write_atomically
from .errors import InputError, PhotoError, check_number
from .evaluation import Evaluation
from .figure_tables import (
    Table,
    class_styles,
    coastline,
    confidence_of,
    confusion_table,
    examples_table,
    extent,
    map_table,
    point_table,
    probabilities,
    reliability,
    vote_gain,
)
from .images import thumbnail
from .over_years import largest_transitions, transitions_table
from .photos import landscape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

    from .classifier import HabitatModel

__all__ = [
    "plot_confusion",
    "plot_history",
    "plot_map",
    "plot_photos",
    "plot_point",
    "plot_reliability",
    "plot_transitions",
    "plot_votes",
]

Width = str | float
_WIDTHS = {"single": 85.0, "double": 170.0}
_MM = 1 / 25.4  # inches
_POINTS = 8.0
_WIDE = 1.75  # mm that a letter takes at most, on the average of a word
_LINE = 3.6  # mm from one line of text to the next
_DPI = 300
_INK, _SOFT, _PALE, _BLUE = "#1A1A1A", "#6B6B6B", "#D0D0D0", "#1F5FA8"
_SIDES = {"P": "point", "N": "north", "E": "east", "S": "south", "W": "west", "C": "close-up"}
_THUMB = 240  # pixels: 20 mm at 300 per inch


class Picture(Figure):
    """A figure that a notebook shows, also where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        return as_png(self, 2 * 72)


class _TextSvg(RendererSVG):
    """Writes text as text whatever the user's settings are: it can be searched, read out, edited."""

    def _draw_text_as_path(self, gc: Any, x: Any, y: Any, s: Any, *rest: Any, **more: Any) -> None:
        cast(Any, super())._draw_text_as_text(gc, x, y, s, *rest, **more)


# matplotlib's backends have no types.
_Svg: Any = _TextSvg
_Renderer: Any = MixedModeRenderer


def as_svg(figure: Figure) -> str:
    """A figure as an SVG document with real text."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    text = io.StringIO()
    FigureCanvasAgg(figure)  # measures text as the PNG does
    before = figure.dpi
    figure.dpi = 72
    try:
        svg: Any = _Svg(width, height, text, image_dpi=_DPI, metadata={"Date": None})
        figure.draw(_Renderer(figure, width, height, _DPI, svg))
        svg.finalize()
    finally:
        figure.dpi = before
    return text.getvalue()


def as_png(figure: Figure, dpi: float = _DPI) -> bytes:
    """A figure as a PNG file's content."""
    data = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(data, format="png", dpi=dpi)
    return data.getvalue()


def plot_history(
    model: HabitatModel | str | os.PathLike[str],
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw a model's loss and accuracy by epoch.

    Parameters
    ----------
    model : HabitatModel or path
        A model, or the folder of a saved one.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: ``model.history``.

    Raises
    ------
    InputError
        If the model has no history.
    """
    from .classifier import HabitatModel, load_model

    if not isinstance(model, HabitatModel):
        model = load_model(model)
    history = model.history
    if history.empty:
        raise InputError("The model has no history to draw: it was trained for no epoch.")
    mm, out = check_size(width, out)
    wide = mm >= 120
    figure = _figure(mm, 62 if wide else 100)
    axes: Any = figure.subplots(1 if wide else 2, 2 if wide else 1)
    lines = {
        "loss": [("loss", "training", _INK, "-"), ("val_loss", "validation", _BLUE, "--")],
        "accuracy": [
            ("accuracy", "training", _INK, "-"),
            ("val_accuracy", "validation", _BLUE, "--"),
            ("val_kappa", "validation, kappa", _BLUE, ":"),
        ],
    }
    for ax, (name, drawn) in zip(axes, lines.items(), strict=True):
        _style(ax, "epoch", name if name == "loss" else "accuracy, kappa")
        there = [d for d in drawn if d[0] in history and history[d[0]].notna().any()]
        for column, _, colour, dash in there:
            ax.plot(
                history["epoch"],
                history[column],
                color=colour,
                linestyle=dash,
                linewidth=1.2,
                marker="o",
                markersize=2.5 if len(history) > 1 else 4,
            )
        if name == "loss":
            ax.set_ylim(0, None)
        else:
            least = float(history[[d[0] for d in there]].min().min())
            ax.set_ylim(min(0.0, least - 0.02), 1.02)
        ax.xaxis.get_major_locator().set_params(integer=True)
        handles = [
            Line2D([], [], color=c, ls=cast(Any, s), marker="o", markersize=2.5)
            for _, _, c, s in there
        ]
        _legend(ax, handles, [d[1] for d in there], loc="best")
    return _finish(figure, out)


def plot_confusion(
    evaluation: Evaluation,
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw a confusion matrix with counts, and shares of each reference class.

    Rows are predicted, columns reference classes. The shade is the share of the column, so the
    diagonal shows producer's accuracies.

    Parameters
    ----------
    evaluation : Evaluation
        What `evaluate` returned.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500). Where a cell is too small for its
        numbers, the share goes first, then the count.
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: ``evaluation.confusion``.

    Raises
    ------
    InputError
        If that is no evaluation.
    """
    cells = confusion_table(evaluation)
    mm, out = check_size(width, out)
    classes = evaluation.confusion.columns.tolist()
    k = len(classes)
    for labels in ([_label(c) for c in classes], [_short(c, 20) for c in classes]):
        longest = max(len(line) for label in labels for line in label.split("\n"))
        cell = min((mm - 22 - _WIDE * longest) / k, 22.0)
        if cell > 2.2 * _LINE:  # two lines fit
            break
    turned = longest * _WIDE > cell
    below = (longest * _WIDE if turned else 2 * _LINE) + 16
    figure = _figure(mm, k * cell + below + 4)
    ax = figure.subplots()
    _style(ax, "reference", "predicted")
    ax.tick_params(length=0)
    ax.set_aspect("equal")
    shade = colormaps["Blues"]
    counts = evaluation.confusion.to_numpy()
    share = np.nan_to_num(cells["share_of_reference"].to_numpy().reshape(k, k))
    ax.imshow(share, cmap=shade, vmin=0, vmax=1.15)
    room = cell - 1.5
    digits = max(len(str(int(counts.max()))), 1)
    for i in range(k):
        for j in range(k):
            text = str(int(counts[i, j])) if digits * _WIDE <= room else ""
            if room >= max(2 * _LINE, 5 * _WIDE) and counts[:, j].sum():
                text += f"\n{100 * share[i, j]:.0f} %"
            if counts[i, j] == 0 and i != j:
                text = "·" if room >= _LINE else ""
            ink = "#FFFFFF" if share[i, j] > 0.6 else _INK
            ax.text(j, i, text, ha="center", va="center", fontsize=_POINTS, color=ink)
    plain: dict[str, Any] = {"fontsize": _POINTS, "parse_math": False, "color": _INK}
    ax.set_xticks(range(k), labels, rotation=90 if turned else 0, **plain)
    ax.set_yticks(range(k), labels, **plain)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_xticks(np.arange(0.5, k - 1), minor=True)
    ax.set_yticks(np.arange(0.5, k - 1), minor=True)
    ax.grid(which="minor", color="#FFFFFF", linewidth=1.2)
    ax.tick_params(which="minor", length=0)
    return _finish(figure, out)


def plot_votes(
    predictions: Table,
    *,
    seed: int = 1,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw what each further photo that votes gains.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned for labelled photos of points.
    seed : int, default 1
        For the draws of directions.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: `vote_gain`.

    Raises
    ------
    InputError
        If there are no labels, or points do not have several photos.
    """
    mm, out = check_size(width, out)
    return _finish(draw_votes(vote_gain(predictions, seed=seed), mm), out)


def draw_votes(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `vote_gain` returned."""
    wide = mm >= 120
    figure = _figure(mm, 65 if wide else 105)
    axes: Any = figure.subplots(1 if wide else 2, 2 if wide else 1)
    x = table["n_photos"].to_numpy()
    _style(axes[0], "photos that vote", "share or kappa")
    for name, colour, mark, shift in (
        ("accuracy", _INK, "o", -0.05),
        ("kappa", _BLUE, "s", 0.05),
    ):
        _bars(axes[0], x + shift, table, name, colour, mark)
    least = np.nanmin([table["kappa_low"].min(), table["accuracy_low"].min()])
    axes[0].set_ylim(min(0.0, least - 0.02) if least < 0.3 else least - 0.1, 1.02)
    handles = [
        Line2D([], [], color=c, marker=m, markersize=4, linewidth=1.2)
        for c, m in ((_INK, "o"), (_BLUE, "s"))
    ]
    _legend(axes[0], handles, ["overall accuracy", "kappa"], loc="lower right")
    _style(axes[1], "photos that vote", "gain in kappa")
    axes[1].axhline(0, color=_SOFT, linewidth=0.8)
    _bars(axes[1], x[1:], table.iloc[1:], "kappa_gain", _BLUE, "s", line=False)
    for ax in axes:
        ax.set_xticks(x)
        ax.set_xlim(0.6, x[-1] + 0.4)
    _note(figure, f"{table['n_points'].iloc[0]} points; bars hold 95 % of draws")
    return figure


def plot_reliability(
    predictions: Table,
    *,
    width: Width = "single",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw whether probabilities can be taken at their word.

    Above, the share that is right against the mean probability of the predicted class, by bins
    of a tenth: on the diagonal where probabilities are proportions, below it where the model is too
    sure. Below, how many rows each bin holds.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` or `vote` returned for labelled photos.
    width : {"single", "double"} or float, default "single"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: `reliability`.

    Raises
    ------
    InputError
        If there are no labels or no probabilities.
    """
    mm, out = check_size(width, out)
    unit = "points" if "n_photos" in probabilities(predictions, "")[0] else "photos"
    return _finish(draw_reliability(reliability(predictions), mm, unit), out)


def draw_reliability(table: pd.DataFrame, mm: float, unit: str) -> Figure:
    """The picture of what `reliability` returned for so many photos or points, the unit."""
    seen = table[table["n"] > 0]
    figure = _figure(mm, min(mm, 110) * 1.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _style(top, "", "share that is right")
    top.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, linestyle="--")
    _bars(top, seen["confidence"].to_numpy(), seen, "accuracy", _BLUE, "o")
    top.set_ylim(-0.02, 1.04)
    top.set_xlim(-0.02, 1.02)
    top.text(
        0.02,
        0.97,
        f"expected calibration\nerror {table.attrs['ece']:.3f}",
        transform=top.transAxes,
        va="top",
        fontsize=_POINTS,
        color=_INK,
    )
    _style(bottom, "probability of the predicted class", unit)
    bottom.bar(
        (seen["low"] + seen["high"]) / 2, seen["n"], width=0.094, color=_PALE, edgecolor=_SOFT
    )
    bottom.set_ylim(0, 1.35 * seen["n"].max())
    for middle, n in zip((seen["low"] + seen["high"]) / 2, seen["n"], strict=True):
        bottom.text(middle, n, f"{n}", ha="center", va="bottom", fontsize=_POINTS, color=_INK)
    bottom.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    return figure


def plot_map(
    points: Table,
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw points on a map: their class by colour and shape, its probability by size.

    The map is in EPSG:3035 (equal areas, metres) with a light coastline (Natural Earth, thinned to
    1.5 km) that comes with the package. Of a point with several years the latest is drawn.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned, with ``x`` and ``y`` (EPSG:3035, metres) or ``lon`` and ``lat``
        (WGS84, degrees).
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no point has coordinates and a class.
    """
    mm, out = check_size(width, out)
    return _finish(draw_map(map_table(points), mm), out)


def draw_map(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `map_table` returned."""
    classes = table["predicted"].cat.categories.tolist()
    styles = class_styles(classes)
    colours = dict(zip(styles["class"], styles["colour"], strict=True))
    markers = dict(zip(styles["class"], styles["marker"], strict=True))
    west, east, south, north = extent(table)
    seen = [c for c in classes if (table["predicted"] == c).any()]
    sizes = (0.4, 0.7, 1.0)
    names = [*seen, *(f"p = {s}" for s in sizes)]
    per_row = max(1, int((mm - 6) // (8 + _WIDE * max(len(n) for n in names[: len(seen)]))))
    rows = -(-len(seen) // per_row) + 1
    figure = _figure(mm, (mm - 4) * (north - south) / (east - west) + 6 + 5 * rows)
    ax = figure.subplots()
    _style(ax, "", "")
    ax.set_aspect("equal")
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(True)
        side.set_color(_PALE)
    coast = coastline()
    for _, line in coast.groupby("line"):
        if (
            line["x"].max() > west
            and line["x"].min() < east
            and line["y"].max() > south
            and line["y"].min() < north
        ):
            ax.plot(line["x"], line["y"], color="#A8A8A8", linewidth=0.6, zorder=1)
    crowd = float(np.clip((400 / len(table)) ** 0.5, 0.35, 1))
    # Small signs last, whatever their class, so that no larger one covers them.
    drawn = table.sort_values("confidence", ascending=False, kind="stable")
    signs = ax.scatter(
        drawn["x"],
        drawn["y"],
        s=_area(drawn["confidence"].to_numpy()) * crowd,
        c=[colours[c] for c in drawn["predicted"]],
        edgecolors=_INK,
        linewidths=0.4,
        zorder=2,
    )
    # scatter() itself takes one shape for all.
    shapes = {c: MarkerStyle(m) for c, m in markers.items()}
    paths = {c: s.get_path().transformed(s.get_transform()) for c, s in shapes.items()}
    signs.set_paths([paths[c] for c in drawn["predicted"]])
    _scale_bar(ax, west, east, south, north)
    handles = [_sign(markers[c], colours[c], float(_area(np.array(1.0)))) for c in seen]
    _legend(figure, handles, seen, loc="outside lower left", ncols=per_row)
    handles = [_sign("o", "#FFFFFF", float(_area(np.array(s))) * crowd) for s in sizes]
    _legend(ax, handles, names[len(seen) :], loc="upper right", framed=True)
    return figure


def plot_point(
    predictions: Table,
    point_id: str,
    year: int | None = None,
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the photos of a point and their probabilities, a bar each, and their mean.

    As in `vote`, close-ups (direction C) are shown but do not count in the title and the mean.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned.
    point_id : str
        The point.
    year : int, optional
        Default: the point's latest.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        A photo that is not there any more is a grey field.

    Raises
    ------
    InputError
        If the point, or its year, is not in the table.
    """
    mm, out = check_size(width, out)
    rows = point_table(predictions, point_id, year)
    # The whole table knows all classes, also where it went through a CSV file.
    classes = probabilities(predictions, "plot_point()")[2]
    p = rows[probability_columns(rows)].to_numpy(dtype=np.float64)
    title = textwrap.wrap(_point_title(rows, p, classes), int(mm / _WIDE))
    keys = _key_rows(classes, mm)
    tall, wide = (15.0, 20.0) if mm >= 120 else (11.25, 15.0)
    step, top = tall + 2.5, _LINE * len(title) + 5
    shown = np.isfinite(p).all(axis=1)
    voting = _voting(rows, p)
    height = top + step * len(rows) + (step if voting.sum() > 1 else 0) + 5 * len(keys) + 3
    figure, ax = _sheet(mm, height)
    for i, line in enumerate(title):
        _write(ax, 3, 4 + i * _LINE, line)
    left, right = 21 + wide, mm - 3
    styles = class_styles(classes)
    row: Any
    for i, row in enumerate(rows.itertuples(index=False)):
        y = top + step * i
        _write(ax, 3, y + tall / 2, _SIDES.get(row.direction, "photo"))
        _photo(ax, row.path, (18, y, wide, tall))
        if shown[i]:
            said = f"{_short(row.predicted)} {confidence_of(rows, p, classes)[i]:.2f}"
            _write(ax, left, y + tall / 2 - 4.2, said)
            _stack(ax, p[i], styles, (left, y + tall / 2 - 1.8, right - left, 6))
        else:
            status = getattr(row, "status", "") or "no probabilities"
            _write(ax, left, y + tall / 2, f"not classified: {status}", colour=_SOFT)
    if voting.sum() > 1:
        y = top + step * len(rows)
        said = "mean of the photos" if (voting == shown).all() else "mean, no close-ups"
        _write(ax, 3, y + tall / 2, said, bold=True)
        _stack(ax, p[voting].mean(axis=0), styles, (left, y + tall / 2 - 3, right - left, 6))
    _keys(ax, keys, styles, height - 5 * len(keys) + 0.5)
    return _finish(figure, out)


def plot_photos(
    predictions: Table,
    *,
    right: bool = True,
    n: int = 12,
    seed: int = 1,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw a sheet of photos that were classified right, or wrong, with their probabilities.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned for labelled photos.
    right : bool, default True
        Which photos.
    n : int, default 12
        At most so many, drawn at random from those whose files are still there.
    seed : int, default 1
        For the draw.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text). Publish photos of the
        LUCAS survey with the line that `credit` gives.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no such photo, no label, or no file any more.
    """
    mm, out = check_size(width, out)
    table = examples_table(predictions, right, n, seed)
    classes = table["predicted"].cat.categories.tolist()
    styles = class_styles(classes)
    p = table[probability_columns(table)].to_numpy(dtype=np.float64)
    columns = max(1, min(len(table), int((mm - 3) // 40)))
    wide = (mm - 3) / max(columns, int((mm - 3) // 40)) - 3
    tall = wide * 0.75
    lines = 1 if right else 2
    step = tall + _LINE * lines + 8
    keys = _key_rows(classes, mm)
    height = 3 + step * -(-len(table) // columns) + 5 * len(keys)
    figure, ax = _sheet(mm, height)
    row: Any
    for i, row in enumerate(table.itertuples(index=False)):
        x, y = 3 + (i % columns) * (wide + 3), 3 + (i // columns) * step
        _photo(ax, row.path, (x, y, wide, tall))
        _stack(ax, p[i], styles, (x, y + tall + 1, wide, 2), numbers=False)
        room = int((wide - 5 * _WIDE) / _WIDE)
        said = f"{_short(row.predicted, room)} {row.confidence:.2f}"
        _write(ax, x, y + tall + 5.5, said)
        if not right:
            known = pd.notna(row.reference_probability)
            chance = f" {row.reference_probability:.2f}" if known else ""
            said = f"is {_short(row.habitat, room - 3)}{chance}"
            _write(ax, x, y + tall + 5.5 + _LINE, said, colour=_SOFT)
    _keys(ax, keys, styles, height - 5 * len(keys) + 0.5)
    return _finish(figure, out)


def plot_transitions(
    table: Table,
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the share of points that went from each class to each other, between campaigns.

    A sign with its interval is the estimated share, a pale ring what counting predicted classes gives,
    which takes doubt for change. At most twelve transitions are drawn, the largest. Beside each
    stand the signs of its two classes; points that stayed what they were are not drawn.

    Parameters
    ----------
    table : pandas.DataFrame or path
        What `transitions` returned; or points, as `vote` returned them, of which `transitions` is then
        made with nothing but its defaults.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: `transitions`.

    Raises
    ------
    InputError
        If nothing could be estimated.
    """
    mm, out = check_size(width, out)
    return _finish(draw_transitions(transitions_table(table), mm), out)


def draw_transitions(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `transitions` returned."""
    largest = largest_transitions(table)
    known = table[table["share"].notna()]
    styles = class_styles(known["class_from"].cat.categories).set_index("class")
    years = ["year_from", "year_to"]
    pairs = list(known.groupby(years))
    drawn = [largest[(largest[years] == pair).all(axis=1)] for pair, _ in pairs]
    columns = 2 if mm >= 120 and len(pairs) > 1 else 1
    lines = -(-len(pairs) // columns)
    tall = max(len(rows) for rows in drawn)
    figure = _figure(mm, lines * (5 * max(tall, 3) + 22) + 6)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    room = 12 if mm / columns < 100 else 24
    for ax, ((first, last), pair), rows in zip(axes, pairs, drawn, strict=False):
        _style(ax, "% of points", "")
        total = pair.iloc[0]
        interval = (
            ""
            if pd.isna(total["changed_low"])
            else f" ({100 * total['changed_low']:.1f} to {100 * total['changed_high']:.1f})"
        )
        ax.set_title(
            f"{first} to {last}, {total['n_points']} points\n"
            f"{100 * total['changed']:.1f} %{interval} changed\n"
            f"{100 * total['changed_predicted']:.1f} % by counting",
            fontsize=_POINTS,
            color=_INK,
            loc="right",  # leftwards there is room, above the names
            multialignment="left",
        )
        y = np.arange(len(rows))
        spans = 100 * rows[["low", "high"]].to_numpy(dtype=np.float64)
        ax.hlines(y, spans[:, 0], spans[:, 1], color=_INK, linewidth=0.8)
        ax.plot(
            100 * rows["share_predicted"],
            y,
            "o",
            mfc="none",
            mec="#9A9A9A",
            mew=0.9,
            markersize=5.5,
        )
        ends = [rows[c].astype("str").tolist() for c in ("class_from", "class_to")]
        share = 100 * rows["share"].to_numpy(dtype=np.float64)
        for i, (a, b) in enumerate(zip(*ends, strict=True)):
            ax.plot(share[i], y[i], "o", color=_BLUE, markersize=4, zorder=3)
            for label, shift in ((a, -12.5), (b, -5.0)):
                place = ax.get_yaxis_transform() + ScaledTranslation(
                    shift / 72, 0, figure.dpi_scale_trans
                )
                ax.plot(
                    [0],
                    [y[i]],
                    marker=styles["marker"][label],
                    mfc=styles["colour"][label],
                    mec=_INK,
                    mew=0.4,
                    markersize=4.5,
                    transform=place,
                    clip_on=False,
                )
        names = [f"{_short(a, room)} to {_short(b, room)}" for a, b in zip(*ends, strict=True)]
        ax.set_yticks(y, names, fontsize=_POINTS, parse_math=False, color=_INK)
        ax.tick_params(axis="y", length=0, pad=17)
        ax.set_ylim(max(len(rows), 3) - 0.4, -0.6)
        most = np.nanmax([1.0, *spans.ravel(), *share, *100 * rows["share_predicted"]])
        ax.set_xlim(-0.02 * most, 1.05 * most)
    for ax in axes[len(pairs) :]:
        ax.set_axis_off()
    handles = [
        Line2D([], [], color=_INK, marker="o", mfc=_BLUE, mec=_BLUE, markersize=4, linewidth=0.8),
        Line2D([], [], ls="none", marker="o", mfc="none", mec="#9A9A9A", mew=0.9, markersize=5.5),
    ]
    _legend(
        figure,
        handles,
        ["estimated, with interval", "by counting"],
        loc="outside lower left",
        ncols=2,
    )
    return figure


# ---- common to all -----------------------------------------------------------------------------


def check_size(width: Width, out: str | os.PathLike[str] | None) -> tuple[float, Path | None]:
    """Check the two arguments that every picture has, before anything is computed."""
    if isinstance(width, str):
        if width not in _WIDTHS:
            raise InputError(
                f"width must be 'single' (85 mm), 'double' (170 mm) or millimetres; got {width!r}."
            )
        width = _WIDTHS[width]
    check_number("width", width, 60, 500)
    path = None if out is None else Path(out)
    if path is not None and path.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"out must end in .png or .svg; got {path.name!r} instead.")
    return float(width), path


def _finish(figure: Figure, out: Path | None) -> Figure:
    if out is not None and out.suffix.lower() == ".svg":
        svg = as_svg(figure)
        write_atomically(out, lambda tmp: tmp.write_text(svg, encoding="utf-8"))
    elif out is not None:
        png = as_png(figure)
        write_atomically(out, lambda tmp: tmp.write_bytes(png))
    return figure


def _figure(mm: float, height: float) -> Figure:
    engine = ConstrainedLayoutEngine(w_pad=1.5 * _MM, h_pad=1.5 * _MM)
    figure = Picture(figsize=(mm * _MM, height * _MM), dpi=150, layout=engine, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _sheet(mm: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose coordinates are millimetres from its upper left corner."""
    figure = Picture(figsize=(mm * _MM, height * _MM), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(0, mm)
    ax.set_ylim(height, 0)
    return figure, ax


def _style(ax: Axes, x: str, y: str) -> None:
    """Set what a user's own settings would change otherwise."""
    ax.set_facecolor("white")
    ax.tick_params(labelsize=_POINTS, colors=_INK, width=0.6, length=2.5)
    for name, side in ax.spines.items():
        side.set_linewidth(0.6)
        side.set_color(_INK)
        side.set_visible(name in ("left", "bottom"))
    ax.set_xlabel(x, fontsize=_POINTS, color=_INK)
    ax.set_ylabel(y, fontsize=_POINTS, color=_INK)
    ax.grid(False)


def _legend(
    owner: Any, handles: Sequence[Any], labels: Sequence[str], *, framed: bool = False, **where: Any
) -> Legend:
    """A legend that shows labels as they are, also those with a $ or a leading underscore."""
    legend: Legend = owner.legend(
        handles,
        ["x"] * len(labels),
        fontsize=_POINTS,
        frameon=framed,
        framealpha=0.9,
        edgecolor=_PALE,
        facecolor="white",
        labelcolor=_INK,
        handletextpad=0.4,
        columnspacing=1.0,
        **where,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(_short(label, 40))
    return legend


def _note(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=_POINTS, color=_SOFT, parse_math=False)


def _bars(
    ax: Axes, x: Any, table: pd.DataFrame, name: str, colour: str, mark: str, line: bool = True
) -> None:
    """Values with their intervals."""
    y, low, high = (table[f"{name}{end}"].to_numpy() for end in ("", "_low", "_high"))
    ax.errorbar(
        x,
        y,
        # Wilson's interval of n of n ends a rounding error below 1.
        yerr=[np.clip(y - low, 0, None), np.clip(high - y, 0, None)],
        color=colour,
        marker=mark,
        markersize=4,
        linewidth=1.2 if line else 0,
        elinewidth=0.8,
        capsize=2,
    )


def _label(text: str, width: int = 16) -> str:
    """A class name on at most two lines."""
    lines = textwrap.wrap(str(text), width) or [""]
    if len(lines) > 2:
        lines[1] = lines[1][: width - 1] + "…"
    return "\n".join(lines[:2])


def _short(text: object, width: int = 28) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= width else line[: max(width - 1, 1)] + "…"


def _area(confidence: Any) -> Any:
    return 6 + 26 * np.clip(confidence, 0, 1) ** 2


def _sign(marker: str, colour: str, area: float) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markerfacecolor=colour,
        markeredgecolor=_INK,
        markeredgewidth=0.4,
        markersize=area**0.5,
    )


def _bar_length(span: float) -> float:
    """A round length, in metres, of at most a quarter of what a map shows."""
    power = 10.0 ** np.floor(np.log10(span / 4))
    return float(power * max(f for f in (1, 2, 5) if f * power <= span / 4))


def _scale_bar(ax: Axes, west: float, east: float, south: float, north: float) -> None:
    length = _bar_length(east - west)
    x, y = west + 0.03 * (east - west), south + 0.03 * (north - south)
    tick = 0.008 * (north - south)
    ax.plot([x, x, x + length, x + length], [y + tick, y, y, y + tick], color=_INK, linewidth=1)
    text = f"{length / 1000:g} km"
    ax.text(x + length / 2, y + tick, text, ha="center", va="bottom", fontsize=_POINTS, color=_INK)


def _write(
    ax: Axes, x: float, y: float, text: str, *, colour: str = _INK, bold: bool = False
) -> None:
    ax.text(
        x,
        y,
        text,
        va="center",
        fontsize=_POINTS,
        color=colour,
        weight="bold" if bold else "normal",
        parse_math=False,
    )


def _photo(ax: Axes, path: Any, box: tuple[float, float, float, float]) -> None:
    """A photo, its proportions kept, or a grey field that says why there is none."""
    x, y, wide, tall = box
    try:
        pixels = thumbnail(path, _THUMB)
    except PhotoError as error:
        ax.add_patch(Rectangle((x, y), wide, tall, facecolor="#E8E8E8", edgecolor="none"))
        text = textwrap.fill(error.status, max(int(wide / _WIDE), 4))
        ax.text(
            x + wide / 2,
            y + tall / 2,
            text,
            ha="center",
            va="center",
            fontsize=_POINTS,
            color=_SOFT,
        )
        return
    scale = min(wide / pixels.shape[1], tall / pixels.shape[0])
    w, h = pixels.shape[1] * scale, pixels.shape[0] * scale
    left, top = x + (wide - w) / 2, y + (tall - h) / 2
    # imshow would set the limits anew.
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(pixels, extent=(left, left + w, top + h, top), aspect="auto")
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _stack(
    ax: Axes,
    p: Any,
    styles: pd.DataFrame,
    box: tuple[float, float, float, float],
    numbers: bool = True,
) -> None:
    """Probabilities as one bar, with numbers where there is room for them."""
    x, y, wide, tall = box
    start = x
    for share, colour, ink in zip(p, styles["colour"], styles["ink"], strict=True):
        length = wide * share
        ax.add_patch(
            Rectangle((start, y), length, tall, facecolor=colour, edgecolor="white", linewidth=0.5)
        )
        if numbers and length > 4.5 * _WIDE:
            ax.text(
                start + length / 2,
                y + tall / 2,
                f"{share:.2f}",
                ha="center",
                va="center",
                fontsize=_POINTS,
                color=ink,
            )
        start += length


def _key_rows(classes: Sequence[str], mm: float) -> list[list[tuple[int, float]]]:
    """Where the key of each class stands: rows of class number and millimetres from the left."""
    rows: list[list[tuple[int, float]]] = [[]]
    x = 3.0
    for i, label in enumerate(classes):
        wide = 9 + _WIDE * len(_short(label))
        if x + wide > mm and rows[-1]:
            rows.append([])
            x = 3.0
        rows[-1].append((i, x))
        x += wide
    return rows


def _keys(ax: Axes, rows: list[list[tuple[int, float]]], styles: pd.DataFrame, y: float) -> None:
    for i, row in enumerate(rows):
        for number, x in row:
            colour = styles["colour"].iloc[number]
            ax.add_patch(Rectangle((x, y + 5 * i), 3, 3, facecolor=colour, edgecolor="none"))
            _write(ax, x + 4.2, y + 5 * i + 1.5, _short(styles["class"].iloc[number]))


def _voting(rows: pd.DataFrame, p: Any) -> Any:
    """Which photos of a point vote by default: readable ones that are no close-ups."""
    return np.isfinite(p).all(axis=1) & landscape(rows).to_numpy(dtype=bool)


def _point_title(rows: pd.DataFrame, p: Any, classes: Sequence[str]) -> str:
    year = f", {rows.attrs['year']}" if "year" in rows.attrs else ""
    title = f"Point {rows.attrs['point_id']}{year}"
    votes = p[_voting(rows, p)].argmax(axis=1)
    if len(votes):
        counts = pd.Series(votes).value_counts()
        title += ": " + ", ".join(
            f"{n} of {len(votes)} photos {_short(classes[i])}"
            for i, n in zip(counts.index.tolist(), counts, strict=True)
        )
    labels = rows["habitat"].dropna().unique()
    return title + (f"; reference {_short(labels[0])}" if len(labels) == 1 else "")
