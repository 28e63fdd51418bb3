"""Which photos, points or labels a person should look at first, and why."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_number
from ._base.classes import Predictions, read_predictions
from ._base.signatures import checked
from ._base.tables import require_columns
from ._base.types import Floats, Table
from .corrections import LISTED, content_hashes
from .errors import InputError, inform
from .photos import as_photos
from .voting import commonest, point_numbers

__all__ = ["doubted_labels", "review_list"]

#: Of a list that is printed: what tells where to look, and why. Its many columns would hide it.
_SHOWN = ("priority", "why", "path", "point_id", "year")
#: Lists of no more columns are printed whole.
_FEW = 8
#: The end of a path that is printed.
_END = 40

#: Below this probability, or where a second class is at least half as likely, a row is unsure.
UNSURE = 0.5
#: Points with a smaller share of agreeing photos are torn.
TORN = 0.7
#: A predicted class of a smaller share of the rows is rare.
RARE = 0.05


class _Listed(pd.DataFrame):
    """A table of what to look at that prints the reasons, whatever else it holds."""

    @property
    def _constructor(self) -> type[_Listed]:
        return _Listed

    def __repr__(self) -> str:
        if "why" not in self.columns:
            return super().__repr__()
        shown = self._shown()
        if "path" in shown:
            shown["path"] = ["..." + p[-_END:] if len(p) > _END else p for p in shown["path"]]
        few = None if len(self) <= pd.get_option("display.max_rows") else 10
        text = shown.to_string(index=False, max_rows=few, max_colwidth=None)
        return f"{text}\n[{len(self)} rows, {len(self.columns)} columns: {', '.join(self.columns)}]"

    def _repr_html_(self) -> str | None:
        html: str | None = self._shown()._repr_html_()  # type: ignore[operator]
        return html

    def _shown(self) -> pd.DataFrame:
        """The columns that are printed."""
        is_few = len(self.columns) <= _FEW or "why" not in self.columns
        unit = ("point_id", "year") if "path" in self.columns else ()
        columns = [c for c in _SHOWN if c in self.columns and c not in unit]
        return pd.DataFrame(self if is_few else self[columns])


@checked
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
        confidence. Photos that could not be read are not listed. Printed, it shows the reasons.

    Notes
    -----
    The reasons: the class is unsure (its probability is below 0.5, another class is at least half as
    likely, or the set of `prediction_sets` holds several classes); the row has a label, which is doubted
    (see `doubted_labels`); photos of the point disagree (a
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
            "doubted": _doubted(rows),
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
    return _Listed(table)


@checked
def doubted_labels(predictions: Table, n: int | None = None) -> pd.DataFrame:
    """List the photos or points whose label is doubted by a model that never saw them.

    What `cross_validate` returns holds such predictions of all photos: a label that speaks against
    what all other points teach is wrong more often than others, and mending the few that matter is
    the cheapest way to a better model.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `cross_validate` returned, or `vote` made of it; or labelled photos or points that
        `classify` was not trained on. Rows whose ``split`` is ``"train"`` are left out: a model
        believes the labels it was trained on.
    n : int, optional
        How many rows to list, doubted or not. Default: all doubted ones.

    Returns
    -------
    pandas.DataFrame
        Rows in the order in which to look, the least likely labels first: ``priority`` (from 1),
        ``is_doubted``, ``label_probability``, ``why`` (in plain words), then the table's columns. Photos
        also get ``sha256``, ``time`` and ``label`` (the label as it was), so that the list is a review
        table: written as CSV, with ``habitat`` put right, `train` takes it as ``corrections``, and `run_app`
        adds to it. A row that is left as it is counts for nothing, unless something stands in ``time``: so a
        label is confirmed. ``split`` is empty where `cross_validate` said ``test``. Printed, it shows the
        reasons.

    Raises
    ------
    InputError
        If the table lacks ``predicted`` and ``p_<class>``, no row is labelled and held out, or ``n`` is
        no whole number from 1.

    Notes
    -----
    A label is doubted where it is not the likeliest class, and another class is at least as likely as
    on the mean of the rows that are labelled so (the off-diagonal of the confident joint, Northcutt et
    al. 2021): it counts how sure the model usually is of each class. A doubt is no proof: hard photos
    and land between two classes are doubted, too, and errors that the model makes itself.

    References
    ----------
    Northcutt, C. G., Jiang, L. & Chuang, I. L. (2021). Confident learning: estimating uncertainty in
    dataset labels. Journal of Artificial Intelligence Research 70, 1373-1411, doi 10.1613/jair.1.12125.

    Examples
    --------
    >>> doubted_labels(cross_validate("photos/train"))  # doctest: +SKIP
    """
    if n is not None:
        check_number("n", n, 1, whole=True)
    return doubts_table(predictions, words.call("doubted_labels"), n)


def doubts_table(predictions: Table | Predictions, what: str, n: int | None = None) -> pd.DataFrame:
    """What `doubted_labels` returns; ``what`` is the function that errors speak of."""
    rows = read_predictions(predictions, what)
    is_held_out = _is_held_out(rows)
    if not is_held_out.any():
        raise InputError(
            f"{what} needs labelled rows that the model was not trained on, and none of "
            f"{len(rows.table)} is. Give what {words.call('cross_validate')} returns."
        )
    rows = rows.chosen(is_held_out)
    doubts = _doubts(rows)
    inform(
        f"{int(doubts.is_doubted.sum())} of {len(rows.table)} labels are doubted; "
        f"{int((~is_held_out).sum())} rows have no label, no class, or were trained on."
    )
    order = np.argsort(doubts.of_label, kind="stable")
    order = order[doubts.is_doubted[order]] if n is None else order[: int(n)]
    table = _as_review_table(rows.table.iloc[order].reset_index(drop=True))
    texts = np.array(_doubted(rows), dtype=object)
    first = {
        "priority": np.arange(1, len(order) + 1),
        "is_doubted": doubts.is_doubted[order],
        "label_probability": doubts.of_label[order],
        "why": pd.array(texts[order], dtype="str"),
    }
    return _Listed(
        pd.concat([pd.DataFrame(first), table.drop(columns=list(first), errors="ignore")], axis=1)
    )


def _as_review_table(table: pd.DataFrame) -> pd.DataFrame:
    """Photos with what a review table has besides; points as they are."""
    if "path" not in table:
        return table
    # These are training photos, each of which was a test photo once.
    if "fold" in table:
        table = table.assign(split=pd.Series(None, index=table.index, dtype="str"))
    listed = {LISTED: table["habitat"].astype("str")}
    return table.assign(sha256=content_hashes(table["path"]), time="", **listed)


def _is_held_out(rows: Predictions) -> npt.NDArray[np.bool_]:
    """Which rows have a label among the model's classes, probabilities, and were not trained on."""
    is_trained_on = np.zeros(len(rows.table), dtype=bool)
    if "split" in rows.table:
        is_trained_on = (rows.table["split"] == "train").fillna(False).to_numpy(dtype=bool)
    is_labelled = rows.is_labelled & np.isfinite(rows.p).all(axis=1)
    if is_labelled.any():
        is_labelled &= rows.table["habitat"].astype("str").isin(rows.classes).to_numpy()
    return is_labelled & ~is_trained_on


