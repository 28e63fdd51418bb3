"""How fast, measured: everything that benchmarks/README.md says, as ratios within this run.

    make bench                                # everything; ten minutes on two quiet cores
    make bench QUICK=1                        # Lite0 only, few photos, two minutes; writes nothing
    python benchmarks/speed.py growth start   # some of: roof plain keras retrain growth start quality

Whatever is compared takes turns, round by round, so that all meet the same noise; what is told are medians
of rounds. Needs the extras offline and bench, and for Xception LUCAS_SHARED/weights (default ../shared) or
random weights, which take as long. Writes the table and the picture of benchmarks/README.md.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("LUCAS_SHARED", HERE.parents[1] / "shared"))
WORK = Path(tempfile.mkdtemp(prefix="lucas-bench-"))
os.environ["LUCAS_HABITAT_CACHE"] = str(WORK / "cache")
if (SHARED / "weights").is_dir():
    os.environ.setdefault("LUCAS_HABITAT_WEIGHTS", str(SHARED / "weights"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from PIL import Image  # noqa: E402

import lucas_habitat as lh  # noqa: E402
from lucas_habitat.engines import Target, choose_target, cores, make_runner  # noqa: E402
from lucas_habitat.errors import LucasMessage, LucasWarning, WeightsError  # noqa: E402
from lucas_habitat.features import extract_features  # noqa: E402
from lucas_habitat.images.decode import Preprocessing, decode_photo  # noqa: E402
from lucas_habitat.networks.backbones import load_backbone  # noqa: E402
from lucas_habitat.sources import read_bytes  # noqa: E402

HOW = Preprocessing()
LITE0, XCEPTION = "efficientnet_lite0", "xception"
TIMM = {LITE0: "tf_efficientnet_lite0", XCEPTION: "legacy_xception"}
BF16 = choose_target("cpu").precision == "bfloat16"
PRECISIONS = ("bfloat16", "float32") if BF16 else ("float32",)
# Of a forward pass of one photo of 224 x 224.
GFLOP = {XCEPTION: 9.1, LITE0: 0.77}


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    archs: tuple[str, ...]
    points: int  # of drawn photos, five each
    rounds: int
    photos: int  # that our way classifies in a round, of networks as quick as Lite0
    plain: int  # that other ways classify in a round
    trained: int
    cached: int  # whose head is trained anew
    growth: tuple[int, ...]


FULL = Extent((XCEPTION, LITE0), 60, 3, 384, 48, 200, 4_000, (250, 500, 1_000, 2_000, 4_000))
QUICK = Extent((LITE0,), 20, 3, 192, 48, 100, 2_000, (250, 500, 1_000))


class Results:
    """Rows of the table, printed as they come and written at the end."""

    def __init__(self):
        self.rows = []

    def add(self, part, what, value, goal=""):
        self.rows.append({"part": part, "what": what, "measured": value, "goal": goal})
        print(f"{part:12s} {what}: {value}" + (f"   (goal {goal})" if goal else ""), flush=True)


def in_turn(*functions, times=3):
    """Seconds of each, shape (rounds, functions); one after the other, so that all meet the same noise."""
    seconds = np.zeros((times, len(functions)))
    for of_round in seconds:
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            of_round[i] = time.perf_counter() - start
    return seconds


def median_time(*functions, times=3):
    """Median seconds of each, taking turns."""
    return np.median(in_turn(*functions, times=times), axis=0).tolist()


def make_photos(n_points=100):
    """Drawn photos of 1600 x 1200, with grain, so that a file has 0.6 MB as the survey's have."""
    lh.draw_demo_photos(WORK / "drawn", n_points=n_points, size=(1600, 1200), progress=False)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 10, (1400, 1800, 3)).astype(np.float32)
    table = lh.list_photos(WORK / "drawn")
    places = rng.integers(0, 200, (len(table), 2))

    def write(i):
        path = Path(table["path"][i])
        try:
            pixels = np.asarray(Image.open(path).convert("RGB"), np.float32)
        except OSError:  # three are broken on purpose
            return
        if pixels.shape != (1200, 1600, 3):
            return
        y, x = places[i]
        pixels = pixels + grain[y : y + 1200, x : x + 1600]
        out = WORK / "photos" / path.parent.name / path.name
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, quality=89)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(write, range(len(table))))
    shutil.rmtree(WORK / "drawn")
    return lh.list_photos(WORK / "photos")


