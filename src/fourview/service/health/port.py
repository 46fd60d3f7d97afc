# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A port for those who run the service: health and metrics, without a key.

Owns      `/health/live`, `/health/ready` and `/metrics` of a process that has no HTTP service, or besides it.
Not here  what they say (`probes`); the same pages at the service's own port (`routes.health`).

The standard library's server is enough for three short answers, and lives without the event loop that it is to watch.
A connection has a few seconds, and few are served at once: this port is not for the internet.
"""

import json
import socket
import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from fourview.errors import DependencyAwayError, ServiceError
from fourview.service.health.probes import Probes

AT_ONCE = 16  # connections; more are closed as they come
SILENT_S = 5.0  # how long a client may send nothing
ANSWERED_S = 10.0  # how long a connection may take in all
METRICS = "text/plain; version=0.0.4; charset=utf-8"

log = structlog.get_logger(__name__)


class HealthPort:
    """Listens from the moment when it is made; `start` lets it answer. Raises `ServiceError` where it cannot listen."""

    def __init__(self, host: str, port: int, probes: Probes) -> None:
        try:
            self._server = _Server(host, port, probes)
        except OSError as error:
            raise ServiceError(
                f"cannot listen on {host} port {port} ({error.strerror}): name another with --health-port"
            ) from None
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._server.server_port}"

    def start(self) -> None:
        """Answer, in threads."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, probes: Probes) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(AT_ONCE)
        super().__init__((host, port), partial(_Handler, probes))

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        deadline = threading.Timer(ANSWERED_S, _cut, (request,))
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("health_request_failed", exc_info=True)  # the client is gone, or was too slow


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # a close alone ends no read that is under way


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENT_S
    server_version, sys_version = "fourview", ""

    def __init__(self, probes: Probes, *args: Any) -> None:
        self._probes = probes
        super().__init__(*args)

    def do_GET(self) -> None:
        page = self.path.partition("?")[0]
        if page == "/health/live":
            dead = self._probes.dead()
            self._answer_json(503 if dead else 200, {"status": "dead" if dead else "live", "dead": dead})
        elif page == "/health/ready":
            checks = self._probes.checks()
            status, word = (200, "ready") if set(checks.values()) == {"ok"} else (503, "not_ready")
            self._answer_json(status, {"status": word, "checks": checks})
        elif page == "/metrics":
            try:
                self._answer(200, METRICS, self._probes.numbers())
            except DependencyAwayError as error:
                self._answer_json(503, {"status": "not_ready", "checks": {error.name: "does not answer"}})
        else:
            self._answer_json(404, {"status": "not_found", "pages": ["/health/live", "/health/ready", "/metrics"]})

    do_HEAD = do_GET

    def log_message(self, *args: Any) -> None:
        """Nothing: a probe comes every few seconds."""

    def _answer_json(self, status: int, body: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(body).encode())

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "5")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
