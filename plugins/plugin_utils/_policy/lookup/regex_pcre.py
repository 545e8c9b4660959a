# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Perl-compatible regular expressions as PCRE2 compiles them, without UTF mode (pcre2pattern(3))."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import (
    ALL_BYTES,
    DIGIT,
    NAMED_SETS,
    NEWLINE,
    NOTHING,
    SPACES,
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
    any_case,
    byte_range,
    byte_set,
    choice,
    lengths,
    sequence,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

REPEAT_LIMIT = 65535
LOOKBEHIND_LIMIT = 255
"""Longest lookbehind of varying length, PCRE2 10.43 and later."""

MODERN = (3, 8)
"""Postfix of the Debian that has PCRE2 10.43 or later."""

HORIZONTAL = byte_set(" \t\xa0")
VERTICAL = byte_set("\n\v\f\r\x85")
SETS = {"d": DIGIT, "s": SPACES, "w": WORD, "h": HORIZONTAL, "v": VERTICAL}
CONTROLS = {"a": 7, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9}
PLACES = {
    "b": Place.WORD_EDGE,
    "B": Place.NO_WORD_EDGE,
    "A": Place.START,
    "G": Place.START,
    "Z": Place.END_OR_NEWLINE,
    "z": Place.END,
}
NAMED = {**NAMED_SETS, "word": WORD, "ascii": byte_range(0, 127)}

_GROUP_NAME = re.compile(r"\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", re.ASCII)
_REFERENCE = re.compile(
    r"\\g(?:\{(-?\d+)\}|(-?\d+)|\{([A-Za-z_]\w*)\})|\\k(?:<(\w+)>|'(\w+)'|\{(\w+)\})|\(\?P=(\w+)\)", re.ASCII
)
_OPTIONS = re.compile(r"\?(\^?)([imsxUnJ]*)(?:-([imsxUnJ]*))?([:)])", re.ASCII)
_OLD_INTERVAL = re.compile(r"\{(\d+)(,?)(\d*)\}", re.ASCII)
_NEW_INTERVAL = re.compile(r"\{ *(\d*) *(,?) *(\d*) *\}", re.ASCII)


class Unsupported(Exception):
    """The expression is valid, but not one that can be evaluated here."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Options that may change within an expression: their letters in PCRE."""

    i: bool
    m: bool
    s: bool
    x: bool
    U: bool


