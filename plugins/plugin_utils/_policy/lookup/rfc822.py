# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses as Postfix reads them: tokens of RFC 822, quoted and unquoted forms (global/tok822_parse.c)."""

from __future__ import annotations

from dataclasses import dataclass

ATOM = "atom"
QUOTED = "quoted string"
LITERAL = "domain literal"
COMMENT = "comment"
ADDRESS = "address"
GROUP = "start of group"
WORDS = frozenset({ATOM, QUOTED, LITERAL, COMMENT, ADDRESS})

OPERATORS = '|%!()<>@,;:\\".[]'
"""Characters that are a token by themselves; ``|``, ``%`` and ``!`` are Postfix's additions."""

BLANK = " \t\r\n"


@dataclass(slots=True)
class Token:
    """:param kind: an operator character, or one of the words above

    :param text: without quotes or brackets
    :param joined: it was put next to its neighbours by rewriting: no space is written after it
    :param inner: tokens of an address
    """

    kind: str
    text: str = ""
    joined: bool = False
    inner: tuple[Token, ...] = ()


def scan(text: str) -> list[Token]:
    """Tokens of an address in external (quoted) form."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character in BLANK:
            position += 1
        elif character == "(":
            token, position = _comment(text, position + 1)
            found.append(token)
        elif character in '["':
            closing = "]" if character == "[" else '"'
            content, position = _collect(text, position + 1, closing)
            found.append(Token(LITERAL if character == "[" else QUOTED, content))
            position += 1
        elif character in OPERATORS and character != "\\":
            found.append(Token(character))
            position += 1
        else:
            content, position = _collect(text, position, BLANK + OPERATORS.replace("\\", ""))
            special = any(part in OPERATORS or part == " " or ord(part) < 32 or ord(part) == 127 for part in content)
            found.append(Token(QUOTED if special else ATOM, content))
    return found


def _collect(text: str, position: int, stops: str) -> tuple[str, int]:
    """Text up to one of ``stops``; a backslash takes the next character as it is."""
    content: list[str] = []
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
            if position >= len(text):
                break
            character = text[position]
        elif character in stops:
            break
        content.append(" " if character in BLANK else character)
        position += 1
    return "".join(content), position


def _comment(text: str, position: int) -> tuple[Token, int]:
    """Comments keep their external form, and nest."""
    start = position
    level = 1
    while position < len(text):
        character = text[position]
        position += 1
        if character == "(":
            level += 1
        elif character == ")":
            level -= 1
            if level == 0:
                break
        elif character == "\\":
            if position >= len(text):
                break
            position += 1
    return Token(COMMENT, "(" + text[start:position]), position


def internal(tokens: list[Token]) -> str:
    """:return: the address without quotes"""
    parts: list[str] = []
    for position, token in enumerate(tokens):
        if token.kind == LITERAL:
            parts.append(f"[{token.text}]")
        elif token.kind == ADDRESS:
            parts.append(internal([Token(part.kind, part.text, True, part.inner) for part in token.inner]))
        elif token.kind == GROUP:
            parts.append(":")
        else:
            parts.append(token.text if token.kind in WORDS else token.kind)
        if _space_after(tokens, position):
            parts.append(" ")
    return "".join(parts)


def _space_after(tokens: list[Token], position: int) -> bool:
    token = tokens[position]
    if position + 1 >= len(tokens) or token.joined:
        return False
    following = tokens[position + 1]
    if token.kind in (",", GROUP) or following.kind == "<":
        return True
    return token.kind in WORDS and following.kind in WORDS


def last(tokens: list[Token], kind: str) -> int:
    """:return: place of the last token of a kind, -1 when there is none"""
    return next((place for place in range(len(tokens) - 1, -1, -1) if tokens[place].kind == kind), -1)


def first(tokens: list[Token], kind: str) -> int:
    """:return: place of the first token of a kind, -1 when there is none"""
    return next((place for place, token in enumerate(tokens) if token.kind == kind), -1)


def quote(address: str, *, bare_localpart: bool = False) -> str:
    """:return: external form: the local part in quotes where RFC 822 wants them (global/quote_822_local.c)

    :param bare_localpart: the address is a local part alone
    """
    start = 0
    if address.startswith("@") and ":" in address:
        start = address.index(":") + 1
    at = -1 if bare_localpart else address.rfind("@", start)
    end = len(address) if at < 0 else at
    local = address[start:end]
    if _is_dot_string(local):
        return address
    quoted = "".join(f"\\{character}" if character in '"\\\r' else character for character in local)
    return f'{address[:start]}"{quoted}"{address[end:]}'


def _is_dot_string(local: str) -> bool:
    if not local or local[0] == "." or local[-1] == "." or ".." in local:
        return False
    return not any(character in ' ()<>@,;:\\"[]' or ord(character) < 32 or ord(character) == 127 for character in local)


def unquote(address: str) -> str:
    """:return: internal form of an external address (unquote_822_local)"""
    start = 0
    if address.startswith("@") and ":" in address:
        start = address.index(":") + 1
    parts: list[str] = [address[:start]]
    quoted = False
    bare_at = -1
    kept = 0
    position = start
    while position < len(address):
        character = address[position]
        if character == '"':
            quoted = not quoted
            position += 1
            continue
        if character == "@":
            if not quoted:
                bare_at, kept = position, len(parts)
        elif character == "\\":
            if position + 1 >= len(address):
                break
            position += 1
            character = address[position]
        parts.append(character)
        position += 1
    if bare_at >= 0:
        return "".join(parts[:kept]) + address[bare_at:]
    return "".join(parts)
