# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup tables: ``type:name`` opened and looked up as smtpd does it.

A table that cannot be opened does not stop smtpd: every lookup in it fails instead (util/dict_surrogate.c).
Only a reference without type or name is fatal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import sources
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regexes import Syntax
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rules import (
    Rules,
    parse_cidr,
    parse_expressions,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, TableContent
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    SyntaxProblem,
    balanced,
    fold,
    tokens,
    unwrapped,
)

Lookup = Callable[[str], str | None]

INDEXED = frozenset({"hash", "btree", "lmdb", "cdb", "dbm", "sdbm"})
"""Files that postmap builds from a source file."""

FILES = INDEXED | {"texthash", "regexp", "pcre", "cidr"}
"""Types whose name is a path."""

DATABASES = frozenset(
    {
        "mysql",
        "pgsql",
        "ldap",
        "sqlite",
        "memcache",
        "tcp",
        "socketmap",
        "nis",
        "nisplus",
        "netinfo",
        "mongodb",
        "proxy",
    }
)
"""Types whose answers are known only when they are given."""

WHOLE_KEY_DATABASES = frozenset({"tcp", "socketmap"})
"""Databases that are asked for the full key only."""

COMPUTED = frozenset({"inline", "static", "unionmap", "pipemap", "randmap", "fail", "environ", "unix", "internal"})

TYPES = FILES | DATABASES | COMPUTED | {"debug"}

STATIC_USERS = (
    *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
    *("backup", "list", "irc", "_apt", "nobody", "postfix"),
)
"""Users of every Debian machine with Postfix: those of base-passwd, and Postfix's own."""


