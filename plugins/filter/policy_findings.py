# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy import inputs
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError


def policy_findings(params: Any, version: Any = "3.10", tables: Any = None, master: Any = None) -> list[dict[str, Any]]:
    try:
        found = inputs.findings(plain(params), plain(version), plain(tables), plain(master))
    except PolicyError as error:
        raise AnsibleFilterError(f"postern.mail.policy_findings: {error}") from error
    return [plain(finding.as_dict()) for finding in found]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"policy_findings": policy_findings}
