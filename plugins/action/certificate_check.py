# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges on the controller what the module of the same name has read on the host."""

from __future__ import annotations

import datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.postern.mail.plugins.plugin_utils._own_certificates import Seen, mistakes
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        answer = self._execute_module(module_args=arguments, task_vars=task_vars)
        if answer.get("failed") or "looked" not in answer:
            result.update(answer)
            return result
        host = str((task_vars or {}).get("inventory_hostname", ""))
        now = datetime.datetime.now(datetime.UTC)
        names = [str(name) for name in arguments["names"]]
        seen = [Seen.of(pair, looked) for pair, looked in zip(arguments["pairs"], plain(answer["looked"]), strict=True)]
        found = [mistake.on(host).as_dict() for each in seen for mistake in mistakes(each, names, now)]
        return {**result, "changed": False, "host": host, "mistakes": found}
