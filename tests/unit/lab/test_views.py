# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What tests and Ansible are told about every lab, and what world's DNS says."""

from __future__ import annotations

import ipaddress
import re

import dns.rdatatype
import dns.zone
import pytest
from postern_lab.model import Lab, lab_names, load_lab
from postern_lab.network import Subnets
from postern_lab.views import describe, inventory
from postern_lab.zones import all_zones

SUBNETS = Subnets(ipaddress.IPv4Network("10.99.7.0/24"), ipaddress.IPv6Network("fd00:0:0:7::/64"))


@pytest.fixture(params=lab_names())
def lab(request: pytest.FixtureRequest) -> Lab:
    return load_lab(request.param)


def test_addresses_have_the_same_digits_in_both_families(lab: Lab) -> None:
    for host in describe(lab, SUBNETS)["hosts"]:
        assert host["address"].rpartition(".")[2] == host["address6"].rpartition(":")[2]


def test_world_is_a_stranger(lab: Lab) -> None:
    facts = describe(lab, SUBNETS)
    trusted = [ipaddress.ip_network(entry.replace("[", "").replace("]", "")) for entry in facts["mynetworks"]]
    addresses = [ipaddress.ip_address(host["address"]) for host in facts["hosts"]]
    assert not any(address in network for address in addresses for network in trusted)


def test_every_account_listed_can_log_in_and_has_a_domain_of_the_lab(lab: Lab) -> None:
    facts = describe(lab, SUBNETS)
    assert all(account["password"] for account in facts["accounts"])
    assert {account["address"].partition("@")[2] for account in facts["accounts"]} == set(facts["domains"])
    assert not any(account["address"].startswith("disabled@") for account in facts["accounts"])


def test_the_inventory_gives_a_hash_or_a_password_never_both(lab: Lab) -> None:
    for variables in inventory(lab, SUBNETS)["_meta"]["hostvars"].values():
        for user in variables["mail_users"]:
            assert ("password" in user) != ("password_hash" in user)


def test_hosts_are_reached_by_the_connection_that_pipelines(lab: Lab) -> None:
    hostvars = inventory(lab, SUBNETS)["_meta"]["hostvars"]
    assert {variables["ansible_connection"] for variables in hostvars.values()} == {"community.docker.docker"}


def test_names_of_all_hosts_lead_there_and_back(lab: Lab) -> None:
    zones = _zones(lab)
    for host in describe(lab, SUBNETS)["hosts"]:
        for kind, address in (("A", host["address"]), ("AAAA", host["address6"])):
            assert address in _answers(zones, host["hostname"], kind)
            assert f"{host['hostname']}." in _answers(zones, ipaddress.ip_address(address).reverse_pointer, "PTR")


def test_mail_for_every_domain_goes_to_its_server(lab: Lab) -> None:
    zones = _zones(lab)
    for server in lab.servers:
        for domain in server.domains:
            assert _answers(zones, domain, "MX") == [f"10 {server.hostname}."]


def test_every_mail_domain_has_two_name_servers_that_exist(lab: Lab) -> None:
    zones = _zones(lab)
    for domain in lab.domains:
        servers = _answers(zones, domain, "NS")
        assert sorted(servers) == ["ns.world.example.", "ns2.world.example."]
        assert all(_answers(zones, name.rstrip("."), kind) for name in servers for kind in ("A", "AAAA"))


def _zones(lab: Lab) -> dict[str, dns.zone.Zone]:
    """World's zones, but for the public keys that it makes itself."""
    texts = {name: re.sub(r"^\$INCLUDE .*\n", "", text, flags=re.M) for name, text in all_zones(lab, SUBNETS).items()}
    return {name: dns.zone.from_text(text, origin=f"{name}.") for name, text in texts.items()}


def _answers(zones: dict[str, dns.zone.Zone], name: str, kind: str) -> list[str]:
    """What the zone closest to ``name`` says, as text."""
    closest = max((zone for zone in zones if name == zone or name.endswith(f".{zone}")), key=len)
    found = zones[closest].get_rdataset(f"{name}.", dns.rdatatype.from_text(kind))
    return [record.to_text(origin=zones[closest].origin, relativize=False) for record in found or ()]
