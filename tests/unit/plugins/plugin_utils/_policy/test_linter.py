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
