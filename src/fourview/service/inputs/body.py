# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in a request's body, whatever way it was written: fields by name, parameters.

Owns      JSON, multipart/form-data, x-www-form-urlencoded; what no field may hold; the Idempotency-Key and the
          fingerprint that goes with it; form text as the value of a parameter; which parameters cannot be.
Not here  which fields a door has (`routes`), what a picture's field holds (`pictures`), how large and how
          slow a body may be (`body_limits`).

A field is a JSON value, the text of a form, or bytes: a file. A part of a form is a file where it has a file name. Some
clients send none: in a field that takes files, a part is also a file where its Content-Type or its bytes are no text's.

`multipart` parses forms, piece by piece. It notices that a form was cut off, which the framework's own parser does not:
a form without its closing boundary is refused. A preamble and an epilogue are ignored (RFC 2046).

Neither a database nor a log can hold NUL or half a surrogate pair, so no text here does. Large bodies are taken apart
in a thread: the event loop goes on.
"""

import asyncio
import binascii
import hashlib
import json
import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NoReturn

from anyio import to_thread
from multipart import MultipartError, MultipartSegment, PushMultipartParser
from starlette.requests import Request

from fourview.errors import RecipeError
from fourview.recipe import Recipe, parameters
from fourview.service.problems import Refused

FIELDS_MAX = 100  # no door has half as many
PIECES_MAX = 100_000  # brackets and commas: a large body of nothing else would be a gigabyte of empty lists
LARGE = 1 << 16  # bytes: less is read faster than a thread is found
PIECE = 1 << 13  # bytes of a form that are parsed at once
SHOWN = 40  # characters of a value that an error repeats

FILE_TYPE = re.compile(r"(image|model)/.+|application/(octet-stream|zip)")  # media types that only files have

_JSON, _FORM, _MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_NOT_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^ -~]")
_WORD = re.compile(r"[!-~]{1,255}", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_HAS_CHOICES = {parameter.name: bool(parameter.choices) for parameter in parameters()}


@dataclass(frozen=True)
class Body:
    """The fields of a request; `word` is its Idempotency-Key, and `fingerprint` is "" where it has none."""

    fields: dict[str, Any]
    is_form: bool  # numbers are text there
    word: str | None = None
    fingerprint: str = ""


async def read(request: Request, files: Collection[str] = ()) -> Body:
    """The body of a request whose fields `files` take files; raises `Refused` where it cannot be read."""
    kind, word, path = _media_type(request), _word(request), request.url.path

    content = await (_parts(request) if kind == _MULTIPART else request.body())

    def take_apart() -> Body:
        if isinstance(content, list):
            fields = _once([_field(part, data, files) for part, data in content])
        elif kind == _FORM:
            fields = _urlencoded(content)
        else:
            fields = _json(content)
        _check(fields)
        return Body(fields, kind in (_FORM, _MULTIPART), word, _fingerprint(path, fields) if word else "")

    size = sum(len(data) for _, data in content) if isinstance(content, list) else len(content)
    return take_apart() if size < LARGE else await to_thread.run_sync(take_apart)


def as_parameter(name: str, value: Any) -> Any:
    """`value` as the recipe takes it: the text of a form becomes a number where the parameter is one.

    What no parameter takes is left for the recipe to refuse, but no longer than an error may show.
    """
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, dict | list) or (isinstance(value, int) and abs(value) >= 10**30):
        return shorten(json.dumps(value))
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _HAS_CHOICES[name] and _WHOLE.fullmatch(text):
        return int(text)
    if not _HAS_CHOICES[name] and _NUMBER.fullmatch(text):
        return float(text)
    return shorten(text)


def wrong_parameters(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and sentence of each parameter whose value cannot be."""
    wrong = []
    for name, value in values.items():
        try:
            Recipe.of(**{name: value})
        except RecipeError as error:
            wrong.append((name, str(error)))
    return wrong


def refuse(wrong: Iterable[tuple[str, str]], code: str = "invalid_field") -> NoReturn:
    """Raises `Refused` with the name of a field and a sentence for each."""
    found = tuple(wrong)
    pointers = [("/" + name.replace("~", "~0").replace("/", "~1"), sentence) for name, sentence in found]
    raise Refused(code, "; ".join(sentence for _, sentence in found), errors=pointers)


def shorten(text: str) -> str:
    """`text` as an error repeats it."""
    return text if len(text) <= SHOWN else text[:SHOWN] + ".."


