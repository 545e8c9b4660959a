# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is counted of which line, whatever the release of Postfix, and whatever strangers write into it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _screening_tally as tally
from ansible_collections.postern.mail.plugins.module_utils._screening_clients import (
    domain_of,
    good_name,
    is_generic,
    signs,
)

A = "192.0.2.7"
HERE = f"[{A}]:4711"
POSTSCREEN = "postfix/postscreen"
SMTPD = "postfix/smtpd"


def count(*lines: tuple[str, str] | tuple[str, str, int], most: int = 1000) -> dict[str, Any]:
    """The result for (program, text) or (program, text, seconds later) lines, a second each."""
    one, at = tally.Tally(), 1_795_000_000
    for program, text, *wait in lines:
        at += wait[0] if wait else 1
        one.feed(at, program, text)
    return one.result(most)


def day(*lines: str) -> dict[str, int]:
    """Events of lines of postscreen."""
    (events,) = count(*((POSTSCREEN, line) for line in lines))["days"].values()
    return dict(events)


def client(*lines: tuple[str, str] | tuple[str, str, int]) -> dict[str, Any]:
    """The client of a session that spoke too early, and of these lines."""
    early = [(POSTSCREEN, f"CONNECT from {HERE} to [192.0.2.1]:25"), (POSTSCREEN, f"PREGREET 1 after 0 from {HERE}: x")]
    (found,) = count(*early, *lines)["clients"]
    return dict(found)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (f"CONNECT from {HERE} to [192.0.2.1]:25", "connect"),
        (f"PASS NEW {HERE}", "pass_new"),
        (f"PASS OLD {HERE}", "pass_old"),
        ("PASS OLD [2001:db8::7]:4711", "pass_old"),
        (f"PREGREET 14 after 0.03 from {HERE}: EHLO x\\r\\n", "greet"),
        (f"PREGREET 3 after 0 from {HERE}: ]: [\\n", "greet"),
        (f"DNSBL rank 8 for {HERE}", "dnsbl"),
        (f"COMMAND PIPELINING from {HERE} after EHLO: MAIL FROM:<x>\\r\\n", "pipelining"),
        (f"NON-SMTP COMMAND from {HERE} after CONNECT: GET / HTTP/1.1", "non_smtp_command"),
        (f"NON-SMTP COMMAND from {HERE}: GET / HTTP/1.1", "non_smtp_command"),
        (f"BARE NEWLINE from {HERE} after EHLO x", "bare_newline"),
        (f"BARE NEWLINE from {HERE}", "bare_newline"),
        (f"DENYLISTED {HERE}", "denylist"),
        (f"BLACKLISTED {HERE}", "denylist"),
        (f"ALLOWLISTED {HERE}", "allowed"),
        (f"WHITELISTED {HERE}", "allowed"),
        (f"ALLOWLIST VETO {HERE}", "veto"),
        (f"WHITELIST VETO {HERE}", "veto"),
        (f"HANGUP after 1.2 from {HERE} in tests before SMTP handshake", "hangup"),
        (f"HANGUP after 0 from {HERE}", "hangup"),
        (f"COMMAND TIME LIMIT from {HERE} after DATA", "limit"),
        (f"COMMAND COUNT LIMIT from {HERE} after NOOP", "limit"),
        (f"COMMAND LENGTH LIMIT from {HERE} after CONNECT", "limit"),
        (f"NOQUEUE: reject: CONNECT from {HERE}: all server ports busy", "busy"),
        (f"NOQUEUE: reject: CONNECT from {HERE}: too many connections", "busy"),
        (f"reject: connect from {HERE}: all screening ports busy", "busy"),
        (
            f"NOQUEUE: reject: RCPT from {HERE}: 550 5.7.1 Service unavailable; client [{A}] blocked using"
            " dnsbl.example; from=<a@example.net>, to=<b@example.org>, proto=ESMTP, helo=<x>",
            "refused",
        ),
    ],
)
def test_lines_of_postscreen(line: str, event: str) -> None:
    events = day(line)
    assert events.pop(event) == 1
    assert events == ({"stopped": 1} if event in tally.TESTS else {})


