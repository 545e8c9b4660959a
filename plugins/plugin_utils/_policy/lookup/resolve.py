# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rewriting and resolving of addresses, as trivial-rewrite does it (trivial-rewrite/rewrite.c and resolve.c)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import interfaces, rfc822
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.addrfind import Find, find_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import (
    is_address,
    is_literal,
    is_utf8_hostname,
    mail_address,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.matchlist import (
    Outcome,
    match,
    parent_domains,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import compressed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rfc822 import LITERAL, QUOTED, Token
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError, Tables, open_maps
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import fold


class AddressClass(enum.StrEnum):
    """Domain classes of ADDRESS_CLASS_README."""

    LOCAL = "local"
    VIRTUAL_ALIAS = "virtual_alias"
    VIRTUAL_MAILBOX = "virtual_mailbox"
    RELAY = "relay"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where an address leads.

    :param address_class: RESOLVE_CLASS_*
    :param recipient: final address, folded to lower case as smtpd keeps it
    :param routed: RESOLVE_FLAG_ROUTED: routing characters in the local part
    :param error: RESOLVE_FLAG_ERROR: bad address form
    :param failed: RESOLVE_FLAG_FAIL: a list or table could not be searched (451 4.3.0); the recipient is empty when
        that was mydestination
    :param pattern: pattern of the domain list that made the class, for explanations
    :param why: what failed
    """

    address_class: AddressClass
    transport: str = ""
    nexthop: str = ""
    recipient: str = ""
    routed: bool = False
    error: bool = False
    failed: bool = False
    pattern: str = ""
    why: str = ""

    @property
    def domain(self) -> str:
        return self.recipient.rpartition("@")[2]

    @property
    def final(self) -> bool:
        """RESOLVE_CLASS_FINAL: delivered here."""
        return self.address_class in (
            AddressClass.LOCAL,
            AddressClass.VIRTUAL_ALIAS,
            AddressClass.VIRTUAL_MAILBOX,
        )

    @property
    def authorized(self) -> bool:
        """Delivered here or relayed on purpose: what reject_unauth_destination lets through."""
        return self.final or self.address_class is AddressClass.RELAY


class _Failure(Exception):
    """A domain list could not be searched."""


def trivial_rewrite(settings: Settings) -> Settings:
    """:return: settings of the trivial-rewrite daemon of the same policy: it does not know smtpd's ``-o``"""
    for service in settings.policy.services:
        if service.command == "trivial-rewrite":
            return settings.policy.settings(service.key)
    return settings.policy.without_overrides("trivial-rewrite")


def is_local_domain(settings: Settings, tables: Tables, domain: str) -> tuple[bool, str]:
    """resolve_local(): mydestination, or an address literal of this machine.

    :return: whether it is local, and the pattern that says so
    :raises TableError: mydestination cannot be searched
    """
    name = domain[:-1] if domain.endswith(".") else domain
    if not name or name.endswith("."):
        return False, ""
    found = match(settings, tables, "mydestination", "string", name)
    if found:
        return True, found.pattern
    if found.failed:
        raise TableError(found.why, retry=found.retry)
    if name.startswith("[") and name.endswith("]"):
        address = mail_address(name[1:-1])
        own = (*interfaces.addresses(settings, tables.assume), *interfaces.proxies(settings)) if address else ()
        if address and compressed(address) in own:
            return True, "inet_interfaces"
    return False, ""


def rewrite_tokens(settings: Settings, tokens: list[Token], *, origin: str, domain: str) -> list[Token]:
    """Rewrite to standard form (rewrite_tree).

    :param origin: appended to addresses without domain; nothing is appended when empty
    :param domain: appended to host names without dot; nothing is appended when empty
    """
    if len(tokens) == 1 and tokens[0].kind == QUOTED and not tokens[0].text:
        return tokens
    if len(tokens) == 1 and tokens[0].kind == "@":
        return [Token(QUOTED)]
    if tokens and tokens[0].kind == "@":
        colon = rfc822.first(tokens, ":")
        if 0 <= colon < len(tokens) - 1:
            tokens = tokens[colon + 1 :]
    if rfc822.last(tokens, "@") < 0:
        tokens = _with_domain(settings, tokens, origin)
    at = rfc822.last(tokens, "@")
    if (
        settings.flag("append_dot_mydomain")
        and domain
        and 0 <= at < len(tokens) - 1
        and not any(token.kind in (LITERAL, ".") for token in tokens[at:])
    ):
        tokens = [*tokens, *_joined([Token("."), *rfc822.scan(domain)])]
    if len(tokens) > 1 and tokens[-1].kind == "." and tokens[-2].kind not in (".", "@"):
        tokens = tokens[:-1]
    return tokens


def _with_domain(settings: Settings, tokens: list[Token], origin: str) -> list[Token]:
    """Forms without ``@``: site!user, user%domain, bare user."""
    bang = rfc822.first(tokens, "!")
    if settings.flag("swap_bangpath") and bang >= 0:
        return [*_joined(tokens[bang + 1 :]), *_joined([Token("@")]), *tokens[:bang]]
    percent = rfc822.last(tokens, "%")
    if settings.flag("allow_percent_hack") and percent >= 0:
        return [*tokens[:percent], Token("@"), *tokens[percent + 1 :]]
    if settings.flag("append_at_myorigin") and origin:
        return [*tokens, *_joined([Token("@"), *rfc822.scan(origin)])]
    return tokens


def _joined(tokens: list[Token]) -> list[Token]:
    return [Token(token.kind, token.text, True, token.inner) for token in tokens]


def rewrite(settings: Settings, address: str) -> str:
    """Rewrite an address in internal form as a local one: rewrite_clnt_internal()."""
    tokens = rfc822.scan(rfc822.quote(address))
    if not tokens:
        return ""
    done = rewrite_tokens(settings, tokens, origin=settings["myorigin"], domain=settings["mydomain"])
    return rfc822.unquote(rfc822.quote(rfc822.internal(done)))


def resolve(settings: Settings, tables: Tables, address: str, *, sender: str = "") -> Resolved:
    """Rewrite and resolve an address in internal form, as smtpd_resolve_addr() does for smtpd.

    :param settings: of any service: those of trivial-rewrite are used
    :param sender: for sender_dependent_default_transport_maps and its like; empty for the null sender
    """
    own = trivial_rewrite(settings)
    try:
        found = _resolve(own, tables, rewrite(own, sender) if sender else "", rewrite(own, address))
    except (TableError, _Failure) as problem:
        return Resolved(AddressClass.DEFAULT, failed=True, why=str(problem))
    return replace(found, recipient=fold(found.recipient, utf8=tables.utf8))


def _resolve(settings: Settings, tables: Tables, sender: str, address: str) -> Resolved:
    tokens, remote, pattern = _strip_local(settings, tables, address)
    recipient = rfc822.internal(tokens)
    domain = recipient.rpartition("@")[2]
    utf8 = settings.flag("smtputf8_enable")
    bad = False
    if domain.startswith("["):
        bad = not is_literal(domain)
    elif not is_utf8_hostname(domain, enabled=utf8):
        if settings.flag("resolve_numeric_domain") and is_address(domain):
            recipient = f"{recipient[: len(recipient) - len(domain)]}[{domain}]"
            domain = f"[{domain}]"
            local, found = is_local_domain(settings, tables, domain)
            remote, pattern = remote and not local, found or pattern
        else:
            bad = True
    if bad:
        return Resolved(AddressClass.DEFAULT, recipient=recipient, error=True)
    try:
        resolved = _classify(settings, tables, sender, recipient, domain, remote=remote)
        if not resolved.pattern:
            resolved = replace(resolved, pattern=pattern)
        resolved = replace(resolved, routed=_rest_after_operator(recipient) != domain)
        resolved = _relocated(settings, tables, _transport(settings, tables, resolved, domain))
    except (TableError, _Failure) as problem:
        return Resolved(AddressClass.DEFAULT, recipient=recipient, failed=True, why=str(problem))
    if not settings.flag("allow_min_user") and recipient.startswith("-"):
        return replace(resolved, error=True)
    return resolved


def _rest_after_operator(recipient: str) -> str:
    place = next((place for place, character in enumerate(recipient) if character in "@!%"), len(recipient))
    return recipient[place + 1 :]


def _strip_local(settings: Settings, tables: Tables, address: str) -> tuple[list[Token], bool, str]:
    """Take local domains off the end until a remote one or none is left.

    :return: tokens of user@domain, whether the domain is remote, pattern that made the domain local
    :raises _Failure: after too many rounds
    """
    tokens = rfc822.scan(rfc822.quote(address))
    saved: list[Token] = []
    pattern = ""
    for __ in range(len(address) + 100):
        tokens = _without_trailing(settings, tokens)
        at = rfc822.last(tokens, "@")
        if at >= 0:
            if at < len(tokens) - 1:
                local, found = is_local_domain(settings, tables, rfc822.internal(tokens[at + 1 :]))
                if not local:
                    return tokens, True, ""
                pattern = found
            tokens, saved = tokens[:at], tokens[at:]
        following = _next_form(settings, tokens, bool(saved))
        if following is None:
            return [*tokens, *_joined(saved)], False, pattern
        tokens = following
    raise _Failure(f"<{address}>: giving up")


def _without_trailing(settings: Settings, tokens: list[Token]) -> list[Token]:
    if (
        len(tokens) > 1
        and tokens[-1].kind == "."
        and rfc822.last(tokens, "@") >= 0
        and tokens[-2].kind not in (".", "@")
    ):
        tokens = tokens[:-1]
    if settings.flag("resolve_null_domain") and tokens and tokens[-1].kind == "@":
        tokens = tokens[:-1]
    return tokens


def _next_form(settings: Settings, tokens: list[Token], has_domain: bool) -> list[Token] | None:
    """After a local domain was taken off: the form to go on with, None when this is the end."""
    swap, percent = settings.flag("swap_bangpath"), settings.flag("allow_percent_hack")
    if (
        rfc822.last(tokens, "@") >= 0
        or (swap and rfc822.last(tokens, "!") >= 0)
        or (percent and rfc822.last(tokens, "%") >= 0)
    ):
        return _local_form(settings, tokens)
    if len(tokens) == 1 and tokens[0].kind == QUOTED:
        cracked = _cracked(settings, tokens[0].text, swap=swap, percent=percent)
        if cracked is not None:
            return cracked
        if not tokens[0].text:
            tokens = []
    if not tokens:
        return rfc822.scan(settings["empty_address_recipient"])
    if not has_domain:
        return [*tokens, *_joined([Token("@"), *rfc822.scan(settings["myhostname"])])]
    return None


def _cracked(settings: Settings, local: str, *, swap: bool, percent: bool) -> list[Token] | None:
    """Routing operators inside a quoted local part count too (resolve_dequoted_address)."""
    if not settings.flag("resolve_dequoted_address"):
        return None
    if "@" in local:
        text = local
        place = text.rindex("@")
    elif percent and "%" in local:
        place = local.rindex("%")
        text = f"{local[:place]}@{local[place + 1 :]}"
    elif swap and "!" in local:
        text = local
        place = -1
    else:
        return None
    return _local_form(settings, rfc822.scan(rfc822.quote(text) if place >= 0 else text))


def _local_form(settings: Settings, tokens: list[Token]) -> list[Token]:
    return rewrite_tokens(settings, tokens, origin=settings["myorigin"], domain=settings["mydomain"])


def _listed(settings: Settings, tables: Tables, parameter: str, kind: str, domain: str) -> str | None:
    """:return: pattern of a domain list, None when it does not hold the domain"""
    found = match(settings, tables, parameter, kind, domain)
    if found.outcome is Outcome.ERROR:
        raise _Failure(found.why)
    return found.pattern if found else None


def _classify(
    settings: Settings, tables: Tables, sender: str, recipient: str, domain: str, *, remote: bool
) -> Resolved:
    if not remote:
        return _channel(Resolved(AddressClass.LOCAL, settings["local_transport"], domain, recipient))
    pattern = _listed(settings, tables, "virtual_alias_domains", "string", domain)
    if pattern is not None:
        name = " in virtual alias table" if settings.flag("show_user_unknown_table_name") else ""
        return Resolved(AddressClass.VIRTUAL_ALIAS, "error", f"5.1.1 User unknown{name}", recipient, pattern=pattern)
    pattern = _listed(settings, tables, "virtual_mailbox_domains", "string", domain)
    if pattern is not None:
        transport = settings["virtual_transport"]
        return _channel(Resolved(AddressClass.VIRTUAL_MAILBOX, transport, domain, recipient, pattern=pattern))
    pattern = _listed(settings, tables, "relay_domains", "domain", domain)
    if pattern is not None:
        resolved = Resolved(AddressClass.RELAY, settings["relay_transport"], domain, recipient, pattern=pattern)
    else:
        resolved = Resolved(AddressClass.DEFAULT, _default_transport(settings, tables, sender), domain, recipient)
    relayhost = _by_sender(
        settings, tables, "sender_dependent_relayhost_maps", sender, "empty_address_relayhost_maps_lookup_key"
    )
    nexthop = relayhost or settings["relayhost"] or domain
    return _channel(replace(resolved, nexthop=nexthop))


def _channel(resolved: Resolved) -> Resolved:
    """``transport:nexthop`` in a parameter overrides the nexthop."""
    transport, __, nexthop = resolved.transport.partition(":")
    if not transport:
        raise _Failure("null transport is not allowed")
    return replace(resolved, transport=transport, nexthop=nexthop or resolved.nexthop)


def _default_transport(settings: Settings, tables: Tables, sender: str) -> str:
    key = "empty_address_default_transport_maps_lookup_key"
    found = _by_sender(settings, tables, "sender_dependent_default_transport_maps", sender, key)
    return found or settings["default_transport"]


def _by_sender(settings: Settings, tables: Tables, parameter: str, sender: str, null_key: str) -> str:
    """:return: what the maps say about the sender; empty for nothing and for DUNNO"""
    maps = open_maps(tables, parameter, value=settings[parameter])
    if not maps:
        return ""
    key = sender or settings[null_key]
    hit = find_address(maps, key, settings, is_local=origin_or_local(settings, tables))
    return "" if hit is None or hit.value.lower() == "dunno" else hit.value


def origin_or_local(settings: Settings, tables: Tables) -> Callable[[str], bool]:
    """:return: whether the bare local part of an address in this domain is looked up as well; raises TableError"""

    def is_local(domain: str) -> bool:
        return fold(domain) == fold(settings["myorigin"]) or is_local_domain(settings, tables, domain)[0]

    return is_local


def _transport(settings: Settings, tables: Tables, resolved: Resolved, domain: str) -> Resolved:
    """transport_maps override channel and nexthop, except in virtual alias domains."""
    maps = open_maps(tables, "transport_maps", value=settings["transport_maps"], substitution=False)
    if not maps or resolved.address_class is AddressClass.VIRTUAL_ALIAS:
        return resolved
    parents = Find.PARENTS if parent_domains(settings, tables, "transport_maps") else Find.DOTTED_PARENTS
    hit = find_address(maps, resolved.recipient, settings, find=Find.FULL | Find.NO_EXTENSION | Find.DOMAIN | parents)
    value = hit.value if hit else maps.find("*")
    if value is None:
        return resolved
    channel, __, nexthop = value.partition(":")
    if not channel:
        return replace(resolved, nexthop=nexthop or resolved.nexthop)
    fallback = "Address is undeliverable" if channel in ("error", "retry") else domain
    return replace(resolved, transport=channel, nexthop=nexthop or fallback)


def _relocated(settings: Settings, tables: Tables, resolved: Resolved) -> Resolved:
    maps = open_maps(tables, "relocated_maps", value=settings["relocated_maps"])
    if not maps:
        return resolved
    hit = find_address(maps, resolved.recipient, settings, is_local=origin_or_local(settings, tables))
    if hit is None:
        return resolved
    return replace(resolved, transport="error", nexthop=f"5.1.6 User has moved to {hit.value}")
