# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose mail this server takes: the address classes, their lists of recipients, and what opens them to others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Element,
    Finding,
    PolicyError,
    Session,
    Severity,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate

TWICE = FindingKind(
    code="domain-in-two-classes",
    severity=Severity.LOST,
    title="One domain in two address classes",
    wrong=(
        "A domain is local (mydestination), virtual alias, virtual mailbox or relayed: one of them. Postfix asks in"
        " this order"
        " and takes the first."
    ),
    happens=(
        "The list of users of the other class is never asked: its users get 550 5.1.1 User unknown, and the log says"
        " 'do not list domain in BOTH'."
    ),
    example="mydestination = example.org, localhost\nvirtual_mailbox_domains = example.org",
    right="mydestination = localhost\nvirtual_mailbox_domains = example.org",
    source="ADDRESS_CLASS_README; trivial-rewrite/resolve.c",
)
EMPTIED = FindingKind(
    code="recipients-unchecked",
    severity=Severity.RELAY,
    title="Every address of a domain is accepted",
    wrong="The list of users was emptied or its check switched off, so mail to users that do not exist is accepted.",
    happens=(
        "What cannot be delivered is bounced to the sender that spam pretends to come from: strangers use this"
        " server to send"
        " to third parties (backscatter), and it lands on blocklists."
    ),
    example="mydestination = example.org\nlocal_recipient_maps =",
    right="mydestination = example.org",
    source="LOCAL_RECIPIENT_README; postconf(5) local_recipient_maps, smtpd_reject_unlisted_recipient",
)
UNLISTED = FindingKind(
    code="recipient-list-missing",
    severity=Severity.IDLE,
    title="No list of users for a domain",
    wrong="The domain's list of users is not set, so Postfix cannot tell which addresses exist.",
    happens=(
        "Mail to any address of the domain is accepted; what the next server refuses is bounced to a sender that"
        " spam pretends"
        " to come from (backscatter)."
    ),
    example="relay_domains = example.org",
    right="relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients",
    source="ADDRESS_CLASS_README; postconf(5) relay_recipient_maps, virtual_mailbox_maps",
)
SUBDOMAINS = FindingKind(
    code="relay-domains-subdomains",
    severity=Severity.STYLE,
    title="relay_domains matches subdomains too",
    wrong="With relay_domains in parent_domain_matches_subdomains (the default), a domain in relay_domains is all"
    " its subdomains.",
    happens="Mail to any name below the domain is accepted from strangers and sent to wherever its DNS points.",
    example="relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients",
    right=(
        "relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients\n"
        "parent_domain_matches_subdomains = smtpd_access_maps"
    ),
    source="postconf(5) relay_domains, parent_domain_matches_subdomains",
)
FOREIGN = FindingKind(
    code="foreign-domain-claimed",
    severity=Severity.LOST,
    title="A big mail provider's domain among our own",
    wrong="The domain belongs to a mail provider; listing it says that this server is its destination.",
    happens="Mail of your users to that provider never leaves: it is delivered here or bounces as unknown user.",
    example="mydestination = localhost, gmail.com",
    right="mydestination = localhost",
    source="ADDRESS_CLASS_README",
)
MX_BACKUP = FindingKind(
    code="permit-mx-backup",
    severity=Severity.RELAY,
    title="permit_mx_backup lets strangers choose what is relayed",
    wrong="permit_mx_backup accepts mail for every domain whose MX records name this server; anybody can publish"
    " such a record.",
    happens=(
        "Whoever points an MX record at this server relays to that domain, without any list of users. Deprecated:"
        " Postfix 3.9"
        " and later log a warning at each use."
    ),
    example="smtpd_relay_restrictions = permit_mynetworks, permit_mx_backup, reject_unauth_destination",
    right=(
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nrelay_domains = example.org\n"
        "relay_recipient_maps = lmdb:/etc/postfix/relay_recipients"
    ),
    source="postconf(5) permit_mx_backup; DEPRECATION_README",
)
ALL_CERTIFICATES = FindingKind(
    code="permit-all-certificates",
    severity=Severity.RELAY,
    title="Any certificate of a public authority may relay",
    wrong="permit_tls_all_clientcerts accepts every certificate that a trusted authority signed, whoever holds it.",
    happens="Anybody with a certificate of a public authority relays to any address; certificates are free.",
    example=(
        "smtpd_tls_ask_ccert = yes\nsmtpd_tls_CApath = /etc/ssl/certs\n"
        "smtpd_relay_restrictions = permit_mynetworks, permit_tls_all_clientcerts, reject_unauth_destination"
    ),
    right=(
        "smtpd_tls_ask_ccert = yes\nsmtpd_tls_CApath = /etc/ssl/certs\n"
        "relay_clientcerts = lmdb:/etc/postfix/relay_clientcerts\n"
        "smtpd_relay_restrictions = permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination"
    ),
    source="postconf(5) permit_tls_all_clientcerts",
)
CERTIFICATES_UNASKED = FindingKind(
    code="certificates-not-asked-for",
    severity=Severity.IDLE,
    title="Client certificates are permitted but never asked for",
    wrong="smtpd_tls_ask_ccert is not set, so no client ever sends its certificate.",
    happens="permit_tls_clientcerts and permit_tls_all_clientcerts permit nobody.",
    example=(
        "smtpd_relay_restrictions = permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination\n"
        "relay_clientcerts = lmdb:/etc/postfix/relay_clientcerts"
    ),
    right=(
        "smtpd_relay_restrictions = permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination\n"
        "relay_clientcerts = lmdb:/etc/postfix/relay_clientcerts\nsmtpd_tls_ask_ccert = yes"
    ),
    source="postconf(5) smtpd_tls_ask_ccert",
)
ETRN = FindingKind(
    code="etrn-open",
    severity=Severity.STYLE,
    title="Strangers may order queue runs",
    wrong="smtpd_etrn_restrictions is empty, so any client may ask with ETRN to have the queue of a relay domain"
    " delivered.",
    happens="A stranger can keep this server busy with deliveries to the domains in fast_flush_domains.",
    example="relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients",
    right=(
        "relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients\n"
        "smtpd_etrn_restrictions = permit_mynetworks, reject"
    ),
    source="ETRN_README",
)
UNTRUSTED_ROUTING = FindingKind(
    code="untrusted-routing",
    severity=Severity.RELAY,
    title="Routed addresses are passed on",
    wrong="With allow_untrusted_routing Postfix passes user@elsewhere@relay-domain and user%elsewhere@relay-domain on.",
    happens="The server behind, which trusts this one, relays them: an open relay in two steps.",
    example=(
        "allow_untrusted_routing = yes\nrelay_domains = example.org\n"
        "relay_recipient_maps = lmdb:/etc/postfix/relay_recipients"
    ),
    right="relay_domains = example.org\nrelay_recipient_maps = lmdb:/etc/postfix/relay_recipients",
    source="postconf(5) allow_untrusted_routing",
)

