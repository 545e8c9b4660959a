# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks the inputs of a host against all roles, on the controller and without a connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.postern.mail.plugins.plugin_utils._evaluation import Evaluation
from ansible_collections.postern.mail.plugins.plugin_utils._findings_cache import FindingsCache
from ansible_collections.postern.mail.plugins.plugin_utils._host import (
    Evaluate,
    HostVariables,
    check_host,
    check_policy,
)
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, report, summary
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._platform import platform_keys
from ansible_collections.postern.mail.plugins.plugin_utils._rules import same_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._specs import Collection

_ROOT = Path(__file__).resolve().parents[2]
# In place of facts that are not gathered yet, so that platform tables can be read; the first is what is assumed.
_ASSUMED_FACTS = {
    f"Debian {release}": {
        "os_family": "Debian",
        "distribution": "Debian",
        "distribution_version": release,
        "distribution_major_version": release,
        "distribution_release": release,
    }
    for release in ("13", "12", "testing")
}


# Of the roles' own variables those that read facts; what they mean to the policy is the same for every value.
_FACTS_ASIDE = frozenset({"postfix_own_addresses", "postfix_packages"})


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False
    _judged = False  # whether there was a policy of Postfix to judge

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = {"report": {"type": "list", "elements": "dict"}, "judged_as": {"type": "str"}}
        _result, arguments = self.validate_argument_spec(argument_spec=options, mutually_exclusive=[tuple(options)])
        if arguments["report"] is not None:
            result.update(_tell(plain(arguments["report"])))
        else:
            result.update(self._collect(task_vars or {}, arguments["judged_as"]))
        return result

    def _collect(self, task_vars: dict[str, Any], judged_as: str | None) -> dict[str, Any]:
        """:param judged_as: what the policy was judged as before, when only that is to be done again"""
        host = str(task_vars.get("inventory_hostname", ""))
        variables = self._host_variables(task_vars)
        result = {"changed": False, "host": host, "hostname": variables.hostname, "mistakes": []}
        if judged_as is None:
            mistakes = check_host(Collection.read(_ROOT), variables)
        elif judged_as not in variables.platforms:
            mistakes = check_policy(Collection.read(_ROOT), variables)
        else:
            return result
        # A warning with a consequence would be a mistake on another platform.
        doubtful = any(mistake.severity == "warning" and mistake.consequence for mistake in mistakes)
        sure = variables.facts_known or not (doubtful or _depends_on_facts(task_vars))
        judged = next(iter(variables.platforms)) if sure and self._judged else ""
        return {**result, "mistakes": [mistake.on(host).as_dict() for mistake in mistakes], "judged_as": judged}

    def _host_variables(self, task_vars: dict[str, Any]) -> HostVariables:
        facts = task_vars.get("ansible_facts") or {}
        known_facts = "distribution" in facts
        variables = dict(task_vars)
        if "__mail_accounts" in variables:  # some value may read the accounts, and a validation needs no hash
            variables["__mail_accounts_hashed"] = variables["__mail_accounts"]
        assumed = {name: {**each, **facts} for name, each in _ASSUMED_FACTS.items()}
        platforms = {_platform(facts): facts} if known_facts else assumed
        first = {**variables, "ansible_facts": next(iter(platforms.values()))}
        evaluation = Evaluation(first, self._templates, wrap_var)
        return HostVariables(
            raw=task_vars,
            evaluate=evaluation,
            check=_check,
            foreign=frozenset(facts) | self._registered(task_vars),
            facts_known=known_facts,
            source=_source,
            platforms={name: self._judging(evaluation, known) for name, known in platforms.items()},
            cache=FindingsCache(Path(C.ANSIBLE_HOME) / "postern" / "findings"),
            all_platforms=boolean(task_vars.get("mail_validate_only"), strict=False),
        )

    def _templates(self, variables: dict[str, Any]) -> Callable[[Any], Any]:
        template: Callable[[Any], Any] = self._templar.copy_with_new_env(available_variables=variables).template
        return template

    def _judging(self, evaluation: Evaluation, facts: Mapping[str, Any]) -> Evaluate:
        def judging(raw: Any, known: Mapping[str, Any]) -> Any:
            value = evaluation.given({**known, "ansible_facts": facts})(raw)
            self._judged = True
            return value

        return judging

    def _registered(self, task_vars: dict[str, Any]) -> frozenset[str]:
        """Names that earlier tasks made (register, set_fact): they are nobody's spelling mistake.

        Ansible has no public way to tell them from inventory variables; without the private one they are checked too.
        """
        manager = getattr(self._task, "_variable_manager", None)
        made = getattr(manager, "_nonpersistent_fact_cache", None)
        host = task_vars.get("inventory_hostname")
        return frozenset(made.get(host) or {}) if isinstance(made, Mapping) else frozenset()


def _platform(facts: Mapping[str, Any]) -> str:
    """The key of a platform table in words: ``Debian 13``."""
    return platform_keys(facts)[-1].replace("-", " ", 1)


def _depends_on_facts(variables: Mapping[str, Any]) -> bool:
    """Whether a value that the policy is made of may be another once facts are gathered."""
    names = (name for name in variables if isinstance(name, str) and name.startswith("postfix_"))
    return any("ansible_" in str(plain(variables[name])) for name in names if name not in _FACTS_ASIDE)


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
