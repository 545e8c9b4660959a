# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Content checks: every action, on real messages. The rules are those of lab ``edge``."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from dialogue import playbooks, world
from dialogue.clients import FRIEND, stranger, submitter
from dialogue.fields import fields
from dialogue.imap import arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server
from dialogue.message import body_of, new_token, plain
from dialogue.smtp import Reply


def trying(what: str, token: str, recipient: str) -> bytes:
    return f"X-Try: {what}\r\n".encode() + plain(token, FRIEND, recipient)


def send(server: Server, message: bytes, recipient: str = "") -> Reply:
    with stranger(server) as client:
        return client.transaction(FRIEND, recipient or server.address_of("alice"), message)


def try_(server: Server, what: str) -> tuple[Reply, str]:
    """The reply to a message with this field, and its token."""
    token = new_token()
    return send(server, trying(what, token, server.address_of("alice"))), token


def queue_id(reply: Reply) -> str:
    assert reply.code == 250, reply
    return reply.text.split()[-1]


def test_a_message_is_refused_with_the_rules_own_words(server: Server) -> None:
    reply, __ = try_(server, "reject")
    assert reply.lines == ("550 5.7.1 No such thing",)


def test_what_only_looks_like_it_arrives_untouched(server: Server) -> None:
    token = new_token()
    message = trying("nothing, rejects nobody", token, server.address_of("alice"))
    assert send(server, message).code == 250
    found = arrived(server, "alice", token)
    assert fields(found, "X-Try") == ["nothing, rejects nobody"]
    assert body_of(found) == body_of(message)


def test_a_refusal_is_in_any_language(server: Server) -> None:
    reply, __ = try_(server, "translate")
    assert reply.lines == (
        "550-5.7.1 Not wanted here (header_checks[1])",
        "550-5.7.1 원하지 않는 메일입니다",
        "550 5.7.1 Unerwünscht, für 5 $",
    )


def test_a_refusal_without_english_has_a_line_that_every_client_understands(server: Server) -> None:
    reply, __ = try_(server, "only korean")
    first, second = reply.lines
    assert first.isascii()
    assert second == "550 5.7.1 원하지 않는 메일입니다"


def test_the_sender_reads_the_reason_in_the_report_of_its_own_server(lab: Lab, server: Server) -> None:
    """A Postfix that knows SMTPUTF8, as world's, passes the words on."""
    token = new_token()
    message = trying("translate", token, server.address_of("alice"))
    world.send(lab.world, FRIEND, server.address_of("alice"), message)
    report = world.received(lab.world, token)
    assert "원하지 않는 메일입니다" in report.decode("utf-8", "replace")


def test_a_warning_is_logged_and_the_message_arrives(server: Server) -> None:
    log = Journal(server)
    reply, token = try_(server, "warn")
    assert log.wait(rf"{queue_id(reply)}: warning: header X-Try: warn .*: seen")
    assert arrived(server, "alice", token)


def test_an_observed_rule_names_itself_and_refuses_nobody(server: Server) -> None:
    log = Journal(server)
    reply, token = try_(server, "observe")
    assert log.wait(rf"{queue_id(reply)}: warning: .*observed header_checks\[11\], would REJECT: a trial")
    assert arrived(server, "alice", token)


def test_a_message_is_held(server: Server) -> None:
    reply, __ = try_(server, "hold")
    try:
        assert f"{queue_id(reply)}!" in server.output("postqueue", "-p")
    finally:
        server.run("postsuper", "-d", queue_id(reply))


@pytest.mark.parametrize(("what", "logged"), [("discard", "discard: .*unwanted"), ("filter", "relay=none.*filtered")])
def test_a_message_goes_elsewhere(server: Server, what: str, logged: str) -> None:
    log = Journal(server)
    reply, __ = try_(server, what)
    assert log.wait(rf"{queue_id(reply)}: .*{logged}")


