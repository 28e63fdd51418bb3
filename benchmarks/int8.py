"""What eight bits gain and change: speed from files to features, classes, kappa, and ways to find them.

    python benchmarks/int8.py [arch ...]              # speed and agreement; ten minutes for all
    python benchmarks/int8.py --ways efficientnet_lite0   # what each step gains, and photos calibrated on

Xception and scenes need LUCAS_SHARED. A CPU with bfloat16 can be held back to one without it:
ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI python benchmarks/int8.py
"""

import argparse
import os
import tempfile
import time
import warnings
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from speed import SHARED, XCEPTION  # sets LUCAS_HABITAT_WEIGHTS

import lucas_habitat as lh
from lucas_habitat._base.choices import RECIPES
from lucas_habitat.engines import Target, cores, quantising
from lucas_habitat.engines import openvino_engine as engine
from lucas_habitat.features import extract_features

THREE = str(RECIPES["recommended"]["arch"])
ARCHS = ("efficientnet_lite0", XCEPTION, THREE)

#: Photos timed at a time, and rounds: Xception takes twelve times as long as Lite0.
TIMED, ROUNDS = {XCEPTION: 48, THREE: 96}, 5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("archs", nargs="*", default=ARCHS)
    parser.add_argument("--ways", action="store_true")
    parser.add_argument("--most", type=int, default=2000, help="photos compared on, and trained on")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    held = os.environ.get("ONEDNN_MAX_CPU_ISA", "its own instructions")
    print(f"{cores()} cores, {held}; int8 native: {engine.cpu_has_int8()}\n")
    with tempfile.TemporaryDirectory(prefix="lucas-bench-") as work:
        os.environ["LUCAS_HABITAT_CACHE"] = str(Path(work) / "cache")
        sets = photo_sets(Path(work))
        if options.ways:
            for arch in options.archs:
                ways(arch, sets, options.most)
            return
        print(f"| network, head | photos | kept float32's class | kappa | end to end, {TITLES} |")
        print("|---|---|---|---|---|")
        for arch in options.archs:
            rows(arch, sets, options.most)


TITLES = "ms a photo: float32, bfloat16 where the CPU has it, int8"


def photo_sets(work):
    """Drawn photos and scenes, halves of each: trained and calibrated on, and compared on."""
    lh.draw_demo_photos(work / "drawn", n_points=820, size=(320, 240), progress=False)
    drawn = lh.list_photos(work / "drawn")
    sets = {"drawn": lh.split_photos(drawn, test_size=0.5, seed=1)}
    if (SHARED / "data" / "scenes").is_dir():
        scenes = lh.list_photos(SHARED / "data" / "scenes")
        sets["scenes"] = lh.split_photos(scenes, test_size=0.5, seed=1)
    large = work / "large"
    lh.draw_demo_photos(large, n_points=24, size=(1600, 1200), progress=False)
    sets["timed"] = lh.list_photos(large)
    return sets


def rows(arch, sets, most):
    """A line a set of photos."""
    told = None
    for name, parts in sets.items():
        if name == "timed":
            continue
        fit, test = (part.sample(frac=1, random_state=1).head(most) for part in parts)
        recipe = "recommended" if arch == THREE else "pilot"
        # Of drawn photos some hundred are trained on: the network is what is measured.
        models = {
            (head, seed): lh.train(
                fit.head(600),
                arch=arch,
                recipe=recipe,
                head=head,
                seed=seed,
                precision="float32",
                progress=False,
            )
            for head in (("logistic",) if arch == THREE else ("dense", "logistic"))
            for seed in (1, 2, 3)
        }
        # Eight bits are of the network and the photos, whatever head comes after.
        made = lh.quantize(models["logistic", 1], fit, progress=False)
        told = told or speed(made, sets["timed"], TIMED.get(arch, 192))
        for (head, seed), model in models.items():
            model = replace(model, backbone=made.backbone, quantisation=made.quantisation)
            print(
                f"| {arch}, {head}, seed {seed} | {name}, {compared(model, test)} | {told} |",
                flush=True,
            )
            told = "as above"


