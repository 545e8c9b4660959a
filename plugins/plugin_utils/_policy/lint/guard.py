# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard against relaying: what refuses strangers' mail to strangers, and whether it is ever reached."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.arguments import has_working_guard
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import (
    CLIENT,
    EARLY,
    GUARDS,
    PER_RECIPIENT,
    RECIPIENT,
    RELAY,
    Place,
    Service,
    each_service,
    is_end,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Finding, Kind, Severity

_FATAL = (
    "smtpd does not start (fatal: in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at"
    " least one working instance of: reject_unauth_destination, ...): nobody can send or receive."
)

NO_GUARD = FindingKind(
    code="no-relay-guard",
    severity=Severity.DEFERRED,
    title="Nothing refuses strangers' mail to strangers",
    wrong="Neither smtpd_relay_restrictions nor smtpd_recipient_restrictions holds a restriction that stops relaying,"
    " before a permit ends the list.",
    happens=_FATAL,
    example="smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated",
    right="smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    source="postconf(5): smtpd_relay_restrictions; src/smtpd/smtpd_check.c: fail_required",
)
GUARD_ELSEWHERE = FindingKind(
    code="guard-in-other-list",
    severity=Severity.DEFERRED,
    title="The guard stands in a list where it does not count",
    wrong="reject_unauth_destination stands only in the client, HELO or sender list. Postfix wants it in"
    " smtpd_relay_restrictions or smtpd_recipient_restrictions, where it always knows the recipient.",
    happens=_FATAL,
    example="smtpd_relay_restrictions =\n"
    "smtpd_client_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_recipient_restrictions = permit_mynetworks",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_client_restrictions = permit_mynetworks",
    source="postconf(5): smtpd_relay_restrictions",
)
WARNED_GUARD = FindingKind(
    code="warned-guard",
    severity=Severity.IDLE,
    title="warn_if_reject before the guard against relaying",
    wrong="warn_if_reject makes Postfix only log what the next restriction would refuse; it was left in place after a"
    " test.",
    happens="The guard refuses nobody; only another one, elsewhere in the lists, still keeps strangers out.",
    example="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_recipient_restrictions = permit_mynetworks, warn_if_reject reject_unauth_destination",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5): warn_if_reject",
)
UNREACHABLE = FindingKind(
    code="unreachable-restriction",
    severity=Severity.IDLE,
    title="Restrictions behind the end of a list",
    wrong="permit, reject and defer end a list for everybody, so that nothing behind them is ever asked.",
    happens="The restriction has no effect; Postfix says so in its log only.",
    example="smtpd_client_restrictions = permit_mynetworks, permit, reject_unknown_client_hostname",
    right="smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname",
    source="src/smtpd/smtpd_check.c: restriction after permit is ignored",
)
DEFER_IF_PERMIT_GUARD = FindingKind(
    code="defer-if-permit-guard",
    severity=Severity.DEFERRED,
    title="defer_if_permit as the only guard",
    wrong="defer_if_permit satisfies Postfix at its start, but it answers 450 to every message that would be accepted.",
    happens="All mail that is not refused is answered 450 4.7.0 and comes back until its sender gives up.",
    example="smtpd_relay_restrictions = permit_mynetworks, defer_if_permit",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5): defer_if_permit",
)
DEFERRING_GUARD = FindingKind(
    code="deferring-guard",
    severity=Severity.STYLE,
    title="Relay attempts are put off instead of refused",
    wrong="defer_unauth_destination is meant for the day of a change: a mistake then costs no mail. It is also"
    " Postfix's default.",
    happens="Strangers who try to relay are answered 454 4.7.1 and try again for days; so are senders who made a typing"
    " mistake in the domain.",
    example="smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    right="smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    source="postconf(5): defer_unauth_destination, smtpd_relay_restrictions",
)
EMPTY_RELAY_LIST = FindingKind(
    code="empty-relay-list",
    severity=Severity.STYLE,
    title="The relay list was emptied",
    wrong="smtpd_relay_restrictions is empty, so that the recipient list, with all its exceptions, is the only thing"
    " that keeps strangers from relaying.",
    happens="Every permit or OK that gets before reject_unauth_destination in the recipient list lets its client send"
    " to anywhere.",
    example="smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="SMTPD_ACCESS_README: smtpd_relay_restrictions",
)
BEHIND_AUTH_DESTINATION = FindingKind(
    code="checks-behind-permit-auth-destination",
    severity=Severity.IDLE,
    title="Checks that mail for you never gets to",
    wrong="permit_auth_destination permits all mail for your own domains, so that only relay attempts get to what is"
    " behind it.",
    happens="The checks behind it spare all mail that they were meant for.",
    example="smtpd_recipient_restrictions = permit_mynetworks, permit_auth_destination,"
    " reject_unknown_sender_domain, reject",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unknown_sender_domain",
    source="postconf(5): permit_auth_destination",
)
WARNED_TABLE = FindingKind(
    code="warned-table",
    severity=Severity.IDLE,
    title="warn_if_reject before a table or policy service",
    wrong="The check only logs what it would refuse, its failures included.",
    happens="Nobody is refused by it, and while the table or service is out of order its mail is accepted as well.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " warn_if_reject check_sender_access inline:{example.com=REJECT}",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_sender_access inline:{example.com=REJECT}",
    source="postconf(5): warn_if_reject",
)
TRAILING_WARN = FindingKind(
    code="trailing-warn-if-reject",
    severity=Severity.IDLE,
    title="warn_if_reject with nothing behind it",
    wrong="warn_if_reject applies to the restriction behind it, and there is none.",
    happens="Nothing; it does not reach into the next list.",
    example="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination, warn_if_reject",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5): warn_if_reject",
)

