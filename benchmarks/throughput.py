"""How long runs take: a model fitted on 1,000 to 10,000 photos, and how it foretells 100,000.

    python benchmarks/throughput.py [--photos 100000] [--arch efficientnet_lite0] [--write]
    python benchmarks/throughput.py --keep DIR --until runs   # minutes; without --until, the rest

First the parts of a photo's way are timed each by itself: read, hashed, decoded, through the network; then
runs of `classify(out=)` of 1,000, 3,000 and 10,000 photos, each a process of its own, whose seconds are
taken as a + b n; then an unseen run of --photos. All photos are hard links of 500 drawn ones, 1,600 pixels
wide unless --width says otherwise, each a file of its own to the program, and no feature is cached. Seconds
on the clock mean something on a machine that does nothing else: processor time stands beside them.
With ``--keep`` photos, model and what was measured stay in a folder, and nothing of it is done again.
What machines cost to rent is hours times --price-cores and --price-gpu, which are assumptions: give your own.
``--write`` puts the tables into docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from page import as_markdown, put

import lucas_habitat as lh
from lucas_habitat.cache import content_key
from lucas_habitat.engines import choose_target, cores, make_runner
from lucas_habitat.errors import PhotoError
from lucas_habitat.images.decode import decode_photo
from lucas_habitat.sources import read_bytes

N_DISTINCT, N_FITTED = 500, (1_000, 3_000, 10_000)
ARCHIVE = 5_400_000
#: What the table takes for granted of machines that were not at hand.
H100_PHOTOS_A_SECOND = 15_000
NODES = 10
#: US$ an hour of a machine with 16 cores, and of one with a GPU of the H100's class, too: round numbers of
#: the order of on-demand prices, and not looked up anywhere.
PRICE_CORES, PRICE_GPU, PRICED = 0.7, 4.0, "November 2026"

RUN = """
import json, sys, time
import lucas_habitat as lh
start, own = time.perf_counter(), time.thread_time()
run = lh.classify(sys.argv[1], sys.argv[2], out=sys.argv[3], cache=False, progress=False)
told = {"photos": run.photos, "s": time.perf_counter() - start, "own s": time.thread_time() - own,
        "CPU s": time.process_time()}
with open("/proc/self/status") as status:  # what getrusage tells may be a parent's
    told["MB"] = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
print(json.dumps(told))
"""


class Stages(NamedTuple):
    """Milliseconds of processor time that each part of a photo's way takes, medians."""

    read: float
    hash: float
    decode: float
    network: float
    kilobytes: float  # of a photo

    @property
    def all(self) -> float:
        """The whole way."""
        return self.read + self.hash + self.decode + self.network

    def shown(self) -> dict[str, str]:
        """As a row of a table."""
        ms = self._asdict()
        kilobytes = ms.pop("kilobytes")
        return {
            **{k: f"{v:.2f}" for k, v in ms.items()},
            "together": f"{self.all:.2f}",
            "kB a photo": f"{kilobytes:.0f}",
        }


class Prices(NamedTuple):
    """US$ an hour of a machine with 16 cores, and of one with a GPU, too."""

    cores: float
    gpu: float


