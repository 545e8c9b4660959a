# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit prints: short, worst first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import advice
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report import words
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.audit import Audit
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.places import Places

NEVER = "never"
FAIL_ON = (*(severity.value for severity in Severity), NEVER)
_SHOWN = (Severity.RELAY, Severity.LOST, Severity.DEFERRED)
_MOST = 12
_WIDTH = 110


def summary(audit: Audit) -> dict[str, Any]:
    """What the last task needs of a host: its lines and counts."""
    counts = {severity.value: 0 for severity in Severity}
    for finding in audit.findings:
        counts[finding.severity.value] += 1
    return {"host": audit.host, "counts": counts, "lines": list(lines(audit))}


def lines(audit: Audit) -> Iterator[str]:
    """The findings of a host that matter, and how many others there are."""
    told = [words.count(len(group), *words.SUMMARIES[severity]) for severity, group in _groups(audit) if group]
    yield f"{audit.host}, Postfix {audit.collected.version}: {', '.join(told) or 'no mistake found'}"
    places = Places(audit.collected)
    urgent = [finding for finding in audit.findings if finding.severity in _SHOWN]
    for number, finding in enumerate(urgent[:_MOST], start=1):
        element = f": {finding.element}" if finding.element else ""
        yield from _wrap(f"{number:3}. [{words.LABELS[finding.severity]}] {words.sentence(finding.message)}", "     ")
        yield from _wrap(f"     In {places.words(finding)}{element}", "       ")
        yield from _wrap(f"     Then: {finding.consequence}", "       ")
        yield from _wrap(f"     Fix: {advice(finding)}", "       ")
    rest = len(audit.findings) - min(len(urgent), _MOST)
    if rest:
        yield f"     {rest} more in the report."


def _groups(audit: Audit) -> Iterator[tuple[Severity, list[Any]]]:
    for severity in Severity:
        yield severity, [finding for finding in audit.findings if finding.severity is severity]


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def failing(counts: Mapping[str, int], fail_on: str) -> int:
    """How many findings are as bad as ``fail_on`` or worse."""
    if fail_on == NEVER:
        return 0
    limit = Severity(fail_on).rank
    return sum(number for severity, number in counts.items() if Severity(severity).rank <= limit)


def closing(hosts: Sequence[Mapping[str, Any]], directory: str, fail_on: str) -> str:
    """The last line: what was found, where it is, what to do next."""
    bad = [host["host"] for host in hosts if failing(host["counts"], fail_on)]
    files = [file for host in hosts for file in host["files"] if file.endswith(".html")]
    where = f"Open {files[0]} in a browser" if len(files) == 1 else f"Open the pages in {directory} in a browser"
    if not files:
        where = f"The reports are in {directory}"
    if not bad:
        return f"Nothing on the hosts was changed. {where}."
    what = f"{', '.join(bad)}: mistakes of severity {fail_on} or worse" if fail_on != Severity.RELAY else ", ".join(bad)
    return f'{what}. {where} and begin at the top, with "What to do first". Nothing on the hosts was changed.'
