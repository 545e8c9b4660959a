# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SARIF as its standard wants it, and the JSON beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.audit import Audit, unused
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.sarif import plain, sarif
from hosts import audited

BAD = """\
# main.cf
smtpd_relay_restrictions =
smtpd_recipient_restrictions =
    permit_mynetworks,
    reject_unknown_sender,
    reject_unauth_destination
"""
ACCEPT = {"code": "unknown-restriction", "element": "reject_unknown_sender", "reason": "We know."}


@pytest.fixture(scope="module")
def bad() -> Audit:
    return audited(BAD)


@pytest.fixture(scope="module")
def run(bad: Audit) -> dict[str, Any]:
    log = json.loads(json.dumps(sarif(bad, "1.2.3")))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_every_result_has_its_rule_message_and_place(run: dict[str, Any]) -> None:
    """The properties that sarif-schema-2.1.0 requires, and those code scanning wants (3.27, 3.49 of the standard)."""
    driver = run["tool"]["driver"]
    assert driver["name"] == "postern.mail" and driver["version"] == "1.2.3"
    rules = driver["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert run["results"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert uri and not uri.startswith("/") and " " not in uri
        assert location["physicalLocation"].get("region", {}).get("startLine", 1) >= 1
        assert len(result["partialFingerprints"]["postern/v1"]) == 64
    for rule in rules:
        assert rule["shortDescription"]["text"] and rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_place_is_the_line_of_the_element(run: dict[str, Any]) -> None:
    (result,) = [result for result in run["results"] if result["ruleId"] == "unknown-restriction"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "etc/postfix/main.cf"},
        "region": {"startLine": 5},
    }


def test_fingerprints_survive_a_line_above(run: dict[str, Any]) -> None:
    moved = sarif(audited("# another line\n" + BAD), "1.2.3")["runs"][0]
    assert [each["partialFingerprints"] for each in moved["results"]] == [
        each["partialFingerprints"] for each in run["results"]
    ]
    other = sarif(audited(BAD, host="mx2"), "1.2.3")["runs"][0]
    assert other["results"][0]["partialFingerprints"] != run["results"][0]["partialFingerprints"]


def test_accepted_findings_are_suppressed_not_forgotten() -> None:
    one = audited(BAD, accept=(ACCEPT,))
    (result,) = [each for each in sarif(one, "1")["runs"][0]["results"] if each["ruleId"] == "unknown-restriction"]
    assert result["suppressions"] == [{"kind": "external", "justification": "We know."}]
    assert not unused(one, [ACCEPT])
    assert unused(one, [{**ACCEPT, "element": "reject_unknown_client"}])


def test_json_has_everything(bad: Audit) -> None:
    data = json.loads(json.dumps(plain(bad, "1.2.3")))
    assert data["format"] == 1 and data["host"] == "mx1" and data["postfix"] == "3.10.13"
    assert sum(data["counts"].values()) == len(data["findings"]) and set(data["counts"]) == {*map(str, Severity)}
    (finding,) = [each for each in data["findings"] if each["code"] == "unknown-restriction"]
    assert (finding["index"], finding["element"], finding["line"]) == (1, "reject_unknown_sender", 5)
