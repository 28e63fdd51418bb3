"""Networks in eight bits: put together from a float32 network and numbers that say how it is rounded.

A model keeps no network of OpenVINO's, which would be read as whoever wrote it pleases, but numbers: the
range of each activation that is rounded, the scale of each weight's channels, and constants put right. They
are laid onto the network that OpenVINO makes here of the model's own weights.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset13

from ..errors import LucasError
from ..networks.arrays import Arrays
from .bfloat16 import round_kernels

__all__ = ["CONSTANT", "RANGE", "SCALE", "computes_int8", "in_int8", "key_of", "names_of_layers"]

#: What an array is: the first word of its name. The number of the layer's input follows, and the layer.
RANGE, SCALE, CONSTANT = "range", "scale", "constant"

#: Values that an activation takes; the largest of a weight, which is symmetric about 0.
_LEVELS, _LARGEST = 256, 127

#: Numbers that are kept of one input, at most: those of a constant are as many as it has.
_MOST_CHANNELS = 100_000

#: No number is larger, and no step smaller: sums of what is made with them stay finite.
_MOST, _LEAST = 1e9, 1e-20

#: Names that OpenVINO counts out, which another version counts otherwise.
_COUNTED = re.compile(r"[A-Za-z]+_\d+")


def key_of(kind: str, port: int, layer: str) -> str:
    """The name of what is kept of one input of a layer."""
    return f"{kind}.{port}.{layer}"


def names_of_layers(network: Any) -> dict[str, Any]:
    """The layers of a network by names that tell them apart on every machine.

    OpenVINO names layers as torch does, and counts out those that it makes itself: such a one is named
    by the layer that takes what it gives.
    """
    names, layers = dict[str, str](), dict[str, Any]()
    for op in reversed(network.get_ordered_ops()):
        name = op.get_friendly_name()
        if _COUNTED.fullmatch(name):
            takers = [
                f"{names[taker.get_node().get_name()]}<{taker.get_index()}"
                for output in op.outputs()
                for taker in output.get_target_inputs()
            ]
            name = min(takers, default=name)
        names[op.get_name()] = name
        layers[op.get_name()] = op
    n_times = Counter(names.values())
    return {name: layers[own] for own, name in names.items() if n_times[name] == 1}


def in_int8(network: Any, quantised: Arrays) -> Any:
    """A copy of a float32 network that rounds to eight bits.

    Parameters
    ----------
    network : openvino.Model
        It is left as it is.
    quantised : dict of str to numpy.ndarray
        By `key_of`, float32: of a range its two ends, shape (2, ...); the scale of a weight; what stands in
        the place of a constant.

    Raises
    ------
    LucasError
        If these are no such numbers, or the network has no such layers.
    """
    network = network.clone()
    layers = names_of_layers(network)
    rounded = dict[tuple[str, int, bytes], Any]()  # once for all layers that take the same
    for entry in _entries(quantised):
        layer = layers.get(entry.layer)
        if layer is None or entry.port >= layer.get_input_size():
            raise LucasError(
                f"The network, as OpenVINO makes it here, has no layer {entry.layer!r} to round: another "
                "version made its eight bits"
            )
        source = layer.input_value(entry.port)
        if entry.kind == RANGE:
            key = (source.get_node().get_name(), source.get_index(), entry.values.tobytes())
            if key not in rounded:
                rounded[key] = _rounded(entry, source)
            new = rounded[key]
        else:
            new = _constant(entry, source.get_node())
        layer.input(entry.port).replace_source_output(new.output(0))
    network.validate_nodes_and_infer_types()
    return network


class _Entry(NamedTuple):
    """What is kept of one input of a layer."""

    kind: str
    port: int
    layer: str
    values: npt.NDArray[np.float32]

    def fault(self, what: str) -> LucasError:
        """An error about it."""
        return LucasError(f"What is kept for eight bits of the layer {self.layer!r} {what}")


def _entries(quantised: Arrays) -> Iterator[_Entry]:
    """What is kept, each part checked by itself."""
    for key, values in sorted(quantised.items()):
        kind, _, rest = key.partition(".")
        port, _, layer = rest.partition(".")
        entry = _Entry(kind, int(port) if re.fullmatch("[0-9]", port) else -1, layer, values)
        if kind not in (RANGE, SCALE, CONSTANT) or entry.port < 0:
            raise LucasError(f"{key!r} says nothing of eight bits")
        if values.dtype != np.float32 or not values.size:
            raise entry.fault("is other than numbers of float32")
        if not (np.abs(values) < _MOST).all():  # nor what is no number
            raise entry.fault("holds what is too large, or no number")
        yield entry


def _rounded(entry: _Entry, source: Any) -> Any:
    """An activation, rounded."""
    values, rank = entry.values, source.get_partial_shape().rank
    has_rank = rank.is_static and values.ndim - 1 == rank.get_length()
    is_shaped = values.shape[:1] == (2,) and (values.ndim == 1 or has_rank)
    # One range for all, or one a channel; never one a photo.
    is_wide = sum(n > 1 for n in values.shape[1:]) > 1 or values.shape[1:2] not in ((), (1,))
    if not is_shaped or is_wide or values.size > 2 * _MOST_CHANNELS:
        raise entry.fault("is no range")
    low, high = values
    if not (high - low > _LEVELS * _LEAST).all():
        raise entry.fault("is no range")
    ends = [opset13.constant(end) for end in (low, high)]
    try:
        return opset13.fake_quantize(source, *ends, *ends, _LEVELS)
    except RuntimeError as error:  # of other channels
        raise entry.fault("is the range of another") from error


def _constant(entry: _Entry, node: Any) -> Any:
    """What stands in the place of a constant: another one, or a weight of whole numbers."""
    if node.get_type_name() != "Constant" or node.get_element_type().to_dtype() != np.float32:
        raise entry.fault("is for a constant, which there is not")
    now, values = np.array(node.data, np.float32), entry.values
    if entry.kind == CONSTANT:
        if now.shape != values.shape:
            raise entry.fault(f"has the shape {values.shape}, not {now.shape}")
        return opset13.constant(values)
    is_fitting = values.ndim == now.ndim and all(
        n in (1, most) for n, most in zip(values.shape, now.shape, strict=True)
    )
    if not is_fitting or not (values > _LEAST).all():
        raise entry.fault("is no scale")
    return opset13.multiply(
        opset13.convert(opset13.constant(_whole(now / values)), np.float32),
        opset13.constant(values),
    )


def _whole(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Weights in steps as whole numbers; kernels such that each keeps its sum.

    The weights of a kernel that finds edges sum to almost 0; rounded one by one they would not, and plain
    brightness would give an answer. A third of all error in EfficientNet-Lite0 came from there.
    """
    size = int(np.prod(weights.shape[-2:]))
    if weights.ndim > 3 and size > 1:
        weights = round_kernels(weights.reshape(-1, size), _nearest).reshape(weights.shape)
    return _nearest(weights).astype(np.int8)