@pytest.mark.parametrize(
    "line",
    [
        "PASS NEW [not.an.address]:25",
        f"xPASS NEW {HERE}",
        f"DNSBL rank many for {HERE}",
        f"CONNECT from [{A}]:",
        "cache lmdb:/x full cleanup: retained=1 dropped=0 entries",
        f"warning: haproxy read: PASS NEW {HERE}",
        "",
    ],
)
def test_other_lines_are_left_out(line: str) -> None:
    assert count((POSTSCREEN, line))["days"] == {}


def test_a_session_that_fails_two_tests_is_stopped_once() -> None:
    lines = [
        f"CONNECT from {HERE} to [192.0.2.1]:25",
        f"PREGREET 4 after 0 from {HERE}: x",
        f"DNSBL rank 3 for {HERE}",
        f"CONNECT from [{A}]:4712 to [192.0.2.1]:25",
        f"DNSBL rank 5 for [{A}]:4712",
    ]
    assert day(*lines) == {"connect": 2, "greet": 1, "dnsbl": 2, "stopped": 2}
    result = count(*((POSTSCREEN, line) for line in lines))
    (found,) = result["clients"]
    assert (found["failed"], found["fails"], found["rank"]) == (2, {"greet": 1, "dnsbl": 2}, 5)
    assert result["ranks"] == [[3, 1], [5, 1]] and result["rank_hosts"] == [[5, 1, 0]]
    assert result["hosts"]["seen"] == result["hosts"]["stopped"] == 1


SENT = (
    "to=<b@example.org>, relay=mx[private/lmtp], delay=1, dsn=2.0.0, status=sent (250 2.0.0 <spam@example.org> q Saved)"
)
MAIL = [
    (SMTPD, f"connect from mail.example.net[{A}]"),
    (SMTPD, f"4AbcDefGhz: client=mail.example.net[{A}]"),
    ("postfix/cleanup", "4AbcDefGhz: message-id=<1@example.net>"),
]
REMOVED = ("postfix/qmgr", "4AbcDefGhz: removed")


def test_mail_of_a_session_that_would_have_been_stopped() -> None:
    found = client(*MAIL, ("postfix/lmtp", f"4AbcDefGhz: {SENT}"), REMOVED)
    assert (found["delivered"], found["lost"], found["name"]) == (1, {"greet": 1}, "mail.example.net")
    assert signs(found) == ["delivered", "name"]


@pytest.mark.parametrize(
    ("line", "delivered"),
    [
        (("postfix/lmtp", f"4AbcDefGhz: {SENT}"), 1),
        (("postfix/virtual", "4AbcDefGhz: to=<b@example.org>, relay=virtual, status=sent (delivered to maildir)"), 1),
        (("postfix/lmtp", "4AbcDefGhz: to=<b@example.org>, dsn=4.0.0, status=deferred (status=sent)"), 0),
        (("postfix/smtp", "4AbcDefGhz: to=<b@example.org>, status=sent (250 2.7.0 Ok, discarded, id=1 - spam)"), 0),
        (("postfix/lmtp", f"4Other: {SENT}"), 0),
    ],
)
def test_what_is_delivered(line: tuple[str, str], delivered: int) -> None:
    assert client(*MAIL, line, REMOVED).get("delivered", 0) == delivered


