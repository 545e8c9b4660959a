# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of attachments, made into lines of a pcre table for mime_header_checks.

A name is a parameter of Content-Type or Content-Disposition. It travels as a quoted string or a bare word, in percent
encoding and in numbered pieces (RFC 2231), and, though RFC 2047 forbids it, in encoded words. A pattern such as
``*.exe`` is an automaton over bytes that is followed through all of these, from one to the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._phrases.charsets import (
    ANY,
    CHARSETS,
    Charset,
    default_charsets,
)
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.classes import (
    ANY_DIGIT,
    HEX,
    bytes_in_base64,
    bytes_in_percent,
    bytes_in_q,
    raw_class,
    rest_in_base64,
)
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.expression import label_choice
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.extensions import DANGEROUS, DANGEROUS_EXTENSIONS
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import line_of

TABLE = "mime_header_checks"
_HEADER = r"^(?i:Content-(?:Type|Disposition)):"
# What Windows takes off the end of a name.
_STRIPPED = frozenset(b". ")
_ANY_BYTE = frozenset(range(1, 256))
_BLANK = r"[\t\n\r\x20]*+"
_PARAMETER = r"(?i:filename|name)"
# RFC 2045 allows comments; one is enough.
_EQUALS = rf"{_BLANK}(?:\([^()]*\){_BLANK})?={_BLANK}"
_GOES_ON = rf"{_BLANK};{_BLANK}{_PARAMETER}\*[1-9]"
_NEXT, _NEXT_PERCENT, _END, _FIRST, _FIRST_PERCENT = (f"(?{number})" for number in range(2, 7))
_OPEN = r"=\?(?1)"
_GROUPS = 6
_WALK = 998
"""Octets of a name that are passed over; RFC 5322 allows no longer line."""
MOST_STARS = 2
"""Inside one name. Each costs a power of the length of the name, as every star of an expression does."""
_LONGEST = 16000
"""Characters of one expression; PCRE2 as Debian builds it has 65,535 octets for a compiled one."""

# At the beginning; in a quoted string, a bare word, percent encoding, behind an encoded word, at the beginning of the
# next piece or word, in the Q or base64 text of a word.
State = tuple[str, int, int, int | None]
Way = tuple[str, State | None]


@dataclass
class _Node:
    """:param edges: bytes by the node behind them
    :param repeats: any bytes are passed over here
    """

    edges: dict[int, set[int]] = field(default_factory=dict)
    repeats: bool = False


class Names:
    """Patterns of names as an automaton; letters of either case lead the same way.

    :param anchored: the first pattern begins with something else than a star
    :param open_end: the last one ends with a star
    """

    def __init__(self, charset: Charset) -> None:
        self.charset = charset
        self.nodes = [_Node()]
        self.end = self._add()
        self.nodes[self.end].edges[self.end] = set(_STRIPPED)
        self.anchored = False
        self.open_end = False

    def add(self, pattern: str) -> None:
        """One pattern; several share an automaton where a star is at the beginning only.

        :raises ValueError: the charset lacks a character
        """
        self.anchored = not pattern.startswith("*")
        self.open_end = pattern.endswith("*")
        at = 0
        steps = list(self._steps(pattern.strip("*")))
        for place, step in enumerate(steps):
            if step is None:
                self.nodes[at].repeats = True
            else:
                at = self._step(at, step, last=place == len(steps) - 1)

    def _add(self) -> int:
        self.nodes.append(_Node())
        return len(self.nodes) - 1

    def _steps(self, pattern: str) -> Iterator[frozenset[int] | None]:
        """Bytes of each place; None for a star."""
        for char in pattern:
            if char == "*":
                yield None
            elif char == "?":
                yield _ANY_BYTE
            else:
                ways = [way for each in (char, char.lower(), char.upper()) for way in self.charset.encode(each)[:1]]
                if not self.charset.encode(char):
                    raise ValueError(char)
                for place in range(len(ways[0])):
                    yield frozenset(way[place] for way in ways if len(way) == len(ways[0]))

    def _step(self, at: int, values: frozenset[int], *, last: bool) -> int:
        for target, known in self.nodes[at].edges.items():
            if known == values and target != at and (target == self.end) == last:
                return target
        target = self.end if last else self._add()
        self.nodes[at].edges.setdefault(target, set()).update(values)
        return target


