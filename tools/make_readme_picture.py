"""Make docs/five_photos.png, the picture in the README: a point's five photos, and their vote.

    python tools/make_readme_picture.py [docs/five_photos.png]

Photos are drawn and a model is trained on half of the points; neither needs network or GPU, and both are
the same each time. Of the test points where three of five photos, a bare majority, make the vote right,
the one is shown whose photos are the surest on the mean.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import lucas_habitat as lh
from lucas_habitat.pictures.canvas import as_png

DPI = 200  # 1339 pixels, sharp at the width that a README has


def telling_point(points):
    """The id and year of the point to show."""
    right = points["predicted"].astype("str") == points["habitat"]
    three = (points["agreement"] * points["n_photos"]).round() == 3
    seen = points[right & three & (points["n_photos"] == 5)]
    best = seen.loc[seen.filter(regex="^p_").max(axis=1).idxmax()]
    return best["point_id"], int(best["year"])


def main():
    """Draw, train, classify, vote, and write the picture."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/five_photos.png")
    with tempfile.TemporaryDirectory() as folder:
        lh.draw_demo_photos(f"{folder}/photos", n_points=80, seed=1, size=(640, 480))
        photos = lh.list_photos(f"{folder}/photos")
        train, test = lh.split_photos(photos, test_size=0.5, seed=1)
        model = lh.train(
            train,
            arch="efficientnet_lite0",
            validation_split=0.2,
            seed=1,
            device="cpu",
            precision="float32",
        )
        predictions = lh.classify(test, model)
        points = lh.vote(predictions)
        point, year = telling_point(points)
        figure = lh.plot_point(predictions, point, year)
    # 256 colours are enough for small photos, and a fraction of the size.
    picture = Image.open(io.BytesIO(as_png(figure, DPI))).convert("RGB")
    small = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out.parent.mkdir(exist_ok=True)
    small.save(out, optimize=True, dpi=(DPI, DPI))
    print(f"Point {point}, {year}; {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
