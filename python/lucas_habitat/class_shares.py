"""Shares of the classes in a region, and probabilities put right for shares."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ._base import words
from ._base.bootstrap import Interval
from ._base.checks import check_number
from ._base.classes import (
    column_names,
    is_calibrated,
    read_predictions,
)
from ._base.intervals import wilson_interval
from ._base.powered import Few, Many, labelled_interval, one_hot, powered_shares, read_scores
from ._base.signatures import checked
from ._base.tables import as_table, positive_weights, require_columns, with_column
from ._base.types import Column, Floats, Table
from .errors import InputError, inform, some, warn
from .point_calibration import COLUMN as VOTE_CALIBRATION
from .point_calibration import from_text

if TYPE_CHECKING:
    from .model import HabitatModel

    ClassShares = Mapping[str, float] | HabitatModel | str | os.PathLike[str] | None

__all__ = ["adjust_shares", "carried_shares", "estimate_shares", "read_class_shares"]

_FEW = 30  # labelled points below which numbers are rough
_LEAST = 1e-9  # what a smaller probability is taken for
_STEPS = 20_000


@checked
def estimate_shares(
    points: Table,
    *,
    labelled: Table | None = None,
    class_shares: ClassShares = None,
    reference: Column = "habitat",
    weights: Column | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Estimate how much of a region is of each class, from many classified points.

    Counting predicted classes is wrong as far as the classifier is. Where some of the points have a
    label, labels and predictions together tell the shares (prediction-powered estimation). Without
    labels, the shares are those that make the points' probabilities likeliest (expectation
    maximisation), which is right under conditions that no unlabelled point can show.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned for points of the region: a random sample of it, or with ``weights``.
    labelled : pandas.DataFrame or path, optional
        Classified points of the same region and date with their label: drawn from it at random, or with
        ``weights``. Default: those of ``points`` that carry a label. Points trained on are left out of
        both.
    class_shares : mapping, HabitatModel or path, optional
        Used only where there are no labels: the class shares at which the probabilities are right, as a
        mapping of all classes to shares (or counts), or from the model, or its folder, that classified.
        Default: those that calibrated points carry; where they carry none it is needed.
    reference : str or column, default "habitat"
        The column of the labels: its name, or as many values as the table with labels has rows.
    weights : str or column, optional
        The column of design weights, 1 / inclusion probability (more than 0), in both tables. For a
        labelled point the probability is that of being labelled. Default: all rows count alike.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row a class: ``class``, ``share`` (the estimate), ``se``, ``low``, ``high``,
        ``share_predicted`` (by counting predicted classes), ``share_labelled`` (of the labels alone),
        ``n_labelled`` (points with this label). Shares are 0 to 1 and sum to 1. ``attrs``
        has ``method`` ("prediction-powered" or "expectation maximisation") and ``power``, how far the
        predictions are trusted, 0 to 1.

    Raises
    ------
    InputError
        If a table, a column or ``class_shares`` cannot be used, or no point is left.

    Warns
    -----
    LucasWarning
        If there are few labels; without labels, if probabilities are not calibrated.
    LucasMessage
        What was used, and what the numbers take for granted.

    Notes
    -----
    With the predictions :math:`f` (the probabilities, or 1 for the predicted class where a table has
    none), the labels :math:`Y` and the power :math:`\lambda`, a share is
    :math:`\lambda \bar f + \overline{Y - \lambda f}`, the first mean over the points without a label, the
    second over those with one. :math:`\lambda` is chosen so that the variances of all shares together are
    least, between 0 (the labels alone) and 1 (Angelopoulos et al. 2023). Nothing is assumed of the
    classifier: a bad one only makes :math:`\lambda` small. All rows of a point, photos or years, are
    one observation: variances are those of sums by point. Intervals are Wilson's, at the effective
    number of labelled points that the variance is worth.

    Without labels the shares :math:`\pi` maximise :math:`\sum \log \sum_c \pi_c p_c / \pi^0_c`, where
    :math:`\pi^0` are ``class_shares`` (Saerens et al. 2002). It is assumed that the probabilities are
    calibrated at :math:`\pi^0`, and that the region differs from there in how much there is of each
    class, not in how a class looks (prior shift). Standard errors are robust (sandwich), and intervals
    normal; they hold what chance does, not what is wrong with these assumptions.

    References
    ----------
    Angelopoulos, A. N., Duchi, J. C. & Zrnic, T. (2023). PPI++: efficient prediction-powered inference.
    arXiv:2311.01453.
    Saerens, M., Latinne, P. & Decaestecker, C. (2002). Adjusting the outputs of a classifier to new
    a priori probabilities: a simple procedure. Neural Computation 14, 21-41,
    doi 10.1162/089976602753284446.

    Examples
    --------
    >>> estimate_shares(points, labelled=checked)  # doctest: +SKIP
    """
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    points, weights = with_column(points, weights, "weights")
    if labelled is None:
        points, name = with_column(points, reference, "reference")
    else:
        labelled, name = with_column(labelled, reference, "reference")
    region = _read_region(points, labelled, name, weights)
    if region.few is None:
        estimate = _without_labels(region, class_shares, level)
    else:
        estimate = _with_labels(region, region.few, level)
    table = pd.DataFrame(
        {
            "class": pd.Categorical(region.classes, categories=region.classes),
            "share": estimate.share,
            "se": estimate.se,
            "low": estimate.interval.low,
            "high": estimate.interval.high,
            "share_predicted": region.counted,
            "share_labelled": estimate.by_labels,
            "n_labelled": region.n_labelled,
        }
    )
    table.attrs = {"method": estimate.method, "power": estimate.power}
    return table


