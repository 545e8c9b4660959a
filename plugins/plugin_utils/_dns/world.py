# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can be asked: resolvers, and the authoritative servers of a zone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from ansible_collections.postern.mail.plugins.plugin_utils._dns.ask import Reply
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import canonical_name
from ansible_collections.postern.mail.plugins.plugin_utils._dns.spf import Answer

_WORKERS = 12


class AskServer(Protocol):
    def __call__(self, address: str, name: str, kind: str, *, recursive: bool = True) -> Reply: ...


class Source(NamedTuple):
    """Somebody who answers.

    :param zone: what it is authoritative for; empty for a resolver
    """

    title: str
    address: str
    zone: str = ""

    @property
    def host(self) -> str:
        """The name that its addresses belong to."""
        return self.title.partition(" (")[0]


class World:
    """All answers of one moment: each question is asked once."""

    def __init__(self, resolvers: Sequence[str], ask: AskServer) -> None:
        self.resolvers = [Source(f"resolver {address}", address) for address in resolvers]
        self._ask = ask
        self._known: dict[tuple[str, str, str], Reply] = {}
        self._nameservers: dict[str, list[Source]] = {}
        self._lock = threading.Lock()
        self.homeless: dict[str, str] = {}  # name servers without an address, and their zone

    def ask(self, source: Source, name: str, kind: str) -> Reply:
        key = (source.address if not source.zone else f"@{source.address}", canonical_name(name), kind)
        if key not in self._known:
            self._known[key] = self._ask(source.address, key[1], kind, recursive=not source.zone)
        return self._known[key]

    def resolve(self, name: str, kind: str) -> Reply:
        """What the first resolver says that says anything."""
        reply = Reply("failed", detail="there is no resolver")
        for source in self.resolvers:
            reply = self.ask(source, name, kind)
            if reply.status != "failed":
                return reply
        return reply

    def answer(self, name: str, kind: str) -> Answer:
        """The same for those who only look at the values."""
        reply = self.resolve(name, kind)
        return Answer(reply.status, reply.values)

    def titles(self) -> list[str]:
        """Everybody who may have been asked."""
        everybody = [*self.resolvers, *(source for found in self._nameservers.values() for source in found)]
        return list(dict.fromkeys(source.title for source in everybody))

    def together(self, questions: Iterable[tuple[Source, str, str]]) -> None:
        """Ask many at once; the answers are known afterwards."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(lambda question: self.ask(*question), dict.fromkeys(questions)))

    def resolve_together(self, questions: Iterable[tuple[str, str]]) -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(lambda question: self.resolve(*question), dict.fromkeys(questions)))

    def zone(self, name: str) -> str:
        """The zone that a name is in, empty where nobody says."""
        labels = canonical_name(name).split(".")
        while labels:
            reply = self.resolve(".".join(labels), "SOA")
            if reply.status != "failed" and reply.zone and not reply.alias:
                return reply.zone
            labels = labels[1:]
        return ""

    def nameservers(self, zone: str) -> list[Source]:
        """Each address of each authoritative server."""
        with self._lock:
            if zone not in self._nameservers:
                self._nameservers[zone] = list(self._find(zone))
            return self._nameservers[zone]

    def _find(self, zone: str) -> Iterable[Source]:
        hosts = [canonical_name(host) for host in self.resolve(zone, "NS").values]
        self.resolve_together((host, kind) for host in hosts for kind in ("A", "AAAA"))
        for host in hosts:
            addresses = [*self.resolve(host, "A").values, *self.resolve(host, "AAAA").values]
            if not addresses:
                self.homeless[host] = zone
            for address in addresses:
                yield Source(f"{host} ({address})", address, zone)


def in_parallel(work: Callable[[str], str], items: Sequence[str]) -> dict[str, str]:
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(items, pool.map(work, items), strict=True))
