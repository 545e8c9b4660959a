# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters: names that Postfix does not know, macros of nothing, and values that change what a refusal means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters_smtpd import LOADED
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import expand

UNKNOWN = FindingKind(
    code="unknown-parameter",
    severity=Severity.IDLE,
    title="A parameter that Postfix does not know",
    wrong="No Postfix program reads a parameter of that name, and no other value refers to it.",
    happens="The setting has no effect: the default holds.",
    example="smtpd_recipient_restriction = permit_mynetworks, reject_unauth_destination",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination",
    source="postconf(5); postconf(1) warns of 'unused parameter'",
)
MACRO = FindingKind(
    code="undefined-macro",
    severity=Severity.IDLE,
    title="A macro of a parameter that does not exist",
    wrong="$name stands for the value of a parameter; this one is neither known to Postfix nor set in main.cf.",
    happens="It stands for nothing: the list is shorter than it looks.",
    example="# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_tls_security_level=encrypt\n  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    right="mua_client_restrictions = permit_sasl_authenticated, reject\n"
    "# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_tls_security_level=encrypt\n  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    source="postconf(5), the format of main.cf",
)
BAD_VALUE = FindingKind(
    code="bad-parameter-value",
    severity=Severity.DEFERRED,
    title="A value that is not of its parameter's kind",
    wrong="Switches are yes or no, numbers are digits.",
    happens="smtpd does not start (bad boolean configuration, bad numerical configuration): nobody is served.",
    example="smtpd_helo_required = true",
    right="smtpd_helo_required = yes",
    source="postconf(5); global/mail_conf_bool.c",
)
SOFT_BOUNCE = FindingKind(
    code="soft-bounce-left-on",
    severity=Severity.DEFERRED,
    title="soft_bounce was left on",
    wrong="soft_bounce turns every refusal into 'try again later'; it is for tests.",
    happens="Refused mail is not refused: senders try again for days, and hear of a typing mistake in an address a"
    " week later.",
    example="soft_bounce = yes",
    right="soft_bounce = no",
    source="postconf(5) soft_bounce",
)
UNKNOWN_USER = FindingKind(
    code="unknown-user-deferred",
    severity=Severity.DEFERRED,
    title="Unknown users are told 'try again later'",
    wrong="The reply code for addresses that do not exist was changed from 550 to 450.",
    happens="Senders try for days to reach an address that does not exist, and hear of their typing mistake a week"
    " later.",
    example="unknown_local_recipient_reject_code = 450",
    right="unknown_local_recipient_reject_code = 550",
    source="LOCAL_RECIPIENT_README; postconf(5) unknown_local_recipient_reject_code",
)
REJECT_CODE = FindingKind(
    code="bad-reject-code",
    severity=Severity.DEFERRED,
    title="A reply code that refuses nothing for good",
    wrong="A reply code must be 4xx or 5xx; for any other Postfix answers 450 4.7.1 Service unavailable.",
    happens="What is refused comes again for days.",
    example="access_map_reject_code = 250",
    right="access_map_reject_code = 554",
    source="postconf(5); smtpd_check.c:smtpd_check_reject",
)
RELAY_CODE = FindingKind(
    code="relay-attempts-deferred",
    severity=Severity.IDLE,
    title="Relay attempts are told 'try again later'",
    wrong="relay_domains_reject_code is 4xx: reject_unauth_destination no longer refuses for good.",
    happens="Whoever tries to relay comes again for days.",
    example="relay_domains_reject_code = 454",
    right="relay_domains_reject_code = 554",
    source="postconf(5) relay_domains_reject_code",
)
NO_DELAY = FindingKind(
    code="delay-reject-off",
    severity=Severity.IDLE,
    title="Refusals before the recipient is known",
    wrong="With smtpd_delay_reject=no the client, HELO and sender lists run before AUTH and before the recipient is"
    " known.",
    happens=(
        "permit_sasl_authenticated and checks of recipients in them do nothing, the log does not say who was to get"
        " the mail,"
        " and some clients try again for ever."
    ),
    example="smtpd_delay_reject = no\nsmtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname",
    right="smtpd_delay_reject = yes\nsmtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname",
    source="postconf(5) smtpd_delay_reject",
)
FEW_RECIPIENTS = FindingKind(
    code="few-recipients",
    severity=Severity.STYLE,
    title="Less recipients than the standard wants",
    wrong="A server must take 100 recipients of one message (RFC 5321 4.5.3.1.8).",
    happens="The rest is answered 452 4.5.3 and comes with a later transaction; some mailing programs give up instead.",
    example="smtpd_recipient_limit = 10",
    right="smtpd_recipient_limit = 1000",
    source="RFC 5321 4.5.3.1.8; postconf(5) smtpd_recipient_limit",
)
VRFY = FindingKind(
    code="vrfy-allowed",
    severity=Severity.STYLE,
    title="VRFY was switched on",
    wrong="disable_vrfy_command=no lets clients ask which addresses exist.",
    happens="Spammers collect valid addresses without sending mail.",
    example="disable_vrfy_command = no",
    right="disable_vrfy_command = yes",
    source="postconf(5) disable_vrfy_command",
)
NO_PEERNAME = FindingKind(
    code="peername-lookup-off",
    severity=Severity.LOST,
    title="Host names are not looked up, but judged",
    wrong="With smtpd_peername_lookup=no every client is named 'unknown'.",
    happens="reject_unknown_client_hostname and its like refuse every client that was not permitted before.",
    example=(
        "smtpd_peername_lookup = no\nsmtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname"
    ),
    right="smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname",
    source="postconf(5) smtpd_peername_lookup",
)

