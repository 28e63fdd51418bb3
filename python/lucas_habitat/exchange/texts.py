"""Text that goes into files of others: on one line, without what XML cannot hold."""

from __future__ import annotations

import re

import pandas as pd

from .._base.checks import check_text

__all__ = ["check_texts", "one_line", "paragraphs"]

# What XML 1.0 allows besides tab and line ends, which are blanks too.
_FORBIDDEN = re.compile("[^\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BLANKS = re.compile(r"\s+")


def check_texts(**texts: object) -> None:
    """Refuse what is given for text and says nothing; title and version must be given."""
    for name, text in texts.items():
        if text is None and name not in ("title", "version"):
            continue
        check_text(name, one_line(text) if isinstance(text, str) else text)


def one_line(value: object) -> str:
    """A value as text of one line; nothing where it is missing."""
    # Nearly all text is well as it is, and archives hold millions of values.
    if (
        isinstance(value, str)
        and value.isprintable()
        and value == value.strip()
        and "  " not in value
    ):
        return value
    if value is None or value is pd.NA or value != value:
        return ""
    return _BLANKS.sub(" ", _FORBIDDEN.sub(" ", str(value))).strip()


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, which blank lines part."""
    return [line for part in re.split(r"\n\s*\n", text) if (line := one_line(part))]
