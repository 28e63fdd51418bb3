"""A trained habitat model, and what its head says of features."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.cards import (
    AgreementCard,
    CalibrationCard,
    Card,
    PointCalibrationCard,
    QuantisationCard,
    SharedCard,
    TrainingSummary,
    one_line,
)
from ._base.places import photos_in_words, points_in_words
from ._base.types import Floats
from ._base.version import __version__, library_versions
from .engines import Target
from .errors import inform
from .features import Features
from .images.decode import Preprocessing
from .networks.arrays import Arrays, head_logits
from .networks.stored import StoredBackbone
from .sources import base_name

if TYPE_CHECKING:
    from torch import nn

    from .networks.backbones import Backbone

__all__ = ["HabitatModel", "Model"]

FORMAT = "lucas-habitat model"

#: Format 2 is that of models with eight bits; others are still written for programs that read format 1.
FORMAT_VERSION = 2

#: Share of photos that must keep the class of float32 for `"auto"` to take eight bits.
LEAST_AGREEMENT = 0.99

#: The column of a model's training photos by which a photo is known again; models of before lack it.
CONTENT = "content"


@dataclass(eq=False)
class HabitatModel:
    """A trained model. Print it to see its card.

    A model is equal to itself only; to compare two, compare their `card()` and arrays.

    Attributes
    ----------
    classes : list of str
        In the order of the probabilities.
    backbone : Backbone or StoredBackbone
        ``backbone.load()`` is the torch module, ``backbone.spec`` describes it.
    head_weights : dict of str to numpy.ndarray
        Of the head "dense", float32: ``0.weight`` (1024, features), ``0.bias`` (1024,),
        ``3.weight`` (classes, 1024) and ``3.bias`` (classes,). Of the head "logistic": ``weight``
        (classes, features), ``bias`` (classes,) and ``widths``, whole numbers, the features of each
        network. As a torch module it is ``head``.
    preprocessing : Preprocessing
        How photos must be read.
    target : Target
        The engine and precision the training features were computed with.
    history : pandas.DataFrame
        One row an epoch: ``epoch``, ``loss``, ``accuracy`` and, with validation points,
        ``val_loss``, ``val_accuracy``, ``val_kappa``.
    training : dict
        Recipe, settings, counts of photos, points and classes, and what was refused.
    calibration : dict or None
        ``temperature`` and how it was found; None if the model was not calibrated.
    training_photos : pandas.DataFrame
        ``photo`` (file name), ``point_id``, ``year``, ``direction``, ``habitat`` of all photos
        trained on, ``has_features``, which marks those behind ``training_features``, and ``content``, a code
        by which `in_training` knows a photo again (models made before lack it).
    training_features : numpy.ndarray
        float16; at most 20,000 rows, drawn at random from the training photos.
    created : str
        ISO date and time, UTC.
    versions : dict
        Of what it was trained with.
    levels : pandas.DataFrame or None
        What stands above the classes, as `class_levels` gives it; None where nothing does.
    shared : dict or None
        Title, licence, authors and credit of a model that was shared; see `share_model`.
    quantisation : dict or None
        How the model was rounded to eight bits, and its ``agreement`` with float32; None where it was
        not. See `quantize`.
    """

    classes: list[str]
    backbone: Backbone | StoredBackbone
    head_weights: Arrays
    preprocessing: Preprocessing
    target: Target
    history: pd.DataFrame
    training: TrainingSummary
    training_photos: pd.DataFrame
    training_features: npt.NDArray[np.float16]
    calibration: CalibrationCard | None = None
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=lambda: library_versions())
    levels: pd.DataFrame | None = None
    shared: SharedCard | None = None
    quantisation: QuantisationCard | None = None

    @property
    def temperature(self) -> float:
        """What logits are divided by; 1 without calibration."""
        return float(self.calibration["temperature"]) if self.calibration else 1.0

    @cached_property
    def head(self) -> nn.Module:
        """The head as a torch module: dense 1024, ReLU, dropout, dense; or logistic regression."""
        import torch

        from .networks.backbones import LogisticHead, make_head

        features, dropout = self.backbone.spec["num_features"], self.training["dropout"] or 0.0
        # Tensors that are made in inference mode take no gradients, and the first to ask may be in it.
        with torch.inference_mode(False):
            if "widths" in self.head_weights:
                return LogisticHead(self.head_weights).eval()
            head = make_head(features, len(self.classes), dropout, seed=0)
            head.load_state_dict({k: torch.tensor(v) for k, v in self.head_weights.items()})
        return head.eval()

    @cached_property
    def exact_head(self) -> Arrays:
        """The head's weights in float64."""
        return {
            name: value if np.issubdtype(value.dtype, np.integer) else value.astype(np.float64)
            for name, value in self.head_weights.items()
        }

    def card(self) -> Card:
        """Everything needed to trust and repeat the model, as plain values."""
        last = self.history.iloc[-1].to_dict() if len(self.history) else {}
        card: Card = {
            "format": FORMAT,
            "format_version": 1 if self.quantisation is None else FORMAT_VERSION,
            "lucas_habitat": __version__,
            "created": self.created,
            "classes": list(self.classes),
            "levels": None
            if self.levels is None
            else {str(c): self.levels[c].tolist() for c in self.levels.columns[1:]},
            "backbone": self.backbone.spec,
            "preprocessing": self.preprocessing.as_dict(),
            "engine": self.target.engine,
            "device": self.target.device,
            "precision": self.target.precision,
            "training": self.training,
            "calibration": self.calibration,
            "metrics": {str(k): None if pd.isna(v) else float(v) for k, v in last.items()},
            "versions": self.versions,
        }
        if self.quantisation is not None:
            card["quantisation"] = self.quantisation
        if self.shared is not None:
            card["shared"] = self.shared
        return card

    def __repr__(self) -> str:
        return words.in_python(describe_model(self))


