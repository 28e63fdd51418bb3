"""How much labelling by hand is saved, by the accuracy that is asked of the rest."""

from __future__ import annotations

import os

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .._base.signatures import checked
from .._base.types import Table
from ..certainty import labelling_table
from .canvas import BLUE, INK, POINTS, Width, check_size, finished, new_figure, style_axes

__all__ = ["plot_labelling"]


@checked
def plot_labelling(
    table: Table,
    *,
    width: Width = "single",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw how much labelling by hand is saved, by the accuracy that is asked of the other points.

    The share of points that need no person, over the accuracy that they have at least, each with how
    many points are left to label. An open ring says that no confidence is high enough.

    Parameters
    ----------
    table : pandas.DataFrame or path
        What `labelling_saved` returned.
    width : {"single", "double"} or float, default "single"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: `labelling_saved`.

    Raises
    ------
    InputError
        If the table is another.
    """
    mm, out = check_size(width, out)
    return finished(draw_labelling(labelling_table(table), mm), out)


def draw_labelling(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `labelling_saved` returned, in order of accuracy."""
    x, y = table["accuracy"].to_numpy(), table["share_saved"].to_numpy()
    is_reached = table["n_sure"].to_numpy() > 0
    figure = new_figure(mm, min(mm, 110) * 0.75)
    ax = figure.subplots()
    style_axes(ax, "accuracy that they have at least", "points without a person")
    ax.plot(x, y, color=BLUE, linewidth=1.2, zorder=2)
    for is_chosen, fill in ((is_reached, BLUE), (~is_reached, "white")):
        ax.plot(
            x[is_chosen],
            y[is_chosen],
            "o",
            markersize=5,
            markeredgecolor=BLUE,
            markerfacecolor=fill,
            zorder=3,
            clip_on=False,
        )
    for at, share, n in zip(x, y, table["n_by_hand"], strict=True):
        ax.annotate(
            f"{100 * share:.0f} %\n{n} left",
            (at, share),
            (4, 3),  # to the right of a line that only falls
            textcoords="offset points",
            va="bottom",
            fontsize=POINTS,
            color=INK,
            linespacing=1.1,
        )
    reach = max(float(x.max() - x.min()), 0.01)
    ax.set_xlim(x.min() - 0.15 * reach, x.max() + 0.3 * reach)
    ax.set_ylim(0, 1.25)
    ax.set_xticks(x, [f"{100 * a:.3g} %" for a in x])
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    return figure
