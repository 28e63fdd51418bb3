"""Networks side by side, and logistic regression as a head."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import peak_memory
from sklearn.linear_model import LogisticRegression

from lucas_habitat import classify, load_model, save_model, train
from lucas_habitat.app.explain import activation_map
from lucas_habitat.engines import Target, make_runner
from lucas_habitat.errors import InputError, ModelError
from lucas_habitat.images.decode import decode_photo
from lucas_habitat.model import logits_of, probabilities_of
from lucas_habitat.networks import logistic
from lucas_habitat.networks.arrays import check_head, evened, head_logits
from lucas_habitat.networks.backbones import load_backbone
from lucas_habitat.networks.fitting import LabelledRows
from lucas_habitat.networks.logistic import LogisticSettings, fit_regressions

# Small networks with made weights; the recipe's own are as many and of the same kind.
PAIR = "efficientnet_lite0+mobilenetv3_small_050"


@pytest.fixture(scope="module")
def pair():
    return load_backbone(PAIR, weights=None, size=64)


@pytest.fixture(scope="module")
def recommended(parts):
    return train(parts[0], recipe="recommended", target_size=64, progress=False)


def pixels(n=3, size=64):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_features_of_networks_side_by_side_are_those_of_each(pair, engine):
    target = Target(engine, "cpu", "float32")
    beside = make_runner(pair, target)(pixels())
    alone = [
        make_runner(load_backbone(name, weights=None, size=64), target)(pixels())
        for name in PAIR.split("+")
    ]
    assert [part.shape[1] for part in alone] == [part.spec["num_features"] for part in pair.parts]
    assert np.array_equal(beside, np.concatenate(alone, axis=1))
    with torch.inference_mode():
        photos = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
        assert pair(photos).numpy() == pytest.approx(beside, rel=1e-3, abs=1e-3)


def test_one_network_of_a_pair_scales_photos_in_its_own_way():
    pair = load_backbone("xception+efficientnet_lite0", weights=None, size=64)
    # The pilot's 0 to 1 is for comparing with the pilot.
    assert [part.spec["scaling"] for part in pair.parts] == ["own", "own"]
    assert pair.spec["num_features"] == 2048 + 1280


@pytest.mark.parametrize(
    ("arch", "weights", "said"),
    [
        ("efficientnet_lite0+efficientnet_lite0", None, "different networks joined by"),
        ("efficientnet_lite0+", None, "different networks joined by"),
        ("efficientnet_lite0+xceptoin", None, "There is no architecture 'xceptoin'"),
        (PAIR, "mine.safetensors", "names one file, but .* are 2 networks"),
    ],
)
def test_networks_that_cannot_be_had(arch, weights, said):
    with pytest.raises(InputError, match=said):
        load_backbone(arch, weights=weights, size=64)


def test_features_are_evened_by_root_and_length():
    features = np.array([[9.0, 16.0, -4.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 1.0]])
    # Roots 3 and 4 have length 5, -2 alone 2; three ones have length sqrt(3); nothing stays nothing.
    expected = [[0.6, 0.8, -1, 0, 0], [0, 0, *[3**-0.5] * 3]]
    assert evened(features, [2, 3]) == pytest.approx(np.array(expected))


def rows_of(features, y, points=None, n_validate=0):
    points = np.arange(len(y)) if points is None else points
    fit = np.arange(len(y) - n_validate)
    validate = np.arange(len(y) - n_validate, len(y))
    classes = [f"class {i}" for i in range(int(y.max()) + 1)]
    return LabelledRows(fit, validate, y.astype(np.int64), points, classes)


class Beside:
    """As much of a backbone as a head needs."""

    def __init__(self, *widths):
        self.parts = [self] * len(widths)
        self.spec = {"num_features": widths[0]}


def made(n, n_classes, width=12, spread=1.0, seed=0):
    """Photos of classes that overlap, twice seen."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    centres = rng.normal(0, 1, (n_classes, width))
    seen = [centres[y] + rng.normal(0, spread, (n, width)) for _ in range(2)]
    return np.concatenate(seen, axis=1).astype(np.float32), y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logits_are_the_mean_of_a_regression_on_each_network(n_classes):
    features, y = made(120, n_classes, spread=3.0)
    fitted = fit_regressions(
        features,
        rows_of(features, y),
        Beside(12, 12),
        LogisticSettings("recommended", "none", 1),
        False,
    )
    found = fitted.card["regularisation"]
    p = 0
    for part in (features[:, :12], features[:, 12:]):
        x = np.sign(part) * np.sqrt(np.abs(part))
        x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float64)
        one = LogisticRegression(C=found["C"], max_iter=5000, tol=1e-9).fit(x, y)
        # The logarithm of probabilities is the logits but for a number that all classes share.
        p = p + np.log(one.predict_proba(x)) / 2
    logits = head_logits(fitted.head, features)
    ours = logits - logits.mean(axis=1, keepdims=True)
    theirs = found["scale"] * (p - p.mean(axis=1, keepdims=True))
    assert ours == pytest.approx(theirs, abs=0.02 * np.abs(theirs).max())


