"""A whole run of the validation over an inventory, with a connection that tells on itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

GOOD: dict[str, Any] = {
    "mail_hostname": "{{ inventory_hostname }}.example.org",
    "mail_domains": ["example.org"],
    "mail_users": [{"address": "alice@example.org", "password": "correct horse", "aliases": ["info"]}],
    "mail_postmaster": "alice@example.org",
}


ROLES = ("mail", "dovecot", "sasl", "header_guard", "postfix")


@dataclass(frozen=True)
class Run:
    code: int
    output: str
    connected: bool
    inventory: list[str]

    @property
    def report(self) -> str:
        """What was printed from the report's first line to the end of the list."""
        return self.output.partition("postern.mail: ")[2].partition("\n\n")[0]


Play = Callable[..., Run]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Play:
    def run(
        variables: dict[str, Any],
        *arguments: str,
        playbook: str = "postern.mail.validate",
        mx2: dict[str, Any] | None = None,
    ) -> Run:
        work = tmp_path_factory.mktemp("run")
        ssh = work / "ssh"
        ssh.write_text(f"#!/bin/sh\ntouch {work}/connected\nexit 255\n")
        ssh.chmod(0o755)
        connection = {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh), "ansible_host": "192.0.2.1"}
        inventory = {"mail_servers": {"hosts": {"mx1": {}, "mx2": mx2 or {}}, "vars": {**connection, **variables}}}
        (work / "inventory.yml").write_text(yaml.safe_dump(inventory))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_HOME": str(work / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_SSH_RETRIES": "0",
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.yml", playbook, *arguments]
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        lines = (work / "inventory.yml").read_text().splitlines()
        return Run(done.returncode, done.stdout + done.stderr, (work / "connected").exists(), lines)

    return run


@pytest.fixture(scope="module")
def bad(play: Play) -> Run:
    """Many mistakes on both servers and one on the second alone; only one role is to be applied, and all is printed."""
    variables = {
        **GOOD,
        "mail_domain": ["example.org"],
        "mail_postmaster": "",
        "mail_password_salt": ["seasalt"],
        "mail_users": [
            {"address": "alice@example.org", "password": "hunter2"},
            {"address": "Alice@example.org", "password": "{{ vault_alice }}"},
            {"address": "bob@exampel.org", "pasword": "hunter2hunter2", "password_hash": "{PLAIN}hunter2"},
        ],
        "mail_aliases": [
            {"address": "a@example.org", "to": ["b@example.org"]},
            {"address": "b@example.org", "to": ["a@example.org", "bob@example.com"]},
        ],
        "postfix_mynetworks": "192.0.2.0/24",
        "dovecot_connections": "many",
    }
    arguments = ["--tags", "dovecot", "-vvv", "-e", json.dumps({"mail_featrues": ["dovecot"]})]
    return play(variables, *arguments, playbook="postern.mail.site", mx2={"mail_hostname": "mx2"})


def test_every_mistake_is_told_at_once(bad: Run) -> None:
    places = re.findall(r"^ +\d+\. (?:mx\d(?:, mx\d)*): ([^:]+): ", bad.report, re.MULTILINE)
    assert places == [
        "mail_users[1].password",
        "mail_domain",
        "mail_featrues",
        "mail_users[2].pasword",
        "mail_password_salt",
        "dovecot_connections",
        "postfix_mynetworks",
        "mail_users[2].address",
        "mail_hostname",
        "mail_users[1].address",
        "mail_users[0].password",
        "mail_users[2].password_hash",
        "mail_aliases[1].to[1]",
        "mail_aliases[0].address",
        "mail_postmaster",
    ], bad.report


def test_the_run_fails_before_anything_is_touched(bad: Run) -> None:
    assert bad.code != 0
    assert not bad.connected
    assert "nothing was changed" in bad.output
    assert "changed=0" in bad.output
    assert "unreachable=0" in bad.output


