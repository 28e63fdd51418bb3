"""A fine-tuning by Ray, and the same on this machine: python benchmarks/cluster_training.py [--write].

Drawn photos, EfficientNet-Lite0, few epochs. Workers draw augmentation and dropout each for itself, so what
they come to differs from this machine's model as that of another seed does; the table shows both.
"""

import argparse
import json
import os
import tempfile
import warnings
from pathlib import Path

import pandas as pd
from page import as_markdown, put

import lucas_habitat as lh

TUNE = {
    "recipe": "finetune",
    "arch": "efficientnet_lite0",
    "epochs": 3,
    "batch_size": 32,
    "target_size": 128,
    "validation_split": 0.4,
    "progress": False,
}


def last_epoch(model, who, seed):
    """What the last epoch came to, as a row of the table."""
    last = model.history.iloc[-1]
    return {
        "trained by": who,
        "seed": seed,
        **{name: f"{last[name]:.3f}" for name in ("loss", "val_loss", "val_accuracy", "val_kappa")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--write", action="store_true", help="put it into docs/scale/cluster.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LUCAS_HABITAT_CACHE"] = str(Path(folder) / "cache")
        photos = lh.draw_demo_photos(
            Path(folder) / "photos", n_points=options.points, size=(320, 240), progress=False
        )
        tuned = lh.train(photos, seed=1, engine="ray", **TUNE)
        cluster = tuned.training["cluster"]
        rows.append(last_epoch(tuned, f"Ray, {cluster['workers']} workers", 1))
        print(json.dumps(rows[-1]), flush=True)
        for seed in range(1, options.seeds + 1):
            rows.append(last_epoch(lh.train(photos, seed=seed, **TUNE), "this machine", seed))
            print(json.dumps(rows[-1]), flush=True)
    table = as_markdown(pd.DataFrame(rows))
    told = (
        f"{tuned.training['n_photos']} drawn photos, {tuned.training['n_validation_photos']} to validate on, "
        f"EfficientNet-Lite0, {TUNE['epochs']} epochs in batches of {TUNE['batch_size']} "
        "(`python benchmarks/cluster_training.py --write`)."
    )
    print(f"{told}\n\n{table}")
    if options.write:
        put("scale/cluster.md", "training", f"{told}\n\n{table}")


if __name__ == "__main__":
    main()
