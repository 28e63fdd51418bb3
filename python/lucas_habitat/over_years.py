"""Over the years: which points changed their class, which are only in doubt, and how much did in all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binomtest, norm

from ._base import words
from ._base.bootstrap import Interval, draws, percentile_interval
from ._base.checks import MOST_DRAWS, check_number, check_seed
from ._base.classes import Predictions, column_names, read_predictions
from ._base.powered import Few, Many, labelled_interval, powered_shares
from ._base.signatures import checked
from ._base.tables import as_table, require_columns
from ._base.types import Floats, Table
from .class_shares import carried_shares, read_class_shares
from .errors import InputError, inform, some, warn
from .point_calibration import COLUMN as VOTE_CALIBRATION

if TYPE_CHECKING:
    from .class_shares import ClassShares

__all__ = ["changes", "transitions"]

VERDICTS = ("same", "changed", "in doubt")
_LEAST = 1e-6  # what a smaller probability is taken for: no photo is as sure as that
FEWEST = 10  # points that a pair of campaigns needs to tell change from doubt
_FEW = 30  # points, or labelled rows, below which numbers are rough
_SHARPEST = 10.0
_GROUPS = 25  # of bootstrap samples, each with a sharpness of its own
_HIDDEN = (
    "The mean of several photos is less sure than they are together, so change is underestimated, "
    "possibly to nothing. Give more labelled points of the same model, some of them wrong "
    f"({words.option('labelled')})."
)


class _Campaigns(NamedTuple):
    """Two years, and the pairs of visits that are of them."""

    year_from: int
    year_to: int
    pairs: npt.NDArray[np.intp]


class _Visits(NamedTuple):
    """Classified rows of points, and which two of them are a point's consecutive visits."""

    predictions: Predictions
    evidence: Floats  # (rows, classes), log-likelihoods up to a constant a row
    first: npt.NDArray[np.intp]  # (pairs,), row numbers
    second: npt.NDArray[np.intp]
    sharpness: _Sharpness

    @property
    def truth(self) -> npt.NDArray[np.intp]:
        """The reference class of each row, its number; -1 where none is known or it was trained on."""
        table = self.predictions.table
        habitat = table.get("habitat", pd.Series(index=table.index))
        codes = np.asarray(pd.Categorical(habitat, categories=self.classes).codes, dtype=np.intp)
        if "split" in table:
            codes = np.where(table["split"].isin(["train"]), -1, codes)
        return codes

    @property
    def classes(self) -> list[str]:
        """The labels of the classes."""
        return self.predictions.classes

    def by_campaigns(self) -> Iterator[_Campaigns]:
        """The pairs of each two years, in the order of the years."""
        years = self.predictions.table["year"].to_numpy(dtype=np.int64)
        year_from, year_to = years[self.first], years[self.second]
        for a, b in np.unique(np.column_stack([year_from, year_to]), axis=0):
            yield _Campaigns(int(a), int(b), np.flatnonzero((year_from == a) & (year_to == b)))

    def joint(self, pairs: npt.NDArray[np.intp], sharpness: float | None = None) -> Floats:
        """Likelihoods of pairs of visits, (pairs, classes²), the class of the first slowest."""
        sharpness = self.sharpness.value if sharpness is None else sharpness
        a, b = (
            np.exp(sharpness * self.evidence[side[pairs]]) for side in (self.first, self.second)
        )
        both: Floats = (a[:, :, None] * b[:, None, :]).reshape(len(pairs), -1)
        return both


