"""Run notebooks/pilot.py and keep it with its output as notebooks/pilot.ipynb.

.venv/bin/python tools/run_notebook.py
"""

import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parents[1] / "notebooks"


def main():
    notebook = jupytext.read(HERE / "pilot.py")
    # The same names every time, or every run would change the file.
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i}"
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
        client.execute()
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                # Warnings name a file of the kernel's, which tells nobody anything.
                output.text = re.sub(r"^/\S+\.py:\d+: (.*)\n  .*$", r"\1", output.text, flags=re.M)
        # A library's advice on the progress bars of notebooks, which are not used here.
        if cell.cell_type == "code":
            cell["outputs"] = [o for o in cell["outputs"] if "IProgress" not in o.get("text", "")]
    nbformat.write(notebook, HERE / "pilot.ipynb")


if __name__ == "__main__":
    main()
