"""Which photos, points or labels a person should look at first, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_number
from ._base.classes import Predictions, is_true, of_classes
from ._base.probabilities import Apart, read_apart
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

#: What reasons are told by, besides predictions and probabilities.
_COLUMNS = (
    *("path", "point_id", "year", "direction", "habitat", "split", "n_photos", "agreement"),
    *("n_classes", "set", "unlike", "n_unlike"),
)


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
    given = read_apart(predictions, _COLUMNS, what)
    ranked = _ranked(given)
    is_read = ranked.is_read & (given.codes >= 0)
    rows, ranked = given.chosen(is_read), ranked.chosen(is_read)
    reasons = [
        _unsure(rows, ranked),
        _doubted(rows, ranked),
        _torn_point(rows) if rows.unit == "point" else _odd_photo(rows, what),
        _unlike(rows),
        _rare(rows),
    ]
    n_reasons = np.sum([reason.has for reason in reasons], axis=0)
    order = np.lexsort((ranked.of_predicted, -n_reasons))[: np.count_nonzero(n_reasons)]
    if len(order) > n or not is_read.all():
        inform(
            f"{len(order)} of {len(is_read)} rows have a reason to be looked at, of which "
            f"{min(len(order), int(n))} are listed; {int((~is_read).sum())} have no class."
        )
    order = order[: int(n)]
    table = rows.whole(order)
    table.insert(0, "why", ["; ".join(r.text(i) for r in reasons if r.has[i]) for i in order])
    table.insert(0, "n_reasons", n_reasons[order])
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


def doubts_table(
    predictions: Table | Predictions | Apart, what: str, n: int | None = None
) -> pd.DataFrame:
    """What `doubted_labels` returns; ``what`` is the function that errors speak of."""
    rows = read_apart(predictions, _COLUMNS, what)
    ranked = _ranked(rows)
    is_held_out = _is_held_out(rows, ranked)
    if not is_held_out.any():
        raise InputError(
            f"{what} needs labelled rows that the model was not trained on, and none of "
            f"{len(rows.table)} is. Give what {words.call('cross_validate')} returns."
        )
    rows, ranked = rows.chosen(is_held_out), ranked.chosen(is_held_out)
    doubted = _doubted(rows, ranked)
    inform(
        f"{int(doubted.has.sum())} of {len(rows.table)} labels are doubted; "
        f"{int((~is_held_out).sum())} rows have no label, no class, or were trained on."
    )
    order = np.argsort(ranked.of_label, kind="stable")
    order = order[doubted.has[order]] if n is None else order[: int(n)]
    table = _as_review_table(rows.whole(order))
    texts = [doubted.text(i) if doubted.has[i] else "" for i in order]
    first = {
        "priority": np.arange(1, len(order) + 1),
        "is_doubted": doubted.has[order],
        "label_probability": ranked.of_label[order],
        "why": pd.array(texts, dtype="str"),
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


class _Ranked(NamedTuple):
    """What the probabilities of each row say."""

    is_read: npt.NDArray[np.bool_]  # (rows,), whether it has all of them
    likeliest: npt.NDArray[np.intp]  # (rows, 2 at most), numbers of classes
    best: Floats  # (rows, 2 at most), the probabilities of these
    of_predicted: Floats  # (rows,)
    label: npt.NDArray[np.intp]  # (rows,), -1 where it is none of the classes
    of_label: Floats  # (rows,)

    def chosen(self, rows: npt.NDArray[np.bool_]) -> _Ranked:
        """What those of some rows say."""
        values: list[Any] = [of_rows[rows] for of_rows in self]
        return _Ranked(*values)


def _ranked(rows: Apart) -> _Ranked:
    """What probabilities say, so many at a time that those of all rows are never held."""
    label = np.full(len(rows.table), -1)
    if "habitat" in rows.table:
        labels = pd.Categorical(rows.table["habitat"].astype("str"), categories=rows.classes)
        label = np.asarray(labels.codes, dtype=np.intp)
    parts = []
    for block, p in rows.blocks():
        # A copy, because a view would hold the ranks of all classes.
        likeliest = np.argsort(-p, axis=1, kind="stable")[:, :2].copy()
        parts.append(
            _Ranked(
                is_read=np.asarray(np.isfinite(p).all(axis=1), dtype=np.bool_),
                likeliest=likeliest,
                best=np.take_along_axis(p, likeliest, axis=1),
                of_predicted=of_classes(p, rows.codes[block]),
                label=label[block],
                of_label=of_classes(p, label[block]),
            )
        )
    return _Ranked(*(np.concatenate(values) for values in zip(*parts, strict=True)))


class _Reason(NamedTuple):
    """Which rows have one reason to be looked at, and how it is said of one of them."""

    has: npt.NDArray[np.bool_]
    text: Callable[[int], str]


def _is_held_out(rows: Apart, ranked: _Ranked) -> npt.NDArray[np.bool_]:
    """Which rows have a label among the model's classes, probabilities, and were not trained on."""
    is_trained_on = np.zeros(len(rows.table), dtype=bool)
    if "split" in rows.table:
        is_trained_on = (rows.table["split"] == "train").fillna(False).to_numpy(dtype=bool)
    is_labelled = rows.is_labelled & ranked.is_read & (ranked.label >= 0)
    return is_labelled & ~is_trained_on


