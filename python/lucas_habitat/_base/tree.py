"""What stands above classes: levels from a table, a model or LUCAS' nomenclature.

A tree is a table of classes, a row each, with a column a level: ``level1`` is the coarsest, ``class`` the
finest. A node is a label at a level, and everything that is asked of a tree is asked by its level's name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, ModelError, some
from . import words
from .cards import read_card
from .classes import column_names
from .lc1 import LC1_LEVELS, group_of, known_codes
from .tables import as_frame, require_columns
from .texts import by_value
from .types import Floats

__all__ = ["FINEST", "HasLevels", "Levels", "Tree", "level_columns", "levels_of", "tree_of"]

#: The name of the finest level.
FINEST = "class"


@runtime_checkable
class HasLevels(Protocol):
    """A model, as far as its classes and their levels go."""

    classes: list[str]
    levels: pd.DataFrame | None


#: "lc1", a table with the columns class, level1, ..., its file, a model or its folder.
Levels = str | os.PathLike[str] | pd.DataFrame | HasLevels


@dataclass(frozen=True, eq=False)
class Tree:
    """Classes with the labels above them.

    Attributes
    ----------
    classes : list of str
        Those of a model, in the order of its probabilities.
    table : pandas.DataFrame
        Indexed by class, those of the model and others that labels may have; a column a level, the
        coarsest first, the last one ``class``.
    """

    classes: list[str]
    table: pd.DataFrame

    @property
    def names(self) -> list[str]:
        """The levels, the coarsest first."""
        return [str(name) for name in self.table.columns]

    def above(self) -> pd.DataFrame:
        """The model's classes and what stands above each, as tables of levels are written."""
        return self.table.loc[self.classes, [FINEST, *self.names[:-1]]].reset_index(drop=True)

    def nodes(self, level: str) -> list[str]:
        """The labels at a level that the model's classes stand under, in their order."""
        return list(dict.fromkeys(self.table.loc[self.classes, level]))

    def numbers(self, level: str) -> npt.NDArray[np.intp]:
        """The number of each class's node at a level."""
        nodes = {label: i for i, label in enumerate(self.nodes(level))}
        return np.array([nodes[label] for label in self.table.loc[self.classes, level]], np.intp)

    def sums(self, values: Floats, level: str) -> Floats:
        """What classes have in ``values``, of shape (rows, classes), summed over each node's."""
        numbers = self.numbers(level)
        sums = np.zeros((len(values), int(numbers.max()) + 1))
        for number, of_class in zip(numbers, values.T, strict=True):
            sums[:, number] += of_class
        return sums

    def labels_at(self, labels: pd.Series, level: str, of: str = FINEST) -> pd.Series:
        """Labels of one level as those above them; what is no label of the tree stays what it is."""
        above = dict(zip(self.table[of], self.table[level], strict=True))
        return by_value(labels, lambda label: above.get(str(label), str(label)))


def level_columns(table: pd.DataFrame, prefix: str = "") -> list[str]:
    """The columns ``level1``, ``level2``, ... of a table, the coarsest first."""
    numbers = [re.fullmatch(f"{prefix}level([0-9]+)", str(c)) for c in table.columns]
    named = sorted((int(m[1]), m[0]) for m in numbers if m)
    return [name for _, name in named]


def tree_of(classes: Sequence[str], levels: Levels, what: str, labels: Sequence[str] = ()) -> Tree:
    """The tree of a model's classes.

    Parameters
    ----------
    classes : sequence of str
        Of the model; a table from CSV may call one by its column's name.
    levels : "lc1", DataFrame, path or model
    what : str
        The function that needs it, for its errors.
    labels : sequence of str
        Further labels, such as those of a reference, that shall have their place where it is known.

    Raises
    ------
    InputError
        If a class has no place, or a label has two parents.
    """
    if isinstance(levels, str) and levels == "lc1":
        table = _lc1_levels([*classes, *labels])
        strange = [c for c in classes if c not in table.index]
        if strange:
            raise InputError(
                f"{what} cannot tell the levels of {some(strange)}: these are no LC1 codes. Give "
                f"{words.arg('levels')}: a table with the columns class, level1, ..., or the model."
            )
    else:
        table = levels_of(levels, what).set_index(FINEST, drop=False).rename_axis(None)
    columns = [*level_columns(table), FINEST]
    by_column = dict(zip(_columns_of(table.index), table.index, strict=True))
    # A class that no row of a CSV file shows is called by its column; the tree knows its label.
    named = [c if c in table.index else by_column.get(c.lower(), c) for c in classes]
    strange = [c for c in named if c not in table.index]
    if strange:
        raise InputError(f"{words.arg('levels')} has no row of the class {some(strange)}.")
    return Tree(named, _checked(table[columns], named))


