"""How fast, measured: everything that benchmarks/README.md says, as ratios within this run.

    make bench                                # everything, under 20 minutes on two cores
    python benchmarks/speed.py growth start   # some of: plain keras retrain growth start quality

Needs the extras offline and bench, and for Xception LUCAS_SHARED/weights (default ../shared) or
random weights, which take as long. Writes the table and the picture of benchmarks/README.md.
"""

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
from dataclasses import replace
from functools import cache, partial
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
LARGE = 15676
# Of a forward pass of one photo of 224 x 224.
GFLOP = {XCEPTION: 9.1, LITE0: 0.77}


class Results:
    """Rows of the table, printed as they come and written at the end."""

    def __init__(self):
        self.rows = []

    def add(self, part, what, value, goal=""):
        self.rows.append({"part": part, "what": what, "measured": value, "goal": goal})
        print(f"{part:12s} {what}: {value}" + (f"   (goal {goal})" if goal else ""), flush=True)


def median_time(*functions, times=3):
    """Median seconds of each; one after the other, so that all meet the same noise."""
    seconds = [[] for _ in functions]
    for _ in range(times):
        for function, found in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            found.append(time.perf_counter() - start)
    return [float(np.median(found)) for found in seconds]


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


def roof(results, table):
    """Decoding alone on all cores, the network alone, and both together as the package runs them."""
    paths = table["path"].tolist()
    speeds = {}
    peak = matrix_products()
    for arch in (XCEPTION, LITE0):
        for precision in PRECISIONS:
            n = 96 if (arch, precision) == (XCEPTION, "float32") else 384
            chosen, backbone = (paths * 2)[:n], backbone_of(arch)
            target = Target("openvino", "cpu", precision)
            run = make_runner(backbone, target)
            photos = np.stack([decode_photo(read_bytes(p), HOW) for p in paths[:32]])
            few = target.batch_size
            decoded, streams, latency, whole = median_time(
                partial(decode_all, chosen),
                partial(forward_all, run, photos[:few], n // few),
                partial(bare_openvino(backbone, precision, photos), n // 32),
                partial(
                    extract_features, chosen, backbone, HOW, target, cache=False, progress=False
                ),
            )
            bare = min(streams, latency)
            speeds[arch, precision] = whole / n
            results.add(
                "roof",
                f"{arch} {precision}: decode {decoded / n * 1e3:.2f} ms + network "
                f"{bare / n * 1e3:.2f} ms a photo = {n / (decoded + bare):.0f} photos/s; end to end "
                f"{n / whole:.0f} photos/s",
                f"{(decoded + bare) / whole:.0%} of the roof",
                "90 %",
            )
            if precision == "float32":
                results.add(
                    "roof",
                    f"{arch} float32, arithmetic: matrix products alone, on all cores, reach "
                    f"{peak:.0f} GFLOP/s; the network {GFLOP[arch] / bare * n:.0f}",
                    f"{GFLOP[arch] / bare * n / peak:.0%}",
                )
    return speeds


def matrix_products(size=2048):
    """GFLOP a second of float32 products that are large enough for any core."""
    import torch

    a, b = torch.rand(2, size, size)
    out = torch.empty(size, size)
    (seconds,) = median_time(partial(torch.mm, a, b, out=out), times=9)
    return 2 * size**3 / seconds / 1e9


def bare_openvino(backbone, precision, photos):
    """The same network as OpenVINO's guide runs it: one request, batch 32, all cores on each."""
    from lucas_habitat.engines.openvino_engine import _HINTS, _core, _network

    compiled = _core().compile_model(
        _network(backbone),
        "CPU",
        {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"},
    )
    request = compiled.create_infer_request()
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


@cache
def train_seconds(precision):
    """Seconds a photo of the pilot's ten epochs, with an empty cache."""
    lh.clear_cache()
    many = pd.concat([lh.list_photos(WORK / "photos")] * 2, ignore_index=True).head(500)
    backbone_of(XCEPTION)
    make_runner(backbone_of(XCEPTION), Target("openvino", "cpu", precision))  # start-up left out
    start = time.perf_counter()
    weights = "imagenet" if "LUCAS_HABITAT_WEIGHTS" in os.environ else None
    lh.train(many, arch=XCEPTION, weights=weights, precision=precision, cache=False, progress=False)
    return (time.perf_counter() - start) / len(many)


def plain(results, table, speeds):
    listed = write_list(table)
    n = 64
    for arch in (XCEPTION, LITE0):
        times = {
            workers: float(
                np.median(
                    [plain_seconds("torch", "classify", n, listed, arch, workers) for _ in range(3)]
                )
            )
            for workers in (0, cores())
        }
        for precision in PRECISIONS:
            goal = (
                {"bfloat16": ">= 8 x", "float32": ">= 5 x"}[precision] if arch == XCEPTION else ""
            )
            ours = speeds[arch, precision]
            results.add(
                "classify",
                f"{arch} {precision}, {1 / ours:.0f} photos/s, against PyTorch written plainly "
                f"({1 / times[0]:.1f} photos/s)",
                f"{times[0] / ours:.1f} x",
                goal,
            )
            results.add(
                "classify",
                f"{arch} {precision}, against the same with {cores()} DataLoader workers, as "
                f"animl.classify runs ({1 / times[cores()]:.1f} photos/s)",
                f"{times[cores()] / ours:.1f} x",
            )
    epoch = plain_seconds("torch", "train", n, listed, XCEPTION, 0)
    for precision in PRECISIONS:
        ours = train_seconds(precision)
        results.add(
            "train",
            f"xception {precision}, ten epochs, {ours * 1e3:.0f} ms a photo, against PyTorch written "
            f"plainly (one epoch measured, {epoch * 1e3:.0f} ms a photo)",
            f"{10 * epoch / ours:.0f} x",
            ">= 60 x" if precision == "bfloat16" else "",
        )


def keras(results, table, speeds):
    listed = write_list(table)
    try:
        times = [plain_seconds("keras", "classify", 128, listed) for _ in range(3)]
        epoch = plain_seconds("keras", "train", 128, listed)
    except subprocess.CalledProcessError as error:
        results.add("keras", "not run", error.stderr.strip().splitlines()[-1])
        return
    for precision in PRECISIONS:
        ours, trained = speeds[XCEPTION, precision], train_seconds(precision)
        bf16 = precision == "bfloat16"
        results.add(
            "keras",
            f"classify, xception {precision}, against Keras on TensorFlow "
            f"({1 / np.median(times):.1f} photos/s)",
            f"{np.median(times) / ours:.1f} x",
            ">= 2 x" if bf16 else "",
        )
        results.add(
            "keras",
            f"train ten epochs, xception {precision} (one of Keras' measured: "
            f"{epoch * 1e3:.0f} ms a photo)",
            f"{10 * epoch / trained:.0f} x",
            ">= 15 x" if bf16 else "",
        )


def retrain(results, table, speeds):
    """Ten epochs of the head over cached features, against one pass of the backbone."""
    many = hard_links(table, LARGE)
    time.sleep(3.5)  # files just made are read again
    weights = "imagenet" if "LUCAS_HABITAT_WEIGHTS" in os.environ else None
    for precision in PRECISIONS:
        options = {"arch": XCEPTION, "weights": weights, "precision": precision, "progress": False}
        lh.train(table, epochs=1, **options)  # fills the cache
        lh.train(many, epochs=1, **options)  # knows the links' content again
        (seconds,) = median_time(partial(lh.train, many, **options), times=1)
        one_pass = LARGE * speeds[XCEPTION, precision]
        results.add(
            "retrain",
            f"xception {precision}: ten epochs over {LARGE:,} cached photos, {seconds:.1f} s; a pass of "
            f"the backbone {one_pass:.0f} s",
            f"{seconds / one_pass:.1%}",
            "< 15 %",
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


def growth(results, table, speeds):
    """Time and memory against the number of photos."""
    many = hard_links(table, 8000)
    many.to_csv(WORK / "many.csv", index=False)
    lh.save_model(lite0_model(table), WORK / "model", overwrite=True)
    sizes = (500, 1000, 2000, 4000, 8000)
    found = {}
    for n in sizes:
        run = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                CLASSIFY,
                WORK / "many.csv",
                WORK / "model",
                str(n),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
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
    small, large = found[1000][1], found[8000][1]
    results.add(
        "memory",
        f"peak for 1,000 photos {small:.0f} MB, for 8,000 {large:.0f} MB",
        f"{large / small - 1:+.1%}",
        "within 10 %",
    )


def lite0_model(table):
    return lh.train(table, arch=LITE0, progress=False)


def start(results, table, speeds):
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


def quality(results, table, speeds):
    """What decoders, precisions and float16 features change in classes and probabilities."""
    sets = {"drawn photos": lh.split_photos(table, test_size=0.5, seed=1)}
    if (SHARED / "data" / "scenes").is_dir():
        scenes = lh.list_photos(SHARED / "data" / "scenes")
        sets["real scenes"] = lh.split_photos(scenes, test_size=0.5, seed=1)
        lucas = lh.list_photos(SHARED / "data" / "lucas" / "photos", labels=False)
        sets["real LUCAS photos, model of the scenes"] = (sets["real scenes"][0], lucas)
    archs = [a for a in (LITE0, XCEPTION) if backbone_of(a).spec["weights"] != "random"]
    for arch in archs:
        for name, (fit, test) in sets.items():
            if arch == XCEPTION:  # twelve times as slow
                test = test.sample(min(len(test), 200), random_state=1)
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
    "plain": plain,
    "keras": keras,
    "retrain": retrain,
    "growth": growth,
    "start": start,
    "quality": quality,
}


def cpu_name():
    try:
        text = Path("/proc/cpuinfo").read_text()
        name = re.search(r"model name\s*: (.*)", text)[1]
        flags = set(re.search(r"flags\s*: (.*)", text)[1].split())
    except (OSError, TypeError):
        return platform.processor()
    found = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    return f"{name.strip()}, {cores()} cores, {', '.join(found)}"


def write_page(results, seconds):
    """The table of this kind of CPU; that of the other kind stays."""
    page = HERE / "README.md"
    text = page.read_text(encoding="utf-8")
    rows = ["| part | what | measured | goal |", "|---|---|---|---|"]
    rows += [f"| {r['part']} | {r['what']} | {r['measured']} | {r['goal']} |" for r in results.rows]
    said = f"{cpu_name()}; {seconds / 60:.0f} minutes.\n\n" + "\n".join(rows)
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


def main(chosen):
    warnings.simplefilter("ignore", LucasMessage)
    warnings.simplefilter("ignore", LucasWarning)
    begun = time.perf_counter()
    results = Results()
    try:
        table = make_photos()
        size = np.mean([os.path.getsize(p) for p in table["path"]]) / 1e6
        results.add("photos", f"{len(table)} drawn photos of 1600 x 1200", f"{size:.2f} MB each")
        speeds = roof(results, table)
        for name in chosen or PARTS:
            PARTS[name](results, table, speeds)
        if not chosen:
            write_page(results, time.perf_counter() - begun)
            draw(results)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
