# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""DMARC: who may write which From, whose results are believed, and what happens when the milter or DNS is not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from dialogue.clients import submitter
from dialogue.fields import fields, results
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.outside import HELO, WORLD, connect, deliver, send_from
from dialogue.signing import sign
from dialogue.smtp import Reply

UNIT = "opendmarc.service"
STRANGER = "somebody@world.example"  # SPF says pass, for a domain that is in nobody's From


@dataclass(frozen=True)
class Case:
    """A message from world: envelope sender, From, who signed it; and what DMARC says."""

    author: str
    result: str
    refused: bool = False
    sender: str = STRANGER
    signed: str = ""

    def __str__(self) -> str:
        return f"{self.sender} {self.author} {self.signed or '-'}"


CASES = (
    # SPF alone, DKIM alone, neither.
    Case("signed.example", "pass", sender="somebody@signed.example"),
    Case("signed.example", "pass", signed="signed.example"),
    Case("signed.example", "fail", refused=True),
    # Somebody else's signature is worth nothing.
    Case("signed.example", "fail", refused=True, signed="nodmarc.example"),
    # Relaxed: a subdomain belongs to its domain, and the other way round. Strict: not.
    Case("sub.signed.example", "pass", signed="signed.example"),
    Case("signed.example", "pass", sender="somebody@sub.signed.example"),
    Case("strict.example", "pass", signed="strict.example"),
    Case("sub.strict.example", "fail", refused=True, signed="strict.example"),
    # The policies, and that of a subdomain.
    Case("quarantine.example", "fail"),
    Case("monitored.example", "fail"),
    Case("nodmarc.example", "none"),
    Case("subreject.example", "fail"),
    Case("sub.subreject.example", "fail", refused=True),
    Case("sub.unsigned.example", "fail", refused=True),
)


def send(lab: Lab, server: Server, cases: tuple[Case, ...]) -> dict[Case, tuple[Reply, bytes]]:
    """Each case's reply and, if it was taken, the message as it arrived. Few are refused in one session."""
    tokens, alice = {case: new_token() for case in cases}, server.address_of("alice")
    replies: dict[Case, Reply] = {}
    with connect(lab, server, WORLD) as client:
        client.ehlo(HELO[WORLD])
        for case, token in tokens.items():
            message = plain(token, f"somebody@{case.author}", alice)
            if case.signed:
                message = sign(lab, message, case.signed)
            replies[case] = client.transaction(case.sender, alice, message)
    with Mailbox(server, "alice") as mailbox:
        return {
            case: (reply, mailbox.wait(tokens[case])[0] if reply.code == 250 else b"")
            for case, reply in replies.items()
        }


def test_observing_every_result_is_told_and_nobody_is_refused(lab: Lab, server: Server) -> None:
    seen = send(lab, server, CASES)
    assert {str(case): reply.code for case, (reply, _) in seen.items()} == {str(case): 250 for case in CASES}
    told = {str(case): results(message, server.hostname).get("dmarc") for case, (_, message) in seen.items()}
    assert told == {str(case): [case.result] for case in CASES}


@pytest.mark.enforce
def test_enforcing_what_fails_p_reject_is_refused_and_nothing_else(lab: Lab, server: Server) -> None:
    seen = send(lab, server, CASES)
    answers = {str(case): (reply.code, reply.enhanced if reply.rejected else "") for case, (reply, _) in seen.items()}
    assert answers == {str(case): (550, "5.7.1") if case.refused else (250, "") for case in CASES}
    told = {str(case): results(message, server.hostname)["dmarc"] for case, (_, message) in seen.items() if message}
    assert told == {str(case): [case.result] for case in CASES if not case.refused}


def test_results_that_a_stranger_brings_along_count_for_nothing(lab: Lab, server: Server) -> None:
    name, token, alice = server.hostname, new_token(), server.address_of("alice")
    lie = "dkim=pass header.d=monitored.example"
    forged = (
        f"Authentication-Results: {name}; {lie}",
        f"Authentication-Results: {name.upper()};\r\n\t{lie}",
        f"authentication-results:\r\n {name} 1; {lie}",
        f'Authentication-Results: "{name}"; {lie}',
        f"Authentication-Results: (ours) {name}; {lie}; dmarc=pass header.from=monitored.example",
        f"Authentication-Results: {name}; spf=pass smtp.mailfrom=monitored.example",
        "Received-SPF: Pass (mailfrom) identity=mailfrom; envelope-from=somebody@monitored.example",
        f"Authentication-Results: elsewhere.example; {lie}",
    )
    message = "\r\n".join((*forged, "")).encode() + plain(token, "somebody@monitored.example", alice)
    reply = send_from(lab, server, WORLD, alice, message, sender=STRANGER)
    assert reply.code == 250, reply
    delivered = arrived(server, "alice", token)
    found = results(delivered, name)
    assert (found["dmarc"], found["spf"], found["dkim"]) == (["fail"], ["pass"], ["none"])
    # Three of this server's own, and what another one said, which is marked as such.
    assert [value.split(";")[0] for value in fields(delivered, "Authentication-Results")] == [
        name,
        name,
        name,
        "elsewhere.example",
    ]


