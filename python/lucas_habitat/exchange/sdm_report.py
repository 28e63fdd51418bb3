"""Rows of ODMAP, the report that goes with species distribution models, on our predictors."""

from __future__ import annotations

import json
from typing import NamedTuple

import pandas as pd

from .._base import words
from .._base.signatures import checked
from .._base.tables import as_frame, require_columns
from .._base.types import Table
from ..errors import InputError
from ..evaluation import Judged
from ..model import Model
from ..proportions import HOW
from ..survey.campaigns import CAMPAIGNS
from ..survey.credit import credit_line
from .provenance import Provenance, provenance_of

__all__ = ["odmap"]

_KEY = ["section", "subsection", "element"]
_PREDICTORS = ("Data", "Predictor variables")

_LOST = (
    "a merge, a concatenation, CSV and other columns can lose what was noted; ask with the very table, or "
    "write it as .parquet"
)


@checked
def odmap(
    covariates: Table,
    table: Table | None = None,
    *,
    model: Model | None = None,
    evaluation: Judged | None = None,
) -> pd.DataFrame:
    """The rows of an ODMAP report that are about our predictors.

    ODMAP (Overview, Data, Model, Assessment, Prediction) is the protocol by which species distribution models
    are reported. Sections and elements are called as in the table ``ODMAP`` of the R package biomod2.

    Parameters
    ----------
    covariates : pandas.DataFrame or path
        What `covariates` returned, or the Parquet file that it was written to; it knows which points, years
        and distances are behind it.
    table : pandas.DataFrame or path, optional
        An ODMAP table (``section``, ``subsection``, ``element``, ``value``), such as biomod2's, that is to be
        filled in. What it says already stays, and ours stands behind it, parted by a semicolon.
    model : HabitatModel or path, optional
        What classified the photos, or its folder.
    evaluation : Evaluation or path, optional
        What `evaluate` returned for this model, or its JSON file.

    Returns
    -------
    pandas.DataFrame
        ``section``, ``subsection``, ``element``, ``value``: a row for each element that something is known
        of; with ``table``, all its rows in its order, and below them those of ours that it lacks.

    Warns
    -----
    LucasMessage
        If no model is named.

    Raises
    ------
    InputError
        If the table is not known to come from `covariates`, or ``table`` is no ODMAP table.

    References
    ----------
    Zurell, D. et al. (2020). A standard protocol for reporting species distribution models. Ecography 43,
    1261-1277. doi:10.1111/ecog.04960

    Examples
    --------
    >>> rows = odmap(cov, model="model/", evaluation="evaluation.json")  # doctest: +SKIP
    """
    frame = as_frame(covariates)
    noted = _noted(frame)
    provenance = provenance_of(model, evaluation, noted.vote, words.call("odmap"))
    rows = pd.DataFrame(_rows(noted, provenance), columns=[*_KEY, "value"], dtype="str")
    return rows if table is None else _filled(as_frame(table), rows)


class _Noted(NamedTuple):
    """How covariates were made, as `covariates` notes it."""

    columns: list[str]
    classes: list[str]
    calibrated: bool | None
    vote: str | None
    n_points: int
    is_lucas: bool
    years: list[int]
    n_rows: int
    n_missing: int
    used_points: float | None  # the median of rows with a value
    nearest: list[float] | None  # metres to the nearest point: median and largest of such rows
    drop: str | None  # the column left out
    transform: str | None
    year: str | None
    k: int | None
    radius: float | None
    crs: str | None = None  # None where rows are the points themselves
    bounds: list[float] | None = None  # of the sites: west, east, south, north
    limit: float | None = None  # metres from the nearest point beyond which there is no value


def _noted(covariates: pd.DataFrame) -> _Noted:
    """What a table of covariates knows of itself."""
    text = covariates.attrs.get(HOW)
    try:
        noted = _Noted(**json.loads(text)) if isinstance(text, str) else None
    except (ValueError, TypeError):
        noted = None
    columns = [str(c) for c in covariates.columns]
    if noted is None or not set(columns) <= set(noted.columns) or not columns:
        raise InputError(f"This is not known to come from {words.call('covariates')}: {_LOST}.")
    return noted._replace(columns=columns)


