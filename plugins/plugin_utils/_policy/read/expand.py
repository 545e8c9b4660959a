# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Macros in values of main.cf: ``$name``, ``${name?text}``, ``${{a} == {b} ? {x} : {y}}``.

The grammar is that of postconf(5) and of Postfix's mac_parse and mac_expand; what Postfix calls a macro error ends
every daemon that reads the parameter.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError

Lookup = Callable[[str], str | None]
"""Parameter name -> its value before expansion; None where it is not defined."""

# mac_expand.c counts levels and gives up after the hundredth; relational operands start a count of their own.
_MOST_LEVELS = 101
# Where Postfix would run out of stack or memory, we say so: values of the real world nest a handful of levels.
_MOST_OPERANDS = 8
_DEEPEST_NAMES = 10
_MOST_PIECES = 200_000
_MOST_CHARACTERS = 4_000_000
_BLANKS = " \t\r\n"
_OPERATOR_CHARACTERS = frozenset("<>!=?+-*/~&|%")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}
_LARGEST_LONG = 2**63 - 1
_CALL = re.compile(r"([A-Za-z0-9_]*)[ \t\r\n]*\{")
_LEVEL = re.compile(r"{0}(?:\.{0}(?:\.{0})?)?".format(r"[ \t\n\v\f\r]*([-+]?[0-9]{1,30})"))


class MacroError(PolicyError):
    """A macro that Postfix cannot read: fatal for every daemon that reads the parameter."""


def expand(text: str, lookup: Lookup, *, functions: bool = False) -> str:
    """The text with all its macros replaced, those in their values too. A name without a value counts as empty.

    :param functions: know ``${domain_to_ascii{...}}`` and ``${domain_to_utf8{...}}``, as Postfix does since 3.11
    :raises MacroError: unbalanced or empty macro, bad name or operator, a value that contains itself
    """
    if "$" not in text:
        return text
    try:
        return _Expansion(lookup, _Budget(functions)).run(text, level=0)
    except RecursionError:
        raise MacroError(f'unreasonable macro call nesting: "{text[:60]}"') from None


def names(text: str) -> frozenset[str]:
    """Names that the text's macros mention, nested ones too; as many as can be told where a macro is wrong."""
    found: set[str] = set()

    def note(name: str) -> str | None:
        found.add(name)
        return None

    waiting = [(text, 0)]
    while waiting:
        value, level = waiting.pop()
        try:
            pieces = _parse(value)
        except MacroError:
            continue
        for is_macro, piece in pieces:
            if is_macro and level < _DEEPEST_NAMES:
                waiting.extend((branch, level + 1) for branch in _branches(piece, note))
    return frozenset(found)


def _branches(piece: str, note: Lookup) -> list[str]:
    """All texts of a macro that may hold further macros; its name goes to note."""
    rest = piece.lstrip(_BLANKS)
    parts: list[str] = []
    try:
        if rest.startswith("{"):
            left, rest = _braces(rest)
            rest = rest.lstrip("".join(_OPERATOR_CHARACTERS) + "level")
            right, rest = _braces(rest.lstrip(_BLANKS))
            parts += [left, right]
        else:
            name, _mark, rest = _name(rest)
            note(name)
        parts.append(rest)
    except MacroError:
        pass
    return parts


