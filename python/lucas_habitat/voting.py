"""From photos to points: the votes of a point's photos."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_choice
from ._base.choices import VOTE_METHODS
from ._base.classes import calibrated_rows, classes_of, probability_columns
from ._base.tables import INCLUSION, WEIGHT, as_table, require_columns
from ._base.types import Floats, Table
from .errors import InputError, inform, some, warn
from .learned_votes import FEWEST, learned_probabilities
from .photos import as_photos, groups_of, leave_out_closeups
from .point_calibration import COLUMN as CORRECTION
from .point_calibration import POOLS, PointCalibration, from_text, pooled, put_right
from .sources import base_name

__all__ = ["vote"]

_ROUNDED = 0.01  # three decimals miss a sum of 1 by 2e-3 at most


def vote(
    predictions: Table,
    method: str = "majority",
    *,
    closeups: bool = False,
) -> pd.DataFrame:
    """Let the photos of a point in a year vote on its class.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned.
    method : {"majority", "mean", "product", "learned"}, default "majority"
        ``"majority"``: each photo votes for its likeliest class, the commonest wins; ties go to
        the tied class with the larger mean probability. ``"mean"``: the class with the largest
        mean probability. ``"product"``: with the largest product of probabilities, as if photos
        of one point were independent, which they are not: it is surer than it should be.
        ``"learned"``: as the points showed that the model was calibrated on, with a weight a
        direction or more where that paid there (see `calibrate`); the likeliest class wins. With
        fewer than 50 such points, or where nothing paid, it is ``"mean"``, and says so.
    closeups : bool, default False
        Whether close-ups (direction C) vote too.

    Returns
    -------
    pandas.DataFrame
        One row a point and year, in order of first appearance. A missing year is a year of its
        own, and a photo without a point a point of its own, named by its path. Columns:
        ``point_id``, ``year``, ``n_photos`` (that voted), ``predicted`` (categorical),
        ``agreement`` (share of voting photos whose own class is the predicted one),
        ``p_<class>`` (float64, rows sum to 1), ``v_<class>`` (shares of votes), ``calibrated``,
        then ``habitat``, ``split``, ``lc1``, ``nuts0`` and mean ``obs_dist``, ``x``, ``y``,
        ``lon``, ``lat``, ``km_to_training`` and ``fold`` (of `cross_validate`; a fold that photos of a
        point do not share is missing), and ``inclusion_probability`` and ``weight`` (of
        `select_points`; missing where photos of a point differ) where known, and ``n_unlike`` (photos
        that `classify` flagged as unlike the training photos) where it did. A point none of whose photos
        could be read is a row with ``n_photos`` 0 and missing values.

    Notes
    -----
    Where the model was calibrated on points with several photos, ``p_<class>`` are put right as
    such points showed (the column ``vote_calibration`` of the predictions carries how; see
    `calibrate`), and ``calibrated`` is true. Otherwise they are mean probabilities, for
    ``"product"`` the normalised product, and ``calibrated`` is false for points with several
    photos: the mean of five photos is less sure than the five are together, and their product surer
    than it should be. ``predicted`` is the vote's either way.

    Warns
    -----
    LucasWarning
        If points have no readable photo, or close-ups only, or photos of a point in a year carry
        different labels (the commonest is kept; ties are left missing).

    Raises
    ------
    InputError
        If the table has no probabilities, impossible ones, or close-ups only; or if ``"learned"`` is
        asked of predictions whose model learned no vote.
    """
    check_choice("method", method, VOTE_METHODS)
    table = as_table(predictions)
    columns = probability_columns(table)
    if not columns:
        raise InputError(
            f"{words.call('vote')} needs the columns p_<class> that {words.call('classify')} makes; got "
            f"{some(list(table.columns), 12)}."
        )
    require_columns(
        table, ["path"], words.call("vote"), f"Give the table that {words.call('classify')} made."
    )
    classes = classes_of(table)
    photos, point = _voters(as_photos(table), closeups)
    n = int(point.max(initial=-1)) + 1
    counted = _count(photos, columns, point, n)
    right = _put_right(photos, columns, point, n, method)
    if method == "learned":
        _check_learned(right, counted.size)
    score = {
        # Shares are whole votes over one number, so equal shares are equal to the last bit.
        "majority": np.where(counted.votes == _largest(counted.votes), counted.mean, -1.0),
        "mean": counted.mean,
        "product": counted.product,
        "learned": np.where(right.is_learned[:, None], right.p, counted.mean),
    }[method]
    # Rounded, so that the order of photos cannot decide between equals; the first class does.
    winner = np.nan_to_num(score, nan=-1.0).round(12).argmax(axis=1)
    has_voted = counted.size > 0

    first = pd.Series(point).drop_duplicates().index
    points = pd.DataFrame(
        {
            "point_id": groups_of(photos)[first].array,
            "year": photos["year"][first].array,
            "n_photos": counted.size,
            "predicted": pd.Categorical.from_codes(
                np.where(has_voted, winner, -1), categories=pd.Index(classes)
            ),
            "agreement": counted.votes[np.arange(n), winner],
        }
    )
    plain = counted.product if method == "product" else counted.mean
    probabilities = np.where(right.has_correction[:, None], right.p, plain)
    for prefix, values in (("p_", probabilities), ("v_", counted.votes)):
        for name, value in zip(columns, values.T, strict=True):
            points[prefix + name.removeprefix("p_")] = value
    if right.has_correction.any():
        # Change between years asks for the class shares that the probabilities go with.
        points[CORRECTION] = right.text
    if "calibrated" in photos:
        points["calibrated"] = _calibrated_points(photos, point, counted.size, right)
    _carry_over(photos, point, points)
    _warn_of_points(photos, point, points)
    points.attrs = {**table.attrs, "method": method}
    return points


def _voters(photos: pd.DataFrame, closeups: bool) -> tuple[pd.DataFrame, npt.NDArray[np.intp]]:
    """The photos that may vote, each once, and the number of each one's point and year.

    Points are numbered in the order of their first photo; a photo without a point stands for itself.
    """
    photos = photos.reset_index(drop=True)
    is_repeated = photos["path"].duplicated() & photos["path"].notna()
    if is_repeated.any():
        warn(
            f"{int(is_repeated.sum())} photos stand in the table twice and vote once: "
            f"{some(photos.loc[is_repeated, 'path'].map(base_name).tolist())}."
        )
        photos = photos[~is_repeated].reset_index(drop=True)
    number = point_numbers(photos)
    voters = leave_out_closeups(photos, closeups)
    if len(photos) and voters.empty:
        raise InputError(
            f"All {len(photos)} photos are close-ups (C); {words.arg('closeups', True)} lets them "
            "vote."
        )
    left_out = photos[~number.isin(number[voters.index])]
    if len(left_out):
        warn(
            f"{number[left_out.index].nunique()} points have close-ups only and are left out: "
            f"{some(groups_of(left_out).unique().tolist())}."
        )
    return voters.reset_index(drop=True), pd.factorize(number[voters.index])[0]


def point_numbers(photos: pd.DataFrame) -> pd.Series:
    """The number of each photo's point and year, in the order of first appearance.

    A missing year is a year of its own, and a photo without a point a point of its own.
    """
    keys = photos[["point_id", "year"]].assign(
        photo=photos["path"].where(photos["point_id"].isna()).astype("str")
    )
    number: pd.Series = keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup()
    return number


class _Counted(NamedTuple):
    """The votes and probabilities of each point's photos; NaN where none could be read.

    ``votes``, ``mean`` and ``product`` are of shape (points, classes), and their rows sum to 1.
    """

    size: npt.NDArray[np.intp]  # (points,), photos that voted
    votes: Floats
    mean: Floats
    product: Floats


def _count(
    photos: pd.DataFrame, columns: list[str], point: npt.NDArray[np.intp], n: int
) -> _Counted:
    """Shares of votes, mean probabilities and their normalised product, point by point."""
    p = photos[columns].to_numpy(dtype=np.float64)
    is_voting = np.isfinite(p).all(axis=1)
    p, voter = p[is_voting], point[is_voting]
    _check_probabilities(p, columns, photos.loc[is_voting, "path"])
    size = np.bincount(voter, minlength=n)
    mean, votes, logs, zeros = (np.zeros((n, len(columns))) for _ in range(4))
    np.add.at(mean, voter, p)
    np.add.at(votes, (voter, p.argmax(axis=1)), 1.0)
    np.add.at(logs, voter, np.log(np.where(p > 0, p, 1.0)))
    np.add.at(zeros, voter, p == 0)
    # One zero makes a product zero. Where every class has a zero, those with the fewest remain.
    logs[zeros > zeros.min(axis=1, keepdims=True)] = -np.inf
    with np.errstate(invalid="ignore"):
        votes /= size[:, None]
        mean /= mean.sum(axis=1, keepdims=True)
        product = np.exp(logs - _largest(logs))
        product /= product.sum(axis=1, keepdims=True)
    product[size == 0] = np.nan
    return _Counted(size, votes, mean, product)


def _check_probabilities(p: Floats, columns: list[str], paths: pd.Series) -> None:
    """Refuse what cannot be the probabilities of photos."""
    is_impossible = (p < 0).any(axis=1) | (p.sum(axis=1) == 0)
    if is_impossible.any():
        raise InputError(
            "Probabilities must not be negative, and not all be 0, as they are for "
            f"{some(paths[is_impossible].tolist())}."
        )
    is_off = np.abs(p.sum(axis=1) - 1) > _ROUNDED
    if is_off.any():
        raise InputError(
            f"The columns {some(columns)} of {int(is_off.sum())} photos do not sum to 1; the first is "
            f"{paths[is_off].iloc[0]}. Does another column's name begin with p_?"
        )


def _largest(values: Floats) -> Floats:
    """The largest value of each row, as a column."""
    largest: Floats = values.max(axis=1, keepdims=True)
    return largest


class _PutRight(NamedTuple):
    """Points' probabilities as the model's held-out points put them right."""

    p: Floats  # (points, classes), NaN without a correction
    has_correction: npt.NDArray[np.bool_]  # (points,)
    is_learned: npt.NDArray[np.bool_]  # (points,), by more than a correction of the mean
    text: pd.Series  # (points,), the correction as the photos carry it
    corrections: list[PointCalibration]  # all that occur


def _put_right(
    photos: pd.DataFrame,
    columns: list[str],
    point: npt.NDArray[np.intp],
    n: int,
    method: str,
) -> _PutRight:
    """Apply the correction that each point's photos carry, where all carry the same."""
    right = np.full((n, len(columns)), np.nan)
    is_learned = np.zeros(n, dtype=bool)
    texts_of_points = pd.Series([None] * n, dtype="str")
    if CORRECTION not in photos or "calibrated" not in photos:
        return _PutRight(right, np.zeros(n, dtype=bool), is_learned, texts_of_points, [])
    p = photos[columns].to_numpy(dtype=np.float64)
    is_voting = np.isfinite(p).all(axis=1)
    texts = photos[CORRECTION].astype("str").where(calibrated_rows(photos))
    number, names = pd.factorize(texts[is_voting])
    p, point, direction = p[is_voting], point[is_voting], photos.loc[is_voting, "direction"]
    lowest, highest = np.full(n, len(names)), np.full(n, -1)
    np.minimum.at(lowest, point, number)
    np.maximum.at(highest, point, number)
    corrections = [from_text(text, len(columns)) for text in names]
    for i, calibration in enumerate(corrections):
        mine = (lowest == i) & (highest == i)
        rows = mine[point]
        photos_of = _Photos(p[rows], point[rows], direction[rows].reset_index(drop=True))
        if method == "learned" and calibration.learned is None:
            continue
        right[mine] = _corrected(photos_of, n, calibration, method)[mine]
        is_learned[mine] = method == "learned" and _is_learned(calibration)
        texts_of_points[mine] = names[i]
    has_correction = np.isfinite(right).all(axis=1)
    return _PutRight(right, has_correction, is_learned, texts_of_points, corrections)