def hard_links(table, n):
    """A photo table of n files; each its own path, all on the same few photos."""
    folder = WORK / "links"
    folder.mkdir(exist_ok=True)
    many = table.iloc[np.arange(n) % len(table)].reset_index(drop=True)
    paths = []
    for i, path in enumerate(many["path"]):
        link = folder / f"{i:06d}.jpg"
        if not link.exists():
            os.link(path, link)
        paths.append(str(link))
    points = [f"{i // 5:08d}" for i in range(n)]
    return pd.DataFrame({"path": paths, "point_id": points, "habitat": many["habitat"]})


def backbone_of(arch):
    try:
        return load_backbone(arch)
    except WeightsError:
        return load_backbone(arch, weights=None)


def decode_all(paths):
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda path: decode_photo(read_bytes(path), HOW), paths))


def forward_all(run, batch, times):
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda _: run(batch), range(times)))


def roof(results, table, extent):
    """Decoding alone on all cores, the network alone, and both together as the package runs them."""
    paths = table["path"].tolist()
    for arch in extent.archs:
        for precision in PRECISIONS:
            n = 96 if (arch, precision) == (XCEPTION, "float32") else extent.photos
            chosen, backbone = (paths * 4)[:n], backbone_of(arch)
            target = Target("openvino", "cpu", precision)
            run = make_runner(backbone, target)
            photos = np.stack([decode_photo(read_bytes(p), HOW) for p in paths[:32]])
            few = target.batch_size
            decoded, streams, latency, products, whole = median_time(
                partial(decode_all, chosen),
                partial(forward_all, run, photos[:few], n // few),
                partial(bare_openvino(backbone, precision, photos), n // 32),
                matrix_products(precision),
                partial(our_way, chosen, backbone, target),
                times=extent.rounds,
            )
            bare = min(streams, latency)
            peak = PRODUCTS / products
            ROOFS[arch, precision] = Roof(decoded / n, GFLOP[arch] / peak)
            results.add(
                "roof",
                f"{arch} {precision}: decode {decoded / n * 1e3:.2f} ms + network "
                f"{bare / n * 1e3:.2f} ms a photo = {n / (decoded + bare):.0f} photos/s; end to end "
                f"{n / whole:.0f} photos/s",
                f"{(decoded + bare) / whole:.0%} of the roof",
                ">= 90 %",
            )
            results.add(
                "roof",
                f"{arch} {precision}, arithmetic: matrix products alone, on all cores, reach "
                f"{peak:.0f} GFLOP/s; the network {GFLOP[arch] / bare * n:.0f}",
                f"{GFLOP[arch] / bare * n / peak:.0%} of the arithmetic roof",
            )


@dataclass(frozen=True)
class Roof:
    """Seconds a photo that nothing on this machine goes below."""

    decode: float
    arithmetic: float  # of the network, at the speed of matrix products


#: By network and precision, once measured.
ROOFS = {}


def goal_of(goal, ratio, theirs, ours, arch, precision):
    """A ratio's goal; where arithmetic does not allow it, how much of what it allows is reached."""
    roof = ROOFS.get((arch, precision))
    if not goal or roof is None:
        return f">= {goal} x" if goal else ""
    at_most = theirs / (roof.decode + roof.arithmetic)
    if ratio >= goal or at_most >= goal:
        return f">= {goal} x"
    share = (roof.decode + roof.arithmetic) / ours
    return f"{goal} x is beyond this CPU; {share:.0%} of the arithmetic roof, {at_most:.1f} x"


def our_way(paths, backbone, target):
    extract_features(paths, backbone, HOW, target, cache=False, progress=False)


#: Of what `matrix_products` computes: GFLOP of eight products of matrices that are large enough for any core.
PRODUCTS = 8 * 2 * 2048**3 / 1e9


def matrix_products(precision):
    """What multiplies large matrices on all cores.

    By OpenVINO, as networks are: what torch multiplies float32 with is half as fast on AMD's CPUs.
    """
    import openvino
    from openvino import opset13

    a, b = np.random.default_rng(1).random((2, 2048, 2048), np.float32) / 1024
    given = opset13.parameter(a.shape, np.float32)
    product = given
    for _ in range(8):
        product = opset13.matmul(product, opset13.constant(b), False, False)
    request = compiled(openvino.Model([product], [given], "products"), precision)
    return partial(request.infer, [a], share_inputs=True)


def compiled(network, precision):
    """A network that OpenVINO runs on all cores."""
    from lucas_habitat.engines.openvino_engine import _HINTS, core

    options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    return core().compile_model(network, "CPU", options).create_infer_request()


def bare_openvino(backbone, precision, photos):
    """The same network as OpenVINO's guide runs it: one request, batch 32, all cores on each."""
    from lucas_habitat.engines.openvino_engine import float32_network

    request = compiled(float32_network(backbone), precision)
    request.infer([photos])

    def run(times):
        for _ in range(times):
            request.infer([photos])

    return run


def plain_seconds(library, task, n, listed, arch="-", workers=0):
    """Seconds a photo of benchmarks/plain.py, in a process of its own."""
    found = subprocess.run(
        [
            *(sys.executable, HERE / "plain.py", library, task, str(n), listed),
            *(TIMM.get(arch, "-"), str(workers)),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    return float(found.stdout.splitlines()[-1]) / n


def write_list(table):
    classes = sorted(table["habitat"].unique())
    lines = [
        f"{p}\t{classes.index(h)}" for p, h in zip(table["path"], table["habitat"], strict=True)
    ]
    file = WORK / "photos.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def train_seconds(precision, n):
    """Seconds a photo of the pilot's ten epochs, nothing of which is kept."""
    listed = lh.list_photos(WORK / "photos")
    many = pd.concat([listed] * 4, ignore_index=True).head(n)
    weights = "imagenet" if "LUCAS_HABITAT_WEIGHTS" in os.environ else None
    start = time.perf_counter()
    lh.train(many, arch=XCEPTION, weights=weights, precision=precision, cache=False, progress=False)
    return (time.perf_counter() - start) / len(many)


def ours_and_theirs(arch, paths, extent, theirs):
    """Median seconds a photo of classifying our way, by precision, and in other ways, by name."""
    backbone, ours = backbone_of(arch), {}
    for precision in PRECISIONS:
        slow = (arch, precision) == (XCEPTION, "float32")
        chosen = (paths * 4)[: 96 if slow else extent.photos]
        target = Target("openvino", "cpu", precision)
        our_way(chosen[:8], backbone, target)  # start-up left out
        ours[precision] = (chosen, target)
    seconds = {name: [] for name in (*ours, *theirs)}
    for _ in range(extent.rounds):
        for name, (chosen, target) in ours.items():
            start = time.perf_counter()
            our_way(chosen, backbone, target)
            seconds[name].append((time.perf_counter() - start) / len(chosen))
        for name, measure in theirs.items():
            seconds[name].append(measure())
    return {name: float(np.median(values)) for name, values in seconds.items()}


def trained(extent, theirs):
    """Median seconds a photo of ten epochs our way, by precision, and of one epoch in another way."""
    for precision in PRECISIONS:
        make_runner(
            backbone_of(XCEPTION), Target("openvino", "cpu", precision)
        )  # start-up left out
    ours = {precision: [] for precision in PRECISIONS}
    epochs = []
    for _ in range(2):
        for precision, values in ours.items():
            values.append(train_seconds(precision, extent.trained))
        epochs.append(theirs())
    return {p: float(np.median(v)) for p, v in ours.items()}, float(np.median(epochs))


def plain(results, table, extent):
    listed, paths = write_list(table), table["path"].tolist()
    for arch in extent.archs:
        theirs = {
            workers: partial(
                plain_seconds, "torch", "classify", extent.plain, listed, arch, workers
            )
            for workers in (0, cores())
        }
        seconds = ours_and_theirs(arch, paths, extent, theirs)
        for precision in PRECISIONS:
            ours, others = seconds[precision], seconds[0]
            goal = {"bfloat16": 8, "float32": 5}[precision] if arch == XCEPTION else None
            results.add(
                "classify",
                f"{arch} {precision}, {1 / ours:.0f} photos/s, against PyTorch written plainly "
                f"({1 / others:.1f} photos/s)",
                f"{others / ours:.1f} x",
                goal_of(goal, others / ours, others, ours, arch, precision),
            )
            results.add(
                "classify",
                f"{arch} {precision}, against the same with {cores()} DataLoader workers, as "
                f"animl.classify runs ({1 / seconds[cores()]:.1f} photos/s)",
                f"{seconds[cores()] / ours:.1f} x",
            )
    if XCEPTION not in extent.archs:
        return
    seconds, epoch = trained(
        extent, partial(plain_seconds, "torch", "train", extent.plain, listed, XCEPTION, 0)
    )
    for precision, ours in seconds.items():
        results.add(
            "train",
            f"xception {precision}, ten epochs, {ours * 1e3:.0f} ms a photo, against PyTorch written "
            f"plainly (one epoch measured, {epoch * 1e3:.0f} ms a photo)",
            f"{10 * epoch / ours:.0f} x",
            ">= 60 x" if precision == "bfloat16" else "",
        )


def keras(results, table, extent):
    listed, paths = write_list(table), table["path"].tolist()
    if XCEPTION not in extent.archs:
        return
    n = 2 * extent.plain
    try:
        theirs = {"keras": partial(plain_seconds, "keras", "classify", n, listed)}
        seconds = ours_and_theirs(XCEPTION, paths, extent, theirs)
        ours_trained, epoch = trained(extent, partial(plain_seconds, "keras", "train", n, listed))
    except subprocess.CalledProcessError as error:
        results.add("keras", "not run", error.stderr.strip().splitlines()[-1])
        return
    for precision in PRECISIONS:
        ours, others = seconds[precision], seconds["keras"]
        bf16 = precision == "bfloat16"
        results.add(
            "keras",
            f"classify, xception {precision}, against Keras on TensorFlow "
            f"({1 / others:.1f} photos/s)",
            f"{others / ours:.1f} x",
            goal_of(2 if bf16 else None, others / ours, others, ours, XCEPTION, precision),
        )
        results.add(
            "keras",
            f"train ten epochs, xception {precision} (one of Keras' measured: "
            f"{epoch * 1e3:.0f} ms a photo)",
            f"{10 * epoch / ours_trained[precision]:.0f} x",
            ">= 15 x" if bf16 else "",
        )


def retrain(results, table, extent):
    """Ten epochs of the head over cached features, against one pass of the backbone."""
    many = hard_links(table, extent.cached)
    time.sleep(3.5)  # files just made are read again
    arch = extent.archs[0]
    weights = "imagenet" if "LUCAS_HABITAT_WEIGHTS" in os.environ or arch == LITE0 else None
    for precision in PRECISIONS:
        options = {"arch": arch, "weights": weights, "precision": precision, "progress": False}
        lh.train(table, epochs=1, **options)  # fills the cache
        lh.train(many, epochs=1, **options)  # knows the links' content again
        chosen = table["path"].tolist()[:96]
        target = Target("openvino", "cpu", precision)
        head, few = median_time(
            partial(lh.train, many, **options),
            partial(our_way, chosen, backbone_of(arch), target),
            times=2,
        )
        one_pass = few / len(chosen) * len(many)
        results.add(
            "retrain",
            f"{arch} {precision}: ten epochs over {len(many):,} cached photos, {head:.1f} s; a pass of "
            f"the backbone {one_pass:.0f} s",
            f"{head / one_pass:.1%}",
            "< 15 %" if arch == XCEPTION else "",
        )


CLASSIFY = """
import json, re, resource, sys, time
import lucas_habitat as lh, pandas as pd
photos, model = pd.read_csv(sys.argv[1], dtype=str), lh.load_model(sys.argv[2])
photos = photos.head(int(sys.argv[3])).drop(columns="habitat")
lh.classify(photos.head(8), model, cache=False, progress=False)
start = time.perf_counter()
lh.classify(photos, model, cache=False, progress=False)
seconds = time.perf_counter() - start
try:  # of this program alone; what getrusage() tells begins with the parent's
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, peak]))
"""


def growth(results, table, extent):
    """Time and memory against the number of photos."""
    sizes = extent.growth
    hard_links(table, max(sizes)).to_csv(WORK / "many.csv", index=False)
    lh.save_model(lite0_model(table), WORK / "model", overwrite=True)
    command = (sys.executable, "-W", "ignore", "-c", CLASSIFY, WORK / "many.csv", WORK / "model")
    found = {}
    for n in sizes:
        run = subprocess.run([*command, str(n)], capture_output=True, text=True, check=True)
        found[n] = json.loads(run.stdout.splitlines()[-1])
    seconds = np.array([found[n][0] for n in sizes])
    slope, start = np.polyfit(sizes, seconds, 1)
    fit = np.corrcoef(sizes, seconds)[0, 1] ** 2
    results.add(
        "growth",
        f"lite0, cache off, {', '.join(f'{n:,}: {found[n][0]:.1f} s' for n in sizes)}; slope "
        f"{slope * 1e3:.2f} ms a photo, {start:+.1f} s at none",
        f"R² {fit:.5f}",
        "a straight line",
    )
    few, most = sizes[-3], sizes[-1]
    small, large = found[few][1], found[most][1]
    results.add(
        "memory",
        f"peak for {few:,} photos {small:.0f} MB, for {most:,} {large:.0f} MB",
        f"{large / small - 1:+.1%}",
        "within 10 %",
    )


def lite0_model(table):
    return lh.train(table, arch=LITE0, progress=False)


def start(results, table, extent):
    lh.save_model(lite0_model(table), WORK / "model", overwrite=True)
    photo = table["path"][0]
    command = Path(sys.executable).with_name("lucas-habitat")
    runs = {
        "import lucas_habitat": ([sys.executable, "-c", "import lucas_habitat"], "< 0.3 s"),
        "lucas-habitat --help": ([command, "--help"], "< 0.5 s"),
        "lucas-habitat classify, one photo, lite0, from process start to table": (
            [
                *(command, "classify", photo, "--model", WORK / "model"),
                *("--out", WORK / "o.csv", "--no-cache"),
            ],
            "< 5 s",
        ),
    }
    for what, (line, goal) in runs.items():
        (seconds,) = median_time(
            partial(subprocess.run, line, check=True, capture_output=True), times=7
        )
        results.add("start", what, f"{seconds:.2f} s", goal)


def quality(results, table, extent):
    """What decoders, precisions and float16 features change in classes and probabilities."""
    sets = {"drawn photos": lh.split_photos(table, test_size=0.5, seed=1)}
    if (SHARED / "data" / "scenes").is_dir():
        scenes = lh.list_photos(SHARED / "data" / "scenes")
        sets["real scenes"] = lh.split_photos(scenes, test_size=0.5, seed=1)
        lucas = lh.list_photos(SHARED / "data" / "lucas" / "photos", labels=False)
        sets["real LUCAS photos, model of the scenes"] = (sets["real scenes"][0], lucas)
    archs = [a for a in extent.archs if backbone_of(a).spec["weights"] != "random"]
    for arch in archs:
        for name, (fit, test) in sets.items():
            if arch == XCEPTION:  # twelve times as slow
                fit, test = (t.sample(min(len(t), 150), random_state=1) for t in (fit, test))
            pillow = Preprocessing(decoder="pillow")
            model = lh.train(fit, arch=arch, decoder="pillow", precision="float32", progress=False)
            reference = lh.classify(test, model, precision="float32", progress=False)
            ways = {"simplejpeg": (replace(model, preprocessing=HOW), "float32")}
            ways["nearest"] = (
                replace(model, preprocessing=replace(pillow, resize="nearest")),
                "float32",
            )
            if BF16:
                ways["bfloat16"] = (model, "bfloat16")
            for way, (other, precision) in ways.items():
                found = lh.classify(test, other, precision=precision, progress=False)
                results.add("quality", f"{arch}, {name}, {way}", *compare(reference, found))
            results.add(
                "quality",
                f"{arch}, {name}, float16 features",
                *compare(reference, half_precision(model, test)),
            )


def half_precision(model, test):
    """Predictions from features rounded to float16, as a cache of half the size would hold them."""
    from lucas_habitat.model import p_of
    from lucas_habitat.predicting import predictions_of

    found = extract_features(
        test["path"].tolist(), model.backbone, model.preprocessing, model.target, progress=False
    )
    found.values = found.values.astype(np.float16).astype(np.float32)
    return predictions_of(test, model, p_of(model, found), found.status, found.error, model.target)


def compare(reference, found):
    ok = reference["status"] == "ok"
    p = [c for c in reference if c.startswith("p_")]
    agree = (reference["predicted"].astype(str) == found["predicted"].astype(str))[ok].mean()
    change = np.abs(reference[p] - found[p])[ok].to_numpy().max()
    text = f"{agree:.1%} of {int(ok.sum())} classes agree, largest change of a probability {change:.3f}"
    if reference["habitat"].notna().any():
        kappas = [lh.evaluate(t, n_boot=0).kappa for t in (reference, found)]
        text += f", kappa {kappas[0]:.3f} -> {kappas[1]:.3f}"
    return (text,)


PARTS = {
    "roof": roof,
    "plain": plain,
    "keras": keras,
    "retrain": retrain,
    "growth": growth,
    "start": start,
    "quality": quality,
}


#: What a CPU can do that decides how fast networks are, as /proc/cpuinfo calls it.
CAPABILITIES = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16"),
)


def cpu_name():
    """The CPU, its cores, and what it can do."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        name = re.search(r"model name\s*: (.*)", text)
        flags = set(re.search(r"(?:flags|Features)\s*: (.*)", text)[1].split())
    except (OSError, TypeError):
        return platform.processor()
    named = name[1].strip() if name else platform.machine()
    return f"{named}, {cores()} cores, {', '.join(f for f in CAPABILITIES if f in flags)}"


def write_page(results, seconds):
    """The table of this kind of CPU; that of the other kind stays."""
    page = HERE / "README.md"
    text = page.read_text(encoding="utf-8")
    rows = ["| part | what | measured | goal |", "|---|---|---|---|"]
    rows += [f"| {r['part']} | {r['what']} | {r['measured']} | {r['goal']} |" for r in results.rows]
    day = datetime.now(UTC).date().isoformat()
    said = f"{cpu_name()}; {day}, {seconds / 60:.0f} minutes.\n\n" + "\n".join(rows)
    block = rf"(<!-- {PRECISIONS[0]} -->\n).*?(\n<!-- end -->)"
    page.write_text(re.sub(block, lambda m: m[1] + said + m[2], text, flags=re.S), encoding="utf-8")


def draw(results):
    """Photos a second, ours beside others', as the picture of the page."""
    from matplotlib.figure import Figure

    found = {}
    for row in results.rows:
        if match := re.match(
            r"(xception|efficientnet_lite0) (\w+): .*end to end (\d+)", row["what"]
        ):
            found[f"{match[1]}, {match[2]}"] = (float(match[3]), "#0b6e4f")
        elif match := re.search(r"^(\w+) .*written plainly \(([\d.]+) photos", row["what"]):
            found[f"{match[1]}, PyTorch written plainly"] = (float(match[2]), "#9a9a9a")
        elif match := re.search(r"Keras on TensorFlow \(([\d.]+)", row["what"]):
            found["xception, Keras on TensorFlow"] = (float(match[1]), "#9a9a9a")
    found = dict(sorted(found.items()))
    figure = Figure(figsize=(170 / 25.4, (12 + 8 * len(found)) / 25.4), layout="constrained")
    axes = figure.subplots()
    values = [v for v, _ in found.values()]
    bars = axes.barh(list(found), values, color=[c for _, c in found.values()])
    axes.bar_label(bars, [f"{v:.0f}" for v in values], padding=2, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(
        f"full-size photos classified a second (1600 x 1200 JPEG, {cores()} cores)", fontsize=8
    )
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / f"speed-{PRECISIONS[0]}.png", dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {' '.join(PARTS)}")
    parser.add_argument(
        "--quick", action="store_true", help="Lite0 only, few photos; nothing is written"
    )
    given = parser.parse_args()
    if strange := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(strange))}")
    extent = QUICK if given.quick else FULL
    left_out = ("keras", "quality") if given.quick else ()
    warnings.simplefilter("ignore", LucasMessage)
    warnings.simplefilter("ignore", LucasWarning)
    begun = time.perf_counter()
    results = Results()
    print(f"{cpu_name()}")
    try:
        table = make_photos(extent.points)
        size = np.mean([os.path.getsize(p) for p in table["path"]]) / 1e6
        results.add("photos", f"{len(table)} drawn photos of 1600 x 1200", f"{size:.2f} MB each")
        for name in given.parts or [name for name in PARTS if name not in left_out]:
            before = time.perf_counter()
            PARTS[name](results, table, extent)
            print(f"({name}: {time.perf_counter() - before:.0f} s)", flush=True)
        if not given.parts and not given.quick:
            write_page(results, time.perf_counter() - begun)
            draw(results)
        print(f"{(time.perf_counter() - begun) / 60:.1f} minutes")
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
