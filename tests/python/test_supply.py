"""The lock names all that the package asks for, in versions that it takes, and nothing of a machine."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def lines():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_each_line_is_a_version_and_a_hash_and_nothing_else(lines):
    assert len(lines) > 100
    assert not [line for line in lines if not LINE.fullmatch(line)]


def test_what_the_package_asks_for_is_locked_within_its_ranges(lines):
    locked = dict(LINE.fullmatch(line).groups() for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"]]
    for extra in ("offline", "dev"):
        asked += project["optional-dependencies"][extra]
    for one in map(Requirement, asked):
        if one.marker is None or one.marker.evaluate():
            assert one.specifier.contains(locked[canonicalize_name(one.name)]), one


def test_each_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"\ndependencies = \[\n(.*?)\n\]", text, re.S)[1]
    assert not [line for line in block.splitlines() if not re.search(r'",\s+# \w', line)]
