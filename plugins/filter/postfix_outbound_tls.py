# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._outbound_tls import outbound
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError


def postfix_outbound_tls(policy: Any, contributions: Any, map_type: str) -> dict[str, Any]:
    try:
        return outbound(policy, contributions, map_type)
    except (PostfixError, TypeError, KeyError, AttributeError) as error:
        raise AnsibleFilterError(f"TLS to other servers: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_outbound_tls": postfix_outbound_tls}
