"""Builds what is handed on: wheel and sdist of the core, and the R source package with that wheel inside.

    python -m tools.dist                 all three, into dist/
    python -m tools.dist FOLDER          into another folder
    python -m tools.dist --only r        the R package without the core, as tests and checks take it

Run it from the repository's root, with any Python 3.11 or newer: it needs the package build, for which it
makes an environment of its own where it is missing, and R with knitr and markdown for the vignette. What
else is given goes to R CMD build (--no-build-vignettes). Rscript tools/dist.R is the same from R.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ("pyproject.toml", "README.md", "LICENSE", "python")
PACKAGE = ("DESCRIPTION", "NAMESPACE", ".Rbuildignore", "NEWS.md", "R", "man", "inst", "vignettes",
           "tests/testthat", "tests/testthat.R", "tests/cases")  # fmt: skip
LEFT_BEHIND = shutil.ignore_patterns("*.egg-info", "__pycache__", ".Rhistory", ".DS_Store")


def main(arguments: Sequence[str] | None = None) -> int:
    options, for_r = parser().parse_known_args(arguments)
    out = Path(options.folder).resolve()
    out.mkdir(parents=True, exist_ok=True)
    r = None if options.only == "python" else find_r(options.r)
    # Beside the repository nothing is written: R CMD build would copy a .venv of gigabytes first.
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        wheels = [] if options.only == "r" else build_core(stage, out)
        if r is not None:
            build_package(r, stage, out, wheels, for_r)
    return 0


def parser() -> argparse.ArgumentParser:
    about, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m tools.dist", description=about, epilog=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", nargs="?", default="dist", help="where they go; default: dist")
    parser.add_argument(
        "--only", choices=("python", "r"), help="the core's files, or the R package alone"
    )
    parser.add_argument("--r", help="the program R; default: the one that is found")
    return parser


def find_r(program: str | None) -> str:
    r = shutil.which(program or "R")
    if r is None:
        sys.exit(
            f"There is no R ({program or 'R'}) here. Name it with --r, or run Rscript tools/dist.R; "
            "--only python builds the core's wheel and sdist without R."
        )
    return r


def build_core(stage: Path, out: Path) -> list[Path]:
    """Build wheel and sdist of the core, from a copy without what earlier builds left."""
    core = copy(CORE, stage / "core")
    made = stage / "made"
    run([*builder(stage, core), "--outdir", str(made), str(core)], stage)
    for file in sorted(made.iterdir()):
        shutil.copy2(file, out)
        print(out / file.name)
    return sorted(made.glob("*.whl"))


def builder(stage: Path, core: Path) -> list[str]:
    """The command that builds: by this Python, or by one in an environment made for it."""
    try:
        importlib.metadata.version("build")
    except importlib.metadata.PackageNotFoundError:
        folder = stage / "builder"
        run([sys.executable, "-m", "venv", str(folder)], stage)
        python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "build"],
            stage,
        )
        return [python, "-m", "build"]
    from build import ProjectBuilder, check_dependency

    requires = ProjectBuilder(str(core)).build_system_requires
    is_complete = not any(any(check_dependency(one)) for one in requires)
    # With what it is built by at hand, nothing is fetched.
    return [sys.executable, "-m", "build", *(["--no-isolation"] if is_complete else [])]


def build_package(
    r: str, stage: Path, out: Path, wheels: Sequence[Path], for_r: Sequence[str]
) -> None:
    """Build the R source package; its vignette is made by R CMD build."""
    package = copy(PACKAGE, stage / "lucashabitat")
    shutil.rmtree(package / "inst" / "wheel", ignore_errors=True)
    for wheel in wheels:
        (package / "inst" / "wheel").mkdir(exist_ok=True)
        shutil.copy2(wheel, package / "inst" / "wheel")
    run([r, "CMD", "build", *for_r, str(package)], out)


def copy(names: Sequence[str], to: Path) -> Path:
    for name in names:
        source, target = ROOT / name, to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_BEHIND)
        else:
            shutil.copy2(source, target)
    return to


def run(command: Sequence[str], folder: Path) -> None:
    """Run a program in a folder; if it fails, end as it did."""
    code = subprocess.run(command, cwd=folder, check=False).returncode
    if code:
        sys.exit(f"{' '.join(command)} failed ({code}); above stands why.")


if __name__ == "__main__":
    sys.exit(main())
