# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Configuration of world, the outside host: DNS server, second MTA, and its further addresses."""

from __future__ import annotations

import base64
import hashlib
import io
import ipaddress
import tarfile
from collections.abc import Iterable
from pathlib import Path
from string import Template

from postern_lab import authority
from postern_lab.containers import container_name
from postern_lab.destinations import (
    EXPIRED_ZONES,
    certified_names,
    destination_domains,
    policies,
    tlsa_draft,
)
from postern_lab.engine import Engine
from postern_lab.model import Lab
from postern_lab.network import Subnets
from postern_lab.project import LAB_DIR, say
from postern_lab.senders import sender_domains
from postern_lab.zones import EXTRA_ADDRESSES, SECONDARY, SILENT, all_zones, signed_zones

# Who may change the zones of the servers' mail domains, by RFC 2136 signed as in RFC 8945. No secret, as it says.
UPDATE_KEY = "lab-update"
UPDATE_SECRET = base64.b64encode(b"this laboratory key is no secret").decode()
UPDATE_ALGORITHM = "hmac-sha256"

_APPLY = "/usr/local/sbin/lab-apply"
# Files of the directory world, as they are.
_PROGRAMS = {"apply": _APPLY, "keys": "/usr/local/sbin/lab-keys", "policies": "/usr/local/sbin/lab-policies"}
_PLAIN = {
    "policy.conf": "/etc/bind/policy.conf",
    **{
        name: f"/etc/systemd/system/{name}"
        for name in (
            "acme-forward@.service",
            "named-secondary.service",
            "pebble@.service",
            "policies.service",
            "policies.socket",
        )
    },
}
_STAMP = "/etc/postern-lab.stamp"
_RESOLV_CONF = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")


def configure_world(engine: Engine, lab: Lab, subnets: Subnets) -> None:
    """Bring world's configuration up to date; does nothing when it already is."""
    files = render(lab, subnets, forwarders())
    stamp = _digest(files)
    container = container_name(lab.name, lab.world.name)
    if engine.inside(container, "cat", _STAMP, check=False).stdout.decode() == stamp:
        return
    say("configuring world: DNS zones, second MTA, certificate authority")
    engine.inside(container, "tar", "--extract", "--no-same-owner", "--directory=/", data=_archive(files))
    engine.inside(container, _APPLY)
    engine.inside(container, "tee", _STAMP, data=stamp.encode())


def render(lab: Lab, subnets: Subnets, forward_to: list[str]) -> dict[str, str]:
    """Path in the container -> content of every file of world's configuration."""
    zones = all_zones(lab, subnets)
    names = {"address": subnets.address(lab.world.number), "address6": subnets.address6(lab.world.number)}
    domain = lab.world.hostname.partition(".")[2]
    files = {f"/etc/bind/zones/{name}": text for name, text in zones.items()}
    files |= _name_servers(lab, subnets, [name for name in sorted(zones) if name not in lab.domains], forward_to)
    files["/etc/postfix/main.cf"] = _template(
        "main.cf",
        hostname=lab.world.hostname,
        domain=domain,
        domains=", ".join((domain, *sender_domains(), *destination_domains())),
        **names,
    )
    files["/etc/systemd/system/lab-addresses.service"] = _template(
        "lab-addresses.service", commands="\n".join(f"ExecStart={line}" for line in _address_commands(subnets))
    )
    files |= _secrets(lab)
    for name, path in {**_PROGRAMS, **_PLAIN}.items():
        files[path] = (LAB_DIR / "world" / name).read_text(encoding="utf-8")
    return files


def _secrets(lab: Lab) -> dict[str, str]:
    """What world makes keys and certificates from."""
    once = [
        f"{name} {'20200101000000 20200201000000' if name in EXPIRED_ZONES else 'now-86400 now+315360000'}"
        for name in signed_zones(lab)
        if name not in lab.domains
    ]
    return {
        **authority.configuration(lab.domains),
        **{f"/etc/lab/policies/{host}": text for host, text in policies().items()},
        "/etc/lab/names": _lines([lab.world.hostname, authority.ACME_HOST, *certified_names()]),
        "/etc/lab/signed": _lines(signed_zones(lab)),
        "/etc/lab/signed-once": _lines(once),
        "/etc/lab/tlsa": tlsa_draft(),
    }