def peak_of(call):
    """The most bytes that a call holds beside what was there before."""
    call()  # what is imported then is imported
    return peak_memory(call)[1]


def test_many_features_are_held_hardly_more_than_once_again():
    features, y = made(20_000, 2, width=100)
    rows = rows_of(features, y, points=y)  # a point a class, so there are no inner folds
    settings = LogisticSettings("recommended", "none", 1)
    peak = peak_of(lambda: fit_regressions(features, rows, Beside(200), settings, False))
    assert peak < 2 * features.nbytes


@pytest.mark.parametrize("is_logistic", [True, False])
def test_logits_of_many_photos_need_little_memory(is_logistic):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40_000, 100)).astype(np.float32)
    shapes = {"0.weight": (1024, 100), "0.bias": 1024, "3.weight": (3, 1024), "3.bias": 3}
    if is_logistic:
        shapes = {"weight": (3, 100), "bias": 3}
    head = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    if is_logistic:
        head["widths"] = np.array([100])
    assert peak_of(lambda: head_logits(head, features)) < 2 * features.nbytes
    some = head_logits(head, features[1_990:2_010])
    assert np.array_equal(head_logits(head, features)[1_990:2_010], some)


def test_the_scale_makes_unsure_and_sure_penalties_comparable():
    # Classes that hardly differ: a weak penalty learns the noise and is too sure, which the scale mends.
    features, y = made(400, 3, spread=4.0, seed=3)
    rows = rows_of(features, y, n_validate=200)
    fitted = fit_regressions(
        features, rows, Beside(12, 12), LogisticSettings("x", "none", 1), False
    )
    last = fitted.history.iloc[-1]
    assert last["val_loss"] < np.log(3) + 0.02  # never worse than knowing nothing, but for chance
    assert list(fitted.history) == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_kappa"
    ]  # fmt: skip


@pytest.mark.parametrize("class_balance", ["weights", "sampling"])
def test_rare_classes_can_count_as_much_as_frequent_ones(class_balance):
    features, y = made(400, 2, spread=3.0)
    is_taken = (y == 0) | (np.arange(400) < 60)  # 200 of one class, 30 of the other
    features, y = features[is_taken], y[is_taken]

    def recall(balance):
        settings = LogisticSettings("x", balance, 1)
        fitted = fit_regressions(features, rows_of(features, y), Beside(12, 12), settings, False)
        assert fitted.card["class_balance"] == balance
        p = probabilities_of(head_logits(fitted.head, features))
        return (p.argmax(axis=1) == y)[y == 1].mean(), p[:, 1].mean()

    (plain, mean), (balanced, raised) = recall("none"), recall(class_balance)
    assert balanced > plain + 0.1
    assert mean == pytest.approx(30 / 230, abs=0.03)
    assert raised > mean + 0.1