class _Photos(NamedTuple):
    """Photos that vote."""

    p: Floats  # (photos, classes)
    point: npt.NDArray[np.intp]  # (photos,)
    direction: pd.Series  # (photos,)


def _corrected(photos: _Photos, n: int, calibration: PointCalibration, method: str) -> Floats:
    """Probabilities of n points as one correction puts them right; NaN without a photo."""
    if method == "learned" and calibration.learned and _is_learned(calibration):
        return learned_probabilities(
            *photos[:2], n, photos.direction, calibration.shares, calibration.learned
        )
    pool = POOLS[method]
    evidence = pooled(photos.p, photos.point, n, calibration.shares, pool)
    size = np.bincount(photos.point, minlength=n)
    return put_right(evidence, size, calibration.shares, calibration.corrections[pool])


def has_learned_vote(photos: pd.DataFrame) -> bool:
    """Whether all photos come from models that learned a vote."""
    if CORRECTION not in photos or "calibrated" not in photos:
        return False
    texts = photos[CORRECTION].astype("str").where(calibrated_rows(photos))
    return bool(texts.str.contains(", learned ", regex=False).fillna(False).all())


def _is_learned(calibration: PointCalibration) -> bool:
    """Whether held-out points taught more than how to put the mean right."""
    return calibration.learned is not None and calibration.learned.way != "mean"


