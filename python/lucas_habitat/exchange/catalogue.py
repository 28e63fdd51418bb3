"""Croissant: metadata by which catalogues find a table of photos or points, and programs load it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from .._base import words
from .._base.checks import check_ending
from .._base.classes import labels_of, probability_columns
from .._base.files import check_out_file, file_sha256, full_path, write_json
from .._base.places import LonLat, point_positions
from .._base.runs import is_run, iter_run, part_files, read_run
from .._base.signatures import checked
from .._base.tables import TABLE_ENDINGS, as_table, write_table
from .._base.types import Table
from ..errors import InputError, inform, warn
from ..evaluation import Judged
from ..model import Model
from ..photos import DIRECTIONS, groups_of
from ..sources import base_name, is_remote
from ..survey.credit import credit
from .blurring import check_blurring
from .eml import BLURRED
from .events import locations_of, places_of, told_ids
from .licences import Author, authors_of, licence_of
from .media import address_of, survey_years
from .provenance import Provenance, provenance_of
from .texts import check_texts, one_line, paragraphs

__all__ = ["write_croissant"]

_CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/geo/1.0"]
_FORMATS = {".csv": "text/csv", ".parquet": "application/x-parquet"}
#: Short names, as the specification recommends them and readers expect them, whether they occur or not.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "geocr": "http://mlcommons.org/croissant/geo/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    **{
        name: f"cr:{name}"
        for name in (
            *(
                "arrayShape",
                "citeAs",
                "column",
                "containedIn",
                "equivalentProperty",
                "extract",
                "field",
            ),
            *(
                "fileObject",
                "fileProperty",
                "fileSet",
                "format",
                "includes",
                "isArray",
                "isLiveDataset",
            ),
            *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
            *(
                "repeated",
                "replace",
                "samplingRate",
                "separator",
                "source",
                "subField",
                "transform",
            ),
        )
    },
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}

_COLUMNS = {
    "path": "The photo: its address, or its file.",
    "photo": "The photo, by a number within its point and year.",
    "point_id": "The point.",
    "year": "The year in which the point was seen.",
    "direction": "Where the photo looks: P the point, N, E, S, W, C a close-up of the land cover.",
    "habitat": "The reference class.",
    "split": "train or test.",
    "nuts0": "The country, by the survey's code.",
    "lc1": "The survey's code of land cover.",
    "x": "Easting, metres of EPSG:3035.",
    "y": "Northing, metres of EPSG:3035.",
    "lon": "Longitude, degrees of EPSG:4326.",
    "lat": "Latitude, degrees of EPSG:4326.",
    "coordinate_uncertainty": "Metres from the place told within which the true one lies.",
    "cell": "The cell of the European reference grid (EPSG:3035) whose centre is told.",
    "predicted": "The predicted class.",
    "confidence": "The probability of the predicted class.",
    "agreement": "The share of a point's photos whose own class is the predicted one.",
    "n_photos": "How many photos of the point voted.",
    "calibrated": "Whether probabilities were calibrated.",
    "status": "ok, or why the photo could not be classified.",
    "error": "What exactly was wrong.",
}
_MEANING = {"lon": "sc:longitude", "lat": "sc:latitude"}
_ROLE = {"habitat": "cr:Label", "split": "cr:Split"}
#: What remains of a table whose points are blurred, besides places, probabilities and votes.
_HARMLESS = (
    *("point_id", "year", "direction", "nuts0", "habitat", "split", "n_photos", "predicted"),
    *("confidence", "agreement", "calibrated"),
)


@checked
def write_croissant(
    table: Table,
    out: str | os.PathLike[str],
    *,
    title: str,
    authors: str | Sequence[str],
    licence: str,
    abstract: str | None = None,
    url: str | None = None,
    version: str = "1.0.0",
    model: Model | None = None,
    evaluation: Judged | None = None,
    rights_holder: str | None = None,
    uncertainty: float | str = 30.0,
    grid: float | None = None,
    key: str | os.PathLike[str] | None = None,
) -> Path:
    """Write Croissant metadata, with its terms for places, beside a table of photos or points, or a run.

    The document says what the table is of, who made it, under which licence, where and when, which files
    hold it (with their SHA-256) and what each column is: catalogues of data sets index it, and programs
    (``mlcroissant``, TensorFlow Datasets) load the table by it.

    Parameters
    ----------
    table : pandas.DataFrame, path or Run
        A photo table, predictions, or points. A file (``.csv``, ``.parquet``) or the folder of a run is
        described as it is, and must lie in the folder of ``out`` or below. A table in memory, or one
        that is blurred, is written beside ``out`` as Parquet, under the same name.
    out : path
        The document, ``.json``; an earlier one is replaced.
    title, authors, licence, abstract
        As for `write_dwca`.
    url : str, optional
        The data set's page on the web, which the specification asks for.
    version : str, default "1.0.0"
        Of the data set.
    model, evaluation, rights_holder
        As for `write_dwca`.
    uncertainty, grid, key
        As for `write_dwca`: with ``grid`` the table beside ``out`` has centres of cells for places, random
        ids, years for dates, no paths, and two decimals; columns that are not known to be harmless are
        left out. ``uncertainty`` counts with ``grid`` only.

    Returns
    -------
    pathlib.Path
        The document.

    Warns
    -----
    LucasWarning
        If a file that is described as it is holds paths of this computer, or cells are so small that they
        tell the survey's points.
    LucasMessage
        If no ``url`` is given, or classes were predicted and no model is named.

    Raises
    ------
    InputError
        If a file does not lie in the document's folder, or an argument cannot be used.
    OutputError
        If a file cannot be written.

    References
    ----------
    Akhtar, M. et al. (2024). Croissant: a metadata format for ML-ready datasets. Advances in Neural
    Information Processing Systems 37, 82133-82148. The specifications are Croissant 1.1 and GeoCroissant
    1.0 of MLCommons, http://mlcommons.org/croissant/1.1 and http://mlcommons.org/croissant/geo/1.0.

    Examples
    --------
    >>> write_croissant(
    ...     "run/", "croissant.json", title="Habitats of LUCAS photos", authors="Ada Lovelace",
    ...     licence="CC-BY-4.0", url="https://example.org/habitats", model="model/",
    ... )  # doctest: +SKIP
    """
    path = _checked(out, title, url, version, grid, key)
    check_texts(abstract=abstract, rights_holder=rights_holder)
    written_by, under = authors_of(authors), licence_of(licence)
    if not isinstance(table, str | os.PathLike) or grid is not None:
        data = _own_copy(as_table(table), path, uncertainty, grid, key)
    else:
        data = _described(table, path)
    provenance = None
    if "predicted" in data.sample:
        provenance = provenance_of(model, evaluation, data.vote, words.call("write_croissant"))
    today = datetime.now(UTC).date()
    years = survey_years(data.points) if rights_holder is None else []
    said = {
        "name": one_line(title),
        "description": _description(abstract, data, provenance),
        "url": url,
        "version": version,
        "datePublished": today.isoformat(),
        "citeAs": f"{', '.join(a.name for a in written_by)} ({today.year}). {one_line(title)}, version "
        f"{one_line(version)}.{f' {url}' if url else ''}",
        "license": under.url,
        "creator": [_person(author) for author in written_by],
        "creditText": credit(years) if years else rights_holder,
        "keywords": ["habitat", "land cover", "ground photographs", "image classification"],
    }
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS,
        **{name: value for name, value in said.items() if value},
        **_coverage(data, grid),
        "distribution": data.files,
        "recordSet": [_record_set(data)],
    }
    return write_json(document, path)


def _checked(
    out: str | os.PathLike[str],
    title: object,
    url: object,
    version: object,
    grid: float | None,
    key: str | os.PathLike[str] | None,
) -> Path:
    """The document's full path; refuses arguments before anything is computed."""
    check_ending("out", out, [".json"])
    check_texts(title=title, version=version)
    if url is None:
        inform(
            f"Croissant asks for the data set's page on the web; {words.option('url')} gives it."
        )
    elif not isinstance(url, str) or not url.startswith(("https://", "http://")) or " " in url:
        raise InputError(
            f"{words.arg('url')} must be an address such as https://example.org/habitats; got "
            f"{words.value(url)} instead."
        )
    check_blurring(grid, key)
    return check_out_file(out)


