# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about people: their addresses, passwords and quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._accounts import own_alias
from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    Problem,
    address_problem,
    canonical_address,
    domain_of,
    mailbox_problem,
    own_address_problem,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Entry, Inventory, texts_in
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, closest, shown
from ansible_collections.postern.mail.plugins.plugin_utils._passwords import MISSING_LIBRARY, can_hash, hash_problem
from ansible_collections.postern.mail.plugins.plugin_utils._rules_identity import (
    SMALLEST_QUOTA,
    quota_below_limit,
    size_mistakes,
)
from ansible_collections.postern.mail.plugins.plugin_utils._sizes import parse_size

# NIST SP 800-63B: eight characters at least.
_SHORTEST_PASSWORD = 8
_USERS = "mail_users"


def not_ours(inventory: Inventory, address: str) -> Problem:
    """The words for an address whose domain is not one of this server's."""
    domain = domain_of(address)
    guess = closest(domain, inventory.domains)
    better = f"{address.rpartition('@')[0]}@{guess}"
    write = f"Write: {better}   (did you mean {guess}?) or add" if guess else "Add"
    return Problem("its domain is not in mail_domains", f"{write} {domain} to mail_domains")


def addresses(inventory: Inventory) -> Iterator[Mistake]:
    for index, user in inventory.dicts(_USERS):
        address = user.get("address")
        if not isinstance(address, str):
            continue
        at = f"[{index}].address"
        problem = address_problem(address) or own_address_problem(address)
        problem = problem or mailbox_problem(address, inventory.delimiter)
        if problem:
            yield Mistake("address", _USERS, problem.reason, problem.fix, at, shown(address))
        elif inventory.domains_known and not inventory.is_ours(address):
            problem = not_ours(inventory, address)
            yield Mistake("user-domain", _USERS, problem.reason, problem.fix, at, shown(address))
        if not address_problem(address):
            yield from _user_aliases(inventory, index, user, address)


def _user_aliases(inventory: Inventory, index: int, user: Mapping[str, Any], address: str) -> Iterator[Mistake]:
    for position, alias in enumerate(texts_in(user.get("aliases"))):
        at = f"[{index}].aliases[{position}]"
        if alias.startswith("@"):
            fix = f'Write in mail_aliases: {{address: "{alias}", to: [{address}]}}'
            yield Mistake("address", _USERS, "a catch-all is not a user's alias", fix, at, shown(alias))
            continue
        full = own_alias(alias, address)
        problem = address_problem(full) or own_address_problem(full)
        if problem:
            yield Mistake("address", _USERS, problem.reason, problem.fix, at, shown(alias))
        elif "@" in alias and inventory.domains_known and not inventory.is_ours(full):
            problem = not_ours(inventory, full)
            yield Mistake("user-domain", _USERS, problem.reason, problem.fix, at, shown(alias))


def duplicates(inventory: Inventory) -> Iterator[Mistake]:
    """One address, one meaning: Postfix would take the alias and the mailbox would never see a message."""
    first: dict[str, Entry] = {}
    for entry in inventory.entries:
        other = first.setdefault(entry.address, entry)
        if other is not entry and not _keeps_a_copy(inventory, entry, other):
            yield _duplicate(entry, other)


def _keeps_a_copy(inventory: Inventory, entry: Entry, other: Entry) -> bool:
    """An alias may have a mailbox's address when the mailbox is among its targets: forward, and keep a copy."""
    kinds = {entry.kind, other.kind}
    return kinds == {"user", "alias"} and entry.address in inventory.alias_table.get(entry.address, [])


