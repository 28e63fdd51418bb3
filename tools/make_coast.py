"""Make python/lucas_habitat/data/coast.csv: Europe's coastline, light enough to ship.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python tools/make_coast.py package/land-10m.json python/lucas_habitat/data/coast.csv

The source is Natural Earth 4.1.0 at 1:10m (public domain), as TopoJSON in npm's world-atlas. Rings are
brought to EPSG:3035, cut to Europe, thinned (Douglas and Peucker 1973) and rounded to 100 m. A row is a
line: its steps east and north in units of 100 m, the first from the projection's origin.
"""

import json
import sys
from pathlib import Path

import numpy as np
from pyproj import Transformer

# The Canary Islands to Cyprus, Crete to the North Cape and Iceland, in metres of EPSG:3035.
WEST, SOUTH, EAST, NORTH = 900_000, 900_000, 7_400_000, 5_600_000
TOLERANCE = 1500  # metres a thinned line may be off
SMALLEST = 10  # square kilometres


def rings(topology):
    """All rings of all land, as (n, 2) longitudes and latitudes."""
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = [np.cumsum(arc, axis=0) * scale + shift for arc in topology["arcs"]]
    for land in topology["objects"]["land"]["geometries"]:
        polygons = land["arcs"] if land["type"] == "MultiPolygon" else [land["arcs"]]
        for polygon in polygons:
            for ring in polygon:
                parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in ring]
                yield np.concatenate([parts[0]] + [part[1:] for part in parts[1:]])


def pieces(lonlat):
    """The parts of a ring within Europe, in EPSG:3035; whole rings stay closed."""
    near = (lonlat[:, 0] > -45) & (lonlat[:, 0] < 70) & (lonlat[:, 1] > 20) & (lonlat[:, 1] < 85)
    x, y = TO_EUROPE.transform(lonlat[:, 0], lonlat[:, 1])
    xy = np.column_stack([x, y])
    inside = near & (x > WEST) & (x < EAST) & (y > SOUTH) & (y < NORTH)
    if inside.all():
        return [xy]
    if not inside.any():
        return []
    start = int(np.argmin(inside))  # begin outside, so that no piece is cut at the ring's seam
    xy, inside = np.roll(xy[:-1], -start, axis=0), np.roll(inside[:-1], -start)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [xy[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


def thin(xy):
    """Drop vertices that lie within the tolerance of the line without them."""
    keep = np.zeros(len(xy), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(xy) - 1)]
    while spans:
        a, b = spans.pop()
        if b - a < 2:
            continue
        line, rest = xy[b] - xy[a], xy[a + 1 : b] - xy[a]
        length = np.hypot(*line)
        away = np.hypot(*rest.T)
        if length > 0:
            away = np.abs(line[0] * rest[:, 1] - line[1] * rest[:, 0]) / length
        far = int(away.argmax())
        if away[far] > TOLERANCE:
            keep[a + 1 + far] = True
            spans += [(a, a + 1 + far), (a + 1 + far, b)]
    return xy[keep]


def area(xy):
    """Square kilometres that a closed ring holds."""
    x, y = xy.T / 1000
    return abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2


TO_EUROPE = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)


def main():
    """Read the TopoJSON, write the table."""
    source, out = map(Path, sys.argv[1:])
    lines = ["steps"]
    n = 0
    for ring in rings(json.loads(source.read_text(encoding="utf-8"))):
        for piece in pieces(ring):
            closed = (piece[0] == piece[-1]).all()
            if closed and area(piece) < SMALLEST:
                continue
            piece = thin(piece)
            if len(piece) < (4 if closed else 2):
                continue
            steps = np.diff(np.round(piece / 100).astype(int), axis=0, prepend=[[0, 0]])
            lines.append(" ".join(map(str, steps.ravel())))
            n += len(piece)
    out.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{len(lines) - 1} lines, {n} vertices, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
