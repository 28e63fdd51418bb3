"""What faster ways to decode JPEGs give, and what they change: milliseconds a photo, features, classes.

    python benchmarks/decoding.py [--photos 200] [--write]

Needs the extra offline, and LUCAS_SHARED for real photos (scenes, and LUCAS photos). The ways take turns
photo by photo, so that all meet the same noise; milliseconds are the processor's, of one thread. Features
are EfficientNet-Lite0's in float32; classes are those of a head that was trained with the way as it is.
``--write`` puts the tables into benchmarks/README.md.
"""

import argparse
import io
import mmap
import shutil
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import simplejpeg
from page import put
from PIL import Image
from speed import (  # sets where weights and the cache are
    SHARED,
    WORK,
    compare,
    cpu_name,
    make_photos,
)

import lucas_habitat as lh
from lucas_habitat.engines import Target, make_runner
from lucas_habitat.errors import PhotoError
from lucas_habitat.features import Features
from lucas_habitat.images import decode
from lucas_habitat.images.decode import Preprocessing, decode_photo
from lucas_habitat.model import p_of
from lucas_habitat.networks.backbones import load_backbone
from lucas_habitat.predicting import predictions_of
from lucas_habitat.sources import read_bytes

HOW = Preprocessing()
ROUNDS = 5


class Way(NamedTuple):
    """A way to decode: how files are read, and what decodes them at reduced size."""

    read: Callable[[str], bytes]
    scaled: Callable[[bytes, int], np.ndarray | None]


def scaled(data, size, *, least=1.0, **options):
    """A JPEG at the smallest scale at which its sides are not below this share of ``size``."""
    side = max(1, int(size * least))
    try:
        return simplejpeg.decode_jpeg(
            data, "RGB", min_height=side, min_width=side, min_factor=1, strict=True, **options
        )
    except ValueError:
        return None


