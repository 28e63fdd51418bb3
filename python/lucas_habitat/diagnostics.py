"""How far votes and probabilities can be trusted: what each further photo adds, and reliability."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import probabilities, words
from ._base.bootstrap import percentile_interval
from ._base.checks import MOST_DRAWS, check_choice, check_number, check_seed
from ._base.choices import GAINS_BY, VOTE_METHODS
from ._base.classes import Predictions, Rows, labelled, read_predictions
from ._base.intervals import wilson_interval
from ._base.probabilities import Apart, edges_of, read_apart
from ._base.signatures import checked
from ._base.sums import runs_of, summed_by
from ._base.types import Floats, Table
from .agreement.measures import Measures, measures
from .errors import InputError, LucasMessage, inform
from .photos import as_photos, leave_out_closeups
from .voting import commonest, has_learned_vote, vote

__all__ = ["reliability", "vote_gain"]

N_BINS = 10

#: What the gain of votes is told by, besides predictions and probabilities.
_VOTING = ("path", "point_id", "year", "direction", "habitat", "split")
#: What methods of voting are compared by, besides the same.
_BY_METHOD = (*_VOTING, "calibrated", "vote_calibration")
#: What reliability is told by, besides predictions and probabilities.
_BINNED = ("habitat", "point_id", "split")

_LEAST = 1e-9  # what a smaller probability is taken for

_MOST_PHOTOS = 5  # landscape photos of a LUCAS point


@checked
def vote_gain(
    predictions: Table, *, n_draws: int = 500, seed: int = 1, by: str = "photos"
) -> pd.DataFrame:
    """How much better a point's class becomes with each further photo that votes, or by method.

    By photos: for 1, 2, ... photos, so many of each point's photos are drawn at random and vote by majority,
    as `vote` does. Only points with at least as many readable photos as most points have (five
    at most) count, so that every number of photos is judged on the same points.

    By method: all photos of each point with several vote by each method of `vote`, also the one that
    the model learned, if it did, and are compared with one of them, drawn at random, and with the
    majority. A learned vote must be judged on points that the model was not calibrated on.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned for labelled photos of points.
    n_draws : int, default 500
        How often directions, or points, are drawn.
    seed : int, default 1
    by : {"photos", "method"}, default "photos"

    Returns
    -------
    pandas.DataFrame
        One row a number of photos: ``n_photos``, ``accuracy`` and ``kappa`` (means over the
        draws), ``kappa_gain`` (kappa less that with one photo fewer), each with ``*_low`` and
        ``*_high``, and ``n_points``. Intervals hold 95 % of draws of directions and, as in
        `evaluate`, of points. By method one row a method (``method``, the first ``"one photo"``):
        ``accuracy``, ``kappa``, and by how much accuracy exceeds that of one photo (``gain_photo``)
        and of the majority (``gain_majority``), on the same points, each with ``*_low`` and
        ``*_high``; ``log_loss`` and ``n_points``.

    Raises
    ------
    InputError
        If there are no labels, or points do not have several photos.
    """
    check_choice("by", by, GAINS_BY)
    what = words.call("vote_gain")
    gains, columns = (methods_table, _BY_METHOD) if by == "method" else (votes_table, _VOTING)
    voting = read_apart(predictions, columns, what)
    _tell_of_training(voting)
    return gains(voting, what, n_draws=n_draws, seed=seed)


def methods_table(
    predictions: Table | Predictions | Apart, what: str, *, n_draws: int = 500, seed: int = 1
) -> pd.DataFrame:
    """What `vote_gain` returns by method; ``what`` is the function that errors speak of."""
    check_number("n_draws", n_draws, 20, MOST_DRAWS, whole=True)
    rng = np.random.default_rng(check_seed(seed))
    voters = _voters(read_apart(predictions, _BY_METHOD, what), what)
    voters, group = _labelled_points(voters, what)
    sides = _by_method(voters)
    n_groups = int(group.max()) + 1
    plain = _compared(sides, [np.ones(len(group))])
    drawn = _compared(
        sides,
        (
            rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups))[group]
            for _ in range(int(n_draws))
        ),
    )
    table = pd.DataFrame({"method": list(sides)})
    for name, values, samples in zip(_Gains._fields, plain, drawn, strict=True):
        interval = percentile_interval(samples, 0.95)
        table[name] = values[0]
        table[f"{name}_low"], table[f"{name}_high"] = interval.low, interval.high
    table["log_loss"] = [side.loss.mean() for side in sides.values()]
    return table.assign(n_points=len(group))


def _labelled_points(voters: Apart, what: str) -> tuple[Apart, npt.NDArray[np.intp]]:
    """The photos of points with several and a clear label, and which points are the same in other years."""
    table = voters.table
    point = table.groupby(["point_id", "year"], sort=False, dropna=False).ngroup().to_numpy()
    sizes = np.bincount(point) if len(point) else np.zeros(0, dtype=int)
    truth = commonest(table["habitat"], point, len(sizes))
    is_judged = (sizes > 1) & truth.notna().to_numpy()
    if not is_judged.any():
        raise InputError(
            f"{what} needs points with several labelled, readable photos and a clear label; none of "
            f"{len(sizes)} points is one. Does the table lack the column point_id?"
        )
    labels = truth.array.take(point)
    voters = replace(voters, table=table.assign(habitat=labels)).chosen(is_judged[point])
    of_points = voters.table.drop_duplicates(["point_id", "year"])["point_id"]
    return voters, pd.factorize(of_points)[0].astype(np.intp)


class _Side(NamedTuple):
    """How one method did; the rows of one photo are photos, of a method points."""

    point: npt.NDArray[np.intp]  # (rows,)
    weight: Floats  # (rows,), that of a point's photos sums to 1
    cell: npt.NDArray[np.intp]  # (rows,), of a confusion matrix of all labels
    n_labels: int
    loss: Floats  # (points,)


def _by_method(voters: Apart) -> dict[str, _Side]:
    """How each method does on all points, after how their single photos do."""
    table = voters.table
    methods = [m for m in VOTE_METHODS if m != "learned" or has_learned_vote(table)]
    labels = voters.classes + sorted(set(table["habitat"]) - set(voters.classes))
    parts: dict[str, list[_Side]] = {name: [] for name in ("one photo", *methods)}
    for photos, point in _by_points(voters):
        rows = read_predictions(photos, "")
        parts["one photo"].append(_side(rows, labels, point))
        # What a vote says of calibration and close-ups has nothing to do with what it gains.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LucasMessage)
            for method in methods:
                voted = read_predictions(vote(photos, method), "")
                parts[method].append(_side(voted, labels, point[0] + np.arange(len(voted.p))))
    return {name: _joined(sides) for name, sides in parts.items()}


def _by_points(voters: Apart) -> Iterator[tuple[pd.DataFrame, npt.NDArray[np.intp]]]:
    """Photos with their probabilities, point by point, and the number of each one's point.

    All photos of a point come together, and of so many points as their probabilities have room.
    """
    table, k = voters.table, len(voters.columns)
    number = table.groupby(["point_id", "year"], sort=False, dropna=False).ngroup()
    point = np.asarray(number, dtype=np.intp)
    order = np.argsort(point, kind="stable")
    table = table[[c for c in ("predicted", *_BY_METHOD) if c in table]]
    with voters.probabilities.sorted_by(voters.place[order]) as p:
        for first, last in pairwise(edges_of(runs_of(point[order]), len(order), k)):
            rows = order[first:last]
            photos = table.iloc[rows].reset_index(drop=True)
            of_classes = pd.DataFrame(p(int(first), int(last)), columns=voters.columns)
            yield pd.concat([photos, of_classes], axis=1), point[rows]


def _side(rows: Predictions, labels: list[str], point: npt.NDArray[np.intp]) -> _Side:
    """Photos or points beside their labels; the points' numbers are one after the other."""
    truth = pd.Categorical(rows.table["habitat"].astype("str"), categories=labels).codes
    truth = truth.astype(np.intp)
    number = point - point[0]
    weight = 1 / np.bincount(number)[number]
    is_class = truth < len(rows.classes)
    p = np.where(is_class, rows.p[np.arange(len(point)), np.where(is_class, truth, 0)], 0)
    loss = -weight * np.log(np.maximum(p, _LEAST))
    return _Side(
        point,
        weight,
        rows.codes * len(labels) + truth,
        len(labels),
        np.asarray(np.bincount(number, loss), dtype=np.float64),
    )


