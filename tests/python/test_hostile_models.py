"""Model folders made to do harm: every error names the file, and memory is asked for after its size."""

import json
import shutil
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lucas_habitat import load_model, save_model
from lucas_habitat._base.files import file_sha256
from lucas_habitat.errors import ModelError

FILES = ("model.safetensors", "training_features.npy", "training_photos.csv", "history.csv")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return save_model(model, tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def edit(folder, change=lambda card: None):
    """Change the card, and let it describe the files as they are: whoever makes a folder can."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"] = {name: file_sha256(folder / name) for name in FILES}
    change(card)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


def put(*keys, value):
    def change(card):
        for key in keys[:-1]:
            card = card[key]
        card[keys[-1]] = value

    return change


def drop(*keys):
    def change(card):
        for key in keys[:-1]:
            card = card[key]
        del card[keys[-1]]

    return change


def calibrated(temperature):
    card = {
        "temperature": temperature,
        "n_photos": 5,
        "n_points": 3,
        "method": "temperature scaling",
    }
    return put("calibration", value=card)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (calibrated(float("nan")), "calibration.temperature must be a number; it is nan"),
        (calibrated(float("inf")), "calibration.temperature must be a number; it is inf"),
        (calibrated(0), "temperature is 0"),
        (calibrated(-1), "temperature is -1"),
        (calibrated("1"), "calibration.temperature must be a number; it is '1'"),
        (calibrated(10**400), "temperature must be a number; it is a number of more than 15 digits"),
        (put("calibration", value=[]), "calibration must be a group of names and values"),
        (put("classes", value=["a"]), "must be several classes"),
        (put("classes", value=["a", "a", "b", "c"]), "several classes, each once"),
        (put("classes", 0, value={"a": 1}), r"classes\[0\] must be text; it is {'a': 1}"),
        (put("classes", 0, value=[]), r"classes\[0\] must be text"),
        (put("backbone", value="efficientnet_lite0"), "backbone must be a group"),
        (put("backbone", "std", value=[0, 1, 1]), "std must be three numbers"),
        (put("backbone", "mean", value=[0.5, 0.5]), "mean and std must be three numbers"),
        (put("backbone", "mean", 1, value=float("nan")), r"backbone.mean\[1\] must be a number"),
        (put("backbone", "size", value=10**9), "backbone.size must be from 32 to 1024"),
        (put("backbone", "size", value=256), "preprocessing.size must be backbone.size"),
        (put("backbone", "num_features", value=-1), "num_features must be from 1"),
        (put("backbone", "num_features", value=10**30), "num_features must be a whole number"),
        (drop("backbone", "weights_sha256"), "backbone.weights_sha256 is missing"),
        (drop("training", "n_photos"), "training.n_photos is missing"),
        (put("training", "n_photos", value=1.5), "training.n_photos must be a whole number; it is 1.5"),
        (put("training", "n_points", value=-3), "training.n_points must be from 0"),
        (put("training", "seed", value=True), "training.seed must be a whole number; it is True"),
        (put("training", "years", value=["2018"]), r"training.years\[0\] must be a whole number"),
        (put("training", "dropout", value=7), "training.dropout must be from 0 to 1"),
        (put("training", "photos_per_class", value=[1]), "photos_per_class must be a group"),
        (put("preprocessing", "credit_share", value=float("nan")), "credit_share must be a number"),
        (put("preprocessing", value=None), "preprocessing must be a group"),
        (put("engine", value="shell"), "engine must be one of"),
        (put("precision", value="int4"), "precision must be one of"),
        (put("versions", value={"numpy": None}), "versions.numpy must be text"),
        (put("levels", value={"level1": ["x"] * 3}), "same length"),
        (put("levels", value={"level1": [["x"]] * 4}), r"levels.level1\[0\] must be text"),
        (put("metrics", "loss", value="low"), "metrics.loss must be a number"),
    ],
)  # fmt: skip
def test_a_card_is_checked_value_by_value(folder, change, reason):
    edit(folder, change)
    with pytest.raises(ModelError, match=f"model cannot be used: .*{reason}.*card.json"):
        load_model(folder)


def test_what_a_later_version_adds_to_a_card_is_left_alone(folder):
    edit(folder, put("training", "moon", value={"phase": 1}))
    assert load_model(folder).classes


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "", "\0", "NaN", '"\\ud800'])
def test_a_card_that_is_no_card(folder, text):
    (folder / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"card\.json"):
        load_model(folder)


def test_a_card_of_a_terabyte_is_not_read(folder):
    with (folder / "card.json").open("ab") as file:
        file.truncate(10**12)  # sparse: takes no room
    with pytest.raises(ModelError, match="has 1,000,000,000,000 bytes; at most"):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_terabyte_is_not_hashed(folder, name):
    with (folder / name).open("ab") as file:
        file.truncate(10**12)
    with pytest.raises(ModelError, match=f"{name} has 1,000,000,000,000 bytes; at most"):
        load_model(folder)


def claim(n_bytes):
    def damage(path):
        path.write_bytes(struct.pack("<Q", n_bytes) + path.read_bytes()[8:])

    return damage


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1000])


def without_head(path):
    path.write_bytes(path.read_bytes()[100:])


def with_nan(name):
    def damage(path):
        tensors = load_file(path)
        tensors[name].reshape(-1)[0] = np.nan
        classes = json.loads((path.parent / "card.json").read_text(encoding="utf-8"))["classes"]
        save_file(tensors, path, metadata={"classes": json.dumps(classes)})

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (claim(99_000_000), "head claims 99,000,000 bytes; at most 10,000,000"),
        (claim(2**63), "head claims"),
        (shorten, ""),
        (without_head, ""),
        (lambda path: path.write_bytes(b""), ""),
        (with_nan("head.3.bias"), "weight head.3.bias holds what is no number"),
    ],
)
def test_weights_that_are_none(folder, damage, reason):
    damage(folder / "model.safetensors")
    edit(folder)
    with pytest.raises(ModelError, match=f"cannot be used: .*{reason}.*model.safetensors"):
        load_model(folder)


def npy(text):
    head = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': (500000000, 1280)}"),
         "claims 500,000,000 rows, and holds 0 bytes"),
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': (10, 5)}"), "not rows of 1280"),
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': ()}"), "not rows of 1280"),
        (npy("{'descr': '<U9', 'fortran_order': False, 'shape': (0, 1280)}"), "not rows of 1280"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1280)}"), "never loaded"),
        (npy("__import__('os').system('touch /tmp/executed')"), ""),
        (npy("(" * 100), ""),
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': (0, 1280)}"), "has 0 rows"),
        (b"\x93NUMPY\x01\0", ""),
        (b"PK\x03\x04" + bytes(50), ""),
        (b"", ""),
    ],
)  # fmt: skip
def test_features_that_are_none(folder, data, reason):
    (folder / "training_features.npy").write_bytes(data)
    edit(folder)
    with pytest.raises(ModelError, match=f"cannot be used: .*{reason}.*training_features.npy"):
        load_model(folder)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\0", b'"', b"photo\n1,2,3\n", b"\0\n\0"])
def test_training_photos_that_are_none(folder, data):
    (folder / "training_photos.csv").write_bytes(data)
    edit(folder)
    with pytest.raises(ModelError, match=r"cannot be used: .*training_photos\.csv"):
        load_model(folder)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\0", b"epoch,loss\n1,low\n"])
def test_a_history_that_is_none(folder, data):
    (folder / "history.csv").write_bytes(data)
    edit(folder)
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(folder)


def test_features_of_other_photos_are_refused(folder):
    text = (folder / "training_photos.csv").read_text(encoding="utf-8")
    (folder / "training_photos.csv").write_text(text.replace("True", "maybe"), encoding="utf-8")
    edit(folder)
    with pytest.raises(ModelError, match=r"has_features holds other values.*training_photos\.csv"):
        load_model(folder)


def test_levels_of_a_damaged_card_are_an_error_of_the_card(folder):
    from lucas_habitat import class_levels

    with (folder / "card.json").open("ab") as file:
        file.truncate(10**12)
    with pytest.raises(ModelError, match="damaged"):
        class_levels(folder)
