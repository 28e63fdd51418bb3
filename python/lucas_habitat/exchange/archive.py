"""Darwin Core archives: points as events, what was found there as measurements, their photos as media."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import uuid
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import check_ending
from .._base.classes import calibrated_rows
from .._base.files import check_out_file, write_atomically
from .._base.signatures import checked
from .._base.tables import as_table
from .._base.types import Photos, Table
from ..evaluation import Judged
from ..model import Model
from ..photos import as_photos
from ..survey.credit import credit
from .blurring import check_blurring
from .eml import About, eml_of
from .events import Events, days_of, read_events
from .licences import authors_of, licence_of
from .media import Holder, media_of, survey_years
from .provenance import Provenance, provenance_of
from .terms import EVENT, MEASUREMENT, MEDIA, RowType
from .texts import check_texts, one_line

__all__ = ["write_dwca"]

_TEXT = "http://rs.tdwg.org/dwc/text/"
_SCHEMA = f"{_TEXT} http://rs.tdwg.org/dwc/text/tdwg_dwc_text.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: The same content gives the same bytes: files of an archive are as old as zips can say.
_DATE = (1980, 1, 1, 0, 0, 0)
_WITHHELD = (
    "Exact coordinates, original id of the point, day of the visit, names and addresses of photos"
)

Row = Sequence[object]


@checked
def write_dwca(
    points: Table,
    out: str | os.PathLike[str],
    *,
    title: str,
    authors: str | Sequence[str],
    licence: str,
    abstract: str | None = None,
    photos: Photos | None = None,
    model: Model | None = None,
    evaluation: Judged | None = None,
    rights_holder: str | None = None,
    uncertainty: float | str = 30.0,
    grid: float | None = None,
    key: str | os.PathLike[str] | None = None,
) -> Path:
    """Write points as a Darwin Core archive, which GBIF and its tools read; blurred where asked.

    Each point and year is an event, its predicted class the event's habitat. Class, confidence,
    agreement of photos and the probability of each class are its measurements (Extended Measurement Or
    Facts), with the model as their method; its photos are media (Audiovisual Core). The metadata
    (EML) say how classes came to be, how good they are, and whom to credit.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned: ``point_id``, ``year``, ``n_photos``, ``predicted``, ``p_<class>``; places as
        for `covariates`; ``date`` or ``datetime``, where there, is the day; ``nuts0`` the country;
        ``habitat`` a reference class, which is told beside the predicted one.
    out : path
        The archive, ``.zip``; an earlier one is replaced.
    title : str
        Of the data set.
    authors : str or sequence of str
        Such as ``"Ada Lovelace"`` or ``"Ada Lovelace <ada@example.org> 0000-0002-1825-0097"``; GBIF asks
        for an address of the first, who is the contact.
    licence : {"CC0-1.0", "CC-BY-4.0", "CC-BY-NC-4.0"}
        Those that GBIF takes.
    abstract : str, optional
        Blank lines part paragraphs. By default one sentence on points, years and model.
    photos : path, sequence of paths, or pandas.DataFrame, optional
        The photos of the points, as `list_photos` takes them, or predictions; with ``datetime`` or ``date``
        they tell when points were seen.
    model : HabitatModel or path, optional
        What classified, or its folder; without it no value says which model it is from.
    evaluation : Evaluation or path, optional
        What `evaluate` returned for this model, or its JSON file: the metadata and each class then say how
        accurate classes are.
    rights_holder : str, optional
        Who holds the rights of the photos, which then go under ``licence``. By default photos of LUCAS points
        and campaigns are taken to be the survey's (CC BY 4.0, with its credit line), others the authors'.
    uncertainty : float or str, default 30
        Metres that positions may be off, more than 0, or the column that holds them. 30 m is what is taken
        for GPS receivers whose accuracy was not noted (Chapman & Wieczorek 2020).
    grid : float, optional
        **Blurs**: coordinates become those of the centre of the cell, with sides of so many metres, of the
        European reference grid (EPSG:3035; 10000 gives the cells of reports on species and
        habitats), and their uncertainty the distance to the farthest place of the cell plus
        ``uncertainty``. Ids of points are replaced by random ones; only years remain of dates; no
        name or address of a photo goes out; shares and probabilities have two decimals.
    key : path, optional
        With ``grid``, the table (``.csv`` or ``.parquet``) of the ids that were replaced, to be
        kept by you. Points that it holds keep their ids from one archive to the next.

    Returns
    -------
    pathlib.Path
        The archive: ``meta.xml``, ``eml.xml``, ``event.csv``, ``measurement.csv`` and, with photos,
        ``media.csv``. The same content gives the same bytes, but for random ids and the day it is made.

    Warns
    -----
    LucasWarning
        If cells are so small that they tell the survey's points, or dates cannot be read.
    LucasMessage
        If no model is named, or photos are of none of the points.

    Raises
    ------
    InputError
        If points stand twice in a year or lack an id, or an argument cannot be used.
    OutputError
        If the archive or the key cannot be written.

    Notes
    -----
    Who has the photos and the model can compute the probabilities again and look for them: two decimals
    make that vaguer, not impossible. Points of the survey lie on a public grid, and a country's
    code stays: what must not be found needs wide cells, or must not be handed on.

    References
    ----------
    Wieczorek, J. et al. (2012). Darwin Core: an evolving community-developed biodiversity data standard.
    PLoS ONE 7(1): e29715. doi:10.1371/journal.pone.0029715

    Chapman, A. D. & Wieczorek, J. R. (2020). Georeferencing best practices. GBIF Secretariat.
    doi:10.15468/doc-gg7h-s853

    Examples
    --------
    >>> write_dwca(
    ...     points, "dk.zip", title="Habitats of Danish plots", authors="Ada Lovelace <ada@example.org>",
    ...     licence="CC-BY-4.0", model="model/", grid=10_000, key="key.csv",
    ... )  # doctest: +SKIP
    """
    what = words.call("write_dwca")
    check_ending("out", out, [".zip"])
    check_blurring(grid, key)
    path = check_out_file(out)
    written_by, under = authors_of(authors), licence_of(licence)
    check_texts(title=title, abstract=abstract, rights_holder=rights_holder)
    table = as_table(points)
    provenance = provenance_of(model, evaluation, table.attrs.get("method"), what)
    photo_table = None if photos is None else as_photos(photos)
    days = None if photo_table is None else days_of(photo_table)
    events = read_events(table, days, uncertainty, grid, key, what)
    years = survey_years(events.predictions.table) if rights_holder is None else []
    about = About(
        one_line(title),
        written_by,
        under,
        abstract or _abstract(events, provenance),
        datetime.now(UTC).date().isoformat(),
        credit(years).splitlines() if years else [],
    )
    names = ", ".join(author.name for author in written_by)
    holder = Holder(rights_holder or names, under, rights_holder is None)
    files = [
        _File(EVENT, _event_rows(events, about, provenance)),
        _File(MEASUREMENT, _measurement_rows(events, provenance)),
    ]
    if photo_table is not None:
        files.append(_File(MEDIA, _media_rows(photo_table, events, holder)))

    def write(tmp: Path) -> None:
        _write(tmp, files, about, events, provenance)

    return write_atomically(path, write)


def _abstract(events: Events, provenance: Provenance) -> str:
    """What an archive holds, where its author does not say so."""
    years = f", seen in {', '.join(map(str, events.years))}" if events.years else ""
    return (
        f"Habitat classes ({', '.join(events.predictions.classes)}) of {len(set(events.location))} points"
        f"{years}, predicted from ground photos by {provenance.model}. They are predictions, not "
        "determinations in the field."
    )


# ---- rows ----------------------------------------------------------------------------------------


class _File(NamedTuple):
    """A file of the archive and its rows, each begun by the event's id."""

    kind: RowType
    rows: Iterator[Row]