def _joined(sides: list[_Side]) -> _Side:
    """The same of all points."""
    point, weight, cell, n_labels, loss = zip(*sides, strict=True)
    return _Side(
        np.concatenate(point),
        np.concatenate(weight),
        np.concatenate(cell),
        n_labels[0],
        np.concatenate(loss),
    )


class _Gains(NamedTuple):
    """Of each method in each draw, shape (draws, methods)."""

    accuracy: Floats
    kappa: Floats
    gain_photo: Floats
    gain_majority: Floats


def _compared(sides: dict[str, _Side], draws: Iterable[npt.NDArray[Any]]) -> _Gains:
    """Measures of all methods, for each draw of how many times points count."""
    accuracy, kappa = [], []
    for times in draws:
        measured = [_measures_of(side, times) for side in sides.values()]
        accuracy.append([float(m.overall_accuracy) for m in measured])
        kappa.append([float(m.kappa) for m in measured])
    right = np.array(accuracy)
    majority = list(sides).index("majority")
    return _Gains(right, np.array(kappa), right - right[:, [0]], right - right[:, [majority]])


def _measures_of(side: _Side, times: npt.NDArray[Any]) -> Measures:
    """Measures of one method where points count so many times."""
    k = side.n_labels
    counts = summed_by(side.cell, times[side.point] * side.weight, k * k)
    return measures(counts.reshape(k, k))


