# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""DKIM: what is ours leaves signed, what is not does not, and what comes in is judged; dkimpy is the other side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dialogue import world
from dialogue.clients import FRIEND, submitter
from dialogue.fields import fields, results
from dialogue.imap import arrived
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain, with_attachments
from dialogue.outside import CLEAN, deliver
from dialogue.sieve import ManageSieve
from dialogue.signing import sign, signatures
from dialogue.smtp import Smtp

SENDER = "someone@signed.example"


def send(server: Server, message: bytes, *, account: str = "alice", recipient: str = FRIEND) -> None:
    """The message as ``account`` submits it."""
    with submitter(server, account) as client:
        reply = client.transaction(server.account(account).address, recipient, message)
    assert reply.code == 250, reply


def signers(lab: Lab, message: bytes) -> list[tuple[str, bool]]:
    return [(signature.domain, signature.valid) for signature in signatures(lab, message)]


def local(sender: str, token: str, recipient: str = FRIEND) -> bytes:
    """A message as a program on the machine writes it: without what its mail system adds."""
    return f"From: {sender}\nTo: {recipient}\nSubject: {token}\n\nSays cron.\n".encode()


@contextlib.contextmanager
def active_script(server: Server, account: str, script: str) -> Iterator[None]:
    """The user's Sieve script inside the block."""
    with ManageSieve(server) as client:
        client.starttls()
        assert client.login(server.account(account)).startswith("OK")
        answer = client.put("dkim", script)
        assert answer.startswith("OK"), answer
        try:
            yield
        finally:
            client.remove("dkim")


# -- what leaves -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("account", ["alice", "carol"])
def test_each_domain_has_its_own_signature(lab: Lab, server: Server, account: str) -> None:
    token, own = new_token(), server.account(account).address
    send(server, with_attachments(token, own, FRIEND), account=account)
    assert signers(lab, world.received(lab.world, token)) == [(own.partition("@")[2], True)]


@pytest.mark.usefixtures("published")
def test_keys_with_one_selector_are_different_keys(lab: Lab, server: Server) -> None:
    tables = server.output("cat", "/etc/opendkim/KeyTable")
    entries = [line.split() for line in tables.splitlines() if line and not line.startswith("#")]
    assert len({name for name, __ in entries}) == len(entries) == 3
    publics = {server.shell(f"openssl pkey -in {entry.rpartition(':')[2]} -pubout") for __, entry in entries}
    assert len(publics) == 3


@pytest.mark.usefixtures("published")
def test_fields_that_matter_cannot_be_added(lab: Lab, server: Server) -> None:
    token, own = new_token(), server.address_of("alice")
    send(server, plain(token, own, FRIEND))
    found = world.received(lab.world, token)
    assert [signature.valid for signature in signatures(lab, found)] == [True]
    for extra in (
        b"From: boss@bank.example",
        b"Subject: Pay",
        b"To: you",
        b"Reply-To: x@bank.example",
        b"Cc: y",
        b"MIME-Version: 1.0",
    ):
        changed = (
            found.replace(b"Subject: ", extra + b"\r\nSubject: ", 1)
            if b"\r\n" in found
            else found.replace(b"Subject: ", extra + b"\nSubject: ", 1)
        )
        assert [signature.valid for signature in signatures(lab, changed)] == [False], extra


@pytest.mark.usefixtures("published")
def test_a_signature_covers_the_whole_body_with_sha256(lab: Lab, server: Server) -> None:
    token, own = new_token(), server.address_of("alice")
    send(server, plain(token, own, FRIEND))
    found = world.received(lab.world, token)
    (signature,) = fields(found, "DKIM-Signature")
    tags = dict(tag.strip().split("=", 1) for tag in signature.split(";"))
    assert tags["a"] == "rsa-sha256"
    assert "l" not in tags
    longer = found + b"PS: Pay.\n"
    assert [each.valid for each in signatures(lab, longer)] == [False]


@pytest.mark.usefixtures("published")
def test_bounces_are_signed_by_the_host(lab: Lab, server: Server) -> None:
    """A message of the host's own that cannot be delivered: its bounce goes to a sender outside."""
    token = new_token()
    sender = f"bounced-{token}@world.example"
    server.run("/usr/sbin/sendmail", "-i", "-f", sender, "nobody@nxdomain.example", data=local(sender, token))
    found = world.received(lab.world, f"To: {sender}")
    assert fields(found, "Return-Path") == ["<>"]
    assert signers(lab, found) == [(server.hostname, True)]


