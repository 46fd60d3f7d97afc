# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The native surface: what a request may hold, and what it is told where it cannot be."""

import pytest
from service.acts import base64_png, png, problem, stl

from fourview.recipe import Recipe, flat

JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def client(standing):
    with standing.client() as client:
        yield client


@pytest.fixture(scope="module")
def job(client):
    return client.post(JOBS, json={"front": base64_png(), "recipe": {"octree_resolution": 64}}).json()


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({}, "/front"),
        ({"front": None}, "/front"),
        ({"left": "x"}, "/front"),
        ({"front": "x", "recipe": {"octree_resolution": 1}}, "/recipe/octree_resolution"),
        ({"front": "x", "recipe": {"steps": "30"}}, "/recipe/steps"),
        ({"front": "x", "recipe": {"nonsense": 1}}, "/recipe/nonsense"),
        ({"front": "x", "recipe": {"a/b~c": 1}}, "/recipe/a~1b~0c"),
        ({"front": "x", "recipe": []}, "/recipe"),
        ({"front": "x", "recipe": "{}"}, "/recipe"),
        ({"front": "x", "nonsense": 1}, "/nonsense"),
        ({"front": "x", "mesh": "x"}, "/mesh"),
        ({"front": "x", "steps": 500}, "/steps"),
        ({"front": "x", "steps": 5, "recipe": {"steps": 5}}, "/steps"),
        ({"front": "x", "tags": "red"}, "/tags"),
        ({"front": "x", "tags": [1]}, "/tags"),
        ({"front": "x", "tags": [""]}, "/tags"),
        ({"front": "x", "tags": ["x" * 65]}, "/tags"),
        ({"front": "x", "tags": ["a,b"]}, "/tags"),
        ({"front": "x", "tags": ["x"] * 21}, "/tags"),
        ({"front": "x", "keep_h": 0}, "/keep_h"),
        ({"front": "x", "keep_h": 169}, "/keep_h"),
        ({"front": "x", "keep_h": True}, "/keep_h"),
        ({"front": "x", "webhook_url": 5}, "/webhook_url"),
    ],
)
def test_a_field_that_cannot_be_is_named(client, fields, pointer):
    answer = client.post(JOBS, json=fields)

    assert problem(answer) == (400, "invalid_field")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert answer.json()["billed"] is False


def test_all_that_is_wrong_is_said_at_once(client):
    answer = client.post(JOBS, json={"recipe": {"steps": 0, "texture_size": 1}, "keep_h": -1, "what": 1})

    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/front", "/recipe/steps", "/recipe/texture_size", "/keep_h", "/what"}


@pytest.mark.parametrize("front", [5, [], {}, True, "ftp://example.com/x.png", "upl_!"])
def test_a_picture_of_no_known_kind_is_named(client, front):
    answer = client.post(JOBS, json={"front": front})

    assert problem(answer) == (400, "invalid_picture")
    assert answer.json()["errors"][0]["pointer"] == "/front"


def test_a_form_holds_files_and_parameters_as_text(client):
    fields = {"octree_resolution": "64", "texture": "off", "tags": "red, b", "keep_h": "2"}

    answer = client.post(JOBS, data=fields, files={"front": ("front.png", png(), "image/png")})

    assert answer.status_code == 201, answer.text
    assert answer.json()["tags"] == ["red", "b"]
    assert answer.json()["recipe"] == flat(Recipe.of(octree_resolution=64, texture="off"))


def test_a_form_may_hold_the_recipe_as_json(client):
    files = {"front": ("front.png", png(), "image/png")}

    answer = client.post(JOBS, data={"recipe": '{"octree_resolution": 64}'}, files=files)
    broken = client.post(JOBS, data={"recipe": "{"}, files=files)

    assert answer.status_code == 201
    assert answer.json()["recipe"]["octree_resolution"] == 64
    assert problem(broken) == (400, "invalid_field")
    assert broken.json()["errors"][0]["pointer"] == "/recipe"


