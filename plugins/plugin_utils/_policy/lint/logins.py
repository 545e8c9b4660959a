# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may use which sender address: reject_*_sender_login_mismatch and what takes its effect away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import (
    LISTS,
    PER_RECIPIENT,
    Place,
    Service,
    each_service,
    services,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Session, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate

AFTER_LOGIN = FindingKind(
    code="mismatch-after-permit",
    severity=Severity.RELAY,
    title="Users may send as anybody",
    wrong="permit_sasl_authenticated stands before the check whether the sender address belongs to the user, and ends"
    " the list for everybody who has logged in.",
    happens="Every user, and everybody who has stolen one password, sends with every sender address, the boss's too.",
    example="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = permit_sasl_authenticated, reject_authenticated_sender_login_mismatch"
    "\nsmtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    right="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_sasl_authenticated"
    "\nsmtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    source="SASL_README: envelope sender address authorization",
)
AFTER_NETWORKS = FindingKind(
    code="mismatch-after-mynetworks",
    severity=Severity.IDLE,
    title="Own networks may send as anybody on the submission port",
    wrong="permit_mynetworks stands before the check of the sender address on a service for users.",
    happens="Webmail and every program on this machine and in your networks send with every sender address.",
    example="# master.cf\nsubmission inet n - y - - smtpd\n -o smtpd_sasl_auth_enable=yes\n"
    " -o smtpd_sender_login_maps=inline:{user@example.org=user}\n"
    " -o smtpd_sender_restrictions=permit_mynetworks,reject_authenticated_sender_login_mismatch\n"
    " -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    right="# master.cf\nsubmission inet n - y - - smtpd\n -o smtpd_sasl_auth_enable=yes\n"
    " -o smtpd_sender_login_maps=inline:{user@example.org=user}\n"
    " -o smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch\n"
    " -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    source="SASL_README: envelope sender address authorization",
)
WITHOUT_SASL = FindingKind(
    code="login-check-without-sasl",
    severity=Severity.IDLE,
    title="A check of logins where nobody can log in",
    wrong="The restriction compares with the login name, and smtpd_sasl_auth_enable is off for this service.",
    happens="Postfix logs restriction ... ignored: no SASL support, and goes on.",
    example="smtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch",
    right="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch\nsmtpd_relay_restrictions ="
    " permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    source="postconf(5): smtpd_sasl_auth_enable",
)
WITHOUT_MAPS = FindingKind(
    code="login-check-without-maps",
    severity=Severity.LOST,
    title="A check of sender addresses without a list of owners",
    wrong="smtpd_sender_login_maps is empty, so that no address belongs to anybody.",
    happens="Every user who has logged in is refused: 553 5.7.1 Sender address rejected: not owned by user.",
    example="smtpd_sasl_auth_enable = yes\n"
    "smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_sasl_authenticated",
    right="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_sasl_authenticated",
    source="postconf(5): smtpd_sender_login_maps",
)
UNKNOWN_WITHOUT_MAPS = FindingKind(
    code="known-sender-check-without-maps",
    severity=Severity.IDLE,
    title="A check of known sender addresses without any",
    wrong="smtpd_sender_login_maps is empty, and this restriction only looks at addresses that are in it.",
    happens="Nothing: nobody is checked.",
    example="smtpd_sasl_auth_enable = yes\n"
    "smtpd_sender_restrictions = reject_known_sender_login_mismatch, permit_sasl_authenticated",
    right="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = reject_known_sender_login_mismatch, permit_sasl_authenticated",
    source="postconf(5): reject_known_sender_login_mismatch",
)
FOR_STRANGERS = FindingKind(
    code="mismatch-for-strangers",
    severity=Severity.STYLE,
    title="Your users' addresses refused from other servers",
    wrong="On port 25 the restriction also refuses clients who have not logged in and use a sender address of yours:"
    " forwarders and some mailing lists do so honestly.",
    happens="Mail of your users that comes back through a forwarder is refused: 553 5.7.1 Sender address rejected: not"
    " logged in.",
    example="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = permit_mynetworks, reject_sender_login_mismatch, permit_sasl_authenticated",
    right="smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = inline:{user@example.org=user}\n"
    "smtpd_sender_restrictions = permit_mynetworks, reject_authenticated_sender_login_mismatch,"
    " permit_sasl_authenticated",
    source="postconf(5): reject_sender_login_mismatch",
)

