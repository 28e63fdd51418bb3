"""What the page's server answers, and to whom."""

from __future__ import annotations

import hmac
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Everything the page itself asks for. All else, Gradio's file routes and API pages among it, is not
# served: pictures are part of the answers, so the page never asks for a file.
_SERVED = ("/assets/", "/static/", "/svelte/", "/gradio_api/queue/", "/gradio_api/heartbeat/")

_SERVED_EXACTLY = (
    "/",
    "/config",
    "/theme.css",
    "/favicon.ico",
    "/manifest.json",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/startup-events",
    "/gradio_api/app_id",
)

_HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


#: Bytes and files that may lie among the uploads at a time; drops of all tabs, and what was not dropped yet.
QUOTA_BYTES, QUOTA_FILES = 2_000_000_000, 5_000

#: Bytes of anything that is sent and is no file: which parts of the page hold what.
_MOST_SENT = 1_000_000

_UPLOAD = "/gradio_api/upload"
# Asked for without the token: by Gradio itself as it starts, and by its page. They tell nothing.
_FREE = ("/gradio_api/startup-events", "/manifest.json", "/favicon.ico", "/static/img/")


def middleware(token: str, folder: Path) -> list[Any]:
    """The guard, as the server takes it.

    Parameters
    ----------
    token : str
        What stands first in the path of every address.
    folder : path
        Where uploads lie.
    """
    from starlette.middleware import Middleware

    return [Middleware(_Guard, token=token, folder=folder)]


class _Guard:
    """Serves only what the page needs, to who knows its address, on this computer, with safe headers.

    Without the checks of names, a page of the internet could have its own name resolve to
    127.0.0.1 and read what is here, or send files. Without the token, other accounts of this
    computer could.
    """

    def __init__(self, app: Any, token: str, folder: Path) -> None:
        self._app = app
        self._token = token
        self._folder = folder
        self._coming = 0  # bytes of uploads that are on their way

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {k: v.decode("latin-1") for k, v in scope["headers"]}
        host, path = headers.get(b"host", ""), scope["path"]
        if host.rpartition(":")[0] not in ("127.0.0.1", "localhost"):
            await _refuse(send, 421, b"Unknown host")
            return
        if headers.get(b"origin", f"http://{host}") != f"http://{host}":
            await _refuse(send, 403, b"Another page may not ask")
            return
        if not path.startswith(_FREE):
            first, _, rest = path.removeprefix("/").partition("/")
            if not hmac.compare_digest(first.encode(), self._token.encode()):
                # Gradio takes this answer for a page that is there, when it asks as it starts.
                await _refuse(send, 401, b"The address lacks its token")
                return
            path = f"/{rest}"
        if ".." in path or not (path in _SERVED_EXACTLY or path.startswith(_SERVED)):
            await _refuse(send, 404, b"Not found")
            return
        scope = {**scope, "path": path, "raw_path": quote(path).encode()}

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                others = [h for h in message.get("headers", []) if h[0].decode() not in _HEADERS]
                message = {**message, "headers": [*others, *own]}
            await send(message)

        if path == _UPLOAD:
            await self._upload(scope, receive, with_headers, headers.get(b"content-length", ""))
        elif scope["method"] == "POST":
            await self._sent(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)

    async def _upload(self, scope: Any, receive: Any, send: Any, length: str) -> None:
        """Let files in, while there is room for them."""
        if not length.isdecimal():
            await _refuse(send, 411, b"How many bytes?")
            return
        n_bytes, n_files = held(self._folder)
        coming = int(length)
        if n_bytes + self._coming + coming > QUOTA_BYTES or n_files >= QUOTA_FILES:
            await _refuse(send, 413, b"There is no room for more photos; drop fewer")
            return
        self._coming += coming
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming -= coming

    async def _sent(self, scope: Any, receive: Any, send: Any) -> None:
        """Let what the page's parts hold through, unless it names a file that was not dropped here."""
        body, has_more = b"", True
        while has_more and len(body) <= _MOST_SENT:
            message = await receive()
            body += message.get("body", b"")
            has_more = message.get("more_body", False)
        if len(body) > _MOST_SENT:
            await _refuse(send, 413, b"Too long")
            return
        if not names_only(body, self._folder):
            await _refuse(send, 400, b"No such photo was dropped here")
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Any:
            return messages.pop() if messages else await receive()

        await self._app(scope, again, send)


def held(folder: Path) -> tuple[int, int]:
    """How many bytes, and how many files, lie in a folder."""
    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                sizes.append(os.lstat(os.path.join(place, name)).st_size)
    return sum(sizes), len(sizes)


def names_only(body: bytes, folder: Path) -> bool:
    """Whether all files that a JSON text names lie in a folder: Gradio would fetch an address."""
    try:
        waiting = [json.loads(body or b"null")]
    except (ValueError, RecursionError):
        return False
    root = os.path.join(os.path.abspath(folder), "")
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if path is not None and not (
                isinstance(path, str) and os.path.abspath(path).startswith(root)
            ):
                return False
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return True


async def _refuse(send: Any, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
