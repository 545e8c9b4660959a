# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The word after a restriction: missing, eaten from the next one, or not of the kind it must be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import Argument
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import (
    GUARDS,
    OWN_CLIENTS,
    Place,
    Service,
    each_service,
    restriction,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Finding, Kind, Severity, Word
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import kind_of, split

MISSING_ARGUMENT = FindingKind(
    code="missing-argument",
    severity=Severity.DEFERRED,
    title="A check without its table, service or number",
    wrong="check_*_access wants a table (type:name) behind it, check_policy_service an address, sleep a number of"
    " seconds. Nothing is there, or a word of another kind.",
    happens="Every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access, reject_unknown_client_hostname",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=REJECT},"
    " reject_unknown_client_hostname",
    source="SMTPD_ACCESS_README; src/smtpd/smtpd_check.c: is_map_command",
)
TABLE_WITHOUT_TYPE = FindingKind(
    code="table-without-type",
    severity=Severity.DEFERRED,
    title="A table without its type",
    wrong="Postfix wants to be told of what type a table is: lmdb:, hash:, cidr:, pcre: and so on.",
    happens="Every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access /etc/postfix/client_access",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access texthash:/etc/postfix/client_access",
    source="DATABASE_README; postconf(5): check_client_access type:table",
)
MISSING_DNSBL_DOMAIN = FindingKind(
    code="missing-dnsbl-domain",
    severity=Severity.IDLE,
    title="A DNSBL check without a list",
    wrong="The restriction needs the domain of a DNS list behind it, and the restriction list ends instead.",
    happens="Postfix logs a warning with every message and goes on: nobody is checked.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_rbl_client",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " reject_rbl_client bl.example.org",
    source="postconf(5): reject_rbl_client rbl_domain=d.d.d.d",
)
SWALLOWED_RESTRICTION = FindingKind(
    code="swallowed-restriction",
    severity=Severity.IDLE,
    title="A restriction taken for the name of a DNSBL",
    wrong="The domain of the DNS list is missing, so that Postfix takes the next restriction for it.",
    happens="Neither the list is asked nor the swallowed restriction applied, and nothing is logged.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " reject_rbl_client reject_unlisted_recipient",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " reject_rbl_client bl.example.org, reject_unlisted_recipient",
    source="src/smtpd/smtpd_check.c: generic_checks takes the word after reject_rbl_client whatever it is",
)
SWALLOWED_GUARD = FindingKind(
    code="swallowed-guard",
    severity=Severity.RELAY,
    title="The guard against relaying taken for the name of a DNSBL",
    wrong="The domain of the DNS list is missing, so that Postfix takes the guard behind it for the list's name.",
    happens="smtpd starts, because the guard's word is in the list, but never applies it: strangers send to anywhere"
    " through this server (250 2.1.5 Ok), which is soon on every blocklist.",
    example="smtpd_relay_restrictions =\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_rbl_client reject_unauth_destination",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_rbl_client bl.example.org",
    source="src/smtpd/smtpd_check.c: generic_checks, has_required",
)
POLICY_SERVICE_ADDRESS = FindingKind(
    code="policy-service-address",
    severity=Severity.DEFERRED,
    title="A policy service without unix: or inet:",
    wrong="check_policy_service wants unix:path or inet:host:port, so that Postfix knows how to reach the service.",
    happens="smtpd does not start at all (fatal: need service transport:endpoint, or invalid transport name): nobody"
    " can send or receive.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_policy_service private/policy",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_policy_service { unix:private/policy, default_action=DUNNO }",
    source="SMTPD_POLICY_README; src/util/auto_clnt.c",
)
POLICY_SERVICE_OPTION = FindingKind(
    code="policy-service-option",
    severity=Severity.DEFERRED,
    title="An option a policy service does not have",
    wrong="Within the braces of check_policy_service stand the address and options of a fixed set of names.",
    happens="smtpd does not start at all (fatal: unknown option, or malformed option): nobody can send or receive.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_policy_service { unix:private/policy, default=DUNNO }",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_policy_service { unix:private/policy, default_action=DUNNO }",
    source="SMTPD_POLICY_README, advanced policy client configuration",
)
POLICY_SERVICE_DOWN = FindingKind(
    code="policy-service-without-default",
    severity=Severity.STYLE,
    title="A policy service whose failure stops all mail",
    wrong="Nothing says what happens while the policy service does not answer, so Postfix answers for it.",
    happens="When the service is down, every message that reaches it is answered 451 4.3.5 Server configuration problem"
    " until somebody notices.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_policy_service unix:private/policy",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_policy_service { unix:private/policy, default_action=DUNNO }",
    source="postconf(5): smtpd_policy_service_default_action",
)

