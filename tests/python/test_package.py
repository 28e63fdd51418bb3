"""The package as a whole: light to import, one version, documented, the same in R."""

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lucas_habitat

ROOT = Path(__file__).parents[2]


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, lucas_habitat, lucas_habitat.cli;"
        "heavy = 'pandas', 'numpy', 'torch', 'sklearn', 'openvino', 'PIL', 'matplotlib', 'pillow_heif';"
        "print([m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    description = re.search(r"^Version: (.+)$", (ROOT / "DESCRIPTION").read_text(), re.M)[1]
    assert project == description == lucas_habitat.__version__
    assert re.search(rf"\b{re.escape(project)}\b", (ROOT / "NEWS.md").read_text())


@pytest.mark.parametrize("name", [n for n in lucas_habitat.__all__ if n != "__version__"])
def test_public_functions_are_documented(name):
    found = getattr(lucas_habitat, name)
    text = inspect.getdoc(found)
    assert text
    if inspect.isfunction(found):
        assert "Returns\n-------" in text
        if inspect.signature(found).parameters:
            assert "Parameters\n----------" in text
            for parameter in inspect.signature(found).parameters:
                assert re.search(rf"\b{parameter}\b", text), parameter


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="attribute clasify"):
        _ = lucas_habitat.clasify


# DESIGN: every public function of the core has its R name.
R_NAMES = {
    "list_photos": "lucas_photos", "assign_habitat": "lucas_habitat", "split_photos": "lucas_split",
    "build_model": "lucas_model", "train": "lucas_train", "classify": "lucas_classify",
    "vote": "lucas_vote", "evaluate": "lucas_evaluate", "calibrate": "lucas_calibrate",
    "covariates": "lucas_covariates", "support": "lucas_support", "save_model": "lucas_save",
    "load_model": "lucas_load", "lc1_codes": "lucas_codes", "pilot_scheme": "lucas_scheme",
    "draw_demo_photos": "lucas_demo_photos",
    "read_survey": "lucas_survey",
    "select_points": "lucas_select",
    "locate_photos": "lucas_locate",
    "download_photos": "lucas_download",
    "download_table": "lucas_download_table",
    "credit": "lucas_credit",
    "pilot": "lucas_pilot",
    "cache_info": "lucas_cache_info",
    "clear_cache": "lucas_cache_clear",
    "changes": "lucas_changes",
    "class_colours": "lucas_colours",
    "reliability": "lucas_reliability",
    "vote_gain": "lucas_vote_gain",
    "validate_map": "lucas_validate_map",
    "report": "lucas_report",
    "plot_confusion": "lucas_plot_confusion",
    "plot_history": "lucas_plot_history",
    "plot_map": "lucas_plot_map",
    "plot_photos": "lucas_plot_photos",
    "plot_point": "lucas_plot_point",
    "plot_reliability": "lucas_plot_reliability",
    "plot_transitions": "lucas_plot_transitions",
    "plot_votes": "lucas_plot_votes",
    "run_app": "lucas_app",
    "transitions": "lucas_transitions",
}  # fmt: skip
PYTHON_ONLY = {
    "Evaluation",
    "HabitatModel",
    "MapAccuracy",
    "photo_url",
    "run_demo",
    "save_rds",
    "to_r",
    "__version__",
}
R_ONLY = {"lucas_app_stop", "lucas_install", "lucas_status"}


def test_the_two_languages_have_the_same_functions():
    assert set(lucas_habitat.__all__) == set(R_NAMES) | PYTHON_ONLY
    exported = set(re.findall(r"^export\((\w+)\)", (ROOT / "NAMESPACE").read_text(), re.M))
    assert exported == set(R_NAMES.values()) | R_ONLY


def test_nothing_unpickles():
    for file in (ROOT / "python").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text
        assert "allow_pickle=True" not in text
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call, file.name
