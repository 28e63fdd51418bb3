"""Networks made ready for bfloat16, whose eight bits would change more classes than they must.

Both measures are for convolutions of one channel each, "depthwise", whose nine or 25 weights do not
average their rounding away; `benchmarks/bfloat16.py` shows what each of them gains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset13

__all__ = ["ready_for_bfloat16"]

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
        Kernels of the parts in ``"bfloat16"`` are numbers of bfloat16 that keep each kernel's sum: a
        kernel that finds edges adds up to almost nothing, and rounded weight by weight it would
        answer to plain brightness. Where a network begins as MobileNets and EfficientNets do,
        with a depthwise convolution straight after the first one, these two and the next are a part
        of their own in ``"float32"``: they see the plain colours of the photo, and half of
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
    """The first three convolutions and the rest; None and all where they are not such."""
    first = _convolutions(network)[:4]
    kinds = [op.get_type_name() == _DEPTHWISE for op in first]
    if kinds[:3] != [False, True, False] or len(first) < 4:
        return None, network
    whole, cut = network.clone(), first[3].input_value(0)
    shape = cut.get_partial_shape()
    # Photos' channels stay last between the parts, as convolutions like it.
    between = opset13.parameter([shape[i] for i in (0, 2, 3, 1)], np.float32)
    again = opset13.transpose(between, np.array([0, 3, 1, 2]))
    for target in cut.get_target_inputs():
        target.replace_source_output(again.output(0))
    out = opset13.transpose(cut, np.array([0, 2, 3, 1]))
    front = openvino.Model([out.output(0)], network.get_parameters(), "front")
    try:
        return front, openvino.Model(network.get_results(), [between], "rest")
    except RuntimeError:  # another way leads from the photo past the cut
        return None, whole


def _round_kernels(convolution: Any) -> None:
    weights = convolution.input_value(1).get_node()
    if weights.get_type_name() != "Constant":
        return
    values = np.array(weights.data, dtype=np.float32)
    size = int(np.prod(values.shape[-2:]))
    if size > 1:
        kernels = round_kernels(values.reshape(-1, size)).reshape(values.shape)
        convolution.input(1).replace_source_output(opset13.constant(kernels).output(0))


def round_kernels(kernels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Round kernels, shape (n, weights), to bfloat16, keeping the sum of each.

    What rounding takes from a weight is given to the next smaller one, so that what is missing in
    the end is no more than the smallest loses, and no weight moves by more than the largest could.
    """
    order = np.argsort(-np.abs(kernels), axis=1, kind="stable")
    falling = np.take_along_axis(kernels, order, axis=1)
    left = np.zeros(len(kernels), np.float32)
    for i in range(falling.shape[1]):
        wanted = falling[:, i] + left
        falling[:, i] = _round(wanted)
        left = wanted - falling[:, i]
    rounded = np.empty_like(kernels)
    np.put_along_axis(rounded, order, falling, axis=1)
    return rounded


def _round(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """To the nearest number of bfloat16, which is a float32 without its last 16 bits."""
    # OpenVINO's own conversion gives the neighbour on the other side for a quarter of all numbers.
    bits = values.view(np.uint32)
    bits = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32)