@checked
def adjust_shares(
    points: Table, new_shares: Mapping[str, float] | Table, *, class_shares: ClassShares = None
) -> pd.DataFrame:
    r"""Put the probabilities of points right for the class shares of the land they lie on.

    A probability is right for the class shares it was calibrated at. Where a class is twice as common,
    it is likelier of every point that looks like it.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned.
    new_shares : mapping, pandas.DataFrame or path
        The shares (or areas, or counts) of all classes on that land: a mapping, or a table with the
        columns ``class`` and ``share``, such as `estimate_shares` returns.
    class_shares : mapping, HabitatModel or path, optional
        The class shares at which the probabilities are right: a mapping of all classes, or from the
        model, or its folder, that classified. Default: those that calibrated points carry.

    Returns
    -------
    pandas.DataFrame
        The points with new ``p_<class>``, ``predicted`` (the likeliest class) and ``confidence``, without
        the column ``vote_calibration``, which told the old shares. Rows without a class stay as they
        are.

    Raises
    ------
    InputError
        If shares lack a class, or are not more than 0 (those of ``new_shares`` may be 0); or if
        ``points`` are photos that have not voted.

    Notes
    -----
    New probabilities are proportional to :math:`p_c \pi_c / \pi^0_c`, with the new shares :math:`\pi` and
    the old ones :math:`\pi^0` (Saerens et al. 2002). It is assumed that a class looks the same there.

    Examples
    --------
    >>> adjust_shares(points, {"woody": 0.2, "cropland": 0.8}, class_shares=model)  # doctest: +SKIP
    """
    what = words.call("adjust_shares")
    predictions = read_predictions(points, what)
    if predictions.unit == "photo" and VOTE_CALIBRATION in predictions.table:
        raise InputError(
            f"{what} puts points right, and these are photos that have not voted. Give what "
            f"{words.call('vote')} returns."
        )
    classes = predictions.classes
    old = carried_shares(predictions.table, len(classes)) if class_shares is None else None
    if old is None:
        old = read_class_shares(class_shares, classes)
    new = _shares_in_order(_as_mapping(new_shares), classes, "new_shares", may_be_zero=True)
    raised = np.maximum(predictions.p, _LEAST) * (new / old)
    table = predictions.table.drop(columns=VOTE_CALIBRATION, errors="ignore")
    is_read = np.isfinite(raised).all(axis=1) & (predictions.codes >= 0)
    p = raised[is_read] / raised[is_read].sum(axis=1, keepdims=True)
    codes = predictions.codes.copy()
    codes[is_read] = p.argmax(axis=1)
    table.loc[is_read, predictions.columns] = p
    table["predicted"] = pd.Categorical.from_codes(codes.tolist(), categories=pd.Index(classes))
    if "confidence" in table:
        table.loc[is_read, "confidence"] = p.max(axis=1)
    return table


