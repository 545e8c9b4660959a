# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What receivers look at beyond single records: reverse names, hosts of MX, the cost of SPF, reports."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from ansible_collections.postern.mail.plugins.plugin_utils._dns import spf
from ansible_collections.postern.mail.plugins.plugin_utils._dns.findings import Finding
from ansible_collections.postern.mail.plugins.plugin_utils._dns.make import related
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import RecordSet, canonical_name
from ansible_collections.postern.mail.plugins.plugin_utils._dns.plan import kind
from ansible_collections.postern.mail.plugins.plugin_utils._dns.servers import Server, report_host
from ansible_collections.postern.mail.plugins.plugin_utils._dns.world import World

_KEYS = "Run site.yml with opendkim in mail_features: it makes the keys"
_ASK_PROVIDER = "Ask whoever gave you the address to set it to"


def survey(
    world: World, servers: Sequence[Server], sets: Sequence[RecordSet], *, nameservers: bool = True
) -> list[Finding]:
    """:param nameservers: whether authoritative servers may be asked"""
    domains = list(dict.fromkeys(domain for server in servers for domain in server.domains))
    parked = list(dict.fromkeys(domain for server in servers for domain in server.parked_domains))
    _ask_ahead(world, servers, [*domains, *parked])
    found = [finding for server in servers for finding in _server(world, server)]
    for domain in domains:
        ours = [server for server in servers if domain in server.domains]
        found += [*_mx(world, domain), *_spf(world, domain, ours), *_dmarc(world, domain)]
        found += _zone(world, domain) if nameservers else []
        if not any(each.name.endswith(f"._domainkey.{domain}") for each in sets):
            reason = "none of these records is a DKIM key of the domain: its mail is not signed"
            found.append(Finding("warning", "no-dkim", domain, reason, _KEYS))
    found += _dane(world, servers, sets)
    return list(dict.fromkeys(found))


def _ask_ahead(world: World, servers: Sequence[Server], domains: Sequence[str]) -> None:
    """What will surely be asked, all at once."""
    questions = [(domain, kind) for domain in domains for kind in ("MX", "TXT", "NS", "SOA")]
    questions += [(f"_dmarc.{domain}", "TXT") for domain in domains]
    questions += [(_pointer(address), "PTR") for server in servers for address in server.addresses]
    world.resolve_together(questions)


