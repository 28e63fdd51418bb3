"""What strong networks of timm's cost: python benchmarks/backbones.py [NAME ...] [--write].

With random weights, which cost what the published ones do; nothing is told of what they recognise.
Licences are those that timm records. Arithmetic is counted by torch in one photo; time is that of this
package's own OpenVINO engine on one core, as a multiple of Xception's, measured in turns with it (the least
of several passes of each). ``--write`` puts the table into docs/recipes/backbones.md. About ten minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import timm
import torch
from timm.layers import set_fused_attn
from torch.utils.flop_counter import FlopCounterMode

from lucas_habitat.engines import Target
from lucas_habitat.engines.openvino_engine import OpenVinoRunner, cpu_has_bfloat16
from lucas_habitat.networks.backbones import Backbone, load_backbone

PAGE = Path(__file__).parents[1] / "docs" / "recipes" / "backbones.md"
NETWORKS = [
    ("legacy_xception.tf_in1k", 224),
    ("tf_efficientnet_lite0.in1k", 224),
    ("convnext_atto.d2_in1k", 224),
    ("convnext_nano.in12k_ft_in1k", 224),
    ("convnext_tiny.in12k_ft_in1k", 224),
    ("convnext_tiny.dinov3_lvd1689m", 224),
    ("convnext_base.clip_laion2b", 256),
    ("convnextv2_tiny.fcmae_ft_in22k_in1k", 224),
    ("vit_tiny_patch16_224.augreg_in21k", 224),
    ("vit_small_patch16_224.augreg_in21k", 224),
    ("vit_small_patch14_dinov2.lvd142m", 224),
    ("vit_base_patch14_reg4_dinov2.lvd142m", 224),
    ("vit_small_patch16_dinov3.lvd1689m", 224),
    ("vit_base_patch16_dinov3.lvd1689m", 224),
    ("vit_base_patch32_clip_224.laion2b", 224),
    ("vit_base_patch16_clip_224.laion2b", 224),
    ("vit_base_patch16_clip_quickgelu_224.openai", 224),
    ("vit_base_patch16_siglip_224.v2_webli", 224),
    ("vit_base_patch16_clip_224.openai", 224),
]
HEADER = (
    "| `arch=` | `target_size=` | licence of the weights | million parameters | MB | 10^9 multiply-adds "
    "| features | time, float32 | time, bfloat16 |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)
PASSES = 8


def gigamacs(name: str, size: int) -> float:
    """Multiply-adds of one photo; attention is counted where it is written out."""
    set_fused_attn(False)
    backbone = load_backbone(name, weights=None, size=size)
    set_fused_attn(True)
    backbone.requires_grad_(False)  # the counter fails on some parameters otherwise
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone(torch.zeros(1, 3, size, size))
    return counter.get_total_flops() / 2e9


def runner(backbone: Backbone, precision: str):
    """A function that gives the milliseconds of a photo in one pass."""
    run = OpenVinoRunner(backbone, precision, 1)
    n, size = Target("openvino", "cpu", precision).batch_size, backbone.spec["size"]
    photos = np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8)

    def milliseconds() -> float:
        start = time.perf_counter()
        run(photos)
        return 1000 * (time.perf_counter() - start) / n

    return milliseconds


@cache
def xception_runner(precision: str):
    return runner(load_backbone("legacy_xception.tf_in1k", weights=None), precision)


def relative(backbone: Backbone, precision: str) -> float:
    """Time of a photo over Xception's."""
    one, xception = runner(backbone, precision), xception_runner(precision)
    times = np.array([(one(), xception()) for _ in range(PASSES + 1)])[1:]
    mine, its = times.min(axis=0)
    return float(mine / its)


def row(name: str, size: int) -> str:
    """One network of the table."""
    backbone = load_backbone(name, weights=None, size=size)
    parameters = sum(p.numel() for p in backbone.network.parameters())
    precisions = ["float32", *(["bfloat16"] if cpu_has_bfloat16() else [])]
    times = [f"{relative(backbone, precision):.2f}" for precision in precisions]
    cells = [
        f"`{name}`",
        size,
        timm.get_pretrained_cfg(name).license,
        f"{parameters / 1e6:.1f}",
        f"{4 * parameters / 1e6:.0f}",
        f"{gigamacs(name, size):.2f}",
        backbone.spec["num_features"],
        *[*times, "-"][:2],
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of the networks only")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    options = parser.parse_args()
    rows = []
    for name, size in NETWORKS:
        if options.names and name not in options.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.environ["LUCAS_HABITAT_CACHE"] = folder
            rows.append(row(name, size))
        print(rows[-1], flush=True)
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        table = HEADER + "\n".join(rows) + "\n"
        marks = r"(<!-- table -->\n).*?(<!-- end -->)"
        text = re.sub(marks, lambda m: m[1] + "\n" + table + "\n" + m[2], text, flags=re.S)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
