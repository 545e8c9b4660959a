# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every word that Postfix knows or once knew in a restriction list: what it takes, where it works, what it says.

Read from Postfix's smtpd_check.c and mail_params.h (3.7, 3.10, 3.11); versions also from its release notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue_client import CLIENT
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue_mail import (
    GENERIC,
    HELO,
    RECIPIENT,
    SENDER,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue_model import (
    LISTS,
    PROFILES,
    Argument,
    Effect,
    ReplyText,
    Restriction,
    RestrictionList,
    Works,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Version

__all__ = [
    "ACCESS_RESULTS",
    "BUILTIN_CLASSES",
    "GUARDS",
    "LISTS",
    "PROFILES",
    "RESTRICTIONS",
    "AccessResult",
    "Argument",
    "Effect",
    "ReplyText",
    "Restriction",
    "RestrictionList",
    "Works",
    "ascii_lower",
    "lookup",
]

RESTRICTIONS: Mapping[str, Restriction] = MappingProxyType(
    {each.name: each for group in (CLIENT, HELO, SENDER, RECIPIENT, GENERIC) for each in group}
)
"""Restriction word -> what is known of it, old and removed words included."""

_BY_NAME = dict(RESTRICTIONS)

GUARDS: frozenset[str] = frozenset(each.name for each in RESTRICTIONS.values() if each.guard)
"""Words of which smtpd wants one in its relay or recipient list before it starts."""

BUILTIN_CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {each.name: each.expansion for each in RESTRICTIONS.values() if each.expansion}
)


def ascii_lower(text: str) -> str:
    """The text as strcasecmp compares it: only ASCII letters have case."""
    return text.lower() if text.isascii() else text


def lookup(name: str) -> Restriction | None:
    """The restriction of that name, by the rule of its own: most words have no case, built-in classes have."""
    found = _BY_NAME.get(name)
    if found is None and (found := _BY_NAME.get(ascii_lower(name))) is not None and found.case_sensitive:
        return None
    return found


@dataclass(frozen=True, slots=True)
class AccessResult:
    """An action of access(5); Postfix compares it without case.

    :param argument: what may or must follow the word
    :param effect: what it does to the list: ``permit``, ``reject``, ``defer``, ``dunno``, ``defer_if_permit``,
        ``defer_if_reject``, ``discard``
    :param message: it acts on the message, so smtpd skips it where there is none yet (see smtpd_delay_reject)
    """

    name: str
    effect: str
    summary: str
    argument: str = ""
    since: Version = (1, 0)
    message: bool = False


ACCESS_RESULTS: Mapping[str, AccessResult] = MappingProxyType(
    {
        each.name: each
        for each in (
            AccessResult("OK", "permit", "permit; the rest of the line is ignored", "text"),
            AccessResult("RELAY", "permit", "permit, as Sendmail calls it", "text"),
            AccessResult("DUNNO", "dunno", "go on with the list", "text"),
            AccessResult("REJECT", "reject", "reject with access_map_reject_code", "dsn and text"),
            AccessResult("DEFER", "defer", "reject with access_map_defer_code", "dsn and text", (2, 6)),
            AccessResult("HANGUP", "reject", "disconnect without a reply", "", (2, 2)),
            AccessResult(
                "DEFER_IF_PERMIT", "defer_if_permit", "temporary error unless rejected", "dsn and text", (2, 1)
            ),
            AccessResult("DEFER_IF_REJECT", "defer_if_reject", "temporary error if rejected", "dsn and text", (2, 1)),
            AccessResult("INFO", "dunno", "log the text", "text", (3, 0)),
            AccessResult("WARN", "dunno", "log a warning with the text", "text", (2, 1)),
            AccessResult("FILTER", "dunno", "send the message through a filter", "transport:destination", (2, 0), True),
            AccessResult("HOLD", "dunno", "put the message into the hold queue", "text", (2, 0), True),
            AccessResult(
                "DISCARD", "discard", "accept and drop the message; nothing else is checked", "text", (2, 0), True
            ),
            AccessResult("REDIRECT", "dunno", "send the message to another address", "user@domain", (2, 1), True),
            AccessResult("BCC", "dunno", "send a copy", "user@domain", (3, 0), True),
            AccessResult("PREPEND", "dunno", "put a header before the message", "header: text", (2, 1), True),
        )
    }
)
"""Name in capitals -> action. All digits permit; ``4NN text`` and ``5NN text`` reject; anything else is a list."""
