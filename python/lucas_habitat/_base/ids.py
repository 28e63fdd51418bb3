"""Point ids as text, and which of them can be LUCAS'."""

from __future__ import annotations

import pandas as pd


def point_ids(column: pd.Series) -> pd.Series:
    """Point ids as text; numbers become whole numbers, LUCAS ids get their 8 digits back."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        column = column.map(lambda v: None if pd.isna(v) else f"{v:.0f}" if v % 1 == 0 else str(v))
    text = column.map(lambda v: None if pd.isna(v) or not str(v).strip() else str(v).strip())
    text = text.astype("str")
    # Tables that were opened in a spreadsheet have lost the zero of points west of 1000 km.
    padded = text.str.zfill(8)
    if text.str.fullmatch("[0-9]{7,8}").all() and on_lucas_grid(padded).all():
        return padded
    return text


def on_lucas_grid(ids: pd.Series) -> pd.Series:
    """Mark the ids that can be LUCAS': 8 digits that name a place in Europe, in km of EPSG:3035."""
    digits = ids.where(ids.str.fullmatch("[0-9]{8}").fillna(False))
    x, y = pd.to_numeric(digits.str[:4]), pd.to_numeric(digits.str[4:])
    # From the Canary Islands to Cyprus and the North Cape.
    return x.between(900, 7400) & y.between(800, 5500)
