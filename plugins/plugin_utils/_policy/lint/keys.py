# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of access tables that never match anything, or not what they seem to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.uses import Contents, Entry, Use, about, uses
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import Service, each_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import sources
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address, is_ipv4, is_ipv6
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import compressed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity

NEVER_MATCHES = FindingKind(
    code="key-never-matches",
    severity=Severity.IDLE,
    title="A key that Postfix never asks for",
    wrong="Postfix asks a table for certain forms of a name, address or network only: example.com, 192.0.2.1, 192.0.2,"
    " user@example.com, user@. The key has another form.",
    happens="The entry is never found; it is as if it were not there.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.0/24=REJECT}",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2=REJECT}",
    source="access(5): host name/address patterns, email address patterns; parent_domain_matches_subdomains",
)
WRONG_KEYS = FindingKind(
    code="keys-of-another-check",
    severity=Severity.IDLE,
    title="A table for another check",
    wrong="The keys are addresses of clients where senders or recipients are looked up, or the other way round.",
    happens="None of these entries is ever found.",
    example="smtpd_sender_restrictions = permit_mynetworks, check_sender_access inline:{192.0.2.1=REJECT}",
    right="smtpd_sender_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=REJECT}",
    source="access(5)",
)
SHADOWED_USER = FindingKind(
    code="user-key-behind-domain",
    severity=Severity.IDLE,
    title="user@ loses against a domain",
    wrong="For an address Postfix asks for user@domain, then for the domain and its parents, and for user@ last.",
    happens="In these domains the user@ entry is never reached.",
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_recipient_access inline:{abuse@=OK, example.org=REJECT}",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_recipient_access inline:{abuse@example.org=OK, example.org=REJECT}",
    source="access(5): email address patterns, in the order of their lookup",
)
DUPLICATE_KEY = FindingKind(
    code="duplicate-key",
    severity=Severity.IDLE,
    title="The same key twice in a table",
    wrong="A key can have one result only.",
    happens="postmap warns of it and keeps the first entry; the second one has no effect.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access hash:/etc/postfix/clients\n"
    "# /etc/postfix/clients\n192.0.2.1 REJECT\n192.0.2.1 OK",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access hash:/etc/postfix/clients\n"
    "# /etc/postfix/clients\n192.0.2.1 REJECT",
    source="postmap(1)",
)
LINE_IGNORED = FindingKind(
    code="table-line-ignored",
    severity=Severity.IDLE,
    title="A line that Postfix leaves out",
    wrong="A line of the table cannot be read: a network with bits beyond its mask, an invalid pattern, a key without a"
    " result, an IF without ENDIF.",
    happens="Postfix warns of it in its log only and goes on without the line.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access cidr:{{192.0.2.1/24 REJECT}}",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access cidr:{{192.0.2.0/24 REJECT}}",
    source="cidr_table(5), pcre_table(5), regexp_table(5), postmap(1)",
)

KINDS = (NEVER_MATCHES, WRONG_KEYS, SHADOWED_USER, DUPLICATE_KEY, LINE_IGNORED)

_HOSTS = re.compile(r"check_(?:client|reverse_client_hostname|helo|etrn)_access")
_MAIL = frozenset({"check_sender_access", "check_recipient_access"})
_ADDRESSES_ONLY = re.compile(r"_a_access$")
_LOCAL_PARTS = frozenset(
    {
        "root",
        "postmaster",
        "abuse",
        "hostmaster",
        "webmaster",
        "mailer-daemon",
        "admin",
        "administrator",
        "noreply",
        "no-reply",
        "www-data",
        "nobody",
        "sales",
        "support",
    }
)
# More of a kind in one table say nothing new.
_MOST = 5
Reason = tuple[str, str]
"""Why a key does not match, as the end of a sentence; and the key to write."""


def _keys(service: Service) -> Iterator[Finding]:
    contents = Contents(service)
    parents = "smtpd_access_maps" in service.text("parent_domain_matches_subdomains").replace(",", " ").split()
    for use in uses(service):
        entries = contents.entries(use) if use.is_keyed else ()
        yield from _misplaced(service, use, entries)
        judge = _judge_of(use)
        found = 0
        for entry in entries:
            reason = judge(entry.key, parents) if judge and found < _MOST else None
            if reason is not None:
                found += 1
                yield _never(service, use, entry, reason)
        yield from _shadowed(service, use, entries)