@checked
def changes(
    points: Table,
    *,
    years: list[int] | None = None,
    class_shares: ClassShares = None,
    labelled: Table | None = None,
    sure: float = 0.9,
) -> pd.DataFrame:
    r"""Tell which points changed their class from visit to visit, and where that is only doubt.

    Two visits that are right in 80 % each show different classes on more than a third of land that
    never changed. So each pair of visits gets the probability that the class really differs: from the
    probabilities of both, and from how common each transition is among all points of the two
    campaigns (`transitions`).

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned for points seen in several years.
    years : list of int, optional
        Only these campaigns: ``[2009, 2018]`` compares the two whatever came between.
    class_shares : mapping, HabitatModel or path, optional
        What the probabilities took for granted: the class shares of the photos trained on, as a
        mapping of all classes to shares (or counts), or from a model, or its folder. Default:
        those that calibrated points carry (``vote_calibration``); failing that equal shares, as
        in a balanced training set, which a message says.
    labelled : pandas.DataFrame or path, optional
        Points with ``habitat``, of the same model and way to vote, from which is learnt how far
        their probabilities can be trusted; see Notes. Default: those of ``points``
        that carry a label and were not trained on. At least 30 rows are needed.
    sure : float, default 0.9
        The probability, above 0.5, from which on a verdict is given.

    Returns
    -------
    pandas.DataFrame
        One row a point and pair of consecutive visits: ``point_id``, ``year_from``, ``year_to``,
        ``predicted_from``, ``predicted_to`` (categorical with all classes), ``p_from``, ``p_to``
        (probabilities of those), ``p_changed`` (0 to 1), ``verdict`` (``"changed"`` if
        ``p_changed`` is at least ``sure``, ``"same"`` if it is at most ``1 - sure``, else ``"in
        doubt"``), ``likeliest_from``, ``likeliest_to`` (the likeliest pair of classes given both
        visits); where known ``habitat_from``, ``habitat_to``, ``reference_changed``, and ``x``,
        ``y``, ``lon``, ``lat``. Two campaigns with fewer than 10 points in common cannot tell
        change from doubt: there ``p_changed`` and the likeliest classes are missing. ``attrs`` has
        ``sharpness``.

    Raises
    ------
    InputError
        If no point was classified in two years, a point stands twice in a year, or an argument
        cannot be used.

    Warns
    -----
    LucasWarning
        If nothing tells how far the probabilities can be trusted, or there are few points.
    LucasMessage
        How many rows and points are left out, and what was learnt from labels.

    Notes
    -----
    Probabilities must be proportions, as `calibrate` makes them, and the errors of two visits
    independent given the classes. Where the same odd bush misleads both, change is underestimated.

    The mean of a point's photos is less sure than the photos are together. Taken at its word, it
    explains change away as doubt: in simulations of five photos a point, 20 % of real change came
    out as 0 to 16 %, the less the less alike the photos' errors were. Labels put that right: the
    likelihood of a visit with the probabilities :math:`p_c` under the class shares :math:`\pi_c` is
    :math:`(p_c / \pi_c)^s`, and the sharpness :math:`s` maximises the likelihood of the labels
    (temperature scaling of points, with the class shares of the labelled ones). Without labels it
    is 1.
    `plot_reliability` shows how far probabilities of points are from proportions.

    Examples
    --------
    >>> found = changes(points, class_shares="model/")  # doctest: +SKIP
    >>> found[found["verdict"] == "changed"]  # doctest: +SKIP
    """
    check_number("sure", sure, 0.5, 1, open_low=True)
    visits = _visits(points, years, class_shares, labelled, words.call("changes"))
    return _changes(visits, _likeliest_shares(visits), sure)


