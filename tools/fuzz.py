#!/usr/bin/env python3
"""Feed what comes from elsewhere, damaged in every way, and count what becomes of it.

Pictures, tables, model folders, nomenclatures, survey tables and zips are made here (photos are drawn),
damaged by Hypothesis, and given to what reads them, in processes of their own. Right is an answer or one of
our errors, within 10 seconds of the processor and bounded memory, without a write elsewhere, a program
started or an address asked for. Whatever else happens is printed, and its input kept::

    python tools/fuzz.py --seconds 600 --write
    python tools/fuzz.py --only pictures --seconds 60 --seed 7
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Seconds of the processor that one input may take, and of the clock on a machine that is busy.
MOST_SECONDS, MOST_WAITED = 10, 120
#: Bytes that a process may ask for beyond what it has once everything is imported.
MOST_BYTES = 3 << 30
#: Megabytes that a process may hold.
MOST_MB = 1_500

# ---- what is damaged, and how: strategies of Hypothesis -------------------------------------------


def damaged(seeds: list[bytes]) -> Any:
    """One of some files with a few of its bytes changed, moved, doubled or cut off."""
    from hypothesis import strategies as st

    place = st.floats(0, 1, exclude_max=True)
    word = st.sampled_from(
        [b"\0", b"\xff", b"\x7f\xff", b"\x80\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
         b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xd8", b"\xff\xda", b"\xff\xd9", b"\n", b",", b'"',
         b"PK\x03\x04"]
    ) | st.binary(min_size=1, max_size=8)  # fmt: skip
    change = st.tuples(
        st.sampled_from(["set"] * 4 + ["insert", "delete", "double", "cut", "splice"]),
        place,
        place,
        word,
    )
    early = place.map(lambda at: at**4)  # heads are small, and what is said in them counts
    head = st.tuples(st.just("set"), early, place, word)

    def apply(drawn: tuple[int, list[tuple[str, float, float, bytes]]]) -> bytes:
        number, changes = drawn
        data = bytearray(seeds[number])
        for what, at, to, value in changes:
            start = int(at * len(data))
            end = start + int(to**3 * (len(data) - start))
            if what == "set":
                data[start : start + len(value)] = value
            elif what == "insert":
                data[start:start] = value
            elif what == "delete":
                del data[start:end]
            elif what == "double":
                data[start:start] = data[start:end][:100_000]
            elif what == "cut":
                del data[start:]
            else:
                other = seeds[(number + 1) % len(seeds)]
                data[start:end] = other[int(at * len(other)) : int(at * len(other)) + end - start]
        return bytes(data)

    numbers = st.integers(0, len(seeds) - 1)
    return st.tuples(numbers, st.lists(change | head, min_size=1, max_size=8)).map(apply)


def of_kinds(kinds: list[tuple[str, list[bytes]]], more: Any) -> Any:
    """Damaged files with the ending of their kind, or now and then of another."""
    from hypothesis import strategies as st

    own = [st.tuples(damaged(seeds), st.just(ending), more) for ending, seeds in kinds]
    others = [
        st.tuples(damaged(seeds), st.sampled_from([e for e, _ in kinds]), more)
        for _, seeds in kinds
    ]
    return st.one_of(*own, *own, *own, *others)


def odd_value() -> Any:
    """What may stand where a number, a text or nothing should."""
    import datetime
    import decimal

    import pandas as pd
    from hypothesis import strategies as st

    return st.sampled_from(
        [None, float("nan"), float("inf"), float("-inf"), -1, 0, 1, 2.5, 1e308, 1e-320, 10**30, -(10**400),
         True, "", " ", "x", "NaN", "1,5", "1e999", "=1+1", "\ud800", "a\0b", "\r\n", "ø" * 5000, b"\xff",
         [1], {"a": 1}, (1, 2),
         pd.NA, pd.NaT, pd.Timestamp("2018-01-01"), pd.Timedelta(1), datetime.date(2018, 1, 1),
         decimal.Decimal("NaN"), decimal.Decimal("0.5"), 1 + 2j, {1}, "20180", "../x", "C", "train"]
    )  # fmt: skip


def odd_table(tables: list[Any]) -> Any:
    """One of some tables with a few of its columns, rows or names changed into odd ones."""
    import pandas as pd
    from hypothesis import strategies as st

    kinds = [
        "str",
        "object",
        "category",
        "datetime64[ns]",
        "boolean",
        "Int8",
        "float32",
        "complex128",
        "bool",
        "Int64",
    ]
    change = st.tuples(
        st.sampled_from(["cell"] * 4 + ["column"] * 2 + ["kind", "drop", "name", "double"])
        | st.sampled_from(["none", "index", "levels"]),
        st.integers(0, 30), st.integers(0, 30), odd_value(), st.sampled_from(kinds),
    )  # fmt: skip

    def apply(drawn: tuple[int, list[tuple[str, int, int, Any, str]]]) -> Any:
        number, changes = drawn
        table = tables[number].copy()
        for what, at, row, value, kind in changes:
            try:
                table = _changed(table, what, at % max(1, table.shape[1]), row, value, kind)
            except Exception:  # pandas knows no such table
                continue
        assert isinstance(table, pd.DataFrame)
        return table

    numbers = st.integers(0, len(tables) - 1)
    return st.tuples(numbers, st.lists(change, min_size=1, max_size=4)).map(apply)


def _changed(table: Any, what: str, at: int, row: int, value: Any, kind: str) -> Any:
    import pandas as pd

    columns = [table.iloc[:, i] for i in range(table.shape[1])]
    names = list(table.columns)
    if what in ("cell", "column"):
        cells = list(columns[at])
        rows = range(len(cells)) if what == "column" else [row % len(cells)]
        for i in rows:
            cells[i] = value
        column = pd.Series(cells, index=table.index)  # of the kind pandas takes it for
        columns[at] = column if row % 2 else column.astype("object")
    elif what == "kind":
        columns[at] = columns[at].astype(kind)
    elif what == "drop":
        del columns[at], names[at]
    elif what == "name":
        names[at] = value
    elif what == "double":
        columns.append(columns[at])
        names.append(names[at])
    result = pd.concat(columns, axis=1)
    result.columns = pd.Index(names, dtype="object", tupleize_cols=False)
    if what == "none":
        return result.iloc[:0]
    if what == "index":
        result.index = pd.Index([value] * len(result), dtype="object", tupleize_cols=False)
    if what == "levels":
        result.index = pd.MultiIndex.from_product([range(len(result)), ["a"]])
    return result


# ---- what is made to be damaged --------------------------------------------------------------------


def drawn_pictures() -> list[bytes]:
    """Drawn photos in every format that is read."""
    from PIL import Image

    from lucas_habitat import draw_demo_photos

    with tempfile.TemporaryDirectory() as folder:
        draw_demo_photos(folder, n_points=4)
        paths = sorted(Path(folder).rglob("*.jpg"))
        plain = paths[0].read_bytes()
        image = Image.open(paths[1]).convert("RGB").resize((400, 300))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [plain]

    def add(picture: Any, format: str, **options: Any) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, format, **options)
        files.append(buffer.getvalue())

    add(image, "JPEG", progressive=True)
    add(image, "JPEG", exif=exif)
    add(image.convert("CMYK"), "JPEG")
    add(image, "MPO", save_all=True, append_images=[image])
    for mode in ("RGB", "L", "P", "LA", "RGBA", "I;16", "1"):
        add(image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode), "PNG")
    for compression in (None, "tiff_lzw", "jpeg", "tiff_deflate", "packbits"):
        add(image, "TIFF", compression=compression, exif=exif)
    add(image.convert("F"), "TIFF")
    add(image.convert("I"), "TIFF")
    add(image, "BMP")
    add(image.convert("P"), "BMP")
    add(image, "WEBP", exif=exif)
    add(image, "WEBP", lossless=True)
    try:
        import pillow_heif
    except ImportError:
        return files
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=60)
    return [*files, buffer.getvalue()]


def photo_table() -> Any:
    """Photos as they are listed; no such files are there."""
    import pandas as pd

    rows = [
        (f"/p/{point}{direction}.jpg", point, 2018, direction, habitat, split, "DK", 4.3e6 + i, 3.6e6, "C10")
        for i, (point, habitat) in enumerate(
            [("43003600", "cropland"), ("43003602", "woody"), ("43003604", "grassland"),
             ("43003606", "woody"), ("43003608", "cropland"), ("43003610", "grassland")]
        )
        for direction in "PNESW"
        for split in ["test" if i > 3 else None]
    ]  # fmt: skip
    columns = [
        "path",
        "point_id",
        "year",
        "direction",
        "habitat",
        "split",
        "nuts0",
        "x",
        "y",
        "lc1",
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(year=table["year"].astype("Int64"))


def predictions() -> Any:
    """Predictions as `classify` gives them."""
    import numpy as np
    import pandas as pd

    table = photo_table()
    p = np.random.default_rng(1).dirichlet([0.6] * 3, len(table))
    classes = ["cropland", "grassland", "woody"]
    table["predicted"] = pd.Categorical.from_codes(p.argmax(axis=1), categories=classes)
    table["confidence"] = p.max(axis=1)
    for i, name in enumerate(classes):
        table[f"p_{name}"] = p[:, i]
    return table.assign(calibrated=True, status="ok", error=None, unlike=False)


def points() -> Any:
    """Points as `vote` gives them."""
    from lucas_habitat import vote

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vote(predictions())


def survey_files() -> list[bytes]:
    """A survey's table as CSV, packed and as Parquet."""
    import pandas as pd

    n = 12
    table = pd.DataFrame(
        {
            "id": range(n), "point_id": [str(43003600 + 2 * i) for i in range(n)], "year": [2018] * n,
            "nuts0": ["DK"] * n,
            "th_lat": [55.5 + i / 100 for i in range(n)], "th_long": [9.1] * n, "obs_dist": [3.0] * n,
            "obs_type": ["In situ < 100 m"] * n, "lc1": ["B16", "C10", "E20"] * 4, "lc1_perc": ["> 75 %"] * n,
            "survey_date": ["04/05/18"] * n, "photo_point": ["1"] * n, "photo_north": ["1"] * n,
        }
    )  # fmt: skip
    csv = table.to_csv(index=False).encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    parquet = buffer.getvalue()
    return [csv, csv.replace(b",", b";"), gzip.compress(csv), zipped({"a.csv": csv}), parquet,
            zipped({"a.parquet": parquet}), gzip.compress(parquet)]  # fmt: skip


