# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in a request's body, whatever way it was written: fields by name, knobs.

Owns      JSON, multipart/form-data, x-www-form-urlencoded; what no field may hold; the Idempotency-Key and the
          fingerprint that goes with it; form text as the value of a knob; which knobs cannot be.
Not here  which fields a door has (`routes`), what a picture's field holds (`pictures`), how large a body may be
          (`middleware`).

A field is a JSON value, the text of a form, or bytes: a part with a file name. Neither a database nor a log can hold
NUL or half a surrogate pair, so no text here does. Large bodies are taken apart in a thread: the event loop goes on.
"""

import asyncio
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from fourview.errors import RecipeError
from fourview.recipe import Recipe, knobs
from fourview.service.desk import desk_of
from fourview.service.problems import Refused

FIELDS_MAX = 100  # no door has half as many
PIECES_MAX = 100_000  # brackets and commas: 48 MiB of nothing else would be a gigabyte of empty lists
LARGE = 1 << 16  # bytes: less is read faster than a thread is found
SILENCE_S = 30.0  # a form that broke off, or a client that wants to hold a connection, sends no more
SHOWN = 40  # characters of a value that an error repeats

_JSON, _FORM, _MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_NOT_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^ -~]")
_WORD = re.compile(r"[!-~]{1,255}", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_HAS_CHOICES = {knob.name: bool(knob.choices) for knob in knobs()}


@dataclass(frozen=True)
class Body:
    """The fields of a request; `word` is its Idempotency-Key, and `fingerprint` is "" where it has none."""

    fields: dict[str, Any]
    is_form: bool  # numbers are text there
    word: str | None = None
    fingerprint: str = ""


@contextmanager
def patience(request: Request) -> Iterator[Request]:
    """The request, which is refused where nothing comes of the rest of its body."""

    async def receive() -> Message:
        async with asyncio.timeout(SILENCE_S):
            return await request.receive()

    try:
        yield Request(request.scope, receive)
    except TimeoutError:
        raise Refused(
            "malformed_body",
            f"nothing came of the rest of the body for {SILENCE_S:g} s; send all of it",
            headers={"connection": "close"},
        ) from None


async def read(request: Request) -> Body:
    """The body of a request; raises `Refused` where it cannot be read."""
    kind, word, path = _media_type(request), _word(request), request.url.path

    with patience(request) as impatient:
        content = await (_multipart(impatient) if kind == _MULTIPART else impatient.body())

    def take_apart() -> Body:
        if isinstance(content, dict):
            fields = content
        elif kind == _FORM:
            fields = _urlencoded(content)
        else:
            fields = _json(content)
        _check(fields)
        return Body(fields, kind in (_FORM, _MULTIPART), word, _fingerprint(path, fields) if word else "")

    size = sum(map(len, content.values())) if isinstance(content, dict) else len(content)
    return take_apart() if size < LARGE else await to_thread.run_sync(take_apart)


def as_knob(name: str, value: Any) -> Any:
    """`value` as the recipe takes it: the text of a form becomes a number where the knob is one.

    What no knob takes is left for the recipe to refuse, but no longer than an error may show.
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


def wrong_knobs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and sentence of each knob whose value cannot be."""
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
    try:
        return _once([(_decoded(name), _decoded(value)) for name, _, value in (p.partition(b"=") for p in pairs if p)])
    except UnicodeDecodeError:
        raise Refused("malformed_body", "a text in the form is not UTF-8; encode it so") from None


def _decoded(data: bytes) -> str:
    # Quoted-printable but for the sign; `urllib.parse.unquote` makes lists of millions of parts, gigabytes of them.
    plain = data.replace(b"+", b" ").replace(b"=", b"%3D").replace(b"%", b"=")
    return binascii.a2b_qp(plain).decode()


async def _multipart(request: Request) -> dict[str, Any]:
    largest = desk_of(request).settings.body_max_mib * 2**20
    try:
        async with request.form(max_files=FIELDS_MAX, max_fields=FIELDS_MAX, max_part_size=largest) as form:
            parts = form.multi_items()
            return _once([(name, await v.read() if isinstance(v, UploadFile) else v) for name, v in parts])
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise Refused("malformed_body", f"the form cannot be read: {error.detail}") from None


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
    values: list[Any] = [fields]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
        elif isinstance(value, str) and not value.isascii():
            _check_text(value)
        elif isinstance(value, str) and "\0" in value:
            _refuse_text()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse_text()
    if "\0" in text:
        _refuse_text()


def _refuse_text() -> NoReturn:
    raise Refused("malformed_body", "a text in the body holds NUL or half a surrogate pair; send it without")


def _fingerprint(path: str, fields: dict[str, Any]) -> str:
    """The same for the same fields sent to the same path, in whatever order; each by its hash, a file by its own."""
    found = hashlib.sha256(path.encode())
    for name, value in sorted(fields.items()):
        is_file = isinstance(value, bytes)
        digest = hashlib.sha256(value if is_file else json.dumps(value, sort_keys=True).encode()).hexdigest()
        found.update(f"\n{json.dumps(name)} {'file' if is_file else 'json'} {digest}".encode())
    return found.hexdigest()
