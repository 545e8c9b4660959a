# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An audit as the page shows it: plain data, every sentence ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy import linter
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.explain import decisive, dialogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import advice
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import host
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Session, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report import words
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.audit import Audit, Try, Visitor
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.drawing import Drawing, Numbered
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.places import Places
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.candidates import zone

_URGENT = (Severity.RELAY, Severity.LOST, Severity.DEFERRED)


def page_data(audit: Audit) -> dict[str, Any]:
    """Variables of the page's template."""
    numbered = [Numbered(at, finding) for at, finding in enumerate(audit.findings, start=1)]
    set_aside = [Numbered(len(numbered) + at, each[0]) for at, each in enumerate(audit.accepted, start=1)]
    drawing = Drawing(audit.policy, numbered)
    places = Places(audit.collected)
    cards = [_card(each, places, drawing, audit.policy) for each in numbered]
    groups = {severity: [card for card in cards if card["severity"] == severity] for severity in Severity}
    worst = audit.findings[0].severity.value if audit.findings else "ok"
    headline, more = words.HEADLINES[worst]
    return {
        "host": audit.host,
        "version": audit.collected.version,
        "platform": audit.platform,
        "config_directory": audit.collected.config_directory,
        "date": audit.date,
        "labels": {str(severity): label for severity, label in words.LABELS.items()},
        "worst": worst,
        "headline": headline,
        "headline_more": more,
        "counts": [
            {"severity": severity.value, "count": len(group), "label": words.SUMMARIES[severity][len(group) != 1]}
            for severity, group in groups.items()
        ],
        "urgent": [_group(severity, groups[severity]) for severity in _URGENT if groups[severity]],
        "later": [_group(severity, group) for severity, group in groups.items() if severity not in _URGENT and group],
        "accepted": [
            {**_card(each, places, drawing, audit.policy), "accepted": reason}
            for each, (_finding, reason) in zip(set_aside, audit.accepted, strict=True)
        ],
        "flows": drawing.flows(),
        "lists": drawing.lists(),
        "matrix": _matrix(audit),
        "assumptions": audit.assumptions,
        "sources": _sources(audit),
    }


def _group(severity: Severity, cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "severity": severity.value,
        "findings": cards,
        "summary": words.count(len(cards), *words.SUMMARIES[severity]),
    }


def _card(each: Numbered, places: Places, drawing: Drawing, policy: Policy) -> dict[str, Any]:
    finding = each.finding
    kind = kinds().get(finding.code)
    proof = _proof(finding, policy)
    listing = drawing.of(finding)
    return {
        "number": each.number,
        "severity": finding.severity.value,
        "code": finding.code,
        "title": kind.title if kind else "",
        "more": kind,
        "message": words.sentence(finding.message),
        "consequence": words.sentence(finding.consequence),
        "fix": advice(finding),
        "element": finding.element,
        "where": places.words(finding),
        "link": listing.ident if listing else "",
        "proof": dialogue(proof.session, proof.verdict) if proof else None,
        "accepted": "",
    }


def _proof(finding: Finding, policy: Policy) -> Try | None:
    """The session that shows the finding, as the simulator plays it; None where that does not show it."""
    if not finding.session:
        return None
    session = Session(**{**finding.session, "rcpts": tuple(finding.session["rcpts"])})
    names = [address.rpartition("@")[2] for address in (session.sender or "", *session.rcpts)]
    names += [name for name in (session.name, session.helo) if name]
    try:
        verdict = simulate(policy, session, zone(names, session.addr, (), "", ("", "")), "empty")
    except PolicyError:
        return None
    if words.outcome(verdict)[0] != "ok":
        return None
    return Try(session.service, session, verdict, wanted=False, expectation="They should be refused here.")


@cache
def kinds() -> dict[str, FindingKind]:
    """Every documented code."""
    return {kind.code: kind for kind in (*linter.KINDS, *host.KINDS)}


def _matrix(audit: Audit) -> dict[str, Any]:
    proofs = [
        (number, proof) for number, finding in enumerate(audit.findings, 1) if (proof := _proof(finding, audit.policy))
    ]
    found = [
        Visitor(
            f"Stranger who knows of mistake {number}",
            "Sends to an address elsewhere by the way described there.",
            (proof,),
        )
        for number, proof in proofs
    ]
    visitors = [*found, *audit.visitors]
    services = list(dict.fromkeys(one.service for visitor in audit.visitors for one in visitor.tries))
    doors = {service.key: words.door(service).title for service in audit.policy.services}
    return {
        "columns": [doors.get(service, service) for service in services],
        "rows": [
            {
                "title": visitor.title,
                "about": visitor.about,
                "cells": [_cell(visitor, row, at, service, doors) for at, service in enumerate(services)],
            }
            for row, visitor in enumerate(visitors)
        ],
        "why_not": "Nobody could be tried; see below.",
    }


def _cell(visitor: Visitor, row: int, column: int, service: str, doors: Mapping[str, str]) -> dict[str, Any] | None:
    one = next((each for each in visitor.tries if each.service == service), None)
    if one is None:
        return None
    tone, word = words.outcome(one.verdict)
    stage = decisive(one.verdict)
    by = stage.decided_by if stage and tone != "ok" else None
    return {
        "id": f"trail-{row}-{column}",
        "door": doors.get(service, service),
        "word": word,
        "by": (by.element or by.parameter) if by else "",
        "tone": {True: "ok", False: "lost", None: "style"}[one.wanted]
        if tone != "ok" or one.wanted is not False
        else "relay",
        "wrong": one.wanted is False,
        "summary": _summary(one, tone),
        "dialogue": dialogue(one.session, one.verdict),
    }


def _summary(one: Try, tone: str) -> str:
    if one.verdict.fatal or one.verdict.crash:
        return one.verdict.reason
    return one.expectation


def _sources(audit: Audit) -> list[str]:
    directory = audit.collected.config_directory
    return [f"{directory}/main.cf, {directory}/master.cf", *audit.collected.read]
