# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which addresses may be asked: public ones in one spelling, and every answer of a name server counts."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from service.hosts import names

from fourview.errors import AddressError
from fourview.service.outbound.addresses import Rules, check, is_public, read, resolve

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:4700::6810:84e5"

# The special-purpose registries of IANA, and what carries an IPv4 address inside.
SPECIAL = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "::/96"),
    *("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23"),
    *("2001::/32", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48"),
    *("3ffe::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]


def checked(url, rules=Rules(), **table):  # noqa: B008 - it is frozen
    return asyncio.run(check(url, rules, names({name.replace("_", "."): a for name, a in table.items()})))


@pytest.mark.parametrize("network", SPECIAL)
def test_no_special_network_is_public_from_its_first_to_its_last_address(network):
    network = ip_network(network)

    assert not any(is_public(network[place]) for place in (0, network.num_addresses // 2, -1))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", PUBLIC, "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "223.255.255.255",
     PUBLIC_V6, "2001:4860:4860::8888", "2a00:1450:4001::1", "2400:cb00::1", "2001:200::1", "2003::1", "2c0f::1"],
)  # fmt: skip
def test_hosts_of_the_internet_are_public(address):
    assert is_public(ip_address(address))


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address) |
       st.integers(2**125, 2**126 - 1).map(IPv6Address))  # fmt: skip
@example(IPv6Address("2606::1%eth0"))
def test_what_is_public_here_is_global_for_python_too_and_carries_no_other_address(address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert address.version == 4 or not (
            address.ipv4_mapped or address.sixtofour or address.teredo or address.scope_id
        )


def test_a_public_name_is_pinned_to_its_answers_in_their_order():
    place = checked("https://a.example/x.png?y=1#z", a_example=[PUBLIC_V6, PUBLIC, PUBLIC])

    assert place.addresses == (IPv6Address(PUBLIC_V6), IPv4Address(PUBLIC))
    assert (place.host, place.port, place.path, place.url) == (
        "a.example", 443, "/x.png?y=1", "https://a.example/x.png?y=1",
    )  # fmt: skip


@pytest.mark.parametrize("url", [f"http://{PUBLIC}/", f"https://[{PUBLIC_V6}]/x.png"])
def test_an_address_in_its_usual_spelling_needs_no_name_server(url):
    resolver = names({})

    assert asyncio.run(check(url, Rules(), resolver)).addresses
    assert not resolver.asked


@pytest.mark.parametrize(
    "inner", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:8.8.8.8", "fe80::1%eth0", "64:ff9b::808:808"]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_answer_that_is_not_public_refuses_the_name(inner, place):
    answers = [PUBLIC, PUBLIC_V6]
    answers.insert(place, inner)

    with pytest.raises(AddressError, match=r"'a\.example' is not a host of the public internet") as refused:
        checked("http://a.example/", a_example=answers)
    assert inner not in str(refused.value)


def test_a_name_that_does_not_exist_and_one_that_leads_inside_are_refused_alike():
    texts = []
    for answers in ([], ["10.0.0.1"]):
        with pytest.raises(AddressError) as refused:
            checked("http://a.example/", a_example=answers)
        texts.append(str(refused.value))

    assert texts[0] == texts[1]


def test_an_answer_that_is_no_address_is_refused():
    with pytest.raises(AddressError, match="no address"):
        checked("http://a.example/", a_example=["a.example"])


def test_only_the_ports_of_the_rules_are_asked():
    with pytest.raises(AddressError, match="port 8080 is not one of 80, 443"):
        checked("http://a.example:8080/", a_example=[PUBLIC])

    assert checked("http://a.example:8080/", Rules(frozenset({8080})), a_example=[PUBLIC]).port == 8080


def test_a_test_host_may_lie_on_the_loopback_at_its_port_and_nowhere_else():
    rules = Rules(test_hosts=frozenset({"a.example:81", "localhost:81"}))

    assert checked("http://a.example:81/", rules, a_example=["127.0.0.1"]).addresses == (IPv4Address("127.0.0.1"),)
    assert checked("http://localhost:81/", rules, localhost=["::1", "127.0.0.1"]).host == "localhost"
    for url, answer in (("http://a.example/", "127.0.0.1"), ("http://a.example:81/", "10.0.0.1"),
                        ("http://b.example:81/", "127.0.0.1")):  # fmt: skip
        with pytest.raises(AddressError):
            checked(url, rules, a_example=[answer], b_example=[answer])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.example/", "does not begin with http:// or https://"),
        ("http:/a.example/", "does not begin with"),
        ("http://user@a.example/", "user name"),
        ("http://a.example:0/", "no port 0"),
        ("http://a.example:65536/", "no port 65536"),
        ("http://a.example:/", "cannot be read"),
        ("http:///x.png", "cannot be read"),
        ("http://bücher.example/", "write it in its xn-- form"),
        ("http://a.example./", "without a dot at its end"),
        ("http://-a.example/", "no valid name"),
        (f"http://{'a' * 64}.example/", "no valid name"),
        ("http://1.2.3/", "four decimal numbers"),
        ("http://[1.2.3.4]/", "four decimal numbers"),
        ("http://a.example/x\ny.png", "control character"),
        (f"http://a.example/{'x' * 9000}", "at most 8192"),
        ("http://a.example/\ud800", "half of a character"),
        ("http://intranet/", "local name"),
    ],
)
def test_what_cannot_be_read_in_one_way_only_is_refused_with_its_cure(url, reason):
    with pytest.raises(AddressError, match=reason):
        checked(url, intranet=[PUBLIC])


