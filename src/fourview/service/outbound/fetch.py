# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A picture or a mesh is fetched from a client's URL, from public hosts alone and within its budgets.

Owns      connecting to checked addresses alone, redirects, the budgets of time and bytes, content encodings.
Not here  which addresses are public (`addresses`), what the bytes are (`pictures`).

`PinnedTransport` checks and resolves each request's host and connects to the checked address, while the TLS server
name, the certificate and the Host header stay those of the name. Whatever is built on it, webhooks too, cannot leave
the public internet. A connection serves one request: two names on one address never share one.

No client stands above it: there are no cookies, no proxies and no netrc from the environment, nothing of the caller's
request is forwarded, and no URL is written to a log. A fetch ends after `connect_s + read_s` whatever the server does,
redirects and name servers included, and `read_s` after the first answer's head. Cancel the task, and it ends at once.
"""

import asyncio
import functools
import ssl
import zlib
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urljoin

import httpx

from fourview import __version__
from fourview.errors import AddressError, MeshError, PictureError
from fourview.service.nouns import PICTURE, Noun
from fourview.service.outbound.addresses import Resolver, Rules, check, read, resolve

_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {
    "user-agent": f"fourview/{__version__}",
    "accept": "image/png, image/jpeg, image/webp",
    "accept-encoding": "identity",
}


@dataclass(frozen=True)
class Budget:
    """What a fetch may take; bytes are counted as they are after decoding."""

    connect_s: float = 5
    read_s: float = 10
    bytes_max: int = 8 * 2**20
    redirects_max: int = 3


class PinnedTransport(httpx.AsyncBaseTransport):
    """Sends each request to the checked addresses of its host, in their order until one answers, and nowhere else."""

    def __init__(self, rules: Rules, resolver: Resolver = resolve) -> None:
        self._rules, self._resolver = rules, resolver
        self._inner = httpx.AsyncHTTPTransport(
            verify=_tls(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer; raises `AddressError`, or what httpx raises."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("connect")):
                place = await check(str(request.url), self._rules, self._resolver)
        except TimeoutError:
            raise httpx.ConnectTimeout("the name server did not answer", request=request) from None
        extensions = {**request.extensions, "sni_hostname": place.host}
        for address in place.addresses:
            pinned = httpx.Request(
                request.method, request.url.copy_with(host=str(address)), headers=request.headers,
                stream=request.stream, extensions=extensions,
            )  # fmt: skip
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == place.addresses[-1]:
                    raise
        raise AssertionError("a checked place has an address")

    async def aclose(self) -> None:
        await self._inner.aclose()


async def fetch(
    field: str, url: str, transport: httpx.AsyncBaseTransport, budget: Budget, noun: Noun = PICTURE
) -> bytes:
    """The bytes at `url`; raises the error of `noun`, which names field and host, never the address behind a name."""
    clock = asyncio.timeout(budget.connect_s + budget.read_s)
    try:
        async with clock:
            return await _follow(field, url, transport, budget, clock, noun)
    except AddressError as error:
        raise unreachable(field, error, noun) from None
    except (TimeoutError, httpx.TimeoutException):
        reason = f"was not there within {budget.connect_s:g} s to connect and {budget.read_s:g} s to read"
    except (httpx.HTTPError, httpx.InvalidURL):
        reason = "could not be fetched: its host does not answer, or broke off"
    raise noun.error(f"{noun.of(field)} {reason}: check the address, or upload the file")


def unreachable(field: str, error: AddressError, noun: Noun = PICTURE) -> PictureError | MeshError:
    """The error for a file whose address must not be requested."""
    return noun.error(f"{noun.of(field)} cannot be fetched: {error}")


async def _follow(
    field: str, url: str, transport: httpx.AsyncBaseTransport, budget: Budget, clock: asyncio.Timeout, noun: Noun
) -> bytes:
    for hop in range(budget.redirects_max + 1):
        place = read(url)
        timeout = httpx.Timeout(budget.read_s, connect=budget.connect_s).as_dict()
        request = httpx.Request("GET", place.url, headers=_HEADERS, extensions={"timeout": timeout})
        response = await transport.handle_async_request(request)
        try:
            if hop == 0:
                deadline = asyncio.get_running_loop().time() + budget.read_s
                clock.reschedule(min(deadline, clock.when() or deadline))
            target = response.headers.get("location")
            if response.status_code not in _REDIRECTS or not target:
                return await _body(field, place.host, response, budget.bytes_max, noun)
            url = _joined(place.url, target)
        finally:
            await response.aclose()
    raise noun.error(f"{noun.of(field)} is behind more than {budget.redirects_max} redirects: give its final address")


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise AddressError("it redirects to something that is no address: give its final address") from None


async def _body(field: str, host: str, response: httpx.Response, bytes_max: int, noun: Noun) -> bytes:
    def refuse(reason: str) -> NoReturn:
        raise noun.error(f"{noun.of(field)} cannot be fetched: {host} {reason}")

    if response.status_code != 200:
        refuse(f"answered {response.status_code}; 200 and the file are needed: open the address in a private window")
    too_large = f"sends more than {bytes_max} bytes; that is the limit for a {noun}: {noun.smaller}"
    encoding = response.headers.get("content-encoding", "").strip().lower()
    inflater = zlib.decompressobj(wbits=31) if encoding in ("gzip", "x-gzip") else None
    if inflater is None and encoding not in ("", "identity"):
        refuse(f"sends it encoded as {encoding[:40]!r}, though none was asked for; send the file as it is, or as gzip")
    length = response.headers.get("content-length", "")
    if inflater is None and length.isdecimal() and int(length[:20]) > bytes_max:
        refuse(too_large)
    body = bytearray()
    try:
        async for raw in response.aiter_raw():
            body += inflater.decompress(raw, bytes_max + 1 - len(body)) if inflater else raw
            if len(body) > bytes_max:
                refuse(too_large)
            if inflater and inflater.eof:
                break
    except zlib.error:
        refuse("says that it sends gzip, but does not; send the file as it is")
    if inflater and not inflater.eof:
        refuse("sends a gzip stream that is cut off; send the whole file")
    return bytes(body)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked against the public authorities that come with httpx."""
    return httpx.create_ssl_context(trust_env=False)
