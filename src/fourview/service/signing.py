# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Signs and checks URLs that open one path for one purpose until they expire.

Owns      writing and checking the three parameters of a signed URL: `purpose`, `expires`, `signature`.
Not here  keys (`service.http.auth`), making and keeping the secrets (`service.store.instance`), webhooks
          (`service.background.deliveries`, which signs them with the library `standardwebhooks`).

The signature is the HMAC-SHA256 of purpose, expiry and path, each on its own line, so that different URLs never give
the same text. The first secret signs, and a check tries all of them. To change the secret, put the new one in front,
and remove the old one once its URLs have expired.

Why no library:
- `standardwebhooks` signs the body of a message and accepts five minutes of difference between clocks. A URL has no
  body, and its expiry is exact.
- `itsdangerous` signs the time of signing, and the check sets the age that it accepts. A URL here names its own
  expiry, so that a change of `signed_url_s` affects new URLs only.
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
    """`path` with its three parameters; `path` is percent-encoded, as in the URL, and has no query."""
    expires = str(expires_at)
    if not _PURPOSE.fullmatch(purpose) or not _EXPIRES.fullmatch(expires) or not _PATH.fullmatch(path):
        raise ValueError(
            f"cannot sign {path!r} for {purpose!r} until {expires}: a path, a word and unix seconds are needed"
        )
    return f"{path}?purpose={purpose}&expires={expires}&signature={_signature(secrets[0], purpose, expires, path)}"


def check(path: str, query: Mapping[str, str], *, purpose: str, now: float, secrets: Sequence[bytes]) -> None:
    """Raises `SignatureError` unless the signature in `query` allows `purpose` on `path` at `now` (unix seconds)."""
    given = query.get("signature", "").encode("utf-8", "replace")
    expires = query.get("expires", "")
    is_ours = [hmac.compare_digest(given, _signature(secret, purpose, expires, path).encode()) for secret in secrets]
    if not any(is_ours) or query.get("purpose") != purpose or not _EXPIRES.fullmatch(expires):
        raise SignatureError(
            "the signature of this URL is wrong; use the whole URL, unchanged, or get a new one: ask for the job again"
        )
    if int(expires) <= now:
        raise SignatureError("this URL has expired; get a new one: ask for the job again")


def _signature(secret: bytes, purpose: str, expires: str, path: str) -> str:
    text = f"fourview-url-1\n{purpose}\n{expires}\n{path}".encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=").decode()
