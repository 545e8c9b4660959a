# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything the engine has against one policy: the linter's findings and the personas'."""

from __future__ import annotations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.advice_text import advice
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy


def judge(policy: Policy) -> list[Finding]:
    """Findings, worst first."""
    return lint(policy)


__all__ = ["advice", "judge"]
