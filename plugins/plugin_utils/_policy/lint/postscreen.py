# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""postscreen: its access list, its block lists, its actions, its cache, its place in master.cf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.dnsbl import (
    POSTSCREEN,
    postscreen_settings,
    postscreen_uses,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address, is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings

ACCESS = "postscreen_access_list"
_WORDS = frozenset({"permit_mynetworks", "permit", "reject", "dunno"})
_ACTIONS = frozenset({"ignore", "enforce", "drop"})

UNKNOWN_WORD = FindingKind(
    code="postscreen-unknown-word",
    severity=Severity.IDLE,
    title="A word that postscreen does not know",
    wrong="postscreen_access_list knows permit_mynetworks, permit, reject, dunno and type:table; it is no smtpd list.",
    happens="postscreen logs 'unknown command' for each client and ignores the rest of the list; clients are tested"
    " as usual.",
    example="postscreen_access_list = permit_mynetworks, check_client_access cidr:/etc/postfix/screen.cidr",
    right="postscreen_access_list = permit_mynetworks, cidr:/etc/postfix/screen.cidr",
    source="postconf(5) postscreen_access_list",
)
AFTER_END = FindingKind(
    code="postscreen-never-reached",
    severity=Severity.IDLE,
    title="Words behind the end of postscreen_access_list",
    wrong="permit, reject and dunno decide about every client; what stands behind them is never asked.",
    happens="The words behind have no effect.",
    example="postscreen_access_list = permit_mynetworks, dunno, cidr:/etc/postfix/screen.cidr",
    right="postscreen_access_list = permit_mynetworks, cidr:/etc/postfix/screen.cidr",
    source="postconf(5) postscreen_access_list",
)
KEY = FindingKind(
    code="postscreen-key-never-matches",
    severity=Severity.IDLE,
    title="A key that postscreen never asks for",
    wrong="postscreen asks its tables for the client's whole address and nothing else: no names, no parts of"
    " addresses.",
    happens="The entry has no effect.",
    example="postscreen_access_list = permit_mynetworks, inline:{192.0.2=reject}\npostscreen_denylist_action = drop",
    right="postscreen_access_list = permit_mynetworks, cidr:/etc/postfix/screen.cidr\npostscreen_denylist_action ="
    " drop",
    source="postconf(5) postscreen_access_list; cidr_table(5)",
)
RESULT = FindingKind(
    code="postscreen-table-result",
    severity=Severity.IDLE,
    title="A table result that postscreen does not know",
    wrong="Results of postscreen tables are permit, reject, dunno or permit_mynetworks; OK and reply texts are those"
    " of smtpd.",
    happens="postscreen logs 'unknown command' and ignores the rest of the list for that client; it is tested as"
    " usual.",
    example="postscreen_access_list = permit_mynetworks, inline:{192.0.2.7=OK}",
    right="postscreen_access_list = permit_mynetworks, inline:{192.0.2.7=permit}",
    source="postconf(5) postscreen_access_list",
)
DENYLIST_IGNORED = FindingKind(
    code="postscreen-denylist-ignored",
    severity=Severity.IDLE,
    title="postscreen_access_list rejects, but rejects are ignored",
    wrong="What happens to a client that the list rejects is said by postscreen_denylist_action, which is 'ignore'"
    " by default.",
    happens="The client is only logged, and let in.",
    example="postscreen_access_list = permit_mynetworks, inline:{192.0.2.7=reject}",
    right="postscreen_access_list = permit_mynetworks, inline:{192.0.2.7=reject}\npostscreen_denylist_action = drop",
    source="postconf(5) postscreen_denylist_action",
)
DNSBL_IGNORED = FindingKind(
    code="postscreen-dnsbl-ignored",
    severity=Severity.IDLE,
    title="Block lists are asked, but the answer is ignored",
    wrong="postscreen_dnsbl_action is 'ignore' by default.",
    happens="Listed clients are only logged, and let in.",
    example="postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]",
    right="postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]\npostscreen_dnsbl_action = enforce",
    source="postconf(5) postscreen_dnsbl_action",
)
THRESHOLD = FindingKind(
    code="postscreen-threshold-unreachable",
    severity=Severity.IDLE,
    title="No client can reach postscreen_dnsbl_threshold",
    wrong="The weights of all lists together are below the threshold.",
    happens="Nobody is ever refused for being listed.",
    example=(
        "postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]*2\npostscreen_dnsbl_action = enforce\n"
        "postscreen_dnsbl_threshold = 3"
    ),
    right=(
        "postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]*3\npostscreen_dnsbl_action = enforce\n"
        "postscreen_dnsbl_threshold = 3"
    ),
    source="postconf(5) postscreen_dnsbl_threshold",
)
ALLOW_THRESHOLD = FindingKind(
    code="postscreen-allow-threshold-unreachable",
    severity=Severity.IDLE,
    title="No client can reach the allow threshold",
    wrong="postscreen_dnsbl_allowlist_threshold must be negative, and some list with a negative weight must reach it.",
    happens="Nobody is ever spared the other tests.",
    example=(
        "postscreen_dnsbl_sites = list.dnswl.org=127.0.[2..20].[1..3]*-1\npostscreen_dnsbl_action = enforce\n"
        "postscreen_dnsbl_allowlist_threshold = -2"
    ),
    right=(
        "postscreen_dnsbl_sites = list.dnswl.org=127.0.[2..20].[1..3]*-2\npostscreen_dnsbl_action = enforce\n"
        "postscreen_dnsbl_allowlist_threshold = -2"
    ),
    source="postconf(5) postscreen_dnsbl_allowlist_threshold",
)
DNSBL_WORD = FindingKind(
    code="postscreen-smtpd-word-as-dnsbl",
    severity=Severity.IDLE,
    title="A word of smtpd lists in postscreen_dnsbl_sites",
    wrong="postscreen_dnsbl_sites is a list of domains; every word is asked as one.",
    happens="postscreen asks a domain of that name, and never finds anything.",
    example="postscreen_dnsbl_sites = reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]\npostscreen_dnsbl_action ="
    " enforce",
    right="postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]\npostscreen_dnsbl_action = enforce",
    source="postconf(5) postscreen_dnsbl_sites",
)
DNSBL_BROKEN = FindingKind(
    code="postscreen-dnsbl-syntax",
    severity=Severity.DEFERRED,
    title="A word in postscreen_dnsbl_sites that cannot be read",
    wrong="The form is domain=filter*weight: a domain, then what the answer must be, then a whole number.",
    happens="postscreen does not start: no mail comes in.",
    example="postscreen_dnsbl_sites = zen.spamhaus.org*2=127.0.0.[2..11]\npostscreen_dnsbl_action = enforce",
    right="postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]*2\npostscreen_dnsbl_action = enforce",
    source="postconf(5) postscreen_dnsbl_sites; postscreen_dnsbl.c",
)
ACTION = FindingKind(
    code="postscreen-bad-action",
    severity=Severity.DEFERRED,
    title="An action that postscreen does not know",
    wrong="Actions are ignore, enforce and drop.",
    happens="postscreen does not start: no mail comes in.",
    example="postscreen_greet_action = reject",
    right="postscreen_greet_action = enforce",
    source="postconf(5) postscreen_greet_action",
)
CACHE = FindingKind(
    code="postscreen-cache-unusable",
    severity=Severity.IDLE,
    title="A cache that postscreen cannot write",
    wrong="postscreen_cache_map must be a table that can be written: btree, lmdb or cdb-less types, also with proxy:"
    " before it.",
    happens="Nothing is remembered: each client is tested anew at each connection, and the log fills with warnings.",
    example="postscreen_cache_map = texthash:/var/lib/postfix/postscreen_cache",
    right="postscreen_cache_map = lmdb:/var/lib/postfix/postscreen_cache",
    source="postconf(5) postscreen_cache_map",
)
DEEP = FindingKind(
    code="postscreen-deep-tests",
    severity=Severity.STYLE,
    title="Tests after the greeting turn every new client away once",
    wrong="A client that passed a test after the greeting cannot be handed to smtpd any more; it must come again.",
    happens=(
        "First mail of every new client gets 450 4.3.2 and comes later; big providers come again from other"
        " addresses, so it"
        " can take hours."
    ),
    example="postscreen_pipelining_enable = yes",
    right="postscreen_pipelining_enable = no",
    source="POSTSCREEN_README, Tests after the 220 SMTP server greeting",
)
NOT_RUNNING = FindingKind(
    code="postscreen-not-running",
    severity=Severity.IDLE,
    title="postscreen is set up but does not run",
    wrong="master.cf has no service that runs postscreen.",
    happens="None of its settings has an effect.",
    example=(
        "postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]\npostscreen_dnsbl_action = enforce\n"
        "# master.cf\nsmtp inet n - y - - smtpd"
    ),
    right=(
        "postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]\npostscreen_dnsbl_action = enforce\n"
        "# master.cf\nsmtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
        "dnsblog unix - - y - 0 dnsblog\ntlsproxy unix - - y - 0 tlsproxy"
    ),
    source="POSTSCREEN_README",
)
HELPERS = FindingKind(
    code="postscreen-helper-missing",
    severity=Severity.DEFERRED,
    title="A service that postscreen needs is missing",
    wrong="postscreen hands clients to a service smtpd of type pass, asks block lists through dnsblog, does TLS"
    " through tlsproxy.",
    happens="Without smtpd pass no mail comes in (421 4.3.2); without the others block lists or TLS do not work.",
    example="# master.cf\nsmtp inet n - y - 1 postscreen\ndnsblog unix - - y - 0 dnsblog",
    right="# master.cf\nsmtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\ndnsblog unix - - y - 0 dnsblog\n"
    "tlsproxy unix - - y - 0 tlsproxy",
    source="POSTSCREEN_README, Turning on postscreen",
)
SMTPD_OPTIONS = FindingKind(
    code="postscreen-smtpd-options",
    severity=Severity.IDLE,
    title="Options of smtpd at the postscreen service",
    wrong="postscreen does not read smtpd's lists; clients that it lets in are served by smtpd pass, with the"
    " options there.",
    happens="The options have no effect; what main.cf says holds.",
    example=(
        "# master.cf\nsmtp inet n - y - 1 postscreen\n  -o smtpd_sasl_auth_enable=no\nsmtpd pass - - y - - smtpd\n"
        "dnsblog unix - - y - 0 dnsblog\ntlsproxy unix - - y - 0 tlsproxy"
    ),
    right=(
        "# master.cf\nsmtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n  -o smtpd_sasl_auth_enable=no\n"
        "dnsblog unix - - y - 0 dnsblog\ntlsproxy unix - - y - 0 tlsproxy"
    ),
    source="POSTSCREEN_README",
)
ON_SUBMISSION = FindingKind(
    code="postscreen-on-submission",
    severity=Severity.LOST,
    title="postscreen in front of users",
    wrong="postscreen is for mail servers on port 25; it knows neither AUTH nor the lists of its services.",
    happens="Mail programs of users are refused: home addresses are on block lists, and AUTH is not offered.",
    example="# master.cf\nsubmission inet n - y - 1 postscreen",
    right="# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o"
    " smtpd_tls_security_level=encrypt\n"
    "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    source="POSTSCREEN_README: do not use postscreen on SMTP ports that receive mail from end users",
)

