"""Runs code blocks: one session a page and language, in a fresh folder with demo photos, offline."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .blocks import Block, Output

HERE = Path(__file__).parent
SECONDS = 1200
PICTURES = {".png", ".jpg", ".jpeg", ".svg"}
# What pages show in place of the folder that a session ran in.
SHOWN_FOLDER = "/home/you/habitats"

Outputs = dict[int, Output]


class BlockError(Exception):
    """A block failed, or did not where the page says that it does."""


class Runner:
    """Runs blocks, and keeps what came of them until page or package change.

    Parameters
    ----------
    root : path
        The repository.
    work : path
        Where results are kept.
    """

    def __init__(self, root: Path, work: Path) -> None:
        self.root = root
        self.work = work
        self.sources = _digest(_package_files(root))
        self.environment = self._environment()

    def run(self, blocks: Iterable[Block]) -> dict[str, Outputs]:
        """Run all blocks; gives their outputs by page and line. All that failed are told at once."""
        sessions: dict[tuple[str, str], list[Block]] = {}
        for block in blocks:
            if block.reason is None:
                sessions.setdefault((block.page, block.language), []).append(block)
        todo = [session for session in sessions.values() if not self._kept(session).is_file()]
        if todo:
            self._prepare(todo)
        with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
            errors = [error for error in pool.map(self._run_and_keep, todo) if error]
        if errors:
            raise BlockError("\n\n".join(errors))
        outputs: dict[str, Outputs] = {}
        for (page, _), session in sessions.items():
            outputs.setdefault(page, {}).update(self._read(session))
        return outputs

    def _run_and_keep(self, session: Sequence[Block]) -> str | None:
        """Run one session and keep its results; gives what was wrong."""
        print(f"runs {session[0].page} ({session[0].language})", flush=True)
        try:
            self._run(session)
        except BlockError as error:
            return str(error)
        return None

    def _run(self, session: Sequence[Block]) -> None:
        with tempfile.TemporaryDirectory(prefix="lucas-docs-") as made:
            folder, results = Path(made) / "habitats", Path(made) / "results"
            self._make_folder(folder, session[0])
            results.mkdir()
            kept = self._kept(session).parent
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            try:
                done = _SESSIONS[session[0].language](self, session, folder, results, kept)
            except subprocess.TimeoutExpired:
                raise BlockError(f"{session[0].where}: not done in {SECONDS} seconds") from None
            for block, one in zip(session, done, strict=False):
                one["text"] = _without_paths(one["text"], folder)
                _check(block, one)
            if len(done) < len(session):
                raise BlockError(f"{session[len(done)].where}: the session ended before this block")
            self._kept(session).write_text(json.dumps(done), encoding="utf-8")

    def _make_folder(self, folder: Path, block: Block) -> None:
        """Lay out what every session finds, and what its page asks for besides."""
        shutil.copytree(self.demo("all"), folder)
        for name in block.files:
            file = self.demo("asked") / name
            if not file.exists():
                there = sorted(p.name for p in file.parent.iterdir())
                raise BlockError(f"{block.page} asks for {name}; there are {', '.join(there)}")
            if file.is_dir():
                shutil.copytree(file, folder / name)
            else:
                shutil.copy2(file, folder / name)

    def _read(self, session: Sequence[Block]) -> Outputs:
        kept = self._kept(session)
        done = json.loads(kept.read_text(encoding="utf-8"))
        return {
            block.line: Output(one["text"], [kept.parent / name for name in one["pictures"]])
            for block, one in zip(session, done, strict=True)
        }

    def _kept(self, session: Sequence[Block]) -> Path:
        """The file that results of a session are kept in, as long as nothing changes."""
        text = json.dumps(
            [
                self.sources,
                [(b.page, b.language, b.code, b.is_error_expected, b.files) for b in session],
            ]
        )
        key = hashlib.sha256(text.encode()).hexdigest()[:20]
        return self.work / "results" / key / "done.json"

    def demo(self, part: str) -> Path:
        """The folder of what ``all`` find, or of what is ``asked`` for; made where it is not there."""
        folder = self.work / f"demo-{part}"
        if self._is_made(folder):
            return folder
        where = self.demo("all") if part == "asked" else self.work
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, str(HERE / "demo.py"), part, str(folder)]
        made = subprocess.run(
            command, cwd=where, env=self.environment, capture_output=True, text=True
        )
        if made.returncode:
            raise BlockError(f"the demo cannot be made:\n{made.stdout}{made.stderr}")
        self._stamp(folder).write_text(self.sources)
        return folder

    def _stamp(self, folder: Path) -> Path:
        return folder.with_suffix(".txt")

    def _is_made(self, folder: Path) -> bool:
        """Whether a folder is there, as the package is now."""
        stamp = self._stamp(folder)
        return stamp.is_file() and stamp.read_text() == self.sources

    def _prepare(self, todo: Sequence[Sequence[Block]]) -> None:
        """Make what sessions find, and install the R package, before several run at once."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.demo("all")
        if any(session[0].files for session in todo):
            self.demo("asked")
        library = self.work / "library"
        if any(session[0].language == "r" for session in todo) and not self._is_made(library):
            shutil.rmtree(library, ignore_errors=True)
            library.mkdir(parents=True)
            _install_r_package(self.root, library)
            self._stamp(library).write_text(self.sources)

    def _environment(self) -> dict[str, str]:
        """The environment of sessions: this Python and R package, a cache of their own, no network."""
        nowhere = "http://127.0.0.1:9"
        own = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(
                [str(self.root / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "RETICULATE_PYTHON": sys.executable,
            "R_LIBS": os.pathsep.join(
                [str(self.work / "library"), *filter(None, [os.environ.get("R_LIBS")])]
            ),
            "LUCAS_HABITAT_CACHE": str(self.work / "features"),
            "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere,
            "http_proxy": nowhere, "https_proxy": nowhere, "all_proxy": nowhere,
            "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
            "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "COLUMNS": "84", "NO_COLOR": "1",
            "LANGUAGE": "en", "LC_ALL": "C.UTF-8", "TZ": "UTC",
        }  # fmt: skip
        rest = {k: v for k, v in os.environ.items() if not k.startswith("LUCAS_HABITAT_")}
        return rest | own


def _run_scripted(command: Sequence[str]):
    """A session of one process that reads all blocks, for Python and R."""

    def run(runner: Runner, session, folder: Path, results: Path, kept: Path) -> list[dict]:
        blocks, done = results / "blocks.json", results / "done.json"
        listed = [{"code": b.code, "error": b.is_error_expected} for b in session]
        blocks.write_text(json.dumps(listed), encoding="utf-8")
        process = subprocess.run(
            [*command, str(blocks), str(done)], cwd=folder, env=runner.environment, timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
        if not done.is_file():
            raise BlockError(
                f"{session[0].where}: the session broke down ({process.returncode})\n{process.stdout[-3000:]}"
            )
        outcomes = json.loads(done.read_text(encoding="utf-8"))
        for number, one in enumerate(outcomes):
            one["pictures"] = _keep_pictures(folder, kept, number, by_name=f"figure-{number:02d}-")
        _add_written(folder, kept, outcomes, session)
        return outcomes

    return run


def _run_shell(runner: Runner, session, folder: Path, results: Path, kept: Path) -> list[dict]:
    outcomes = []
    for number, block in enumerate(session):
        file = results / f"{number}.sh"
        file.write_text(block.code + "\n", encoding="utf-8")
        process = subprocess.run(
            ["bash", str(HERE / "session.sh"), str(file), str(results / "state")], cwd=folder,
            env=runner.environment, timeout=SECONDS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        outcomes.append({"text": process.stdout, "failed": process.returncode != 0, "pictures": []})
        if process.returncode and not block.is_error_expected:
            break
    _add_written(folder, kept, outcomes, session)
    return outcomes


_SESSIONS = {
    "python": _run_scripted([sys.executable, str(HERE / "session.py")]),
    "r": _run_scripted(["Rscript", "--no-init-file", str(HERE / "session.R")]),
    "sh": _run_shell,
}


def _keep_pictures(folder: Path, kept: Path, number: int, by_name: str) -> list[str]:
    """Move pictures that a block drew out of its folder; gives their new names."""
    names = []
    for file in sorted(folder.glob(f"{by_name}*.png")) + sorted(folder.glob(f"{by_name[:-1]}.png")):
        name = f"{kept.name}-{number:02d}-{len(names)}.png"
        shutil.move(file, kept / name)
        names.append(name)
    return names


def _add_written(folder: Path, kept: Path, outcomes: list[dict], session: Sequence[Block]) -> None:
    """Show a picture that a block wrote into its folder below the block that names it."""
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in PICTURES:
            continue
        for number, (block, one) in enumerate(zip(session, outcomes, strict=False)):
            if block.is_shown and file.name in block.code:
                name = f"{kept.name}-{number:02d}-{file.name}"
                shutil.copy2(file, kept / name)
                one["pictures"].append(name)
                break


def _check(block: Block, one: Mapping) -> None:
    if one["failed"] and not block.is_error_expected:
        raise BlockError(f"{block.where} fails:\n{block.code}\n---\n{one['text'][-3000:]}")
    if block.is_error_expected and not one["failed"]:
        raise BlockError(f"{block.where} was to fail, and does not:\n{block.code}")


def _without_paths(text: str, folder: Path) -> str:
    real = str(folder.resolve())
    return text.replace(real, SHOWN_FOLDER).replace(str(folder), SHOWN_FOLDER)


def _install_r_package(root: Path, library: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        for command in (
            ["Rscript", "tools/dist.R", made, "--only", "r", "--no-build-vignettes"],
            ["R", "CMD", "INSTALL", "--no-docs", f"--library={library}"],
        ):
            packages = [str(p) for p in Path(made).glob("lucashabitat_*.tar.gz")]
            subprocess.run(
                [*command, *packages],
                cwd=root,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def _package_files(root: Path) -> list[Path]:
    """What a block's output rests on besides the page."""
    files = [*(root / "python" / "lucas_habitat").rglob("*"), *(root / "R").glob("*.R"), root / "NAMESPACE",
             *(p for p in HERE.iterdir() if p.name.startswith(("session", "demo")))]  # fmt: skip
    return sorted(p for p in files if p.is_file() and "__pycache__" not in p.parts)


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
