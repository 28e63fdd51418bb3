"""What may stand in a table: told before it is computed with, so that the error names the column."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, some
from . import words

__all__ = ["as_floats", "check_cells"]

#: Columns that our functions read; what stands in others is their owner's.
_OURS = frozenset(
    {"path", "point_id", "year", "direction", "habitat", "split", "near_duplicates", "lc1", "nuts0", "status",
     "error", "site", "id", "code", "class", "obs_dist", "x", "y", "lon", "lat", "confidence", "agreement",
     "n_photos", "n_unlike", "unlike", "calibrated", "fold", "vote_calibration", "km_to_training", "weight",
     "inclusion_probability", "predicted", "predicted_class", "predicted_level", "predicted_set"}
)  # fmt: skip
_PREFIXES = ("p_", "v_", "level", "habitat_level")

_CELLS = (
    str,
    bool,
    int,
    float,
    np.generic,
    decimal.Decimal,
    datetime.date,
    type(None),
    type(pd.NA),
    type(pd.NaT),
)


def check_cells(table: pd.DataFrame) -> None:
    """Refuse a table with a column twice, or cells that hold neither text nor a number, a date or nothing.

    Raises
    ------
    InputError
    """
    for name in table.columns:
        if not pd.api.types.is_hashable(name) or (
            pd.api.types.is_scalar(name) and (pd.isna(name) or _is_endless(name))
        ):
            raise InputError(f"A column of the table has no name that is text: {name!a:.60}.")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise InputError(f"The table has the column {some(list(twice))} more than once.")
    for name in table.columns:
        if isinstance(name, str) and (name in _OURS or name.startswith(_PREFIXES)):
            _check_column(table[name], name)


def _check_column(column: pd.Series, name: str) -> None:
    """Refuse a column whose values cannot be compared, counted or written."""
    values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    if values.dtype.kind in "cm":
        raise InputError(f"The column {name} holds {values.dtype}; numbers or text are needed.")
    if values.dtype != object:
        return
    odd = {
        t
        for t in set(map(type, values))
        if not issubclass(t, _CELLS) or issubclass(t, complex | np.void)
    }
    is_odd = np.array([type(v) in odd or _is_endless(v) for v in values], dtype=bool)
    if is_odd.any():
        row = int(is_odd.argmax())
        raise InputError(
            f"The column {name} holds what is no text, number or date: "
            f"{words.value(repr(values[row] if isinstance(values, pd.Index) else values.iloc[row])[:60])}."
        )


def _is_endless(value: object) -> bool:
    """Whether a value has no place in a column: a whole number of 20 digits or more, half a character."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)
    return isinstance(value, int) and abs(value) >= 2**63


def as_floats(columns: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Columns as float64, (rows, columns), NaN where they have no value.

    Raises
    ------
    InputError
        If one of them holds text or dates.
    """
    if all(_is_plain(dtype) for dtype in columns.dtypes):
        return columns.to_numpy(dtype=np.float64, na_value=np.nan)
    made = {name: _as_numbers(columns[name], str(name)) for name in columns.columns}
    return np.column_stack(list(made.values()))


def _is_plain(dtype: Any) -> bool:
    return dtype.kind in "biuf" and not isinstance(dtype, pd.CategoricalDtype)


def _as_numbers(column: pd.Series, name: str) -> npt.NDArray[np.float64]:
    """One column as float64; refused where a value is no number."""
    is_date = column.dtype.kind in "mM"
    made = pd.to_numeric(column.astype("object"), errors="coerce")
    is_bad = ((made.isna() | is_date) & column.notna()).to_numpy(dtype=bool)
    if is_bad.any():
        value = column.iloc[int(is_bad.argmax())]
        raise InputError(
            f"The column {name} must hold numbers; it holds {words.value(str(value)[:60])}."
        )
    return made.to_numpy(dtype=np.float64, na_value=np.nan)
