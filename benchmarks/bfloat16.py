"""What bfloat16 changes, on any CPU: its rounding is done to float32 numbers, as a CPU with it would.

    python benchmarks/bfloat16.py     # ten minutes; Xception and scenes need LUCAS_SHARED

Each convolution's photos and kernels are rounded to bfloat16 and its sums are not, as in OpenVINO.
Batch normalisation is folded into the kernels before.
"""

import copy
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from speed import SHARED, XCEPTION, compare  # sets LUCAS_HABITAT_WEIGHTS
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

import lucas_habitat as lh
from lucas_habitat.engines import Target
from lucas_habitat.engines.bfloat16 import round_kernels
from lucas_habitat.errors import PhotoError
from lucas_habitat.features import Features
from lucas_habitat.images.decode import Preprocessing, decode_photo
from lucas_habitat.model import p_of
from lucas_habitat.predicting import predictions_of
from lucas_habitat.sources import read_bytes

FRONT = ("conv_stem", "blocks.0.0.conv_dw", "blocks.0.0.conv_pw")
WAYS = {
    "as it comes": (False, False),
    "kernels keep their sums": (True, False),
    "first three convolutions in float32": (False, True),
    "both, as it is done": (True, True),
}


def rounded(values):
    return values.bfloat16().float()


def fold(network):
    """Fold each batch normalisation into the convolution before it."""
    convolution = None
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            convolution = module
        elif isinstance(module, nn.BatchNorm2d):
            convolution.weight, convolution.bias = fuse_conv_bn_weights(
                convolution.weight,
                convolution.bias,
                module.running_mean,
                module.running_var,
                module.eps,
                module.weight,
                module.bias,
            )
            module.running_mean.zero_()
            module.running_var.fill_(1 - module.eps)
            module.weight.data.fill_(1)
            module.bias.data.zero_()


def in_bfloat16(backbone, keep_sums, front):
    """A copy that computes as in bfloat16."""
    backbone = copy.deepcopy(backbone)
    fold(backbone.network)
    exact = FRONT if front else ()
    if not front:
        backbone.register_forward_pre_hook(lambda _, args: (rounded(args[0] / 255) * 255,))
    for name, module in backbone.network.named_modules():
        if isinstance(module, nn.Conv2d) and name not in exact:
            weight = module.weight.data
            if keep_sums and weight[0, 0].numel() > 1:
                kernels = round_kernels(weight.flatten(2).flatten(0, 1).numpy())
                module.weight.data = torch.from_numpy(kernels).view_as(weight)
            else:
                module.weight.data = rounded(weight)
            module.register_forward_pre_hook(lambda _, args: (rounded(args[0]),))
        # What a block hands to the next one, and past it: blocks.1.0 in one network, block1 in the other.
        block = name.startswith("block") and name.count(".") == 2 * name.startswith("blocks")
        if block and not (front and name == "blocks.0.0"):
            module.register_forward_hook(lambda _, args, out: rounded(out))
    return backbone


def features_of(photos, backbone):
    with torch.inference_mode():
        return np.concatenate(
            [
                backbone(torch.from_numpy(photos[i : i + 16]).permute(0, 3, 1, 2)).numpy()
                for i in range(0, len(photos), 16)
            ]
        )


def read(table):
    photos, ok = [], []
    for path in table["path"]:
        try:
            photos.append(decode_photo(read_bytes(path), Preprocessing()))
            ok.append(True)
        except PhotoError:
            ok.append(False)
    return np.stack(photos), table[ok].reset_index(drop=True)


def main():
    warnings.simplefilter("ignore")
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory(prefix="lucas-bench-") as work:
        os.environ["LUCAS_HABITAT_CACHE"] = str(Path(work) / "cache")
        folder = Path(work) / "photos"
        lh.draw_demo_photos(folder, n_points=300, size=(320, 240), progress=False)
        sets = {"drawn photos": lh.list_photos(folder)}
        if (SHARED / "data" / "scenes").is_dir():
            sets["real scenes"] = lh.list_photos(SHARED / "data" / "scenes")
        print(
            "| network, photos, way | change of features | classes and probabilities |\n|---|---|---|"
        )
        for arch in ("efficientnet_lite0", XCEPTION):
            if arch == XCEPTION and "LUCAS_HABITAT_WEIGHTS" not in os.environ:
                continue
            # Xception takes twelve times as long.
            most, ways = (1000, list(WAYS)) if arch != XCEPTION else (250, list(WAYS)[:2])
            for name, table in sets.items():
                fit, test = lh.split_photos(table, test_size=0.6, seed=1)
                model = lh.train(fit, arch=arch, precision="float32", progress=False)
                photos, test = read(test.sample(frac=1, random_state=1).head(most))
                exact = features_of(photos, model.backbone.load())
                for way in ways:
                    found = features_of(photos, in_bfloat16(model.backbone.load(), *WAYS[way]))
                    change = np.sqrt(((found - exact) ** 2).mean() / exact.var(axis=0).mean())
                    tables = [table_of(test, model, values) for values in (exact, found)]
                    print(
                        f"| {arch}, {name}, {way} | {change:.1%} | {compare(*tables)[0]} |",
                        flush=True,
                    )


def table_of(photos, model, values):
    n = len(photos)
    features = Features(values, ["ok"] * n, [""] * n, [None] * n)
    target = Target("torch", "cpu", "float32")
    return predictions_of(
        photos, model, p_of(model, features), features.status, features.error, target
    )


if __name__ == "__main__":
    main()
