# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._platform import UnknownPlatformError, select


def platform(table: Any, facts: Any) -> dict[str, Any]:
    if not isinstance(table, Mapping) or not isinstance(facts, Mapping):
        raise AnsibleFilterError("postern.mail.platform: takes a table (dict of dicts) and ansible_facts")
    try:
        return select(table, facts)
    except UnknownPlatformError as error:
        raise AnsibleFilterError(f"postern.mail.platform: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"platform": platform}