class TableError(Exception):
    """A lookup failed.

    :param retry: DICT_ERR_RETRY (451 4.3.0 where a restriction tells them apart), else DICT_ERR_CONFIG (451 4.3.5)
    """

    def __init__(self, text: str, *, retry: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.retry = retry


@dataclass(frozen=True, slots=True)
class Table:
    """One opened table.

    :param reference: as written, ``type:name``
    :param partial_keys: parts of the key (parent domains, networks, ``user@``) are looked up as well; False for tables
        of patterns, which see the full key only
    :param fatal: why smtpd does not start with this reference; else empty
    :param broken: why every lookup fails; else empty
    :param rules: the rules of a table of patterns, with what Postfix skipped
    :param ignored: lines of a source file that Postfix skips or overrides, with the reason
    """

    reference: str
    find: Lookup
    partial_keys: bool = True
    folds: bool = True
    utf8: bool = True
    fatal: str = ""
    broken: str = ""
    rules: Rules | None = None
    ignored: tuple[tuple[int, str], ...] = ()

    @property
    def type(self) -> str:
        return self.reference.partition(":")[0]

    @property
    def name(self) -> str:
        return self.reference.partition(":")[2]

    def lookup(self, key: str) -> str | None:
        """:raises TableError: the table is not usable"""
        if self.fatal or self.broken:
            raise TableError(f"{self.reference} is unavailable. {self.fatal or self.broken}")
        if self.utf8 and _is_broken(key):
            return None
        result = self.find(fold(key, utf8=self.utf8) if self.folds and self.partial_keys else key)
        if result is not None and self.utf8 and _is_broken(result):
            raise TableError(f'{self.reference}: key "{key}": non-UTF-8 value', retry=False)
        return result


@dataclass
class Tables:
    """All tables of one policy, opened once.

    :param tables: ``type:path`` or ``path`` -> content; for databases ``type:name``. Given content always wins.
    :param absent: what a file is that ``tables`` lacks: ``missing`` (what smtpd answers) or ``empty`` (an assumption)
    :param assume: is called with each assumption, one sentence
    """

    settings: Settings
    tables: Mapping[str, TableContent]
    absent: str = "missing"
    assume: Callable[[str], None] = field(default=lambda text: None)
    _opened: dict[tuple[str, bool, bool], Table] = field(default_factory=dict, init=False)
    _contents: dict[str, TableContent] | None = field(default=None, init=False)

    def open(self, reference: str, *, folds: bool = True, substitution: bool = True) -> Table:
        """:param folds: keys are folded (DICT_FLAG_FOLD_FIX); lists such as mynetworks open their tables without it

        :param substitution: ``$1`` is allowed in results; transport_maps forbids it
        """
        known = self._opened.get((reference, folds, substitution))
        if known is None:
            known = self._open(reference, folds=folds, substitution=substitution)
            self._opened[reference, folds, substitution] = known
        return known

    @property
    def utf8(self) -> bool:
        return self.settings.flag("smtputf8_enable")

    @cached_property
    def proxied(self) -> frozenset[str]:
        """Tables that proxymap opens for others: those with ``proxy:`` in proxy_read_maps of main.cf."""
        settings = self.settings.policy.without_overrides("proxymap")
        return frozenset(_proxied_names(settings["proxy_read_maps"]))

    def content(self, reference: str) -> TableContent | None:
        """:return: what was given for a table, None when nothing was"""
        if self._contents is None:
            directory = self.settings["config_directory"]
            self._contents = {
                _CONFIG_DIRECTORY.sub(lambda _: directory, key): text for key, text in self.tables.items()
            }
        found = self._contents.get(reference)
        return self._contents.get(reference.partition(":")[2]) if found is None else found

    def _open(self, reference: str, *, folds: bool, substitution: bool) -> Table:
        kind, colon, name = reference.partition(":")
        if not colon:
            return _fatal(reference, f'open dictionary: expecting "type:name" form instead of "{reference}"')
        if not kind or not name:
            return _fatal(reference, f'open dictionary: expecting "type:name" form instead of "{kind}:{name}"')
        if kind == "proxy":
            return self._proxied(reference, name, folds=folds, substitution=substitution)
        if kind in FILES:
            return self._file(reference, kind, name, folds=folds, substitution=substitution)
        if kind in DATABASES:
            return self._database(reference, kind)
        if kind in ("unionmap", "pipemap"):
            return self._combined(reference, kind, name, folds=folds, substitution=substitution)
        if kind in COMPUTED:
            return self._computed(reference, kind, name, folds=folds)
        return _broken(reference, f"unsupported dictionary type: {kind}")

    def _proxied(self, reference: str, name: str, *, folds: bool, substitution: bool) -> Table:
        if name not in self.proxied:
            return _fatal(reference, f'proxymap service is not configured for table "{name}"')
        if self.content(reference) is not None:
            return self._database(reference, "proxy")
        inner = self.open(name, folds=folds, substitution=substitution)
        return Table(
            reference, inner.find, inner.partial_keys, inner.folds, inner.utf8, inner.fatal, inner.broken, inner.rules
        )

    def _database(self, reference: str, kind: str) -> Table:
        given = self.content(reference)
        if given is None:
            if kind == "nis":
                # Without a NIS domain Postfix disables the table silently (util/dict_nis.c).
                return Table(reference, lambda key: None, utf8=self.utf8)
            self.assume(f"What {reference} answers is not known: taken as no match.")
            given = {}
        entries = sources.index(given, fold=lambda key: fold(key, utf8=self.utf8)).entries
        return Table(reference, entries.get, partial_keys=kind not in WHOLE_KEY_DATABASES, utf8=self.utf8)

    def _file(self, reference: str, kind: str, name: str, *, folds: bool, substitution: bool) -> Table:
        pattern = kind in ("regexp", "pcre", "cidr")
        content = self.content(reference)
        if content is None and pattern and name.startswith("{") and self.settings.version >= (3, 7):
            try:
                content = sources.inline_rules(name)
            except SyntaxProblem as problem:
                return _broken(reference, f"{kind} map: {problem}")
        if content is None:
            content = self._absent(reference, kind, name)
        if content is None:
            suffix = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}.get(kind, "")
            return _broken(reference, f"open {name}{suffix}: No such file or directory")
        if pattern:
            return self._patterns(reference, kind, sources.text_of(content), substitution=substitution)
        return self._keyed(reference, kind, content, folds=folds)

    def _absent(self, reference: str, kind: str, name: str) -> TableContent | None:
        """:return: content of a file that nobody gave; None: there is no such file"""
        # Debian builds it when Postfix is installed, as default_database_type says: cdb from 3.11 on.
        built = kind == self.settings["default_database_type"] or (kind in INDEXED and self.absent == "empty")
        if name == "/etc/aliases" and built:
            self.assume(f"{reference} exists and has no entries.")
            return ""
        if self.absent == "empty":
            self.assume(f"{reference} was not given: taken as empty.")
            return ""
        return None

    def _patterns(self, reference: str, kind: str, text: str, *, substitution: bool) -> Table:
        if kind == "cidr":
            rules = parse_cidr(text)
        else:
            rules = parse_expressions(
                text,
                Syntax.POSIX if kind == "regexp" else Syntax.PCRE,
                substitution=substitution,
                version=self.settings.version,
                assume=lambda what: self.assume(f"{reference}: {what}"),
            )
        ignored = tuple((line.line, line.reason) for line in rules.skipped)
        return Table(
            reference,
            lru_cache(maxsize=1024)(rules.lookup),
            partial_keys=False,
            folds=False,
            utf8=self.utf8,
            rules=rules,
            ignored=ignored,
        )

    def _keyed(self, reference: str, kind: str, content: TableContent, *, folds: bool) -> Table:
        def folded(key: str) -> str:
            # postmap folds the keys of what it builds; texthash: is read by smtpd itself, folded only where asked for.
            return fold(key, utf8=self.utf8) if folds or kind in INDEXED else key

        aliases = kind in INDEXED and reference in self._alias_tables()
        source = sources.index(content, fold=folded, aliases=aliases)
        if kind == "texthash" and source.duplicates:
            line, key = source.duplicates[0]
            return _broken(reference, f'{reference}, line {line}: duplicate entry: "{key}"')
        return Table(
            reference, source.entries.get, folds=folds or kind in INDEXED, utf8=self.utf8, ignored=tuple(source.ignored)
        )

    def _alias_tables(self) -> frozenset[str]:
        names = [*tokens(self.settings["alias_maps"]), *tokens(self.settings["alias_database"])]
        return frozenset(name.removeprefix("proxy:") for name in names)

    def _combined(self, reference: str, kind: str, name: str, *, folds: bool, substitution: bool) -> Table:
        parts = _braced_words(name)
        if not parts or any(":" not in part for part in parts):
            return _broken(reference, f'bad syntax: "{kind}:{name}"; need "{kind}:{{type:name...}}"')
        inner = [self.open(part, folds=folds, substitution=substitution) for part in parts]
        fatal = next((table.fatal for table in inner if table.fatal), "")
        find = _union(inner) if kind == "unionmap" else _pipe(inner)
        # The first table says whether parts of the key are looked up.
        return Table(reference, find, inner[0].partial_keys, folds=folds, utf8=self.utf8, fatal=fatal)

    def _computed(self, reference: str, kind: str, name: str, *, folds: bool) -> Table:
        if kind == "fail":
            return _broken(reference, "fail: tables always fail")
        if kind == "unix":
            return self._unix(reference, name)
        if kind == "environ":
            self.assume(f"The environment of smtpd is not known: {reference} is taken as no match.")
            return Table(reference, lambda key: None)
        if kind == "internal":
            return Table(reference, lambda key: None, folds=folds, utf8=self.utf8)
        try:
            if kind == "static":
                value = unwrapped(name).strip(" \t\n\v\f\r") if name.startswith("{") else name
                return Table(reference, lambda key: value, folds=folds, utf8=self.utf8)
            if kind == "randmap":
                return self._random(reference, name)
            entries = sources.inline_entries(name, fold=lambda key: fold(key, utf8=self.utf8) if folds else key)
        except SyntaxProblem as problem:
            return _broken(reference, f'{problem}: "{kind}:{name}"; need "{kind}:{{name=value...}}"')
        return Table(reference, entries.get, folds=folds, utf8=self.utf8)

    def _random(self, reference: str, name: str) -> Table:
        values = _braced_words(name)
        if not values:
            raise SyntaxProblem("bad syntax")
        if len(set(values)) > 1:
            self.assume(f"{reference} answers at random: taken as {values[0]}.")
        return Table(reference, lambda key: values[0], partial_keys=False)

    def _unix(self, reference: str, name: str) -> Table:
        if name not in ("passwd.byname", "group.byname"):
            return _broken(reference, f"unknown table: {reference}")
        given = self.content(reference)
        if given is None:
            users = STATIC_USERS if name == "passwd.byname" else []
            self.assume(f"The system users are those of a fresh Debian with Postfix ({', '.join(STATIC_USERS)}).")
            given = {user: f"{user}:x" for user in users}
        entries = sources.passwd(given)
        return Table(reference, entries.get, utf8=self.utf8)