class Kept:
    """What was measured, by name, in a file: nothing is measured twice."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.values: dict[str, dict[str, float]] = (
            json.loads(file.read_text()) if file.exists() else {}
        )

    def measured(self, name: str, work: Callable[[], dict[str, float]]) -> dict[str, float]:
        """What some work measures, unless it is there already."""
        if name not in self.values:
            self.values[name] = work()
            self.file.write_text(json.dumps(self.values), encoding="utf-8")
        print(name, json.dumps(self.values[name]), flush=True)
        return self.values[name]


def timed(work: Callable[[object], object], items: list[object]) -> float:
    """Median milliseconds of processor time an item."""
    seconds = []
    for item in items:
        start = time.process_time()
        work(item)
        seconds.append(time.process_time() - start)
    return 1000 * float(np.median(seconds))


def stages_of(paths: list[str], model: lh.HabitatModel) -> Stages:
    """Time each part of the way by itself, on one photo or batch after the other."""
    data = [read_bytes(path) for path in paths]
    arrays = [decode_photo(d, model.preprocessing) for d in data]
    target = choose_target("cpu", model.target.precision)
    run, size = make_runner(model.backbone, target), target.batch_size
    batches = [np.stack(arrays[i : i + size]) for i in range(0, len(arrays) - size + 1, size)]
    run(batches[0])
    return Stages(
        timed(read_bytes, paths),
        timed(content_key, data),
        timed(lambda d: decode_photo(d, model.preprocessing), data),
        timed(run, batches) / size,
        float(np.mean([len(d) for d in data])) / 1000,
    )


def linked(folder: Path, sources: list[Path], n: int) -> Path:
    """A folder of n links, five a point, a thousand files a folder; made afresh."""
    shutil.rmtree(folder, ignore_errors=True)
    for i in range(n):
        target = folder / f"{i // 1000:04d}"
        if not i % 1000:
            target.mkdir(parents=True)
        os.link(
            sources[i % len(sources)], target / f"{30_000_000 + i // 5}_{'PNESW'[i % 5]}_2018.jpg"
        )
    return folder


def run_of(photos: Path, model: Path, out: Path) -> dict[str, float]:
    """Seconds, processor seconds and the most MB of a run, in a process of its own."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(photos), str(model), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def line_through(runs: pd.DataFrame, column: str) -> tuple[float, float]:
    """Seconds before the first photo and seconds a photo, by least squares of relative errors."""
    n, seconds = runs["photos"].to_numpy(), runs[column].to_numpy()
    slope, start = np.polyfit(n, seconds, 1, w=1 / seconds)
    return float(start), float(slope)


def foretold(runs: pd.DataFrame, unseen: dict[str, float]) -> pd.DataFrame:
    """What the small runs foretell of the large one, and what it took."""
    rows = []
    for column in ("s", "CPU s"):
        start, slope = line_through(runs, column)
        expected = start + slope * unseen["photos"]
        rows.append(
            {
                "of": {"s": "seconds on the clock", "CPU s": "processor seconds"}[column],
                "before the first photo": f"{start:.1f}",
                "ms a photo": f"{1000 * slope:.2f}",
                f"foretold for {unseen['photos']:,.0f}": f"{expected:.0f}",
                "measured": f"{unseen[column]:.0f}",
                "off by, %": f"{100 * (expected / unseen[column] - 1):+.1f}",
            }
        )
    return pd.DataFrame(rows)


def machines(stages: Stages, cpu_ms: float, serial_ms: float, prices: Prices) -> pd.DataFrame:
    """The archive on this machine and others, by what each part of the way takes."""

    def row(
        name: str, ms: dict[str, float], price: float | None, nodes: int = 1
    ) -> dict[str, object]:
        slowest = max(ms, key=lambda k: ms[k])
        a_second = 1000 / ms[slowest] * nodes
        hours = ARCHIVE / a_second / 3600
        return {
            "machine": name,
            "photos a second": f"{a_second:,.0f}",
            f"{ARCHIVE / 1e6:.1f} million": f"{hours:.1f} h"
            if hours >= 1
            else f"{60 * hours:.0f} min",
            "what limits": slowest,
            "storage must give, MB/s": f"{a_second * stages.kilobytes / 1000:,.0f}",
            "rent, US$ (assumed)": "" if price is None else f"{hours * price * nodes:.2f}",
        }

    gpu_node = {
        "decoding on 16 cores": (cpu_ms - stages.network) / 16,
        "network on the GPU": 1000 / H100_PHOTOS_A_SECOND,
        "one process' own work": serial_ms,
    }
    own = {"one process' own work": serial_ms}
    cpus = {"cores": cpu_ms / 16, **own}
    rows = [
        row(f"this one, {cores()} cores", {"cores": cpu_ms / cores(), **own}, None),
        row("16 such cores", cpus, prices.cores),
        row("16 such cores and an H100-class GPU (assumed)", gpu_node, prices.gpu),
        row(f"{NODES} of those", gpu_node, prices.gpu, NODES),
        row(f"{NODES} nodes of 16 such cores, no GPU", cpus, prices.cores, NODES),
    ]
    return pd.DataFrame(rows)