def _duplicate(entry: Entry, other: Entry) -> Mistake:
    place = f"{other.variable}{other.element}"
    written = f" as {shown(other.written)}" if other.written != entry.written else ""
    reason = f"the same address is already at {place}{written}"
    if entry.written != other.written and entry.written.lower() == other.written.lower():
        reason += " (upper and lower case are the same mailbox)"
    fix = "Remove one of the two"
    if {entry.kind, other.kind} == {"user alias"}:
        reason = f"two users claim this alias: it is also at {place}{written}"
        fix = "Remove one of the two; or write it in mail_aliases, with both users in `to`"
    elif {entry.kind, other.kind} == {"user", "alias"}:
        reason += ", a mailbox that this alias would take all mail from"
        fix = f"Remove one of the two; or add {entry.address} to the alias's `to`, and the mailbox keeps a copy"
    return Mistake("duplicate-address", entry.variable, reason, fix, entry.element, shown(entry.written))


def passwords(inventory: Inventory) -> Iterator[Mistake]:
    needed = False
    for index, user in inventory.dicts(_USERS):
        mistakes = list(_password_mistakes(index, user))
        needed = needed or (not mistakes and isinstance(user.get("password"), str))
        yield from mistakes
    if needed and not can_hash():
        reason, _separator, fix = MISSING_LIBRARY.partition("; ")
        yield Mistake("hash-library", _USERS, reason, fix[0].upper() + fix[1:])


def _password_mistakes(index: int, user: Mapping[str, Any]) -> Iterator[Mistake]:
    password, given_hash = user.get("password"), user.get("password_hash")
    who = canonical_address(user["address"]) if isinstance(user.get("address"), str) else "this user"
    at = f"[{index}].password"

    def mistake(rule: str, reason: str, fix: str, element: str = at) -> Mistake:
        return Mistake(rule, _USERS, reason, fix, element)

    if password is None and given_hash is None:
        empty = [key for key in ("password", "password_hash") if key in user]
        reason = f"{who} has {'an empty' if empty else 'no'} password"
        fix = "Add a line: password: (best from Ansible Vault), or password_hash: (what doveadm pw -s ARGON2ID prints)"
        yield mistake("no-password", reason, fix, f"[{index}]")
        return
    if password is not None and given_hash is not None:
        yield mistake(
            "two-passwords", f"{who} has both password and password_hash", "Remove one of the two", f"[{index}]"
        )
    if isinstance(password, bool | int | float):
        reason = "it is not text to YAML, which may have changed it (0123 is 83, yes is true)"
        yield mistake("password-type", reason, "Put the password in quotes")
    elif isinstance(password, str):
        yield from _weak_password(password, mistake)
    if isinstance(given_hash, str) and (why := hash_problem(given_hash)):
        fix = f"Write what this prints: doveadm pw -s ARGON2ID -u {who}"
        yield mistake("password-hash", why, fix, f"[{index}].password_hash")


def _weak_password(password: str, mistake: Any) -> Iterator[Mistake]:
    if password.startswith(("{", "$")) and not hash_problem(password):
        yield mistake("password-type", "it is a hash, not a password", "Call the key password_hash")
    elif len(password) < _SHORTEST_PASSWORD:
        count = "it is empty" if not password else f"it has fewer than {_SHORTEST_PASSWORD} characters"
        yield mistake("short-password", f"{count}: such passwords are guessed within hours", "Choose a longer one")
    elif password != password.strip() or not password.isprintable():
        reason = "it begins or ends with white space or has a control character (a line break from a file?)"
        yield mistake("password-type", reason, "Remove it, for example with | trim")


def quotas(inventory: Inventory) -> Iterator[Mistake]:
    try:
        limit = parse_size(inventory.values.get("mail_message_size_limit", 0))
    except ValueError:
        limit = 0
    for index, user in inventory.dicts(_USERS):
        quota = user.get("quota")
        at = f"[{index}].quota"
        mistakes = list(size_mistakes(quota, _USERS, at, SMALLEST_QUOTA))
        yield from mistakes
        if (
            not mistakes
            and isinstance(quota, str | int)
            and not isinstance(quota, bool)
            and 0 < parse_size(quota) < limit
        ):
            yield quota_below_limit(_USERS, at, parse_size(quota), limit)


RULES = (addresses, duplicates, passwords, quotas)
