# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Artifacts in a folder of this machine, or of one that all machines see.

Owns      the layout (`ab/abcdef..`, the name is the SHA-256), writing so that a power cut leaves all or nothing.
Not here  a bucket (`bucket`), which artifacts may go (`janitor`).

A folder that cannot be reached is away (`DependencyAwayError`): the disk fails, a share is not mounted, nothing can be
written. An artifact that is not there, in a folder that is, is lost (`OutputError`).

An artifact is written under a name of its own in `partial/`, synced, renamed into its place, and the folder is synced:
so the file under a digest is whole. A killed process leaves files in `partial/` only, which is never read.
"""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, BytesIO
from pathlib import Path

from anyio import to_thread

from fourview.errors import DependencyAwayError, OutputError
from fourview.service.files import Artifact

PIECE = 1 << 18  # bytes: of a file that is handed out, read at once
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Folder:
    def __init__(self, root: Path) -> None:
        self._root, self._partial = root, root / "partial"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self._partial, *(root / f"{first:02x}" for first in range(256))):
                folder.mkdir(exist_ok=True)
            _sync(root)
        except OSError as error:
            raise OutputError(
                f"the folder of files {root} cannot be made ({error.strerror}): set files_url to one that can"
            ) from None

    def put(self, source: bytes | Path) -> Artifact:
        """Keep these bytes, or those of that file; they are on the disk when this returns."""
        with _opened(source) as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
            size, path = data.seek(0, os.SEEK_END), self._path(digest)  # bytes are hashed without being read
            with self._reached():
                if not self._touch(path, size):
                    data.seek(0)
                    self._write(data, path)
                return Artifact(digest, size, path.stat().st_mtime)

    def find(self, digest: str) -> Artifact | None:
        """What is known of an artifact; None where it is not there."""
        path = self._path(digest)
        with self._reached():
            try:
                status = path.stat()
            except FileNotFoundError:
                path.parent.stat()
                return None
        return Artifact(digest, status.st_size, status.st_mtime)

    def read(self, digest: str) -> bytes:
        """The whole artifact; raises `OutputError` where it is not there."""
        with self._open(digest) as data, self._reached():
            return data.read()

    def save(self, digest: str, path: Path) -> None:
        """Write the artifact to `path`, whole or not at all; raises `OutputError` where it is not there."""
        partial = path.with_name(f"{path.name}.partial")
        with self._open(digest) as data, partial.open("wb") as out:
            while piece := self._piece(data, PIECE):
                out.write(piece)
        partial.replace(path)

    async def stream(self, digest: str, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `begin` up to `end`, in pieces, also where it is dropped meanwhile."""
        data = await to_thread.run_sync(self._open, digest)
        try:
            data.seek(begin)
            while begin < end:
                piece = await to_thread.run_sync(self._piece, data, min(PIECE, end - begin))
                if not piece:
                    raise OutputError(f"the artifact {digest} ends at {begin} of {end} bytes: restore it from a backup")
                begin += len(piece)
                yield piece
        finally:
            data.close()

    def drop(self, digest: str) -> None:
        """Forget an artifact; nothing happens where it is not there."""
        with self._reached():
            self._path(digest).unlink(missing_ok=True)

    def drop_partial(self, before: float) -> int:
        """Remove what killed processes began to write before then (unix seconds); how many."""
        count = 0
        with self._reached():
            for path in self._partial.iterdir():
                with suppress(FileNotFoundError):  # it was finished or removed meanwhile
                    if path.stat().st_mtime <= before:
                        path.unlink()
                        count += 1
        return count

    def each(self) -> Iterator[Artifact]:
        """All of them, in no order."""
        with self._reached():
            self._partial.stat()
        for path in self._root.glob("[0-9a-f][0-9a-f]/*"):
            if _DIGEST.fullmatch(path.name) and (artifact := self.find(path.name)) is not None:
                yield artifact

    def free_mib(self) -> float:
        """How much more fits."""
        with self._reached():
            return shutil.disk_usage(self._root).free / 2**20

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Whatever the system says against it, the folder is away."""
        try:
            yield
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "takes no more files" if is_full else "cannot be used"
            reason = f"{self._root} {what} ({error.strerror}); it needs to be mounted, writable and to have room"
            raise DependencyAwayError("file store", reason, is_full=is_full) from error

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise OutputError(f"{digest[:80]!r} is no digest; 64 hexadecimal characters are needed")
        return self._root / digest[:2] / digest

    def _open(self, digest: str) -> BufferedReader:
        path = self._path(digest)
        with self._reached():
            try:
                return path.open("rb")
            except FileNotFoundError:
                path.parent.stat()
        raise OutputError(f"the artifact {digest} is not in {self._root}: restore it from a backup")

    def _piece(self, data: BufferedReader, size: int) -> bytes:
        with self._reached():
            return data.read(size)

    def _touch(self, path: Path, size: int) -> bool:
        """Whether the artifact is there already; if so it was put there now."""
        try:
            os.utime(path)
            return path.stat().st_size == size
        except FileNotFoundError:
            return False

    def _write(self, data: BufferedReader | BytesIO, path: Path) -> None:
        handle, name = tempfile.mkstemp(dir=self._partial)
        try:
            with os.fdopen(handle, "wb") as out:
                shutil.copyfileobj(data, out, PIECE)
                out.flush()
                os.fsync(handle)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        _sync(path.parent)


def _opened(source: bytes | Path) -> BufferedReader | BytesIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _sync(folder: Path) -> None:
    """Let the names in `folder` outlive a power cut; where folders cannot be opened the system sees to it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
