# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the machine's own resolver."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import itertools
import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import canonical_domain, domain_problem
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown
from ansible_collections.postern.mail.plugins.plugin_utils._rules_identity import size_mistakes

_FORWARDERS = "unbound_forwarders"
_INSECURE = "unbound_insecure_domains"
_ANCHORS = "unbound_trust_anchors"
# Hexadecimal digits of a digest by its number (RFC 4509, RFC 6605). SHA-1 (1) proves nothing any more (RFC 8624 3.3).
_DIGESTS = {"2": 64, "4": 96}
_SEP = 1  # flag of a key that others may anchor trust in (RFC 4034 2.1.1)
_SMALLEST_CACHE = 1024**2


def forwarders(inventory: Inventory) -> Iterator[Mistake]:
    for index, text in inventory.texts(_FORWARDERS):
        host, __, port = text.partition("@")
        at = f"[{index}]"
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            fix = "Write the address of a resolver, such as 192.0.2.53 or 192.0.2.53@5353"
            yield Mistake("forwarder", _FORWARDERS, "it is not an IP address", fix, at, shown(text))
            continue
        if "@" in text and not (port.isdigit() and 0 < int(port) < 65536):
            fix = f"Write: {host}@53"
            yield Mistake("forwarder", _FORWARDERS, f'"{port}" is not a port', fix, at, shown(text))
        elif address.is_loopback and port in ("", "53"):
            reason = "that is unbound itself: questions would go round in a circle"
            yield Mistake("forwarder", _FORWARDERS, reason, "Remove it, or name its port", at, shown(text))


def insecure_domains(inventory: Inventory) -> Iterator[Mistake]:
    for index, name in inventory.texts(_INSECURE):
        if name == ".":
            fix = "Write instead: unbound_validate: false"
            yield Mistake("insecure-domain", _INSECURE, "that is every domain", fix, f"[{index}]", '"."')
        elif problem := domain_problem(name if "." in name else f"x.{name}"):  # a whole top-level domain may be meant
            yield Mistake("insecure-domain", _INSECURE, problem.reason, problem.fix, f"[{index}]", shown(name))


def probe_zone(inventory: Inventory) -> Iterator[Mistake]:
    name = inventory.text("unbound_probe_zone")
    if name not in ("", ".") and (problem := domain_problem(name if "." in name else f"x.{name}")):
        yield Mistake("forwarder", "unbound_probe_zone", problem.reason, "Write: .", value=shown(name))


def cache_size(inventory: Inventory) -> Iterator[Mistake]:
    variable = "unbound_cache_size"
    yield from size_mistakes(inventory.values.get(variable), variable, "", _SMALLEST_CACHE)


def trust_anchors(inventory: Inventory) -> Iterator[Mistake]:
    insecure = {canonical_domain(name) for __, name in inventory.texts(_INSECURE)}
    for index, text in inventory.texts(_ANCHORS):
        at = f"[{index}]"
        fix = "Write a record as dig shows it: inside.example.com. IN DS 12345 13 2 49FD46E6..."
        if reason := anchor_problem(text):
            yield Mistake("trust-anchor", _ANCHORS, reason, fix, at, shown(text))
        elif canonical_domain(text.split(maxsplit=1)[0]) in insecure:
            reason = "its zone is also in unbound_insecure_domains, and nothing of it would be proved"
            yield Mistake("trust-anchor", _ANCHORS, reason, "Take it out of one of the two", at, shown(text))
    if inventory.texts(_ANCHORS) and inventory.values.get("unbound_validate") is False:
        reason = "unbound_validate is false: nothing is proved by any key"
        yield Mistake("trust-anchor", _ANCHORS, reason, "Take out unbound_validate: false, or the keys")


def anchor_problem(text: str) -> str:
    """Why a text is no DS or DNSKEY record that a resolver could start from, or an empty text."""
    words = text.split()
    if not text.isascii() or not text.isprintable() or '"' in text or ";" in text:
        return "it may contain neither quotes nor comments, nor anything but ASCII"
    name = words[0] if words else ""
    zone = canonical_domain(name)
    if name != "." and domain_problem(zone if "." in zone else f"x.{zone}"):  # a whole top-level domain may be meant
        return "it must begin with the name of a zone"
    rest = list(itertools.dropwhile(lambda word: word.isdecimal() or word.upper() == "IN", words[1:]))
    kind, data = "".join(rest[:1]).upper(), rest[1:]
    if kind not in ("DS", "DNSKEY"):
        return "it is neither a DS nor a DNSKEY record"
    if len(data) < 4 or not all(re.fullmatch(r"\d{1,5}", word, re.ASCII) for word in data[:3]):
        return f"a {kind} record has three numbers and a {'digest' if kind == 'DS' else 'key'}"
    return _digest_problem(data[2], "".join(data[3:])) if kind == "DS" else _key_problem(data[0], "".join(data[3:]))


def _digest_problem(kind: str, digest: str) -> str:
    if kind not in _DIGESTS:
        return f"digests of type {kind} are not accepted; 2 (SHA-256) and 4 (SHA-384) are"
    good = re.fullmatch(rf"[0-9A-Fa-f]{{{_DIGESTS[kind]}}}", digest, re.ASCII)
    return (
        "" if good else f"a digest of type {kind} has {_DIGESTS[kind]} hexadecimal digits, and this has {len(digest)}"
    )


def _key_problem(flags: str, key: str) -> str:
    if not int(flags) & _SEP:
        return f"its flags are {flags}: it signs the zone, and changes often; a key to start from has 257"
    try:
        return "" if base64.b64decode(key, validate=True) else "it has no key"
    except (binascii.Error, ValueError):
        return "its key is no Base64 text"


RULES = (forwarders, insecure_domains, probe_zone, cache_size, trust_anchors)
