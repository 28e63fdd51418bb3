"""What rows of the survey stand for: how likely each was drawn, and its design weight."""

from __future__ import annotations

import pandas as pd

from .._base.tables import INCLUSION, WEIGHT
from ..errors import some, warn
from .columns import WEIGHTS, plain_name

__all__ = ["shares_drawn", "thinned", "with_weights"]


def with_weights(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with what they stand for before any is drawn.

    Where they were chosen from an earlier choice, this one goes on from its probabilities and weights.
    Otherwise each row was surely taken, and stands for itself or for what the survey's own weight says.
    """
    if {INCLUSION, WEIGHT} <= set(rows.columns):
        return rows
    by_name = {plain_name(str(name)): name for name in reversed(list(rows.columns))}
    names = [by_name[name] for name in WEIGHTS if name in by_name]
    weight = _positive(rows[names[0]]) if names else pd.Series(1.0, index=rows.index)
    if weight.isna().any():
        warn(
            f"{int(weight.isna().sum())} of {len(rows)} rows have no {names[0]} of more than 0: their "
            f"{WEIGHT} is missing, and nothing can be weighted by it until they are left out, such as "
            f"{some(rows.loc[weight.isna(), 'point_id'].tolist())}."
        )
    return rows.assign(**{INCLUSION: 1.0, WEIGHT: weight})


def _positive(column: pd.Series) -> pd.Series:
    """A column's numbers of more than 0, also of text with decimal commas; others are missing."""
    text = column.astype("str").str.strip().str.replace(",", ".")
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    return numbers.where((numbers > 0) & (numbers < float("inf")))


def shares_drawn(drawn: pd.DataFrame, candidates: pd.DataFrame) -> pd.Series:
    """For each row drawn, the share of its class's candidates that were."""
    share = drawn["habitat"].value_counts() / candidates["habitat"].value_counts()
    return drawn["habitat"].map(share).astype("float64")


def thinned(drawn: pd.DataFrame, share: pd.Series) -> pd.DataFrame:
    """The rows drawn, standing for those that were not: of each row's like, a share was drawn."""
    return drawn.assign(**{INCLUSION: drawn[INCLUSION] * share, WEIGHT: drawn[WEIGHT] / share})
