# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Who may log in, where, and what a wrong guess teaches."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from dialogue.clients import HELO, stranger, submitter
from dialogue.imap import Mailbox
from dialogue.lab import Account, Server
from dialogue.notes import Everywhere
from dialogue.sieve import ManageSieve
from dialogue.smtp import Reply, Smtp, elapsed

SUBMISSION = ["submission", "submissions"]


def disabled(server: Server) -> Account:
    """The account that is switched off, with its right password; the lab does not list it."""
    return Account(server.address_of("disabled"), "disabled-lab-pass", (), None)


def test_auth_is_not_on_port_25(server: Server) -> None:
    with stranger(server) as client:
        assert "AUTH" not in client.extensions
        assert (client.say("AUTH PLAIN").code, client.say("AUTH LOGIN").code) == (503, 503)
        client.starttls(HELO)
        assert "AUTH" not in client.extensions
        reply = client.auth_plain(server.account("alice").address, server.account("alice").password)
        assert (reply.code, reply.enhanced) == (503, "5.5.1"), reply


def test_auth_before_tls_is_neither_offered_nor_taken(server: Server) -> None:
    alice = server.account("alice")
    with Smtp(server.address, server.ports["submission"]) as client:
        client.ehlo(HELO)
        assert "AUTH" not in client.extensions and "STARTTLS" in client.extensions
        assert client.auth_plain(alice.address, alice.password).code in (503, 530)
        reply = client.mail(alice.address)
        assert (reply.code, reply.enhanced) == (530, "5.7.0"), reply


@pytest.mark.parametrize("service", SUBMISSION)
def test_mechanisms_are_plain_and_login(server: Server, service: str) -> None:
    with submitter(server, service=service) as client:
        assert sorted(client.extensions["AUTH"].split()) == ["LOGIN", "PLAIN"]
        assert not [name for name in client.extensions if name.startswith("AUTH=")]
        for mechanism in ("CRAM-MD5", "DIGEST-MD5", "ANONYMOUS", "NTLM", "SCRAM-SHA-1"):
            assert client.say(f"AUTH {mechanism}").rejected


@pytest.mark.parametrize("service", SUBMISSION)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("name", ["alice", "carol", "hashed"])
def test_right_password_logs_in(server: Server, service: str, mechanism: str, name: str) -> None:
    account = server.account(name)
    with submitter(server, service=service) as client:
        login = client.auth_plain if mechanism == "PLAIN" else client.auth_login
        assert login(account.address, account.password).code == 235


def test_login_name_is_not_case_sensitive(server: Server) -> None:
    alice = server.account("alice")
    with submitter(server) as client:
        assert client.auth_plain(alice.address.upper(), alice.password).code == 235
    with Mailbox(server, replace(alice, address=alice.address.upper())) as mailbox:
        assert mailbox.select()


@pytest.mark.parametrize("service", SUBMISSION)
def test_submission_without_login_is_refused(server: Server, service: str) -> None:
    with submitter(server, service=service) as client:
        reply = client.mail(server.address_of("alice"))
        if reply.code == 250:
            reply = client.rcpt(server.address_of("bob"))
    assert reply.rejected, reply


def test_sieve_login_needs_tls(server: Server) -> None:
    alice = server.account("alice")
    with ManageSieve(server) as client:
        assert "STARTTLS" in client.capabilities
        assert not client.capabilities.get("SASL")
        assert client.login(alice).startswith("NO")
    with ManageSieve(server) as client:
        client.starttls()
        assert set(client.capabilities["SASL"].split()) <= {"PLAIN", "LOGIN"}
        assert client.login(alice).startswith("OK")


def test_sieve_command_injected_before_the_handshake_is_not_executed(server: Server) -> None:
    with ManageSieve(server) as client:
        client.send(b'STARTTLS\r\nNOOP "injected"\r\n')
        assert client.read()[-1].startswith("OK")
        with contextlib.suppress(OSError, EOFError):
            client.wrap()
            client.send(b'NOOP "mine"\r\n')
            assert "injected" not in client.read()[-1]


# User names and passwords that fail, as they are or because the account is off.
ODD_NAMES: dict[str, bytes] = {
    "quotes": b"' OR 1=1--@%d",
    "double_quotes": b'alice"@%d',
    "tab": b"alice\t@%d",
    "newline": b"alice@%d\nOK\t1",
    "wildcard": b"*@%d",
    "path": b"../../alice@%d",
    "percent": b"%%u%%d@%d",
    "not_utf8": b"\xff\xfe@%d",
    "ten_kilobytes": b"a" * 10_000 + b"@%d",
    "empty": b"",
    "no_domain": b"alice",
    "alias": b"sales@%d",
}


