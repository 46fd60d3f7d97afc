# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Artifacts in a bucket that speaks S3.

Owns      what a URL says of it, keys (`PREFIX/ab/abcdef..`, the name is the SHA-256), reading in pieces.
Not here  the protocol of S3, its retries and its credentials (obstore), which artifacts may go (`janitor`).

`s3://BUCKET/PREFIX`, with credentials, region and endpoint from the usual `AWS_*` variables of the environment, or from
the query: `?region=auto&endpoint=https://minio.example.com`, any option of obstore's `S3Config` by its name.

While the bucket cannot be used, for whatever reason, it is away (`DependencyAwayError`): obstore tries a few times
within seconds, everything longer is the caller's patience.

An object is there when all of it is. Parts of an upload that was killed are not seen but paid for: a lifecycle rule of
the bucket (abort incomplete multipart uploads) removes them.
"""

import hashlib
import os
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from fourview.errors import DependencyAwayError, MissingExtraError, OutputError
from fourview.install import install_line
from fourview.service.files import Artifact

try:
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store
except ImportError as error:
    raise MissingExtraError(f"files in a bucket need obstore: {install_line('serve')}") from error

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PIECE = 1 << 22  # bytes: one request each, so that no request lasts as long as the slowest reader
CONNECT = timedelta(seconds=3)
QUICK = timedelta(seconds=3)  # for a question without a body; anything else has obstore's 30 s for each piece
RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=3)}
_KEY = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class Bucket:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        config: dict[str, Any] = dict(parse_qsl(parts.query))
        endpoint = config.pop("endpoint", None) or next(filter(None, map(os.environ.get, _ENDPOINTS)), None)
        client: ClientConfig = {"connect_timeout": CONNECT}
        if endpoint is not None:
            config |= {"endpoint": endpoint}
            client["allow_http"] = endpoint.startswith("http://")
        config |= {"prefix": parts.path.strip("/") or None, "retry_config": RETRIES}
        self._name = f"s3://{parts.netloc}{parts.path}"
        try:
            self._store = S3Store(parts.netloc, client_options=client, **config)
            self._quick = S3Store(parts.netloc, client_options={**client, "timeout": QUICK}, **config)
            next(
                obstore.list(self._store, chunk_size=1), None
            )  # a wrong setting fails at the start, and not in the first job
        except (BaseError, PermissionError, FileNotFoundError) as error:
            raise OutputError(
                f"{self._name} cannot be used: {_reason(error)}; look at files_url and the AWS_* variables"
            ) from None

    def put(self, source: bytes | Path) -> Artifact:
        """Keep these bytes, or those of that file; they are in the bucket when this returns."""
        with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as data:
            digest, size = hashlib.file_digest(data, "sha256").hexdigest(), data.seek(0, SEEK_END)
        with self._reached():
            obstore.put(self._store, _key(digest), source)
        return Artifact(digest, size, time.time())

    def find(self, digest: str) -> Artifact | None:
        """What is known of an artifact; None where it is not there."""
        try:
            with self._reached(digest):
                seen = obstore.head(self._quick, _key(digest))
        except OutputError:
            return None
        return Artifact(digest, seen["size"], seen["last_modified"].timestamp())

    def read(self, digest: str) -> bytes:
        """The whole artifact; raises `OutputError` where it is not there."""
        with self._reached(digest):
            return bytes(obstore.get(self._store, _key(digest)).bytes())

    def save(self, digest: str, path: Path) -> None:
        """Write the artifact to `path`, whole or not at all; raises `OutputError` where it is not there."""
        partial = path.with_name(f"{path.name}.partial")
        with partial.open("wb") as out, self._reached(digest):
            out.writelines(obstore.get(self._store, _key(digest)).stream(min_chunk_size=PIECE))
        partial.replace(path)

    async def stream(self, digest: str, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `begin` up to `end`, in pieces."""
        while begin < end:
            until = min(begin + PIECE, end)
            with self._reached(digest):
                piece = bytes(await obstore.get_range_async(self._store, _key(digest), start=begin, end=until))
            if len(piece) < until - begin:
                raise OutputError(
                    f"the artifact {digest} ends at {begin + len(piece)} of {end} bytes: restore it from a backup"
                )
            yield piece
            begin = until

    def drop(self, digest: str) -> None:
        """Forget an artifact; nothing happens where it is not there."""
        with suppress(OutputError), self._reached(digest):
            obstore.delete(self._quick, _key(digest))

    def drop_partial(self, before: float) -> int:
        """Nothing: a rule of the bucket does it."""
        return 0

    def each(self) -> Iterator[Artifact]:
        """All of them, in no order."""
        with self._reached():
            for page in obstore.list(self._store):
                for seen in page:
                    if name := _KEY.fullmatch(seen["path"]):
                        yield Artifact(name[2], seen["size"], seen["last_modified"].timestamp())

    def free_mib(self) -> float | None:
        """None: a bucket has no limit that is known here."""
        return None

    @contextmanager
    def _reached(self, digest: str | None = None) -> Iterator[None]:
        """Whatever obstore raises says that the bucket is away, unless it is `digest` alone that is not there."""
        try:
            yield
        except (BaseError, PermissionError, FileNotFoundError) as error:
            is_gone = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error)
            if is_gone and digest is not None:
                message = f"the artifact {digest} is not in {self._name}: restore it from a backup"
                raise OutputError(message) from None
            raise DependencyAwayError("file store", f"{self._name}: {_reason(error)}") from None


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _reason(error: Exception) -> str:
    """What obstore says, in one line."""
    return " ".join(str(error).partition("\n\nDebug source")[0].split())
