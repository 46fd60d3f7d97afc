# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests made of the OpenAPI document, right ones and wrong ones: no answer is a surprise.

Each operation gets cases that the document allows and cases that it does not. Where the address names a job, half of
them are about one that is there. Whatever comes back is what the document says, and every error is one schema.
"""

from contextlib import suppress

import httpx
import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from interfaces.pictures import FRONT
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    content_type_conformance, response_headers_conformance, response_schema_conformance, status_code_conformance,
]  # fmt: skip
CALM = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)


@pytest.fixture(scope="module")
def document(standing):
    return httpx.get(f"{standing.base_url}/openapi.json").json()


@pytest.fixture
def ended(standing):
    """A key, and a job of it that has ended."""
    key = standing.add_key(credits=1_000_000)
    with standing.client(key) as client:
        job = client.post("/api/v1/jobs", headers={"prefer": "wait=60"}, json={"front": FRONT["front_image"]}).json()
    assert job["status"] == "succeeded"
    return key, job["id"]


def test_requests_in_and_out_of_schema_have_the_answers_that_are_documented(standing, document, ended):
    fuzz(standing, document, ended, examples=1)


@pytest.mark.soak
def test_ten_thousand_requests_have_the_answers_that_are_documented(standing, document, ended):
    assert fuzz(standing, document, ended, examples=170) >= 10_000


def fuzz(standing, document, ended, examples):
    """Try every operation; how many requests that were."""
    key, job_id = ended
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=standing.base_url)
    asked, session = 0, requests.Session()

    def ask(case):
        nonlocal asked
        asked += 1
        response = case.call(headers={"x-api-key": key}, session=session, timeout=60)
        check(document, case, response)

    for operation in (found.ok() for found in schema.get_all_operations()):
        real = {"job_id": job_id, "request_id": job_id, "name": "preview.png"}
        names = {parameter.name for parameter in operation.path_parameters}
        known = {name: value for name, value in real.items() if name in names}
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with suppress(Unsatisfiable):  # what takes nothing cannot be asked for wrongly
                settings(CALM, max_examples=examples)(given(operation.as_strategy(mode))(ask))()
        if known and operation.method.upper() != "DELETE":
            settings(CALM, max_examples=examples)(given(operation.as_strategy(path_parameters=known))(ask))()
    return asked


def check(document, case, response):
    text = f"{case.as_curl_command()}\n{response.status_code} {response.headers} {response.content[:500]!r}"
    assert response.status_code != 500, text
    assert b"<html" not in response.content.lower(), text
    assert "x-request-id" in response.headers, text
    is_job_that_failed = response.status_code == 422 and case.path.startswith(("/v2/requests/", "/v1/requests/"))
    if response.status_code >= 400 and not is_job_that_failed:
        assert response.headers["content-type"] == ["application/problem+json"], text
        problem = response.json()
        jsonschema.validate(problem, document["components"]["schemas"]["Problem"])
        assert problem["status"] == response.status_code, text
        assert ("error" in problem) == case.path.startswith(("/v1/", "/v2/")), text
    case.validate_response(response, checks=CHECKS)