def _nearest(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.clip(np.rint(weights), -_LARGEST, _LARGEST)


def computes_int8(core: Any) -> bool:
    """Whether this CPU multiplies eight bits natively, told by what it computes.

    OpenVINO computes them everywhere. Without instructions for it (VNNI, AVX-VNNI, i8mm) it may compute in
    float32, which gains nothing, or add pairs of products in 16 bits, which are too few: classes change.
    """
    photos = opset13.parameter([1, 32, 8, 8], np.float32)
    ends = [opset13.constant(np.float32(end)) for end in (0, 255)]
    rounded = opset13.fake_quantize(photos, *ends, *ends, _LEVELS)
    weights = opset13.multiply(
        opset13.convert(opset13.constant(np.full((32, 32, 3, 3), _LARGEST, np.int8)), np.float32),
        opset13.constant(np.full((1, 1, 1, 1), 1 / _LARGEST, np.float32)),
    )
    sums = opset13.convolution(rounded, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    network = openvino.Model([sums.output(0)], [photos], "largest")
    try:
        compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        largest = compiled([np.full((1, 32, 8, 8), 255, np.float32)])[0]
    except RuntimeError:
        return False
    is_native = any(
        op.get_rt_info()["layerType"].astype(str) == "Convolution"
        and op.get_rt_info()["runtimePrecision"].astype(str) in ("u8", "i8")
        for op in compiled.get_runtime_model().get_ops()
    )
    return is_native and bool(np.allclose(largest, 255 * 32 * 9, rtol=1e-3))
