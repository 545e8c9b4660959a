# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions of ``regexp:`` and ``pcre:`` tables, matched as bytes."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lexical import SyntaxProblem
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Version


class Syntax(enum.Enum):
    """Which language an expression is written in."""

    POSIX = "regexp"
    PCRE = "pcre"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A language as one Postfix knows it.

    :param assume: is told what of an expression could not be read as the library reads it
    """

    syntax: Syntax
    version: Version = (3, 10)
    assume: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    :param groups: number of its parentheses that capture
    """

    compiled: re.Pattern[str]
    groups: int
    anchored: bool = False

    def search(self, subject: str) -> tuple[str, ...] | None:
        """:return: the whole match and its groups, the empty text for a group without match; None: no match"""
        text = as_bytes(subject)
        found = self.compiled.match(text) if self.anchored else self.compiled.search(text)
        if found is None:
            return None
        return tuple(from_bytes(part or "") for part in (found.group(0), *found.groups()))


def as_bytes(text: str) -> str:
    """:return: one character for each byte of the UTF-8 form: both libraries look at bytes"""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def from_bytes(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def compile_expression(text: str, dialect: Dialect, options: frozenset[str]) -> Expression:
    """:param options: letters after the closing delimiter that are on, after toggling (``i`` is on by default)

    :raises SyntaxProblem: the expression is not valid in its language; such a rule is skipped
    """
    syntax = dialect.syntax
    flags = re.ASCII
    flags |= re.IGNORECASE if "i" in options else 0
    flags |= re.MULTILINE if "m" in options else 0
    flags |= re.VERBOSE if syntax is Syntax.PCRE and "x" in options else 0
    flags |= re.DOTALL if syntax is Syntax.POSIX or "s" in options else 0
    try:
        compiled = re.compile(as_bytes(text), flags)
    except re.error as problem:
        raise SyntaxProblem(str(problem)) from problem
    return Expression(compiled, compiled.groups, anchored="A" in options)
