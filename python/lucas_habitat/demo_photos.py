"""Draw made-up LUCAS photos, because a repository that ships none must show its work on some."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from pyproj import Transformer

from ._progress import Progress, report
from ._tables import write_atomically
from .errors import InputError, check_number

__all__ = ["draw_demo_photos"]

_Floats = NDArray[Any]
_Rng = np.random.Generator

_CLASSES = ("artificial", "cropland", "grassland", "woody")
_DIRECTIONS = ("point", "north", "east", "south", "west")
_YEARS = (2009, 2012, 2015, 2018)
# Rough boxes of Jutland, Funen and Zealand in EPSG:3035 kilometres: few points fall in the sea.
_DENMARK = ((4210, 4310, 3530, 3790), (4320, 4360, 3560, 3600), (4410, 4470, 3570, 3640))
_HAZE = np.array([170, 185, 200], np.float32)  # what distance fades into
# Share of views (not of the point itself) that face land of another class.
_OTHER_LAND = 0.12
_OTHER_CLASS = {  # what borders on what: fields and meadows have more neighbours than yards
    "artificial": (0, 0.35, 0.4, 0.25),
    "cropland": (0.25, 0, 0.4, 0.35),
    "grassland": (0.25, 0.4, 0, 0.35),
    "woody": (0.2, 0.35, 0.45, 0),
}
# plants' colour, share of ground they hide, height and row spacing in m, months they are seen in
_CROPS: tuple[tuple[tuple[int, int, int], float, float, float, tuple[int, int]], ...] = (
    ((98, 140, 58), 0.55, 0.10, 0.25, (3, 5)),  # winter cereal, young
    ((98, 140, 58), 0.45, 0.08, 0.25, (9, 10)),  # next year's cereal
    ((112, 142, 74), 0.97, 0.75, 0.25, (5, 7)),  # cereal, green
    ((206, 172, 98), 0.98, 0.80, 0.25, (7, 8)),  # cereal, ripe
    ((214, 200, 48), 0.98, 1.15, 0.50, (5, 5)),  # oilseed rape
    ((74, 122, 52), 0.60, 0.30, 0.70, (5, 9)),  # beet, potatoes
    ((84, 128, 56), 0.55, 0.50, 0.75, (6, 6)),  # maize, young
    ((84, 124, 56), 0.95, 2.10, 0.75, (7, 10)),  # maize
    ((200, 176, 118), 0.60, 0.15, 0.35, (7, 10)),  # stubble
    ((0, 0, 0), 0.00, 0.00, 0.40, (3, 10)),  # ploughed or harrowed
)


@lru_cache(maxsize=1)
def _grain() -> _Floats:
    """Tile of 1/f noise, 1024 x 1024, mean 0 and deviation 1: the texture of everything."""
    rng = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024)[None])
    f[0, 0] = 1
    tile = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((1024, 1024))) / f)
    return (tile / tile.std()).astype(np.float32)


class _Scene:
    """A drawing in progress: its pixels and a camera that turns metres into pixels.

    x runs to the right, y up from the ground and z away from the camera, all in metres.
    """

    def __init__(self, rng: _Rng, w: int, h: int, horizon: float, month: int, sun: float) -> None:
        self.rng, self.w, self.h, self.month, self.sun = rng, w, h, month, sun
        self.hor, self.f, self.eye = horizon * h, 0.9 * max(w, h), 1.6
        self.a = np.empty((h, w, 4), np.uint8)  # the fourth lets dots move pixels as one number
        self.a[..., :3] = _HAZE
        self.shift = rng.integers(0, 1024, 2)

    def project(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> tuple[_Floats, _Floats]:
        z = np.asarray(z)
        return (
            self.w / 2 + self.f * np.asarray(x) / z,
            self.hor + self.f * (self.eye - np.asarray(y)) / z,
        )

    def scatter(self, n: int, near: float, far: float) -> tuple[_Floats, _Floats]:
        """Places on the ground in view, far ones first, as dense near as far away."""
        z = np.sort(1 / self.rng.uniform(1 / far, 1 / near, n))[::-1]
        return self.rng.uniform(-0.6, 0.6, n) * self.w * z / self.f, z

    def plane(
        self, near: float, far: float = 1e9, level: float = 0.0
    ) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
        """x and z of the lowest rows, which show y = level before ``far``; where to paint them."""
        drop = self.f * (self.eye - level)
        top = int(np.clip(self.hor + max(1, drop / far), 0, self.h - 1))
        z = (drop / (np.arange(top, self.h, dtype=np.float32) - self.hor))[:, None]
        x = (np.arange(self.w, dtype=np.float32) - self.w / 2) * (z / self.f)
        if z[-1] > near + 1:
            return x, z, np.ones(x.shape, bool)
        return x, z, z >= near + 0.3 * self.grain(x, z, 20)

    def grain(self, x: _Floats, z: _Floats, per_metre: float) -> _Floats:
        """Noise on the plane, faded where it would be finer than the pixels."""
        i = (x * per_metre).astype(np.int32) + self.shift[0] & 1023
        j = (z * per_metre).astype(np.int32) + self.shift[1] & 1023
        return _grain()[j, i] / (1 + per_metre * z * z / (self.f * self.eye * 12))

    def fill(self, colour: _Floats, mask: NDArray[np.bool_], z: _Floats) -> None:
        """Paint the lowest rows, those that `plane` gave."""
        share = _faded(z)[..., None]
        colour = np.clip(colour * (1 - share) + _HAZE * share, 0, 255).astype(np.uint8)
        np.copyto(self.a[-len(mask) :, :, :3], colour, where=mask[..., None])

    def dots(self, x: _Floats, y: _Floats, z: ArrayLike, colour: _Floats, size: int = 1) -> None:
        """Squares of ``size`` pixels; where they overlap the last one shows."""
        share = np.broadcast_to(_faded(z), x.shape)[:, None]
        ink = np.empty((x.size, 4), np.uint8)
        ink[:, :3] = np.clip(colour * (1 - share) + _HAZE * share, 0, 255)
        flat, inks = self.a.view(np.uint32).reshape(-1), ink.view(np.uint32).reshape(-1)
        x, y = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        for dx in range(size):
            for dy in range(size):
                ok = (x + dx >= 0) & (x + dx < self.w) & (y + dy >= 0) & (y + dy < self.h)
                flat[((y + dy) * self.w + x + dx)[ok]] = inks[ok]

    def blades(
        self,
        n: int,
        colour: ArrayLike,
        tall: float,
        near: float,
        far: float,
        tip: ArrayLike | None = None,
        rows: float = 0.0,
        wide: int = 1,
    ) -> None:
        """Upright strokes on the ground; ``rows`` = distance of the rows they stand in."""
        x, z = self.scatter(n, near, far)
        if rows:
            x = np.round(x / rows) * rows + self.rng.normal(0, 0.12, n) * rows
        px, py = self.project(x, 0.0, z)
        length = np.maximum(1, self.f * tall * self.rng.uniform(0.5, 1.15, n) / z)
        count = length.astype(int)
        k = np.repeat(np.arange(n), count)
        t = (np.arange(k.size) - np.repeat(np.cumsum(count) - count, count)) / length[k]
        lean = ((self.rng.normal(0, 0.3, n) + 0.15) * length)[k]
        shade = (self.rng.normal(1, 0.16, n)[k] * (0.55 + 0.55 * t)).astype(np.float32)
        inks = np.asarray(colour, np.float32) * shade[:, None]
        if tip is not None:
            inks[t > 0.75] = np.asarray(tip) * shade[t > 0.75, None]
        self.dots(px[k] + lean * t * t, py[k] - length[k] * t, z[k], inks, wide)

    def leaves(
        self, x: _Floats, y: _Floats, r: _Floats, z: float, colour: _Floats, size: int
    ) -> None:
        """Clumps of foliage at pixels x, y with radius r and each its colour, lit from above."""
        seen = (np.abs(x - self.w / 2) < self.w / 2 + r) & (y > -r) & (y < self.h + r)
        x, y, r, colour = x[seen], y[seen], r[seen], colour[seen]
        n = np.clip(3 * r * r / size**2, 4, 700).astype(int)
        k = np.repeat(np.arange(r.size), n)
        off = (
            self.rng.random((2, k.size), np.float32) + self.rng.random((2, k.size), np.float32) - 1
        )
        light = 0.85 - (0.2 + 0.3 * self.sun) * (off[1] + 0.5 * off[0])
        light += (0.08 + 0.1 * self.sun) * self.rng.standard_normal(k.size, np.float32)
        r = r.astype(np.float32)
        self.dots(
            x[k] + off[0] * r[k],
            y[k] + off[1] * r[k],
            z,
            colour.astype(np.float32)[k] * light[:, None],
            size,
        )

    def shapes(self, *shapes: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]) -> None:
        """Polygons from x, y, z of their corners and a colour."""
        image = Image.fromarray(self.a)
        draw = ImageDraw.Draw(image)
        for x, y, z, colour in shapes:
            px, py = self.project(x, y, np.asarray(z) + np.zeros(np.shape(x)))
            share = _faded(np.mean(z))
            ink = np.clip(np.asarray(colour) * (1 - share) + _HAZE * share, 0, 255).astype(int)
            draw.polygon(list(zip(px.tolist(), py.tolist(), strict=True)), tuple(ink.tolist()))
        self.a[:] = np.asarray(image)


def _faded(z: ArrayLike) -> _Floats:
    """Share of haze in what is seen z metres away."""
    return np.asarray(0.7 - 0.7 * np.exp(np.asarray(z, np.float32) / -700))


def _sky(s: _Scene, kind: str) -> None:
    blue, white = np.array(
        [[205, 210, 216], [238, 240, 242]]
        if kind == "overcast"
        else [[95, 145, 210], [242, 244, 248]],
        np.float32,
    )
    base, swing = {"overcast": (0.5, 0.25), "clear": (0.05, 0.04), "clouds": (-0.1, 0.7)}[kind]
    rows = np.arange(max(1, min(s.h, int(s.hor + 2))), dtype=np.float32)[:, None]
    up = np.maximum(0, (s.hor - rows) / s.h)
    depth = 1 / (up + 0.15)
    i = ((np.arange(s.w, dtype=np.float32) / s.w - 0.5) * depth * 60).astype(np.int32)
    j = (depth * 40).astype(np.int32) + s.shift[1]
    cloud = np.clip(base + swing * _grain()[j & 1023, i + s.shift[0] & 1023], 0, 1)
    cloud = np.maximum(cloud, 0.8 * np.exp(-up * 7))[..., None]
    s.a[: len(rows), :, :3] = blue * (1 - cloud) + white * cloud


def _trees(
    s: _Scene,
    x: ArrayLike,
    z: ArrayLike,
    tall: ArrayLike,
    colour: ArrayLike,
    conifer: bool = False,
    low: float = 0.3,
    broad: float = 0.3,
) -> None:
    """Trees; ``low`` and ``broad`` = where crowns begin and their half width, in heights."""
    x, z, tall = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (x, z, tall)))
    seen = np.flatnonzero(np.abs(x) - tall / 2 < 0.55 * s.w * z / s.f)
    seen = seen[np.argsort(-z[seen], kind="stable")]
    for band in np.array_split(seen, max(1, seen.size // 6)) if seen.size else ():
        bx, bz, bt = x[band, None], z[band, None], tall[band, None]
        scale = s.f / bz
        if low > 0.02:
            s.shapes(
                *(
                    (xx + np.array(part) * 0.018 * tt, np.array([0, 0, 0.8, 0.8]) * tt, zz, ink)
                    for xx, zz, tt in zip(bx[:, 0], bz[:, 0], bt[:, 0], strict=True)
                    for part, ink in (
                        ((-1, 1, 0.5, -0.5), (66, 57, 48)),
                        ((-1, 0, 0, -0.5), (98, 88, 76)),
                    )
                )
            )
        n = int(np.clip((scale * bt).max() / 5, 7, 30))
        t = np.sort(s.rng.uniform(0, 1, (band.size, n)), axis=1)
        if conifer:
            half, r = 0.2 * (1 - t), 0.02 + 0.07 * (1 - t)
        else:
            dome = t if low == 0 else 2 * t - 1  # bushes are widest at the ground
            half, r = broad * np.sqrt(1 - dome**2), np.full(t.shape, 0.5 * n**-0.4)
        r = np.maximum(1.5, r * bt * scale * s.rng.uniform(0.7, 1.3, t.shape))
        px, py = s.project(
            bx + s.rng.uniform(-1, 1, t.shape) * half * bt, (low + t * (1 - low)) * bt, bz
        )
        foot = s.project(bx, 0.0, bz)[1]
        ink = (
            np.asarray(colour)
            * s.rng.normal(1, 0.1, (*t.shape[:1], 1, 1))
            * s.rng.normal(1, 0.07, (*t.shape, 1))
            * (0.65 + 0.4 * t[..., None])
        )
        s.leaves(
            px.ravel(),
            np.minimum(py, foot - 0.8 * r).ravel(),
            r.ravel(),
            float(bz.mean()),
            ink.reshape(-1, 3),
            int(np.clip(r.mean() / 7, 1, 4)),
        )


def _green(s: _Scene, rng: _Rng) -> _Floats:
    """Foliage colour of the month: fresh in May, dull in August, partly turned in October."""
    base = np.array([82, 108, 54]) if s.month < 9 else np.array([98, 92, 42])
    if s.month < 5:
        base = np.array([104, 96, 66])
    return base * rng.uniform(0.7, 1.2) + rng.normal(0, 8, 3)


def _grass(s: _Scene, rng: _Rng) -> _Floats:
    fresh, dry = np.array([98, 134, 58]), np.array([160, 150, 92])
    dryness = rng.beta(1.3, 3) + (0.2 if s.month in (3, 8, 9) else 0)
    return fresh + (dry - fresh) * min(dryness, 1) + rng.normal(0, 5, 3)


def _turf(s: _Scene, colour: _Floats, near: float, far: float, rough: float) -> None:
    """Ground under grass between two distances, ``rough`` = unevenness from 0 to 1."""
    x, z, mask = s.plane(near, far)
    light = 0.92 + (0.05 + 0.08 * rough) * s.grain(x, z, 40)
    patch = 0.05 * (0.3 + rough) * s.grain(x, z, 3)[..., None] * np.array([1.5, 1, 0.6], np.float32)
    s.fill(colour.astype(np.float32) * (light[..., None] + patch), mask, z)


def _wood(s: _Scene, far: float) -> None:
    """A row of trees across the view or half of it: hedge, avenue or edge of a wood."""
    rng, wide = s.rng, 1.2 * s.w * far / s.f
    n = min(int(rng.choice([30, 80, 120])), int(wide / 1.5))
    x = np.linspace(-0.5, 0.5, n) * wide + rng.normal(0, 2, n)
    x = x[x * rng.choice([-1, 1]) > rng.choice([-1, 0]) * wide]
    _trees(
        s,
        x,
        far + rng.uniform(0, 5, x.size),
        rng.uniform(3, 15) * rng.lognormal(0, 0.2, x.size),
        _green(s, rng) * 0.85,
        bool(rng.random() < 0.2),
        low=0.0,
        broad=0.5,
    )


def _house(s: _Scene, rng: _Rng, x: float, z: float, wide: float, shed: bool = False) -> None:
    wall = np.array(
        [(150, 84, 66), (225, 220, 208), (214, 186, 120), (168, 166, 160), (176, 178, 176)][
            4 if shed else rng.integers(0, 4)
        ]
    ) * rng.uniform(0.85, 1.08)
    roof = np.array([(140, 72, 56), (74, 72, 74), (120, 118, 116)][rng.integers(0, 3)])
    tall, deep = rng.uniform(2.6, 3.4) * (1.6 if shed else 1), rng.uniform(7, 10)
    ridge, x0, x1 = tall + rng.uniform(1.5, 3.5), x - wide / 2, x + wide / 2
    parts: list[tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]] = []
    if x0 > 0 or x1 < 0:
        side, mid = (x0 if x0 > 0 else x1), z + deep / 2
        parts.append(
            ([side] * 5, [0, 0, tall, ridge, tall], [z, z + deep, z + deep, mid, z], wall * 0.75)
        )
    parts.append(
        (
            [x0 - 0.3, x1 + 0.3, x1 + 0.3, x0 - 0.3],
            [tall, tall, ridge, ridge],
            [z - 0.3, z - 0.3, z + deep / 2, z + deep / 2],
            roof,
        )
    )
    parts.append(([x0, x1, x1, x0], [0, 0, tall, tall], z, wall))
    if shed:
        door = rng.uniform(x0 + 1, x1 - 5)
        parts.append(([door, door + 4, door + 4, door], [0, 0, 3.6, 3.6], z, (70, 74, 78)))
    else:
        for left in np.arange(x0 + 0.8, x1 - 1.2, rng.uniform(1.8, 3)):
            foot = 0.0 if rng.random() < 0.2 else 0.9
            frame = np.array([left, left + 1.2, left + 1.2, left])
            parts.append(
                (frame + [-0.1, 0.1, 0.1, -0.1], [foot, foot, 2.2, 2.2], z, (235, 235, 230))
            )
            parts.append((frame, [foot + 0.1, foot + 0.1, 2.1, 2.1], z, (62, 70, 80)))
    s.shapes(*parts)


def _car(s: _Scene, rng: _Rng, x: float, z: float) -> None:
    paint = np.array(
        [(170, 30, 34), (40, 60, 110), (215, 216, 218), (50, 52, 56), (140, 146, 150)][
            rng.integers(0, 5)
        ]
    )
    wheel = np.linspace(0, 2 * np.pi, 12)
    s.shapes(
        (x + np.array([-2.1, 2.1, 2.1, -2.1]), [0.05, 0.05, 0.3, 0.3], z, (40, 40, 42)),
        (x + np.array([-2.1, 2.1, 2.15, 1.2, -2.1]), [0.25, 0.25, 0.75, 0.95, 0.95], z, paint),
        (x + np.array([-1.9, 1.2, 0.6, -1.5]), [0.9, 0.9, 1.45, 1.45], z, paint * 0.9),
        (x + np.array([-1.7, 0.95, 0.5, -1.4]), [0.95, 0.95, 1.38, 1.38], z, (58, 68, 78)),
        *(
            (x + c + 0.32 * np.cos(wheel), 0.32 + 0.32 * np.sin(wheel), z, (30, 30, 32))
            for c in (-1.3, 1.35)
        ),
    )


def _pole(s: _Scene, x: float, z: float, tall: float, lamp: bool) -> None:
    ink = (120, 124, 126) if lamp else (96, 82, 68)
    s.shapes(([x - 0.08, x + 0.08, x + 0.08, x - 0.08], [0, 0, tall, tall], z, ink))
    if lamp:
        s.shapes(([x, x + 1.2, x + 1.2, x], [tall, tall + 0.1, tall - 0.12, tall - 0.1], z, ink))


def _artificial(s: _Scene, own: _Rng, near: float) -> None:
    rng, kind = s.rng, own.choice(["road", "street", "yard", "garden"], p=[0.25, 0.3, 0.25, 0.2])
    colour, grey = _grass(s, own), own.uniform(95, 165)
    paved = grey * np.array([[1.04, 1, 0.95], [1.2, 1.07, 0.9]][own.integers(0, 2)], np.float32)
    _turf(s, colour, near, 1e9, 0.3)
    x, z, beyond = s.plane(near)
    along = rng.random() < 0.6
    bend, left, wide = rng.normal(0, 0.15), rng.uniform(-3.5, 3.5), own.uniform(4.5, 8)
    if kind in ("road", "street"):
        off = x - left - bend * z if along else z - rng.uniform(4, 8) + bend * x
    elif kind == "yard":
        off, wide = z - 0.1 * x, own.uniform(20, 60)
    else:
        off, wide = z + 0.3 * x * np.sign(left) - near, own.uniform(4, 14)
    surface = beyond & (abs(off) < wide / 2)
    light = 1 + 0.06 * s.grain(x, z, 60) + 0.03 * s.grain(x, z, 6)
    if kind in ("yard", "garden") and own.random() < 0.5:  # pavers
        joint = (abs(x * 2.5 % 1 - 0.5) > 0.45) | (abs(z * 2.5 % 1 - 0.5) > 0.45)
        light = light - 0.18 * joint / (1 + z * z / 80)
    s.fill(paved * light[..., None], surface, z)
    if kind in ("road", "street") and own.random() < 0.7:
        dash = (abs(off) < 0.08) & ((z if along else x) % 6 < 3)
        edge = abs(abs(off) - wide / 2 + 0.3) < 0.07
        s.fill(np.full((*surface.shape, 3), 225, np.float32), surface & (dash | edge), z)
    houses = int(rng.integers(1, 5)) if kind != "road" else int(rng.random() < 0.3)
    for zz in np.sort(rng.uniform(14, 60, houses))[::-1]:
        xx = rng.uniform(-0.5, 0.5) * s.w * zz / s.f
        if along and kind in ("road", "street"):
            gap = xx - left - bend * zz
            xx += np.sign(gap) * max(0.0, wide + 6 - abs(gap))
        _house(s, own, xx, zz, own.uniform(8, 30), shed=kind == "yard" and own.random() < 0.6)
    if rng.random() < (0.7 if kind != "yard" else 0.3):
        n = int(rng.integers(1, 9))
        zz = rng.uniform(10, 50, n)
        xx = rng.choice([-1, 1], n) * (wide / 2 + rng.uniform(1, 5, n)) + left + bend * zz
        _trees(s, xx, zz, rng.uniform(1.5, 9, n), _green(s, rng), low=float(rng.choice([0, 0.3])))
    if kind in ("street", "yard"):
        for zz in np.sort(rng.uniform(7, 22, int(rng.integers(0, 4))))[::-1]:
            _car(s, rng, rng.uniform(-6, 6), zz)
    if rng.random() < 0.5:
        for zz in (45.0, 25.0, 12.0):
            _pole(s, left + bend * zz + wide / 2 + 1, zz, own.uniform(5, 8), own.random() < 0.7)


def _cropland(s: _Scene, own: _Rng, near: float) -> None:
    rng = s.rng
    fits = [c for c in _CROPS if c[4][0] <= s.month <= c[4][1]]
    ink, cover, tall, gap, _ = fits[own.integers(0, len(fits))]
    plant = np.array(ink) * own.uniform(0.85, 1.12) + own.normal(0, 6, 3)
    soil = np.array([132, 110, 88]) * own.uniform(0.6, 1.15) + own.normal(0, 5, 3)
    angle = own.uniform(0, np.pi / 2) + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.06)
    lanes, upright = own.random() < 0.8, tall > 0.4
    edge = max(near, rng.uniform(1.2, 3.5)) if upright else near
    for level in (0.0, min(tall, 1.45)) if upright else (0.0,):
        # Below a canopy, ground is needed only as far as it shows in front of its edge.
        far = edge * s.eye / (s.eye - min(tall, 1.45)) + 2 if upright and not level else 1e9
        x, z, mask = s.plane(edge if level else near, far, level)
        across = x * np.cos(angle) + z * np.sin(angle)
        wave = np.cos(across * 2 * np.pi / gap + 0.4 * s.grain(x, z, 6)) / (1 + (z / 14) ** 2)
        share = 0.7 * cover + 0.3 + 0.9 * min(cover, 1 - cover) * wave if cover else 0 * wave
        if lanes:  # wheel tracks, every 18 m
            share = share * np.where(abs(abs((across + angle * 9) % 18 - 9) - 0.9) < 0.22, 0.25, 1)
        light = 1 + 0.11 * s.grain(x, z, 40) + 0.03 * s.grain(x, z, 3)
        light += (0.05 if cover else 0.22) * wave
        colour = soil + (plant - soil) * np.clip(share, 0, 1)[..., None].astype(np.float32)
        s.fill(colour * light[..., None], mask, z)
    if rng.random() < 0.12:
        _wood(s, rng.uniform(12, 50))
    start = max(edge, 1.5)
    if upright:
        s.blades(1600, plant * 0.9, tall, start, start + 6, plant * 1.15, wide=1 + (tall > 1))
    elif cover:
        s.blades(1800, plant, max(tall, 0.06), start, 15, rows=gap * (abs(np.cos(angle)) > 0.8))
    else:  # clods
        x, z = s.scatter(3000, start, 20)
        s.dots(*s.project(x, 0.0, z), z, soil * rng.normal(0.95, 0.22, (3000, 1)), 2)


def _grassland(s: _Scene, own: _Rng, near: float) -> None:
    rng, colour = s.rng, _grass(s, own)
    tall = own.choice([0.06, 0.2, 0.45, 0.7], p=[0.25, 0.3, 0.3, 0.15])
    start = max(near, 1.5)
    _turf(s, colour, near, 1e9, min(1.0, 0.3 + tall * 2))
    if tall < 0.3 and own.random() < 0.2:  # mown, in swaths
        x, z, mask = s.plane(near)
        wave = 0.1 * np.cos((x * own.uniform(-1, 1) + z * 0.4) * 2.2) / (1 + z / 40)
        s.fill(s.a[-len(mask) :, :, :3] * (1 + wave[..., None]), mask, 0 * z)
    s.blades(3500, colour * 0.95, tall, start, 25)
    if tall > 0.3:  # stalks above the leaves
        s.blades(1000, colour * 0.6 + np.array([70, 62, 38]), tall * 1.4, start, 18)
    if s.month in (5, 6, 7, 8) and own.random() < 0.6:
        petal = np.array([(240, 214, 50), (245, 245, 240), (190, 120, 170)][own.integers(0, 3)])
        x, z = s.scatter(int(own.integers(60, 700)), start, 30)
        s.dots(*s.project(x, tall * 0.8, z), z, petal * rng.normal(0.95, 0.08, (x.size, 1)), 2)
    if rng.random() < 0.35:
        zz = rng.uniform(10, 30)
        for xx in np.arange(-0.6, 0.6, 0.12) * s.w * zz / s.f:
            _pole(s, xx, zz, 1.1, lamp=False)
    if rng.random() < 0.45:
        x, z = s.scatter(int(rng.integers(1, 12)), 25, 90)
        _trees(s, x, z, rng.uniform(1.5, 12, x.size), _green(s, rng), low=0.1)
    if rng.random() < 0.12:
        _wood(s, rng.uniform(12, 50))


def _woody(s: _Scene, own: _Rng, near: float) -> None:
    rng, kind = (
        s.rng,
        own.choice(["broadleaf", "conifer", "scrub", "heath"], p=[0.35, 0.25, 0.25, 0.15]),
    )
    leaf, litter = _green(s, own), np.array([112, 100, 76]) * own.uniform(0.7, 1.1)
    if kind == "conifer":
        leaf = np.array([50, 76, 48]) * own.uniform(0.8, 1.2)
    if kind in ("broadleaf", "conifer"):
        floor = litter if rng.random() < 0.6 else _grass(s, own) * 0.8
        _turf(s, floor, near, 1e9, 1)
        start = near + float(rng.choice([4, 9, 20], p=[0.5, 0.3, 0.2]))
        z = start + 45 * np.append(rng.uniform(0, 1, 45) ** 1.3, np.ones(20))
        x = rng.uniform(-0.6, 0.6, z.size) * s.w * z / s.f
        low = 0.02 if start > near + 5 else own.uniform(0.05, 0.35)
        _trees(
            s,
            x,
            z,
            own.uniform(8, 18) * rng.uniform(0.7, 1.2, z.size),
            leaf,
            bool(kind == "conifer"),
            low,
        )
        x, z = s.scatter(int(rng.integers(3, 20)), start, start + 15)
        _trees(s, x, z, rng.uniform(0.7, 3, z.size), leaf, low=0, broad=0.45)
    else:
        n, tallest, ink = (
            (300, 0.8, np.array([116, 92, 88])) if kind == "heath" else (70, 4.5, leaf)
        )
        floor = ink * 0.9 if kind == "heath" else _grass(s, own) * 0.85
        _turf(s, floor, near, 1e9, 1)
        z = near + 2.5 + rng.uniform(0, 1, n) ** 2 * 50
        _trees(
            s,
            rng.uniform(-0.6, 0.6, n) * s.w * z / s.f,
            z,
            rng.uniform(0.2, 1, n) * tallest,
            ink,
            low=0,
            broad=0.5,
        )
    s.blades(1000, floor, 0.25, near + 1.5, 12)


_PAINTERS: dict[str, Callable[[_Scene, _Rng, float], None]] = {
    "artificial": _artificial,
    "cropland": _cropland,
    "grassland": _grassland,
    "woody": _woody,
}


@dataclass(frozen=True)
class _Photo:
    """One photo to be drawn: where it goes and what it shows."""

    path: Path
    habitat: str
    point_id: str
    direction: str
    year: int
    lonlat: tuple[float, float]
    broken: str = ""


def _view(photo: _Photo, rng: _Rng, seeds: list[int], w: int, h: int) -> Image.Image:
    """Draw the land as the camera sees it, at working resolution."""
    point = np.random.default_rng([*seeds, photo.year])  # the same in all views of a visit
    month = int(
        point.choice([3, 4, 5, 6, 7, 8, 9, 10], p=[0.04, 0.08, 0.17, 0.22, 0.2, 0.14, 0.1, 0.05])
    )
    weather = str(point.choice(["clear", "clouds", "overcast"], p=[0.3, 0.4, 0.3]))
    level, own = point.uniform(0.26, 0.45), np.random.default_rng([*seeds, photo.year, 1])
    looks_down = photo.direction == "point"
    horizon = rng.uniform(0.06, 0.3) if looks_down else level + rng.normal(0, 0.04)
    s = _Scene(rng, w, h, horizon, month, 0.2 if weather == "overcast" else point.uniform(0.6, 1))
    _sky(s, weather)
    if rng.random() < 0.85:
        _wood(s, rng.uniform(120, 500))
    if rng.random() < 0.3:
        far = rng.uniform(100, 300)
        _house(s, rng, rng.uniform(-0.5, 0.5) * w * far / s.f, far, rng.uniform(12, 30))
    shown, near = photo.habitat, rng.uniform(0, 2)
    if rng.random() < (0.01 if looks_down else _OTHER_LAND):
        shown = str(rng.choice(_CLASSES, p=_OTHER_CLASS[shown]))
        own, near = np.random.default_rng(rng.integers(1 << 60)), rng.uniform(0, 6)
    if near > 0.5:
        _turf(s, _grass(s, rng), -1, near + 2, 0.8)
    _PAINTERS[shown](s, own, near)
    if near > 2.5:
        s.blades(700, _grass(s, rng) * 0.9, 0.3, 1.3, near)
    # What camera and light add: white balance, exposure, saturation, contrast, blur, tilt.
    gain = (
        point.normal(1, [0.05, 0.02, 0.06]) * point.lognormal(0.02, 0.12) * rng.lognormal(0, 0.05)
    )
    vivid, contrast = point.normal(0.95, 0.12), point.normal(1.05, 0.1)
    matrix = contrast * (vivid * np.eye(3) + (1 - vivid) / 3) * gain
    matrix = np.column_stack([matrix, np.full(3, 115 * (1 - contrast))])
    image = Image.fromarray(s.a).convert("RGB").convert("RGB", tuple(matrix.ravel().tolist()))
    image = image.filter(ImageFilter.BoxBlur(float(abs(point.normal(0.2, 0.3)))))
    return image.rotate(rng.normal(0, 1.2), Image.Resampling.BILINEAR)


def _credit(year: int, high: int) -> Image.Image:
    """The line burnt in at the bottom left of photos ``high`` pixels high, with its mask."""
    font = ImageFont.load_default(size=max(6, 0.022 * high))
    text, rim = f"(c) lucas-habitat demo {year}", max(1, high // 600)
    box = font.getbbox(text, stroke_width=rim)
    patch = Image.new("LA", (int(box[2] - box[0]), int(box[3] - box[1])))
    ImageDraw.Draw(patch).text(
        (-box[0], -box[1]), text, (255, 255), font, stroke_width=rim, stroke_fill=(40, 255)
    )
    return patch


def _exif(photo: _Photo, rng: _Rng, orientation: int) -> Image.Exif:
    exif, start = Image.Exif(), np.random.default_rng([int(photo.point_id), photo.year])
    month, day, hour, minute = (
        int(start.integers(*r)) for r in ((4, 10), (1, 29), (8, 17), (0, 59))
    )
    second = 10 * _DIRECTIONS.index(photo.direction) + int(rng.integers(0, 10))
    stamp = f"{photo.year}:{month:02}:{day:02} {hour:02}:{minute:02}:{second:02}"
    exif[0x010F], exif[0x0110], exif[0x0112] = "lucas-habitat demo", "drawn", orientation
    exif[0x0132], exif[0x8769] = stamp, {0x9003: stamp}
    if photo.year >= 2015:
        gps: dict[int, Any] = {}
        for tag, value, signs in ((1, photo.lonlat[1], "NS"), (3, photo.lonlat[0], "EW")):
            value += float(rng.normal(0, 2e-5))  # metres, as receivers are
            gps[tag], minutes = signs[int(value < 0)], abs(value) % 1 * 60
            gps[tag + 1] = (float(int(abs(value))), float(int(minutes)), minutes % 1 * 60)
        exif[0x8825] = gps
    return exif


def _draw(
    photo: _Photo,
    seed: int,
    size: tuple[int, int],
    credit: dict[tuple[int, int], Image.Image],
    noise: Image.Image,
) -> None:
    if photo.broken == "empty":
        write_atomically(photo.path, lambda tmp: tmp.write_bytes(b""))
        return
    if photo.broken == "text":
        write_atomically(photo.path, lambda tmp: tmp.write_text("This is not a photo.\n"))
        return
    seeds = [seed, int(photo.point_id)]
    rng = np.random.default_rng([*seeds, photo.year, 2, _DIRECTIONS.index(photo.direction)])
    upright = rng.random() < 0.03
    w, h = size[::-1] if upright else size
    shrink = min(1.0, 512 / max(size))
    image = _view(photo, rng, seeds, round(w * shrink), round(h * shrink))
    # A tilted picture has empty corners: they stay outside.
    box = (0.03 * image.width, 0.03 * image.height, 0.97 * image.width, 0.97 * image.height)
    image = image.resize((w, h), Image.Resampling.BILINEAR, box)
    dx, dy = int(rng.integers(0, noise.width - w + 1)), int(rng.integers(0, noise.height - h + 1))
    image = ImageChops.add(image, noise.crop((dx, dy, dx + w, dy + h)), 1, -128)
    line = credit[photo.year, h]
    image.paste(
        line.convert("RGB"),
        (round(0.012 * w), round(0.985 * h) - line.height),
        line.getchannel("A"),
    )
    if upright:
        image = image.transpose(Image.Transpose.ROTATE_90)
    data = io.BytesIO()
    image.save(
        data, "JPEG", quality=int(rng.integers(80, 89)), exif=_exif(photo, rng, 6 if upright else 1)
    )
    whole = data.getvalue()
    kept = len(whole) * 2 // 5 if photo.broken == "truncated" else len(whole)
    write_atomically(photo.path, lambda tmp: tmp.write_bytes(whole[:kept]))


def _plan(folder: Path, n_points: int, seed: int) -> list[_Photo]:
    """Choose points, their classes and years, and which views were taken or came out broken."""
    rng = np.random.default_rng(seed)
    cells = np.array(
        [(x, y) for x0, x1, y0, y1 in _DENMARK for x in range(x0, x1, 2) for y in range(y0, y1, 2)]
    )
    if n_points > len(cells):
        raise InputError(f"n_points can be {len(cells)} at most; got {n_points} instead.")
    cells = cells[rng.permutation(len(cells))[:n_points]]
    lon, lat = Transformer.from_crs(3035, 4326, always_xy=True).transform(
        cells[:, 0] * 1000.0, cells[:, 1] * 1000.0
    )
    broken = dict(
        zip(rng.permutation(n_points)[:3].tolist(), ("truncated", "empty", "text"), strict=False)
    )
    photos = []
    for i, (x, y) in enumerate(cells):
        habitat, point_id = _CLASSES[i % 4], f"{x:04d}{y:04d}"
        years = rng.choice(_YEARS, 2 if rng.random() < 0.04 else 1, replace=False)
        for visit, year in enumerate(years.tolist()):
            lost = rng.choice(
                _DIRECTIONS, int(rng.integers(1, 3)) if rng.random() < 0.06 else 0, replace=False
            )
            taken = [d for d in _DIRECTIONS if d not in lost]
            bad = rng.choice(taken)
            photos += [
                _Photo(
                    folder / habitat / f"{point_id}_{d}_{year}.jpg",
                    habitat,
                    point_id,
                    d,
                    year,
                    (float(lon[i]), float(lat[i])),
                    broken.get(i, "") if d == bad and visit == 0 else "",
                )
                for d in taken
            ]
    return photos


def draw_demo_photos(
    folder: str | os.PathLike[str],
    *,
    n_points: int = 200,
    seed: int = 1,
    size: tuple[int, int] = (1600, 1200),
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
        Points, at least 4, shared evenly among artificial, cropland, grassland and woody.
    seed : int
        The same seed, number and size give the same files.
    size : tuple of int
        Width and height of photos in pixels, at least 160 by 120.
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
    check_number("n_points", n_points, 4, whole=True)
    check_number("seed", seed, 0, whole=True)
    check_number("size[0]", size[0], 160, whole=True)
    check_number("size[1]", size[1], 120, whole=True)
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty. Name a new folder for the demo photos.")
    photos = _plan(folder, n_points, seed)
    credit = {(year, high): _credit(year, high) for year in _YEARS for high in size}
    side = max(size) + 64
    grains = np.random.default_rng([seed, 3]).normal(128, 3.0, (side, side, 3))
    noise = Image.fromarray(grains.astype(np.uint8))
    _grain()  # made once here, not once in every thread
    with (
        report(progress, len(photos), "photos drawn") as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        jobs = [pool.submit(_draw, photo, seed, size, credit, noise) for photo in photos]
        try:
            for job in as_completed(jobs):
                job.result()
                advance(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return folder
