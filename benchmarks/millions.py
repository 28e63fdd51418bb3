"""How long tables of millions of rows take, and how much memory: runs as `classify` leaves them.

    python benchmarks/millions.py [rows] [--classes 4,76] [--only vote,evaluate]

makes a run folder of so many photos (default 5,000,000) of four classes and of 76 in a temporary folder,
and does each work in a process of its own: seconds of the CPU, and the most memory that the process had.
What a process needs before it has read anything, 0.2 GiB, is among it. Seconds depend on the machine, so
they are measured here and asserted nowhere.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PART = 4096
LABELS = ["artificial", "cropland", "grassland", "woody"]

MEASURED = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
import lucas_habitat as lh
from lucas_habitat._base.tables import read_table
folder, csv = sys.argv[1:3]
BEFORE
start = time.process_time()
WORK
seconds = time.process_time() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""

#: By name: what comes before and is not timed, and what is.
WORK = {
    "vote, of the run": ("", "lh.vote(folder)"),
    "evaluate, of the run": ("", "lh.evaluate(folder)"),
    "evaluate at levels, of the run": (
        "from lucas_habitat._base.runs import open_run\n"
        "c = open_run(folder).classes\n"
        "levels = pd.DataFrame({'class': c, 'level1': [f'{i // 2}' for i in range(len(c))]})",
        "lh.evaluate(folder, levels=levels)",
    ),
    "gain by method, of the run": ("", "lh.vote_gain(folder, by='method', n_draws=20)"),
    "vote and evaluate the points": ("", "lh.evaluate(lh.vote(folder))"),
    "vote, of a table in memory": ("table = pd.read_parquet(folder)", "lh.vote(table)"),
    "evaluate, of a table in memory": ("table = pd.read_parquet(folder)", "lh.evaluate(table)"),
    "split_photos": (
        "table = pd.read_parquet(folder)"
        "[['path', 'point_id', 'year', 'direction', 'habitat', 'x', 'y']]",
        "lh.split_photos(table)",
    ),
    "reading a CSV file": (
        "import pathlib; pathlib.Path(csv).exists() or pd.read_parquet(folder).to_csv(csv, index=False)",
        "read_table(csv)",
    ),
}


def write_run(folder, rows, classes, seed=1):
    """A run of photos of points: five a point and year, in the order of their paths."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    manifest = {
        "format": "lucas-habitat run",
        "format_version": 1,
        "model": {"name": "made", "sha256": "0" * 64, "classes": classes},
        "settings": {"engine": "openvino", "precision": "float32"},
        "versions": {},
        "statuses": {"ok": rows},
        "finished": "2026-01-01T00:00:00+00:00",
    }
    (folder / "_run.json").write_text(json.dumps(manifest), encoding="utf-8")
    for number, first in enumerate(range(0, rows, PART)):
        i = np.arange(first, min(first + PART, rows))
        point = i // 5
        p = rng.dirichlet(np.full(len(classes), 0.3), len(i)).astype(np.float32).astype(np.float64)
        truth = (point * 2_654_435_761 % 2**32) % len(classes)
        is_easy = rng.random(len(i)) < 0.5
        p[is_easy] *= 0.4
        p[is_easy, truth[is_easy]] += 0.6
        east, north = 2600 + 2 * (point % 2000), 1200 + 2 * (point // 2000)
        ids = [f"{e:04d}{n:04d}" for e, n in zip(east, north, strict=True)]
        faces = np.array(list("PNESW"))[i % 5]
        paths = [
            f"/data/lucas/2018/FR/{d[:3]}/{d[3:6]}/{d}{f}.jpg"
            for d, f in zip(ids, faces, strict=True)
        ]
        part = pd.DataFrame(
            {
                "path": paths,
                "point_id": ids,
                "year": pd.array(np.full(len(i), 2018), dtype="Int64"),
                "direction": faces,
                "habitat": np.array(classes)[truth],
                "split": pd.Series([None] * len(i), dtype="str"),
                "nuts0": "FR",
                "x": east * 1000.0,
                "y": north * 1000.0,
                "predicted": pd.Categorical.from_codes(p.argmax(axis=1), classes),
                "confidence": p.max(axis=1),
                **{f"p_{c}": p[:, j] for j, c in enumerate(classes)},
                "calibrated": False,
                "status": "ok",
                "error": pd.Series([None] * len(i), dtype="str"),
                "stamp": "100000-1700000000000000000",
                "content": [f"{k:032x}" for k in i],
            }
        )
        table = pa.Table.from_pandas(part, preserve_index=False)
        pq.write_table(table, folder / f"part-{number:06d}.parquet", compression="zstd")


def measured(name, run, csv):
    """Seconds of the CPU and GiB of one work, in a process of its own."""
    before, work = WORK[name]
    script = MEASURED.replace("BEFORE", before).replace("WORK", work)
    done = subprocess.run(
        [sys.executable, "-c", script, str(run), str(csv)], capture_output=True, text=True
    )
    if done.returncode:
        return f"{name} failed: {done.stderr.strip().splitlines()[-1]}"
    seconds, memory = map(float, done.stdout.split())
    return f"{seconds:.1f} | {memory:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int, nargs="?", default=5_000_000)
    parser.add_argument("--classes", default="4,76", help="how many classes, separated by commas")
    parser.add_argument(
        "--only", default="", help="works whose names begin so, separated by commas"
    )
    parser.add_argument("--keep", help="a folder to make the runs in, and to find them there again")
    given = parser.parse_args()
    wanted = tuple(given.only.split(","))
    print("| rows | classes | what | seconds of the CPU | GiB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for k in map(int, given.classes.split(",")):
            classes = LABELS if k == len(LABELS) else [f"class {i:02d}" for i in range(k)]
            run = Path(given.keep or temporary) / f"run-{given.rows}-{k}"
            if not run.exists():
                write_run(run, given.rows, classes)
            for name in WORK:
                if name.startswith(wanted):
                    cells = measured(name, run, run.with_suffix(".csv"))
                    print(f"| {given.rows:,} | {k} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
