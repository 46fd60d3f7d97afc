# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL of our own: one for all tests on a unix socket, and servers that are stopped, frozen and promoted."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import psycopg

NOT_ROOT = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
INITDB = "--username=postgres --auth=trust --encoding=UTF8 --no-sync"


class Cluster:
    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket}"

    def new_database(self) -> str:
        """The URL of a new database without any table."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def running(pg_ctl: Path) -> Iterator[Cluster]:
    with _folder() as folder, (folder / "log").open("a") as log:
        data = str(folder / "data")
        _run(log, pg_ctl, "initdb", "-D", data, "-o", INITDB)
        # fsync off: what a killed client leaves behind is tried here, not what a power cut does to PostgreSQL.
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=200"
        _run(log, pg_ctl, "start", "-w", "-D", data, "-o", options)
        try:
            yield Cluster(folder)
        finally:
            _run(log, pg_ctl, "stop", "-w", "-m", "immediate", "-D", data)


class Node:
    """A server on a port of the loopback, which is to fail: `stop`, `freeze`, `promote`."""

    def __init__(self, pg_ctl: Path, folder: Path) -> None:
        self.port = free_port()
        self.folder, self._pg_ctl, self._data = folder, pg_ctl.resolve(), folder / "data"
        self._frozen: list[int] = []

    def initialise(self) -> None:
        self._do("initdb", "-D", str(self._data), "-o", INITDB)

    def follow(self, primary: "Node") -> None:
        """Become its standby: it answers what only reads, and a commit of the primary waits for it."""
        copy = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-D", str(self._data))
        with (self.folder / "log").open("a") as log:
            _run(log, self._pg_ctl.with_name("pg_basebackup"), *copy, "-R", "-c", "fast", "--no-sync")
        primary.do("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")

    def start(self) -> None:
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100"
        self._do("start", "-w", "-D", str(self._data), "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        self.thaw()
        if (self._data / "postmaster.pid").exists():
            self._do("stop", "-w", "-m", mode, "-D", str(self._data))

    def promote(self) -> None:
        """Take writes from now on."""
        self.do("ALTER SYSTEM RESET synchronous_standby_names")
        self._do("promote", "-w", "-D", str(self._data))

    def freeze(self) -> None:
        """It keeps its connections, and answers nothing any more."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        self._frozen = [postmaster, *map(int, children)]
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def do(self, *statements: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _do(self, *words: str) -> None:
        with (self.folder / "log").open("a") as log:
            _run(log, self._pg_ctl, *words)


@contextmanager
def nodes(pg_ctl: Path, count: int) -> Iterator[list[Node]]:
    """A primary, and standbys of it, with an empty database `fourview`."""
    with ExitStack() as stack:
        made = [Node(pg_ctl, stack.enter_context(_folder())) for _ in range(count)]
        for node in made:
            if node is made[0]:
                node.initialise()
            else:
                node.follow(made[0])
            stack.callback(node.stop)
            node.start()
            if node is made[0]:
                node.do("CREATE DATABASE fourview")
        yield made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that PostgreSQL may write to; its name is short, since a socket's path may have 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="fourview-pg-"))
    if NOT_ROOT:
        shutil.chown(folder, NOT_ROOT)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(log: IO[str], program: Path, *words: str) -> None:
    # The server inherits what it prints to, so this is a file and no pipe, which would never end.
    subprocess.run([program, *words], check=True, user=NOT_ROOT, cwd="/", stdout=log, stderr=log)
