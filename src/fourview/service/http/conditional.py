# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a request says of the answer that it has already, and of how it takes another.

Owns      reading If-None-Match and Accept-Encoding. Not here: what an `ETag` is made of, what is compressed (routes).
"""

import re

from starlette.requests import Request

_NEVER = re.compile(r"q\s*=\s*0(\.0*)?", re.ASCII)


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has what `etag` names; weak and strong are one here, as RFC 9110 has it for GET."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {etag.removeprefix("W/"), "*"})


def takes_gzip(request: Request) -> bool:
    """Whether the answer may be compressed with gzip, by name."""
    words = (word.partition(";") for word in request.headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() == "gzip" and not _NEVER.fullmatch(weight.strip()) for name, _, weight in words)
