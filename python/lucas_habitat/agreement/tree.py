"""Predicted against reference classes in a tree: at each level, and how far errors are off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.cells import as_floats
from .._base.classes import probability_columns
from .._base.tree import FINEST, Tree
from .._base.types import Floats
from ..errors import InputError
from .compared import ClassShares, named_shares

__all__ = ["Distance", "answers_judged", "distances", "summed_shares", "tables_by_level"]


class Distance(NamedTuple):
    """How many levels answers have to go up until they are right: of all rows, and of wrong ones."""

    mean: float
    of_errors: float


def answers_judged(table: pd.DataFrame, tree: Tree, reference: str) -> pd.DataFrame:
    """Answers at several levels, each with its reference at the same level; others as they are."""
    if "predicted_level" not in table:
        return table
    if table["predicted"].isna().all():
        raise InputError(
            f"{words.call('predict_level')} answered none of these {len(table)} rows at any level: no level "
            "was shown to be right as often as was asked, so there is nothing to evaluate. Ask it for a "
            f"lower {words.option('accuracy')}, or give it more labelled points."
        )
    truth = table[reference].astype("str")
    for level in tree.names[:-1]:
        is_here = table["predicted_level"] == level
        truth = truth.mask(is_here, tree.labels_at(table[reference], level))
    # Probabilities are of the classes, not of what was answered.
    told = [*probability_columns(_classes_only(table)), "predicted_level", "predicted_class"]
    table = table.drop(columns=told, errors="ignore")
    return table.assign(**{reference: truth, "predicted": table["predicted"].astype("str")})


def _classes_only(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(predicted=table["predicted_class"]) if "predicted_class" in table else table


def tables_by_level(table: pd.DataFrame, tree: Tree, reference: str) -> dict[str, pd.DataFrame]:
    """What is compared at each level, the coarsest first: rows that answer there or finer."""
    kept = [c for c in table.columns if c not in ("predicted_level", "predicted_class")]
    p_columns = probability_columns(_classes_only(table))
    plain = table[[c for c in kept if c not in p_columns]]
    answered = _answered(table, tree)
    tables = {}
    for i, level in enumerate(tree.names):
        labels = _predicted_at(table, tree, level, p_columns).where(answered >= i)
        truth = tree.labels_at(table[reference], level).where(table[reference].notna())
        told = pd.Categorical(labels, categories=_labels_in_order(tree, level, labels))
        tables[level] = plain.assign(predicted=told).assign(**{reference: truth})
    return tables


def _answered(table: pd.DataFrame, tree: Tree) -> npt.NDArray[np.intp]:
    """The number of the level that each row answers at; -1 for rows without an answer."""
    if "predicted_level" not in table:
        return np.where(table["predicted"].notna(), len(tree.names) - 1, -1)
    numbers = {level: i for i, level in enumerate(tree.names)}
    return np.asarray(table["predicted_level"].map(numbers).fillna(-1), dtype=np.intp)


def _predicted_at(table: pd.DataFrame, tree: Tree, level: str, p_columns: list[str]) -> pd.Series:
    """The label that rows predict at a level: the likeliest, or the one above what they predict."""
    predicted = _classes_only(table)["predicted"].astype("str")
    if level == FINEST or len(p_columns) != len(tree.classes):
        return tree.labels_at(predicted, level)
    p = tree.sums(as_floats(table[p_columns]), level)
    is_read = np.asarray(np.isfinite(p).all(axis=1), dtype=np.bool_)
    nodes = np.array(tree.nodes(level), dtype=object)
    likeliest = pd.Series(nodes[np.nan_to_num(p).argmax(axis=1)], index=table.index, dtype="str")
    return likeliest.where(is_read, tree.labels_at(predicted, level))


def _labels_in_order(tree: Tree, level: str, labels: pd.Series) -> list[str]:
    return list(dict.fromkeys([*tree.nodes(level), *labels.dropna()]))


def distances(rows: pd.DataFrame, tree: Tree, reference: str, weights: Floats | None) -> Distance:
    """How far in the tree the answers of compared rows are off."""
    answered = _answered(rows, tree)
    steps, is_right = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for i in reversed(range(len(tree.names))):
        level = tree.names[i]
        here = np.asarray(_paths(rows["predicted"], answered, tree, level), dtype=object)
        truth = np.asarray(tree.labels_at(rows[reference], level), dtype=object)
        is_asked = answered >= i
        is_right |= is_asked & (here == truth)
        steps += is_asked & ~is_right
    weights = np.ones(len(steps)) if weights is None else weights
    is_wrong = steps > 0
    of_errors = np.average(steps[is_wrong], weights=weights[is_wrong]) if is_wrong.any() else np.nan
    return Distance(float(np.average(steps, weights=weights)), float(of_errors))


def _paths(
    predicted: pd.Series, answered: npt.NDArray[np.intp], tree: Tree, level: str
) -> pd.Series:
    """The label at a level that what is predicted stands under or is."""
    labels = tree.labels_at(predicted, level)
    for i, name in enumerate(tree.names[:-1]):
        labels = labels.mask(answered == i, tree.labels_at(predicted, level, of=name))
    return labels


def summed_shares(given: ClassShares, tree: Tree, level: str) -> dict[str, float]:
    """The land's shares of the labels at a level."""
    shares = pd.Series(named_shares(given), dtype="float64")
    by_label = shares.groupby(
        tree.labels_at(pd.Series(shares.index, index=shares.index), level), sort=False
    ).sum()
    return {str(label): float(share) for label, share in by_label.items()}
