"""How good is the pilot's recipe on real photos? Cross-validation, and a walk to real LUCAS points.

    python benchmarks/scenes.py efficientnet_lite0 xception

needs the folder LUCAS_SHARED (default ../shared) with data/scenes, data/lucas and weights, which
is not part of the repository. `make test-slow` asserts the cross-validated kappa.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

import lucas_habitat as lh

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[2] / "shared"))


def cross_validate(photos, arch, seeds=(1, 2, 3), folds=5):
    """Accuracy and kappa of every fold, and the first seed's predictions."""
    rows, predictions = [], []
    for seed in seeds:
        # By photo: these scenes carry no points.
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
        for fit, test in parts.split(photos, photos["habitat"]):
            model = lh.train(photos.iloc[fit], arch=arch, seed=seed, progress=False)
            found = lh.classify(photos.iloc[test], model, progress=False)
            result = lh.evaluate(found, n_boot=0)
            rows.append({"accuracy": result.overall_accuracy, "kappa": result.kappa})
            if seed == seeds[0]:
                predictions.append(found)
    return pd.DataFrame(rows), pd.concat(predictions, ignore_index=True)


def main(archs):
    os.environ.setdefault("LUCAS_HABITAT_WEIGHTS", str(SHARED / "weights"))
    scenes = lh.list_photos(SHARED / "data" / "scenes")
    survey = lh.list_photos(SHARED / "data" / "lucas" / "photos")
    codes = pd.read_csv(SHARED / "data" / "lucas" / "lucas_harmo_uf_sample.csv", dtype="str")
    survey["lc1"] = survey["point_id"].map(codes.set_index("point_id")["lc1"])
    for arch in archs:
        folds, predictions = cross_validate(scenes, arch)
        print(f"\n{arch}: {len(folds)} folds")
        for name in folds:
            print(f"  {name} {folds[name].mean():.3f}, spread over folds {folds[name].std():.3f}")
        print(lh.evaluate(predictions))
        wrong = predictions[predictions["predicted"].astype(str) != predictions["habitat"]]
        surest = wrong.sort_values("confidence", ascending=False).head(10)
        for row in surest.itertuples():
            print(f"  {Path(row.path).name}: {row.habitat}, predicted {row.predicted} "
                  f"({row.confidence:.2f})")  # fmt: skip
        model = lh.train(scenes, arch=arch, validation_split=0.2, progress=False)
        points = lh.vote(lh.classify(survey, model, progress=False))
        columns = [c for c in points if c.startswith("p_")]
        print(points[["point_id", "lc1", "n_photos", "predicted", "agreement", *columns]]
              .round({c: 3 for c in columns}).to_string(index=False))  # fmt: skip


if __name__ == "__main__":
    np.seterr(all="raise")
    main(sys.argv[1:] or ["efficientnet_lite0", "xception"])
