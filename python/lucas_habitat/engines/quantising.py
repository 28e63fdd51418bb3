"""How a network is rounded to eight bits: ranges and scales by NNCF and photos, biases put right here.

`benchmarks/int8.py` shows what each step changes.
"""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset13
from openvino.utils.node_factory import NodeFactory

from .._base import words
from .._base.progress import Progress, report
from ..errors import DependencyError, LucasError
from ..networks.arrays import Arrays
from .int8 import CONSTANT, RANGE, SCALE, in_int8, key_of, names_of_layers
from .openvino_engine import core, float32_network

if TYPE_CHECKING:
    from ..networks.backbones import Backbone
    from ..networks.stored import StoredBackbone

__all__ = ["check_nncf", "quantised_by"]

#: Photos that show which layers are sensitive.
_N_SENSITIVE = 20

#: A layer stays in float32 that gives more than this share of all layers' errors, summed as squares, and so
#: many times more than its share of the arithmetic: others gain less accuracy than they cost time.
_MOST_OF_ERROR, _WORTH = 0.05, 10

#: How much farther than was seen the range of one channel goes, and what share of the widest channel's at
#: least: some channels are silent in most photos, and what goes beyond is cut off.
_BEYOND, _LEAST_OF_WIDEST = 1.25, 0.5


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
            values = _without_sensitive(network, _with_biases(network, values, photos), photos)
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
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

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
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # From the least to the largest value of all photos, not to the mean of photos' largest.
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                # Its own is for weights rounded as it rounds them, and leaves out half of the biases.
                disable_bias_correction=True,
            ),
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
    """The ranges and scales to be kept of what NNCF made of a network."""
    theirs = {op.get_friendly_name(): op for op in made.get_ordered_ops()}
    kept: Arrays = {}
    for name, layer in names_of_layers(network).items():
        other = theirs.get(layer.get_friendly_name())
        if other is None or other.get_type_name() != layer.get_type_name():
            continue
        for port in range(layer.get_input_size()):
            mine, now = (op.input_value(port).get_node() for op in (layer, other))
            kind, is_constant = now.get_type_name(), mine.get_type_name() == "Constant"
            # What residual connections add is not rounded: that gains no time, and costs accuracy.
            if kind == "FakeQuantize" and not is_constant and layer.get_type_name() != "Add":
                kept[key_of(RANGE, port, name)] = _range(now)
            elif kind == "Multiply" and is_constant:
                kept[key_of(SCALE, port, name)] = _scale(now)
    if not any(key.startswith(SCALE) for key in kept):
        raise LucasError("NNCF found no layer of this network that it can round to eight bits.")
    return kept


def _unclipped(network: Any, kept: Arrays) -> Arrays:
    """What is kept, with room for every pixel before the first layer that has weights.

    These photos may have no black or no white. Pixels are whole numbers from 0 to 255 already: scaled, they
    are as many steps.
    """
    network = network.clone()
    layers = names_of_layers(network)
    for key in [key for key in kept if key.startswith(RANGE)]:
        source = layers[_layer_of(key)].input_value(int(key.split(".")[1]))
        if not _is_before_weights(source.get_node()):
            continue
        scaled = openvino.Model([source], network.get_parameters(), "pixels")
        size = [
            1,
            *[int(side.get_length()) for side in list(scaled.input(0).get_partial_shape())[1:]],
        ]
        run = _compiled(scaled)
        ends = [np.array(run([np.full(size, end, np.uint8)])[0]) for end in (0, 255)]
        kept[key] = np.array([min(map(np.min, ends)), max(map(np.max, ends))], np.float32)
    return kept


def _with_biases(network: Any, kept: Arrays, photos: Sequence[npt.NDArray[np.uint8]]) -> Arrays:
    """What is kept, and biases that take back what rounding weights changes in the mean of photos.

    Beside each layer stands the same with the error of its rounded weights in their place; the mean of what
    that gives is added, channel by channel, to the bias that follows.
    """
    network = network.clone()
    layers = names_of_layers(network)
    names = {op.get_name(): name for name, op in layers.items()}
    rounded = {op.get_friendly_name(): op for op in in_int8(network, kept).get_ordered_ops()}
    biases, errors = dict[str, npt.NDArray[np.float32]](), list[Any]()
    for layer in [layers[_layer_of(key)] for key in _weights(kept)]:
        addition = _addition_after(layer)
        if addition is not None and addition.get_name() in names:
            bias = addition.input_value(1).get_node().data
            biases[key_of(CONSTANT, 1, names[addition.get_name()])] = np.array(bias, np.float32)
            errors.append(_mean_error(layer, rounded[layer.get_friendly_name()]))
    if not errors:
        return kept
    run = _compiled(openvino.Model(errors, network.get_parameters(), "errors"))
    for photo in photos:
        for bias, error in zip(biases.values(), run([photo[None]]).values(), strict=True):
            bias += np.array(error).reshape(bias.shape) / len(photos)
    return kept | biases


