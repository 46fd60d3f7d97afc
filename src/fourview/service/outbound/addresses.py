# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which addresses the service may request for a client: public hosts, ordinary ports, one way to write them.

Owns      reading an http(s) address strictly, resolving its host, checking every answer, the list of public networks.
Not here  the connection (`fetch`), what the settings allow (`settings`).

A name is resolved once, here. The connection uses `Place.addresses` and resolves nothing, so a DNS answer that changes
after the check has no effect. One address that is not public refuses the whole name.

Why our own code:
- `ipaddress.is_global` follows the Python version; it lets through addresses that carry an IPv4 address inside.
- HTTP clients resolve a name again when they connect, so a check before the call does not bind the connection.

The networks are listed as allowed, not as forbidden: what no line names is refused. They are the unicast space that
IANA has allocated, without what its special-purpose registries (RFC 6890 and its updates) list and without every IPv6
prefix that carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo). A NAT64 prefix that a network took
from its own public space looks like any other address; only a firewall can keep that.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

from fourview.errors import AddressError

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]  # host and port -> the addresses it resolves to

URL_LENGTH_MAX = 8192

_PUBLIC_V4 = tuple(
    (IPv4Address(first), IPv4Address(last))
    for first, last in (
        ("1.0.0.0", "9.255.255.255"),
        ("11.0.0.0", "100.63.255.255"),
        ("100.128.0.0", "126.255.255.255"),
        ("128.0.0.0", "169.253.255.255"),
        ("169.255.0.0", "172.15.255.255"),
        ("172.32.0.0", "191.255.255.255"),
        ("192.0.3.0", "192.31.195.255"),
        ("192.31.197.0", "192.52.192.255"),
        ("192.52.194.0", "192.88.98.255"),
        ("192.88.100.0", "192.167.255.255"),
        ("192.169.0.0", "192.175.47.255"),
        ("192.175.49.0", "198.17.255.255"),
        ("198.20.0.0", "198.51.99.255"),
        ("198.51.101.0", "203.0.112.255"),
        ("203.0.114.0", "223.255.255.255"),
    )
)
_PUBLIC_V6 = tuple(
    (IPv6Address(first), IPv6Address(last))
    for first, last in (
        ("2001:200::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2003::", "2003:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2400::", "241f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2600::", "260f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2610::", "2610:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2620::", "2620:4e:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2620:50::", "2620:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2630::", "263f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2800::", "280f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2a00::", "2a1f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2c00::", "2c0f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    )
)

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
# A name server may be silent for half a minute, and a question cannot be taken back: these threads are for that alone.
# A name that is being asked for is not asked for again, so a silent server holds one thread for each name, however many
# webhooks wait for it.
_RESOLVERS = ThreadPoolExecutor(128, thread_name_prefix="resolve")
_ASKED: dict[tuple[str, int], Future[Sequence[str]]] = {}
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)  # a last label that some programs read as part of an IPv4 address


@dataclass(frozen=True)
class Rules:
    """What may be asked. `test_hosts` ("name:port") may also lie on the loopback; that is for tests alone."""

    ports: frozenset[int] = frozenset({80, 443})
    test_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """Where a URL leads; `addresses` are checked, and empty before that."""

    scheme: str
    host: str  # lower case ASCII; an IPv6 address without its brackets
    port: int
    path: str  # with the query, in ASCII
    addresses: tuple[Address, ...] = ()

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver gives; none where it knows no such name."""
    asked = _ASKED.get((host, port))
    if asked is None or asked.done():
        asked = _ASKED[host, port] = _RESOLVERS.submit(_ask, host, port)
        asked.add_done_callback(lambda _: _ASKED.pop((host, port), None))
    return await asyncio.shield(asyncio.wrap_future(asked))  # one who gives up leaves the question to the others


def _ask(host: str, port: int) -> Sequence[str]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return [str(answer[4][0]) for answer in answers]


async def check(url: str, rules: Rules, resolver: Resolver = resolve) -> Place:
    """Where `url` leads, with addresses that may be connected to; raises `AddressError`."""
    place = check_spelling(url, rules)
    return place if place.addresses else _found(place, await resolver(place.host, place.port), rules)


def check_spelling(url: str, rules: Rules) -> Place:
    """Where `url` leads, without asking DNS; raises `AddressError`."""
    place = read(url)
    if not _is_test(place, rules):
        if place.port not in rules.ports:
            allowed = ", ".join(map(str, sorted(rules.ports)))
            raise AddressError(f"port {place.port} is not one of {allowed}: serve it on one of these")
        if "." not in place.host and ":" not in place.host:
            raise AddressError(f"'{place.host}' is a local name; a full name such as files.example.com is needed")
    literal = _literal(place.host)
    return _found(place, [str(literal)], rules) if literal else place


def read(url: str) -> Place:
    """The parts of an http(s) URL, written in the one way that every program reads alike; raises `AddressError`."""
    if len(url) > URL_LENGTH_MAX:
        raise AddressError(f"the address has {len(url)} characters; at most {URL_LENGTH_MAX} are read: shorten it")
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in url):
        raise AddressError("the address holds a control character or a line break: send it in one line")
    parts = _URL.match(url)
    if not parts:
        raise AddressError("the address does not begin with http:// or https://; others are not fetched")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise AddressError("the address holds a user name; none is ever sent: give one that needs no login")
    if not authority.isascii():
        raise AddressError(f"the host {authority!r} is not ASCII: write it in its xn-- form")
    found = _AUTHORITY.fullmatch(authority.lower())
    if not found:
        raise AddressError(f"the host {authority!r} cannot be read; name.example or name.example:443 is needed")
    host = found[1] or found[2]
    port = int(found[3]) if found[3] else _default_port(scheme)
    if not 1 <= port <= 65535:
        raise AddressError(f"there is no port {port}; ports are 1 .. 65535")
    labels = host.split(".")
    if found[1] or _NUMBER.fullmatch(labels[-1]):
        if not _literal(host) or (found[1] and ":" not in host):
            raise AddressError(f"the host '{host}' is no full address; four decimal numbers are needed")
    elif len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise AddressError(f"the host '{host}' is no valid name; name.example is needed, without a dot at its end")
    if not path.startswith("/"):
        path = f"/{path}"
    try:
        path = quote(path, safe="/?%!$&'()*+,;=:@-._~[]")
    except UnicodeError:
        raise AddressError("the address holds half of a character (a lone surrogate): copy it again") from None
    return Place(scheme, host, port, path)


def is_public(address: Address) -> bool:
    """Whether `address` is in the list of public networks."""
    if isinstance(address, IPv4Address):
        return any(first <= address <= last for first, last in _PUBLIC_V4)
    return address.scope_id is None and any(first <= address <= last for first, last in _PUBLIC_V6)


def _found(place: Place, answers: Sequence[str], rules: Rules) -> Place:
    """The place with the addresses that its host has; raises `AddressError` unless all may be connected to."""
    addresses = tuple(dict.fromkeys(map(_address, answers)))
    is_test = _is_test(place, rules)
    if not addresses or not all(is_public(a) or (is_test and a.is_loopback) for a in addresses):
        # One text for names that do not exist and names that lead inside: a client must not learn which.
        raise AddressError(
            f"'{place.host}' is not a host of the public internet: use an address that everyone can open"
        )
    return Place(place.scheme, place.host, place.port, place.path, addresses)


def _is_test(place: Place, rules: Rules) -> bool:
    return f"{place.host}:{place.port}" in rules.test_hosts


def _literal(host: str) -> Address | None:
    """`host` as an address if it is one in its strict form."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _address(answer: str) -> Address:
    try:
        return ip_address(answer)
    except ValueError:
        raise AddressError("the name server's answer is no address: check the name") from None


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
