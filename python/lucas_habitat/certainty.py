"""Knowing when not to know: sets that hold the true class, and points that need no person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ._base import words
from ._base.checks import check_number
from ._base.classes import Predictions, column_names, read_predictions
from ._base.classes import labelled as rows_with_labels
from ._base.signatures import checked
from ._base.tables import as_frame, require_columns
from ._base.tree import FINEST, Levels, Tree, tree_of
from ._base.types import Floats, Table
from .errors import InputError, inform, some, warn

__all__ = ["abstain", "labelling_saved", "labelling_table", "predict_level", "prediction_sets"]

#: Shares of the points, the surest first, that are tried as those to trust.
_TRIED = tuple(i / 10 for i in range(1, 11))
#: Accuracies that users ask for.
_ASKED = (0.9, 0.95, 0.99)
_SEED = 1  # of the visit that counts where a point was seen several times


@checked
def prediction_sets(
    points: Table,
    labelled: Table,
    coverage: float = 0.9,
    *,
    per_class: bool = False,
) -> pd.DataFrame:
    """Give each point the set of classes that holds its true one as often as asked.

    Split conformal prediction: a class is in a point's set unless its probability is lower than that
    of the true class of nearly all labelled points. This asks nothing of the probabilities; better
    ones make smaller sets.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned, or any table with ``predicted`` and ``p_<class>``.
    labelled : pandas.DataFrame or path
        Such points with their true class (``habitat``), one row a point, that the model was not
        trained on. Rows whose ``split`` is ``"train"`` are left out. Of a point that was seen in
        several years one visit, drawn at random, counts.
    coverage : float, default 0.9
        The share of points whose set holds the true class, between 0 and 1.
    per_class : bool, default False
        Whether that shall be so for the points of each class, whatever the classes' shares of the
        land, instead of for all points together. Needs labelled points of every class.

    Returns
    -------
    pandas.DataFrame
        The points' rows, with ``set`` (the classes, likeliest first, joined by ``|``),
        ``n_classes`` (how many) and ``s_<class>`` (whether it is in the set). Points without
        probabilities have missing values. ``attrs`` says ``coverage``, ``n_labelled`` (points that
        the sets rest on) and, where not ``per_class``, ``coverage_low`` and ``coverage_high``: what
        the share is for labelled points such as these, drawn anew, in 19 of 20 cases.

    Notes
    -----
    The share holds on average over labelled points, for points like them: drawn from the same land
    with the same class shares (with ``per_class`` class shares may differ), photographed alike and
    classified by the same model. It does not hold for each kind of point: hard land is covered less
    often. The points that calibrated the model serve, though strictly other ones should.

    Where no class would be in a set, the likeliest one is, which only raises the share. A class of
    which there are too few labelled points (fewer than ``coverage / (1 - coverage)``) cannot be
    ruled out and is in every set.

    Warns
    -----
    LucasWarning
        If there are too few labelled points, or labels that the model does not know.

    Raises
    ------
    InputError
        If a table lacks probabilities, the tables have other classes, no labelled point remains, or
        several rows are of one point and year: photos vote first.

    References
    ----------
    Sadinle, M., Lei, J. & Wasserman, L. (2019). Least ambiguous set-valued classifiers with bounded
    error levels. Journal of the American Statistical Association 114, 223-234,
    doi 10.1080/01621459.2017.1395341.
    Vovk, V., Gammerman, A. & Shafer, G. (2005). Algorithmic learning in a random world. Springer.
    """
    check_number("coverage", coverage, 0, 1, open_low=True, open_high=True)
    what = words.call("prediction_sets")
    given, judged = _both(points, labelled, what)
    scores = _scores_of_truth(judged, what)
    thresholds = np.full(len(given.classes), _threshold(scores, coverage))
    if per_class:
        thresholds = np.array(
            [_threshold(scores[judged.truth == k], coverage) for k in range(len(given.classes))]
        )
    _warn_of_few(thresholds, given.classes, coverage, per_class)
    is_read = np.asarray(np.isfinite(given.p).all(axis=1), dtype=np.bool_)
    is_in = np.zeros(given.p.shape, dtype=np.bool_)
    is_in[is_read] = 1 - given.p[is_read] <= thresholds
    is_empty = is_read & (is_in.sum(axis=1) == 0)
    is_in[is_empty, given.p[is_empty].argmax(axis=1)] = True
    if is_empty.any():
        inform(
            f"No class of {int(is_empty.sum())} of {len(is_read)} points is likely enough for a set at "
            "this coverage; their sets hold the likeliest one all the same, so coverage can only be higher."
        )
    table = _with_sets(given, is_in, is_read)
    table.attrs |= {"coverage": float(coverage), "n_labelled": len(scores)}
    if not per_class:
        low, high = _spread_of_coverage(len(scores), coverage)
        table.attrs |= {"coverage_low": low, "coverage_high": high}
    return table


def _rows_of(table: pd.DataFrame) -> str:
    """What rows of a table of points are: a point has one for each of its years."""
    has_years = "point_id" in table and not table["point_id"].is_unique
    return "point-years" if has_years else "points"


def describe_sets(table: pd.DataFrame) -> list[str]:
    """How large the sets of `prediction_sets` are, as lines for a summary."""
    size = table["n_classes"].dropna()
    attrs = table.attrs
    lines = [
        f"{len(size)} {_rows_of(table)}, sets that hold the true class of {attrs['coverage']:.0%} "
        f"(from {attrs['n_labelled']} labelled points)"
    ]
    if "coverage_low" in attrs:
        lines.append(
            f"  with other such labelled points {attrs['coverage_low']:.1%} to "
            f"{attrs['coverage_high']:.1%}"
        )
    for k, n in size.value_counts().sort_index().items():
        lines.append(f"  {n} of {k} {'class' if k == 1 else 'classes'}")
    return lines


@checked
def abstain(
    points: Table,
    labelled: Table,
    accuracy: float = 0.95,
    *,
    per_class: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Mark the points whose class is right as often as asked; the others are for a person.

    From some confidence on, predictions of labelled points are right so often that their accuracy
    lies above what is asked with the probability ``level``. Points with at least that confidence
    are sure.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned, or any table with ``predicted`` and ``p_<class>``.
    labelled : pandas.DataFrame or path
        Such points with their true class (``habitat``), as for `prediction_sets`.
    accuracy : float, default 0.95
        The share of sure points whose class is right, between 0 and 1.
    per_class : bool, default False
        Whether each predicted class gets a threshold of its own. ``level`` then holds for each
        class, not for all of them together.
    level : float, default 0.95
        The probability that the accuracy is reached.

    Returns
    -------
    pandas.DataFrame
        The points' rows, with ``threshold`` (of the confidence, missing where no threshold is high
        enough), ``accuracy_low`` (the accuracy at that threshold is at least this, one-sided) and
        ``is_sure``. ``attrs`` says ``accuracy``, ``level``, ``n_labelled`` and ``n_sure``.

    Notes
    -----
    The surest 10, 20, ... 100 % of the labelled points are tried, from the surest on, by Clopper and
    Pearson's one-sided bound; the risk ``1 - level`` is shared among those that are many enough to pass
    at all, and that of one that passes goes on to the next (Wiens 2003). So trying several thresholds
    does not make the accuracy look better than it is. It holds for points like the labelled ones:
    same land and class shares, photographed alike, same model.

    Warns
    -----
    LucasWarning
        If no threshold reaches the accuracy; at least some 60 labelled points are needed for 95 %,
        300 for 99 %.

    Raises
    ------
    InputError
        As `prediction_sets`.

    References
    ----------
    Wiens, B. L. (2003). A fixed sequence Bonferroni procedure for testing multiple endpoints.
    Pharmaceutical Statistics 2, 211-215, doi 10.1002/pst.64.
    Clopper, C. & Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the
    case of the binomial. Biometrika 26, 404-413, doi 10.2307/2331986.
    """
    check_number("accuracy", accuracy, 0, 1, open_low=True, open_high=True)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    given, judged = _both(points, labelled, words.call("abstain"))
    chosen = _choices(given, judged, accuracy, per_class, level)
    reason = _why_unreached(chosen, judged, accuracy, per_class, level)
    if reason:
        warn(reason)
    table = given.table.assign(
        threshold=_by_prediction(given, {c: choice.threshold for c, choice in chosen.items()}),
        accuracy_low=_by_prediction(given, {c: choice.low for c, choice in chosen.items()}),
    )
    table["is_sure"] = np.nan_to_num(given.confidence, nan=-1.0) >= table["threshold"]
    table.attrs |= {
        "accuracy": float(accuracy),
        "level": float(level),
        "n_labelled": len(judged.truth),
        "n_sure": int(table["is_sure"].sum()),
    }
    return table


