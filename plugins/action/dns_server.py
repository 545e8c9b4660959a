# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes what DNS must say of one server, and proves it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import DnsError
from ansible_collections.postern.mail.plugins.plugin_utils._dns.servers import read_server
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = {"server": {"type": "dict", "required": True}}
        _result, arguments = self.validate_argument_spec(argument_spec=options)
        server = plain(arguments["server"])
        try:
            read_server(server)
        except DnsError as error:
            raise AnsibleActionFail(f"DNS records cannot be made:\n{error}") from error
        result.update(changed=False, server=server)
        return result