def test_a_path_that_is_not_ascii_is_encoded_and_an_encoded_one_is_left_alone():
    assert (
        read("https://A.example/bücher/ü b.png?ä=%C3%A4&s=a+b/").path
        == "/b%C3%BCcher/%C3%BC%20b.png?%C3%A4=%C3%A4&s=a+b/"
    )
    assert read("http://a.example?x=1").url == "http://a.example/?x=1"
    assert read("http://xn--bcher-kva.example").host == "xn--bcher-kva.example"


@given(st.text(max_size=40).map(lambda rest: f"http://{rest}") | st.text(max_size=40))
def test_any_text_is_read_or_refused_and_what_is_read_reads_the_same_again(text):
    try:
        place = read(text)
    except AddressError:
        return

    assert place.url.isascii()
    assert read(place.url) == place


def test_the_systems_resolver_knows_the_loopback_and_has_no_answer_for_what_is_no_name():
    assert {"127.0.0.1", "::1"} & set(asyncio.run(resolve("localhost", 80)))
    assert not asyncio.run(resolve("a" * 64 + ".example", 80))


def test_names_are_looked_up_while_all_other_threads_are_at_work():
    async def ask():
        others, free = ThreadPoolExecutor(1), threading.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(others)
        busy = loop.run_in_executor(None, free.wait)
        try:
            return await resolve("127.0.0.1", 80)
        finally:
            free.set()
            await busy

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == ["127.0.0.1"]


def test_a_silent_name_server_holds_one_thread_for_a_name_however_many_wait(monkeypatch):
    asked, answers = [], threading.Event()
    system = socket.getaddrinfo

    def slow(host, port, **more):
        asked.append(host)
        if host == "silent.example":
            answers.wait(60)
            host = "127.0.0.2"
        return system(host, port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def ask():
        waiting = [asyncio.create_task(resolve("silent.example", 443)) for _ in range(300)]
        await asyncio.sleep(0)
        gave_up = waiting.pop()
        gave_up.cancel()
        other = await resolve("127.0.0.1", 443)
        answers.set()
        return other, await asyncio.gather(*waiting), await resolve("silent.example", 443)

    other, found, again = asyncio.run(asyncio.wait_for(ask(), 60))

    assert other == ["127.0.0.1"]
    assert found == [["127.0.0.2"]] * 299
    assert again == ["127.0.0.2"]
    assert asked == ["silent.example", "127.0.0.1", "silent.example"]
