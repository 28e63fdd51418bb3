"""A network trained by Ray Train, as the program that asked for it sees it."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import ray
import torch
from ray.train import (
    CheckpointConfig,
    FailureConfig,
    LoggingConfig,
    RunConfig,
    ScalingConfig,
    TrainingFailedError,
)
from ray.train.torch import TorchTrainer
from safetensors.numpy import load_file

from .. import errors
from .._base import words
from .._base.cards import ClusterCard, FittingCard
from .._base.progress import Progress, report
from ..errors import InputError, LucasError
from ..images.decode import Preprocessing
from ..networks.backbones import Backbone
from ..networks.fitting import Fitted, LabelledRows, TrainingSettings, tuned, whole_network
from ..sources import is_remote
from .connection import Cluster
from .training_worker import FAILED, HISTORY, NETWORK, STEPS, Work, train_together
from .waiting import working

__all__ = ["fit_on"]

#: So often workers are started again after some were lost, and so often Ray waits a minute for their cores.
_TRIES = 5


class _Workers(NamedTuple):
    """How many train at a time, and what each has of its machine."""

    n: int
    cpus: int
    gpus: int


def fit_on(
    cluster: Cluster,
    storage: Path,
    trained: list[Path],
    paths: list[str],
    how: Preprocessing,
    rows: LabelledRows,
    backbone: Backbone,
    device: str,
    settings: TrainingSettings,
    progress: Progress,
) -> Fitted:
    """Train a copy of a backbone and a head end to end on a cluster; see `fit_network`.

    The folder that holds what is kept of it is added to ``trained``.
    """
    # Ray gives each worker a folder of its own to work in.
    paths = [path if is_remote(path) else os.path.abspath(path) for path in paths]
    folder = storage / _name(paths, how, rows, backbone, settings)
    folder.mkdir(exist_ok=True)
    (folder / FAILED).unlink(missing_ok=True)
    workers = _workers(cluster, min(settings.batch_size, len(rows.fit)), device)
    work = Work(
        str(folder), paths, how, rows, backbone.spec, backbone.state, settings, workers.cpus
    )
    trainer = TorchTrainer(
        train_together,
        train_loop_config={"work": ray.put(work)},
        scaling_config=ScalingConfig(
            num_workers=workers.n,
            use_gpu=workers.gpus > 0,
            resources_per_worker={"CPU": workers.cpus, "GPU": workers.gpus},
        ),
        run_config=RunConfig(
            name=folder.name,
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=_TRIES, controller_failure_limit=_TRIES),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            logging_config=LoggingConfig("ERROR"),
        ),
    )
    checkpoint = _fitted(trainer, folder, settings, rows, progress)
    trained.append(folder)
    network = whole_network(backbone, len(rows.classes), settings)
    network.load_state_dict(
        {name: torch.tensor(value) for name, value in load_file(checkpoint / NETWORK).items()}
    )
    history = pd.DataFrame(json.loads((checkpoint / HISTORY).read_text(encoding="utf-8")))
    card: FittingCard = {**settings.card(), "cluster": _card(workers, folder, settings, rows)}
    return tuned(network, backbone, history, card)


def _name(
    paths: list[str],
    how: Preprocessing,
    rows: LabelledRows,
    backbone: Backbone,
    settings: TrainingSettings,
) -> str:
    """The name of a training: another one where anything is other that its outcome hangs on."""
    plain = [asdict(settings), rows.classes, backbone.spec, how.as_dict(), paths]
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for array in (rows.fit, rows.validate, rows.labels):
        digest.update(np.ascontiguousarray(array, np.int64).tobytes())
    return f"lucas-habitat-training-{digest.hexdigest()[:16]}"


def _workers(cluster: Cluster, batch: int, device: str) -> _Workers:
    """One on each GPU with its share of the cores, or one on each core; each has a photo of every batch."""
    if cluster.gpus and device not in ("cpu", "torch"):
        n = min(cluster.gpus, batch)
        return _Workers(n, max(1, cluster.cpus // cluster.gpus), 1)
    if not cluster.cpus:
        raise InputError("The cluster has no cores to train on. Have its machines up before.")
    return _Workers(min(cluster.cpus, batch), 1, 0)


def _fitted(
    trainer: TorchTrainer,
    folder: Path,
    settings: TrainingSettings,
    rows: LabelledRows,
    progress: Progress,
) -> Path:
    """Have Ray train, and tell how far it is; gives the folder of the last epoch's checkpoint."""
    results = list[Any]()
    total = settings.epochs * _n_steps(settings, rows)
    told = 0
    try:
        with warnings.catch_warnings(), report(progress, total, "training") as advance:
            warnings.simplefilter("ignore")  # of Ray, about itself
            for _ in working(lambda: results.append(trainer.fit())):
                done = _Steps.read(folder).done
                if done > told:  # else steps are being repeated
                    advance(done - told)
                    told = done
    except TrainingFailedError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise LucasError(
            f"Training on the cluster failed: {lines[-1].strip() if lines else type(error).__name__} "
            f"The last epoch is kept; {words.call('train')} with the same arguments goes on."
        ) from error
    _raise_failure(folder)
    return Path(results[0].checkpoint.path)


def _raise_failure(folder: Path) -> None:
    """Raise what a worker found wrong with the training, as if it had been here."""
    if (folder / FAILED).exists():
        failure = json.loads((folder / FAILED).read_text(encoding="utf-8"))
        raise getattr(errors, failure["type"], LucasError)(failure["text"])


def _n_steps(settings: TrainingSettings, rows: LabelledRows) -> int:
    """Steps of an epoch."""
    return len(rows.fit) // min(settings.batch_size, len(rows.fit))


class _Steps(NamedTuple):
    """The steps that workers took."""

    #: How far the last start has come.
    done: int
    #: How often workers started.
    starts: int
    #: Of all starts together.
    taken: int

    @classmethod
    def read(cls, folder: Path) -> _Steps:
        """What the first worker of each start wrote."""
        try:
            lines = (folder / STEPS).read_text(encoding="ascii").split("\n")[:-1]
        except FileNotFoundError:
            return cls(0, 0, 0)
        starts = sum(line.startswith("start") for line in lines)
        return cls(int(lines[-1].split()[-1]) if lines else 0, starts, len(lines) - starts)


def _card(
    workers: _Workers, folder: Path, settings: TrainingSettings, rows: LabelledRows
) -> ClusterCard:
    """What the model's card says of the cluster."""
    steps = _Steps.read(folder)
    return {
        "ray": str(ray.__version__),
        "workers": workers.n,
        "device": "cuda" if workers.gpus else "cpu",
        "restarts": max(0, steps.starts - 1),
        "steps_repeated": max(0, steps.taken - settings.epochs * _n_steps(settings, rows)),
    }
