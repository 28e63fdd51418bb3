"""Training on 15,676 photos and testing on 4,297, as much as the pilot's users have: seconds and memory.

    python benchmarks/large.py [photos to train on] [photos to test on]

Photos are hard links of 500 drawn ones, 800 x 600 pixels, each a file of its own to the program. Each row is
a process of its own: seconds are those of the call, MB the most that the process ever held. Every
link of a photo has its content, so only `cache=False` computes the features of all; with features cached
nothing but the head is trained. The growth of memory is that of cached trainings of a quarter, half
and all of the photos.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

N_DISTINCT = 500
WORK = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
import lucas_habitat as lh
table, n, what, folder, cache = sys.argv[1:]
photos = pd.read_csv(table, dtype="str").astype({"year": int})
photos = photos[photos["split"] == ("test" if what == "classify" else "train")].head(int(n))
start = time.perf_counter()
if what == "classify":
    predictions = lh.classify(photos, folder, cache=cache == "cache", progress=False)
    told = f"accuracy {lh.evaluate(predictions, n_boot=0).overall_accuracy:.3f}"
else:
    model = lh.train(photos, arch="efficientnet_lite0", cache=cache == "cache", progress=False)
    told = f"{model.training['n_photos']} photos of {model.training['n_points']} points"
    lh.save_model(model, folder, overwrite=True)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "MB": peak, "told": told}))
"""
DRAW = """
import sys
import lucas_habitat as lh
lh.draw_demo_photos(sys.argv[1], n_points=int(sys.argv[2]), size=(800, 600), progress=False)
"""


def linked(folder, n_train, n_test):
    """A table of links of drawn photos; photos of a drawn point are on one side, five a point."""
    drawn = folder / "drawn"
    subprocess.run([sys.executable, "-c", DRAW, str(drawn), str(N_DISTINCT // 5)], check=True)
    points = {}
    for path in sorted(drawn.glob("*/*.jpg")):
        points.setdefault((path.parent.name, path.name.split("_")[0]), []).append(path)
    points = list(points.values())
    of_side = {
        "train": points[::5] + points[1::5] + points[2::5] + points[3::5],
        "test": points[4::5],
    }
    rows = ["path,point_id,year,direction,habitat,split"]
    for split, n in (("train", n_train), ("test", n_test)):
        (folder / split).mkdir()
        for i in range(n):
            number, view = divmod(i, 5)
            photos = of_side[split][number % len(of_side[split])]
            source = photos[view % len(photos)]
            path = folder / split / f"{i}.jpg"
            os.link(source, path)
            rows.append(f"{path},{split}{number},2018,{'PNESW'[view]},{source.parent.name},{split}")
    table = folder / "photos.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


def measured(table, n, what, model, cache):
    """Seconds and the most MB of one call, in a process of its own."""
    command = [sys.executable, "-c", WORK, str(table), str(n), what, str(model), cache]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main(n_train=15_676, n_test=4_297):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ["LUCAS_HABITAT_CACHE"] = str(folder / "cache")
        table, model = linked(folder, n_train, n_test), folder / "model"
        print("| what | photos | seconds | photos/s | most MB | |\n|---|---|---|---|---|---|")
        peaks = {}
        for what, n, cache, said in (
            ("train", n_train, "cache", "train, files read, 500 photos computed"),
            ("train", n_train // 4, "cache", "train, features cached"),
            ("train", n_train // 2, "cache", "train, features cached"),
            ("train", n_train, "cache", "train, features cached"),
            ("classify", n_test, "no", "classify, features computed"),
            ("train", n_train, "no", "train, features computed"),
        ):
            row = measured(table, n, what, model, cache)
            if "cached" in said:
                peaks[n] = row["MB"]
            print(f"| {said} | {n:,} | {row['seconds']:.1f} | {n / row['seconds']:.0f} | "
                  f"{row['MB']:.0f} | {row['told']} |", flush=True)  # fmt: skip
        (few, low), *_, (many, high) = peaks.items()
        print(f"\nMemory grows by {(high - low) * 1024 / (many - few):.1f} kB a photo.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
