"""From photos to points: the votes of a point's photos."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.checks import check_choice
from ._base.choices import VOTE_METHODS
from ._base.classes import calibrated_rows, is_true
from ._base.probabilities import Probabilities, Split, edges_of, split_off
from ._base.signatures import checked
from ._base.sums import rows_summed_by, runs_of
from ._base.tables import INCLUSION, WEIGHT, require_columns
from ._base.texts import repeated
from ._base.types import Floats, Table
from .errors import InputError, inform, some, warn
from .learned_votes import FEWEST, learned_probabilities
from .photos import DIRECTIONS, as_photos, groups_of, leave_out_closeups
from .point_calibration import COLUMN as CORRECTION
from .point_calibration import POOLS, PointCalibration, from_text, pooled, put_right
from .sources import base_name

__all__ = ["vote"]

_ROUNDED = 0.01  # three decimals miss a sum of 1 by 2e-3 at most


@checked
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
        the tied class with the larger mean probability. ``p_<class>`` are the mean probabilities then too,
        so the class that won need not be the one with the largest. ``"mean"``: the class with the largest
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
    read = _read(predictions)
    classes, p, attrs = read.classes, read.p, read.table.attrs
    photos, point = _voters(_brief(as_photos(read.table)), closeups)
    # The table as it was read is not needed beside the photos.
    del read
    n = int(point.max(initial=-1)) + 1
    counted = _count(photos, p, point, n, method)
    if method == "learned":
        _check_learned(counted)
    columns = _points_of(photos, classes, p.columns, point, counted)
    columns |= _carried_over(photos, point, counted)
    points = pd.DataFrame(columns, copy=False)
    _warn_of_points(photos, point, points)
    points.attrs = {**attrs, "method": method}
    return points


_LABELS = ("habitat", "split", "lc1", "nuts0")
_MEANS = ("obs_dist", "x", "y", "lon", "lat", "km_to_training")
_COLUMNS = (
    *("path", "point_id", "year", "direction", "predicted", "calibrated", CORRECTION),
    *(*_LABELS, *_MEANS, "fold", INCLUSION, WEIGHT, "unlike"),
)
# The column of photos' places among the probabilities.
_PLACE = "place among probabilities"


def _read(predictions: Table) -> Split:
    """What is needed of predictions, with their probabilities apart."""
    read = split_off(predictions, _COLUMNS)
    if not read.p.columns:
        raise InputError(
            f"{words.call('vote')} needs the columns p_<class> that {words.call('classify')} makes; got "
            f"{some(read.columns, 12)}."
        )
    what = f"Give the table that {words.call('classify')} made."
    require_columns(read.table, ["path"], words.call("vote"), what)
    return read._replace(table=read.table.assign(**{_PLACE: np.arange(len(read.table))}))


def _brief(photos: pd.DataFrame) -> pd.DataFrame:
    """Photos whose repeated texts are held once."""
    return photos.astype(dict.fromkeys(("direction", "habitat", "split"), "category"))


def _voters(photos: pd.DataFrame, closeups: bool) -> tuple[pd.DataFrame, npt.NDArray[np.intp]]:
    """The photos that may vote, each once, and the number of each one's point and year.

    Points are numbered in the order of their first photo; a photo without a point stands for itself.
    """
    photos = photos.reset_index(drop=True)
    is_repeated = repeated(photos["path"])
    if is_repeated.any():
        warn(
            f"{int(is_repeated.sum())} photos stand in the table twice and vote once: "
            f"{some(photos.loc[is_repeated, 'path'].map(base_name).tolist())}."
        )
        photos = photos[~is_repeated].reset_index(drop=True)
    number = point_numbers(photos).to_numpy()
    voters = leave_out_closeups(photos, closeups)
    if len(photos) and voters.empty:
        raise InputError(
            f"All {len(photos)} photos are close-ups (C); {words.arg('closeups', True)} lets them "
            "vote."
        )
    if len(voters) == len(photos):
        return photos, number
    has_voter = np.bincount(number[voters.index], minlength=int(number.max()) + 1) > 0
    left_out = photos[~has_voter[number]]
    if len(left_out):
        warn(
            f"{int((~has_voter).sum())} points have close-ups only and are left out: "
            f"{some(groups_of(left_out).unique().tolist())}."
        )
    return voters.reset_index(drop=True), pd.factorize(number[voters.index])[0]


def point_numbers(photos: pd.DataFrame) -> pd.Series:
    """The number of each photo's point and year, in the order of first appearance.

    A missing year is a year of its own, and a photo without a point a point of its own.
    """
    codes, names = pd.factorize(photos["point_id"])
    point = np.asarray(codes, dtype=np.intp)
    is_alone = point < 0
    if is_alone.any():
        paths = photos["path"][is_alone].astype("str")
        point[is_alone] = len(names) + pd.factorize(paths, use_na_sentinel=False)[0]
    year, years = pd.factorize(photos["year"])
    number = pd.factorize(point * (len(years) + 1) + year + 1)[0]
    return pd.Series(np.asarray(number, dtype=np.intp), index=photos.index)


# ---- counting ------------------------------------------------------------------------------------


class _Counted(NamedTuple):
    """The votes of each point's photos, and what they say; NaN where none could be read."""

    size: npt.NDArray[np.intp]  # (points,), photos that voted
    winner: npt.NDArray[np.intp]  # (points,), -1 where none did
    agreement: Floats  # (points,)
    votes: Floats  # (classes, points), shares of votes
    p: Floats  # (classes, points), put right where photos carry a correction
    has_correction: npt.NDArray[np.bool_]  # (points,)
    text: npt.NDArray[np.intp]  # (points,), the number of the correction that photos carry
    means: Floats  # (columns, points), of the columns of places
    corrections: dict[str, PointCalibration]  # by the texts that occur