KINDS = (
    UNKNOWN, MACRO, BAD_VALUE, SOFT_BOUNCE, UNKNOWN_USER, REJECT_CODE, RELAY_CODE, NO_DELAY, FEW_RECIPIENTS,
    VRFY, NO_PEERNAME,
)  # fmt: skip

# Parameters of lookup tables written into main.cf ("mysql:name" reads name_hosts) and of programs that share the file.
_FREE_SUFFIXES = (
    "_hosts", "_user", "_password", "_dbname", "_query", "_result_format",
    "_search_base", "_query_filter", "_result_attribute", "_server_host", "_bind", "_bind_dn",
    "_bind_pw", "_version", "_domain", "_table", "_scope", "_select_field",
    "_where_field", "_additional_conditions", "_start_tls", "_dbpath", "_server_port", "_special_result_attribute",
    "_leaf_result_attribute", "_terminal_result_attribute", "_timeout", "_time_limit", "_expansion_limit",
    "_memcache", "_backup", "_key_format", "_ttl", "_flags", "_max_try", "_retry_pause", "_line_size_limit",
    "_data_size_limit",
)  # fmt: skip


def check_names(policy: Policy) -> Iterator[Finding]:
    used = _used_names(policy)
    for name in policy.parameters:
        if name not in used and not parameters.is_known(name, policy.services) and not _of_a_table(policy, name):
            yield _unknown(policy, name, policy.parameters[name], "")
    for service in policy.services:
        if service.command.rpartition("/")[2] not in _POSTFIX_PROGRAMS:
            continue
        for name, text in service.overrides.items():
            if name not in used and not parameters.is_known(name, policy.services):
                yield _unknown(policy, name, text, service.key)


_POSTFIX_PROGRAMS = frozenset(
    {"smtpd", "smtp", "lmtp", "postscreen", "cleanup", "trivial-rewrite", "pickup", "qmgr", "local"}
)


def _used_names(policy: Policy) -> frozenset[str]:
    """Names that some value refers to, and names of restriction classes."""
    texts = list(policy.parameters.values())
    for service in policy.services:
        texts += service.overrides.values()
    found: set[str] = set()
    for text in texts:
        found |= set(expand.names(text))
    for key in {service.key for service in policy.smtpd_services()}:
        try:
            found |= set(policy.settings(key).class_names)
        except PolicyError:
            continue
    found |= set(re.findall(r"[\w-]+", policy.parameters.get("smtpd_restriction_classes", "")))
    return frozenset(found)


