# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restriction lists: text -> words -> elements, and back to one canonical text.

Words are split as Postfix does (mystrtokq with comma and white space, braces): commas are white space, braces keep a
text together and nest, a brace that is not closed swallows the rest; there are no quotes and no comments.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Kind, Word

_SEPARATORS = ", \t\r\n"
_PLAIN = re.compile(r"[^, \t\r\n]+")
_GAP = re.compile(r"[, \t\r\n]*")
_STOP = re.compile(r"[{}, \t\r\n]")
WARN = "warn_if_reject"


@functools.lru_cache(maxsize=256)
def split(text: str) -> tuple[Word, ...]:
    """Words of a list whose macros are expanded already."""
    if "{" not in text:
        return tuple(Word(match.group(), match.start()) for match in _PLAIN.finditer(text))
    words: list[Word] = []
    at = 0
    while (at := _end_of(_GAP, text, at)) < len(text):
        end, closed = _word(text, at)
        braced = text[at] == "{" and closed == end
        words.append(Word(text[at + 1 : end - 1] if braced else text[at:end], at, braced))
        at = end
    return tuple(words)


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _word(text: str, at: int) -> tuple[int, int]:
    """Offset after the word that begins at ``at``, and after its first group in braces (0: none is closed)."""
    level = closed = 0
    for match in _STOP.finditer(text, at):
        char = match.group()
        if char == "{":
            level += 1
        elif char == "}":
            if level > 0:
                level -= 1
                if level == 0 and not closed:
                    closed = match.end()
        elif level == 0:
            return match.start(), closed
    return len(text), closed


def parse_list(text: str, classes: Collection[str] = ()) -> tuple[Element, ...]:
    """Elements of a restriction list, or of a restriction class.

    A word with ``:`` is a table wherever Postfix expects a restriction, whatever its name. The word after a
    restriction that takes an argument belongs to it, even where it is no good as one. Any number of
    ``warn_if_reject`` belong to the element after them; at the end of a list they stand alone.

    :param text: expanded value
    :param classes: names in smtpd_restriction_classes; their case matters
    """
    return _parsed(text, frozenset(classes))


# Linter and simulator read the same lists over and over.
@functools.lru_cache(maxsize=256)
def _parsed(text: str, classes: frozenset[str]) -> tuple[Element, ...]:
    return elements_of(split(text), classes)


def elements_of(words: tuple[Word, ...], classes: Collection[str] = ()) -> tuple[Element, ...]:
    """As :func:`parse_list`, of words."""
    heads = [str(word) for word in words]
    elements: list[Element] = []
    at, last = 0, len(words) - 1
    while at <= last:
        first = at
        while at < last and catalogue.ascii_lower(heads[at]) == WARN:
            at += 1
        head = heads[at]
        kind, takes_argument = _meaning(head, classes)
        argument = words[at + 1] if takes_argument and at < last else None
        end = at + (1 if argument is None else 2)
        elements.append(Element(len(elements), words[first:end], kind, head, argument, at > first))
        at = end
    return tuple(elements)


def _meaning(word: str, classes: Collection[str]) -> tuple[Kind, bool]:
    """What a word is where a restriction is expected, and whether the next one belongs to it."""
    if ":" in word:
        return Kind.TABLE, False
    entry = catalogue.lookup(word)
    if entry is not None and entry.implemented:
        return (Kind.CLASS, False) if entry.expansion else (Kind.RESTRICTION, entry.takes_argument)
    return Kind.CLASS if word in classes else Kind.UNKNOWN, False


def kind_of(word: str, classes: Collection[str] = ()) -> Kind:
    """What Postfix takes a word for where it expects a restriction; braces are part of the word."""
    return _meaning(word, classes)[0]


def plain(element: Element) -> str:
    """One element the usual way: names of restrictions in small letters, single spaces, ``warn_if_reject`` once."""
    name = catalogue.ascii_lower(element.name) if element.kind is Kind.RESTRICTION else element.name
    parts = [WARN if element.warn else "", name, "" if element.argument is None else str(element.argument)]
    return " ".join(part for part in parts if part)


def canonical(elements: Iterable[Element]) -> str:
    """One text for a list: its elements the usual way, joined by comma and space."""
    return ", ".join(plain(element) for element in elements)
