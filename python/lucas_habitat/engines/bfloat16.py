"""Networks made ready for bfloat16, so that its eight bits change the class of fewer photos.

Two measures are taken, both because of depthwise convolutions: each of their outputs is a sum of only
nine or 25 products, so rounding errors hardly average out. `benchmarks/bfloat16.py` shows the gain of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset13

__all__ = ["ready_for_bfloat16", "round_kernels"]

Values = npt.NDArray[np.float32]

_DEPTHWISE = "GroupConvolution"
_CONVOLUTIONS = ("Convolution", _DEPTHWISE)


def ready_for_bfloat16(network: Any) -> list[tuple[Any, str]]:
    """Split a network into what to run one after the other, and in which precision each.

    Parameters
    ----------
    network : openvino.Model
        With one input and one output, batch normalisation folded into its convolutions. It is
        left as it is.

    Returns
    -------
    list of (openvino.Model, str)
        Kernels of the parts in ``"bfloat16"`` are rounded to bfloat16 so that each kernel's sum is
        kept: the weights of a kernel that finds edges sum to almost 0, and rounded one by one they
        would no longer, so that plain brightness gave an answer. Where a network begins as
        MobileNets and EfficientNets do, with a depthwise convolution straight after the first one,
        these two and the next are a part of their own in ``"float32"``, because half of
        all rounding error would arise there.
    """
    network = network.clone()
    front, rest = _split(network)
    for convolution in _convolutions(rest):
        _round_kernels(convolution)
    return [(rest, "bfloat16")] if front is None else [(front, "float32"), (rest, "bfloat16")]


def _convolutions(network: Any) -> list[Any]:
    return [op for op in network.get_ordered_ops() if op.get_type_name() in _CONVOLUTIONS]


def _split(network: Any) -> tuple[Any, Any]:
    """The part for float32 and the rest; None and the whole network where it does not begin so."""
    first = _convolutions(network)[:4]
    kinds = [op.get_type_name() == _DEPTHWISE for op in first]
    if kinds[:3] != [False, True, False] or len(first) < 4:
        return None, network
    copy, cut = network.clone(), first[3].input_value(0)
    shape = cut.get_partial_shape()
    # Channels stay last between the parts, which convolutions compute fastest.
    between = opset13.parameter([shape[i] for i in (0, 2, 3, 1)], np.float32)
    again = opset13.transpose(between, np.array([0, 3, 1, 2]))
    for target in cut.get_target_inputs():
        target.replace_source_output(again.output(0))
    out = opset13.transpose(cut, np.array([0, 2, 3, 1]))
    front = openvino.Model([out.output(0)], network.get_parameters(), "front")
    try:
        return front, openvino.Model(network.get_results(), [between], "rest")
    except RuntimeError:  # the rest needs more of the front than the tensor at the cut
        return None, copy


def _round_kernels(convolution: Any) -> None:
    """Replace a convolution's weights by rounded ones."""
    weights = convolution.input_value(1).get_node()
    if weights.get_type_name() != "Constant":
        return
    values = np.array(weights.data, dtype=np.float32)
    size = int(np.prod(values.shape[-2:]))
    if size > 1:
        kernels = round_kernels(values.reshape(-1, size)).reshape(values.shape)
        convolution.input(1).replace_source_output(opset13.constant(kernels).output(0))


def round_kernels(
    kernels: npt.NDArray[np.float32], to: Callable[[Values], Values] | None = None
) -> npt.NDArray[np.float32]:
    """Round kernels, shape (n, weights), to bfloat16 or by a function, keeping the sum of each.

    The rounding error of a weight is added to the next smaller one before that is rounded. So the sum
    is off by no more than the smallest weight's error, and no weight changes by more than about the
    error of the largest.
    """
    to = to or _round
    order = np.argsort(-np.abs(kernels), axis=1, kind="stable")
    falling = np.take_along_axis(kernels, order, axis=1)
    error = np.zeros(len(kernels), np.float32)
    for i in range(falling.shape[1]):
        target = falling[:, i] + error
        falling[:, i] = to(target)
        error = target - falling[:, i]
    rounded = np.empty_like(kernels)
    np.put_along_axis(rounded, order, falling, axis=1)
    return rounded


def _round(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """To the nearest number of bfloat16, which is a float32 without its last 16 bits."""
    # OpenVINO's own conversion gives the neighbour on the other side for a quarter of all numbers.
    bits = values.view(np.uint32)
    bits = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32)
