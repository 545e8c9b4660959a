# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError, render_main


def postfix_main_cf(settings: Any) -> str:
    if not isinstance(settings, dict):
        raise AnsibleFilterError("postern.mail.postfix_main_cf: takes a dict of parameters")
    try:
        return render_main(settings)
    except PostfixError as error:
        raise AnsibleFilterError(f"main.cf: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_main_cf": postfix_main_cf}
