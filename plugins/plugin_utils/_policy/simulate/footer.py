# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtpd adds to its rejections: smtpd_reject_footer, and the filter of Postfix 3.11."""

from __future__ import annotations

import re

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.dnsbl import fill
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import State

_ALTERNATIVE = re.compile(r"[45][0-9]{2}[ -]")


def with_footer(state: State, line: str) -> str:
    """First line of the reply as it leaves smtpd.

    A footer becomes lines of its own, except for what follows ``\\c`` at its start.
    """
    if line[:1] not in ("4", "5"):
        return line
    line = _filtered(state, line)
    footer = ""
    if state.server.text("smtpd_reject_footer_maps"):
        footer = state.server.find(state, "smtpd_reject_footer_maps", line).value or ""
    footer = footer or state.server.raw("smtpd_reject_footer")
    if not footer.startswith("\\c"):
        return line
    added = fill(state, footer[2:].split("\\n")[0], {}, lenient=True)
    return line if added is None else line + added


def _filtered(state: State, line: str) -> str:
    if state.server.version < (3, 11) or not state.server.text("smtpd_reject_filter_maps"):
        return line
    found = state.server.find(state, "smtpd_reject_filter_maps", line).value
    if found is None or not _ALTERNATIVE.match(found) or (found[4:5].isdigit() and found[4] != found[0]):
        return line
    return found
