"""What validate_map() is given, checked and brought together."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._base import words
from .._base.checks import MOST_DRAWS, check_number, check_seed
from .._base.tables import as_table, positive_weights, require_columns, with_column
from .._base.types import Column, Floats, Table
from ..errors import InputError, some
from ..evaluation import Evaluation, evaluate

Legend = Table | Mapping[Any, str]

Confusion = Evaluation | Table | Mapping[str, Any]


# ---- what is asked -----------------------------------------------------------------------------
@dataclass(frozen=True)
class Task:
    """Arguments, checked before a map is read, which may take long."""

    table: pd.DataFrame
    legend: dict[float, str]
    reference: str
    counts: pd.DataFrame | None  # of the classifier: rows predicted, columns reference
    worth: float  # test points a row of the confusion
    labelled: pd.DataFrame | None  # rows with a label; a row number is that of the table it is from
    is_labelled_apart: bool  # labelled points are a table of their own
    weights_column: str | None
    weights: Floats
    n_boot: int
    level: float
    seed: int
    notes: list[str]


def make_task(
    points: Table,
    legend: Legend,
    reference: Column,
    confusion: Confusion | None,
    labelled: Table | None,
    weights: Column | None,
    n_boot: int,
    level: float,
    seed: int,
) -> Task:
    """validate_map()'s arguments, checked and brought together."""
    check_number("n_boot", n_boot, 0, MOST_DRAWS, whole=True)
    check_number("level", level, 0, 1, open_low=True, open_high=True)
    points, reference = with_column(points, reference, "reference")
    points, weights = with_column(points, weights, "weights")
    also = [] if weights is None else [weights]
    table = map_points(points, reference, *also)
    if confusion is not None and reference == "habitat":
        raise InputError(
            f"{words.arg('confusion')} holds the classifier's errors, but "
            f"{words.arg('reference', 'habitat')} is not what it said. Leave one of them out."
        )
    counts, worth, notes = (None, 1.0, []) if confusion is None else _read_confusion(confusion)
    checked = table
    if labelled is not None:
        checked = map_points(labelled, "habitat", *also)
    if "habitat" in checked:
        checked = checked[checked["habitat"].notna()]
    return Task(
        table=table,
        legend=_read_legend(legend),
        reference=reference,
        counts=counts,
        worth=worth,
        labelled=checked if "habitat" in checked and len(checked) else None,
        is_labelled_apart=labelled is not None,
        weights_column=weights,
        weights=np.ones(len(table))
        if weights is None
        else positive_weights(table[weights], weights),
        n_boot=int(n_boot),
        level=float(level),
        seed=check_seed(seed),
        notes=notes,
    )


def _read(table: Table) -> pd.DataFrame:
    return as_table(table).reset_index(drop=True)


def map_points(points: Table, *columns: str) -> pd.DataFrame:
    """The table of points, with the columns that are asked for."""
    table = _read(points)
    require_columns(
        table,
        ["point_id", *columns],
        words.call("validate_map"),
        f"Give the table that {words.call('vote')} returns; {words.option('reference')} and "
        f"{words.option('weights')} name columns of it.",
    )
    if table["point_id"].isna().any():
        raise InputError(f"points has {table['point_id'].isna().sum()} rows without a point_id.")
    return table


def _read_legend(legend: Legend) -> dict[float, str]:
    """The class of each value of the map; values without a class are left out."""
    if isinstance(legend, Mapping):
        table = pd.DataFrame({"value": list(legend), "class": list(legend.values())})
    else:
        table = _read(legend)
    require_columns(
        table, ["value", "class"], words.arg("legend"), "One row gives one value its class."
    )
    classes = table["class"].map(lambda c: None if pd.isna(c) else str(c).strip() or None)
    table = table.assign(**{"class": classes}).dropna(subset="class")
    values = pd.to_numeric(table["value"], errors="coerce")
    if values.isna().any():
        texts = some(table.loc[values.isna(), "value"].tolist())
        raise InputError(f"The values of the legend must be the map's numbers; got {texts}.")
    pairs = table.assign(value=values.astype("float64")).drop_duplicates(["value", "class"])
    ambiguous = pairs.loc[pairs["value"].duplicated(), "value"]
    if len(ambiguous):
        raise InputError(
            f"The legend gives several classes to the values {some([f'{v:g}' for v in ambiguous])}."
        )
    return dict(zip(pairs["value"], pairs["class"], strict=True))


def _read_confusion(confusion: Confusion) -> tuple[pd.DataFrame, float, list[str]]:
    """Counts of test points, rows predicted; how many points a row is worth; what to know of them."""
    evaluation: Any = confusion  # as Evaluation.as_dict() gives it
    if isinstance(confusion, str | os.PathLike) and Path(confusion).suffix.lower() == ".json":
        try:
            evaluation = json.loads(Path(confusion).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"Cannot read the confusion {confusion}: {error}") from error
    elif not isinstance(confusion, Mapping):
        if not isinstance(confusion, Evaluation):
            confusion = evaluate(confusion, n_boot=0)
        evaluation = confusion.as_dict()
    try:
        rows, classes = evaluation["confusion_rows"], [str(c) for c in evaluation["classes"]]
        counts = pd.DataFrame(
            evaluation["confusion"], index=classes, columns=classes, dtype="float64"
        )
        n, n_points, unit = evaluation["n"], evaluation["n_points"], evaluation["unit"]
        notes = [f"the classifier's confusion: {note}" for note in evaluation["notes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{words.arg('confusion')} must be what {words.call('evaluate')} returned for test "
            "points, the JSON it writes, or the table of test points that "
            f"{words.call('vote')} returned; this lacks {error}."
        ) from error
    if rows != "predicted":
        raise InputError(f"{words.arg('confusion')} must have rows predicted; its rows are {rows}.")
    if unit == "photo" and n != n_points:
        raise InputError(
            f"confusion is of {n} photos of {n_points} points, but it is points that err here: "
            f"evaluate what {words.call('vote')} returned."
        )
    if n_points < n:
        notes.append(
            f"the classifier's confusion: {n} rows are of {n_points} points seen in several years, and count "
            "as that many"
        )
    return counts, n_points / n, notes


def class_areas(
    areas: Table, legend: dict[float, str]
) -> tuple[pd.Series[float], pd.Series[float]]:
    """Areas by class, and by value where the legend lacks it."""
    table = _read(areas)
    key = "value" if "value" in table else "class"
    require_columns(
        table, [key, "area"], words.arg("areas"), "One row gives one value or class its area."
    )
    size = pd.to_numeric(table["area"], errors="coerce").astype("float64")
    if not (np.isfinite(size) & (size >= 0)).all():
        raise InputError("The column area of areas must hold numbers of 0 or more.")
    classes = table["value"].map(legend) if key == "value" else table["class"].astype("str")
    is_lacking = classes.isna() & (size > 0)
    return size.groupby(classes).sum(), size[is_lacking].set_axis(table.loc[is_lacking, key])