def _lines(words: Iterable[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def _name_servers(lab: Lab, subnets: Subnets, fixed: list[str], forward_to: list[str]) -> dict[str, str]:
    """Configuration of the two name servers; the zones ``fixed`` never change, the servers' mail domains may."""
    primary = subnets.address(lab.world.number)
    secondary = {"secondary": subnets.address(SECONDARY), "secondary6": subnets.address6(SECONDARY)}
    served = f"also-notify {{ {secondary['secondary']}; }}; notify explicit; allow-update {{ key {UPDATE_KEY}; }};"
    keys = 'dnssec-policy lab; key-directory "/etc/lab/dnssec";'
    signed = signed_zones(lab)
    places = {name: f"/{'var/lib/bind/signed' if name in signed else 'etc/bind/zones'}/{name}" for name in fixed}
    zones = [f'zone "{name}" {{ type primary; file "{place}"; }};' for name, place in places.items()]
    zones += [
        f'zone "{name}" {{ type primary; file "/var/lib/bind/zones/{name}"; {keys} {served} }};' for name in lab.domains
    ]
    copies = [
        f'zone "{name}" {{ type secondary; primaries {{ {primary}; }}; file "{name}"; }};' for name in lab.domains
    ]
    forward = (
        f"    forward only;\n    forwarders {{ {' '.join(f'{a};' for a in forward_to)} }};\n" if forward_to else ""
    )
    return {
        "/etc/bind/named.conf": _template(
            "named.conf",
            forwarders=forward,
            zones="\n".join(zones),
            silent=subnets.address(SILENT),
            key=f'key "{UPDATE_KEY}" {{ algorithm {UPDATE_ALGORITHM}; secret "{UPDATE_SECRET}"; }};',
            **secondary,
        ),
        "/etc/bind/secondary.conf": _template("secondary.conf", zones="\n".join(copies), **secondary),
    }


def forwarders() -> list[str]:
    """The resolvers this machine uses, as far as a container can reach them.

    A resolver on loopback cannot be reached from a container; systemd-resolved keeps the list of the real ones. With
    none left world resolves by itself from the root servers.
    """
    for path in map(Path, _RESOLV_CONF):
        if not path.exists():
            continue
        words = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and "%" not in line[1]]
        usable = [server for server in servers if not ipaddress.ip_address(server).is_loopback]
        if usable:
            return [server for server in usable if ":" not in server] or usable
    return []


def _address_commands(subnets: Subnets) -> list[str]:
    commands = []
    for number in EXTRA_ADDRESSES:
        commands.append(f"/bin/ip address replace {subnets.address(number)}/{subnets.ipv4.prefixlen} dev eth0")
        # preferred_lft 0: never chosen as source unless asked for (RFC 6724 rule 3).
        options = f"{subnets.address6(number)}/{subnets.ipv6.prefixlen} dev eth0 nodad preferred_lft 0"
        commands.append(f"/bin/ip -6 address replace {options}")
    # Frames to a card that does not exist: no answer, and no "host unreachable" either.
    commands.append(
        f"/bin/ip neighbour replace {subnets.address(SILENT)} lladdr 02:00:00:00:00:99 nud permanent dev eth0"
    )
    return commands


def _template(name: str, **values: str) -> str:
    return Template((LAB_DIR / "world" / name).read_text(encoding="utf-8")).substitute(values)


def _digest(files: dict[str, str]) -> str:
    return hashlib.sha256("\0".join(f"{path}\0{files[path]}" for path in sorted(files)).encode()).hexdigest()


def _archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(content)
            member.mode = 0o755 if path in _PROGRAMS.values() else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
