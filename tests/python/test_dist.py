"""What is handed on is built with R and Python's build alone, by any Python, without bash or make."""

import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dist(monkeypatch):
    """The tool, with the programs that it runs recorded instead, each as what it leaves behind."""
    monkeypatch.syspath_prepend(str(ROOT))
    from tools import dist

    commands = []

    def run(command, folder):
        commands.append([Path(command[0]).name, *command[1:]])
        if "--outdir" in command:
            made = Path(command[command.index("--outdir") + 1])
            made.mkdir()
            for name in ("lucas_habitat-9.9.9-py3-none-any.whl", "lucas_habitat-9.9.9.tar.gz"):
                (made / name).write_bytes(b"made")
        if "CMD" in command:
            package = Path(command[-1])
            with tarfile.open(Path(folder) / "lucashabitat_9.9.9.tar.gz", "w:gz") as archive:
                archive.add(package, package.name)

    monkeypatch.setattr(dist, "run", run)
    monkeypatch.setattr(dist, "find_r", lambda program: program or "/somewhere/R")
    dist.commands = commands
    return dist


def test_the_r_package_carries_the_wheel_that_was_built(dist, tmp_path, capsys):
    assert dist.main([str(tmp_path / "dist")]) == 0
    made = {file.name for file in (tmp_path / "dist").iterdir()}
    assert made == {
        "lucas_habitat-9.9.9-py3-none-any.whl",
        "lucas_habitat-9.9.9.tar.gz",
        "lucashabitat_9.9.9.tar.gz",
    }
    with tarfile.open(tmp_path / "dist" / "lucashabitat_9.9.9.tar.gz") as archive:
        names = archive.getnames()
    for part in ("inst/wheel/lucas_habitat-9.9.9-py3-none-any.whl", "R/install.R", "NEWS.md",
                 "vignettes/pilot.Rmd", "tests/testthat.R", "tests/cases/votes.json"):  # fmt: skip
        assert f"lucashabitat/{part}" in names
    assert not [name for name in names if "__pycache__" in name or "/python/" in name]
    assert "lucas_habitat-9.9.9-py3-none-any.whl" in capsys.readouterr().out


def test_the_package_alone_needs_no_python_but_this_one(dist, tmp_path):
    dist.main([str(tmp_path), "--only", "r", "--no-build-vignettes", "--r", "C:/R/bin/R"])
    assert [command[:-1] for command in dist.commands] == [
        ["R", "CMD", "build", "--no-build-vignettes"]
    ]
    with tarfile.open(tmp_path / "lucashabitat_9.9.9.tar.gz") as archive:
        assert not [name for name in archive.getnames() if "wheel" in name]


def test_the_core_alone_needs_no_r(dist, tmp_path, monkeypatch):
    monkeypatch.setattr(dist, "find_r", lambda _: pytest.fail("R was looked for"))
    dist.main([str(tmp_path), "--only", "python"])
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".gz", ".whl"]


def test_without_the_package_build_an_environment_is_made_for_it(dist, tmp_path, monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(dist.importlib.metadata, "version", absent)
    dist.main([str(tmp_path), "--only", "python"])
    venv, install, build = dist.commands
    assert venv[:3] == [Path(sys.executable).name, "-m", "venv"]
    assert install[1:4] == ["-m", "pip", "install"]
    assert install[-1] == "build"
    assert build[1:3] == ["-m", "build"]
    assert "--no-isolation" not in build


def test_no_r_says_what_to_do(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from tools import dist

    with pytest.raises(
        SystemExit, match=r"no R \(no-such-R\).*Rscript tools/dist.R.*--only python"
    ):
        dist.find_r("no-such-R")


def test_a_program_that_fails_ends_the_build(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT))
    from tools import dist

    with pytest.raises(SystemExit, match=r"failed \(3\)"):
        dist.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_the_workflows_pin_every_action_by_its_commit():
    for file in (ROOT / ".github" / "workflows").iterdir():
        text = file.read_text(encoding="utf-8")
        uses = [line.split("uses:")[1].strip() for line in text.splitlines() if "uses:" in line]
        assert uses
        for one in uses:
            name, _, rest = one.partition("@")
            commit, _, version = rest.partition(" # ")
            assert len(commit) == 40, one
            assert set(commit) <= set("0123456789abcdef"), one
            assert name.count("/") in (1, 2), one
            assert version.startswith("v"), one
