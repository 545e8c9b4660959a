# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an access rule and a content check have in common: what is done, with which words, and what for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.actions import REFUSING
from ansible_collections.postern.mail.plugins.plugin_utils._content.replies import Reply


class Written:
    """A rule as it stands in its variable."""

    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in logs and replies."""
        raise NotImplementedError

    @property
    def action(self) -> str:
        return str(self.data.get("action") or "")

    @property
    def text(self) -> str:
        return str(self.data.get("text") or "")

    @property
    def comment(self) -> str:
        return " ".join(str(self.data.get("comment") or "").split())

    @property
    def reply(self) -> Reply:
        return Reply.of(self.text, self.name) if self.action in REFUSING else Reply(self.text.strip())
