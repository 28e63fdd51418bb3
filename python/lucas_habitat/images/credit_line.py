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

__all__ = [
    "COLUMNS",
    "LEAST",
    "MOST",
    "ROWS",
    "evened",
    "fill_corner",
    "has_line",
    "line_score",
    "shrunk",
]

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

#: The corner that is filled, where a photo is `_HEIGHT` rows high. Lines begin at up to 7.6 % of the
#: height and end at up to 34 % of it. The network looks at the first `COLUMNS` of it.
ROWS, _WIDTH, _HEIGHT = 28, 112, 300
COLUMNS = 96

#: Height and width in pixels of what is looked at: at least `LEAST`, below `MOST`. Larger, letters
#: that were blurred in shrinking are taken for grass; smaller, there are none.
LEAST, MOST = 224, 448

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
        rows, columns = (high - self.size[0]) // down + 1, (wide - self.size[1]) // right + 1
        pixel = channels * x.itemsize
        # What is copied in one run is as long as can be: the columns and channels of a window, which
        # lie side by side in memory, or with a single channel the same pixel of all windows in a row.
        if channels == 1:
            shape: tuple[int, ...] = (*self.size, rows, columns)
            strides: tuple[int, ...] = (wide * pixel, pixel, wide * pixel * down, pixel * right)
        else:
            shape = (rows, columns, self.size[0], self.size[1] * channels)
            strides = (wide * pixel * down, pixel * right, wide * pixel, x.itemsize)
        windows: Floats = np.ndarray(shape, x.dtype, x, strides=strides)
        out: Floats
        if channels == 1:
            out = (windows.reshape(-1, rows * columns).T @ self.weight).reshape(rows, columns, -1)
        else:
            # Row by row: products of this size are left to one thread, while the others of a BLAS
            # would wait for the next at full load.
            out = windows.reshape(rows, columns, -1) @ self.weight
        out += self.bias
        return np.maximum(out, 0, out=out)


class _Network(NamedTuple):
    layers: tuple[_Layer, ...]
    weight: Floats
    bias: float

    def __call__(self, x: Floats) -> float:
        """How sure it is that there is a line: the log odds at the surest place."""
        for layer in self.layers:
            x = layer(x)
        return float((x @ self.weight).max()) + self.bias


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
    return _Network(layers, tensors["last.weight"].ravel(), float(tensors["last.bias"][0]))


def _corner(height: int, columns: int = _WIDTH) -> tuple[int, int]:
    """How many rows and columns of a photo of some height are its corner."""
    return round(height * ROWS / _HEIGHT), round(height * columns / _HEIGHT)


@lru_cache(maxsize=64)
def _resampling(pixels: int, size: int) -> Floats:
    """The matrix that brings a line of pixels to another size."""
    scale = pixels / size
    centre = (np.arange(size)[:, np.newaxis] + 0.5) * scale - 0.5
    away = np.abs(np.arange(pixels) - centre) / max(scale, 1)
    # Hamming's filter keeps thin letters sharp; enlarging, it makes blocks that look like some.
    hamming = np.sinc(away) * (0.54 + 0.46 * np.cos(np.pi * away))
    weight = np.where(away < 1, hamming if scale >= 1 else 1 - away, 0)
    shares: Floats = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def shrunk(corner: Bytes) -> Floats:
    """One band of a corner, best green, at the size the network takes."""
    grey: Floats = corner.astype(np.float32)
    if corner.shape == (ROWS, COLUMNS):
        return grey
    rows, columns = corner.shape
    small = _resampling(rows, ROWS) @ grey @ _resampling(columns, COLUMNS).T
    return small.astype(np.float32, copy=False)


def evened(grey: Floats) -> Floats:
    """A corner with its contrast evened out."""
    # Few calls: each takes microseconds, as what it needs was driven out of the processor's cache.
    flat = grey.reshape(-1)
    flat = flat - np.float32(np.add.reduce(flat) / flat.size)
    flat *= np.float32(1 / (math.sqrt(flat.dot(flat) / flat.size) + 4))
    even: Floats = flat.reshape(grey.shape)
    return even


def line_score(photo: Image.Image | Bytes) -> float:
    """The log odds that a credit line stands in an upright RGB photo's corner, 0 at the edge."""
    if isinstance(photo, Image.Image):
        height, width = photo.height, photo.width
    else:
        height, width = photo.shape[:2]
    rows, columns = _corner(height, COLUMNS)
    if rows == 0 or 2 * _corner(height)[1] > width:  # no camera's photo
        return -math.inf
    if isinstance(photo, Image.Image):
        corner = np.asarray(photo.crop((0, height - rows, columns, height)))
    else:
        corner = photo[height - rows :, :columns]
    return _network()(evened(shrunk(corner[:, :, 1])).reshape(ROWS, COLUMNS, 1))


def has_line(photo: Image.Image | Bytes) -> bool:
    """Whether a credit line is seen in an upright RGB photo."""
    return line_score(photo) > 0


def fill_corner(image: Image.Image) -> None:
    """Let the corner of a photo mirror what stands beside it, at the same distance from the camera."""
    rows, columns = _corner(image.height)
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
