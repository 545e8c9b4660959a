# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Access rules: who may connect, call itself what, send as whom, and to whom. The rules are those of lab ``edge``."""

from __future__ import annotations

import pytest
from dialogue.clients import HELO, verdict
from dialogue.fields import fields
from dialogue.imap import arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.outside import CLEAN, FORGED, LISTED, deliver

STRANGER = "someone@signed.example"
ELSEWHERE = "victim@elsewhere.example"


@pytest.mark.parametrize(
    ("sender", "helo", "code", "says"),
    [
        (STRANGER, "refused.world.example", 550, "5.7.1"),
        ("refused@world.example", HELO, 554, "5.7.1"),
        ("Refused@World.Example", HELO, 554, "5.7.1"),
        ("later@world.example", HELO, 450, "4.7.1"),
        ("refused@mail.world.example", HELO, 250, "2.1.5"),
        ("observed@world.example", HELO, 250, "2.1.5"),
        ("number1x@world.example", HELO, 250, "2.1.5"),
        (STRANGER, "also.refused.world.example", 250, "2.1.5"),
    ],
)
def test_who_is_named_is_answered_and_nobody_else(server: Server, sender: str, helo: str, code: int, says: str) -> None:
    reply = verdict(server, sender, f"<{server.address_of('alice')}>", helo=helo, raw=True)
    assert (reply.code, reply.enhanced) == (code, says), reply


def test_a_reply_has_as_many_lines_and_languages_as_it_wants(server: Server) -> None:
    reply = verdict(server, "refused@world.example", server.address_of("alice"))
    first, second = reply.lines
    assert first.isascii()
    assert first.endswith("You are not welcome (sender_access[0])")
    assert second == "554 5.7.1 환영하지 않습니다"


def test_who_has_left_has_left_a_message(server: Server) -> None:
    """Before anybody says that there is no such user."""
    reply = verdict(server, STRANGER, f"retired@{server.domain}")
    assert (reply.code, reply.enhanced) == (550, "5.1.6"), reply
    assert "Has left for example.com" in reply.text


@pytest.mark.parametrize(("number", "value"), [(FORGED, "network"), (CLEAN, "name")])
def test_clients_are_known_by_network_and_by_name(lab: Lab, server: Server, number: int, value: str) -> None:
    token = new_token()
    message = plain(token, STRANGER, server.address_of("alice"))
    assert deliver(lab, server, number, server.address_of("alice"), message, sender=STRANGER).code == 250
    assert fields(arrived(server, "alice", token), "X-Access") == [value]


@pytest.mark.parametrize(
    ("sender", "helo", "recipient"),
    [
        ("trusted@world.example", HELO, ELSEWHERE),
        (STRANGER, "tolerated", ELSEWHERE),
        ("trusted@world.example", "tolerated", ELSEWHERE),
        (STRANGER, HELO, "anybody@elsewhere.example"),
        ("trusted@world.example", "tolerated", "anybody@elsewhere.example"),
        ("trusted@world.example", "tolerated", "anybody%elsewhere.example@{domain}"),
    ],
)
def test_nobody_relays_whatever_is_permitted(server: Server, sender: str, helo: str, recipient: str) -> None:
    reply = verdict(server, sender, recipient.format(domain=server.domain), helo=helo)
    assert (reply.code, reply.enhanced) == (554, "5.7.1"), reply


def test_what_is_permitted_is_still_for_users_that_exist(server: Server) -> None:
    reply = verdict(server, "trusted@world.example", f"anybody@{server.domain}")
    assert (reply.code, reply.enhanced) == (550, "5.1.1"), reply


def test_an_allowed_name_spares_the_checks_behind_it(server: Server) -> None:
    to = server.address_of("alice")
    assert verdict(server, STRANGER, to, helo="tolerated").code == 250
    assert verdict(server, STRANGER, to, helo="oneword").code == 504


def test_an_observed_rule_only_logs(server: Server) -> None:
    log = Journal(server)
    assert verdict(server, "observed@world.example", server.address_of("alice")).code == 250
    (line,) = log.wait(r"warn: .*observed sender_access\[1\], would REJECT: a trial")
    assert "observed@world.example" in line


def test_mail_is_held(lab: Lab, server: Server) -> None:
    token, to = new_token(), server.address_of("alice")
    reply = deliver(lab, server, CLEAN, to, plain(token, STRANGER, to), sender="held@world.example")
    assert reply.code == 250, reply
    queue_id = reply.text.split()[-1]
    try:
        assert f"{queue_id}!" in server.output("postqueue", "-p")
    finally:
        server.run("postsuper", "-d", queue_id)


def test_mail_is_thrown_away(lab: Lab, server: Server) -> None:
    log, to = Journal(server), server.address_of("alice")
    reply = deliver(lab, server, CLEAN, to, plain(new_token(), STRANGER, to), sender="number17@world.example")
    assert reply.code == 250, reply
    assert log.wait(rf"{reply.text.split()[-1]}: discard: .*numbers|discard: RCPT .*numbers")


FORGERIES = ["alice@{domain}", "nobody@{domain}", "alice@{hostname}", "Alice@{upper}"]


@pytest.mark.parametrize("sender", FORGERIES)
def test_a_stranger_does_not_send_as_us(server: Server, sender: str) -> None:
    name = sender.format(domain=server.domain, hostname=server.hostname, upper=server.domain.upper())
    reply = verdict(server, name, server.address_of("alice"))
    assert (reply.code, reply.enhanced) == (550, "5.7.1"), reply


@pytest.mark.parametrize("name", ["{domain}", "{hostname}", "{upper}", "[{address}]", "[IPv6:{address6}]", "localhost"])
def test_a_stranger_does_not_call_itself_us(server: Server, name: str) -> None:
    ours = name.format(
        domain=server.domain,
        hostname=server.hostname,
        upper=server.hostname.upper(),
        address=server.address,
        address6=server.addresses[1],
    )
    reply = verdict(server, STRANGER, server.address_of("alice"), helo=ours)
    assert reply.rejected, reply


def test_who_sends_for_us_may_and_relays_nothing(lab: Lab, server: Server) -> None:
    ours, to = f"news@{server.domain}", server.address_of("alice")
    assert deliver(lab, server, LISTED, to, sender=ours).code == 250
    assert deliver(lab, server, CLEAN, to, sender=ours).code == 550
    refused = deliver(lab, server, LISTED, ELSEWHERE, sender=ours)
    assert (refused.code, refused.enhanced) == (554, "5.7.1"), refused
    other = deliver(lab, server, LISTED, to, sender="refused@world.example")
    assert other.code == 554, other
