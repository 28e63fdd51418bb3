"""Classifying keeps rows; saving keeps everything; a bad model folder says what is wrong."""

import copy
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lucas_habitat import classify, list_photos, load_model, save_model
from lucas_habitat._base.files import file_sha256
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, ModelError, OutputError
from lucas_habitat.model import logits_of
from lucas_habitat.predicting import Target, describe_predictions

P = ["p_artificial", "p_cropland", "p_grassland", "p_woody"]


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return save_model(model, tmp_path_factory.mktemp("models") / "min model på ø")


def test_one_row_a_photo_in_the_order_given(model, parts, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    photos = parts[1].sample(frac=1, random_state=3)
    photos.loc[photos.index[2], "path"] = str(tmp_path / "empty.jpg")
    photos.loc[photos.index[5], "path"] = str(tmp_path / "gone.jpg")
    photos = pd.concat([photos, photos.head(1)])  # the same row twice stays twice
    found = classify(photos, model, progress=False)
    assert found["path"].tolist() == photos["path"].tolist()
    assert found["point_id"].tolist() == photos["point_id"].tolist()
    assert found["status"].tolist()[2] == "empty"
    assert found["status"].tolist()[5] == "missing"
    read = found[found["status"] == "ok"]
    assert len(read) == len(found) - 2
    assert (read["predicted"].astype(str) == read["habitat"]).mean() > 0.9
    assert found.loc[[2, 5], [*P, "confidence"]].isna().all(axis=None)
    assert found.loc[[2, 5], "predicted"].isna().all()
    assert (found.loc[[2, 5], "error"] != "").all()
    assert (read["error"] == "").all()


def test_probabilities_are_float64_and_sum_to_one(model, parts):
    found = classify(parts[1], model, progress=False)
    assert (found[P].dtypes == np.float64).all()
    assert np.abs(found[P].sum(axis=1) - 1).max() < 1e-12
    assert np.array_equal(found["confidence"], found[P].max(axis=1))
    likeliest = found[P].to_numpy().argmax(axis=1)
    assert np.array_equal(found["predicted"].cat.codes, likeliest)
    assert found["predicted"].cat.categories.tolist() == model.classes
    assert found.attrs["engine"] == "openvino"


def test_whatever_list_photos_takes(model, photo_folder):
    one = next(photo_folder.glob("woody/*.jpg"))
    assert len(classify(one, model, progress=False)) == 1
    assert len(classify([str(one), one], model, progress=False)) == 2
    assert len(classify(f"{photo_folder}/woody/*.jpg", model, progress=False)) == 12


def test_a_photo_alone_gets_what_it_gets_among_others(model, parts):
    together = classify(parts[1], model, progress=False, cache=False)
    alone = classify(parts[1].iloc[[3]], model, progress=False, cache=False)
    assert np.abs(together.loc[3, P].astype(float) - alone.loc[0, P].astype(float)).max() < 1e-5


def test_an_earlier_classification_gives_way(model, parts):
    first = classify(parts[1], model, progress=False)
    first["p_sea"] = 0.5
    again = classify(first, model, progress=False)
    assert "p_sea" not in again
    assert again.columns.tolist() == first.columns.drop("p_sea").tolist()


def test_labels_the_model_does_not_know_are_warned_of(model, parts):
    photos = parts[1].replace({"habitat": {"woody": "forest"}})
    with pytest.warns(LucasWarning, match=r"labelled forest, which this model does not know"):
        classify(photos, model, progress=False)


def test_no_photos(model, tmp_path):
    with pytest.raises(InputError, match="There is no photo in"):
        classify(tmp_path, model, progress=False)


@pytest.mark.parametrize("batch_size", [0, 1.5, "8"])
def test_bad_batch_sizes(model, parts, batch_size):
    with pytest.raises(InputError, match="batch_size must be a whole number, at least 1"):
        classify(parts[1], model, batch_size=batch_size)


def test_a_precision_the_cpu_lacks_is_said_and_recorded(model, parts, monkeypatch):
    monkeypatch.setattr("lucas_habitat.engines._computes_bfloat16", lambda *_: False)
    monkeypatch.setattr(model, "target", Target("openvino", "cpu", "bfloat16"))
    with pytest.warns(LucasMessage, match="trained in bfloat16.*float32 is used"):
        found = classify(parts[1], model, progress=False)
    assert found.attrs["precision"] == "float32"


def test_a_saved_model_is_the_same_model(model, saved, parts):
    loaded = load_model(saved)
    a, b = (classify(parts[1], m, progress=False, cache=False) for m in (model, loaded))
    assert np.abs(a[P] - b[P]).max(axis=None) < 1e-6
    assert repr(loaded) == repr(model)
    assert loaded.card() == model.card()
    pd.testing.assert_frame_equal(loaded.history, model.history)
    assert np.array_equal(loaded.training_features, model.training_features)
    assert loaded.training_photos["point_id"].tolist() == model.training_photos["point_id"].tolist()
    # and a path is as good as a model
    c = classify(parts[1], str(saved), progress=False)
    assert np.abs(a[P] - c[P]).max(axis=None) < 1e-6


def test_engines_agree_on_probabilities(model, parts):
    openvino = classify(parts[1], model, precision="float32", progress=False)
    torch = classify(parts[1], model, device="torch", precision="float32", progress=False)
    assert torch.attrs["engine"] == "torch"
    assert np.abs(openvino[P] - torch[P]).max(axis=None) < 1e-4


def test_the_card_says_how_photos_are_read(model, saved, parts, tmp_path):
    """Classifying follows the card: an edited card gives other answers."""
    other = tmp_path / "other"
    shutil.copytree(saved, other)
    card = json.loads((other / "card.json").read_text(encoding="utf-8"))
    card["preprocessing"]["resize"] = "nearest"
    (other / "card.json").write_text(json.dumps(card), encoding="utf-8")
    a = classify(parts[1], saved, progress=False)
    b = classify(parts[1], other, progress=False)
    assert np.abs(a[P] - b[P]).max(axis=None) > 1e-4


def test_a_folder_is_tensors_and_text(saved):
    assert sorted(p.name for p in saved.iterdir()) == [
        "card.json", "history.csv", "model.safetensors", "training_features.npy",
        "training_photos.csv",
    ]  # fmt: skip
    card = json.loads((saved / "card.json").read_text(encoding="utf-8"))
    assert card["classes"] == ["artificial", "cropland", "grassland", "woody"]
    assert card["training"]["n_photos"] == 32
    assert str(Path.home()) not in (saved / "card.json").read_text(encoding="utf-8")
    assert not list(saved.parent.glob(".*")), "a temporary folder was left behind"


def test_models_are_replaced_only_when_asked(model, saved, tmp_path):
    folder = tmp_path / "model"
    save_model(model, folder)
    with pytest.raises(InputError, match="holds a model already"):
        save_model(model, folder)
    save_model(model, folder, overwrite=True)
    assert load_model(folder).classes == model.classes


def test_a_model_is_equal_to_itself_only(model, saved):
    assert model == model
    assert model != load_model(saved)
    assert len({model, load_model(saved)}) == 2


def test_other_peoples_folders_are_never_replaced(model, tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(InputError, match="exists and holds no model; it is left as it is"):
        save_model(model, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_a_save_that_fails_leaves_the_old_model(model, tmp_path, monkeypatch):
    folder = save_model(model, tmp_path / "model")
    monkeypatch.setattr("lucas_habitat.saved_models.file_sha256", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(model, folder, overwrite=True)
    monkeypatch.undo()
    assert load_model(folder).classes == model.classes
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


# Dies at the n-th of the steps that rename or delete: the card's file, the old folder, the new
# folder, the old one's deletion.
KILLED = """
import os, shutil, sys
from lucas_habitat import load_model, save_model
model = load_model(sys.argv[1])
model.created = "new"
left = int(sys.argv[3])

def until_killed(step):
    def dying(*given, **options):
        global left
        if not left:
            os._exit(9)
        left -= 1
        return step(*given, **options)
    return dying

os.replace, shutil.rmtree = until_killed(os.replace), until_killed(shutil.rmtree)
save_model(model, sys.argv[2], overwrite=True)
"""


@pytest.mark.parametrize(
    ("step", "left"), [(0, "old"), (1, "old"), (2, "new"), (3, "new"), (4, "new")]
)
@pytest.mark.parametrize("then", ["load", "save"])
def test_a_model_is_there_whenever_its_replacement_is_killed(
    model, saved, tmp_path, step, left, then
):
    folder = tmp_path / "min [model]"
    model = dataclasses.replace(model, created="old")
    save_model(model, folder)
    code = subprocess.run([sys.executable, "-c", KILLED, saved, folder, str(step)]).returncode
    assert code == (0 if step == 4 else 9)
    assert folder.exists() is (step != 2)
    with warnings.catch_warnings(record=True) as told:
        if then == "save":
            with pytest.raises(InputError, match="holds a model already"):
                save_model(model, folder)
        assert load_model(folder).created == left
    assert len(told) == (step == 2)
    assert folder.is_dir()
    save_model(model, folder, overwrite=True)
    assert load_model(folder).created == "old"
    assert not list(tmp_path.glob(".*-old"))


def test_a_model_that_cannot_take_its_place_leaves_the_old_one(model, tmp_path, monkeypatch):
    """Windows refuses to rename a folder in which a program has a file open."""
    folder = save_model(model, tmp_path / "model")
    rename = os.replace

    def refusing(source, target):
        if Path(target) == folder and not Path(source).name.endswith("-old"):
            raise PermissionError("a virus scanner looks into it")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    with pytest.raises(OutputError, match=r"Cannot write .*a virus scanner looks into it"):
        save_model(dataclasses.replace(model, created="new"), folder, overwrite=True)
    monkeypatch.undo()
    assert load_model(folder).created == model.created
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_replacement_broken_off_where_nothing_may_be_written_is_read_where_it_is(
    model, tmp_path, monkeypatch
):
    new = save_model(dataclasses.replace(model, created="new"), tmp_path / ".model-0123abcd")
    save_model(model, tmp_path / ".model-0123abcd-old")
    monkeypatch.setattr(os, "replace", lambda *given: (_ for _ in ()).throw(PermissionError()))
    assert load_model(tmp_path / "model").created == "new"
    assert new.is_dir()


def edit_card(folder, **changes):
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps(card | changes), encoding="utf-8")


def damage(name):
    def change(folder):
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: shutil.rmtree(f), "does not exist"),
        (lambda f: (f / "card.json").unlink(), "holds no model"),
        (lambda f: (f / "card.json").write_text("{"), "card .* is damaged"),
        (lambda f: (f / "card.json").write_text("[1]"), "not the card of a lucas-habitat model"),
        (lambda f: edit_card(f, format="keras"), "not the card of a lucas-habitat model"),
        (lambda f: edit_card(f, format_version=9, lucas_habitat="7.0"),
         "written by lucas-habitat 7.0 in format 9; .*Update"),
        (lambda f: edit_card(f, classes=["a", "b", "c", "d"]),
         "trained for the classes artificial, cropland.*card lists a, b, c, d"),
        (lambda f: (f / "card.json").write_text("[" * 200_000), "card .* is damaged"),
        (lambda f: edit_card(f, files={}), "does not list the model's files"),
        (lambda f: edit_card(f, files={"../secret": "0"}), "does not list the model's files"),
        (lambda f: (f / "history.csv").unlink(), "incomplete: history.csv is missing"),
        (damage("model.safetensors"), "damaged: model.safetensors is not what"),
        (damage("training_features.npy"), "damaged: training_features.npy"),
        (lambda f: edit_card(f, preprocessing={"size": 224, "resize": "cubic"}), "resize must be"),
    ],
)  # fmt: skip
def test_bad_model_folders(saved, tmp_path, change, message):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    change(folder)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_weights_that_are_not_the_cards(saved, tmp_path):
    """Files and card agree with each other, but the network is not the one described."""
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["backbone"]["weights_sha256"] = "0" * 64
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="not those that the card describes"):
        load_model(folder)


