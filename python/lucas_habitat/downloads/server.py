"""Servers that files are fetched from: addresses, requests, faults, patience."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2

from .._base import words
from .._base.version import __version__
from ..errors import DownloadError, InputError

__all__ = [
    "LOCAL",
    "FaultError",
    "Pace",
    "StoppedError",
    "check_url",
    "may_lead",
    "open_client",
    "open_response",
    "persist",
    "stated_length",
]

LOCAL = ("localhost", "127.0.0.1", "::1")

_BACKOFF, _LONGEST_BACKOFF, _LONGEST_WAIT = 1.0, 60.0, 300.0  # seconds

_REDIRECTS = 4

_BUSY = (408, 425, 429, 500, 502, 503, 504)

_USER_AGENT = f"lucas-habitat/{__version__} (R and Python package; habitats from LUCAS photos)"

T = TypeVar("T")


class FaultError(Exception):
    """One request did not bring what was asked for."""

    def __init__(
        self, status: str, message: str, *, again: bool = False, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.again = again
        self.after = after


class StoppedError(Exception):
    """Another thread met something that ends the run."""


def check_url(url: str, name: str, query: bool = False) -> None:
    """Refuse what is no plain address of https, or of http on this computer."""
    try:
        parts = urlsplit(url)
        local = parts.hostname in LOCAL
        fits = bool(parts.hostname) and not (parts.username or parts.fragment)
        fits = fits and (query or not parts.query)
    except (ValueError, AttributeError, TypeError):
        raise InputError(
            f"{words.arg(name)} must be an https address; got {words.value(url)} instead."
        ) from None
    if not fits or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise InputError(
            f"{words.arg(name)} must be an https address without user{'' if query else ', query'} "
            f"or fragment (http only to this computer); got {words.value(url)} instead."
        )


@contextmanager
def open_client(connections: int, timeout: float) -> Iterator[httpx2.Client]:
    """Open a client with the proxy and certificates that the environment names."""
    try:
        client = httpx2.Client(
            headers={"user-agent": _USER_AGENT, "accept-encoding": "identity"},
            timeout=httpx2.Timeout(timeout, pool=None),
            limits=httpx2.Limits(max_connections=connections),
            # A proxy leads to the internet, not to this computer.
            mounts={f"all://{'[::1]' if host == '::1' else host}": None for host in LOCAL},
        )
    except (ValueError, ImportError, OSError) as error:
        raise DownloadError(
            f"The proxy or certificates set in the environment cannot be used: {error}. Look at "
            "HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from error
    with client:
        yield client


@contextmanager
def open_response(
    client: httpx2.Client,
    url: str,
    headers: dict[str, str] | None = None,
    *,
    elsewhere: bool = False,
) -> Iterator[httpx2.Response]:
    """Open an answer that is no error, following redirects on the same host, or to others by https."""
    answered = False
    try:
        for _ in range(_REDIRECTS):
            with client.stream("GET", url, headers=headers) as response:
                answered = True
                if not response.has_redirect_location:
                    _check_status(response)
                    yield response
                    return
                here, there = httpx2.URL(url), httpx2.URL(url).join(response.headers["location"])
                if not (_is_same(here, there) or (elsewhere and may_lead(str(here), str(there)))):
                    raise FaultError("redirected", f"the server points to {there}")
                url = str(there)
        raise FaultError("redirected", f"the server points on and on, at last to {url}")
    except httpx2.ProxyError as error:
        raise DownloadError(
            f"The proxy refused: {error}. Look at HTTPS_PROXY and ALL_PROXY, or put the server "
            f"into NO_PROXY. What was fetched is kept."
        ) from error
    except httpx2.InvalidURL as error:
        raise FaultError("redirected", f"the server points to no address: {error}") from error
    except httpx2.RequestError as error:
        if _is_certificate_fault(error):
            raise DownloadError(
                f"The certificate of {urlsplit(url).hostname} is not trusted: {error}. Behind an "
                "institution's proxy, install its certificate on this computer or name its file "
                "in SSL_CERT_FILE; also see whether the computer's clock is right."
            ) from error
        status = (
            "incomplete"
            if answered
            else "server error"
            if isinstance(error, httpx2.ProtocolError)
            else "unreachable"
        )
        raise FaultError(status, str(error) or type(error).__name__, again=True) from error


def _is_same(here: httpx2.URL, there: httpx2.URL) -> bool:
    return (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)


def may_lead(here: str, there: str) -> bool:
    """Whether a server may point to another: by https, and never from elsewhere to this computer."""
    try:
        check_url(there, "url", query=True)
    except InputError:
        return False
    return urlsplit(there).hostname not in LOCAL or urlsplit(here).hostname in LOCAL


def _is_certificate_fault(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_status(response: httpx2.Response) -> None:
    code = response.status_code
    if code < 400:
        return
    what = f"the server answered {code} {response.reason_phrase}".rstrip()
    if code in (404, 410):
        raise FaultError("missing", what)
    if code in _BUSY:
        raise FaultError("server error", what, again=True, after=_retry_after(response))
    raise FaultError("refused", what)


def _retry_after(response: httpx2.Response) -> float | None:
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def stated_length(response: httpx2.Response) -> int | None:
    """The bytes that an answer is said to have."""
    value = response.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def persist(attempt: Callable[[], T], pace: Pace, retries: int) -> tuple[T, int]:
    """Try until it works or will not; give what came and the number of attempts."""
    for done in range(retries + 1):
        pace.wait()
        try:
            return attempt(), done + 1
        except FaultError as fault:
            if (fault.after or 0) > _LONGEST_WAIT:
                raise DownloadError(
                    f"The server asks to come back in {fault.after:,.0f} seconds. What was fetched "
                    "is kept: run again then."
                ) from fault
            if not fault.again or done == retries:
                raise
            if fault.after is not None:
                pace.hold(fault.after)  # all connections: it is the server that is busy
            else:
                pause = min(_BACKOFF * 2**done, _LONGEST_BACKOFF)
                pace.sleep(pause * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


class Pace:
    """The rate all connections share, and the way to stop them."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def wait(self) -> None:
        """Wait for the next turn."""
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next)
            self._next = slot + self._gap
        self.sleep(slot - now)

    def hold(self, seconds: float) -> None:
        """Let all connections wait."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait, unless another thread stops all."""
        if self._stop.wait(max(seconds, 0)):
            raise StoppedError

    def stop(self) -> None:
        """End all waiting."""
        self._stop.set()
