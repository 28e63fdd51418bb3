"""The notebook runs offline, from photos to the table for biomod2, and its two files agree."""

import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")


def sources(notebook):
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def test_the_pair_agrees_and_holds_its_output():
    stored = nbformat.read(NOTEBOOKS / "pilot.ipynb", as_version=4)
    assert sources(stored) == sources(jupytext.read(NOTEBOOKS / "pilot.py"))
    text = (NOTEBOOKS / "pilot.ipynb").read_text(encoding="utf-8")
    assert text.count('"image/png"') >= 6
    assert not re.search(r"/(home|root|tmp|work)/", text)


def test_it_runs(tmp_path):
    from nbclient import NotebookClient

    notebook = jupytext.read(NOTEBOOKS / "pilot.py")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [
        output.data.get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type in ("execute_result", "display_data")
    ]
    assert any("kappa" in text for text in shown)
    assert any("p_artificial" in text and "p_woody" not in text for text in shown)  # covariates
    assert shown[-1] == "'report.html'"
