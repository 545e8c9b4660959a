# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab's DNS zones, forward and reverse, as text in zone file format (RFC 1035 section 5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from postern_lab.authority import ACME_HOST, SERVICE_NAMES
from postern_lab.destinations import EXPIRED_ZONES, destination_records, expired_zone
from postern_lab.model import Host, Lab, Server
from postern_lab.network import Subnets
from postern_lab.senders import OURS, sender_records

GATEWAY = 1  # the machine that runs the lab
SECONDARY = 3  # ns2.world.example, another name server
LISTED = 66  # in the DNSBL, no reverse name
FORGED = 77  # its reverse name does not lead back
CLEAN = 88  # reverse and forward agree, as for world itself; in the list of good hosts
EXTRA_ADDRESSES = (SECONDARY, LISTED, FORGED, CLEAN)
SILENT = 99  # nobody; the network does not say so either

# A fixed serial: world forgets its zones and its secondary's whenever it is configured. Short times, so that nothing
# stale survives a change.
_HEAD = """$TTL 60
@ SOA ns.world.example. hostmaster.world.example. 1 3600 600 86400 10
@ NS ns.world.example.
"""
_SECONDARY_NS = "@ NS ns2.world.example.\n"

# RFC 5782 section 5: a list of IPv4 and IPv6 addresses has these for testing, and never 127.0.0.1.
_TEST_ENTRIES = ("127.0.0.2", "::ffff:127.0.0.2")

# World writes this file: DS records of all signed zones, each at its full name.
_DS_RECORDS = "$INCLUDE /etc/lab/dnssec/ds.records\n"

_SPF_MX_ONLY = '@ TXT "v=spf1 mx -all"\n'


def all_zones(lab: Lab, subnets: Subnets) -> dict[str, str]:
    """Zone name -> zone file, for every zone that world is authoritative for."""
    zones = {
        "example": _zone_example(lab, subnets),
        "world.example": _zone_world(lab, subnets),
        "dnsbl.example": _zone_dnsbl(subnets),
        "dnswl.example": _zone_dnswl(subnets),
        **{name: _zone_expired(name, lab, subnets) for name in EXPIRED_ZONES},
        # Empty: nothing exists there, and no question about it leaves the lab.
        **dict.fromkeys(("invalid", "test", "10.in-addr.arpa", "d.f.ip6.arpa"), _HEAD),
    }
    for server in lab.servers:
        for domain in server.domains:
            zones[domain] = _zone_mail_domain(server, domain, lab.servers, subnets)
    return {**zones, **_zones_reverse(lab, subnets)}


def signed_zones(lab: Lab) -> tuple[str, ...]:
    """Zones with DNSSEC; ``example`` is where the chain of trust begins, but for domains that are not below it."""
    return ("example", "world.example", *EXPIRED_ZONES, *lab.domains)


def _addresses(subnets: Subnets, number: int, name: str = "@") -> str:
    return f"{name} A {subnets.address(number)}\n{name} AAAA {subnets.address6(number)}\n"


def _zone_example(lab: Lab, subnets: Subnets) -> str:
    """``example`` itself, so that what does not exist below it (nxdomain.example) is NXDOMAIN with certainty."""
    world = lab.world.number
    delegated = ("world.example", "dnsbl.example", "dnswl.example", "servfail.example", *EXPIRED_ZONES, *lab.domains)
    children = [name.removesuffix(".example") for name in delegated if name.endswith(".example")]
    return (
        _HEAD
        + _addresses(subnets, world, "ns.world")  # glue
        + _addresses(subnets, SECONDARY, "ns2.world")
        + "".join(f"{child} NS ns.world\n" for child in children)
        + "".join(f"{domain}. NS ns2.world\n" for domain in lab.domains if domain.endswith(".example"))
        + "nullmx MX 0 .\n"  # RFC 7505: accepts no mail
        + _addresses(subnets, world, "nomx")  # mail goes to the address itself (RFC 5321 section 5.1)
        + "loopmx MX 10 localhost.loopmx\nlocalhost.loopmx A 127.0.0.1\n"
        + "danglingmx MX 10 nowhere.danglingmx\n"
        + sender_records(lab.world.hostname)
        + destination_records(subnets.address(world), subnets.address6(world))
        + _DS_RECORDS
    )


