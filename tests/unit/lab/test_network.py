# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab takes a network that nobody uses, and leaves one that somebody has taken."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest
from postern_lab import network
from postern_lab.engine import Engine
from postern_lab.network import Subnets, ensure_network
from postern_lab.project import LabError, project_name


@dataclass(frozen=True)
class FakeEngine(Engine):
    """An engine that knows networks (name -> subnets), and refuses those another one has just taken."""

    name: str = "podman"
    prefix: tuple[str, ...] = ()
    networks: dict[str, list[str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def run(self, *arguments: str, data: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        output, status, words = b"", 0, b""
        if arguments[:2] == ("network", "create"):
            subnets = [a.removeprefix("--subnet=") for a in arguments if a.startswith("--subnet=")]
            if self.taken & set(subnets):
                status, words = 125, b"Error: subnet is already used on the host or by another config"
            else:
                self.networks[arguments[-1]] = subnets
        elif arguments[:2] == ("network", "inspect"):
            found = [{"name": n, "subnets": self.as_listed(n)} for n in arguments[2:] if n in self.networks]
            output = json.dumps(found).encode()
        elif arguments[:2] == ("network", "ls"):
            output = "\n".join(self.networks).encode()
        elif arguments[:2] == ("network", "rm"):
            del self.networks[arguments[2]]
        return subprocess.CompletedProcess(arguments, status, output, words)

    def as_listed(self, name: str) -> list[dict[str, str]]:
        return [{"subnet": subnet} for subnet in self.networks[name]]


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """IPv4 routes of the machine; a test adds to them."""
    listed: list[dict[str, Any]] = [{"dst": "default", "dev": "eth0"}, {"dst": "192.0.2.0/24", "dev": "eth0"}]

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        assert command[0] == "ip"
        found = listed if "-4" in command else []
        return subprocess.CompletedProcess(command, 0, json.dumps(found).encode(), b"")

    monkeypatch.setattr(network, "run", run)
    return listed


def subnets(third: int) -> Subnets:
    return Subnets(ipaddress.IPv4Network(f"10.99.{third}.0/24"), ipaddress.IPv6Network(f"fd00:0:0:{third}::/64"))


def test_the_same_checkout_and_lab_get_the_same_subnets(routes: list[dict[str, Any]]) -> None:
    assert ensure_network(FakeEngine(), "demo", None) == ensure_network(FakeEngine(), "demo", None)


def test_two_labs_get_different_subnets(routes: list[dict[str, Any]]) -> None:
    engine = FakeEngine()
    one, other = ensure_network(engine, "demo", None), ensure_network(engine, "default", None)
    assert not one.ipv4.overlaps(other.ipv4)
    assert not one.ipv6.overlaps(other.ipv6)


def test_what_the_lab_had_is_used_again(routes: list[dict[str, Any]]) -> None:
    assert ensure_network(FakeEngine(), "demo", subnets(7)) == subnets(7)


@pytest.mark.parametrize("destination", ["10.99.7.0/24", "10.99.0.0/16", "10.99.7.130", "10.0.0.0/8"])
def test_a_subnet_that_is_routed_elsewhere_is_not_taken(destination: str, routes: list[dict[str, Any]]) -> None:
    routes.append({"dst": destination, "dev": "tun0"})
    got = ensure_network(FakeEngine(), "demo", subnets(7))
    # All of 10/8 to a VPN is no obstacle: the lab's own route is narrower.
    assert (got == subnets(7)) == (destination == "10.0.0.0/8")


def test_a_network_of_the_engine_without_interface_is_not_taken(routes: list[dict[str, Any]]) -> None:
    assert ensure_network(FakeEngine(networks={"other": ["10.99.7.0/24"]}), "demo", subnets(7)) != subnets(7)


def test_a_subnet_lost_to_somebody_faster_is_given_up(routes: list[dict[str, Any]]) -> None:
    assert ensure_network(FakeEngine(taken={"10.99.7.0/24"}), "demo", subnets(7)) != subnets(7)


def test_a_network_that_is_there_is_kept(routes: list[dict[str, Any]]) -> None:
    engine = FakeEngine(networks={project_name("demo"): ["10.99.8.0/24", "fd00:0:0:8::/64"]})
    assert ensure_network(engine, "demo", subnets(7)) == subnets(8)


def test_a_network_whose_subnet_was_taken_is_replaced(routes: list[dict[str, Any]]) -> None:
    routes.append({"dst": "10.99.8.0/24", "dev": "eth1"})
    engine = FakeEngine(networks={project_name("demo"): ["10.99.8.0/24", "fd00:0:0:8::/64"]})
    assert ensure_network(engine, "demo", None) != subnets(8)


def test_a_network_without_ipv6_is_replaced(routes: list[dict[str, Any]]) -> None:
    engine = FakeEngine(networks={project_name("demo"): ["10.99.8.0/24"]})
    assert len(engine.networks[project_name("demo")]) == 1
    ensure_network(engine, "demo", None)
    assert len(engine.networks[project_name("demo")]) == 2


def test_no_free_network_is_said(routes: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_BLOCK", ipaddress.IPv4Network("10.80.0.0/22"))
    routes += [{"dst": f"10.80.{third}.0/24", "dev": "tun0"} for third in range(4)]
    with pytest.raises(LabError, match="no free network"):
        ensure_network(FakeEngine(), "demo", None)
