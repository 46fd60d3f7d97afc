# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Fetching a stranger's URL: nobody inside is reached, nothing takes long, nothing grows large."""

import asyncio
import gzip
import itertools
import logging
import socket
import ssl
import zlib

import pytest
from service.hosts import Canary, Host, free_port, names, ok, redirect, running

from fourview.errors import PictureError
from fourview.service.outbound.addresses import Rules, resolve
from fourview.service.outbound.fetch import Budget, PinnedTransport, _tls, fetch

HANG_S = 20  # ends a test that would hang; nothing is measured with it
SHORT = Budget(connect_s=0.3, read_s=0.3, bytes_max=10_000)
BODY = b"the bytes of a picture"


async def fetched(url, host, budget=SHORT, table=None, ports=(), names_allowed=("127.0.0.1",)):
    """`url` fetched by rules under which `host` may be reached by the allowed names."""
    rules = Rules(frozenset({80, 443, *ports}), frozenset(f"{name}:{host.port}" for name in names_allowed))
    transport = PinnedTransport(rules, names(table) if table is not None else resolve)
    try:
        async with asyncio.timeout(HANG_S):
            return await fetch("front_image", url, transport, budget)
    finally:
        await transport.aclose()


def answer(body, path="x", budget=SHORT):
    """What a fetch makes of a host that answers with `body`."""

    async def main():
        async with running(Host(**{path: body})) as host:
            return await fetched(f"http://127.0.0.1:{host.port}/{path}", host, budget)

    return asyncio.run(main())


# Hostile URLs. %d is the port of the canary, which the rules allow: only the address can refuse them.

LOOPBACK = (
    *("127.0.0.1", "127.1", "127.0.1", "127.0.0.2", "127.255.255.254", "2130706433", "017700000001", "0x7f000001"),
    *("0X7F000001", "0x7f.1", "0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.0.0.01", "127.000.000.001", "0000177.1"),
    *("0x7f.0.1",),
    *("127.0.0.1.", "127.1.", "0", "00", "0x0", "0.0.0.0", "0.", "127.0.0.1%2e", "127%2e0%2e0%2e1", "%31%32%37.0.0.1"),
    *("①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127．0．0．1"),
    *("127｡0｡0｡1", "١٢٧.٠.٠.١", "𝟙𝟚𝟟.𝟘.𝟘.𝟙", "127.0.0.1\u200b"),
    *("localhost", "LOCALHOST", "localhost.", "lоcalhost", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "local\u00adhost"),
    *("localhost%00.a.example",),
    *("ip6-localhost", "localhost.localdomain", "loopback", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:0001]", "[::127.0.0.1]", "[::7f00:1]"),
    *("[::ffff:0:127.0.0.1]",),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:1::1]"),
    *("[2001:0:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[::1%25lo]", "[::1%lo]", "[fe80::1%25lo]"),
    *("[127.0.0.1]",),
    *("[v1.127]", "[::1", "::1", "[]", "127.0.0.1,a.example", "127.0.0.1;a.example"),
)  # fmt: skip
INNER = (
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "169.254.170.2"),
    *("100.64.0.1", "100.127.255.255", "100.100.100.200", "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "2001:2::1", "100::1"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "5f00::1"),
)  # fmt: skip
DISGUISED = (
    *("http://a.example@127.0.0.1:%d/", "http://a.example:80@127.0.0.1:%d/", "http://127.0.0.1:%d@a.example/"),
    *("http://a.example%%40127.0.0.1:%d/", "http://a.example\\@127.0.0.1:%d/", "http://127.0.0.1:%d\\@a.example/"),
    *("http://127.0.0.1:%d#@a.example/", "http://127.0.0.1:%d?@a.example/", "http://a.example#@127.0.0.1:%d/"),
    *("http:\\\\127.0.0.1:%d/", "http:/127.0.0.1:%d/", "http:127.0.0.1:%d/", "http:///127.0.0.1:%d/"),
    *("//127.0.0.1:%d/",),
    *("http://127.0.\n0.1:%d/", "http://127.0.0.1\t:%d/", "ht\ntp://127.0.0.1:%d/", "http://127.0.0.1\r\nHost: a:%d/"),
    *("http://127.0.0.1 :%d/", "http:// 127.0.0.1:%d/", "http://127.0.0.1\x00:%d/", "http://127.0.0.1:+%d/"),
    *("http://127.0.0.1: %d/", "http://127.0.0.1:%d:80/", "http://a.example:80:127.0.0.1:%d/", "HTTP://127.0.0.1:%d/"),
    *("https://127.0.0.1:%d/", "ftp://127.0.0.1:%d/", "gopher://127.0.0.1:%d/_GET", "ws://127.0.0.1:%d/"),
    *("dict://127.0.0.1:%d/",),
    *("http+unix://127.0.0.1:%d/", "file://127.0.0.1:%d/etc/passwd", "jar:http://127.0.0.1:%d/!/"),
    *("url:http://127.0.0.1:%d/",),
)  # fmt: skip
RESOLVED = (
    *([address] for address in (*INNER, "127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::")),
    *(["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"], ["2606:4700::6810:84e5", "::1"]),
    *(["93.184.215.14"] * 30 + ["127.0.0.1"], ["93.184.215.14", "fe80::1%lo"], ["::ffff:127.0.0.1", "93.184.215.14"]),
)  # fmt: skip
NAMES = {f"n{number}.example": list(answers) for number, answers in enumerate(RESOLVED)}