def _columns_of(labels: pd.Index) -> list[str]:
    return [column_names([label], "")[0].lower() for label in labels]


def levels_of(levels: Levels, what: str) -> pd.DataFrame:
    """The table of levels that is given, or that a model has: ``class``, ``level1``, ...

    Raises
    ------
    InputError
        If there are none.
    """
    if isinstance(levels, HasLevels):
        given = levels.levels
    elif isinstance(levels, str | os.PathLike) and (Path(levels) / "card.json").is_file():
        given = _levels_on_card(Path(levels) / "card.json")
    else:
        given = as_frame(levels)
        require_columns(given, [FINEST], words.arg("levels"), "One row gives one class its levels.")
        if not level_columns(given):
            require_columns(given, ["level1"], words.arg("levels"), "level1 is the coarsest.")
    if given is None:
        raise InputError(
            f"{what} needs levels above the classes, and the model has none: they come from classes that "
            "are LC1 codes, or from the columns habitat_level1, ... of training photos."
        )
    return _tidy(given[[FINEST, *level_columns(given)]])


def _levels_on_card(path: Path) -> pd.DataFrame | None:
    """The levels of a saved model."""
    try:
        card = read_card(path)
        levels = card.get("levels")
        return None if levels is None else pd.DataFrame({**levels, FINEST: card["classes"]})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"The card {path} is damaged: {error}") from error


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Labels as text, each class once; where a level is missing the tree does not go on."""
    table = table.apply(lambda column: column.astype("str").str.strip())
    table = table.mask(table == "").dropna(subset=[FINEST]).drop_duplicates()
    twice = table.loc[table[FINEST].duplicated(), FINEST]
    if len(twice):
        raise InputError(f"{words.arg('levels')} gives {some(twice.unique())} several places.")
    columns = level_columns(table)
    homeless = table.loc[table[columns[:1]].isna().any(axis=1), FINEST]
    if len(homeless):
        raise InputError(f"{words.arg('levels')} gives {some(homeless)} no {columns[0]}.")
    table[columns] = table[columns].ffill(axis=1)
    return table.reset_index(drop=True)


def _lc1_levels(labels: Sequence[str]) -> pd.DataFrame:
    """What the nomenclature puts above labels, for those that are codes; as they are written."""
    code_of = {label: label.strip().upper() for label in dict.fromkeys(labels)}
    codes = {label: code for label, code in code_of.items() if code in known_codes()}
    above = {level: [group_of(c, level) for c in codes.values()] for level in LC1_LEVELS[:-1]}
    return pd.DataFrame({FINEST: list(codes), **above}, index=list(codes), dtype="str")


def _checked(table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Levels that tell more than the finer one, each of whose labels has one parent."""
    columns = list(table.columns)
    for finer, coarser in zip(reversed(columns), reversed(columns[:-1]), strict=False):
        parents = table.groupby(finer)[coarser].nunique()
        if (parents > 1).any():
            torn = parents.index[parents > 1].tolist()
            raise InputError(
                f"In {words.arg('levels')}, {some(torn)} of {finer} stand under several labels of "
                f"{coarser}. level1 is the coarsest; each label needs one parent."
            )
    # A level where each class has a node of its own says no more than the classes.
    own = [c for c in columns[:-1] if table.loc[classes, c].nunique() == len(set(classes))]
    return table.drop(columns=own)
