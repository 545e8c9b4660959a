# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule about reports of TLS (RFC 8460), which not every release can make; judged again on the known platform."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown

_VARIABLE = "postfix_tlsrpt_socket"
# postconf(5): smtp_tlsrpt_enable is available in Postfix 3.10 and later.
_TOO_OLD = {"Debian 12": "3.7"}
_PATH = re.compile(r"/(?:[A-Za-z0-9._@+-]+/)*[A-Za-z0-9._@+-]+", re.ASCII)
_LONGEST = 107  # octets of sun_path, less its end (unix(7))


def tlsrpt(inventory: Inventory) -> Iterator[Mistake]:
    path = inventory.text(_VARIABLE)
    if not path or "postfix" not in inventory.features:
        return
    if not _PATH.fullmatch(path) or len(path) > _LONGEST:
        reason = f"it is no absolute path of a socket, at most {_LONGEST} characters without white space"
        fix = f"Write for example: {_VARIABLE}: /run/tlsrpt/tlsrpt.sock"
        yield Mistake("tlsrpt", _VARIABLE, reason, fix, value=shown(path))
    platforms = list(inventory.platforms)
    judged = platforms if inventory.all_platforms else platforms[:1]
    for platform in judged:
        if platform in _TOO_OLD:
            reason = f"Postfix {_TOO_OLD[platform]} of {platform} cannot tell what it sees of TLS; 3.10 can"
            fix = "Take it out for this host, or upgrade it to Debian 13; the record that asks others may stay"
            everywhere = len(judged) == 1
            yield Mistake(
                "tlsrpt", _VARIABLE, reason, fix, value=shown(path), severity="error" if everywhere else "warning"
            )
