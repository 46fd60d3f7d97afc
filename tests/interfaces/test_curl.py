# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""curl, as people write it: JSON, forms, files, and pictures of 8 MB as text."""

import json
import subprocess

import pytest
from interfaces.pictures import FRONT, PNG, V1, V2, noise, text
from require import require


@pytest.fixture
def curl(standing, tmp_path):
    """Runs curl with a key of its own; returns the status, the headers and the body."""
    program, key = require("curl"), standing.add_key()

    def run(path, *arguments):
        heads = tmp_path / "heads"
        command = [program, "-sS", "-D", heads, "-H", f"x-api-key: {key}", standing.base_url + path, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        *_, last = heads.read_text().strip().split("\n\n")  # 100 Continue comes first
        status, *lines = last.splitlines()
        return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), done.stdout

    return run


def test_json_from_a_file(curl, tmp_path):
    (tmp_path / "request.json").write_text(json.dumps(FRONT | {"file_type": "ply"}))

    status, headers, body = curl(V1, "-H", "Content-Type: application/json", "-d", "@request.json")

    assert (status, body[:4]) == (200, b"ply\n")
    assert 'filename="model.ply"' in headers["content-disposition"]


def test_files_and_text_in_one_form(curl, tmp_path):
    (tmp_path / "front.png").write_bytes(PNG)
    form = ["-F", "front_image=@front.png", "-F", f"left_image={text(PNG)}", "-F", "back_image=", "-F", "right_image=1",
            "-F", "steps=30", "-F", "remove_background=false", "-F", "randomize_seed=0", "-F", "seed=77"]  # fmt: skip

    status, headers, body = curl(V1, *form)

    assert (status, headers["x-seed-value"], body[:4]) == (200, "77", b"glTF")
    assert headers.get("x-warnings", "parameter_unused") == "parameter_unused"


def test_pictures_of_8_mb_as_text_in_a_form(curl, tmp_path):
    (tmp_path / "front.txt").write_text(text(noise(5.9)))
    assert (tmp_path / "front.txt").stat().st_size > 8_000_000

    status, _, body = curl(V1, "-F", "front_image=<front.txt", "-F", "back_image=<front.txt")

    assert (status, body[:4]) == (200, b"glTF")


def test_pictures_of_8_mb_as_text_urlencoded_and_as_json(curl, tmp_path):
    (tmp_path / "front.txt").write_text(text(noise(5.9)))
    (tmp_path / "request.json").write_text(json.dumps({"front_image": (tmp_path / "front.txt").read_text()}))

    for arguments in (
        ["--data-urlencode", "front_image@front.txt", "-d", "steps=30"],
        ["-H", "Content-Type: application/json", "-d", "@request.json"],
    ):
        status, _, body = curl(V2, *arguments)
        assert (status, json.loads(body)["status"]) == (200, "QUEUED")


def test_json_without_its_content_type_is_told_what_to_send(curl):
    status, headers, body = curl(V1, "-d", json.dumps(FRONT))

    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert "Content-Type: application/json" in json.loads(body)["error"]


def test_the_file_is_saved_under_the_name_that_is_told(curl, tmp_path):
    status, _, _ = curl(V1, "-OJ", "-F", f"front_image={text(PNG)}")

    assert (status, (tmp_path / "model.glb").read_bytes()[:4]) == (200, b"glTF")