def describe_model(model: HabitatModel) -> str:
    """What a model is, in a few lines, with the marks of `words`."""
    t = model.training
    spec = model.backbone.spec
    lines = [
        f"<lucas-habitat model> {', '.join(model.classes)}",
        f"  backbone     {spec['arch']} ({'frozen' if t['freeze_backbone'] else 'fine-tuned'}), "
        f"weights {spec['weights']}, {spec['size']} x {spec['size']}",
        "  trained on   "
        + photos_in_words(t["n_photos"], t["n_points"], t.get("n_without_point", 0))
        + (f", {t['n_refused']} refused" if t["n_refused"] else "")
        + f"; recipe {t['recipe']}, {describe_fitting(t)}, seed {t['seed']}",
        f"  computed by  {model.target.engine} on {model.target.device}, {model.target.precision}",
    ]
    if has_equal_shares(model):
        lines.append(
            f"  classes      balanced ({t['class_balance']}): probabilities are for equal class shares; "
            f"see {words.call('adjust_shares')}"
        )
    if model.levels is not None:
        counts = [f"{model.levels[c].nunique()} at {c}" for c in model.levels.columns[1:]]
        lines.insert(1, f"  levels       {', '.join(counts)}, {len(model.classes)} classes")
    if len(model.history):
        last = model.history.iloc[-1]
        shown = [
            f"{k} {last[k]:.3f}"
            for k in model.history.columns
            if k != "epoch" and not pd.isna(last[k])
        ]
        lines.append(f"  last epoch   {', '.join(shown)}")
    lines += [f"  eight bits   {line}" for line in quantisation_lines(model)]
    return "\n".join([*lines, *_calibration_lines(model), *_shared_lines(model)])


def describe_fitting(training: TrainingSummary) -> str:
    """How a head was fitted, in a few words."""
    if "regularisation" not in training:
        return f"{training['epochs']} epochs"
    card = training["regularisation"]
    how = f"by {card['n_folds']} inner folds" if card["n_folds"] else "too few points to choose"
    return f"logistic head, C {card['C']:g} ({how})"


def agrees_with_float32(model: HabitatModel) -> bool:
    """Whether eight bits change the class of so few photos that they may stand in for float32."""
    agreement = model.quantisation["agreement"] if model.quantisation else None
    return bool(agreement and agreement["n_equal"] >= LEAST_AGREEMENT * agreement["n"])


def quantisation_lines(model: HabitatModel) -> list[str]:
    """How well the model's eight bits agree with float32; nothing of a model without."""
    card = model.quantisation
    if card is None:
        return []
    agreement = card["agreement"]
    told = describe_agreement(agreement) if agreement else "agreement with float32 was not measured"
    return [f"int8, found with {card['n_photos']} photos; {told}"]


def describe_agreement(agreement: AgreementCard) -> str:
    """How often eight bits give the classes of float32, in words."""
    share = agreement["n_equal"] / agreement["n"]
    whose = {
        "validation": "validation photos",
        "training": "training photos that they were not found with",
        "given": "photos that they were not found with",
    }.get(agreement["photos"], "photos")
    text = (
        f"{share:.1%} of {agreement['n']} {whose} keep float32's class "
        f"({agreement['low']:.1%} to {agreement['high']:.1%})"
    )
    before, after = agreement["kappa_float32"], agreement["kappa_int8"]
    if before is not None and after is not None:
        text += f", kappa {before:.3f} -> {after:.3f}"
    return text


