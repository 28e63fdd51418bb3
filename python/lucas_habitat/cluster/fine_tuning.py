"""Whole networks trained on a Ray cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from .._base import words
from .._base.files import full_path
from .._base.progress import Progress
from ..errors import InputError
from ..images.decode import Preprocessing
from .connection import connected

if TYPE_CHECKING:
    from ..networks.backbones import Backbone
    from ..networks.fitting import Fitted, LabelledRows, TrainingSettings

__all__ = ["FitNetwork", "check_checkpoints", "fitting_on_ray"]


class FitNetwork(Protocol):
    """Trains a copy of a backbone, and a head, on photos."""

    def __call__(
        self,
        paths: list[str],
        how: Preprocessing,
        rows: LabelledRows,
        backbone: Backbone,
        device: str,
        settings: TrainingSettings,
        progress: Progress,
    ) -> Fitted:
        """Train on the rows to fit, and score each epoch by the rows to validate on."""


def check_checkpoints(
    address: str | None, checkpoints: str | os.PathLike[str] | None
) -> Path | None:
    """The folder that checkpoints go to; a cluster of other machines needs to be told one."""
    if checkpoints is None:
        if address is not None:
            raise InputError(
                f"Training on the cluster at {words.arg('address', address)} needs a folder that all its "
                f"machines see, for what is kept of each epoch: give {words.arg('checkpoints')}."
            )
        return None
    folder = full_path(checkpoints)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{words.arg('checkpoints')} cannot be a folder: {error}") from error
    return folder


@contextmanager
def fitting_on_ray(address: str | None, checkpoints: Path | None) -> Iterator[FitNetwork]:
    """Be connected with a cluster, and give what trains networks there.

    What it kept of a training is removed when all that follows has gone well, so that the same
    training begun again after a fault goes on from its last epoch.
    """
    trained = list[Path]()
    with (
        connected(address) as cluster,
        # Workers have their folder open until they are gone, which Windows minds.
        TemporaryDirectory(ignore_cleanup_errors=True) as own,
    ):
        # Ray takes seconds to import, and is installed where it is wanted.
        from .training_job import fit_on

        yield partial(fit_on, cluster, checkpoints or Path(own), trained)
        for folder in trained:
            shutil.rmtree(folder, ignore_errors=True)