def zipped(files: dict[str, bytes]) -> bytes:
    """Files in a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


# ---- targets: a strategy of inputs, and what is done with one ----------------------------------------

#: An input's strategy, and what reads it; files lie in the folder given.
Target = tuple[Any, Callable[[Any], object]]


def pictures(folder: Path) -> Target:
    """Pictures, decoded as photos are, asked for positions, and made into thumbnails."""
    from hypothesis import strategies as st

    from lucas_habitat import locate_photos
    from lucas_habitat.images.decode import Preprocessing, decode_photo, thumbnail

    ways = [
        Preprocessing(),
        Preprocessing(resize="nearest", decoder="pillow", credit="mask"),
        Preprocessing(size=64),
    ]

    def read(drawn: tuple[bytes, int]) -> None:
        data, way = drawn
        if way < len(ways):
            decode_photo(data, ways[way])
            return
        path = folder / "43003600N.jpg"
        path.write_bytes(data)
        if way == len(ways):
            thumbnail(str(path), 80)
        else:
            locate_photos(str(path))

    return st.tuples(damaged(drawn_pictures()), st.integers(0, len(ways) + 1)), read


def table_files(folder: Path) -> Target:
    """Files of tables, read and listed."""
    from hypothesis import strategies as st

    from lucas_habitat import list_photos
    from lucas_habitat._base.tables import iter_table, read_table

    seeds = []
    for table in (photo_table(), predictions(), points()):
        buffer = io.BytesIO()
        table.to_parquet(buffer)
        csv = table.to_csv(index=False)
        seeds += [csv.encode(), csv.replace(",", ";").encode("utf-8-sig"), buffer.getvalue()]

    def read(drawn: tuple[bytes, str, int]) -> None:
        data, ending, way = drawn
        path = folder / f"table{ending}"
        path.write_bytes(data)
        if way == 0:
            read_table(path)
        elif way == 1:
            list(iter_table(path, 7))
        else:
            list_photos(path)

    kinds = [(".csv", seeds[i::3]) for i in (0, 1)] + [(".parquet", seeds[2::3])]
    return of_kinds(kinds, st.integers(0, 2)), read


def odd_tables(folder: Path) -> Target:
    """Tables of photos, predictions and points, given to what takes tables."""
    import pandas as pd
    from hypothesis import strategies as st

    import lucas_habitat as lh
    from lucas_habitat import training
    from lucas_habitat.errors import InputError

    def no_training(*args: Any, **options: Any) -> Any:
        raise InputError("the table was taken")

    training.load_backbone = no_training
    sites = pd.DataFrame({"id": ["a", "b"], "x": [4.3e6, 4.31e6], "y": [3.6e6, 3.61e6]})
    of_photos = [
        lambda t: lh.split_photos(t, test_size=0.3),
        lambda t: lh.split_photos(t, n_per_class=2),
        lambda t: lh.list_photos(t),
        lambda t: lh.train(t, progress=False),
        lambda t: lh.train(t, validation_split=0.5, progress=False),
        lambda t: lh.assign_habitat(t),
    ]
    of_predictions = [
        *(lambda t, m=m: lh.vote(t, method=m) for m in ("majority", "mean", "product", "learned")),
        lambda t: lh.evaluate(t, n_boot=10),
        lambda t: lh.review_list(t),
        lambda t: lh.reliability(t),
    ]
    of_points = [
        lambda t: lh.covariates(t),
        lambda t: lh.covariates(t, sites, k=2),
        lambda t: lh.covariates(t, transform="clr"),
        lambda t: lh.evaluate(t, n_boot=10),
    ]
    of_sites = [lambda t: lh.covariates(points(), t, k=2)]
    groups = [
        (photo_table(), of_photos),
        (predictions(), of_predictions),
        (points(), of_points),
        (sites, of_sites),
    ]
    drawn = st.one_of(
        *[st.tuples(odd_table([table]), st.sampled_from(calls)) for table, calls in groups]
    )
    return drawn, lambda case: case[1](case[0])


def nomenclatures(folder: Path) -> Target:
    """Schemes of codes, as tables, mappings and files; levels above classes."""
    import pandas as pd
    from hypothesis import strategies as st

    import lucas_habitat as lh

    scheme = pd.DataFrame(
        {
            "code": ["A", "B", "C", "E", "B16"],
            "class": ["a", "b", "c", "e", "m"],
            "level1": ["x", "y", "x", "y", "y"],
        }
    )
    csv = scheme.to_csv(index=False).encode()
    table = photo_table()

    def read(case: Any) -> None:
        if isinstance(case, bytes):
            (folder / "scheme.csv").write_bytes(case)
            case = folder / "scheme.csv"
        if not isinstance(case, dict):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with suppress(lh.errors.LucasError):
                    lh.class_levels(case)
        lh.assign_habitat(table, case)

    mapping = st.dictionaries(
        st.sampled_from(["A", "B", "B16", "", " ", "Æ", "\ud800"]) | st.text(max_size=3),
        odd_value(), max_size=4,
    )  # fmt: skip
    return odd_table([scheme]) | damaged([csv]) | mapping, read


def surveys(folder: Path) -> Target:
    """Tables of the survey, as they are and packed."""
    from hypothesis import strategies as st

    from lucas_habitat import read_survey

    def read(drawn: tuple[bytes, str, None]) -> None:
        path = folder / f"survey{drawn[1]}"
        path.write_bytes(drawn[0])
        read_survey(path)

    endings = [".csv", ".csv", ".csv.gz", ".zip", ".parquet", ".zip", ".parquet.gz"]
    kinds = [(ending, [file]) for ending, file in zip(endings, survey_files(), strict=True)]
    return of_kinds(kinds, st.none()), read


def zips(folder: Path) -> Target:
    """Zips of photos, as they are dropped into the page."""
    from hypothesis import strategies as st

    from lucas_habitat.app.uploads import take_uploads

    photo = b"\xff\xd8\xff" + bytes(300)
    names = ["2018/DK/43003600N.jpg", "../up.jpg", "/root.jpg", "C:\\x.jpg", "ø.jpg", "a/b/c.png", "CON.jpg",
             "inner.zip", "a\nb.jpg", "a" * 300 + ".jpg", "d/", ".hidden.jpg"]  # fmt: skip
    seeds = [
        zipped(dict.fromkeys(names, photo)),
        zipped({"a.jpg": bytes(2_000_000)}),
        zipped({"b.jpg": photo}),
    ]

    def read(drawn: tuple[bytes, str]) -> None:
        (folder / "drop").mkdir(exist_ok=True)
        path = folder / "drop" / f"x{drawn[1]}"
        path.write_bytes(drawn[0])
        try:
            take_uploads([path], folder / "taken")
        finally:
            shutil.rmtree(folder / "taken", ignore_errors=True)

    return st.tuples(damaged(seeds), st.sampled_from([".zip", ".zip", ".zip", ".jpg"])), read


def models(folder: Path) -> Target:
    """Folders of a model: values of its card changed, files damaged; whoever makes them knows their sums."""
    from hypothesis import strategies as st

    from lucas_habitat import load_model
    from lucas_habitat.model import logits_of, probabilities_of

    whole = Path(os.environ["FUZZ_MODEL"])
    card = json.loads((whole / "card.json").read_text(encoding="utf-8"))
    files = [name for name in card["files"] if name != "model.safetensors"]
    weights = (whole / "model.safetensors").read_bytes()
    head, rest = weights[: 8 + int.from_bytes(weights[:8], "little")], weights[-1000:]
    places = list(_places(card))

    def read(drawn: tuple[list[tuple[int, Any]], str, bytes]) -> None:
        import numpy as np

        changes, name, data = drawn
        copy = folder / "model"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in card["files"]:
            os.link(whole / file, copy / file)
        changed = json.loads(json.dumps(card))
        if name == "model.safetensors":
            data = data + weights[len(head) : -len(rest)] + rest
        if name:
            (copy / name).unlink()
            (copy / name).write_bytes(data)
            changed["files"][name] = hashlib.sha256(data).hexdigest()
        for number, value in changes:
            _put(changed, places[number], value)
        (copy / "card.json").write_text(json.dumps(changed, default=str), encoding="utf-8")
        model = load_model(copy)
        str(model)
        features = np.random.default_rng(1).random(
            (3, model.backbone.spec["num_features"]), np.float32
        )
        p = probabilities_of(logits_of(model, features), model.temperature)
        if not np.isfinite(p).all():
            raise AssertionError("probabilities that are no numbers")

    changes = st.lists(st.tuples(st.integers(0, len(places) - 1), odd_value()), max_size=3)
    file = st.one_of(
        st.tuples(st.just(""), st.just(b"")),
        st.tuples(st.just("model.safetensors"), damaged([head])),
        *[st.tuples(st.just(name), damaged([(whole / name).read_bytes()])) for name in files],
    )
    return st.tuples(changes, file).map(lambda d: (d[0], *d[1])), read


def _places(values: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = (
        values
        if isinstance(values, dict)
        else range(min(3, len(values)))
        if isinstance(values, list)
        else ()
    )
    for key in keys:
        yield (*before, key)
        yield from _places(values[key], (*before, key))


def _put(values: Any, place: tuple[Any, ...], value: Any) -> None:
    try:
        for key in place[:-1]:
            values = values[key]
        values[place[-1]] = value
    except (KeyError, IndexError, TypeError):  # something above it was changed before
        return


TARGETS: dict[str, Callable[[Path], Target]] = {
    "pictures": pictures,
    "files of tables": table_files,
    "odd tables": odd_tables,
    "model folders": models,
    "nomenclatures": nomenclatures,
    "survey tables": surveys,
    "zips": zips,
}

# ---- a process that reads ----------------------------------------------------------------------------


class Watch:
    """What a process must not do, as Python itself reports it."""

    _PROGRAMS = (
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "pickle.find_class",
    )
    _NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
    _WRITES = (
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "shutil.rmtree",
    )

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self.is_on = False
        self.seen: list[str] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Note what must not happen; Python calls this before each thing that it reports."""
        if not self.is_on:
            return
        if event in self._PROGRAMS:
            self.seen.append(f"executed: {event} {args[:1]!r:.60}")
        elif event in self._NETWORK:
            self.seen.append(f"network: {event} {args[:2]!r:.60}")
        elif event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            mode, flags = args[1] or "", args[2] or 0
            if set("wax+") & set(str(mode)) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._check(args[0])
        elif event in self._WRITES:
            # A link is written where it stands, not where it leads.
            written = {"os.rename": args[:2], "os.link": args[1:2]}.get(event, args[:1])
            for path in written:
                self._check(path)

    def _check(self, path: Any) -> None:
        if not isinstance(path, int):
            full = os.path.realpath(os.fsdecode(path))
            if not full.startswith(self.folder) and full != "/dev/null":
                self.seen.append(f"written elsewhere: {full[:60]}")


