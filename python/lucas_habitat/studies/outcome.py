"""What a model says of photos and of their points, and how right it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .._base.files import write_json
from .._base.progress import Progress
from .._base.tables import write_table
from ..classifier import classify
from ..errors import InputError
from ..evaluation import Evaluation, evaluate
from ..model import Model
from ..saved_models import as_model
from ..voting import vote

#: Files that `write_outcome` makes.
POINTS, EVALUATIONS = "points.csv", "evaluation_{}.json"


class Outcome(NamedTuple):
    """Predictions of photos, votes of their points, and both compared with reference classes."""

    predictions: pd.DataFrame
    points: pd.DataFrame
    #: Of ``photos`` and of ``points``.
    evaluations: dict[str, Evaluation]


def outcome_of(
    photos: pd.DataFrame,
    model: Model,
    *,
    seed: int,
    device: str = "auto",
    cache: bool = True,
    progress: Progress = True,
) -> Outcome:
    """Classify photos, let those of a point vote, and evaluate what the model was not trained on."""
    predictions = classify(photos, model, device=device, cache=cache, progress=progress)
    points = vote(predictions)
    tested = {"photos": _not_trained_on(predictions), "points": _not_trained_on(points)}
    if tested["photos"].empty:
        raise InputError(
            f"The model was trained on all {len(points)} points, so none is left to test it on."
        )
    levels = as_model(model).levels
    evaluations = {u: evaluate(table, levels=levels, seed=seed) for u, table in tested.items()}
    return Outcome(predictions, points, evaluations)


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Write the votes and evaluations; where the photos lie is up to whoever writes predictions."""
    write_table(outcome.points, folder / POINTS)
    for unit, evaluation in outcome.evaluations.items():
        write_json(evaluation.as_dict(), folder / EVALUATIONS.format(unit))


def _not_trained_on(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["split"].isin(["train"])] if "split" in table else table
