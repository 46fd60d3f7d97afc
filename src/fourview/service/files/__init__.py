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

PROBE = b"fourview looks whether it can write"  # put to see whether files can be written


@dataclass(frozen=True)
class Artifact:
    """What is there: `digest` is 64 hexadecimal characters, `at` unix seconds of when it was put there last."""

    digest: str
    bytes: int
    at: float


class Files(Protocol):
    """A place for artifacts. What is there is whole; putting the same bytes twice is one artifact. Any thread calls.

    Every method raises `DependencyAwayError` while the place cannot be reached, or is full.
    """

    def put(self, source: bytes | Path) -> Artifact:
        """Keep these bytes, or those of that file; they are on the disk when this returns."""

    def find(self, digest: str) -> Artifact | None:
        """What is known of an artifact; None where it is not there."""

    def read(self, digest: str) -> bytes:
        """The whole artifact; raises `OutputError` where it is not there."""

    def save(self, digest: str, path: Path) -> None:
        """Write the artifact to `path`, whole or not at all; raises `OutputError` where it is not there."""

    def stream(self, digest: str, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `begin` up to `end`, in pieces; raises `OutputError`. Whoever stops early closes it."""

    def drop(self, digest: str) -> None:
        """Forget an artifact; nothing happens where it is not there."""

    def drop_partial(self, before: float) -> int:
        """Remove what killed processes began to write before then (unix seconds), where that takes room; how many."""

    def each(self) -> Iterator[Artifact]:
        """All of them, in no order."""

    def free_mib(self) -> float | None:
        """How much more fits; None where nobody can say (a bucket)."""


def open_files(settings: Settings) -> Files:
    """The place that the settings name; raises `OutputError`, or `MissingExtraError`, where it cannot be used."""
    if settings.files.startswith("s3://"):
        from fourview.service.files.bucket import Bucket

        return Bucket(settings.files)
    from fourview.service.files.folder import Folder

    return Folder(Path(url2pathname(urlsplit(settings.files).path)))
