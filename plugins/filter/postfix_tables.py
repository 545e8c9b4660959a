# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import table_files


def postfix_tables(tables: Any, contributions: Any, map_type: str) -> dict[str, Any]:
    try:
        return table_files(tables, contributions, map_type)
    except (PostfixError, KeyError, AttributeError) as error:
        raise AnsibleFilterError(f"lookup tables: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_tables": postfix_tables}
