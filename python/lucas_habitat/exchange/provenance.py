"""What made the predictions and how good they are, in words that go with them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .._base import words
from .._base.places import photos_in_words
from .._base.version import __version__
from ..errors import InputError, inform
from ..evaluation import Judged, numbers_of
from ..model import HabitatModel, Model
from ..runs.writing import model_sha256
from ..saved_models import as_model

__all__ = ["Provenance", "provenance_of"]

_VOTES = {
    "majority": "the majority of the votes of the point's photos",
    "mean": "the largest mean probability over the point's photos",
    "product": "the largest product of probabilities over the point's photos",
    "learned": "a vote of the point's photos that was learned from labelled points",
}


class Provenance(NamedTuple):
    """What is said of predictions wherever they go."""

    software: str
    model: str  # its name, for each value
    method: str  # how a class came to be, for each value
    about: list[str]  # sentences on the model
    accuracy: str  # a sentence; empty where nothing is known


def provenance_of(
    model: Model | None, evaluation: Judged | None, vote_method: object, what: str
) -> Provenance:
    """What is known of how predictions were made.

    Parameters
    ----------
    model, evaluation
        As users give them.
    vote_method : object
        What the table of points says of its vote; None where it says nothing.
    what : str
        The function that asks, for its messages.
    """
    software = f"lucas-habitat {__version__}"
    about: list[str] = []
    if model is None:
        inform(
            f"{what} does not say which model classified the photos; {words.option('model')} names it."
        )
        name = "a classifier of ground photos"
    else:
        name, about = _described(as_model(model))
    vote = _VOTES.get(str(vote_method), "a vote of the point's photos")
    method = f"Ground photos classified by {name} ({software}); class by {vote}"
    return Provenance(software, name, method, about, _accuracy(evaluation))


def _described(model: HabitatModel) -> tuple[str, list[str]]:
    """A model's name, and sentences on it."""
    sha256 = model_sha256(model)
    arch, training = model.backbone.spec["arch"], model.training
    name = f"the model {arch} of {model.created[:10]} (sha256 {sha256[:12]})"
    about = [
        f"Model: {arch}, made {model.created}, sha256 {sha256}, for the classes "
        f"{', '.join(model.classes)}.",
        "It was trained on "
        + photos_in_words(
            training["n_photos"], training["n_points"], training.get("n_without_point", 0)
        )
        + f", by the recipe {training['recipe']}.",
    ]
    calibration = model.calibration
    about.append(
        "Its probabilities were not calibrated, so they are no proportions."
        if calibration is None
        else "Its probabilities were calibrated on "
        + photos_in_words(
            calibration["n_photos"],
            calibration["n_points"],
            calibration.get("n_without_point", 0),
        )
        + "."
    )
    return name, about


def _accuracy(evaluation: Judged | None) -> str:
    """A sentence on accuracy, such as an evaluation gives it."""
    if evaluation is None:
        return ""
    _, numbers = numbers_of(evaluation)
    try:
        level, unit, n = float(numbers["level"]), str(numbers["unit"]), int(numbers["n"])
        measures = [
            _with_interval(label, numbers[name], numbers[f"{name}_interval"], level)
            for label, name in (("overall accuracy", "overall_accuracy"), ("kappa", "kappa"))
        ]
        points = "" if unit == "point" else f" of {int(numbers['n_points'])} points"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{words.arg('evaluation')} must be what {words.call('evaluate')} returned, or the JSON that "
            f"it writes; this lacks {error}."
        ) from error
    return f"Compared with reference classes, {' and '.join(measures)}, on {n} {unit}s{points}."


def _with_interval(label: str, value: Any, interval: Any, level: float) -> str:
    """A measure with its interval, where it has one."""
    if value is None or math.isnan(value):
        return f"{label} undefined"
    low, high = interval
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return f"{label} {value:.3f}"
    return f"{label} {value:.3f} ({100 * level:g} % interval {low:.3f} to {high:.3f})"
