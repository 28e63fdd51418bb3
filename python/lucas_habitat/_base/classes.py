"""What a table says of its classes: their columns, labels and probabilities."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from anyascii import anyascii

from ..errors import InputError, some
from .tables import read_table
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
    seen: dict[str, str] = {}
    for label, name in zip(classes, names, strict=True):
        if name == prefix:
            raise InputError(
                f"The class name {label!r} has no letter or digit to name a column by."
            )
        if name.lower() in seen:
            raise InputError(
                f"The classes {seen[name.lower()]!r} and {label!r} would both get the column "
                f"{name}. Rename one of them."
            )
        seen[name.lower()] = label
    return names


def probability_columns(table: pd.DataFrame, prefix: str = "p_") -> list[str]:
    """The columns that hold class probabilities (or, with ``v_``, shares of votes).

    Those of the classes where ``predicted`` knows them; a table that went through CSV is
    searched for names with the prefix.
    """
    predicted = table.get("predicted")
    if isinstance(predicted, pd.Series) and isinstance(predicted.dtype, pd.CategoricalDtype):
        known = column_names([str(c) for c in predicted.cat.categories], prefix)
        if known and set(known) <= set(table.columns):
            return known
    return [c for c in table.columns if isinstance(c, str) and c.startswith(prefix)]


def classes_of(table: pd.DataFrame) -> list[str]:
    """Class labels in the order of the probability columns.

    A categorical ``predicted`` knows them all. A table that went through CSV does not: there
    a label is found among those that occur in ``predicted`` and ``habitat`` by the column it
    would get, and a class that occurs nowhere keeps its column's name.
    """
    columns = probability_columns(table)
    predicted = table.get("predicted")
    if isinstance(predicted, pd.Series) and isinstance(predicted.dtype, pd.CategoricalDtype):
        labels = [str(c) for c in predicted.cat.categories]
        if not columns or column_names(labels) == columns:
            return labels
    seen = {str(v) for c in ("predicted", "habitat") if c in table for v in table[c].dropna()}
    if not columns:
        return sorted(seen)
    by_column = {column_names([label])[0]: label for label in sorted(seen)}
    return [by_column.get(c, c.removeprefix("p_")) for c in columns]


def probabilities(predictions: Table, what: str) -> tuple[pd.DataFrame, Floats, list[str]]:
    """A table of predictions, its probabilities (rows, classes), and the labels of the classes."""
    table = predictions if isinstance(predictions, pd.DataFrame) else read_table(predictions)
    columns = probability_columns(table)
    if not columns or "predicted" not in table:
        raise InputError(
            f"{what} needs the columns predicted and p_<class> that classify() makes; got "
            f"{some(list(table.columns), 12) or 'none'}."
        )
    if table.empty:
        raise InputError(f"{what} got a table without rows.")
    return table, table[columns].to_numpy(dtype=np.float64), classes_of(table)


def confidence_of(table: pd.DataFrame, p: Floats, classes: list[str]) -> Floats:
    """The probability of each row's predicted class; missing where there is none."""
    codes = pd.Categorical(table["predicted"].astype("str"), categories=classes).codes
    return np.where(codes >= 0, p[np.arange(len(table)), codes], np.nan)


def labelled_rows(table: pd.DataFrame, what: str) -> pd.Series:
    """Mark the rows that have both classes, or say that there are none."""
    labelled = table["predicted"].notna() & (
        table["habitat"].notna() if "habitat" in table else False
    )
    if not labelled.any():
        raise InputError(
            f"{what} compares with reference classes, but none of the {len(table)} rows has both "
            "a predicted class and a habitat. Classify labelled photos, or add the column habitat."
        )
    return labelled