def work(name: str, seed: int, cases: int, folder: Path) -> None:
    """Read inputs of one target, a line for each before and after."""
    import hypothesis

    warnings.simplefilter("ignore")
    # Imported before the limit: what libraries reserve is no input's fault.
    import pandas  # noqa: F401
    import PIL.Image

    PIL.Image.init()
    inputs, read = TARGETS[name](folder)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch(folder)
    sys.addaudithook(watch)
    from lucas_habitat.errors import LucasError

    number = 0

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(inputs)
    def each(given: Any) -> None:
        nonlocal number
        number += 1
        keep(given, folder / "last")
        print(f"begin {number}", flush=True)
        watch.seen.clear()
        watch.is_on = True
        try:
            read(given)
            outcome = "answered"
        except LucasError:
            outcome = "refused"
        except BaseException as error:
            outcome = f"foreign: {type(error).__name__} {_place(error)}: {error!r:.120}".replace(
                "\n", " "
            )
        finally:
            watch.is_on = False
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
        print(f"end {number} {rss} {watch.seen[0] if watch.seen else outcome}", flush=True)

    each()


def _place(error: BaseException) -> str:
    """The last line of ours that an error passed through."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "lucas_habitat" in f.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "tools"


def keep(given: Any, path: Path) -> None:
    """Write an input down, so that it is there should the process die of it."""
    data = (
        next((v for v in given if isinstance(v, bytes)), None)
        if isinstance(given, tuple)
        else given
    )
    path.write_bytes(data if isinstance(data, bytes) else repr(given).encode(errors="replace"))


# ---- what watches it ---------------------------------------------------------------------------------


@dataclass
class Counts:
    """What became of a target's inputs."""

    answered: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    megabytes: int = 0
    slowest: float = 0.0

    @property
    def tried(self) -> int:
        """Inputs in all."""
        return self.answered + self.refused + sum(self.faults.values())


