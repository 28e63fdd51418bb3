"""The tables that pictures are drawn from: Python, R and the report share them."""

from __future__ import annotations

import os
from importlib import resources

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import check_number, check_seed
from .._base.classes import confidence_of, labelled_rows, probabilities, probability_columns
from .._base.places import point_ids, to_metres
from .._base.tables import require_columns
from .._base.types import Table
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


def point_table(predictions: Table, point_id: object, year: int | None = None) -> pd.DataFrame:
    """The photos of one point in one year, in the order P N E S W C.

    Returns
    -------
    pandas.DataFrame
        The rows of the predictions. ``attrs`` has ``point_id``, and ``year`` where it is known.
    """
    table, _, _ = probabilities(predictions, words.call("plot_point"))
    table = as_photos(table)
    wanted = point_ids(pd.Series([point_id])).iloc[0]
    rows: pd.DataFrame = table[table["point_id"].notna() & (table["point_id"] == wanted)]
    if rows.empty:
        known = table["point_id"].dropna().unique().tolist()
        raise InputError(f"There is no point {point_id!r} in the table; it has {some(known)}.")
    years = sorted(rows["year"].dropna().unique().tolist())
    if pd.notna(year):
        rows = rows[(rows["year"] == year).fillna(False)]
        if rows.empty:
            raise InputError(
                f"The point {wanted} has no photo of {year}; it has {some(years) or 'no year'}."
            )
    elif years:
        rows = rows[(rows["year"] == years[-1]).fillna(False)]
    order = {d: i for i, d in enumerate(DIRECTIONS)}
    rows = rows.sort_values(
        "direction", key=lambda d: d.map(order).fillna(len(order)), kind="stable"
    ).reset_index(drop=True)
    rows.attrs = {"point_id": str(wanted)}
    if rows["year"].notna().all():
        rows.attrs["year"] = int(rows["year"].iloc[0])
    return rows


def map_table(points: Table, what: str = words.call("plot_map")) -> pd.DataFrame:
    """Where points are and what they are; of a point with several years, the latest.

    ``what`` is the function that errors speak of.

    Returns
    -------
    pandas.DataFrame
        One row a point: ``point_id``, ``year``, ``x``, ``y`` (EPSG:3035, metres), ``predicted``,
        ``confidence`` (the probability of the predicted class).
    """
    table, p, classes = probabilities(points, what)
    require_columns(table, ["point_id"], what, f"Give what {words.call('vote')} returned.")
    found = pd.DataFrame(
        {
            "point_id": point_ids(table["point_id"]),
            "year": table.get("year", pd.NA),
            "x": table.get("x", np.nan),
            "y": table.get("y", np.nan),
            "predicted": pd.Categorical(table["predicted"].astype("str"), categories=classes),
            "confidence": confidence_of(table, p, classes),
        }
    )
    if {"lon", "lat"} <= set(table.columns):
        here = found["x"].isna() | found["y"].isna()
        lon, lat = (table.loc[here, name].to_numpy(dtype=np.float64) for name in ("lon", "lat"))
        found.loc[here, ["x", "y"]] = np.column_stack(to_metres(lon, lat))
    placed = np.isfinite(found[["x", "y"]].to_numpy(dtype=np.float64)).all(axis=1)
    seen = found["predicted"].notna().to_numpy()
    if not (placed & seen).any():
        raise InputError(
            f"None of {len(found)} points can be drawn: {int(placed.sum())} have coordinates (x and "
            f"y in EPSG:3035, or lon and lat), {int(seen.sum())} have a predicted class."
        )
    if not (placed & seen).all():
        inform(
            f"{int((~(placed & seen)).sum())} of {len(found)} points have no coordinates or no class "
            "and are not on the map."
        )
    found = found[placed & seen].sort_values("year", kind="stable", na_position="first")
    latest: pd.DataFrame = found.drop_duplicates("point_id", keep="last").sort_index()
    return latest.reset_index(drop=True)


def extent(points: pd.DataFrame) -> tuple[float, float, float, float]:
    """What a map shows: west, east, south and north, from 4:5 to 9:5, at least 40 km."""
    low, high = points[["x", "y"]].min().to_numpy(), points[["x", "y"]].max().to_numpy()
    middle = (low + high) / 2
    span = np.maximum((high - low) * 1.16, 40_000.0)
    span = np.maximum(span, span[::-1] * np.array([1 / 1.25, 1 / 1.8]))
    west, south = middle - span / 2
    east, north = middle + span / 2
    return float(west), float(east), float(south), float(north)


def examples_table(
    predictions: Table,
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
    table, p, classes = probabilities(predictions, what)
    require_columns(table, ["path"], what, f"Give what {words.call('classify')} returned.")
    kept = labelled_rows(table, what).to_numpy()
    table, p = table[kept].reset_index(drop=True), p[kept]
    guess, truth = table["predicted"].astype("str"), table["habitat"].astype("str")
    chosen = np.flatnonzero((guess == truth).to_numpy() == bool(right))
    kind = "right" if right else "wrong"
    if not len(chosen):
        raise InputError(
            f"None of {len(table)} photos was classified {kind}: there is none to show."
        )
    there: list[int] = []
    for i in rng.permutation(chosen):
        path = table["path"].iloc[i]
        if isinstance(path, str) and os.path.isfile(path):
            there.append(int(i))
        if len(there) == int(n):
            break
    if not there:
        raise InputError(
            f"None of the {len(chosen)} photos that were classified {kind} is there any more; the "
            f"first was {table['path'].iloc[chosen[0]]}."
        )
    codes = pd.Categorical(truth, categories=classes).codes
    columns = probability_columns(table)
    table = table.assign(
        predicted=pd.Categorical(guess, categories=classes),
        confidence=confidence_of(table, p, classes),
        reference_probability=np.where(codes >= 0, p[np.arange(len(table)), codes], np.nan),
    )
    first = ["path", "point_id", "year", "direction", "habitat", "predicted", "confidence"]
    table = table.reindex(columns=[*first, "reference_probability", *columns]).iloc[there]
    return table.sort_values(["habitat", "path"]).reset_index(drop=True)
