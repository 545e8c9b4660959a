# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab's authority, its signed zones, and the domains that tests send to."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from postern_lab import state
from postern_lab.authority import ACME_HOST, SERVICE_NAMES, Trust, configuration
from postern_lab.destinations import DESTINATIONS, certified_names, destination_records, policies, tlsa_draft
from postern_lab.model import load_lab
from postern_lab.network import Subnets
from postern_lab.views import inventory
from postern_lab.world import render
from postern_lab.zones import all_zones, signed_zones

SUBNETS = Subnets(ipaddress.IPv4Network("10.99.7.0/24"), ipaddress.IPv6Network("fd00:0:0:7::/64"))
TRUST = Trust(("one\n", "two\n"), ("example. IN DS 1 13 2 00",))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(state, "STATE_DIR", tmp_path)
    return tmp_path


def test_servers_are_told_whom_to_believe_once_the_lab_is_up() -> None:
    lab = load_lab("certificates")
    for variables in inventory(lab, SUBNETS, TRUST)["_meta"]["hostvars"].values():
        assert variables["certbot_roots"] == list(TRUST.roots)
        assert variables["unbound_trust_anchors"] == list(TRUST.anchors)
        assert variables["certbot_server"].startswith(f"https://{ACME_HOST}:")
    for variables in inventory(lab, SUBNETS)["_meta"]["hostvars"].values():
        assert not any(name.startswith(("certbot_", "unbound_")) for name in variables)


def test_what_is_believed_is_remembered(directory: Path) -> None:
    assert state.load_trust("demo") is None
    state.save_trust("demo", TRUST)
    assert state.load_trust("demo") == TRUST
    (directory / "demo.trust.json").write_text('{"roots": 1}')
    assert state.load_trust("demo") is None
    state.forget("demo")
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("name", ["certificates", "demo"])  # demo's domains are not below example
def test_every_mail_domain_is_signed_and_its_services_lead_to_the_server(name: str) -> None:
    lab = load_lab(name)
    zones = all_zones(lab, SUBNETS)
    assert set(signed_zones(lab)) <= set(zones)
    for server in lab.servers:
        for domain in server.domains:
            assert domain in signed_zones(lab)
            for service in SERVICE_NAMES:
                assert f"{service} CNAME {server.hostname}.\n" in zones[domain]


@pytest.mark.parametrize("name", ["normal", "short"])
def test_the_authority_refuses_one_name_of_each_domain(name: str) -> None:
    files = configuration(["a.example", "b.example"])
    settings = json.loads(files[f"/etc/lab/acme/{name}.json"])["pebble"]
    assert settings["domainBlocklist"] == ["refused.a.example", "refused.b.example"]
    assert f"INNER={settings['listenAddress'].rpartition(':')[2]}\n" in files[f"/etc/lab/acme/{name}.env"]
    assert "ListenStream=140" in files[f"/etc/systemd/system/acme-{name}.socket"]


def test_every_destination_has_what_its_state_needs() -> None:
    records = destination_records("192.0.2.2", "2001:db8::2")
    for name, destination in DESTINATIONS.items():
        assert (f"\n{name} MX 10 mx.{name}\n" in f"\n{records}") != destination.own_zone
        assert tlsa_draft().count(f"_25._tcp.mx.{name} TLSA") == len(destination.keys)
        assert (f"mta-sts.{name}.example" in policies()) == (destination.policy is not None)
    assert set(policies()) <= set(certified_names())
    assert "mx.sts-badcert.example" not in certified_names()
    assert all("\r\nmx: " in text and text.startswith("version: STSv1\r\n") for text in policies().values())


def test_world_gets_every_file_that_its_units_name() -> None:
    files = render(load_lab("certificates"), SUBNETS, [])
    named = {"/usr/local/sbin/lab-policies", "/usr/local/sbin/lab-keys", "/etc/bind/policy.conf"}
    assert named <= set(files)
    assert "/usr/local/sbin/lab-policies" in files["/etc/systemd/system/policies.service"]
    assert files["/etc/lab/signed-once"].count("20200101000000") == 2