def test_photos_of_a_point_never_stand_on_both_sides_of_an_inner_fold():
    rng = np.random.default_rng(0)
    points = np.repeat(np.arange(60), 5)
    y = (points % 3).astype(np.int64)
    folds = logistic._inner_folds(y, points, 3, seed=1)
    assert len(folds) == 5
    for fit, test in folds:
        assert not set(points[fit]) & set(points[test])
    # Points are drawn whole too, where there are too many photos to choose by.
    many = np.repeat(np.arange(2_000), 5)
    drawn = logistic._to_choose_by(many % 3, rng.permutation(many), seed=1)
    shuffled = np.random.default_rng(0).permutation(many)
    counts = np.bincount(shuffled[drawn], minlength=2_000)
    assert set(counts[counts > 0]) == {5}
    assert 4_000 <= len(drawn) <= 4_005


def test_a_rare_class_is_among_the_photos_that_choose_the_penalty():
    points = np.arange(8_000)
    y = (points < 10).astype(np.int64)  # ten points of 8,000
    for seed in range(10):
        drawn = logistic._to_choose_by(y, points, seed)
        assert (y[drawn] == 1).sum() >= 5
        assert len(logistic._inner_folds(y[drawn], points[drawn], 2, seed)) == 5


def test_features_of_the_point_alone_do_not_make_a_weak_penalty_look_good():
    # Each point has a mark of its own that all its photos share: folds by photo would choose the weakest
    # penalty, because marks tell the class of photos whose point was seen.
    rng = np.random.default_rng(5)
    points = np.repeat(np.arange(40), 5)
    y = (points % 2).astype(np.int64)
    marks = rng.normal(0, 1, (40, 24))[points] + rng.normal(0, 0.05, (200, 24))
    features = marks.astype(np.float32)
    fitted = fit_regressions(
        features,
        rows_of(features, y, points),
        Beside(12, 12),
        LogisticSettings("x", "none", 1),
        False,
    )
    losses = fitted.card["regularisation"]["log_loss"]
    assert min(losses.values()) > 0.6  # chance is 0.69; by photo it would be below 0.1
    assert fitted.card["regularisation"]["scale"] < 1


def test_a_class_that_no_inner_fold_tests_on_weighs_nothing():
    logits = np.random.default_rng(1).normal(size=(len(logistic.STRENGTHS), 4, 3))
    with np.errstate(divide="raise"):
        chosen = logistic._choose(
            [(np.arange(4), logits)], np.array([1, 2, 1, 2, 0]), np.arange(5), is_balanced=True
        )
    assert all(np.isfinite(list(chosen.losses.values())))


def test_a_class_of_one_point_is_trained_with_the_usual_penalty():
    features, y = made(30, 3)
    points = np.where(y == 2, 99, np.arange(30))
    fitted = fit_regressions(
        features,
        rows_of(features, y, points),
        Beside(12, 12),
        LogisticSettings("x", "none", 1),
        False,
    )
    assert fitted.card["regularisation"] == {"C": 30.0, "scale": 1.0, "n_folds": 0, "log_loss": {}}


def test_the_recipe_from_photos_to_a_saved_model(recommended, parts, tmp_path):
    assert recommended.backbone.spec["arch"] == (
        "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2"
    )
    assert recommended.training["head"] == "logistic"
    assert recommended.training["epochs"] is None
    assert "recipe recommended, logistic head, C " in repr(recommended)
    folder = save_model(recommended, tmp_path / "model på ø")
    again = load_model(folder)
    before, after = (
        classify(parts[1], m, progress=False, cache=False) for m in (recommended, again)
    )
    pd.testing.assert_frame_equal(before, after)
    assert (before["predicted"] == before["habitat"]).mean() > 0.8
    # The torch module says what the arrays say, and probabilities follow from it.
    features = recommended.training_features[:6].astype(np.float32)
    with torch.inference_mode():
        logits = recommended.head(torch.from_numpy(features)).numpy()
    assert logits == pytest.approx(logits_of(recommended, features), abs=1e-4)
    assert probabilities_of(logits).sum(axis=1) == pytest.approx(np.ones(6))