def votes_table(
    predictions: Table | Predictions | Apart, what: str, *, n_draws: int = 500, seed: int = 1
) -> pd.DataFrame:
    """What `vote_gain` returns; ``what`` is the function that errors speak of."""
    check_number("n_draws", n_draws, 20, MOST_DRAWS, whole=True)
    rng = np.random.default_rng(check_seed(seed))
    voters = _voters(read_apart(predictions, _VOTING, what), what)
    points = _judged(voters, what)
    plain, resampled = _drawn(points, voters, int(n_draws), rng)
    n = len(points.reference)
    table = pd.DataFrame({"n_photos": np.arange(1, points.most + 1)})
    for name, values, samples in zip(_Scores._fields, plain, resampled, strict=True):
        interval = percentile_interval(samples, 0.95)
        table[name] = np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)
        table[f"{name}_low"], table[f"{name}_high"] = interval.low, interval.high
    table["n_points"] = n
    if n < points.n_all:
        inform(
            f"{points.n_all - n} of {points.n_all} points have fewer than {points.most} readable "
            "photos or no clear label, and are left out of the vote gain."
        )
    return table


_R = TypeVar("_R", bound=Rows)


def _voters(predictions: _R, what: str) -> _R:
    """The photos that vote: labelled, readable, of a point, no close-ups, each once."""
    photos = as_photos(predictions.table).reset_index(drop=True)
    is_open = photos.index.isin(leave_out_closeups(photos, closeups=False).index)
    voters = labelled(replace(predictions, table=photos).chosen(is_open), what)
    is_usable = voters.table["point_id"].notna() & ~voters.table["path"].duplicated()
    return voters.chosen(is_usable.to_numpy() & voters.has_all)


class _Points(NamedTuple):
    """Points with enough photos, each of which has a place in its point, the first ones filled."""

    photo: npt.NDArray[np.intp]  # (photos,), rows of the voters, by point and place
    row: npt.NDArray[np.intp]  # (photos,), the number of each one's point
    place: npt.NDArray[np.intp]  # (photos,)
    is_empty: npt.NDArray[np.bool_]  # (points, places)
    reference: npt.NDArray[np.intp]  # (points,), numbers of labels
    n_labels: int  # the model's classes, and labels that it does not know
    most: int  # photos that vote in the end
    n_all: int  # points, with those that have too few photos or no clear label


