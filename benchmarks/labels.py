"""Does the list of doubted labels hold those that are wrong? Labels are spoiled on purpose to see.

    python benchmarks/labels.py

on the real scenes of the folder LUCAS_SHARED (default ../shared), which is not part of the repository.
5 % or 10 % of the labels are made wrong: at random, or taken for another class as often as a model trained
on the right labels does. Then all photos are cross-validated with the wrong labels, and listed. Five seeds.
The scenes themselves have some doubtful labels, which count as errors of the list.
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import lucas_habitat as lh

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[2] / "shared"))
HOW = {"arch": "efficientnet_lite0", "progress": False}
FIRST = 0.05  # of the list


def odds_of(photos, classes):
    """How often each class is taken for each other by a model that was trained on the right labels."""
    predictions = lh.cross_validate(photos, **HOW)
    p = predictions[[f"p_{c}" for c in classes]].groupby(predictions["habitat"]).mean()
    odds = p.loc[classes].to_numpy()
    np.fill_diagonal(odds, 0)
    return odds / odds.sum(axis=1, keepdims=True)


def spoil(photos, share, odds, classes, rng):
    """Another class, drawn by the odds of its own, for a share of the photos."""
    labels = photos["habitat"].to_numpy(dtype=object)
    for row in rng.permutation(len(photos))[: round(share * len(photos))]:
        labels[row] = rng.choice(classes, p=odds[classes.index(labels[row])])
    return photos.assign(habitat=pd.Series(labels, index=photos.index, dtype="str"))


def repeat(photos, share, odds, classes, seed):
    """What of the spoiled labels the list holds, in its first part and among those it doubts."""
    spoiled = spoil(photos, share, odds, classes, np.random.default_rng(seed))
    is_wrong = dict(zip(photos["path"], spoiled["habitat"] != photos["habitat"], strict=True))
    ranked = lh.doubted_labels(lh.cross_validate(spoiled, seed=seed, **HOW), n=len(photos))
    wrong = ranked["path"].map(is_wrong).to_numpy(dtype=bool)
    first, doubted = wrong[: round(FIRST * len(wrong))], wrong[ranked["is_doubted"].to_numpy()]
    return {
        "recall at the first 5 %": first.sum() / wrong.sum(),
        "at most": min(1, len(first) / wrong.sum()),
        "precision there": first.mean(),
        "doubted": len(doubted),
        "recall of the doubted": doubted.sum() / wrong.sum(),
        "precision of the doubted": doubted.mean(),
    }


def main(seeds=range(1, 6)):
    warnings.simplefilter("ignore")
    os.environ.setdefault("LUCAS_HABITAT_WEIGHTS", str(SHARED / "weights"))
    photos = lh.list_photos(SHARED / "data" / "scenes")
    classes = sorted(set(photos["habitat"]))
    even = (1 - np.eye(len(classes))) / (len(classes) - 1)
    kinds = {"at random": even, "as a model errs": odds_of(photos, classes)}
    print(f"{len(photos)} photos of scenes, Lite0, means of {len(seeds)} seeds (least to most)\n")
    is_first = True
    for share in (0.05, 0.1):
        for kind, odds in kinds.items():
            runs = pd.DataFrame([repeat(photos, share, odds, classes, s) for s in seeds])
            row = {"spoiled": f"{share:.0%}, {kind}"}
            for name in runs:
                mean, low, high = runs[name].mean(), runs[name].min(), runs[name].max()
                digits = 0 if name == "doubted" else 2
                row[name] = f"{mean:.{digits}f}" + (
                    "" if name == "at most" else f" ({low:.{digits}f} to {high:.{digits}f})"
                )
            if is_first:
                print("| " + " | ".join(row) + " |\n" + "|---" * len(row) + "|")
                is_first = False
            print("| " + " | ".join(row.values()) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