@pytest.mark.parametrize(
    "body",
    [
        b'{"front": "x", "tags": ["a\\u0000"]}',
        b'{"front": "x", "tags": ["\\ud800"]}',
        b'{"front": "x", "webhook_url": "http://\\udfff/"}',
        b'{"front": "x", "\\u0000": 1}',
        b'{"front": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"front": "x", "recipe": ' + b'{"a":' * 100_000,
        b'{"front": "x", "recipe": {"seed": 1e999}}',
        b'{"front": "x", "recipe": {"seed": NaN}}',
        b'{"front": "x", "recipe": {"seed": ' + b"9" * 5000 + b"}}",
        b'{"front": "\xff\xfe"}',
        b"[]",
        b"null",
        b"{",
    ],
)
def test_a_hostile_body_is_refused_in_the_words_of_every_error(client, body):
    answer = client.post(JOBS, content=body, headers={"content-type": "application/json"})

    status, code = problem(answer)
    assert (status, code in ("malformed_body", "invalid_field", "invalid_picture")) == (400, True)


@pytest.mark.parametrize("depth", [10, 100_000])
def test_a_deep_recipe_in_a_form_is_refused(client, depth):
    files = {"front": ("front.png", png(), "image/png")}

    answer = client.post(JOBS, data={"recipe": '{"a":' * depth + "1" + "}" * depth}, files=files)

    assert problem(answer)[0] == 400


# Headers, queries and ids


@pytest.mark.parametrize("prefer", ["", "wait", "wait=", "wait=-1", "wait=x", "handling=lenient", ",;=", "=" * 99])
def test_a_preference_that_is_none_is_passed_over(client, prefer):
    answer = client.post(JOBS, json={"front": base64_png()}, headers={"Prefer": prefer})

    assert answer.status_code == 201
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("name", ["x", "job_", "job_" + "0" * 24, "%ED%A0%80", "job_" + "f" * 5000])
def test_an_id_of_no_job_is_not_there(client, name):
    assert problem(client.get(f"{JOBS}/{name}")) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "after=x", "after=nan:job_" + "0" * 24, "status=done",
     "tag=", "tag=" + "x" * 65],
)  # fmt: skip
def test_a_list_of_nothing_sensible_is_refused(client, query):
    answer = client.get(f"{JOBS}?{query}")

    assert problem(answer) == (400, "invalid_field")
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 30, "\u0662"])
def test_a_number_of_no_event_is_refused(client, job, number):
    answer = client.get(f"{JOBS}/{job['id']}/events", params={"last_event_id": number})

    assert problem(answer) == (400, "invalid_field")


# Dry runs


def test_a_dry_run_tells_price_and_plan_and_does_nothing(client):
    fields = {"front": "http://never.invalid/asked.png", "recipe": {"texture": "off"}, "tags": ["dry"]}
    before = client.get("/v1/get-user-credits").json()["credits"]

    answer = client.post(f"{JOBS}?dry_run=true", json=fields)

    assert answer.status_code == 200
    plan = answer.json()
    assert (plan["object"], plan["engine"], plan["cost"]) == ("plan", "mini", 0.08)
    assert plan["recipe"] == flat(Recipe.of(texture="off"))
    assert [stage["name"] for stage in plan["stages"]][:2] == ["fetch", "matte"]
    assert "texture" not in [stage["name"] for stage in plan["stages"]]
    assert sum(stage["share"] for stage in plan["stages"]) == pytest.approx(1, abs=0.01)
    assert client.get(JOBS, params={"tag": "dry"}).json()["data"] == []
    assert float(answer.headers["x-remaining-credits"]) == before


def test_a_dry_run_costs_what_the_run_costs(client, job):
    plan = client.post(f"{JOBS}?dry_run=true", json={"front": base64_png(), "recipe": {"octree_resolution": 64}})

    assert plan.json()["cost"] == job["cost"]


