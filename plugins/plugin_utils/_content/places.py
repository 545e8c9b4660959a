# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entry of which variable a line of a table comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content import access, checks
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.generated import (
    ATTACHMENTS,
    PHRASES,
    wrong_attachment,
    wrong_phrase,
)
from ansible_collections.postern.mail.plugins.plugin_utils._content.tables import OWN_SENDERS, sender_faults

_TABLE = re.compile(r"^\w+:.*/(\w+)$")
_STAGE = re.compile(r"(client|helo|sender|recipient)_(?:networks|names|patterns)")


def place_of(reference: str, line: str, values: Mapping[str, Any]) -> tuple[str, str] | None:
    """:param reference: ``type:path`` of a table of ours
    :param line: key and result as the table has them; empty for the whole table

    :return: variable, and element such as ``[2]``; None for other tables
    """
    found = _TABLE.match(reference)
    stage = _STAGE.fullmatch(found[1]) if found else None
    if stage is None:
        return None
    variable = f"postfix_{stage[1]}_access"
    for entry in access.entries(stage[1], values.get(variable)):
        if not list(entry.faults()) and any(line.startswith(f"{key} ") for key in entry.keys):
            return variable, f"[{entry.place}]"
    return variable, ""


def sound(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The variables that have entries which are told of elsewhere, without these: the rest is judged all the same."""
    whole = {variable: _entries(stage, values.get(variable)) for variable, stage in access.VARIABLES.items()}
    whole |= {variable: _checks(table, values.get(variable)) for variable, table in checks.VARIABLES.items()}
    senders = values.get(OWN_SENDERS)
    if isinstance(senders, list):
        texts = [text for text in senders if isinstance(text, str)]
        wrong = {place for place, __ in sender_faults(texts)}
        whole[OWN_SENDERS] = [text for place, text in enumerate(texts) if place not in wrong]
    charsets = [text for text in values.get("postfix_phrase_charsets") or [] if isinstance(text, str)]
    whole[PHRASES] = [each for each in _mappings(values.get(PHRASES)) if not wrong_phrase(each, charsets)]
    whole[ATTACHMENTS] = [each for each in _mappings(values.get(ATTACHMENTS)) if not wrong_attachment(each)]
    lists = {name: value for name, value in values.items() if name in whole and isinstance(value, list)}
    return {name: whole[name] for name, value in lists.items() if len(whole[name]) < len(value)}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _entries(stage: str, value: Any) -> list[Any]:
    all_ = access.entries(stage, value)
    hidden = {entry.place for entry, __ in access.repeated(all_)}
    return [entry.data for entry in all_ if entry.place not in hidden and _is_sound(entry.faults())]


def _checks(table: str, value: Any) -> list[Any]:
    return [check.data for check in checks.checks(table, value) if _is_sound(check.faults())]


def _is_sound(faults: Iterable[Fault]) -> bool:
    return all(fault.is_warning for fault in faults)
