"""Ray: a cluster that is there, or one of this machine's cores for as long as a run takes."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._base import words
from ..engines import cores
from ..errors import DependencyError, InputError

__all__ = ["Cluster", "connected"]

#: The object store holds the model and blocks of predictions, some MB in all.
_STORE_BYTES = 200_000_000


class Cluster(NamedTuple):
    """What a run may use."""

    cpus: int
    gpus: int
    #: Whether it is of this machine only, and ends with the run.
    is_local: bool


@contextmanager
def connected(address: str | None) -> Iterator[Cluster]:
    """Be connected with a cluster by its address; without one, with a new one of this machine's cores.

    Raises
    ------
    DependencyError
        If Ray is not installed.
    InputError
        If the cluster does not answer, or this process is connected with one already.
    """
    _check_installed()
    if address is None:
        _keep_to_this_machine()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use unless told not to
    import ray

    if ray.is_initialized():
        raise InputError(
            "This process is connected with a Ray cluster already; a run makes its own connection, so that "
            "it ends when the run does. Call ray.shutdown() first."
        )
    with _handlers_as_they_were():
        _connect(ray, address)
    try:
        resources = ray.cluster_resources()
        n_gpus = int(resources.get("GPU", 0))
        yield Cluster(
            cores() if address is None else int(resources.get("CPU", 0)), n_gpus, address is None
        )
    finally:
        ray.shutdown()


def _check_installed() -> None:
    missing = [n for n in ("ray", "pyarrow") if importlib.util.find_spec(n) is None]
    if missing:
        raise DependencyError(
            f"{words.arg('engine', 'ray')} needs Ray (extra cluster): "
            + words.either("pip install 'lucas-habitat[cluster]'", "lucas_install(cluster = TRUE)")
            + ". Ray has no packages for Python 3.15 and later, nor for macOS on Intel."
        )


def _keep_to_this_machine() -> None:
    """Have a cluster of this machine listen to this machine only, and to this account only.

    Ray reads these before it is imported; where it was, it listens as it then was told.
    """
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # so the address is 127.0.0.1
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@contextmanager
def _handlers_as_they_were() -> Iterator[None]:
    """Undo that Ray takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        ray.init(
            address="local",
            # One more than there are: what reads and what filters count as one, and hardly compute.
            num_cpus=cores() + 1,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            **quiet,
        )
        return
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"There is no Ray cluster at {words.arg('address', address)}: {error}"
        ) from error
