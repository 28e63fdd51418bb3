"""What mkdocs reads: the pages of docs/, those of the repository that belong to the site, and their links."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from .blocks import PageError

#: Files of the repository that are pages of the site too.
OTHERS = {
    "NEWS.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}
#: What leads to the site itself.
INSTEAD = {
    "README.md": "index.md",
    "r-wrapper/README.md": "index.md",
    "benchmarks": "benchmarks.md",
}

_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
_LINKED = re.compile(r"(!?\[[^\]]*\]\([^)]*\))")
_CODE = re.compile(r"(?<![\[`\w])`([^`]+)`(?![`\]])")
_FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2[`~]*$", re.M | re.S)


def sources(root: Path) -> dict[str, Path]:
    """The Markdown of all pages that are written by hand, by their place in the site."""
    pages = {p.relative_to(root / "docs").as_posix(): p for p in (root / "docs").rglob("*.md")}
    return pages | {page: root / file for file, page in OTHERS.items()}


def copy_others(root: Path, pages: Path) -> None:
    """Copy what lies beside the pages: pictures, styles, files that pages lead to."""
    for file in (root / "docs").rglob("*"):
        if file.is_file() and file.suffix != ".md":
            _copy(file, pages / file.relative_to(root / "docs"))


def with_links(text: str, source: Path, page: str, root: Path, pages: Path) -> str:
    """A page with its links as the site has them; files of the repository that it leads to come along."""

    def resolved(match: re.Match[str]) -> str:
        target, hash_, anchor = match[1].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        file = Path(os.path.normpath(source.parent / target))
        if not file.exists():
            # A page that the build makes, such as those of the reference.
            return match[0]
        to = _place(file, root, pages)
        there = os.path.relpath(to, Path(page).parent).replace(os.sep, "/")
        # A heading of the README's has no twin in the site.
        is_elsewhere = file.relative_to(root).as_posix() in INSTEAD
        return f"]({there}{'' if is_elsewhere else hash_ + anchor})"

    return _outside_fences(text, lambda prose: _LINK.sub(resolved, prose))


def with_code_links(text: str, page: str, targets: Mapping[str, str]) -> str:
    """A page whose code that names a function or command leads to its reference, once a section."""
    there = os.path.relpath(".", Path(page).parent)

    def linked(prose: str) -> str:
        lines, named = prose.split("\n"), set()
        for number, line in enumerate(lines):
            if line.startswith("#"):
                named = set()
            else:
                parts = _LINKED.split(line)
                parts[::2] = [_CODE.sub(partial(_code_link, named), part) for part in parts[::2]]
                lines[number] = "".join(parts)
        return "\n".join(lines)

    def _code_link(named: set[str], match: re.Match[str]) -> str:
        name = _named(match[1], targets)
        if name is None or name in named:
            return match[0]
        named.add(name)
        return f"[{match[0]}]({there}/{targets[name]})"

    return _outside_fences(text, linked)


def _named(code: str, targets: Mapping[str, str]) -> str | None:
    """The function or command that a piece of code names: `lh.vote(x)`, `lucas-habitat vote`."""
    if call := re.fullmatch(r"(?:lh\.)?(\w+)\(.*\)", code):
        name = f"{call[1]}()"
        return name if name in targets else None
    words = code.split()
    for n in (3, 2):
        if len(words) >= n and " ".join(words[:n]) in targets:
            return " ".join(words[:n])
    return None


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    """A page with what is not in fences changed."""
    parts, last = [], 0
    for fenced in _FENCED.finditer(text):
        parts += [change(text[last : fenced.start()]), fenced[0]]
        last = fenced.end()
    return "".join(parts) + change(text[last:])


def _place(file: Path, root: Path, pages: Path) -> str:
    """Where a file of the repository is in the site."""
    if root not in file.parents:
        raise PageError(f"a link leads out of the repository, to {file}")
    name = file.relative_to(root).as_posix()
    if name in OTHERS or name in INSTEAD:
        return OTHERS.get(name) or INSTEAD[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if file.is_dir():
        raise PageError(f"a link leads to the folder {name}, which is not in the site; name a file")
    _copy(file, pages / "files" / name)
    return f"files/{name}"


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, to)
