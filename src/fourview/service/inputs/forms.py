# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A form becomes fields: multipart/form-data and x-www-form-urlencoded.

Owns      parts and pairs, which part is a file, how many there may be.
Not here  JSON, what no field may hold (`inputs.body`), how large and how slow a body may be (`http.body_limits`).

A part is a file where it has a file name. Some clients send none: in a field that takes files, a part is also a file
where its Content-Type or its bytes are no text's.

`multipart` parses forms, piece by piece. It notices that a form was cut off, which the framework's own parser does not:
a form without its closing boundary is refused. A preamble and an epilogue are ignored (RFC 2046).
"""

import asyncio
import binascii
import re
from collections.abc import AsyncIterator, Collection
from io import BytesIO
from typing import Any, NoReturn

from multipart import MultipartError, MultipartSegment, PushMultipartParser
from starlette.requests import Request

from fourview.service.inputs.refusals import once, refuse_field, shorten
from fourview.service.problems import Refused

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
FIELDS_MAX = 100  # no route has half as many
PIECE = 1 << 13  # bytes of a form that are parsed at once

FILE_TYPE = re.compile(r"(image|model)/.+|application/(octet-stream|zip)")  # media types that only files have
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_NOT_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^ -~]")


def urlencoded(data: bytes) -> dict[str, Any]:
    if data.lstrip()[:1] == b"{":
        raise Refused("malformed_body", "the body looks like JSON; say so: Content-Type: application/json")
    pairs = data.split(b"&", FIELDS_MAX)
    if len(pairs) > FIELDS_MAX or _NOT_ENCODED.search(data):
        raise Refused(
            "malformed_body", f"the form cannot be read; it takes {FIELDS_MAX} fields in percent-encoded UTF-8"
        )
    return once([_decoded_pair(pair) for pair in pairs if pair])


def _decoded_pair(pair: bytes) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    try:
        return _decoded(name), _decoded(value)
    except UnicodeDecodeError:
        refuse_field(name.decode(), "is not UTF-8; encode name and text so")


def _decoded(data: bytes) -> str:
    # Quoted-printable but for the sign; `urllib.parse.unquote` makes lists of millions of parts, gigabytes of them.
    plain = data.replace(b"+", b" ").replace(b"=", b"%3D").replace(b"%", b"=")
    return binascii.a2b_qp(plain).decode()


async def multipart_parts(request: Request) -> list[tuple[MultipartSegment, bytes]]:
    """The parts of a form, each with its content."""
    found = _BOUNDARY.search(request.headers["content-type"])
    if found is None:
        cure = f"let the library that writes the form set it: {MULTIPART}; boundary=..."
        raise Refused("malformed_body", f"the Content-Type names no boundary between the parts of the form; {cure}")
    boundary = found[1] or found[2]
    parser = PushMultipartParser(boundary, max_segment_count=FIELDS_MAX, header_charset="latin-1")
    parts: list[tuple[MultipartSegment, bytes]] = []
    try:
        async for piece in _pieces(request):  # the last is empty, and the parser objects where the form is not over
            for event in parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    part, content = event, BytesIO()
                elif event is None:
                    parts.append((part, content.getvalue()))
                else:
                    content.write(event)
    except MultipartError as error:
        _refuse_form(str(error) if piece else f"it breaks off before its closing boundary, --{shorten(boundary)}--")
    if not parts:
        _refuse_form("there is no part in it")
    return parts


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces between which other requests get their turn: heads may be slow to parse."""
    async for received in request.stream():
        for begin in range(0, len(received) or 1, PIECE):
            yield received[begin : begin + PIECE]
            await asyncio.sleep(0)


def _refuse_form(why: str) -> NoReturn:
    limits = f"a form has up to {FIELDS_MAX} parts with up to 8 lines of 4 KiB before the content, which end with CRLF"
    raise Refused("malformed_body", f"the form cannot be read: {why}; {limits}, and ends with its closing boundary")


def field_of(part: MultipartSegment, data: bytes, files: Collection[str]) -> tuple[str, str | bytes]:
    """Name and value of the field that is a part of a form."""
    name = part.name.encode("latin-1").decode("utf-8", "replace")
    if not name:
        _refuse_form("a part of it has no name")
    if part.filename is not None:
        return name, data
    if name in files and (FILE_TYPE.fullmatch(part.content_type or "") or b"\0" in data):
        return name, data
    try:
        return name, data.decode()
    except UnicodeDecodeError as error:
        if name in files:
            return name, data
        refuse_field(name, f"is not UTF-8 from byte {error.start} on; encode it so, or give the part a file name")
