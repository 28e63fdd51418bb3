"""Pictures as journals print them: 85 or 170 mm wide, 8 pt text, one colour a class everywhere.

Every function draws from a table that can be had without the picture, and leaves matplotlib's state and
settings as they are, so it works in threads and without a screen.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from .._base import words
from .._base.checks import check_number
from .._base.files import check_out_file, write_atomically
from ..errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

Width = str | float

_WIDTHS = {"single": 85.0, "double": 170.0}

_MM = 1 / 25.4  # inches

POINTS = 8.0

WIDE = 1.75  # mm that a letter takes at most, on the average of a word

LINE = 3.6  # mm from one line of text to the next

_DPI = 300

INK, SOFT, PALE, BLUE = "#1A1A1A", "#6B6B6B", "#D0D0D0", "#1F5FA8"


class Picture(Figure):
    """A figure that a notebook shows, also where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        return as_png(self, 2 * 72)


class _TextSvg(RendererSVG):
    """Writes text as text whatever the user's settings are: it can be searched, read out, edited."""

    def _draw_text_as_path(self, gc: Any, x: Any, y: Any, s: Any, *rest: Any, **more: Any) -> None:
        cast(Any, super())._draw_text_as_text(gc, x, y, s, *rest, **more)


# matplotlib's backends have no types.
_Svg: Any = _TextSvg

_Renderer: Any = MixedModeRenderer


def as_svg(figure: Figure) -> str:
    """A figure as an SVG document with real text."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    text = io.StringIO()
    FigureCanvasAgg(figure)  # measures text as the PNG does
    before = figure.dpi
    figure.dpi = 72
    try:
        svg: Any = _Svg(width, height, text, image_dpi=_DPI, metadata={"Date": None})
        figure.draw(_Renderer(figure, width, height, _DPI, svg))
        svg.finalize()
    finally:
        figure.dpi = before
    return text.getvalue()


def as_png(figure: Figure, dpi: float = _DPI) -> bytes:
    """A figure as a PNG file's content."""
    data = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(data, format="png", dpi=dpi)
    return data.getvalue()


# ---- common to all -----------------------------------------------------------------------------
def check_size(width: Width, out: str | os.PathLike[str] | None) -> tuple[float, Path | None]:
    """Check the two arguments that every picture has, before anything is computed."""
    if isinstance(width, str):
        if width not in _WIDTHS:
            raise InputError(
                f"{words.arg('width')} must be 'single' (85 mm), 'double' (170 mm) or millimetres; "
                f"got {words.value(width)}."
            )
        width = _WIDTHS[width]
    check_number("width", width, 60, 500)
    path = None if out is None else Path(out)
    if path is not None and path.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"A picture must end in .png or .svg; got {path.name!r} instead.")
    if path is not None:
        check_out_file(path)
    return float(width), path


def finished(figure: Figure, out: Path | None) -> Figure:
    """The figure, written where a file is asked for: the file appears whole or not at all."""
    if out is not None and out.suffix.lower() == ".svg":
        svg = as_svg(figure)
        write_atomically(out, lambda tmp: tmp.write_text(svg, encoding="utf-8"))
    elif out is not None:
        png = as_png(figure)
        write_atomically(out, lambda tmp: tmp.write_bytes(png))
    return figure


def new_figure(mm: float, height: float) -> Figure:
    """An empty figure of so many millimetres that lays itself out."""
    engine = ConstrainedLayoutEngine(w_pad=1.5 * _MM, h_pad=1.5 * _MM)
    figure = Picture(figsize=(mm * _MM, height * _MM), dpi=150, layout=engine, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def blank_sheet(mm: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose coordinates are millimetres from its upper left corner."""
    figure = Picture(figsize=(mm * _MM, height * _MM), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(0, mm)
    ax.set_ylim(height, 0)
    return figure, ax


def style_axes(ax: Axes, x: str, y: str) -> None:
    """Set what a user's own settings would change otherwise."""
    ax.set_facecolor("white")
    ax.tick_params(labelsize=POINTS, colors=INK, width=0.6, length=2.5)
    for name, side in ax.spines.items():
        side.set_linewidth(0.6)
        side.set_color(INK)
        side.set_visible(name in ("left", "bottom"))
    ax.set_xlabel(x, fontsize=POINTS, color=INK)
    ax.set_ylabel(y, fontsize=POINTS, color=INK)
    ax.grid(False)


def draw_legend(
    owner: Any, handles: Sequence[Any], labels: Sequence[str], *, framed: bool = False, **where: Any
) -> Legend:
    """A legend that shows labels as they are, also those with a $ or a leading underscore."""
    legend: Legend = owner.legend(
        handles,
        ["x"] * len(labels),
        fontsize=POINTS,
        frameon=framed,
        framealpha=0.9,
        edgecolor=PALE,
        facecolor="white",
        labelcolor=INK,
        handletextpad=0.4,
        columnspacing=1.0,
        **where,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(shortened(label, 40))
    return legend


def put_note(figure: Figure, text: str) -> None:
    """A note below a figure."""
    figure.supxlabel(text, fontsize=POINTS, color=SOFT, parse_math=False)


def shortened(text: object, width: int = 28) -> str:
    """A line of text cut to so many letters."""
    line = " ".join(str(text).split())
    return line if len(line) <= width else line[: max(width - 1, 1)] + "…"


def put_text(
    ax: Axes, x: float, y: float, text: str, *, colour: str = INK, bold: bool = False
) -> None:
    """Text at millimetres of a blank sheet."""
    ax.text(
        x,
        y,
        text,
        va="center",
        fontsize=POINTS,
        color=colour,
        weight="bold" if bold else "normal",
        parse_math=False,
    )
