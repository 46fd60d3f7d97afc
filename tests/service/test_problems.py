# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel
from service import acts
from sqlalchemy import event
from starlette.exceptions import HTTPException
from starlette.requests import Request

from fourview import errors
from fourview.service.problems import DETAIL_MAX, PROBLEMS, Refused, code_of, public_failure
from fourview.work import Failure

FIELDS = {"type", "title", "status", "detail", "code", "errors", "request_id", "retryable", "billed"}


class Thing(BaseModel):
    count: int


DOCS = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


@pytest.fixture
def url(migrated_file, tmp_path):
    """SQLite alone: no answer here depends on the database."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture
def raising(app, stranger):
    """A client of routes that raise what a test puts into the list."""
    wrong = []

    @app.get("/api/v1/raise")
    @app.get("/v1/raise")
    async def raise_it(request: Request):
        raise wrong.pop()

    @app.post("/api/v1/things")
    async def take(thing: Thing):
        raise AssertionError("nothing here is right")

    return wrong, stranger


def test_an_error_has_the_code_of_its_nearest_class():
    class SmallPictureError(errors.PictureError):
        pass

    assert code_of(SmallPictureError) == "invalid_picture"
    assert code_of(errors.FourviewError) == "internal"
    listed = [error for problem in PROBLEMS.values() for error in problem.of]
    assert len(listed) == len(set(listed))


def test_every_error_is_in_the_docs_with_its_status_and_cure():
    text = DOCS.read_text()
    for code, problem in PROBLEMS.items():
        assert f"| `{code}` | {problem.status}" in text
        assert f"| {problem.title} | {problem.cure} |" in text


def test_every_refusal_is_one_schema_at_every_door(raising):
    wrong, client = raising
    for code, problem in PROBLEMS.items():
        wrong.append(Refused(code, "so it is", errors=[("/x", "wrong")], headers={"Retry-After": "7"}, more={"job": 1}))
        native = client.get("/api/v1/raise")
        wrong.append(Refused(code, "so it is"))
        compatible = client.get("/v1/raise")

        assert native.status_code == problem.status
        assert native.headers["content-type"] == "application/problem+json"
        assert native.headers["retry-after"] == "7"
        body = native.json()
        assert body.keys() == FIELDS | {"job"}
        assert body["errors"] == [{"pointer": "/x", "message": "wrong"}]
        assert body["type"] == f"http://testserver/errors/{code}"
        assert (body["billed"], body["request_id"]) == (False, native.headers["x-request-id"])
        assert compatible.json().keys() == FIELDS | {"error"}
        assert compatible.json()["error"] == "so it is"


def test_the_compatible_surface_has_its_own_status_for_credits_and_media_types(raising):
    wrong, client = raising
    for code, native, compatible in (("credits_short", 402, 406), ("media_type", 415, 400)):
        wrong += [Refused(code, ""), Refused(code, "")]

        assert client.get("/api/v1/raise").status_code == native
        answer = client.get("/v1/raise")
        assert (answer.status_code, answer.json()["status"]) == (compatible, compatible)


def test_an_error_of_ours_is_told_by_its_word_and_its_own_sentence(raising):
    wrong, client = raising
    for error, code in [(error, code) for code, problem in PROBLEMS.items() for error in problem.of]:
        wrong.append(error("a", 1000, 2500) if error is errors.CreditError else error("a"))

        body = client.get("/api/v1/raise").json()

        assert body["code"] == code
        if code == "credits_short":
            assert (body["balance"], body["price"]) == (1, 2.5)


def test_what_is_our_own_fault_is_told_without_its_message(raising):
    wrong, client = raising
    for error in (errors.CheckpointError, errors.OutputError, errors.ServiceError, ValueError):
        wrong.append(error("/home/ada/weights is missing"))
        answer = client.get("/api/v1/raise")

        assert answer.status_code in (500, 503)
        assert "ada" not in answer.text
        assert answer.json()["code"] in ("internal", "engine_not_ready")


def test_a_value_comes_back_cut_and_without_what_no_utf8_holds(raising):
    wrong, client = raising

    wrong.append(Refused("invalid_field", "\ud800" + "x" * 5000))
    detail = client.get("/api/v1/raise").json()["detail"]

    assert detail == "?" + "x" * (DETAIL_MAX - 1) + ".."


def test_errors_of_the_framework_are_of_the_same_schema(raising):
    wrong, client = raising
    for status in (400, 404, 405, 413, 415, 416, 418, 500, 503):
        wrong.append(HTTPException(status, "somewhere in /home/ada"))
        answer = client.get("/api/v1/raise")

        assert answer.json().keys() == FIELDS
        assert answer.status_code == PROBLEMS[answer.json()["code"]].status == answer.json()["status"]
        if status >= 500:
            assert "ada" not in answer.text


def test_a_body_that_is_no_json_and_one_that_is_wrong_are_told_apart(raising):
    _, client = raising
    json = {"content-type": "application/json"}

    broken = client.post("/api/v1/things", content="{", headers=json).json()
    deep = client.post("/api/v1/things", content="[" * 100_000, headers=json).json()
    wrong = client.post("/api/v1/things", json={"count": "many"}).json()

    assert (broken["code"], deep["code"], wrong["code"]) == ("malformed_body", "malformed_body", "invalid_field")
    assert wrong["errors"][0]["pointer"] == "/count"
    assert "count" in wrong["detail"]


def test_an_unknown_address_is_404_and_a_wrong_method_names_all_right_ones(client, app):
    @app.get("/v2/several")
    @app.delete("/v2/several")
    async def several(): ...

    assert client.get("/nowhere").json()["code"] == "not_found"
    answer = client.post("/v2/several")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
    assert answer.json()["error"] == answer.json()["detail"]


def test_what_a_failed_job_says_is_safe_for_strangers():
    assert public_failure(Failure("SurfaceError", "send others")) == ("no_surface", "send others")
    for error in ("InternalError", "CheckpointError", "ServiceError", "nonsense"):
        assert "/home" not in public_failure(Failure(error, "/home/ada/x.py broke"))[1]


def test_a_database_without_room_says_that_the_disk_is_full_and_takes_jobs_again_when_there_is(client, store):
    def limit(connection, _):
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are

    acts.add_worker(store)
    fields = {"front": acts.base64_png(), "engine": "hull", "tags": [f"{number:064}" for number in range(20)]}
    event.listen(store.engine, "connect", limit)
    store.engine.dispose()
    answers = [client.post("/api/v1/jobs", json=fields) for _ in range(20)]
    event.remove(store.engine, "connect", limit)
    store.engine.dispose()

    full = next(answer for answer in answers if answer.status_code != 201)
    assert (full.status_code, full.json()["code"]) == (503, "disk_full")
    assert full.json()["retryable"] is True
    assert full.headers["retry-after"]
    assert client.post("/api/v1/jobs", json=fields).status_code == 201
