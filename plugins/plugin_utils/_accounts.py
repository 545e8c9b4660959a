# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has mail here: from the inventory's words to the tables that the daemons look things up in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    address_problem,
    canonical_address,
    canonical_domain,
    domain_of,
    without_extension,
)
from ansible_collections.postern.mail.plugins.plugin_utils._passwords import hash_passwords, salt_for, with_scheme
from ansible_collections.postern.mail.plugins.plugin_utils._sizes import parse_size

# RFC 2142 sections 4 and 5: the names under which anybody may reach who runs a domain.
REQUIRED_NAMES = ("postmaster", "abuse")
_FALSE = ("no", "false", "off", "0", "n", "f")


class AccountError(ValueError):
    """The accounts do not fit together; the message names the address and never a password."""


@dataclass
class Mailbox:
    """One person's mailbox.

    :param address: canonical
    :param aliases: further addresses of the owner, canonical
    :param quota: bytes, 0 is unlimited
    :param enabled: False: no login; mail still arrives, so that nothing is lost or bounced
    """

    address: str
    aliases: list[str] = field(default_factory=list)
    quota: int = 0
    enabled: bool = True
    password: str = field(default="", repr=False)
    password_hash: str = field(default="", repr=False)


def is_true(value: object) -> bool:
    """YAML's or the command line's idea of true (``-e`` gives text)."""
    return str(value).strip().lower() not in _FALSE


def own_alias(alias: str, address: str) -> str:
    """An alias of a user in full: a bare ``info`` is at the domain of the user's address."""
    full: str = canonical_address(alias if "@" in alias else f"{alias}@{domain_of(address)}")
    return full


def read_mailboxes(users: Sequence[Mapping[str, Any]], domains: Sequence[str], quota: str | int) -> list[Mailbox]:
    """:raises AccountError: an address is malformed, not in one of the domains, or there twice"""
    mailboxes: dict[str, Mailbox] = {}
    for user in users:
        address = _address(user.get("address"), domains)
        if address in mailboxes:
            raise AccountError(f"{address} is there twice")
        own_quota = user.get("quota")
        try:
            size = parse_size(quota if own_quota in (None, "") else own_quota)
        except ValueError as error:
            raise AccountError(f"quota of {address}: {error}") from error
        mailboxes[address] = Mailbox(
            address=address,
            aliases=[_address(own_alias(str(alias), address), domains) for alias in user.get("aliases") or []],
            quota=size,
            enabled=is_true(True if user.get("enabled") is None else user["enabled"]),
            password=str(user.get("password") or ""),
            password_hash=str(user.get("password_hash") or ""),
        )
    return [mailboxes[address] for address in sorted(mailboxes)]


def read_aliases(aliases: Sequence[Mapping[str, Any]], domains: Sequence[str]) -> dict[str, list[str]]:
    """Targets by address; a catch-all's address is ``@domain``.

    :raises AccountError: an address is malformed, not in one of the domains, or there twice
    """
    table: dict[str, list[str]] = {}
    for alias in aliases:
        written = str(alias.get("address") or "")
        address = canonical_address(written) if written.startswith("@") else _address(written, domains)
        if address in table or domain_of(address) not in domains:
            raise AccountError(f"{address} is there twice, or its domain is not in mail_domains")
        targets = [canonical_target(str(target), domains) for target in alias.get("to") or []]
        if not targets:
            raise AccountError(f"alias {address} has no target")
        table[address] = list(dict.fromkeys(targets))
    return table


def canonical_target(target: str, domains: Sequence[str]) -> str:
    """Ours in lower case; elsewhere the part before the @ belongs to the other server and stays as it is."""
    local, at, domain = target.strip().rpartition("@")
    ours = canonical_domain(domain) in domains
    return f"{local.lower() if ours else local}{at}{canonical_domain(domain)}"


def _address(text: object, domains: Sequence[str]) -> str:
    problem = address_problem(str(text or ""))
    if problem:
        raise AccountError(f"address {text!r}: {problem.reason}")
    address: str = canonical_address(str(text))
    if domain_of(address) not in domains:
        raise AccountError(f"{address}: its domain is not in mail_domains")
    return address


def required_aliases(existing: Collection[str], domains: Sequence[str], postmaster: str) -> dict[str, list[str]]:
    """postmaster@ and abuse@ of each domain that has none of its own, to the configured address."""
    if not postmaster:
        return {}
    target = canonical_target(postmaster, domains)
    wanted = [f"{name}@{domain}" for domain in domains for name in REQUIRED_NAMES]
    return {address: [target] for address in wanted if address not in existing and address != target}


