"""What it costs where photos lie: python benchmarks/places.py listing|latency|local [--write | TREE].

``listing`` makes folders of 10^5 and 10^6 empty files in a temporary folder (TMPDIR), lists them and
deletes them. ``latency`` serves photos from this computer with a pause before each answer, as if it
were far away. ``local TREE`` classifies the same photos on disk with this checkout and another in turns.
``--write`` puts the tables of the first two into docs/scale.md.
"""

from __future__ import annotations

import http.server
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from page import put

ROOT = Path(__file__).resolve().parents[1]
PAUSES = (0.0, 0.03, 0.1)
ROUNDS = 7

#: Prints seconds, photos, and how many MB more than before the memory was at its most.
LIST = """
import os, resource, sys, time, warnings
from lucas_habitat.photos import PHOTO_ENDINGS, iter_photos, list_photos
from lucas_habitat.sources import walk
how, folder, small = sys.argv[1:]
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
next(iter_photos(small, rows=10))  # libraries are loaded
before, start, n = peak(), time.perf_counter(), 0
if how == "walk":
    first = None
    for _ in walk(folder, PHOTO_ENDINGS):
        first = first or time.perf_counter() - start
        n += 1
elif how == "stream":
    for block in iter_photos(folder, rows=4096):
        n += len(block)
else:
    n = len(list_photos(folder))
print(time.perf_counter() - start, n, peak() - before)
"""

#: Prints photos a second, of the features alone, and the CPU's milliseconds a photo.
CLASSIFY = """
import sys, time
from lucas_habitat.engines import choose_target
from lucas_habitat.features import iter_features
from lucas_habitat.images.decode import Preprocessing
from lucas_habitat.networks.backbones import load_backbone
paths = open(sys.argv[1]).read().split("\\n")
network = load_backbone("efficientnet_lite0")
target = choose_target("cpu")
def run(paths):
    how = dict(total=len(paths), cache=False, progress=False)
    for rows, part in iter_features(paths, network, Preprocessing(), target, **how):
        assert part.ok.all(), part.error
run(paths[:16])
start, cpu = time.perf_counter(), time.process_time()
run(paths)
cpu = time.process_time() - cpu
print(len(paths) / (time.perf_counter() - start), 1000 * cpu / len(paths))
"""


#: Prints photos fetched a second, by as many threads as asked.
FETCH = """
import sys, time
from lucas_habitat.sources import ahead
ahead.READERS = int(sys.argv[2])
addresses = open(sys.argv[1]).read().split("\\n")
reader = ahead.ReadAhead()
for fetch in [reader.begin(address) for address in addresses[:32]]:
    fetch()  # connections are open
start = time.perf_counter()
for fetch in [reader.begin(address) for address in addresses]:
    assert fetch()
print(len(addresses) / (time.perf_counter() - start))
"""


def child(code: str, *arguments: str, tree: Path = ROOT) -> list[float]:
    """What a program of a checkout prints, as numbers."""
    env = os.environ | {"PYTHONPATH": str(tree / "python")}
    command = [sys.executable, "-c", code, *arguments]
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return [float(number) for number in out.stdout.split()]


def make_files(folder: Path, folders: int, each: int) -> None:
    """Empty files, named as the survey's."""
    for f in range(folders):
        (folder / f"{f:04d}").mkdir(parents=True)
        for i in range(each):
            (folder / f"{f:04d}" / f"{30000000 + each * f + i}N.jpg").touch()


def listing() -> str:
    """Seconds and memory of listing."""
    lines = [
        "| files | in | walk, s | MB | photo table in blocks, s | MB | whole photo table, s | MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for folders, each in ((100, 1000), (1, 100_000), (1000, 1000), (1, 1_000_000)):
        with tempfile.TemporaryDirectory(prefix="places-") as temporary:
            top = Path(temporary) / "photos"
            make_files(top, folders, each)
            small = Path(temporary) / "small"
            make_files(small, 1, 10)
            cells = []
            for how in ("walk", "stream", "whole"):
                if how == "whole" and folders * each > 100_000:
                    cells += ["", ""]
                    continue
                seconds, n, megabytes = child(LIST, how, str(top), str(small))
                assert n == folders * each, n
                cells += [f"{seconds:.1f}", f"{megabytes:.0f}"]
            shutil.rmtree(top)
        kind = f"{folders:,} folders" if folders > 1 else "one folder"
        lines.append(f"| {folders * each:,} | {kind} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def photos(folder: Path, n: int) -> list[Path]:
    """Drawn photos, as many."""
    import lucas_habitat as lh

    lh.draw_demo_photos(folder, n_points=max(4, n // 4), progress=False)
    table = lh.list_photos(folder)
    return [Path(path) for path in table["path"] if is_photo(path)][:n]


def is_photo(path: str) -> bool:
    """Whether a drawn photo is none of the broken ones."""
    from lucas_habitat.errors import PhotoError
    from lucas_habitat.images.decode import decode_photo
    from lucas_habitat.sources import read_bytes

    try:
        decode_photo(read_bytes(path))
    except PhotoError:
        return False
    return True


class Far(http.server.SimpleHTTPRequestHandler):
    """Serves a folder after a pause."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pause = 0.0

    def do_GET(self):
        time.sleep(self.pause)
        super().do_GET()

    def log_message(self, *_):
        pass


def latency() -> str:
    """Photos fetched a second by how far away they are, with few readers and with many."""
    lines = [
        "| pause before each answer | photos fetched a second | with as many threads as cores |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="places-") as temporary:
        files = photos(Path(temporary) / "photos", 320)
        handler = type("Pausing", (Far,), {})
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(handler, directory=temporary)
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        named = Path(temporary) / "addresses.txt"
        named.write_text("\n".join(f"{base}/{f.relative_to(temporary)}" for f in files))
        for pause in PAUSES:
            handler.pause = pause
            rates = [
                statistics.median(child(FETCH, str(named), readers)[0] for _ in range(3))
                for readers in ("32", str(os.cpu_count()))
            ]
            lines.append(f"| {1000 * pause:.0f} ms | {rates[0]:.0f} | {rates[1]:.0f} |")
            print(lines[-1], flush=True)
        server.shutdown()
    return "\n".join(lines)


def local(other: Path) -> None:
    """The same photos on disk with two checkouts, in turns."""
    with tempfile.TemporaryDirectory(prefix="places-") as temporary:
        files = photos(Path(temporary) / "photos", 400)
        named = Path(temporary) / "paths.txt"
        named.write_text("\n".join(map(str, files)))
        ratios = []
        for _ in range(ROUNDS):
            # The CPU's own time says less of other programs than the clock.
            here, there = (child(CLASSIFY, str(named), tree=tree)[1] for tree in (ROOT, other))
            ratios.append(here / there)
            print(f"{here:.2f} {there:.2f} ms of CPU a photo, {ratios[-1]:.3f}", flush=True)
        print(f"median of {ROUNDS} ratios {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "local":
        local(Path(rest[0]).resolve())
    else:
        table = {"listing": listing, "latency": latency}[what]()
        if "--write" in rest:
            put("scale.md", what, table)