def test_a_message_is_redirected(server: Server) -> None:
    reply, token = try_(server, "redirect")
    assert reply.code == 250
    assert fields(arrived(server, "bob", token), "X-Original-To")[:1] in ([], [server.address_of("bob")])


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("ignore", {"X-Try": []}),
        ("prepend once", {"X-Try": ["prepend once"], "X-Prepended": ["once"]}),
        ("replace this", {"X-Try": [], "X-Replaced": ["this"]}),
    ],
)
def test_a_header_is_changed_and_nothing_else(server: Server, what: str, changed: dict[str, list[str]]) -> None:
    token = new_token()
    message = trying(what, token, server.address_of("alice"))
    assert send(server, message).code == 250
    found = arrived(server, "alice", token)
    assert {name: fields(found, name) for name in changed} == changed
    assert body_of(found) == body_of(message)
    assert fields(found, "Subject") == [token]


def with_part(kind: str = "text/plain", name: str = "", inside: bytes = b"") -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = FRIEND, "alice@example.org", new_token()
    message.set_content("Hello.")
    if inside:
        from email import message_from_bytes
        from email.policy import default

        message.add_attachment(message_from_bytes(inside, policy=default))
    else:
        maintype, __, subtype = kind.partition("/")
        message.add_attachment(b"data", maintype, subtype, filename=name or None)
    return message.as_bytes()


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (with_part("application/x-refused"), "No such part"),
        (with_part("application/octet-stream", "invoice.exe"), "Programs are not accepted"),
        (with_part("application/octet-stream", "청구서.exe"), "Programs are not accepted"),
        (with_part(inside=b"X-Try: nested\r\nSubject: a\r\n\r\nb\r\n"), "Not inside either"),
        (plain(new_token(), FRIEND, "alice@example.org", "Hello.\r\nRefuse this line, please."), "No such line"),
        (
            plain(new_token(), FRIEND, "a@b.example").replace(b"Subject: ", "Subject: (광고) ".encode()),
            "Advertisements",
        ),
        (
            plain(new_token(), FRIEND, "a@b.example").replace(b"Subject: ", b"Subject: =?euc-kr?B?KLGksO0p?= "),
            "Adverti",
        ),
    ],
    ids=["part", "name", "encoded name", "message inside", "line", "phrase", "encoded phrase"],
)
def test_parts_and_phrases_are_refused(server: Server, message: bytes, says: str) -> None:
    reply = send(server, message)
    assert (reply.code, reply.enhanced) == (550, "5.7.1"), reply
    assert says in reply.text


@pytest.mark.parametrize(
    "message",
    [
        with_part("application/octet-stream", "executive.pdf"),
        with_part("application/octet-stream", "invoice.exe.txt"),
        with_part(inside=b"X-Try: reject\r\nSubject: a\r\n\r\nb\r\n"),
        plain(new_token(), FRIEND, "alice@example.org", "Do not Refuse this line"),
        plain(new_token(), FRIEND, "a@b.example").replace(b"Subject: ", "Subject: 광고 ".encode()),
    ],
    ids=["name", "two endings", "message inside", "line", "phrase"],
)
def test_near_misses_pass(server: Server, message: bytes) -> None:
    assert send(server, message).code == 250


def test_our_users_are_not_judged(server: Server) -> None:
    token, own = new_token(), server.address_of("alice")
    with submitter(server, "alice") as client:
        reply = client.transaction(own, own, b"X-Try: reject\r\n" + plain(token, own, own, "Refuse this line"))
    assert reply.code == 250, reply
    assert fields(arrived(server, "alice", token), "X-Try") == ["reject"]


def test_programs_of_this_machine_are_not_judged(server: Server) -> None:
    token, to = new_token(), server.address_of("alice")
    server.shell(f"printf 'Subject: {token}\\nX-Try: reject\\n\\nRefuse this line\\n' | sendmail -f root {to}")
    assert fields(arrived(server, "alice", token), "X-Try") == ["reject"]


BAD = (
    "{postfix_header_checks: [{pattern: '(a+)+$', action: REJECT}, {pattern: '[z-a]', action: HOLD},"
    " {pattern: '^X-Try: a', action: FILTER, text: nowhere}],"
    " postfix_client_access: [{network: 192.0.2.1/24, action: REJECT}]}"
)


def test_bad_rules_are_told_before_a_host_is_touched(lab: Lab) -> None:
    status, output = playbooks.run(lab, "validate", "-e", BAD, check=False)
    assert status != 0
    for place in (
        "header_checks[0].pattern",
        "header_checks[1].pattern",
        "header_checks[2].text",
        "client_access[0].network",
    ):
        assert f"postfix_{place}" in output
