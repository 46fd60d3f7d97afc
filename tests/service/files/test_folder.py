# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The folder under what happens to disks and processes."""

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import aclosing

import pytest

from fourview.errors import DependencyAwayError, OutputError
from fourview.service.files import open_files
from fourview.service.files.folder import PIECE, Folder
from fourview.service.settings import Settings

WRITER = """
import os, sys
from pathlib import Path
from fourview.service.files.folder import Folder
files = Folder(Path(sys.argv[1]))
while True:
    print(files.put(os.urandom(4 << 20)).digest, flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "files")


def open_handles():
    return len(os.listdir("/dev/fd"))


def test_the_settings_name_the_folder(tmp_path):
    """Whatever its name: a URL has signs of its own."""
    odd = tmp_path / "100% 'mine' #1?"

    default = open_files(Settings(state_dir=odd))
    named = open_files(Settings(files_url=(tmp_path / "a b").as_uri()))

    assert isinstance(default, Folder)
    assert default.read(default.put(b"x").digest) == b"x"
    assert (odd / "files" / "2d").is_dir()
    assert named.put(b"x").digest in {path.name for path in (tmp_path / "a b").rglob("*")}


def test_an_artifact_lies_under_its_digest_for_the_owner_alone(folder, tmp_path):
    digest = folder.put(b"picture").digest

    path = tmp_path / "files" / digest[:2] / digest
    assert path.read_bytes() == b"picture"
    assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "files").stat().st_mode & 0o077 == 0


def test_a_process_that_is_killed_leaves_nothing_that_is_not_whole(tmp_path):
    """Killed in the middle of a file, again and again: what stands under a digest has that digest."""
    root, told = tmp_path / "files", set()
    folder = Folder(root)

    for count in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, text=True)
        told |= {writer.stdout.readline().strip() for _ in range(1 + count)}
        while not any(_sizes(root)):
            assert writer.poll() is None
        writer.kill()
        told |= {line.strip() for line in writer.communicate()[0].splitlines() if len(line.strip()) == 64}

    there = {artifact.digest for artifact in folder.each()}
    assert told <= there
    assert all(hashlib.sha256(folder.read(digest)).hexdigest() == digest for digest in there)
    assert folder.drop_partial(time.time()) >= 1
    assert list((root / "partial").iterdir()) == []
    assert {artifact.digest for artifact in folder.each()} == there


def _sizes(root):
    """Bytes of each file that is being written; one may be renamed into its place meanwhile."""
    for path in _partials(root):
        with contextlib.suppress(FileNotFoundError):
            yield path.stat().st_size


def _partials(root):
    found = []
    for path in (root / "partial").iterdir():
        try:
            path.stat()
        except FileNotFoundError:
            continue
        found.append(path)
    return found


def test_what_is_being_written_is_not_swept_up(folder, tmp_path):
    begun = tmp_path / "files" / "partial" / "begun"
    begun.write_bytes(b"half")

    assert folder.drop_partial(time.time() - 3600) == 0
    assert begun.exists()


def test_an_artifact_that_lost_bytes_is_mended_when_it_is_put_again(folder, tmp_path):
    digest = folder.put(b"picture").digest
    (tmp_path / "files" / digest[:2] / digest).write_bytes(b"pict")

    folder.put(b"picture")

    assert folder.read(digest) == b"picture"


def test_a_reader_has_the_whole_artifact_though_it_is_dropped_meanwhile(folder):
    data = os.urandom(3 * PIECE)
    digest = folder.put(data).digest

    async def read():
        async with aclosing(folder.stream(digest, 0, len(data))) as pieces:
            first = await anext(pieces)
            folder.drop(digest)
            return first + b"".join([piece async for piece in pieces])

    assert asyncio.run(read()) == data


def test_a_reader_that_stops_early_holds_no_file(folder):
    digest = folder.put(os.urandom(3 * PIECE)).digest

    async def read():
        before = open_handles()
        async with aclosing(folder.stream(digest, 0, 3 * PIECE)) as pieces:
            await anext(pieces)
            assert open_handles() == before + 1
        return open_handles() - before

    assert asyncio.run(read()) == 0


def test_a_name_that_is_no_digest_is_never_a_path(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    for name in ("../secret", "..", "", "/etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\0", "partial"):
        for act in (folder.find, folder.read, folder.drop):
            with pytest.raises(OutputError, match="no digest"):
                act(name)
    assert (tmp_path / "secret").exists()


def test_a_disk_that_takes_no_more_is_an_error_with_its_reason(folder, tmp_path, monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fsync)

    with pytest.raises(DependencyAwayError, match=r"takes no more files \(No space left on device\)") as caught:
        folder.put(b"picture")

    assert caught.value.is_full

    assert list(folder.each()) == []
    assert list((tmp_path / "files" / "partial").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_with_its_cure(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=r"cannot be made .*files_url"):
        Folder(tmp_path / "file" / "files")


def test_room_is_that_of_the_disk(folder, tmp_path):
    assert folder.free_mib() == pytest.approx(shutil.disk_usage(tmp_path).free / 2**20, rel=0.1)
