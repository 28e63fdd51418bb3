"""Models in eight bits: what is kept of them, how they are chosen, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import write_photos
from safetensors.numpy import load_file, save_file

import lucas_habitat as lh
from lucas_habitat import engines, features
from lucas_habitat._base import words
from lucas_habitat._base.files import file_sha256
from lucas_habitat.cli import main
from lucas_habitat.engines import Target, choose_target, make_runner
from lucas_habitat.engines import openvino_engine as engine
from lucas_habitat.engines.int8 import _whole, in_int8
from lucas_habitat.errors import (
    DependencyError,
    DeviceError,
    InputError,
    LucasError,
    LucasMessage,
    LucasWarning,
    ModelError,
)
from lucas_habitat.images.decode import Preprocessing, decode_photo
from lucas_habitat.model import describe_model
from lucas_habitat.networks.arrays import arrays_sha256
from lucas_habitat.networks.stored import StoredBackbone
from lucas_habitat.predicting import target_for

INT8, FLOAT32 = (Target("openvino", "cpu", precision) for precision in ("int8", "float32"))

needs_int8 = pytest.mark.skipif(not engine.cpu_has_int8(), reason="this CPU has no int8")
pytestmark = [
    pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage"),
    # Drawn photos of one colour each, on heads of a few steps: some stand between two classes.
    pytest.mark.filterwarnings(
        "ignore:Eight bits change the class:lucas_habitat.errors.LucasWarning"
    ),
]


@pytest.fixture(scope="module")
def quantised(parts, model):
    if not engine.cpu_has_int8():
        pytest.skip("this CPU has no int8")
    pytest.importorskip("nncf")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lh.quantize(model, parts[0], n_photos=8, progress=False)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)


# ---- what is kept -------------------------------------------------------------------------------


def test_a_quantised_model_classifies_in_int8_and_says_so(parts, model, quantised):
    predictions = lh.classify(parts[1], quantised, progress=False)
    assert predictions.attrs["precision"] == "int8"
    exact = lh.classify(parts[1], quantised, precision="float32", progress=False)
    assert exact.attrs["precision"] == "float32"
    before = lh.classify(parts[1], model, precision="float32", progress=False)
    columns = [c for c in exact if c.startswith("p_")]
    assert np.array_equal(exact[columns], before[columns])
    change = (predictions[columns] - exact[columns]).abs().to_numpy()
    assert 0 < change.max() < 0.5
    assert model.quantisation is None
    assert model.backbone.quantised is None


@pytest.mark.skipif(sys.platform == "win32", reason="SIGALRM is not on Windows")
def test_a_signal_after_quantising_does_not_end_the_program(quantised):
    caught = []
    before = signal.signal(signal.SIGALRM, lambda *_: caught.append(True))
    signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)
    assert caught


def test_the_card_says_how_it_was_done_and_how_it_agrees(parts, quantised):
    card = quantised.card()
    assert card["precision"] == "int8"
    made = card["quantisation"]
    assert made["sha256"] == arrays_sha256(quantised.backbone.quantised)
    assert (made["n_photos"], made["seed"]) == (8, 1)
    agreement = made["agreement"]
    assert agreement["photos"] == "training"
    assert agreement["n"] == agreement["n_labelled"] == len(parts[0]) - 8
    assert agreement["low"] <= agreement["n_equal"] / agreement["n"] <= agreement["high"]
    assert agreement["kappa_float32"] == pytest.approx(1, abs=0.2)
    for text in (words.in_python(describe_model(quantised)), repr(quantised)):
        assert "eight bits   int8, found with 8 photos; " in text
        assert f"of {agreement['n']} training photos that they were not found with" in text
    # Neither names of photos nor what is in them.
    assert not any(name in json.dumps(made) for name in parts[0]["path"].map(os.path.basename))


def test_photos_of_others_are_compared_on_where_there_are_any(parts, model):
    pytest.importorskip("nncf")
    if not engine.cpu_has_int8():
        pytest.skip("this CPU has no int8")
    given = lh.quantize(model, parts[1], n_photos=4, progress=False).quantisation["agreement"]
    assert given["photos"] == "given"
    assert given["n"] == len(parts[1]) - 4


def test_what_is_kept_is_nearer_to_float32_than_what_nncf_makes(quantised, parts):
    """Weights are rounded here, from the model's own, so that each kernel keeps its sum."""
    from lucas_habitat.engines.quantising import _kept, _quantise

    network = engine.float32_network(quantised.backbone)
    photos = np.stack(
        [decode_photo(Path(p).read_bytes(), Preprocessing()) for p in parts[0]["path"][:12]]
    )
    made = _quantise(network, list(photos), lambda n: None)
    ours = in_int8(network, _kept(network, made))
    exact, theirs, mine = (
        engine.core().compile_model(n, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([photos])[0]
        for n in (network, made, ours)
    )
    # Beside their spread over photos, features change by less than a half.
    spread = exact.std(axis=0).mean()
    assert 0 < np.abs(mine - exact).mean() < min(0.5 * spread, np.abs(theirs - exact).mean())


def test_biases_take_back_what_rounding_weights_changes(quantised, parts):
    network = engine.float32_network(quantised.backbone)
    photos = [decode_photo(Path(p).read_bytes(), Preprocessing()) for p in parts[0]["path"]]
    kept = quantised.backbone.quantised
    scales = {key: value for key, value in kept.items() if key.startswith("scale")}
    biases = {key: value for key, value in kept.items() if key.startswith("constant")}
    assert len(biases) == len(scales)
    exact, without, corrected = (
        engine.core().compile_model(n, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
            [np.stack(photos)]
        )[0]
        for n in (network, in_int8(network, scales), in_int8(network, scales | biases))
    )
    assert np.abs(corrected - exact).mean() < 0.7 * np.abs(without - exact).mean()


def test_what_costs_most_accuracy_stays_in_float32(quantised):
    """As with bfloat16: the depthwise convolution straight after the first one, and sums."""
    kept = quantised.backbone.quantised
    assert not [key for key in kept if "blocks.0.0.bn1" in key or key.endswith("/Add")]
    assert any("blocks.0.0.bn2" in key for key in kept)
    assert any("network.bn1/" in key for key in kept)


def test_channels_that_were_silent_have_room(quantised):
    """A channel's range is half of the widest one's at least."""
    ranges = [
        ends
        for key, ends in quantised.backbone.quantised.items()
        if key.startswith("range") and ends.ndim > 1
    ]
    assert ranges
    for low, high in ranges:
        assert high.min() >= 0.5 * high.max() / 1.25 - 1e-6
        assert (low <= 0).all()


def test_no_pixel_is_cut_off(quantised):
    """However dark the photos were that eight bits were found with: each pixel has a step of its own."""
    ranges = quantised.backbone.quantised
    (pixels,) = [v for k, v in ranges.items() if k.startswith("range") and "aten::to" in k]
    assert pixels.tolist() == [0, 255]
    (scaled,) = [
        v for k, v in ranges.items() if k.startswith("range") and "conv_stem/aten::pad" in k
    ]
    assert scaled == pytest.approx([-1, 1])


def test_kernels_keep_their_sums():
    weights = np.random.default_rng(1).normal(0, 30, (50, 3, 3, 3)).astype(np.float32)
    whole = _whole(weights)
    assert np.abs(whole.sum(axis=(2, 3)) - weights.sum(axis=(2, 3))).max() <= 0.5 + 1e-4
    assert np.abs(whole - weights).max() < 2
    one_by_one = np.rint(weights).sum(axis=(2, 3)) - weights.sum(axis=(2, 3))
    assert np.abs(one_by_one).max() > 1
    assert (_whole(weights[:, :, :1, :1]) == np.rint(weights[:, :, :1, :1])).all()
    assert _whole(np.float32([[300.0, -300.0]])).tolist() == [[127, -127]]


def test_a_saved_model_keeps_its_eight_bits(tmp_path, parts, quantised):
    before = lh.classify(parts[1], quantised, cache=False, progress=False)
    folder = lh.save_model(quantised, tmp_path / "model")
    assert json.loads((folder / "card.json").read_text(encoding="utf-8"))["format_version"] == 2
    loaded = lh.load_model(folder)
    assert loaded.quantisation == quantised.quantisation
    after = lh.classify(parts[1], loaded, cache=False, progress=False)
    assert after.attrs["precision"] == "int8"
    assert (after["confidence"] == before["confidence"]).all()


def test_a_model_without_is_written_as_it_always_was(tmp_path, model):
    folder = lh.save_model(model, tmp_path / "model")
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert card["format_version"] == 1
    assert "quantisation" not in card


def test_a_shared_model_and_one_of_ray_keep_their_eight_bits(tmp_path, quantised):
    from lucas_habitat.cluster.packed import pack, unpack

    shared = lh.share_model(
        quantised, tmp_path / "model.zip", licence="CC0-1.0", authors="A. Author"
    )
    with zipfile.ZipFile(shared.file) as archive:
        page = archive.read("README.md").decode()
    assert "- eight bits: int8, found with 8 photos; " in page
    for other in (lh.load_model(shared.file), unpack(pack(quantised))):
        assert other.quantisation == quantised.quantisation
        assert other.backbone.quantised_sha256 == quantised.backbone.quantised_sha256
        assert other.target == INT8


def test_networks_side_by_side_have_their_own_each(parts, pixels, quantised):
    from lucas_habitat.engines.quantising import quantised_by
    from lucas_habitat.networks.backbones import load_backbone

    pair = load_backbone("efficientnet_lite0+efficientnet_lite1", weights=None, size=64)
    small = pixels[:, :64, :64].copy()
    told = []
    stored = StoredBackbone(
        pair.spec, pair.state, quantised_by(pair, list(small), lambda *args: told.append(args))
    )
    assert told[-1] == (8, 8, "photos")
    values = make_runner(stored, INT8)(small)
    alone = [make_runner(part, INT8)(small) for part in stored.parts]
    assert np.array_equal(values, np.concatenate(alone, axis=1))
    assert len({part.quantised_sha256 for part in stored.parts}) == 2


# ---- training -----------------------------------------------------------------------------------


@needs_int8
@pytest.mark.filterwarnings(
    "ignore:.*(near-duplicates|not calibrated):lucas_habitat.errors.LucasWarning"
)
def test_training_in_int8_is_training_and_quantising(parts, capfd):
    pytest.importorskip("nncf")
    how = {"arch": "efficientnet_lite0", "epochs": 2, "progress": False}
    model = lh.train(parts[0], precision="int8", validation=parts[1], **how)
    assert capfd.readouterr().out == ""  # where tables may go
    exact = lh.train(parts[0], precision="float32", validation=parts[1], **how)
    assert np.array_equal(model.head_weights["3.weight"], exact.head_weights["3.weight"])
    assert np.array_equal(model.training_features, exact.training_features)
    assert model.target == INT8
    agreement = model.quantisation["agreement"]
    assert (agreement["photos"], agreement["n"]) == ("validation", len(parts[1]))


@needs_int8
def test_the_same_seed_gives_the_same_eight_bits(parts, model, quantised):
    again = lh.quantize(model, parts[0], n_photos=8, progress=False)
    assert again.backbone.quantised_sha256 == quantised.backbone.quantised_sha256
    other = lh.quantize(model, parts[0], n_photos=8, seed=2, progress=False)
    assert other.backbone.quantised_sha256 != quantised.backbone.quantised_sha256


def test_photos_are_drawn_from_each_class_in_turn(parts):
    from lucas_habitat.eight_bits import _drawn

    photos = parts[0]
    first = photos["habitat"].iloc[_drawn(photos, 1)[:8]]
    assert first.value_counts().tolist() == [2, 2, 2, 2]
    assert sorted(_drawn(photos.assign(habitat=None), 1)) == list(range(len(photos)))


@needs_int8
def test_photos_that_cannot_be_read_are_passed_over(tmp_path, model):
    pytest.importorskip("nncf")
    folder = write_photos(tmp_path / "photos", n_points=2)
    for file in sorted(folder.rglob("*.jpg"))[::2]:
        file.write_bytes(b"no photo")
    made = lh.quantize(model, folder, n_photos=4, progress=False).quantisation
    assert (made["n_photos"], made["agreement"]["n"]) == (4, 4)
    # One of them is of a point that was not trained on, which is too few to be compared alone.
    assert made["agreement"]["photos"] == "training"
    for file in folder.rglob("*.jpg"):
        file.write_bytes(b"no photo")
    with pytest.raises(InputError, match="None of 16 photos could be read to find eight bits"):
        lh.quantize(model, folder, progress=False)


@needs_int8
def test_a_warning_says_where_classes_change(parts, model, monkeypatch):
    pytest.importorskip("nncf")
    from lucas_habitat import eight_bits

    quantised_by = sys.modules["lucas_habitat.engines.quantising"].quantised_by

    def coarse(*args):
        made = quantised_by(*args)
        return {k: v * np.float32(40) if k.startswith("scale") else v for k, v in made.items()}

    monkeypatch.setattr("lucas_habitat.engines.quantising.quantised_by", coarse)
    with pytest.warns(
        LucasWarning, match="change the class of more than 1% of photos: .* precision='auto'"
    ):
        made = lh.quantize(model, parts[0], n_photos=4, progress=False)
    assert not eight_bits.agrees_with_float32(made)


# ---- what is chosen -----------------------------------------------------------------------------


@pytest.fixture
def cpu(monkeypatch):
    """A CPU that computes in what is asked for."""

    def with_(**has):
        for name in ("bfloat16", "int8"):
            monkeypatch.setattr(engine, f"cpu_has_{name}", lambda name=name: has.get(name, False))

    return with_


@pytest.mark.parametrize(
    ("has", "may", "chosen"),
    [
        ({"int8": True}, True, "int8"),
        ({"int8": True}, False, "float32"),
        ({"int8": True, "bfloat16": True}, True, "bfloat16"),
        ({}, True, "float32"),
    ],
)
def test_auto_takes_int8_where_it_agrees_and_there_is_no_bfloat16(cpu, has, may, chosen):
    cpu(**has)
    assert choose_target("cpu", has_int8=may).precision == chosen
    assert choose_target("cpu", "float32", has_int8=may).precision == "float32"
    assert choose_target("torch", has_int8=may).precision == "float32"


@pytest.mark.parametrize(("n_equal", "chosen"), [(990, "int8"), (989, "float32")])
def test_the_card_decides_whether_auto_may_take_int8(cpu, model, n_equal, chosen):
    cpu(int8=True)
    agreement = {"n": 1000, "n_equal": n_equal}
    quantised = replace(model, quantisation={"agreement": agreement})
    assert target_for(quantised, "cpu", "auto").precision == chosen
    unmeasured = replace(model, quantisation={"agreement": None})
    assert target_for(unmeasured, "cpu", "auto").precision == "float32"
    assert target_for(model, "cpu", "auto").precision == "float32"


def test_a_model_in_int8_is_computed_in_float32_elsewhere(cpu, quantised):
    cpu()
    with pytest.warns(
        LucasMessage, match="trained in int8, which cpu does not compute in; float32"
    ):
        assert target_for(quantised, "cpu", None) == FLOAT32
    with pytest.warns(LucasMessage, match="float32 is used"):
        assert target_for(quantised, "torch", None).engine == "torch"


def test_int8_is_refused_where_it_cannot_be(cpu, parts, model, monkeypatch):
    cpu()
    with pytest.raises(
        DeviceError, match=r"no instructions for int8 \(VNNI, AVX-VNNI or i8mm\); use"
    ):
        choose_target("cpu", "int8")
    with pytest.raises(
        DeviceError, match="torch on torch does not compute in int8, which OpenVINO"
    ):
        choose_target("torch", "int8")
    with pytest.raises(DeviceError, match="int8"):
        lh.train(parts[0], arch="efficientnet_lite0", precision="int8", progress=False)
    with pytest.raises(DeviceError, match="int8"):
        lh.quantize(model, parts[0], progress=False)
    monkeypatch.setattr(engines, "_gpu", lambda device: "cuda:0")
    monkeypatch.setattr(engines, "_computes_bfloat16", lambda engine, device: True)
    with pytest.raises(DeviceError, match="torch on cuda:0 does not compute in int8"):
        choose_target("cuda", "int8")


def test_a_model_without_eight_bits_says_how_to_get_them(parts, model):
    with pytest.raises(
        InputError, match=r"no eight bits: quantize\(\) finds them.* train\(\) with"
    ):
        lh.classify(parts[1], model, precision="int8", progress=False)
    with pytest.raises(LucasError, match="was not quantised"):
        make_runner(model.backbone, INT8)


def test_without_nncf_an_error_says_what_to_install(cpu, parts, model, monkeypatch):
    cpu(int8=True)
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(
        DependencyError, match=r"is not installed: pip install 'lucas-habitat\[fast\]'"
    ):
        lh.quantize(model, parts[0], progress=False)
    with pytest.raises(DependencyError) as error:
        lh.train(parts[0], arch="efficientnet_lite0", precision="int8", progress=False)
    assert "lucas_install(fast = TRUE)" in words.in_r(words.marked(error.value))


def test_classifying_in_int8_loads_no_nncf(tmp_path, parts, quantised):
    folder = lh.save_model(quantised, tmp_path / "model")
    code = (
        "import sys; sys.modules['nncf'] = None; import lucas_habitat as lh;"
        f"p = lh.classify({parts[1]['path'].iloc[0]!r}, {str(folder)!r}, cache=False, progress=False);"
        "assert p.attrs['precision'] == 'int8', p.attrs"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@needs_int8
def test_nncf_tells_nobody_of_its_use():
    pytest.importorskip("nncf")
    code = (
        "import lucas_habitat.engines, nncf, sys;"
        "from nncf.telemetry.wrapper import telemetry;"
        "assert sys.modules['openvino_telemetry'] is None"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@needs_int8
@pytest.mark.parametrize(("isa", "has"), [("AVX2", False), ("AVX512_CORE_VNNI", True)])
def test_a_cpu_is_told_by_what_it_computes(isa, has):
    """oneDNN, in OpenVINO, can be held to older instructions, whose sums of products overflow."""
    from lucas_habitat._base.version import library_versions

    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = file.read()
    if "avx512_vnni" not in flags or not library_versions():
        pytest.skip("this CPU has no AVX-512 to hold back")
    code = "from lucas_habitat.engines.openvino_engine import cpu_has_int8; print(cpu_has_int8())"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(has)


# ---- cache and runs -----------------------------------------------------------------------------


def test_features_of_eight_bits_have_a_place_of_their_own(model, quantised):
    other = StoredBackbone(
        quantised.backbone.spec,
        quantised.backbone.state,
        {k: v * np.float32(1.01) for k, v in quantised.backbone.quantised.items()},
    )

    def key(backbone, target):
        return json.dumps(features._spec(backbone, model.preprocessing, target), sort_keys=True)

    keys = {key(backbone, INT8) for backbone in (quantised.backbone, other)}
    assert len(keys | {key(model.backbone, FLOAT32)}) == 3
    # Those of float32 are found again, quantised or not.
    assert key(quantised.backbone, FLOAT32) == key(model.backbone, FLOAT32)


def test_a_run_notes_its_eight_bits_and_goes_on_with_no_others(tmp_path, parts, model, quantised):
    run = lh.classify(parts[1], quantised, out=tmp_path / "run", progress=False)
    assert run.precision == "int8"
    manifest = json.loads((tmp_path / "run" / "_run.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["int8"] == quantised.backbone.quantised_sha256
    other = lh.quantize(model, parts[0], n_photos=8, seed=2, progress=False)
    with pytest.raises(InputError, match=r"by another model or other settings \(settings.int8"):
        lh.classify(parts[1], other, out=tmp_path / "run", progress=False)
    lh.classify(parts[1], model, out=tmp_path / "exact", precision="float32", progress=False)
    # The same model in float32, whatever bits it has besides.
    lh.classify(parts[1], other, out=tmp_path / "exact", precision="float32", progress=False)


# ---- what is refused ----------------------------------------------------------------------------


def tampered(folder, change, seal=True):
    """A model's folder whose tensors were changed, with the card made to fit."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    eight = {k.removeprefix("int8."): v for k, v in tensors.items() if k.startswith("int8.")}
    eight = change(eight)
    tensors = {k: v for k, v in tensors.items() if not k.startswith("int8.")}
    tensors |= {f"int8.{k}": v for k, v in eight.items()}
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    save_file(tensors, file, {"classes": json.dumps(card["classes"])})
    card["files"]["model.safetensors"] = file_sha256(file)
    if seal:
        card["quantisation"]["sha256"] = arrays_sha256(eight)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture
def saved(tmp_path, quantised):
    return lh.save_model(quantised, tmp_path / "model")


def test_eight_bits_of_another_model_are_refused(saved):
    tampered(saved, lambda eight: {k: v * np.float32(2) for k, v in eight.items()}, seal=False)
    with pytest.raises(
        ModelError, match="eight bits of its networks are not those that the card describes"
    ):
        lh.load_model(saved)


def test_a_card_that_tells_of_eight_bits_that_are_not_there_is_refused(saved):
    tampered(saved, lambda eight: {}, seal=False)
    with pytest.raises(ModelError, match="not those that the card describes"):
        lh.load_model(saved)
    card = json.loads((saved / "card.json").read_text(encoding="utf-8"))
    del card["quantisation"]
    (saved / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="The card says int8, and the model has no eight bits"):
        lh.load_model(saved)


def first(eight, kind):
    return next(k for k in sorted(eight) if k.startswith(kind))


HOSTILE = {
    "no such layer": lambda e: e | {"range.0.no such layer": np.float32([0, 1])},
    "no such input": lambda e: (
        e | {first(e, "range").replace("range.0", "range.9"): np.float32([0, 1])}
    ),
    "no such kind": lambda e: e | {"code.0.layer": np.float32([0, 1])},
    "no such port": lambda e: e | {"range.99.layer": np.float32([0, 1])},
    "no name": lambda e: e | {"range": np.float32([0, 1])},
    "not a number": lambda e: e | {first(e, "scale"): e[first(e, "scale")] * np.float32(np.nan)},
    "endless": lambda e: e | {first(e, "range"): np.float32([0, np.inf])},
    "no range": lambda e: e | {first(e, "range"): np.float32([1, 1])},
    "turned range": lambda e: e | {first(e, "range"): np.float32([1, -1])},
    "range a photo": lambda e: e | {first(e, "range"): np.zeros((2, 5, 1, 1, 1), np.float32)},
    "three ends": lambda e: e | {first(e, "range"): np.float32([0, 1, 2])},
    "a range of other channels": lambda e: (
        e | {first(e, "range"): np.float32([[[[[0]] * 7]], [[[[1]] * 7]]])}
    ),
    "no ends": lambda e: e | {first(e, "range"): np.zeros((2, 0), np.float32)},
    "scale of 0": lambda e: e | {first(e, "scale"): e[first(e, "scale")] * np.float32(0)},
    "scale of other channels": lambda e: e | {first(e, "scale"): np.ones((3, 1, 1, 1), np.float32)},
    "a scale for an activation": lambda e: (
        e | {first(e, "range").replace("range", "scale"): np.float32([1])}
    ),
    "too large a range": lambda e: e | {first(e, "range"): np.float32([-3e38, 3e38])},
    "too small a range": lambda e: e | {first(e, "range"): np.float32([0, 1e-30])},
    "too small a scale": lambda e: (
        e | {first(e, "scale"): e[first(e, "scale")] * np.float32(1e-37)}
    ),
    "float64": lambda e: e | {first(e, "range"): np.float64([0, 1])},
    "whole numbers": lambda e: e | {first(e, "range"): np.int32([0, 1])},
    "longer constant": lambda e: e | {first(e, "constant"): np.ones((1, 9, 1, 1), np.float32)},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_eight_bits_that_make_no_network_are_an_error(saved, parts, change):
    tampered(saved, change)
    with pytest.raises(LucasError):
        lh.classify(parts[1].head(1), lh.load_model(saved), cache=False, progress=False)


def test_eight_bits_on_the_card_are_checked(saved):
    card = json.loads((saved / "card.json").read_text(encoding="utf-8"))
    for name, value in (("n", "many"), ("n", 0), ("n_equal", 10**6), ("low", None), ("photos", 3)):
        agreement = card["quantisation"]["agreement"] | {name: value}
        bad = card | {"quantisation": card["quantisation"] | {"agreement": agreement}}
        (saved / "card.json").write_text(json.dumps(bad), encoding="utf-8")
        with pytest.raises(ModelError, match=f"quantisation.agreement.{name}"):
            lh.load_model(saved)


def test_a_former_version_says_that_it_is_too_old(saved, monkeypatch):
    monkeypatch.setattr("lucas_habitat.saved_models.FORMAT_VERSION", 1)
    with pytest.raises(ModelError, match=r"in format 2; this is .* Update lucas-habitat"):
        lh.load_model(saved)


# ---- the shell ----------------------------------------------------------------------------------


@needs_int8
def test_the_shell_quantises_and_classifies(tmp_path, photo_folder, model, capsys):
    pytest.importorskip("nncf")
    folder = lh.save_model(model, tmp_path / "model")
    out = tmp_path / "quick"
    asked = [
        "quantize",
        str(photo_folder),
        "--model",
        str(folder),
        "--out",
        str(out),
        "--n-photos",
        "8",
    ]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "eight bits   int8, found with 8 photos" in told
    assert f"model written to {out}" in told
    table = tmp_path / "predictions.csv"
    assert main(["classify", str(photo_folder), "--model", str(out), "--out", str(table)]) == 0
    assert "(openvino, int8)" in capsys.readouterr().out
    assert main(["classify", str(photo_folder), "--model", str(folder), "--out", str(table),
                 "--precision", "int8"]) != 0  # fmt: skip
    assert "lucas-habitat quantize finds them" in capsys.readouterr().err


# ---- real photos --------------------------------------------------------------------------------


@needs_int8
@pytest.mark.slow
def test_real_photos_keep_their_class(shared, tmp_path):
    pytest.importorskip("nncf")
    scenes = lh.list_photos(Path(shared) / "data" / "scenes")
    fit, test = lh.split_photos(scenes, test_size=0.5, seed=1)
    model = lh.train(fit, arch="efficientnet_lite0", precision="int8", progress=False)
    exact = lh.classify(test, model, precision="float32", progress=False)
    rough = lh.classify(test, model, progress=False)
    is_equal = exact["predicted"].astype(str) == rough["predicted"].astype(str)
    assert is_equal.mean() > 0.96
    kappas = [lh.evaluate(p, n_boot=0).kappa for p in (exact, rough)]
    assert kappas[1] == pytest.approx(kappas[0], abs=0.02)