def hostile_urls(port):
    for host in (*LOOPBACK, *(f"[{inner}]" if ":" in inner else inner for inner in INNER), *NAMES):
        yield f"http://{host}:{port}/x.png"
    for url in DISGUISED:
        yield url % port


async def resolved_by_all(host, port):
    """The table of names, and the system's resolver for what is not in it."""
    return NAMES.get(host) or await resolve(host, port)


@pytest.mark.parametrize("is_behind_redirect", [False, True], ids=["asked", "redirected"])
def test_no_hostile_url_reaches_the_canary(is_behind_redirect):
    async def main():
        canary, host = Canary(), Host()
        refused = 0
        async with running(canary, "127.0.0.1", "127.0.0.2", "::1"), running(host):
            rules = Rules(frozenset({80, 443, canary.port}), frozenset({f"127.0.0.1:{host.port}"}))
            transport = PinnedTransport(rules, resolved_by_all)
            urls = list(hostile_urls(canary.port))
            for number, url in enumerate(urls):
                if is_behind_redirect:
                    host.answers[f"/{number}"] = redirect(" ".join(url.split()))
                    url = f"http://127.0.0.1:{host.port}/{number}"
                with pytest.raises(PictureError):
                    await fetch("front_image", url, transport, SHORT)
                refused += 1
            await transport.aclose()
        return canary.reached, refused, len(urls)

    reached, refused, asked = asyncio.run(main())

    assert reached == 0
    assert refused == asked >= 120


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "0.0.0.0", "127.0.0.2"]
)
def test_the_canary_sings_for_whoever_connects_without_asking(host):
    """So that the test above means something: by these spellings the canary is really there."""

    async def main():
        async with running(Canary(), "127.0.0.1", "127.0.0.2") as canary:
            reader, writer = await asyncio.open_connection(host, canary.port, family=socket.AF_INET)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            answered = await reader.read()
            writer.close()
            return answered, canary.reached

    answered, reached = asyncio.run(main())

    assert b"sings" in answered
    assert reached == 1


def test_a_name_that_answers_otherwise_after_the_check_is_still_connected_where_it_was_checked(monkeypatch):
    """DNS rebinding: the first answer is the host, every later one is the canary, at the same port."""

    async def main():
        answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))
        host, canary = Host(x=ok(BODY)), Canary()
        async with running(host), running(canary, "127.0.0.2", port=host.port):
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was resolved twice"))
            table = {"a.example": lambda: next(answers)}
            body = await fetched(f"http://a.example:{host.port}/x", host, table=table, names_allowed=["a.example"])
            return body, canary.reached

    assert asyncio.run(main()) == (BODY, 0)


