# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What is known of one client of a mail server, and which of it speaks for the client.

This runs on the host, with any Python from 3.7 on: no syntax newer than that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

TESTS = ("greet", "dnsbl", "pipelining", "non_smtp_command", "bare_newline", "denylist")
"""Tests of postscreen, as the variable postscreen_stage names them."""

SIGNS = ("delivered", "returned", "spf", "dmarc", "name")
"""What speaks for a client, in the order in which it is told."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOSTNAME = re.compile(rf"(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]")
# Names that providers give to whole ranges: such a name tells nothing about who is behind it.
_GENERIC = re.compile(
    r"(?:^|[^a-z])(?:dyn|dynamic|dhcp|[avsx]?dsl|pool|ppp|pppoe|dialup|dial|cable|broadband|cust|customer|client|clients"
    r"|user|users|home|res|residential|mobile|wireless|ip|ipv4|ipv6|unknown|unassigned|rev|nat|cpe|ftth|fiber|fibre)"
    r"(?:[^a-z]|$)"
)


class Client:
    """Everything told of one address. Small, for there may be many."""

    __slots__ = (
        "accepted",
        "allowed",
        "bits",
        "burst",
        "burst_at",
        "connects",
        "deferred",
        "deferred_at",
        "delivered",
        "dmarc",
        "failed",
        "fails",
        "first",
        "helo",
        "junk",
        "last",
        "last_fail",
        "lost",
        "name",
        "new",
        "old",
        "rank",
        "rejected",
        "returned",
        "screened",
        "sites",
        "spf",
        "spf_bad",
    )

    def __init__(self, at: int) -> None:
        self.first = self.last = at
        self.connects = self.failed = self.new = self.old = self.rank = 0
        self.accepted = self.delivered = self.junk = self.rejected = self.deferred = 0
        self.spf = self.spf_bad = self.dmarc = 0
        self.bits = 0  # tests that the session failed which began last
        self.last_fail = self.allowed = self.burst_at = 0
        self.deferred_at = self.screened = 0
        self.returned = False
        self.name = ""
        self.helo: tuple[str, ...] = ()
        self.fails: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.sites: frozenset[tuple[str, str]] = frozenset()
        self.burst: frozenset[tuple[str, str]] = frozenset()


def record(address: str, client: Client) -> dict[str, Any]:
    """A client as it is sent to the controller: nothing that is empty."""
    told = {
        "address": address,
        "name": client.name,
        "helo": list(client.helo),
        "first": client.first,
        "last": client.last,
        "connects": client.connects,
        "failed": client.failed,
        "fails": client.fails,
        "rank": client.rank,
        "sites": [list(site) for site in sorted(client.sites)],
        "delivered": client.delivered,
        "junk": client.junk,
        "lost": client.lost,
        "deferred": client.deferred,
        "returned": client.returned,
        "rejected": client.rejected,
        "spf": client.spf,
        "spf_bad": client.spf_bad,
        "dmarc": client.dmarc,
        "new": client.new,
        "old": client.old,
        "last_fail": client.last_fail,
        "allowed": client.allowed,
    }
    return {key: value for key, value in told.items() if value}


def signs(told: Mapping[str, Any]) -> list[str]:
    """What speaks for a client, of :data:`SIGNS`.

    :param told: of :func:`record`
    """
    found = {
        "delivered": told.get("delivered", 0) > 0,
        "returned": bool(told.get("returned")),
        "spf": told.get("spf", 0) > told.get("spf_bad", 0),
        "dmarc": told.get("dmarc", 0) > 0,
        "name": good_name(told.get("address", ""), told.get("name", ""), told.get("helo", ())),
    }
    return [sign for sign in SIGNS if found[sign]]


def good_name(address: str, name: str, helo: Sequence[str]) -> bool:
    """Whether the client has a name of its own that leads back to it, and greets with one of the same domain.

    :param name: what smtpd logs, which is confirmed forward; empty where there is none
    :param helo: what it greeted with; the log does not tell it of everybody
    """
    if not name or not is_hostname(name) or is_generic(name, address):
        return False
    return not helo or any(is_hostname(word) and domain_of(word) == domain_of(name) for word in helo)


def is_hostname(text: str) -> bool:
    """A host name with a domain: letters, digits, dashes and dots."""
    return len(text) <= 253 and _HOSTNAME.fullmatch(text.lower()) is not None


def is_generic(name: str, address: str) -> bool:
    """Whether the name is one of many made by a rule: it contains the address, or says what sort of line it is."""
    host = name.lower()[: -len(domain_of(name))]
    if _GENERIC.search(host):
        return True
    if ":" in address:
        parts = [part for part in address.lower().split(":") if len(part) > 2]
        return sum(part in host for part in parts) >= 2
    octets = address.split(".")
    if len(octets) != 4 or not all(octet.isdigit() and int(octet) < 256 for octet in octets):
        return False
    return "".join(f"{int(octet):02x}" for octet in octets) in host or _written(octets, host)


def _written(octets: Sequence[str], host: str) -> bool:
    """Whether the last two numbers of an address are in the name, or any three."""
    numbers = [number.lstrip("0") or "0" for number in re.findall(r"\d+", host)]
    found = []
    for octet in reversed(octets):
        found.append(octet in numbers)
        if found[-1]:
            numbers.remove(octet)
    return all(found[:2]) or sum(found) >= 3


def domain_of(name: str) -> str:
    """What was registered, roughly: the last two labels, or three where the second is one such as ``co``."""
    labels = name.lower().rstrip(".").split(".")
    deep = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3 if deep else -2 :])