KINDS = (
    UNKNOWN_WORD, AFTER_END, KEY, RESULT, DENYLIST_IGNORED, DNSBL_IGNORED, THRESHOLD, ALLOW_THRESHOLD, DNSBL_WORD,
    DNSBL_BROKEN, ACTION, CACHE, DEEP, NOT_RUNNING, HELPERS, SMTPD_OPTIONS, ON_SUBMISSION,
)  # fmt: skip


def check_access_list(policy: Policy) -> Iterator[Finding]:
    settings = postscreen_settings(policy)
    words = reading.split(settings, ACCESS)
    rejects = False
    for index, word in enumerate(words):
        report = partial(find, element=word, index=index)
        if word.startswith("#") or (":" not in word and word.lower() not in _WORDS):
            yield report(UNKNOWN_WORD, ACCESS, f"{word} is not known to postscreen", _word_fix(words, index))
            break
        rejects = rejects or word.lower() == "reject"
        if ":" in word:
            entries = list(_entries(policy, word))
            rejects = rejects or any(result.lower().startswith("reject") for _key, result in entries)
            yield from _check_table(word, index, entries)
        elif word.lower() != "permit_mynetworks" and index + 1 < len(words):
            yield report(AFTER_END, ACCESS, f"nothing behind {word} is asked", f"Take {word} out, or put it last")
            break
    action = _action(settings, "postscreen_denylist_action", "postscreen_blacklist_action")
    unknown = any(":" in word and not list(_entries(policy, word)) for word in words)
    name = "postscreen_denylist_action" if policy.version >= (3, 6) else "postscreen_blacklist_action"
    if (rejects or unknown) and action == "ignore" and not settings.is_set(name):
        yield find(
            DENYLIST_IGNORED,
            ACCESS,
            f"{name} is ignore" + ("" if rejects else ", should a table in the list reject"),
            f"Write {name} = drop",
            severity=None if rejects else Severity.STYLE,
        )


