# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS as smtpd sees it through dns_lookup(3) (dns/dns_lookup.c). What is not listed does not exist."""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address, is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Answers, DnsData

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*", re.ASCII)

CNAME_LIMIT = 10
"""Aliases that Postfix follows for one question."""

SYSTEM_HOSTS = {"localhost": ("::1", "127.0.0.1")}
"""Names that the system's resolver knows from /etc/hosts."""


class DnsStatus(enum.IntEnum):
    """Result of a question; the numbers rank the results of several questions, as in Postfix."""

    NOTFOUND = -7  # no such name, or no such record
    NULLMX = -5  # RFC 7505
    FAIL = -4  # do not ask again
    INVAL = -3  # the answer holds a malformed name
    RETRY = -2  # SERVFAIL, time-out
    OK = 0


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """:param value: address, host name or text; without the preference of MX

    :param preference: of MX, else 0
    """

    type: str
    value: str
    preference: int = 0


@dataclass(frozen=True, slots=True)
class DnsResult:
    """:param records: in the order of the answer; Postfix does not sort them

    :param rname: name at the end of the aliases
    :param exists: False for NXDOMAIN; a name without such records exists
    """

    status: DnsStatus
    records: tuple[DnsRecord, ...] = ()
    rname: str = ""
    exists: bool = True

    def __bool__(self) -> bool:
        return self.status is DnsStatus.OK

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(record.value for record in self.records)


class _ServerFailure(Exception):
    pass


@dataclass
class Dns:
    """:param data: name (or ``*.`` wildcard) -> type -> values, or "SERVFAIL"

    :ivar asked: names and types that were looked up, in order
    """

    data: DnsData
    asked: list[tuple[str, str]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._zone = {name.rstrip(".").lower(): answers for name, answers in self.data.items()}

    def lookup(self, name: str, rrtype: str) -> DnsResult:
        """One question, aliases followed: dns_lookup()."""
        if is_address(name) or not (name == "." or is_hostname(name, wildcard=True)):
            return DnsResult(DnsStatus.NOTFOUND, rname=name, exists=False)
        self.asked.append((name, rrtype))
        current = name
        for __ in range(CNAME_LIMIT):
            try:
                answers = self._answers(current)
                values = None if answers is None else _values(answers, rrtype)
            except _ServerFailure:
                return DnsResult(DnsStatus.RETRY, rname=current)
            if answers is None:
                return DnsResult(DnsStatus.NOTFOUND, rname=current, exists=False)
            if values:
                return _result(rrtype, values, current)
            aliases = _values(answers, "CNAME")
            if not aliases or rrtype == "CNAME":
                return DnsResult(DnsStatus.NOTFOUND, rname=current)
            current = aliases[0].rstrip(".")
            if not is_address(current) and not is_hostname(current, wildcard=True):
                return DnsResult(DnsStatus.INVAL, rname=current)
        return DnsResult(DnsStatus.NOTFOUND, rname=current)

    def lookup_list(self, name: str, *types: str, stop: frozenset[DnsStatus] = frozenset({DnsStatus.OK})) -> DnsResult:
        """Several questions about one name: dns_lookup_l().

        :param stop: results after which the other types are not asked
        :return: the result of the highest rank, with all records
        """
        records: list[DnsRecord] = []
        best: DnsResult | None = None
        result = DnsResult(DnsStatus.NOTFOUND, rname=name, exists=False)
        for position, rrtype in enumerate(types):
            result = self.lookup(name, rrtype)
            records.extend(result.records)
            if result.status in stop or position == len(types) - 1:
                break
            if best is None or result.status >= best.status:
                best = result
        if best is not None and best.status > result.status:
            result = best
        return DnsResult(result.status, tuple(records), result.rname, result.exists)

    def addresses(self, name: str, *, ipv4: bool = True, ipv6: bool = True) -> tuple[str, ...]:
        """:return: addresses of a host in the order of getaddrinfo(3), IPv6 first; none when the look-up fails"""
        if is_address(name):
            return (name,)
        number = _number_form(name)
        if number is not None:
            return (number,) if ipv4 else ()
        known = SYSTEM_HOSTS.get(name.rstrip(".").lower())
        if known is None:
            found = [value for rrtype in ("AAAA", "A") for value in self.lookup(name.rstrip("."), rrtype).values]
        else:
            found = list(known)
        return tuple(value for value in found if (ipv6 if ":" in value else ipv4))

    def _answers(self, name: str) -> Answers | None:
        """:return: what is known of the name, by itself or a wildcard; None: it does not exist"""
        for candidate in _candidates(name.rstrip(".").lower()):
            answers = self._zone.get(candidate)
            if isinstance(answers, str):
                raise _ServerFailure
            if answers is not None:
                return answers
        suffix = f".{name.rstrip('.').lower()}"
        # A name above existing ones exists, without records.
        return {} if any(known.endswith(suffix) for known in self._zone) else None


def _number_form(name: str) -> str | None:
    """:return: the address that inet_aton(3), and with it getaddrinfo(3), takes a name such as ``1.2.3`` for"""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [int(part, 0 if part[:2].lower() == "0x" else 8 if part[0] == "0" else 10) for part in parts]
    last = 256 ** (5 - len(parts))
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= last:
        return None
    value = sum(number << (24 - 8 * place) for place, number in enumerate(numbers[:-1])) + numbers[-1]
    return str(ipaddress.IPv4Address(value))


def _candidates(name: str) -> Iterator[str]:
    yield name
    labels = name.split(".")
    for position in range(1, len(labels) + 1):
        yield ".".join(["*", *labels[position:]])


def _values(answers: Answers, rrtype: str) -> Sequence[str]:
    """:raises _ServerFailure: this type has "SERVFAIL" for values"""
    found: object = {kind.upper(): values for kind, values in answers.items()}.get(rrtype, ())
    if isinstance(found, str):
        if found.upper() == "SERVFAIL":
            raise _ServerFailure
        return (found,)
    return [str(value) for value in found] if isinstance(found, Sequence) else ()


def _result(rrtype: str, values: Sequence[str], name: str) -> DnsResult:
    """Records of an answer; a malformed one is dropped, unless it is the only one."""
    records: list[DnsRecord] = []
    failure = DnsStatus.NOTFOUND
    for value in values:
        record = _record(rrtype, value)
        if rrtype == "MX" and record.value == "":
            return DnsResult(DnsStatus.NULLMX, rname=name)
        if rrtype in ("MX", "NS", "PTR", "CNAME") and not (
            is_address(record.value) or is_hostname(record.value, wildcard=True)
        ):
            failure = DnsStatus.INVAL
        else:
            records.append(record)
    if records:
        return DnsResult(DnsStatus.OK, tuple(records), name)
    return DnsResult(failure, rname=name)


def _record(rrtype: str, value: str) -> DnsRecord:
    if rrtype != "MX":
        return DnsRecord(rrtype, value.rstrip(".") if rrtype in ("NS", "PTR", "CNAME") else value)
    words = value.split()
    preference = int(words[0]) if len(words) > 1 and words[0].isdigit() else 0
    return DnsRecord(rrtype, words[-1].rstrip(".") if words else "", preference)


def zone(data: Mapping[str, object]) -> DnsData:
    """:return: the same data with plain lists, for data that came from YAML"""
    result: dict[str, Answers | str] = {}
    for name, answers in data.items():
        if isinstance(answers, Mapping):
            result[str(name)] = {str(kind): _listed(values) for kind, values in answers.items()}
        else:
            result[str(name)] = str(answers)
    return result


def _listed(values: object) -> Sequence[str]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        return [str(values)]
    return [str(value) for value in values]
