"""The credit line burnt into the survey's photos: whether one stands there, and hiding it.

A line stands in the lowest left corner; its wording, look and place there differ from year to year.
A small network, which was shown lines of many looks (tools/make_credit_detector.py), tells whether
the corner holds one. Then the whole corner is filled, whatever the line: were only the line's own
letters or box filled, the shape of what was filled would tell the year.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors.numpy import load_file

__all__ = ["COLUMNS", "LEAST", "MOST", "ROWS", "fill_corner", "has_line", "line_score", "prepared"]

Floats = npt.NDArray[np.float32]

#: The corner that the network looks at, where a photo is `_HEIGHT` rows high. Lines begin at up to
#: 7.6 % of the height and end at up to 34 % of it.
ROWS, COLUMNS, _HEIGHT = 28, 112, 300

#: Height and width in pixels of what is looked at: at least `LEAST`, below `MOST`. Larger, letters
#: that were blurred in shrinking are taken for grass; smaller, there are none.
LEAST, MOST = 224, 448

#: The least score of a line.
_SURE = 3.0

#: Rows over which what is filled passes into what stands above it, where a photo is `_HEIGHT` high.
_SEAM = 3


class _Layer(NamedTuple):
    """A convolution followed by a ReLU, over rows x columns x channels."""

    weight: Floats  # rows * columns * channels, channels out
    bias: Floats
    size: tuple[int, int]
    step: tuple[int, int]

    def __call__(self, x: Floats) -> Floats:
        (high, wide, channels), (down, right) = x.shape, self.step
        shape = (high - self.size[0]) // down + 1, (wide - self.size[1]) // right + 1
        pixel = channels * x.itemsize
        # Columns and channels of a window lie side by side in memory.
        windows: Floats = np.ndarray(
            (*shape, self.size[0], self.size[1] * channels),
            x.dtype,
            x,
            strides=(wide * pixel * down, pixel * right, wide * pixel, x.itemsize),
        )
        out: Floats = windows.reshape(shape[0] * shape[1], -1) @ self.weight
        out += self.bias
        return np.maximum(out, 0, out=out).reshape(*shape, -1)


class _Network(NamedTuple):
    layers: tuple[_Layer, ...]
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> float:
        """How sure it is that there is a line: the log odds, summed over all places."""
        for layer in self.layers:
            x = layer(x)
        odds = x @ self.weight
        top = odds.max()
        return float(top + np.log(np.exp(odds - top).sum()) + self.bias[0])


@cache
def _network() -> _Network:
    file = resources.files("lucas_habitat").joinpath("data/credit_line.safetensors")
    with resources.as_file(file) as path:
        tensors = {name: t.astype(np.float32) for name, t in load_file(path).items()}

    def layer(name: str, step: tuple[int, int]) -> _Layer:
        weight = tensors[f"{name}.weight"]  # out, in, rows, columns
        out, _, rows, columns = weight.shape
        flat = np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, out))
        return _Layer(flat, tensors[f"{name}.bias"], (rows, columns), step)

    layers = layer("first", (2, 2)), layer("second", (1, 2)), layer("third", (1, 1))
    return _Network(layers, tensors["last.weight"].ravel(), tensors["last.bias"])


def _corner(image: Image.Image) -> tuple[int, int]:
    """How many rows and columns of a photo are its corner."""
    return round(image.height * ROWS / _HEIGHT), round(image.height * COLUMNS / _HEIGHT)


def prepared(corner: Image.Image) -> Floats:
    """A corner as the network takes it: small, grey, its contrast evened out."""
    # Hamming's filter keeps thin letters sharp; enlarging, it makes blocks that look like some.
    filters = Image.Resampling
    how = filters.HAMMING if corner.height >= ROWS else filters.BILINEAR
    small = corner.resize((COLUMNS, ROWS), how).convert("L")
    grey = np.asarray(small, np.float32)
    values: Floats = grey - grey.mean()
    flat = values.ravel()
    values /= math.sqrt(flat @ flat / flat.size) + 4
    return values


def line_score(image: Image.Image) -> float:
    """The log odds that a credit line stands in an upright photo's corner."""
    rows, columns = _corner(image)
    if rows == 0 or 2 * columns > image.width:  # no camera's photo
        return -np.inf
    corner = image.crop((0, image.height - rows, columns, image.height))
    return _network()(prepared(corner).reshape(ROWS, COLUMNS, 1))


def has_line(image: Image.Image) -> bool:
    """Whether a credit line is seen in an upright RGB photo."""
    return line_score(image) > _SURE


def fill_corner(image: Image.Image) -> None:
    """Let the corner of a photo mirror what stands beside it, at the same distance from the camera."""
    rows, columns = _corner(image)
    top = image.height - rows
    beside = image.crop((columns, top, 2 * columns, image.height))
    fill = beside.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.paste(fill, (0, top), _seam(rows, columns))


@lru_cache(maxsize=8)
def _seam(rows: int, columns: int) -> Image.Image:
    """How much of a corner is filled, 0 to 255: above it passes into the photo. No line is that high."""
    steps = np.minimum((np.arange(rows) + 0.5) / max(1, round(rows * _SEAM / ROWS)), 1) * 255
    return Image.fromarray(
        np.repeat(np.rint(steps).astype(np.uint8)[:, np.newaxis], columns, axis=1)
    )
