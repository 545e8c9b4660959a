# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ansible_collections.postern.mail.plugins.plugin_utils._screening import inventory, words
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Advice, Host, Report, Verdict

_WIDTH = 110
_MOST = 15


def lines(report: Report) -> Iterator[str]:
    """A summary: the numbers, each test, the hosts, and what to write into the inventory."""
    yield from (words.clean(line) for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.name or ', '.join(report.servers)}: {numbers(report)}"
    headline, more = words.HEADLINES[report.advice]
    yield from _wrap(f"  {headline} {more}", "  ")
    yield ""
    for verdict in report.verdicts:
        yield from _test(verdict)
    put_off, back = (report.data["hosts"].get(key, 0) for key in ("put_off", "back"))
    if put_off:
        new = words.count(put_off, "new host", "new hosts")
        yield f"  The tests after the greeting put off {new}; {back} came back."
    for warning in report.warnings:
        yield from _wrap(f"  ! {warning}", "    ")
    yield from _hosts(report.hosts)
    yield from _threshold(report)
    yield from _paste(report)


def numbers(report: Report) -> str:
    """How much was seen."""
    days = report.data["days"]
    connects = sum(one.get("connect", 0) for one in days.values())
    seen, passed = report.data["hosts"].get("seen", 0), report.data["hosts"].get("passed", 0)
    return (
        f"{words.count(connects, 'connection', 'connections')} of {words.count(seen, 'host', 'hosts')}"
        f" in {words.count(len(days), 'day', 'days')}; {words.count(passed, 'host', 'hosts')} passed all tests"
    )


def _test(verdict: Verdict) -> Iterator[str]:
    label = words.ADVICE[verdict.advice]
    seen = ""
    if verdict.sessions:
        seen = f" {words.count(verdict.sessions, 'connection', 'connections')} of "
        seen += f"{words.count(verdict.hosts, 'host', 'hosts')} failed it."
    yield from _wrap(f"  {verdict.test:17} [{label}]{seen} {verdict.reason}", " " * 20)


def _hosts(hosts: Sequence[Host]) -> Iterator[str]:
    for title, chosen in (
        ("Allow first", [host for host in hosts if host.allow]),
        ("Look at", [host for host in hosts if not host.allow and not host.weak]),
    ):
        if not chosen:
            continue
        yield ""
        yield f"  {title}:"
        for host in chosen[:_MOST]:
            yield from _wrap(f"    {host.address} {host.name or '(no name)'}: {why(host)}", "      ")
        if len(chosen) > _MOST:
            yield f"    and {len(chosen) - _MOST} more, in the report"
    weak = sum(host.weak for host in hosts)
    if weak:
        yield ""
        more = words.count(weak, "more host has", "more hosts have")
        yield f"  {more} a name or SPF, but no mail arrived: in the report."


def why(host: Host) -> str:
    """Why it would have been stopped, what speaks for it, and what against."""
    failed = ", ".join(f"{test} {number}x" for test, number in host.fails.items())
    rank = f" (rank {host.rank}: {', '.join(dict(host.sites)) or 'lists unknown'})" if "dnsbl" in host.fails else ""
    mails = words.count(host.delivered, "message", "messages") + " delivered"
    speaks = ", ".join(mails if sign == "delivered" else words.SIGNS[sign] for sign in host.signs)
    against = f"; but {', '.join(host.doubts)}" if host.doubts else ""
    return f"{failed}{rank}; {speaks}{against}; last seen {inventory.day(host.last)}"


def _threshold(report: Report) -> Iterator[str]:
    """The first higher threshold that spares anybody."""
    found = next((one for one in report.thresholds if one.spared and one.hosts), None)
    if found:
        rest = words.count(found.hosts, "host", "hosts")
        text = f"  With postscreen_dnsbl_threshold {found.value} instead, these would pass: {', '.join(found.spared)}"
        yield ""
        yield from _wrap(f"{text}; {rest} would still be stopped.", "    ")


def _paste(report: Report) -> Iterator[str]:
    allow, stage = inventory.allow_lines(report.hosts), inventory.stage_lines(report)
    if allow:
        yield from ["", "  For the inventory, beside what is there already; lines with # only after a look:"]
        yield from [f"    {line}" for line in allow[: _MOST + 1]]
        if len(allow) > _MOST + 1:
            yield f"    # {len(allow) - _MOST - 1} more in the report"
    if stage:
        then = "Then switch" if any(host.allow for host in report.hosts) else "Switch"
        yield from ["", f"  {then} what may be switched:", *[f"    {line}" for line in stage]]


def calm(report: Report) -> bool:
    """Whether nothing has to be done before switching."""
    return report.advice in (Advice.SWITCH, Advice.ENFORCED)


def closing(files: Sequence[str], directory: str) -> str:
    """The last line."""
    pages = [file for file in files if file.endswith(".html")]
    where = f"Open {pages[0]} in a browser" if pages else f"The reports are in {directory}"
    return f"Nothing on the hosts was changed. {where}."


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
