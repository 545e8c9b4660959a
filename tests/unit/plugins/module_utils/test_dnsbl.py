# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The proof of DNS lists: packets, resolv.conf, filters, and what each kind of answer means."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _dnsbl
from ansible_collections.postern.mail.plugins.module_utils._dnsbl import (
    DnsError,
    Prover,
    Question,
    Resolvers,
    Response,
    decode_response,
    encode_query,
    lookup,
    matches,
    read_resolv_conf,
)

NAME = "2.0.0.127.bl.example.net"


def answer(query: bytes, *addresses: str, rcode: int = 0, flags: int = 0x8180, alias: bool = False) -> bytes:
    """What a name server says to a query, names compressed as they do."""
    records = b""
    if alias:
        records += b"\xc0\x0c" + struct.pack("!2HIH", 5, 1, 60, 4) + b"\x01x\xc0\x0c"
    for address in addresses:
        records += b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 60, 4) + socket.inet_aton(address)
    count = len(addresses) + alias
    return query[:2] + struct.pack("!5H", flags | rcode, 1, count, 0, 0) + query[12:] + records


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Resolvers()),
        ("nameserver 192.0.2.53\nnameserver 2001:db8::53\n", Resolvers(("192.0.2.53", "2001:db8::53"))),
        ("nameserver 1\nnameserver 2\nnameserver 3\nnameserver 4\n", Resolvers(("1", "2", "3"))),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nsearch example\n", Resolvers()),
        ("options timeout:1 attempts:1 rotate\n", Resolvers(timeout=1, attempts=1)),
        ("options timeout:0 attempts:99\noptions timeout:x\n", Resolvers(timeout=1, attempts=5)),
        ("nameserver\noptions\n", Resolvers()),
    ],
)
def test_resolv_conf(text: str, expected: Resolvers) -> None:
    assert read_resolv_conf(text) == expected


@pytest.mark.parametrize("name", ["a..example", "a" * 64 + ".example", ".".join(["abcdefgh"] * 32)])
def test_names_that_dns_cannot_carry(name: str) -> None:
    with pytest.raises(DnsError):
        encode_query(name, 7)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (answer(encode_query(NAME, 7), "127.0.0.2", "127.0.0.4"), Response(0, ("127.0.0.2", "127.0.0.4"))),
        (answer(encode_query(NAME, 7), "127.0.0.2", alias=True), Response(0, ("127.0.0.2",))),
        (answer(encode_query(NAME, 7), rcode=3), Response(3)),
        (answer(encode_query(NAME, 7), flags=0x8380), Response(0, (), truncated=True)),
        (answer(encode_query(NAME.upper(), 7), "127.0.0.2"), Response(0, ("127.0.0.2",))),
    ],
)
def test_answers(data: bytes, expected: Response) -> None:
    assert decode_response(data, encode_query(NAME, 7)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 11,
        encode_query(NAME, 7),
        answer(encode_query(NAME, 8), "127.0.0.2"),
        answer(encode_query("2.0.0.127.other.example", 7), "127.0.0.2"),
        answer(encode_query(NAME, 7), "127.0.0.2")[:-8],
    ],
)
def test_no_answers(data: bytes) -> None:
    with pytest.raises(DnsError):
        decode_response(data, encode_query(NAME, 7))


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("127.0.0.2", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.20", False),
        ("127.0.0.[2..11]", "127.0.0.11", True),
        ("127.0.0.[2..11]", "127.0.0.12", False),
        ("127.0.0.[2;10..11]", "127.0.0.10", True),
        ("127.0.[2..20].[1..3]", "127.0.5.2", True),
        ("127.0.[2..20].[1..3]", "127.0.5.0", False),
        ("127.0.0", "127.0.0.2", False),
    ],
)
def test_filters(pattern: str, address: str, expected: bool) -> None:
    assert matches(pattern, address) is expected


ERRORS = ("127.0.0.255",)


