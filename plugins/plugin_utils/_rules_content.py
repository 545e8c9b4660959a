# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about content checks: patterns that do not compile or cost too much, samples that they miss."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._content import checks, generated
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown
from ansible_collections.postern.mail.plugins.plugin_utils._rules_access import mistake
from ansible_collections.postern.mail.plugins.plugin_utils._sizes import parse_size

_SIZE = "postfix_body_checks_size_limit"
CHARSETS = "postfix_phrase_charsets"


def written(inventory: Inventory) -> Iterator[Mistake]:
    """Each rule by itself, and beside those before it."""
    if "postfix" not in inventory.features:
        return
    for variable, table in checks.VARIABLES.items():
        all_ = checks.checks(table, inventory.values.get(variable))
        for check in all_:
            yield from (mistake(variable, check.place, fault) for fault in check.faults())
        for check, fault in checks.shadowed(all_):
            yield mistake(variable, check.place, fault)


def size(inventory: Inventory) -> Iterator[Mistake]:
    value = inventory.values.get(_SIZE)
    if not isinstance(value, str | int) or isinstance(value, bool):
        return
    try:
        parse_size(value)
    except ValueError as error:
        yield Mistake("size", _SIZE, "it is not a size", str(error), value=shown(value))


def phrases(inventory: Inventory) -> Iterator[Mistake]:
    """Phrases that a charset cannot write, and what is done about those that are found."""
    if "postfix" not in inventory.features:
        return
    charsets = [name for __, name in inventory.texts(CHARSETS)]
    for place, rule in inventory.dicts(generated.PHRASES):
        yield from (mistake(generated.PHRASES, place, fault) for fault in generated.phrase_faults(rule, charsets))


def attachments(inventory: Inventory) -> Iterator[Mistake]:
    """Names of attachments that cannot be looked for."""
    if "postfix" not in inventory.features:
        return
    for place, rule in inventory.dicts(generated.ATTACHMENTS):
        yield from (mistake(generated.ATTACHMENTS, place, fault) for fault in generated.attachment_faults(rule))


RULES = (written, phrases, attachments, size)
