"""Predicted against reference classes in a tree: at each level, and how far errors are off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._base import words
from .._base.probabilities import Probabilities, Split
from .._base.tree import Tree
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
    table = table.drop(columns=["predicted_level", "predicted_class"], errors="ignore")
    return table.assign(**{reference: truth, "predicted": table["predicted"].astype("str")})


def tables_by_level(read: Split, tree: Tree, reference: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """What is compared at each level, the coarsest first: rows that answer there or finer."""
    table = read.table
    plain = table.drop(columns=["predicted_level", "predicted_class"], errors="ignore")
    predicted = table.get("predicted_class", table["predicted"])
    answered = _answered(table, tree)
    likeliest = _likeliest(read.p, tree)
    for i, level in enumerate(tree.names):
        labels = tree.labels_at(predicted, level)
        if level in likeliest:
            nodes = pd.array(tree.nodes(level), dtype="str")
            told = pd.Series(nodes.take(likeliest[level], allow_fill=True), index=table.index)
            labels = told.where(likeliest[level] >= 0, labels)
        labels = labels.where(answered >= i)
        truth = tree.labels_at(table[reference], level)
        categories = list(dict.fromkeys([*tree.nodes(level), *labels.dropna().unique()]))
        told_of = pd.Categorical(labels, categories=categories)
        yield level, plain.assign(predicted=told_of).assign(**{reference: truth})


def _answered(table: pd.DataFrame, tree: Tree) -> npt.NDArray[np.intp]:
    """The number of the level that each row answers at; -1 for rows without an answer."""
    if "predicted_level" not in table:
        return np.where(table["predicted"].notna(), len(tree.names) - 1, -1)
    numbers = {level: i for i, level in enumerate(tree.names)}
    return np.asarray(table["predicted_level"].map(numbers).fillna(-1), dtype=np.intp)


def _likeliest(p: Probabilities, tree: Tree) -> dict[str, npt.NDArray[np.int16]]:
    """The number of the likeliest node of each row at each level above the classes; -1 without probabilities.

    No level has any where the columns of probabilities are not those of the tree's classes.
    """
    levels = [] if len(p.columns) != len(tree.classes) else tree.names[:-1]
    likeliest = {level: np.full(p.n, -1, dtype=np.int16) for level in levels}
    if not likeliest:
        return {}
    first = 0
    for values in p.in_order(np.arange(p.n)):
        rows = slice(first, first + len(values))
        for level, numbers in likeliest.items():
            sums = tree.sums(values, level)
            is_read = np.isfinite(sums).all(axis=1)
            numbers[rows] = np.where(is_read, np.nan_to_num(sums).argmax(axis=1), -1)
        first = rows.stop
    return likeliest


def distances(rows: pd.DataFrame, tree: Tree, reference: str, weights: Floats | None) -> Distance:
    """How far in the tree the answers of compared rows are off."""
    answered = _answered(rows, tree)
    steps, is_right = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for i in reversed(range(len(tree.names))):
        level = tree.names[i]
        here = _paths(rows["predicted"], answered, tree, level)
        is_same = (here == tree.labels_at(rows[reference], level)).to_numpy(bool, na_value=False)
        is_asked = answered >= i
        is_right |= is_asked & is_same
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
