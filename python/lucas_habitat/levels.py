"""Levels above the classes: what stands above each, and predictions summed up the tree."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ._base import words
from ._base.cells import as_floats
from ._base.checks import check_choice
from ._base.classes import Predictions, column_names, read_predictions
from ._base.signatures import checked
from ._base.tables import as_table
from ._base.tree import FINEST, HasLevels, Levels, Tree, level_columns, levels_of, tree_of
from ._base.types import Table
from .point_calibration import COLUMN as VOTE_CALIBRATION

__all__ = ["at_level", "class_levels"]

# What was told of the finest classes, and does not hold at another level.
_OF_CLASSES = (
    "set",
    "n_classes",
    "threshold",
    "accuracy_low",
    "is_sure",
    "predicted_level",
    "predicted_class",
    VOTE_CALIBRATION,
)


@checked
def class_levels(source: Levels | Sequence[str]) -> pd.DataFrame:
    """What stands above each class.

    Parameters
    ----------
    source : model, path, DataFrame or sequence of str
        A model or its folder; predictions, whose classes are LC1 codes; a sequence of such codes; or a
        scheme or table with the columns ``class`` and ``level1``, ``level2``, ..., which is checked.

    Returns
    -------
    pandas.DataFrame
        One row a class: ``class``, then ``level1``, ``level2``, ..., the coarsest first. Give it to
        `at_level`, `predict_level` and `evaluate` as ``levels``, or write it to a file that is.

    Notes
    -----
    LC1 codes have their levels in them: B16 (maize) stands under B10 (cereals), and that under B
    (cropland). A level that says no more than the classes is left out, so a model of groups (B10) has
    ``level1`` only. Where a class of another scheme has no label at a level, its tree ends at the level
    above, whose label it takes.

    Raises
    ------
    InputError
        If classes are no LC1 codes and no levels are given, or a label has two parents.

    Examples
    --------
    >>> print(class_levels(["B16", "B11", "B21", "C10"]).to_string(index=False))
    class level1 level2
      B16      B    B10
      B11      B    B10
      B21      B    B20
      C10      C    C10
    """
    what = words.call("class_levels")
    levels: Levels = "lc1"
    if _has_levels(source):
        levels = levels_of(source, what)  # type: ignore[arg-type]
        classes = levels[FINEST].tolist()
    elif isinstance(source, pd.DataFrame | str | os.PathLike):
        classes = read_predictions(source, what).classes
    else:
        classes = [str(label) for label in source]  # type: ignore[union-attr]
    return tree_of(classes, levels, what).above()


def _has_levels(source: Levels | Sequence[str]) -> bool:
    """Whether levels are given as such, and need not be read from codes."""
    if isinstance(source, HasLevels):
        return True
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            return True
        source = as_table(source)
    return isinstance(source, pd.DataFrame) and {FINEST, *level_columns(source)[:1]} <= set(
        source.columns
    )


@checked
def at_level(predictions: Table, level: str, *, levels: Levels = "lc1") -> pd.DataFrame:
    """Predictions at a coarser level: probabilities summed up the tree.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        What `classify` or `vote` returned. Let photos vote first: a vote at the finest level knows more
        than one after summing, and the model's correction of votes is for its own classes.
    level : str
        ``"level1"`` (the coarsest), ``"level2"``, ... as far as the tree has them, or ``"class"``.
    levels : "lc1", DataFrame, path or model, default "lc1"
        What stands above the classes: ``"lc1"`` where they are LC1 codes, else a table with the
        columns ``class``, ``level1``, ... (see `class_levels`), its file, or the model that
        classified, or its folder.

    Returns
    -------
    pandas.DataFrame
        The rows with ``predicted`` (the likeliest label of the level), ``confidence`` where it was,
        ``p_<label>`` (sums, which add up to 1 as before), ``v_<label>`` and ``agreement`` of points,
        and ``habitat`` at that level. What was told of the finest classes (sets, thresholds, the
        correction of votes) is left out.

    Notes
    -----
    A label's probability is the sum of its classes', to rounding. The likeliest label need not stand
    above the likeliest class: 0.4 wood, 0.3 wheat and 0.3 barley is cropland.

    Sums are proportions as far as the classes' probabilities are together: among rows with the same
    probabilities, each class occurs as often as they say. Where only each class by itself is right on
    average, as one temperature makes it, sums can be off, because classes that are taken for one another
    err in opposite ways; commonly they are closer than the classes are, since errors within a label
    cancel. `reliability` of the table tells.

    Raises
    ------
    InputError
        If there is no such level, or the classes have no place in the tree.
    """
    what = words.call("at_level")
    given = read_predictions(predictions, what)
    tree = tree_of(given.classes, levels, what, _labels(given.table))
    check_choice("level", level, tree.names)
    if level == FINEST:
        return given.table
    return _summed(given, tree, level)


def _labels(table: pd.DataFrame) -> list[str]:
    return table["habitat"].dropna().astype("str").unique().tolist() if "habitat" in table else []


def _summed(given: Predictions, tree: Tree, level: str) -> pd.DataFrame:
    """The rows of predictions at a level above the classes."""
    nodes, p = tree.nodes(level), tree.sums(given.p, level)
    is_read = np.isfinite(p).all(axis=1)
    codes = np.where(is_read, np.nan_to_num(p).argmax(axis=1), -1)
    table, columns = given.table, dict(zip(column_names(nodes), p.T, strict=True))
    flags = column_names(given.classes, "s_")
    shares = column_names(given.classes, "v_")
    summed = table.drop(columns=[*given.columns, *shares, *flags, *_OF_CLASSES], errors="ignore")
    summed["predicted"] = pd.Categorical.from_codes(codes, categories=pd.Index(nodes))
    if "confidence" in table:
        summed["confidence"] = p.max(axis=1)
    if set(shares) <= set(table.columns):
        v = tree.sums(as_floats(table[shares]), level)
        columns |= dict(zip(column_names(nodes, "v_"), v.T, strict=True))
        summed["agreement"] = np.where(is_read, v[np.arange(len(v)), codes], np.nan)
    if "habitat" in table:
        summed["habitat"] = tree.labels_at(table["habitat"], level)
    # Probabilities stand where they stood.
    before = table.columns[: table.columns.get_loc(given.columns[0])]
    place = int(before.isin(summed.columns).sum())
    for name, values in reversed(columns.items()):
        summed.insert(place, name, values)
    return summed
