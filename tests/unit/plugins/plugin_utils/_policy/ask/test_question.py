# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions as an administrator asks them, and what the answers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.question import Answer, Asked, answer, misspelt
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

MASTER = """\
smtp inet n - n - - smtpd
submission inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
192.0.2.1:465 inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
"""
MAIN = {
    "compatibility_level": "3.6",
    "myhostname": "mx.example.org",
    "mydestination": "example.org",
    "local_recipient_maps": "inline:{alice=x}",
    "mynetworks": "127.0.0.0/8",
    "smtpd_client_restrictions": "permit_mynetworks, reject_unknown_reverse_client_hostname",
    "smtpd_recipient_restrictions": "reject_unknown_sender_domain, reject_rbl_client dnsbl.example",
}
CLIENT, REST = "unknown[203.0.113.7]", "from=<a@example.com> to=<alice@example.org> proto=ESMTP helo=<x.test>"
REFUSED = f"NOQUEUE: reject: RCPT from {CLIENT}: {{}}; {REST}"


def ask(main: dict[str, str] | None = None, findings: Sequence[Finding] = (), **asked: object) -> Answer:
    policy = Policy.of({**MAIN, **(main or {})}, "3.10", master=MASTER)
    lines = {"smtpd_client_restrictions": 7}
    return answer(Asked(**asked), policy, "mx1", "3.10.13", lines, findings)  # type: ignore[arg-type]


LAPTOP = {
    "client": "203.0.113.7",
    "login": "alice",
    "sender": "alice@example.org",
    "recipient": ("b@example.net",),
    "service": "submission",
}


def test_the_roaming_laptop() -> None:
    told = ask(**LAPTOP)
    for words in (
        "450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.7]",
        "Rule 2 of smtpd_client_restrictions (main.cf line 7): reject_unknown_reverse_client_hostname",
        "1. permit_mynetworks: no decision: 203.0.113.7 is not in mynetworks",
        "-o smtpd_client_restrictions=permit_sasl_authenticated,reject",
        "it is then accepted",
        "203.0.113.7 has no name in the DNS",
    ):
        assert words in " ".join(told.text.split()), words
    assert told.session.service == "submission/inet" and not told.verdict.fatal


def test_served_sessions_get_no_advice() -> None:
    told = ask(**{**LAPTOP, "name": "hotel.example.com"})
    assert "The mail is accepted." in told.text and "What could be changed" not in told.text


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"sender": "a@gone.example", "dns": {"gone.example": "SERVFAIL"}}, "450 4.1.8"),
        ({"sender": "a@example.com", "listed": ("dnsbl.example",)}, "blocked using dnsbl.example"),
        ({"sender": "<>"}, "sender <>"),
        ({"sender": "a@example.com", "recipient": ("nobody@example.org",)}, "This server has no such mailbox"),
        ({"sender": "a@example.com", "recipient": ("b@example.net",)}, "A stranger may not send"),
    ],
)
def test_strangers(asked: dict[str, object], says: str) -> None:
    told = ask(**{"client": "203.0.113.7", "name": "h.example.com", "recipient": ("alice@example.org",), **asked})
    assert says in " ".join(told.text.split())


@pytest.mark.parametrize(
    ("service", "key"),
    [
        (None, "smtp/inet"),
        ("25", "smtp/inet"),
        ("587", "submission/inet"),
        ("submission/inet", "submission/inet"),
        ("smtps", "192.0.2.1:465/inet"),
    ],
)
def test_services_by_any_of_their_names(service: str | None, key: str) -> None:
    assert ask(**{**LAPTOP, "service": service}).session.service == key


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "Say who sends: -e client="),
        ({"client": "203.0.113.7"}, "add -e recipient="),
        ({"client": "mail.example.com", "recipient": ("a@example.org",)}, "no IP address"),
        ({**LAPTOP, "service": "smtptx"}, "submission/inet"),
        ({"log": "connect from unknown[203.0.113.7]"}, "decides nothing"),
        ({"log": "NOQUEUE: reject: DATA from h.example[203.0.113.7]: 554 5.5.3 no; proto=SMTP helo=<x>"}, "recipient"),
    ],
)
def test_what_is_missing_is_said(asked: dict[str, object], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        ask(**asked)


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(PolicyError) as error:
        ask()
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["recipent"], ["recipient"]),
        (["sendr", "cleint"], ["sender", "client"]),
        (["client", "ansible_user", "vault_password", "mail_hosts"], []),
    ],
)
def test_misspelt_values(names: list[str], meant: list[str]) -> None:
    assert [line.rpartition(" ")[2].rstrip("?") for line in misspelt(names)] == meant


@pytest.mark.parametrize(
    ("reply", "main", "says"),
    [
        (
            "450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.7]",
            {},
            "still answers so",
        ),
        ("450 4.1.8 <a@example.com>: Sender address rejected: Domain not found", {}, "answers otherwise: 450 4.7.1"),
        (
            "450 4.1.8 <a@example.com>: Sender address rejected: Domain not found",
            {"smtpd_client_restrictions": ""},
            "still answers so",
        ),
        (
            "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using dnsbl.example; see there",
            {"smtpd_client_restrictions": ""},
            "with that code; the words differ",
        ),
        (
            "450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.7]",
            {"smtpd_client_restrictions": ""},
            "of today accepts it",
        ),
    ],
)
def test_log_lines_are_compared_with_today(reply: str, main: dict[str, str], says: str) -> None:
    told = ask(main, log=REFUSED.format(reply))
    assert says in " ".join(told.text.split())
    assert reply in " ".join(told.text.split())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "postfix/postscreen[1]: NOQUEUE: reject: RCPT from [203.0.113.7]:99: 450 4.3.2 Service currently "
            "unavailable; from=<a@example.com>, to=<alice@example.org>, proto=SMTP, helo=<x>",
            "postscreen decided this",
        ),
        (REFUSED.format("451 4.7.1 no").replace("reject:", "milter-reject:"), "A milter or content filter"),
        (REFUSED.format("550 5.7.1 no").replace("reject:", "reject_warning:"), "the client noticed nothing"),
    ],
)
def test_what_others_decided(line: str, says: str) -> None:
    assert says in ask(log=line).text


def test_mistakes_of_the_configuration_are_named_with_their_fix() -> None:
    finding = Finding(
        "unknown-restriction",
        Severity.DEFERRED,
        "smtpd_client_restrictions",
        "No such word.",
        "451",
        "reject_unknown_sender_domain",
        index=0,
        element="reject_unknown_sender",
    )
    other = replace(finding, index=1, fix="something else")
    asked = {**LAPTOP, "service": "smtp"}
    told = ask({"smtpd_client_restrictions": "reject_unknown_sender"}, [finding, other], **asked)
    text = " ".join(told.text.split())
    assert "a mistake in the configuration" in text and "reject_unknown_sender_domain" in text
    assert "something else" not in text
    assert "Tried in the simulation" not in text  # an exemption would hide the mistake


def test_smtpd_that_does_not_start() -> None:
    told = ask({"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions": "permit"}, **LAPTOP)
    assert told.verdict.fatal and "smtpd does not start" in told.text
