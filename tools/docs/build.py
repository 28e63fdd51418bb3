"""From the pages of docs/ to the site: run, write what mkdocs reads, build."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mkdocs.commands.build import build as build_with_mkdocs
from mkdocs.config import load_config

from .blocks import PageError, blocks_of, pictures_of, with_outputs, with_screenshots
from .pages import copy_others, sources, with_code_links, with_links
from .pictures import Screenshots
from .reference import Links, missing_names, read_topics, write_reference
from .runner import Outputs, Runner

# The front page is alone in its part of the navigation.
FRONT = "---\nhide:\n  - navigation\n---\n\n"


def build(root: Path, out: Path, *, is_run: bool, work: Path | None = None) -> None:
    """Build the whole site; mkdocs' warnings, as of links that lead nowhere, are errors."""
    work = work or root / "build" / "docs"
    pages = work / "pages"
    texts = read_pages(root)
    runner = Runner(root, work)
    outputs = runner.run(all_blocks(texts)) if is_run else {}
    shutil.rmtree(pages, ignore_errors=True)
    screenshots = Screenshots(root, work, runner, is_taken=is_run)
    screenshots.take({name for text in texts.values() for name in pictures_of(text)})
    topics = read_topics(root, work / "help")
    if missing := missing_names(root, topics):
        raise PageError(f"no page of the reference has {', '.join(missing)}; see SUBJECTS there")
    targets = Links(topics).targets()
    copy_others(root, pages)
    for page, text in texts.items():
        target = pages / page
        target.parent.mkdir(parents=True, exist_ok=True)
        text = with_pictures(page, text, outputs.get(page, {}), pages)
        text = with_screenshots(text, partial(screenshots.show, page=page, pages=pages))
        text = with_links(text, sources(root)[page], page, root, pages)
        text = with_code_links(text, page, targets)
        target.write_text(FRONT + text if page == "index.md" else text, encoding="utf-8")
    run_mkdocs(root, pages, out, write_reference(topics, pages))


def read_pages(root: Path) -> dict[str, str]:
    return {page: file.read_text(encoding="utf-8") for page, file in sorted(sources(root).items())}


def all_blocks(texts):
    return [block for page, text in texts.items() for block in blocks_of(page, text)]


def run_pages(root: Path, names: Sequence[str]) -> None:
    """Run the blocks of some pages and print what they gave."""
    texts = read_pages(root)
    wanted = [os.path.relpath(name, "docs") if name.startswith("docs/") else name for name in names]
    if unknown := set(wanted) - set(texts):
        raise PageError(f"there is no page {', '.join(sorted(unknown))}")
    chosen = {page: texts[page] for page in wanted}
    outputs = Runner(root, root / "build" / "docs").run(all_blocks(chosen))
    for page, text in chosen.items():
        for block in blocks_of(page, text):
            output = outputs.get(page, {}).get(block.line)
            if output and (output.text.strip() or output.pictures):
                print(f"--- {block.where} ({block.language})\n{output.text.rstrip()}")
                print(*output.pictures, sep="\n")


def with_pictures(page: str, text: str, outputs: Outputs, pages: Path) -> str:
    """A page with the outputs of its blocks; the pictures are copied to where it has them."""
    for output in outputs.values():
        for picture in output.pictures:
            (pages / "pictures").mkdir(parents=True, exist_ok=True)
            shutil.copy2(picture, pages / "pictures")
    return with_outputs(page, text, outputs, os.path.relpath("pictures", Path(page).parent))


def run_mkdocs(root: Path, pages: Path, out: Path, navigation: list[object]) -> None:
    logging.getLogger("mkdocs").setLevel(logging.WARNING)
    handler = logging.StreamHandler()
    logging.getLogger("mkdocs").addHandler(handler)
    try:
        config = load_config(str(root / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(out))
        config.nav = _with_reference(config.nav, navigation)
        config.plugins.on_startup(command="build", dirty=False)
        try:
            build_with_mkdocs(config)
        finally:
            config.plugins.on_shutdown()
    finally:
        logging.getLogger("mkdocs").removeHandler(handler)


def _with_reference(nav, navigation):
    """The navigation of mkdocs.yml with the pages of the reference in their place."""
    return [
        {"Reference": navigation} if isinstance(entry, dict) and "Reference" in entry else entry
        for entry in nav
    ]
