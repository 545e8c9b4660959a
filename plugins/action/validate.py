# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks the inputs of a host against all roles, on the controller and without a connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.postern.mail.plugins.plugin_utils._host import HostVariables, check_host
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, report, summary
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._rules import same_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._specs import Collection

_ROOT = Path(__file__).resolve().parents[2]
# In place of facts that are not gathered yet, so that platform tables can be read.
_ASSUMED_FACTS = {
    "os_family": "Debian",
    "distribution": "Debian",
    "distribution_version": "13",
    "distribution_major_version": "13",
    "distribution_release": "trixie",
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"report": {"type": "list", "elements": "dict"}})
        if arguments["report"] is None:
            result.update(self._collect(task_vars or {}))
        else:
            result.update(_tell(plain(arguments["report"])))
        return result

    def _collect(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        host = str(task_vars.get("inventory_hostname", ""))
        variables = self._host_variables(task_vars)
        mistakes = [mistake.on(host).as_dict() for mistake in check_host(Collection.read(_ROOT), variables)]
        return {"changed": False, "host": host, "hostname": variables.hostname, "mistakes": mistakes}

    def _host_variables(self, task_vars: dict[str, Any]) -> HostVariables:
        facts = task_vars.get("ansible_facts") or {}
        known_facts = "distribution" in facts
        variables = dict(task_vars)
        if not known_facts:
            variables["ansible_facts"] = {**_ASSUMED_FACTS, **facts}
        if "__mail_accounts" in variables:  # some value may read the accounts, and a validation needs no hash
            variables["__mail_accounts_hashed"] = variables["__mail_accounts"]
        templar = self._templar.copy_with_new_env(available_variables=variables)
        return HostVariables(
            raw=task_vars,
            evaluate=lambda raw: plain(templar.template(raw)),
            check=_check,
            foreign=frozenset(facts) | self._registered(task_vars),
            facts_known=known_facts,
            source=_source,
        )

    def _registered(self, task_vars: dict[str, Any]) -> frozenset[str]:
        """Names that earlier tasks made (register, set_fact): they are nobody's spelling mistake.

        Ansible has no public way to tell them from inventory variables; without the private one they are checked too.
        """
        manager = getattr(self._task, "_variable_manager", None)
        made = getattr(manager, "_nonpersistent_fact_cache", None)
        host = task_vars.get("inventory_hostname")
        return frozenset(made.get(host) or {}) if isinstance(made, Mapping) else frozenset()


def _source(raw: Any) -> str:
    """``inventory.yml:12``; ansible-core knows it since 2.19, and has no public way to ask."""
    try:
        from ansible._internal._datatag._tags import Origin

        origin = Origin.get_tag(raw)
        path, line = Path(origin.path), origin.line_num
    except (ImportError, AttributeError, TypeError):
        return ""
    if not line or path.is_relative_to(_ROOT):
        return ""
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def _check(spec: Mapping[str, Any], value: Any) -> list[str]:
    """What ansible-core says to one value, without the words that are secret."""
    result = ArgumentSpecValidator({"value": dict(spec)}).validate({"value": value})
    messages = remove_values(list(result.error_messages), result._no_log_values)
    return [re.sub(r"\s*(found in|for) '?value'?", "", str(message)) for message in messages]


def _tell(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Print all mistakes of all hosts; fail when there is one that is more than a warning."""
    mistakes = [Mistake.from_dict(record) for result in results for record in result.get("mistakes") or []]
    mistakes += same_hostname({str(result.get("host")): str(result.get("hostname") or "") for result in results})
    failed = any(mistake.severity == "error" for mistake in mistakes)
    color = C.COLOR_ERROR if failed else C.COLOR_WARN if mistakes else C.COLOR_OK
    Display().display(f"\n{report(mistakes)}\n", color=color)
    answer = f"{summary(mistakes)}: see the list above" if failed else summary(mistakes)
    return {"changed": False, "failed": failed, "msg": answer}