def _filled(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """An ODMAP table with our values in it."""
    what = words.arg("table")
    require_columns(table, [*_KEY, "value"], what, "Give a table such as biomod2's ODMAP.")
    table = table.reset_index(drop=True)
    if table.duplicated(_KEY).any():
        raise InputError(f"{what} has the same section, subsection and element twice.")
    ours = dict(zip(rows[_KEY].itertuples(index=False, name=None), rows["value"], strict=True))
    filled = table[[*_KEY, "value"]].astype("object")
    values = []
    for key, theirs in zip(
        filled[_KEY].itertuples(index=False, name=None), filled["value"], strict=True
    ):
        told = "" if pd.isna(theirs) else str(theirs).strip()
        values.append("; ".join(part for part in (told, ours.pop(key, "")) if part) or None)
    filled["value"] = values
    below = [(*key, value) for key, value in ours.items()]
    whole = pd.DataFrame(
        [*filled.itertuples(index=False, name=None), *below], columns=filled.columns
    )
    return whole.astype("str")


# ---- what is said --------------------------------------------------------------------------------


def _rows(noted: _Noted, provenance: Provenance) -> list[tuple[str, str, str, str]]:
    """Rows with something to say, in ODMAP's order."""
    said = [
        ("Overview", "Predictors", "Predictor types", "habitat"),
        ("Overview", "Software", "Software", provenance.software),
        (*_PREDICTORS, "Predictor variables", _variables(noted)),
        (*_PREDICTORS, "Data sources", _sources(noted, provenance)),
        (*_PREDICTORS, "Spatial extent", _extent(noted)),
        (*_PREDICTORS, "Spatial resolution", _resolution(noted)),
        (*_PREDICTORS, "Coordinate reference system", noted.crs or ""),
        (*_PREDICTORS, "Temporal extent", _years(noted)),
        (*_PREDICTORS, "Temporal resolution", _temporal_resolution(noted)),
        (*_PREDICTORS, "Data processing", _processing(noted, provenance)),
        (*_PREDICTORS, "Errors and biases", _errors(noted, provenance)),
        (*_PREDICTORS, "Dimension reduction", _reduction(noted)),
        ("Model", "Multicollinearity", "Multicollinearity", _collinearity(noted)),
    ]
    return [row for row in said if row[-1]]


def _variables(noted: _Noted) -> str:
    classes = ", ".join(noted.classes)
    if noted.transform == "ilr":
        kind = f"isometric log-ratios of the shares of the habitat classes {classes}, in this order"
    else:
        kind = f"shares (0 to 1) of habitat classes; the classes are {classes}"
    return f"{', '.join(noted.columns)}: {kind}"


def _sources(noted: _Noted, provenance: Provenance) -> str:
    """Where photos are from, and what classified them."""
    years = [year for year in noted.years if year in CAMPAIGNS]
    is_surveys = noted.is_lucas and len(years) == len(noted.years) and years
    whose = (
        f"the LUCAS survey ({credit_line(years)}; CC BY 4.0)" if is_surveys else "ground surveys"
    )
    about = f" {' '.join(provenance.about)}" if provenance.about else ""
    return (
        f"Photos of {noted.n_points} points from {whose}, classified by {provenance.model}.{about}"
    )


def _extent(noted: _Noted) -> str:
    if noted.bounds is None:
        return ""
    west, east, south, north = noted.bounds
    return f"{west:g}, {east:g}, {south:g}, {north:g} (xmin, xmax, ymin, ymax; WGS84 degrees)"


def _resolution(noted: _Noted) -> str:
    """What a value is of."""
    if noted.crs is None:
        return "points: each row is a point of the survey itself"
    limit = (
        ""
        if noted.limit is None
        else f"; no value beyond {noted.limit:.0f} m from the nearest point"
    )
    return f"sites: each value is of {_neighbours(noted)}{limit}"


def _neighbours(noted: _Noted) -> str:
    within = "" if noted.radius is None else f" within {noted.radius:g} m"
    many = "all points" if noted.k is None else f"the {noted.k:g} nearest points"
    return f"{many}{within}"


def _years(noted: _Noted) -> str:
    if not noted.years:
        return ""
    first, last = noted.years[0], noted.years[-1]
    return str(first) if first == last else f"{first} to {last}"


def _temporal_resolution(noted: _Noted) -> str:
    """Which of a point's years count."""
    year = noted.year
    if year is None:
        return "one visit of each point"
    if year == "latest":
        return "the latest visit of each point"
    if year.startswith("<="):
        return f"the latest visit of each point up to {year.removeprefix('<=').strip()}"
    return f"the visits of {year.removesuffix('.0')}"


def _processing(noted: _Noted, provenance: Provenance) -> str:
    """How photos became values."""
    steps = [
        f"{provenance.method}.",
        "Class probabilities of points were taken as shares and divided by their sum.",
    ]
    if noted.crs is not None:
        steps.append(
            f"At sites: the mean of {_neighbours(noted)}, weighted by 1 / distance^2 (Shepard 1968)."
        )
    if noted.transform == "ilr":
        steps.append(
            "Shares below 1e-6 were replaced by it; isometric log-ratios (Egozcue et al. 2003)."
        )
    return " ".join(steps)


def _errors(noted: _Noted, provenance: Provenance) -> str:
    """What is wrong with values, as far as it is known."""
    calibrated = {
        True: "Probabilities were calibrated.",
        False: "Probabilities were not calibrated, so shares are biased.",
        None: "It is not known whether probabilities were calibrated.",
    }
    said = [provenance.accuracy, calibrated[noted.calibrated]]
    if noted.nearest is not None and noted.crs is not None:
        median, most = noted.nearest
        said.append(
            f"The nearest point is {median:.0f} m away at the median site, {most:.0f} m at most; "
            f"half of the values rest on {noted.used_points:g} points or fewer."
        )
    if noted.n_missing:
        said.append(f"{noted.n_missing} of {noted.n_rows} rows have no value.")
    said.append(
        "Points show what can be seen from the ground around them, not the whole of a cell."
    )
    return " ".join(part for part in said if part)


def _reduction(noted: _Noted) -> str:
    if noted.transform == "ilr":
        return f"{len(noted.classes)} shares became {len(noted.classes) - 1} log-ratios"
    if noted.drop is None:
        return "none: all classes are kept"
    return f"{noted.drop} is left out, because shares sum to one"


def _collinearity(noted: _Noted) -> str:
    if noted.transform == "ilr":
        return "Log-ratios carry the sum of the shares no more, so they are not collinear by it"
    if noted.drop is None:
        return "Shares of all classes sum to one: a linear model with an intercept cannot use all of them"
    return f"Shares sum to one; without {noted.drop} they are not collinear by that"
