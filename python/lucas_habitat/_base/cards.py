"""What stands on a model's card: the JSON that a saved model is described by.

Cards of earlier versions may lack what was added since; `saved_models` says what that meant.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Any,
    NotRequired,
    TypedDict,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

__all__ = [
    "AgreementCard",
    "BackboneSpec",
    "CalibrationCard",
    "CandidateCard",
    "Card",
    "ClusterCard",
    "CorrectionCard",
    "FittingCard",
    "LearnedVoteCard",
    "PointCalibrationCard",
    "QuantisationCard",
    "RegularisationCard",
    "SharedCard",
    "TrainingSummary",
    "check_card",
    "one_line",
    "read_card",
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


class ClusterCard(TypedDict):
    """How a network was trained by several workers, who share each batch."""

    ray: str  # its version
    workers: int  # of the last start
    device: str  # "cpu" or "cuda"
    restarts: int  # after workers, or the program that waited for them, were lost
    steps_repeated: int  # those after the last epoch that was kept


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
    cluster: NotRequired[ClusterCard]  # where there was one; batch_size is of all workers together


class TrainingSummary(FittingCard):
    """How a model was trained, and on what."""

    n_photos: int
    n_points: int
    n_without_point: int
    n_validation_photos: int
    n_validation_points: int
    n_validation_without_point: NotRequired[int]
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
    n_without_point: NotRequired[int]  # photos, each of which is counted as a point
    method: str
    points: NotRequired[PointCalibrationCard | None]  # None where no point had several photos


class AgreementCard(TypedDict):
    """How often a model in eight bits gives the classes that it gives in float32."""

    photos: str  # "validation", "training" (neither were calibrated on) or "given"
    n: int
    n_equal: int
    low: float  # the interval of the share that is equal
    high: float
    level: float
    n_labelled: int
    kappa_float32: float | None  # of labelled photos; None where they are of one class, or none
    kappa_int8: float | None


class QuantisationCard(TypedDict):
    """How a model's networks were rounded to eight bits, and what that changes."""

    sha256: str  # of the numbers that say how, which lie beside the weights
    n_photos: int  # calibrated on
    seed: int  # that drew them
    preset: str
    nncf: str  # versions
    openvino: str
    agreement: AgreementCard | None  # None where no photo was left to measure it on


class SharedCard(TypedDict):
    """What whoever shared a model says of it."""

    title: str
    description: NotRequired[str]
    licence: str
    authors: list[str]
    credit: NotRequired[str]  # of the photos, to be printed with what comes of the model
    based_on: NotRequired[str]  # another shared model, its authors and licence
    names_points: bool  # whether the points trained on are named


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
    quantisation: NotRequired[QuantisationCard | None]  # of a model that has eight bits
    metrics: dict[str, float | None]  # of the last epoch
    versions: dict[str, str]
    shared: NotRequired[SharedCard | None]  # of a model that was shared
    files: NotRequired[dict[str, str]]  # sha256 by name, of a saved model


# ---- reading ------------------------------------------------------------------------------------

#: Bytes of a card. What stacks five views of 700 classes takes so many; others take kilobytes.
MAX_BYTES = 100_000_000


def read_card(path: Path) -> Any:
    """What a card holds, not checked yet.

    Raises
    ------
    ValueError
        If it is no JSON, or longer than any card.
    """
    n_bytes = path.stat().st_size
    if n_bytes > MAX_BYTES:
        raise ValueError(f"it has {n_bytes:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_card(card: object) -> None:
    """Raise a ValueError that names the first value of a card that cannot be there."""
    _check(card, Card)
    known = cast(Card, card)
    for i, spec in enumerate([known["backbone"], *known["backbone"].get("parts", ())]):
        name = "backbone" if i == 0 else f"backbone.parts[{i - 1}]"
        _check_range(spec["size"], f"{name}.size", 32, 1024)
        _check_range(spec["num_features"], f"{name}.num_features", 1, 1_000_000)
        if len(spec["mean"]) != 3 or len(spec["std"]) != 3 or min(spec["std"]) <= 0:
            raise ValueError(f"{name}.mean and std must be three numbers each, std more than 0")
    if known["preprocessing"].get("size") != known["backbone"]["size"]:
        raise ValueError("preprocessing.size must be backbone.size")
    if len(set(known["classes"])) != len(known["classes"]) or len(known["classes"]) < 2:
        raise ValueError("there must be several classes, each once")
    for name in ("n_photos", "n_points", "n_refused", "seed"):
        _check_range(known["training"][name], f"training.{name}", 0, _MOST)  # type: ignore[literal-required]
    _check_range(known["training"]["dropout"] or 0, "training.dropout", 0, 1)
    quantisation = known.get("quantisation")
    agreement = quantisation["agreement"] if quantisation else None
    if agreement:
        _check_range(agreement["n"], "quantisation.agreement.n", 1, _MOST)
        _check_range(agreement["n_equal"], "quantisation.agreement.n_equal", 0, agreement["n"])


def _check_range(value: float, name: str, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}; it is {_shown(value)}")


#: Whole numbers of a card are counts, years, sizes and seeds.
_MOST = 2**53

_KINDS: dict[object, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _check(values: object, kind: Any, name: str = "") -> None:
    """Raise a ValueError that names the first value that is not of its kind.

    Keys that a kind does not name are left alone: a later version may have written them.

    Parameters
    ----------
    values
        What JSON gave.
    kind
        A class above, or what stands there as the type of a value.
    name : str
        Where the value stands on the card, such as ``training.epochs``.
    """
    origin = get_origin(kind)
    if is_typeddict(kind):
        _check_keys(_as(dict, values, name), kind, name)
    elif origin in (Union, UnionType):
        kinds = get_args(kind)
        if values is not None or NoneType not in kinds:
            (only,) = [k for k in kinds if k is not NoneType]
            _check(values, only, name)
    elif origin is list:
        (of_each,) = get_args(kind)
        for i, value in enumerate(_as(list, values, name)):
            _check(value, of_each, f"{name}[{i}]")
    elif origin is dict:
        for key, value in _as(dict, values, name).items():
            _check(value, get_args(kind)[1], f"{name}.{key}")
    elif kind in _KINDS and not _is(values, kind):
        raise ValueError(f"{name} must be {_KINDS[kind]}; it is {_shown(values)}")


def _check_keys(values: Mapping[str, object], kind: Any, name: str) -> None:
    """Check what a class says of its keys, and that none that it requires is missing."""
    prefix = f"{name}." if name else ""
    for key, of_key in _hints(kind).items():
        is_required = get_origin(of_key) is not NotRequired
        if key in values:
            _check(values[key], of_key if is_required else get_args(of_key)[0], prefix + key)
        elif is_required:
            raise ValueError(f"{prefix}{key} is missing")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _as(kind: type, values: object, name: str) -> Any:
    if not isinstance(values, kind):
        what = "a list" if kind is list else "a group of names and values"
        raise ValueError(f"{name or 'the card'} must be {what}; it is {_shown(values)}")
    return values


def _is(value: object, kind: object) -> bool:
    if kind not in (int, float):
        return isinstance(value, cast(type, kind))
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= _MOST
    # A whole number may have come through R as 20.0.
    return math.isfinite(value) and (kind is float or value.is_integer())


def one_line(text: str, most: int = 200) -> str:
    """What stands on a card, for a message: on one line, without what would move a terminal's cursor."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= most else f"{plain[:most]}..."


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > _MOST:
        return "a number of more than 15 digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
