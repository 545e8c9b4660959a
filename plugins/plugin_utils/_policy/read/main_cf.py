# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""main.cf: text -> parameters with their lines, and back (postconf(5), Postfix's readllines and split_nameval)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SPACE


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A line with its continuation lines, comments among them left out.

    :param line: line it begins at, from 1
    :param stray: it begins with white space and continues nothing; Postfix warns and skips it
    """

    text: str
    line: int
    stray: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``name = value``.

    :param value: unexpanded, one line
    :param line: line it begins at, from 1
    """

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class MainCf:
    """A main.cf as Postfix reads it.

    :param entries: all entries in order
    :param warnings: what Postfix warns of, with the line
    """

    entries: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def duplicates(self) -> tuple[tuple[Entry, Entry], ...]:
        """Entries that are lost because of a later one of the same name, each with the one that wins."""
        last = {entry.name: entry for entry in self.entries}
        return tuple((entry, last[entry.name]) for entry in self.entries if last[entry.name] is not entry)

    def line(self, name: str) -> int:
        """Line of the entry that counts; 0 where there is none."""
        return next((entry.line for entry in reversed(self.entries) if entry.name == name), 0)


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """Lines as Postfix joins them: what begins with white space continues, blank lines and comments do not count."""
    pieces: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), start=1):
        blank = not line.strip(SPACE)
        comment = line.lstrip(SPACE).startswith("#")
        if line and line[0] not in SPACE and line[0] != "#" and pieces:
            yield _joined(pieces, first)
            pieces = []
        if blank or comment:
            continue
        if not pieces:
            first = number
        pieces.append(line)
    if pieces:
        yield _joined(pieces, first)


def _joined(pieces: Sequence[str], first: int) -> LogicalLine:
    return LogicalLine("".join(pieces), first, stray=pieces[0][0] in SPACE)


def parse(text: str) -> MainCf:
    """Read a main.cf.

    :raises PolicyError: lines that end every daemon, all of them
    """
    entries: list[Entry] = []
    warnings: list[str] = []
    problems: list[str] = []
    for line in logical_lines(text):
        if "\0" in line.text:
            problems.append(f"main.cf, line {line.line}: a null byte; Postfix does not read what follows it")
        elif line.stray:
            warnings.append(f"main.cf, line {line.line}: logical line must not start with whitespace")
        else:
            try:
                entries.append(Entry(*name_value(line.text), line.line))
            except ValueError as error:
                problems.append(f'main.cf, line {line.line}: {error}: "{line.text}"')
    if problems:
        raise PolicyError("\n".join(problems))
    return MainCf(tuple(entries), tuple(warnings), {entry.name: entry.value for entry in entries})


def name_value(text: str) -> tuple[str, str]:
    """Name and value of ``name = value``, without the white space around them.

    :raises ValueError: with Postfix's reason
    """
    stripped = text.strip(SPACE)
    end = 0
    while end < len(stripped) and stripped[end] not in SPACE and stripped[end] != "=":
        end += 1
    if end == 0:
        raise ValueError("missing attribute name")
    rest = stripped[end:].lstrip(SPACE)
    if not rest.startswith("="):
        raise ValueError("missing '=' after attribute name")
    return stripped[:end], rest[1:].lstrip(SPACE)


def value_of(text: str) -> str:
    """A value of several lines as main.cf would carry it: on one line, without its comment and blank lines."""
    first, *others = text.split("\n")
    kept = [line.strip(SPACE) for line in others]
    return " ".join(line for line in [first.strip(SPACE), *kept] if line and (line == first or line[0] != "#"))


def render(parameters: Mapping[str, str]) -> str:
    """The parameters as text, one a line."""
    return "".join(f"{name} = {value_of(value)}".rstrip() + "\n" for name, value in parameters.items())
