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
from interfaces.browsing import built
from interfaces.server import END_S, READY_S

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
        return self._process.wait(END_S)

    def close(self):
        self._process.kill()
        self._process.wait(END_S)
        os.close(self._screen)


@pytest.fixture
def start(tmp_path):
    """Starts services, one after the other, on one state; without a page there is no link."""
    built()
    started = []

    def start(*words, **more):
        started.append(Start(tmp_path, *words, **more))
        return started[-1]

    yield start
    for one in started:
        one.close()


def link(printed):
    return next(iter(re.findall(r"^  (http://\S+/#signin=\S+)\r?$", printed, re.M)), None)


def test_the_link_that_is_printed_is_opened_and_signs_in(start):
    first = start()
    printed = first.wait_for(lambda: "ready http" in first.printed and link(first.printed))

    first.wait_for(first.opened.exists)

    assert first.opened.read_text() == printed
    base_url, _, word = printed.partition("/#signin=")
    key = httpx.post(f"{base_url}/api/v1/signin", json={"word": word}).json()["key"]
    assert httpx.get(f"{base_url}/api/v1/keys/self", headers={"x-api-key": key}).status_code == 200
    assert first.end() == 0


def test_a_later_start_opens_nothing(start):
    first = start()
    first.wait_for(first.opened.exists)
    first.end()
    first.opened.unlink()

    second = start()
    second.wait_for(lambda: "ready http" in second.printed)
    second.end()

    assert not second.opened.exists()


@pytest.mark.parametrize(
    ("words", "environment"),
    [(["--no-browser"], {}), (["--set", "open_browser=false"], {}), ([], {"CI": "true"}),
     ([], {"FOURVIEW_OPEN_BROWSER": "false"})],
)  # fmt: skip
def test_where_it_is_not_wanted_the_link_is_printed_alone(start, words, environment):
    first = start(*words, **environment)
    first.wait_for(lambda: "ready http" in first.printed and link(first.printed))
    first.end()

    assert not first.opened.exists()


def test_a_start_that_prints_into_a_file_opens_nothing(start, tmp_path):
    with (tmp_path / "printed").open("w") as output:
        first = start(output=output)
    first.wait_for(lambda: "ready http" in (tmp_path / "printed").read_text())
    first.end()

    assert link((tmp_path / "printed").read_text())
    assert not first.opened.exists()


def test_a_browser_that_fails_is_no_error(start):
    first = start(BROWSER="/dev/null/none")
    first.wait_for(lambda: "ready http" in first.printed)

    assert first.end() == 0


def test_a_browser_that_stays_holds_nothing_up(start, tmp_path):
    first = start(BROWSER=f"sh -c 'touch {tmp_path / 'on'}; exec cat' %s")  # it reads from the terminal
    first.wait_for((tmp_path / "on").exists)

    assert first.end() == 0
