"""Too little memory on a GPU: how errors say it, and what torch can give back."""

from __future__ import annotations

import torch

__all__ = ["free_memory", "is_out_of_memory"]

# What CUDA, cuDNN, cuBLAS and Metal say; only CUDA has a class of error for it. cuDNN finds no way to compute
# a convolution where the working memory for none of them can be had.
_SIGNS = (
    "out of memory",
    "alloc_failed",
    "unable to find an engine",
    "unable to find a valid cudnn algorithm",
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a GPU's memory does not suffice."""
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


def free_memory(device: torch.device) -> None:
    """Give the device back what torch keeps of its memory for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