KINDS = (
    TWICE, EMPTIED, UNLISTED, SUBDOMAINS, FOREIGN, MX_BACKUP, ALL_CERTIFICATES, CERTIFICATES_UNASKED, ETRN,
    UNTRUSTED_ROUTING,
)  # fmt: skip

CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
"""In the order in which trivial-rewrite asks."""
_RECIPIENT_MAPS = {
    "mydestination": "local_recipient_maps",
    "virtual_mailbox_domains": "virtual_mailbox_maps",
    "relay_domains": "relay_recipient_maps",
}
_PROVIDERS = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "aol.com",
        "icloud.com",
        "me.com",
        "gmx.de",
        "gmx.net",
        "web.de",
        "t-online.de",
        "freenet.de",
        "mail.ru",
        "yandex.ru",
        "qq.com",
        "163.com",
        "proton.me",
        "protonmail.com",
        "orange.fr",
        "free.fr",
        "laposte.net",
        "comcast.net",
    ]
)
_VERIFIES = frozenset({"reject_unverified_recipient", "reject_unlisted_recipient"})


def literal_domains(policy: Policy, settings: Settings, parameter: str) -> dict[str, tuple[int, str]]:
    """Domains that a list names, in its own words or in tables whose content is known.

    :return: domain in lower case -> index of the word, the word
    """
    found: dict[str, tuple[int, str]] = {}
    for index, word in enumerate(reading.split(settings, parameter)):
        if word.startswith("#"):
            break
        if word.startswith("!"):
            continue
        if ":" in word and not word.startswith("["):
            content = reading.content_of(policy, word)
            keys = [] if content is None else [key for key, _result in reading.table_entries(content)]
            for key in keys:
                if is_hostname(key) and "." in key:
                    found.setdefault(key.lower(), (index, word))
        else:
            found.setdefault(word.lower(), (index, word))
    return found


