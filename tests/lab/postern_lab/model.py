# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The labs as data: tests/lab/labs.yml read into typed, immutable objects."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from postern_lab.project import LAB_DIR, LabError

WORLD = "world"


@dataclass(frozen=True)
class Account:
    """A mailbox. ``password`` is what a client types, whether Ansible is given it or only ``password_hash``."""

    address: str
    password: str
    password_hash: str | None
    aliases: tuple[str, ...]
    quota: str | None
    enabled: bool


@dataclass(frozen=True)
class Host:
    """A container of a lab. ``number`` is the last octet of its IPv4 address and the last group of its IPv6 one."""

    name: str
    hostname: str
    suite: str
    release: str
    kind: str
    image: str
    number: int
    ports: dict[str, int]


@dataclass(frozen=True)
class Server(Host):
    """A mail server under test, with the inventory that Ansible gets for it."""

    domains: tuple[str, ...]
    accounts: tuple[Account, ...]
    aliases: tuple[dict[str, Any], ...]
    postmaster: str
    variables: dict[str, Any]


@dataclass(frozen=True)
class Lab:
    """One set of servers and the world around them."""

    name: str
    world: Host
    servers: tuple[Server, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """World first: it is the resolver of the others."""
        return (self.world, *self.servers)

    @property
    def domains(self) -> tuple[str, ...]:
        """Every mail domain of every server."""
        return tuple(domain for server in self.servers for domain in server.domains)

    def host(self, name: str) -> Host:
        """The host called ``name`` in the lab, or whose hostname it is. Raises LabError when there is none."""
        for host in self.hosts:
            if name in (host.name, host.hostname):
                return host
        raise LabError(f"no host {name!r} in lab {self.name!r}; there are: {', '.join(h.name for h in self.hosts)}")


def load_document() -> dict[str, Any]:
    """labs.yml, and the labs of the file that POSTERN_LABS names."""
    document = _load(LAB_DIR / "labs.yml")
    own = os.environ.get("POSTERN_LABS")
    return {**document, "labs": {**document["labs"], **_load(Path(own))["labs"]}} if own else document


def _load(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def lab_names() -> list[str]:
    """The labs that labs.yml defines."""
    return list(load_document()["labs"])


def load_lab(name: str) -> Lab:
    """The lab called ``name``. Raises LabError when labs.yml has none."""
    document = load_document()
    if name not in document["labs"]:
        raise LabError(f"no lab {name!r} in tests/lab/labs.yml; there are: {', '.join(document['labs'])}")
    servers = tuple(
        _server(document, server_name, {**document["labs"][name], **entry}, number)
        for number, (server_name, entry) in enumerate(document["labs"][name]["servers"].items(), start=10)
    )
    return Lab(name, _host(WORLD, document["world"], WORLD, 2), servers)


def _host(name: str, entry: dict[str, Any], kind: str, number: int) -> Host:
    return Host(
        name=name,
        hostname=entry["hostname"],
        suite=entry["suite"],
        release=str(entry["release"]),
        kind=kind,
        image=kind,
        number=number,
        ports=dict(entry["ports"]),
    )


def _server(document: dict[str, Any], name: str, entry: dict[str, Any], number: int) -> Server:
    """:param entry: of the server, over that of its lab (``variables`` for example)"""
    host = _host(name, {"ports": document["server_ports"], **entry}, "server", number)
    population = document["population"]
    names = {"first": entry["domains"][0], "second": entry["domains"][1]}
    return Server(
        **vars(host),
        domains=tuple(entry["domains"]),
        accounts=tuple(_account(_fill(account, names)) for account in population["accounts"]),
        aliases=tuple(_fill(alias, names) for alias in population["aliases"]),
        postmaster=_fill(population["postmaster"], names),
        variables={**population["variables"], **_fill(entry.get("variables", {}), names)},
    )


def _account(entry: dict[str, Any]) -> Account:
    return Account(
        address=entry["address"],
        password=entry["password"],
        password_hash=entry.get("password_hash"),
        aliases=tuple(entry.get("aliases", ())),
        quota=entry.get("quota"),
        enabled=entry.get("enabled", True),
    )


def _fill(value: Any, names: dict[str, str]) -> Any:
    """``value`` with ``<first>`` and ``<second>`` replaced by the server's domains, in every string inside."""
    if isinstance(value, str):
        for key, name in names.items():
            value = value.replace(f"<{key}>", name)
        return value
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, names) for key, item in value.items()}
    return value
