"""What a test by photo, point and block tells of land elsewhere, and accuracy by distance to training."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from common import Table, error_of_mean
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from lucas_habitat import error_by_distance
from lucas_habitat.blocks import check_apart, folds_of, place_of_points, training_of

CLASSES = np.array(["artificial", "cropland", "grassland", "woody"])
SIDE, PHOTOS, FEATURES = 400.0, 5, 20
MODELS = {
    "logistic regression": lambda: LogisticRegression(max_iter=300),
    "nearest neighbours": lambda: KNeighborsClassifier(5),
}


def field(places, reach, n, rng):
    """n Gaussian fields at places (km), of variance 1, whose correlation falls as exp(-distance / reach)."""
    correlation = np.exp(-cdist(places, places) / reach) + 1e-9 * np.eye(len(places))
    return np.linalg.cholesky(correlation) @ rng.standard_normal((len(places), n))


def world(reach, n, rng):
    """Points in clusters on a square of land and, as the land a map is made for, points far from them.

    A photo's features are its class' mean, a look of the land that neighbours share, a look of its point that
    its photos share, and noise of its own.
    """
    centres = rng.uniform(0, SIDE, (n // 10, 2))
    near = centres[rng.integers(0, len(centres), n)] + rng.normal(0, 4, (n, 2))
    far = rng.uniform(0, SIDE, (n // 2, 2)) + np.array([SIDE + 200, 0])
    places = np.concatenate([near, far])
    truth = field(places, reach, 4, rng).argmax(axis=1)
    look = field(places, reach, FEATURES, rng) + 0.6 * rng.standard_normal((len(places), FEATURES))
    means = 0.45 * rng.standard_normal((4, FEATURES))
    point = np.repeat(np.arange(len(places)), PHOTOS)
    features = (means[truth] + look)[point] + 0.8 * rng.standard_normal((len(point), FEATURES))
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(len(point))],
            "point_id": [f"plot {i}" for i in point],
            "year": 2018,
            "habitat": CLASSES[truth][point],
            "x": 4_000_000 + 1000 * places[point, 0],
            "y": 3_000_000 + 1000 * places[point, 1],
        }
    )
    return table, features, point < n


def held_out(table, features, fold, buffer, model):
    """The class of every photo by a model of the other folds, and the distance to what it learnt from."""
    places = place_of_points(table)
    guess, km = np.empty(len(table), dtype=object), np.full(len(table), np.nan)
    for number in np.unique(fold):
        is_test = fold == number
        chosen = training_of(table, is_test, buffer, places)
        fitted = model().fit(features[chosen.is_training], table["habitat"][chosen.is_training])
        guess[is_test], km[is_test] = fitted.predict(features[is_test]), chosen.distance
    return table.assign(predicted=guess, km_to_training=km)


def by_photo(table, features, model, rng):
    """Accuracy where photos, not points, are divided into folds."""
    fold = rng.integers(0, 5, len(table))
    is_right = np.zeros(len(table), dtype=bool)
    for number in range(5):
        is_test = fold == number
        fitted = model().fit(features[~is_test], table["habitat"][~is_test])
        is_right[is_test] = fitted.predict(features[is_test]) == table["habitat"][is_test]
    return is_right.mean()


def one_run(reach, n, model, rng):
    """Accuracies of one world by each way to split, and the predictions by point, block and elsewhere."""
    table, features, is_near = world(reach, n, rng)
    near = table[is_near].reset_index(drop=True)
    values = {"by photo": by_photo(near, features[is_near], model, rng)}
    runs = {}
    for name, by, block, buffer in (
        ("by point", "point", None, 0),
        ("by block of 50 km", "block", 50, 0),
        ("by block of 50 km, buffer 50 km", "block", 50, 50),
    ):
        fold = folds_of(near, check_apart(by, block, buffer), 5, int(rng.integers(1_000_000)))
        runs[name] = held_out(near, features[is_near], fold, buffer, model)
        values[name] = (runs[name]["predicted"] == runs[name]["habitat"]).mean()
    fitted = model().fit(features[is_near], near["habitat"])
    far = table[~is_near].assign(predicted=fitted.predict(features[~is_near]))
    values["land 200 km away"] = (far["predicted"] == far["habitat"]).mean()
    return values, pd.concat(runs.values())


def tables(quick: bool) -> list[Table]:
    """The gap by way to split, and accuracy by distance."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    n, n_runs = (200, 2) if quick else (600, 10)
    gaps, distances, errors = [], [], []
    for name, model in MODELS.items():
        for reach in (0.5, 30.0):
            runs = [one_run(reach, n, model, rng) for _ in range(n_runs)]
            accuracies = pd.DataFrame([values for values, _ in runs])
            means = accuracies.mean()
            errors += [error_of_mean(accuracies[name]) for name in accuracies]
            shared = "none" if reach < 1 else f"{reach:g} km"
            gaps.append({"model": name, "alike within": shared, **means.map("{:.3f}".format)})
            whole = pd.concat(
                [p.assign(point_id=p["point_id"] + f" of {i}") for i, (_, p) in enumerate(runs)]
            )
            found = error_by_distance(whole, breaks=[0, 5, 20, 50, 100])
            accuracy = ["" if pd.isna(a) else f"{a:.3f}" for a in found["accuracy"]]
            labels = ["0-5 km", "5-20 km", "20-50 km", "50-100 km", "100 km and more"]
            distances.append(
                {"model": name, "alike within": shared, **dict(zip(labels, accuracy, strict=True))}
            )
    conditions = (
        f"Simulated: {n} points in clusters of 4 km on 400 x 400 km, {PHOTOS} photos each, four classes, "
        f"{n_runs} worlds a row. Classes and {FEATURES} features are random fields whose correlation falls "
        "as exp(-distance / reach); a point's photos share its look. "
    )
    return [
        Table(
            "Accuracy by the way to split, and what it is elsewhere",
            conditions
            + "The last column is the truth for land no training point is near. Worlds differ, so the "
            f"Monte-Carlo standard error of a number is up to {np.max(errors):.3f}; within a row all are "
            "of the same worlds.",
            pd.DataFrame(gaps),
        ),
        Table(
            "Accuracy by distance to the nearest training point",
            conditions + "Folds by point, block, and block with buffer taken together.",
            pd.DataFrame(distances),
        ),
    ]