def test_a_mistake_that_hosts_share_is_told_once(bad: Run) -> None:
    assert 'mx1, mx2: mail_users[2].address: "bob@exampel.org": its domain is not in mail_domains.' in bad.report
    assert "Write: bob@example.org   (did you mean example.org?) or add exampel.org to mail_domains" in bad.report
    assert ' mx2: mail_hostname: "mx2": it is not a fully qualified name' in bad.report
    assert "mx1, mx2: mail_hostname" not in bad.report


def test_variables_of_the_command_line_are_checked_too(bad: Run) -> None:
    assert "mail_featrues: no role has such a variable (did you mean mail_features?)" in bad.report


@pytest.mark.skipif(version("ansible-core") < "2.19", reason="ansible-core knows where a value stands since 2.19")
def test_the_line_in_the_inventory_is_told(bad: Run) -> None:
    (place,) = re.findall(r"mx2: mail_hostname: .*\n +In inventory\.yml:(\d+)\n", bad.report)
    assert bad.inventory[int(place) - 1].strip() == "mail_hostname: mx2"


@pytest.fixture(scope="module")
def broken(play: Play) -> Run:
    """Lists as people write them, wrong in many ways, for two servers that share them."""
    lists = {
        "postfix_mynetworks": ["127.0.0.0/8", "192.0.2.10/24"],
        "postfix_smtp_client_restrictions": [
            "permit_mynetworks",
            "reject_unknow_client_hostname",
            "check_client_access lmdb:/etc/postfix/clients, check_helo_access /etc/postfix/helo",
            {"name": "reject_rbl_client"},
        ],
        "postfix_submission_relay_restrictions": [
            "permit_sasl_authenticated",
            "check_policy_service private/x",
            "reject",
        ],
        "postfix_main_cf_extra": {"smtpd_etrn_restrictions": ["rejectt"]},
    }
    services = [
        {
            "name": "10025",
            "type": "inet",
            "private": False,
            "command": "smtpd",
            "options": {"smtpd_helo_restrictions": ["permit_mynetworks", "reject_invalid_hostnam"]},
        }
    ]
    return play({**GOOD, **lists}, mx2={"postfix_services_extra": services})


def test_every_mistake_in_lists_is_told_at_once_at_its_variable(broken: Run) -> None:
    assert broken.code != 0
    assert not broken.connected
    found = re.findall(r"^ +\d+\. (mx\d(?:, mx\d)*): (?!warning)([\w.\[\]]+): ", broken.report, re.MULTILINE)
    assert sorted(found) == [
        ("mx1, mx2", "postfix_main_cf_extra.smtpd_etrn_restrictions[0]"),
        ("mx1, mx2", "postfix_mynetworks[1]"),
        ("mx1, mx2", "postfix_smtp_client_restrictions[1]"),
        ("mx1, mx2", "postfix_smtp_client_restrictions[2]"),
        ("mx1, mx2", "postfix_smtp_client_restrictions[3].domain"),
        ("mx1, mx2", "postfix_submission_relay_restrictions[1]"),
        ("mx2", "postfix_services_extra[0].options.smtpd_helo_restrictions[1]"),
    ], broken.report


def test_a_mistake_in_a_list_has_its_code_what_happens_and_the_fix(broken: Run) -> None:
    line = next(part for part in re.split(r"\n +\d+\. ", broken.report) if "reject_unknow_client" in part)
    assert "[unknown-restriction]." in line
    assert "451 4.3.5" in line
    assert "Write: reject_unknown_client_hostname" in line


def test_an_exception_lets_a_finding_pass_and_one_without_use_does_not(play: Play) -> None:
    lists = ["permit_mynetworks", "reject_unauth_destination", "check_helo_access lmdb:/x", "sleep soon"]
    accept = {"code": "not-a-code", "element": "sleep soon", "reason": "a test"}
    policy = {"postfix_smtp_client_restrictions": lists, "postfix_accept_findings": [accept]}
    run = play({**GOOD, **policy})
    assert run.code != 0
    told = re.search(r'\{code: ([a-z-]+), element: "sleep soon"\}', run.report)
    assert told, run.report
    policy["postfix_accept_findings"] = [{**accept, "code": told[1]}]
    run = play({**GOOD, **policy})
    assert run.code == 0, run.output