def _calibration_lines(model: HabitatModel) -> list[str]:
    """How far a model's probabilities are proportions: those of photos, and those of points."""
    if not model.calibration:
        return [
            "  calibrated   no: probabilities are scores, not proportions; see "
            + words.call("calibrate")
        ]
    card = model.calibration
    lines = [
        f"  calibrated   temperature {model.temperature:.3f} on "
        + points_in_words(card["n_points"], card["n_points"], card.get("n_without_point", 0))
        + (" (few: a rough number)" if card["n_points"] < 30 else "")
    ]
    points = card.get("points")
    if not points:
        # Cards of before points were calibrated do not name them.
        why = (
            "none with several photos was held out"
            if "points" in card
            else (f"made before points were; see {words.call('calibrate')}")
        )
        return [*lines, f"  points       not calibrated: {why}"]
    exponents = ", ".join(
        f"{pool} {correction['exponent']:.2f}" for pool, correction in points["corrections"].items()
    )
    return [
        *lines,
        f"  points       calibrated on {points['n_points']} point-years with several photos (exponents: "
        f"{exponents})" + ("; few, or a class lacks: rough" if points["rough"] else ""),
        *_learned_lines(points),
    ]


def _learned_lines(points: PointCalibrationCard) -> list[str]:
    """How the five views are seen as one, where held-out points taught that."""
    learned = points.get("learned")
    if not learned:
        return []
    line = f"  vote learned {learned['method'].replace('_', ' ')}"
    if not learned["candidates"]:
        return [f"{line} (too few points to choose)"]
    if learned["method"] == "mean":
        return [f"{line} (nothing beat it)"]
    gain = learned["candidates"][learned["method"]]
    weights = ", ".join(f"{d} {w:.2f}" for d, w in learned["weights"].items())
    return [
        f"{line} (log loss {gain['difference']:+.3f}, se {gain['se']:.3f}, from the mean's; "
        f"weights {weights})"
    ]


def _shared_lines(model: HabitatModel) -> list[str]:
    """Who shared a model, and what that asks of its users."""
    if not model.shared:
        return []
    shared = model.shared
    lines = [
        f"  shared by    {one_line(', '.join(shared['authors']))}; licence {one_line(shared['licence'])}"
    ]
    if "credit" in shared:
        lines.append(f"  credit       {one_line(shared['credit'].partition(chr(10))[0])}")
    if not shared["names_points"]:
        lines.append(
            "  test it on   points of your own: it does not name those that it was trained on"
        )
    return lines


#: A model, or the folder, zip or address that holds one.
Model = HabitatModel | str | os.PathLike[str]


def has_equal_shares(model: HabitatModel) -> bool:
    """Whether classes were balanced in training, so that probabilities are for equal class shares."""
    return model.training.get("class_balance", "none") != "none"


def logits_of(model: HabitatModel, features: npt.NDArray[np.float32]) -> Floats:
    """The head's output, shape (n, classes), before calibration."""
    return head_logits(model.exact_head, features)


def probabilities_of(logits: Floats, temperature: float = 1.0) -> Floats:
    """Softmax in float64; rows sum to 1 within rounding."""
    scores = logits / temperature
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Floats = scores / scores.sum(axis=1, keepdims=True)
    return result


def p_of(model: HabitatModel, features: Features) -> Floats:
    """Class probabilities, shape (n, classes); NaN where a photo could not be read."""
    p = np.full((len(features.status), len(model.classes)), np.nan)
    is_read = features.ok
    p[is_read] = probabilities_of(logits_of(model, features.values[is_read]), model.temperature)
    return p


def trained_on(model: HabitatModel, photos: pd.DataFrame) -> pd.Series:
    """Mark photos of points that the model was trained on."""
    training = model.training_photos
    has_trained_point = photos["point_id"].isin(training["point_id"].dropna())
    # A photo without a point is recognised by its file name and label.
    names = set(zip(training["photo"], training["habitat"], strict=True))
    has_trained_name = [
        isinstance(path, str) and (base_name(path), label) in names
        for path, label in zip(photos["path"], photos["habitat"], strict=True)
    ]
    has_no_point = photos["point_id"].isna()
    return has_trained_point | (has_no_point & np.array(has_trained_name, dtype=bool))


def marked_as_trained(model: HabitatModel, photos: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Photos, those of points that the model was trained on with the split ``"train"``; their number.

    `evaluate` notes accuracy on such rows as overstated, by their split.
    """
    is_trained_on = trained_on(model, photos) & photos["split"].isna()
    if is_trained_on.any():
        photos = photos.assign(split=photos["split"].where(~is_trained_on, "train"))
    return photos, int(is_trained_on.sum())


def inform_of_training(n: int, of: int) -> None:
    """Say how many photos are of points that the model was trained on."""
    if n:
        inform(
            f"{n} of {of} photos are of points the model was trained on: their split is set to "
            "'train'. Accuracy on them says nothing of other points."
        )
