# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Source files of tables with keys: what postmap, postalias and the inline forms make of a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import TableContent
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    SPACE,
    SyntaxProblem,
    balanced,
    key_end,
    key_value,
    logical_lines,
    tokens,
    unwrapped,
)

Fold = Callable[[str], str]


@dataclass
class Source:
    """An indexed source file.

    :param entries: folded key -> result; of equal keys the first one stays
    :param duplicates: line and key of each entry that came too late
    :param ignored: line and reason of each line that postmap skips
    """

    entries: dict[str, str] = field(default_factory=dict)
    duplicates: list[tuple[int, str]] = field(default_factory=list)
    ignored: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, key: str, value: str) -> None:
        if key in self.entries:
            self.duplicates.append((line, key))
            self.ignored.append((line, f'duplicate entry: "{key}"'))
        else:
            self.entries[key] = value


def index(content: TableContent, *, fold: Fold, aliases: bool = False) -> Source:
    """:param aliases: the source has the form of aliases(5), ``name: value``"""
    source = Source()
    if isinstance(content, Mapping):
        for key, value in content.items():
            source.add(0, fold(str(key)), str(value))
        return source
    for number, line in logical_lines(content):
        try:
            key, value = _alias(line) if aliases else _entry(line)
        except SyntaxProblem as problem:
            source.ignored.append((number, str(problem)))
        else:
            source.add(number, fold(key), value)
    return source


def _entry(line: str) -> tuple[str, str]:
    """A line of postmap(1): key, white space, value; the key keeps its quotes."""
    end = key_end(line, SPACE)
    value = line[end:].strip(SPACE)
    if end == 0 or not value:
        raise SyntaxProblem("expected format: key whitespace value")
    return line[:end], value


def _alias(line: str) -> tuple[str, str]:
    """A line of postalias(1): ``name: value``; a quoted name loses its quotes."""
    end = key_end(line, ":")
    if end >= len(line):
        raise SyntaxProblem('need "name:value" pair')
    key, value = line[:end].strip(SPACE), line[end + 1 :].strip(SPACE)
    if not key or not value:
        raise SyntaxProblem('need "name:value" pair')
    if len(key) > 1 and key[0] == '"' == key[-1]:
        key = key[1:-1].replace("\\", "")
    return key, value


def text_of(content: TableContent) -> str:
    """:return: source text of a table of patterns that may be given as pattern -> result"""
    if isinstance(content, Mapping):
        return "".join(f"{pattern} {result}\n" for pattern, result in content.items())
    return content


def passwd(content: TableContent) -> dict[str, str]:
    """:param content: lines of passwd(5), or name -> anything"""
    if isinstance(content, Mapping):
        return {str(name): str(line) for name, line in content.items()}
    lines = (line for line in content.split("\n") if line.strip() and not line.startswith("#"))
    return {line.partition(":")[0].strip(): line for line in lines}


def inline_entries(name: str, *, fold: Fold) -> dict[str, str]:
    """:param name: ``{ key=value, { key = value with spaces } }``; of equal keys the last one stays

    :raises SyntaxProblem: in Postfix's words
    """
    if balanced(name) != len(name) or len(name) <= 2:
        raise SyntaxProblem("bad syntax")
    entries: dict[str, str] = {}
    for word in tokens(name[1:-1]):
        key, value = key_value(unwrapped(word).strip(SPACE) if word.startswith("{") else word)
        entries[fold(key)] = value
    if not entries:
        raise SyntaxProblem("empty table")
    return entries


def inline_rules(name: str) -> str:
    """:return: the lines of ``{ { rule } { rule } }`` (util/dict_stream.c)

    :raises SyntaxProblem: in Postfix's words
    """
    return "".join(f"{unwrapped(word).strip(SPACE)}\n" for word in tokens(unwrapped(name)))
