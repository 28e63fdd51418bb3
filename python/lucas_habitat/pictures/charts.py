"""History, confusion matrix, votes and reliability."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .._base import words
from .._base.classes import read_predictions
from .._base.signatures import checked
from .._base.types import Table
from ..diagnostics import reliability_table, votes_table
from ..errors import InputError
from ..evaluation import Evaluation
from .canvas import (
    BLUE,
    INK,
    LINE,
    PALE,
    POINTS,
    SOFT,
    WIDE,
    Width,
    check_size,
    draw_legend,
    finished,
    new_figure,
    put_note,
    shortened,
    style_axes,
)
from .tables import confusion_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..model import Model

__all__ = ["plot_confusion", "plot_history", "plot_reliability", "plot_votes"]


@checked
def plot_history(
    model: Model,
    *,
    width: Width = "double",
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw a model's loss and accuracy by epoch.

    Parameters
    ----------
    model : HabitatModel, path or address
        A model, or a folder, zip or address that `load_model` takes.
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
    from ..saved_models import as_model  # asked for a model's sake only: it imports engines

    history = as_model(model).history
    mm, out = check_size(width, out)
    return finished(draw_history(history, mm), out)


class _Curve(NamedTuple):
    """A column of a model's history, and how it is drawn."""

    column: str
    label: str
    colour: str
    dash: Literal["-", "--", ":"]


_CURVES = {
    "loss": [
        _Curve("loss", "training", INK, "-"),
        _Curve("val_loss", "validation", BLUE, "--"),
    ],
    "accuracy, kappa": [
        _Curve("accuracy", "training", INK, "-"),
        _Curve("val_accuracy", "validation", BLUE, "--"),
        _Curve("val_kappa", "validation, kappa", BLUE, ":"),
    ],
}


def draw_history(history: pd.DataFrame, mm: float) -> Figure:
    """The picture of a model's history."""
    if history.empty:
        raise InputError("The model has no history to draw: it was trained for no epoch.")
    wide = mm >= 120
    figure = new_figure(mm, 62 if wide else 100)
    axes: Any = figure.subplots(1 if wide else 2, 2 if wide else 1)
    for ax, (name, curves) in zip(axes, _CURVES.items(), strict=True):
        style_axes(ax, "epoch", name)
        drawn = [c for c in curves if c.column in history and history[c.column].notna().any()]
        for curve in drawn:
            ax.plot(
                history["epoch"],
                history[curve.column],
                color=curve.colour,
                linestyle=curve.dash,
                linewidth=1.2,
                marker="o",
                markersize=2.5 if len(history) > 1 else 4,
            )
        if name == "loss":
            ax.set_ylim(0, None)
        else:
            least = float(history[[curve.column for curve in drawn]].min().min())
            ax.set_ylim(min(0.0, least - 0.02), 1.02)
        ax.xaxis.get_major_locator().set_params(integer=True)
        handles = [
            Line2D([], [], color=curve.colour, ls=curve.dash, marker="o", markersize=2.5)
            for curve in drawn
        ]
        draw_legend(ax, handles, [curve.label for curve in drawn], loc="best")
    return figure


@checked
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
    return finished(draw_confusion(cells, mm), out)


