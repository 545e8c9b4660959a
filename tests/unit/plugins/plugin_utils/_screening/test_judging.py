# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom enforcing would have stopped wrongly, and what is advised."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._screening.inventory import allow_lines, stage_lines
from ansible_collections.postern.mail.plugins.plugin_utils._screening.judging import judge, networks, score
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Advice, Report
from ansible_collections.postern.mail.plugins.plugin_utils._screening.terminal import lines
from observed import DAY, START, crowd, early, listed, mail, observe, spf

GOOD = "192.0.2.10"
LATER = START + 2 * DAY


def advice(report: Report) -> dict[str, str]:
    return {verdict.test: verdict.advice.value for verdict in report.verdicts}


def good_host(at: int = LATER, address: str = GOOD, name: str = "mx.example.net") -> Any:
    return early(at, address) + mail(at + 1, address, name) + spf(at + 2, address)


def test_nothing_but_bad_hosts_is_switched() -> None:
    report = judge(
        "", [observe(crowd(), early(LATER, "203.0.113.5"), listed(LATER, "203.0.113.6", 4, "dnsbl.example"))]
    )
    expected = {"greet": "switch", "dnsbl": "switch", "denylist": "not_measured"}
    assert {test: advice(report)[test] for test in expected} == expected
    assert report.hosts == () and report.advice is Advice.SWITCH
    assert stage_lines(report) == ["postscreen_stage:", "  greet: enforce", "  dnsbl: enforce", "  denylist: observe"]
    assert allow_lines(report.hosts) == []


def test_a_good_host_is_to_be_allowed_first() -> None:
    report = judge("", [observe(crowd(), good_host())])
    (host,) = report.hosts
    assert (host.address, host.name, host.delivered, dict(host.lost)) == (GOOD, "mx.example.net", 1, {"greet": 1})
    assert host.allow and host.signs == ("delivered", "spf", "name")
    assert (advice(report)["greet"], advice(report)["dnsbl"]) == ("allow_first", "switch")
    assert "1 message" in report.verdicts[0].reason
    assert allow_lines(report.hosts) == [
        "postscreen_allow:",
        '  - {network: "192.0.2.10", comment: "mx.example.net, 1 message, seen 2026-11-08"}',
    ]
    assert stage_lines(report)[1:] == ["  greet: observe", "  dnsbl: enforce", "  denylist: observe"]


@pytest.mark.parametrize("allowed", [[GOOD], ["192.0.2.0/24"], ["2001:db8::/32", "[192.0.2.10]"]])
def test_who_is_allowed_in_the_inventory_is_not_told_of_again(allowed: list[str]) -> None:
    assert judge("", [observe(crowd(), good_host())], allowed).hosts == ()


def test_who_is_allowed_on_the_server_by_now_is_not_told_of_again() -> None:
    line = (LATER + DAY, "postfix/postscreen", f"ALLOWLISTED [{GOOD}]:4001")
    assert judge("", [observe(crowd(), good_host(), [line])]).hosts == ()
    assert len(judge("", [observe(crowd(), good_host(), [line], early(LATER + 2 * DAY, GOOD))]).hosts) == 1


@pytest.mark.parametrize(
    ("log", "doubt"),
    [
        (listed(LATER, GOOD, 4, "dnsbl.example") + mail(LATER + 6, GOOD, "mx.example.net"), "DNSBL rank 4"),
        (good_host() + mail(LATER + 7, GOOD, "mx.example.net", junk=True), "filed as spam"),
        (mail(LATER + 1, GOOD, "mx.example.net") + early(LATER, GOOD), ""),
        ([*good_host(), (LATER, "postfix/postscreen", f"DENYLISTED [{GOOD}]:1")], "your own deny list"),
    ],
)
def test_what_speaks_against_a_host(log: Any, doubt: str) -> None:
    report = judge("", [observe(crowd(), log)])
    (host,) = report.hosts
    assert host.allow is (not doubt)
    assert doubt in " ".join(host.doubts)
    assert ("# - {" in " ".join(allow_lines(report.hosts))) is bool(doubt)
    assert set(advice(report).values()) & {"look_first" if doubt else "allow_first"}


