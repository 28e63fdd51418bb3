"""What Ray costs on one machine: python benchmarks/cluster.py [photos] [rounds].

The same photos are classified into a run on this machine, on a cluster that Ray starts for the run, and
on one that is there already; in turns, so that a busy machine slows all alike. Photos are hard links of 500
drawn ones, 800 x 600 pixels, each a file of its own to the program; features are computed anew each time.

Prints seconds of the whole call; seconds from the first finished photo to the last, and photos a second in
them; whether the tables are equal; and what Ray costs beside this machine alone, as the median of the
rounds. A run on this machine tells of photos as it computes them, Ray as parts are written.
"""

import json
import os
import secrets
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
import json, sys, time, warnings
warnings.simplefilter("ignore")
import lucas_habitat as lh
photos, model, out, engine, address = sys.argv[1:]
told = []
start = time.perf_counter()
run = lh.classify(
    photos, model, out=out, engine=engine, address=address or None, cache=False,
    progress=lambda done, total, what: told.append((time.perf_counter(), done)),
)
seconds = time.perf_counter() - start
first, last = next(t for t in told if t[1]), told[-1]
print(json.dumps({
    "seconds": seconds, "computing": last[0] - first[0], "photos": last[1] - first[1],
    "statuses": run.statuses,
}))
"""
CLUSTER = """
import sys
import ray
from lucas_habitat.engines import cores
found = ray.init("local", num_cpus=cores() + 1, include_dashboard=False, object_store_memory=200_000_000)
print(found.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


def linked(folder, n):
    """A folder of links of drawn photos, and a model of them."""
    subprocess.run([sys.executable, "-c", DRAW, str(folder), str(N_DISTINCT // 5)], check=True)
    drawn = sorted((folder / "drawn").glob("*/*.jpg"))
    photos = folder / "photos"
    photos.mkdir()
    for i in range(n):
        os.link(drawn[i % len(drawn)], photos / f"{i:06d}.jpg")
    return photos


def measured(folder, name, engine, address=""):
    """Seconds of one run, in a process of its own."""
    command = [sys.executable, "-c", RUN, folder / "photos", folder / "model", folder / name]
    done = subprocess.run([*command, engine, address], capture_output=True, text=True, check=False)
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
        os.environ |= {
            "LUCAS_HABITAT_CACHE": str(folder / "cache"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listens to this machine only
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        linked(folder, n)
        measured(folder, "first", "local")  # the network is converted once
        rows = {"local": [], "ray": [], "ray, cluster there": []}
        print(
            "| round | | seconds | of them computing | photos/s | equal |\n|---|---|---|---|---|---|"
        )
        for number in range(rounds):
            for what in list(rows)[:: 1 if number % 2 else -1]:
                name = f"{what.replace(', ', '-').replace(' ', '-')}-{number}"
                if what == "ray, cluster there":
                    with subprocess.Popen(
                        [sys.executable, "-c", CLUSTER],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        text=True,
                    ) as cluster:
                        row = measured(folder, name, "ray", cluster.stdout.readline().strip())
                        cluster.stdin.close()
                else:
                    row = measured(folder, name, what)
                row["equal"] = are_equal(folder / "first", folder / name)
                rows[what].append(row)
                print(f"| {number + 1} | {what} | {row['seconds']:.1f} | {row['computing']:.1f} | "
                      f"{row['photos'] / row['computing']:.1f} | {row['equal']} |", flush=True)  # fmt: skip
        for what in list(rows)[1:]:
            whole, computing = (
                statistics.median(
                    per(mine) / per(local) - 1
                    for mine, local in zip(rows[what], rows["local"], strict=True)
                )
                for per in (lambda r: r["seconds"], lambda r: r["computing"] / r["photos"])
            )
            print(
                f"\n{what}: {whole:+.0%} of the whole call, {computing:+.0%} of computing a photo."
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
