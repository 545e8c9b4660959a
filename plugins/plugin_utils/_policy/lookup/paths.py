# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses out of the text of a MAIL or RCPT command (smtpd/smtpd.c:extract_addr, tok822_parse)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rfc822 import (
    ADDRESS,
    ATOM,
    COMMENT,
    GROUP,
    LITERAL,
    QUOTED,
    Token,
    internal,
    scan,
)

_END = ""
"""Kind of the sentinels at both ends of the list."""


@dataclass(slots=True, eq=False)
class _Node:
    """A token in a doubly linked list: the parser moves tokens around while it walks from right to left."""

    kind: str
    text: str = ""
    inner: list[Token] = field(default_factory=list)
    before: _Node | None = None
    after: _Node | None = None


def parse(text: str) -> list[Token]:
    """:return: addresses, and what stands between them: ``<``, ``>``, comments, commas"""
    tokens = scan(text)
    if not tokens:
        return []
    head, tail = _linked(tokens)
    right = tail
    node = _before(tail)
    word_fits, in_group = True, False
    while node.kind != _END:
        if node.kind == COMMENT:
            node, right = _set_aside(node, right)
            continue
        if node.kind == ";":
            right = _group(node, right, comma=True)
            word_fits = in_group = True
        elif node.kind == ":" and in_group:
            node.kind = GROUP
            _group(node, right, comma=False)
            while node.kind not in (_END, ","):
                node = _before(node)
            right = node
            continue
        elif node.kind == ">":
            right = _group(node, right, comma=True)
            while node.kind not in (_END, "<"):
                if node.kind == COMMENT:
                    node, right = _set_aside(node, right)
                else:
                    node = _before(node)
            _group(node, right, comma=False)
            while node.kind != _END and node.kind not in (">", ";", ",", ":"):
                node = _before(node)
            right = node
            word_fits = True
            continue
        elif node.kind in (ATOM, QUOTED, LITERAL):
            if not word_fits:
                grouped = _group(node, right, comma=True)
                right = grouped.after or tail
            word_fits = False
        else:
            if node.kind == ",":
                right = _group(node, right, comma=False)
            word_fits = True
        node = _before(node)
    _group(node, right, comma=False)
    return _plain(head, tail)


def _linked(tokens: list[Token]) -> tuple[_Node, _Node]:
    head, tail = _Node(_END), _Node(_END)
    current = head
    for token in tokens:
        node = _Node(token.kind, token.text, before=current)
        current.after = node
        current = node
    current.after, tail.before = tail, current
    return head, tail


def _before(node: _Node) -> _Node:
    if node.before is None:
        raise AssertionError("the ring has no end")
    return node.before


def _insert(left: _Node, node: _Node) -> None:
    node.before, node.after = left, left.after
    if left.after is not None:
        left.after.before = node
    left.after = node


def _set_aside(node: _Node, right: _Node) -> tuple[_Node, _Node]:
    """Move a comment before ``right``; it does not belong to the address on its left.

    :return: where the walk goes on, and the new right end
    """
    left = _before(node)
    left.after = node.after
    if node.after is not None:
        node.after.before = left
    _insert(_before(right), node)
    return left, node


def _group(left: _Node, right: _Node, *, comma: bool) -> _Node:
    """Put what stands between two nodes into an address; optionally a comma before it.

    :return: left
    """
    node = left.after
    if left is right or node is None or node is right:
        return left
    inner: list[Token] = []
    while node is not None and node is not right:
        inner.append(Token(node.kind, node.text, True, tuple(node.inner)))
        node = node.after
    left.after, right.before = right, left
    _insert(left, _Node(ADDRESS, inner=inner))
    if comma:
        _insert(left, _Node(","))
    return left


def _plain(head: _Node, tail: _Node) -> list[Token]:
    found: list[Token] = []
    node = head.after
    while node is not None and node is not tail:
        found.append(Token(node.kind, node.text, False, tuple(node.inner)))
        node = node.after
    return found


@dataclass(frozen=True, slots=True)
class Path:
    """The address in a MAIL or RCPT command.

    :param address: internal form, without quotes; empty for the null sender
    :param bad: it is refused with 501 5.1.7 (sender) or 501 5.1.3 (recipient)
    """

    address: str
    bad: bool = False


def extract(text: str, *, strict: bool) -> Path:
    """:param text: one token of the command, usually with its angle brackets

    :param strict: strict_rfc821_envelopes
    """
    inside = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    if inside.startswith("@") and ":" in inside:
        inside = inside[inside.index(":") + 1 :]
    tree = parse(inside)
    addresses = [token for token in tree if token.kind == ADDRESS]
    others = [token for token in tree if token.kind not in (ADDRESS, "<", ">")]
    bad = len(addresses) > 1 or (strict and (bool(others) or not text.startswith("<")))
    address = internal(list(addresses[-1].inner)) if addresses else ""
    return Path(address, bad or (strict and address.startswith("@")))


def command_words(command: str) -> list[tuple[str, bool]]:
    """:return: words of an SMTP command and whether each is broken: an angle bracket or quote that is not closed
    (smtpd/smtpd_token.c)
    """
    words: list[tuple[str, bool]] = []
    position = 0
    while True:
        word, broken, position = _next_word(command, position)
        if not word:
            return words
        words.append((word, broken))


def _next_word(text: str, position: int) -> tuple[str, bool, int]:
    word: list[str] = []
    broken = False
    while position < len(text):
        character = text[position]
        position += 1
        if character in " \t\n\v\f\r":
            while position < len(text) and text[position] in " \t\n\v\f\r":
                position += 1
            if word:
                break
        elif character in '<"':
            part, closed, position = _bracketed(text, position, ">" if character == "<" else '"')
            word.append(character + part)
            broken = broken or not closed
        elif character == ":":
            word.append(character)
            if "".join(word).lower() in ("to:", "from:"):
                break
        else:
            word.append(character)
            if character == "\\" and position < len(text):
                word.append(text[position])
                position += 1
    return "".join(word), broken, position


def _bracketed(text: str, position: int, closing: str) -> tuple[str, bool, int]:
    """:return: text up to and with the closing character, whether it is there, and where the text goes on"""
    start = position
    wanted = [closing]
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\":
            position = min(position + 1, len(text))
        elif character == wanted[-1]:
            wanted.pop()
            if not wanted:
                return text[start:position], True, position
        elif character == '"':
            wanted.append('"')
        elif character == "<" and wanted[-1] == ">":
            wanted.append(">")
    return text[start:], False, position
