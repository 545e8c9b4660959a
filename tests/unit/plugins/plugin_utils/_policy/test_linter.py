# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each documented code is found in its example and not in the right form of it."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, example_policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import KINDS, SHOWN_BY_HOST, lint

OF_POLICIES = [kind for kind in KINDS if kind.code not in SHOWN_BY_HOST]


def codes(text: str) -> list[str]:
    return [finding.code for finding in lint(example_policy(text))]


@pytest.mark.parametrize("kind", OF_POLICIES, ids=lambda kind: kind.code)
def test_example_has_its_finding(kind: FindingKind) -> None:
    assert kind.code in codes(kind.example)


@pytest.mark.parametrize("kind", OF_POLICIES, ids=lambda kind: kind.code)
def test_right_form_has_not(kind: FindingKind) -> None:
    assert kind.code not in codes(kind.right)


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


TWO_SERVICES = """
# master.cf
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""


def services_of(code: str, text: str) -> list[str]:
    return [finding.service for finding in lint(example_policy(text)) if finding.code == code]


def test_a_finding_that_all_services_share_is_told_once() -> None:
    assert services_of("unknown-restriction", "smtpd_data_restrictions = nonsense" + TWO_SERVICES) == [""]


def test_an_override_spares_its_service_and_no_other() -> None:
    assert services_of("unknown-restriction", "smtpd_client_restrictions = nonsense" + TWO_SERVICES) == [""]


def test_a_mistake_in_an_override_names_its_service() -> None:
    text = TWO_SERVICES + "  -o smtpd_helo_restrictions=nonsense\n"
    assert services_of("unknown-restriction", text) == ["submission/inet"]


def test_what_only_one_service_suffers_from_names_it() -> None:
    text = "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname" + TWO_SERVICES
    assert services_of("roaming-users-refused", text) == ["submission/inet"]


def test_the_worst_comes_first() -> None:
    text = "soft_bounce = yes\nsmtpd_relay_restrictions =\nsmtpd_recipient_restrictions = static:OK, reject, permit"
    ranks = [finding.severity.rank for finding in lint(example_policy(text))]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_kind_is_described_in_whole_sentences(kind: FindingKind) -> None:
    assert kind.wrong.endswith((".", "!", "?"))
    assert kind.happens.endswith((".", "!", "?"))
    assert kind.title and kind.source and kind.example and kind.right


@pytest.mark.slow
def test_findings_are_sentences_with_a_consequence_and_a_fix() -> None:
    for kind in OF_POLICIES:
        for finding in lint(example_policy(kind.example)):
            assert finding.message.endswith((".", "!", "?")), finding
            assert finding.consequence and finding.fix, finding


def test_dangerous_openings_come_with_a_session() -> None:
    texts = [
        kind.example for kind in OF_POLICIES if kind.code.startswith(("relay-by", "open-relay", "swallowed-guard"))
    ]
    found = [finding for text in texts for finding in lint(example_policy(text)) if finding.severity.value == "relay"]
    assert found
    assert all(finding.session for finding in found)
