# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of our own: in a temporary folder, on a unix socket, stopped after the tests."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

NOT_ROOT = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


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
    folder = Path(tempfile.mkdtemp(prefix="fourview-pg-"))  # short: a socket's path may have 107 characters
    if NOT_ROOT:
        shutil.chown(folder, NOT_ROOT)

    def run(*command: str) -> None:
        # The server inherits what it prints to, so this is a file and no pipe, which would never end.
        with (folder.parent / f"{folder.name}.log").open("a") as log:
            subprocess.run(command, check=True, user=NOT_ROOT, cwd="/", stdout=log, stderr=log)

    data = str(folder / "data")
    try:
        run(str(pg_ctl), "initdb", "-D", data, "-o", "--username=postgres --auth=trust --encoding=UTF8 --no-sync")
        # fsync off: what a killed client leaves behind is tried here, not what a power cut does to PostgreSQL.
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=200"
        run(str(pg_ctl), "start", "-w", "-D", data, "-o", options)
        try:
            yield Cluster(folder)
        finally:
            run(str(pg_ctl), "stop", "-w", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink()
