# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions of ``regexp:`` and ``pcre:`` tables, matched as bytes."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Version
from ansible_collections.postern.mail.plugins.plugin_utils._policy.regex_machine import Program, TooComplex
from ansible_collections.postern.mail.plugins.plugin_utils._policy.regex_pcre import MODERN, PcreParser, Unsupported
from ansible_collections.postern.mail.plugins.plugin_utils._policy.regex_posix import PosixParser
from ansible_collections.postern.mail.plugins.plugin_utils._policy.regex_tree import (
    Choice,
    Look,
    Node,
    Repeat,
    python_text,
    walk,
)

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
    """

    groups: int
    pattern: re.Pattern[str] | None = None
    program: Program | None = None
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
        if self.program is None:
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
    raw = as_bytes(text)
    parser: PosixParser | PcreParser
    if dialect.syntax is Syntax.POSIX:
        parser = PosixParser(raw, ignore_case="i" in options, newline="m" in options, extended="x" not in options)
    else:
        parser = PcreParser(raw, options, modern=dialect.version >= MODERN)
    try:
        tree = parser.parse()
        # POSIX wants the longest match, which Python does not give where there are alternatives.
        longest = captures and dialect.syntax is Syntax.POSIX and any(isinstance(node, Choice) for node in walk(tree))
        shape = Expression(parser.groups, None, None, longest, "A" in options, text, dialect.assume)
        return _compiled(tree, shape)
    except (Unsupported, TooComplex, RecursionError) as problem:
        dialect.assume(f"the expression {text} cannot be evaluated ({problem}): taken as no match.")
        return Expression(groups=1000)


def _compiled(tree: Node, shape: Expression) -> Expression:
    if not shape.longest and not _is_risky(tree):
        pattern = _python(tree)
        if pattern is not None and pattern.groups == shape.groups:
            return replace(shape, pattern=pattern)
    return replace(shape, program=Program.of(tree, shape.groups))


def _is_risky(tree: Node) -> bool:
    """Whether backtracking could take long: repetitions or choices within repetitions, or many repetitions."""
    unlimited = [node for node in walk(tree) if isinstance(node, Repeat) and (node.most is None or node.most > MANY)]
    if len(unlimited) > MANY:
        return True
    inner = (node for outer in unlimited for node in walk(outer.body))
    return any(isinstance(node, Choice | Look | Repeat) for node in inner)


def _python(tree: Node) -> re.Pattern[str] | None:
    """:return: None where Python does not have it, such as lookbehind of varying length"""
    try:
        return re.compile(python_text(tree), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None
