# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A finding's fix, in words that say what to do with it."""

from __future__ import annotations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding

_VERBS = frozenset(
    {"add", "change", "define", "delete", "give", "leave", "make", "move", "put", "remove", "take", "write"}
)


def advice(finding: Finding) -> str:
    """The fix as a sentence that says to do it; where it is a text to write, that it is one."""
    first = finding.fix.partition(" ")[0]
    if first.lower() in _VERBS or first[:1].isupper():
        return finding.fix[:1].upper() + finding.fix[1:]
    return f"Write: {finding.fix}"
