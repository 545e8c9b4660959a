# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking an address up in tables: full form, without extension, parts of it, domain (global/mail_addr_find.c)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rfc822 import quote
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Maps, Table
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import fold


class Find(enum.Flag):
    """Forms of the address that are tried, in this order."""

    FULL = enum.auto()
    NO_EXTENSION = enum.auto()
    LOCALPART_IF_LOCAL = enum.auto()  # user, when the domain is local
    AT_DOMAIN = enum.auto()  # @domain
    DOMAIN = enum.auto()  # domain
    PARENTS = enum.auto()  # and its parents, as domain
    DOTTED_PARENTS = enum.auto()  # and its parents, as .domain
    LOCALPART_AT = enum.auto()  # user@
    DEFAULT = FULL | NO_EXTENSION | LOCALPART_IF_LOCAL | AT_DOMAIN


@dataclass(frozen=True, slots=True)
class Hit:
    """:param key: the form of the address that was found"""

    key: str
    value: str
    table: Table


def find_address(
    maps: Maps,
    address: str,
    settings: Settings,
    *,
    find: Find = Find.DEFAULT,
    is_local: Callable[[str], bool] = lambda domain: False,
) -> Hit | None:
    """Look for an address in internal (unquoted) form.

    :param is_local: whether a domain is myorigin or local, for LOCALPART_IF_LOCAL; may raise TableError
    :raises TableError: a table failed
    """
    bare = strip_extension(address, settings) if Find.NO_EXTENSION in find else None
    at = address.rfind("@")
    if Find.FULL in find:
        hit = _ask(maps, address, partial=False)
        if hit:
            return hit
    if bare is not None:
        hit = _ask(maps, bare, partial=True)
        if hit:
            return hit
    if at >= 0 and Find.LOCALPART_IF_LOCAL in find and is_local(address[at + 1 :]):
        hit = _local(maps, address, bare, keep_at=False)
        if hit:
            return hit
    if at >= 0 and Find.AT_DOMAIN in find:
        hit = _plain(maps, address[at:])
        if hit:
            return hit
    if at >= 0 and Find.DOMAIN in find:
        for key in _domains(address[at + 1 :], find):
            hit = _plain(maps, key)
            if hit:
                return hit
    return _local(maps, address, bare, keep_at=True) if Find.LOCALPART_AT in find else None


def _domains(domain: str, find: Find) -> list[str]:
    keys: list[str] = []
    while domain:
        keys.append(domain)
        dot = domain.find(".", 1)
        if dot < 0 or not find & (Find.PARENTS | Find.DOTTED_PARENTS):
            break
        domain = domain[dot:] if Find.DOTTED_PARENTS in find else domain[dot + 1 :]
    return keys


def _local(maps: Maps, address: str, bare: str | None, *, keep_at: bool) -> Hit | None:
    for form in (address, bare):
        if form is None:
            continue
        at = form.rfind("@")
        key = form[: at + 1] if keep_at else form[:at]
        hit = _ask(maps, key, partial=True, bare_localpart=not keep_at)
        if hit:
            return hit
    return None


def _ask(maps: Maps, address: str, *, partial: bool, bare_localpart: bool = False) -> Hit | None:
    """The quoted form is asked for first, then the unquoted one where that differs."""
    external = quote(address, bare_localpart=bare_localpart)
    for key in dict.fromkeys((external, address)):
        found = maps.found(key, partial=partial)
        if found:
            return Hit(key, *found)
    return None


def _plain(maps: Maps, key: str) -> Hit | None:
    found = maps.found(key, partial=True)
    return Hit(key, *found) if found else None


def strip_extension(address: str, settings: Settings) -> str | None:
    """:return: the address without its extension, None when it has none (global/strip_addr.c)

    Any character of recipient_delimiter separates; the first one in the local part counts.
    """
    delimiters = settings["recipient_delimiter"]
    if not delimiters or not any(character in delimiters for character in address):
        return None
    at = address.rfind("@")
    local = address if at < 0 else address[:at]
    if not _may_split(local, delimiters, settings):
        return None
    cut = next((place for place, character in enumerate(local) if character in delimiters), -1)
    if cut <= 0:
        return None
    return local[:cut] + ("" if at < 0 else address[at:])


def _may_split(local: str, delimiters: str, settings: Settings) -> bool:
    """Names that Postfix itself uses stay whole, and those of mailing lists where ``-`` separates."""
    lower = local.lower()
    if lower in ("postmaster", "mailer-daemon") or fold(local) == fold(settings["double_bounce_sender"]):
        return False
    if "-" in delimiters and settings.flag("owner_request_special"):
        return not (lower.startswith("owner-") or (lower.endswith("-request") and len(lower) > len("-request")))
    return True
