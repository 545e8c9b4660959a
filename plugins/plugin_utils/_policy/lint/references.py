# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of tables: their types, their paths, and tables that Postfix cannot open."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import (
    ACCESS_RESULTS,
    RESTRICTIONS,
    lookup,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.spelling import INVENTIONS
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.uses import Contents, Entry, Use, uses
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import Service, each_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import FILES, INDEXED, TYPES
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity

UNKNOWN_TYPE = FindingKind(
    code="unknown-table-type",
    severity=Severity.DEFERRED,
    title="A type of table that Postfix does not have",
    wrong="The word before the colon is no type of table that Postfix can read.",
    happens="Every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access file:/etc/postfix/client_access",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access texthash:/etc/postfix/client_access",
    source="DATABASE_README: Postfix lookup table types; postconf -m",
)
RELATIVE_PATH = FindingKind(
    code="relative-table-path",
    severity=Severity.DEFERRED,
    title="A table without its whole path",
    wrong="smtpd works in the queue directory, not in /etc/postfix, and looks for the file there.",
    happens="The file is not found: every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access hash:client_access",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access hash:$config_directory/client_access",
    source="DATABASE_README; postconf(5): config_directory",
)
COMPILED_NAME = FindingKind(
    code="table-with-suffix",
    severity=Severity.DEFERRED,
    title="The name of the compiled file instead of the table's",
    wrong="Postfix appends .db, .lmdb or .cdb itself; the table is named like its source file.",
    happens="The file is not found: every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access hash:/etc/postfix/client_access.db",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access hash:/etc/postfix/client_access",
    source="postmap(1)",
)
BROKEN_TABLE = FindingKind(
    code="broken-table",
    severity=Severity.DEFERRED,
    title="A table that Postfix cannot read",
    wrong="The table's own form is wrong: an inline table without pairs, a brace too few, or the same key twice in a"
    " texthash: file.",
    happens="Every lookup fails: every session that gets there is answered 451 4.3.5 Server configuration error.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1}",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=REJECT}",
    source="DATABASE_README: inline, texthash",
)
REWRITING_TABLE = FindingKind(
    code="rewriting-table-as-access-table",
    severity=Severity.DEFERRED,
    title="A table of aliases used as an access table",
    wrong="The same table rewrites addresses, so its right-hand sides are addresses. An access table has results"
    " such as OK and REJECT.",
    happens="Whoever is in the table is answered 451 4.3.5 Server configuration error: Postfix takes the address for a"
    " restriction it does not know.",
    example="virtual_alias_maps = inline:{info@example.org=user@example.org}\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_recipient_access inline:{info@example.org=user@example.org}",
    right="virtual_alias_maps = inline:{info@example.org=user@example.org}\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_recipient_access inline:{info@example.org=OK}",
    source="access(5); src/smtpd/smtpd_check.c: check_table_result",
)

KINDS = (UNKNOWN_TYPE, RELATIVE_PATH, COMPILED_NAME, BROKEN_TABLE, REWRITING_TABLE)

# What people write for the type they mean.
_MEANT = {
    "file": "texthash",
    "text": "texthash",
    "txt": "texthash",
    "map": "texthash",
    "plain": "texthash",
    "db": "hash",
    "bdb": "hash",
    "mdb": "lmdb",
    "ip": "cidr",
    "net": "cidr",
    "network": "cidr",
    "regex": "regexp",
    "re": "regexp",
    "perl": "pcre",
    "pcre2": "pcre",
    "postgres": "pgsql",
    "postgresql": "pgsql",
    "mariadb": "mysql",
    "sqlite3": "sqlite",
    "ldaps": "ldap",
    "redis": "socketmap",
    "dbm": "hash",
    "sdbm": "hash",
}
_REWRITING = (
    "virtual_alias_maps",
    "virtual_maps",
    "alias_maps",
    "alias_database",
    "canonical_maps",
    "sender_canonical_maps",
    "recipient_canonical_maps",
    "smtp_generic_maps",
    "transport_maps",
    "relocated_maps",
    "virtual_mailbox_maps",
    "smtpd_sender_login_maps",
)


# What such files are called everywhere.
_REWRITING_FILES = frozenset(
    {"virtual", "aliases", "canonical", "sender_canonical", "recipient_canonical", "transport", "generic", "relocated"}
)


