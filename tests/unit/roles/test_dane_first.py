"""What Postfix is told when both DANE and MTA-STS have something to say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dns.rdata
import pytest
from programs import load_program

program = load_program("mta_sts/files/dane-first")

STS = "OK secure match=mx.example.org servername=hostname"
HASH = "ab" * 32
SIGNED_MX = {"example.org MX": (True, ["10 mx.example.org."])}
TLSA_NAME = "_25._tcp.mx.example.org TLSA"
ADDRESS = "mx.example.org A"
NO_ANSWER = None

Answers = Mapping[str, "tuple[bool, list[str]] | None"]


class Zones:
    """Answers by name and type; what is not there is known not to be, with DNSSEC; None is no answer."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    async def ask(self, name: str, kind: str) -> tuple[bool, Sequence[Any]]:
        answer = self.answers.get(f"{name} {kind}", (True, []))
        if answer is None:
            raise program.UnknownError(f"{name} {kind}: Timeout")
        secure, texts = answer
        return secure, [dns.rdata.from_text("IN", kind, text) for text in texts]


def told(answers: Answers, behind: str = STS, key: str = "example.org") -> str:
    answer: str = asyncio.run(program.policy(Zones(answers), f"postfix {key}", behind))
    return answer


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({**SIGNED_MX, TLSA_NAME: (True, [f"3 1 1 {HASH}"])}, "dane"),
        ({**SIGNED_MX, TLSA_NAME: (True, [f"2 0 2 {HASH * 2}"])}, "dane"),
        ({**SIGNED_MX, TLSA_NAME: (True, [f"1 1 1 {HASH}", f"3 1 1 {HASH}"])}, "dane"),
        (SIGNED_MX, "sts"),
        ({**SIGNED_MX, TLSA_NAME: (False, [f"3 1 1 {HASH}"])}, "sts"),
        ({**SIGNED_MX, TLSA_NAME: (True, [f"1 1 1 {HASH}", f"3 1 9 {HASH}"])}, "sts"),
        ({"example.org MX": (False, ["10 mx.example.org."]), TLSA_NAME: (True, [f"3 1 1 {HASH}"])}, "sts"),
        ({"example.org MX": NO_ANSWER}, "later"),
        ({**SIGNED_MX, TLSA_NAME: NO_ANSWER}, "later"),
        ({**SIGNED_MX, TLSA_NAME: NO_ANSWER, ADDRESS: (False, ["192.0.2.1"])}, "sts"),
        ({**SIGNED_MX, TLSA_NAME: NO_ANSWER, ADDRESS: (True, ["192.0.2.1"])}, "later"),
        ({**SIGNED_MX, TLSA_NAME: NO_ANSWER, ADDRESS: NO_ANSWER}, "later"),
        ({"_25._tcp.example.org TLSA": (True, [f"3 1 1 {HASH}"])}, "dane"),
    ],
    ids=[
        "a key",
        "an authority",
        "one of two is usable",
        "no TLSA record",
        "not signed below",
        "none is usable",
        "hosts are not signed",
        "no answer about hosts",
        "no answer about keys",
        "no answer where nothing is signed",
        "no answer where all is signed",
        "no answer at all",
        "no MX",
    ],
)
def test_dane_goes_first_where_it_is(answers: Answers, expected: str) -> None:
    answer = told(answers)
    assert {"OK dane-only": "dane", STS: "sts"}.get(answer, "later") == expected
    assert expected != "later" or answer.startswith("TEMP ")


def test_one_host_of_several_is_enough() -> None:
    hosts = {"example.org MX": (True, ["10 mx.example.org.", "20 b.example.org."])}
    key = {"_25._tcp.b.example.org TLSA": (True, [f"3 1 1 {HASH}"])}
    assert told({**hosts, **key}) == "OK dane-only"
    assert told({**hosts, **key, TLSA_NAME: NO_ANSWER}) == "OK dane-only"
    assert told({**hosts, TLSA_NAME: NO_ANSWER}).startswith("TEMP ")


@pytest.mark.parametrize("behind", ["NOTFOUND ", "TEMP later", "PERM never"])
def test_without_a_policy_dns_is_not_asked(behind: str) -> None:
    assert told({"example.org MX": NO_ANSWER}, behind) == behind


def test_the_port_in_a_key_is_no_part_of_the_domain() -> None:
    assert told({**SIGNED_MX, TLSA_NAME: (True, [f"3 1 1 {HASH}"])}, key="EXAMPLE.org:25") == "OK dane-only"


async def _dialogue(directory: Path, question: bytes, behind: bytes | None) -> bytes:
    """What the server answers, with something behind it that answers everything so, or nothing at all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await program.read_netstring(reader)
        writer.write(behind or b"")
        writer.close()

    back, front = directory / "back", directory / "front"
    resolver = await asyncio.start_unix_server(answer, back) if behind is not None else None
    server = await asyncio.start_unix_server(program.Server(back, Zones({})).serve, front)
    reader, writer = await asyncio.open_unix_connection(str(front))
    writer.write(question)
    writer.write_eof()
    said = await reader.read()
    writer.close()
    for each in (server, resolver):
        if each:
            each.close()
    return said


@pytest.mark.parametrize(
    ("question", "behind", "expected"),
    [
        (b"19:postfix example.org,", b"9:NOTFOUND ,", b"9:NOTFOUND ,"),
        (b"19:postfix example.org," * 2, b"9:NOTFOUND ,", b"9:NOTFOUND ," * 2),
        (b"19:postfix example.org,", b"9:OK secure,", b"9:OK secure,"),
        (b"19:postfix example.org,", None, b"TEMP "),
        (b"19:postfix example.org,", b"", b"TEMP "),
        (b"19:postfix example.org,", b"garbage:", b"TEMP "),
        (b"20:postfix .example.org,", None, b"9:NOTFOUND ,"),
        (b"24:postfix [mx.example.org],", None, b"9:NOTFOUND ,"),
        (b"19;postfix example.org,", b"9:NOTFOUND ,", b""),
        (b"99999999:x", b"9:NOTFOUND ,", b""),
        (b"9" * 5000 + b":x", b"9:NOTFOUND ,", b""),
        (b"9" * 100000, b"9:NOTFOUND ,", b""),
        (b"3:abcd", b"9:NOTFOUND ,", b""),
        (b"", b"9:NOTFOUND ,", b""),
    ],
)
def test_the_socketmap_protocol(tmp_path: Path, question: bytes, behind: bytes | None, expected: bytes) -> None:
    said = asyncio.run(_dialogue(tmp_path, question, behind))
    assert said == expected or (expected == b"TEMP " and expected in said)
