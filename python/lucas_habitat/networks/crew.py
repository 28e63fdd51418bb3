"""Who trains a network: this process alone, or with others that share its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import nn

__all__ = ["Crew", "Epoch"]

#: The scores of an epoch, by name.
Epoch = dict[str, float]


class Crew:
    """One process alone; whoever trains with others overrides how they come to one network."""

    #: Its number among those that train, and how many they are.
    rank, size = 0, 1

    def joined(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
        """What to send photos through, so that gradients are the means over all who train."""
        return network

    def seed(self, seed: int) -> int:
        """The seed of this process' own draws; the first one's is that of the training."""
        return seed

    def begun(self) -> list[Epoch]:
        """Go on after the last epoch that was kept, all being as it then was; gives the history so far."""
        return []

    def keep(self, history: list[Epoch]) -> None:
        """Keep an epoch that is done, to go on after it."""

    def agreed(self, order: torch.Tensor) -> torch.Tensor:
        """The order of photos that all follow: the first one's."""
        return order

    def part(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """The share of some rows that this process takes."""
        return rows

    def total(self, loss: float, n_right: float) -> tuple[float, float]:
        """Sums over all who train."""
        return loss, n_right

    def gathered(self, logits: torch.Tensor, n: int) -> torch.Tensor:
        """The logits of n rows, of which each has computed its share."""
        return logits
