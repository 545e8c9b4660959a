# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import Section, merge_main


def postfix_merge_main(sections: Any, contributions: Any, extra: Any) -> list[dict[str, Any]]:
    try:
        merged = merge_main([Section(**section) for section in sections], contributions, extra or {})
    except (PostfixError, TypeError, KeyError) as error:
        raise AnsibleFilterError(f"main.cf: {error}") from error
    return [{"title": item.title, "why": item.why, "settings": dict(item.settings)} for item in merged]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_merge_main": postfix_merge_main}