def describe_sure(table: pd.DataFrame) -> list[str]:
    """How many points `abstain` leaves to a person, as lines for a summary."""
    n, attrs = len(table), table.attrs
    return [
        f"{attrs['n_sure']} of {n} {_rows_of(table)} are sure: right in at least "
        f"{attrs['accuracy']:.0%} of cases (level {attrs['level']:.0%}, from {attrs['n_labelled']} labelled "
        "points)",
        f"{n - attrs['n_sure']} {_rows_of(table)} are for a person",
    ]


@checked
def predict_level(
    points: Table,
    labelled: Table,
    accuracy: float = 0.9,
    *,
    levels: Levels = "lc1",
    level: float = 0.95,
) -> pd.DataFrame:
    """Answer each point at the finest level that it is sure enough for.

    A point that is not sure to be maize may be sure to be a cereal, or cropland. At each level, from the
    finest on, points with at least some confidence are answered there; the others are left to the
    level above. Thresholds are such that at every level the accuracy of its answers lies above what is
    asked.

    Parameters
    ----------
    points : pandas.DataFrame or path
        What `vote` returned, or any table with ``predicted`` and ``p_<class>``.
    labelled : pandas.DataFrame or path
        Such points with their true class (``habitat``), as for `prediction_sets`; other points than
        those that accuracy is told of afterwards.
    accuracy : float, default 0.9
        The share of right answers at each level, between 0 and 1.
    levels : "lc1", DataFrame, path or model, default "lc1"
        What stands above the classes, as for `at_level`.
    level : float, default 0.95
        The probability that the accuracy is reached at all levels.

    Returns
    -------
    pandas.DataFrame
        The points' rows, with ``predicted`` (the label that is answered; missing where no level is sure
        enough), ``predicted_level`` (``"class"``, ``"level2"``, ...), ``predicted_class`` (the class that
        was predicted), ``confidence`` (of the answer), ``threshold`` (of the confidence at that level)
        and ``accuracy_low`` (the accuracy at that level is at least this, one-sided). ``p_<class>`` stay
        those of the classes. ``attrs`` says ``accuracy``, ``level``, ``n_labelled`` and ``n_answered``.

    Notes
    -----
    A label's confidence is its summed probability (see `at_level`), for classes that of the predicted
    one. Thresholds are sought as `abstain` does, among the labelled points that no finer level has
    answered, each level with an equal part of the risk ``1 - level``. That a finer level's threshold
    was found on the same points is not reckoned with; where it failed to be lower, the points left
    over have more errors than such points have on average, so the next level is judged too
    strictly rather than too kindly. In simulations (benchmarks/levels.py) the promise was broken at some
    level in 2 of 300 draws of labelled points. Points left over by a finer level are the hard ones, so
    many labelled points are needed to show that a level above is right. It holds for points like the
    labelled ones: same land and class shares, photographed alike, same model.

    `evaluate` with ``levels`` judges each answer at its level; most others work with the predicted
    classes.

    Warns
    -----
    LucasWarning
        If no level reaches the accuracy; with three levels at least 39 labelled points at a level are
        needed for 90 %, 80 for 95 %.

    Raises
    ------
    InputError
        As `prediction_sets`, or if the classes have no place in the tree.
    """
    check_number("accuracy", accuracy, 0, 1, open_low=True, open_high=True)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    what = words.call("predict_level")
    given, judged = _both(points, labelled, what)
    truth = judged.predictions.table["habitat"].astype("str")
    tree = tree_of(given.classes, levels, what, truth.unique().tolist())
    risk = (1 - level) / len(tree.names)
    choices = _choices_by_level(judged.predictions, truth, tree, accuracy, 1 - risk)
    if not any(choice.is_reached for choice in choices.values()):
        least = int(np.ceil(np.log(risk) / np.log(accuracy)))
        warn(
            f"No level is shown to be right in {accuracy:.3g} of cases, so no point is answered. It "
            f"takes {least} labelled points of such confidence without a single error, more where some "
            "are wrong."
        )
    table = _answered(given, tree, choices)
    table.attrs |= {
        "accuracy": float(accuracy),
        "level": float(level),
        "n_labelled": len(truth),
        "n_answered": int(table["predicted"].notna().sum()),
    }
    return table


