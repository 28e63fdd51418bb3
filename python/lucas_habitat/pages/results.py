"""What a run gave, asked for once and shared by all sections of its page."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .._base import words
from .._base.classes import Predictions, column_names, read_predictions
from .._base.probabilities import Apart, read_apart
from .._base.runs import is_run
from .._base.tables import WEIGHT, as_table, require_columns
from .._base.types import Table
from ..agreement.compared import ClassShares
from ..evaluation import Evaluation, evaluate
from ..images.drawn import DRAWN
from ..photos import as_photos
from ..voting import vote

if TYPE_CHECKING:
    from ..model import HabitatModel

__all__ = ["REPORT", "Results", "results_of"]

#: The function that errors on the page speak of.
REPORT = words.call("report")


@dataclass(frozen=True, eq=False)
class Results:
    """A run, prepared for its page.

    Attributes
    ----------
    photos : Predictions or Apart
        The photos, each column with its type; of a run with their probabilities apart.
    rated : pandas.DataFrame or path
        The same, as `vote` and `evaluate` take them.
    points : pandas.DataFrame
        What `vote` made of them, or the caller.
    evaluations : dict of str to Evaluation
        Per ``"photo"`` and per ``"point"``, where there is something to compare.
    model : HabitatModel or None
    class_shares : mapping, Series, DataFrame or path, optional
        Of the land, as for `evaluate`.
    is_drawn : bool
        Whether the demo drew the photos.
    """

    photos: Predictions | Apart
    rated: Table
    points: pd.DataFrame
    evaluations: dict[str, Evaluation]
    model: HabitatModel | None
    class_shares: ClassShares | None
    is_drawn: bool

    @cached_property
    def voted(self) -> Predictions:
        """The points with their probabilities.

        Raises
        ------
        InputError
            If they have none, which points of the caller's own may.
        """
        return read_predictions(self.points, REPORT)

    @cached_property
    def land(self) -> Evaluation | None:
        """The points' evaluation by weights and the land's class shares; None where all points count alike.

        Raises
        ------
        InputError
            If a weight is missing or not more than 0, or the class shares do not fit.
        """
        weights = WEIGHT if self.has_weights else None
        if "point" not in self.evaluations or (weights is None and self.class_shares is None):
            return None
        return evaluate(self.points, weights=weights, class_shares=self.class_shares)

    @property
    def has_weights(self) -> bool:
        """Whether points have design weights that are not all alike."""
        return WEIGHT in self.points and self.points[WEIGHT].nunique() > 1


def results_of(
    predictions: Table,
    model: HabitatModel | None,
    points: Table | None,
    class_shares: ClassShares | None = None,
) -> Results:
    """Prepare a run; arguments as for `report`, the model loaded."""
    photos = _photos(predictions, model)
    rated = photos.table if isinstance(photos, Predictions) else predictions
    voted = vote(rated) if points is None else as_table(points)
    require_columns(
        voted,
        ["predicted"],
        words.arg("points"),
        f"Give the table that {words.call('vote')} made.",
    )
    paths = photos.table["path"].dropna().head()
    return Results(
        photos=photos,
        rated=rated,
        points=voted,
        evaluations=_evaluations(photos.table, rated, voted),
        model=model,
        class_shares=class_shares,
        # The demo leaves a note beside the folders of the photos it draws.
        is_drawn=any((Path(p).parent.parent / DRAWN).is_file() for p in paths),
    )


#: What is told of photos, besides predictions and probabilities.
_COLUMNS = (
    *("path", "point_id", "year", "direction", "habitat", "split", "status", "error"),
    *("calibrated", "vote_calibration", "n_photos"),
)


def _photos(given: Table, model: HabitatModel | None) -> Predictions | Apart:
    """The photos, with the labels of all classes, also those that only the model knows."""
    is_of_run = isinstance(given, str | os.PathLike) and is_run(given)
    photos = read_apart(given, _COLUMNS, REPORT) if is_of_run else read_predictions(given, REPORT)
    require_columns(
        photos.table, ["path"], REPORT, f"Give the table that {words.call('classify')} made."
    )
    table, classes = photos.table, photos.classes
    # A label that no photo got is lost in a CSV file.
    if model is not None and column_names(model.classes) == column_names(classes):
        classes = list(model.classes)
        table = table.assign(predicted=pd.Categorical(table["predicted"], categories=classes))
    return replace(photos, table=as_photos(table), classes=classes)


def _evaluations(photos: pd.DataFrame, rated: Table, points: pd.DataFrame) -> dict[str, Evaluation]:
    """Evaluations per photo and per point, where there is something to compare."""
    return {
        unit: evaluate(given)
        for unit, rows, given in (("photo", photos, rated), ("point", points, points))
        if "habitat" in rows and (rows["habitat"].notna() & rows["predicted"].notna()).any()
    }
