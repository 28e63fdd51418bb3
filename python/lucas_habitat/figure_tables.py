"""The numbers behind every picture, and the colours of classes: Python, R and the report draw from these."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import resources

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyproj import Transformer

from ._tables import (
    classes_of,
    point_ids,
    probability_columns,
    read_table,
    require_columns,
)
from .errors import InputError, check_number, check_seed, inform, some
from .evaluation import Evaluation, measures
from .photos import DIRECTIONS, as_photos, leave_out_closeups
from .voting import commonest

__all__ = ["class_colours", "reliability", "vote_gain"]

Table = pd.DataFrame | str | os.PathLike[str]
Array = npt.NDArray[np.float64]

#: Chosen so that any two keep a distance of 20 in CIELAB for normal sight and for protanopia,
#: deuteranopia and tritanopia as Machado et al. (2009) simulate them. The first four also step
#: through the greys.
COLOURS = (
    "#A8325E",
    "#F2CF5B",
    "#6DB56A",
    "#17402F",
    "#0066AA",
    "#FF77FF",
    "#DD1100",
    "#660066",
    "#AA88AA",
    "#440099",
    "#AAEE99",
    "#9911EE",
)
PILOT = ("artificial", "cropland", "grassland", "woody")
# One fewer than colours, so that colour and shape together are unique for 132 classes. The number
# is the sign that R draws most like it.
_MARKERS = (
    ("s", 22),
    ("^", 24),
    ("o", 21),
    ("D", 23),
    ("v", 25),
    ("P", 3),
    ("X", 4),
    ("*", 8),
    ("p", 7),
    ("h", 9),
    ("d", 12),
)
N_BINS = 10
_Z = 1.959963984540054  # the normal deviate of 95 % intervals
_MOST_PHOTOS = 5  # landscape photos of a LUCAS point


def class_colours(classes: Iterable[str]) -> dict[str, str]:
    """Give classes the colours that every picture draws them in.

    The pilot's four classes always have their own. Other classes take the remaining colours in
    the order given, so give all classes of a model, in its order, to get the same colours again.
    There are twelve colours; then they repeat, and only the shapes of signs tell classes apart.

    Parameters
    ----------
    classes : iterable of str
        Class labels, each once.

    Returns
    -------
    dict of str to str
        Colours as ``"#RRGGBB"``, in the order of the classes.

    Raises
    ------
    InputError
        If there is no class, or one stands twice.

    References
    ----------
    Machado, G. M. et al. (2009). A physiologically-based model for simulation of color vision
    deficiency. IEEE Transactions on Visualization and Computer Graphics 15, 1291-1298,
    doi 10.1109/TVCG.2009.113.

    Examples
    --------
    >>> class_colours(["woody", "heath"])
    {'woody': '#17402F', 'heath': '#A8325E'}
    """
    return dict(class_styles(classes)[["class", "colour"]].itertuples(index=False, name=None))


def class_styles(classes: Iterable[str]) -> pd.DataFrame:
    """Colour, shape and text colour of classes.

    Returns
    -------
    pandas.DataFrame
        One row a class: ``class``, ``colour``, ``ink`` (black or white, whichever is read better
        on it), ``marker`` (matplotlib's) and ``pch`` (R's).
    """
    labels = [classes] if isinstance(classes, str) else [str(c) for c in classes]
    if not labels:
        raise InputError("class_colours() needs at least one class; got none.")
    twice = sorted({c for c in labels if labels.count(c) > 1})
    if twice:
        raise InputError(f"Each class has one colour, but these stand twice: {some(twice)}.")
    own = {c: PILOT.index(c) for c in labels if c in PILOT}
    free = (i for i in range(len(labels) + len(COLOURS)) if i not in own.values())
    slots = [own[c] if c in own else next(free) for c in labels]
    colours = [COLOURS[i % len(COLOURS)] for i in slots]
    return pd.DataFrame(
        {
            "class": labels,
            "colour": colours,
            "ink": ["#000000" if _luminance(c) > 0.179 else "#FFFFFF" for c in colours],
            "marker": [_MARKERS[i % len(_MARKERS)][0] for i in slots],
            "pch": [_MARKERS[i % len(_MARKERS)][1] for i in slots],
        }
    )


def _luminance(colour: str) -> float:
    """WCAG's relative luminance; at 0.179 black and white are read equally well."""
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


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


def probabilities(predictions: Table, what: str) -> tuple[pd.DataFrame, Array, list[str]]:
    """A table of predictions, its probabilities (rows, classes), and the labels of the classes."""
    table = predictions if isinstance(predictions, pd.DataFrame) else read_table(predictions)
    columns = probability_columns(table)
    if not columns or "predicted" not in table:
        raise InputError(
            f"{what} needs the columns predicted and p_<class> that classify() makes; got "
            f"{some(list(table.columns), 12) or 'none'}."
        )
    if table.empty:
        raise InputError(f"{what} got a table without rows.")
    return table, table[columns].to_numpy(dtype=np.float64), classes_of(table)


