# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What another release of Postfix makes of a policy: words and parameters that went, came, or changed their meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue, parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters_data import DATA
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Kind, Severity, Version
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings

NEXT: Mapping[Version, Version] = MappingProxyType({(3, 5): (3, 7), (3, 7): (3, 10), (3, 10): (3, 11)})
"""What a Debian release is upgraded to: 11 -> 12 -> 13 -> testing."""
DEBIAN: Mapping[Version, str] = MappingProxyType(
    {(3, 5): "Debian 11", (3, 7): "Debian 12", (3, 10): "Debian 13", (3, 11): "Debian testing"}
)

_GUARD = "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"

REMOVED = FindingKind(
    code="removed-restriction",
    severity=Severity.DEFERRED,
    title="A restriction that this release no longer has",
    wrong="The restriction was removed from Postfix; the word is unknown to this release.",
    happens="Whoever reaches it gets 451 4.3.5 Server configuration error: mail from outside waits and then bounces.",
    example=_GUARD + "smtpd_recipient_restrictions = reject_maps_rbl",
    right=_GUARD + "smtpd_recipient_restrictions = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
    source="DEPRECATION_README; RELEASE_NOTES-3.9",
)
GOING = FindingKind(
    code="restriction-removed-by-upgrade",
    severity=Severity.IDLE,
    title="A restriction that the next release no longer has",
    wrong="It still works here, with a warning in the log; the next release answers 451 4.3.5 instead.",
    happens="After the upgrade of the system mail from outside waits and then bounces.",
    example="# Postfix 3.7\n" + _GUARD + "smtpd_recipient_restrictions = check_relay_domains",
    right="# Postfix 3.7\n" + _GUARD + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="DEPRECATION_README; RELEASE_NOTES-3.9",
)
DEPRECATED = FindingKind(
    code="deprecated-restriction",
    severity=Severity.STYLE,
    title="A restriction that Postfix gives up",
    wrong="Postfix logs a warning at each use, and a later release will not have it.",
    happens="Nothing yet; after some upgrade whoever reaches it gets 451 4.3.5.",
    example=_GUARD + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, permit_mx_backup",
    right=_GUARD + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="DEPRECATION_README",
)
PARAMETER_TOO_NEW = FindingKind(
    code="parameter-too-new",
    severity=Severity.IDLE,
    title="A parameter that this release does not have yet",
    wrong="The parameter came with a later release of Postfix; this one ignores it.",
    happens="The setting has no effect.",
    example="# Postfix 3.7\nsmtpd_hide_client_session = yes",
    right="# Postfix 3.10\nsmtpd_hide_client_session = yes",
    source="postconf(5)",
)
PARAMETER_OLD = FindingKind(
    code="deprecated-parameter",
    severity=Severity.STYLE,
    title="An old name of a parameter",
    wrong="The parameter has another name now; Postfix still takes the old one and will not for ever.",
    happens="Nothing yet; when a later release drops the old name, the setting is lost without a word.",
    example="smtpd_use_tls = yes",
    right="smtpd_tls_security_level = may",
    source="DEPRECATION_README; postconf(1)",
)
PARAMETER_GONE = FindingKind(
    code="removed-parameter",
    severity=Severity.IDLE,
    title="A parameter that this release no longer has",
    wrong="The parameter was removed from Postfix.",
    happens="The setting has no effect.",
    example="# Postfix 3.11\ntls_legacy_public_key_fingerprints = yes",
    right="# Postfix 3.11\nsmtpd_tls_fingerprint_digest = sha256",
    source="RELEASE_NOTES",
)
BERKELEY = FindingKind(
    code="berkeley-db-table",
    severity=Severity.STYLE,
    title="A Berkeley DB table",
    wrong="hash and btree tables need Berkeley DB, which nobody maintains; Debian takes Postfix off it.",
    happens="Debian testing logs a warning at each use; a later release answers 451 where the table is asked.",
    example="# Postfix 3.11\n"
    + _GUARD
    + "smtpd_recipient_restrictions = check_sender_access hash:/etc/postfix/senders",
    right="# Postfix 3.11\n" + _GUARD + "smtpd_recipient_restrictions = check_sender_access lmdb:/etc/postfix/senders",
    source="NON_BERKELEYDB_README (Postfix 3.11); Debian's NEWS of postfix 3.11.0-3",
)
RELAY_LIST_OFF = FindingKind(
    code="relay-list-off-by-compatibility",
    severity=Severity.IDLE,
    title="An old compatibility_level switches the relay list off",
    wrong="Below compatibility_level 1 an unset smtpd_relay_restrictions is empty; what it would do is only logged.",
    happens="Every OK that stands before reject_unauth_destination in the recipient list lets its client relay.",
    example="compatibility_level = 0\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    right="compatibility_level = 3.6\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="COMPATIBILITY_README; postconf(5) smtpd_relay_restrictions",
)

