"""What Ray costs on one machine: python benchmarks/cluster.py [--rounds 3] [--write].

The same photos are classified into a run on this machine, and on a cluster that Ray starts for the run, in
turns: 2,000 photos, and 8,000. What a photo takes is the difference of the two by their photos, and what
is left is what starting and ending take, so that neither hangs on when progress was told. Photos are hard
links of 500 drawn ones, 800 x 600 pixels, each a file of its own to the program; features are computed
anew each time. Seconds are on the clock, as long as other programs let them be; the processors' own seconds,
of the program and all that it starts, say less of how busy a machine is. Medians of the rounds. Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from page import as_markdown, put

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
import json, os, sys, threading, time, warnings
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
start = time.time()
times = {}
from lucas_habitat.cluster import connection
connect = connection._connect

def timed(*given):
    begun = time.time()
    connect(*given)
    times["connecting"] = time.time() - begun

connection._connect = timed
import lucas_habitat as lh

def look():
    while True:
        processor_seconds()
        time.sleep(0.5)

# While it runs, because workers are gone at its end.
threading.Thread(target=look, daemon=True).start()
run = lh.classify(photos, model, out=out, engine=engine, cache=False, progress=False)
end = time.time()
parts = sorted(f.stat().st_mtime for f in Path(out).glob("part-*"))
print(json.dumps({
    "seconds": end - start, "processors": processor_seconds(), "connecting": times.get("connecting", 0),
    "first part": parts[0] - start, "after the last": end - parts[-1],
}))
"""


FEW, MANY = 2_000, 8_000
#: EfficientNet-Lite0 is quick; Xception, on a core of the same kind, classifies so many photos a second.
XCEPTION = 31


def linked(folder, sizes):
    """Folders of links of drawn photos, and a model of them."""
    subprocess.run([sys.executable, "-c", DRAW, folder, str(N_DISTINCT // 5)], check=True)
    drawn = sorted((folder / "drawn").glob("*/*.jpg"))
    for n in sizes:
        photos = folder / str(n)
        photos.mkdir()
        for i in range(n):
            os.link(drawn[i % len(drawn)], photos / f"{i:06d}.jpg")


def measured(folder, n, engine, name):
    """What one run takes, in a process of its own."""
    paths = [folder / str(n), folder / "model", folder / name]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *paths, engine], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def are_equal(one, other):
    """Whether two runs hold the same rows, to the last bit."""
    tables = [
        pd.concat([pq.read_table(f).to_pandas() for f in sorted(run.glob("part-*.parquet"))])
        .sort_values("path")
        .reset_index(drop=True)
        for run in (one, other)
    ]
    return tables[0].equals(tables[1])


def costs(rows):
    """What starting takes and what a photo takes, in seconds on the clock and of processors."""
    table = pd.DataFrame(rows).groupby(["engine", "n"]).median(numeric_only=True)
    few, many = table.xs(FEW, level="n"), table.xs(MANY, level="n")
    what = ["seconds", "processors"]
    each = (many[what] - few[what]) / (MANY - FEW)
    return few, each, few[what] - FEW * each


def photos_until(share, start, each):
    """From how many photos on Ray costs less than a share more; None if it always costs more."""
    gain = (1 + share) * each["local"] - each["ray"]
    return max(0, start["ray"] - (1 + share) * start["local"]) / gain if gain > 0 else None


def text_of(rows, rounds, is_equal):
    """The measured, as a page has it."""
    few, each, start = costs(rows)
    table = pd.DataFrame(
        {
            "": ["this machine alone", "Ray on this machine"],
            "starting and ending, s": [f"{start['seconds'][e]:.1f}" for e in ("local", "ray")],
            "photos a second": [f"{1 / each['seconds'][e]:.0f}" for e in ("local", "ray")],
            "processor seconds of starting": [
                f"{start['processors'][e]:.1f}" for e in ("local", "ray")
            ],
            "processor ms a photo": [
                f"{1000 * each['processors'][e]:.2f}" for e in ("local", "ray")
            ],
            f"{FEW:,} photos, s": [f"{few['seconds'][e]:.1f}" for e in ("local", "ray")],
        }
    )
    ray = few.loc["ray"]
    n = photos_until(0.15, start["seconds"], each["seconds"])
    # A slower network takes longer on both sides; what Ray adds to a photo stays.
    slow = pd.Series({"local": 0.5 / XCEPTION, "ray": 0.5 / XCEPTION}) + (
        each["seconds"] - each["seconds"]["local"]
    ).clip(lower=0)
    n_slow = photos_until(0.15, start["seconds"], slow)
    until = "never" if n is None else f"from {round(n, -3):,.0f} photos on"
    until_slow = "never" if n_slow is None else f"from {round(n_slow, -2):,.0f} on"
    return "\n".join(
        [
            f"EfficientNet-Lite0, two cores, medians of {rounds} rounds. The tables were "
            f"{'equal' if is_equal else 'NOT EQUAL'} in every round, to the last bit.",
            f"\n{as_markdown(table)}\n",
            f"Of a run of {FEW:,} photos on Ray, starting Ray itself took {ray['connecting']:.1f} s, the "
            f"first part was there after {ray['first part']:.1f} s, and ending took "
            f"{ray['after the last']:.1f} s.",
            f"Ray costs less than 15 % {until}; with a network like Xception, of {XCEPTION} photos a "
            f"second and core here, that would be so {until_slow}.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/scale/cluster.md"
    )
    options = parser.parse_args()
    rows, is_equal = [], True
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ["LUCAS_HABITAT_CACHE"] = str(folder / "cache")
        linked(folder, (FEW, MANY))
        measured(folder, FEW, "local", "first")  # the network is converted once
        for number in range(options.rounds):
            for n in (FEW, MANY):
                for engine in ("local", "ray")[:: 1 if number % 2 else -1]:
                    row = measured(folder, n, engine, f"{engine}-{n}-{number}")
                    rows.append({"engine": engine, "n": n, **row})
                    print(json.dumps(rows[-1]), flush=True)
                is_equal &= are_equal(*(folder / f"{e}-{n}-{number}" for e in ("local", "ray")))
    text = text_of(rows, options.rounds, is_equal)
    print(text)
    if options.write:
        put("scale/cluster.md", "overhead", text)


if __name__ == "__main__":
    main()
