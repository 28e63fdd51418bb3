"""How far from points `covariates` gives values, and how many sites between points go without.

    python benchmarks/reach.py

Points are laid out in many ways on a square; the sites are 2,000 places at random within the points' convex
hull. For each layout and number of points: the percentage of these sites that are farther from the
nearest point than the default limit, and the limit in units of the mean spacing, which is the root of the
area a point has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from lucas_habitat._base.types import Floats
from lucas_habitat.interpolation import spacing

POINTS = (5, 10, 25, 50, 100, 300, 1000, 10_000)
SIDE = 1e6  # metres
Layout = Callable[[np.random.Generator, int], Floats]


def at_random(draws: np.random.Generator, n: int) -> Floats:
    return draws.uniform(0, 1, (n, 2))


def grid(draws: np.random.Generator, n: int) -> Floats:
    """A whole grid, of about n points."""
    steps = (np.arange(round(n**0.5)) + 0.5) / round(n**0.5)
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)


def part_of_grid(draws: np.random.Generator, n: int) -> Floats:
    """A fifth of a grid's places, as a survey takes of its master grid."""
    places = grid(draws, 5 * n)
    return places[draws.permutation(len(places))[:n]]


def groups(size: int, width: float) -> Layout:
    """Groups of points; width is their standard deviation over the mean spacing of groups."""

    def layout(draws: np.random.Generator, n: int) -> Floats:
        middles = at_random(draws, max(n // size, 1)).repeat(size, axis=0)[:n]
        return middles + draws.normal(0, width / max(n / size, 1) ** 0.5, middles.shape)

    return layout


def denser_west(draws: np.random.Generator, n: int) -> Floats:
    """Twenty times as dense in the west as in the east."""
    places = at_random(draws, n)
    places[:, 0] = (20 ** places[:, 0] - 1) / 19
    return places


def mostly_west(draws: np.random.Generator, n: int) -> Floats:
    """95 % of the points in the western fifth."""
    places = at_random(draws, n)
    is_west = draws.uniform(size=n) < 0.95
    places[:, 0] = np.where(is_west, places[:, 0] / 5, 0.2 + places[:, 0] * 0.8)
    return places


LAYOUTS: dict[str, Layout] = {
    "a grid": grid,
    "a fifth of a grid": part_of_grid,
    "at random": at_random,
    "20 times denser in the west": denser_west,
    "95 % in a fifth of the area": mostly_west,
    "plots of 5 side by side": groups(5, 0.02),
    "loose groups of 5": groups(5, 0.3),
    "groups of 20": groups(20, 0.1),
    "groups of 50": groups(50, 0.1),
}


def lost_and_limit(draws: np.random.Generator, layout: Layout, n: int) -> tuple[float, float]:
    """The share of sites between points that go without a value, and the limit in mean spacings."""
    places = layout(draws, n) * SIDE
    limit = spacing(np.column_stack([places, np.zeros(len(places))]))
    hull = Delaunay(places, qhull_options="QJ")
    low, high = places.min(axis=0), places.max(axis=0)
    sites = draws.uniform(low, high, (20_000, 2))
    sites = sites[hull.find_simplex(sites) >= 0][:2000]
    is_lost = cKDTree(places).query(sites)[0] > limit
    return float(is_lost.mean()), limit / (SIDE / len(places) ** 0.5)


def main() -> None:
    print("| points | " + " | ".join(f"{n:,}" for n in POINTS) + " |")
    print("|---" * (len(POINTS) + 1) + "|")
    for name, layout in LAYOUTS.items():
        draws = np.random.default_rng(1)
        cells = []
        for n in POINTS:
            runs = [lost_and_limit(draws, layout, n) for _ in range(100 if n <= 1000 else 10)]
            lost, limit = np.mean(runs, axis=0)
            cells.append(f"{100 * lost:.2f} %, {limit:.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