KINDS = (
    REMOVED, GOING, DEPRECATED, PARAMETER_TOO_NEW, PARAMETER_OLD, PARAMETER_GONE, BERKELEY, RELAY_LIST_OFF,
)  # fmt: skip


def check_words(policy: Policy) -> Iterator[Finding]:
    upgrade = NEXT.get(policy.version)
    for service, settings in reading.services(policy):
        for name in reading.LISTS:
            for inner, outer in reading.walk(settings, name):
                entry = catalogue.lookup(inner.name) if inner.kind is Kind.RESTRICTION else None
                if entry is None:
                    continue
                kind, message = _fate(policy.version, upgrade, entry)
                if kind is not None:
                    yield find(
                        kind,
                        name,
                        message,
                        f"Write {entry.replacement}" if entry.replacement else "Take it out",
                        service=service,
                        element=outer,
                    )


def _fate(version: Version, upgrade: Version | None, entry: catalogue.Restriction) -> tuple[FindingKind | None, str]:
    if entry.removed is not None and entry.removed <= version:
        return REMOVED, f"{entry.name} was removed in Postfix {_dotted(entry.removed)}"
    if entry.removed is not None and upgrade is not None and entry.removed <= upgrade:
        return GOING, f"{entry.name} is gone in Postfix {_dotted(upgrade)} ({DEBIAN[upgrade]})"
    if entry.deprecated is not None and (3, 9) <= entry.deprecated <= version and entry.removed is None:
        return DEPRECATED, f"{entry.name} is deprecated since Postfix {_dotted(entry.deprecated)}"
    return None, ""


def _dotted(version: Version) -> str:
    return ".".join(str(part) for part in version)


# postconf_unused.c of Postfix 3.9 and 3.11: old name -> what to write, and since when postconf warns.
_OLD: Mapping[str, tuple[str, Version]] = MappingProxyType(
    {
        "disable_dns_lookups": ("smtp_dns_support_level = disabled", (3, 9)),
        "lmtp_use_tls": ("lmtp_tls_security_level = may", (3, 9)),
        "smtp_use_tls": ("smtp_tls_security_level = may", (3, 9)),
        "smtpd_use_tls": ("smtpd_tls_security_level = may", (3, 9)),
        "postscreen_use_tls": ("postscreen_tls_security_level = may", (3, 9)),
        "tlsproxy_use_tls": ("tlsproxy_tls_security_level = may", (3, 9)),
        "lmtp_enforce_tls": ("lmtp_tls_security_level = encrypt", (3, 9)),
        "smtp_enforce_tls": ("smtp_tls_security_level = encrypt", (3, 9)),
        "smtpd_enforce_tls": ("smtpd_tls_security_level = encrypt", (3, 9)),
        "postscreen_enforce_tls": ("postscreen_tls_security_level = encrypt", (3, 9)),
        "tlsproxy_enforce_tls": ("tlsproxy_tls_security_level = encrypt", (3, 9)),
        "lmtp_tls_per_site": ("lmtp_tls_policy_maps", (3, 9)),
        "smtp_tls_per_site": ("smtp_tls_policy_maps", (3, 9)),
        "smtpd_tls_dh1024_param_file": ("", (3, 9)),
        "smtpd_tls_eecdh_grade": ("", (3, 9)),
        "authorized_verp_clients": ("smtpd_authorized_verp_clients", (3, 11)),
        "fallback_relay": ("smtp_fallback_relay", (3, 11)),
        "lmtp_per_record_deadline": ("lmtp_per_request_deadline", (3, 11)),
        "lmtp_tls_enforce_peername": ("lmtp_tls_security_level", (3, 11)),
        "postscreen_blacklist_action": ("postscreen_denylist_action", (3, 11)),
        "postscreen_dnsbl_ttl": ("postscreen_dnsbl_max_ttl", (3, 11)),
        "postscreen_dnsbl_whitelist_threshold": ("postscreen_dnsbl_allowlist_threshold", (3, 11)),
        "postscreen_whitelist_interfaces": ("postscreen_allowlist_interfaces", (3, 11)),
        "smtpd_client_connection_limit_exceptions": ("smtpd_client_event_limit_exceptions", (3, 11)),
        "smtpd_per_record_deadline": ("smtpd_per_request_deadline", (3, 11)),
        "smtp_per_record_deadline": ("smtp_per_request_deadline", (3, 11)),
        "smtp_tls_enforce_peername": ("smtp_tls_security_level", (3, 11)),
        "virtual_maps": ("virtual_alias_maps", (3, 11)),
        "lmtp_cname_overrides_servername": ("", (3, 11)),
        "smtp_cname_overrides_servername": ("", (3, 11)),
    }
)
# Since when the new name exists, where that is later than 3.4.
_NEW_NAME: Mapping[str, Version] = MappingProxyType(
    {
        "postscreen_blacklist_action": (3, 6),
        "postscreen_dnsbl_whitelist_threshold": (3, 6),
        "postscreen_whitelist_interfaces": (3, 6),
        "lmtp_per_record_deadline": (3, 7),
        "smtp_per_record_deadline": (3, 7),
        "smtpd_per_record_deadline": (3, 7),
    }
)