def _media_type(request: Request) -> str:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("media_type", "the body is compressed; send it as it is, without Content-Encoding")
    header = request.headers.get("content-type", "")
    kind, *parameters = [part.strip().lower() for part in header.split(";")]
    charset = next((p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Refused("media_type", f"the body's charset is '{shorten(charset)}'; only UTF-8 is read")
    if kind in (_JSON, _FORM, _MULTIPART):
        return kind
    if not kind and request.headers.get("content-length", "0") == "0":
        return _JSON  # of no field, which is what its error will say
    raise Refused("media_type", f"the Content-Type is '{shorten(header)}'; send {_JSON}, {_MULTIPART} or {_FORM}")


def _word(request: Request) -> str | None:
    word = request.headers.get("idempotency-key")
    if word is not None and not _WORD.fullmatch(word):
        raise Refused("invalid_field", "the Idempotency-Key is not 1 to 255 visible ASCII characters; send another")
    return word


def _json(data: bytes) -> dict[str, Any]:
    if not data.strip():
        return {}
    if sum(map(data.count, (b"[", b"{", b","))) > PIECES_MAX:
        raise Refused("malformed_body", f"the JSON has more than {PIECES_MAX} pieces; send a flat object")
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise Refused("malformed_body", "the JSON is nested too deeply; the fields of a request are flat") from None
    except ValueError as error:  # also of bytes that are no UTF-8, and of numbers with thousands of digits
        why = f"{error}" if isinstance(error, json.JSONDecodeError) else "a text or a number in it is none"
        raise Refused("malformed_body", f"the body is not JSON: {why}") from None
    if not isinstance(value, dict):
        raise Refused("malformed_body", "the body is JSON but no object; send the fields by name: {...}")
    return value


def _urlencoded(data: bytes) -> dict[str, Any]:
    if data.lstrip()[:1] == b"{":
        raise Refused("malformed_body", "the body looks like JSON; say so: Content-Type: application/json")
    pairs = data.split(b"&", FIELDS_MAX)
    if len(pairs) > FIELDS_MAX or _NOT_ENCODED.search(data):
        raise Refused(
            "malformed_body", f"the form cannot be read; it takes {FIELDS_MAX} fields in percent-encoded UTF-8"
        )
    return _once([_decoded_pair(pair) for pair in pairs if pair])


def _decoded_pair(pair: bytes) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    try:
        return _decoded(name), _decoded(value)
    except UnicodeDecodeError:
        _refuse_field(name.decode(), "is not UTF-8; encode name and text so")


def _decoded(data: bytes) -> str:
    # Quoted-printable but for the sign; `urllib.parse.unquote` makes lists of millions of parts, gigabytes of them.
    plain = data.replace(b"+", b" ").replace(b"=", b"%3D").replace(b"%", b"=")
    return binascii.a2b_qp(plain).decode()


async def _parts(request: Request) -> list[tuple[MultipartSegment, bytes]]:
    """The parts of a form, each with its content."""
    found = _BOUNDARY.search(request.headers["content-type"])
    if found is None:
        cure = f"let the library that writes the form set it: {_MULTIPART}; boundary=..."
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


def _field(part: MultipartSegment, data: bytes, files: Collection[str]) -> tuple[str, str | bytes]:
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
        _refuse_field(name, f"is not UTF-8 from byte {error.start} on; encode it so, or give the part a file name")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields by name, each of which is there once."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise Refused("malformed_body", f"the field '{shorten(name)}' is there twice; send it once")
        fields[name] = value
    return fields


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _check(fields: dict[str, Any]) -> None:
    """Raises `Refused` where a text is in it that cannot be kept, or where there is too much."""
    if len(fields) > FIELDS_MAX:
        raise Refused("malformed_body", f"the body has {len(fields)} fields; at most {FIELDS_MAX} are read")
    if fault := next(filter(None, map(_fault_of, fields)), None):
        raise Refused("malformed_body", f"the name of a field holds {fault}; send it without")
    for name, value in fields.items():
        if fault := next(filter(None, map(_fault_of, _texts(value))), None):
            _refuse_field(name, f"holds {fault}, which no text may; send it without, or give a file its file name")


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names included."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
        elif isinstance(value, str):
            yield value


def _fault_of(text: str) -> str | None:
    """What neither a database nor a log can hold, where it is in a text."""
    if "\0" in text:
        return "NUL (U+0000)"
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError as error:
        return f"half a surrogate pair (U+{ord(text[error.start]):04X})"
    return None


def _refuse_field(name: str, why: str) -> NoReturn:
    refuse([(name, f"the field '{shorten(name)}' {why}")], "malformed_body")


def _fingerprint(path: str, fields: dict[str, Any]) -> str:
    """The same for the same fields sent to the same path, in whatever order; each by its hash, a file by its own."""
    found = hashlib.sha256(path.encode())
    for name, value in sorted(fields.items()):
        is_file = isinstance(value, bytes)
        digest = hashlib.sha256(value if is_file else json.dumps(value, sort_keys=True).encode()).hexdigest()
        found.update(f"\n{json.dumps(name)} {'file' if is_file else 'json'} {digest}".encode())
    return found.hexdigest()