@pytest.mark.usefixtures("published")
def test_mail_of_programs_is_signed(lab: Lab, server: Server) -> None:
    tokens = {sender: new_token() for sender in (f"root@{server.hostname}", server.address_of("alice"))}
    for sender, token in tokens.items():
        server.run("/usr/sbin/sendmail", "-i", "-f", sender, FRIEND, data=local(sender, token))
    for sender, token in tokens.items():
        assert signers(lab, world.received(lab.world, token)) == [(sender.partition("@")[2], True)]


def test_what_is_not_from_us_is_not_signed(lab: Lab, server: Server) -> None:
    token = new_token()
    server.run(
        "/usr/sbin/sendmail", "-i", "-f", f"root@{server.hostname}", FRIEND, data=local("x@world.example", token)
    )
    assert signers(lab, world.received(lab.world, token)) == []


def test_a_stranger_gets_no_signature(lab: Lab, server: Server) -> None:
    """With our name in From, and through an alias that leads out again."""
    token = new_token()
    message = plain(token, server.address_of("alice"), server.address_of("away"))
    assert deliver(lab, server, CLEAN, server.address_of("away"), message).code == 250
    assert signers(lab, world.received(lab.world, token)) == []


@pytest.mark.parametrize("author", ["stranger", "signed"])
def test_a_redirect_by_sieve_is_not_our_mail(lab: Lab, server: Server, author: str) -> None:
    """It comes back through 127.0.0.1, which is trusted: a forged From of ours must not be vouched for."""
    token = new_token()
    script = f'redirect "{FRIEND}";\nkeep;\n'
    if author == "stranger":
        message = plain(token, server.address_of("alice"), server.address_of("bob"))
        expected: list[tuple[str, bool]] = []
    else:
        message = sign(lab, plain(token, SENDER, server.address_of("bob")))
        expected = [("signed.example", True)]
    with active_script(server, "bob", script):
        assert deliver(lab, server, CLEAN, server.address_of("bob"), message, sender=SENDER).code == 250
        assert signers(lab, world.received(lab.world, token)) == expected


@pytest.mark.usefixtures("published")
def test_an_automatic_answer_is_ours(lab: Lab, server: Server) -> None:
    token, bob = new_token(), server.address_of("bob")
    asker = f"asker-{token}@world.example"
    script = (
        f'require ["vacation"];\nvacation :days 1 :from "{bob}" :addresses ["{bob}"] :subject "Away {token}" "Away.";\n'
    )
    with active_script(server, "bob", script):
        assert deliver(lab, server, CLEAN, bob, plain(new_token(), asker, bob), sender=asker).code == 250
        found = world.received(lab.world, f"Away {token}")
    assert signers(lab, found) == [(server.domain, True)]


# -- what comes in -----------------------------------------------------------------------------------------------------


def incoming(lab: Lab, server: Server, message: bytes, token: str) -> dict[str, list[str]]:
    reply = deliver(lab, server, CLEAN, server.address_of("alice"), message, sender=SENDER)
    assert reply.code == 250, reply
    return results(arrived(server, "alice", token), server.hostname)


def to_alice(server: Server, token: str) -> bytes:
    return plain(token, SENDER, server.address_of("alice"), "A body of several words.")


@pytest.fixture(autouse=True)
def ed25519_without_pynacl(monkeypatch: pytest.MonkeyPatch) -> None:
    """dkimpy signs with Ed25519 through pynacl, which is not here; cryptography is."""

    class SigningKey:
        def __init__(self, seed: bytes, encoder: object) -> None:
            self.key = load_pem_private_key(seed, None)

        def sign(self, data: bytes) -> SimpleNamespace:
            assert isinstance(self.key, Ed25519PrivateKey)
            return SimpleNamespace(signature=self.key.sign(data))

    shim = SimpleNamespace(
        signing=SimpleNamespace(SigningKey=SigningKey), encoding=SimpleNamespace(Base64Encoder=object())
    )
    monkeypatch.setattr(dkim, "nacl", shim, raising=False)


