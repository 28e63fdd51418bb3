"""Text and tables as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

import pandas as pd


# ---- HTML: nothing but these functions makes it, and they escape every text -----------------------
def escape(text: object) -> str:
    """Text for HTML, also within an attribute; control characters go, which no browser takes."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(text))
    return html.escape(shown, quote=True)


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def bullets(texts: Iterable[str], *, kind: str = "") -> str:
    """A list of plain texts."""
    return f"<ul{_class(kind)}>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def html_table(table: pd.DataFrame, caption: str) -> str:
    """A table whose first column names its rows; it scrolls within itself where it is too wide."""
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in table.columns)
    rows = ""
    for row in table.itertuples(index=False, name=None):
        cells = "".join(f"<td>{escape(v)}</td>" for v in row[1:])
        rows += f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def fact_list(values: Mapping[str, object]) -> str:
    """Names and their values."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in values.items()
    )
    return f"<dl>{rows}</dl>"