def test_a_name_that_turns_inwards_before_a_redirect_is_refused_there():
    async def main():
        answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["10.0.0.1"]))
        async with running(Host(x=redirect("/y"), y=ok(BODY))) as host:
            table = {"a.example": lambda: next(answers)}
            await fetched(f"http://a.example:{host.port}/x", host, table=table, names_allowed=["a.example"])

    with pytest.raises(PictureError, match=r"'a\.example' is not a host of the public internet"):
        asyncio.run(main())


# What is sent


def test_the_name_stays_in_the_host_header_and_nothing_of_ours_goes_along(monkeypatch):
    async def main():
        async with (
            running(Host(x=redirect("/y", "Set-Cookie: a=b; Path=/"), y=ok(BODY))) as host,
            running(Canary()) as canary,
        ):
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
            table = {"a.example": ["127.0.0.1"]}
            body = await fetched(f"http://a.example:{host.port}/x", host, table=table, names_allowed=["a.example"])
            return body, host, canary.reached

    body, host, reached = asyncio.run(main())

    assert (body, reached) == (BODY, 0)
    for head in host.heads:
        fields = dict(line.lower().split(": ", 1) for line in head.strip().splitlines()[1:])
        assert fields.pop("host") == f"a.example:{host.port}"
        assert set(fields) <= {"user-agent", "accept", "accept-encoding", "connection"}
        assert fields["accept-encoding"] == "identity"


def test_the_tls_server_name_is_the_name_and_its_certificate_is_checked():
    async def main():
        hellos = []

        async def listen(reader, writer):
            hellos.append(await reader.read(4096))
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        async with server:
            host = Host()
            host.port = server.sockets[0].getsockname()[1]
            table = {"a.example": ["127.0.0.1"]}
            with pytest.raises(PictureError):
                await fetched(f"https://a.example:{host.port}/x", host, table=table, names_allowed=["a.example"])
        return hellos

    (hello,) = asyncio.run(main())

    assert b"a.example" in hello
    assert (_tls().verify_mode, _tls().check_hostname) == (ssl.CERT_REQUIRED, True)


def test_an_address_that_does_not_answer_is_followed_by_the_next_checked_one():
    async def main():
        async with running(Host(x=ok(BODY))) as host:
            table = {"a.example": ["127.0.0.3", "127.0.0.1"]}
            return await fetched(f"http://a.example:{host.port}/x", host, table=table, names_allowed=["a.example"])

    assert asyncio.run(main()) == BODY


def test_no_log_line_holds_a_url(caplog):
    for name in ("", "httpcore"):  # the service quiets the latter
        caplog.set_level(logging.DEBUG, logger=name)

    async def main():
        async with running(Host(x=ok(BODY))) as host:
            await fetched(f"http://127.0.0.1:{host.port}/x?token=hidden-word", host)

    asyncio.run(main())

    assert caplog.text
    assert "hidden-word" not in caplog.text


# What comes back


def test_a_body_is_fetched_through_three_redirects_and_no_more():
    async def main(count):
        async with running(Host(r0=ok(BODY), **{f"r{n}": redirect(f"/r{n - 1}") for n in range(1, 6)})) as host:
            return await fetched(f"http://127.0.0.1:{host.port}/r{count}", host)

    assert asyncio.run(main(3)) == BODY
    with pytest.raises(PictureError, match="more than 3 redirects: give its final address"):
        asyncio.run(main(4))


@pytest.mark.parametrize("target", ["http://[", "//[::1", "http://a.example:x/", "\u00e9:", "x" * 9000])
def test_a_redirect_to_what_is_no_address_is_refused(target):
    with pytest.raises(PictureError):
        answer(redirect(target))


