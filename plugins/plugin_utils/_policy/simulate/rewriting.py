# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which clients have their addresses completed: a fault there rejects MAIL (smtpd_check_rewrite())."""

from __future__ import annotations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.client import (
    permit_certificate,
    permit_mynetworks,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.logins import permit_authenticated
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import State, Status

# permit_inet_interfaces cannot fail, and what it permits does not show in a reply.
_CHECKS = {
    "permit_mynetworks": permit_mynetworks,
    "permit_sasl_authenticated": permit_authenticated,
    "permit_tls_clientcerts": permit_certificate,
    "permit_tls_all_clientcerts": permit_certificate,
}


def rewrite_error(state: State) -> str | None:
    """:return: the rejection, None where there is none"""
    for word in state.server.words("local_header_rewrite_clients"):
        status = _status(state, word)
        if status is Status.RETRY:
            return "451 4.3.0 Temporary lookup error"
        if status is Status.BROKEN:
            return "451 4.3.5 Server configuration error"
        if status is Status.OK:
            return None
    return None


def _status(state: State, word: str) -> Status:
    if ":" in word:
        maps = state.server.access.get(word)
        return Status.DUNNO if maps is None else state.server.found(state, maps, state.addr).status
    check = _CHECKS.get(word.lower())
    return Status.DUNNO if check is None else check(state).status
