"""Screenshots of the page and the report, taken by headless Chromium while the site is built."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from .blocks import PageError
from .runner import Runner

HERE = Path(__file__).parent
#: What there are pictures of; each is taken light and dark.
NAMES = ("app", "report")


def lacking() -> list[str]:
    """What screenshots need and this computer does not have."""
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    modules = [name for name in ("selenium", "gradio") if importlib.util.find_spec(name) is None]
    return programs + modules


class Screenshots:
    """Pictures that pages ask for by name, all taken once and kept until the package changes."""

    def __init__(self, root: Path, work: Path, runner: Runner, *, is_taken: bool) -> None:
        script = (HERE / "screenshots.py").read_bytes()
        key = hashlib.sha256(runner.sources.encode() + script).hexdigest()[:20]
        self.folder = work / "screenshots" / key
        self.runner = runner
        self.is_taken = is_taken and not lacking()

    def take(self, names: Collection[str]) -> None:
        """Take the pictures, where any is asked for and they are not there yet."""
        if unknown := set(names) - set(NAMES):
            raise PageError(f"there is no picture {', '.join(sorted(unknown))}, only {NAMES}")
        if not names or not self.is_taken or self.folder.is_dir():
            return
        print("takes screenshots", flush=True)
        with tempfile.TemporaryDirectory(prefix="lucas-docs-") as made:
            folder, taken = Path(made) / "habitats", Path(made) / "taken"
            shutil.copytree(self.runner.demo("all"), folder)
            shutil.copytree(self.runner.demo("asked"), folder, dirs_exist_ok=True)
            taken.mkdir()
            command = [sys.executable, str(HERE / "screenshots.py"), str(taken)]
            subprocess.run(command, cwd=folder, env=self.runner.environment, check=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(taken, self.folder)

    def show(self, name: str, alt: str, page: str, pages: Path) -> str:
        """Markdown that shows a picture, as light or dark as the page; or says what it would show."""
        if not self.is_taken:
            return f"*A picture stands here where the site is built with Chromium: {alt}*"
        (pages / "pictures").mkdir(parents=True, exist_ok=True)
        shown = []
        for scheme in ("light", "dark"):
            file = self.folder / f"{name}-{scheme}.png"
            shutil.copy2(file, pages / "pictures")
            path = os.path.relpath(f"pictures/{file.name}", Path(page).parent)
            shown.append(f"![{alt}]({path}#only-{scheme})")
        return " ".join(shown)
