"""What runs come through: killed, stopped, out of disk, on files that change or cannot be read.

    python benchmarks/faults.py [FAULT ...] [--photos 2000] [--write]

Each row breaks runs of `classify(out=)` in processes of their own and counts what is left: rows lost, rows
that stand twice, files half written, and photos computed more than once. "Equal" is to the table that one
unbroken `classify()` gives, to the last bit of float32. Photos are hard links of 100 drawn ones; the cache
is off, so that what is computed again shows; parts hold 200 photos here instead of 4,096. ``--write`` puts
the table into docs/reliability.md, or, of some faults only, their rows into the table that is there. The row
of the full disk needs the right to mount (root on Linux), those of a cluster need Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from page import DOCS, as_markdown, put

from lucas_habitat.engines import cores

PART_ROWS = 200
N_DISTINCT = 100

#: A run, as a program of its own; what it computes is counted in a file, fault by fault.
CHILD = """
import errno, json, os, random, sys, time
fault, photos, model, out, counts = sys.argv[1:6]
from lucas_habitat import features
from lucas_habitat.runs import listing, plan
from lucas_habitat.cli import main
listing.PART_ROWS = plan.PART_ROWS = int(os.environ["PART_ROWS"])
read, clock = features.read_bytes, time.time

def count():
    compute = features._compute

    def counted(*given):
        with open(counts, "a") as file:
            file.write("x" * len(given[-1]))
        return compute(*given)

    features._compute = counted

count()
if fault == "io":  # one read in fifty fails as a dying disk's does
    from lucas_habitat.errors import PhotoError
    chance = random.Random(os.getpid())

    def failing(path):
        if chance.random() < 0.02:
            raise PhotoError("unreadable", str(OSError(errno.EIO, os.strerror(errno.EIO))))
        return read(path)

    features.read_bytes = failing
if fault == "clock":  # it jumps by up to a year, back and forth, at every look
    chance = random.Random(1)
    time.time = lambda: clock() + chance.uniform(-3e7, 3e7)
    time.time_ns = lambda: int(time.time() * 1e9)
if fault == "ray":  # workers, too, count what they compute, and tell that they are there
    from lucas_habitat.cluster import connection
    os.environ |= connection._OURS | connection._alone()  # which Ray reads when it is imported
    from lucas_habitat.cluster import photos_job

    class Counted(photos_job.Classifier):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            count()
            with open(counts + ".workers", "a") as file:
                file.write(f"{os.getpid()}\\n")

    photos_job.Classifier = Counted
    sys.argv += ["--engine", "ray"]
sys.exit(main(["classify", photos, "--model", model, "--out", out, "--no-cache", "--precision", "float32",
               *sys.argv[6:]]))
"""


@dataclass
class Bench:
    """Photos, a model, and what an unbroken classification of them gives."""

    folder: Path
    photos: Path
    model: Path
    expected: pd.DataFrame
    seconds: float = 0.0  # of a run that nothing breaks
    rng: random.Random = field(default_factory=lambda: random.Random(20))

    def start(
        self, out: Path, *options: str, fault: str = "none", photos: Path | None = None
    ) -> subprocess.Popen[str]:
        """Begin a run, or go on with it."""
        command = [
            sys.executable,
            "-c",
            CHILD,
            fault,
            str(photos or self.photos),
            str(self.model),
            str(out),
        ]
        return subprocess.Popen(
            [*command, str(self.counts(out)), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def counts(self, out: Path) -> Path:
        """The file that grows by a byte a computed photo."""
        return self.folder / f"{out.name}.counts"

    def n_computed(self, out: Path) -> int:
        """Photos that all runs in a folder have computed so far."""
        return self.counts(out).stat().st_size if self.counts(out).exists() else 0

    def workers(self, out: Path) -> set[int]:
        """The processes that workers of a cluster were for a run, those that are lost among them."""
        told = Path(f"{self.counts(out)}.workers")
        return set(map(int, told.read_text().split())) if told.exists() else set()

    def ended(self, process: subprocess.Popen[str]) -> str:
        """Wait for a run that must end well."""
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"A run that nothing broke failed: {said}")
        return said

    def row(
        self,
        fault: str,
        times: str,
        out: Path,
        expected: pd.DataFrame | None = None,
        note: str = "",
    ) -> dict[str, object]:
        """What is left in a run's folder, as a row of the table."""
        expected = self.expected if expected is None else expected
        files = sorted(out.glob("part-*"))
        table = pd.concat([pq.read_table(f).to_pandas() for f in files]).drop(
            columns=["stamp", "content"]
        )
        lost = len(set(expected["path"]) - set(table["path"]))
        twice = int(table["path"].duplicated().sum())
        same = expected.sort_values("path").reset_index(drop=True)
        mine = table[table["path"].isin(same["path"])].sort_values("path").reset_index(drop=True)
        is_equal = (
            mine.astype(same.dtypes.to_dict()).equals(same[mine.columns])
            if len(mine) == len(same)
            else False
        )
        halves = [
            f.name for f in out.iterdir() if not f.name.startswith(("part-", "_run", ".lock"))
        ]
        again = self.n_computed(out) - len(expected)
        return {
            "what was done": fault,
            "times": times,
            "rows lost": lost,
            "rows twice": twice,
            "half files": len(halves),
            "photos computed again": again,
            "equal": "yes" if is_equal else "NO",
            "": note,
        }


