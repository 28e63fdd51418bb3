"""What stands on a model's card: the JSON that a saved model is described by.

Cards of earlier versions may lack what was added since; `saved_models` says what that meant.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

__all__ = [
    "BackboneSpec",
    "CalibrationCard",
    "CandidateCard",
    "Card",
    "CorrectionCard",
    "FittingCard",
    "LearnedVoteCard",
    "PointCalibrationCard",
    "RegularisationCard",
    "TrainingSummary",
]


class BackboneSpec(TypedDict):
    """A backbone, so that the same one can be made again."""

    arch: str  # as the user named it
    network: str  # timm's or torchvision's name
    weights: str  # where they came from
    weights_sha256: str
    scaling: str  # "unit", "symmetric" or "own"
    mean: list[float]  # of RGB values in [0, 1], one a channel
    std: list[float]
    size: int  # pixels, height and width
    num_features: int
    parts: NotRequired[list[BackboneSpec]]  # of networks side by side, in the features' order


class RegularisationCard(TypedDict):
    """How strongly a logistic head is held back, and how that was chosen."""

    C: float  # scikit-learn's: the inverse of the penalty on squared weights
    scale: float  # what the regressions' logits were multiplied by
    n_folds: int  # inner folds it was chosen by; 0 where too few points allowed none
    log_loss: dict[str, float]  # of the inner folds, by C


class FittingCard(TypedDict):
    """By what settings a head, or a whole network, was fitted."""

    recipe: str
    head: NotRequired[str]  # "dense" where earlier cards say nothing
    freeze_backbone: bool
    # None where the head takes no steps.
    dropout: float | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    regularisation: NotRequired[RegularisationCard]  # of the head "logistic"
    class_balance: NotRequired[str]  # "none" where it is missing
    seed: int


class TrainingSummary(FittingCard):
    """How a model was trained, and on what."""

    n_photos: int
    n_points: int
    n_without_point: int
    n_validation_photos: int
    n_validation_points: int
    photos_per_class: dict[str, int]
    years: list[int]
    n_refused: int
    refused: dict[str, int]  # by status
    corrections: NotRequired[dict[str, int] | None]


class CorrectionCard(TypedDict):
    """How points' probabilities were put right after one way to pool photos."""

    exponent: float
    favour: list[float]  # one a class, log-odds


class CandidateCard(TypedDict):
    """How a way to see five views as one did on held-out points that it was not fitted to."""

    log_loss: float
    difference: float  # of its log loss from the mean's; below 0 is better
    se: float  # the standard error of the difference, over points


class LearnedVoteCard(TypedDict):
    """What held-out points taught about voting; see `learned_votes`."""

    method: str  # the way chosen: one of point_calibration.WAYS
    n_points: int  # held-out points with several photos, whatever their years
    exponent: float
    sharpness: float
    favour: list[float]  # one a class, log-odds
    weights: dict[str, float]  # by direction, 1 on the mean
    stack: list[list[list[float]]] | None  # (1 + directions, classes, classes) of "stacking"
    candidates: dict[str, CandidateCard]  # by way; empty where points were too few to choose


class PointCalibrationCard(TypedDict):
    """How points' probabilities were put right after the vote; see `point_calibration`."""

    class_shares: list[float]  # of the held-out photos; equal where training balanced classes
    n_points: int  # held-out points with several photos, each year counted
    rough: bool  # few points, or none of a class
    corrections: dict[str, CorrectionCard]  # by pool: mean, product
    learned: NotRequired[LearnedVoteCard]  # not on cards of before votes were learned


class CalibrationCard(TypedDict):
    """How probabilities were calibrated."""

    temperature: float
    n_photos: int
    n_points: int
    method: str
    points: NotRequired[PointCalibrationCard | None]  # None where no point had several photos


class Card(TypedDict):
    """Everything needed to trust and repeat a model, as plain values."""

    format: str
    format_version: int
    lucas_habitat: str  # the version that wrote it
    created: str  # ISO date and time, UTC
    classes: list[str]
    levels: NotRequired[dict[str, list[str]] | None]  # labels above the classes, a level each
    backbone: BackboneSpec
    preprocessing: dict[str, object]
    engine: str
    device: str
    precision: str
    training: TrainingSummary
    calibration: CalibrationCard | None
    metrics: dict[str, float | None]  # of the last epoch
    versions: dict[str, str]
    files: NotRequired[dict[str, str]]  # sha256 by name, of a saved model
