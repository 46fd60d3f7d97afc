# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a request names is brought here: pictures and meshes are fetched, looked at and kept.

Owns      fetching all at once, decoding one at a time, one refusal that names everything that cannot be used.
Not here  what a field may hold and what a picture is (`pictures`, `meshes`), going out (`fetch`).
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fourview.errors import AddressError, FourviewError, MeshError, OutputError, PictureError
from fourview.kinds import MESH
from fourview.service.context import AppContext
from fourview.service.inputs import meshes, pictures, sources
from fourview.service.inputs.sources import Limits, Source
from fourview.service.nouns import Noun, noun_of
from fourview.service.outbound import addresses, fetch
from fourview.service.problems import Refused, code_of
from fourview.service.store.uploads import find_upload

_MIB = 2**20

# Decoding has a thread of its own, one for all: those who wait for their turn would otherwise hold the threads that
# everybody else's queries run in.
_DECODER = ThreadPoolExecutor(1, thread_name_prefix="decode")


@dataclass(frozen=True)
class Input:
    """A file that can be used; `kind` is its suffix: png, jpeg, webp, or that of a mesh."""

    data: bytes
    kind: str
    width_px: int | None = None  # of a picture, as stored
    height_px: int | None = None


async def gather(
    context: AppContext, account_id: str, given: Mapping[str, Source], fields: Mapping[str, str]
) -> dict[str, Input]:
    """The file of each side, or of `mesh`; raises `Refused`. `fields` are the names that the caller knows them by."""
    wrong: dict[str, FourviewError] = {}
    fetched = await asyncio.gather(
        *(
            _fetched(context, account_id, noun_of(side), fields[side], source, _limits(context, side))
            for side, source in given.items()
        ),
        return_exceptions=True,
    )
    made: dict[str, Input] = {}
    for side, data in zip(given, fetched, strict=True):
        try:
            if isinstance(data, BaseException):
                raise data
            made[side] = await _looked_at(context, side, fields[side], data)
        except (PictureError, MeshError) as error:
            wrong[fields[side]] = error
    if wrong:
        raise _refusal(wrong)
    return made


def check_addresses(context: AppContext, given: Mapping[str, Source], fields: Mapping[str, str]) -> None:
    """Raises `Refused`, as `gather` would, for URLs that are refused without a name server."""
    wrong: dict[str, FourviewError] = {}
    for side, source in given.items():
        if source.kind == "url":
            try:
                addresses.check_spelling(str(source.value), context.settings.outbound_rules)
            except AddressError as error:
                wrong[fields[side]] = fetch.unreachable(fields[side], error, noun_of(side))
    if wrong:
        raise _refusal(wrong)


async def gather_any(context: AppContext, account_id: str, field: str, source: Source) -> Input:
    """A file that may be used somewhere: a mesh where it is one, else a picture; raises `Refused`."""
    limits = max(_limits(context, MESH), _limits(context, field), key=lambda limits: limits.bytes_max)
    try:
        data = await _fetched(context, account_id, noun_of(field), field, source, limits)
        try:
            return await _looked_at(context, MESH, field, data)
        except MeshError:
            return await _looked_at(context, field, field, data)
    except PictureError as error:
        raise _refusal({field: error}) from None


async def keep(context: AppContext, inputs: Mapping[str, Input]) -> dict[str, str]:
    """Put the files where files lie; the digest of each."""
    return await context.with_files(
        lambda files: {side: files.put(found.data).digest for side, found in inputs.items()}
    )


def _limits(context: AppContext, side: str) -> Limits:
    settings = context.settings
    mib = settings.mesh_max_mib if side == MESH else settings.picture_max_mib
    return Limits(int(mib * _MIB), int(settings.picture_max_megapixels * 1_000_000))


def _refusal(wrong: Mapping[str, FourviewError]) -> Refused:
    code = code_of(type(next(iter(wrong.values()))))
    sentences = [(f"/{field}", str(error)) for field, error in wrong.items()]
    return Refused(code, "; ".join(sentence for _, sentence in sentences), errors=sentences)


async def _fetched(
    context: AppContext, account_id: str, noun: Noun, field: str, source: Source, limits: Limits
) -> bytes:
    settings = context.settings
    budget = fetch.Budget(
        settings.outbound_connect_s, settings.fetch_read_s, limits.bytes_max, settings.fetch_redirects_max
    )

    async def from_url(field: str, url: str) -> bytes:
        return await fetch.fetch(field, url, context.transport, budget, noun)

    async def from_upload(field: str, upload_id: str) -> bytes:
        upload = await context.look(lambda tx: find_upload(tx, account_id, upload_id, time.time()))
        try:
            if upload is not None:
                return await context.with_files(lambda files: files.read(upload.digest))
        except OutputError:
            """Its file is gone, which is as good as no upload."""
        raise noun.error(f"{noun.of(field)} is the upload {upload_id}, which is not there (any more): send it")

    return await sources.gather(field, source, limits, noun, fetch=from_url, upload=from_upload)


async def _looked_at(context: AppContext, side: str, field: str, data: bytes) -> Input:
    if side == MESH:
        return Input(data, meshes.mesh_type(field, data))
    in_turn = asyncio.get_running_loop().run_in_executor
    still = await in_turn(_DECODER, pictures.inspect, field, data, _limits(context, side))
    return Input(still.data, still.kind, still.width_px, still.height_px)
