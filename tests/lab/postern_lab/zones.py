# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab's DNS zones, forward and reverse, as text in zone file format (RFC 1035 section 5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from postern_lab.model import Host, Lab, Server
from postern_lab.network import Subnets

GATEWAY = 1  # the machine that runs the lab
LISTED = 66  # in the DNSBL, no reverse name
FORGED = 77  # its reverse name does not lead back
CLEAN = 88  # reverse and forward agree, as for world itself
EXTRA_ADDRESSES = (LISTED, FORGED, CLEAN)

# No secondaries here, hence a fixed serial; short times, so that nothing stale survives a change of the lab.
_HEAD = """$TTL 60
@ SOA ns.world.example. hostmaster.world.example. 1 3600 600 86400 10
@ NS ns.world.example.
"""

_SPF_MX_ONLY = '@ TXT "v=spf1 mx -all"\n'


def all_zones(lab: Lab, subnets: Subnets) -> dict[str, str]:
    """Zone name -> zone file, for every zone that world is authoritative for."""
    zones = {
        "example": _zone_example(lab, subnets),
        "world.example": _zone_world(lab, subnets),
        "dnsbl.example": _zone_dnsbl(subnets),
        # Empty: nothing exists there, and no question about it leaves the lab.
        **dict.fromkeys(("invalid", "test", "10.in-addr.arpa", "d.f.ip6.arpa"), _HEAD),
    }
    for server in lab.servers:
        for domain in server.domains:
            zones[domain] = _zone_mail_domain(server, domain, lab.servers, subnets)
    return {**zones, **_zones_reverse(lab, subnets)}


def _addresses(subnets: Subnets, number: int, name: str = "@") -> str:
    return f"{name} A {subnets.address(number)}\n{name} AAAA {subnets.address6(number)}\n"


def _zone_example(lab: Lab, subnets: Subnets) -> str:
    """``example`` itself, so that what does not exist below it (nxdomain.example) is NXDOMAIN with certainty."""
    world = lab.world.number
    delegated = ("world.example", "dnsbl.example", "servfail.example", *lab.domains)
    children = [name.removesuffix(".example") for name in delegated if name.endswith(".example")]
    return (
        _HEAD
        + f"ns.world A {subnets.address(world)}\nns.world AAAA {subnets.address6(world)}\n"  # glue
        + "".join(f"{child} NS ns.world\n" for child in children)
        + "nullmx MX 0 .\n"  # RFC 7505: accepts no mail
        + _addresses(subnets, world, "nomx")  # mail goes to the address itself (RFC 5321 section 5.1)
        + "loopmx MX 10 localhost.loopmx\nlocalhost.loopmx A 127.0.0.1\n"
        + "danglingmx MX 10 nowhere.danglingmx\n"
    )


def _zone_world(lab: Lab, subnets: Subnets) -> str:
    return (
        _HEAD
        + _SPF_MX_ONLY
        + f"@ MX 10 {lab.world.hostname}.\n"
        + _addresses(subnets, lab.world.number)
        + _addresses(subnets, lab.world.number, "ns")
        + _addresses(subnets, lab.world.number, f"{lab.world.hostname}.")
        + _addresses(subnets, CLEAN, "clean")
        + _addresses(subnets, GATEWAY, "gateway")
    )


def _zone_dnsbl(subnets: Subnets) -> str:
    """A DNS blocklist (RFC 5782): 127.0.0.2 and its IPv6 counterpart are listed for testing, 127.0.0.1 never is."""
    entries = ["127.0.0.2", "::ffff:127.0.0.2", subnets.address(LISTED), subnets.address6(LISTED)]
    names = [_reverse_labels(entry) for entry in entries]
    return _HEAD + "".join(f'{name} A 127.0.0.2\n{name} TXT "Listed for testing"\n' for name in names)


def _zone_mail_domain(server: Server, domain: str, servers: Iterable[Server], subnets: Subnets) -> str:
    hosts: list[Host] = [host for host in servers if host.hostname.endswith(f".{domain}")]
    return (
        _HEAD
        + _SPF_MX_ONLY
        + f"@ MX 10 {server.hostname}.\n"
        + _addresses(subnets, server.number)
        + "".join(_addresses(subnets, host.number, f"{host.hostname}.") for host in hosts)
    )


def _zones_reverse(lab: Lab, subnets: Subnets) -> dict[str, str]:
    names = {host.number: host.hostname for host in lab.hosts}
    names |= {GATEWAY: "gateway.world.example", CLEAN: "clean.world.example", FORGED: "nowhere.world.example"}
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
