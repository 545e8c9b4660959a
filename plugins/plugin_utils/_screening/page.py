# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: one file of HTML that needs nothing from elsewhere. It looks like that of the audit, and is as deaf: what a
log says is text in it and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.report import page


def render(data: Mapping[str, Any], maker: str = "postern.mail") -> str:
    """The page as text.

    :param data: of :func:`view.page_data`
    :param maker: who made it, with a version
    """
    return page.render(data, maker, Path(__file__).resolve().parent)