def _without_sensitive(
    network: Any, kept: Arrays, photos: Sequence[npt.NDArray[np.uint8]]
) -> Arrays:
    """What is kept, without the few layers that change features most when they alone are rounded.

    They stay in float32: of networks of MobileNet's family the first depthwise convolution, of Xception
    what takes values far from all others.
    """
    layers = names_of_layers(network)
    names = {op.get_name(): name for name, op in layers.items()}
    parts = [_part_of(layers[_layer_of(key)], names, kept, key) for key in _weights(kept)]
    few = np.stack(photos[:_N_SENSITIVE])
    exact = _compiled(network)([few])[0]
    changes = (_compiled(in_int8(network, part))([few])[0] - exact for part in parts)
    errors = np.array([np.square(change).sum() for change in changes])
    work = np.array([_multiplications(layers[_layer_of(key)]) for key in _weights(kept)])
    shares = errors / max(errors.sum(), np.finfo(np.float64).tiny)
    is_sensitive = (shares > _MOST_OF_ERROR) & (shares > _WORTH * work / work.sum())
    sensitive = {key for i in np.flatnonzero(is_sensitive) for key in parts[i]}
    return {key: values for key, values in kept.items() if key not in sensitive}


def _weights(kept: Arrays) -> list[str]:
    """The scales of layers that multiply what they take by weights."""
    return [key for key in kept if key.startswith(f"{SCALE}.1.")]


def _part_of(layer: Any, names: dict[str, str], kept: Arrays, scale: str) -> Arrays:
    """What is kept of one layer: its scale, the range of what it takes, and its bias."""
    before, after = layer.input_value(0).get_node(), _addition_after(layer)
    keys = [scale, key_of(RANGE, 0, _layer_of(scale))]
    if before.get_type_name() == "Pad":  # what it gives is rounded before it
        keys.append(key_of(RANGE, 0, names.get(before.get_name(), "")))
    if after is not None:
        keys.append(key_of(CONSTANT, 1, names.get(after.get_name(), "")))
    return {key: kept[key] for key in keys if key in kept}


def _multiplications(layer: Any) -> float:
    """How many a layer does for one photo."""
    outputs = [int(side.get_length()) for side in list(layer.get_output_partial_shape(0))[1:]]
    n_channels = outputs[-1] if layer.get_type_name() == "MatMul" else outputs[0]
    n_weights = int(layer.input_value(1).get_node().data.size)
    return math.prod(outputs) * n_weights / n_channels


def _compiled(network: Any) -> Any:
    return core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def _layer_of(key: str) -> str:
    """The layer that something is kept of; see `key_of`."""
    return key.split(".", 2)[2]


def _addition_after(layer: Any) -> Any:
    """What adds a bias to all that a layer gives, or None."""
    takers = [taker.get_node() for taker in layer.output(0).get_target_inputs()]
    if len(takers) != 1 or takers[0].get_type_name() != "Add":
        return None
    has_constant = takers[0].input_value(1).get_node().get_type_name() == "Constant"
    return takers[0] if has_constant else None


def _mean_error(layer: Any, rounded: Any) -> Any:
    """What a layer gives more with its own weights than with rounded ones, in the mean of each channel."""
    whole, scale = (value.get_node() for value in rounded.input_value(1).get_node().input_values())
    weights = np.array(layer.input_value(1).get_node().data, np.float32)
    rounding = weights - whole.input_value(0).get_node().data * scale.data
    errors = NodeFactory("opset13").create(
        layer.get_type_name(),
        [layer.input_value(0), opset13.constant(rounding.astype(np.float32)).output(0)],
        layer.get_attributes(),
    )
    n_axes = errors.get_output_partial_shape(0).rank.get_length()
    channel = n_axes - 1 if layer.get_type_name() == "MatMul" else 1
    others = np.delete(np.arange(n_axes), channel)
    return opset13.reduce_mean(errors, others, keep_dims=True).output(0)


def _is_before_weights(node: Any) -> bool:
    """Whether nothing but scaling stands between photos and what a node gives."""
    if node.get_type_name() in ("Convolution", "GroupConvolution", "MatMul"):
        return False
    return all(_is_before_weights(value.get_node()) for value in node.input_values())


def _range(rounding: Any) -> npt.NDArray[np.float32]:
    low, high = (np.array(rounding.input_value(i).get_node().data, np.float32) for i in (1, 2))
    if low.size > 1:  # one a channel, whose ends are on both sides of 0 or at it
        low = np.minimum(_BEYOND * low, _LEAST_OF_WIDEST * low.min())
        high = np.maximum(_BEYOND * high, _LEAST_OF_WIDEST * high.max())
    return np.stack(np.broadcast_arrays(low, high))


def _scale(product: Any) -> npt.NDArray[np.float32]:
    """What whole numbers are multiplied by to be a weight."""
    return np.array(product.input_value(1).get_node().data, np.float32)
