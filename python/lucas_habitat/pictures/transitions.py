"""What changed between years."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from .._base.signatures import checked
from .._base.types import Table
from ..over_years import largest_transitions, transitions_table
from .canvas import (
    BLUE,
    INK,
    POINTS,
    Width,
    check_size,
    draw_legend,
    finished,
    new_figure,
    shortened,
    style_axes,
)
from .colours import class_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_transitions"]

_RING: dict[str, Any] = {
    "marker": "o",
    "mfc": "none",
    "mec": "#9A9A9A",
    "mew": 0.9,
    "markersize": 5.5,
}


@checked
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
    return finished(draw_transitions(transitions_table(table), mm), out)


def draw_transitions(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `transitions` returned."""
    largest = largest_transitions(table)
    estimated = table[table["share"].notna()]
    styles = class_styles(estimated["class_from"].cat.categories).set_index("class")
    years = ["year_from", "year_to"]
    campaigns = estimated.drop_duplicates(years).sort_values(years).to_dict("records")
    drawn = [
        largest[(largest["year_from"] == c["year_from"]) & (largest["year_to"] == c["year_to"])]
        for c in campaigns
    ]
    columns = 2 if mm >= 120 and len(campaigns) > 1 else 1
    lines = -(-len(campaigns) // columns)
    tall = max(len(rows) for rows in drawn)
    figure = new_figure(mm, lines * (5 * max(tall, 3) + 22) + 6)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    room = 12 if mm / columns < 100 else 24  # letters of a class
    for ax, totals, rows in zip(axes, campaigns, drawn, strict=False):
        style_axes(ax, "% of points", "")
        _write_title(ax, totals)
        _draw_shares(ax, rows)
        _name_rows(ax, rows, styles, room)
    for ax in axes[len(campaigns) :]:
        ax.set_axis_off()
    handles = [
        Line2D([], [], color=INK, marker="o", mfc=BLUE, mec=BLUE, markersize=4, linewidth=0.8),
        Line2D([], [], ls="none", **_RING),
    ]
    draw_legend(
        figure,
        handles,
        ["estimated, with interval", "by counting"],
        loc="outside lower left",
        ncols=2,
    )
    return figure


def _write_title(ax: Axes, totals: Mapping[Any, Any]) -> None:
    """Write the two years, and how much changed in all."""
    interval = ""
    if pd.notna(totals["changed_low"]):
        interval = f" ({100 * totals['changed_low']:.1f} to {100 * totals['changed_high']:.1f})"
    ax.set_title(
        f"{totals['year_from']} to {totals['year_to']}, {totals['n_points']} points\n"
        f"{100 * totals['changed']:.1f} %{interval} changed\n"
        f"{100 * totals['changed_predicted']:.1f} % by counting",
        fontsize=POINTS,
        color=INK,
        loc="right",  # leftwards there is room, above the names
        multialignment="left",
    )


def _draw_shares(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw the estimated share of each row with its interval, and the share counted."""
    y = np.arange(len(rows))
    columns = ["low", "high", "share", "share_predicted"]
    percent = 100 * rows[columns].astype("float64")
    ax.hlines(y, percent["low"], percent["high"], color=INK, linewidth=0.8)
    ax.plot(percent["share_predicted"], y, ls="none", **_RING)
    ax.plot(percent["share"], y, "o", color=BLUE, markersize=4, zorder=3)
    ax.set_ylim(max(len(rows), 3) - 0.4, -0.6)
    most = np.nanmax([1.0, *percent.to_numpy().ravel()])
    ax.set_xlim(-0.02 * most, 1.05 * most)


def _name_rows(ax: Axes, rows: pd.DataFrame, styles: pd.DataFrame, room: int) -> None:
    """Write the two classes of each row beside it, and draw their signs."""
    beside = ax.get_yaxis_transform()
    names = []
    for y, (first, last) in enumerate(
        zip(rows["class_from"].astype("str"), rows["class_to"].astype("str"), strict=True)
    ):
        names.append(f"{shortened(first, room)} to {shortened(last, room)}")
        for label, points in ((first, -12.5), (last, -5.0)):
            shift = ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)
            ax.plot(
                [0],
                [y],
                marker=styles["marker"][label],
                mfc=styles["colour"][label],
                mec=INK,
                mew=0.4,
                markersize=4.5,
                transform=beside + shift,
                clip_on=False,
            )
    ax.set_yticks(range(len(rows)), names, fontsize=POINTS, parse_math=False, color=INK)
    ax.tick_params(axis="y", length=0, pad=17)
