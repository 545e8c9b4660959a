# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where access tables are used, and what stands in those whose content is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import LISTS as CATALOGUE_LISTS
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import Argument
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import LISTS, Place, Service, restriction
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import sources
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rules import Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import (
    DATABASES,
    INDEXED,
    Table,
    Tables,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Kind, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SPACE, SyntaxProblem, unwrapped

KEYED = INDEXED | {"texthash", "inline"}
_PATTERNS = frozenset({"regexp", "pcre", "cidr"})


@dataclass(frozen=True, slots=True)
class Use:
    """A table where a restriction list uses it.

    :param list_name: the list that is being asked, also where the table stands in a class
    :param check: restriction that looks it up, such as ``check_client_access``; empty where none can be told
    :param reference: ``type:name``
    """

    list_name: str
    place: Place
    check: str
    reference: str

    @property
    def type(self) -> str:
        return self.reference.removeprefix("proxy:").partition(":")[0]

    @property
    def name(self) -> str:
        return self.reference.removeprefix("proxy:").partition(":")[2]

    @property
    def is_keyed(self) -> bool:
        """Keys are compared as they are, and parts of what is looked up are tried as well."""
        return self.type in KEYED or (self.type in DATABASES and self.type not in {"tcp", "socketmap"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table.

    :param index: from 0
    :param key: as written; a pattern with its delimiters; empty for a table that answers everything
    """

    index: int
    key: str
    result: str
    rule: Rule | None = None

    def __str__(self) -> str:
        return f"{self.key} {self.result}".strip()


def uses(service: Service) -> Iterator[Use]:
    """Each table of the lists, and of the classes they name, once a list."""
    for name in LISTS:
        seen: set[tuple[str, str]] = set()
        for place in service.walk(name):
            use = _use(name, place)
            if use is not None and (use.check, use.reference) not in seen:
                seen.add((use.check, use.reference))
                yield use


def _use(list_name: str, place: Place) -> Use | None:
    element = place.element
    if element.kind is Kind.TABLE:
        if element.name.startswith("{"):
            return None
        return Use(list_name, place, CATALOGUE_LISTS[list_name].bare_table, element.name)
    entry = restriction(element)
    if entry is None or entry.argument is not Argument.TABLE or element.argument is None:
        return None
    text = element.argument.text
    if element.argument.braced:
        words = text.replace(",", " ").split()
        text = words[0] if words and entry.name == "check_ccert_access" else ""
    return Use(list_name, place, entry.name, text) if ":" in text else None


def about(
    service: Service,
    use: Use,
    entry: Entry,
    kind: FindingKind,
    message: str,
    fix: str,
    *,
    severity: Severity | None = None,
) -> Finding:
    """A finding about an entry: of the table's file, or of the restriction list that the table is written in."""
    if use.name.startswith("{") or use.type == "static":
        return service.at(use.place, kind, message, fix, severity=severity)
    return find(
        kind,
        use.reference,
        message,
        fix,
        severity=severity,
        service=service.key,
        index=entry.index,
        element=str(entry),
    )


class Contents:
    """What is known of the tables of one service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.tables = Tables(service.settings, service.settings.policy.tables, absent="missing")
        self._entries: dict[str, tuple[Entry, ...]] = {}

    def given(self, use: Use) -> bool:
        """Whether the content is in the policy: in a file that was given, or in main.cf itself."""
        if use.name.startswith("{") or use.type == "static":
            return True
        try:
            return self.tables.content(use.reference) is not None or self._inner(use) is not None
        except PolicyError:
            return False

    def _inner(self, use: Use) -> object:
        return self.tables.content(use.reference.removeprefix("proxy:"))

    def opened(self, use: Use) -> Table:
        """:raises PolicyError: settings that the table depends on cannot be expanded"""
        return self.tables.open(use.reference)

    def entries(self, use: Use) -> tuple[Entry, ...]:
        """In their order; none where the content is not known or cannot be read."""
        if use.reference not in self._entries:
            try:
                found = tuple(self._read(use)) if self.given(use) else ()
            except (PolicyError, SyntaxProblem):
                found = ()
            self._entries[use.reference] = found
        return self._entries[use.reference]

    def _read(self, use: Use) -> Iterator[Entry]:
        if use.type == "static":
            text = use.name
            yield Entry(0, "", unwrapped(text).strip(SPACE) if text.startswith("{") else text)
            return
        if use.type == "inline":
            pairs = sources.inline_entries(use.name, fold=lambda key: key)
            yield from (Entry(index, key, result) for index, (key, result) in enumerate(pairs.items()))
            return
        if use.type in _PATTERNS:
            rules = self.opened(use).rules
            for index, rule in enumerate(rules.rules if rules else ()):
                if rule.kind == "match":
                    yield Entry(index, rule.pattern, _text(rule), rule)
            return
        reference = use.reference if self.tables.content(use.reference) is not None else f"{use.type}:{use.name}"
        content = self.tables.content(reference)
        if content is not None and (use.type in KEYED or use.type in DATABASES):
            source = sources.index(content, fold=lambda key: key)
            yield from (Entry(index, key, result) for index, (key, result) in enumerate(source.entries.items()))


def _text(rule: Rule) -> str:
    return "".join(piece if isinstance(piece, str) else f"${piece}" for piece in rule.result)
