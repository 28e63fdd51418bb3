"""Where the model looked, what it remembers, what it has never seen."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import colour_photo
from PIL import Image, ImageDraw
from torch import nn

from lucas_habitat import likeness, list_photos
from lucas_habitat.app.explain import activation_map
from lucas_habitat.engines import Target, choose_target
from lucas_habitat.errors import InputError, PhotoError
from lucas_habitat.features import extract_features
from lucas_habitat.images.decode import Preprocessing, decode_photo
from lucas_habitat.likeness import distance_to_training, similar_photos, unlike_training
from lucas_habitat.model import HabitatModel
from lucas_habitat.networks.backbones import Backbone


class Blocks(nn.Module):
    """A backbone one can reckon with: its map is the mean of red and green in 16 x 16 blocks."""

    def forward_features(self, x):
        return nn.functional.avg_pool2d(x[:, :2], x.shape[2] // 4)

    def forward_head(self, maps):
        return maps.mean((2, 3))

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


def model_of(network, classes, head, width=2, features=None, photos=None, size=64):
    spec = {
        "arch": "made",
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
        "size": size,
        "num_features": width,
    }
    features = np.eye(width, dtype=np.float16) if features is None else features
    if photos is None:
        names = [f"{i}.jpg" for i in range(len(features))]
        photos = pd.DataFrame({"photo": names, "point_id": names, "habitat": "a"})
    model = HabitatModel(
        classes=classes,
        backbone=Backbone(network, spec).eval(),
        head_weights={},
        preprocessing=Preprocessing(size=size, credit="keep"),
        target=Target("torch", "cpu", "float32"),
        history=pd.DataFrame(),
        training={},
        training_photos=photos.assign(has_features=True),
        training_features=features.astype(np.float16),
    )
    model.head = head
    return model


def linear(weights):
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights))
    return nn.Sequential(layer)


@pytest.fixture
def quarters(tmp_path):
    """Red above left, green below right, the rest black."""
    image = Image.new("RGB", (64, 64))
    image.paste((255, 0, 0), (0, 0, 32, 32))
    image.paste((0, 255, 0), (32, 32, 64, 64))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_map_is_where_the_class_is(quarters):
    model = model_of(Blocks(), ["red", "green"], linear([[2.0, -1.0], [-1.0, 1.0]]))
    red, green = np.zeros((4, 4)), np.zeros((4, 4))
    red[:2, :2], green[2:, 2:] = 1, 1
    # What speaks against red, the green quarter, is 0 and not below.
    assert activation_map(quarters, model, "red") == pytest.approx(red)
    assert activation_map(quarters, model, "green") == pytest.approx(green)
    assert activation_map(quarters, model) == pytest.approx(red)  # the likelier
    assert activation_map(quarters, model, "red").dtype == np.float32


def test_nothing_for_the_class_is_all_zero(quarters):
    model = model_of(Blocks(), ["red", "green"], linear([[-1.0, -1.0], [1.0, 1.0]]))
    assert (activation_map(quarters, model, "red") == 0).all()


def test_it_is_grad_cam_by_autograd_through_the_whole_network(model, tmp_path):
    colour_photo("woody", 5).save(tmp_path / "a.png")
    found = activation_map(tmp_path / "a.png", model, "woody")
    pixels = torch.from_numpy(decode_photo((tmp_path / "a.png").read_bytes(), model.preprocessing))
    kept = []
    # timm's Lite0 ends in bn2, whose output is pooled
    hook = model.backbone.network.bn2.register_forward_hook(lambda m, i, out: kept.append(out))
    batch = pixels.permute(2, 0, 1)[None].float().requires_grad_()
    with torch.enable_grad():
        score = model.head(model.backbone(batch))[0, model.classes.index("woody")]
        (gradient,) = torch.autograd.grad(score, kept[0])
    hook.remove()
    cam = (gradient.mean((2, 3), keepdim=True) * kept[0].detach()).sum(1)[0].clamp(min=0)
    assert found.shape == (7, 7)
    assert found == pytest.approx((cam / cam.max()).numpy(), abs=1e-5)


def test_asking_what_cannot_be_answered(quarters, model, tmp_path):
    with pytest.raises(InputError, match=r"habitat must be one of 'artificial'.*got 'heath'"):
        activation_map(quarters, model, "heath")
    with pytest.raises(PhotoError, match="there is no file"):
        activation_map(tmp_path / "none.jpg", model)
    plain = model_of(nn.Flatten(), ["a", "b"], linear([[1.0], [1.0]]))
    with pytest.raises(InputError, match="made does not give its feature map"):
        activation_map(quarters, plain)

    class Tokens(Blocks):
        def forward_features(self, x):
            return torch.zeros(1, 197, 2)

    with pytest.raises(InputError, match=r"shape \(1, 197, 2\)"):
        activation_map(quarters, model_of(Tokens(), ["a", "b"], linear([[1.0, 1.0]] * 2)))


def on_circle(degrees):
    angle = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_similar_photos_are_the_nearest_in_their_order():
    model = model_of(Blocks(), ["a", "b"], nn.Sequential(), features=on_circle([0, 90, 30, 180]))
    found = similar_photos(10 * on_circle([20, 100]), model, k=3)
    assert found["photo"].tolist() == ["2.jpg", "0.jpg", "1.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert found["row"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found["rank"].tolist() == [1, 2, 3, 1, 2, 3]
    expected = 1 - np.cos(np.deg2rad([10, 20, 70, 10, 70, 80]))
    assert found["distance"].to_numpy() == pytest.approx(expected, abs=2e-3)  # float16
    assert len(similar_photos(on_circle([0]), model, k=99)) == 4
    with pytest.raises(InputError, match="k must be a whole number"):
        similar_photos(on_circle([0]), model, k=0)
    with pytest.raises(InputError, match=r"shape \(n, 2\); got \(1, 3\)"):
        similar_photos(np.ones((1, 3)), model)


def test_the_threshold_leaves_out_photos_of_the_same_point():
    # Three points, 30 degrees apart, of ten photos at nearly one angle each.
    angles = np.repeat([0, 30, 60], 10) + np.tile(np.linspace(0, 0.9, 10), 3)
    photos = pd.DataFrame({"photo": [f"{i}.jpg" for i in range(30)], "habitat": "a"})
    near = model_of(Blocks(), ["a", "b"], nn.Sequential(), features=on_circle(angles),
                    photos=photos.assign(point_id=np.repeat(["p", "q", "r"], 10)))  # fmt: skip
    # 25 degrees from its neighbours is less than points are from one another...
    assert not unlike_training(on_circle([85]), near).any()
    assert unlike_training(on_circle([120]), near).all()
    # ...but more than photos are, should each be a point of its own.
    each = model_of(Blocks(), ["a", "b"], nn.Sequential(), features=on_circle(angles),
                    photos=photos.assign(point_id=photos["photo"]))  # fmt: skip
    assert unlike_training(on_circle([85]), each).all()
    assert distance_to_training(on_circle([0]), near)[0] == pytest.approx(0, abs=1e-3)


def test_one_point_alone_flags_nothing():
    photos = pd.DataFrame({"photo": ["0.jpg", "1.jpg"], "point_id": "p", "habitat": "a"})
    model = model_of(Blocks(), ["a", "b"], nn.Sequential(), photos=photos)
    assert not unlike_training(on_circle([180]), model).any()


def test_twenty_thousand_photos_are_prepared_once(monkeypatch):
    rng = np.random.default_rng(0)
    model = model_of(Blocks(), ["a", "b"], nn.Sequential(), width=1280,
                     features=rng.random((20_000, 1280), dtype=np.float32))  # fmt: skip
    photo = rng.random((1, 1280), dtype=np.float32)
    rows, directions = [], likeness._directions
    monkeypatch.setattr(
        likeness, "_directions", lambda given: rows.append(len(given)) or directions(given)
    )
    monkeypatch.setattr(likeness, "_last", None)
    for _ in range(3):
        unlike_training(photo, model)
    assert sorted(rows) == [1, 1, 1, 20_000]


def nonsense(folder):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8))
    page = Image.new("RGB", (400, 300), "white")
    face = Image.new("RGB", (400, 300), "lightblue")
    for y in range(8, 290, 20):
        ImageDraw.Draw(page).text((10, y), "Dear Sir or Madam, with reference to your letter of")
    ImageDraw.Draw(face).ellipse((100, 50, 300, 250), fill="pink", outline="black", width=6)
    uniform = Image.new("RGB", (400, 300), (200, 40, 90))
    for name, image in [("noise", noise), ("page", page), ("face", face), ("uniform", uniform)]:
        image.save(folder / f"{name}.png")
    return folder


def test_nonsense_is_unlike_real_scenes_and_real_scenes_are_not(shared, tmp_path):
    from lucas_habitat.networks.backbones import load_backbone

    backbone, how = load_backbone("efficientnet_lite0"), Preprocessing()

    def features(folder):
        photos = list_photos(folder)["path"].tolist()
        found = extract_features(photos, backbone, how, choose_target(), progress=False)
        return found.values

    scenes = features(shared / "data" / "scenes")
    held_out = np.random.default_rng(1).permutation(len(scenes)) < 135
    model = model_of(Blocks(), ["a", "b"], nn.Sequential(), width=1280, features=scenes[~held_out])
    assert unlike_training(scenes[held_out], model).mean() < 0.04  # nominally 0.01
    assert unlike_training(features(nonsense(tmp_path)), model).all()
