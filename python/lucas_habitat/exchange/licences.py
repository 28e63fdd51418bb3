"""The licences that GBIF takes, and who is named as author."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .._base import words
from .._base.checks import check_choice, check_text
from .._base.choices import LICENCES
from ..errors import InputError
from .texts import one_line

__all__ = ["Author", "Licence", "authors_of", "licence_of"]

_AUTHOR = re.compile(r"(?P<name>[^<>]+?)\s*(?:<(?P<mail>[^<>\s]+@[^<>\s]+)>)?")
_ORCID = re.compile(r"\s*(?:https://orcid\.org/)?\b(\d{4}-\d{4}-\d{4}-\d{3}[\dX])\b")


class Licence(NamedTuple):
    """A licence by its SPDX identifier."""

    id: str
    name: str
    url: str


class Author(NamedTuple):
    """A person who is named; what is unknown is empty."""

    given: str
    family: str
    mail: str
    orcid: str

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.given} {self.family}".strip()


def licence_of(licence: str) -> Licence:
    """A licence, by the identifier that users give."""
    check_text("licence", licence)
    check_choice("licence", licence, tuple(LICENCES))
    return Licence(licence, *LICENCES[licence])


def authors_of(authors: str | Sequence[str]) -> list[Author]:
    """The authors, as users give them: names, each with an address of mail and an ORCID where they like.

    Raises
    ------
    InputError
        If there are none, or one is no name.
    """
    is_several = isinstance(authors, Iterable) and not isinstance(authors, str)
    given: list[object] = list(authors) if is_several else [authors]
    if not given:
        raise InputError(f"{words.arg('authors')} must name at least one author.")
    return [_author(author) for author in given]


def _author(text: object) -> Author:
    line = one_line(text) if isinstance(text, str) else ""
    orcid = _ORCID.search(line)
    match = _AUTHOR.fullmatch(_ORCID.sub("", line).strip())
    name = match["name"].strip(" ,") if match else ""
    if match is None or not name:
        raise InputError(
            f"{words.arg('authors')} must be names such as 'Ada Lovelace', 'Ada Lovelace <ada@example.org>' "
            f"or 'Ada Lovelace <ada@example.org> 0000-0002-1825-0097'; got {words.value(text)}."
        )
    if "," in name:
        family, _, first = (part.strip() for part in name.partition(","))
    else:
        first, _, family = name.rpartition(" ")
    return Author(first, family, match["mail"] or "", orcid[1] if orcid else "")
