# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server that takes dynamic updates: what it has, and what would have to change there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ansible_collections.postern.mail.plugins.plugin_utils._dns import ask as dns_ask
from ansible_collections.postern.mail.plugins.plugin_utils._dns.ask import Key, Reply
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    DnsError,
    RecordSet,
    canonical_name,
    zone_of,
)
from ansible_collections.postern.mail.plugins.plugin_utils._dns.plan import Plan, Present, make_plan

_WORKERS = 8
_NOBODY = "_postern-asks-for-a-wildcard"
# Types that are looked for where a CNAME is to be.
_COMMON = ("A", "AAAA", "MX", "TXT", "SRV")

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Primary:
    """:param zones: those that may be updated; empty where the server is to say itself"""

    address: str
    port: int
    key: Key
    zones: tuple[str, ...]

    def ask(self, name: str, kind: str) -> Reply:
        return dns_ask.ask(self.address, name, kind, port=self.port, recursive=False, key=self.key)

    def replies(self, zones: Sequence[str]) -> dict[str, Reply]:
        """What it says of each zone."""
        return dict(zip(zones, _together(lambda zone: self.ask(zone, "SOA"), zones), strict=True))

    def plan(self, sets: Sequence[RecordSet]) -> Plan:
        """:raises DnsError: what stands in the way, one a line"""
        names = list(dict.fromkeys(each.name for each in sets))
        zones = dict(zip(names, _together(self._zone, names), strict=True))
        inside = [each for each in sets if zones[each.name]]
        if sets and not inside:
            raise DnsError(f"{self.address} has none of the zones of {', '.join(names)}")
        present = dict(zip(map(_key, inside), _together(self._present, inside), strict=True))
        plan = make_plan(sets, zones.__getitem__, lambda name, kind: present[name, kind])
        if plan.wrong:
            raise DnsError("\n".join(plan.wrong))
        return plan

    def _zone(self, name: str) -> str:
        """The zone of a name that may be updated here, empty where there is none."""
        if self.zones:
            return zone_of(name, self.zones)
        reply = self.ask(name, "SOA")
        if reply.status == "failed" and reply.detail.startswith("it answers"):
            return ""  # REFUSED, NOTAUTH: the zone of somebody else
        self._must(reply, f"{name} SOA")
        if reply.alias and "." in name:  # what it says of the zone is about where the alias leads
            return self._zone(name.partition(".")[2])
        return reply.zone if reply.authoritative else ""

    def _present(self, wanted: RecordSet) -> Present:
        reply = self.ask(wanted.name, wanted.type)
        self._must(reply, wanted.title)
        if not reply.authoritative:
            raise DnsError(
                f"{wanted.title}: {self.address} is not authoritative for it; updates go to the primary server"
            )
        others: list[str] = []
        if wanted.type == "CNAME" and reply.status == "empty":
            others = [kind for kind in _COMMON if self.ask(wanted.name, kind).status == "found"]
        alias = reply.alias if wanted.type != "CNAME" else ""
        values = () if alias else reply.values
        if wanted.type == "TXT" and not set(values) <= set(wanted.values):
            values = tuple(value for value in values if value not in self._wildcard(wanted.name))
        return Present(values, reply.ttl, alias, tuple(others))

    def _wildcard(self, name: str) -> tuple[str, ...]:
        """Texts that every name beside this one has, from a wildcard: nobody put them here (RFC 4592)."""
        sibling = f"{_NOBODY}.{name.partition('.')[2]}"
        return self.ask(sibling, "TXT").values if self._zone(sibling) == self._zone(name) else ()

    def _must(self, reply: Reply, title: str) -> None:
        if reply.status == "failed":
            raise DnsError(f"{title}: asked {self.address}: {reply.detail}")


def _key(each: RecordSet) -> tuple[str, str]:
    return each.name, each.type


def _together(work: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(work, items))


def find(server: str, port: int, key: Key, zones: Iterable[str], name: str) -> Primary:
    """The first of the server's addresses that answers, and for all zones.

    :param name: any name to ask about where no zones are given
    :raises DnsError: dnspython is missing; nobody answers, or not for one of the zones
    """
    dns_ask.require_dnspython()
    known = tuple(dict.fromkeys(canonical_name(zone) for zone in zones))
    addresses = dns_ask.addresses_of(server)
    found = [Primary(address, port, key, known) for address in addresses]
    wrong: list[str] = []
    for primary in found if not known else []:
        reply = primary.ask(name, "SOA")
        if reply.status != "failed" or reply.detail.startswith("it answers"):
            return primary
        wrong.append(f"{primary.address}: {reply.detail}")
    for primary in found if known else []:
        replies = primary.replies(known)
        wrong = [
            f"{zone}: {primary.address} {reply.detail or 'is not authoritative for it'}"
            for zone, reply in replies.items()
            if reply.status != "found" or not reply.authoritative or reply.zone != zone
        ]
        if not wrong:
            return primary
    raise DnsError("\n".join(wrong))
