"""The package as a whole: light to import, one version, documented, the same in R."""

import html
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lucas_habitat
from lucas_habitat._base.words import NAMES

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


def test_speed_is_told_as_it_was_measured():
    measured = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    page, news = (
        " ".join((ROOT / name).read_text(encoding="utf-8").split())
        for name in ("docs/explain/speed.md", "NEWS.md")
    )
    told = {}
    for name in ("bfloat16", "float32"):
        table = re.search(f"<!-- {name} -->(.+?)<!-- end -->", measured, re.S)[1]
        shares = [int(share) for share in re.findall(r"([0-9]+)% of the roof", table)]
        told[name] = f"{min(shares)} to {max(shares)} %"
    assert f"the first CPU reaches {told['bfloat16']} of its measured roof" in page
    assert f"the second {told['float32']}." in page
    assert f"({told['bfloat16']} of the measured roof on a CPU with bfloat16" in news
    assert f"{told['float32']} on one without)" in news


@pytest.mark.parametrize("name", ["README.md", "r-wrapper/README.md"])
def test_a_readme_decides_and_leads_on(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.count("\n") < 120
    links = [link for link in re.findall(r"\]\(([^()\s]+)\)", text) if "://" not in link]
    assert len(links) >= 10
    for link in links:
        target, _, anchor = link.partition("#")
        page = (ROOT / name).parent / target
        assert page.is_file(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
            assert anchor in {
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings
            }, link


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="attribute clasify"):
        _ = lucas_habitat.clasify


CLASSES = {
    "Comparison",
    "Evaluation",
    "HabitatModel",
    "MapAccuracy",
    "RecipeComparison",
    "Run",
    "SharedModel",
    "SplitCheck",
}
R_ONLY = {"lucas_app_stop", "lucas_install", "lucas_status"}


def test_the_two_languages_have_the_same_functions():
    assert set(lucas_habitat.__all__) == set(NAMES) | CLASSES | {"__version__"}
    exported = set(re.findall(r"^export\((\w+)\)", (ROOT / "NAMESPACE").read_text(), re.M))
    assert exported == {name.r for name in NAMES.values() if name.r} | R_ONLY


def test_nothing_unpickles():
    for file in (ROOT / "python").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text
        assert "allow_pickle=True" not in text
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call, file.name


def test_classifying_loads_what_it_needs_only():
    code = (
        "import sys, lucas_habitat as lh; lh.classify, lh.load_model, lh.list_photos;"
        "print([m for m in ('torch', 'scipy.optimize', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_page_of_the_vignette_is_of_its_source_and_stored_output():
    page = (ROOT / "inst" / "doc" / "pilot.html").read_text(encoding="utf-8")
    page = html.unescape(re.sub(r"<[^>]+>", "", page))
    source = (ROOT / "vignettes" / "pilot.Rmd").read_text(encoding="utf-8")
    shown = r"^```\{r (?!setup)(?![^}]*echo = FALSE)[^}]*\}\n(.*?)^```"
    chunks = re.findall(shown, source, flags=re.S | re.M)
    stored = [
        file.read_text(encoding="utf-8") for file in (ROOT / "vignettes" / "stored").glob("*.txt")
    ]
    assert len(chunks) > 8
    for text in [*chunks, *stored]:
        for line in text.splitlines():
            assert line.strip() in page, line
