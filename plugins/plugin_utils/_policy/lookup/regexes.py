# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions of ``regexp:`` and ``pcre:`` tables, matched as bytes."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_machine import Program, TooComplex
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_pcre import (
    MODERN,
    PcreParser,
    Unsupported,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_posix import PosixParser
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import (
    At,
    Byte,
    Choice,
    Group,
    Node,
    Repeat,
    Sequence,
    python_text,
    walk,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Version

MANY = 3
"""Unlimited repetitions in one expression beyond which Python's ``re`` may become slow."""


class Syntax(enum.Enum):
    """Which language an expression is written in."""

    POSIX = "regexp"
    PCRE = "pcre"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A language as one Postfix knows it.

    :param assume: is told what of an expression cannot be evaluated as the library does it
    """

    syntax: Syntax
    version: Version = (3, 10)
    assume: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    :param groups: number of its parentheses that capture
    :param pattern: for Python's ``re``, or None
    :param program: where Python's ``re`` is not good enough, or None
    :param needed: what every match of the program contains: a quick test
    """

    groups: int
    pattern: re.Pattern[str] | None = None
    program: Program | None = None
    needed: re.Pattern[str] | None = None
    longest: bool = False
    anchored: bool = False
    text: str = ""
    assume: Callable[[str], None] = lambda what: None

    def search(self, subject: str) -> tuple[str, ...] | None:
        """:return: the whole match and its groups, the empty text for a group without match; None: no match"""
        text = as_bytes(subject)
        if self.pattern is not None:
            found = self.pattern.match(text) if self.anchored else self.pattern.search(text)
            if found is None:
                return None
            return tuple(from_bytes(part or "") for part in (found.group(0), *found.groups()))
        if self.program is None or (self.needed is not None and self.needed.search(text) is None):
            return None
        try:
            spans = self.program.search(text, longest=self.longest, anchored=self.anchored)
        except TooComplex:
            self.assume(f"the expression {self.text} takes too many steps: taken as no match.")
            return None
        if spans is None:
            return None
        return tuple(
            from_bytes(text[start:end]) if start >= 0 and end >= 0 else ""
            for start, end in zip(spans[::2], spans[1::2], strict=True)
        )


def as_bytes(text: str) -> str:
    """:return: one character for each byte of the UTF-8 form: both libraries look at bytes"""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def from_bytes(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def compile_expression(text: str, dialect: Dialect, options: frozenset[str], *, captures: bool = True) -> Expression:
    """:param options: letters after the closing delimiter that are on, after toggling (``i`` is on by default)

    :param captures: what the groups matched will be asked for

    :raises SyntaxProblem: the expression is not valid in its language; such a rule is skipped
    """
    expression, problem = _read(text, dialect.syntax, options, captures=captures, modern=dialect.version >= MODERN)
    if problem:
        dialect.assume(f"the expression {text} cannot be evaluated ({problem}): taken as no match.")
    return replace(expression, assume=dialect.assume)


@lru_cache(maxsize=4096)
def _read(
    text: str, syntax: Syntax, options: frozenset[str], *, captures: bool, modern: bool
) -> tuple[Expression, str]:
    """:return: the expression, and why it cannot be evaluated"""
    raw = as_bytes(text)
    parser: PosixParser | PcreParser
    if syntax is Syntax.POSIX:
        parser = PosixParser(raw, ignore_case="i" in options, newline="m" in options, extended="x" not in options)
    else:
        parser = PcreParser(raw, options, modern=modern)
    try:
        tree = parser.parse()
        # POSIX wants the longest match, which Python does not give where there are alternatives.
        longest = captures and syntax is Syntax.POSIX and any(isinstance(node, Choice) for node in walk(tree))
        shape = Expression(parser.groups, longest=longest, anchored="A" in options, text=text)
        return _compiled(tree, shape), ""
    except (Unsupported, TooComplex, RecursionError) as problem:
        return Expression(groups=1000), str(problem) or "too deep"


def _compiled(tree: Node, shape: Expression) -> Expression:
    if not shape.longest and not _is_risky(tree):
        pattern = _python(tree)
        if pattern is not None and pattern.groups == shape.groups:
            return replace(shape, pattern=pattern)
    return replace(shape, program=Program.of(tree, shape.groups), needed=_needed(tree))


def _needed(tree: Node) -> re.Pattern[str] | None:
    """The longest run of bytes that every match contains one after the other."""
    best: tuple[Node, ...] = ()
    run: tuple[Node, ...] = ()
    for part in tree.parts if isinstance(tree, Sequence) else (tree,):
        run = (*run, part) if isinstance(part, Byte) else ()
        best = max(best, run, key=len)
    return _python(Sequence(best)) if best else None


def _is_risky(tree: Node) -> bool:
    """Whether backtracking could take long: repetitions or choices within repetitions, or many repetitions."""
    unlimited = [node for node in walk(tree) if isinstance(node, Repeat) and (node.most is None or node.most > MANY)]
    if len(unlimited) > MANY:
        return True
    return any(not _is_plain(outer.body) for outer in unlimited)


def _is_plain(body: Node) -> bool:
    """Whether a text can be cut into repetitions of a body in one way only."""
    while isinstance(body, Group):
        body = body.body
    parts = body.parts if isinstance(body, Sequence) else (body,)
    for place, part in enumerate(parts):
        if isinstance(part, Repeat):
            following = parts[(place + 1) % len(parts)]
            if not (isinstance(part.body, Byte) and isinstance(following, Byte)):
                return False
            if part.body.members & following.members:
                return False
        elif not isinstance(part, Byte | At):
            return False
    return True


def _python(tree: Node) -> re.Pattern[str] | None:
    """:return: None where Python does not have it, such as lookbehind of varying length"""
    try:
        return re.compile(python_text(tree), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None
