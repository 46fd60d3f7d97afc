# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""File contents under their SHA-256, in a folder or in a bucket.

Owns      the protocol of the two places, and which one a URL means.
Not here  who an artifact belongs to (`store`), how it is handed out (`routes.files`), when it goes (`janitor`).
"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fourview.service.settings import Settings

PROBE = b"fourview looks whether it can write"  # written to check that files can be written


@dataclass(frozen=True)
class Artifact:
    """A stored artifact: `digest` is 64 hexadecimal characters, `at` the unix seconds of the last `put`."""

    digest: str
    bytes: int
    at: float


class Files(Protocol):
    """A place for artifacts. Each is whole; the same bytes put twice are one artifact. Any thread may call.

    Every method raises `DependencyAwayError` while the place cannot be reached, or is full.
    """

    def put(self, source: bytes | Path) -> Artifact:
        """Store these bytes, or those of a file; they are on the disk when this returns."""

    def find(self, digest: str) -> Artifact | None:
        """The artifact; None where it is not stored."""

    def read(self, digest: str) -> bytes:
        """The whole artifact; raises `OutputError` where it is not stored."""

    def save(self, digest: str, path: Path) -> None:
        """Write the artifact to `path`, whole or not at all; raises `OutputError` where it is not there."""

    def stream(self, digest: str, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `begin` up to `end`, in pieces; raises `OutputError`. A caller that stops early closes it."""

    def drop(self, digest: str) -> None:
        """Delete an artifact, if it is stored."""

    def drop_partial(self, before: float) -> int:
        """Delete what killed processes began to write before `before` (unix seconds); returns how many."""

    def each(self) -> Iterator[Artifact]:
        """All artifacts, in no order."""

    def free_mib(self) -> float | None:
        """The free space; None where it is unknown (a bucket)."""


def open_files(settings: Settings) -> Files:
    """The place that the settings name; raises `OutputError`, or `MissingExtraError`, where it cannot be used."""
    if settings.files.startswith("s3://"):
        from fourview.service.files.bucket import Bucket

        return Bucket(settings.files)
    from fourview.service.files.folder import Folder

    return Folder(Path(url2pathname(urlsplit(settings.files).path)))
