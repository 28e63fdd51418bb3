"""What an engine or a precision changes, bounded: the same classes, the same probabilities."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from lucas_habitat import classify, draw_demo_photos, evaluate, list_photos, split_photos, train
from lucas_habitat.engines import choose_target
from lucas_habitat.errors import LucasWarning

CLOSE = 1e-3


@pytest.fixture(scope="module", params=[400, pytest.param(2000, marks=pytest.mark.slow)])
def many(request, tmp_path_factory):
    """A model and so many photos that it never saw."""
    folder = tmp_path_factory.mktemp("many") / "photos"
    draw_demo_photos(folder, n_points=request.param * 3 // 10, size=(320, 240), progress=False)
    fit, test = split_photos(list_photos(folder), test_size=0.7, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LucasWarning)  # the three broken photos may be among them
        model = train(fit, arch="efficientnet_lite0", precision="float32", progress=False)
    found = classify(test.head(request.param), model, precision="float32", progress=False)
    found = found[found["status"] == "ok"].reset_index(drop=True)
    assert len(found) > 0.95 * request.param
    return model, found


def best_two(table):
    p = np.sort(table.filter(regex="^p_").to_numpy(), axis=1)
    return p[:, -1] - p[:, -2]


def test_float32_is_the_same_in_every_engine(many):
    model, openvino = many
    torch = classify(openvino, model, device="torch", precision="float32", progress=False)
    assert (openvino.attrs["engine"], torch.attrs["engine"]) == ("openvino", "torch")
    differ = openvino["predicted"] != torch["predicted"]
    assert not (differ & (best_two(openvino) >= CLOSE)).any()
    columns = [c for c in openvino if c.startswith("p_")]
    assert np.abs(openvino[columns] - torch[columns]).max(axis=None) < CLOSE


def test_bfloat16_changes_only_borderline_photos(many):
    if choose_target("cpu").precision != "bfloat16":
        pytest.skip("this CPU does not compute in bfloat16")
    model, exact = many
    rough = classify(exact, model, precision="bfloat16", progress=False)
    assert rough.attrs["precision"] == "bfloat16"
    # One photo of a few hundred weighs more than the bounds that thousands must keep.
    agree, kappa = (0.99, 0.005) if len(exact) > 1000 else (0.985, 0.015)
    assert (exact["predicted"] == rough["predicted"]).mean() >= agree
    assert abs(evaluate(exact, n_boot=0).kappa - evaluate(rough, n_boot=0).kappa) <= kappa


def test_reduced_decoding_changes_only_borderline_photos(many):
    """`decoder="simplejpeg"` against the reference that decodes in full."""
    model, quick = many
    pillow = replace(model, preprocessing=replace(model.preprocessing, decoder="pillow"))
    full = classify(quick, pillow, precision="float32", progress=False)
    assert (quick["predicted"] == full["predicted"]).mean() >= 0.98
