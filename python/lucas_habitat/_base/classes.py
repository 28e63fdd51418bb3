"""What a table says of its classes: their columns, labels and probabilities."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from anyascii import anyascii

from ..errors import InputError, some
from . import words
from .cells import as_floats
from .tables import as_table
from .types import Floats, Table


def column_names(classes: Sequence[str], prefix: str = "p_") -> list[str]:
    """Turn class labels into column names that R, formulas and rasters accept.

    Letters of any script become ASCII, everything else an underscore:
    ``"woody vegetation"`` gives ``p_woody_vegetation``, ``"græs"`` gives ``p_graes``.

    Raises
    ------
    InputError
        If two labels would get the same column.
    """
    names = [prefix + re.sub(r"[^0-9A-Za-z]+", "_", anyascii(str(c))).strip("_") for c in classes]
    labels: dict[str, str] = {}
    for label, name in zip(classes, names, strict=True):
        if name == prefix:
            raise InputError(
                f"The class name {label!r} has no letter or digit to name a column by."
            )
        if name.lower() in labels:
            raise InputError(
                f"The classes {labels[name.lower()]!r} and {label!r} would both get the column "
                f"{name}. Rename one of them."
            )
        labels[name.lower()] = label
    return names


def probability_columns(table: pd.DataFrame, prefix: str = "p_") -> list[str]:
    """The columns that hold class probabilities (or, with ``v_``, shares of votes).

    Where ``predicted`` is categorical, they are the columns of its categories. In a table that
    was read from CSV, they are all columns whose names begin with the prefix.
    """
    predicted = table.get("predicted")
    if isinstance(predicted, pd.Series) and isinstance(predicted.dtype, pd.CategoricalDtype):
        columns = column_names([str(c) for c in predicted.cat.categories], prefix)
        if columns and set(columns) <= set(table.columns):
            return columns
    return [c for c in table.columns if isinstance(c, str) and c.startswith(prefix)]


def classes_of(table: pd.DataFrame) -> list[str]:
    """Class labels in the order of the probability columns.

    A categorical ``predicted`` lists them all. A table that was read from CSV does not: there
    the label of a column is looked for among those that occur in ``predicted`` and ``habitat``,
    and a class that occurs in neither is called by its column's name.
    """
    return labels_of(probability_columns(table), table.get("predicted"), table.get("habitat"))


def labels_of(
    columns: list[str], predicted: pd.Series | None, habitat: pd.Series | None
) -> list[str]:
    """The same of a table's columns of probabilities, predictions and labels."""
    if predicted is not None and isinstance(predicted.dtype, pd.CategoricalDtype):
        labels = [str(c) for c in predicted.cat.categories]
        if not columns or column_names(labels) == columns:
            return labels
    values = [column.dropna().unique() for column in (predicted, habitat) if column is not None]
    occurring = {str(value) for of_column in values for value in of_column}
    if not columns:
        return sorted(occurring)
    by_column = {column_names([label])[0]: label for label in sorted(occurring)}
    return [by_column.get(c, c.removeprefix("p_")) for c in columns]


_ORDER = "habitat_order"  # among a table's attrs, where labels are text


def note_order(table: pd.DataFrame, column: pd.Series) -> None:
    """Note the order of a categorical column's labels in a table that keeps them as text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        table.attrs[_ORDER] = [str(label).strip() for label in column.cat.categories]


def in_order(labels: Iterable[str], table: pd.DataFrame) -> list[str]:
    """Labels in the order that a table's user gave them; those without a place behind, sorted."""
    labels = set(labels)
    given = [label for label in dict.fromkeys(table.attrs.get(_ORDER, ())) if label in labels]
    return given + sorted(labels - set(given))


def with_given_order(table: pd.DataFrame) -> pd.DataFrame:
    """The table for users: its labels categorical again, if they came so."""
    if _ORDER not in table.attrs:
        return table
    order = in_order({*table["habitat"].dropna(), *table.attrs[_ORDER]}, table)
    return table.assign(habitat=pd.Categorical(table["habitat"], categories=order))


def is_calibrated(table: pd.DataFrame) -> bool:
    """Whether a table says of all its rows that their probabilities are calibrated.

    A table without the column ``calibrated`` does not say so, nor does a missing value. CSV files
    and R hand truth over as text, in their own spelling.
    """
    return "calibrated" in table and bool(calibrated_rows(table).all())


