"""Ray: a cluster that is there, or one of this machine's cores for as long as a run takes."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._base import words
from ..engines import cores
from ..errors import DependencyError, InputError, LucasError

__all__ = ["Cluster", "connected"]

#: The object store holds the model and blocks of predictions, some MB in all.
_STORE_BYTES = 200_000_000
#: Ray reports its use over the network unless told not to.
_OURS = {"RAY_USAGE_STATS_ENABLED": "0"}
#: One for all clusters of this process: Ray reads it once.
_TOKEN = secrets.token_hex(32)
#: Seconds that a cluster has to answer.
_PATIENCE = 10


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
        If no cluster answers, or this process is connected with one already.
    """
    _check_installed()
    with _environment(_OURS if address is not None else _OURS | _alone()):
        yield from _connection(address)


def _connection(address: str | None) -> Iterator[Cluster]:
    """Connect, give the cluster, and disconnect."""
    import ray

    if ray.is_initialized():
        raise InputError(
            "This process is connected with a Ray cluster already; a run makes a connection of its own, so "
            "that what it started there ends with it. Call ray.shutdown() first."
        )
    # Ray tells how its tokens are turned off before it knows how much it is to tell.
    logging.getLogger("ray").setLevel(logging.ERROR)
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


def _alone() -> dict[str, str]:
    """Settings by which a cluster of this machine listens to this machine only, and to this account only.

    Ray reads where to listen when it is imported; where it was before, it listens as it then was told.
    It asks for a token by itself, and would write one into the user's home.
    """
    settings = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # so the address is 127.0.0.1
        "RAY_BACKEND_LOG_LEVEL": "fatal",
    }
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        settings["RAY_AUTH_TOKEN"] = _TOKEN
    return settings


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Settings of Ray's that hold for as long as it runs, save where the user chose others."""
    before = {name: os.environ.get(name) for name in (*settings, "RAY_AUTH_MODE")}
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name, former in before.items():
            if former is None:
                os.environ.pop(name, None)


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


@contextmanager
def _without_libraries_of_r() -> Iterator[None]:
    """Start Ray's programs without R's folders of libraries, where another Python's may lie."""
    path = os.environ.pop("LD_LIBRARY_PATH", None) if "R_HOME" in os.environ else None
    try:
        yield
    finally:
        if path is not None:
            os.environ["LD_LIBRARY_PATH"] = path


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        try:
            with _without_libraries_of_r():
                ray.init(
                    address="local",
                    # One more than there are: what reads and what filters count as one, and hardly compute.
                    num_cpus=cores() + 1,
                    include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                    **quiet,
                )
        except Exception as error:  # Ray's own are of no common kind
            ray.shutdown()
            raise LucasError(f"Ray could not be started on this machine: {error}") from error
        return
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"There is no Ray cluster at {words.arg('address', address)}: {error}"
        ) from error


def _knock(address: str) -> None:
    """Try whether anything answers at a host and port, where Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
