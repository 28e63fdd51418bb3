"""Objects in S3, and in what speaks its language, through s3fs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from .._base import words
from ..errors import DependencyError, PhotoError
from .addresses import shown
from .requests import READERS, BusyError, Facts, again

__all__ = ["facts", "fetch", "list_objects"]

_BUSY = ("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "InternalError")

# By process: connections of one must not be used in another that was forked from it.
_systems: dict[int, Any] = {}
_lock = threading.Lock()

T = TypeVar("T")


class Object(NamedTuple):
    """An object that a listing names."""

    address: str
    size: int
    stamp: str


def fetch(address: str, start: int, length: int | None, most: int) -> bytes:
    """An object's bytes, or ``length`` of them from ``start``; not more than ``most``."""
    system = _system()
    bucket, key = _place(address)
    part = {} if length is None else {"Range": f"bytes={start}-{start + length - 1}"}

    def attempt() -> bytes:
        from fsspec.asyn import sync

        answer = system.call_s3("get_object", Bucket=bucket, Key=key, **part)
        stated = int(answer["ContentLength"])
        try:
            if stated > most:
                raise PhotoError("too large", f"the file has {stated:,} bytes")
            data: bytes = sync(system.loop, answer["Body"].read)
        finally:
            answer["Body"].close()
        if len(data) != stated:
            raise BusyError(f"{shown(address)}: {len(data):,} of {stated:,} bytes came")
        return data

    return again(lambda: _translated(address, attempt))


def facts(address: str) -> Facts:
    """An object's size and stamp."""
    system = _system()
    bucket, key = _place(address)

    def attempt() -> Facts:
        answer = system.call_s3("head_object", Bucket=bucket, Key=key)
        size = int(answer["ContentLength"])
        return Facts(size, _stamp(size, answer["ETag"]))

    return again(lambda: _translated(address, attempt))


def list_objects(address: str) -> Iterator[Object]:
    """The objects whose address begins with another, in order of key, a thousand at a time."""
    system = _system()
    bucket, prefix = _place(address)
    after: dict[str, str] = {}
    while True:

        def attempt(after: dict[str, str] = after) -> Any:
            return system.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **after)

        page = again(lambda: _translated(address, attempt))
        for entry in page.get("Contents", []):
            size = int(entry["Size"])
            yield Object(f"s3://{bucket}/{entry['Key']}", size, _stamp(size, entry["ETag"]))
        if not page.get("IsTruncated"):
            return
        after = {"ContinuationToken": page["NextContinuationToken"]}


def _stamp(size: int, etag: str) -> str:
    return f"{size}-{etag.strip(chr(34))}"


def _place(address: str) -> tuple[str, str]:
    bucket, _, key = address.split("://", 1)[1].partition("/")
    return bucket, key


def _system() -> Any:
    """Connections of this process to S3, set up as AWS' own tools are: by environment and profile."""
    with _lock:
        system = _systems.get(os.getpid())
        if system is None:
            try:
                import s3fs
            except ImportError as error:
                raise DependencyError(
                    "What lies in S3 needs s3fs: "
                    + words.either(
                        'pip install "lucas-habitat[remote]"', "lucas_install(remote = TRUE)"
                    )
                    + "."
                ) from error
            # Attempts are counted in one place, `again`.
            system = s3fs.S3FileSystem(
                config_kwargs={
                    "retries": {"total_max_attempts": 1, "mode": "standard"},
                    "max_pool_connections": READERS,
                },
                use_listings_cache=False,
                skip_instance_cache=True,
            )
            system.retries = 1
            _systems[os.getpid()] = system
        return system


def _translated(address: str, attempt: Callable[[], T]) -> T:
    """What an attempt gives, its faults said in a `PhotoError`, or a `BusyError` for what may pass."""
    try:
        return attempt()
    except (PhotoError, BusyError):
        raise
    except FileNotFoundError:
        raise PhotoError("missing", f"there is no {shown(address)}") from None
    except Exception as error:  # of botocore, aiohttp, asyncio and s3fs, which share no root
        response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
        text = f"{shown(address)}: {str(error).strip() or type(error).__name__}"
        if isinstance(response, dict):  # S3 answered
            code = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            name = response.get("Error", {}).get("Code", "")
            if code in (404, 410):
                raise PhotoError("missing", text) from error
            if code == 416:
                raise PhotoError(
                    "damaged", f"{shown(address)} ends before what is asked for"
                ) from None
            if code < 500 and code not in (408, 429) and name not in _BUSY:
                raise PhotoError("unreadable", text) from error
        elif type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
            raise PhotoError(
                "unreadable",
                f"{text}. Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "
                "FSSPEC_S3_ANON=true reads public buckets",
            ) from error
        elif isinstance(error, ValueError | TypeError) or "ParamValidation" in type(error).__name__:
            raise PhotoError("unreadable", text) from error
        raise BusyError(text) from error
