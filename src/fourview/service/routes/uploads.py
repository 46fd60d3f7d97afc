# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and meshes sent ahead: an upload's id can be used wherever a picture or a mesh is accepted.

A picture is looked at here, a mesh is not opened. What a picture's file tells of its owner is not kept, so `bytes` and
`sha256` are those of the file that is.
"""

import re
import time
from typing import Any, Literal

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from fourview.errors import PictureError
from fourview.service.context import AppContext, context_of
from fourview.service.http.auth import Admitted, admit_with
from fourview.service.http.recipe_schema import JSON
from fourview.service.inputs import body, load
from fourview.service.inputs.forms import FILE_TYPE
from fourview.service.inputs.refusals import refuse, shorten
from fourview.service.inputs.sources import Source, tell
from fourview.service.jobs.submit import check_disk
from fourview.service.problems import Refused
from fourview.service.store import accounts
from fourview.service.store.uploads import Upload, add_upload, drop_upload, find_upload, kept_bytes
from fourview.service.times import moment

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])

PATH = "/api/v1/uploads"
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "obj": "model/obj",
    "ply": "application/octet-stream",
    "stl": "model/stl",
    "zip": "application/zip",
}
RETRY_S = 60  # when to ask again where there is no room
_FIELDS = ("file", "data")  # the part of a form, and what JSON has; either does in both
_ID = re.compile(r"upl_[0-9a-f]{24}", re.ASCII)
_FILE = {"type": "string", "format": "binary", "description": "PNG, JPEG, WebP, GLB, OBJ, PLY or STL"}
_TEXT = {"type": "string", "description": "a URL, base64 or a data URI"}


def _object(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    fields = {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
    return {"schema": fields}


_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": _object("file", _FILE),  # first, as in `native.request_body`
        JSON: _object("data", _TEXT),
        "application/octet-stream": {"schema": _FILE},
        "image/*": {"schema": _FILE},
        "model/*": {"schema": _FILE},
    },
}


class UploadObject(TypedDict):
    """A picture or a mesh that is kept until it expires."""

    id: str
    object: Literal["upload"]
    kind: Literal["picture", "mesh"]
    media_type: str
    bytes: int
    sha256: str
    width: int | None
    height: int | None
    created_at: str | None
    expires_at: str | None


@router.post("", status_code=201, responses={201: {"model": UploadObject}}, openapi_extra={"requestBody": _BODY})
async def upload(request: Request, caller: Admitted) -> Response:
    """Keep a picture or a mesh for later: the file itself, a form with a part `file`, or JSON with `data`."""
    context = context_of(request)
    await check_disk(context)
    field, source = await _source(request)
    found = await load.gather_any(context, caller.account_id, field, source)
    await context.look(lambda tx: _check_room(tx, context, caller.account_id, len(found.data)))
    artifact = await context.with_files(lambda files: files.put(found.data))

    def add(tx: Connection) -> Upload:
        accounts.lock_account(tx, caller.account_id)
        _check_room(tx, context, caller.account_id, artifact.bytes)
        return add_upload(
            tx, caller.account_id, artifact.digest, MEDIA_TYPES[found.kind], artifact.bytes, time.time(),
            context.settings.upload_keep_h * 3600, (found.width_px, found.height_px),
        )  # fmt: skip

    kept = await context.change(add)
    location = f"{context.settings.base_url}{PATH}/{kept.id}"
    return JSONResponse(_shown(kept), 201, headers={"Location": location})


@router.get("/{upload_id}", responses={200: {"model": UploadObject}})
async def read_upload(request: Request, upload_id: str) -> Response:
    """What is kept of an upload, and until when."""

    def find(tx: Connection, account_id: str) -> Upload:
        kept = find_upload(tx, account_id, upload_id, time.time()) if _ID.fullmatch(upload_id) else None
        if kept is None:
            raise _unknown(upload_id)
        return kept

    return JSONResponse(_shown(await admit_with(request, lambda tx, caller: find(tx, caller.account_id))))


@router.delete("/{upload_id}", status_code=204)
async def delete_upload(request: Request, upload_id: str, caller: Admitted) -> Response:
    """Forget an upload; jobs that were made with it keep what they need."""
    is_ours = _ID.fullmatch(upload_id) is not None
    if not is_ours or not await context_of(request).change(lambda tx: drop_upload(tx, caller.account_id, upload_id)):
        raise _unknown(upload_id)
    return Response(status_code=204)


async def _source(request: Request) -> tuple[str, Source]:
    """What the request holds, and the name of the field where it does."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if FILE_TYPE.fullmatch(media_type) and "content-encoding" not in request.headers:
        return "file", Source("file", await request.body())
    fields = (await body.read(request, _FIELDS)).fields
    if unknown := [name for name in fields if name not in _FIELDS]:
        refuse((name, f"there is no field '{shorten(name)}'; send the one field 'file'") for name in unknown)
    if len(fields) != 1:
        refuse([("file", f"{len(fields)} files are there; send one, as the part 'file' or the text 'data'")])
    ((field, value),) = fields.items()
    try:
        source = tell(field, value)
    except PictureError as error:
        refuse([(field, str(error))], "invalid_picture")
    if source is None or source.kind == "upload":
        refuse([(field, f"the '{field}' is {'empty' if source is None else 'an upload already'}; send a file")])
    return field, source


def _check_room(tx: Connection, context: AppContext, account_id: str, size: int) -> None:
    """Raises `Refused` where the account's uploads would hold more than they may."""
    kept, most = kept_bytes(tx, account_id, time.time()), context.settings.uploads_max_mib * 2**20
    if kept + size > most:
        raise Refused(
            "uploads_full",
            f"the uploads of this account hold {kept} of {most} bytes, and this one has {size}: delete some",
            headers={"retry-after": str(RETRY_S)},
        )


def _unknown(upload_id: str) -> Refused:
    return Refused(
        "not_found", f"there is no upload '{upload_id[:40]}' of this account (any more); send the file again"
    )


def _shown(kept: Upload) -> UploadObject:
    return {
        "id": kept.id,
        "object": "upload",
        "kind": "picture" if kept.media_type.startswith("image/") else "mesh",
        "media_type": kept.media_type,
        "bytes": kept.bytes,
        "sha256": kept.digest,
        "width": kept.width_px,
        "height": kept.height_px,
        "created_at": moment(kept.created_at),
        "expires_at": moment(kept.expires_at),
    }