def draw_confusion(cells: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `confusion_table` returned."""
    classes = cells["predicted"].unique().tolist()
    k = len(classes)
    for labels in ([_label(c) for c in classes], [shortened(c, 20) for c in classes]):
        longest = max(len(line) for label in labels for line in label.split("\n"))
        cell = min((mm - 22 - WIDE * longest) / k, 22.0)
        if cell > 2.2 * LINE:  # two lines fit
            break
    turned = longest * WIDE > cell
    below = (longest * WIDE if turned else 2 * LINE) + 16
    figure = new_figure(mm, k * cell + below + 4)
    ax = figure.subplots()
    style_axes(ax, "reference", "predicted")
    ax.tick_params(length=0)
    ax.set_aspect("equal")
    counts = cells["n"].to_numpy().reshape(k, k)
    shares = np.nan_to_num(cells["share_of_reference"].to_numpy().reshape(k, k))
    ax.imshow(shares, cmap=colormaps["Blues"], vmin=0, vmax=1.15)
    _write_cells(ax, counts, shares, cell - 1.5)
    plain: dict[str, Any] = {"fontsize": POINTS, "parse_math": False, "color": INK}
    ax.set_xticks(range(k), labels, rotation=90 if turned else 0, **plain)
    ax.set_yticks(range(k), labels, **plain)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_xticks(np.arange(0.5, k - 1), minor=True)
    ax.set_yticks(np.arange(0.5, k - 1), minor=True)
    ax.grid(which="minor", color="#FFFFFF", linewidth=1.2)
    ax.tick_params(which="minor", length=0)
    return figure


def _write_cells(ax: Axes, counts: Any, shares: Any, room: float) -> None:
    """Write counts and shares into the cells of a matrix, as far as there is room in millimetres."""
    digits = len(str(counts.max()))
    has_room_for_shares = room >= max(2 * LINE, 5 * WIDE)
    for (i, j), n in np.ndenumerate(counts):
        text = str(n) if digits * WIDE <= room else ""
        if has_room_for_shares and counts[:, j].sum():
            text += f"\n{100 * shares[i, j]:.0f} %"
        if n == 0 and i != j:
            text = "·" if room >= LINE else ""
        ink = "#FFFFFF" if shares[i, j] > 0.6 else INK
        ax.text(j, i, text, ha="center", va="center", fontsize=POINTS, color=ink)


@checked
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
    table = votes_table(predictions, words.call("plot_votes"), seed=seed)
    return finished(draw_votes(table, mm), out)


def draw_votes(table: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `vote_gain` returned."""
    wide = mm >= 120
    figure = new_figure(mm, 65 if wide else 105)
    axes: Any = figure.subplots(1 if wide else 2, 2 if wide else 1)
    x = table["n_photos"].to_numpy()
    style_axes(axes[0], "photos that vote", "share or kappa")
    for name, colour, mark, shift in (
        ("accuracy", INK, "o", -0.05),
        ("kappa", BLUE, "s", 0.05),
    ):
        draw_bars(axes[0], x + shift, table, name, colour, mark)
    least = np.nanmin([table["kappa_low"].min(), table["accuracy_low"].min()])
    axes[0].set_ylim(min(0.0, least - 0.02) if least < 0.3 else least - 0.1, 1.02)
    handles = [
        Line2D([], [], color=c, marker=m, markersize=4, linewidth=1.2)
        for c, m in ((INK, "o"), (BLUE, "s"))
    ]
    draw_legend(axes[0], handles, ["overall accuracy", "kappa"], loc="lower right")
    style_axes(axes[1], "photos that vote", "gain in kappa")
    axes[1].axhline(0, color=SOFT, linewidth=0.8)
    draw_bars(axes[1], x[1:], table.iloc[1:], "kappa_gain", BLUE, "s", line=False)
    for ax in axes:
        ax.set_xticks(x)
        ax.set_xlim(0.6, x[-1] + 0.4)
    put_note(figure, f"{table['n_points'].iloc[0]} points; bars hold 95 % of draws")
    return figure


@checked
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
    what = words.call("plot_reliability")
    prepared = read_predictions(predictions, what)
    table = reliability_table(prepared, what)
    return finished(draw_reliability(table, mm, f"{prepared.unit}s"), out)


def draw_reliability(table: pd.DataFrame, mm: float, unit: str) -> Figure:
    """The picture of what `reliability` returned for so many photos or points, the unit."""
    bins = table[table["n"] > 0]
    middle = (bins["low"] + bins["high"]) / 2
    figure = new_figure(mm, min(mm, 110) * 1.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    style_axes(top, "", "share that is right")
    top.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle="--")
    draw_bars(top, bins["confidence"].to_numpy(), bins, "accuracy", BLUE, "o")
    top.set_ylim(-0.02, 1.04)
    top.set_xlim(-0.02, 1.02)
    top.text(
        0.02,
        0.97,
        f"expected calibration\nerror {table.attrs['ece']:.3f}",
        transform=top.transAxes,
        va="top",
        fontsize=POINTS,
        color=INK,
    )
    style_axes(bottom, "probability of the predicted class", unit)
    bottom.bar(middle, bins["n"], width=0.094, color=PALE, edgecolor=SOFT)
    bottom.set_ylim(0, 1.35 * bins["n"].max())
    for x, n in zip(middle, bins["n"], strict=True):
        bottom.text(x, n, f"{n}", ha="center", va="bottom", fontsize=POINTS, color=INK)
    bottom.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    return figure


def draw_bars(
    ax: Axes, x: Any, table: pd.DataFrame, name: str, colour: str, mark: str, line: bool = True
) -> None:
    """Draw values of a table with their intervals, and a line from one to the next if asked for."""
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
