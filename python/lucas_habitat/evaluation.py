"""Evaluation of predictions: accuracies, kappa and further measures, with intervals."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.bootstrap import Interval
from ._base.checks import MOST_DRAWS, check_number, check_seed
from ._base.classes import labels_of
from ._base.places import count_alone, rows_in_words
from ._base.probabilities import Split, split_off
from ._base.signatures import checked
from ._base.tables import require_columns, with_column
from ._base.tree import Levels, Tree, tree_of
from ._base.types import Column, Floats, Table
from .agreement.compared import (
    ClassShares,
    Compared,
    Sample,
    check_n_classes,
    compared_rows,
    land_shares,
    sample_of,
    weights_of,
)
from .agreement.doubt import Intervals, intervals, standard_errors
from .agreement.measures import Measures, measures, summary
from .agreement.probabilities import certainty
from .agreement.tree import (
    Distance,
    answers_judged,
    distances,
    summed_shares,
    tables_by_level,
)
from .errors import InputError, some

__all__ = ["FURTHER", "Evaluation", "Judged", "evaluate", "numbers_of", "plain", "side_by_side"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy of predictions. Print it to read it.

    An evaluation is equal to itself only; to compare the numbers of two, compare their `as_dict()`.

    Attributes
    ----------
    overall_accuracy, kappa : float
    overall_accuracy_interval, kappa_interval : tuple of float
        At ``level``; see `evaluate`.
    overall_accuracy_se, kappa_se : float
        Standard errors by linearisation over points: the asymptotic one of kappa.
    balanced_accuracy : float
        The mean of the producer's accuracies.
    macro_f1 : float
        The mean F1 of classes that occur.
    matthews : float
        Matthews' correlation of predicted and reference classes, -1 to 1.
    quantity_disagreement, allocation_disagreement : float
        What is wrong because classes are predicted too often or too seldom, and what is wrong besides;
        together 1 - overall accuracy.
    log_loss, brier_score : float
        Of the probabilities of the reference classes: the mean of -log(p), and of the squared
        differences summed over classes, 0 to 2. NaN without columns ``p_<class>``.
    calibration_error, calibration_error_if_perfect : float
        The expected calibration error in ten bins (see `reliability`), and the mean of what it would be
        for rows as many, as sure and as alike within points if their probabilities were proportions:
        only what is above that tells against them.
    confusion : pandas.DataFrame
        Counts, **rows predicted, columns reference**.
    proportions : pandas.DataFrame
        The confusion in shares of what rows stand for; they sum to 1.
    per_class : pandas.DataFrame
        One row a class: ``class``, ``n_reference``, ``n_predicted``, ``producers_accuracy``
        (recall: of the reference's, how many were found), ``users_accuracy`` (precision: of the
        predicted, how many are right), ``f1``, ``share`` (of what rows stand for, by reference), each
        with ``*_low`` and ``*_high`` (``producers_low``, ``users_low``), and ``producers_se``,
        ``users_se``.
    unit : str
        ``"photo"`` or ``"point"``: what a row of the table was.
    n, n_points : int
        Rows compared, and points behind them.
    n_unlabelled, n_unread : int
        Rows left out: without a reference class, without a prediction.
    weights : str or None
        The column of design weights.
    class_shares : dict or None
        The classes' shares of the land, of which the numbers are then.
    level : float
    notes : list of str
        What to know before quoting the numbers.
    by_level : pandas.DataFrame or None
        With ``levels``, one row a level, the coarsest first: ``level``, ``n_classes`` (labels that occur or
        are the model's), ``n`` (rows that answer at this level or a finer one), and
        ``overall_accuracy``, ``kappa`` and ``macro_f1``, the first two with ``*_low`` and ``*_high``.
    mean_distance, error_distance : float
        With ``levels``, how many levels an answer has to go up the tree until it is right: the mean of
        all rows, and of those that are wrong; NaN otherwise.
    n_without_point : int
        Rows that are photos without a point (or the vote of one), each counted as a point of its own.
    """

    overall_accuracy: float
    overall_accuracy_interval: tuple[float, float]
    overall_accuracy_se: float
    kappa: float
    kappa_interval: tuple[float, float]
    kappa_se: float
    balanced_accuracy: float
    macro_f1: float
    matthews: float
    quantity_disagreement: float
    allocation_disagreement: float
    log_loss: float
    brier_score: float
    calibration_error: float
    calibration_error_if_perfect: float
    confusion: pd.DataFrame
    proportions: pd.DataFrame
    per_class: pd.DataFrame
    unit: str
    n: int
    n_points: int
    n_unlabelled: int
    n_unread: int
    weights: str | None
    class_shares: dict[str, float] | None
    level: float
    n_boot: int
    seed: int
    notes: list[str] = field(default_factory=list)
    by_level: pd.DataFrame | None = None
    mean_distance: float = np.nan
    error_distance: float = np.nan
    n_without_point: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to JSON; undefined numbers are None."""
        return {
            "unit": self.unit,
            "n": self.n,
            "n_points": self.n_points,
            "n_without_point": self.n_without_point,
            "n_unlabelled": self.n_unlabelled,
            "n_unread": self.n_unread,
            "overall_accuracy": plain(self.overall_accuracy),
            "overall_accuracy_interval": [plain(v) for v in self.overall_accuracy_interval],
            "overall_accuracy_se": plain(self.overall_accuracy_se),
            "kappa": plain(self.kappa),
            "kappa_interval": [plain(v) for v in self.kappa_interval],
            "kappa_se": plain(self.kappa_se),
            **{name: plain(getattr(self, name)) for name in FURTHER},
            "weights": self.weights,
            "class_shares": self.class_shares,
            "level": self.level,
            "n_boot": self.n_boot,
            "seed": self.seed,
            "classes": self.confusion.columns.tolist(),
            "confusion_rows": "predicted",
            "confusion": self.confusion.to_numpy().tolist(),
            "proportions": [[plain(v) for v in row] for row in self.proportions.to_numpy()],
            "per_class": _plain_rows(self.per_class),
            "notes": list(self.notes),
            "by_level": None if self.by_level is None else _plain_rows(self.by_level),
            "mean_distance": plain(self.mean_distance),
            "error_distance": plain(self.error_distance),
        }

    def _rows(self) -> str:
        return rows_in_words(self.unit, self.n, self.n_points, self.n_without_point)

    def _land(self) -> str:
        """What the numbers are of, where that is not the rows as they are."""
        of = [f"weighted by {self.weights}"] if self.weights else []
        return ", ".join(["", *of, *(["at the land's class shares"] if self.class_shares else [])])

    def _tree_lines(self) -> list[str]:
        """The levels, and how far errors are off."""
        if self.by_level is None:
            return []
        shown = self.by_level[["level", "n_classes", "n", "overall_accuracy", "kappa"]]
        return [
            "",
            shown.to_string(index=False, float_format=lambda v: f"{v:.3f}"),
            f"levels up to what is right: {self.mean_distance:.2f} on average, "
            f"{self.error_distance:.2f} for errors",
        ]

    def __repr__(self) -> str:
        def line(name: str, value: float, interval: tuple[float, float]) -> str:
            return f"{name:<17} {value:.3f}" + (
                f"   {100 * self.level:g}% interval {interval[0]:.3f} to {interval[1]:.3f}"
                if self.n_boot
                else ""
            )

        def values(*named: tuple[str, float]) -> str:
            return "   ".join(f"{name} {value:.3f}" for name, value in named)

        further = [
            values(
                ("balanced accuracy", self.balanced_accuracy),
                ("macro F1", self.macro_f1),
                ("Matthews", self.matthews),
            ),
            "disagreement: "
            + values(
                ("quantity", self.quantity_disagreement),
                ("allocation", self.allocation_disagreement),
            ),
        ]
        if not np.isnan(self.brier_score):
            further.append(
                values(
                    ("log loss", self.log_loss),
                    ("Brier", self.brier_score),
                    ("calibration error", self.calibration_error),
                )
                + f" ({self.calibration_error_if_perfect:.3f} if perfect)"
            )
        table = self.per_class[
            ["class", "producers_accuracy", "users_accuracy", "f1", "n_reference"]
        ]
        return "\n".join(
            [
                f"Evaluation of {self._rows()}{self._land()}",
                line("overall accuracy", self.overall_accuracy, self.overall_accuracy_interval),
                line("kappa", self.kappa, self.kappa_interval),
                *further,
                "",
                "confusion (rows predicted, columns reference)",
                self.confusion.to_string(),
                "",
                table.to_string(index=False, float_format=lambda v: f"{v:.3f}"),
                *self._tree_lines(),
                *(f"note: {note}" for note in self.notes),
            ]
        )


#: Measures of one number each, besides overall accuracy and kappa.
#: What `evaluate` returned, its numbers, or the JSON file that holds them.
Judged = Evaluation | Mapping[str, Any] | str | os.PathLike[str]

FURTHER = (
    "balanced_accuracy",
    "macro_f1",
    "matthews",
    "quantity_disagreement",
    "allocation_disagreement",
    "log_loss",
    "brier_score",
    "calibration_error",
    "calibration_error_if_perfect",
)


@checked
def evaluate(
    predictions: Table,
    *,
    reference: Column = "habitat",
    weights: Column | None = None,
    class_shares: ClassShares | None = None,
    levels: Levels | None = None,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> Evaluation:
    r"""Compare predicted with reference classes.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` or `vote` returned: ``predicted`` and the reference column, with
        ``point_id`` where photos have points.
    reference : str or column, default "habitat"
        The column that holds the true class: its name, or as many values as there are rows.
    weights : str or column, optional
        The column of design weights, 1 / inclusion probability (more than 0): numbers are then of
        the land that the points were drawn from. Default: all rows count alike.
    class_shares : mapping, Series, DataFrame or path, optional
        The classes' shares of the land, such as ``{"woody": 0.4, "cropland": 0.6}`` or the columns
        ``class`` and ``share``, in any unit: numbers are then of land with these shares, of which the
        rows of each reference class are a sample. For samples balanced by class, whose overall
        accuracy, user's accuracies and kappa are those of land with equal shares.
    levels : "lc1", DataFrame, path or model, optional
        What stands above the classes, as for `at_level`: accuracy and kappa are told at each level too,
        and how far in the tree errors are off. Needed where `predict_level` answered at several levels,
        each of which is judged at its own.
    n_boot : int, default 2000
        Bootstrap samples behind the interval of kappa; 0 gives no intervals. Whole points are drawn,
        because photos of one point, and a point's years, are not independent.
    level : float, default 0.95
        Of the intervals.
    seed : int, default 1

    Returns
    -------
    Evaluation
        Accuracies are shares, 0 to 1; kappa is at most 1. A value that is undefined, such as the
        user's accuracy of a class never predicted, is NaN with a note. At a level above the classes,
        the likeliest label by summed probabilities counts, or without probabilities the label above
        the predicted class.

    Raises
    ------
    InputError
        If columns are missing, no row has both classes, the reference has as many values as ids have,
        a weight is no number of more than 0, or the class shares leave out a class of the reference or
        name one that no row has.

    Notes
    -----
    Intervals are Wilson's (1927), with what Brown, Cai and DasGupta (2001) changed of it close to 0 and
    1, on the effective number of rows (Korn & Graubard 1998; Dean & Pagano 2015 compare such
    intervals). A percentile bootstrap, used here before, has no width where all rows are right, and
    held the truth in 19 to 54 % instead of 95 % of samples in small classes.

    The effective number is the number of rows over the design effect: how much more a share varies between
    points than it would if their rows were independent. It is estimated by the jackknife over
    points, with a t quantile for the doubt in it, and lies between the number of points (weighted by
    their rows, if these differ in number) and the number of rows. It is told by points with errors; where a
    class has few of those, its rows are taken to be as correlated as those of all classes, and where all
    have few, as copies of one: the doubt is then that of as many rows as there are points.

    F1 is a function of the share of right rows among all that are or are called the class, and its interval
    that of this share. Kappa is 1 less a ratio of disagreement to that by chance; its variance is that of
    the bootstrap over points, and its interval Wilson's for the disagreement of the same relative variance.
    Where more than 100,000 points are all unlike (at 2,000 samples), the variance is that of the standard
    error instead, which is the same within the bootstrap's own noise of 2 %.

    In simulations (benchmarks/trust/intervals.py) of 30 to 300 points with one row or five correlated photos
    and accuracies of 0.7 to 0.99, 92 to 98 % of 95 % intervals held the truth, and more where few
    errors are expected: numbers of errors are whole, so that no interval can hold 97 % at most.

    With weights, shares are ratios of sums of weights (Hajek), their standard errors those of survey designs
    with points drawn with replacement (R's survey package gives the same). Effective numbers are then
    not bounded by the number of points.

    With class shares :math:`s_j`, rows predicted :math:`i` of reference :math:`j` are the share
    :math:`s_j n_{ij} / n_{+j}` of the land, and points within classes a stratified sample, also where
    they were drawn without regard to class (post-stratification, Holt & Smith 1979). Standard errors
    are by linearisation, as the survey package's. Intervals of overall accuracy and kappa are Wilson's on
    the effective number that has the same variance where each class is given a row more, half of it
    right, because a class of much land whose few rows never showed an error leaves doubt about the others.
    Those of user's accuracies and F1 are put together from Wilson's intervals of single cells (Zou & Donner
    2008), because one error of a class of much land outweighs all rows of a rare one.

    The calibration error of few rows is above 0 even if probabilities are proportions: the mean of a gap is
    that of the absolute value of a normal variable with the variance of the rows of the bin.

    Points are taken as drawn at random. Points nearby that err together are worth less.

    References
    ----------
    Brown, L. D., Cai, T. T. & DasGupta, A. (2001). Interval estimation for a binomial proportion. Statistical
    Science 16, 101-133, doi 10.1214/ss/1009213286.
    Cohen 1960, A coefficient of agreement for nominal scales, doi 10.1177/001316446002000104.
    Congalton 1991, A review of assessing the accuracy of classifications of remotely sensed data,
    doi 10.1016/0034-4257(91)90048-B.
    Dean, N. & Pagano, M. (2015). Evaluating confidence interval methods for binomial proportions in clustered
    surveys. Journal of Survey Statistics and Methodology 3, 484-503, doi 10.1093/jssam/smv024.
    Fleiss, J. L., Cohen, J. & Everitt, B. S. (1969). Large sample standard errors of kappa and weighted
    kappa. Psychological Bulletin 72, 323-327, doi 10.1037/h0028106.
    Holt, D. & Smith, T. M. F. (1979). Post stratification. Journal of the Royal Statistical Society A 142,
    33-46, doi 10.2307/2344652.
    Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data. Survey Methodology 24, 193-201.
    Pontius, R. G. & Millones, M. (2011). Death to kappa: birth of quantity disagreement and allocation
    disagreement for accuracy assessment. International Journal of Remote Sensing 32, 4407-4429,
    doi 10.1080/01431161.2011.552923.
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal
    of the American Statistical Association 22, 209-212, doi 10.2307/2276774.
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a general
    approach. Statistics in Medicine 27, 1693-1702, doi 10.1002/sim.3095.
    """
    check_number("n_boot", n_boot, 0, MOST_DRAWS, whole=True)
    seed = check_seed(seed)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    predictions, reference = with_column(predictions, reference, "reference")
    predictions, weights = with_column(predictions, weights, "weights")
    tree, read = None, _read(predictions, reference, weights)
    table = answers = read.table
    if levels is not None:
        tree = _tree(read, levels, reference)
        answers = answers_judged(table, tree, reference)
    # Probabilities are of the classes, not of what was answered at several levels.
    p = read.p if answers is table else read.p.without_columns()
    compared = compared_rows(answers, reference, words.call("evaluate"), p.columns)
    row_weights = weights_of(compared.rows, weights)
    sample = sample_of(compared, row_weights, land_shares(class_shares, compared))
    values, errors = measures(sample.total), standard_errors(sample)
    spans = intervals(sample, int(n_boot), level, seed)
    per_class = _per_class(compared, sample, values, errors, spans)
    land_weights = _land_weights(compared, row_weights, sample)
    by_level, distance = None, Distance(np.nan, np.nan)
    if tree is not None:
        distance = distances(table.iloc[compared.place], tree, reference, land_weights)
        by_level = pd.DataFrame(
            [
                _at(name, at, tree, class_shares, reference, weights, int(n_boot), level, seed)
                for name, at in tables_by_level(read, tree, reference)
            ]
        )
    return Evaluation(
        overall_accuracy=float(values.overall_accuracy),
        overall_accuracy_interval=_ends(spans.overall_accuracy),
        overall_accuracy_se=float(errors.overall_accuracy),
        kappa=float(values.kappa),
        kappa_interval=_ends(spans.kappa),
        kappa_se=float(errors.kappa),
        **summary(sample.total)._asdict(),
        **certainty(compared, p, land_weights)._asdict(),
        confusion=_matrix(_counts(compared), compared),
        proportions=_matrix(sample.total / sample.total.sum(), compared),
        per_class=per_class,
        unit="point" if "n_photos" in table else "photo",
        n=len(compared.rows),
        n_points=sample.n_points,
        n_without_point=count_alone(compared.rows),
        n_unlabelled=compared.n_unlabelled,
        n_unread=compared.n_unread,
        weights=weights,
        class_shares=None
        if sample.shares is None
        else {c: float(s) for c, s in zip(compared.classes, sample.shares, strict=True)},
        level=float(level),
        n_boot=int(n_boot),
        seed=int(seed),
        notes=_notes(
            compared, per_class, values, sample, int(n_boot), is_by_level=answers is not table
        ),
        by_level=by_level,
        mean_distance=distance.mean,
        error_distance=distance.of_errors,
    )


def _read(predictions: Table, reference: str, weights: str | None) -> Split:
    """What is needed of predictions, with their probabilities apart."""
    named = {"predicted", reference} | ({weights} if weights else set())
    others = ["predicted_level", "predicted_class", "point_id", "n_photos", "split"]
    read = split_off(predictions, [*named, *others])
    # What lacks a column is told of all that are there.
    return read if named <= set(read.columns) else split_off(predictions)


def _tree(read: Split, levels: Levels, reference: str) -> Tree:
    """The tree of a table's classes and of the labels that they are compared with."""
    what, table = words.call("evaluate"), read.table
    require_columns(table, ["predicted", reference], what, "Name the true class.")
    check_n_classes(table, reference)
    predicted = table.get("predicted_class", table["predicted"])
    labels = [str(label) for label in table[reference].dropna().unique()]
    classes = labels_of(read.p.columns, predicted, table[reference])
    return tree_of(classes, levels, what, labels)


def _at(
    name: str,
    table: pd.DataFrame,
    tree: Tree,
    class_shares: ClassShares | None,
    reference: str,
    weights: str | None,
    n_boot: int,
    level: float,
    seed: int,
) -> dict[str, Any]:
    """Accuracy at one level: a row of ``by_level``."""
    if not (table["predicted"].notna() & table[reference].notna()).any():
        return {"level": name, "n_classes": len(tree.nodes(name)), "n": 0}
    shares = None if class_shares is None else summed_shares(class_shares, tree, name)
    found = evaluate(
        table,
        reference=reference,
        weights=weights,
        class_shares=shares,
        n_boot=n_boot,
        level=level,
        seed=seed,
    )
    spans = found.overall_accuracy_interval, found.kappa_interval
    return {
        "level": name,
        "n_classes": len(found.confusion),
        "n": found.n,
        "overall_accuracy": found.overall_accuracy,
        "overall_accuracy_low": spans[0][0],
        "overall_accuracy_high": spans[0][1],
        "kappa": found.kappa,
        "kappa_low": spans[1][0],
        "kappa_high": spans[1][1],
        "macro_f1": found.macro_f1,
    }


def side_by_side(evaluations: Mapping[str, Evaluation]) -> pd.DataFrame:
    """Overall accuracy, kappa and further measures of several evaluations, one row a measure.

    For the balanced sample's and the land's figures beside one another: ``measure``, then for each
    evaluation a column of its name, and for the first two measures ``<name>_low`` and ``<name>_high``.
    """
    named = ("overall_accuracy", "kappa", *FURTHER[:5])
    table = pd.DataFrame({"measure": named})
    for name, evaluation in evaluations.items():
        table[name] = [getattr(evaluation, measure) for measure in named]
        ends = [evaluation.overall_accuracy_interval, evaluation.kappa_interval]
        for i, end in enumerate(("low", "high")):
            table[f"{name}_{end}"] = pd.Series([pair[i] for pair in ends]).reindex(table.index)
    return table


def _counts(compared: Compared) -> npt.NDArray[np.intp]:
    """The confusion of rows, each counted once."""
    k = len(compared.classes)
    return np.bincount(compared.guess * k + compared.truth, minlength=k * k).reshape(k, k)


def _matrix(cells: Floats | npt.NDArray[np.intp], compared: Compared) -> pd.DataFrame:
    return pd.DataFrame(
        cells,
        index=pd.Index(compared.classes, name="predicted"),
        columns=pd.Index(compared.classes, name="reference"),
    )


def _land_weights(compared: Compared, weights: Floats | None, sample: Sample) -> Floats | None:
    """What each row stands for, at the land's shares where these are given."""
    if sample.shares is None:
        return weights
    row_weights = np.ones(len(compared.truth)) if weights is None else weights
    with np.errstate(invalid="ignore"):
        of_class = sample.shares / sample.counts.sum(axis=0)
    scaled: Floats = row_weights * of_class[compared.truth]
    return scaled


def _ends(interval: Interval) -> tuple[float, float]:
    """One interval as two numbers."""
    return float(interval.low), float(interval.high)


def _per_class(
    compared: Compared,
    sample: Sample,
    values: Measures,
    errors: Measures,
    intervals: Intervals,
) -> pd.DataFrame:
    """The table of per-class accuracies."""
    k = len(compared.classes)
    return pd.DataFrame(
        {
            "class": compared.classes,
            "n_reference": np.bincount(compared.truth, minlength=k),
            "n_predicted": np.bincount(compared.guess, minlength=k),
            "producers_accuracy": values.producers_accuracy,
            "producers_low": intervals.producers_accuracy.low,
            "producers_high": intervals.producers_accuracy.high,
            "users_accuracy": values.users_accuracy,
            "users_low": intervals.users_accuracy.low,
            "users_high": intervals.users_accuracy.high,
            "f1": values.f1,
            "f1_low": intervals.f1.low,
            "f1_high": intervals.f1.high,
            "share": sample.total.sum(axis=0) / sample.total.sum(),
            "share_low": intervals.share.low,
            "share_high": intervals.share.high,
            "producers_se": errors.producers_accuracy,
            "users_se": errors.users_accuracy,
        }
    )


def _notes(
    compared: Compared,
    per_class: pd.DataFrame,
    values: Measures,
    sample: Sample,
    n_boot: int,
    *,
    is_by_level: bool,
) -> list[str]:
    """What to know before quoting the numbers."""
    notes = []
    if sample.shares is not None:
        is_single = (sample.n_points_of == 1) & (sample.shares > 0)
        single = per_class.loc[is_single, "class"].tolist()
        if single:
            notes.append(f"one point of {some(single)}: there are no standard errors")
    unpredicted = per_class.loc[per_class["n_predicted"] == 0, "class"].tolist()
    absent = per_class.loc[per_class["n_reference"] == 0, "class"].tolist()
    if unpredicted:
        notes.append(f"never predicted, so user's accuracy is undefined: {some(unpredicted)}")
    if absent:
        notes.append(
            f"absent from the reference, so producer's accuracy is undefined: {some(absent)}"
        )
    neither = [c for c in unpredicted if c in absent]
    if neither:
        notes.append(f"neither predicted nor in the reference, so F1 is undefined: {some(neither)}")
    if np.isnan(values.kappa):
        notes.append("kappa is undefined: all predictions and references are of one class")
    if compared.unknown:
        notes.append(
            f"the model does not know {some(compared.unknown)}; these rows can only be errors"
        )
    if compared.n_unread:
        lacking = (
            "answer (not sure enough of any level, or unreadable photos)"
            if is_by_level
            else "prediction (unreadable photos)"
        )
        notes.append(f"{compared.n_unread} labelled rows have no {lacking} and are left out")
    if compared.n_unlabelled:
        notes.append(f"{compared.n_unlabelled} rows have no reference class and are left out")
    n_points = sample.n_points
    if n_boot and n_points < 30:
        are_photos = count_alone(compared.rows) == len(compared.rows)
        notes.append(f"only {n_points} {'photos' if are_photos else 'points'}: intervals are rough")
    if "split" in compared.rows and (compared.rows["split"] == "train").any():
        notes.append("rows of the training split are among these: accuracy is overstated")
    if is_by_level:
        notes.append("each answer is judged at the level it was given at")
    return notes


def _plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): plain(v) for k, v in row.items()} for row in table.to_dict("records")]


def plain(value: Any) -> Any:
    """A number as JSON has it: None for NaN."""
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else value


def numbers_of(evaluation: Judged) -> tuple[str, Mapping[str, Any]]:
    """What messages call an evaluation, and its numbers as `Evaluation.as_dict` gives them.

    Raises
    ------
    InputError
        If its file cannot be read, or holds something else.
    """
    if isinstance(evaluation, Evaluation):
        return "the evaluation", evaluation.as_dict()
    if isinstance(evaluation, Mapping):
        return "the evaluation", evaluation
    path = Path(evaluation).expanduser()
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(numbers, Mapping):
            raise ValueError("it holds no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{words.arg('evaluation')} must be what {words.call('evaluate')} returned, or the JSON that "
            f"it writes; {path} cannot be read: {error}"
        ) from error
    return str(path), numbers