def describe_answers(table: pd.DataFrame) -> list[str]:
    """How many points `predict_level` answers at each level, as lines for a summary."""
    n, attrs = len(table), table.attrs
    answers = table.groupby("predicted_level", sort=False)["accuracy_low"].agg(["size", "first"])
    names = sorted(answers.index, reverse=True)
    names.sort(key=lambda name: name != FINEST)
    return [
        f"{attrs['n_answered']} of {n} {_rows_of(table)} are answered: right in at least "
        f"{attrs['accuracy']:.0%} of cases at each level (level {attrs['level']:.0%}, from "
        f"{attrs['n_labelled']} labelled points)",
        *(
            f"  {answers.loc[name, 'size']} at {name}, right in at least "
            f"{answers.loc[name, 'first']:.1%}"
            for name in names
        ),
        f"{n - attrs['n_answered']} {_rows_of(table)} are for a person",
    ]


@checked
def labelling_saved(
    points: Table,
    labelled: Table,
    accuracies: Sequence[float] | None = None,
    *,
    per_class: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """How much labelling by hand is saved where so many of the sure points shall be right.

    Parameters
    ----------
    points, labelled, per_class, level
        As for `abstain`.
    accuracies : sequence of float, optional
        What is asked of the sure points; default: 0.9, 0.95 and 0.99.

    Returns
    -------
    pandas.DataFrame
        One row an accuracy, as many as asked: ``accuracy``, ``threshold`` (of the confidence; missing
        with ``per_class`` and where none is high enough), ``accuracy_labelled`` (of the labelled
        points with that confidence), ``accuracy_low`` (what it is at least, one-sided; with
        ``per_class`` of the class with the lowest), ``n_sure``, ``n_by_hand`` (the other points) and
        ``share_saved``. Where no point is sure, a message says why.
    """
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    if accuracies is None:
        accuracies = _ASKED
    asked = [accuracies] if isinstance(accuracies, int | float) else list(accuracies)
    for accuracy in asked:
        check_number("accuracies", accuracy, 0, 1, open_low=True, open_high=True)
    given, judged = _both(points, labelled, words.call("labelling_saved"))
    n = len(given.table)
    rows = []
    for accuracy in asked:
        chosen = _choices(given, judged, accuracy, per_class, level)
        reason = _why_unreached(chosen, judged, accuracy, per_class, level)
        if reason:
            inform(reason)
        reached = [choice for choice in chosen.values() if choice.is_reached]
        limits = {c: choice.threshold for c, choice in chosen.items()}
        is_sure = _is_above(given, limits)
        is_judged_sure = _is_above(judged.predictions, limits)
        rows.append(
            {
                "accuracy": float(accuracy),
                "threshold": np.nan if per_class or not reached else reached[0].threshold,
                "accuracy_labelled": float(judged.is_right[is_judged_sure].mean())
                if is_judged_sure.any()
                else np.nan,
                "accuracy_low": min((choice.low for choice in reached), default=np.nan),
                "n_sure": int(is_sure.sum()),
                "n_by_hand": n - int(is_sure.sum()),
                "share_saved": float(is_sure.mean()),
            }
        )
    return pd.DataFrame(rows)


def labelling_table(table: Table) -> pd.DataFrame:
    """What `labelling_saved` returned, in order of accuracy."""
    given = as_frame(table)
    columns = ["accuracy", "n_sure", "n_by_hand", "share_saved"]
    hint = f"Give what {words.call('labelling_saved')} returned."
    require_columns(given, columns, words.call("plot_labelling"), hint)
    if given.empty:
        raise InputError(f"{words.call('plot_labelling')} got a table without rows. {hint}")
    return given.sort_values("accuracy").reset_index(drop=True)


# ---- points and labelled points -----------------------------------------------------------------


class _Judged(NamedTuple):
    """Labelled points that the model was not trained on, a row each."""

    predictions: Predictions
    truth: npt.NDArray[np.intp]  # number of the class, -1 for one that the model does not know
    is_right: npt.NDArray[np.bool_]


def _both(points: Table, labelled: Table, what: str) -> tuple[Predictions, _Judged]:
    """The points, and the labelled ones to judge by, of the same classes."""
    given = read_predictions(points, what)
    judged = read_predictions(labelled, what)
    if column_names(given.classes) != column_names(judged.classes):
        raise InputError(
            f"{what} needs points and labelled points of one model; their classes are "
            f"{some(given.classes, 12)} and {some(judged.classes, 12)}."
        )
    for predictions in (given, judged):
        _check_one_row_a_point(predictions, what)
    judged = rows_with_labels(judged, what)
    is_usable = np.isfinite(judged.p).all(axis=1) & (judged.codes >= 0)
    if "split" in judged.table:
        is_trained = (judged.table["split"].astype("str") == "train").to_numpy(dtype=bool)
        if is_trained.any():
            inform(
                f"{int(is_trained.sum())} labelled points are ones that the model was trained on, and "
                "are left out."
            )
        is_usable &= ~is_trained
    judged = _one_visit_each(judged.chosen(is_usable))
    if judged.table.empty:
        raise InputError(f"{what} needs labelled points that the model was not trained on.")
    labels = judged.table["habitat"].astype("str")
    # A table from CSV may know fewer labels by name; columns are what both share.
    numbers = {label: k for k, label in enumerate(judged.classes)}
    numbers |= {label: k for k, label in enumerate(given.classes)}
    truth = np.array([numbers.get(label, -1) for label in labels], dtype=np.intp)
    return given, _Judged(judged, truth, truth == judged.codes)


def _check_one_row_a_point(predictions: Predictions, what: str) -> None:
    """Refuse several rows of a point and year: photos of one point are not independent."""
    table = predictions.table
    if "point_id" not in table:
        return
    keys = table[[c for c in ("point_id", "year") if c in table]]
    is_repeated = keys.duplicated() & table["point_id"].notna()
    if is_repeated.any():
        raise InputError(
            f"{what} needs one row a point and year, but {some(table.loc[is_repeated, 'point_id'].unique())} "
            f"stand in several: let the photos of a point vote first, by {words.call('vote')}."
        )


def _one_visit_each(predictions: Predictions) -> Predictions:
    """One row a point: of those seen in several years one visit, at random."""
    if "point_id" not in predictions.table:
        return predictions
    order = np.random.default_rng(_SEED).permutation(len(predictions.table))
    ids = predictions.table["point_id"].iloc[order]
    is_kept = np.zeros(len(order), dtype=bool)
    is_kept[order[(~ids.duplicated() | ids.isna()).to_numpy()]] = True
    return predictions.chosen(is_kept)


# ---- sets ---------------------------------------------------------------------------------------


def _scores_of_truth(judged: _Judged, what: str) -> Floats:
    """One less the probability of each labelled point's true class; infinite for unknown ones."""
    has_known = judged.truth >= 0
    if not has_known.all():
        labels = judged.predictions.table.loc[~has_known, "habitat"].unique()
        warn(
            f"{int((~has_known).sum())} labelled points have classes that the model does not know "
            f"({some(labels)}); no set can hold them, and {what} counts them as missed."
        )
    p = judged.predictions.p[np.arange(len(judged.truth)), judged.truth]
    return np.where(has_known, 1 - p, np.inf)


def _threshold(scores: Floats, coverage: float) -> float:
    """The score that the asked share of points stays below, one more point reckoned with."""
    rank = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


def _warn_of_few(thresholds: Floats, classes: list[str], coverage: float, per_class: bool) -> None:
    """Say where nothing can be ruled out."""
    is_open = np.isinf(thresholds)
    if not is_open.any():
        return
    least = int(np.ceil(coverage / (1 - coverage) - 1e-9))
    whose = (
        f" of {some([c for c, o in zip(classes, is_open, strict=True) if o])}" if per_class else ""
    )
    who = "These classes are" if per_class else "Every class is"
    warn(
        f"The labelled points{whose} are too few, or too many of them of classes that the model does "
        f"not know, for a coverage of {coverage:.3g}: at least {least} are needed. {who} in every set."
    )


def _with_sets(
    given: Predictions, is_in: npt.NDArray[np.bool_], is_read: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    """The points with their sets as text, size and flags."""
    flags = column_names(given.classes, "s_")
    old = [c for c in given.table.columns if c in ("set", "n_classes") or str(c).startswith("s_")]
    table = given.table.drop(columns=old)
    order = np.argsort(-np.nan_to_num(given.p), axis=1, kind="stable")
    texts = [
        "|".join(given.classes[k] for k in ranks if row[k]) if read else None
        for ranks, row, read in zip(order, is_in, is_read, strict=True)
    ]
    table["set"] = pd.Series(texts, dtype="str", index=table.index)
    table["n_classes"] = pd.Series(is_in.sum(axis=1), dtype="Int64", index=table.index).where(
        is_read
    )
    for name, values in zip(flags, is_in.T, strict=True):
        table[name] = pd.Series(values, dtype="boolean", index=table.index).where(is_read)
    return table


def _spread_of_coverage(n: int, coverage: float) -> tuple[float, float]:
    """Between what the share of points lies whose set holds the truth, over labelled points."""
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    if rank > n:
        return 1.0, 1.0
    low, high = stats.beta.ppf([0.025, 0.975], rank, n + 1 - rank)
    return float(low), float(high)


# ---- thresholds ---------------------------------------------------------------------------------


class _Choice(NamedTuple):
    """A threshold of the confidence and the accuracy that it reaches at least; NaN for none."""

    threshold: float
    low: float

    @property
    def is_reached(self) -> bool:
        return bool(np.isfinite(self.threshold))


def _choices(
    given: Predictions, judged: _Judged, accuracy: float, per_class: bool, level: float
) -> dict[str, _Choice]:
    """The threshold of each predicted class."""
    confidence = judged.predictions.confidence
    if not per_class:
        choice = _choice(confidence, judged.is_right, accuracy, level)
        return dict.fromkeys(given.classes, choice)
    return {
        label: _choice(confidence[mine], judged.is_right[mine], accuracy, level)
        for label, mine in (
            (label, judged.predictions.codes == k) for k, label in enumerate(given.classes)
        )
    }


def _why_unreached(
    chosen: dict[str, _Choice], judged: _Judged, accuracy: float, per_class: bool, level: float
) -> str:
    """Why points of some predicted classes, or all, are not sure; empty where all have a threshold."""
    lacking = [c for c, choice in chosen.items() if not choice.is_reached]
    if not lacking:
        return ""
    n, whose = len(judged.truth), ""
    if per_class:
        codes = judged.predictions.codes
        n = max(int((codes == k).sum()) for k, c in enumerate(chosen) if c in lacking)
        whose = f"of {some(lacking)} "
    return (
        f"No confidence {whose}is shown to be right in {accuracy:.3g} of cases, so no such point is "
        f"sure. It takes {_least(level, accuracy)} labelled points of such confidence without a single "
        f"error, more where some are wrong; there are {n}"
        f"{' at most of a class' if per_class and len(lacking) > 1 else ''}, of any confidence."
    )


def _least(level: float, accuracy: float) -> int:
    """How many labelled points without an error show an accuracy."""
    return int(np.ceil(np.log(1 - level) / np.log(accuracy)))


def _choice(
    confidence: Floats, is_right: npt.NDArray[np.bool_], accuracy: float, level: float
) -> _Choice:
    """The lowest threshold that passes; those tried depend on confidences only, not on what is right."""
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], is_right[order].cumsum()
    n = len(order)
    sizes = {int(np.ceil(share * n - 1e-9)) for share in _TRIED} - {0}
    # All points of one confidence are on the same side.
    ends = sorted({int((confidence >= confidence[size - 1]).sum()) for size in sizes})
    risk = 1 - level
    # Those that could not pass with all right take no part of the risk.
    least = np.log(risk) / np.log(accuracy)
    for parts in range(len(ends), 0, -1):
        able = [end for end in ends if end >= least + np.log(1 / parts) / np.log(accuracy) - 1e-9]
        if len(able) >= parts:
            ends = able[-parts:]
            break
    else:
        return _Choice(np.nan, np.nan)
    choice, share = _Choice(np.nan, np.nan), risk / len(ends)
    left = 0.0
    for end in ends:
        left += share
        low = _least_share(int(right[end - 1]), end, left)
        if low >= accuracy:
            choice = _Choice(float(confidence[end - 1]), low)
        else:
            left = 0.0
    return choice


class _AtLevel(NamedTuple):
    """What points are at a level, and how surely; no label and NaN where they have no probabilities."""

    labels: pd.Series
    confidence: Floats


def _at_level(predictions: Predictions, tree: Tree, name: str) -> _AtLevel:
    """The label of each point at a level: the predicted class, or the likeliest label above."""
    if name == FINEST:
        return _AtLevel(
            predictions.table["predicted"].astype("str"), np.asarray(predictions.confidence)
        )
    p = tree.sums(predictions.p, name)
    is_read = np.isfinite(p).all(axis=1)
    nodes = np.array([*tree.nodes(name), None], dtype=object)
    codes = np.where(is_read, np.nan_to_num(p).argmax(axis=1), -1)
    labels = pd.Series(nodes[codes], index=predictions.table.index, dtype="str")
    return _AtLevel(labels, p.max(axis=1))


def _choices_by_level(
    judged: Predictions, truth: pd.Series, tree: Tree, accuracy: float, level: float
) -> dict[str, _Choice]:
    """The threshold of each level, the finest first, among points that no finer one has answered."""
    is_left = np.ones(len(truth), dtype=bool)
    choices = {}
    for name in reversed(tree.names):
        at = _at_level(judged, tree, name)
        is_right = (at.labels == tree.labels_at(truth, name)).to_numpy(dtype=bool)
        choices[name] = _choice(at.confidence[is_left], is_right[is_left], accuracy, level)
        is_left &= ~(at.confidence >= choices[name].threshold)
    return choices


def _answered(given: Predictions, tree: Tree, choices: dict[str, _Choice]) -> pd.DataFrame:
    """The points with their answers at the finest level whose threshold they reach."""
    n, index = len(given.table), given.table.index
    answer, told = pd.Series([None] * n, dtype="str", index=index), np.full((3, n), np.nan)
    names = pd.Series([None] * n, dtype="str", index=index)
    for name, choice in choices.items():
        at = _at_level(given, tree, name)
        is_here = names.isna().to_numpy() & (
            np.nan_to_num(at.confidence, nan=-1.0) >= choice.threshold
        )
        answer, names = answer.mask(is_here, at.labels), names.mask(is_here, name)
        told[0, is_here] = at.confidence[is_here]
        told[1:, is_here] = [[choice.threshold], [choice.low]]
    labels = [label for name in choices for label in tree.nodes(name)]
    return given.table.assign(
        predicted=pd.Categorical(answer, categories=list(dict.fromkeys(labels))),
        predicted_level=names,
        predicted_class=given.table["predicted"],
        confidence=told[0],
        threshold=told[1],
        accuracy_low=told[2],
    )


def _least_share(right: int, n: int, risk: float) -> float:
    """Clopper and Pearson's one-sided lower bound."""
    return float(stats.beta.ppf(risk, right, n - right + 1)) if right else 0.0


def _by_prediction(predictions: Predictions, values: dict[str, float]) -> Floats:
    """What holds for each row's predicted class; NaN where there is none."""
    of_classes = np.array([*(values[c] for c in values), np.nan])
    return of_classes[predictions.codes]


def _is_above(predictions: Predictions, thresholds: dict[str, float]) -> npt.NDArray[np.bool_]:
    """Mark the rows that are as confident as their class needs to be."""
    confidence = np.nan_to_num(predictions.confidence, nan=-1.0)
    is_above: npt.NDArray[np.bool_] = confidence >= _by_prediction(predictions, thresholds)
    return is_above
