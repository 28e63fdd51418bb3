"""What all tests share: no network, a cache of their own, small photos, a small model."""

import json
import os
import socket
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {
    "artificial": (150, 150, 155),
    "cropland": (190, 170, 70),
    "grassland": (70, 160, 60),
    "woody": (25, 60, 30),
}


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Nothing may leave the machine: every test runs with outgoing sockets refused."""
    connect = socket.socket.connect

    def refuse(self, address):
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1"):
            raise OSError(f"a test tried to reach {address}")
        return connect(self, address)

    def unknown(host, *args, **kwargs):
        if host in ("localhost", "127.0.0.1", "::1", None):
            return getaddrinfo(host, *args, **kwargs)
        raise socket.gaierror(f"a test tried to look up {host}")

    getaddrinfo = socket.getaddrinfo
    socket.socket.connect = refuse
    socket.getaddrinfo = unknown
    yield
    socket.socket.connect = connect
    socket.getaddrinfo = getaddrinfo


@pytest.fixture(scope="module")
def quiet_ray():
    """Ray that reports nothing and listens to this machine only, which it reads when it is imported."""
    before = dict(os.environ)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    yield
    for name in [n for n in os.environ if n.startswith("RAY_") and n not in before]:
        del os.environ[name]


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """The user's cache is neither read nor written, nor are weights of the environment used."""
    before = {k: os.environ.pop(k, None) for k in ("LUCAS_HABITAT_CACHE", "LUCAS_HABITAT_WEIGHTS")}
    os.environ["LUCAS_HABITAT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["LUCAS_HABITAT_CACHE"]
    os.environ.update({k: v for k, v in before.items() if v is not None})


@pytest.fixture(scope="session")
def shared():
    """The folder of development photos and weights; a reason to skip where it is missing."""
    folder = Path(os.environ.get("LUCAS_SHARED", Path(__file__).parents[3] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"LUCAS_SHARED ({folder}) is not here")
    return folder


def write_run(folder, table, rows=7):
    """The folder of a run with these predictions, in parts of so few rows."""
    folder.mkdir()
    classes = [str(c) for c in table["predicted"].cat.categories]
    statuses = {"ok": len(table)}
    manifest = {
        "format": "lucas-habitat run",
        "format_version": 1,
        "model": {"name": "made", "sha256": "0" * 64, "classes": classes},
        "settings": {"engine": "openvino", "precision": "float32"},
        "versions": {},
        "statuses": statuses,
        "finished": "2026-01-01T00:00:00+00:00",
    }
    (folder / "_run.json").write_text(json.dumps(manifest), encoding="utf-8")
    for number, first in enumerate(range(0, len(table), rows)):
        part = table.iloc[first : first + rows].assign(stamp="1-1", content="0")
        part.to_parquet(folder / f"part-{number:06d}.parquet", index=False)
    return folder


def peak_memory(work):
    """What ``work()`` gives, and the bytes that it held at most."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def growth(work, few, many):
    """How many times the CPU time of ``work(few)`` goes into ``work(many)``, least of three each.

    Time on the clock says how busy a machine is, the CPU's own time and a ratio say little of it:
    for eight times as many rows, work that goes through all pairs takes 20 to 64 times as long.
    """

    def seconds(given):
        took = []
        for _ in range(3):
            start = time.process_time()
            work(given)
            took.append(time.process_time() - start)
        return min(took)

    return seconds(many) / seconds(few)


def colour_photo(habitat, seed, size=(96, 72)):
    """A noisy photo in the class' colour: easy, small and quick."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(COLOURS[habitat], 25, (size[1], size[0], 3)) + rng.normal(0, 10)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_photos(folder, n_points=6, directions=("north", "south"), year=2018):
    """Photos in the pilot's names: ``{folder}/{class}/{point}_{direction}_{year}.jpg``."""
    for c, habitat in enumerate(COLOURS):
        (folder / habitat).mkdir(parents=True, exist_ok=True)
        for i in range(n_points):
            point = f"{4300 + 10 * c:04d}{3600 + 2 * i:04d}"
            for d, direction in enumerate(directions):
                photo = colour_photo(habitat, 1000 * c + 10 * i + d)
                photo.save(folder / habitat / f"{point}_{direction}_{year}.jpg", quality=90)
    return folder


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("fotos på ø"))


@pytest.fixture(scope="session")
def parts(photo_folder):
    from lucas_habitat import list_photos, split_photos

    return split_photos(list_photos(photo_folder), test_size=0.34, seed=1)


@pytest.fixture(scope="session")
def model(parts):
    from lucas_habitat import train

    return train(parts[0], arch="efficientnet_lite0", progress=False)


@pytest.fixture(scope="session")
def predictions(parts, model):
    import warnings

    from lucas_habitat import classify
    from lucas_habitat.errors import LucasMessage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasMessage)
        return classify(parts[1], model, progress=False)
