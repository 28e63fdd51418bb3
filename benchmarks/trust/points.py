"""Calibration of points: photos that share some of their noise, before and after the correction."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from common import Table, error_of_mean

from lucas_habitat import vote
from lucas_habitat.calibration import fit_with_points
from lucas_habitat.model import probabilities_of
from lucas_habitat.point_calibration import from_card, to_text

CLASSES = ["artificial", "cropland", "grassland", "woody"]
LAND = {"equal": np.full(4, 0.25), "land": np.array([0.05, 0.55, 0.3, 0.1])}


def visits(n, shared, gap, shares, strays, rng):
    """Photos of points: logits 1.7 times too sure, 1 to 5 photos a point, some photos of other things."""
    truth = rng.choice(4, n, p=shares)
    shown = np.repeat(truth[:, None], 5, axis=1)
    is_stray = rng.random((n, 5)) < strays
    shown[is_stray] = rng.integers(0, 4, is_stray.sum())
    noise = np.sqrt(shared) * rng.standard_normal((n, 1, 4))
    noise = noise + np.sqrt(1 - shared) * rng.standard_normal((n, 5, 4))
    logits = 1.7 * (gap * (gap * np.eye(4)[shown] + noise) + np.log(shares))
    has_photo = np.arange(5) < rng.choice([1, 3, 4, 5], n, p=[0.05, 0.1, 0.15, 0.7])[:, None]
    point = np.repeat(np.arange(n), 5)[has_photo.ravel()]
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(len(point))],
            "point_id": [f"plot {i}" for i in point],
            "year": 2018,
            "direction": None,
            "habitat": np.array(CLASSES)[truth][point],
        }
    )
    return logits.reshape(-1, 4)[has_photo.ravel()], truth, truth[point], table


def calibration_error(points, truth):
    """Expected calibration error of the predicted classes, ten bins."""
    codes = points["predicted"].cat.codes.to_numpy()
    p = points[[f"p_{c}" for c in CLASSES]].to_numpy()[np.arange(len(codes)), codes]
    bins = np.minimum((p * 10).astype(int), 9)
    sums = [np.bincount(bins, v, minlength=10) for v in (p, codes == truth)]
    return np.abs(sums[0] - sums[1]).sum() / len(p)


def one_row(shared, gap, land, strays, n_held_out, n_runs, rng):
    """Mean calibration errors of one setting, and the largest Monte-Carlo standard error of them."""
    errors: dict[str, list[float]] = {}
    for _ in range(n_runs):
        logits, _, labels, table = visits(n_held_out, shared, gap, LAND[land], strays, rng)
        card = fit_with_points(logits, labels, table)
        logits, truth, labels, table = visits(3000, shared, gap, LAND[land], strays, rng)
        p = probabilities_of(logits, card["temperature"])
        table["predicted"] = pd.Categorical.from_codes(p.argmax(axis=1), CLASSES)
        table[[f"p_{c}" for c in CLASSES]] = p
        table["calibrated"] = True
        right = table.assign(vote_calibration=to_text(from_card(card["points"])))
        for method in ("majority", "mean", "product"):
            errors.setdefault(f"{method} before", []).append(
                calibration_error(vote(table, method), truth)
            )
            errors.setdefault(method, []).append(calibration_error(vote(right, method), truth))
    shown = {name: f"{np.mean(values):.3f}" for name, values in errors.items()}
    return shown, max(error_of_mean(values) for values in errors.values())


def tables(quick: bool) -> list[Table]:
    """Calibration errors of points, by what their photos share."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    n_runs = 2 if quick else 10
    rows, chance = [], []
    for land in LAND:
        for strays in (0, 0.2):
            for gap, accuracy in ((0.8, "hard"), (1.5, "easy")):
                for shared in (0, 0.3, 0.6):
                    for n_held_out in (60, 300):
                        row = {
                            "class shares": land,
                            "photos": accuracy,
                            "noise shared": f"{shared:.0%}",
                            "photos of other things": f"{strays:.0%}",
                            "held-out points": n_held_out,
                        }
                        errors, of_chance = one_row(
                            shared, gap, land, strays, n_held_out, n_runs, rng
                        )
                        rows.append(row | errors)
                        chance.append((n_held_out, of_chance))
    largest = pd.DataFrame(chance).groupby(0)[1].max()
    return [
        Table(
            "Points' calibration error, before and after the correction",
            f"Four classes, 1 to 5 photos a point, {n_runs} runs a row, 3,000 test points a run. Photos are "
            "calibrated in both; goal: at most .030 where photos show what their point is. The "
            f"Monte-Carlo standard error is up to {largest[60]:.3f} with 60 held-out points, "
            f"{largest[300]:.3f} with 300.",
            pd.DataFrame(rows),
        )
    ]