def confidence_of(table: pd.DataFrame, p: Array, classes: list[str]) -> Array:
    """The probability of each row's predicted class; missing where there is none."""
    codes = pd.Categorical(table["predicted"].astype("str"), categories=classes).codes
    return np.where(codes >= 0, p[np.arange(len(table)), codes], np.nan)


def _labelled(table: pd.DataFrame, what: str) -> pd.Series:
    """Mark the rows that have both classes, or say that there are none."""
    labelled = table["predicted"].notna() & (
        table["habitat"].notna() if "habitat" in table else False
    )
    if not labelled.any():
        raise InputError(
            f"{what} compares with reference classes, but none of the {len(table)} rows has both "
            "a predicted class and a habitat. Classify labelled photos, or add the column habitat."
        )
    return labelled


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
            f"evaluation must be what evaluate() returned; got a {type(evaluation).__name__}."
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
    table, _, _ = probabilities(predictions, "plot_point()")
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


def vote_gain(predictions: Table, *, n_draws: int = 500, seed: int = 1) -> pd.DataFrame:
    """How much better a point's class becomes with each further photo that votes.

    For 1, 2, ... photos, so many of each point's photos are drawn at random and vote by majority,
    as `vote` does. Only points with at least as many readable photos as most points have (five
    at most) count, so that every number of photos is judged on the same points.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned for labelled photos of points.
    n_draws : int, default 500
        How often directions are drawn.
    seed : int, default 1

    Returns
    -------
    pandas.DataFrame
        One row a number of photos: ``n_photos``, ``accuracy`` and ``kappa`` (means over the
        draws), ``kappa_gain`` (kappa less that with one photo fewer), each with ``*_low`` and
        ``*_high``, and ``n_points``. Intervals hold 95 % of draws of directions and, as in
        `evaluate`, of points.

    Raises
    ------
    InputError
        If there are no labels, or points do not have several photos.
    """
    check_number("n_draws", n_draws, 20, whole=True)
    rng = np.random.default_rng(check_seed(seed))
    table, _, classes = probabilities(predictions, "vote_gain()")
    table = leave_out_closeups(as_photos(table), closeups=False)
    p = table[probability_columns(table)].to_numpy(dtype=np.float64)
    usable = _labelled(table, "vote_gain()") & table["point_id"].notna()
    usable &= np.isfinite(p).all(axis=1) & ~table["path"].duplicated()
    p, table = p[usable.to_numpy()], table[usable].reset_index(drop=True)
    group = table.groupby(["point_id", "year"], sort=False, dropna=False).ngroup().to_numpy()
    sizes = np.bincount(group) if len(group) else np.zeros(0, dtype=int)
    most = min(_MOST_PHOTOS, int(np.bincount(sizes).argmax())) if len(sizes) else 0
    if most < 2:
        raise InputError(
            "vote_gain() needs points with several labelled, readable photos; of "
            f"{len(sizes)} points most have {most}. Does the table lack the column point_id?"
        )
    truth = commonest(table["habitat"], group, len(sizes))
    kept = (sizes >= most) & truth.notna().to_numpy()
    labels = classes + sorted(set(truth.dropna()) - set(classes))
    reference = pd.Categorical(truth[kept], categories=labels).codes.astype(np.intp)
    n, k = int(kept.sum()), len(labels)

    # Photos of a point side by side; points with fewer than others are padded.
    place = table.groupby(group, sort=False).cumcount().to_numpy()
    row = np.full(len(sizes), -1)
    row[kept] = np.arange(n)
    mine = kept[group]
    padded = np.zeros((n, sizes[kept].max(), len(classes)))
    padded[row[group[mine]], place[mine]] = p[mine]
    votes = np.zeros_like(padded)
    votes[row[group[mine]], place[mine], p[mine].argmax(axis=1)] = 1
    empty = np.arange(padded.shape[1]) >= sizes[kept][:, None]

    plain, drawn = np.empty((n_draws, most, 2)), np.empty((n_draws, most, 2))
    cells = np.arange(most) * k * k
    for i in range(int(n_draws)):
        order = np.where(empty, 2.0, rng.random(empty.shape)).argsort(axis=1)[:, :most, None]
        mean = np.take_along_axis(padded, order, axis=1).cumsum(axis=1)
        mean /= mean.sum(axis=2, keepdims=True)
        share = np.take_along_axis(votes, order, axis=1).cumsum(axis=1)
        tied = share == share.max(axis=2, keepdims=True)
        winner = np.where(tied, mean, -1.0).round(12).argmax(axis=2)
        cell = (cells + winner * k + reference[:, None]).ravel()
        for found, weights in (
            (plain, np.ones(n)),
            (drawn, rng.multinomial(n, np.full(n, 1 / n)).astype(np.float64)),
        ):
            counts = np.bincount(cell, np.repeat(weights, most), minlength=most * k * k).astype(
                float
            )
            found[i] = measures(counts.reshape(most, k, k))[:, :2]
    out = pd.DataFrame({"n_photos": np.arange(1, most + 1)})
    # accuracy, kappa, and what kappa gained
    plain, drawn = (
        np.concatenate([found, np.diff(found[..., 1:], axis=1, prepend=np.nan)], axis=2)
        for found in (plain, drawn)
    )
    for j, name in enumerate(("accuracy", "kappa", "kappa_gain")):
        samples = drawn[..., j]
        out[name] = np.ma.masked_invalid(plain[..., j]).mean(axis=0).filled(np.nan)
        undefined = np.isnan(samples).all(axis=0)
        low, high = np.nanquantile(np.where(undefined, 0.0, samples), [0.025, 0.975], axis=0)
        out[f"{name}_low"] = np.where(undefined, np.nan, low)
        out[f"{name}_high"] = np.where(undefined, np.nan, high)
    out["n_points"] = n
    if n < len(sizes):
        inform(
            f"{len(sizes) - n} of {len(sizes)} points have fewer than {most} readable photos or no "
            "clear label, and are left out of the vote gain."
        )
    return out


