# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The page at `/`: what `make web` built, and the example pictures that it offers.

Owns      the three addresses of the page, how long browsers keep what they got, the page's content policy.
Not here  the page itself (`web/`), which talks to the service as every other client does.

Names are only compared with names of files that are there, none becomes a path. Without built files the address tells
how to build them: Node is needed for that alone, and a wheel holds them.
"""

import gzip
from functools import lru_cache
from pathlib import Path

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fourview.service.http.conditional import takes_gzip
from fourview.service.problems import Refused

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).parents[1] / "page"
EXAMPLES = Path(__file__).parents[2] / "examples"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' blob: data:",  # pictures that were dropped; mattes, which come as data URIs
        "connect-src 'self' blob:",  # textures inside a GLB
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # text never becomes markup, also by mistake
        "trusted-types 'none'",
    )
)
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
PACKED = (".png", ".jpg", ".woff2")  # are as small as they get
NOT_BUILT = """The page is not built.

Node 20 or later builds it, in a clone of the repository:

    make web

Where fourview was installed without -e, install it again instead, where Node is.

The service itself is here: /llms.txt tells how to call it, /openapi.json has every field.
"""


@router.head("/")
@router.get("/")
async def index(request: Request) -> Response:
    """The page; requested each time, since it names the assets of its build."""
    path = _listed(BUILT).get("index.html")
    if path is None:
        return PlainTextResponse(NOT_BUILT)
    return await _file(request, path, {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY})


@router.head("/assets/{name}")
@router.get("/assets/{name}")
async def asset(request: Request, name: str) -> Response:
    """What the page loads; the name holds a hash of the content."""
    if (path := _listed(BUILT / "assets").get(name)) is None:
        raise Refused("not_found", "there is no such asset; reload the page")
    return await _file(request, path, {"Cache-Control": "public, max-age=31536000, immutable"})


@router.head("/samples/{example}/{name}")
@router.get("/samples/{example}/{name}")
async def sample(request: Request, example: str, name: str) -> Response:
    """A picture of the examples that ship with the project."""
    folder = _listed(EXAMPLES).get(example)
    if folder is None or (path := _listed(folder).get(name)) is None or path.suffix not in MEDIA_TYPES:
        raise Refused("not_found", "there is no such example picture")
    return await _file(request, path, {"Cache-Control": "public, max-age=86400"})


def _listed(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}


async def _file(request: Request, path: Path, headers: dict[str, str]) -> Response:
    is_small = path.suffix in PACKED or not takes_gzip(request)
    read = path.read_bytes if is_small else lambda: _packed(path, path.stat().st_mtime_ns)
    body = await to_thread.run_sync(read)
    if path.suffix not in PACKED:
        headers |= {"Vary": "Accept-Encoding"} | ({} if is_small else {"Content-Encoding": "gzip"})
    return Response(body, headers=headers | {"Content-Type": MEDIA_TYPES.get(path.suffix, "application/octet-stream")})


@lru_cache(maxsize=64)
def _packed(path: Path, mtime_ns: int) -> bytes:
    """The file, compressed; `mtime_ns` makes a new build a new entry."""
    return gzip.compress(path.read_bytes(), mtime=0)
