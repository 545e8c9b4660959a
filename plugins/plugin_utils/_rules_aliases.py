# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about aliases: where mail goes, and that it arrives somewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._accounts import (
    REQUIRED_NAMES,
    alias_key,
    is_true,
    resolve,
)
from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    address_problem,
    canonical_address,
    domain_of,
    domain_problem,
    own_address_problem,
    without_extension,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory, texts_in
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, closest, shown
from ansible_collections.postern.mail.plugins.plugin_utils._rules_users import not_ours

_ALIASES = "mail_aliases"
_POSTMASTER = "mail_postmaster"


def addresses(inventory: Inventory) -> Iterator[Mistake]:
    for index, alias in inventory.dicts(_ALIASES):
        address = alias.get("address")
        if not isinstance(address, str):
            continue
        at = f"[{index}].address"
        problem = domain_problem(address[1:]) if address.startswith("@") else address_problem(address)
        problem = problem or own_address_problem(address)
        if problem:
            yield Mistake("address", _ALIASES, problem.reason, problem.fix, at, shown(address))
        elif inventory.domains_known and not inventory.is_ours(address):
            problem = not_ours(inventory, canonical_address(address))
            yield Mistake("alias-domain", _ALIASES, problem.reason, problem.fix, at, shown(address))


def targets(inventory: Inventory) -> Iterator[Mistake]:
    for index, alias in inventory.dicts(_ALIASES):
        if alias.get("to") == []:
            fix = "Write at least one address, or remove the alias"
            yield Mistake("alias-empty", _ALIASES, "nobody would receive its mail", fix, f"[{index}].to")
        for position, target in enumerate(texts_in(alias.get("to"))):
            yield from _target(inventory, alias, target, f"[{index}].to[{position}]")


def _target(inventory: Inventory, alias: Mapping[str, Any], target: str, at: str) -> Iterator[Mistake]:
    if target.startswith(("|", "/", ":")):
        fix = "Write an address; a user's Sieve script can file and filter"
        yield Mistake(
            "address", _ALIASES, "mail goes to addresses only, not to programs or files", fix, at, shown(target)
        )
        return
    if target.startswith("@"):
        fix = "Write whole addresses"
        yield Mistake("address", _ALIASES, "mail goes to an address, not to a whole domain", fix, at, shown(target))
        return
    problem = address_problem(target)
    if problem:
        fix = _complete(inventory, alias, target) or problem.fix
        yield Mistake("address", _ALIASES, problem.reason, fix, at, shown(target))
    elif inventory.domains_known and not inventory.is_ours(target) and not _is_external(alias):
        address = canonical_address(target)
        guess = _similar(address, inventory.mailboxes)
        fix = f"Write: {guess}   (did you mean that?), or add" if guess else "Add"
        reason = "it is not an address of this server, and mail leaves it only where you say so"
        yield Mistake("alias-external", _ALIASES, reason, f"{fix} to this alias: external: true", at, shown(target))


def _complete(inventory: Inventory, alias: Mapping[str, Any], target: str) -> str:
    """What a bare name among the targets probably means."""
    address = alias.get("address")
    if "@" in target or not isinstance(address, str) or "@" not in address:
        return ""
    full = canonical_address(f"{target}@{address.rpartition('@')[2]}")
    known = full in inventory.mailboxes or full in inventory.alias_table
    return f"Write: {full}" if known else ""


def _is_external(alias: Mapping[str, Any]) -> bool:
    return alias.get("external") is not None and is_true(alias["external"])


def _is_known(inventory: Inventory, address: str) -> bool:
    """Whether somebody receives what is sent to this address of ours."""
    without = without_extension(address, inventory.delimiter)
    return bool(
        {address, without} & set(inventory.mailboxes) or alias_key(address, inventory.alias_table, inventory.delimiter)
    )


def _similar(address: str, known: Iterable[str]) -> str:
    """A known address that was probably meant: nearly the same on both sides of the @."""
    local, _at, domain = address.rpartition("@")
    locals_by_domain: dict[str, list[str]] = {}
    for other in known:
        locals_by_domain.setdefault(domain_of(other), []).append(other.rpartition("@")[0])
    nearest = closest(domain, locals_by_domain, 0.85)
    match = closest(local, locals_by_domain.get(nearest, []), 0.65)
    return f"{match}@{nearest}" if match else ""


def nobody(inventory: Inventory) -> Iterator[Mistake]:
    """A message to such an alias would be accepted and then bounced to a sender who may be forged (backscatter)."""
    known = {*inventory.mailboxes, *inventory.alias_table}
    if not inventory.addresses_known:
        return
    for index, alias in inventory.dicts(_ALIASES):
        for position, target in enumerate(texts_in(alias.get("to"))):
            if address_problem(target) or not inventory.is_ours(target):
                continue
            address = canonical_address(target)
            if not _is_known(inventory, address):
                guess = _similar(address, known)
                fix = f"Write: {guess}   (did you mean that?), or add" if guess else "Add"
                reason = "there is no such user or alias here: its mail would be accepted and then bounce"
                at = f"[{index}].to[{position}]"
                yield Mistake("alias-to-nobody", _ALIASES, reason, f"{fix} {address} to mail_users", at, shown(target))