@pytest.mark.parametrize(
    ("days", "hosts", "expected"), [(7, 50, "switch"), (6, 60, "not_enough"), (8, 20, "not_enough")]
)
def test_too_little_is_said_to_be_too_little(days: int, hosts: int, expected: str) -> None:
    report = judge("", [observe(crowd(days, hosts))])
    assert advice(report)["greet"] == expected
    assert advice(judge("", [observe(crowd(days, hosts))], (), 1, 1))["greet"] == "switch"


def test_a_good_host_counts_however_short_the_time() -> None:
    assert advice(judge("", [observe(good_host())]))["greet"] == "allow_first"


@pytest.mark.parametrize(
    ("parameters", "test", "expected"),
    [
        ({"postscreen_greet_action": "enforce"}, "greet", "enforced"),
        ({"postscreen_dnsbl_sites": ""}, "dnsbl", "not_measured"),
        ({"postscreen_pipelining_enable": "yes"}, "pipelining", "switch"),
        ({}, "pipelining", "not_measured"),
    ],
)
def test_tests_that_are_on_or_off(parameters: dict[str, str], test: str, expected: str) -> None:
    assert advice(judge("", [observe(crowd(), **parameters)]))[test] == expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([(LATER + 1, "postfix/smtpd", f"connect from mx.example.net[{GOOD}]")], "switch"),
        (spf(LATER, GOOD), "switch"),
        (mail(LATER + 1, GOOD, "unknown"), "look_first"),
    ],
)
def test_a_name_without_mail_is_little(log: Any, expected: str) -> None:
    """Spammers have names and SPF too: such a host is told of, and holds nobody up."""
    report = judge("", [observe(crowd(), early(LATER, GOOD), log)])
    (host,) = report.hosts
    assert host.weak is (expected == "switch")
    assert advice(report)["greet"] == expected
    assert bool(allow_lines(report.hosts)) is not host.weak
    assert ("a name or SPF" in "\n".join(lines(report))) is host.weak


@pytest.mark.parametrize(("begins", "said"), [(START, False), (START + 3 * DAY, True)])
def test_a_log_that_does_not_reach_back_is_said_to_be_short(begins: int, said: bool) -> None:
    log = [line for line in crowd() if line[0] >= begins]
    assert ("the log begins on" in " ".join(judge("", [observe(log)]).warnings)) is said


def test_nobody_came() -> None:
    report = judge("", [observe()])
    assert set(advice(report).values()) == {"not_measured"}
    assert "nothing was found in the log" in " ".join(report.warnings)
    assert set(advice(judge("", [])).values()) == {"not_measured"}


def test_signs_at_one_server_count_at_the_other() -> None:
    one = observe(crowd(), early(LATER, GOOD))
    two = observe(mail(LATER, GOOD, "mx.example.net"), name="mx2")
    assert judge("", [one]).hosts == ()
    (host,) = judge("", [one, two]).hosts
    assert (host.servers, host.delivered, host.allow) == (("mx1", "mx2"), 1, True)


def test_thresholds() -> None:
    bad = [line for number in range(9) for line in listed(LATER, f"203.0.113.{number}", 4, "dnsbl.example")]
    low = listed(LATER, "203.0.113.77", 1, "other.example")
    good = listed(LATER, GOOD, 2, "dnsbl.example") + mail(LATER + 6, GOOD, "mx.example.net")
    report = judge("", [observe(crowd(), bad, low, good)])
    found = {one.value: (one.hosts, one.good, one.spared) for one in report.thresholds}
    assert found == {1: (11, 1, ()), 2: (10, 1, ()), 3: (9, 0, (GOOD,)), 4: (9, 0, (GOOD,)), 5: (0, 0, (GOOD,))}


