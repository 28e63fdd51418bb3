"""Keywords in XMP: ours put in, replaced and taken out, and all else left as it is.

A sidecar comes from anywhere, so nothing that XML can do beyond plain elements is allowed in it. Which
keywords are ours is written beside them, under a namespace of our own, because a person may have the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from xml.dom import Node, minidom
from xml.dom.minidom import Document, Element
from xml.parsers import expat

__all__ = ["Keywords", "XmpError", "edited", "keywords_of"]

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_OURS = "urn:lucas-habitat:1.0/"
_PREFIX = "lucas"

#: Elements within elements; XMP needs a dozen.
_DEEPEST = 100
# Characters that no XML may hold.
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CONTAINERS = ("Bag", "Seq", "Alt")


class _List(NamedTuple):
    """A list of keywords that photo managers read."""

    namespace: str
    prefix: str
    name: str
    container: str


_LISTS = {
    "subject": _List("http://purl.org/dc/elements/1.1/", "dc", "subject", "Bag"),
    "hierarchicalSubject": _List(
        "http://ns.adobe.com/lightroom/1.0/", "lr", "hierarchicalSubject", "Bag"
    ),
    "TagsList": _List("http://www.digikam.org/ns/1.0/", "digiKam", "TagsList", "Seq"),
}

_NEW = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="lucas-habitat">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 </rdf:RDF>
</x:xmpmeta>
"""


class XmpError(ValueError):
    """A sidecar that is left as it is, and why."""


@dataclass(frozen=True)
class Keywords:
    """What a sidecar says of a photo: by list its keywords, and class and confidence as they are."""

    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)


def keywords_of(habitat: str, confidence: float, keyword: str) -> Keywords:
    """The keywords of a class, and of how sure it is to a tenth.

    Parameters
    ----------
    habitat : str
    confidence : float
    keyword : str
        What stands above them.
    """
    tenth = min(math.floor(confidence * 10 + 1e-9), 9) / 10
    sure = f"confidence {tenth:.1f}"
    branches = [(keyword, habitat), (keyword, "confidence", sure)]
    return Keywords(
        {"habitat": _clean(habitat), "confidence": f"{confidence:.4f}"},
        {
            "subject": [_part(habitat), sure],
            "hierarchicalSubject": ["|".join(map(_part, branch)) for branch in branches],
            "TagsList": ["/".join(map(_part, branch)) for branch in branches],
        },
    )


def _clean(text: str) -> str:
    return _NEVER.sub("", text)


def _part(text: str) -> str:
    """A name without what separates names of different levels."""
    return re.sub(r"[|/]", "-", _clean(text)).strip() or "-"


def edited(data: bytes | None, keywords: Keywords | None) -> bytes | None:
    """A sidecar with our keywords, or without them.

    Parameters
    ----------
    data : bytes or None
        What the sidecar holds; None where there is none.
    keywords : Keywords or None
        What is to be in it from us.

    Returns
    -------
    bytes or None
        Nothing if nothing is left in it, None if it is as it should be.

    Raises
    ------
    XmpError
        If it is no XMP, or more than plain XML.
    """
    if data is None and keywords is None:
        return None
    document = _parsed(_NEW if data is None else data)
    sidecar = _Sidecar(document)
    if not sidecar.put(keywords or Keywords()) and data is not None:
        return None
    if sidecar.is_empty and keywords is None:
        return b""
    return _written(document).encode()


def _parsed(data: bytes) -> Document:
    """A sidecar's XML, after it was made sure that it is plain."""
    parser, depth = expat.ParserCreate(), 0

    def refuse(*_: object) -> None:
        raise XmpError("it has a document type, which no sidecar needs")

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise XmpError("its elements are nested too deeply")

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    try:
        parser.Parse(data, True)
        return minidom.parseString(data)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, XmpError):
            raise
        raise XmpError(f"it is no XML: {error}") from error


