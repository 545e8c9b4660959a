# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import merge_restrictions


def postfix_merge_restrictions(
    lists: Any, contributions: Any, key: str = "restrictions", stands_for: Any = None
) -> dict[str, list[str]]:
    try:
        return merge_restrictions(lists, contributions, key, stands_for)
    except (PostfixError, KeyError) as error:
        raise AnsibleFilterError(f"restrictions: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_merge_restrictions": postfix_merge_restrictions}