KINDS = (
    NO_GUARD,
    GUARD_ELSEWHERE,
    WARNED_GUARD,
    UNREACHABLE,
    DEFER_IF_PERMIT_GUARD,
    DEFERRING_GUARD,
    EMPTY_RELAY_LIST,
    BEHIND_AUTH_DESTINATION,
    WARNED_TABLE,
    TRAILING_WARN,
)
_DESTINATION = frozenset({"reject_unauth_destination", "defer_unauth_destination"})
_ENDS = frozenset({"permit", "reject", "defer"})
_WARN = "warn_if_reject"


def starts(service: Service) -> bool:
    """Whether smtpd finds a guard when it starts (src/smtpd/smtpd_check.c: has_required, a search for words)."""
    return any(_has_required(service, service.elements(name)) for name in (RECIPIENT, RELAY))


def _has_required(service: Service, elements: tuple[Element, ...]) -> bool:
    seen: set[str] = set()
    pending = [_searched(elements)]
    while pending:
        word = next(pending[-1], None)
        if word is None:
            pending.pop()
        elif word.lower() in GUARDS:
            return True
        elif word in service.classes and word not in seen:
            seen.add(word)
            pending.append(_searched(service.classes[word]))
    return False


def _searched(elements: tuple[Element, ...]) -> Iterator[str]:
    """The words up to permit, without those behind warn_if_reject; arguments count like any word."""
    words = iter([str(word) for element in elements for word in element.words])
    for word in words:
        if word.lower() == "permit":
            return
        if word.lower() == _WARN:
            next(words, None)
        else:
            yield word


def _no_guard(service: Service) -> Iterator[Finding]:
    if starts(service):
        return
    fix = "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
    for name in EARLY:
        for place in service.walk(name):
            if place.name in _DESTINATION:
                message = f"{place.element} stands in {name} only; Postfix wants it in smtpd_relay_restrictions."
                yield service.at(place, GUARD_ELSEWHERE, message, fix)
                return
    parameter = RELAY if service.elements(RELAY) or not service.elements(RECIPIENT) else RECIPIENT
    message = "Neither smtpd_relay_restrictions nor smtpd_recipient_restrictions refuses mail to other servers."
    if not service.settings.is_set(RELAY) and not service.text("compatibility_level").strip("0. "):
        message += " With compatibility_level 0 Postfix's own relay list is empty."
        fix = f"compatibility_level = 3.6, or {fix}"
    for name in (RELAY, RECIPIENT):
        for place in service.walk(name):
            if place.element.warn and place.name in GUARDS:
                yield _warned(service, place, fatal=True)
                return
            if place.name == "permit":
                message += f" In {place.parameter}, permit ends the list before anything else is asked."
                parameter = place.parameter
                break
    yield find(NO_GUARD, parameter, message, fix, service=service.key)


