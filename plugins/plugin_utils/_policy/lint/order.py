# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own users and own networks, refused because a check stands before what permits them; and mail refused altogether."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import (
    DATA,
    EARLY,
    END_OF_DATA,
    OWN_CLIENTS,
    PER_RECIPIENT,
    RECIPIENT,
    RELAY,
    Place,
    Service,
    documented,
    each_service,
    services,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Kind, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import kind_of

GUARD_BEFORE_PERMITS = FindingKind(
    code="guard-before-permits",
    severity=Severity.LOST,
    title="The guard against relaying refuses your own users",
    wrong="reject_unauth_destination stands before the words that permit your own networks and authenticated users, or"
    " in a list without them. Every list has to permit them itself.",
    happens="Your own users cannot send to other servers: 554 5.7.1 Relay access denied.",
    example="smtpd_sasl_auth_enable = yes\n"
    "smtpd_relay_restrictions = reject_unauth_destination, permit_mynetworks, permit_sasl_authenticated",
    right="smtpd_sasl_auth_enable = yes\n"
    "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    source="SMTPD_ACCESS_README: both lists must not reject",
)
SASL_WITHOUT_PERMIT = FindingKind(
    code="sasl-without-permit",
    severity=Severity.LOST,
    title="Users may log in, but nothing permits them",
    wrong="smtpd_sasl_auth_enable is on and no list of the service permits who has logged in.",
    happens="Users log in successfully and are then refused like strangers: 554 5.7.1 Relay access denied.",
    example="smtpd_sasl_auth_enable = yes\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
    right="smtpd_sasl_auth_enable = yes\n"
    "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    source="SASL_README: enabling SASL authorization in the Postfix SMTP server",
)
REJECTS_EVERYBODY = FindingKind(
    code="rejects-everybody",
    severity=Severity.LOST,
    title="A service that refuses those it is for",
    wrong="A list ends in reject, and what stands before it does not permit those the service is for: other servers"
    " with mail for you on port 25, your own users on the submission ports.",
    happens="All their mail is refused: 554 5.7.1 Access denied.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5): reject",
)
ROAMING_USERS = FindingKind(
    code="roaming-users-refused",
    severity=Severity.LOST,
    title="A check for strangers that refuses travelling users",
    wrong="Hotels, mobile networks and homes have no proper reverse DNS, their addresses are on DNS blocklists, and"
    " mail programs say any HELO name. The check comes before permit_sasl_authenticated, so it refuses users who have"
    " logged in.",
    happens="Users who are not in their office are refused although their password is right (450 or 554, such as Client"
    " host rejected: cannot find your hostname).",
    example="smtpd_sasl_auth_enable = yes\n"
    "smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname, permit_sasl_authenticated",
    right="smtpd_sasl_auth_enable = yes\n"
    "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unknown_client_hostname",
    source="SASL_README; postconf(5): permit_sasl_authenticated",
)
DNS_BEFORE_PERMITS = FindingKind(
    code="dns-check-before-permits",
    severity=Severity.DEFERRED,
    title="A DNS check before the permits",
    wrong="When the DNS does not answer, the check notes a temporary error, and no permit after it takes that back.",
    happens="While the DNS has trouble, your own users and networks are answered 450 with every message.",
    example="smtpd_sender_restrictions = reject_unknown_sender_domain, permit_mynetworks, permit_sasl_authenticated",
    right="smtpd_sender_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unknown_sender_domain",
    source="postconf(5): unknown_address_tempfail_action; src/smtpd/smtpd_check.c: defer_if_permit",
)
UNQUALIFIED_SENDER = FindingKind(
    code="unqualified-sender-before-permits",
    severity=Severity.LOST,
    title="Own programs refused for a sender without a domain",
    wrong="Programs on your own machines often send as root or www-data; the check comes before permit_mynetworks.",
    happens="Their mail is refused: 504 5.5.2 Sender address rejected: need fully-qualified address.",
    example="smtpd_sender_restrictions = reject_non_fqdn_sender, permit_mynetworks",
    right="smtpd_sender_restrictions = permit_mynetworks, reject_non_fqdn_sender",
    source="postconf(5): reject_non_fqdn_sender",
)
PROBES_FOR_STRANGERS = FindingKind(
    code="probes-for-strangers",
    severity=Severity.STYLE,
    title="Lookups and probes for relay attempts",
    wrong="The recipient's domain or address is looked up before the guard against relaying has refused foreign ones.",
    happens="Any stranger makes your server ask the DNS, or connect to other servers, for addresses of their choice.",
    example="smtpd_relay_restrictions =\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unverified_recipient, reject_unauth_destination",
    right="smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unverified_recipient",
    source="ADDRESS_VERIFICATION_README: limitations",
)
VERIFIED_SENDERS = FindingKind(
    code="sender-verification",
    severity=Severity.STYLE,
    title="Every sender's server is called back",
    wrong="reject_unverified_sender asks the server of each sender address whether it exists, forged ones included.",
    happens="Other servers see your probes as abuse, and some put you on a blocklist; senders whose server does not"
    " answer at once get 450.",
    example="smtpd_sender_restrictions = permit_mynetworks, reject_unverified_sender",
    right="smtpd_sender_restrictions = permit_mynetworks, reject_unknown_sender_domain",
    source="ADDRESS_VERIFICATION_README: sender address verification for all email",
)
INTERNAL_DOMAIN = FindingKind(
    code="internal-relay-domain",
    severity=Severity.LOST,
    title="A DNS check refuses an internal relay domain",
    wrong="relay_domains holds a domain that the public DNS cannot know, and reject_unknown_recipient_domain asks"
    " for it.",
    happens="Mail to that domain is refused: 450 4.1.2 Recipient address rejected: Domain not found.",
    example="relay_domains = corp.internal\nsmtpd_recipient_restrictions = permit_mynetworks,"
    " reject_unauth_destination, reject_unknown_recipient_domain",
    right="relay_domains = corp.internal\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5): reject_unknown_recipient_domain",
)
AUTH_OPEN = FindingKind(
    code="auth-open-to-refused",
    severity=Severity.IDLE,
    title="Refused clients can still guess passwords",
    wrong="With smtpd_delay_reject = yes the client list is only asked at RCPT. Before that, anybody can log in.",
    happens="The reject keeps mail out, but not those who guess passwords with AUTH.",
    example="smtpd_sasl_auth_enable = yes\n"
    "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject",
    right="smtpd_sasl_auth_enable = no\nmydestination =\nsmtpd_client_restrictions = permit_mynetworks, reject",
    source="postconf(5): smtpd_delay_reject",
)