def test_an_npy_with_objects_is_not_unpickled(saved, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    np.save(folder / "training_features.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"]["training_features.npy"] = file_sha256(folder / "training_features.npy")
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="never loaded"):
        load_model(folder)


def test_real_photos_go_all_the_way(shared, model):
    from lucas_habitat import vote

    photos = list_photos(shared / "data" / "lucas" / "photos")
    found = classify(photos, model, progress=False)
    assert (found["status"] == "ok").all()
    with pytest.warns(LucasMessage, match="3 close-ups"):
        points = vote(found)
    assert points["n_photos"].tolist() == [5, 1, 5, 5]


def test_a_row_without_a_path_is_a_row_with_a_reason(model, parts):
    photos = parts[1].head(3).copy()
    photos.loc[photos.index[1], "path"] = None
    found = classify(photos, model, progress=False)
    assert found["status"].tolist() == ["ok", "missing", "ok"]
    assert found["error"].iloc[1] == "the row names no file"


def test_an_empty_table(model, parts):
    with pytest.raises(InputError, match="There are no photos"):
        classify(parts[1].head(0), model, progress=False)


def test_threads_share_a_model(model, parts):
    from concurrent.futures import ThreadPoolExecutor

    alone = classify(parts[1], model, progress=False)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: classify(parts[1], model, cache=False, progress=False), range(4))
        )
    for other in found:
        assert np.abs(other[P] - alone[P]).max(axis=None) < 1e-5