def _check_learned(right: _PutRight, size: npt.NDArray[np.intp]) -> None:
    """Refuse points without a learned vote, and say where it is the mean."""
    lacking = (size > 0) & ~right.has_correction
    if lacking.any():
        raise InputError(
            f"The photos of {int(lacking.sum())} of {int((size > 0).sum())} points carry no learned vote. "
            f"Calibrate their model on labelled points with several photos ({words.call('calibrate')}; "
            f"{words.call('train')} does so on validation points) and classify the photos again, or take "
            f"{words.arg('method', 'mean')}."
        )
    for learned in (c.learned for c in right.corrections):
        if learned is not None and learned.way == "mean":
            few = f"fewer than {FEWEST}" if learned.n_points < FEWEST else "where nothing beat it"
            inform(
                f"The learned vote is the mean: the model was calibrated on {learned.n_points} points with "
                f"several photos, {few}."
            )


def _calibrated_points(
    photos: pd.DataFrame,
    point: npt.NDArray[np.intp],
    size: npt.NDArray[np.intp],
    right: _PutRight,
) -> npt.NDArray[np.bool_]:
    """Mark the points whose probabilities are calibrated as points."""
    of_photos = pd.Series(calibrated_rows(photos)).groupby(point).all().to_numpy(dtype=bool)
    is_calibrated: npt.NDArray[np.bool_] = of_photos & (right.has_correction | (size <= 1))
    lacking = of_photos & ~is_calibrated
    if lacking.any():
        inform(
            f"The photos of {int(lacking.sum())} points are calibrated, the points are not: the model "
            "was not calibrated on points with several photos. Until it is, by "
            f"{words.call('calibrate')}, points' probabilities are not proportions."
        )
    return is_calibrated


