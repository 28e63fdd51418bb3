"""The tables that pictures are drawn from: Python, R and the report share them."""

from __future__ import annotations

import os
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.checks import check_number, check_seed
from .._base.classes import Predictions, labelled, of_classes, read_predictions
from .._base.places import point_ids, to_metres
from .._base.probabilities import Apart, read_apart
from .._base.tables import require_columns
from .._base.types import Floats, Table
from ..errors import InputError, inform, some
from ..evaluation import Evaluation
from ..photos import DIRECTIONS, as_photos


def coastline() -> pd.DataFrame:
    """Europe's coastline as ``line`` (its number), ``x``, ``y`` (EPSG:3035, metres).

    Natural Earth's, public domain, thinned to 1.5 km by tools/make_coast.py.
    """
    with resources.files("lucas_habitat").joinpath("data/coast.csv").open("rb") as file:
        steps = pd.read_csv(file)["steps"]
    lines = [np.fromstring(s, dtype=np.int64, sep=" ").reshape(-1, 2).cumsum(axis=0) for s in steps]
    xy = np.concatenate(lines) * 100.0
    number = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    return pd.DataFrame({"line": number, "x": xy[:, 0], "y": xy[:, 1]})


def confusion_table(evaluation: Evaluation) -> pd.DataFrame:
    """The confusion matrix as rows.

    Returns
    -------
    pandas.DataFrame
        One row a cell: ``predicted``, ``reference``, ``n``, ``share_of_reference`` and
        ``share_of_predicted`` (0 to 1, missing where the class has no row).
    """
    if not isinstance(evaluation, Evaluation):
        raise InputError(
            f"{words.arg('evaluation')} must be what {words.call('evaluate')} returned; "
            f"got a {type(evaluation).__name__}."
        )
    counts = evaluation.confusion.to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        columns, rows = counts / counts.sum(axis=0), counts / counts.sum(axis=1, keepdims=True)
    labels = evaluation.confusion.columns.tolist()
    return pd.DataFrame(
        {
            "predicted": np.repeat(labels, len(labels)),
            "reference": labels * len(labels),
            "n": counts.astype(int).ravel(),
            "share_of_reference": columns.ravel(),
            "share_of_predicted": rows.ravel(),
        }
    )


def point_table(
    predictions: Table | Predictions | Apart, point_id: object, year: int | None = None
) -> pd.DataFrame:
    """The photos of one point in one year, in the order P N E S W C.

    Returns
    -------
    pandas.DataFrame
        The rows of the predictions; ``predicted`` knows all classes, also where the table went
        through a CSV file. ``attrs`` has ``point_id``, and ``year`` where it is known.
    """
    read = read_apart(
        predictions, ["path", "point_id", "year", "direction"], words.call("plot_point")
    )
    photos = as_photos(read.table).reset_index(drop=True)
    wanted = point_ids(pd.Series([point_id])).iloc[0]
    rows: pd.DataFrame = photos[photos["point_id"].notna() & (photos["point_id"] == wanted)]
    if rows.empty:
        there = photos["point_id"].dropna().unique().tolist()
        raise InputError(f"There is no point {point_id!r} in the table; it has {some(there)}.")
    rows = _of_year(rows, wanted, year)
    rows = as_photos(read.whole(rows.index.to_numpy()))
    order = {d: i for i, d in enumerate(DIRECTIONS)}
    rows = rows.sort_values(
        "direction", key=lambda d: d.map(order).fillna(len(order)), kind="stable"
    ).reset_index(drop=True)
    rows.attrs = {"point_id": str(wanted)}
    if rows["year"].notna().all():
        rows.attrs["year"] = int(rows["year"].iloc[0])
    return rows


def _of_year(rows: pd.DataFrame, point: object, year: int | None) -> pd.DataFrame:
    """The rows of a point in one year, the latest unless one is asked for."""
    years = sorted(rows["year"].dropna().unique().tolist())
    if pd.isna(year) and not years:
        return rows
    wanted = years[-1] if pd.isna(year) else year
    of_year = rows[(rows["year"] == wanted).fillna(False)]
    if of_year.empty:
        raise InputError(
            f"The point {point} has no photo of {year}; it has {some(years) or 'no year'}."
        )
    return of_year


def map_table(points: Table | Predictions, what: str = words.call("plot_map")) -> pd.DataFrame:
    """Where points are and what they are; of a point with several years, the latest.

    ``what`` is the function that errors speak of.

    Returns
    -------
    pandas.DataFrame
        One row a point: ``point_id``, ``year``, ``x``, ``y`` (EPSG:3035, metres), ``predicted``,
        ``confidence`` (the probability of the predicted class).
    """
    voted = read_predictions(points, what)
    table = voted.table
    require_columns(table, ["point_id"], what, f"Give what {words.call('vote')} returned.")
    xy = _coordinates(table)
    places = pd.DataFrame(
        {
            "point_id": point_ids(table["point_id"]),
            "year": table.get("year", pd.NA),
            "x": xy["x"],
            "y": xy["y"],
            "predicted": table["predicted"],
            "confidence": voted.confidence,
        }
    )
    is_placed = np.isfinite(places[["x", "y"]].to_numpy(dtype=np.float64)).all(axis=1)
    is_classified = places["predicted"].notna().to_numpy()
    is_drawn = is_placed & is_classified
    if not is_drawn.any():
        raise InputError(
            f"None of {len(places)} points can be drawn: {int(is_placed.sum())} have coordinates (x "
            f"and y in EPSG:3035, or lon and lat), {int(is_classified.sum())} have a predicted class."
        )
    if not is_drawn.all():
        inform(
            f"{int((~is_drawn).sum())} of {len(places)} points have no coordinates or no class and "
            "are not on the map."
        )
    places = places[is_drawn].sort_values("year", kind="stable", na_position="first")
    latest: pd.DataFrame = places.drop_duplicates("point_id", keep="last").sort_index()
    return latest.reset_index(drop=True)


