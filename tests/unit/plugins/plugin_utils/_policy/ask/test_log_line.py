# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ruff: noqa: E501 (log lines are as long as they are)

"""Lines of the mail log as smtpd and postscreen write them, behind what syslog, journal and maillog_file put first."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.log_line import LogLineError, parse_log_line

_SYSLOG = "Nov 22 06:58:47 mx1 postfix/smtpd[123]: "
_TAIL = "from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<x.example>"
_FROM_TO = {"sender": "a@b.example", "recipient": "c@d.example", "proto": "ESMTP", "helo": "x.example"}

# (line, what it says)
LINES: list[tuple[str, dict[str, Any]]] = [
    (
        "NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 450 4.7.25 Client host rejected: cannot find your hostname, "
        f"[203.0.113.7]; {_TAIL}",
        {
            "program": "smtpd",
            "service": "",
            "action": "reject",
            "stage": "RCPT",
            "name": "unknown",
            "addr": "203.0.113.7",
            "code": 450,
            "dsn": "4.7.25",
            "text": "Client host rejected: cannot find your hostname, [203.0.113.7]",
            "login": "",
            **_FROM_TO,
        },
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: RCPT from mail.b.example[203.0.113.7]: 554 5.7.1 <c@d.example>: Relay access denied; "
        f"{_TAIL}",
        {"name": "mail.b.example", "code": 554, "text": "<c@d.example>: Relay access denied", **_FROM_TO},
    ),
    (
        "2026-11-22T06:58:47.123456+01:00 mx1 postfix/submission/smtpd[4]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: "
        "553 5.7.1 <bob@d.example>: Sender address rejected: not owned by user alice; from=<bob@d.example> "
        "to=<x@y.example> proto=ESMTP helo=<[10.0.0.4]> sasl_method=PLAIN sasl_username=alice",
        {"service": "submission", "login": "alice", "helo": "[10.0.0.4]", "sender": "bob@d.example", "code": 553},
    ),
    (
        "2026-11-22T05:58:47Z mx1 postfix/smtps/smtpd[4]: NOQUEUE: reject: RCPT from h.example[2001:db8::7]: 550 5.1.1 "
        f"<c@d.example>: Recipient address rejected: User unknown in virtual mailbox table; {_TAIL}",
        {"service": "smtps", "addr": "2001:db8::7", "dsn": "5.1.1"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: RCPT from unknown[203.0.113.7]:50123: 450 4.1.8 <a@b.example>: Sender address "
        f"rejected: Domain not found; {_TAIL}",
        {"addr": "203.0.113.7", "dsn": "4.1.8"},  # smtpd_client_port_logging
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: CONNECT from unknown[203.0.113.7]: 554 5.7.1 <unknown[203.0.113.7]>: Client host "
        "rejected: Access denied; proto=SMTP",
        {"stage": "CONNECT", "sender": None, "recipient": None, "helo": None, "proto": "SMTP"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: HELO from unknown[203.0.113.7]: 504 5.5.2 <localhost>: Helo command rejected: need "
        "fully-qualified hostname; proto=SMTP helo=<localhost>",
        {"stage": "HELO", "helo": "localhost", "code": 504},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: EHLO from unknown[203.0.113.7]: 550 5.7.1 <x>: Helo command rejected: no; proto=SMTP "
        "helo=<x>",
        {"stage": "EHLO", "helo": "x"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: MAIL from unknown[203.0.113.7]: 550 5.1.0 <a@b.example>: Sender address rejected: "
        "User unknown; from=<a@b.example> proto=ESMTP helo=<x>",
        {"stage": "MAIL", "sender": "a@b.example", "recipient": None},
    ),
    (
        f"{_SYSLOG}4YxQ2T3kzzLq: reject: DATA from unknown[203.0.113.7]: 550 5.5.3 <DATA>: Data command rejected: "
        "Multi-recipient bounce; from=<> proto=ESMTP helo=<x>",
        {"stage": "DATA", "sender": "", "recipient": None, "code": 550},
    ),
    (
        f"{_SYSLOG}0F1E2D3C4B: reject: END-OF-MESSAGE from unknown[203.0.113.7]: 554 5.7.1 <END-OF-MESSAGE>: End-of-data "
        f"rejected: too big; {_TAIL}",
        {"stage": "END-OF-MESSAGE", "text": "<END-OF-MESSAGE>: End-of-data rejected: too big"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: VRFY from unknown[203.0.113.7]: 252 2.0.0 root; to=<root> proto=SMTP",
        {"stage": "VRFY", "recipient": "root", "code": 252},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: ETRN from unknown[203.0.113.7]: 554 5.7.1 <d.example>: Etrn command rejected: no; "
        "proto=SMTP helo=<x>",
        {"stage": "ETRN"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject_warning: RCPT from unknown[203.0.113.7]: 550 5.7.25 Client host rejected: cannot find "
        f"your reverse hostname, [203.0.113.7]; {_TAIL}",
        {"action": "reject_warning", "dsn": "5.7.25", "code": 550},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 5.7.1 Service unavailable; Client host "
        f"[203.0.113.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.7; {_TAIL}",
        {
            "text": "Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org; "
            "https://www.spamhaus.org/query/ip/203.0.113.7",
            **_FROM_TO,
        },
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 451 4.3.5 <c@d.example>: Recipient address rejected: "
        f"Server configuration error; {_TAIL}",
        {"code": 451, "dsn": "4.3.5"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 421 4.7.0 Too many errors; {_TAIL}",
        {"code": 421},
    ),
    (
        f"{_SYSLOG}NOQUEUE: milter-reject: RCPT from h.example[203.0.113.7]: 451 4.7.1 Service unavailable - try again "
        f"later; {_TAIL}",
        {"action": "milter-reject", "code": 451},
    ),
    (
        f"{_SYSLOG}1A2B3C4D5E: milter-reject: END-OF-MESSAGE from h.example[203.0.113.7]: 5.7.1 Spam message rejected; "
        f"{_TAIL}",
        {"action": "milter-reject", "code": 0, "text": "5.7.1 Spam message rejected"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: proxy-reject: END-OF-MESSAGE from h.example[203.0.113.7]: 550 5.7.1 no; {_TAIL}",
        {"action": "proxy-reject"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: hold: RCPT from h.example[203.0.113.7]: <c@d.example>: Recipient address triggers HOLD action; "
        f"{_TAIL}",
        {"action": "hold", "code": 0, "text": "<c@d.example>: Recipient address triggers HOLD action"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: filter: RCPT from h.example[203.0.113.7]: <x>: FILTER smtp:[127.0.0.1]; {_TAIL}",
        {"action": "filter"},
    ),
    (
        f"{_SYSLOG}NOQUEUE: discard: RCPT from h.example[203.0.113.7]: <x>: triggers DISCARD action; {_TAIL}",
        {"action": "discard"},
    ),
    (f"{_SYSLOG}NOQUEUE: warn: RCPT from h.example[203.0.113.7]: seen; {_TAIL}", {"action": "warn", "text": "seen"}),
    (
        "Nov 22 06:58:47 mx1 postfix/postscreen[9]: NOQUEUE: reject: RCPT from [203.0.113.7]:4711: 550 5.7.1 Service "
        "unavailable; client [203.0.113.7] blocked using dnsbl.example; from=<a@b.example>, to=<c@d.example>, "
        "proto=ESMTP, helo=<x.example>",
        {"program": "postscreen", "addr": "203.0.113.7", "name": "unknown", "code": 550, **_FROM_TO},
    ),
    (
        "NOQUEUE: reject: RCPT from [203.0.113.7]:4711: 450 4.3.2 Service currently unavailable; from=<>, "
        "to=<c@d.example>, proto=SMTP, helo=<x>",
        {"program": "postscreen", "sender": "", "code": 450},
    ),
    (
        "Nov 22 06:58:47 mx1 postfix/postscreen[9]: NOQUEUE: reject: CONNECT from [203.0.113.7]:4711: too many connections",
        {"program": "postscreen", "stage": "CONNECT", "code": 0, "text": "too many connections"},
    ),
    (
        r"Nov 22 06:58:47 mx1 postfix/postscreen[9]: PREGREET 14 after 0.05 from [203.0.113.7]:4711: EHLO x.example\r\n",
        {"program": "postscreen", "action": "pregreet", "addr": "203.0.113.7"},
    ),
    (
        "Nov 22 06:58:47 mx1 postfix/postscreen[9]: DNSBL rank 5 for [2001:db8::7]:4711",
        {"program": "postscreen", "action": "dnsbl rank", "addr": "2001:db8::7"},
    ),
    (
        f"Sun 2026-11-22 06:58:47 UTC mx1 postfix-out/smtpd[77]: NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 "
        f"5.7.1 <c@d.example>: Relay access denied; {_TAIL}",
        {"program": "smtpd", "service": "", **_FROM_TO},
    ),
    (
        f"<22>1 2026-11-22T06:58:47.123Z mx1 postfix/smtpd 123 - - NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 "
        f"5.7.1 <c@d.example>: Relay access denied; {_TAIL}",
        {"program": "smtpd", "code": 554},
    ),
    (
        '{"SYSLOG_IDENTIFIER":"postfix/587/smtpd","MESSAGE":"NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 5.7.1 '
        f'<c@d.example>: Relay access denied; {_TAIL}"' + "}",
        {"service": "587", "code": 554, **_FROM_TO},
    ),
    (
        'NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 5.7.1 <"odd; from=<q>"@d.example>: Relay access denied; '
        'from=<a@b.example> to=<"odd; from=<q>"@d.example> proto=ESMTP helo=<x.example>',
        {"recipient": '"odd; from=<q>"@d.example', "code": 554},
    ),
    (
        f"\n  {_SYSLOG}NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 5.7.1 no; from=<a@b.example>\n"
        "    to=<c@d.example> proto=ESMTP helo=<x.example>\n",
        _FROM_TO,  # wrapped by whoever sent it
    ),
    (
        "NOQUEUE: reject: RCPT from h.example[203.0.113.7]: 554 5.7.1 no; from=<a@b.example> to=<c@d.example> proto=ESMTP "
        "helo=<x.example> sasl_method=PLAIN sasl_username=alice smith sasl_sender=a@b",
        {"login": "alice smith"},
    ),
    ("reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 no", {"code": 550, "sender": None, "recipient": None}),
]


@pytest.mark.parametrize(("line", "expected"), LINES, ids=range(len(LINES)))
def test_line(line: str, expected: dict[str, Any]) -> None:
    parsed = parse_log_line(line)
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"{_SYSLOG}connect from unknown[203.0.113.7]", "came or went"),
        (f"{_SYSLOG}disconnect from unknown[203.0.113.7] ehlo=1 quit=1", "came or went"),
        (f"{_SYSLOG}0F1E2D3C4B: client=h.example[203.0.113.7]", "was accepted"),
        (f"{_SYSLOG}lost connection after RCPT from unknown[203.0.113.7]", "broke"),
        (f"{_SYSLOG}warning: unknown[203.0.113.7]: SASL PLAIN authentication failed: (reason unavailable)", "password"),
        (f"{_SYSLOG}warning: Connection rate limit exceeded: 61 from unknown[203.0.113.7] for service smtp", "limit"),
        ("Nov 22 06:58:47 mx1 postfix/smtp[1]: 0F1E2D3C4B: to=<a@b.example>, status=bounced (no)", "not smtpd"),
        ("Nov 22 06:58:47 mx1 dovecot: imap-login: Login: user=<alice>", "no line of smtpd"),
        ("", "no line of smtpd"),
    ],
)
def test_what_is_no_decision_is_named(line: str, why: str) -> None:
    with pytest.raises(LogLineError, match=why) as error:
        parse_log_line(line)
    assert "reject:" in str(error.value)


def test_session_of_a_line() -> None:
    session = parse_log_line(LINES[2][0]).session("submission/inet")
    assert session.addr == "192.0.2.9" and session.login == "alice" and session.service == "submission/inet"
    assert session.sender == "bob@d.example" and session.rcpts == ("x@y.example",) and session.ehlo and not session.data


def test_the_text_tells_of_a_missing_reverse_name() -> None:
    """Otherwise nobody knows it: the log has the verified name only."""
    line = "NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.7.25 Client host rejected: cannot find your {}, [192.0.2.9]"
    assert parse_log_line(line.format("reverse hostname")).session().reverse == "unknown"
    assert parse_log_line(line.format("hostname")).session().reverse is None