def _action(settings: Settings, name: str, old: str) -> str:
    if settings.version < (3, 6):
        name = old
    return reading.value(settings, name).strip().lower() or "ignore"


def _word_fix(words: tuple[str, ...], index: int) -> str:
    word = words[index].lower()
    if word.startswith("#"):
        return "Put the comment on a line of its own"
    if word in {"check_client_access", "check_access"} and index + 1 < len(words):
        return f"Write the table alone: {words[index + 1]}"
    if word in {"ok", "accept"}:
        return "Write permit"
    return "Write permit_mynetworks, permit, reject, dunno or type:table"


def _entries(policy: Policy, reference: str) -> Iterator[tuple[str, str]]:
    if reference.lower().startswith("inline:{"):
        for entry in re.split(r"[,\s]+(?![^{}]*\}[^}]*\})", reference[len("inline:{") :].rstrip("}")):
            key, _equals, result = entry.strip("{} ").partition("=")
            yield key.strip(), result.strip()
        return
    if reference.lower().startswith("static:"):
        yield "", reference[len("static:") :].strip("{} ")
        return
    content = reading.content_of(policy, reference)
    if content is not None:
        yield from reading.table_entries(content)


def _check_table(reference: str, index: int, entries: list[tuple[str, str]]) -> Iterator[Finding]:
    kind = reference.partition(":")[0].lower()
    for key, result in entries:
        report = partial(find, element=reference, index=index)
        if kind == "cidr" and key.lower().split("/")[0] in {"if", "endif"}:
            continue
        first = re.split(r"[,\s]+", result.lower())[0]
        if first not in _WORDS:
            yield report(
                RESULT,
                ACCESS,
                f"{reference} answers {result or 'nothing'} for {key or 'every client'}",
                f"Write {'permit' if first == 'ok' else 'permit, reject or dunno'}",
            )
            return
        if kind in {"hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "inline", "texthash"} and not is_address(key):
            yield report(
                KEY,
                ACCESS,
                f"{key} in {reference} is not a whole address",
                "Use a cidr: table for networks; names cannot be used in postscreen",
            )
            return


def check_actions(policy: Policy) -> Iterator[Finding]:
    settings = postscreen_settings(policy)
    for name in sorted(settings.policy.parameters):
        if re.fullmatch(r"postscreen_\w+_action", name):
            action = reading.value(settings, name).strip()
            if action and action.lower() not in _ACTIONS:
                yield find(
                    ACTION,
                    name,
                    f"{action} is no action of postscreen",
                    "Write ignore, enforce or drop",
                    element=action,
                )
    for name in ("pipelining", "non_smtp_command", "bare_newline"):
        parameter = f"postscreen_{name}_enable"
        if settings.is_set(parameter) and reading.flag(settings, parameter):
            yield find(
                DEEP,
                parameter,
                "every new client is turned away once (450 4.3.2)",
                f"Write {parameter} = no",
                element="yes",
            )


def check_dnsbl(policy: Policy) -> Iterator[Finding]:
    settings = postscreen_settings(policy)
    sites = list(postscreen_uses(settings))
    broken = False
    for use in sites:
        word = str(use.element)
        site, star, weight = word.partition("*")
        domain = site.partition("=")[0]
        report = partial(find, element=word, index=use.index)
        if star and not re.fullmatch(r"\s*[+-]?\d+", weight):
            broken = True
            yield report(
                DNSBL_BROKEN, POSTSCREEN, f"{weight or 'nothing'} is no weight", _site_fix(domain, site, weight)
            )
        elif not is_hostname(domain):
            broken = True
            yield report(DNSBL_BROKEN, POSTSCREEN, f"{domain or 'nothing'} is no domain", "Write domain=filter*weight")
        elif "_" in domain and "." not in domain:
            yield report(DNSBL_WORD, POSTSCREEN, f"{domain} is asked as if it were a domain", f"Take {domain} out")
    if not sites or broken:
        return
    # Who writes ignore observes on purpose.
    if not settings.is_set("postscreen_dnsbl_action") and any(use.weight > 0 for use in sites):
        yield find(
            DNSBL_IGNORED, POSTSCREEN, "postscreen_dnsbl_action is ignore", "Write postscreen_dnsbl_action = enforce"
        )
    yield from _check_thresholds(settings)


def _site_fix(domain: str, site: str, weight: str) -> str:
    number, _equals, answer = weight.partition("=")
    if answer and number.lstrip("+-").isdigit():
        return f"Write {domain}={answer}*{number}"
    return f"Write {site}*2, or another whole number"


def _check_thresholds(settings: Settings) -> Iterator[Finding]:
    best = worst = 0
    by_domain: dict[str, list[int]] = {}
    for use in postscreen_uses(settings):
        by_domain.setdefault(use.domain.lower(), []).append(use.weight)
    for weights in by_domain.values():
        best += sum(weight for weight in weights if weight > 0)
        worst += sum(weight for weight in weights if weight < 0)
    threshold = _number(reading.value(settings, "postscreen_dnsbl_threshold"), 1)
    if 0 < best < threshold:
        yield find(
            THRESHOLD,
            "postscreen_dnsbl_threshold",
            f"all lists together weigh {best}, the threshold is {threshold}",
            f"Write postscreen_dnsbl_threshold = {best} or less, or raise the weights",
            element=str(threshold),
        )
    for name in ("postscreen_dnsbl_allowlist_threshold", "postscreen_dnsbl_whitelist_threshold"):
        if not settings.is_set(name):
            continue
        allow = _number(reading.value(settings, name), 0)
        if allow > 0 or (allow < 0 and worst > allow):
            yield find(
                ALLOW_THRESHOLD,
                name,
                f"the best score is {worst}, the threshold is {allow}",
                f"Write {name} = {min(worst, -1)}"
                + ("" if worst else ", and give a list of good hosts a negative weight"),
                element=str(allow),
            )


def _number(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default


_WRITABLE = frozenset({"btree", "lmdb", "hash", "dbm", "sdbm", "memcache"})


def check_cache(policy: Policy) -> Iterator[Finding]:
    settings = postscreen_settings(policy)
    if not settings.is_set("postscreen_cache_map"):
        return
    reference = reading.value(settings, "postscreen_cache_map").strip()
    if not reference:
        return
    kind = reference.lower().removeprefix("proxy:").partition(":")[0]
    if kind not in _WRITABLE:
        yield find(
            CACHE,
            "postscreen_cache_map",
            "proxymap is a service, not a table type" if kind == "proxymap" else f"{kind} tables cannot be written",
            "Write lmdb:$data_directory/postscreen_cache, or proxy:lmdb:$data_directory/postscreen_cache to share it",
            element=reference,
        )


def check_master(policy: Policy) -> Iterator[Finding]:
    if not reading.has_master(policy):
        return
    screens = [service for service in policy.services if service.command == "postscreen"]
    if not screens:
        settings = postscreen_settings(policy)
        for name in (POSTSCREEN, ACCESS):
            if settings.is_set(name) and reading.split(settings, name):
                yield find(
                    NOT_RUNNING,
                    name,
                    "no service of master.cf runs postscreen",
                    "Let smtp inet run postscreen, and add smtpd pass, dnsblog unix and tlsproxy unix",
                )
                return
        return
    have = {(service.name, service.command) for service in policy.services}
    names = {service.key for service in policy.services}
    for needed, line in (
        ("smtpd/pass", "smtpd pass - - y - - smtpd"),
        ("dnsblog/unix", "dnsblog unix - - y - 0 dnsblog"),
        ("tlsproxy/unix", "tlsproxy unix - - y - 0 tlsproxy"),
    ):
        if needed not in names and have:
            yield find(
                HELPERS,
                "",
                f"postscreen needs the service {needed}",
                f"Add to master.cf: {line}",
                severity=None if needed == "smtpd/pass" else Severity.IDLE,
                service=screens[0].key,
            )
    for service in screens:
        if reading.is_submission(service):
            yield find(
                ON_SUBMISSION,
                "",
                f"{service.key} runs postscreen",
                "Let it run smtpd, and put smtpd_client_restrictions=permit_sasl_authenticated,reject there",
                service=service.key,
            )
        for name in sorted(service.overrides):
            if name.startswith("smtpd_") and not _read_by_postscreen(name):
                yield find(
                    SMTPD_OPTIONS,
                    name,
                    f"postscreen does not read {name}",
                    "Move the option to the service smtpd pass",
                    service=service.key,
                    element=f"-o {name}={service.overrides[name]}",
                )


# postscreen.c, its parameter tables: defaults of its own parameters.
_SHARED = frozenset(
    [
        "smtpd_service_name",
        "smtpd_banner",
        "smtpd_forbidden_commands",
        "smtpd_discard_ehlo_keywords",
        "smtpd_discard_ehlo_keyword_address_maps",
        "smtpd_tls_security_level",
        "smtpd_command_filter",
        "smtpd_client_connection_count_limit",
        "smtpd_helo_required",
        "smtpd_use_tls",
        "smtpd_enforce_tls",
        "smtpd_reject_footer",
        "smtpd_reject_footer_maps",
        "smtpd_expansion_filter",
    ]
)


def _read_by_postscreen(name: str) -> bool:
    return name in _SHARED or name.startswith("smtpd_tls_")


RULES: tuple[Rule, ...] = (check_access_list, check_actions, check_dnsbl, check_cache, check_master)
