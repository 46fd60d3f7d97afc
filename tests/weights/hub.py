# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A hub on the loopback: it answers the requests that the hub's client makes for a file, and counts what it sends.

Like the real one it sends small files itself, large ones from another address, and speaks of its chunk store, which a
pull may not need. It can be told to break off, to stall, and to send something else than it announced.
"""

import hashlib
import re
import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 10_000  # bytes; from here on a file is announced by its sha256


def git_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    def __init__(self, repository, files, revisions=("main",)):
        self.repository, self.files, self.revisions = repository, files, {*revisions, COMMIT}
        self.announced = {}  # path -> (etag, size), where it is not the truth
        self.sent = Counter()  # path -> bytes of its content that went out
        self.asked = []  # "METHOD /path", in order
        self.faults = []  # (kind, bytes to send before), one for each request of a large file
        self.stalled, self.go_on = threading.Event(), threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def etag_and_size(self, path):
        data = self.files[path]
        etag = hashlib.sha256(data).hexdigest() if len(data) >= LARGE else git_id(data)
        return self.announced.get(path, (etag, len(data)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        hub = self.hub
        hub.asked.append(f"{self.command} {self.path}")
        if self.path.startswith("/cdn/"):
            self.send(self.path.removeprefix("/cdn/"))
            return
        found = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", self.path)
        if not found or found[1] != hub.repository:
            self.refuse("RepoNotFound")
        elif found[2] not in hub.revisions:
            self.refuse("RevisionNotFound")
        elif found[3] not in hub.files:
            self.refuse("EntryNotFound")
        elif with_body and len(hub.files[found[3]]) < LARGE:
            self.send(found[3])
        else:
            self.announce(found[3])

    def announce(self, path):
        etag, size = self.hub.etag_and_size(path)
        is_large = len(self.hub.files[path]) >= LARGE
        self.send_response(302 if is_large else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        if is_large:
            elsewhere = self.hub.url.replace("127.0.0.1", "localhost")
            self.send_header("Location", f"{elsewhere}/cdn/{path}")
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(size))
            self.send_header("X-Xet-Hash", "ab" * 32)
            self.send_header("Link", f'<{self.hub.url}/xet-token>; rel="xet-auth"')
        else:
            self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", "0" if is_large else str(size))
        self.end_headers()

    def refuse(self, code):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, path):
        data = self.hub.files[path]
        begin = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        kind, before = self.hub.faults.pop(0) if self.hub.faults and len(data) >= LARGE else (None, len(data) - begin)
        body = data[begin : begin + before]
        self.wfile.write(body)
        self.wfile.flush()
        self.hub.sent[path] += len(body)
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if kind == "stall":
            self.hub.stalled.set()
            self.hub.go_on.wait(60)
        self.close_connection = kind is not None

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """A client that was killed breaks the pipe; that is what some tests do."""


@contextmanager
def running(hub):
    hub.server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()
