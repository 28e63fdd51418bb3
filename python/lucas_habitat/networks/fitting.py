"""How a head learns on frozen features, and a whole network on photos: steps, epochs, history."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.metrics import cohen_kappa_score
from torch import nn

from .._base import words
from .._base.cards import FittingCard
from .._base.progress import Progress, report
from ..errors import DeviceError, InputError
from .arrays import Arrays, arrays_sha256
from .backbones import Backbone, HabitatNet, arrays_of, make_head
from .crew import Crew, Epoch
from .memory import is_out_of_memory

#: In fine-tuning the backbone takes steps this much smaller than the head's.
BACKBONE_STEP = 0.02
# Keras' epsilon; torch's own (1e-8) takes visibly other steps at first.
_ADAM_EPSILON = 1e-7
# Photos that are evaluated at a time: by a network, and by a head.
_AT_A_TIME, _VALIDATED = 32, 16_384

#: Gives the photos of some rows as uint8, shape (n, size, size, 3).
Load = Callable[[npt.NDArray[np.intp]], npt.NDArray[np.uint8]]
#: Takes the rows of a batch, trains on them, and gives their mean loss and how many were right.
Step = Callable[[torch.Tensor], tuple[float, int]]


@dataclass(frozen=True)
class TrainingSettings:
    """What a recipe says, with what was asked for otherwise."""

    recipe: str
    freeze_backbone: bool
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    class_balance: str
    seed: int

    def card(self) -> FittingCard:
        """As the model's card has them."""
        return cast(FittingCard, {"head": "dense", **asdict(self)})


class LabelledRows(NamedTuple):
    """Which rows of a photo table to fit and to validate on, and every row's class and point, as numbers."""

    fit: npt.NDArray[np.intp]
    validate: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    points: npt.NDArray[np.intp]
    classes: list[str]


class Fitted(NamedTuple):
    """A backbone, the head on it, how they came to it, one row an epoch, and by what settings."""

    backbone: Backbone
    head: Arrays
    history: pd.DataFrame
    card: FittingCard


def fit_head(
    features: npt.NDArray[np.float32],
    rows: LabelledRows,
    backbone: Backbone,
    settings: TrainingSettings,
    progress: Progress,
) -> Fitted:
    """Train a head on the features that a frozen backbone gave."""
    head = make_head(features.shape[1], len(rows.classes), settings.dropout, settings.seed)
    # Rows are taken from the one array that there is: a copy of those to fit would hold it twice.
    step = _head_step(
        head,
        torch.from_numpy(features),
        torch.from_numpy(rows.fit),
        rows.labels[rows.fit],
        settings.dropout,
        settings.learning_rate,
        _weights(rows, settings),
    )

    def validation_logits() -> torch.Tensor:
        parts = [
            rows.validate[i : i + _VALIDATED] for i in range(0, len(rows.validate), _VALIDATED)
        ]
        with torch.inference_mode():
            return torch.cat([head.eval()(torch.from_numpy(features[part])) for part in parts])

    with _small_steps():
        history = _run_epochs(step, rows, validation_logits, settings, progress, Crew(), "cpu")
    return Fitted(backbone, arrays_of(head), history, settings.card())


def fit_network(
    load: Load,
    rows: LabelledRows,
    backbone: Backbone,
    size: int,
    device: str,
    settings: TrainingSettings,
    progress: Progress,
) -> Fitted:
    """Train a copy of a backbone and a head end to end."""
    network = whole_network(backbone, len(rows.classes), settings).to(device)
    history = train_network(network, load, rows, size, settings, progress, Crew())
    return tuned(network, backbone, history, settings.card())


def whole_network(backbone: Backbone, n_classes: int, settings: TrainingSettings) -> HabitatNet:
    """A copy of a backbone, and a new head on it, all of which is to be trained."""
    head = make_head(backbone.spec["num_features"], n_classes, settings.dropout, settings.seed)
    return HabitatNet(copy.deepcopy(backbone), head, frozen=False)


def train_network(
    network: HabitatNet,
    load: Load,
    rows: LabelledRows,
    size: int,
    settings: TrainingSettings,
    progress: Progress,
    crew: Crew,
) -> pd.DataFrame:
    """Train a network end to end, alone or as one of a crew; gives the history.

    Parameters
    ----------
    load : callable
        Gives the photos of some rows as uint8, shape (n, size, size, 3).
    """
    device = next(network.parameters()).device
    step = _network_step(
        network, load, rows, size, settings.learning_rate, _weights(rows, settings), crew
    )

    def validation_logits() -> torch.Tensor:
        network.eval()
        mine = crew.part(rows.validate)
        logits = [torch.zeros(0, len(rows.classes))]
        with torch.inference_mode():
            for i in range(0, len(mine), _AT_A_TIME):
                photos = _as_tensor(load(mine[i : i + _AT_A_TIME]))
                logits.append(network(photos.to(device)).cpu())
        return crew.gathered(torch.cat(logits), len(rows.validate))

    try:
        return _run_epochs(step, rows, validation_logits, settings, progress, crew, str(device))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            f"{device} has too little memory to train on {settings.batch_size} photos at a time. Lower "
            f"{words.arg('batch_size')}, close other programs that use it, or use "
            f"{words.arg('device', 'cpu')}."
        ) from error