def run(name: str, seed: int, seconds: float, cases: int | None, kept: Path) -> Counts:
    """Let processes read a target's inputs until the time, or the number of cases, is used up."""
    counts, end = Counts(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="fuzz-") as outside:
        canary = Path(outside, "canary.txt")
        canary.write_text("canary")
        while (counts.tried < cases) if cases else (time.monotonic() < end):
            box = Path(outside, "box")
            box.mkdir(exist_ok=True)
            before = counts.tried
            _watch(
                name, seed, min(cases or 10**6, 5000), box, end if not cases else None, counts, kept
            )
            seed += 1000
            if counts.tried == before:
                if cases or time.monotonic() < end:  # else its time was up before it had started
                    counts.faults["the process did not start"] += 1
                break
        if sorted(os.listdir(outside)) != ["box", "canary.txt"] or canary.read_text() != "canary":
            counts.faults["written elsewhere: beside its folder"] += 1
    return counts


def _watch(
    name: str, seed: int, cases: int, box: Path, end: float | None, counts: Counts, kept: Path
) -> None:
    """Start one process, count what it says, and end it when it hangs or its time is over."""
    env = {**os.environ, "HOME": str(box), "LUCAS_HABITAT_CACHE": str(box / "cache"), "TMPDIR": str(box),
           "MPLCONFIGDIR": str(box), "OMP_NUM_THREADS": "1"}  # fmt: skip
    arguments = ["--worker", name, "--seed", str(seed), "--cases", str(cases), "--folder", str(box)]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        cwd=box,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    begun, used, text = None, 0.0, b""
    try:
        while True:
            ready, _, _ = select.select([process.stdout], [], [], 0.5)
            data = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if ready and not data:
                break
            text += data
            *lines, text = text.split(b"\n")
            for line in lines:
                words = line.decode(errors="replace").split(" ", 3)
                if words[0] == "begin":
                    begun, used = time.monotonic(), _seconds_used(process.pid)
                elif words[0] == "end" and begun is not None:
                    counts.slowest = max(counts.slowest, _seconds_used(process.pid) - used)
                    begun = None
                    _count(words[3], int(words[2]), counts, box, kept, name)
            if begun is not None and (
                _seconds_used(process.pid) - used > MOST_SECONDS
                or time.monotonic() - begun > MOST_WAITED
            ):
                _count(f"hang of {MOST_SECONDS} s", 0, counts, box, kept, name)
                begun = None
                break
            if end is not None and time.monotonic() > end:
                begun = None
                break
    finally:
        process.kill()
        process.wait()
        errors = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if begun is not None:
        _count(f"crash, exit code {process.returncode}", 0, counts, box, kept, name)
    elif counts.tried == 0:
        print(errors[-2000:], file=sys.stderr)