def _doubted(rows: Apart, ranked: _Ranked) -> _Reason:
    """Which rows bear a label that is doubted, by the confident joint, with the likelier class."""
    is_doubted = _is_held_out(rows, ranked)
    held_out, said = rows.chosen(is_doubted), ranked.chosen(is_doubted)
    # A class without a label has no threshold that a row could reach.
    is_of = [said.label == k for k in range(len(rows.classes))]
    thresholds = np.array([said.of_label[mine].mean() if mine.any() else np.inf for mine in is_of])
    is_other = np.zeros(len(said.label), dtype=bool)
    for block, p in held_out.blocks():
        confident = np.where(p >= thresholds, p, -np.inf)
        is_other[block] = np.isfinite(confident).any(axis=1)
        is_other[block] &= confident.argmax(axis=1) != said.label[block]
    is_doubted[is_doubted] = is_other & (said.likeliest[:, 0] != said.label)

    def text(i: int) -> str:
        return (
            f"labelled {rows.table['habitat'].iloc[i]} ({ranked.of_label[i]:.2f}), but rather "
            f"{rows.classes[ranked.likeliest[i, 0]]} ({ranked.best[i, 0]:.2f})"
        )

    return _Reason(is_doubted, text)


def _unsure(rows: Apart, ranked: _Ranked) -> _Reason:
    """Which rows have no clear class, with the likeliest two."""
    best = ranked.best
    second = best[:, 1] if best.shape[1] > 1 else np.zeros(len(best))
    is_unsure = (best[:, 0] < UNSURE) | (second >= best[:, 0] / 2)
    has_several = np.zeros(len(best), dtype=bool)
    if {"n_classes", "set"} <= set(rows.table.columns):
        sizes = pd.to_numeric(rows.table["n_classes"], errors="coerce")
        has_several = sizes.fillna(0).gt(1).to_numpy(dtype=bool)

    def text(i: int) -> str:
        if has_several[i]:
            return f"may be any of {str(rows.table['set'].iloc[i]).replace('|', ', ')}"
        likely = zip(ranked.likeliest[i], best[i], strict=True)
        return f"unsure: {' or '.join(f'{rows.classes[k]} ({p:.2f})' for k, p in likely)}"

    return _Reason(has_several | is_unsure, text)


def _torn_point(rows: Apart) -> _Reason:
    """Which points have photos that disagree."""
    if "agreement" not in rows.table:
        return _none(rows)
    n = pd.to_numeric(rows.table["n_photos"]).to_numpy(dtype=np.float64)
    share = rows.table["agreement"].to_numpy(dtype=np.float64)
    return _Reason(
        share < TORN, lambda i: f"{n[i] * (1 - share[i]):.0f} of {n[i]:.0f} photos say otherwise"
    )


def _odd_photo(rows: Apart, what: str) -> _Reason:
    """Which photos are of another class than most of their point and year."""
    require_columns(
        pd.DataFrame(columns=rows.names),
        ["path"],
        what,
        f"Give what {words.call('classify')} or {words.call('vote')} made.",
    )
    point = point_numbers(as_photos(rows.table).reset_index(drop=True)).to_numpy()
    own = rows.table["predicted"].astype("str")
    most = commonest(own, point, int(point.max(initial=-1)) + 1)
    others = most.iloc[point].reset_index(drop=True)

    def text(i: int) -> str:
        if pd.isna(others.iloc[i]):
            return "photos of its point are torn between classes"
        return f"most photos of its point show {others.iloc[i]}"

    return _Reason((others.isna() | (others != own)).to_numpy(dtype=bool), text)


def _unlike(rows: Apart) -> _Reason:
    """Which photos, or how many photos of which points, are unlike the training photos."""
    if rows.unit == "point" and "n_unlike" in rows.table:
        numbers = pd.to_numeric(rows.table["n_unlike"], errors="coerce").fillna(0)
        n_unlike = numbers.astype(int).to_numpy()
        return _Reason(n_unlike != 0, lambda i: f"{n_unlike[i]} photos unlike the training photos")
    if "unlike" not in rows.table:
        return _none(rows)
    return _Reason(is_true(rows.table["unlike"]), lambda _: "unlike the training photos")


def _rare(rows: Apart) -> _Reason:
    """Which rows are of a rarely predicted class."""
    shares = np.bincount(rows.codes, minlength=len(rows.classes)) / max(len(rows.codes), 1)

    def text(i: int) -> str:
        k = rows.codes[i]
        return f"{rows.classes[k]} is rare ({shares[k]:.1%} of the rows)"

    return _Reason((shares < RARE)[rows.codes], text)


def _none(rows: Apart) -> _Reason:
    """A reason that no row has."""
    return _Reason(np.zeros(len(rows.table), dtype=bool), lambda _: "")