def read_class_shares(given: ClassShares, classes: list[str]) -> Floats:
    """The class shares that probabilities took for granted, in the order of the classes.

    Raises
    ------
    InputError
        If nothing is given, or it does not give each class a share.
    """
    if given is None:
        raise InputError(
            f"{words.arg('class_shares')} is needed: the shares of the classes at which the "
            "probabilities are right. Give the model that classified, its folder, or the shares."
        )
    if isinstance(given, Mapping | pd.Series):
        named: Mapping[str, float] = {str(label): share for label, share in given.items()}
    else:
        from .saved_models import as_model  # asked for a model's sake only: it imports engines

        named = _shares_of_model(as_model(given))
    return _shares_in_order(named, classes, "class_shares", may_be_zero=False)


def carried_shares(table: pd.DataFrame, k: int) -> Floats | None:
    """The class shares at which calibrated points say that their k probabilities are right."""
    texts = table.get(VOTE_CALIBRATION, pd.Series(dtype="str")).astype("str")
    different = texts.dropna().unique()
    if len(different) != 1 or texts.isna().any():
        return None
    return from_text(different[0], k).shares


def _shares_of_model(model: HabitatModel) -> Mapping[str, float]:
    """Of the points it was calibrated with, else what training took for granted."""
    from .model import has_equal_shares

    card = model.calibration.get("points") if model.calibration else None
    if card:
        return dict(zip(model.classes, card["class_shares"], strict=True))
    if has_equal_shares(model):
        return dict.fromkeys(model.classes, 1.0)
    counts: Mapping[str, float] = model.training["photos_per_class"]
    return counts


def _as_mapping(given: Mapping[str, float] | Table) -> Mapping[str, float]:
    """Shares by class, from a mapping or a table of them."""
    if isinstance(given, Mapping | pd.Series):
        return {str(label): share for label, share in given.items()}
    table = as_table(given)
    require_columns(
        table, ["class", "share"], words.arg("new_shares"), "One row gives one class its share."
    )
    return dict(zip(table["class"].astype("str"), table["share"], strict=True))


def _shares_in_order(
    named: Mapping[str, float], classes: list[str], argument: str, *, may_be_zero: bool
) -> Floats:
    """Shares in the order of the classes, summing to 1."""
    # By columns, because a table that went through CSV may not know the labels of all classes.
    by_column = dict(zip(column_names(list(named)), named.values(), strict=True))
    wanted = column_names(classes)
    if set(by_column) != set(wanted):
        raise InputError(
            f"{words.arg(argument)} must give a share to each class of the points "
            f"({', '.join(classes)}) and to no other; got {', '.join(named) or 'none'}."
        )
    for label, share in named.items():
        check_number(f"{argument}[{label!r}]", share, 0, open_low=not may_be_zero)
    shares: Floats = np.array([by_column[c] for c in wanted], dtype=np.float64)
    if not shares.sum() > 0:
        raise InputError(f"{words.arg(argument)} are all 0.")
    shares /= shares.sum()
    return shares


# ---- the points of the region --------------------------------------------------------------------


class _Rows(NamedTuple):
    """The usable rows of a region, apart by whether they have a label."""

    checked: pd.DataFrame
    others: pd.DataFrame


class _Region(NamedTuple):
    """Points of a region, as numbers."""

    classes: list[str]
    many: Many  # rows without a label
    few: Few | None  # rows with one; None if fewer than two points have one
    is_probability: bool  # else predictions are 1 for the predicted class
    is_calibrated: bool
    carried: Floats | None  # the class shares at which probabilities say they are right
    counted: Floats  # shares of the predicted classes
    n_labelled: npt.NDArray[np.int_]  # points, by class


def _read_region(
    points: Table, labelled: Table | None, reference: str, weights: str | None
) -> _Region:
    """Read the points of a region: their predictions, labels, weights and which rows are one point."""
    rows = _read_rows(points, labelled, reference, weights)
    both = pd.concat(rows, ignore_index=True)
    scores = read_scores(*rows, reference)
    k = len(scores.classes)
    weight = np.ones(len(both)) if weights is None else positive_weights(both[weights], weights)
    point = pd.factorize(both["point_id"].astype("str"))[0]
    n = len(rows.checked)
    few = Few(scores.labels, scores.own, point[:n], weight[:n])
    return _Region(
        scores.classes,
        Many(scores.other, point[n:], weight[n:]),
        few if n else None,
        scores.is_probability,
        all(is_calibrated(part) for part in rows if len(part)),
        carried_shares(rows.others, k) if scores.is_probability else None,
        weight @ one_hot(both["predicted"], scores.classes) / weight.sum(),
        pd.DataFrame(few.labels > 0).groupby(few.point).any().sum().to_numpy(dtype=np.int_),
    )


