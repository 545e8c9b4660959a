# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Controller side of config_tree: checks the input, renders the templates, makes one call to the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible.release import __version__ as ansible_core
from ansible_collections.postern.mail.plugins.module_utils._tree_input import ARGUMENT_SPEC, InputErrors, parse

# Until ansible-core 2.18 the template lookup makes data of text that looks like JSON unless it is told not to; later
# releases never do, and warn of the option.
_LOOKUP_OPTIONS = {"convert_data": False} if ansible_core.startswith(("2.17.", "2.18.")) else {}


class ActionModule(ActionBase):
    """Render every template of the task and hand the finished files to the module."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, without what was sent to it.

        Raises:
            AnsibleActionFail: with every mistake of the input, or every template that cannot be rendered.
        """
        super().run(tmp, task_vars)
        variables = task_vars or {}
        files = self._checked_files(self._task.args)
        arguments = {**self._task.args, "files": self._render(files, variables)}
        result: dict[str, Any] = self._execute_module(
            module_name="postern.mail.config_tree", module_args=arguments, task_vars=variables
        )
        result.pop("invocation", None)  # it carries the content of every file
        return result

    def _checked_files(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Check types and rules before the host is even asked, and tell all mistakes at once; return the files."""
        checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(arguments)
        errors = list(checked.error_messages)
        for index, item in enumerate(arguments.get("files") or []):
            content = item.get("content") if isinstance(item, Mapping) else None
            if isinstance(content, (Mapping, list, tuple, bool)):
                # Jinja made data of text that looks like data; writing it back would not give the same bytes.
                kind = "dictionary" if isinstance(content, Mapping) else "bool" if isinstance(content, bool) else "list"
                errors.append(f"files[{index}] ({item.get('path')}): content must be text, it is a {kind}")
        if not errors:
            try:
                parse(checked.validated_parameters, rendered=False)
            except InputErrors as wrong:
                errors = wrong.errors
        if errors:
            raise AnsibleActionFail("\n".join([f"config_tree, mistakes in the task: {len(errors)}", *errors]))
        files: list[dict[str, Any]] = checked.validated_parameters["files"]
        return files

    def _render(self, files: list[dict[str, Any]], variables: dict[str, Any]) -> list[dict[str, Any]]:
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        rendered, errors = [], []
        for index, item in enumerate(files):
            finished = {key: value for key, value in item.items() if key != "template"}
            if item["template"] is not None:
                try:
                    finished["content"] = str(lookup.run([item["template"]], variables=variables, **_LOOKUP_OPTIONS)[0])
                except AnsibleError as error:
                    errors.append(f"files[{index}] ({item['path']}): template {item['template']}: {error}")
            rendered.append(finished)
        if errors:
            raise AnsibleActionFail("\n".join(errors))
        return rendered
