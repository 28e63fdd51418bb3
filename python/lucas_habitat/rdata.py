"""Tables for R, made in Python: data frames through rpy2, and files that readRDS() reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from ._base.classes import classes_of
from ._base.files import write_atomically
from ._base.signatures import checked
from .errors import DependencyError, InputError

if TYPE_CHECKING:
    from rpy2.robjects import DataFrame

__all__ = ["save_rds", "to_r"]

_R_INTEGERS = 2**31  # R's whole numbers end here; doubles are exact up to 2^53


@checked
def to_r(table: pd.DataFrame) -> DataFrame:
    """Turn a table into an R data.frame, as the R package lucashabitat would give it.

    Categories, and ``habitat`` beside ``predicted``, become factors with all levels; missing
    values NA; dates Date and times POSIXct (UTC); whole numbers integers, or doubles where R's
    integers end. A named index becomes the row names.

    Needs R and rpy2 (extra ``r``), and works in the main thread only. Do not load R's package
    reticulate in the same process: two bridges at once abort it.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table of this package.

    Returns
    -------
    rpy2.robjects.DataFrame

    Raises
    ------
    DependencyError
        If R or rpy2 is missing.
    InputError
        If a column holds what R has no vector for.
    """
    robjects = _robjects()
    classes = classes_of(table) if "predicted" in table else []
    columns: dict[str, Any] = {}
    for name in table.columns:
        column = table[name]
        if name == "habitat" and classes:
            others = sorted(set(column.dropna().astype("str")) - set(classes))
            column = column.astype(pd.CategoricalDtype([*classes, *others]))
        columns[str(name)] = _vector(robjects, column, str(name))
    frame = robjects.DataFrame(columns)
    # rpy2 lets R repair names; these are wanted as they are.
    frame.colnames = robjects.StrVector(list(columns))
    if table.index.name is not None:
        frame.rownames = robjects.StrVector([str(v) for v in table.index])
    return frame


@checked
def save_rds(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table as a file that R's readRDS() reads; it appears whole or not at all.

    Parameters
    ----------
    table : pandas.DataFrame
        See `to_r`.
    path : path
        Must end in ``.rds``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DependencyError
        If R or rpy2 is missing.
    InputError
        If the ending is another, or a column holds what R has no vector for.
    """
    path = Path(path)
    if path.suffix.lower() != ".rds":
        raise InputError(f"Cannot write {path}: its ending must be .rds.")
    frame = to_r(table)
    return write_atomically(path, lambda tmp: _robjects().r["saveRDS"](frame, file=str(tmp)))


def _robjects() -> Any:
    try:
        import rpy2.robjects
    except Exception as error:  # without R, or with one too old, it fails in many ways
        raise DependencyError(
            f"R and rpy2 are needed for this ({type(error).__name__}: {error}). Install R, then "
            'pip install "rpy2"; under R 4.2 also "rpy2-rinterface<=3.6.5". write_table() and '
            "CSV need neither."
        ) from error
    return rpy2.robjects


def _vector(robjects: Any, column: pd.Series[Any], name: str) -> Any:
    """A column as the R vector that it would be in a table of the R package."""
    is_missing = column.isna().to_numpy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = [str(c) for c in column.cat.categories]
        return robjects.FactorVector(
            _filled(
                column.astype("object"), is_missing, robjects.NA_Character, str, robjects.StrVector
            ),
            levels=robjects.StrVector(levels),
        )
    if types.is_bool_dtype(column.dtype):
        return _filled(column, is_missing, robjects.NA_Logical, bool, robjects.BoolVector)
    if types.is_integer_dtype(column.dtype):
        if column.abs().max() < _R_INTEGERS or is_missing.all():
            return _filled(column, is_missing, robjects.NA_Integer, int, robjects.IntVector)
        return _filled(column, is_missing, robjects.NA_Real, float, robjects.FloatVector)
    if types.is_float_dtype(column.dtype):
        return _filled(column, is_missing, robjects.NA_Real, float, robjects.FloatVector)
    if types.is_datetime64_any_dtype(column.dtype):
        return _times(robjects, column, is_missing)
    kinds = {type(v).__name__ for v in column[~is_missing]} - {"str"}
    if kinds:
        raise InputError(
            f"The column {name} holds {', '.join(sorted(kinds))}, not text or numbers."
        )
    return _filled(column, is_missing, robjects.NA_Character, str, robjects.StrVector)


def _filled(
    column: pd.Series[Any], is_missing: npt.NDArray[np.bool_], na: Any, kind: type, vector: Any
) -> Any:
    return vector([na if g else kind(v) for v, g in zip(column, is_missing, strict=True)])


def _times(robjects: Any, column: pd.Series[Any], is_missing: npt.NDArray[np.bool_]) -> Any:
    """R's Date for days without a zone, else POSIXct in UTC."""
    has_zone = column.dt.tz is not None
    utc = column.dt.tz_convert("UTC").dt.tz_localize(None) if has_zone else column
    seconds = (utc - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
    is_dates = not has_zone and bool((utc.dropna() == utc.dropna().dt.normalize()).all())
    values = seconds / 86400 if is_dates else seconds
    vector = _filled(values, is_missing, robjects.NA_Real, float, robjects.FloatVector)
    vector.rclass = robjects.StrVector(["Date"] if is_dates else ["POSIXct", "POSIXt"])
    if not is_dates:
        vector.do_slot_assign("tzone", robjects.StrVector(["UTC"]))
    return vector
