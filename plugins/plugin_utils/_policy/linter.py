# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The linter: every mistake in a policy that can be seen without sending mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import (
    arguments,
    classes,
    dnsbl,
    domains,
    effect,
    guard,
    host,
    keys,
    logins,
    networks,
    order,
    parameters,
    patterns,
    personas,
    postscreen,
    references,
    relay,
    results,
    services,
    spelling,
    values,
    versions,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

_TOPICS = (
    arguments,
    classes,
    dnsbl,
    domains,
    effect,
    guard,
    host,
    keys,
    logins,
    networks,
    order,
    parameters,
    personas,
    patterns,
    postscreen,
    relay,
    references,
    results,
    services,
    spelling,
    values,
    versions,
)

KINDS: tuple[FindingKind, ...] = tuple(
    sorted(
        {kind.code: kind for topic in _TOPICS for kind in topic.KINDS}.values(),
        key=lambda kind: (kind.severity.rank, kind.code),
    )
)
"""Every documented code, worst first."""
SHOWN_BY_HOST: frozenset[str] = frozenset(kind.code for topic in _TOPICS if not topic.RULES for kind in topic.KINDS)
"""Codes that need more than a policy: files as they are on the host."""
_OPENINGS = frozenset(kind.code for kind in relay.KINDS)
RULES: tuple[Rule, ...] = tuple(rule for topic in _TOPICS for rule in topic.RULES)


# What these let through is seen in a session only.
_UNLESS_SHOWN = {
    "mismatch-after-permit": Severity.IDLE,
    "unanchored-allow-pattern": Severity.IDLE,
    "warned-guard": Severity.IDLE,
}


def lint(policy: Policy) -> list[Finding]:
    """All findings, worst first, then by parameter and place in the list.

    A finding that all services share which do not override its parameter has no service, and is there once.
    """
    found = personas.without_echo(_found(policy))
    told = _merged(_witnessed(_without_echoes(found)), policy)
    return sorted(map(_punctuated, told), key=_order)


def _found(policy: Policy) -> Iterator[Finding]:
    for rule in RULES:
        # A value that a rule needs and that cannot be expanded has a finding of its own.
        with suppress(PolicyError):
            yield from rule(policy)


def _punctuated(finding: Finding) -> Finding:
    return replace(finding, message=_sentence(finding.message), consequence=_sentence(finding.consequence))


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _without_echoes(findings: Sequence[Finding]) -> Iterator[Finding]:
    """A word that is no class because it is not declared is no unknown parameter besides."""
    undeclared = {finding.element for finding in findings if finding.code == spelling.UNDECLARED_CLASS.code}
    for finding in findings:
        if finding.code != parameters.UNKNOWN.code or finding.parameter not in undeclared:
            yield finding


def _witnessed(found: Iterable[Finding]) -> Iterator[Finding]:
    """A finding of severity relay without a session gets one that another finding has of the same service.

    Where there is none, a mistake that is not dangerous in itself counts as one without effect.
    """
    findings = list(found)
    sessions: dict[str, Mapping[str, Any]] = {}
    for finding in findings:
        if finding.session and finding.severity is Severity.RELAY and finding.code in _OPENINGS:
            sessions.setdefault(finding.service, finding.session)
    for finding in findings:
        if finding.severity is not Severity.RELAY or finding.session:
            yield finding
        elif finding.service in sessions:
            yield replace(finding, session=sessions[finding.service])
        else:
            yield replace(finding, severity=_UNLESS_SHOWN.get(finding.code, finding.severity))


def _merged(findings: Iterable[Finding], policy: Policy) -> list[Finding]:
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        same = (finding.code, finding.parameter, finding.index, finding.element, finding.message, finding.severity)
        groups.setdefault(same, []).append(finding)
    smtpd = policy.smtpd_services()
    kept: list[Finding] = []
    for group in groups.values():
        shared = {service.key for service in smtpd if group[0].parameter not in service.overrides}
        having = {finding.service for finding in group}
        once = ":" in group[0].parameter or "" in having or (bool(shared) and shared <= having)
        others = having - shared if once else having
        if once:
            kept.append(replace(group[0], service=""))
            others = set() if ":" in group[0].parameter else others - {""}
        kept.extend({finding.service: finding for finding in group if finding.service in others}.values())
    return kept


def _order(finding: Finding) -> tuple[int, str, int, str, str]:
    index = -1 if finding.index is None else finding.index
    return finding.severity.rank, finding.parameter, index, finding.code, finding.service
