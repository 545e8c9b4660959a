# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Matching that cannot run away: every place of the expression meets every place of the text at most once.

Used where Python's ``re`` might take exponential time, or does not have the feature. The first match in order of
preference wins, as in PCRE, or the longest, as in POSIX.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import (
    WORD,
    Again,
    At,
    Atomic,
    Byte,
    Choice,
    Group,
    Look,
    Node,
    Place,
    Repeat,
    Sequence,
)

PROGRAM_LIMIT = 20_000
"""Longest program; ``(x{1000}){1000}`` would be longer."""

STEP_LIMIT = 200_000
"""Steps for one text; only expressions with back references come near it."""

Spans = tuple[int, ...]
"""Start and end of the whole match and of each group, -1 where there is none."""


class TooComplex(Exception):
    """The expression or its evaluation exceeds the limits."""


class _Op(enum.Enum):
    BYTE = enum.auto()
    SPLIT = enum.auto()  # try first, then second
    JUMP = enum.auto()
    SAVE = enum.auto()
    PLACE = enum.auto()
    LOOK = enum.auto()
    ATOMIC = enum.auto()
    AGAIN = enum.auto()
    MATCH = enum.auto()


@dataclass(slots=True)
class _Step:
    op: _Op
    first: int = 0
    second: int = 0
    place: Place = Place.START
    program: Program | None = None
    flag: bool = False
    behind: bool = False


@dataclass(slots=True)
class Program:
    """A compiled expression."""

    groups: int
    steps: list[_Step] = field(default_factory=list)
    refers_back: bool = False

    @classmethod
    def of(cls, node: Node, groups: int) -> Program:
        """:raises TooComplex: the program would be too long"""
        program = cls(groups)
        program._compile(node)
        program._add(_Step(_Op.MATCH))
        return program

    def _add(self, step: _Step) -> int:
        if len(self.steps) >= PROGRAM_LIMIT:
            raise TooComplex("expression too long")
        self.steps.append(step)
        return len(self.steps) - 1

    def _compile(self, node: Node) -> None:
        match node:
            case Byte(members):
                self._add(_Step(_Op.BYTE, members))
            case At(place):
                self._add(_Step(_Op.PLACE, place=place))
            case Sequence(parts):
                for part in parts:
                    self._compile(part)
            case Choice(branches):
                self._choice(branches)
            case Repeat():
                self._repeat(node)
            case Group(body, number):
                self._add(_Step(_Op.SAVE, 2 * number))
                self._compile(body)
                self._add(_Step(_Op.SAVE, 2 * number + 1))
            case Atomic(body):
                self._inner(_Step(_Op.ATOMIC), body)
            case Look(body, behind, negative):
                self._inner(_Step(_Op.LOOK, flag=negative, behind=behind), body)
            case Again(number, both):
                self.refers_back = True
                self._add(_Step(_Op.AGAIN, number, flag=both))

    def _inner(self, step: _Step, body: Node) -> None:
        step.program = Program.of(body, self.groups)
        # What an inner program finds depends on the groups so far only when it refers to them.
        self.refers_back = self.refers_back or step.program.refers_back
        self._add(step)

    def _choice(self, branches: tuple[Node, ...]) -> None:
        ends: list[int] = []
        for branch in branches[:-1]:
            split = self._add(_Step(_Op.SPLIT))
            self.steps[split].first = len(self.steps)
            self._compile(branch)
            ends.append(self._add(_Step(_Op.JUMP)))
            self.steps[split].second = len(self.steps)
        self._compile(branches[-1])
        for end in ends:
            self.steps[end].first = len(self.steps)

    def _repeat(self, node: Repeat) -> None:
        for __ in range(node.least):
            self._compile(node.body)
        if node.most is None:
            split = self._add(_Step(_Op.SPLIT))
            self._compile(node.body)
            self._add(_Step(_Op.JUMP, split))
            self._branch(split, len(self.steps), greedy=node.greedy)
            return
        splits: list[int] = []
        for __ in range(node.most - node.least):
            splits.append(self._add(_Step(_Op.SPLIT)))
            self._compile(node.body)
        for split in splits:
            self._branch(split, len(self.steps), greedy=node.greedy)

    def _branch(self, split: int, after: int, *, greedy: bool) -> None:
        step = self.steps[split]
        step.first, step.second = (split + 1, after) if greedy else (after, split + 1)

    def search(self, text: str, *, longest: bool = False, anchored: bool = False) -> Spans | None:
        """:param text: one character a byte

        :param longest: of matches at the same place the longest counts
        :raises TooComplex: too many steps
        """
        run = _Run(self, text)
        empty = (-1,) * (2 * self.groups + 2)
        for start in range(1 if anchored else len(text) + 1):
            found = run.match(start, (start, *empty[1:]), longest=longest)
            if found is not None:
                return found
        return None