def check_classes(policy: Policy) -> Iterator[Finding]:
    """The resolver is trivial-rewrite, which reads main.cf only."""
    for service, settings in reading.services(policy):
        domains = {name: literal_domains(policy, settings, name) for name in CLASSES}
        for first, second in combinations(CLASSES, 2):
            if (first, second) == ("mydestination", "relay_domains"):
                continue  # Postfix takes them for local and says nothing; so does compatibility_level 0
            for domain in sorted(set(domains[first]) & set(domains[second])):
                if (
                    second == "virtual_alias_domains"
                    and not settings.is_set(second)
                    and _is_map_key(policy, settings, domain)
                ):
                    continue
                yield _twice(service, first, second, domain, domains[second][domain])


def _is_map_key(policy: Policy, settings: Settings, domain: str) -> bool:
    """virtual_alias_domains is virtual_alias_maps by default: a key ``example.org`` there makes it a class."""
    return domain not in literal_domains(policy, settings, "virtual_alias_maps")


def _twice(service: str, first: str, second: str, domain: str, place: tuple[int, str]) -> Finding:
    index, word = place
    return find(
        TWICE,
        second,
        f"{domain} is in {first} as well, and that one counts",
        f"Take {domain} out of {first}" + (" or out of " + second),
        service=service,
        element=word,
        index=index,
    )