def _changes(visits: _Visits, shares: list[Floats], sure: float) -> pd.DataFrame:
    """What `changes` returns, from the likeliest shares of each two campaigns."""
    table, classes, k = visits.predictions.table, visits.classes, len(visits.classes)
    n = len(visits.first)
    p_changed, likeliest = np.full(n, np.nan), np.full(n, -1)
    for campaigns, of_all in zip(visits.by_campaigns(), shares, strict=True):
        if len(campaigns.pairs) >= FEWEST:
            posterior = visits.joint(campaigns.pairs) * of_all
            posterior /= posterior.sum(axis=1, keepdims=True)
            likeliest[campaigns.pairs] = posterior.argmax(axis=1)
            posterior[:, :: k + 1] = 0  # without the diagonal
            p_changed[campaigns.pairs] = posterior.sum(axis=1)
    ends = {"from": table.iloc[visits.first], "to": table.iloc[visits.second]}
    sides = {end: rows.reset_index(drop=True) for end, rows in ends.items()}
    visit_pairs = pd.DataFrame({"point_id": sides["to"]["point_id"]})
    for end, rows in sides.items():
        visit_pairs[f"year_{end}"] = rows["year"]
    for end, rows in sides.items():
        visit_pairs[f"predicted_{end}"] = rows["predicted"]
    confidence = visits.predictions.confidence
    visit_pairs["p_from"], visit_pairs["p_to"] = confidence[visits.first], confidence[visits.second]
    visit_pairs["p_changed"] = p_changed
    visit_pairs["verdict"] = pd.Categorical(
        np.select([p_changed >= sure, p_changed <= 1 - sure], ["changed", "same"], "in doubt"),
        categories=list(VERDICTS),
    )
    for end, codes in (("from", likeliest // k), ("to", likeliest % k)):
        visit_pairs[f"likeliest_{end}"] = pd.Categorical.from_codes(
            np.where(likeliest < 0, -1, codes), categories=pd.Index(classes)
        )
    if "habitat" in table and table["habitat"].notna().any():
        for end, rows in sides.items():
            visit_pairs[f"habitat_{end}"] = rows["habitat"].astype("str")
        differ = (visit_pairs["habitat_from"] != visit_pairs["habitat_to"]).astype("boolean")
        both = visit_pairs["habitat_from"].notna() & visit_pairs["habitat_to"].notna()
        visit_pairs["reference_changed"] = differ.where(both)
    for column in ("x", "y", "lon", "lat"):
        if column in table:
            visit_pairs[column] = sides["to"][column].fillna(sides["from"][column])
    visit_pairs.attrs = {"sharpness": visits.sharpness.value}
    return visit_pairs


@checked
def transitions(
    points: Table,
    *,
    years: list[int] | None = None,
    class_shares: ClassShares = None,
    labelled: Table | None = None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    r"""Estimate how much land went from each class to each other, between campaigns.

    Counting predicted classes mistakes doubt for change. Here the shares of transitions are those
    that make the probabilities of all pairs of visits likeliest.

    Parameters
    ----------
    points, years, class_shares, labelled : see `changes`
    n_boot : int, default 2000
        Bootstrap samples of points; 0 gives no intervals.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1

    Returns
    -------
    pandas.DataFrame
        One row a pair of campaigns and pair of classes: ``year_from``, ``year_to``,
        ``class_from``, ``class_to`` (categorical), ``n_predicted`` (points with these two predicted
        classes), ``share_predicted`` (their share), ``share`` (the estimated share of points that
        really made this transition), ``low``, ``high``, ``n_points``; and, the same in all rows of
        two campaigns, the share of points whose class changed: ``changed_predicted`` (by counting),
        ``changed`` (estimated), ``changed_low``, ``changed_high``; ``n_labelled`` (points with a
        reference class in both years that were not trained on) and, from 30 of them on,
        ``changed_labels`` with its interval: the share by their labels, made surer by what was
        estimated of all points, which holds whatever the classifier's errors are. Shares are 0 to 1
        and sum to 1 over two campaigns. With fewer than 10 points nothing is estimated. ``attrs``
        has ``sharpness``.

    Raises
    ------
    InputError
        As for `changes`.

    Warns
    -----
    LucasWarning, LucasMessage
        As for `changes`, whose Notes say what is taken for granted.

    Notes
    -----
    With the likelihoods :math:`L_1(c)`, :math:`L_2(c)` of a point's two visits, the shares
    :math:`T` maximise :math:`\sum \log \sum_{ab} T_{ab} L_1(a) L_2(b)`. That is the
    two-date form of Saerens et al. (2002); their EM and a Newton step take turns here, because EM
    alone takes hundreds of steps. Points count alike: shares are of the points, and of the land only
    as far as the points were drawn as it is.

    No share can be negative, so where little changes the estimate is rather too high, the more so
    the fewer points there are: 4 % of 100 points that never changed, 0.7 % of 2000. Intervals
    therefore reach from the lower to the upper end of the percentile and the basic bootstrap
    interval together, and the upper end is at least what none of so many points excludes. In
    simulations with four classes, 100 to 2000 points and 0 to 20 % of change, 94 to 100 % of 95 %
    intervals of the share changed held the truth, and 91 to 100 % of those of single changes, where
    probabilities are calibrated and errors of the two visits independent. Where the sharpness is
    learnt from labels, its doubt is in the intervals: groups of samples get one that it could as well
    have been; with 40 labelled points 90 to 97 % held the truth.

    Errors that persist, because the same land misleads both visits, hide change: in simulations in which
    half of their noise or all of it does, 20 % came out as 0 to 6 %, far outside the interval.
    ``changed_labels`` does not depend on that, if the labelled points are a random sample of all; a
    warning tells where labels show that errors persist, and a message where too few labels could show
    it.

    References
    ----------
    Saerens, M., Latinne, P. & Decaestecker, C. (2002). Adjusting the outputs of a classifier to new
    a priori probabilities: a simple procedure. Neural Computation 14, 21-41,
    doi 10.1162/089976602753284446.
    Angelopoulos, A. N., Duchi, J. C. & Zrnic, T. (2023). PPI++: efficient prediction-powered
    inference, arXiv:2311.01453 (``changed_labels``).
    Davison, A. C. & Hinkley, D. V. (1997). Bootstrap methods and their application. Cambridge.
    """
    check_number("n_boot", n_boot, 0, MOST_DRAWS, whole=True)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    rng = np.random.default_rng(check_seed(seed))
    visits = _visits(points, years, class_shares, labelled, words.call("transitions"))
    return _transitions(visits, _likeliest_shares(visits), int(n_boot), level, rng)


def _transitions(
    visits: _Visits, shares: list[Floats], n_boot: int, level: float, rng: np.random.Generator
) -> pd.DataFrame:
    """What `transitions` returns, from the likeliest shares of each two campaigns."""
    classes, k = visits.classes, len(visits.classes)
    codes = visits.predictions.codes
    cells = codes[visits.first] * k + codes[visits.second]
    parts = []
    for campaigns, of_all in zip(visits.by_campaigns(), shares, strict=True):
        n = len(campaigns.pairs)
        counts = np.bincount(cells[campaigns.pairs], minlength=k * k)
        estimate = _estimate(visits, campaigns.pairs, of_all, n_boot, level, rng)
        by_labels = _by_labels(visits, campaigns, of_all, level)
        parts.append(
            pd.DataFrame(
                {
                    "year_from": pd.array([campaigns.year_from] * k * k, dtype="Int64"),
                    "year_to": pd.array([campaigns.year_to] * k * k, dtype="Int64"),
                    "class_from": pd.Categorical(np.repeat(classes, k), categories=classes),
                    "class_to": pd.Categorical(classes * k, categories=classes),
                    "n_predicted": counts,
                    "share_predicted": counts / n,
                    "share": estimate.shares.value,
                    "low": estimate.shares.low,
                    "high": estimate.shares.high,
                    "n_points": n,
                    "changed_predicted": counts[_is_change(k)].sum() / n,
                    "changed": estimate.changed.value,
                    "changed_low": estimate.changed.low,
                    "changed_high": estimate.changed.high,
                    "n_labelled": by_labels.n,
                    "changed_labels": by_labels.changed.value,
                    "changed_labels_low": by_labels.changed.low,
                    "changed_labels_high": by_labels.changed.high,
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.attrs = {"sharpness": visits.sharpness.value}
    return table


class _ByLabels(NamedTuple):
    """The share changed by points that are labelled in both years."""

    n: int
    changed: _Share


def _by_labels(visits: _Visits, campaigns: _Campaigns, shares: Floats, level: float) -> _ByLabels:
    """Prediction-powered: the labels' share, made surer by the probabilities of all pairs."""
    truth = visits.truth[np.stack([visits.first, visits.second], axis=1)[campaigns.pairs]]
    is_known = (truth >= 0).all(axis=1)
    n = int(is_known.sum())
    if n < _FEW:
        if len(truth) >= FEWEST:
            _inform_of_persistence(n, campaigns)
        return _ByLabels(n, _Share(np.nan, np.nan, np.nan))
    posterior = visits.joint(campaigns.pairs) * shares
    posterior /= posterior.sum(axis=1, keepdims=True)
    p_changed = posterior[:, _is_change(len(visits.classes))].sum(axis=1)
    both = np.column_stack([p_changed, 1 - p_changed])
    changed = truth[is_known, 0] != truth[is_known, 1]
    point, weight = np.arange(len(truth)), np.ones(len(truth))
    few = Few(
        np.column_stack([changed, ~changed]).astype(np.float64),
        both[is_known],
        point[is_known],
        weight[is_known],
    )
    result = powered_shares(few, Many(both[~is_known], point[~is_known], weight[~is_known]))
    interval = labelled_interval(result, n, level)
    _warn_of_persistence(visits, campaigns, truth)
    value = float(np.clip(result.share[0], 0, 1))
    return _ByLabels(n, _Share(value, float(interval.low[0]), float(interval.high[0])))


def _inform_of_persistence(n: int, campaigns: _Campaigns) -> None:
    """Say that nothing shows whether errors persist."""
    inform(
        f"Errors of the visits of {campaigns.year_from} and {campaigns.year_to} are taken as "
        f"independent; {n} points with labels in both years, of at least {_FEW}, are too few to show it. "
        "Where the same land misleads both, change is too low: in simulations in which errors "
        "persist 20 % came out as 0 to 6 %."
    )


def _warn_of_persistence(
    visits: _Visits, campaigns: _Campaigns, truth: npt.NDArray[np.intp]
) -> None:
    """Warn if more unchanged points are wrong in the same way twice than chance explains."""
    k, codes = len(visits.classes), visits.predictions.codes
    same = (truth[:, 0] >= 0) & (truth[:, 0] == truth[:, 1])
    guess = np.stack(
        [codes[side[campaigns.pairs]][same] for side in (visits.first, visits.second)], axis=1
    )
    label = truth[same, 0]
    counts = np.zeros((2, k, k))
    for side in (0, 1):
        np.add.at(counts[side], (label, guess[:, side]), 1.0)
    n_label = counts[0].sum(axis=1)
    counts[:, np.arange(k), np.arange(k)] = 0  # errors only
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = float(np.nansum((counts[0] * counts[1]).sum(axis=1) / n_label))
    twice = int(((guess[:, 0] == guess[:, 1]) & (guess[:, 0] != label)).sum())
    if (
        same.any()
        and binomtest(twice, int(same.sum()), by_chance / same.sum(), "greater").pvalue < 0.01
    ):
        warn(
            f"Errors persist between {campaigns.year_from} and {campaigns.year_to}: {twice} of "
            f"{int(same.sum())} labelled points that did not change are wrong in the same way twice, "
            f"where chance explains {by_chance:.1f}. The estimated change is too low; quote "
            "changed_labels."
        )


class OverYears(NamedTuple):
    """What `transitions` and `changes` return of the same points."""

    transitions: pd.DataFrame
    changes: pd.DataFrame


def transitions_and_changes(
    points: Table | Predictions, class_shares: ClassShares, what: str
) -> OverYears:
    """`transitions` and `changes` with their defaults; ``what`` is the function messages speak of."""
    visits = _visits(points, None, class_shares, None, what)
    shares = _likeliest_shares(visits)
    return OverYears(
        _transitions(visits, shares, 2000, 0.95, np.random.default_rng(1)),
        _changes(visits, shares, 0.9),
    )


def describe_transitions(table: pd.DataFrame) -> list[str]:
    """What `transitions` told, as a line for each pair of campaigns."""
    lines = []
    for pair in table.drop_duplicates(["year_from", "year_to"]).to_dict("records"):
        percent = {k: f"{100 * v:.1f}" for k, v in pair.items() if str(k).startswith("changed")}
        estimate = "unknown"
        if pd.notna(pair["changed"]):
            interval = f" ({percent['changed_low']} to {percent['changed_high']})"
            estimate = (
                f"{percent['changed']} %{interval if pd.notna(pair['changed_low']) else ''} changed"
            )
        lines.append(
            f"{pair['year_from']} to {pair['year_to']}: {estimate} of {pair['n_points']} points; "
            f"by counting {percent['changed_predicted']} %"
        )
    return lines


def transitions_table(table: Table) -> pd.DataFrame:
    """What `transitions` returned, as it is, from its file, or made of points."""
    found = as_table(table)
    if "class_from" not in found:
        return transitions(found)
    # A file, and R, hand classes over as text; their order is that of the rows.
    classes = found["class_from"].astype("str").unique()
    return found.assign(
        class_from=pd.Categorical(found["class_from"].astype("str"), categories=classes),
        class_to=pd.Categorical(found["class_to"].astype("str"), categories=classes),
    )


def largest_transitions(table: pd.DataFrame) -> pd.DataFrame:
    """Of each two campaigns at most twelve rows of `transitions`, changes only, the largest first."""
    differ = table["class_from"].cat.codes != table["class_to"].cat.codes
    if table["share"].isna().all():
        raise InputError(
            f"There are no estimated transitions to draw: no two campaigns have {FEWEST} points in "
            "common."
        )
    seen = table[differ & ((table["share"] > 0.0005) | (table["n_predicted"] > 0))]
    seen = seen[seen["share"].notna()].sort_values(
        ["year_from", "year_to", "share", "n_predicted"], ascending=[True, True, False, False]
    )
    largest: pd.DataFrame = seen.groupby(["year_from", "year_to"]).head(12)
    return largest.reset_index(drop=True)


def _visits(
    points: Table | Predictions,
    years: list[int] | None,
    class_shares: ClassShares,
    labelled: Table | None,
    what: str,
) -> _Visits:
    """Read the arguments that both functions have."""
    dated = _of_campaigns(read_predictions(points, what), years, what)
    predictions = _usable(dated)
    table = predictions.table
    shares = _class_shares(class_shares, predictions)
    # By time within a point; points stay in order of first appearance.
    point = pd.factorize(table["point_id"])[0]
    order = np.lexsort((table["year"].to_numpy(dtype=np.int64), point))
    is_again = np.diff(point[order]) == 0
    first, second = order[:-1][is_again], order[1:][is_again]
    n_once = len(set(point)) - len(set(point[first]))
    if not len(first):
        raise InputError(
            f"{what} needs points that were classified in two years or more; none of "
            f"{n_once} points was. Do point_id and year say which photos are of the same place?"
        )
    n_unused = len(dated.table) - len(table)
    if n_unused or n_once:
        inform(
            f"{n_once} points were classified in one year only and are left out, and so are "
            f"{n_unused} rows without a class, a point or a year."
        )
    sharpness = _sharpness(predictions, shares, labelled, what)
    visits = _Visits(predictions, _evidence(predictions.p, shares), first, second, sharpness)
    sizes = {f"{c.year_from} and {c.year_to}": len(c.pairs) for c in visits.by_campaigns()}
    few = [f"{n} in {name}" for name, n in sizes.items() if n < _FEW]
    if few:
        warn(
            f"Few points were seen in both years: {some(few)}. With fewer than {_FEW} numbers are "
            f"rough, with fewer than {FEWEST} change and doubt cannot be told apart; "
            f"{words.option('years')} can choose campaigns with more points in common."
        )
    return visits


def _of_campaigns(predictions: Predictions, years: list[int] | None, what: str) -> Predictions:
    """The rows of the campaigns asked for, with ids and years as they should be."""
    require_columns(
        predictions.table,
        ["point_id", "year"],
        what,
        f"Give the table that {words.call('vote')} made.",
    )
    if years is None:
        return predictions
    for year in np.atleast_1d(years).tolist():
        check_number("years", year, 0, 9999, whole=True)
    wanted = {int(y) for y in np.atleast_1d(years)}
    there = sorted(predictions.table["year"].dropna().unique())
    if wanted - set(there) or len(wanted) < 2:
        raise InputError(
            f"{words.arg('years')} must be two or more campaigns of the table, which has "
            f"{some(there) or 'none'}; got {some(sorted(wanted))}."
        )
    return predictions.chosen(predictions.table["year"].isin(wanted).to_numpy())


def _usable(predictions: Predictions) -> Predictions:
    """The rows that have a class, a point and a year, each point once in a year."""
    named = predictions.table[["point_id", "year", "predicted"]].notna().all(axis=1).to_numpy()
    usable = predictions.chosen(named & np.isfinite(predictions.p).all(axis=1))
    is_repeated = usable.table.duplicated(["point_id", "year"])
    if is_repeated.any():
        raise InputError(
            f"A point must stand once in a year, but {int(is_repeated.sum())} rows repeat one: "
            f"{some(usable.table.loc[is_repeated, 'point_id'].unique())}. Give the table that "
            f"{words.call('vote')} made."
        )
    return usable


def _evidence(p: Floats, shares: Floats) -> Floats:
    """Log-likelihoods of the classes up to a constant a row, the largest 0."""
    logs = np.log(np.maximum(p, _LEAST)) - np.log(shares)
    evidence: Floats = logs - logs.max(axis=1, keepdims=True)
    return evidence


def _class_shares(given: ClassShares, points: Predictions) -> Floats:
    """The class shares that probabilities took for granted; equal ones, and a word, where none are known."""
    if given is not None:
        return read_class_shares(given, points.classes)
    carried = carried_shares(points.table, len(points.classes))
    if carried is not None:
        return carried
    inform(
        "Class shares are not known, and taken as equal, as in a balanced training set. Where the "
        f"model was trained on other shares, give them: {words.arg('class_shares')}."
    )
    return np.full(len(points.classes), 1 / len(points.classes))


class _Sharpness(NamedTuple):
    """How much surer points are than their probabilities say, and how sure that is."""

    value: float
    doubt: float  # the standard error of its logarithm; 0 where nothing was learnt


def _sharpness(
    points: Predictions, shares: Floats, labelled: Table | None, what: str
) -> _Sharpness:
    """The sharpness learnt from labels; 1 without."""
    tested = _tested_rows(points, labelled)
    n = len(tested.truth)
    if n < _FEW:
        if labelled is not None:
            raise InputError(
                f"{words.arg('labelled')} must have at least {_FEW} classified rows with a known "
                f"habitat that were not trained on; it has {n}."
            )
        _warn_without_labels(points, n, what)
        return _Sharpness(1.0, 0.0)
    is_one_class = len(np.unique(tested.truth)) < 2
    if is_one_class or (tested.p.argmax(axis=1) == tested.truth).all():
        # The likeliest sharpness is then without end.
        lack = "one class only" if is_one_class else "all as predicted"
        if labelled is not None:
            raise InputError(
                f"{words.arg('labelled')} must have several classes and some errors; its {n} rows "
                f"are {lack}, so nothing says how far probabilities can be trusted."
            )
        warn(
            f"The {n} labelled points that were not trained on are {lack}, so nothing says how far "
            f"probabilities can be trusted; they are taken as they are. {_HIDDEN}"
        )
        return _Sharpness(1.0, 0.0)
    sharpness = _likeliest_sharpness(_evidence(tested.p, shares), tested)
    if not 1.01 / _SHARPEST < sharpness.value < 0.99 * _SHARPEST:
        warn(
            f"The {n} labelled points that were not trained on have too few errors to tell how far "
            f"probabilities can be trusted; they are taken as they are. {_HIDDEN}"
        )
        return _Sharpness(1.0, 0.0)
    surer = "surer" if sharpness.value > 1 else "less sure"
    inform(
        f"{n} labelled rows show that points are {surer} of their class than their probabilities say; "
        f"these were taken to the power of {sharpness.value:.2f}."
    )
    return sharpness


class _Tested(NamedTuple):
    """Rows with a reference class that were not trained on."""

    p: Floats  # (rows, classes)
    truth: npt.NDArray[np.intp]  # (rows,), numbers of classes
    point: npt.NDArray[np.intp]  # (rows,), numbers of points


def _tested_rows(points: Predictions, labelled: Table | None) -> _Tested:
    """The rows that show how far probabilities can be trusted: the points' own, or those given."""
    rows, classes = points, points.classes
    if labelled is not None:
        rows = read_predictions(labelled, words.arg("labelled"))
        if column_names(rows.classes) != column_names(classes):
            raise InputError(
                f"{words.arg('labelled')} must have the classes of the points, "
                f"{', '.join(classes)}; it has {', '.join(rows.classes)}. Classify its photos with the "
                "same model."
            )
    table = rows.table
    habitat = table.get("habitat", pd.Series(index=table.index))
    truth = np.asarray(pd.Categorical(habitat, categories=classes).codes, dtype=np.intp)
    is_tested = (truth >= 0) & np.isfinite(rows.p).all(axis=1)
    if "split" in table:
        is_tested &= ~table["split"].isin(["train"]).to_numpy()
    ids = table.get("point_id", pd.Series(range(len(table)), index=table.index))
    return _Tested(rows.p[is_tested], truth[is_tested], pd.factorize(ids[is_tested])[0])


def _warn_without_labels(points: Predictions, n: int, what: str) -> None:
    """Say what is taken for granted where nothing shows how sure points really are."""
    if not points.is_calibrated:
        warn(
            f"{what} takes probabilities for proportions, but the model was not, or is not known "
            "to be, calibrated. If it is too sure, too much seems to have changed; "
            f"calibrate it with {words.call('calibrate')}, or give labelled points "
            f"({words.option('labelled')})."
        )
    table = points.table
    has_votes = "n_photos" in table and bool((table["n_photos"] > 1).any())
    if has_votes and VOTE_CALIBRATION not in table and table.attrs.get("method") == "product":
        warn(
            "The product of several photos' probabilities is surer than the photos are together, so "
            "change is overestimated. Give labelled points of the same model "
            f"({words.option('labelled')}, at least {_FEW}), from which that can be put right; these "
            f"have {n}."
        )
    elif has_votes and VOTE_CALIBRATION not in table:
        warn(
            "Mean probabilities of several photos are less sure than the photos are together, so "
            "change is underestimated, possibly to nothing. Give labelled points of the same "
            f"model ({words.option('labelled')}, at least {_FEW}), from which that can be put right; "
            f"these have {n}."
        )


def _likeliest_sharpness(evidence: Floats, tested: _Tested) -> _Sharpness:
    """The power of the evidence under which the true classes are likeliest, and its doubt.

    The doubt is that of a maximum of likelihood whose rows of one point are not independent (the
    sandwich estimator, clustered by point).
    """
    truth, rows = tested.truth, np.arange(len(tested.truth))
    with np.errstate(divide="ignore"):
        prior = np.log(np.bincount(truth, minlength=evidence.shape[1]) / len(truth))

    def logs(log_sharpness: float) -> Floats:
        scores = np.exp(log_sharpness) * evidence + prior
        right: Floats = scores[rows, truth] - logsumexp(scores, axis=1)
        return right

    limit = np.log(_SHARPEST)
    best = minimize_scalar(
        lambda x: -float(logs(x).mean()),
        bounds=(-limit, limit),
        method="bounded",
        options={"xatol": 1e-6},
    ).x
    step = 1e-3
    below, here, above = (logs(best + d) for d in (-step, 0.0, step))
    score = np.bincount(tested.point, (above - below) / (2 * step))
    curvature = -float((above - 2 * here + below).sum()) / step**2
    doubt = np.sqrt((score**2).sum()) / curvature if curvature > 0 else 0.0
    return _Sharpness(float(np.exp(best)), float(doubt))


# ---- the likeliest shares ------------------------------------------------------------------------


def _likeliest_shares(visits: _Visits) -> list[Floats]:
    """The likeliest shares of each two campaigns' transitions; NaN with too few points."""
    nothing = np.full(len(visits.classes) ** 2, np.nan)
    return [
        _shares(visits.joint(campaigns.pairs)) if len(campaigns.pairs) >= FEWEST else nothing
        for campaigns in visits.by_campaigns()
    ]


def _shares(joint: Floats) -> Floats:
    """The likeliest shares of transitions, (classes²,), of likelihoods (points, classes²)."""
    n, m = joint.shape
    # From equal shares, so that what the points cannot tell apart stays alike.
    found: Floats = _climb(joint, np.ones((n, 1)), np.full((m, 1), 1 / m), steps=200)[:, 0]
    return found


def _climb(joint: Floats, times: Floats, shares: Floats, steps: int) -> Floats:
    """Shares (classes², samples) that are likelier from step to step.

    Each step goes to where a parabola through all samples' mean curvature has its minimum among
    shares that are not negative, and then makes one step of EM.

    Parameters
    ----------
    joint : (points, classes²)
    times : (points, samples)
        How often a sample holds each point.
    shares : (classes², samples)
        To start from.
    """
    n = times.sum(axis=0)
    for _ in range(steps):
        density = joint @ shares
        weight = times / density
        gradient = joint.T @ weight / n
        # No shares at all are likelier by more than this, summed over points.
        if ((gradient.max(axis=0) - 1) * n).max() < 1e-9:
            break
        # A little too steep, which keeps samples from overshooting that are curved more than most.
        curve = 1.5 * (joint.T * (weight / density).mean(axis=1) / n.mean()) @ joint
        curve[np.diag_indices_from(curve)] += 1e-9
        step = _lowest(curve, 1 - gradient, -shares)
        # No density shrinks by more than 60 %: beyond, a parabola tells nothing of a logarithm.
        shrinks = np.minimum((joint @ step / density).min(axis=0), -1e-9)
        shares = np.maximum(shares + step * np.minimum(1, -0.6 / shrinks), 0)
        shares = shares * (joint.T @ (times / (joint @ shares))) / n
    return shares


def _lowest(curve: Floats, slope: Floats, least: Floats) -> Floats:
    """The x >= least, (classes², samples), with the lowest x·slope + x·curve·x / 2, one by one."""
    x, slope = np.zeros_like(slope), slope.copy()
    for _ in range(10):
        before = x.copy()
        for i in range(len(x)):
            new = np.maximum(x[i] - slope[i] / curve[i, i], least[i])
            slope += curve[:, [i]] * (new - x[i])
            x[i] = new
        if np.abs(x - before).max() < 1e-9:
            break
    return x


class _Share(NamedTuple):
    """Shares with the ends of their intervals; NaN where nothing is estimated."""

    value: Any
    low: Any
    high: Any


class _Estimate(NamedTuple):
    """The shares of all transitions, (classes²,), and of all changes together."""

    shares: _Share
    changed: _Share


def _is_change(k: int) -> npt.NDArray[np.bool_]:
    """Mark the transitions, of k² with the first class slowest, that change the class."""
    return ~np.eye(k, dtype=bool).ravel()


def _estimate(
    visits: _Visits,
    pairs: npt.NDArray[np.intp],
    shares: Floats,
    n_boot: int,
    level: float,
    rng: np.random.Generator,
) -> _Estimate:
    """The shares of two campaigns' transitions, with intervals by bootstrap over points."""
    n, is_change = len(pairs), _is_change(len(visits.classes))
    changed = shares[is_change].sum()
    if not n_boot or n < FEWEST:
        nothing = np.full(len(shares), np.nan)
        return _Estimate(_Share(shares, nothing, nothing), _Share(changed, np.nan, np.nan))
    samples = _resampled(visits, pairs, shares, n_boot, rng)
    of_shares = _intervals(samples, shares, level, n)
    of_changed = _intervals(samples[:, is_change].sum(axis=1), changed, level, n)
    return _Estimate(_Share(shares, *of_shares), _Share(changed, *of_changed))


def _resampled(
    visits: _Visits,
    pairs: npt.NDArray[np.intp],
    shares: Floats,
    n_boot: int,
    rng: np.random.Generator,
) -> Floats:
    """The likeliest shares of samples of the points, (samples, classes²).

    Where the sharpness was learnt, groups of samples get one that it could as well have been.
    """
    value, doubt = visits.sharpness
    n_groups = min(_GROUPS, n_boot) if doubt else 1
    samples = []
    deviates = norm.ppf((np.arange(n_groups) + 0.5) / n_groups)
    sizes = np.diff(np.linspace(0, n_boot, n_groups + 1).astype(int))
    for deviate, size in zip(deviates, sizes, strict=True):
        sharpness = np.clip(value * np.exp(doubt * deviate), 1 / _SHARPEST, _SHARPEST)
        joint = visits.joint(pairs, float(sharpness))
        for times in draws(np.ones(len(pairs), dtype=np.intp), int(size), rng):
            begin = np.repeat(shares[:, None], len(times), axis=1)
            # So many steps bring nearly all samples to their maximum.
            samples.append(_climb(joint, times.T.astype(np.float64), begin, steps=12).T)
    return np.concatenate(samples)


def _intervals(samples: Floats, value: Any, level: float, n: int) -> Interval:
    """From the lower to the upper end of the percentile and the basic bootstrap."""
    low, high = percentile_interval(samples, level)
    # Clopper and Pearson's for none of n: what is so rare may have no point that shows it.
    unseen = 1 - ((1 - level) / 2) ** (1 / n)
    return Interval(
        np.clip(np.minimum(low, 2 * value - high), 0, 1),
        np.clip(np.maximum(np.maximum(high, 2 * value - low), unseen), 0, 1),
    )