def test_a_gzip_body_is_unpacked():
    assert answer(ok(gzip.compress(BODY), "Content-Encoding: gzip")) == BODY


def chunked(*chunks):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "127.0.0.1 answered 404; 200 and the file are needed"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "answered 204"),
        (b"HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx", "answered 206"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n", "sends more than 10000 bytes"),
        (ok(bytes(10_001)), "sends more than 10000 bytes"),
        (chunked(*[bytes(1000)] * 11), "sends more than 10000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(20_000), "sends more than 10000 bytes"),
        (ok(gzip.compress(bytes(10_001)), "Content-Encoding: gzip"), "sends more than 10000 bytes"),
        (ok(gzip.compress(bytes(30_000_000)), "Content-Encoding: gzip"), "sends more than 10000 bytes"),
        (ok(gzip.compress(gzip.compress(BODY)), "Content-Encoding: gzip, gzip"), "encoded as 'gzip, gzip'"),
        (ok(zlib.compress(BODY), "Content-Encoding: deflate"), "encoded as 'deflate'"),
        (ok(BODY, "Content-Encoding: br"), "encoded as 'br', though none was asked for"),
        (ok(BODY, "Content-Encoding: gzip"), "says that it sends gzip, but does not"),
        (ok(gzip.compress(BODY)[:-4], "Content-Encoding: gzip"), "gzip stream that is cut off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "broke off"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer, or broke off"),
        (b"", "does not answer, or broke off"),
    ],
)
def test_an_answer_that_is_no_picture_is_refused_with_the_reason(reply, reason):
    with pytest.raises(PictureError, match="the 'front_image' picture") as refused:
        answer(reply)

    assert reason in str(refused.value)


def test_what_follows_the_end_of_a_gzip_stream_is_not_kept():
    assert answer(ok(gzip.compress(BODY) + bytes(9_000_000), "Content-Encoding: gzip")) == BODY


# Time


async def say_nothing(writer):
    await asyncio.sleep(HANG_S)


async def trickle_head(writer):
    for _ in range(400):
        writer.write(b"H")
        await writer.drain()
        await asyncio.sleep(0.05)


async def trickle_body(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
    await trickle_head(writer)


async def trickle_interim_answers(writer):
    for _ in range(400):
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def redirect_slowly(writer):
    await asyncio.sleep(0.25)
    writer.write(redirect("/x"))
    await writer.drain()


@pytest.mark.parametrize("reply", [say_nothing, trickle_head, trickle_body, trickle_interim_answers, redirect_slowly])
def test_a_slow_host_is_left_when_the_budget_is_spent(reply):
    with pytest.raises(PictureError, match=r"was not there within 0\.3 s to connect and 0\.3 s to read"):
        answer(reply)


def test_a_name_server_that_does_not_answer_is_left_too():
    async def never(host, port):
        await asyncio.sleep(HANG_S)

    async def main():
        await fetch("front_image", "http://a.example/", PinnedTransport(Rules(), never), SHORT)

    with pytest.raises(PictureError, match="was not there within"):
        asyncio.run(main())


def test_a_fetch_that_is_canceled_ends_at_once_and_hangs_up():
    async def main():
        async def stream(writer):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)

        async with running(Host(x=stream)) as host:
            budget = Budget(connect_s=HANG_S, read_s=HANG_S)
            task = asyncio.create_task(fetched(f"http://127.0.0.1:{host.port}/x", host, budget))
            while not host.heads:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(host.left.wait(), HANG_S)

    asyncio.run(main())


def test_an_error_names_the_host_and_never_the_address_behind_it():
    async def main():
        host = Host()
        host.port = free_port()
        table = {"a.example": ["127.0.0.1"]}
        await fetched(f"http://a.example:{host.port}/x", host, table=table, names_allowed=["a.example"])

    with pytest.raises(PictureError, match="does not answer") as refused:
        asyncio.run(main())

    assert "127.0.0.1" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None
