#!/usr/bin/env python3
"""What the package rests on: a lock of the tests' environment, its licences, and an SBOM.

    tools/supply.py lock       requirements.lock, with the hash of each file
    tools/supply.py licences   dist/licences.csv
    tools/supply.py sbom       dist/sbom.json, CycloneDX

Run it with the Python of the environment that it is to describe (`make supply`).
"""

import csv
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK, DIST = ROOT / "requirements.lock", ROOT / "dist"
EXTRAS = ("offline", "dev")
#: What would tell of the machine that a file was made on.
PRIVATE = re.compile(rf"file:|/home/|/root/|/tmp/|{re.escape(str(ROOT))}")
HEAD = f"""\
# Made by `make supply`: all that `pip install ".[{",".join(EXTRAS)}]"` brings, as it was tested.
# Hashes are those of the files for CPython {{}}.{{}} on {{}}; the package itself takes ranges.
"""


def needed() -> list[Distribution]:
    """The installed packages that ours asks for, with those they ask for in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    ours = [Requirement(line) for e in EXTRAS for line in extras[e]]
    ours += [Requirement(line) for line in project["dependencies"]]
    found: dict[str, Distribution] = {}
    asked = wanted_by(ours, "")
    done = set()
    while asked:
        name, extra = asked.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name} is asked for and not installed; `make test` installs it.")
        asked += wanted_by([Requirement(line) for line in found[name].requires or ()], extra)
    return [found[name] for name in sorted(found)]


def wanted_by(requirements: list[Requirement], extra: str) -> list[tuple[str, str]]:
    """The packages, and their extras, that requirements ask for here."""
    return [
        (canonicalize_name(one.name), e)
        for one in requirements
        if one.marker is None or one.marker.evaluate({"extra": extra})
        for e in ("", *one.extras)
    ]


def lock() -> None:
    """Write the versions that are installed, with the hashes that the package index tells."""
    pins = [f"{canonicalize_name(d.name)}=={d.version}" for d in needed()]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
        options = ["--ignore-installed", "--report", str(report)]
        subprocess.run([*command, *options, *pins], check=True)
        files = json.loads(report.read_text())["install"]
    lines = {}
    for file in files:
        name = canonicalize_name(file["metadata"]["name"])
        digest = file["download_info"]["archive_info"]["hashes"]["sha256"]
        lines[name] = f"{name}=={file['metadata']['version']} --hash=sha256:{digest}\n"
    head = HEAD.format(*sys.version_info[:2], sys.platform)
    write(LOCK, head + "".join(lines[name] for name in sorted(lines)))


def licence(package: Distribution) -> str:
    """A package's licence, as it says itself: an expression, classifiers, or the first words of a text."""
    about = package.metadata
    classes = [c for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    named = [c.split(" :: ")[-1] for c in classes if c.count("::") > 1]
    text = (about.get("License") or "").strip().split("\n")[0][:80]
    return about.get("License-Expression") or "; ".join(named) or text or "not said"


def licences() -> None:
    """Write each package with its licence."""
    DIST.mkdir(exist_ok=True)
    with (DIST / "licences.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["package", "version", "licence"])
        table.writerows([d.name, d.version, licence(d)] for d in needed())
    print(DIST / "licences.csv")


def sbom() -> None:
    """Write the bill of materials of what the lock names, with licences."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--of", "JSON"]
    made = subprocess.run([*command, *options], check=True, capture_output=True, text=True).stdout
    bill = json.loads(made)
    names = {canonicalize_name(d.name) for d in needed()}
    bill["components"] = [c for c in bill["components"] if canonicalize_name(c["name"]) in names]
    for part in (*bill["components"], bill["metadata"].get("component", {})):
        # Where a file was installed from is this machine's own business.
        references = part.get("externalReferences", [])
        part["externalReferences"] = [r for r in references if not PRIVATE.search(r["url"])]
        part.pop("evidence", None)
    kept = {c["bom-ref"] for c in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    bill["dependencies"] = [
        {**d, "dependsOn": [ref for ref in d.get("dependsOn", []) if ref in kept]}
        for d in bill["dependencies"]
        if d["ref"] in kept
    ]
    DIST.mkdir(exist_ok=True)
    write(DIST / "sbom.json", json.dumps(bill, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """Write a file that tells nothing of the machine it is made on."""
    private = PRIVATE.search(text)
    if private:
        sys.exit(f"{path.name} would hold {private[0]!r}.")
    path.write_text(text, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    steps = {"lock": lock, "licences": licences, "sbom": sbom}
    if not sys.argv[1:] or set(sys.argv[1:]) - set(steps):
        sys.exit(__doc__)
    for step in sys.argv[1:]:
        steps[step]()