def test_photos_of_training_points_are_marked_so_that_accuracy_is_not_overstated(model, parts):
    from lucas_habitat import evaluate, vote

    photos = pd.concat(parts, ignore_index=True).assign(split=None)
    with pytest.warns(LucasMessage, match=f"{len(parts[0])} of {len(photos)} photos are of points"):
        found = classify(photos, model, progress=False)
    assert found["split"].eq("train").sum() == len(parts[0])
    for table in (found, vote(found)):
        assert any("accuracy is overstated" in note for note in evaluate(table).notes)


def test_the_same_photo_gets_the_same_answer_in_any_company(model, parts):
    """Features come from the cache; what is computed from them must not depend on batches."""
    together = classify(parts[1], model, progress=False)
    alone = [classify(parts[1].iloc[[i]], model, progress=False) for i in range(len(parts[1]))]
    assert np.abs(pd.concat(alone)[P].to_numpy() - together[P].to_numpy()).max() < 1e-12


def test_a_saved_model_classifies_without_torch(saved, photo_folder):
    """Importing torch takes longer than all else that one photo takes."""
    photo = next(photo_folder.glob("woody/*.jpg"))
    expected = classify(photo, saved, cache=False, progress=False)
    code = (
        "import sys, lucas_habitat as lh;"
        "found = lh.classify(sys.argv[1], sys.argv[2], device='cpu', cache=False, progress=False);"
        "print('torch' in sys.modules, *found['predicted'], float(found['confidence'][0]))"
    )
    run = [sys.executable, "-W", "ignore", "-c", code, str(photo), str(saved)]
    printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert printed[:2] == ["False", expected["predicted"][0]]
    assert float(printed[2]) == expected["confidence"][0]