KINDS = (
    GUARD_BEFORE_PERMITS,
    SASL_WITHOUT_PERMIT,
    REJECTS_EVERYBODY,
    ROAMING_USERS,
    DNS_BEFORE_PERMITS,
    UNQUALIFIED_SENDER,
    PROBES_FOR_STRANGERS,
    VERIFIED_SENDERS,
    INTERNAL_DOMAIN,
    AUTH_OPEN,
)

_GUARD = frozenset({"reject_unauth_destination", "defer_unauth_destination"})
_END = frozenset({"reject", "defer"})
_PEOPLE = {
    "permit_mynetworks": "your own networks",
    "permit_sasl_authenticated": "users who have logged in",
    "permit_inet_interfaces": "this machine",
    "permit_tls_clientcerts": "clients with a known certificate",
    "permit_tls_all_clientcerts": "clients with a certificate",
}
_SASL = "permit_sasl_authenticated"
_NETWORKS = "permit_mynetworks"
# What a laptop in a hotel fails.
_ROAMING = frozenset(
    {
        "reject_unknown_client_hostname",
        "reject_unknown_reverse_client_hostname",
        "reject_rbl_client",
        "reject_rhsbl_client",
        "reject_rhsbl_reverse_client",
        "reject_rhsbl_helo",
        "reject_non_fqdn_helo_hostname",
        "reject_unknown_helo_hostname",
    }
)
# What a printer or cron job in the own network fails.
_OWN_HOSTS = frozenset(
    {
        "reject_unknown_client_hostname",
        "reject_unknown_reverse_client_hostname",
        "reject_non_fqdn_helo_hostname",
        "reject_unknown_helo_hostname",
    }
)
# RFC 6762 appendix G, RFC 8375, RFC 2606, and ICANN's .internal
_INTERNAL = frozenset(
    {"local", "internal", "intranet", "lan", "corp", "home", "private", "localdomain", "test", "localhost"}
)


def _walk(service: Service, name: str) -> Iterator[Place]:
    """As far as anybody gets: up to an unconditional end."""
    for place in service.walk(name):
        yield place
        if place.name == "permit" or (place.name in _END and not place.element.warn):
            return


def _lists(service: Service) -> tuple[str, ...]:
    return PER_RECIPIENT if service.delayed else (RELAY, RECIPIENT)


def _permitted_before_guard(service: Service, name: str) -> frozenset[str]:
    """Words for own clients that the list has before its guard."""
    words = set()
    for place in _walk(service, name):
        if place.name in _GUARD | _END and not place.element.warn:
            break
        words.add(place.name)
    return frozenset(words & OWN_CLIENTS)


