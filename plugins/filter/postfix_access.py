# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._content.tables import access_tables, asked_of_strangers
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError


def postfix_access(rules: Any, map_type: str) -> dict[str, Any]:
    try:
        return access_tables(plain(rules), plain(map_type))
    except PostfixError as error:
        raise AnsibleFilterError(f"access tables: {error}") from error


def postfix_unless_from(check: str, allowed: Any, name: str) -> dict[str, Any]:
    try:
        return asked_of_strangers(plain(check), plain(name), plain(allowed))
    except PostfixError as error:
        raise AnsibleFilterError(f"access tables: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postfix_access": postfix_access, "postfix_unless_from": postfix_unless_from}
