"""How a network is rounded to eight bits, found by NNCF with photos."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import openvino

from .._base import words
from .._base.progress import Progress, report
from ..errors import DependencyError, LucasError
from ..networks.arrays import Arrays
from .int8 import CONSTANT, RANGE, SCALE, key_of, names_of_layers
from .openvino_engine import core, float32_network

if TYPE_CHECKING:
    from ..networks.backbones import Backbone
    from ..networks.stored import StoredBackbone

__all__ = ["check_nncf", "quantised_by"]


def check_nncf() -> None:
    """Raise an error that says what to install where NNCF is missing."""
    if importlib.util.find_spec("nncf") is None:
        raise DependencyError(
            "Eight bits are found by the package nncf, which is not installed: "
            + words.either("pip install 'lucas-habitat[fast]'", "lucas_install(fast = TRUE)")
            + ". Classifying with a model that has them does not need it."
        )


def quantised_by(
    backbone: Backbone | StoredBackbone,
    photos: Sequence[npt.NDArray[np.uint8]],
    progress: Progress = True,
) -> Arrays:
    """How a backbone is rounded to eight bits, by what photos bring forth in it.

    Parameters
    ----------
    backbone : Backbone
    photos : sequence of numpy.ndarray
        uint8 of shape (size, size, 3).
    progress : bool or callable, default True

    Returns
    -------
    dict of str to numpy.ndarray
        See `int8.in_int8`; of networks side by side, each name with the network's number before it.
    """
    quantised: Arrays = {}
    with report(progress, len(photos) * len(backbone.parts), "photos") as advance:
        parts: Sequence[Backbone | StoredBackbone] = backbone.parts
        for i, part in enumerate(parts):
            network = float32_network(part)
            values = _unclipped(network, _kept(network, _quantise(network, photos, advance)))
            prefix = f"{i}." if len(backbone.parts) > 1 else ""
            quantised |= {f"{prefix}{key}": value for key, value in values.items()}
    return quantised


def _quantise(
    network: Any, photos: Sequence[npt.NDArray[np.uint8]], advance: Callable[[int], None]
) -> Any:
    """What NNCF makes of a network: the same with roundings in it, and weights in eight bits."""
    # It loads what compiles for GPUs, which is told in the terminal.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import nncf

    def shown(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        advance(1)
        return photo[None]

    nncf.set_log_level(logging.ERROR)
    with _without_bars(), _on_one_core():
        return nncf.quantize(
            network,
            nncf.Dataset(photos, shown),
            # Activations between any two numbers, weights symmetric about 0.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(photos),
            fast_bias_correction=True,
        )


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep NNCF from drawing bars of its own on standard output, where tables may go."""
    import rich

    console = rich.get_console()
    was_quiet, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = was_quiet


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Have NNCF compute with our Core of OpenVINO's.

    Each Core sets up a stack for signals, and puts back the one before when it goes. NNCF makes several,
    which go in another order; the next signal, as of Ctrl-C, would then find no stack and end the program.
    """
    theirs, openvino.Core = openvino.Core, core
    try:
        yield
    finally:
        openvino.Core = theirs


def _kept(network: Any, made: Any) -> Arrays:
    """What is to be kept of what NNCF made of a network."""
    theirs = {op.get_friendly_name(): op for op in made.get_ordered_ops()}
    kept: Arrays = {}
    for name, layer in names_of_layers(network).items():
        other = theirs.get(layer.get_friendly_name())
        if other is None or other.get_type_name() != layer.get_type_name():
            continue
        for port in range(layer.get_input_size()):
            mine, now = (op.input_value(port).get_node() for op in (layer, other))
            kind = now.get_type_name()
            if kind == "FakeQuantize" and mine.get_type_name() != "Constant":
                kept[key_of(RANGE, port, name)] = _range(now)
            elif kind == "Multiply" and mine.get_type_name() == "Constant":
                kept[key_of(SCALE, port, name)] = _scale(now)
            elif kind == mine.get_type_name() == "Constant":
                before, after = np.array(mine.data), np.array(now.data)
                if not np.array_equal(before, after):
                    kept[key_of(CONSTANT, port, name)] = after.astype(np.float32)
    if not any(key.startswith(SCALE) for key in kept):
        raise LucasError("NNCF found no layer of this network that it can round to eight bits.")
    return kept


def _unclipped(network: Any, kept: Arrays) -> Arrays:
    """What is kept, with room for every pixel before the first layer that has weights.

    NNCF takes the mean of photos' largest values, which would make everything brighter white. Pixels are
    whole numbers from 0 to 255 already: scaled, they are as many steps.
    """
    network = network.clone()
    layers = names_of_layers(network)
    for key in [key for key in kept if key.startswith(RANGE)]:
        _, port, name = key.split(".", 2)
        source = layers[name].input_value(int(port))
        if not _is_before_weights(source.get_node()):
            continue
        scaled = openvino.Model([source], network.get_parameters(), "pixels")
        size = [
            1,
            *[int(side.get_length()) for side in list(scaled.input(0).get_partial_shape())[1:]],
        ]
        run = core().compile_model(scaled, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        ends = [np.array(run([np.full(size, end, np.uint8)])[0]) for end in (0, 255)]
        kept[key] = np.array([min(map(np.min, ends)), max(map(np.max, ends))], np.float32)
    return kept


def _is_before_weights(node: Any) -> bool:
    """Whether nothing but scaling stands between photos and what a node gives."""
    if node.get_type_name() in ("Convolution", "GroupConvolution", "MatMul"):
        return False
    return all(_is_before_weights(value.get_node()) for value in node.input_values())


def _range(rounding: Any) -> npt.NDArray[np.float32]:
    low, high = (np.array(rounding.input_value(i).get_node().data, np.float32) for i in (1, 2))
    return np.stack(np.broadcast_arrays(low, high))


def _scale(product: Any) -> npt.NDArray[np.float32]:
    """What whole numbers are multiplied by to be a weight."""
    return np.array(product.input_value(1).get_node().data, np.float32)
