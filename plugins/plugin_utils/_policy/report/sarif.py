# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An audit as SARIF 2.1.0, which CI systems read, and as JSON with everything in it.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import advice
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.audit import Audit
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.places import Places
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.view import kinds

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Mapping[Severity, str] = MappingProxyType(
    {
        Severity.RELAY: "error",
        Severity.LOST: "error",
        Severity.DEFERRED: "error",
        Severity.IDLE: "warning",
        Severity.STYLE: "note",
    }
)
# What code scanning sorts by: 9 is critical, 7 high, 4 medium.
_SECURITY: Mapping[Severity, str] = MappingProxyType({Severity.RELAY: "9.0"})


def sarif(audit: Audit, version: str) -> dict[str, Any]:
    """The audit as one SARIF log.

    :param version: of the collection
    """
    told = [*((finding, "") for finding in audit.findings), *audit.accepted]
    codes = sorted({finding.code for finding, _reason in told})
    places = Places(audit.collected)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "postern.mail", "version": version, "rules": [_rule(code) for code in codes]}
                },
                "automationDetails": {"id": f"postern.mail/{audit.host}/"},
                "columnKind": "unicodeCodePoints",
                "results": [_result(audit, finding, reason, codes, places) for finding, reason in told],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    kind = kinds().get(code)
    if kind is None:
        return {"id": code}
    properties: dict[str, Any] = {"tags": ["security", "mail"] if kind.severity is Severity.RELAY else ["mail"]}
    if kind.severity in _SECURITY:
        properties["security-severity"] = _SECURITY[kind.severity]
    return {
        "id": code,
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": f"{kind.wrong} {kind.happens}"},
        "help": {"text": f"Wrong:\n{kind.example}\n\nRight:\n{kind.right}\n\nSource: {kind.source}"},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
        "properties": properties,
    }


def _result(audit: Audit, finding: Finding, reason: str, codes: list[str], places: Places) -> dict[str, Any]:
    place = places.of(finding)
    location: dict[str, Any] = {"artifactLocation": {"uri": place.file.lstrip("/")}}
    if place.line:
        location["region"] = {"startLine": place.line}
    # The same mistake is the same in the next run, also when lines were added above it.
    identity = "\0".join([audit.host, finding.code, finding.service, finding.parameter, finding.element])
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{audit.host}: {finding.message} {finding.consequence} Fix: {advice(finding)}"},
        "locations": [
            {"physicalLocation": location, "logicalLocations": [{"fullyQualifiedName": places.words(finding)}]}
        ],
        "partialFingerprints": {"postern/v1": hashlib.sha256(identity.encode()).hexdigest()},
        "properties": finding.as_dict(),
    }
    if reason:
        result["suppressions"] = [{"kind": "external", "justification": reason}]
    return result


def plain(audit: Audit, version: str) -> dict[str, Any]:
    """Everything the audit found, with only JSON types; elements are counted from 0."""
    places = Places(audit.collected)
    return {
        "format": 1,
        "made_by": f"postern.mail {version}",
        "host": audit.host,
        "platform": audit.platform,
        "postfix": audit.collected.version,
        "config_directory": audit.collected.config_directory,
        "date": audit.date,
        "counts": {
            severity.value: sum(finding.severity is severity for finding in audit.findings) for severity in Severity
        },
        "findings": [_finding(finding, places) for finding in audit.findings],
        "accepted": [{**_finding(finding, places), "reason": reason} for finding, reason in audit.accepted],
        "visitors": [
            {
                "title": visitor.title,
                "about": visitor.about,
                "tries": [
                    {
                        "service": one.service,
                        "wanted": one.wanted,
                        "session": one.session.as_dict(),
                        "verdict": one.verdict.as_dict(),
                    }
                    for one in visitor.tries
                ],
            }
            for visitor in audit.visitors
        ],
        "assumptions": list(audit.assumptions),
    }


def _finding(finding: Finding, places: Places) -> dict[str, Any]:
    place = places.of(finding)
    return {**finding.as_dict(), "file": place.file, "line": place.line or None}