def _pointer(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


def _server(world: World, server: Server) -> Iterator[Finding]:
    for address in server.addresses:
        yield from _reverse(world, server.hostname, address)
        if not ipaddress.ip_address(address).is_global:
            reason = f"{server.hostname} is at a private address: only your own network reaches it"
            yield Finding(
                "warning", "private-address", address, reason, "Set dns_addresses to what the world sees (NAT)"
            )
    if not any(":" in address for address in server.addresses):
        yield Finding(
            "warning", "no-ipv6", server.hostname, "it has no IPv6 address, and some networks have nothing else"
        )
    if not any("." in address for address in server.addresses):
        yield Finding("error", "no-ipv4", server.hostname, "it has no IPv4 address: most of the world cannot reach it")


def _reverse(world: World, hostname: str, address: str) -> Iterator[Finding]:
    """HELO = PTR = address record: what large providers ask of a sender."""
    reply = world.resolve(_pointer(address), "PTR")
    fix = f"{_ASK_PROVIDER} {hostname}"
    if reply.status == "failed":
        yield Finding("warning", "ptr-unknown", address, f"its reverse name cannot be looked up: {reply.detail}")
        return
    names = [canonical_name(value) for value in reply.values]
    if not names:
        yield Finding("error", "no-ptr", address, "it has no reverse name (PTR), and many servers refuse its mail", fix)
        return
    if hostname not in names:
        reason = f"its reverse name is {', '.join(names)}, and the server calls itself {hostname}"
        yield Finding("error", "ptr-other-name", address, reason, fix)
    elif len(names) > 1:
        yield Finding(
            "warning", "several-ptr", address, f"it has {len(names)} reverse names, and receivers look at one", fix
        )
    kind = "AAAA" if ":" in address else "A"
    for name in names:
        there = world.resolve(name, kind)
        if there.status != "failed" and address not in there.values:
            reason = f"its reverse name {name} does not lead back to it"
            yield Finding("error", "ptr-unconfirmed", address, reason, f"Make {name} {kind} {address}")


def _mx(world: World, domain: str) -> Iterator[Finding]:
    reply = world.resolve(domain, "MX")
    for host in sorted({canonical_name(value.partition(" ")[2]) for value in reply.values} - {""}):
        title = f"{domain} MX {host}"
        replies = [world.resolve(host, kind) for kind in ("A", "AAAA")]
        if any(each.alias for each in replies):
            reason = f"it is an alias of {replies[0].alias or replies[1].alias}, which an MX may not be (RFC 2181 10.3)"
            yield Finding("error", "mx-alias", title, reason, "Name the host itself")
        addresses = [address for each in replies for address in each.values]
        if not addresses and all(each.status != "failed" for each in replies):
            yield Finding(
                "error", "mx-without-address", title, "it has no address, and mail for the domain waits there in vain"
            )
        for address in addresses:
            parsed = ipaddress.ip_address(address)
            if parsed.is_loopback or parsed.is_unspecified or parsed.is_link_local:
                yield Finding("error", "mx-nowhere", title, f"its address {address} is that of everybody's own machine")


def _spf(world: World, domain: str, servers: Sequence[Server]) -> Iterator[Finding]:
    texts = [text for text in world.resolve(domain, "TXT").values if spf.is_spf(text)]
    if len(texts) != 1:
        return  # told where records are compared
    title, cost = f"{domain} SPF", spf.cost(domain, texts[0], world.answer)
    path = tuple(f"{place:>2} {line}" for place, line in enumerate(cost.path, start=1))
    for wrong in cost.wrong:
        yield Finding("error", "spf-permerror", title, f"receivers answer permerror: {wrong}", "Correct or remove it")
    if cost.lookups > spf.MAX_LOOKUPS:
        steps = "; ".join(path)
        reason = f"it costs {cost.lookups} lookups, and receivers answer permerror above {spf.MAX_LOOKUPS}: {steps}"
        yield Finding(
            "error", "spf-lookups", title, reason, "Remove an include, or write ip4: and ip6: instead of names"
        )
    if len(cost.void) > spf.MAX_VOID_LOOKUPS:
        names = ", ".join(cost.void)
        reason = f"{len(cost.void)} of its names lead nowhere, and receivers allow {spf.MAX_VOID_LOOKUPS}: {names}"
        yield Finding("error", "spf-void-lookups", title, reason, "Remove them")
    elif cost.void:
        yield Finding("warning", "spf-void-lookup", title, f"{', '.join(cost.void)} leads nowhere", "Remove it")
    for name in cost.failed:
        yield Finding(
            "warning", "spf-unknown", title, f"{name} cannot be looked up now, and receivers would defer mail"
        )
    if len(texts[0]) > spf.LONG:
        reason = f"it has {len(texts[0])} characters, and above {spf.LONG} some receivers need TCP (RFC 7208 3.4)"
        yield Finding("warning", "spf-long", title, reason)
    for server in servers:
        for address in server.addresses:
            if spf.allows(address, domain, texts[0], world.answer) is False:
                reason = f"it does not allow {address}, from where {server.hostname} sends"
                yield Finding(
                    "error", "spf-refuses-us", title, reason, "Publish the record that is made for the domain"
                )


def _dmarc(world: World, domain: str) -> Iterator[Finding]:
    texts = [text for text in world.resolve(f"_dmarc.{domain}", "TXT").values if kind(text) == "dmarc1"]
    if len(texts) != 1:
        return  # told where records are compared
    tags = _tags(texts[0])
    title = f"_dmarc.{domain}"
    for tag in ("pct", "rf", "ri"):
        if tag in tags:
            yield Finding("warning", "dmarc-old-tag", title, f"{tag}= no longer exists (RFC 9989)", "Remove it")
    uris = [uri.strip() for tag in ("rua", "ruf") for uri in tags.get(tag, "").split(",") if uri.strip()]
    for host in dict.fromkeys(report_host(uri.partition("!")[0]) for uri in uris):
        if host and not related(domain, host) and _organization(world, domain) != _organization(world, host):
            yield from _permission(world, domain, host)


def _organization(world: World, name: str) -> str:
    """The organizational domain, by the tree walk of RFC 9989 4.10.

    :returns: the name itself where no policy says otherwise
    """
    labels = name.split(".")
    organization = name
    for length in range(min(len(labels), 8), 0, -1):
        above = ".".join(labels[-length:])
        texts = [text for text in world.resolve(f"_dmarc.{above}", "TXT").values if kind(text) == "dmarc1"]
        tags = _tags(texts[0]) if len(texts) == 1 else {}
        if tags.get("psd") == "y":
            return ".".join(labels[-length - 1 :])
        if tags:
            organization = above
        if tags.get("psd") == "n":
            break
    return organization


def _tags(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(";")]
    return {name.strip().lower(): value.strip() for name, _equals, value in parts if name.strip()}


def _permission(world: World, domain: str, host: str) -> Iterator[Finding]:
    """Whether a foreign domain wants reports about this one (RFC 9990 4)."""
    name = f"{domain}._report._dmarc.{host}"
    reply = world.resolve(name, "TXT")
    if reply.status == "failed":
        yield Finding("warning", "dmarc-report-unknown", name, f"it cannot be looked up: {reply.detail}")
    elif not any(kind(text) == "dmarc1" for text in reply.values):
        reason = f"{host} does not say that it wants reports about {domain}: nobody sends them there"
        fix = f"Let whoever keeps {host} add the record, or send the reports (rua, ruf) to an address of yours"
        yield Finding("error", "dmarc-report-refused", name, reason, fix, (), ('"v=DMARC1"',))


def _dane(world: World, servers: Sequence[Server], sets: Sequence[RecordSet]) -> Iterator[Finding]:
    """What makes TLSA records worthless, or dangerous (RFC 7672)."""
    records = [each for each in sets if each.type == "TLSA"]
    hosts = dict.fromkeys(each.name.rpartition("._tcp.")[2] for each in records)
    told = set()
    for host in hosts:
        zone = world.zone(host)
        if zone and not _is_signed(world, zone):
            told.add(zone)
            reason = f"there are TLSA records for {host}, and the zone is not signed: nobody believes them"
            yield Finding("error", "tlsa-unsigned", zone, reason, _SIGN)
    for domain in dict.fromkeys(name for server in servers if server.hostname in hosts for name in server.domains):
        zone = world.zone(domain)
        if zone and zone not in told and not _is_signed(world, zone):
            reason = (
                f"its server has TLSA records, and the zone is not signed: who forges the MX of {domain} gets its mail"
            )
            yield Finding("warning", "mx-unsigned", zone, reason, _SIGN)


def lifetimes(world: World, sets: Sequence[RecordSet]) -> Iterator[Finding]:
    """TLSA records that caches keep for longer than a change of keys waits; authoritative servers tell."""
    for each in sets:
        zone = world.zone(each.name) if each.type == "TLSA" else ""
        there = (
            max((world.ask(who, each.name, "TLSA").ttl for who in world.nameservers(zone)), default=0) if zone else 0
        )
        if there > each.ttl:
            reason = f"its TTL is {there} and not {each.ttl}: a key would be used before all caches can know it"
            yield Finding("error", "tlsa-ttl", each.title, reason, f"Write dane_ttl: {there}, or make the record's so")


_SIGN = "Let whoever keeps the zone sign it, and the zone above it have its DS record"


def _is_signed(world: World, zone: str) -> bool:
    """Whether the zone above vouches for it; where that cannot be looked up nothing is claimed."""
    reply = world.resolve(zone, "DS")
    return reply.status == "failed" or bool(reply.values)


def _zone(world: World, domain: str) -> Iterator[Finding]:
    """Whether the zone's servers agree with each other."""
    zone = world.zone(domain)
    servers = world.nameservers(zone) if zone else []
    if not servers and world.resolve(domain, "SOA").status == "failed":
        return  # told where records are compared
    if not servers:
        yield Finding("error", "no-nameserver", domain, "nobody answers for it: no zone was found in DNS")
        return
    world.together((server, zone, kind) for server in servers for kind in ("SOA", "NS"))
    serials: dict[str, list[str]] = {}
    sets: dict[tuple[str, ...], list[str]] = {}
    for server in servers:
        soa, ns = world.ask(server, zone, "SOA"), world.ask(server, zone, "NS")
        if soa.authoritative and soa.values:
            serials.setdefault(soa.values[0].split()[2], []).append(server.title)
        if ns.authoritative and ns.values:
            sets.setdefault(ns.values, []).append(server.title)
    if len(serials) > 1:
        said = "; ".join(f"{serial}: {', '.join(who)}" for serial, who in sorted(serials.items()))
        reason = f"its servers have different versions of the zone (serial {said})"
        fix = "Wait a minute; if it stays so, the transfer to the secondary servers is broken"
        yield Finding("warning", "serials-differ", zone, reason, fix)
    if len(sets) > 1:
        said = "; ".join(f"{' '.join(names)} says {', '.join(who)}" for names, who in sorted(sets.items()))
        yield Finding(
            "error", "nameservers-disagree", zone, f"its servers name different servers: {said}", "Make them one"
        )
    if len({server.title.partition(" ")[0] for server in servers}) < 2:
        reason = "it has one name server: while that is down no mail arrives, and none of yours is believed (RFC 2182)"
        yield Finding("warning", "one-nameserver", zone, reason, "Add a secondary server")