def resolve(address: str, aliases: Mapping[str, Sequence[str]], delimiter: str = "") -> set[str]:
    """Final destinations of an address: what is left when no alias applies any more, as virtual(5) looks things up.

    An alias that lists itself among its targets ends there: that is how a copy is kept.
    """
    final: set[str] = set()
    seen: set[str] = set()
    waiting = [address]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        key = alias_key(current, aliases, delimiter)
        if not key:
            final.add(without_extension(current, delimiter))
            continue
        targets = aliases[key]
        final.update(target for target in targets if target in (current, key))
        waiting += [target for target in targets if target not in (current, key)]
    return final


def alias_key(address: str, aliases: Mapping[str, Any], delimiter: str = "") -> str:
    """The entry of the table that applies: the whole address, without its extension, or the domain's catch-all."""
    for key in (address, without_extension(address, delimiter), "@" + domain_of(address)):
        if key in aliases:
            return key
    return ""


def build(
    users: Sequence[Mapping[str, Any]],
    aliases: Sequence[Mapping[str, Any]],
    *,
    domains: Sequence[str],
    postmaster: str = "",
    quota: str | int = 0,
    salt: str = "",
    delimiter: str = "",
    hashes: bool = True,
) -> dict[str, Any]:
    """All tables of accounts; see the accounts filter for their form.

    :param hashes: False leaves ``password_hash`` out: it is what takes time
    :raises AccountError: the inventory contradicts itself (the validation says so earlier and better)
    :raises NoHashLibraryError: no library on the controller computes Argon2id
    """
    ours = [canonical_domain(domain) for domain in domains]
    mailboxes = read_mailboxes(users, ours, quota)
    written = read_aliases(aliases, ours)
    own = {alias: mailbox.address for mailbox in mailboxes for alias in mailbox.aliases}
    table = {**{alias: [owner] for alias, owner in own.items()}, **written}
    addresses = {mailbox.address for mailbox in mailboxes}
    table.update(required_aliases({*table, *addresses}, ours, postmaster))
    single = _single_targets(table, addresses, delimiter)
    # Postfix tries the catch-all before the mailbox; an entry to itself comes before both.
    shadowed = [address for address in addresses if "@" + domain_of(address) in table and address not in table]
    table.update({address: [address] for address in shadowed})
    senders = {address: [address] for address in addresses} | {
        alias: [owner] for alias, owner in (single | own).items()
    }
    return {
        "mailboxes": _as_data(mailboxes, salt, hashes),
        "addresses": sorted(addresses),
        "domains": ours,
        "aliases": dict(sorted(table.items())),
        "senders": dict(sorted(senders.items())),
        "owned": {owner: sorted(a for a, logins in senders.items() if owner in logins) for owner in sorted(addresses)},
        "single_target": single,
    }


def _single_targets(table: Mapping[str, list[str]], mailboxes: set[str], delimiter: str) -> dict[str, str]:
    """Aliases behind which there is exactly one mailbox of ours and nothing else; catch-alls are no addresses."""
    single: dict[str, str] = {}
    for alias in sorted(set(table) - mailboxes):
        final = resolve(alias, table, delimiter)
        if not alias.startswith("@") and len(final) == 1 and final <= mailboxes:
            single[alias] = next(iter(final))
    return single


def _as_data(mailboxes: Sequence[Mailbox], salt: str, hashes: bool) -> list[dict[str, Any]]:
    made: dict[str, str] = {}
    if hashes:
        wanted = [mailbox for mailbox in mailboxes if mailbox.password and not mailbox.password_hash]
        pairs = [(mailbox.password, salt_for(mailbox.address, salt).hex()) for mailbox in wanted]
        made = dict(zip([mailbox.address for mailbox in wanted], hash_passwords(pairs) if pairs else [], strict=True))
    data = []
    for mailbox in mailboxes:
        local, _at, domain = mailbox.address.rpartition("@")
        entry: dict[str, Any] = {"address": mailbox.address, "domain": domain, "local_part": local}
        entry |= {"quota_bytes": mailbox.quota, "enabled": mailbox.enabled}
        if hashes:
            entry["password_hash"] = made.get(mailbox.address) or with_scheme(mailbox.password_hash)
        data.append(entry)
    return data