def _count(
    photos: pd.DataFrame,
    probabilities: Probabilities,
    point: npt.NDArray[np.intp],
    n: int,
    method: str,
) -> _Counted:
    """Count the votes of all points, so many at a time as their photos' probabilities have room."""
    k = len(probabilities.columns)
    text, names = _corrections_of(photos)
    corrections = {name: from_text(name, k) for name in names}
    means = [c for c in _MEANS if c in photos]
    counted = _Counted(
        size=np.zeros(n, dtype=np.intp),
        winner=np.full(n, -1, dtype=np.intp),
        agreement=np.full(n, np.nan),
        votes=np.full((k, n), np.nan),
        p=np.full((k, n), np.nan),
        has_correction=np.zeros(n, dtype=bool),
        text=np.full(n, -1, dtype=np.intp),
        means=np.full((len(means), n), np.nan),
        corrections=corrections,
    )
    order = np.argsort(point, kind="stable")
    edges = edges_of(runs_of(point[order]), len(order), k)
    summed = photos[["direction", *means]]
    doubts = _Doubts([], [])
    blocks = probabilities.blocks(photos[_PLACE].to_numpy()[order], edges)
    for first, last, p in zip(edges[:-1], edges[1:], blocks, strict=True):
        rows = order[first:last]
        points = slice(point[rows[0]], point[rows[-1]] + 1)
        block = _sorted_photos(summed.iloc[rows], p, point[rows] - points.start, text[rows])
        doubts.add(block, rows)
        counted.means[:, points] = block.photos[means].groupby(block.point).mean().to_numpy().T
        _count_block(block, list(corrections.values()), method, counted, points)
    doubts.check(photos["path"], probabilities.columns)
    return counted


class _Block(NamedTuple):
    """Photos of some points, sorted by point and by what they say."""

    photos: pd.DataFrame
    point: npt.NDArray[np.intp]  # (photos,), from 0 to the number of points
    is_voting: npt.NDArray[np.bool_]  # (photos,)
    p: Floats  # (photos that vote, classes)
    text: npt.NDArray[np.intp]  # (photos,), numbers of corrections, -1 without
    row: npt.NDArray[np.intp]  # (photos,), where each stood


def _sorted_photos(
    photos: pd.DataFrame, p: Floats, point: npt.NDArray[np.intp], text: npt.NDArray[np.intp]
) -> _Block:
    """Photos in an order that is the same however they stood, so that sums are to the last digit."""
    order = np.lexsort((_content(photos, p), point))
    p = p[order]
    is_voting = np.asarray(np.isfinite(p).all(axis=1), dtype=np.bool_)
    return _Block(photos.iloc[order], point[order], is_voting, p[is_voting], text[order], order)


