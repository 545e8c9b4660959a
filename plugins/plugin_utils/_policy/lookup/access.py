# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tables: which keys are looked up, in which order (smtpd/smtpd_check.c:check_access and its relatives)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import interfaces
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.addrfind import Find, find_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import Dns, DnsResult, DnsStatus
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import (
    ascii_name,
    is_address,
    mail_address,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.matchlist import parent_domains
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import Resolved
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Maps, Tables, open_maps
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings

SERVER_ADDRESS_LIMIT = 100
"""dns_lookup's limit of addresses of mail servers that are looked at (var_dns_rr_list_limit, 3.10 and later)."""


@dataclass(frozen=True, slots=True)
class Found:
    """:param key: the key that was found

    :param value: the result, not empty
    :param table: the table as written
    """

    key: str
    value: str
    table: str


class Access:
    """Look-ups in access tables.

    All methods raise TableError where smtpd answers ``451 4.3.5 <name>: X rejected: Server configuration error``.

    A result hides all keys after it, whatever it says: DUNNO for a name means that its address is not looked up.
    """

    def __init__(self, settings: Settings, tables: Tables, dns: Dns) -> None:
        self._settings = settings
        self._tables = tables
        self._dns = dns

    def _maps(self, table: str) -> Maps:
        return open_maps(self._tables, table, value=table)

    @property
    def parents_match(self) -> bool:
        """smtpd_access_maps in parent_domain_matches_subdomains: parents without a leading dot."""
        return parent_domains(self._settings, self._tables, "smtpd_access_maps")

    def full(self, table: str, key: str) -> Found | None:
        """One key: SASL login, certificate fingerprint, the null sender's smtpd_null_access_lookup_key."""
        return _ask(self._maps(table), key, partial=False)

    def domain(self, table: str, name: str) -> Found | None:
        """A host or domain name and its parents: HELO, ETRN."""
        maps = self._maps(table)
        for number, key in enumerate(self.domain_keys(name)):
            found = _ask(maps, key, partial=number > 0)
            if found:
                return found
        return None

    def domain_keys(self, name: str) -> Iterator[str]:
        """Keys of a name in order; an address has no parents."""
        numeric = is_address(name)
        while name:
            yield name
            dot = name.find(".", 1)
            if numeric or dot < 0:
                return
            name = name[dot + 1 :] if self.parents_match else name[dot:]

    def address(self, table: str, addr: str) -> Found | None:
        """A network address and its parent networks."""
        maps = self._maps(table)
        for number, key in enumerate(address_keys(addr)):
            found = _ask(maps, key, partial=number > 0)
            if found:
                return found
        return None

    def client(self, table: str, name: str, addr: str) -> Found | None:
        """check_client_access: the name (or ``unknown``) and its parents first, then the address and its networks."""
        return self.domain(table, name) or self.address(table, addr)

    def mail(self, table: str, resolved: Resolved) -> Found | None:
        """check_sender_access and check_recipient_access of an address that is not empty.

        A failed resolution (451 4.3.0) and OK for a routed recipient (becomes DUNNO) are the caller's business.
        """
        if "@" not in resolved.recipient:
            return None
        parents = Find.PARENTS if self.parents_match else Find.DOTTED_PARENTS
        find = Find.FULL | Find.NO_EXTENSION | Find.DOMAIN | parents | Find.LOCALPART_AT
        hit = find_address(self._maps(table), resolved.recipient, self._settings, find=find)
        return Found(hit.key, hit.value, hit.table.reference) if hit else None

    def null_sender(self, table: str) -> Found | None:
        """check_sender_access of ``MAIL FROM:<>``."""
        return self.full(table, self._settings["smtpd_null_access_lookup_key"])

    def server(self, table: str, name: str, rrtype: str) -> Found | None:
        """check_*_mx_access, check_*_ns_access and check_*_a_access.

        :param name: host name, or address whose domain counts
        :param rrtype: ``MX``, ``NS`` or ``A``
        :return: None also when the DNS has no answer: that is DUNNO
        """
        domain = name.rpartition("@")[2]
        if domain.startswith("["):
            return self._literal(table, domain, rrtype)
        if not domain.isascii():
            domain = ascii_name(domain) or domain
        for server in self._servers(domain, rrtype):
            found = self._one_server(table, server, rrtype)
            if found:
                return found
        return None

    def _literal(self, table: str, domain: str, rrtype: str) -> Found | None:
        """An address literal is its own mail server; it has no name server."""
        if rrtype == "NS" or not domain.endswith("]"):
            return None
        address = mail_address(domain[1:-1])
        return self.address(table, address) if address else None

    def _servers(self, domain: str, rrtype: str) -> tuple[str, ...]:
        if rrtype == "A":
            return (domain,)
        result = self._dns.lookup(domain, rrtype)
        if result.status is DnsStatus.NOTFOUND:
            if rrtype == "MX":
                return (domain,)
            result = self._parent_servers(domain, result)
        return result.values if result.status is DnsStatus.OK else ()

    def _parent_servers(self, domain: str, result: DnsResult) -> DnsResult:
        """A name without name servers belongs to the zone of a parent, up to the top-level domain."""
        while result.status is DnsStatus.NOTFOUND:
            __, dot, parent = domain.partition(".")
            if not dot or not parent:
                break
            domain = parent
            result = self._dns.lookup(domain, "NS")
        return result

    def _one_server(self, table: str, server: str, rrtype: str) -> Found | None:
        if is_address(server):
            return self.address(table, server)
        found = self.domain(table, server) if rrtype != "A" else None
        if found:
            return found
        ipv4, ipv6 = interfaces.protocols(self._settings)
        for addr in self._dns.addresses(server, ipv4=ipv4, ipv6=ipv6)[:SERVER_ADDRESS_LIMIT]:
            found = self.address(table, addr)
            if found:
                return found
        return None


def address_keys(addr: str) -> Iterator[str]:
    """An address and its parent networks, cut at each dot or colon from the right."""
    delimiter = ":" if ":" in addr else "."
    while addr:
        yield addr
        addr = addr.rpartition(delimiter)[0]


def _ask(maps: Maps, key: str, *, partial: bool) -> Found | None:
    found = maps.found(key, partial=partial)
    return Found(key, found[0], found[1].reference) if found else None
