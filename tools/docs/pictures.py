"""Screenshots of the page and the report, taken by headless Chromium while the site is built."""

from __future__ import annotations

from pathlib import Path


class Screenshots:
    """Pictures that pages ask for by name, each taken once."""

    def __init__(self, root: Path, work: Path, pictures: Path, runner, *, is_taken: bool) -> None:
        self.pictures = pictures

    def show(self, name: str, alt: str, page: str) -> str:
        return f"*Picture, which is taken where Chromium is: {alt}*"
