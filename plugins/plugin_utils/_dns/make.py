# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every record that the servers of an inventory need.

There is no ADSP record (``_adsp._domainkey``): RFC 5617 is historic since 2013, and DMARC says more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ansible_collections.postern.mail.plugins.plugin_utils._dns import spf
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import DnsError, Record, canonical_value
from ansible_collections.postern.mail.plugins.plugin_utils._dns.servers import Server, read_server, report_host

_T = TypeVar("_T")


def make_records(servers: Sequence[Mapping[str, Any]]) -> list[Record]:
    """:raises DnsError: every mistake and contradiction, one a line"""
    wrong: list[str] = []
    known: list[Server] = []
    for data in servers:
        try:
            known.append(read_server(data))
        except DnsError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise DnsError("\n".join(wrong))
    maker = _Maker(known)
    records = maker.all()
    wrong = [*maker.wrong, *_contradictions(records)]
    wrong += _expensive(records)
    if wrong:
        raise DnsError("\n".join(dict.fromkeys(wrong)))
    return records


class _Maker:
    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers
        self.wrong: list[str] = []
        self.domains = list(dict.fromkeys(name for server in servers for name in server.domains))
        parked = dict.fromkeys(name for server in servers for name in server.parked_domains)
        self.parked = [name for name in parked if name not in self.domains]
        for name in parked:
            if name in self.domains:
                self.wrong.append(f"{name}: parked on one server and in use on another")

    def all(self) -> list[Record]:
        records = [record for server in self.servers for record in self._host(server)]
        for domain in self.domains:
            records += self._domain(domain, [server for server in self.servers if domain in server.domains])
        for domain in self.parked:
            ttl = min(server.ttl for server in self.servers if domain in server.parked_domains)
            records += _parked(domain, ttl)
        records += self._report_permissions()
        records += [record for server in self.servers for record in server.records]
        return list(dict.fromkeys(records))

    def _host(self, server: Server) -> Iterator[Record]:
        name, ttl = server.hostname, server.ttl
        for address in server.addresses:
            yield Record(name, "AAAA" if ":" in address else "A", address, ttl)
        if name not in self.domains:
            # For the HELO name, and the null sender of bounces (RFC 7208 2.3, 2.4).
            yield Record(name, "TXT", "v=spf1 a -all", ttl)
        yield from _caa(server)

    def _domain(self, domain: str, servers: Sequence[Server]) -> Iterator[Record]:
        ttl = min(server.ttl for server in servers)
        for server in servers:
            yield _record(domain, "MX", f"{server.mx_priority} {server.hostname}.", ttl)
        yield Record(domain, "TXT", self._spf(domain, servers), ttl)
        dmarc = self._one(domain, "DMARC", servers, lambda server: server.dmarc)
        yield Record(f"_dmarc.{domain}", "TXT", dmarc.text(), ttl)
        reports = self._one(domain, "TLSRPT", servers, lambda server: server.tlsrpt_rua)
        if reports:
            yield Record(f"_smtp._tls.{domain}", "TXT", f"v=TLSRPTv1; rua={','.join(reports)}", ttl)
        yield from self._web(domain, servers, ttl)
        yield from _srv(domain, servers, ttl)

    def _spf(self, domain: str, servers: Sequence[Server]) -> str:
        kind = self._one(domain, "dns_spf_servers", servers, lambda server: server.spf_servers)
        end = self._one(domain, "dns_spf_all", servers, lambda server: server.spf_all)
        addresses = [address for server in servers for address in server.addresses]
        own = ["mx"] if kind == "mx" else [f"ip{6 if ':' in each else 4}:{each}" for each in addresses]
        extra = [mechanism for server in servers for mechanism in server.spf_extra]
        return " ".join(["v=spf1", *dict.fromkeys([*own, *extra]), end])

    def _web(self, domain: str, servers: Sequence[Server], ttl: int) -> Iterator[Record]:
        host = self._one(domain, "dns_web_host", servers[:1], lambda server: server.web_host)
        policy = self._one(domain, "dns_mta_sts_id", servers, lambda server: server.mta_sts_id)
        if policy:
            yield Record(f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={policy};", ttl)
            yield Record(f"mta-sts.{domain}", "CNAME", f"{host}.", ttl)
        if self._one(domain, "dns_autoconfig", servers, lambda server: server.autoconfig):
            yield Record(f"autoconfig.{domain}", "CNAME", f"{host}.", ttl)
            yield Record(f"autodiscover.{domain}", "CNAME", f"{host}.", ttl)
            yield Record(f"_autodiscover._tcp.{domain}", "SRV", f"0 1 443 {host}.", ttl)

    def _report_permissions(self) -> Iterator[Record]:
        """One of our domains allows that reports about another are sent to it (RFC 9990 4)."""
        for server in self.servers:
            for domain in server.domains:
                for uri in (*server.dmarc.rua, *server.dmarc.ruf):
                    host = report_host(uri)
                    if host in self.domains and not related(domain, host):
                        yield Record(f"{domain}._report._dmarc.{host}", "TXT", "v=DMARC1", server.ttl)

    def _one(self, domain: str, what: str, servers: Sequence[Server], value: Callable[[Server], _T]) -> _T:
        """What all servers of a domain must agree on."""
        first = value(servers[0])
        for server in servers[1:]:
            if value(server) != first:
                self.wrong.append(
                    f"{domain}: {what} is one thing on {servers[0].hostname} and another on {server.hostname}; "
                    "servers that share a domain need the same"
                )
        return first


def related(one: str, other: str) -> bool:
    """Whether two names surely belong to one organization: one is the other, or below it."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _record(name: str, kind: str, value: str, ttl: int) -> Record:
    return Record(name, kind, canonical_value(kind, value), ttl)


def _caa(server: Server) -> Iterator[Record]:
    for issuer in server.caa_issuers:
        yield _record(server.hostname, "CAA", f'0 issue "{issuer}"', server.ttl)
    if server.caa_iodef:
        yield _record(server.hostname, "CAA", f'0 iodef "{server.caa_iodef}"', server.ttl)


def _srv(domain: str, servers: Sequence[Server], ttl: int) -> Iterator[Record]:
    """Where a service is; the target ``.`` keeps mail programs from trying (RFC 2782, RFC 6186 3.4)."""
    for service in dict.fromkeys(name for server in servers for name in server.services):
        offers = [server for server in servers if server.services.get(service)]
        for server in offers:
            value = f"{server.service_priority} 1 {server.services[service]} {server.hostname}."
            yield Record(f"_{service}._tcp.{domain}", "SRV", value, ttl)
        if not offers:
            yield Record(f"_{service}._tcp.{domain}", "SRV", "0 0 0 .", ttl)


def _parked(domain: str, ttl: int) -> Iterator[Record]:
    yield Record(domain, "MX", "0 .", ttl)  # RFC 7505
    yield Record(domain, "TXT", "v=spf1 -all", ttl)
    yield Record(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject", ttl)
    yield Record(f"*._domainkey.{domain}", "TXT", "v=DKIM1; p=", ttl)  # every key is revoked (RFC 6376 3.6.1)


def _contradictions(records: Iterable[Record]) -> Iterator[str]:
    sets: dict[tuple[str, str], set[str]] = {}
    for record in records:
        sets.setdefault((record.name, record.type), set()).add(record.value)
    for (name, kind), values in sets.items():
        if kind == "CNAME" and (len(values) > 1 or any(other == name and each != kind for other, each in sets)):
            yield f"{name}: a CNAME stands alone, and there are other records (RFC 2181 10.1)"
        if kind == "TXT" and "._domainkey." in name and len(values) > 1:
            yield f"{name}: two keys for one selector; give each server a selector of its own (RFC 6376 3.6.2.2)"
        if kind == "TXT":
            for tag in ("v=spf1", "v=dmarc1"):
                if sum(value.lower().startswith(tag) for value in values) > 1:
                    yield f"{name}: two records that begin with {tag}, where receivers accept one"
        if kind == "MX" and "0 ." in values and len(values) > 1:
            yield f"{name}: a null MX stands alone (RFC 7505 3)"


def _expensive(records: Iterable[Record]) -> Iterator[str]:
    """SPF records that are known to cost too much without asking anybody."""
    texts: dict[str, list[str]] = {}
    for record in records:
        if record.type == "TXT":
            texts.setdefault(record.name, []).append(record.value)

    def ask(name: str, kind: str) -> spf.Answer:
        return spf.Answer("found", tuple(texts[name])) if kind == "TXT" and name in texts else spf.Answer("unknown")

    for name, values in texts.items():
        for text in filter(spf.is_spf, values):
            cost = spf.cost(name, text, ask)
            yield from (f"{name}: SPF: {each}" for each in cost.wrong)
            if cost.lookups > spf.MAX_LOOKUPS:
                limit = f"receivers stop at {spf.MAX_LOOKUPS} (RFC 7208 4.6.4)"
                yield f"{name}: SPF costs {cost.lookups} lookups, and {limit}"
