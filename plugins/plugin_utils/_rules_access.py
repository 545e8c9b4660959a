# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about access tables: keys that never match, entries that others hide, answers that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._content import access
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.tables import OWN_SENDERS, sender_faults
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown

_LIST = re.compile(r"postfix_(?:smtp|submission)_\w+_restrictions")
OWN_DOMAINS = "postfix_reject_own_domains_from_strangers"


def mistake(variable: str, place: int, fault: Fault) -> Mistake:
    return Mistake(
        fault.rule,
        variable,
        fault.reason,
        fault.fix,
        f"[{place}]{fault.key}",
        shown(fault.value) if fault.value else "",
        severity="warning" if fault.is_warning else "error",
    )


def entries(inventory: Inventory) -> Iterator[Mistake]:
    """Each entry of the access tables by itself, and beside those before it."""
    if "postfix" not in inventory.features:
        return
    for variable, stage in access.VARIABLES.items():
        all_ = access.entries(stage, inventory.values.get(variable))
        for entry in all_:
            yield from (mistake(variable, entry.place, fault) for fault in entry.faults())
        for entry, fault in access.repeated(all_):
            yield mistake(variable, entry.place, fault)


def asked(inventory: Inventory) -> Iterator[Mistake]:
    """Rules that no list of restrictions asks for."""
    lists = [value for name, value in inventory.values.items() if _LIST.fullmatch(name) and isinstance(value, list)]
    for variable, stage in access.VARIABLES.items():
        if inventory.values.get(variable) and lists and not any(variable in elements for elements in lists):
            reason = "no list of restrictions asks for it, so that none of its rules is ever used"
            yield Mistake("access-unused", variable, reason, f"Add {variable} to postfix_smtp_{stage}_restrictions")


def own_senders(inventory: Inventory) -> Iterator[Mistake]:
    written = inventory.texts(OWN_SENDERS)
    places = [place for place, __ in written]
    for number, fault in sender_faults([text for __, text in written]):
        yield mistake(OWN_SENDERS, places[number], Fault(fault.rule, "", fault.reason, fault.fix, fault.value))
    if written and inventory.values.get(OWN_DOMAINS) is False:
        reason = f"it makes exceptions of {OWN_DOMAINS}, which is switched off"
        yield Mistake("access-unused", OWN_SENDERS, reason, f"Set {OWN_DOMAINS} to true, or remove the list")


RULES = (entries, asked, own_senders)