def map_table(points: Table) -> pd.DataFrame:
    """Where points are and what they are; of a point with several years, the latest.

    Returns
    -------
    pandas.DataFrame
        One row a point: ``point_id``, ``year``, ``x``, ``y`` (EPSG:3035, metres), ``predicted``,
        ``confidence`` (the probability of the predicted class).
    """
    table, p, classes = probabilities(points, "plot_map()")
    require_columns(table, ["point_id"], "plot_map()", "Give what vote() returned.")
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
        to_europe = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
        x, y = to_europe.transform(table.loc[here, "lon"], table.loc[here, "lat"])
        found.loc[here, "x"], found.loc[here, "y"] = x, y
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
    predictions: Table, right: bool = True, n: int = 12, seed: int = 1
) -> pd.DataFrame:
    """Some photos that were classified right, or wrong, and whose files are still there.

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
        raise InputError(f"right must be True or False; got {right!r} instead.")
    table, p, classes = probabilities(predictions, "plot_photos()")
    require_columns(table, ["path"], "plot_photos()", "Give what classify() returned.")
    kept = _labelled(table, "plot_photos()").to_numpy()
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


def reliability(predictions: Table) -> pd.DataFrame:
    """Whether a probability of 0.8 is right in 8 of 10 cases.

    Rows are sorted by the probability of their predicted class into ten bins of equal width.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` or `vote` returned for labelled photos.

    Returns
    -------
    pandas.DataFrame
        One row a bin: ``low``, ``high`` (its edges), ``n`` (rows), ``n_points``,
        ``confidence`` (mean probability), ``accuracy`` (share that is right) with
        ``accuracy_low`` and ``accuracy_high``: Wilson's 95 % interval for as many independent
        cases as there are points, because photos of one point are not independent. Empty bins
        have ``n`` 0 and missing values. ``attrs["ece"]`` is the expected calibration error, the
        mean over rows of ``|accuracy - confidence|`` of their bin: 0 is perfect.

    Raises
    ------
    InputError
        If there are no labels or no probabilities.

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML 2017, arXiv:1706.04599.
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22, 209-212, doi 10.2307/2276774.
    """
    table, p, classes = probabilities(predictions, "reliability()")
    sure = confidence_of(table, p, classes)
    kept = _labelled(table, "reliability()").to_numpy() & np.isfinite(sure)
    table, sure = table[kept].reset_index(drop=True), sure[kept]
    right = (table["predicted"].astype("str") == table["habitat"].astype("str")).to_numpy()
    point = (
        table["point_id"].where(table["point_id"].notna(), pd.Series(table.index).astype("str"))
        if "point_id" in table
        else pd.Series(table.index)
    )
    number = np.clip((sure * N_BINS).astype(int), 0, N_BINS - 1)
    n = np.bincount(number, minlength=N_BINS)
    points = point.groupby(number).nunique().reindex(range(N_BINS), fill_value=0).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        confidence = np.bincount(number, sure, minlength=N_BINS) / n
        accuracy = np.bincount(number, right, minlength=N_BINS) / n
        middle = (accuracy + _Z**2 / (2 * points)) / (1 + _Z**2 / points)
        half = np.sqrt(accuracy * (1 - accuracy) / points + _Z**2 / (4 * points**2))
        half *= _Z / (1 + _Z**2 / points)
    out = pd.DataFrame(
        {
            "low": np.arange(N_BINS) / N_BINS,
            "high": np.arange(1, N_BINS + 1) / N_BINS,
            "n": n,
            "n_points": points,
            "confidence": confidence,
            "accuracy": accuracy,
            "accuracy_low": middle - half,
            "accuracy_high": middle + half,
        }
    )
    gap = (out["accuracy"] - out["confidence"]).abs() * out["n"]
    out.attrs["ece"] = float(gap.sum() / out["n"].sum())
    return out
