# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Explains on the controller what a host's Postfix would do with a session."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask import question
from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import judge
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report.collected import Collected, read_instance

_TEXTS = ("client", "name", "reverse", "helo", "login", "sender", "service", "log")
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "policy": {"type": "dict", "required": True},
    **{name: {"type": "str"} for name in _TEXTS},
    "recipient": {"type": "list", "elements": "str"},
    "listed": {"type": "list", "elements": "str", "default": []},
    "dns": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        wrong = question.misspelt(load_extra_vars(self._loader))
        if wrong:
            raise AnsibleActionFail(" ".join(wrong))
        host = str((task_vars or {}).get("inventory_hostname", ""))
        result.update(_answer(host, plain(arguments)))
        return result


def _findings(one: Collected) -> list[Finding]:
    try:
        return [*one.findings, *judge(one.written)]
    except PolicyError:
        return list(one.findings)  # the verdict tells of it


def _answer(host: str, arguments: dict[str, Any]) -> dict[str, Any]:
    texts = {name: arguments[name] for name in _TEXTS}
    asked = question.Asked(
        **texts,
        recipient=tuple(arguments["recipient"] or ()),
        listed=tuple(arguments["listed"]),
        dns=arguments["dns"],
    )
    try:
        one = read_instance(arguments["policy"]["instances"][0])
        lines = {line.text.split("=")[0].strip(): line.line for line in main_cf.logical_lines(one.main_cf)}
        answer = question.answer(asked, one.policy, host, one.version, lines, _findings(one))
    except PolicyError as error:
        raise AnsibleActionFail(str(error)) from error
    served = all(stage.action == "permit" for stage in answer.verdict.stages) and answer.verdict.stages
    Display().display(f"\n{answer.text}\n", color=C.COLOR_OK if served else C.COLOR_WARN)
    return {"changed": False, "text": answer.text, "verdict": answer.verdict.as_dict()}