@pytest.mark.parametrize(
    ("question", "listed", "unlisted", "words"),
    [
        ({"filters": ["127.0.0.[2..11]"]}, ["127.0.0.2", "127.0.0.4"], [], ""),
        ({}, ["127.0.0.9"], [], ""),
        ({"test_point": ""}, [], [], ""),
        ({"good": True, "filters": ["127.0.[2..20].[1..3]"]}, ["127.0.10.0"], [], ""),
        ({"filters": ["127.0.0.[2..11]"]}, ["127.0.0.12"], [], "none of it is within the filter"),
        ({}, [], [], "does not list its own test point 127.0.0.2"),
        ({}, ["127.0.0.2"], ["127.0.0.2"], "it lists 127.0.0.1"),
        ({}, ["203.0.113.7"], ["203.0.113.7"], "lapsed"),
        ({}, ["127.255.255.254"], ["127.255.255.254"], "refuses public and open resolvers"),
        ({}, ["127.255.255.255"], [], "asked too often"),
        ({}, ["127.255.255.252"], [], "misspelt"),
        ({}, ["127.0.0.2"], ["127.255.255.254"], "refuses public and open resolvers"),
        ({"errors": ERRORS, "good": True}, ["127.0.0.255"], [], "refuses to answer this resolver (127.0.0.255)"),
        ({"limits": "a resolver of your own"}, ["127.255.255.254"], [], "it wants a resolver of your own"),
    ],
)
def test_what_the_answers_mean(question: dict[str, object], listed: list[str], unlisted: list[str], words: str) -> None:
    answers = {NAME: Response(0, tuple(listed)), "1.0.0.127.bl.example.net": Response(0, tuple(unlisted))}
    verdict = Prover(answers.__getitem__).judge(Question.of({"domain": "bl.example.net", **question}))
    assert verdict.usable is (words == "")
    assert words in verdict.reason
    assert bool(verdict.advice) is (words != "")


def test_silence_makes_a_list_unusable_and_shows_no_key() -> None:
    def silent(name: str) -> Response:
        raise DnsError(f"192.0.2.53 did not answer {len(name)}")

    verdict = Prover(silent).judge(Question.of({"domain": "bl.example.net", "key": "hush"}))
    assert (verdict.usable, "192.0.2.53 did not answer" in verdict.reason) == (False, True)
    assert "hush" not in str(verdict.as_dict())
    assert "KEY.bl.example.net" in verdict.advice


def test_the_key_is_asked_before_the_domain() -> None:
    prover = Prover(lambda name: Response(3))
    prover.judge(Question.of({"domain": "bl.example.net", "key": "hush"}))
    assert prover.asked == ["2.0.0.127.hush.bl.example.net", "1.0.0.127.hush.bl.example.net"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A name server on this machine; it answers 127.0.0.2, over UDP only that the answer is too long."""
    seen: list[bytes] = []
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:  # until a port is free for both
        tcp = socket.create_server(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        with contextlib.suppress(OSError):
            udp.bind(("127.0.0.1", port))
            break
        tcp.close()

    def serve() -> None:
        query, client = udp.recvfrom(512)
        seen.append(b"udp")
        udp.sendto(answer(query, flags=0x8380), client)
        connection = tcp.accept()[0]
        with connection:
            query = connection.recv(512)[2:]
            seen.append(b"tcp")
            reply = answer(query, "127.0.0.2")
            connection.sendall(struct.pack("!H", len(reply)) + reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    monkeypatch.setattr(_dnsbl, "PORT", port)
    yield seen
    thread.join(5)
    udp.close()
    tcp.close()


def test_a_long_answer_is_fetched_over_tcp(server: list[bytes]) -> None:
    assert lookup(NAME, Resolvers(("127.0.0.1",))).addresses == ("127.0.0.2",)
    assert server == [b"udp", b"tcp"]


def test_who_cannot_be_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dnsbl, "PORT", 9)  # nobody answers there
    with pytest.raises(DnsError, match=r"127\.0\.0\.1 could not be asked: .*; resolver could not be asked"):
        lookup(NAME, Resolvers(("127.0.0.1", "resolver"), timeout=1, attempts=1))