class NameExpression:
    """An automaton of names as an expression."""

    def __init__(self, names: Names, labels: Sequence[str]) -> None:
        self._names = names
        self._labels = labels
        self._numbers: dict[State, int] = {}

    def text(self) -> str:
        entry = list(self._entry())
        shared = self._shared(entry)
        self._numbers = {state: number for number, state in enumerate(shared, _GROUPS + 1)}
        body = self._render(entry)
        own = "".join(f"({text})" for text in self._fixed())
        groups = "".join(f"({self._render(self._ways(state))})" for state in shared)
        return f"{_HEADER}{body}(?(DEFINE){own}{groups})"

    def _fixed(self) -> list[str]:
        """What the numbers from 1 to _GROUPS stand for."""
        number = r"(?:\*0)?" if self._names.anchored else r"(?:\*[0-9]{1,3})?"
        first = f"{_PARAMETER}{number}"
        following = rf"{_BLANK};{_BLANK}{_PARAMETER}\*[1-9][0-9]{{0,2}}"
        end = rf"{_BLANK}(?:;|\(|$)|[\t\n\r\x20]++(?=[A-Za-z*-]+=)"
        return [
            rf"{label_choice(self._labels)}\?",
            following + _EQUALS,
            rf"{following}\*{_EQUALS}",
            rf"(?!{_GOES_ON})(?:{end})",
            first + _EQUALS,
            rf"{first}\*{_EQUALS}",
        ]

    def _shared(self, entry: Iterable[Way]) -> list[State]:
        used: Counter[State] = Counter(state for __, state in entry if state)
        pending, done = list(used), set()
        while pending:
            state = pending.pop()
            if state not in done:
                done.add(state)
                targets = [target for __, target in self._ways(state) if target]
                used.update(targets)
                pending += targets
        return [state for state, number in used.items() if number > 1]

    def _render(self, ways: Iterable[Way]) -> str:
        parts: dict[str, list[str]] = {}
        for text, state in ways:
            parts.setdefault(text, []).append(self._called(state))
        return _choice([text + _choice(behind) for text, behind in parts.items()])

    def _called(self, state: State | None) -> str:
        if state is None:
            return ""
        number = self._numbers.get(state)
        return f"(?{number})" if number else self._render(self._ways(state))

    def _entry(self) -> Iterator[Way]:
        begin = r".*?[;\t\n\r\x20](?=[FfNn])"
        yield begin + _FIRST, ("0", 0, 0, None)
        skip = r"(?:[!-&(-~]*'[^']*')?" if self._names.anchored else r"[^\x22;=]*?"
        yield rf"{begin}{_FIRST_PERCENT}\x22?{skip}", ("E", 0, 0, None)

    def _first(self) -> Iterator[Way]:
        """A name from its beginning; no walk passes what begins another, so that all together read a header once."""
        if self._names.anchored:
            yield "", ("S", 0, 0, None)
            return
        yield r"\x22(?:[^\x22\\]|\\.)*?", ("P", 0, 0, None)
        yield r"(?!\x22)[^\x22;=]*?", ("U", 0, 0, None)
        word = rf"(?:\x22[^\x22]*?|(?!\x22)(?:[^\x22;\s]|\s++(?==\?))*?){_OPEN}"
        yield word + r"[Qq]\?[^?]*?", ("Q", 0, 0, None)
        for digits in range(3):
            yield rf"{word}[Bb]\?(?:{ANY_DIGIT}{{4}})*?{ANY_DIGIT * digits}", ("B", 0, digits, None)

    def _ways(self, state: State) -> list[Way]:
        kind, number, phase, bits = state
        if number == self._names.end and self._names.open_end:
            return [("", None)]
        if kind == "0":
            return list(self._first())
        if kind == "B":
            return list(self._in_base64(number, phase, bits))
        follow = {"P": self._quoted, "U": self._bare, "E": self._percent, "C": self._closed, "S": self._piece}
        return list({**follow, "N": self._next, "W": self._word, "Q": self._in_q}[kind](number))

    def _edges(self, number: int) -> Iterator[tuple[set[int], int]]:
        for target, values in self._names.nodes[number].edges.items():
            yield values, target

    def _skip(self, number: int, text: str) -> str:
        return f"{text}{{0,{_WALK}}}?" if self._names.nodes[number].repeats else ""

    def _quoted(self, number: int) -> Iterator[Way]:
        skip = self._skip(number, r"[^\x22]")
        for values, target in self._edges(number):
            yield rf"{skip}\\?{raw_class(values)}", ("P", target, 0, None)
        if number == self._names.end:
            yield rf"\x22(?!{_GOES_ON})", None
            yield "$", None
        if number:
            yield rf"{skip}\x22", ("N", number, 0, None)
        yield skip, ("W", number, 0, None)

    def _bare(self, number: int) -> Iterator[Way]:
        skip = self._skip(number, r"[^\x22;]")
        for values, target in self._edges(number):
            yield skip + raw_class(values), ("U", target, 0, None)
        if number == self._names.end:
            yield rf"\x22?{_END}", None
        if number:
            yield skip, ("N", number, 0, None)
        yield skip, ("W", number, 0, None)

    def _percent(self, number: int) -> Iterator[Way]:
        skip = self._skip(number, r"[^\x22;]")
        for values, target in self._edges(number):
            yield skip + bytes_in_percent(values), ("E", target, 0, None)
        if number == self._names.end:
            yield rf"\x22?{_END}", None
        if number:
            yield rf"{skip}\x22?", ("N", number, 0, None)

    def _closed(self, number: int) -> Iterator[Way]:
        """Behind an encoded word nobody remembers whether it stood in quotes."""
        yield _BLANK, ("W", number, 0, None)
        yield r"(?![\t\n\r\x20])" if number != self._names.end else "", ("U", number, 0, None)
        yield r"\x22", ("N", number, 0, None)

    def _piece(self, number: int) -> Iterator[Way]:
        yield r"\x22", ("P", number, 0, None)
        yield r"(?!\x22)", ("U", number, 0, None)

    def _next(self, number: int) -> Iterator[Way]:
        yield _NEXT, ("S", number, 0, None)
        yield _NEXT_PERCENT + r"\x22?", ("E", number, 0, None)

    def _word(self, number: int) -> Iterator[Way]:
        yield _OPEN + r"[Bb]\?", ("B", number, 0, None)
        yield _OPEN + r"[Qq]\?", ("Q", number, 0, None)

    def _in_q(self, number: int) -> Iterator[Way]:
        skip = f"(?:={HEX}{{2}}|[^?=])*?" if self._names.nodes[number].repeats else ""
        for values, target in self._edges(number):
            yield skip + bytes_in_q(values), ("Q", target, 0, None)
        if number or self._names.anchored:
            yield skip + r"\?=", ("C", number, 0, None)

    def _in_base64(self, number: int, phase: int, bits: int | None) -> Iterator[Way]:
        for values, target in self._edges(number):
            for text, next_phase, next_bits in bytes_in_base64(values, phase, bits):
                yield text, ("B", target, next_phase, next_bits)
        if self._names.nodes[number].repeats:
            for text, next_phase, next_bits in bytes_in_base64(_ANY_BYTE, phase, bits):
                yield text, ("B", number, next_phase, next_bits)
        if number or self._names.anchored:
            yield f"{rest_in_base64(phase, bits)}=*" * bool(phase) + r"\?=", ("C", number, 0, None)