def _guard_first(service: Service) -> Iterator[Finding]:
    wanted = {_SASL} if service.sasl else set()
    for name in (RELAY, RECIPIENT):
        if service.settings.is_set(name):
            wanted |= _permitted_before_guard(service, name) & {_NETWORKS}
    permits_users = any(_SASL in _permitted_before_guard(service, name) for name in (RELAY, RECIPIENT))
    for name in _lists(service):
        places = list(_walk(service, name))
        at = next((at for at, place in enumerate(places) if place.name in _GUARD and not place.element.warn), None)
        if at is None:
            continue
        before = {place.name for place in places[:at]}
        later = [place.name for place in places[at:] if place.name in OWN_CLIENTS and place.name not in before]
        missing = sorted((wanted if permits_users else wanted - {_SASL}) - before)
        if later or missing:
            yield _refuses_own(service, places[at], later or missing, behind=bool(later))


def _refuses_own(service: Service, place: Place, words: list[str], *, behind: bool) -> Finding:
    names = " and ".join(words)
    people = " and ".join(_PEOPLE[word] for word in words)
    message = (
        f"{place.element} stands before {names}: {people} are refused."
        if behind
        else f"{place.element} stands in a list without {names}: {people} are refused, whatever the other lists say."
    )
    fix = ", ".join([*words, str(place.element)])
    return service.at(place, GUARD_BEFORE_PERMITS, message, fix)


def _unused_logins(policy: Policy) -> Iterator[Finding]:
    served = [service for service in services(policy) if service.sasl]
    permitting = [service for service in served if _mentions_login(service)]
    for service in served:
        if service in permitting or (service.is_mx and permitting):
            continue
        if any(place.name in _GUARD for name in (RELAY, RECIPIENT) for place in service.walk(name)):
            message = "Users may log in here, but no list holds permit_sasl_authenticated."
            fix = "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
            yield find(SASL_WITHOUT_PERMIT, RELAY, message, fix, service=service.key)


def _mentions_login(service: Service) -> bool:
    return any(place.name in {_SASL, "check_sasl_access"} for name in PER_RECIPIENT for place in service.walk(name))


def _rejects_everybody(service: Service) -> Iterator[Finding]:
    for name in PER_RECIPIENT:
        before: set[str] = set()
        for place in _walk(service, name):
            element = place.element
            if place.name in _END and element.kind is Kind.RESTRICTION and not element.warn:
                yield from _reject_at_end(service, place, before)
            elif element.kind is Kind.TABLE or place.name.startswith(("check_", "permit_dns", "permit_rhs")):
                break  # may let in whom it wants
            elif place.name in {"permit", "permit_auth_destination", "permit_mx_backup"}:
                break
            elif place.name in OWN_CLIENTS:
                before.add(place.name)


def _reject_at_end(service: Service, place: Place, before: set[str]) -> Iterator[Finding]:
    if service.is_mx and _receives_mail(service):
        message = f"{place.element} refuses every server that brings mail for you: {_only(before)} can get past it."
        fix = "reject_unauth_destination"
        if place.parameter in EARLY:
            fix = f"leave {place.element} out here"
        yield service.at(place, REJECTS_EVERYBODY, message, fix)
    elif service.is_loopback and _NETWORKS in before:
        return  # programs of this machine bring mail here, a content filter for instance
    elif service.sasl and not before & (OWN_CLIENTS - {_NETWORKS, "permit_inet_interfaces"}):
        message = f"{place.element} refuses users who have logged in: {_only(before)} can get past it."
        yield service.at(place, REJECTS_EVERYBODY, message, f"{_SASL}, {place.element}")
    elif not before and not service.is_mx:
        message = f"{place.element} refuses everybody: nothing before it permits anyone."
        yield service.at(place, REJECTS_EVERYBODY, message, f"{_SASL}, {place.element}")


def _only(words: set[str]) -> str:
    return f"only {' and '.join(sorted(_PEOPLE[word] for word in words))}" if words else "nobody"


def _receives_mail(service: Service) -> bool:
    """Not a machine that only sends: one that hands everything on, or has no domain of its own."""
    domains = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
    if not any(service.text(name).strip() for name in domains):
        return False
    named = any(service.settings.is_set(name) for name in domains)
    return named or not service.text("relayhost")


def _roaming(policy: Policy) -> Iterator[Finding]:
    served = list(services(policy))
    elsewhere = any(service.sasl and not service.is_mx for service in served)
    for service in served:
        for name in (*PER_RECIPIENT, DATA, END_OF_DATA):
            yield from _roaming_list(service, name, elsewhere)


