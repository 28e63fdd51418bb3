"""Points on a map."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

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
from .tables import coastline, extent, map_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_map"]


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
    styles = class_styles(classes)
    colours = dict(zip(styles["class"], styles["colour"], strict=True))
    markers = dict(zip(styles["class"], styles["marker"], strict=True))
    west, east, south, north = extent(table)
    seen = [c for c in classes if (table["predicted"] == c).any()]
    sizes = (0.4, 0.7, 1.0)
    names = [*seen, *(f"p = {s}" for s in sizes)]
    per_row = max(1, int((mm - 6) // (8 + WIDE * max(len(n) for n in names[: len(seen)]))))
    rows = -(-len(seen) // per_row) + 1
    figure = new_figure(mm, (mm - 4) * (north - south) / (east - west) + 6 + 5 * rows)
    ax = figure.subplots()
    style_axes(ax, "", "")
    ax.set_aspect("equal")
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(True)
        side.set_color(PALE)
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
        edgecolors=INK,
        linewidths=0.4,
        zorder=2,
    )
    # scatter() itself takes one shape for all.
    shapes = {c: MarkerStyle(m) for c, m in markers.items()}
    paths = {c: s.get_path().transformed(s.get_transform()) for c, s in shapes.items()}
    signs.set_paths([paths[c] for c in drawn["predicted"]])
    _scale_bar(ax, west, east, south, north)
    handles = [_sign(markers[c], colours[c], float(_area(np.array(1.0)))) for c in seen]
    draw_legend(figure, handles, seen, loc="outside lower left", ncols=per_row)
    handles = [_sign("o", "#FFFFFF", float(_area(np.array(s))) * crowd) for s in sizes]
    draw_legend(ax, handles, names[len(seen) :], loc="upper right", framed=True)
    return figure


def _area(confidence: Any) -> Any:
    return 6 + 26 * np.clip(confidence, 0, 1) ** 2


def _sign(marker: str, colour: str, area: float) -> Line2D:
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


def _scale_bar(ax: Axes, west: float, east: float, south: float, north: float) -> None:
    length = _bar_length(east - west)
    x, y = west + 0.03 * (east - west), south + 0.03 * (north - south)
    tick = 0.008 * (north - south)
    ax.plot([x, x, x + length, x + length], [y + tick, y, y, y + tick], color=INK, linewidth=1)
    text = f"{length / 1000:g} km"
    ax.text(x + length / 2, y + tick, text, ha="center", va="bottom", fontsize=POINTS, color=INK)