def read_mapped(path):
    """A file as it lies in the system's memory, copied only where the decoder needs bytes."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return bytes(mapped)


WAYS = {
    "as it is": Way(read_bytes, scaled),
    "fast DCT": Way(read_bytes, partial(scaled, fastdct=True)),
    "fast upsampling": Way(read_bytes, partial(scaled, fastupsample=True)),
    "both": Way(read_bytes, partial(scaled, fastdct=True, fastupsample=True)),
    "mapped files": Way(read_mapped, scaled),
    "sides of 1/2 at least, then enlarged": Way(read_bytes, partial(scaled, least=0.5)),
    "sides of 2/3 at least, then enlarged": Way(read_bytes, partial(scaled, least=2 / 3)),
}


@contextmanager
def decoding_by(way):
    """The package decodes by one of the ways meanwhile."""
    before = decode._decode_scaled
    decode._decode_scaled = way.scaled
    try:
        yield
    finally:
        decode._decode_scaled = before


def milliseconds(paths, ways):
    """Median over rounds of the milliseconds a photo of each way, taking turns."""
    spent = np.zeros((ROUNDS, len(ways)))
    for spent_in_round in spent:
        for path in paths:
            for i, way in enumerate(ways):
                with decoding_by(way):
                    start = time.thread_time()
                    decode_photo(way.read(path), HOW)
                    spent_in_round[i] += time.thread_time() - start
    return np.median(spent, axis=0) / len(paths) * 1e3


def pixels_of(paths, way):
    with decoding_by(way):
        return np.stack([decode_photo(way.read(path), HOW) for path in paths])


def readable(table):
    """The rows whose photos can be read and are JPEG."""
    is_good = []
    for path in table["path"]:
        try:
            decode_photo(data := read_bytes(path), HOW)
            is_good.append(data[:2] == b"\xff\xd8")
        except PhotoError:
            is_good.append(False)
    return table[is_good].reset_index(drop=True)


def features_of(photos, runner):
    few = 2
    return np.concatenate([runner(photos[i : i + few]) for i in range(0, len(photos), few)])


def table_of(photos, model, values, target):
    n = len(photos)
    features = Features(values, ["ok"] * n, [""] * n, [None] * n)
    p = p_of(model, features)
    return predictions_of(photos, model, p, features.status, features.error, target)


def changes(sets, models, most):
    """A row a set of photos and way: milliseconds, pixels, features and classes beside the way as it is."""
    target = Target("openvino", "cpu", "float32")
    runner = make_runner(load_backbone("efficientnet_lite0"), target)
    for name, table in sets.items():
        test = table.sample(frac=1, random_state=1).head(most).reset_index(drop=True)
        paths, model = test["path"].tolist(), models[name]
        spent = milliseconds(paths[:60], WAYS.values())
        pixels = pixels_of(paths, WAYS["as it is"])
        exact = features_of(pixels, runner)
        before = table_of(test, model, exact, target)
        yield name, "as it is", spent[0], "", "", f"{len(test)} photos"
        for (way_name, way), ms in list(zip(WAYS.items(), spent, strict=True))[1:]:
            others = pixels_of(paths, way)
            values = features_of(others, runner)
            change = np.sqrt(((values - exact) ** 2).mean() / exact.var(axis=0).mean())
            text = compare(before, table_of(test, model, values, target))[0]
            is_other = (others != pixels).mean()
            yield name, way_name, ms, f"{is_other:.1%}", f"{change:.1%}", text


def stages(paths):
    """Milliseconds a photo that single steps take, and what stopping before the last rows would save."""
    files = [read_bytes(path) for path in paths]
    sizes = [Image.open(io.BytesIO(data)).size for data in files]
    short = [_without_last_rows(data, 1 - decode.CREDIT_SHARE) for data in files]
    full = [scaled(data, HOW.size) for data in files]
    work = {
        "reading the file": lambda i: read_bytes(paths[i]),
        "head and checks": lambda i: _head(files[i]),
        "entropy decoding, DCT and colours at reduced size": lambda i: scaled(files[i], HOW.size),
        "of that, had the file ended before the last 9 % of its rows": lambda i: scaled(
            short[i], int(HOW.size * (1 - decode.CREDIT_SHARE))
        ),
        "looking for the credit line": lambda i: decode.has_line(full[i]),
        "resizing": lambda i: decode._fit(Image.fromarray(full[i]), HOW),
    }
    spent = np.zeros((ROUNDS, len(work)))
    for spent_in_round in spent:
        for i in range(len(paths)):
            for k, step in enumerate(work.values()):
                start = time.thread_time()
                step(i)
                spent_in_round[k] += time.thread_time() - start
    side = np.median([max(size) for size in sizes])
    print(f"(photos of {side:.0f} pixels, {np.mean([len(f) for f in files]) / 1e6:.2f} MB)")
    return zip(work, np.median(spent, axis=0) / len(paths) * 1e3, strict=True)


def _head(data):
    image = decode.open_image(io.BytesIO(data))
    decode.check_body(data, image.format, image.width * image.height)


def _without_last_rows(data, share):
    """The same photo without its last rows, as good: what a decoder reads that stops there."""
    image = Image.open(io.BytesIO(data))
    out = io.BytesIO()
    cut = image.crop((0, 0, image.width, int(image.height * share) // 16 * 16))
    cut.save(out, "JPEG", qtables=image.quantization, subsampling="4:2:0")
    return out.getvalue()


def sets_of_photos():
    """Sets of photos by name, and the model that classifies each."""
    drawn = make_photos(60)
    fit, test = lh.split_photos(drawn, test_size=0.6, seed=1)
    of = partial(lh.train, arch="efficientnet_lite0", precision="float32", progress=False)
    sets, models = {"drawn, 1600 x 1200": readable(test)}, {}
    models["drawn, 1600 x 1200"] = of(fit)
    data = SHARED / "data"
    if (data / "scenes").is_dir():
        fit, test = lh.split_photos(lh.list_photos(data / "scenes"), test_size=0.6, seed=1)
        sets["real scenes"], models["real scenes"] = readable(test), of(fit)
        lucas = lh.list_photos(data / "lucas" / "photos", labels=False)
        sets["real LUCAS photos"], models["real LUCAS photos"] = (
            readable(lucas),
            models["real scenes"],
        )
    return sets, models


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=200, help="at most so many of a set")
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    try:
        lines = list(measured(given.photos))
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    if given.write:
        put("../benchmarks/README.md", "decoding", "\n".join(lines))


def measured(most):
    """The tables, line by line."""

    def told(line):
        print(line, flush=True)
        return line

    sets, models = sets_of_photos()
    yield told(f"{cpu_name()}.")
    yield ""
    yield told("| photos | way | ms a photo | pixels that differ | change of features | classes |")
    yield "|---|---|---|---|---|---|"
    for name, way, ms, pixels, features, text in changes(sets, models, most):
        yield told(f"| {name} | {way} | {ms:.2f} | {pixels} | {features} | {text} |")
    yield ""
    yield told("| photos | step | ms a photo |")
    yield "|---|---|---|"
    for name, table in sets.items():
        for step, ms in stages(table["path"].tolist()[:60]):
            yield told(f"| {name} | {step} | {ms:.2f} |")


if __name__ == "__main__":
    main()
