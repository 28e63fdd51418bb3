"""What recipes of training gain over the first of them, and what they cost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .._base import words
from .._base.signatures import checked
from .._base.types import Floats
from ..errors import InputError
from ..recipe_comparison import COSTS, MEASURES, RecipeComparison
from .canvas import (
    BLUE,
    INK,
    POINTS,
    SOFT,
    WIDE,
    Width,
    check_size,
    finished,
    new_figure,
    put_note,
    shortened,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_recipes"]

#: What stands over the columns of costs.
COST_LABELS = ("training,\ns", "a photo,\nms", "model,\nMB")
#: Where rows end above the first: their titles need room.
_TOP = -1.1
#: What tells the direction, where more is not better.
_HINTS = {"log_loss": " (less is better)"}


@checked
def plot_recipes(
    comparison: RecipeComparison,
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw how recipes of training differ from the first, and what each costs.

    One row a recipe. A dot with its interval is the difference from the first recipe on the same
    photos, with the recipe's own value above; where the interval leaves the line of no difference,
    it is blue. At the right stand seconds of training, milliseconds to classify a photo, and the size
    of the model.

    Parameters
    ----------
    comparison : RecipeComparison
        What `compare_recipes` returned.
    width : {"single", "double"} or float, default "double"
        85 mm, 170 mm, or so many millimetres (60 to 500). Below 120 mm only kappa is drawn.
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: ``comparison.table``.

    Raises
    ------
    InputError
        If that is no comparison of recipes.
    """
    if not isinstance(comparison, RecipeComparison):
        raise InputError(
            f"{words.call('plot_recipes')} draws what {words.call('compare_recipes')} returned; got a "
            f"{type(comparison).__name__}."
        )
    mm, out = check_size(width, out)
    return finished(draw_recipes(comparison, mm), out)


def draw_recipes(comparison: RecipeComparison, mm: float) -> Figure:
    """The picture of a comparison of recipes."""
    table = comparison.table
    measures = MEASURES if mm >= 120 else {"kappa": MEASURES["kappa"]}
    names = [shortened(name, 24 if mm >= 120 else 14) for name in table["recipe"]]
    wide = WIDE * max(map(len, names))
    costs = 14.0 * len(COSTS)
    figure = new_figure(mm, 12 * len(table) + 40)
    each = max((mm - wide - costs) / len(measures), 15)
    axes: Any = figure.subplots(
        1,
        len(measures) + 1,
        sharey=True,
        squeeze=False,
        width_ratios=[each] * len(measures) + [costs],
    )[0]
    for ax, (measure, label) in zip(axes, measures.items(), strict=False):
        hint = _HINTS.get(measure, "")
        style_axes(ax, f"{label}{hint}\ndifference from {shortened(comparison.reference, 16)}", "")
        ax.xaxis.label.set_parse_math(False)
        _draw_differences(ax, table, measure, 4 if each > 30 else 2)
    axes[0].set_yticks(range(len(names)), names, parse_math=False)
    axes[0].set_ylim(len(names) - 0.5, _TOP)
    _write_costs(axes[-1], table)
    put_note(figure, _note(comparison, mm))
    return figure


def _note(comparison: RecipeComparison, mm: float) -> str:
    """What was compared, in as many lines as the width asks for."""
    words_of_it = comparison.design.split(" ")
    lines, most = [""], int(mm / WIDE * 1.1)
    for word in words_of_it:
        if len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def _draw_differences(ax: Axes, table: pd.DataFrame, measure: str, n_ticks: int) -> None:
    """Differences from the first recipe, with their intervals and the recipes' own values."""
    ax.axvline(0, color=SOFT, linewidth=0.8, linestyle="--")
    value: Floats = table[measure].to_numpy(np.float64)
    middle, low, high = (
        table[f"{measure}_difference{end}"].to_numpy(np.float64).copy()
        for end in ("", "_low", "_high")
    )
    is_reference = np.arange(len(table)) == 0
    middle[is_reference & ~np.isnan(value)] = 0
    for i in np.flatnonzero(~np.isnan(middle)):
        colour = BLUE if low[i] > 0 or high[i] < 0 else INK
        if not np.isnan(low[i]):
            ax.plot([low[i], high[i]], [i, i], color=colour, linewidth=1.2, solid_capstyle="butt")
        ax.plot(
            middle[i],
            i,
            "o",
            color=colour,
            zorder=5,
            markersize=4,
            markerfacecolor="white" if i == 0 else colour,
        )
        ax.annotate(
            f"{value[i]:.3f}",
            (middle[i], i),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=POINTS,
            color=colour,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    ends = np.concatenate([middle, low, high, [0.0]])
    reach = max(float(np.nanmax(np.abs(ends))), 0.005)
    ax.set_xlim(-1.25 * reach, 1.25 * reach)
    ax.xaxis.set_major_locator(MaxNLocator(n_ticks))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:+.2g}".replace("-", "−") if x else "0")
    ax.tick_params(axis="y", length=0)


def _write_costs(ax: Axes, table: pd.DataFrame) -> None:
    """What each recipe costs, as columns of text; of a recipe that failed, that it did."""
    ax.set_axis_off()
    ax.set_xlim(0, len(COSTS))
    for at, (column, label) in enumerate(zip(COSTS, COST_LABELS, strict=True)):
        write: dict[str, Any] = {"ha": "center", "fontsize": POINTS}
        ax.text(at + 0.5, _TOP, label, va="top", color=SOFT, **write)
        for i, number in enumerate(table[column]):
            if not np.isnan(number):
                ax.text(at + 0.5, i, f"{number:.3g}", va="center", color=INK, **write)
    for failed in np.flatnonzero(table["error"] != "").tolist():
        ax.text(
            len(COSTS) / 2,
            failed,
            "not tested",
            ha="center",
            va="center",
            fontsize=POINTS,
            color=SOFT,
        )