def test_a_dry_run_refuses_what_the_run_refuses(client):
    answer = client.post(f"{JOBS}?dry_run=true", json={"front": base64_png(), "recipe": {"octree_resolution": 1}})

    assert problem(answer) == (400, "invalid_field")


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/a.png", "http://10.0.0.1/a.png", "http://[::1]/a.png", "http://169.254.169.254/latest",
     "http://localhost/a.png", "https://example.com:22/a.png", "http://me@example.com/a.png", "http://0x7f.1/a.png"],
)  # fmt: skip
def test_an_address_that_is_wrong_by_itself_is_refused_dry_in_the_same_words(client, address):
    """No name server is asked: what a name leads to is seen by the run alone."""
    for path, fields in (
        (JOBS, {"front": base64_png(), "left": address}),
        (JOBS, {"front": base64_png(), "webhook_url": address}),
        ("/api/v1/meshes/convert", {"mesh": address, "recipe": {"file_type": "stl"}}),
    ):
        dry, wet = (client.post(path, json=fields, params={"dry_run": is_dry}) for is_dry in (True, False))

        assert problem(dry) == problem(wet)
        assert dry.json()["errors"] == wet.json()["errors"]
        assert dry.status_code == 400


def test_a_dry_run_takes_a_webhook_that_only_a_name_server_knows(client):
    fields = {"front": base64_png(), "webhook_url": "https://never.invalid/hook"}

    assert client.post(JOBS, json=fields, params={"dry_run": True}).status_code == 200


# Operations on meshes


def mesh_fields(kind, **more):
    files = {"mesh": ("mesh.stl", stl(), "model/stl")} | ({"front": ("a.png", png())} if kind == "retexture" else {})
    return {"files": files, "data": more}


@pytest.mark.parametrize(
    ("kind", "parameters", "cost"),
    [
        ("retexture", {"texture_size": "2048", "remove_background": "never"}, 0.09),
        ("simplify", {"target_face_num": "20000", "texture": "off"}, 0.03),
        ("convert", {"file_type": "stl", "texture": "off"}, 0.01),
    ],
)
def test_an_operation_on_a_mesh_is_a_job_like_any_other(client, kind, parameters, cost):
    answer = client.post(f"/api/v1/meshes/{kind}", **mesh_fields(kind, **parameters), headers={"Prefer": "wait=60"})

    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert (job["kind"], job["engine"]["name"], job["cost"], job["status"]) == (kind, None, cost, "succeeded")
    assert {"model.glb", "preview.png"} <= {file["name"] for file in job["outputs"]}


@pytest.mark.parametrize("kind", ["retexture", "simplify", "convert"])
def test_a_parameter_that_an_operation_does_not_read_is_refused(client, kind):
    answer = client.post(f"/api/v1/meshes/{kind}", **mesh_fields(kind, octree_resolution="64", engine="hull"))

    assert problem(answer) == (400, "invalid_field")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/octree_resolution", "/engine"}


@pytest.mark.parametrize("kind", ["retexture", "simplify", "convert"])
def test_an_operation_needs_a_mesh(client, kind):
    answer = client.post(f"/api/v1/meshes/{kind}", json={})

    assert problem(answer) == (400, "invalid_field")
    assert "/mesh" in [error["pointer"] for error in answer.json()["errors"]]


def test_a_mesh_of_an_unknown_kind_is_refused_in_words_of_meshes(client):
    answer = client.post("/api/v1/meshes/convert", files={"mesh": ("a.fbx", b"Kaydara FBX Binary")})
    told = client.post("/api/v1/meshes/convert", json={"mesh": "ftp://example.com/a.glb"})

    assert problem(answer) == problem(told) == (400, "invalid_mesh")
    assert "GLB, OBJ, PLY or STL" in answer.json()["detail"]
    assert "picture" not in answer.json()["detail"] + told.json()["detail"]


@pytest.mark.parametrize("kind", ["generate", "retexture", "simplify", "convert"])
def test_a_plan_has_a_price_and_stages_that_make_up_the_whole(client, kind):
    path = f"{JOBS if kind == 'generate' else f'/api/v1/meshes/{kind}'}?dry_run=true"
    fields = {"front": base64_png()} if kind == "generate" else {"mesh": "AAAA"}
    fields |= {"front": base64_png()} if kind == "retexture" else {}

    plan = client.post(path, json=fields).json()

    assert (plan["kind"], plan["cost"] > 0) == (kind, True)
    assert sum(stage["share"] for stage in plan["stages"]) == pytest.approx(1, abs=0.01)
