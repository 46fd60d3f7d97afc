# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The real service: `fourview serve` in a process of its own, on a database and in a folder of the test."""

import os
import signal
import subprocess
import sys
import time

import httpx

from fourview.service.store import accounts, keys, ledger
from fourview.service.store.database import open_store

READY_S = 60  # far more than it takes, also where the machine has much to do
END_S = 60


class Server:
    """One service. It may be stopped or killed, and started again on the same port; `log` is all that it printed.

    `words` begin its command line: `serve` where there are none, or `work`. `wrapper` is the command that starts it.
    """

    def __init__(self, database, folder, *words, wrapper=(), **parameters):
        self._wrapper = wrapper
        self.database, self.folder, self._words = database, folder, words or ("serve",)
        self.log = folder / "serve.log"
        self.port, self.base_url, self.process = 0, "", None
        self._parameters = {"devices": "instant", "disk_free_min_mib": 1, "rate_per_min": 1_000_000} | parameters
        self.store = open_store(database)
        self.keys = []  # that were added

    def start(self):
        """Start it, and come back when it is ready."""
        flags = [f"--set={name}={value}" for name, value in self._parameters.items()]
        where = ["--database", self.database, "--state", str(self.folder / "state")]
        where += ["--port", str(self.port)] if self._words[0] == "serve" else []
        printed = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._wrapper, sys.executable, "-m", "fourview", *self._words, *where, *flags],
                stdout=log, stderr=log,
                env={name: value for name, value in os.environ.items() if not name.startswith("FOURVIEW_")},
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + READY_S
        while not (ready := [line for line in self._lines(printed) if line.startswith("ready")]):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)
        if self._words[0] == "serve":
            self.base_url = ready[0].split()[1]
            self.port = int(self.base_url.rpartition(":")[2])
        return self

    def stop(self, sign=signal.SIGTERM):
        """Ask it to end, and wait; its exit code."""
        self.process.send_signal(sign)
        return self.process.wait(END_S)

    def kill(self):
        """End the process that serves, as a power cut would. Its runners notice and end by themselves."""
        self.process.kill()
        self.process.wait(END_S)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(END_S)
        self.store.close()

    def add_key(self, credits=1000, account=None, **limits):
        """The text of a new key, of a new account with credits where none is named."""
        now = time.time()
        with self.store.begin() as tx:
            if account is None:
                account = accounts.add_account(tx, f"customer-{now}", now).id
                if credits:
                    ledger.grant(tx, account, credits * ledger.CREDIT, "start", now)
            self.keys.append(keys.add_key(tx, account, "test", now, **limits)[1])
        return self.keys[-1]

    def client(self, key=None, **more):
        """An HTTP client of it with a key: a new one with credits where none is given."""
        return httpx.Client(base_url=self.base_url, headers={"x-api-key": key or self.add_key()}, timeout=60, **more)

    def _lines(self, since):
        with self.log.open("rb") as log:
            log.seek(since)
            return [line for line in log.read().decode(errors="replace").splitlines(keepends=True) if line[-1] == "\n"]
