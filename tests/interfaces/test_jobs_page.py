# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The lines of docs/reference/jobs-api.md and of llms.txt run as they stand."""

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
from require import require
from service.acts import png

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "jobs-api.md"


def test_the_lines_of_the_page_run(standing, tmp_path):
    require("curl")
    for name in ("front.png", "left.png"):
        (tmp_path / name).write_bytes(png())
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "URL": standing.base_url, "KEY": standing.add_key()},
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert '"status":"succeeded"' in ran.stdout
    assert '"object":"plan"' in ran.stdout
    assert '"code":"job_final"' in ran.stdout  # it had ended when it was canceled
    assert (tmp_path / "preview.json").stat().st_size > 100


def test_the_line_of_llms_txt_runs(standing, tmp_path):
    require("curl")
    for name in ("front.png", "back.png"):
        (tmp_path / name).write_bytes(png())
    page = httpx.get(f"{standing.base_url}/llms.txt").text
    line = re.search(r"^    (curl .*)$", page, re.MULTILINE)[1].replace("KEY", standing.add_key())

    ran = subprocess.run(
        ["bash", "-c", f"{line} -f -s"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )

    assert json.loads(ran.stdout)["status"] == "succeeded"
