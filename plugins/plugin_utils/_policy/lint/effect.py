# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restrictions that cannot do anything where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import Effect, Works, lookup
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.results import permits
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.uses import Contents, uses
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import (
    EARLY,
    HELO,
    LISTS,
    OWN_CLIENTS,
    PER_RECIPIENT,
    RECIPIENT,
    STAGE,
    Place,
    Service,
    each_service,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Finding, Kind, Severity

NO_EFFECT = FindingKind(
    code="no-effect-in-list",
    severity=Severity.IDLE,
    title="A restriction in a list where it can do nothing",
    wrong="What the restriction judges is not known yet, or not any more, when this list is asked.",
    happens="Postfix skips it without a word.",
    example="smtpd_etrn_restrictions = permit_mynetworks, reject_non_fqdn_recipient, reject",
    right="smtpd_etrn_restrictions = permit_mynetworks, reject",
    source="postconf(5): smtpd_delay_reject; SMTPD_ACCESS_README: delayed evaluation",
)
TOO_EARLY = FindingKind(
    code="too-early-without-delay",
    severity=Severity.IDLE,
    title="A restriction that is asked before it can know",
    wrong="With smtpd_delay_reject = no the client, HELO and sender lists are asked at once, when later parts of the"
    " session (HELO, login, sender, recipient) are not known yet.",
    happens="Postfix skips the restriction without a word.",
    example="smtpd_delay_reject = no\nsmtpd_sender_restrictions = permit_mynetworks,"
    " check_recipient_access inline:{list@example.org=REJECT}",
    right="smtpd_recipient_restrictions = permit_mynetworks,"
    " check_recipient_access inline:{list@example.org=REJECT}, reject_unauth_destination",
    source="postconf(5): smtpd_delay_reject",
)
LOGIN_TOO_EARLY = FindingKind(
    code="login-too-early",
    severity=Severity.LOST,
    title="Users are refused before they can log in",
    wrong="With smtpd_delay_reject = no the client list is asked when the client connects, before it can log in;"
    " permit_sasl_authenticated never matches there, and what stands behind it refuses.",
    happens="Every user outside your networks is refused at the greeting (554 5.7.1 Access denied) and cannot log in.",
    example="smtpd_delay_reject = no\nsmtpd_sasl_auth_enable = yes\n"
    "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_rbl_client bl.example.org",
    right="smtpd_delay_reject = yes\nsmtpd_sasl_auth_enable = yes\n"
    "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_rbl_client bl.example.org",
    source="postconf(5): smtpd_delay_reject",
)
ONE_RECIPIENT = FindingKind(
    code="only-single-recipient",
    severity=Severity.IDLE,
    title="A check of the recipient after RCPT",
    wrong="At DATA there is only a recipient if the message has exactly one.",
    happens="Mail to two or more recipients passes unchecked.",
    example="smtpd_data_restrictions = check_recipient_access inline:{list@example.org=REJECT}",
    right="smtpd_recipient_restrictions = check_recipient_access inline:{list@example.org=REJECT}",
    source="postconf(5): smtpd_data_restrictions",
)
HELO_OPTIONAL = FindingKind(
    code="helo-not-required",
    severity=Severity.IDLE,
    title="HELO checks that a client avoids by saying nothing",
    wrong="smtpd_helo_required is off: a client that never says HELO is never asked about its HELO name.",
    happens="The HELO checks hold only for clients that take part.",
    example="smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname",
    right="smtpd_helo_required = yes\nsmtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname",
    source="postconf(5): smtpd_helo_required",
)
ONLY_PERMITS = FindingKind(
    code="list-only-permits",
    severity=Severity.IDLE,
    title="A list that refuses nobody",
    wrong="A permit ends its own list only; the lists after it are asked all the same. A list without anything that"
    " could refuse does nothing.",
    happens="Nothing: mail is refused or accepted by the other lists.",
    example="smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated",
    right="smtpd_client_restrictions = permit_mynetworks, reject_unknown_reverse_client_hostname",
    source="SMTPD_ACCESS_README: all lists must permit",
)
PIPELINING = FindingKind(
    code="pipelining-in-early-list",
    severity=Severity.IDLE,
    title="reject_unauth_pipelining where clients may pipeline",
    wrong="Clients that see PIPELINING offered may send these commands together. Only at DATA is talking ahead always"
    " wrong.",
    happens="It catches nearly nobody here; from Postfix 3.9 on smtpd drops such clients by itself"
    " (smtpd_forbid_unauth_pipelining).",
    example="smtpd_client_restrictions = permit_mynetworks, reject_unauth_pipelining",
    right="smtpd_data_restrictions = reject_unauth_pipelining",
    source="postconf(5): reject_unauth_pipelining, smtpd_forbid_unauth_pipelining",
)
TABLE_WITHOUT_CHECK = FindingKind(
    code="table-without-check",
    severity=Severity.DEFERRED,
    title="A table without the check it is for",
    wrong="In the data and end-of-data lists Postfix cannot tell what to look up in a table, unless check_client_access"
    " or the like stands before it.",
    happens="Every message is answered 451 4.3.5 Server configuration error.",
    example="smtpd_data_restrictions = inline:{192.0.2.1=REJECT}",
    right="smtpd_data_restrictions = check_client_access inline:{192.0.2.1=REJECT}",
    source="src/smtpd/smtpd_check.c: generic_checks, NO_DEF_ACL",
)
REPEATED = FindingKind(
    code="repeated-restriction",
    severity=Severity.STYLE,
    title="The same restriction twice in a list",
    wrong="The list holds the same words twice.",
    happens="Nothing: the second one decides nothing that the first one has not.",
    example="smtpd_relay_restrictions = permit_mynetworks, permit_mynetworks, reject_unauth_destination",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
    source="SMTPD_ACCESS_README",
)

KINDS = (
    NO_EFFECT,
    TOO_EARLY,
    LOGIN_TOO_EARLY,
    ONE_RECIPIENT,
    HELO_OPTIONAL,
    ONLY_PERMITS,
    PIPELINING,
    TABLE_WITHOUT_CHECK,
    REPEATED,
)

_REFUSING = frozenset({"reject", "defer", "defer_if_permit", "table"})
_HARMLESS_REPEATS = frozenset({"sleep", "permit", "reject", "defer"})


def _effect(place: Place, name: str) -> Effect | None:
    if place.element.kind is Kind.UNKNOWN or place.element.kind is Kind.TABLE:
        return None
    entry = lookup(place.element.name)
    return entry.stages.get(name) if entry else None


def _stages(service: Service) -> Iterator[Finding]:
    for name in LISTS:
        for place in service.walk(name):
            effect = _effect(place, name)
            if effect is None or effect.works is Works.YES:
                continue
            if place.name == "reject_unauth_pipelining":
                if name in PER_RECIPIENT:
                    yield _pipelining(service, place)
            elif effect.works is Works.NEVER:
                message = f"{place.element} can do nothing in {name}: {effect.reason}."
                yield service.at(place, NO_EFFECT, message, "leave it out here")
            elif effect.works is Works.DELAYED and (not service.delayed or place.name == "check_etrn_access"):
                yield from _early(service, place, name, effect)
            elif effect.works is Works.PARTLY and name not in PER_RECIPIENT:
                message = f"{place.element} sees only mail with a single recipient in {name}."
                fix = f"move it to {RECIPIENT}"
                yield service.at(place, ONE_RECIPIENT, message, fix)


def _pipelining(service: Service, place: Place) -> Finding:
    message = f"{place.element} catches nearly nobody before DATA."
    fix = "smtpd_data_restrictions = reject_unauth_pipelining"
    if service.settings.version >= (3, 9) and service.flag("smtpd_forbid_unauth_pipelining"):
        fix = "leave it out: smtpd_forbid_unauth_pipelining = yes does this since Postfix 3.9"
    return service.at(place, PIPELINING, message, fix)


def _early(service: Service, place: Place, name: str, effect: Effect) -> Iterator[Finding]:
    if place.name == "permit_sasl_authenticated" and service.sasl and _refuses_after(service, name, place.element):
        message = f"permit_sasl_authenticated never matches in {name}, and what follows it refuses users."
        yield service.at(place, LOGIN_TOO_EARLY, message, "smtpd_delay_reject = yes")
        return
    if place.name in OWN_CLIENTS and not _refuses_after(service, name, place.element):
        return
    message = f"{place.element} can do nothing in {name}: {effect.reason}."
    fix = "smtpd_delay_reject = yes, or move it to a later list"
    if place.name == "check_etrn_access":
        fix = "move it to smtpd_etrn_restrictions"
    yield service.at(place, TOO_EARLY, message, fix)


def _refuses_after(service: Service, name: str, element: Element) -> bool:
    later = False
    for place in service.walk(name):
        if later and _can_refuse(place):
            return True
        later = later or place.element is element
    return False


def _can_refuse(place: Place) -> bool:
    if place.element.warn:
        return False
    if place.element.kind in (Kind.TABLE, Kind.UNKNOWN):
        return True
    entry = lookup(place.element.name)
    if entry is None or place.name.startswith("permit"):
        return False
    return bool(_REFUSING & entry.results) or place.name == "check_policy_service" or bool(entry.expansion)


def _helo(service: Service) -> Iterator[Finding]:
    if service.flag("smtpd_helo_required"):
        return
    for name in PER_RECIPIENT:
        for place in service.walk(name):
            entry = lookup(place.element.name) if place.element.kind is Kind.RESTRICTION else None
            table = place.element.kind is Kind.TABLE and name == HELO
            helo = entry is not None and entry.group == "helo" and not place.name.startswith("permit")
            if (table or helo) and not place.element.warn:
                message = f"A client that says no HELO is not asked about it: {place.element} is skipped."
                fix = "smtpd_helo_required = yes"
                yield service.at(place, HELO_OPTIONAL, message, fix)
                return


def _only_allowing(service: Service, name: str) -> list[Element]:
    """Elements whose tables are known, and hold nothing but OK and DUNNO."""
    contents = Contents(service)
    found = []
    for use in uses(service):
        entries = contents.entries(use) if use.list_name == name else ()
        if entries and all(permits(entry.result) or entry.result[:5].upper() == "DUNNO" for entry in entries):
            found.append(use.place.element)
    return found


def _only_permits(service: Service) -> Iterator[Finding]:
    for name in (*EARLY, RECIPIENT):
        if not service.settings.is_set(name) or not service.elements(name):
            continue
        places = list(service.walk(name))
        allowing = _only_allowing(service, name)
        if any(
            (_can_refuse(place) and place.element not in allowing) or place.element.warn or place.name == "sleep"
            for place in places
        ):
            continue
        if any(place.element.kind is Kind.CLASS and place.element.name not in service.classes for place in places):
            continue
        if not allowing and not any(place.name.startswith("permit") for place in places):
            continue
        message = f"Nothing in {name} refuses anybody, and its permits do not reach into the other lists."
        fix = f"leave {name} empty, or put the permit before the restriction that it shall spare"
        yield find(ONLY_PERMITS, name, message, fix, service=service.key)


def _bare_tables(service: Service) -> Iterator[Finding]:
    for name in ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions"):
        for place in service.walk(name):
            if place.element.kind is Kind.TABLE:
                message = f"Postfix cannot tell what to look up in {place.element.name} in {name}."
                fix = f"check_client_access {place.element.name} (or check_sender_access, check_helo_access)"
                yield service.at(place, TABLE_WITHOUT_CHECK, message, fix)


def _repeated(service: Service) -> Iterator[Finding]:
    for name in (*LISTS, *service.classes):
        elements = service.elements(name) if name in STAGE else service.classes[name]
        seen: dict[str, int] = {}
        for element in elements:
            text = str(element).lower()
            if text in seen and element.kind is not Kind.UNKNOWN and text.split()[0] not in _HARMLESS_REPEATS:
                message = f"{element} stands in {name} twice."
                yield find(REPEATED, name, message, "leave the second one out", service=service.key, element=element)
            seen.setdefault(text, element.index)


RULES = (each_service(_stages, _helo, _only_permits, _bare_tables, _repeated),)
