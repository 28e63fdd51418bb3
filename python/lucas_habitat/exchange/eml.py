"""Metadata of an archive in EML, as the GBIF profile 1.3 of EML 2.2.0 has it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

from .events import Events
from .licences import Author, Licence
from .provenance import Provenance
from .texts import one_line, paragraphs

__all__ = ["About", "eml_of"]

_EML = "https://eml.ecoinformatics.org/eml-2.2.0"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XML = "http://www.w3.org/XML/1998/namespace"
_SCHEMA = f"{_EML} https://rs.gbif.org/schema/eml-gbif-profile/1.3/eml.xsd"

ET.register_namespace("eml", _EML)


class About(NamedTuple):
    """What a user says of an archive, and what follows from it."""

    title: str
    authors: list[Author]
    licence: Licence
    abstract: str
    published: str  # ISO date
    credit: list[str]  # lines to print with the survey's photos


def eml_of(about: About, events: Events, provenance: Provenance, package_id: str) -> bytes:
    """The document."""
    root = ET.Element(
        f"{{{_EML}}}eml",
        {
            f"{{{_XSI}}}schemaLocation": _SCHEMA,
            "packageId": package_id,
            "system": "http://gbif.org",
            "scope": "system",
            f"{{{_XML}}}lang": "eng",
        },
    )
    dataset = ET.SubElement(root, "dataset")
    _add(dataset, "title", about.title)
    for author in about.authors:
        _add_agent(dataset, "creator", author)
    _add_agent(dataset, "metadataProvider", about.authors[0])
    _add(dataset, "pubDate", about.published)
    _add(dataset, "language", "eng")
    _add_paragraphs(ET.SubElement(dataset, "abstract"), paragraphs(about.abstract))
    _add_keywords(dataset)
    if about.credit:
        # One paragraph is all that the profile takes here.
        _add_paragraphs(ET.SubElement(dataset, "additionalInfo"), [" ".join(about.credit)])
    _add_licence(dataset, about.licence)
    _add_coverage(dataset, events)
    _add_agent(dataset, "contact", about.authors[0])
    _add_methods(dataset, about, events, provenance)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add(parent: ET.Element, name: str, text: object) -> ET.Element:
    """Add an element that holds a line of text."""
    element = ET.SubElement(parent, name)
    element.text = one_line(text)
    return element


def _add_paragraphs(parent: ET.Element, texts: list[str]) -> None:
    for text in texts:
        _add(parent, "para", text)


def _add_agent(parent: ET.Element, name: str, author: Author) -> None:
    """Add a person."""
    agent = ET.SubElement(parent, name)
    person = ET.SubElement(agent, "individualName")
    if author.given:
        _add(person, "givenName", author.given)
    _add(person, "surName", author.family)
    if author.mail:
        _add(agent, "electronicMailAddress", author.mail)
    if author.orcid:
        _add(agent, "userId", author.orcid).set("directory", "https://orcid.org/")


def _add_keywords(dataset: ET.Element) -> None:
    """Add what the data are found by."""
    for words, thesaurus in (
        (["habitat", "land cover", "ground photographs", "image classification"], "n/a"),
        (["Samplingevent"], "http://rs.gbif.org/vocabulary/gbif/dataset_type_2015-07-10.xml"),
    ):
        keywords = ET.SubElement(dataset, "keywordSet")
        for word in words:
            _add(keywords, "keyword", word)
        _add(keywords, "keywordThesaurus", thesaurus)


def _add_licence(dataset: ET.Element, licence: Licence) -> None:
    """Add the licence, as portals read it, by its address."""
    rights = ET.SubElement(ET.SubElement(dataset, "intellectualRights"), "para")
    rights.text = "This work is licensed under "
    link = ET.SubElement(rights, "ulink", url=licence.url)
    _add(link, "citetitle", licence.name)
    link.tail = "."
    licensed = ET.SubElement(dataset, "licensed")
    _add(licensed, "licenseName", licence.name)
    _add(licensed, "url", licence.url)
    _add(licensed, "identifier", licence.id)


def _add_coverage(dataset: ET.Element, events: Events) -> None:
    """Add where and when: of what is told, not of what is known."""
    box = bounds_of(events)
    if box is None and not events.years:
        return
    coverage = ET.SubElement(dataset, "coverage")
    if box is not None:
        place = ET.SubElement(coverage, "geographicCoverage")
        countries = sorted(set(events.country) - {""})
        where = f"{len(set(events.location))} points"
        _add(
            place,
            "geographicDescription",
            f"{where} in {', '.join(countries)}" if countries else where,
        )
        bounds = ET.SubElement(place, "boundingCoordinates")
        for side, degrees in zip(("west", "east", "north", "south"), box, strict=True):
            _add(bounds, f"{side}BoundingCoordinate", f"{degrees:.5f}")
    if events.years:
        span = ET.SubElement(ET.SubElement(coverage, "temporalCoverage"), "rangeOfDates")
        for end, year in (("beginDate", events.years[0]), ("endDate", events.years[-1])):
            _add(ET.SubElement(span, end), "calendarDate", year)


def bounds_of(events: Events) -> tuple[float, float, float, float] | None:
    """West, east, north and south of the places that are told; None without any."""
    import numpy as np

    lon, lat = events.places.lonlat
    is_known = np.isfinite(lon)
    if not is_known.any():
        return None
    lon, lat = lon[is_known], lat[is_known]
    return float(lon.min()), float(lon.max()), float(lat.max()), float(lat.min())


def _add_methods(dataset: ET.Element, about: About, events: Events, provenance: Provenance) -> None:
    """Add what was done, how points were chosen, and how good the classes are."""
    methods = ET.SubElement(dataset, "methods")
    steps = [[f"{provenance.method}.", *provenance.about]]
    if events.is_blurred:
        steps.append([BLURRED])
    if about.credit:
        steps.append(["The photos are those of the LUCAS survey.", *about.credit])
    for step in steps:
        description = ET.SubElement(ET.SubElement(methods, "methodStep"), "description")
        _add_paragraphs(description, step)
    sampling = ET.SubElement(methods, "sampling")
    extent = ET.SubElement(ET.SubElement(sampling, "studyExtent"), "description")
    years = f" of {', '.join(map(str, events.years))}" if events.years else ""
    _add_paragraphs(
        extent, [f"{len(events.id)} visits{years} to {len(set(events.location))} points."]
    )
    _add_paragraphs(
        ET.SubElement(sampling, "samplingDescription"),
        [
            "Photographs taken from the ground, of a point and around it; each was classified by itself."
        ],
    )
    if provenance.accuracy:
        quality = ET.SubElement(ET.SubElement(methods, "qualityControl"), "description")
        _add_paragraphs(quality, [provenance.accuracy])


#: What is said of archives whose places are blurred.
BLURRED = (
    "Coordinates were replaced by those of the centres of grid cells, with the uncertainty that follows; "
    "ids of points were replaced by random ones; days, names and addresses of photos were left out; shares "
    "and probabilities were rounded to two decimals; rows are in the order of the random ids."
)