def loops(inventory: Inventory) -> Iterator[Mistake]:
    reported: set[frozenset[str]] = set()
    where = {entry.address: entry for entry in reversed(inventory.entries) if entry.kind != "user"}
    for start in inventory.alias_table:
        cycle = _cycle(inventory, start)
        if not cycle or frozenset(cycle) in reported:
            continue
        reported.add(frozenset(cycle))
        shown_cycle = " -> ".join([*cycle, cycle[0]])
        fix = "Let one of them lead to a mailbox"
        entry = next((where[address] for address in cycle if address in where), None)
        if entry:
            yield Mistake(
                "alias-loop",
                entry.variable,
                f"it leads back to itself: {shown_cycle}",
                fix,
                entry.element,
                shown(entry.written),
            )
        else:
            text = inventory.text(_POSTMASTER)
            yield Mistake("alias-loop", _POSTMASTER, f"it leads back to itself: {shown_cycle}", fix, value=shown(text))


def _cycle(inventory: Inventory, start: str) -> list[str]:
    """The first way from an alias back to itself, or an empty list."""
    table, delimiter = inventory.alias_table, inventory.delimiter
    path: list[str] = []
    done: set[str] = set()

    def visit(key: str) -> list[str]:
        if key in path:
            return path[path.index(key) :]
        if key in done:
            return []
        path.append(key)
        for target in table[key]:
            # An address that names itself keeps a copy (virtual(5)), if there is a mailbox to keep it in.
            if target == key and key in inventory.mailboxes:
                continue
            # With a catch-all, each mailbox gets an entry to itself and is looked up before it.
            following = (
                "" if target in inventory.mailboxes and target not in table else alias_key(target, table, delimiter)
            )
            if following.startswith("@") and without_extension(target, delimiter) in inventory.mailboxes:
                continue
            if following and (found := visit(following)):
                return found
        path.pop()
        done.add(key)
        return []

    cycle = visit(start)
    return cycle if start in cycle else []


def postmaster(inventory: Inventory) -> Iterator[Mistake]:
    text = inventory.text(_POSTMASTER)
    if text:
        yield from _postmaster_address(inventory, text)
    if text or not inventory.addresses_known:
        return
    missing = [
        f"{name}@{domain}"
        for domain in inventory.domains
        for name in REQUIRED_NAMES
        if not _is_known(inventory, f"{name}@{domain}") and not domain_problem(domain)
    ]
    if missing:
        names = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        readers = (
            address for address, user in inventory.mailboxes.items() if _is_enabled(user) and inventory.is_ours(address)
        )
        example = next(readers, "you@example.org")
        reason = f"nobody receives {names}; every domain must have these addresses (RFC 2142)"
        yield Mistake("postmaster", _POSTMASTER, reason, f"Write: mail_postmaster: {example}   # somebody who reads it")


def _postmaster_address(inventory: Inventory, text: str) -> Iterator[Mistake]:
    problem = address_problem(text)
    if problem:
        yield Mistake("postmaster", _POSTMASTER, problem.reason, problem.fix, value=shown(text))
        return
    address = canonical_address(text)
    generated = address.partition("@")[0] in REQUIRED_NAMES and inventory.alias_table.get(address) == [address]
    if not inventory.addresses_known or not inventory.is_ours(address):
        return
    if generated or not _is_known(inventory, address):
        guess = _similar(address, {*inventory.mailboxes, *inventory.alias_table} - {address})
        fix = f"Write: {guess}   (did you mean that?), or add" if guess else "Add"
        reason = "there is no such user or alias here"
        yield Mistake("postmaster", _POSTMASTER, reason, f"{fix} {address} to mail_users", value=shown(text))


def nobody_reads_postmaster(inventory: Inventory) -> Iterator[Mistake]:
    """A disabled user still receives mail and nobody reads it."""
    for domain in inventory.domains:
        for name in REQUIRED_NAMES:
            address = f"{name}@{domain}"
            final = resolve(address, inventory.alias_table, inventory.delimiter)
            users = [inventory.mailboxes[target] for target in final if target in inventory.mailboxes]
            if users and len(users) == len(final) and not any(_is_enabled(user) for user in users):
                (index, user), *_others = ((i, u) for i, u in inventory.dicts("mail_users") if u in users)
                reason = f"the user is disabled and nobody else receives {address}"
                fix = "Let somebody who can log in receive it, for example with mail_postmaster"
                yield Mistake("postmaster-unread", "mail_users", reason, fix, f"[{index}]", shown(user["address"]))
                return


def _is_enabled(user: Mapping[str, Any]) -> bool:
    return user.get("enabled") is None or is_true(user["enabled"])


RULES = (addresses, targets, nobody, loops, postmaster, nobody_reads_postmaster)
