"""Networks made ready for bfloat16. What they then answer where a CPU has it: test_agreement.py."""

import numpy as np
import pytest
import torch
from torch import nn

from lucas_habitat.engines import bfloat16, openvino_engine
from lucas_habitat.engines.bfloat16 import ready_for_bfloat16, round_kernels
from lucas_habitat.networks.backbones import load_backbone

NUMBERS = np.random.default_rng(1)


def naive(values):
    return torch.from_numpy(values).bfloat16().float().numpy()


def test_rounding_is_that_of_torch():
    values = NUMBERS.normal(0, 10, 100_000).astype(np.float32)
    ties = np.array([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 0.0, -0.0], np.float32)
    values = np.concatenate([values, ties])
    np.testing.assert_array_equal(bfloat16._round(values), naive(values))


@pytest.mark.parametrize("size", [9, 25, 49])
def test_kernels_keep_their_sums(size):
    kernels = NUMBERS.normal(0, 1, (500, size)).astype(np.float32)
    kernels -= kernels.mean(axis=1, keepdims=True)  # they find edges
    kernels[:3] = 0
    before = kernels.copy()
    rounded = round_kernels(kernels)
    np.testing.assert_array_equal(kernels, before)
    np.testing.assert_array_equal(rounded, naive(rounded))
    gone = np.abs(rounded.sum(axis=1, dtype=float) - kernels.sum(axis=1, dtype=float))
    one_by_one = np.abs(naive(kernels).sum(axis=1, dtype=float) - kernels.sum(axis=1, dtype=float))
    assert (gone <= np.abs(kernels).max(axis=1) * 2**-8).all()
    assert gone.mean() < one_by_one.mean() / 5
    # No weight moves by more than the largest one's last place.
    largest = np.abs(kernels).max(axis=1, keepdims=True)
    assert (np.abs(rounded - kernels) <= largest * 2**-7).all()


@pytest.fixture(scope="module")
def lite0():
    return load_backbone("efficientnet_lite0")


@pytest.fixture
def in_float32(monkeypatch):
    """Let parts be computed exactly, so that only what was done to them changes the answer."""
    monkeypatch.setitem(openvino_engine._HINTS, "bfloat16", "f32")


def colours(n=6, size=224):
    """Photos of plain areas, on which rounded kernels go wrong."""
    photos = np.repeat(NUMBERS.integers(0, 256, (n, 7, 7, 3), np.uint8), size // 7, axis=1)
    return np.repeat(photos, size // 7, axis=2)


def change(found, exact):
    return np.sqrt(((found - exact) ** 2).mean() / exact.var(axis=0).mean())


def test_efficientnets_begin_in_float32(lite0, in_float32, monkeypatch):
    network = openvino_engine.float32_network(lite0)
    parts = ready_for_bfloat16(network)
    assert [precision for _, precision in parts] == ["float32", "bfloat16"]
    photos = colours()
    exact = openvino_engine.OpenVinoRunner(lite0, "float32", 1)(photos)
    found = openvino_engine.OpenVinoRunner(lite0, "bfloat16", 1)(photos)
    # The network itself was left as it is, and the parts compute what it computes,
    np.testing.assert_array_equal(
        openvino_engine.OpenVinoRunner(lite0, "float32", 1)(photos), exact
    )
    assert 0 < change(found, exact) < 0.05
    # but for the kernels' rounding, which one by one changes more.
    monkeypatch.setattr(bfloat16, "round_kernels", naive)
    worse = openvino_engine.OpenVinoRunner(lite0, "bfloat16", 1)(photos)
    assert change(worse, exact) > 1.5 * change(found, exact)
    monkeypatch.setattr(bfloat16, "round_kernels", lambda kernels: kernels)
    same = openvino_engine.OpenVinoRunner(lite0, "bfloat16", 1)(photos)
    np.testing.assert_allclose(same, exact, atol=1e-5)


def test_all_kernels_of_a_part_in_bfloat16_are_such_numbers(lite0):
    (front, _), (rest, _) = ready_for_bfloat16(openvino_engine.float32_network(lite0))
    kernels = [
        op.input_value(1).get_node().data.copy()
        for op in bfloat16._convolutions(rest)
        if np.prod(op.input_value(1).get_shape()[-2:]) > 1
    ]
    assert len(kernels) == 15
    assert len(bfloat16._convolutions(front)) == 3
    for values in kernels:
        np.testing.assert_array_equal(values, naive(values))


def test_other_networks_stay_in_one_part(in_float32):
    resnet = load_backbone("resnet18", weights=None, size=64)
    ((whole, precision),) = ready_for_bfloat16(openvino_engine.float32_network(resnet))
    assert precision == "bfloat16"
    assert len(bfloat16._convolutions(whole)) == 20


class Around(nn.Module):
    """Begins as EfficientNets do, but hands the photo on past the cut."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.third, self.last = nn.Conv2d(4, 3, 1), nn.Conv2d(3, 4, 1)

    def forward(self, photos):
        photos = photos.permute(0, 3, 1, 2).float()
        return self.last(self.third(self.depthwise(self.first(photos)))) + photos.mean(
            1, keepdim=True
        )


def test_a_network_with_a_way_around_the_cut_stays_in_one_part():
    import openvino

    network = openvino.convert_model(Around(), example_input=torch.zeros(1, 8, 8, 3))
    ((whole, precision),) = ready_for_bfloat16(network)
    assert precision == "bfloat16"
    photos = np.ones((1, 8, 8, 3), np.float32)
    found, exact = (
        openvino.compile_model(n, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([photos])[0]
        for n in (whole, network)
    )
    np.testing.assert_allclose(found, exact, rtol=0.02, atol=0.02)