def _is_name(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _parse(value: str) -> list[tuple[bool, str]]:
    """Literal texts (False) and insides of macros (True), in order."""
    pieces: list[tuple[bool, str]] = []
    literal: list[str] = []
    at = 0
    while at < len(value):
        dollar = value.find("$", at)
        if dollar < 0:
            literal.append(value[at:])
            break
        literal.append(value[at:dollar])
        if value.startswith("$$", dollar):
            literal.append("$")
            at = dollar + 2
            continue
        if any(literal):
            pieces.append((False, "".join(literal)))
        literal = []
        inside, at = _macro(value, dollar + 1)
        pieces.append((True, inside))
    if any(literal):
        pieces.append((False, "".join(literal)))
    return pieces


def _macro(value: str, at: int) -> tuple[str, int]:
    """Inside of the macro whose ``$`` stands before, and the offset after it."""
    if value[at : at + 1] in ("{", "("):
        end = _closing(value, at, value[at])
        if end < 0:
            raise MacroError(f'truncated macro reference: "{value}"')
        inside, after = value[at + 1 : end], end + 1
    else:
        after = at
        while after < len(value) and _is_name(value[after]):
            after += 1
        inside = value[at:after]
    if not inside:
        raise MacroError(f'empty macro name: "{value}"')
    return inside, after


_BRACKETS = {"{": re.compile("[{}]"), "(": re.compile("[()]")}


def _closing(value: str, at: int, opening: str) -> int:
    """Offset of what closes the bracket at ``at``, or -1."""
    level = 0
    for match in _BRACKETS[opening].finditer(value, at):
        level += 1 if match.group() == opening else -1
        if level == 0:
            return match.start()
    return -1


def _braces(text: str) -> tuple[str, str]:
    """Inside of the braces that the text begins with, and what follows them and the blanks after them."""
    end = _closing(text, 0, "{") if text.startswith("{") else -1
    if end < 0:
        raise MacroError(f'unbalanced {{}} in attribute expression: "{text}"')
    return text[1:end], text[end + 1 :].lstrip(_BLANKS)


def _name(text: str) -> tuple[str, str, str]:
    """Name, ``?`` or ``:`` or nothing, and what follows that."""
    at = 0
    while at < len(text) and _is_name(text[at]):
        at += 1
    rest = text[at:].lstrip(_BLANKS)
    if rest and rest[0] not in "?:":
        raise MacroError(f'attribute name syntax error at: "...{text[:at]}>>>{text[at : at + 20]}"')
    return text[:at], rest[:1], rest[1:]


def compatibility_level(text: str) -> int:
    """Comparable number of ``major[.minor[.patch]]``, after compat_level.c.

    :raises MacroError: it has not that form
    """
    match = _LEVEL.fullmatch(text)
    major, minor, patch = (int(part or 0) for part in match.groups()) if match else (-1, 0, 0)
    if major < 0 or not all(0 <= part <= 1023 for part in (minor, patch)) or major > _LARGEST_LONG >> 20:
        raise MacroError(f'malformed compatibility level syntax: "{text}"')
    return (major << 20) + (minor << 10) + patch


def _difference(left: str, right: str) -> int:
    """Less than, equal to or greater than 0: numbers by value, everything else by its bytes."""
    if _all_digits(left) and _all_digits(right):
        numbers = int(left), int(right)
        if max(numbers) > _LARGEST_LONG:
            raise MacroError(f"bad conversion: {max(left, right, key=len)}")
        return numbers[0] - numbers[1]
    first, second = left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
    return (first > second) - (first < second)


def _all_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 100


class _Budget:
    """What one expansion may cost altogether: values that refer to each other twice grow without end.

    :ivar functions: whether this Postfix has functions
    """

    def __init__(self, functions: bool) -> None:
        self.functions = functions
        self._pieces = 0
        self._characters = 0

    def spend(self, text: str) -> None:
        self._pieces += 1
        self._characters += len(text)
        if self._pieces > _MOST_PIECES or self._characters > _MOST_CHARACTERS:
            raise MacroError(f'value grows beyond all bounds: "{text[:60]}"')


class _Expansion:
    """One call of mac_expand.

    :param operands: how many relational operands this one stands in
    """

    def __init__(self, lookup: Lookup, budget: _Budget, operands: int = 0) -> None:
        self._lookup = lookup
        self._operands = operands
        self._budget = budget

    def run(self, text: str, level: int) -> str:
        self._budget.spend(text)
        return "".join([self._piece(is_macro, piece, level) for is_macro, piece in _parse(text)])

    def _piece(self, is_macro: bool, piece: str, level: int) -> str:
        self._budget.spend(piece)
        if level >= _MOST_LEVELS:
            raise MacroError(f'unreasonable macro call nesting: "{piece[:60]}"')
        return self._value(piece, level + 1) if is_macro else piece

    def _value(self, piece: str, level: int) -> str:
        rest = piece.lstrip(_BLANKS)
        found: str | None
        if rest.startswith("{"):
            holds, rest = self._relation(rest)
            found = "true" if holds else ""
            if rest and rest[0] not in "?:":
                raise MacroError(f'"?" or ":" expected at: "...}}>>>{rest[:20]}"')
            mark, rest = rest[:1], rest[1:]
        else:
            called = _CALL.match(rest) if self._budget.functions else None
            if called:
                return self._call(called[1], rest[called.end() - 1 :])
            name, mark, rest = _name(rest)
            found = self._lookup(name)
        if not mark:
            return self.run(found, level) if found else ""
        return self._choice(bool(found), mark, rest, level)

    def _call(self, name: str, text: str) -> str:
        """Result of ``name{argument}``; the text begins with the brace."""
        argument, rest = _braces(text)
        if rest:
            raise MacroError(f'unexpected input at: "...{argument}}}>>>{rest[:20]}"')
        if name not in ("domain_to_ascii", "domain_to_utf8"):
            raise MacroError(f'unknown function "{name}" at"...>>>{name}{{{argument.strip(_BLANKS)}}}"')
        domain = self._evaluated(argument.strip(_BLANKS))
        if domain.isascii() == (name == "domain_to_ascii"):
            return domain
        try:
            return domain.encode("idna").decode() if name == "domain_to_ascii" else domain.encode().decode("idna")
        except UnicodeError:
            raise MacroError(f"bad domain argument in: '{name}{{{domain}}}'") from None

    def _choice(self, holds: bool, mark: str, rest: str, level: int) -> str:
        """What stands for ``?true``, ``?{true}:{false}`` or ``:false``."""
        result = ""
        if mark == "?":
            chosen, rest = self._operand(rest)
            if holds:
                result = self.run(chosen, level)
            if not rest:
                return result
            if not rest.startswith(":"):
                raise MacroError(f'":" expected at: "...{chosen}}}>>>{rest[:20]}"')
            rest = rest[1:]
        chosen, rest = self._operand(rest)
        if not holds:
            result = self.run(chosen, level)
        if rest:
            raise MacroError(f'unexpected input at: "...{chosen}}}>>>{rest[:20]}"')
        return result

    @staticmethod
    def _operand(text: str) -> tuple[str, str]:
        """Text in braces and what follows, or all of the text."""
        stripped = text.lstrip(_BLANKS)
        return _braces(stripped) if stripped.startswith("{") else (text, "")

    def _relation(self, text: str) -> tuple[bool, str]:
        """Whether ``{a} <op> {b}`` holds, and what follows it."""
        left, rest = _braces(text)
        length = 0
        while length < len(rest) and rest[length] in _OPERATOR_CHARACTERS:
            length += 1
        compare = _COMPARE.get(rest[:length])
        if compare is None:
            raise MacroError(f'"==" or "!=" or "<" or "<=" or ">=" or ">" expected at: "...{left}}}>>>{rest[:20]}"')
        suffix = ""
        rest = rest[length:]
        while len(suffix) < len(rest) and rest[len(suffix)].isascii() and rest[len(suffix)].isalnum():
            suffix = rest[: len(suffix) + 1]
        if suffix not in ("", "level"):
            raise MacroError(f'bad operator suffix at: "...>>>{suffix}"')
        rest = rest[len(suffix) :].lstrip(_BLANKS)
        if not rest.startswith("{"):
            raise MacroError(f'"{{expression}}" expected at: "...{{{left}}} >>>{rest[:20]}"')
        right, rest = _braces(rest)
        operands = self._evaluated(left), self._evaluated(right)
        if suffix == "level":
            return compare(compatibility_level(operands[0]), compatibility_level(operands[1])), rest
        return compare(_difference(*operands), 0), rest

    def _evaluated(self, text: str) -> str:
        if self._operands >= _MOST_OPERANDS:
            raise MacroError(f'unreasonable macro call nesting: "{text[:60]}"')
        return _Expansion(self._lookup, self._budget, self._operands + 1).run(text, level=0)
