# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Configuration of world, the outside host: DNS server, second MTA, and its further addresses."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import tarfile
from pathlib import Path
from string import Template

from postern_lab.containers import container_name
from postern_lab.engine import Engine
from postern_lab.model import Lab
from postern_lab.network import Subnets
from postern_lab.project import LAB_DIR, say
from postern_lab.zones import EXTRA_ADDRESSES, all_zones

_APPLY = "/usr/local/sbin/lab-apply"
_STAMP = "/etc/postern-lab.stamp"
_RESOLV_CONF = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")


def configure_world(engine: Engine, lab: Lab, subnets: Subnets) -> None:
    """Bring world's configuration up to date; does nothing when it already is."""
    files = render(lab, subnets, forwarders())
    stamp = _digest(files)
    container = container_name(lab.name, lab.world.name)
    if engine.inside(container, "cat", _STAMP, check=False).stdout.decode() == stamp:
        return
    say("configuring world: DNS zones, second MTA")
    engine.inside(container, "tar", "--extract", "--no-same-owner", "--directory=/", data=_archive(files))
    engine.inside(container, _APPLY)
    engine.inside(container, "tee", _STAMP, data=stamp.encode())


def render(lab: Lab, subnets: Subnets, forward_to: list[str]) -> dict[str, str]:
    """Path in the container -> content of every file of world's configuration."""
    zones = all_zones(lab, subnets)
    declarations = [f'zone "{name}" {{ type primary; file "/etc/bind/zones/{name}"; }};' for name in sorted(zones)]
    forward = (
        f"    forward only;\n    forwarders {{ {' '.join(f'{a};' for a in forward_to)} }};\n" if forward_to else ""
    )
    address, address6 = subnets.address(lab.world.number), subnets.address6(lab.world.number)
    files = {f"/etc/bind/zones/{name}": text for name, text in zones.items()}
    files["/etc/bind/named.conf"] = _template("named.conf", forwarders=forward, zones="\n".join(declarations))
    files["/etc/postfix/main.cf"] = _template(
        "main.cf",
        hostname=lab.world.hostname,
        domain=lab.world.hostname.partition(".")[2],
        address=address,
        address6=address6,
    )
    files["/etc/systemd/system/lab-addresses.service"] = _template(
        "lab-addresses.service", commands="\n".join(f"ExecStart={line}" for line in _address_commands(subnets))
    )
    files[_APPLY] = (LAB_DIR / "world" / "apply").read_text(encoding="utf-8")
    return files


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
            member.mode = 0o755 if path == _APPLY else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