def tuned(
    network: HabitatNet, backbone: Backbone, history: pd.DataFrame, card: FittingCard
) -> Fitted:
    """What a network that was trained end to end comes to; the backbone is the one it began with."""
    ready = network.cpu().eval().backbone
    ready.requires_grad_(False)
    ready.spec = {
        **backbone.spec,
        "weights": f"{backbone.spec['weights']}, fine-tuned",
        "weights_sha256": arrays_sha256(arrays_of(ready.network)),
    }
    return Fitted(ready, arrays_of(network.head), history, card)


def _run_epochs(
    step: Step,
    rows: LabelledRows,
    validation_logits: Callable[[], torch.Tensor],
    settings: TrainingSettings,
    progress: Progress,
    crew: Crew,
    device: str,
) -> pd.DataFrame:
    """The training loop that both recipes share; gives the history."""
    n = len(rows.fit)
    batch = min(settings.batch_size, n)
    n_steps = n // batch
    with (
        torch.random.fork_rng(_generators_of(device)),
        report(progress, settings.epochs * n_steps, "training") as advance,
    ):
        # Dropout and augmentation draw from the global generator.
        torch.manual_seed(crew.seed(settings.seed))
        history = crew.begun()
        if history:
            advance(len(history) * n_steps)
        for epoch in range(len(history) + 1, settings.epochs + 1):
            order = crew.agreed(_order(rows, settings))
            total_loss, n_right = 0.0, 0.0
            for chosen in torch.split(order[: n_steps * batch], batch):
                loss, n_right_of_batch = step(chosen)
                total_loss += loss
                n_right += n_right_of_batch
                advance(1)
            total_loss, n_right = crew.total(total_loss, n_right)
            if not np.isfinite(total_loss):
                raise InputError(
                    f"Training diverged in epoch {epoch}: the loss is {total_loss}. Lower "
                    f"{words.arg('learning_rate')}, which is {settings.learning_rate:g}."
                )
            scores: Epoch = {
                "loss": total_loss / n_steps,
                "accuracy": n_right / (n_steps * batch),
            }
            if len(rows.validate):
                scores |= _validation_scores(validation_logits(), rows.labels[rows.validate])
            history.append({"epoch": epoch, **scores})
            crew.keep(history)
    return pd.DataFrame(history)


def _generators_of(device: str) -> list[int]:
    """The GPU whose random numbers are put back after training; not all that the machine may have."""
    kind, _, number = device.partition(":")
    return [int(number or 0)] if kind == "cuda" else []


