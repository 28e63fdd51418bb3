"""Which photos or points a person should look at first, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._base import words
from ._base.checks import check_number
from ._base.classes import Predictions, read_predictions
from ._base.tables import require_columns
from ._base.types import Table
from .errors import inform
from .photos import as_photos
from .voting import commonest, point_numbers

__all__ = ["review_list"]

#: Below this probability, or where a second class is at least half as likely, a row is unsure.
UNSURE = 0.5
#: Points with a smaller share of agreeing photos are torn.
TORN = 0.7
#: A predicted class of a smaller share of the rows is rare.
RARE = 0.05


def review_list(predictions: Table, n: int = 50) -> pd.DataFrame:
    """List the photos or points that a person should look at first, and say why.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        Photos as `classify` returned them, or points as `vote` did; columns of `classify` with
        ``flag_unlike`` and of `prediction_sets` are used where they are there.
    n : int, default 50
        The longest that the list may be.

    Returns
    -------
    pandas.DataFrame
        Rows with a reason, in the order in which to look: ``priority`` (from 1), ``n_reasons``,
        ``why`` (in plain words), then the table's columns. More reasons come first, then lower
        confidence. Photos that could not be read are not listed.

    Notes
    -----
    The reasons: the class is unsure (its probability is below 0.5, another class is at least half as
    likely, or the set of `prediction_sets` holds several classes); photos of the point disagree (a
    photo's class is not the commonest of its point and year, or fewer than 7 of 10 photos of a point
    agree); the photo is unlike the training photos; the predicted class is rare (of less than 5 % of
    the rows), so that each error weighs more. They rank rows; they are no probability of an error.

    Raises
    ------
    InputError
        If the table lacks ``predicted`` and ``p_<class>``, or ``n`` is no whole number from 1.
    """
    check_number("n", n, 1, whole=True)
    what = words.call("review_list")
    given = read_predictions(predictions, what)
    is_read = np.isfinite(given.p).all(axis=1) & (given.codes >= 0)
    rows = given.chosen(is_read)
    reasons = pd.DataFrame(
        {
            "unsure": _unsure(rows),
            "torn": _torn_point(rows) if rows.unit == "point" else _odd_photo(rows, what),
            "unlike": _unlike(rows),
            "rare": _rare(rows),
        },
        dtype=object,
    )
    table = rows.table.copy()
    table.insert(0, "why", ["; ".join(r for r in row if r) for row in reasons.to_numpy()])
    table.insert(0, "n_reasons", (reasons != "").sum(axis=1).to_numpy())
    order = np.lexsort((rows.confidence, -table["n_reasons"].to_numpy()))
    table = table.iloc[order]
    table = table[table["n_reasons"] > 0]
    if len(table) > n or not is_read.all():
        inform(
            f"{len(table)} of {len(is_read)} rows have a reason to be looked at, of which "
            f"{min(len(table), int(n))} are listed; {int((~is_read).sum())} have no class."
        )
    table = table.head(int(n)).reset_index(drop=True)
    table.insert(0, "priority", np.arange(1, len(table) + 1))
    return table


def _unsure(rows: Predictions) -> list[str]:
    """Which rows have no clear class, with the likeliest two."""
    order = np.argsort(-rows.p, axis=1, kind="stable")[:, :2]
    best = np.take_along_axis(rows.p, order, axis=1)
    second = best[:, 1] if best.shape[1] > 1 else np.zeros(len(best))
    is_unsure = (best[:, 0] < UNSURE) | (second >= best[:, 0] / 2)
    several = np.zeros(len(best), dtype=bool)
    if {"n_classes", "set"} <= set(rows.table.columns):
        sizes = pd.to_numeric(rows.table["n_classes"], errors="coerce")
        several = sizes.fillna(0).gt(1).to_numpy(dtype=bool)
    texts = []
    for i, ranks in enumerate(order):
        if several[i]:
            texts.append(f"may be any of {str(rows.table['set'].iloc[i]).replace('|', ', ')}")
        elif is_unsure[i]:
            likely = " or ".join(f"{rows.classes[k]} ({rows.p[i, k]:.2f})" for k in ranks)
            texts.append(f"unsure: {likely}")
        else:
            texts.append("")
    return texts


def _torn_point(rows: Predictions) -> list[str]:
    """Which points have photos that disagree."""
    if "agreement" not in rows.table:
        return [""] * len(rows.table)
    n = pd.to_numeric(rows.table["n_photos"]).to_numpy(dtype=np.float64)
    agreement = rows.table["agreement"].to_numpy(dtype=np.float64)
    return [
        f"{size * (1 - share):.0f} of {size:.0f} photos say otherwise" if share < TORN else ""
        for size, share in zip(n, agreement, strict=True)
    ]


def _odd_photo(rows: Predictions, what: str) -> list[str]:
    """Which photos are of another class than most of their point and year."""
    require_columns(
        rows.table,
        ["path"],
        what,
        f"Give what {words.call('classify')} or {words.call('vote')} made.",
    )
    point = point_numbers(as_photos(rows.table).reset_index(drop=True)).to_numpy()
    most = commonest(rows.table["predicted"].astype("str"), point, int(point.max(initial=-1)) + 1)
    own = rows.table["predicted"].astype("str").to_numpy()
    texts = []
    for label, others in zip(own, most.iloc[point], strict=True):
        if pd.isna(others):
            texts.append("photos of its point are torn between classes")
        else:
            texts.append("" if label == others else f"most photos of its point show {others}")
    return texts


def _unlike(rows: Predictions) -> list[str]:
    """Which photos, or how many photos of which points, are unlike the training photos."""
    if rows.unit == "point" and "n_unlike" in rows.table:
        numbers = pd.to_numeric(rows.table["n_unlike"], errors="coerce").fillna(0).astype(int)
        return [f"{n} photos unlike the training photos" if n else "" for n in numbers]
    if "unlike" not in rows.table:
        return [""] * len(rows.table)
    # CSV files and R hand truth over as text, in their own spelling.
    is_unlike = rows.table["unlike"].astype("str").str.lower() == "true"
    return ["unlike the training photos" if is_so else "" for is_so in is_unlike]


def _rare(rows: Predictions) -> list[str]:
    """Which rows are of a rarely predicted class."""
    shares = np.bincount(rows.codes, minlength=len(rows.classes)) / max(len(rows.codes), 1)
    return [
        f"{rows.classes[k]} is rare ({shares[k]:.1%} of the rows)" if shares[k] < RARE else ""
        for k in rows.codes
    ]
