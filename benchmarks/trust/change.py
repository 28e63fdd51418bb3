"""Change between two campaigns: estimates and intervals where their conditions hold, and where not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from common import Table, chance_of_coverage, error_of_mean

from lucas_habitat import transitions

CLASSES = ["artificial", "cropland", "grassland", "woody"]
SKILL = 1.7


def visits(n, change, persisting, rng):
    """Points seen twice, one calibrated photo each; a share of the errors' noise is the place's own."""
    first = rng.integers(0, 4, n)
    second = np.where(rng.random(n) < change, (first + rng.integers(1, 4, n)) % 4, first)
    truth = np.stack([first, second], axis=1)
    noise = np.sqrt(persisting) * rng.standard_normal((n, 1, 4))
    noise = noise + np.sqrt(1 - persisting) * rng.standard_normal((n, 2, 4))
    logits = SKILL * (SKILL * np.eye(4)[truth] + noise)
    p = np.exp(logits - logits.max(axis=2, keepdims=True))
    p = (p / p.sum(axis=2, keepdims=True)).reshape(-1, 4)
    return pd.DataFrame(
        {
            "point_id": np.repeat([f"plot {i}" for i in range(n)], 2),
            "year": [2012, 2018] * n,
            "n_photos": 1,
            "predicted": pd.Categorical.from_codes(p.argmax(axis=1), CLASSES),
            **{f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)},
            "calibrated": True,
            "habitat": pd.Categorical.from_codes(truth.ravel(), CLASSES).astype(str),
        }
    )


def with_labels(points, n_labelled):
    """The labels of the first points only."""
    is_known = np.arange(len(points)) < 2 * n_labelled
    return points.assign(habitat=points["habitat"].where(is_known).astype("str"))


def one_row(n, change, persisting, n_labelled, n_runs, rng):
    """Mean estimates, and how often intervals held the truth."""
    rows = []
    for _ in range(n_runs):
        points = with_labels(visits(n, change, persisting, rng), n_labelled)
        rows.append(transitions(points, n_boot=200).iloc[0])
    table = pd.DataFrame(rows)

    def held(name):
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        return f"{((low <= change) & (change <= high)).mean():.0%}" if low.notna().all() else ""

    def mean(name):
        return f"{table[name].mean():.1%}" if table[name].notna().all() else ""

    return {
        "truth": f"{change:.0%}",
        "noise that persists": f"{persisting:.0%}",
        "points": n,
        "labelled in both years": n_labelled,
        "by counting": mean("changed_predicted"),
        "changed": mean("changed"),
        "its MC error": f"{error_of_mean(table['changed']):.2%}",
        "interval held": held("changed"),
        "changed_labels": mean("changed_labels"),
        "its interval held": held("changed_labels"),
    }


def tables(quick: bool) -> list[Table]:
    """Estimates of the share changed."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    n_runs = 5 if quick else 100
    rows = [
        one_row(n, change, persisting, n_labelled, n_runs, rng)
        for change in (0.0, 0.05, 0.2)
        for persisting in (0, 0.5, 1)
        for n, n_labelled in ((600, 0), (600, 40), (600, 150))
    ]
    return [
        Table(
            "The share of points that changed",
            f"Four classes, calibrated photos right in about 80 %. {chance_of_coverage(n_runs)} `changed` "
            "takes errors of the two visits as independent; `changed_labels` does not. Where 40 points or "
            "more are labelled, the sharpness is learnt from them too.",
            pd.DataFrame(rows),
        )
    ]
