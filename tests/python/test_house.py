"""The house: what docs/ARCHITECTURE.md says of modules and their imports is so."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import lucas_habitat

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "lucas_habitat"

spec = importlib.util.spec_from_file_location("measure_house", ROOT / "tools" / "measure_house.py")
house = importlib.util.module_from_spec(spec)
spec.loader.exec_module(house)


def layers():
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.+) \|$", text, re.M)
    return {name: i for i, row in enumerate(rows) for name in re.findall(r"`(\w+)`", row)}


def wing(module):
    return module.split(".")[0]


def test_no_module_bears_the_name_of_a_public_function():
    names = {p.stem for p in PACKAGE.iterdir()} - {"__init__", "__pycache__"}
    assert not names & set(lucas_habitat.__all__)


def test_every_module_has_its_layer():
    modules = {wing(name) for name in house.modules(ROOT)} - {"__init__"}
    assert modules == set(layers())


def test_imports_run_one_way():
    level = layers()
    wrong = [
        f"{module} imports {other}"
        for module, others in house.import_graph(ROOT).items()
        for other in others
        if module != "__init__"
        and wing(other) != wing(module)
        and other != "__init__"
        and level[wing(other)] >= level[wing(module)]
        # What goes wrong is said in words, and the base complains: they share the lowest layer.
        and not {wing(module), wing(other)} <= {"errors", "_base"}
    ]
    assert not wrong


def test_no_modules_import_one_another():
    assert house.circles(house.import_graph(ROOT)) == []


def test_a_circle_is_seen(tmp_path):
    package = tmp_path / "python" / "lucas_habitat"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from .b import x\n")
    (package / "b.py").write_text("def x():\n    from . import a\n")
    (package / "c.py").write_text("from .a import y\n")
    assert house.circles(house.import_graph(tmp_path)) == [{"a", "b"}]


def test_public_names_are_where_the_stub_says():
    assert "_names" not in sys.modules["lucas_habitat"].__all__
    for name in lucas_habitat.__all__:
        assert getattr(lucas_habitat, name) is not None


def test_no_function_of_r_has_two_homes():
    # The file that is read last would put its own in the other's place, without a word.
    homes = {}
    for file in sorted((ROOT / "R").glob("*.R")):
        for name in re.findall(r"^([\w.]+) <- ", file.read_text(encoding="utf-8"), re.M):
            homes.setdefault(name, []).append(file.name)
    assert not {name: files for name, files in homes.items() if len(files) > 1}


def test_every_argument_of_r_is_converted_in_one_way():
    text = (ROOT / "R" / "arguments.R").read_text(encoding="utf-8")
    table = re.search(r"^converters <- .+?^}", text, re.M | re.S)[0]
    names = re.findall(r"(\w+) = (?=\w+[,(\n])", table)
    assert len(names) > 40
    assert len(set(names)) == len(names)


def test_what_benchmarks_import_of_the_package_is_there():
    """Also inside functions, and of rooms that are private."""
    for file in sorted((ROOT / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lucas_habitat"):
                exec(compile(ast.Module([node], []), file, "exec"), {})
