"""Code blocks of pages: finding them, and putting beside each what it printed and drew when it ran."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

COLUMNS = 88
LANGUAGES = ("r", "python", "sh")
TABS = {"r": "R", "python": "Python", "sh": "Shell"}
# Names that highlight as ours do and would pass the runner by.
MISNAMED = {"R": "r", "py": "python", "python3": "python", "pycon": "python", "bash": "sh", "shell": "sh",
            "console": "sh", "zsh": "sh"}  # fmt: skip

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<info>[^`]*)$")
_OPTION = re.compile(r'(\w+)=(?:"([^"]*)"|(\w+))')
_SETUP = re.compile(r"^ *<!-- run (\w+)$")
_PICTURE = re.compile(r"^(?P<indent> *)<!-- picture (?P<name>[\w-]+): (?P<alt>.+?) -->$")
_FILES = re.compile(r"^<!-- files: (.+?) -->$", re.M)
_OPTIONS = {"run", "error", "alt", "output"}


class PageError(Exception):
    """A page that the build cannot take as it is written."""


@dataclass(frozen=True)
class Block:
    """A code block, or the lines of a comment that are run and not shown."""

    page: str
    line: int
    language: str
    code: str
    indent: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    end: int = 0  # the line after which its output stands
    is_shown: bool = True
    files: tuple[str, ...] = ()  # what its folder holds besides what all have

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        run = self.options.get("run")
        return None if run is None else run.removeprefix("no:").strip()

    @property
    def is_error_expected(self) -> bool:
        return self.options.get("error") == "true"


class Output(NamedTuple):
    """What a block printed, and the files of the pictures it drew."""

    text: str
    pictures: Sequence[Path]


def blocks_of(page: str, text: str) -> list[Block]:
    """All blocks of a page in the languages that are run, in order, with the setups in comments."""
    lines, files = text.splitlines(), files_of(text)
    found, number = [], 0
    while number < len(lines):
        setup, fence = _SETUP.match(lines[number]), _FENCE.match(lines[number])
        start, number = number, number + 1
        if setup:
            end = _first(lines, number, lambda line: line.strip() == "-->", f"{page}:{start + 1}")
            found.append(_block(page, start, setup[1], "", lines[number:end], end, {}, False))
            number = end + 1
        elif fence:
            mark = fence["fence"]
            closing = re.compile(rf"^ *{re.escape(mark[0])}{{{len(mark)},}} *$")
            end = _first(lines, number, closing.match, f"{page}:{start + 1}")
            language, options = _read_info(fence["info"], f"{page}:{start + 1}")
            if language in LANGUAGES:
                inside = lines[number:end]
                found.append(
                    _block(page, start, language, fence["indent"], inside, end, options, True)
                )
            number = end + 1
    return [replace(block, files=files) for block in found]


def files_of(text: str) -> tuple[str, ...]:
    """What a page asks for besides the photos: ``<!-- files: model points.csv -->``."""
    return tuple(name for line in _FILES.findall(text) for name in line.split())


def _first(lines, start, is_it, where) -> int:
    for number in range(start, len(lines)):
        if is_it(lines[number]):
            return number
    raise PageError(f"{where}: what begins here has no end")


def _block(page, start, language, indent, lines, end, options, is_shown) -> Block:
    if language not in LANGUAGES:
        raise PageError(f"{page}:{start + 1}: {language} is not run; use one of {LANGUAGES}")
    code = "\n".join(line.removeprefix(indent) for line in lines)
    return Block(page, start + 1, language, code, indent, options, end + 1, is_shown)


def _read_info(info: str, where: str) -> tuple[str, dict[str, str]]:
    """The language of a fence and its options: ``r {run="no: needs CRAN"}``."""
    language, _, rest = info.strip().partition(" ")
    if language in MISNAMED:
        raise PageError(f"{where}: call it {MISNAMED[language]}, not {language}, so that it is run")
    if language not in LANGUAGES:
        return language, {}
    options = {name: quoted or plain for name, quoted, plain in _OPTION.findall(rest)}
    left = _OPTION.sub("", rest).strip(" {}")
    if left or set(options) - _OPTIONS:
        raise PageError(f"{where}: cannot read {rest!r}; options are {sorted(_OPTIONS)}")
    if "run" in options and not re.match(r"no: \w", options["run"]):
        raise PageError(f'{where}: say why it is not run: {{run="no: needs ..."}}')
    return language, options


def with_outputs(page: str, text: str, outputs: Mapping[int, Output], pictures: str) -> str:
    """The page as the site shows it: outputs below blocks, and blocks that follow one another in tabs.

    ``outputs`` go by the line of their block; ``pictures`` is the folder of pictures as seen from the page.
    """
    lines = text.splitlines()
    shown: list[str] = []
    number = 0
    for group in _groups(blocks_of(page, text), lines):
        shown += lines[number : group[0].line - 1]
        number = group[-1].end
        chunks = {
            block.language: list(_chunk(block, lines, outputs.get(block.line), pictures))
            for block in group
            if block.is_shown
        }
        if len(chunks) == 1:
            shown += next(iter(chunks.values()))
        for language in LANGUAGES:
            if len(chunks) > 1 and language in chunks:
                indented = [f"    {line}" if line else "" for line in chunks[language]]
                shown += [f'=== "{TABS[language]}"', "", *indented, ""]
    return "\n".join([*shown, *lines[number:]]) + "\n"


def _groups(blocks: Sequence[Block], lines: Sequence[str]) -> Iterator[list[Block]]:
    """Blocks one by one, but those of several languages that follow one another together."""
    group: list[Block] = []
    for block in blocks:
        is_next = (
            bool(group)
            and not block.indent
            and not group[-1].indent
            and block.is_shown
            and group[-1].is_shown
            and block.language not in {b.language for b in group}
            and not "".join(lines[group[-1].end : block.line - 1]).strip()
        )
        if group and not is_next:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _chunk(
    block: Block, lines: Sequence[str], output: Output | None, pictures: str
) -> Iterator[str]:
    """A block with its options gone from its fence, and what came of it."""
    fence = _FENCE.match(lines[block.line - 1])
    yield f"{block.indent}{fence['fence']}{block.language}"
    yield from lines[block.line : block.end]
    if output is not None:
        yield from _shown(block, output, pictures)


def _shown(block: Block, output: Output, pictures: str) -> Iterator[str]:
    """The lines that follow a block: a fence with what it printed, and its pictures."""
    if output.text.strip() and block.options.get("output") != "no":
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", output.text)), default=0))
        yield ""
        yield block.indent + fence + "{ .text .output }"
        yield from (block.indent + line for line in _wrapped(output.text))
        yield block.indent + fence
    alts = block.options.get("alt", "").split(" | ")
    if len(output.pictures) != len([a for a in alts if a]):
        raise PageError(
            f'{block.where}: {len(output.pictures)} pictures are drawn; say in alt="..." what each '
            "shows, for who cannot see them, with ' | ' between"
        )
    for picture, alt in zip(output.pictures, alts, strict=False):
        yield ""
        yield f"{block.indent}![{alt}]({pictures}/{picture.name})"


def _wrapped(text: str) -> Iterator[str]:
    """The lines of an output; sentences are broken where a page is full, tables are not."""
    for line in text.strip("\n").splitlines():
        is_sentence = len(line) > COLUMNS and not re.search(r"\S {2,}\S", line)
        yield from textwrap.wrap(line, COLUMNS, subsequent_indent="  ") if is_sentence else [line]


def pictures_of(text: str) -> list[str]:
    """The names of the screenshots that a page asks for."""
    return [match["name"] for line in text.splitlines() if (match := _PICTURE.match(line))]


def with_screenshots(text: str, show) -> str:
    """The page with ``<!-- picture name: what it shows -->`` replaced by what ``show(name, alt)`` gives."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if match := _PICTURE.match(line):
            lines[number] = match["indent"] + show(match["name"], match["alt"])
    return "\n".join(lines) + "\n"
