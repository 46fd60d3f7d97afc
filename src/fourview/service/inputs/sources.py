# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What one field of a request holds, and the bytes of the file that it stands for.

Owns      recognizing what a field holds, decoding base64 and data URIs, the largest size.
Not here  fetching (`outbound.fetch`), where uploads lie (`load`), what the file is (`pictures`, `meshes`).

The beginning of a field decides, after outer white space is dropped; no text can be two of these:

    null, "", "1", an empty file part    absent
    http:// or https://                  a URL
    data:                                a data URI, base64 or percent-encoded
    upl_                                 an upload id; no file in base64 begins like this
    anything else that is text           base64, standard or URL-safe, padded or not, in one line or many
    bytes                                a file part, taken as it is

The base64 of a PNG begins with `iVBORw0KGgo`, of a JPEG with `/9j/` (or `_9j_`), of a WebP with `UklGR`. A colon is in
no alphabet of base64, so another scheme (`file:`, `ftp:`) is refused and never taken for base64.

Own code, because no library does this: `base64` builds copies of a large text, `urllib.parse` lists of millions of
parts, and neither refuses a text by its length before it decodes it.
"""

import binascii
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fourview.service.nouns import PICTURE, Noun

_ABSENT = ("", "1")
_UPLOAD = re.compile(r"upl_[A-Za-z0-9]{1,64}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITE = b" \t\r\n\f\v"
_NOT_DATA = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!-~]|#")  # what a percent-encoded text cannot hold


@dataclass(frozen=True)
class Limits:
    """The largest file; `pixels_max` is for pictures."""

    bytes_max: int = 32 * 2**20
    pixels_max: int = 64_000_000


@dataclass(frozen=True)
class Source:
    """What a field holds, recognized and not yet read: `value` is bytes for a file, else text."""

    kind: Literal["url", "data", "upload", "base64", "file"]
    value: str | bytes


def tell(field: str, value: object, noun: Noun = PICTURE) -> Source | None:
    """What `value` is, or None where the file is absent; nothing is fetched or decoded. Raises the error of `noun`."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return Source("file", value) if value else None
    if not isinstance(value, str):
        raise noun.error(
            f"{noun.of(field)} is of type {type(value).__name__}; a text or a file part is needed: send a URL, "
            "base64, a data URI or an upload id"
        )
    text = value.strip()
    if text in _ABSENT:
        return None
    head = text[:8].lower()
    if head.startswith(("http://", "https://")):
        return Source("url", text)
    if head.startswith("data:"):
        return Source("data", text)
    if text.startswith("upl_"):
        if not _UPLOAD.fullmatch(text):
            raise noun.error(f"{noun.of(field)} {text[:40]!r} is no upload id; send what POST /uploads answered")
        return Source("upload", text)
    if scheme := _SCHEME.match(text[:40]):
        raise noun.error(f"{noun.of(field)} begins with {scheme[0]!r}; only http:, https: and data: are read")
    return Source("base64", text)


async def gather(
    field: str,
    source: Source,
    limits: Limits,
    noun: Noun = PICTURE,
    *,
    fetch: Callable[[str, str], Awaitable[bytes]],
    upload: Callable[[str, str], Awaitable[bytes]],
) -> bytes:
    """The bytes of the file that `source` stands for, not looked at yet. Both callables are given `field` and text."""
    if isinstance(source.value, bytes):
        return _within(field, source.value, limits, noun)
    if source.kind == "url":
        return _within(field, await fetch(field, source.value), limits, noun)
    if source.kind == "upload":
        return _within(field, await upload(field, source.value), limits, noun)
    return from_text(field, source, limits, noun)


def from_text(field: str, source: Source, limits: Limits, noun: Noun = PICTURE) -> bytes:
    """The bytes of a file that stand in the request itself, as base64 or a data URI."""
    text = str(source.value)
    if source.kind == "base64":
        return _from_base64(field, text, limits, noun)
    head, comma, body = text.partition(",")
    if not comma:
        raise noun.error(f"{noun.of(field)} is a data URI without a comma; data:{noun.media_type};base64,... is needed")
    is_base64 = head.lower().rstrip().endswith(";base64")
    if not is_base64 or "%" in body:
        body_bytes = _from_percent(field, body, limits, noun, 2 if is_base64 else 1)
        if not is_base64:
            return _within(field, body_bytes, limits, noun)
        body = body_bytes.decode("latin-1")
    return _from_base64(field, body, limits, noun)


def _from_base64(field: str, text: str, limits: Limits, noun: Noun) -> bytes:
    cure = "send a URL, a data URI, base64, an upload id, or the file itself as a form part"
    if not text.isascii():
        raise noun.error(f"{noun.of(field)} is text that is not base64: {cure}")
    packed = text.encode().translate(_FROM_URL_SAFE, _WHITE)
    letters = packed.rstrip(b"=")
    check_length(field, len(letters) * 3 // 4, limits, noun)
    try:
        if len(packed) - len(letters) > 2 or len(letters) % 4 == 1:
            raise ValueError
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True)
    except ValueError:
        raise noun.error(f"{noun.of(field)} is {len(text)} characters that are not base64: {cure}") from None


def _from_percent(field: str, text: str, limits: Limits, noun: Noun, growth: int) -> bytes:
    """`text` with each %41 as its byte; it may stand for up to `growth` times the bytes of the file."""
    raw = text.encode("utf-8", "replace")
    check_length(field, len(raw) // (3 * growth), limits, noun)
    if _NOT_DATA.search(raw):
        raise noun.error(
            f"{noun.of(field)} is a data URI with characters that must be percent-encoded; encode them, or send "
            f"data:{noun.media_type};base64,..."
        )
    # Quoted-printable but for the sign; `urllib.parse.unquote_to_bytes` would make a list of millions of parts.
    return binascii.a2b_qp(raw.replace(b"=", b"%3D").replace(b"%", b"="))


def _within(field: str, data: bytes, limits: Limits, noun: Noun) -> bytes:
    check_length(field, len(data), limits, noun)
    return data


def check_length(field: str, length: int, limits: Limits, noun: Noun) -> None:
    """Raises the error of `noun` for a file that is larger than `limits`."""
    if length > limits.bytes_max:
        raise noun.error(f"{noun.of(field)} has {length} bytes; at most {limits.bytes_max} are read: {noun.smaller}")
