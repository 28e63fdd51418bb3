"""Does a morning of corrections make the next model better? Labels are spoiled on purpose to see.

    python benchmarks/corrections.py [share spoiled] [photos corrected]

on drawn demo points, and on the real scenes of the folder LUCAS_SHARED (default ../shared), which
is not part of the repository. In every repetition a part of the photos (points) is held out, a
share of the other labels is made wrong, and a model trained. A person then corrects so many photos:
those whose given label the model finds least likely ("doubted"), or any, as one looks through
photos in no order ("any"). All corrections go through a review table, as in the app.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import lucas_habitat as lh
from lucas_habitat._base.classes import column_names
from lucas_habitat.corrections import add_corrections

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[2] / "shared"))
HOW = {"arch": "efficientnet_lite0", "progress": False}


def spoil(photos, share, rng):
    """Another class for a share of the photos."""
    labels, classes = photos["habitat"].to_numpy(dtype=object), sorted(set(photos["habitat"]))
    for row in rng.permutation(len(photos))[: round(share * len(photos))]:
        labels[row] = rng.choice([c for c in classes if c != labels[row]])
    return photos.assign(habitat=pd.Series(labels, index=photos.index, dtype="str"))


def accuracy(model, test):
    return lh.evaluate(lh.classify(test, model, progress=False), n_boot=0).overall_accuracy


def repeat(photos, share, n, seed, folder):
    """Accuracy on held-out photos before and after corrections, and with no label spoiled."""
    rng = np.random.default_rng(seed)
    training, test = lh.split_photos(photos, test_size=0.3, regroup=True, seed=seed)
    training = training.assign(split=None)
    truth = training.set_index("path")["habitat"]
    told = spoil(training, share, rng)
    first = lh.train(told, seed=seed, **HOW)
    seen = lh.classify(told, first, progress=False)
    seen = seen[seen["status"] == "ok"].reset_index(drop=True)
    p = seen[column_names(first.classes)].to_numpy()
    likely = p[np.arange(len(seen)), [first.classes.index(c) for c in seen["habitat"]]]
    row = {"spoiled": accuracy(first, test)}
    for name, chosen in (("doubted", np.argsort(likely)[:n]), ("any", rng.permutation(len(p))[:n])):
        reviews = folder / f"{name}-{seed}.csv"
        for habitat, rows in seen.iloc[chosen].groupby(seen["path"].map(truth)):
            add_corrections(reviews, rows, habitat)
        second = lh.train(told, corrections=reviews, seed=seed, **HOW)
        row[name] = accuracy(second, test)
        row[f"{name}: labels put right"] = second.training["corrections"]["replaced"]
    return {**row, "nothing spoiled": accuracy(lh.train(training, seed=seed, **HOW), test)}


def main(share=0.3, n=100, seeds=range(1, 8)):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sets = {"drawn demo points": lh.list_photos(
            lh.draw_demo_photos(folder / "demo", n_points=80, size=(400, 300), progress=False))}  # fmt: skip
        if SHARED.is_dir():
            sets["real scenes"] = lh.list_photos(SHARED / "data" / "scenes")
        for number, (name, photos) in enumerate(sets.items()):
            place = folder / str(number)
            found = pd.DataFrame([repeat(photos, share, n, seed, place) for seed in seeds])
            print(f"{name}: {len(photos)} photos, {share:.0%} of training labels spoiled, "
                  f"{n} photos corrected, medians of {len(found)} repetitions")  # fmt: skip
            print(found.median().round(3).to_string())
            better = int((found["doubted"] > found["spoiled"]).sum())
            print(f"doubted better than spoiled in {better} of {len(found)}\n")


if __name__ == "__main__":
    warnings.simplefilter(
        "ignore"
    )  # scenes have no points, and some demo photos are broken on purpose
    given = sys.argv[1:]
    main(float(given[0]) if given else 0.3, int(given[1]) if given[1:] else 100)
