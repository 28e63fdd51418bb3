"""Training follows the pilot's recipe, repeats itself, and refuses what cannot work."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import colour_photo, peak_memory, write_photos

from lucas_habitat import calibrate, classify, list_photos, train, training
from lucas_habitat.errors import (
    CalibrationError,
    DeviceError,
    InputError,
    LucasMessage,
    LucasWarning,
)
from lucas_habitat.networks import fitting
from lucas_habitat.networks.backbones import make_head

LITE0 = {"arch": "efficientnet_lite0", "progress": False}


def test_the_pilots_recipe(model, parts):
    t = model.training
    assert (t["epochs"], t["batch_size"], t["learning_rate"], t["dropout"]) == (10, 32, 1e-3, 0.2)
    assert t["freeze_backbone"] is True
    assert t["n_photos"] == len(parts[0])
    assert t["n_points"] == parts[0].point_id.nunique()
    assert model.history.columns.tolist() == ["epoch", "loss", "accuracy"]
    assert model.history["epoch"].tolist() == list(range(1, 11))
    assert model.history["loss"].iloc[-1] < model.history["loss"].iloc[0] / 3
    assert model.classes == ["artificial", "cropland", "grassland", "woody"]
    assert "calibrated   no" in repr(model)


def test_steps_per_epoch_are_floored_and_photos_reshuffled(parts, monkeypatch):
    """floor(n / batch) steps; what one epoch leaves out another takes."""
    photos = parts[0]
    orders = []
    randperm = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n: orders.append(randperm(n)) or orders[-1])
    done = []
    train(
        photos, arch="efficientnet_lite0", batch_size=10, epochs=6,
        progress=lambda d, total, what: done.append((d, total)) if what == "training" else None,
    )  # fmt: skip
    steps = len(photos) // 10
    assert len(photos) % 10, "the case needs a remainder"
    assert done[-1] == (6 * steps, 6 * steps)
    left_out = [set(o[steps * 10 :].tolist()) for o in orders]
    assert len(orders) == 6
    assert not set.intersection(*left_out)


def test_fewer_photos_than_a_batch_still_train(parts):
    few = parts[0].groupby("habitat").head(2)
    model = train(few, epochs=2, batch_size=64, **LITE0)
    assert model.history["loss"].notna().all()


def test_the_same_seed_gives_the_same_model(parts, model):
    again = train(parts[0], **LITE0)
    other = train(parts[0], seed=2, **LITE0)
    for a, b, c in zip(*(m.head.parameters() for m in (model, again, other)), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    pd.testing.assert_frame_equal(model.history, again.history)


def test_validation_by_point_is_followed_and_calibrated_on(photo_folder):
    photos = list_photos(photo_folder)
    # Labels spoiled on purpose: a perfect model would leave nothing to calibrate.
    photos.loc[::7, "habitat"] = "woody"
    model = train(photos, validation_split=0.4, **LITE0)
    assert {"val_loss", "val_accuracy", "val_kappa"} <= set(model.history.columns)
    t = model.training
    assert t["n_points"] + t["n_validation_points"] == photos.point_id.nunique()
    assert t["n_photos"] + t["n_validation_photos"] == len(photos)
    assert model.calibration["n_points"] == t["n_validation_points"]
    assert model.temperature != 1
    assert f"temperature {model.temperature:.3f}" in repr(model)


def test_given_validation_photos_must_be_of_other_points(parts):
    with pytest.raises(InputError, match="points stand in training and validation"):
        train(parts[0], validation=parts[0].head(4), **LITE0)


def test_test_photos_are_never_trained_on(parts):
    both = pd.concat(parts, ignore_index=True)
    with pytest.warns(LucasMessage, match=f"{len(parts[1])} photos have the split 'test'"):
        model = train(both, epochs=1, **LITE0)
    assert model.training["n_photos"] == len(parts[0])


def test_closeups_are_left_out_unless_asked_for(parts):
    photos = parts[0].copy()
    photos.loc[photos.index[::5], "direction"] = "C"
    n = int((photos["direction"] == "C").sum())
    with pytest.warns(LucasMessage, match=rf"{n} close-ups \(C\) are left out"):
        model = train(photos, epochs=1, **LITE0)
    assert model.training["n_photos"] == len(photos) - n
    assert train(photos, epochs=1, closeups=True, **LITE0).training["n_photos"] == len(photos)


def test_refused_photos_are_counted_and_the_rest_trained_on(parts, tmp_path):
    photos = parts[0].copy()
    (tmp_path / "empty.jpg").write_bytes(b"")
    photos.loc[photos.index[0], "path"] = str(tmp_path / "empty.jpg")
    with pytest.warns(LucasWarning, match=r"1 of \d+ photos were refused: empty.jpg \(empty\)"):
        model = train(photos, epochs=1, **LITE0)
    assert model.training["refused"] == {"empty": 1}
    assert model.training["n_photos"] == len(photos) - 1


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            lambda p: p[p.habitat == "woody"],
            {},
            "At least two classes are needed; got only 'woody'",
        ),
        (lambda p: p.assign(habitat=None), {}, "No training photo has a class"),
        (lambda p: p.assign(split="test"), {}, "nothing to train on"),
        (lambda p: p.assign(path="gone.jpg"), {}, r"None of \d+ photos could be read: gone.jpg"),
        (
            lambda p: p,
            {"epochs": 0},
            "epochs must be a whole number, at least 1 and at most 100000; got 0",
        ),
        (lambda p: p, {"batch_size": 2.5}, "batch_size must be a whole number"),
        (lambda p: p, {"learning_rate": 0}, "learning_rate must be a number, more than 0"),
        (lambda p: p, {"dropout": 1}, "dropout must be a number"),
        (lambda p: p, {"target_size": (224, 192)}, "one number or two equal ones"),
        (lambda p: p, {"resize": "cubic"}, "resize must be one of 'antialias', 'nearest'"),
        (
            lambda p: p,
            {"recipe": "best"},
            "recipe must be one of 'pilot', 'recommended', 'finetune'",
        ),
        (lambda p: p, {"validation_split": 0.2, "validation": "x"}, "not both"),
        (lambda p: p, {"validation_split": 0.01}, "both sides need at least one point"),
    ],
)
def test_bad_input(parts, change, options, message):
    with pytest.raises(InputError, match=message):
        train(change(parts[0]), **LITE0, **options)


def test_a_class_none_of_whose_photos_can_be_read_is_an_error(parts):
    photos = parts[0].copy()
    photos.loc[photos["habitat"] == "woody", "path"] = "gone.jpg"
    with pytest.raises(InputError, match="No photo of the class woody could be read"):
        train(photos, **LITE0)


def test_a_class_name_with_a_space(parts):
    photos = parts[0].replace({"habitat": {"woody": "woody vegetation ø"}})
    model = train(photos, epochs=1, **LITE0)
    predictions = classify(parts[1].assign(habitat=None), model, progress=False)
    assert "p_woody_vegetation_o" in predictions
    assert "woody vegetation ø" in predictions["predicted"].cat.categories


def test_fine_tuning_changes_the_backbone_but_not_its_statistics(tmp_path):
    photos = list_photos(write_photos(tmp_path, n_points=2, directions=("north",)))
    frozen = train(photos, epochs=1, **LITE0)
    tuned = train(photos, recipe="finetune", epochs=1, batch_size=4, **LITE0)
    assert tuned.training["freeze_backbone"] is False
    a, b = frozen.backbone.load().network.state_dict(), tuned.backbone.load().network.state_dict()
    assert not torch.equal(a["conv_stem.weight"], b["conv_stem.weight"])
    assert torch.equal(a["bn1.running_mean"], b["bn1.running_mean"])
    assert tuned.backbone.spec["weights_sha256"] != frozen.backbone.spec["weights_sha256"]
    assert "fine-tuned" in repr(tuned)
    # What it predicts is what the tuned network computes.
    predictions = classify(photos, tuned, progress=False)
    assert (predictions["status"] == "ok").all()
    again = train(photos, recipe="finetune", epochs=1, batch_size=4, **LITE0)
    assert torch.equal(
        b["conv_stem.weight"], again.backbone.load().network.state_dict()["conv_stem.weight"]
    )


def test_fine_tuning_beyond_the_gpus_memory_says_what_to_lower(tmp_path, monkeypatch):
    photos = list_photos(write_photos(tmp_path, n_points=2, directions=("north",)))

    def small_memory(self, photos):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(fitting.HabitatNet, "forward", small_memory)
    with pytest.raises(DeviceError, match=r"cpu has too little memory .* 4 photos .*batch_size"):
        train(photos, recipe="finetune", epochs=1, batch_size=4, **LITE0)


@pytest.mark.parametrize(
    ("device", "gpus"), [("cpu", []), ("cuda", [0]), ("cuda:3", [3]), ("mps", [])]
)
def test_training_puts_back_random_numbers_of_its_own_gpu_only(device, gpus):
    """Torch would warn where there are several."""
    assert fitting._generators_of(device) == gpus


def test_calibrate_on_held_out_points(model, tmp_path):
    photos = list_photos(write_photos(tmp_path, n_points=5, year=2015))
    photos["point_id"] = "held-out " + photos["point_id"]
    photos["habitat"] = np.roll(photos["habitat"], 3)  # some labels wrong: the model is too sure
    calibrated = calibrate(model, photos, progress=False)
    assert model.calibration is None
    assert calibrated.temperature > 1
    assert calibrated.calibration["n_points"] == photos.point_id.nunique()
    before, after = (classify(photos, m, progress=False) for m in (model, calibrated))
    assert (before["predicted"] == after["predicted"]).all()
    assert (after["confidence"] < before["confidence"]).mean() > 0.9
    assert after["calibrated"].all()
    assert not before["calibrated"].any()


def test_calibrating_on_training_points_is_refused(model, parts):
    with pytest.raises(CalibrationError, match="points were trained on"):
        calibrate(model, parts[0], progress=False)


def test_calibrating_without_labels_is_refused(model, parts):
    with pytest.raises(CalibrationError, match="No photo carries a class of the model"):
        calibrate(model, parts[1].assign(habitat="sea"), progress=False)


def test_a_perfect_validation_leaves_the_model_uncalibrated_but_trained(tmp_path):
    photos = list_photos(write_photos(tmp_path, n_points=4))
    with pytest.warns(LucasWarning, match="not calibrated: all .* classified right"):
        model = train(photos, validation_split=0.5, **LITE0)
    assert model.calibration is None


def test_at_most_so_many_training_features_are_kept(parts, monkeypatch):
    monkeypatch.setattr(training, "_KEPT_FEATURES", 5)
    model = train(parts[0], epochs=1, **LITE0)
    assert model.training_features.shape == (5, 1280)
    assert model.training_features.dtype == np.float16
    assert len(model.training_photos) == len(parts[0])
    assert model.training_photos["has_features"].sum() == 5
    assert not model.training_photos["photo"].str.contains("/").any()


def test_a_photo_that_two_classes_share_does_not_break_training(tmp_path):
    for habitat in ("a", "b"):
        (tmp_path / habitat).mkdir()
        for i in range(3):
            colour_photo("woody", 1).save(tmp_path / habitat / f"{i}.png")
    model = train(list_photos(tmp_path), epochs=1, **LITE0)
    assert model.training["n_without_point"] == 6


def test_a_training_that_diverges_is_an_error_not_a_model(parts):
    with pytest.raises(InputError, match=r"diverged in epoch \d+.*Lower learning_rate"):
        train(parts[0], learning_rate=1e38, **LITE0)


def test_classes_whose_columns_would_be_one_are_refused_before_training(parts):
    photos = parts[0].replace({"habitat": {"woody": "crop land", "cropland": "crop_land"}})
    with pytest.raises(InputError, match="would both get the column p_crop_land"):
        train(photos, **LITE0)


@pytest.mark.parametrize("seed", [-1, 1.5, None, "one"])
def test_bad_seeds(parts, seed):
    with pytest.raises(InputError, match="seed must be a whole number, at least 0"):
        train(parts[0], seed=seed, **LITE0)


def test_numbers_as_r_sends_them(parts):
    model = train(
        parts[0], seed=1.0, epochs=1.0, batch_size=8.0, target_size=[224.0, 224.0], **LITE0
    )
    assert model.preprocessing.size == 224


def test_calibrating_on_training_photos_without_points_is_refused(tmp_path):
    photos = list_photos(write_photos(tmp_path, n_points=2)).assign(point_id=None)
    model = train(photos, epochs=1, **LITE0)
    with pytest.raises(CalibrationError, match="16 points were trained on"):
        calibrate(model, photos, progress=False)


def test_training_leaves_torchs_settings_as_they_were(parts):
    import torch

    tiny = torch.tensor(1e-38)
    before = torch.get_num_threads()
    for flush in (False, True):
        torch.set_flush_denormal(flush)
        try:
            train(parts[0], epochs=1, **LITE0)
            assert (float(tiny * 0.1) == 0) == flush
            assert torch.get_num_threads() == before
        finally:
            torch.set_flush_denormal(False)


@pytest.mark.parametrize("n_validated", [0, 10_000])
def test_fitting_a_head_does_not_copy_the_features(n_validated, monkeypatch):
    n = 20_000
    monkeypatch.setattr(fitting, "_VALIDATED", 1_000)
    features = np.zeros((n, 256), np.float32)
    fit, validate = np.arange(n - n_validated), np.arange(n - n_validated, n)
    rows = fitting.LabelledRows(fit, validate, np.arange(n) % 2, np.arange(n), ["a", "b"])
    settings = fitting.TrainingSettings("pilot", True, 0.2, 1, 1000, 1e-3, "none", 1)
    fitting.fit_head(features, rows, None, settings, False)  # what torch imports then is imported
    _, peak = peak_memory(lambda: fitting.fit_head(features, rows, None, settings, False))
    assert peak < features.nbytes / 4


def test_validating_some_at_a_time_changes_no_number(monkeypatch):
    rng = np.random.default_rng(1)
    features = rng.random((3_000, 64), dtype=np.float32)
    rows = fitting.LabelledRows(
        np.arange(1_000),
        np.arange(1_000, 3_000),
        rng.integers(0, 3, 3_000),
        np.arange(3_000),
        list("abc"),
    )
    settings = fitting.TrainingSettings("pilot", True, 0.2, 2, 32, 1e-3, "none", 1)
    wanted = fitting.fit_head(features, rows, None, settings, False)
    monkeypatch.setattr(fitting, "_VALIDATED", 512)
    result = fitting.fit_head(features, rows, None, settings, False)
    pd.testing.assert_frame_equal(result.history, wanted.history, rtol=1e-6)
    for name, values in wanted.head.items():
        assert (result.head[name] == values).all()


@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_heads_gradients_are_autograds(is_weighted):
    head = make_head(20, 3, dropout=0.3, seed=1)
    other = make_head(20, 3, dropout=0.3, seed=1)
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(64, 20)).astype(np.float32))
    y = rng.integers(0, 3, 64)
    weights = torch.tensor([0.2, 1.0, 0.5])[y] if is_weighted else None
    step = fitting._head_step(
        head, x, torch.arange(64), y, dropout=0.3, learning_rate=0.01, weights=weights
    )
    optimizer = torch.optim.Adam(other.parameters(), lr=0.01, eps=1e-7)
    for i in range(5):
        chosen = torch.from_numpy(rng.permutation(64)[:32])
        torch.manual_seed(i)  # the same units are dropped
        loss, right = step(chosen)
        torch.manual_seed(i)
        out = other.train()(x[chosen])
        losses = torch.nn.functional.cross_entropy(
            out, torch.from_numpy(y)[chosen], reduction="none"
        )
        wanted = (losses if weights is None else losses * weights[chosen]).mean()
        optimizer.zero_grad()
        wanted.backward()
        for mine, theirs in zip(head.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-7)
        optimizer.step()
        assert loss == pytest.approx(float(wanted.detach()), rel=1e-5)
        assert right == int((out.argmax(1).numpy() == y[chosen.numpy()]).sum())
    for mine, theirs in zip(head.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
