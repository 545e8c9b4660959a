# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab's own network: an IPv4 /24 and an IPv6 /64 that nobody on this machine uses."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from postern_lab.engine import Engine, run
from postern_lab.project import LabError, checkout_hash, project_name, say

# Candidates are the /24 networks of this block of RFC 1918 space.
_BLOCK = ipaddress.IPv4Network("10.80.0.0/12")

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Subnets:
    """Address ranges of one lab. Host number N is the Nth address of both, written with the same digits."""

    ipv4: ipaddress.IPv4Network
    ipv6: ipaddress.IPv6Network

    def address(self, number: int) -> str:
        """IPv4 address of host ``number``."""
        return str(self.ipv4[number])

    def address6(self, number: int) -> str:
        """IPv6 address of host ``number``: the decimal digits as they are (``::10`` for number 10)."""
        return str(self.ipv6[int(str(number), base=16)])


def ensure_network(engine: Engine, lab: str, preferred: Subnets | None) -> Subnets:
    """Create the lab's network unless it is there and sound.

    ``preferred`` is what the lab had before; it is used again when still free. The network is replaced, and with it
    its containers removed, when another interface of the machine has taken the subnet meanwhile.
    """
    name = project_name(lab)
    found = engine.json("network", "inspect", name)
    if found:
        subnets = _subnets_of(found[0])
        if subnets and not _overlaps(subnets, _routes_of_others(engine, found[0])):
            return subnets
        say(f"network {name} is unusable (its subnet has been taken, or it is incomplete): making another")
        remove_network(engine, lab)
    for subnets in _free(engine, lab, preferred):
        completed = engine.run(*_create_arguments(engine, name, subnets), check=False)
        if completed.returncode == 0:
            say(f"network {name}: {subnets.ipv4} and {subnets.ipv6}")
            return subnets
        words = completed.stderr.decode(errors="replace").strip()
        # Another checkout may have taken the subnet since we looked.
        if not any(word in words for word in ("already used", "being used", "overlaps", "conflict")):
            raise LabError(f"cannot create network {name}: {words}")
    raise LabError(f"no free network in {_BLOCK} for the lab: look at `ip route`")


def remove_network(engine: Engine, lab: str) -> None:
    """Remove the lab's network and what is connected to it."""
    name = project_name(lab)
    containers = existing_containers(engine, lab)
    if containers:
        engine.run("rm", "--force", "--volumes", *sorted(containers))
    if engine.json("network", "inspect", name):
        engine.run("network", "rm", name)


def existing_containers(engine: Engine, lab: str) -> set[str]:
    """Names of the lab's containers, in whatever state, whether labs.yml still has them or not."""
    label = f"label=postern.lab={project_name(lab)}"
    return set(engine.text("ps", "--all", "--filter", label, "--format", "{{.Names}}").split())


def _create_arguments(engine: Engine, name: str, subnets: Subnets) -> list[str]:
    arguments = ["network", "create", "--driver=bridge", "--ipv6", f"--label=postern.lab={name}"]
    if engine.name == "podman":
        arguments.append("--disable-dns")  # world is the resolver
    for network in (subnets.ipv4, subnets.ipv6):
        arguments += [f"--subnet={network}", f"--gateway={network[1]}"]
    return [*arguments, name]


def _free(engine: Engine, lab: str, preferred: Subnets | None) -> Iterator[Subnets]:
    """Subnets that overlap nothing in use, best first."""
    used = [network for _device, network in _routes()] + _engine_subnets(engine)
    yield from (subnets for subnets in _candidates(lab, preferred) if not _overlaps(subnets, used))
    # A VPN may route all of 10.0.0.0/8; our /24 is more specific and wins within this machine.
    narrow = [network for network in used if network.prefixlen > 16]
    yield from (subnets for subnets in _candidates(lab, preferred) if not _overlaps(subnets, narrow))


def _candidates(lab: str, preferred: Subnets | None) -> Iterator[Subnets]:
    """``preferred``, then every subnet of the block, from a place that depends on checkout and lab."""
    if preferred:
        yield preferred
    digest = hashlib.sha256(project_name(lab).encode()).digest()
    count = 2 ** (24 - _BLOCK.prefixlen)
    start = int.from_bytes(digest[:2]) % count
    # RFC 4193: fd, 40 bits that differ between checkouts and labs, 16 bits of subnet number.
    prefix6 = (0xFD << 40 | int.from_bytes(bytes.fromhex(checkout_hash())) << 16 | int.from_bytes(digest[2:4])) << 80
    for step in range(count):
        number = (start + step) % count
        ipv4 = ipaddress.IPv4Network((int(_BLOCK.network_address) + (number << 8), 24))
        yield Subnets(ipv4, ipaddress.IPv6Network((prefix6 | number << 64, 64)))


def _overlaps(subnets: Subnets, networks: list[AnyNetwork]) -> bool:
    return any(
        subnets.ipv4.overlaps(other) if isinstance(other, ipaddress.IPv4Network) else subnets.ipv6.overlaps(other)
        for other in networks
    )


def _routes() -> list[tuple[str, AnyNetwork]]:
    """(device, destination) of every route of the machine but the default ones; addresses of its interfaces too."""
    found: list[tuple[str, AnyNetwork]] = []
    for family in ("-4", "-6"):
        for route in json.loads(run(["ip", family, "-json", "route", "show", "table", "all"]).stdout or b"[]"):
            destination = route.get("dst", "default")
            if destination == "default" or route.get("type") == "multicast":
                continue
            network = ipaddress.ip_network(destination, strict=False)
            if network.prefixlen >= 8 and not network.is_loopback and not network.is_link_local:
                found.append((route.get("dev", ""), network))
    return found


def _routes_of_others(engine: Engine, network: dict[str, Any]) -> list[AnyNetwork]:
    """Routes narrower than /17 that do not lead to the engine's own ``network``."""
    own = network.get("network_interface") or f"br-{network.get('Id', '')[:12]}"
    return [destination for device, destination in _routes() if device != own and destination.prefixlen > 16]


def _engine_subnets(engine: Engine) -> list[AnyNetwork]:
    """Subnets of all networks of the engine, also those that have no interface because no container runs."""
    names = engine.text("network", "ls", "--format", "{{.Name}}").split()
    networks = engine.json("network", "inspect", *names) if names else []
    return [subnet for network in networks for subnet in _listed_subnets(network)]


def _listed_subnets(network: dict[str, Any]) -> list[AnyNetwork]:
    """Subnets in podman's or docker's description of a network."""
    entries = network.get("subnets") or (network.get("IPAM") or {}).get("Config") or []
    listed = [entry.get("subnet") or entry.get("Subnet") for entry in entries]
    return [ipaddress.ip_network(subnet) for subnet in listed if subnet]


def _subnets_of(network: dict[str, Any]) -> Subnets | None:
    subnets = _listed_subnets(network)
    ipv4 = next((subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv4Network)), None)
    ipv6 = next((subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv6Network)), None)
    return Subnets(ipv4, ipv6) if ipv4 and ipv6 else None
