"""Strong networks of timm's: any size, the published files' weights, both engines, saved and loaded."""

import re
from pathlib import Path

import numpy as np
import openvino
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import vision_transformer

from lucas_habitat import classify, load_model, save_model, train
from lucas_habitat.app.explain import activation_map
from lucas_habitat.engines import Target, make_runner
from lucas_habitat.engines.bfloat16 import ready_for_bfloat16
from lucas_habitat.engines.openvino_engine import cpu_has_bfloat16, float32_network
from lucas_habitat.errors import InputError, WeightsError
from lucas_habitat.networks.backbones import backbone_from, load_backbone

PAGE = Path(__file__).parents[2] / "docs" / "recipes" / "backbones.md"
DINOV2, DINOV3 = "vit_small_patch14_dinov2.lvd142m", "vit_small_patch16_dinov3.lvd1689m"
# The smallest of each family, at a size that takes little time; the whole table is tested slowly.
SMALL = {
    DINOV2: 56,
    DINOV3: 64,
    "vit_tiny_patch16_224.augreg_in21k": 64,
    "convnext_atto.d2_in1k": 64,
}


def listed():
    """The table of the page: name, size, licence, million parameters, MB, arithmetic, features."""
    lines = re.findall(r"^\| `([^`]+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return [(name, *rest.split(" | ")[:6]) for name, rest in lines if name != "arch="]


def pixels(size, n=3):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def features_of(backbone, photos):
    with torch.inference_mode():
        return backbone(torch.from_numpy(photos).permute(0, 3, 1, 2)).numpy()


def test_the_page_has_timms_names_and_licences():
    table = listed()
    assert {name.split("_")[0] for name, *_ in table} >= {"vit", "convnext", "convnextv2", "legacy"}
    assert [row[2] for row in table] == [timm.get_pretrained_cfg(row[0]).license for row in table]


def check_works(name, size):
    """Features are the same every time, on both engines and after being stored."""
    backbone = load_backbone(name, weights=None, size=size)
    photos = pixels(size)
    expected = features_of(backbone, photos)
    assert expected.shape == (3, backbone.spec["num_features"])
    assert np.isfinite(expected).all()
    assert np.abs(expected[0] - expected[1]).max() > 0
    again = load_backbone(name, weights=None, size=size)
    assert again.spec == backbone.spec
    np.testing.assert_array_equal(features_of(again, photos), expected)
    stored = backbone_from(backbone.spec, backbone.state)
    np.testing.assert_array_equal(features_of(stored, photos), expected)
    largest = float(np.abs(expected).max())
    for engine in ("openvino", "torch"):
        run = make_runner(backbone, Target(engine, "cpu", "float32"))
        assert run(photos) == pytest.approx(expected, abs=2e-3 * largest)
        np.testing.assert_array_equal(run(photos), run(photos))
    return backbone, photos, expected


def check_bfloat16(backbone, photos, expected):
    """Made ready for bfloat16, it is the same network but for rounding."""
    batch = photos
    for part, _ in ready_for_bfloat16(float32_network(backbone)):
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        batch = openvino.Core().compile_model(part, "CPU", exact)(batch)[0]
    assert np.corrcoef(np.ravel(batch), expected.ravel())[0, 1] > 0.999
    if cpu_has_bfloat16():
        rough = make_runner(backbone, Target("openvino", "cpu", "bfloat16"))(photos)
        assert rough.dtype == np.float32
        assert np.corrcoef(rough.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", SMALL)
def test_both_engines_and_precisions(name):
    check_bfloat16(*check_works(name, SMALL[name]))


@pytest.mark.slow
@pytest.mark.parametrize("row", listed(), ids=lambda row: f"{row[0]}-{row[1]}")
def test_every_network_of_the_page(row):
    name, size, _, parameters, megabytes, _, features = row
    backbone, photos, expected = check_works(name, int(size))
    check_bfloat16(backbone, photos, expected)
    n = sum(p.numel() for p in backbone.network.parameters())
    assert (f"{n / 1e6:.1f}", f"{4 * n / 1e6:.0f}") == (parameters, megabytes)
    assert backbone.spec["num_features"] == int(features)


@pytest.mark.parametrize("name", [DINOV2, DINOV3, "convnext_atto.d2_in1k"])
def test_a_trained_model_is_saved_and_loaded(tmp_path, parts, name):
    options = {"weights": None, "head": "logistic", "target_size": SMALL[name], "progress": False}
    model = train(parts[0], arch=name, **options)
    expected = classify(parts[1], model, progress=False)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.backbone.spec["arch"] == name
    again = classify(parts[1], loaded, cache=False, progress=False)
    pd.testing.assert_frame_equal(again, expected)
    photo = parts[1]["path"].iloc[0]
    if name.startswith("convnext"):
        assert activation_map(photo, loaded).shape == (2, 2)
    else:
        with pytest.raises(InputError, match=f"{name} has the shape.*vision transformers do not"):
            activation_map(photo, loaded)


@pytest.mark.parametrize("name", [DINOV2, DINOV3, "vit_tiny_patch16_224.augreg_in21k"])
def test_published_weights_are_loaded_at_another_size(tmp_path, monkeypatch, name):
    torch.manual_seed(3)
    published = timm.create_model(name, num_classes=0)  # at its own size, other weights than ours
    file = tmp_path / f"{name.split('.')[0]}.safetensors"
    save_file(published.state_dict(), file)
    size = SMALL[name]
    create = timm.create_model

    def from_file(*args, pretrained, **kwargs):
        overlay = {"file": str(file)} if pretrained else None
        return create(*args, pretrained=pretrained, pretrained_cfg_overlay=overlay, **kwargs)

    by_path = load_backbone(name, weights=file, size=size)
    monkeypatch.setattr(timm, "create_model", from_file)
    downloaded = load_backbone(name, size=size)
    assert downloaded.spec["weights"] == f"timm {name}"
    monkeypatch.setenv("LUCAS_HABITAT_WEIGHTS", str(tmp_path))
    in_folder = load_backbone(name, size=size)
    monkeypatch.undo()
    by_timm = create(name, num_classes=0, img_size=size, pretrained=True,
                     pretrained_cfg_overlay={"file": str(file)}).eval()  # fmt: skip
    photos = pixels(size)
    for backbone in (by_path, downloaded, in_folder):
        for key, value in by_timm.state_dict().items():
            assert torch.equal(backbone.network.state_dict()[key], value), key
    own = features_of(load_backbone(name, weights=None, size=size), photos)
    assert np.abs(features_of(by_path, photos) - own).max() > 1e-3


def as_clip_publishes(network):
    """A network's weights under the names of CLIP's, BioCLIP's and OpenCLIP's files."""
    names = {
        "patch_embed.proj": "conv1",
        "pos_embed": "positional_embedding",
        "norm_pre": "ln_pre",
        "blocks.": "transformer.resblocks.",
        ".norm1": ".ln_1",
        ".norm2": ".ln_2",
        "attn.qkv.": "attn.in_proj_",
        "attn.proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    state = {}
    for name, value in network.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        name = re.sub(r"^norm\.", "ln_post.", name)
        state[f"visual.{name}"] = value[0] if name == "positional_embedding" else value
    state["visual.class_embedding"] = state.pop("visual.cls_token")[0, 0]
    state["visual.proj"] = torch.zeros(network.num_features, 16)
    # The half that reads text, which is not needed.
    state |= {"token_embedding.weight": torch.zeros(5, 4), "logit_scale": torch.tensor(1.0)}
    return state


def small_clip(monkeypatch):
    """CLIP's network, two blocks deep."""

    def made(name, num_classes=0, img_size=32, pretrained=False):
        network = vision_transformer.VisionTransformer(
            img_size=img_size, patch_size=16, embed_dim=48, depth=2, num_heads=2, pre_norm=True,
            num_classes=num_classes, norm_layer=torch.nn.LayerNorm,
        )  # fmt: skip
        network.pretrained_cfg = {
            "input_size": (3, 32, 32), "fixed_input_size": True, "mean": (0.5,) * 3, "std": (0.5,) * 3,
        }  # fmt: skip
        return network

    monkeypatch.setattr(timm, "create_model", made)
    return made


@pytest.mark.parametrize("size", [32, 64])
def test_a_clip_file_gives_its_image_half(tmp_path, monkeypatch, size):
    made = small_clip(monkeypatch)
    torch.manual_seed(3)
    published = made("clip").eval()
    torch.save(as_clip_publishes(published), tmp_path / "open_clip_pytorch_model.bin")
    backbone = load_backbone(
        "vit_base_patch16_clip_224.openai",
        weights=tmp_path / "open_clip_pytorch_model.bin",
        size=size,
    )
    assert backbone.spec["weights"] == "open_clip_pytorch_model.bin"
    same = backbone.network.state_dict()
    for key, value in published.state_dict().items():
        assert key == "pos_embed" or torch.equal(same[key], value), key
    assert torch.equal(same["pos_embed"], published.pos_embed) == (size == 32)


def test_a_file_of_another_transformer_is_refused(tmp_path):
    other = timm.create_model("vit_small_patch16_dinov3", num_classes=0)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"are of another network: .* missing"):
        load_backbone(DINOV2, weights=tmp_path / "other.safetensors", size=56)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (DINOV2, 230, r"patches of 14 x 14 .* cannot take 230 x 230.*target_size=224"),
        (DINOV2, 32, r"target_size=42"),
        ("hf-hub:timm/convnext_atto.d2_in1k", 64, r"Pass arch='convnext_atto.d2_in1k'"),
        (
            "hf-hub:imageomics/bioclip",
            224,
            r"Download its weights.*weights=.*BioCLIP arch='vit_base_patch16_clip_224.openai'",
        ),
        ("convnext_atto.mine", 64, r"no weights 'mine' of convnext_atto; it has d2_in1k"),
    ],
)
def test_what_cannot_be_had_says_what_can(name, size, message):
    with pytest.raises(InputError, match=message):
        load_backbone(name, weights=None, size=size)