def check_parameters(policy: Policy) -> Iterator[Finding]:
    given = dict.fromkeys(policy.parameters, "")
    for service in policy.services:
        for name in service.overrides:
            given.setdefault(name, service.key)
    used_by_default = parameters.known_names(policy.version)
    for name, key in given.items():
        if name in _OLD:
            yield from _old_name(policy, name, key)
        elif parameters.default(name, policy.version) is None and name not in used_by_default:
            yield from _other_release(policy, name, key)


def _old_name(policy: Policy, name: str, service: str) -> Iterator[Finding]:
    instead, since = _OLD[name]
    if policy.version < _NEW_NAME.get(name, (0, 0)):
        return
    upgrade = NEXT.get(policy.version)
    if since > policy.version and (upgrade is None or since > upgrade) and name not in _NEW_NAME:
        return
    yield find(
        PARAMETER_OLD,
        name,
        f"{name} is an old name" if instead else f"{name} is better left alone",
        f"Write {instead}" if instead else "Take it out",
        service=service,
    )


def _other_release(policy: Policy, name: str, service: str) -> Iterator[Finding]:
    data = DATA.get(name)
    if data is None or isinstance(data, str):
        return
    since = min((release for release, text in data.items() if text is not None), default=None)
    if since is not None and since > policy.version:
        yield find(
            PARAMETER_TOO_NEW,
            name,
            f"{name} came with Postfix {_dotted(since)}, this is {_dotted(policy.version)}",
            "Take it out, or upgrade",
            service=service,
        )
    elif since is not None:
        yield find(
            PARAMETER_GONE, name, f"Postfix {_dotted(policy.version)} has no {name}", "Take it out", service=service
        )


_TABLE_PARAMETERS = (
    "alias_maps", "alias_database", "virtual_alias_maps", "virtual_mailbox_maps", "virtual_mailbox_domains",
    "virtual_alias_domains", "relay_domains", "relay_recipient_maps", "local_recipient_maps", "transport_maps",
    "mydestination", "mynetworks", "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps",
    "smtpd_sender_login_maps", "postscreen_access_list", "smtp_sasl_password_maps", "address_verify_map",
    "postscreen_cache_map",
)  # fmt: skip


def check_berkeley(policy: Policy) -> Iterator[Finding]:
    """One finding a parameter, on releases whose Debian packages are on their way off Berkeley DB."""
    if policy.version < (3, 11):
        return
    for service, settings in reading.services(policy):
        for name in (*reading.LISTS, *_TABLE_PARAMETERS):
            if not settings.is_set(name):
                continue
            for index, word in enumerate(_references(settings, name)):
                kind = word.removeprefix("proxy:").partition(":")[0].lower()
                if kind in {"hash", "btree"} and ":" in word:
                    yield find(
                        BERKELEY,
                        name,
                        f"{word} is a Berkeley DB table",
                        f"Write {word.replace(kind + ':', 'lmdb:', 1)}, and build it with postmap",
                        service=service,
                        element=word,
                        index=None if name in reading.LISTS else index,
                    )
                    break


def _references(settings: Settings, name: str) -> Iterator[str]:
    if name not in reading.LISTS:
        yield from reading.split(settings, name)
        return
    for inner, _outer in reading.walk(settings, name):
        if inner.kind is Kind.TABLE:
            yield inner.name
        elif inner.argument is not None and ":" in inner.argument.text:
            yield inner.argument.text


def check_compatibility(policy: Policy) -> Iterator[Finding]:
    for service, settings in reading.services(policy):
        if settings.is_set("smtpd_relay_restrictions") or not settings.is_set("smtpd_recipient_restrictions"):
            continue
        if settings.is_set("compatibility_level") and _level(settings) < 1:
            yield find(
                RELAY_LIST_OFF,
                "compatibility_level",
                "smtpd_relay_restrictions is not set and counts as empty",
                "Write compatibility_level = 3.6, or set smtpd_relay_restrictions",
                service=service,
            )


def _level(settings: Settings) -> int:
    text = reading.value(settings, "compatibility_level").partition(".")[0]
    return int(text) if text.isdigit() else 0


RULES: tuple[Rule, ...] = (check_words, check_parameters, check_berkeley, check_compatibility)
