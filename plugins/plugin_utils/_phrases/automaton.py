# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A phrase as an automaton over bytes: every way in which one charset can write it.

Nodes are places in the phrase, edges are bytes. Between two characters stands a *border* node; software that cuts an
encoded word inside a character is followed too, so that every node is a place where a word can end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._phrases.charsets import Charset

# What readers see as a gap, or do not see at all: no-break, ideographic and zero-width spaces, soft hyphen.
_SPACES = (" ", "\t", "\u00a0", "\u3000", "\u200b", "\u00ad")
_DESIGNATOR = re.compile(rb"\x1b\$\)[A-Z]|\x1b\$?\(?[@-Z]|\x0e|~\{")


@dataclass
class Node:
    """:param edges: the byte, and the node behind it
    :param border: between two characters
    :param home: where a reader of this charset is when a new encoded word begins here; another node for a charset
        that switches, since each word begins in ASCII
    :param skips: characters of a mode are skipped here before the phrase begins, ``1`` or ``2`` bytes each
    """

    edges: dict[int, list[int]] = field(default_factory=dict)
    border: bool = False
    home: int = -1
    skips: int = 0
    after_skips: int = -1


@dataclass
class Automaton:
    """:param start: where matching begins
    :param direct: where it begins in ASCII, for a charset that switches
    :param back: where the way back to ASCII begins
    :param finals: where the phrase is complete
    """

    nodes: list[Node] = field(default_factory=list)
    start: int = -1
    direct: int = -1
    back: int = -1
    finals: frozenset[int] = frozenset()

    def add(self, **fields: bool | int) -> int:
        node = Node(**fields)  # type: ignore[arg-type]
        self.nodes.append(node)
        number = len(self.nodes) - 1
        if node.home < 0:
            node.home = number
        return number

    def path(self, before: int, data: bytes, behind: int) -> None:
        """Make ``data`` lead from one node to the other; beginnings that are there already are shared."""
        at = before
        for byte in data[:-1]:
            inner = [each for each in self.nodes[at].edges.get(byte, []) if not self.nodes[each].border]
            if not inner:
                inner = [self.add()]
                self.nodes[at].edges.setdefault(byte, []).append(inner[0])
            at = inner[0]
        edges = self.nodes[at].edges.setdefault(data[-1], [])
        if behind not in edges:
            edges.append(behind)


def spellings(phrase: str, *, ignore_case: bool, decomposed: bool = True) -> list[list[str]]:
    """The phrase as a row of characters, each with the ways to write it; a run of white space is one of them."""
    units: list[list[str]] = []
    clusters = [
        " " if part.isspace() else part for part in re.findall(r"\s+|[^\s]", unicodedata.normalize("NFC", phrase))
    ]
    for index, char in enumerate(clusters):
        ways = [" ", "\t"] if char == " " else [char]
        if ignore_case:
            ways += [way for way in (char.lower(), char.upper()) if len(way) == 1]
        apart = [unicodedata.normalize("NFD", way) for way in ways] if decomposed else []
        # The last syllable written in letters could go on with a final consonant, and would be another one.
        last = index == len(clusters) - 1
        ways += [way for way in apart if not (last and len(way) == 2 and "\u1100" <= way[0] <= "\u1112")]
        units.append(list(dict.fromkeys(ways)))
    return units


def build(units: Sequence[Sequence[str]], charset: Charset, *, ignore_space: bool, anchored: bool) -> Automaton:
    """:raises ValueError: the charset lacks a character"""
    if ignore_space:
        units = [unit for unit in units if unit[0] != " "]
    modes = _Modes(charset)
    written = [[way for spelling in unit for way in modes.split(spelling)] for unit in units]
    if not all(written):
        raise ValueError(charset.name)
    automaton = Automaton()
    borders: list[dict[bytes, int]] = []
    for index in range(len(units) + 1):
        behind = {mode for mode, __ in written[index - 1]} if index else set()
        ahead = {mode for mode, __ in written[index]} if index < len(units) else set()
        # A word begins in ASCII, so that this mode is everywhere but at the end.
        keys = behind | ahead | ({b""} if index < len(units) else set())
        here = {mode: automaton.add(border=True) for mode in sorted(keys)}
        borders.append(here)
        for mode, number in here.items():
            automaton.nodes[number].home = here.get(b"", number)
            _switches(automaton, modes, here, mode, ahead | ({b""} if index else set()))
    for index, ways in enumerate(written):
        for mode, data in ways:
            automaton.path(borders[index][mode], data, borders[index + 1][mode])
        inside = index > 0
        if units[index][0] == " ":
            _spaces(automaton, modes, borders[index + 1], only_blank=True)
        if ignore_space and inside:
            _spaces(automaton, modes, borders[index], only_blank=False)
    automaton.finals = frozenset(borders[-1].values())
    if anchored:
        automaton.start = borders[0][b""]
        _spaces(automaton, modes, borders[0], only_blank=False)
    else:
        _entry(automaton, modes, borders[0], {mode for mode, __ in written[0]})
    return automaton


class _Modes:
    """How a charset switches between modes; one that does not has the mode ``b""`` only."""

    def __init__(self, charset: Charset) -> None:
        self.charset = charset
        self.enter = dict(charset.enter)

    def split(self, text: str) -> list[tuple[bytes, bytes]]:
        """(mode, bytes) for each way to write a character."""
        found: list[tuple[bytes, bytes]] = []
        for data in self.charset.encode(text):
            if not self.charset.switches:
                found.append((b"", data))
                continue
            for noise in self.charset.noise:
                data = data.removeprefix(noise)
            match = _DESIGNATOR.match(data)
            if not match:
                found.append((b"", data))
            elif match[0] in self.enter:
                body = data[match.end() :]
                for leave in self.charset.leave:
                    body = body.removesuffix(leave)
                found.append((match[0], body))
        return list(dict.fromkeys(found))


def _switches(automaton: Automaton, modes: _Modes, here: dict[bytes, int], mode: bytes, ahead: set[bytes]) -> None:
    number = here[mode]
    for other in sorted(ahead & set(here) - {mode}):
        for sequence in modes.charset.leave if not other else modes.enter[other]:
            automaton.path(number, sequence, here[other])
    if not mode and ahead - {b""}:
        for noise in modes.charset.noise:
            automaton.path(number, noise, number)


def _spaces(automaton: Automaton, modes: _Modes, here: dict[bytes, int], *, only_blank: bool) -> None:
    for space in _SPACES[:2] if only_blank else _SPACES:
        for mode, data in modes.split(space):
            if mode in here:
                automaton.path(here[mode], data, here[mode])


def _entry(automaton: Automaton, modes: _Modes, first: dict[bytes, int], begins: set[bytes]) -> None:
    """Where matching begins; in a charset that switches, by the sequence that begins the mode of the phrase."""
    if not modes.charset.switches:
        automaton.start = first[b""]
        return
    automaton.start = automaton.add(border=True)
    for mode in sorted(begins):
        skipping = automaton.add(skips=1 if mode in (b"", b"\x1b(I") else 2, after_skips=first[mode])
        if not mode:
            automaton.direct = skipping
            automaton.back = automaton.add(border=True)
        for sequence in modes.enter[mode] if mode else modes.charset.leave:
            automaton.path(automaton.start if mode else automaton.back, sequence, skipping)
