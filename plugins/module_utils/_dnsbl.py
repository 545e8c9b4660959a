# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Ask DNS block lists as dnsblog(8) does, through the resolvers of /etc/resolv.conf, and judge what they answer.

Nothing but the standard library: this runs on the mail server.
"""

from __future__ import annotations

import re
import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_TYPE_A, _CLASS_IN = 1, 1
_TRUNCATED, _RECURSION_DESIRED, _IS_RESPONSE = 0x0200, 0x0100, 0x8000
_LARGEST_UDP = 4096
PORT = 53

# resolv.conf(5): no more than three servers are read; without any, the one of this machine.
_MOST_SERVERS = 3


class DnsError(Exception):
    """No answer that could be used; the text says what happened instead."""


@dataclass(frozen=True)
class Resolvers:
    """What resolv.conf(5) says. timeout is seconds for one try, attempts how often all servers are tried."""

    servers: tuple[str, ...] = ("127.0.0.1",)
    timeout: float = 5.0
    attempts: int = 2


def read_resolv_conf(text: str) -> Resolvers:
    """Read resolv.conf; what it does not say is as in resolv.conf(5)."""
    words = [line.split() for line in text.splitlines() if line and line[0] not in "#;"]
    servers = tuple(line[1] for line in words if len(line) > 1 and line[0] == "nameserver")[:_MOST_SERVERS]
    options = {"timeout": 5, "attempts": 2}
    for line in words:
        for option in line[1:] if line and line[0] == "options" else []:
            name, _colon, number = option.partition(":")
            if name in options and number.isdigit():
                options[name] = int(number)
    limits = {"timeout": float(min(max(options["timeout"], 1), 30)), "attempts": min(max(options["attempts"], 1), 5)}
    return Resolvers(servers or ("127.0.0.1",), limits["timeout"], int(limits["attempts"]))


def encode_query(name: str, identity: int) -> bytes:
    """A question for the A records of a name (RFC 1035 section 4).

    :raises DnsError: a name that DNS cannot carry
    """
    labels = name.rstrip(".").split(".")
    if any(not label or len(label) > 63 for label in labels) or len(name) > 253:
        raise DnsError("the name is not one that DNS can carry")
    question = b"".join(bytes([len(label)]) + label.encode("ascii", "replace") for label in labels) + b"\0"
    header = struct.pack("!6H", identity, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + question + struct.pack("!2H", _TYPE_A, _CLASS_IN)


@dataclass(frozen=True)
class Response:
    """rcode of RFC 1035, the A records, and whether more would come over TCP."""

    rcode: int
    addresses: tuple[str, ...] = ()
    truncated: bool = False


def decode_response(data: bytes, query: bytes) -> Response:
    """Read the answer to a query.

    :raises DnsError: it is none, or the answer to another question
    """
    try:
        return _decode(data, query)
    except (struct.error, IndexError) as error:
        raise DnsError("the answer is malformed") from error


def _decode(data: bytes, query: bytes) -> Response:
    identity, flags, questions, answers = struct.unpack_from("!4H", data)
    rcode = flags & 0x000F
    if not flags & _IS_RESPONSE or identity != struct.unpack_from("!H", query)[0]:
        raise DnsError("the answer belongs to another question")
    if questions and data[12 : len(query)].lower() != query[12:].lower():
        raise DnsError("the answer belongs to another question")
    position = 12
    for __ in range(questions):
        position = _after_name(data, position) + 4
    addresses = []
    for __ in range(answers):
        position = _after_name(data, position)
        kind, of_class, _ttl, length = struct.unpack_from("!2HIH", data, position)
        position += 10
        if (kind, of_class, length) == (_TYPE_A, _CLASS_IN, 4) and position + 4 <= len(data):
            addresses.append(socket.inet_ntoa(data[position : position + 4]))
        position += length
    return Response(rcode, tuple(addresses), bool(flags & _TRUNCATED))


def _after_name(data: bytes, position: int) -> int:
    """Where a name ends that is written at a position; a pointer ends it (RFC 1035 section 4.1.4)."""
    while (length := data[position]) != 0:
        if length & 0xC0:
            return position + 2
        position += 1 + length
    return position + 1


def lookup(name: str, resolvers: Resolvers) -> Response:
    """Ask as the system's resolver does: each server in turn, as often as it is told to.

    :raises DnsError: nobody gave an answer; the text says who said what instead
    """
    query = encode_query(name, secrets.randbelow(65536))
    failures: dict[str, str] = {}
    for __ in range(resolvers.attempts):
        for server in resolvers.servers:
            try:
                response = _exchange(query, server, resolvers.timeout)
            except DnsError as error:
                failures[server] = str(error)
                continue
            if response.rcode in (NOERROR, NXDOMAIN):
                return response
            failures[server] = f"answered {_RCODES.get(response.rcode, f'rcode {response.rcode}')}"
        if all(text.startswith("answered") for text in failures.values()):
            break  # nobody was silent, so asking again says the same
    raise DnsError("; ".join(f"{server} {failure}" for server, failure in failures.items()))


def _exchange(query: bytes, server: str, timeout: float) -> Response:
    try:
        found = socket.getaddrinfo(server, PORT, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as udp:
            udp.settimeout(timeout)
            udp.connect(found[4])
            udp.send(query)
            response = decode_response(udp.recv(_LARGEST_UDP), query)
        if not response.truncated:
            return response
        with socket.create_connection((server, PORT), timeout) as tcp:
            tcp.sendall(struct.pack("!H", len(query)) + query)
            return decode_response(_receive_tcp(tcp), query)
    except TimeoutError as error:
        raise DnsError(f"did not answer within {timeout:g} s") from error
    except struct.error as error:
        raise DnsError("closed the connection") from error
    except OSError as error:
        raise DnsError(f"could not be asked: {error.strerror or error}") from error


def _receive_tcp(tcp: socket.socket) -> bytes:
    with tcp.makefile("rb") as stream:
        (length,) = struct.unpack("!H", stream.read(2))
        return stream.read(length)


# --- Filters: d.d.d.d, each d a number or [n;n..m] (postconf(5) postscreen_dnsbl_sites) ---


def matches(pattern: str, address: str) -> bool:
    """Whether an answer is within a filter; a filter that cannot be read matches nothing."""
    fields = re.findall(r"\[[^\]]*\]|\d+", pattern)
    octets = [int(octet) for octet in address.split(".")]
    return len(fields) == len(octets) and all(_within(text, octets[place]) for place, text in enumerate(fields))


def _within(text: str, octet: int) -> bool:
    for item in text.strip("[]").split(";"):
        low, _dots, high = item.partition("..")
        if low.isdigit() and (high or low).isdigit() and int(low) <= octet <= int(high or low):
            return True
    return False


# --- Verdicts ---

# What a list says instead of an answer, by everybody's convention (Spamhaus, and lists that follow it).
_REFUSALS = {
    "127.255.255.252": "the question is misspelt (127.255.255.252)",
    "127.255.255.254": "it refuses public and open resolvers (127.255.255.254)",
    "127.255.255.255": "this resolver has asked too often (127.255.255.255)",
}
_OWN_RESOLVER = "Let this server resolve names itself (feature unbound)"


@dataclass(frozen=True)
class Question:
    """A list to prove.

    :param domain: as shown to people; key is asked before it
    :param filters: answers that count; none: every answer
    :param test_point: address that the list lists for testing; empty where it has none
    :param errors: answers of this list that are none
    :param limits: what its operators want before they answer
    :param good: a list of good hosts
    """

    domain: str
    key: str = ""
    filters: tuple[str, ...] = ()
    test_point: str = "127.0.0.2"
    errors: tuple[str, ...] = ()
    limits: str = ""
    good: bool = False

    @classmethod
    def of(cls, data: dict[str, Any]) -> Question:
        given = {name: value for name, value in data.items() if value is not None}
        return cls(**{**given, "filters": tuple(given.get("filters", ())), "errors": tuple(given.get("errors", ()))})

    def name(self, address: str) -> str:
        reversed_address = ".".join(reversed(address.split(".")))
        return ".".join(filter(None, [reversed_address, self.key, self.domain]))


@dataclass(frozen=True)
class Verdict:
    """What a list is worth here. reason and advice are empty where it is usable."""

    domain: str
    usable: bool
    answers: tuple[str, ...] = ()
    reason: str = ""
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "usable": self.usable,
            "answers": list(self.answers),
            "reason": self.reason,
            "advice": self.advice,
        }


@dataclass
class Prover:
    """Proves lists with what `ask` answers: a name -> a response, or DnsError."""

    ask: Callable[[str], Response]
    asked: list[str] = field(default_factory=list)

    def judge(self, question: Question) -> Verdict:
        try:
            listed = self._answers(question, question.test_point) if question.test_point else ()
            unlisted = self._answers(question, "127.0.0.1")
        except DnsError as error:
            advice = f"Ask it by hand: host {question.name('127.0.0.2').replace(question.key or ' ', 'KEY')}"
            return Verdict(question.domain, False, (), f"it gave no answer ({error})", advice)
        answers = tuple(dict.fromkeys((*listed, *unlisted)))
        reason, advice = _fault(question, listed, unlisted)
        return Verdict(question.domain, not reason, answers, reason, advice)

    def _answers(self, question: Question, address: str) -> tuple[str, ...]:
        name = question.name(address)
        self.asked.append(name)
        return self.ask(name).addresses


def _fault(question: Question, listed: Sequence[str], unlisted: Sequence[str]) -> tuple[str, str]:
    """Why a list cannot be used and what to do; two empty texts where it can."""
    for answer in (*listed, *unlisted):
        if answer in question.errors or answer.startswith("127.255.255."):
            said = _REFUSALS.get(answer, f"it refuses to answer this resolver ({answer})")
            wanted = f"; it wants {question.limits}" if question.limits else ""
            return said + wanted, f"{_OWN_RESOLVER}, or take the list out"
        if not answer.startswith("127."):
            return (
                f"it answers {answer}, which no list does: the domain has lapsed, or the resolver makes up answers",
                "Take the list out, or use another resolver",
            )
    if unlisted:
        return f"it lists 127.0.0.1 ({', '.join(unlisted)}), so probably everybody", "Take the list out"
    if not question.test_point:
        return "", ""
    if not listed:
        return (
            f"it does not list its own test point {question.test_point}: it is empty, or not a list at all",
            "Take the list out, or give its documented test point: test_point: ... (empty: it has none)",
        )
    if question.filters and not question.good and not any(matches(f, a) for f in question.filters for a in listed):
        return (
            f"it answers {', '.join(listed)} for its test point, and none of it is within the filter",
            "Correct the filter, or set test_point to an address that it lists so",
        )
    return "", ""
