"""What changed between years."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

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

__all__ = ["plot_transitions"]


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
    known = table[table["share"].notna()]
    styles = class_styles(known["class_from"].cat.categories).set_index("class")
    years = ["year_from", "year_to"]
    pairs = list(known.groupby(years))
    drawn = [largest[(largest[years] == pair).all(axis=1)] for pair, _ in pairs]
    columns = 2 if mm >= 120 and len(pairs) > 1 else 1
    lines = -(-len(pairs) // columns)
    tall = max(len(rows) for rows in drawn)
    figure = new_figure(mm, lines * (5 * max(tall, 3) + 22) + 6)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    room = 12 if mm / columns < 100 else 24
    for ax, ((first, last), pair), rows in zip(axes, pairs, drawn, strict=False):
        style_axes(ax, "% of points", "")
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
            fontsize=POINTS,
            color=INK,
            loc="right",  # leftwards there is room, above the names
            multialignment="left",
        )
        y = np.arange(len(rows))
        spans = 100 * rows[["low", "high"]].to_numpy(dtype=np.float64)
        ax.hlines(y, spans[:, 0], spans[:, 1], color=INK, linewidth=0.8)
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
            ax.plot(share[i], y[i], "o", color=BLUE, markersize=4, zorder=3)
            for label, shift in ((a, -12.5), (b, -5.0)):
                place = ax.get_yaxis_transform() + ScaledTranslation(
                    shift / 72, 0, figure.dpi_scale_trans
                )
                ax.plot(
                    [0],
                    [y[i]],
                    marker=styles["marker"][label],
                    mfc=styles["colour"][label],
                    mec=INK,
                    mew=0.4,
                    markersize=4.5,
                    transform=place,
                    clip_on=False,
                )
        names = [
            f"{shortened(a, room)} to {shortened(b, room)}" for a, b in zip(*ends, strict=True)
        ]
        ax.set_yticks(y, names, fontsize=POINTS, parse_math=False, color=INK)
        ax.tick_params(axis="y", length=0, pad=17)
        ax.set_ylim(max(len(rows), 3) - 0.4, -0.6)
        most = np.nanmax([1.0, *spans.ravel(), *share, *100 * rows["share_predicted"]])
        ax.set_xlim(-0.02 * most, 1.05 * most)
    for ax in axes[len(pairs) :]:
        ax.set_axis_off()
    handles = [
        Line2D([], [], color=INK, marker="o", mfc=BLUE, mec=BLUE, markersize=4, linewidth=0.8),
        Line2D([], [], ls="none", marker="o", mfc="none", mec="#9A9A9A", mew=0.9, markersize=5.5),
    ]
    draw_legend(
        figure,
        handles,
        ["estimated, with interval", "by counting"],
        loc="outside lower left",
        ncols=2,
    )
    return figure