def _event_rows(events: Events, about: About, provenance: Provenance) -> Iterator[Row]:
    """Points of a year, in the order of `EVENT`."""
    table, places = events.predictions.table, events.places
    owners = ", ".join(author.name for author in about.authors)
    withheld = _WITHHELD if events.is_blurred else ""
    remark = (
        f"Habitat predicted from ground photos by {provenance.model}, not determined in the field"
    )
    predicted = table["predicted"].astype("object")
    for i, id in enumerate(events.id):
        has_place = bool(np.isfinite(places.lonlat.lon[i]))
        n = table["n_photos"].iloc[i]
        year = table["year"].iloc[i]
        habitat = one_line(predicted.iloc[i])
        yield (
            id,
            id,
            "Site Visit",
            events.dates[i],
            "" if pd.isna(year) else int(year),
            habitat,
            "Ground photographs of the point and of the views around it",
            "" if pd.isna(n) else int(n),
            "" if pd.isna(n) else "photographs",
            remark if habitat else "No photo could be read",
            events.location[i],
            events.country[i],
            _degrees(places.lonlat.lat[i]),
            _degrees(places.lonlat.lon[i]),
            "EPSG:4326" if has_place else "",
            int(places.uncertainty[i]) if has_place else "",
            places.generalised[i],
            withheld,
            about.title,
            about.licence.url,
            owners,
        )


