"""A page of sections, and its folder of numbers."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from .._base import words
from .._base.files import write_json, write_text, writing
from .._base.tables import write_for_people
from .._base.version import __version__
from ..errors import InputError, some
from ..pictures.canvas import as_svg
from .html import bullets, data_uri, element, figure, joined, paragraph

_NOTE = "about.json"


@dataclass
class Section:
    """A part of a page.

    Attributes
    ----------
    heading : str
        Plain text.
    parts : list of Markup
        HTML, as the functions of `html` make it.
    tables : dict of str to pandas.DataFrame
        Numbers to lie beside the page, by the name of their file without ``.csv``.
    """

    heading: str
    parts: list[Markup] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def add_picture(
        self, draw: Callable[[], Figure], name: str, table: pd.DataFrame, caption: str
    ) -> None:
        """Add a picture and its numbers; where it cannot be drawn, the reason."""
        try:
            drawn = draw()
        except InputError as error:
            self.parts.append(paragraph(str(error)))
            return
        self.tables[name] = table
        source = data_uri(as_svg(drawn).encode(), "image/svg+xml")
        image = element("img", src=source, alt=caption)
        self.parts.append(figure(image, f"{caption} Numbers: {name}.csv", kind="picture"))


def write_page(sections: Sequence[Section], page: Path, title: str) -> Path:
    """Write a page and, beside it, the numbers of its sections; each appears whole or not at all."""
    folder = check_data_folder(page)
    text = _page(sections, title, folder.name)
    with writing(folder):
        _write_numbers(sections, page, folder)
    return write_text(text, page)


def _write_numbers(sections: Sequence[Section], page: Path, folder: Path) -> None:
    """Write the tables of the sections into a folder that is replaced as a whole."""
    page.parent.mkdir(parents=True, exist_ok=True)
    tmp = page.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    tables = {name: table for section in sections for name, table in section.tables.items()}
    try:
        tmp.mkdir()
        for name, table in tables.items():
            write_for_people(table.reset_index(drop=True), tmp / f"{name}.csv")
        about = {"page": page.name, "lucas_habitat": __version__, "files": sorted(tables)}
        write_json(about, tmp / _NOTE)
        old = tmp.with_name(f"{tmp.name}-old")
        if folder.exists():
            os.replace(folder, old)
        os.replace(tmp, folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def data_folder(page: Path) -> Path:
    """Where the numbers of a page lie."""
    return page.with_name(f"{page.stem}_data")


def check_data_folder(page: Path) -> Path:
    """The folder of a page's numbers, refused if it holds what no report wrote."""
    folder = data_folder(page)
    if not folder.exists():
        return folder
    try:
        about = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        expected = {_NOTE, *(f"{name}.csv" for name in about["files"])}
        strange = sorted(f.name for f in folder.iterdir() if f.name not in expected)
    except (OSError, ValueError, KeyError, TypeError):
        strange = ["no numbers of a report"]
    if strange:
        raise InputError(
            f"{folder} exists and holds {some(strange)}; it would be replaced by the report's "
            f"numbers. Move it, or give the report another name ({words.option('out')})."
        )
    return folder


# ---- the page -----------------------------------------------------------------------------------
_CSS = Markup("""
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#595959;--page:#fff;--card:#f4f5f3;--line:#c9ccc6;
--warn:#7a3b00;--link:#1f5fa8}
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#b4b4b4;--page:#171916;--card:#23261f;
--line:#4a4e46;--warn:#ffbf80;--link:#8fc1ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:62rem;background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.25rem;margin:2.2rem 0 .6rem;
border-bottom:1px solid var(--line);padding-bottom:.2rem}
p{margin:.5rem 0;max-width:45rem}.soft,figcaption,small,caption{color:var(--soft)}
a{color:var(--link)}nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0}
.warning{border-left:4px solid var(--warn);background:var(--card);padding:.6rem .9rem}
ul.warning{padding-left:2rem}li{max-width:45rem}
dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.25rem 1rem;margin:.6rem 0}
dt{color:var(--soft)}dd{margin:0}
.scroll{overflow-x:auto;margin:.8rem 0}table{border-collapse:collapse;font-variant-numeric:tabular-nums;
overflow-wrap:normal}caption{text-align:left;padding:.2rem 0;font-size:.9rem}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:right;font-weight:400;
white-space:nowrap}
th{text-align:left}thead th{color:var(--soft);vertical-align:bottom;font-size:.9rem}
thead th:not(:first-child){text-align:right}
figure{margin:1rem 0}.picture img{display:block;background:#fff;border:1px solid var(--line);
max-width:100%;height:auto;padding:4px}figcaption{font-size:.9rem;margin-top:.3rem;max-width:45rem}
.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(10rem,1fr));gap:1rem}
.photos figure{margin:0}.photos img{max-width:100%;height:auto;display:block}
.credit{font-size:.85rem;color:var(--soft)}
@media(max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}
.photos{grid-template-columns:repeat(2,1fr)}}
@media print{body{max-width:none;font-size:9pt;padding:0}nav{display:none}h2{break-after:avoid}
figure,table,tr{break-inside:avoid}.scroll{overflow:visible}}
""")


def _page(sections: Sequence[Section], title: str, folder: str) -> Markup:
    """The whole document: head, title, links to the sections, and the sections."""
    ids = [re.sub(r"[^a-z]+", "-", s.heading.lower()).strip("-") for s in sections]
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    header = element(
        "header",
        element("h1", title),
        "\n",
        paragraph(
            f"Made on {made} with lucas-habitat {__version__}. The numbers of all pictures and "
            f"tables are CSV files in {folder}.",
            kind="soft",
        ),
    )
    links = bullets(
        element("a", s.heading, href=f"#{i}") for i, s in zip(ids, sections, strict=True)
    )
    body = (
        element(
            "section",
            element("h2", s.heading, id=i),
            "\n",
            joined(s.parts, "\n"),
            aria_labelledby=i,
        )
        for i, s in zip(ids, sections, strict=True)
    )
    page = element(
        "html",
        "\n",
        _head(title),
        "\n",
        element(
            "body",
            "\n",
            header,
            "\n",
            element("nav", links, aria_label="Sections"),
            "\n",
            element("main", "\n", joined(body, "\n"), "\n"),
            "\n",
        ),
        "\n",
        lang="en",
    )
    return Markup("<!DOCTYPE html>\n") + page + "\n"


def _head(title: str) -> Markup:
    """A head that lets the page load and run nothing but its own style."""
    digest = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    lines = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", _CSS),
    ]
    return element("head", "\n", joined(lines, "\n"), "\n")
