"""Photos with their classes and probabilities."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .._base.classes import probability_columns
from .._base.signatures import checked
from .._base.types import Floats, Table
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


@checked
def plot_point(
    predictions: Table,
    point_id: str | int,
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
    return finished(draw_point(point_table(predictions, point_id, year), mm), out)


class _Box(NamedTuple):
    """A place on a sheet: millimetres from its upper left corner, and its size."""

    x: float
    y: float
    wide: float
    tall: float


def draw_point(rows: pd.DataFrame, mm: float) -> Figure:
    """The picture of what `point_table` returned."""
    classes = rows["predicted"].cat.categories.tolist()
    styles = class_styles(classes)
    p = rows[probability_columns(rows)].to_numpy(dtype=np.float64)
    predicted = rows["predicted"].cat.codes.to_numpy()
    is_classified = np.isfinite(p).all(axis=1) & (predicted >= 0)
    is_voting = _voting(rows, p)
    has_mean = is_voting.sum() > 1
    title = textwrap.wrap(_point_title(rows, p[is_voting], classes), int(mm / WIDE))
    keys = _keys(classes, mm)
    wide, tall = (20.0, 15.0) if mm >= 120 else (15.0, 11.25)
    step, top = tall + 2.5, LINE * len(title) + 5
    left = 21 + wide  # of the bars
    below = top + step * (len(rows) + has_mean)
    figure, ax = blank_sheet(mm, below + 5 * _n_rows(keys) + 3)
    for i, line in enumerate(title):
        put_text(ax, 3, 4 + i * LINE, line)
    row: Any
    for i, row in enumerate(rows.itertuples(index=False)):
        y = top + step * i
        put_text(ax, 3, y + tall / 2, _SIDES.get(row.direction, "photo"))
        _photo(ax, row.path, _Box(18, y, wide, tall))
        if is_classified[i]:
            label = f"{shortened(row.predicted)} {p[i, predicted[i]]:.2f}"
            put_text(ax, left, y + tall / 2 - 4.2, label)
            _stack(ax, p[i], styles, _Box(left, y + tall / 2 - 1.8, mm - 3 - left, 6))
        else:
            status = getattr(row, "status", "") or "no probabilities"
            put_text(ax, left, y + tall / 2, f"not classified: {status}", colour=SOFT)
    if has_mean:
        y = top + step * len(rows)
        label = "mean of the photos" if (is_voting == is_classified).all() else "mean, no close-ups"
        put_text(ax, 3, y + tall / 2, label, bold=True)
        mean = p[is_voting].mean(axis=0)
        _stack(ax, mean, styles, _Box(left, y + tall / 2 - 3, mm - 3 - left, 6))
    _draw_keys(ax, keys, styles, below + 3.5)
    return figure


@checked
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
    fitting = int((mm - 3) // 40)
    columns = max(1, min(len(table), fitting))
    wide = (mm - 3) / max(columns, fitting) - 3
    tall = wide * 0.75
    step = tall + LINE * (1 if right else 2) + 8
    keys = _keys(classes, mm)
    below = 3 + step * -(-len(table) // columns)
    figure, ax = blank_sheet(mm, below + 5 * _n_rows(keys))
    room = int((wide - 5 * WIDE) / WIDE)  # letters of a label
    row: Any
    for i, row in enumerate(table.itertuples(index=False)):
        x, y = 3 + (i % columns) * (wide + 3), 3 + (i // columns) * step
        _photo(ax, row.path, _Box(x, y, wide, tall))
        _stack(ax, p[i], styles, _Box(x, y + tall + 1, wide, 2), numbers=False)
        label = f"{shortened(row.predicted, room)} {row.confidence:.2f}"
        put_text(ax, x, y + tall + 5.5, label)
        if not right:
            is_known = pd.notna(row.reference_probability)
            probability = f" {row.reference_probability:.2f}" if is_known else ""
            label = f"is {shortened(row.habitat, room - 3)}{probability}"
            put_text(ax, x, y + tall + 5.5 + LINE, label, colour=SOFT)
    _draw_keys(ax, keys, styles, below + 0.5)
    return finished(figure, out)


def _photo(ax: Axes, path: Any, box: _Box) -> None:
    """Draw a photo, its proportions kept, or a grey field that says why there is none."""
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


def _stack(ax: Axes, p: Floats, styles: pd.DataFrame, box: _Box, *, numbers: bool = True) -> None:
    """Draw probabilities as one bar, with numbers where there is room for them."""
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


class _Key(NamedTuple):
    """Where the key of a class stands: its row, and millimetres from the left."""

    row: int
    x: float


def _keys(classes: Sequence[str], mm: float) -> list[_Key]:
    """Place the keys of all classes side by side, on as many rows as they need."""
    keys = []
    row, x = 0, 3.0
    for label in classes:
        wide = 9 + WIDE * len(shortened(label))
        if x + wide > mm and x > 3.0:
            row, x = row + 1, 3.0
        keys.append(_Key(row, x))
        x += wide
    return keys


def _n_rows(keys: list[_Key]) -> int:
    return keys[-1].row + 1


def _draw_keys(ax: Axes, keys: list[_Key], styles: pd.DataFrame, top: float) -> None:
    """Draw the colour and label of each class."""
    for key, label, colour in zip(keys, styles["class"], styles["colour"], strict=True):
        y = top + 5 * key.row
        ax.add_patch(Rectangle((key.x, y), 3, 3, facecolor=colour, edgecolor="none"))
        put_text(ax, key.x + 4.2, y + 1.5, shortened(label))


def _voting(rows: pd.DataFrame, p: Floats) -> npt.NDArray[np.bool_]:
    """Mark the photos of a point that vote by default: readable ones that are no close-ups."""
    is_voting: npt.NDArray[np.bool_] = np.isfinite(p).all(axis=1) & landscape(rows).to_numpy(bool)
    return is_voting


def _point_title(rows: pd.DataFrame, p: Floats, classes: Sequence[str]) -> str:
    """The point and year, how its photos vote by their probabilities, and the reference class."""
    year = f", {rows.attrs['year']}" if "year" in rows.attrs else ""
    title = f"Point {rows.attrs['point_id']}{year}"
    if len(p):
        counts = pd.Series(p.argmax(axis=1)).value_counts()
        title += ": " + ", ".join(
            f"{n} of {len(p)} photos {shortened(classes[i])}"
            for i, n in zip(counts.index.tolist(), counts, strict=True)
        )
    labels = rows["habitat"].dropna().unique()
    return title + (f"; reference {shortened(labels[0])}" if len(labels) == 1 else "")
