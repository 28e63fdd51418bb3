"""Points on a map."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

from .._base.signatures import checked
from .._base.types import Table
from .canvas import (
    INK,
    PALE,
    POINTS,
    WIDE,
    Width,
    check_size,
    draw_legend,
    finished,
    new_figure,
    style_axes,
)
from .colours import class_styles
from .tables import Extent, coastline, extent, map_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_map"]

_KEY = (0.4, 0.7, 1.0)  # probabilities whose signs the legend shows


@checked
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
    return finished(draw_map(map_table(points), mm), out)


def draw_map(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `map_table` returned."""
    classes = table["predicted"].cat.categories.tolist()
    styles = class_styles(classes).set_index("class")
    shown = [c for c in classes if (table["predicted"] == c).any()]
    per_row = max(1, int((mm - 6) // (8 + WIDE * max(len(c) for c in shown))))
    rows = -(-len(shown) // per_row) + 1
    area = extent(table)
    height = (mm - 4) * (area.north - area.south) / (area.east - area.west) + 6 + 5 * rows
    figure = new_figure(mm, height)
    ax = figure.subplots()
    _draw_land(ax, area)
    crowd = float(np.clip((400 / len(table)) ** 0.5, 0.35, 1))
    _draw_points(ax, table, styles, crowd)
    _draw_scale_bar(ax, area)
    handles = [
        _sign(styles["marker"][c], styles["colour"][c], float(_area(np.array(1.0)))) for c in shown
    ]
    draw_legend(figure, handles, shown, loc="outside lower left", ncols=per_row)
    handles = [_sign("o", "#FFFFFF", float(_area(np.array(p))) * crowd) for p in _KEY]
    draw_legend(ax, handles, [f"p = {p}" for p in _KEY], loc="upper right", framed=True)
    return figure


def _draw_land(ax: Axes, area: Extent) -> None:
    """Frame what the map shows, and draw the coast within it."""
    style_axes(ax, "", "")
    ax.set_aspect("equal")
    ax.set_xlim(area.west, area.east)
    ax.set_ylim(area.south, area.north)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(True)
        side.set_color(PALE)
    for _, line in coastline().groupby("line"):
        if (
            line["x"].max() > area.west
            and line["x"].min() < area.east
            and line["y"].max() > area.south
            and line["y"].min() < area.north
        ):
            ax.plot(line["x"], line["y"], color="#A8A8A8", linewidth=0.6, zorder=1)


def _draw_points(ax: Axes, table: pd.DataFrame, styles: pd.DataFrame, crowd: float) -> None:
    """Draw each point's sign; ``crowd`` shrinks signs where there are many."""
    # Small signs last, whatever their class, so that no larger one covers them.
    drawn = table.sort_values("confidence", ascending=False, kind="stable")
    signs = ax.scatter(
        drawn["x"],
        drawn["y"],
        s=_area(drawn["confidence"].to_numpy()) * crowd,
        c=[styles["colour"][c] for c in drawn["predicted"]],
        edgecolors=INK,
        linewidths=0.4,
        zorder=2,
    )
    # scatter() itself takes one shape for all.
    shapes = {c: MarkerStyle(marker) for c, marker in styles["marker"].items()}
    paths = {c: s.get_path().transformed(s.get_transform()) for c, s in shapes.items()}
    signs.set_paths([paths[c] for c in drawn["predicted"]])


def _area(confidence: Any) -> Any:
    """The area of a sign, in square points, by the probability."""
    return 6 + 26 * np.clip(confidence, 0, 1) ** 2


def _sign(marker: str, colour: str, area: float) -> Line2D:
    """A sign for a legend."""
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markerfacecolor=colour,
        markeredgecolor=INK,
        markeredgewidth=0.4,
        markersize=area**0.5,
    )


def _bar_length(span: float) -> float:
    """A round length, in metres, of at most a quarter of what a map shows."""
    power = 10.0 ** np.floor(np.log10(span / 4))
    return float(power * max(f for f in (1, 2, 5) if f * power <= span / 4))


def _draw_scale_bar(ax: Axes, area: Extent) -> None:
    """Draw a bar of a round length into the lower left corner."""
    wide, tall = area.east - area.west, area.north - area.south
    length = _bar_length(wide)
    x, y, tick = area.west + 0.03 * wide, area.south + 0.03 * tall, 0.008 * tall
    ax.plot([x, x, x + length, x + length], [y + tick, y, y, y + tick], color=INK, linewidth=1)
    text = f"{length / 1000:g} km"
    ax.text(x + length / 2, y + tick, text, ha="center", va="bottom", fontsize=POINTS, color=INK)
