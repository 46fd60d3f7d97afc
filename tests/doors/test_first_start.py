# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The first start opens its sign-in link for a person: the real service, a real terminal, a browser that writes."""

import os
import pty
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest
from doors.server import END_S, READY_S

HIDES = ("CI", "BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION")


class Start:
    """`fourview serve` with a terminal, as a person starts it; `output` is what else than the terminal it prints to."""

    def __init__(self, tmp_path, *words, output=None, **environment):
        browser, self.opened = tmp_path / "browser", tmp_path / "opened"
        browser.write_text(f'#!/bin/sh\nprintf %s "$1" >> {self.opened}.part && mv {self.opened}.part {self.opened}\n')
        browser.chmod(0o755)
        kept = {name: v for name, v in os.environ.items() if name not in HIDES and not name.startswith("FOURVIEW_")}
        self.printed = ""
        self._screen, terminal = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fourview", "serve", "--port", "0", "--device", "instant", "--state", tmp_path / "s",
             *words],
            stdin=terminal, stdout=output or terminal, stderr=terminal, start_new_session=True,
            env=kept | {"BROWSER": str(browser)} | environment,
        )  # fmt: skip
        os.close(terminal)

    def wait_for(self, what):
        """Read the terminal until `what` finds something; what it found."""
        until = time.monotonic() + READY_S
        while not (found := what()):
            assert time.monotonic() < until, self.printed
            self._read()
        return found

    def _read(self):
        os.set_blocking(self._screen, False)
        try:
            self.printed += os.read(self._screen, 65536).decode()
        except BlockingIOError:
            time.sleep(0.02)

    def end(self):
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(END_S)
        os.close(self._screen)
        return code


def link(printed):
    return next(iter(re.findall(r"^  (http://\S+/#signin=\S+)\r?$", printed, re.M)), None)


def test_the_link_that_is_printed_is_opened_and_signs_in(tmp_path):
    start = Start(tmp_path)
    printed = start.wait_for(lambda: "ready http" in start.printed and link(start.printed))

    start.wait_for(start.opened.exists)

    assert start.opened.read_text() == printed
    base_url, _, word = printed.partition("/#signin=")
    key = httpx.post(f"{base_url}/api/v1/signin", json={"word": word}).json()["key"]
    assert httpx.get(f"{base_url}/api/v1/keys/self", headers={"x-api-key": key}).status_code == 200
    assert start.end() == 0


def test_a_later_start_opens_nothing(tmp_path):
    first = Start(tmp_path)
    first.wait_for(first.opened.exists)
    first.end()
    first.opened.unlink()

    second = Start(tmp_path)
    second.wait_for(lambda: "ready http" in second.printed)
    second.end()

    assert not second.opened.exists()


@pytest.mark.parametrize(
    ("words", "environment"),
    [(["--no-browser"], {}), (["--set", "open_browser=false"], {}), ([], {"CI": "true"}),
     ([], {"FOURVIEW_OPEN_BROWSER": "false"})],
)  # fmt: skip
def test_where_it_is_not_wanted_the_link_is_printed_alone(tmp_path, words, environment):
    start = Start(tmp_path, *words, **environment)
    start.wait_for(lambda: "ready http" in start.printed and link(start.printed))
    start.end()

    assert not start.opened.exists()


def test_a_start_that_prints_into_a_file_opens_nothing(tmp_path):
    with (tmp_path / "printed").open("w") as output:
        start = Start(tmp_path, output=output)
    start.wait_for(lambda: "ready http" in (tmp_path / "printed").read_text())
    start.end()

    assert link((tmp_path / "printed").read_text())
    assert not start.opened.exists()


def test_a_browser_that_fails_or_does_not_end_is_no_error(tmp_path):
    fails = Start(tmp_path, BROWSER="/dev/null/none")
    fails.wait_for(lambda: "ready http" in fails.printed)
    assert fails.end() == 0

    (tmp_path / "stays").mkdir()
    stays = Start(tmp_path / "stays", BROWSER="sh -c 'touch " + str(tmp_path / "on") + "; exec cat' %s")
    stays.wait_for((tmp_path / "on").exists)
    assert stays.end() == 0