def _proxied_names(text: str) -> Iterator[str]:
    """Names after ``proxy:`` in a list, also within unionmap: and pipemap: (proxymap.c:authorize_proxied_maps)."""
    for word in tokens(text):
        reference = next(tokens(word[1:-1]), "") if balanced(word) == len(word) > 1 else word
        kind, __, name = reference.partition(":")
        if kind in ("unionmap", "pipemap"):
            yield from _proxied_names(name[1:-1] if balanced(name) == len(name) > 1 else "")
        elif kind == "proxy":
            while name.startswith("proxy:"):
                name = name.removeprefix("proxy:")
            if ":" in name:
                yield name


def _is_broken(text: str) -> bool:
    """Whether a text holds bytes that are not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in text)


_CONFIG_DIRECTORY = re.compile(r"\$(?:config_directory\b|\{config_directory\}|\(config_directory\))")


def _fatal(reference: str, why: str) -> Table:
    return Table(reference, lambda key: None, partial_keys=False, fatal=why)


def _broken(reference: str, why: str) -> Table:
    return Table(reference, lambda key: None, partial_keys=False, broken=why)


def _braced_words(name: str) -> list[str]:
    """:return: words between the braces; none when the braces are wrong"""
    if balanced(name) != len(name) or len(name) < 2:
        return []
    return list(tokens(name[1:-1]))


def _union(inner: Sequence[Table]) -> Lookup:
    def find(key: str) -> str | None:
        results = [result for result in (table.lookup(key) for table in inner) if result is not None]
        return ",".join(result for result in results if result) or None

    return find


def _pipe(inner: Sequence[Table]) -> Lookup:
    def find(key: str) -> str | None:
        for table in inner:
            result = table.lookup(key)
            if result is None:
                return None
            key = result
        return key

    return find


@dataclass(frozen=True, slots=True)
class Maps:
    """The tables of one parameter, asked in order (global/maps.c)."""

    title: str
    tables: tuple[Table, ...]

    def __bool__(self) -> bool:
        return bool(self.tables)

    def find(self, key: str, *, partial: bool = False) -> str | None:
        """:param partial: the key is a part of the full key: tables of patterns are not asked

        :raises TableError: a table failed, or a result is empty
        """
        found = self.found(key, partial=partial)
        return found[0] if found else None

    def found(self, key: str, *, partial: bool = False) -> tuple[str, Table] | None:
        """:return: as ``find``, with the table that answered"""
        if not key:
            return None
        for table in self.tables:
            if partial and not table.partial_keys:
                continue
            result = table.lookup(key)
            if result == "":
                raise TableError(f"{self.title} lookup of {key} returns an empty string result", retry=False)
            if result is not None:
                return result, table
        return None


def open_maps(tables: Tables, parameter: str, *, value: str | None = None, substitution: bool = True) -> Maps:
    """:param value: list of tables; the parameter's own value when None

    :raises PolicyError: a reference without type or name, which kills every process that opens it
    """
    text = tables.settings[parameter] if value is None else value
    opened = tuple(tables.open(reference, substitution=substitution) for reference in tokens(text))
    for table in opened:
        if table.fatal:
            raise PolicyError(table.fatal)
    return Maps(parameter, opened)
