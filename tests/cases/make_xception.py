"""Keras' Xception as plain NumPy: the independent forward pass behind xception.json.

Run once: ``python tests/cases/make_xception.py``. Nothing here is shared with the package or
with timm but the names of the weights. Weights come from a formula, so that no file is needed.
"""

import json
import zlib
from pathlib import Path

import numpy as np


def weight(name, shape):
    """The same array for the same name, everywhere."""
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) == 4:
        depthwise = shape[1] == 1
        return draw * np.sqrt((1 if depthwise else 2) / np.prod(shape[1:]))
    if name.endswith("running_var"):
        return 1 + 0.1 * np.abs(draw)
    return (1.0 if name.endswith("weight") else 0.0) + 0.1 * draw


def image():
    r, c = np.mgrid[:224, :224]
    return np.stack([(3 * r + c) % 256, (r + 5 * c) % 256, (r * c // 7) % 256], -1).astype(np.uint8)


def relu(x):
    return np.maximum(x, 0)


def norm(x, name):
    c = x.shape[-1]
    gamma, beta = weight(f"{name}.weight", (c,)), weight(f"{name}.bias", (c,))
    mean, var = weight(f"{name}.running_mean", (c,)), weight(f"{name}.running_var", (c,))
    return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta


def conv_valid(x, name, out, stride):
    w = weight(f"{name}.weight", (out, x.shape[-1], 3, 3))
    n = (x.shape[0] - 3) // stride + 1
    return sum(
        x[i : i + stride * n : stride, j : j + stride * n : stride] @ w[:, :, i, j].T
        for i in range(3)
        for j in range(3)
    )


def separable(x, name, out):
    n, c = x.shape[0], x.shape[-1]
    depthwise = weight(f"{name}.conv1.weight", (c, 1, 3, 3))
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    x = sum(
        padded[i : i + n, j : j + n] * depthwise[:, 0, i, j] for i in range(3) for j in range(3)
    )
    return x @ weight(f"{name}.pointwise.weight", (out, c, 1, 1))[:, :, 0, 0].T


def max_pool_same(x):
    """3 x 3, stride 2, padded as TensorFlow's SAME: what is odd goes to the bottom right."""
    n = x.shape[0]
    out = -(-n // 2)
    total = max((out - 1) * 2 + 3 - n, 0)
    before = total // 2
    pad = (before, total - before)
    padded = np.pad(x, (pad, pad, (0, 0)), constant_values=-np.inf)
    return np.max(
        [
            padded[i : i + 2 * out - 1 : 2, j : j + 2 * out - 1 : 2]
            for i in range(3)
            for j in range(3)
        ],
        axis=0,
    )


def block(x, name, widths, first_relu, shrink, names):
    start = x
    for i, (width, (conv, bn)) in enumerate(zip(widths, names, strict=True)):
        if i or first_relu:
            x = relu(x)
        x = norm(separable(x, f"{name}.rep.{conv}", width), f"{name}.rep.{bn}")
    if not shrink:
        return x + start
    skip = weight(f"{name}.skip.weight", (widths[-1], start.shape[-1], 1, 1))[:, :, 0, 0]
    return max_pool_same(x) + norm(start[::2, ::2] @ skip.T, f"{name}.skipbn")


def xception(pixels):
    """uint8 (224, 224, 3) scaled to [0, 1] -> 2,048 features."""
    x = pixels / 255
    x = relu(norm(conv_valid(x, "conv1", 32, 2), "bn1"))
    x = relu(norm(conv_valid(x, "conv2", 64, 1), "bn2"))
    # Positions in timm's nn.Sequential: a block that starts with ReLU counts from 1.
    x = block(x, "block1", (128, 128), False, True, ((0, 1), (3, 4)))
    x = block(x, "block2", (256, 256), True, True, ((1, 2), (4, 5)))
    x = block(x, "block3", (728, 728), True, True, ((1, 2), (4, 5)))
    for i in range(4, 12):
        x = block(x, f"block{i}", (728,) * 3, True, False, ((1, 2), (4, 5), (7, 8)))
    x = block(x, "block12", (728, 1024), True, True, ((1, 2), (4, 5)))
    x = relu(norm(separable(x, "conv3", 1536), "bn3"))
    x = relu(norm(separable(x, "conv4", 2048), "bn4"))
    return x.mean(axis=(0, 1))


if __name__ == "__main__":
    features = xception(image())
    case = {
        "what": "Features of Keras' Xception (SAME max-pools, RGB scaled to [0, 1]) for the image "
        "and weights of make_xception.py, by an independent NumPy forward pass in float64.",
        "mean": features.mean(),
        "std": features.std(),
        "first": features[:16].tolist(),
        "last": features[-8:].tolist(),
    }
    path = Path(__file__).with_name("xception.json")
    path.write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")
    print(case["mean"], case["std"])
