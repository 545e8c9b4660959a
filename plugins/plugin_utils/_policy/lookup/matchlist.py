# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of hosts, networks and domains such as mynetworks, mydestination and relay_domains (util/match_list.c)."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import interfaces
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.sources import text_of
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Table, TableError, Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    SyntaxProblem,
    fold,
    logical_lines,
    tokens,
)

V4_CHARACTERS = frozenset("01234567890.")
V6_CHARACTERS = V4_CHARACTERS | frozenset("abcdefABCDEF:")


class Outcome(enum.Enum):
    """What a list says about a host or domain."""

    HIT = "hit"
    MISS = "miss"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Match:
    """Answer of a list.

    :param pattern: the pattern that decided, as written (with its ``!``); empty when none did
    :param why: for an error: Postfix's warning
    :param retry: for an error: DICT_ERR_RETRY (451 4.3.0), else DICT_ERR_CONFIG (451 4.3.5)
    """

    outcome: Outcome
    pattern: str = ""
    why: str = ""
    retry: bool = True

    def __bool__(self) -> bool:
        return self.outcome is Outcome.HIT

    @property
    def failed(self) -> bool:
        return self.outcome is Outcome.ERROR


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of a list.

    :param wanted: False after an odd number of ``!``
    :param text: folded, without ``!``; of a table the reference
    :param table: for ``type:name`` and files that cannot be read
    """

    wanted: bool
    text: str
    table: Table | None = None

    def __str__(self) -> str:
        return self.text if self.wanted else f"!{self.text}"


def match(
    settings: Settings,
    tables: Tables,
    parameter: str,
    kind: str,
    name: str = "",
    addr: str = "",
    *,
    value: str | None = None,
) -> Match:
    """Look for a host or a domain in a list.

    :param kind: ``host`` (name and address: namadr_list), ``domain`` (name with parent domains: domain_list) or
        ``string`` (exact: string_list, such as mydestination and virtual_alias_domains)
    :param value: the list itself, the parameter's value when None
    :raises PolicyError: the list kills the process that reads it (a ``!`` without a pattern, ``type:`` without a name)
    """
    text = list_value(settings, tables, parameter) if value is None else value
    parents = kind != "string" and parent_domains(settings, tables, parameter)
    for pattern in patterns(settings, tables, parameter, text):
        try:
            found = _matches(pattern, kind, fold(name, utf8=tables.utf8), fold(addr, utf8=tables.utf8), parents=parents)
        except SyntaxProblem as problem:
            return Match(Outcome.ERROR, str(pattern), f"{parameter}: {problem}")
        except TableError as problem:
            why = f"{parameter}: {pattern.text}: table lookup problem"
            return Match(Outcome.ERROR, str(pattern), why, retry=problem.retry)
        if found:
            return Match(Outcome.HIT if pattern.wanted else Outcome.MISS, str(pattern))
    return Match(Outcome.MISS)


def list_value(settings: Settings, tables: Tables, parameter: str) -> str:
    """:return: value of the list; of mynetworks that is not set, what Postfix derives from the interfaces"""
    if parameter == "mynetworks" and not settings.is_set(parameter):
        return interfaces.networks(settings, tables.assume)
    return settings[parameter]


def parent_domains(settings: Settings, tables: Tables, parameter: str) -> bool:
    """Whether ``example.org`` in this list stands for its subdomains too (parent_domain_matches_subdomains)."""
    return bool(match(settings, tables, "parent_domain_matches_subdomains", "string", parameter))


def patterns(
    settings: Settings, tables: Tables, parameter: str, text: str, *, wanted: bool = True, depth: int = 0
) -> Iterator[Pattern]:
    """Patterns of a list, files expanded in place. A word that begins with ``#`` ends the list with a warning.

    :raises PolicyError: see :func:`match`
    """
    for word in tokens(text):
        if word.startswith("#"):
            return
        item = word.lstrip("!")
        sense = wanted == ((len(word) - len(item)) % 2 == 0)
        if not item:
            raise PolicyError(f"{parameter}: no pattern after '!'")
        if item.startswith("/"):
            yield from _file(settings, tables, parameter, item, sense, depth)
        elif _is_table(item):
            table = tables.open(item, folds=False)
            if table.fatal:
                raise PolicyError(table.fatal)
            yield Pattern(sense, item, table)
        else:
            yield Pattern(sense, fold(item, utf8=tables.utf8))


def _file(settings: Settings, tables: Tables, parameter: str, path: str, wanted: bool, depth: int) -> Iterator[Pattern]:
    """Patterns of ``/file``; one that cannot be read is a table whose look-ups fail."""
    content = tables.content(path)
    if content is None and tables.absent == "empty":
        tables.assume(f"{path} was not given: taken as empty.")
        return
    if content is None or depth > 20:
        missing = Table(f"non-existent:{path}", _nothing, partial_keys=False, broken=f"open file {path}: No such file")
        # The "!" before an unreadable file is lost, as in Postfix.
        yield Pattern(True, path, missing)
        return
    text = text_of(content)
    if settings.version >= (3, 8):
        lines = [line for __, line in logical_lines(text)]
    else:
        lines = [line for line in text.split("\n") if not line.startswith("#")]
    for line in lines:
        yield from patterns(settings, tables, parameter, line, wanted=wanted, depth=depth + 1)


def _nothing(key: str) -> str | None:
    return None


def _is_table(item: str) -> bool:
    return not item.startswith("[") and ":" in item


def _matches(pattern: Pattern, kind: str, name: str, addr: str, *, parents: bool) -> bool:
    """:raises SyntaxProblem: a bad network
    :raises TableError: a table failed
    """
    if kind == "string":
        return _string(pattern, name)
    return _hostname(pattern, name, parents=parents) or (kind == "host" and _hostaddr(pattern, addr))


def _string(pattern: Pattern, text: str) -> bool:
    return pattern.text == text if pattern.table is None else pattern.table.lookup(text) is not None


def _hostname(pattern: Pattern, name: str, *, parents: bool) -> bool:
    if pattern.table is not None:
        keys = _keys(name, parents=parents)
        return any(pattern.table.lookup(key) is not None for key in keys if pattern.table.partial_keys or key is name)
    if name == pattern.text:
        return True
    if parents:
        return name.endswith(f".{pattern.text}") and len(name) > len(pattern.text) + 1
    return pattern.text.startswith(".") and name.endswith(pattern.text) and name != pattern.text


def _keys(name: str, *, parents: bool) -> Iterator[str]:
    """The name and its parent domains, as they are looked up in a table."""
    while name:
        yield name
        dot = name.find(".", 1)
        if dot < 0:
            return
        name = name[dot + 1 :] if parents else name[dot:]


def _hostaddr(pattern: Pattern, addr: str) -> bool:
    if not all(character in V6_CHARACTERS for character in addr):
        return False
    if pattern.table is not None:
        return pattern.table.lookup(addr) is not None
    text = pattern.text
    if addr == (text[1:-1] if text.startswith("[") and text.endswith("]") else text):
        return True
    if (":" in addr) != (":" in text) or not (":" in text or "/" in text):
        return False
    # Names are no addresses; what is neither is silently ignored.
    if not set(text) <= V6_CHARACTERS | frozenset("[]/"):
        return False
    return addr in Network.parse(text)
