# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report as the page shows it, and as JSON: plain data, every sentence ready."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._screening import inventory, plots, terminal, words
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Advice, Host, Report, Verdict

_TONES = {
    Advice.ALLOW_FIRST: "lost",
    Advice.LOOK_FIRST: "deferred",
    Advice.SWITCH: "ok",
    Advice.NOT_ENOUGH: "idle",
    Advice.NOT_MEASURED: "style",
    Advice.ENFORCED: "ok",
}
_WAYS = (
    ("pass_old", "passed, known", "known"),
    ("pass_new", "passed, new", "new"),
    ("allowed", "on your allow list", "allowed"),
    ("stopped", "would be stopped", "stopped"),
)
_TESTS = (
    ("greet", "t1"),
    ("dnsbl", "t2"),
    ("pipelining", "t3"),
    ("non_smtp_command", "t4"),
    ("bare_newline", "t5"),
    ("denylist", "t6"),
)
_RANKS = 40
_HOSTS = 500


def plain(report: Report) -> dict[str, Any]:
    """For the JSON report."""
    return {
        "name": report.name,
        "servers": list(report.servers),
        "advice": report.advice.value,
        "since": _moment(report.data["since"]),
        "until": _moment(report.data["until"]),
        "tests": [
            {
                "test": verdict.test,
                "advice": verdict.advice.value,
                "reason": verdict.reason,
                "sessions": verdict.sessions,
                "hosts": verdict.hosts,
                "good_hosts": [host.address for host in verdict.good],
            }
            for verdict in report.verdicts
        ],
        "good_hosts": [{**dataclasses.asdict(host), "allow": host.allow, "weak": host.weak} for host in report.hosts],
        "inventory": {"postscreen_allow": _allow(report.hosts), "postscreen_stage": _stage(report)},
        "warnings": list(report.warnings),
        "days": report.data["days"],
        "ranks": [{"rank": rank, "sessions": number} for rank, number in report.data["ranks"]],
        "thresholds": [dataclasses.asdict(threshold) for threshold in report.thresholds],
        "sites": report.data["sites"],
        "hosts": report.data["hosts"],
    }


def _allow(hosts: Sequence[Host]) -> list[str]:
    return [host.address for host in hosts if host.allow]


def _stage(report: Report) -> dict[str, str]:
    return dict(line.strip().split(": ", 1) for line in inventory.stage_lines(report)[1:])


def page_data(report: Report, date: str) -> dict[str, Any]:
    """Variables of the page's template."""
    headline, more = words.HEADLINES[report.advice]
    several = len(report.servers) > 1
    strong = [host for host in report.hosts if not host.weak]
    return {
        "title": report.name or ", ".join(report.servers),
        "servers": report.servers,
        "date": date,
        "since": _moment(report.data["since"]),
        "until": _moment(report.data["until"]),
        "tone": _TONES[report.advice],
        "headline": headline,
        "headline_more": more,
        "numbers": terminal.numbers(report),
        "tests": [_test(verdict) for verdict in report.verdicts],
        "warnings": report.warnings,
        "hosts": [_host(host, several) for host in strong[:_HOSTS]],
        "weak": [_host(host, several) for host in report.hosts if host.weak][:_HOSTS],
        "left_out": max(0, len(strong) - _HOSTS) + max(0, len(report.hosts) - len(strong) - _HOSTS),
        "allow": "\n".join(inventory.allow_lines(report.hosts)),
        "stage": "\n".join(inventory.stage_lines(report)),
        "charts": list(_charts(report)),
        "thresholds": report.thresholds,
        "sites": report.data["sites"],
        "put_off": report.data["hosts"].get("put_off", 0),
        "back": report.data["hosts"].get("back", 0),
        "untold": report.data["untold"],
        "lines": report.data["lines"],
    }


def _test(verdict: Verdict) -> dict[str, Any]:
    title, about = words.TESTS[verdict.test]
    return {
        "test": verdict.test,
        "title": title,
        "about": about,
        "label": words.ADVICE[verdict.advice],
        "tone": _TONES[verdict.advice],
        "reason": verdict.reason,
        "sessions": verdict.sessions,
        "hosts": verdict.hosts,
        "good": sum(not host.weak for host in verdict.good),
        "parameter": f"postscreen_{verdict.test}_action",
    }


def _host(host: Host, several: bool) -> dict[str, Any]:
    return {
        "address": host.address,
        "name": host.name or "no name",
        "helo": ", ".join(word for word in host.helo if word != host.name),
        "allow": host.allow,
        "failed": [f"{words.TESTS[test][0]}, {number}x" for test, number in host.fails.items()],
        "rank": host.rank if "dnsbl" in host.fails else None,
        "sites": [f"{site} {answer}" for site, answer in host.sites] if "dnsbl" in host.fails else [],
        "signs": [words.SIGNS[sign] for sign in host.signs],
        "doubts": host.doubts,
        "delivered": host.delivered,
        "lost": max(host.lost.values(), default=0),
        "last": inventory.day(host.last),
        "servers": ", ".join(host.servers) if several else "",
    }


def _charts(report: Report) -> Iterator[plots.Chart]:
    days: Mapping[str, Mapping[str, int]] = report.data["days"]
    labels = [day[5:] for day in days]
    ways = [plots.Series(title, tone, _values(days, key)) for key, title, tone in _WAYS]
    rest = tuple(
        max(0, one.get("connect", 0) - sum(one.get(key, 0) for key, _title, _tone in _WAYS)) for one in days.values()
    )
    ways.append(plots.Series("neither, such as hung up", "rest", rest))
    if any(any(one.values) for one in ways):
        about = "Connections to port 25, by what became of them."
        yield plots.stacked("days", "Connections a day", about, labels, ways)
    tests = [plots.Series(words.TESTS[test][0].lower(), tone, _values(days, test)) for test, tone in _TESTS]
    if any(any(one.values) for one in tests):
        about = "Connections that failed a test; one that failed two stands twice."
        yield plots.stacked("tests", "Failed tests a day", about, labels, tests)
    if days and any(one.get("hangup") for one in days.values()):
        hung = [plots.Series("hung up", "rest", _values(days, "hangup"))]
        about = "Clients that went away while postscreen still looked at them. Robots do, and probes of monitoring."
        yield plots.stacked("hangups", "Hangups a day", about, labels, hung)
    yield from _rank_chart(report)
    yield from _threshold_chart(report)


def _values(days: Mapping[str, Mapping[str, int]], key: str) -> tuple[int, ...]:
    return tuple(one.get(key, 0) for one in days.values())


def _rank_chart(report: Report) -> Iterator[plots.Chart]:
    ranks = report.data["ranks"][:_RANKS]
    if ranks:
        series = plots.Series("connections", "t2", tuple(number for _rank, number in ranks))
        about = "The points that the lists gave, of connections at the threshold or above; lower ones are not logged."
        yield plots.stacked("ranks", "DNSBL rank", about, [str(rank) for rank, _number in ranks], [series])


def _threshold_chart(report: Report) -> Iterator[plots.Chart]:
    found = report.thresholds
    if found:
        series = [
            plots.Series("hosts without a good sign", "stopped", tuple(one.hosts - one.good for one in found)),
            plots.Series("hosts with a good sign", "good", tuple(one.good for one in found)),
        ]
        at = next((place for place, one in enumerate(found) if one.value == report.threshold), None)
        about = "How many hosts the lists would have stopped, had postscreen_dnsbl_threshold been this."
        mark = None if at is None else (at, "as it is now")
        yield plots.stacked(
            "thresholds", "Hosts stopped by threshold", about, [str(one.value) for one in found], series, mark
        )


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
