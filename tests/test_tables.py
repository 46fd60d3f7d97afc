# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One entry in a table is all that a new engine, kind of work, side, file type or problem needs to be seen everywhere.

A process adds a made-up one of each before anything else reads the tables, and shows what the interfaces make of them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fourview.sides import SIDES

ROOT = Path(__file__).parents[1]
ADDED = """
import json, sys, time
from dataclasses import replace
from pathlib import Path

from fourview.sides import SIDES, Side
SIDES["top"] = Side("top", "front", 45.0, 0, 1, "The made-up top.")
from fourview.file_types import FILE_TYPES, FileType
FILE_TYPES["blob"] = FileType("blob", "a made-up file type", "model/blob")
from fourview.engines import ENGINES
ENGINES["clay"] = replace(ENGINES["hull"], name="clay", summary="a made-up engine", parameters=("num_chunks",))
from fourview.kinds import KINDS
KINDS["polish"] = replace(KINDS["simplify"], name="polish", summary="a mesh becomes a made-up shine")
from fourview.service.problems import PROBLEMS, Problem
PROBLEMS["too_shiny"] = Problem(418, "It is too shiny", "Dull it.", of=())
"""
SHOWN = (
    ADDED
    + """
from click.testing import CliRunner
from starlette.testclient import TestClient
from fourview import recipe
from fourview.cli.app import app as command_line
from fourview.service import prices
from fourview.service.app import create_app
from fourview.service.context import AppContext
from fourview.service.files import open_files
from fourview.service.settings import Settings
from fourview.service.store.database import open_store
from fourview.service.wakeups import Wakeups

folder = Path(sys.argv[1])
settings = Settings(state_dir=folder, database_url=f"sqlite:///{folder}/state.db", no_auth=True)
store = open_store(f"sqlite:///{folder}/state.db")
from fourview.service.http.auth import ensure_open_account
ensure_open_account(store, time.time())
context = AppContext(settings, store, open_files(settings), Wakeups(), None, None, (b"s" * 32,))
sys.path.insert(0, "docs")
import generate
with TestClient(create_app(context), settings.base_url) as client:
    shown = {
        "recipe": {p.name: list(p.choices) for p in recipe.parameters()},
        "prices": list(prices.PRICES),
        "help": CliRunner().invoke(command_line, ["generate", "--help"]).output,
        "models": [model["id"] for model in client.get("/api/v1/models").json()["data"]],
        "error": client.get("/errors/too_shiny").text,
        "llms": client.get("/llms.txt").text,
        "openapi": client.get("/openapi.json").json(),
        "docs": {name: getattr(generate, name)() for name in ("recipe", "errors", "api")},
    }
store.close()
print(json.dumps(shown))
"""
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    command = [sys.executable, "-W", "ignore", "-c", SHOWN, tmp_path_factory.mktemp("state")]
    printed = subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout
    return json.loads(printed.splitlines()[-1])  # log lines come before


def fields(shown, path, media_type="multipart/form-data"):
    body = shown["openapi"]["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]
    return body["properties"]


def test_an_engine_is_one_entry(shown):
    assert "clay" in shown["recipe"]["engine"]
    assert "clay" in shown["prices"]
    assert "clay" in shown["models"]
    assert "clay, a made-up engine" in shown["llms"]
    assert "clay" in fields(shown, "/api/v1/jobs")["engine"]["enum"]  # the page reads this schema
    assert "clay, a made-up engine" in shown["docs"]["recipe"]


def test_a_kind_of_work_is_one_entry(shown):
    assert "polish" in shown["prices"]
    assert "target_face_num" in fields(shown, "/api/v1/meshes/polish")
    assert "a made-up shine" in shown["openapi"]["paths"]["/api/v1/meshes/polish"]["post"]["description"]
    assert "polish" in shown["openapi"]["components"]["schemas"]["JobObject"]["properties"]["kind"]["enum"]
    assert "/api/v1/meshes/polish" in shown["docs"]["api"]


def test_a_side_is_one_entry(shown):
    assert "--top" in shown["help"]
    assert "The made-up top." in " ".join(shown["help"].split())
    assert "top" in fields(shown, "/api/v1/jobs")
    assert "top" in fields(shown, "/api/v1/meshes/retexture")
    assert "top_image" in fields(shown, "/v1/hunyuan3d-2mv")


def test_a_file_type_is_one_entry(shown):
    assert "blob" in shown["recipe"]["file_type"]
    assert ".blob" in shown["help"]
    assert "blob" in fields(shown, "/v1/hunyuan3d-2mv")["file_type"]["enum"]
    answer = shown["openapi"]["paths"]["/v1/hunyuan3d-2mv"]["post"]["responses"]["200"]
    assert "model/blob" in answer["content"]
    assert "a made-up file type" in shown["docs"]["recipe"]


def test_a_problem_is_one_entry(shown):
    assert "It is too shiny" in shown["error"]
    assert "too_shiny" in shown["openapi"]["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert "Dull it." in shown["docs"]["errors"]


def test_the_page_has_the_same_sides():
    text = (ROOT / "web" / "src" / "sides.ts").read_text()
    found = re.findall(r'^  (\w+): \{\n    opposite: "(\w+)",\n    azimuthDeg: (\d+),', text, re.MULTILINE)

    assert found == [(side.name, side.opposite, f"{side.azimuth_deg:g}") for side in SIDES.values()]