def _judged(voters: Apart, what: str) -> _Points:
    """The points that have at least as many photos as most points have."""
    table, classes = voters.table, voters.classes
    point = table.groupby(["point_id", "year"], sort=False, dropna=False).ngroup().to_numpy()
    sizes = np.bincount(point) if len(point) else np.zeros(0, dtype=int)
    most = min(_MOST_PHOTOS, int(np.bincount(sizes).argmax())) if len(sizes) else 0
    if most < 2:
        raise InputError(
            f"{what} needs points with several labelled, readable photos; of "
            f"{len(sizes)} points most have {most}. Does the table lack the column point_id?"
        )
    truth = commonest(table["habitat"], point, len(sizes))
    is_judged = (sizes >= most) & truth.notna().to_numpy()
    if not is_judged.any():
        raise InputError(
            f"{what} compares with reference classes, but none of {len(sizes)} points with {most} or "
            "more photos has a clear one: as many photos of each carry one label as another."
        )
    labels = classes + sorted(set(truth.dropna()) - set(classes))

    row = np.cumsum(is_judged) - 1  # of each point that is judged
    place = np.asarray(table.groupby(point, sort=False).cumcount(), dtype=np.intp)
    photo = np.flatnonzero(is_judged[point])
    photo = photo[np.argsort(row[point[photo]], kind="stable")]
    return _Points(
        photo=photo,
        row=row[point[photo]],
        place=place[photo],
        is_empty=np.arange(sizes[is_judged].max()) >= sizes[is_judged][:, None],
        reference=pd.Categorical(truth[is_judged], categories=labels).codes.astype(np.intp),
        n_labels=len(labels),
        most=most,
        n_all=len(sizes),
    )


class _Scores(NamedTuple):
    """Scores of every draw with every number of photos, each of shape (draws, photos)."""

    accuracy: Floats
    kappa: Floats
    kappa_gain: Floats


def _drawn(
    points: _Points, voters: Apart, n_draws: int, rng: np.random.Generator
) -> tuple[_Scores, _Scores]:
    """Scores of draws of photos, on all points and on points drawn with replacement."""
    n = len(points.reference)
    plain, resampled = [], []
    with voters.probabilities.sorted_by(voters.place[points.photo]) as p:
        may_be_held = voters.probabilities.may_be_held(len(points.photo))
        held = list(_side_by_side(points, p)) if may_be_held else None
        for _ in range(n_draws):
            winners = _winners(points, _side_by_side(points, p) if held is None else held, rng)
            times = rng.multinomial(n, np.full(n, 1 / n)).astype(np.float64)
            plain.append(_measured(points, winners, np.ones(n)))
            resampled.append(_measured(points, winners, times))
    return _scores(plain), _scores(resampled)


class _Block(NamedTuple):
    """Some of the points, the photos of each side by side."""

    rows: slice
    p: Floats  # (points, places, classes), 0 where there is no photo
    votes: Floats  # (points, places, classes), 1 for the class of each photo