def _judge_of(use: Use) -> Callable[[str, bool], Reason | None] | None:
    if use.check in _MAIL:
        return _mail_key
    if use.check.startswith("check_") and use.check not in {"check_sasl_access", "check_ccert_access"}:
        return _helo_key if use.check == "check_helo_access" else _host_key
    return None


def _never(service: Service, use: Use, entry: Entry, reason: Reason) -> Finding:
    why, right = reason
    message = f"The key {entry.key} never matches: {why}."
    fix = f"{right} {entry.result}".strip() if right else "leave the entry out"
    if not right and "cidr:" in why:
        fix = (
            f"check_client_access cidr:/etc/postfix/clients.cidr, with the line: {entry.key.strip('[]')} {entry.result}"
        )
    return about(service, use, entry, NEVER_MATCHES, message, fix)


def _parameter(use: Use) -> str:
    return use.reference if not use.name.startswith("{") else use.place.parameter


def _any_key(key: str, parents: bool) -> Reason | None:
    if len(key) > 2 and key[0] == key[-1] == "/":
        return "patterns work in pcre: and regexp: tables only", ""
    if key.endswith(":") and not is_ipv6(key):
        return "the colon is part of it, as in a file of aliases", key.rstrip(":")
    if "*" in key:
        return _wildcard(key)
    if key.startswith(".") and parents and len(key) > 1:
        return "a domain is asked for without a dot before it", key.lstrip(".")
    return None


def _wildcard(key: str) -> Reason:
    bare = key.replace("*@", "").replace("*.", "").replace("@*", "@").replace(".*", "").strip("*")
    return "* is no wildcard here; a domain stands for its subdomains anyway", bare


def _host_key(key: str, parents: bool) -> Reason | None:
    if (reason := _any_key(key, parents)) is not None:
        return reason
    if re.fullmatch(r"\[?[0-9A-Fa-f.:]+\]?/\d+", key):
        return "networks with a mask work in cidr: tables only", _truncated(key)
    if key.startswith("[") and key.endswith("]"):
        return "an address stands without brackets here", compressed(key[1:-1])
    if re.fullmatch(r"(?:\d+\.){1,3}", key):
        return "a network is written without a dot behind it", key.rstrip(".")
    if key.endswith(".") and len(key) > 1:
        return "names are asked for without a dot behind them", key.rstrip(".")
    if re.fullmatch(r"\d+(?:\.\d+){3}-[\d.]+", key):
        return "ranges of addresses do not exist; use a cidr: table", ""
    return _ipv6_key(key) or _ipv4_key(key)