def _read_rows(points: Table, labelled: Table | None, reference: str, weights: str | None) -> _Rows:
    """The rows that can be used, those with a label apart."""
    table = _usable(as_table(points), weights, words.call("estimate_shares"))
    if labelled is None:
        has_label = table[reference].notna() if reference in table else table["point_id"].isna()
        rows = _Rows(table[has_label], table[~has_label])
    else:
        given = as_table(labelled)
        require_columns(given, [reference], words.arg("labelled"), "It holds the labels.")
        checked = _usable(given[given[reference].notna()], weights, words.arg("labelled"))
        visit = [c for c in ("point_id", "year", "path") if c in table and c in checked]
        again = pd.MultiIndex.from_frame(table[visit]).isin(
            pd.MultiIndex.from_frame(checked[visit])
        )
        rows = _Rows(checked, table[~again])
    if rows.checked["point_id"].nunique() == 1:
        rows = _Rows(rows.checked[:0], table)
    if not len(rows.checked) and not len(rows.others):
        raise InputError(f"{words.call('estimate_shares')} got no point with a class.")
    years = set(table["year"].dropna()) if "year" in table else set()
    if len(years) > 1:
        inform(
            f"Points are of {some(sorted(years))}: shares are means over all rows. For one date, give "
            "the rows of one year."
        )
    return rows


def _usable(table: pd.DataFrame, weights: str | None, what: str) -> pd.DataFrame:
    """The rows that were classified and not trained on."""
    require_columns(
        table,
        ["point_id", "predicted", *([] if weights is None else [weights])],
        what,
        f"Give the table that {words.call('vote')} returns; {words.option('weights')} names a column "
        "of it.",
    )
    is_read = table[["point_id", "predicted"]].notna().all(axis=1)
    is_trained_on = is_read & (table["split"] == "train" if "split" in table else False)
    if not is_read.all() or is_trained_on.any():
        inform(
            f"{what} leaves out {int((~is_read).sum())} rows without a class or a point, and "
            f"{int(is_trained_on.sum())} of the training split."
        )
    return table[is_read & ~is_trained_on]


# ---- the estimates -------------------------------------------------------------------------------


class _Estimate(NamedTuple):
    """Shares with their errors, one a class."""

    share: Floats
    se: Floats
    interval: Interval
    by_labels: Floats
    method: str
    power: float


def _with_labels(region: _Region, few: Few, level: float) -> _Estimate:
    """Prediction-powered shares."""
    result = powered_shares(few, region.many)
    n, n_many = len(np.unique(few.point)), len(np.unique(region.many.point))
    inform(
        f"Shares from {n} labelled points and the predictions of {n_many} others (power "
        f"{result.power:.2f}). It is taken for granted that both are drawn from the region at random, or "
        f"with {words.option('weights')}; nothing is assumed of the classifier."
    )
    if n < _FEW:
        warn(f"Only {n} points have a label; with fewer than {_FEW} intervals are rough.")
    share = np.clip(result.share, 0, None)
    return _Estimate(
        share / share.sum(),
        np.sqrt(result.variance),
        labelled_interval(result, n, level),
        result.by_labels,
        "prediction-powered",
        result.power,
    )


def _without_labels(region: _Region, class_shares: ClassShares, level: float) -> _Estimate:
    """Shares that make the probabilities likeliest."""
    what = words.call("estimate_shares")
    if not region.is_probability:
        raise InputError(
            f"Without labels {what} needs probabilities, the columns p_<class>. Give labelled points, or "
            f"the table that {words.call('vote')} returns."
        )
    old = region.carried if class_shares is None else None
    if old is None:
        old = read_class_shares(class_shares, region.classes)
    inform(
        f"No two points have a label, so the shares are those that make the probabilities of "
        f"{len(np.unique(region.many.point))} points likeliest. That is right only if probabilities are "
        f"calibrated at {words.arg('class_shares')} and the region differs from there in its class shares "
        "alone, not in how a class looks; intervals do not hold what is wrong with that. Some labelled "
        f"points of the region ({words.option('labelled')}) make it safe."
    )
    if not region.is_calibrated:
        warn(
            "The probabilities are not said to be calibrated, so shares without labels may be far off. "
            f"Calibrate the model ({words.call('calibrate')}), or label some points."
        )
    ratio = np.maximum(region.many.predictions, _LEAST) / old
    share = _likeliest_shares(ratio, region.many.weight)
    se, interval = _doubt_without_labels(ratio, share, region.many, level)
    if np.isnan(se).any():
        warn("The points do not tell all classes apart, so errors are undefined.")
    nothing = np.full(len(share), np.nan)
    return _Estimate(share, se, interval, nothing, "expectation maximisation", np.nan)


