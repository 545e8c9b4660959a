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


def valid_restrictions(value: Any, stage: Any = "", version: Any = "3.10", classes: Any = None) -> bool:
    try:
        return not judged(plain(value), plain(stage), plain(version), plain(classes)).mistakes
    except PolicyError as error:
        raise AnsibleFilterError(f"postern.mail.valid_restrictions: {error}") from error


class TestModule:
    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"valid_restrictions": valid_restrictions}