KINDS = (
    MISSING_ARGUMENT,
    TABLE_WITHOUT_TYPE,
    MISSING_DNSBL_DOMAIN,
    SWALLOWED_RESTRICTION,
    SWALLOWED_GUARD,
    POLICY_SERVICE_ADDRESS,
    POLICY_SERVICE_OPTION,
    POLICY_SERVICE_DOWN,
)

# src/smtpd/smtpd_check.c: time_table, int_table, str_table
_POLICY_OPTIONS = frozenset(
    ["timeout", "max_idle", "max_ttl", "retry_delay", "request_limit", "try_limit", "default_action", "policy_context"]
)
_TRANSPORTS = frozenset({"inet", "unix", "local"})
_PLAIN_GUARDS = GUARDS - {"defer_if_permit"}
_POLICY_EXAMPLE = "check_policy_service { unix:private/policy, default_action=DUNNO }"


def _arguments(service: Service) -> Iterator[Finding]:
    for place in service.everywhere:
        entry = restriction(place.element)
        if entry is None:
            continue
        if entry.argument is Argument.TABLE:
            yield from _table(service, place)
        elif entry.argument is Argument.DOMAIN:
            yield from _domain(service, place)
        elif entry.argument is Argument.POLICY_SERVICE:
            yield from _policy(service, place)
        elif entry.argument is Argument.SECONDS:
            yield from _seconds(service, place)


def _is_restriction(service: Service, word: Word) -> bool:
    return not word.braced and kind_of(word.text, service.classes) in (Kind.RESTRICTION, Kind.CLASS)


def _table(service: Service, place: Place) -> Iterator[Finding]:
    element, word = place.element, place.element.argument
    if word is not None and ":" in word.text:
        return
    right = f"{element.name} texthash:/etc/postfix/{element.name.lower().removeprefix('check_')}"
    if word is None:
        message = f"{element.name} has no table behind it."
    elif _is_restriction(service, word):
        message = f"{element.name} has no table behind it; Postfix takes {word} for the table."
        right += f", {word}"
    elif _is_network(word.text):
        message = f"{word} is no table, but an address or network."
        right = f"{element.name} cidr:{{{{{word} REJECT}}}}"
        if word.text in service.text("mynetworks"):
            right = "permit_mynetworks"
    elif "/" in word.text or "." in word.text:
        message = f"{word} does not say of what type the table is."
        fix = f"{element.name} texthash:{word.text}"
        yield service.at(place, TABLE_WITHOUT_TYPE, message, fix)
        return
    else:
        message = f"{word} is no table: a table is written type:name."
    yield service.at(place, MISSING_ARGUMENT, message, right)


def _is_network(text: str) -> bool:
    address, __, mask = text.partition("/")
    return is_address(address.strip("[]")) and (not mask or mask.isdigit())


def _seconds(service: Service, place: Place) -> Iterator[Finding]:
    word = place.element.argument
    if word is None or not (word.text.isascii() and word.text.isdigit()):
        what = f"{word} is no number of seconds." if word else "sleep has no number of seconds behind it."
        yield service.at(place, MISSING_ARGUMENT, what, "sleep 1")