def killed(
    bench: Bench,
    signum: int,
    times: int,
    what: str,
    fault: str = "none",
    note: str = f"at most {PART_ROWS} each time may be",
) -> dict[str, object]:
    """End one run again and again at random moments, while it computes; it goes on each time."""
    out, n = bench.folder / f"{fault}-{signum}", 0
    while n < times:
        begun = partial(bench.workers if fault == "ray" else bench.n_computed, out)
        before = begun()
        process = bench.start(out, fault=fault)
        while begun() == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(bench.rng.uniform(0, bench.seconds / times))
        if process.poll() is not None:
            bench.ended(process)
            break
        process.send_signal(signum)
        process.communicate()
        n += 1
        left = [f.name for f in out.iterdir() if f.name.startswith((".part", ".photos"))]
        if signum == signal.SIGTERM and (left or process.returncode != 143):
            raise SystemExit(f"SIGTERM left {left}, exit code {process.returncode}")
    bench.ended(bench.start(out, fault=fault))
    return bench.row(what, str(n), out, note=note)


def many_killed(bench: Bench, times: int) -> dict[str, object]:
    """Kill runs of 20 random moments of their whole length, each a run of its own."""
    rows = []
    for i in range(times):
        out = bench.folder / f"killed{i}"
        process = bench.start(out)
        time.sleep(bench.rng.uniform(0, bench.seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        bench.ended(bench.start(out))
        rows.append(bench.row("kill -9, then started again", "1", out))
        shutil.rmtree(out)
    again = [int(str(r["photos computed again"])) for r in rows]
    total = {
        k: sum(int(str(r[k])) for r in rows)
        for k in ("rows lost", "rows twice", "half files", "photos computed again")
    }
    return {
        "what was done": f"kill -9 at a random moment of {times} runs, then started again",
        "times": str(times),
        **total,
        "equal": "yes" if all(r["equal"] == "yes" for r in rows) else "NO",
        "": f"at most {max(again)} photos again in one run",
    }


def full_disk(bench: Bench) -> dict[str, object]:
    """A disk that is full in the midst of a run, and gets room."""
    kilobytes = 64
    while True:
        with small_disk(bench.folder / f"disk{kilobytes}", kilobytes) as mount:
            out = mount / f"run{kilobytes}"
            process = bench.start(out)
            _, said = process.communicate()
            if process.returncode != 1 or "Traceback" in said:
                raise SystemExit(f"A full disk was not told: {process.returncode} {said}")
            if not list(out.glob("part-*")):  # it was full before the first part
                kilobytes *= 2
                continue
            subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)
            bench.ended(bench.start(out))
            told = said.strip().splitlines()[-1].split(": ", 1)[-1].replace(str(mount), "...")
            note = f"of {kilobytes} kB; said: {told[:90]}"
            return bench.row("disk full in the midst, then room is made", "1", out, note=note)


@contextmanager
def small_disk(mount: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of its own in memory, as long as it is needed."""
    mount.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(mount)], check=True
    )
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def read_errors(bench: Bench) -> dict[str, object]:
    """One read in fifty fails; those photos are asked for again."""
    out = bench.folder / "io"
    bench.ended(bench.start(out, fault="io"))
    table = pd.concat([pd.read_parquet(f) for f in out.glob("part-*")])
    n_failed = int((table["status"] == "unreadable").sum())
    bench.ended(bench.start(out, "--retry"))
    note = "refused drawn photos, damaged on purpose, are tried again too"
    return bench.row(
        "a read error (EIO) in 2 % of photos, then --retry", str(n_failed), out, note=note
    )


def changing(bench: Bench) -> dict[str, object]:
    """Photos vanish, change and come while a run goes over their folder."""
    photos = bench.folder / "changing"
    shutil.copytree(bench.photos, photos, copy_function=shutil.copy2)
    files = sorted(photos.rglob("*.jpg"))
    out = bench.folder / "changed"
    process = bench.start(out, photos=photos)
    while not list(out.glob("part-*")) and process.poll() is None:
        time.sleep(0.02)
    gone, altered = bench.rng.sample(files[len(files) // 2 :], 50), bench.rng.sample(files, 50)
    for path in gone:
        path.unlink()
    for i, path in enumerate(set(altered) - set(gone)):
        path.unlink()
        shutil.copy2(files[0], path) if i % 2 and files[0].exists() else path.write_bytes(
            b"cut off"
        )
        os.utime(path, (i + 1, i + 1))
    for i in range(50):
        shutil.copy2(
            next(f for f in files if f.exists()),
            photos / "woody" / f"{30000000 + i}_north_2018.jpg",
        )
    bench.ended(process)
    bench.ended(bench.start(out, photos=photos))
    expected = unbroken(photos, bench.model)
    row = bench.row(
        "50 photos deleted, 50 altered, 50 added under a run; then run again", "1", out, expected
    )
    return {**row, "": "rows of deleted photos stay, said by a message"}


def two_at_once(bench: Bench) -> dict[str, object]:
    """A second program on the same folder."""
    out = bench.folder / "two"
    first = bench.start(out)
    while not (out / ".lock").exists():
        time.sleep(0.02)
    time.sleep(0.5)
    second = bench.start(out)
    _, said = second.communicate()
    bench.ended(first)
    refused = (
        "the second is refused at once"
        if "Another program is writing" in said
        else f"NOT refused: {said}"
    )
    return bench.row("two programs on one folder", "1", out, note=refused)


def jumping_clock(bench: Bench) -> dict[str, object]:
    """A clock that jumps by up to a year at every look, and a kill on the way."""
    out = bench.folder / "clock"
    process = bench.start(out, fault="clock")
    while not list(out.glob("part-*")) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    bench.ended(bench.start(out, fault="clock"))
    return bench.row("a clock that jumps by up to a year, and kill -9", "1", out)


def workers_lost(bench: Bench, times: int) -> dict[str, object]:
    """Kill workers of one run on a cluster of this machine, each time when all of them are there."""
    out, lost = bench.folder / "workers", set[int]()
    process = bench.start(out, fault="ray")
    while len(lost) < times and process.poll() is None:
        there = sorted(bench.workers(out) - lost)
        if len(there) < cores():
            time.sleep(0.05)
            continue
        time.sleep(bench.rng.uniform(0, 2))
        worker = bench.rng.choice(there)
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:  # the run needs it no longer
            break
        lost.add(worker)
    bench.ended(process)
    what = "kill -9 of a worker of one run on Ray, again and again"
    note = f"of {cores()} workers on one machine; the run goes on by itself"
    return bench.row(what, str(len(lost)), out, note=note)


def unbroken(photos: Path, model: Path) -> pd.DataFrame:
    """The table of one classification that nothing breaks."""
    out = model.parent / f"{photos.name}.parquet"
    code = (
        "import sys, lucas_habitat as lh\n"
        "lh.classify(sys.argv[1], sys.argv[2], out=sys.argv[3], cache=False, precision='float32',\n"
        "            progress=False)"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(photos), str(model), str(out)], check=True
    )
    return pd.read_parquet(out)


@contextmanager
def bench_of(n_photos: int) -> Iterator[Bench]:
    """Photos, a model of a fifth of them, and the unbroken table."""
    import lucas_habitat as lh

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {
            "LUCAS_HABITAT_CACHE": str(folder / "cache"),
            "PART_ROWS": str(PART_ROWS),
            "RAY_TMPDIR": str(folder),  # so that what Ray leaves goes, too
        }
        drawn = lh.draw_demo_photos(
            folder / "drawn", n_points=N_DISTINCT // 5, size=(320, 240), progress=False
        )
        sources = sorted(Path(drawn).glob("*/*.jpg"))
        model = lh.train(str(drawn), arch="efficientnet_lite0", epochs=5, progress=False)
        lh.save_model(model, folder / "model")
        photos = folder / "photos"
        for i in range(n_photos):
            source = sources[i % len(sources)]
            (photos / source.parent.name).mkdir(parents=True, exist_ok=True)
            os.link(
                source,
                photos / source.parent.name / f"{40000000 + i // 5}_{'PNESW'[i % 5]}_2018.jpg",
            )
        bench = Bench(folder, photos, folder / "model", unbroken(photos, folder / "model"))
        start = time.monotonic()
        bench.ended(bench.start(folder / "timed"))
        bench.seconds = time.monotonic() - start
        yield bench


#: What is done, by the name on the command line: with a bench, and how often to kill.
FAULTS: dict[str, Callable[[Bench, int], dict[str, object]]] = {
    "runs": many_killed,
    "kill": lambda bench, times: killed(
        bench, signal.SIGKILL, times, "kill -9 of one run, again and again"
    ),
    "term": lambda bench, _: killed(
        bench, signal.SIGTERM, 5, "SIGTERM of one run, again and again"
    ),
    "disk": lambda bench, _: full_disk(bench),
    "reading": lambda bench, _: read_errors(bench),
    "changing": lambda bench, _: changing(bench),
    "two": lambda bench, _: two_at_once(bench),
    "clock": lambda bench, _: jumping_clock(bench),
    "workers": lambda bench, times: workers_lost(bench, min(5, times)),
    "driver": lambda bench, times: killed(
        bench,
        signal.SIGKILL,
        min(5, times),
        "kill -9 of the program that began a run on Ray, then started again, again and again",
        fault="ray",
        note="Ray's parts are smaller; its workers compute on for a moment",
    ),
}


def rows_of_page(told: str) -> list[dict[str, object]]:
    """The rows that stand in the page, which must be of what is told of the new ones."""
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    text = page.partition("<!-- faults")[2].partition("<!-- end of faults")[0]
    if told not in text:
        raise SystemExit("The rows of the page are by other settings: write all of them anew.")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    names, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return [dict(zip(names, row, strict=True)) for row in rows]


def main() -> None:
    """Break runs, and print what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--photos", type=int, default=2_000)
    parser.add_argument("--times", type=int, default=20, help="kills")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"no faults: {', '.join(sorted(unknown))}")
    told = (
        f"{options.photos:,} photos a run, parts of {PART_ROWS}. Equal: to the table of one unbroken "
        "classification, to the last bit of float32."
    )
    others = rows_of_page(told) if options.write and options.faults else []
    rows: list[dict[str, object]] = []
    with bench_of(options.photos) as bench:
        for name in options.faults or FAULTS:
            try:
                rows.append(FAULTS[name](bench, options.times))
            except subprocess.CalledProcessError as error:  # no right to mount
                print(f"left out: {error}", file=sys.stderr)
                continue
            print(json.dumps(rows[-1]), flush=True)
    print(as_markdown(pd.DataFrame(rows)))
    if options.write:
        whole = {str(row["what was done"]): row for row in [*others, *rows]}
        put("reliability.md", "faults", f"{told}\n\n{as_markdown(pd.DataFrame(whole.values()))}")


if __name__ == "__main__":
    main()
