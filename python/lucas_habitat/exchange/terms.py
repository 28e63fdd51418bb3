"""Terms of Darwin Core, Audiovisual Core and OBIS, by the names of our columns.

From the definitions that GBIF publishes at https://rs.gbif.org: Event (core, issued 2026-02-12), Extended
Measurement Or Facts (2023-08-28) and Audiovisual Media Description (2026-04-10).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EVENT", "MEASUREMENT", "MEDIA", "RowType"]

_DWC = "http://rs.tdwg.org/dwc/terms/"
_DCTERMS = "http://purl.org/dc/terms/"
_DC = "http://purl.org/dc/elements/1.1/"
_AC = "http://rs.tdwg.org/ac/terms/"
_XMP = "http://ns.adobe.com/xap/1.0/"


class RowType(NamedTuple):
    """A kind of row: the file that holds them, its URI, and the columns after the event's id."""

    file: str
    uri: str
    terms: dict[str, str]  # URI by column


def _of(space: str, *names: str) -> dict[str, str]:
    return {name: space + name for name in names}


EVENT = RowType(
    "event.csv",
    f"{_DWC}Event",
    {
        **_of(
            _DWC,
            "eventID",
            "eventType",
            "eventDate",
            "year",
            "habitat",
            "samplingProtocol",
            "sampleSizeValue",
            "sampleSizeUnit",
            "eventRemarks",
            "locationID",
            "countryCode",
            "decimalLatitude",
            "decimalLongitude",
            "geodeticDatum",
            "coordinateUncertaintyInMeters",
            "dataGeneralizations",
            "informationWithheld",
            "datasetName",
        ),
        **_of(_DCTERMS, "license", "rightsHolder"),
    },
)

MEASUREMENT = RowType(
    "measurement.csv",
    "http://rs.iobis.org/obis/terms/ExtendedMeasurementOrFact",
    _of(
        _DWC,
        "measurementID",
        "measurementType",
        "measurementValue",
        "measurementUnit",
        "measurementAccuracy",
        "measurementDeterminedBy",
        "measurementMethod",
        "measurementRemarks",
    ),
)

MEDIA = RowType(
    "media.csv",
    f"{_AC}Multimedia",
    {
        **_of(_DCTERMS, "identifier"),
        **_of(_DC, "type"),
        **_of(_AC, "subtypeLiteral", "accessURI"),
        **_of(_DC, "format"),
        **_of(_DCTERMS, "description"),
        **_of(_XMP, "CreateDate"),
        **_of(_DCTERMS, "rights"),
        **_of(f"{_XMP}rights/", "Owner", "UsageTerms"),
        "Credit": "http://ns.adobe.com/photoshop/1.0/Credit",
    },
)
