# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The body of a request becomes fields by name, in whatever way it was written.

Owns      the media types, JSON, what no field may hold, the Idempotency-Key and its fingerprint, form text as the value
          of a parameter, which values a parameter refuses.
Not here  forms (`inputs.forms`), which fields a route has (`hosted.request`, `jobs_api.request`), what a file's field
          holds (`inputs.sources`), how large and how slow a body may be (`http.body_limits`).

A field is a JSON value, the text of a form, or bytes: a file.

Neither a database nor a log can hold NUL or half a surrogate pair, so no text here does. Large bodies are parsed in
a thread, so the event loop goes on.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from anyio import to_thread
from starlette.requests import Request

from fourview.errors import RecipeError
from fourview.recipe import Recipe, parameters
from fourview.service.inputs.forms import FIELDS_MAX, FORM, JSON, MULTIPART, field_of, multipart_parts, urlencoded
from fourview.service.inputs.refusals import once, refuse_field, shorten
from fourview.service.problems import Refused

PIECES_MAX = 100_000  # brackets and commas: a large body of nothing else would be a gigabyte of empty lists
LARGE = 1 << 16  # bytes: less is read faster than a thread is found


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

    content = await (multipart_parts(request) if kind == MULTIPART else request.body())

    def take_apart() -> Body:
        if isinstance(content, list):
            fields = once([field_of(part, data, files) for part, data in content])
        elif kind == FORM:
            fields = urlencoded(content)
        else:
            fields = _json(content)
        _check(fields)
        return Body(fields, kind in (FORM, MULTIPART), word, _fingerprint(path, fields) if word else "")

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


def _media_type(request: Request) -> str:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("media_type", "the body is compressed; send it as it is, without Content-Encoding")
    header = request.headers.get("content-type", "")
    kind, *parameters = [part.strip().lower() for part in header.split(";")]
    charset = next((p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Refused("media_type", f"the body's charset is '{shorten(charset)}'; only UTF-8 is read")
    if kind in (JSON, FORM, MULTIPART):
        return kind
    if not kind and request.headers.get("content-length", "0") == "0":
        return JSON  # of no field, which is what its error will say
    raise Refused("media_type", f"the Content-Type is '{shorten(header)}'; send {JSON}, {MULTIPART} or {FORM}")


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
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=_no_number)
    except RecursionError:
        raise Refused("malformed_body", "the JSON is nested too deeply; the fields of a request are flat") from None
    except ValueError as error:  # also of bytes that are no UTF-8, and of numbers with thousands of digits
        why = f"{error}" if isinstance(error, json.JSONDecodeError) else "a text or a number in it is none"
        raise Refused("malformed_body", f"the body is not JSON: {why}") from None
    if not isinstance(value, dict):
        raise Refused("malformed_body", "the body is JSON but no object; send the fields by name: {...}")
    return value


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
            refuse_field(name, f"holds {fault}, which no text may; send it without, or give a file its file name")


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


def _fingerprint(path: str, fields: dict[str, Any]) -> str:
    """The same for the same fields sent to the same path, in whatever order; each by its hash, a file by its own."""
    found = hashlib.sha256(path.encode())
    for name, value in sorted(fields.items()):
        is_file = isinstance(value, bytes)
        digest = hashlib.sha256(value if is_file else json.dumps(value, sort_keys=True).encode()).hexdigest()
        found.update(f"\n{json.dumps(name)} {'file' if is_file else 'json'} {digest}".encode())
    return found.hexdigest()
