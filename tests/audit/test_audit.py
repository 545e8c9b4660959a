# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What only real servers can show: that nothing on them is changed, and that what is told of them is true."""

from __future__ import annotations

import smtplib
from pathlib import Path
from typing import Any

import pytest
from auditing import Played, play
from dialogue.journal import Journal
from dialogue.lab import Server

# What the configurations in molecule/audit/files were given on purpose.
WRONG = {
    "mx-old": {
        "dnsbl-dead",
        "duplicate-parameter",
        "empty-relay-list",
        "helo-not-required",
        "relay-by-sender",
        "roaming-users-refused",
        "table-not-compiled",
        "unknown-restriction",
        "unreachable-restriction",
    },
    "mx-new": {
        "comment-in-list",
        "dnsbl-dead",
        "login-check-without-maps",
        "mismatch-after-permit",
        "mynetworks-host-bits",
        "postscreen-denylist-ignored",
        "postscreen-dnsbl-ignored",
        "postscreen-threshold-unreachable",
        "removed-restriction",
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_every_mistake_is_found(audited: Played, name: str) -> None:
    assert WRONG[name] - {finding["code"] for finding in audited.reports[name]["findings"]} == set()


def test_fails_after_all_reports_are_written_and_says_what_next(audited: Played) -> None:
    assert audited.status == 2
    assert {path.name for path in (audited.directory / "audit").iterdir()} == {
        f"{name}.{suffix}" for name in WRONG for suffix in ("html", "json", "sarif")
    }
    assert 'begin at the top, with "What to do first". Nothing on the hosts was changed.' in audited.output.replace(
        "\\", ""
    )
    assert "changed=0" in audited.output and "changed=1" not in audited.output


def test_worst_is_printed_first(audited: Played) -> None:
    lines = audited.output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("mx-old, Postfix 3.7"))
    assert "1. [Can be misused]" in lines[first + 1]


def test_no_password_is_in_the_reports(audited: Played) -> None:
    for path in (audited.directory / "audit").iterdir():
        assert "must-not-see-this" not in path.read_text(), path.name
    assert "must-not-see-this" not in audited.output


def test_explain_says_what_the_server_really_answers(servers: dict[str, Server], visit: Any, tmp_path: Path) -> None:
    """The machine that runs the lab is a stranger to them; its name is in the reply."""
    server = servers["mx-old"]
    gateway = server.output("sh", "-c", "ip -4 route show default | cut -d' ' -f3")
    sender, recipient = "somebody@world.example", "root@old.example"
    with smtplib.SMTP(server.address, 25, local_hostname="client.world.example", timeout=120) as client:
        client.ehlo()
        client.mail(sender)
        code, text = client.rcpt(recipient)
    name = text.decode().partition("<")[2].partition("[")[0]
    given = {
        "client": gateway,
        "client_name": name,
        "helo": "client.world.example",
        "sender": sender,
        "recipient": recipient,
    }
    arguments = [part for key, value in given.items() for part in ("-e", f"{key}={value}")]
    told = play("explain", "--limit", "mx-old", *arguments, directory=tmp_path)
    assert told.status == 0
    assert f"{code} {text.decode()}" in " ".join(told.output.split())
    assert "rule 4 of smtpd_recipient_restrictions" in told.output.lower()
    assert "postmap hash:/etc/postfix/whitelist" in told.output  # what to do


def test_the_open_relay_is_one(servers: dict[str, Server], audited: Played) -> None:
    (finding, *_others) = [
        each for each in audited.reports["mx-old"]["findings"] if each["code"].startswith("relay-by-")
    ]
    session = finding["session"]
    with smtplib.SMTP(
        servers["mx-old"].address, 25, local_hostname=session["helo"] or "x.example", timeout=120
    ) as client:
        client.ehlo()
        client.mail(session["sender"])
        code, _text = client.rcpt(session["rcpts"][0])
    assert code == 250


def test_a_log_line_is_understood(servers: dict[str, Server], visit: Any, tmp_path: Path) -> None:
    """A line as this Postfix has written it just now."""
    server = servers["mx-old"]
    log = Journal(server)
    with smtplib.SMTP(server.address, 25, local_hostname="client.world.example", timeout=120) as client:
        client.ehlo()
        client.mail("somebody@world.example")
        client.rcpt("root@old.example")
    log.wait("NOQUEUE: reject")
    line = server.shell("journalctl --no-pager --output=short --grep 'NOQUEUE: reject' --lines 1 | tail -1")
    told = play("explain", "--limit", "mx-old", "-e", f'{{"log": "{line}"}}', directory=tmp_path)
    assert told.status == 0 and "The configuration of today still answers so." in told.output, line


def test_mistakes_of_the_question_are_said(tmp_path: Path) -> None:
    told = play(
        "explain", "--limit", "mx-new", "-e", "client=203.0.113.7", "-e", "recipent=a@b.example", directory=tmp_path
    )
    assert told.status == 2 and "did you mean recipient?" in " ".join(told.output.split())


def test_an_exception_that_matches_nothing_is_a_mistake(tmp_path: Path) -> None:
    accept = (
        '{"audit_fail_on": "never", "audit_accept_findings": [{"code": "open-relay", "element": "x", "reason": "y"}]}'
    )
    wrong = play("audit", "--limit", "mx-new", "-e", accept, directory=tmp_path)
    assert wrong.status == 2 and "open-relay for x matches no finding" in " ".join(wrong.output.split())


@pytest.mark.parametrize("name", WRONG)
def test_nothing_on_the_servers_was_changed(visit: Any, name: str) -> None:
    """By the audit and by an explanation."""
    assert visit.after[name] == visit.before[name]