def test_our_own_users_are_not_judged(server: Server) -> None:
    token, alice, bob = new_token(), server.account("alice"), server.address_of("bob")
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, bob, plain(token, alice.address, bob)).code == 250
    assert "dmarc" not in results(arrived(server, "bob", token), server.hostname)


@pytest.mark.enforce
@pytest.mark.parametrize(
    "author",
    [
        "From: <somebody@nodmarc.example>, <somebody@unsigned.example>",
        "From: somebody at unsigned.example",
        "From: undisclosed:;",
        "X-From: <somebody@unsigned.example>",
    ],
)
def test_enforcing_a_from_that_cannot_be_judged_is_refused(lab: Lab, server: Server, author: str) -> None:
    alice = server.address_of("alice")
    lines = plain(new_token(), STRANGER, alice).split(b"\r\n")
    message = b"\r\n".join([author.encode(), *lines[1:]])
    assert send_from(lab, server, WORLD, alice, message, sender=STRANGER).rejected


def test_it_runs_as_nobody_in_particular(server: Server) -> None:
    status = server.shell(f"cat /proc/$(systemctl show -P MainPID {UNIT})/status")
    values = {key: value.split() for key, _, value in (line.partition(":") for line in status.splitlines())}
    assert "0" not in values["Uid"]
    assert {values[name][0].strip("0") for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {""}
    assert values["NoNewPrivs"] == ["1"] and values["Seccomp"] == ["2"]
    server.run("systemd-analyze", "security", "--threshold=15", "--no-pager", UNIT)


@contextlib.contextmanager
def stopped(server: Server) -> Iterator[None]:
    """The milter is down inside the block."""
    server.shell(f"systemctl stop {UNIT}")
    try:
        yield
    finally:
        server.shell(f"systemctl start {UNIT}")


@pytest.mark.disturbs
def test_while_the_milter_is_down_mail_waits(lab: Lab, server: Server) -> None:
    token, alice = new_token(), server.address_of("alice")
    message = plain(token, STRANGER, alice)
    with connect(lab, server, WORLD) as client:
        client.ehlo(HELO[WORLD])
        client.mail(STRANGER)
        client.rcpt(alice)
        with stopped(server):
            assert client.data(message).code in (451, 421)
            reply = send_from(lab, server, WORLD, alice, message, sender=STRANGER)
            assert 400 <= reply.code <= 499, reply
    assert deliver(lab, server, WORLD, alice, message, sender=STRANGER).code == 250
    assert results(arrived(server, "alice", token), server.hostname)["dmarc"] == ["none"]


@pytest.mark.disturbs
def test_killed_it_comes_back(lab: Lab, server: Server) -> None:
    pid = f"systemctl show -P MainPID {UNIT}"
    old = server.shell(pid)
    server.shell(f"kill -9 {old}")
    script = (
        f'test "$(systemctl is-active {UNIT})" = active && new=$({pid}) && test "$new" != {old} && test "$new" != 0'
    )
    seconds = server.wait_until("opendmarc again", script)
    print(f"{server}: {seconds:.1f} s")
    token, alice = new_token(), server.address_of("alice")
    reply = deliver(lab, server, WORLD, alice, plain(token, STRANGER, alice), sender=STRANGER)
    assert reply.code == 250, reply
    assert "dmarc" in results(arrived(server, "alice", token), server.hostname)


SENDERS = {"sender": STRANGER, "bounce": ""}


@pytest.fixture(scope="module")
def without_dns(lab: Lab, stage: Any) -> dict[tuple[Server, str], Reply]:
    """What every server says to mail from each sender while nobody answers questions; all are asked at once."""
    stage.set("enforce")  # before the fixture of every test that does so, which is of a smaller scope

    def ask(server: Server, sender: str) -> Reply:
        alice = server.address_of("alice")
        message = plain(new_token(), "somebody@unsigned.example", alice)
        return send_from(lab, server, WORLD, alice, message, sender=sender)

    cases = [(server, kind) for server in lab.servers for kind in SENDERS]
    lab.world.shell("systemctl stop named.service")
    try:
        with ThreadPoolExecutor(max_workers=len(cases)) as pool:
            replies = list(pool.map(lambda case: ask(case[0], SENDERS[case[1]]), cases))
    finally:
        lab.world.shell("systemctl start named.service")
        lab.world.wait_until("DNS", "dig +short +time=1 +tries=1 @127.0.0.1 SOA world.example | grep -q .")
    return dict(zip(cases, replies, strict=True))


@pytest.mark.enforce
@pytest.mark.disturbs
@pytest.mark.together
@pytest.mark.parametrize("kind", SENDERS)
def test_enforcing_without_dns_mail_waits(
    without_dns: dict[tuple[Server, str], Reply], server: Server, kind: str
) -> None:
    reply = without_dns[server, kind]
    assert 400 <= reply.code <= 499, reply