def test_the_same_seed_gives_the_same_model(parts, recommended):
    again = train(parts[0], recipe="recommended", target_size=64, progress=False)
    for name, value in recommended.head_weights.items():
        assert np.array_equal(value, again.head_weights[name])


def test_a_model_whose_parts_were_exchanged_is_refused(recommended, tmp_path):
    folder = save_model(recommended, tmp_path / "model")
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["backbone"]["parts"].reverse()
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(folder)


def with_card(model, folder, change):
    """A saved model whose card was changed."""
    file = save_model(model, folder) / "card.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    change(card)
    file.write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(backbone="networks"),
        lambda card: card["backbone"].update(parts="networks"),
        lambda card: card["backbone"].update(parts=["network", "network"]),
        lambda card: card["backbone"].update(parts=[]),
        lambda card: card["backbone"].update(parts=card["backbone"]["parts"][:1]),
        lambda card: card["backbone"]["parts"][0].update(size=128),
        lambda card: card["backbone"]["parts"][0].update(num_features=7),
        lambda card: card["backbone"]["parts"][0].update(mean=["dark"]),
        lambda card: card["backbone"]["parts"][0].update(parts=[]),
        lambda card: card["training"].update(regularisation="strong"),
    ],
)
def test_a_card_of_no_networks_side_by_side_is_refused(recommended, tmp_path, change):
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(with_card(recommended, tmp_path / "model", change))


@pytest.mark.parametrize("widths", [[2, 3], [5.0], [6, -1], [], [2, 4], [2**63 - 1, 2**63 - 1, 8]])
def test_heads_of_other_networks_are_refused(widths):
    from lucas_habitat.errors import LucasError

    head = {
        "widths": np.array(widths),
        "weight": np.zeros((2, 6), np.float32),
        "bias": np.zeros(2, np.float32),
    }
    with pytest.raises(LucasError, match="The head is for networks of"):
        check_head(head, [3, 3], 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 5, "dropout": 0.1}, "dropout=, epochs= mean nothing to a logistic head"),
        ({"freeze_backbone": False}, "stands on frozen networks"),
        ({"head": "svm"}, "head must be one of 'dense', 'logistic'"),
    ],
)
def test_what_a_logistic_head_cannot_do(parts, given, said):
    with pytest.raises(InputError, match=said):
        train(parts[0], recipe="recommended", **given)


def test_any_recipe_takes_the_other_head(parts):
    one = train(
        parts[0], arch="efficientnet_lite0", head="logistic", target_size=64, progress=False
    )
    assert set(one.head_weights) == {"widths", "weight", "bias"}
    assert one.head_weights["widths"].tolist() == [1280]
    other = train(
        parts[0], recipe="recommended", arch="efficientnet_lite0", head="dense", epochs=1,
        target_size=64, progress=False,
    )  # fmt: skip
    assert other.training["learning_rate"] == 1e-3
    assert len(other.history) == 1


def test_where_networks_side_by_side_looked(recommended, photo_folder):
    photo = next(photo_folder.glob("woody/*.jpg"))
    found = activation_map(photo, recommended, "woody")
    data = decode_photo(photo.read_bytes(), recommended.preprocessing)
    backbone = recommended.backbone.load()
    kept = []
    hooks = [
        part.network.bn2.register_forward_hook(lambda m, i, out: kept.append(out))
        for part in backbone.parts
    ]
    batch = torch.from_numpy(data).permute(2, 0, 1)[None].float().requires_grad_()
    with torch.enable_grad():
        score = recommended.head(backbone(batch))[0, recommended.classes.index("woody")]
        gradients = torch.autograd.grad(score, kept)
    for hook in hooks:
        hook.remove()
    cam = sum(
        (g.mean((2, 3), keepdim=True) * a.detach()).sum(1)[0]
        for g, a in zip(gradients, kept, strict=True)
    ).clamp(min=0)
    assert found == pytest.approx((cam / cam.max().clamp(min=1e-12)).numpy(), abs=1e-5)
