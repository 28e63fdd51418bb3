"""Sets that hold the true class, and points that need no person: what is promised and what comes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from common import Table, error_of_mean

from lucas_habitat import labelling_saved, prediction_sets

CLASSES = ["artificial", "cropland", "grassland", "woody"]
SHARES = {"labelled": np.array([0.1, 0.45, 0.3, 0.15]), "other": np.array([0.3, 0.15, 0.15, 0.4])}
N_TEST = 5_000


def points(n, gap, sharpness, shares, rng, hard=0.3, first=0):
    """Points with probabilities that are right at sharpness 1, and land that is harder in parts."""
    truth = rng.choice(4, n, p=shares)
    is_hard = rng.random(n) < hard
    own = np.where(is_hard, gap / 3, gap)[:, None]
    logits = own * (own * np.eye(4)[truth] + rng.standard_normal((n, 4)))
    logits = sharpness * (logits + np.log(SHARES["labelled"]))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    table = pd.DataFrame(
        {
            "point_id": [f"plot {i}" for i in range(first, first + n)],
            "n_photos": 5,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            **{f"p_{c}": p[:, k] for k, c in enumerate(CLASSES)},
            "habitat": np.array(CLASSES)[truth],
        }
    )
    return table, truth, is_hard


def sets_row(n_labelled, sharpness, land, coverage, per_class, n_runs, rng):
    """Coverage of the sets of one setting: of all points, of the worst class, of hard land."""
    runs = []
    for _ in range(n_runs):
        labelled, _, _ = points(n_labelled, 2.0, sharpness, SHARES["labelled"], rng)
        test, truth, is_hard = points(N_TEST, 2.0, sharpness, SHARES[land], rng, first=10**6)
        sets = prediction_sets(test, labelled, coverage, per_class=per_class)
        flags = sets[[f"s_{c}" for c in CLASSES]].to_numpy(dtype=bool)
        is_held = flags[np.arange(N_TEST), truth]
        by_class = [is_held[truth == k].mean() for k in range(4)]
        runs.append([is_held.mean(), *by_class, is_held[is_hard].mean(), flags.sum(axis=1).mean()])
    runs = np.array(runs)
    mean = runs.mean(axis=0)
    return {
        "labelled points": n_labelled,
        "probabilities": "right" if sharpness == 1 else f"{sharpness:g} times too sure",
        "class shares": "the same" if land == "labelled" else "others",
        "per_class": per_class,
        "asked": coverage,
        "held": f"{mean[0]:.3f}",
        "its MC error": f"{error_of_mean(runs[:, 0]):.4f}",
        "held in 95 % of runs": "{:.3f} to {:.3f}".format(*np.quantile(runs[:, 0], [0.025, 0.975])),
        "worst class": f"{mean[1:5].min():.3f}",
        "hard land": f"{mean[5]:.3f}",
        "classes a set": f"{mean[6]:.2f}",
    }


def sure_row(n_labelled, gap, sharpness, accuracy, n_runs, rng):
    """How often the promised accuracy is missed, and how many points are sure."""
    large, _, _ = points(40_000, gap, sharpness, SHARES["labelled"], rng, first=10**6)
    is_right = (large["predicted"].astype("str") == large["habitat"]).to_numpy()
    confidence = large[[f"p_{c}" for c in CLASSES]].max(axis=1).to_numpy()
    missed, saved, reached = [], [], []
    for _ in range(n_runs):
        labelled, _, _ = points(n_labelled, gap, sharpness, SHARES["labelled"], rng)
        row = labelling_saved(labelled, labelled, [accuracy]).iloc[0]
        has_threshold = np.isfinite(row["threshold"])
        is_sure = confidence >= row["threshold"]
        true = is_right[is_sure].mean() if has_threshold else 1.0
        missed.append(has_threshold and true < accuracy)
        reached.append(has_threshold)
        saved.append(is_sure.mean())
    order = np.argsort(-confidence)
    running = is_right[order].cumsum() / np.arange(1, len(order) + 1)
    possible = np.flatnonzero(running >= accuracy)
    return {
        "labelled points": n_labelled,
        "accuracy of all": f"{is_right.mean():.2f}",
        "probabilities": "right" if sharpness == 1 else f"{sharpness:g} times too sure",
        "asked": accuracy,
        "missed": f"{np.mean(missed):.1%}",
        "no threshold": f"{1 - np.mean(reached):.0%}",
        "saved": f"{np.mean(saved):.0%}",
        "could be saved": f"{(possible.max() + 1) / len(order) if len(possible) else 0:.0%}",
    }


def tables(quick: bool) -> list[Table]:
    """Coverage of sets, and the accuracy of sure points."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(6)
    n_runs = 10 if quick else 200
    sets = [
        sets_row(n, sharpness, land, coverage, per_class, n_runs, rng)
        for n in (100, 500)
        for sharpness in (1, 2)
        for land in ("labelled", "other")
        for per_class in (False, True)
        for coverage in ((0.9,) if quick else (0.8, 0.9, 0.95))
    ]
    sure = [
        sure_row(n, gap, sharpness, accuracy, n_runs, rng)
        for n in (100, 300, 1000)
        for gap in (1.5, 2.5)
        for sharpness in (1, 2)
        for accuracy in (0.9, 0.95, 0.99)
    ]
    error = 100 * np.sqrt(0.05 * 0.95 / n_runs)
    return [
        Table(
            "Sets of classes: asked and held",
            f"Four classes, 30 % of the land hard, {n_runs} runs a row of {N_TEST:,} test points. The "
            "share holds for all points where class shares are those of the labelled points; by class, and "
            "under other shares, only with per_class; not on hard land alone.",
            pd.DataFrame(sets),
        ),
        Table(
            "Sure points: how often the accuracy asked for is missed",
            f"The same land, {n_runs} runs a row, accuracy judged on 40,000 points. Promised: missed in "
            f"at most 5 % of runs (the Monte-Carlo standard error of 5 % is {error:.1f} points). "
            "The last column is what a person who knew all labels could save.",
            pd.DataFrame(sure),
        ),
    ]
