"""Shares of a region: with labels and without, where their conditions hold and where they do not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from common import Table, chance_of_coverage, error_of_mean

from lucas_habitat import estimate_shares

CLASSES = ["artificial", "cropland", "grassland", "woody"]
EQUAL = dict.fromkeys(CLASSES, 1)
LAND = np.array([0.05, 0.55, 0.3, 0.1])
#: How evidence is distorted: factor of the log-odds, and a shift of how cropland looks.
WORLDS = {
    "calibrated": (1.0, 0.0),
    "too sure (x 1.7)": (1.7, 0.0),
    "cropland looks like grassland": (1.0, 0.8),
}


def region(n, n_labelled, skill, world, years, rng):
    """Points of the land; with several years, photos of a point share most of their noise."""
    factor, shift = WORLDS[world]
    truth = np.repeat(rng.choice(4, n, p=LAND), years)
    own = np.repeat(rng.standard_normal((n, 4)), years, axis=0)
    noise = own if years == 1 else 0.8 * own + 0.6 * rng.standard_normal(own.shape)
    look = skill * np.eye(4)[truth]
    look[truth == 1] += shift * np.array([0, -1, 1, 0])
    p = np.exp(factor * skill * (look + noise))
    p /= p.sum(axis=1, keepdims=True)
    point = np.repeat(np.arange(n), years)
    table = pd.DataFrame(
        {
            "point_id": [f"p{i}" for i in point],
            "n_photos": 5,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            "calibrated": True,
            "habitat": np.where(point < n_labelled, np.array(CLASSES)[truth], None),
        }
    )
    table[[f"p_{c}" for c in CLASSES]] = p
    return table


def row(n, n_labelled, skill, world, years, n_runs, rng):
    """Bias of counting and of the estimate, coverage and width, over the classes."""
    found = [
        estimate_shares(region(n, n_labelled, skill, world, years, rng), class_shares=EQUAL)
        for _ in range(n_runs)
    ]
    values = np.array([f["share"] for f in found])
    hits = np.mean([(f["low"] <= LAND) & (f["high"] >= LAND) for f in found], axis=0)
    return {
        "probabilities": world,
        "classifier": {1.0: "weak", 1.5: "fair", 2.5: "good"}[skill],
        "points": n,
        "years": years,
        "labelled": n_labelled or "none",
        "bias of counting": f"{np.abs(np.mean([f['share_predicted'] for f in found], 0) - LAND).max():.3f}",
        "bias": f"{np.abs(values.mean(axis=0) - LAND).max():.3f}",
        "its MC error": f"{max(error_of_mean(of_class) for of_class in values.T):.4f}",
        "coverage": f"{hits.mean():.0%}",
        "worst class": f"{hits.min():.0%}",
        "width": f"{np.mean([f['high'] - f['low'] for f in found]):.3f}",
    }


def tables(quick: bool) -> list[Table]:
    """With labels and without."""
    warnings.simplefilter("ignore")
    n_runs = 20 if quick else 250
    rng = np.random.default_rng(1)
    labelled = [
        row(1000, n, skill, world, years, n_runs, rng)
        for world in WORLDS
        for skill in (1.0, 1.5, 2.5)
        for n in (30, 100, 300)
        for years in ((1, 3) if world == "calibrated" else (1,))
    ]
    bare = [
        row(n, 0, skill, world, 1, n_runs, rng)
        for world in WORLDS
        for skill in (1.0, 1.5, 2.5)
        for n in (300, 1000)
    ]
    text = "Four classes (5, 55, 30 and 10 %); biases are the largest of a class. "
    text += chance_of_coverage(n_runs)
    return [
        Table(
            "Shares from many classified and few labelled points",
            f"{text} 1,000 points in all. Nothing is assumed of the classifier. Goal: coverage of 95 % "
            "intervals of at least 93 %; where a good classifier meets few labels it is higher.",
            pd.DataFrame(labelled),
        ),
        Table(
            "Shares without labels",
            f"{text} Only the first rows meet the conditions: probabilities calibrated at the class shares "
            "given, classes that look as they did there.",
            pd.DataFrame(bare),
        ),
    ]


if __name__ == "__main__":
    for table in tables(quick=True):
        print(table.markdown())
