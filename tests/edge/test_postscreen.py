# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""postscreen: who is let in, at once or later, who is not, and what the log says of it, observing and enforcing."""

from __future__ import annotations

import contextlib
import re

import pytest
from dialogue.clients import reload_postfix
from dialogue.imap import arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server, wait_for
from dialogue.message import new_token, plain
from dialogue.outside import CLEAN, FORGED, GATEWAY, HELO, LISTED, connect
from dialogue.smtp import Reply, Smtp

SCREEN = "postfix/postscreen"
FRIEND = "friend@world.example"


@pytest.fixture
def unknown(server: Server) -> None:
    """All clients are strangers again: the memory is lost."""
    server.shell("rm -f /var/lib/postfix/postscreen_cache.lmdb*")
    reload_postfix(server)


def session(client: Smtp, number: int, recipient: str) -> tuple[Reply, str]:
    """The decisive reply to a message, and its token."""
    token = new_token()
    client.ehlo(HELO[number])
    return client.transaction(FRIEND, recipient, plain(token, FRIEND, recipient)), token


def without_require_tls(client: Smtp) -> dict[str, str]:
    return {name: value for name, value in client.extensions.items() if name != "REQUIRETLS"}


def early_talker(lab: Lab, server: Server) -> tuple[Reply, str]:
    """One that says EHLO while the server has not greeted; only that, as smtpd itself drops who says more."""
    token, recipient = new_token(), server.address_of("alice")
    with connect(lab, server, FORGED, read_greeting=False) as client:
        client.send(f"EHLO {HELO[FORGED]}\r\n".encode())
        # Refused, it gets no end of the greeting: postscreen answers its EHLO at once.
        while not (client.read_line() or b"250 ").startswith(b"250 "):
            pass
        return client.transaction(FRIEND, recipient, plain(token, FRIEND, recipient)), token


@pytest.mark.usefixtures("unknown")
def test_a_good_client_waits_once_and_is_remembered_through_a_reload(lab: Lab, server: Server) -> None:
    log, alice = Journal(server), server.address_of("alice")
    address = lab.numbers[CLEAN][0]
    with connect(lab, server, CLEAN) as client:
        reply, token = session(client, CLEAN, alice)
    assert reply.code == 250, reply
    arrived(server, "alice", token)
    log.wait(rf"PASS NEW \[{re.escape(address)}\]", SCREEN)
    server.shell("postfix reload 2>&1")
    with connect(lab, server, CLEAN) as client:
        assert client.greeting.code == 220
        # Not the two lines of a client that is being tested: it came straight to smtpd.
        assert len(client.greeting.lines) == 1, client.greeting
    log.wait(rf"PASS OLD \[{re.escape(address)}\]", SCREEN)


@pytest.mark.usefixtures("unknown")
def test_who_waits_for_the_greeting_is_not_dropped_by_a_reload(lab: Lab, server: Server) -> None:
    alice, log = server.address_of("alice"), Journal(server)
    with connect(lab, server, FORGED, read_greeting=False) as client:
        log.wait("CONNECT from", SCREEN)
        server.shell("postfix reload 2>&1")
        assert client.read().code == 220
        reply, token = session(client, FORGED, alice)
    assert reply.code == 250, reply
    arrived(server, "alice", token)


@pytest.mark.usefixtures("unknown")
def test_an_early_talker_is_observed_and_let_in(lab: Lab, server: Server) -> None:
    log = Journal(server)
    reply, token = early_talker(lab, server)
    assert reply.code == 250, reply
    arrived(server, "alice", token)
    assert log.wait(r"PREGREET \d+ after", SCREEN)
    assert log.find("PASS", SCREEN) == []


@pytest.mark.usefixtures("unknown")
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_a_listed_host_is_observed_and_let_in(lab: Lab, server: Server, ipv6: bool) -> None:
    log = Journal(server)
    with connect(lab, server, LISTED, ipv6=ipv6) as client:
        assert client.greeting.code == 220
        client.ehlo(HELO[LISTED])
        assert [client.mail(FRIEND).code, client.rcpt(server.address_of("alice")).code] == [250, 250]
    assert log.wait(rf"DNSBL rank 3 for \[{re.escape(lab.numbers[LISTED][ipv6])}\]", SCREEN)


def test_this_machine_is_not_screened(server: Server) -> None:
    log = Journal(server)
    server.run(
        "/usr/local/lib/postern/probe", "smtp", "--address", "127.0.0.1", "--port", "25", "--starttls", check=False
    )
    server.run("python3", "-c", "import smtplib; smtplib.SMTP('127.0.0.1', 25).quit()")
    assert log.wait(r"ALLOWLISTED \[127\.0\.0\.1\]", SCREEN)
    assert log.find(r"PASS|PREGREET|DNSBL", SCREEN) == []


@pytest.mark.enforce
@pytest.mark.usefixtures("unknown")
def test_an_early_talker_is_told_at_rcpt(lab: Lab, server: Server) -> None:
    log = Journal(server)
    reply, _ = early_talker(lab, server)
    assert (reply.code, reply.enhanced) == (550, "5.5.1"), reply
    # Who it was and whom it wanted, for the administrator.
    assert log.wait(rf"NOQUEUE: reject: RCPT .*from=<{FRIEND}>, to=<{server.address_of('alice')}>", SCREEN)