def _roaming_list(service: Service, name: str, elsewhere: bool) -> Iterator[Finding]:
    places = list(_walk(service, name))
    names = [place.name for place in places]
    login = names.index(_SASL) if _SASL in names else None
    networks = names.index(_NETWORKS) if _NETWORKS in names else None
    for at, place in enumerate(places):
        word = documented(place)
        if place.element.warn or word not in _ROAMING or _swallows(service, place):
            continue
        users_come_later = login is not None and at < login
        refuses_users = users_come_later or (service.sasl and login is None)
        refuses_hosts = word in _OWN_HOSTS and networks is not None and at < networks
        if refuses_users:
            mild = elsewhere and service.is_mx and login is None
            yield _refuses_roaming(service, place, Severity.STYLE if mild else None)
        elif refuses_hosts:
            message = f"{place.element} stands before permit_mynetworks and refuses your own machines."
            consequence = "Printers, scanners and programs in your networks are refused, mostly with 450 or 504."
            fix = f"permit_mynetworks, {place.element}"
            yield service.at(place, ROAMING_USERS, message, fix, consequence=consequence)


def _swallows(service: Service, place: Place) -> bool:
    """The word taken for a DNS list is a restriction: then no list is asked."""
    argument = place.element.argument
    return argument is not None and kind_of(argument.text, service.classes) in (Kind.RESTRICTION, Kind.CLASS)


def _refuses_roaming(service: Service, place: Place, severity: Severity | None) -> Finding:
    fix = f"permit_sasl_authenticated, {place.element}"
    message = f"{place.element} is asked before permit_sasl_authenticated, and travelling users fail it."
    if service.is_submission:
        message = f"{place.element} is meant for strangers' servers; users on the submission port fail it."
        fix = f"give {service.key} its own list: -o {place.parameter}=permit_sasl_authenticated,reject"
    elif severity is Severity.STYLE:
        message = f"Users who log in on port 25 instead of the submission port fail {place.element}."
        fix = f"smtpd_sasl_auth_enable = no for port 25, or {fix}"
    return service.at(place, ROAMING_USERS, message, fix, severity=severity)


def _before_permits(service: Service) -> Iterator[Finding]:
    for name in PER_RECIPIENT:
        places = list(_walk(service, name))
        permits = [at for at, place in enumerate(places) if place.name in {_SASL, _NETWORKS}]
        networks = [at for at in permits if places[at].name == _NETWORKS]
        for at, place in enumerate(places):
            word = documented(place)
            if place.element.warn:
                continue
            if word == "reject_unknown_sender_domain" and any(at < later for later in permits):
                permit = places[min(later for later in permits if at < later)].name
                message = f"{place.element} stands before {permit}, which does not undo a DNS failure."
                yield service.at(place, DNS_BEFORE_PERMITS, message, f"{permit}, {place.element}")
            if word == "reject_non_fqdn_sender" and any(at < later for later in networks):
                message = f"{place.element} stands before permit_mynetworks."
                fix = f"permit_mynetworks, {place.element}"
                yield service.at(place, UNQUALIFIED_SENDER, message, fix)


def _probes(service: Service) -> Iterator[Finding]:
    lists = (*EARLY, *service.destination_lists) if service.delayed else service.destination_lists
    guarded = False
    for name in lists:
        for place in _walk(service, name):
            if place.name in _GUARD | _END and not place.element.warn:
                guarded = True
            if place.name in {"reject_unverified_recipient", "reject_unknown_recipient_domain"} and not guarded:
                message = f"{place.element} is asked for strangers' relay attempts too."
                fix = f"reject_unauth_destination, {place.element}"
                yield service.at(place, PROBES_FOR_STRANGERS, message, fix)
            if place.name == "reject_unverified_sender":
                message = f"{place.element} calls back the server of every sender, forged ones included."
                fix = "reject_unknown_sender_domain, or limit it to a few domains with check_sender_access"
                yield service.at(place, VERIFIED_SENDERS, message, fix)


def _internal_domains(service: Service) -> Iterator[Finding]:
    domains = [word.strip(".").lower() for word in service.text("relay_domains").replace(",", " ").split()]
    internal = [name for name in domains if ":" not in name and name.rsplit(".", 1)[-1] in _INTERNAL]
    if not internal:
        return
    for name in PER_RECIPIENT:
        for place in _walk(service, name):
            if place.name == "reject_unknown_recipient_domain" and not place.element.warn:
                message = f"{place.element} asks the DNS for {internal[0]}, which it cannot know."
                fix = "leave it out, or permit these domains before it with check_recipient_access"
                yield service.at(place, INTERNAL_DOMAIN, message, fix)


def _auth_open(service: Service) -> Iterator[Finding]:
    if not (service.sasl and service.delayed and service.is_mx):
        return
    for place in _walk(service, EARLY[0]):
        if place.name == "reject" and not place.element.warn:
            message = "reject is asked at RCPT only, after AUTH: refused clients can still guess passwords."
            fix = "smtpd_sasl_auth_enable = no for port 25; let users log in on the submission ports only"
            yield service.at(place, AUTH_OPEN, message, fix)


RULES = (
    _unused_logins,
    _roaming,
    each_service(_guard_first, _rejects_everybody, _before_permits, _probes, _internal_domains, _auth_open),
)