# What follows AUTH PLAIN in place of a user name and a password.
BROKEN_RESPONSES = {
    "NUL in the name": base64.b64encode(b"\0ali\0ce\0@x\0wrong"),
    "only padding": b"====",
    "empty response": b"=",
    "no NUL at all": base64.b64encode(b"alice"),
}


@Everywhere
def failed_logins(server: Server) -> dict[str, tuple[Reply, float]]:
    """Every login that must fail, all at once: Dovecot makes an address that fails wait longer each time."""
    alice, off = server.account("alice"), disabled(server)
    attempts: dict[str, tuple[bytes, bytes]] = {
        "wrong password": (alice.address.encode(), b"wrong"),
        "unknown user": (server.address_of("nobody-of-that-name").encode(), b"wrong"),
        "foreign domain": (b"alice@world.example", b"wrong"),
        "empty password": (alice.address.encode(), b""),
        "disabled": (off.address.encode(), off.password.encode()),
        "disabled, wrong password": (off.address.encode(), b"wrong"),
        "hash as password": (server.address_of("hashed").encode(), b"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$"),
        **{name: (odd.replace(b"%d", server.domain.encode()), b"wrong") for name, odd in ODD_NAMES.items()},
    }
    responses = {name: base64.b64encode(b"\0" + user + b"\0" + word) for name, (user, word) in attempts.items()}
    responses |= BROKEN_RESPONSES
    with ThreadPoolExecutor(max_workers=len(responses)) as pool:
        futures = {name: pool.submit(_attempt, server, response) for name, response in responses.items()}
        return {name: future.result() for name, future in futures.items()}


def _attempt(server: Server, response: bytes) -> tuple[Reply, float]:
    """The reply to AUTH PLAIN with ``response``, and the seconds it took."""
    with Smtp(server.address, server.ports["submissions"], implicit_tls=True, timeout=240) as client:
        client.ehlo(HELO)
        started = time.monotonic()
        return client.say(b"AUTH PLAIN " + response), elapsed(started)


def test_wrong_password_and_unknown_user_get_the_same_words(server: Server, servers: list[Server]) -> None:
    replies = failed_logins(server, servers)
    expected = replies["wrong password"][0]
    assert (expected.code, expected.enhanced) == (535, "5.7.8"), expected
    same = ("unknown user", "foreign domain", "disabled", "disabled, wrong password", "hash as password")
    assert {name: replies[name][0] for name in same} == dict.fromkeys(same, expected)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_user_name_is_a_plain_failure(server: Server, servers: list[Server], name: str) -> None:
    reply = failed_logins(server, servers)[name][0]
    assert reply.code in ({500, 501, 535} if name in ("ten_kilobytes", "empty") else {501, 535}), reply


@pytest.mark.parametrize("name", BROKEN_RESPONSES)
def test_broken_sasl_response_is_a_plain_failure(server: Server, servers: list[Server], name: str) -> None:
    reply = failed_logins(server, servers)[name][0]
    assert reply.code in (501, 535), reply


def test_others_log_in_after_odd_names(server: Server, servers: list[Server]) -> None:
    failed_logins(server, servers)
    with submitter(server, "bob", service="submissions") as client:
        assert client.say("NOOP").code == 250


@Everywhere
def answer_times(server: Server) -> dict[str, float]:
    """Seconds that a wrong guess takes, in the middle of three pairs that are sent at the same moment."""
    known, unknown = server.account("bob").address, server.address_of("nobody-of-that-name")
    times: dict[str, list[float]] = {known: [], unknown: []}
    with ThreadPoolExecutor(max_workers=2) as pool:
        for number in range(3):
            futures = {}
            for user in times:
                response = base64.b64encode(f"\0{user}\0guess {number}".encode())
                futures[user] = pool.submit(_attempt, server, response)
            for user, future in futures.items():
                times[user].append(future.result()[1])
    return {"known": statistics.median(times[known]), "unknown": statistics.median(times[unknown])}


def test_unknown_user_takes_as_long_as_a_wrong_password(server: Server, servers: list[Server]) -> None:
    times = answer_times(server, servers)
    # Side by side, hence a ratio: without the delay of one of them it would be very far from one.
    assert 0.2 < times["known"] / times["unknown"] < 5, times


def _imap_words(server: Server, account: Account) -> str:
    try:
        with Mailbox(server, account):
            return "logged in"
    except imaplib.IMAP4.error as error:
        return str(error)


@Everywhere
def imap_failures(server: Server) -> list[str]:
    guesses = [
        replace(server.account("alice"), password="wrong"),
        replace(server.account("alice"), address=server.address_of("nobody-of-that-name")),
        disabled(server),
    ]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda guess: _imap_words(server, guess), guesses))


def test_imap_answers_the_same_to_all_who_fail(server: Server, servers: list[Server]) -> None:
    words = imap_failures(server, servers)
    assert len(set(words)) == 1 and "AUTHENTICATIONFAILED" in words[0], words