class _Sidecar:
    """A sidecar's properties, whatever form they are written in."""

    def __init__(self, document: Document) -> None:
        self._document = document
        found = document.getElementsByTagNameNS(_RDF, "RDF")
        if len(found) != 1:
            raise XmpError("it holds no XMP" if not found else "it holds XMP several times")
        self._rdf = found[0]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said of the photo."""
        return not list(_elements(self._rdf))

    def put(self, keywords: Keywords) -> bool:
        """Have these keywords from us and no others; whether that changed anything."""
        before = self._ours()
        ours = Keywords(dict(keywords.values))
        is_changed = False
        for name, kind in _LISTS.items():
            wanted = keywords.lists.get(name, [])
            recorded = before.lists.get(name, [])
            container = self._container(kind) if wanted or recorded else None
            items = {} if container is None else {_text(item): item for item in _items(container)}
            old = [text for text in recorded if text in items and text not in wanted]
            new = [text for text in wanted if text not in items]
            # A keyword that was there before us stays a person's own.
            ours.lists[name] = [text for text in wanted if text in recorded or text in new]
            if old and container is not None:
                for text in old:
                    _remove(items[text])
                if not new and not _items(container):
                    self._remove_property(_parent(container))
            if new:
                container = self._container(kind) or self._make_list(kind)
                for text in new:
                    self._append(container, text)
            is_changed |= bool(old or new)
        if ours.values == before.values and _filled(ours.lists) == _filled(before.lists):
            return is_changed
        self._record(ours)
        return True

    # ---- finding -----------------------------------------------------------------------------

    def _descriptions(self) -> list[Element]:
        return [e for e in _elements(self._rdf) if _is(e, _RDF, "Description")]

    def _container(self, kind: _List) -> Element | None:
        """The element that holds the items of a list; None where there is no such list."""
        for description in self._descriptions():
            if description.hasAttributeNS(kind.namespace, kind.name):
                raise XmpError(f"its {kind.prefix}:{kind.name} is no list")
            for child in _elements(description):
                if _is(child, kind.namespace, kind.name):
                    for container in _elements(child):
                        if container.namespaceURI == _RDF and container.localName in _CONTAINERS:
                            return container
                    raise XmpError(f"its {kind.prefix}:{kind.name} is no list")
        return None

    def _ours(self) -> Keywords:
        """What we wrote before, as another program may have rearranged it since."""
        ours = Keywords()
        for description in self._descriptions():
            for (namespace, name), value in description.attributes.itemsNS():
                if namespace == _OURS:
                    ours.values[name] = value
            for child in _elements(description):
                if child.namespaceURI == _OURS:
                    name = str(child.localName)
                    inner = list(_elements(child))
                    if inner:
                        ours.lists[name] = [_text(item) for item in _items(inner[0])]
                    else:
                        ours.values[name] = _text(child)
        return ours

    # ---- changing ----------------------------------------------------------------------------

    def _record(self, ours: Keywords) -> None:
        """Write down which keywords are ours, in the place of what was written before."""
        for description in self._descriptions():
            for child in list(_elements(description)):
                if child.namespaceURI == _OURS:
                    _remove(child)
            for namespace, name in list(description.attributes.keysNS()):
                if namespace == _OURS:
                    description.removeAttributeNS(_OURS, name)
            self._remove_if_empty(description)
        if not ours.values and not _filled(ours.lists):
            return
        description = self._make_description(_OURS, _PREFIX)
        for name, value in ours.values.items():
            self._child(description, _OURS, f"{_PREFIX}:{name}", value)
        for name, texts in _filled(ours.lists).items():
            element = self._child(description, _OURS, f"{_PREFIX}:{name}")
            container = self._child(element, _RDF, self._rdf_name("Bag"))
            for text in texts:
                self._append(container, text)

    def _make_list(self, kind: _List) -> Element:
        """A new list of keywords, in a description of its own."""
        description = self._make_description(kind.namespace, kind.prefix)
        element = self._child(description, kind.namespace, f"{kind.prefix}:{kind.name}")
        return self._child(element, _RDF, self._rdf_name(kind.container))

    def _make_description(self, namespace: str, prefix: str) -> Element:
        """A new description of the same photo, in which a prefix stands for a namespace."""
        about = next(
            (d.getAttributeNS(_RDF, "about") for d in self._descriptions()), ""
        )  # all are of one photo
        description = self._child(self._rdf, _RDF, self._rdf_name("Description"))
        description.setAttributeNS(_RDF, self._rdf_name("about"), about)
        description.setAttributeNS(_XMLNS, f"xmlns:{prefix}", namespace)
        return description

    def _rdf_name(self, name: str) -> str:
        return f"{self._rdf.prefix}:{name}" if self._rdf.prefix else name

    def _child(
        self, parent: Element, namespace: str, name: str, text: str | None = None
    ) -> Element:
        """A new element at the end of another, on a line of its own."""
        element = self._document.createElementNS(namespace, name)
        if text is not None:
            element.appendChild(self._document.createTextNode(text))
        depth, above = 0, parent
        while above.parentNode is not self._document:
            depth, above = depth + 1, _parent(above)
        last = parent.lastChild
        if _is_blank(last):
            parent.removeChild(cast(Any, last))
        parent.appendChild(self._document.createTextNode("\n" + " " * (depth + 1)))
        parent.appendChild(element)
        parent.appendChild(self._document.createTextNode("\n" + " " * depth))
        return element

    def _append(self, container: Element, text: str) -> None:
        self._child(container, _RDF, self._rdf_name("li"), text)

    def _remove_property(self, element: Element) -> None:
        description = _parent(element)
        _remove(element)
        self._remove_if_empty(description)

    def _remove_if_empty(self, description: Element) -> None:
        """Remove a description that says nothing more."""
        namespaces = {namespace for namespace, _ in description.attributes.keysNS()}
        if not list(_elements(description)) and namespaces <= {_RDF, _XMLNS}:
            _remove(description)


def _filled(lists: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: texts for name, texts in lists.items() if texts}


def _elements(parent: Element) -> Iterator[Element]:
    return (node for node in parent.childNodes if node.nodeType == Node.ELEMENT_NODE)


def _is(element: Element, namespace: str, name: str) -> bool:
    return element.namespaceURI == namespace and element.localName == name


def _items(container: Element) -> list[Element]:
    return [e for e in _elements(container) if _is(e, _RDF, "li")]


def _parent(element: Element) -> Element:
    return cast(Element, element.parentNode)


def _text(element: Element) -> str:
    nodes: list[Any] = list(element.childNodes)
    kinds = (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)
    return "".join(node.data for node in nodes if node.nodeType in kinds)


def _is_blank(node: Any) -> bool:
    return node is not None and node.nodeType == Node.TEXT_NODE and not node.data.strip()


def _remove(element: Element) -> None:
    """Remove an element with the line break before it."""
    parent, before = _parent(element), element.previousSibling
    if _is_blank(before):
        parent.removeChild(cast(Any, before))
    parent.removeChild(element)


# ---- writing ------------------------------------------------------------------------------------

_IN_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_VALUE = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def _written(document: Document) -> str:
    """A document as text; minidom itself loses line breaks in attributes."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' if document.version else ""
    return head + "\n".join(_markup(node) for node in document.childNodes) + "\n"


def _markup(node: Any) -> str:
    """A node and all in it as text."""
    if node.nodeType == Node.ELEMENT_NODE:
        values = "".join(
            f' {name}="{_escaped(value, _IN_VALUE)}"' for name, value in node.attributes.items()
        )
        inner = "".join(map(_markup, node.childNodes))
        return (
            f"<{node.tagName}{values}>{inner}</{node.tagName}>"
            if inner
            else f"<{node.tagName}{values}/>"
        )
    if node.nodeType == Node.TEXT_NODE:
        return _escaped(node.data, _IN_TEXT)
    if node.nodeType == Node.CDATA_SECTION_NODE:
        return f"<![CDATA[{node.data}]]>"
    if node.nodeType == Node.COMMENT_NODE:
        return f"<!--{node.data}-->"
    return f"<?{node.target} {node.data}?>"


def _escaped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(letter, letter) for letter in text)