def _content(photos: pd.DataFrame, p: Floats) -> npt.NDArray[np.uint64]:
    """A number of 64 bits of all of a photo that is summed; unlike photos have unlike ones."""
    numbers = [photos[c].to_numpy(np.float64, na_value=np.nan) for c in _MEANS if c in photos]
    directions = pd.Categorical(photos["direction"], categories=DIRECTIONS).codes
    content = directions.astype(np.uint64)
    for i, values in enumerate([*p.T, *numbers]):
        bits = np.ascontiguousarray(values).view(np.uint64)
        mixed = (bits ^ (bits >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        content += mixed * np.uint64((0xBF58476D1CE4E5B9 * (2 * i + 1)) % 2**64)
    return content


def _count_block(
    block: _Block,
    corrections: list[PointCalibration],
    method: str,
    counted: _Counted,
    points: slice,
) -> None:
    """Count the votes of some points, and put them in their place among all."""
    voter, n = block.point[block.is_voting], points.stop - points.start
    size = np.bincount(voter, minlength=n)
    k = block.p.shape[1]
    own = voter * k + block.p.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        votes: Floats = np.bincount(own, minlength=n * k).reshape(n, k) / size[:, None]
        mean = rows_summed_by(voter, block.p, n)
        mean /= mean.sum(axis=1, keepdims=True)
    plain = _product(block.p, voter, n) if method == "product" else mean
    right = _put_right(block, corrections, n, method)
    if method == "majority":
        # Shares are whole votes over one number, so equal shares are equal to the last bit.
        score = np.where(votes == _largest(votes), mean, -1.0)
    else:
        score = np.where(right.is_learned[:, None], right.p, plain)
    # Rounded, so that the order of photos cannot decide between equals; the first class does.
    winner = np.nan_to_num(score, nan=-1.0).round(12).argmax(axis=1)
    counted.size[points] = size
    counted.winner[points] = np.where(size > 0, winner, -1)
    counted.agreement[points] = votes[np.arange(n), winner]
    counted.votes[:, points] = votes.T
    counted.p[:, points] = np.where(right.has_correction[:, None], right.p, plain).T
    counted.has_correction[points] = right.has_correction
    counted.text[points] = right.text


def _product(p: Floats, voter: npt.NDArray[np.intp], n: int) -> Floats:
    """Normalised products of the probabilities of each point's photos; NaN without one."""
    logs = rows_summed_by(voter, np.log(np.where(p > 0, p, 1.0)), n)
    zeros = rows_summed_by(voter, (p == 0).astype(np.float64), n)
    # One zero makes a product zero. Where every class has a zero, those with the fewest remain.
    logs[zeros > zeros.min(axis=1, keepdims=True)] = -np.inf
    product = np.exp(logs - _largest(logs))
    product /= product.sum(axis=1, keepdims=True)
    product[np.bincount(voter, minlength=n) == 0] = np.nan
    return product


class _Doubts(NamedTuple):
    """Rows whose numbers cannot be the probabilities of photos."""

    impossible: list[npt.NDArray[np.intp]]
    #: They do not sum to 1.
    off: list[npt.NDArray[np.intp]]

    def add(self, block: _Block, rows: npt.NDArray[np.intp]) -> None:
        """Look through some photos, which stood in these rows."""
        rows = rows[block.row[block.is_voting]]
        total = block.p.sum(axis=1)
        self.impossible.append(rows[(block.p < 0).any(axis=1) | (total == 0)])
        self.off.append(rows[np.abs(total - 1) > _ROUNDED])

    def check(self, paths: pd.Series, columns: list[str]) -> None:
        """Refuse such rows, in the order of the table."""
        impossible, off = (np.sort(np.concatenate([*rows, []])).astype(int) for rows in self)
        if len(impossible):
            raise InputError(
                "Probabilities must not be negative, and not all be 0, as they are for "
                f"{some(paths.iloc[impossible].tolist())}."
            )
        if len(off):
            raise InputError(
                f"The columns {some(columns)} of {len(off)} photos do not sum to 1; the first is "
                f"{paths.iloc[off[0]]}. Does another column's name begin with p_?"
            )


def _largest(values: Floats) -> Floats:
    """The largest value of each row, as a column."""
    largest: Floats = values.max(axis=1, keepdims=True)
    return largest


# ---- putting probabilities right -----------------------------------------------------------------


def _corrections_of(photos: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[str]]:
    """The number of the correction that each calibrated photo carries, -1 without, and their texts."""
    if CORRECTION not in photos or "calibrated" not in photos:
        return np.full(len(photos), -1, dtype=np.intp), []
    codes, names = pd.factorize(photos[CORRECTION])
    return np.where(calibrated_rows(photos), codes, -1), [str(name) for name in names]


class _PutRight(NamedTuple):
    """Points' probabilities as the model's held-out points put them right."""

    p: Floats  # (points, classes), NaN without a correction
    has_correction: npt.NDArray[np.bool_]  # (points,)
    is_learned: npt.NDArray[np.bool_]  # (points,), by more than a correction of the mean
    text: npt.NDArray[np.intp]  # (points,), the number of the correction


def _put_right(
    block: _Block, corrections: list[PointCalibration], n: int, method: str
) -> _PutRight:
    """Apply the correction that each point's photos carry, where all carry the same."""
    right = np.full((n, block.p.shape[1]), np.nan)
    is_learned = np.zeros(n, dtype=bool)
    text = np.full(n, -1, dtype=np.intp)
    point, number = block.point[block.is_voting], block.text[block.is_voting]
    lowest, highest = np.full(n, len(corrections)), np.full(n, -1)
    np.minimum.at(lowest, point, number)
    np.maximum.at(highest, point, number)
    for i, calibration in enumerate(corrections):
        mine = (lowest == i) & (highest == i)
        if not mine.any() or (method == "learned" and calibration.learned is None):
            continue
        rows = mine[point]
        direction = block.photos["direction"][block.is_voting][rows].reset_index(drop=True)
        photos = _Photos(block.p[rows], point[rows], direction)
        right[mine] = _corrected(photos, n, calibration, method)[mine]
        is_learned[mine] = method == "learned" and _is_learned(calibration)
        text[mine] = i
    return _PutRight(right, np.isfinite(right).all(axis=1), is_learned, text)


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
    codes, texts = pd.factorize(photos[CORRECTION])
    is_learned = np.array([", learned " in str(text) for text in texts] + [False])
    return bool((is_learned[codes] & calibrated_rows(photos)).all())


def _is_learned(calibration: PointCalibration) -> bool:
    """Whether held-out points taught more than how to put the mean right."""
    return calibration.learned is not None and calibration.learned.way != "mean"


def _check_learned(counted: _Counted) -> None:
    """Refuse points without a learned vote, and say where it is the mean."""
    has_voted = counted.size > 0
    lacking = has_voted & ~counted.has_correction
    if lacking.any():
        raise InputError(
            f"The photos of {int(lacking.sum())} of {int(has_voted.sum())} points carry no learned vote. "
            f"Calibrate their model on labelled points with several photos ({words.call('calibrate')}; "
            f"{words.call('train')} does so on validation points) and classify the photos again, or take "
            f"{words.arg('method', 'mean')}."
        )
    for learned in (c.learned for c in counted.corrections.values()):
        if learned is not None and learned.way == "mean":
            few = f"fewer than {FEWEST}" if learned.n_points < FEWEST else "where nothing beat it"
            inform(
                f"The learned vote is the mean: the model was calibrated on {learned.n_points} points with "
                f"several photos, {few}."
            )


# ---- what points carry ---------------------------------------------------------------------------


def _points_of(
    photos: pd.DataFrame,
    classes: list[str],
    p_columns: list[str],
    point: npt.NDArray[np.intp],
    counted: _Counted,
) -> dict[str, Any]:
    """The columns of points: which they are, what they voted, and how probable classes are."""
    rows = np.arange(len(photos))
    first = np.zeros(len(counted.size), dtype=np.intp)
    # What is written last stands: the first row of each point.
    first[point[::-1]] = rows[::-1]
    columns: dict[str, Any] = {
        "point_id": groups_of(photos.iloc[first]).array,
        "year": photos["year"].iloc[first].array,
        "n_photos": counted.size,
        "predicted": pd.Categorical.from_codes(counted.winner, categories=pd.Index(classes)),
        "agreement": counted.agreement,
    }
    for prefix, values in (("p_", counted.p), ("v_", counted.votes)):
        names = [prefix + name.removeprefix("p_") for name in p_columns]
        columns |= dict(zip(names, values, strict=True))
    if counted.has_correction.any():
        # Change between years asks for the class shares that the probabilities go with.
        texts = pd.array(list(counted.corrections), dtype="str")
        columns[CORRECTION] = texts.take(counted.text, allow_fill=True)
    if "calibrated" in photos:
        columns["calibrated"] = _calibrated_points(photos, point, counted)
    return columns


def _calibrated_points(
    photos: pd.DataFrame, point: npt.NDArray[np.intp], counted: _Counted
) -> npt.NDArray[np.bool_]:
    """Mark the points whose probabilities are calibrated as points."""
    n = len(counted.size)
    of_photos = np.bincount(point[~calibrated_rows(photos)], minlength=n) == 0
    is_calibrated: npt.NDArray[np.bool_] = of_photos & (
        counted.has_correction | (counted.size <= 1)
    )
    lacking = of_photos & ~is_calibrated
    if lacking.any():
        inform(
            f"The photos of {int(lacking.sum())} points are calibrated, the points are not: the model "
            "was not calibrated on points with several photos. Until it is, by "
            f"{words.call('calibrate')}, points' probabilities are not proportions."
        )
    return is_calibrated


def _carried_over(
    photos: pd.DataFrame, point: npt.NDArray[np.intp], counted: _Counted
) -> dict[str, Any]:
    """What points take from the photos' other columns: the commonest label, the mean place."""
    n, columns = len(counted.size), dict[str, Any]()
    for column in _LABELS:
        if column in photos and photos[column].notna().any():
            columns[column] = commonest(photos[column], point, n).array
    columns |= zip([c for c in _MEANS if c in photos], counted.means, strict=True)
    if "fold" in photos:
        folds = photos["fold"].groupby(point)
        columns["fold"] = folds.first().where(folds.nunique() == 1).array
    for column in (INCLUSION, WEIGHT):
        if column in photos:
            columns[column] = _shared(photos, column, point)
    if "unlike" in photos:
        is_unlike = is_true(photos["unlike"])
        columns["n_unlike"] = np.bincount(point, is_unlike, minlength=n).astype(np.int64)
    return columns


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
    is_torn = _differ(photos["habitat"], point, len(points))
    if is_torn.any():
        warn(
            f"{int(is_torn.sum())} points carry different labels in one year: "
            f"{some(points.loc[is_torn, 'point_id'].tolist())}. The commonest label is kept."
        )


def _differ(labels: pd.Series, point: npt.NDArray[np.intp], n: int) -> npt.NDArray[np.bool_]:
    """Mark the points whose photos carry several labels."""
    codes, names = pd.factorize(labels)
    point, codes = point[codes >= 0], codes[codes >= 0]
    lowest, highest = np.full(n, len(names)), np.full(n, -1)
    np.minimum.at(lowest, point, codes)
    np.maximum.at(highest, point, codes)
    return highest > lowest


def commonest(labels: pd.Series, group: npt.NDArray[np.integer[Any]], n: int) -> pd.Series:
    """Each group's commonest label; missing where two are equally common."""
    codes, names = pd.factorize(labels)
    key = np.sort(group[codes >= 0] * len(names) + codes[codes >= 0])
    starts = runs_of(key)
    times = np.diff(starts, append=len(key))
    of_group, label = np.divmod(key[starts], max(len(names), 1))
    most = np.zeros(n, dtype=np.intp)
    np.maximum.at(most, of_group, times)
    is_most = times == most[of_group]
    is_only = np.bincount(of_group[is_most], minlength=n) == 1
    winner = np.full(n, -1, dtype=np.intp)
    winner[of_group[is_most]] = label[is_most]
    texts = pd.array([str(name) for name in names], dtype="str")
    return pd.Series(texts.take(np.where(is_only, winner, -1), allow_fill=True))
