# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Envelope addresses in smtpd: the path of a command, where it leads, and whether the recipient exists.

The parts live in ``paths`` (syntax), ``resolve`` (rewriting and classes) and ``addrfind`` (look-ups); this is the door.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.addrfind import Find, Hit, find_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lexical import SPACE, fold
from ansible_collections.postern.mail.plugins.plugin_utils._policy.paths import Path, command_words, extract
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.resolve import (
    AddressClass,
    Resolved,
    origin_or_local,
    resolve,
    rewrite,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.tables import Tables, open_maps

__all__ = [
    "AddressClass",
    "Find",
    "Hit",
    "Path",
    "Resolved",
    "Unlisted",
    "dsn_fix",
    "dsn_split",
    "find_address",
    "find_in",
    "parse_path",
    "resolve",
    "rewrite",
    "unlisted",
]

ALWAYS_LISTED = ("postmaster", "mailer-daemon")
"""Local recipients that need no table entry, besides the double-bounce sender."""

_FOR_SENDER = {
    "1": "4.1.0",
    "2": "4.1.8",
    "3": "4.1.7",
    "4": "4.1.0",
    "5": "4.1.0",
    "6": "4.1.0",
    "7": "4.1.7",
    "8": "4.1.8",
}
_FOR_RECIPIENT = {
    "1": "4.1.1",
    "2": "4.1.2",
    "3": "4.1.3",
    "4": "4.1.4",
    "5": "4.1.5",
    "6": "4.1.6",
    "7": "4.1.3",
    "8": "4.1.2",
}


@dataclass(frozen=True, slots=True)
class Unlisted:
    """The reply for an address that its tables do not know.

    :param dsn: already fitted to sender or recipient; its first digit follows the code when the reply is made
    :param text: what comes after ``<address>: Recipient address rejected:``
    :param parameter: the table or transport that decided
    """

    code: int
    dsn: str
    text: str
    parameter: str


def parse_path(settings: Settings, tables: Tables, argument: str, *, recipient: bool, smtputf8: bool = False) -> Path:
    """The address in ``MAIL FROM:argument`` or ``RCPT TO:argument``.

    :param argument: as on the wire, usually ``<user@example.org>``
    :return: ``bad`` means 501 5.1.7 ``Bad sender address syntax`` or 501 5.1.3 ``Bad recipient address syntax``
    """
    words = command_words(f"TO:{argument}")
    if len(words) < 2 or words[1][1]:
        return Path("", bad=True)
    path = extract(words[1][0], strict=settings.flag("strict_rfc821_envelopes"))
    if path.bad or (recipient and not path.address):
        return Path(path.address, bad=True)
    if not path.address:
        return path
    resolved = resolve(settings, tables, path.address)
    if resolved.error or (not smtputf8 and not resolved.domain.isascii()):
        return Path(path.address, bad=True)
    return path


def find_in(settings: Settings, tables: Tables, parameter: str, address: str) -> Hit | None:
    """Look for an address in the maps of a parameter: mail_addr_find() with its usual forms.

    :raises TableError: a table failed
    """
    maps = open_maps(tables, parameter, value=settings[parameter])
    return find_address(maps, address, settings, is_local=origin_or_local(settings, tables)) if maps else None


def unlisted(settings: Settings, tables: Tables, resolved: Resolved, *, sender: bool = False) -> Unlisted | None:
    """Whether the tables of its class know an address: check_rcpt_maps().

    :param settings: smtpd's
    :param resolved: what resolve() said; ``failed`` is the caller's business
    :param sender: for reject_unlisted_sender
    :return: None when the address is known, or nobody can tell
    :raises TableError: 451 4.3.0 ``<address>: Temporary lookup failure`` when ``retry``, else 451 4.3.5 ``Server
        configuration error``
    """
    rewriting = ["recipient_canonical_maps", *(["sender_canonical_maps"] if sender else [])]
    for parameter in (*rewriting, "canonical_maps", "virtual_alias_maps"):
        if find_in(settings, tables, parameter, resolved.recipient):
            return None
    address = "sender" if sender else "recipient"
    if resolved.transport == "error":
        dsn, text = dsn_split("5.1.0" if sender else "5.1.1", resolved.nexthop)
        alias = resolved.address_class is AddressClass.VIRTUAL_ALIAS
        code = settings.number("unknown_virtual_alias_reject_code") if alias else 550
        return Unlisted(code, dsn_fix(dsn, address), text, "virtual_alias_maps" if alias else "transport_maps")
    if resolved.transport == "retry":
        dsn, text = dsn_split("4.1.0" if sender else "4.1.1", resolved.nexthop)
        return Unlisted(450, dsn_fix(dsn, address), text, "transport_maps")
    return _unknown_user(settings, tables, resolved, "5.1.0" if sender else "5.1.1")


_CLASS_TABLES = {
    AddressClass.LOCAL: ("local_recipient_maps", "unknown_local_recipient_reject_code", "local recipient table"),
    AddressClass.VIRTUAL_MAILBOX: (
        "virtual_mailbox_maps",
        "unknown_virtual_mailbox_reject_code",
        "virtual mailbox table",
    ),
    AddressClass.RELAY: ("relay_recipient_maps", "unknown_relay_recipient_reject_code", "relay recipient table"),
}


def _unknown_user(settings: Settings, tables: Tables, resolved: Resolved, dsn: str) -> Unlisted | None:
    if resolved.address_class not in _CLASS_TABLES:
        return None
    parameter, code, name = _CLASS_TABLES[resolved.address_class]
    # An empty list of tables means that every address is accepted.
    if not settings[parameter]:
        return None
    if resolved.address_class is AddressClass.LOCAL and _always_listed(settings, resolved.recipient):
        return None
    if find_in(settings, tables, parameter, resolved.recipient):
        return None
    table = f" in {name}" if settings.flag("show_user_unknown_table_name") else ""
    return Unlisted(settings.number(code), dsn, f"User unknown{table}", parameter)


def _always_listed(settings: Settings, recipient: str) -> bool:
    names = (settings["double_bounce_sender"], *ALWAYS_LISTED)
    return any(fold(recipient).startswith(f"{fold(name)}@") for name in names)


def dsn_split(default: str, text: str) -> tuple[str, str]:
    """:return: enhanced status code at the start of a text, or the default, and the rest (global/dsn_util.c)"""
    text = text.lstrip(SPACE)
    length = dsn_length(text)
    return (text[:length], text[length:].lstrip(SPACE)) if length else (default, text)


def dsn_length(text: str) -> int:
    """:return: length of the enhanced status code at the start of a text, 0 when there is none"""
    word = text
    for place, character in enumerate(text):
        if character in SPACE:
            word = text[:place]
            break
    parts = word.split(".")
    if len(parts) != 3 or parts[0] not in ("2", "4", "5"):
        return 0
    digits = all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts[1:])
    return len(word) if digits else 0


def dsn_fix(dsn: str, kind: str) -> str:
    """Fit an address-related status code to what is refused (smtpd/smtpd_dsn_fix.c).

    :param kind: ``sender``, ``recipient``, or anything else for what is no address
    """
    if dsn[1:4] != ".1.":
        return dsn
    if kind == "sender":
        return _FOR_SENDER.get(dsn[4:], "4.1.0")
    if kind == "recipient":
        return _FOR_RECIPIENT.get(dsn[4:], "4.1.0")
    return "4.0.0"
