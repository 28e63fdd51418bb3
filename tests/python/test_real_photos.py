"""The pilot's recipe on real photographs: slow, and only where LUCAS_SHARED is."""

import importlib.util
from pathlib import Path

import pytest

from lucas_habitat import list_photos

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")
@pytest.mark.parametrize("arch", ["efficientnet_lite0", "xception"])
def test_kappa_of_five_folds_is_above_086(shared, arch, monkeypatch):
    spec = importlib.util.spec_from_file_location(
        "scenes", Path(__file__).parents[2] / "benchmarks" / "scenes.py"
    )
    scenes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scenes)
    monkeypatch.setenv("LUCAS_HABITAT_WEIGHTS", str(shared / "weights"))
    photos = list_photos(shared / "data" / "scenes")
    folds, _ = scenes.cross_validate(photos, arch, seeds=(1,))
    assert folds["kappa"].mean() > 0.86
    assert folds["kappa"].std() < 0.08
