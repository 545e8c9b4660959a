# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What Postfix hears about other domains' policies, and what becomes of mail when nobody can tell.

Mail to every kind of destination is in test_transport.py.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from dialogue.clients import submitter
from dialogue.journal import Journal
from dialogue.lab import Lab, Server, wait_for
from dialogue.message import new_token, plain
from dialogue.world import received

POLICY = "/run/postern-mta-sts-dane/policy"  # what Postfix asks: DANE is on
RESOLVER, FRONT = "postfix-mta-sts-resolver.service", "mta-sts-dane.service"


def told(server: Server, domain: str) -> str:
    """What Postfix hears of a domain; empty where it has no policy."""
    done = server.run("postmap", "-q", domain, f"socketmap:unix:{POLICY}:postfix", check=False)
    return done.stdout.decode().strip() or done.stderr.decode().strip()


def test_postfix_asks_for_policies(server: Server) -> None:
    assert server.output("postconf", "-h", "smtp_tls_policy_maps").endswith(f"socketmap:unix:{POLICY}:postfix")
    listening: str = server.output("ss", "-Hltn")
    assert ":8461" not in listening, "nobody but Postfix can ask"


def hears(server: Server, domain: str, words: str) -> str:
    """What Postfix hears, once it begins so: a policy that could not be fetched in time is asked for again later."""
    wait_for(f"{words} for {domain}", lambda: told(server, domain).startswith(words))
    return told(server, domain)


def test_what_postfix_hears(server: Server) -> None:
    enforced = hears(server, "sts-enforce.example", "secure match=mx.sts-enforce.example servername=hostname")
    # Postfix 3.10 gets the policy's own words as well, and looks at the name of the MX host.
    assert ("mx_host_pattern=mx.sts-enforce.example" in enforced) is (server.release != "12")
    hears(server, "sts-mismatch.example", "secure match=mx.elsewhere.example")
    assert hears(server, "dane-sts-wrong.example", "dane-only") == "dane-only", "DANE goes first"
    for domain in ("sts-testing.example", "dane-good.example", "nxdomain.example", "[mx.sts-enforce.example]:25"):
        wait_for(f"no policy for {domain}", lambda: told(server, domain) == "")  # noqa: B023


def submit(server: Server, recipient: str) -> str:
    token, sender = new_token(), server.address_of("alice")
    with submitter(server, "alice") as client:
        assert client.transaction(sender, recipient, plain(token, sender, recipient)).code == 250
    return token


def last_status(log: Journal, recipient: str) -> str:
    """The status that smtp(8) logged first, with all that it says about it."""
    pattern = rf"to=<{re.escape(recipient)}>.*status=.*"
    wait_for(f"what becomes of mail to {recipient}", lambda: bool(log.find(pattern, "postfix/smtp")), timeout=40)
    matched = re.search(r"dsn=(\S+), status=(\w+).*", log.find(pattern, "postfix/smtp")[-1])
    assert matched
    return f"{matched[1]} {matched[2]}"


@pytest.fixture
def queue(server: Server) -> Iterator[None]:
    yield
    server.run("postsuper", "-d", "ALL")


@pytest.mark.disturbs
@pytest.mark.usefixtures("queue")
def test_a_good_policy_does_not_make_up_for_a_wrong_key(server: Server) -> None:
    log, recipient = Journal(server), "friend@dane-sts-wrong.example"
    submit(server, recipient)
    assert last_status(log, recipient) == "4.7.5 deferred"


@contextlib.contextmanager
def stopped(server: Server, unit: str) -> Iterator[None]:
    server.run("systemctl", "stop", unit)
    try:
        yield
    finally:
        server.run("systemctl", "start", unit)


@pytest.mark.disturbs
@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("unit", [RESOLVER, FRONT])
def test_mail_waits_while_nobody_can_tell(lab: Lab, server: Server, unit: str) -> None:
    recipient = f"friend@{lab.world_domain}"
    with stopped(server, unit):
        log = Journal(server)
        token = submit(server, recipient)
        assert last_status(log, recipient).endswith(" deferred")
        assert last_status(log, recipient).startswith("4.")
    assert received(lab.world, token, queue=server)


@pytest.mark.disturbs
@pytest.mark.parametrize("unit", [RESOLVER, FRONT])
def test_whoever_is_killed_is_back(server: Server, unit: str) -> None:
    server.run("systemctl", "kill", "--signal=KILL", unit)
    server.wait_until(unit, f"/usr/local/lib/postern/probe socketmap {POLICY}")


@pytest.mark.disturbs
def test_a_policy_that_was_known_cannot_be_hidden(server: Server) -> None:
    """What the resolver remembers is enforced when it can ask nobody, also after it was started again."""
    server.shell(f"systemctl stop {RESOLVER}; rm -f /var/lib/mta-sts/cache.db*; systemctl start {RESOLVER}")
    hears(server, "sts-mismatch.example", "secure ")
    with no_network(server):
        hears(server, "sts-mismatch.example", "secure ")
        assert told(server, "sts-badcert.example") == "", "not known before"


@contextlib.contextmanager
def no_network(server: Server) -> Iterator[None]:
    """The resolver of policies is started again, and reaches neither DNS nor any web server."""
    directory = f"/run/systemd/system/{RESOLVER}.d"
    restart = f"systemctl daemon-reload; systemctl restart {RESOLVER}"
    server.shell(
        f"mkdir -p {directory}; printf '[Service]\\nPrivateNetwork=yes\\n' > {directory}/alone.conf; {restart}"
    )
    try:
        yield
    finally:
        server.shell(f"rm -r {directory}; {restart}")