def calibrated_rows(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the rows whose probabilities are said to be calibrated."""
    return is_true(table["calibrated"])


def is_true(column: pd.Series) -> npt.NDArray[np.bool_]:
    """Mark the values that mean truth: CSV files and R hand it over as text, in their own spelling."""
    if column.dtype == np.bool_:
        return column.to_numpy()
    return (column.astype("str").str.lower() == "true").to_numpy(dtype=bool)


@dataclass(frozen=True, eq=False)
class Rows(ABC):
    """Photos or points with their classes, wherever their probabilities are.

    Attributes
    ----------
    table : pandas.DataFrame
        As `classify` or `vote` made it, or read from its file; ``predicted`` is categorical.
    classes : list of str
        The labels of the classes, in the order of their columns.
    columns : list of str
        The columns ``p_<class>``.
    """

    table: pd.DataFrame
    classes: list[str]
    columns: list[str]

    @property
    @abstractmethod
    def has_all(self) -> npt.NDArray[np.bool_]:
        """Mark the rows that have a probability of each class."""

    @abstractmethod
    def chosen(self, rows: npt.NDArray[np.bool_]) -> Self:
        """Some of the rows, numbered anew; the classes stay."""

    @cached_property
    def codes(self) -> npt.NDArray[np.intp]:
        """The number of each row's predicted class; -1 where there is none."""
        return np.asarray(self.table["predicted"].cat.codes, dtype=np.intp)

    @property
    def is_calibrated(self) -> bool:
        """Whether all rows are said to be calibrated."""
        return is_calibrated(self.table)

    @property
    def unit(self) -> str:
        """What a row is: ``"point"`` once photos have voted, ``"photo"`` before."""
        return "point" if "n_photos" in self.table else "photo"

    @property
    def is_labelled(self) -> npt.NDArray[np.bool_]:
        """Mark the rows that have both a predicted class and a reference (``habitat``)."""
        if "habitat" not in self.table:
            return np.zeros(len(self.table), dtype=bool)
        has_both: npt.NDArray[np.bool_] = (
            self.table[["predicted", "habitat"]].notna().all(axis=1).to_numpy()
        )
        return has_both


@dataclass(frozen=True, eq=False)
class Predictions(Rows):
    """A table of photos or points, with its classes and probabilities read once.

    Attributes
    ----------
    p : array of shape (rows, classes)
        The probabilities; NaN where a photo could not be read.
    """

    p: Floats

    @cached_property
    def has_all(self) -> npt.NDArray[np.bool_]:
        """Mark the rows that have a probability of each class."""
        return np.asarray(np.isfinite(self.p).all(axis=1), dtype=np.bool_)

    @cached_property
    def confidence(self) -> Floats:
        """The probability of each row's predicted class; NaN where there is none."""
        return of_classes(self.p, self.codes)

    def chosen(self, rows: npt.NDArray[np.bool_]) -> Self:
        """Some of the rows, numbered anew; the classes stay."""
        return replace(self, table=self.table[rows].reset_index(drop=True), p=self.p[rows])


def of_classes(p: Floats, codes: npt.NDArray[np.intp]) -> Floats:
    """The probability of one class of each row, by its number; NaN where that is -1."""
    return np.where(codes >= 0, p[np.arange(len(p)), codes], np.nan)


def read_predictions(given: Table | Predictions, what: str) -> Predictions:
    """Predictions of a table, or of the file that holds one; made only once.

    Parameters
    ----------
    given : pandas.DataFrame, path or Predictions
    what : str
        The function that needs them, for its errors.

    Raises
    ------
    InputError
        If there are no rows, or no columns ``predicted`` and ``p_<class>``.
    """
    if isinstance(given, Predictions):
        return given
    table = with_likeliest(as_table(given))
    columns = probability_columns(table)
    check_predictions(table, columns, list(table.columns), what)
    classes = classes_of(table)
    table = with_categories(table, classes)
    return Predictions(table, classes, columns, as_floats(table[columns]))


def with_likeliest(table: pd.DataFrame) -> pd.DataFrame:
    """The likeliest classes, where answers stand at several levels: these go with no probabilities."""
    if "predicted_class" not in table:
        return table
    table = table.assign(predicted=table["predicted_class"])
    return table.drop(columns=["predicted_class", "predicted_level"], errors="ignore")


def check_predictions(
    table: pd.DataFrame, columns: list[str], there: Sequence[str], what: str
) -> None:
    """Refuse a table without predictions, probabilities or rows; ``there`` are all columns that it had."""
    if not columns or "predicted" not in table:
        raise InputError(
            f"{what} needs the columns predicted and p_<class> that {words.call('classify')} makes; got "
            f"{some(there, 12) or 'none'}."
        )
    if table.empty:
        raise InputError(f"{what} got a table without rows.")


def with_categories(table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """A table whose predicted classes are numbered as all classes are."""
    predicted = pd.Categorical(table["predicted"].astype("str"), categories=classes)
    return table.assign(predicted=predicted)


_R = TypeVar("_R", bound=Rows)


def labelled(predictions: _R, what: str) -> _R:
    """The rows that have both a predicted and a reference class.

    Raises
    ------
    InputError
        If there are none.
    """
    rows = predictions.is_labelled
    if not rows.any():
        raise InputError(
            f"{what} compares with reference classes, but none of the {len(rows)} rows has both "
            "a predicted class and a habitat. Classify labelled photos, or add the column habitat."
        )
    return predictions.chosen(rows)