class _Doubts(NamedTuple):
    """What held-out predictions say of the labels of some rows."""

    of_label: Floats  # its probability
    is_doubted: npt.NDArray[np.bool_]


def _doubts(rows: Predictions) -> _Doubts:
    """How far each label is doubted, by the confident joint; all rows are labelled and held out."""
    labels = pd.Categorical(rows.table["habitat"].astype("str"), categories=rows.classes).codes
    # A class without a label has no threshold that a row could reach.
    thresholds = np.array(
        [
            rows.p[labels == k, k].mean() if (labels == k).any() else np.inf
            for k in range(len(rows.classes))
        ]
    )
    confident = np.where(rows.p >= thresholds, rows.p, -np.inf)
    is_other = np.isfinite(confident).any(axis=1) & (confident.argmax(axis=1) != labels)
    best = rows.p.argmax(axis=1)
    return _Doubts(rows.p[np.arange(len(labels)), labels], is_other & (best != labels))


def _doubted(rows: Predictions) -> list[str]:
    """Which rows bear a label that is doubted, with the likelier class."""
    texts = [""] * len(rows.table)
    is_held_out = _is_held_out(rows)
    if not is_held_out.any():
        return texts
    held_out = rows.chosen(is_held_out)
    doubts = _doubts(held_out)
    likeliest = held_out.p.argmax(axis=1)
    places = np.flatnonzero(is_held_out)
    for i in np.flatnonzero(doubts.is_doubted):
        label = held_out.table["habitat"].iloc[i]
        texts[places[i]] = (
            f"labelled {label} ({doubts.of_label[i]:.2f}), but rather "
            f"{held_out.classes[likeliest[i]]} ({held_out.p[i, likeliest[i]]:.2f})"
        )
    return texts


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
