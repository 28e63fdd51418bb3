"""HTML that is safe by its type: text becomes markup only through `escape`.

Every function gives `markupsafe.Markup`. What it is given as plain text is escaped, what already is markup
stays as it is, so nobody has to remember which of the two a string was.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping

import markupsafe
import pandas as pd
from markupsafe import Markup
from PIL import Image

__all__ = [
    "bullets",
    "data_uri",
    "element",
    "escape",
    "fact_list",
    "figure",
    "html_table",
    "joined",
    "jpeg_uri",
    "paragraph",
]

# Elements that hold nothing and have no end tag.
_VOID = {"br", "img", "meta", "wbr"}


def escape(text: object) -> Markup:
    """Text as markup; control characters go, which no browser takes. Markup stays as it is."""
    if isinstance(text, Markup):
        return text
    return markupsafe.escape(
        "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(text))
    )


def joined(parts: Iterable[object], between: str = "") -> Markup:
    """Texts and markup one after another."""
    return escape(between).join(escape(part) for part in parts)


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """An element with its content and attributes.

    Parameters
    ----------
    tag : str
        Its name, of our own choice: the only text that is taken as it is.
    *content : Markup or object
        Text is escaped, markup is not.
    **attributes : object
        ``class_`` stands for ``class``, ``aria_label`` for ``aria-label``. A value is always taken as
        text; an attribute that is None is left out.
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    # The value of an attribute ends at a quote, which markup may hold: there it is text like any other.
    start = "".join(
        f' {name}="{escape(str(value))}"' for name, value in given.items() if value is not None
    )
    end = "" if tag in _VOID else f"</{tag}>"
    return Markup(f"<{tag}{start}>{joined(content)}{end}")


def paragraph(text: object, *, kind: str | None = None) -> Markup:
    """A paragraph."""
    return element("p", text, class_=kind)


def bullets(texts: Iterable[object], *, kind: str | None = None) -> Markup:
    """A list."""
    return element("ul", *(element("li", text) for text in texts), class_=kind)


def fact_list(values: Mapping[str, object]) -> Markup:
    """Names and their values."""
    pairs = (element("dt", name) + element("dd", value) for name, value in values.items())
    return element("dl", *pairs)


def html_table(table: pd.DataFrame, caption: str) -> Markup:
    """A table whose first column names its rows; it scrolls within itself where it is too wide."""
    head = (element("th", name, scope="col") for name in table.columns)
    rows = (
        element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))
        for name, *cells in table.itertuples(index=False, name=None)
    )
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
    )
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


def figure(image: Markup | None, *caption: object, kind: str | None = None) -> Markup:
    """An image, where there is one, with its caption below."""
    return element("figure", image or "", element("figcaption", *caption), class_=kind)


def data_uri(content: bytes, kind: str) -> str:
    """A file as the ``src`` of an image, so that a page needs no second file; ``kind`` is its type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def jpeg_uri(image: Image.Image) -> str:
    """A photo as the ``src`` of an image."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=80)
    return data_uri(content.getvalue(), "image/jpeg")
