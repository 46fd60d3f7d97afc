# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from fourview.service.http.middleware import EVERY_ANSWER

MIB = 2**20


@pytest.fixture
def url(migrated_file, tmp_path):
    """SQLite alone: no answer here depends on the database."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture
def parameters():
    return {"body_max_mib": 1, "picture_max_mib": 0.5, "allowed_origins": ("https://app.example",)}


@pytest.fixture
def app(app):
    @app.post("/api/v1/count")
    async def count(request: Request):
        return {"bytes": len(await request.body())}

    @app.get("/api/v1/client")
    async def client(request: Request):
        return {"host": request.client.host, "scheme": request.url.scheme}

    return app


def test_every_answer_has_an_id_of_its_own_and_the_headers_of_a_careful_server(stranger):
    answers = [stranger.get(path, headers={"x-request-id": "mine"}) for path in ("/health/live", "/nowhere")]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    for answer in answers:
        assert answer.headers["x-request-id"].startswith("req_")
        assert EVERY_ANSWER.items() <= answer.headers.items()


@pytest.mark.parametrize("host", ["testserver", "TESTSERVER:80", "localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_a_host_by_a_name_of_its_own_is_let_in(stranger, host):
    assert stranger.get("/llms.txt", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "localhost@evil.example", "", "[::1", "a b"]
)
def test_a_page_that_points_its_name_here_is_refused(stranger, host):
    answer = stranger.get("/llms.txt", headers={"host": host})

    assert (answer.status_code, answer.json()["code"]) == (400, "host_refused")
    assert stranger.get("/health/live", headers={"host": host}).status_code == 200  # probes name what they like


def test_two_hosts_are_none(stranger):
    headers = [("host", "testserver"), ("host", "evil.example")]
    assert stranger.get("/llms.txt", headers=headers).json()["code"] == "host_refused"


@pytest.mark.parametrize("origin", ["http://testserver", "https://app.example", None])
def test_own_pages_welcome_ones_and_programs_may_change_things(stranger, origin):
    headers = {"origin": origin} if origin else {}
    assert stranger.post("/api/v1/count", content=b"abc", headers=headers).json() == {"bytes": 3}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver:81", "https://app.example.evil"])
def test_pages_of_others_may_neither_change_anything_nor_read_an_answer(stranger, origin):
    headers = {"origin": origin}
    preflight = {**headers, "access-control-request-method": "POST"}

    refused = [stranger.post("/api/v1/count", headers=headers), stranger.options("/api/v1/count", headers=preflight)]
    read = stranger.get("/llms.txt", headers=headers)

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "origin_refused")] * 2
    assert not any("access-control-allow-origin" in answer.headers for answer in (*refused, read))
    assert read.headers["vary"] == "Origin"


def test_pages_that_are_welcome_are_told_so_also_with_an_error(stranger):
    origin = {"origin": "https://app.example"}
    preflight = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}

    asked = stranger.options("/api/v1/count", headers=preflight)
    answers = [stranger.get("/nowhere", headers=origin), stranger.post("/api/v1/count", headers=origin)]

    assert (asked.status_code, asked.content) == (204, b"")
    assert "x-api-key" in asked.headers["access-control-allow-headers"]
    for answer in (asked, *answers):
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


def test_a_body_may_be_as_large_as_the_settings_say_and_no_larger(stranger):
    assert stranger.post("/api/v1/count", content=bytes(MIB)).json() == {"bytes": MIB}
    for length in (MIB + 1, 10**30):
        answer = stranger.post("/api/v1/count", content=b"", headers={"content-length": str(length)})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/api/v1/count", "/api/v1/uploads"])
def test_a_body_without_a_length_is_counted_and_not_read_to_its_end(client, path):
    sent = 0

    def endless():
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n'
        while sent < 4 * MIB:
            sent += 65536
            yield bytes(65536)

    answer = client.post(path, content=endless(), headers={"content-type": "multipart/form-data; boundary=b"})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_nul_in_an_address_is_refused(stranger):
    for url in ("/errors/a%00b", "/llms.txt?a=%00"):
        assert stranger.get(url).json()["code"] == "invalid_field"


class TestProxies:
    FORWARDED = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}  # noqa: RUF012

    @pytest.fixture
    def parameters(self):
        return {"trusted_proxies": ["10.0.0.0/24"]}

    def test_a_proxy_that_is_named_is_believed_and_nobody_else(self, app):
        for peer, said in (("10.0.0.9", "203.0.113.7"), ("10.0.1.9", "10.0.1.9")):
            with TestClient(app, "http://testserver", client=(peer, 1)) as client:
                answer = client.get("/api/v1/client", headers=self.FORWARDED).json()
            assert answer == {"host": said, "scheme": "https" if said != peer else "http"}