def _of_a_table(policy: Policy, name: str) -> bool:
    suffix = next((suffix for suffix in _FREE_SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        return False
    prefix = name.removesuffix(suffix)
    if any(service.name == prefix for service in policy.services):
        return True
    if suffix == "_time_limit" and any(prefix in text for text in policy.parameters.values()):
        return True  # of a spawn(8) service
    return any(
        re.search(rf"(?:mysql|pgsql|ldap|sqlite|memcache):{re.escape(prefix)}\b", text)
        for text in policy.parameters.values()
    )


def _unknown(policy: Policy, name: str, text: str, service: str) -> Finding:
    meant = did_you_mean(name)
    return find(
        UNKNOWN,
        name,
        f"Postfix has no parameter {name}",
        f"Write {meant}" if meant else f"Take {name} out, or see postconf(5) for its right name",
        service=service,
        element=f"-o {name}={text}" if service else "",
    )


def did_you_mean(name: str) -> str:
    """:return: the known name that is nearest, empty when none is near"""
    folded = {known.lower(): known for known in sorted(parameters.KNOWN)}
    if name.lower() in folded:
        return folded[name.lower()]
    for candidate in (f"{name}s", f"smtpd_{name}", name.replace("-", "_"), name.replace("smptd", "smtpd")):
        if candidate.lower() in folded:
            return folded[candidate.lower()]
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.8)
    return folded[near[0]] if near else ""


# Read by smtpd at the time of the reply, with macros of its own.
_LATE = parameters.RAW | {"smtpd_reject_footer", "default_rbl_reply", "smtpd_banner", "smtpd_expansion_filter"}


def check_macros(policy: Policy) -> Iterator[Finding]:
    """In lists that decide about mail; elsewhere Postfix has macros of its own ($recipient, $client_address)."""
    for key, settings in reading.services(policy):
        for name in (*reading.LISTS, "mynetworks", "relay_domains", "mydestination", *settings_classes(settings)):
            raw = settings.raw(name)
            for macro in sorted(expand.names(raw)):
                if settings.lookup(macro) is None and not _tested(raw, macro):
                    yield find(
                        MACRO,
                        name,
                        f"${macro} stands for nothing: no parameter has that name",
                        f"Set {macro} in main.cf" + _or_write(macro, name),
                        service=key,
                        element=f"${macro}",
                    )


def _or_write(macro: str, parameter: str) -> str:
    meant = did_you_mean(macro)
    return f", or write ${meant}" if meant and meant != parameter else ""


def settings_classes(settings: Settings) -> tuple[str, ...]:
    try:
        return settings.class_names
    except PolicyError:
        return ()


def _tested(raw: str, macro: str) -> bool:
    """``${name?...}`` and ``${name:...}`` ask whether it is set."""
    return re.search(rf"\$[{{(]\s*{re.escape(macro)}\s*[?:]", raw) is not None


def check_values(policy: Policy) -> Iterator[Finding]:
    """Switches and numbers that smtpd reads."""
    for key, settings in reading.services(policy):
        for name in sorted({*policy.parameters, *settings.service.overrides}):
            if not name.startswith(("smtpd_", "soft_bounce")) and not name.endswith("_reject_code"):
                continue
            text = reading.value(settings, name)
            expected = _kind(name, settings.default(name))
            if not expected or ("$" in settings.raw(name) and not text):
                continue
            try:
                if expected == "switch":
                    parameters.boolean(name, text)
                else:
                    parameters.number(name, text)
            except PolicyError as problem:
                yield find(
                    BAD_VALUE,
                    name,
                    str(problem),
                    _value_fix(name, expected, text),
                    service=key,
                    element=text,
                )


def _kind(name: str, default: str) -> str:
    if name in LOADED:  # smtpd_forbid_bare_newline has the default "no" in 3.7 and is a text
        kind = LOADED[name].kind
        return "switch" if kind.endswith("bool") else "number" if kind.endswith("int") else ""
    if default in {"yes", "no"}:
        return "switch"
    return "number" if re.fullmatch(r"[0-9]+", default) else ""


def _value_fix(name: str, expected: str, text: str) -> str:
    if expected == "switch":
        meant = {"true": "yes", "on": "yes", "1": "yes", "false": "no", "off": "no", "0": "no"}.get(
            text.strip().lower()
        )
        return f"Write {name} = {meant}" if meant else f"Write {name} = yes or {name} = no"
    return f"Write {name} = a whole number"


_UNKNOWN_USER_CODES = (
    "unknown_local_recipient_reject_code",
    "unknown_relay_recipient_reject_code",
    "unknown_virtual_alias_reject_code",
    "unknown_virtual_mailbox_reject_code",
)


def check_codes(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        for name in sorted(set(policy.parameters) | set(settings.service.overrides)):
            if not name.endswith("_code") or not re.fullmatch(r"\d{1,9}", reading.value(settings, name)):
                continue
            if parameters.default(name, policy.version) is None:
                continue
            number = int(reading.value(settings, name))
            kind = _code_kind(name, number)
            if kind is not None:
                right = settings.default(name) or "550"
                yield find(
                    kind, name, f"{name} is {number}", f"Write {name} = {right}", service=key, element=str(number)
                )


def _code_kind(name: str, number: int) -> FindingKind | None:
    if not 400 <= number <= 599:
        return REJECT_CODE
    if number < 500 and name in _UNKNOWN_USER_CODES:
        return UNKNOWN_USER
    if number < 500 and name == "relay_domains_reject_code":
        return RELAY_CODE
    return None


_NAME_CHECKS = frozenset(
    {"reject_unknown_client_hostname", "reject_unknown_client", "reject_unknown_reverse_client_hostname"}
)


def check_switches(policy: Policy) -> Iterator[Finding]:
    for key, settings in reading.services(policy):
        if reading.flag(settings, "soft_bounce"):
            yield find(
                SOFT_BOUNCE, "soft_bounce", "soft_bounce is on", "Take it out of main.cf", service=key, element="yes"
            )
        if _off(settings, "smtpd_delay_reject") and _early(settings) and not reading.is_loopback(settings.service):
            yield find(
                NO_DELAY,
                "smtpd_delay_reject",
                "smtpd_delay_reject is off",
                "Take it out of main.cf",
                service=key,
                element="no",
            )
        if _off(settings, "disable_vrfy_command"):
            yield find(
                VRFY,
                "disable_vrfy_command",
                "VRFY is on",
                "Write disable_vrfy_command = yes",
                service=key,
                element="no",
            )
        limit = reading.value(settings, "smtpd_recipient_limit")
        if settings.is_set("smtpd_recipient_limit") and limit.isdigit() and int(limit) < 100:
            yield find(
                FEW_RECIPIENTS,
                "smtpd_recipient_limit",
                f"only {limit} recipients of a message are taken",
                "Write smtpd_recipient_limit = 1000",
                service=key,
                element=limit,
            )
        if _off(settings, "smtpd_peername_lookup"):
            yield from _judged_names(key, settings)


def _off(settings: Settings, name: str) -> bool:
    return settings.is_set(name) and reading.value(settings, name).strip().lower() == "no"


def _early(settings: Settings) -> bool:
    return any(reading.elements(settings, name) for name in reading.LISTS[:3])


def _judged_names(key: str, settings: Settings) -> Iterator[Finding]:
    for name in reading.LISTS:
        for inner, outer in reading.walk(settings, name):
            if inner.name.lower() in _NAME_CHECKS and not inner.warn:
                yield find(
                    NO_PEERNAME,
                    name,
                    f"{inner.name} refuses everybody: no names are looked up",
                    "Take smtpd_peername_lookup out of main.cf, or this check",
                    service=key,
                    element=outer,
                )


RULES: tuple[Rule, ...] = (check_names, check_macros, check_values, check_codes, check_switches)