@pytest.mark.parametrize(
    ("answers", "points"),
    [
        ([("a.example", "127.0.0.2")], 3),
        ([("a.example", "127.0.0.2"), ("a.example", "127.0.0.3")], 3),
        ([("a.example", "127.0.0.9")], 1),
        ([("a.example", "127.255.255.254")], 1),
        ([("b.example", "127.0.0.2")], -2),
        ([("c.example", "127.0.0.2")], 0),
        ([("a.example", "2001:db8::1")], 1),
    ],
)
def test_points_are_added_as_postscreen_does(answers: list[tuple[str, str]], points: int) -> None:
    sites = [
        ("a.example", "127.0.0.[2..4]", 2),
        ("a.example", "", 1),
        ("b.example", "", -2),
        ("c.example", "nonsense", 9),
    ]
    assert score(answers, sites) == points


def test_what_the_lists_are_worth() -> None:
    everybody = [line for number in range(60) for line in listed(START, f"198.51.100.{number}", 1, "all.example")]
    refusing = [(START, "postfix/dnsblog", f"addr {GOOD} listed by domain dnsbl.example as 127.255.255.254")]
    silent = [
        (
            START,
            "postfix/dnsblog",
            "warning: x: lookup error for DNS query 1.2.3.4.mute.example: Host not found, try again",
        )
    ]
    warnings = " ".join(judge("", [observe(crowd(8), everybody, refusing, silent)]).warnings)
    assert "all.example lists everybody" in warnings
    assert "dnsbl.example refuses your resolver" in warnings
    assert "mute.example did not answer 1 question" in warnings


def test_what_the_tests_after_the_greeting_cost_and_who_found_no_room() -> None:
    later = "450 4.3.2 Service currently unavailable; from=<a@b.example>, to=<c@example.org>, proto=SMTP, helo=<x>"
    log = [
        (START, "postfix/postscreen", f"NOQUEUE: reject: RCPT from [{GOOD}]:4711: {later}"),
        (START, "postfix/postscreen", f"NOQUEUE: reject: CONNECT from [{GOOD}]:4712: all server ports busy"),
    ]
    report = judge("", [observe(crowd(), log)])
    text = " ".join(lines(report))
    assert "put off 1 new host; 0 came back." in text
    assert "1 connection was told to come again" in text


MUTE = (
    START,
    "postfix/dnsblog",
    "warning: x: lookup error for DNS query 1.2.3.4.dnsbl.example: Host not found, try again",
)
REFUSED = (START, "postfix/dnsblog", f"addr {GOOD} listed by domain dnsbl.example as 127.255.255.254")


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([], "switch"),
        ([MUTE], "not_enough"),
        ([MUTE, REFUSED], "not_enough"),
        ([REFUSED], "not_enough"),
        ([MUTE, *listed(START, "203.0.113.1", 1, "other.example")], "switch"),
    ],
)
def test_lists_that_say_nothing_are_no_reason_to_trust_them(log: Any, expected: str) -> None:
    assert advice(judge("", [observe(crowd(), log)]))["dnsbl"] == expected


def test_networks_that_are_none_are_left_to_others() -> None:
    assert [str(one) for one in networks(["192.0.2.1", "x", "2001:db8::1/64", ""])] == ["192.0.2.1/32", "2001:db8::/64"]


@pytest.mark.parametrize("name", ['"}\n- x', "{{ lookup('pipe', 'id') }}", "a.example\u202e", "<b>.example"])
def test_lines_for_the_inventory_hold_no_text_of_strangers(name: str) -> None:
    data = observe(crowd(), good_host())
    data["clients"] = [{**one, "name": name} for one in data["clients"]]
    lines = "\n".join(allow_lines(judge("", [data]).hosts))
    assert "1 message" in lines and len(lines.splitlines()) == 2
    assert not any(part in lines for part in ("{{", "<b>", "\u202e", "- x"))
