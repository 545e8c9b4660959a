"""Whether a resolver can be believed."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.postern.mail.plugins.module_utils._dnssec import (
    Answer,
    DnsError,
    decode,
    encode,
    judge,
    judge_forwarders,
    nameservers,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 127.0.0.1\noptions edns0 trust-ad\n", ("127.0.0.1",)),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nsearch example.org\n", ("127.0.0.1",)),
        (
            "nameserver ::1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n",
            ("::1", "192.0.2.1", "192.0.2.2"),
        ),
    ],
)
def test_resolv_conf_is_read_as_the_library_does(text: str, expected: tuple[str, ...]) -> None:
    assert nameservers(text) == expected


_PROVED, _UNPROVED = Answer(0, True, (b"",)), Answer(0, False, (b"",))


@pytest.mark.parametrize(
    ("servers", "answers", "expected"),
    [
        (["127.0.0.1"], {"example": _PROVED, "forged.example": Answer(2)}, []),
        (["127.0.0.1"], {"example": _PROVED}, []),  # silence about what is forged
        (["127.0.0.1"], {"example": _UNPROVED}, ["does not validate"]),
        (["127.0.0.1"], {"example": Answer(2)}, ["answers SERVFAIL"]),
        (["127.0.0.1"], {}, ["is of no use"]),
        (["127.0.0.1"], {"example": _PROVED, "forged.example": _UNPROVED}, ["whose signatures are wrong"]),
        (["127.0.0.1"], {"example": _PROVED, "forged.example": Answer(3)}, ["whose signatures are wrong"]),
        (["192.0.2.53"], {"example": _PROVED}, ["names 192.0.2.53"]),
        (["127.0.0.1", "2001:db8::53"], {"example": _UNPROVED}, ["does not validate", "names 2001:db8::53"]),
        (["resolver"], {"example": _PROVED}, ["names resolver"]),
    ],
)
def test_each_reason_for_doubt_is_told(servers: list[str], answers: dict[str, Answer], expected: list[str]) -> None:
    def ask(_server: str, name: str, _kind: str) -> Answer:
        if name not in answers:
            raise DnsError("it did not answer")
        return answers[name]

    problems = judge(servers, "example", ["forged.example"], ask)
    assert [words in problem.reason for words, problem in zip(expected, problems, strict=True)] == [True] * len(
        expected
    )


_SIGNED = Answer(0, False, (b"",), signed=True)


@pytest.mark.parametrize(
    ("answers", "doubted"),
    [
        ({"192.0.2.1": _SIGNED}, ""),
        ({"192.0.2.1": _UNPROVED, "192.0.2.2@5353": _SIGNED}, ""),  # unbound asks the other one then
        ({}, ""),
        ({"192.0.2.1": Answer(2)}, ""),  # broken for now, which says nothing about signatures
        ({"192.0.2.1": _UNPROVED}, "192.0.2.1,"),
        ({"192.0.2.1": _PROVED, "192.0.2.2@5353": Answer(3)}, "192.0.2.1, 192.0.2.2@5353,"),
    ],
)
def test_who_takes_signatures_away_is_told(answers: dict[str, Answer], doubted: str) -> None:
    def ask(server: str, _name: str, _kind: str) -> Answer:
        if server not in answers:
            raise DnsError("it did not answer")
        return answers[server]

    told = [problem.reason for problem in judge_forwarders(["192.0.2.1", "192.0.2.2@5353"], "example", ask)]
    assert told == ([f"unbound is to ask {doubted} where the zone example has no signatures"] if doubted else [])


def _reply(query: bytes, flags: int, answers: list[bytes], kind: int = 52) -> bytes:
    question = query[12 : query.index(b"\0", 12) + 5]
    records = b"".join(b"\xc0\x0c" + struct.pack("!2HIH", kind, 1, 60, len(each)) + each for each in answers)
    return query[:2] + struct.pack("!5H", flags, 1, len(answers), 0, 0) + question + records


@pytest.mark.parametrize(
    ("flags", "kind", "expected"),
    [
        (0x81A0, 52, (Answer(0, True, (b"\3\1\1abc",)), False)),
        (0x8180, 52, (Answer(0, False, (b"\3\1\1abc",)), False)),
        (0x8182, 52, (Answer(2, False, (b"\3\1\1abc",)), False)),
        (0x8380, 46, (Answer(0, False, (), signed=True), True)),  # a signature is no answer
    ],
)
def test_an_answer_is_read(flags: int, kind: int, expected: tuple[Answer, bool]) -> None:
    query = encode("_25._tcp.mx.example.org", "TLSA", 4711)
    assert decode(_reply(query, flags, [b"\3\1\1abc"], kind), query) == expected


@pytest.mark.parametrize("damage", ["identity", "name", "cut", "question"])
def test_an_answer_to_another_question_is_none(damage: str) -> None:
    query = encode("mx.example.org", "TLSA", 4711)
    data = bytearray(_reply(query, 0x81A0, [b"abc"]))
    if damage == "identity":
        data[1] ^= 1
    elif damage == "name":
        data[14] ^= 1
    elif damage == "question":
        data[2] = 0
    else:
        data = data[:-5]
        data[-2] = 0xFF
    with pytest.raises(DnsError):
        decode(bytes(data), query)


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "ü.example", "a." * 130])
def test_a_name_that_dns_cannot_carry_is_not_asked_for(name: str) -> None:
    with pytest.raises(DnsError):
        encode(name, "A", 1)