def check_providers(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        for name in CLASSES:
            if not settings.is_set(name):
                continue
            for domain, (index, word) in literal_domains(policy, settings, name).items():
                if domain in _PROVIDERS:
                    yield find(
                        FOREIGN,
                        name,
                        f"{domain} is not this server's domain",
                        f"Take {domain} out of {name}",
                        service=service,
                        element=word,
                        index=index,
                    )


def check_recipients(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if not reading.is_public_mx(settings.service) or _verifies(settings):
            continue
        if (switch := _switched_off(settings)) is not None:
            yield from _unlisted_accepted(policy, service, settings, *switch)
            continue
        for domains, maps in _RECIPIENT_MAPS.items():
            yield from _check_map(policy, service, settings, domains, maps)


def _verifies(settings: Settings) -> bool:
    """Whether the recipient is proved by an element of a list."""
    names = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
    return any(
        inner.name.lower() == "reject_unverified_recipient" and not inner.warn
        for name in names
        for inner, _outer in reading.walk(settings, name)
    )


def _switched_off(settings: Settings) -> tuple[str, str] | None:
    """:return: parameter and value that switch the check of recipients off"""
    for name in ("smtpd_relay_restrictions", "smtpd_recipient_restrictions"):
        if any(inner.name.lower() == "reject_unlisted_recipient" for inner, _outer in reading.walk(settings, name)):
            return None
    if settings.is_set("smtpd_reject_unlisted_recipient") and not reading.flag(
        settings, "smtpd_reject_unlisted_recipient"
    ):
        return "smtpd_reject_unlisted_recipient", "yes"
    if "no_unknown_recipient_checks" in reading.split(settings, "receive_override_options"):
        kept = [
            word
            for word in reading.split(settings, "receive_override_options")
            if word != "no_unknown_recipient_checks"
        ]
        return "receive_override_options", ", ".join(kept)
    return None


def _unlisted_accepted(
    policy: Policy, service: str, settings: Settings, parameter: str, right: str
) -> Iterator[Finding]:
    for domains, maps in _RECIPIENT_MAPS.items():
        domain = _one(policy, settings, domains)
        if domain and reading.value(settings, maps).strip():
            yield find(
                EMPTIED,
                parameter,
                f"users that do not exist in {domain} are accepted",
                f"Write {parameter} = {right}",
                service=service,
                element=reading.value(settings, parameter),
                session=_unknown_user(policy, domain, service),
            )
            return


def _one(policy: Policy, settings: Settings, parameter: str) -> str:
    """A domain of the class that can stand in an address; empty when none is known.

    A domain that an earlier class has, too, is of that class.
    """
    earlier: set[str] = set()
    for name in CLASSES[: CLASSES.index(parameter)]:
        earlier |= literal_domains(policy, settings, name).keys()
    for domain in literal_domains(policy, settings, parameter):
        if is_hostname(domain) and "." in domain and not domain.startswith("localhost.") and domain not in earlier:
            return domain
    return ""


def _check_map(policy: Policy, service: str, settings: Settings, domains: str, maps: str) -> Iterator[Finding]:
    domain = _one(policy, settings, domains)
    if not domain or reading.value(settings, maps).strip():
        return
    if domains == "mydestination":
        if reading.value(settings, "luser_relay").strip():
            return  # postconf(5) luser_relay demands it
    elif domains == "relay_domains" and not settings.is_set("relay_domains"):
        return  # $mydestination by default below compatibility_level 2
    emptied = settings.is_set(maps)
    yield find(
        EMPTIED if emptied else UNLISTED,
        maps,
        f"{maps} is empty, so every address of {domain} is accepted",
        f"Take {maps} out of main.cf, so that its default holds"
        if domains == "mydestination"
        else f"Set {maps} to a table of the addresses of {domain}, or add reject_unverified_recipient to"
        f" smtpd_recipient_restrictions",
        service=service,
        session=_unknown_user(policy, domain, service) if emptied else None,
    )


def _unknown_user(policy: Policy, domain: str, service: str) -> dict[str, object] | None:
    """A session in which a stranger's mail to nobody is accepted; None when it is refused for another reason."""
    session = Session(
        addr="198.51.100.77",
        helo="stranger.example",
        sender="someone@stranger.example",
        rcpts=(f"no.such.user@{domain}",),
        service=service,
    )
    try:
        verdict = simulate(policy, session, absent_tables="empty")
    except PolicyError:
        return None
    accepted = any(stage.stage == "RCPT" and stage.code == 250 for stage in verdict.stages)
    return session.as_dict() if accepted else None


def check_relay_domains(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if not settings.is_set("relay_domains") or not reading.is_public_mx(settings.service):
            continue
        parents = {word.lower() for word in reading.split(settings, "parent_domain_matches_subdomains")}
        for index, word in enumerate(reading.split(settings, "relay_domains")):
            if is_hostname(word) and "." in word and "relay_domains" in parents:
                yield find(
                    SUBDOMAINS,
                    "relay_domains",
                    f"{word} means every subdomain of it too",
                    "Write parent_domain_matches_subdomains = smtpd_access_maps, or mind that it is meant so",
                    service=service,
                    element=word,
                    index=index,
                )
                break
        flush = reading.split(settings, "fast_flush_domains")
        if (
            reading.split(settings, "relay_domains")
            and flush
            and not reading.elements(settings, "smtpd_etrn_restrictions")
        ):
            yield find(
                ETRN,
                "smtpd_etrn_restrictions",
                "any client may order deliveries with ETRN",
                "Write smtpd_etrn_restrictions = permit_mynetworks, reject",
                service=service,
            )


def check_untrusted_routing(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if not settings.is_set("allow_untrusted_routing") or not reading.flag(settings, "allow_untrusted_routing"):
            continue
        domain = _one(policy, settings, "relay_domains")
        if domain:
            session = Session(
                addr="198.51.100.77",
                helo="stranger.example",
                sender="someone@stranger.example",
                rcpts=(f"someone%elsewhere.example@{domain}",),
                service=service,
            )
            yield find(
                UNTRUSTED_ROUTING,
                "allow_untrusted_routing",
                f"someone%elsewhere.example@{domain} is passed on as it stands",
                "Take allow_untrusted_routing out of main.cf",
                service=service,
                element="yes",
                session=session.as_dict(),
            )


_RELAY_LISTS = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")


def check_mx_backup(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        for name in _RELAY_LISTS:
            for inner, outer in reading.walk(settings, name):
                if inner.name.lower() != "permit_mx_backup":
                    continue
                networks = reading.value(settings, "permit_mx_backup_networks").strip()
                yield find(
                    MX_BACKUP,
                    name,
                    "any domain whose MX names this server is relayed"
                    + (f" if its primary MX is in {networks}" if networks else ""),
                    "Put the domains into relay_domains and their users into relay_recipient_maps, and take it out",
                    severity=Severity.STYLE if networks or not _decides(settings, name, outer) else None,
                    service=service,
                    element=outer,
                )


def _decides(settings: Settings, name: str, element: Element) -> bool:
    """Whether a permission by this element lets mail be relayed: no guard stands before it, none in the other list."""
    guards = {"reject_unauth_destination", "defer_unauth_destination", "reject", "defer"}
    before = reading.elements(settings, name)[: element.index]
    if any(earlier.name.lower() in guards and not earlier.warn for earlier in before):
        return False
    other = next(each for each in _RELAY_LISTS if each != name)
    inside_other = reading.elements(settings, other)
    if not any(each.name.lower() in guards and not each.warn for each in inside_other):
        return True
    return any(each.name.lower() in {"permit_mx_backup", "permit"} for each in inside_other)


def _trusts_public_authorities(settings: Settings) -> bool:
    if reading.value(settings, "smtpd_tls_CApath").strip() or reading.flag(settings, "tls_append_default_CA"):
        return True
    bundle = reading.value(settings, "smtpd_tls_CAfile").strip()
    return bundle.endswith(("ca-certificates.crt", "ca-bundle.crt", "ca-bundle.trust.crt", "cert.pem"))


def check_certificates(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        asked = reading.flag(settings, "smtpd_tls_ask_ccert") or reading.flag(settings, "smtpd_tls_req_ccert")
        public = _trusts_public_authorities(settings)
        for name in reading.LISTS:
            for inner, outer in reading.walk(settings, name):
                word = inner.name.lower()
                if word not in {"permit_tls_all_clientcerts", "permit_tls_clientcerts"}:
                    continue
                if not asked:
                    yield find(
                        CERTIFICATES_UNASKED,
                        name,
                        f"{inner.name} permits nobody: smtpd_tls_ask_ccert is off",
                        "Write smtpd_tls_ask_ccert = yes, or take it out",
                        service=service,
                        element=outer,
                    )
                elif word == "permit_tls_all_clientcerts" and name in _RELAY_LISTS:
                    yield find(
                        ALL_CERTIFICATES,
                        name,
                        "any certificate of an authority that this server trusts may relay",
                        "Use permit_tls_clientcerts, with the fingerprints of your clients in relay_clientcerts",
                        severity=None if public else Severity.STYLE,
                        service=service,
                        element=outer,
                    )


RULES: tuple[Rule, ...] = (
    check_classes,
    check_providers,
    check_recipients,
    check_relay_domains,
    check_untrusted_routing,
    check_mx_backup,
    check_certificates,
)
