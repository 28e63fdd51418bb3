"""Makes what the sessions of pages find in their folder.

demo.py all FOLDER: what all find
  photos/            drawn photos of 48 points, in class folders
  sites.csv          sites with a species: id, lon, lat, present

demo.py asked FOLDER, in a folder that has these: what a page asks for, <!-- files: model points.csv -->
  photos.csv         the photos, split into training and test
  model/             a model trained on the training photos
  predictions.csv    its predictions of the test photos
  points.csv         their votes
  evaluation.json    and how right these are
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import lucas_habitat as lh
from lucas_habitat.cli import main as run_command


def main(part, folder):
    folder = Path(folder)
    folder.mkdir(parents=True)
    {"all": make_all, "asked": make_asked}[part](folder)


def make_all(folder):
    photos = lh.draw_demo_photos(folder / "photos", n_points=48, size=(320, 240), progress=False)
    draw_sites(lh.list_photos(photos)).to_csv(folder / "sites.csv", index=False)


def make_asked(folder):
    photos = lh.list_photos("photos")
    photos["path"] = [os.path.relpath(path) for path in photos["path"]]  # as sessions name them
    training, test = lh.split_photos(photos, test_size=0.4)
    pd.concat([training, test]).to_csv(folder / "photos.csv", index=False)
    model = lh.train(training, arch="efficientnet_lite0", validation_split=0.2, progress=False)
    lh.save_model(model, folder / "model")
    predictions = lh.classify(test, model, progress=False)
    points = lh.vote(predictions)
    predictions.to_csv(folder / "predictions.csv", index=False)
    points.to_csv(folder / "points.csv", index=False)
    run_command(["evaluate", str(folder / "points.csv"), "--out", str(folder / "evaluation.json")])


def draw_sites(photos, n=40):
    """Sites within some kilometres of the points of photos, with a species that is there or not."""
    from pyproj import Transformer

    points = photos.drop_duplicates("point_id").dropna(subset=["x", "y"])
    rng = np.random.default_rng(1)
    near = points.iloc[rng.integers(len(points), size=n)]
    x, y = (near[c].to_numpy() + rng.normal(0, 4000, n) for c in ("x", "y"))
    lon, lat = Transformer.from_crs(3035, 4326, always_xy=True).transform(x, y)
    present = rng.random(n) < np.where(near["habitat"].isin(["grassland"]), 0.8, 0.25)
    return pd.DataFrame(
        {
            "id": np.arange(1, n + 1),
            "lon": lon.round(5),
            "lat": lat.round(5),
            "present": present.astype(int),
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