def _likeliest_shares(ratio: Floats, weight: Floats) -> Floats:
    """The shares that maximise the sum of weight * log(ratio @ shares), by expectation maximisation."""
    share: Floats = np.full(ratio.shape[1], 1 / ratio.shape[1])
    part = weight / weight.sum()
    for _ in range(_STEPS):
        better = share * ((part / (ratio @ share)) @ ratio)
        change = np.abs(better - share).max()
        share = better
        if change < 1e-10:
            break
    share /= share.sum()
    return share


def _doubt_without_labels(
    ratio: Floats, share: Floats, many: Many, level: float
) -> tuple[Floats, Interval]:
    """Standard errors and intervals of the likeliest shares, by the score of each point.

    A share above 0 has a robust standard error; its interval reaches to the farther ends of the normal and
    Wilson's. The likelihood of a share at 0 falls from there on, and the interval ends where a
    likelihood ratio test of that level does.
    """
    k, n = len(share), len(np.unique(many.point))
    z = float(stats.norm.ppf((1 + level) / 2))
    score = ratio / (ratio @ share)[:, None]
    part = many.weight / many.weight.sum()
    mean = part @ score
    change = np.zeros((int(many.point.max()) + 1, k))
    np.add.at(change, many.point, part[:, None] * (score - mean))
    change *= np.sqrt(n / max(n - 1, 1))
    information = (score * part[:, None]).T @ score
    is_there = share > 0.01 / n
    se = np.full(k, np.nan)
    high = np.full(k, np.nan)
    rest = _directions(is_there, share)
    inner = rest.T @ information @ rest
    if n > 1 and (not inner.size or np.linalg.cond(inner) < 1e10):
        inverse = np.linalg.inv(inner)
        se[is_there] = np.sqrt(((change @ rest @ inverse @ rest.T) ** 2).sum(axis=0))[is_there]
        for c in np.flatnonzero(~is_there):
            # To more of the class, with the others as they are then likeliest.
            away = np.eye(k)[c] - share
            away -= rest @ (inverse @ (rest.T @ information @ away))
            curve, slope = away @ information @ away, max(-float(away @ mean), 0.0)
            worth = ((change @ away) ** 2).sum() / curve if curve > 1e-12 else 1 / n
            worth = max(worth, 1 / n)
            high[c] = z**2 * worth / (slope + np.sqrt(slope**2 + curve * z**2 * worth))
            se[c] = high[c] / z
    weights = np.bincount(many.point, many.weight)
    copies = float((weights**2).sum() / weights.sum() ** 2)
    spread = np.where(is_there, share * (1 - share), 1.0)
    wilson = wilson_interval(
        np.where(is_there, share, 0.0),
        np.where(is_there, np.maximum(se**2 / spread, copies), copies),
        level,
    )
    low = np.where(is_there, np.minimum(share - z * se, wilson.low), 0.0)
    high = np.fmax(np.where(is_there, share + z * se, high), wilson.high)
    is_known = np.isfinite(se)
    return se, Interval(
        np.where(is_known, np.clip(low, 0, share), np.nan),
        np.where(is_known, np.clip(high, share, 1), np.nan),
    )


def _directions(is_there: npt.NDArray[np.bool_], share: Floats) -> Floats:
    """Orthogonal directions, as columns, in which the shares above 0 can change while they sum to 1."""
    there = np.flatnonzero(is_there)
    basis = np.zeros((len(share), max(len(there) - 1, 0)))
    if len(there) > 1:
        basis[there] = np.linalg.svd(np.ones((1, len(there))))[2][1:].T
    return basis