def _coordinates(table: pd.DataFrame) -> pd.DataFrame:
    """The columns x and y of all rows, from degrees where only these are known."""
    xy = table.reindex(columns=["x", "y"]).astype("float64")
    if {"lon", "lat"} <= set(table.columns):
        is_missing = xy.isna().any(axis=1)
        degrees = table.loc[is_missing, ["lon", "lat"]].to_numpy(dtype=np.float64)
        xy.loc[is_missing] = np.column_stack(to_metres(*degrees.T))
    return xy


class Extent(NamedTuple):
    """What a map shows, in metres."""

    west: float
    east: float
    south: float
    north: float


def extent(points: pd.DataFrame) -> Extent:
    """What a map of points shows: from 4:5 to 9:5, at least 40 km."""
    low, high = points[["x", "y"]].min().to_numpy(), points[["x", "y"]].max().to_numpy()
    middle = (low + high) / 2
    span = np.maximum((high - low) * 1.16, 40_000.0)
    span = np.maximum(span, span[::-1] * np.array([1 / 1.25, 1 / 1.8]))
    west, south = middle - span / 2
    east, north = middle + span / 2
    return Extent(float(west), float(east), float(south), float(north))


def examples_table(
    predictions: Table | Predictions | Apart,
    right: bool = True,
    n: int = 12,
    seed: int = 1,
    what: str = words.call("plot_photos"),
) -> pd.DataFrame:
    """Some photos that were classified right, or wrong, and whose files are still there.

    ``what`` is the function that errors speak of.

    Returns
    -------
    pandas.DataFrame
        At most ``n`` rows, sorted by class: ``path``, ``point_id``, ``year``, ``direction``,
        ``habitat``, ``predicted``, ``confidence``, ``reference_probability``
        (missing if the model does not know the reference class) and ``p_<class>``.
    """
    check_number("n", n, 1, 200, whole=True)
    rng = np.random.default_rng(check_seed(seed))
    if not isinstance(right, bool | np.bool_):
        raise InputError(
            f"{words.arg('right')} must be {words.value(True)} or {words.value(False)}; "
            f"got {words.value(right)} instead."
        )
    given = read_apart(predictions, ["path", "habitat"], what)
    hint = f"Give what {words.call('classify')} returned."
    require_columns(pd.DataFrame(columns=given.names), ["path"], what, hint)
    photos = labelled(given, what)
    is_right = (
        photos.table["predicted"].astype("str") == photos.table["habitat"].astype("str")
    ).to_numpy()
    shown = photos.chosen(
        _some_there(photos.table["path"], is_right == bool(right), int(n), right, rng)
    )
    first = ["path", "point_id", "year", "direction", "habitat", "predicted", "confidence"]
    table = (
        shown.whole(np.arange(len(shown.table)))
        .assign(confidence=shown.confidence, reference_probability=_reference_probability(shown))
        .reindex(columns=[*first, "reference_probability", *shown.columns])
    )
    return table.sort_values(["habitat", "path"]).reset_index(drop=True)


def _some_there(
    paths: pd.Series,
    is_wanted: npt.NDArray[np.bool_],
    n: int,
    right: bool,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Mark at most n photos of those wanted, drawn at random among those whose files are there."""
    kind = "right" if right else "wrong"
    wanted = np.flatnonzero(is_wanted)
    if not len(wanted):
        raise InputError(
            f"None of {len(paths)} photos was classified {kind}: there is none to show."
        )
    there: list[int] = []
    for i in rng.permutation(wanted):
        if isinstance(paths.iloc[i], str) and os.path.isfile(paths.iloc[i]):
            there.append(int(i))
        if len(there) == n:
            break
    if not there:
        raise InputError(
            f"None of the {len(wanted)} photos that were classified {kind} is there any more; the "
            f"first was {paths.iloc[wanted[0]]}."
        )
    return np.isin(np.arange(len(paths)), there)


def _reference_probability(photos: Apart) -> Floats:
    """The probability of each photo's reference class; NaN where the model does not know it."""
    codes = pd.Categorical(photos.table["habitat"].astype("str"), categories=photos.classes).codes
    codes = np.asarray(codes, dtype=np.intp)
    return np.concatenate([of_classes(p, codes[rows]) for rows, p in photos.blocks()])
