# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records as text: zone file fragments, JSON, and what octoDNS reads."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    MAX_STRING,
    Record,
    RecordSet,
    record_sets,
    zone_of,
)

# Headings of a zone file, in its order: the first that fits.
_HEADINGS = (
    ("The servers", lambda each: False),  # known from the records of their domains
    ("Which servers receive", lambda each: each.type == "MX"),
    ("Which servers send", lambda each: each.type == "TXT" and each.values[0].startswith("v=spf1")),
    ("Keys of signatures", lambda each: "._domainkey." in each.name),
    ("What receivers do with forgeries", lambda each: each.name.startswith("_dmarc.")),
    ("Whose reports may come here", lambda each: "._report._dmarc." in each.name),
    ("TLS between servers", lambda each: each.name.startswith(("_smtp._tls.", "_mta-sts.", "mta-sts."))),
    ("Where mail programs find the server", lambda each: each.type == "SRV" or each.name.startswith("auto")),
    ("Who may issue certificates", lambda each: each.type == "CAA"),
    ("Further records", lambda each: True),
)


def strings(text: str) -> list[str]:
    """A TXT value in strings of 255 octets at most; receivers join them without a space (RFC 6376 3.6.2.2)."""
    octets = text.encode()
    parts = [octets[start : start + MAX_STRING] for start in range(0, len(octets), MAX_STRING)] or [b""]
    return [part.decode("latin-1") for part in parts]


def quoted(text: str) -> str:
    """One string of a zone file (RFC 1035 5.1): quotes and backslashes escaped, the unprintable as ``\\DDD``."""
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return '"' + re.sub(r"[^ -~]", lambda match: f"\\{ord(match[0]):03d}", escaped) + '"'


def presented(kind: str, value: str) -> str:
    """A value as in a zone file, on one line."""
    return " ".join(map(quoted, strings(value))) if kind == "TXT" else value


def by_zone(records: Iterable[Record], zones: Sequence[str]) -> dict[str, list[Record]]:
    """Records by the zone they are in; by the domain they belong to where no zone is known."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(zone_of(record.name, zones) or _domain(record), []).append(record)
    return found


def _domain(record: Record) -> str:
    """What a name is about: ``_dmarc.example.org`` -> ``example.org``; of a host it is the name above."""
    labels = record.name.split(".")
    service = max((place for place, label in enumerate(labels) if label.startswith("_") or label == "*"), default=-1)
    if service >= 0:
        return ".".join(labels[service + 1 :])
    above_host = record.type in ("A", "AAAA", "CNAME", "PTR", "CAA", "TXT") and len(labels) > 2
    return ".".join(labels[1:]) if above_host else record.name


def mail_hosts(records: Iterable[Record]) -> set[str]:
    """Names of the servers among the owners of addresses: MX records lead to them, or SPF names them."""
    hosts = {record.value.split()[1].removesuffix(".") for record in records if record.type == "MX"}
    return hosts | {record.name for record in records if record.type == "TXT" and record.value.startswith("v=spf1 a ")}


def zone_text(records: Iterable[Record], zone: str, hosts: Collection[str] = ()) -> str:
    """A fragment of a zone file with absolute names: it may be included or pasted anywhere in it.

    :param hosts: servers, whose reverse names are told
    """
    groups: dict[str, list[RecordSet]] = {heading: [] for heading, _fits in _HEADINGS}
    for each in record_sets(records):
        is_server = each.type in ("A", "AAAA") and each.name in hosts
        first = _HEADINGS[0][0] if is_server else ""
        groups[first or next((heading for heading, fits in _HEADINGS if fits(each)), "")].append(each)
    lines = [f"; Mail records of {zone}. Add them to the zone; what else is there stays."]
    for heading, members in groups.items():
        if members:
            lines += ["", f"; {heading}."]
            lines += [line for each in members for value in each.values for line in _lines(each, value)]
            lines += _told(members) if heading == _HEADINGS[0][0] else []
    return "\n".join(lines) + "\n"


def _told(sets: Iterable[RecordSet]) -> list[str]:
    """Records of a zone that whoever gave the address keeps."""
    pointers = [(ipaddress.ip_address(address).reverse_pointer, each.name) for each in sets for address in each.values]
    head = ["; Not in this zone: whoever gave you the addresses must say"] if pointers else []
    return head + [f";   {pointer}. IN PTR {name}." for pointer, name in pointers]


def _lines(each: RecordSet, value: str) -> list[str]:
    head = f"{each.name}. {each.ttl} IN {each.type}"
    parts = [quoted(part) for part in strings(value)] if each.type == "TXT" else [value]
    if len(parts) == 1:
        return [f"{head} {parts[0]}"]
    return [f"{head} (", *(f"    {part}" for part in parts), "    )"]


def json_text(records: Iterable[Record]) -> str:
    return json.dumps([record.as_dict() for record in records], indent=2) + "\n"


def octodns_text(records: Iterable[Record], zone: str) -> str:
    """A zone of octoDNS's YamlProvider, keys in the natural order that it enforces."""
    names: dict[str, list[dict[str, Any]]] = {}
    for each in record_sets(records):
        name = each.name.removesuffix(zone).removesuffix(".")
        names.setdefault(name, []).append(_octodns(each))
    parts = [f"'{name}':\n{_indented(_one_or_all(names[name]))}" for name in sorted(names, key=_natural)]
    return "\n".join(["# For octoDNS's YamlProvider, with escaped_semicolons: true", "---", *parts]) + "\n"


def _indented(entry: Any) -> str:
    lines = yaml.safe_dump(entry, sort_keys=False, width=10_000).splitlines()
    return "\n".join(f"  {line}" for line in lines)


def _one_or_all(entries: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
    return entries[0] if len(entries) == 1 else sorted(entries, key=lambda entry: str(entry["type"]))


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _octodns(each: RecordSet) -> dict[str, Any]:
    values = [_octodns_value(each.type, value) for value in each.values]
    if each.type in ("CNAME", "PTR"):
        return {"ttl": each.ttl, "type": each.type, "value": values[0]}
    return {"ttl": each.ttl, "type": each.type, "values": values}


def _octodns_value(kind: str, value: str) -> Any:
    words = value.split(" ")
    if kind == "TXT":
        return value.replace(";", r"\;")
    if kind == "MX":
        return {"exchange": words[1], "preference": int(words[0])}
    if kind == "SRV":
        return {"port": int(words[2]), "priority": int(words[0]), "target": words[3], "weight": int(words[1])}
    if kind == "CAA":
        return {"flags": int(words[0]), "tag": words[1], "value": " ".join(words[2:]).strip('"')}
    if kind == "TLSA":
        keys = ("certificate_usage", "selector", "matching_type")
        numbers = {key: int(word) for key, word in zip(keys, words[:3], strict=True)}
        return dict(sorted({**numbers, "certificate_association_data": words[3]}.items()))
    return value