def _side_by_side(points: _Points, p: Callable[[int, int], Floats]) -> Iterator[_Block]:
    """All points, so many at a time as their photos' probabilities have room."""
    n, n_places = points.is_empty.shape
    k = p(0, 1).shape[1]
    step = max(probabilities.CELLS // (n_places * k), 1)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        first, last = np.searchsorted(points.row, [rows.start, rows.stop])
        of_photos = p(int(first), int(last))
        at = points.row[first:last] - rows.start, points.place[first:last]
        block = _Block(rows, *np.zeros((2, rows.stop - rows.start, n_places, k)))
        block.p[at] = of_photos
        block.votes[*at, of_photos.argmax(axis=1)] = 1
        yield block


def _winners(
    points: _Points, blocks: Iterable[_Block], rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """The class of each point with the first 1, 2, ... of its photos in random order."""
    # Empty places come last.
    lots = np.where(points.is_empty, 2.0, rng.random(points.is_empty.shape))
    winners = np.empty((len(lots), points.most), dtype=np.intp)
    for block in blocks:
        order = lots[block.rows].argsort(axis=1)[:, : points.most, None]
        mean = np.take_along_axis(block.p, order, axis=1).cumsum(axis=1)
        mean /= mean.sum(axis=2, keepdims=True)
        votes = np.take_along_axis(block.votes, order, axis=1).cumsum(axis=1)
        is_tied = votes == votes.max(axis=2, keepdims=True)
        winners[block.rows] = np.where(is_tied, mean, -1.0).round(12).argmax(axis=2)
    return winners


def _measured(points: _Points, winners: npt.NDArray[np.intp], times: Floats) -> Measures:
    """Measures with each number of photos, where a point counts so many times."""
    k, most = points.n_labels, points.most
    cells = np.arange(most) * k * k + winners * k + points.reference[:, None]
    counts = np.bincount(cells.ravel(), np.repeat(times, most), minlength=most * k * k)
    return measures(counts.reshape(most, k, k).astype(np.float64))


def _scores(draws: list[Measures]) -> _Scores:
    """The measures of all draws together, and what each further photo gained."""
    kappa = np.array([draw.kappa for draw in draws])
    return _Scores(
        accuracy=np.array([draw.overall_accuracy for draw in draws]),
        kappa=kappa,
        kappa_gain=np.diff(kappa, axis=1, prepend=np.nan),
    )


@checked
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
        ``accuracy_low`` and ``accuracy_high``: Wilson's 95 % interval, as `evaluate` gives it, for as
        many independent cases as there are points, because photos of one point are not
        independent. Empty bins have ``n`` 0 and missing values. ``attrs["ece"]`` is the expected
        calibration error, the mean over rows of ``|accuracy - confidence|`` of their bin: 0 is perfect.

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
    what = words.call("reliability")
    rows = read_apart(predictions, _BINNED, what)
    _tell_of_training(rows)
    return reliability_table(rows, what)


def _tell_of_training(rows: Rows) -> None:
    """Say how many rows that are compared are of points that the model was trained on."""
    if "split" in rows.table:
        is_train = rows.is_labelled & (rows.table["split"] == "train").fillna(False).to_numpy(bool)
        if is_train.any():
            inform(
                f"{int(is_train.sum())} of {int(rows.is_labelled.sum())} labelled rows are of the training "
                "split: what is told of them says nothing of other points."
            )


def reliability_table(predictions: Table | Predictions | Apart, what: str) -> pd.DataFrame:
    """What `reliability` returns; ``what`` is the function that errors speak of."""
    compared = labelled(read_apart(predictions, _BINNED, what), what)
    has_any = np.isfinite(compared.confidence)
    table, confidence = compared.chosen(has_any).table, compared.confidence[has_any]
    is_right = (table["predicted"].astype("str") == table["habitat"].astype("str")).to_numpy()
    point = (
        table["point_id"].where(table["point_id"].notna(), pd.Series(table.index).astype("str"))
        if "point_id" in table
        else pd.Series(table.index)
    )
    number = np.clip((confidence * N_BINS).astype(int), 0, N_BINS - 1)
    n = np.bincount(number, minlength=N_BINS)
    n_points = point.groupby(number).nunique().reindex(range(N_BINS), fill_value=0).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(number, confidence, minlength=N_BINS) / n
        accuracy = np.bincount(number, is_right, minlength=N_BINS) / n
        interval = wilson_interval(accuracy, 1 / n_points, 0.95)
    bins = pd.DataFrame(
        {
            "low": np.arange(N_BINS) / N_BINS,
            "high": np.arange(1, N_BINS + 1) / N_BINS,
            "n": n,
            "n_points": n_points,
            "confidence": mean,
            "accuracy": accuracy,
            "accuracy_low": interval.low,
            "accuracy_high": interval.high,
        }
    )
    gap = (bins["accuracy"] - bins["confidence"]).abs() * bins["n"]
    bins.attrs["ece"] = float(gap.sum() / bins["n"].sum())
    return bins
