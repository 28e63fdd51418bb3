"""How far votes and probabilities can be trusted: what each further photo adds, and reliability."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._base import words
from ._base.checks import check_number, check_seed
from ._base.classes import confidence_of, labelled_rows, probabilities, probability_columns
from ._base.types import Table
from .errors import InputError, inform
from .evaluation import measures
from .photos import as_photos, leave_out_closeups
from .voting import commonest

__all__ = ["reliability", "vote_gain"]

N_BINS = 10

_Z = 1.959963984540054  # the normal deviate of 95 % intervals

_MOST_PHOTOS = 5  # landscape photos of a LUCAS point


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
    table, _, classes = probabilities(predictions, words.call("vote_gain"))
    table = leave_out_closeups(as_photos(table), closeups=False)
    p = table[probability_columns(table)].to_numpy(dtype=np.float64)
    usable = labelled_rows(table, words.call("vote_gain")) & table["point_id"].notna()
    usable &= np.isfinite(p).all(axis=1) & ~table["path"].duplicated()
    p, table = p[usable.to_numpy()], table[usable].reset_index(drop=True)
    group = table.groupby(["point_id", "year"], sort=False, dropna=False).ngroup().to_numpy()
    sizes = np.bincount(group) if len(group) else np.zeros(0, dtype=int)
    most = min(_MOST_PHOTOS, int(np.bincount(sizes).argmax())) if len(sizes) else 0
    if most < 2:
        raise InputError(
            f"{words.call('vote_gain')} needs points with several labelled, readable photos; of "
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
            found[i] = np.column_stack(measures(counts.reshape(most, k, k))[:2])
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
    table, p, classes = probabilities(predictions, words.call("reliability"))
    sure = confidence_of(table, p, classes)
    kept = labelled_rows(table, words.call("reliability")).to_numpy() & np.isfinite(sure)
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
