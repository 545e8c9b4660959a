# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about phrases in headers and names of attachments that are no phrases and no names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.shape import attachment_shape, phrase_shape
from ansible_collections.postern.mail.plugins.plugin_utils._rules_access import mistake

_PHRASES, _ATTACHMENTS = "postfix_header_phrases", "postfix_attachment_names"


def phrases(inventory: Inventory) -> Iterator[Mistake]:
    yield from _told(inventory, _PHRASES, phrase_shape)


def attachments(inventory: Inventory) -> Iterator[Mistake]:
    yield from _told(inventory, _ATTACHMENTS, attachment_shape)


def _told(
    inventory: Inventory, variable: str, shape: Callable[[Mapping[str, Any]], Iterator[Fault]]
) -> Iterator[Mistake]:
    if "postfix" in inventory.features:
        for place, rule in inventory.dicts(variable):
            yield from (mistake(variable, place, fault) for fault in shape(rule))


RULES = (phrases, attachments)