def _domain(service: Service, place: Place) -> Iterator[Finding]:
    element, word = place.element, place.element.argument
    if word is None:
        message = f"{element.name} has no list to ask: the restriction list ends here."
        fix = f"{element.name} bl.example.org (the domain of the list you mean), or leave it out"
        yield service.at(place, MISSING_DNSBL_DOMAIN, message, fix)
    elif _is_restriction(service, word) or ":" in word.text:
        yield _swallowed(service, place, word)


def _swallowed(service: Service, place: Place, word: Word) -> Finding:
    element, name = place.element, word.text.lower()
    message = f"{element.name} has no list to ask; Postfix takes {word} for the list's domain."
    fix = f"{element.name} bl.example.org, {word}"
    if name in _PLAIN_GUARDS and not has_working_guard(service):
        message += " No other guard against relaying is left."
        return service.at(place, SWALLOWED_GUARD, message, fix)
    if name in OWN_CLIENTS:
        consequence = f"{word} is never applied: those it stands for are treated as strangers and refused."
        return service.at(place, SWALLOWED_RESTRICTION, message, fix, severity=Severity.LOST, consequence=consequence)
    return service.at(place, SWALLOWED_RESTRICTION, message, fix)


def has_working_guard(service: Service) -> bool:
    """Whether a plain guard stands in the relay or recipient list where everybody not permitted meets it."""
    for name in service.destination_lists:
        for place in service.walk(name):
            if place.element.warn:
                continue
            if place.name in _PLAIN_GUARDS and place.element.kind is Kind.RESTRICTION:
                return True
            if place.name == "permit":
                break
    return False


def _policy(service: Service, place: Place) -> Iterator[Finding]:
    element, word = place.element, place.element.argument
    if word is None or (not word.braced and _is_restriction(service, word) and ":" not in word.text):
        what = "check_policy_service has no service behind it"
        message = f"{what}." if word is None else f"{what}; Postfix takes {word} for its address."
        fix = _POLICY_EXAMPLE + (f", {word}" if word else "")
        kind = MISSING_ARGUMENT if word is None else POLICY_SERVICE_ADDRESS
        yield service.at(place, kind, message, fix)
        return
    parts = [part.text for part in split(word.text)] if word.braced else [word.text]
    transport, __, endpoint = (parts[0] if parts else "").partition(":")
    if not endpoint or transport not in _TRANSPORTS:
        address = parts[0] if parts else ""
        message = f"{address or word} does not say how to reach the service: unix:path or inet:host:port."
        yield service.at(place, POLICY_SERVICE_ADDRESS, message, _address(element, address))
        return
    given = {name.strip(): value for name, __, value in map(_option, _pairs(word))} if word.braced else {}
    unknown = [name for name in given if name not in _POLICY_OPTIONS]
    if unknown:
        message = f"A policy service has no option {unknown[0]}."
        fix = "the options are " + ", ".join(sorted(_POLICY_OPTIONS))
        yield service.at(place, POLICY_SERVICE_OPTION, message, fix)
    elif "default_action" not in given and not service.settings.is_set("smtpd_policy_service_default_action"):
        message = f"Nothing says what happens while {parts[0]} does not answer."
        inside = ", ".join(parts)
        fix = f"check_policy_service {{ {inside}, default_action=DUNNO }}"
        yield service.at(place, POLICY_SERVICE_DOWN, message, fix)


def _pairs(word: Word) -> list[str]:
    """Texts of the options: ``name=value``, ``name = value`` or ``{ name = value }``."""
    joined = re.sub(r"\s*=\s*", "=", word.text)
    return [part.text for part in split(joined)[1:]]


def _option(text: str) -> tuple[str, str, str]:
    return text.partition("=")


def _address(element: Element, address: str) -> str:
    head, colon, rest = address.partition(":")
    bare = rest if colon and head.isalpha() and not rest.isdigit() else address
    if re.fullmatch(r"\[?[A-Za-z0-9.:-]+\]?:\d+", bare):
        return f"{element.name} inet:{bare}"
    return f"{element.name} unix:{bare or 'private/policy'}"


RULES = (each_service(_arguments),)
