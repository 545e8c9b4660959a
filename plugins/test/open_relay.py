# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy import inputs
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Severity


def open_relay(params: Any, version: Any = "3.10", tables: Any = None, master: Any = None) -> bool:
    try:
        policy = inputs.policy(plain(params), plain(version), plain(tables), plain(master))
        return any(finding.severity is Severity.RELAY and finding.session for finding in lint(policy))
    except PolicyError as error:
        raise AnsibleFilterError(f"postern.mail.open_relay: {error}") from error


class TestModule:
    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"open_relay": open_relay}