def _warned(service: Service, place: Place, *, fatal: bool = False) -> Finding:
    fix = str(place.element.words[-1]) if place.element.argument is None else str(place.element)
    message = f"warn_if_reject makes {place.element.name} log only; it refuses nobody."
    if fatal:
        return service.at(place, WARNED_GUARD, message, fix, severity=Severity.DEFERRED, consequence=_FATAL)
    severity = None if has_working_guard(service) else Severity.RELAY
    return service.at(place, WARNED_GUARD, message, fix, severity=severity)


def _warned_guards(service: Service) -> Iterator[Finding]:
    if not starts(service):
        return
    for name in (RELAY, RECIPIENT):
        for place in service.walk(name):
            if place.element.warn and place.name in GUARDS - {"defer_if_permit"}:
                yield _warned(service, place)


def _warned_tables(service: Service) -> Iterator[Finding]:
    for place in service.everywhere:
        element = place.element
        if str(element.words[-1]).lower() == _WARN and element.name.lower() == _WARN:
            message = "warn_if_reject stands at the end of the list, where nothing follows that it could apply to."
            fix = "leave it out, or write a restriction behind it"
            yield service.at(place, TRAILING_WARN, message, fix)
        elif element.warn and (element.kind is Kind.TABLE or place.name.startswith("check_")):
            message = f"{element.name} only logs what it would refuse."
            fix = " ".join(str(word) for word in element.words if str(word).lower() != _WARN)
            yield service.at(place, WARNED_TABLE, message, fix)


def _unreachable(service: Service) -> Iterator[Finding]:
    for parameter, elements in _bodies(service):
        for at, element in enumerate(elements[:-1]):
            if is_end(element):
                after = elements[at + 1]
                behind = "Everything" if len(elements) > at + 2 else str(after)
                message = f"{behind} behind {element.name} is never asked."
                fix = f"leave it out, or put it before {element.name}"
                yield find(UNREACHABLE, parameter, message, fix, service=service.key, element=after)
                break


def _behind_auth_destination(service: Service) -> Iterator[Finding]:
    for name in PER_RECIPIENT:
        behind = False
        for place in service.own(name):
            if behind and place.name not in {*_DESTINATION, *_ENDS} and place.name.startswith(("reject", "check")):
                message = f"permit_auth_destination ends the list before mail for your domains gets to {place.element}."
                fix = "reject_unauth_destination instead of permit_auth_destination"
                yield service.at(place, BEHIND_AUTH_DESTINATION, message, fix)
                break
            behind = behind or place.name == "permit_auth_destination"


def _bodies(service: Service) -> Iterator[tuple[str, tuple[Element, ...]]]:
    for name in (CLIENT, *EARLY[1:], RELAY, RECIPIENT):
        yield name, service.elements(name)
    for name in ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions"):
        yield name, service.elements(name)
    yield from service.classes.items()


def _weak_guards(service: Service) -> Iterator[Finding]:
    if not starts(service):
        return
    if not has_working_guard(service):
        for name in service.destination_lists:
            for place in service.walk(name):
                if place.name == "defer_if_permit" and not place.element.warn:
                    message = "defer_if_permit is the only guard: it answers 450 to all mail that would be accepted."
                    fix = "reject_unauth_destination"
                    yield service.at(place, DEFER_IF_PERMIT_GUARD, message, fix)
                    return
        return
    first = None if service.is_loopback else _first_guard(service)
    if first and first.name == "defer_unauth_destination":
        message = "Strangers who try to relay are told to come back later instead of being refused."
        fix = "reject_unauth_destination"
        yield service.at(first, DEFERRING_GUARD, message, fix)


def _first_guard(service: Service) -> Place | None:
    """The guard that a stranger's relay attempt meets first."""
    lists = (*EARLY, *service.destination_lists) if service.delayed else service.destination_lists
    for name in lists:
        for place in service.walk(name):
            if not place.element.warn and place.name in {*_DESTINATION, "reject", "defer"}:
                return place
    return None


def _relay_list(service: Service) -> Iterator[Finding]:
    if service.settings.is_set(RELAY) and not service.elements(RELAY) and starts(service):
        message = "smtpd_relay_restrictions is empty; only smtpd_recipient_restrictions is left against relaying."
        fix = "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
        yield find(EMPTY_RELAY_LIST, RELAY, message, fix, service=service.key)


RULES = (
    each_service(
        _no_guard, _warned_guards, _warned_tables, _unreachable, _behind_auth_destination, _weak_guards, _relay_list
    ),
)
