"""What a call with one new photo costs as calls go by: python benchmarks/cache.py [TREE ...].

Each tree (default: this one) runs in processes of its own, in turns, so that a busy machine slows all
alike. Prints milliseconds of opening the cache, looking up and adding one photo, and closing; medians of
the 40 calls before each number of calls.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

AT = (40, 600, 1000, 1240)
CALLS = """
import os, sys, time
import numpy as np
from lucas_habitat.cache import FeatureCache, file_key
first, last, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
spec = {"backbone": {"arch": "efficientnet_lite0"}, "engine": "e", "precision": "p"}
photo = os.path.join(folder, "photo.jpg")
times = []
for i in range(first, last):
    with open(photo, "w") as file:
        file.write(str(i))
    os.utime(photo, (i, i))
    start = time.perf_counter()
    store = FeatureCache(spec, 1280)
    store.find([photo])
    store.add(i.to_bytes(16, "little"), np.zeros(1280, np.float32), i.to_bytes(16, "big"))
    store.close()
    times.append(time.perf_counter() - start)
print(1000 * sorted(times[-40:])[len(times[-40:]) // 2])
"""


def main() -> None:
    """Print a column a tree."""
    trees = [Path(t).resolve() for t in sys.argv[1:]] or [Path(__file__).resolve().parents[1]]
    print("calls", *(f"{tree.name:>12}" for tree in trees))
    folders = [tempfile.TemporaryDirectory() for _ in trees]
    first = 0
    base: list[float] = []
    for last in AT:
        row = []
        for tree, folder in zip(trees, folders, strict=True):
            env = os.environ | {
                "PYTHONPATH": str(tree / "python"),
                "LUCAS_HABITAT_CACHE": str(Path(folder.name) / "cache"),
            }
            command = [sys.executable, "-c", CALLS, str(first), str(last), folder.name]
            out = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
            row.append(float(out.stdout))
        base = base or row
        cells = (f"{ms:6.1f} ({ms / b:.2f})" for ms, b in zip(row, base, strict=True))
        print(f"{last:5}", *cells, flush=True)
        first = last


if __name__ == "__main__":
    main()
