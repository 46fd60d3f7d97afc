# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests of every kind, right and wrong, on a service that logs all it can; then its log is searched."""

import json
import re
import shutil
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from interfaces.pictures import FRONT, PNG, V1, V2
from interfaces.server import Server

from fourview.service.store import signin


@pytest.fixture(scope="module", params=["text", "json"])
def logging(request, migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logging")
    url = f"sqlite:///{shutil.copy(migrated_file, folder)}"
    server = Server(url, folder, log_level="debug", log_format=request.param)
    yield server.start(), request.param
    server.close()


def test_no_log_line_has_a_secret_or_a_picture_and_each_request_has_its_line(logging):
    server, look = logging
    key = server.add_key()
    with server.store.begin() as tx:
        word = signin.add_link(tx, key[:11], 2e9, 1e9)
    answers, secrets = [], [key, word]

    with server.client(key) as client:

        def ask(method, url, **more):
            answers.append(client.request(method, url, **more))
            return answers[-1]

        job = ask("POST", "/api/v1/jobs", headers={"prefer": "wait=60"}, json={"front": FRONT["front_image"]}).json()
        signed = [job["events_url"], *(output["url"] for output in job["outputs"])]
        secrets += [parse_qs(urlsplit(url).query)["signature"][0] for url in signed]
        for url in signed:
            ask("GET", url)
            ask("GET", url[:-1])
        secrets.append(ask("POST", "/api/v1/signin", json={"word": word}).json()["key"])
        secrets.append(ask("GET", "/api/v1/webhooks/secret").json()["secret"])
        ask("POST", V1, json=FRONT)
        ask("POST", V1, files={"front_image": PNG})
        ask("POST", V2, data=FRONT)
        ask("POST", V2, json={"front_image": FRONT["front_image"][:-9]})
        ask("POST", "/api/v1/uploads", content=PNG, headers={"content-type": "image/png"})
        ask("POST", "/api/v1/uploads", files={"file": PNG})
        ask("POST", "/api/v1/views/preview", json={"front": FRONT["front_image"]})
        ask("POST", "/api/v1/jobs", json={"front": "https://ada:pass-of-ada@example.invalid/a.png?signature=of-ada-s"})
        ask("POST", "/api/v1/jobs", content=b"{" + PNG, headers={"content-type": "application/json"})
        ask("GET", f"/api/v1/jobs?after={key}")
        ask("GET", "/api/v1/keys/self", headers={"x-api-key": "", "authorization": f"Bearer {key}"})
        ask("GET", "/nowhere", params={"key": key})
        ask("GET", f"/errors/{key}")
    assert httpx.get(f"{server.base_url}/metrics", headers={"x-api-key": key}).status_code == 200
    server.stop()

    log = server.log.read_text()
    picture = [FRONT["front_image"][:40], FRONT["front_image"][-40:], repr(PNG)[2:40], PNG[8:24].hex()]
    assert not [secret for secret in (*secrets, *picture, "pass-of-ada", "of-ada-s") if secret in log]
    for answer in answers:
        assert answer.headers["x-request-id"] in log
    lines = [line for line in log.splitlines() if "req_" in line]
    if look == "json":
        lines = [json.loads(line) for line in lines]
        asked = [line for line in lines if line["event"] == "request"]
        assert {"method", "path", "status", "ms", "client", "request_id", "level", "timestamp"} <= asked[0].keys()
        assert {line.get("key") for line in asked} >= {key[:11]}
        assert {line["path"] for line in asked if line.get("job_id") == job["id"]} >= {"/api/v1/jobs"}
    else:
        assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in lines)
