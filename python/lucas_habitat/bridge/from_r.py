"""Values of R as the core takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._base.classes import note_order
from .models import model_of

__all__ = ["table_from_r", "value_from_r"]


def value_from_r(value: Any) -> Any:
    """A value of R as the core takes it."""
    if isinstance(value, dict):
        if "lucas_table" in value:
            return table_from_r(value)
        if "lucas_model" in value:
            return model_of(value["lucas_model"])
        return {k: value_from_r(v) for k, v in value.items()}
    if isinstance(value, list):
        return [value_from_r(v) for v in value]
    # R users type 5 and mean five; R's own whole numbers are rare.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def table_from_r(table: dict[str, Any]) -> pd.DataFrame:
    """A data.frame as a DataFrame; its row names, where they mean something, become the index."""
    n = int(table["n"])
    index = table.get("row_names")
    columns = {}
    for name, column in zip(table["names"], table["columns"], strict=True):
        columns[name] = _column(column, name)
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(n))
    if index is not None:
        frame.index = pd.Index(index, dtype="str")
    frame.attrs = {k: v for k, v in dict(table.get("attrs") or {}).items() if v is not None}
    for name, column in zip(table["names"], table["columns"], strict=True):
        if name == "habitat" and column["kind"] == "factor":
            note_order(frame, pd.Series(pd.Categorical([], categories=list(column["levels"]))))
    return frame


def _column(column: dict[str, Any], name: str) -> pd.Series[Any]:
    """A column with the type that `read_table` would give it."""
    values, kind = column["values"], column["kind"]
    if kind in ("number", "whole", "factor"):
        numbers = np.frombuffer(values, dtype="<f8").astype("float64")
        if kind == "number":
            return pd.Series(numbers)
        if kind == "whole":
            return pd.Series(numbers).astype("Int64")
        codes = np.nan_to_num(numbers).astype("int64") - 1
        labels = pd.Categorical.from_codes(codes.tolist(), categories=column["levels"])
        # Only predictions need the classes that no row has; the core keeps labels as text.
        if name == "predicted":
            return pd.Series(labels)
        return pd.Series(labels.astype(object), dtype="str")
    values = list(values)
    missing = [int(i) - 1 for i in column["missing"]]
    for i in missing:
        values[i] = None
    if kind == "flag":
        return pd.Series(values, dtype="boolean" if missing else "bool")
    if kind in ("date", "time"):
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=kind == "time")
    return pd.Series(values, dtype="str")