@pytest.mark.parametrize(("release", "code"), [("12", "restriction-removed-by-upgrade"), ("13", "removed-restriction")])
def test_the_policy_is_judged_again_as_on_the_platform_that_the_host_is(
    play: Play, tmp_path: Path, release: str, code: str
) -> None:
    facts = {"os_family": "Debian", "distribution": "Debian", "distribution_major_version": release, "cacheable": True}
    report = [{"postern.mail.validate": {"report": ["{{ judged }}"]}, "run_once": True}]
    tasks: list[dict[str, Any]] = [
        {"postern.mail.validate": {}, "register": "assumed"},
        {"ansible.builtin.set_fact": facts},
        {"postern.mail.validate": {"judged_as": "{{ assumed.judged_as }}"}, "register": "judged"},
        *report,
        {"ansible.builtin.meta": "end_play"},
        *({"ansible.builtin.import_role": {"name": f"postern.mail.{role}", "public": True}} for role in ROLES),
    ]
    playbook = tmp_path / "again.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "mx1", "gather_facts": False, "tasks": tasks}]))
    relay = ["permit_mynetworks", "check_relay_domains", "reject_unauth_destination"]
    wiring = {"postfix_contributions": "{{ [sasl_postfix, dovecot_postfix] }}"}
    run = play({**GOOD, **wiring, "postfix_smtp_relay_restrictions": relay}, playbook=str(playbook))
    assert re.findall(r"\[([a-z-]+)\]\.", run.report) == [code], run.output
    assert (run.code == 0) == (release == "12")
    assert " only: " not in run.report


def test_no_secret_is_printed_however_verbose(bad: Run) -> None:
    assert "hunter2" not in bad.output
    assert "seasalt" not in bad.output


def test_the_failure_itself_is_one_line(bad: Run) -> None:
    assert "15 mistakes, nothing was changed: see the list above" in bad.output


def test_a_good_inventory_passes_without_a_connection(play: Play, tmp_path: Path) -> None:
    """Also beside variables that only look like ours (own ones, facts, results of earlier plays), and without users."""
    command = {"ansible.builtin.command": "true", "delegate_to": "localhost", "register": "mail_result"}
    command |= {"vars": {"ansible_connection": "local"}}
    tasks = [command, {"ansible.builtin.set_fact": {"postfix_seen": True}}]
    before = {"hosts": "mail_servers", "gather_facts": False, "tasks": tasks}
    playbook = tmp_path / "both.yml"
    playbook.write_text(yaml.safe_dump([before, {"import_playbook": "postern.mail.validate"}]))
    more = {"mail_own_variables": ["mail_relay_*"], "mail_relay_token": "x", "postfix_process_limit": "50", "users": []}
    run = play({**GOOD, **more}, playbook=str(playbook), mx2={"mail_users": [], "mail_postmaster": "me@example.com"})
    assert run.code == 0, run.output
    assert not run.connected
    assert "postern.mail: no mistakes." in run.output


def test_a_warning_is_told_and_does_not_stop(play: Play) -> None:
    run = play({**GOOD, "mail_quota": "10M", "mail_hostname": "mx.example.org"})
    assert run.code == 0, run.output
    assert "postern.mail: 2 warnings." in run.output
    assert "warning: mail_quota: 10M" in run.report
    assert "mx1, mx2 have the same name" in run.report


def test_the_inventory_of_the_front_page_is_right_and_the_run_goes_on(play: Play) -> None:
    """And shows that a connection would have been noticed in the other tests."""
    readme = (Path(__file__).resolve().parents[4] / "README.md").read_text(encoding="utf-8")
    example = yaml.safe_load(readme.partition("```yaml\n")[2].partition("```")[0])
    variables = {**example["mail_servers"]["vars"], "mail_hostname": GOOD["mail_hostname"]}
    run = play(variables, playbook="postern.mail.site")
    assert "postern.mail: no mistakes." in run.output, run.output
    assert run.connected
    assert run.code != 0