class PcreParser:
    """One expression.

    :param options: letters of pcre_table(5) that are on
    :param modern: PCRE2 10.43 or later: ``{,3}`` repeats, lookbehind may vary in length
    """

    def __init__(self, text: str, options: frozenset[str], *, modern: bool) -> None:
        self._text = text
        self._position = 0
        self._modern = modern
        self._dollar_is_end = "E" in options
        self._modes = Modes(*(letter in options for letter in "imsxU"))
        self._names: dict[str, int] = {}
        self._depth = 0
        self.groups = 0

    def parse(self) -> Node:
        """:raises SyntaxProblem: PCRE2 would refuse it

        :raises Unsupported: PCRE2 would take it
        """
        if self._text.startswith("(*"):
            raise Unsupported("(*VERB)")
        node = self._choice()
        if self._position < len(self._text):
            raise SyntaxProblem("unmatched closing parenthesis")
        return node

    def _peek(self, length: int = 1) -> str:
        return self._text[self._position : self._position + length]

    def _choice(self, *, reset: bool = False) -> Node:
        """:param reset: ``(?|``: each branch counts its groups from the same number"""
        start = highest = self.groups
        branches = [self._branch()]
        highest = max(highest, self.groups)
        while self._peek() == "|":
            self._position += 1
            if reset:
                self.groups = start
            branches.append(self._branch())
            highest = max(highest, self.groups)
        self.groups = highest
        return choice(branches)

    def _branch(self) -> Node:
        parts: list[Node] = []
        while True:
            self._skip_blank()
            if self._position >= len(self._text) or self._peek() in "|)":
                return sequence(parts)
            node = self._atom()
            if node is not None:
                parts.append(self._quantified(node))

    def _skip_blank(self, *, comments: bool = True) -> None:
        """Comments, and white space where ``x`` is on."""
        while self._position < len(self._text):
            if comments and self._text.startswith("(?#", self._position):
                end = self._text.find(")", self._position)
                if end < 0:
                    raise SyntaxProblem("missing ) after (?# comment")
                self._position = end + 1
            elif self._modes.x and self._peek() in " \t\n\v\f\r":
                self._position += 1
            elif self._modes.x and self._peek() == "#":
                end = self._text.find("\n", self._position)
                self._position = len(self._text) if end < 0 else end + 1
            elif self._text.startswith("\\E", self._position):
                self._position += 2
            else:
                return

    def _quantified(self, node: Node) -> Node:
        """The quantifier after an item; what follows it must not be another one."""
        self._skip_blank(comments=False)
        limits = self._limits()
        if limits is None:
            return node
        if isinstance(node, At) or node is NOTHING:
            raise SyntaxProblem("quantifier does not follow a repeatable item")
        least, most = limits
        suffix = self._peek()
        greedy = not self._modes.U
        if suffix and suffix in "?+":
            self._position += 1
        if suffix == "?":
            greedy = not greedy
        repeat = Repeat(node, least, most, greedy or suffix == "+")
        return Atomic(repeat) if suffix == "+" else repeat

    def _limits(self) -> tuple[int, int | None] | None:
        character = self._peek()
        if character and character in "*+?":
            self._position += 1
            return int(character == "+"), 1 if character == "?" else None
        found = self._interval()
        if found is None:
            return None
        self._position = found.end()
        least = int(found[1] or 0)
        most = None if found[2] and not found[3] else int(found[3] or found[1])
        if max(least, most or 0) > REPEAT_LIMIT:
            raise SyntaxProblem("number too big in {} quantifier")
        if most is not None and most < least:
            raise SyntaxProblem("numbers out of order in {} quantifier")
        return least, most

    def _interval(self) -> re.Match[str] | None:
        """A brace that does not begin an interval is a brace."""
        found = (_NEW_INTERVAL if self._modern else _OLD_INTERVAL).match(self._text, self._position)
        if found is None or not (found[1] or found[3]) or (found[3] and not found[2]):
            return None
        return found

    def _atom(self) -> Node | None:
        """:return: None for what matches nothing and takes no quantifier, such as ``(?i)``"""
        character = self._peek()
        if character in "*+?" or self._interval() is not None:
            raise SyntaxProblem("quantifier does not follow a repeatable item")
        self._position += 1
        if character == "(":
            return self._parenthesis()
        if character == "[":
            return self._class()
        if character == ".":
            return Byte(ALL_BYTES if self._modes.s else ALL_BYTES & ~NEWLINE)
        if character == "^":
            return At(Place.LINE_START if self._modes.m else Place.START)
        if character == "$":
            end = Place.END if self._dollar_is_end else Place.END_OR_NEWLINE
            return At(Place.LINE_END if self._modes.m else end)
        if character == "\\":
            return self._escape()
        return self._literal(ord(character))

    def _literal(self, value: int) -> Byte:
        return Byte(any_case(1 << value) if self._modes.i else 1 << value)

    def _escape(self) -> Node | None:
        if self._position >= len(self._text):
            raise SyntaxProblem("\\ at end of pattern")
        reference = _REFERENCE.match(self._text, self._position - 1)
        if reference is not None:
            return self._reference(reference)
        character = self._peek()
        self._position += 1
        if character.lower() in SETS:
            members = SETS[character.lower()]
            return Byte(members if character.islower() else ALL_BYTES & ~members)
        if character in PLACES:
            return At(PLACES[character])
        if character == "N" and self._peek() != "{":
            return Byte(ALL_BYTES & ~NEWLINE)
        if character == "R":
            return Atomic(Choice((sequence([Byte(1 << 13), Byte(NEWLINE)]), Byte(VERTICAL))))
        if character == "K":
            return NOTHING
        if character == "Q":
            return self._quoted()
        if character in "pPXCgkN":
            raise Unsupported(f"\\{character}")
        if character.isdigit() and character != "0":
            return self._number(character)
        return self._literal(self._character(character))

    def _quoted(self) -> Node | None:
        end = self._text.find("\\E", self._position)
        content = self._text[self._position : len(self._text) if end < 0 else end]
        self._position += len(content) + (0 if end < 0 else 2)
        if not content:
            return None
        *start, last = (self._literal(ord(character)) for character in content)
        return sequence([*start, self._quantified(last)])

    def _number(self, digit: str) -> Node:
        """A back reference, or an octal number where there are not that many groups."""
        found = re.compile(r"\d+", re.ASCII).match(self._text, self._position - 1)
        number = int(found[0]) if found else int(digit)
        if number < 10 or number <= self._all_groups():
            self._position = found.end() if found else self._position
            return self._back(number)
        octal = re.compile(r"[0-7]{1,3}").match(self._text, self._position - 1)
        if octal is None:
            return self._literal(ord(digit))
        self._position = octal.end()
        return self._literal(int(octal[0], 8) & 255)

    def _all_groups(self) -> int:
        return len(re.findall(r"(?<!\\)\((?!\?)|\(\?(?:P?<[A-Za-z_]|')", self._text))

    def _back(self, number: int) -> Again:
        if not 0 < number <= self._all_groups():
            raise SyntaxProblem("reference to non-existent subpattern")
        return Again(number, self._modes.i)

    def _reference(self, found: re.Match[str]) -> Node:
        self._position = found.end()
        number = found[1] or found[2]
        if number is not None:
            value = int(number)
            return self._back(self.groups + 1 + value if value < 0 else value)
        name = next(text for text in found.groups()[2:] if text)
        if name not in self._names:
            raise SyntaxProblem("reference to non-existent subpattern")
        return Again(self._names[name], self._modes.i)

    def _character(self, character: str) -> int:
        """:return: value of an escaped character"""
        if character in CONTROLS:
            return CONTROLS[character]
        if character in "xo0":
            return self._numeric(character)
        if character == "c":
            following = self._peek()
            if not following.isprintable() or not following.isascii() or not following:
                raise SyntaxProblem("\\c must be followed by a printable ASCII character")
            self._position += 1
            return ord(following.upper()) ^ 64
        if character.isascii() and character.isalpha():
            raise SyntaxProblem("unrecognized character follows \\")
        return ord(character)

    def _numeric(self, kind: str) -> int:
        patterns = {"x": r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{0,2})", "o": r"\{([0-7]+)\}", "0": r"([0-7]{0,2})"}
        found = re.compile(patterns[kind]).match(self._text, self._position)
        if found is None:
            raise SyntaxProblem("missing opening brace after \\o")
        self._position = found.end()
        value = int(next((part for part in found.groups() if part), "0"), 16 if kind == "x" else 8)
        if value > 255:
            raise SyntaxProblem("character code point value in \\x{} or \\o{} is too large")
        return value

    def _parenthesis(self) -> Node | None:
        named = _GROUP_NAME.match(self._text, self._position)
        if named is not None and not self._text.startswith(("?<=", "?<!"), self._position):
            self._position = named.end()
            return self._capture(named[1] or named[2])
        if self._peek() != "?":
            if self._peek() == "*":
                raise Unsupported("(*VERB)")
            return self._capture(None)
        for opening, is_atomic in _SPECIAL_GROUPS.items():
            if self._text.startswith(opening, self._position):
                self._position += len(opening)
                body = self._enclosed(reset=opening == "?|")
                if opening[-1] in "=!":
                    return self._look(body, opening)
                return Atomic(body) if is_atomic else Sequence((body,))
        reference = _REFERENCE.match(self._text, self._position - 1)
        if reference is not None:
            return self._reference(reference)
        return self._options()

    def _capture(self, name: str | None) -> Node:
        self.groups += 1
        number = self.groups
        if name is not None:
            if self._names.get(name, number) != number:
                raise SyntaxProblem("two named subpatterns have the same name")
            self._names[name] = number
        return Group(self._enclosed(), number)

    def _enclosed(self, *, reset: bool = False) -> Node:
        """Body of a group; options that change inside end with it."""
        modes = self._modes
        self._depth += 1
        if self._depth > 250:
            raise SyntaxProblem("parentheses are too deeply nested")
        body = self._choice(reset=reset)
        if self._peek() != ")":
            raise SyntaxProblem("missing closing parenthesis")
        self._position += 1
        self._depth -= 1
        self._modes = modes
        return body

    def _look(self, body: Node, opening: str) -> Node:
        behind = "<" in opening
        if behind:
            branches = body.branches if isinstance(body, Choice) else (body,)
            for least, most in map(lengths, branches):
                if (
                    most is None
                    or (least != most and not self._modern)
                    or most > (LOOKBEHIND_LIMIT if least != most else 65535)
                ):
                    raise SyntaxProblem("lookbehind assertion is not fixed length")
        return Look(body, behind, opening[-1] == "!")

    def _options(self) -> Node | None:
        found = _OPTIONS.match(self._text, self._position)
        if found is None:
            if re.compile(r"\?(?:[RPC&(]|[+-]?\d)").match(self._text, self._position):
                raise Unsupported("recursion or condition")
            raise SyntaxProblem("unrecognized character after (? or (?-")
        self._position = found.end()
        modes = self._modes
        if found[1]:
            modes = replace(modes, i=False, m=False, s=False, x=False)
        for letters, value in ((found[2], True), (found[3] or "", False)):
            for letter in letters:
                if letter in "nJ":
                    raise Unsupported(f"(?{letter})")
                modes = replace(modes, **{letter: value})
        if found[4] == ")":
            # Holds to the end of the group it stands in.
            self._modes = modes
            return None
        outer = self._modes
        self._modes = modes
        body = self._enclosed()
        self._modes = outer
        return Sequence((body,))

    def _class(self) -> Byte:
        negative = self._peek() == "^"
        self._position += negative
        members = 0
        first = True
        while True:
            if self._position >= len(self._text):
                raise SyntaxProblem("missing terminating ] for character class")
            if self._peek() == "]" and not first:
                self._position += 1
                break
            members |= self._class_item()
            first = False
        if self._modes.i:
            members = any_case(members)
        return Byte(ALL_BYTES & ~members if negative else members)

    def _class_item(self) -> int:
        start = self._class_member()
        in_range = self._peek() == "-" and self._peek(2) not in ("-]", "-")
        if isinstance(start, int):
            return start
        if isinstance(start, _Several):
            if in_range:
                raise SyntaxProblem("invalid range in character class")
            return start.members
        if not in_range:
            return 1 << start.value
        self._position += 1
        end = self._class_member()
        if not isinstance(end, _Single):
            raise SyntaxProblem("invalid range in character class")
        if end.value < start.value:
            raise SyntaxProblem("range out of order in character class")
        return byte_range(start.value, end.value)

    def _class_member(self) -> int | _Single | _Several:
        """:return: one byte, which may begin a range; a named set, which must not; or quoted bytes"""
        posix = re.compile(r"\[:(\^?)(\w+):\]", re.ASCII).match(self._text, self._position)
        if posix is not None:
            if posix[2] not in NAMED:
                raise SyntaxProblem("unknown POSIX class name")
            self._position = posix.end()
            members = NAMED[posix[2]]
            if self._modes.i and posix[2] in ("upper", "lower"):
                members = any_case(members)
            return _Several(ALL_BYTES & ~members if posix[1] else members)
        character = self._peek()
        self._position += 1
        if character != "\\":
            return _Single(ord(character))
        return self._class_escape()

    def _class_escape(self) -> int | _Single | _Several:
        if self._position >= len(self._text):
            raise SyntaxProblem("\\ at end of pattern")
        character = self._peek()
        self._position += 1
        if character.lower() in SETS:
            members = SETS[character.lower()]
            return _Several(members if character.islower() else ALL_BYTES & ~members)
        if character == "b":
            return _Single(8)
        if character == "E":
            return 0
        if character == "Q":
            end = self._text.find("\\E", self._position)
            content = self._text[self._position : len(self._text) if end < 0 else end]
            self._position += len(content) + (0 if end < 0 else 2)
            return byte_set(content)
        if character in "pP":
            raise Unsupported(f"\\{character}")
        if character in "BRX":
            raise SyntaxProblem("escape sequence is invalid in character class")
        octal = re.compile(r"[0-7]{1,3}").match(self._text, self._position - 1)
        if octal is not None:
            self._position = octal.end()
            return _Single(int(octal[0], 8) & 255)
        return _Single(self._character(character))


@dataclass(frozen=True, slots=True)
class _Single:
    value: int


@dataclass(frozen=True, slots=True)
class _Several:
    members: int


_SPECIAL_GROUPS = {"?:": False, "?|": False, "?>": True, "?=": False, "?!": False, "?<=": False, "?<!": False}
