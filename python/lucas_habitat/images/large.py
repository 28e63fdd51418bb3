"""Pictures that take much memory: how much it is, one at a time, and converted by strips."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
from PIL import Image

__all__ = ["MAX_BYTES", "Cost", "cost_of", "one_at_a_time", "to_rgb"]

#: Bytes that reading a picture may take, its file's among them: with what Python and its libraries hold,
#: 600 MB.
MAX_BYTES = 530_000_000

#: Bytes above which a picture is the only such one that is decoded in this process.
ALONE_BYTES = 200_000_000

_ALONE = threading.RLock()

#: Pixels that are converted at a time.
_STRIP = 1 << 20

#: Bytes a pixel of a strip while it is converted: of numbers, in several arrays of float64.
_NUMBERS, _COLOURS = 40, 12

#: Bytes a pixel of what Pillow holds, by mode; in all other modes 4.
_HELD = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}

#: Bytes a pixel that a format's decoder holds besides, measured.
_BESIDE = {"WEBP": 12, "HEIF": 5, "TIFF": 4}


class Cost(NamedTuple):
    """Bytes that reading a picture takes."""

    whole: int  # at its full size
    least: int  # shrunk as it is converted


def cost_of(image: Image.Image, n_bytes: int, is_turned: bool) -> Cost:
    """What it takes to read a picture that was opened, beside ``n_bytes`` that are held already."""
    pixels = image.width * image.height
    held = _HELD.get(image.mode, 4)
    loading = held
    if image.info.get("compression") != "raw":
        loading += _BESIDE.get(image.format or "", 0)
    if image.format == "TIFF" and is_turned:  # turned by Pillow as it is loaded
        loading += held
    # The converted picture, and the one that was turned.
    converting = held + (0 if _is_rgb(image) else 4) + (4 if is_turned else 0)
    work = (_NUMBERS if image.mode.startswith(("I", "F")) else _COLOURS) * min(pixels, _STRIP)
    return Cost(
        n_bytes + max(loading, converting) * pixels + work, n_bytes + loading * pixels + 2 * work
    )


def one_at_a_time(n_bytes: int) -> AbstractContextManager[object]:
    """Wait, before a picture that takes so many bytes is decoded, until no other large one is."""
    return _ALONE if n_bytes > ALONE_BYTES else nullcontext()


def to_rgb(image: Image.Image, side: int | None = None) -> Image.Image:
    """A photo in RGB: 16-bit grey scaled, transparency laid on white.

    It is converted by strips, because some modes take ten times the picture's bytes meanwhile.

    Parameters
    ----------
    image : PIL.Image.Image
    side : int, optional
        Shrink it by whole factors, so that each side keeps at least so many pixels (or what it has).
    """
    image.load()
    if side is None and _is_rgb(image):
        return image
    across, down = (
        (1, 1) if side is None else (max(1, image.width // side), max(1, image.height // side))
    )
    span = _span(image) if image.mode.startswith("F") else None
    rgb = Image.new("RGB", (-(-image.width // across), -(-image.height // down)))
    for strip, top in _strips(image, down):
        rgb.paste(_converted(strip, span).reduce((across, down)), (0, top // down))
    return rgb


def _is_rgb(image: Image.Image) -> bool:
    return image.mode == "RGB" and "transparency" not in image.info


def _strips(image: Image.Image, times: int = 1) -> Iterator[tuple[Image.Image, int]]:
    """An image from top to bottom, and where each strip begins: at a multiple of ``times`` rows."""
    rows = max(1, _STRIP // image.width // times) * times
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height))), top


def _span(image: Image.Image) -> tuple[float, float]:
    """The lowest and highest value of an image of floats; NaN where it has no others."""
    low = high = float("nan")
    for strip, _ in _strips(image):
        values = np.asarray(strip, dtype=np.float64)
        low, high = (
            np.fmin(low, np.fmin.reduce(values, None)),
            np.fmax(high, np.fmax.reduce(values, None)),
        )
    return float(low), float(high)


def _converted(image: Image.Image, span: tuple[float, float] | None) -> Image.Image:
    """A strip in RGB."""
    if image.mode.startswith(("I", "F")):  # Pillow would clip these at 255 instead of scaling
        values = np.asarray(image, dtype=np.float64)
        with np.errstate(all="ignore"):  # infinite values
            if span is not None:
                low, high = span
                values = np.nan_to_num((values - low) / ((high - low) or 1)) * 65535
            image = Image.fromarray((np.clip(values, 0, 65535) / 257).round().astype(np.uint8))
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
