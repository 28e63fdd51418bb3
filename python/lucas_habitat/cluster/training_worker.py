"""What a worker of a training does: its share of each batch, and its part of what is kept of an epoch."""

from __future__ import annotations

import json
import os
import platform
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import ray
import ray.train
import ray.train.torch
import torch
from safetensors.numpy import load_file, save_file
from torch import distributed, nn

from .._base.cards import BackboneSpec
from .._base.files import write_json
from ..engines import use_cores
from ..errors import InputError, LucasError
from ..images.decode import Preprocessing, read_photos
from ..networks.arrays import Arrays
from ..networks.backbones import arrays_of, backbone_from
from ..networks.crew import Crew, Epoch
from ..networks.fitting import LabelledRows, TrainingSettings, train_network, whole_network

__all__ = ["FAILED", "HISTORY", "NETWORK", "STEPS", "Work", "train_together"]

#: Files of a checkpoint.
NETWORK, OPTIMIZER, HISTORY = "network.safetensors", "optimizer.safetensors", "history.json"
#: Files of the training: its steps, one a line, and what is wrong with it.
STEPS, FAILED = "steps.txt", "failed.json"


class Work(NamedTuple):
    """What is to be trained, and on what."""

    folder: str
    paths: list[str]
    how: Preprocessing
    rows: LabelledRows
    spec: BackboneSpec
    state: Arrays
    settings: TrainingSettings
    threads: int


def train_together(config: dict[str, Any]) -> None:
    """Train as one of Ray Train's workers."""
    work: Work = ray.get(config["work"])
    folder = Path(work.folder)
    if (
        folder / FAILED
    ).exists():  # Ray starts workers anew whatever the reason that they ended for
        return
    use_cores(work.threads)
    torch.set_num_threads(work.threads)
    try:
        _check_visible(work)
        crew = RayCrew(folder)
        network = whole_network(
            backbone_from(work.spec, work.state), len(work.rows.classes), work.settings
        ).to(crew.device)
        train_network(
            network,
            partial(read_photos, work.paths, work.how, work.threads),
            work.rows,
            work.how.size,
            work.settings,
            crew.tell if crew.rank == 0 else False,
            crew,
        )
    except LucasError as error:
        if folder.is_dir():
            write_json({"type": type(error).__name__, "text": str(error)}, folder / FAILED)
        raise


def _check_visible(work: Work) -> None:
    """Refuse a machine that lacks the folder of checkpoints."""
    if not os.path.isdir(work.folder):
        raise InputError(
            f"The machine {platform.node()} of the cluster does not have {work.folder}. Checkpoints must lie "
            "on a file system that all machines see under the same path."
        )


class RayCrew(Crew):
    """The workers of Ray Train: gradients averaged by torch, epochs kept by Ray's checkpoints."""

    def __init__(self, folder: Path) -> None:
        context = ray.train.get_context()
        self.rank, self.size = context.get_world_rank(), context.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()
        self._folder = folder
        self._has_history = self._has_started = False

    def joined(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
        """What to send photos through, so that gradients are the means over all workers."""
        self._network, self._optimizer = network, optimizer
        through = ray.train.torch.prepare_model(
            network,
            # What a network never uses has no gradient, on one machine as here.
            parallel_strategy_kwargs={"broadcast_buffers": False, "static_graph": True},
        )
        return cast(nn.Module, through)

    def seed(self, seed: int) -> int:
        """The training's own for the first worker, others for the others."""
        return seed if self.rank == 0 else _drawn(seed, self.rank)

    def begun(self) -> list[Epoch]:
        """Go on from the last checkpoint, if there is one."""
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return []
        with checkpoint.as_directory() as name:
            kept = Path(name)
            history: list[Epoch] = json.loads((kept / HISTORY).read_text(encoding="utf-8"))
            self._has_history = True
            self._network.load_state_dict(_tensors(load_file(kept / NETWORK)))
            _restore(self._optimizer, load_file(kept / OPTIMIZER))
            draws = kept / f"draws-{self.rank}.safetensors"
            if draws.exists():
                self._set_draws(_tensors(load_file(draws)))
            else:  # there are more workers than before
                torch.manual_seed(_drawn(torch.initial_seed(), self.rank, len(history)))
        return history

    def keep(self, history: list[Epoch]) -> None:
        """Keep the network, the optimizer and each worker's generator in a checkpoint of Ray's."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            save_file(self._draws(), folder / f"draws-{self.rank}.safetensors")
            if self.rank == 0:
                save_file(arrays_of(self._network), folder / NETWORK)
                save_file(_state_of(self._optimizer), folder / OPTIMIZER)
                write_json(history, folder / HISTORY)
            ray.train.report(
                {"epoch": len(history)},
                checkpoint=ray.train.Checkpoint.from_directory(name),
                checkpoint_dir_name=f"epoch-{len(history):06d}",
            )

    def agreed(self, order: torch.Tensor) -> torch.Tensor:
        """The order of photos that the first worker drew."""
        if self.size == 1:
            return order
        there = order.to(self.device)
        distributed.broadcast(there, 0)
        return there.cpu()

    def part(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """The share of some rows that this worker takes."""
        return np.array_split(rows, self.size)[self.rank]

    def total(self, loss: float, n_right: float) -> tuple[float, float]:
        """Sums over all workers."""
        if self.size == 1:
            return loss, n_right
        sums = torch.tensor([loss, n_right], dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        loss, n_right = sums.tolist()
        return loss, n_right

    def gathered(self, logits: torch.Tensor, n: int) -> torch.Tensor:
        """The logits of n rows, of which each worker has computed its share."""
        if self.size == 1:
            return logits
        # Each fills in its own rows, and what the others leave is zero.
        whole = torch.zeros(n, logits.shape[1], device=self.device)
        mine = self.part(np.arange(n))
        whole[torch.from_numpy(mine).to(self.device)] = logits.to(self.device)
        distributed.all_reduce(whole)
        return whole.cpu()

    def tell(self, done: int, total: int, what: str) -> None:
        """Note how many steps are done, for the program that waits; a start notes where it begins."""
        if done and not self._has_started:
            self._has_started = True
            self._note(f"start {done if self._has_history else 0}")
            if self._has_history:
                return
        if done:
            self._note(str(done))

    def _note(self, line: str) -> None:
        with (self._folder / STEPS).open("a", encoding="ascii", newline="\n") as file:
            file.write(f"{line}\n")

    def _draws(self) -> Arrays:
        """The state of the generators that dropout and augmentation draw from."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return {name: state.numpy() for name, state in states.items()}

    def _set_draws(self, states: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if self.device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.device)


def _drawn(*seeds: int) -> int:
    """A seed drawn from others."""
    return int(np.random.SeedSequence(seeds).generate_state(1)[0])


def _tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def _state_of(optimizer: torch.optim.Optimizer) -> Arrays:
    """What an optimizer remembers, as arrays by the parameter's number and their name."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value.cpu().numpy()
        for number, values in state.items()
        for name, value in values.items()
    }


def _restore(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Have an optimizer remember what `_state_of` gave."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _tensors(arrays).items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
