# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit of one configuration: findings, and who gets through."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import judge
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Session, Verdict
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.collected import Collected, read_instance
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.personas import (
    ACCEPT,
    EITHER,
    REFUSE,
    Row,
    matrix,
)

_EXPECTED = {
    ACCEPT: "They should be served here.",
    REFUSE: "They should be refused here.",
    EITHER: "Whether they are served here is a matter of taste.",
}


@dataclass(frozen=True, slots=True)
class Try:
    """A visitor at one door.

    :param wanted: whether the outcome is what one would want; None where that is a matter of taste
    """

    service: str
    session: Session
    verdict: Verdict
    wanted: bool | None = None
    expectation: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A row of the matrix.

    :param title: who it is, a few words
    :param about: what they do, one sentence
    """

    title: str
    about: str
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True)
class Audit:
    """Everything the report says.

    :param host: inventory name, with the instance's name behind it where there are several
    :param date: as shown
    :param findings: worst first, without the accepted ones
    :param accepted: findings with the reason why they are accepted
    """

    host: str
    platform: str
    date: str
    collected: Collected
    findings: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, str], ...] = ()
    visitors: tuple[Visitor, ...] = ()
    trouble: tuple[str, ...] = field(default=())

    @property
    def policy(self) -> Policy:
        return self.collected.policy

    @property
    def file_name(self) -> str:
        """Of its reports, without the suffix: nothing but letters, digits, dots, dashes and underlines."""
        return re.sub(r"[^\w.-]", "_", self.host, flags=re.ASCII).lstrip(".") or "host"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was not known, each once."""
        told = [line for visitor in self.visitors for one in visitor.tries for line in one.verdict.assumptions]
        return tuple(dict.fromkeys([*self.collected.unread, *self.trouble, *told]))


def audit(host: str, collected: Mapping[str, Any], date: str, accept: Sequence[Mapping[str, str]] = ()) -> list[Audit]:
    """Judge everything that the module postfix_policy returned for a host.

    :param accept: exceptions, each with ``code``, ``element`` and ``reason``
    :raises PolicyError: the version is none
    """
    instances = [read_instance(data) for data in collected["instances"]]
    return [
        _judge(one, host if at == 0 else f"{host}-{one.name or at}", str(collected.get("platform", "")), date, accept)
        for at, one in enumerate(instances)
    ]


def _judge(collected: Collected, host: str, platform: str, date: str, accept: Sequence[Mapping[str, str]]) -> Audit:
    trouble: list[str] = []
    found = list(collected.findings)
    try:
        found += judge(collected.written)
    except PolicyError as error:
        trouble.append(f"The configuration could not be judged to its end: {error}")
    found.sort(key=lambda finding: finding.severity.rank)
    kept, accepted = _accepted(found, accept)
    visitors: tuple[Visitor, ...] = ()
    try:
        visitors = try_visitors(collected.policy)
    except PolicyError as error:
        trouble.append(f"Nobody could be tried on this configuration: {error}")
    return Audit(host, platform, date, collected, tuple(kept), tuple(accepted), visitors, tuple(trouble))


def _accepted(
    found: Sequence[Finding], accept: Sequence[Mapping[str, str]]
) -> tuple[list[Finding], list[tuple[Finding, str]]]:
    """Findings to report, and those that an exception covers, with its reason."""
    kept: list[Finding] = []
    accepted: list[tuple[Finding, str]] = []
    for finding in found:
        reason = next((str(entry["reason"]) for entry in accept if covers(entry, finding)), None)
        if reason is None:
            kept.append(finding)
        else:
            accepted.append((finding, reason))
    return kept, accepted


def covers(entry: Mapping[str, str], finding: Finding) -> bool:
    """Whether an exception is about this finding: same code and element, or the parameter or service without one."""
    named = finding.element or finding.parameter or finding.service
    return entry["code"] == finding.code and entry["element"].split() == named.split()


def unused(audit: Audit, accept: Sequence[Mapping[str, str]]) -> list[str]:
    """Each exception that no finding matches, in words: it is misspelt, or the finding is mended."""
    told = [finding for finding, _reason in audit.accepted]
    return [
        f"{entry['code']} for {entry['element']}"
        for entry in accept
        if not any(covers(entry, finding) for finding in told)
    ]


def try_visitors(policy: Policy) -> tuple[Visitor, ...]:
    """The cast of personas on every door."""
    rows: dict[str, list[Row]] = {}
    for row in matrix(policy, absent_tables="missing"):
        rows.setdefault(row.persona.name, []).append(row)
    return tuple(
        Visitor(first[0].persona.title, first[0].persona.about, tuple(_try(row) for row in first))
        for first in rows.values()
    )


def _try(row: Row) -> Try:
    return Try(row.service, row.session, row.verdict, row.wanted, _EXPECTED[row.expected])
