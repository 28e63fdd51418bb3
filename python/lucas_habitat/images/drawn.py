"""Draw made-up LUCAS photos to try the package on, because none can be shipped with it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from .._base import words
from .._base.checks import check_number
from .._base.files import is_occupied, write_atomically
from .._base.places import to_degrees
from .._base.progress import Progress, report
from .._base.signatures import checked
from ..errors import InputError

__all__ = ["draw_demo_photos"]

_Array = NDArray[Any]

_Rng = np.random.Generator

_Shape = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]


#: A note that the demo leaves beside the folders of photos it draws.
DRAWN = "drawn.json"

_CLASSES = ("artificial", "cropland", "grassland", "woody")

_DIRECTIONS = ("point", "north", "east", "south", "west")

_YEARS = (2009, 2012, 2015, 2018)

# When photos are taken, and the share of each month.
_MONTHS = (3, 4, 5, 6, 7, 8, 9, 10)
_MONTH_SHARES = (0.04, 0.08, 0.17, 0.22, 0.2, 0.14, 0.1, 0.05)

# Rough boxes of Jutland, Funen and Zealand in EPSG:3035 kilometres: few points fall in the sea.
_DENMARK = ((4230, 4300, 3536, 3790), (4326, 4362, 3564, 3598), (4406, 4462, 3572, 3636))

# Share of views, other than those of the point itself, that show a neighbour's land, and the shares of
# the neighbours' classes.
_OTHER_LAND = 0.12

_NEIGHBOURS = {
    "artificial": (0, 0.35, 0.4, 0.25),
    "cropland": (0.25, 0, 0.4, 0.35),
    "grassland": (0.25, 0.4, 0, 0.35),
    "woody": (0.2, 0.35, 0.45, 0),
}


# Land cover codes that may be drawn instead of the classes: at least two of each, that look different.
_CODES = {
    "A11": "artificial",
    "B11": "cropland",
    "E10": "grassland",
    "C10": "woody",
    "A21": "artificial",
    "B16": "cropland",
    "E20": "grassland",
    "C21": "woody",
    "A22": "artificial",
    "B32": "cropland",
    "D20": "woody",
}

_BUILT = {"A11": "street", "A21": "yard", "A22": "road"}

_WOODS = {"C10": "leaves", "C21": "needles", "D20": "heath"}


class _Crop(NamedTuple):
    """How a crop looks."""

    colour: tuple[int, int, int]
    cover: float  # share of the ground that plants hide
    height: float  # m
    spacing: float  # of rows, m
    months: tuple[int, int]  # the first and last it is seen in


_CROPS = (
    _Crop((98, 140, 58), 0.55, 0.10, 0.25, (3, 5)),  # winter cereal, young
    _Crop((98, 140, 58), 0.45, 0.08, 0.25, (9, 10)),  # next year's cereal
    _Crop((112, 142, 74), 0.97, 0.75, 0.25, (5, 7)),  # cereal, green
    _Crop((206, 172, 98), 0.98, 0.80, 0.25, (7, 8)),  # cereal, ripe
    _Crop((214, 200, 48), 0.98, 1.15, 0.50, (5, 5)),  # oilseed rape
    _Crop((74, 122, 52), 0.60, 0.30, 0.70, (5, 9)),  # beet, potatoes
    _Crop((84, 128, 56), 0.55, 0.50, 0.75, (6, 6)),  # maize, young
    _Crop((84, 124, 56), 0.95, 2.10, 0.75, (7, 10)),  # maize
    _Crop((200, 176, 118), 0.60, 0.15, 0.35, (7, 10)),  # stubble
    _Crop((0, 0, 0), 0.00, 0.00, 0.40, (3, 10)),  # ploughed or harrowed
)

# Which of the crops a code is drawn as.
_FIELDS = {"B11": _CROPS[:4], "B16": _CROPS[6:8], "B32": _CROPS[4:5]}

_SKIES = {  # colour between and of clouds, share of clouds and how much it varies
    "clear": ((95, 145, 210), (242, 244, 248), 0.05, 0.04),
    "clouds": ((95, 145, 210), (242, 244, 248), -0.1, 0.7),
    "overcast": ((205, 210, 216), (238, 240, 242), 0.5, 0.25),
}

_HAZE = np.array([170, 185, 200], np.float32)

_WALLS = np.array([(150, 84, 66), (225, 220, 208), (214, 186, 120), (168, 166, 160)])

_ROOFS = np.array([(140, 72, 56), (74, 72, 74), (120, 118, 116)])

_PAINTS = np.array([(170, 30, 34), (40, 60, 110), (215, 216, 218), (50, 52, 56), (140, 146, 150)])

_PETALS = np.array([(240, 214, 50), (245, 245, 240), (190, 120, 170)])


@lru_cache(maxsize=1)
def _noise_tile() -> _Array:
    """Noise of all sizes (1/f), 1024 x 1024, mean 0 and deviation 1: texture for everything."""
    f = np.hypot(np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024)[None])
    f[0, 0] = 1
    white = np.random.default_rng(0).standard_normal((1024, 1024))
    tile = np.fft.irfft2(np.fft.rfft2(white) / f)
    return np.asarray(tile / tile.std(), np.float32)


def _hazed(colour: ArrayLike, z: ArrayLike) -> _Array:
    """Colours as they look from z metres away; z without its last axis, that of the bands."""
    share = (0.7 - 0.7 * np.exp(np.asarray(z, np.float32) / -700))[..., None]
    mixed = np.asarray(colour, np.float32) * (1 - share) + _HAZE * share
    return np.clip(mixed, 0, 255, out=mixed).astype(np.uint8)


class _Scene:
    """A drawing in progress: its pixels and a camera that turns metres into pixels.

    x runs to the right, y up from the ground and z away from the camera, all in metres.
    """

    def __init__(self, rng: _Rng, w: int, h: int, horizon: float, month: int, sun: float) -> None:
        self.rng, self.w, self.h, self.month, self.sun = rng, w, h, month, sun
        self.hor, self.f, self.eye = horizon * h, 0.9 * max(w, h), 1.6
        self.a = np.empty((h, w, 4), np.uint8)  # the fourth lets dots move pixels as one number
        self.shift = rng.integers(0, 1024, 2)

    def project(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> tuple[_Array, _Array]:
        scale = self.f / np.asarray(z)
        return self.w / 2 + np.asarray(x) * scale, self.hor + (self.eye - np.asarray(y)) * scale

    def across(self, z: _Array) -> _Array:
        """Random x in view for each z."""
        return self.rng.uniform(-0.6, 0.6, z.size) * self.w * z / self.f

    def scatter(self, n: int, near: float, far: float) -> tuple[_Array, _Array]:
        """Random x and z on the ground, far ones first, as dense on the picture everywhere."""
        z = np.sort(1 / self.rng.uniform(1 / far, 1 / near, n))[::-1]
        return self.across(z), z

    def plane(
        self, near: float, far: float = 1e9, level: float = 0.0
    ) -> tuple[_Array, _Array, _Array]:
        """Give x and z of the lowest rows, which show y = level up to ``far``, and a mask."""
        drop = self.f * (self.eye - level)
        top = int(np.clip(self.hor + max(1, drop / far), 0, self.h - 1))
        z = (drop / (np.arange(top, self.h, dtype=np.float32) - self.hor))[:, None]
        x = (np.arange(self.w, dtype=np.float32) - self.w / 2) * (z / self.f)
        if z[-1] > near + 1:
            return x, z, np.ones(x.shape, bool)
        return x, z, z >= near + 0.3 * self.noise(x, z, 20)

    def noise(self, x: _Array, z: _Array, per_metre: float) -> _Array:
        """Noise on the ground, faded where it would be finer than the pixels."""
        i = (x * per_metre).astype(np.int32) + self.shift[0] & 1023
        j = (z * per_metre).astype(np.int32) + self.shift[1] & 1023
        fade = 1 + per_metre * z * z / (self.f * self.eye * 12)
        return np.asarray(_noise_tile()[j, i] / fade)

    def fill(self, colour: _Array, mask: _Array, z: _Array) -> None:
        """Paint the lowest rows, those that `plane` gave."""
        np.copyto(self.a[-len(mask) :, :, :3], _hazed(colour, z), where=mask[..., None])

    def dots(self, x: _Array, y: _Array, z: ArrayLike, colour: _Array, size: int = 1) -> None:
        """Squares of ``size`` pixels; where they overlap the last one shows."""
        ink = np.empty((x.size, 4), np.uint8)
        ink[:, :3] = _hazed(colour, z)
        flat, inks = self.a.view(np.uint32).reshape(-1), ink.view(np.uint32).reshape(-1)
        x, y = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        for dx in range(size):
            for dy in range(size):
                ok = (x + dx >= 0) & (x + dx < self.w) & (y + dy >= 0) & (y + dy < self.h)
                flat[((y + dy) * self.w + x + dx)[ok]] = inks[ok]

    def blades(
        self, n: int, colour: _Array, tall: float, near: float, far: float, rows: float = 0.0
    ) -> None:
        """Upright strokes on the ground; ``rows`` = distance of the rows they stand in."""
        x, z = self.scatter(n, near, far)
        if rows:
            x = (np.round(x / rows) + self.rng.normal(0, 0.12, n)) * rows
        px, py = self.project(x, 0.0, z)
        length = np.maximum(1, self.f * tall * self.rng.uniform(0.5, 1.15, n) / z)
        lean, tint = self.rng.normal(0.15, 0.3, n) * length, self.rng.normal(1, 0.16, n)
        count = length.astype(int)
        k = np.repeat(np.arange(n), count)
        t = (np.arange(k.size) - np.repeat(np.cumsum(count) - count, count)) / length[k]
        ink = colour * (tint[k] * (0.55 + 0.55 * t))[:, None]
        self.dots(px[k] + lean[k] * t * t, py[k] - length[k] * t, z[k], ink, 1 + (tall > 1))

    def leaves(self, x: _Array, y: _Array, r: _Array, z: float, colour: _Array) -> None:
        """Clumps of foliage at pixels x, y with radius r and each its colour, lit from above."""
        is_seen = (np.abs(x - self.w / 2) < self.w / 2 + r) & (y > -r) & (y < self.h + r)
        x, y, r, colour = (v[is_seen].astype(np.float32) for v in (x, y, r, colour))
        size = int(np.clip(r.mean() / 7, 1, 4)) if r.size else 1
        k = np.repeat(np.arange(r.size), np.clip(3 * r * r / size**2, 4, 700).astype(int))
        dx, dy = self.rng.random((2, 2, k.size), np.float32).sum(axis=0) - 1
        light = (0.08 + 0.1 * self.sun) * self.rng.standard_normal(k.size, np.float32)
        light += 0.85 - (0.2 + 0.3 * self.sun) * (dy + 0.5 * dx)
        self.dots(x[k] + dx * r[k], y[k] + dy * r[k], z, colour[k] * light[:, None], size)

    def shapes(self, *shapes: _Shape) -> None:
        """Polygons from x, y, z of their corners and a colour."""
        image = Image.fromarray(self.a)
        draw = ImageDraw.Draw(image)
        for x, y, z, colour in shapes:
            x, y, z = np.broadcast_arrays(x, y, z)
            points = np.column_stack(self.project(x, y, z))
            draw.polygon(points.ravel().tolist(), tuple(_hazed(colour, z.mean()).tolist()))
        self.a[:] = np.asarray(image)


def _sky(s: _Scene, kind: str) -> None:
    """The sky down to the horizon, in one of the weathers of `_SKIES`."""
    blue, white, cover, swing = _SKIES[kind]
    rows = np.arange(max(1, min(s.h, int(s.hor + 2))), dtype=np.float32)[:, None]
    up = np.maximum(0, (s.hor - rows) / s.h)
    depth = 1 / (up + 0.15)
    i = ((np.arange(s.w, dtype=np.float32) / s.w - 0.5) * depth * 60).astype(np.int32)
    j = (depth * 40).astype(np.int32)
    cloud = np.clip(
        cover + swing * _noise_tile()[j + s.shift[1] & 1023, i + s.shift[0] & 1023], 0, 1
    )
    cloud = np.maximum(cloud, 0.8 * np.exp(-up * 7))[..., None]
    s.a[..., :3] = _HAZE
    low, high = np.array([blue, white], np.float32)
    s.a[: len(rows), :, :3] = low + (high - low) * cloud


def _trees(
    s: _Scene, x: _Array, z: _Array, tall: _Array, colour: _Array, low: float, broad: float
) -> None:
    """Trees; crowns begin at ``low`` and are ``broad`` to each side (0: spruces), in heights."""
    rows = np.flatnonzero(np.abs(x) - tall / 2 < 0.55 * s.w * z / s.f)
    rows = rows[np.argsort(-z[rows], kind="stable")]
    # Far to near in bands of a few trees: one by one would be slow, all at once would put
    # trunks behind crowns that are farther away.
    for band in np.array_split(rows, max(1, rows.size // 6)) if rows.size else ():
        bx, bz, bt = x[band, None], z[band, None], tall[band, None]
        if low > 0.02:
            trunks: list[_Shape] = []
            for (cx,), (cz,), (ct,) in zip(bx, bz, bt, strict=True):
                for part, ink in (
                    ((-1, 1, 0.5, -0.5), (66, 57, 48)),
                    ((-1, 0, 0, -0.5), (98, 88, 76)),
                ):
                    trunks.append(
                        (cx + np.array(part) * 0.018 * ct, [0, 0, 0.8 * ct, 0.8 * ct], cz, ink)
                    )
            s.shapes(*trunks)
        n = int(np.clip((s.f / bz * bt).max() / 5, 7, 30))
        t = np.sort(s.rng.uniform(0, 1, (band.size, n)), axis=1)
        dome = t if low == 0 else 2 * t - 1  # bushes are widest at the ground
        half = broad * np.sqrt(1 - dome**2) if broad else 0.2 * (1 - t)
        r = 0.5 * n**-0.4 if broad else 0.02 + 0.07 * (1 - t)
        r = np.maximum(1.5, r * bt * s.f / bz * s.rng.uniform(0.7, 1.3, t.shape))
        side = s.rng.uniform(-1, 1, t.shape) * half
        px, py = s.project(bx + side * bt, (low + t * (1 - low)) * bt, bz)
        py = np.minimum(py, s.project(0.0, 0.0, bz)[1] - 0.8 * r)
        shade = s.rng.normal(1, 0.1, (band.size, 1)) * s.rng.normal(1, 0.07, t.shape)
        shade = (shade * (0.65 + 0.4 * t)).reshape(-1, 1)
        s.leaves(px.ravel(), py.ravel(), r.ravel(), float(bz.mean()), shade * colour)


def _foliage(s: _Scene, rng: _Rng) -> _Array:
    """Colour of leaves: hardly any in April, green until August, then turning."""
    base = (104, 96, 66) if s.month < 5 else (82, 108, 54) if s.month < 9 else (98, 92, 42)
    return np.array(base) * rng.uniform(0.7, 1.2) + rng.normal(0, 8, 3)


def _grass(s: _Scene, rng: _Rng) -> _Array:
    """Colour of grass, from fresh to dry."""
    dry = min(1.0, rng.beta(1.3, 3) + (0.2 if s.month in (3, 8, 9) else 0))
    return np.array([98, 134, 58]) + np.array([62, 16, 34]) * dry + rng.normal(0, 5, 3)


def _turf(s: _Scene, colour: _Array, rough: float, near: float, far: float = 1e9) -> None:
    """Ground under grass between two distances, ``rough`` = unevenness from 0 to 1."""
    x, z, mask = s.plane(near, far)
    light = 0.92 + (0.05 + 0.08 * rough) * s.noise(x, z, 40)
    hue = (0.05 * (0.3 + rough) * np.array([1.5, 1, 0.6])).astype(np.float32)
    light = light[..., None] + s.noise(x, z, 3)[..., None] * hue
    s.fill(colour.astype(np.float32) * light, mask, z)


def _wood(s: _Scene, far: float) -> None:
    """A row of trees across the view or half of it: hedge, avenue or edge of a wood."""
    rng, wide = s.rng, 1.2 * s.w * far / s.f
    n = min(int(rng.choice([30, 80, 120])), int(wide / 1.5))
    x = np.linspace(-0.5, 0.5, n) * wide + rng.normal(0, 2, n)
    x = x[x * rng.choice([-1, 1]) > rng.choice([-1, 0]) * wide]
    tall = rng.uniform(3, 15) * rng.lognormal(0, 0.2, x.size)
    broad = 0 if rng.random() < 0.2 else 0.5
    _trees(s, x, far + rng.uniform(0, 5, x.size), tall, _foliage(s, rng) * 0.85, 0, broad)


def _house(s: _Scene, rng: _Rng, x: float, z: float, wide: float, shed: bool = False) -> None:
    """A house or shed, its front at z metres; roof, walls, door and windows."""
    wall = _WALLS[3 if shed else rng.integers(4)] * rng.uniform(0.85, 1.08)
    tall, deep = rng.uniform(2.6, 3.4) * (1.6 if shed else 1), rng.uniform(7, 10)
    ridge, mid, x0, x1 = tall + rng.uniform(1.5, 3.5), z + deep / 2, x - wide / 2, x + wide / 2
    eave, front = [x0 - 0.3, x1 + 0.3, x1 + 0.3, x0 - 0.3], z - 0.3
    parts: list[_Shape] = [
        (eave, [tall, tall, ridge, ridge], [front, front, mid, mid], _ROOFS[rng.integers(3)]),
        ([x0, x1, x1, x0], [0, 0, tall, tall], z, wall),
    ]
    if x0 > 0 or x1 < 0:  # seen from the side, too
        depth = [z, z + deep, z + deep, mid, z]
        gable = [0, 0, tall, ridge, tall]
        parts.insert(0, ([x0 if x0 > 0 else x1] * 5, gable, depth, wall * 0.75))
    if shed:
        gate = rng.uniform(x0 + 1, x1 - 5) + np.array([0, 4, 4, 0])
        parts.append((gate, [0, 0, 3.6, 3.6], z, (70, 74, 78)))
    else:
        for left in np.arange(x0 + 0.8, x1 - 1.2, rng.uniform(1.8, 3)):
            foot = 0.0 if rng.random() < 0.2 else 0.9  # door or window
            for rim, ink in (0.1, (235, 235, 230)), (0.0, (62, 70, 80)):
                pane = left + np.array([-rim, 1.2 + rim, 1.2 + rim, -rim])
                parts.append((pane, [foot, foot, 2.1 + rim, 2.1 + rim], z, ink))
    s.shapes(*parts)


def _car(s: _Scene, rng: _Rng, x: float, z: float) -> None:
    """A car from its side, z metres away."""
    paint, turn = _PAINTS[rng.integers(5)], np.linspace(0, 2 * np.pi, 12)
    floor, body = np.array([-2.1, 2.1, 2.1, -2.1]), np.array([-2.1, 2.1, 2.15, 1.2, -2.1])
    cabin, glass = np.array([-1.9, 1.2, 0.6, -1.5]), np.array([-1.7, 0.95, 0.5, -1.4])
    wheel, rise = 0.32 * np.cos(turn), 0.32 + 0.32 * np.sin(turn)
    s.shapes(
        (x + floor, [0.05, 0.05, 0.3, 0.3], z, (40, 40, 42)),
        (x + body, [0.25, 0.25, 0.75, 0.95, 0.95], z, paint),
        (x + cabin, [0.9, 0.9, 1.45, 1.45], z, paint * 0.9),
        (x + glass, [0.95, 0.95, 1.38, 1.38], z, (58, 68, 78)),
        (x - 1.3 + wheel, rise, z, (30, 30, 32)),
        (x + 1.35 + wheel, rise, z, (30, 30, 32)),
    )


def _poles(s: _Scene, x: _Array, z: _Array, tall: float, lamp: bool) -> None:
    """Poles, or lamps with their arms, at places on the ground."""
    ink, parts = (120, 124, 126) if lamp else (96, 82, 68), list[_Shape]()
    for px, pz in zip(x, z, strict=True):
        parts.append((px + np.array([-0.08, 0.08, 0.08, -0.08]), [0, 0, tall, tall], pz, ink))
        if lamp:
            arm = tall + np.array([0, 0.1, -0.12, -0.1])
            parts.append((px + np.array([0, 1.2, 1.2, 0]), arm, pz, ink))
    s.shapes(*parts)


def _artificial(s: _Scene, own: _Rng, near: float, code: str) -> None:
    """Built-up land: a road, street, yard or garden with what stands beside it."""
    rng, kinds = s.rng, ["road", "street", "yard", "garden"]
    kind = _BUILT[code] if code else str(own.choice(kinds, p=[0.25, 0.3, 0.25, 0.2]))
    road, grass, grey = kind in ("road", "street"), _grass(s, own), own.uniform(95, 165)
    paved = grey * np.array([[1.04, 1, 0.95], [1.2, 1.07, 0.9]][own.integers(2)], np.float32)
    _turf(s, grass, 0.3, near)
    x, z, mask = s.plane(near)
    along = rng.random() < 0.6
    bend, left, wide = rng.normal(0, 0.15), rng.uniform(-3.5, 3.5), own.uniform(4.5, 8)
    if road:
        off = x - left - bend * z if along else z - rng.uniform(4, 8) + bend * x
    elif kind == "yard":
        off, wide = z - 0.1 * x, own.uniform(20, 60)
    else:
        off, wide = z + 0.3 * x * np.sign(left) - near, own.uniform(4, 14)
    mask &= abs(off) < wide / 2
    light = 1 + 0.06 * s.noise(x, z, 60) + 0.03 * s.noise(x, z, 6)
    if not road and own.random() < 0.5:  # pavers
        joint = (abs(x * 2.5 % 1 - 0.5) > 0.45) | (abs(z * 2.5 % 1 - 0.5) > 0.45)
        light = light - 0.18 * joint / (1 + z * z / 80)
    if road and own.random() < 0.7:  # markings
        dash = (abs(off) < 0.08) & ((z if along else x) % 6 < 3)
        light = np.where(dash | (abs(abs(off) - wide / 2 + 0.3) < 0.07), 225 / grey, light)
    s.fill(paved * light[..., None], mask, z)
    houses = int(rng.integers(1, 5)) if kind != "road" else int(rng.random() < 0.3)
    nearest, farthest = 14.0, 60.0
    if code == "A11":  # a building is on the point itself
        houses, nearest, farthest = houses + 2, 9.0, 30.0
    elif code == "A21":
        houses, nearest = houses // 4, 40.0
    for far in np.sort(rng.uniform(nearest, farthest, houses))[::-1]:
        place = rng.uniform(-0.5, 0.5) * s.w * far / s.f
        if along and road:
            gap = place - left - bend * far
            place += np.sign(gap) * max(0.0, wide + 6 - abs(gap))
        _house(s, own, place, far, own.uniform(8, 30), kind == "yard" and own.random() < 0.6)
    if rng.random() < (0.3 if kind == "yard" else 0.7):
        tz = rng.uniform(10, 50, rng.integers(1, 9))
        beside = rng.choice([-1, 1], tz.size) * (wide / 2 + rng.uniform(1, 5, tz.size))
        tall, low = rng.uniform(1.5, 9, tz.size), float(rng.choice([0, 0.3]))
        _trees(s, beside + left + bend * tz, tz, tall, _foliage(s, rng), low, 0.3)
    if kind in ("street", "yard"):
        for far in np.sort(rng.uniform(7, 22, rng.integers(4)))[::-1]:
            _car(s, rng, rng.uniform(-6, 6), far)
    if rng.random() < 0.5:
        pz = np.array([45.0, 25, 12])
        _poles(s, left + bend * pz + wide / 2 + 1, pz, own.uniform(5, 8), own.random() < 0.7)


def _cropland(s: _Scene, own: _Rng, near: float, code: str) -> None:
    """A field with a crop of the month in rows, or bare soil."""
    rng = s.rng
    crops = [c for c in _FIELDS.get(code, _CROPS) if c.months[0] <= s.month <= c.months[1]]
    ink, cover, tall, gap, _ = crops[own.integers(len(crops))]
    plant = np.array(ink) * own.uniform(0.85, 1.12) + own.normal(0, 6, 3)
    soil = np.array([132, 110, 88]) * own.uniform(0.6, 1.15) + own.normal(0, 5, 3)
    angle = own.uniform(0, np.pi / 2) + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.06)
    lanes, canopy, base = own.random() < 0.8, min(tall, 1.45), soil.astype(np.float32)
    edge, layers = near, [(near, 1e9, 0.0)]
    if tall > 0.4:  # the canopy hides the ground but for a strip in front of it
        edge = max(near, rng.uniform(1.2, 3.5))
        strip = edge * s.eye / (s.eye - canopy) + 2
        layers = [(near, strip, 0.0), (edge, 1e9, canopy)]
    for layer in layers:
        x, z, mask = s.plane(*layer)
        across = x * np.cos(angle) + z * np.sin(angle)
        wave = np.cos(across * 2 * np.pi / gap + 0.4 * s.noise(x, z, 6)) / (1 + (z / 14) ** 2)
        share = (cover > 0) * (0.7 * cover + 0.3) + 0.9 * min(cover, 1 - cover) * wave
        if lanes:  # wheel tracks, every 18 m
            share = share * np.where(abs(abs((across + angle * 9) % 18 - 9) - 0.9) < 0.22, 0.25, 1)
        light = 1 + 0.11 * s.noise(x, z, 40) + 0.03 * s.noise(x, z, 3)
        light += (0.05 if cover else 0.22) * wave
        lit, green = (v[..., None].astype(np.float32) for v in (light, np.clip(share, 0, 1)))
        s.fill((base + (plant - soil).astype(np.float32) * green) * lit, mask, z)
    if rng.random() < 0.12:
        _wood(s, rng.uniform(12, 50))
    edge = max(edge, 1.5)
    if tall > 0.4:
        s.blades(1600, plant, tall, edge, edge + 6)
    elif cover:
        s.blades(1800, plant, tall, edge, 15, gap * (abs(np.cos(angle)) > 0.8))
    else:  # clods
        cx, cz = s.scatter(3000, edge, 20)
        s.dots(*s.project(cx, 0.0, cz), cz, soil * rng.normal(0.95, 0.22, (3000, 1)), 2)


def _grassland(s: _Scene, own: _Rng, near: float, code: str) -> None:
    """Grass from lawn to meadow, with flowers, a fence and single trees at times."""
    rng, colour = s.rng, _grass(s, own)
    tall, start = own.choice([0.06, 0.2, 0.45, 0.7], p=[0.25, 0.3, 0.3, 0.15]), max(near, 1.5)
    _turf(s, colour, min(1.0, 0.3 + tall * 2), near)
    if tall < 0.3 and own.random() < 0.2:  # mown, in swaths
        x, z, mask = s.plane(near)
        wave = 1 + 0.1 * np.cos((x * own.uniform(-1, 1) + z * 0.4) * 2.2) / (1 + z / 40)
        s.fill(s.a[-len(mask) :, :, :3] * wave[..., None], mask, 0 * z)
    s.blades(3500, colour * 0.95, tall, start, 25)
    if tall > 0.3:  # stalks above the leaves
        s.blades(1000, colour * 0.6 + np.array([70, 62, 38]), tall * 1.4, start, 18)
    if s.month in (5, 6, 7, 8) and own.random() < 0.6:
        petal = _PETALS[own.integers(3)]
        x, z = s.scatter(int(own.integers(60, 700)), start, 30)
        s.dots(*s.project(x, tall * 0.8, z), z, petal * rng.normal(0.95, 0.08, (x.size, 1)), 2)
    if rng.random() < 0.35:  # fence
        z = np.full(10, rng.uniform(10, 30))
        _poles(s, np.linspace(-0.6, 0.6, 10) * s.w * z / s.f, z, 1.1, lamp=False)
    has_trees, most, nearest = bool(rng.random() < 0.45), 12, 25
    if code:
        has_trees, most, nearest = code == "E10", 6, 18
    if has_trees:
        x, z = s.scatter(int(rng.integers(2 if code else 1, most)), nearest, 90)
        _trees(s, x, z, rng.uniform(1.5, 12, x.size), _foliage(s, rng), 0.1, 0.3)
    if rng.random() < 0.12:
        _wood(s, rng.uniform(12, 50))


def _woody(s: _Scene, own: _Rng, near: float, code: str) -> None:
    """A wood of broadleaves or spruces, scrub, or heath."""
    rng, kinds = s.rng, ["leaves", "needles", "scrub", "heath"]
    kind = _WOODS[code] if code else str(own.choice(kinds, p=[0.35, 0.25, 0.25, 0.15]))
    leaf, grass = _foliage(s, own), _grass(s, own) * 0.85
    litter = np.array([112, 100, 76]) * own.uniform(0.7, 1.1)
    if kind == "needles":
        leaf = np.array([50, 76, 48]) * own.uniform(0.8, 1.2)
    elif kind == "heath":
        leaf = np.array([116, 92, 88]) * own.uniform(0.9, 1.1)
        grass = leaf * 0.9
    if kind in ("leaves", "needles"):
        floor, start = litter if rng.random() < 0.6 else grass, near + float(rng.choice([4, 9, 20]))
        _turf(s, floor, 1, near)
        z = start + 45 * np.append(rng.uniform(0, 1, 45) ** 1.3, np.ones(20))
        tall = own.uniform(8, 18) * rng.uniform(0.7, 1.2, z.size)
        low = 0.02 if start > near + 5 else own.uniform(0.05, 0.35)
        _trees(s, s.across(z), z, tall, leaf, low, 0 if kind == "needles" else 0.3)
        x, z = s.scatter(int(rng.integers(3, 20)), start, start + 15)
        _trees(s, x, z, rng.uniform(0.7, 3, z.size), leaf, 0, 0.45)
    else:
        floor, (n, most) = grass, (300, 0.8) if kind == "heath" else (70, 4.5)
        _turf(s, floor, 1, near)
        z = near + 2.5 + rng.uniform(0, 1, n) ** 2 * 50
        _trees(s, s.across(z), z, rng.uniform(0.2, 1, n) * most, leaf, 0, 0.5)
    s.blades(1000, floor, 0.25, near + 1.5, 12)


_PAINTERS: dict[str, Callable[[_Scene, _Rng, float, str], None]] = {
    "artificial": _artificial,
    "cropland": _cropland,
    "grassland": _grassland,
    "woody": _woody,
}


@dataclass(frozen=True)
class _Photo:
    """One photo to be drawn: its point, class and time, which way it looks, what is wrong."""

    point_id: str
    habitat: str
    time: datetime
    lonlat: tuple[float, float]
    direction: str
    fault: str
    code: str  # "" where the class is all that is drawn


def _view(photo: _Photo, rng: _Rng, visit: list[int], w: int, h: int) -> Image.Image:
    """Draw the land as the camera sees it; ``visit`` seeds what all views of a visit share."""
    shared, own = np.random.default_rng([*visit, 0]), np.random.default_rng([*visit, 1])
    weather, down = str(shared.choice(list(_SKIES), p=[0.3, 0.4, 0.3])), photo.direction == "point"
    sun = 0.2 if weather == "overcast" else shared.uniform(0.6, 1)
    horizon = shared.uniform(0.26, 0.45) + rng.normal(0, 0.04)
    s = _Scene(rng, w, h, rng.uniform(0.06, 0.3) if down else horizon, photo.time.month, sun)
    _sky(s, weather)
    if rng.random() < 0.85:
        _wood(s, rng.uniform(120, 500))
    if rng.random() < 0.3:
        far = rng.uniform(100, 300)
        _house(s, rng, rng.uniform(-0.5, 0.5) * w * far / s.f, far, rng.uniform(12, 30))
    shown, code, near = photo.habitat, photo.code, rng.uniform(0, 2)
    if rng.random() < (0.01 if down else _OTHER_LAND):
        shown, code = str(rng.choice(_CLASSES, p=_NEIGHBOURS[shown])), ""
        own, near = np.random.default_rng(rng.integers(1 << 60)), rng.uniform(0, 6)
    if near > 0.5:  # a verge
        _turf(s, _grass(s, rng), 0.8, -1, near + 2)
    _PAINTERS[shown](s, own, near, code)
    if near > 2.5:
        s.blades(700, _grass(s, rng) * 0.9, 0.3, 1.3, near)
    # The camera and the light change white balance, exposure, saturation, contrast, sharpness and tilt.
    gain = shared.normal(1, [0.05, 0.02, 0.06]) * shared.lognormal(0.02, 0.12)
    vivid, contrast = shared.normal(0.95, 0.12), shared.normal(1.05, 0.1)
    matrix = contrast * (vivid * np.eye(3) + (1 - vivid) / 3) * gain * rng.lognormal(0, 0.05)
    matrix = np.column_stack([matrix, np.full(3, 115 * (1 - contrast))])
    image = Image.fromarray(s.a).convert("RGB").convert("RGB", tuple(matrix.ravel().tolist()))
    image = image.filter(ImageFilter.BoxBlur(float(abs(shared.normal(0.2, 0.3)))))
    return image.rotate(float(np.clip(rng.normal(0, 1.2), -2.5, 2.5)), Image.Resampling.BILINEAR)


def _credit(year: int, high: int) -> Image.Image:
    """The line burnt in at the bottom left of photos ``high`` pixels high, with its mask.

    As in the survey's photos it changed its look over the years: one line, two since 2015.
    """
    font = ImageFont.load_default(size=max(6, 0.022 * high))
    text, rim = (
        f"(c) lucas-habitat{' ' if year < 2015 else chr(10)}demo {year}",
        max(1, high // 600),
    )
    x0, y0, x1, y1 = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox(
        (0, 0), text, font, spacing=0, stroke_width=rim
    )
    patch = Image.new("LA", (int(x1 - x0), int(y1 - y0)))
    draw = ImageDraw.Draw(patch)
    draw.text(
        (-x0, -y0), text, (255, 255), font, spacing=0, stroke_width=rim, stroke_fill=(40, 255)
    )
    return patch


def _exif(photo: _Photo, rng: _Rng, orientation: int) -> Image.Exif:
    """The tags of a photo: camera, time, orientation, and since 2015 its position."""
    exif, stamp = Image.Exif(), photo.time.strftime("%Y:%m:%d %H:%M:%S")
    exif[0x010F], exif[0x0110], exif[0x0112] = "lucas-habitat demo", "drawn", orientation
    exif[0x0132], exif[0x8769] = stamp, {0x9003: stamp}
    if photo.time.year >= 2015:
        # Receivers are right to a few metres. Denmark is north of 0 and east of 0.
        lon, lat = (v * 3600 + rng.normal(0, 0.07) for v in photo.lonlat)
        exif[0x8825] = {
            tag: value
            for ref, sign, v in ((1, "N", lat), (3, "E", lon))
            for tag, value in ((ref, sign), (ref + 1, (v // 3600, v % 3600 // 60, v % 60)))
        }
    return exif


def _draw(
    photo: _Photo,
    folder: Path,
    seed: int,
    size: tuple[int, int],
    lines: dict[tuple[int, int], Image.Image],
    films: list[Image.Image],
) -> None:
    """Write one photo; ``lines`` are credit lines by year and height, ``films`` images of sensor noise."""
    year, view = photo.time.year, _DIRECTIONS.index(photo.direction)
    visit = [seed, int(photo.point_id), year]
    rng = np.random.default_rng([*visit, 2, view])
    upright = rng.random() < 0.03
    w, h = size[::-1] if upright else size
    data = io.BytesIO()
    if photo.fault == "text":
        data.write(b"This is not a photo.\n")
    elif photo.fault != "empty":
        small = min(1.0, 512 / max(size))  # drawn small and enlarged, which is fast
        image = _view(photo, rng, visit, round(w * small), round(h * small))
        # A tilted picture has empty corners, which are cut off.
        left, top = 0.03 * image.width, 0.03 * image.height
        box = (left, top, image.width - left, image.height - top)
        image = image.resize((w, h), Image.Resampling.BILINEAR, box)
        film = films[rng.integers(len(films))]
        film = film.transpose(Image.Transpose.ROTATE_90) if upright else film
        image = ImageChops.add(image, film, 1, -128)
        line = lines[year, h]
        corner = round(0.012 * w), round(0.985 * h) - line.height
        image.paste(line.convert("RGB"), corner, line.getchannel("A"))
        if upright:
            image = image.transpose(Image.Transpose.ROTATE_90)
        exif = _exif(photo, rng, 6 if upright else 1)
        image.save(data, "JPEG", quality=int(rng.integers(80, 89)), exif=exif)
    content = data.getvalue()
    if photo.fault == "truncated":
        content = content[: len(content) * 2 // 5]
    path = folder / (photo.code or photo.habitat) / f"{photo.point_id}_{photo.direction}_{year}.jpg"
    write_atomically(path, lambda tmp: tmp.write_bytes(content))


def _plan(n_points: int, seed: int, codes: bool = False) -> list[_Photo]:
    """Choose points, their classes and visits, and which views were taken or came out broken."""
    rng = np.random.default_rng(seed)
    km = [(x, y) for x0, x1, y0, y1 in _DENMARK for x in range(x0, x1, 2) for y in range(y0, y1, 2)]
    if n_points > len(km):
        raise InputError(
            f"{words.arg('n_points')} must be {len(km)} at most; got {n_points} instead."
        )
    km = [km[i] for i in rng.permutation(len(km))[:n_points]]
    positions = to_degrees(*(np.array(km, dtype=np.float64).T * 1000))
    faults = dict(zip(rng.permutation(n_points)[:3], ("truncated", "empty", "text"), strict=True))
    photos = []
    for i, (x, y) in enumerate(km):
        lonlat = positions.lon[i], positions.lat[i]
        code = list(_CODES)[i % len(_CODES)] if codes else ""
        habitat = _CODES[code] if codes else _CLASSES[i % 4]
        for year in rng.choice(_YEARS, 2 if rng.random() < 0.04 else 1, replace=False):
            month, day = rng.choice(_MONTHS, p=_MONTH_SHARES), rng.integers(1, 29)
            if code in _FIELDS:  # a crop is seen in its months only
                crop = _FIELDS[code][rng.integers(len(_FIELDS[code]))]
                month = rng.integers(crop.months[0], crop.months[1] + 1)
            time = datetime(year, month, day, rng.integers(8, 18), rng.integers(58))
            n_missing = int(rng.integers(1, 3)) if rng.random() < 0.06 else 0
            missing = rng.choice(_DIRECTIONS, n_missing, replace=False)
            taken = [d for d in _DIRECTIONS if d not in missing]
            broken = rng.choice(taken)
            for view in taken:
                time += timedelta(seconds=int(rng.integers(6, 25)))
                fault = faults.pop(i, "") if view == broken else ""
                photos.append(_Photo(f"{x:04d}{y:04d}", habitat, time, lonlat, view, fault, code))
    return photos


@checked
def draw_demo_photos(
    folder: str | os.PathLike[str],
    *,
    n_points: int = 200,
    seed: int = 1,
    size: tuple[int, int] = (1600, 1200),
    codes: bool = False,
    progress: Progress = True,
) -> Path:
    """Draw a folder of made-up LUCAS photos to try the package on.

    Fields, meadows, woods and built-up land are drawn, not photographed: enough for trying
    every step, not for a model of anything real. About five photos a point are written to
    ``{folder}/{class}/{point_id}_{direction}_{year}.jpg``, as the survey's look: the label is
    the point's while about one view in ten shows a neighbour's land, some directions are
    missing, some points were visited in two years, some photos are upright by their EXIF tag
    only, and three files are broken (cut short, empty, text).

    Parameters
    ----------
    folder : path
        Where to write; must be new or empty.
    n_points : int
        Points, at least 4, shared evenly among artificial, cropland, grassland and woody; with
        ``codes`` at least 11.
    seed : int
        The same seed, number and size give the same files.
    size : tuple of int
        Width and height of photos in pixels, at least 160 by 120.
    codes : bool, default False
        Whether classes are 11 LC1 codes that look different, at least two of each class, such as
        B11, B16 and B32 of cropland: to try levels (see `at_level`).
    progress : bool or callable, default True
        A callable is called as ``progress(done, total, what)``.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder holds anything, or an argument is out of range.
    """
    check_number("n_points", n_points, len(_CODES) if codes else len(_CLASSES), whole=True)
    check_number("seed", seed, 0, whole=True)
    if len(size) != 2:
        raise InputError(
            f"{words.arg('size')} must be a width and a height; got {words.value(size)} instead."
        )
    for i, least in enumerate((160, 120)):
        check_number(f"size[{i}]", size[i], least, whole=True)
    # R hands whole numbers as 4.0.
    folder, n_points, seed, size = (
        Path(folder),
        int(n_points),
        int(seed),
        (int(size[0]), int(size[1])),
    )
    if is_occupied(folder):
        raise InputError(f"{folder} is not empty. Name a new folder for the demo photos.")
    photos = _plan(n_points, seed, codes)
    lines = {(year, high): _credit(year, high) for year in _YEARS for high in size}
    grains = np.random.default_rng([seed, 3]).standard_normal((4, *size[::-1], 3), np.float32)
    films = [Image.fromarray((128.5 + 3 * g).astype(np.uint8)) for g in grains]
    _noise_tile()  # made once here, not once in every thread
    with (
        report(progress, len(photos), "photos drawn") as advance,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        jobs = [pool.submit(_draw, p, folder, seed, size, lines, films) for p in photos]
        try:
            for job in as_completed(jobs):
                job.result()
                advance(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return folder
