"""Models in eight bits: networks rounded by what photos bring forth in them, and what that changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ._base import words
from ._base.cards import AgreementCard, QuantisationCard
from ._base.checks import check_number, check_seed
from ._base.intervals import wilson_interval
from ._base.progress import Progress
from ._base.signatures import checked
from ._base.types import Photos
from .agreement.measures import measures
from .engines import Target, choose_target, cores
from .errors import InputError, PhotoError, inform, warn
from .features import extract_features
from .images.decode import Preprocessing, decode_photo
from .model import (
    LEAST_AGREEMENT,
    HabitatModel,
    Model,
    agrees_with_float32,
    describe_agreement,
    logits_of,
    trained_on,
)
from .networks.stored import StoredBackbone
from .photos import as_photos
from .saved_models import as_model
from .sources import read_bytes

__all__ = ["N_PHOTOS", "check_can_quantise", "in_eight_bits", "quantize"]

#: Photos that the agreement with float32 is measured on, at most.
_MOST_COMPARED = 2_000

#: Photos below which ranges of activations, and agreement with float32, are rough.
_FEW = 100

_LEVEL = 0.95

#: Photos that eight bits are found with in training: as many as `quantize` takes where nothing is said.
N_PHOTOS = 300


@checked
def quantize(
    model: Model,
    photos: Photos,
    *,
    n_photos: int = 300,
    seed: int = 1,
    cache: bool = True,
    progress: Progress = True,
) -> HabitatModel:
    """Give a model eight bits, so that CPUs without bfloat16 classify about twice as fast.

    Photos show between which numbers the values in the model's networks lie; these, and the weights, are
    then rounded to 256 steps each. Photos that took no part in this tell how many keep the class that
    float32 gives them. It needs the extra ``fast``; classifying with the model needs nothing more.

    Parameters
    ----------
    model : HabitatModel, path or address
    photos : pandas.DataFrame, path or list of paths
        Photos such as the model is to classify, best two thousand or more; classes are of use, but not
        needed. The training photos will do.
    n_photos : int, default 300
        Photos to find the eight bits with, drawn evenly from all classes; at most half of those given. More
        than some hundred change little.
    seed : int, default 1
        Of that draw.
    cache : bool, default True
    progress : bool or callable, default True

    Returns
    -------
    HabitatModel
        The model with ``quantisation`` filled in, and int8 as its own precision; the one given is left as
        it is. ``quantisation["agreement"]`` holds how many of ``n`` photos keep float32's class
        (``n_equal``), the 95 % interval of that share (``low``, ``high``) and, of labelled photos, kappa in
        either precision. Where a device does not compute in eight bits the model is computed in float32, and
        that is said.

    Warns
    -----
    LucasWarning
        If fewer than 99 % of the photos keep their class: ``precision="auto"`` then never takes int8.

    Raises
    ------
    InputError
        If there are fewer than two photos, or none can be read.
    DeviceError
        If this CPU does not multiply eight bits natively, or OpenVINO is not installed.
    DependencyError
        If the package nncf is missing (extra ``fast``).
    LucasError
        If it can round nothing of the model's networks.

    Notes
    -----
    What is kept is numbers: the range of each activation that is rounded, a scale for each channel of a
    weight, and biases put right in the mean of the photos. They are laid onto the network that OpenVINO
    makes of the model's own weights, some hundred kilobytes among the model's tensors. The few layers
    whose rounding would change most stay in float32.

    References
    ----------
    Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV.

    Examples
    --------
    >>> model = quantize("model/", "photos/")                       # doctest: +SKIP
    >>> predictions = classify("photos/new", model)                 # doctest: +SKIP
    """
    check_number("n_photos", n_photos, 1, 100_000, whole=True)
    seed = check_seed(seed)
    check_can_quantise()
    model = as_model(model, progress)
    table = as_photos(photos).reset_index(drop=True)
    if len(table) < 2:
        raise InputError(
            f"Eight bits take two photos at least, one to find them and one to compare; got {len(table)}."
        )
    n = min(int(n_photos), len(table) // 2)
    return in_eight_bits(model, table, n, seed, None, cache, progress)


def check_can_quantise() -> None:
    """Refuse to quantise, before any work, where it cannot be done."""
    choose_target("cpu", "int8")
    from .engines.quantising import check_nncf

    check_nncf()


def in_eight_bits(
    model: HabitatModel,
    photos: pd.DataFrame,
    n: int,
    seed: int,
    validation: pd.DataFrame | None,
    cache: bool,
    progress: Progress,
) -> HabitatModel:
    """A model with eight bits that ``n`` photos showed, compared with float32 on others.

    These are ``validation`` photos, or those left of ``photos``: without the model's training photos where
    there are enough others.
    """
    quantised = _quantised(model, photos, n, seed, progress)
    model = replace(model, backbone=quantised.backbone, target=Target("openvino", "cpu", "int8"))
    if validation is not None:
        return _compared(model, quantised.card, validation, "validation", cache, progress)
    remaining = photos.drop(index=photos.index[quantised.rows])
    is_new = ~trained_on(model, remaining)
    has_enough = is_new.all() or int(is_new.sum()) >= _FEW
    whose = "given" if has_enough else "training"
    remaining = remaining[is_new] if has_enough else remaining
    return _compared(model, quantised.card, remaining, whose, cache, progress)


class _Quantised(NamedTuple):
    """A backbone with its eight bits, and with what they were found."""

    backbone: StoredBackbone
    card: QuantisationCard
    rows: npt.NDArray[np.intp]  # of the photos, in their table


def _quantised(
    model: HabitatModel, photos: pd.DataFrame, n: int, seed: int, progress: Progress
) -> _Quantised:
    """Find the eight bits of a model's networks with ``n`` photos, or as many as can be read."""
    from .engines.quantising import quantised_by

    paths = photos["path"].tolist()
    rows, pixels = list[int](), list[npt.NDArray[np.uint8]]()
    for row, photo in _decoded(paths, model.preprocessing, _drawn(photos, seed)):
        rows.append(row)
        pixels.append(photo)
        if len(rows) == n:
            break
    if not rows:
        raise InputError(f"None of {len(photos)} photos could be read to find eight bits with.")
    if len(rows) < _FEW:
        inform(
            f"Eight bits are found with {len(rows)} photos, which are few: {_FEW} or more show better "
            "between which numbers the values in the networks lie."
        )
    quantised = quantised_by(model.backbone, pixels, progress)
    stored = StoredBackbone(model.backbone.spec, model.backbone.state, quantised)
    card: QuantisationCard = {
        "sha256": str(stored.quantised_sha256),
        "n_photos": len(rows),
        "seed": seed,
        "preset": "mixed",
        "nncf": metadata.version("nncf"),
        "openvino": metadata.version("openvino"),
        "agreement": None,
    }
    return _Quantised(stored, card, np.array(rows))


