# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests with a body, as a server hands them over, without a server."""

from types import SimpleNamespace

from starlette.requests import Request

from fourview.service.settings import Settings

BOUNDARY = "----fourview"


def request_of(content, kind="application/json", path="/v1/hunyuan3d-2mv", pieces=1, settings=None, **headers):
    """A request whose body arrives in pieces."""
    step = -(-len(content) // pieces) or 1
    chunks = [content[i : i + step] for i in range(0, len(content), step)] or [b""]
    raw = {"content-type": kind, "content-length": str(len(content)), **headers}

    async def receive():
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    context = SimpleNamespace(settings=settings or Settings())
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "server": ("localhost", 80),
        "scheme": "http", "app": SimpleNamespace(state=SimpleNamespace(context=context)),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in raw.items()],
    }  # fmt: skip
    return Request(scope, receive)


def multipart(*parts):
    """A form of parts (name, text) and (name, bytes of a file)."""
    lines = []
    for name, value in parts:
        is_file = isinstance(value, bytes)
        lines += [
            f"--{BOUNDARY}\r\n".encode(),
            f'Content-Disposition: form-data; name="{name}"{"; filename=x.png" if is_file else ""}\r\n\r\n'.encode(),
            value if is_file else value.encode(),
            b"\r\n",
        ]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()])
