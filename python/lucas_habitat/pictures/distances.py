"""Accuracy by distance to what was trained on."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .._base.signatures import checked
from .._base.types import Table
from ..distances import distance_table
from .canvas import (
    BLUE,
    INK,
    PALE,
    POINTS,
    SOFT,
    WIDE,
    Width,
    check_size,
    finished,
    new_figure,
    style_axes,
)
from .charts import draw_bars

__all__ = ["plot_distance"]


@checked
def plot_distance(
    table: Table,
    *,
    width: Width = "single",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw accuracy against the distance to the nearest point trained on.

    Above, the share that is right in each bin, with its interval, and that of all as a dashed line.
    Below, how many points each bin holds. Bins without a point are not drawn.

    Parameters
    ----------
    table : pandas.DataFrame or path
        What `error_by_distance` returned; or predictions of `cross_validate`, of which it is then made
        with nothing but its defaults.
    width : {"single", "double"} or float, default "single"
        85 mm, 170 mm, or so many millimetres (60 to 500).
    out : path, optional
        A file to write: ``.png`` (300 dpi) or ``.svg`` (text stays text).

    Returns
    -------
    matplotlib.figure.Figure
        Numbers: `error_by_distance`.

    Raises
    ------
    InputError
        If there are no labels or no distances.
    """
    mm, out = check_size(width, out)
    return finished(draw_distance(distance_table(table), mm), out)


def draw_distance(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `error_by_distance` returned."""
    bins = table[table["n"] > 0]
    x = np.arange(len(bins))
    figure = new_figure(mm, min(mm, 110) * 1.1)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    style_axes(top, "", "share that is right")
    top.axhline(table.attrs["accuracy"], color=SOFT, linewidth=0.8, linestyle="--")
    draw_bars(top, x, bins, "accuracy", BLUE, "o")
    least = float(bins["accuracy_low"].min())
    top.set_ylim(max(0.0, least - 0.05), 1.04)
    style_axes(bottom, "kilometres to the nearest point trained on", "points")
    bottom.bar(x, bins["n_points"], width=0.94, color=PALE, edgecolor=SOFT)
    bottom.set_ylim(0, 1.4 * bins["n_points"].max())
    for at, n in zip(x, bins["n_points"], strict=True):
        bottom.text(at, n, f"{n}", ha="center", va="bottom", fontsize=POINTS, color=INK)
    labels = bin_labels(bins)
    is_narrow = (mm - 20) / len(labels) < WIDE * (max(map(len, labels)) + 1)
    bottom.set_xticks(x, labels, rotation=90 if is_narrow else 0)
    bottom.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    return figure


def bin_labels(bins: pd.DataFrame) -> list[str]:
    """The distances that bins hold, in kilometres."""
    return [
        f"{low:g}–{high:g}" if np.isfinite(high) else f"≥{low:g}"
        for low, high in zip(bins["low"], bins["high"], strict=True)
    ]
