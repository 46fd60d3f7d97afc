# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a job: signed or with a key, whole or in ranges, other formats on demand.

A model that was made in one format is to be had in all four: the first who asks waits until it is made from
`model.glb`, everybody after that reads a file. An OBJ with its texture is three files, so `model.obj` is then the zip
of them, which is also to be had by its own name, `model.zip`. Names are only compared with names, none becomes a path.

One range is answered with 206; several, or what is no range, with the whole file, as RFC 9110 allows. An artifact does
not change under its digest, which is the `ETag`; caches are to ask each time, because a job and its key may go.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from fastapi import APIRouter
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from fourview.errors import OutputError
from fourview.file_types import FILE_TYPES
from fourview.service.context import AppContext, context_of
from fourview.service.http.auth import admit_signed
from fourview.service.http.conditional import is_known
from fourview.service.jobs.job_view import Seen, find
from fourview.service.links import FILE
from fourview.service.problems import Refused
from fourview.service.store.jobs import Job
from fourview.service.store.outputs import Output, add_outputs, list_outputs
from fourview.work import Work

router = APIRouter(prefix="/api/v1", tags=["jobs"])

SOURCE = "model.glb"  # what the other formats are made of
ZIP = "model.zip"  # an OBJ with its texture
FORMATS = {f"model.{name}": name for name in FILE_TYPES}
MEDIA_TYPES = {file_type.name: file_type.media_type for file_type in FILE_TYPES.values()} | {
    "zip": "application/zip",
    "png": "image/png",
}
_RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{1,15})?|-([0-9]{1,15}))", re.ASCII | re.IGNORECASE)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": dict.fromkeys(sorted(set(MEDIA_TYPES.values())), _BINARY)},
    206: {"description": "The range that was asked for"},
    304: {"description": "As it was"},
    416: {"description": "The range lies outside of the file"},
}

_making: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()  # by job and name


class Pieces(StreamingResponse):
    """Begins when the first piece is there, so that what is gone is an error and no answer that breaks off."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], status: int, headers: dict[str, str]) -> None:
        super().__init__(pieces, status, headers)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        """Send the pieces; lets go of their file at once where the client goes away."""
        async with aclosing(self._pieces) as pieces:
            first = await anext(pieces, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


@router.head("/jobs/{job_id}/files/{name}", include_in_schema=False)
@router.get("/jobs/{job_id}/files/{name}", response_class=Response, responses=_RESPONSES)
async def read_file(request: Request, job_id: str, name: str, inline: bool = False) -> Response:
    """A file of a job that has succeeded: a model in any format, `preview.png`, and what else its outputs name.

    `inline` lets a browser show it; otherwise it is saved.
    """
    context = context_of(request)
    seen = await admit_signed(request, FILE, lambda tx, account_id: find(tx, context.queue_places, job_id, account_id))
    if (output := _named(seen.outputs, name)) is None:
        output = await _made(context, seen.job, name, _source(seen, name))
    return await _answer(context, request, output, inline)


async def _answer(context: AppContext, request: Request, output: Output, inline: bool) -> Response:
    etag = f'"{output.digest}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    artifact = await context.with_files(lambda files: files.find(output.digest))
    if artifact is None or artifact.bytes != output.bytes:
        what = "missing" if artifact is None else f"{artifact.bytes} bytes long and not {output.bytes}"
        raise OutputError(f"the artifact {output.digest} ({output.name}) is {what}: restore it from a backup")

    is_wanted = request.headers.get("if-range", etag) == etag
    part = _range(request.headers.get("range", ""), output.bytes) if is_wanted else None
    begin, end = part or (0, output.bytes)
    headers |= {
        "Accept-Ranges": "bytes",
        "Content-Type": MEDIA_TYPES[output.format],
        "Content-Length": str(end - begin),
        "Content-Disposition": f'{"inline" if inline else "attachment"}; filename="{output.name}"',
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{output.bytes}"
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return Pieces(context.files.stream(output.digest, begin, end), status, headers)


def _range(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last, None for the whole file; raises `Refused` where there are none."""
    asked = _RANGE.fullmatch(header.strip())
    if asked is None or (asked[2] is not None and int(asked[2]) < int(asked[1])):
        return None
    if asked[3] is not None:
        begin, end = max(0, size - int(asked[3])), size
    else:
        begin, end = int(asked[1]), size if asked[2] is None else min(int(asked[2]) + 1, size)
    if begin >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Refused("range", f"the file has {size} bytes and the range is '{header[:40]}'", headers=headers)
    return begin, end


def _named(outputs: Iterable[Output], name: str) -> Output | None:
    names = (name, ZIP) if name == "model.obj" else (name,)
    return next((output for output in outputs if output.name in names), None)


def _source(seen: Seen, name: str) -> Output:
    """What a file of that name can be made of; raises `Refused` where it cannot."""
    if not seen.job.is_final:
        raise Refused("job_not_final", f"the job is {seen.job.status}; its files are there when it has succeeded")
    source = _named(seen.outputs, SOURCE)
    if source is None or name not in FORMATS:
        names = {output.name for output in seen.outputs} | (FORMATS.keys() if source else set())
        there = ", ".join(sorted(names)) or "none"
        raise Refused("not_found", f"the job is {seen.job.status} and has no file '{name[:40]}'; there is {there}")
    return source


async def _made(context: AppContext, job: Job, name: str, source: Output) -> Output:
    """The model in another format, made once however many ask for it at once."""

    def look(tx: Connection) -> Output | None:
        return _named(list_outputs(tx, job.id), name)

    def order(folder: Path) -> Work:
        mesh = folder / f"source.{FORMATS[SOURCE]}"
        context.files.save(source.digest, mesh)
        parameters = {parameter: value for parameter, value in job.recipe.items() if parameter != "mesh_type"}
        return Work("format", {"mesh": mesh}, {**parameters, "file_type": FORMATS[name]}, folder)

    async with _making.setdefault((job.id, name), asyncio.Lock()):
        if (output := await context.look(look)) is not None:
            return output
        async with context.quick_lane.run(order) as outcome:
            (made,) = outcome.files
            artifact = await context.with_files(lambda files: files.put(made.path))
        output = Output(made.name, made.format, artifact.bytes, artifact.digest)
        with suppress(IntegrityError):  # another process made it too, or the job was deleted meanwhile
            await context.change(lambda tx: add_outputs(tx, job.id, [output]))
        remembered = await context.look(look)
    if remembered is None:
        raise Refused("not_found", f"the job '{job.id}' was deleted while its {name} was made")
    return remembered
