# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Who is told by webhooks: a real server on the loopback."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG_S = 20


class Receiver(ThreadingHTTPServer):
    """Remembers what it was sent, and answers each path with its statuses, one after the other; the last one stays."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages = []  # (path, headers, body)
        self.statuses = {}
        self.held = threading.Event()  # /slow answers when it is set

    @property
    def host(self):
        return f"127.0.0.1:{self.server_port}"

    def url(self, path="/hook"):
        return f"http://{self.host}{path}"

    @property
    def types(self):
        return [json.loads(body)["type"] for _, _, body in self.messages]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.messages.append((self.path, dict(self.headers), body))
        if self.path == "/slow":
            self.server.held.wait(HANG_S)
        statuses = self.server.statuses.get(self.path, [204])
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Tests are quiet."""


@contextmanager
def receiving():
    """A receiver that listens."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