def compared(model, photos):
    """How many photos keep their class, and kappa in either precision."""
    exact, rough = (
        lh.classify(photos, model, precision=p, device="cpu", progress=False)
        for p in ("float32", "int8")
    )
    is_equal = exact["predicted"].astype(str) == rough["predicted"].astype(str)
    kappas = [lh.evaluate(p, n_boot=0).kappa for p in (exact, rough)]
    return f"{len(photos)} | {is_equal.mean():.2%} | {kappas[0]:.3f} -> {kappas[1]:.3f}"


def speed(model, photos, n):
    """Milliseconds a photo from files to features, and ratios within rounds, in turns."""
    paths = photos["path"].tolist()[:n]
    names = ["float32", "int8"]
    if engine.cpu_has_bfloat16() and "ONEDNN_MAX_CPU_ISA" not in os.environ:
        names.insert(1, "bfloat16")
    took = {name: [] for name in names}
    for _ in range(ROUNDS + 1):
        for name in names:
            target = Target("openvino", "cpu", name)
            # Compiled before, as in every run but for its first second.
            run = partial(
                extract_features, backbone=model.backbone, preprocessing=model.preprocessing,
                target=target, cache=False, progress=False,
            )  # fmt: skip
            run(paths[:4])
            start = time.perf_counter()
            run(paths)
            took[name].append((time.perf_counter() - start) / len(paths))
    took = {name: np.array(seconds[1:]) for name, seconds in took.items()}
    parts = [f"{1e3 * np.median(seconds):.1f}" for seconds in took.values()]
    ratio = np.median(took["float32"] / took["int8"])
    least = f"{ratio:.2f} x float32"
    if "bfloat16" in took:
        least += f", {np.median(took['bfloat16'] / took['int8']):.2f} x bfloat16"
    return f"{', '.join(parts)}: {least}"


def ways(arch, sets, most):
    """What each step changes when it is left out, and what numbers of photos to calibrate on do."""
    print("| network | photos | way | change of features | kept float32's class | kappa |")
    print("|---|---|---|---|---|---|")
    for name in [n for n in sets if n != "timed"]:
        fit, test = (part.sample(frac=1, random_state=1).head(most) for part in sets[name])
        model = lh.train(fit.head(600), arch=arch, precision="float32", progress=False)

        def row(way, name=name, fit=fit, test=test, model=model, **options):
            made = lh.quantize(model, fit, progress=False, **options)
            told = compared(made, test)
            print(f"| {arch} | {name} | {way} | {changed(made, test):.1%} | {told} |", flush=True)

        row("as it is done")
        for way, parts in LEFT_OUT.items():
            with ExitStack() as without:
                for part, value in parts.items():
                    without.enter_context(patch.object(quantising, part, value))
                row(way)
        for n in (20, 50, 100, 200):
            for seed in (1, 2):
                row(f"{n} photos, seed {seed}", n_photos=n, seed=seed)


#: Steps left out, and what stands in their place.
LEFT_OUT = {
    "without biases put right": {"_with_biases": lambda network, kept, photos: kept},
    "sensitive layers rounded, too": {"_without_sensitive": lambda network, kept, photos: kept},
    "channels' ranges as photos show them": {"_BEYOND": 1, "_LEAST_OF_WIDEST": 0},
}


def changed(model, photos):
    """The change of features, root mean square, beside their own spread."""
    exact, rough = (
        extract_features(
            photos["path"].tolist(), model.backbone, model.preprocessing,
            Target("openvino", "cpu", precision), cache=True, progress=False,
        )
        for precision in ("float32", "int8")
    )  # fmt: skip
    is_read = exact.ok & rough.ok
    exact, rough = exact.values[is_read], rough.values[is_read]
    return np.sqrt(np.square(rough - exact).mean() / exact.var(axis=0).mean())


if __name__ == "__main__":
    main()
