"""From photos to points: the votes of a point's photos."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from ._base.checks import check_choice
from ._base.choices import VOTE_METHODS
from ._base.classes import classes_of, probability_columns
from ._base.tables import read_table, require_columns
from .errors import InputError, some, warn
from .photos import as_photos, leave_out_closeups

__all__ = ["vote"]

_ROUNDED = 0.01  # three decimals miss a sum of 1 by 2e-3 at most


def vote(
    predictions: pd.DataFrame | str | os.PathLike[str],
    method: str = "majority",
    *,
    closeups: bool = False,
) -> pd.DataFrame:
    """Let the photos of a point in a year vote on its class.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` returned.
    method : {"majority", "mean", "product"}, default "majority"
        ``"majority"``: each photo votes for its likeliest class, the commonest wins; ties go to
        the tied class with the larger mean probability. ``"mean"``: the class with the largest
        mean probability. ``"product"``: with the largest product of probabilities, as if photos
        of one point were independent, which they are not: it is surer than it should be.
    closeups : bool, default False
        Whether close-ups (direction C) vote too.

    Returns
    -------
    pandas.DataFrame
        One row a point and year, in order of first appearance. A missing year is a year of its
        own, and a photo without a point a point of its own, named by its path. Columns:
        ``point_id``, ``year``, ``n_photos`` (that voted), ``predicted`` (categorical),
        ``agreement`` (share of voting photos whose own class is the predicted one),
        ``p_<class>`` (mean probabilities, for ``"product"`` the normalised product; float64,
        rows sum to 1), ``v_<class>`` (shares of votes), ``calibrated``, then ``habitat``,
        ``split``, ``lc1``, ``nuts0`` and mean ``obs_dist``, ``x``, ``y``, ``lon``, ``lat`` where
        known. A point none of whose photos could be read is a row with ``n_photos`` 0 and missing values.

    Warns
    -----
    LucasWarning
        If points have no readable photo, or close-ups only, or photos of a point in a year carry
        different labels (the commonest is kept; ties are left missing).

    Raises
    ------
    InputError
        If the table has no probabilities, impossible ones, or close-ups only.
    """
    check_choice("method", method, VOTE_METHODS)
    table = predictions if isinstance(predictions, pd.DataFrame) else read_table(predictions)
    columns = probability_columns(table)
    if not columns:
        raise InputError(
            "vote() needs the columns p_<class> that classify() makes; got "
            f"{some(list(table.columns), 12)}."
        )
    require_columns(table, ["path"], "vote()", "Give the table that classify() made.")
    classes = classes_of(table)
    everything = as_photos(table).reset_index(drop=True)
    twice = everything["path"].duplicated() & everything["path"].notna()
    if twice.any():
        warn(
            f"{int(twice.sum())} photos stand in the table twice and vote once: "
            f"{some(everything.loc[twice, 'path'].map(os.path.basename).tolist())}."
        )
        everything = everything[~twice].reset_index(drop=True)
    # Text and year together are the key; a photo without a point stands for itself.
    keys = everything[["point_id", "year"]].assign(
        photo=everything["path"].where(everything["point_id"].isna()).astype("str")
    )
    number = keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup()
    table = leave_out_closeups(everything, closeups)
    lost = everything[~number.isin(number[table.index])]
    if len(everything) and table.empty:
        raise InputError(
            f"All {len(everything)} photos are close-ups (C); closeups=True lets them vote."
        )
    group, found = pd.factorize(number[table.index])
    n = len(found)
    table = table.reset_index(drop=True)
    first = pd.Series(group).drop_duplicates().index

    p = table[columns].to_numpy(dtype=np.float64)
    votes = np.isfinite(p).all(axis=1)
    p, voter = p[votes], group[votes]
    strange = (p < 0).any(axis=1) | (p.sum(axis=1) == 0)
    if strange.any():
        raise InputError(
            "Probabilities must not be negative, and not all be 0, as they are for "
            f"{some(table.loc[votes, 'path'][strange].tolist())}."
        )
    odd = np.abs(p.sum(axis=1) - 1) > _ROUNDED
    if odd.any():
        raise InputError(
            f"The columns {some(columns)} of {int(odd.sum())} photos do not sum to 1; the first is "
            f"{table.loc[votes, 'path'][odd].iloc[0]}. Does another column's name begin with p_?"
        )
    size = np.bincount(voter, minlength=n)
    k = len(columns)
    mean, shares, logs, zeros = (np.zeros((n, k)) for _ in range(4))
    np.add.at(mean, voter, p)
    np.add.at(shares, (voter, p.argmax(axis=1)), 1.0)
    np.add.at(logs, voter, np.log(np.where(p > 0, p, 1.0)))
    np.add.at(zeros, voter, p == 0)
    # One zero makes a product zero; where every class has some, those with fewest are left.
    logs[zeros > zeros.min(axis=1, keepdims=True)] = -np.inf
    voted = size > 0
    with np.errstate(invalid="ignore"):
        shares /= size[:, None]
        mean /= mean.sum(axis=1, keepdims=True)
        product = np.exp(logs - logs.max(axis=1, keepdims=True))
        product /= product.sum(axis=1, keepdims=True)
    # Shares are whole votes over one number, so equal shares are equal to the last bit.
    tied = shares == shares.max(axis=1, keepdims=True)
    score = {"majority": np.where(tied, mean, -1.0), "mean": mean, "product": product}[method]
    # Rounded, so that the order of photos cannot decide between equals; the first class does.
    winner = np.where(voted, np.nan_to_num(score, nan=-1.0).round(12).argmax(axis=1), -1)
    share = shares[np.arange(n), winner]
    p_out = product if method == "product" else mean
    p_out[~voted] = shares[~voted] = np.nan

    points = pd.DataFrame(
        {
            "point_id": table["point_id"]
            .where(table["point_id"].notna(), table["path"])[first]
            .array,
            "year": table["year"][first].array,
            "n_photos": size,
            "predicted": pd.Categorical.from_codes(winner, categories=pd.Index(classes)),
            "agreement": np.where(voted, share, np.nan),
        }
    )
    for prefix, values in (("p_", p_out), ("v_", shares)):
        for name, share_or_p in zip(columns, values.T, strict=True):
            points[prefix + name.removeprefix("p_")] = share_or_p
    if "calibrated" in table:
        # A missing value does not say that a model was calibrated.
        points["calibrated"] = table["calibrated"].isin([True]).groupby(group).all().to_numpy()
    for column in ("habitat", "split", "lc1", "nuts0"):
        if column in table and table[column].notna().any():
            points[column] = commonest(table[column], group, n)
    for column in ("obs_dist", "x", "y", "lon", "lat"):
        if column in table:
            points[column] = table[column].groupby(group).mean().reindex(range(n)).to_numpy()
    if len(lost):
        warn(
            f"{number[lost.index].nunique()} points have close-ups only and are left out: "
            f"{some(lost['point_id'].fillna(lost['path']).unique().tolist())}."
        )
    if (~voted).any():
        warn(
            f"{int((~voted).sum())} of {n} points have no readable photo and no class: "
            f"{some(points.loc[~voted, 'point_id'].tolist())}."
        )
    unlike = table["habitat"].groupby(group).nunique()
    if (unlike > 1).any():
        warn(
            f"{int((unlike > 1).sum())} points carry different labels in one year: "
            f"{some(points.loc[unlike[unlike > 1].index, 'point_id'].tolist())}. The commonest "
            "label is kept."
        )
    points.attrs = {**table.attrs, "method": method}
    return points


def commonest(labels: pd.Series, group: object, n: int) -> pd.Series:
    """Each group's commonest label; missing where two are equally common."""
    counts = pd.DataFrame({"group": group, "label": labels}).value_counts(sort=False).reset_index()
    most = counts.groupby("group")["count"].transform("max")
    top = counts[counts["count"] == most].drop_duplicates("group", keep=False)
    return top.set_index("group")["label"].reindex(range(n)).astype("str")
