"""How long large tables take: seconds of the CPU, least of three.

    python benchmarks/tables.py

The tests hold that time grows with the rows and no faster (`growth` in tests/python/conftest.py);
how many seconds that is depends on the machine, so it is measured here and asserted nowhere.
"""

import time
import warnings

import numpy as np
import pandas as pd

import lucas_habitat as lh

CLASSES = ["artificial", "cropland", "grassland", "woody"]


def made_photos(n_points):
    """Predictions of five labelled photos a point, in two campaigns."""
    rng = np.random.default_rng(1)
    n = 5 * n_points
    point = np.arange(n) // 5
    p = rng.dirichlet(np.ones(4), n)
    return pd.DataFrame(
        {
            "path": [f"{i // 5 + 30_000_000}{'PNESW'[i % 5]}.jpg" for i in range(n)],
            "point_id": (point // 2 + 30_000_000).astype(str),
            "year": np.where(point % 2, 2018, 2015),
            "direction": np.array(list("PNESW"))[np.arange(n) % 5],
            "habitat": np.array(CLASSES)[rng.integers(0, 4, n_points)][point],
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            **{f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)},
            "calibrated": True,
        }
    )


def least(work, times=3):
    """Seconds of the CPU, which say less of what else the machine does than the clock."""
    took = []
    for _ in range(times):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return min(took)


def main():
    photos = made_photos(40_000)
    points = lh.vote(photos)
    rng = np.random.default_rng(2)
    points["x"], points["y"] = rng.uniform(4.0e6, 4.1e6, (2, len(points)))
    xy = rng.uniform(4.0e6, 4.1e6, (20_000, 2))
    sites = pd.DataFrame(xy, columns=["x", "y"])
    files = photos[["path", "habitat"]]
    labelled = lh.list_photos(files)
    few = points.head(10_000)
    work = {
        "list_photos, 200,000 rows": lambda: lh.list_photos(files),
        "split_photos, 200,000 photos": lambda: lh.split_photos(labelled),
        "vote, 200,000 photos": lambda: lh.vote(photos),
        "evaluate, 200,000 photos, 2,000 draws": lambda: lh.evaluate(photos),
        "transitions, 5,000 points in two years": lambda: lh.transitions(few),
        "covariates, 20,000 sites from 5,000 points, k = 5": lambda: lh.covariates(
            few, sites, crs="EPSG:3035", year="latest", k=5
        ),
        "covariates, the same within 5 km": lambda: lh.covariates(
            few, sites, crs="EPSG:3035", year="latest", radius=5000
        ),
    }
    print("| what | seconds of the CPU |\n|---|---|")
    for name, function in work.items():
        print(f"| {name} | {least(function):.2f} |", flush=True)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
