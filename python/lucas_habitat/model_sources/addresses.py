"""Addresses of models: a zip on a web server, a record of Zenodo's, a repository of Hugging Face's hub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from .._base import words
from .._base.files import file_sha256
from ..downloads.server import check_url
from ..errors import InputError, ModelError
from ..sources import shown

__all__ = ["LocalZip", "ModelAddress", "local_zip", "model_address"]

_PIN = re.compile(r"#sha256[=]([0-9A-Fa-f]*)\Z")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|doi:", re.I)

_DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)(10\.[^/?#]+)/([^?#]+)\Z", re.I)

_RECORD = re.compile(r"zenodo\.([0-9]{1,12})(?:/([^/]+\.zip))?\Z", re.I)

#: As the hub allows them; a revision is a commit, a branch or a tag.
_REPOSITORY = re.compile(
    r"hf://([A-Za-z0-9][\w.-]{0,95})/([A-Za-z0-9][\w.-]{0,95})(?:@([\w./-]{1,200}))?\Z", re.ASCII
)

#: The pages of records and repositories, whose addresses people copy.
_PAGE_OF_RECORD = re.compile(r"https://zenodo\.org/records?/([0-9]{1,12})/?\Z", re.I)
_PAGE_OF_REPOSITORY = re.compile(
    r"https://huggingface\.co/([\w.-]+/[\w.-]+)(?:/tree/([\w./-]+?))?/?\Z", re.ASCII | re.I
)


class ModelAddress(NamedTuple):
    """Where a model lies, taken apart."""

    kind: Literal["zip", "zenodo", "hub"]
    #: An https address, the number of a record, or ``owner/name``.
    name: str
    #: The zip of a record, or the revision of a repository; None where nothing is said.
    part: str | None
    #: The zip's checksum, in small letters.
    sha256: str | None

    @property
    def shown(self) -> str:
        """The address as messages name it, without what may be secret."""
        if self.kind == "zip":
            return shown(self.name)
        if self.kind == "zenodo":
            return f"doi:10.5281/zenodo.{self.name}" + (f"/{self.part}" if self.part else "")
        return f"hf://{self.name}" + (f"@{self.part}" if self.part else "")


class LocalZip(NamedTuple):
    """A zip on this computer."""

    path: Path


def local_zip(model: str | os.PathLike[str], sha256: str | None = None) -> LocalZip | None:
    """The zip of a model that lies on this computer; None if nothing or something else lies there.

    Raises
    ------
    InputError
        If a checksum is given and no checksum.
    ModelError
        If the zip's is another.
    """
    text, pin = _pinned(os.fspath(model), sha256)
    path = Path(text).expanduser()
    if not path.is_file():
        return None
    if pin is not None and file_sha256(path) != pin:
        raise ModelError(
            f"{path} is not the file that was meant: its sha256 is {file_sha256(path)}, not {pin}."
        )
    return LocalZip(path)


def model_address(model: str | os.PathLike[str], sha256: str | None = None) -> ModelAddress | None:
    """Take an address of a model apart; None for a path.

    Raises
    ------
    InputError
        If it is of no form that is read.
    """
    text, pin = _pinned(os.fspath(model), sha256)
    if not _SCHEME.match(text):
        return None
    text = _of_page(text)
    doi = _DOI.match(text)
    if doi:
        record = _RECORD.match(doi[2])
        if doi[1] != "10.5281" or not record:
            raise InputError(f"Of DOIs only Zenodo's are read, {_FORMS[1]}; got {text!r}.")
        return ModelAddress("zenodo", record[1], record[2], pin)
    if text.lower().startswith("hf:"):
        repository = _REPOSITORY.match(text)
        if not repository or ".." in text:
            raise InputError(f"A repository of the hub is {_FORMS[2]}; got {text!r}.")
        return ModelAddress("hub", f"{repository[1]}/{repository[2]}", repository[3], pin)
    if not text.lower().startswith(("http://", "https://")):
        raise InputError(f"The address of a model is {', '.join(_FORMS)}; got {shown(text)!r}.")
    check_url(text, "model", query=True)
    return ModelAddress("zip", text, None, pin)


_FORMS = ("https://....zip", "doi:10.5281/zenodo.<number>", "hf://<owner>/<name>[@<revision>]")


def _of_page(text: str) -> str:
    """The address that a page of a record or repository tells of; other addresses as they are."""
    record, repository = _PAGE_OF_RECORD.match(text), _PAGE_OF_REPOSITORY.match(text)
    if record:
        return f"doi:10.5281/zenodo.{record[1]}"
    if repository:
        return f"hf://{repository[1]}" + (f"@{repository[2]}" if repository[2] else "")
    return text


def _pinned(text: str, sha256: str | None) -> tuple[str, str | None]:
    """An address without its ``#sha256=``, and the checksum that it or the argument gives."""
    if sha256 is not None and not isinstance(sha256, str):
        raise InputError(f"{words.arg('sha256')} must be text; got {words.value(sha256)}.")
    match = _PIN.search(text)
    pins = {pin.lower() for pin in (match and match[1], sha256) if pin is not None}
    if any(not re.fullmatch("[0-9a-f]{64}", pin) for pin in pins):
        raise InputError(
            f"{words.arg('sha256')} must be 64 hexadecimal digits; got {words.value(max(pins, key=len))}."
        )
    if len(pins) > 1:
        raise InputError(
            f"{words.arg('sha256')} and the address name different checksums: {', '.join(sorted(pins))}."
        )
    return text[: match.start()] if match else text, next(iter(pins), None)