def _references(service: Service) -> Iterator[Finding]:
    contents = Contents(service)
    seen: set[tuple[str, str]] = set()
    rewriting = _rewriting(service)
    for use in uses(service):
        if (use.place.parameter, use.reference) in seen:
            continue
        seen.add((use.place.parameter, use.reference))
        finding = (
            _type(service, use) or _path(service, use) or _rewrites(service, use, rewriting, contents.entries(use))
        )
        finding = finding or _unreadable(service, contents, use)
        if finding:
            yield finding


def _type(service: Service, use: Use) -> Finding | None:
    head, rest = use.reference.partition(":")[0], use.reference.partition(":")[2]
    lower = head.partition("=")[0].lower()
    if head in TYPES - {"debug"} or not rest or lower in RESTRICTIONS or lower in INVENTIONS:
        return None
    close = [_MEANT[lower]] if lower in _MEANT else difflib.get_close_matches(lower[:80], sorted(TYPES), 1, 0.6)
    hint = f"; probably {close[0]} is meant" if close else ""
    message = f"Postfix has no tables of type {head}{hint}."
    fix = f"{close[0] if close else 'texthash'}:{rest}"
    return service.at(use.place, UNKNOWN_TYPE, message, f"{use.check} {fix}".strip())


def _path(service: Service, use: Use) -> Finding | None:
    if use.type not in FILES or use.name.startswith(("/", "{")) or not use.name:
        if use.type in INDEXED and use.name.endswith((".db", ".lmdb", ".cdb")):
            bare = use.name.rpartition(".")[0]
            message = f"Postfix appends the suffix itself and looks for {use.name}{_suffix(use.type)}."
            return service.at(use.place, COMPILED_NAME, message, f"{use.check} {use.type}:{bare}".strip())
        return None
    message = f"{use.name} is looked for in the queue directory, not in /etc/postfix."
    fix = f"{use.check} {use.type}:$config_directory/{use.name}".strip()
    return service.at(use.place, RELATIVE_PATH, message, fix)


def _suffix(kind: str) -> str:
    return {"lmdb": ".lmdb", "cdb": ".cdb"}.get(kind, ".db")


def _rewriting(service: Service) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _REWRITING:
        for word in service.text(name).replace(",", " ").split():
            if ":" in word and not word.startswith(("static:", "unix:")):
                found.setdefault(word.removeprefix("proxy:"), name)
    return found


def _rewrites(service: Service, use: Use, rewriting: dict[str, str], entries: tuple[Entry, ...]) -> Finding | None:
    name = rewriting.get(use.reference.removeprefix("proxy:"))
    if name is None:
        words = use.name.rstrip("}").rpartition("=")[2]
        at = "@" in words and use.type == "inline"
        name = "virtual_alias_maps" if at and not _is_result(words) else None
    file = use.name.rpartition("/")[2].partition(".")[0]
    sound = bool(entries) and all(_is_result(each.result) for each in entries)
    if name is None and file in _REWRITING_FILES and not sound:
        name = f"{file} addresses"
    if name is None or use.check not in {"check_recipient_access", "check_sender_access", "check_client_access"}:
        return None
    message = f"{use.reference} is the table for {name}; its right-hand sides are no results of an access table."
    fix = f"{use.check} texthash:/etc/postfix/{use.check.removeprefix('check_')} (a table of its own)"
    return service.at(use.place, REWRITING_TABLE, message, fix)


def _is_result(text: str) -> bool:
    word = text.split(" ", 1)[0]
    return word.upper() in ACCESS_RESULTS or word.isdigit() or lookup(word) is not None


def _unreadable(service: Service, contents: Contents, use: Use) -> Finding | None:
    if not contents.given(use):
        return None
    try:
        table = contents.opened(use)
    except PolicyError:
        return None
    if not table.broken or use.type == "fail" or use.reference.count("{") > use.reference.count("}"):
        return None
    reason = table.broken.removeprefix(f"{use.reference}, ")
    message = f"Postfix cannot read the table {use.reference}: {reason}."
    fix = f"{use.check} inline:{{key=REJECT}}" if use.type == "inline" else "mend the line, then run postmap"
    return find(BROKEN_TABLE, use.place.parameter, message, fix, service=service.key, element=use.place.element)


RULES = (each_service(_references),)