@pytest.mark.parametrize(
    ("text", "junk"),
    [
        ("lmtp(b@example.org)<1><x>: sieve: msgid=<1@example.net>: stored mail into mailbox 'Junk'", 1),
        ("lmtp(b)<1>: sieve: msgid=<1@example.net>: fileinto action: stored mail into mailbox 'INBOX.Spam'", 1),
        ("lmtp(b@example.org)<1><x>: sieve: msgid=<1@example.net>: stored mail into mailbox 'INBOX'", 0),
        ("lmtp(b@example.org)<1><x>: sieve: msgid=<1@example.net>: stored mail into mailbox 'Spam_2026'", 1),
        ("lmtp(b@example.org)<1><x>: sieve: msgid=<1@example.net>: stored mail into mailbox 'Spamalot'", 0),
        ("lmtp(b@example.org)<1><x>: sieve: msgid=<1@example.net>: stored mail into mailbox '스팸메일함'", 1),
        ("lmtp(b@example.org)<1><x>: msgid=<1@example.net>: saved mail to Junk", 1),
        ("lmtp(b@example.org)<1><x>: msgid=<1@example.net>: saved mail to INBOX", 0),
        ("lmtp(spam@example.org)<1><x>: msgid=<2@example.net>: saved mail to Junk", 0),
    ],
)
def test_what_lands_among_the_spam_is_no_good_sign(text: str, junk: int) -> None:
    found = client(*MAIL, ("dovecot", text), ("postfix/lmtp", f"4AbcDefGhz: {SENT}"), REMOVED)
    assert (found.get("junk", 0), found.get("delivered", 0)) == (junk, 1 - junk)


def test_mail_of_users_and_of_this_machine_is_nobody_s_good_sign() -> None:
    user = f"4AbcDefGhz: client=mail.example.net[{A}], sasl_method=PLAIN, sasl_username=b@example.org"
    sent = ("postfix/lmtp", f"4AbcDefGhz: {SENT}")
    assert count((SMTPD, user), sent, REMOVED)["clients"] == []
    assert count(("postfix/submission/smtpd", MAIL[1][1]), sent, REMOVED)["clients"] == []
    assert count((SMTPD, "4AbcDefGhz: client=localhost[127.0.0.1]"), sent, REMOVED)["clients"] == []


DEFERRED = (
    f"NOQUEUE: reject: RCPT from mail.example.net[{A}]: 450 4.7.1 <b@example.org>: Recipient address rejected: later;"
    " from=<a@example.net> to=<b@example.org> proto=ESMTP helo=<mail.example.net>"
)


@pytest.mark.parametrize(("wait", "returned"), [(5, None), (300, True)])
@pytest.mark.parametrize(
    "put_off",
    [
        (SMTPD, DEFERRED),
        (
            POSTSCREEN,
            f"NOQUEUE: reject: RCPT from {HERE}: 450 4.3.2 Service currently unavailable; from=<a@example.net>,"
            " to=<b@example.org>, proto=ESMTP, helo=<mail.example.net>",
        ),
    ],
)
def test_who_comes_back_after_a_deferral(put_off: tuple[str, str], wait: int, returned: bool | None) -> None:
    found = client(put_off, (MAIL[1][0], MAIL[1][1], wait))
    assert found.get("returned") == returned
    assert found["helo"] == ["mail.example.net"]


@pytest.mark.parametrize(
    ("program", "text", "spf"),
    [
        (
            "policyd-spf",
            "prepend Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip={}; helo=h.example",
            (1, 0),
        ),
        ("policyd-spf", "Pass; identity=mailfrom; client-ip={}; helo=h.example; envelope-from=a@b.example", (1, 0)),
        ("policyd-spf", "Pass; identity=helo; client-ip={}; helo=h.example; envelope-from=<>", (0, 0)),
        ("policyd-spf", "prepend Received-SPF: Softfail (mailfrom) identity=mailfrom; client-ip={}; helo=h", (0, 1)),
        (
            "policyd-spf",
            "550 5.7.23 Message rejected due to: SPF fail - see http://spf.example/Why?s=mfrom;id=a;ip={};r=x",
            (0, 1),
        ),
        ("policyd-spf", "prepend Received-SPF: None (no SPF record) identity=mailfrom; client-ip={}; helo=h", (0, 0)),
        (
            "postfix/policy-spf",
            ": Policy action=PREPEND Received-SPF: pass (b.example: {} is authorized to use 'a@b.example' in \"mfrom\""
            ' identity) receiver=mx; identity=mailfrom; envelope-from="a@b.example"; helo=h.example; client-ip={}',
            (1, 0),
        ),
        ("opendmarc", "4AbcDefGhz: SPF(mailfrom): b.example pass", (1, 0)),
        ("opendmarc", "4AbcDefGhz: SPF(mailfrom): b.example fail", (0, 1)),
    ],
)
def test_spf(program: str, text: str, spf: tuple[int, int]) -> None:
    found = client(*MAIL, (program, text.replace("{}", A)))
    assert (found.get("spf", 0), found.get("spf_bad", 0)) == spf


