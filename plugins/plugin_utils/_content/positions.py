# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An expression as a graph: which byte may follow which, and in how many ways (the automaton of Glushkov).

Two ways from one byte to the next are two ways to match the same text, and that is what backtracking dies of.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import (
    ALL_BYTES,
    Again,
    At,
    Atomic,
    Byte,
    Choice,
    Group,
    Look,
    Node,
    Repeat,
    Sequence,
    walk,
)

MOST = 1500
"""Positions in one graph; a larger expression is not looked at."""
_COPIES = 2
"""A limited repetition of bytes behaves like this many of them, as far as ways to match are concerned."""
_LOOP_COPIES = 16
"""With an unlimited repetition inside, each copy counts."""
_MANY = 20
"""A repetition that may go on for so long is as good as unlimited."""


class TooLarge(Exception):
    """The expression has too many parts to look at."""


@dataclass
class Graph:
    """:param members: the bytes of each position
    :param after: ways to come from one position to another
    """

    members: list[int] = field(default_factory=list)
    after: list[Counter[int]] = field(default_factory=list)

    def position(self, members: int) -> _Part:
        if len(self.members) >= MOST:
            raise TooLarge
        self.members.append(members)
        self.after.append(Counter())
        number = len(self.members) - 1
        return _Part(Counter({number: 1}), Counter({number: 1}), 0)

    def join(self, before: _Part, behind: _Part) -> None:
        for one, ways in before.last.items():
            for other, more in behind.first.items():
                self.after[one][other] = min(2, self.after[one][other] + ways * more)


@dataclass(frozen=True)
class _Part:
    """:param first: ways to begin with a position
    :param last: ways to end with one
    :param empty: ways to match nothing
    """

    first: Counter[int]
    last: Counter[int]
    empty: int


_NOTHING = _Part(Counter(), Counter(), 1)


def graph_of(tree: Node) -> Graph:
    """:raises TooLarge: too many positions"""
    graph = Graph()
    _build(tree, graph)
    return graph


def _build(node: Node, graph: Graph) -> _Part:
    match node:
        case Byte(members):
            return graph.position(members)
        case At() | Look():
            return _NOTHING
        case Again():
            return _optional(graph.position(ALL_BYTES))
        case Group(body):
            return _build(body, graph)
        case Atomic(body):
            return graph.position(_all_members(body))
        case Choice(branches):
            parts = [_build(branch, graph) for branch in branches]
            return _Part(
                sum((part.first for part in parts), Counter()),
                sum((part.last for part in parts), Counter()),
                min(2, sum(part.empty for part in parts)),
            )
        case Sequence(parts_):
            return _sequence([_build(part, graph) for part in parts_], graph)
        case Repeat():
            return _repeat(node, graph)


def _all_members(body: Node) -> int:
    """What gives nothing back is one position, whatever it is made of."""
    members = 0
    for node in walk(body):
        if isinstance(node, Byte):
            members |= node.members
    return members or ALL_BYTES


def _optional(part: _Part) -> _Part:
    return _Part(part.first, part.last, min(2, part.empty + 1))


def _sequence(parts: list[_Part], graph: Graph) -> _Part:
    whole = _NOTHING
    for part in parts:
        graph.join(whole, part)
        first, last = Counter(whole.first), Counter(part.last)
        for number, ways in part.first.items():
            if whole.empty:
                first[number] = min(2, first[number] + ways * whole.empty)
        for number, ways in whole.last.items():
            if part.empty:
                last[number] = min(2, last[number] + ways * part.empty)
        whole = _Part(first, last, min(2, whole.empty * part.empty))
    return whole


def _repeat(node: Repeat, graph: Graph) -> _Part:
    if _is_loop(node):
        parts = [_build(node.body, graph) for __ in range(max(1, min(node.least, _COPIES)))]
        loop = parts[-1]
        graph.join(loop, loop)
        parts[-1] = _Part(loop.first, loop.last, 1) if node.least == 0 else loop
        return _sequence(parts, graph)
    copies = min(node.most or 0, _LOOP_COPIES if has_loop(node.body) else _COPIES)
    needed = min(node.least, copies)
    parts = [_build(node.body, graph) for __ in range(copies)]
    return _sequence(parts[:needed] + [_optional(part) for part in parts[needed:]], graph)


def _is_loop(node: Repeat) -> bool:
    return node.most is None or (node.most >= _MANY and node.most != node.least)


def has_loop(node: Node) -> bool:
    """Whether there is an unlimited repetition in it that can be given back."""
    match node:
        case Atomic() | Look():
            return False
        case Repeat(body):
            return _is_loop(node) or has_loop(body)
        case Group(body):
            return has_loop(body)
        case Sequence(parts) | Choice(parts):
            return any(has_loop(part) for part in parts)
        case _:
            return False