def _zone_world(lab: Lab, subnets: Subnets) -> str:
    return (
        _HEAD
        + f'@ TXT "v=spf1 {OURS} -all"\n'
        + f"@ MX 10 {lab.world.hostname}.\n"
        + _addresses(subnets, lab.world.number)
        + _addresses(subnets, lab.world.number, "ns")
        + _addresses(subnets, lab.world.number, f"{ACME_HOST}.")
        + _addresses(subnets, SECONDARY, "ns2")
        + _addresses(subnets, lab.world.number, f"{lab.world.hostname}.")
        + _addresses(subnets, CLEAN, "clean")
        + _addresses(subnets, GATEWAY, "gateway")
        + "elsewhere A 192.0.2.1\nelsewhere AAAA 2001:db8::1\n"  # RFC 5737, RFC 3849
        # Names to say in EHLO: SPF passes, or fails, for whoever says it.
        + 'clean TXT "v=spf1 a -all"\n'
        + _addresses(subnets, CLEAN, "helo-fail")
        + 'helo-fail TXT "v=spf1 -all"\n'
    )


def _zone_expired(name: str, lab: Lab, subnets: Subnets) -> str:
    number = lab.world.number
    return _HEAD + expired_zone(name, subnets.address(number), subnets.address6(number))


def _zone_dnsbl(subnets: Subnets) -> str:
    """A DNS blocklist (RFC 5782), and below it two that are ill: one refuses to answer, one says nothing at all."""
    entries = [*_TEST_ENTRIES, subnets.address(LISTED), subnets.address6(LISTED)]
    names = [_reverse_labels(entry) for entry in entries]
    return (
        _HEAD
        + "".join(f'{name} A 127.0.0.2\n{name} TXT "Listed for testing"\n' for name in names)
        # What large lists answer, whatever the question, to a resolver that too many people share.
        + '*.refusing A 127.255.255.254\n*.refusing TXT "Error: open resolver"\n'
        + "silent NS nobody.silent\n"  # see named.conf
    )


def _zone_dnswl(subnets: Subnets) -> str:
    """A DNS list of good hosts: 127.0.5.N, N the degree of trust, as dnswl.org answers."""
    entries = [*_TEST_ENTRIES, subnets.address(CLEAN), subnets.address6(CLEAN)]
    return _HEAD + "".join(f"{_reverse_labels(entry)} A 127.0.5.2\n" for entry in entries)


def _zone_mail_domain(server: Server, domain: str, servers: Iterable[Server], subnets: Subnets) -> str:
    hosts: list[Host] = [host for host in servers if host.hostname.endswith(f".{domain}")]
    return (
        _HEAD
        + _SECONDARY_NS
        + _SPF_MX_ONLY
        + f"@ MX 10 {server.hostname}.\n"
        + _addresses(subnets, server.number)
        + "".join(_addresses(subnets, host.number, f"{host.hostname}.") for host in hosts)
        # The authority finds them before anything is published, as what is published then.
        + "".join(f"{name} CNAME {server.hostname}.\n" for name in SERVICE_NAMES)
    )


def _zones_reverse(lab: Lab, subnets: Subnets) -> dict[str, str]:
    names = {host.number: host.hostname for host in lab.hosts}
    names |= {
        GATEWAY: "gateway.world.example",
        SECONDARY: "ns2.world.example",
        CLEAN: "clean.world.example",
        FORGED: "nowhere.world.example",
    }
    zones = {}
    for network, address in ((subnets.ipv4, subnets.address), (subnets.ipv6, subnets.address6)):
        # "0.2.0.10.in-addr.arpa" or 32 nibbles, less the labels of the host part: 1, or 16 nibbles.
        labels = ipaddress.ip_address(network.network_address).reverse_pointer.split(".")
        zone = ".".join(labels[1 if network.version == 4 else 16 :])
        records = [f"{ipaddress.ip_address(address(n)).reverse_pointer}. PTR {name}.\n" for n, name in names.items()]
        zones[zone] = _HEAD + "".join(records)
    return zones


def _reverse_labels(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