def _seconds_used(pid: int) -> float:
    """Seconds of the processor that a process has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _count(outcome: str, megabytes: int, counts: Counts, box: Path, kept: Path, name: str) -> None:
    """Count one input; what went wrong is written down with it."""
    counts.megabytes = max(counts.megabytes, megabytes)
    if megabytes > MOST_MB and outcome in ("answered", "refused"):
        outcome = f"memory: more than {MOST_MB} MB"
    if outcome == "answered":
        counts.answered += 1
    elif outcome == "refused":
        counts.refused += 1
    else:
        kind = (
            outcome.split(": ", 1)[0] + ": " + " ".join(outcome.split(": ", 1)[-1].split(" ")[:2])
        )
        counts.faults[kind] += 1
        if counts.faults[kind] == 1:
            kept.mkdir(parents=True, exist_ok=True)
            number = len(list(kept.iterdir()))
            shutil.copy(box / "last", kept / f"{number:03d}-{name.replace(' ', '_')}")
            print(f"{name}: {outcome} (input {number:03d})", file=sys.stderr, flush=True)


# ---- the table -------------------------------------------------------------------------------------


def table_of(counts: dict[str, Counts]) -> str:
    """The counts as one Markdown table."""
    heads = ["input", "tried", "answered", "refused", "foreign errors", "crashes", "hangs", "beyond memory",
             "written elsewhere", "executed, network", "MB at most", "s at most"]  # fmt: skip
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, c in counts.items():

        def of(*kinds: str, c: Counts = c) -> str:
            return f"{sum(n for kind, n in c.faults.items() if kind.startswith(kinds)):,}"

        rows.append([name, f"{c.tried:,}", f"{c.answered:,}", f"{c.refused:,}", of("foreign"),
                     of("crash", "the process"), of("hang"), of("memory"), of("written"),
                     of("executed", "network"), f"{c.megabytes:,}",
                     f"{c.slowest:.1f}"])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def small_model(folder: Path) -> Path:
    """A model of a few drawn photos, saved."""
    from lucas_habitat import draw_demo_photos, list_photos, save_model, train

    warnings.simplefilter("ignore")
    draw_demo_photos(folder / "photos", n_points=8)
    model = train(
        list_photos(folder / "photos"),
        arch="efficientnet_lite0",
        epochs=1,
        cache=False,
        progress=False,
    )
    return save_model(model, folder / "model")


def main() -> int:
    """Fuzz every target, or those named; 1 if anything but answers and our errors came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--cases", type=int, help="inputs of each target, instead of seconds")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--model", type=Path, help="folder of a saved model; else one is trained")
    parser.add_argument(
        "--kept", type=Path, default=Path("fuzz-kept"), help="where inputs that went wrong are put"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/reliability.md"
    )
    parser.add_argument("--worker", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.seed, options.cases, options.folder)
        return 0
    kept = options.kept.resolve()
    counts: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-model-") as folder:
        if "model folders" in options.only:
            os.environ["FUZZ_MODEL"] = str((options.model or small_model(Path(folder))).resolve())
        for name in options.only:
            seconds = options.seconds / len(options.only)
            counts[name] = run(name, options.seed, seconds, options.cases, kept)
    measured = (
        f"{options.cases} inputs" if options.cases else f"{options.seconds:.0f} seconds in all"
    )
    told = f"Seed {options.seed}, {measured}."
    print(f"{told}\n\n{table_of(counts)}")
    for name, c in counts.items():
        for fault, n in c.faults.most_common():
            print(f"{name}: {fault}, {n} times")
    if options.write:
        sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
        from page import put

        put("reliability.md", "fuzz", f"{told}\n\n{table_of(counts)}")
    return int(any(c.faults or not c.tried for c in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
