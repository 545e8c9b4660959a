# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._plain import plain
from ansible_collections.postern.mail.plugins.plugin_utils._postscreen import within


def within_networks(addresses: Any, networks: Any) -> list[str]:
    return within([str(address) for address in addresses], plain(networks))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"within_networks": within_networks}
