# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address verification: what a probe would say, and the sender of probes."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import fold
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import State


class Probe(NamedTuple):
    """:param status: ``ok``, ``undeliverable`` or ``deferred``"""

    status: str
    text: str = ""


def probe(state: State, address: str) -> Probe:
    """What is given for ``verify:address``; deliverable where nothing is."""
    given = state.answers.get(f"verify:{address}")
    if given is None:
        given = next((text for key, text in state.answers.items() if key.lower() == f"verify:{address.lower()}"), "")
    status, _blank, text = given.strip().partition(" ")
    if status.lower() not in ("ok", "undeliverable", "deferred"):
        state.assume(f"Whether {address} can be delivered to is not known: taken as yes.")
        return Probe("ok")
    return Probe(status.lower(), text.strip())


def is_probe_sender(state: State, address: str) -> bool:
    """Whether an address is that of Postfix's own probes, which is always welcome (valid_verify_sender_addr())."""
    own = state.server.text("address_verify_sender")
    if own in ("", "<>"):
        return address == ""
    if state.server.settings.seconds("address_verify_sender_ttl") > 0:
        # The local part then ends in a time stamp.
        return False
    return fold(address) in (fold(state.server.probe_sender), fold(state.server.probe_sender).partition("@")[0]) and (
        "@" in address or "@" not in state.server.probe_sender
    )