KINDS = (AFTER_LOGIN, AFTER_NETWORKS, WITHOUT_SASL, WITHOUT_MAPS, UNKNOWN_WITHOUT_MAPS, FOR_STRANGERS)

_AUTHENTICATED = frozenset({"reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch"})
_STRANGERS = frozenset(
    {
        "reject_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch",
        "reject_known_sender_login_mismatch",
    }
)
_ALL = _AUTHENTICATED | _STRANGERS
_OF_USERS = _AUTHENTICATED | {"reject_known_sender_login_mismatch"}


def _mismatches(service: Service) -> Iterator[Place]:
    for name in PER_RECIPIENT:
        for place in service.walk(name):
            if place.name in _ALL:
                yield place


def _no_sasl(policy: Policy) -> Iterator[Finding]:
    """A list that services with and without logins share is meant for those with."""
    served = list(services(policy))
    shared = {name for service in served if service.sasl for name in LISTS if not _overrides(service, name)}
    for service in served:
        if not service.sasl:
            yield from _ignored_logins(service, shared)


def _overrides(service: Service, name: str) -> bool:
    return name in service.settings.service.overrides


def _ignored_logins(service: Service, shared: set[str]) -> Iterator[Finding]:
    for place in service.everywhere:
        if place.parameter in shared and not _overrides(service, place.parameter):
            continue
        if place.name in _ALL or place.name == "check_sasl_access":
            message = f"{place.element} is ignored: nobody can log in here."
            fix = "put it into the lists of the service where users log in, or set smtpd_sasl_auth_enable = yes"
            yield service.at(place, WITHOUT_SASL, message, fix)


def _no_maps(service: Service) -> Iterator[Finding]:
    if not service.sasl or service.text("smtpd_sender_login_maps").strip():
        return
    for place in _mismatches(service):
        kind = WITHOUT_MAPS if place.name in _AUTHENTICATED else UNKNOWN_WITHOUT_MAPS
        message = f"{place.element} finds no owner of any address: smtpd_sender_login_maps is empty."
        fix = "smtpd_sender_login_maps = lmdb:/etc/postfix/sender_logins (address, then the logins that may use it)"
        yield service.at(place, kind, message, fix)


def _forgery(service: Service) -> Mapping[str, Any] | None:
    """A session in which a user sends to a stranger under somebody else's address, if one is accepted."""
    for sender in ("director@example.org", "director@example.net"):
        session = Session(
            addr="203.0.113.9",
            helo="laptop.example.net",
            login="somebody",
            sender=sender,
            rcpts=("customer@example.com",),
            service=service.key,
        )
        try:
            verdict = simulate(service.settings.policy, session, absent_tables="empty")
        except PolicyError:
            return None
        if any(stage.stage == "RCPT" and stage.code == 250 for stage in verdict.stages):
            return session.as_dict()
    return None


def _order(service: Service) -> Iterator[Finding]:
    if not service.sasl:
        return
    for name in PER_RECIPIENT:
        before: list[str] = []
        for place in service.walk(name):
            if place.name in _OF_USERS and "permit_sasl_authenticated" in before:
                message = f"{place.element} stands behind permit_sasl_authenticated, so no user ever gets to it."
                finding = service.at(place, AFTER_LOGIN, message, f"{place.element}, permit_sasl_authenticated")
                yield replace(finding, session=_forgery(service))
            elif place.name in _OF_USERS and "permit_mynetworks" in before and service.is_submission:
                message = f"{place.element} stands behind permit_mynetworks, so your own networks never get to it."
                fix = f"{place.element} first; leave permit_mynetworks out on {service.key}"
                yield service.at(place, AFTER_NETWORKS, message, fix)
            before.append(place.name)


def _strangers(service: Service) -> Iterator[Finding]:
    if not (service.sasl and service.is_mx and service.text("smtpd_sender_login_maps").strip()):
        return
    for place in _mismatches(service):
        if place.name in _STRANGERS and not place.element.warn:
            message = f"{place.element} also refuses other servers that forward mail of your users."
            fix = "reject_authenticated_sender_login_mismatch"
            yield service.at(place, FOR_STRANGERS, message, fix)


RULES = (
    _no_sasl,
    each_service(_no_maps, _order, _strangers),
)
