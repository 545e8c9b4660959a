# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a policy knows: a user, a colleague, an alias, and somebody who does not exist.

They are taken from the tables where their content is known. Where it is not, users are written into them: a persona
is about the lists, not about who has an account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import resolve
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError, Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, TableContent
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import tokens
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial import candidates
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.samples import samples

CORRESPONDENT = "correspondent.example"
"""Where the friends of our users are."""

_RECIPIENT_MAPS = {
    "mydestination": ("local_recipient_maps", "virtual_alias_maps"),
    "virtual_alias_domains": ("virtual_alias_maps",),
    "virtual_mailbox_domains": ("virtual_mailbox_maps", "virtual_alias_maps"),
    "relay_domains": ("relay_recipient_maps", "virtual_alias_maps"),
}
_PATTERNS = frozenset({"regexp", "pcre"})
_KNOWABLE = frozenset({"inline", "static", "unionmap", "pipemap", "randmap", "fail", "environ", "internal"})
_LOGIN_CHECKS = frozenset(
    {
        "reject_sender_login_mismatch",
        "reject_authenticated_sender_login_mismatch",
        "reject_known_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch",
    }
)


@dataclass(frozen=True, slots=True)
class People:
    """:param policy: with the users written into the tables whose content is not known

    :param domain: one of ours, empty when the policy has none
    :param user: an address that exists
    :param login: the user's login name
    :param colleague: another address, of another login
    :param alias: another address of the user, empty where none has one
    :param nobody: an address of ours that does not exist
    :param friend: an address elsewhere
    :param detours: addresses that look like ours and lead elsewhere
    :param auth: users can log in at this service
    :param users_known: the policy has a list of its users
    :param senders_checked: some element compares senders with logins
    :param trusts_itself: 127.0.0.1 is in mynetworks
    :param block_lists: domain and filter of each DNS block list that is asked about the client's address
    """

    policy: Policy
    hostname: str
    domain: str = ""
    user: str = ""
    login: str = ""
    colleague: str = ""
    alias: str = ""
    nobody: str = ""
    friend: str = f"friend@{CORRESPONDENT}"
    detours: tuple[str, ...] = ()
    auth: bool = False
    users_known: bool = False
    senders_checked: bool = False
    trusts_itself: bool = False
    block_lists: tuple[tuple[str, str], ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


def of(policy: Policy, service: str) -> People:
    """:raises PolicyError: no such service"""
    settings = policy.settings(service)
    tables = Tables(settings, policy.tables, "empty")
    parameter, domain = _domain(settings, tables)
    found = People(policy, _text(settings, "myhostname") or "localhost", domain)
    if domain:
        found = _populated(found, settings, tables, parameter)
    elements = [element for element, _name in candidates.elements(settings)]
    names = {element.name.lower() for element in elements}
    return replace(
        found,
        detours=tuple(_detours(settings, tables, domain)),
        auth=_text(settings, "smtpd_sasl_auth_enable").lower() == "yes",
        senders_checked=bool(names & _LOGIN_CHECKS),
        trusts_itself=candidates.is_own(settings, tables, "127.0.0.1"),
        block_lists=tuple(
            element.argument.text.partition("=")[::2]
            for element in elements
            if element.name.lower() == "reject_rbl_client" and element.argument is not None and not element.warn
        ),
    )


def _text(settings: Settings, name: str) -> str:
    try:
        return settings[name].strip()
    except PolicyError:
        return ""


_INVENTED = "ours.example"


def _domain(settings: Settings, tables: Tables) -> tuple[str, str]:
    """The domain most likely to hold the users, with the list that names it; one is made up for an unknown table."""
    lists = ("virtual_mailbox_domains", "mydestination", "virtual_alias_domains", "relay_domains")
    given = [name for name in lists if settings.is_set(name)]
    for parameter in given:
        if domain := candidates.domain_of(settings, tables, parameter):
            return parameter, domain
        if any(_is_unknown(settings.policy, reference) for reference in _sources(settings, parameter)):
            return parameter, _INVENTED
    if is_hostname(_text(settings, "myhostname")) and _text(settings, "mydestination"):
        return "mydestination", _text(settings, "myhostname")
    return "", ""


def _sources(settings: Settings, parameter: str) -> list[str]:
    """Tables and files that a list of domains is made of."""
    files = [word for word in candidates.words(settings, parameter) if word.startswith("/")]
    return [*candidates.references(settings, parameter), *files]


def _detours(settings: Settings, tables: Tables, domain: str) -> Iterator[str]:
    for address in candidates.shapes(CORRESPONDENT, domain, ""):
        try:
            where = resolve(settings, tables, address)
        except (PolicyError, TableError):
            return
        if not where.authorized and not where.error and not where.failed:
            yield address


def _populated(found: People, settings: Settings, tables: Tables, parameter: str) -> People:
    """The same with users of the domain, and with tables that know them."""
    domain = found.domain
    known, unknown = _maps(settings, _RECIPIENT_MAPS[parameter])
    listed = [address for reference in known for address in _addresses(tables, reference, domain)]
    logins = _logins(settings, tables, domain)
    user = next((address for address in [*logins, *listed]), f"user@{domain}")
    local = parameter == "mydestination" and not logins
    login = logins.get(user) or (user.partition("@")[0] if local else user)
    others = [address for address in [*logins, *listed] if logins.get(address, address) != login and address != user]
    colleague = next(iter(others), f"colleague@{domain}")
    aliases = [address for address, owner in logins.items() if owner == login and address != user]
    owners_known = bool(logins) and not any(
        _is_unknown(settings.policy, reference)
        for reference in candidates.references(settings, "smtpd_sender_login_maps")
    )
    alias = next(iter(aliases), "" if owners_known else f"alias@{domain}")  # none: nobody has an alias
    contents: dict[str, TableContent] = {}
    if not listed:
        addresses = [address for address in (user, colleague, alias, f"postmaster@{domain}") if address]
        contents |= {reference: _content(reference, addresses) for reference in unknown}
    for reference in candidates.references(settings, "smtpd_sender_login_maps"):
        # Where it is known that there are no users yet, one is tried as well: whoever comes must not be locked out.
        if _is_unknown(settings.policy, reference) or not (logins or listed):
            owners = {user: login, alias: login, colleague: colleague if "@" in login else colleague.partition("@")[0]}
            contents[reference] = contents.get(reference) or _owned(reference, owners)
    for reference in _sources(settings, parameter):
        if reference.startswith("/"):
            contents[reference] = f"{domain}\n"
        elif _is_unknown(settings.policy, reference):
            contents[reference] = _merged(contents.get(reference), _content(reference, [domain], whole=True))
    policy = replace(settings.policy, tables={**settings.policy.tables, **contents}, _settings={})
    has_list = bool(known or unknown)
    return replace(
        found,
        policy=policy,
        user=user,
        login=login,
        colleague=colleague,
        alias=alias,
        nobody=f"no.such.user@{domain}",
        users_known=has_list,
    )


def _maps(settings: Settings, parameters: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Tables of recipients: those whose content is known, and the others."""
    known: list[str] = []
    unknown: list[str] = []
    for parameter in parameters:
        for reference in candidates.references(settings, parameter):
            (unknown if _is_unknown(settings.policy, reference) else known).append(reference)
    return known, unknown


def _is_unknown(policy: Policy, reference: str) -> bool:
    if reference.startswith("/"):
        return reference not in policy.tables
    kind, _colon, path = reference.removeprefix("proxy:").partition(":")
    if kind in _KNOWABLE or path.startswith("{"):
        return False
    return not any(name in policy.tables for name in (reference, reference.removeprefix("proxy:"), path))


def _addresses(tables: Tables, reference: str, domain: str) -> Iterator[str]:
    """Addresses of the domain that a table has entries for."""
    try:
        for number, sample in enumerate(samples(tables, reference)):
            if number > 2000:
                return
            local, at, of = sample.key.partition("@")
            if sample.pattern or not local or local in {"postmaster", "abuse", "root", "mailer-daemon"}:
                continue
            if of == domain or not at:
                yield f"{local}@{domain}"
    except (TableError, PolicyError):
        return


def _logins(settings: Settings, tables: Tables, domain: str) -> dict[str, str]:
    """Address -> its first login, where smtpd_sender_login_maps is known."""
    found: dict[str, str] = {}
    for reference in candidates.references(settings, "smtpd_sender_login_maps"):
        if _is_unknown(settings.policy, reference):
            continue
        try:
            for sample in samples(tables, reference):
                owners = list(tokens(sample.result))
                if not sample.pattern and sample.key.endswith(f"@{domain}") and sample.key[0] != "@" and owners:
                    found.setdefault(sample.key, owners[0])
                if len(found) > 200:
                    return found
        except (TableError, PolicyError):
            continue
    return found


def _content(reference: str, keys: list[str], *, whole: bool = False) -> TableContent:
    """Content of a table that knows these addresses (whole: these keys)."""
    kind = reference.removeprefix("proxy:").partition(":")[0]
    if kind in _PATTERNS:
        return "".join(f"/^{key.replace('.', '[.]')}$/ {key}\n" for key in keys)
    entries = {key: key for key in keys}
    if not whole:
        entries |= {key.partition("@")[0]: key.partition("@")[0] for key in keys}
    return entries


def _merged(first: TableContent | None, second: TableContent) -> TableContent:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return {**first, **second}
    return f"{first}{second}" if isinstance(first, str) and isinstance(second, str) else second


def _owned(reference: str, owners: dict[str, str]) -> TableContent:
    kind = reference.removeprefix("proxy:").partition(":")[0]
    if kind in _PATTERNS:
        return "".join(f"/^{address.replace('.', '[.]')}$/ {owner}\n" for address, owner in owners.items())
    return owners
