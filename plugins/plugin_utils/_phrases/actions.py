# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule does with a header that matches, as header_checks(5) has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACTIONS = ("REJECT", "WARN", "HOLD", "DISCARD", "IGNORE", "PREPEND", "REPLACE", "FILTER", "REDIRECT")
NEED_TEXT = ("PREPEND", "REPLACE", "FILTER", "REDIRECT")


def action_text(rule: Mapping[str, Any]) -> str:
    """The right side of the table; a rule on trial warns with the words of what it would do."""
    action = str(rule.get("action") or "REJECT").upper()
    text = " ".join(str(rule.get("text") or "").split())
    words = f"{action} {text}".strip()
    # pcre_table(5): a dollar sign begins the number of a group.
    return (f"WARN would {words}" if rule.get("observe") else words).replace("$", "$$")
