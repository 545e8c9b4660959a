# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy import inputs
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.domains import EMPTIED
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity


def open_relay(params: Any, version: Any = "3.10", tables: Any = None, master: Any = None) -> bool:
    try:
        policy = inputs.policy(plain(params), plain(version), plain(tables), plain(master))
        return any(_relays(finding) for finding in lint(policy))
    except PolicyError as error:
        raise AnsibleFilterError(f"postern.mail.open_relay: {error}") from error


def _relays(finding: Finding) -> bool:
    """Whether its session is a stranger's whose mail goes elsewhere; accepting mail for nobody is no relaying."""
    if finding.severity is not Severity.RELAY or not finding.session or finding.session.get("login"):
        return False
    return finding.code != EMPTIED.code


class TestModule:
    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"open_relay": open_relay}
