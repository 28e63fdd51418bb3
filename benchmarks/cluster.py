"""What Ray costs on one machine: python benchmarks/cluster.py [photos] [rounds].

The same photos are classified into a run on this machine, and on a cluster that Ray starts for the run, in
turns. Photos are hard links of 500 drawn ones, 800 x 600 pixels, each a file of its own to the program;
features are computed anew each time.

Prints seconds of the whole call; the processors' own seconds, of the program and all that it starts, for
all and, without the start, for 1,000 photos; whether the tables are
equal; and what Ray costs more, as medians of the rounds. The processors' own seconds say little of
how busy a machine is; seconds on the clock are as long as others let them be. Linux only.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

N_DISTINCT = 500
DRAW = """
import sys
import lucas_habitat as lh
folder = sys.argv[1]
lh.draw_demo_photos(f"{folder}/drawn", n_points=int(sys.argv[2]), size=(800, 600), progress=False)
model = lh.train(f"{folder}/drawn", arch="efficientnet_lite0", progress=False)
lh.save_model(model, f"{folder}/model")
"""
RUN = """
import json, os, sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")

used = {}  # by process, also of those that ended: what they had when they were last there

def processor_seconds():
    parents, now = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        now[int(folder.name)] = sum(map(int, fields[11:13]))
    mine, more = set(), {os.getpid()}
    while more:
        mine |= more
        more = {p for p, parent in parents.items() if parent in mine} - mine
    used.update({p: now[p] for p in mine})
    return sum(used.values()) / os.sysconf("SC_CLK_TCK")

photos, model, out, engine = sys.argv[1:]
told = []

def tell(done, total, what):
    # Until shortly before the end, when Ray begins to take its workers down.
    if done and done <= 0.9 * total and (not told or done - told[-1][0] >= 0.05 * total):
        told.append((done, processor_seconds()))

start = time.perf_counter()
import lucas_habitat as lh
run = lh.classify(photos, model, out=out, engine=engine, cache=False, progress=tell)
seconds = time.perf_counter() - start
(first, before), (last, until) = told[0], told[-1]
each = (until - before) / (last - first)
print(json.dumps({
    "seconds": seconds, "whole": until + each * (run.photos - last), "each": each,
}))
"""


def linked(folder, n):
    """A folder of links of drawn photos, and a model of them."""
    subprocess.run([sys.executable, "-c", DRAW, folder, str(N_DISTINCT // 5)], check=True)
    drawn = sorted((folder / "drawn").glob("*/*.jpg"))
    photos = folder / "photos"
    photos.mkdir()
    for i in range(n):
        os.link(drawn[i % len(drawn)], photos / f"{i:06d}.jpg")
    return photos


def measured(folder, name, engine):
    """Seconds of one run, in a process of its own."""
    command = [
        sys.executable,
        "-c",
        RUN,
        folder / "photos",
        folder / "model",
        folder / name,
        engine,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def are_equal(one, other):
    """Whether two runs hold the same rows, to the last bit."""
    import pandas as pd
    import pyarrow.parquet as pq

    tables = [
        pd.concat([pq.read_table(f).to_pandas() for f in sorted(run.glob("part-*.parquet"))])
        .sort_values("path")
        .reset_index(drop=True)
        for run in (one, other)
    ]
    return tables[0].equals(tables[1])


def main(n=2_000, rounds=5):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ["LUCAS_HABITAT_CACHE"] = str(folder / "cache")
        linked(folder, n)
        measured(folder, "first", "local")  # the network is converted once
        rows = {"local": [], "ray": []}
        print(
            "| round | | seconds | processor seconds | for 1,000 photos | equal |\n|---|---|---|---|---|---|"
        )
        for number in range(rounds):
            for engine in list(rows)[:: 1 if number % 2 else -1]:
                name = f"{engine}-{number}"
                row = measured(folder, name, engine)
                rows[engine].append(row)
                equal = are_equal(folder / "first", folder / name)
                print(f"| {number + 1} | {engine} | {row['seconds']:.1f} | {row['whole']:.1f} | "
                      f"{1000 * row['each']:.1f} | {equal} |", flush=True)  # fmt: skip
        median = {
            (engine, what): statistics.median(row[what] for row in of_engine)
            for engine, of_engine in rows.items()
            for what in ("whole", "each")
        }
        each = median["ray", "each"] / median["local", "each"] - 1
        start = (median["ray", "whole"] - n * median["ray", "each"]) - (
            median["local", "whole"] - n * median["local", "each"]
        )
        print(f"\nRay costs {each:+.1%} a photo, and {start:.0f} processor seconds to start.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