def _choice(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"(?:{'|'.join(texts)})"


def patterns_of(rule: Mapping[str, Any]) -> list[str]:
    """Patterns of names; an extension is ``*.extension``."""
    given = [str(each).lstrip("*.").lower() for each in rule.get("extensions") or []]
    listed = [one for each in given for one in (DANGEROUS_EXTENSIONS if each == DANGEROUS else [each])]
    extensions = [f"*.{each}" for each in listed]
    return list(dict.fromkeys([*extensions, *(rule.get("names") or [])]))


def compile_attachments(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lines of mime_header_checks, in the order of the rules.

    :raises PhraseError: a rule cannot be compiled
    """
    lines = []
    for place, rule in enumerate(rules):
        for text, comment in _expressions(patterns_of(rule)):
            lines.append(line_of("attachment_names", place, rule, TABLE, text, comment))
    return lines


def _expressions(patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    plain = [each for each in patterns if each.isascii() and "*" not in each[1:] and each.startswith("*")]
    yield from _together(plain)
    for pattern in patterns:
        if pattern in plain:
            continue
        for name in [ANY] if pattern.isascii() else default_charsets(pattern):
            charset = CHARSETS[name]
            if charset.switches or charset.lacks(pattern):
                continue
            names = Names(charset)
            names.add(pattern)
            yield NameExpression(names, charset.labels).text(), f"{pattern} in {name}"


def _together(patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """As many in one expression as it may be long."""
    waiting = sorted(patterns)
    size = 12
    while waiting:
        taken = waiting[:size]
        names = Names(CHARSETS[ANY])
        for each in taken:
            names.add(each)
        text = NameExpression(names, ()).text()
        if len(text) > _LONGEST and len(taken) > 1:
            size = max(1, len(taken) * 2 // 3)
            continue
        yield text, " ".join(taken)
        waiting = waiting[len(taken) :]