def _degrees(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if np.isfinite(value) else ""


def _measurement_rows(events: Events, provenance: Provenance) -> Iterator[Row]:
    """What was found at points, in the order of `MEASUREMENT`."""
    read = events.predictions
    digits = 2 if events.is_blurred else 6
    predicted = read.table["predicted"].astype("object").tolist()
    reference = _texts(read.table, "habitat")
    agreement = _shares(read.table, "agreement", digits)
    confidence, p = read.confidence.round(digits).tolist(), read.p.round(digits).tolist()
    is_calibrated = (
        calibrated_rows(read.table).tolist() if "calibrated" in read.table else [None] * len(p)
    )
    by = (provenance.software, provenance.method)
    for i, id in enumerate(events.id):
        if isinstance(predicted[i], str):
            told = (predicted[i], "", provenance.accuracy, *by, "")
            yield id, f"{id}:class", "habitat class", *told
            remark = _CALIBRATED[is_calibrated[i]]
            share = ("proportion", "", *by)
            yield (
                *(id, f"{id}:confidence", "probability of the habitat class"),
                *(confidence[i], *share, remark),
            )
            if agreement[i] == agreement[i]:
                label = "share of photos whose own class is the habitat class"
                yield id, f"{id}:agreement", label, agreement[i], *share, ""
            for column, label, value in zip(read.columns, read.classes, p[i], strict=True):
                what = f"probability of the habitat class {one_line(label)}"
                yield id, f"{id}:{column}", what, value, *share, remark
        if reference[i]:
            yield (
                *(id, f"{id}:reference", "reference habitat class", reference[i], "", "", ""),
                *("Label of the point that came with the photos", ""),
            )


_CALIBRATED = {True: "calibrated", False: "not calibrated", None: ""}


def _texts(table: pd.DataFrame, name: str) -> list[str]:
    """A column as text, empty where it is missing."""
    if name not in table:
        return [""] * len(table)
    return [one_line(value) for value in table[name].astype("object")]


def _shares(table: pd.DataFrame, name: str, digits: int) -> list[float]:
    """A column of shares, NaN where it is missing."""
    if name not in table:
        return [float("nan")] * len(table)
    values: list[float] = table[name].to_numpy(np.float64, na_value=np.nan).round(digits).tolist()
    return values


def _media_rows(photos: pd.DataFrame, events: Events, holder: Holder) -> Iterator[Row]:
    """Photos, in the order of `MEDIA`."""
    for medium in media_of(photos, events, holder):
        licence = medium.rights.licence
        yield (
            medium.event,
            medium.identifier,
            "StillImage",
            "Photograph",
            medium.address,
            medium.format,
            medium.view,
            medium.created,
            licence.url,
            medium.rights.owner,
            licence.name,
            medium.rights.credit,
        )


# ---- files ---------------------------------------------------------------------------------------


def _write(
    path: Path, files: list[_File], about: About, events: Events, provenance: Provenance
) -> None:
    """Write all files of an archive; its id is drawn from the content of the others."""
    whole = hashlib.sha256()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, rows in files:
            with archive.open(_entry(kind.file), "w", force_zip64=True) as binary:
                for block in _csv_blocks(kind, rows):
                    whole.update(block)
                    binary.write(block)
        package_id = str(uuid.uuid5(uuid.NAMESPACE_URL, whole.hexdigest()))
        archive.writestr(_entry("eml.xml"), eml_of(about, events, provenance, package_id))
        archive.writestr(_entry("meta.xml"), _meta([kind for kind, _ in files]))


def _entry(name: str) -> zipfile.ZipInfo:
    """A file in the archive, the same whenever and wherever it is made."""
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    return entry


def _csv_blocks(kind: RowType, rows: Iterable[Row], size: int = 5000) -> Iterator[bytes]:
    """Rows as CSV, some thousands at a time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", *kind.terms])
    for number, row in enumerate(rows, 1):
        writer.writerow([one_line(v) if isinstance(v, str) else v for v in row])
        if number % size == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _meta(kinds: list[RowType]) -> bytes:
    """What says which column of which file is which term."""
    root = ET.Element(
        "archive",
        {
            "xmlns": _TEXT,
            f"{{{_XSI}}}schemaLocation": _SCHEMA,
            "metadata": "eml.xml",
        },
    )
    for kind in kinds:
        is_core = kind is EVENT
        part = ET.SubElement(
            root,
            "core" if is_core else "extension",
            encoding="UTF-8",
            fieldsTerminatedBy=",",
            linesTerminatedBy="\\n",
            fieldsEnclosedBy='"',
            ignoreHeaderLines="1",
            rowType=kind.uri,
        )
        ET.SubElement(ET.SubElement(part, "files"), "location").text = kind.file
        ET.SubElement(part, "id" if is_core else "coreid", index="0")
        for index, term in enumerate(kind.terms.values(), 1):
            ET.SubElement(part, "field", index=str(index), term=term)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document
