# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POSIX regular expressions as the C library of Debian compiles them (regex(7), glibc's regcomp.c).

Without regard to case glibc compares upper-case letters, with the surprise that an escaped lower-case letter such as
``\\d`` then never matches.
"""

from __future__ import annotations

import string

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import (
    ALL_BYTES,
    NAMED_SETS,
    NEWLINE,
    SPACES,
    WORD,
    Again,
    At,
    Byte,
    Group,
    Node,
    Place,
    Repeat,
    any_case,
    byte_range,
    choice,
    sequence,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

REPEAT_LIMIT = 0x7FFF

_PLACES = {
    "b": Place.WORD_EDGE,
    "B": Place.NO_WORD_EDGE,
    "<": Place.WORD_START,
    ">": Place.WORD_END,
    "`": Place.START,
    "'": Place.END,
}
_SETS = {"w": WORD, "W": ALL_BYTES & ~WORD, "s": SPACES, "S": ALL_BYTES & ~SPACES}


class PosixParser:
    """One expression.

    :param ignore_case: REG_ICASE
    :param newline: REG_NEWLINE: lines are matched, not the whole text
    :param extended: REG_EXTENDED; else a basic expression, where ``\\(`` and ``\\{`` are special and ``(`` is not
    """

    def __init__(self, text: str, *, ignore_case: bool, newline: bool, extended: bool) -> None:
        self._text = text
        self._position = 0
        self._ignore_case = ignore_case
        self._newline = newline
        self._extended = extended
        self._complete: frozenset[int] = frozenset()
        self._depth = 0
        self.groups = 0

    def parse(self) -> Node:
        """:raises SyntaxProblem: in the C library's words"""
        node = self._choice()
        if self._position < len(self._text):
            raise SyntaxProblem("Unmatched ( or \\(")
        return node

    def _operator(self) -> tuple[str, int]:
        """:return: the operator at this place and its length: the same names for both kinds of expressions"""
        character = self._text[self._position : self._position + 1]
        following = self._text[self._position + 1 : self._position + 2]
        if character == "\\":
            if not self._extended and following and following in "(){}+?|":
                return following, 2
            return "\\", 1
        if self._extended and character and character in "(){}+?|":
            return character, 1
        if character and character in "*[.^$":
            return character, 1
        return "", 1

    def _choice(self) -> Node:
        before = after = self._complete
        branches: list[Node] = []
        while True:
            # A branch may refer to groups before the choice and its own, not to those of other branches.
            self._complete = before
            branches.append(self._branch())
            after |= self._complete
            operator, length = self._operator()
            if operator != "|":
                break
            self._position += length
        self._complete = after
        return choice(branches)

    def _branch(self) -> Node:
        parts: list[Node] = []
        while self._position < len(self._text):
            operator, __ = self._operator()
            if operator == "|" or (operator == ")" and (self._depth or not self._extended)):
                break
            parts.append(self._piece(first=not parts))
        return sequence(parts)

    def _piece(self, *, first: bool) -> Node:
        node = self._atom(first=first)
        # An anchor takes no repetition: what follows it stands at a start.
        if isinstance(node, At) and self._extended:
            return node
        while self._position < len(self._text):
            operator, length = self._operator()
            if operator == "*" or (operator and operator in "+?"):
                self._position += length
                node = Repeat(node, int(operator == "+"), 1 if operator == "?" else None)
            elif operator == "{":
                self._position += length
                least, most = self._interval()
                node = Repeat(node, least, most)
            else:
                break
        return node

    def _atom(self, *, first: bool) -> Node:
        operator, length = self._operator()
        character = self._text[self._position]
        self._position += length
        if operator == "(":
            return self._group()
        if operator == ")" and not self._extended:
            raise SyntaxProblem("Unmatched ) or \\)")
        if operator == "[":
            return Byte(self._bracket())
        if operator == ".":
            return Byte(ALL_BYTES & ~NEWLINE & ~1 if self._newline else ALL_BYTES & ~1)
        if operator == "\\":
            return self._escape()
        if operator == "^" and (self._extended or first):
            return At(Place.LINE_START if self._newline else Place.START)
        if operator == "$" and (self._extended or self._at_end()):
            return At(Place.LINE_END if self._newline else Place.END)
        if operator and operator in "*+?{":
            return self._misplaced(operator, first=first)
        return self._literal(character)

    def _misplaced(self, operator: str, *, first: bool) -> Node:
        """A repetition without anything before it."""
        if self._extended or operator == "{":
            raise SyntaxProblem("Invalid preceding regular expression")
        return self._literal(operator)

    def _at_end(self) -> bool:
        """Whether ``$`` of a basic expression is an anchor here."""
        rest = self._text[self._position :]
        return rest == "" or rest.startswith(("\\)", "\\|"))

    def _group(self) -> Node:
        self.groups += 1
        number = self.groups
        self._depth += 1
        node = self._choice()
        operator, length = self._operator()
        if operator != ")":
            raise SyntaxProblem("Unmatched ( or \\(")
        self._position += length
        self._depth -= 1
        self._complete |= {number}
        return Group(node, number)

    def _literal(self, character: str) -> Byte:
        members = 1 << ord(character)
        return Byte(any_case(members) if self._ignore_case else members)

    def _escape(self) -> Node:
        if self._position >= len(self._text):
            raise SyntaxProblem("Trailing backslash")
        character = self._text[self._position]
        self._position += 1
        if character in "123456789":
            if int(character) not in self._complete:
                raise SyntaxProblem("Invalid back reference")
            return Again(int(character), self._ignore_case)
        if character in _PLACES:
            return At(_PLACES[character])
        if character in _SETS:
            return Byte(_SETS[character])
        if self._ignore_case and character in string.ascii_lowercase:
            return Byte(0)
        return self._literal(character)

    def _interval(self) -> tuple[int, int | None]:
        least = self._number()
        most: int | None = least
        if self._text[self._position : self._position + 1] == ",":
            self._position += 1
            most = self._number()
            least = 0 if least is None else least
        operator, length = self._operator()
        if self._position >= len(self._text):
            raise SyntaxProblem("Unmatched \\{")
        if operator != "}" or least is None or (most is not None and most < least):
            raise SyntaxProblem("Invalid content of \\{\\}")
        if max(least, most or 0) > REPEAT_LIMIT:
            raise SyntaxProblem("Regular expression too big")
        self._position += length
        return least, most

    def _number(self) -> int | None:
        start = self._position
        while self._text[self._position : self._position + 1].isdigit():
            self._position += 1
        return int(self._text[start : self._position]) if self._position > start else None

    def _bracket(self) -> int:
        negative = self._text[self._position : self._position + 1] == "^"
        self._position += negative
        members = 0
        first = True
        while True:
            if self._position >= len(self._text):
                raise SyntaxProblem("Unmatched [, [^, [:, [., or [=")
            if self._text[self._position] == "]" and not first:
                self._position += 1
                break
            members |= self._bracket_item(first=first)
            first = False
        if self._ignore_case:
            # The members stand for upper-case letters, as the text does.
            lower = byte_range(ord("a"), ord("z"))
            members = members & ~lower | (members & byte_range(ord("A"), ord("Z"))) << 32
        if negative:
            members = ALL_BYTES & ~members & (~NEWLINE if self._newline else ALL_BYTES)
        return members & ~1

    def _bracket_item(self, *, first: bool) -> int:
        named = self._named_set()
        if named is not None:
            return named
        if self._text.startswith("-", self._position) and not first and not self._text.startswith("-]", self._position):
            raise SyntaxProblem("Invalid range end")
        start = self._bracket_character()
        rest = self._text[self._position :]
        if not rest.startswith("-") or rest.startswith("-]") or rest == "-":
            return 1 << start
        self._position += 1
        if self._text.startswith(("[:", "[="), self._position):
            raise SyntaxProblem("Invalid range end")
        end = self._bracket_character()
        if end < start:
            raise SyntaxProblem("Invalid range end")
        return byte_range(start, end)

    def _bracket_character(self) -> int:
        """A character, or ``[.x.]``. A backslash is a character like any other here."""
        if self._text.startswith("[.", self._position):
            return ord(self._enclosed("."))
        character = self._text[self._position]
        self._position += 1
        return ord(character.upper() if self._ignore_case and character in string.ascii_lowercase else character)

    def _named_set(self) -> int | None:
        if self._text.startswith("[=", self._position):
            return 1 << ord(self._enclosed("="))
        if not self._text.startswith("[:", self._position):
            return None
        end = self._text.find(":]", self._position + 2)
        if end < 0:
            raise SyntaxProblem("Unmatched [, [^, [:, [., or [=")
        name = self._text[self._position + 2 : end]
        if name not in NAMED_SETS:
            raise SyntaxProblem("Invalid character class name")
        self._position = end + 2
        return NAMED_SETS["alpha" if self._ignore_case and name in ("upper", "lower") else name]

    def _enclosed(self, mark: str) -> str:
        end = self._text.find(f"{mark}]", self._position + 2)
        content = self._text[self._position + 2 : end]
        if end < 0 or len(content) != 1:
            raise SyntaxProblem("Invalid collation character")
        self._position = end + 2
        return content