def _drawn(photos: pd.DataFrame, seed: int) -> npt.NDArray[np.intp]:
    """All rows in the order in which they are drawn: one of each class in turn."""
    rows = np.random.default_rng(seed).permutation(len(photos))
    classes = photos["habitat"].iloc[rows]
    turns = classes.groupby(classes, dropna=False, observed=True).cumcount().to_numpy()
    drawn: npt.NDArray[np.intp] = rows[np.argsort(turns, kind="stable")]
    return drawn


def _decoded(
    paths: Sequence[str], how: Preprocessing, rows: npt.NDArray[np.intp]
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """The photos of rows that can be read, a few read at a time."""

    def photo_of(row: int) -> npt.NDArray[np.uint8] | None:
        try:
            return decode_photo(read_bytes(paths[row]), how)
        except PhotoError:
            return None

    with ThreadPoolExecutor(cores(), thread_name_prefix="photos") as pool:
        for few in np.array_split(rows, -(-len(rows) // 32)) if len(rows) else ():
            for row, photo in zip(few.tolist(), pool.map(photo_of, few.tolist()), strict=True):
                if photo is not None:
                    yield row, photo


def _compared(
    model: HabitatModel,
    card: QuantisationCard,
    photos: pd.DataFrame,
    whose: str,
    cache: bool,
    progress: Progress,
) -> HabitatModel:
    """A model with its card of eight bits, on which stands how they agree with float32 on some photos.

    ``whose`` photos these are stands there, too; of many some are drawn.
    """
    drawn = photos.iloc[_drawn(photos, card["seed"])[:_MOST_COMPARED]]
    agreement = _agreement(model, drawn, whose, cache, progress) if len(drawn) else None
    model = replace(model, quantisation={**card, "agreement": agreement})
    if agreement is None:
        inform("No photo was left to tell how eight bits agree with float32.")
    elif not agrees_with_float32(model):
        warn(
            f"Eight bits change the class of more than {1 - LEAST_AGREEMENT:.0%} of photos: "
            f"{describe_agreement(agreement)}. {words.arg('precision', 'auto')} does not take them; "
            f"{words.arg('precision', 'float32')} classifies without."
        )
    return model


def _agreement(
    model: HabitatModel, photos: pd.DataFrame, whose: str, cache: bool, progress: Progress
) -> AgreementCard | None:
    """How often a model gives the same class in eight bits and in float32."""
    passes = [
        extract_features(
            photos["path"].tolist(),
            model.backbone,
            model.preprocessing,
            Target("openvino", "cpu", precision),
            cache=cache,
            progress=progress,
        )
        for precision in ("float32", "int8")
    ]
    is_read = passes[0].ok & passes[1].ok
    n = int(is_read.sum())
    if not n:
        return None
    exact, rough = (logits_of(model, f.values[is_read]).argmax(axis=1) for f in passes)
    n_equal = int((exact == rough).sum())
    ends = wilson_interval(np.array(n_equal / n), np.array(1 / n), _LEVEL)
    numbers = {label: i for i, label in enumerate(model.classes)}
    labels = np.array([numbers.get(c, -1) for c in photos["habitat"].tolist()])[is_read]
    return {
        "photos": whose,
        "n": n,
        "n_equal": n_equal,
        "low": float(ends.low),
        "high": float(ends.high),
        "level": _LEVEL,
        "n_labelled": int((labels >= 0).sum()),
        "kappa_float32": _kappa(labels, exact, len(model.classes)),
        "kappa_int8": _kappa(labels, rough, len(model.classes)),
    }


def _kappa(
    labels: npt.NDArray[np.intp], predicted: npt.NDArray[np.intp], n_classes: int
) -> float | None:
    """Cohen's kappa of the photos with a label from 0 on; None where it is not defined."""
    is_labelled = labels >= 0
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (predicted[is_labelled], labels[is_labelled]), 1)
    kappa = float(measures(counts).kappa) if is_labelled.any() else np.nan
    return None if np.isnan(kappa) else kappa