@pytest.mark.parametrize(
    ("selector", "options", "passes"),
    [
        ("rsa2048", {}, True),
        ("rsa1024", {}, True),
        ("ed25519", {"signature_algorithm": b"ed25519-sha256"}, True),
        ("rsa2048", {"canonicalize": (b"simple", b"simple")}, True),
        ("rsa512", {}, False),
        ("rsa2048", {"signature_algorithm": b"rsa-sha1"}, False),
        ("rsa2048", {"length": True}, False),
        ("nokey", {}, False),
    ],
)
def test_what_counts_as_a_signature(
    lab: Lab, server: Server, selector: str, options: dict[str, object], passes: bool
) -> None:
    """RFC 8301: no SHA-1, no short keys; and no l=, which leaves the end of the body open. None is refused for it."""
    token = new_token()
    key = "rsa2048" if selector == "nokey" else selector
    message = sign(lab, to_alice(server, token), selector=key, **options)
    found = incoming(
        lab, server, message.replace(b"s=rsa2048;", b"s=nokey;") if selector == "nokey" else message, token
    )
    assert (found["dkim"] == ["pass"]) is passes, found
    assert "pass" not in found["dkim"] or passes


@pytest.mark.parametrize("where", ["body", "header"])
def test_a_changed_message_fails_and_is_accepted(lab: Lab, server: Server, where: str) -> None:
    token = new_token()
    message = sign(lab, to_alice(server, token))
    changed = message.replace(b"words", b"w0rds") if where == "body" else message.replace(b"To: <", b"To: A <", 1)
    assert incoming(lab, server, changed, token)["dkim"] == ["fail"]


def test_either_of_two_signatures_suffices(lab: Lab, server: Server) -> None:
    token = new_token()
    message = sign(lab, to_alice(server, token), selector="ed25519", signature_algorithm=b"ed25519-sha256")
    broken = sign(lab, message, selector="rsa512")
    assert "pass" in incoming(lab, server, broken, token)["dkim"]


def test_unsigned_mail_is_said_to_be_so(lab: Lab, server: Server) -> None:
    token = new_token()
    assert incoming(lab, server, to_alice(server, token), token)["dkim"] == ["none"]


def test_a_key_that_dns_does_not_answer_for_is_no_pass(lab: Lab, server: Server) -> None:
    """The message is accepted: the sender's name servers may fail for good."""
    token = new_token()
    found = incoming(lab, server, sign(lab, to_alice(server, token), "servfail.example"), token)
    assert "pass" not in found.get("dkim", [])


# -- the daemon --------------------------------------------------------------------------------------------------------


def test_private_keys_are_for_the_daemon_alone(server: Server) -> None:
    listing = server.output("find", "/etc/dkimkeys", "-name", "*.pem", "-printf", "%m %u %g\\n").splitlines()
    assert set(listing) == {"600 opendkim opendkim"}
    assert server.output("stat", "-c", "%a %U", "/etc/dkimkeys") == "700 opendkim"


def test_the_daemon_is_confined(server: Server) -> None:
    report = server.run("systemd-analyze", "security", "opendkim.service", check=False).stdout.decode()
    assert float(report.rpartition("opendkim.service: ")[2].split()[0]) <= 1.5
    assert server.output("ps", "-C", "opendkim", "-o", "user=").split() == ["opendkim"]


@pytest.mark.disturbs
def test_nothing_leaves_unsigned_while_it_is_down(lab: Lab, server: Server) -> None:
    token, own = new_token(), server.address_of("alice")
    server.shell("systemctl stop opendkim.service")
    try:
        with Smtp(server.address, server.ports["submission"]) as client:
            client.ehlo("laptop.invalid")
            reply = client.say("STARTTLS")
        server.run("/usr/sbin/sendmail", "-i", "-f", own, FRIEND, data=local(own, token))
        assert 400 <= reply.code <= 499, reply
    finally:
        server.shell("systemctl start opendkim.service")
    # pickup comes back to what it could not hand over in a minute, or when it is told to
    assert signers(lab, world.received(lab.world, token, timeout=90, queue=server)) == [(server.domain, True)]


@pytest.mark.disturbs
def test_it_comes_back_when_it_is_killed(server: Server) -> None:
    pid = "systemctl show -P MainPID opendkim.service"
    before = server.shell(pid)
    server.shell("systemctl kill -s KILL opendkim.service")
    again = f"p=$({pid}); [ $p -gt 0 ] && [ $p != {before} ] && [ -S /run/opendkim/milter ]"
    server.wait_until("another opendkim", again)
