"""What the page's server answers, and to whom."""

from __future__ import annotations

from typing import Any

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


def middleware() -> list[Any]:
    """The guard, as the server takes it."""
    from starlette.middleware import Middleware

    return [Middleware(_Guard)]


class _Guard:
    """Serves only what the page needs, to this computer's own names only, with safe headers.

    Without the checks of names, a page of the internet could have its own name resolve to
    127.0.0.1 and read what is here, or send files.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

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
        if ".." in path or not (path in _SERVED_EXACTLY or path.startswith(_SERVED)):
            await _refuse(send, 404, b"Not found")
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                others = [h for h in message.get("headers", []) if h[0].decode() not in _HEADERS]
                message = {**message, "headers": [*others, *own]}
            await send(message)

        await self._app(scope, receive, with_headers)


async def _refuse(send: Any, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