# ---- the table -----------------------------------------------------------------------------------


class _Data(NamedTuple):
    """A table that is described."""

    name: str  # of its records: photos or points
    files: list[dict[str, Any]]
    source: dict[str, Any]  # which of them hold the records
    sample: pd.DataFrame  # some rows, with all columns
    points: pd.DataFrame  # of all rows: point_id, year, country
    places: LonLat
    n_rows: int
    vote: object  # its method, where the table notes it
    is_blurred: bool


def _own_copy(
    table: pd.DataFrame,
    path: Path,
    uncertainty: float | str,
    grid: float | None,
    key: str | os.PathLike[str] | None,
) -> _Data:
    """A table written beside the document, blurred where a grid is given."""
    vote = table.attrs.get("method")
    table = table.assign(point_id=_ids_of(table))
    points = _points_of(table)
    if grid is None:
        table = _with_told_paths(table)
        places = point_positions(table)
    else:
        table, places = _blurred(table, uncertainty, grid, key)
    file = write_table(table, path.with_suffix(".parquet"))
    return _Data(
        _name_of(table),
        [_file_object(file, path.parent)],
        {"fileObject": {"@id": file.name}},
        table,
        points,
        places,
        len(table),
        vote,
        grid is not None,
    )


def _ids_of(table: pd.DataFrame) -> pd.Series:
    """The points of rows; a photo without a point stands for itself."""
    if "path" in table:
        return groups_of(table if "point_id" in table else table.assign(point_id=None))
    if "point_id" not in table:
        raise InputError(
            f"{words.call('write_croissant')} needs a table of photos, with the column path, or of points, "
            "with point_id."
        )
    return table["point_id"].astype("str")


