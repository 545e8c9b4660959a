# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The report on postscreen, on the journals of real servers: who is told of, what is counted, what is advised."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dialogue import playbooks
from dialogue.clients import reload_postfix
from dialogue.imap import arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.outside import CLEAN, FORGED, HELO, LISTED, connect

pytestmark = pytest.mark.together  # one report on all servers

FRIEND = "friend@world.example"
OVER_IPV6 = True  # of the clean host's two addresses the one that no other test misuses


@dataclass(frozen=True)
class Played:
    """A run of the playbook: what it printed, and its JSON by server; the one without a name is all of them."""

    output: str
    reports: dict[str, dict[str, Any]]


def early(lab: Lab, server: Server, number: int, *, ipv6: bool = False) -> str:
    """One that says EHLO before it is greeted, and then delivers a message; its token."""
    token, recipient = new_token(), server.address_of("alice")
    with connect(lab, server, number, ipv6=ipv6, read_greeting=False) as client:
        client.send(f"EHLO {HELO[number]}\r\n".encode())
        while not (client.read_line() or b"250 ").startswith(b"250 "):
            pass
        client.transaction(FRIEND, recipient, plain(token, FRIEND, recipient))
    return token


def play(lab: Lab, directory: Path, *arguments: str) -> Played:
    """The playbook, content with a single day and a single host."""
    given = {
        "postscreen_report_directory": str(directory),
        "postscreen_report_minimum_days": 1,
        "postscreen_report_minimum_hosts": 1,
        "postscreen_report_days": 2,
    }
    _status, output = playbooks.run(lab, "postscreen_report", "-e", json.dumps(given), *arguments)
    found = [json.loads(path.read_text()) for path in directory.glob("*.json")]
    # A single server has no report but that of all together.
    return Played(output, {report["name"] or ",".join(report["servers"]): report for report in found})


@pytest.fixture(scope="module")
def observed(lab: Lab, stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The report after a good host spoke too early, a listed one and one with a forged name came."""
    stage.set("observe")  # before the fixture of every test that does so, which is of a smaller scope
    for server in lab.servers:
        server.shell("rm -f /var/lib/postfix/postscreen_cache.lmdb*")
        reload_postfix(server)
        log = Journal(server)
        arrived(server, "alice", early(lab, server, CLEAN, ipv6=OVER_IPV6))
        log.wait(": removed", "postfix/qmgr")
        early(lab, server, FORGED)
        with connect(lab, server, LISTED) as client:
            client.ehlo(HELO[LISTED])
            client.mail(FRIEND)
        log.wait(r"DNSBL rank 3 for", "postfix/postscreen")
    return play(lab, tmp_path_factory.mktemp("postscreen_report"))


def of(played: Played, server: Server) -> dict[str, Any]:
    """The report on one server."""
    return played.reports[server.name]


def good(report: dict[str, Any], address: str) -> dict[str, Any]:
    """The host in the list of those that something speaks for."""
    (found,) = [host for host in report["good_hosts"] if host["address"] == address]
    return dict(found)


def test_a_good_host_that_spoke_too_early_is_to_be_allowed(observed: Played, lab: Lab, server: Server) -> None:
    report, address = of(observed, server), lab.numbers[CLEAN][OVER_IPV6]
    host = good(report, address)
    assert host["fails"]["greet"] >= 1 and host["lost"]["greet"] >= 1
    assert {"delivered", "name"} <= set(host["signs"]) and host["name"] == HELO[CLEAN]
    assert host["allow"] is True, host["doubts"]
    assert address in report["inventory"]["postscreen_allow"]
    (greet,) = [test for test in report["tests"] if test["test"] == "greet"]
    assert (greet["advice"], address in greet["good_hosts"]) == ("allow_first", True)
    assert "greet" not in [
        test for test, stage in report["inventory"]["postscreen_stage"].items() if stage == "enforce"
    ]
    assert address in observed.output and "Enforcing would have stopped hosts that send you mail." in observed.output


def test_numbers_are_those_of_the_journal(observed: Played, server: Server) -> None:
    """Whatever other tests did on this machine: they are between what was there before the report and what is now."""
    report = of(observed, server)
    sums: dict[str, int] = {}
    for numbers in report["days"].values():
        for event, number in numbers.items():
            sums[event] = sums.get(event, 0) + number
    journal = ("journalctl", "-q", "-o", "cat", "-t", "postfix/postscreen", "--since", "-47h")
    before = ("--until", report["until"].removesuffix(" UTC") + ":00 UTC")
    for event, words in {"connect": "CONNECT from", "pass_new": "PASS NEW", "hangup": "HANGUP after"}.items():
        low, high = (
            sum(line.startswith(words) for line in server.output(*journal, *more).splitlines()) for more in (before, ())
        )
        assert low <= sums.get(event, 0) <= high, event
    assert sums["greet"] >= 2 and sums["dnsbl"] >= 1 and sums["stopped"] >= 3


def test_lists_and_ranks(observed: Played, server: Server) -> None:
    report = of(observed, server)
    (site,) = [site for site in report["sites"] if site["domain"] == "dnsbl.example"]
    assert site["hits"] >= 1 and site["hosts"] >= 1
    assert 3 in [one["rank"] for one in report["ranks"]]
    (now,) = [one for one in report["thresholds"] if one["value"] == 3]
    assert now["hosts"] >= 1


def test_all_servers_together(observed: Played, lab: Lab) -> None:
    names = [server.name for server in lab.servers]
    together = observed.reports[",".join(names)]
    assert together["servers"] == names
    host = good(together, lab.numbers[CLEAN][OVER_IPV6])
    assert host["servers"] == names and host["delivered"] >= len(names)


def test_who_is_allowed_by_then_is_not_told_of_again(lab: Lab, tmp_path: Path, observed: Played) -> None:
    entry = {"network": lab.numbers[CLEAN][OVER_IPV6], "comment": "as the report says"}
    again = play(lab, tmp_path, "-e", json.dumps({"postscreen_allow": [entry]}))
    for report in again.reports.values():
        assert lab.numbers[CLEAN][OVER_IPV6] not in [host["address"] for host in report["good_hosts"]]


def test_nothing_on_the_servers_changes(lab: Lab, tmp_path: Path) -> None:
    look = "find /etc /var/lib/postfix /root -xdev -type f -printf '%p %T@ %s\\n' | grep -Ev '_cache|prng_exch' | sort"
    before = [server.shell(look) for server in lab.servers]
    played = play(lab, tmp_path, "--check")
    assert [server.shell(look) for server in lab.servers] == before
    for server in lab.servers:
        assert re.search(rf"^{re.escape(server.name)}\s+: ok=\d+\s+changed=0\s", played.output, re.MULTILINE)


@pytest.mark.enforce
def test_what_is_enforced_is_said_to_be(lab: Lab, tmp_path: Path) -> None:
    played = play(lab, tmp_path)
    for server in lab.servers:
        advice = {test["test"]: test["advice"] for test in of(played, server)["tests"]}
        assert (advice["greet"], advice["dnsbl"], advice["pipelining"]) == ("enforced", "enforced", "not_measured")
