# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import merge_services


def postfix_merge_services(services: Any, contributions: Any, extra: Any) -> list[dict[str, Any]]:
    try:
        merged = merge_services(services, contributions, extra or [])
    except (PostfixError, KeyError) as error:
        raise AnsibleFilterError(f"master.cf: {error}") from error
    return [{**vars(service), "args": list(service.args)} for service in merged]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_merge_services": postfix_merge_services}
