# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The watch sees what clients see: a certificate that expires, a wrong name, a service not reloaded, or none at all."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from dialogue.imap import Mailbox
from dialogue.journal import Journal
from dialogue.lab import Server, wait_for
from dialogue.notes import Everywhere, note
from dialogue.pairs import certificate, served, settings, write
from sample_certificates import key_pem

pytestmark = pytest.mark.disturbs


PROGRAM = "/usr/local/lib/postern/certificate-watch"
UNIT = "certificate-watch.service"
WANTED = "/etc/postern/certificate-watch.json"
TOLD = "/var/lib/private/certificate-watch/told"
OTHER_PORT = 9443
SUBJECT = "problem with the certificates that are served"


@dataclass
class Look:
    """What one look said: by hand, and by the unit."""

    status: int
    line: str
    unit: str
    journal: list[str]


@dataclass
class Story:
    """Situation -> look; and the mail of a day."""

    looks: dict[str, Look] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)


def look(server: Server) -> Look:
    server.run("journalctl", "--sync")  # what was said before is written
    journal = Journal(server)
    done = server.run(PROGRAM, check=False)
    # Which also forgets how often it was started lately: on a quick machine that is too often for systemd.
    server.run("systemctl", "reset-failed", UNIT, check=False)
    server.run("systemctl", "start", UNIT, check=False)
    line = done.stdout.decode().strip()
    note(f"{server}: {done.returncode} {line}")
    state = server.output("systemctl", "show", "-P", "Result", UNIT)
    server.run("journalctl", "--sync")
    return Look(done.returncode, line, state, journal.find(r"^certificate-watch\["))


def names(server: Server) -> list[str]:
    """What is looked for: the server's own name, and what certbot asks for."""
    wanted = json.loads(server.output("cat", WANTED))["names"]
    return [server.hostname, *(name for name in wanted if name != server.hostname)]


def mailbox(server: Server) -> Mailbox:
    """Where mail to the postmaster arrives in the lab."""
    return Mailbox(server, "alice")


def mails(server: Server) -> list[str]:
    with mailbox(server) as box:
        return [box.fetch(uid).decode(errors="replace") for uid in box.search("SUBJECT", f'"{SUBJECT}"')]


def settle(server: Server, words: str) -> None:
    """Wait until the program says so twice, and of no port that it differs: processes of before a reload have gone."""

    def settled() -> bool:
        first, second = (server.run(PROGRAM, check=False).stdout.decode() for _ in range(2))
        return words in first and "not all ports" not in first and first == second

    wait_for(f"'{words}'", settled)


@Everywhere
def story(server: Server) -> Story:
    """One day of a server, from bad to worse and to well again."""
    told, before = Story(), len(mails(server))
    server.run("rm", "-f", TOLD)
    settle(server, "CERTIFICATE OK")
    told.looks["well"] = look(server)
    wanted = names(server)
    with served(server, wanted, 9.5):
        settle(server, "expires in 9 days")
        told.looks["soon"] = look(server)
        told.looks["soon again"] = look(server)
    settle(server, "CERTIFICATE OK")
    with served(server, ["other.example"], 30):
        settle(server, "it is for other.example")
        told.looks["wrong name"] = look(server)
    with served(server, wanted[:-1], 30):
        settle(server, f"it is for {server.hostname}")
        told.looks["lacks a name"] = look(server)
    server.run("systemctl", "stop", "dovecot.service")
    try:
        settle(server, "serves none")
        told.looks["one is down"] = look(server)
    finally:
        server.run("systemctl", "start", "dovecot.service")
    settle(server, "CERTIFICATE OK")
    told.looks["mended"] = look(server)
    wait_for("mail", lambda: len(mails(server)) > before)
    told.mails = mails(server)[before:]
    return told


PORTS = "ports 25,( 443,)? 465, 587, 993"
SITUATIONS = {
    "well": (0, rf"^CERTIFICATE OK - {PORTS}(, \d+)*: valid until .* \| days=\d+;14;4$", "success"),
    "soon": (1, rf"^CERTIFICATE WARNING - {PORTS}.*: the certificate expires in 9 days", "exit-code"),
    "soon again": (1, r"^CERTIFICATE WARNING", "exit-code"),
    "wrong name": (2, r"^CERTIFICATE CRITICAL - .*is not for mx\..*: it is for other\.example", "exit-code"),
    "lacks a name": (2, r"^CERTIFICATE CRITICAL - .*the certificate is not for [^ ,]+: it is for mx\.", "exit-code"),
    "one is down": (2, r"^CERTIFICATE CRITICAL - port 993 serves none: .*refused", "exit-code"),
    "mended": (0, r"^CERTIFICATE OK", "success"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_monitoring_is_told(server: Server, servers: Sequence[Server], situation: str) -> None:
    status, line, result = SITUATIONS[situation]
    seen = story(server, servers).looks[situation]
    assert seen.status == status
    assert re.search(line, seen.line), seen.line
    assert seen.unit == result


@pytest.mark.parametrize("situation", SITUATIONS)
def test_journal_is_told_what_is_wrong_and_no_more(server: Server, servers: Sequence[Server], situation: str) -> None:
    seen = story(server, servers).looks[situation]
    findings = seen.line.split(" - ", 1)[1].split(" | ", 1)[0].split("; ") if seen.status else []
    logged = [line.split(": ", 1)[1] for line in seen.journal]
    assert [finding for finding in findings if finding not in logged] == []
    assert len(logged) == max(len(findings), 1)


def test_postmaster_gets_one_mail_a_day(server: Server, servers: Sequence[Server]) -> None:
    (mail,) = story(server, servers).mails
    assert f"Subject: {server.hostname}: a {SUBJECT}" in mail.replace("\r\n ", " ")
    assert "the certificate expires in 9 days" in mail
    assert "Auto-Submitted: auto-generated" in mail
    assert "Return-Path: <>" in mail


def test_a_service_with_another_certificate_is_told(server: Server) -> None:
    """As one that was not reloaded. Daemons of ours take new files with new processes, so the test has its own."""
    directory = server.output("mktemp", "-d")
    known = settings(server)
    consumer = {"name": "other", "rsa": False, "ports": [{"port": OTHER_PORT, "protocol": "https"}]}
    files = {
        "settings": json.dumps(known | {"consumers": [*known["consumers"], consumer]}),
        "certificate": certificate(names(server), 40),
        "key": key_pem(),
    }
    for name, text in files.items():
        write(server, f"{directory}/{name}", text)
    words = ["-accept", str(OTHER_PORT), "-cert", f"{directory}/certificate", "-key", f"{directory}/key", "-quiet"]
    server.run("systemd-run", "--unit=watch-other", "openssl", "s_server", *words)
    try:
        server.wait_until("it listens", f"exec 3<>/dev/tcp/127.0.0.1/{OTHER_PORT}")
        done = server.run(PROGRAM, "--settings", f"{directory}/settings", check=False)
    finally:
        server.run("systemctl", "stop", "watch-other.service", check=False)
        server.run("rm", "-r", directory)
    line = done.stdout.decode()
    assert done.returncode == 1, line
    assert re.search(rf"not all ports serve the same certificate: .*port {OTHER_PORT} the one until", line)


def test_timer_is_set(server: Server) -> None:
    assert server.output("systemctl", "is-active", "certificate-watch.timer") == "active"
    assert server.output("systemctl", "is-enabled", "certificate-watch.timer") == "enabled"


def test_unit_is_confined(server: Server) -> None:
    words = server.output("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
    assert float(re.findall(r"\d+\.\d", words)[-1]) < 2.0, words
