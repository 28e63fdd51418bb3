"""How often near-duplicates are found, and how often other photos are taken for some.

    python benchmarks/near_duplicates.py efficientnet_lite0 xception

needs the folder LUCAS_SHARED (default ../shared) with data/scenes, data/lucas and weights, which is not part
of the repository. Each copy is looked for among all photos of its set; the sets hold no near-duplicates
themselves.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance

import lucas_habitat as lh
from lucas_habitat.engines import choose_target
from lucas_habitat.features import extract_features
from lucas_habitat.images.decode import Preprocessing
from lucas_habitat.look_alikes import _pairs
from lucas_habitat.networks.backbones import load_backbone
from lucas_habitat.photos import groups_of

SHARED = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[2] / "shared"))
N_COPIES = 100


def cropped(photo, share):
    """The middle of a photo, so much of its width and height."""
    w, h = photo.size
    m = (1 - share) / 2
    return photo.crop((int(m * w), int(m * h), int(w - m * w), int(h - m * h)))


def again(photo, rng):
    """The scene taken again: turned by 2 degrees, moved 3 %, nearer 5 % at most, other light, noise."""
    w, h = photo.size
    photo = photo.rotate(rng.uniform(-2, 2), resample=Image.Resampling.BICUBIC)
    share, (dx, dy) = 0.9 / rng.uniform(1, 1.05), rng.uniform(-0.03, 0.03, 2)
    x, y = (0.05 + dx) * w, (0.05 + dy) * h
    photo = photo.crop((int(x), int(y), int(x + share * w), int(y + share * h))).resize((w, h))
    photo = ImageEnhance.Brightness(photo).enhance(rng.uniform(0.9, 1.1))
    pixels = np.asarray(photo, np.float32) + rng.normal(0, 4, (h, w, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


COPIES = {
    "JPEG quality 50": lambda photo, rng: (photo, 50),
    "half the size, quality 85": lambda photo, rng: (photo.reduce(2), 85),
    "brighter by a fifth": lambda photo, rng: (ImageEnhance.Brightness(photo).enhance(1.2), 90),
    "cropped to 90 %": lambda photo, rng: (cropped(photo, 0.9), 90),
    "cropped to 80 %": lambda photo, rng: (cropped(photo, 0.8), 90),
    "taken again": lambda photo, rng: (again(photo, rng), 90),
}


def readable(photos):
    """The photos without the demo's broken ones."""

    def is_whole(path):
        try:
            Image.open(path).load()
        except OSError:
            return False
        return True

    return photos[photos["path"].map(is_whole)].reset_index(drop=True)


def features_of(paths, arch):
    """Features as near_duplicates() takes them."""
    target = choose_target()
    backbone = load_backbone(arch)
    return extract_features(paths, backbone, Preprocessing(), target, progress=False).values


def measured(photos, arch, folder):
    """The share of copies found of each kind, and of the photos that are taken for near-duplicates."""
    rng = np.random.default_rng(1)
    values, points = features_of(photos["path"].tolist(), arch), pd.factorize(groups_of(photos))[0]
    taken = _pairs(values, points)
    row = {
        "photos": len(photos),
        "taken for some": f"{len(np.union1d(taken.one, taken.other)) / len(photos):.1%}",
    }
    chosen = rng.permutation(len(photos))[:N_COPIES]
    for kind, change in COPIES.items():
        files = [str(Path(folder, f"{i}.jpg")) for i in range(len(chosen))]
        for path, file in zip(photos["path"].iloc[chosen], files, strict=True):
            copy, quality = change(Image.open(path).convert("RGB"), rng)
            copy.save(file, quality=quality)
        n_found = 0
        for i, copy in zip(chosen, features_of(files, arch), strict=True):
            # One copy at a time: copies of others would be its neighbours.
            pairs = _pairs(np.vstack([values, copy]), np.append(points, points.max() + 1))
            ends = set(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True))
            n_found += (i, len(values)) in ends or (len(values), i) in ends
        row[kind] = f"{n_found / len(chosen):.0%}"
    return row


def main(archs):
    os.environ.setdefault("LUCAS_HABITAT_WEIGHTS", str(SHARED / "weights"))
    with tempfile.TemporaryDirectory() as folder:
        lh.draw_demo_photos(Path(folder, "demo"), n_points=100, size=(640, 480), progress=False)
        sets = {
            "scenes of 128 x 128": SHARED / "data" / "scenes",
            "survey photos": SHARED / "data" / "lucas" / "photos",
            "drawn": Path(folder, "demo"),
        }
        rows = [
            {"backbone": arch, "set": name, **measured(readable(lh.list_photos(f)), arch, folder)}
            for name, f in sets.items()
            for arch in archs
        ]
    print(pd.DataFrame(rows).T.to_string(header=False))


if __name__ == "__main__":
    main(sys.argv[1:] or ["efficientnet_lite0", "xception"])
