# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview work` as a process: its log, its health, and its end where threads die for good."""

import json
import subprocess
import sys

import httpx
import pytest
from interfaces.server import END_S, Server

BROKEN = """
import sys
from fourview.cli import main
from fourview.service import supervisor
from fourview.service.background.dispatcher import Dispatcher

supervisor.LOOK_S = 0.1
Dispatcher._run = lambda self: None  # the thread ends as soon as it begins
sys.argv = ["fourview", *sys.argv[1:]]
main()
"""


@pytest.fixture
def worker(migrated_file, tmp_path):
    database = tmp_path / "state.db"
    database.write_bytes(migrated_file.read_bytes())
    worker = Server(f"sqlite:///{database}", tmp_path, "work", log_format="json", log_level="debug", health_port=0)
    yield worker.start()
    worker.close()


def test_every_line_of_its_log_is_as_the_settings_say_from_the_first_on(worker):
    worker.stop()

    lines = worker.log.read_text().splitlines()
    logged = [line for line in lines if line not in ("ready", "stopping") and not line.startswith("health ")]
    assert {"runner_ready"} <= {json.loads(line)["event"] for line in logged}


def test_it_shows_its_health_and_its_numbers(worker):
    lines = worker.log.read_text().splitlines()
    url = next(line.split()[1] for line in lines if line.startswith("health "))

    assert httpx.get(f"{url}/health/live").json() == {"status": "live", "dead": []}
    assert httpx.get(f"{url}/health/ready").status_code == 200
    assert "fourview_runners 1.0" in httpx.get(f"{url}/metrics").text


@pytest.mark.parametrize("words", [["work"], ["serve", "--port", "0", "--no-browser"]])
def test_a_process_whose_threads_die_for_good_ends_so_that_another_is_started(tmp_path, words):
    flags = ["--state", str(tmp_path / "state"), "--device", "instant"]

    process = subprocess.run(
        [sys.executable, "-c", BROKEN, *words, *flags], capture_output=True, text=True, timeout=END_S, check=False
    )

    assert process.returncode == 1, process.stderr
    assert "gave_up" in process.stderr
    assert "Traceback" not in process.stderr
