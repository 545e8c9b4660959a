# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of rules, tried from top to bottom: ``regexp:``, ``pcre:`` and ``cidr:`` (util/dict_regexp.c and friends)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regexes import (
    Dialect,
    Expression,
    Syntax,
    compile_expression,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Version
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    SPACE,
    SyntaxProblem,
    is_all_digits,
    is_alphanumeric,
    logical_lines,
)

Piece = str | int
"""Literal text of a result, or the number of a group whose text stands there."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A pattern with its ``!``.

    :param found: key -> whole match and groups, None when the pattern does not match
    """

    found: Callable[[str], tuple[str, ...] | None]
    wanted: bool = True

    def holds(self, key: str) -> tuple[str, ...] | None:
        groups = self.found(key)
        if self.wanted:
            return groups
        return ("",) if groups is None else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line that Postfix accepted.

    :param kind: ``match``, ``if`` or ``endif``
    :param end: for ``if``: index of the rule of its ``endif``; None when there is none
    :param pattern: the line's pattern as written, for explanations
    """

    kind: str
    line: int
    conditions: tuple[Condition, ...] = ()
    result: tuple[Piece, ...] = ()
    end: int | None = None
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that Postfix ignores with a warning.

    :param line: from 1
    :param reason: in Postfix's words
    """

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A parsed table."""

    rules: tuple[Rule, ...]
    skipped: tuple[Skipped, ...] = ()

    def lookup(self, key: str) -> str | None:
        """:return: result of the first rule that matches"""
        position = 0
        while position < len(self.rules):
            rule = self.rules[position]
            groups = _groups(rule, key)
            if rule.kind == "if" and groups is None:
                if rule.end is None:
                    return None
                position = rule.end
            elif rule.kind == "match" and groups is not None:
                return "".join(piece if isinstance(piece, str) else groups[piece] for piece in rule.result)
            position += 1
        return None


def _groups(rule: Rule, key: str) -> tuple[str, ...] | None:
    """:return: groups of the first condition when all hold"""
    first: tuple[str, ...] | None = None
    for number, condition in enumerate(rule.conditions):
        groups = condition.holds(key)
        if groups is None:
            return None
        if number == 0:
            first = groups
    return first


def parse_cidr(text: str) -> Rules:
    """:param text: source of a ``cidr:`` table"""
    return _parse(text, _cidr_rule)


def parse_expressions(
    text: str,
    syntax: Syntax,
    *,
    substitution: bool = True,
    version: Version = (3, 10),
    assume: Callable[[str], None] = lambda what: None,
) -> Rules:
    """:param text: source of a ``regexp:`` or ``pcre:`` table

    :param substitution: ``$1`` is allowed in results
    :param assume: is told what of an expression could not be read as the library reads it
    """
    dialect = Dialect(syntax, version, assume)
    return _parse(text, lambda line, number, depth: _expression_rule(line, number, depth, dialect, substitution))


def _parse(text: str, rule_of: Callable[[str, int, int], Rule]) -> Rules:
    rules: list[Rule] = []
    skipped: list[Skipped] = []
    opened: list[int] = []
    for number, line in logical_lines(text):
        try:
            rule = rule_of(line.rstrip(SPACE), number, len(opened))
        except SyntaxProblem as problem:
            skipped.append(Skipped(number, line, str(problem)))
            continue
        if rule.kind == "if":
            opened.append(len(rules))
        elif rule.kind == "endif":
            start = opened.pop()
            begin = rules[start]
            rules[start] = Rule("if", begin.line, begin.conditions, end=len(rules), pattern=begin.pattern)
        rules.append(rule)
    skipped.extend(Skipped(rules[start].line, "IF", "IF has no matching ENDIF") for start in reversed(opened))
    return Rules(tuple(rules), tuple(skipped))


def _keyword(line: str, word: str) -> str | None:
    """:return: text after the keyword, None when the line does not start with it"""
    if line[: len(word)].lower() == word and not is_alphanumeric(line[len(word) : len(word) + 1]):
        return line[len(word) :]
    return None


def _negation(text: str) -> tuple[bool, str]:
    """Take any number of ``!`` and spaces off the start."""
    rest = text.lstrip(SPACE + "!")
    return text[: len(text) - len(rest)].count("!") % 2 == 0, rest


def _cidr_condition(pattern: str, wanted: bool) -> Condition:
    network = Network.parse(pattern)

    def found(key: str) -> tuple[str, ...] | None:
        return ("",) if key in network else None

    def excluded(key: str) -> tuple[str, ...] | None:
        # "!" means an address of the same family outside the network, not any other key.
        return ("",) if network.outside(key) else None

    return Condition(found if wanted else excluded)


def _cidr_rule(line: str, number: int, depth: int) -> Rule:
    rest = _keyword(line, "if")
    if rest is not None:
        wanted, pattern = _negation(rest)
        if not pattern:
            raise SyntaxProblem("no address pattern")
        return Rule("if", number, (_cidr_condition(pattern, wanted),), pattern=pattern)
    rest = _keyword(line, "endif")
    if rest is not None:
        if rest.strip(SPACE):
            raise SyntaxProblem("garbage after ENDIF")
        if depth == 0:
            raise SyntaxProblem("ENDIF without IF")
        return Rule("endif", number, (_ALWAYS,))
    wanted, text = _negation(line)
    words = re.split(f"[{SPACE}]+", text, maxsplit=1)
    if not text:
        raise SyntaxProblem("no address pattern")
    condition = _cidr_condition(words[0], wanted)
    if len(words) == 1:
        raise SyntaxProblem("no lookup result")
    return Rule("match", number, (condition,), (words[1],), pattern=words[0])


_ALWAYS = Condition(lambda key: ("",))

DEFAULT_OPTIONS = {Syntax.POSIX: frozenset("i"), Syntax.PCRE: frozenset("is")}
OPTIONS = {Syntax.POSIX: frozenset("imx"), Syntax.PCRE: frozenset("imsxAEUX")}


def _expression_rule(line: str, number: int, depth: int, dialect: Dialect, substitution: bool) -> Rule:
    if not is_alphanumeric(line[0]):
        return _match_rule(line, number, dialect, substitution)
    rest = _keyword(line, "if")
    if rest is not None:
        # Text after the pattern is ignored with a warning.
        source = _source(rest.lstrip(SPACE), dialect.syntax)
        condition = Condition(source.compiled(dialect).search, source.wanted)
        return Rule("if", number, (condition,), pattern=source.written)
    if _keyword(line, "endif") is not None:
        if depth == 0:
            raise SyntaxProblem("ignoring ENDIF without matching IF")
        return Rule("endif", number, (_ALWAYS,))
    raise SyntaxProblem("ignoring unrecognized request")


def _match_rule(line: str, number: int, dialect: Dialect, substitution: bool) -> Rule:
    source = _source(line, dialect.syntax)
    rest = source.rest
    second: _Source | None = None
    if dialect.syntax is Syntax.POSIX and rest.startswith("!"):
        second = _source(rest, dialect.syntax)
        rest = second.rest
    result = tuple(replacement(rest.lstrip(SPACE)))
    highest = max((piece for piece in result if isinstance(piece, int)), default=0)
    if highest and not source.wanted:
        raise SyntaxProblem("$number found in negative match replacement text: skipping this rule")
    if highest and not substitution:
        raise SyntaxProblem("regular expression substitution is not allowed: skipping this rule")
    expression = source.compiled(dialect, captures=highest > 0)
    if highest > expression.groups:
        raise SyntaxProblem(f'out of range replacement index "{highest}": skipping this rule')
    conditions = [Condition(expression.search, source.wanted)]
    if second is not None:
        conditions.append(Condition(second.compiled(dialect).search, second.wanted))
    return Rule("match", number, tuple(conditions), result, pattern=source.written)


@dataclass(frozen=True, slots=True)
class _Source:
    """A pattern of a line, not compiled yet.

    :param written: with its delimiters
    :param rest: text after its options
    """

    text: str
    options: frozenset[str]
    wanted: bool
    written: str
    rest: str

    def compiled(self, dialect: Dialect, *, captures: bool = False) -> Expression:
        return compile_expression(self.text, dialect, self.options, captures=captures)


def _source(text: str, syntax: Syntax) -> _Source:
    wanted, text = _negation(text)
    if not text:
        raise SyntaxProblem("no regexp: skipping this rule")
    delimiter = text[0]
    end = 1
    while end < len(text) and text[end] != delimiter:
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise SyntaxProblem(f'no closing regexp delimiter "{delimiter}": skipping this rule')
    options = set(DEFAULT_OPTIONS[syntax])
    rest = text[end + 1 :]
    letters = "".join(itertools.takewhile(lambda c: c not in SPACE and (c != "!" or syntax is Syntax.PCRE), rest))
    for letter in letters:
        if letter not in OPTIONS[syntax]:
            raise SyntaxProblem(f'unknown regexp option "{letter}": skipping this rule')
        options ^= {letter}
    return _Source(text[1:end], frozenset(options), wanted, text[: end + 1], rest[len(letters) :])


def replacement(text: str) -> Iterator[Piece]:
    """Literal texts and group numbers of a result (util/mac_parse.c).

    :raises SyntaxProblem: a ``$`` without a number after it, or an unclosed parenthesis
    """
    literal: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character != "$":
            literal.append(character)
            position += 1
            continue
        if text[position + 1 : position + 2] == "$":
            literal.append("$")
            position += 2
            continue
        if literal:
            yield "".join(literal)
            literal = []
        name, position = _macro_name(text, position + 1)
        if not is_all_digits(name):
            raise SyntaxProblem(f'non-numeric replacement index "{name}"')
        if int(name) < 1:
            raise SyntaxProblem(f'out of range replacement index "{name}"')
        yield int(name)
    if literal:
        yield "".join(literal)


def _macro_name(text: str, start: int) -> tuple[str, int]:
    """:return: name after a ``$``, with or without parentheses, and where the text goes on"""
    opening = text[start : start + 1]
    if opening and opening in "({":
        closing = ")" if opening == "(" else "}"
        level = 1
        for position in range(start + 1, len(text)):
            level += (text[position] == opening) - (text[position] == closing)
            if level == 0:
                return text[start + 1 : position], position + 1
        raise SyntaxProblem(f'truncated macro reference: "{text}"')
    end = start
    while end < len(text) and (is_alphanumeric(text[end]) or text[end] == "_"):
        end += 1
    if end == start:
        raise SyntaxProblem(f'empty macro name: "{text}"')
    return text[start:end], end
