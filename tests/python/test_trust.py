"""docs/trust.md: its places for texts and tables, and the simulations behind it, cut small."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "trust"

spec = importlib.util.spec_from_file_location("trust_run", FOLDER / "run.py")
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)


def test_every_simulation_and_every_text_has_its_place():
    page = runner.PAGE.read_text(encoding="utf-8")
    names = [*runner.parts(), *(f"text {p.stem}" for p in runner.TEXTS.glob("*.md"))]
    for name in names:
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- /{name} -->") == 1, name


def test_texts_and_tables_replace_their_earlier_ones(tmp_path, monkeypatch):
    page = tmp_path / "trust.md"
    page.write_text(
        "# T\n\n## H\n\n<!-- text a -->\nold\n<!-- /text a -->\n\n<!-- a -->\nold\n<!-- /a -->\nend\n"
    )
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "a.md").write_text("## Its own heading\n\nText \\1.\n")
    monkeypatch.setattr(runner, "PAGE", page)
    monkeypatch.setattr(runner, "TEXTS", tmp_path / "trust")
    for _ in range(2):
        runner.join_texts()
        runner.write("a", "| table |")
        assert page.read_text() == (
            "# T\n\n## H\n\n<!-- text a -->\n\nText \\1.\n\n<!-- /text a -->\n\n"
            "<!-- a -->\n\n| table |\n<!-- /a -->\nend\n"
        )
    with pytest.raises(SystemExit, match="no place for b: add <!-- b --> and <!-- /b -->"):
        runner.write("b", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", runner.parts())
def test_a_small_cut_of_every_simulation_runs(name):
    before = runner.PAGE.read_bytes()
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--quick", name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{name}: ")
    assert "\n### " in done.stdout
    assert "\n| --- |" in done.stdout
    assert runner.PAGE.read_bytes() == before
