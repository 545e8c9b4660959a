# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns: a record, a set of records, and what makes a value legal."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "PTR", "SRV", "TLSA", "TXT")
# Below a minute every mail asks again; above a week a mistake cannot be taken back (RFC 2308 5 caps what caches keep).
TTL_RANGE = (60, 604800)
MAX_STRING = 255  # octets of one <character-string> (RFC 1035 3.3)

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


class DnsError(ValueError):
    """Inputs that no DNS could hold, or that contradict each other; one line for each mistake."""


@dataclass(frozen=True, order=True)
class Record:
    """One resource record.

    :param name: canonical: lower case, no dot at the end
    :param value: canonical text, as in a zone file with absolute names; the whole text where the type is TXT
    """

    name: str
    type: str
    value: str
    ttl: int

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "value": self.value, "ttl": self.ttl}


@dataclass(frozen=True)
class RecordSet:
    """All records of one name and type, which DNS keeps and replaces together (RFC 2181 5)."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl: int

    @property
    def title(self) -> str:
        return f"{self.name} {self.type}"


def canonical_name(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def name_problem(name: str) -> str:
    """Why a name cannot own a record, or an empty text. Service labels (``_dmarc``) and a leading ``*`` are legal."""
    text = canonical_name(name)
    if not text:
        return "the name is empty"
    if not text.isascii():
        return "the name is internationalised: write its ASCII form (xn--...)"
    if len(text) > 253:
        return f"the name has {len(text)} characters, and DNS allows 253"
    for position, label in enumerate(text.split(".")):
        if label == "*" and position == 0:
            continue
        if len(label) > 63:
            return f'its part "{label[:20]}..." has {len(label)} characters, and DNS allows 63'
        if not _LABEL.fullmatch(label):
            return f'its part "{label}" is not legal: letters, digits, _ and hyphens inside'
    return ""


def host_problem(name: str) -> str:
    """Why a name cannot be that of a host (RFC 1123 2.1), which a target of MX or SRV must be."""
    text = canonical_name(name)
    wrong = name_problem(text)
    if not wrong and ("_" in text or "*" in text):
        wrong = "no host may be called so: _ and * are not for hosts (RFC 1123 2.1)"
    if not wrong and "." not in text:
        wrong = "it has no dot: a full name is needed"
    return wrong


def ttl_problem(ttl: int) -> str:
    low, high = TTL_RANGE
    return "" if low <= ttl <= high else f"a TTL is {low} to {high} seconds"


def text_problem(text: str) -> str:
    """Why a text cannot be the value of a TXT record."""
    if not text:
        return "it is empty"
    if not text.isascii():
        strange = next((char for char in text if not char.isascii()), "")
        return f'"{strange}" is not ASCII, and mail software reads nothing else in these records'
    if not text.isprintable():
        return "it contains a line break or another control character"
    if len(text) > 4000:
        return f"it has {len(text)} characters: no answer could carry it"
    return ""


def canonical_value(kind: str, value: str) -> str:
    """The one form of a value.

    :raises DnsError: it is no value of that type
    """
    if kind == "TXT":
        if wrong := text_problem(value):
            raise DnsError(wrong)
        return value
    words = value.split()
    reader = _READERS.get(kind)
    if reader is None:
        raise DnsError(f"records of type {kind} are not made here; known: {', '.join(TYPES)}")
    return reader(words)


def _address(version: int, words: list[str]) -> str:
    try:
        address = ipaddress.ip_address(" ".join(words))
    except ValueError as error:
        raise DnsError(f"it is not an IPv{version} address") from error
    if address.version != version:
        raise DnsError(f"it is an IPv{address.version} address, and this type has IPv{version}")
    return str(address)


def _target(name: str) -> str:
    """A name inside a value: absolute, ``.`` for none."""
    if name == ".":
        return name
    if wrong := host_problem(name):
        raise DnsError(f"{name}: {wrong}")
    return f"{canonical_name(name)}."


def _numbers(words: list[str], names: str) -> list[str]:
    for word in words:
        if not re.fullmatch(r"\d{1,5}", word, re.ASCII) or int(word) > 65535:
            raise DnsError(f"{names} are numbers up to 65535, not {word}")
    return [str(int(word)) for word in words]


def _alias(words: list[str]) -> str:
    if len(words) != 1 or name_problem(words[0]):
        raise DnsError("it must be one full name")
    return f"{canonical_name(words[0])}."


def _mx(words: list[str]) -> str:
    if len(words) != 2:
        raise DnsError("it must be a preference and a host, such as: 10 mx1.example.org.")
    return " ".join([*_numbers(words[:1], "preferences"), _target(words[1])])


def _srv(words: list[str]) -> str:
    if len(words) != 4:
        raise DnsError("it must be priority, weight, port and host, such as: 0 1 993 mx1.example.org.")
    return " ".join([*_numbers(words[:3], "priority, weight and port"), _target(words[3])])


def _caa(words: list[str]) -> str:
    match = re.fullmatch(r'(\d{1,3}) ([a-z0-9]+) "?([^"]*)"?', " ".join(words), re.ASCII | re.IGNORECASE)
    if not match or int(match[1]) > 255:
        raise DnsError('it must be flags, a tag and a value, such as: 0 issue "ca.example"')
    return f'{int(match[1])} {match[2].lower()} "{match[3]}"'


def _tlsa(words: list[str]) -> str:
    digest = "".join(words[3:]).lower()
    if len(words) < 4 or not re.fullmatch(r"([0-9a-f]{2})+", digest):
        raise DnsError("it must be usage, selector, matching type and hexadecimal digits, such as: 3 1 1 5f3c...")
    return " ".join([*_numbers(words[:3], "usage, selector and matching type"), digest])


_READERS = {
    "A": lambda words: _address(4, words),
    "AAAA": lambda words: _address(6, words),
    "CAA": _caa,
    "CNAME": _alias,
    "MX": _mx,
    "PTR": _alias,
    "SRV": _srv,
    "TLSA": _tlsa,
}


def read_record(given: Mapping[str, Any], ttl: int) -> Record:
    """A record as people write it.

    :param ttl: where it has none of its own
    :raises DnsError: what is wrong with it
    """
    name, kind = str(given.get("name") or ""), str(given.get("type") or "").upper()
    if wrong := name_problem(name):
        raise DnsError(f"{name or 'a record without a name'}: {wrong}")
    try:
        value = canonical_value(kind, str(given.get("value") or ""))
        own = given.get("ttl")
        seconds = ttl if own in (None, "") else int(str(own))
    except DnsError as error:
        raise DnsError(f"{canonical_name(name)} {kind}: {error}") from error
    except ValueError as error:
        raise DnsError(f"{canonical_name(name)} {kind}: its ttl is not a number") from error
    if wrong := ttl_problem(seconds):
        raise DnsError(f"{canonical_name(name)} {kind}: {wrong}")
    return Record(canonical_name(name), kind, value, seconds)


# The options of the documentation fragment dns_records.
RECORD_ARGUMENTS: dict[str, dict[str, Any]] = {
    "records": {"type": "list", "elements": "dict", "required": True},
    "ttl": {"type": "int", "default": 3600},
}


def read_records(given: Iterable[Mapping[str, Any]], ttl: int) -> list[Record]:
    """:raises DnsError: all mistakes, one a line"""
    records, wrong = [], []
    for each in given:
        try:
            records.append(read_record(each, ttl))
        except DnsError as error:
            wrong.append(str(error))
    if wrong:
        raise DnsError("\n".join(wrong))
    return records


def record_sets(records: Iterable[Record]) -> list[RecordSet]:
    """Records by name and type in the order of their first; the lowest TTL holds for all (RFC 2181 5.2)."""
    sets: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        sets.setdefault((record.name, record.type), []).append(record)
    return [
        RecordSet(name, kind, tuple(dict.fromkeys(each.value for each in members)), min(each.ttl for each in members))
        for (name, kind), members in sets.items()
    ]


def zone_of(name: str, zones: Iterable[str]) -> str:
    """The longest of the zones that a name is in, or an empty text."""
    inside = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(inside, key=len, default="")
