# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expressions that a stranger can make match for ever: what backtracking would cost.

PCRE2 gives up after ten million steps, and Postfix then goes on as if the rule did not match (util/dict_pcre.c:
dict_pcre_exec_error). A message that costs that much is therefore slow and passes too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._content.positions import Graph, TooLarge, graph_of, has_loop
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_pcre import PcreParser, Unsupported
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import Atomic, Look, Node, walk
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regexes import as_bytes

MOST_LOOPS = 4
"""Repetitions that can share one text in an expression, each a power of its length."""
_MOST_IN_LOOP = 400
_MOST_STEPS = 1_000_000
_ENOUGH_LOOPS = 12

_Pair = tuple[int, int]


@dataclass(frozen=True)
class Danger:
    reason: str
    fix: str


def danger_of(text: str, options: frozenset[str]) -> Danger | None:
    """:param options: letters of pcre_table(5) that are on

    :return: None where it is cheap, or where it cannot be told
    :raises SyntaxProblem: PCRE2 would refuse it
    """
    try:
        tree = PcreParser(as_bytes(text), options, modern=True).parse()
        return next((danger for part in _parts(tree) if (danger := _danger(part))), None)
    except (Unsupported, TooLarge, RecursionError):
        return None


def _parts(tree: Node) -> Iterator[Node]:
    """The expression, and those inside that are matched on their own."""
    yield tree
    yield from (node.body for node in walk(tree) if isinstance(node, Atomic | Look) and has_loop(node.body))


def _danger(tree: Node) -> Danger | None:
    graph = graph_of(tree)
    loops = [loop for loop in _loops(graph) if len(loop) <= _MOST_IN_LOOP]
    for loop in loops:
        if _is_ambiguous(graph, loop):
            return Danger(
                "it can take for ever: a repetition in it can match the same text in many ways, and their number "
                "doubles with each byte",
                "Let one text have one way only: a+ for (a+)+, [ab]* for (a|b|ab)*; or give nothing back: (?>a+)+",
            )
    number = _most_together(graph, loops)
    if number > MOST_LOOPS:
        return Danger(
            f"it can take for ever: {number} repetitions in it can share one text, so that its cost grows with the "
            f"{number}th power of the length",
            f"Use {MOST_LOOPS} at most, or say what they do not match: [^,]* for .*",
        )
    return None


def _loops(graph: Graph) -> list[frozenset[int]]:
    """The strongly connected parts that have an edge inside (Tarjan), in topological order."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    open_: list[int] = []
    found: list[frozenset[int]] = []
    for root in range(len(graph.members)):
        if root in order:
            continue
        work = [(root, iter(graph.after[root]))]
        order[root] = low[root] = len(order)
        open_.append(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    at = open_.index(node)
                    found.append(frozenset(open_[at:]))
                    del open_[at:]
            elif following not in order:
                order[following] = low[following] = len(order)
                open_.append(following)
                work.append((following, iter(graph.after[following])))
            elif following in open_:
                low[node] = min(low[node], order[following])
    return [part for part in reversed(found) if len(part) > 1 or any(each in graph.after[each] for each in part)]


def _is_ambiguous(graph: Graph, loop: frozenset[int]) -> bool:
    """Whether one text leads from a position back to it in two ways.

    Two walkers read the same text from one position on. It is so if they can part and meet again: if a pair of two
    positions is reached from a pair of one, and reaches one. All pairs of one reach each other, since it is a loop.
    """
    if any(graph.after[one][other] > 1 for one in loop for other in loop):
        return True
    behind = {one: frozenset(graph.after[one]) & loop for one in loop}
    together: dict[tuple[frozenset[int], frozenset[int]], list[_Pair]] = {}
    before: dict[_Pair, list[_Pair]] = {}
    start = min(loop)
    seen, pending, steps = {(start, start)}, [(start, start)], 0
    while pending:
        pair = pending.pop()
        key = behind[pair[0]], behind[pair[1]]
        if key not in together:
            together[key] = _meeting(graph, *key)
        steps += len(together[key])
        if steps > _MOST_STEPS:
            raise TooLarge
        for each in together[key]:
            before.setdefault(each, []).append(pair)
            if each not in seen:
                seen.add(each)
                pending.append(each)
    return any(one != other for one, other in _reached((start, start), before))


def _meeting(graph: Graph, ones: frozenset[int], others: frozenset[int]) -> list[_Pair]:
    """Pairs of positions that one byte leads to."""
    return [(one, other) for one in ones for other in others if graph.members[one] & graph.members[other]]


def _reached(start: _Pair, edges: dict[_Pair, list[_Pair]]) -> set[_Pair]:
    seen = {start}
    pending = [start]
    while pending:
        for each in edges.get(pending.pop(), ()):
            if each not in seen:
                seen.add(each)
                pending.append(each)
    return seen


def _most_together(graph: Graph, loops: list[frozenset[int]]) -> int:
    """The longest row of repetitions one behind the other that one text could be shared out among."""
    bytes_of = [_union(graph, loop) for loop in loops]
    longest = [1] * len(loops)
    for late in range(len(loops)):
        for early in range(late):
            common = bytes_of[early] & bytes_of[late]
            if common and longest[early] >= longest[late] and _leads(graph, loops[early], loops[late], common):
                longest[late] = longest[early] + 1
        if longest[late] >= _ENOUGH_LOOPS:
            return longest[late]
    return max(longest, default=0)


def _union(graph: Graph, loop: frozenset[int]) -> int:
    members = 0
    for each in loop:
        members |= graph.members[each]
    return members


def _leads(graph: Graph, early: frozenset[int], late: frozenset[int], common: int) -> bool:
    """Whether a text of these bytes alone leads from one repetition to the other."""
    seen = set(early)
    pending = list(early)
    while pending:
        for each in graph.after[pending.pop()]:
            if each in late:
                return True
            if each not in seen and graph.members[each] & common:
                seen.add(each)
                pending.append(each)
    return False
