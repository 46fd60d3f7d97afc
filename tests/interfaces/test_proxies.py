# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Caddy, nginx and HAProxy in front, as docs/guides/operate.md configures them: every answer reaches its own client.

Two keys send requests of many shapes over kept connections at the same time. Each request holds a mark that only its
own answer repeats. The bodies hold what looks like requests with the other's key.
"""

import http.client
import itertools
import json
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from interfaces.pictures import text
from require import require
from service.acts import png

PAGE = Path(__file__).parents[2] / "docs/guides/operate.md"
ROUNDS = 500  # of each of two keys
V2 = "/v2/hunyuan3d-2mv"
WEBSOCKETS = (  # what most pages about nginx recommend
    "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
    "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;",
)


def block(language):
    """The configuration of that language in the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return found


def changed(config, *changes):
    """The configuration with each part replaced, which must be in it."""
    for part, by in changes:
        assert part in config
        config = config.replace(part, by)
    return config


def nginx(folder, port, to, has_websockets=False):
    site = changed(
        block("nginx"), ("listen 443 ssl;", f"listen 127.0.0.1:{port};"), ("127.0.0.1:8000", to),
        ("server_name models.example.com;", "server_name _;"),
    )  # fmt: skip
    above = "location /metrics { return 404; }\n    location / {"
    site = changed(site, ("location / {", above))
    if has_websockets:
        map_, headers = WEBSOCKETS
        site = map_ + changed(site, ('proxy_set_header Connection "";', headers))
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; daemon off; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{site}}}\n"
    )
    return [require("nginx"), "-c", folder / "nginx.conf", "-p", folder]


def nginx_with_websockets(folder, port, to):
    return nginx(folder, port, to, has_websockets=True)


def caddy(folder, port, to):
    site = changed(block("caddy"), ("models.example.com", f"http://127.0.0.1:{port}"), ("127.0.0.1:8000", to))
    site = changed(site, ("reverse_proxy", "respond /metrics 404\n    reverse_proxy"))
    (folder / "Caddyfile").write_text("{\n    admin off\n    auto_https off\n}\n" + site)
    return [require("caddy"), "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]


def haproxy(folder, port, to):
    config = changed(
        block("haproxy"), (":443 ssl crt /etc/haproxy/models.pem", f"127.0.0.1:{port}"), ("127.0.0.1:8000", to),
        ("default_backend", "http-request deny deny_status 404 if { path /metrics }\n    default_backend"),
    )  # fmt: skip
    (folder / "haproxy.cfg").write_text(config)
    return [require("haproxy"), "-db", "-f", folder / "haproxy.cfg"]


@pytest.fixture
def url(migrated_file, tmp_path):
    """SQLite alone: what a connection carries does not depend on the database."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@contextmanager
def running(make, folder, server):
    """The proxy in front of a server; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = make(folder, port, server.base_url.removeprefix("http://"))
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
    try:
        until = time.monotonic() + 30
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/live").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)
        log.close()


class Client(threading.Thread):
    """One key that sends `ROUNDS` requests over one kept connection; `wrong` are the answers that are not its own."""

    def __init__(self, port, key, credits, other):
        super().__init__()
        self.key, self.credits, self.other = key, credits, other
        self.random, self.marks = random.Random(key), itertools.count()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.wrong, self.rounds = [], 0

    def run(self):
        for _ in range(ROUNDS):
            act = self.random.choice((self.balance, self.refusal, self.refusal, self.chunked, self.without_key))
            try:
                act()
                self.rounds += 1
            except (http.client.HTTPException, OSError) as error:
                self.wrong.append((act.__name__, repr(error)))
                self.connection.close()
        self.connection.close()

    def ask(self, method, path, body=None, **headers):
        """Status and text; a kept connection that the proxy has closed is replaced, as every client does."""
        try:
            return self.ask_once(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.connection.close()
            return self.ask_once(method, path, body, headers)

    def ask_once(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def expect(self, found, status, *marks):
        if found[0] != status or any(mark not in found[1] for mark in marks) or "fourview_http" in found[1]:
            self.wrong.append((status, marks, found))

    def balance(self):
        self.expect(self.ask("GET", "/v1/get-user-credits", **{"x-api-key": self.key}), 200, f"{self.credits}")

    def refusal(self):
        mark, wish = f"m{next(self.marks)}-{self.credits}", self.random.choice(("", "h2c", "websocket"))
        more = {"upgrade": wish, "connection": "Upgrade, HTTP2-Settings", "http2-settings": "AA"} if wish else {}
        headers = {"x-api-key": self.key, "content-type": "application/json", **more}
        self.expect(self.ask("POST", V2, self.body(mark), **headers), 400, mark)

    def chunked(self):
        mark = f"c{next(self.marks)}-{self.credits}"
        body, headers = self.body(mark), {"x-api-key": self.key, "content-type": "application/json"}
        pieces = [body[i : i + 50] for i in range(0, len(body), 50)]
        self.expect(self.ask("POST", V2, pieces, **headers), 400, mark)

    def without_key(self):
        body = self.inner() * self.random.choice((1, 10, 2000))
        self.expect(self.ask("POST", V2, body, **{"content-type": "application/json"}), 401, "key_missing")

    def body(self, mark):
        """JSON whose error repeats the mark, and which ends with what would be two requests."""
        return json.dumps({"steps": mark}).encode() + b"\r\n" * 20 + b" " * self.random.choice((0, 70_000))

    def inner(self):
        path = self.random.choice(("/metrics", "/v1/get-user-credits"))
        return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {self.other}\r\n\r\n".encode()


@pytest.mark.parametrize("proxy", [caddy, nginx, nginx_with_websockets, haproxy])
def test_every_answer_reaches_its_own_client(serve, tmp_path, proxy):
    server = serve(trusted_proxies="127.0.0.1/32", public_url="http://127.0.0.1", picture_max_mib=8)
    rich, poor = server.add_key(credits=4321), server.add_key(credits=1234)

    with running(proxy, tmp_path, server) as port:
        clients = Client(port, rich, 4321, poor), Client(port, poor, 1234, rich)
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        at = {"base_url": f"http://127.0.0.1:{port}", "headers": {"x-api-key": rich}, "timeout": 60}
        with httpx.Client(**at) as client:
            made = client.post(V2, json={"front_image": text(png())}).json()
            events = client.get(f"/api/v1/jobs/{made['request_id']}/events").text
            hidden = client.get("/metrics").status_code

    assert [client.wrong for client in clients] == [[], []]
    assert [client.rounds for client in clients] == [ROUNDS, ROUNDS]
    assert '"status": "succeeded"' in events
    assert hidden == 404
    assert "Traceback" not in server.log.read_text()


def test_the_page_has_these_configurations_and_no_other():
    assert set(re.findall(r"^```(nginx|caddy|haproxy)$", PAGE.read_text("utf-8"), re.MULTILINE)) == {
        "nginx", "caddy", "haproxy",
    }  # fmt: skip