def _points_of(table: pd.DataFrame) -> pd.DataFrame:
    """Point, year and country of each row."""
    points = table[["point_id"]].assign(year=pd.array([pd.NA] * len(table), dtype="Int64"))
    return points.assign(**{name: table[name] for name in ("year", "nuts0") if name in table})


def _with_told_paths(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose paths, and ids that are paths, tell nothing of this computer."""
    table = table.assign(point_id=told_ids(table["point_id"]))
    if "path" not in table:
        return table
    paths = [
        address_of(str(path), row) or base_name(str(path))
        for path, row in zip(table["path"], table.itertuples(), strict=True)
    ]
    return table.assign(path=paths)


def _blurred(
    table: pd.DataFrame,
    uncertainty: float | str,
    grid: float,
    key: str | os.PathLike[str] | None,
) -> tuple[pd.DataFrame, LonLat]:
    """A table with nothing in it that tells a point, and where its points are told to be."""
    probabilities = [*probability_columns(table), *probability_columns(table, "v_")]
    kept = [name for name in _HARMLESS if name in table]
    told = table[[*kept, *probabilities]].copy()
    told.attrs = {}  # Parquet keeps them, and what others noted may tell points
    shares = [*probabilities, *(c for c in ("confidence", "agreement") if c in told)]
    told[shares] = told[shares].apply(pd.to_numeric, errors="coerce").round(2)
    places = places_of(table, uncertainty, grid)
    told["point_id"] = locations_of(table["point_id"], grid, key)
    told["lon"], told["lat"] = places.lonlat
    told["coordinate_uncertainty"] = pd.array(places.uncertainty).astype("Int64")
    told["cell"] = [text.rpartition(": ")[2] for text in places.generalised]
    by = ["point_id", *(name for name in ("year", "direction") if name in told)]
    order = pd.DataFrame(told[by])
    if "direction" in order:
        order["direction"] = pd.Categorical(order["direction"], categories=DIRECTIONS).codes
    told = told.loc[order.sort_values(by, kind="stable").index].reset_index(drop=True)
    if "path" in table:
        year = told["year"].astype("str") if "year" in told else ""
        number = told.groupby([c for c in by if c != "direction"], dropna=False).cumcount() + 1
        told.insert(0, "photo", told["point_id"] + "-" + year + "-" + number.astype("str"))
    lon, lat = (told[c].to_numpy(np.float64) for c in ("lon", "lat"))
    return told, LonLat(lon, lat)


def _described(table: str | os.PathLike[str], path: Path) -> _Data:
    """A file or run that is described where it lies."""
    source = full_path(table)
    if is_run(source):
        files = part_files(source)
        sample = next(iter_run(source))
        wanted = ["path", "point_id", "year", "nuts0", "x", "y", "lon", "lat"]
        rows = as_table(read_run(source, [c for c in wanted if c in sample]))
    else:
        rows = sample = as_table(source)
        files = [source]
    _warn_of_paths(sample)
    rows = rows.assign(point_id=_ids_of(rows))
    objects = [_file_object(file, path.parent) for file in files]
    name = _name_of(sample)
    places = point_positions(rows)
    origin = {"fileObject": {"@id": objects[0]["@id"]}}
    if len(objects) > 1:
        parts = {
            "@type": "cr:FileSet",
            "@id": f"{name}-files",
            "name": f"{name}-files",
            "description": "The parts of the table, in the order of their names.",
            "encodingFormat": objects[0]["encodingFormat"],
            "includes": _beside(source, path.parent, "part-*.parquet"),
        }
        objects, origin = [*objects, parts], {"fileSet": {"@id": parts["@id"]}}
    vote = sample.attrs.get("method")
    return _Data(name, objects, origin, sample, _points_of(rows), places, len(rows), vote, False)


def _beside(folder: Path, place: Path, name: str) -> str:
    """A name in a folder, from the document's place."""
    return (folder.relative_to(place) / name).as_posix()


def _warn_of_paths(sample: pd.DataFrame) -> None:
    """Warn of what a file that is described as it is tells of this computer."""
    if "path" not in sample or sample.empty:
        return
    first = str(sample["path"].iloc[0])
    if not is_remote(first) and (os.path.isabs(first) or "\\" in first):
        warn(
            f"The column path tells of this computer ({first}). Give the table itself instead of its file to "
            "have a copy with file names and public addresses written."
        )


def _name_of(table: pd.DataFrame) -> str:
    return "photos" if "path" in table or "photo" in table else "points"


def _file_object(file: Path, folder: Path) -> dict[str, Any]:
    """What is said of a file in the document's folder."""
    if not file.is_relative_to(folder):
        raise InputError(
            f"{file} does not lie in the folder of {words.arg('out')} ({folder}), so that nobody who gets "
            "both finds it. Write the document beside it."
        )
    place = file.relative_to(folder).as_posix()
    ending = file.suffix.lower()
    if ending not in TABLE_ENDINGS:
        raise InputError(f"{file} is no table: its ending must be .csv or .parquet.")
    return {
        "@type": "cr:FileObject",
        "@id": place,
        "name": file.name,
        "contentUrl": place,
        "contentSize": f"{file.stat().st_size} B",
        "encodingFormat": _FORMATS[ending],
        "sha256": file_sha256(file),
    }


# ---- what is said --------------------------------------------------------------------------------


def _person(author: Author) -> dict[str, str]:
    """An author."""
    known = {
        "name": author.name,
        "givenName": author.given,
        "familyName": author.family,
        "email": author.mail,
        "@id": f"https://orcid.org/{author.orcid}" if author.orcid else "",
    }
    return {"@type": "sc:Person", **{name: value for name, value in known.items() if value}}


def _description(abstract: str | None, data: _Data, provenance: Provenance | None) -> str:
    """What the data set is of, how classes came to be, and how good they are."""
    n = data.points["point_id"].nunique()
    many = f"{data.n_rows} {data.name} of {n} points" if data.name == "photos" else f"{n} points"
    said = [
        "\n\n".join(paragraphs(abstract)) if abstract else f"Habitats from ground photos: {many}."
    ]
    if provenance is not None:
        said.append(f"{provenance.method}.")
        said += provenance.about
        said.append(provenance.accuracy)
    if data.is_blurred:
        said.append(BLURRED)
    return " ".join(part for part in said if part)


def _coverage(data: _Data, grid: float | None) -> dict[str, Any]:
    """Where and when, and how points were come by."""
    said: dict[str, Any] = {}
    is_known = np.isfinite(data.places.lon)
    if is_known.any():
        lon, lat = data.places.lon[is_known], data.places.lat[is_known]
        box = f"{lat.min():.5f} {lon.min():.5f} {lat.max():.5f} {lon.max():.5f}"
        said["spatialCoverage"] = {
            "@type": "sc:Place",
            "geo": {"@type": "sc:GeoShape", "box": box},
        }
        has_degrees = "lon" in data.sample or "x" not in data.sample
        said["geocr:coordinateReferenceSystem"] = "EPSG:4326" if has_degrees else "EPSG:3035"
    years = sorted({int(year) for year in data.points["year"].dropna()})
    if years:
        said["temporalCoverage"] = str(years[0]) if len(years) == 1 else f"{years[0]}/{years[-1]}"
    if grid is not None:
        said["geocr:spatialResolution"] = {
            "@type": "sc:QuantitativeValue",
            "value": float(grid),
            "unitText": "m",
        }
    said["geocr:samplingStrategy"] = (
        "Photographs taken from the ground, of points and of the views around them."
    )
    if "nuts0" in data.points:
        points = data.points.drop_duplicates("point_id")["nuts0"].value_counts()
        said["geocr:spatialBias"] = "Points by country: " + ", ".join(
            f"{one_line(country)} {n}" for country, n in sorted(points.items())
        )
    return said


def _record_set(data: _Data) -> dict[str, Any]:
    """What a record is, and each of its fields."""
    if data.name == "photos":
        keys, what = ["path" if "path" in data.sample else "photo"], "photo"
    else:
        keys, what = ["point_id", "year"], "point and year"
    return {
        "@type": "cr:RecordSet",
        "@id": data.name,
        "name": data.name,
        "description": f"One record a {what}.",
        "key": [{"@id": f"{data.name}/{name}"} for name in keys if name in data.sample],
        "field": [_field(data, str(name)) for name in data.sample.columns],
    }


def _field(data: _Data, name: str) -> dict[str, Any]:
    """What a column is."""
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{data.name}/{name}",
        "name": name,
        "description": _COLUMNS.get(name) or _of_class(data.sample, name),
        "dataType": _type_of(data.sample[name]),
        "source": {**data.source, "extract": {"column": name}},
    }
    if name in _ROLE:
        field["dataType"] = [field["dataType"], _ROLE[name]]
    if name in _MEANING:
        field["equivalentProperty"] = _MEANING[name]
    return field


def _of_class(table: pd.DataFrame, name: str) -> str:
    """What a column that our tables need not have is."""
    columns = probability_columns(table)
    labels = labels_of(columns, table.get("predicted"), table.get("habitat")) if columns else []
    for column, label in zip(columns, labels, strict=False):
        if name == column:
            return f"The probability of the class {one_line(label)}."
        if name == f"v_{column.removeprefix('p_')}":
            return f"The share of photos that voted for the class {one_line(label)}."
    return f"The column {one_line(name)}."


def _type_of(column: pd.Series) -> str:
    """The type of a column's values."""
    if types.is_bool_dtype(column.dtype):
        return "sc:Boolean"
    if types.is_integer_dtype(column.dtype):
        return "sc:Integer"
    if types.is_float_dtype(column.dtype):
        return "sc:Float"
    if types.is_datetime64_any_dtype(column.dtype):
        return "sc:DateTime"
    return "sc:Text"
