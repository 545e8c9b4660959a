# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of pcre:, regexp: and cidr: tables that match too much, or are never reached."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.results import permits
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.uses import Contents, Entry, Use, about, uses
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import Service, each_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

LOOKALIKE = FindingKind(
    code="unanchored-allow-pattern",
    severity=Severity.RELAY,
    title="A pattern that permits look-alikes too",
    wrong="The pattern permits, and it matches names that only contain what is meant: it has no ^ and $, or dots that"
    " stand for any sign.",
    happens="Somebody registers a name such as mail.example.com.evil.example, or says it at HELO, and walks around the"
    " checks behind this one; before the guard against relaying, to anywhere.",
    example="smtpd_relay_restrictions = permit_mynetworks,"
    " check_helo_access pcre:{{/mail\\.example\\.com/ OK}}, reject_unauth_destination",
    right="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_client_access pcre:{{/^mail\\.example\\.com$$/ OK}}",
    source="pcre_table(5), regexp_table(5): patterns are not anchored",
)
UNREACHED_RULE = FindingKind(
    code="rule-never-reached",
    severity=Severity.IDLE,
    title="A rule behind one that matches everything it does",
    wrong="Rules are tried from the top, and the first one that matches counts.",
    happens="The rule is never reached.",
    example="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access cidr:{{192.0.2.0/24 REJECT}, {192.0.2.1 OK}}",
    right="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access cidr:{{192.0.2.1 OK}, {192.0.2.0/24 REJECT}}",
    source="cidr_table(5), regexp_table(5): table search order",
)

KINDS = (LOOKALIKE, UNREACHED_RULE)

_EVERYTHING = frozenset({"", ".*", "^.*", "^.*$", "^", "$", ".", ".+", "^.+$", "^.", ".*$"})
_MOST = 5


def _body(pattern: str) -> str:
    """The expression between its delimiters, without options."""
    text = pattern.lstrip("! ")
    if len(text) < 2:
        return text
    end = text.rfind(text[0])
    return text[1:end] if end > 0 else text[1:]


def _lookalikes(service: Service) -> Iterator[Finding]:
    contents = Contents(service)
    for use in uses(service):
        if use.type not in {"pcre", "regexp"} or use.check in {"check_sasl_access", "check_ccert_access"}:
            continue
        for entry in contents.entries(use):
            if (
                entry.rule is None
                or not permits(entry.result)
                or entry.result.isdigit()
                or entry.key.lstrip().startswith("!")
            ):
                continue
            reason, right = _weakness(_body(entry.key), use.check)
            if reason:
                yield _lookalike(service, use, entry, reason, right)


def _weakness(body: str, check: str) -> tuple[str, str]:
    """What is missing in a pattern, and the pattern with it; a catch-all is meant to match everything."""
    if body in _EVERYTHING:
        return "", ""
    anchored_end = bool(re.search(r"(?<!\\)(?:\\\\)*(?:\$|\\z|\\Z)\)*$", body))
    anchored_start = bool(re.match(r"\(*(?:\?:)?(?:\^|\\A|@|\\\.|\\b|\[\.\]|\[@\.?\]|\(\^)", body)) or (
        check.startswith("check_recipient") and "@" in body
    )
    dots = re.sub(r"\\.|\[[^\]]*\]", "", body)
    loose = re.search(r"\w\.\w", dots) is not None
    parts = []
    if not anchored_start:
        parts.append("^ at its beginning")
    if not anchored_end:
        parts.append("$ at its end")
    if loose:
        parts.append("a backslash before each dot")
    if not parts:
        return "", ""
    right = re.sub(r"(?<=\w)\.(?=\w)", r"\\.", body) if loose else body
    right = ("" if anchored_start else "^") + right + ("" if anchored_end else "$")
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
    return listed, right


def _lookalike(service: Service, use: Use, entry: Entry, reason: str, right: str) -> Finding:
    message = f"The pattern {entry.key} permits, and lacks {reason}: look-alikes match as well."
    dollar = right.replace("$", "$$") if use.name.startswith("{") else right
    fix = f"/{dollar}/ {entry.result}"
    return about(service, use, entry, LOOKALIKE, message, fix)


def _unreached(service: Service) -> Iterator[Finding]:
    contents = Contents(service)
    seen: set[str] = set()
    for use in uses(service):
        if use.type in {"pcre", "regexp", "cidr"} and use.reference not in seen:
            seen.add(use.reference)
            entries = contents.entries(use)
            if any(entry.index != at for at, entry in enumerate(entries)):
                continue  # with IF, what is reached depends on more
            yield from (
                _unreached_networks(service, use, entries)
                if use.type == "cidr"
                else _unreached_patterns(service, use, entries)
            )


def _unreached_networks(service: Service, use: Use, entries: tuple[Entry, ...]) -> Iterator[Finding]:
    earlier: dict[tuple[int, int, int], Entry] = {}
    found = 0
    for entry in entries:
        if entry.rule is None or not entry.rule.conditions[0].wanted:
            return
        try:
            network = Network.parse(entry.key)
        except SyntaxProblem:
            continue
        bits = 128 if network.family == 6 else 32
        for prefix in range(network.prefix + 1):
            key = (network.family, prefix, network.value >> (bits - prefix))
            if key in earlier and found < _MOST:
                found += 1
                yield _behind(service, use, entry, earlier[key])
                break
        earlier.setdefault((network.family, network.prefix, network.value >> (bits - network.prefix)), entry)


def _unreached_patterns(service: Service, use: Use, entries: tuple[Entry, ...]) -> Iterator[Finding]:
    earlier: dict[str, Entry] = {}
    everything: Entry | None = None
    found = 0
    for entry in entries:
        before = everything or earlier.get(entry.key)
        if before is not None and found < _MOST:
            found += 1
            yield _behind(service, use, entry, before)
        earlier.setdefault(entry.key, entry)
        if _body(entry.key) in _EVERYTHING and not entry.key.startswith("!") and everything is None:
            everything = entry


def _behind(service: Service, use: Use, entry: Entry, before: Entry) -> Finding:
    message = f"{entry.key} is never reached: {before.key} before it matches all that it does."
    fix = f"put {entry} before {before}, or leave it out"
    return about(service, use, entry, UNREACHED_RULE, message, fix)


RULES = (each_service(_lookalikes, _unreached),)
