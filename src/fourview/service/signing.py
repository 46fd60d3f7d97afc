# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A URL that opens one thing, for one purpose, until it expires, without a key.

Owns      writing and checking the three parameters that make such a URL: `purpose`, `expires`, `signature`.
Not here  keys, sign-in, making and keeping the secrets (`store`).

HMAC-SHA256 over purpose, expiry and path, each on its own line, so no two different URLs give one text. The first
secret signs, every secret is tried in checking: put a new one in front, drop the old one when its URLs have expired.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence

from fourview.errors import SignatureError

_PURPOSE = re.compile(r"[a-z]{1,32}", re.ASCII)
_PATH = re.compile(r"/(?:(?![?#])[!-~])*", re.ASCII)
_EXPIRES = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)


def sign(path: str, *, purpose: str, expires_at: int, secrets: Sequence[bytes]) -> str:
    """`path` (as it stands in the URL, percent-encoded, without a query) with its three parameters."""
    expires = str(expires_at)
    if not _PURPOSE.fullmatch(purpose) or not _EXPIRES.fullmatch(expires) or not _PATH.fullmatch(path):
        raise ValueError(
            f"cannot sign {path!r} for {purpose!r} until {expires}: a path, a word and unix seconds are needed"
        )
    return f"{path}?purpose={purpose}&expires={expires}&signature={_signature(secrets[0], purpose, expires, path)}"


def check(path: str, query: Mapping[str, str], *, purpose: str, now: float, secrets: Sequence[bytes]) -> None:
    """Raises `SignatureError` unless `query` opens `path` for `purpose` at `now` (unix seconds)."""
    given = query.get("signature", "").encode("utf-8", "replace")
    expires = query.get("expires", "")
    is_ours = [hmac.compare_digest(given, _signature(secret, purpose, expires, path).encode()) for secret in secrets]
    if not any(is_ours) or query.get("purpose") != purpose or not _EXPIRES.fullmatch(expires):
        raise SignatureError(
            "the signature of this URL is wrong; the whole URL is needed as it was given: ask for it anew"
        )
    if int(expires) <= now:
        raise SignatureError("this URL has expired; URLs are signed anew with each answer: ask for it anew")


def _signature(secret: bytes, purpose: str, expires: str, path: str) -> str:
    text = f"fourview-url-1\n{purpose}\n{expires}\n{path}".encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=").decode()
