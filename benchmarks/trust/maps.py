"""Maps: classifier and map err independently, or on the same hard land; which number holds the truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from common import Table, chance_of_coverage, error_of_mean

from lucas_habitat import MapAccuracy, evaluate
from lucas_habitat.maps.accuracy import judge_map

CLASSES = ["artificial", "cropland", "grassland", "woody"]
LEGEND = dict(enumerate(CLASSES, 1))
AREAS = pd.DataFrame({"class": CLASSES, "area": [0.1, 0.4, 0.3, 0.2]})
MAP_RIGHT, CLASSIFIER_RIGHT = 0.85, 0.8
HARD = 0.25  # of the land, in the second world


def other_class(classes, rng):
    """Another class for each."""
    return (classes + rng.integers(1, 4, len(classes))) % 4


def land(n, is_hard_for_both, rng):
    """Map class, true class and predicted class of n points; maps are right on 85 %, photos on 80 %."""
    on_map = rng.choice(4, n, p=AREAS["area"])
    is_hard = rng.random(n) < HARD
    if is_hard_for_both:
        map_wrong = np.where(
            is_hard, (1 - MAP_RIGHT) / HARD * 0.9, (1 - MAP_RIGHT) / (1 - HARD) * 0.1
        )
        wrong = np.where(is_hard, 0.65, 0.05)
    else:
        map_wrong, wrong = np.full(n, 1 - MAP_RIGHT), np.full(n, 1 - CLASSIFIER_RIGHT)
    truth = np.where(rng.random(n) < map_wrong, other_class(on_map, rng), on_map)
    predicted = np.where(rng.random(n) < wrong, other_class(truth, rng), truth)
    return on_map, truth, predicted


def judged(n, n_labelled, is_hard_for_both, rng, n_boot=200, corrects=True) -> MapAccuracy:
    """One map judged by n points, the first of which are labelled test points."""
    on_map, truth, predicted = land(n, is_hard_for_both, rng)
    names = np.array(CLASSES)
    points = pd.DataFrame(
        {
            "point_id": [f"p{i}" for i in range(n)],
            "n_photos": 5,
            "predicted": pd.Categorical(names[predicted], categories=CLASSES),
            "habitat": np.where(np.arange(n) < n_labelled, names[truth], None),
        }
    )
    return judge_map(
        points,
        pd.DataFrame({"located": True, "inside": True, "value": on_map + 1.0}),
        LEGEND,
        AREAS,
        reference="predicted",
        confusion=evaluate(points[:n_labelled], n_boot=0) if corrects else None,
        weights=None,
        n_boot=n_boot,
        level=0.95,
        seed=1,
    )


ESTIMATES = ("as_if_true", "corrected", "from_labels", "prediction_powered")


def world_rows(n, n_labelled, is_hard_for_both, n_runs, rng):
    """A row an estimate: bias, error, coverage and width of overall accuracy, coverage of areas."""
    accuracies = [judged(n, n_labelled, is_hard_for_both, rng) for _ in range(n_runs)]
    _, truth, _ = land(1_000_000, is_hard_for_both, np.random.default_rng(0))
    areas = np.bincount(truth, minlength=4) / len(truth)
    doubtful = np.mean([a.independence.is_doubtful for a in accuracies if a.independence])
    rows = []
    for name in ESTIMATES:
        parts = [getattr(a, name) for a in accuracies if getattr(a, name) is not None]
        values = np.array([p.overall_accuracy for p in parts])
        ends = np.array([p.overall_accuracy_interval for p in parts])
        hits = [
            (p.per_class.set_index("class").loc[CLASSES, "area_low"] <= areas)
            & (areas <= p.per_class.set_index("class").loc[CLASSES, "area_high"])
            for p in parts
        ]
        rows.append(
            {
                "errors": "on the same land" if is_hard_for_both else "independent",
                "labelled": n_labelled,
                "estimate": name,
                "mean": f"{values.mean():.3f}",
                "its MC error": f"{error_of_mean(values):.4f}",
                "error": f"{np.sqrt(np.mean((values - MAP_RIGHT) ** 2)):.3f}",
                "coverage": f"{np.mean((ends[:, 0] <= MAP_RIGHT) & (ends[:, 1] >= MAP_RIGHT)):.0%}",
                "width": f"{np.diff(ends).mean():.3f}",
                "coverage of areas": f"{np.mean(hits):.0%}",
                "called dependent": f"{doubtful:.0%}",
            }
        )
    return rows


def tables(quick: bool) -> list[Table]:
    """Two worlds, with few and many labelled points."""
    warnings.simplefilter("ignore")
    n_runs = 20 if quick else 300
    rng = np.random.default_rng(1)
    rows = []
    for is_hard_for_both in (False, True):
        for n_labelled in (100, 300):
            rows += world_rows(1500, n_labelled, is_hard_for_both, n_runs, rng)
    return [
        Table(
            "A map that is right on 85 % of its area",
            "1,500 classified points, right at 80 %, so many of them labelled. "
            f"{chance_of_coverage(n_runs)} In the second world nine in ten errors of the map and most of the "
            "classifier's lie on the same quarter of the land. Coverage of 95 % intervals; error is the root "
            "mean square.",
            pd.DataFrame(rows),
        )
    ]


if __name__ == "__main__":
    for table in tables(quick=True):
        print(table.markdown())