class _Run:
    """One search: what failed once at a place of the text need not be tried again."""

    def __init__(self, program: Program, text: str, budget: list[int] | None = None) -> None:
        self._program = program
        self._text = text
        self._seen: set[int] = set()
        self._budget = [STEP_LIMIT] if budget is None else budget

    def match(self, start: int, spans: Spans, *, longest: bool = False, end: int | None = None) -> Spans | None:
        """:param end: the match has to end there"""
        best: Spans | None = None
        pending = [(0, start, spans)]
        width = len(self._text) + 1
        remember = not self._program.refers_back
        while pending:
            at, position, spans = pending.pop()
            self._budget[0] -= 1
            if self._budget[0] < 0:
                raise TooComplex("too many steps")
            if remember:
                key = at * width + position
                if key in self._seen:
                    continue
                self._seen.add(key)
            step = self._program.steps[at]
            if step.op is _Op.MATCH:
                if end is not None and position != end:
                    continue
                found = (spans[0], position, *spans[2:])
                if not longest:
                    return found
                if best is None or position > best[1]:
                    best = found
            elif step.op is _Op.SPLIT:
                pending.append((step.second, position, spans))
                pending.append((step.first, position, spans))
            else:
                following = self._advance(step, at, position, spans)
                if following is not None:
                    pending.append(following)
        return best

    def _advance(self, step: _Step, at: int, position: int, spans: Spans) -> tuple[int, int, Spans] | None:
        match step.op:
            case _Op.BYTE:
                fits = position < len(self._text) and step.first >> ord(self._text[position]) & 1
                return (at + 1, position + 1, spans) if fits else None
            case _Op.JUMP:
                return step.first, position, spans
            case _Op.SAVE:
                return at + 1, position, (*spans[: step.first], position, *spans[step.first + 1 :])
            case _Op.PLACE:
                return (at + 1, position, spans) if self._is_at(step.place, position) else None
            case _Op.AGAIN:
                return self._again(step, at, position, spans)
            case _:
                return self._inner(step, at, position, spans)

    def _again(self, step: _Step, at: int, position: int, spans: Spans) -> tuple[int, int, Spans] | None:
        start, end = spans[2 * step.first], spans[2 * step.first + 1]
        if start < 0 or end < 0:
            return None
        wanted, found = self._text[start:end], self._text[position : position + end - start]
        same = wanted.lower() == found.lower() if step.flag else wanted == found
        return (at + 1, position + end - start, spans) if same else None

    def _inner(self, step: _Step, at: int, position: int, spans: Spans) -> tuple[int, int, Spans] | None:
        if step.program is None:
            raise AssertionError("a step of this kind has a program")
        found: Spans | None = None
        starts = range(position, -1, -1) if step.behind else (position,)
        for start in starts:
            run = _Run(step.program, self._text, self._budget)
            found = run.match(start, spans, end=position if step.behind else None)
            if found is not None:
                break
        if step.op is _Op.LOOK:
            if (found is None) != step.flag:
                return None
            kept = spans if found is None or step.flag else (*spans[:2], *found[2:])
            return at + 1, position, kept
        return None if found is None else (at + 1, found[1], (*spans[:2], *found[2:]))

    def _is_at(self, place: Place, position: int) -> bool:
        text = self._text
        match place:
            case Place.START:
                return position == 0
            case Place.END:
                return position == len(text)
            case Place.END_OR_NEWLINE:
                return position == len(text) or (position == len(text) - 1 and text[position] == "\n")
            case Place.LINE_START:
                return position == 0 or text[position - 1] == "\n"
            case Place.LINE_END:
                return position == len(text) or text[position] == "\n"
        before = position > 0 and bool(WORD >> ord(text[position - 1]) & 1)
        after = position < len(text) and bool(WORD >> ord(text[position]) & 1)
        match place:
            case Place.WORD_EDGE:
                return before != after
            case Place.NO_WORD_EDGE:
                return before == after
            case Place.WORD_START:
                return after and not before
            case _:
                return before and not after
