# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess
import sys

import pytest

from fourview.recipe import parameters
from fourview.service.http.openapi import PUBLIC
from fourview.service.http.recipe_schema import JSON
from fourview.service.problems import PROBLEMS
from fourview.service.routes import page

HEAVY = ("torch", "onnxruntime", "scipy", "cv2", "mahotas", "trimesh")


@pytest.fixture
def url(migrated_file, tmp_path):
    """SQLite alone: the document does not depend on the database."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture
def document(stranger):
    return stranger.get("/openapi.json").json()


def operations(document):
    return [(path, method, found) for path, of in document["paths"].items() for method, found in of.items()]


def test_every_route_is_in_the_document(app, document):
    hidden = {"/openapi.json", *(route.path for route in page.router.routes)}
    routes = {(route.path, method.lower()) for route in app.routes for method in route.methods if method != "HEAD"}
    told = {(path, method) for path, method, _ in operations(document)}

    assert {one for one in routes if one[0] not in hidden} == told
    assert document["openapi"].startswith("3.1")


def test_every_operation_says_what_it_does_what_it_needs_and_how_it_fails(document):
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["description"], where
        assert ("security" in operation) == (path not in PUBLIC), where
        assert {"400", "500", "503", "default"} <= operation["responses"].keys(), where
        assert "HTTPValidationError" not in str(operation), where


def test_every_problem_has_an_example(document):
    for code, problem in PROBLEMS.items():
        example = document["components"]["responses"][code]["content"]["application/problem+json"]["example"]
        assert (example["code"], example["status"]) == (code, problem.status)
        assert document["components"]["schemas"]["Problem"]["required"] == list(example)


def test_every_reference_leads_somewhere(document):
    def look(part):
        if isinstance(part, dict):
            if isinstance(target := part.get("$ref"), str):
                found = document
                for step in target.removeprefix("#/").split("/"):
                    found = found[step]
            for value in part.values():
                look(value)
        elif isinstance(part, list):
            for value in part:
                look(value)

    look(document)


def test_a_job_takes_every_parameter_with_the_range_and_the_sentence_of_the_recipe(document):
    body = document["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"][JSON]["schema"]
    told = body["properties"]["recipe"]["properties"]
    for parameter in parameters():
        schema = told[parameter.name]
        assert schema["description"].startswith(parameter.doc)
        assert repr(schema.get("minimum")) == repr(parameter.low), parameter.name  # a float holds no seed
        assert repr(schema.get("maximum")) == repr(parameter.high), parameter.name
        assert not parameter.choices or set(parameter.choices) <= set(schema["enum"])


def test_the_front_desk_starts_without_the_machinery():
    code = f"import sys, fourview.service.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
