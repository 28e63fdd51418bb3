"""Photos with what was said of them."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .._base import words
from .._base.classes import confidence_of, probabilities, probability_columns
from .._base.types import Table
from ..errors import PhotoError
from ..images.decode import thumbnail
from ..photos import landscape
from .canvas import (
    LINE,
    POINTS,
    SOFT,
    WIDE,
    Width,
    blank_sheet,
    check_size,
    finished,
    put_text,
    shortened,
)
from .colours import class_styles
from .tables import examples_table, point_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_photos", "plot_point"]

_SIDES = {"P": "point", "N": "north", "E": "east", "S": "south", "W": "west", "C": "close-up"}

_THUMB = 240  # pixels: 20 mm at 300 per inch


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
    classes = probabilities(predictions, words.call("plot_point"))[2]
    p = rows[probability_columns(rows)].to_numpy(dtype=np.float64)
    title = textwrap.wrap(_point_title(rows, p, classes), int(mm / WIDE))
    keys = _key_rows(classes, mm)
    tall, wide = (15.0, 20.0) if mm >= 120 else (11.25, 15.0)
    step, top = tall + 2.5, LINE * len(title) + 5
    shown = np.isfinite(p).all(axis=1)
    voting = _voting(rows, p)
    height = top + step * len(rows) + (step if voting.sum() > 1 else 0) + 5 * len(keys) + 3
    figure, ax = blank_sheet(mm, height)
    for i, line in enumerate(title):
        put_text(ax, 3, 4 + i * LINE, line)
    left, right = 21 + wide, mm - 3
    styles = class_styles(classes)
    row: Any
    for i, row in enumerate(rows.itertuples(index=False)):
        y = top + step * i
        put_text(ax, 3, y + tall / 2, _SIDES.get(row.direction, "photo"))
        _photo(ax, row.path, (18, y, wide, tall))
        if shown[i]:
            said = f"{shortened(row.predicted)} {confidence_of(rows, p, classes)[i]:.2f}"
            put_text(ax, left, y + tall / 2 - 4.2, said)
            _stack(ax, p[i], styles, (left, y + tall / 2 - 1.8, right - left, 6))
        else:
            status = getattr(row, "status", "") or "no probabilities"
            put_text(ax, left, y + tall / 2, f"not classified: {status}", colour=SOFT)
    if voting.sum() > 1:
        y = top + step * len(rows)
        said = "mean of the photos" if (voting == shown).all() else "mean, no close-ups"
        put_text(ax, 3, y + tall / 2, said, bold=True)
        _stack(ax, p[voting].mean(axis=0), styles, (left, y + tall / 2 - 3, right - left, 6))
    _keys(ax, keys, styles, height - 5 * len(keys) + 0.5)
    return finished(figure, out)


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
    step = tall + LINE * lines + 8
    keys = _key_rows(classes, mm)
    height = 3 + step * -(-len(table) // columns) + 5 * len(keys)
    figure, ax = blank_sheet(mm, height)
    row: Any
    for i, row in enumerate(table.itertuples(index=False)):
        x, y = 3 + (i % columns) * (wide + 3), 3 + (i // columns) * step
        _photo(ax, row.path, (x, y, wide, tall))
        _stack(ax, p[i], styles, (x, y + tall + 1, wide, 2), numbers=False)
        room = int((wide - 5 * WIDE) / WIDE)
        said = f"{shortened(row.predicted, room)} {row.confidence:.2f}"
        put_text(ax, x, y + tall + 5.5, said)
        if not right:
            known = pd.notna(row.reference_probability)
            chance = f" {row.reference_probability:.2f}" if known else ""
            said = f"is {shortened(row.habitat, room - 3)}{chance}"
            put_text(ax, x, y + tall + 5.5 + LINE, said, colour=SOFT)
    _keys(ax, keys, styles, height - 5 * len(keys) + 0.5)
    return finished(figure, out)


def _photo(ax: Axes, path: Any, box: tuple[float, float, float, float]) -> None:
    """A photo, its proportions kept, or a grey field that says why there is none."""
    x, y, wide, tall = box
    try:
        pixels = thumbnail(path, _THUMB)
    except PhotoError as error:
        ax.add_patch(Rectangle((x, y), wide, tall, facecolor="#E8E8E8", edgecolor="none"))
        text = textwrap.fill(error.status, max(int(wide / WIDE), 4))
        ax.text(
            x + wide / 2,
            y + tall / 2,
            text,
            ha="center",
            va="center",
            fontsize=POINTS,
            color=SOFT,
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
        if numbers and length > 4.5 * WIDE:
            ax.text(
                start + length / 2,
                y + tall / 2,
                f"{share:.2f}",
                ha="center",
                va="center",
                fontsize=POINTS,
                color=ink,
            )
        start += length


def _key_rows(classes: Sequence[str], mm: float) -> list[list[tuple[int, float]]]:
    """Where the key of each class stands: rows of class number and millimetres from the left."""
    rows: list[list[tuple[int, float]]] = [[]]
    x = 3.0
    for i, label in enumerate(classes):
        wide = 9 + WIDE * len(shortened(label))
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
            put_text(ax, x + 4.2, y + 5 * i + 1.5, shortened(styles["class"].iloc[number]))


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
            f"{n} of {len(votes)} photos {shortened(classes[i])}"
            for i, n in zip(counts.index.tolist(), counts, strict=True)
        )
    labels = rows["habitat"].dropna().unique()
    return title + (f"; reference {shortened(labels[0])}" if len(labels) == 1 else "")
