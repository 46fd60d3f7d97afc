# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Artifacts in a bucket that speaks S3.

Owns      what a URL says of it, keys (`PREFIX/ab/abcdef..`, the name is the SHA-256), reading in pieces.
Not here  the protocol of S3, its retries and its credentials (obstore), which artifacts may go (`janitor`).

`s3://BUCKET/PREFIX`, with credentials, region and endpoint from the usual `AWS_*` variables of the environment, or from
the query: `?region=auto&endpoint=https://minio.example.com`, any option of obstore's `S3Config` by its name.

An object is there when all of it is. Parts of an upload that was killed are not seen but paid for: a lifecycle rule of
the bucket (abort incomplete multipart uploads) removes them.
"""

import hashlib
import os
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fourview.errors import MissingExtraError, OutputError
from fourview.service.files import Artifact

try:
    import obstore
    from obstore.exceptions import BaseError, NotFoundError
    from obstore.store import S3Store
except ImportError as error:
    raise MissingExtraError("files in a bucket need obstore: pip install 'fourview[serve]'") from error

PIECE = 1 << 22  # bytes: one request each, so that no request lasts as long as the slowest reader
_KEY = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_GONE = (FileNotFoundError, NotFoundError)


class Bucket:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        config: dict[str, Any] = dict(parse_qsl(parts.query))
        endpoint = config.pop("endpoint", None) or next(filter(None, map(os.environ.get, _ENDPOINTS)), None)
        if endpoint is not None:
            config |= {"endpoint": endpoint, "client_options": {"allow_http": endpoint.startswith("http://")}}
        self._name = f"s3://{parts.netloc}{parts.path}"
        with self._told():
            self._store = S3Store(parts.netloc, prefix=parts.path.strip("/") or None, **config)
            next(obstore.list(self._store, chunk_size=1), None)  # what is wrong is said now, and not to the first job

    def put(self, source: bytes | Path) -> Artifact:
        """Keep these bytes, or those of that file; they are in the bucket when this returns."""
        with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as data:
            digest, size = hashlib.file_digest(data, "sha256").hexdigest(), data.seek(0, SEEK_END)
        with self._told():
            obstore.put(self._store, _key(digest), source)
        return Artifact(digest, size, time.time())

    def find(self, digest: str) -> Artifact | None:
        """What is known of an artifact; None where it is not there."""
        try:
            with self._told():
                seen = obstore.head(self._store, _key(digest))
        except _GONE:
            return None
        return Artifact(digest, seen["size"], seen["last_modified"].timestamp())

    def read(self, digest: str) -> bytes:
        """The whole artifact; raises `OutputError` where it is not there."""
        try:
            with self._told():
                return bytes(obstore.get(self._store, _key(digest)).bytes())
        except _GONE:
            raise self._lacks(digest) from None

    def save(self, digest: str, path: Path) -> None:
        """Write the artifact to `path`, whole or not at all; raises `OutputError` where it is not there."""
        partial = path.with_name(f"{path.name}.partial")
        try:
            with self._told(), partial.open("wb") as out:
                out.writelines(obstore.get(self._store, _key(digest)).stream(min_chunk_size=PIECE))
        except _GONE:
            raise self._lacks(digest) from None
        partial.replace(path)

    async def stream(self, digest: str, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `begin` up to `end`, in pieces."""
        while begin < end:
            until = min(begin + PIECE, end)
            try:
                with self._told():
                    piece = bytes(await obstore.get_range_async(self._store, _key(digest), start=begin, end=until))
            except _GONE:
                raise self._lacks(digest) from None
            if len(piece) < until - begin:
                raise OutputError(
                    f"the artifact {digest} ends at {begin + len(piece)} of {end} bytes: restore it from a backup"
                )
            yield piece
            begin = until

    def drop(self, digest: str) -> None:
        """Forget an artifact; nothing happens where it is not there."""
        with suppress(*_GONE), self._told():
            obstore.delete(self._store, _key(digest))

    def drop_partial(self, before: float) -> int:
        """Nothing: a rule of the bucket does it."""
        return 0

    def each(self) -> Iterator[Artifact]:
        """All of them, in no order."""
        with self._told():
            for page in obstore.list(self._store):
                for seen in page:
                    if name := _KEY.fullmatch(seen["path"]):
                        yield Artifact(name[2], seen["size"], seen["last_modified"].timestamp())

    def free_mib(self) -> float | None:
        """Nobody can say."""
        return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What obstore raises is said in one line."""
        try:
            yield
        except _GONE:
            raise
        except (BaseError, PermissionError) as error:
            reason = " ".join(str(error).partition("\n\nDebug source")[0].split())
            raise OutputError(
                f"{self._name} cannot be used: {reason}; look at files_url and the AWS_* variables"
            ) from None

    def _lacks(self, digest: str) -> OutputError:
        return OutputError(f"the artifact {digest} is not in {self._name}: restore it from a backup")


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