@pytest.mark.enforce
@pytest.mark.usefixtures("unknown")
def test_a_listed_host_is_refused_with_the_name_of_the_list(lab: Lab, server: Server) -> None:
    with connect(lab, server, LISTED) as client:
        reply, _ = session(client, LISTED, server.address_of("alice"))
    assert (reply.code, reply.enhanced) == (550, "5.7.1"), reply
    assert "blocked using dnsbl.example" in reply.text


@pytest.mark.enforce
@pytest.mark.usefixtures("unknown")
def test_a_refused_client_sees_the_features_of_port_25(lab: Lab, server: Server) -> None:
    with connect(lab, server, LISTED) as refused, connect(lab, server, CLEAN) as served:
        assert refused.greeting.lines[-1] == served.greeting.lines[-1]
        for client, number in ((refused, LISTED), (served, CLEAN)):
            client.ehlo(HELO[number])
        # postscreen never offers PIPELINING: it wants to see who does not wait. It relays nothing: no REQUIRETLS.
        assert refused.extensions | {"PIPELINING": ""} == without_require_tls(served)
        refused.starttls(HELO[LISTED])
        served.starttls(HELO[CLEAN])
        assert refused.extensions | {"PIPELINING": ""} == without_require_tls(served)
        assert refused.socket.version() == served.socket.version() == "TLSv1.3"  # type: ignore[attr-defined]
        reply = refused.transaction(FRIEND, server.address_of("alice"), b"")
    assert reply.code == 550, reply


@pytest.mark.enforce
@pytest.mark.usefixtures("unknown")
def test_the_allow_list_is_before_all_tests(lab: Lab, server: Server) -> None:
    """The listed host's IPv6 address is on it (enforce.yml)."""
    log = Journal(server)
    with connect(lab, server, LISTED, ipv6=True) as client:
        assert len(client.greeting.lines) == 1, client.greeting
        # Names without SPF: in those of world this address may not send, which another feature would refuse.
        client.ehlo("nomx.example")
        assert [client.mail("friend@nomx.example").code, client.rcpt(server.address_of("alice")).code] == [250, 250]
    assert log.wait("ALLOWLISTED", SCREEN)
    assert log.find("DNSBL", SCREEN) == []


@pytest.mark.enforce
@pytest.mark.usefixtures("unknown")
def test_the_deny_list_refuses(lab: Lab, server: Server) -> None:
    """The IPv6 address of the host with a forged name is on it (enforce.yml)."""
    with connect(lab, server, FORGED, ipv6=True) as client:
        reply, _ = session(client, FORGED, server.address_of("alice"))
    assert (reply.code, reply.enhanced) == (550, "5.3.2"), reply


@pytest.mark.enforce
@pytest.mark.disturbs
@pytest.mark.usefixtures("unknown")
@pytest.mark.parametrize("resolver", ["127.0.0.1", "99"], ids=["refusing", "silent"])
def test_dead_lists_let_everybody_in(lab: Lab, server: Server, resolver: str) -> None:
    """Without a resolver no list answers: nothing listens at 127.0.0.1, and nobody is 99."""
    resolver = re.sub(r"\d+$", resolver, lab.dns) if resolver.isdigit() else resolver
    server.shell("cp /etc/resolv.conf /etc/resolv.conf.kept")
    try:
        lines = f"options timeout:1 attempts:1\nnameserver {resolver}\n"
        server.shell(f"printf '{lines}' > /etc/resolv.conf")
        reload_postfix(server)
        with connect(lab, server, LISTED) as client:
            client.ehlo(HELO[LISTED])
            assert client.mail(FRIEND).code == 250
            # smtpd asks DNS too, and puts off what it cannot know; postscreen's own answer would be 550 5.7.1.
            reply = client.rcpt(server.address_of("alice"))
            assert reply.code in (250, 450), reply
    finally:
        # The file is a mount in containers: it can be written, not replaced.
        server.shell("cat /etc/resolv.conf.kept > /etc/resolv.conf; rm /etc/resolv.conf.kept")
        reload_postfix(server)


def test_the_machine_that_tests_is_a_stranger_and_passes(server: Server, lab: Lab) -> None:
    log = Journal(server)
    with connect(lab, server, GATEWAY) as client:
        assert client.greeting.code == 220
    wait_for("a verdict", lambda: log.find(r"PASS (NEW|OLD)", SCREEN))


# What switching the feature off does to master.cf, and back.
_OFF = """
cp -p /etc/postfix/master.cf /etc/postfix/master.cf.kept
sed -i -e '/^smtpd  *pass/d' -e 's/^smtp  *inet .*/smtp inet n - n - - smtpd/' /etc/postfix/master.cf
postfix reload 2>&1
"""
_ON = "mv /etc/postfix/master.cf.kept /etc/postfix/master.cf; postfix reload 2>&1"


def greeted(lab: Lab, server: Server, number: int) -> bool:
    """Whether port 25 answers; who connects while master(8) changes the service is let go and comes again."""
    with contextlib.suppress(OSError), connect(lab, server, number) as client:
        return client.greeting.code == 220
    return False


@pytest.mark.disturbs
def test_a_reload_that_ends_a_busy_service_leaves_port_25_served(lab: Lab, server: Server) -> None:
    """master(8) waits until the processes of a service that is gone have ended, so it must be able to end them."""
    with connect(lab, server, CLEAN) as client:
        client.ehlo(HELO[CLEAN])
        server.shell(_OFF)
        try:
            wait_for("smtpd answers in its place", lambda: greeted(lab, server, CLEAN))
        finally:
            server.shell(_ON)
    wait_for("postscreen answers again", lambda: greeted(lab, server, GATEWAY))