def test_dmarc() -> None:
    assert client(*MAIL, ("opendmarc", "4AbcDefGhz: b.example pass"))["dmarc"] == 1
    assert "dmarc" not in client(*MAIL, ("opendmarc", "4AbcDefGhz: b.example fail"))


def test_lists_and_those_that_do_not_answer() -> None:
    result = count(
        (POSTSCREEN, f"CONNECT from {HERE} to [192.0.2.1]:25"),
        ("postfix/dnsblog", f"addr {A} listed by domain dnsbl.example as 127.0.0.2"),
        ("postfix/dnsblog", f"addr {A} listed by domain dnsbl.example as 127.0.0.4"),
        (
            "postfix/dnsblog",
            "warning: dnsblog_query: lookup error for DNS query 7.2.0.192.silent.example: Host not found",
        ),
        (POSTSCREEN, f"DNSBL rank 3 for {HERE}"),
        ("postfix/dnsblog", f"addr {A} listed by domain other.example as 127.0.0.2", 900),
    )
    assert result["sites"] == [
        {"domain": "dnsbl.example", "hits": 2, "hosts": 1, "good": 0, "errors": 0},
        {"domain": "other.example", "hits": 1, "hosts": 0, "good": 0, "errors": 0},
        {"domain": "silent.example", "hits": 0, "hosts": 0, "good": 0, "errors": 1},
    ]
    (found,) = result["clients"]
    assert found["sites"] == [["dnsbl.example", "127.0.0.2"], ["dnsbl.example", "127.0.0.4"]]


def test_those_put_off_by_the_tests_after_the_greeting() -> None:
    other = "[192.0.2.8]:5"
    later = " 450 4.3.2 Service currently unavailable; from=<a@b.example>, to=<c@example.org>, proto=SMTP, helo=<x>"
    hosts = count(
        (POSTSCREEN, f"CONNECT from {HERE} to [192.0.2.1]:25"),
        (POSTSCREEN, f"NOQUEUE: reject: RCPT from {HERE}:{later}"),
        (POSTSCREEN, f"CONNECT from {other} to [192.0.2.1]:25"),
        (POSTSCREEN, f"NOQUEUE: reject: RCPT from {other}:{later}"),
        (POSTSCREEN, f"PASS OLD {HERE}", 600),
    )["hosts"]
    assert (hosts["put_off"], hosts["back"]) == (2, 1)


@pytest.mark.parametrize(
    ("name", "helo", "good"),
    [
        ("mail.example.net", [], True),
        ("mail.example.net", ["mail.example.net"], True),
        ("mail.example.net", ["mx2.example.net"], True),
        ("mail.example.net", ["example.com"], False),
        ("mail.example.net", ["localhost"], False),
        ("mail.shop.co.uk", ["other.co.uk"], False),
        ("mail.shop.co.uk", ["shop.co.uk"], True),
        ("", ["mail.example.net"], False),
        ("192-0-2-7.example.net", [], False),
        ("host-2-7.example.net", [], False),
        ("c0000207.example.net", [], False),
        ("dynamic.example.net", [], False),
        ("mx7.example.net", [], True),
        ("<b>.example.net", [], False),
    ],
)
def test_a_good_name(name: str, helo: list[str], good: bool) -> None:
    assert good_name(A, name, helo) is good


