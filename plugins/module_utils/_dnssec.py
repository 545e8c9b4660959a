# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Does this machine's resolver prove what it answers (DNSSEC)? Standard library only: it runs on the server."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
TYPES = {"A": 1, "NS": 2, "SOA": 6, "TLSA": 52}
_CLASS_IN, _OPT, _RRSIG = 1, 41, 46
# RFC 1035 4.1.1 and RFC 4035 3.2: recursion desired; authentic data, in a question: "tell me whether it is".
_RD, _AD, _TC, _QR = 0x0100, 0x0020, 0x0200, 0x8000
_DO = 0x8000  # RFC 3225, in the flags of EDNS
_LARGEST_UDP = 1232  # fits into one packet everywhere
_MOST_SERVERS = 3  # that resolv.conf(5) reads


class DnsError(Exception):
    """No answer that could be used; the text says what happened instead."""


@dataclass(frozen=True)
class Answer:
    """
    :param proved: the resolver says that DNSSEC proved it (AD)
    :param signed: signatures came along, proved or not
    """

    rcode: int
    proved: bool = False
    values: tuple[bytes, ...] = ()
    signed: bool = False

    @property
    def words(self) -> str:
        return _RCODES.get(self.rcode, "NOERROR" if self.rcode == NOERROR else f"rcode {self.rcode}")


Ask = Callable[[str, str, str], Answer]
"""(server, name, type) -> its answer.

:raises DnsError: there is none
"""


def nameservers(resolv_conf: str) -> tuple[str, ...]:
    """Whom resolv.conf(5) lets this machine ask; without a line it is the machine itself."""
    lines = [line.split() for line in resolv_conf.splitlines() if line and line[0] not in "#;"]
    found = tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")[:_MOST_SERVERS]
    return found or ("127.0.0.1",)


def is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def encode(name: str, kind: str, identity: int) -> bytes:
    """A question that wants to know whether the answer is proved.

    :raises DnsError: a name that DNS cannot carry
    """
    labels = [label for label in name.rstrip(".").split(".") if label] if name != "." else []
    if any(len(label) > 63 or not label.isascii() for label in labels) or len(name) > 253:
        raise DnsError(f"{name} is not a name that DNS can carry")
    question = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    header = struct.pack("!6H", identity, _RD | _AD, 1, 0, 0, 1)
    edns = b"\0" + struct.pack("!2HIH", _OPT, _LARGEST_UDP, _DO, 0)
    return header + question + struct.pack("!2H", TYPES[kind], _CLASS_IN) + edns


def decode(data: bytes, query: bytes) -> tuple[Answer, bool]:
    """The answer to a query, and whether more would come over TCP.

    :raises DnsError: it is none, or the answer to another question
    """
    try:
        return _decode(data, query)
    except (struct.error, IndexError) as error:
        raise DnsError("the answer is malformed") from error


def _decode(data: bytes, query: bytes) -> tuple[Answer, bool]:
    identity, flags, questions, answers = struct.unpack_from("!4H", data)
    end = _after_name(query, 12) + 4
    if not flags & _QR or identity != struct.unpack_from("!H", query)[0] or questions != 1:
        raise DnsError("the answer belongs to another question")
    if data[12:end].lower() != query[12:end].lower():
        raise DnsError("the answer belongs to another question")
    (wanted,) = struct.unpack_from("!H", query, end - 4)
    position, values, signed = end, [], False
    for __ in range(answers):
        position = _after_name(data, position)
        kind, of_class, _ttl, length = struct.unpack_from("!2HIH", data, position)
        position += 10
        if (kind, of_class) == (wanted, _CLASS_IN) and position + length <= len(data):
            values.append(data[position : position + length])
        signed |= (kind, of_class) == (_RRSIG, _CLASS_IN)
        position += length
    return Answer(flags & 0x000F, bool(flags & _AD), tuple(values), signed), bool(flags & _TC)


def _after_name(data: bytes, position: int) -> int:
    """Where a name ends that begins at a position; a pointer ends it (RFC 1035 4.1.4)."""
    while (length := data[position]) != 0:
        if length & 0xC0:
            return position + 2
        position += 1 + length
    return position + 1


