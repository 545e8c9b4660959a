# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Postfix cuts text: lists with braces, logical lines, keys with quotes, upper and lower case.

White space and letters are those of the C locale, as in Postfix, not those of Unicode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SPACE = " \t\n\v\f\r"
"""What isspace(3) takes for white space."""

LIST_SEPARATORS = ", \t\r\n"
"""What separates the words of a list (CHARS_COMMA_SP of Postfix)."""


class SyntaxProblem(ValueError):
    """Text that Postfix would refuse; the message is Postfix's reason."""


def fold(text: str, *, utf8: bool = True) -> str:
    """:return: the text as Postfix compares it without regard to case (util/casefold.c)

    :param utf8: smtputf8_enable; without it only ASCII letters are folded
    """
    if text.isascii():
        return text.lower()
    if utf8:
        return text.casefold()
    return "".join(character.lower() if character.isascii() else character for character in text)


def is_alphanumeric(character: str) -> bool:
    """isalnum(3) of the C locale; an empty text is no letter."""
    return character.isascii() and character.isalnum()


def is_all_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def balanced(text: str, parentheses: str = "{}") -> int:
    """:return: length of the text in parentheses at the start, 0 when there is none (util/balpar.c)"""
    if not text.startswith(parentheses[0]):
        return 0
    level = 0
    for offset, character in enumerate(text):
        if character == parentheses[0]:
            level += 1
        elif character == parentheses[1]:
            level -= 1
            if level == 0:
                return offset + 1
    return 0


def unwrapped(text: str, parentheses: str = "{}") -> str:
    """:return: text between the outer parentheses (util/extpar.c)

    :raises SyntaxProblem: there are none, or text stands after them
    """
    if not text.startswith(parentheses[0]):
        raise SyntaxProblem(f"no '{parentheses[0]}' at start of text in \"{text}\"")
    length = balanced(text, parentheses)
    if length == 0:
        raise SyntaxProblem(f"missing '{parentheses[1]}' in \"{text}\"")
    if length != len(text):
        raise SyntaxProblem(f"syntax error after '{parentheses[1]}' in \"{text}\"")
    return text[1:-1]


def tokens(text: str, separators: str = LIST_SEPARATORS, parentheses: str = "{}") -> Iterator[str]:
    """Words of a list; braces keep text together and stay in the word (util/mystrtok.c:mystrtokq)."""
    if parentheses[0] not in text:
        for match in re.finditer(f"[^{re.escape(separators)}]+", text):
            yield match.group()
        return
    word: list[str] = []
    level = 0
    for character in text:
        if level == 0 and character in separators:
            if word:
                yield "".join(word)
                word = []
            continue
        if character == parentheses[0]:
            level += 1
        elif character == parentheses[1] and level > 0:
            level -= 1
        word.append(character)
    if word:
        yield "".join(word)


def key_end(text: str, stops: str) -> int:
    """:return: offset of the first of ``stops`` outside quotes; the length of the text when there is none

    :raises SyntaxProblem: a quote is not closed
    """
    quoted = False
    offset = 0
    while offset < len(text):
        character = text[offset]
        if character == "\\":
            offset += 1
            if offset >= len(text):
                break
        elif character in stops:
            if not quoted:
                break
        elif character == '"':
            quoted = not quoted
        offset += 1
    if quoted:
        raise SyntaxProblem("unbalanced '\"'")
    return min(offset, len(text))


def key_value(text: str) -> tuple[str, str]:
    """:return: the two sides of ``key = value`` (util/split_qnameval.c)

    :raises SyntaxProblem: it has not that form
    """
    text = text.lstrip(SPACE)
    if not text:
        raise SyntaxProblem("no key found; expected format: key = value")
    end = key_end(text, SPACE + "=")
    value = text[end:].lstrip(SPACE)
    if not value.startswith("="):
        raise SyntaxProblem("missing '=' after attribute name")
    return text[:end], value[1:].strip(SPACE)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuation lines, without comments and empty lines (util/readlline.c).

    :return: number of the first line, from 1, and the joined text
    """
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    current = ""
    first = 0
    for number, line in enumerate(lines, 1):
        stripped = line.lstrip(SPACE)
        if stripped == "" or stripped[0] == "#":
            continue
        if line[0] in SPACE:
            # A continuation without anything to continue is dropped with a warning.
            if current:
                current += line
            continue
        if current:
            yield first, current
        current, first = line, number
    if current:
        yield first, current