def test_names_made_of_ipv6_addresses() -> None:
    assert is_generic("2001-db8-7-0-abcd.example.net", "2001:db8:7::abcd")
    assert not is_generic("mx.example.net", "2001:db8:7::abcd")
    assert domain_of("a.b.example.net.") == "example.net"


def test_memory_is_bounded_and_the_good_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MOST_SESSIONS", 50)
    monkeypatch.setattr(tally, "MOST_MAILS", 50)
    one = tally.Tally(most_clients=100)
    for program, text in [*MAIL, ("postfix/lmtp", f"4AbcDefGhz: {SENT}"), REMOVED]:
        one.feed(1, program, text)
    for number in range(3000):
        address = f"203.0.{number // 256}.{number % 256}"
        one.feed(number + 2, POSTSCREEN, f"CONNECT from [{address}]:9 to [192.0.2.1]:25")
        one.feed(number + 2, POSTSCREEN, f"PREGREET 4 after 0 from [{address}]:9: x")
        one.feed(number + 2, SMTPD, f"4Bcd{number:06}: client=unknown[{address}]")
        one.feed(number + 2, "postfix/cleanup", f"4Bcd{number:06}: message-id=<{number}@example.net>")
    assert max(len(one._clients), len(one._sessions), len(one._mails), len(one._ids)) <= 100
    result = one.result(10)
    assert A in [told["address"] for told in result["clients"]]
    assert result["hosts"]["seen"] == result["hosts"]["stopped"] == result["tests"]["greet"]["hosts"] == 3000
    assert result["forgotten"] + len(result["clients"]) + result["untold"] >= 3000


_PIECES = [
    *("CONNECT from ", "PREGREET 1 after 0 from ", "DNSBL rank 3 for ", "[192.0.2.1]:25", "[::]:1", "[", "]", ":", "<"),
    *(">", "4AbcDefGhz: ", "client=", "a[192.0.2.1]", "status=sent (", "to=<", "removed", "message-id=", "msgid="),
    *("helo=<", "\x00", "\x1b[2J", "\udcff", "é", "'" * 300, "9" * 400, "listed by domain ", "addr ", " as "),
    *("reject: ", "NOQUEUE: ", "RCPT from ", "450 ", "client-ip=", "pass ", "identity=helo", "." * 200, " to ", "\n"),
    "warning: x: lookup error for DNS query ",
]
_PROGRAMS = ["postscreen", "dnsblog", "smtpd", "cleanup", "qmgr", "lmtp", "dovecot", "policyd-spf", "opendmarc", "x"]


@pytest.mark.parametrize("seed", range(20))
def test_no_line_ends_the_count(seed: int) -> None:
    """Pieces of real lines in any order, as a stranger or a broken disk makes them."""
    chance = random.Random(seed)
    one = tally.Tally(most_clients=20)
    for at in range(400):
        text = "".join(chance.choices(_PIECES, k=chance.randrange(1, 9)))
        one.feed(chance.choice([at, -at, 10**10]), f"{chance.choice(['postfix/', ''])}{chance.choice(_PROGRAMS)}", text)
    assert set(one.result(10)["hosts"]) >= {"seen", "stopped"}


def test_patterns_take_time_in_proportion_to_a_line() -> None:
    """Counted in lines that go through; a pattern that backtracks would not come to an end."""
    one = tally.Tally()
    for program in _PROGRAMS:
        for piece in ("[", "client-ip=", "pass ", "msgid=", "a" * 50 + ".", " from ", "<>", "status=sent ("):
            one.feed(1, f"postfix/{program}", piece * (15000 // len(piece)))
    assert one.lines == 8 * len(_PROGRAMS[:-1])
