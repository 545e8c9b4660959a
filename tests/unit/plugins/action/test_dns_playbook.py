# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""playbooks/dns.yml run by the real ansible-playbook on this machine, for two servers that share their domains."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

VARIABLES: dict[str, Any] = {
    "ansible_connection": "local",
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
    "mail_hostname": "{{ inventory_hostname }}",
    "mail_features": ["dovecot", "sasl", "postfix"],
    "mail_domains": ["example.org"],
    "mail_postmaster": "alice@example.org",
    "mail_users": [{"address": "alice@example.org", "password": "correct horse"}],
    "dns_parked_domains": ["example.com"],
}
HOSTS = {
    "mx1.example.org": {"dns_addresses": ["192.0.2.25"]},
    "mx2.example.org": {"dns_addresses": ["192.0.2.26", "2001:db8::26"], "dns_mx_priority": 20},
}

Play = Callable[..., tuple[int, str]]


@pytest.fixture
def play(tmp_path: Path, collections_path: Path) -> Play:
    def run(*arguments: str, hosts: dict[str, Any] = HOSTS, **variables: Any) -> tuple[int, str]:
        inventory = {"mail_servers": {"hosts": hosts, "vars": {**VARIABLES, **variables}}}
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible" / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(
            [program, "-i", "inventory.yml", "postern.mail.dns", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_records_of_both_servers_are_written_and_shown(play: Play, tmp_path: Path) -> None:
    status, output = play("--check")
    assert (status, (tmp_path / "dns").exists()) == (0, False)
    status, output = play()
    assert status == 0, output
    zone = (tmp_path / "dns" / "example.org.zone").read_text()
    assert zone in output
    records = json.loads((tmp_path / "dns" / "records.json").read_text())
    found = {(each["name"], each["type"], each["value"]) for each in records}
    assert ("example.org", "MX", "10 mx1.example.org.") in found
    assert ("example.org", "MX", "20 mx2.example.org.") in found
    assert ("mx2.example.org", "AAAA", "2001:db8::26") in found
    assert ("example.com", "MX", "0 .") in found
    assert "v=spf1 mx -all" in yaml.safe_load((tmp_path / "dns/octodns/example.org.yaml").read_text())[""][1]["values"]
    assert set(re.findall(r"changed=(\d+)", output)) == {"0", "1"}
    assert set(re.findall(r"changed=(\d+)", play()[1])) == {"0"}


def test_a_server_left_out_would_lose_its_records(play: Play) -> None:
    status, output = play("--limit", "mx1.example.org")
    assert status != 0
    assert "mx2.example.org are left out of this run" in output


def test_a_server_with_domains_of_its_own_may_be_left_out(play: Play) -> None:
    hosts = {**HOSTS, "mx2.example.org": {**HOSTS["mx2.example.org"], "mail_domains": ["example.net"]}}
    hosts["mx2.example.org"] |= {
        "mail_postmaster": "bob@example.net",
        "mail_users": [{"address": "bob@example.net", "password": "correct horse"}],
    }
    status, output = play("--limit", "mx1.example.org", hosts=hosts)
    assert status == 0, output


def test_servers_that_contradict_each_other_are_told(play: Play) -> None:
    hosts = {**HOSTS, "mx2.example.org": {**HOSTS["mx2.example.org"], "dns_dmarc_policy": "reject"}}
    status, output = play(hosts=hosts)
    assert status != 0
    assert "example.org: DMARC is one thing on mx1.example.org and another on mx2.example.org" in output


def test_nothing_happens_where_an_input_is_wrong(play: Play, tmp_path: Path) -> None:
    status, output = play("-e", "dns_do=publish", dns_ttl=1, dns_dmarc_rua=["nobody"])
    assert status != 0
    assert "3 mistakes, nothing was changed" in output
    assert not (tmp_path / "dns").exists()