def ask(server: str, name: str, kind: str, *, port: int = 53, timeout: float = 5.0, tries: int = 3) -> Answer:
    """Ask one resolver, again when it is silent: an answer that must be proved takes several questions.

    :raises DnsError: it gave no answer
    """
    query = encode(name, kind, secrets.randbelow(65536))
    for attempt in range(tries):
        try:
            return _exchange(query, server, port, timeout)
        except TimeoutError as error:
            if attempt + 1 == tries:
                raise DnsError(f"it did not answer within {timeout * tries:g} s") from error
        except OSError as error:
            raise DnsError(f"it could not be asked: {error.strerror or error}") from error
    raise DnsError("nothing was asked")


def _exchange(query: bytes, server: str, port: int, timeout: float) -> Answer:
    found = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    with socket.socket(found[0], socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout)
        udp.connect(found[4])
        udp.send(query)
        answer, truncated = decode(udp.recv(_LARGEST_UDP), query)
    if not truncated:
        return answer
    with socket.create_connection((server, port), timeout) as tcp, tcp.makefile("rb") as stream:
        tcp.sendall(struct.pack("!H", len(query)) + query)
        head = stream.read(2)
        length = struct.unpack("!H", head)[0] if len(head) == 2 else 0
        return decode(stream.read(length), query)[0]


@dataclass(frozen=True)
class Problem:
    """Why answers cannot be believed here, as a sentence without its full stop, and what to do."""

    reason: str
    fix: str


_OWN = (
    "Add unbound to mail_features, or run another validating resolver on this machine and name it in /etc/resolv.conf"
)


def judge(servers: Sequence[str], signed: str, forged: Iterable[str], ask_server: Ask) -> list[Problem]:
    """What is wrong with the resolvers of this machine.

    :param signed: a zone whose answers are proved where anybody validates
    :param forged: names whose signatures are wrong, and for which there must be no answer
    """
    problems = []
    for server in servers:
        if not is_loopback(server):
            reason = f"/etc/resolv.conf names {server}: what comes from another machine can be forged on the way"
            problems.append(Problem(f"{reason} (RFC 7672 2.1.1)", _OWN))
            continue
        problems += _validates(server, signed, ask_server)
        problems += _refuses(server, forged, ask_server)
    return problems


def _validates(server: str, signed: str, ask_server: Ask) -> Iterator[Problem]:
    try:
        answer = ask_server(server, signed, "SOA")
    except DnsError as error:
        yield Problem(f"the resolver {server} is of no use: {error}", _OWN)
        return
    if answer.rcode != NOERROR:
        fix = "Look at its log: it reaches no name server, or is forwarded to one that removes signatures"
        yield Problem(f"the resolver {server} answers {answer.words} for the signed zone {signed}", fix)
    elif not answer.proved:
        fix = f"{_OWN}. Where it is unbound: unbound_validate must be true, and {signed} below a trust anchor"
        yield Problem(f"the resolver {server} does not validate: for the signed zone {signed} it proved nothing", fix)


def _refuses(server: str, forged: Iterable[str], ask_server: Ask) -> Iterator[Problem]:
    for name in forged:
        try:
            answer = ask_server(server, name, "A")
        except DnsError:
            continue  # no answer is what should be
        if answer.rcode in (NOERROR, NXDOMAIN):
            reason = f"the resolver {server} answers for {name}, whose signatures are wrong"
            yield Problem(reason, _OWN)


def judge_forwarders(forwarders: Sequence[str], signed: str, ask_server: Ask) -> list[Problem]:
    """Whether signatures reach a resolver of this machine that asks these; nothing is said of those who are silent.

    :param forwarders: addresses, ``address@port`` for another port than 53
    """
    without = []
    for each in forwarders:
        try:
            answer = ask_server(each, signed, "SOA")
        except DnsError:
            continue
        if answer.signed:
            return []
        if answer.rcode in (NOERROR, NXDOMAIN):
            without.append(each)
    if not without:
        return []
    reason = f"unbound is to ask {', '.join(without)}, where the zone {signed} has no signatures"
    fix = (
        "Take out unbound_forwarders, so that it asks the servers of each zone itself, or name resolvers that pass "
        "signatures on (DNSSEC); in a network without the Internet's root, set dane_probe_zone to a signed zone of it"
    )
    return [Problem(reason, fix)]
