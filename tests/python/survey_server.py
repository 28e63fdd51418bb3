"""A local server with the survey's addresses and all that can go wrong."""

import http.server
import io
import threading
import time
from collections import Counter

from conftest import colour_photo

PHOTOS = "/lucas/photos/"


def jpeg(seed=1, size=(96, 72)):
    data = io.BytesIO()
    colour_photo("woody", seed, size).save(data, "JPEG", quality=90)
    return data.getvalue()


JPEG = jpeg()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` by path; ``faults`` give, by path, what happens at each request in turn.

    After ``held_after`` requests it lets all others wait until ``going_on`` is set: whoever asks
    is then surely not done before a test kills it, however busy the machine is.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults = {}, {}
        self.asked, self.agents, self.ranges = Counter(), set(), []
        self.now = self.most = 0
        self.held_after, self.going_on = None, threading.Event()
        self.lock = threading.Lock()
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def handle_error(self, *_):
        pass  # clients are killed here

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.answer(407, b"", "text/plain")

    def do_GET(self):
        server, path = self.server, self.path
        with server.lock:
            number = server.asked[path]
            server.asked[path] += 1
            server.agents.add(self.headers["User-Agent"])
            server.now += 1
            server.most = max(server.most, server.now)
            held = server.held_after is not None and sum(server.asked.values()) > server.held_after
        try:
            if held:
                server.going_on.wait(300)
            faults = server.faults.get(path, ())
            fault = faults[min(number, len(faults) - 1)] if faults else "ok"
            self.respond(fault, server.files.get(path))
        finally:
            with server.lock:
                server.now -= 1

    def respond(self, fault, data):
        if isinstance(fault, threading.Event):
            fault.wait(300)  # a test says when it goes on
        if data is None or fault == "404":
            self.answer(404, b"not here", "text/plain")
        elif isinstance(fault, dict):
            self.answer(fault["code"], b"busy", "text/plain", **fault.get("headers", {}))
        elif fault in ("500", "403"):
            self.answer(int(fault), b"broken", "text/plain")
        elif fault == "html":
            self.answer(200, b"<!DOCTYPE html><p>Login</p>" * 100, "text/html; charset=utf-8")
        elif fault == "lying html":
            self.answer(200, b"<!DOCTYPE html><p>Login</p>" * 100, "image/jpeg")
        elif fault == "tiny":
            self.answer(200, jpeg(size=(17, 17))[:990])
        elif fault == "empty":
            self.answer(200, b"")
        elif fault == "damaged":
            self.answer(200, data[: len(data) // 2])
        elif fault == "halfway":
            self.answer(200, data, upto=len(data) // 2)
        elif fault == "too long":
            self.answer(200, data, length=len(data) + 10)
        elif fault == "too short":
            self.answer(200, data, length=len(data) // 2)
        elif fault == "slow":
            self.answer(200, data, pause=0.03)
        elif fault == "slow chunked":
            self.answer(200, data, chunked=True)
        else:
            self.whole_or_rest(data)

    def whole_or_rest(self, data):
        etag = f'"{hash(data) & 0xFFFF:x}"'
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == etag:
            self.server.ranges.append(wanted)
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            if first >= len(data):
                self.answer(416, b"", "text/plain", **{"Content-Range": f"bytes */{len(data)}"})
                return
            rest = {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
            self.answer(206, data[first:], self.kind(), **rest, ETag=etag)
        else:
            self.answer(200, data, self.kind(), ETag=etag)

    def kind(self):
        return "image/jpeg" if self.path.startswith(PHOTOS) else "application/octet-stream"

    def answer(
        self,
        code,
        data,
        kind="image/jpeg",
        length=None,
        upto=None,
        pause=0,
        chunked=False,
        **headers,
    ):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
            return
        if "ETag" not in headers:
            self.send_header("ETag", f'"{hash(data) & 0xFFFF:x}"')
        self.send_header("Content-Length", str(len(data) if length is None else length))
        if upto is not None or length is not None:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        data = data[:upto]
        step = max(len(data) // 4, 1) if pause else max(len(data), 1)
        for i in range(0, len(data), step):
            self.wfile.write(data[i : i + step])
            self.wfile.flush()
            time.sleep(pause)
