# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.one_list import judged


def restrictions(value: Any, stage: Any = "", version: Any = "3.10", classes: Any = None) -> list[str]:
    try:
        return judged(plain(value), plain(stage), plain(version), plain(classes)).accepted()
    except PolicyError as error:
        raise AnsibleFilterError(f"postern.mail.restrictions: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"restrictions": restrictions}