def main() -> None:
    """Measure, foretell, measure again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--arch", default="efficientnet_lite0")
    parser.add_argument("--width", type=int, default=1600, help="pixels of the photos, 4 to 3")
    parser.add_argument("--keep", type=Path, help="folder in which all stays, for pieces")
    parser.add_argument(
        "--until",
        choices=("runs", "end"),
        default="end",
        help="runs: without the run of --photos; the largest other one is foretold from the smaller ones",
    )
    for name, price in (("cores", PRICE_CORES), ("gpu", PRICE_GPU)):
        parser.add_argument(f"--price-{name}", type=float, default=price, help="US$ an hour")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["LUCAS_HABITAT_CACHE"] = str(folder / "cache")
        sources, model = prepared(folder, options.arch, options.width)
        kept = Kept(folder / "measured.json")
        stages = Stages(
            **kept.measured(
                "stages",
                lambda: stages_of([str(p) for p in sources[:100]], lh.load_model(model))._asdict(),
            )
        )

        def run_of_links(n: int) -> dict[str, float]:
            photos = linked(folder / str(n), sources, n)
            return run_of(photos, model, folder / f"run{n}")

        rows = [kept.measured(f"run of {n}", partial(run_of_links, n)) for n in N_FITTED]
        if options.until == "runs":
            unseen = rows.pop()
        else:
            n = options.photos
            unseen = kept.measured(f"run of {n}", partial(run_of_links, n))
    runs = pd.DataFrame(rows)
    cpu_ms = 1000 * line_through(runs, "CPU s")[1]
    # Listing, looking up, tables, parts: what one thread does whatever the number of cores.
    serial_ms = 1000 * line_through(runs, "own s")[1]
    prices = Prices(options.price_cores, options.price_gpu)
    archive = machines(stages, cpu_ms, serial_ms, prices)
    tables = [
        ("A photo's way, milliseconds of processor time", pd.DataFrame([stages.shown()])),
        ("Runs", runs_table([*rows, unseen])),
        ("Foretold and measured", foretold(runs, unseen)),
        (f"The archive, {ARCHIVE / 1e6:.1f} million photos", archive),
    ]
    text = "\n\n".join(f"**{title}**\n\n{as_markdown(table)}" for title, table in tables)
    print(text)
    if options.write:
        write(text, options.arch, options.width, prices)


def prepared(folder: Path, arch: str, width: int) -> tuple[list[Path], Path]:
    """The drawn photos that can be read, and the folder of a model of them; made where they are not there."""
    drawn, saved = folder / "drawn", folder / "model"
    if not drawn.exists():
        size = (width, width * 3 // 4)
        lh.draw_demo_photos(drawn, n_points=N_DISTINCT // 5, size=size, progress=False)
    if not saved.exists():
        lh.save_model(lh.train(str(drawn), arch=arch, epochs=3, progress=False), saved)
    return [p for p in sorted(drawn.glob("*/*.jpg")) if is_whole(p)], saved


def runs_table(rows: list[dict[str, float]]) -> pd.DataFrame:
    """The runs that were measured."""
    return pd.DataFrame(
        [
            {
                "photos": f"{row['photos']:,.0f}",
                "seconds": f"{row['s']:.1f}",
                "processor seconds": f"{row['CPU s']:.1f}",
                "of them one thread's own": f"{row['own s']:.2f}",
                "photos a second": f"{row['photos'] / row['s']:.0f}",
                "most MB": f"{row['MB']:.0f}",
            }
            for row in rows
        ]
    )


def write(text: str, arch: str, width: int, prices: Prices) -> None:
    """Put the tables into docs/scale.md."""
    target = choose_target("cpu")
    told = (
        f"{arch}, {target.engine}, {target.precision}, {cores()} cores ({processor()}); photos {width:,} "
        "pixels wide, features not cached. The GPU is assumed to compute "
        f"{H100_PHOTOS_A_SECOND:,} photos a second and was not run. The last table follows from the "
        "processor time of this machine's runs, undisturbed by others; none of its rows was run. Rent is "
        f"hours times an assumed price ({PRICED}): {prices.cores:g} US$ an hour for 16 cores, "
        f"{prices.gpu:g} with a GPU. Both are round numbers, not looked up: `--price-cores` and "
        "`--price-gpu` take your own; storage and transfer cost beside it."
    )
    put("scale.md", "throughput", f"{told}\n\n{text}")


def processor() -> str:
    """The name of the CPU, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")


def is_whole(path: Path) -> bool:
    """Whether a drawn photo is not one of those that are damaged on purpose."""
    try:
        decode_photo(path.read_bytes())
    except PhotoError:
        return False
    return True


if __name__ == "__main__":
    main()