def test_the_head_is_the_same_with_and_without_torch(model, saved):
    import torch

    features = np.random.default_rng(1).normal(0, 1, (20, 1280)).astype(np.float32)
    for one in (model, load_model(saved)):
        with torch.inference_mode():
            found = copy.deepcopy(one.head).double()(torch.from_numpy(features).double()).numpy()
        np.testing.assert_allclose(found, logits_of(one, features), atol=2e-9)
    # What photos stand beside one changes nothing of its answer.
    alone = np.concatenate([logits_of(model, row[None]) for row in features])
    assert np.array_equal(alone, logits_of(model, features))


def test_a_head_that_does_not_fit(saved, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    folder = shutil.copytree(saved, tmp_path / "model")
    file = folder / "model.safetensors"
    with safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
        tensors = {k: opened.get_tensor(k) for k in opened.keys()}  # noqa: SIM118
    tensors["head.3.weight"] = tensors["head.3.weight"][:3].copy()
    save_file(tensors, file, metadata=metadata)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"]["model.safetensors"] = file_sha256(file)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot be used: The head's weights are .*\(3, 1024\)"):
        load_model(folder)


def test_numpys_threads_are_given_back(model, parts):
    """Also where calls overlap and the first one in is the first one out."""
    from contextlib import ExitStack

    from threadpoolctl import threadpool_info, threadpool_limits

    from lucas_habitat.predicting import _one_blas_thread

    def threads():
        return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        first, second = ExitStack(), ExitStack()
        first.enter_context(_one_blas_thread())
        second.enter_context(_one_blas_thread())
        first.close()
        assert threads() == {1}
        second.close()
        assert threads() == {2}
        classify(parts[1], model, progress=False)
        assert threads() == {2}


def test_photos_unlike_the_training_photos_are_flagged_on_request(model, parts, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    landscape = parts[0][parts[0]["direction"] != "C"]
    paths = [*landscape["path"], str(tmp_path / "noise.png"), str(tmp_path / "broken.jpg")]
    with pytest.warns(LucasMessage):
        flagged = classify(paths, model, flag_unlike=True, progress=False)
    n = int(flagged["unlike"].sum())
    assert n <= 2  # of few training photos the oddest may be flagged
    assert flagged["unlike"].iloc[-2]
    assert flagged["unlike"].isna().tolist() == [False] * (len(paths) - 1) + [True]
    assert describe_predictions(flagged)[-1] == f"{n} photos are unlike the training photos"
    plain = classify(flagged, model, progress=False)
    assert "unlike" not in plain
    pd.testing.assert_frame_equal(flagged.drop(columns="unlike"), plain)


def test_a_model_without_training_features_flags_nothing(model, parts):
    empty = dataclasses.replace(model, training_features=model.training_features[:0])
    with pytest.raises(InputError, match=r"keeps no features.*flag_unlike"):
        classify(parts[1], empty, flag_unlike=True, progress=False)