def _carry_over(photos: pd.DataFrame, point: npt.NDArray[np.intp], points: pd.DataFrame) -> None:
    """Add the photos' other columns to the points: the commonest label, the mean place."""
    n = len(points)
    for column in ("habitat", "split", "lc1", "nuts0"):
        if column in photos and photos[column].notna().any():
            points[column] = commonest(photos[column], point, n)
    for column in ("obs_dist", "x", "y", "lon", "lat", "km_to_training"):
        if column in photos:
            points[column] = photos[column].groupby(point).mean().reindex(range(n)).to_numpy()
    if "fold" in photos:
        folds = photos["fold"].groupby(point)
        points["fold"] = folds.first().where(folds.nunique() == 1).array
    for column in (INCLUSION, WEIGHT):
        if column in photos:
            points[column] = _shared(photos, column, point)
    if "unlike" in photos:
        # CSV files and R hand truth over as text, in their own spelling.
        is_unlike = photos["unlike"].astype("str").str.lower() == "true"
        points["n_unlike"] = np.bincount(point, is_unlike, minlength=n).astype(np.int64)


def _shared(
    photos: pd.DataFrame, column: str, point: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """The number that all photos of a point carry; missing where they differ."""
    of_points = pd.to_numeric(photos[column], errors="coerce").groupby(point)
    has_one = of_points.nunique() <= 1
    if not has_one.all():
        warn(
            f"Photos of {int((~has_one).sum())} points carry different values of {column}, which is "
            "then missing: one point is one draw of the sample."
        )
    shared: npt.NDArray[np.float64] = of_points.first().where(has_one).to_numpy(np.float64)
    return shared


def _warn_of_points(
    photos: pd.DataFrame, point: npt.NDArray[np.intp], points: pd.DataFrame
) -> None:
    """Name points without a class, and those whose photos carry different labels."""
    is_empty = (points["n_photos"] == 0).to_numpy()
    if is_empty.any():
        warn(
            f"{int(is_empty.sum())} of {len(points)} points have no readable photo and no class: "
            f"{some(points.loc[is_empty, 'point_id'].tolist())}."
        )
    is_torn = (photos["habitat"].groupby(point).nunique() > 1).to_numpy()
    if is_torn.any():
        warn(
            f"{int(is_torn.sum())} points carry different labels in one year: "
            f"{some(points.loc[is_torn, 'point_id'].tolist())}. The commonest label is kept."
        )


def commonest(labels: pd.Series, group: object, n: int) -> pd.Series:
    """Each group's commonest label; missing where two are equally common."""
    counts = pd.DataFrame({"group": group, "label": labels}).value_counts(sort=False).reset_index()
    most = counts.groupby("group")["count"].transform("max")
    top = counts[counts["count"] == most].drop_duplicates("group", keep=False)
    return top.set_index("group")["label"].reindex(range(n)).astype("str")
