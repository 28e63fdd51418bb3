"""Values of the core as R takes them."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from .._base import words
from .._base.runs import Run, describe_run
from .models import model_bytes, remember

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..evaluation import Evaluation
    from ..maps.results import MapAccuracy, MapEstimate
    from ..model import HabitatModel
    from ..networks.backbones import HabitatNet
    from ..recipe_comparison import RecipeComparison
    from ..sharing.share import SharedModel
    from ..split_checks import SplitCheck

__all__ = ["table_to_r", "value_to_r"]


def value_to_r(value: Any) -> Any:
    """Plain values all the way down; whole numbers too large for R's become floats."""
    if value is None or isinstance(value, bool | bytearray):
        return value
    if isinstance(value, str):
        return "".join(value)  # a subclass of str would arrive as an object
    if isinstance(value, Run):
        return _run(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value_to_r(value.item())
    if isinstance(value, int):
        return value if abs(value) < 2**31 else float(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {str(k): value_to_r(v) for k, v in value.items()}
    if isinstance(value, pd.DataFrame):
        return table_to_r(value)
    if isinstance(value, list | tuple | set):
        return [value_to_r(v) for v in value]
    for home, kind, convert in (
        ("model", "HabitatModel", _model),
        ("evaluation", "Evaluation", _evaluation),
        ("comparison", "Comparison", _comparison),
        ("recipe_comparison", "RecipeComparison", _recipe_comparison),
        ("split_checks", "SplitCheck", _split_check),
        ("maps.results", "MapAccuracy", _map_accuracy),
        ("networks.backbones", "HabitatNet", _network),
        ("sharing.share", "SharedModel", _shared_model),
    ):
        module = sys.modules.get(f"lucas_habitat.{home}")
        if module is not None and isinstance(value, getattr(module, kind)):
            return convert(value)
    raise TypeError(f"There is no plain form of {type(value).__name__}")


def _run(run: Run) -> dict[str, Any]:
    return {
        "lucas_kind": "run",
        "folder": str(run.folder),
        "statuses": value_to_r(run.statuses),
        "text": describe_run(run),
    }


def table_to_r(table: pd.DataFrame) -> dict[str, Any]:
    """A table as columns; its index goes along where it says more than numbers."""
    plain = {k: v for k, v in table.attrs.items() if isinstance(v, str | bool | int | float)}
    out = {
        "lucas_table": True,
        "n": float(len(table)),
        "names": [str(c) for c in table.columns],
        "columns": [_column(table.iloc[:, i]) for i in range(table.shape[1])],
        "attrs": value_to_r(plain),
    }
    if not isinstance(table.index, pd.RangeIndex):
        out["row_names"] = [str(v) for v in table.index]
    return out


def _column(column: pd.Series[Any]) -> dict[str, Any]:
    """A column as its kind, its values and the rows that are missing."""
    missing = column.isna().to_numpy()
    where = [float(i) + 1 for i in missing.nonzero()[0]]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return {
            "kind": "factor",
            "values": _packed(column.cat.codes.to_numpy() + 1.0),
            "levels": [str(c) for c in column.cat.categories],
            "missing": where,
        }
    if types.is_bool_dtype(column.dtype):
        return {
            "kind": "flag",
            "missing": where,
            "values": column.fillna(False).to_numpy(dtype=bool).tolist(),
        }
    if types.is_numeric_dtype(column.dtype):
        kind = "whole" if types.is_integer_dtype(column.dtype) else "number"
        return {
            "kind": kind,
            "missing": where,
            "values": _packed(column.to_numpy(dtype="float64", na_value=float("nan"))),
        }
    if types.is_datetime64_any_dtype(column.dtype):
        if getattr(column.dt, "tz", None) is not None:
            column = column.dt.tz_convert("UTC")
        dated = bool((column.dropna() == column.dropna().dt.normalize()).all())
        form = "%Y-%m-%d" if dated and column.dt.tz is None else "%Y-%m-%dT%H:%M:%SZ"
        text = column.dt.strftime(form).astype(object)
        return {
            "kind": "date" if form.endswith("d") else "time",
            "missing": where,
            "values": ["" if gone else v for v, gone in zip(text, missing, strict=True)],
        }
    values = column.to_numpy(dtype=object).tolist()
    for i in missing.nonzero()[0]:
        values[i] = ""
    return {
        "kind": "text",
        "values": [v if type(v) is str else str(v) for v in values],
        "missing": where,
    }


def _packed(numbers: Any) -> bytearray:
    return bytearray(numbers.astype("<f8").tobytes())


def _model(model: HabitatModel) -> dict[str, Any]:
    """A model as what R shows of it, and its bytes."""
    from ..model import describe_model

    id = uuid.uuid4().hex
    remember(model, id)
    return {
        "lucas_kind": "model",
        "id": id,
        "lines": words.in_r(describe_model(model)).splitlines(),
        "classes": list(model.classes),
        "card": value_to_r(model.card()),
        "history": table_to_r(model.history),
        "bytes": model_bytes(model),
    }


def _shared_model(shared: SharedModel) -> dict[str, Any]:
    """A shared model's file and checksum, and what to do with it."""
    from ..sharing.share import describe_shared

    return {
        "lucas_kind": "shared_model",
        "file": str(shared.file),
        "sha256": shared.sha256,
        "size": float(shared.size),
        "lines": words.in_r(describe_shared(shared)).splitlines(),
    }


def _network(network: HabitatNet) -> dict[str, Any]:
    """A network as its layers."""

    def weights(part: Any) -> int:
        return sum(p.numel() for p in part.parameters())

    spec = network.backbone.spec
    rows = [
        (
            "backbone",
            spec["arch"],
            spec["num_features"],
            weights(network.backbone),
            not network.frozen,
        )
    ]
    width = spec["num_features"]
    for layer in network.head:
        width = getattr(layer, "out_features", width)
        rows.append(("head", type(layer).__name__.lower(), width, weights(layer), True))
    layers = pd.DataFrame(rows, columns=["part", "layer", "outputs", "parameters", "trained"])
    return {
        "lucas_kind": "network",
        "arch": spec["arch"],
        "network": spec["network"],
        "weights": str(spec["weights"]),
        "scaling": str(spec["scaling"]),
        "size": int(spec["size"]),
        "features": int(spec["num_features"]),
        "classes": int(width),
        "frozen": bool(network.frozen),
        "parameters": float(weights(network)),
        "trained": float(sum(p.numel() for p in network.parameters() if p.requires_grad)),
        "layers": table_to_r(layers),
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as numbers and tables."""
    from ..evaluation import FURTHER

    return {
        "lucas_kind": "evaluation",
        "unit": evaluation.unit,
        "overall_accuracy": float(evaluation.overall_accuracy),
        "kappa": float(evaluation.kappa),
        "overall_accuracy_interval": [float(v) for v in evaluation.overall_accuracy_interval],
        "kappa_interval": [float(v) for v in evaluation.kappa_interval],
        "overall_accuracy_se": float(evaluation.overall_accuracy_se),
        "kappa_se": float(evaluation.kappa_se),
        "further": {name: float(getattr(evaluation, name)) for name in FURTHER},
        "per_class": table_to_r(evaluation.per_class),
        "classes": evaluation.confusion.columns.tolist(),
        # R fills a matrix by columns, so columns it is.
        "confusion": [float(v) for v in evaluation.confusion.to_numpy().T.ravel()],
        "proportions": [float(v) for v in evaluation.proportions.to_numpy().T.ravel()],
        "weights": evaluation.weights,
        "class_shares": evaluation.class_shares,
        "n": int(evaluation.n),
        "n_points": int(evaluation.n_points),
        "n_without_point": int(evaluation.n_without_point),
        "n_unlabelled": int(evaluation.n_unlabelled),
        "n_unread": int(evaluation.n_unread),
        "level": float(evaluation.level),
        "n_boot": int(evaluation.n_boot),
        "seed": float(evaluation.seed),
        "notes": [str(n) for n in evaluation.notes],
        "by_level": None if evaluation.by_level is None else table_to_r(evaluation.by_level),
        "mean_distance": float(evaluation.mean_distance),
        "error_distance": float(evaluation.error_distance),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    """A comparison as numbers and a table."""
    return {
        "lucas_kind": "comparison",
        "table": table_to_r(comparison.table),
        "p_value": float(comparison.p_value),
        "unit": comparison.unit,
        **{
            name: int(getattr(comparison, name))
            for name in (
                "n_both",
                "n_only_a",
                "n_only_b",
                "n_neither",
                "n",
                "n_points",
                "n_without_point",
            )
        },
        "n_left_out": int(comparison.n_left_out),
        "level": float(comparison.level),
        "n_boot": int(comparison.n_boot),
        "seed": float(comparison.seed),
        "notes": [str(n) for n in comparison.notes],
    }


def _recipe_comparison(comparison: RecipeComparison) -> dict[str, Any]:
    """A comparison of recipes as numbers, a table, and what it says of itself."""
    comparison = comparison.in_words(words.in_r)
    plain = comparison.as_dict()
    del plain["recipes"]
    return {
        "lucas_kind": "recipe_comparison",
        **value_to_r(plain),
        "table": table_to_r(comparison.table),
        "lines": repr(comparison).splitlines(),
    }


def _split_check(check: SplitCheck) -> dict[str, Any]:
    """A check of a split as its findings."""
    return {
        "lucas_kind": "split_check",
        "table": table_to_r(check.table),
        "n_train": int(check.n_train),
        "n_test": int(check.n_test),
        "leaks": check.leaks,
    }


def _map_accuracy(accuracy: MapAccuracy) -> dict[str, Any]:
    """A map accuracy as numbers and tables."""

    def estimate(part: MapEstimate) -> dict[str, Any]:
        return {
            "overall_accuracy": float(part.overall_accuracy),
            "overall_accuracy_se": float(part.overall_accuracy_se),
            "overall_accuracy_interval": [float(v) for v in part.overall_accuracy_interval],
            "per_class": table_to_r(part.per_class),
            "proportions": [float(v) for v in part.proportions.to_numpy().T.ravel()],
        }

    return {
        "lucas_kind": "map_accuracy",
        "classes": accuracy.confusion.columns.tolist(),
        "confusion": [float(v) for v in accuracy.confusion.to_numpy().T.ravel()],
        "as_if_true": estimate(accuracy.as_if_true),
        **{
            name: None if part is None else estimate(part)
            for name, part in (
                ("corrected", accuracy.corrected),
                ("from_labels", accuracy.from_labels),
                ("prediction_powered", accuracy.prediction_powered),
            )
        },
        "independence": None if accuracy.independence is None else asdict(accuracy.independence),
        "to_quote": accuracy.to_quote,
        "left_out": table_to_r(accuracy.left_out),
        "n": int(accuracy.n),
        "judged": float(accuracy.judged),
        "level": float(accuracy.level),
        "n_boot": int(accuracy.n_boot),
        "seed": float(accuracy.seed),
        "notes": [str(n) for n in accuracy.notes],
    }