def _truncated(key: str) -> str:
    address, __, mask = key.replace("[", "").replace("]", "").partition("/")
    if is_ipv4(address) and mask in {"8", "16", "24", "32"}:
        return ".".join(address.split(".")[: int(mask) // 8])
    return ""


def _ipv6_key(key: str) -> Reason | None:
    lower = key.lower()
    if key.count(":") >= 2 and key.endswith("::") and re.fullmatch(r"[0-9a-f:]+", lower):
        return "an IPv6 network is written without :: behind it", lower.rstrip(":")
    if is_ipv6(key) and compressed(key) != lower:
        return "Postfix asks for an IPv6 address in its shortest form", compressed(key)
    return None


def _ipv4_key(key: str) -> Reason | None:
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,3}", key):
        parts = key.split(".")
        if any(len(part) > 1 and part[0] == "0" for part in parts):
            return "numbers are written without zeros before them", ".".join(str(int(part)) for part in parts)
        if any(int(part) > 255 for part in parts):
            return "it is no address: a number is larger than 255", ""
    return None


def _helo_key(key: str, parents: bool) -> Reason | None:
    if (reason := _any_key(key, parents)) is not None:
        return reason
    if re.fullmatch(r"[0-9A-Fa-f.:]+/\d+", key):
        return "networks do not exist here: the HELO name is looked up as a name", ""
    return None


def _mail_key(key: str, parents: bool) -> Reason | None:
    if key == "<>":
        return None
    if key.startswith("@"):
        return "a domain is written without @ before it", key[1:].lstrip(".")
    if (reason := _any_key(key, parents)) is not None:
        return reason
    if key.startswith("<") and key.endswith(">"):
        return "addresses are looked up without angle brackets", key[1:-1]
    local, at, domain = key.rpartition("@")
    if at and domain.startswith("."):
        return "user@ can be joined with a whole domain only", f"{local}@{domain[1:]}"
    if key.endswith(".") and len(key) > 1:
        return "domains are asked for without a dot behind them", key.rstrip(".")
    if not at and key.lower() in _LOCAL_PARTS:
        return "a user is written with @ behind the name", f"{key}@"
    return None


def _misplaced(service: Service, use: Use, entries: tuple[Entry, ...]) -> Iterator[Finding]:
    wrong: list[Entry] = []
    right = ""
    if use.check in _MAIL:
        wrong = [entry for entry in entries if is_address(entry.key) or _is_network(entry.key)]
        right = "check_client_access"
    elif _HOSTS.fullmatch(use.check) or use.check.endswith(("_a_access", "_mx_access", "_ns_access")):
        wrong = [entry for entry in entries if "@" in entry.key or entry.key == "<>"]
        right = "check_sender_access"
        if not wrong and _ADDRESSES_ONLY.search(use.check):
            wrong = [entry for entry in entries if re.search(r"[g-z]", entry.key.lower())]
            right = use.check.replace("_a_access", "_mx_access")
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        message = f"{use.check} never asks for keys such as {wrong[0].key}{more}."
        yield about(service, use, wrong[0], WRONG_KEYS, message, f"{right} {use.reference}")


def _is_network(key: str) -> bool:
    return bool(re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){1,3}(?:/\d+)?", key))


def _shadowed(service: Service, use: Use, entries: tuple[Entry, ...]) -> Iterator[Finding]:
    if use.check not in _MAIL:
        return
    domains = [entry for entry in entries if "@" not in entry.key and "." in entry.key[1:-1]]
    for entry in entries:
        if entry.key.endswith("@") and len(entry.key) > 1:
            other = next((domain for domain in domains if domain.result != entry.result), None)
            if other is None or f"{entry.key}{other.key}" in {each.key for each in entries}:
                continue
            message = f"For {entry.key}{other.key} the entry {other.key} is found first, not {entry.key}."
            fix = f"{entry.key}{other.key} {entry.result}"
            yield about(service, use, entry, SHADOWED_USER, message, fix)
            return


def _lines(service: Service) -> Iterator[Finding]:
    contents = Contents(service)
    seen: set[str] = set()
    for use in uses(service):
        if use.reference in seen or not contents.given(use):
            continue
        seen.add(use.reference)
        try:
            table = contents.opened(use)
        except PolicyError:
            continue
        for line, reason in table.ignored[:_MOST]:
            text = _source_line(contents, use, line)
            if reason.startswith("duplicate entry"):
                message = f"Line {line} has a key that an earlier line has already."
                kind, fix = DUPLICATE_KEY, "leave one of the two lines out"
            else:
                message = f"Postfix leaves out line {line}: {reason}."
                kind, fix = LINE_IGNORED, _mended(text, reason)
            yield find(kind, _parameter(use), message, fix, service=service.key, element=text)


def _source_line(contents: Contents, use: Use, line: int) -> str:
    try:
        text = contents.tables.content(use.reference)
        if text is None and use.name.startswith("{"):
            text = sources.inline_rules(use.name)
    except ValueError:
        return ""
    lines = sources.text_of(text).splitlines() if text is not None else []
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def _mended(text: str, reason: str) -> str:
    right = re.search(r'perhaps you should use "([^"]+)"', reason)
    if right and text:
        return text.replace(text.split()[0], right.group(1), 1)
    if "ENDIF" in reason:
        return "close every IF with an ENDIF"
    return "mend the line or leave it out"


RULES = (each_service(_keys, _lines),)