def _order(rows: LabelledRows, settings: TrainingSettings) -> torch.Tensor:
    """The photos of an epoch in random order; by sampling, equally many of each class."""
    n, k = len(rows.fit), len(rows.classes)
    if settings.class_balance != "sampling":
        return torch.randperm(n)
    labels = torch.from_numpy(rows.labels[rows.fit])
    # Where n is no multiple of k, another few classes get one photo more in each epoch.
    n_of_class = n // k + (torch.randperm(k) < n % k).long()
    parts = []
    for number, wanted in enumerate(n_of_class.tolist()):
        of_class = (labels == number).nonzero()[:, 0]
        # Whole rounds: no photo comes twice before all of its class came once.
        rounds = [torch.randperm(len(of_class)) for _ in range(-(-wanted // len(of_class)))]
        parts += [of_class[part] for part in rounds]
        parts[-1] = parts[-1][: len(parts[-1]) - (len(rounds) * len(of_class) - wanted)]
    order = torch.cat(parts)
    return order[torch.randperm(n)]


def _weights(rows: LabelledRows, settings: TrainingSettings) -> torch.Tensor | None:
    """The weight of each photo in the loss, 1 in the mean, so that all classes weigh alike."""
    if settings.class_balance != "weights":
        return None
    labels = rows.labels[rows.fit]
    n_of_class = np.bincount(labels, minlength=len(rows.classes))
    weights = len(labels) / (len(rows.classes) * n_of_class[labels])
    return torch.from_numpy(weights.astype(np.float32))


def _mean_loss(
    logs: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    """The cross-entropy of a batch from logarithms of probabilities, each photo with its weight."""
    if weights is None:
        return nn.functional.nll_loss(logs, truth)
    # Divided by the number of photos, not by their weights: batches with many rare photos count more.
    return (nn.functional.nll_loss(logs, truth, reduction="none") * weights).mean()


def _validation_scores(logits: torch.Tensor, labels: npt.NDArray[np.int64]) -> dict[str, float]:
    """Loss, accuracy and kappa of the photos validated on."""
    logits = logits.cpu()
    predicted = logits.argmax(1).numpy()
    return {
        "val_loss": float(nn.functional.cross_entropy(logits, torch.from_numpy(labels))),
        "val_accuracy": float((predicted == labels).mean()),
        "val_kappa": float(cohen_kappa_score(labels, predicted)),
    }


def _head_step(
    head: nn.Sequential,
    features: torch.Tensor,
    fit: torch.Tensor,
    labels: npt.NDArray[np.int64],
    dropout: float,
    learning_rate: float,
    weights: torch.Tensor | None = None,
) -> Step:
    """One step of training the head, with its four gradients written out.

    Autograd comes to the same numbers, but takes fresh memory for every gradient, of which the
    first layer's has 8 MB: that costs a quarter of the time.
    """
    hidden, output = cast(nn.Linear, head[0]), cast(nn.Linear, head[3])
    y, keep = torch.from_numpy(labels), 1 - dropout
    parameters = list(head.parameters())
    gradients = [torch.empty_like(p) for p in parameters]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, eps=_ADAM_EPSILON, fused=True)

    @torch.no_grad()
    def step(chosen: torch.Tensor) -> tuple[float, int]:
        below, truth = features[fit[chosen]], y[chosen]
        active = torch.addmm(hidden.bias, below, hidden.weight.t()).clamp_min_(0)
        mask = torch.empty_like(active).bernoulli_(keep).div_(keep)
        active *= mask
        out = torch.addmm(output.bias, active, output.weight.t())
        chances = out.log_softmax(1)
        loss = _mean_loss(chances, truth, None if weights is None else weights[chosen])
        error = chances.exp_()
        error[torch.arange(len(truth)), truth] -= 1
        if weights is not None:
            error *= weights[chosen][:, None]
        error /= len(truth)
        back = (error @ output.weight).mul_(mask).mul_(active > 0)
        for delta, given, weight, bias in (
            (back, below, *gradients[:2]),
            (error, active, *gradients[2:]),
        ):
            torch.mm(delta.t(), given, out=weight)
            torch.sum(delta, 0, out=bias)
        optimizer.step()
        return float(loss), int((out.argmax(1) == truth).sum())

    return step


def _network_step(
    network: HabitatNet,
    load: Load,
    rows: LabelledRows,
    size: int,
    learning_rate: float,
    weights: torch.Tensor | None,
    crew: Crew,
) -> Step:
    """One step of training a whole network on photos that are changed a little each time.

    It takes the rows of the whole batch and gives this process' part of the loss and of those right.
    """
    from torchvision.transforms import v2

    device = next(network.parameters()).device
    parts: list[dict[str, Any]] = [
        {"params": network.head.parameters()},
        {"params": network.backbone.parameters(), "lr": learning_rate * BACKBONE_STEP},
    ]
    optimizer = torch.optim.Adam(parts, lr=learning_rate, eps=_ADAM_EPSILON)
    through = crew.joined(network, optimizer)
    augment = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomResizedCrop(size, scale=(0.7, 1.0), ratio=(0.9, 1.1), antialias=True),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        ]
    )
    y = torch.from_numpy(rows.labels[rows.fit])

    def step(chosen: torch.Tensor) -> tuple[float, int]:
        network.train()
        # BatchNorm keeps ImageNet's statistics: batches of 32 are too few to find better ones.
        network.backbone.eval()
        mine = crew.part(chosen.numpy())
        batch = torch.stack([augment(photo) for photo in _as_tensor(load(rows.fit[mine]))])
        logits = through(batch.to(device))
        truth = y[mine].to(device)
        of_batch = None if weights is None else weights[mine].to(device)
        loss: Any = _mean_loss(logits.log_softmax(1), truth, of_batch)
        optimizer.zero_grad(set_to_none=True)
        # Gradients are averaged over the crew, of whom some have a photo more.
        share = len(mine) / len(chosen)
        (loss * (share * crew.size)).backward()
        optimizer.step()
        return float(loss.detach()) * share, int((logits.argmax(1) == truth).sum())

    return step


def _as_tensor(photos: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Photos as networks take them, channels first."""
    return torch.from_numpy(photos).permute(0, 3, 1, 2)


@contextmanager
def _small_steps() -> Iterator[None]:
    """Compute on one thread, and take denormal numbers for zero.

    Steps this small are hardly quicker on several threads, far slower where these wait for other
    work, and one thread adds up in the same order on every machine. Adam's mean gradient of a
    hidden unit that died halves until it is denormal, which tripled the time of its steps.
    """
    threads = torch.get_num_threads()
    flushed = float(torch.tensor(1e-38) * 0.1) == 0
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)
